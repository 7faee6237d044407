"""The border of invertibility, where fits of the innovations form with a known start end.

With ``h_0 = 0`` and ``e_0 = 0`` known, a moving average root outside the circle makes errors of
size ``root**t``, unless the parameters are tuned to the data to as many digits: such maxima are
high, endless to climb, and say nothing about later rows. So points beyond the circle are refused.
Where the likelihood still rises towards them, the highest invertible point has a root on the
circle and a slope across it. It is found by a barrier (Nocedal and Wright 2006, section 19.6),
``log det(I - M x M)`` with M = W_h - K V, whose weight goes to zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.estimation.convergence import Outcome
from rnnstats.estimation.differences import hessian_from_score
from rnnstats.estimation.optimize import maximize
from rnnstats.models._fitting import Objective, PsiObjective
from rnnstats.parameters.cells import CellTable

if TYPE_CHECKING:
    from rnnstats.models.charts import Climbed

__all__ = ["Bordered", "Invertible", "Plain", "Wall", "forgets_not", "log_room"]

FloatArray = NDArray[np.float64]
OUTSIDE = 1e-6
# A climb that ended with a root this near the circle is taken on along it.
AT_WALL = 0.99
# Weights of the barrier; the last one costs some 1e-5 of log-likelihood.
WEIGHTS = (1.0, 0.05, 2e-3, 1e-4, 1e-5)
# Beside a maximum inside, a point of the wall counts if it is higher by this; climbs that ended
# lower by more than the room that is left along the wall are not tried.
HIGHER, ROOM = 1e-4, 1.0
# Newton steps, in standard errors, that end the climbs with the last weight and with those before.
EXACT, ROUGH = 1e-5, 1e-2
# Coordinates drawn for each weight, Newton steps in each; climbs that are taken on with up to
# MANY states; with more it is one, since it takes seconds.
REDRAWN, STEPS = 3, 30
TAKEN, MANY = 2, 3
MESSAGE = (
    "converged at the border of invertibility: the likelihood rises towards moving average roots "
    "outside the circle, where with a known start errors do not forget it; initial='stationary' "
    "has no such border"
)


def forgets_not(table: CellTable, full: FloatArray) -> bool:
    """Whether a moving average root lies outside the circle: the errors grow from their start."""
    return spectral_radius(_closed(table, full)) > 1.0 + OUTSIDE


def log_room(table: CellTable, full: FloatArray) -> tuple[float, FloatArray]:
    """Sum of log(1 - z_i z_j) over pairs of moving average roots, and its gradient in the cells.

    Parameters
    ----------
    table : CellTable
        Of the innovations form.
    full : ndarray, shape (size,)
        All cells of the template.

    Returns
    -------
    value : float
        Minus infinity with a root on or outside the circle.
    gradient : ndarray, shape (size,)
    """
    cells = np.zeros(len(full))
    closed = _closed(table, full)
    n = len(closed)
    pairs = np.eye(n * n) - np.kron(closed, closed)
    sign, value = np.linalg.slogdet(pairs)
    if sign <= 0.0 or spectral_radius(closed) >= 1.0:
        return -math.inf, cells
    inverse = np.linalg.inv(pairs).T.reshape(n, n, n, n)
    slope = -np.einsum("ikjl,kl->ij", inverse, closed) - np.einsum("ikjl,ij->kl", inverse, closed)
    c, k = table.array(full, "design"), table.array(full, "selection")
    cells[table.place("transition")] = slope.ravel()
    cells[table.place("selection")] = (-slope @ c.T).ravel()
    cells[table.place("design")] = (-k.T @ slope).ravel()
    return float(value), cells


def _closed(table: CellTable, full: FloatArray) -> FloatArray:
    a, c, k = (table.array(full, name) for name in ("transition", "design", "selection"))
    closed: FloatArray = a - k @ c
    return closed


@dataclass(frozen=True)
class Invertible:
    """A log-likelihood in ``psi`` that does not exist where errors grow from their start."""

    table: CellTable
    theta: Callable[[FloatArray], FloatArray]
    inner: Callable[[FloatArray], tuple[float, FloatArray]]

    def __call__(self, psi: FloatArray) -> tuple[float, FloatArray]:
        with np.errstate(over="ignore", invalid="ignore"):
            full = self.table.fill(self.theta(psi))
        if not np.isfinite(full).all() or forgets_not(self.table, full):
            return -math.inf, np.full(len(psi), np.nan)
        return self.inner(psi)


class Bordered(Protocol):
    """Coordinates around a point, the likelihood in them, and the cells of the state space."""

    start: FloatArray

    def objective(self, psi: FloatArray) -> tuple[float, FloatArray]: ...

    def theta(self, psi: FloatArray) -> FloatArray | None: ...

    def cells(self, psi: FloatArray) -> FloatArray:
        """All cells of the template, shape (size,)."""

    def pull_cells(self, psi: FloatArray, slopes: FloatArray) -> FloatArray:
        """Gradient in ``psi`` from the gradient in the cells."""


class Plain:
    """The model's own unconstrained coordinates, where restrictions leave no others.

    Parameters
    ----------
    model : Objective
    table : CellTable
    theta : ndarray, shape (K,)
        Natural parameters of the point.
    """

    def __init__(self, model: Objective, table: CellTable, theta: FloatArray) -> None:
        self.model, self.table = model, table
        self.start = model._psi(theta)
        self.objective = PsiObjective(model)

    def theta(self, psi: FloatArray) -> FloatArray:
        """Natural parameters."""
        return self.model.layout.expand(self.model.transform.to_natural(psi))

    def cells(self, psi: FloatArray) -> FloatArray:
        """All cells of the template."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.table.fill(self.theta(psi))

    def pull_cells(self, psi: FloatArray, slopes: FloatArray) -> FloatArray:
        """Gradient in ``psi`` from the gradient in the cells."""
        natural: FloatArray = self.table.directions() @ slopes
        return self.model.transform.pull(psi, self.model.layout.pull(natural))


@dataclass(frozen=True)
class _Barred:
    """Log-likelihood with a barrier before the circle."""

    chart: Bordered
    table: CellTable
    weight: float

    def __call__(self, psi: FloatArray) -> tuple[float, FloatArray]:
        value, score = self.chart.objective(psi)
        if value == -math.inf:
            return value, score
        room, slopes = self.room(psi)
        return value + self.weight * room, score + self.weight * slopes

    def room(self, psi: FloatArray) -> tuple[float, FloatArray]:
        """Barrier and gradient, without the weight; NaN on and beyond the wall."""
        room, slopes = log_room(self.table, self.chart.cells(psi))
        if room == -math.inf:
            return room, np.full(len(psi), np.nan)
        return room, self.chart.pull_cells(psi, slopes)

    def hessian(self, psi: FloatArray) -> FloatArray:
        """Second derivative, by differences on the scale of each part: the barrier's is short."""
        inner = hessian_from_score(lambda x: self.chart.objective(x)[1], psi)
        bend: FloatArray = self.weight * hessian_from_score(lambda x: self.room(x)[1], psi)
        return inner + bend


class Walled(Protocol):
    """What a wall asks of a model."""

    def _value(self, theta: FloatArray) -> float: ...

    def _psi(self, theta: FloatArray) -> FloatArray: ...

    def _theta_at(self, psi: FloatArray) -> FloatArray: ...

    def _psi_boundary(self, psi: FloatArray) -> tuple[str, ...]: ...

    def _towards_rest(self, theta: FloatArray) -> FloatArray: ...


@dataclass(frozen=True)
class Wall:
    """Climbs along the border of invertibility.

    Attributes
    ----------
    model : Walled
    table : CellTable
        Of the innovations form.
    chart : callable
        ``theta -> coordinates`` around it.
    steps : int
        Largest number of Newton steps in each.
    """

    model: Walled
    table: CellTable
    chart: Callable[[FloatArray], Bordered]
    steps: int = STEPS

    def after_climbs(
        self, climbs: list[Climbed], best: int
    ) -> tuple[Outcome | None, list[Climbed], int]:
        """Where climbs ran into the wall, find the highest point along it.

        Parameters
        ----------
        climbs : list of Climbed
        best : int
            Number of the climb to end with otherwise.

        Returns
        -------
        outcome, climbs, best
            None and the same where no climb ended at the wall, or none above the maxima inside.
        """
        found = self._highest([(c.llf, c.theta, c.converged) for c in climbs])
        if found is None:
            return None, climbs, best
        number, theta, higher = found
        moved = replace(climbs[number], llf=higher.llf, theta=theta, converged=True)
        return higher, [*climbs[:number], moved, *climbs[number + 1 :]], number

    def after_search(self, outcome: Outcome) -> Outcome:
        """Do the same for a search without charts, whose record has its climbs."""
        whole = outcome.convergence
        points = [self.model._theta_at(psi) for psi in outcome.points]
        ends = [(r.llf, t, r.converged) for r, t in zip(whole.optima, points, strict=True)]
        found = self._highest(ends)
        if found is None:
            return outcome
        number, _, higher = found
        last, rows, ends_psi = higher.convergence, list(whole.optima), list(outcome.points)
        ends_psi[number] = higher.psi
        rows[number] = replace(
            rows[number],
            llf=higher.llf,
            same_as=number,
            converged=True,
            message="",
            boundary=last.boundary,
        )
        record = replace(
            last,
            method=whole.method,
            iterations=whole.iterations + last.iterations,
            evaluations=whole.evaluations + last.evaluations,
            seconds=whole.seconds + last.seconds,
            n_starts=whole.n_starts,
            optima=tuple(rows),
        )
        return replace(higher, convergence=record, points=tuple(ends_psi))

    def _highest(
        self, ends: Sequence[tuple[float, FloatArray, bool]]
    ) -> tuple[int, FloatArray, Outcome] | None:
        """Climb along the wall from the highest ends there; the best, if it is of use."""
        inside = [llf for llf, _, converged in ends if converged]
        least = max(inside, default=-math.inf) + HIGHER
        best: tuple[int, FloatArray, Outcome] | None = None
        taken, most = 0, TAKEN if self.table.k_states <= MANY else 1
        for number in sorted(range(len(ends)), key=lambda i: -ends[i][0]):
            llf, theta, converged = ends[number]
            if converged or taken == most or llf <= least - ROOM:
                continue
            if spectral_radius(_closed(self.table, self.table.fill(theta))) < AT_WALL:
                continue
            taken += 1
            start = _inside(theta, self.table, self.model._towards_rest)
            found = _along(start, self.table, self.chart, self.steps)
            if found is None:
                continue
            theta, higher = found
            value = self.model._value(theta)
            if value > max(least, -math.inf if best is None else best[2].llf):
                best = number, theta, replace(higher, llf=value)
        return None if best is None else (*best[:2], self._recorded(*best[1:]))

    def _recorded(self, theta: FloatArray, found: Outcome) -> Outcome:
        psi = self.model._psi(theta)
        record = replace(found.convergence, message=MESSAGE, boundary=self.model._psi_boundary(psi))
        return replace(found, psi=psi, convergence=record, points=(psi,))


def _inside(
    theta: FloatArray, table: CellTable, calmer: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Step back from the wall until there is room."""
    share = 1e-4
    point = theta
    while log_room(table, table.fill(point))[0] == -math.inf and share < 1.0:
        point = (1.0 - share) * theta + share * calmer(theta)
        share *= 2.0
    return point


def _along(
    theta: FloatArray, table: CellTable, chart: Callable[[FloatArray], Bordered], limit: int
) -> tuple[FloatArray, Outcome] | None:
    """Lower the barrier's weight step by step; None where the last climb did not converge."""
    outcome: Outcome | None = None
    steps = evaluations = 0
    for weight in WEIGHTS:
        for _ in range(REDRAWN):
            try:
                local = chart(theta)
                objective = _Barred(local, table, weight)
                if objective(local.start)[0] == -math.inf:
                    return None
                outcome = maximize(
                    objective,
                    local.start,
                    hessian=objective.hessian,
                    method="newton",
                    maxiter=limit,
                    gtol=EXACT if weight == WEIGHTS[-1] else ROUGH,
                )
            except (np.linalg.LinAlgError, ValueError):
                return None
            steps += outcome.convergence.iterations
            evaluations += outcome.convergence.evaluations
            moved = local.theta(outcome.psi)
            if moved is None:
                return None
            theta = moved
            if outcome.convergence.converged:
                break
    if outcome is None or not outcome.convergence.converged:
        return None
    record = replace(outcome.convergence, iterations=steps, evaluations=evaluations)
    return theta, replace(outcome, convergence=record)
