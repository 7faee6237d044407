"""The simple recurrent network of Elman (1990), Cognitive Science 14, 179-211.

h_t = f(W [h_{t-1}; u_t; 1])
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnstats.kernels.architecture import Cell, PythonCell
from rnnstats.kernels.reference.cells.functions import Activation, Array, activate, slope
from rnnstats.kernels.reference.cells.parts import Local, affine, seen, weights_slope


def step(cell: Cell | PythonCell, state: Array, inputs: Array, W: Array, extra: Array) -> Array:
    """New state."""
    return activate(_function(cell), affine(W, seen(state, inputs)))


def gates(
    cell: Cell | PythonCell, state: Array, inputs: Array, W: Array, extra: Array
) -> dict[str, Array]:
    """Values of the gates: the new h."""
    return {"h": step(cell, state, inputs, W, extra)}


def local(cell: Cell | PythonCell, state: Array, inputs: Array, W: Array, extra: Array) -> Local:
    """New state and its derivatives, one row."""
    units, k = len(W), len(inputs)
    z = seen(state, inputs)
    a = W @ z
    d_a: Any = np.diag(slope(_function(cell), a))
    by_seen = d_a @ W
    return Local(
        activate(_function(cell), a),
        by_seen[:, :units],
        by_seen[:, units : units + k],
        weights_slope(d_a, z),
    )


def _function(cell: Cell | PythonCell) -> Activation:
    return cell.activation or "identity"
