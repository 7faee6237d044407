"""Differences of log-gamma functions and the like, without cancellation.

With ``r = 1/a`` and ``x = a y``, Stirling's series (Abramowitz and Stegun 1964, 6.1.41) gives

``lgamma(r + y) - lgamma(r) - y log r = y x h(x) - log1p(x)/2 + s(a/(1 + x)) - s(a)``

with ``h(x) = ((1 + x) log1p(x) - x) / x**2``, which is finite at ``a = 0`` and exact to rounding
for ``a <= 0.1``; above, the functions themselves differ enough.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

__all__ = [
    "by_count",
    "log1p_excess",
    "log1p_share",
    "log_minus_digamma",
    "rising",
    "rising_slope",
    "stirling_rest",
]

FloatArray = NDArray[np.float64]
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_SERIES = 0.1  # where six terms of Stirling's series are exact to rounding
_NEAR = 0.3  # where the series of log1p_excess is exact to rounding with its terms
_TERMS = 12


def log1p_share(x: FloatArray) -> FloatArray:
    """
    ``log1p(x) / x``, 1 at zero.

    Parameters
    ----------
    x : ndarray
        Above -1.

    Returns
    -------
    ndarray
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x == 0.0, 1.0, np.log1p(x) / np.where(x == 0.0, 1.0, x))


def log1p_excess(x: FloatArray) -> FloatArray:
    """
    ``(x - log1p(x)) / x**2``, 1/2 at zero.

    Parameters
    ----------
    x : ndarray
        Above -1.

    Returns
    -------
    ndarray

    Notes
    -----
    Near zero by ``log1p(x) = 2 artanh(s)``, ``s = x / (2 + x)`` (Abramowitz and Stegun 1964,
    4.1.27).
    """
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        out = np.asarray((1.0 - np.log1p(x) / x) / x)
    near = np.abs(x) < _NEAR
    if near.any():
        s = x[near] / (2.0 + x[near])
        square, tail = s * s, np.zeros_like(s)
        for k in range(_TERMS, 0, -1):
            tail = tail * square + 1.0 / (2 * k + 1)
        out[near] = 0.5 * (1.0 - s) * (1.0 - (1.0 - s) * s * tail)
    return out


def rising(y: FloatArray, a: FloatArray) -> FloatArray:
    """
    ``lgamma(y + 1/a) - lgamma(1/a) + y log a``: for whole y, the sum of ``log(1 + a j)``, j < y.

    Parameters
    ----------
    y, a : ndarray
        Not negative; they are broadcast against each other.

    Returns
    -------
    ndarray
        0 at ``a = 0``.
    """
    y, a = np.broadcast_arrays(y, a)
    low = a <= _SERIES
    b = np.where(low, a, 0.0)
    x = b * y
    h = log1p_share(x) - log1p_excess(x)
    small = y * x * h - 0.5 * np.log1p(x) + stirling_rest(b / (1.0 + x)) - stirling_rest(b)
    if low.all():
        return small
    r = 1.0 / np.where(low, 1.0, a)
    large = gammaln(y + r) - gammaln(r) - y * np.log(r)
    return np.where(low, small, large)


def rising_slope(y: FloatArray, a: FloatArray) -> FloatArray:
    """
    Derivative of `rising` by ``a``: for whole y, the sum of ``j / (1 + a j)``, j < y.

    Parameters
    ----------
    y, a : ndarray
        Not negative; they are broadcast against each other.

    Returns
    -------
    ndarray
    """
    y, a = np.broadcast_arrays(y, a)
    low = a <= _SERIES
    b = np.where(low, a, 0.0)
    x = b * y
    rest = _rest_slope(b / (1.0 + x)) / (1.0 + x) ** 2 - _rest_slope(b)
    small = y * y * log1p_excess(x) - 0.5 * y / (1.0 + x) + rest
    if low.all():
        return small
    r = 1.0 / np.where(low, 1.0, a)
    large = (y - r * (digamma(y + r) - digamma(r))) * r
    return np.where(low, small, large)


def by_count(function: Callable[..., FloatArray], y: FloatArray, *others: FloatArray) -> FloatArray:
    """
    Compute a function of counts once for each count, where that is less work.

    Parameters
    ----------
    function : callable
        Of counts (m, 1) and the others; its value has m rows.
    y : ndarray, shape (n, 1)
        Counts.
    *others : ndarray, shape (K,) or (1, K)

    Returns
    -------
    ndarray, shape (n, ...)
    """
    most = y.max(initial=0.0)
    if not most < 0.5 * len(y):
        return function(y, *others)
    table = function(np.arange(most + 1.0)[:, None], *others)
    out: FloatArray = table.take(y[:, 0].astype(np.intp), axis=0)
    return out


def stirling_rest(a: FloatArray) -> FloatArray:
    """
    Rest of Stirling's formula for ``lgamma(1/a)``, as a series in ``a``.

    Parameters
    ----------
    a : ndarray
        From 0 to 0.1.

    Returns
    -------
    ndarray
    """
    square, out = a * a, np.zeros_like(a)
    for coefficient in reversed(_STIRLING):
        out = out * square + coefficient
    return out * a


def log_minus_digamma(x: FloatArray) -> FloatArray:
    """
    ``log(x) - digamma(x)``.

    Parameters
    ----------
    x : ndarray
        Positive.

    Returns
    -------
    ndarray
    """
    high = x >= 1.0 / _SERIES
    a = 1.0 / np.where(high, x, 1.0 / _SERIES)
    series = 0.5 * a + a * a * _rest_slope(a)
    low = np.where(high, 1.0, x)
    return np.where(high, series, np.log(low) - digamma(low))


def _rest_slope(a: FloatArray) -> FloatArray:
    square, out = a * a, np.zeros_like(a)
    for power, coefficient in reversed(list(enumerate(_STIRLING))):
        out = out * square + (2 * power + 1) * coefficient
    return out
