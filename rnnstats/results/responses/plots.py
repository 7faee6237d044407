"""Pictures of responses, shares, decompositions and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats._index import label
from rnnstats._picture import (
    BAND,
    BLUE,
    GREY,
    legend,
    new_figure,
    positions,
    style,
    time_axis,
)
from rnnstats.results.protocol import FloatArray
from rnnstats.results.responses.bands import Bands

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_banded_shares",
    "draw_parts",
    "draw_responses",
    "draw_shares",
    "draw_weights",
]

# Okabe and Ito's palette without black, then lighter shades of the same.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#F0E442", "#7F7F7F")
LIGHT = tuple(f"{color}80" for color in COLORS)


# Up to so many rows each has its label.
FEW = 16
# Weights below this share of the largest are not worth a place in the picture.
SMALL = 1e-3


def _color(number: int) -> str:
    return (COLORS + LIGHT)[number % (2 * len(COLORS))]


def _many_legend(fig: Figure, ax: Axes) -> None:
    """Put a legend of many entries below all panels, in rows of five."""
    handles, labels = ax.get_legend_handles_labels()
    place: Any = {"loc": "outside lower center"} if fig.get_layout_engine() else {}
    fig.legend(
        handles, labels, fontsize=8, frameon=False, ncols=min(5, max(1, len(labels))), **place
    )


def draw_responses(
    bands: Bands,
    impulses: tuple[str, ...],
    outputs: tuple[str, ...],
    *,
    words: str,
    start: str,
    fig: Figure | None,
) -> Figure:
    """Draw responses with bands, outputs in rows and impulses in columns.

    Parameters
    ----------
    bands : Bands
        Arrays of shape (steps + 1, outputs, impulses).
    impulses, outputs : tuple of str
    words, start : str
        What the band is, and what the line is.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _banded(
        bands, [[f"{impulse} to {output}" for impulse in impulses] for output in outputs],
        np.arange(float(len(bands.point))), (start, words, "lag"), fig,
    )  # fmt: skip


def _banded(
    bands: Bands,
    titles: list[list[str]],
    x: FloatArray,
    words: tuple[str, str, str],
    fig: Figure | None,
) -> Figure:
    """Draw lines with bands, arrays of shape (len(x), rows, columns) with a title a panel.

    Words are those of the line, the band and the axis.
    """
    rows, columns = len(titles), len(titles[0])
    width, height = max(5.5, 1.0 + 3.0 * columns), 1.2 + 2.0 * rows
    fig = new_figure(fig, caller="plot", width=width, height=height)
    first: Axes | None = None
    for i in range(rows):
        for j in range(columns):
            ax = fig.add_subplot(rows, columns, i * columns + j + 1, sharex=first)
            first = first or ax
            low, high = bands.lower[:, i, j], bands.upper[:, i, j]
            ax.fill_between(x, low, high, color=BLUE, alpha=BAND, lw=0, label=words[1])
            marker = "o" if len(x) <= 25 else None
            ax.plot(x, bands.point[:, i, j], color=BLUE, lw=1.4, marker=marker, ms=3,
                    label=words[0])  # fmt: skip
            ax.axhline(0.0, color=GREY, lw=0.8)
            style(ax, titles[i][j])
            if i == rows - 1:
                ax.set_xlabel(words[2], fontsize=8)
    if first is not None:
        legend(fig, first)
    return fig


def draw_banded_shares(
    bands: Bands,
    outputs: tuple[str, ...],
    sources: tuple[str, ...],
    *,
    words: str,
    fig: Figure | None,
) -> Figure:
    """Draw shares of variance with bands, outputs in rows and sources in columns.

    Parameters
    ----------
    bands : Bands
        Arrays of shape (outputs, horizons, sources).
    outputs, sources : tuple of str
    words : str
        What the band is.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    turned = Bands(
        bands.point.transpose(1, 0, 2), bands.std_err.transpose(1, 0, 2),
        bands.lower.transpose(1, 0, 2), bands.upper.transpose(1, 0, 2), bands.words,
    )  # fmt: skip
    steps = np.arange(1.0, len(turned.point) + 1)
    titles = [[f"{source} in the error of {output}" for source in sources] for output in outputs]
    fig = _banded(turned, titles, steps, ("share", words, "steps ahead"), fig)
    for ax in fig.axes:
        ax.set_ylim(-0.02, 1.02)
    return fig


def draw_shares(
    shares: FloatArray, outputs: tuple[str, ...], sources: tuple[str, ...], *, fig: Figure | None
) -> Figure:
    """Draw shares of variance by horizon, stacked, one output a panel.

    Parameters
    ----------
    shares : ndarray of shape (outputs, horizons, sources)
    outputs, sources : tuple of str
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = min(3, len(outputs))
    rows = -(-len(outputs) // columns)
    width, height = max(6.0, 1.0 + 3.4 * columns), 1.2 + 2.6 * rows
    fig = new_figure(fig, caller="plot", width=width, height=height)
    steps = np.arange(1, shares.shape[1] + 1)
    first: Axes | None = None
    for i, output in enumerate(outputs):
        ax = fig.add_subplot(rows, columns, i + 1, sharex=first, sharey=first)
        first = first or ax
        base = np.zeros(len(steps))
        for j, source in enumerate(sources):
            value = shares[i, :, j]
            ax.bar(steps, value, 0.9, bottom=base, color=_color(j), lw=0, label=source)
            base = base + value
        ax.set_ylim(0.0, max(1.0, float(shares.sum(axis=2).max())))
        ax.set_xlim(0.4, steps[-1] + 0.6)
        style(ax, f"error of {output}")
        ax.set_xlabel("steps ahead", fontsize=8)
    if first is not None:
        _many_legend(fig, first)
    return fig


def _widths(x: Any) -> Any:
    """Width of bars at these places."""
    if len(x) < 2:
        return 0.8
    return np.diff(x).min()


def draw_parts(
    values: FloatArray,
    index: pd.Index,
    outputs: tuple[str, ...],
    parts: tuple[str, ...],
    *,
    title: str,
    without: tuple[str, ...],
    fig: Figure | None,
) -> Figure:
    """Draw parts as bars stacked away from zero, with their sum as a line, one output a panel.

    Parameters
    ----------
    values : ndarray of shape (rows, outputs, parts)
    index : Index
        Labels of the rows.
    outputs, parts : tuple of str
    title : str
        What is decomposed.
    without : tuple of str
        Parts that are left out, of the sum too.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="plot", width=9.5, height=1.3 + 2.4 * len(outputs))
    few = len(index) <= FEW
    x = np.arange(len(index)) if few else positions(index)
    shown = [j for j, part in enumerate(parts) if part not in without and values[:, :, j].any()]
    left_out = [part for part in parts if part in without]
    first: Axes | None = None
    for i, output in enumerate(outputs):
        ax = fig.add_subplot(len(outputs), 1, i + 1, sharex=first)
        first = first or ax
        ax.use_sticky_edges = False  # room above the bars
        up, down = np.zeros(len(x)), np.zeros(len(x))
        for place, j in enumerate(shown):
            value = np.nan_to_num(values[:, i, j])
            base = np.where(value >= 0, up, down)
            width = 0.8 if few else _widths(x)
            ax.bar(x, value, width, bottom=base, color=_color(place), lw=0, label=parts[j])
            up, down = up + np.maximum(value, 0), down + np.minimum(value, 0)
        total = values[:, i, shown].sum(axis=1)
        marker = "o" if few else None
        ax.plot(x, total, color="black", lw=1.1, marker=marker, ms=3, label="sum")
        ax.axhline(0.0, color=GREY, lw=0.8)
        less = f", less {', '.join(left_out)}" if left_out else ""
        style(ax, f"{output}: {title}{less}")
        if i == 0:
            time_axis(ax, x)
            _many_legend(fig, ax)
        if few:
            words = [label(index, row) for row in range(len(index))]
            ax.set_xticks(x, words, fontsize=8, rotation=30 if max(map(len, words)) > 7 else 0)
    return fig


def draw_weights(weights: pd.DataFrame, *, words: str, fig: Figure | None) -> Figure:
    """Draw weights by date, one series a panel.

    Parameters
    ----------
    weights : DataFrame
        One row a date, one column a series.
    words : str
        What they are weights in.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = list(weights.columns)
    sizes = weights.abs().max(axis=1).to_numpy()
    large = np.flatnonzero(sizes > SMALL * sizes.max(initial=0.0))
    if large.size:
        weights = weights.iloc[max(0, large[0] - 2) : large[-1] + 3]
    fig = new_figure(fig, caller="plot", width=9, height=1.0 + 2.0 * len(names))
    x = positions(weights.index)
    first: Axes | None = None
    for i, name in enumerate(names):
        ax = fig.add_subplot(len(names), 1, i + 1, sharex=first, sharey=first)
        first = first or ax
        ax.vlines(x, 0.0, weights[name].to_numpy(), color=_color(i), lw=1.4)
        ax.axhline(0.0, color=GREY, lw=0.8)
        style(ax, f"{name}: {words}" if i == 0 else str(name))
        if i == 0:
            time_axis(ax, x)
    return fig
