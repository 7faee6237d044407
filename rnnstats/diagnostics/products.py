"""Products of Jacobians along a series: how much of a change of the state is left, and the rate.

For a recurrence ``s_t = F_t(s_{t-1})`` the gradient of a later state with respect to an earlier
one is the product ``J_{t+k} ... J_{t+1}``. Its norm by horizon says how much of a change is left;
its growth rate per row in the long run is the largest Lyapunov exponent. Arrays only.

References
----------
Benettin, Galgani, Giorgilli and Strelcyn (1980), Meccanica 15, 9-30 (orthogonalisation along the
way); Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks,
ICML, section 2.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_norms", "log_stretches"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Rows at most from which products are followed, at equal distances.
WINDOWS = 2000


def log_stretches(jacobians: FloatArray, offsets: IntArray) -> FloatArray:
    """
    Log factors by which each row stretches orthogonal directions carried along.

    Parameters
    ----------
    jacobians : ndarray, shape (n, m, m)
        Of the step into each row by the state before.
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and n; directions begin anew in each.

    Returns
    -------
    ndarray, shape (n, m)
        Log moduli of the diagonal of R in the orthogonal-triangular factors of each step, so that
        means over rows are estimates of the Lyapunov exponents, the largest first in the long run;
        ``-inf`` where a direction is lost.
    """
    n, m = jacobians.shape[:2]
    found = np.empty((n, m))
    for first, last in pairwise(int(one) for one in offsets):
        frame = np.eye(m)
        for t in range(first, last):
            frame, triangle = np.linalg.qr(jacobians[t] @ frame)
            with np.errstate(divide="ignore"):
                found[t] = np.log(np.abs(np.diagonal(triangle)))
    return found


def log_norms(jacobians: FloatArray, offsets: IntArray, steps: int) -> FloatArray:
    """
    Log norms of products of Jacobians by horizon, from many rows.

    Parameters
    ----------
    jacobians : ndarray, shape (n, m, m)
        Of the step into each row by the state before.
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and n.
    steps : int
        Largest horizon.

    Returns
    -------
    ndarray, shape (steps + 1, windows)
        Log of the largest singular value of ``J_{t+k} ... J_{t+1}``, one column a starting row t
        from which the whole horizon stays in its sequence; ``-inf`` where nothing is left. Products
        are scaled at each step, so that they neither overflow nor vanish.
    """
    starts = np.concatenate(
        [np.arange(int(a), int(b) - steps + 1, dtype=np.intp) for a, b in pairwise(offsets)]
    )
    if len(starts) > WINDOWS:
        starts = starts[np.linspace(0, len(starts) - 1, WINDOWS).astype(np.intp)]
    m = jacobians.shape[1]
    product = np.broadcast_to(np.eye(m), (len(starts), m, m))
    scale = np.zeros(len(starts))
    found = np.zeros((steps + 1, len(starts)))
    for k in range(steps):
        product = jacobians[starts + k] @ product
        size = np.linalg.norm(product, ord=2, axis=(1, 2)) if len(starts) else np.empty(0)
        with np.errstate(divide="ignore"):
            scale = scale + np.log(size)
        product = product / np.where(size > 0.0, size, 1.0)[:, None, None]
        found[k + 1] = scale
    return found
