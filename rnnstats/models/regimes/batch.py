"""Expectation-maximisation of many starts at once, for one normal response.

The first steps of a fit are the same few small sums for every start. Where the response is normal
given a linear predictor, the transition probabilities are constant and nothing is restricted, they
are products of matrices with all starts side by side; the result is that of `em`, step for step
(with coefficients shared between regimes of different variance: one of the two conditional steps).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import markov
from rnnstats.models.regimes.blocks.scalar import BoundScalar, ScalarBlock
from rnnstats.models.regimes.starts_law import FixedStart, FreeStart, StationaryStart
from rnnstats.models.regimes.transitions import ProbabilityTransitions

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = ["Batch", "BatchEnd"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Numbers that products of pairs of regressors may take.
MOST_PRODUCTS = 4_000_000
# Added to normal equations brought to unit diagonal, for collinear regressors.
RIDGE = 1e-10
# Smallest probability that is moved about here; what belongs at zero gets there later.
LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class BatchEnd:
    """Where one start has led.

    Attributes
    ----------
    theta : ndarray, shape (k_params,)
    start_llf, llf : float
    states : ndarray, shape (n, K)
    iterations : int
    settled : bool
    """

    theta: FloatArray
    start_llf: float
    llf: float
    states: FloatArray
    iterations: int
    settled: bool


@dataclass(eq=False)
class _Stack:
    """Parameters of R starts and what is expected there."""

    transition: FloatArray  # (R, K, K)
    law: FloatArray  # (R, sequences, K)
    part: FloatArray  # (R, q)
    squares: FloatArray  # (n, R, K) squared residuals
    llf: FloatArray  # (R,)
    states: FloatArray  # (R, n, K)
    d_transition: FloatArray
    d_start: FloatArray


class Batch:
    """Sums that all starts share.

    Parameters
    ----------
    model : MarkovRNN
        For which `serves` holds.
    """

    def __init__(self, model: MarkovRNN) -> None:
        self.model, self.likelihood = model, model.likelihood
        block, bound = model.blocks[0], model.likelihood.bound[0]
        assert isinstance(block, ScalarBlock)
        n, k = model.nobs, model.k_regimes
        assert isinstance(bound, BoundScalar)
        design = bound.design
        matrix = np.ones((n, design.m)) if design.matrix is None else design.matrix
        self.seen = bound.seen
        self.y = np.where(self.seen, bound.y, 0.0)
        self.size = np.sqrt((matrix**2).sum(axis=0))
        self.size = np.where(self.size > 0.0, self.size, 1.0)
        self.design = np.where(self.seen[:, None], matrix / self.size, 0.0)
        m = design.m
        self.products = (self.design[:, :, None] * self.design[:, None, :]).reshape(n, m * m)
        self.cross = self.design * self.y[:, None]
        self.place, self.variance = block.place, block.extras.place[0]
        self.floor = model.likelihood.pooled[0][0]
        self.common = block.extras.common
        self.k, self.m, self.q = k, m, len(block.names)

    @staticmethod
    def serves(model: MarkovRNN) -> bool:
        """Whether a model is of the kind."""
        likelihood = model.likelihood
        if len(model.blocks) != 1 or model.layout.restricted or model.k_regimes == 1:
            return False
        block = model.blocks[0]
        if not isinstance(block, ScalarBlock) or block.family.name != "gaussian":
            return False
        return (
            isinstance(likelihood.transitions, ProbabilityTransitions)
            and isinstance(likelihood.starts, FixedStart | FreeStart | StationaryStart)
            and 0 < len(block.place) ** 2 * model.nobs <= MOST_PRODUCTS
        )

    def climb(
        self,
        weights: FloatArray,
        transition: FloatArray,
        law: FloatArray,
        floor: float,
        limit: int,
        tol: float,
    ) -> list[BatchEnd]:
        """Take starts some steps by expectation-maximisation.

        Parameters
        ----------
        weights : ndarray, shape (R, n, K)
            A classification of the rows each.
        transition : ndarray, shape (R, K, K)
        law : ndarray, shape (R, sequences, K)
        floor : float
            Lower bound of variances.
        limit : int
            Steps.
        tol : float
            A start that gains less in a step has settled.

        Returns
        -------
        list of BatchEnd
            One a start; with a log-likelihood of -inf where there is none.
        """
        number = len(weights)
        part = np.ones((number, self.q))
        part, squares = self._emission(weights, part, floor, first=True)
        here = self._expect(transition, self._law(transition, law), part, squares)
        first = here.llf.copy()
        steps = np.zeros(number, dtype=np.intp)
        active = np.flatnonzero(np.isfinite(here.llf))
        settled = np.zeros(number, dtype=bool)
        for _ in range(limit):
            if not active.size:
                break
            there = self._step(here, active, floor)
            gain = there.llf - here.llf[active]
            better = gain >= 0.0
            self._put(here, there, active[better], better)
            steps[active] += 1
            still = ~(gain > tol)
            settled[active[still]] = True
            active = active[~still]
        return [
            BatchEnd(
                self._theta(here, r), float(first[r]), float(here.llf[r]), here.states[r].copy(),
                int(steps[r]), bool(settled[r]),
            )
            for r in range(number)
        ]  # fmt: skip

    # --- one step -----------------------------------------------------------------------------

    def _step(self, here: _Stack, active: IntArray, floor: float) -> _Stack:
        """Maximise and expect again, for some of the starts."""
        transition, law = here.transition[active], here.law[active]
        slopes, start = here.d_transition[active], here.d_start[active]
        if isinstance(self.likelihood.starts, StationaryStart):
            slopes = slopes + _pulled(transition, law[:, 0], start.sum(axis=1))
        counts = transition * slopes
        total = counts.sum(axis=2, keepdims=True)
        moved = np.where(total > 0.0, counts / np.where(total > 0.0, total, 1.0), transition)
        moved = np.maximum(moved, LEAST)
        moved /= moved.sum(axis=2, keepdims=True)
        if isinstance(self.likelihood.starts, FreeStart):
            first = (law * start).mean(axis=1, keepdims=True)
            law = np.repeat(first / first.sum(axis=2, keepdims=True), law.shape[1], axis=1)
        part, squares = self._emission(here.states[active], here.part[active], floor)
        return self._expect(moved, self._law(moved, law), part, squares)

    def _emission(
        self, weights: FloatArray, part: FloatArray, floor: float, *, first: bool = False
    ) -> tuple[FloatArray, FloatArray]:
        """Weighted least squares, and the squared residuals (n, R, K)."""
        number, n, k = weights.shape
        wide = weights.transpose(1, 0, 2).reshape(n, number * k) * self.seen[:, None]
        moments = (wide.T @ self.products).reshape(number, k, self.m, self.m)
        right = (wide.T @ self.cross).reshape(number, k, self.m)
        mass = wide.sum(axis=0).reshape(number, k)
        precision = 1.0 / part[:, self.variance]
        normal = np.zeros((number, self.q, self.q))
        pulled = np.zeros((number, self.q))
        for j in range(k):
            own = self.place[:, j]
            normal[:, own[:, None], own] += moments[:, j] * precision[:, j, None, None]
            pulled[:, own] += right[:, j] * precision[:, j, None]
        places = np.unique(self.place)
        normal = normal[:, places[:, None], places]
        diagonal = np.sqrt(np.maximum(np.einsum("rqq->rq", normal), 1e-300))
        unit = normal / (diagonal[:, :, None] * diagonal[:, None, :])
        unit += RIDGE * np.eye(len(places))
        found = np.linalg.solve(unit, (pulled[:, places] / diagonal)[..., None])[..., 0]
        out = part.copy()
        out[:, places] = found / diagonal
        coefficients = out[:, self.place]
        fitted = self.design @ coefficients.transpose(1, 0, 2).reshape(self.m, number * k)
        squares = self.y[:, None] - fitted
        squares *= squares
        sums = np.einsum("nc,nc->c", wide, squares).reshape(number, k)
        if self.common:
            sums = np.broadcast_to(sums.sum(axis=1, keepdims=True), sums.shape)
            mass = np.broadcast_to(mass.sum(axis=1, keepdims=True), mass.shape)
        if first:  # no start is narrower than a row's share of the pooled variance
            sums, mass = sums + self.floor, mass + 1.0
        variance = np.where(mass > 0.0, sums / np.where(mass > 0.0, mass, 1.0), 1.0 / precision)
        out[:, self.variance] = np.maximum(variance, floor)
        return out, squares.reshape(n, number, k)

    def _law(self, transition: FloatArray, law: FloatArray) -> FloatArray:
        """Start probabilities (R, sequences, K): stationary, given, or as they are."""
        starts = self.likelihood.starts
        if isinstance(starts, FixedStart):
            return np.broadcast_to(starts.law, (len(transition), *starts.law.shape))
        if isinstance(starts, StationaryStart):
            turned = _fundamental(transition).transpose(0, 2, 1)
            found = np.linalg.solve(turned, np.ones((*transition.shape[:2], 1)))[..., 0]
            found = np.maximum(found, 0.0)
            found /= found.sum(axis=1, keepdims=True)
            return np.repeat(found[:, None, :], law.shape[1], axis=1)
        return law

    def _expect(
        self, transition: FloatArray, law: FloatArray, part: FloatArray, squares: FloatArray
    ) -> _Stack:
        """Smooth all starts."""
        variance = part[:, self.variance]
        density = squares / variance
        density += np.log(2.0 * math.pi * variance)
        density *= -0.5
        if not self.seen.all():
            density[~self.seen] = 0.0
        density = np.ascontiguousarray(density.transpose(1, 0, 2))
        stack = _Stack(
            transition, np.array(law), part, squares, np.full(len(part), -math.inf),
            np.zeros(density.shape), np.zeros(transition.shape), np.zeros(law.shape),
        )  # fmt: skip
        for r in range(len(part)):
            found = markov.smooth(density[r], transition[r], stack.law[r], self.likelihood.offsets)
            if math.isfinite(found.llf):
                stack.llf[r] = found.llf
                stack.states[r] = found.smoothed
                stack.d_transition[r], stack.d_start[r] = found.d_transition, found.d_start
        return stack

    @staticmethod
    def _put(here: _Stack, there: _Stack, into: IntArray, chosen: NDArray[np.bool_]) -> None:
        """Move some of the starts on."""
        here.squares[:, into] = there.squares[:, chosen]
        for name in ("transition", "law", "part", "llf", "states", "d_transition", "d_start"):
            getattr(here, name)[into] = getattr(there, name)[chosen]

    def _theta(self, here: _Stack, r: int) -> FloatArray:
        """Natural parameters of one start."""
        like = self.likelihood
        q, s = like.q
        theta = np.empty(self.model.layout.k_params)
        theta[:q] = like.transitions.read(here.transition[r])
        theta[q : q + s] = like.starts.read(here.law[r])
        part = here.part[r].copy()
        for a in range(self.m):
            part[np.unique(self.place[a])] /= self.size[a]
        theta[like.parts[0]] = part
        return theta


def _fundamental(transition: FloatArray) -> FloatArray:
    k = transition.shape[-1]
    out: FloatArray = np.eye(k) * (1.0 + 1e-13) - transition + 1.0
    return out


def _pulled(transition: FloatArray, law: FloatArray, slopes: FloatArray) -> FloatArray:
    """Slope of the start in the transitions, shifted to be nonnegative in every row."""
    effect = np.linalg.solve(_fundamental(transition), slopes[..., None])[..., 0]
    effect -= effect.min(axis=1, keepdims=True)
    return law[:, :, None] * effect[:, None, :]
