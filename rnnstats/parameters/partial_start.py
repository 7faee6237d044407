"""Start of a state of which one part is stationary and the rest diffuse.

The stationary part is a block ``b`` that moves on its own (no state outside drives it). The first
state ``h_1`` then has ``mean_b = (I - A)^-1 c_1`` and ``P = A P A' + W`` with ``A = T[b, b]`` and
``W = (R Q R')[b, b]``: the start is no cell of a table but a function of other cells. Derivatives
go through the same linear equations (Lyapunov; Harvey 1989, sec. 3.3.3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import kalman
from rnnstats.kernels.kalman import SystemGradient, Tangents
from rnnstats.kernels.stein import doubled
from rnnstats.kernels.system import StateSpace

__all__ = ["complete", "gradient", "tangents"]

FloatArray = NDArray[np.float64]


class _Block(NamedTuple):
    """What the start of a block is made of."""

    a: FloatArray
    loading: FloatArray
    noise: FloatArray
    cov: FloatArray
    mean: FloatArray


def complete(system: StateSpace, block: tuple[int, ...]) -> StateSpace:
    """Return the system with the stationary moments of a block as its start.

    Parameters
    ----------
    system : StateSpace
        With ``start="given"`` and ``first_step="none"``.
    block : tuple of int
        States of the block; the others are diffuse.

    Returns
    -------
    StateSpace

    Raises
    ------
    NotStationaryError
        Where the block has a root on or outside the unit circle.
    """
    part = _solve(system, block)
    offsets = StateSpace.offsets(system.k_endog, system.k_states, system.k_posdef)
    matrices = system.matrices.copy()
    index = list(block)
    mean, cov = (matrices[offsets[name][0]] for name in ("initial_mean", "initial_cov"))
    mean[index] = part.mean
    cov.reshape(system.k_states, system.k_states)[np.ix_(index, index)] = part.cov
    return system.replaced(matrices=matrices)


def gradient(system: StateSpace, slopes: SystemGradient, block: tuple[int, ...]) -> SystemGradient:
    """Move the gradient in the start to the arrays that the start is made of.

    Parameters
    ----------
    system : StateSpace
    slopes : SystemGradient
        At the completed system.
    block : tuple of int

    Returns
    -------
    SystemGradient
        A new value; the gradient in ``initial_mean`` and ``initial_cov`` of the block is used up.
    """
    part, index = _solve(system, block), list(block)
    square = np.ix_(index, index)
    offsets = StateSpace.offsets(system.k_endog, system.k_states, system.k_posdef)
    matrices = slopes.matrices.copy()

    def view(name: str) -> FloatArray:
        place, shape = offsets[name]
        return matrices[place].reshape(shape)

    spread = doubled(part.a.T, view("initial_cov")[square][None])[0]
    push = np.linalg.solve((np.eye(len(index)) - part.a).T, view("initial_mean")[index])
    view("transition")[square] += 2.0 * spread @ part.a @ part.cov + np.outer(push, part.mean)
    view("selection")[index] += 2.0 * spread @ part.loading @ part.noise
    view("state_cov")[...] += part.loading.T @ spread @ part.loading
    view("initial_mean")[index] = 0.0
    view("initial_cov")[square] = 0.0
    intercept = np.array(slopes.state_intercept)
    first = intercept if intercept.ndim == 1 else intercept[0]
    first[index] += push
    return SystemGradient(
        slopes.k_endog,
        slopes.k_states,
        slopes.k_posdef,
        matrices,
        slopes.obs_intercept,
        intercept,
    )


def tangents(system: StateSpace, directions: Tangents, block: tuple[int, ...]) -> Tangents:
    """Complete directions by what they do to the start.

    Parameters
    ----------
    system : StateSpace
    directions : Tangents
        Without a part in the start of the block.
    block : tuple of int

    Returns
    -------
    Tangents
        A new value.
    """
    part, index = _solve(system, block), list(block)
    moved = np.array(directions.transition)[:, index][:, :, index]
    loading = np.array(directions.selection)[:, index]
    noise = np.array(directions.state_cov)
    change = moved @ part.cov @ part.a.T + loading @ part.noise @ part.loading.T
    change = change + change.swapaxes(1, 2) + part.loading @ noise @ part.loading.T
    cov = doubled(part.a, change)
    c = np.array(directions.state_intercept)
    first = (c if c.ndim == 2 else c[:, 0])[:, index]
    mean = np.linalg.solve(np.eye(len(index)) - part.a, (first + moved @ part.mean).T).T
    offsets = StateSpace.offsets(system.k_endog, system.k_states, system.k_posdef)
    matrices = directions.matrices.copy()
    m = system.k_states
    place = offsets["initial_mean"][0].start + np.array(index)
    matrices[:, place] = mean
    start = offsets["initial_cov"][0].start
    square = (start + np.array(index)[:, None] * m + np.array(index)).ravel()
    matrices[:, square] = cov.reshape(len(cov), -1)
    return Tangents(
        directions.k_endog,
        directions.k_states,
        directions.k_posdef,
        matrices,
        directions.obs_intercept,
        directions.state_intercept,
    )


def _solve(system: StateSpace, block: tuple[int, ...]) -> _Block:
    index = list(block)
    a = np.ascontiguousarray(system.transition[np.ix_(index, index)])
    loading = np.array(system.selection[index])
    noise = np.array(system.state_cov)
    spread = loading @ noise @ loading.T
    cov = kalman.stationary_covariance(a, np.ascontiguousarray(0.5 * (spread + spread.T)))
    c = system.state_intercept
    first = (c if c.ndim == 1 else c[0])[index]
    mean = np.linalg.solve(np.eye(len(index)) - a, first)
    return _Block(a, loading, noise, cov, mean)
