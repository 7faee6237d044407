"""Picture of the memory of several models; matplotlib loads when it is first drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._picture import GREY, PALETTE, legend, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rnnstats.diagnostics.memory.capacity.measured import MemoryCapacity

__all__ = ["draw_comparison"]

FloatArray = NDArray[np.float64]

# Normal quantile of 95 % intervals, and weights below which curves are cut.
WIDTH, SMALL = 1.959963984540054, 1e-3
# Lags that fit on an even axis beside a few.
WIDE = 40


def draw_comparison(
    frame: pd.DataFrame,
    weights: Mapping[str, FloatArray],
    capacities: Mapping[str, MemoryCapacity],
    step: str,
    *,
    fig: Figure | None,
) -> Figure:
    """Rates with intervals, weights by lag, and capacities by lag, one colour a model.

    Parameters
    ----------
    frame : DataFrame
        As `MemoryComparison.frame`.
    weights : mapping of str to ndarray
        Mean size of gradients by lag.
    capacities : mapping of str to MemoryCapacity
    step : str
        Unit of lags.
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
    figure = new_figure(fig, caller="plot", width=12.0, height=4.2)
    rates, lags, held = figure.subplots(1, 3)
    colors = {name: PALETTE[j % len(PALETTE)] for j, name in enumerate(frame.index)}
    _draw_rates(rates, frame, colors)
    longest = 1
    for name, color in colors.items():
        lags.plot([], [], color=color, lw=1.6, label=str(name))
        if name in weights:
            value = weights[name] / weights[name].max()
            lags.plot(np.arange(len(value)), value, color=color, lw=1.4, label="_weights")
            above = np.flatnonzero(value >= SMALL)
            longest = max(longest, int(above[-1]) + 1)
        if name in capacities:
            by_lag = capacities[name].frame["capacity"]
            held.plot(by_lag.index, by_lag, color=color, lw=1.4, marker="o", ms=2.5, label="_c")
    lags.set_yscale("log")
    lags.set_ylim(SMALL, 1.5)
    lags.set_xlim(0, longest)
    if longest > WIDE:
        lags.set_xscale("symlog", linthresh=WIDE / 4)
    style(lags, "Gradient of the state by earlier ones, largest = 1")
    lags.set_xlabel(f"lag in {step}")
    held.set_xlim(0, max([_last(one) for one in capacities.values()], default=1))
    style(held, "Share of past shocks the state holds")
    held.set_xlabel(f"lag in {step}")
    legend(figure, lags)
    return figure


def _draw_rates(ax: Axes, frame: pd.DataFrame, colors: Mapping[Any, str]) -> None:
    """Filter's rate (filled) and own rate (open) of each model with 95 % intervals."""
    places = np.arange(len(frame))[::-1]
    for column, shift, filled in (("rate", 0.14, True), ("own_rate", -0.14, False)):
        for place, (name, row) in zip(places, frame.iterrows(), strict=True):
            if not np.isfinite(row[column]):
                continue
            reach = WIDTH * row[f"{column}_se"]
            color = colors[name]
            ax.errorbar(
                row[column], place + shift, xerr=reach if np.isfinite(reach) else None, fmt="o",
                color=color, mfc=color if filled else "white", ms=5, lw=1.2, capsize=2,
            )  # fmt: skip
    ax.axvline(0.0, color=GREY, lw=0.8)
    ax.set_yticks(places, [str(name) for name in frame.index])
    ax.set_ylim(-0.6, len(frame) - 0.4)
    style(ax, "Log rate a row, 95 %")
    ax.set_xlabel("filled: state given data; open: the system itself")


def _last(found: MemoryCapacity) -> int:
    """Last lag of which a capacity worth drawing is held."""
    value = found.frame["capacity"].to_numpy()
    above = np.flatnonzero(value > max(found.threshold, 0.002))
    return int(above[-1]) + 2 if len(above) else 1
