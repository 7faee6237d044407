"""A fitted network as a recurrence along its series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats._index import step_name
from rnnstats.diagnostics.memory.driven import Driven
from rnnstats.diagnostics.memory.filters.linear_systems import (
    LinearSystem,
    linear_system_of,
    observed_of,
)
from rnnstats.diagnostics.memory.recurrences import (
    Function,
    Given,
    Kept,
    Labels,
    Recurrence,
    Trajectory,
)
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels import cells
from rnnstats.results.moving import estimated_on, row_scores
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.effect_slopes import input_names, mean_slopes
from rnnstats.results.recurrent.inference.slopes import axis_slopes
from rnnstats.results.recurrent.protocol import IntArray, RecurrentModel, RecurrentSystem
from rnnstats.results.recurrent.states import points
from rnnstats.results.recurrent.states.driven import driven_network
from rnnstats.results.recurrent.states.states import gate_values, retention, unit_names
from rnnstats.results.regimes.outputs import expanded_names

__all__ = ["Estimates", "NetworkRecurrence", "estimates_of"]

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """What is known of the estimates of a network.

    Attributes
    ----------
    covariance : callable
        Gives that of the estimates, as it was asked for.
    bread : CovarianceEstimate
        By which the score of a row moves them: the inverse of the expected information, that of a
        penalty with it; of estimates from other rows their covariance.
    score_obs : ndarray of shape (m, K) or None
        Scores of the rows of the recurrence, in its order, zero for those that the estimates do not
        come from; None where they come from other rows altogether.
    """

    covariance: Callable[[], CovarianceEstimate]
    bread: CovarianceEstimate
    score_obs: FloatArray | None

    def spread(self, slopes: FloatArray) -> FloatArray:
        """Covariance of quantities with these derivatives, see `Recurrence.spread`.

        Parameters
        ----------
        slopes : ndarray, shape (k, K)

        Returns
        -------
        ndarray, shape (k, k)
        """
        return np.atleast_2d(self.covariance().of(slopes))

    def told(self, slopes: FloatArray) -> BoolArray:
        """Which quantities the rows say something about, see `Recurrence.told`.

        Parameters
        ----------
        slopes : ndarray, shape (k, K)

        Returns
        -------
        ndarray of bool, shape (k,)
        """
        with np.errstate(invalid="ignore"):
            return np.isfinite(np.diagonal(np.atleast_2d(self.bread.of(slopes))))

    def influence(self) -> FloatArray | None:
        """How each row moves the estimates, see `Recurrence.influence`.

        Returns
        -------
        ndarray, shape (m, K), or None
        """
        if self.score_obs is None:
            return None
        return np.asarray(self.score_obs @ self.bread.generalised * len(self.score_obs))


def estimates_of(results: Any) -> Estimates:
    """What results know of their estimates.

    Parameters
    ----------
    results : Results
        Of a network, fitted on their rows, or with estimates from the first of these, or from
        others.

    Returns
    -------
    Estimates
        With scores of all rows of the data, (nobs, K); zero for rows that were appended.
    """
    origin = estimated_on(results)
    if origin is None:
        return Estimates(results._asked_covariance, results.covariance, None)
    bread = origin._inverse_information("approx")
    return Estimates(results._asked_covariance, bread, row_scores(origin, results.model.nobs))


@dataclass(eq=False)
class NetworkRecurrence(Recurrence):
    """An Elman, GRU or LSTM network run along its series.

    Rows are those of the recursion; inputs and outputs are in the user's units.

    Attributes
    ----------
    model : RecurrentModel
    theta : ndarray of shape (K,)
        All natural parameters.
    estimates : Estimates or None
        None for a point that is moved about.
    """

    model: RecurrentModel
    theta: FloatArray
    estimates: Estimates | None = None

    @cached_property
    def labels(self) -> Labels:  # type: ignore[override]
        """Names of states, inputs and outputs."""
        model = self.model
        index = model.endog.index
        return Labels(
            states=tuple(model.state_names),
            inputs=input_names(model),
            outputs=tuple(expanded_names(model)),
            index=index[np.asarray(self.system.rows)],
            step=step_name(index),
            title=model.name,
        )

    @cached_property
    def system(self) -> RecurrentSystem:
        """The network at the parameters, run over the rows."""
        found: RecurrentSystem = self.model.system(self.theta)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """What pickling keeps: not the pass over the rows, which is quickly made again."""
        return {name: self.__dict__[name] for name in ("model", "theta", "estimates")}

    # -- derivatives along the series ---------------------------------------------------------

    def trajectory(self, given: Given | None = None) -> Trajectory:
        """Derivatives along the series, see `Recurrence.trajectory`.

        Parameters
        ----------
        given : {"inputs", "shocks"}, optional
            By default "inputs". With "shocks" the lagged outputs follow the states, and the inputs
            are the shocks ``e.y`` of the row (the output less its mean) and the regressors.

        Returns
        -------
        Trajectory
        """
        return self._closed if given == "shocks" and self.model.y_lags else self._open

    @cached_property
    def _open(self) -> Trajectory:
        """With the inputs as they were."""
        return Trajectory(
            state=self._jacobians[0],
            offsets=self._offsets,
            states=np.asarray(self.system.run.states),
            inputs=self._by_inputs,
            readout=self._readout,
            direct=self._direct,
        )

    @cached_property
    def _closed(self) -> Trajectory:
        """With the shocks as they were: z_t = (s_t, y_t, ..., y_{t-L+1})."""
        open_, names = self._open, self.model.head.lag_names
        n, m, d, lags = open_.nobs, open_.k_state, len(names), int(self.model.y_lags)
        by_lags, by_exog = self._by_inputs[:, :, : d * lags], self._by_inputs[:, :, d * lags :]
        skip = np.zeros((n, d, by_lags.shape[2] + by_exog.shape[2]))
        if self._direct is not None:
            skip = self._direct[:, :d]
        readout = self._readout[:, :d]
        size, k_exog = m + d * lags, by_exog.shape[2]
        state, inputs = np.zeros((n, size, size)), np.zeros((n, size, d + k_exog))
        state[:, :m, :m], state[:, :m, m:] = open_.state, by_lags
        inputs[:, :m, d:] = by_exog
        now = slice(m, m + d)
        state[:, now, :m] = readout @ open_.state
        state[:, now, m:] = readout @ by_lags + skip[:, :, : d * lags]
        inputs[:, now, :d] = np.eye(d)
        inputs[:, now, d:] = readout @ by_exog + skip[:, :, d * lags :]
        older = np.arange(m + d, size)
        state[:, older, older - d] = 1.0
        design = np.zeros((n, d, size))
        design[:, :, now] = np.eye(d)
        return Trajectory(
            state=state, offsets=self._offsets, inputs=inputs, readout=design, labels=self._names()
        )

    def _names(self) -> Labels:
        """Names with lagged outputs among the states."""
        names, lags = self.model.head.lag_names, int(self.model.y_lags)
        ages = ("" if lag == 0 else f"L{lag}." for lag in range(lags))
        return Labels(
            states=(*self.labels.states, *(f"{age}{name}" for age in ages for name in names)),
            inputs=(*(f"e.{name}" for name in names), *self.labels.inputs[len(names) * lags :]),
            outputs=tuple(names),
            index=self.labels.index,
            step=self.labels.step,
            title=self.labels.title,
        )

    @cached_property
    def _jacobians(self) -> tuple[FloatArray, FloatArray]:
        """By the state before and by the standardised inputs."""
        system = self.system
        return cells.jacobians(system.architecture, system.weights, system.run)

    @cached_property
    def _by_inputs(self) -> FloatArray:
        return np.asarray(self._jacobians[1] / self._scales.input_scale)

    @property
    def _offsets(self) -> IntArray:
        return np.asarray(self.system.row_offsets, dtype=np.intp)

    @property
    def _scales(self) -> Any:
        system: Any = self.system
        return system.scales

    @cached_property
    def _by_predictor(self) -> FloatArray:
        """Mean outputs by the standardised linear predictors, (m, p, k_eta)."""
        slopes = mean_slopes(self.model.head, np.asarray(self.system.eta))
        return np.asarray(slopes * self._scales.eta_scale)

    @cached_property
    def _readout(self) -> FloatArray:
        arch = self.system.architecture
        design = np.zeros((arch.k_eta, arch.k_state))
        design[:, arch.top] = arch.unpack(self.system.weights).readout
        return np.asarray(self._by_predictor @ design)

    @cached_property
    def _direct(self) -> FloatArray | None:
        skip = self.system.architecture.unpack(self.system.weights).skip
        if skip is None:
            return None
        return np.asarray(self._by_predictor @ (skip / self._scales.input_scale))

    def kept(self) -> Kept | None:
        """Shares of their content that units keep, see `Recurrence.kept`.

        Returns
        -------
        Kept or None
        """
        gate = retention(gate_values(self.system))
        if gate is None:
            return None
        word, values = gate
        architecture = self.system.architecture
        units = tuple(
            name
            for cell, layer in zip(architecture.cells, unit_names(architecture), strict=True)
            if word in cell.gates
            for name in layer[0]
        )
        return Kept(word, units, values)

    def driven(self, nsteps: int, rng: np.random.Generator) -> Driven:
        """Run the network anew with its own shocks, see `Recurrence.driven`.

        Parameters
        ----------
        nsteps : int
        rng : numpy.random.Generator

        Returns
        -------
        Driven
        """
        return driven_network(self.model, self.system, nsteps, rng)

    # -- what is uncertain --------------------------------------------------------------------

    def slopes(self, function: Function) -> FloatArray | None:
        """Derivatives by the estimated parameters, see `Recurrence.slopes`.

        Parameters
        ----------
        function : callable

        Returns
        -------
        ndarray or None
        """
        if self.estimates is None:
            return None

        def at(point: FloatArray) -> FloatArray:
            return function(NetworkRecurrence(self.model, np.array(point)))

        return axis_slopes(at, self.model, self.theta, self.estimates.bread)


@linear_system_of.register
def _(recurrence: NetworkRecurrence, **options: Any) -> LinearSystem:
    return points.linear_system(recurrence, **options)


@observed_of.register
def _(recurrence: NetworkRecurrence, system: LinearSystem) -> tuple[FloatArray, ...]:
    return points.observed(recurrence, system)
