"""Responses to regimes and shocks."""

import itertools

import numpy as np
import pandas as pd
import pytest
from results.regimes import regime_models as cases

from rnnstats.errors import SpecificationError
from rnnstats.models.markov import MarkovRNN

MATRIX, STATIONARY = cases.MATRIX, np.array([2.0, 1.0]) / 3.0


def test_without_lags_the_response_is_that_of_the_chain():
    table = cases.gaussian().impulse_responses(3)
    means = np.array([-1.0, 2.0])
    power = np.eye(2)
    for lag in range(4):
        due = power @ means - STATIONARY @ means
        np.testing.assert_allclose(table.iloc[lag], due, atol=1e-13)
        power = power @ MATRIX
    shares = cases.categorical()[0].impulse_responses(1)
    emission = cases.categorical()[1]
    np.testing.assert_allclose(
        shares["h2"].iloc[1], (MATRIX[1] - STATIONARY) @ emission, atol=1e-13
    )
    running = cases.gaussian().impulse_responses(3, cumulative=True)
    np.testing.assert_allclose(running, table.cumsum())


@pytest.mark.parametrize("form", ["intercept", "mean"])
def test_with_lags_the_response_is_the_mean_of_simulated_rows(form):
    results = cases.autoregression(form)
    table = results.impulse_responses(3)
    outputs, regimes = results.simulate(20000, rng=1, return_regimes=True)
    y, h = outputs.to_numpy()[200:], regimes.to_numpy()[200:]
    for lag, name in itertools.product(range(4), ("h1", "h2")):
        at = np.flatnonzero(h[: len(h) - 3] == name) + lag
        # rows are correlated: an effective size of a tenth of the rows, four standard errors
        error = 4.0 * y.std() / np.sqrt(len(at) / 10)
        assert table[name, "y"].iloc[lag] == pytest.approx(y[at].mean() - y.mean(), abs=error)


def test_shocks_are_averaged_over_paths_or_stay_in_the_regime():
    results = cases.var()
    p, names = results.params, ("a", "b")
    ar = [np.array([[p[f"ar1[{i},{j},{h}]"] for j in names] for i in names]) for h in ("h1", "h2")]
    found = results.impulse_responses(3, kind="shock")
    held = results.impulse_responses(3, kind="shock", regimes="held")
    for start in range(2):
        due = np.zeros((2, 2))
        for path in itertools.product(range(2), repeat=3):
            probability, product, now = 1.0, np.eye(2), start
            for j in path:
                probability *= MATRIX[now, j]
                product, now = ar[j] @ product, j
            due += probability * product
        for j, name in enumerate(names):
            column = f"{name} in h{start + 1}"
            np.testing.assert_allclose(found[column].iloc[3], due[:, j], atol=1e-13)
            cubed = np.linalg.matrix_power(ar[start], 3)[:, j]
            np.testing.assert_allclose(held[column].iloc[3], cubed, atol=1e-13)
    scaled = results.impulse_responses(2, kind="shock", orthogonalized=True, impulse="a in h2")
    first = np.array([p["obs_cov[a,a,h2]"], p["obs_cov[b,a,h2]"]])
    np.testing.assert_allclose(scaled.iloc[0], first / np.sqrt(first[0]), atol=1e-13)


def test_shocks_of_the_mean_form_use_the_regimes_of_the_lags():
    # lags act alike in both forms where they do not switch: the shock leaves the same trace
    for form in ("intercept", "mean"):
        results = cases.autoregression(form)
        held = results.impulse_responses(3, kind="shock", regimes="held")
        trace = [1.0, 0.7, 0.7**2 - 0.2]
        np.testing.assert_allclose(held["y in h2", "y"].iloc[:3], trace, atol=1e-12)


def test_bands_are_those_of_the_delta_method():
    model = cases.gaussian().model
    results = cases.results_at(model, dict(cases.gaussian().params), cov_type="oim")
    found = results.impulse_responses(2, "h1", bands="delta")
    theta = results.params.to_numpy()

    def response(point):
        at = cases.results_at(model, dict(zip(model.param_names, point, strict=True)))
        return at.impulse_responses(2, "h1").to_numpy()[:, 0]

    slopes = np.array([
        (response(theta + step) - response(theta - step)) / 2e-5
        for step in 1e-5 * np.eye(len(theta))
    ]).T  # fmt: skip
    errors = np.sqrt(np.einsum("hi,ij,hj->h", slopes, results.cov_params().to_numpy(), slopes))
    # central differences: error of the order of the step squared
    np.testing.assert_allclose(found.std_err.iloc[:, 0], errors, rtol=1e-6)
    assert isinstance(found.frame, pd.DataFrame)
    draws = cases.gaussian().bootstrap(24, rng=1)
    boot = cases.gaussian().impulse_responses(2, bands="bootstrap", bootstrap=draws)
    assert (boot.lower.to_numpy() <= boot.upper.to_numpy()).all()


def test_what_makes_no_sense_is_refused():
    results = cases.gaussian()
    with pytest.raises(SpecificationError, match="without lags a shock is gone"):
        results.impulse_responses(2, kind="shock")
    with pytest.raises(SpecificationError, match="are about shocks"):
        results.impulse_responses(2, orthogonalized=True)
    with pytest.raises(SpecificationError, match="impulse must be one that exists"):
        results.impulse_responses(2, "h3")
    values = dict(results.params) | {"p[h2->h1]": 0.0}
    caught = cases.results_at(MarkovRNN(results.model.endog, start="uniform"), values, "none")
    with pytest.raises(SpecificationError, match="got h1 with stationary probability zero"):
        caught.impulse_responses(2)
    with pytest.raises(AttributeError, match="fevd"):
        _ = results.fevd
    values = cases.AR | {"ar1[y,y,h1]": 1.2, "ar1[y,y,h2]": 1.3}
    wild = cases.results_at(cases.autoregression().model, cases.STEPS | values)
    with pytest.raises(SpecificationError, match="not stable"):
        wild.impulse_responses(2)
