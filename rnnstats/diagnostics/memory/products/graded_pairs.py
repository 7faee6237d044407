"""Products of Jacobians of one state or two: the arithmetic of `graded` in closed form.

A triangular factor of two unit columns is an inner and a cross product, and of two singular values
the second is the determinant over the first. Arrays only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.products.leading import leading_norms

__all__ = ["advance_pairs", "pair_singular_values", "single_logs"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# A cross product of unit columns below this is rounding of zero.
LOST = 8.0 * float(np.finfo(np.float64).eps)


def single_logs(jacobians: FloatArray, starts: IntArray, rows: IntArray, steps: int) -> FloatArray:
    """Log sizes of products of numbers.

    Parameters
    ----------
    jacobians : ndarray, shape (n, 1, 1)
    starts : ndarray of int, shape (windows,)
        First row of each product.
    rows : ndarray of int, shape (windows,)
        How many rows there are from it on.
    steps : int
        Largest horizon.

    Returns
    -------
    ndarray, shape (steps + 1, windows, 1)
        ``-inf`` for zero, NaN where there are no rows.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(jacobians[:, 0, 0]))
    found = np.full((steps + 1, len(starts), 1), np.nan)
    found[0] = 0.0
    for w, (start, room) in enumerate(zip(starts.tolist(), rows.tolist(), strict=True)):
        some = min(room, steps)
        found[1 : some + 1, w, 0] = np.cumsum(logs[start : start + some])
    return found


def advance_pairs(
    jacobians: FloatArray, frame: FloatArray, scales: FloatArray, inner: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Multiply products U D T of two states by Jacobians from the left.

    Parameters
    ----------
    jacobians, frame : ndarray, shape (windows, 2, 2)
        The Jacobians, and U.
    scales : ndarray, shape (windows, 2)
        Logs of D.
    inner : ndarray, shape (windows, 2, 2)
        T.

    Returns
    -------
    tuple of ndarray
        New U, logs of D, and T.
    """
    columns = jacobians @ frame
    length = np.hypot(columns[:, 0], columns[:, 1])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        logs = scales + np.log(length)
        columns /= length[:, None, :]
        swap = logs[:, 0] < logs[:, 1]
        if swap.any():
            columns[swap], logs[swap] = columns[swap, :, ::-1], logs[swap, ::-1]
            inner = np.where(swap[:, None, None], inner[:, ::-1], inner)
        (cosine, first), (sine, second) = columns.transpose(1, 2, 0)
        along, across = cosine * first + sine * second, cosine * second - sine * first
        pivot = np.abs(across)
        share = along * np.exp(logs[:, 1] - logs[:, 0])
        logs[:, 1] += np.log(pivot)
        lost = ~((pivot >= LOST) & (logs[:, 1] > -np.inf))
    sign = np.sign(across)
    if lost.any():
        gone = lost & ~(logs[:, 0] > -np.inf)  # nothing is left: any frame will do
        cosine, sine = np.where(gone, 1.0, cosine), np.where(gone, 0.0, sine)
        logs[lost, 1], sign[lost] = -np.inf, 1.0
        share = np.where(np.isfinite(share), share, 0.0)
    found, unit = np.empty_like(columns), np.empty_like(columns)
    found[:, 0, 0] = found[:, 1, 1] = cosine
    found[:, 1, 0], found[:, 0, 1] = sine, -sine
    unit[:, 0] = inner[:, 0] + share[:, None] * inner[:, 1]
    unit[:, 1] = sign[:, None] * inner[:, 1]
    return found, logs, unit


def pair_singular_values(scales: FloatArray, inner: FloatArray) -> FloatArray:
    """Log singular values of D T for two states.

    Parameters
    ----------
    scales : ndarray, shape (windows, 2)
        Logs of D.
    inner : ndarray, shape (windows, 2, 2)
        T, of determinant one or minus one.

    Returns
    -------
    ndarray, shape (windows, 2)
        Largest first; ``-inf`` for zero.
    """
    top = scales.max(axis=1)
    safe = np.where(np.isfinite(top), top, 0.0)
    weights = np.exp(scales - safe[:, None])
    first = leading_norms(weights[:, :, None] * inner)
    found = np.full(scales.shape, -np.inf)
    some = np.isfinite(top)
    found[some, 0] = np.log(first[some]) + top[some]
    found[some, 1] = scales[some].sum(axis=1) - found[some, 0]
    return found
