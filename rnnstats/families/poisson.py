"""The Poisson distribution of counts, log link."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, pdtr

from rnnstats.families.base import Link, ScalarFamily
from rnnstats.families.special import by_count
from rnnstats.families.steps import powered

__all__ = ["COUNTS", "Poisson", "no_counts"]

FloatArray = NDArray[np.float64]
COUNTS: Final = ("counts (0, 1, 2, ...)", "Use 'gaussian' or 'gamma' for measurements.")


class Poisson(ScalarFamily):
    """Poisson distribution with mean ``exp(eta)``; ``eta = -inf`` is the mean 0."""

    name = "poisson"
    link: Link = "log"
    extras = ()
    discrete = True
    support, way_out = COUNTS
    natural = "mean"

    def mean(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            out: FloatArray = np.exp(eta)
        return out

    def variance(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        return self.mean(eta, extra)

    def sample(self, eta: FloatArray, extra: FloatArray, rng: np.random.Generator) -> FloatArray:
        return rng.poisson(np.exp(eta)).astype(np.float64)

    def natural_slope(self, y: FloatArray, value: FloatArray, extra: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return np.where(y[:, None] == 0.0, 0.0, y[:, None] / value) - 1.0

    def _outside(self, y: FloatArray) -> NDArray[np.bool_]:
        return no_counts(y)

    def _log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = powered(y, eta) - np.exp(eta)
        out -= by_count(_log_factorial, y)
        return out

    def _slopes(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        by_eta = y - np.exp(eta)
        return by_eta, np.zeros((0, *by_eta.shape))

    def _weight(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = np.exp(eta)
        return out

    def _cdf(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = pdtr(np.maximum(y, 0.0), np.exp(eta))
        return np.where(y < 0.0, 0.0, out)


def _log_factorial(y: FloatArray) -> FloatArray:
    out: FloatArray = gammaln(y + 1.0)
    return out


def no_counts(y: FloatArray) -> NDArray[np.bool_]:
    """
    Where numbers are negative, fractional or infinite.

    Parameters
    ----------
    y : ndarray
        NaN is missing.

    Returns
    -------
    ndarray of bool
        Of the shape of ``y``; False where that is missing.
    """
    whole: NDArray[np.bool_] = (y >= 0.0) & (y == np.floor(y)) & np.isfinite(y)
    return ~np.isnan(y) & ~whole
