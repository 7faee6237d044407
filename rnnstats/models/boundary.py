"""Words about what sits at the border of the linear model's parameter space."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from rnnstats.models.cancellation import cancellation_words
from rnnstats.models.forms import Form
from rnnstats.parameters.layout import Layout

__all__ = ["boundary_words"]

FloatArray = NDArray[np.float64]
NEAR_BORDER = 0.995
NEAR_SINGULAR = 1e-6
NO_MEMORY = 1e-6
NO_NOISE = 100.0
NO_ERROR = 1e-10
SAME_LLF = 1e-6
STATE_NOISE = ("factor", "structured", "free")


def boundary_words(
    form: Form,
    layout: Layout,
    theta: FloatArray,
    y: FloatArray,
    x_state: FloatArray | None,
    outputs: tuple[str, ...],
    value: Callable[[FloatArray], float],
) -> tuple[str, ...]:
    """Say which roots or variances sit at the border of the admissible region.

    Parameters
    ----------
    form : Form
    layout : Layout
        A root that restrictions fix is where it should be, and is not named.
    theta : ndarray, shape (K,)
    y : ndarray, shape (nobs, p)
    x_state : ndarray or None
    outputs : tuple of str
    value : callable
        Log-likelihood at natural parameters.

    Returns
    -------
    tuple of str
    """
    table, names = form.table, layout.names
    full = table.fill(theta)
    a, c, k = (table.array(full, name) for name in ("transition", "design", "selection"))
    words: list[str] = []
    radius = _free_radius(form, layout, a)
    if radius > NEAR_BORDER:
        words.append(f"largest root of W_h has modulus {radius:.4f}")
    if form.name == "innovations":
        closed = np.abs(np.linalg.eigvals(a - k @ c))
        near = closed[np.abs(closed - 1.0) < 1.0 - NEAR_BORDER]
        if near.size:
            words.append(f"a moving average root (of W_h - K V) has modulus {near[0]:.4f}")
        if closed.max() > 2.0 - NEAR_BORDER:
            way = ", errors do not forget the start; use initial='stationary'"
            words.append(
                f"a moving average root (of W_h - K V) has modulus {closed.max():.4f}: not "
                f"invertible{way if table.first_step == 'noiseless' else ''}"
            )
        words += cancellation_words(a, c, k, table.array(full, "obs_cov"), len(y))
        words += _errorless(table.array(full, "obs_cov"), y, outputs)
    if form.name == "leaky":
        words += _leaky_words(form, full, y, x_state, outputs)
    elif form.name in STATE_NOISE:
        words += [
            f"{names[i]} is at its boundary, zero" for i in _zeros(form, layout, theta, value)
        ]
        words += _singular_blocks(form, layout, theta, value)
        words += [
            f"{name} is at its boundary, singular"
            for name in table.definite
            if name != "joint" and _border(table.array(full, name))
        ]
    else:
        words += _singular(table.array(full, "state_cov"), outputs)
    return tuple(words)


def _free_radius(form: Form, layout: Layout, a: FloatArray) -> float:
    """Largest modulus of a root of W_h on which a free parameter bears."""
    table = form.table
    free = (layout.expansion.sum(axis=1) > 0.0)[table.which]
    places = table.array_cells("transition")
    moved = np.zeros(a.shape, dtype=np.bool_)
    moved[...] = np.isin(places, table.cells[free])
    if not np.isfinite(a).all():
        return math.inf
    linked = np.logical_or(a != 0.0, moved)
    number, label = connected_components(linked, connection="strong")
    radius = 0.0
    for k in range(number):
        square = np.ix_(label == k, label == k)
        if moved[square].any():
            radius = max(radius, float(np.abs(np.linalg.eigvals(a[square])).max()))
    return radius


def _zeros(
    form: Form, layout: Layout, theta: FloatArray, value: Callable[[FloatArray], float]
) -> Iterator[int]:
    """Variances, by place in theta, that could as well be zero: no less likely, and a border."""
    level = value(theta)
    seen: set[int] = set()
    for block in form.table.blocks:
        single = block.kind == "positive" or (block.kind, len(block.indices)) == ("covariance", 1)
        for i in block.indices if single else ():
            column = layout.free_column(i)
            if column is None or column in seen or theta[i] <= 0.0:
                continue
            seen.add(column)
            without = layout.reduce(theta)
            without[column] *= 0.0 if block.kind == "positive" else 1e-6
            if value(layout.expand(without)) >= level - SAME_LLF:
                yield i


def _border(cov: FloatArray) -> bool:
    """Whether a covariance matrix has hardly a positive eigenvalue left, in its own units."""
    size = np.sqrt(np.diag(cov))
    live = size > 0.0
    if not live.any():
        return False
    scaled = (cov / np.outer(np.where(live, size, 1.0), np.where(live, size, 1.0)))[live][:, live]
    return float(np.linalg.eigvalsh(scaled)[0]) < NEAR_SINGULAR


def _singular_blocks(
    form: Form, layout: Layout, theta: FloatArray, value: Callable[[FloatArray], float]
) -> list[str]:
    """Words about unrestricted covariance matrices that could as well be singular."""
    words = []
    for block in form.table.blocks:
        if block.kind != "covariance" or any(layout.free_column(i) is None for i in block.indices):
            continue
        index = list(block.indices)
        n = (math.isqrt(8 * len(index) + 1) - 1) // 2
        lower = np.tril_indices(n)
        cov = np.zeros((n, n))
        cov[lower] = cov.T[lower] = theta[index]
        size = np.sqrt(np.diag(cov))
        values, vectors = np.linalg.eigh(cov / np.outer(size, size))
        if values[0] > 1e-2:
            continue
        lifted = (vectors * np.maximum([1e-9, *values[1:]], 1e-9)) @ vectors.T
        without = theta.copy()
        without[index] = (lifted * np.outer(size, size))[lower]
        if value(without) >= value(theta) - SAME_LLF:
            first, last = layout.names[index[0]], layout.names[index[-1]]
            words.append(f"the covariance matrix {first} ... {last} is at its boundary, singular")
    return words


def _leaky_words(
    form: Form,
    full: FloatArray,
    y: FloatArray,
    x_state: FloatArray | None,
    names: tuple[str, ...],
) -> list[str]:
    """Words about units without memory or noise, and outputs without noise."""
    table, words = form.table, []
    roots = np.diag(table.array(full, "transition"))
    for j in range(table.k_states - 2 * form.pairs):
        label = f"W_h[h{j + 1},h{j + 1}]"
        if label in table.names and roots[j] < NO_MEMORY:
            words.append(f"{label} is at its boundary, zero: unit h{j + 1} has no memory")
    if x_state is not None:
        driven = x_state.std(axis=0) @ np.abs(table.array(full, "C_state"))
        for unit in np.flatnonzero(driven * np.sqrt(1.0 - np.minimum(roots**2, 1.0)) > NO_NOISE):
            words.append(
                f"the noise of unit h{unit + 1} vanishes beside its input (its V goes to zero, its "
                "W_x has no bound): use exog_enters='output', or form='innovations'"
            )
    way = ": use obs_noise='none'" if len(names) == 1 else ""
    for i, name in enumerate(names):
        label = f"obs_cov[{name},{name}]"
        small = table.array(full, "obs_cov")[i, i] < 1e-6 * float(np.nanvar(y[:, i]))
        if label in table.names and small:
            words.append(f"{label} is at its boundary, zero{way}")
    return words


def _errorless(cov: FloatArray, y: FloatArray, names: tuple[str, ...]) -> list[str]:
    """Words about outputs that a recursion without errors follows."""
    share = np.diag(cov) / np.nanvar(y, axis=0)
    return [
        f"the errors of {name} have hardly any variance ({size:.1g} of that of {name}): use fewer "
        "states, or leave it out"
        for name, size in zip(names, share, strict=True)
        if size < NO_ERROR
    ]


def _singular(cov: FloatArray, names: tuple[str, ...]) -> list[str]:
    """Words about a covariance of errors that is nearly singular, with the combination."""
    scale = np.sqrt(np.diag(cov))
    if not np.isfinite(cov).all() or not (scale > 0.0).all():
        return []
    values, vectors = np.linalg.eigh(cov / np.outer(scale, scale))
    if values[0] > NEAR_SINGULAR:
        return []
    loud = [n for n, weight in zip(names, vectors[:, 0], strict=True) if abs(weight) > 0.1]
    return [
        f"the covariance of the outputs is nearly singular (smallest eigenvalue of its "
        f"correlations {max(values[0], 0.0):.1g}: a combination of {', '.join(loud)} has hardly "
        "an error; use fewer states, or give it as an output in place of one of them)"
    ]
