"""Pictures of time constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats._picture import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    legend,
    new_figure,
    percent,
    positions,
    style,
    time_axis,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_constants"]

# Units drawn over time, each in a look of its own.
LINES = ((BLUE, "-"), (ORANGE, "-"), (GREEN, "-"), (BLUE, "--"), (ORANGE, "--"), (GREEN, "--"))


def draw_constants(found: Any, *, fig: Figure | None) -> Figure:
    """Draw time constants with intervals; beside them roots, or those of gates over time.

    Parameters
    ----------
    found : TimeConstants
    fig : Figure or None

    Returns
    -------
    Figure
    """
    table, paths, roots = found.frame, found.paths, found.roots
    moving = len(paths) > 1
    panels = 1 + moving + (len(roots) > 0)
    height = max(3.0, 1.4 + 0.32 * len(table))
    figure = new_figure(fig, caller="plot", width=4.2 * panels, height=height)
    axes: list[Axes] = list(np.ravel(figure.subplots(1, panels)))
    _constants(axes[0], table, percent(found.alpha))
    style(axes[0], f"Time constants ({found.scale.unit})")
    if len(roots):
        _circle(axes[1], roots)
        style(axes[1], "Roots")
    if moving:
        _paths(axes[-1], paths)
        style(axes[-1], f"Time constants of the gates ({found.scale.unit})")
        legend(figure, axes[-1])
    return figure


def _constants(ax: Axes, table: pd.DataFrame, level: str) -> None:
    places = np.arange(len(table))[::-1]
    values = table["tau"].to_numpy(dtype=np.float64)
    ends = table[["tau_lower", "tau_upper"]].to_numpy(dtype=np.float64)
    drawn = np.isfinite(values) & (values > 0.0)
    ranged = drawn & np.isfinite(ends).all(axis=1)
    ax.hlines(places[ranged], ends[ranged, 0], ends[ranged, 1], color=BLUE, lw=1.4)
    ax.plot(values[drawn], places[drawn], "o", color=BLUE, ms=5)
    for place, value in zip(places[~drawn], values[~drawn], strict=True):
        ax.text(
            0.98, place, "never falls" if not value == 0.0 else "gone at once", color=GREY,
            ha="right", va="center", fontsize=8, transform=ax.get_yaxis_transform(),
        )  # fmt: skip
    names = [f"{name}: {of}" if of else str(name) for name, of in table["of"].items()]
    ax.set_yticks(places, names, fontsize=8)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.set_xlabel(f"{level} interval", fontsize=9)
    ends = ends[ranged]
    every = np.concatenate([values[drawn], ends[np.isfinite(ends)]])
    if len(every) and every.min() > 0.0 and every.max() > 20.0 * every.min():
        ax.set_xscale("log")
    else:
        ax.set_xlim(left=0.0)


def _circle(ax: Axes, roots: pd.DataFrame) -> None:
    turn = np.linspace(0.0, 2.0 * np.pi, 200)
    ax.plot(np.cos(turn), np.sin(turn), color=GREY, lw=0.8)
    for sign in (1.0, -1.0):
        ax.plot(roots["real"], sign * roots["imag"], "o", color=BLUE, ms=5)
    ax.set_aspect("equal", adjustable="datalim")


def _paths(ax: Axes, paths: pd.DataFrame) -> None:
    x = positions(paths.index)
    for name, (color, dashes) in zip(paths.columns, LINES, strict=False):
        ax.plot(x, paths[name], color=color, ls=dashes, lw=1.0, label=str(name))
    ax.set_yscale("log")
    time_axis(ax, x)
