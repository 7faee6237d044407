"""Pictures of Lyapunov exponents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rnnstats._picture import BLUE, GREY, ORANGE, legend, new_figure, percent, style
from rnnstats.diagnostics.memory.standard_errors import StandardError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_chaos", "draw_finite_time", "draw_spectrum"]

FloatArray = NDArray[np.float64]

# Points of a line; exponents that get a line of their own.
POINTS, LINES = 400, 12


def draw_spectrum(
    stretch: FloatArray,
    frame: pd.DataFrame,
    quantities: pd.DataFrame,
    *,
    dt: float,
    alpha: float,
    closed: bool,
    fig: Figure | None,
) -> Figure:
    """Draw running means of the exponents beside the exponents with their intervals.

    Parameters
    ----------
    stretch : ndarray, shape (k, m)
        Log stretches of the rows, a unit of time.
    frame : DataFrame
        As `LyapunovSpectrum.frame`.
    quantities : DataFrame
        As `LyapunovSpectrum.quantities`.
    dt : float
        Time from row to row.
    alpha : float
        One minus the coverage of the intervals.
    closed : bool
        Whether a matrix gives the exponents, and there is nothing to run.
    fig : Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="plot", width=6.0 if closed else 10.0, height=3.8)
    axes = fig.subplots(1, 1 if closed else 2, squeeze=False)[0]
    if not closed:
        _running(axes[0], stretch, frame, dt)
    _intervals(axes[-1], frame, alpha)
    size, error = quantities.iloc[0]
    spread = f" ({error:.2g})" if np.isfinite(error) and error > 0.0 else ""
    style(axes[-1], f"Exponents; Kaplan-Yorke dimension {size:.4g}{spread}")
    legend(fig, axes[-1])
    return fig


def _running(ax: Axes, stretch: FloatArray, frame: pd.DataFrame, dt: float) -> None:
    rows = len(stretch)
    finite = np.flatnonzero(np.isfinite(stretch).all(axis=0))[:LINES]
    at = np.unique(np.geomspace(1, rows, POINTS).astype(np.intp)) - 1
    for j in finite:
        means = np.cumsum(stretch[:, j])[at] / (at + 1)
        ax.plot((at + 1) * dt, means, color=BLUE, linewidth=1.1, alpha=1.0 if j == 0 else 0.6)
        found = frame["exponent"].iloc[j]
        ax.axhline(found, color=GREY, linewidth=0.6, linestyle=":")
    ax.axhline(0.0, color="black", linewidth=0.8)
    ax.set_xscale("log")
    late = at >= rows // 50
    if len(finite):
        seen = np.concatenate(
            [(np.cumsum(stretch[:, j])[at] / (at + 1))[late] for j in finite] + [np.zeros(1)]
        )
        low, high = float(seen.min()), float(seen.max())
        room = 0.15 * max(high - low, 1e-12)
        ax.set_ylim(low - room, high + room)
    ax.set_xlabel("rows" if dt == 1.0 else "time")
    style(ax, "Mean log growth as the run goes on")


def _intervals(ax: Axes, frame: pd.DataFrame, alpha: float) -> None:
    places = np.asarray(frame.index, dtype=np.float64)
    values = frame["exponent"].to_numpy(dtype=np.float64)
    lower, upper = (frame[name].to_numpy(dtype=np.float64) for name in ("lower", "upper"))
    told = np.isfinite(lower) & np.isfinite(upper)
    shown = np.isfinite(values)
    ax.axhline(0.0, color="black", linewidth=0.8)
    ax.vlines(
        places[told], lower[told], upper[told], color=BLUE, linewidth=2.2, alpha=0.6,
        label=f"{percent(alpha)} interval",
    )  # fmt: skip
    ax.plot(places[shown], values[shown], "o", color=BLUE, markersize=5, label="exponent")
    lost = np.isneginf(values)
    if lost.any():
        bottom = ax.get_ylim()[0]
        ax.plot(places[lost], np.full(int(lost.sum()), bottom), "v", color=GREY, label="-inf")
    ax.set_xticks(places if len(places) <= LINES else places[:: len(places) // LINES])
    ax.set_xlim(0.5, len(places) + 0.5)
    ax.set_xlabel("direction")


def draw_finite_time(frame: pd.DataFrame, exponents: FloatArray, *, fig: Figure | None) -> Figure:
    """Draw the spread of exponents of windows by their length, one panel a direction.

    Parameters
    ----------
    frame : DataFrame
        As `FiniteTimeExponents.frame`.
    exponents : ndarray, shape (m,)
        Of the whole run.
    fig : Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = [int(j) for j in np.flatnonzero(np.isfinite(exponents))[:3]] or [0]
    fig = new_figure(fig, caller="plot", width=max(6.2, 4.2 * len(shown) + 0.6), height=3.6)
    axes = fig.subplots(1, len(shown), squeeze=False)[0]
    for ax, j in zip(axes, shown, strict=True):
        part = frame.xs(j + 1, level="direction")
        steps = part.index.to_numpy(dtype=np.float64)
        ax.fill_between(
            steps, part["q05"], part["q95"], color=BLUE, alpha=0.18, lw=0, label="5 % to 95 %"
        )
        ax.fill_between(
            steps, part["q25"], part["q75"], color=BLUE, alpha=0.3, lw=0, label="25 % to 75 %"
        )
        mean: Any = part["mean"].to_numpy()
        ax.plot(steps, mean, "o-", color=BLUE, markersize=3.5, linewidth=1.2, label="mean")
        if np.isfinite(exponents[j]):
            ax.axhline(exponents[j], color=ORANGE, linewidth=1.2, label="Lyapunov exponent")
        ax.axhline(0.0, color="black", linewidth=0.8)
        ax.set_xscale("log")
        ax.set_xlabel("rows of a window")
        style(ax, f"Exponents of windows, direction {j + 1}")
    legend(fig, axes[0])
    return fig


def draw_chaos(
    exponent: float, error: StandardError, alpha: float, verdict: str, *, fig: Figure | None
) -> Figure:
    """Draw the density around the estimate, with the one-sided bounds.

    Parameters
    ----------
    exponent : float
        Estimate.
    error : StandardError
    alpha : float
        Level of each test.
    verdict : str
    fig : Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="plot", width=7.0, height=3.4)
    ax = fig.subplots()
    if np.isfinite(exponent) and np.isfinite(error.value) and error.value > 0.0:
        reach = error.reach(2.0 * alpha)
        size = error.scale * error.value
        x = exponent + max(4.0 * size, 1.2 * reach) * np.linspace(-1.0, 1.0, 401)
        density = stats.t.pdf(x, error.df, exponent, size)
        ax.fill_between(x, density, color=BLUE, alpha=0.18, lw=0)
        ax.plot(x, density, color=BLUE, linewidth=1.2, label="estimate")
        for place, side in ((-reach, "lower"), (reach, "upper")):
            ax.axvline(
                exponent + place, color=ORANGE, linewidth=1.2,
                linestyle="--" if side == "lower" else ":",
                label=f"{percent(alpha)} {side} bound",
            )  # fmt: skip
        ax.set_ylim(bottom=0.0)
    elif np.isfinite(exponent):
        ax.axvline(exponent, color=BLUE, linewidth=1.6, label="estimate")
    ax.axvline(0.0, color="black", linewidth=1.0, label="no growth")
    ax.set_yticks([])
    ax.set_xlabel("largest Lyapunov exponent")
    style(ax, f"Test of chaos: {verdict}")
    legend(fig, ax)
    return fig
