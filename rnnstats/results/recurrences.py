"""A fitted linear model as a recurrence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

from rnnstats._index import step_name
from rnnstats.diagnostics.memory.driven import LinearDrive
from rnnstats.diagnostics.memory.filters.linear_systems import (
    LinearSystem,
    linear_system_of,
    observed_of,
)
from rnnstats.diagnostics.memory.recurrences import Function, Given, Labels, Recurrence, Trajectory
from rnnstats.equivalence.steady import shares_noise, steady_state
from rnnstats.errors import NotStationaryError, SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate, jacobian
from rnnstats.kernels.system import StateSpace
from rnnstats.results import linear_points
from rnnstats.results.networks import filter_of, intercepts
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["LinearRecurrence"]

# A difference below this share of what it is a difference of is rounding.
ROUNDING = 8.0 * float(np.finfo(np.float64).eps)


@dataclass(eq=False)
class LinearRecurrence(Recurrence):
    """A linear model: one matrix moves the state in every row.

    With e the error of the one-step prediction and K the gain of the steady filter,
    ``h_t = W_h h_{t-1} + K e_{t-1} + W_x x_t``, and with ``e_{t-1} = y_{t-1} - V h_{t-1} - D
    x_{t-1}`` put in, ``h_t = (W_h - K V) h_{t-1} + K y_{t-1} - K D x_{t-1} + ...``; inputs that
    enter the output are then held for a row in states of their own.

    Attributes
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
        All natural parameters.
    covariance : CovarianceEstimate or None
        Of the estimates; None for a point that is moved about.
    innovations : bool
        Whether the gain is that of the innovations form that the system is written in, as at the
        estimates from which the point was moved. Beyond the invertible ones the steady filter has
        another one: at a moving-average root on the unit circle its gain has a kink, and K has not.
    """

    model: StateSpaceModel
    theta: FloatArray
    covariance: CovarianceEstimate | None = None
    innovations: bool = False

    def __post_init__(self) -> None:
        """Name states, inputs and outputs."""
        model = self.model
        self._exog = () if model.exog is None else tuple(model.exog.names)
        self.labels = Labels(
            states=tuple(model.state_names),
            inputs=(*(f"L1.e.{name}" for name in model.endog.names), *self._exog),
            outputs=tuple(model.endog.names),
            index=model.endog.index,
            step=step_name(model.endog.index),
            title=model.name,
        )

    @cached_property
    def system(self) -> StateSpace:
        """State space at the parameters."""
        return self.model.system(self.theta)

    @cached_property
    def gain(self) -> FloatArray:
        """Gain K of the steady filter, (m, p).

        Raises
        ------
        SpecificationError
            The filter never settles.
        """
        if self.innovations:
            return np.array(self.system.selection)
        return steady_state(self.system, caller="memory").gain

    @cached_property
    def settles(self) -> bool:
        """Whether the filter settles on a gain."""
        try:
            return bool(np.isfinite(self.gain).all())
        except SpecificationError:
            return False

    # -- derivatives along the series ---------------------------------------------------------

    def trajectory(self, given: Given | None = None) -> Trajectory:
        """Derivatives along the series, see `Recurrence.trajectory`.

        Parameters
        ----------
        given : {"inputs", "shocks"}, optional
            By default "shocks": W_h. With "inputs" the outputs are held: W_h - K V.

        Returns
        -------
        Trajectory
            With the shocks held and a filter that never settles, without inputs.

        Raises
        ------
        SpecificationError
            The outputs are held, and the filter never settles.
        """
        return self._filter if given == "inputs" else self._own

    @cached_property
    def _filter(self) -> Trajectory:
        network, labels = filter_of(self.model, self.theta, self.system), self.labels
        held = replace(
            labels,
            states=network.state_names,
            inputs=(*(f"L1.{name}" for name in labels.outputs), *self._exog),
        )
        blank = np.zeros((self.system.k_endog, self.system.k_endog))
        return self._along(
            self._without_rounding(network.W_h),
            np.hstack([network.W_y, network.W_x]),
            network.V,
            np.hstack([blank, network.D]),
            held,
        )

    @cached_property
    def _own(self) -> Trajectory:
        system, direct = self.system, np.zeros((0, 0))
        if self._exog:
            parts = intercepts(self.model, self.theta)
            through, past = parts.state_exog, parts.obs_exog
        else:
            through, past = np.empty((system.k_states, 0)), np.empty((system.k_endog, 0))
        if not self.settles:
            return self._along(system.transition, None, system.design, direct, None)
        inputs = np.hstack([self.gain, through])
        direct = np.hstack([np.zeros((system.k_endog, self.gain.shape[1])), past])
        return self._along(system.transition, inputs, system.design, direct, None)

    def _without_rounding(self, closed: FloatArray) -> FloatArray:
        """The filter's matrix with zeros where W_h and K V cancel to rounding."""
        m, system = self.system.k_states, self.system
        size = float((np.abs(system.transition) + np.abs(self.gain) @ np.abs(system.design)).max())
        found = np.array(closed)
        found[:m, :m][np.abs(found[:m, :m]) <= ROUNDING * size] = 0.0
        return found

    def _along(
        self,
        matrix: FloatArray,
        inputs: FloatArray | None,
        readout: FloatArray,
        direct: FloatArray,
        labels: Labels | None,
    ) -> Trajectory:
        """The same in all rows, seen as one a row without copies."""
        n = self.model.nobs
        return Trajectory(
            state=_repeated(matrix, n),
            offsets=np.array([0, n], dtype=np.intp),
            inputs=None if inputs is None else _repeated(inputs, n),
            readout=_repeated(readout, n),
            direct=_repeated(direct, n) if direct.any() else None,
            labels=labels,
        )

    def drive(self) -> LinearDrive:
        """What drives the state, see `Recurrence.drive`.

        Returns
        -------
        LinearDrive
            Errors of the one-step predictions, and regressors with their covariance in the data.

        Raises
        ------
        SpecificationError
            The filter never settles.
        """
        settled = steady_state(self.system, caller="memory_capacity")
        exog = self.model.exog
        spread = [settled.innovation_cov]
        if exog is not None:
            spread.append(np.atleast_2d(np.cov(exog.values.T)))
        cov = np.asarray(linalg.block_diag(*spread))
        loading = self.trajectory("shocks").inputs
        if loading is None:
            raise SpecificationError("memory_capacity: the filter never settles.")
        names = (*(f"L1.e.{name}" for name in self.model.endog.names), *self._exog)
        return LinearDrive(
            self.system.transition, loading[0], cov, names, len(settled.innovation_cov)
        )

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
        if self.covariance is None:
            return None

        own = self.settles and shares_noise(self.system)
        own = own and np.array_equal(self.gain, self.system.selection)

        def at(point: FloatArray) -> FloatArray:
            there = LinearRecurrence(self.model, np.array(point), innovations=own)
            if self.settles and not there.settles:
                raise NotStationaryError("memory: the filter never settles at these parameters.")
            return np.asarray(function(there), dtype=np.float64).ravel()

        with np.errstate(invalid="ignore"):
            scale = np.sqrt(np.diagonal(self.covariance.cov))
        return jacobian(at, self.theta, scale=scale)

    def spread(self, slopes: FloatArray) -> FloatArray:
        """Covariance of quantities with these derivatives, see `Recurrence.spread`.

        Parameters
        ----------
        slopes : ndarray, shape (k, K)

        Returns
        -------
        ndarray, shape (k, k)
        """
        if self.covariance is None:
            return super().spread(slopes)
        return np.atleast_2d(self.covariance.of(slopes))


def _repeated(matrix: FloatArray, rows: int) -> FloatArray:
    return np.broadcast_to(np.array(matrix), (rows, *matrix.shape))


@linear_system_of.register
def _(
    recurrence: LinearRecurrence, *, given: Given = "shocks", shocks: Any = "auto", **_: Any
) -> LinearSystem:
    return linear_points.linear_system(recurrence, given, shocks)


@observed_of.register
def _(recurrence: LinearRecurrence, system: LinearSystem) -> tuple[FloatArray, ...]:
    return linear_points.outputs_alone(recurrence.model, system)
