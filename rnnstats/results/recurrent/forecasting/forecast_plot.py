"""Fan charts of recurrent networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats._picture import (
    GREEN,
    GREY,
    legend,
    new_figure,
    positions,
    style,
    time_axis,
)
from rnnstats.results.forecasting.fan_plot import checked_levels
from rnnstats.results.plots import shown_rows
from rnnstats.results.regimes.forecasting.forecast_plot import _categories, _fan
from rnnstats.results.regimes.outputs import column_levels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rnnstats.results.recurrent.forecasting.prediction import RecurrentPrediction

__all__ = ["draw_law_fan"]


def draw_law_fan(
    model: Any,
    prediction: RecurrentPrediction,
    fitted: pd.DataFrame | None,
    *,
    levels: Any,
    shape: str,
    history: int | None,
    fig: Figure | None,
) -> Figure:
    """Draw forecasts behind the last rows, one output a panel.

    Parameters
    ----------
    model : RecurrentModel
    prediction : RecurrentPrediction
        Of the rows after the sample.
    fitted : DataFrame, optional
        One-step predictions of the sample; drawn where there are no categories.
    levels : iterable of float
        Coverages of the intervals or regions.
    shape : {"central", "hdr"}
    history : int or None
        Rows of the sample to show.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Levels that are not between 0 and 1.
    """
    widths = checked_levels(levels)
    rows = shown_rows(history, prediction, caller="plot_fan")
    endog, known = model.endog, column_levels(model)
    last, index = endog.values[-rows:], endog.index[-rows:]
    count = len(endog.names)
    fig = new_figure(fig, caller="plot_fan", width=9, height=1.2 + 2.4 * count)
    x = positions(index.append(prediction.row_labels))
    past, future = x[: len(last)], x[len(last) :]
    first: Axes | None = None
    for j, name in enumerate(endog.names):
        ax = fig.add_subplot(count, 1, j + 1, sharex=first)
        first = first or ax
        values = last[:, j]
        if known[j] is None:
            ax.plot(past, values, color="black", lw=1.2, label="observed" if j == 0 else None)
            if fitted is not None:
                one = fitted.to_numpy()[-rows:, j]
                words = "predicted one row ahead" if j == 0 else None
                ax.plot(past, one, color=GREEN, lw=1.0, alpha=0.8, label=words)
            _fan(ax, (past, future), float(values[-1]), prediction, (j, widths, shape))
        else:
            _categories(ax, (past, future), values, prediction.summary_frame(j))
        ax.axvline(past[-1], color=GREY, lw=0.8, ls=":")
        style(ax, f"{name}, given {prediction.information_set}" if j == 0 else str(name))
        if np.isfinite(values).any() and known[j] is None:
            ax.margins(x=0.01)
        if j == 0:
            time_axis(ax, x)
            legend(fig, ax)
    return fig
