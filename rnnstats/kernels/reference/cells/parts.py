"""What the cells have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnstats.kernels.reference.cells.functions import Array


@dataclass(frozen=True, eq=False)
class Local:
    """One step of a layer and its derivatives.

    Attributes
    ----------
    state : ndarray, shape (s,)
        The new one.
    d_state : ndarray, shape (s, s)
        By the state before.
    d_inputs : ndarray, shape (s, k)
    d_weights : ndarray, shape (s, size of W + m)
        By W, row by row, and the extra numbers.
    """

    state: Array
    d_state: Array
    d_inputs: Array
    d_weights: Array


def seen(h: Array, inputs: Array) -> Array:
    """Give (h, inputs, 1), which the weights of a gate multiply."""
    return np.concatenate([h, inputs, np.ones((*h.shape[:-1], 1))], axis=-1)


def affine(W: Array, z: Array) -> Array:
    """W z, of one row or of many; W may differ between the rows."""
    if W.ndim == 2:
        return z @ W.T
    product: Array = np.matmul(W, z[..., None])[..., 0]
    return product


def weights_slope(d_a: Array, z: Array) -> Array:
    """Derivative by W, row by row, from that by a = W z: (s, rows of W * columns of W)."""
    out: Array = np.einsum("sa,k->sak", d_a, z).reshape(len(d_a), -1)
    return out
