"""What a model with a linear Gaussian state space form answers at given parameters."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_generator, check_int
from rnnstats.data import Endog, Exog
from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError, SpecificationError
from rnnstats.kernels import kalman
from rnnstats.kernels.kalman import FilterOutput, SmootherOutput
from rnnstats.kernels.system import StateSpace, Tangents
from rnnstats.models._arguments import input_rows, own_rows, state_vector
from rnnstats.models._fitting import natural_vector
from rnnstats.models._refitting import Refitter
from rnnstats.models.forms import Form
from rnnstats.models.likelihood import Likelihood
from rnnstats.models.standard_cells import standard_cells
from rnnstats.parameters import partial_start
from rnnstats.parameters.cells import CellTable, regressors
from rnnstats.parameters.layout import Layout

if TYPE_CHECKING:
    from rnnstats.results.identification import Identification
    from rnnstats.results.protocol import StateSpaceModel

__all__ = ["StateSpaceMethods"]

FloatArray = NDArray[np.float64]


class StateSpaceMethods(ABC):
    """System, filter, smoother, draws and likelihood of a table of cells on data.

    Attributes
    ----------
    endog : Endog
    exog : Exog or None
    """

    name: ClassVar[str]
    endog: Endog
    exog: Exog | None
    layout: Layout
    initial: str
    _table: CellTable
    _form: Form
    _likelihood: Likelihood
    _y: FloatArray
    _x_obs: FloatArray | None
    _x_state: FloatArray | None

    @property
    def k_states(self) -> int:
        """Number of states."""
        return self._table.k_states

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states, ``h1``, ``h2``, ..."""
        return self._table.state_names

    def system(
        self, params: ArrayLike, *, steps: int = 0, exog: FloatArray | None = None
    ) -> StateSpace:
        """Return the state space at given parameters.

        Parameters
        ----------
        params : array_like, shape (K,)
            Natural units.
        steps : int
            Rows of the intercepts after the sample.
        exog : ndarray, shape (steps, k_exog), optional
            Inputs of those rows.

        Returns
        -------
        StateSpace
            A new value; intercepts that vary have ``nobs + steps`` rows.
        """
        theta = self._natural(params)
        if steps == 0:
            return self._table.system(theta, self._x_obs, self._x_state)
        inputs = None if self.exog is None else self.exog.values
        if inputs is not None and exog is not None:
            inputs = np.vstack([inputs, exog])
        return self._system_with(theta, self.endog.nobs + steps, inputs)

    def _system_with(self, theta: FloatArray, nobs: int, inputs: FloatArray | None) -> StateSpace:
        if self.exog is not None and (inputs is None or len(inputs) != nobs):
            rows = 0 if inputs is None else len(inputs)
            raise SpecificationError(
                f"{self.name}: inputs are needed for every row; got {rows} rows for {nobs}. "
                f"Give exog with the columns {', '.join(self.exog.names)}."
            )
        x_obs = regressors(self._table.obs_terms, nobs, inputs)
        x_state = regressors(self._table.state_terms, nobs, inputs)
        return self._table.system(theta, x_obs, x_state)

    def filter(self, params: ArrayLike) -> FilterOutput:
        """Kalman filter at given parameters.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        FilterOutput
            Moments of states and outputs given the past.

        Raises
        ------
        NotPositiveDefiniteError, NotStationaryError
            At inadmissible parameters.
        """
        return kalman.kalman_filter(self.system(params), self._y)

    def smooth(self, params: ArrayLike) -> SmootherOutput:
        """Fixed-interval smoother at given parameters.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        SmootherOutput
            Moments of states and noises given all data.

        Raises
        ------
        NotPositiveDefiniteError, NotStationaryError
            At inadmissible parameters.
        """
        return kalman.kalman_smoother(self.system(params), self._y)

    def simulate(
        self,
        params: ArrayLike,
        nsimulations: int,
        *,
        rng: np.random.Generator | int | None = None,
        exog: ArrayLike | None = None,
        initial_state: ArrayLike | None = None,
    ) -> pd.Series | pd.DataFrame:
        """Draw a series from the model.

        Parameters
        ----------
        params : array_like, shape (K,)
        nsimulations : int
            Number of rows, t = 1 .. nsimulations.
        rng : numpy.random.Generator or int, optional
        exog : array_like, shape (nsimulations, k_exog), optional
            Inputs; default: the model's own first rows.
        initial_state : array_like, shape (k_states,), optional
            The state of the first row, ``h_1``. Default: a draw from the model's start.

        Returns
        -------
        Series or DataFrame
            Rows numbered from 0.

        Raises
        ------
        SpecificationError
            With a diffuse start and no ``initial_state``; for inputs of a wrong shape.
        """
        from rnnstats.results.forecasting.prediction import simulate_paths

        caller = f"{self.name}.simulate"
        rows = check_int(nsimulations, name="nsimulations", caller=caller, minimum=1)
        generator = check_generator(rng, caller=caller)
        diffuse = self._table.array(self._table.template, "initial_diffuse")
        if initial_state is None and diffuse.any():
            raise SpecificationError(
                f"{caller}: a diffuse start cannot be drawn from; got initial_state=None. "
                "Give initial_state, the state of the first row."
            )
        given = own_rows(self.exog, rows, caller) if exog is None else exog
        inputs = input_rows(given, self.exog, rows, caller)
        system = self._system_with(self._natural(params), rows, inputs)
        if initial_state is None:
            paths = simulate_paths(system, rows, generator)
        else:
            mean = state_vector(initial_state, self.k_states, caller)
            cov = np.zeros((self.k_states, self.k_states))
            paths = simulate_paths(system, rows, generator, mean=mean, cov=cov)
        index = pd.RangeIndex(rows)
        if self.endog.is_series:
            return pd.Series(paths[0, :, 0], index=index, name=self.endog.names[0])
        return pd.DataFrame(paths[0], index=index, columns=list(self.endog.names))

    def tangents(self, params: ArrayLike) -> Tangents:
        """Derivatives of `system` by the natural parameters.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        Tangents
            One direction a parameter, exact; intercepts that vary have ``nobs`` rows.
        """
        system = self.system(params)
        found = self._table.tangents(self._x_obs, self._x_state)
        block = self._table.stationary
        return partial_start.tangents(system, found, block) if block else found

    def identification(self, params: ArrayLike) -> Identification:
        """Find which parameters, and which functions of them, data of this shape identify.

        Parameters
        ----------
        params : array_like, shape (K,)
            Natural units; restrictions of the model are respected in the directions looked at.

        Returns
        -------
        Identification
            See `LinearResults.identification`.

        Raises
        ------
        SpecificationError
            The model has no steady state at `params`.
        """
        from rnnstats.results.identification import identification_of

        model = cast("StateSpaceModel", self)
        return identification_of(model, self._natural(params), caller=f"{self.name}.identification")

    def _natural(self, params: ArrayLike) -> FloatArray:
        return natural_vector(params, self.layout.names, self.name)

    def _refitter(self, theta: FloatArray) -> Refitter:
        """Return what fits this model to other outputs with the same gaps, for resampling."""
        return Refitter(self, theta)

    # --- likelihood -----------------------------------------------------------------------------

    def _value(self, theta: FloatArray) -> float:
        return self._likelihood.value(theta)

    def _value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        return self._likelihood.value_and_gradient(theta)

    def _loglikeobs(self, theta: FloatArray) -> FloatArray:
        return self._likelihood.loglikeobs(theta)

    def _score_obs(self, theta: FloatArray) -> FloatArray:
        return self._likelihood.score_obs(theta)

    def _information(self, theta: FloatArray) -> FloatArray:
        return self._likelihood.information(theta)

    def _information_along(self, theta: FloatArray, directions: FloatArray) -> FloatArray:
        """Expected information along directions (K, f): no large numbers that cancel, (f, f)."""
        return self._likelihood.information(theta, directions)

    def _score_obs_along(self, theta: FloatArray, directions: FloatArray) -> FloatArray:
        """Score of each row along directions (K, f), likewise, (nobs, f)."""
        return self._likelihood.score_obs(theta, directions)

    def _standard_effects(self, theta: FloatArray) -> FloatArray | None:
        """What the parameters do to the cells in outputs and inputs that are alike, (cells, K)."""
        system = self.system(theta)
        try:
            last = kalman.kalman_filter(system, self._y).forecast_error_cov[-1]
            return standard_cells(self._form, system, last, self._y, self._x_obs, self._x_state)
        except (NotPositiveDefiniteError, NotStationaryError, np.linalg.LinAlgError):
            return None
