"""A switching autoregression in mean form with constant transitions: whole climbs compiled.

As `fused` does for linear predictors, by `rnnstats.kernels.markov_mean`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.starts.regimes import Classification
from rnnstats.kernels.markov_mean import MeanChain, MeanEnd, Products
from rnnstats.models.regimes.blocks.hamilton import BoundHamilton
from rnnstats.models.regimes.blocks.predictor import summed
from rnnstats.models.regimes.fit.fused import start_of, told
from rnnstats.models.regimes.law.starts import FixedStart, FreeStart, StationaryStart
from rnnstats.models.regimes.law.transitions import ProbabilityTransitions

if TYPE_CHECKING:
    from rnnstats.models.regimes.likelihood import Law, MarkovLikelihood

__all__ = ["FusedMean", "FusedMeanEnd"]

FloatArray = NDArray[np.float64]

# Probabilities of composite states that a pass may hold: 32 MiB, a few times over.
MOST = 2**22


@dataclass(frozen=True, eq=False)
class FusedMeanEnd:
    """Where one start has led.

    Attributes
    ----------
    theta : ndarray, shape (K,)
    found : MeanEnd
    """

    theta: FloatArray
    found: MeanEnd


class FusedMean:
    """Likelihood and expectation-maximisation of a model that `serves` accepts.

    Parameters
    ----------
    likelihood : MarkovLikelihood
    """

    def __init__(self, likelihood: MarkovLikelihood) -> None:
        bound, plan = likelihood.bound[0], likelihood.plan
        assert isinstance(bound, BoundHamilton) and plan is not None
        self.likelihood, self.bound, self.block = likelihood, bound, bound.block
        self.size = plan.size
        window, table, q = likelihood.window, self.block.products, bound.coefficients
        one = len(self.block.names)  # stands for 1 there
        first, second = (np.where(p == one, q, p) for p in (table.first, table.second))
        self._chain = MeanChain(
            bound.stacked[window], bound.heard[window], likelihood.rows, plan.offsets, plan.k,
            plan.order, Products(table.cell, first, second, table.sign),
            np.append(bound.origin[:q], 1.0), len(self.block.free_means),
            self.block.extras.common, bound.floor,
        )  # fmt: skip

    @staticmethod
    def serves(likelihood: MarkovLikelihood) -> bool:
        """Whether a model is of the kind, restrictions aside."""
        bound = likelihood.bound[0]
        return (
            len(likelihood.bound) == 1
            and isinstance(bound, BoundHamilton)
            and likelihood.plan is not None
            and likelihood.plan.size * len(likelihood.rows) <= MOST
            and isinstance(likelihood.transitions, ProbabilityTransitions)
        )

    @property
    def climbs(self) -> bool:
        """Whether its start has a closed form, too."""
        return isinstance(self.likelihood.starts, FixedStart | FreeStart | StationaryStart)

    def evaluated(self, theta: FloatArray, law: Law) -> MeanEnd:
        """One pass of the smoother at parameters of the domain.

        Parameters
        ----------
        theta : ndarray, shape (K,)
        law : Law
            At `theta`.
        """
        coef, variance = self._inner(theta)
        return self._chain.climb(coef, variance, law.transition, law.start, "fixed")

    def value_and_gradient(self, theta: FloatArray, law: Law) -> tuple[float, FloatArray]:
        """Log-likelihood and gradient at parameters of the domain.

        Parameters
        ----------
        theta : ndarray, shape (K,)
        law : Law
            At `theta`.
        """
        found = self.evaluated(theta, law)
        if found.llf == -np.inf:
            return found.llf, np.full(len(theta), np.nan)
        variance, place = self._inner(theta)[1], self.block.extras.place[0]
        by_variance = 0.5 * (found.squares / variance - found.mass) / variance
        out = summed(place, by_variance, self.bound.q)
        out[: self.bound.coefficients] = found.slopes
        chain = self.likelihood.pull_chain(theta, law, found.d_transition, found.d_start)
        return found.llf, np.concatenate([chain, out])

    def climb(
        self, theta: FloatArray, law: Law, limit: int, tol: float, *, accelerate: bool
    ) -> FusedMeanEnd:
        """Climb by expectation-maximisation from parameters.

        Parameters
        ----------
        theta : ndarray, shape (K,)
        law : Law
            At `theta`.
        limit : int
            Passes of the smoother after the first.
        tol : float
            Stop when a step gains no more than this.
        accelerate : bool

        Returns
        -------
        FusedMeanEnd
        """
        coef, variance = self._inner(theta)
        found = self._chain.climb(
            coef, variance, law.transition, law.start, start_of(self.likelihood), limit=limit,
            tol=tol, accelerate=accelerate,
        )  # fmt: skip
        return self._end(found)

    def climb_classified(
        self,
        given: Classification,
        chain: tuple[FloatArray, FloatArray],
        limit: int,
        tol: float,
        *,
        accelerate: bool,
    ) -> FusedMeanEnd:
        """Climb by expectation-maximisation from a classification of the rows.

        Parameters
        ----------
        given : Classification
        chain : tuple of ndarray
            Transition matrix and start law counted in it.
        limit, tol, accelerate
            As in `climb`.

        Returns
        -------
        FusedMeanEnd
        """
        transition, law = told(self.likelihood, chain)
        coef, spread = self._pooled
        found = self._chain.climb(
            coef, np.full(len(transition), spread or 1.0), transition, law,
            start_of(self.likelihood), weights=given.weights, pooled=spread, limit=limit, tol=tol,
            accelerate=accelerate,
        )  # fmt: skip
        return self._end(found)

    @cached_property
    def _pooled(self) -> tuple[FloatArray, float]:
        """Coefficients where regimes do not differ, and the variance of the responses."""
        return self.bound.pooled[: self.bound.coefficients], self.bound.spread_of_rows()

    def _inner(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Coefficients (q,) and variances (K,)."""
        part = theta[self.likelihood.parts[0]]
        return part[: self.bound.coefficients], part[self.block.extras.place[0]]

    def _end(self, found: MeanEnd) -> FusedMeanEnd:
        """With the natural parameters."""
        like = self.likelihood
        q, s = like.q
        theta = np.empty(len(like.names))
        theta[:q] = like.transitions.read(found.transition)
        theta[q : q + s] = like.starts.read(found.law)
        part = np.empty(self.bound.q)
        part[: self.bound.coefficients] = found.coef
        part[self.block.extras.place[0]] = found.variance
        theta[like.parts[0]] = part
        return FusedMeanEnd(theta, found)
