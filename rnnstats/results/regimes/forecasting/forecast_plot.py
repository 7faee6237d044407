"""Fan charts of mixtures, over the probabilities of the regimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from rnnstats._picture import (
    BLUE,
    GREY,
    legend,
    new_figure,
    positions,
    style,
    time_axis,
)
from rnnstats.results.forecasting.fan_plot import checked_levels, shades
from rnnstats.results.forecasting.law_tables import LawTables
from rnnstats.results.plots import shown_rows
from rnnstats.results.regimes.forecasting.prediction import MixturePrediction
from rnnstats.results.regimes.states.plots import REGIME_COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Seen", "draw_mixture_fan"]


class Seen(NamedTuple):
    """The sample: outputs, filtered probabilities of the regimes, categories of each column."""

    data: pd.DataFrame
    regimes: pd.DataFrame
    levels: tuple[tuple[str, ...] | None, ...]


def draw_mixture_fan(
    seen: Seen,
    prediction: MixturePrediction,
    *,
    levels: Any,
    shape: str,
    history: int | None,
    fig: Figure | None,
) -> Figure:
    """Draw forecasts behind the last rows, one output a panel, the regimes in the last one.

    Parameters
    ----------
    seen : Seen
    prediction : MixturePrediction
        Of the rows after the sample.
    levels : iterable of float
        Coverages of the intervals or regions.
    shape : {"central", "hdr"}
        Intervals between quantiles, or highest-density regions, possibly in pieces.
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
    last, past_regimes = seen.data.iloc[-rows:], seen.regimes.iloc[-rows:]
    names = [str(name) for name in seen.data.columns]
    count = len(names) + 1
    fig = new_figure(fig, caller="plot_fan", width=9, height=1.4 + 2.3 * count)
    x = positions(last.index.append(prediction.row_labels))
    past, future = x[: len(last)], x[len(last) :]
    first: Axes | None = None
    for j, name in enumerate(names):
        ax = fig.add_subplot(count, 1, j + 1, sharex=first)
        first = first or ax
        values = last.iloc[:, j].to_numpy()
        if seen.levels[j] is None:
            ax.plot(past, values, color="black", lw=1.2, label="observed" if j == 0 else None)
            _fan(ax, (past, future), float(values[-1]), prediction, (j, widths, shape))
        else:
            _categories(ax, (past, future), values, prediction.summary_frame(j))
        ax.axvline(past[-1], color=GREY, lw=0.8, ls=":")
        title = f"{name}, given {prediction.information_set}" if j == 0 else name
        style(ax, title)
        if j == 0:
            time_axis(ax, x)
    ax = fig.add_subplot(count, 1, count, sharex=first)
    table = np.concatenate([past_regimes.to_numpy(), prediction.regime_probabilities.to_numpy()])
    colors = [REGIME_COLORS[i % len(REGIME_COLORS)] for i in range(table.shape[1])]
    shares = np.where(np.isfinite(table), table, 0.0).T
    ax.stackplot(x, shares, colors=colors, alpha=0.55, labels=list(past_regimes.columns), lw=0)
    ax.axvline(past[-1], color=GREY, lw=0.8, ls=":")
    ax.set_ylim(0.0, 1.0)
    style(ax, "Probability of the regimes: given the rows so far, then predicted")
    handles = [part.get_legend_handles_labels() for part in fig.axes]
    if fig.get_layout_engine() is None:
        for part in fig.axes:
            legend(fig, part)
        return fig
    every = [pair for a, b in handles for pair in zip(a, b, strict=True)]
    fig.legend(
        [a for a, _ in every], [b for _, b in every], loc="outside lower center", fontsize=8,
        frameon=False, ncols=min(len(every), 7),
    )  # fmt: skip
    return fig


def _fan(
    ax: Axes,
    x: tuple[Any, Any],
    anchor: float,
    prediction: LawTables,
    what: tuple[int, list[float], str],
) -> None:
    """Draw intervals or regions of one output, and its mean."""
    (past, future), (j, widths, shape) = x, what
    known = bool(np.isfinite(anchor))
    joined = np.r_[past[-1:], future] if known else future
    lead = [anchor] if known else []
    for level, color in zip(widths, shades(len(widths)), strict=True):
        words = f"{100 * level:g} %" if j == 0 else None
        if shape == "central":
            table = prediction.summary_frame(j, 1.0 - level)
            low, high = table["mean_ci_lower"].to_numpy(), table["mean_ci_upper"].to_numpy()
            ax.fill_between(
                joined, np.r_[lead, low], np.r_[lead, high], color=color, lw=0, label=words
            )
        else:
            table = prediction.hdr(1.0 - level, j)
            edge = 0.5 if prediction.discrete[j] else 0.0
            _regions(ax, (past, future), table, (edge, color, words))
    mean = prediction.summary_frame(j)["mean"].to_numpy()
    marker = "o" if len(future) <= 24 else None
    ax.plot(
        joined, np.r_[lead, mean], color=BLUE, lw=1.5, marker=marker, ms=2.5,
        label="forecast" if j == 0 else None,
    )  # fmt: skip


def _regions(
    ax: Axes, x: tuple[Any, Any], table: pd.DataFrame, look: tuple[float, Any, str | None]
) -> None:
    """Draw the pieces of each row's region as boxes."""
    (past, future), (edge, color, words) = x, look
    step = (future[0] - past[-1]) * 0.84
    pieces = table.index.get_level_values(-1).to_numpy()
    row = np.cumsum(pieces == 0) - 1
    low = table["lower"].to_numpy(dtype=float) - edge
    high = table["upper"].to_numpy(dtype=float) + edge
    ax.bar(future[row], high - low, width=step, bottom=low, color=color, lw=0, label=words)


def _categories(ax: Axes, x: tuple[Any, Any], values: Any, table: pd.DataFrame) -> None:
    """Draw observed categories as marks, and the probabilities of those to come as areas."""
    past, future = x
    count = table.shape[1]
    shades = [str(0.2 + 0.55 * i / max(1, count - 1)) for i in range(count)]
    shares = table.to_numpy().T
    edge = past[-1:]
    ax.stackplot(
        np.r_[edge, future], np.c_[shares[:, :1], shares], colors=shades, lw=0,
        labels=[f"{table.columns.name}={level}" for level in table.columns],
    )  # fmt: skip
    for code in range(count):
        here = values == code
        ax.plot(
            past[here], np.full(int(here.sum()), (code + 0.5) / count), "|", ms=7,
            color=shades[code],
        )  # fmt: skip
    ax.set_ylim(0.0, 1.0)
    ax.set_ylabel("probability", fontsize=8)
