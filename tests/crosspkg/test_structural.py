"""Structural and dynamic factor models against statsmodels, at equal parameters and by fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnstats import LinearRNN

statsmodels = pytest.importorskip("statsmodels.api")
pytestmark = pytest.mark.crosspkg


def growth(p: int = 4, nobs: int = 120) -> np.ndarray:
    rng = np.random.default_rng(12)
    h, rows = np.zeros(2), []
    loading = rng.standard_normal((p, 2))
    for _ in range(nobs):
        h = np.array([[0.7, 0.2], [-0.3, 0.5]]) @ h + rng.standard_normal(2)
        rows.append(loading @ h + rng.standard_normal(p))
    return np.array(rows)


def test_level_and_autoregression() -> None:
    """A diffuse level and a stationary AR(1) in one state: the start that both must mix."""
    rng = np.random.default_rng(5)
    y = np.cumsum(0.3 * rng.standard_normal(120)) + growth(1)[:, 0]
    y[40:43] = np.nan
    theirs = statsmodels.tsa.UnobservedComponents(
        y, "rwalk", autoregressive=1, use_exact_diffuse=True
    )
    ours = LinearRNN(
        y,
        form="structured",
        structure={
            "W_h": [[1, 0], [0, "phi"]],
            "V": [1, 1],
            "state_cov": ["level", "cycle"],
            "initial_diffuse": [True, False],
        },
    )
    values = {"level": 0.1, "cycle": 1.2, "phi": 0.6}
    at = [values["level"], values["cycle"], values["phi"]]
    assert ours.loglike(pd.Series(values)) == pytest.approx(theirs.loglike(at), abs=1e-8)
    # their score by complex steps, in natural units, is right (transformed parameters)
    np.testing.assert_allclose(
        ours.score(pd.Series(values)[list(ours.param_names)]),
        theirs.score(at, transformed=True, approx_complex_step=True)[[2, 0, 1]],
        rtol=1e-5,
    )
    smoothed = theirs.smooth(at, transformed=True)
    np.testing.assert_allclose(
        ours.smooth(pd.Series(values)).smoothed_state, smoothed.smoothed_state.T, atol=1e-8
    )
    results = ours.fit()
    best = theirs.fit(start_params=at, disp=False, maxiter=500)
    assert results.llf > best.llf - 1e-6


def test_local_linear_trend_with_regressors() -> None:
    """Regression coefficients, level and slope with noise, an exact diffuse start."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((100, 2))
    y = np.cumsum(np.cumsum(0.1 * rng.standard_normal(100))) + x @ [1.0, -0.5]
    y = y + rng.standard_normal(100)
    theirs = statsmodels.tsa.UnobservedComponents(
        y, "lltrend", exog=x, mle_regression=True, use_exact_diffuse=True
    )
    ours = LinearRNN(
        y,
        x,
        form="structured",
        initial="diffuse",
        structure={
            "W_h": [[1, 1], [0, 1]],
            "V": [1, 0],
            "D": [["b1", "b2"]],
            "state_cov": ["level", "slope"],
            "obs_cov": "noise",
        },
    )
    at = [0.9, 0.2, 0.05, 1.1, -0.4]
    values = pd.Series({"b1": 1.1, "b2": -0.4, "level": 0.2, "slope": 0.05, "noise": 0.9})
    assert ours.loglike(values) == pytest.approx(theirs.loglike(at), abs=1e-8)


def test_dynamic_factors() -> None:
    """Two factors, one lag: the same likelihood at the same parameters; they leave V unrestricted,
    which is ours up to a rotation.
    """
    y = growth()
    theirs = statsmodels.tsa.DynamicFactor(y, k_factors=2, factor_order=1)
    ours = LinearRNN(y, form="factor", k_states=2, trend="n")
    results = ours.fit()
    assert results.convergence.converged
    named: dict[str, Any] = dict(results.params)
    at = []
    for name in theirs.param_names:
        kind, *rest = name.split(".")
        if kind == "loading":
            factor, series = rest[0][1:], rest[1]
            at.append(named.get(f"V[{series},h{factor}]", 0.0))
        elif kind == "sigma2":
            at.append(named[f"obs_cov[{rest[0]},{rest[0]}]"])
        else:  # L1.f1.f2: of f1 on the equation of f2
            at.append(named[f"W_h[h{rest[1][1:]},h{rest[0][1:]}]"])
    assert theirs.loglike(at) == pytest.approx(results.llf, abs=1e-7)
    again = theirs.fit(start_params=at, disp=False, maxiter=50)
    assert results.llf > again.llf - 1e-5


def test_one_factor_of_two_lags_by_name() -> None:
    """By scoring and by expectation-maximisation, and by their optimiser from our estimates."""
    y = growth(5)
    theirs = statsmodels.tsa.DynamicFactor(y, k_factors=1, factor_order=2)
    ours = LinearRNN(y, form="factor", structure={"lags": 2}, trend="n")
    scoring, em = ours.fit(), ours.fit(method="em", n_starts=1)
    assert em.llf == pytest.approx(scoring.llf, abs=1e-6)
    order = [*range(2, 12), 0, 1]  # loadings, variances, coefficients
    at = scoring.params.to_numpy()[order]
    assert theirs.loglike(at) == pytest.approx(scoring.llf, abs=1e-8)
