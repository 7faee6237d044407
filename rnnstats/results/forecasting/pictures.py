"""The part of results that plots forecasts, whatever the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

from rnnstats.results.forecasting.prediction import Uncertainty

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ForecastPlots"]


class ForecastPlots(ABC):
    """The part of results about pictures of forecasts; what is drawn is each model's own."""

    @abstractmethod
    def _draw_forecast(
        self, prediction: Any, *, alpha: float, history: int | None, fig: Figure | None
    ) -> Figure: ...

    def plot_forecast(
        self,
        steps: Any = 8,
        exog: Any = None,
        alpha: float = 0.05,
        uncertainty: Uncertainty = "plugin",
        history: int | None = None,
        fig: Figure | None = None,
        **options: Any,
    ) -> Figure:
        """Plot forecasts with intervals behind the last rows, one output a panel.

        With regimes, the last panel shows their probabilities.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample.
        alpha : float
            One minus the coverage of the intervals.
        uncertainty : {"plugin", "delta", "bootstrap"}
            As in `get_forecast`.
        history : int, optional
            Rows of the sample to show; by default five times the steps, and at least 40.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.
        **options
            Others of `get_forecast`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        prediction = cast("Any", self).get_forecast(steps, exog, uncertainty, **options)
        return self._draw_forecast(prediction, alpha=alpha, history=history, fig=fig)
