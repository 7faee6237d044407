"""A normal response with constant transition probabilities: whole climbs in compiled code.

`em` states the algorithm for every model; where one response is normal given a linear predictor,
nothing is restricted and the transition probabilities are constant, the same steps are taken by
`rnnstats.kernels.markov_normal`, in coordinates of an orthonormal design.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtrs

from rnnstats.estimation.starts.regimes import Classification
from rnnstats.kernels.markov_normal import NormalChain, NormalEnd, Start
from rnnstats.models.regimes.blocks.scalar import BoundScalar
from rnnstats.models.regimes.law.starts import FixedStart, FreeStart, StationaryStart
from rnnstats.models.regimes.law.transitions import ProbabilityTransitions

if TYPE_CHECKING:
    from rnnstats.models.regimes.likelihood import Law, MarkovLikelihood

__all__ = ["FusedEnd", "FusedNormal", "start_of", "told"]

FloatArray = NDArray[np.float64]

# Diagonal of the triangle of a design, as a share of its largest: columns far from collinear.
COLLINEAR = 1e-6


@dataclass(frozen=True, eq=False)
class FusedEnd:
    """Where one start has led.

    Attributes
    ----------
    theta : ndarray, shape (K,)
    found : NormalEnd
    """

    theta: FloatArray
    found: NormalEnd


class FusedNormal:
    """Likelihood and expectation-maximisation of a model that `serves` accepts.

    Parameters
    ----------
    likelihood : MarkovLikelihood
    """

    def __init__(self, likelihood: MarkovLikelihood) -> None:
        bound = likelihood.bound[0]
        assert isinstance(bound, BoundScalar)
        self.likelihood, self.bound, self.block = likelihood, bound, bound.block
        self.size = self.block.place.shape[1]
        places = np.concatenate([self.block.place.ravel(), self.block.extras.place[0]])
        self._gather = np.zeros((len(places), bound.q))  # sums by place
        self._gather[np.arange(len(places)), places] = 1.0
        inner, self._triangle = bound.design.orthogonal
        n, m = len(bound.y), bound.design.m
        x = np.ones((n, m)) if inner.matrix is None else inner.matrix
        self._chain = NormalChain(
            bound.y, x, bound.seen, bound.squares.basis, likelihood.offsets,
            self.block.extras.common, bound.floor,
        )  # fmt: skip

    @staticmethod
    def serves(likelihood: MarkovLikelihood) -> bool:
        """Whether a model is of the kind, restrictions aside."""
        bound = likelihood.bound[0]
        return (
            len(likelihood.bound) == 1
            and isinstance(bound, BoundScalar)
            and bound.block.family.name == "gaussian"
            and bound.block.place.shape[1] > 1
            and isinstance(likelihood.transitions, ProbabilityTransitions)
        )

    @property
    def climbs(self) -> bool:
        """Whether its start has a closed form, too."""
        return isinstance(self.likelihood.starts, FixedStart | FreeStart | StationaryStart)

    def evaluated(self, theta: FloatArray, law: Law) -> NormalEnd:
        """One pass of the smoother at parameters of the domain.

        Parameters
        ----------
        theta : ndarray, shape (K,)
        law : Law
            At `theta`.
        """
        part = theta[self.likelihood.parts[0]]
        variance = part[self.block.extras.place[0]]
        return self._chain.climb(self._inner(part), variance, law.transition, law.start, "fixed")

    def value_and_gradient(self, theta: FloatArray, law: Law) -> tuple[float, FloatArray]:
        """Log-likelihood and gradient at parameters of the domain.

        Parameters
        ----------
        theta : ndarray, shape (K,)
        law : Law
            At `theta`.
        """
        like, block, part = self.likelihood, self.block, theta[self.likelihood.parts[0]]
        variance = part[block.extras.place[0]]
        found = self.evaluated(theta, law)
        if found.llf == -np.inf:
            return found.llf, np.full(len(theta), np.nan)
        by_variance = 0.5 * (found.sums[:, -2] / variance - found.sums[:, -1]) / variance
        by_coef = self._triangle.T @ (found.cross.T / variance)
        own = np.concatenate([by_coef.ravel(), by_variance]) @ self._gather
        chain = like.pull_chain(theta, law, found.d_transition, found.d_start)
        return found.llf, np.concatenate([chain, own])

    def gradients(self, thetas: FloatArray) -> FloatArray | None:
        """Gradients at several points of the domain in one call.

        Parameters
        ----------
        thetas : ndarray, shape (points, K)

        Returns
        -------
        ndarray, shape (points, K), or None
            NaN where there is no likelihood. None where there is no law at one of the points, or
            it does not start in its stationary one.
        """
        like, block, (q, _) = self.likelihood, self.block, self.likelihood.q
        if not isinstance(like.starts, StationaryStart):
            return None
        assert isinstance(like.transitions, ProbabilityTransitions)
        transition, nothing = like.transitions.value(thetas[:, :q], None), np.empty(0)
        law = like.starts.value(nothing, transition) if transition.min() >= 0.0 else None
        if law is None:
            return None
        part = thetas[:, like.parts[0]]
        variance = part[:, block.extras.place[0]]
        inner = (self._triangle @ part[:, block.place]).transpose(0, 2, 1)
        every = law[:, None].repeat(like.starts.sequences, axis=1)
        found = self._chain.slopes(inner, variance, transition, every)
        mass, squares = found.sums[:, :, -1], found.sums[:, :, -2]
        cross = found.sums[:, :, -2 - inner.shape[2] : -2].transpose(0, 2, 1)
        by_variance = 0.5 * (squares / variance - mass) / variance
        by_coef = self._triangle.T @ (cross / variance[:, None])
        own = np.concatenate([by_coef.reshape(len(thetas), -1), by_variance], axis=1)
        moved = like.starts.pull(nothing, transition, law, found.d_start.sum(axis=1))[1]
        assert moved is not None
        chain = like.transitions.rows.pull(found.d_transition + moved)
        out = np.concatenate([chain, own @ self._gather], axis=1)
        if not (np.isfinite(found.llf).all() and np.isfinite(out).all()):
            out[~(np.isfinite(found.llf) & np.isfinite(out).all(axis=1))] = np.nan
        return out

    def climb(
        self, theta: FloatArray, law: Law, limit: int, tol: float, *, accelerate: bool
    ) -> FusedEnd:
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
        FusedEnd
        """
        part = theta[self.likelihood.parts[0]]
        found = self._chain.climb(
            self._inner(part), part[self.block.extras.place[0]], law.transition, law.start,
            start_of(self.likelihood), limit=limit, tol=tol, accelerate=accelerate,
        )  # fmt: skip
        return FusedEnd(self._theta(part, found), found)

    def climb_classified(
        self,
        given: Classification,
        chain: tuple[FloatArray, FloatArray],
        limit: int,
        tol: float,
        *,
        accelerate: bool,
    ) -> FusedEnd:
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
        FusedEnd
        """
        part, inner, spread = self._pooled
        transition, law = told(self.likelihood, chain)
        found = self._chain.climb(
            inner, np.full(len(transition), spread), transition, law,
            start_of(self.likelihood), weights=given.weights, pooled=spread, limit=limit, tol=tol,
            accelerate=accelerate,
        )  # fmt: skip
        return FusedEnd(self._theta(part, found), found)

    @cached_property
    def _pooled(self) -> tuple[FloatArray, FloatArray, float]:
        """The regression of all rows: its part, the same for the orthonormal design, its scale."""
        bound, triangle = self.bound, self._triangle
        spread, size = float(self.likelihood.pooled[0][0]), np.abs(triangle.diagonal())
        if not (bound.whole and size.size and size.min() > COLLINEAR * size.max()):
            part = bound.pooled
            return part, self._inner(part), spread
        inner = bound.design.orthogonal[0].adjoint(bound.y[:, None])
        if bound.design.matrix is None:
            inner = inner / len(bound.y)
        part = np.zeros(bound.q)
        part[self.block.place] = dtrtrs(triangle, inner)[0]
        return part, np.repeat(inner.T, self.size, axis=0), spread

    def _inner(self, part: FloatArray) -> FloatArray:
        """Coefficients of the orthonormal design, (K, m)."""
        out: FloatArray = (self._triangle @ part[self.block.place]).T
        return out

    def _theta(self, part: FloatArray, found: NormalEnd) -> FloatArray:
        """Natural parameters."""
        like = self.likelihood
        q, s = like.q
        theta = np.empty(len(like.names))
        theta[:q] = like.transitions.read(found.transition)
        theta[q : q + s] = like.starts.read(found.law)
        moved = part.copy()
        moved[self.bound.squares.places] += self.bound.squares.unfolded(found.u)
        moved[self.block.extras.place[0]] = found.variance
        theta[like.parts[0]] = moved
        return theta


def start_of(likelihood: MarkovLikelihood) -> Start:
    """What a step does with the law of the first regime.

    Parameters
    ----------
    likelihood : MarkovLikelihood

    Returns
    -------
    {"fixed", "free", "stationary"}
    """
    if isinstance(likelihood.starts, StationaryStart):
        return "stationary"
    return "free" if isinstance(likelihood.starts, FreeStart) else "fixed"


def told(
    likelihood: MarkovLikelihood, chain: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Law with which a climb from a classification begins.

    Parameters
    ----------
    likelihood : MarkovLikelihood
    chain : tuple of ndarray
        Transition matrix and start law counted in it.

    Returns
    -------
    transition : ndarray, shape (K, K)
    law : ndarray, shape (sequences, K)
    """
    transition, law = chain
    if isinstance(likelihood.starts, FixedStart):
        law = likelihood.starts.law
    elif isinstance(likelihood.starts, FreeStart):
        law = np.repeat(law.mean(axis=0, keepdims=True), len(law), axis=0)
    return transition, law
