"""The first part of a climb: scoring with Levenberg's damping in standardised coordinates.

The damping is the same in all directions of the standardised parameters, so that directions of
which the data say little are left alone. A trust region measured in standard errors does the
opposite: it sends the weights of such directions far out, where units are saturated and a climb
gets stuck. Levenberg (1944), Quarterly of Applied Mathematics 2, 164-168; the damping is adapted as
in Nielsen (1999), Technical University of Denmark, IMM-REP-1999-05.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from rnnstats.estimation.convergence import Progress
from rnnstats.models.recurrent.fit.coordinates import Target

__all__ = ["Ascent", "Stage", "ascend", "begin"]

FloatArray = NDArray[np.float64]
# First damping, as a share of the largest diagonal element of the curvature; and its floor.
FIRST, LEAST = 1e-3, 1e-10
# A step must keep this share of what it promises.
KEPT = 1e-4
# Damping at which nothing moves any more, in units of the same element.
STUCK = 1e8
# Below this share of the log-likelihood a gain is taken from the slopes at both ends.
CANCELLATION = 1e-8


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a climb goes.

    Attributes
    ----------
    limit : int
        Iterations of the climb, those already made included.
    enough : float
        A step that promises less log-likelihood than this is the last one.
    """

    limit: int
    enough: float


@dataclass(slots=True, eq=False)
class Ascent:
    """The state of one climb; it can be put aside, sent to another process, and resumed.

    Attributes
    ----------
    start : int
    label : str
    psi : ndarray, shape (k_free,)
    value : float
        What is climbed, penalty included; -inf where a start was refused.
    score : ndarray, shape (k_free,)
    damping, growth : float
    start_value : float
    promised : float
        Gain that the last step promised.
    iterations, evaluations : int
    rested : bool
        Whether steps promise nothing to speak of any more.
    walled : bool
        Whether steps to where the state does not forget are refused.
    """

    start: int
    label: str
    psi: FloatArray
    value: float
    score: FloatArray
    damping: float = math.nan
    growth: float = 2.0
    start_value: float = -math.inf
    promised: float = math.inf
    iterations: int = 0
    evaluations: int = 0
    rested: bool = False
    walled: bool = False


def begin(target: Target, start: int, label: str, psi: FloatArray) -> Ascent:
    """
    Stand at a start.

    Parameters
    ----------
    target : Target
    start : int
    label : str
    psi : ndarray, shape (k_free,)

    Returns
    -------
    Ascent
    """
    value, score = target(psi)
    walled = value > -math.inf and target.forgets(psi)
    return Ascent(start, label, psi, value, score, math.nan, start_value=value, evaluations=1,
                  walled=walled)  # fmt: skip


def ascend(
    target: Target,
    state: Ascent,
    stage: Stage,
    hook: Callable[[Progress], None] | None = None,
) -> Ascent:
    """
    Climb until a step promises next to nothing, or for so many iterations.

    Parameters
    ----------
    target : Target
    state : Ascent
        Changed in place, so that an interrupt loses nothing; also returned.
    stage : Stage
    hook : callable, optional
        Called after every iteration.

    Returns
    -------
    Ascent
    """
    if state.value == -math.inf:
        return state
    state.rested = False
    moved = True
    while state.iterations < stage.limit:
        if moved:
            information, top = _curvature(target, state)
            if math.isnan(state.damping):
                state.damping = FIRST * top
            state.damping = max(state.damping, LEAST * top)
        state.iterations += 1
        moved = _try(target, state, information)
        if hook is not None:
            hook(
                Progress(state.start, state.iterations, state.value, state.promised, "information")
            )
        state.rested = state.promised < stage.enough and (moved or state.damping <= FIRST * top)
        if state.rested or state.damping > STUCK * top:
            break
    return state


def _curvature(target: Target, state: Ascent) -> tuple[FloatArray, float]:
    """Information where a climb stands, and its largest diagonal element."""
    information = target.information(state.psi)
    if not np.isfinite(information).all():
        information = np.eye(len(state.psi))
    return information, max(float(np.abs(np.diagonal(information)).max()), 1e-300)


def _try(target: Target, state: Ascent, information: FloatArray) -> bool:
    """One step, kept or not; the damping follows. Say whether the climb moved."""
    step = _step(information, state.damping, state.score)
    if step is None:
        state.damping *= 10.0
        return False
    state.promised = 0.5 * float(step @ (state.damping * step + state.score))
    value, score = target(state.psi + step)
    state.evaluations += 1
    gain = value - state.value
    small = CANCELLATION * (1.0 + abs(state.value))
    if state.promised <= small and abs(gain) <= 1e3 * small:
        gain = 0.5 * float((state.score + score) @ step)
    kept = gain / state.promised if math.isfinite(gain) and state.promised > 0.0 else -1.0
    if kept > KEPT and (not state.walled or target.forgets(state.psi + step)):
        state.psi, state.value, state.score = state.psi + step, value, score
        state.damping *= max(0.1, 1.0 - (2.0 * kept - 1.0) ** 3)
        state.growth = 2.0
        return True
    state.damping *= state.growth
    state.growth *= 2.0
    return False


def _step(curvature: FloatArray, shift: float, score: FloatArray) -> FloatArray | None:
    damped = curvature.copy()
    damped[np.diag_indices_from(damped)] += shift
    try:
        step = cho_solve(cho_factor(damped, overwrite_a=True, check_finite=False), score)
    except LinAlgError:
        return None
    return np.asarray(step) if np.isfinite(step).all() else None
