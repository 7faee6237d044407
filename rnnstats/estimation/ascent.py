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

__all__ = ["Ascent", "ascend", "updated_inverse"]

FloatArray = NDArray[np.float64]
# Share of the promised gain that a step must bring.
ARMIJO = 1e-4
# Halvings before a line search gives up.
HALVINGS = 30
# Longest step, in standard errors of the start.
LONGEST = 8.0
# Differences of log-likelihoods below this share of their size are rounding.
ROUNDING = 1e-13
# A step saw no curvature where the cosine between it and the change of the score is below this.
UNSEEN = 1e-8


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
        inverse = updated_inverse(inverse, moved, bend, length * length * slope)
    return Ascent(psi, llf, False, evaluations)


def updated_inverse(
    inverse: FloatArray, moved: FloatArray, bend: FloatArray, square: float
) -> FloatArray:
    """BFGS update of the inverse curvature; left as it is where the step saw none.

    Parameters
    ----------
    inverse : ndarray, shape (k, k)
    moved, bend : ndarray, shape (k,)
        Step, and what it took off the score.
    square : float
        Squared length of the step in the metric of `inverse`, so that units do not matter.

    Returns
    -------
    ndarray, shape (k, k)
    """
    seen = float(moved @ bend)
    pushed = inverse @ bend
    if not seen > UNSEEN * math.sqrt(max(square * float(bend @ pushed), 0.0)):
        return inverse
    cross = np.multiply.outer(moved, pushed / seen)
    outer = np.multiply.outer(moved, moved * ((1.0 + float(bend @ pushed) / seen) / seen))
    updated: FloatArray = inverse + outer - cross - cross.T
    return updated
