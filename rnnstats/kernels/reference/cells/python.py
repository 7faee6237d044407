"""Cells given as Python functions: derivatives by complex steps.

f(x + ih) = f(x) + ih f'(x) + O(h^2): the imaginary part over h is the derivative, to machine
precision for h far below it (Squire and Trapp 1998, SIAM Review 40, 110-112).
"""

from __future__ import annotations

import numpy as np

from rnnstats.kernels.architecture import PythonCell
from rnnstats.kernels.reference.cells.functions import STEP, Array
from rnnstats.kernels.reference.cells.parts import Local


def step(cell: PythonCell, state: Array, inputs: Array, W: Array, extra: Array) -> Array:
    """New state, of one row or of many."""
    if state.ndim == 1:
        return np.asarray(cell.step(state, inputs, W, extra))
    rows = range(len(state))
    if W.ndim == 2:
        return np.array([cell.step(state[r], inputs[r], W, extra) for r in rows])
    return np.array([cell.step(state[r], inputs[r], W[r], extra[r]) for r in rows])


def local(cell: PythonCell, state: Array, inputs: Array, W: Array, extra: Array) -> Local:
    """New state and its derivatives, one row."""
    s, k = len(state), len(inputs)
    at = np.concatenate([state, inputs, W.ravel(), extra])
    out = np.empty((s, len(at)))
    moved = at.astype(complex)
    own, read, rest = moved[:s], moved[s : s + k], moved[s + k + W.size :]
    matrix = moved[s + k : s + k + W.size].reshape(W.shape)
    for j in range(len(at)):
        moved[j] += 1j * STEP
        out[:, j] = cell.step(own, read, matrix, rest).imag / STEP
        moved[j] = at[j]
    new = np.real(step(cell, state, inputs, W, extra))
    return Local(new, out[:, :s], out[:, s : s + k], out[:, s + k :])
