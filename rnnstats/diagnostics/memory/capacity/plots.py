"""Pictures of memory capacity and memory length; matplotlib loads when one is first drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnstats._picture import BAND, BLUE, GREEN, GREY, ORANGE, legend, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnnstats.diagnostics.memory.capacity.effective import EffectiveMemory
    from rnnstats.diagnostics.memory.capacity.measured import MemoryCapacity

__all__ = ["draw_capacity", "draw_lengths"]

# Normal quantile of 95 % bands.
WIDTH = 1.959963984540054
# Gradients drawn at most, and the smallest capacity worth drawing.
SHOWN, LEFT = 8, 1e-3


def draw_capacity(found: MemoryCapacity, *, fig: Figure | None) -> Figure:
    """Capacities by lag, and their sum beside its bound.

    Parameters
    ----------
    found : MemoryCapacity
    fig : matplotlib.figure.Figure or None
        Drawn into; None for a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingDependencyError
        matplotlib is not installed.
    """
    figure = new_figure(fig, caller="plot", width=9.0, height=3.8)
    left, right = figure.subplots(1, 2)
    frame = found.frame
    lags = frame.index.to_numpy()
    value, reach = frame["capacity"].to_numpy(), WIDTH * frame["capacity_se"].to_numpy()
    left.plot(lags, value, color=BLUE, lw=1.4, marker="o", ms=3, label="capacity")
    if np.nanmax(reach, initial=0.0) > 0.0:
        left.fill_between(
            lags, value - reach, value + reach, color=BLUE, alpha=BAND, lw=0, label="95 %"
        )
    if found.threshold > 0.0:
        left.axhline(found.threshold, color=GREY, lw=0.8, ls=":", label="chance")
    held = np.flatnonzero(value > max(found.threshold, LEFT))
    last = min(len(value) - 1, int(held[-1]) + 3) if len(held) else len(value) - 1
    left.set_ylim(min(0.0, float(value.min())), 1.05 * len(found.inputs))
    if np.nanmax(value) < 0.5 * len(found.inputs):
        left.set_ylim(top=1.3 * float(np.nanmax(value + np.nan_to_num(reach))))
    right.plot(lags, frame["cumulative"], color=BLUE, lw=1.4, label="_sum")
    right.axhline(found.k_state, color=ORANGE, lw=1.0, ls="--", label="bound: number of states")
    right.set_ylim(0.0, 1.08 * max(found.k_state, found.total))
    style(left, "Share of earlier inputs that the state holds")
    style(right, "Sum over lags")
    for ax in (left, right):
        ax.set_xlabel(f"lag in {found.step}")
        ax.set_xlim(-0.02 * max(last, 1), max(last, 1))
    handles, labels = right.get_legend_handles_labels()
    left.plot([], [], color=ORANGE, lw=1.0, ls="--", label=labels[0] if handles else "bound")
    legend(figure, left)
    return figure


def draw_lengths(found: EffectiveMemory, *, fig: Figure | None) -> Figure:
    """Weights by lag as shares of the largest, and from where on they are small.

    Parameters
    ----------
    found : EffectiveMemory
    fig : matplotlib.figure.Figure or None
        Drawn into; None for a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingDependencyError
        matplotlib is not installed.
    """
    figure = new_figure(fig, caller="plot", width=7.5, height=3.8)
    ax = figure.subplots()
    weights, frame = found.weights, found.frame
    colors = (BLUE, ORANGE, GREEN, GREY)
    ends = []
    for j, name in enumerate(weights.columns[:SHOWN]):
        value = weights[name].to_numpy() / weights[name].max()
        color, style_ = colors[j % len(colors)], ("-", "--")[j // len(colors) % 2]
        ax.plot(weights.index, value, color=color, ls=style_, lw=1.4, label=str(name))
        end = float(frame["lag_at_share"].iloc[j])
        if np.isfinite(end):
            ax.plot([end], [found.share], color=color, marker="o", ms=5, label="_end")
        small = np.flatnonzero(value < found.share / 50.0)
        ends.append(int(small[0]) if len(small) else len(value) - 1)
    ax.axhline(found.share, color=GREY, lw=0.8, ls=":", label=f"{100 * found.share:g} %")
    ax.set_yscale("log")
    ax.set_ylim(found.share / 50.0, 1.5)
    ax.set_xlim(0, max(*ends, 1))
    ax.set_xlabel(f"lag in {found.step}")
    style(ax, f"Gradient of the {found.of} by the {found.by} of earlier rows, largest = 1")
    legend(figure, ax)
    return figure
