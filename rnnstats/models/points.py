"""Points of the linear model's parameter space: starts and normal forms. Functions only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.realisation import (
    Realisation,
    invertible_twin,
    scale_roots,
    spectral_radius,
)
from rnnstats.estimation.starts.factor import factor_starts, free_starts
from rnnstats.estimation.starts.innovations import (
    LIMIT,
    Candidate,
    innovations_starts,
    observed_starts,
    prepare,
)
from rnnstats.estimation.starts.leaky import leaky_starts
from rnnstats.models.forms import Form, echelon_columns, generic_indices
from rnnstats.models.forms.varma import damped, in_observer_form
from rnnstats.parameters.cells import CellTable
from rnnstats.parameters.layout import Layout

__all__ = [
    "calmer",
    "candidates",
    "detrended",
    "invertible",
    "linear_step",
    "ordered",
    "placed",
    "start_design",
]

FloatArray = NDArray[np.float64]

_LINEAR = frozenset({"W_x", "D", "b_h", "b_y", "b_y_trend", "initial_mean"})
_DYNAMIC = frozenset({"W_h", "K"})


def start_design(
    table: CellTable, y: FloatArray, x_obs: FloatArray | None, inputs: FloatArray | None
) -> FloatArray:
    """Regressors taken out before dynamics are looked for, shape (nobs, k).

    Those of the output first; inputs of the state, and their last values, stand for their effect.
    """
    columns = np.zeros((len(y), 0))
    if table.obs_terms:
        columns = np.ones((len(y), 1)) if x_obs is None else x_obs
    if inputs is not None and table.state_terms:
        before = inputs[[0, *range(len(y) - 1)]]
        columns = np.hstack([columns, inputs, before])
    return columns


def detrended(
    table: CellTable, y: FloatArray, design: FloatArray
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Complete series without trend and inputs, and the coefficients of the output's terms."""
    z, coefficients = prepare(y, design if design.shape[1] else None)
    return z, {"C_obs": coefficients[: table.k_obs_terms]}


def candidates(
    form: Form,
    z: FloatArray,
    rng: np.random.Generator,
    number: int,
    *,
    stationary: bool,
    noise: bool,
) -> list[Candidate]:
    """Starts of the dynamics from a complete series with mean zero, shape (nobs, p)."""
    limit = LIMIT if stationary else 0.999
    if form.name == "observed":
        return observed_starts(z, form.lags, limit=limit)
    if form.name == "leaky":
        real = form.table.k_states - 2 * form.pairs
        tries = max(24, 3 * number)
        return leaky_starts(z, real, form.pairs, rng, noise=noise, tries=tries)
    searched = max(4, number - 3) if form.name == "innovations" else 2 * number
    nu = form.kronecker or generic_indices(form.table.k_states // max(form.lags, 1), z.shape[1])
    systems: list[Candidate] = []
    if form.lags <= 1:
        systems = innovations_starts(
            z, nu, echelon_columns(nu), rng, limit=limit, searched=searched
        )
    if form.name == "factor":
        return factor_starts(z, form.table.k_posdef, form.lags, systems[: 2 * number])
    if form.name == "free":
        return free_starts(systems[: 2 * number], z.var(axis=0))
    return systems


def linear_step(
    layout: Layout,
    theta: FloatArray,
    value: Callable[[FloatArray], float],
    value_and_gradient: Callable[[FloatArray], tuple[float, FloatArray]],
    information: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Generalised least squares for trend and inputs, given the dynamics.

    The log-likelihood is quadratic in these parameters, so that one scoring step is exact.

    Parameters
    ----------
    layout : Layout
    theta : ndarray, shape (K,)
    value, value_and_gradient, information : callable
        Of natural parameters.

    Returns
    -------
    ndarray, shape (K,)
        ``theta`` itself where the step is no gain.
    """
    theta = layout.expand(layout.reduce(theta))
    group = dict(zip(layout.names, layout.groups, strict=True))
    free = [i for i, name in enumerate(layout.free_names) if group[name] in _LINEAR]
    before, gradient = value_and_gradient(theta)
    if before == -math.inf or not free:
        return theta
    expansion = layout.expansion[:, free]
    info = expansion.T @ information(theta) @ expansion
    size = np.sqrt(np.maximum(np.diag(info), 1e-300))
    step = np.linalg.lstsq(info / np.outer(size, size), expansion.T @ gradient / size, rcond=1e-10)
    moved: FloatArray = theta + expansion @ (step[0] / size)
    return moved if value(moved) > before else theta


def invertible(
    table: CellTable, theta: FloatArray, value: Callable[[FloatArray], float]
) -> FloatArray:
    """Replace a non-invertible point of the innovations form by its invertible twin.

    The twin has the gain and the error covariance of the steady-state filter, the same
    autocovariances and, with a stationary start, the same likelihood.
    """
    full = table.fill(theta)
    a, c, k = (table.array(full, name) for name in ("transition", "design", "selection"))
    if spectral_radius(a - k @ c) <= 1.0 + 1e-9:
        return theta
    found = invertible_twin(Realisation(a, c, k), table.array(full, "obs_cov"))
    if found is None:
        return theta
    twin, cov = found
    arrays = {"transition": a, "selection": twin.k, "obs_cov": cov}
    arrays |= {"state_cov": cov, "cross_cov": cov}
    swap = np.array([group in ("K", "ma", "obs_cov") for group in table.groups])
    out = np.where(swap, table.read(arrays), theta)
    before, after = value(theta), value(out)
    return out if abs(after - before) <= 1e-7 * (1.0 + abs(before)) else theta


def ordered(table: CellTable, theta: FloatArray, pairs: int) -> FloatArray:
    """Order leaky units by time constant, slowest first, with a positive first loading.

    Real units come first, then pairs; a unit changes its sign with its loadings and inputs.
    """
    full = table.fill(theta)
    a, c, x = (table.array(full, name) for name in ("transition", "design", "C_state"))
    m = table.k_states
    real = m - 2 * pairs
    heads = sorted(range(real, m, 2), key=lambda j: -math.hypot(a[j, j], a[j, j + 1]))
    order = sorted(range(real), key=lambda j: -a[j, j])
    order += [j for head in heads for j in (head, head + 1)]
    sign = np.where(c[0] < 0.0, -1.0, 1.0)
    for head in heads:
        sign[head + 1] = sign[head]
    arrays = {
        "transition": (sign[:, None] * a * sign)[np.ix_(order, order)],
        "design": (c * sign)[:, order],
        "C_state": (x * sign)[:, order],
        "obs_cov": table.array(full, "obs_cov"),
        "C_obs": table.array(full, "C_obs"),
    }
    return table.read(arrays)


def placed(
    form: Form, found: Iterable[tuple[str, Mapping[str, FloatArray]]]
) -> list[tuple[str, Mapping[str, FloatArray]]]:
    """Put labelled systems into the form's coordinates; those that have none there are dropped."""
    if form.coordinates != "varma":
        return list(found)
    turned = [(label, in_observer_form(arrays, form.kronecker[0])) for label, arrays in found]
    return [(label, arrays) for label, arrays in turned if arrays is not None]


def calmer(form: Form, theta: FloatArray) -> FloatArray:
    """Shrink all roots of an innovations form by a tenth (below one) and the gain likewise."""
    table, kronecker = form.table, form.kronecker
    if form.coordinates == "varma":
        return damped(table, theta, 0.9)
    full = table.fill(theta)
    a, c, k = (table.array(full, name) for name in ("transition", "design", "selection"))
    limit = 0.9 * min(spectral_radius(a), 1.0)
    calm = scale_roots(Realisation(a, c, 0.9 * k), kronecker, limit)
    dynamic = np.array([group in _DYNAMIC for group in table.groups])
    return np.where(dynamic, table.read({"transition": calm.a, "selection": calm.k}), theta)
