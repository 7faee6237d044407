"""A state space whose cells are numbers or named parameters.

A model form is a table: every cell of the buffer of `rnnstats.kernels.system.StateSpace` and of
the coefficient matrices of its intercepts holds a constant or (a multiple of) one natural
parameter; one parameter may fill several cells. Everything a model needs then is arithmetic on
index arrays: the system at given parameters, the gradient in the parameters from the gradient in
the system, and the tangent directions for per-observation scores.

A cell may also hold the sum of several parameters (the gain of a VARMA model in observer form is
the sum of an AR and an MA coefficient).

Intercepts are ``obs_intercept[t] = X_obs[t] @ C_obs`` and ``state_intercept[t] = X_state[t] @
C_state``, where the columns of ``X`` are *terms*: ``"const"`` (one), ``"trend"`` (the row number
t = 1, 2, ...) and ``"exog"`` (one term stands for all input columns).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.kalman import SystemGradient, Tangents
from rnnstats.kernels.system import FirstStep, Start, StateSpace
from rnnstats.parameters.partial_start import complete
from rnnstats.parameters.transforms import Block

__all__ = ["CellTable", "TableBuilder", "regressors"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def regressors(
    terms: Sequence[str], nobs: int, exog: FloatArray | None, first_row: int = 1
) -> FloatArray | None:
    """Return the columns behind an intercept, shape (nobs, k), or None if it does not vary.

    Parameters
    ----------
    terms : sequence of {"const", "trend", "exog"}
    nobs : int
        Number of rows.
    exog : ndarray, shape (nobs, k_exog), optional
    first_row : int
        Value of the trend in the first row.
    """
    if all(term == "const" for term in terms):
        return None
    columns: list[FloatArray] = []
    for term in terms:
        if term == "const":
            columns.append(np.ones((nobs, 1)))
        elif term == "trend":
            columns.append(np.arange(first_row, first_row + nobs, dtype=np.float64)[:, None])
        elif exog is not None:
            columns.append(exog)
    return np.ascontiguousarray(np.hstack(columns))


@dataclass(frozen=True, eq=False)
class CellTable:
    """Cells of a state space as constants and natural parameters.

    Attributes
    ----------
    k_endog, k_states, k_posdef : int
    names, groups : tuple of str, length K
        Natural parameters and the block each belongs to.
    state_names : tuple of str
    blocks : tuple of Block
        Domains of the parameters (places in ``theta``).
    template : ndarray
        ``[system buffer | C_obs | C_state]`` with the constants, zeros where parameters go.
    cells, which : ndarray of int
        ``template[cells] = sign * theta[which]``; a cell that comes up several times holds the sum.
    sums : bool
        Whether any cell does.
    signs : ndarray or None
        Multipliers; None when all are one.
    obs_terms, state_terms : tuple of str
        Terms of the two intercepts.
    start, first_step : str
        Start of the recursion, see `rnnstats.kernels.system.StateSpace`.
    stationary : tuple of int
        States that start stationary beside diffuse ones, see `rnnstats.parameters.partial_start`.
    definite : tuple of str
        Covariances (arrays of the system, or ``"joint"`` for state and output noise together)
        that the parameters' domains do not make positive semi-definite.
    """

    k_endog: int
    k_states: int
    k_posdef: int
    names: tuple[str, ...]
    groups: tuple[str, ...]
    state_names: tuple[str, ...]
    blocks: tuple[Block, ...]
    template: FloatArray
    cells: IntArray
    which: IntArray
    signs: FloatArray | None
    obs_terms: tuple[str, ...]
    state_terms: tuple[str, ...]
    start: Start
    first_step: FirstStep
    k_buffer: int
    k_obs_terms: int
    k_state_terms: int
    sums: bool = False
    stationary: tuple[int, ...] = ()
    definite: tuple[str, ...] = ()

    def fill(self, theta: FloatArray) -> FloatArray:
        """Template with the parameters in their cells, a new array."""
        full = self.template.copy()
        values = theta[self.which]
        if self.signs is not None:
            values *= self.signs
        if self.sums:
            np.add.at(full, self.cells, values)
        else:
            full[self.cells] = values
        return full

    def _where(self, name: str) -> tuple[slice, tuple[int, ...]]:
        p, m, end = self.k_endog, self.k_states, self.k_buffer
        middle = end + self.k_obs_terms * p
        if name == "C_obs":
            return slice(end, middle), (self.k_obs_terms, p)
        if name == "C_state":
            return slice(middle, self.template.size), (self.k_state_terms, m)
        return StateSpace.offsets(p, m, self.k_posdef)[name]

    def place(self, name: str) -> slice:
        """Where an array lies in the template."""
        return self._where(name)[0]

    def array_cells(self, name: str) -> IntArray:
        """Places of an array's cells in the template, in its shape."""
        place, shape = self._where(name)
        return np.arange(place.start, place.stop, dtype=np.intp).reshape(shape)

    def array(self, full: FloatArray, name: str) -> FloatArray:
        """One array of a filled template, by the kernels' name, C_obs or C_state (a view)."""
        place, shape = self._where(name)
        return full[place].reshape(shape)

    def arrays(self, stacked: FloatArray, name: str) -> FloatArray:
        """One array of each of several templates: (k, size) to (k, *shape)."""
        place, shape = self._where(name)
        return stacked[:, place].reshape(len(stacked), *shape)

    def read(self, arrays: Mapping[str, FloatArray]) -> FloatArray:
        """Natural parameters (K,) whose cells have these values; cells not given count as zero.

        An array may have fewer rows than the system's; a parameter in several cells is read from
        the last of those given; where cells hold sums, by least squares.
        """
        full = np.zeros(self.template.size)
        given = np.zeros(self.template.size, dtype=np.bool_)
        for name, values in arrays.items():
            place, shape = self._where(name)
            corner = tuple(slice(0, length) for length in values.shape)
            full[place].reshape(shape)[corner] = values
            given[place].reshape(shape)[corner] = True
        use = given[self.cells]
        if self.sums:
            seen = np.unique(self.cells[use])
            slopes = self.directions()[:, seen].T
            wanted = full[seen] - self.template[seen]
            out = np.asarray(np.linalg.lstsq(slopes, wanted, rcond=None)[0], dtype=np.float64)
            return out
        values = full[self.cells] if self.signs is None else full[self.cells] * self.signs
        theta = np.zeros(len(self.names))
        theta[self.which[use]] = values[use]
        return theta

    def system(
        self, theta: FloatArray, x_obs: FloatArray | None, x_state: FloatArray | None
    ) -> StateSpace:
        """State space at the natural parameters ``theta`` (K,); unchecked, a new value.

        ``x_obs`` and ``x_state`` are what `regressors` gave for the two lists of terms.
        """
        return self.system_from(self.fill(theta), x_obs, x_state)

    def system_from(
        self, full: FloatArray, x_obs: FloatArray | None, x_state: FloatArray | None
    ) -> StateSpace:
        """State space from a filled template."""
        p, m, end = self.k_endog, self.k_states, self.k_buffer
        middle = end + self.k_obs_terms * p
        if x_obs is not None:
            d = x_obs @ full[end:middle].reshape(self.k_obs_terms, p)
        else:
            d = full[end:middle] if self.k_obs_terms else np.zeros(p)
        if x_state is not None:
            c = x_state @ full[middle:].reshape(self.k_state_terms, m)
        else:
            c = full[middle:] if self.k_state_terms else np.zeros(m)
        system = StateSpace(p, m, self.k_posdef, full[:end], d, c, self.start, self.first_step)
        return complete(system, self.stationary) if self.stationary else system

    def pull(
        self, gradient: SystemGradient, x_obs: FloatArray | None, x_state: FloatArray | None
    ) -> FloatArray:
        """Gradient in ``theta`` (K,) from the gradient in the system."""
        return self.collect(self.pull_full(gradient, x_obs, x_state))

    def pull_full(
        self, gradient: SystemGradient, x_obs: FloatArray | None, x_state: FloatArray | None
    ) -> FloatArray:
        """Gradient in all cells of the template from the gradient in the system."""
        parts = [gradient.matrices]
        if self.k_obs_terms:
            g = gradient.obs_intercept
            parts.append(g if x_obs is None else (x_obs.T @ g).ravel())
        if self.k_state_terms:
            g = gradient.state_intercept
            parts.append(g if x_state is None else (x_state.T @ g).ravel())
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def collect(self, full: FloatArray) -> FloatArray:
        """Gradient in ``theta`` (K,) from the gradient in all cells of the template."""
        weights = full[self.cells]
        if self.signs is not None:
            weights *= self.signs
        out: NDArray[Any] = np.bincount(self.which, weights=weights, minlength=len(self.names))
        return out

    def directions(self) -> FloatArray:
        """Return d template / d theta, shape (K, length of the template)."""
        out = np.zeros((len(self.names), self.template.size))
        out[self.which, self.cells] = 1.0 if self.signs is None else self.signs
        return out

    def tangents(self, x_obs: FloatArray | None, x_state: FloatArray | None) -> Tangents:
        """One tangent of the system a natural parameter (they do not depend on ``theta``)."""
        return self.tangents_along(self.directions(), x_obs, x_state)

    def tangents_along(
        self, full: FloatArray, x_obs: FloatArray | None, x_state: FloatArray | None
    ) -> Tangents:
        """Tangents of the system along directions of the template, shape (k, size)."""
        k, p, m, end = len(full), self.k_endog, self.k_states, self.k_buffer
        middle = end + self.k_obs_terms * p
        obs = full[:, end:middle].reshape(k, self.k_obs_terms, p)
        state = full[:, middle:].reshape(k, self.k_state_terms, m)
        d = obs.sum(axis=1) if x_obs is None else np.matmul(x_obs, obs)
        c = state.sum(axis=1) if x_state is None else np.matmul(x_state, state)
        matrices = np.ascontiguousarray(full[:, :end])
        return Tangents(p, m, self.k_posdef, matrices, d, c)


class TableBuilder:
    """Collect parameters and cells, then make the `CellTable`.

    Parameters
    ----------
    k_endog, k_states, k_posdef : int
    obs_terms, state_terms : tuple of str
        Terms of the intercepts; each ``"exog"`` stands for ``k_exog`` columns.
    k_exog : int
    """

    def __init__(
        self,
        k_endog: int,
        k_states: int,
        k_posdef: int,
        obs_terms: tuple[str, ...] = (),
        state_terms: tuple[str, ...] = (),
        k_exog: int = 0,
    ) -> None:
        self.shape = (k_endog, k_states, k_posdef)
        self.offsets = StateSpace.offsets(k_endog, k_states, k_posdef)
        self.terms = (obs_terms, state_terms)
        self.widths = tuple(
            sum(k_exog if term == "exog" else 1 for term in terms) for terms in self.terms
        )
        self.k_buffer: int = max(place.stop for place, _ in self.offsets.values())
        size = self.k_buffer + self.widths[0] * k_endog + self.widths[1] * k_states
        self.template = np.zeros(size)
        self.names: list[str] = []
        self.groups: list[str] = []
        self.blocks: list[Block] = []
        self.cells: list[tuple[int, int, float]] = []

    def cell(self, array: str, *index: int) -> int:
        """Place of ``array[index]`` in the template; arrays of the system, C_obs and C_state."""
        p, m, _ = self.shape
        if array == "C_obs":
            return int(self.k_buffer) + index[0] * p + index[1]
        if array == "C_state":
            return int(self.k_buffer) + self.widths[0] * p + index[0] * m + index[1]
        place, shape = self.offsets[array]
        return int(place.start) + int(np.ravel_multi_index(index, shape))

    def constant(self, value: float, array: str, *index: int) -> None:
        """Put a number into a cell."""
        self.template[self.cell(array, *index)] = value

    def parameter(self, name: str, group: str | None = None) -> int:
        """Add a natural parameter, return its place in ``theta``."""
        self.names.append(name)
        self.groups.append(name.split("[", 1)[0] if group is None else group)
        return len(self.names) - 1

    def put(self, parameter: int, array: str, *index: int, sign: float = 1.0) -> None:
        """Let a parameter fill a cell, or add it to what fills it already."""
        self.cells.append((self.cell(array, *index), parameter, sign))

    def put_symmetric(self, parameter: int, array: str, i: int, j: int) -> None:
        """Let a parameter fill ``array[i, j]`` and ``array[j, i]``."""
        self.put(parameter, array, i, j)
        if i != j:
            self.put(parameter, array, j, i)

    def finish(
        self, state_names: tuple[str, ...], start: Start, first_step: FirstStep
    ) -> CellTable:
        """Return the table."""
        p, m, r = self.shape
        signs = np.array([sign for _, _, sign in self.cells])
        cells = np.array([cell for cell, _, _ in self.cells], dtype=np.intp)
        self.template.flags.writeable = False
        return CellTable(
            k_endog=p,
            k_states=m,
            k_posdef=r,
            names=tuple(self.names),
            groups=tuple(self.groups),
            state_names=state_names,
            blocks=tuple(self.blocks),
            template=self.template,
            cells=cells,
            which=np.array([which for _, which, _ in self.cells], dtype=np.intp),
            signs=None if np.all(signs == 1.0) else signs,
            obs_terms=self.terms[0],
            state_terms=self.terms[1],
            start=start,
            first_step=first_step,
            k_buffer=self.k_buffer,
            k_obs_terms=self.widths[0],
            k_state_terms=self.widths[1],
            sums=len(np.unique(cells)) < len(cells),
        )
