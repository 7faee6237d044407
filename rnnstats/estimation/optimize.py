"""Maximum of a log-likelihood from several starts, with a record of how it was found.

Every start is climbed a little; the best distinct ones are climbed to the end; the best end point
is examined with an accurate Hessian. The climb itself is in `rnnstats.estimation.trust_region`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from rnnstats._checks import check_int, check_literal
from rnnstats.errors import SpecificationError
from rnnstats.estimation.certificate import Certificate, certify, describe, examine
from rnnstats.estimation.convergence import Convergence, FloatArray, Optimum, Outcome, Progress
from rnnstats.estimation.optima import distance, tabulate
from rnnstats.estimation.progress import Meter
from rnnstats.estimation.trust_region import (
    METHODS,
    Climb,
    MatrixFn,
    Method,
    Objective,
    Problem,
    begin,
    climb,
    refresh,
    settle,
)

__all__ = ["METHODS", "Method", "Objective", "assess", "maximize"]

# After the screening two climbs count as heading for the same point a little earlier.
SAME_BASIN = 0.25
SAME_BASIN_LLF = 0.05
# Relative difference of log-likelihoods that is no reason to prefer a climb that did not converge.
SAME_HEIGHT = 1e-7


@dataclass(frozen=True, slots=True)
class _Plan:
    """How far every climb goes."""

    screen: int
    polish: int
    maxiter: int
    n_jobs: int


def maximize(
    objective: Objective,
    starts: ArrayLike,
    *,
    hessian: MatrixFn | None = None,
    information: MatrixFn | None = None,
    method: Method = "auto",
    maxiter: int = 500,
    gtol: float = 1e-5,
    n_polish: int | None = None,
    screen_iterations: int = 15,
    labels: Sequence[str] | None = None,
    boundary: Callable[[FloatArray], Sequence[str]] | None = None,
    canonical: MatrixFn | None = None,
    callback: Callable[[Progress], None] | None = None,
    progress: bool = False,
    n_jobs: int = 1,
) -> Outcome:
    """Maximise a log-likelihood in unconstrained coordinates.

    Parameters
    ----------
    objective : callable
        ``psi -> (llf, score)`` with psi and score of shape (k,). An inadmissible psi gives minus
        infinity and any score (or NaN); the step there is refused. It gets an array of its own.
    starts : array_like, shape (k,) or (n_starts, k)
        Starting values. Rows that are inadmissible are refused and recorded.
    hessian : callable, optional
        ``psi -> (k, k)``, Hessian of the log-likelihood; by default differences of the exact score.
    information : callable, optional
        ``psi -> (k, k)``, expected information: a positive semi-definite approximation of the
        negative Hessian that needs first derivatives only.
    method : {"auto", "scoring", "newton", "bfgs"}
        Where the quadratic model comes from. ``"auto"``: the information at the start (when given;
        the Hessian otherwise), carried along by secant updates and renewed by the Hessian now and
        then and at the end. ``"scoring"``: the information at every iteration. ``"newton"``: the
        Hessian at every iteration. ``"bfgs"``: BFGS updates of the information (or of the Hessian)
        at the start. All of them look at the Hessian before they call a point a maximum.
    maxiter : int
        Iterations for each start that is climbed to the end.
    gtol : float
        Stop when the Newton step is shorter than this many standard errors:
        ``sqrt(score' (-H)^-1 score) <= gtol``.
    n_polish : int, optional
        How many distinct points are climbed to the end after the screening. By default all of up
        to four starts, else a third of them and at least four.
    screen_iterations : int
        Iterations given to each start before the choice.
    labels : sequence of str, optional
        A word for each start.
    boundary : callable, optional
        ``psi -> words``: what sits at the boundary of the parameter space at the end point.
    canonical : callable, optional
        ``psi -> psi``, an equivalent point (same log-likelihood) in preferred coordinates, such as
        the invertible twin of a moving average or sorted states. Used after the screening, every 25
        iterations and at the end, where the log-likelihood is not lower there. It must not raise.
    callback : callable, optional
        Called with a `Progress` after every iteration; only with ``n_jobs=1``.
    progress : bool
        Show a bar on standard error, if the work goes on for more than about two seconds.
    n_jobs : int
        Processes over starts (joblib). The numbers are the same for every value.

    Returns
    -------
    Outcome
        The best point, whether converged or not; ``convergence`` says which. An interrupt
        (Ctrl-C) also ends here, with the best point so far.

    Raises
    ------
    SpecificationError
        When an argument is not allowed or no start is admissible.

    Notes
    -----
    More and Sorensen (1983) for the subproblem. With given curvatures, invariant to the units of
    each coordinate.
    """
    clock = time.perf_counter()
    points = _check_starts(starts)
    check_literal(method, METHODS, name="method", caller="maximize")
    maxiter = check_int(maxiter, name="maxiter", caller="maximize", minimum=1)
    if not 0.0 < gtol < 1.0:
        raise SpecificationError(
            f"maximize: gtol must lie between 0 and 1; got {gtol!r}. Use 1e-5."
        )
    if method == "scoring" and information is None:
        raise SpecificationError(
            'maximize: method="scoring" needs the information; got None. Pass information= or use '
            'method="auto".'
        )
    words = _check_labels(labels, points.shape[0])
    default = max(4, -(-points.shape[0] // 3))
    polish = default if n_polish is None else n_polish
    polish = check_int(polish, name="n_polish", caller="maximize", minimum=1)
    plan = _Plan(screen_iterations if points.shape[0] > 1 else 0, polish, maxiter, n_jobs)
    meter = Meter(progress, callback, points.shape[0])
    problem = Problem(objective, hessian, information, method, gtol, meter.hook, canonical)
    climbs, heads, interrupted = _climb_all(problem, points, plan, meter)
    best, certificate, interrupted = _verified(problem, climbs, plan, interrupted)
    meter.close()
    table = tabulate(climbs, heads, best, certificate, words)
    return _outcome(
        best,
        certificate,
        table,
        seconds=time.perf_counter() - clock,
        problem=problem,
        boundary=boundary,
        interrupted=interrupted,
        climbs=climbs,
    )


def assess(
    objective: Objective,
    psi: ArrayLike,
    *,
    hessian: MatrixFn | None = None,
    information: MatrixFn | None = None,
    boundary: Callable[[FloatArray], Sequence[str]] | None = None,
    method: str = "closed form",
    gtol: float = 1e-5,
    seconds: float = 0.0,
) -> Outcome:
    """Give a point found otherwise the same record as one found by `maximize`.

    Parameters
    ----------
    objective : callable
        As for `maximize`.
    psi : array_like, shape (k,)
        The point; no step is taken from it.
    hessian, information, boundary : callable, optional
        As for `maximize`.
    method : str
        How it was found.
    gtol : float
        As for `maximize`.
    seconds : float
        Time that took; the time of this call is added.

    Returns
    -------
    Outcome

    Raises
    ------
    SpecificationError
        When the point is inadmissible.
    """
    clock = time.perf_counter()
    point = _check_starts(psi)[0]
    problem = Problem(objective, hessian, information, method, gtol)
    state = begin(problem, 0, point)
    if state.status == "refused":
        raise SpecificationError(
            "assess: the log-likelihood must be finite at the point; got -inf. Pass parameters "
            "inside the admissible region."
        )
    if information is not None:
        refresh(problem, state, near=False)
    certificate = certify(problem, state)
    state.status = "converged" if certificate.holds(gtol) else "stalled"
    table = tabulate([state], [0], state, certificate, (method,))
    return _outcome(
        state,
        certificate,
        table,
        seconds=seconds + time.perf_counter() - clock,
        problem=problem,
        boundary=boundary,
        interrupted=False,
        climbs=[state],
    )


def _check_starts(starts: ArrayLike) -> FloatArray:
    points = np.atleast_2d(np.array(starts, dtype=np.float64))
    if points.ndim != 2 or points.size == 0:
        raise SpecificationError(
            f"maximize: starts must have shape (k,) or (n_starts, k), both positive; got "
            f"{np.shape(starts)}. A model without free parameters needs no fit."
        )
    return points


def _check_labels(labels: Sequence[str] | None, n_starts: int) -> tuple[str, ...]:
    if labels is None:
        return tuple(f"start {i}" for i in range(n_starts))
    if len(labels) != n_starts:
        raise SpecificationError(
            f"maximize: labels must be one word a start; got {len(labels)} for {n_starts} starts. "
            "Leave them out to have them numbered."
        )
    return tuple(labels)


def _climb_all(
    problem: Problem, points: FloatArray, plan: _Plan, meter: Meter
) -> tuple[list[Climb], list[int], bool]:
    """Screen all starts, then climb the best distinct ones to the end.

    Also returns, for each start, the start that it was seen to follow after the screening (itself
    when it was climbed on, -1 when it was put aside).
    """
    n_starts = points.shape[0]
    climbs: list[Climb] = []
    heads = [-1] * n_starts
    try:
        for i, point in enumerate(points):
            climbs.append(begin(problem, i, point))
        if all(state.status == "refused" for state in climbs):
            raise SpecificationError(
                f"maximize: at least one start must have a finite log-likelihood; got -inf at all "
                f"{n_starts}. Start nearer to zero, or scale the data."
            )
        if plan.screen > 0:
            for state in _spread(problem, climbs, range(n_starts), plan.screen, plan, meter):
                climbs[state.start] = state
        for state in climbs:
            settle(problem, state)
        heads = _choose(climbs, plan.polish)
        chosen = [i for i in range(n_starts) if heads[i] == i]
        meter.polishing(len(chosen))
        for state in _spread(problem, climbs, chosen, plan.maxiter, plan, meter):
            climbs[state.start] = state
    except KeyboardInterrupt:
        if not any(state.status != "refused" for state in climbs):
            raise
        for i in range(len(climbs), n_starts):
            state = Climb(i, points[i], -math.inf, np.zeros(0), np.ones(0), np.eye(0))
            state.status = "refused"
            climbs.append(state)
        return climbs, heads, True
    return climbs, heads, False


def _spread(
    problem: Problem,
    climbs: Sequence[Climb],
    which: Sequence[int],
    limit: int,
    plan: _Plan,
    meter: Meter,
) -> Iterator[Climb]:
    """Climb some starts up to a limit of iterations, here or in other processes."""
    waiting = [climbs[i] for i in which if climbs[i].status == "running"]
    if plan.n_jobs == 1 or len(waiting) < 2:
        for state in waiting:
            yield climb(problem, state, limit)
            meter.done(state)
        return
    from joblib import Parallel, delayed

    quiet = replace(problem, callback=None)
    jobs = Parallel(n_jobs=plan.n_jobs, return_as="generator")
    for state in jobs(delayed(climb)(quiet, state, limit) for state in waiting):
        yield state
        meter.done(state)


def _choose(climbs: Sequence[Climb], n_polish: int) -> list[int]:
    """For each start: itself when it is to be climbed on, the start it follows, or -1."""
    heads = [-1] * len(climbs)
    order = sorted(
        (state for state in climbs if state.status != "refused"),
        key=lambda state: (-state.llf, state.start),
    )
    chosen: list[Climb] = []
    for state in order:
        leader = next((c for c in chosen if _heads_for(state, c)), None)
        if leader is not None:
            heads[state.start] = leader.start
        elif len(chosen) < n_polish or state.status == "converged":
            heads[state.start] = state.start
            chosen.append(state)
    return heads


def _heads_for(state: Climb, leader: Climb) -> bool:
    if leader.llf - state.llf > SAME_BASIN_LLF or not leader.scaled:
        return False
    return distance(leader.curvature, leader.scale, state.psi - leader.psi) <= SAME_BASIN


def _best(climbs: Sequence[Climb]) -> Climb:
    """The highest climb; among equals a converged one, then the first."""
    top = max(state.llf for state in climbs)
    level = [state for state in climbs if state.llf >= top - SAME_HEIGHT * max(1.0, abs(top))]
    return min(level, key=lambda s: (s.status != "converged", -s.llf, s.start))


def _verified(
    problem: Problem, climbs: Sequence[Climb], plan: _Plan, interrupted: bool
) -> tuple[Climb, Certificate, bool]:
    """The best climb and its examination; where it fails, another converged one as high."""
    best = _best(climbs)
    certificate, interrupted = _finish(problem, best, plan, interrupted)
    others = list(climbs)
    candidate = best
    while not (interrupted or certificate.holds(problem.gtol)):
        others = [state for state in others if state is not candidate]
        lowest = best.llf - SAME_HEIGHT * max(1.0, abs(best.llf))
        level = [s for s in others if s.status == "converged" and s.llf >= lowest]
        if not level:
            break
        candidate = _best(level)
        found, interrupted = _finish(problem, candidate, plan, interrupted)
        if found.holds(problem.gtol):
            return candidate, found, interrupted
    return best, certificate, interrupted


def _finish(
    problem: Problem, best: Climb, plan: _Plan, interrupted: bool
) -> tuple[Certificate, bool]:
    """Examine the best point; climb on from it where the accurate Hessian disagrees."""
    if interrupted:
        return examine(best.psi, best.score, -best.curvature), True
    try:
        if settle(problem, best):
            climb(problem, best, max(best.iterations + 50, plan.maxiter))
        certificate = certify(problem, best)
        for _ in range(3):
            if certificate.holds(problem.gtol) or best.iterations >= plan.maxiter:
                break
            before = best.iterations
            best.curvature, best.stage, best.age = -certificate.hessian, "hessian", 0
            best.spectrum, best.status = None, "running"
            best.radius = max(best.radius, 1.0)
            _push(problem, best, plan.maxiter)
            if best.iterations == before:
                break
            certificate = certify(problem, best)
    except KeyboardInterrupt:
        return examine(best.psi, best.score, -best.curvature), True
    if certificate.holds(problem.gtol):
        best.status = "converged"
    elif best.status == "converged":
        best.status = "stalled"
    return certificate, False


def _push(problem: Problem, state: Climb, maxiter: int) -> None:
    """Climb on a little, to a tenth of the tolerance, from an accurate Hessian."""
    strict = replace(problem, gtol=0.1 * problem.gtol)
    climb(strict, state, min(state.iterations + 20, maxiter))


def _outcome(
    best: Climb,
    certificate: Certificate,
    table: tuple[Optimum, ...],
    *,
    seconds: float,
    problem: Problem,
    boundary: Callable[[FloatArray], Sequence[str]] | None,
    interrupted: bool,
    climbs: Sequence[Climb],
) -> Outcome:
    message = describe(
        certificate,
        problem.gtol,
        status=best.status,
        iterations=best.iterations,
        interrupted=interrupted,
    )
    if boundary is not None:
        said = {
            row.start: tuple(boundary(state.psi.copy()))
            for row, state in zip(table, climbs, strict=True)
            if row.same_as == row.start
        }
        table = tuple(replace(row, boundary=said.get(row.same_as, ())) for row in table)
    record = Convergence(
        converged=certificate.holds(problem.gtol) and not interrupted,
        message=message,
        method=problem.method,
        iterations=sum(state.iterations for state in climbs),
        evaluations=sum(state.evaluations for state in climbs),
        seconds=seconds,
        max_scaled_score=certificate.max_scaled_score,
        newton_decrement=certificate.newton_decrement,
        hessian_positive=certificate.positive,
        hessian_negative=certificate.negative,
        hessian_zero=certificate.zero,
        condition=certificate.condition,
        boundary=tuple(boundary(best.psi.copy())) if boundary is not None else (),
        n_starts=len(climbs),
        optima=table,
    )
    points = tuple(state.psi.copy() for state in climbs)
    return Outcome(
        best.psi.copy(), best.llf, best.score.copy(), certificate.hessian, record, points
    )
