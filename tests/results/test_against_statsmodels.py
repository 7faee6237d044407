"""The same numbers as statsmodels' SARIMAX at the same parameters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats.results.linear import LinearResults

pytestmark = pytest.mark.crosspkg
sarimax = pytest.importorskip("statsmodels.tsa.statespace.sarimax")

# phi, state variance, noise variance, constant, coefficient of x0
OURS = np.array([0.8, 1.1, 0.4, 1.7, 0.9])
THEIRS = [3, 4, 0, 2, 1]  # their order: exog (constant, x0), phi, measurement variance, variance
# Both recursions are exact in exact arithmetic; statsmodels stops updating its covariances at a
# change of 1e-19, so what is left is rounding.
TIGHT = {"rtol": 1e-9, "atol": 1e-10}
LOOSE = {"rtol": 1e-9, "check_names": False}  # their index loses its name


def their_model(endog, exog, initial="stationary"):
    table = exog.copy()
    table.insert(0, "const", 1.0)
    model = sarimax.SARIMAX(endog, table, order=(1, 0, 0), measurement_error=True)
    if initial == "diffuse":
        model.ssm.initialize("diffuse")
    return model


def pair(initial="stationary", gaps=((3, 0), (40, 0), (41, 0)), **options):
    endog, exog = series(80, 1, 1, gaps=gaps)
    ours = LinearResults.from_fit(NoisyAR(endog, exog, initial=initial), OURS, **options)
    theirs = their_model(endog, exog, initial)
    return ours, theirs.smooth(OURS[THEIRS], cov_type="none")


def same(ours, theirs, **tolerance):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), **(tolerance or TIGHT))


@pytest.fixture(scope="module", params=["stationary", "diffuse"])
def both(request):
    return pair(request.param)


def future(steps=6):
    return np.linspace(-1, 1, steps)[:, None]


def future_theirs(steps=6):
    return np.column_stack([np.ones(steps), future(steps)])


def test_criteria_and_likelihood(both):
    ours, theirs = both
    same(ours.llf, theirs.llf)
    same(ours.llf_obs, theirs.llf_obs)
    for name in ("aic", "aicc", "bic", "hqic", "df_model", "nobs", "nobs_diffuse"):
        same(getattr(ours, name), getattr(theirs, name))


def test_fitted_values_and_residuals(both):
    ours, theirs = both
    burn = theirs.nobs_diffuse
    assert ours.fittedvalues.iloc[:burn].isna().all()
    same(ours.fittedvalues[burn:], theirs.fittedvalues[burn:])
    same(ours.resid[burn:], theirs.resid[burn:])
    standard = theirs.filter_results.standardized_forecasts_error[0].copy()
    standard[ours.model.endog.values[:, 0] != ours.model.endog.values[:, 0]] = np.nan  # 0 there
    same(ours.standardized_resid[burn:], standard[burn:])
    pd.testing.assert_index_equal(ours.resid.index, theirs.resid.index, check_names=False)


@pytest.mark.parametrize("initial", ["stationary", "diffuse"])
def test_residual_tests(initial):
    ours, theirs = pair(initial, gaps=())
    same(ours.test_normality(), theirs.test_normality("jarquebera"))
    for alternative in ("two-sided", "increasing", "decreasing"):
        for use_f in (True, False):
            options = {"alternative": alternative, "use_f": use_f}
            same(
                ours.test_heteroskedasticity(**options),
                theirs.test_heteroskedasticity("breakvar", **options),
            )


def test_residual_tests_leave_missing_rows_out(both):
    """As statsmodels documents it: its own methods count a missing row as a residual of 0."""
    from statsmodels.stats.stattools import jarque_bera
    from statsmodels.tsa.stattools import breakvar_heteroskedasticity_test

    ours, _ = both
    resid = ours.standardized_resid.iloc[ours.nobs_diffuse :].to_numpy()
    same(ours.test_normality().iloc[0], jarque_bera(resid[~np.isnan(resid)]))
    third = round(len(resid) / 3)
    expected = breakvar_heteroskedasticity_test(resid, third)
    same(ours.test_heteroskedasticity().iloc[0], expected)
    table = ours.test_serial_correlation(lags=[1, 4])
    x, n = np.where(np.isnan(resid), 0.0, resid - np.nanmean(resid)), (~np.isnan(resid)).sum()
    terms = [
        (x[k:] @ x[:-k] / (x @ x)) ** 2 / (~np.isnan(resid[k:] * resid[:-k])).sum()
        for k in range(1, 5)
    ]
    expected = n * (n + 2) * np.cumsum(terms)[[0, 3]]
    np.testing.assert_allclose(table["statistic"], expected, rtol=1e-10)
    assert table.index.tolist() == [("cpi", 1), ("cpi", 4)]


@pytest.mark.parametrize("method", ["ljungbox", "boxpierce"])
@pytest.mark.parametrize("lags", [None, 3, [2, 5]])
@pytest.mark.parametrize("adjust", [False, True])
def test_serial_correlation(method, lags, adjust):
    ours, theirs = pair(gaps=())
    table = ours.test_serial_correlation(method, lags=lags, df_adjust=adjust)
    same(table.to_numpy().T, theirs.test_serial_correlation(method, adjust, lags)[0])


@pytest.mark.parametrize(
    ("start", "end", "dynamic"),
    [
        (None, None, False),
        (10, 30, False),
        (np.int64(10), np.int32(79), True),
        ("1995Q1", "2005Q4", 5),
        (pd.Period("1995Q1", "Q"), "2008Q1", "1999Q2"),
        (70, 85, False),
        (60, "2011Q2", True),
        (82, 85, False),
    ],
)
def test_predictions(both, start, end, dynamic):
    ours, theirs = both
    reach = 85 if end in (85, "2011Q2") else 79
    steps = reach - 79
    given = {"exog": future(steps)} if steps else {}
    given_theirs = {"exog": future_theirs(steps)} if steps else {}
    ours = ours.get_prediction(start, end, dynamic=dynamic, **given)
    theirs = theirs.get_prediction(start, end, dynamic=dynamic, **given_theirs)
    burn = int(np.isnan(np.asarray(ours.predicted_mean)).sum())
    assert burn <= 1
    for name in ("predicted_mean", "se_mean", "var_pred_mean"):
        same(np.asarray(getattr(ours, name))[burn:], np.asarray(getattr(theirs, name))[burn:])
    index = getattr(theirs.predicted_mean, "index", None)
    assert ours.predicted_mean.index.equals(index)


def test_forecasts(both):
    ours, theirs = both
    mine = ours.get_forecast(6, exog=future())
    other = theirs.get_forecast(6, exog=future_theirs())
    same(mine.predicted_mean, other.predicted_mean)
    for alpha in (0.05, 0.2):
        pd.testing.assert_frame_equal(mine.conf_int(alpha), other.conf_int(alpha=alpha), **LOOSE)
        pd.testing.assert_frame_equal(
            mine.summary_frame(alpha=alpha), other.summary_frame(alpha=alpha), **LOOSE
        )
    same(ours.forecast("2011Q2", exog=future()), theirs.forecast("2011Q2", exog=future_theirs()))


def test_states(both):
    ours, theirs = both
    burn, results = theirs.nobs_diffuse, theirs.filter_results
    assert ours.predicted_state.iloc[:burn].isna().all().all()
    assert np.isinf(ours.predicted_state_cov.iloc[:burn]).all().all()
    same(ours.predicted_state[burn:], results.predicted_state[:, burn:-1].T)
    same(ours.predicted_state_cov[burn:], results.predicted_state_cov[0, :, burn:-1].T)
    same(ours.filtered_state, results.filtered_state.T)
    same(ours.filtered_state_cov, results.filtered_state_cov[0].T)
    same(ours.smoothed_state, theirs.smoothed_state.T)
    same(ours.smoothed_state_cov, theirs.smoothed_state_cov[0].T)


# statsmodels' "approx" is the numerical Hessian and its "oim" Harvey's expected information; we
# call the first oim (observed) and the second approx. Its scores and Hessian are numerical.
# Their robust and robust_approx are the sandwiches with these two, so that they change places too.
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("oim", "approx"),
        ("approx", "oim"),
        ("opg", "opg"),
        ("robust", "robust_approx"),
        ("robust_approx", "robust"),
    ],
)
def test_standard_errors(ours, theirs):
    # no gaps: their information counts the variance terms of missing rows as if observed
    mine = pair(cov_type=ours, gaps=())[0]
    endog, exog = series(80, 1, 1)
    other = their_model(endog, exog).smooth(OURS[THEIRS], cov_type=theirs)
    back = np.argsort(THEIRS)
    same(mine.bse, np.asarray(other.bse)[back], rtol=2e-5)
    same(mine.pvalues, np.asarray(other.pvalues)[back], rtol=1e-3, atol=1e-12)
    same(mine.conf_int(0.1), np.asarray(other.conf_int(0.1))[back], rtol=1e-4)
    contrast = np.array([[1.0, 0, -1, 0, 0], [0, 2, 0, 0, 1]])
    test = other.wald_test(contrast[:, THEIRS], scalar=True)
    same(mine.wald_test(contrast).statistic, test.statistic, rtol=1e-4)


def test_other_data():
    endog, exog = series(120, 1, 1, gaps=((3, 0), (90, 0)))
    ours = LinearResults.from_fit(NoisyAR(endog[:80], exog[:80]), OURS, cov_type="none")
    theirs = their_model(endog[:80], exog[:80]).smooth(OURS[THEIRS], cov_type="none")
    table = exog.copy()
    table.insert(0, "const", 1.0)
    for name in ("append", "extend"):
        mine = getattr(ours, name)(endog[80:], exog[80:])
        other = getattr(theirs, name)(endog[80:], table[80:])
        same(mine.llf, other.llf)
        same(mine.fittedvalues, other.fittedvalues)
        same(mine.smoothed_state, other.smoothed_state.T)
        same(mine.forecast(3, future(3)), other.forecast(3, exog=future_theirs(3)))
    mine, other = ours.apply(endog, exog), theirs.apply(endog, table)
    same(mine.llf, other.llf)
    same(mine.smoothed_state, other.smoothed_state.T)


def test_extending_twice_is_appending():
    endog, exog = series(120, 1, 1, gaps=((3, 0), (90, 0)))
    first = LinearResults.from_fit(
        NoisyAR(endog[:80], exog[:80], trend="ct"), [*OURS[:4], 0.01, 1], cov_type="opg"
    )
    whole = first.append(endog[80:], exog[80:])
    second = first.extend(endog[80:100], exog[80:100])
    third = second.extend(endog[100:], exog[100:])
    same(third.llf_obs, whole.llf_obs[100:])
    same(second.append(endog[100:], exog[100:]).llf_obs, whole.llf_obs[80:])
    same(third.smoothed_state, whole.smoothed_state[100:])
    same(third.cov_params(), first.cov_params())
    for name in ("hessian", "information"):
        parts = [
            getattr(res.model, name)(first.params.to_numpy()) for res in (first, second, third)
        ]
        all_rows = getattr(whole.model, name)(first.params.to_numpy())
        np.testing.assert_allclose(sum(parts), all_rows, rtol=1e-6, atol=1e-6 * abs(all_rows).max())
    scores = third.model.score_obs(first.params.to_numpy())
    same(scores, whole.model.score_obs(first.params.to_numpy())[100:])


def test_impulse_responses(both):
    ours, theirs = both
    for options in ({}, {"orthogonalized": True}, {"cumulative": True}):
        same(ours.impulse_responses(5, **options), theirs.impulse_responses(5, **options))


def test_simulated_moments():
    ours, _ = pair(gaps=())
    paths = ours.simulate(12, repetitions=20_000, rng=1).to_numpy()
    phi, state, noise, const, slope = OURS
    level = const + slope * np.asarray(ours.model.exog.values[:12, 0])
    variance = state / (1 - phi**2)
    # standard errors of a mean and of a variance over 20,000 paths; 4.5 of them
    deviation = np.sqrt((variance + noise) / 20_000)
    assert np.abs(paths.mean(axis=1) - level).max() < 4.5 * deviation
    spread = np.sqrt(2 / 20_000) * (variance + noise)
    assert np.abs(paths.var(axis=1) - (variance + noise)).max() < 4.5 * spread
    covariance = np.cov(paths[2], paths[5])[0, 1]
    assert abs(covariance - phi**3 * variance) < 4.5 * np.sqrt(2 / 20_000) * (variance + noise)


def test_simulation_after_the_sample_has_forecast_moments():
    ours, _ = pair()
    paths = ours.simulate(6, anchor="end", exog=future(), repetitions=20_000, rng=2).to_numpy()
    forecast = ours.get_forecast(6, exog=future())
    errors = forecast.se_mean.to_numpy()
    assert (
        np.abs(paths.mean(axis=1) - forecast.predicted_mean) < 4.5 * errors / np.sqrt(2e4)
    ).all()
    assert (np.abs(paths.var(axis=1) / errors**2 - 1) < 4.5 * np.sqrt(2 / 2e4)).all()
