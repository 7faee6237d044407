"""Expectation-maximisation for models with noise of their own in state and output.

The states are the missing data (Shumway and Stoffer 1982, J. Time Series Analysis 3, 253; with
restrictions Holmes 2013, arXiv:1302.3919): the smoother's moments, lag-one covariances included,
make the expected complete-data likelihood, whose maximum is least squares for coefficients and a
second moment for covariances. Missing outputs are integrated out, and completed by their moments
where outputs share noise.

Parameters fall into three parts, by their cells.

1. Coefficients of the output equation and of state equations with noise, and variances: closed
   form, given restrictions (generalised least squares with the covariances of the last step, then
   the covariances: conditional maximisation, Meng and Rubin 1993).
2. The same, where the start is the stationary distribution, which depends on them: the closed form
   leaves the start out, so that the expected likelihood with the start in it is then climbed by a
   few quasi-Newton steps (a generalised step, Dempster, Laird and Rubin 1977).
3. Everything else (coefficients of equations without noise, loadings of noise, parameters that
   appear on both sides): one scoring step on the likelihood itself, which for means is its exact
   maximum (Liu and Rubin 1994).

No part lowers the likelihood. Cycles are accelerated by squared extrapolation, taken only where
the likelihood is higher (SQUAREM; Varadhan and Roland 2008, Scand. J. Statistics 35, 335). Within a
hundredth of a standard error of the maximum, one scoring step in all parameters ends the climb.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.em.moments import Moments, expectations
from rnnstats.estimation.em.plan import Plan
from rnnstats.estimation.em.start import climb_with_start
from rnnstats.parameters.cells import CellTable
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Transform

__all__ = ["EMPath", "Model", "expectation_maximisation", "step"]

FloatArray = NDArray[np.float64]
SMALL_GAIN = 1e-7
NEAR = 1e-2


class Model(Protocol):
    """Likelihood of a table of cells on data."""

    @property
    def table(self) -> CellTable: ...

    @property
    def y(self) -> FloatArray: ...

    @property
    def x_obs(self) -> FloatArray | None: ...

    @property
    def x_state(self) -> FloatArray | None: ...

    def value(self, theta: FloatArray) -> float: ...

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]: ...

    def information(self, theta: FloatArray) -> FloatArray: ...


@dataclass(frozen=True, eq=False)
class EMPath:
    """Where expectation-maximisation went.

    Attributes
    ----------
    theta : ndarray, shape (K,)
        The end.
    llf : ndarray, shape (iterations + 1,)
        Log-likelihood at the start and after each iteration; it never falls.
    decrement : float
        Length of the scoring step at the end, in standard errors.
    converged : bool
        Whether that is at most the tolerance.
    """

    theta: FloatArray
    llf: FloatArray
    decrement: float
    converged: bool

    @property
    def iterations(self) -> int:
        """Number of steps."""
        return len(self.llf) - 1


def expectation_maximisation(
    model: Model,
    layout: Layout,
    transform: Transform,
    theta: FloatArray,
    *,
    maxiter: int = 500,
    gtol: float = 1e-5,
    accelerate: bool = True,
    report: Callable[[float], None] | None = None,
) -> EMPath:
    """Climb by expectation-maximisation.

    Parameters
    ----------
    model : Model
    layout : Layout
    transform : Transform
        Of the free parameters.
    theta : ndarray, shape (K,)
        Start, with a finite likelihood and inside the parameters' domains.
    maxiter : int
        Number of steps; each takes one pass of the smoother.
    gtol : float
        Stop when the scoring step is shorter than this many standard errors.
    accelerate : bool
        Whether to extrapolate.
    report : callable, optional
        Called with the log-likelihood after every cycle.

    Returns
    -------
    EMPath

    Raises
    ------
    SpecificationError
        Where output and state share noise, or the start is neither stationary nor given with a
        first step that has noise (or none at all).
    """
    plan = Plan(model.table, layout)
    walk = _Walk(model, layout, transform, plan, theta)
    gain = math.inf
    decrement = math.inf
    while walk.steps < maxiter and gain > 0.0:
        before = walk.llf[-1]
        if accelerate and maxiter - walk.steps >= 2:
            walk.cycle()
        else:
            walk.step()
        gain = walk.llf[-1] - before
        if report is not None:
            report(walk.llf[-1])
        if gain < SMALL_GAIN * (1.0 + abs(before)):
            decrement = walk.decrement()
            if gtol < decrement < NEAR and walk.steps < maxiter:
                walk.scoring()
                decrement = walk.decrement()
                gain = walk.llf[-1] - before
            if decrement <= gtol:
                break
    if not math.isfinite(decrement) or decrement > gtol:
        decrement = walk.decrement()
    return EMPath(walk.theta, np.array(walk.llf), decrement, decrement <= gtol)


def step(
    model: Model, layout: Layout, transform: Transform, plan: Plan, theta: FloatArray
) -> tuple[FloatArray, float]:
    """One step: expectation, maximisation, and scoring for what these leave out.

    Parameters
    ----------
    model : Model
    layout : Layout
    transform : Transform
    plan : Plan
    theta : ndarray, shape (K,)

    Returns
    -------
    theta : ndarray, shape (K,)
    llf : float
        At least that of the point handed in (which is handed back where no step gains).
    """
    before = model.value(theta)
    moments = expectations(model.table, theta, model.y, model.x_obs, model.x_state)
    free = layout.reduce(theta)
    if plan.state.any:
        closed = _state_update(plan, layout, free, moments)
        free = climb_with_start(model, layout, transform, plan, free, closed, moments)
    if plan.output.any:
        free = _output_update(plan, layout, free, moments)
    new = layout.expand(free)
    value = model.value(new)
    share = 1.0
    while not value >= before and share > 1e-3:  # rounding, or a covariance at its border
        share *= 0.5
        new = theta + share * (layout.expand(free) - theta)
        value = model.value(new)
    if not value >= before:
        new, value = theta, before
    if plan.others.size:
        new, value = _scored(model, layout, transform, plan.others, new, value)
    return new, value


class _Walk:
    """Points and log-likelihoods of one climb."""

    def __init__(
        self,
        model: Model,
        layout: Layout,
        transform: Transform,
        plan: Plan,
        theta: FloatArray,
    ) -> None:
        self.model, self.layout, self.transform, self.plan = model, layout, transform, plan
        self.theta = layout.expand(layout.reduce(theta))
        self.llf = [model.value(self.theta)]

    @property
    def steps(self) -> int:
        """Steps so far."""
        return len(self.llf) - 1

    def step(self) -> None:
        """One plain step."""
        self.theta, value = step(self.model, self.layout, self.transform, self.plan, self.theta)
        self.llf.append(value)

    def cycle(self) -> None:
        """Two plain steps, and the point that extrapolates them where it is higher."""
        first = self._psi()
        self.step()
        second = self._psi()
        self.step()
        third = self._psi()
        if first is None or second is None or third is None:
            return
        change, bend = second - first, third - 2.0 * second + first
        size = float(np.linalg.norm(bend))
        if size <= 1e-14 * (1.0 + float(np.linalg.norm(third))):
            return
        length = max(1.0, float(np.linalg.norm(change)) / size)
        while length > 1.0:
            psi = first + 2.0 * length * change + length**2 * bend
            with np.errstate(over="ignore", invalid="ignore"):
                theta = self.layout.expand(self.transform.to_natural(psi))
            value = self.model.value(theta)
            if value > self.llf[-1]:
                self.theta, self.llf[-1] = theta, value
                return
            length = 0.5 * (length + 1.0) if length > 1.5 else 1.0

    def scoring(self) -> None:
        """One scoring step in all parameters."""
        columns = np.arange(self.layout.k_free)
        self.theta, value = _scored(
            self.model, self.layout, self.transform, columns, self.theta, self.llf[-1]
        )
        self.llf.append(value)

    def _psi(self) -> FloatArray | None:
        try:
            psi = self.transform.to_unconstrained(self.layout.reduce(self.theta))
        except ValueError:
            return None
        return psi if np.isfinite(psi).all() else None

    def decrement(self) -> float:
        """Length of the scoring step, in standard errors, in unconstrained coordinates."""
        psi = self._psi()
        if psi is None:
            return math.inf
        chain = self.layout.expansion @ self.transform.jacobian(psi)
        slope = chain.T @ self.model.value_and_gradient(self.theta)[1]
        info = chain.T @ self.model.information(self.theta) @ chain
        if not (np.isfinite(info).all() and np.isfinite(slope).all()):
            return math.inf
        unit = np.sqrt(np.maximum(np.diag(info), 1e-300))
        values, vectors = np.linalg.eigh(info / np.outer(unit, unit))
        known = values > 1e-9 * values[-1]
        along = vectors.T[known] @ (slope / unit)
        return math.sqrt(float(along @ (along / values[known])))


def _state_update(plan: Plan, layout: Layout, free: FloatArray, moments: Moments) -> FloatArray:
    """Coefficients and noise of the state equation, the start left out."""
    table, part = plan.table, plan.state
    full = table.fill(layout.expand(free))
    rows, noises = list(plan.rows), list(plan.noises)
    loading = table.array(full, "selection")[np.ix_(rows, noises)]
    noise = table.array(full, "state_cov")[np.ix_(noises, noises)]
    coefficients = plan.state_coefficients(full)[rows]
    back = np.linalg.inv(loading)
    weight = back.T @ np.linalg.inv(noise) @ back
    out = free.copy()
    if part.linear.size:
        directions = plan.state_directions[:, rows]
        out[part.linear] += _least_squares(
            directions,
            weight,
            moments.state_regressors,
            moments.state_cross[rows] - coefficients @ moments.state_regressors,
        )
        coefficients = plan.state_coefficients(table.fill(layout.expand(out)))[rows]
    if part.variances.size:
        cross = coefficients @ moments.state_cross[rows].T
        rest = moments.state_square[np.ix_(rows, rows)] - cross - cross.T
        rest += coefficients @ moments.state_regressors @ coefficients.T
        spread = np.zeros((table.k_posdef, table.k_posdef))
        spread[np.ix_(noises, noises)] = back @ rest @ back.T
        out = part.update(out, spread, np.full(table.k_posdef, float(moments.steps)))
    return out


def _output_update(plan: Plan, layout: Layout, free: FloatArray, moments: Moments) -> FloatArray:
    """Coefficients and noise of the output equation."""
    table, part = plan.table, plan.output
    full = table.fill(layout.expand(free))
    noise = table.array(full, "obs_cov")
    coefficients = plan.output_coefficients(full)
    out = free.copy()
    if part.linear.size:
        gap = moments.output_cross - np.einsum(
            "ij,ijk->ik", coefficients, moments.output_regressors
        )
        directions = plan.output_directions
        if plan.diagonal:
            size = np.diag(noise)
            weight = np.where(size > 0.0, 1.0 / np.where(size > 0.0, size, 1.0), 0.0)
            weighted = np.einsum("i,aij,ijk->aik", weight, directions, moments.output_regressors)
            normal = np.einsum("aik,bik->ab", weighted, directions)
            right = np.einsum("aij,i,ij->a", directions, weight, gap)
            out[part.linear] += _solve(normal, right)
        else:
            out[part.linear] += _least_squares(
                directions, _inverse(noise), moments.output_regressors[0], gap
            )
        coefficients = plan.output_coefficients(table.fill(layout.expand(out)))
    if part.variances.size:
        if plan.diagonal:
            rest = moments.output_square.diagonal() - 2.0 * np.einsum(
                "ij,ij->i", coefficients, moments.output_cross
            )
            rest = rest + np.einsum(
                "ij,ijk,ik->i", coefficients, moments.output_regressors, coefficients
            )
            spread = np.diag(rest)
        else:
            cross = coefficients @ moments.output_cross.T
            spread = moments.output_square - cross - cross.T
            spread += coefficients @ moments.output_regressors[0] @ coefficients.T
        out = part.update(out, spread, moments.output_counts)
    return out


def _least_squares(
    directions: FloatArray, weight: FloatArray, gram: FloatArray, gap: FloatArray
) -> FloatArray:
    """Change of parameters that solves ``tr(D_j' W (gap - sum_k b_k D_k gram)) = 0``."""
    weighted = np.einsum("il,alj->aij", weight, directions)
    normal = np.einsum("aij,bij->ab", weighted @ gram, directions)
    right = np.einsum("aij,ij->a", weighted, gap)
    return _solve(normal, right)


def _inverse(matrix: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _solve(normal: FloatArray, right: FloatArray) -> FloatArray:
    size = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    scaled = normal / np.outer(size, size)
    found = np.linalg.lstsq(scaled, right / size, rcond=1e-12)[0]
    return np.asarray(found / size, dtype=np.float64)


def _scored(
    model: Model,
    layout: Layout,
    transform: Transform,
    columns: NDArray[np.intp],
    theta: FloatArray,
    value: float,
) -> tuple[FloatArray, float]:
    """One scoring step in some of the free parameters, shortened until it gains."""
    psi = transform.to_unconstrained(layout.reduce(theta))
    chain = (layout.expansion @ transform.jacobian(psi))[:, columns]
    slope = chain.T @ model.value_and_gradient(theta)[1]
    info = chain.T @ model.information(theta) @ chain
    if not (np.isfinite(slope).all() and np.isfinite(info).all()):
        return theta, value
    direction = _solve(info, slope)
    share = 1.0
    while share > 1e-4:
        moved = psi.copy()
        moved[columns] += share * direction
        with np.errstate(over="ignore", invalid="ignore"):
            new = layout.expand(transform.to_natural(moved))
        height = model.value(new)
        if height > value:
            return new, height
        share *= 0.25
    return theta, value
