"""Pictures of what hindsight gains; matplotlib loads when a function here is first called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from rnnstats._picture import BLUE, GREY, new_figure, positions, style, time_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_gains"]


def draw_gains(gain: pd.Series, *, fig: Figure | None) -> Figure:
    """Draw gains in log score, row by row and added up.

    Parameters
    ----------
    gain : Series
        By test row.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="plot", width=9, height=5)
    x = positions(gain.index)
    upper = fig.add_subplot(2, 1, 1)
    upper.vlines(x, 0.0, gain.to_numpy(), color=GREY, linewidth=1.0)
    lower = fig.add_subplot(2, 1, 2, sharex=upper)
    lower.plot(x, gain.cumsum().to_numpy(), color=BLUE)
    titles = ("Gain of the two-sided network in log score, by row", "Gains added up")
    for ax, title in zip((upper, lower), titles, strict=True):
        ax.axhline(0.0, color="black", linewidth=0.8)
        style(ax, title)
        time_axis(ax, x)
    return fig
