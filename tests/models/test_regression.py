"""Observed form given its first rows: closed form, filter and joint normal density agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from models.linear_cases import series

from rnnstats.kernels import kalman
from rnnstats.models.linear import LinearRNN
from rnnstats.models.regression import volume

X = np.random.default_rng(9).standard_normal((60, 2))


@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize(("p", "lags"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("inputs", [False, True])
def test_closed_form_is_least_squares(p: int, lags: int, trend: str, inputs: bool) -> None:
    y = series(p)
    model = LinearRNN(
        y,
        X if inputs else None,
        form="observed",
        k_states=lags * p,
        initial="diffuse",
        trend=trend,
    )
    params = model._closed_form()
    assert params is not None
    t = np.arange(lags + 1.0, 61.0)
    parts = [y[lags - lag : 60 - lag] for lag in range(1, lags + 1)]
    parts += {"n": [], "c": [np.ones((60 - lags, 1))], "ct": [np.vander(t, 2)]}[trend]
    parts += [X[lags:]] if inputs else []
    design = np.hstack(parts)
    beta = np.linalg.lstsq(design, y[lags:], rcond=None)[0]
    errors = y[lags:] - design @ beta
    sigma = errors.T @ errors / len(errors)
    log_det = np.linalg.slogdet(sigma)[1]
    expected = -0.5 * (60 * p * math.log(2 * math.pi) + (60 - lags) * (log_det + p))
    # two ways to the same sums of squares
    assert model.loglike(params) == pytest.approx(expected, rel=1e-10)
    system = model.system(params)
    np.testing.assert_allclose(system.transition[:p], beta[: lags * p].T, atol=1e-9)
    scale = np.sqrt(np.diag(model.information(params)))
    # the score at the maximum, in standard errors: rounding of sums of 60 terms
    assert np.abs(model.score(params) / scale).max() < 1e-7


@pytest.mark.parametrize(("p", "lags"), [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_filter_gives_the_same_numbers(p: int, lags: int) -> None:
    model = LinearRNN(
        series(p), X, form="observed", k_states=lags * p, initial="diffuse", exog_enters="both"
    )
    params = model.start_params.to_numpy()
    system = model.system(params)
    by_filter = kalman.loglike(system, model._y) + volume(np.array(system.transition), p)
    # the diffuse filter solves for L p start values; their moments lose a few digits
    assert model.loglike(params) == pytest.approx(by_filter, rel=1e-9)
    likelihood = model._likelihood
    regression = likelihood.regression
    assert regression is not None
    by_filter_score = likelihood.table.pull(
        kalman.score(system, model._y)[1], likelihood.x_obs, likelihood.x_state
    ) + (likelihood._volume_gradient(system, 0.0) if lags > 1 else 0.0)
    score = model.score(params)
    np.testing.assert_allclose(score, by_filter_score, atol=1e-6 * (1.0 + np.abs(score).max()))
    forecast = model.filter(params).forecast_error[lags:]
    errors = regression._pieces(params)[0]
    np.testing.assert_allclose(forecast, errors, atol=1e-8)


def test_gaps_use_the_filter_and_agree_in_the_limit_of_no_gap() -> None:
    """Rows that are missing after the end change nothing: regression and filter must agree."""
    y = series(2)
    model = LinearRNN(y, form="observed", k_states=4, initial="diffuse")
    params = model.start_params.to_numpy()
    longer = LinearRNN(
        np.vstack([y, np.full((3, 2), np.nan)]), form="observed", k_states=4, initial="diffuse"
    )
    assert longer._likelihood.regression is None
    assert longer.loglike(params) == pytest.approx(model.loglike(params), rel=1e-9)
    np.testing.assert_allclose(
        longer.loglikeobs(params)[4:60], model.loglikeobs(params)[4:], rtol=1e-7
    )


def test_information_is_the_curvature_of_the_coefficients() -> None:
    """In a regression the information of the coefficients is the observed one at the maximum."""
    model = LinearRNN(series(2), form="observed", k_states=4, initial="diffuse", trend="n")
    params = model._closed_form()
    assert params is not None
    k = 8
    information, hessian = model.information(params)[:k, :k], -model.hessian(params)[:k, :k]
    np.testing.assert_allclose(hessian, information, atol=1e-5 * np.abs(information).max())


def test_fit_takes_the_closed_form() -> None:
    model = LinearRNN(series(2), form="observed", k_states=4, initial="diffuse")
    results = model.fit()
    assert results.convergence.method == "closed form"
    assert results.convergence.converged
    np.testing.assert_allclose(results.params.to_numpy(), model._closed_form(), rtol=1e-9)
    climbed = model.fit(n_starts=2)
    assert climbed.llf == pytest.approx(results.llf, abs=1e-8)
    np.testing.assert_allclose(climbed.params, results.params, rtol=1e-4, atol=1e-6)


def test_known_start_is_a_regression_on_zeros() -> None:
    y = series(2) - 3.0
    model = LinearRNN(y, form="observed", k_states=2, initial="known", trend="n")
    before = np.vstack([np.zeros(2), y[:-1]])
    beta = np.linalg.lstsq(before, y, rcond=None)[0]
    results = model.fit()
    np.testing.assert_allclose(
        model.system(results.params).transition, beta.T, rtol=1e-5, atol=1e-6
    )
