"""The fit of a Markov-switching model: starts, expectation-maximisation, exact polish, labels.

Every start is taken a few steps by expectation-maximisation, which goes far at first and cannot
overshoot; the better part of them a good deal further; the highest distinct ends are polished with
the exact score, on the face of the parameter space they belong to (`faces`). Optima in which a
regime sits on a few rows (`collapse`) rank below all others.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_generator, warn
from rnnstats._parallel import worked_through
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.convergence import Convergence
from rnnstats.estimation.progress import Counter
from rnnstats.estimation.starts.regimes import Classification
from rnnstats.models._fitting import StartPoint
from rnnstats.models.base import DEFAULT_SEED
from rnnstats.models.regimes.fit import collapse, record
from rnnstats.models.regimes.fit.climbing import Climber, Run, arrives, distinct
from rnnstats.models.regimes.fit.collapse import Degenerate
from rnnstats.models.regimes.fit.ordering import OrderRule, check_order, ordered
from rnnstats.models.regimes.fit.start_values import (
    default_number,
    divisions,
    no_start,
    refuse_transient,
    taken,
)

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = ["OrderRule", "Plan", "fit", "search"]

FloatArray = NDArray[np.float64]

# Steps of every start, and of the better part of them; gains at which they end.
SCREEN, SCREEN_TOL = 6, 1e-3
CLOSER = 6  # of two regimes: few parameters, for which the polish is as quick
# Steps of every start where they are compiled, which is cheap, and gain at which they end; fewer
# where there are more than so many rows.
COMPILED, COMPILED_TOL, SHORT = 60, 1e-4, 20_000
FURTHER, FURTHER_TOL = 30, 1e-3
# One of so many starts is taken further; with three regimes or more, where optima abound and the
# first steps say little of the last, also every one that is not this far below the best.
SHARE_ON, OPEN = 3, 3.0
# Share of the starts that is enough if all of it leads to one point: four of twelve. In 2900
# simulated series one in 80 of such points is not the highest.
BRIEF = 1.0 / 3.0
# Runs at rest this far below the best one are not polished; less where one in so many of the starts
# leads to the best.
FAR_BELOW, BELOW, AGREED = 3.0, 1.0, 3
# Ends that are polished: at least so many, and one for so many starts.
POLISHED, POLISHED_OF_TWO, STARTS_AN_END = 4, 3, 6


@dataclass(frozen=True, eq=False)
class Plan:
    """Where to begin, how long and by what means to climb.

    Attributes
    ----------
    given : StartPoint or None
        The user's start.
    number : int
        Starts from the data.
    brief : bool
        Whether the first part of them is enough if all of it leads to one point.
    rng : numpy.random.Generator
    method : str
    maxiter, n_jobs : int
    progress : bool
    """

    given: StartPoint | None
    number: int
    brief: bool
    rng: np.random.Generator
    method: str = "auto"
    maxiter: int = 500
    n_jobs: int = 1
    progress: bool = False


def fit(
    model: MarkovRNN,
    *,
    start_params: ArrayLike | None,
    method: str,
    n_starts: int | None,
    maxiter: int,
    cov_type: str,
    cov_kwds: Mapping[str, Any] | None,
    rng: np.random.Generator | int | None,
    progress: bool,
    n_jobs: int,
    order_regimes: object,
) -> Any:
    """Maximum likelihood; see ``MarkovRNN.fit``.

    Parameters
    ----------
    model : MarkovRNN
    start_params, method, n_starts, maxiter, cov_type, cov_kwds, rng, progress, n_jobs
        As in `rnnstats.models.base.LikelihoodModel.fit`.
    order_regimes : {"auto", "mean", "variance", "persistence", "none"} or callable
        As in `rnnstats.models.regimes.fit.ordering.ordered`.

    Returns
    -------
    MarkovResults
    """
    from rnnstats.results.markov import MarkovResults

    caller = f"{model.name}.fit"
    jobs = model._check_fit(method, n_starts, maxiter, cov_type, cov_kwds, progress, n_jobs)
    MarkovResults._refuse_cov(cov_type, caller)
    rule = check_order(order_regimes, caller)
    if model.layout.k_free == 0:
        return model._make_results(model.layout.base.copy(), cov_type, None, cov_kwds)
    model._check_estimable()
    collapse.refuse_few_values(model)
    collapse.refuse_combination(model)
    refuse_transient(model)
    generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=caller)
    given = None if start_params is None else _given(model, start_params)
    number = default_number(model.k_regimes) if n_starts is None else n_starts
    number = 0 if given is not None and n_starts is None else number
    plan = Plan(given, number, n_starts is None, generator, method, maxiter, jobs, bool(progress))
    if not number and rule == "auto":
        rule = "none"  # the user's own numbering
    end, found = search(model, plan, rule)
    _warn(model, found, end.sunk)
    return model._make_results(end.theta, cov_type, found, cov_kwds)


def _given(model: MarkovRNN, start_params: ArrayLike) -> StartPoint:
    """The user's start, restrictions imposed."""
    theta = model.layout.expand(model.layout.reduce(model._theta(start_params)))
    if model.likelihood.value(theta) == -math.inf:
        raise SpecificationError(
            f"{model.name}.fit: start_params must have a finite log-likelihood; got -inf: "
            f"{model.reason(theta)}. Move them into the admissible region."
        )
    return StartPoint("start_params", theta)


def search(model: MarkovRNN, plan: Plan, rule: OrderRule) -> tuple[Run, Convergence]:
    """Climb from all starts.

    Parameters
    ----------
    model : MarkovRNN
    plan : Plan
    rule : str or callable
        Order of the regimes.

    Returns
    -------
    Run
        The end point, its regimes in order.
    Convergence
        The record.

    Raises
    ------
    SpecificationError
        When there is no start.
    """
    began = time.perf_counter()
    climber = Climber(model, plan.method, plan.maxiter)
    runs: list[Run] = []
    heads: dict[int, int] = {}
    meter = Counter(plan.progress, plan.number + (plan.given is not None), "starts", "climb")
    stopped = False
    try:
        _climb_all(climber, runs, heads, plan, meter)
        best = min(runs, key=lambda run: (not run.polished, *run.rank, run.start))
        ending = record.examined(climber, _at_floor(climber, best))
    except KeyboardInterrupt:
        if not any(math.isfinite(run.llf) for run in runs):
            raise
        stopped = True
        best = min(runs, key=lambda run: (*run.rank, run.start))
        ending = record.interrupted(climber, best)
    finally:
        meter.close()
    named = climber.renamed(ending.run, ordered(model, ending.run.theta, rule))
    found = record.with_starts(climber, ending, runs, heads, named)
    if stopped:
        message = f"interrupted after {found.iterations} iterations: best point so far"
        found = replace(found, converged=False, message=message)
    return named, replace(found, seconds=time.perf_counter() - began)


def _climb_all(
    climber: Climber, runs: list[Run], heads: dict[int, int], plan: Plan, meter: Counter
) -> None:
    """Take all runs as far as they deserve; note which run each was seen to follow. In place."""
    if plan.given is not None:
        runs.append(climber.begin(0, plan.given))
        heads[0] = 0
    chosen = [0]
    if plan.number:
        source = divisions(climber.model, plan.rng)
        first = math.ceil(BRIEF * plan.number - 1e-9) if plan.brief else plan.number
        _screen(climber, runs, source, first, plan, meter)
        found = distinct(runs)
        one = len(set(found.values())) == 1 and not any(run.sunk for run in runs)
        if first < plan.number and not (one and len(found) == len(runs)):
            _screen(climber, runs, source, plan.number - first, plan, meter)
            found = distinct(runs)
        chosen = _further(climber, runs, heads, found, plan.n_jobs)
    ends: list[Run] = []
    least = POLISHED if climber.model.k_regimes > 2 else POLISHED_OF_TWO
    most = max(least, len(runs) // STARTS_AN_END)
    for i in chosen:
        proper = any(not run.sunk for run in ends)
        if (len(ends) >= most or runs[i].sunk) and proper:
            continue
        head = next((run for run in ends if arrives(runs[i], run)), None)
        if head is not None:
            _join(heads, {i: head.start})
            continue
        runs[i] = climber.finish(runs[i])
        ends.append(runs[i])


def _screen(
    climber: Climber,
    runs: list[Run],
    source: Iterator[Classification],
    number: int,
    plan: Plan,
    meter: Counter,
) -> None:
    """Begin further runs, and take all that are at their beginning some steps."""
    model = climber.model
    if climber.steps.fused is not None:
        made = list(itertools.islice(source, number))
        passes = model.nobs * climber.steps.fused.size // model.k_regimes
        steps = max(COMPILED * SHORT // max(passes, SHORT), SCREEN)
        runs += climber.together(made, runs, steps, COMPILED_TOL)
        meter.add(number)
    else:
        points = taken(model, source, number)
        runs += [climber.begin(len(runs) + i, point) for i, point in enumerate(points)]
    if not runs:
        raise no_start(model, f"{model.name}.fit")
    fresh = [run.start for run in runs if not run.iterations and math.isfinite(run.llf)]
    for run in worked_through(
        partial(_staged, climber, "screen"), [runs[i] for i in fresh], plan.n_jobs
    ):
        runs[run.start] = run
        meter.add()


def _further(
    climber: Climber,
    runs: list[Run],
    heads: dict[int, int],
    found: Mapping[int, int],
    n_jobs: int,
) -> list[int]:
    """Take the better part of the runs further; those worth a polish, the best first."""
    heads.update({run.start: run.start for run in runs})
    _join(heads, found)
    leaders = _leaders(runs, heads)
    number = max(POLISHED, -(-len(runs) // SHARE_ON))
    if climber.model.k_regimes > 2 and math.isfinite(runs[leaders[0]].llf):
        level = runs[leaders[0]].llf - OPEN
        number = max(number, sum(runs[i].llf >= level for i in leaders))
    leaders = leaders[:number]
    stage = "further" if climber.model.k_regimes > 2 else "closer"
    for run in worked_through(partial(_staged, climber, stage), [runs[i] for i in leaders], n_jobs):
        runs[run.start] = run
    _join(heads, distinct([runs[i] for i in leaders]))
    leaders = [i for i in _leaders(runs, heads) if i in leaders]
    top = runs[leaders[0]].rank
    agreed = AGREED * list(heads.values()).count(leaders[0]) >= len(heads) > AGREED
    far = BELOW if agreed else FAR_BELOW
    return [i for i in leaders if not _hopeless(runs[i], top, far)]


def _staged(climber: Climber, stage: str, run: Run) -> Run:
    if stage == "screen":
        return climber.expect(run, SCREEN, SCREEN_TOL, accelerate=False)
    limit = FURTHER if stage == "further" else CLOSER
    return climber.expect(run, limit, FURTHER_TOL, accelerate=True)


def _join(heads: dict[int, int], found: Mapping[int, int]) -> None:
    """Let those who followed a run follow the one that it follows now."""
    for start, head in heads.items():
        heads[start] = found.get(head, head)


def _leaders(runs: Sequence[Run], heads: Mapping[int, int]) -> list[int]:
    """Runs that follow no other, the best first."""
    own = [run for run in runs if heads[run.start] == run.start and math.isfinite(run.llf)]
    return [run.start for run in sorted(own, key=lambda run: (*run.rank, run.start))]


def _hopeless(run: Run, top: tuple[bool, float], far: float) -> bool:
    """Whether a run has come to rest far below the best."""
    return run.settled and run.rank > (top[0], top[1] + far)


def _at_floor(climber: Climber, run: Run) -> Run:
    """Hold scales at their floor where all there is has regimes without spread."""
    held = collapse.floor_places(climber.model, run.sunk)
    if not held:
        return run
    theta = run.theta.copy()
    for place, value in held.items():
        theta[place] = value
    layout = climber.model.layout
    columns = tuple(c for c in map(layout.free_column, held) if c is not None)
    theta = layout.expand(layout.reduce(theta))
    value = climber.model.likelihood.value(theta)
    if value == -math.inf or not columns:
        return run
    return climber.polish(replace(run, theta=theta, llf=value, held=columns))


def _warn(model: MarkovRNN, found: Convergence, sunk: Sequence[Degenerate]) -> None:
    """Say what the user must know."""
    if sunk:
        one = sunk[0]
        labels = [str(model.endog.index[row]) for row in one.rows]
        said = collapse.words(one, model.endog.names[one.column], model.regime_names[one.regime],
                              labels)  # fmt: skip
        warn(
            f"{model.name}.fit: the likelihood has no bound and no proper maximum was found: "
            f"{said}; its variance is bounded from below. Leave 'variance' out of switching, use "
            "fewer regimes, or another distribution.",
            ConvergenceWarning,
        )
    if not found.converged:
        words = "; ".join([found.message, *found.boundary])
        warn(f"{model.name}.fit: {words}", ConvergenceWarning)
