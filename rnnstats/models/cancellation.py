"""Roots of W_h that hardly show in the outputs, because a moving average root nearly cancels them.

Where a root cancels exactly, the same likelihood belongs to a model with fewer states and the root
itself is anything: standard errors of what depends on it have no meaning near there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["cancelling", "cancellation_words"]

FloatArray = NDArray[np.float64]
NEAR, ERRORS = 0.1, 10.0


def cancelling(
    a: FloatArray, c: FloatArray, k: FloatArray, cov: FloatArray
) -> list[tuple[complex, complex, float]]:
    """Each root of W_h with its weight in the impulse responses.

    Parameters
    ----------
    a, c, k : ndarray
        W_h (n, n), V (p, n), K (n, p).
    cov : ndarray, shape (p, p)
        Covariance of the errors: weights do not depend on the units of the outputs.

    Returns
    -------
    list of (root, nearest root of W_h - K V, weight)
        Smallest weight first; of a pair of complex roots the one above the real axis. The weight is
        the size of ``V v w' K`` for right and left eigenvectors with ``w'v = 1``, outputs in units
        of their errors: for one output and one state the distance of both roots. Empty where the
        eigenvectors are not independent.
    """
    roots, right = np.linalg.eig(a)
    if not np.isfinite(right).all() or np.linalg.cond(right) > 1e12:
        return []
    left = np.linalg.inv(right)
    factor = np.linalg.cholesky(cov)
    seen = np.linalg.norm(np.linalg.solve(factor, c @ right), axis=0)
    moved = np.linalg.norm(left @ k @ factor, axis=1)
    zeros = np.linalg.eigvals(a - k @ c)
    found = []
    for i in np.argsort(seen * moved):
        if roots[i].imag >= 0.0:
            near = zeros[np.argmin(np.abs(zeros - roots[i]))]
            found.append((complex(roots[i]), complex(near), float(seen[i] * moved[i])))
    return found


def cancellation_words(
    a: FloatArray, c: FloatArray, k: FloatArray, cov: FloatArray, nobs: int
) -> list[str]:
    """Say which roots nearly cancel: weights below 0.1, or 10 standard errors of a correlation."""
    if not all(np.isfinite(part).all() for part in (a, c, k, cov)):
        return []
    try:
        pairs = cancelling(a, c, k, cov)
    except np.linalg.LinAlgError:
        return []
    limit = min(NEAR, ERRORS / math.sqrt(nobs))
    return [
        f"the root {_number(root)} of W_h nearly cancels with the moving average root "
        f"{_number(zero)} (distance {abs(root - zero):.2g}, weight {weight:.2g})"
        for root, zero, weight in pairs
        if weight < limit
    ]


def _number(root: complex) -> str:
    if abs(root.imag) < 1e-8:
        return f"{root.real:.3f}"
    return f"{root.real:.3f} +- {abs(root.imag):.3f}i"
