"""A short climb from a point that is near the maximum already, as in resampling.

BFGS on the inverse curvature (Nocedal and Wright 2006, algorithm 6.1) with a halving line search.
The caller gives the inverse of the information at the start, so that the first step is one of
scoring. `rnnstats.estimation.trust_region` is for everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ascent", "ascend"]

FloatArray = NDArray[np.float64]
# Share of the promised gain that a step must bring.
ARMIJO = 1e-4
# Halvings before a line search gives up.
HALVINGS = 30
# Longest step, in standard errors of the start.
LONGEST = 8.0
# Differences of log-likelihoods below this share of their size are rounding.
ROUNDING = 1e-13


class Ascent(NamedTuple):
    """Where a climb ended: point (k,), log-likelihood, whether at a maximum, evaluations."""

    psi: FloatArray
    llf: float
    converged: bool
    evaluations: int


def ascend(
    objective: Callable[[FloatArray], tuple[float, FloatArray]],
    start: FloatArray,
    cov: FloatArray,
    *,
    tol: float = 1e-3,
    limit: int = 150,
) -> Ascent:
    """
    Climb from a start.

    Parameters
    ----------
    objective : callable
        ``psi -> (llf, score)``; -inf where inadmissible.
    start : ndarray, shape (k,)
    cov : ndarray, shape (k, k)
        Inverse of the information near the start, positive definite.
    tol : float
        The climb ends when the step is shorter than this many standard errors.
    limit : int
        Largest number of steps.

    Returns
    -------
    Ascent
        ``converged`` is False where the start is inadmissible, no step goes up or `limit` is
        reached.
    """
    psi = start
    llf, score = objective(psi)
    evaluations, inverse = 1, cov
    if not math.isfinite(llf):
        return Ascent(psi, -math.inf, False, evaluations)
    for _ in range(limit):
        step = inverse @ score
        slope = float(score @ step)
        if slope <= tol * tol:
            return Ascent(psi, llf, slope >= 0.0, evaluations)
        length = min(1.0, LONGEST / math.sqrt(slope))
        least = ROUNDING * (1.0 + abs(llf))
        for _ in range(HALVINGS):
            candidate = psi + length * step
            value, gradient = objective(candidate)
            evaluations += 1
            if value - llf >= ARMIJO * length * slope - least:
                break
            length *= 0.5 if value > -math.inf else 0.25
        else:
            return Ascent(psi, llf, False, evaluations)
        moved, bend = candidate - psi, score - gradient
        psi, llf, score = candidate, value, gradient
        inverse = _updated(inverse, moved, bend)
    return Ascent(psi, llf, False, evaluations)


def _updated(inverse: FloatArray, moved: FloatArray, bend: FloatArray) -> FloatArray:
    """BFGS update of the inverse curvature; left as it is where the step saw none."""
    seen = float(moved @ bend)
    pushed = inverse @ bend
    if seen <= 1e-8 * math.sqrt(float(moved @ moved) * float(bend @ bend)):
        return inverse
    cross = np.multiply.outer(pushed, moved)
    outer = np.multiply.outer(moved, moved)
    weight = (1.0 + float(bend @ pushed) / seen) / seen
    updated: FloatArray = inverse - (cross + cross.T) / seen + weight * outer
    return updated
