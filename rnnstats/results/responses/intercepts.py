"""What inputs and deterministic terms put into the intercepts of a system, each by itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnstats.data import Exog
from rnnstats.kernels.system import StateSpace
from rnnstats.results.continuation import ContinuedModel
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["TREND", "Source", "input_label", "padded", "sources_of", "with_source"]

# Constants and time trends, wherever they enter.
TREND = "trend"


class Source(NamedTuple):
    """Intercepts that one input, or the deterministic terms, make.

    Attributes
    ----------
    label : str
        ``"trend"`` or ``"input NAME"``.
    outputs : ndarray of shape (rows, k_endog)
    states : ndarray of shape (rows, k_states)
    """

    label: str
    outputs: FloatArray
    states: FloatArray


def input_label(name: str) -> str:
    """Label the part of an input.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    return f"input {name}"


def _rows(values: FloatArray, count: int) -> FloatArray:
    if values.ndim == 2:
        return np.asarray(values[:count])
    return np.broadcast_to(values, (count, values.size))


def padded(values: FloatArray, rows: int) -> FloatArray:
    """Add missing rows at the end.

    Parameters
    ----------
    values : ndarray of shape (nobs, k)
    rows : int
        Rows wanted, at least nobs.

    Returns
    -------
    ndarray of shape (rows, k)
        A copy.
    """
    table = np.full((rows, values.shape[1]), np.nan)
    table[: len(values)] = values
    return table


def sources_of(
    model: StateSpaceModel, theta: FloatArray, rows: int, future: FloatArray | None
) -> tuple[Source, ...]:
    """Take the intercepts of a model's system apart.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
        All natural parameters.
    rows : int
        Rows wanted, at least those of the sample.
    future : ndarray of shape (rows - nobs, k_exog), optional
        Inputs past the sample.

    Returns
    -------
    tuple of Source
        The deterministic terms, then each input. They sum to the intercepts of the system.
    """
    first, whole = 0, model
    if isinstance(model, ContinuedModel):
        first, whole = model.first, model.whole
    steps = rows - model.nobs
    total = whole.nobs + steps
    exog = whole.exog
    if exog is None:
        system = whole.system(theta, steps=steps)
        return (_source(TREND, system, total, first),)

    def only(column: int | None) -> StateSpace:
        kept = np.zeros(exog.values.shape)
        later = None if future is None else np.zeros(future.shape)
        if column is not None:
            kept[:, column] = exog.values[:, column]
            if later is not None and future is not None:
                later[:, column] = future[:, column]
        kept.setflags(write=False)
        model_with = whole.clone(whole.endog, Exog(kept, exog.names))
        return model_with.system(theta, steps=steps, exog=later)

    base = _source(TREND, only(None), total, first)
    parts = [base]
    for j, name in enumerate(exog.names):
        found = _source(input_label(name), only(j), total, first)
        outputs, states = found.outputs - base.outputs, found.states - base.states
        parts.append(Source(found.label, outputs, states))
    return tuple(parts)


def _source(label: str, system: StateSpace, total: int, first: int) -> Source:
    outputs, states = _rows(system.obs_intercept, total), _rows(system.state_intercept, total)
    return Source(label, outputs[first:], states[first:])


def with_source(system: StateSpace, source: Source | None, mean: bool = False) -> StateSpace:
    """Return a system with other intercepts, and with or without the mean of its start.

    Parameters
    ----------
    system : StateSpace
    source : Source or None
        Its intercepts; None for none at all.
    mean : bool
        Whether to keep the mean of a given start, which is zero otherwise.

    Returns
    -------
    StateSpace
        Covariances are the same, so that estimates are linear in data, intercepts and start.
    """
    p, m, r = system.k_endog, system.k_states, system.k_posdef
    matrices = system.matrices
    if not mean:
        matrices = matrices.copy()
        matrices[StateSpace.offsets(p, m, r)["initial_mean"][0]] = 0.0
    outputs = np.zeros(p) if source is None else np.ascontiguousarray(source.outputs)
    states = np.zeros(m) if source is None else np.ascontiguousarray(source.states)
    return system.replaced(matrices=matrices, obs_intercept=outputs, state_intercept=states)
