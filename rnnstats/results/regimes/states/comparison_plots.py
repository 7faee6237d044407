"""Pictures of regimes compared and dated, and of memory; matplotlib loads when one is drawn."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
from rnnstats.results.regimes.states.plots import REGIME_COLORS, SHADE, shade_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_chain_memory", "draw_regime_comparison", "draw_turning_points"]


def _places(index: pd.Index, offsets: tuple[int, ...]) -> Any:
    """Where rows stand: dates, or numbers where there are several sequences."""
    return np.arange(len(index)) if len(offsets) > 2 else positions(index)


def _lines(ax: Axes, x: Any, values: Any, offsets: tuple[int, ...], **look: Any) -> None:
    """A line that breaks between sequences."""
    for number, (first, end) in enumerate(pairwise(offsets)):
        if number:
            look.pop("label", None)
        ax.plot(x[first:end], values[first:end], **look)


def draw_regime_comparison(
    frame: pd.DataFrame,
    probabilities: dict[str, pd.DataFrame],
    offsets: tuple[int, ...],
    *,
    fig: Figure | None,
) -> Figure:
    """Draw filtered and smoothed probabilities, and the entropies.

    Parameters
    ----------
    frame : DataFrame
        Of `RegimeFilterVsSmoother`.
    probabilities : dict of str to DataFrame
    offsets : tuple of int
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = list(probabilities["smoothed"].columns)
    shown = names[:1] if len(names) == 2 else names
    panels = len(shown) + 1
    fig = new_figure(fig, caller="plot", width=9, height=1.0 + 2.0 * panels)
    x = _places(frame.index, offsets)
    differ = frame["disagree"].fillna(False).to_numpy(dtype=bool)
    first: Axes | None = None
    for row, name in enumerate(shown):
        ax = fig.add_subplot(panels, 1, row + 1, sharex=first)
        first = first or ax
        shade_rows(ax, x, differ, color=GREY, alpha=0.3, label="classifications differ")
        for kind, color, width in (("filtered", ORANGE, 1.0), ("smoothed", BLUE, 1.4)):
            values = probabilities[kind][name].to_numpy()
            label = f"{kind} (given {'rows so far' if kind == 'filtered' else 'all rows'})"
            _lines(ax, x, values, offsets, color=color, lw=width, label=label)
        ax.set_ylim(-0.02, 1.02)
        style(ax, f"Probability of {name}")
        if row == 0:
            legend(fig, ax)
    ax = fig.add_subplot(panels, 1, panels, sharex=first)
    for kind, color in (("filtered", ORANGE), ("smoothed", BLUE)):
        _lines(ax, x, frame[f"entropy_{kind}"].to_numpy(), offsets, color=color, lw=1.0)
    ax.axhline(np.log(len(names)), color=GREY, lw=0.8, ls=":")
    ax.set_ylim(0.0, 1.08 * np.log(len(names)))
    style(ax, "Entropy in nats (dotted: nothing known)")
    if first is not None and len(offsets) == 2:
        time_axis(first, x)
    return fig


def draw_turning_points(
    probabilities: pd.DataFrame,
    codes: NDArray[np.intp],
    offsets: tuple[int, ...],
    *,
    kind: str,
    fig: Figure | None,
) -> Figure:
    """Draw probabilities over the spells of the regimes.

    Parameters
    ----------
    probabilities : DataFrame of shape (nobs, K)
    codes : ndarray of int, shape (nobs,)
        Regime of each row, -1 for none.
    offsets : tuple of int
    kind : str
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = list(probabilities.columns)
    shown = names[:1] if len(names) == 2 else names
    fig = new_figure(fig, caller="plot", width=9, height=1.2 + 1.8 * len(shown))
    x = _places(probabilities.index, offsets)
    first: Axes | None = None
    for row, name in enumerate(shown):
        ax = fig.add_subplot(len(shown), 1, row + 1, sharex=first)
        first = first or ax
        for j, regime in enumerate(names):
            color = REGIME_COLORS[j % len(REGIME_COLORS)]
            shade_rows(ax, x, codes == j, color=color, alpha=SHADE, label=f"dated {regime}")
        source = "smoothed" if kind == "viterbi" else kind
        label = f"{source} probability"
        _lines(ax, x, probabilities[name].to_numpy(), offsets, color="black", lw=1.1, label=label)
        ax.set_ylim(-0.02, 1.02)
        style(ax, f"{name} by the {'Viterbi path' if kind == 'viterbi' else kind + ' dating'}")
        if row == 0:
            legend(fig, ax)
    if first is not None and len(offsets) == 2:
        time_axis(first, x)
    return fig


def draw_chain_memory(
    contraction: pd.DataFrame,
    acf: pd.DataFrame,
    rates: dict[str, float],
    *,
    step: str,
    fig: Figure | None,
) -> Figure:
    """Draw how a start is forgotten on the left, autocorrelations of the regimes on the right.

    Parameters
    ----------
    contraction : DataFrame
        Index lag; columns ``chain``, ``filter_mean``, ``filter_median``, ``filter_upper``.
    acf : DataFrame
        Index lag, one column a regime.
    rates : dict of str to float
        Log rates per row, "chain" and "filter".
    step : str
        What one row is.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="plot", width=10, height=4.4)
    left, right = fig.add_subplot(1, 2, 1), fig.add_subplot(1, 2, 2)
    lags = contraction.index.to_numpy()
    for name, color, mark in (
        ("chain", BLUE, "chain (no data)"),
        ("filter_mean", ORANGE, "filter"),
    ):
        values = contraction[name].to_numpy()
        shown = np.where(values > 1e-12, values, np.nan)
        left.semilogy(lags, shown, color=color, lw=1.6, label=mark)
        rate = rates["chain" if name == "chain" else "filter"]
        if np.isfinite(rate) and rate < 0.0 and np.isfinite(shown).any():
            anchor = int(np.flatnonzero(np.isfinite(shown))[-1] // 2)
            line = shown[anchor] * np.exp(rate * (lags - lags[anchor]))
            line = np.where(line > 1e-12, line, np.nan)
            left.semilogy(lags, line, color=color, lw=0.9, ls=":", label=f"rate, {mark}")
    upper = contraction["filter_upper"].to_numpy()
    left.semilogy(lags, np.where(upper > 1e-12, upper, np.nan), color=ORANGE, lw=0.7, alpha=0.6,
                  label="filter, 90 % of rows below")  # fmt: skip
    low = min(1e-2, float(contraction[["chain", "filter_mean"]].replace(0.0, np.nan).min().min()))
    left.set_ylim(max(0.5 * low, 1e-12), 1.5)
    left.set(xlabel=f"lag k ({step})", ylabel="total variation distance (log scale)")
    style(left, "What is left of a wrong start after k rows")
    for j, name in enumerate(acf.columns):
        color = REGIME_COLORS[j % len(REGIME_COLORS)]
        right.plot(acf.index, acf[name], color=color, lw=1.4, marker="o", ms=2.5, label=str(name))
    right.axhline(0.0, color=GREY, lw=0.6)
    right.set(xlabel=f"lag k ({step})")
    style(right, "Autocorrelation of the one-hot state")
    handles, labels = left.get_legend_handles_labels()
    more, names = right.get_legend_handles_labels()
    below: Any = {"loc": "outside lower center", "ncols": 4} if fig.get_layout_engine() else {}
    fig.legend([*handles, *more], [*labels, *names], fontsize=8, frameon=False, **below)
    return fig
