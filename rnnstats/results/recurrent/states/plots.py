"""Pictures of states, gates and memory; matplotlib loads when a function here is first called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from rnnstats._picture import (
    BAND,
    BLUE,
    ORANGE,
    legend,
    new_figure,
    positions,
    style,
    time_axis,
)
from rnnstats.results.forecasting.prediction import find_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "PAST",
    "GatePlots",
    "draw_columns",
    "draw_gate_times",
    "draw_norms",
    "draw_recurrent_memory",
]

# What states and gates of a network that reads forward are given.
PAST = "a function of the rows before"


class GatePlots(ABC):
    """The part of results that draws gates.

    Attributes
    ----------
    model : RecurrentModel
    """

    model: Any
    _reads: ClassVar[str] = PAST

    @property
    @abstractmethod
    def gates(self) -> pd.DataFrame:
        """Gates by row."""

    def plot_gates(
        self, gates: Sequence[int | str] | None = None, fig: Figure | None = None
    ) -> Figure:
        """Plot gates over time, one a panel.

        Parameters
        ----------
        gates : sequence of int or str, optional
            Columns of `gates` by number or name; by default those between 0 and 1.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        AttributeError
            The cell has no gates.
        MissingDependencyError
            matplotlib is not installed.
        """
        table = self.gates
        if gates is None:
            written = ("candidate[", "cell[")
            gates = [name for name in table.columns if not str(name).startswith(written)]
        return draw_columns(
            table, gates, np.asarray(self.model.offsets), what="gate", caller="plot_gates",
            reads=self._reads, unit_interval=True, fig=fig,
        )  # fmt: skip


def draw_columns(
    table: pd.DataFrame,
    chosen: Sequence[int | str] | None,
    offsets: Any,
    *,
    what: str,
    caller: str,
    reads: str = PAST,
    unit_interval: bool = False,
    fig: Figure | None = None,
) -> Figure:
    """Draw columns over time, one a panel.

    Parameters
    ----------
    table : DataFrame of shape (nobs, k)
        NaN in rows without.
    chosen : sequence of int or str, or None
        Columns by number or name; None for all.
    offsets : sequence of int
        First row of each sequence, and the number of rows.
    what : str
        What the columns are, for titles and messages.
    caller : str
    reads : str
        What they are given, for titles.
    unit_interval : bool
        Show the whole of it.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = tuple(str(name) for name in table.columns)
    keys = range(len(names)) if chosen is None else chosen
    places = [find_name(key, names, caller=caller, what=what) for key in keys]
    fig = new_figure(fig, caller=caller, width=9, height=1.0 + 1.6 * len(places))
    several = len(offsets) > 2
    x = np.arange(len(table)) if several else positions(table.index)
    first: Axes | None = None
    for row, place in enumerate(places):
        ax = fig.add_subplot(len(places), 1, row + 1, sharex=first)
        first = first or ax
        values = table.iloc[:, place].to_numpy()
        for begin, end in pairwise(offsets):
            ax.plot(x[begin:end], values[begin:end], color=BLUE, lw=1.2)
        style(ax, f"{names[place]} ({what}, {reads})")
        if unit_interval:
            ax.set_ylim(-0.03, 1.03)
        for cut in offsets[1:-1] if several else ():
            ax.axvline(cut - 0.5, color="black", lw=0.6, ls=":")
    if first is not None and not several:
        time_axis(first, x)
    return fig


def draw_recurrent_memory(
    products: pd.DataFrame, gates: pd.DataFrame, *, step: str, fig: Figure | None
) -> Figure:
    """Draw how much of a change of the state is left by horizon, and time constants of gates.

    Parameters
    ----------
    products : DataFrame
        Index ``lag``; columns ``median``, ``lower``, ``upper`` of log norms.
    gates : DataFrame
        One row a unit with ``tau``, ``tau_low``, ``tau_high``; empty for cells without such gates.
    step : str
        Unit of time.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    panels = 1 + bool(len(gates))
    fig = new_figure(fig, caller="plot", width=5.2 * panels, height=3.6)
    ax = fig.add_subplot(1, panels, 1)
    draw_norms(ax, products, step=step, title="Products of Jacobians of the state")
    legend(fig, ax)
    if len(gates):
        draw_gate_times(fig.add_subplot(1, panels, 2), gates, step=step)
    return fig


def draw_norms(ax: Axes, products: pd.DataFrame, *, step: str, title: str) -> None:
    """Draw how much of a change of the state is left by horizon.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    products : DataFrame
        Index ``lag``; columns ``median``, ``lower``, ``upper`` of log norms.
    step : str
        Unit of time.
    title : str
    """
    lags = products.index.to_numpy()
    shown = products.replace([-np.inf], np.nan) / np.log(10.0)
    ax.fill_between(
        lags, shown["lower"], shown["upper"], color=BLUE, alpha=BAND, lw=0,
        label="10 % to 90 % of rows",
    )  # fmt: skip
    ax.plot(lags, shown["median"], color=BLUE, lw=1.4, label="median row")
    ax.axhline(0.0, color="black", lw=0.6, ls=":")
    ax.set_xlabel(f"horizon ({step})")
    ax.set_ylabel("log10 of the norm")
    style(ax, title)


def draw_gate_times(ax: Axes, gates: pd.DataFrame, *, step: str) -> None:
    """Draw time constants of gates with their range over rows.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    gates : DataFrame
        One row a unit with ``tau``, ``tau_low``, ``tau_high``.
    step : str
        Unit of time.
    """
    places = np.arange(len(gates))
    finite = gates.replace([np.inf], np.nan)
    ax.vlines(places, finite["tau_low"], finite["tau_high"], color=ORANGE, lw=3, alpha=0.35)
    ax.plot(places, finite["tau"], "o", color=ORANGE, ms=5)
    ax.set_xticks(places, labels=[str(name) for name in gates.index])
    if finite["tau_high"].notna().any():
        ax.set_yscale("log")
    ax.set_ylabel(step)
    style(ax, "Time constants of the gates (10 % to 90 % of rows)")
