"""Effective length of a memory from the weights of its lags. Arrays.

Weights w_0, w_1, ... are sizes of gradients by lag. Every length is a number of lags that need not
be whole, with its derivative by the weights.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Length", "last_at_share", "mean_lag", "within"]

FloatArray = NDArray[np.float64]


class Length(NamedTuple):
    """A length in lags and its derivative by each weight; NaN where there is none."""

    value: float
    slopes: FloatArray

    @classmethod
    def none(cls, count: int, value: float = np.nan) -> Length:
        """A length that the weights do not tell.

        Parameters
        ----------
        count : int
            Number of weights.
        value : float

        Returns
        -------
        Length
        """
        return cls(value, np.full(count, np.nan))


def mean_lag(weights: FloatArray) -> Length:
    """Mean of the lag, each lag with its weight.

    Parameters
    ----------
    weights : ndarray, shape (lags + 1,)
        Not negative.

    Returns
    -------
    Length
        ``sum k w_k / sum w_k``: a / (1 - a) for w_k = a^k.
    """
    lags, total = np.arange(len(weights)), float(weights.sum())
    if not 0.0 < total < np.inf:
        return Length.none(len(weights))
    value = float(lags @ weights) / total
    return Length(value, np.asarray((lags - value) / total, dtype=np.float64))


def within(weights: FloatArray, share: float) -> Length:
    """Lag within which a share of all weight lies.

    Parameters
    ----------
    weights : ndarray, shape (lags + 1,)
        Not negative.
    share : float
        Between 0 and 1.

    Returns
    -------
    Length
        Weight of lag k is spread evenly between k and k + 1, so that ``1 - a^x = share`` for w_k =
        a^k to linear interpolation.
    """
    total = float(weights.sum())
    if not 0.0 < total < np.inf:
        return Length.none(len(weights))
    reached = weights.cumsum() / total
    k = int(np.searchsorted(reached, share))
    k = min(k, len(weights) - 1)
    before = float(reached[k - 1]) if k else 0.0
    part = float(weights[k]) / total
    value = k + (share - before) / part
    # d before = (1[j < k] - before) / total, d part = (1[j = k] - part) / total
    earlier = (np.arange(len(weights)) < k) - before
    own = (np.arange(len(weights)) == k) - part
    slopes = (-earlier / part - own * (share - before) / part**2) / total
    return Length(float(value), slopes)


def last_at_share(weights: FloatArray, share: float) -> Length:
    """Lag from which on every weight is below a share of the largest.

    Parameters
    ----------
    weights : ndarray, shape (lags + 1,)
        Not negative.
    share : float
        Between 0 and 1.

    Returns
    -------
    Length
        Between the last lag above and the next one on a line through the logs of their weights, so
        that ``a^x = share`` exactly for w_k = a^k; infinite where the last weight is above.
    """
    count, peak = len(weights), int(weights.argmax())
    largest = float(weights[peak])
    if not 0.0 < largest < np.inf:
        return Length.none(count)
    bound = share * largest
    last = int(np.flatnonzero(weights >= bound)[-1])
    if last == count - 1:
        return Length.none(count, np.inf)
    here, ahead = float(weights[last]), float(weights[last + 1])
    slopes = np.zeros(count)
    if ahead == 0.0:
        return Length(float(last), slopes)
    fall, over = np.log(here / ahead), np.log(here / bound)
    part = over / fall
    slopes[last] += (1.0 - part) / (here * fall)
    slopes[last + 1] += part / (ahead * fall)
    slopes[peak] -= 1.0 / (largest * fall)
    return Length(last + float(part), slopes)
