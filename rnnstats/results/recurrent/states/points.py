"""Fitted networks near a state: the linear system that they are there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnstats._checks import shown
from rnnstats._index import label
from rnnstats.diagnostics.memory.filters.fixed_points import Near, fixed_point
from rnnstats.diagnostics.memory.filters.linear_systems import (
    At,
    LinearSystem,
    ShockKind,
    row_of,
)
from rnnstats.diagnostics.memory.recurrences import Given
from rnnstats.errors import SpecificationError
from rnnstats.kernels import cells
from rnnstats.results.linear_points import without_inputs
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.histories import History, at_means, histories

if TYPE_CHECKING:
    from rnnstats.results.recurrent.states.recurrence import NetworkRecurrence

__all__ = ["linear_system", "observed"]

_WORDS = ("fixed_point", "mean")


@dataclass(eq=False)
class _Point:
    """A network in one row that need not be one of the data.

    Attributes
    ----------
    recurrence : NetworkRecurrence
    history : History
        State before, lags and regressors, of one row.
    """

    recurrence: NetworkRecurrence
    history: History

    @cached_property
    def run(self) -> Any:
        """One step of the cell from there."""
        system: Any = self.recurrence.system
        scales = system.scales
        pieces = [self.history.lags.reshape(1, -1)] if self.recurrence.model.y_lags else []
        pieces += [] if self.history.exog is None else [self.history.exog]
        values = np.concatenate(pieces, axis=1) if pieces else np.empty((1, 0))
        return cells.forward(
            system.architecture,
            system.weights,
            np.ascontiguousarray((values - scales.input_mean) / scales.input_scale),
            initial=np.ascontiguousarray(self.history.state),
            offsets=np.array([0, 1]),
            feedback=None,
        )

    @cached_property
    def eta(self) -> FloatArray:
        """Linear predictors after the step, (1, k_eta), in the user's units."""
        system: Any = self.recurrence.system
        return np.asarray(self.run.eta * system.scales.eta_scale + system.scales.eta_mean)

    @cached_property
    def there(self) -> NetworkRecurrence:
        """The recurrence of this one row, which has derivatives."""
        system: Any = self.recurrence.system
        row: Any = SimpleNamespace(
            architecture=system.architecture,
            weights=system.weights,
            scales=system.scales,
            run=self.run,
            eta=self.eta,
            rows=np.array([0]),
            row_offsets=np.array([0, 1]),
        )
        found = replace(self.recurrence, estimates=None)
        found.__dict__["system"] = row
        return found

    @property
    def cov(self) -> FloatArray:
        """Covariance of the shocks after the step, (d, d); NaN where there is none."""
        head = self.recurrence.model.head
        d = len(head.lag_names)
        law = head.law(self.eta, np.asarray(self.recurrence.system.extra))
        shares = getattr(law, "probabilities", None)
        if shares is not None:
            own = np.asarray(shares)[0, :d]
            return np.asarray(np.diag(own) - np.outer(own, own))
        found = np.asarray(law.cov)[0]
        return np.where(np.isfinite(found), found, np.nan)

    def moved(self, given: Given) -> LinearSystem:
        """The linear system near this row.

        Parameters
        ----------
        given : {"shocks", "inputs"}

        Returns
        -------
        LinearSystem
        """
        model = self.recurrence.model
        along = self.there.trajectory(given)
        labels = replace(self.there.names(along), index=self.recurrence.labels.index)
        if along.inputs is None or along.readout is None:
            raise TypeError("trajectories of networks have inputs and outputs")
        direct = None if along.direct is None else along.direct[0]
        state, inputs, readout = along.state[0], along.inputs[0], along.readout[0]
        if given == "inputs":
            blank = np.zeros((0, 0))
            return LinearSystem.entering(state, inputs, readout, direct, cov=blank, labels=labels)
        if model.y_lags:
            return LinearSystem.entering(
                state, inputs, readout, direct, cov=self.cov, labels=labels
            )
        # without lags a shock moves its own row and is forgotten
        names = tuple(model.head.lag_names)
        d = len(names)
        inputs = np.hstack([np.zeros((len(state), d)), inputs])
        through = np.zeros((d, inputs.shape[1] - d)) if direct is None else direct[:d]
        labels = replace(
            labels, inputs=(*(f"e.{name}" for name in names), *labels.inputs), outputs=names
        )
        return LinearSystem.entering(
            state, inputs, readout[:d], np.hstack([np.eye(d), through]), cov=self.cov, labels=labels
        )


def linear_system(
    recurrence: NetworkRecurrence,
    given: Given = "shocks",
    shocks: ShockKind = "auto",
    at: At = "fixed_point",
    caller: str = "transfer_function",
) -> LinearSystem:
    """Linearise a network at a state, see `linear_system_of`.

    Parameters
    ----------
    recurrence : NetworkRecurrence
    given : {"shocks", "inputs"}
    shocks : {"auto", "innovations"}
        Errors of the one-step prediction.
    at : {"fixed_point", "mean"}, row label or array_like
    caller : str
        For messages.

    Returns
    -------
    LinearSystem

    Raises
    ------
    SpecificationError
        Noises of states are asked for, or there is no such state.
    """
    if shocks == "noises":
        raise SpecificationError(
            f"{caller}: shocks must be 'auto' or 'innovations' with a network, whose state has no "
            "noise of its own; got 'noises'."
        )
    history, place, rest = _history(recurrence, at, caller)
    point = _Point(recurrence, history)
    return point.moved(given).at(history.state[0], place, rest)


def observed(recurrence: NetworkRecurrence, system: LinearSystem) -> tuple[FloatArray, ...]:
    """Series of the outputs, less what regressors do to them about the point of the system.

    Parameters
    ----------
    recurrence : NetworkRecurrence
    system : LinearSystem

    Returns
    -------
    tuple of ndarray
        One a sequence, (n, p); none where the outputs of the system are not those of the data.
    """
    model = recurrence.model
    names = tuple(model.head.lag_names)
    if system.labels.outputs != names:
        return ()
    values = np.asarray(model.head.lag_values(np.asarray(model.endog.values)), dtype=np.float64)
    cuts = np.asarray(model.offsets)
    parts = [values[a:b] for a, b in pairwise(cuts)]
    if model.exog is None:
        return tuple(parts)
    exog = np.asarray(model.exog.values)
    rows = (exog[a:b] for a, b in pairwise(cuts))
    return tuple(without_inputs(system, y, x) for y, x in zip(parts, rows, strict=True))


def _history(
    recurrence: NetworkRecurrence, at: At, caller: str
) -> tuple[History, str, FloatArray | None]:
    """The row to look at, its name, and the fixed point where it is one."""
    model, system = recurrence.model, recurrence.system
    rows = np.asarray(system.rows)
    worded = isinstance(at, str) and at in _WORDS
    if not worded and not isinstance(at, Near) and np.ndim(at) == 0:
        place = row_of(recurrence.labels.index, at, caller)
        words = f"row {label(recurrence.labels.index, place)}"
        return histories(model, system, rows[[place]]), words, None
    mean = at_means(histories(model, system, rows))
    if isinstance(at, Near) or (worded and at == "fixed_point"):
        history, rest = _at_rest(recurrence, mean, at if isinstance(at, Near) else None, caller)
        return history, "the fixed point", rest
    if worded:
        return mean, "the mean of states, lags and regressors", None
    state = np.array(at, dtype=np.float64)
    m, wide = mean.state.shape[1], mean.lags.size
    if state.shape not in ((m,), (m + wide,)) or not np.isfinite(state).all():
        raise SpecificationError(
            f"{caller}: at must be a state of {m} finite numbers, or of {m + wide} with the lagged "
            f"outputs, 'fixed_point', 'mean' or a row; got {shown(at)}."
        )
    lags = mean.lags if state.size == m else state[m:].reshape(mean.lags.shape)
    return History(state[None, :m], lags, mean.exog), "the state given", None


def _at_rest(
    recurrence: NetworkRecurrence, mean: History, near: Near | None, caller: str
) -> tuple[History, FloatArray]:
    """State that a step does not move, with outputs at what is expected of them; and both."""
    head = recurrence.model.head
    m, lags = mean.state.shape[1], mean.lags.shape[1]
    d = len(head.lag_names) if lags else 0

    def row(z: FloatArray) -> _Point:
        past = np.broadcast_to(z[m:], (1, lags, d)) if lags else mean.lags
        return _Point(recurrence, History(z[None, :m], np.array(past), mean.exog))

    def step(z: FloatArray) -> FloatArray:
        point = row(z)
        state = np.asarray(point.run.states)[0]
        return np.concatenate([state, np.asarray(head.lag_mean(point.eta))[0]]) if lags else state

    def by_state(z: FloatArray) -> FloatArray:
        matrix: FloatArray = row(z).there.trajectory("shocks").state[0]
        if not lags:
            return matrix
        past = matrix[: m + d, m:].reshape(m + d, lags, d).sum(axis=1)
        return np.hstack([matrix[: m + d, :m], past])

    start = np.concatenate([mean.state[0], mean.lags[0].mean(axis=0)]) if lags else mean.state[0]
    rest = fixed_point(step, by_state, start if near is None else near, caller)
    return row(rest).history, rest
