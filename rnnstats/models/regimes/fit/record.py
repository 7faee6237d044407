"""The record of a fit of regimes: the end point examined, and the table of optima."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.certificate import Certificate, examine
from rnnstats.estimation.convergence import Convergence, Optimum
from rnnstats.estimation.optimize import Method, assess, maximize
from rnnstats.estimation.trust_region import unit_scale
from rnnstats.models.regimes.fit import faces
from rnnstats.models.regimes.fit.climbing import GTOL, Climber, Run, agreement
from rnnstats.models.regimes.fit.infinity import runaways
from rnnstats.models.regimes.fit.ordering import matched, renumbered

__all__ = ["Ending", "examined", "interrupted", "with_starts"]

FloatArray = NDArray[np.float64]

# Polished ends are one point when their log-likelihoods and regimes agree this well.
SAME_LLF = 1e-4
SAME_REGIMES = 0.999
# A climb's own curvature is examined where the log-likelihood rose by no more than this in the
# climb (it was taken within 0.15 standard errors of the end) and, in unit-diagonal scaling, its
# lowest eigenvalue is above this: hundreds of times the error of its differences.
CLOSE, WELL_CURVED = 0.01, 0.03


@dataclass(frozen=True, eq=False)
class Ending:
    """The point a fit ends with.

    Attributes
    ----------
    run : Run
    face : Face
        On which it was examined.
    hessian : ndarray, shape (k_psi, k_psi)
        In the coordinates of that face.
    convergence : Convergence
        Its own record, without the other starts.
    """

    run: Run
    face: faces.Face
    hessian: FloatArray
    convergence: Convergence


def examined(climber: Climber, run: Run) -> Ending:
    """Verify an end by its curvature, and climb on where that disagrees.

    Parameters
    ----------
    climber : Climber
    run : Run

    Returns
    -------
    Ending
    """
    gone = set(runaways(climber.model, run.theta).alone) - set(run.held)
    if not gone and (known := _known(climber, run)) is not None:
        return known
    face = climber.face(run.theta, (*run.held, *sorted(gone)))  # flat there: nothing to verify
    if face.transform.k_psi == 0:
        return _vertex(run, face)
    scoring = climber.method == "scoring"
    method = "auto" if climber.method == "em" else climber.method
    psi = face.psi(run.theta)
    outcome = assess(face, psi, hessian=face.hessian, gtol=GTOL)
    if not outcome.convergence.converged:
        outcome = maximize(
            face,
            psi,
            information=face.information if scoring else None,
            method=cast(Method, method),
            maxiter=max(climber.maxiter - run.iterations, 1),
            gtol=GTOL,
        )
    own = outcome.convergence
    done = replace(
        run,
        theta=face.theta(outcome.psi),
        llf=outcome.llf,
        iterations=run.iterations + own.iterations,
        evaluations=run.evaluations + own.evaluations,
        converged=own.converged,
        polished=True,
    )
    return Ending(done, face, outcome.hessian, own)


def _known(climber: Climber, run: Run) -> Ending | None:
    """What the climb itself knows of its end; None where a closer look is due."""
    if run.end is None or climber.method not in ("auto", "em"):
        return None
    face, climb = run.end
    close = climb.llf - climb.start_llf <= CLOSE and climb.status == "converged"
    if not close or not len(climb.psi):
        return None
    certificate = examine(climb.psi, climb.score, -climb.curvature)
    if certificate.lowest <= WELL_CURVED or not certificate.holds(GTOL):
        return None
    return Ending(run, face, certificate.hessian, _record(climber, run, certificate))


def interrupted(climber: Climber, run: Run) -> Ending:
    """The best point so far, looked at without a further climb.

    Parameters
    ----------
    climber : Climber
    run : Run

    Returns
    -------
    Ending
        Not converged; the curvature is that of the outer products of the scores.
    """
    face = climber.face(run.theta, run.held)
    psi = face.psi(run.theta)
    certificate = examine(psi, face(psi)[1], -face.information(psi))
    message = f"interrupted after {run.iterations} iterations: best point so far"
    found = _record(climber, run, certificate)
    found = replace(found, converged=False, message=message)
    return Ending(replace(run, converged=False), face, certificate.hessian, found)


def _record(climber: Climber, run: Run, certificate: Certificate) -> Convergence:
    """The record of a point that a certificate calls a maximum."""
    return Convergence(
        converged=True,
        message="converged",
        method=climber.method,
        iterations=run.iterations,
        evaluations=run.evaluations,
        seconds=0.0,
        max_scaled_score=certificate.max_scaled_score,
        newton_decrement=certificate.newton_decrement,
        hessian_positive=certificate.positive,
        hessian_negative=certificate.negative,
        hessian_zero=certificate.zero,
        condition=certificate.condition,
        boundary=(),
        n_starts=1,
        optima=(),
    )


def with_starts(
    climber: Climber,
    ending: Ending,
    runs: Sequence[Run],
    heads: Mapping[int, int],
    named: Run,
) -> Convergence:
    """Add all starts to the record of the end point.

    Parameters
    ----------
    climber : Climber
    ending : Ending
    runs : sequence of Run
        One a start, in order.
    heads : mapping of int to int
        For each start the one it was seen to follow.
    named : Run
        The end point with its regimes in the order in which they are reported.

    Returns
    -------
    Convergence
        Regimes of the other ends are matched with those of the end point before distances are
        taken.
    """
    best = ending.run
    ends = [best if run.start == best.start else run for run in runs]
    group = _groups(ends, best, heads)
    words = faces.border_words(climber.model, named.theta)
    far = _distances(climber, ending, ends, heads)
    optima = tuple(
        Optimum(
            start=run.start,
            label=run.label,
            start_llf=run.start_llf,
            llf=run.llf,
            same_as=group[run.start],
            distance=far[run.start],
            iterations=run.iterations,
            evaluations=run.evaluations,
            converged=run.converged,
            message=_message(run, heads),
            boundary=words if run is best and not run.sunk else _boundary(climber, run, named),
        )
        for run in ends
    )
    return replace(
        ending.convergence,
        method=climber.method,
        iterations=sum(run.iterations for run in ends),
        evaluations=sum(run.evaluations for run in ends),
        boundary=words,
        n_starts=len(ends),
        optima=optima,
    )


def _vertex(run: Run, face: faces.Face) -> Ending:
    """All probabilities at zero or one and nothing else to estimate: there is no slope."""
    found = Convergence(
        converged=True, message="converged", method="auto", iterations=run.iterations,
        evaluations=run.evaluations, seconds=0.0, max_scaled_score=0.0, newton_decrement=0.0,
        hessian_positive=0, hessian_negative=0, hessian_zero=0, condition=1.0,
        boundary=(), n_starts=1, optima=(),
    )  # fmt: skip
    return Ending(replace(run, converged=True, polished=True), face, np.empty((0, 0)), found)


def _groups(ends: Sequence[Run], best: Run, heads: Mapping[int, int]) -> list[int]:
    """For each start the lowest one that ended at the same point; -1 where none can be said."""
    leaders: list[Run] = []
    leader: dict[int, int] = {}
    for run in sorted(ends, key=lambda r: (r is not best, *r.rank, r.start)):
        if not (run.polished or run is best):
            continue
        twin = next((c for c in leaders if _same(run, c)), run)
        leader[run.start] = twin.start
        if twin is run:
            leaders.append(run)
    of = [leader.get(heads.get(run.start, -1), leader.get(run.start, -1)) for run in ends]
    return [of.index(one) if one >= 0 else -1 for one in of]


def _same(run: Run, other: Run) -> bool:
    if abs(run.llf - other.llf) > SAME_LLF:
        return False
    return agreement(run.states, other.states) >= SAME_REGIMES


@dataclass(frozen=True, eq=False)
class _Metric:
    """The score metric at an end point: eigenvalues and rows that take offsets along them."""

    here: FloatArray
    sizes: FloatArray
    rows: FloatArray

    @classmethod
    def at(cls, ending: Ending) -> _Metric | None:
        if not len(ending.hessian):
            return None
        try:
            here = ending.face.psi(ending.run.theta)
        except ValueError:
            return None
        scale = unit_scale(ending.hessian, here)
        values, vectors = np.linalg.eigh(-ending.hessian / np.multiply.outer(scale, scale))
        return cls(here, np.abs(values), vectors.T * scale)


def _distances(
    climber: Climber, ending: Ending, ends: Sequence[Run], heads: Mapping[int, int]
) -> dict[int, float]:
    """Distance of each start's end; of one that was seen to follow another, that of the other."""
    best = ending.run.start
    leading = [run for run in ends if run.polished or heads.get(run.start, best) == run.start]
    metric = _Metric.at(ending) if any(run.start != best for run in leading) else None
    far = {run.start: _distance(climber, ending, metric, run) for run in leading}
    far[best] = 0.0
    return {
        run.start: far.get(run.start, far.get(heads.get(run.start, -1), math.nan)) for run in ends
    }


def _distance(climber: Climber, ending: Ending, metric: _Metric | None, run: Run) -> float:
    """Distance from the end point in its own score metric, regimes matched; NaN without one."""
    best = ending.run
    if run.start == best.start:
        return 0.0
    if metric is None or run.states.shape != best.states.shape:
        return math.nan
    face = ending.face
    theta = renumbered(climber.model, run.theta, matched(run.states, best.states))
    try:
        offset = face.psi(theta) - metric.here
    except ValueError:
        return math.nan
    if not np.isfinite(offset).all():
        return math.nan
    along = metric.rows @ offset
    return math.sqrt(float(metric.sizes @ (along * along)))


def _boundary(climber: Climber, run: Run, named: Run) -> tuple[str, ...]:
    """What sits at a border at the end of a climb, regimes named as those of the end point."""
    if not run.polished:
        return ()
    model = climber.model
    order = matched(run.states, named.states)
    theta = renumbered(model, run.theta, order)
    if theta is run.theta:
        order = np.arange(model.k_regimes)
    place = np.argsort(order)
    sunk = tuple(
        f"no spread of {model.endog.names[s.column]} in {model.regime_names[place[s.regime]]}"
        for s in run.sunk
    )
    return faces.border_words(model, theta) + sunk


def _message(run: Run, heads: Mapping[int, int]) -> str:
    if run.polished:
        return "converged" if run.converged else "no step gains any more"
    if run.iterations == 0:
        return "not reached before the interrupt"
    head = heads.get(run.start, run.start)
    if head != run.start:
        return f"joined start {head}"
    return "put aside: lower"
