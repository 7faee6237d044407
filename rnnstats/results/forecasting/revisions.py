"""The part of results about conditional forecasts and their revision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np

from rnnstats._checks import check_literal
from rnnstats._index import label
from rnnstats.errors import DataError, SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels.system import StateSpace
from rnnstats.results.continuation import ContinuedModel, future_inputs, rows_index
from rnnstats.results.forecasting import scenario as given
from rnnstats.results.forecasting.conditional import ConditionalForecast, make_prediction
from rnnstats.results.forecasting.news import News, NewsTarget, Vintage, decompose_revision
from rnnstats.results.forecasting.prediction import Moments
from rnnstats.results.forecasting.vintages import updated_endog, updated_inputs, updated_model
from rnnstats.results.forecasting.windows import target_rows
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.responses.bands import delta_covariances

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ConditionalUncertainty = Literal["plugin", "delta"]

__all__ = ["ConditionalUncertainty", "Revisions"]


class Revisions(ABC):
    """The part of results about conditional forecasts and their revision.

    Attributes
    ----------
    model : StateSpaceModel
        Data and structure.
    """

    model: StateSpaceModel
    _theta: FloatArray

    @property
    @abstractmethod
    def _system(self) -> StateSpace:
        """State space at the estimates."""

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    def conditional_forecast(
        self,
        steps: Any,
        conditions: Any,
        *,
        tolerance: Any = None,
        exog: Any = None,
        uncertainty: ConditionalUncertainty = "plugin",
    ) -> ConditionalForecast:
        r"""Forecast rows past the sample given future values of some outputs.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one.
        conditions : DataFrame, Series, mapping or array_like
            Values given, NaN for none. A frame has some of the outputs as columns and rows to come
            as index (or rows numbered from 0); a mapping a number or sequence for each output.
        tolerance : float, DataFrame, Series, mapping or array_like, optional
            Standard deviation with which the values are given, one for all or in the form of
            `conditions`: the value is then taken as the output measured with noise. 0, NaN and
            None hold it exactly.
        exog : Series, DataFrame or array_like of shape (steps, k_exog), optional
            Inputs of these rows.
        uncertainty : {"plugin", "delta"}
            "plugin" takes the parameters as known, "delta" adds what their estimation adds (those
            at the boundary, such as a variance of zero, are taken as known).

        Returns
        -------
        ConditionalForecast
            ``predicted_mean``, ``se_mean``, ``conf_int()``, ``summary_frame()`` as a forecast has
            them; ``conditions``, ``plausibility``, ``unconditional``, ``cov``, ``plot()``.

        Raises
        ------
        SpecificationError
            `steps` does not lie past the sample, or a diffuse start is not resolved.
        DataError
            Unknown rows or outputs, conditions that contradict each other, or inputs are needed.

        Notes
        -----
        Outputs to come are jointly normal given the sample, :math:`y \sim N(\mu, \Sigma)`. With C
        picking the conditioned elements and R the diagonal matrix of squared tolerances, the mean
        is :math:`\mu + \Sigma C'(C \Sigma C' + R)^{-1}(c - C\mu)`: what the Kalman smoother gives
        with the conditions as data (Bańbura, Giannone and Lenza 2015).
        """
        caller = "conditional_forecast"
        check_literal(uncertainty, get_args(ConditionalUncertainty), name="uncertainty",
                      caller=caller)  # fmt: skip
        model = self.model
        count = given.number_of_rows(model, steps, caller)
        future = future_inputs(model, exog, count, caller=caller)
        index = rows_index(model, model.nobs + count)[model.nobs :]
        names = model.endog.names
        values = given.read_conditions(conditions, index, names, what="conditions", caller=caller)
        loose = given.read_tolerance(tolerance, values, index, names, caller)
        if np.isnan(values).all():
            raise DataError(
                f"{caller}: conditions must hold at least one value; got none. Use get_forecast."
            )
        joint = given.joint_forecast(model, self._theta, count, future)
        found = given.condition(joint, values, loose, caller=caller)
        free = given.row_moments(given.Conditioned(joint.mean, joint.cov, 0.0, 0))
        moments = given.row_moments(found)
        if uncertainty == "delta":
            free = self._widened(free, lambda point: point, count, future)

            def conditioned(point: given.Joint) -> given.Joint:
                moved = given.condition(point, values, loose, caller=caller)
                return given.Joint(moved.mean, moved.cov)

            moments = self._widened(moments, conditioned, count, future)
        last = label(model.endog.index, -1)
        number = int(np.isfinite(values).sum())
        words = f"rows up to {last}; parameter uncertainty: {uncertainty}"
        both = f"rows up to {last} and {number} conditions; parameter uncertainty: {uncertainty}"
        return ConditionalForecast(
            make_prediction(model, moments, both),
            make_prediction(model, free, words),
            values, loose, found, model.endog.frame,
        )  # fmt: skip

    def _widened(
        self, moments: Moments, change: Any, steps: int, future: FloatArray | None
    ) -> Moments:
        """Add the variance of the mean that estimated parameters make, by the delta method."""
        if self.model.layout.k_free and self.covariance.rank == 0:
            raise SpecificationError(
                "conditional_forecast: uncertainty='delta' needs the covariance of the estimates; "
                "got none for any parameter. Fit with another cov_type, or use 'plugin'."
            )

        def means(theta: FloatArray) -> FloatArray:
            joint = given.joint_forecast(self.model, theta, steps, future)
            return np.asarray(change(joint).mean)

        estimate = self.covariance.holding_boundary()  # as get_forecast does
        added = delta_covariances(means, self.model.layout, self._theta, estimate)
        return Moments(moments.mean, moments.cov + added)

    def plot_fan(
        self,
        steps: Any = 8,
        exog: Any = None,
        *,
        levels: tuple[float, ...] = (0.5, 0.8, 0.95),
        conditions: Any = None,
        tolerance: Any = None,
        uncertainty: Any = "plugin",
        history: int | None = None,
        fig: Figure | None = None,
        **options: Any,
    ) -> Figure:
        """Plot forecasts as a fan of central intervals behind the last rows, one output a panel.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one.
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample.
        levels : tuple of float
            Coverages of the intervals, between 0 and 1.
        conditions, tolerance : DataFrame, Series, mapping or array_like, optional
            As in `conditional_forecast`.
        uncertainty : {"plugin", "delta", "bootstrap"}
            As in `get_forecast`; with conditions as in `conditional_forecast`.
        history : int, optional
            Rows of the sample to show; by default five times the steps, and at least 40.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.
        **options
            Of `get_forecast`, such as ``nboot`` and ``rng``.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        SpecificationError
            Levels that are not between 0 and 1, or options that do not go together.
        """
        if conditions is not None:
            if options:
                raise SpecificationError(
                    f"plot_fan: with conditions there are no further options; got "
                    f"{', '.join(options)}. Leave them out."
                )
            scenario = self.conditional_forecast(
                steps, conditions, tolerance=tolerance, exog=exog, uncertainty=uncertainty
            )
            return scenario.plot(levels, history=history, fig=fig)
        if tolerance is not None:
            raise SpecificationError(
                "plot_fan: tolerance belongs to conditions; got it without any. Give conditions."
            )
        from rnnstats.results.forecasting.fan_plot import draw_fan

        prediction = cast("Any", self).get_forecast(steps, exog, uncertainty, **options)
        return draw_fan(self.model.endog.frame, prediction, levels=levels, history=history, fig=fig)

    def news(
        self,
        updated: Any,
        exog: Any = None,
        *,
        start: Any = None,
        end: Any = None,
        of: NewsTarget = "outputs",
    ) -> News:
        """Say why estimates of outputs or states change with new or revised data.

        Parameters
        ----------
        updated : DataFrame, Series, array_like or LinearResults
            All rows of the updated data, from the first row of the sample on, as many as there are
            now; NaN for what is not known. Or results of the same model on them, whose parameters
            may be other estimates.
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample of these results, up to the last row asked for; with
            results, of the rows past theirs.
        start, end : int, str, datetime-like or Period, optional
            First and last row whose estimates are compared. By default from the row after the
            sample of these results (or its last, if no rows are new) to the row after the updated
            data.
        of : {"outputs", "states"}
            Whose estimates. That of an output is its mean given the data, its noise included: the
            value itself where it is observed.

        Returns
        -------
        News
            ``impacts``, ``frame``, ``updates``, ``summary()``, ``plot()``.

        Raises
        ------
        DataError
            The updated data are not later data of the same series, or inputs are needed.
        SpecificationError
            Results of another model or of later rows only, or rows that do not exist.

        Notes
        -----
        All estimates use all rows of their data (smoothing), and the estimates of these results'
        parameters throughout; what other parameters change comes last.
        """
        caller = "news"
        check_literal(of, get_args(NewsTarget), name="of", caller=caller)
        theirs = getattr(updated, "model", None)
        if theirs is None:
            endog = updated_endog(self.model, updated, caller=caller)
            target = target_rows(self.model.endog, endog, start, end)
            rows = target.start, target.stop
            total = max(rows[1], endog.nobs, self.model.nobs)
            inputs, later = updated_inputs(self.model, endog, exog, total, caller=caller)
            model, theta = updated_model(self.model, endog, inputs), self._theta
        else:
            model, theta = theirs, np.asarray(updated._theta)
            self._check_same_model(model)
            target = target_rows(self.model.endog, model.endog, start, end)
            rows = target.start, target.stop
            steps = max(0, max(rows[1], self.model.nobs) - model.nobs)
            later = future_inputs(model, exog, steps, caller=caller)
            if later is None and model.exog is not None:
                later = np.empty((0, model.exog.k_exog))
        vintages = Vintage(self.model, self._theta), Vintage(model, theta)
        return decompose_revision(*vintages, later, rows, of, caller=caller)

    def _check_same_model(self, other: StateSpaceModel) -> None:
        same = other.form == self.model.form and other.param_names == self.model.param_names
        later = isinstance(other, ContinuedModel) or isinstance(self.model, ContinuedModel)
        if later or not same:
            got = "results of later rows only" if later else repr(other)
            raise SpecificationError(
                f"news: updated results must be of the same model, both on all rows; got {got}. "
                "Give the updated data instead, or use append for extend."
            )
