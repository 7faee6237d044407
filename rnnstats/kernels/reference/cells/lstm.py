"""Long short-term memory.

i_t, f_t, o_t = sigmoid(W_i z_t + p_i * c_{t-1}), sigmoid(W_f z_t + p_f * c_{t-1}),
                sigmoid(W_o z_t + p_o * c_t), with z_t = [h_{t-1}; u_t; 1]
g_t = tanh(W_g z_t), c_t = f_t * c_{t-1} + i_t * g_t, h_t = o_t * tanh(c_t)

Gers, Schmidhuber and Cummins (2000), Neural Computation 12, 2451-2471; peepholes p, zero where the
cell has none: Gers and Schmidhuber (2000), IJCNN 3, 189-194. The output gate's peephole sees the
new memory c_t. Gates i, f, g, o in the order of PyTorch's nn.LSTM.
"""

from __future__ import annotations

import numpy as np

from rnnstats.kernels.architecture import Cell
from rnnstats.kernels.reference.cells.functions import Array, sigmoid, tanh
from rnnstats.kernels.reference.cells.parts import Local, affine, seen, weights_slope


def _values(cell: Cell, state: Array, inputs: Array, W: Array, extra: Array) -> tuple[Array, ...]:
    """Gates and the new memory."""
    units = state.shape[-1] // 2
    h, c = state[..., :units], state[..., units:]
    a = affine(W, seen(h, inputs))
    a_i, a_f, a_g, a_o = (a[..., j * units : (j + 1) * units] for j in range(4))
    p_i, p_f, p_o = _peepholes(extra, units)
    i = sigmoid(a_i + p_i * c)
    f = sigmoid(a_f + p_f * c)
    g = tanh(a_g)
    new = f * c + i * g
    o = sigmoid(a_o + p_o * new)
    return i, f, g, o, new


def _peepholes(extra: Array, units: int) -> tuple[Array, Array, Array]:
    """Peepholes of the input, forget and output gates."""
    if extra.shape[-1] == 0:
        none = np.zeros(units)
        return none, none, none
    return extra[..., :units], extra[..., units : 2 * units], extra[..., 2 * units :]


def gates(cell: Cell, state: Array, inputs: Array, W: Array, extra: Array) -> dict[str, Array]:
    """Values of the gates."""
    i, f, g, o, _ = _values(cell, state, inputs, W, extra)
    return {"input": i, "forget": f, "cell": g, "output": o}


def step(cell: Cell, state: Array, inputs: Array, W: Array, extra: Array) -> Array:
    """New state (h, c)."""
    *_, o, new = _values(cell, state, inputs, W, extra)
    return np.concatenate([o * tanh(new), new], axis=-1)


def local(cell: Cell, state: Array, inputs: Array, W: Array, extra: Array) -> Local:
    """New state and its derivatives, one row."""
    units, k = len(state) // 2, len(inputs)
    h, c = state[:units], state[units:]
    i, f, g, o, new = _values(cell, state, inputs, W, extra)
    p_i, p_f, p_o = _peepholes(extra, units)
    zero = np.zeros((units, units))
    # c_t by a_i, a_f, a_g, a_o, then by c_{t-1}
    s_i, s_f = g * i * (1.0 - i), c * f * (1.0 - f)
    c_a = np.hstack([np.diag(s_i), np.diag(s_f), np.diag(i * (1.0 - g**2)), zero])
    c_c = f + s_i * p_i + s_f * p_f
    # h_t = o_t tanh(c_t) by a_o, and by c_t, which o_t sees too
    s_o = tanh(new) * o * (1.0 - o)
    h_c = o * (1.0 - tanh(new) ** 2) + s_o * p_o
    h_a = h_c[:, None] * c_a
    h_a[:, 3 * units :] = np.diag(s_o)
    by_a = np.vstack([h_a, c_a])
    by_seen = by_a @ W
    by_c = np.vstack([np.diag(h_c * c_c), np.diag(c_c)])
    d_extra = np.zeros((2 * units, 0))
    if len(extra):
        c_p = np.hstack([np.diag(s_i * c), np.diag(s_f * c), zero])
        h_p = h_c[:, None] * c_p
        h_p[:, 2 * units :] = np.diag(s_o * new)
        d_extra = np.vstack([h_p, c_p])
    return Local(
        np.concatenate([o * tanh(new), new]),
        np.hstack([by_seen[:, :units], by_c]),
        by_seen[:, units : units + k],
        np.hstack([weights_slope(by_a, seen(h, inputs)), d_extra]),
    )
