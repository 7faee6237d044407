"""Fitted linear models as linear systems: shocks and regressors to outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rnnstats.diagnostics.memory.filters.linear_systems import LinearSystem, ShockKind
from rnnstats.diagnostics.memory.recurrences import Given
from rnnstats.results.networks import intercepts
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.responses.impulse import ShockKind as Kind
from rnnstats.results.responses.impulse import find_shocks

if TYPE_CHECKING:
    from rnnstats.results.recurrences import LinearRecurrence

__all__ = ["linear_system", "outputs_alone", "without_inputs"]


def linear_system(
    recurrence: LinearRecurrence, given: Given = "shocks", shocks: ShockKind = "auto"
) -> LinearSystem:
    """Write a linear model as a system from shocks and regressors, or lags, to outputs.

    Parameters
    ----------
    recurrence : LinearRecurrence
    given : {"shocks", "inputs"}
        With "inputs" the steady filter: lagged outputs in, predictions out.
    shocks : {"auto", "noises", "innovations"}
        As in ``impulse_responses``.

    Returns
    -------
    LinearSystem
        It holds everywhere.

    Raises
    ------
    SpecificationError
        Innovations are asked for, and the filter never settles.
    """
    if given == "inputs":
        return _filter(recurrence)
    system, labels = recurrence.system, recurrence.labels
    model = recurrence.model
    names = (tuple(labels.outputs), tuple(labels.states))
    kind: Kind | None = None if shocks == "auto" else shocks
    found = find_shocks(system, None, names, kind)
    wold = found.names == names[0] and not found.aliases
    exog = () if model.exog is None else tuple(model.exog.names)
    loading, direct = found.loading, found.direct
    if exog:
        parts = intercepts(model, recurrence.theta)
        loading = np.hstack([loading, system.transition @ parts.state_exog])
        direct = np.hstack([direct, system.design @ parts.state_exog + parts.obs_exog])
    p = system.k_endog
    return LinearSystem(
        transition=np.array(system.transition),
        loading=loading,
        design=np.array(system.design),
        direct=direct,
        cov=np.array(found.cov),
        noise=np.zeros((p, p)) if wold else np.array(system.obs_cov),
        labels=replace(labels, inputs=(*(f"e.{name}" for name in found.names), *exog)),
    )


def _filter(recurrence: LinearRecurrence) -> LinearSystem:
    """The steady filter, from lagged outputs and regressors to predictions."""
    along = recurrence.trajectory("inputs")
    if along.inputs is None or along.readout is None:
        raise TypeError("the filter of a linear model has inputs and outputs")
    direct = None if along.direct is None else along.direct[0]
    return LinearSystem.entering(
        along.state[0], along.inputs[0], along.readout[0], direct,
        cov=np.zeros((0, 0)), labels=recurrence.names(along),
    )  # fmt: skip


def outputs_alone(model: StateSpaceModel, system: LinearSystem) -> tuple[FloatArray, ...]:
    """Series of the outputs, less what regressors and a trend do to them.

    Parameters
    ----------
    model : StateSpaceModel
    system : LinearSystem
        Its last inputs are the regressors.

    Returns
    -------
    tuple of ndarray
        One, of shape (n, p).
    """
    series = np.asarray(model.endog.values)
    if model.exog is not None:
        series = without_inputs(system, series, np.asarray(model.exog.values))
    return (_detrended(series) if model.trend == "ct" else series,)


def without_inputs(system: LinearSystem, series: FloatArray, exog: FloatArray) -> FloatArray:
    """Take out of outputs what regressors did to them.

    Parameters
    ----------
    system : LinearSystem
        Its last inputs are the regressors.
    series : ndarray of shape (n, p)
    exog : ndarray of shape (n, k)

    Returns
    -------
    ndarray of shape (n, p)
        With regressors at their means instead.
    """
    k = exog.shape[1]
    loading, direct = system.loading[:, -k:], system.direct[:, -k:]
    moved = exog - exog.mean(axis=0)
    state, out = np.zeros(len(system.transition)), np.empty_like(series)
    for t, row in enumerate(moved):
        out[t] = series[t] - system.design @ state - direct @ row
        state = system.transition @ state + loading @ row
    return out


def _detrended(series: FloatArray) -> FloatArray:
    """Residuals of least squares on a constant and time."""
    out, time = np.array(series), np.arange(len(series), dtype=np.float64)
    for column in out.T:
        seen = np.isfinite(column)
        if seen.sum() > 2:
            column[seen] -= np.polyval(np.polyfit(time[seen], column[seen], 1), time[seen])
    return out
