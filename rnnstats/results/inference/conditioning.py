"""Coordinates of parameters in which inverses and differences of derivatives keep their digits.

References
----------
Golub and Van Loan (2013), Matrix Computations, section 5.3 (orthogonal factors instead of cross
products).
"""

from __future__ import annotations

import numpy as np

from rnnstats.results.protocol import FloatArray

__all__ = ["conditioned_basis"]

# What the orthogonal part of a column must be, as a share of the column, to be more than rounding.
ROUNDING = 1e-12
# A share of a direction that only rounding puts there.
NOTHING = 1e-14


def conditioned_basis(effects: FloatArray) -> FloatArray | None:
    """Combinations of parameters whose effects are orthonormal.

    Parameters
    ----------
    effects : ndarray of shape (r, f)
        What each free parameter does, in units that are alike; zero columns are left as they are.

    Returns
    -------
    ndarray of shape (f, f), or None
        Derivative of the parameters by the new coordinates, upper triangular; None where effects
        are not finite or linearly dependent to rounding.
    """
    size = np.sqrt(np.square(effects).sum(axis=0))
    if not np.isfinite(size).all():
        return None
    basis = np.eye(effects.shape[1])
    moving = np.flatnonzero(size > 0.0)
    if not moving.size:
        return basis
    triangle = np.linalg.qr(effects[:, moving] / size[moving], mode="r")
    diagonal = np.abs(np.diagonal(triangle))
    if len(triangle) < len(moving) or (diagonal < ROUNDING).any():
        return None
    inner = np.linalg.solve(triangle, np.eye(len(moving)))
    inner[np.abs(inner) <= NOTHING * np.abs(inner).max(axis=0)] = 0.0
    basis[np.ix_(moving, moving)] = inner / size[moving, None]
    return basis
