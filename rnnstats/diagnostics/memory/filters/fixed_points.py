"""States that a step does not move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import shown
from rnnstats.errors import SpecificationError

__all__ = ["Near", "fixed_point"]

FloatArray = NDArray[np.float64]

# Steps that a recurrence is given to settle, and how far the last may move it.
SETTLING, STILL = 500, 1e-10
# Parts of its steps that it is followed by.
SHARES = (1.0, 0.3, 0.05)
NEWTON, EXACT = 60, 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """The fixed point near a state: that of a recurrence with parameters a little different.

    Attributes
    ----------
    point : ndarray, shape (m,)
        Fixed point before the parameters were moved.
    """

    point: FloatArray


def fixed_point(
    step: Callable[[FloatArray], FloatArray],
    by_state: Callable[[FloatArray], FloatArray],
    start: FloatArray | Near,
    caller: str,
) -> FloatArray:
    """Find a state that a step does not move.

    Parameters
    ----------
    step : callable
        State to state.
    by_state : callable
        Its derivative.
    start : ndarray, shape (m,), or Near
    caller : str
        For messages.

    Returns
    -------
    ndarray, shape (m,)
        The one that the recurrence settles on from `start`; where it does not settle, one that
        ever shorter parts of its steps lead to, or Newton's method from `start`.

    Raises
    ------
    SpecificationError
        None was found.

    Notes
    -----
    A part g of each step, ``h + g (F(h) - h)``, has the same fixed points with roots ``1 + g
    (root - 1)``: for short parts stable wherever the real parts of the roots are below one, so also
    inside cycles.
    """
    point = start.point if isinstance(start, Near) else start
    found = None
    with np.errstate(all="ignore"):
        if not isinstance(start, Near):
            for share in SHARES:
                state = _settled(step, np.array(point), share)
                if state is not None:
                    found = _newton(step, by_state, state)
                if found is not None:
                    return found
        found = _newton(step, by_state, np.array(point))
    if found is None:
        raise SpecificationError(
            f"{caller}: the recurrence must have a fixed point to be linearised there; found none "
            f"from {shown(point.tolist())}. Use at='mean', a row, or a state."
        )
    return found


def _settled(
    step: Callable[[FloatArray], FloatArray], state: FloatArray, share: float
) -> FloatArray | None:
    """Where parts of steps lead; None where they do not settle."""
    move = np.inf
    for _ in range(SETTLING):
        gap = step(state.copy()) - state
        state = state + share * gap
        move = float(np.abs(gap).max(initial=0.0))
        if not move > STILL * (1.0 + np.abs(state).max(initial=0.0)):
            break
    slow = 1e-3 * (1.0 + float(np.abs(state).max(initial=0.0)))
    return state if np.isfinite(state).all() and move <= slow else None


def _newton(
    step: Callable[[FloatArray], FloatArray],
    by_state: Callable[[FloatArray], FloatArray],
    state: FloatArray,
) -> FloatArray | None:
    """Newton's method for F(h) = h, with halved steps; None where it fails."""
    gap = step(state.copy()) - state
    for _ in range(NEWTON):
        size = float(np.abs(gap).max(initial=0.0))
        if not np.isfinite(size):
            return None
        if size <= EXACT * (1.0 + float(np.abs(state).max(initial=0.0))):
            return state
        matrix = np.eye(len(state)) - by_state(state)
        move = np.linalg.lstsq(matrix, gap, rcond=None)[0]
        share = 1.0
        while share > 1e-6:
            trial = state + share * move
            new = step(trial.copy()) - trial
            if np.abs(new).max(initial=0.0) < size:
                break
            share *= 0.5
        else:
            return state if size <= 1e3 * EXACT * (1.0 + np.abs(state).max(initial=0.0)) else None
        state, gap = trial, new
    return None
