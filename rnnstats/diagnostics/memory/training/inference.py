"""Shares and means over runs: intervals and tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, ttest_1samp

__all__ = ["Difference", "Mean", "matched_difference", "student", "wilson"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def wilson(successes: ArrayLike, runs: ArrayLike, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Interval of each share, with a width also at zero and one.

    Parameters
    ----------
    successes, runs : array_like of int, shape (k,)
    alpha : float

    Returns
    -------
    lower : ndarray, shape (k,)
    upper : ndarray, shape (k,)

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    """
    pairs = zip(np.atleast_1d(successes), np.atleast_1d(runs), strict=True)
    found = [binomtest(int(k), int(n)).proportion_ci(1.0 - alpha, "wilson") for k, n in pairs]
    return np.array([float(one.low) for one in found]), np.array([float(one.high) for one in found])


class Difference(NamedTuple):
    """Shares of success of two sets of matched runs, compared.

    Attributes
    ----------
    difference, se : float
        Mean over strata of the difference of shares, and its standard error.
    pvalue : float
        Of the test that either one of a pair is as likely to succeed alone; two-sided, exact.
    """

    difference: float
    se: float
    pvalue: float


def matched_difference(pairs: list[tuple[BoolArray, BoolArray]]) -> Difference:
    """Compare successes of runs that belong together.

    Parameters
    ----------
    pairs : list of (ones, others)
        By stratum: successes, shape (n,), of runs of the one and of the other on the same data.

    Returns
    -------
    Difference
        Missing without a pair. The standard error is that of Wald with half a pair more of each of
        the four outcomes (Agresti and Min 2005, Statistics in Medicine 24, 729-740), so that it is
        not zero where all pairs agree. The test counts the pairs of all strata of which one alone
        succeeds (McNemar 1947, Psychometrika 12, 153-157); there is nothing against equality where
        there are none.
    """
    pairs = [(ones, others) for ones, others in pairs if len(ones)]
    if not pairs:
        return Difference(np.nan, np.nan, np.nan)
    gained = np.array([int((ones & ~others).sum()) for ones, others in pairs])
    lost = np.array([int((others & ~ones).sum()) for ones, others in pairs])
    count = np.array([len(ones) for ones, _ in pairs])
    apart = gained + lost + 1.0
    variance = (apart - (gained - lost) ** 2 / (count + 2.0)) / (count + 2.0) ** 2
    told = int(gained.sum() + lost.sum())
    return Difference(
        float(((gained - lost) / count).mean()),
        float(np.sqrt(variance.sum()) / len(pairs)),
        float(binomtest(int(gained.sum()), told).pvalue) if told else 1.0,
    )


class Mean(NamedTuple):
    """A mean over runs.

    Attributes
    ----------
    value, se : float
        The mean and its standard error.
    t, pvalue : float
        Student's test that it is zero, two-sided.
    """

    value: float
    se: float
    t: float
    pvalue: float


def student(values: FloatArray) -> Mean:
    """Mean with Student's test that it is zero.

    Parameters
    ----------
    values : ndarray, shape (n,)

    Returns
    -------
    Mean
        Missing without values; without error and test for a single one and for infinite ones;
        without a test for values that are all the same.
    """
    mean = float(values.mean()) if len(values) else np.nan
    if len(values) < 2 or not np.isfinite(mean):
        return Mean(mean, np.nan, np.nan, np.nan)
    se = float(values.std(ddof=1) / np.sqrt(len(values)))
    if se <= np.finfo(float).eps * abs(mean):
        return Mean(mean, se, np.nan, np.nan)
    found = ttest_1samp(values, 0.0)
    return Mean(mean, se, float(found.statistic), float(found.pvalue))
