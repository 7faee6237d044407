"""Student's t: location, scale squared, degrees of freedom (any positive number)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, polygamma, stdtr

from rnnstats.families.base import Link, ScalarFamily, Weighted
from rnnstats.families.special import rising
from rnnstats.families.steps import climb, spread

__all__ = ["StudentT"]

FloatArray = NDArray[np.float64]
_LOG_2PI = math.log(2.0 * math.pi)
_LEAST, _MOST = 0.05, 1e6  # degrees of freedom searched between these
_MANY = 100.0  # degrees of freedom from which the series is exact to rounding
_SCALE_STEPS = 2  # steps for the scale before the degrees of freedom follow


class StudentT(ScalarFamily):
    """Student's t with location ``eta`` and ``extra = (scale2, df)``.

    Notes
    -----
    Steps for the location use the weights ``(df + 1) / (df + r**2 / scale2)`` of the EM algorithm
    (Lange, Little and Taylor 1989), those for the scale their sum as divisor (Kent, Tyler and
    Vardi 1994; the parameter expansion of Liu, Rubin and Wu 1998), and degrees of freedom climb
    the likelihood itself (ECME; Liu and Rubin 1995), from 0.05 to 1e6: none of them lowers it.
    """

    name = "student-t"
    link: Link = "identity"
    extras = ("scale2", "df")
    discrete = False
    monotone = True

    def start_extra(self, y: FloatArray) -> FloatArray:
        return np.array([0.75 * spread(y), 8.0])

    def scale(self, extra: FloatArray) -> FloatArray:
        out: FloatArray = np.sqrt(extra[0])
        return out

    def mean(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        return np.where(extra[1] > 1.0, eta, np.nan)

    def variance(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        scale2, df = extra
        finite = scale2 * df / np.where(df > 2.0, df - 2.0, 1.0)
        out: FloatArray = np.where(df > 2.0, finite, np.where(df > 1.0, np.inf, np.nan)) + 0.0 * eta
        return out

    def sample(self, eta: FloatArray, extra: FloatArray, rng: np.random.Generator) -> FloatArray:
        out: FloatArray = eta + np.sqrt(extra[0]) * rng.standard_t(extra[1], eta.shape)
        return out

    def step_weight(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Weight of the observations in a step of the EM algorithm for the location."""
        gone, column = self._column(y)
        out: FloatArray = _pull_in(column - eta, extra) / extra[0]
        if gone is not None:
            out[gone] = 0.0
        return out

    def _log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        scale2, df = extra
        ratio = (y - eta) / np.sqrt(df * scale2)
        square = ratio * ratio
        tail = np.log1p(square)
        if np.isinf(square).any():
            tail = np.where(np.isinf(square), 2.0 * np.log(np.abs(ratio)), tail)
        out: FloatArray = _constant(df) - 0.5 * np.log(scale2) - 0.5 * (df + 1.0) * tail
        return out

    def _slopes(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        scale2, df = extra
        resid = y - eta
        ratio = resid / np.sqrt(df * scale2)
        square = ratio * ratio
        share = np.where(np.isinf(square), 1.0, square / (1.0 + square))
        far = 0.5 * (df + 1.0) * share
        tail = np.where(np.isinf(square), 2.0 * np.log(np.abs(ratio)), np.log1p(square))
        by_eta = _pull_in(resid, extra) * resid / scale2
        by_df = _constant_slope(df) - 0.5 * tail + far / df
        return by_eta, np.stack([(far - 0.5) / scale2, by_df])

    def _weight(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        scale2, df = extra
        out: FloatArray = (df + 1.0) / ((df + 3.0) * scale2) + 0.0 * eta
        return out

    def _cdf(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = stdtr(extra[1], (y - eta) / np.sqrt(extra[0]))
        return out

    def _information(self, extra: FloatArray) -> FloatArray:
        """Of scale and degrees of freedom (Lange, Little and Taylor 1989, appendix B)."""
        scale2, df = extra
        halves = polygamma(1, 0.5 * df) - polygamma(1, 0.5 * (df + 1.0))
        on_df = 0.25 * halves - 0.5 * (df + 5.0) / (df * (df + 1.0) * (df + 3.0))
        cross = -1.0 / (scale2 * (df + 1.0) * (df + 3.0))
        on_scale = 0.5 * df / ((df + 3.0) * scale2**2)
        least = cross**2 / on_scale  # what rounding must not go below
        return np.array([[on_scale, cross], [cross, np.maximum(on_df, least)]])

    def _fit_extra(
        self, given: Weighted, eta: FloatArray, extra: FloatArray, floor: float
    ) -> FloatArray:
        common, total = given.common, given.sums(given.weights)
        heard = np.broadcast_to(total > 0.0, extra.shape[1])
        resid = given.y - eta
        fresh = np.array(extra)
        for _ in range(_SCALE_STEPS):
            mass = given.weights * _pull_in(resid, fresh)
            with np.errstate(all="ignore"):
                scale2 = given.sums(mass * resid**2)
                scale2 = np.maximum(scale2 / given.sums(mass), floor)
            fresh[0] = np.where(heard & (scale2 > 0.0), scale2, fresh[0])
        for k in [0] if common else np.flatnonzero(heard):
            columns = slice(None) if common else slice(k, k + 1)
            if total[0 if common else k] > 0.0:
                fresh[1, columns] = _df(
                    resid[:, columns] ** 2 / fresh[0, columns],
                    given.weights[:, columns],
                    fresh[1, k],
                )
        return fresh


def _pull_in(resid: FloatArray, extra: FloatArray) -> FloatArray:
    """Weight of an observation: near 1 at the centre, falling with the square of the distance."""
    scale2, df = extra
    with np.errstate(over="ignore"):
        out: FloatArray = (df + 1.0) / (df + resid * resid / scale2)
    return out


def _constant(df: FloatArray) -> FloatArray:
    """``lgamma((df + 1)/2) - lgamma(df/2) - log(df pi)/2``, exact for any df."""
    high = df >= 20.0
    many, few = np.where(high, df, 20.0), np.where(high, 1.0, df)
    series = rising(np.array(0.5), 2.0 / many) - 0.5 * _LOG_2PI
    plain = gammaln(0.5 * (few + 1.0)) - gammaln(0.5 * few) - 0.5 * np.log(few * np.pi)
    return np.where(high, series, plain)


def _constant_slope(df: FloatArray) -> FloatArray:
    high = df >= _MANY
    many, few = np.where(high, df, _MANY), np.where(high, 1.0, df)
    plain = 0.5 * (digamma(0.5 * (few + 1.0)) - digamma(0.5 * few) - 1.0 / few)
    return np.where(high, _slope_series(many), plain)


def _slope_series(df: FloatArray | np.float64) -> FloatArray:
    """Asymptotic series of the slope of the constant, of ``digamma(n + 1/2) - digamma(n)``."""
    square = np.asarray((2.0 / df) ** 2)
    out: FloatArray = (
        square
        * (256.0 - square * (32.0 - square * (16.0 - square * (17.0 - square * 31.0))))
        / 4096.0
    )
    return out


def _scalar_slope(df: float) -> float:
    """The same of one number, without the cost of arrays."""
    if df >= _MANY:
        return float(_slope_series(np.float64(df)))
    return 0.5 * float(digamma(0.5 * (df + 1.0)) - digamma(0.5 * df) - 1.0 / df)


def _df(squares: FloatArray, weights: FloatArray, start: float) -> float:
    """Degrees of freedom uphill of the likelihood, scale given."""
    total = float(weights.sum())

    def slope(log: float) -> float:
        df = math.exp(log)
        with np.errstate(over="ignore"):
            ratio = squares / df
            each = 0.5 * (1.0 + 1.0 / df) * ratio / (1.0 + ratio) - 0.5 * np.log1p(ratio)
        return df * (total * _scalar_slope(df) + float((weights * each).sum()))

    lo, hi = math.log(_LEAST), math.log(_MOST)
    return math.exp(climb(slope, math.log(start), lo=lo, hi=hi, xtol=1e-7))
