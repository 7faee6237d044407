"""Pictures of learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from rnnstats._picture import BAND, BLUE, GREY, PALETTE, legend, new_figure, percent, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["clipping_figure", "dependence_figure", "gradients_figure"]

FloatArray = NDArray[np.float64]

SMOOTHED: Final = 20  # steps
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")


def look(number: int) -> dict[str, Any]:
    """Colour and marker of one of several lines.

    Parameters
    ----------
    number : int

    Returns
    -------
    dict
    """
    marker = MARKERS[number % len(MARKERS)]
    return {"color": PALETTE[number % len(PALETTE)], "marker": marker, "ms": 4, "lw": 1.3}


def dependence_figure(
    table: pd.DataFrame, networks: Sequence[str], title: str, alpha: float, fig: Figure | None
) -> Figure:
    """Draw success and skill against lag.

    Parameters
    ----------
    table : DataFrame
        Of `LongDependence.frame`.
    networks : sequence of str
    title : str
    alpha : float
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(fig, caller="plot", width=9.0, height=3.8)
    left, right = figure.subplots(1, 2, sharex=True)
    middle = (len(networks) - 1) / 2.0
    for number, name in enumerate(networks):
        own = table.loc[name]
        x = own.index.to_numpy(dtype=float) * 1.025 ** (number - middle)  # bars side by side
        share = own["share"].to_numpy()
        reach = [share - own["lower"].to_numpy(), own["upper"].to_numpy() - share]
        bars: dict[str, Any] = {"capsize": 2, "elinewidth": 0.8, **look(number)}
        left.errorbar(x, share, yerr=np.maximum(reach, 0.0), label=name, **bars)
        skill, runs = own["skill"].to_numpy(), own["runs"].to_numpy(dtype=float)
        width = stdtrit(np.maximum(runs - 1.0, 1.0), 1.0 - alpha / 2.0)
        error = np.nan_to_num(width * own["skill_se"].to_numpy())
        above = np.clip(1.0 - skill, 0.0, error)  # no skill is larger than one
        right.errorbar(x, skill, yerr=[error, above], label=name, **bars)
    style(left, f"{title}: share of runs that succeed")
    style(right, "Skill at the end: mean over runs")
    lags = sorted({lag for name in networks for lag in table.loc[name].index})
    for ax in (left, right):
        _lag_axis(ax, lags)
    left.set_ylim(-0.04, 1.04)
    left.set_ylabel(f"share, {percent(alpha)} Wilson interval")
    right.set_ylabel(f"skill, {percent(alpha)} Student interval")
    legend(figure, left)
    return figure


def _lag_axis(ax: Axes, lags: Sequence[int]) -> None:
    """Lags on a logarithmic scale, as they were tried."""
    ax.set_xscale("log")
    ax.set_xticks(lags, [str(lag) for lag in lags])
    ax.minorticks_off()
    ax.set_xlabel("lag, rows")


def gradients_figure(
    table: pd.DataFrame,
    course: Mapping[str, FloatArray],
    at: Sequence[int],
    title: str,
    alpha: float,
    fig: Figure | None,
) -> Figure:
    """Draw gradients by lag, and the course of skill and gradient norm.

    Parameters
    ----------
    table : DataFrame
        Of `TrainingGradients.frame`.
    course : mapping of str to ndarray, shape (runs, steps + 1, 3)
    at : sequence of int
    title : str
    alpha : float
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = list(course)
    figure = new_figure(fig, caller="plot", width=3.4 * len(names) + 0.6, height=6.2)
    grid = figure.subplots(3, len(names), squeeze=False, sharey="row", height_ratios=(2.2, 1, 1))
    import matplotlib as mpl

    palettes: Any = mpl
    shades = palettes.colormaps["viridis_r"](np.linspace(0.12, 1.0, len(at)))
    finite = table["relative"].to_numpy()[np.isfinite(table["relative"])]
    low = 1.3 * min(finite.min(initial=0.0), -1.0)  # what single sequences do below is not shown
    for column, name in enumerate(names):
        top, middle, bottom = grid[:, column]
        for number, step in enumerate(at):
            here = table.xs((name, step))
            lags = here.index.to_numpy()
            top.plot(lags, here["relative"], color=shades[number], lw=1.4, label=f"step {step}")
            if number in (0, len(at) - 1):
                lower = np.maximum(here["lower"], low)
                top.fill_between(lags, lower, here["upper"], color=shades[number], alpha=BAND, lw=0)
        top.axhline(0.0, color=GREY, lw=0.6)
        top.set_ylim(low, None)
        top.set_xlabel("rows back from the loss")
        style(top, name)
        _course(middle, np.log10(np.maximum(course[name][..., 0], np.finfo(float).tiny)))
        _course(bottom, _smooth(course[name][..., 1]))
        bottom.set_xlabel("step")
        for ax in (middle, bottom):
            style(ax, "")
    grid[0, 0].set_ylabel("log10 |gradient by state|,\nrelative to lag 0")
    grid[1, 0].set_ylabel("log10 |gradient\nby weights|")
    grid[2, 0].set_ylabel("skill")
    figure.suptitle(
        f"{title}: medians, {percent(alpha)} of the sequences at first and at last",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    legend(figure, grid[0, 0])
    return figure


def _course(ax: Axes, values: FloatArray) -> None:
    """Draw the median over runs, and the runs themselves, faintly."""
    steps = np.arange(values.shape[1])
    ax.plot(steps, values.T, color=BLUE, lw=0.5, alpha=0.35)
    ax.plot(steps, np.median(values, axis=0), color=BLUE, lw=1.4)


def _smooth(values: FloatArray) -> FloatArray:
    """Mean of the latest steps, 20 at most."""
    sums = np.cumsum(values, axis=1)
    out = sums.copy()
    out[:, SMOOTHED:] -= sums[:, :-SMOOTHED]
    smooth: FloatArray = out / np.minimum(np.arange(values.shape[1]) + 1, SMOOTHED)
    return smooth


def clipping_figure(
    table: pd.DataFrame,
    norms: Mapping[str, Sequence[FloatArray]],
    title: str,
    alpha: float,
    fig: Figure | None,
) -> Figure:
    """Draw success by threshold, and the distribution of gradient norms over all steps.

    Parameters
    ----------
    table : DataFrame
        Of `ClippingEffect.frame`.
    norms : mapping of str to sequence of ndarray
        By threshold: norms along each run.
    title : str
    alpha : float
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(fig, caller="plot", width=9.0, height=3.6)
    left, right = figure.subplots(1, 2)
    x = np.arange(len(table))
    share = table["share"].to_numpy()
    reach = np.array([share - table["lower"].to_numpy(), table["upper"].to_numpy() - share])
    points: dict[str, Any] = {"color": BLUE, "marker": "o", "ls": "", "capsize": 3}
    left.errorbar(x, share, yerr=np.maximum(reach, 0.0), **points)
    left.set_xticks(x, list(table.index))
    left.set_xlim(-0.5, len(table) - 0.5)
    left.set_ylim(-0.04, 1.04)
    left.set_xlabel("largest norm of the gradient")
    left.set_ylabel(f"share, {percent(alpha)} Wilson interval")
    style(left, f"{title}: share of runs that succeed")
    for number, (name, runs) in enumerate(norms.items()):
        seen = np.sort(np.concatenate(runs))
        seen = seen[np.isfinite(seen) & (seen > 0.0)]
        if not len(seen):
            continue
        beyond = 1.0 - np.arange(len(seen)) / len(seen)
        line = look(number)
        label = "not clipped" if name == "none" else f"clipped at {name}"
        right.step(seen, beyond, where="pre", color=line["color"], lw=1.3, label=label)
        if name != "none":
            right.axvline(float(name), color=line["color"], lw=0.7, ls=":")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("norm of the gradient before clipping")
    right.set_ylabel("share of steps with a larger one")
    style(right, "Gradients of all steps")
    right.legend(fontsize=8, frameon=False)
    return figure
