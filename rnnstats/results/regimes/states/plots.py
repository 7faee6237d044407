"""Pictures of regimes; matplotlib loads when a function here is first called."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._picture import legend, new_figure, positions, style, time_axis
from rnnstats.results.forecasting.prediction import find_name
from rnnstats.results.protocol import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["REGIME_COLORS", "SHADE", "draw_regimes", "shade_rows"]

# Okabe and Ito's palette, told apart by colour-blind readers; from the ninth regime on repeated.
REGIME_COLORS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#999999",
)  # fmt: skip
# How strongly rows are shaded.
SHADE = 0.16


def draw_regimes(
    data: pd.DataFrame,
    probabilities: pd.DataFrame,
    offsets: Any,
    *,
    states: Sequence[int | str] | None,
    kind: str,
    fig: Figure | None,
    levels: Sequence[tuple[str, ...] | None] | None = None,
) -> Figure:
    """Draw outputs over the probabilities of the regimes.

    Parameters
    ----------
    data : DataFrame of shape (nobs, k_endog)
    probabilities : DataFrame of shape (nobs, K)
        NaN in rows without.
    offsets : sequence of int
        First row of each sequence, and the number of rows.
    states : sequence of int or str, or None
        Regimes with a panel each; None for all in one, stacked.
    kind : str
        "predicted", "filtered" or "smoothed".
    fig : matplotlib.figure.Figure or None
    levels : sequence of tuple of str or None, optional
        Categories of each column whose values are their places, None for numbers.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = [str(name) for name in probabilities.columns]
    chosen = None if states is None else [
        find_name(key, tuple(names), caller="plot_states", what="regime") for key in states
    ]  # fmt: skip
    panels = data.shape[1] + (1 if chosen is None else len(chosen))
    fig = new_figure(fig, caller="plot_states", width=9, height=1.0 + 1.9 * panels)
    several = len(offsets) > 2
    x = np.arange(len(data)) if several else positions(data.index)
    values = probabilities.to_numpy()
    known = {"predicted": "rows before", "filtered": "rows so far", "smoothed": "all rows"}[kind]
    first: Axes | None = None
    for row, name in enumerate(data.columns):
        ax = fig.add_subplot(panels, 1, row + 1, sharex=first)
        first = first or ax
        _observed(ax, x, data[name].to_numpy(), (offsets, levels and levels[row]))
        _shade(ax, x, values)
        style(ax, f"{name} (shaded: most likely regime given {known})" if row == 0 else str(name))
    for number, regimes in enumerate([None] if chosen is None else chosen):
        ax = fig.add_subplot(panels, 1, data.shape[1] + number + 1, sharex=first)
        if regimes is None:
            _stack(ax, x, values, names)
            style(ax, f"Probabilities of the regimes, {kind} (given {known})")
            legend(fig, ax)
        else:
            color = REGIME_COLORS[regimes % len(REGIME_COLORS)]
            ax.fill_between(x, 0.0, values[:, regimes], color=color, alpha=SHADE, lw=0)
            ax.plot(x, values[:, regimes], color=color, lw=1.2)
            style(ax, f"{names[regimes]}, {kind} (given {known})")
        ax.set_ylim(0.0, 1.0)
        for a in offsets[1:-1] if several else ():
            ax.axvline(a - 0.5, color="black", lw=0.6, ls=":")
    if first is not None and not several:
        time_axis(first, x)
    return fig


def _observed(ax: Axes, x: Any, values: FloatArray, what: tuple[Any, Any]) -> None:
    """Draw a line through the numbers of each sequence, or a mark a row beside its category."""
    offsets, levels = what
    if levels is None:
        for a, b in pairwise(offsets):
            ax.plot(x[a:b], values[a:b], color="black", lw=0.9)
        return
    ax.plot(x, values, "|", color="black", ms=7)
    ax.set_yticks(range(len(levels)), labels=levels)
    ax.set_ylim(-0.6, len(levels) - 0.4)


def _stack(ax: Axes, x: Any, values: FloatArray, names: Sequence[str]) -> None:
    """Areas that fill the unit interval."""
    floor = np.zeros(len(values))
    for j, name in enumerate(names):
        top = floor + values[:, j]
        color = REGIME_COLORS[j % len(REGIME_COLORS)]
        ax.fill_between(x, floor, top, color=color, alpha=0.75, lw=0, label=name)
        floor = top


def _shade(ax: Axes, x: Any, values: FloatArray) -> None:
    """Bands in the colour of the most likely regime."""
    blank = np.asarray(np.isnan(values).any(axis=1))
    likely = np.where(blank, -1, np.argmax(np.where(blank[:, None], 0.0, values), axis=1))
    for j in range(values.shape[1]):
        color = REGIME_COLORS[j % len(REGIME_COLORS)]
        shade_rows(ax, x, likely == j, color=color, alpha=SHADE)


def shade_rows(ax: Axes, x: Any, mask: NDArray[np.bool_], **look: Any) -> None:
    """Shade rows, each from halfway to the row before to halfway to the row after.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x : ndarray, shape (n,)
        Places of the rows, numbers or dates.
    mask : ndarray of bool, shape (n,)
    **look
        Colour, alpha and label, as for ``broken_barh``; without rows nothing is drawn, not even a
        label.
    """
    changes = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    if not len(changes):
        return
    edges = _edges(x)
    first, end = changes[::2], changes[1::2]
    spans = list(zip(edges[first], edges[end] - edges[first], strict=True))
    ax.broken_barh(spans, (0.0, 1.0), lw=0, transform=ax.get_xaxis_transform(), **look)


def _edges(x: Any) -> FloatArray:
    """Ends of the rows on the axis, half way between them."""
    places = x
    if np.issubdtype(x.dtype, np.datetime64):
        import matplotlib.dates

        untyped: Any = matplotlib.dates
        places = untyped.date2num(x)
    places = np.asarray(places, dtype=np.float64)
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    half = 0.5 * np.diff(places)
    return np.concatenate([[places[0] - half[0]], places[:-1] + half, [places[-1] + half[-1]]])
