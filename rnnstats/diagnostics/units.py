"""Units in which nothing about a state space model depends on how its data are measured."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.steady import shares_noise
from rnnstats.kernels.system import StateSpace, Tangents

__all__ = ["Units", "directions_in_units", "natural_units", "positive", "system_in_units"]

FloatArray = NDArray[np.float64]


class Units(NamedTuple):
    """Sizes in which a system is measured, all positive.

    Attributes
    ----------
    states : ndarray, shape (k_states,)
    noises : ndarray, shape (k_posdef,)
    outputs : ndarray, shape (k_endog,)
    """

    states: FloatArray
    noises: FloatArray
    outputs: FloatArray


def natural_units(system: StateSpace) -> Units:
    """Sizes that make a system free of units.

    Parameters
    ----------
    system : StateSpace

    Returns
    -------
    Units
        Outputs by the standard deviation that the noise of as many steps as states gives them (of
        their own noise where that is the state noise); states and noises by what moves an output by
        one such unit; what no output shows, by one.
    """
    T, Z, R = system.transition, system.design, system.selection
    shared = shares_noise(system)
    step = R @ system.state_cov @ R.T
    reach = np.array(step)
    for _ in range(system.k_states - 1):
        reach = T @ reach @ T.T + step
    noise = system.obs_cov if shared else Z @ reach @ Z.T + system.obs_cov
    outputs = positive(np.sqrt(np.maximum(np.diagonal(noise), 0.0)))
    look = Z / outputs[:, None]
    states, noises = np.zeros(system.k_states), np.zeros(system.k_posdef)
    for _ in range(system.k_states):
        states = np.maximum(states, np.abs(look).max(axis=0))
        noises = np.maximum(noises, np.abs(look @ R).max(axis=0))
        look = look @ T
    return Units(1.0 / positive(states), outputs if shared else 1.0 / positive(noises), outputs)


def positive(values: FloatArray) -> FloatArray:
    """Replace what is not positive by one.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    ndarray
    """
    out: FloatArray = np.where(values > 0.0, values, 1.0)
    return out


def system_in_units(system: StateSpace, units: Units) -> StateSpace:
    """Measure states, state noises and outputs in given units.

    Parameters
    ----------
    system : StateSpace
    units : Units

    Returns
    -------
    StateSpace
        The same model of the outputs divided by their sizes.
    """
    return system.replaced(
        matrices=system.matrices * _factors(system, units),
        obs_intercept=system.obs_intercept / units.outputs,
        state_intercept=system.state_intercept / units.states,
    )


def directions_in_units(tangents: Tangents, units: Units) -> Tangents:
    """Measure directions in the units of `system_in_units`.

    Parameters
    ----------
    tangents : Tangents
    units : Units

    Returns
    -------
    Tangents
    """
    return Tangents(
        tangents.k_endog,
        tangents.k_states,
        tangents.k_posdef,
        tangents.matrices * _factors(tangents, units),
        tangents.obs_intercept / units.outputs,
        tangents.state_intercept / units.states,
    )


def _factors(owner: StateSpace | Tangents, units: Units) -> FloatArray:
    """Factors of the buffer's cells."""
    rows = {"s": units.states, "y": units.outputs, "e": units.noises}
    kinds = {
        "design": "y/s", "obs_cov": "yy", "transition": "s/s", "selection": "s/e",
        "state_cov": "ee", "cross_cov": "ey", "initial_mean": "s", "initial_cov": "ss",
    }  # fmt: skip
    factors = np.ones(owner.matrices.shape[-1])
    layout = StateSpace.offsets(owner.k_endog, owner.k_states, owner.k_posdef)
    for name, kind in kinds.items():
        factor = 1.0 / rows[kind[0]]
        if len(kind) == 3:
            factor = np.outer(factor, rows[kind[2]])
        elif len(kind) == 2:
            factor = np.outer(factor, 1.0 / rows[kind[1]])
        factors[layout[name][0]] = factor.ravel()
    return factors
