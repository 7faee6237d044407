"""Formulas in parameter names: values, exact derivatives, linearity, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnstats.errors import SpecificationError
from rnnstats.estimation.differences import jacobian
from rnnstats.results.inference.formulas import read_equations

NAMES = ("W_h[h1,h1]", "V[real gdp,h1]", "x")
THETA = np.array([0.7, -1.3, 2.1])


def at(text, theta=THETA):
    return read_equations(text, NAMES, caller="wald_test")[0].gap.at(theta)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 ** 3 ** 2 * x", 512 * 2.1),  # to the right, as in Python
        ("-x ** 2", -(2.1**2)),
        ("x ** -1", 1 / 2.1),
        ("x - 1 - 1", 0.1),
        ("x / 2 / 2", 2.1 / 4),
        ("log(exp(x)) + sqrt(x * x) - abs(V[real gdp, h1])", 4.2 - 1.3),
        ("(V[real gdp,h1]) ** 2 = x", 1.3**2 - 2.1),
        ("abs (x) * 1e1", 21.0),
        ("exp(-(W_h[h1,h1] - .7))", 1.0),
        ("x ** W_h[h1,h1]", 2.1**0.7),
    ],
)
def test_values_and_derivatives(text, value):
    found = at(text)
    assert found.value == pytest.approx(value, rel=1e-14, abs=1e-14)
    numeric = jacobian(lambda p: np.array([at(text, p).value]), THETA)[0]
    np.testing.assert_allclose(found.slope, numeric, atol=1e-8 * max(1.0, abs(value)))


LEAVES = st.sampled_from(["x", "W_h[h1,h1]", "V[real gdp,h1]", "2", "0.3"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["exp", "abs"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        inner.map(lambda t: f"-{t}"),
        inner.map(lambda t: f"({t}) ** 2"),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(tree=TREES)
def test_any_formula_is_what_python_makes_of_it(tree):
    """Read by our grammar, and by Python with numbers in the place of names."""
    text = f"({tree}) * (abs(x) / x)"  # times one, so that a parameter is in it
    plain = tree
    for name, number in zip(NAMES, THETA, strict=True):
        plain = plain.replace(name, f"({number})") if name != "x" else plain
    try:
        expected = eval(plain, {"exp": math.exp, "abs": abs, "x": 2.1, "__builtins__": {}})
    except (ZeroDivisionError, OverflowError):
        return
    try:
        found = at(text)
    except SpecificationError as error:
        assert "division by zero" in str(error)
        return
    if math.isfinite(expected) and abs(expected) < 1e100:
        assert found.value == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("2 * (x - W_h[h1,h1]) / 4 + log(1)", [-0.5, 0, 0.5, 0]),
        ("x ** 1 - sqrt(4)", [0, 0, 1, -2]),
        ("-x * 3 ** 2", [0, 0, -9, 0]),
        ("x * W_h[h1,h1]", None),
        ("1 / x", None),
        ("x ** 2", None),
        ("abs(x)", None),
    ],
)
def test_linear_formulas_are_recognised(text, row):
    found = read_equations(text, NAMES, caller="f")[0].gap.coefficients(3)
    assert (found is None) if row is None else found.tolist() == row


def test_texts_and_chains():
    found = read_equations("x=2*W_h[ h1,h1 ] = 1; log( x ),\n x/2", NAMES, caller="f")
    assert [equation.text for equation in found] == [
        "x = 2 * W_h[h1,h1]",
        "2 * W_h[h1,h1] = 1",
        "log(x)",
        "x / 2",
    ]


@pytest.mark.parametrize("text", ["log(-x)", "sqrt(x - 5)", "x / (x - 2.1)", "exp(1000 * x)"])
def test_no_value_is_nan(text):
    assert math.isnan(at(text).value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sin(x)", "'sin'"),
        ("x.real", "'\\.'"),
        ("lambda: x", "lambda"),
        ("log x", "log"),
        ("log()", "'\\)'"),
        ("x ^ 2", "\\^"),
        ("exp(1) = 2", "without a parameter"),
        ("x == 1", "'='"),
        ("x / 0", "division by zero"),
    ],
)
def test_refusals(text, words):
    with pytest.raises(SpecificationError, match=words):
        read_equations(text, NAMES, caller="f")
