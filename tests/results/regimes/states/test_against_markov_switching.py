"""The same regimes, durations and standard errors as statsmodels' Markov switching models.

Both have the same natural parameters: statsmodels' ``p[i->0]`` are the probabilities of a step to
its first regime, here ``p[h1->h1]`` and ``p[h2->h1]``. Everything is compared at one point.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.regimes.markov_cases import at, case

from rnnstats import datasets
from rnnstats.models.markov import MarkovRNN

pytestmark = pytest.mark.crosspkg


def _compare(res, theirs, first=0):
    """Log-likelihood, probabilities and durations; their arrays leave out the first rows."""
    assert res.llf == pytest.approx(theirs.llf, rel=1e-12)
    for kind in ("predicted", "filtered", "smoothed"):
        ours = getattr(res, f"{kind}_marginal_probabilities").to_numpy()[first:]
        their = np.asarray(getattr(theirs, f"{kind}_marginal_probabilities"))
        np.testing.assert_allclose(ours, their[: len(ours)], atol=1e-9)  # they work in logs
    np.testing.assert_allclose(res.expected_durations, theirs.expected_durations, rtol=1e-12)
    np.testing.assert_allclose(
        res.transition.to_numpy(), theirs.regime_transition[:, :, 0].T, rtol=1e-12
    )


def _errors(res, theirs, names):
    """Observed information: theirs by second differences of the log-likelihood, good to 1e-4."""
    again = theirs.model.smooth(theirs.params, cov_type="approx")
    np.testing.assert_allclose(res.bse[names], again.bse, rtol=2e-4)
    products = theirs.model.smooth(theirs.params, cov_type="opg")
    np.testing.assert_allclose(res.with_cov("opg").bse[names], products.bse, rtol=1e-6)


def test_switching_mean_and_variance():
    sm = pytest.importorskip("statsmodels.api")
    rates = datasets.fedfunds()["fedfunds"].dropna()
    fit = MarkovRNN(rates, switching=("trend", "variance")).fit(n_starts=6)
    names = list(fit.model.param_names)
    theirs = sm.tsa.MarkovRegression(rates.to_numpy(), k_regimes=2, switching_variance=True).smooth(
        fit.params.to_numpy()
    )
    assert names[2:] == [
        "V[fedfunds,h1]", "V[fedfunds,h2]",
        "obs_cov[fedfunds,fedfunds,h1]", "obs_cov[fedfunds,fedfunds,h2]",
    ]  # fmt: skip
    _compare(fit, theirs)
    _errors(fit, theirs, names)


def test_hamilton_autoregression_in_mean_form():
    sm = pytest.importorskip("statsmodels.api")
    growth = datasets.hamilton()["rgnp_growth"].dropna()
    model = MarkovRNN(growth, order=4, ar_form="mean", switching="trend")
    values = {"p[h1->h1]": 0.754671, "p[h2->h1]": 0.095915, "V[rgnp_growth,h1]": -0.358813}
    values |= {"V[rgnp_growth,h2]": 1.163517, "obs_cov[rgnp_growth,rgnp_growth]": 0.591368}
    lags = (0.013487, -0.057521, -0.246983, -0.212921)
    values |= {f"ar{i + 1}[rgnp_growth,rgnp_growth]": a for i, a in enumerate(lags)}
    res = at(model, [values[name] for name in model.param_names])
    theirs = sm.tsa.MarkovAutoregression(
        growth.to_numpy(), k_regimes=2, order=4, switching_ar=False
    )
    order = ["p[h1->h1]", "p[h2->h1]", "V[rgnp_growth,h1]", "V[rgnp_growth,h2]"]
    order += ["obs_cov[rgnp_growth,rgnp_growth]"]
    order += [f"ar{i}[rgnp_growth,rgnp_growth]" for i in range(1, 5)]
    at_ours = theirs.smooth(res.params[order].to_numpy())
    assert res.llf == pytest.approx(at_ours.llf, rel=1e-12)
    for kind in ("filtered", "smoothed"):
        ours = getattr(res, f"{kind}_marginal_probabilities").to_numpy()[4:]
        their = np.asarray(getattr(at_ours, f"{kind}_marginal_probabilities"))
        np.testing.assert_allclose(ours, their, atol=1e-9)
    np.testing.assert_allclose(res.expected_durations, at_ours.expected_durations, rtol=1e-12)
    _errors(res, at_ours, order)
    # EViews' standard errors, stored with statsmodels (M01 of the reference cases), at its maximum
    known = [0.0965189, 0.0377362, 0.2645396, 0.0745187]
    np.testing.assert_allclose(res.bse[order[:4]], known, rtol=1e-3)
    assert res.nobs == at_ours.nobs
    assert res.bic == pytest.approx(at_ours.bic)


def test_transitions_driven_by_an_input():
    sm = pytest.importorskip("statsmodels.api")
    res = case("driven")
    y = res.model.endog.values[:, 0]
    design = np.column_stack([np.ones(len(y)), res.model.exog_transition.values])
    p = res.params
    theirs = sm.tsa.MarkovRegression(y, k_regimes=2, exog_tvtp=design).smooth(
        [
            p["W_h[h1->h1]"], p["W_h[h2->h1]"], p["W_x[h1->h1,x]"], p["W_x[h2->h1,x]"],
            p["V[y,h1]"], p["V[y,h2]"], p["obs_cov[y,y]"],
        ]
    )  # fmt: skip
    assert res.llf == pytest.approx(theirs.llf, rel=1e-12)
    np.testing.assert_allclose(
        res.smoothed_marginal_probabilities, theirs.smoothed_marginal_probabilities, atol=1e-9
    )
    durations = pd.DataFrame(theirs.expected_durations).to_numpy()
    np.testing.assert_allclose(res.expected_durations.to_numpy(), durations, rtol=1e-9)
