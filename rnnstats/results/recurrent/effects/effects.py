"""The part of results of recurrent networks about effects of inputs, and one-step means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, get_args

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats._checks import check_alpha, check_bool, check_literal
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate, CovType
from rnnstats.estimation.hac import hac_meat
from rnnstats.results.moving import estimated_on, row_scores
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.effect_slopes import (
    Change,
    Effects,
    Horizon,
    binary_inputs,
    input_names,
)
from rnnstats.results.recurrent.effects.histories import by_row, chosen_rows
from rnnstats.results.recurrent.effects.one_step_means import OneStepMeans, mean_table
from rnnstats.results.recurrent.inference.slopes import axis_errors, axis_slopes
from rnnstats.results.recurrent.protocol import IntArray, RecurrentModel, RecurrentSystem
from rnnstats.results.regimes.outputs import expanded_names

__all__ = ["PartialEffects"]

# Kinds of covariance that are inverses of an information.
PLAIN = ("oim", "approx", "opg")


class PartialEffects(ABC):
    """The part of results about effects of inputs on the one-step mean.

    Attributes
    ----------
    model : RecurrentModel
        Data and structure.
    """

    model: RecurrentModel
    cov_type: CovType
    _theta: FloatArray
    _given_covariance: Any

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    # Matrix by which the score of a row moves the estimates.
    @abstractmethod
    def _inverse_information(self, cov_type: CovType) -> CovarianceEstimate: ...

    @property
    @abstractmethod
    def _system(self) -> RecurrentSystem:
        """The network at the estimates, passed over the sample."""

    def average_partial_effects(
        self,
        rows: Any = "average",
        *,
        horizon: Horizon = "contemporaneous",
        change: Change = "derivative",
        at_means: bool = False,
        sampling: bool = False,
        alpha: float = 0.05,
    ) -> pd.DataFrame:
        r"""Effects of the inputs on the mean of the next row, averaged over rows.

        Parameters
        ----------
        rows : "average", "last", label, sequence of labels or array of bool of length nobs
            Rows whose effects are averaged: all of the likelihood, the one after the sample (with
            the inputs of the last row), or those named; a boolean Series is a condition.
        horizon : {"contemporaneous", "long-run"}
            Of the inputs of the row itself, the state before it held; or of the same change in all
            rows so far, with what the state carries on. Lagged outputs count as inputs like others:
            what a change does through the outputs is in `impulse_responses`.
        change : {"derivative", "discrete"}
            "discrete": inputs that are 0 or 1 throughout get the difference between 1 and 0 (a
            category against the last one).
        at_means : bool
            Effects at the mean history instead of the mean of the effects; the long-run ones are
            then those of the linearised network at rest.
        sampling : bool
            Let the standard errors count that the rows are a sample, too.
        alpha : float
            One minus the coverage of the intervals.

        Returns
        -------
        DataFrame
            Index (output, input), columns "estimate", "std err", "z", "P>|z|" and both ends of the
            interval. Lags are named ``L1.y``. Of a categorical output effects on the probabilities
            of its categories.

        Raises
        ------
        SpecificationError
            Rows that do not exist, or options that do not go together.

        Notes
        -----
        Standard errors are those of the delta method at the given histories: derivatives by the
        parameters are central differences, extrapolated, of the exact effects, along the principal
        axes of the estimates' covariance. With `sampling` the variance is that of the sum over rows
        of :math:`(a_t - \bar a) / n + G C s_t`, with a the effects, s the scores, C the inverse
        information (that of a penalty with it) and G the derivative of the average, allowing for
        correlation over time (Newey and West). Estimates from other rows count as independent.

        References
        ----------
        Wooldridge, J. M. (2010), Econometric Analysis of Cross Section and Panel Data, 2nd ed.,
        section 2.2.5 and problem 12.17. White, H. and Racine, J. (2001), Statistical inference, the
        bootstrap, and neural-network modeling with application to foreign exchange rates, IEEE
        Transactions on Neural Networks 12, 657-673.
        """
        caller = "average_partial_effects"
        width = check_alpha(alpha, caller)
        effects = self._effects(rows, horizon, change, at_means, caller)
        whole = check_bool(sampling, name="sampling", caller=caller)
        if whole and effects.means:
            raise SpecificationError(
                f"{caller}: the mean history is one, not a sample of rows; got sampling=True with "
                "at_means=True. Leave one out."
            )
        value = effects.average(self._theta)
        if whole:
            errors = self._with_sampling(effects)
        else:
            estimate = self.covariance.holding_boundary()
            errors = axis_errors(effects.average, self.model, self._theta, estimate)
        errors = np.where(errors > 0.0, errors, np.nan)
        outputs, inputs = expanded_names(self.model), input_names(self.model)
        index = pd.MultiIndex.from_product([list(outputs), list(inputs)], names=["output", "input"])
        point, spread = value.ravel(), errors.ravel()
        z = point / spread
        return pd.DataFrame(
            {
                "estimate": point,
                "std err": spread,
                "z": z,
                "P>|z|": 2.0 * stats.norm.sf(np.abs(z)),
                f"[{alpha / 2:.3g}": point - width * spread,
                f"{1 - alpha / 2:.3g}]": point + width * spread,
            },
            index=index,
        )

    def partial_effects(
        self,
        rows: Any = "average",
        *,
        horizon: Horizon = "contemporaneous",
        change: Change = "derivative",
        alpha: float = 0.05,
    ) -> pd.DataFrame:
        """Effects of the inputs on the mean of the next row, row by row.

        Parameters
        ----------
        rows, horizon, change
            As in `average_partial_effects`; "average" means each row of the likelihood.
        alpha : float
            One minus the coverage of the intervals.

        Returns
        -------
        DataFrame
            Index (row, output, input), columns ``effect std_err lower upper``; intervals by the
            delta method, each by itself.

        Raises
        ------
        SpecificationError
            Rows that do not exist, or options that do not go together.
        """
        caller = "partial_effects"
        width = check_alpha(alpha, caller)
        effects = self._effects(rows, horizon, change, False, caller)
        value = effects(self._theta)
        estimate = self.covariance.holding_boundary()
        errors = axis_errors(effects, self.model, self._theta, estimate)
        names = expanded_names(self.model), input_names(self.model)
        labels = self._row_labels(effects.places)
        levels = self.model.endog.index.names
        index = by_row(labels, levels, output=names[0], input=names[1])
        reach = width * errors
        columns = {"effect": value, "std_err": errors, "lower": value - reach,
                   "upper": value + reach}  # fmt: skip
        return pd.DataFrame({key: part.ravel() for key, part in columns.items()}, index=index)

    def _row_labels(self, places: IntArray) -> list[Any]:
        """Label rows, the one after the sample too."""
        index = self.model.endog.index
        after = self.model.endog.future_index(1)[0] if (places == self.model.nobs).any() else None
        return [index[place] if place < self.model.nobs else after for place in places]

    def _effects(
        self, rows: Any, horizon: Horizon, change: Change, at_means: bool, caller: str
    ) -> Effects:
        """Check what is asked for."""
        check_literal(horizon, get_args(Horizon), name="horizon", caller=caller)
        check_literal(change, get_args(Change), name="change", caller=caller)
        means = check_bool(at_means, name="at_means", caller=caller)
        system: Any = self._system
        places = chosen_rows(self.model, system, rows, caller=caller)
        run, scales = system.run, system.scales
        given = run.given * scales.input_scale + scales.input_mean
        near = np.abs(given - np.round(given)) < 1e-9 * scales.input_scale
        given = np.where(near, np.round(given), given)
        discrete = np.zeros(given.shape[1], dtype=bool)
        if change == "discrete":
            discrete = binary_inputs(self.model, given)
            if not discrete.any():
                raise SpecificationError(
                    f"{caller}: change='discrete' is about inputs that are 0 or 1; got none among "
                    f"{', '.join(input_names(self.model))}. Use change='derivative'."
                )
            outside = means or bool((places >= self.model.nobs).any())
            if horizon == "long-run" and outside:
                raise SpecificationError(
                    f"{caller}: long-run changes from 0 to 1 are those of rows of the sample; got "
                    "the row after it, or means. Use horizon='contemporaneous'."
                )
        return Effects(self.model, places, horizon, means, discrete)

    def _with_sampling(self, effects: Effects) -> FloatArray:
        """Standard errors of averages that count the rows as drawn."""
        model, theta = self.model, self._theta
        each = effects(theta)
        shape, rows = each.shape[1:], len(each)
        if (effects.places >= model.nobs).any():
            raise SpecificationError(
                "average_partial_effects: the rows must be a sample; got the row after it with "
                "sampling=True. Leave one out."
            )
        influence = np.zeros((model.nobs, each[0].size))
        own = (each - each.mean(axis=0)).reshape(rows, -1) / rows
        np.add.at(influence, effects.places, own)
        kept = np.asarray(model.rows)
        origin = estimated_on(self)
        if origin is None:  # estimates from other rows: independent of these
            estimate = self.covariance.holding_boundary()
            slopes = axis_slopes(effects.average, model, theta, estimate)
            variance = np.diagonal(hac_meat(influence[kept])) + np.diagonal(estimate.of(slopes))
            return np.sqrt(np.maximum(variance, 0.0)).reshape(shape)
        kind: CovType = self.cov_type if self.cov_type in PLAIN else "oim"
        bread = origin._inverse_information(kind).holding_boundary()
        slopes = axis_slopes(effects.average, model, theta, bread)
        influence += row_scores(origin, model.nobs) @ bread.generalised @ slopes.T
        spread = np.sqrt(np.maximum(np.diagonal(hac_meat(influence[kept])), 0.0))
        lost = np.isnan(np.diagonal(bread.of(slopes)))
        return np.where(lost, np.nan, spread).reshape(shape)

    # -- one-step means -----------------------------------------------------------------------

    def predict_at(
        self,
        rows: Any = "last",
        *,
        history: Any = None,
        history_exog: Any = None,
        exog: Any = None,
        alpha: float = 0.05,
    ) -> pd.DataFrame:
        """Mean of the next row at given histories, with what the estimates leave uncertain.

        Parameters
        ----------
        rows : "average", "last", label, sequence of labels or array of bool of length nobs
            Rows predicted from the rows before them: the one after the sample, those named, or
            each of the likelihood.
        history : Series, DataFrame or array_like, optional
            Earlier rows of the outputs, other than those of the sample; the row after them is
            predicted, and `rows` does not count.
        history_exog : Series, DataFrame or array_like, optional
            Inputs of the rows of `history`.
        exog : Series, DataFrame or array_like, optional
            Inputs of the row predicted, where it lies after the sample or after `history`.
        alpha : float
            One minus the coverage of the intervals.

        Returns
        -------
        DataFrame
            Columns ``mean``, ``mean_se``, ``mean_ci_lower``, ``mean_ci_upper``: the mean given the
            history and its interval, by the delta method; ``obs_ci_lower``, ``obs_ci_upper``:
            interval of the outcome, of numbers only, whose law is the head's averaged over the
            normal law of the linear predictor. Index: the rows, with several outputs (row, output).

        Raises
        ------
        SpecificationError
            Rows that do not exist, or inputs without use.
        DataError
            Inputs are needed.

        Notes
        -----
        The mean at a given history is a function of the parameters that the data identify, also
        where single weights are not. Derivatives are exact for rows of the sample (forward
        sensitivities), central differences, extrapolated, otherwise.
        """
        width = check_alpha(alpha, "predict_at")
        means = OneStepMeans.make(self, rows, history, history_exog, exog)
        found = means.at(self._theta, self.covariance.holding_boundary())
        labels = ["history"] if history is not None else self._row_labels(means.places)
        return mean_table(self.model, labels, found, width, float(alpha))
