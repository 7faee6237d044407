"""How many states a series needs, before any model is fitted: the rank of its Hankel matrix.

The covariance matrix of the future ``(y_t, ..., y_{t+f-1})`` with the past ``(y_{t-1}, ...,
y_{t-h})`` is a Hankel matrix of autocovariances; its rank is the number of states (Akaike 1975).
In units of their own covariances its singular values are the canonical correlations of future and
past. Functions on arrays only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "ENOUGH",
    "HankelCorrelations",
    "RankTest",
    "autoregressive_order",
    "hankel_correlations",
    "rank_test",
    "window_rows",
]

FloatArray = NDArray[np.float64]
# Windows for each variable in them that estimates of their covariances need.
ENOUGH = 2


@dataclass(frozen=True, eq=False)
class HankelCorrelations:
    """Canonical correlations of future and past.

    Attributes
    ----------
    correlations : ndarray, shape (min(f, h) * p,)
        Hankel singular values in units of the covariances of future and past; between 0 and 1,
        largest first.
    future, past : int
        Block rows f and block columns h of the Hankel matrix.
    k_endog : int
    rows : int
        Number of windows they come from.
    left, right : ndarray, shape (rows, f * p) and (rows, h * p)
        Canonical variates with unit variance, those without a partner included; NaN in windows
        with a gap.
    """

    correlations: FloatArray
    future: int
    past: int
    k_endog: int
    rows: int
    left: FloatArray
    right: FloatArray


class RankTest(NamedTuple):
    """Test that the Hankel matrix has rank ``rank``, against a higher one.

    Attributes
    ----------
    rank : int
    correlation : float
        The largest canonical correlation that is zero under the hypothesis.
    statistic : float
        Likelihood ratio statistic with Fujikoshi's multiplier.
    df : int
        Degrees of freedom ``(f p - rank) (h p - rank)``.
    pvalue_chi2 : float
        By the chi-squared distribution, which holds for independent rows.
    pvalue : float
        By a scaled chi-squared distribution that takes the overlap of the windows into account.
    svc : float
        Bauer's criterion ``correlation^2 + 2 rank p log(rows) / rows``; smallest at the rank.
    """

    rank: int
    correlation: float
    statistic: float
    df: int
    pvalue_chi2: float
    pvalue: float
    svc: float


def autoregressive_order(z: FloatArray, longest: int) -> int:
    """Order of the vector autoregression with the smallest AIC, at least 1.

    Parameters
    ----------
    z : ndarray, shape (nobs, p)
        Mean zero; windows of ``longest + 1`` rows with NaN are left out.
    longest : int
        Largest order tried; fewer where there are too few windows.
    """
    p = z.shape[1]
    at = window_rows(z, 1, longest)
    while longest > 1 and len(at) <= (2 * longest + 1) * p:
        longest -= 1
        at = window_rows(z, 1, longest)
    if len(at) <= (longest + 1) * p:
        return 1
    scores = []
    behind = np.hstack([z[at - j] for j in range(1, longest + 1)])
    for order in range(1, longest + 1):
        x = behind[:, : order * p]
        errors = z[at] - x @ np.linalg.lstsq(x, z[at], rcond=None)[0]
        sign, value = np.linalg.slogdet(errors.T @ errors / len(at))
        scores.append(len(at) * value + 2.0 * order * p * p if sign > 0 else -math.inf)
    return int(np.argmin(scores)) + 1


def window_rows(z: FloatArray, future: int, past: int) -> NDArray[np.intp]:
    """First future rows t of the windows ``t - past .. t + future - 1`` without a gap.

    Parameters
    ----------
    z : ndarray, shape (nobs, p)
        NaN where missing.
    future, past : int
    """
    complete = np.isfinite(z).all(axis=1)
    length = future + past
    count = np.convolve(complete, np.ones(length, dtype=int), mode="valid")
    return np.flatnonzero(count == length) + past


def hankel_correlations(z: FloatArray, future: int, past: int) -> HankelCorrelations:
    """Canonical correlations between the next rows and the rows before them.

    Parameters
    ----------
    z : ndarray, shape (nobs, p)
        Mean zero; windows with NaN are left out.
    future, past : int
        Rows ahead (the next one included) and rows before.

    Returns
    -------
    HankelCorrelations

    Raises
    ------
    numpy.linalg.LinAlgError
        When a covariance matrix of the windows is singular: too few windows, or series that are
        linear combinations of each other.

    References
    ----------
    Akaike, H. (1975), Markovian representation of stochastic processes by canonical variables,
    SIAM Journal on Control 13. Larimore, W. E. (1983), System identification, reduced-order
    filtering and modeling via canonical variate analysis, American Control Conference.
    """
    at = window_rows(z, future, past)
    p = z.shape[1]
    if len(at) < ENOUGH * (future + past) * p:
        raise np.linalg.LinAlgError(f"fewer than {ENOUGH} windows for each variable in them")
    ahead = np.hstack([z[at + j] for j in range(future)])
    behind = np.hstack([z[at - j] for j in range(1, past + 1)])
    ahead, behind = ahead - ahead.mean(axis=0), behind - behind.mean(axis=0)
    white_ahead, white_behind = _whitened(ahead), _whitened(behind)
    left, size, right = np.linalg.svd(white_ahead.T @ white_behind / len(at))
    first = at[0]
    variates = np.full((2, at[-1] - first + 1, max(future, past) * p), np.nan)
    variates[0, at - first, : future * p] = white_ahead @ left
    variates[1, at - first, : past * p] = white_behind @ right.T
    return HankelCorrelations(
        correlations=np.clip(size, 0.0, 1.0),
        future=future,
        past=past,
        k_endog=p,
        rows=len(at),
        left=variates[0, :, : future * p],
        right=variates[1, :, : past * p],
    )


def _whitened(x: FloatArray) -> FloatArray:
    """Linear combinations of the columns with unit covariance."""
    scale = np.sqrt((x * x).mean(axis=0))
    if not (scale > 0.0).all():
        raise np.linalg.LinAlgError("a column without variation")
    x = x / scale
    cov = x.T @ x / len(x)
    if np.linalg.eigvalsh(cov)[0] <= 1e-12:
        raise np.linalg.LinAlgError("collinear windows")
    factor = np.linalg.cholesky(cov)
    out: FloatArray = scipy.linalg.solve_triangular(factor, x.T, lower=True).T
    return out


def rank_test(found: HankelCorrelations, rank: int) -> RankTest:
    """Test that only ``rank`` canonical correlations of future and past are not zero.

    Parameters
    ----------
    found : HankelCorrelations
    rank : int
        Below the number of correlations.

    Returns
    -------
    RankTest

    Notes
    -----
    The statistic is ``-(T - rank - (f p + h p + 1) / 2 + sum_{i <= rank} r_i^-2)
    sum_{i > rank} log(1 - r_i^2)`` (Bartlett 1947; Fujikoshi 1974). Rows of a time series are not
    independent: the future variates without a partner in the past, ``u_t``, are a moving average
    of order f - 1, and ``T sum r_i^2`` tends to a weighted sum of chi-squared variables with the
    eigenvalues of ``sum_{|k| < f} Gamma_u(k) (x) Gamma_v(k)`` as weights (Bartlett's formula; the
    weights of Robin and Smith 2000). Its distribution is replaced by the scaled chi-squared one
    with the same mean and variance. What Camba-Mendez and Kapetanios (2001) find of such tests
    remains: they are asymptotic, and with few rows or long windows they reject too often.
    """
    f, h, p, rows = found.future, found.past, found.k_endog, found.rows
    r2 = np.minimum(found.correlations**2, 1.0 - 1e-15)
    inflate = float(np.sum(1.0 / np.maximum(r2[:rank], 1e-12)))
    multiplier = rows - rank - 0.5 * (f * p + h * p + 1) + inflate
    statistic = -max(multiplier, 0.0) * float(np.log1p(-r2[rank:]).sum())
    df = (f * p - rank) * (h * p - rank)
    mean, variance = _weights(found.left[:, rank:], found.right[:, rank:], f)
    scale = variance / (2.0 * mean)
    return RankTest(
        rank=rank,
        correlation=float(found.correlations[rank]),
        statistic=statistic,
        df=df,
        pvalue_chi2=float(stats.chi2.sf(statistic, df)),
        pvalue=float(stats.chi2.sf(statistic / scale, mean / scale)),
        svc=float(r2[rank]) + 2.0 * rank * p * math.log(rows) / rows,
    )


def _weights(u: FloatArray, v: FloatArray, future: int) -> tuple[float, float]:
    """Mean and variance of the weighted sum of chi-squared variables, see `rank_test`.

    With ``M = sum_k G_u(k) (x) G_v(k)`` they are ``tr M`` and ``2 tr M'M``.
    """
    lags = range(-(future - 1), future)
    gammas_u = [_autocovariance(u, k) for k in lags]
    gammas_v = [_autocovariance(v, k) for k in lags]
    mean = sum(np.trace(a) * np.trace(b) for a, b in zip(gammas_u, gammas_v, strict=True))
    flat_u = np.array([g.ravel() for g in gammas_u])
    flat_v = np.array([g.ravel() for g in gammas_v])
    variance = 2.0 * float(np.sum((flat_u @ flat_u.T) * (flat_v @ flat_v.T)))
    floor = 0.1 * u.shape[1] * v.shape[1]
    return max(float(mean), floor), max(variance, 2.0 * floor)


def _autocovariance(x: FloatArray, lag: int) -> FloatArray:
    """Mean of ``x_{t+lag} x_t'`` over the pairs of complete rows, shrunk as with all rows."""
    if lag < 0:
        return _autocovariance(x, -lag).T
    a, b = x[lag:], x[: len(x) - lag]
    both = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    total = int(np.isfinite(x).all(axis=1).sum())
    if not both.any():
        return np.zeros((x.shape[1], x.shape[1]))
    out: FloatArray = a[both].T @ b[both] / both.sum() * (1.0 - lag / max(total, lag + 1))
    return out
