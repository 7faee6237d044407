"""What users may give for a recurrence, and how it is refused."""

import math

import numpy as np
import pandas as pd
import pytest

from rnnstats.diagnostics.memory import jacobian_products, lyapunov_spectrum
from rnnstats.diagnostics.memory.recurrences import recurrence_of
from rnnstats.errors import SpecificationError


def test_a_matrix_may_be_a_table_or_lists():
    cells = [[0.5, 0.2], [-0.3, 0.4]]
    known = recurrence_of(np.array(cells)).trajectory().state[0]
    for given in (pd.DataFrame(cells, index=["a", "b"], columns=["a", "b"]), cells, tuple(cells)):
        np.testing.assert_array_equal(recurrence_of(given).trajectory().state[0], known)


@pytest.mark.parametrize("start", [0.3, [0.3], np.array([0.3]), pd.Series([0.3])])
def test_functions_of_a_number_are_given_one(start):
    found = recurrence_of(lambda h: math.tanh(0.8 * h), start, 40).trajectory()
    known = recurrence_of(lambda h: np.tanh(0.8 * h), start, 40).trajectory()
    # two libraries round tanh apart, 40 times
    np.testing.assert_allclose(found.states, known.states, rtol=1e-13)
    # differences against a complex step
    np.testing.assert_allclose(found.state, known.state, rtol=1e-8)
    by_hand = recurrence_of(
        lambda h, x: math.tanh(0.8 * h + x),
        start,
        jacobian=lambda h, x: 0.8 / math.cosh(0.8 * h + x) ** 2,
        inputs=np.zeros(40),
    )
    np.testing.assert_allclose(by_hand.trajectory().state, known.state, rtol=1e-13)


def test_what_fails_either_way_fails_as_it_was_written():
    with pytest.raises(TypeError, match="unsupported operand"):
        recurrence_of(lambda h: h + {}, 0.3, 5).trajectory()


def test_one_step_of_a_function_is_one_row_not_a_constant():
    run = recurrence_of(lambda h: 4.0 * h * (1.0 - h), 0.3, 1).trajectory()
    assert not run.constant
    assert jacobian_products(lambda h: 4.0 * h * (1.0 - h), 0.3, 1).frame.index.tolist() == [0, 1]
    assert recurrence_of(np.array([[0.5]])).trajectory().constant


def test_functions_that_work_in_place_do_no_harm():
    def step(h, x):
        h *= 0.5
        h += x
        return h

    inputs = np.ones((50, 1))
    found = recurrence_of(step, [1.0], inputs=inputs).trajectory()
    np.testing.assert_allclose(found.state, 0.5, rtol=1e-9)
    np.testing.assert_array_equal(inputs, 1.0)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((lambda h: h, "a", 5), {}, "h0 must be a list of finite numbers.*got 'a'"),
        ((lambda h: h, [1j], 5), {}, r"h0 must be a list of finite numbers.*got \[1j\]"),
        ((lambda h: h, [np.nan], 5), {}, "h0 must be a list of finite numbers"),
        ((np.eye(2) + 1j,), {}, "one square matrix of real numbers.*complex128"),
        (([[1.0, 2.0], [3.0]],), {}, "one square matrix of real numbers"),
        ((pd.DataFrame({"a": ["x"]}),), {}, "one square matrix of real numbers"),
        (
            (lambda h: h, [0.0, 1.0], 5),
            {"jacobian": lambda h: np.eye(3)},
            r"jacobian must give .* shape \(2, 2\); got \(3, 3\). Leave it out",
        ),
        ((lambda h: h * np.inf, [1.0], 5), {}, "the state must stay finite.*after step 1"),
        (
            (lambda h: h, [1.0], 5),
            {"jacobian": lambda h: np.full((1, 1), np.nan)},
            "derivatives of the step by the state must be finite; got .*nan.* in step 1",
        ),
        (
            (lambda h, x: h + x, [0.0]),
            {"inputs": [1.0, np.nan, 1.0]},
            r"after step 2. inputs\[1\] is .*nan.*fill it",
        ),
    ],
)
def test_refusals_name_the_argument_and_a_way_out(arguments, options, message):
    with pytest.raises(SpecificationError, match=message):
        recurrence_of(*arguments, **options).trajectory()


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e170, 1e300])
def test_rates_of_factors_whose_squares_are_no_doubles(size):
    # products of three factors, in logs
    for found in (
        jacobian_products([[size]], horizon=3),
        jacobian_products(np.full((3, 1, 1), size) * [[[1.0]], [[2.0]], [[0.5]]], horizon=3),
    ):
        last = found.frame["log_singular_1"].iloc[-1]
        assert last == pytest.approx(3.0 * math.log(size), rel=1e-14)
    assert lyapunov_spectrum([[size, size], [0.0, size / 2]]).exponents == pytest.approx(
        [math.log(size), math.log(size / 2)], rel=1e-14
    )
