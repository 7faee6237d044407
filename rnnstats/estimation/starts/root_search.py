"""Starts of the innovations form by a search over moving average roots.

With the roots of ``A - K C`` given, one-step forecasts are linear in the outputs passed through
first-order filters with those roots, and in the powers of the roots that carry the first state: one
small least squares problem says how well a set of roots can do (variable projection, Golub and
Pereyra 1973). All filters of a grid share one cross-product matrix, so that a thousand sets, roots
on the unit circle among them, cost less than one climb. The best sets that lie apart become
systems: the weight of each root is a matrix of rank one, loading times gain, improved by
alternating least squares.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.realisation import Realisation, leak

__all__ = ["root_search"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ROWS = 1000
# Grid of roots. Near the circle a root acts on a narrow band of frequencies: more angles there.
REALS = (-1.0, -0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.8, 0.9, 0.97, 1.0)
RINGS = ((0.5, 12), (0.8, 12), (0.96, 30))
COARSE_REALS = (-0.9, -0.5, 0.0, 0.5, 0.8, 0.95, 1.0)
COARSE_RINGS = ((0.8, 6), (0.96, 12))
FINE_OUTPUTS = 6
# Sets of roots tried on one grid; fewer where the least squares problems are larger than SIZE.
SETS = 1400
SIZE = 12
# Sets of each kind from which roots are exchanged where not all sets are tried.
LEADERS = 2
# Sets nearer than this (largest distance of two roots) count as one.
APART = 0.2
# Starts taken from one grid before the next, drawn at random, is tried.
BATCH = 16
# In units of the errors the weights of the filters are numbers of order one: a prior variance.
RIDGE = 1.0


class _Grid(NamedTuple):
    """Filters and the cross products they give.

    The real roots come first, one filter each; a pair of complex roots has two, the real and the
    imaginary part.
    """

    roots: NDArray[np.complex128]  # of each filter
    real: int  # number of real roots
    gram: FloatArray  # (filters * p, filters * p)
    cross: FloatArray  # (filters * p, p)
    own: FloatArray  # (p, p)
    rows: int


def root_search(
    z: FloatArray, sigma: FloatArray, n: int, keep: int, rng: np.random.Generator
) -> Iterator[Realisation]:
    """Systems whose moving average roots explain the data well, in no particular coordinates.

    Parameters
    ----------
    z : ndarray, shape (nobs, p)
        Complete, mean zero. The last `ROWS` rows are used.
    sigma : ndarray, shape (p, p)
        Approximate covariance of the errors, for weights.
    n : int
        Number of states.
    keep : int
        How many systems at most.
    rng : numpy.random.Generator
        Used where not all sets of roots of the grid can be tried, and for further grids.

    Yields
    ------
    Realisation
    """
    whiten = np.linalg.inv(np.linalg.cholesky(sigma))
    back = np.linalg.inv(whiten)
    white = z[-ROWS:] @ whiten.T
    taken: list[NDArray[np.complex128]] = []
    for batch in range(-(-keep // BATCH)):
        grid = _grid(white, rng if batch else None)
        sets = _sets(grid, n, rng)
        for chosen in _apart(grid, sets, taken, min(keep - len(taken), BATCH)):
            closed, c, gain = _system(grid, chosen)
            yield Realisation(closed + gain @ c, back @ c, gain @ whiten)


def _grid(white: FloatArray, rng: np.random.Generator | None) -> _Grid:
    """Filter the data with all roots of the grid, or of one shaken at random."""
    p = white.shape[1]
    fine = p <= FINE_OUTPUTS
    reals = np.array(REALS if fine else COARSE_REALS)
    rings = RINGS if fine else COARSE_RINGS
    spacing = np.concatenate([np.full(count, math.pi / count) for _, count in rings])
    turns = np.concatenate([np.arange(count) + 0.5 for _, count in rings]) * spacing
    radius = np.concatenate([np.full(count, size) for size, count in rings])
    if rng is not None:
        reals = np.sort(np.clip(reals + 0.1 * rng.standard_normal(len(reals)), -1.0, 1.0))
        radius = np.clip(radius + 0.1 * rng.standard_normal(len(radius)), 0.0, 1.0)
        turns = turns + rng.uniform(-0.5, 0.5, len(turns)) * spacing
    pairs = radius * np.exp(1j * turns)
    drive = np.zeros((len(white), p + 1))
    drive[1:, :p] = white[:-1]
    drive[0, p] = 1.0
    filtered = np.zeros((len(white), len(reals) + 2 * len(pairs), p + 1))
    for i, root in enumerate(reals):
        filtered[:, i] = leak(float(root), drive)
    last = drive.astype(np.complex128)
    for j, root in enumerate(pairs):
        trace = leak(complex(root), last)
        filtered[:, len(reals) + 2 * j] = trace.real
        filtered[:, len(reals) + 2 * j + 1] = trace.imag
    flat = filtered.reshape(len(white), -1)
    roots = np.concatenate([reals.astype(np.complex128), np.repeat(pairs, 2)])
    return _Grid(roots, len(reals), flat.T @ flat, flat.T @ white, white.T @ white, len(white))


def _places(sets: IntArray, p: int) -> IntArray:
    """Rows of the cross products that belong to the filters of each set."""
    places: IntArray = sets[..., None] * (p + 1) + np.arange(p + 1)
    places = places.reshape(*sets.shape[:-1], -1)
    return places


def _heights(grid: _Grid, sets: IntArray) -> FloatArray:
    """Log-likelihood of each set up to a constant, the weights of the filters unrestricted.

    The first state has a normal prior, so that a root pays for being near the circle, where the
    first state is never forgotten, as it does in the exact likelihood.
    """
    p = len(grid.own)
    at = _places(sets, p)
    gram = grid.gram[at[:, :, None], at[:, None, :]] + RIDGE * np.eye(at.shape[1])
    cross = grid.cross[at]
    left = grid.own - cross.transpose(0, 2, 1) @ np.linalg.solve(gram, cross)
    sign, size = np.linalg.slogdet(left)
    own = np.diag(grid.gram)[at.reshape(len(sets), -1, p + 1)[:, :, p]]
    fits = np.where(sign > 0, -0.5 * grid.rows * size, -np.inf)
    heights: FloatArray = fits - 0.5 * np.log1p(own).sum(axis=1)
    return heights


def _sets(grid: _Grid, n: int, rng: np.random.Generator) -> IntArray:
    """Sets of filters: all there are, or a sample and what exchanges lead to; best first."""
    p, pairs = len(grid.own), (len(grid.roots) - grid.real) // 2
    cap = max(40, int(SETS * min(3.0, SIZE / (n * p))))
    kinds = [k for k in range(n // 2 + 1) if n - 2 * k <= grid.real and k <= pairs]
    if not kinds:  # more states than the grid has roots
        return np.zeros((0, n), dtype=np.intp)
    total = sum(math.comb(pairs, k) * math.comb(grid.real, n - 2 * k) for k in kinds)
    if total <= cap:
        sets = np.array(
            [
                _filters(grid, reals, twos)
                for k in kinds
                for twos in itertools.combinations(range(pairs), k)
                for reals in itertools.combinations(range(grid.real), n - 2 * k)
            ]
        )
        return sets[np.argsort(-_heights(grid, sets), kind="stable")]
    drawn = []
    for i in range(cap // 2):
        k = kinds[i % len(kinds)]
        twos = np.sort(rng.choice(pairs, k, replace=False))
        reals = np.sort(rng.choice(grid.real, n - 2 * k, replace=False))
        drawn.append(_filters(grid, reals, twos))
    pool = _Pool(grid, np.array(drawn))
    for k in kinds:
        for start in pool.leaders(n - 2 * k, LEADERS):
            _exchanged(grid, start, pool, cap // (2 * LEADERS * len(kinds)))
    return pool.ranked()


class _Pool:
    """Sets tried so far, with their heights."""

    def __init__(self, grid: _Grid, sets: IntArray) -> None:
        self.grid = grid
        self.sets = [sets]
        self.heights = [_heights(grid, sets)]

    def add(self, sets: IntArray) -> FloatArray:
        """Try some more; return their heights."""
        heights = _heights(self.grid, sets)
        self.sets.append(sets)
        self.heights.append(heights)
        return heights

    def leaders(self, reals: int, count: int) -> IntArray:
        """The best with a given number of real roots among those first drawn."""
        kind = (self.sets[0] < self.grid.real).sum(axis=1) == reals
        order = np.argsort(-self.heights[0][kind], kind="stable")[:count]
        chosen: IntArray = self.sets[0][kind][order]
        return chosen

    def ranked(self) -> IntArray:
        """All of them, best first."""
        order = np.argsort(-np.concatenate(self.heights), kind="stable")
        return np.concatenate(self.sets)[order]


def _filters(grid: _Grid, reals: Iterable[int], twos: Iterable[int]) -> list[int]:
    return [*reals, *(grid.real + 2 * j + part for j in twos for part in (0, 1))]


def _exchanged(grid: _Grid, start: IntArray, pool: _Pool, budget: int) -> None:
    """Exchange one root after the other for the best of the grid, while that gains."""
    best, height = start, float(_heights(grid, start[None])[0])
    still, i = 0, 0
    heads = [j for j, f in enumerate(start) if f < grid.real or (f - grid.real) % 2 == 0]
    while budget > 0 and still < len(heads):
        j = heads[i % len(heads)]
        i += 1
        if best[j] < grid.real:
            offers = np.setdiff1d(np.arange(grid.real), best)
            trial = np.repeat(best[None], len(offers), axis=0)
            trial[:, j] = offers
        else:
            offers = np.setdiff1d(np.arange(grid.real, len(grid.roots), 2), best)
            trial = np.repeat(best[None], len(offers), axis=0)
            trial[:, j], trial[:, j + 1] = offers, offers + 1
        still += 1
        if not len(offers):  # the set has all there are
            continue
        budget -= len(offers)
        heights = pool.add(trial)
        top = int(np.argmax(heights))
        if heights[top] > height + 1e-9 * abs(height):
            best, height, still = trial[top], float(heights[top]), 0


def _apart(
    grid: _Grid, sets: IntArray, taken: list[NDArray[np.complex128]], count: int
) -> Iterator[IntArray]:
    """Yield the first sets whose roots differ from all taken before; remember them."""
    for chosen in sets:
        if count <= 0:
            return
        roots = np.sort_complex(grid.roots[chosen])
        if all(float(np.max(np.abs(roots - other))) >= APART for other in taken):
            taken.append(roots)
            count -= 1
            yield chosen


def _system(grid: _Grid, chosen: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Closed-loop transition, loadings and gains of a set of roots."""
    p, n = len(grid.own), len(chosen)
    gram, cross = _without_first_state(grid, chosen)
    free = np.linalg.solve(gram, cross).reshape(n, p, p)
    blocks = gram.reshape(n, p, n, p)
    closed, weights, c = np.zeros((n, n)), np.zeros((n, n, n)), np.zeros((p, n))
    i = 0
    while i < n:
        root = grid.roots[chosen[i]]
        weights[i, i, i] = 1.0
        closed[i, i] = root.real
        if chosen[i] < grid.real:
            c[:, i] = _leading(free[i].T, blocks[i, :, i]).real
            i += 1
            continue
        # state i is Re(kappa f), state i + 1 is -Im(kappa f), kappa = K[i] - 1j * K[i + 1]
        closed[i, i + 1], closed[i + 1, i], closed[i + 1, i + 1] = root.imag, -root.imag, root.real
        weights[i, i + 1, i + 1] = weights[i + 1, i + 1, i] = 1.0
        weights[i + 1, i, i + 1] = -1.0
        own = blocks[i, :, i] + blocks[i + 1, :, i + 1]
        own = own + 1j * (blocks[i + 1, :, i] - blocks[i, :, i + 1])
        loading = _leading((free[i] - 1j * free[i + 1]).T, own)
        c[:, i], c[:, i + 1] = loading.real, loading.imag
        i += 2
    for _ in range(2):
        gain = _gain(gram, cross, weights, c)
        through = np.einsum("srf,rk->sfk", weights, gain).reshape(n, n * p)
        spread = through @ gram @ through.T
        lift = 1e-9 * max(float(np.trace(spread)), 1e-300) * np.eye(n)
        c = np.linalg.solve(spread + lift, through @ cross).T
    return closed, c, _gain(gram, cross, weights, c)


def _without_first_state(grid: _Grid, chosen: IntArray) -> tuple[FloatArray, FloatArray]:
    """Cross products of the outputs' filters with the effect of the first state taken out."""
    p = len(grid.own)
    at = _places(chosen, p)
    gram = grid.gram[np.ix_(at, at)] + RIDGE * np.eye(len(at))
    cross = grid.cross[at]
    first = np.arange(len(at)) % (p + 1) == p
    through = np.linalg.solve(gram[np.ix_(first, first)], gram[np.ix_(first, ~first)]).T
    left = gram[np.ix_(~first, ~first)] - through @ gram[np.ix_(first, ~first)]
    return left, cross[~first] - through @ cross[first]


def _leading(
    weight: NDArray[np.complex128] | FloatArray, gram: NDArray[np.complex128] | FloatArray
) -> NDArray[np.complex128] | FloatArray:
    """Loading of the matrix of rank one that is nearest to a weight in the metric of its filter."""
    gram = 0.5 * (gram + gram.conj().T)
    left: NDArray[np.complex128] | FloatArray = np.linalg.svd(weight @ np.linalg.cholesky(gram))[0]
    return left[:, 0]


def _gain(gram: FloatArray, cross: FloatArray, weights: FloatArray, c: FloatArray) -> FloatArray:
    """Least squares gain (n, p) for given closed-loop roots and loadings."""
    p, n = c.shape
    size = n * p
    normal, target = np.zeros((size, size)), np.zeros(size)
    for i in range(p):
        through = np.tensordot(c[i], weights, 1)  # how gain row r acts through filter f
        spread = (through[:, None, :, None] * np.eye(p)[:, None, :]).reshape(size, size)
        normal += spread @ gram @ spread.T
        target += spread @ cross[:, i]
    normal += 1e-9 * max(float(np.trace(normal)), 1e-300) / size * np.eye(size)
    gain: FloatArray = np.linalg.solve(normal, target).reshape(n, p)
    return gain
