"""Climbs from all starts: a little from each, on from the better ones, to the end from the best.

In small models some starts are first climbed under a ridge penalty that is taken off step by step:
that path leads to a regular maximum where one is near, and past ends where weights run away.

A climb that has come to rest is compared with others by what its units do on the sample. Ends whose
state does not forget (`endings`) rank below all others: there the likelihood is rugged, and its
height says nothing.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.convergence import Progress
from rnnstats.estimation.trust_region import Climb, Method, Problem, climb
from rnnstats.estimation.trust_region import begin as begin_region
from rnnstats.models.recurrent.fit.alignment import matched
from rnnstats.models.recurrent.fit.coordinates import Target, Walled
from rnnstats.models.recurrent.fit.endings import examine
from rnnstats.models.recurrent.fit.forgetting import NEUTRAL, lyapunov
from rnnstats.models.recurrent.fit.levenberg import Ascent, Stage, ascend, begin

__all__ = ["GTOL", "RUNAWAY", "Run", "agree", "best_of", "climb_all", "pursued", "stood"]

FloatArray = NDArray[np.float64]
Hook = Callable[[Progress], None]

# The stopping rule: a Newton step shorter than this many standard errors.
GTOL = 1e-5
# Iterations of every start, and the gain at which they end.
SCREEN = Stage(15, 1e-2)
# Iterations of the better part: of small models all starts, else one of so many, and at least four.
FURTHER, SETTLED = 100, 1e-5
SMALL, LEAST, SHARE = 60, 4, 3
# A ridge is taken off in steps of this factor down to the last; iterations under each.
EASING, LAST, EASED = 0.1, 1e-2, Stage(25, 1e-3)
# Iterations of a trust region after them, on so many distinct ends; of these, ends that have not
# come to rest or where weights run away, which would crowd out lower maxima; and those, the
# highest, that do not arrive and are climbed on: of small models, and of others.
NEARBY, ENDS, OPEN, PURSUED = 150, (18, 4), (6, 4), (2, 1)
# A standardised weight beyond this is taken for one that runs away.
RUNAWAY = 50.0
# A climb that does not arrive and stands this near a Lyapunov exponent of zero was stopped there.
EDGE = 0.01
# Two climbs lead to one end: cosine of the paths of their units, difference of log-likelihoods.
SAME_PATHS, SAME_HEIGHT = 0.999, 0.05


@dataclass(eq=False)
class Run:
    """A climb and what is known about where it stands.

    Attributes
    ----------
    ascent : Ascent
    states : ndarray, shape (n, s), or None
        Paths of the units there; None before the climb was compared with others.
    exponent : float
        Largest Lyapunov exponent of the state's recursion there.
    polished : bool
        Whether it was climbed to the end.
    converged : bool
    regular : bool
        Whether it converged to a point where nothing runs to infinity.
    region : Climb or None
        The climb by a trust region, to be resumed.
    ridge : float
        Penalty under which it is climbed first; 0 for none.
    """

    ascent: Ascent
    states: FloatArray | None = field(default=None, repr=False)
    exponent: float = math.nan
    polished: bool = False
    converged: bool = False
    regular: bool = False
    region: Climb | None = field(default=None, repr=False)
    ridge: float = 0.0

    @property
    def rank(self) -> tuple[bool, float, int]:
        """For sorting: ends whose state forgets first, then the highest."""
        return self.exponent > NEUTRAL, -self.ascent.value, self.ascent.start

    @property
    def rugged(self) -> bool:
        """Whether the state does not forget, or the climb was stopped where it ceases to."""
        return self.exponent > NEUTRAL or (
            self.polished and not self.converged and self.exponent > -EDGE
        )


def stood(target: Target, run: Run) -> Run:
    """
    Note the paths of the units where a climb stands, and whether the state forgets.

    Parameters
    ----------
    target : Target
    run : Run

    Returns
    -------
    Run
        The same.
    """
    here = target.likelihood.evaluate(target.at.phi(run.ascent.psi))
    if here is not None and np.isfinite(here.run.states).all():
        run.states = here.run.states
        run.exponent = lyapunov(target.likelihood.arch, here)
    return run


def agree(target: Target, one: Run, other: Run) -> bool:
    """
    Say whether two climbs stand at one end, numbers and signs of units apart.

    Parameters
    ----------
    target : Target
    one, other : Run

    Returns
    -------
    bool
    """
    if one.states is None or other.states is None:
        return False
    if abs(one.ascent.value - other.ascent.value) > SAME_HEIGHT:
        return False
    return matched(target.likelihood.arch, one.states, other.states).agreement >= SAME_PATHS


def best_of(runs: Iterable[Run], reserve: float) -> Run:
    """
    Choose the run to be reported.

    Parameters
    ----------
    runs : iterable of Run
    reserve : float
        A regular maximum is preferred to an end where weights run away that is not higher by more.

    Returns
    -------
    Run
    """
    every = list(runs)
    top = min(every, key=lambda run: run.rank)
    regular = [run for run in every if run.regular]
    if not regular:
        return top
    best = min(regular, key=lambda run: run.rank)
    return top if top.ascent.value > best.ascent.value + reserve else best


def climb_all(
    target: Target,
    runs: list[Run],
    heads: dict[int, int],
    method: Method,
    maxiter: int,
    n_jobs: int,
    hook: Hook | None,
) -> None:
    """
    Take all runs as far as they deserve.

    Parameters
    ----------
    target : Target
    runs : list of Run
        Changed in place, so that an interrupt loses nothing.
    heads : dict of int to int
        Filled with the run that each was seen to follow: itself, or -1 where it was put aside.
    method : {"auto", "scoring", "newton", "bfgs"}
    maxiter, n_jobs : int
    hook : callable or None
    """

    def stage(which: Sequence[int], work: Callable[..., Run], *given: object) -> None:
        for run in _spread(target, runs, which, work, given, n_jobs, hook):
            runs[run.ascent.start] = run

    every = [i for i, run in enumerate(runs) if math.isfinite(run.ascent.value)]
    heads.update(dict.fromkeys(range(len(runs)), -1))
    small = len(runs[every[0]].ascent.psi) <= SMALL
    held = [i for i in every if small and runs[i].ridge > target.penalty]
    first = replace(SCREEN, limit=min(SCREEN.limit, maxiter))
    stage([i for i in every if i not in held], _scored, first)
    stage(held, _eased, maxiter)
    stage(held, _scored, first)
    every.sort(key=lambda i: runs[i].rank)
    better = every if small else every[: max(LEAST, -(-len(runs) // SHARE))]
    stage(better, _scored, Stage(min(FURTHER, maxiter), SETTLED))
    better = sorted(better, key=lambda i: runs[i].rank)
    ends = _distinct(target, runs, heads, better, ENDS[not small], OPEN[not small])
    stage(ends, pursued, method, min(FURTHER + NEARBY, maxiter))
    open_ = [i for i in sorted(ends, key=lambda i: runs[i].rank) if not runs[i].converged]
    top = max((runs[i].ascent.value for i in ends if runs[i].regular), default=-math.inf)
    higher = [i for i in open_ if runs[i].ascent.value > top]
    stage(higher[: PURSUED[not small]], pursued, method, maxiter)


def _distinct(
    target: Target,
    runs: Sequence[Run],
    heads: dict[int, int],
    better: Sequence[int],
    limit: int,
    few: int,
) -> list[int]:
    """Choose so many ends that differ, the first of them, but few that are open."""
    ends: list[int] = []
    for i in better:
        head = next((j for j in ends if agree(target, runs[i], runs[j])), None)
        if head is not None:
            heads[i] = head
            continue
        is_open = not runs[i].ascent.rested or _far(target, runs[i])
        if len(ends) < limit and not (is_open and few == 0):
            heads[i] = i
            ends.append(i)
            few -= is_open
    return ends


def _far(target: Target, run: Run) -> bool:
    """Whether a weight runs away."""
    phi = target.at.phi(run.ascent.psi)
    return float(np.abs(phi[target.shrunk]).max(initial=0.0)) > RUNAWAY


def _spread(
    target: Target,
    runs: Sequence[Run],
    which: Sequence[int],
    work: Callable[..., Run],
    given: tuple[object, ...],
    n_jobs: int,
    hook: Hook | None,
) -> Iterator[Run]:
    """Do one piece of work for some of the runs, here or in other processes."""
    if n_jobs == 1 or len(which) < 2:
        for i in which:
            yield work(target, runs[i], *given, hook)
        return
    from joblib import Parallel, delayed

    jobs = Parallel(n_jobs=n_jobs, return_as="generator")
    yield from jobs(delayed(work)(target, runs[i], *given, None) for i in which)


def _eased(target: Target, run: Run, limit: int, hook: Hook | None) -> Run:
    """Climb under a ridge, and take it off step by step."""
    start, held = run.ascent, copy.copy(target)
    psi, penalty, evaluations = start.psi, run.ridge, start.evaluations
    while penalty > max(target.penalty, LAST * (1.0 - 1e-9)):
        held.penalty = penalty
        there = ascend(held, begin(held, start.start, start.label, psi),
                       replace(EASED, limit=min(EASED.limit, limit)), hook)  # fmt: skip
        psi, evaluations = there.psi, evaluations + there.evaluations
        penalty *= EASING
    there = begin(target, start.start, start.label, psi)
    if there.value > -math.inf:
        there.start_value, there.evaluations = start.start_value, there.evaluations + evaluations
        run.ascent = there
    return run


def _scored(target: Target, run: Run, stage: Stage, hook: Hook | None) -> Run:
    """Climb by scoring."""
    ascend(target, run.ascent, stage, hook)
    return stood(target, run)


def pursued(target: Target, run: Run, method: Method, limit: int, hook: Hook | None = None) -> Run:
    """
    Climb on by a trust region, to a maximum or far out.

    Parameters
    ----------
    target : Target
    run : Run
        Changed in place; also returned.
    method : {"auto", "scoring", "newton", "bfgs"}
    limit : int
        Iterations of the whole climb.
    hook : callable, optional

    Returns
    -------
    Run
    """
    ascent = run.ascent
    run.polished = True
    if run.exponent > NEUTRAL or ascent.iterations >= limit:
        return run
    objective = Walled(target) if ascent.walled else target
    problem = Problem(objective, None, target.information, method, GTOL, hook)
    state = run.region
    if state is None:
        state = begin_region(problem, ascent.start, ascent.psi)
        state.iterations = ascent.iterations
        state.evaluations += ascent.evaluations
    with np.errstate(over="ignore", divide="ignore"):  # slopes of zero along a saddle
        run.region = climb(problem, state, limit)
    ascent.psi, ascent.value, ascent.score = state.psi, state.llf, state.score
    ascent.iterations, ascent.evaluations = state.iterations, state.evaluations
    run.converged = state.status == "converged"
    run.regular = run.converged and _bounded(target, run)
    return stood(target, run)


def _bounded(target: Target, run: Run) -> bool:
    """Whether nothing runs to infinity where a climb stands, and its state forgets."""
    if _far(target, run):
        return False
    phi = target.at.phi(run.ascent.psi)
    found = examine(target.likelihood, target.at.layout, phi, target.penalty)
    return all(one.kind == "idle" for one in found)
