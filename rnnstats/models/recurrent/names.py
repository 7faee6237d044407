"""Names of a network's parameters and states, and where each lies among the kernels' numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.architecture import Cell, Layer, PythonCell
from rnnstats.kernels.networks import Network

__all__ = ["Labels", "initial_names", "labels", "state_names"]

IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Labels:
    """Names of the weights in the order in which they are reported.

    Attributes
    ----------
    names, groups : tuple of str, length P
    place : ndarray of int, shape (P,)
        Place of each among the kernels' weights.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    place: IntArray


class _Table:
    """Names collected block by block."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.groups: list[str] = []
        self.place: list[int] = []

    def matrix(
        self, group: str, rows: Sequence[str], columns: Sequence[str], first: int, wide: int
    ) -> None:
        """A matrix whose first element lies at `first`, with `wide` numbers from row to row."""
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                self.names.append(f"{group}[{row},{column}]")
                self.place.append(first + i * wide + j)
        self.groups += [group] * (len(rows) * len(columns))

    def vector(self, group: str, rows: Sequence[str], first: int, wide: int = 1) -> None:
        """A vector whose elements lie `wide` numbers apart."""
        self.names += [f"{group}[{row}]" for row in rows]
        self.groups += [group] * len(rows)
        self.place += [first + i * wide for i in range(len(rows))]


def state_names(arch: Network) -> tuple[str, ...]:
    """Names of the elements of the state.

    Parameters
    ----------
    arch : Architecture or TwoSided

    Returns
    -------
    tuple of str, length s
        ``h1``, ``h2``, ...; layer by layer, and within one block by block. Units of further layers
        continue the numbers. Of a backward stack ``g1``, ``g2``, ... (and ``d1``, ... for ``c1``).
    """
    return tuple(itertools.chain.from_iterable(itertools.chain.from_iterable(arch.labels)))


def initial_names(arch: Network) -> tuple[str, ...]:
    """Names of the parameters of an estimated start.

    Parameters
    ----------
    arch : Architecture or TwoSided

    Returns
    -------
    tuple of str, length s
        ``h_0[h1]``, ``c_0[c1]``; ``g_0[g1]`` of a backward stack, beyond the last row.
    """
    return tuple(f"{name.rstrip('0123456789')}_0[{name}]" for name in state_names(arch))


def labels(
    arch: Network,
    lags: int,
    lag_names: tuple[str, ...],
    exog_names: tuple[str, ...],
    eta_names: tuple[str, ...],
) -> Labels:
    """Name all weights.

    Parameters
    ----------
    arch : Architecture or TwoSided
    lags : int
        Number of lagged rows among the inputs; of a backward stack, of later rows.
    lag_names : tuple of str
        Columns of one lag.
    exog_names : tuple of str
        Further inputs.
    eta_names : tuple of str
        Rows of the readout.

    Returns
    -------
    Labels
        Layer by layer, gate by gate, the readout last.
    """
    table = _Table()
    inputs = _inputs(lags, lag_names, exog_names)
    below: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    for index, layer in enumerate(arch.layers):
        units = arch.labels[index][0]
        blocks = inputs if arch.reads(index) is not None else (("W_below", below),)
        _name_layer(table, layer, units, blocks)
        below = units
        if arch.above(index) is None:
            read += units
    k_in = arch.k_in
    table.matrix("V", eta_names, read, arch.readout.start, len(read))
    if arch.skip:
        at = arch.direct.start
        for lag in range(1, lags + 1):
            table.matrix(f"ar{lag}", eta_names, lag_names, at, k_in)
            at += len(lag_names)
        table.matrix("D", eta_names, exog_names, at, k_in)
    table.vector("b_y", eta_names, arch.constant.start)
    return Labels(tuple(table.names), tuple(table.groups), np.array(table.place, dtype=np.intp))


def _inputs(
    lags: int, lag_names: tuple[str, ...], exog_names: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Groups of the first layer's inputs with their columns."""
    found = [("W_y" if lag == 1 else f"W_y{lag}", lag_names) for lag in range(1, lags + 1)]
    return (*found, ("W_x", exog_names))


def _name_layer(
    table: _Table,
    layer: Layer,
    units: tuple[str, ...],
    inputs: Iterable[tuple[str, tuple[str, ...]]],
) -> None:
    """Name the numbers of one layer: gates, then what lies outside the matrix."""
    cell, u = layer.cell, layer.units
    wide = layer.shape[1]
    kinds = (layer.extra.stop - layer.extra.start) // u
    after = isinstance(cell, Cell) and cell.kind == "gru" and kinds > 0
    for g, gate in enumerate(cell.gates):
        ending = "" if gate == "h" else f"_{gate}"
        first = layer.matrix.start + g * u * wide
        table.matrix(f"W_h{ending}", units, units, first, wide)
        at = first + u
        for group, columns in inputs:
            table.matrix(f"{group}{ending}", units, columns, at, wide)
            at += len(columns)
        table.vector("b_h" if not ending else f"b{ending}", units, first + wide - 1, wide)
        if after and gate == "candidate":
            table.vector("b_h_candidate", units, layer.extra.start)
    if after:
        return
    words: tuple[str, ...] = ("input", "forget", "output")
    if isinstance(cell, PythonCell):
        words = tuple(str(i) for i in range(1, kinds + 1))
    for i in range(kinds):
        table.vector(f"p_{words[i]}", units, layer.extra.start + i * u)
