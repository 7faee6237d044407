"""Lloyd's algorithm in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["lloyd"]

Array = NDArray[Any]


def lloyd(points: Array, centres: Array, rounds: int, gain: float) -> tuple[Array, float]:
    """Nearest centres, and the centres as means of what is nearest to them, in turns.

    See `rnnstats.kernels.clusters.lloyd`.
    """
    k, centres = len(centres), centres.copy()
    cost, labels = np.inf, np.zeros(len(points), dtype=np.int64)
    for turn in range(rounds + 1):
        if turn:
            for j in range(k):
                if (labels == j).any():
                    centres[j] = points[labels == j].mean(axis=0)
        distance = ((points[:, None, :] - centres[None]) ** 2).sum(axis=2)
        labels = distance.argmin(axis=1).astype(np.int64)
        before, cost = cost, float(distance.min(axis=1).sum())
        if turn > 1 and cost >= before * (1.0 - gain):
            break
    return labels, cost
