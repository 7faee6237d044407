"""The state equation's part of the expected likelihood, with the stationary start in it."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import NotStationaryError
from rnnstats.estimation.em.moments import Moments
from rnnstats.estimation.em.plan import Plan
from rnnstats.kernels.kalman import SystemGradient
from rnnstats.kernels.system import StateSpace
from rnnstats.parameters import partial_start
from rnnstats.parameters.cells import CellTable
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Transform

__all__ = ["climb_with_start"]

FloatArray = NDArray[np.float64]
STEPS = 4


class Model(Protocol):
    """Table and regressors."""

    @property
    def table(self) -> CellTable: ...

    @property
    def x_obs(self) -> FloatArray | None: ...

    @property
    def x_state(self) -> FloatArray | None: ...


def climb_with_start(
    model: Model,
    layout: Layout,
    transform: Transform,
    plan: Plan,
    free: FloatArray,
    closed: FloatArray,
    moments: Moments,
) -> FloatArray:
    """Raise the expected likelihood of states, start included.

    Parameters
    ----------
    model : Model
    layout : Layout
    transform : Transform
    plan : Plan
    free : ndarray, shape (k_free,)
        Where the expectations were taken.
    closed : ndarray, shape (k_free,)
        The maximum without the start.
    moments : Moments

    Returns
    -------
    ndarray, shape (k_free,)
        `closed` itself where the start does not depend on the parameters and `closed` is inside
        their domains.
    """
    inside = _unconstrained(transform, closed)
    if not plan.start_moves and inside is not None:
        return closed
    here = _unconstrained(transform, free)
    if here is None:
        return free
    columns = np.concatenate([plan.state.linear, plan.state.variances])
    if inside is not None:  # what is not of the state equation stays
        closed_psi = here.copy()
        closed_psi[columns] = inside[columns]

    def at(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        psi = here.copy()
        psi[columns] = x
        with np.errstate(over="ignore", invalid="ignore"):
            return psi, layout.expand(transform.to_natural(psi))

    def objective(x: FloatArray) -> tuple[float, FloatArray]:
        psi, theta = at(x)
        value, gradient = _expected(model, plan, theta, moments)
        if not math.isfinite(value):
            return -math.inf, np.zeros(len(x))
        return value, transform.pull(psi, layout.pull(gradient))[columns]

    x = here[columns]
    value, slope = objective(x)
    if inside is not None:
        other, there = objective(closed_psi[columns])
        if other > value:
            x, value, slope = closed_psi[columns], other, there
    if not math.isfinite(value):
        return closed if inside is not None else free
    for _ in range(STEPS if plan.start_moves or inside is None else 0):
        psi, theta = at(x)
        step = _step(plan, theta, transform.jacobian(psi)[:, columns], moments, slope)
        share = 1.0
        while share > 1e-4:
            height, there = objective(x + share * step)
            if height > value:
                break
            share *= 0.25
        else:
            break
        gain, x, value, slope = height - value, x + share * step, height, there
        if gain < 1e-9:
            break
    return transform.to_natural(at(x)[0])


def _step(
    plan: Plan, theta: FloatArray, chain: FloatArray, moments: Moments, slope: FloatArray
) -> FloatArray:
    """Newton step, with the curvature of the expected likelihood without the start."""
    table = plan.table
    full = table.fill(theta)
    rows, noises = list(plan.rows), list(plan.noises)
    loading = table.array(full, "selection")[np.ix_(rows, noises)]
    inverse = np.linalg.inv(table.array(full, "state_cov")[np.ix_(noises, noises)])
    back = np.linalg.inv(loading)
    curve = np.zeros((plan.layout.k_free, plan.layout.k_free))
    linear, variances = plan.state.linear, plan.state.variances
    if linear.size:
        moved = plan.state_directions[:, rows]
        weighted = np.einsum("il,alj->aij", back.T @ inverse @ back, moved)
        normal = np.einsum("aij,bij->ab", weighted @ moments.state_regressors, moved)
        curve[np.ix_(linear, linear)] = normal
    if variances.size:
        spread = np.zeros((len(variances), table.k_posdef, table.k_posdef))
        for k, cells in enumerate(plan.state.where):
            spread[k].reshape(-1)[cells] = 1.0
        white = inverse @ spread[:, noises][:, :, noises]
        curve[np.ix_(variances, variances)] = (
            0.5 * moments.steps * np.einsum("aij,bji->ab", white, white)
        )
    metric = chain.T @ curve @ chain
    size = np.sqrt(np.maximum(np.diag(metric), 1e-300))
    found = np.linalg.lstsq(metric / np.outer(size, size), slope / size, rcond=1e-12)[0]
    return np.asarray(found / size, dtype=np.float64)


def _unconstrained(transform: Transform, free: FloatArray) -> FloatArray | None:
    try:
        psi = transform.to_unconstrained(free)
    except ValueError:
        return None
    return psi if np.isfinite(psi).all() else None


def _expected(
    model: Model, plan: Plan, theta: FloatArray, moments: Moments
) -> tuple[float, FloatArray]:
    """Expected log-likelihood of the states, constants left out, and its gradient (K,)."""
    table = plan.table
    full = table.fill(theta)
    if not np.isfinite(full).all():
        return -math.inf, np.zeros(len(theta))
    zero = np.zeros(len(theta))
    rows, noises = list(plan.rows), list(plan.noises)
    loading = table.array(full, "selection")[np.ix_(rows, noises)]
    noise = table.array(full, "state_cov")[np.ix_(noises, noises)]
    coefficients = plan.state_coefficients(full)[rows]
    cov = loading @ noise @ loading.T
    try:
        weight = np.linalg.inv(cov)
    except np.linalg.LinAlgError:
        return -math.inf, zero
    sign, volume = np.linalg.slogdet(cov)
    if sign <= 0.0:
        return -math.inf, zero
    cross = coefficients @ moments.state_cross[rows].T
    rest = moments.state_square[np.ix_(rows, rows)] - cross - cross.T
    rest = rest + coefficients @ moments.state_regressors @ coefficients.T
    value = -0.5 * (moments.steps * float(volume) + float(np.sum(weight * rest)))
    slope = weight @ (moments.state_cross[rows] - coefficients @ moments.state_regressors)
    inner = 0.5 * loading.T @ (weight @ rest @ weight - moments.steps * weight) @ loading
    gradient = np.zeros(table.template.size)
    table.array(gradient, "state_cov")[np.ix_(noises, noises)] = inner
    m = table.k_states
    table.array(gradient, "transition")[rows] = slope[:, :m]
    table.array(gradient, "C_state")[:, rows] = slope[:, m:].T
    if plan.start_moves:
        more = _start(model, plan, theta, moments)
        if more is None:
            return -math.inf, zero
        value += more[0]
        gradient = gradient + more[1]
    return value, table.collect(gradient)


def _start(
    model: Model, plan: Plan, theta: FloatArray, moments: Moments
) -> tuple[float, FloatArray] | None:
    """Expected log-density of the stationary part of ``h_1``, and its gradient in all cells."""
    table, block = plan.table, list(plan.block)
    try:
        bare = table.system(theta, model.x_obs, model.x_state)
        system = partial_start.complete(bare, plan.block)
    except (NotStationaryError, np.linalg.LinAlgError):
        return None
    square = np.ix_(block, block)
    cov = system.initial_cov[square]
    sign, volume = np.linalg.slogdet(cov)
    if sign <= 0.0 or not np.isfinite(volume):
        return None
    inverse = np.linalg.inv(cov)
    gap = moments.first_mean[block] - system.initial_mean[block]
    spread = moments.first_cov[square] + np.outer(gap, gap)
    value = -0.5 * (float(volume) + float(np.sum(inverse * spread)))
    p, m, r = table.k_endog, table.k_states, table.k_posdef
    matrices = np.zeros(table.k_buffer)
    offsets = StateSpace.offsets(p, m, r)
    matrices[offsets["initial_mean"][0].start + np.array(block)] = inverse @ gap
    place, shape = offsets["initial_cov"]
    matrices[place].reshape(shape)[square] = 0.5 * (inverse @ spread @ inverse - inverse)
    slopes = SystemGradient(
        p,
        m,
        r,
        matrices,
        np.zeros_like(system.obs_intercept),
        np.zeros_like(system.state_intercept),
    )
    moved = partial_start.gradient(system, slopes, plan.block)
    return value, table.pull_full(moved, model.x_obs, model.x_state)
