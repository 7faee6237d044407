"""Published numbers at published parameters: likelihood, states, missing data, diffuse starts.

Reference numbers, sources and tolerances are in ``reference/cases.json``, by case; digits quoted
here say which tolerance each number carries there and why.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernels.systems import BACKENDS

from rnnstats.kernels.system import StateSpace

pytestmark = pytest.mark.parametrize("backend", BACKENDS)
FIXED = 1e-6  # "abs 1e-6 at fixed parameters"


def autoregression(phi: Any, variance: float, intercept: Any) -> StateSpace:
    """Stationary AR(p) around a mean (or a row of means per observation)."""
    phi = np.asarray(phi, dtype=np.float64)
    companion = np.eye(phi.size, k=-1)
    companion[0] = phi
    first = np.eye(phi.size)[:1]
    return StateSpace.from_arrays(
        design=first,
        transition=companion,
        selection=first.T,
        state_cov=[[variance]],
        obs_intercept=np.atleast_1d(intercept),
        start="stationary",
    )


def vector_arma(A: Any, M: Any, cov: Any) -> StateSpace:
    """Stationary VARMA(1,1), y_t = A y_{t-1} + e_t + M e_{t-1}, in innovations form."""
    A = np.asarray(A, dtype=np.float64)
    return StateSpace.from_arrays(
        design=np.eye(A.shape[0]),
        transition=A,
        selection=A + M,
        state_cov=cov,
        obs_cov=cov,
        cross_cov=cov,
        start="stationary",
    )


def nile(eps: float, eta: float) -> StateSpace:
    return StateSpace.from_arrays(
        design=[[1.0]],
        transition=[[1.0]],
        state_cov=[[eta]],
        obs_cov=[[eps]],
        initial_diffuse=[True],
        first_step="none",
    )


def ahead(endog: np.ndarray, steps: int) -> np.ndarray:
    """Rows to be forecast."""
    return np.vstack([endog, np.full((steps, endog.shape[1]), np.nan)])


def test_l01_nile_at_the_maximum(cases, backend):
    reference = cases["L01"]["reference"]["ml"]
    endog = cases.frame("data/nile.csv")[["volume"]].to_numpy(dtype=float)
    system = nile(reference["sigma2_eps"], reference["sigma2_eta"])
    llf, gradient = backend.score(system, endog)
    assert llf == pytest.approx(reference["loglik_dk"], abs=FIXED)
    # at the maximum the score vanishes: scaled by the variances, to the optimiser's 1e-8 or so
    assert abs(gradient.obs_cov[0, 0] * reference["sigma2_eps"]) < 1e-4
    assert abs(gradient.state_cov[0, 0] * reference["sigma2_eta"]) < 1e-4


def test_l01_nile_states_and_forecasts(cases, backend):
    reference = cases["L01"]["reference"]["at_15099_1469_1"]
    endog = cases.frame("data/nile.csv")[["volume"]].to_numpy(dtype=float)
    table = cases.frame("refs/open/L01_nile_kfas.csv")
    output = backend.kalman_smoother(nile(15099.0, 1469.1), ahead(endog, 10))
    forward = output.filter
    assert forward.llf == pytest.approx(reference["loglik_dk"], abs=FIXED)
    assert forward.nobs_diffuse == 1
    for ours, column in (
        (forward.predicted_state[1:100, 0], "predicted_a"),
        (forward.predicted_state_cov[1:100, 0, 0], "predicted_P"),
        (forward.forecast_error[1:100, 0], "v"),
        (forward.forecast_error_cov[1:100, 0, 0], "F"),
    ):
        np.testing.assert_allclose(ours, table[column][1:], rtol=0, atol=FIXED)
    for ours, column in (
        (forward.filtered_state[:100, 0], "filtered"),
        (forward.filtered_state_cov[:100, 0, 0], "filtered_P"),
        (output.smoothed_state[:100, 0], "smoothed"),
        (output.smoothed_state_cov[:100, 0, 0], "smoothed_V"),
    ):
        np.testing.assert_allclose(ours, table[column], rtol=0, atol=FIXED)
    np.testing.assert_allclose(
        forward.forecast[100:, 0], reference["forecast_mean"], rtol=0, atol=FIXED
    )
    np.testing.assert_allclose(
        forward.forecast_error_cov[100:, 0, 0],
        reference["forecast_var_of_observation"],
        rtol=0,
        atol=FIXED,
    )


def test_l01_nile_with_two_gaps(cases, backend):
    endog = cases.frame("data/nile.csv")[["volume"]].to_numpy(dtype=float)
    table = cases.frame("refs/open/L01_nile_kfas.csv")
    endog = endog.copy()
    endog[20:40] = endog[60:80] = np.nan
    output = backend.kalman_smoother(nile(15099.0, 1469.1), endog)
    kfas = cases["L01"]["reference"]["missing"]["loglik_kfas"]
    assert output.filter.llf + 0.5 * np.log(2 * np.pi) == pytest.approx(kfas, abs=FIXED)
    for ours, column in (
        (output.filter.filtered_state[:, 0], "miss_filtered"),
        (output.smoothed_state[:, 0], "miss_smoothed"),
        (output.smoothed_state_cov[:, 0, 0], "miss_smoothed_V"),
    ):
        np.testing.assert_allclose(ours, table[column], rtol=0, atol=FIXED)


def test_l03_alcohol_random_walk_with_drift(cases, backend):
    reference = cases["L03"]["reference"]
    table = cases.frame("data/alcohol_kfas.csv")
    rate = table["death at age 40-49"] / table["population by age 40-49"]
    endog = rate[table["year"] <= 2007].to_numpy()[:, None]
    assert endog.shape[0] == 39
    system = StateSpace.from_arrays(
        design=[[1.0, 0.0]],
        transition=[[1.0, 1.0], [0.0, 1.0]],
        selection=[[1.0], [0.0]],
        state_cov=[[reference["sigma2_eta"]]],
        obs_cov=[[reference["sigma2_eps"]]],
        initial_diffuse=[True, True],
        first_step="none",
    )
    output = backend.kalman_smoother(system, ahead(endog, 5))
    forward = output.filter
    assert forward.llf == pytest.approx(reference["loglik_dk"], abs=FIXED)
    assert forward.predicted_state[39, 1] == pytest.approx(reference["slope"], abs=FIXED)
    assert forward.predicted_state_cov[39, 1, 1] ** 0.5 == pytest.approx(
        reference["se_slope"], abs=FIXED
    )
    assert forward.predicted_state[39, 0] == pytest.approx(reference["level_2008"], abs=FIXED)
    assert forward.predicted_state_cov[39, 0, 0] ** 0.5 == pytest.approx(
        reference["se_level_2008"], abs=FIXED
    )
    np.testing.assert_allclose(
        forward.forecast[39:, 0], reference["forecast_2008_2012"], rtol=0, atol=FIXED
    )
    level = cases.frame("refs/open/L03_alcohol_level.csv")["smoothed_level"]
    np.testing.assert_allclose(output.smoothed_state[:39, 0], level[:39], rtol=0, atol=FIXED)


@pytest.mark.parametrize("variant", ["default_5_states", "panmictic_equalR", "panmictic_unequalR"])
def test_l05_harbor_seals(cases, backend, variant):
    """MARSS' loglik is itself right to 1e-7; x_0 is a constant, and the first step is noisy."""
    reference = cases["L05"]["reference"][variant]
    params = reference["params"]
    names = ["SJF", "SJI", "EBays", "PSnd", "HC"]
    endog = cases.frame("data/harborsealwa_marss.csv")[names].to_numpy(dtype=float)
    if variant == "default_5_states":
        system = StateSpace.from_arrays(
            design=np.eye(5),
            transition=np.eye(5),
            state_cov=np.diag([params[f"Q.(X.{name},X.{name})"] for name in names]),
            obs_cov=params["R.diag"] * np.eye(5),
            state_intercept=[params[f"U.X.{name}"] for name in names],
            initial_mean=[params[f"x0.X.{name}"] for name in names],
        )
    else:
        equal = variant == "panmictic_equalR"
        noise = [params["R.diag"] if equal else params[f"R.({name},{name})"] for name in names]
        system = StateSpace.from_arrays(
            design=np.ones((5, 1)),
            transition=[[1.0]],
            state_cov=[[params["Q.Q"]]],
            obs_cov=np.diag(noise),
            obs_intercept=[0.0] + [params[f"A.{name}"] for name in names[1:]],
            state_intercept=[params["U.U"]],
            initial_mean=[params["x0.x0"]],
        )
    assert backend.loglike(system, endog) == pytest.approx(reference["loglik"], abs=FIXED)


def test_l07_wolf_and_moose_without_output_noise(cases, backend):
    reference = cases["L07"]["reference"]
    table = cases.frame("data/isleroyal_marss.csv")
    table = table[(table["Year"] >= 1960) & (table["Year"] <= 2011)]
    logs = np.log(table[["Wolf", "Moose"]].to_numpy(dtype=float))
    endog = (logs - logs.mean(axis=0)) / logs.std(axis=0, ddof=1)
    assert endog.shape == (52, 2)
    system = StateSpace.from_arrays(
        design=np.eye(2),
        transition=reference["B"],
        state_cov=np.diag(reference["Q"]),
        initial_mean=reference["x0"],
    )
    output = backend.kalman_smoother(system, endog)
    assert output.filter.llf == pytest.approx(reference["loglik"], abs=FIXED)
    np.testing.assert_allclose(output.smoothed_state, endog, rtol=0, atol=1e-12)
    # x_0 fits the first row exactly; it is given to the optimiser's 1e-5
    np.testing.assert_allclose(output.filter.forecast_error[0], 0.0, atol=1e-5)


def test_l09_trend_with_a_value_missing_in_the_diffuse_phase(cases, backend):
    reference = cases["L09"]["reference"]["llt_missing"]
    endog = np.array([10.2394, np.nan, 6.123123] + [1.0] * 7)[:, None]
    system = StateSpace.from_arrays(
        design=[[1.0, 0.0]],
        transition=[[1.0, 1.0], [0.0, 1.0]],
        state_cov=np.diag([8.253, 2.334]),
        obs_cov=[[1.993]],
        initial_diffuse=[True, True],
        first_step="none",
    )
    output = backend.kalman_smoother(system, endog)
    assert output.filter.llf == pytest.approx(reference["loglik_dk"], abs=FIXED)
    assert output.filter.nobs_diffuse == 3
    np.testing.assert_allclose(output.smoothed_state, reference["smoothed"], atol=FIXED)
    np.testing.assert_allclose(
        output.smoothed_state_cov.sum(axis=(1, 2)), reference["smoothed_cov_sum"], atol=FIXED
    )
    np.testing.assert_allclose(
        output.filter.filtered_state[3:], reference["filtered_t4_to_t10"], atol=FIXED
    )


def test_l09_common_level(cases, backend):
    reference = cases["L09"]["reference"]["common_level"]
    system = StateSpace.from_arrays(
        design=[[1.0, 0.0], [0.1111, 1.0]],
        transition=np.eye(2),
        selection=[[1.0], [0.0]],
        state_cov=[[3.2324]],
        obs_cov=np.eye(2),
        initial_diffuse=[True, True],
        first_step="none",
    )
    endog = np.vstack([[10.2394, 8.2304], np.ones((9, 2))])
    output = backend.kalman_smoother(system, endog)
    assert output.filter.llf == pytest.approx(reference["loglik_dk"], abs=FIXED)
    np.testing.assert_allclose(output.smoothed_state, reference["smoothed"], atol=FIXED)
    np.testing.assert_allclose(
        output.smoothed_state_cov.sum(axis=(1, 2)), reference["smoothed_cov_sum"], atol=FIXED
    )


def test_l09_vector_autoregression(cases, backend):
    reference = cases["L09"]["reference"]["var1_missing"]
    levels = cases.frame("data/macrodata.csv")[["realgdp", "realcons"]].to_numpy(dtype=float)
    endog = 400.0 * np.diff(np.log(levels), axis=0)[:20]
    endog = endog.copy()
    endog[:5, 0] = np.nan
    endog[8:12] = np.nan
    system = StateSpace.from_arrays(
        design=np.eye(2),
        transition=[[0.5, 0.3], [0.2, 0.4]],
        state_cov=np.diag([2.0, 3.0]),
        initial_diffuse=[True, True],
        first_step="none",
    )
    output = backend.kalman_smoother(system, endog)
    assert output.filter.llf == pytest.approx(reference["loglik_dk"], abs=FIXED)
    np.testing.assert_allclose(output.smoothed_state, reference["smoothed"], atol=FIXED)


def _autoregressive_case(cases, backend, identifier: str, endog: np.ndarray, **trend: Any) -> Any:
    """Likelihood at R's maximum (1e-6: reltol 1e-15 there), forecasts (abs 1e-4 as stated)."""
    reference = cases[identifier]["reference"]
    params = reference["params"]
    phi = [params[name] for name in ("ar1", "ar2", "ar3") if name in params]
    steps = len(reference["forecast_mean"])
    level = trend.get("level", np.array([params["intercept"]]))
    system = autoregression(phi, params["sigma2"], level)
    output = backend.kalman_smoother(system, ahead(endog, steps))
    assert output.filter.llf == pytest.approx(reference["llf"], abs=FIXED)
    forecast = output.filter.forecast[-steps:, 0]
    np.testing.assert_allclose(forecast, reference["forecast_mean"], rtol=0, atol=1e-4)
    se = output.filter.forecast_error_cov[-steps:, 0, 0] ** 0.5
    np.testing.assert_allclose(se, reference["forecast_se"], rtol=0, atol=1e-4)
    return output


def test_a01_luteinizing_hormone(cases, backend):
    endog = cases.frame("data/lh.csv")[["lh"]].to_numpy(dtype=float)
    _autoregressive_case(cases, backend, "A01", endog)
    reference = cases["A01"]["reference"]["arma11"]
    params = reference["params"]
    system = vector_arma([[params["ar1"]]], [[params["ma1"]]], [[params["sigma2"]]])
    assert backend.loglike(system, endog - params["intercept"]) == pytest.approx(
        reference["llf"], abs=FIXED
    )


def test_a02_approval_with_missing_quarters(cases, backend):
    endog = cases.frame("data/presidents.csv")[["approval"]].to_numpy(dtype=float)
    assert np.isnan(endog).sum() == 6
    output = _autoregressive_case(cases, backend, "A02", endog)
    reference = cases["A02"]["reference"]
    rows = np.array(reference["interpolated"]["index_1based"]) - 1
    level = reference["params"]["intercept"]
    np.testing.assert_allclose(
        output.smoothed_state[rows, 0] + level, reference["interpolated"]["value"], atol=1e-4
    )
    np.testing.assert_allclose(
        output.smoothed_state_cov[rows, 0, 0], reference["interpolated"]["var"], atol=1e-4
    )


def test_a12_lake_huron_around_a_trend(cases, backend):
    table = cases.frame("data/lakehuron.csv")
    endog = table[["level"]].to_numpy(dtype=float)
    params = cases["A12"]["reference"]["params"]
    years = np.append(table["year"], [1973, 1974, 1975]) - 1920.0
    level = params["intercept"] + params["xreg"] * years
    _autoregressive_case(cases, backend, "A12", endog, level=level[:, None])


def _lutkepohl(cases) -> np.ndarray:
    table = cases.frame("data/lutkepohl_e1.csv").set_index("quarter")
    columns = ["dln_inv_stata", "dln_inc_stata", "dln_consump_stata"]
    endog = table.loc["1960Q2":"1978Q4", columns].to_numpy(dtype=float)
    assert endog.shape == (75, 3)
    return endog


@pytest.mark.parametrize("form", ["states", "innovations"])
def test_a04_vector_autoregression(cases, backend, form):
    """Stata's estimates have 8 decimals: they move the log-likelihood by less than 1e-6."""
    reference = cases["A04"]["reference"]
    lower = np.array(reference["chol_lower"])
    cov = lower @ lower.T
    if form == "innovations":
        system = vector_arma(reference["A"], np.zeros((3, 3)), cov)
    else:
        system = StateSpace.from_arrays(
            design=np.eye(3), transition=reference["A"], state_cov=cov, start="stationary"
        )
    output = backend.kalman_filter(system, ahead(_lutkepohl(cases), 8))
    assert output.llf == pytest.approx(reference["loglik"], abs=FIXED)
    np.testing.assert_allclose(output.forecast[75:], reference["forecasts"], rtol=0, atol=FIXED)


def test_a07_restricted_varma(cases, backend):
    """Stata's maximum. The case's refit_loglik is 4.4e-6 above the joint normal density at the
    parameters given with it (3156.0564232303, computed without a filter): a filter that stopped
    updating its covariance early.
    """
    table = cases.frame("data/manufac_stata.csv")
    endog = table[["dlncaputil", "dlnhours"]].to_numpy(dtype=float)[1:444]
    assert endog.shape == (443, 2) and np.isfinite(endog).all()
    reference = cases["A07"]["reference"]
    a, b, c, m, var1, var2 = reference["refit_params"]
    system = vector_arma([[a, 0.0], [b, c]], [[m, 0.0], [0.0, 0.0]], np.diag([var1, var2]))
    assert backend.loglike(system, endog) == pytest.approx(reference["loglik"], abs=FIXED)
    rounded = vector_arma(
        [[reference["a"], 0.0], [reference["b"], reference["c"]]],
        [[reference["m"], 0.0], [0.0, 0.0]],
        np.diag([reference["var1"], reference["var2"]]),
    )
    assert backend.loglike(rounded, endog) == pytest.approx(reference["loglik"], abs=FIXED)


def test_a08_full_varma_and_missing_values(cases, backend):
    reference = cases["A08"]["reference"]
    levels = cases.frame("data/macrodata.csv")[["infl", "tbilrate"]].to_numpy(dtype=float)
    endog = levels[1:] - reference["mean_removed"]
    assert endog.shape == (202, 2)
    np.testing.assert_allclose(endog.mean(axis=0), 0.0, atol=1e-12)
    system = vector_arma(reference["A"], reference["M"], reference["Sigma"])
    llf, gradient = backend.score(system, endog)
    assert llf == pytest.approx(reference["llf"], abs=FIXED)
    # a maximum: the score of A (all of K's share included) is small beside 1 / s.e. of 20
    assert np.abs(gradient.transition + gradient.selection).max() < 0.05
    forecast = backend.kalman_filter(system, ahead(endog, 4)).forecast[-4:]
    np.testing.assert_allclose(forecast, reference["forecast_4_demeaned"], rtol=0, atol=1e-6)
    endog = endog.copy()
    endog[[5, 6, 20]] = np.nan
    endog[[10, 30, 31], 0] = np.nan
    endog[[12, 40], 1] = np.nan
    assert backend.loglike(system, endog) == pytest.approx(reference["llf_with_missing"], abs=FIXED)


def test_d01_dynamic_factor(cases, backend):
    reference = cases["D01"]["reference"]
    *rest, phi1, phi2 = reference["refit_params"]
    lam, psi = np.array(rest[:3]), np.array(rest[3:])
    design = np.column_stack([lam, np.zeros(3)])
    system = StateSpace.from_arrays(
        design=design,
        transition=[[phi1, phi2], [1.0, 0.0]],
        selection=[[1.0], [0.0]],
        state_cov=[[1.0]],
        obs_cov=np.diag(psi),
        start="stationary",
    )
    endog = _lutkepohl(cases)
    output = backend.kalman_smoother(system, endog)
    assert output.filter.llf == pytest.approx(reference["loglik"], abs=FIXED)
    np.testing.assert_allclose(
        output.smoothed_state[:5, 0], reference["smoothed_factor_first5"], atol=FIXED
    )
    np.testing.assert_allclose(
        output.smoothed_state_cov[:5, 0, 0], reference["smoothed_factor_var_first5"], atol=FIXED
    )
    # badly scaled data: 100 y has the log-likelihood less 225 log(100)
    scaled = StateSpace.from_arrays(
        design=100.0 * design,
        transition=system.transition,
        selection=system.selection,
        state_cov=system.state_cov,
        obs_cov=1e4 * np.diag(psi),
        start="stationary",
    )
    assert backend.loglike(scaled, 100.0 * endog) + 225 * np.log(100.0) == pytest.approx(
        output.filter.llf, abs=1e-9
    )
