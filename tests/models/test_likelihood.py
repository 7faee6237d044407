"""Likelihood and derivatives of every form, start, trend and kind of data."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from models.linear_cases import FORMS, options, series, slope

from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.linear import LinearRNN

TRENDS_AND_INPUTS = (("c", None), ("ct", "both"), ("n", "output"), ("c", "state"))
PRODUCT = list(itertools.product(FORMS, (1, 2), ("stationary", "diffuse", "known"), (False, True)))
COMBINATIONS = [
    pick for pick in PRODUCT if pick[2] != "diffuse" or FORMS[pick[0]].get("form") != "leaky"
]


@pytest.mark.parametrize(("case", "p", "initial", "gaps"), COMBINATIONS)
def test_score_is_the_derivative(case: str, p: int, initial: str, gaps: bool) -> None:
    pick = (case, p, initial, gaps)
    trend, enters = TRENDS_AND_INPUTS[PRODUCT.index(pick) % len(TRENDS_AND_INPUTS)]
    x = None if enters is None else np.random.default_rng(5).standard_normal((60, 2))
    y = series(p, gaps=gaps)
    if gaps and initial == "diffuse":
        y[0] = np.nan  # and y[1] is: the start is at the third row
    model = LinearRNN(
        y,
        x,
        trend=trend,
        exog_enters=enters or "state",
        initial=initial,
        **options(case, p),
    )
    # within the border: with a root on the circle third derivatives are a million times larger
    params = model._towards_rest(model.start_params.to_numpy())
    value, score = model.loglike_and_score(params)
    size = 1.0 + np.abs(score).max()
    np.testing.assert_array_equal(model.score(params), score)
    # the sums of the same terms in another order; the score by another recursion
    assert value == pytest.approx(model.loglike(params), rel=1e-11)
    assert model.loglikeobs(params).sum() == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(model.score_obs(params).sum(axis=0), score, atol=1e-7 * size)
    # Richardson differences: relative error about 1e-8 of the largest slope
    np.testing.assert_allclose(slope(model.loglike, params), score, atol=1e-6 * size)
    psi = model._psi(params)
    objective = model._objective()
    value_psi, score_psi = objective(psi)
    assert value_psi == pytest.approx(value, rel=1e-11)
    size = 1.0 + np.abs(score_psi).max()
    np.testing.assert_allclose(slope(lambda x: objective(x)[0], psi), score_psi, atol=1e-6 * size)
    information = model.information(params)
    np.testing.assert_allclose(information, information.T, rtol=1e-9, atol=1e-9)
    assert np.linalg.eigvalsh(information)[0] > -1e-8 * np.trace(information)


def test_hessian_is_the_derivative_of_the_score() -> None:
    model = LinearRNN(series(2))
    params = model.start_params.to_numpy()
    hessian = model.hessian(params)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12)
    direct = slope(model.score, params)
    # both are differences; the score's own rounding over the steps
    np.testing.assert_allclose(hessian, direct, atol=1e-6 * np.abs(direct).max())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("W_h[h1,h1]", 1.7),
        ("obs_cov[y1,y1]", -1.0),
        ("obs_cov[y2,y1]", 50.0),
        ("K[h1,y1]", np.nan),
        ("b_y[y1]", np.inf),
    ],
)
def test_inadmissible_parameters(name: str, value: float) -> None:
    model = LinearRNN(series(2))
    params = model.start_params.copy()
    params[name] = value
    k = len(params)
    assert model.loglike(params) == -math.inf
    assert np.isnan(model.score(params)).all()
    assert np.isnan(model.score_obs(params)).all()
    assert model.score_obs(params).shape == (60, k)
    assert np.isnan(model.loglikeobs(params)).all()
    assert np.isnan(model.information(params)).all()
    assert np.isnan(model.hessian(params)).all()


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5])
def test_covariance_check_agrees_with_cholesky(p: int) -> None:
    rng = np.random.default_rng(p)
    model = LinearRNN(series(p), trend="n")
    check = model._likelihood.covariance_ok
    seen = set()
    for _ in range(60):
        root = rng.standard_normal((p, p))
        cov = root @ root.T + (rng.random() - 0.6) * np.eye(p)
        params = np.zeros(model.layout.k_params)
        params[-p * (p + 1) // 2 :] = cov[np.tril_indices(p)]
        expected = bool(np.linalg.eigvalsh(cov)[0] > 0.0)
        assert check(params) is expected
        seen.add(expected)
    assert seen == {True, False}


def test_unit_roots_are_admissible_with_a_diffuse_start() -> None:
    model = LinearRNN(np.cumsum(series(1)), trend="n", initial="diffuse")
    assert math.isfinite(model.loglike([1.0, 0.7, 2.0]))
    assert LinearRNN(series(1), trend="n").loglike([1.0, 0.7, 2.0]) == -math.inf


@pytest.mark.parametrize("trend", ["c", "ct"])
@pytest.mark.parametrize("case", ["VARMA(1,1)", "one state more", "VAR(2)"])
def test_a_diffuse_start_is_at_the_first_observed_row(case: str, trend: str) -> None:
    """Rows before the first observation are as if they were not there, even at det W_h = 0."""
    y = series(2)
    late = np.vstack([np.full((3, 2), np.nan), y])
    kw = {**options(case, 2), "trend": trend, "initial": "diffuse"}
    short, long = LinearRNN(y, **kw), LinearRNN(late, **kw)
    params = short.start_params.copy()
    shifted = params.copy()  # the same line, t counted from three rows earlier
    if trend == "ct":
        for name in ("y1", "y2"):
            shifted[f"b_y[{name}]"] -= 3.0 * params[f"b_y_trend[{name}]"]
    assert long.loglike(shifted) == pytest.approx(short.loglike(params), rel=1e-12)
    rows = long.loglikeobs(shifted)
    np.testing.assert_array_equal(rows[:3], 0.0)
    np.testing.assert_allclose(rows[3:], short.loglikeobs(params), rtol=1e-9)
    assert long.score_obs(shifted).shape == (63, len(params))
    for name in params.index[[label.startswith("W_h[") for label in params.index]]:
        params[name] = shifted[name] = 0.0
    assert long.loglike(shifted) == pytest.approx(short.loglike(params), rel=1e-12)


def test_differences_with_a_diffuse_start_have_a_regular_maximum() -> None:
    """`.diff()` leaves an empty first row: the fit must not run to a singular W_h."""
    rng = np.random.default_rng(3)
    y, e = np.zeros((80, 2)), rng.standard_normal((80, 2))
    for t in range(1, 80):
        y[t] = np.array([[0.3, 0.1], [0.0, 0.2]]) @ y[t - 1] + e[t]
    late = y.copy()
    late[0] = np.nan
    for trend in ("c", "ct"):
        kw = {"form": "observed", "initial": "diffuse", "trend": trend}
        fit, plain = LinearRNN(late, **kw).fit(), LinearRNN(y[1:], **kw).fit()
        assert fit.llf == pytest.approx(plain.llf, rel=1e-12)
        assert fit.convergence.method == "closed form"
        np.testing.assert_allclose(fit.params.iloc[:4], plain.params.iloc[:4], rtol=1e-9)


def test_diffuse_starts_without_a_bound_are_refused() -> None:
    y = series(2)
    y[1, 0] = np.nan
    with pytest.raises(DataError, match=r"must be complete; got a gap at t = 2"):
        LinearRNN(y, form="observed", k_states=4, initial="diffuse")
    LinearRNN(y, form="observed", k_states=2, initial="diffuse")
    with pytest.raises(SpecificationError, match=r"not for form='leaky'"):
        LinearRNN(y, form="leaky", initial="diffuse")


def test_params_by_name_in_any_order_and_by_position() -> None:
    model = LinearRNN(series(2))
    params = model.start_params
    value = model.loglike(params)
    assert model.loglike(params.iloc[::-1]) == value
    assert model.loglike(params.to_numpy()) == value
    assert model.loglike(list(params)) == value
    assert model.loglike(pd.Series(params.to_numpy())) == value
    with pytest.raises(SpecificationError, match=r"shape \(13,\); got shape \(12,\)"):
        model.loglike(params.to_numpy()[:-1])
    with pytest.raises(SpecificationError, match=r"W_h\[h1,h1\] missing. Is 'W_h\[h1,h3\]' meant"):
        model.loglike(params.rename({"W_h[h1,h1]": "W_h[h1,h3]"}))


def test_trend_counts_rows_from_one() -> None:
    y = series(1)
    plain = LinearRNN(y, trend="n")
    params = plain.start_params.to_numpy()
    t = np.arange(1.0, 61.0)[:, None]
    trend = LinearRNN(y + 2.0 + 0.5 * t, trend="ct")
    full = np.concatenate([params[:2], [2.0, 0.5], params[2:]])
    # the trend is added and taken out again: rounding only
    assert trend.loglike(full) == pytest.approx(plain.loglike(params), rel=1e-11)


def test_inputs_act_on_the_step_into_their_own_row() -> None:
    y = series(1)
    x = np.zeros((60, 1))
    x[30] = 1.0
    params = LinearRNN(y, trend="n", form="observed").start_params.to_numpy()
    model = LinearRNN(y, x, trend="n", form="observed")
    bare = model.filter(np.array([params[0], 0.0, params[1]])).forecast[:, 0]
    moved = model.filter(np.array([params[0], 5.0, params[1]])).forecast[:, 0]
    difference = np.zeros(60)
    difference[30] = 5.0  # the next row is forecast from y itself
    np.testing.assert_allclose(moved - bare, difference, atol=1e-12)


def test_system_with_steps_has_more_rows() -> None:
    x = np.random.default_rng(0).standard_normal((60, 1))
    model = LinearRNN(series(1), x, trend="ct")
    params = model.start_params.to_numpy()
    system = model.system(params, steps=2, exog=np.array([[1.0], [2.0]]))
    assert system.obs_intercept.shape == (62, 1)
    slope_ = params[model.param_names.index("b_y_trend[y]")]
    np.testing.assert_allclose(np.diff(system.obs_intercept[:, 0]), slope_, rtol=1e-6)
    w_x = params[model.param_names.index("W_x[h1,x]")]
    np.testing.assert_allclose(system.state_intercept[-2:, 0], [w_x, 2 * w_x], rtol=1e-14)
    with pytest.raises(SpecificationError, match="got 60 rows for 62"):
        model.system(params, steps=2)
