"""Climbing the innovations form in well-conditioned coordinates.

Echelon coordinates are easy to read and to restrict, but where the forecasts that make up the state
are nearly collinear they stretch the likelihood into long curved ridges. So a fit without
restrictions on the dynamics climbs in local coordinates: at a point, the system is balanced (its
observability and reachability gramians made equal and diagonal), and ``(W_h, V, K)`` may move in
the ``2 n p`` directions orthogonal to those that only change the basis of the state (data driven
local coordinates: McKelvey, Helmersson and Ribarits 2004, Automatica 40, 1629-1635). The chart is
affine, and is drawn anew every few iterations. The end point is put back into echelon coordinates;
the likelihood is the same in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.realisation import (
    Realisation,
    echelon_rows,
    observer_rows,
    spectral_radius,
)
from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError
from rnnstats.estimation.progress import Meter
from rnnstats.estimation.quasi_newton import stride
from rnnstats.estimation.trust_region import Climb, Problem, begin, climb
from rnnstats.kernels import kalman
from rnnstats.models.forms import Form
from rnnstats.models.wall import forgets_not
from rnnstats.parameters.cells import CellTable
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Block, Transform

__all__ = ["Atlas", "Chart", "Charts", "Climbed", "climb_all"]

FloatArray = NDArray[np.float64]
DYNAMIC = frozenset({"W_h", "V", "K", "ar", "ma"})
# Iterations of every climb before the best are chosen, and iterations in one chart after that.
SCREEN = 15
ROUND = 40
SAME_BASIN_LLF = 1e-3


@dataclass(frozen=True, eq=False)
class Atlas:
    """What all charts of a model share.

    Attributes
    ----------
    form : Form
        The innovations form.
    layout : Layout
        Without restrictions on W_h, V, K and W_x.
    transform : Transform
    y : ndarray, shape (nobs, p)
    x_obs, x_state : ndarray or None
    gtol : float
        Largest Newton step at the end of a climb, in standard errors.
    """

    form: Form
    layout: Layout
    transform: Transform
    y: FloatArray
    x_obs: FloatArray | None
    x_state: FloatArray | None
    gtol: float = 1e-5
    invertible: bool = False  # refuse moving average roots outside the circle

    @property
    def table(self) -> CellTable:
        """Cells of the form."""
        return self.form.table

    @cached_property
    def rest(self) -> list[int]:
        """Places in the free vector of what is not W_h, V or K."""
        group = dict(zip(self.layout.names, self.layout.groups, strict=True))
        names = self.layout.free_names
        return [i for i, name in enumerate(names) if group[name] not in DYNAMIC]

    @cached_property
    def others(self) -> FloatArray:
        """Cells of the template moved by what is not W_h, V or K, shape (size, len(rest))."""
        moved: FloatArray = self.table.directions().T @ self.layout.expansion[:, self.rest]
        return moved

    @cached_property
    def levels(self) -> list[NDArray[np.intp]]:
        """Places in ``rest`` of each term of the outputs (constant, trend, input) that is free."""
        places = []
        for cells in self.table.array_cells("C_obs"):
            moved = self.others[cells]
            single = (np.count_nonzero(moved, axis=1) == 1) & (moved.max(axis=1) == 1.0)
            if single.all() and len(np.unique(moved.argmax(axis=1))) == len(cells):
                places.append(moved.argmax(axis=1))
        return places

    @cached_property
    def held(self) -> FloatArray:
        """Cells of the template that restrictions fix, zero elsewhere, shape (size,)."""
        still = np.where(np.isin(self.table.groups, list(DYNAMIC)), 0.0, self.layout.base)
        return self.table.directions().T @ still

    @cached_property
    def turning(self) -> NDArray[np.bool_]:
        """Which natural parameters change with the basis of the state, shape (K,)."""
        return np.isin(self.table.groups, [*DYNAMIC, "W_x"])

    def chart(self, theta: FloatArray) -> Chart:
        """Local coordinates at a point."""
        return Chart(self, theta)

    def regular(self, theta: FloatArray) -> bool:
        """Whether a point has unconstrained coordinates: no covariance matrix is singular."""
        try:
            psi = self.transform.to_unconstrained(self.layout.reduce(theta))
        except ValueError:
            return False
        return bool(np.isfinite(psi).all())


class Chart:
    """Local coordinates at one point.

    The coordinates are ``psi = (x, unconstrained other parameters)`` and all cells of the template
    are ``base + basis @ natural(psi)``.
    """

    def __init__(self, atlas: Atlas, theta: FloatArray) -> None:
        self.atlas = atlas
        table, rest = atlas.table, atlas.rest
        full = table.fill(theta)
        system = Realisation(*(table.array(full, n) for n in ("transition", "design", "selection")))
        cov = table.array(full, "obs_cov")
        basis, balanced = _balanced(system, cov)
        factor: FloatArray = np.asarray(np.linalg.cholesky(cov), dtype=np.float64)
        directions = _free_directions(balanced, factor)
        self.size = directions.shape[1]
        inputs = table.array(full, "C_state") @ np.linalg.inv(basis).T
        self.base = np.zeros(table.template.size)
        self.basis = np.zeros((table.template.size, self.size + len(rest)))
        ends = np.cumsum([0, *(part.size for part in balanced)])
        parts = ("transition", "design", "selection")
        for name, part, lo, hi in zip(parts, balanced, ends, ends[1:], strict=False):
            table.array(self.base, name)[...] = part
            place = table.place(name)
            self.basis[place, : self.size] = directions[lo:hi]
        self.turn = np.eye(len(rest))  # constants, too, in units of the errors
        for places in atlas.levels:
            self.turn[np.ix_(places, places)] = factor
        self.basis[:, self.size :] = atlas.others @ self.turn
        self.base += atlas.held
        shift = {place: self.size + j for j, place in enumerate(rest)}
        blocks = [
            Block(b.kind, tuple(shift[i] for i in b.indices), b.lo, b.hi)
            for b in atlas.transform.blocks
        ]
        self.transform = Transform(self.size + len(rest), blocks)
        still = np.linalg.solve(self.turn, atlas.layout.reduce(theta)[rest])
        start = np.concatenate([np.zeros(self.size), still])
        if inputs.size:
            inside = table.array_cells("C_state").ravel()
            moved = np.linalg.lstsq(self.basis[inside], inputs.ravel(), rcond=None)[0]
            start = np.where(np.any(self.basis[inside] != 0.0, axis=0), moved, start)
        self.start = self.transform.to_unconstrained(start)

    def cells(self, psi: FloatArray) -> FloatArray:
        """All cells of the template; far out they overflow, quietly."""
        with np.errstate(over="ignore", invalid="ignore"):
            full: FloatArray = self.base + self.basis @ self.transform.to_natural(psi)
        return full

    def pull_cells(self, psi: FloatArray, slopes: FloatArray) -> FloatArray:
        """Gradient in the chart from the gradient in the cells."""
        return self.transform.pull(psi, self.basis.T @ slopes)

    def objective(self, psi: FloatArray) -> tuple[float, FloatArray]:
        """Log-likelihood and gradient in the chart; -inf and NaN where inadmissible."""
        table, atlas = self.atlas.table, self.atlas
        full = self.cells(psi)
        if not np.isfinite(full).all() or (atlas.invertible and forgets_not(table, full)):
            return -math.inf, np.full(len(psi), np.nan)
        try:
            value, slopes = kalman.score(
                table.system_from(full, atlas.x_obs, atlas.x_state), atlas.y
            )
        except (NotPositiveDefiniteError, NotStationaryError):
            return -math.inf, np.full(len(psi), np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            cells = table.pull_full(slopes, atlas.x_obs, atlas.x_state)
        if not (math.isfinite(value) and np.isfinite(cells).all()):  # overflow far out
            return -math.inf, np.full(len(psi), np.nan)
        return value, self.transform.pull(psi, self.basis.T @ cells)

    def information(self, psi: FloatArray) -> FloatArray:
        """Expected information in the chart."""
        table, atlas = self.atlas.table, self.atlas
        full = self.cells(psi)
        directions = (self.basis @ self.transform.jacobian(psi)).T
        system = table.system_from(full, atlas.x_obs, atlas.x_state)
        tangents = table.tangents_along(directions, atlas.x_obs, atlas.x_state)
        try:
            return kalman.information(system, atlas.y, tangents)
        except (NotPositiveDefiniteError, NotStationaryError):
            return np.full((len(psi), len(psi)), np.nan)

    def theta(self, psi: FloatArray) -> FloatArray | None:
        """Natural parameters of the point in the form's coordinates, or None if it has none."""
        table, layout = self.atlas.table, self.atlas.layout
        natural = self.transform.to_natural(psi)
        full = self.base + self.basis @ natural
        system = Realisation(*(table.array(full, n) for n in ("transition", "design", "selection")))
        rows = _state_rows(system, self.atlas.form)
        if rows is None:
            return None
        inverse = np.linalg.inv(rows)
        free = np.zeros(layout.k_free)
        free[self.atlas.rest] = self.turn @ natural[self.size :]
        theta = layout.expand(free)
        dynamics = table.read(
            {
                "transition": rows @ system.a @ inverse,
                "design": system.c @ inverse,
                "selection": rows @ system.k,
                "C_state": table.array(full, "C_state") @ rows.T,
            }
        )
        return np.where(self.atlas.turning, dynamics, theta)


def _state_rows(system: Realisation, form: Form) -> FloatArray | None:
    """Change of state to the form's coordinates; None where the system has none."""
    if form.coordinates == "varma":
        return observer_rows(system, form.kronecker[0])
    return echelon_rows(system, form.kronecker)


def _balanced(system: Realisation, cov: FloatArray) -> tuple[FloatArray, Realisation]:
    """Balance a system with outputs in units of its errors: (basis, system in that basis)."""
    a, c, k = system
    n = len(a)
    stable = a * min(1.0, 0.995 / max(spectral_radius(a), 1e-300))
    white = np.linalg.solve(np.linalg.cholesky(cov), c)
    observe = kalman.stationary_covariance(np.ascontiguousarray(stable.T), white.T @ white)
    reach = kalman.stationary_covariance(stable, k @ cov @ k.T)
    lift = 1e-10 * max(float(np.trace(reach)), 1e-300) * np.eye(n)
    factor = np.linalg.cholesky(0.5 * (reach + reach.T) + lift)
    vectors, size, _ = np.linalg.svd(factor.T @ observe @ factor)
    size = np.maximum(size, 1e-12 * max(float(size[0]), 1e-300))
    basis = factor @ (vectors * size**-0.25)
    inverse = np.linalg.inv(basis)
    return basis, Realisation(inverse @ a @ basis, c @ basis, inverse @ k)


def _free_directions(system: Realisation, factor: FloatArray) -> FloatArray:
    """Directions of (A, C, K) that are orthogonal to changes of basis, shape (size, 2 n p).

    Outputs are measured in units of their errors, whose covariance has the Cholesky ``factor``.
    """
    a, c, k = system
    n, p = len(a), len(c)
    eye = np.eye(n)
    white: FloatArray = np.asarray(np.linalg.solve(factor, c), dtype=np.float64)
    orbit = np.vstack(
        [
            _kron(eye, a.T) - _kron(a, eye),
            -_kron(white, eye),
            _kron(eye, (k @ factor).T),
        ]
    )
    # columns: the n * n entries of an infinitesimal change of basis X, row-major:
    # dA = X A - A X, dC = -C X, dK = X K.
    left = np.linalg.svd(orbit)[0][:, n * n :].copy()
    seen = left[n * n : n * n + n * p].reshape(p, -1)
    left[n * n : n * n + n * p] = (factor @ seen).reshape(n * p, -1)
    moved = left[n * n + n * p :].reshape(n, p, -1)
    back = np.linalg.inv(factor).T
    left[n * n + n * p :] = (back @ moved).reshape(n * p, -1)
    return left


def _kron(left: FloatArray, right: FloatArray) -> FloatArray:
    """Kronecker product of two matrices; numpy.kron's arithmetic without its preparations."""
    product = left[:, None, :, None] * right[None, :, None, :]
    return product.reshape(len(left) * len(right), -1)


class LocalChart(Protocol):
    """Coordinates around a point, and the likelihood in them."""

    start: FloatArray

    def objective(self, psi: FloatArray) -> tuple[float, FloatArray]: ...

    def information(self, psi: FloatArray) -> FloatArray: ...

    def theta(self, psi: FloatArray) -> FloatArray | None: ...


class Charts(Protocol):
    """What a climb asks for: local coordinates at any point."""

    @property
    def gtol(self) -> float:
        """Largest Newton step at the end, in standard errors."""

    def chart(self, theta: FloatArray) -> LocalChart: ...

    def regular(self, theta: FloatArray) -> bool: ...


@dataclass(frozen=True)
class Climbed:
    """Where the climb from one start ended.

    ``theta`` is the last point in echelon coordinates.
    """

    label: str
    start_llf: float
    llf: float
    theta: FloatArray
    iterations: int
    evaluations: int
    converged: bool


def _climb_one(atlas: Charts, state: Climbed, method: str, limit: int, gtol: float) -> Climbed:
    """Climb on from a point for ``limit`` iterations in one chart after the other."""
    *_, last = state, *_rounds(atlas, state, method, limit, gtol)
    return last


def _rounds(
    atlas: Charts, state: Climbed, method: str, limit: int, gtol: float
) -> Iterator[Climbed]:
    """Yield the state at the end of each chart."""
    used = 0
    while used < limit and not state.converged:
        try:
            chart = atlas.chart(state.theta)
        except (np.linalg.LinAlgError, ValueError):  # no balance here: singular or at the border
            return
        problem = Problem(chart.objective, None, chart.information, method, gtol, confirm=False)
        walk = begin(problem, 0, chart.start)
        if walk.status == "refused":
            return
        most = min(ROUND, limit - used)
        walk = stride(problem, walk, most) if method == "bfgs" else climb(problem, walk, most)
        used += max(walk.iterations, 1)
        theta = chart.theta(walk.psi)
        if theta is None or not atlas.regular(theta):
            return
        if not walk.llf >= state.llf - 1e-6 * (1.0 + abs(state.llf)):
            return
        stuck = walk.status == "stalled" and walk.llf <= state.llf + 1e-9
        state = replace(
            state,
            llf=walk.llf,
            theta=theta,
            iterations=state.iterations + walk.iterations,
            evaluations=state.evaluations + walk.evaluations,
            converged=walk.status == "converged",
        )
        yield state
        if stuck:
            return


def climb_all(
    atlas: Charts,
    points: Sequence[tuple[str, FloatArray, float]],
    *,
    method: str,
    maxiter: int,
    gtol: float = 1e-5,
    polish: int,
    n_jobs: int = 1,
    progress: bool = False,
) -> tuple[list[Climbed], bool]:
    """Climb all starts a little, then the best distinct ones to the end.

    Parameters
    ----------
    atlas : Charts
    points : sequence of (label, theta, log-likelihood)
    method : str
        Of `rnnstats.estimation.maximize`; "auto" is "bfgs" here, the cheapest in good coordinates.
    maxiter : int
        Iterations a start.
    gtol : float
        Largest Newton step at the end, in standard errors.
    polish : int
        How many are climbed to the end.
    n_jobs : int
        Processes.
    progress : bool
        Show a bar when the work takes over about two seconds.

    Returns
    -------
    climbs : list of Climbed
        In the order of ``points``, each as far as it came.
    interrupted : bool
    """
    method = "bfgs" if method == "auto" else method
    states = [Climbed(label, value, value, theta, 0, 0, False) for label, theta, value in points]
    first = min(SCREEN, maxiter)
    meter = Meter(progress, None, len(states))
    stop = _each(atlas, states, range(len(states)), method, first, gtol, n_jobs, meter)
    if stop:
        meter.close()
        return states, True
    chosen: list[int] = []
    for i in sorted(range(len(states)), key=lambda j: -states[j].llf):
        near = any(
            abs(states[i].llf - states[j].llf) < SAME_BASIN_LLF and states[i].converged
            for j in chosen
        )
        if not near and len(chosen) < polish:
            chosen.append(i)
    meter.polishing(len(chosen))
    stop = _each(atlas, states, chosen, method, max(maxiter - first, 0), gtol, n_jobs, meter)
    meter.close()
    return states, stop


def _each(
    atlas: Charts,
    states: list[Climbed],
    which: Sequence[int],
    method: str,
    limit: int,
    gtol: float,
    n_jobs: int,
    meter: Meter,
) -> bool:
    """Climb on from some of the states, in place; return whether an interrupt ended it early."""
    try:
        if n_jobs != 1 and len(which) > 1:
            from joblib import Parallel, delayed

            work = (delayed(_climb_one)(atlas, states[i], method, limit, gtol) for i in which)
            for i, state in zip(which, Parallel(n_jobs=n_jobs)(work), strict=True):
                states[i] = state
            return False
        for i in which:
            for state in _rounds(atlas, states[i], method, limit, gtol):
                states[i] = state
            meter.done(cast(Climb, states[i]))  # reads llf only
    except KeyboardInterrupt:
        return True
    return False
