"""Profile likelihood of a function of the parameters: constrained maxima and where they fall off.

The largest log-likelihood subject to ``g(psi) = c`` is found by sequential quadratic programming
with exact gradients; the ends of the interval are where its signed root crosses a quantile.

References
----------
Venzon and Moolgavkar (1988), Applied Statistics 37, 87-94 (profile intervals). Nocedal and Wright
(2006), Numerical Optimization, 2nd ed., chapter 18 (merit function, damped updates, correction).
Barndorff-Nielsen and Cox (1994), Inference and Asymptotics, section 3.4 (signed root).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnstats.estimation.convergence import FloatArray

__all__ = ["Constrained", "Curve", "Point", "Task", "constrained_maximum", "interval_end"]

# psi -> (value, gradient); minus infinity, or NaN, where it is not defined.
ScalarFn = Callable[[FloatArray], tuple[float, FloatArray]]

MAXITER = 200
# Squared length of the last step in standard errors: the log-likelihood is then within half of it.
DECREMENT = 1e-10
# The constraint holds to this share of its standard error.
FEASIBLE = 1e-8
# Longest step, in standard errors.
LONGEST = 3.0
# The signed root at an end is this close to the quantile, roughly so where a climb was blocked; an
# end at a boundary is this close to it in standard errors.
ROOT = 1e-7
ROUGH = 1e-4
EDGE = 1e-6
# Starts from which other constrained maxima are looked for, and the gain that counts as one.
SCATTER = 2
GAIN = 1e-5
SEED = 20240913
# Shares of the way to the end at which the curve is evaluated, too.
BETWEEN = (0.2, 0.4, 0.6, 0.8)
# Standard errors from the estimate at which an end that is still not reached counts as infinite.
FAR = 1e4


class Constrained(NamedTuple):
    """A constrained maximum: the point, its log-likelihood, whether it is one.

    Where it is none, ``feasible`` says whether it satisfies the constraint nevertheless: then the
    way upwards was blocked, as by the border of the admissible region.
    """

    psi: FloatArray
    llf: float
    converged: bool
    feasible: bool


class Point(NamedTuple):
    """A point of the profile: value of the function, signed root, log-likelihood, where.

    ``blocked`` if it lies at the border of the admissible region, short of a maximum.
    """

    value: float
    root: float
    llf: float
    psi: FloatArray
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What a profile is about.

    Attributes
    ----------
    objective : callable
        ``psi -> (llf, score)``.
    function : callable
        ``psi -> (g, gradient)``; NaN where it is not defined.
    psi : ndarray, shape (k,)
        The maximum.
    llf : float
        Its log-likelihood.
    value : float
        g there.
    error : float
        A standard error of g, or another positive length.
    metric : ndarray, shape (k, k)
        Information at the maximum, positive definite.
    inside : callable
        ``psi -> psi``, the equivalent point in the part of the space that is looked at: the point
        itself where it lies there.
    edge : callable, optional
        ``psi -> (h, gradient)``, zero on the border of that part, negative inside.
    lifted : callable
        ``psi -> psi or None``: another start where a point is so near to the border of its
        coordinates, such as a variance of zero, that the score does not lead away from it.
    starts : tuple of ndarray, shape (k,)
        Points from which other maxima are looked for; none where there is no other maximum as high
        as the cut.
    """

    objective: ScalarFn
    function: ScalarFn
    psi: FloatArray
    llf: float
    value: float
    error: float
    metric: FloatArray
    inside: Callable[[FloatArray], FloatArray]
    edge: ScalarFn | None
    lifted: Callable[[FloatArray], FloatArray | None]
    starts: tuple[FloatArray, ...] = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """One side of a profile.

    Attributes
    ----------
    end : float
        Where the signed root reaches the quantile; the boundary where it does not.
    note : str
        Empty for a crossing; "blocked" for one where the constrained maximum lies at the border of
        the admissible region; "boundary", "unbounded" or "not found" where there is none.
    points : tuple of Point
        What was evaluated, from the maximum outwards.
    """

    end: float
    note: str
    points: tuple[Point, ...]


@dataclass(slots=True)
class _State:
    psi: FloatArray
    llf: float
    score: FloatArray
    gap: FloatArray  # (m,)
    slope: FloatArray  # (k, m)


def constrained_maximum(
    task: Task, target: float, start: FloatArray, *, on_edge: bool = False
) -> Constrained:
    """Maximise the log-likelihood subject to ``g = target``.

    Parameters
    ----------
    task : Task
    target : float
    start : ndarray, shape (k,)
        Need not satisfy the constraint.
    on_edge : bool
        Subject to ``edge = 0`` as well.

    Returns
    -------
    Constrained
        ``converged`` is False where no admissible point satisfies the constraint, or the
        iterations were used up.

    Notes
    -----
    Steps solve ``max s'd - d'Bd/2`` subject to the linearised constraint; B starts as the
    information at the maximum and is updated by damped BFGS. A step is accepted if it raises
    ``llf - mu |g - target|`` enough, else corrected for the curvature of the constraint, then
    halved.
    """
    here = _look(task, start, target, on_edge)
    if here is None:
        return Constrained(start, -math.inf, False, False)
    bend, penalty = task.metric.copy(), 0.0
    for _ in range(MAXITER):
        plan = _planned(here, bend)
        if plan is None:
            break
        if plan.length <= DECREMENT and np.abs(here.gap).max() <= FEASIBLE:
            return Constrained(here.psi, here.llf, True, True)
        step = plan.step
        if plan.length > LONGEST**2:
            step = step * (LONGEST / math.sqrt(plan.length))
        penalty = max(1.5 * float(np.abs(plan.multiplier).max()), 0.9 * penalty)
        there = _searched(task, target, here, step, plan.normal, penalty, on_edge)
        if there is None:
            break
        _update(bend, there.psi - here.psi, _turn(here, there, plan.multiplier))
        here = there
    # rounding may stop the search just before the criterion; flat to sqrt(eps) is as good
    plan = _planned(here, bend)
    flat = plan is not None and plan.length <= 1e-8 * max(1.0, abs(here.llf))
    gap = float(np.abs(here.gap).max())
    converged = flat and gap <= 1e2 * FEASIBLE
    return Constrained(here.psi, here.llf, converged, converged or gap <= FEASIBLE)


class _Plan(NamedTuple):
    step: FloatArray
    multiplier: FloatArray  # (m,)
    normal: FloatArray  # (k, m) shortest moves that change one constraint by one
    length: float


def _planned(here: _State, bend: FloatArray) -> _Plan | None:
    """Solve the quadratic model subject to the linearised constraints."""
    try:
        solved = np.linalg.solve(bend, np.column_stack([here.score, here.slope]))
        grip = here.slope.T @ solved[:, 1:]
        if not (np.isfinite(grip).all() and np.linalg.cond(grip) < 1e12):
            return None
        normal = np.linalg.solve(grip.T, solved[:, 1:].T).T
        multiplier = np.linalg.solve(grip, here.slope.T @ solved[:, 0] + here.gap)
    except np.linalg.LinAlgError:
        return None
    step = solved[:, 0] - solved[:, 1:] @ multiplier
    with np.errstate(over="ignore", invalid="ignore"):
        length = float(step @ bend @ step)
    if not math.isfinite(length):
        return None  # the constraint no longer moves: a probability has run into its border
    return _Plan(np.asarray(step, float), np.asarray(multiplier, float), normal, length)


def _look(task: Task, psi: FloatArray, target: float, on_edge: bool) -> _State | None:
    """Log-likelihood and constraints, the first in standard errors; None where undefined."""
    value, slope = task.function(psi.copy())
    gaps, slopes = [(value - target) / task.error], [slope / task.error]
    if on_edge and task.edge is not None:
        height, rise = task.edge(psi.copy())
        gaps.append(height)
        slopes.append(rise)
    if not (np.isfinite(gaps).all() and np.isfinite(slopes).all()):
        return None
    llf, score = task.objective(psi.copy())
    if not (math.isfinite(llf) and np.isfinite(score).all()):
        return None
    return _State(psi, llf, score, np.array(gaps), np.column_stack(slopes))


def _searched(
    task: Task,
    target: float,
    here: _State,
    step: FloatArray,
    normal: FloatArray,
    penalty: float,
    on_edge: bool,
) -> _State | None:
    """Point along the step with a better merit; None if rounding leaves none."""
    merit = _merit(here, penalty)
    promise = float(here.score @ step) + penalty * float(np.abs(here.gap).sum())
    noise = 1e-13 * max(1.0, abs(here.llf))
    share = 1.0
    for trial in range(40):
        there = _look(task, here.psi + share * step, target, on_edge)
        if there is not None:
            if trial == 0 and np.abs(there.gap).sum() > 0.1 * np.abs(here.gap).sum():
                bent = _look(task, here.psi + step - normal @ there.gap, target, on_edge)
                if bent is not None and _merit(bent, penalty) > _merit(there, penalty):
                    there = bent
            if _merit(there, penalty) >= merit + 1e-4 * share * max(promise, 0.0) - noise:
                return there if np.any(there.psi != here.psi) else None
        share *= 0.5
    return None


def _merit(state: _State, penalty: float) -> float:
    return state.llf - penalty * float(np.abs(state.gap).sum())


def _turn(here: _State, there: _State, multiplier: FloatArray) -> FloatArray:
    """Change of minus the gradient of the Lagrangian."""
    before = here.score - here.slope @ multiplier
    after = there.score - there.slope @ multiplier
    return np.asarray(before - after, dtype=np.float64)


def _update(bend: FloatArray, move: FloatArray, change: FloatArray) -> None:
    """Damped BFGS update in place (Nocedal and Wright, proc. 18.2), skipped where it overflows."""
    image = bend @ move
    size = float(move @ image)
    if not size > 0.0:
        return
    along = float(move @ change)
    if along < 0.2 * size:
        share = 0.8 * size / (size - along)
        change = share * change + (1.0 - share) * image
        along = float(move @ change)
    with np.errstate(over="ignore", invalid="ignore"):
        turn = np.outer(change, change) / along - np.outer(image, image) / size
    if np.isfinite(turn).all():
        bend += turn


def interval_end(task: Task, side: int, quantile: float) -> Curve:
    """Find where the signed root of the profile reaches a quantile on one side.

    Parameters
    ----------
    task : Task
    side : {-1, 1}
        Below or above the estimate.
    quantile : float
        Positive, such as 1.96.

    Returns
    -------
    Curve
        With points between estimate and end as well.

    Notes
    -----
    The signed root ``sign(c - g) sqrt(2 (llf - profile))`` is nearly linear in c, so a secant with
    a bracket takes few steps; each constrained maximum starts from the nearest one found. At the
    end others are looked for from other starts, and where one is higher the search goes on
    from there: the likelihood may have several maxima under the constraint.
    """
    search = _Search(task, side, quantile)
    end, note = search.run()
    search.fill(end)
    return Curve(end, note, tuple(search.good))


class _Search:
    """One side of a profile in the making."""

    def __init__(self, task: Task, side: int, quantile: float) -> None:
        self.task, self.side, self.quantile = task, side, quantile
        self.good = [Point(task.value, 0.0, task.llf, task.psi)]
        self.outside: float | None = None
        self.spread = np.linalg.inv(np.linalg.cholesky(task.metric)).T
        self.rng = np.random.default_rng(SEED)

    def run(self) -> tuple[float, str]:
        """Return the end and what is to be said about it."""
        task, quantile = self.task, self.quantile
        value = task.value + self.side * quantile * task.error
        for _ in range(MAXITER):
            self.evaluate(value)
            inner = [p for p in self.good if abs(p.root) < quantile]
            outer = [p for p in self.good if abs(p.root) >= quantile]
            last = max(inner, key=lambda p: self.side * p.value)
            closest = min(self.good, key=lambda p: abs(abs(p.root) - quantile))
            if abs(abs(closest.root) - quantile) <= (ROUGH if closest.blocked else ROOT):
                if not self.surpassed(closest):
                    return closest.value, "blocked" if closest.blocked else ""
                value = _further(task, self.good[-1], quantile)
            elif outer:
                first = min(outer, key=lambda p: self.side * p.value)
                value = _between(self.good, last, first, quantile)
                if abs(first.value - last.value) <= 1e-12 * max(task.error, abs(last.value)):
                    if not self.surpassed(first):
                        return value, "blocked" if first.blocked else ""
                    value = _further(task, self.good[-1], quantile)
            elif self.outside is not None:
                if abs(self.outside - last.value) <= EDGE * task.error:
                    zero = min(abs(last.value), abs(self.outside)) <= EDGE * task.error
                    return (0.0 if zero else last.value), "boundary"
                value = 0.5 * (self.outside + last.value)
            else:
                value = _further(task, last, quantile)
                if abs(value - task.value) > FAR * task.error:
                    return self.side * math.inf, "unbounded"
        return math.nan, "not found"

    def evaluate(self, value: float) -> None:
        """Add the constrained maximum at a value, or note that there is none."""
        near = min(self.good, key=lambda p: abs(p.value - value)).psi
        starts = [near]
        raised = self.task.lifted(near)
        if raised is not None:
            starts.append(raised)
        found = self.highest(value, starts)
        if found is None and self.outside is None:
            found = self.highest(value, self.scattered(near))
        if found is None:
            self.outside = value
        else:
            self.insert(found)

    def surpassed(self, point: Point) -> bool:
        """Look for a higher constrained maximum; put it in the place of all that lie beyond."""
        if not self.task.starts:
            return False
        found = self.highest(point.value, self.scattered(point.psi))
        if found is None or found.llf <= point.llf + GAIN:
            return False
        beyond = self.side * point.value
        self.good = [p for p in self.good if self.side * p.value < beyond]
        self.good = [p for p in self.good if abs(p.root) < self.quantile]
        self.insert(found)
        return abs(found.root) < self.quantile - ROOT

    def fill(self, end: float) -> None:
        """Evaluate the curve between estimate and end, for its picture."""
        start = self.task.value
        last = end if math.isfinite(end) else self.good[-1].value
        for share in BETWEEN:
            value = start + share * (last - start)
            if all(abs(p.value - value) > 0.05 * abs(last - start) for p in self.good):
                self.evaluate(value)

    def scattered(self, psi: FloatArray) -> list[FloatArray]:
        """Starts around a point, two standard errors away in each direction, and given ones."""
        draws = self.rng.standard_normal((SCATTER, psi.size))
        around = [np.asarray(psi + 2.0 * (self.spread @ draw)) for draw in draws]
        return [*self.task.starts, *around]

    def highest(self, value: float, starts: Sequence[FloatArray]) -> Point | None:
        """Highest constrained maximum that the starts lead to."""
        reached = [found for s in starts if (found := _within(self.task, value, s)) is not None]
        if not reached:
            return None
        best = max(reached, key=lambda found: found.llf)
        root = self.side * math.sqrt(max(2.0 * (self.task.llf - best.llf), 0.0))
        return Point(value, root, best.llf, best.psi, not best.converged)

    def insert(self, point: Point) -> None:
        """Keep points in their order, outwards."""
        self.good.append(point)
        self.good.sort(key=lambda p: self.side * p.value)


def _further(task: Task, last: Point, quantile: float) -> float:
    """A value at which the root should be large enough, judged by the last one."""
    distance = last.value - task.value
    if last.root == 0.0:
        side = math.copysign(1.0, distance) if distance != 0.0 else 1.0
        return task.value + (2.0 * distance if distance != 0.0 else side * task.error)
    return task.value + distance * min(max(1.05 * quantile / abs(last.root), 1.1), 3.0)


def _between(good: list[Point], last: Point, first: Point, quantile: float) -> float:
    """Inverse interpolation of the signed root, kept off the ends of the bracket."""
    nearest = sorted(good, key=lambda p: abs(abs(p.root) - quantile))[:4]
    roots = np.array([abs(p.root) for p in nearest])
    share = (quantile - abs(last.root)) / (abs(first.root) - abs(last.root))
    width = first.value - last.value
    if np.abs(np.subtract.outer(roots, roots))[np.triu_indices(len(roots), 1)].min() > 1e-9:
        weights = [
            np.prod([(quantile - other) / (own - other) for other in np.delete(roots, i)])
            for i, own in enumerate(roots)
        ]
        curved = float(np.dot(weights, [p.value for p in nearest]))
        better = (curved - last.value) / width
        share = better if 0.0 < better < 1.0 else share
    return last.value + min(max(share, 1e-3), 1.0 - 1e-3) * width


def _within(task: Task, value: float, start: FloatArray) -> Constrained | None:
    """Constrained maximum in the part of the space that is looked at, or on its border."""
    found = constrained_maximum(task, value, start)
    if not found.feasible:
        return None
    psi = task.inside(found.psi)
    if psi is found.psi:
        return found
    if abs(task.function(psi)[0] - value) <= 1e2 * FEASIBLE * task.error:
        return found._replace(psi=psi)  # the function does not tell the two points apart
    if task.edge is None:
        return None
    found = constrained_maximum(task, value, start, on_edge=True)
    return found if found.feasible and task.inside(found.psi) is found.psi else None
