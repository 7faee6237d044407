"""Clusters of rows: Lloyd's algorithm from given centres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import markov
from rnnstats.kernels.reference import clusters as reference

if markov.HAVE_COMPILED:
    import rnnstats.kernels._markov as _core
else:
    _core = None

__all__ = ["lloyd"]

FloatArray = NDArray[np.float64]


def lloyd(
    points: FloatArray, centres: FloatArray, *, rounds: int, gain: float
) -> tuple[NDArray[np.int64], float]:
    """Put rows to the nearest centre and centres to the mean of their rows, in turns.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    centres : ndarray, shape (k, d)
        At the beginning.
    rounds : int
        Moves of the centres at most.
    gain : float
        Stop when a move lowers the sum of squares by a smaller share than this.

    Returns
    -------
    labels : ndarray of int, shape (n,)
        Of equally near centres the first.
    cost : float
        Sum of squared distances.

    References
    ----------
    Lloyd (1982), IEEE Transactions on Information Theory 28, 129-137.
    """
    rows = np.ascontiguousarray(points, dtype=np.float64)
    begin = np.array(centres, dtype=np.float64)
    run: Any = reference.lloyd if _core is None else _core.lloyd
    labels, cost = run(rows, begin, rounds, gain)
    return labels, cost
