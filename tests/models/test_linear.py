"""LinearRNN as a value: arguments, restrictions, copies, simulation."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from models.linear_cases import series

from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.linear import LinearRNN

Y1, Y2 = series(1), series(2)
X = np.random.default_rng(9).standard_normal((60, 2))


@pytest.mark.parametrize(
    ("endog", "options", "words"),
    [
        (Y2, {"k_states": 0}, r"k_states must be at least 1; got 0\. For a model without a state"),
        (Y2, {"k_states": 1.5}, "k_states must be a whole number"),
        (Y2, {"k_states": True}, "k_states must be a whole number"),
        (Y2, {"form": "inovations"}, "Did you mean 'innovations'"),
        (Y2, {"trend": "t"}, "trend must be one of 'n', 'c', 'ct'"),
        (Y2, {"initial": "exact"}, "initial must be one of"),
        (Y2, {"exog_enters": "state "}, "exog_enters must be one of"),
        (Y2, {"exog_enters": "output"}, "got 'output' without exog"),
        (Y2, {"kronecker": (1,)}, r"one index an output \(2\); got \(1,\)"),
        (Y2, {"kronecker": (0, 0)}, "must add up to at least 1"),
        (Y2, {"kronecker": (1, -1)}, r"kronecker\[1\] must be at least 0; got -1"),
        (Y2, {"kronecker": 2}, "kronecker must be a tuple of whole numbers"),
        (Y2, {"kronecker": "11"}, "kronecker must be a tuple of whole numbers"),
        (Y2, {"kronecker": (1, 1), "k_states": 3}, r"sum of the Kronecker indices \(2\); got 3"),
        (Y2, {"kronecker": (1, 1), "form": "observed"}, "kronecker belongs to form='innovations'"),
        (Y2, {"structure": {"pairs": 1}}, "the one key 'coordinates'; got 'pairs'"),
        (Y2, {"form": "leaky", "structure": {"pair": 1}}, "one key 'pairs'; got 'pair'"),
        (Y2, {"form": "leaky", "structure": {"pairs": -1}}, "must be at least 0; got -1"),
        (Y2, {"form": "leaky", "structure": 1}, "structure must be a mapping"),
        (Y2, {"form": "leaky", "k_states": 1, "structure": {"pairs": 1}}, "takes two states"),
        (Y2, {"form": "leaky", "obs_noise": "full"}, "obs_noise must be one of"),
        (Y2, {"form": "leaky", "obs_noise": "none"}, "at least as many states as outputs"),
        (Y2, {"form": "observed", "k_states": 3}, r"multiple of the number of outputs \(2\)"),
        (Y2, {"form": "observed", "obs_noise": "diagonal"}, "obs_noise must be None"),
        (Y2, {"obs_noise": "none"}, "obs_noise must be one of"),
        (Y2, {"fixed": {"W_h[h1,h9]": 0.0}}, r"got 'W_h\[h1,h9\]'\. Did you mean"),
    ],
)
def test_wrong_arguments_are_refused(endog: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecificationError, match=words) as caught:
        LinearRNN(endog, **options)
    assert str(caught.value).startswith("LinearRNN: ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "powell"}, "method must be one of"),
        ({"cov_type": "sandwich"}, "cov_type must be one of"),
        ({"maxiter": 0}, "maxiter must be at least 1"),
        ({"n_starts": 0}, "n_starts must be at least 1"),
        ({"progress": 1}, "progress must be True or False"),
        ({"rng": np.random.RandomState(0)}, "rng must be"),
        ({"start_params": [0.0]}, r"shape \(4,\); got shape \(1,\)"),
        ({"start_params": [2.0, 0.0, 0.0, 1.0]}, "inside the admissible region; got none from"),
    ],
)
def test_wrong_arguments_of_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        LinearRNN(Y1).fit(**options)


def test_too_few_observations_are_refused_by_fit_and_not_before() -> None:
    model = LinearRNN(Y2[:6])
    assert np.isfinite(model.loglike(LinearRNN(Y2).start_params.to_numpy()))
    with pytest.raises(DataError, match="got 12 values and 13 parameters"):
        model.fit()
    with pytest.raises(DataError, match="got 12 values and 13 parameters"):
        _ = model.start_params


def test_a_series_that_does_not_vary_is_refused() -> None:
    y = pd.DataFrame({"a": Y1[:, 0], "b": 7.0})
    with pytest.raises(DataError, match=r"got only the value .*7.* in column 'b'"):
        LinearRNN(y).fit()


def test_outputs_that_add_up_are_refused() -> None:
    y = pd.DataFrame(series(3), columns=["a", "b", "c"])
    y["c"] = 2.0 - 3.0 * y["a"]
    with pytest.raises(DataError, match=r"combinations of each other.*got one of a, c\. Leave"):
        LinearRNN(y).fit()


def test_models_are_frozen_and_can_be_pickled() -> None:
    model = LinearRNN(Y2)
    with pytest.raises(AttributeError, match="models cannot be changed"):
        model.trend = "n"
    params = model.start_params
    copy = pickle.loads(pickle.dumps(model))
    assert copy.loglike(params) == model.loglike(params)
    with pytest.raises(AttributeError, match="models cannot be changed"):
        copy.trend = "n"


def test_clone_keeps_structure_and_restrictions() -> None:
    model = LinearRNN(
        Y2, X, kronecker=(2, 1), trend="ct", exog_enters="both", fixed={"K[h1,y1]": 0.1}
    )
    other = model.clone(Y2[:40], X[:40])
    assert (other.nobs, other.k_states, other.kronecker) == (40, 3, (2, 1))
    assert other.param_names == model.param_names
    assert other.layout == model.layout
    leaky = LinearRNN(Y1, form="leaky", k_states=3, structure={"pairs": 1}, obs_noise="none")
    assert leaky.clone(Y1[:30]).param_names == leaky.param_names


def test_with_fixed_adds_restrictions() -> None:
    model = LinearRNN(Y2)
    diagonal = model.with_fixed({"W_h[h2,h1]": 0.0}).with_fixed({"K[h2,y2]": "K[h1,y1]"})
    assert diagonal.layout.fixed == {"W_h[h2,h1]": 0.0, "K[h2,y2]": "K[h1,y1]"}
    assert model.layout.fixed == {}
    results = diagonal.fit()
    assert results.params["W_h[h2,h1]"] == 0.0
    assert results.params["K[h2,y2]"] == results.params["K[h1,y1]"]
    assert results.llf <= model.fit().llf + 1e-8


def test_everything_fixed_is_a_fit_without_estimation() -> None:
    model = LinearRNN(Y1)
    params = model.start_params
    results = model.with_fixed(params.to_dict()).fit()
    np.testing.assert_array_equal(results.params, params)
    assert results.llf == model.loglike(params)


def test_inputs_are_not_changed_and_not_followed() -> None:
    y = Y2.copy()
    model = LinearRNN(y)
    params = model.start_params
    before = model.loglike(params)
    y[:] = 0.0
    assert model.loglike(params) == before


def test_simulation_has_the_model_s_moments() -> None:
    model = LinearRNN(pd.DataFrame(Y2, columns=["a", "b"]))
    params = np.array([0.5, 0.2, -0.1, 0.4, 0.8, 0.1, 0.0, 0.6, 3.0, -1.0, 1.0, 0.3, 2.0])
    drawn = model.simulate(params, 40_000, rng=1)
    assert list(drawn.columns) == ["a", "b"]
    system = model.system(params)
    gain = system.selection
    state = np.zeros((2, 2))
    for _ in range(200):
        state = system.transition @ state @ system.transition.T + gain @ system.obs_cov @ gain.T
    variance = system.design @ state @ system.design.T + system.obs_cov
    # standard error of a mean about 0.02, of a covariance about 2 %; four of them
    np.testing.assert_allclose(drawn.mean(), [3.0, -1.0], atol=0.1)
    np.testing.assert_allclose(drawn.cov(), variance, rtol=0.08, atol=0.1)


def test_simulation_is_repeatable_and_checks_its_arguments() -> None:
    model = LinearRNN(Y1, X)
    params = model.start_params
    first = model.simulate(params, 5, rng=3)
    pd.testing.assert_frame_equal(first, model.simulate(params, 5, rng=3))
    assert not first.equals(model.simulate(params, 5, rng=4))
    moved = model.simulate(params, 5, rng=3, exog=X[:5] + 1.0)
    assert not np.allclose(first, moved)
    turned = pd.DataFrame(X[:5] + 1.0, columns=["x1", "x2"])[["x2", "x1"]]
    pd.testing.assert_frame_equal(moved, model.simulate(params, 5, rng=3, exog=turned))
    with pytest.raises(SpecificationError, match="got 60 rows for 70"):
        model.simulate(params, 70)
    with pytest.raises(SpecificationError, match="nsimulations must be at least 1"):
        model.simulate(params, 0)
    with pytest.raises(SpecificationError, match=r"one a state; got shape \(2,\)"):
        model.simulate(params, 5, initial_state=[1.0, 2.0])
    diffuse = LinearRNN(Y1, initial="diffuse")
    values = diffuse.start_params.to_numpy()
    with pytest.raises(SpecificationError, match="diffuse start cannot be drawn from"):
        diffuse.simulate(values, 5)
    far = diffuse.simulate(values, 1, initial_state=[1e6], rng=0)
    assert float(far.iloc[0, 0]) == pytest.approx(1e6, rel=1e-3)


def test_simulation_of_a_series_is_a_series() -> None:
    model = LinearRNN(pd.Series(Y1[:, 0], name="cpi"))
    drawn = model.simulate(model.start_params, 4, rng=0)
    assert isinstance(drawn, pd.Series)
    assert drawn.name == "cpi"


def test_repr_is_one_line() -> None:
    assert repr(LinearRNN(Y2)) == "LinearRNN(innovations, 2 states, outputs: y1, y2; 60 rows)"
    with_inputs = repr(LinearRNN(Y1, X, form="leaky"))
    assert with_inputs == "LinearRNN(leaky, 1 state, outputs: y; inputs: x1, x2; 60 rows)"


def test_clone_neither_drops_nor_adds_inputs() -> None:
    with pytest.raises(SpecificationError, match=r"inputs x1, x2; got no exog\. Give their rows"):
        LinearRNN(Y2, X).clone(Y2)
    with pytest.raises(SpecificationError, match=r"has no inputs; got exog\. Leave it out"):
        LinearRNN(Y2).clone(Y2, X)


@pytest.mark.parametrize("jobs", [0, "a", -3, 1.5])
def test_number_of_processes_is_checked(jobs: object) -> None:
    with pytest.raises(SpecificationError, match="n_jobs must be"):
        LinearRNN(Y1).fit(n_jobs=jobs)


@pytest.mark.parametrize("params", [["a", "b", "c", "d"], "a", object()])
def test_params_that_are_no_numbers_are_refused(params: Any) -> None:
    model = LinearRNN(Y1)
    with pytest.raises(SpecificationError, match="params must be numbers; got"):
        model.loglike(params)
    with pytest.raises(SpecificationError, match="params must be numbers; got"):
        model.fit(start_params=params)


def test_restrictions_may_be_a_series_and_nothing_else_but_a_mapping() -> None:
    held = pd.Series({"K[h1,y1]": 0.1})
    assert LinearRNN(Y2, fixed=held).layout.fixed == {"K[h1,y1]": 0.1}
    assert LinearRNN(Y2).with_fixed(held).layout.fixed == {"K[h1,y1]": 0.1}
    for wrong in ([1.0], "K[h1,y1]", 3):
        with pytest.raises(SpecificationError, match="fixed must be a mapping"):
            LinearRNN(Y2, fixed=wrong)
        with pytest.raises(SpecificationError, match="fixed must be a mapping"):
            LinearRNN(Y2).with_fixed(wrong)


@pytest.mark.parametrize(
    ("exog", "words"),
    [
        (np.ones((5, 3)), r"shape \(5, 2\); got shape \(5, 3\)"),
        (np.ones((4, 2)), r"shape \(5, 2\); got shape \(4, 2\)"),
        (np.full((5, 2), np.nan), "got NaN or inf in it"),
        ("a", "exog must be numbers"),
    ],
)
def test_inputs_of_a_simulation_are_checked(exog: Any, words: str) -> None:
    model = LinearRNN(Y2, X)
    with pytest.raises(SpecificationError, match=words):
        model.simulate(model.start_params, 5, exog=exog)
    plain = LinearRNN(Y2)
    with pytest.raises(SpecificationError, match="the model has no inputs"):
        plain.simulate(plain.start_params, 5, exog=exog)
