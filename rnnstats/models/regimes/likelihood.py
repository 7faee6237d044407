"""Likelihood of a Markov-switching model on data: value, derivatives, expectations.

The chain's law comes from `transitions` and `starts_law`, the densities given the regime from the
blocks; the kernels join them. Points where the likelihood does not exist have value -inf and
derivatives NaN, and `MarkovLikelihood.reason` says why.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import markov
from rnnstats.models.regimes.blocks import BoundBlock
from rnnstats.models.regimes.domain import Domain
from rnnstats.models.regimes.fit.fused import FusedNormal
from rnnstats.models.regimes.fit.fused_mean import FusedMean
from rnnstats.models.regimes.law.composite import Composite, CompositePlan
from rnnstats.models.regimes.law.starts import StartLaw
from rnnstats.models.regimes.law.transitions import Transitions

__all__ = ["BoundBlocks", "ChainModel", "Expectation", "Law", "MarkovLikelihood"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
# Log densities, transition, start and offsets of the chain that carries the densities.
ChainArrays = tuple[FloatArray, FloatArray, FloatArray, IntArray]
# Numbers that the tangents of the transition matrices may take at a time: 256 MiB.
TANGENT_BUDGET = 2**25


@dataclass(frozen=True, eq=False)
class Law:
    """Law of the regimes at given parameters.

    Attributes
    ----------
    transition : ndarray, shape (K, K) or (nobs, K, K)
    start : ndarray, shape (sequences, K)
    composite : Composite or None
        Chain of composite states, where the densities need it.
    """

    transition: FloatArray
    start: FloatArray
    composite: Composite | None

    def chain(self, offsets: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
        """Transition, start and offsets of the chain that carries the densities, for kernels."""
        if self.composite is None:
            return self.transition, self.start, offsets
        return self.composite.transition, self.composite.start, self.composite.offsets


@dataclass(frozen=True, eq=False)
class Expectation:
    """What EM expects of the regimes given the data and parameters.

    Attributes
    ----------
    llf : float
        Log-likelihood; -inf where it does not exist, the arrays are then without meaning.
    weights : ndarray, shape (n_chain, S)
        Smoothed probabilities of the chain's states.
    d_transition : ndarray, shape (K, K) or (nobs, K, K)
        Derivative of the log-likelihood by the transition probabilities as free numbers: times
        these, expected numbers of steps.
    d_start : ndarray, shape (sequences, K)
    """

    llf: float
    weights: FloatArray
    d_transition: FloatArray
    d_start: FloatArray


@dataclass(frozen=True, eq=False)
class ChainModel:
    """How the chain depends on parameters.

    Attributes
    ----------
    transitions : Transitions
    starts : StartLaw
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and the number of rows.
    inputs : ndarray, shape (nobs, r), or None
        What drives the transitions.
    plan : CompositePlan or None
        Where the densities need composite states.
    """

    transitions: Transitions
    starts: StartLaw
    offsets: IntArray
    inputs: FloatArray | None
    plan: CompositePlan | None


@dataclass(frozen=True, eq=False)
class BoundBlocks:
    """Blocks with their data.

    Attributes
    ----------
    bound : tuple of BoundBlock
    sizes : tuple of int
        Number of parameters of each.
    pooled : tuple of ndarray, shape (d,)
        Squared scales of a single regime, see `collapse.pooled_scales`.
    """

    bound: tuple[BoundBlock, ...]
    sizes: tuple[int, ...]
    pooled: tuple[FloatArray, ...]


class MarkovLikelihood:
    """Likelihood as a function of the natural parameters (K,).

    Parameters
    ----------
    names : tuple of str
        All natural parameters: transitions, start, blocks.
    chain : ChainModel
    outputs : BoundBlocks
    domain : Domain

    Attributes
    ----------
    transitions, starts, offsets, inputs, plan
        Of `chain`.
    bound, pooled
        Of `outputs`.
    q : tuple of int
        Numbers of parameters of transitions and start, which come first.
    parts : tuple of slice
        Places of each block's parameters.
    rows : ndarray of int, shape (n_chain,)
        Data row of each row of the chain that carries the densities.
    window : slice or ndarray of int
        The same.
    """

    def __init__(
        self, names: tuple[str, ...], chain: ChainModel, outputs: BoundBlocks, domain: Domain
    ) -> None:
        self.names, self.domain = names, domain
        self.transitions, self.starts = chain.transitions, chain.starts
        self.offsets, self.inputs, self.plan = chain.offsets, chain.inputs, chain.plan
        self.bound, self.pooled = outputs.bound, outputs.pooled
        self.nobs = int(self.offsets[-1])
        self.lags = 0 if self.plan is None else self.plan.order
        self.rows: IntArray = np.arange(self.nobs) if self.plan is None else self.plan.rows
        alone = len(self.offsets) == 2  # one sequence: no copies are needed
        self.window: slice | IntArray = slice(self.lags, self.nobs) if alone else self.rows
        self.offsets.setflags(write=False)
        self.rows.setflags(write=False)
        q, s = len(self.transitions.names), len(self.starts.names)
        edges = list(itertools.accumulate(outputs.sizes, initial=q + s))
        self.q = (q, s)
        self.parts = tuple(slice(a, b) for a, b in itertools.pairwise(edges))

    @cached_property
    def fused(self) -> FusedNormal | FusedMean | None:
        """The same in one compiled pass, where there is one."""
        if FusedNormal.serves(self):
            return FusedNormal(self)
        return FusedMean(self) if FusedMean.serves(self) else None

    # --- the parts ----------------------------------------------------------------------------

    def law(
        self, theta: FloatArray, inputs: FloatArray | None = None, *, expanded: bool = True
    ) -> Law | None:
        """Law of the regimes; None where there is none at `theta`.

        Parameters
        ----------
        theta : ndarray, shape (K,)
        inputs : ndarray, shape (rows, r), optional
            Instead of the sample's, with more rows: the matrices have them, too.
        expanded : bool
            Whether to give the chain of composite states, where there is one.
        """
        q, s = self.q
        given = self.inputs if inputs is None else inputs
        transition = self.transitions.value(theta[:q], given)
        if not transition.min() >= 0.0:
            return None
        start = self.starts.value(theta[q : q + s], self.anchors(transition))
        if start is None or not start.min() >= 0.0:
            return None
        plan = self.plan if expanded else None
        composite = None if plan is None else plan.expand(transition, start)
        return Law(transition, start, composite)

    def log_density(self, theta: FloatArray) -> FloatArray:
        """Log densities of the chain's rows in its states, summed over blocks, (n_chain, S)."""
        packed = zip(self.bound, self.parts, strict=True)
        found = [bound.log_density(theta[part]) for bound, part in packed]
        total = found[0] if len(found) == 1 else np.sum(found, axis=0)
        return total if self.plan is None else total[self.window]

    def block_weights(self, weights: FloatArray) -> FloatArray:
        """Weights of the chain's states on all rows of the data, zero in rows left out."""
        if self.plan is None:
            return weights
        full = np.zeros((self.nobs, weights.shape[1]))
        full[self.window] = weights
        return full

    def pull_chain(
        self, theta: FloatArray, law: Law, d_transition: FloatArray, d_start: FloatArray
    ) -> FloatArray:
        """Gradient in the parameters of transitions and start, (q + s,).

        Parameters
        ----------
        theta : ndarray, shape (K,)
        law : Law
            At `theta`.
        d_transition, d_start : ndarray
            Derivatives by the regimes' law as free numbers.
        """
        q, s = self.q
        anchors = self.anchors(law.transition)
        own, moved = self.starts.pull(theta[q : q + s], anchors, law.start, d_start)
        if moved is not None:
            if law.transition.ndim == 2:
                d_transition = d_transition + moved
            else:
                d_transition = d_transition.copy()
                d_transition[self.offsets[:-1]] += moved
        first = self.transitions.pull(theta[:q], self.inputs, d_transition)
        return np.concatenate([first, own])

    # --- the likelihood -----------------------------------------------------------------------

    def value(self, theta: FloatArray) -> float:
        """Log-likelihood."""
        arrays = self._arrays(theta)
        if arrays is None:
            return -math.inf
        value = markov.loglike(*arrays[1], lags=self.lags)
        return value if math.isfinite(value) else -math.inf

    def expectation(self, theta: FloatArray) -> Expectation:
        """Smoothed probabilities and expected steps."""
        return self.expect(theta)[0]

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Log-likelihood and its gradient, shape (K,), by Fisher's identity."""
        refused = -math.inf, np.full(len(theta), np.nan)
        if self.fused is not None:
            if not self.domain(theta) or (own := self.law(theta, expanded=False)) is None:
                return refused
            value, gradient = self.fused.value_and_gradient(theta, own)
            return (value, gradient) if np.isfinite(gradient).all() else refused
        found, law = self.expect(theta)
        if law is None:
            return refused
        weights = self.block_weights(found.weights)
        chain = self.pull_chain(theta, law, found.d_transition, found.d_start)
        parts = [b.pull(theta[p], weights) for b, p in zip(self.bound, self.parts, strict=True)]
        gradient = np.concatenate([chain, *parts])
        # steeper than numbers go: as good as outside
        return (found.llf, gradient) if np.isfinite(gradient).all() else refused

    def gradients(self, thetas: FloatArray) -> FloatArray:
        """Gradients at several points, (points, K) to (points, K); NaN where there is none."""
        found = None
        if isinstance(self.fused, FusedNormal) and self.domain(thetas):
            found = self.fused.gradients(thetas)
        if found is not None:
            return found
        return np.array([self.value_and_gradient(theta)[1] for theta in thetas])

    def loglikeobs(self, theta: FloatArray) -> FloatArray:
        """Contribution of each row, shape (nobs,); zero in rows conditioned on."""
        arrays = self._arrays(theta)
        if arrays is None:
            return np.full(self.nobs, np.nan)
        out = np.zeros(self.nobs)
        out[self.rows] = markov.forward(*arrays[1], lags=self.lags).llf_obs
        return out

    def score_obs(self, theta: FloatArray) -> FloatArray:
        """Gradient of each row's contribution, shape (nobs, K)."""
        arrays = self._arrays(theta)
        if arrays is None or not math.isfinite(markov.loglike(*arrays[1], lags=self.lags)):
            return np.full((self.nobs, len(theta)), np.nan)
        law, chain = arrays
        packed = zip(self.bound, self.parts, strict=True)
        slopes = [bound.slopes(theta[part]) for bound, part in packed]
        d_density = slopes[0] if len(slopes) == 1 else np.concatenate(slopes, axis=2)
        if self.plan is not None:
            d_density = d_density[self.rows]
        out = np.zeros((self.nobs, len(theta)))
        for some in self._batches(theta, law):
            out[np.ix_(self.rows, some)] = self._some_scores(theta, law, chain, d_density, some)
        return out

    def effects(self, theta: FloatArray) -> FloatArray | None:
        """Scores of the rows if their regimes were known, as expected, compressed, (K, K).

        Their cross product is the outer product of the scores of complete data: what outputs and
        inputs tell of the parameters but for what the regimes hide. None where it does not exist.
        """
        found, law = self.expect(theta)
        if law is None:
            return None
        size = self.q[0]
        out = np.eye(len(theta))
        if self.inputs is not None and self.nobs * law.start.shape[1] ** 2 * size <= TANGENT_BUDGET:
            tangents = self.transitions.tangents(theta[:size], self.inputs)
            with np.errstate(divide="ignore"):
                weights = np.where(law.transition > 0.0, 1.0 / np.sqrt(law.transition), 0.0)
            out[:size, :size] = _compressed((tangents * weights[..., None]).reshape(-1, size))
        weights = np.sqrt(self.block_weights(found.weights))
        for bound, place in zip(self.bound, self.parts, strict=True):
            slopes = bound.slopes(theta[place]) * weights[..., None]
            out[place, place] = _compressed(slopes.reshape(-1, slopes.shape[2]))
        return out

    def forward(self, theta: FloatArray) -> tuple[Law, markov.ForwardOutput] | None:
        """Forward pass of the chain, with the law; None where the law does not exist."""
        arrays = self._arrays(theta)
        return None if arrays is None else (arrays[0], markov.forward(*arrays[1], lags=self.lags))

    def reason(self, theta: FloatArray, label: Callable[[int], str]) -> str | None:
        """Why the log-likelihood is -inf; None where it is finite.

        Parameters
        ----------
        theta : ndarray, shape (K,)
        label : callable
            Words for a row.
        """
        words = self.domain.reason(theta)
        if words is not None:
            return words
        q, s = self.q
        transition = self.transitions.value(theta[:q], self.inputs)
        if not transition.min() >= 0.0:
            i = int(np.argwhere(transition < 0.0)[0][-2])
            return f"the probabilities of the steps from regime h{i + 1} sum to more than one"
        start = self.starts.value(theta[q : q + s], self.anchors(transition))
        if start is None:
            return (
                "the chain has several stationary laws, as regimes cannot all be reached from each "
                "other; start='free', 'uniform' or probabilities say where it begins"
            )
        if not start.min() >= 0.0:
            return "the probabilities of the start sum to more than one"
        arrays = self._arrays(theta)
        if arrays is None:
            with np.errstate(all="ignore"):
                density = self.log_density(theta)
            row = int(self.rows[np.argmax((np.isnan(density) | (density == np.inf)).any(axis=1))])
            return f"the density of {label(row)} is not a number: a parameter is not admissible"
        found = markov.forward(*arrays[1], lags=self.lags)
        if found.impossible is None:
            return None
        row = int(self.rows[found.impossible])
        return f"no regime that can be reached gives {label(row)} a density above zero"

    # --- inside -------------------------------------------------------------------------------

    def anchors(self, transition: FloatArray) -> FloatArray:
        """Transition matrix that a start law may depend on: that of each first row."""
        return transition if transition.ndim == 2 else transition[self.offsets[:-1]]

    def _arrays(self, theta: FloatArray) -> tuple[Law, ChainArrays] | None:
        """Law and the arguments of the kernels; None where the likelihood does not exist."""
        if not self.domain(theta):
            return None
        law = self.law(theta)
        if law is None:
            return None
        with np.errstate(all="ignore"):  # far out: refused, quietly
            density = self.log_density(theta)
        if not density.max() < np.inf:  # NaN, or a density without bound
            return None
        return law, (density, *law.chain(self.offsets))

    def expect(self, theta: FloatArray) -> tuple[Expectation, Law | None]:
        """`expectation`, with the law it was computed from (None where there is none)."""
        none = np.empty(0)
        arrays = self._arrays(theta)
        if arrays is None:
            return Expectation(-math.inf, none, none, none), None
        law, chain = arrays
        found = markov.smooth(*chain, lags=self.lags)
        if not math.isfinite(found.llf):
            return Expectation(-math.inf, none, none, none), None
        d_transition, d_start = found.d_transition, found.d_start
        if self.plan is not None:
            d_transition, d_start = self.plan.collapse(
                law.transition, law.start, d_transition, d_start, chain[2]
            )
        return Expectation(found.llf, found.smoothed, d_transition, d_start), law

    def _batches(self, theta: FloatArray, law: Law) -> list[IntArray]:
        """Parameters whose tangents are taken together."""
        states = law.start.shape[1] if self.plan is None else self.plan.size
        size = max(law.transition.size, len(self.rows) * states)
        each = max(1, TANGENT_BUDGET // size)
        return [np.arange(a, min(a + each, len(theta))) for a in range(0, len(theta), each)]

    def _some_scores(
        self,
        theta: FloatArray,
        law: Law,
        chain: ChainArrays,
        d_density: FloatArray,
        some: IntArray,
    ) -> FloatArray:
        """Scores of the chain's rows by the parameters `some`, (n_chain, len(some))."""
        q, s = self.q
        m = len(some)
        of_law = np.flatnonzero(some < q + s)
        moves = some[some < q]
        d_transition = np.zeros((*law.transition.shape, m))
        d_start = np.zeros((*law.start.shape, m))
        if of_law.size:
            tangents = self.transitions.tangents(theta[:q], self.inputs)[..., moves]
            d_transition[..., : len(moves)] = tangents
            anchors = tangents if tangents.ndim == 3 else tangents[self.offsets[:-1]]
            laws = self.starts.tangents(
                theta[q : q + s], self.anchors(law.transition), law.start, anchors
            )
            own = some[(some >= q) & (some < q + s)] - q
            d_start[..., : len(moves)] = laws[..., s:]
            d_start[..., len(moves) : len(of_law)] = laws[..., own]
        if self.plan is not None:
            d_transition, d_start = self.plan.tangents(
                law.transition, law.start, d_transition, d_start
            )
        d_rows = np.zeros((*chain[0].shape, m))
        d_rows[..., len(of_law) :] = d_density[..., some[len(of_law) :] - q - s]
        log_density, transition, start, offsets = chain
        return markov.score_obs(
            log_density, transition, start, d_rows, d_transition, d_start, offsets, lags=self.lags
        )[1]


def _compressed(rows: FloatArray) -> FloatArray:
    """Triangle (q, q) with the cross product of the rows (n, q), from the rows themselves."""
    q = rows.shape[1]
    if not np.isfinite(rows).all():
        return np.full((q, q), np.nan)
    out = np.zeros((q, q))
    triangle = np.linalg.qr(rows, mode="r")
    out[: len(triangle)] = triangle
    return out
