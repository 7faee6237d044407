"""LinearRNN in innovations form and statsmodels' VARMAX(1, 1) at the same parameters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import series

from rnnstats.models.linear import LinearRNN
from rnnstats.results.linear import LinearResults

# their warning that VARMA parameters are not identified in general is beside the point here
pytestmark = [
    pytest.mark.crosspkg,
    pytest.mark.filterwarnings("ignore:Estimation of VARMA"),
]
varmax = pytest.importorskip("statsmodels.tsa.statespace.varmax")

AR = np.array([[0.5, 0.2], [-0.1, 0.6]])
MA = np.array([[0.3, 0.1], [0.2, -0.4]])
MEAN = np.array([2.0, 1.5])
CHOLESKY = np.array([[1.2, 0.0], [0.4, 0.9]])
COV = CHOLESKY @ CHOLESKY.T
# Both are exact; ours has half the states, theirs stops updating at 1e-19: rounding is left.
TIGHT = {"rtol": 1e-8, "atol": 1e-9}


def pair(gaps=()):
    endog, _ = series(70, 2, gaps=gaps)
    model = LinearRNN(endog, k_states=2)
    theta = np.concatenate([AR.ravel(), (AR + MA).ravel(), MEAN, COV[np.tril_indices(2)]])
    ours = LinearResults.from_fit(model, theta, cov_type="none")
    other = varmax.VARMAX(endog, order=(1, 1), trend="c")
    const = (np.eye(2) - AR) @ MEAN
    root = CHOLESKY[np.tril_indices(2)]
    params = np.concatenate([const, AR.ravel(), MA.ravel(), root])
    return ours, other.smooth(params, cov_type="none")


@pytest.fixture(
    scope="module",
    params=[(), ((4, 0), (20, 1), (33, 0), (33, 1))],
    ids=["complete", "gaps"],
)
def both(request):
    return pair(request.param)


def same(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), **TIGHT)


def test_fit(both):
    ours, theirs = both
    same(ours.llf, theirs.llf)
    same(ours.llf_obs, theirs.llf_obs)
    for name in ("aic", "aicc", "bic", "hqic", "df_model"):
        same(getattr(ours, name), getattr(theirs, name))
    same(ours.fittedvalues, theirs.fittedvalues)
    same(ours.resid, theirs.resid)


def test_standardized_residuals(both):
    ours, theirs = both
    seen = ours.resid.notna().all(axis=1).to_numpy()
    standard = theirs.filter_results.standardized_forecasts_error.T
    same(ours.standardized_resid[seen], standard[seen])
    if seen.all():
        same(ours.test_normality(), theirs.test_normality("jarquebera"))
        het = theirs.test_heteroskedasticity("breakvar")
        same(ours.test_heteroskedasticity(), het)
        table = ours.test_serial_correlation(lags=4)
        for j, name in enumerate(("cpi", "gdp")):
            same(table.loc[name].T, theirs.test_serial_correlation("ljungbox", lags=4)[j])


def test_predictions(both):
    ours, theirs = both
    for arguments in ({"start": 5, "end": 75}, {"start": 30, "end": 60, "dynamic": 4}):
        mine, other = ours.get_prediction(**arguments), theirs.get_prediction(**arguments)
        same(mine.predicted_mean, other.predicted_mean)
        same(mine.se_mean, other.se_mean)
        cov = np.asarray(mine.var_pred_mean).reshape(-1, 2, 2)
        same(cov, np.asarray(other.var_pred_mean))
        for output in (0, 1):
            pd.testing.assert_frame_equal(
                mine.summary_frame(output),
                other.summary_frame(output),
                check_names=False,
                rtol=1e-8,
            )
    mine, other = ours.get_forecast(8), theirs.get_forecast(8)
    pd.testing.assert_frame_equal(mine.conf_int(), other.conf_int(), check_names=False, rtol=1e-8)


@pytest.mark.parametrize("impulse", [0, 1])
@pytest.mark.parametrize("orthogonalized", [False, True])
@pytest.mark.parametrize("cumulative", [False, True])
def test_impulse_responses(both, impulse, orthogonalized, cumulative):
    ours, theirs = both
    options = {"orthogonalized": orthogonalized, "cumulative": cumulative}
    mine = ours.impulse_responses(6, impulse, **options)
    same(mine, theirs.impulse_responses(6, impulse, **options))
    name = ours.model.endog.names[impulse]
    pd.testing.assert_frame_equal(mine, ours.impulse_responses(6, name, **options))
    weights = np.eye(2)[impulse]
    pd.testing.assert_frame_equal(mine, ours.impulse_responses(6, weights, **options))


def test_other_data(both):
    ours, theirs = both
    later, _ = series(90, 2)
    later = later.iloc[70:]
    for name in ("append", "extend"):
        mine, other = getattr(ours, name)(later), getattr(theirs, name)(later)
        same(mine.llf, other.llf)
        same(mine.forecast(3), other.forecast(3))


def test_wold_innovations_of_another_form():
    """The steady state of the filter turns any form into the innovations form."""
    endog, _ = series(70, 1)
    leaky = LinearRNN(endog, k_states=1, form="leaky")
    res = LinearResults.from_fit(leaky, [0.8, 1.3, 2.0, 0.7], cov_type="none")
    assert leaky.param_names == ("W_h[h1,h1]", "V[cpi,h1]", "b_y[cpi]", "obs_cov[cpi,cpi]")
    # AR(1) plus noise is ARMA(1, 1): match the autocovariances of y - phi y(-1)
    variance = 1.3**2 + 0.7 * (1 + 0.8**2)
    lag = -0.8 * 0.7
    theta = (-1 + np.sqrt(1 - 4 * (-lag / variance) ** 2)) / (2 * (-lag / variance))
    wold = 1.0, *[(0.8 + theta) * 0.8**j for j in range(4)]
    np.testing.assert_allclose(res.impulse_responses(4, "cpi"), wold, rtol=1e-10)
    np.testing.assert_allclose(
        res.impulse_responses(2, "h1"), 1.3 * 0.8 ** np.arange(3), rtol=1e-12
    )
    innovations = LinearRNN(endog, k_states=1)
    same_model = LinearResults.from_fit(
        innovations, [0.8, 0.8 + theta, 2.0, -lag * -1 / theta], cov_type="none"
    )
    np.testing.assert_allclose(same_model.llf, res.llf, rtol=1e-12)
    one_sd = same_model.impulse_responses(4, 0, orthogonalized=True)
    np.testing.assert_allclose(one_sd, res.impulse_responses(4, "cpi", orthogonalized=True))
