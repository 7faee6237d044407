"""Published state space models as tables of numbers and names, fitted by ``fit()`` as it comes.

Numbers, sources and tolerances as in ``test_fits.py``: the log-likelihood of a maximum to 1e-6 (the
references are maxima to 1e-7), parameters and states as each case states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from kernels import dense

from rnnstats import LinearRNN, datasets

LLF = 1e-6
FIXED = 1e-6
SEALS = ("SJF", "SJI", "EBays", "PSnd", "HC")


def fitted(model: LinearRNN) -> Any:
    """Fit from default starts, which must converge."""
    results = model.fit()
    assert results.convergence.converged
    return results


# --- the Nile ------------------------------------------------------------------------------------

LEVEL: dict[str, Any] = {"W_h": 1, "V": 1, "state_cov": "q", "obs_cov": "r"}


def test_l01_nile_by_maximum_likelihood(cases: Any) -> None:
    ml = cases["L01"]["reference"]["ml"]
    model = LinearRNN(datasets.nile(), form="structured", initial="diffuse", structure=LEVEL)
    results = fitted(model)
    assert results.llf == pytest.approx(ml["loglik_dk"], abs=LLF)
    np.testing.assert_allclose(
        results.params[["r", "q"]], [ml["sigma2_eps"], ml["sigma2_eta"]], rtol=1e-5
    )
    np.testing.assert_allclose(results.bse[["r", "q"]], ml["se_observed_information"], rtol=1e-4)


def test_l01_nile_at_the_published_variances(cases: Any) -> None:
    reference = cases["L01"]["reference"]
    structure = LEVEL | {"state_cov": 1469.1, "obs_cov": 15099}
    nile = datasets.nile()
    results = LinearRNN(nile, form="structured", initial="diffuse", structure=structure).fit()
    at = reference["at_15099_1469_1"]
    assert results.llf == pytest.approx(at["loglik_dk"], abs=FIXED)
    forecast = results.get_forecast(10)
    np.testing.assert_allclose(forecast.predicted_mean, at["forecast_mean"], rtol=0, atol=FIXED)
    np.testing.assert_allclose(
        forecast.se_mean**2, at["forecast_var_of_observation"], rtol=0, atol=FIXED
    )
    table = cases.frame("refs/open/L01_nile_kfas.csv")
    for ours, column in (
        (results.filtered_state["h1"], "filtered"),
        (results.smoothed_state["h1"], "smoothed"),
        (results.smoothed_state_cov.to_numpy().ravel(), "smoothed_V"),
    ):
        np.testing.assert_allclose(ours, table[column], rtol=0, atol=FIXED)
    gaps = nile.astype(float).copy()
    gaps.iloc[20:40] = np.nan
    gaps.iloc[60:80] = np.nan
    missing = LinearRNN(gaps, form="structured", initial="diffuse", structure=structure).fit()
    half_log_2pi = 0.5 * np.log(2.0 * np.pi)
    assert missing.llf + half_log_2pi == pytest.approx(
        reference["missing"]["loglik_kfas"], abs=FIXED
    )
    np.testing.assert_allclose(
        missing.smoothed_state["h1"], table["miss_smoothed"], rtol=0, atol=FIXED
    )


# --- deaths, seals, wolves -----------------------------------------------------------------------


def test_l03_random_walk_with_an_unknown_drift(cases: Any) -> None:
    """Level and slope diffuse, the slope without noise: both are states."""
    reference = cases["L03"]["reference"]
    table = cases.frame("data/alcohol_kfas.csv").set_index("year")
    rate = (table["death at age 40-49"] / table["population by age 40-49"]).loc[:2007]
    structure = {
        "W_h": [[1, 1], [0, 1]],
        "V": [1, 0],
        "state_cov": ["q", 0],
        "obs_cov": "r",
    }
    results = fitted(LinearRNN(rate, form="structured", initial="diffuse", structure=structure))
    assert results.llf == pytest.approx(reference["loglik_dk"], abs=LLF)
    np.testing.assert_allclose(
        results.params[["r", "q"]], [reference["sigma2_eps"], reference["sigma2_eta"]], rtol=1e-4
    )
    # states at the published variances, to the 1e-6 stated
    at = {"r": reference["sigma2_eps"], "q": reference["sigma2_eta"]}
    fixed = results.model.with_fixed(at).fit()
    moments = fixed.model.filter(fixed.params)
    last, cov = moments.predicted_state[-1], moments.predicted_state_cov[-1]
    np.testing.assert_allclose(last, [reference["level_2008"], reference["slope"]], atol=FIXED)
    np.testing.assert_allclose(
        np.sqrt(np.diag(cov)), [reference["se_level_2008"], reference["se_slope"]], atol=FIXED
    )
    np.testing.assert_allclose(fixed.forecast(5), reference["forecast_2008_2012"], atol=FIXED)
    level = cases.frame("refs/open/L03_alcohol_level.csv")["smoothed_level"]
    np.testing.assert_allclose(fixed.smoothed_state["h1"], level[:39], atol=FIXED)


@pytest.fixture
def seals(cases: Any) -> pd.DataFrame:
    table = cases.frame("data/harborsealwa_marss.csv").set_index("Year")
    chosen: pd.DataFrame = table[list(SEALS)]
    return chosen


def own_walks() -> dict[str, Any]:
    """A random walk with drift for each series, from constants at t = 0; one noise variance."""
    return {
        "W_h": np.eye(5),
        "b_h": [f"U.X.{name}" for name in SEALS],
        "state_cov": [f"Q.(X.{name},X.{name})" for name in SEALS],
        "obs_cov": "R.diag",
        "initial_mean": [f"x0.X.{name}" for name in SEALS],
    }


def test_l05_five_random_walks(cases: Any, seals: pd.DataFrame) -> None:
    """The published point is a maximum, and not the highest: another one, 0.654 above it, has the
    variance of one state at zero. The two are told apart by a likelihood without recursions.
    """
    reference = cases["L05"]["reference"]["default_5_states"]
    model = LinearRNN(seals, form="structured", initial="known", structure=own_walks())
    published = pd.Series(reference["params"])
    assert model.loglike(published) == pytest.approx(reference["loglik"], abs=LLF)
    there = model.fit(start_params=published)
    assert there.convergence.converged
    assert there.llf == pytest.approx(reference["loglik"], abs=LLF)
    np.testing.assert_allclose(there.params[published.index], published, rtol=0, atol=2e-3)
    assert there.aic == pytest.approx(reference["AIC"], abs=2 * LLF)
    found = fitted(model)
    assert found.llf > reference["loglik"] + 0.65
    assert found.convergence.boundary == ("Q.(X.PSnd,X.PSnd) is at its boundary, zero",)
    y = seals.to_numpy()
    joint = dense.loglike(model.system(found.params), y)
    assert joint == pytest.approx(found.llf, abs=1e-8)
    assert dense.loglike(model.system(published), y) == pytest.approx(reference["loglik"], abs=LLF)
    # the published maximum is among those that the default fit came by
    ends = np.array([row.llf for row in found.convergence.optima])
    assert np.abs(ends - reference["loglik"]).min() < 1e-4


@pytest.mark.parametrize("variant", ["panmictic_equalR", "panmictic_unequalR"])
def test_l05_one_shared_walk(cases: Any, seals: pd.DataFrame, variant: str) -> None:
    reference = cases["L05"]["reference"][variant]
    noise: Any = "R.diag" if variant == "panmictic_equalR" else [f"R.({n},{n})" for n in SEALS]
    structure = {
        "W_h": 1,
        "V": [1, 1, 1, 1, 1],
        "b_h": "U.U",
        "b_y": [0, *(f"A.{name}" for name in SEALS[1:])],
        "state_cov": "Q.Q",
        "obs_cov": noise,
        "initial_mean": "x0.x0",
    }
    results = fitted(LinearRNN(seals, form="structured", initial="known", structure=structure))
    assert results.llf == pytest.approx(reference["loglik"], abs=LLF)
    published = pd.Series(reference["params"])
    np.testing.assert_allclose(results.params[published.index], published, rtol=0, atol=2e-3)
    assert results.aic == pytest.approx(reference["AIC"], abs=2 * LLF)
    assert results.aicc > results.aic


def test_l07_wolf_and_moose(cases: Any) -> None:
    """A vector autoregression with uncorrelated noises, no output noise, from a constant z_0."""
    reference = cases["L07"]["reference"]
    table = cases.frame("data/isleroyal_marss.csv").set_index("Year").loc[1960:2011]
    logs = np.log(table[["Wolf", "Moose"]])
    z = (logs - logs.mean()) / logs.std()
    structure = {
        "W_h": [["b11", "b12"], ["b21", "b22"]],
        "state_cov": ["q1", "q2"],
        "initial_mean": ["x1", "x2"],
    }
    results = fitted(LinearRNN(z, form="structured", initial="known", structure=structure))
    assert results.llf == pytest.approx(reference["loglik"], abs=LLF)
    np.testing.assert_allclose(
        results.params[["b11", "b12", "b21", "b22"]], np.ravel(reference["B"]), atol=1e-5
    )
    np.testing.assert_allclose(results.params[["q1", "q2"]], reference["Q"], atol=1e-5)
    np.testing.assert_allclose(results.params[["x1", "x2"]], reference["x0"], atol=1e-5)


# --- diffuse starts in numbers -------------------------------------------------------------------


def in_numbers(endog: Any, structure: dict[str, Any]) -> tuple[float, Any, Any]:
    """Log-likelihood and smoothed states of a table without names."""
    model = LinearRNN(endog, form="structured", initial="diffuse", structure=structure)
    smoothed = model.smooth([])
    total = smoothed.smoothed_state_cov.sum(axis=(1, 2))
    assert model.loglike([]) == pytest.approx(smoothed.filter.llf, abs=1e-12)
    return model.loglike([]), smoothed.smoothed_state, total


def test_l09_trend_with_a_value_missing_in_the_diffuse_phase(cases: Any) -> None:
    reference = cases["L09"]["reference"]["llt_missing"]
    endog = np.array([10.2394, np.nan, 6.123123] + [1.0] * 7)
    structure = {
        "W_h": [[1, 1], [0, 1]],
        "V": [1, 0],
        "state_cov": [8.253, 2.334],
        "obs_cov": 1.993,
    }
    llf, states, total = in_numbers(endog, structure)
    assert llf == pytest.approx(reference["loglik_dk"], abs=FIXED)
    np.testing.assert_allclose(states, reference["smoothed"], atol=FIXED)
    np.testing.assert_allclose(total, reference["smoothed_cov_sum"], atol=FIXED)


def test_l09_common_level(cases: Any) -> None:
    reference = cases["L09"]["reference"]["common_level"]
    endog = np.vstack([[10.2394, 8.2304], np.ones((9, 2))])
    structure = {
        "W_h": np.eye(2),
        "V": [[1, 0], [0.1111, 1]],
        "state_cov": [3.2324, 0],
        "obs_cov": "identity",
    }
    llf, states, total = in_numbers(endog, structure)
    assert llf == pytest.approx(reference["loglik_dk"], abs=FIXED)
    np.testing.assert_allclose(states, reference["smoothed"], atol=FIXED)
    np.testing.assert_allclose(total, reference["smoothed_cov_sum"], atol=FIXED)


def test_l09_vector_autoregression(cases: Any) -> None:
    reference = cases["L09"]["reference"]["var1_missing"]
    levels = cases.frame("data/macrodata.csv")[["realgdp", "realcons"]].to_numpy(dtype=float)
    endog = (400.0 * np.diff(np.log(levels), axis=0)[:20]).copy()
    endog[:5, 0] = np.nan
    endog[8:12] = np.nan
    structure = {"W_h": [[0.5, 0.3], [0.2, 0.4]], "state_cov": [2.0, 3.0]}
    llf, states, _ = in_numbers(endog, structure)
    assert llf == pytest.approx(reference["loglik_dk"], abs=FIXED)
    np.testing.assert_allclose(states, reference["smoothed"], atol=FIXED)


# --- a dynamic factor ----------------------------------------------------------------------------


@pytest.fixture
def growth(cases: Any) -> pd.DataFrame:
    """Growth rates as Stata stored them (in single precision), 1960Q2 to 1978Q4."""
    table = cases.frame("data/lutkepohl_e1.csv")
    table.index = pd.PeriodIndex(table["quarter"], freq="Q")
    names = ["dln_inv_stata", "dln_inc_stata", "dln_consump_stata"]
    rows: pd.DataFrame = table[names].iloc[table.index.slice_indexer("1960Q2", "1978Q4")]
    return rows.set_axis(["inv", "inc", "cons"], axis=1)


TWO_LAGS: dict[str, Any] = {
    "W_h": [["phi1", "phi2"], [1, 0]],
    "V": [["l1", 0], ["l2", 0], ["l3", 0]],
    "state_cov": [1, 0],
    "obs_cov": ["s1", "s2", "s3"],
}
FORMS: dict[str, dict[str, Any]] = {
    "factor": {"form": "factor", "structure": {"lags": 2}, "trend": "n"},
    "structured": {"form": "structured", "structure": TWO_LAGS},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["auto", "em"])
def test_d01_dynamic_factor(cases: Any, growth: pd.DataFrame, form: str, method: str) -> None:
    """Stata prints 5 to 8 digits: parameters to 1 % of a standard error, these to 1 %."""
    reference = cases["D01"]["reference"]
    results = LinearRNN(growth, **FORMS[form]).fit(
        method=method, n_starts=1 if method == "em" else None
    )
    assert results.convergence.converged
    assert results.llf == pytest.approx(reference["loglik"], abs=LLF)
    names = {
        "factor": [
            *(f"V[{y},h1]" for y in growth),
            *(f"obs_cov[{y},{y}]" for y in growth),
            *("W_h[h1,h1]", "W_h[h1,h2]"),
        ],
        "structured": ["l1", "l2", "l3", "s1", "s2", "s3", "phi1", "phi2"],
    }[form]
    theirs = np.array(reference["lam"] + reference["psi"] + reference["phi"])
    se = np.array(reference["se"])
    ours, sign = results.params[names].to_numpy(), np.ones(8)
    sign[:3] = np.sign(ours[0])  # the sign of a factor is a choice, made in the factor form
    assert form != "factor" or ours[0] > 0.0
    np.testing.assert_allclose((sign * ours - theirs) / se, 0.0, atol=1e-2)
    np.testing.assert_allclose(results.bse[names], se, rtol=1e-2)


@pytest.mark.parametrize("form", FORMS)
def test_d01_states_at_the_published_point(cases: Any, growth: pd.DataFrame, form: str) -> None:
    reference = cases["D01"]["reference"]
    *rest, phi1, phi2 = reference["refit_params"]
    model = LinearRNN(growth, **FORMS[form])
    params = np.array([phi1, phi2, *rest])
    assert model.loglike(params) == pytest.approx(reference["loglik"], abs=FIXED)
    smoothed = model.smooth(params)
    np.testing.assert_allclose(
        smoothed.smoothed_state[:5, 0], reference["smoothed_factor_first5"], atol=FIXED
    )
    np.testing.assert_allclose(
        smoothed.smoothed_state_cov[:5, 0, 0],
        reference["smoothed_factor_var_first5"],
        atol=FIXED,
    )


def test_d01_in_other_units(cases: Any, growth: pd.DataFrame) -> None:
    """100 y has the log-likelihood less 225 log 100, from default starts as well."""
    reference = cases["D01"]["reference"]
    results = fitted(LinearRNN(100.0 * growth, **FORMS["factor"]))
    assert results.llf + 225 * np.log(100.0) == pytest.approx(reference["loglik"], abs=LLF)
