"""The discrete Lyapunov equation for many right-hand sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["doubled"]

MOST_DOUBLINGS = 64


def doubled(transition: NDArray[Any], source: NDArray[Any]) -> NDArray[Any]:
    """Solve ``P = A P A' + Q`` for stable A by doubling.

    Parameters
    ----------
    transition : ndarray, shape (n, n)
        A, all eigenvalues inside the unit circle (not checked).
    source : ndarray, shape (..., n, n)
        Q, one or several; may be complex, for derivatives by complex steps.

    Returns
    -------
    ndarray, shape (..., n, n)

    Notes
    -----
    ``P = sum_j A^j Q A'^j``; k steps sum the first 2^k terms (Smith 1968, SIAM J. Appl. Math. 16).
    All terms of a covariance add up without cancellation.
    """
    a, total = transition, np.array(source)
    for _ in range(MOST_DOUBLINGS):
        change = a @ total @ np.swapaxes(a, -1, -2)
        total = total + change
        if np.abs(change).max(initial=0.0) <= 1e-17 * np.abs(total).max(initial=0.0):
            break
        a = a @ a
    return total
