"""Which changes of the weights leave a recurrent network as it is.

Units of a layer may change places. A unit whose activation is odd (tanh, or none at all) may change
sign: its row of the gate that makes it, and everywhere it is read. Chen, Lu and Hecht-Nielsen
(1993), Neural Computation 5, 910-927, for networks without feedback.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.architecture import Cell, PythonCell
from rnnstats.kernels.networks import Network

__all__ = ["Relabelling", "odd_gate", "reader", "relabelled"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Relabelling:
    """New order and signs of the units of one layer.

    Attributes
    ----------
    order : ndarray of int, shape (units,)
        New unit i is old unit ``order[i]``.
    sign : ndarray, shape (units,)
        Of the new units, 1 or -1.
    """

    order: IntArray
    sign: FloatArray

    @property
    def trivial(self) -> bool:
        """Whether nothing changes."""
        same = np.array_equal(self.order, np.arange(len(self.order)))
        return bool(same and (self.sign > 0.0).all())


def odd_gate(cell: Cell | PythonCell) -> int | None:
    """Find the gate whose sign is free.

    Parameters
    ----------
    cell : Cell or PythonCell

    Returns
    -------
    int or None
        Position among the gates: the rows of an Elman cell with an odd activation, the candidate
        of a GRU, the cell input of a LSTM. None where a unit has no sign to change (relu, softplus,
        sigmoid) or nothing is known (a Python callable).
    """
    if isinstance(cell, PythonCell):
        return None
    if cell.kind == "elman":
        return 0 if cell.activation in ("tanh", "identity") else None
    return 2


def relabelled(
    arch: Network,
    weights: FloatArray,
    initial: FloatArray,
    layer: int,
    change: Relabelling,
) -> tuple[FloatArray, FloatArray]:
    """Give the units of one layer another order and other signs.

    Parameters
    ----------
    arch : Network
    weights : ndarray, shape (P,)
    initial : ndarray, shape (..., s)
        States before the first row.
    layer : int
    change : Relabelling

    Returns
    -------
    weights : ndarray, shape (P,)
        New, of the same network: every eta is as before.
    initial : ndarray, shape (..., s)
    """
    out, state = weights.copy(), np.array(initial, dtype=np.float64)
    one = arch.layers[layer]
    order, sign = change.order, change.sign
    u, odd = one.units, odd_gate(one.cell)
    view = arch.unpack(out)
    matrix, extra = view.layers[layer]
    old = matrix.copy()
    for g in range(len(one.cell.gates)):
        rows = old[g * u : (g + 1) * u][order]
        rows[:, :u] = rows[:, order] * sign
        matrix[g * u : (g + 1) * u] = rows * sign[:, None] if g == odd else rows
    if extra.size:
        blocks = extra.reshape(-1, u)
        blocks[:] = blocks[:, order] * sign
    reads = reader(arch, out, layer)
    reads[:] = reads[:, order] * sign
    for b in range(len(one.cell.blocks)):
        at = slice(one.state.start + b * u, one.state.start + (b + 1) * u)
        state[..., at] = state[..., at][..., order] * sign
    return out, state


def reader(arch: Network, weights: FloatArray, layer: int) -> FloatArray:
    """Find the weights by which a layer is read.

    Parameters
    ----------
    arch : Network
    weights : ndarray, shape (P,)
    layer : int

    Returns
    -------
    ndarray, shape (m, units)
        The readout, or the columns of the gates of the layer above; a view.
    """
    view = arch.unpack(weights)
    above = arch.above(layer)
    if above is None:
        return np.asarray(view.readout[:, arch.seen(layer)])
    units, wide = arch.layers[above].units, arch.layers[above].k_in
    return np.asarray(view.layers[above][0][:, units : units + wide])
