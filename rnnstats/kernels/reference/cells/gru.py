"""The gated recurrent unit of Cho et al. (2014), EMNLP, 1724-1734, equations 5 to 8.

r_t = sigmoid(W_r [h_{t-1}; u_t; 1]), z_t = sigmoid(W_z [h_{t-1}; u_t; 1])
reset "before": n_t = tanh(W_n [r_t * h_{t-1}; u_t; 1])
reset "after": n_t = tanh(W_n [0; u_t; 1] + r_t * (U_n h_{t-1} + b_hn)), U_n: first columns of W_n
h_t = (1 - z_t) * n_t + z_t * h_{t-1}

"after" and the direction of z are those of PyTorch's nn.GRU (its documentation's equations).
"""

from __future__ import annotations

import numpy as np

from rnnstats.kernels.architecture import Cell
from rnnstats.kernels.reference.cells.functions import Array, sigmoid, tanh
from rnnstats.kernels.reference.cells.parts import Local, affine, seen, weights_slope


def gates(cell: Cell, state: Array, inputs: Array, W: Array, extra: Array) -> dict[str, Array]:
    """Values of the gates."""
    units = state.shape[-1]
    W_n = W[..., 2 * units :, :]
    rz = sigmoid(affine(W[..., : 2 * units, :], seen(state, inputs)))
    r, z = rz[..., :units], rz[..., units:]
    if cell.reset == "before":
        n = tanh(affine(W_n, seen(r * state, inputs)))
    else:
        inside = affine(W_n[..., :units], state) + extra
        n = tanh(affine(W_n, seen(0.0 * state, inputs)) + r * inside)
    return {"reset": r, "update": z, "candidate": n}


def step(cell: Cell, state: Array, inputs: Array, W: Array, extra: Array) -> Array:
    """New state."""
    value = gates(cell, state, inputs, W, extra)
    z = value["update"]
    new: Array = (1.0 - z) * value["candidate"] + z * state
    return new


def local(cell: Cell, state: Array, inputs: Array, W: Array, extra: Array) -> Local:
    """New state and its derivatives, one row."""
    units, k = len(state), len(inputs)
    value = gates(cell, state, inputs, W, extra)
    r, z, n = value["reset"], value["update"], value["candidate"]
    W_r, W_z, W_n = W[:units], W[units : 2 * units], W[2 * units :]
    U_n = W_n[:, :units]
    d_n = (1.0 - z) * (1.0 - n**2)  # by a_n, the argument of tanh
    d_z = (state - n) * z * (1.0 - z)  # by a_z
    if cell.reset == "before":
        d_r = (d_n[:, None] * U_n) * (state * r * (1.0 - r))  # by a_r, all units through U_n
        d_h = d_n[:, None] * U_n * r
        d_extra = np.zeros((units, 0))
        z_n = seen(r * state, inputs)
        d_candidate = weights_slope(np.diag(d_n), z_n)
    else:
        inside = U_n @ state + extra
        d_r = np.diag(d_n * inside * r * (1.0 - r))
        d_h = (d_n * r)[:, None] * U_n
        d_extra = np.diag(d_n * r)
        d_candidate = np.einsum("ij,k->ijk", np.diag(d_n), seen(state, inputs))
        d_candidate[:, :, :units] *= r[:, None]
        d_candidate = d_candidate.reshape(units, -1)
    by_seen = d_r @ W_r + d_z[:, None] * W_z
    by_inputs = by_seen[:, units : units + k] + d_n[:, None] * W_n[:, units : units + k]
    gate = seen(state, inputs)
    return Local(
        (1.0 - z) * n + z * state,
        by_seen[:, :units] + d_h + np.diag(z),
        by_inputs,
        np.hstack(
            [weights_slope(d_r, gate), weights_slope(np.diag(d_z), gate), d_candidate, d_extra]
        ),
    )
