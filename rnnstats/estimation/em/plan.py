"""Which free parameters the M-step updates how, from the cells they fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from rnnstats.errors import SpecificationError
from rnnstats.parameters.cells import CellTable
from rnnstats.parameters.layout import Layout

__all__ = ["Part", "Plan"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Part:
    """Parameters of one equation.

    Attributes
    ----------
    linear : ndarray of int
        Columns of the free vector that are coefficients.
    variances : ndarray of int
        Columns that are variances or covariances.
    where : tuple of ndarray of int
        For each of these, its cells in the covariance, flattened.
    """

    linear: IntArray
    variances: IntArray
    where: tuple[IntArray, ...]

    @property
    def any(self) -> bool:
        """Whether there is anything to update."""
        return bool(self.linear.size or self.variances.size)

    def update(self, free: FloatArray, spread: FloatArray, counts: FloatArray) -> FloatArray:
        """Covariances from sums of squares, shape (n, n), over numbers of terms (n,)."""
        out = free.copy()
        n = len(spread)
        for column, cells in zip(self.variances, self.where, strict=True):
            out[column] = spread.ravel()[cells].sum() / counts[cells // n].sum()
        return out


class Plan:
    """Split of the free parameters.

    Parameters
    ----------
    table : CellTable
    layout : Layout

    Attributes
    ----------
    state, output : Part
        Of the two equations.
    others : ndarray of int
        Columns of the free vector for which there is no closed form.
    rows, noises : tuple of int
        State equations with noise and the noises in them; as many of one as of the other.
    diagonal : bool
        Whether outputs have noises of their own.
    start_moves : bool
        Whether the start depends on the state equation: it is stationary, or has a stationary part.
    block : tuple of int
        States of that part.
    """

    def __init__(self, table: CellTable, layout: Layout) -> None:
        _check(table)
        self.table, self.layout = table, layout
        self.patterns = {
            name: self._pattern(name)
            for name in ("transition", "design", "selection", "state_cov", "obs_cov")
        }
        self.rows, self.noises = self._noisy()
        self.diagonal = not _off_diagonal(self.patterns["obs_cov"]).any()
        self.start_moves = table.start == "stationary" or bool(table.stationary)
        stationary = table.start == "stationary"
        self.block = tuple(range(table.k_states)) if stationary else table.stationary
        cells = [self._cells(j) for j in range(layout.k_free)]
        self.output = self._part(cells, ("design", "C_obs"), "obs_cov", self._own_noise())
        self.state = self._part(cells, ("transition", "C_state"), "state_cov", set(self.rows))
        done = {*self.output.linear, *self.output.variances}
        done |= {*self.state.linear, *self.state.variances}
        rest = [j for j in range(layout.k_free) if j not in done]
        self.others: IntArray = np.array(rest, dtype=np.intp)
        moved = table.directions().T @ layout.expansion
        self.output_directions = np.array(
            [self.output_coefficients(moved[:, j]) for j in self.output.linear]
        )
        self.state_directions = np.array(
            [self.state_coefficients(moved[:, j]) for j in self.state.linear]
        )

    def output_coefficients(self, full: FloatArray) -> FloatArray:
        """Coefficients of ``(h_t, X_t)``, shape (p, g), in a filled template."""
        table = self.table
        return np.hstack([table.array(full, "design"), table.array(full, "C_obs").T])

    def state_coefficients(self, full: FloatArray) -> FloatArray:
        """Coefficients of ``(h_{t-1}, X_t)``, shape (m, g), in a filled template."""
        table = self.table
        return np.hstack([table.array(full, "transition"), table.array(full, "C_state").T])

    def _pattern(self, name: str) -> NDArray[np.bool_]:
        """Where an array is not zero by structure."""
        table = self.table
        fixed = table.fill(self.layout.base)
        free = (self.layout.expansion.sum(axis=1) > 0.0)[table.which]
        held = table.array(fixed, name) != 0.0
        moved = np.zeros(held.shape, dtype=np.bool_)
        moved[...] = np.isin(table.array_cells(name), table.cells[free])
        moved |= held
        return moved

    def _cells(self, column: int) -> list[tuple[str, tuple[int, ...], float]]:
        """Cells that a free parameter moves: array, index, factor."""
        table = self.table
        moved = table.directions().T @ self.layout.expansion[:, column]
        out = []
        for name in (*_ARRAYS, "C_obs", "C_state"):
            array = table.array(moved, name)
            for index in np.argwhere(array != 0.0):
                at = tuple(int(i) for i in index)
                out.append((name, at, float(array[at])))
        return out

    def _noisy(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Equations with noise, where each has one of its own; none otherwise."""
        noises = np.flatnonzero(self.patterns["state_cov"].diagonal())
        loading = self.patterns["selection"][:, noises]
        rows = np.flatnonzero(loading.any(axis=1))
        fixed = self.table.array(self.table.fill(self.layout.base), "selection")
        square = fixed[np.ix_(rows, noises)]
        if len(rows) != len(noises) or not len(rows):
            return (), ()
        if np.linalg.cond(square) > 1e8 or self._loads():
            return (), ()
        return tuple(int(i) for i in rows), tuple(int(i) for i in noises)

    def _loads(self) -> bool:
        """Whether loadings of noises are estimated."""
        table = self.table
        free = (self.layout.expansion.sum(axis=1) > 0.0)[table.which]
        return bool(np.isin(table.array_cells("selection"), table.cells[free]).any())

    def _own_noise(self) -> set[int]:
        """Outputs with noise."""
        return {int(i) for i in np.flatnonzero(self.patterns["obs_cov"].diagonal())}

    def _part(
        self,
        cells: list[list[tuple[str, tuple[int, ...], float]]],
        linear: tuple[str, str],
        covariance: str,
        noisy: set[int],
    ) -> Part:
        """Parameters of one equation that have a closed form."""
        columns, variances, where = [], [], []
        regular = _regular(self.patterns[covariance], cells, covariance)
        n = len(self.patterns[covariance])
        for j, found in enumerate(cells):
            arrays = {name for name, _, _ in found}
            if found and arrays <= set(linear):
                # rows of a coefficient: of a matrix the first index, of an intercept the second
                at = {index[1] if name.startswith("C_") else index[0] for name, index, _ in found}
                if at <= noisy:
                    columns.append(j)
            elif arrays == {covariance} and regular[j] and noisy:
                variances.append(j)
                where.append(np.array([i * n + k for _, (i, k), _ in found], dtype=np.intp))
        return Part(
            np.array(columns, dtype=np.intp), np.array(variances, dtype=np.intp), tuple(where)
        )


_ARRAYS = (
    "design",
    "obs_cov",
    "transition",
    "selection",
    "state_cov",
    "cross_cov",
    "initial_mean",
    "initial_cov",
)


def _off_diagonal(pattern: NDArray[np.bool_]) -> NDArray[np.bool_]:
    out = pattern.copy()
    np.fill_diagonal(out, False)
    return out


def _regular(
    pattern: NDArray[np.bool_],
    cells: list[list[tuple[str, tuple[int, ...], float]]],
    covariance: str,
) -> list[bool]:
    """Which free parameters are the maximum's own second moments, or means of variances.

    A part of a covariance matrix that is linked by covariances must be unrestricted: each element
    a parameter of its own, free of other cells.
    """
    n = len(pattern)
    _, label = connected_components(pattern, directed=False)
    owner = np.full((n, n), -1)
    size = np.array([(label == k).sum() for k in label])
    plain = [True] * len(cells)
    for j, found in enumerate(cells):
        for name, index, factor in found:
            if name == covariance:
                owner[index] = j
                plain[j] = plain[j] and factor == 1.0
    for j, found in enumerate(cells):
        inside = [index for name, index, _ in found if name == covariance]
        linked = [index for index in inside if size[index[0]] > 1]
        if not linked:
            plain[j] = plain[j] and all(i == k for i, k in inside)
            continue
        members = np.flatnonzero(label == label[linked[0][0]])
        block = owner[np.ix_(members, members)]
        lower = block[np.tril_indices(len(members))]
        distinct = len(set(lower.tolist())) == len(lower) and (lower >= 0).all()
        alone = {tuple(sorted(index)) for index in inside}
        plain[j] = plain[j] and bool(distinct) and len(alone) == 1
    # one restricted element leaves no closed form for its whole part
    for k in range(n):
        members = np.flatnonzero(label == label[k])
        owners = {int(j) for j in owner[np.ix_(members, members)].ravel() if j >= 0}
        if len(members) > 1 and not all(plain[j] for j in owners):
            for j in owners:
                plain[j] = False
    return plain


def _check(table: CellTable) -> None:
    """Refuse what has no states to be missing."""
    places = table.array_cells("cross_cov")
    shared = table.template[places].any() or np.isin(places, table.cells).any()
    diffuse = table.array(table.template, "initial_diffuse").any()
    vague = table.start == "given" and table.first_step == "noisy" and diffuse
    if shared or (table.start == "given" and table.first_step == "noiseless") or vague:
        raise SpecificationError(
            "LinearRNN.fit: method='em' is for states with noise of their own and a start that is "
            "stationary, diffuse or given before a noisy step; got "
            + ("noise shared by output and state" if shared else "another start")
            + ". Use method='auto'."
        )
