"""Largest singular values of many small matrices, and their derivatives. Arrays only.

References
----------
Golub and Van Loan (2013), Matrix Computations, section 8.2 (the power method; here by squaring).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["leading_directions", "leading_norms"]

FloatArray = NDArray[np.float64]

# Squarings of the Gram matrix before the rows left go to LAPACK: they reach ratios of the two
# largest singular values of up to a half.
SQUARINGS = 5


def leading_norms(matrices: FloatArray) -> FloatArray:
    """Largest singular values.

    Parameters
    ----------
    matrices : ndarray, shape (k, m, m)
        With entries whose fourth powers neither overflow nor vanish.

    Returns
    -------
    ndarray, shape (k,)
    """
    if matrices.shape[1] == 2:
        turn, mirror = _turn_and_mirror(matrices)
        return np.asarray(0.5 * (np.hypot(*turn) + np.hypot(*mirror)))
    return _by_squaring(matrices)[0]


def leading_directions(matrices: FloatArray) -> FloatArray:
    """Derivatives of the largest singular values by the matrices, left times right vector.

    Parameters
    ----------
    matrices : ndarray, shape (k, m, m)
        With entries whose fourth powers neither overflow nor vanish.

    Returns
    -------
    ndarray, shape (k, m, m)
        Where two singular values are the largest one of the many; zero for a matrix of zeros of
        three rows or more.
    """
    if matrices.shape[1] != 2:
        return _by_squaring(matrices)[1]
    turn, mirror = (_unit(part) for part in _turn_and_mirror(matrices))
    found = np.empty_like(matrices)
    found[:, 0, 0], found[:, 0, 1] = turn[0] + mirror[0], mirror[1] - turn[1]
    found[:, 1, 0], found[:, 1, 1] = turn[1] + mirror[1], turn[0] - mirror[0]
    return np.asarray(0.5 * found)


def _turn_and_mirror(matrices: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A rotation times a number and a reflection times another make a 2 by 2 matrix.

    Half the sum of the two numbers is its largest singular value (Blinn 1996, IEEE Computer
    Graphics and Applications 16, 82-88).
    """
    a, b, c, d = matrices.reshape(-1, 4).T
    return np.stack([a + d, c - b]), np.stack([a - d, b + c])


def _unit(pair: FloatArray) -> FloatArray:
    size = np.hypot(*pair)
    return np.where(size > 0.0, pair / np.where(size > 0.0, size, 1.0), [[1.0], [0.0]])


def _by_squaring(matrices: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Norms and directions by squaring A'A until one singular value is left, else by LAPACK."""
    k, m = matrices.shape[:2]
    right = np.zeros((k, m))
    power = matrices.swapaxes(1, 2) @ matrices
    size = np.einsum("kii->k", power)
    rows = np.flatnonzero(size > 0.0)
    power = power[rows] / size[rows, None, None]
    enough = 4.0 * m * float(np.finfo(np.float64).eps)
    for _ in range(SQUARINGS):
        power = power @ power
        size = np.einsum("kii->k", power)  # the sum of squares of shares that add up to one
        power /= size[:, None, None]
        single = 1.0 - size <= enough
        if single.any():
            found = power[single]
            best = np.argmax(np.einsum("kii->ki", found), axis=1)
            right[rows[single]] = found[np.arange(len(found)), best]
            power, rows = power[~single], rows[~single]
    if len(rows):
        right[rows] = np.linalg.svd(matrices[rows])[2][:, 0]
    length = np.linalg.norm(right, axis=1)
    right /= np.where(length > 0.0, length, 1.0)[:, None]
    left = np.einsum("kij,kj->ki", matrices, right)
    norms = np.linalg.norm(left, axis=1)
    left /= np.where(norms > 0.0, norms, 1.0)[:, None]
    return norms, left[:, :, None] * right[:, None, :]
