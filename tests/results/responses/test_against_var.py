"""Observed form given its first rows, and statsmodels' VAR: responses, errors, shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats.models.linear import LinearRNN

pytestmark = [pytest.mark.crosspkg]
VAR = pytest.importorskip("statsmodels.tsa.api").VAR
results_class = pytest.importorskip("statsmodels.tsa.vector_ar.var_model").VARResults

STEPS = 8


@pytest.fixture(scope="module", params=[1, 2])
def both(request):
    lags = request.param
    rng = np.random.default_rng(4)
    values = np.zeros((150, 3))
    mix = np.array([[0.5, 0.2, 0.0], [-0.2, 0.4, 0.1], [0.1, 0.0, 0.6]])
    root = np.array([[1.0, 0, 0], [0.5, 0.8, 0], [-0.3, 0.2, 0.9]])
    for t in range(1, 150):
        values[t] = mix @ values[t - 1] + root @ rng.standard_normal(3)
    index = pd.period_range("1980Q1", periods=150, freq="Q")
    endog = pd.DataFrame(values[20:], index=index[20:], columns=["a", "b", "c"])
    ours = LinearRNN(endog, k_states=3 * lags, form="observed", initial="diffuse").fit()
    theirs = VAR(endog).fit(lags)
    # the same with the maximum likelihood estimate of the covariance, which divides by T
    ml = results_class(
        theirs.endog, theirs.endog_lagged, np.asarray(theirs.params),
        np.asarray(theirs.sigma_u_mle), lags,
        names=theirs.names, trend="c", dates=theirs.dates, model=theirs.model,
    )  # fmt: skip
    return ours, ml


def pairs(table):
    """(impulse, output) columns as (steps, output, impulse)."""
    return table.to_numpy().reshape(len(table), 3, 3).transpose(0, 2, 1)


def test_responses(both):
    ours, theirs = both
    irf = theirs.irf(STEPS)
    np.testing.assert_allclose(
        pairs(ours.impulse_responses(STEPS, None)), irf.irfs, rtol=1e-7, atol=1e-9
    )
    np.testing.assert_allclose(
        pairs(ours.impulse_responses(STEPS, None, orthogonalized=True)),
        irf.orth_irfs, rtol=1e-7, atol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(
        pairs(ours.impulse_responses(STEPS, None, cumulative=True)),
        irf.cum_effects, rtol=1e-7, atol=1e-9,
    )  # fmt: skip


def test_asymptotic_errors(both):
    """Lütkepohl's proposition 3.6 in closed form; ours by the delta method from the Hessian.

    Left: the Hessian and the derivatives by differences, 1e-9 each, and where the climb ended.
    """
    ours, theirs = both
    irf = theirs.irf(STEPS)
    plain = ours.impulse_responses(STEPS, None, bands="delta")
    np.testing.assert_allclose(pairs(plain.std_err), irf.stderr(), rtol=1e-7, atol=1e-9)
    running = ours.impulse_responses(STEPS, None, cumulative=True, bands="delta")
    np.testing.assert_allclose(pairs(running.std_err), irf.cum_effect_stderr(), rtol=1e-7,
                               atol=1e-9)  # fmt: skip
    factor = ours.impulse_responses(STEPS, None, orthogonalized=True, bands="delta")
    np.testing.assert_allclose(pairs(factor.std_err), irf.stderr(orth=True), rtol=1e-7, atol=1e-9)


def test_degrees_of_freedom_are_the_only_difference(both):
    """Their default divides the residual covariance by T less the parameters of an equation."""
    ours, theirs = both
    default = VAR(ours.model.endog.labelled(ours.model.endog.values)).fit(theirs.k_ar)
    ratio = np.sqrt(default.nobs / default.df_resid)
    errors = ours.impulse_responses(STEPS, None, bands="delta").std_err
    np.testing.assert_allclose(
        ratio * pairs(errors), default.irf(STEPS).stderr(), rtol=1e-7, atol=1e-9
    )


def test_shares(both):
    ours, theirs = both
    shares = ours.fevd(STEPS).shares.to_numpy().reshape(3, STEPS, 3)
    np.testing.assert_allclose(shares, theirs.fevd(STEPS).decomp, rtol=1e-7, atol=1e-9)
    variance = ours.fevd(STEPS).variance
    mse = np.diagonal(theirs.mse(STEPS), axis1=1, axis2=2)
    np.testing.assert_allclose(variance, mse, rtol=1e-7)


def test_historical_parts_are_running_sums_of_responses(both):
    """Luetkepohl's moving average: parts of the shocks by the responses to them."""
    ours, theirs = both
    found = ours.historical_decomposition(orthogonalized=True)
    lags = theirs.k_ar
    shocks = found.shocks.to_numpy()
    root = np.linalg.cholesky(theirs.sigma_u)
    np.testing.assert_allclose(
        shocks[lags:], np.linalg.solve(root, np.asarray(theirs.resid).T).T, rtol=1e-6, atol=1e-7
    )
    n = len(shocks)
    responses = theirs.ma_rep(n) @ root
    parts = np.zeros((n, 3, 3))
    for t in range(lags, n):
        for s in range(lags, t + 1):
            parts[t] += responses[t - s] * shocks[s]
    mine = found.frame.to_numpy().reshape(n, 3, -1)[:, :, :3]
    np.testing.assert_allclose(mine, parts, rtol=1e-6, atol=1e-7)
