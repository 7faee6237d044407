"""Counts more variable than Poisson: mean ``m`` on the log link, variance ``m + dispersion m**2``.

The form NB2 of Cameron and Trivedi (2013, section 3.3): a Poisson distribution whose mean is
gamma distributed with shape ``1 / dispersion``. Dispersion 0 is Poisson, exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, expit, gammaln, pdtr

from rnnstats.families.base import Link, ScalarFamily, Weighted
from rnnstats.families.poisson import COUNTS, no_counts
from rnnstats.families.special import by_count, log1p_excess, log1p_share, rising, rising_slope
from rnnstats.families.steps import climb, powered

__all__ = ["NegativeBinomial"]

FloatArray = NDArray[np.float64]
_LEAST, _MOST = 1e-12, 1e8  # dispersion searched between these; below, 0 or nothing
_START = 1e-3  # least dispersion to start from: zero is a border
_POISSON = 1e-11  # dispersion below which the distribution function is Poisson's to rounding


class NegativeBinomial(ScalarFamily):
    """Negative binomial distribution with mean ``exp(eta)`` and ``extra = (dispersion,)``."""

    name = "negative-binomial"
    link: Link = "log"
    extras = ("dispersion",)
    discrete = True
    support, way_out = COUNTS
    natural = "mean"

    def start_extra(self, y: FloatArray) -> FloatArray:
        mean = float(y.mean()) if y.size else 0.0
        over = float(y.var()) - mean if mean > 0.0 else 0.0
        return np.array([max(over / mean**2, 0.1) if mean > 0.0 else 0.1])

    def inside(self, extra: FloatArray) -> FloatArray:
        return np.maximum(extra, _START)

    def mean(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            out: FloatArray = np.exp(eta) + 0.0 * extra[0]
        return out

    def variance(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        mean = self.mean(eta, extra)
        out: FloatArray = mean * (1.0 + extra[0] * mean)
        return out

    def sample(self, eta: FloatArray, extra: FloatArray, rng: np.random.Generator) -> FloatArray:
        dispersion = extra[0]
        spread = np.where(dispersion > 0.0, dispersion, 1.0)
        factor = np.where(dispersion > 0.0, spread * rng.gamma(1.0 / spread), 1.0)
        return rng.poisson(np.exp(eta) * factor).astype(np.float64)

    def natural_slope(self, y: FloatArray, value: FloatArray, extra: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            up = np.where(y[:, None] == 0.0, 0.0, y[:, None] / value)
            out: FloatArray = (up - 1.0) / (1.0 + extra[0] * value)
        return out

    def _fit_extra(
        self, given: Weighted, eta: FloatArray, extra: FloatArray, floor: float
    ) -> FloatArray:
        fresh = np.array(extra)
        columns = [slice(None)] if given.common else [slice(k, k + 1) for k in range(eta.shape[1])]
        for these in columns:
            mass, line = given.weights[:, these], eta[:, these]
            used = (mass > 0.0).any(axis=1)
            if not used.any():
                continue
            line = line if len(line) == 1 else line[used]
            y = given.y[used, 0]
            fresh[0, these] = self._dispersion(y, line, mass[used], fresh[0, these][0])
        return fresh

    def _dispersion(
        self, y: FloatArray, eta: FloatArray, weights: FloatArray, start: float
    ) -> float:
        """Uphill in the logarithm of the dispersion; 0 where the data are not overdispersed."""
        if len(eta) == 1:
            y, weights = _tallied(y, weights)

        def slope(dispersion: float) -> float:
            each = self.slopes(y, eta, np.full((1, eta.shape[1]), dispersion))[1][0]
            return float(np.where(weights > 0.0, weights * each, 0.0).sum())

        def log_slope(log: float) -> float:
            return slope(float(np.exp(log))) * float(np.exp(log))

        if start <= _LEAST and slope(0.0) <= 0.0:
            return 0.0
        ends = {"lo": float(np.log(_LEAST)), "hi": float(np.log(_MOST))}
        found = float(
            np.exp(climb(log_slope, float(np.log(max(start, _LEAST))), **ends, xtol=1e-8))
        )
        return 0.0 if found <= 2.0 * _LEAST else found

    def _outside(self, y: FloatArray) -> NDArray[np.bool_]:
        return no_counts(y)

    def _log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        if len(eta) > 1:
            return _log_mass(y, eta, extra[0])
        return by_count(_log_mass, y, eta, extra[0])

    def _slopes(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        dispersion = extra[0]
        mean = np.exp(eta)
        t = dispersion * mean
        rest = 1.0 / (1.0 + t)
        held = np.where(np.isinf(mean), 1.0 / dispersion, mean * rest)
        bent = mean * held * (log1p_share(t) - log1p_excess(t))
        bent = np.where(np.isinf(t) | np.isinf(mean * held),
                        (eta + np.log(dispersion) - 1.0) / dispersion**2, bent)  # fmt: skip
        if len(eta) > 1:
            by_dispersion = by_count(rising_slope, y, dispersion) - y * held + bent
        else:
            by_dispersion = by_count(_dispersion_slope, y, dispersion, held, bent)
        return y * rest - held, by_dispersion[None]

    def _weight(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        mean = np.exp(eta)
        information = mean / (1.0 + extra[0] * mean)
        out: FloatArray = np.where(np.isinf(mean), 1.0 / extra[0], information)
        return out

    def _cdf(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        count = np.maximum(y, 0.0)
        poisson = extra[0] < _POISSON
        size = 1.0 / np.where(poisson, 1.0, extra[0])
        share = expit(-(eta + np.log(1.0 / size)))
        out = np.where(poisson, pdtr(count, np.exp(eta)), betainc(size, count + 1.0, share))
        return np.where(y < 0.0, 0.0, out)


def _tallied(y: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distinct counts (m,), and the sum of the weights (m, K) of each."""
    counts, place = np.unique(y, return_inverse=True)
    sums = [np.bincount(place, column, len(counts)) for column in weights.T]
    return counts, np.stack(sums, axis=1)


def _log_mass(y: FloatArray, eta: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Log density (n, K) of counts (n, 1)."""
    mean = np.exp(eta)
    t = dispersion * mean
    excess = np.log1p(t)
    if np.isinf(t).any():
        excess = np.where(np.isinf(t), eta + np.log(dispersion), excess)
    scaled = np.where(dispersion > 0.0, excess / dispersion, mean)
    out: FloatArray = powered(y, eta) - y * excess - scaled
    out += by_count(_counted, y, dispersion)
    return out


def _dispersion_slope(
    y: FloatArray, dispersion: FloatArray, held: FloatArray, bent: FloatArray
) -> FloatArray:
    """Derivative of the log density by the dispersion, (n, K), at counts (n, 1)."""
    out: FloatArray = rising_slope(y, dispersion) - y * held + bent
    return out


def _counted(y: FloatArray, dispersion: FloatArray) -> FloatArray:
    """The part of the log density that does not depend on the mean."""
    out: FloatArray = rising(y, dispersion) - gammaln(y + 1.0)
    return out
