"""Shares of successful runs, and how they differ."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

__all__ = ["Difference", "stratified_difference", "wilson"]

FloatArray = NDArray[np.float64]


def wilson(successes: ArrayLike, runs: ArrayLike, alpha: float) -> tuple[Any, Any]:
    """Interval of a share, with a width also at zero and one.

    Parameters
    ----------
    successes, runs : array_like
    alpha : float

    Returns
    -------
    lower : ndarray
    upper : ndarray

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    """
    count, n = np.asarray(successes, dtype=float), np.asarray(runs, dtype=float)
    z2 = float(ndtri(1.0 - alpha / 2.0)) ** 2
    centre = (count + z2 / 2.0) / (n + z2)
    reach = np.sqrt(z2 * (count * (n - count) / n + z2 / 4.0)) / (n + z2)
    return np.clip(centre - reach, 0.0, 1.0), np.clip(centre + reach, 0.0, 1.0)


class Difference(NamedTuple):
    """Shares of two sets of runs over strata, compared.

    Attributes
    ----------
    difference, se : float
        Mean over strata of the difference of shares.
    z, pvalue : float
        Of the test that they are equal in all strata; two-sided. Missing where all runs of both
        succeeded in all strata, or none.
    """

    difference: float
    se: float
    z: float
    pvalue: float


def stratified_difference(
    successes: FloatArray, runs: FloatArray, others: FloatArray, other_runs: FloatArray
) -> Difference:
    """Compare shares of success over strata.

    Parameters
    ----------
    successes, runs, others, other_runs : ndarray, shape (strata,)

    Returns
    -------
    Difference
        The standard error takes shares moved towards one half, (x + 1) / (n + 2) (Agresti and
        Caffo 2000, The American Statistician 54, 280-288), so that it is not zero where all runs
        succeed; the test is that of Cochran (1954) and Mantel and Haenszel (1959), without
        correction for continuity (Agresti 2013, Categorical Data Analysis, section 6.4.2).
    """
    shares = successes / runs - others / other_runs
    moved = (successes + 1.0) / (runs + 2.0), (others + 1.0) / (other_runs + 2.0)
    variance = moved[0] * (1.0 - moved[0]) / runs + moved[1] * (1.0 - moved[1]) / other_runs
    k = len(runs)
    total, right = runs + other_runs, successes + others
    expected = runs * right / total
    spread = runs * other_runs * right * (total - right) / (total**2 * np.maximum(total - 1.0, 1.0))
    z = np.nan
    if spread.sum() > 0.0:
        z = float((successes - expected).sum() / np.sqrt(spread.sum()))
    pvalue = float(2.0 * ndtr(-abs(z)))
    return Difference(float(shares.mean()), float(np.sqrt(variance.sum()) / k), z, pvalue)
