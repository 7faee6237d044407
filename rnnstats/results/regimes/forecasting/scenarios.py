"""The part of results with regimes that forecasts given conditions, and draws forecasts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_literal
from rnnstats._index import label
from rnnstats.errors import DataError, SpecificationError
from rnnstats.results.continuation import rows_index
from rnnstats.results.forecasting.prediction import Moments, Uncertainty
from rnnstats.results.forecasting.scenario import read_conditions
from rnnstats.results.forecasting.windows import rows_ahead
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.conditional import conditional_outlook
from rnnstats.results.regimes.forecasting.forecasts import future_of
from rnnstats.results.regimes.forecasting.outlook import Outlook
from rnnstats.results.regimes.forecasting.prediction import MixturePrediction
from rnnstats.results.regimes.outputs import category_code, column_levels, expanded_places
from rnnstats.results.regimes.protocol import RegimeModel
from rnnstats.results.regimes.states.probabilities import ProbabilityKind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FanShape = Literal["central", "hdr"]

__all__ = ["FanShape", "RegimeScenarios"]


class RegimeScenarios(ABC):
    """The part of results about conditional forecasts and pictures of forecasts.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel
    _theta: FloatArray

    @abstractmethod
    def _marginal(self, kind: ProbabilityKind) -> FloatArray: ...

    @abstractmethod
    def _mixture_prediction(
        self, found: Outlook, start: int, words: str, moments: Moments | None = None
    ) -> MixturePrediction: ...

    def conditional_forecast(
        self,
        steps: Any,
        conditions: Any = None,
        *,
        regimes: Any = None,
        exog: Any = None,
        exog_transition: Any = None,
    ) -> MixturePrediction:
        """Forecast rows past the sample given future values of some outputs, or future regimes.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one.
        conditions : DataFrame, Series, mapping or array_like, optional
            Values given, NaN for none. A frame has some of the outputs as columns and rows to come
            as index (or rows numbered from 0); a mapping a number or sequence for each output.
            Categories by name.
        regimes : Series, mapping or sequence, optional
            Regimes given, by name or number from 0, None for none: a sequence from the first row to
            come on, or by row.
        exog, exog_transition : Series, DataFrame or array_like, optional
            Inputs of these rows.

        Returns
        -------
        MixturePrediction
            Given the sample and what is known of the rows to come, earlier and later; parameters as
            known. What is given has its own value for certain. `regime_probabilities` are those
            given everything.

        Raises
        ------
        SpecificationError
            Rows or regimes that do not exist, or lags of outputs that are not normal.
        DataError
            Unknown outputs, nothing given, or what the model holds impossible.

        Notes
        -----
        Exact: conditions weigh the paths of the regimes by their density, and outputs given a path
        are jointly normal or independent. With lags the joint law of all rows is kept for every
        path; beyond 4096 paths similar ones are merged.
        """
        caller = "conditional_forecast"
        model = self.model
        count = rows_ahead(model.endog, steps)
        future = future_of(model, exog, exog_transition, count, caller=caller)
        index = rows_index(model, model.nobs + count)[model.nobs :]
        values = np.full((count, model.k_endog), np.nan)
        if conditions is not None:
            coded = _coded(conditions, model.endog.names, column_levels(model), caller)
            values = read_conditions(
                coded, index, model.endog.names, what="conditions", caller=caller
            )
        allowed = _allowed(regimes, index, model.regime_names, caller)
        if np.isnan(values).all() and allowed.all():
            raise DataError(
                f"{caller}: conditions or regimes must hold at least one value; got none. Use "
                "get_forecast."
            )
        found = conditional_outlook(model, self._theta, future, values, allowed)
        number = int(np.isfinite(values).sum() + (allowed.min(axis=1) == 0.0).sum())
        words = f"rows up to {label(model.endog.index, -1)} and {number} conditions"
        # what is given is known, without rounding
        mean, cov = found.law.mean(), found.law.cov()
        for j, places in enumerate(expanded_places(column_levels(model))):
            known = np.flatnonzero(~np.isnan(values[:, j]))
            cov[np.ix_(known, np.array(places))] = 0.0
            cov[known[:, None], :, places] = 0.0
            if len(places) == 1:
                mean[known, places[0]] = values[known, j]
        return self._mixture_prediction(found, model.nobs, words, Moments(mean, cov))

    def _draw_forecast(
        self,
        prediction: MixturePrediction,
        *,
        alpha: float,
        history: int | None,
        fig: Figure | None,
    ) -> Figure:
        levels = (1.0 - alpha, 0.5) if alpha < 0.5 else (1.0 - alpha,)
        return self._draw_fan(prediction, levels=levels, history=history, fig=fig)

    def plot_fan(
        self,
        steps: Any = 8,
        exog: Any = None,
        *,
        levels: tuple[float, ...] = (0.5, 0.8, 0.95),
        shape: FanShape = "central",
        conditions: Any = None,
        regimes: Any = None,
        uncertainty: Uncertainty = "plugin",
        history: int | None = None,
        fig: Figure | None = None,
        **options: Any,
    ) -> Figure:
        """Plot forecasts as a fan behind the last rows, one output a panel, and the regimes.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one.
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample.
        levels : tuple of float
            Coverages, between 0 and 1.
        shape : {"central", "hdr"}
            Intervals between quantiles, or highest-density regions, which may have several pieces.
        conditions, regimes
            As in `conditional_forecast`.
        uncertainty : {"plugin", "delta", "bootstrap"}
            As in `get_forecast`; without conditions only.
        history : int, optional
            Rows of the sample to show; by default five times the steps, and at least 40.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.
        **options
            ``exog_transition`` and others of `get_forecast`.

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
        check_literal(shape, get_args(FanShape), name="shape", caller="plot_fan")
        if conditions is not None or regimes is not None:
            if uncertainty != "plugin":
                raise SpecificationError(
                    "plot_fan: conditional forecasts take the parameters as known; got "
                    f"uncertainty={uncertainty!r}. Leave it out."
                )
            given = self.conditional_forecast(
                steps, conditions, regimes=regimes, exog=exog, **options
            )
        else:
            given = cast("Any", self).get_forecast(steps, exog, uncertainty, **options)
        return self._draw_fan(given, levels=levels, shape=shape, history=history, fig=fig)

    def _draw_fan(
        self,
        given: MixturePrediction,
        *,
        levels: tuple[float, ...],
        shape: FanShape = "central",
        history: int | None,
        fig: Figure | None,
    ) -> Figure:
        from rnnstats.results.regimes.forecasting.forecast_plot import Seen, draw_mixture_fan

        model = self.model
        past = pd.DataFrame(
            self._marginal("filtered"), index=model.endog.index, columns=list(model.regime_names)
        )
        seen = Seen(model.endog.frame, past, column_levels(model))
        return draw_mixture_fan(seen, given, levels=levels, shape=shape, history=history, fig=fig)


def _coded(
    conditions: Any,
    names: tuple[str, ...],
    levels: tuple[tuple[str, ...] | None, ...],
    caller: str,
) -> Any:
    """Put numbers in the place of categories."""
    if all(one is None for one in levels):
        return conditions
    known = {name: one for name, one in zip(names, levels, strict=True) if one is not None}

    def code(value: Any, name: str) -> float:
        return category_code(value, name, known[name], caller)

    def column(values: Any, name: str) -> Any:
        if name not in known:
            return values
        if isinstance(values, str) or np.ndim(values) == 0:
            return code(values, name)
        if isinstance(values, pd.Series):
            coded = [code(one, name) for one in values]
            return pd.Series(coded, index=values.index, name=values.name)
        return [code(one, name) for one in values]

    if isinstance(conditions, pd.DataFrame):
        parts = {key: column(conditions[key], str(key)) for key in conditions.columns}
        return pd.DataFrame(parts, index=conditions.index)
    if isinstance(conditions, Mapping):
        return {key: column(value, str(key)) for key, value in conditions.items()}
    if len(names) == 1:
        return column(conditions, names[0])
    return conditions


def _allowed(regimes: Any, index: pd.Index, names: tuple[str, ...], caller: str) -> FloatArray:
    """Which regimes may hold in each row, (rows, K)."""
    allowed = np.ones((len(index), len(names)))
    if regimes is None:
        return allowed
    if isinstance(regimes, (str, int, np.integer)):
        regimes = [regimes]

    def number(value: Any) -> float:
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return np.nan
        found = names.index(value) if value in names else value
        whole = isinstance(found, (int, np.integer)) and not isinstance(found, bool)
        if not whole or not 0 <= found < len(names):
            raise SpecificationError(
                f"{caller}: regimes must be among {', '.join(names)}, or numbers from 0; got "
                f"{value!r}. Leave rows with an unknown one None."
            )
        return float(found)

    coded: Any
    if isinstance(regimes, pd.Series):
        coded = pd.Series([number(one) for one in regimes], index=regimes.index)
    elif isinstance(regimes, Mapping):
        coded = {key: number(one) for key, one in regimes.items()}
    else:
        coded = [number(one) for one in regimes]
        coded += [np.nan] * (len(index) - len(coded))
    found = read_conditions({"regime": coded}, index, ("regime",), what="regimes", caller=caller)[
        :, 0
    ]
    for row in np.flatnonzero(~np.isnan(found)):
        allowed[row] = 0.0
        allowed[row, int(found[row])] = 1.0
    return allowed
