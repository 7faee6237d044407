"""Jacobians of all rows of a run at once, where the user's function takes many of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.derivatives import FAILURES, Step, Vector

__all__ = ["slopes_at_once"]

FloatArray = NDArray[np.float64]

# Fewer steps are not worth the try.
FEWEST = 32
# Rows whose Jacobians are computed on their own too, to compare.
COMPARED = 8
# NumPy computes a function of an array and of a number in ways that differ by a few roundings.
AGREEMENT = 1e-10


def slopes_at_once(
    function: Step,
    slope: Callable[[Vector, Any], FloatArray],
    points: FloatArray,
    values: FloatArray,
    given: NDArray[Any] | None,
) -> FloatArray | None:
    """Jacobians along a run from one call, if the function takes points side by side.

    Parameters
    ----------
    function : callable
        ``function(h, x)``, such as a step.
    slope : callable
        ``jacobian(h, x)``, as `jacobian_of` gives it.
    points : ndarray, shape (n, k)
        Values of h, one a row.
    values : ndarray, shape (n, m)
        What the function gives there.
    given : ndarray, shape (n, ...), or None
        Values of x.

    Returns
    -------
    ndarray, shape (n, m, k), or None
        None where the function cannot take an array (k, n) of h and x (..., n), or gives other
        numbers than one row at a time does: its values are compared in all rows, its Jacobians in
        eight.
    """
    n, k, m = *points.shape, values.shape[1]
    if n < FEWEST:
        return None
    many = np.ascontiguousarray(points.T)
    beside = None if given is None else np.moveaxis(given, 0, -1)
    rows = np.unique(np.linspace(0, n - 1, COMPARED).astype(np.intp))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = np.asarray(function(many.copy(), beside))
            if found.shape != (m, n) or not _agree(found.real.T, values):
                return None
            jacobians = np.asarray(slope(many, beside))
    except FAILURES:
        return None
    if jacobians.shape != (m, k, n):
        return None
    slopes = np.ascontiguousarray(np.moveaxis(jacobians, -1, 0), dtype=np.float64)
    alone = [slope(points[t].copy(), None if given is None else given[t]) for t in rows]
    return slopes if _agree(slopes[rows], np.array(alone)) else None


def _agree(one: NDArray[Any], other: FloatArray) -> bool:
    """Whether two arrays are the same but for rounding, relative to the largest number."""
    size = max(float(np.abs(other).max(initial=0.0)), 1e-300)
    return bool(np.abs(one - other).max(initial=0.0) <= AGREEMENT * size)
