"""Expectation-maximisation for regimes.

One pass of the smoother gives the expected complete data: the probabilities of the regimes row by
row and the expected numbers of steps between them. The M-step is exact where it has a closed form:
transition rows are shares of expected steps, a free start is the mean of the first rows, blocks
maximise their weighted log density. With a stationary start the transition matrix also sets the
start; the slope of that term joins the counts, shifted to be nonnegative, which leaves the fixed
points of the algorithm at those of the likelihood. What has no closed form (log odds linear in
inputs, parameters that are fixed or tied to others) takes a scoring step with the information of
the complete data (Lange 1995, JRSS B 57, 425-437). A step that loses likelihood is shortened
towards the part that cannot lose any, so that the likelihood never falls.

References
----------
Baum, Petrie, Soules and Weiss (1970), Annals of Mathematical Statistics 41, 164-171.
Hamilton (1990), Journal of Econometrics 45, 39-70.
Varadhan and Roland (2008), Scandinavian Journal of Statistics 35, 335-353 (acceleration).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnstats.models.regimes.fit.fused import FusedNormal
from rnnstats.models.regimes.fit.fused_mean import FusedMean
from rnnstats.models.regimes.law.simplexes import with_constant
from rnnstats.models.regimes.law.starts import FreeStart, StationaryStart
from rnnstats.models.regimes.law.transitions import LogitTransitions, ProbabilityTransitions
from rnnstats.models.regimes.likelihood import MarkovLikelihood
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Transform

__all__ = ["Path", "Point", "Steps", "expectation_maximisation"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# A fall of the log-likelihood by this share of its size is rounding.
ROUNDING = 1e-11
# Shares of a step that are tried where the whole of it loses likelihood.
SHARES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.0)
# Directions of the scoring step with less information than this share of the largest are left.
FLAT = 1e-10


@dataclass(frozen=True, eq=False)
class Point:
    """Parameters, and what is expected of the complete data there.

    Attributes
    ----------
    theta : ndarray, shape (K,)
    llf : float
        Log-likelihood; the rest is without meaning where it is -inf.
    transition : ndarray, shape (K, K) or (nobs, K, K)
    start : ndarray, shape (sequences, K)
    states : ndarray, shape (n_chain, S)
        Smoothed probabilities of the chain's states.
    d_transition : ndarray, of the shape of `transition`
        Times `transition`: expected numbers of steps.
    d_start : ndarray, shape (sequences, K)
        Times `start`: probabilities of the first regimes.
    """

    theta: FloatArray
    llf: float
    transition: FloatArray
    start: FloatArray
    states: FloatArray
    d_transition: FloatArray
    d_start: FloatArray


@dataclass(frozen=True, eq=False)
class Path:
    """Where a run of the algorithm went.

    Attributes
    ----------
    point : Point
        The end.
    iterations : int
        Passes of the smoother after the first.
    settled : bool
        Whether the last gain was below the tolerance.
    """

    point: Point
    iterations: int
    settled: bool


def expectation_maximisation(
    steps: Steps,
    theta: FloatArray,
    *,
    maxiter: int,
    tol: float = 1e-8,
    accelerate: bool = True,
    first: Point | None = None,
) -> Path | None:
    """Climb by expectation-maximisation.

    Parameters
    ----------
    steps : Steps
    theta : ndarray, shape (K,)
        Start.
    maxiter : int
        Passes of the smoother.
    tol : float
        Stop when a step gains less than this in log-likelihood, absolute.
    accelerate : bool
        Whether to extrapolate every two steps (SQUAREM, third scheme).
    first : Point, optional
        At `theta`, where it is known.

    Returns
    -------
    Path or None
        None where the start has no likelihood.
    """
    if steps.fused is not None:
        found = _fused(steps.fused, theta, maxiter, tol, accelerate)
        if found is not None:
            return found
    here = steps.expectation(theta) if first is None else first
    if not math.isfinite(here.llf):
        return None
    spent, settled = 0, False
    while spent < maxiter and not settled:
        before = here.llf
        there, used = steps.step(here)
        spent += used
        gain = there.llf - before
        if accelerate and gain > tol and spent + 2 <= maxiter:
            further, used = steps.step(there)
            spent += used
            if further.llf - there.llf > tol:
                leap = steps.extrapolated(here, there, further)
                spent += leap is not None
                if leap is not None and leap.llf >= further.llf:
                    further = leap
            gain = further.llf - there.llf
            there = further
        settled = gain <= tol
        here = there
    return Path(here, spent, settled)


def _fused(
    fused: FusedNormal | FusedMean,
    theta: FloatArray,
    maxiter: int,
    tol: float,
    accelerate: bool,
) -> Path | None:
    """The same in compiled code; None where it has no start."""
    like = fused.likelihood
    law = like.law(theta, expanded=False) if like.domain(theta) else None
    if law is None:
        return None
    end = fused.climb(theta, law, maxiter, tol, accelerate=accelerate)
    found = end.found
    point = Point(
        end.theta, found.llf, found.transition, found.law, found.states, found.d_transition,
        found.d_start,
    )  # fmt: skip
    return Path(point, found.passes, found.settled) if math.isfinite(found.llf) else None


@dataclass(frozen=True, eq=False)
class _Closed:
    """Which parts of an M-step have a closed form.

    Attributes
    ----------
    chain, start : bool
    blocks : tuple of bool
    fixed_cells : ndarray of bool, shape (K, K), or None
        Transitions held at numbers; None where they have no closed form.
    """

    chain: bool
    start: bool
    blocks: tuple[bool, ...]
    fixed_cells: NDArray[np.bool_] | None


class Steps:
    """What a step of the algorithm does in one model.

    Parameters
    ----------
    likelihood : MarkovLikelihood
    layout : Layout
    transform : Transform
        Of the free parameters.
    """

    def __init__(self, likelihood: MarkovLikelihood, layout: Layout, transform: Transform) -> None:
        self.likelihood, self.layout, self.transform = likelihood, layout, transform
        q, k_start = likelihood.q
        self._chain, self._start = slice(0, q), slice(q, q + k_start)
        self._parts = list(likelihood.parts)
        alone = likelihood.fused is not None and likelihood.fused.climbs and not layout.restricted
        self.fused = likelihood.fused if alone else None

    @cached_property
    def _closed(self) -> _Closed:
        """What has a closed form."""
        likelihood, expansion = self.likelihood, self.layout.expansion
        number: NDArray[np.bool_] = np.all(expansion == 0.0, axis=1)
        shared = expansion.sum(axis=0) > 1.0
        tied: NDArray[np.bool_] = np.any(expansion[:, shared] != 0.0, axis=1)
        chain, start = self._chain, self._start
        moves = isinstance(likelihood.transitions, ProbabilityTransitions) and not tied[chain].any()
        first = (
            isinstance(likelihood.starts, FreeStart)
            and not tied[start].any()
            and not number[start].any()
        )
        blocks = tuple(not (tied[part] | number[part]).any() for part in self._parts)
        return _Closed(moves, first, blocks, self._cells(number[chain]) if moves else None)

    @cached_property
    def exact(self) -> bool:
        """Whether a step cannot lose."""
        stationary = isinstance(self.likelihood.starts, StationaryStart)
        return not self._columns.size and not stationary

    def expectation(self, theta: FloatArray) -> Point:
        """One pass of the smoother; ``llf`` is -inf where the parameters have no likelihood."""
        found, law = self.likelihood.expect(theta)
        if law is None:
            none = np.empty(0)
            return Point(theta, -math.inf, none, none, none, none, none)
        return Point(
            theta, found.llf, law.transition, law.start,
            found.weights, found.d_transition, found.d_start,
        )  # fmt: skip

    def step(self, here: Point) -> tuple[Point, int]:
        """One step.

        Parameters
        ----------
        here : Point

        Returns
        -------
        Point
            The new point; `here` itself where no step gains.
        int
            Passes of the smoother.
        """
        move = self.maximise(here)
        floor = here.llf - ROUNDING * (1.0 + abs(here.llf))
        used = 0
        for share in SHARES:
            there = self.expectation(move(share))
            used += 1
            if there.llf >= floor:
                return there, used
            if self.exact:
                break
        return here, used

    def maximise(self, here: Point) -> Callable[[float], FloatArray]:
        """The M-step: parameters as a function of the share of the step that is taken.

        Share 0 moves only what has a closed form, which cannot lower the likelihood.
        """
        like = self.likelihood
        base = here.theta.copy()
        weights = like.block_weights(here.states)
        for closed, part, bound in zip(self._closed.blocks, self._parts, like.bound, strict=True):
            if closed:
                base[part] = bound.m_step(here.theta[part], weights)
        if self._closed.start:
            first = (here.start * here.d_start).mean(axis=0, keepdims=True)
            base[self._start] = like.starts.read(first / first.sum())
        target = self._new_transition(here) if self._closed.chain else None
        direction = self._scoring(here) if self._columns.size else None
        if target is None and direction is None:
            return lambda share: base

        def move(share: float) -> FloatArray:
            theta = base.copy()
            if target is not None:
                mixed = here.transition + share * (target - here.transition)
                theta[self._chain] = like.transitions.read(mixed)
            if direction is not None and share > 0.0:
                theta = self._moved(theta, here.theta, share * direction)
            return theta

        return move

    def extrapolated(self, first: Point, second: Point, third: Point) -> Point | None:
        """Leap along the path of two steps, in unconstrained coordinates; None without one."""
        reduce = self.layout.reduce
        transform = self.transform.holding(reduce(third.theta))
        try:
            psi = [transform.to_unconstrained(reduce(e.theta)) for e in (first, second, third)]
        except ValueError:
            return None
        change, bend = psi[1] - psi[0], psi[2] - 2.0 * psi[1] + psi[0]
        size = float(np.linalg.norm(bend))
        if not 0.0 < size < math.inf:
            return None
        length = float(np.linalg.norm(change)) / size
        if not length > 1.0:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            leap = transform.to_natural(psi[0] + 2.0 * length * change + length**2 * bend)
        theta = self.layout.expand(leap)
        if not np.isfinite(theta).all():
            return None
        return self.expectation(theta)

    # --- the chain ----------------------------------------------------------------------------

    def _cells(self, number: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Cells of the transition matrix held at numbers."""
        transitions = self.likelihood.transitions
        assert isinstance(transitions, ProbabilityTransitions)
        k = transitions.rows.k
        held = np.zeros((k, k), dtype=bool)
        held[transitions.rows.rows, transitions.rows.columns] = number
        return held

    def _slopes(self, here: Point) -> tuple[FloatArray, FloatArray]:
        """Gradient in the start parameters, and in the matrices with their part in the start."""
        like = self.likelihood
        own, anchors = like.starts.pull(
            here.theta[self._start], like.anchors(here.transition), here.start, here.d_start
        )
        if anchors is None:
            return own, here.d_transition
        slopes = here.d_transition.copy()
        if slopes.ndim == 2:
            slopes += anchors
        else:
            slopes[like.offsets[:-1]] += anchors
        return own, slopes

    def _new_transition(self, here: Point) -> FloatArray:
        """Shares of expected steps; the start's slopes, shifted to be nonnegative, join them."""
        like = self.likelihood
        slopes = here.d_transition
        if isinstance(like.starts, StationaryStart):
            anchors = like.starts.pull(
                np.empty(0), like.anchors(here.transition), here.start, here.d_start
            )[1]
            assert anchors is not None
            slopes = slopes + anchors - anchors.min(axis=1, keepdims=True)
        counts = here.transition * slopes
        fixed = self._closed.fixed_cells
        assert fixed is not None
        if not fixed.any() and (sums := counts.sum(axis=1, keepdims=True)).min() > 0.0:
            shares: FloatArray = counts / sums
            return shares
        open_ = ~fixed
        total = (counts * open_).sum(axis=1, keepdims=True)
        mass = (here.transition * open_).sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = np.where(open_ & (total > 0.0), mass * counts / total, here.transition)
        return np.asarray(new, dtype=np.float64)

    # --- scoring ------------------------------------------------------------------------------

    @cached_property
    def _columns(self) -> IntArray:
        """Free parameters without a closed form."""
        scored = np.zeros(self.layout.k_params, dtype=bool)
        scored[self._chain] = not self._closed.chain
        scored[self._start] = not self._closed.start
        for closed, part in zip(self._closed.blocks, self._parts, strict=True):
            scored[part] = not closed
        return np.flatnonzero(self.layout.expansion[scored].any(axis=0))

    def _scoring(self, here: Point) -> FloatArray:
        """Step in the unconstrained coordinates of the parameters without a closed form."""
        like = self.likelihood
        size = self.layout.k_params
        slope, info = np.zeros(size), np.zeros((size, size))
        own, slopes = self._slopes(here)
        if not self._closed.chain:
            part = self._chain
            slope[part] = like.transitions.pull(here.theta[part], like.inputs, slopes)
            info[part, part] = self._chain_information(here)
        if not self._closed.start and len(own):
            part = self._start
            slope[part] = own
            info[part, part] = self._start_information(here)
        weights = like.block_weights(here.states)
        for closed, part, bound in zip(self._closed.blocks, self._parts, like.bound, strict=True):
            if not closed:
                slope[part] = bound.pull(here.theta[part], weights)
                info[part, part] = bound.curvature(here.theta[part], weights)
        transform = self._transform(here.theta)
        psi = transform.to_unconstrained(self.layout.reduce(here.theta))
        chain = self.layout.expansion[:, self._columns] @ transform.jacobian(psi)[self._columns]
        return _solve(chain.T @ info @ chain, chain.T @ slope)

    def _transform(self, theta: FloatArray) -> Transform:
        return self.transform.holding(self.layout.reduce(theta))

    def _moved(self, theta: FloatArray, before: FloatArray, step: FloatArray) -> FloatArray:
        """Put the scored parameters, moved from where they were, into `theta`."""
        transform = self._transform(before)
        psi = transform.to_unconstrained(self.layout.reduce(before)) + step
        with np.errstate(over="ignore", invalid="ignore"):
            moved = transform.to_natural(psi)
        free = self.layout.reduce(theta)
        free[self._columns] = moved[self._columns]
        return self.layout.expand(free)

    def _chain_information(self, here: Point) -> FloatArray:
        """Information of the expected steps on the transition parameters."""
        like = self.likelihood
        counts = here.transition * here.d_transition
        visits = counts.sum(axis=-1)
        if isinstance(like.transitions, LogitTransitions):
            assert like.inputs is not None
            return _logit_information(here.transition, visits, with_constant(like.inputs))
        moved = like.transitions.tangents(here.theta[self._chain], like.inputs)
        with np.errstate(divide="ignore"):
            weight = np.where(here.transition > 0.0, visits[..., None] / here.transition, 0.0)
        flat = moved.reshape(-1, moved.shape[-1])
        info: FloatArray = (flat * weight.reshape(-1, 1)).T @ flat
        return info

    def _start_information(self, here: Point) -> FloatArray:
        """Information of the expected first regimes on the start parameters."""
        like = self.likelihood
        blank = np.zeros((*like.anchors(here.transition).shape, 0))
        part = here.theta[self._start]
        moved = like.starts.tangents(part, like.anchors(here.transition), here.start, blank)
        with np.errstate(divide="ignore"):
            weight = np.where(here.start > 0.0, 1.0 / here.start, 0.0)
        flat = moved.reshape(-1, moved.shape[-1])
        info: FloatArray = (flat * weight.reshape(-1, 1)).T @ flat
        return info


def _logit_information(shares: FloatArray, visits: FloatArray, design: FloatArray) -> FloatArray:
    """Block-diagonal information of K multinomial logits.

    Parameters
    ----------
    shares : ndarray, shape (n, K, K)
    visits : ndarray, shape (n, K)
        Probability of each regime in the row before.
    design : ndarray, shape (n, r)
    """
    k, width = shares.shape[1], design.shape[1]
    info = np.zeros((k, k - 1, width, k, k - 1, width))
    for i in range(k):
        for a in range(k - 1):
            for b in range(a + 1):
                weight = -shares[:, i, a] * shares[:, i, b]
                if a == b:
                    weight = weight + shares[:, i, a]
                block = (design * (weight * visits[:, i])[:, None]).T @ design
                info[i, a, :, i, b, :] = block
                info[i, b, :, i, a, :] = block.T
    return info.reshape(k * (k - 1) * width, -1)


def _solve(info: FloatArray, slope: FloatArray) -> FloatArray:
    """Step of scoring; nothing along directions without information."""
    size = np.sqrt(np.maximum(np.diag(info), 1e-300))
    values, vectors = np.linalg.eigh(info / np.multiply.outer(size, size))
    along = vectors.T @ (slope / size)
    known = values > FLAT * values[-1]
    step: FloatArray = vectors[:, known] @ (along[known] / values[known])
    return step / size
