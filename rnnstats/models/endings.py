"""The end of a fit in charts: which climb to end with, and the record of them all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.convergence import Optimum, Outcome
from rnnstats.models.charts import Climbed

__all__ = ["first_choice", "normalised", "with_climbs"]

FloatArray = NDArray[np.float64]
SAME_LLF = 1e-5
SAME_HEIGHT = 1e-7


def normalised(
    climbs: Sequence[Climbed],
    start: tuple[str, FloatArray, float],
    normal: Callable[[FloatArray], FloatArray],
    regular: Callable[[FloatArray], bool],
    psi_of: Callable[[FloatArray], FloatArray],
    objective: Callable[[FloatArray], tuple[float, FloatArray]],
) -> tuple[list[Climbed], int]:
    """Put the ends of climbs into normal form and choose the one to end with.

    Parameters
    ----------
    climbs : sequence of Climbed
        The highest start first.
    start : tuple of (label, theta, log-likelihood)
        That start.
    normal : callable
        ``theta -> theta``, the normal form.
    regular : callable
        ``theta -> bool``: whether unconstrained coordinates exist; a normal form without them is
        not used.
    psi_of, objective : callable
        As for `first_choice`.
    """
    ends = []
    for state in climbs:
        theta = normal(state.theta)
        ends.append(replace(state, theta=theta) if regular(theta) else state)
    best = first_choice(ends, psi_of, objective)
    if best < 0:
        best, ends[0] = 0, replace(ends[0], theta=start[1], llf=start[2])
    return ends, best


def first_choice(
    climbs: Sequence[Climbed],
    psi_of: Callable[[FloatArray], FloatArray],
    objective: Callable[[FloatArray], tuple[float, FloatArray]],
) -> int:
    """Index of the climb to end with; -1 for none of them but the first start.

    The highest one, but a converged one where the difference is rounding. Next to a singular
    covariance the likelihood of a point depends on the coordinates it is computed in; where the end
    of a climb has lost its height in the unconstrained ones, the highest there is taken.

    Parameters
    ----------
    climbs : sequence of Climbed
        The highest start first.
    psi_of : callable
        Natural parameters to unconstrained ones.
    objective : callable
        Log-likelihood and gradient in the unconstrained ones.
    """
    top = max(state.llf for state in climbs)
    level = top - SAME_HEIGHT * max(1.0, abs(top))
    rank = [(s.llf < level, s.llf >= level and not s.converged, -s.llf) for s in climbs]
    highest, place = climbs[0].start_llf, -1
    for i in sorted(range(len(climbs)), key=rank.__getitem__):
        value = objective(psi_of(climbs[i].theta))[0]
        if value > highest:
            highest, place = value, i
        if value >= climbs[i].llf - 1e-6 * (1.0 + abs(climbs[i].llf)):
            break  # those that follow are lower
    return place


def with_climbs(
    outcome: Outcome,
    climbs: Sequence[Climbed],
    best: int,
    psi_of: Callable[[FloatArray], FloatArray],
    began: float,
    method: str,
    interrupted: bool,
) -> Outcome:
    """Put the climbs into the record of the final step.

    Parameters
    ----------
    outcome : Outcome
        Of the final step, from the best climb's end.
    climbs : sequence of Climbed
    best : int
        Index of that climb.
    psi_of : callable
        Natural parameters to unconstrained ones.
    began : float
        ``time.perf_counter()`` at the beginning.
    method : str
        As asked for.
    interrupted : bool
        The climbs were: the end point is the best so far, and counts as unconverged.
    """
    ends = [psi_of(state.theta) for state in climbs]
    ends[best] = outcome.psi
    rows: list[Optimum] = []
    for i, state in enumerate(climbs):
        gap = ends[i] - outcome.psi
        form = -float(gap @ outcome.hessian @ gap)
        llf = outcome.llf if i == best else state.llf
        done = state.converged or i == best
        same = next(
            (j for j, row in enumerate(rows) if row.same_as == j and abs(row.llf - llf) < SAME_LLF),
            i,
        )
        rows.append(
            Optimum(
                start=i,
                label=state.label,
                start_llf=state.start_llf,
                llf=llf,
                same_as=same if done else -1,
                distance=math.sqrt(form) if form >= 0.0 else math.nan,
                iterations=state.iterations,
                evaluations=state.evaluations,
                converged=outcome.convergence.converged if i == best else state.converged,
                message="" if done else "put aside after the first iterations",
            )
        )
    record = replace(
        outcome.convergence,
        method=method,
        iterations=outcome.convergence.iterations + sum(c.iterations for c in climbs),
        evaluations=outcome.convergence.evaluations + sum(c.evaluations for c in climbs),
        seconds=time.perf_counter() - began,
        n_starts=len(climbs),
        optima=tuple(rows),
    )
    if interrupted:
        message = f"interrupted after {record.iterations} iterations: best point so far"
        record = replace(record, converged=False, message=message)
    return replace(outcome, convergence=record, points=tuple(ends))
