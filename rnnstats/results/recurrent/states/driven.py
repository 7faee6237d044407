"""Fresh runs of a network with its own shocks, for what its state holds of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnstats.diagnostics.memory.driven import Driven
from rnnstats.errors import SpecificationError
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.effect_slopes import input_names
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem
from rnnstats.results.recurrent.simulation import start_at

__all__ = ["driven_network"]

# Runs side by side, independent of one another.
RUNS = 40


def driven_network(
    model: RecurrentModel, system: RecurrentSystem, nsteps: int, rng: np.random.Generator
) -> Driven:
    """Run a network anew, outputs drawn from its own law.

    Parameters
    ----------
    model : RecurrentModel
    system : RecurrentSystem
        At the parameters.
    nsteps : int
        Rows of all runs together.
    rng : numpy.random.Generator

    Returns
    -------
    Driven
        Inputs are the shocks of the row before (``L1.e.y``: what the output was as a lagged input,
        less its prediction) where outputs come back, and regressors, whose rows are drawn with
        replacement from those of the data.

    Raises
    ------
    SpecificationError
        The network reads neither its outputs nor regressors, or its states do not stay finite.
    """
    head, lags, k_exog = model.head, int(model.y_lags), _exog(model).shape[1]
    rows = max(nsteps // RUNS, 2)
    names = (*(f"L1.e.{name}" for name in head.lag_names * bool(lags)), *_regressors(model))
    if not names:
        raise SpecificationError(
            "memory_capacity: the network must read its outputs or regressors; got y_lags=0 and no "
            "exog. Its state does not depend on data."
        )
    start = start_at(system, int(np.asarray(system.rows)[0]), RUNS)
    drawn = _exog(model)[rng.integers(0, model.nobs, size=(rows, RUNS))] if k_exog else None
    state, past = start.state, start.lags
    states = np.empty((RUNS, rows, state.shape[1]))
    shocks = np.zeros((RUNS, rows + 1, len(names) - k_exog))
    extra = np.asarray(system.extra)
    for t in range(rows):
        state, eta = system.step(state, past, None if drawn is None else drawn[t])
        states[:, t] = state
        if lags:
            y = np.asarray(head.law(eta, extra).sample(rng))
            seen = np.asarray(system.lag_values(y))
            shocks[:, t + 1] = seen - head.lag_mean(eta)
            past = np.concatenate([seen[:, None], past[:, :-1]], axis=1)
    if not (np.isfinite(states).all() and np.isfinite(shocks).all()):
        raise SpecificationError(
            "memory_capacity: simulated states must stay finite; got some that do not. At these "
            "parameters the network is not stationary."
        )
    inputs = shocks[:, :rows] if drawn is None else _beside(shocks[:, :rows], drawn)
    return Driven(states, inputs, names, len(names) - k_exog, smooth=not head.discrete)


def _exog(model: Any) -> FloatArray:
    """Regressors (n, k), none for no column."""
    exog = model.exog
    return np.empty((model.nobs, 0)) if exog is None else np.asarray(exog.values)


def _regressors(model: Any) -> tuple[str, ...]:
    names = input_names(model)
    return tuple(names[len(names) - _exog(model).shape[1] :])


def _beside(shocks: FloatArray, exog: FloatArray) -> FloatArray:
    return np.concatenate([shocks, np.swapaxes(exog, 0, 1)], axis=2)
