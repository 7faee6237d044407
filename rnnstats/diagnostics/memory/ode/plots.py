"""Pictures of step methods, and of differential equations as recurrences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._picture import BLUE, GREEN, GREY, INNER, ORANGE, PALETTE, legend, new_figure, style
from rnnstats.diagnostics.memory.ode.step_methods import ROUNDING, TITLES, Method

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_errors",
    "draw_products",
    "draw_region",
    "draw_solution",
    "draw_stiffness",
]

FloatArray = NDArray[np.float64]

MARKERS = ("o", "s", "^", "D", "v")
# Points along each side of the region; its smallest half-width.
FINE, LEAST = 301, 3.5


def _region(ax: Axes, rule: Method, z: NDArray[Any]) -> None:
    """Shade where a method's disturbances do not grow, and mark points z = lambda dt."""
    live = z[np.isfinite(z)]
    reach = max(LEAST, 1.15 * float(np.abs(live).max(initial=0.0)))
    side = np.linspace(-reach, reach, FINE)
    grid = side[None, :] + 1j * side[:, None]
    # beyond 1e3 the shading says nothing more
    modulus = np.minimum(np.abs(rule.factor(grid)), 1e3)
    ax.contourf(side, side, modulus, levels=[0.0, 1.0], colors=[INNER], alpha=0.6)
    ax.contour(side, side, modulus, levels=[1.0], colors=[BLUE], linewidths=1.2)
    ax.axhline(0.0, color=GREY, lw=0.6)
    ax.axvline(0.0, color=GREY, lw=0.6)
    if len(live):
        stable = np.abs(rule.factor(live)) <= 1.0 + ROUNDING
        for which, colour, label in ((stable, GREEN, "does not grow"), (~stable, ORANGE, "grows")):
            if which.any():
                points = live[which]
                ax.plot(points.real, points.imag, "o", color=colour, ms=4, label=label)
    ax.set_aspect("equal")
    ax.set_xlabel("Re z")
    ax.set_ylabel("Im z")


def draw_region(rule: Method, z: NDArray[Any], *, caller: str, fig: Figure | None) -> Figure:
    """Draw a stability region.

    Parameters
    ----------
    rule : Method
    z : ndarray, shape (n,)
        Points in it.
    caller : str
        Function that the user called, for messages.
    fig : Figure, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller=caller, width=5.2, height=5.0)
    ax = fig.subplots()
    _region(ax, rule, z)
    style(ax, f"{rule.title}: |R(z)| at most 1 (shaded)")
    if len(z):
        legend(fig, ax)
    return fig


def draw_solution(frame: pd.DataFrame, title: str, *, fig: Figure | None) -> Figure:
    """Draw states over time.

    Parameters
    ----------
    frame : DataFrame
    title : str
    fig : Figure, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="integrate", width=8.0, height=3.4)
    ax = fig.subplots()
    for place, name in enumerate(frame.columns):
        colour = PALETTE[place % len(PALETTE)]
        ax.plot(frame.index, frame[name], color=colour, lw=1.1, label=str(name))
    ax.set_xlabel("time")
    style(ax, title)
    legend(fig, ax)
    return fig


def draw_errors(errors: pd.DataFrame, orders: pd.DataFrame, *, fig: Figure | None) -> Figure:
    """Draw errors against steps.

    Parameters
    ----------
    errors, orders : DataFrame
    fig : Figure, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="global_error", width=7.6, height=4.6)
    ax = fig.subplots()
    for place, (method, group) in enumerate(errors.groupby("method", sort=False)):
        finite = group[np.isfinite(group["error"]) & (group["error"] > 0.0)]
        order = float(orders["order"].to_numpy()[place])
        words = "" if np.isnan(order) else f" ({order:.2f})"
        ax.loglog(
            finite["dt"],
            finite["error"],
            marker=MARKERS[place % len(MARKERS)],
            ms=4,
            lw=1.2,
            color=PALETTE[place % len(PALETTE)],
            label=f"{TITLES[str(method)]}{words}",
        )
    ax.set_xlabel("dt")
    ax.set_ylabel("error at the end")
    style(ax, "Global error (order observed)")
    legend(fig, ax)
    return fig


def draw_stiffness(rows: pd.DataFrame, fast: float, *, fig: Figure | None) -> Figure:
    """Draw the factor of the fast mode and the error against the step.

    Parameters
    ----------
    rows : DataFrame
    fast : float
        Rate of the fast mode.
    fig : Figure, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="stiffness_example", width=9.4, height=4.2)
    left, right = fig.subplots(1, 2)
    for place, (method, group) in enumerate(rows.groupby("method", sort=False)):
        look = {
            "marker": MARKERS[place % len(MARKERS)],
            "ms": 4,
            "lw": 1.2,
            "color": PALETTE[place % len(PALETTE)],
            "label": TITLES[str(method)],
        }
        factor = np.maximum(np.abs(group["factor_fast"]), 1e-6)
        left.loglog(group["dt"], factor, **look)
        error = group["error"].where(np.isfinite(group["error"]))
        right.loglog(group["dt"], error, **look)
    left.axhline(1.0, color=GREY, lw=0.9, ls="--")
    right.set_ylim(1e-16, 1e4)
    left.set_ylabel("modulus")
    right.set_ylabel("relative error at the end (cut at 1e4)")
    for ax in (left, right):
        ax.set_xlabel("dt")
    style(left, f"Factor of the fast mode (rate {fast:g}), at least 1e-6")
    style(right, "Global error")
    legend(fig, left)
    return fig


def draw_products(
    rows: pd.DataFrame, rule: Method, modes: NDArray[Any], *, fig: Figure | None
) -> Figure:
    """Draw products of Jacobians beside amplification, and modes in the region.

    Parameters
    ----------
    rows : DataFrame
    rule : Method
    modes : ndarray of complex, shape (n, m)
    fig : Figure, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="amplification_product", width=9.4, height=4.4)
    left, right = fig.subplots(1, 2, width_ratios=[1.25, 1.0])
    x = np.arange(1, len(rows) + 1)
    left.plot(x, rows["log_gradient"], color=BLUE, lw=2.4, label="product of Jacobians")
    left.plot(x, rows["log_solver"], color=ORANGE, lw=1.0, ls="--", label="variational equation")
    left.plot(x, rows["log_volume"], color=GREY, lw=2.4, label="its volume")
    left.plot(x, rows["log_amplification"], color=GREEN, lw=1.0, ls="--", label="sum of log |R(z)|")
    left.set_xlabel("step")
    style(left, "Log norm and log volume of the gradient")
    _region(right, rule, modes.ravel())
    style(right, f"Modes in the region of {rule.title}")
    legend(fig, left)
    return fig
