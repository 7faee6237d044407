"""Estimates that run to infinity: separated log odds, and degrees of freedom of a normal law.

Inputs that tell some rows apart without error send log odds to infinity (Albert and Anderson 1984,
Biometrika 71, 1-10): the likelihood rises to a bound that no number reaches, and a climb ends where
the rise is lost in rounding. What is found there has no standard error; all that does not depend on
how far the climb went has the one of the limit. Degrees of freedom of Student's t grow without end
where the tails are those of a normal law.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.models.regimes.law.simplexes import with_constant
from rnnstats.models.regimes.law.starts import LogitStart

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = ["Runaways", "runaways"]

FloatArray = NDArray[np.float64]

# Degrees of freedom at which the log density is that of a normal law to 1e-4 at four standard
# deviations; a maximum inside has 1 / df of the order of 1 / sqrt(nobs).
NORMAL = 1e5
# Information along a direction, as a share of that at log odds of zero or a mean of one: a maximum
# inside expects about one event, at least 1 / nobs; climbs to infinity end far below.
GONE = 1e-8
# Smallest eigenvalue of the information at log odds of zero, unit diagonal, that is not rounding.
ROUNDING = 1e-10
# Share of a direction of length one that is no part of it.
NOTHING = 1e-3
ODDS, ENDS = "probabilities of 0 or 1", "fitted values at an end of their range"
COEFFICIENTS = frozenset({"V", "D", "b_y", "b_y_trend"})


@dataclass(frozen=True, eq=False)
class Runaways:
    """What runs to infinity at a point.

    Attributes
    ----------
    alone : tuple of int
        Places of free parameters that do so by themselves.
    together : ndarray, shape (k_free, m)
        Directions of several free parameters, of which some combination is known.
    words : tuple of str
    """

    alone: tuple[int, ...]
    together: FloatArray
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Part:
    """Information on the linear predictors of one law, at a point and at predictors of zero."""

    places: NDArray[np.intp]
    here: FloatArray
    level: FloatArray
    words: str


def runaways(model: MarkovRNN, theta: FloatArray) -> Runaways:
    """Find the free parameters that run to infinity.

    Parameters
    ----------
    model : MarkovRNN
    theta : ndarray, shape (k_params,)
        The end of a climb.

    Returns
    -------
    Runaways
        Empty where the likelihood does not exist.
    """
    layout = model.layout
    free = layout.reduce(theta)
    groups = dict(zip(layout.names, layout.groups, strict=True))
    alone = [
        i for i, name in enumerate(layout.free_names) if groups[name] == "df" and free[i] >= NORMAL
    ]
    words = [f"{layout.free_names[i]} runs to infinity (a normal law)" for i in alone]
    pieces = []
    for part in _parts(model, theta):
        found, unit = _lost(layout.expansion[part.places], part)
        if not found.shape[1]:
            continue
        names = [layout.free_names[i] for i in np.flatnonzero(found.any(axis=1))]
        verb = "runs" if len(names) == 1 else "run"
        words.append(f"{', '.join(names)} {verb} to infinity ({part.words} in some rows)")
        own = np.linalg.norm(np.linalg.qr(found)[0], axis=1) > 1.0 - NOTHING**2
        alone += np.flatnonzero(own).tolist()
        pieces.append(unit[:, None] * _rest(found, own))
    together = np.hstack(pieces) if pieces else np.empty((layout.k_free, 0))
    return Runaways(tuple(alone), together, tuple(words))


def _rest(found: FloatArray, own: NDArray[np.bool_]) -> FloatArray:
    """Directions beside those of single parameters, an orthonormal basis."""
    left = np.where(own[:, None], 0.0, found)
    vectors, sizes, _ = np.linalg.svd(left, full_matrices=False)
    out: FloatArray = vectors[:, sizes > NOTHING * np.linalg.norm(found)]
    return out


def _lost(expansion: FloatArray, part: _Part) -> tuple[FloatArray, FloatArray]:
    """Directions of the free parameters whose information is gone, (k_free, m), and their units."""
    level = expansion.T @ part.level @ expansion
    size = np.sqrt(np.diagonal(level))
    live = np.flatnonzero(size > 0.0)
    unit = np.zeros_like(size)
    unit[live] = 1.0 / size[live]
    if not live.size or not np.isfinite(part.here).all():
        return np.zeros((len(size), 0)), unit
    scaled = expansion[:, live] * unit[live]
    values, vectors = np.linalg.eigh(scaled.T @ part.level @ scaled)
    whole = values > ROUNDING * values[-1]
    white = vectors[:, whole] / np.sqrt(values[whole])
    shares, axes = np.linalg.eigh(white.T @ scaled.T @ part.here @ scaled @ white)
    gone = white @ axes[:, shares < GONE]
    out = np.zeros((len(size), gone.shape[1]))
    if gone.shape[1]:
        out[live] = np.linalg.qr(gone)[0]
        out[np.linalg.norm(out, axis=1) < NOTHING] = 0.0
    return out, unit


def _parts(model: MarkovRNN, theta: FloatArray) -> list[_Part]:
    """All linear predictors whose information can vanish."""
    likelihood = model.likelihood
    linked = [
        (block, bound, place)
        for block, bound, place in zip(
            model.blocks, likelihood.bound, likelihood.parts, strict=True
        )
        if block.discrete and COEFFICIENTS & set(block.groups)
    ]
    starts = likelihood.starts
    if likelihood.inputs is None and not linked and not isinstance(starts, LogitStart):
        return []
    found, law = likelihood.expect(theta)
    if law is None or not np.isfinite(found.llf):
        return []
    parts: list[_Part] = []
    q, k_start = likelihood.q
    if likelihood.inputs is not None:
        steps = law.transition * found.d_transition
        design = with_constant(likelihood.inputs)
        width = q // model.k_regimes
        for i in range(model.k_regimes if q else 0):
            leaving = np.maximum(steps[:, i].sum(axis=1), 0.0)
            places = np.arange(i * width, (i + 1) * width)
            parts.append(_odds(places, law.transition[:, i], leaving, design))
    if isinstance(starts, LogitStart) and k_start:
        sure = np.ones(len(starts.design))
        parts.append(_odds(np.arange(q, q + k_start), law.start, sure, starts.design))
    weights = likelihood.block_weights(found.weights)
    for block, bound, place in linked:
        at = np.array([group in COEFFICIENTS for group in block.groups])
        part = theta[place]
        pair = [bound.curvature(p, weights) for p in (part, np.where(at, 0.0, part))]
        inner = np.ix_(at, at)
        places = np.flatnonzero(at) + place.start
        parts.append(_Part(places, pair[0][inner], pair[1][inner], ENDS))
    return parts


def _odds(
    places: NDArray[np.intp], shares: FloatArray, weights: FloatArray, design: FloatArray
) -> _Part:
    """Log odds against the last category; shares (n, K), weights (n,), design (n, r)."""
    others = shares.shape[1] - 1

    def information(shares: FloatArray) -> FloatArray:
        spread = shares[:, :, None] * (np.eye(others) - shares[:, None, :])
        total = np.einsum("t,tjk,tr,ts->jrks", weights, spread, design, design, optimize=True)
        size = others * design.shape[1]
        return np.asarray(total.reshape(size, size), dtype=np.float64)

    even = np.full((1, others), 1.0 / (others + 1.0))
    level = information(np.broadcast_to(even, (len(design), others)))
    return _Part(places, information(shares[:, :-1]), level, ODDS)
