"""Predicting, forecasting and simulating from a fitted state space model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import (
    check_bool,
    check_generator,
    check_int,
    check_jobs,
    check_literal,
    suggest,
    warn,
)
from rnnstats._index import label
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.bootstrap import DEFAULT_SEED, BootstrapKind
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.estimation.drawing import standardised_pool
from rnnstats.kernels.kalman import kalman_filter
from rnnstats.kernels.system import StateSpace
from rnnstats.results.continuation import future_inputs, rows_index
from rnnstats.results.forecasting.calibration import Plan, calibrated
from rnnstats.results.forecasting.prediction import (
    Moments,
    Prediction,
    Uncertainty,
    parameter_variance,
    predict_moments,
    simulate_paths,
)
from rnnstats.results.forecasting.predictive import Mixture
from rnnstats.results.forecasting.simulation import label_paths
from rnnstats.results.forecasting.windows import rows_ahead, window
from rnnstats.results.inference.resampling import refitter_of
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.residuals import OneStep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Forecasts"]


class Forecasts(ABC):
    """The part of results that predicts: each row from the rows before it, never from later ones.

    Attributes
    ----------
    model : StateSpaceModel
        Data and structure.
    """

    model: StateSpaceModel
    _theta: FloatArray

    @property
    @abstractmethod
    def _one_step(self) -> OneStep:
        """One-step-ahead predictions and standardised errors."""

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    def get_prediction(
        self, start: Any = None, end: Any = None, dynamic: Any = False, exog: Any = None
    ) -> Prediction:
        """Predict rows in and past the sample, each from the rows before it.

        Parameters
        ----------
        start, end : int, str, datetime-like or Period, optional
            First and last row, both included; the whole sample by default.
        dynamic : bool, int, str, datetime-like or Period
            Row from which predictions are made without looking at the outputs from there on; an
            integer counts from `start`, True is `start` itself, False never within the sample.
        exog : Series, DataFrame or array_like of shape (steps, k_exog), optional
            Inputs of the rows past the sample.

        Returns
        -------
        Prediction
            Of the outputs, noise included. NaN in the diffuse phase.

        Raises
        ------
        SpecificationError
            Rows that do not exist or are in the wrong order, or inputs without use.
        DataError
            Inputs are needed; the message names the columns.
        """
        asked = window(self.model.endog, start, end, dynamic)
        steps = max(0, asked.stop - self.model.nobs)
        rows = future_inputs(self.model, exog, steps, caller="get_prediction")
        moments = predict_moments(
            self.model, self._theta, stop=asked.stop, blank_from=asked.blank_from, exog=rows
        )
        return self._prediction(moments, asked.start, steps, asked.information)

    def _prediction(
        self,
        moments: Moments,
        start: int,
        steps: int,
        information: str,
        mixture: Mixture | None = None,
    ) -> Prediction:
        endog = self.model.endog
        index = rows_index(self.model, self.model.nobs + steps)
        stop = len(moments.mean)
        part = Moments(moments.mean[start:], moments.cov[start:])
        return Prediction(
            part, index[start:stop], endog.names, endog.is_series, information, mixture
        )

    def predict(
        self, start: Any = None, end: Any = None, dynamic: Any = False, exog: Any = None
    ) -> pd.Series | pd.DataFrame:
        """Return the means of `get_prediction`; same arguments.

        Parameters
        ----------
        start, end : int, str, datetime-like or Period, optional
        dynamic : bool, int, str, datetime-like or Period
        exog : Series, DataFrame or array_like, optional

        Returns
        -------
        Series or DataFrame
        """
        return self.get_prediction(start, end, dynamic, exog).predicted_mean

    def get_forecast(
        self,
        steps: Any = 1,
        exog: Any = None,
        uncertainty: Uncertainty = "plugin",
        **options: Any,
    ) -> Prediction:
        r"""Forecast rows past the sample.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one.
        exog : Series, DataFrame or array_like of shape (steps, k_exog), optional
            Inputs of those rows.
        uncertainty : {"plugin", "delta", "bootstrap"}
            "plugin" takes the parameters as known. "delta" adds what their estimation adds, to
            first order. "bootstrap" takes intervals from samples drawn and estimated again.
        **options
            Of "bootstrap" only: ``nboot`` (default 399), the draws of each of its two stages;
            ``kind`` ("parametric": normal errors, or "innovations": standardised errors drawn with
            replacement), ``rng``, ``n_jobs`` and ``progress`` as in `bootstrap`.

        Returns
        -------
        Prediction

        Raises
        ------
        SpecificationError
            `steps` does not lie past the sample, `uncertainty` is unknown, it is "delta" and no
            parameter has a standard error, or options without use.
        DataError
            Inputs are needed (the message names the columns), or samples cannot be drawn or
            estimated (see `bootstrap`).

        Warns
        -----
        ConvergenceWarning
            "delta", where the forecasts depend on parameters that the data do not identify.
            "bootstrap", where more than one fit in twenty failed.

        Notes
        -----
        "delta": with :math:`F_h(\hat\theta)` the variance for known parameters,
        :math:`J_h = \partial\hat y_{n+h|n}/\partial\theta'` and :math:`C` the covariance of the
        estimates, the variance is :math:`F_h(\hat\theta) + J_h C J_h'` (first order; Ansley and
        Kohn 1986). Parameters at the boundary (a variance of zero) are taken as known, which
        ``information_set`` then says. Intervals stay normal. Plug-in intervals of short series
        cover less than they say: 89 % for 95 % with 50 rows of a first-order autoregression with
        root 0.8, eight steps ahead; "delta" 90 %, "bootstrap" 94 %.

        "bootstrap": the mean is the plug-in one. Intervals are
        :math:`\hat y_h + s_h q`, with quantiles :math:`q` of
        :math:`(y^*_{n+h} - \hat y^*_h) / s^*_h` over samples that are drawn at parameters
        corrected for bias and estimated again (calibration, Beran 1990; bias, Kilian 1998). They
        need not be symmetric, and the variance is the second moment of the same distribution.
        """
        check_literal(uncertainty, get_args(Uncertainty), name="uncertainty", caller="get_forecast")
        plan = self._plan(uncertainty, options)
        count = self._steps(steps)
        rows = future_inputs(self.model, exog, count, caller="get_forecast")
        stop = self.model.nobs + count
        moments = predict_moments(self.model, self._theta, stop=stop, exog=rows)
        mixture = None
        words = f"rows up to {label(self.model.endog.index, -1)}; parameter uncertainty: "
        words += uncertainty
        if uncertainty == "delta":
            moments, held = self._with_parameter_variance(moments, stop, rows)
            words += f" given {', '.join(held)}, at the boundary" if held else ""
        elif plan is not None:
            words += f", {plan.nboot} draws"
            ahead = Moments(moments.mean[self.model.nobs :], moments.cov[self.model.nobs :])
            found, mixture = calibrated(self.model, self._theta, ahead, rows, plan)
            moments.cov[self.model.nobs :] = found.cov
        return self._prediction(moments, self.model.nobs, count, words, mixture)

    def _plan(self, uncertainty: Uncertainty, options: dict[str, Any]) -> Plan | None:
        """Check the options of a bootstrap; None for another kind of uncertainty."""
        caller = "get_forecast"
        known = {"nboot": 399, "kind": "parametric", "rng": None, "n_jobs": 1, "progress": False}
        extra = [name for name in options if name not in known]
        if extra:
            raise SpecificationError(
                f"{caller}: options of uncertainty='bootstrap' are {', '.join(known)}; got "
                f"{extra[0]!r}.{suggest(extra[0], list(known))}"
            )
        if uncertainty != "bootstrap":
            if options:
                raise SpecificationError(
                    f"{caller}: {next(iter(options))} is an option of uncertainty='bootstrap'; got "
                    f"it with {uncertainty!r}. Leave it out."
                )
            return None
        given = {**known, **options}
        kind = check_literal(given["kind"], get_args(BootstrapKind), name="kind", caller=caller)
        rng = DEFAULT_SEED if given["rng"] is None else given["rng"]
        return Plan(
            refit=refitter_of(self.model, self._theta, caller),
            pool=None if kind == "parametric" else self._pool_from,
            nboot=check_int(given["nboot"], name="nboot", caller=caller, minimum=20),
            rng=check_generator(rng, caller=caller),
            n_jobs=check_jobs(given["n_jobs"], caller=caller),
            progress=check_bool(given["progress"], name="progress", caller=caller),
        )

    def _pool_from(self, first: int) -> FloatArray:
        """Return the standardised errors from a row on, to be drawn with replacement."""
        errors = self._one_step.standardized
        return standardised_pool(errors, first, caller="get_forecast")

    def _with_parameter_variance(
        self, moments: Moments, stop: int, rows: FloatArray | None
    ) -> tuple[Moments, list[str]]:
        """Add the variance that the estimation makes; and which parameters are taken as known."""
        layout = self.model.layout
        free = [list(layout.names).index(name) for name in layout.free_names]

        start = layout.reduce(self._theta)

        def means(part: FloatArray) -> FloatArray:
            point = start.copy()
            point[moved] = part
            theta = layout.expand(point)
            return predict_moments(self.model, theta, stop=stop, exog=rows).mean[self.model.nobs :]

        estimate = self.covariance.among(free)
        without = [
            layout.free_names[i] for i in np.flatnonzero(np.isnan(np.diagonal(estimate.cov)))
        ]
        if without and estimate.rank == 0:
            raise SpecificationError(
                "get_forecast: uncertainty='delta' needs the covariance of the estimates; got none "
                "for any parameter. Fit with another cov_type, or use uncertainty='plugin'."
            )
        held = [layout.free_names[i] for i in np.flatnonzero(estimate.at_boundary)]
        given = estimate.holding_boundary()
        moved = np.flatnonzero(given.varying)
        added = moments.cov.copy()
        added[self.model.nobs :] += parameter_variance(
            means, start[moved], given.among(moved.tolist())
        )
        if without and np.isnan(added[self.model.nobs :]).any():
            warn(
                "get_forecast: the forecasts depend on parameters that have no standard error "
                f"({', '.join(without)}), so that intervals are NaN. Fix these parameters, or use "
                "uncertainty='bootstrap' or 'plugin'.",
                ConvergenceWarning,
            )
        return Moments(moments.mean, added), held

    def _steps(self, steps: Any) -> int:
        return rows_ahead(self.model.endog, steps)

    def forecast(self, steps: Any = 1, exog: Any = None) -> pd.Series | pd.DataFrame:
        """Return the means of `get_forecast`.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows past the sample, or the last one.
        exog : Series, DataFrame or array_like of shape (steps, k_exog), optional
            Inputs of those rows.

        Returns
        -------
        Series or DataFrame
        """
        return self.get_forecast(steps, exog).predicted_mean

    def _draw_forecast(
        self, prediction: Prediction, *, alpha: float, history: int | None, fig: Figure | None
    ) -> Figure:
        from rnnstats.results.plots import draw_forecast, shown_rows

        rows = shown_rows(history, prediction, caller="plot_forecast")
        seen, fitted = self.model.endog.frame, pd.DataFrame(self.predict())
        return draw_forecast(
            seen.iloc[-rows:], fitted.iloc[-rows:], prediction, alpha=alpha, fig=fig
        )

    def simulate(
        self,
        nsimulations: int,
        *,
        anchor: Literal["start", "end"] = "start",
        repetitions: int | None = None,
        exog: Any = None,
        rng: Any = None,
    ) -> pd.Series | pd.DataFrame:
        """Draw outputs from the model at the estimates.

        Parameters
        ----------
        nsimulations : int
            Rows to draw.
        anchor : {"start", "end"}
            "start" draws a sample as from the first row, without looking at the data; "end" goes
            on after the last row, from what the sample says about the state there.
        repetitions : int, optional
            Number of paths; columns are then (output, path) pairs. None for one path with the
            outputs as columns.
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample, if there are any.
        rng : None, int or numpy.random.Generator
            Source of randomness.

        Returns
        -------
        Series or DataFrame

        Raises
        ------
        SpecificationError
            A diffuse start with ``anchor="start"``: it has no distribution to draw from.
        """
        check_literal(anchor, ("start", "end"), name="anchor", caller="simulate")
        count = check_int(nsimulations, name="nsimulations", caller="simulate", minimum=1)
        first = 0 if anchor == "start" else self.model.nobs
        steps = max(0, first + count - self.model.nobs)
        rows = future_inputs(self.model, exog, steps, caller="simulate")
        system = self.model.system(self._theta, steps=steps, exog=rows)
        number = 1
        if repetitions is not None:
            number = check_int(repetitions, name="repetitions", caller="simulate", minimum=1)
        mean, cov = (None, None) if anchor == "start" else self._end_state(system, steps)
        paths = simulate_paths(
            system,
            count,
            check_generator(rng, caller="simulate"),
            first_row=first,
            mean=mean,
            cov=cov,
            repetitions=number,
        )
        return self._label_paths(paths, first, steps, repetitions is None)

    def _end_state(self, system: StateSpace, steps: int) -> tuple[FloatArray, FloatArray]:
        """Return mean and covariance of the state one row past the sample."""
        future = np.full((steps, self.model.k_endog), np.nan)
        output = kalman_filter(system, np.concatenate([self.model.endog.values, future]))
        if output.predicted_diffuse_cov[self.model.nobs].any():
            raise SpecificationError(
                "simulate: the sample must determine the state at its end; got a diffuse start "
                "that it does not resolve. Use a longer sample."
            )
        return output.predicted_state[self.model.nobs], output.predicted_state_cov[self.model.nobs]

    def _label_paths(
        self, paths: FloatArray, first: int, steps: int, single: bool
    ) -> pd.Series | pd.DataFrame:
        index = rows_index(self.model, self.model.nobs + steps)[first : first + paths.shape[1]]
        return label_paths(self.model.endog, paths, index, single)
