r"""Noise drawn from the residuals: the head's shape replaced by that of the quantile residuals.

A residual is the normal score of an outcome's place in its one-step law. Where the model is right
these are standard normal; where only its recursion is, they keep what shape the noise has. They are
centred and made white, and smoothed with a normal kernel that leaves the variance at one.

References
----------
Silverman, B. W. and Young, G. A. (1987), The bootstrap: to smooth or not to smooth?, Biometrika 74,
469-479. Thombs, L. A. and Schucany, W. R. (1990), Bootstrap prediction intervals for
autoregression, JASA 85, 486-492.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import ndtr, ndtri

from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.forecasting.laws import HeadResponse
from rnnstats.results.recurrent.protocol import IntArray
from rnnstats.results.regimes.forecasting.laws import EmissionMixture, Law, NormalMixture
from rnnstats.results.regimes.outputs import column_levels

__all__ = ["Pool", "ResidualResponse", "pool_of", "pooled_law"]

# Uniforms stay this far from 0 and 1.
EDGE = 2.0**-40
# Points of Gauss and Hermite's rule at which a quantile function is averaged for means.
NODES, WEIGHTS = hermegauss(9)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
# Numbers whose distribution functions are all the same to rounding.
TAIL = 1e-300


@dataclass(frozen=True, eq=False)
class Pool:
    """Residuals to draw from.

    Attributes
    ----------
    scores : ndarray of shape (rows, k_endog)
        Normal scores, centred and white, ordered by the first output.
    width : float
        Kernel's standard deviation as a multiple of one.
    """

    scores: FloatArray
    width: float

    @property
    def shrink(self) -> float:
        """Factor that leaves the variance at one."""
        return float(1.0 / np.sqrt(1.0 + self.width**2))

    def rows_at(self, uniforms: FloatArray) -> FloatArray:
        """Rows of the pool at points between 0 and 1.

        Parameters
        ----------
        uniforms : ndarray of shape (m,)

        Returns
        -------
        ndarray of shape (m, k_endog)
        """
        place = np.minimum((uniforms * len(self.scores)).astype(np.intp), len(self.scores) - 1)
        return self.scores[place]

    def drawn(self, head: Any, law: Any, noise: FloatArray, uniforms: FloatArray) -> FloatArray:
        """Outputs with given residuals.

        Parameters
        ----------
        head : Head
        law : HeadLaw
        noise : ndarray of shape (m, k_endog)
            Of `rows_at`.
        uniforms : ndarray of shape (m, k_endog)
            Place within the kernel.

        Returns
        -------
        ndarray of shape (m, k_endog)
        """
        scores = self.shrink * (noise + self.width * ndtri(uniforms))
        if head.name == "gaussian":
            factor = np.linalg.cholesky(np.asarray(law.cov)[0])
            return np.asarray(law.mean + scores @ factor.T)
        shares = np.clip(ndtr(scores), EDGE, 1.0 - EDGE)
        columns = [law.quantile(column, j) for j, column in enumerate(shares.T)]
        return np.asarray(np.stack(columns, axis=1), dtype=np.float64)

    def means(self, head: Any, law: Any, noise: FloatArray) -> FloatArray:
        """Means of outputs with given residuals, averaged over the kernel.

        Parameters
        ----------
        head : Head
        law : HeadLaw
        noise : ndarray of shape (m, k_endog)

        Returns
        -------
        ndarray of shape (m, k_endog)
        """
        if head.name == "gaussian":
            factor = np.linalg.cholesky(np.asarray(law.cov)[0])
            return np.asarray(law.mean + self.shrink * noise @ factor.T)
        return self.moments(law, noise)[0]

    def moments(self, law: Any, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means and variances over the kernel, of outputs that are independent given the past.

        Parameters
        ----------
        law : HeadLaw
        noise : ndarray of shape (m, k_endog)

        Returns
        -------
        mean : ndarray of shape (m, k_endog)
        variance : ndarray of shape (m, k_endog)
        """
        mean, square = np.zeros(noise.shape), np.zeros(noise.shape)
        for node, weight in zip(NODES, WEIGHTS, strict=True):
            shares = ndtr(self.shrink * (noise + self.width * node))
            for j, share in enumerate(np.clip(shares, EDGE, 1.0 - EDGE).T):
                value = law.quantile(share, j)
                mean[:, j] += weight * value
                square[:, j] += weight * value**2
        return mean, np.maximum(square - mean**2, 0.0)


def pool_of(law: Any, values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Normal scores of outcomes.

    Parameters
    ----------
    law : HeadLaw
        Of m rows, given the rows before.
    values : ndarray of shape (m, k_endog)
    rng : numpy.random.Generator
        Places outcomes of discrete outputs within their step.

    Returns
    -------
    ndarray of shape (m, k_endog)
        NaN where missing.
    """
    low, high = law.rosenblatt(values)
    place = low + rng.random(values.shape) * (high - low)
    return np.asarray(ndtri(np.clip(place, EDGE, 1.0 - EDGE)))


@dataclass(frozen=True, eq=False)
class ResidualResponse:
    """Law of columns whose noise is a kernel around one residual, in each row (`ResponseLike`).

    Attributes
    ----------
    base : HeadResponse
        Law with the head's own noise.
    noise : ndarray of shape (n, k)
        The residual.
    pool : Pool
    """

    base: HeadResponse
    noise: FloatArray
    pool: Pool

    @property
    def discrete(self) -> bool:
        """Whether values are whole numbers."""
        return self.base.discrete

    @property
    def normal(self) -> bool:
        """Not in general."""
        return False

    @property
    def columns(self) -> tuple[int, ...]:
        """All columns of the data."""
        return self.base.columns

    @property
    def levels(self) -> tuple[str, ...] | None:
        """None: there are no categories here."""
        return None

    @cached_property
    def _moments(self) -> tuple[FloatArray, FloatArray]:
        law = self.base.head.law(self.base.eta, self.base.extra)
        return self.pool.moments(law, self.noise)

    def mean(self) -> FloatArray:
        """Mean, (n, 1, k)."""
        return self._moments[0][:, None]

    def cov(self) -> FloatArray:
        """Covariance, (n, 1, k, k)."""
        variance = self._moments[1]
        return np.asarray((variance[:, :, None] * np.eye(variance.shape[1]))[:, None])

    def pmf(self) -> FloatArray:
        """Of categories only."""
        raise NotImplementedError

    def _distorted(self, share: FloatArray, column: int) -> FloatArray:
        """Distribution function from that of the head."""
        score = ndtri(np.clip(share, 0.0, 1.0)) / self.pool.shrink
        return np.asarray(ndtr((score - self.noise[:, [column]]) / self.pool.width))

    def cdf(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y <= value) of one column, (n, 1)."""
        return self._distorted(self.base.cdf(values, column), column)

    def cdf_below(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y < value) of one column, (n, 1)."""
        return self._distorted(self.base.cdf_below(values, column), column)

    def log_density(self, y: FloatArray) -> FloatArray:
        """Log density of one column, the others NaN, (n, 1)."""
        column = int(np.flatnonzero(~np.isnan(y[0]))[0])
        values, k = y[:, column], self.pool
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.discrete:
                mass = self.cdf(values, column) - self.cdf_below(values, column)
                return np.asarray(np.log(np.maximum(mass, TAIL)))
            score = ndtri(self.base.cdf(values, column))
            off = (score / k.shrink - self.noise[:, [column]]) / k.width
            ratio = 0.5 * (score**2 - off**2) - np.log(k.shrink * k.width)
            found = self.base.log_density(y) + ratio
        return np.asarray(np.where(np.isfinite(found), found, np.log(TAIL)))

    def rows(self, index: IntArray) -> ResidualResponse:
        """The law at some of the rows, which may repeat."""
        return ResidualResponse(self.base.rows(index), self.noise[index], self.pool)


def pooled_law(
    model: Any,
    eta: FloatArray,
    extra: FloatArray,
    owner: IntArray,
    rows: int,
    pool: Pool,
    noise: FloatArray,
) -> Law:
    """Mix laws whose noise is that of residuals, with equal weights in each row.

    Parameters
    ----------
    model : RecurrentModel
    eta : ndarray of shape (E, k_eta)
    extra : ndarray of shape (q,)
    owner : ndarray of int, shape (E,)
    rows : int
    pool : Pool
    noise : ndarray of shape (E, k_endog)

    Returns
    -------
    Law
    """
    weight = 1.0 / np.bincount(owner, minlength=rows)[owner]
    k = int(model.k_endog)
    if model.head.name == "gaussian":
        law = model.head.law(eta, extra)
        spread = (pool.shrink * pool.width) ** 2 * np.asarray(law.cov)
        centre = pool.means(model.head, law, noise)
        return NormalMixture(rows, owner, weight, centre, spread)
    base = HeadResponse(model.head, eta, extra, column_levels(model)[0], k)
    return EmissionMixture(rows, owner, weight[:, None], (ResidualResponse(base, noise, pool),), k)
