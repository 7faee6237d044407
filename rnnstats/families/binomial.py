"""Numbers of successes: the binomial distribution, and Bernoulli for one trial; logit link."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, expit, gammaln

from rnnstats.families.base import Link, ScalarFamily
from rnnstats.families.steps import powered

__all__ = ["Binomial"]

FloatArray = NDArray[np.float64]


class Binomial(ScalarFamily):
    """Successes among a given number of trials, each with probability ``1 / (1 + exp(-eta))``.

    Parameters
    ----------
    trials : int
        At least 1; with 1 this is the Bernoulli distribution.

    Notes
    -----
    ``eta`` may be -inf or inf: a probability of exactly 0 or 1.
    """

    link: Link = "logit"
    extras = ()
    discrete = True
    natural = "prob"

    def __init__(self, trials: int = 1) -> None:
        self.trials = trials
        self.unit = float(trials)
        self.name = "bernoulli" if trials == 1 else "binomial"
        self.support = "0 or 1" if trials == 1 else f"whole numbers from 0 to {trials}"
        self.way_out = "Code failure as 0 and success as 1, or use 'categorical'."
        if trials > 1:
            self.way_out = "Give the number of trials as {'family': 'binomial', 'trials': number}."

    def mean(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = self.unit * expit(eta)
        return out

    def variance(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out: FloatArray = self.unit * expit(eta) * expit(-eta)
        return out

    def sample(self, eta: FloatArray, extra: FloatArray, rng: np.random.Generator) -> FloatArray:
        return rng.binomial(self.trials, expit(eta)).astype(np.float64)

    def natural_slope(self, y: FloatArray, value: FloatArray, extra: FloatArray) -> FloatArray:
        wins, losses = y[:, None], self.unit - y[:, None]
        with np.errstate(all="ignore"):
            up = np.where(wins == 0.0, 0.0, wins / value)
            return up - np.where(losses == 0.0, 0.0, losses / (1.0 - value))

    def working(self, y: FloatArray) -> FloatArray:
        out: FloatArray = np.log((y + 0.5) / (self.unit - y + 0.5))
        return out

    def _outside(self, y: FloatArray) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (y >= 0.0) & (y <= self.trials) & (y == np.floor(y))
        return ~np.isnan(y) & ~inside

    def _log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        out = powered(y, -np.logaddexp(0.0, -eta)) + powered(self.unit - y, -np.logaddexp(0.0, eta))
        if self.trials > 1:
            ways = gammaln(self.unit + 1.0) - gammaln(y + 1.0) - gammaln(self.unit - y + 1.0)
            out += ways
        return out

    def _slopes(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        by_eta = y * expit(-eta) - (self.unit - y) * expit(eta)
        return by_eta, np.zeros((0, *by_eta.shape))

    def _weight(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        return self.variance(eta, extra)

    def _cdf(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        inside = np.clip(y, 0.0, self.unit - 1.0)
        out = betainc(self.unit - inside, inside + 1.0, expit(-eta))
        return np.where(y < 0.0, 0.0, np.where(y >= self.unit, 1.0, out))
