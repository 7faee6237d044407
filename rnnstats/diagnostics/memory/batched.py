"""Jacobians of all steps of a run at once, where the user's function takes many states."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.derivatives import Step, Vector

__all__ = ["slopes_at_once"]

FloatArray = NDArray[np.float64]

# Fewer steps are not worth the try.
FEWEST = 32
# Rows whose Jacobians are computed on their own too, to compare.
COMPARED = 8
# NumPy computes a function of an array and of a number in ways that differ by a few roundings.
AGREEMENT = 1e-10
# What a function that was not written for many states may raise when it gets them.
FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip


def slopes_at_once(
    step: Step,
    by_state: Callable[[Vector, Any], FloatArray],
    states: FloatArray,
    inputs: NDArray[Any] | None,
) -> FloatArray | None:
    """Jacobians along a run from one call, if the function takes states side by side.

    Parameters
    ----------
    step : callable
        ``step(h, x)``.
    by_state : callable
        ``jacobian(h, x)``, as `jacobian_of` gives it.
    states : ndarray, shape (n + 1, m)
        The run, its start first.
    inputs : ndarray, shape (n, ...), or None
        Row t goes into step t.

    Returns
    -------
    ndarray, shape (n, m, m), or None
        None where the function cannot take an array (m, n) of states and inputs (..., n), or gives
        other numbers than one state at a time does: its values are compared in all rows, its
        Jacobians in eight.
    """
    n, m = len(states) - 1, states.shape[1]
    if n < FEWEST:
        return None
    many = np.ascontiguousarray(states[:-1].T)
    beside = None if inputs is None else np.moveaxis(inputs, 0, -1)
    rows = np.unique(np.linspace(0, n - 1, COMPARED).astype(np.intp))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.asarray(step(many.copy(), beside))
            if values.shape != (m, n) or not _agree(values.real.T, states[1:]):
                return None
            found = np.asarray(by_state(many, beside))
    except FAILURES:
        return None
    if found.shape != (m, m, n):
        return None
    slopes = np.ascontiguousarray(np.moveaxis(found, -1, 0), dtype=np.float64)
    alone = [by_state(states[t].copy(), None if inputs is None else inputs[t]) for t in rows]
    return slopes if _agree(slopes[rows], np.array(alone)) else None


def _agree(one: NDArray[Any], other: FloatArray) -> bool:
    """Whether two arrays are the same but for rounding, relative to the largest number."""
    size = max(float(np.abs(other).max(initial=0.0)), 1e-300)
    return bool(np.abs(one - other).max(initial=0.0) <= AGREEMENT * size)
