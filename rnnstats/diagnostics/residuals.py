"""Tests on standardized residuals, each column on its own.

Under a correctly specified model the standardized one-step-ahead residuals are independent
standard normal (Durbin and Koopman 2012, section 2.12). The tests ask for normality, lack of
serial correlation and constant variance. They take arrays and do not know the model; the numbers
are those of statsmodels' state space results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rnnstats import _compat
from rnnstats.errors import DataError, SpecificationError

FloatArray = NDArray[np.float64]
Alternative = Literal["two-sided", "increasing", "decreasing"]

__all__ = ["heteroskedasticity", "normality", "serial_correlation"]


def normality(resid: FloatArray, names: Sequence[str]) -> pd.DataFrame:
    """
    Jarque-Bera test: skewness 0 and kurtosis 3.

    Parameters
    ----------
    resid : ndarray of shape (nobs, k)
        Standardized residuals; missing ones (NaN) are left out, which is right when data are
        missing completely at random.
    names : sequence of str, length k
        Names of the columns.

    Returns
    -------
    DataFrame
        One row a series; columns ``statistic``, ``pvalue`` (chi-squared, 2 degrees of freedom),
        ``skew``, ``kurtosis``. A series with fewer than 2 residuals has a row of NaN.

    References
    ----------
    Jarque and Bera (1987), International Statistical Review 55, 163-172.
    """
    rows = []
    for column in _columns(resid, names):
        seen = column[~np.isnan(column)]
        rows.append(_compat.jarque_bera(seen) if seen.size >= 2 else (np.nan,) * 4)
    columns = ["statistic", "pvalue", "skew", "kurtosis"]
    return pd.DataFrame(rows, index=pd.Index(list(names)), columns=columns)


def serial_correlation(
    resid: FloatArray,
    names: Sequence[str],
    *,
    lags: int | Sequence[int] | None = None,
    boxpierce: bool = False,
    model_df: int = 0,
) -> pd.DataFrame:
    """
    Ljung-Box or Box-Pierce test: no serial correlation up to each lag.

    Parameters
    ----------
    resid : ndarray of shape (nobs, k)
        Standardized residuals. Missing ones (NaN) are left out: the autocorrelation at lag k takes
        the n_k pairs that were seen, and is weighted by the variance that so many pairs give it.
    names : sequence of str, length k
        Names of the columns.
    lags : int or sequence of int, optional
        An integer gives every lag up to it, a sequence those lags alone; the default is every lag
        up to ``min(10, nobs // 5)``.
    boxpierce : bool
        Box and Pierce's statistic instead of Ljung and Box's.
    model_df : int
        Taken off the degrees of freedom (the number of autoregressive and moving-average
        coefficients); lags not above it have p-value NaN.

    Returns
    -------
    DataFrame
        Index (series, lag), columns ``statistic`` and ``pvalue``.

    Raises
    ------
    DataError
        There are too few residuals for the lags.

    Notes
    -----
    With n residuals seen, r_k the sum over the seen pairs of products divided by the sum of
    squares, and n_k seen pairs, Ljung and Box's statistic is ``n (n + 2) sum_k r_k^2 / n_k``;
    without gaps n_k = n - k. A lag without any pair makes that row and those below NaN.

    References
    ----------
    Ljung and Box (1978), Biometrika 65, 297-303; Stoffer and Toloi (1992), Statistics &
    Probability Letters 13, 391-396 (gaps).
    """
    nobs = resid.shape[0]
    wanted = _lag_list(lags, nobs)
    if wanted[-1] >= nobs:
        raise DataError(
            f"test_serial_correlation: lags must be below the number of residuals; got lag "
            f"{wanted[-1]} with {nobs} residuals. Ask for fewer lags."
        )
    tables = {
        name: _portmanteau(column, wanted, boxpierce, model_df)
        for name, column in zip(names, _columns(resid, names), strict=True)
    }
    return pd.concat(tables, names=["series", "lag"])


def _portmanteau(
    column: FloatArray, wanted: list[int], boxpierce: bool, model_df: int
) -> pd.DataFrame:
    """Statistic and p-value at each wanted lag, from the pairs of residuals that were seen."""
    seen = ~np.isnan(column)
    rows, n = len(column), int(seen.sum())
    x = np.where(seen, column - (np.nanmean(column) if n else 0.0), 0.0)
    lags = np.arange(1, wanted[-1] + 1)
    pairs = np.array([(seen[k:] & seen[:-k]).sum() for k in lags], dtype=float)
    pairs[pairs == 0.0] = np.nan
    products = np.array([x[k:] @ x[:-k] for k in lags])
    squares = np.square(products / (x @ x)) if x.any() else np.full(len(lags), np.nan)
    weights = n * n * (rows - lags) / (rows * pairs) if boxpierce else n * (n + 2) / pairs
    statistic = np.cumsum(weights * squares)[np.array(wanted) - 1]
    freedom = np.array(wanted, dtype=float) - model_df
    pvalue = stats.chi2.sf(statistic, np.where(freedom > 0, freedom, np.nan))
    return pd.DataFrame(
        {"statistic": statistic, "pvalue": pvalue}, index=pd.Index(wanted, name="lag")
    )


def _lag_list(lags: int | Sequence[int] | None, nobs: int) -> list[int]:
    """Return the lags in rising order, all at least 1."""
    if lags is None:
        wanted = list(range(1, max(1, min(10, nobs // 5)) + 1))
    elif isinstance(lags, (int, np.integer)):
        wanted = list(range(1, int(lags) + 1))
    else:
        wanted = sorted({int(lag) for lag in lags})
    if not wanted or wanted[0] < 1:
        raise SpecificationError(
            f"test_serial_correlation: lags must be at least 1; got {lags!r}. "
            "Give an integer for all lags up to it, or a list of lags."
        )
    return wanted


def heteroskedasticity(
    resid: FloatArray,
    names: Sequence[str],
    *,
    alternative: Alternative = "two-sided",
    use_f: bool = True,
) -> pd.DataFrame:
    """
    Break-in-variance test: last third of the squared residuals against the first third.

    Parameters
    ----------
    resid : ndarray of shape (nobs, k)
        Standardized residuals; missing ones (NaN) are left out of the sums and of the degrees of
        freedom.
    names : sequence of str, length k
        Names of the columns.
    alternative : {"two-sided", "increasing", "decreasing"}
        Direction in which the variance moves under the alternative.
    use_f : bool
        F distribution (default) or, with an infinite denominator, chi-squared.

    Returns
    -------
    DataFrame
        One row a series; columns ``statistic`` (ratio of the sums of squares, last over first
        third, or first over last for "decreasing") and ``pvalue``. NaN where a third holds fewer
        than 2 residuals, or the one that divides only zeros.

    Notes
    -----
    With h the third of the sample, H(h) is the sum of squares of the last h residuals over that of
    the first h. With d1 and d2 residuals seen in the two, H d2/d1 is F(d1, d2) under the null.

    References
    ----------
    Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, section 5.4.
    """
    third = round(resid.shape[0] / 3)
    rows = []
    for column in _columns(resid, names):
        late, early = column[len(column) - third :], column[:third]
        rows.append(_variance_ratio(late, early, alternative, use_f))
    return pd.DataFrame(rows, index=pd.Index(list(names)), columns=["statistic", "pvalue"])


def _variance_ratio(
    late: FloatArray, early: FloatArray, alternative: Alternative, use_f: bool
) -> tuple[float, float]:
    over, under = (early, late) if alternative == "decreasing" else (late, early)
    df_over, df_under = int((~np.isnan(over)).sum()), int((~np.isnan(under)).sum())
    if min(df_over, df_under) < 2:
        return np.nan, np.nan
    base = float(np.nansum(under**2))
    ratio = float(np.nansum(over**2)) / base if base > 0.0 else np.nan
    if use_f:
        scaled = ratio * df_under / df_over
        upper, lower = stats.f.sf(scaled, df_over, df_under), stats.f.cdf(scaled, df_over, df_under)
    else:
        scaled = ratio * df_under
        upper, lower = stats.chi2.sf(scaled, df_over), stats.chi2.cdf(scaled, df_over)
    return ratio, float(2 * min(upper, lower) if alternative == "two-sided" else upper)


def _columns(resid: FloatArray, names: Sequence[str]) -> list[FloatArray]:
    if resid.ndim != 2 or resid.shape[1] != len(names):
        raise DataError(
            f"residual test: residuals must have shape (nobs, {len(names)}), one column a name; "
            f"got {resid.shape}. Pass a two-dimensional array."
        )
    return list(resid.T)
