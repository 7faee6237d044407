"""The residual tests as functions of arrays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rnnstats.diagnostics import heteroskedasticity, normality, serial_correlation
from rnnstats.errors import DataError, SpecificationError


@pytest.fixture(scope="module")
def resid():
    values = np.random.default_rng(0).standard_normal((90, 2))
    values[[3, 50, 51], 1] = np.nan
    return values


def test_normality_is_the_formula(resid):
    table = normality(resid, ["a", "b"])
    for j, name in enumerate("ab"):
        x = resid[:, j][~np.isnan(resid[:, j])]
        skew, kurtosis = stats.skew(x), stats.kurtosis(x, fisher=False)
        statistic = x.size / 6 * (skew**2 + (kurtosis - 3) ** 2 / 4)
        expected = [statistic, stats.chi2.sf(statistic, 2), skew, kurtosis]
        np.testing.assert_allclose(table.loc[name], expected, rtol=1e-10)


def test_serial_correlation_is_the_formula(resid):
    x = resid[:, 0] - resid[:, 0].mean()
    rho = np.array([x[k:] @ x[:-k] / (x @ x) for k in range(1, 5)])
    for boxpierce in (False, True):
        weights = np.ones(4) if boxpierce else (90 + 2) / (90 - np.arange(1, 5))
        expected = 90 * np.cumsum(weights * rho**2)
        table = serial_correlation(resid, ["a", "b"], lags=4, boxpierce=boxpierce, model_df=1)
        np.testing.assert_allclose(table.loc["a", "statistic"], expected, rtol=1e-10)
        pvalues = [np.nan, *stats.chi2.sf(expected[1:], [1, 2, 3])]
        np.testing.assert_allclose(table.loc["a", "pvalue"], pvalues, rtol=1e-8)
    assert serial_correlation(resid, ["a", "b"]).loc["a"].index.tolist() == list(range(1, 11))
    assert serial_correlation(resid, ["a", "b"], lags=[6, 2]).loc["a"].index.tolist() == [2, 6]


def test_serial_correlation_has_the_right_size_with_gaps():
    """A tenth of white noise lies above the 10 % point, with a third of it missing in clusters."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(150, 2000))
    x[rng.uniform(size=(30, 2000)).repeat(5, axis=0) < 1 / 3] = np.nan
    for boxpierce in (False, True):
        table = serial_correlation(x, [str(i) for i in range(2000)], lags=[5], boxpierce=boxpierce)
        share = (table["pvalue"] < 0.1).mean()
        assert abs(share - 0.1) < 4 * np.sqrt(0.09 / 2000)


def test_serial_correlation_without_any_pair():
    every_other = np.where(np.arange(40) % 2 == 0, np.sin(np.arange(40.0) ** 2), np.nan)[:, None]
    assert serial_correlation(every_other, ["a"], lags=[1])["statistic"].isna().all()


def test_heteroskedasticity_is_the_formula(resid):
    table = heteroskedasticity(resid, ["a", "b"], alternative="increasing")
    squares = resid**2
    early, late = np.nansum(squares[:30], axis=0), np.nansum(squares[60:], axis=0)
    np.testing.assert_allclose(table["statistic"], late / early)
    np.testing.assert_allclose(table.loc["a", "pvalue"], stats.f.sf(late[0] / early[0], 30, 30))
    scaled = late[1] / early[1] * 29 / 30
    np.testing.assert_allclose(table.loc["b", "pvalue"], stats.f.sf(scaled, 30, 29))
    down = heteroskedasticity(resid, ["a", "b"], alternative="decreasing")
    np.testing.assert_allclose(down["pvalue"], 1 - table["pvalue"])
    both = heteroskedasticity(resid, ["a", "b"])
    least = np.minimum(table["pvalue"], down["pvalue"])
    np.testing.assert_allclose(both["pvalue"], 2 * least)
    chi2 = heteroskedasticity(resid, ["a", "b"], alternative="increasing", use_f=False)
    np.testing.assert_allclose(chi2.loc["a", "pvalue"], stats.chi2.sf(30 * late[0] / early[0], 30))


def test_too_little_data():
    few = np.array([[0.5], [np.nan], [np.nan], [1.0]])
    assert heteroskedasticity(few, ["a"]).isna().all().all()
    assert normality(few[:2], ["a"]).isna().all().all()
    with pytest.raises(DataError, match="below the number of residuals"):
        serial_correlation(few, ["a"], lags=4)
    with pytest.raises(SpecificationError, match="lags must be at least 1"):
        serial_correlation(few, ["a"], lags=[0, 2])
    with pytest.raises(SpecificationError, match="lags must be at least 1"):
        serial_correlation(few, ["a"], lags=[])
    with pytest.raises(DataError, match="one column a name"):
        normality(few, ["a", "b"])
