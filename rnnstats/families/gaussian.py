"""The normal distribution: mean on the identity link, variance as further parameter."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from rnnstats.families.base import Link, ScalarFamily, Weighted
from rnnstats.families.steps import spread

__all__ = ["Gaussian"]

FloatArray = NDArray[np.float64]
_LOG_2PI = math.log(2.0 * math.pi)


class Gaussian(ScalarFamily):
    """Normal distribution with mean ``eta`` and ``extra = (variance,)``."""

    name = "gaussian"
    link: Link = "identity"
    extras = ("variance",)
    discrete = False
    monotone = True

    def start_extra(self, y: FloatArray) -> FloatArray:
        return np.array([spread(y)])

    def scale(self, extra: FloatArray) -> FloatArray:
        out: FloatArray = np.sqrt(extra[0])
        return out

    def mean(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = eta + 0.0 * extra[0]
        return out

    def variance(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = extra[0] + 0.0 * eta
        return out

    def sample(self, eta: FloatArray, extra: FloatArray, rng: np.random.Generator) -> FloatArray:
        out: FloatArray = eta + np.sqrt(extra[0]) * rng.standard_normal(eta.shape)
        return out

    def pull(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """As for any family, in fewer passes over the rows."""
        column, counted = self._counted(y, weights)
        resid: FloatArray = column - eta
        by_eta: FloatArray = counted * resid
        by_eta /= extra[0]
        squares = np.einsum("nk,nk->k", by_eta, resid)
        by_variance: FloatArray = 0.5 * (squares - np.ones(len(y)) @ counted) / extra[0]
        return by_eta, by_variance[None]

    def _log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = y - eta
        np.square(out, out=out)
        out *= -0.5 / extra[0]
        out -= 0.5 * (_LOG_2PI + np.log(extra[0]))
        return out

    def _slopes(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        resid = y - eta
        by_eta: FloatArray = resid / extra[0]
        by_variance: FloatArray = 0.5 * (by_eta * by_eta - 1.0 / extra[0])
        return by_eta, by_variance[None]

    def _weight(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = 1.0 / extra[0] + 0.0 * eta
        return out

    def _cdf(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = ndtr((y - eta) / np.sqrt(extra[0]))
        return out

    def _information(self, extra: FloatArray) -> FloatArray:
        out: FloatArray = 0.5 / extra[0] ** 2
        return out[None, None]

    def _fit_extra(
        self, given: Weighted, eta: FloatArray, extra: FloatArray, floor: float
    ) -> FloatArray:
        resid = given.y - eta
        total = np.ones(len(given.y)) @ given.weights
        moment = np.einsum("nk,nk,nk->k", given.weights, resid, resid)
        if given.common:
            total, moment = total.sum(keepdims=True), moment.sum(keepdims=True)
        with np.errstate(all="ignore"):
            fresh = np.maximum(moment / total, floor)
        out: FloatArray = np.where(total > 0.0, fresh, extra[0])[None] + 0.0 * extra
        return out
