"""Results of a model with a linear Gaussian state space form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_bool, check_int, check_literal
from rnnstats.estimation.drawing import Sampler, sampler
from rnnstats.kernels.kalman import (
    FilterOutput,
    SmootherOutput,
    kalman_filter,
    kalman_smoother,
)
from rnnstats.kernels.system import StateSpace
from rnnstats.results.base import Results
from rnnstats.results.continuation import (
    ContinuedModel,
    appended_model,
    applied_model,
    continued_model,
)
from rnnstats.results.forecasting.forecasts import Forecasts
from rnnstats.results.forecasting.pictures import ForecastPlots
from rnnstats.results.forecasting.prediction import (
    diffuse_rows,
    standardize,
)
from rnnstats.results.forecasting.revisions import Revisions
from rnnstats.results.identified import Identified
from rnnstats.results.inference.hypotheses import Hypotheses
from rnnstats.results.inference.methods import Inference
from rnnstats.results.inference.resampling import Resampling
from rnnstats.results.memory import Memory, memory_of
from rnnstats.results.moving import moved_results
from rnnstats.results.networks import NetworkMapping
from rnnstats.results.protocol import StateSpaceModel
from rnnstats.results.recurrences import LinearRecurrence
from rnnstats.results.remembering import Remembering
from rnnstats.results.residuals import OneStep, ResidualTests
from rnnstats.results.responses.methods import Responses
from rnnstats.results.states import (
    FilterVsSmoother,
    StateMoments,
    StateTables,
    compare_filter_smoother,
    state_moments,
)
from rnnstats.results.varma.methods import VarmaMapping

if TYPE_CHECKING:
    from matplotlib.figure import Figure

StateKind = Literal["predicted", "filtered", "smoothed"]

__all__ = ["LinearResults"]

_REGIMES = "a linear model has no regimes, its states are continuous. Use MarkovRNN for regimes, or"
_GATES = "a linear recurrence has no gates. See memory() for the roots of W_h."


class LinearResults(
    Results,
    Hypotheses,
    ResidualTests,
    Forecasts,
    Inference,
    Resampling,
    Responses,
    Revisions,
    ForecastPlots,
    Identified,
    VarmaMapping,
    NetworkMapping,
    Remembering,
):
    """Results of a `LinearRNN`: estimates, states, predictions, tests.

    Made by `LinearRNN.fit`. See `Results` for what the constructor takes.
    """

    model: StateSpaceModel
    _no_sense: ClassVar[Mapping[str, str]] = {
        "transition": f"{_REGIMES} params for the elements of W_h.",
        "filtered_marginal_probabilities": f"{_REGIMES} filtered_state.",
        "smoothed_marginal_probabilities": f"{_REGIMES} smoothed_state.",
        "predicted_marginal_probabilities": f"{_REGIMES} predicted_state.",
        "viterbi": f"{_REGIMES} smoothed_state, the most likely path of a Gaussian state.",
        "expected_durations": f"{_REGIMES} impulse_responses for how long a shock lasts.",
        "to_hmm": f"{_REGIMES} params for the linear model itself.",
        "to_torch": "PyTorch computes its filter or its smoother. Use to_rnn().to_torch() or "
        "to_birnn().to_torch().",
        "from_torch": "network weights carry no noise model. Give params to the model instead.",
        "gates": _GATES,
    }

    def _structure_rows(self) -> list[tuple[str, str]]:
        k = self.model.k_states
        return [("Form:", f"{self.model.form}, {k} state{'' if k == 1 else 's'}")]

    def _sampler(self, caller: str) -> Sampler:
        return sampler(self._system, np.ascontiguousarray(self.model.endog.values), caller=caller)

    # -- the filter and the smoother ----------------------------------------------------------

    @cached_property
    def _system(self) -> StateSpace:
        return self.model.system(self._theta)

    @cached_property
    def _filter(self) -> FilterOutput:
        return kalman_filter(self._system, self.model.endog.values)

    @cached_property
    def _smoother(self) -> SmootherOutput:
        return kalman_smoother(self._system, self.model.endog.values)

    @cached_property
    def _one_step(self) -> OneStep:
        output = self._filter
        unknown = diffuse_rows(self._system, output, self.nobs)
        mean = np.where(unknown[:, None], np.nan, output.forecast)
        errors = self.model.endog.values - mean
        skip = int(np.flatnonzero(unknown)[-1]) + 1 if unknown.any() else 0
        return OneStep(mean, standardize(errors, output.forecast_error_cov), skip)

    @property
    def llf_obs(self) -> pd.Series:
        """Log-likelihood of each row given the rows before; 0 where all outputs are missing."""
        values = self.model.loglikeobs(self._theta)
        return pd.Series(values, index=self.model.endog.index, name="llf_obs", copy=True)

    @property
    def nobs_diffuse(self) -> int:
        """Rows after which a diffuse start has died out; 0 for a proper start."""
        return int(self._filter.nobs_diffuse)

    @property
    def k_diffuse_states(self) -> int:
        """Number of states with a diffuse start."""
        return round(float(self._system.initial_diffuse.sum()))

    def _moments(self, kind: StateKind) -> StateMoments:
        if kind == "smoothed":
            s = self._smoother
            return state_moments(s.smoothed_state, s.smoothed_state_cov, None)
        f = self._filter
        if kind == "filtered":
            return state_moments(f.filtered_state, f.filtered_state_cov, f.filtered_diffuse_cov)
        parts = (f.predicted_state, f.predicted_state_cov, f.predicted_diffuse_cov)
        return state_moments(*(part[: self.nobs] for part in parts))

    @property
    def predicted_state(self) -> pd.DataFrame:
        """Mean of the state at each row given the rows before it, shape (nobs, k_states).

        NaN while a diffuse start leaves no information.
        """
        return StateTables(self.model).mean(self._moments("predicted"))

    @property
    def predicted_state_cov(self) -> pd.DataFrame:
        """Covariance of `predicted_state`'s error; index (date, state). Infinite when diffuse."""
        return StateTables(self.model).cov(self._moments("predicted"))

    @property
    def filtered_state(self) -> pd.DataFrame:
        """Mean of the state at each row given the rows up to and including it."""
        return StateTables(self.model).mean(self._moments("filtered"))

    @property
    def filtered_state_cov(self) -> pd.DataFrame:
        """Covariance of `filtered_state`'s error; index (date, state). Infinite when diffuse."""
        return StateTables(self.model).cov(self._moments("filtered"))

    @property
    def smoothed_state(self) -> pd.DataFrame:
        """Mean of the state at each row given all rows, earlier and later."""
        return StateTables(self.model).mean(self._moments("smoothed"))

    @property
    def smoothed_state_cov(self) -> pd.DataFrame:
        """Covariance of `smoothed_state`'s error; index (date, state)."""
        return StateTables(self.model).cov(self._moments("smoothed"))

    def filter_vs_smoother(self, truth: Any = None) -> FilterVsSmoother:
        """Compare what the past says about the states with what the whole sample says.

        Parameters
        ----------
        truth : array_like or DataFrame of shape (nobs, k_states), optional
            True states (from a simulation, say), NaN where not known. Adds mean squared errors of
            both, coverage of nominal 95 % intervals and the ratio of the mean squared errors, all
            with standard errors.

        Returns
        -------
        FilterVsSmoother
            ``frame``, ``summary()``, ``plot()``, ``comparison``.

        Raises
        ------
        DataError
            `truth` does not fit the states or the index.
        """
        variances = np.diagonal(self._moments("predicted").cov, axis1=1, axis2=2)
        finite = np.where(np.isfinite(variances), variances, 0.0)
        prior = np.maximum(finite.max(axis=0), np.diagonal(self._system.initial_cov))
        return compare_filter_smoother(
            self.model, self._moments("filtered"), self._moments("smoothed"), prior, truth
        )

    def plot_states(
        self,
        states: Sequence[int | str] | None = None,
        kind: StateKind = "smoothed",
        alpha: float = 0.05,
        fig: Figure | None = None,
    ) -> Figure:
        """Plot states with intervals, one a row.

        Parameters
        ----------
        states : sequence of int or str, optional
            States by number or name; all by default.
        kind : {"predicted", "filtered", "smoothed"}
            What the states are conditional on: the rows before, up to, or all.
        alpha : float
            One minus the coverage of the intervals.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.results.plots import draw_states

        check_literal(kind, get_args(StateKind), name="kind", caller="plot_states")
        moments = self._moments(kind)
        variances = np.diagonal(moments.cov, axis1=1, axis2=2)
        names, index = list(self.model.state_names), self.model.endog.index
        errors = pd.DataFrame(np.sqrt(np.maximum(variances, 0)), index=index, columns=names)
        mean = StateTables(self.model).mean(moments)
        return draw_states(mean, errors, states=states, kind=kind, alpha=alpha, fig=fig)

    # -- memory --------------------------------------------------------------------------------

    @property
    def _recurrence(self) -> LinearRecurrence:
        """The state equation, with what is uncertain about it."""
        return LinearRecurrence(self.model, self._theta, self.covariance)

    def memory(self, steps: int = 40, alpha: float = 0.05) -> Memory:
        """Measure how long the recurrence remembers, with standard errors.

        Time constants, half-lives and periods of the roots of W_h; whether gradients over many rows
        vanish or explode; the singular values of W_h^k by lag. In the innovations form also for
        W_h - K V: how fast the filter forgets.

        Parameters
        ----------
        steps : int
            Lags k of the products W_h^k, from 0.
        alpha : float
            One minus the coverage of intervals, and the level of the verdict.

        Returns
        -------
        Memory
            ``frame``, ``verdict``, ``products``, ``summary()``, ``plot()``.

        Raises
        ------
        SpecificationError
            `steps` is negative, or `alpha` is not between 0 and 1.

        References
        ----------
        Hamilton (1994), Time Series Analysis, chapter 1; Pascanu, Mikolov and Bengio (2013), On
        the difficulty of training recurrent neural networks, ICML, section 2.
        """
        count = check_int(steps, name="steps", caller="memory", minimum=0)
        return memory_of(self._recurrence, self.covariance, steps=count, alpha=alpha)

    # -- other data ---------------------------------------------------------------------------

    def _moved(
        self, model: StateSpaceModel, refit: bool, options: dict[str, Any], *, caller: str
    ) -> LinearResults:
        moved: LinearResults = moved_results(self, model, refit, options, caller=caller)
        return moved

    def append(
        self, endog: Any, exog: Any = None, refit: bool = False, **fit_kwargs: Any
    ) -> LinearResults:
        """Return results for the sample with later rows added.

        Parameters
        ----------
        endog : Series, DataFrame or array_like
            Rows that continue the sample.
        exog : Series, DataFrame or array_like, optional
            Their inputs.
        refit : bool
            Estimate again on all rows, from these parameters; by default they are kept, with
            their standard errors.
        **fit_kwargs
            Options of ``fit``.

        Returns
        -------
        LinearResults

        Raises
        ------
        DataError
            The rows do not continue the sample, or inputs are missing.
        """
        model = appended_model(self.model, endog, exog, caller="append")
        again = check_bool(refit, name="refit", caller="append")
        return self._moved(model, again, fit_kwargs, caller="append")

    def extend(self, endog: Any, exog: Any = None) -> LinearResults:
        """Return results for later rows only, starting from the state at the end of the sample.

        Parameters
        ----------
        endog : Series, DataFrame or array_like
            Rows that continue the sample.
        exog : Series, DataFrame or array_like, optional
            Their inputs.

        Returns
        -------
        LinearResults
            Parameters and standard errors are kept; log-likelihood and states are those of the
            later rows given the sample.

        Raises
        ------
        DataError
            The rows do not continue the sample, or inputs are missing.
        """
        model: ContinuedModel = continued_model(
            self.model, self._theta, endog, exog, caller="extend"
        )
        return self._moved(model, False, {}, caller="extend")

    def apply(
        self, endog: Any, exog: Any = None, refit: bool = False, **fit_kwargs: Any
    ) -> LinearResults:
        """Return results of the same model for other data.

        Parameters
        ----------
        endog : Series, DataFrame or array_like
            Other outputs, as many as before; any rows. Arrays get the names of the model's data;
            columns that have its names are put in its order.
        exog : Series, DataFrame or array_like, optional
            Their inputs.
        refit : bool
            Estimate again on them, from these parameters; by default they are kept, with their
            standard errors.
        **fit_kwargs
            Options of ``fit``.

        Returns
        -------
        LinearResults

        Raises
        ------
        DataError
            Columns that do not fit the model's, or inputs are missing.
        SpecificationError
            Inputs for a model without.
        """
        model = applied_model(self.model, endog, exog)
        again = check_bool(refit, name="refit", caller="apply")
        return self._moved(model, again, fit_kwargs, caller="apply")
