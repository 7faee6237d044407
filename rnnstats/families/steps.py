"""What the families' methods are made of: a climb along one parameter, sums, refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from rnnstats.errors import DataError

__all__ = ["climb", "column_sums", "powered", "refuse", "spread"]

FloatArray = NDArray[np.float64]
_FIRST_STEP = 0.05  # of a climb; most begin near the top


def climb(
    slope: Callable[[float], float], start: float, *, lo: float, hi: float, xtol: float = 1e-13
) -> float:
    """
    Maximise a function of one number from where it is now, given its derivative.

    Parameters
    ----------
    slope : callable
        Derivative at a point.
    start : float
        Where to begin; brought between the ends.
    lo, hi : float
        Ends.
    xtol : float
        How near to the place.

    Returns
    -------
    float
        The first place uphill where the derivative passes through zero (bracketed by growing
        steps, then Brent's method), or the end that is reached first. Where the derivative stops
        being a number, the last place at which it was one.
    """
    here = min(max(start, lo), hi)
    up = slope(here)
    if up == 0.0 or not np.isfinite(up):
        return here
    step, end = (_FIRST_STEP, hi) if up > 0.0 else (-_FIRST_STEP, lo)
    while here != end:
        there = min(here + step, hi) if step > 0.0 else max(here + step, lo)
        now = slope(there)
        if not np.isfinite(now):
            return here
        if now == 0.0:
            return there
        if (now > 0.0) != (up > 0.0):
            return float(brentq(slope, here, there, xtol=xtol, rtol=1e-14))
        here, step = there, 4.0 * step
    return end


def column_sums(values: FloatArray, *, common: bool) -> FloatArray:
    """
    Sum over rows, and over columns too where they share a parameter.

    Parameters
    ----------
    values : ndarray, shape (n, K)
    common : bool

    Returns
    -------
    ndarray, shape (K,) or (1,)
    """
    sums: FloatArray = values.sum(axis=0)
    return sums.sum(keepdims=True) if common else sums


def refuse(
    y: FloatArray, bad: NDArray[np.bool_], *, caller: str, column: str, rule: str, way_out: str
) -> None:
    """
    Refuse observations outside the support.

    Parameters
    ----------
    y : ndarray, shape (n,)
    bad : ndarray of bool, shape (n,)
        The observations refused; False for missing ones.
    caller, column, rule, way_out : str
        Parts of the message.

    Raises
    ------
    DataError
        There is one; the first is named.
    """
    rows = np.flatnonzero(bad)
    if rows.size:
        raise DataError(
            f"{caller}: column {column!r} of endog must hold {rule}; got {float(y[rows[0]])!r} in "
            f"row {int(rows[0])}. {way_out}"
        )


def powered(y: FloatArray, eta: FloatArray) -> FloatArray:
    """
    Product ``y * eta`` with ``0 * (-inf) = 0``: the logarithm of ``exp(eta) ** y``.

    Parameters
    ----------
    y, eta : ndarray
        They are broadcast against each other.

    Returns
    -------
    ndarray
    """
    product: FloatArray = y * eta
    return np.where(y == 0.0, 0.0, product) if np.isinf(eta).any() else product


def spread(y: FloatArray) -> float:
    """
    Variance of the observations, to start from.

    Parameters
    ----------
    y : ndarray
        Without NaN.

    Returns
    -------
    float
        1 where there is none.
    """
    found = float(np.var(y)) if y.size else 0.0
    return found if found > 0.0 else 1.0
