"""Starting values for a table of cells whose meaning nobody told us, on arrays.

A start is put together from what a parameter's cells say it is: a root, a loading, a variance, a
coefficient of a mean. Roots and the share of a series' variance that is noise are tried on a
coarse grid and then at random; given them, loadings and variances follow from the second moments
of levels and differences. Means, drifts and inputs are left at zero (least squares finds them,
given the rest).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.system import StateSpace
from rnnstats.parameters.cells import CellTable
from rnnstats.parameters.layout import Layout

__all__ = ["Moments", "Use", "moments_of", "structured_starts", "uses_of"]

FloatArray = NDArray[np.float64]
# A straight line has neither residuals nor changing steps, and a likelihood all the same: moments
# are at least this share of the variance.
SHARE = 1e-6
GRID = ((0.5, 0.5), (0.8, 0.9), (0.2, 0.9), (0.8, 0.2), (0.2, 0.2), (0.5, -0.3), (0.95, 0.7))


@dataclass(frozen=True, slots=True)
class Use:
    """A cell that a parameter fills.

    Attributes
    ----------
    array : str
        By the kernels' name, or C_obs or C_state.
    index : tuple of int
    sign : float
    """

    array: str
    index: tuple[int, ...]
    sign: float


class Moments(NamedTuple):
    """Second moments of the outputs: of deviations from a line, and of changes.

    Attributes
    ----------
    level, change : ndarray, shape (p,)
        Variances; that of changes is for one step.
    correlation : ndarray, shape (p, p)
        Of deviations from a line.
    first : ndarray, shape (p,)
        First observed values.
    """

    level: FloatArray
    change: FloatArray
    correlation: FloatArray
    first: FloatArray


def uses_of(table: CellTable) -> list[list[Use]]:
    """Cells of every parameter, shape (K,) of lists."""
    names = [*StateSpace.offsets(table.k_endog, table.k_states, table.k_posdef), "C_obs", "C_state"]
    spans = [(table.array_cells(name), name) for name in names]
    out: list[list[Use]] = [[] for _ in table.names]
    signs = np.ones(len(table.cells)) if table.signs is None else table.signs
    for cell, which, sign in zip(table.cells, table.which, signs, strict=True):
        for places, name in spans:
            if places.size and places.flat[0] <= cell <= places.flat[-1]:
                at = np.unravel_index(int(cell - places.flat[0]), places.shape)
                out[which].append(Use(name, tuple(int(i) for i in at), float(sign)))
                break
    return out


def moments_of(y: FloatArray) -> Moments:
    """Moments of outputs with gaps, shape (nobs, p)."""
    nobs, p = y.shape
    time = np.arange(nobs, dtype=np.float64)
    z = np.full_like(y, np.nan)
    level, change, first, spread = np.ones(p), np.ones(p), np.zeros(p), np.zeros(p)
    for i in range(p):
        seen = np.flatnonzero(np.isfinite(y[:, i]))
        first[i] = y[seen[0], i] if len(seen) else 0.0
        if len(seen) < 3:
            continue
        spread[i] = float(np.var(y[seen, i]))
        line = np.column_stack([np.ones(len(seen)), time[seen]])
        z[seen, i] = y[seen, i] - line @ np.linalg.lstsq(line, y[seen, i], rcond=None)[0]
        level[i] = float(np.mean(z[seen, i] ** 2))
        steps = np.diff(y[seen, i]) / np.sqrt(np.diff(seen))
        change[i] = float(np.var(steps))
    floor = np.maximum(np.maximum(1e-12 * first**2, SHARE * spread), 1e-300)
    filled = np.where(np.isfinite(z), z, 0.0) / np.sqrt(np.maximum(level, floor))
    correlation = filled.T @ filled / nobs
    return Moments(np.maximum(level, floor), np.maximum(change, floor), correlation, first)


def structured_starts(
    table: CellTable,
    layout: Layout,
    y: FloatArray,
    rng: np.random.Generator,
    finish: Callable[[FloatArray], FloatArray],
    *,
    tries: int = 24,
) -> list[tuple[str, FloatArray]]:
    """Starts of a table of cells.

    Parameters
    ----------
    table : CellTable
    layout : Layout
        Fixed parameters count as numbers.
    y : ndarray, shape (nobs, p)
    rng : numpy.random.Generator
    finish : callable
        ``theta -> theta``: least squares for what is linear.
    tries : int
        Number of starts.

    Returns
    -------
    list of (label, theta)
    """
    guess = _Guess(table, layout, moments_of(y))
    out = []
    for number in range(tries):
        if number < len(GRID):
            share, root = GRID[number]
            theta = guess.theta(share, root, rng, 0.0)
            label = f"moments (noise {share:g}, root {root:g})"
        else:
            share, root = 0.98 * rng.random() + 0.01, 1.4 * rng.random() - 0.45
            theta = guess.theta(share, root, rng, 1.0)
            label = "moments, at random"
        out.append((label, finish(layout.expand(layout.reduce(theta)))))
    return out


class _Guess:
    """Put a start together, array by array."""

    def __init__(self, table: CellTable, layout: Layout, moments: Moments) -> None:
        self.table, self.layout, self.moments = table, layout, moments
        self.uses = uses_of(table)
        self.trending: NDArray[np.bool_] = np.zeros(table.k_endog, dtype=np.bool_)

    def theta(
        self, share: float, root: float, rng: np.random.Generator, spread: float
    ) -> FloatArray:
        """One start: the noise's share of variance, the roots, and how far to draw around."""
        theta = np.zeros(len(self.uses))

        def draw() -> float:
            return math.exp(spread * float(rng.standard_normal()))

        for k, uses in enumerate(self.uses):
            use = uses[0]
            if use.array == "transition":
                same = use.index[0] == use.index[1]
                jitter = 0.15 * spread * float(rng.standard_normal())
                theta[k] = use.sign * ((root if same else 0.0) + jitter)
            elif use.array == "selection":
                theta[k] = use.sign * 0.5 * draw()
        theta = self.layout.expand(self.layout.reduce(theta))
        steady, scale = self._states(theta)
        for k, uses in enumerate(self.uses):
            if uses[0].array == "design":
                theta[k] = np.mean([u.sign * self._loading(u, theta, scale, share) for u in uses])
                if spread:  # the sign is that of correlations, which states share: try others
                    theta[k] *= draw() * (-1.0 if rng.random() < 0.3 else 1.0)
        theta = self.layout.expand(self.layout.reduce(theta))
        design = self.table.array(self.table.fill(theta), "design")
        self.trending = np.abs(design[:, steady == 0.0]).sum(axis=1) > 0.0
        for k, uses in enumerate(self.uses):
            sizes = [
                self._variance(use, design, steady, share)
                for use in uses
                if use.array in ("state_cov", "obs_cov", "initial_cov")
                and use.index[0] == use.index[1]
            ]
            if sizes:
                theta[k] = math.exp(float(np.mean(np.log(sizes)))) * draw()
        return theta

    def _states(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Share ``1 - root**2`` a state (zero: a random walk), and the size of its noise."""
        full = self.table.fill(theta)
        roots = np.diag(self.table.array(full, "transition"))
        steady = np.where(np.abs(roots) < 1.0 - 1e-9, 1.0 - roots**2, 0.0)
        noise = np.sqrt(np.maximum(np.diag(self.table.array(full, "state_cov")), 0.0))
        loading = np.abs(self.table.array(full, "selection"))
        size = loading @ np.where(noise > 0.0, noise, 1.0)
        return steady, np.where(size > 0.0, size, 1.0) / np.sqrt(np.where(steady > 0, steady, 1.0))

    def _base(self, output: int, steady: float) -> float:
        """Variance of an output that a state can explain: of levels only where none wanders."""
        if steady > 0.0 and not self.trending[output]:
            return float(self.moments.level[output])
        return float(min(self.moments.change[output], 2.0 * self.moments.level[output]))

    def _loading(self, use: Use, theta: FloatArray, scale: FloatArray, share: float) -> float:
        """Loading of an output: by a fixed loading of the same state, else by the state's size."""
        i, j = use.index
        fixed = self.table.array(self.table.fill(theta), "design")[:, j]
        level = np.sqrt(self.moments.level)
        known = np.flatnonzero(fixed)
        column = self.table.array_cells("design")[:, j]
        loads = [k for k in range(len(column)) if fixed[k] or column[k] in self.table.cells]
        lead = int(known[0]) if known.size else loads[0]
        sign = -1.0 if self.moments.correlation[i, lead] < 0.0 else 1.0
        if known.size:
            return sign * float(fixed[lead]) * float(level[i] / level[lead])
        return sign * math.sqrt(1.0 - share) * float(level[i]) / float(scale[j])

    def _variance(self, use: Use, design: FloatArray, steady: FloatArray, share: float) -> float:
        """Variance of a noise or of the start."""
        row = use.index[0]
        if use.array == "obs_cov":
            level, change = float(self.moments.level[row]), float(self.moments.change[row])
            mixed = 0.5 * change if self.trending[row] else min(0.5 * (level + change), level)
            return max(share * mixed, 1e-300)
        states = [row]
        if use.array == "state_cov":
            full = self.table.array(self.table.template, "selection")
            states = [int(j) for j in np.flatnonzero(full[:, row])] or [min(row, len(steady) - 1)]
        sizes = []
        for j in states:
            seen = np.flatnonzero(design[:, j])
            for i in seen:
                base = self._base(int(i), steady[j]) / float(design[i, j]) ** 2
                sizes.append(base if use.array == "initial_cov" else base * (steady[j] or 1.0))
        if not sizes:  # a state behind a state, such as a slope
            return 1e-2 * max(1.0 - share, 1e-3) * float(np.exp(np.log(self.moments.change).mean()))
        return (1.0 - share) * float(np.exp(np.mean(np.log(sizes))))
