"""Whether natural parameters lie in their domains."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rnnstats.parameters.transforms import Block

__all__ = ["Domain"]

FloatArray = NDArray[np.float64]


class Domain:
    """Finite, positive parameters not negative, intervals kept, covariances positive definite.

    Probability vectors are left to those who know their implied entry.

    Parameters
    ----------
    names : tuple of str
    blocks : iterable of Block
        Places in theta.
    """

    def __init__(self, names: tuple[str, ...], blocks: Iterable[Block]) -> None:
        self.names = names
        low, high = np.full(len(names), -np.inf), np.full(len(names), np.inf)
        triangles: list[NDArray[np.intp]] = []
        for block in blocks:
            at = list(block.indices)
            if block.kind == "positive":
                low[at] = 0.0
            elif block.kind == "interval":
                low[at], high[at] = block.lo, block.hi
            elif block.kind == "simplex":
                low[at], high[at] = 0.0, 1.0
            elif block.kind == "covariance":
                triangles.append(np.array(at, dtype=np.intp))
        self.low, self.high = low, high
        self.triangles = triangles

    def __call__(self, theta: FloatArray) -> bool:
        """Check one vector, shape (K,), or all of several, (points, K)."""
        if not ((theta >= self.low) & (theta <= self.high)).all():
            return False
        if not math.isfinite(float(theta.sum())):
            return False
        vectors = theta if theta.ndim == 2 else (theta,)
        return all(_definite(one[places]) for places in self.triangles for one in vectors)

    def reason(self, theta: FloatArray) -> str | None:
        """What is wrong; None where nothing is."""
        outside = ~((theta >= self.low) & (theta <= self.high) & np.isfinite(theta))
        if outside.any():
            i = int(np.argmax(outside))
            rule = "be finite"
            if np.isfinite(theta[i]):
                top = "" if self.high[i] == np.inf else f" and at most {self.high[i]:g}"
                rule = f"be at least {self.low[i]:g}{top}"
            return f"{self.names[i]} must {rule}; got {theta[i]:g}"
        for places in self.triangles:
            if not _definite(theta[places]):
                first = self.names[int(places[0])]
                return f"the covariance matrix that begins with {first} is not positive definite"
        return None


def _definite(lower: FloatArray) -> bool:
    """Whether a lower triangle, row by row, is that of a positive definite matrix."""
    if len(lower) == 1:
        return bool(lower[0] > 0.0)
    size = (math.isqrt(8 * len(lower) + 1) - 1) // 2
    full = np.zeros((size, size))
    full[np.tril_indices(size)] = lower
    try:
        np.linalg.cholesky(full)  # reads the lower triangle only
    except np.linalg.LinAlgError:
        return False
    return True
