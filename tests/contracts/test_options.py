"""Each value of an option of a model changes a result or is refused.

Values are read from the Literals in the signatures, so that a new one is tested when it appears.
Options of results are in ``test_results_surface.py``.
"""

from __future__ import annotations

import inspect
import itertools
import typing
import warnings
from typing import Any, get_args

import numpy as np
import pytest
from models.linear_cases import series

from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.covariance import COV_TYPES, CovType
from rnnstats.estimation.optimize import METHODS, Method
from rnnstats.models.linear import LinearRNN

Y = series(2, 60)
X = np.random.default_rng(9).standard_normal((60, 1))
# "structured" takes its options from tables: tests/models/test_structured.py
FORMS = ("innovations", "observed", "leaky", "factor", "free")
SAME = {
    # option, form: values that are two words for one thing, as the docstring says
    ("obs_noise", "innovations"): {None, "full"},
    ("obs_noise", "leaky"): {None, "diagonal"},
    ("obs_noise", "factor"): {None, "diagonal"},
    ("obs_noise", "free"): {None, "full"},
}
REFUSED = {("initial", form): {"diffuse"} for form in ("leaky", "factor", "free")}  # record 3
HINTS = {
    name: set(get_args(hint)) for name, hint in typing.get_type_hints(LinearRNN.__init__).items()
}
HINTS["obs_noise"] = {
    value
    for part in get_args(typing.get_type_hints(LinearRNN.__init__)["obs_noise"])
    for value in (get_args(part) or (None,))
}
OPTIONS = ("form", "trend", "exog_enters", "obs_noise", "initial")


def natural(name: str) -> float:
    """Give an admissible value, by name, so that models with the same names are compared there."""
    block, inside = name.rstrip("]").split("[")
    first, _, last = inside.partition(",")
    last = last or first
    if block in ("obs_cov", "state_cov"):
        return 1.5 if first == last else 0.2
    if block == "W_h":
        return 0.5 - 0.2 * (last == "h2") if first == last else 0.1
    if block == "V":
        return 0.8 if first[-1] == last[-1] else 0.3
    return {"K": 0.4, "W_x": 0.6, "D": -0.7, "b_y": 2.0, "b_y_trend": 0.05}[block]


def outcome(**options: Any) -> tuple[tuple[str, ...], float] | None:
    """Parameters and log-likelihood of a model at fixed values; None where it is refused."""
    try:
        model = LinearRNN(Y, X, **options)
    except SpecificationError as error:
        assert str(error).startswith("LinearRNN: ")
        return None
    llf = model.loglike([natural(name) for name in model.param_names])
    assert np.isfinite(llf)
    return model.param_names, llf


def differ(a: tuple[tuple[str, ...], float], b: tuple[tuple[str, ...], float]) -> bool:
    return a[0] != b[0] or abs(a[1] - b[1]) > 1e-6 * abs(a[1])


def test_the_options_are_those_of_the_signature() -> None:
    """An option with a Literal that is not listed here is not tested here."""
    literal = {
        name
        for name, hint in typing.get_type_hints(LinearRNN.__init__).items()
        if "Literal" in str(hint)
    }
    assert literal == set(OPTIONS)
    assert HINTS["form"] == {*FORMS, "structured"}
    assert HINTS["obs_noise"] == {None, "full", "diagonal", "none"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("option", OPTIONS[1:])
def test_each_value_changes_the_model_or_is_refused(option: str, form: str) -> None:
    found = {
        value: outcome(form=form, k_states=2, **{option: value})
        for value in sorted(HINTS[option], key=str)
    }
    accepted = {value: result for value, result in found.items() if result is not None}
    default = inspect.signature(LinearRNN).parameters[option].default
    assert default in accepted
    for (one, first), (two, second) in itertools.combinations(accepted.items(), 2):
        if {one, two} <= SAME.get((option, form), set()):
            assert first == second
        else:
            assert differ(first, second), (one, two)
    if option != "obs_noise":
        assert set(found) - set(accepted) == REFUSED.get((option, form), set())


def test_each_form_is_another_model() -> None:
    found = [outcome(form=form, k_states=2) for form in FORMS]
    for first, second in itertools.combinations(found, 2):
        assert first is not None
        assert second is not None
        assert differ(first, second)


@pytest.mark.parametrize("option", OPTIONS)
def test_other_values_are_refused_with_the_allowed_ones(option: str) -> None:
    wrong: dict[str, Any] = {option: "other"}
    with pytest.raises(SpecificationError, match=f"{option} must be one of .*; got 'other'"):
        LinearRNN(Y, X, **wrong)


# --- options of fit ------------------------------------------------------------------------------

FITTED: dict[str, dict[str, Any]] = {
    "innovations": {"k_states": 2},
    "innovations, restricted": {"k_states": 2, "fixed": {"W_h[h1,h2]": 0.0}},
    "observed": {"form": "observed"},
    "leaky": {"form": "leaky", "k_states": 1},
}


def test_the_values_of_fit_are_those_of_the_literals() -> None:
    assert set(METHODS) == set(get_args(Method))
    assert set(COV_TYPES) == set(get_args(CovType))


@pytest.mark.parametrize("case", FITTED)
def test_each_covariance_type_changes_the_standard_errors(case: str) -> None:
    model = LinearRNN(series(2, 120), **FITTED[case])
    start = model.fit().params
    options = {"cluster": {"groups": np.arange(120) // 4}}
    errors = {
        kind: model.fit(start_params=start, cov_type=kind, cov_kwds=options.get(kind)).bse
        for kind in COV_TYPES
    }
    assert errors.pop("none").isna().all()
    for one, two in itertools.combinations(errors, 2):
        first, second = errors[one].dropna(), errors[two].dropna()
        assert len(first) == len(second) == model.layout.k_free
        assert not np.allclose(first, second, rtol=1e-4), (one, two)
        # and none is another quantity: two estimates of the same thing, 120 rows
        np.testing.assert_allclose(np.log(first / second), 0.0, atol=np.log(3.0))


@pytest.mark.parametrize("case", FITTED)
def test_each_method_takes_another_way_to_the_same_end(case: str) -> None:
    model = LinearRNN(series(2, 120), **FITTED[case])
    start = model.start_params * 0.9
    ways = {}
    for method in METHODS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # judged below
            results = model.fit(start_params=start, method=method)
        record = results.convergence
        assert record.converged, method
        ways[method] = (record.method, record.iterations, record.evaluations, results.llf)
    named = {method: way[0] for method, way in ways.items()}
    assert len(set(named.values())) == len(METHODS), named
    steps = {way[1:3] for method, way in ways.items() if method != "auto"}
    assert len(steps) == len(METHODS) - 1, ways
    ends = [way[3] for way in ways.values()]
    np.testing.assert_allclose(ends, max(ends), rtol=0, atol=1e-6)
