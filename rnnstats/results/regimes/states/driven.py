"""A fresh run of a chain with its filter, for what the belief holds of the past."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import helmert

from rnnstats.diagnostics.memory.driven import Driven
from rnnstats.errors import SpecificationError
from rnnstats.kernels import markov
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import EmissionMixture
from rnnstats.results.regimes.outputs import expanded_names
from rnnstats.results.regimes.residuals import expanded_values

__all__ = ["driven_belief"]


def driven_belief(model: Any, theta: FloatArray, nsteps: int, rng: np.random.Generator) -> Driven:
    """Draw a series from the model and filter it.

    Parameters
    ----------
    model : RegimeModel
    theta : ndarray of shape (K,)
    nsteps : int
        Rows.
    rng : numpy.random.Generator

    Returns
    -------
    Driven
        States are the filtered probabilities in Helmert's contrasts; inputs the errors of the
        one-step predictions, ``e.y``. Rows of regressors are drawn with replacement from those of
        the data.

    Raises
    ------
    SpecificationError
        There is one regime only.
    """
    if model.k_regimes < 2:
        raise SpecificationError(
            "memory_capacity: there must be two regimes at least; got 1, whose belief never moves."
        )
    exog, moving = _drawn(model.exog, nsteps, rng), _drawn(model.exog_transition, nsteps, rng)
    endog = model.simulate(theta, nsteps, rng=rng, exog=exog, exog_transition=moving)
    other = model.clone(endog, exog, exog_transition=moving)
    system = other.system(theta)
    run = markov.forward(*system.chain, lags=system.lags)
    rows = np.asarray(system.rows)
    # a model in mean form has no prediction of its first rows; responses are there for all
    weight = np.zeros((nsteps, run.predicted.shape[1]))
    weight[rows] = run.predicted
    law = EmissionMixture(nsteps, np.arange(nsteps), weight, system.responses, other.endog.k_endog)
    errors = (expanded_values(other.endog.values, law.levels) - law.mean())[rows]
    names = tuple(f"e.{name}" for name in expanded_names(other))
    states = np.asarray(run.filtered) @ helmert(run.filtered.shape[1]).T
    # rows that the likelihood is conditional on have no prediction
    kept = slice(int(np.argmax(np.isfinite(errors).all(axis=1))), None)
    return Driven(states[None, kept], errors[None, kept], names, len(names), smooth=False)


def _drawn(exog: Any, nsteps: int, rng: np.random.Generator) -> pd.DataFrame | None:
    """Rows of regressors, drawn with replacement."""
    if exog is None:
        return None
    rows = rng.integers(0, len(exog.values), size=nsteps)
    return pd.DataFrame(exog.values[rows], columns=list(exog.names))
