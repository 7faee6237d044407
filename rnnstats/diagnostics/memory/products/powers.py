"""Singular values of the powers of a matrix, and of matrices whose rows lie far apart in size.

For a recurrence ``s_t = A s_{t-1} + ...`` the gradient of a later state with respect to an earlier
one is a power of A. Its norm by lag says how much of a change is left. Arrays only.

References
----------
Hestenes (1958), Journal of the Society for Industrial and Applied Mathematics 6, 51-90, and Demmel
and Veselić (1992), SIAM Journal on Matrix Analysis and Applications 13, 1204-1245 (rotations of
pairs of rows).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

__all__ = ["lengths", "log_singular_values", "row_singular_values"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Rows = NDArray[Any]

# One-sided rotations stop when all rows are orthogonal to rounding; 6 to 10 sweeps do it.
SWEEPS = 40
# Lags treated at a time, so that memory does not grow with their number.
CHUNK = 2048


def log_singular_values(matrix: FloatArray, steps: int) -> FloatArray:
    """
    Logarithms of all singular values of the powers of a matrix.

    Parameters
    ----------
    matrix : ndarray of shape (m, m)
    steps : int
        Highest power.

    Returns
    -------
    ndarray of shape (steps + 1, m)
        Row k belongs to the k-th power, largest first; ``-inf`` for zero. No power is formed, so
        that 1e5 of them neither overflow nor lose the small values beside the large ones.

    Notes
    -----
    In Schur form with roots in falling order of modulus the powers are triangular matrices
    whose rows fall apart in size. They are kept as a row of unit length and a log scale each, and
    doubled: power k + K from k and K. Rotations of pairs of rows (Hestenes; Demmel and Veselić
    1992, SIAM J. Matrix Anal. Appl. 13, 1204-1245) then make the rows orthogonal, in the same
    scaled form; the accuracy depends on the unit rows alone, not on the scales.
    """
    m = matrix.shape[0]
    result = np.zeros((steps + 1, m))
    if steps == 0 or m == 0:
        return result
    rows, scales = _power_rows(_ordered_schur(matrix), steps)
    for first in range(0, steps, CHUNK):
        part = slice(first, min(first + CHUNK, steps))
        result[1:][part] = row_singular_values(rows[part], scales[part])
    return result


def _ordered_schur(matrix: FloatArray) -> ComplexArray:
    """Complex Schur form with the moduli of the diagonal falling (selection sort by exchanges)."""
    form, vectors = linalg.schur(matrix, output="complex")
    for place in range(form.shape[0] - 1):
        largest = place + int(np.argmax(np.abs(np.diagonal(form))[place:]))
        if largest > place:
            form, vectors, _ = lapack.ztrexc(form, vectors, largest + 1, place + 1)
    return np.asarray(np.triu(form), dtype=np.complex128)


def _power_rows(form: ComplexArray, steps: int) -> tuple[ComplexArray, FloatArray]:
    """Powers 1 to `steps` of a triangular matrix: unit rows (steps, m, m), log scales."""
    start = np.zeros((1, form.shape[0]))
    rows, scales = _unit_rows(form[None], start)
    while rows.shape[0] < steps:
        more = min(rows.shape[0], steps - rows.shape[0])
        with np.errstate(divide="ignore"):
            sizes = np.log(np.abs(rows[:more])) + scales[-1]
        top = sizes.max(axis=2, keepdims=True)
        top = np.where(np.isfinite(top), top, 0.0)
        weights = np.exp(sizes - top + 1j * np.angle(rows[:more]))
        weights = np.where(np.isneginf(sizes), 0.0, weights)
        new = _unit_rows(weights @ rows[-1], scales[:more] + top[:, :, 0])
        rows, scales = np.concatenate([rows, new[0]]), np.concatenate([scales, new[1]])
    return rows, scales


def lengths(vectors: Rows, *, axis: int) -> FloatArray:
    """
    Euclidean lengths, also of vectors whose squares overflow or vanish.

    Parameters
    ----------
    vectors : ndarray, real or complex
    axis : int
        Along which the vectors lie.

    Returns
    -------
    ndarray
        Without that axis.
    """
    largest = np.abs(vectors).max(axis=axis, keepdims=True, initial=0.0)
    size = np.where(largest > 0.0, largest, 1.0)
    found = np.linalg.norm(vectors / size, axis=axis) * np.squeeze(size, axis=axis)
    return np.asarray(found, dtype=np.float64)


def _unit_rows(rows: Rows, scales: FloatArray) -> tuple[Rows, FloatArray]:
    """Bring rows to length 1 and add the logs of their lengths to the scales; zero stays zero."""
    length = lengths(rows, axis=2)
    with np.errstate(divide="ignore"):
        logs = scales + np.log(length)
    return rows / np.where(length > 0.0, length, 1.0)[:, :, None], logs


def row_singular_values(rows: Rows, scales: FloatArray) -> FloatArray:
    """
    Log singular values of matrices whose rows are far apart in size.

    Parameters
    ----------
    rows : ndarray of shape (k, m, m), real or complex
    scales : ndarray of shape (k, m)
        Logs of the numbers by which the rows are multiplied.

    Returns
    -------
    ndarray of shape (k, m)
        Largest first; ``-inf`` for zero.
    """
    m = rows.shape[1]
    enough = 4.0 * m * float(np.finfo(np.float64).eps)
    x, logs = _unit_rows(rows, scales)
    for _ in range(SWEEPS):
        largest = 0.0
        for i in range(m - 1):
            for j in range(i + 1, m):
                largest = max(largest, _rotate(x, logs, i, j))
        if largest <= enough:
            break
    return -np.sort(-logs, axis=1)


def _rotate(x: Rows, logs: FloatArray, i: int, j: int) -> float:
    """Make rows i and j orthogonal, in place; return the largest cosine found.

    With the longer row a, the shorter one b made to have a real cosine g with it, and ratio rho of
    their lengths: b' = c (b + w a), a' = c (a - rho^2 w b), each in units of its own length, with
    w = sign(z) / (|z| + sqrt(rho^2 + z^2)), z = (rho^2 - 1) / (2 g), c = (1 + rho^2 w^2)^(-1/2).
    """
    swap = logs[:, i] < logs[:, j]
    a = np.where(swap[:, None], x[:, j], x[:, i])
    b = np.where(swap[:, None], x[:, i], x[:, j])
    long_, short = np.where(swap, logs[:, j], logs[:, i]), np.where(swap, logs[:, i], logs[:, j])
    product = np.einsum("nk,nk->n", a.conj(), b)
    g = np.abs(product)
    turned = (g > 0.0) & ~np.isneginf(long_)  # nothing to turn between two rows that are lost
    if not turned.any():
        return 0.0
    phase = np.where(turned, product.conj() / np.where(turned, g, 1.0), 1.0)
    rho = np.exp(np.where(turned, short - np.where(turned, long_, 0.0), -np.inf))
    z = (rho**2 - 1.0) / (2.0 * np.where(turned, g, 1.0))
    w = np.where(z >= 0.0, 1.0, -1.0) / (np.abs(z) + np.hypot(rho, z))
    w = np.where(turned, w, 0.0)
    c = 1.0 / np.sqrt(1.0 + (rho * w) ** 2)
    b = phase[:, None] * b
    new_a = c[:, None] * (a - (rho**2 * w)[:, None] * b)
    new_b = c[:, None] * (b + w[:, None] * a)
    pair, scales = _unit_rows(np.stack([new_a, new_b], axis=1), np.stack([long_, short], axis=1))
    x[:, i], x[:, j], logs[:, i], logs[:, j] = pair[:, 0], pair[:, 1], scales[:, 0], scales[:, 1]
    return float(g[turned].max())
