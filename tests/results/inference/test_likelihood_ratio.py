"""Likelihood-ratio tests: what is compared, what is refused, what is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rnnstats import LinearRNN
from rnnstats.errors import ConvergenceWarning, SpecificationError


def frame(nobs=120, seed=0):
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((nobs, 2))
    y = np.zeros((nobs, 2))
    for t in range(1, nobs):
        y[t] = y[t - 1] @ [[0.5, 0.1], [0.2, 0.3]] + e[t] + 0.3 * e[t - 1]
    index = pd.period_range("1990Q1", periods=nobs, freq="Q")
    return pd.DataFrame(y + 1.0, index=index, columns=["cpi", "gdp"])


Y = frame()
X = pd.DataFrame(
    np.random.default_rng(9).standard_normal((120, 2)), index=Y.index, columns=["x", "z"]
)


def fit(endog=Y["cpi"], exog=None, **options):
    return LinearRNN(endog, exog, **{"k_states": 1, **options}).fit(cov_type="none", n_starts=3)


@pytest.fixture(scope="module")
def large():
    return fit()


@pytest.fixture(scope="module")
def two():
    return fit(Y, k_states=2, form="observed")


def test_statistic_and_nested_restrictions(large):
    small = fit(fixed={"W_h[h1,h1]": 0.5, "K[h1,cpi]": 0.5})
    test = large.lr_test(small)
    assert test.df == 2
    assert test.statistic == pytest.approx(2 * (large.llf - small.llf))
    assert test.pvalue == pytest.approx(stats.chi2.sf(test.statistic, 2))
    assert test.note == ""
    tied = fit(fixed={"W_h[h1,h1]": "K[h1,cpi]"})
    assert large.lr_test(tied).df == 1
    assert tied.lr_test(small).df == 1  # fixed at the same number: a case of the tie
    assert str(test).startswith("Likelihood ratio")


@pytest.mark.parametrize(
    ("endog", "words"),
    [
        (Y["cpi"] * 2.0, "transformed"),
        (Y["cpi"].cumsum() + 0.5, "transformed"),
        (np.log(Y["cpi"] + 10.0), "'cpi' = .* at 1990Q1"),
        (Y["cpi"].iloc[1:], "119 rows from 1990Q2 to 2019Q4 and 120 from 1990Q1"),
        (Y["cpi"].shift(freq="Q"), "1990Q2"),
        (Y["cpi"].mask(np.arange(120) == 7), "other missing values"),
        (Y["gdp"], "series, (cpi and gdp|gdp and cpi)"),
        (Y["cpi"].rename("y"), "series"),
    ],
)
def test_other_data_are_refused(large, endog, words):
    other = fit(endog, fixed={"b_y[" + str(endog.name) + "]": 1.0})
    with pytest.raises(SpecificationError, match=f"same data and sample; got .*({words})"):
        large.lr_test(other)
    with pytest.raises(SpecificationError, match="same data and sample"):
        other.lr_test(large)


def test_reordered_columns_are_refused(two):
    other = fit(Y[["gdp", "cpi"]], k_states=2, form="observed", trend="n")
    with pytest.raises(SpecificationError, match="the same series in another order"):
        two.lr_test(other)


def test_other_inputs_are_refused():
    one = fit(Y["cpi"], X, exog_enters="output")
    two = fit(Y["cpi"], X[["x"]] * 2.0, exog_enters="output")
    with pytest.raises(SpecificationError, match="an input 'x' with other values"):
        one.lr_test(two)
    fewer = fit(Y["cpi"], X[["z"]], exog_enters="output")
    assert one.lr_test(fewer).df == 1
    only = fit(Y["cpi"], X[["z"]], exog_enters="output", fixed={"W_h[h1,h1]": 0.5, "b_y[cpi]": 1.0})
    wider = fit(Y["cpi"], X[["x"]], exog_enters="output")
    with pytest.raises(SpecificationError, match="the input z in the smaller one only"):
        wider.lr_test(only)
    assert one.lr_test(fit()).df == 2  # no inputs at all


@pytest.mark.parametrize("initial", ["known", "diffuse"])
def test_another_start_is_refused(large, initial):
    other = fit(initial=initial, fixed={"b_y[cpi]": 1.0})
    with pytest.raises(SpecificationError, match="treat the start alike"):
        large.lr_test(other)


def test_more_lags_with_a_diffuse_start_are_refused():
    """Each order is given another number of rows; with a stationary start all rows count."""
    one, two = (fit(form="observed", k_states=k, initial="diffuse") for k in (1, 2))
    with pytest.raises(SpecificationError, match=r"1 and 2 diffuse states"):
        two.lr_test(one)
    one, two = (fit(form="observed", k_states=k) for k in (1, 2))
    test = two.lr_test(one)
    assert (test.df, test.note) == (1, "")


def test_another_trend_with_a_diffuse_start_is_a_regression_on_the_same_rows():
    """The diffuse likelihood of an AR(1) is given one row, with and without a constant."""
    y = Y["cpi"].to_numpy()
    without, constant, slope = (
        fit(form="observed", initial="diffuse", trend=trend) for trend in ("n", "c", "ct")
    )

    def rss(*columns):
        X = np.column_stack([y[:-1], *columns])
        return float(np.linalg.lstsq(X, y[1:], rcond=None)[1][0])

    ones, time = np.ones(119), np.arange(119.0)
    test = constant.lr_test(without)
    assert test.statistic == pytest.approx(119 * np.log(rss() / rss(ones)), rel=1e-8)
    assert slope.lr_test(constant).statistic == pytest.approx(
        119 * np.log(rss(ones) / rss(ones, time)), rel=1e-7
    )
    assert (test.df, slope.lr_test(without).df, test.note) == (1, 2, "")


@pytest.mark.parametrize(
    ("large_options", "small_options", "words"),
    [
        (
            {"fixed": {"W_h[h1,h1]": 0.5}},
            {"fixed": {"W_h[h1,h1]": 0.3, "b_y[cpi]": 1.0}},
            r"restrictions of the larger one on W_h\[h1,h1\]",
        ),
        (
            {"fixed": {"W_h[h1,h1]": "K[h1,cpi]"}},
            {"fixed": {"W_h[h1,h1]": 0.3, "K[h1,cpi]": 0.5}},
            r"on W_h\[h1,h1\]",
        ),
        ({}, {"trend": "ct", "fixed": {"W_h[h1,h1]": 0.3, "K[h1,cpi]": 0.5}}, "b_y_trend"),
        ({"k_states": 2}, {"trend": "ct"}, "trend='ct' in the smaller"),
    ],
)
def test_models_that_are_not_nested_are_refused(large_options, small_options, words):
    with pytest.raises(SpecificationError, match=f"must be nested in the other; got .*{words}"):
        fit(**large_options).lr_test(fit(**small_options))


def test_what_is_not_regular_is_said(large):
    assert "Davies" in fit(k_states=2).lr_test(large).note
    leaky = fit(form="leaky")
    quiet = fit(form="leaky", obs_noise="none")
    assert "obs_cov[cpi,cpi] = 0" in leaky.lr_test(quiet).note
    fixed = fit(form="leaky", fixed={"obs_cov[cpi,cpi]": 0.0})
    assert leaky.lr_test(fixed).note == leaky.lr_test(quiet).note
    assert leaky.lr_test(quiet).statistic == pytest.approx(leaky.lr_test(fixed).statistic, abs=1e-5)
    assert "was not checked" in large.lr_test(fit(form="observed")).note
    full = fit(Y, k_states=2, trend="n")
    diagonal = fit(Y, k_states=2, trend="n", obs_noise="diagonal")
    assert (full.lr_test(diagonal).df, full.lr_test(diagonal).note) == (1, "")


def test_a_fit_that_stopped_short_is_said(large):
    with pytest.warns(ConvergenceWarning, match="limit of iterations"):
        short = large.model.with_fixed({"b_y[cpi]": 1.0}).fit(maxiter=1, n_starts=1)
    assert not short.convergence.converged
    assert large.lr_test(short).note.startswith("A fit stopped short of its maximum")
    assert large.lr_test(fit(fixed={"b_y[cpi]": 1.0})).note == ""


def test_what_was_not_estimated_is_refused(large):
    later = frame(130)["cpi"].iloc[120:]
    with pytest.raises(SpecificationError, match="same data and sample"):
        large.lr_test(large.append(later))
    with pytest.raises(SpecificationError, match="not estimated"):
        large.lr_test(fit(fixed={"b_y[cpi]": 1.0}).apply(Y["cpi"]))
    with pytest.raises(SpecificationError, match="fewer free parameters; got 4 in both"):
        large.lr_test(large)


def pvalues(number):
    """Of the test that a constant is zero, AR(1) of 100 rows."""
    rng = np.random.default_rng(21)
    found = []
    for _ in range(number):
        e = rng.standard_normal(130)
        y = np.zeros(130)
        for t in range(1, 130):
            y[t] = 0.5 * y[t - 1] + e[t]
        one, two = (
            LinearRNN(y[30:], form="observed", initial="diffuse", trend=trend).fit(cov_type="none")
            for trend in ("c", "n")
        )
        found.append(one.lr_test(two).pvalue)
    return np.array(found)


@pytest.mark.statistical
def test_pvalues_of_a_regular_test_are_uniform():
    """Kolmogorov and Smirnov on 80 samples; a false alarm has a chance of 0.1 %."""
    assert stats.kstest(pvalues(80), "uniform").pvalue > 0.001


@pytest.mark.statistical
@pytest.mark.slow
def test_size_of_a_regular_test():
    """1000 samples: the true size is about 5.5 %, the standard error 0.7 %."""
    assert 0.034 <= (pvalues(1000) < 0.05).mean() <= 0.076
