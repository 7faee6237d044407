"""Tests of a linear mean."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.multivariate.multivariate_ols import _MultivariateOLS

from rnnstats import datasets
from rnnstats.diagnostics import linearity
from rnnstats.diagnostics.linearity_tests import (
    hidden_components,
    lagged_rows,
    products,
    regression_test,
    terms_test,
)
from rnnstats.errors import DataError, SpecificationError

TSERIES = Path(__file__).parents[1] / "crosspkg" / "tseries"
SERIES = {"lynx": lambda: np.log10(datasets.lynx()), "sunspots": datasets.sunspots}


def columns(y, lags):
    """Lags by hand: constant, lags, squares, cubes as they are written in a textbook."""
    n = len(y)
    lagged = [y[lags - lag : n - lag] for lag in range(1, lags + 1)]
    extra = [a * b for a, b in itertools.combinations_with_replacement(lagged, 2)]
    extra += [a * b * c for a, b, c in itertools.combinations_with_replacement(lagged, 3)]
    return y[lags:], np.column_stack([np.ones(n - lags), *lagged]), np.column_stack(extra)


@pytest.mark.parametrize("name", list(SERIES))
@pytest.mark.parametrize("lags", [1, 2, 3])
def test_the_statistics_are_those_of_r_tseries(name, lags):
    """R 4.2.2, tseries 0.10-53: linearity.R writes linearity.csv and hidden.csv."""
    table = pd.read_csv(TSERIES / "linearity.csv", comment="#")
    table = table[(table["series"] == name) & (table["lags"] == lags)]
    table = table.set_index(["test", "type"])
    weights = pd.read_csv(TSERIES / "hidden.csv")
    weights = weights[(weights["series"] == name) & (weights["lags"] == lags)]["weights"]
    gamma = np.array([[float(w) for w in row.split()] for row in weights])
    y = SERIES[name]().to_numpy()[:, None]
    rows = lagged_rows(y, None, lags)
    x = rows.regressors
    x = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    extra = {"teraesvirta": products(x), "white": hidden_components(x, gamma, 2)}
    for test, terms in extra.items():
        found = terms_test(rows, terms, [name], form="F")
        n, low = found.nobs, found.df[0]
        # R counts one degree of freedom more in the denominator, for the constant
        theirs = table.loc[(test, "F")]
        high = theirs["df2"] - 1
        assert (low, found.df[1]) == (theirs["df1"], high)
        np.testing.assert_allclose(found.statistic, theirs["statistic"] * high / (high + 1))
        # R's chi-squared is n log(SSR_0 / SSR_1), ours n R^2
        multiplier = terms_test(rows, terms, [name], form="chi2")
        ratio = -n * np.log1p(-multiplier.statistic / n)
        np.testing.assert_allclose(ratio, table.loc[(test, "Chisq")]["statistic"])
        assert multiplier.df == (low,)


@pytest.mark.parametrize("name", list(SERIES))
def test_the_multiplier_is_that_of_a_regression_in_statsmodels(name):
    y = SERIES[name]().to_numpy()
    y = (y - y.mean()) / y.std()  # cubes of the sunspots themselves are too large for statsmodels
    left, linear, extra = columns(y, 2)
    small = sm.OLS(left, linear).fit()
    large = sm.OLS(left, np.hstack([linear, extra])).fit()
    found = linearity(y, lags=2)
    statistic, pvalue, df = large.compare_f_test(small)
    assert found.statistic == pytest.approx(statistic, rel=1e-8)
    assert found.pvalue == pytest.approx(pvalue, rel=1e-6)
    assert found.df == (df, large.df_resid)
    multiplier = linearity(y, lags=2, form="chi2")
    statistic, pvalue, df = large.compare_lm_test(small, use_lr=False)
    assert multiplier.statistic == pytest.approx(statistic, rel=1e-8)
    assert multiplier.pvalue == pytest.approx(pvalue, rel=1e-6)
    # Wooldridge's steps by hand, with statsmodels' regressions
    moved = np.column_stack([sm.OLS(z, linear).fit().resid for z in extra.T])
    scores = moved * small.resid[:, None] / np.linalg.norm(moved, axis=0)
    one = sm.OLS(np.ones(len(left)), scores).fit()
    robust = linearity(y, lags=2, form="chi2", robust=True)
    assert robust.statistic == pytest.approx(len(left) - one.ssr, rel=1e-7)
    assert robust.pvalue == pytest.approx(stats.chi2.sf(robust.statistic, 7), rel=1e-12)


@pytest.mark.parametrize("name", list(SERIES))
@pytest.mark.parametrize("method", ["teraesvirta", "white"])
@pytest.mark.parametrize("robust", [False, True])
def test_lynx_and_sunspots_are_not_linear(name, method, robust):
    for form in ("F", "chi2"):
        found = linearity(SERIES[name](), lags=2, method=method, form=form, robust=robust)
        assert found.pvalue < 0.05
        assert ("robust" in str(found)) is robust


def three():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((120, 3))
    y[1:, 0] += 0.5 * y[:-1, 1] ** 2
    return pd.DataFrame(y, columns=["a", "b", "c"])


def test_several_outputs_are_tested_together_and_one_by_one():
    y = three()
    found = linearity(y, method="white")
    rows = lagged_rows(y.to_numpy(), None, 1)
    x = (rows.regressors - rows.regressors.mean(axis=0)) / rows.regressors.std(axis=0, ddof=1)
    gamma = np.random.default_rng(20240913).uniform(-2, 2, (4, 50))
    extra = hidden_components(x, gamma, 5)
    design = np.column_stack([np.ones(len(x)), x, extra])
    model = _MultivariateOLS(rows.outputs, design).fit()
    contrast = np.eye(9)[4:]
    table = model.mv_test([("terms", contrast)]).results["terms"]["stat"]
    wilks = table.loc["Wilks' lambda"]
    assert found.statistic == pytest.approx(wilks["F Value"], rel=1e-9)
    assert found.pvalue == pytest.approx(wilks["Pr > F"], rel=1e-9)
    assert found.df == pytest.approx((wilks["Num DF"], wilks["Den DF"]))
    multiplier = linearity(y, method="white", form="chi2")
    # n tr((E0)^-1 (E0 - E1)) is n times Pillai's trace
    pillai = table.loc["Pillai's trace", "Value"]
    assert multiplier.statistic == pytest.approx(119 * pillai, rel=1e-9)
    single = regression_test(rows._replace(outputs=rows.outputs[:, :1]), ["a"], method="white")
    assert found.equations.loc["a", "statistic"] == pytest.approx(single.statistic)
    bonferroni = found.equations["pvalue_bonferroni"]
    np.testing.assert_allclose(bonferroni, np.minimum(3 * found.equations["pvalue"], 1.0))
    assert "in each equation" in str(found)
    assert linearity(y).pvalue < 0.01
    assert linearity(y).equations["pvalue"].idxmin() == "a"
    assert linearity(y, robust=True, method="white").df == (15.0, 104.0)


def test_the_test_does_not_depend_on_units_and_knows_dummies():
    y = SERIES["lynx"]()
    base = linearity(y, lags=2)
    assert linearity(1e4 - 0.01 * y, lags=2).statistic == pytest.approx(base.statistic, rel=1e-6)
    dummy = (np.arange(len(y)) % 2).astype(float)
    # d^2 = d^3 = d: of {x, d} products there remain x^2, x d, x^3, x^2 d
    assert linearity(y, dummy).n_terms == 4
    constant = np.column_stack([dummy, np.ones(len(y))])
    assert linearity(y, constant).statistic == pytest.approx(linearity(y, dummy).statistic)


def test_missing_rows_and_sequences_are_left_out_exactly():
    y = SERIES["lynx"]().to_numpy()[:, None].copy()
    y[40] = np.nan
    whole = lagged_rows(y, None, 2)
    assert len(whole.outputs) == len(y) - 2 - 3
    keep = np.r_[2:40, 43:114]
    np.testing.assert_array_equal(whole.outputs, y[keep])
    np.testing.assert_array_equal(whole.regressors, np.hstack([y[keep - 1], y[keep - 2]]))
    parts = lagged_rows(np.arange(10.0)[:, None], None, 1, np.array([0, 4, 10]))
    np.testing.assert_array_equal(parts.outputs[:, 0], [1, 2, 3, 5, 6, 7, 8, 9])
    index = pd.MultiIndex.from_product([["a", "b"], range(57)])
    panel = linearity(pd.Series(SERIES["lynx"]().to_numpy(), index), lags=2)
    assert panel.nobs == 110


def test_what_cannot_be_tested_is_refused():
    y = SERIES["lynx"]()
    with pytest.raises(DataError, match="lags=0 without exog"):
        linearity(y, lags=0)
    with pytest.raises(DataError, match="must not be linear"):
        linearity(y, (np.arange(114) % 2).astype(float), lags=0)
    with pytest.raises(DataError, match=r"more than 36 complete rows.*method='white'"):
        linearity(y[:39], lags=4)
    with pytest.raises(DataError, match="got constants"):
        linearity(np.arange(9.0), np.ones(9), lags=0)
    with pytest.raises(DataError, match="complete rows; got 0"):
        linearity(y[:2], lags=2)
    for name, value in (("method", "tlg"), ("form", "LR"), ("robust", 1), ("components", 50)):
        with pytest.raises(SpecificationError, match=name):
            linearity(y, **{name: value})


def test_seeds_choose_the_hidden_units_and_options_act():
    y = SERIES["lynx"]()
    first, second, third = (linearity(y, method="white", rng=seed) for seed in (1, 1, 2))
    assert first.statistic == second.statistic != third.statistic
    assert linearity(y, method="white", components=3).df[0] == 3
    assert (
        linearity(y, method="white", hidden=20).statistic != linearity(y, method="white").statistic
    )


def series(rng, kind, n=200):
    y, e = np.zeros(n + 100), rng.standard_normal(n + 100)
    for t in range(2, n + 100):
        if kind == "linear":
            y[t] = 0.6 * y[t - 1] - 0.3 * y[t - 2] + e[t]
        elif kind == "arch":
            y[t] = 0.5 * y[t - 1] + np.sqrt(0.4 + 0.5 * min(y[t - 1] ** 2, 9.0)) * e[t]
        else:
            y[t] = 3.0 * np.tanh(1.2 * y[t - 1]) - 0.6 * y[t - 1] + 0.7 * e[t]
    return y[100:]


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("method", ["teraesvirta", "white"])
def test_the_size_is_five_percent_on_linear_series_and_the_power_high_on_a_network(method):
    rng = np.random.default_rng(2)
    linear = [series(rng, "linear") for _ in range(500)]
    for robust in (False, True):
        level = np.mean(
            [linearity(y, lags=2, method=method, robust=robust).pvalue < 0.05 for y in linear]
        )
        # many terms make the robust form conservative
        assert (0.01 if robust else 0.03) <= level <= 0.07
    network = [series(rng, "network") for _ in range(100)]
    assert np.mean([linearity(y, lags=2, method=method).pvalue < 0.05 for y in network]) > 0.8


@pytest.mark.slow
@pytest.mark.statistical
def test_errors_of_changing_variance_need_the_robust_form():
    rng = np.random.default_rng(3)
    draws = [series(rng, "arch", 400) for _ in range(500)]
    plain, robust = (
        np.mean([linearity(y, robust=r).pvalue < 0.05 for y in draws]) for r in (False, True)
    )
    assert plain > 0.12
    assert 0.02 <= robust <= 0.08
