"""Positive measurements: the gamma distribution by mean (log link) and shape."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaln, polygamma

from rnnstats.families.base import Link, ScalarFamily, Weighted
from rnnstats.families.special import log1p_excess, log_minus_digamma, stirling_rest
from rnnstats.families.steps import climb

__all__ = ["Gamma"]

FloatArray = NDArray[np.float64]
_LOG_2PI = math.log(2.0 * math.pi)
_LEAST, _MOST = 1e-8, 1e14  # shape searched between these
_NEAR = 0.3  # relative distance from the mean within which the series is used


class Gamma(ScalarFamily):
    """Gamma distribution with mean ``exp(eta)`` and ``extra = (shape,)``: variance mean^2/shape."""

    name = "gamma"
    link: Link = "log"
    extras = ("shape",)
    discrete = False
    natural = "mean"
    support = "positive numbers"
    way_out = "Mark missing observations with NaN, or use 'gaussian'."
    neutral = 1.0

    def start_extra(self, y: FloatArray) -> FloatArray:
        found = float(np.log(y).var()) if y.size else 0.0
        return np.array([1.0 / found if found > 0.0 else 1.0])

    def working(self, y: FloatArray) -> FloatArray:
        out: FloatArray = np.log(y)
        return out

    def scale(self, extra: FloatArray) -> FloatArray:
        out: FloatArray = 1.0 / np.sqrt(extra[0])
        return out

    def mean(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            out: FloatArray = np.exp(eta) + 0.0 * extra[0]
        return out

    def variance(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = self.mean(eta, extra) ** 2 / extra[0]
        return out

    def sample(self, eta: FloatArray, extra: FloatArray, rng: np.random.Generator) -> FloatArray:
        out: FloatArray = rng.gamma(extra[0], np.exp(eta) / extra[0])
        return out

    def natural_slope(self, y: FloatArray, value: FloatArray, extra: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            out: FloatArray = extra[0] * (y[:, None] / value - 1.0) / value
        return out

    def _outside(self, y: FloatArray) -> NDArray[np.bool_]:
        return ~np.isnan(y) & ~((y > 0.0) & np.isfinite(y))

    def _log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = extra[0] * _deviation(y, eta) + _constant(extra[0])
        out -= np.log(y)
        return out

    def _slopes(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        by_eta: FloatArray = extra[0] * (y * np.exp(-eta) - 1.0)
        by_shape: FloatArray = _deviation(y, eta) + log_minus_digamma(extra[0])
        return by_eta, by_shape[None]

    def _weight(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = extra[0] + 0.0 * eta
        return out

    def _cdf(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = gammainc(extra[0], extra[0] * np.maximum(y, 0.0) * np.exp(-eta))
        return out

    def _information(self, extra: FloatArray) -> FloatArray:
        """Of the shape: ``trigamma(shape) - 1 / shape``."""
        shape = extra[0]
        many = np.maximum(shape, 1e3)
        series = (0.5 + 1.0 / (6.0 * many)) / many**2
        out: FloatArray = np.where(shape > 1e3, series, polygamma(1, shape) - 1.0 / shape)
        return out[None, None]

    def _fit_extra(
        self, given: Weighted, eta: FloatArray, extra: FloatArray, floor: float
    ) -> FloatArray:
        common, total = given.common, given.sums(given.weights)
        with np.errstate(all="ignore"):
            each = given.sums(given.weights * _deviation(given.y, eta)) / total
        fresh = np.array(extra)
        most = min(_MOST, 1.0 / floor) if floor > 0.0 else _MOST
        for k in np.flatnonzero(total > 0.0):
            fresh[0, slice(None) if common else k] = _shape(float(each[k]), fresh[0, k], most)
        return fresh


def _deviation(y: FloatArray, eta: FloatArray) -> FloatArray:
    """``log(y/m) - y/m + 1`` with ``m = exp(eta)``: at most 0, exact near the mean."""
    ratio = y * np.exp(-eta)
    off = ratio - 1.0
    near = np.abs(off) < _NEAR
    inside = np.where(near, off, 0.0)
    return np.where(near, -(inside**2) * log1p_excess(inside), np.log(y) - eta - off)


def _constant(shape: FloatArray) -> FloatArray:
    """``shape log(shape) - shape - lgamma(shape)``."""
    high = shape >= 10.0
    many, few = np.where(high, shape, 10.0), np.where(high, 1.0, shape)
    series = 0.5 * (np.log(many) - _LOG_2PI) - stirling_rest(1.0 / many)
    return np.where(high, series, few * np.log(few) - few - gammaln(few))


def _shape(deviation: float, start: float, most: float) -> float:
    """Root of ``log(shape) - digamma(shape) + deviation``, which falls in the shape."""

    def slope(log: float) -> float:
        return deviation + float(log_minus_digamma(np.array(np.exp(log))))

    lo, hi = math.log(_LEAST), math.log(most)
    return math.exp(climb(slope, math.log(start), lo=lo, hi=hi))
