"""Maxima on the border: probabilities of exactly zero, found by the Kuhn-Tucker conditions.

In softmax coordinates a probability that wants to be zero sends its coordinate to minus infinity;
the likelihood creeps towards a supremum it never reaches, and nothing can be said about the other
parameters. Here such a probability is put at zero, where the likelihood is as good as anywhere
else, the rest is maximised, and the multiplier is looked at: the slope of the log-likelihood as
the probability grows at the expense of the others in proportion. If it is positive the zero was
wrong, and is given up. Positive parameters whose border is admissible (the mean of a count, an
overdispersion) are treated alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.models.regimes.fit.infinity import runaways
from rnnstats.parameters.transforms import Block, Transform

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = ["Face", "border_words", "pinned", "released"]

FloatArray = NDArray[np.float64]

# A probability below this share of its total is a candidate for zero.
SMALL = 2e-3
# Positive parameters below this are candidates: on the scale of means and dispersions, relative
# to one.
TINY = 1e-5
# Multipliers up to this share of the largest slope are zero: rounding, and what is left of the
# climb. The log-likelihood would rise by no more than that times the probability.
SLACK = 1e-6
# Log-likelihood that may be lost by a move to the border, as a share: rounding.
LOSS = 1e-10
# Step of differences, in standard errors: truncation 1e-7, rounding far below.
STEP = 1e-3
# Step of forward differences, in standard errors (small units, and locations far from zero) and at
# most relative to a coordinate or one (coordinates of which the rows say next to nothing).
SHARE, DIFFERENCE = 1e-5, 1e-6
# Standard errors from an end within which the transform's own curvature is left out.
NEAR = 0.3
# Where a probability goes that does not belong at zero.
INSIDE = 1e-3
POSITIVE = frozenset({"mean", "dispersion"})


@dataclass(frozen=True, eq=False)
class Face:
    """Coordinates of what is left when some parameters stay on their border.

    Attributes
    ----------
    model : MarkovRNN
    transform : Transform
        Of the free parameters; those on the border have no coordinate.
    allowed : callable
        ``theta -> bool``: whether no regime has shrunk below the floor.
    latest : list of ndarray
        The last point, in the coordinates and in the natural parameters, and the gradient in the
        latter.
    spent : list of int
        Gradients that curvatures took, one number a curvature.
    errors : list of ndarray
        Standard errors of the coordinates where the first curvature was taken.
    """

    model: MarkovRNN
    transform: Transform
    allowed: Callable[[FloatArray], bool]
    latest: list[FloatArray] = field(default_factory=list)
    spent: list[int] = field(default_factory=list)
    errors: list[FloatArray] = field(default_factory=list)

    @classmethod
    def at(
        cls,
        model: MarkovRNN,
        theta: FloatArray,
        allowed: Callable[[FloatArray], bool],
        held: tuple[int, ...] = (),
    ) -> Face:
        """The face that a point lies on.

        Parameters
        ----------
        model : MarkovRNN
        theta : ndarray, shape (k_params,)
        allowed : callable
        held : tuple of int
            Free parameters that stay where they are.
        """
        free = model.layout.reduce(theta)
        transform = model.transform
        if not _far_inside(model, free):
            transform = transform.holding(free)
        if held:
            transform = _holding(transform, free, held)
        return cls(model, transform, allowed)

    def theta(self, psi: FloatArray) -> FloatArray:
        """Natural parameters."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.model.layout.expand(self.transform.to_natural(psi))

    def psi(self, theta: FloatArray) -> FloatArray:
        """Coordinates; ValueError outside the domain."""
        return self.transform.to_unconstrained(self.model.layout.reduce(theta))

    def __call__(self, psi: FloatArray) -> tuple[float, FloatArray]:
        """Log-likelihood and gradient in the coordinates; -inf below a floor."""
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            theta = self.model.layout.expand(self.transform.to_natural(psi))
            value, gradient = self.model.likelihood.value_and_gradient(theta)
        if value == -math.inf or not self.allowed(theta):
            return -math.inf, psi
        self.latest[:] = [np.array(psi), theta, gradient]
        return value, self.transform.pull(psi, self.model.layout.pull(gradient))

    def curvature(self, psi: FloatArray) -> FloatArray:
        """Hessian by forward differences; NaN where a neighbour is not admissible.

        They are taken of the gradient in the natural parameters, along the coordinates. What the
        transform adds is a multiple of the score, and nothing where that is next to nothing.
        """
        if not self.latest or not np.array_equal(self.latest[0], psi):
            self(psi)
        _, theta, gradient = self.latest
        chain = self.model.layout.expansion @ self.transform.jacobian(psi)
        if not self.errors:
            self.errors.append(self._errors(psi))
        lengths = np.minimum(SHARE * self.errors[0], DIFFERENCE * np.maximum(np.abs(psi), 1.0))
        self.spent.append(len(lengths))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            slopes = self.model.likelihood.gradients(theta + (lengths * chain).T)
            out = chain.T @ ((slopes - gradient).T / lengths)
            curved = np.maximum(-np.diagonal(out), 1e-300)
            decrement = (chain.T @ gradient) ** 2 @ (1.0 / curved)  # infinite where it is convex
        if decrement > NEAR**2:
            free = self.model.layout.pull(gradient)
            score = self.transform.pull(psi, free)
            for i, length in enumerate(lengths):
                moved = psi.copy()
                moved[i] += length
                out[i] += (self.transform.pull(moved, free) - score) / length
        return 0.5 * (out + out.T)

    def hessian(self, psi: FloatArray) -> FloatArray:
        """Central differences of the gradient, NaN where a neighbour is not admissible.

        The step is that of coordinates which are logs and log odds, or numbers in the units of the
        data: a share of their standard error.
        """
        length = psi.shape[0]
        out = np.empty((length, length))
        steps = np.minimum(STEP * self._errors(psi), np.maximum(np.abs(psi), 1.0))
        for i, step in enumerate(steps):
            sides = []
            for sign in (step, -step):
                neighbour = psi.copy()
                neighbour[i] += sign
                value, gradient = self(neighbour)
                sides.append(gradient if value > -math.inf else np.full(length, np.nan))
            out[i] = (sides[0] - sides[1]) / (2.0 * step)
        return 0.5 * (out + out.T)

    def information(self, psi: FloatArray) -> FloatArray:
        """Outer products of the scores of the rows, in the coordinates."""
        chain = self.model.layout.expansion @ self.transform.jacobian(psi)
        info: FloatArray = chain.T @ self.model.information(self.theta(psi)) @ chain
        return info

    def _errors(self, psi: FloatArray) -> FloatArray:
        """Standard error of each coordinate alone; infinite where the rows say nothing of it."""
        own = np.diag(self.information(psi))
        with np.errstate(divide="ignore"):
            return 1.0 / np.sqrt(np.where(own > 0.0, own, 0.0))


@dataclass(frozen=True)
class _Candidate:
    """Something that may sit on its border: an entry of a simplex, or a positive parameter."""

    block: int
    entry: int


def pinned(
    model: MarkovRNN, theta: FloatArray, llf: float, wrong: set[tuple[int, int]]
) -> FloatArray:
    """Put on the border what belongs there.

    Parameters
    ----------
    model : MarkovRNN
    theta : ndarray, shape (k_params,)
    llf : float
        Log-likelihood there.
    wrong : set
        What was given up before and is not tried again.

    Returns
    -------
    ndarray, shape (k_params,)
        `theta` itself where there is nothing.
    """
    free = model.layout.reduce(theta)
    if _far_inside(model, free):
        return theta
    chosen = [c for c in _candidates(model, free) if (c.block, c.entry) not in wrong]
    floor = llf - LOSS * (1.0 + abs(llf))
    while chosen:
        moved = _on_border(model, free, chosen)
        value, gradient = model.likelihood.value_and_gradient(model.layout.expand(moved))
        if value == -math.inf:  # some of it cannot be: one by one
            if len(chosen) == 1:
                return theta
            chosen = [c for c in chosen if _possible(model, free, c)][: len(chosen) - 1]
            continue
        slopes = model.layout.pull(gradient)
        slack = _slack(model, slopes)
        kept = [c for c in chosen if _multiplier(model, moved, slopes, c) <= slack]
        if len(kept) == len(chosen):
            return model.layout.expand(moved) if value >= floor else theta
        chosen = kept
    return theta


def released(model: MarkovRNN, theta: FloatArray, wrong: set[tuple[int, int]]) -> FloatArray:
    """Take off the border what does not belong there, by the sign of its multiplier.

    Parameters
    ----------
    model : MarkovRNN
    theta : ndarray, shape (k_params,)
    wrong : set
        What is given up joins it.

    Returns
    -------
    ndarray, shape (k_params,)
        `theta` itself where all multipliers are right.
    """
    free = model.layout.reduce(theta)
    if _far_inside(model, free):
        return theta
    slopes: FloatArray | None = None
    moved = free.copy()
    for at, block in enumerate(model.transform.blocks):
        for entry in _zeros(model, block, free):
            if slopes is None:
                slopes = model.layout.pull(model.likelihood.value_and_gradient(theta)[1])
            candidate = _Candidate(at, entry)
            if _multiplier(model, free, slopes, candidate) > _slack(model, slopes):
                wrong.add((at, entry))
                _push_inside(block, moved, entry)
    return theta if (moved == free).all() else model.layout.expand(moved)


def border_words(model: MarkovRNN, theta: FloatArray) -> tuple[str, ...]:
    """What sits on a border or runs to infinity, in words.

    Parameters
    ----------
    model : MarkovRNN
    theta : ndarray, shape (k_params,)

    Returns
    -------
    tuple of str
    """
    free = model.layout.reduce(theta)
    names = model.layout.free_names
    words: list[str] = []
    for block in () if _far_inside(model, free) else model.transform.blocks:
        for entry in _zeros(model, block, free):
            if entry < len(block.indices):
                words.append(f"{names[block.indices[entry]]} = 0")
            else:
                inside = [names[i] for i in (*block.shared, *block.indices) if free[i] > 0.0]
                words.append(f"{' + '.join(inside)} = {block.mass:g}")
    return (*words, *runaways(model, theta).words)


def _holding(transform: Transform, free: FloatArray, held: tuple[int, ...]) -> Transform:
    """A transform in which some parameters have no coordinate."""
    pieces: list[Block] = []
    for block in transform.blocks:
        if not set(block.indices) & set(held):
            pieces.append(block)
        elif block.kind == "positive":
            kept = tuple(i for i in block.indices if i not in held)
            pieces.append(replace(block, indices=kept))
    pieces += [Block("held", (i,), lo=float(free[i])) for i in held]
    return Transform(transform.k, pieces)


def _group(model: MarkovRNN, place: int) -> str:
    return model.layout.groups[model.layout.names.index(model.layout.free_names[place])]


def _mass(block: Block, free: FloatArray) -> float:
    """What the entries of a simplex that are its own sum to, with the implied one."""
    return block.mass - float(free[list(block.shared)].sum())


def _far_inside(model: MarkovRNN, free: FloatArray) -> bool:
    """Whether nothing that has a border is near it: a first look, which does not take its time."""
    values = free.tolist()
    for block in model.transform.blocks:
        if block.kind == "simplex":
            own = [values[i] for i in block.indices]
            mass = block.mass - sum([values[i] for i in block.shared])
            if own and min(*own, mass - sum(own)) < SMALL * mass:
                return False
        elif block.kind == "positive" and min([values[i] for i in block.indices], default=1) < TINY:
            return False
        elif block.kind == "interval":
            room = TINY * (block.hi - block.lo)
            if any(min(values[i] - block.lo, block.hi - values[i]) < room for i in block.indices):
                return False
    return True


def _candidates(model: MarkovRNN, free: FloatArray) -> list[_Candidate]:
    """What is near its border but not on it."""
    found = []
    for at, block in enumerate(model.transform.blocks):
        values = free[list(block.indices)]
        if block.kind == "simplex" and block.indices:
            mass = _mass(block, free)
            full = np.append(values, mass - values.sum())
            near = np.flatnonzero((full < SMALL * mass) & (full != 0.0))
            near = near[full[near] > 4.0 * np.finfo(float).eps * (near == len(values))]
            found += [_Candidate(at, int(i)) for i in near]
        elif block.kind == "positive":
            near = np.flatnonzero((values < TINY) & (values > 0.0))
            found += [
                _Candidate(at, int(i)) for i in near if _group(model, block.indices[i]) in POSITIVE
            ]
    return found


def _zeros(model: MarkovRNN, block: Block, free: FloatArray) -> list[int]:
    """Entries of a block that are on the border."""
    if block.kind not in ("simplex", "positive"):
        return []
    values = free[list(block.indices)]
    zeros = np.flatnonzero(values == 0.0).tolist()
    if block.kind == "simplex" and block.indices:
        left = _mass(block, free) - values.sum()
        if left <= 4.0 * np.finfo(float).eps * len(values):
            zeros.append(len(values))
    return [int(i) for i in zeros]


def _on_border(model: MarkovRNN, free: FloatArray, chosen: list[_Candidate]) -> FloatArray:
    """Put entries at zero; the others of a simplex grow in proportion."""
    moved = free.copy()
    by_block: dict[int, list[int]] = {}
    for candidate in chosen:
        by_block.setdefault(candidate.block, []).append(candidate.entry)
    for at, entries in by_block.items():
        block = model.transform.blocks[at]
        places = list(block.indices)
        if block.kind == "positive":
            moved[[places[i] for i in entries]] = 0.0
            continue
        mass = _mass(block, free)
        full = np.append(moved[places], mass - moved[places].sum())
        full[entries] = 0.0
        full *= mass / full.sum()
        if len(places) in entries:  # exact: the others use up the mass
            last = int(np.argmax(full[:-1]))
            full[last] = mass - (full[:-1].sum() - full[last])
        moved[places] = full[:-1]
    return moved


def _slack(model: MarkovRNN, slopes: FloatArray) -> float:
    """Largest multiplier that counts as zero, by slopes of probabilities, which have no units."""
    simplexes = [block.indices for block in model.transform.blocks if block.kind == "simplex"]
    places = [place for indices in simplexes for place in indices]
    return SLACK * max(1.0, float(np.abs(slopes[places]).max(initial=0.0)))


def _possible(model: MarkovRNN, free: FloatArray, candidate: _Candidate) -> bool:
    moved = model.layout.expand(_on_border(model, free, [candidate]))
    return model.likelihood.value(moved) > -math.inf


def _multiplier(
    model: MarkovRNN, free: FloatArray, slopes: FloatArray, candidate: _Candidate
) -> float:
    """Slope of the log-likelihood as the entry leaves zero."""
    block = model.transform.blocks[candidate.block]
    places = list(block.indices)
    own = np.append(slopes[places], 0.0)
    if block.kind == "positive":
        return float(own[candidate.entry])
    values = free[places]
    mean = float(values @ own[:-1]) / _mass(block, free)
    return float(own[candidate.entry] - mean)


def _push_inside(block: Block, free: FloatArray, entry: int) -> None:
    """Take an entry off zero, in place."""
    places = list(block.indices)
    if block.kind == "positive":
        free[places[entry]] = TINY
        return
    free[places] *= 1.0 - INSIDE
    if entry < len(places):
        free[places[entry]] += INSIDE * _mass(block, free)
