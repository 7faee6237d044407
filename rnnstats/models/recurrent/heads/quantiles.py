"""Quantiles of the families: inverses where they exist, a search over whole numbers elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri, stdtrit

from rnnstats.families.base import ScalarFamily

__all__ = ["quantile"]

FloatArray = NDArray[np.float64]
# Whole numbers are searched up to here; a distribution beyond has no quantile that a float holds.
_LARGEST = 2.0**52


def quantile(family: ScalarFamily, p: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
    """
    Smallest value whose distribution function reaches ``p``.

    Parameters
    ----------
    family : ScalarFamily
    p : ndarray, shape () or (n,)
        Between 0 and 1.
    eta : ndarray, shape (n, 1)
    extra : ndarray, shape (m, 1)

    Returns
    -------
    ndarray, shape (n,)
        NaN where ``p`` or ``eta`` is NaN; inf where the distribution lies beyond 2**52.
    """
    line = eta[:, 0]
    p = np.broadcast_to(p, line.shape)
    if family.name == "gaussian":
        out: FloatArray = line + np.sqrt(extra[0]) * ndtri(p)
    elif family.name == "student-t":
        out = line + np.sqrt(extra[0]) * stdtrit(extra[1], p)
    elif family.name == "gamma":
        out = gammaincinv(extra[0], p) * np.exp(line) / extra[0]
    else:
        out = _counted(family, p, eta, extra)
    return out


def _counted(family: ScalarFamily, p: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
    """Bisection between a value below and one that reaches ``p``."""
    known = ~(np.isnan(p) | np.isnan(eta[:, 0]))
    p, eta = p[known], eta[known]

    def short(values: FloatArray) -> NDArray[np.bool_]:
        return family.cdf(values, eta, extra)[:, 0] < p

    low = np.full(len(p), -1.0)
    high = np.zeros(len(p))
    open_end = short(high)
    while open_end.any() and high.max() < _LARGEST:
        low = np.where(open_end, high, low)
        high = np.where(open_end, 2.0 * high + 1.0, high)
        open_end = short(high)
    wide = high - low > 1.0
    while wide.any():
        middle = np.floor(0.5 * (low + high))
        below = short(middle)
        low = np.where(wide & below, middle, low)
        high = np.where(wide & ~below, middle, high)
        wide = high - low > 1.0
    out = np.full(len(known), np.nan)
    out[known] = np.where(open_end, np.inf, high)
    return out
