"""The end of a fit in charts: which climb to end with, and the record of them all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import SpecificationError
from rnnstats.estimation.convergence import Optimum, Outcome
from rnnstats.estimation.optimize import Method, assess, maximize
from rnnstats.models.charts import Charts, Climbed

__all__ = ["finished", "first_choice", "normalised", "with_climbs"]

FloatArray = NDArray[np.float64]
SAME_LLF = 1e-5
SAME_HEIGHT = 1e-7
# Charts that the last climb may use, and iterations in each.
REDRAWN = 6
LAST_ROUND = 50


def normalised(
    climbs: Sequence[Climbed],
    start: tuple[str, FloatArray, float],
    normal: Callable[[FloatArray], FloatArray],
    regular: Callable[[FloatArray], bool],
    psi_of: Callable[[FloatArray], FloatArray],
    objective: Callable[[FloatArray], tuple[float, FloatArray]],
    walled: bool = False,
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
    walled : bool
        As for `first_choice`.
    """
    ends = []
    for state in climbs:
        theta = normal(state.theta) if state.converged else state.theta
        ends.append(replace(state, theta=theta) if regular(theta) else state)
    best = first_choice(ends, psi_of, objective, walled)
    if best < 0:
        best, ends[0] = 0, replace(ends[0], theta=start[1], llf=start[2])
    return ends, best


def first_choice(
    climbs: Sequence[Climbed],
    psi_of: Callable[[FloatArray], FloatArray],
    objective: Callable[[FloatArray], tuple[float, FloatArray]],
    walled: bool = False,
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
    walled : bool
        Whether the region ends at a wall: climbs that did not converge, as those that ran into it,
        come last.
    """
    ended = [state.llf for state in climbs if state.converged or not walled]
    top = max(ended or [state.llf for state in climbs])
    level = top - SAME_HEIGHT * max(1.0, abs(top))
    rank = [
        (walled and not s.converged, s.llf < level, s.llf >= level and not s.converged, -s.llf)
        for s in climbs
    ]
    highest, place = climbs[0].start_llf, -1
    for i in sorted(range(len(climbs)), key=rank.__getitem__):
        value = objective(psi_of(climbs[i].theta))[0]
        if value > highest:
            highest, place = value, i
        if value >= climbs[i].llf - 1e-6 * (1.0 + abs(climbs[i].llf)):
            break  # those that follow are lower
    return place


def finished(
    atlas: Charts,
    theta: FloatArray,
    psi_of: Callable[[FloatArray], FloatArray],
    boundary: Callable[[FloatArray], Sequence[str]],
    method: str,
    maxiter: int,
) -> Outcome | None:
    """Examine the end of a climb in local coordinates; climb on there where it is no maximum.

    Where the parameters are nearly collinear, their own coordinates do not resolve the curvature of
    a point that is a plain maximum in balanced ones.

    Parameters
    ----------
    atlas : Charts
    theta : ndarray, shape (K,)
        Natural parameters of the point.
    psi_of : callable
        Natural parameters to unconstrained ones.
    boundary : callable
        Words about the point, from its unconstrained coordinates.
    method, maxiter
        As for `rnnstats.estimation.maximize`.

    Returns
    -------
    Outcome or None
        None where no maximum was confirmed this way. The score and the Hessian are those in the
        local coordinates.
    """
    spent, evaluations = 0, 0
    for _ in range(REDRAWN):
        try:
            chart = atlas.chart(theta)
            outcome = assess(chart.objective, chart.start, information=chart.information)
        except (SpecificationError, np.linalg.LinAlgError, ValueError):
            return None
        evaluations += outcome.convergence.evaluations
        if outcome.convergence.converged:
            break
        left = min(maxiter - spent, LAST_ROUND)
        if left < 1:
            return None
        outcome = maximize(
            chart.objective,
            chart.start,
            information=chart.information,
            method=cast(Method, method),
            maxiter=left,
        )
        spent += outcome.convergence.iterations
        evaluations += outcome.convergence.evaluations
        moved = chart.theta(outcome.psi)
        if moved is None or not atlas.regular(moved):
            return None
        theta = moved
        if outcome.convergence.converged:
            break
    psi = psi_of(theta)
    record = replace(
        outcome.convergence,
        iterations=spent,
        evaluations=evaluations,
        boundary=tuple(boundary(psi)),
    )
    return replace(outcome, psi=psi, convergence=record) if record.converged else None


def with_climbs(
    outcome: Outcome,
    climbs: Sequence[Climbed],
    best: int,
    psi_of: Callable[[FloatArray], FloatArray],
    began: float,
    method: str,
    interrupted: bool,
    metric: Callable[[FloatArray], FloatArray] | None = None,
    boundary: Callable[[FloatArray], Sequence[str]] | None = None,
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
    metric : callable, optional
        ``psi -> (k, k)``, the metric of distances; by default the outcome's negative Hessian.
    boundary : callable, optional
        ``psi -> words`` about each distinct end point.
    """
    ends = [psi_of(state.theta) for state in climbs]
    ends[best] = outcome.psi
    weight = -outcome.hessian if metric is None else metric(outcome.psi)
    rows: list[Optimum] = []
    for i, state in enumerate(climbs):
        gap = ends[i] - outcome.psi
        form = float(gap @ weight @ gap)
        llf = outcome.llf if i == best else state.llf
        done = state.converged or i == best
        same = next(
            (j for j, row in enumerate(rows) if row.same_as == j and abs(row.llf - llf) < SAME_LLF),
            i,
        )
        said: tuple[str, ...] = ()
        if done and boundary is not None:
            said = rows[same].boundary if same < i else tuple(boundary(ends[i]))
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
                boundary=said,
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
