"""Fan charts: forecasts as central intervals of several coverages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from rnnstats._checks import check_float
from rnnstats._picture import (
    BLUE,
    GREY,
    ORANGE,
    legend,
    new_figure,
    positions,
    style,
    time_axis,
)
from rnnstats.errors import SpecificationError
from rnnstats.results.plots import shown_rows
from rnnstats.results.protocol import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Fan", "checked_levels", "draw_fan", "shades"]

# Blue mixed with white, widest interval first; any number of them between these two.
PALEST, DEEPEST = np.array([0.87, 0.93, 0.97]), np.array([0.36, 0.64, 0.82])


class Fan(Protocol):
    """A forecast with intervals."""

    @property
    def row_labels(self) -> pd.Index: ...
    @property
    def information_set(self) -> str: ...
    @property
    def predicted_mean(self) -> pd.Series | pd.DataFrame: ...
    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame: ...


def checked_levels(levels: Any) -> list[float]:
    """Check coverages of the intervals of a fan.

    Parameters
    ----------
    levels : float or iterable of float

    Returns
    -------
    list of float
        From the widest to the narrowest.

    Raises
    ------
    SpecificationError
        There are none, or one is not between 0 and 1.
    """
    hint = "levels=(0.5, 0.8, 0.95) shades three intervals."
    try:
        given = list(levels)
    except TypeError:
        given = [levels]
    if not given:
        raise SpecificationError(f"plot_fan: levels must hold a coverage; got none. {hint}")
    found = {
        check_float(one, name="levels", caller="plot_fan", above=0.0, below=1.0, hint=hint)
        for one in given
    }
    return sorted(found, reverse=True)


def shades(count: int) -> list[tuple[float, ...]]:
    """Colours of intervals.

    Parameters
    ----------
    count : int

    Returns
    -------
    list of tuple
        From the widest interval's to the narrowest's.
    """
    steps = np.arange(count) / (count - 1) if count > 1 else np.ones(1)
    return [tuple(PALEST + share * (DEEPEST - PALEST)) for share in steps]


def draw_fan(
    seen: pd.DataFrame,
    prediction: Fan,
    *,
    levels: Any,
    history: int | None,
    fig: Figure | None,
    conditions: FloatArray | None = None,
    without: FloatArray | None = None,
) -> Figure:
    """Draw forecasts as a fan behind the last rows, one output a panel.

    Parameters
    ----------
    seen : DataFrame of shape (nobs, k_endog)
        The sample.
    prediction : Fan
        Of the rows after it.
    levels : iterable of float
        Coverages of the intervals.
    history : int or None
        Rows of the sample to show.
    fig : matplotlib.figure.Figure or None
    conditions : ndarray of shape (steps, k_endog), optional
        Values that were given, NaN for none.
    without : ndarray of shape (steps, k_endog), optional
        Forecast without them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        Levels that are not between 0 and 1.
    """
    widths = checked_levels(levels)
    last = seen.iloc[-shown_rows(history, prediction, caller="plot_fan") :]
    names = [str(name) for name in seen.columns]
    fig = new_figure(fig, caller="plot_fan", width=9, height=1.0 + 2.4 * len(names))
    x = positions(last.index.append(prediction.row_labels))
    past, future = x[: len(last)], x[len(last) :]
    mean = pd.DataFrame(prediction.predicted_mean).to_numpy()
    ends = {level: prediction.conf_int(1.0 - level).to_numpy() for level in widths}
    first: Axes | None = None
    for j, name in enumerate(names):
        ax = fig.add_subplot(len(names), 1, j + 1, sharex=first)
        first = first or ax
        ax.plot(past, last.iloc[:, j].to_numpy(), color="black", lw=1.2, label="observed")
        anchor = float(last.to_numpy()[-1, j])
        joined = np.r_[past[-1:], future] if np.isfinite(anchor) else future
        lead = [anchor] if np.isfinite(anchor) else []
        for level, color in zip(widths, shades(len(widths)), strict=True):
            low, high = ends[level][:, j], ends[level][:, len(names) + j]
            ax.fill_between(
                joined, np.r_[lead, low], np.r_[lead, high], color=color, lw=0,
                label=f"{100 * level:g} %",
            )  # fmt: skip
        ax.plot(joined, np.r_[lead, mean[:, j]], color=BLUE, lw=1.5, label="forecast")
        if without is not None and conditions is not None:
            ax.plot(
                joined, np.r_[lead, without[:, j]], color=GREY, lw=1.1, ls="--",
                label="without conditions",
            )  # fmt: skip
            ax.plot(future, conditions[:, j], "D", color=ORANGE, ms=4, label="condition")
        ax.axvline(past[-1], color=GREY, lw=0.8, ls=":")
        style(ax, f"{name}, given {prediction.information_set}" if j == 0 else name)
        if j == 0:
            time_axis(ax, x)
            legend(fig, ax)
    return fig
