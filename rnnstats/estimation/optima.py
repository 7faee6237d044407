"""The table of optima: which starts led to the same point, and how far apart the points are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rnnstats.estimation.certificate import Certificate
from rnnstats.estimation.convergence import FloatArray, Optimum
from rnnstats.estimation.trust_region import Climb, unit_scale

__all__ = ["distance", "tabulate"]

# Two points are one when they are this near in the score metric of the better one (standard
# errors) and their log-likelihoods differ by no more than SAME_LLF.
SAME_POINT = 1e-2
SAME_LLF = 1e-5


def distance(curvature: FloatArray, scale: FloatArray, offset: FloatArray) -> float:
    """Length of an offset in the metric of a curvature, its negative directions made positive.

    Parameters
    ----------
    curvature : ndarray, shape (k, k)
        Negative Hessian, or a model of it.
    scale : ndarray, shape (k,)
        Its unit scale.
    offset : ndarray, shape (k,)
        Difference of two points.

    Returns
    -------
    float
        Never negative; a number of standard errors.
    """
    values, vectors = np.linalg.eigh(curvature / np.multiply.outer(scale, scale))
    y = vectors.T @ (offset * scale)
    return math.sqrt(float(np.abs(values) @ (y * y)))


def tabulate(
    climbs: Sequence[Climb],
    heads: Sequence[int],
    best: Climb,
    certificate: Certificate,
    labels: Sequence[str],
) -> tuple[Optimum, ...]:
    """Make the table of optima.

    Parameters
    ----------
    climbs : sequence of Climb
        One for each start, in order.
    heads : sequence of int
        For each start the start it was seen to follow, itself, or -1 when it was put aside.
    best : Climb
        The best of them.
    certificate : Certificate
        Of the best.
    labels : sequence of str
        A word for each start.

    Returns
    -------
    tuple of Optimum
        One row for each start.
    """
    scale = unit_scale(certificate.hessian, best.psi)
    groups = _groups(climbs, heads, best, certificate, scale)
    rows = []
    for state in climbs:
        head = heads[state.start]
        away = math.nan
        if state.llf > -math.inf:
            away = distance(-certificate.hessian, scale, state.psi - best.psi)
        rows.append(
            Optimum(
                start=state.start,
                label=labels[state.start],
                start_llf=state.start_llf,
                llf=state.llf,
                same_as=groups[state.start],
                distance=away,
                iterations=state.iterations,
                evaluations=state.evaluations,
                converged=state.status == "converged",
                message=_row_message(state, head),
            )
        )
    return tuple(rows)


def _groups(
    climbs: Sequence[Climb],
    heads: Sequence[int],
    best: Climb,
    certificate: Certificate,
    scale: FloatArray,
) -> list[int]:
    """For each start the lowest start that ended at the same point, -1 where none can be said."""
    twins: dict[int, int] = {}
    leaders: list[Climb] = []
    for state in sorted(climbs, key=lambda s: (s is not best, s.start)):
        if state is best or (state.status != "refused" and heads[state.start] == state.start):
            twin = next((c for c in leaders if _same(state, c, best, certificate, scale)), state)
            twins[state.start] = twin.start
            if twin is state:
                leaders.append(state)
    group = [
        twins.get(state.start if state is best else heads[state.start], -1) for state in climbs
    ]
    return [group.index(leader) if leader >= 0 else -1 for leader in group]


def _same(
    state: Climb, other: Climb, best: Climb, certificate: Certificate, scale: FloatArray
) -> bool:
    """Whether two end points are one, by height and by distance in the metric of the second."""
    if abs(state.llf - other.llf) > SAME_LLF:
        return False
    offset = state.psi - other.psi
    if other is best:
        return distance(-certificate.hessian, scale, offset) <= SAME_POINT
    return distance(other.curvature, other.scale, offset) <= SAME_POINT


def _row_message(state: Climb, head: int) -> str:
    if state.evaluations == 0:
        return "not reached before the interrupt"
    if state.status == "refused":
        return "refused: the log-likelihood is not finite at the start"
    if head == -1:
        return "put aside after the screening"
    if head != state.start:
        return f"joined start {head} after the screening"
    if state.status == "running":
        return "stopped by the limit of iterations"
    return "converged" if state.status == "converged" else "no step gains any more"
