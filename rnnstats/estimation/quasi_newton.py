"""One climb of a log-likelihood by BFGS updates of the inverse and a backtracking line search.

Where the coordinates are well conditioned and an expected information is there to start from, this
is the cheapest way up: a step costs one score and a few products of a matrix with a vector, no
decomposition. It has no certificate; whoever ends here is examined by `maximize`.

References
----------
Nocedal and Wright (2006), Numerical Optimization, 2nd ed., algorithm 6.1 and section 3.5.
Hager and Zhang (2005), SIAM J. Optim. 16, 170-192 (gain from the slopes where the values round).
"""

from __future__ import annotations

import math

import numpy as np

from rnnstats.estimation.ascent import updated_inverse
from rnnstats.estimation.convergence import FloatArray
from rnnstats.estimation.trust_region import CANCELLATION, Climb, Problem, evaluate, unit_scale

__all__ = ["stride"]

# Share of the slope's promise that a step must keep.
ARMIJO = 1e-4
# Eigenvalues of the first curvature, in unit-diagonal scaling, are not below this share of the
# largest: along a ridge the first steps are short ones, and the updates learn its length.
FLOOR = 1e-4
# The first step, and any later one, may be this many standard errors of the model long; twice the
# last step if that is more.
FIRST = 1.0
SHORTENINGS = 12


def stride(problem: Problem, state: Climb, limit: int) -> Climb:
    """Climb from where a state stands until it arrives, nothing gains, or the limit is reached.

    Parameters
    ----------
    problem : Problem
        With an information; its method and Hessian are not used.
    state : Climb
        Changed in place, so that an interrupt loses nothing; also returned. ``"converged"`` means
        that the model's Newton step is shorter than ``problem.gtol`` standard errors.
    limit : int
        Iterations of this climb, those already made included.
    """
    if state.status != "running":
        return state
    inverse = _first_inverse(problem, state)
    cap = FIRST
    while state.iterations < limit:
        direction = inverse @ state.score
        slope = float(state.score @ direction)
        if not 0.0 < slope < math.inf:
            state.status = "stalled" if slope != 0.0 else "converged"
            return state
        state.decrement = 0.5 * slope
        if math.sqrt(slope) <= problem.gtol:
            state.status = "converged"
            return state
        state.iterations += 1
        before = state.score
        share = _searched(problem, state, direction, slope, cap)
        if share == 0.0:
            state.status = "stalled"
            return state
        cap = max(FIRST, 2.0 * share * math.sqrt(slope))
        bend = before - state.score
        inverse = updated_inverse(inverse, share * direction, bend, share * share * slope)
    return state


def _searched(
    problem: Problem, state: Climb, direction: FloatArray, slope: float, cap: float
) -> float:
    """Move along a direction by the first share of it that gains enough; 0 where none does."""
    share = min(1.0, cap / math.sqrt(slope))
    for _ in range(SHORTENINGS):
        step = share * direction
        candidate = state.psi + step
        llf, score = evaluate(problem, state, candidate)
        if llf == -math.inf:
            share *= 0.3
            continue
        gain, promised = llf - state.llf, share * slope
        small = CANCELLATION * (1.0 + abs(state.llf))
        if promised <= small and abs(gain) <= 1e3 * small:
            gain = 0.5 * float((state.score + score) @ step)
        if gain >= ARMIJO * promised:
            state.psi, state.llf, state.score = candidate, llf, score
            return share
        # where the parabola through the two values and the first slope has its top
        share *= min(max(0.5 * promised / (promised - gain), 0.1), 0.5)
    return 0.0


def _first_inverse(problem: Problem, state: Climb) -> FloatArray:
    """Inverse of the expected information, its small eigenvalues lifted."""
    assert problem.information is not None
    info = np.asarray(problem.information(state.psi.copy()), dtype=np.float64)
    info = 0.5 * (info + info.T)
    if not np.isfinite(info).all():
        return np.diag(np.maximum(np.abs(state.psi), 1.0) ** 2)
    scale = unit_scale(info, state.psi)
    values, vectors = np.linalg.eigh(info / np.multiply.outer(scale, scale))
    values = np.maximum(values, FLOOR * max(float(values[-1]), 1e-300))
    turned = vectors / scale[:, None]
    inverse: FloatArray = (turned / values) @ turned.T
    return inverse
