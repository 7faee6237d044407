"""Pictures of hindsight's gains and of memory in both directions; matplotlib loads when called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from rnnstats._picture import BLUE, GREY, legend, new_figure, positions, style, time_axis
from rnnstats.results.recurrent.states.plots import draw_gate_times, draw_norms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_gains", "draw_two_sided_memory"]


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


def draw_two_sided_memory(forward: Any, backward: Any, *, step: str, fig: Figure | None) -> Figure:
    """Draw how much of a change of the state is left by horizon, forward above backward.

    Parameters
    ----------
    forward, backward : RecurrentMemoryTable
    step : str
        Unit of time.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    panels = 1 + bool(len(forward.gates))
    fig = new_figure(fig, caller="plot", width=5.2 * panels, height=6.4)
    rows = (("Forward cell: products of Jacobians", forward), ("Backward cell", backward))
    for row, (title, part) in enumerate(rows):
        ax = fig.add_subplot(2, panels, row * panels + 1)
        draw_norms(ax, part.products, step=step, title=title)
        if row == 0:
            legend(fig, ax)
        if len(part.gates):
            draw_gate_times(fig.add_subplot(2, panels, row * panels + 2), part.gates, step=step)
    return fig
