"""The record of a fit: certificate of the end point, what is wrong with it, the table of optima."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.certificate import examine as examine_point
from rnnstats.estimation.convergence import Convergence, Optimum
from rnnstats.estimation.optimize import assess
from rnnstats.models.recurrent.fit import endings
from rnnstats.models.recurrent.fit.alignment import matched, turned
from rnnstats.models.recurrent.fit.climbing import GTOL, RUNAWAY, Run, agree
from rnnstats.models.recurrent.fit.coordinates import Target

if TYPE_CHECKING:
    from rnnstats.models.recurrent.methods import RecurrentMethods

__all__ = ["NO_MAXIMUM", "NO_REGULAR", "RUN_AWAY", "certified", "interrupted", "with_starts"]

FloatArray = NDArray[np.float64]
NO_MAXIMUM = "the log-likelihood has no maximum: weights run to infinity"
NO_REGULAR = "no regular maximum: the state does not forget its start"
RUN_AWAY = "weights run away, and there may be no maximum"
# What an end where weights run away must be higher to be worth a word.
HIGHER = 1e-3


def certified(
    model: RecurrentMethods, target: Target, best: Run, method: str, maxiter: int
) -> tuple[Convergence, FloatArray]:
    """
    Examine an end point.

    Parameters
    ----------
    model : RecurrentMethods
    target : Target
    best : Run
        That ended there.
    method : str
    maxiter : int
        The limit of its iterations.

    Returns
    -------
    Convergence
        ``converged`` is False also where there is no maximum, or no regular one.
    hessian : ndarray, shape (k_free, k_free)
        Of what is climbed.
    """
    psi = best.ascent.psi
    outcome = assess(target, psi, information=target.information, method=method, gtol=GTOL)
    record = outcome.convergence
    phi = target.at.phi(psi)
    words = list(model.head.boundary(phi[model.chart.extra], np.ones(model.endog.k_endog)))
    found = endings.examine(model.likelihood, model.layout, phi, target.penalty)
    words += [one.words for one in found]
    kinds = {one.kind for one in found}
    message, converged = record.message, record.converged
    if "infinite" in kinds:
        converged, message = False, NO_MAXIMUM
    elif "chaotic" in kinds:
        converged, message = False, NO_REGULAR
    elif not converged or record.hessian_zero:
        far = _runaway(model, phi)
        words += far
        if far:
            converged, message = False, f"{_stopped(record, best, maxiter)}; {RUN_AWAY}"
        elif not converged and best.rugged:
            message = f"{NO_REGULAR}: the climb was stopped where it ceases to"
        elif not converged:
            message = _stopped(record, best, maxiter)
    if target.penalty:
        message += f" (penalised, penalty {target.penalty:.4g})"
    record = replace(record, converged=converged, message=message, boundary=tuple(words))
    return record, outcome.hessian


def _stopped(record: Convergence, best: Run, maxiter: int) -> str:
    """How a climb ended that did not arrive."""
    length = math.sqrt(2.0 * record.newton_decrement)
    iterations = best.ascent.iterations
    if iterations >= maxiter:
        how = f"stopped by the limit of iterations ({iterations})"
    else:
        how = f"stopped where no step gains any more ({iterations} iterations)"
    how += f": the Newton step is {length:.2g} standard errors long (limit {GTOL:.2g})"
    if record.hessian_negative:
        noun = "direction" if record.hessian_negative == 1 else "directions"
        how += f", and the likelihood curves upwards in {record.hessian_negative} {noun}"
    return how


def _runaway(model: RecurrentMethods, phi: FloatArray) -> list[str]:
    """Name the largest weight where it is very large."""
    size = np.where(model.chart.penalised, np.abs(phi), 0.0)
    where = int(np.argmax(size))
    if size[where] <= RUNAWAY:
        return []
    name = model.layout.names[int(np.flatnonzero(model.chart.place == where)[0])]
    return [f"{name} runs away ({phi[where]:.3g} in standardised units)"]


def interrupted(target: Target, run: Run, method: str) -> tuple[Convergence, FloatArray]:
    """
    Record of the best point when the user broke the fit off: nothing more is computed but its
    information.

    Parameters
    ----------
    target : Target
    run : Run
    method : str

    Returns
    -------
    Convergence
    hessian : ndarray, shape (k_free, k_free)
    """
    ascent = run.ascent
    information = target.information(ascent.psi)
    if not np.isfinite(information).all():
        information = np.eye(len(ascent.psi))
    facts = examine_point(ascent.psi, ascent.score, -information)
    length = math.sqrt(2.0 * facts.newton_decrement)
    record = Convergence(
        converged=False,
        message=(
            f"interrupted after {ascent.iterations} iterations: best point so far; the scoring "
            f"step is {length:.2g} standard errors long (limit {GTOL:.2g})"
        ),
        method=method,
        iterations=ascent.iterations,
        evaluations=ascent.evaluations,
        seconds=0.0,
        max_scaled_score=facts.max_scaled_score,
        newton_decrement=facts.newton_decrement,
        hessian_positive=facts.positive,
        hessian_negative=facts.negative,
        hessian_zero=facts.zero,
        condition=facts.condition,
        boundary=(),
        n_starts=1,
        optima=(),
    )
    return record, -information


def with_starts(
    model: RecurrentMethods,
    target: Target,
    found: Convergence,
    hessian: FloatArray,
    best: Run,
    runs: Sequence[Run],
    heads: Mapping[int, int],
) -> Convergence:
    """
    Complete a record with what became of every start.

    Parameters
    ----------
    model : RecurrentMethods
    target : Target
    found : Convergence
        Of the end point.
    hessian : ndarray, shape (k_free, k_free)
        There.
    best : Run
        The run that ended there.
    runs : sequence of Run
        One a start, in order.
    heads : mapping of int to int
        The run that each was seen to follow: itself, another, or -1.

    Returns
    -------
    Convergence
        Units are aligned with those of the end point before distances are taken.
    """
    ends = [best if run.ascent.start == best.ascent.start else run for run in runs]
    message = found.message + _higher(ends, best, found)
    group = _groups(target, ends, best, heads)
    optima = tuple(
        Optimum(
            start=run.ascent.start,
            label=run.ascent.label,
            start_llf=run.ascent.start_value,
            llf=run.ascent.value,
            same_as=group[i],
            distance=_distance(model, target, run, best, hessian),
            iterations=run.ascent.iterations,
            evaluations=run.ascent.evaluations,
            converged=run.converged if run is not best else found.converged,
            message=_message(run, heads.get(i, -1), i),
            boundary=_boundary(model, target, run, found, best),
        )
        for i, run in enumerate(ends)
    )
    return replace(
        found,
        message=message,
        iterations=sum(run.ascent.iterations for run in ends),
        evaluations=sum(run.ascent.evaluations for run in ends),
        n_starts=len(ends),
        optima=optima,
    )


def _higher(ends: Sequence[Run], best: Run, found: Convergence) -> str:
    """A word about ends above the one reported, where weights run away."""
    if not found.converged:
        return ""
    above = [run for run in ends if run.polished and not run.rugged and not run.regular]
    top = max(above, key=lambda run: run.ascent.value, default=best)
    gap = top.ascent.value - best.ascent.value
    if gap <= HIGHER:
        return ""
    return (
        f" to the highest regular maximum (start {top.ascent.start} climbs {gap:.3g} higher, where "
        "weights run away or the climb does not end)"
    )


def _boundary(
    model: RecurrentMethods, target: Target, run: Run, found: Convergence, best: Run
) -> tuple[str, ...]:
    if run is best:
        return found.boundary
    if not run.polished:
        return ()
    phi = target.at.phi(run.ascent.psi)
    if run.states is not None and best.states is not None and not target.at.restricted:
        change = matched(model.architecture, run.states, best.states).changes
        phi = turned(model, phi, change)
    own = model.head.boundary(phi[model.chart.extra], np.ones(model.endog.k_endog))
    return own + tuple(
        one.words for one in endings.examine(model.likelihood, model.layout, phi, target.penalty)
    )


def _groups(target: Target, ends: Sequence[Run], best: Run, heads: Mapping[int, int]) -> list[int]:
    """For each start the lowest one that ended at the same point; -1 where none can be said."""
    leaders: list[Run] = []
    leader: dict[int, int] = {}
    for run in sorted(ends, key=lambda run: (run is not best, *run.rank)):
        if not (run.polished or run is best):
            continue
        twin = next((one for one in leaders if agree(target, run, one)), run)
        leader[run.ascent.start] = twin.ascent.start
        if twin is run:
            leaders.append(run)
    of = [leader.get(i, leader.get(heads.get(i, -1), -1)) for i in range(len(ends))]
    return [of.index(one) if one >= 0 else -1 for one in of]


def _distance(
    model: RecurrentMethods, target: Target, run: Run, best: Run, hessian: FloatArray
) -> float:
    """Distance from the end point in its own score metric, units aligned; NaN without one."""
    if run is best:
        return 0.0
    if run.states is None or best.states is None or not np.isfinite(hessian).all():
        return math.nan
    psi = run.ascent.psi
    if not target.at.restricted:
        change = matched(model.architecture, run.states, best.states).changes
        psi = target.at.psi(turned(model, target.at.phi(psi), change))
    offset = psi - best.ascent.psi
    return math.sqrt(abs(float(offset @ hessian @ offset)))


def _message(run: Run, head: int, start: int) -> str:
    if run.ascent.value == -math.inf:
        return "refused: the log-likelihood is not finite at the start"
    if run.polished:
        if run.rugged:
            return "put aside: the state hardly forgets its start, and the likelihood is rugged"
        return "converged" if run.converged else "stopped: it still rises, or no step gains"
    if run.ascent.iterations == 0:
        return "not reached before the interrupt"
    if head not in (-1, start):
        return f"joined start {head}"
    return "put aside: lower"
