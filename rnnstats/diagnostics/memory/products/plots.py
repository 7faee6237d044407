"""Pictures of products of Jacobians and of gradients by lag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._picture import (
    BAND,
    BLUE,
    GREY,
    ORANGE,
    legend,
    new_figure,
    percent,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_gradient_norms", "draw_gradients", "draw_products"]

FloatArray = NDArray[np.float64]

# Panels at most: pairs of an output and an input, in the order in which they matter.
PANELS = 12
# Singular values at most that get a line.
LINES = 10
TEN = float(np.log(10.0))


def draw_products(
    norms: pd.DataFrame,
    singular: pd.DataFrame,
    rate: pd.Series,
    step: str,
    *,
    fig: Figure | None,
) -> Figure:
    """
    Draw the norm of products of Jacobians and all singular values by horizon.

    Parameters
    ----------
    norms : DataFrame
        As `JacobianProducts.frame`.
    singular : DataFrame
        As `JacobianProducts.log_singular_values`.
    rate : Series
        Row of `JacobianProducts.verdict`.
    step : str
        Unit of time.
    fig : matplotlib.figure.Figure or None
        Drawn into; None for a new one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="plot", width=10.4, height=4.0)
    ax, other = fig.subplots(1, 2)
    lags = norms.index.to_numpy()
    tens = _finite(norms[["mean", "median", "lower", "upper"]]) / TEN
    several = bool((norms["rows"] > 1).any())
    if several:
        ax.fill_between(
            lags, tens["lower"], tens["upper"], color=BLUE, alpha=BAND, lw=0,
            label="10 % to 90 % of starting rows",
        )  # fmt: skip
    ax.plot(lags, tens["median"], color=BLUE, lw=1.4, label="median" if several else "norm")
    if np.isfinite(rate["rate"]):
        ax.plot(
            lags, rate["rate"] * lags / TEN, color=ORANGE, lw=1.2, ls="--",
            label=f"rate {_told(rate)} a row: {rate['verdict']}",
        )  # fmt: skip
    ax.axhline(0.0, color="black", lw=0.6, ls=":")
    ax.set_xlabel(f"horizon ({step})")
    ax.set_ylabel("log10")
    _whole(ax)
    style(ax, "Norm of dh(t+k)/dh(t)")
    ax.legend(fontsize=8, frameon=False, loc="best")
    _draw_singular(other, singular, step)
    return fig


def _draw_singular(ax: Axes, singular: pd.DataFrame, step: str) -> None:
    """One line a singular value."""
    wide = _finite(singular["median"].unstack("singular")) / TEN
    shown = wide.iloc[:, :LINES]
    import matplotlib

    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, shown.shape[1]))
    for colour, (name, values) in zip(colours, shown.items(), strict=True):
        ax.plot(wide.index.to_numpy(), values, color=colour, lw=1.3, label=str(name))
    ax.axhline(0.0, color="black", lw=0.6, ls=":")
    ax.set_xlabel(f"horizon ({step})")
    _whole(ax)
    rest = f", the largest {LINES} of {wide.shape[1]}" if wide.shape[1] > LINES else ""
    style(ax, f"Singular values, medians{rest}")
    ax.legend(fontsize=8, frameon=False, loc="best", ncols=2)


def _told(rate: pd.Series) -> str:
    error = rate["rate_se"]
    known = np.isfinite(error) and error > 0.0
    return f"{rate['rate']:.3g} ± {error:.2g}" if known else f"{rate['rate']:.3g}"


def _finite(frame: Any) -> Any:
    return frame.replace([-np.inf, np.inf], np.nan)


def draw_gradient_norms(
    frame: pd.DataFrame, title: str, step: str, *, fig: Figure | None
) -> Figure:
    """
    Draw gradient norms by lag, with the range over rows.

    Parameters
    ----------
    frame : DataFrame
        As `GradientByLag.frame`: index ``lag``, or a name and ``lag``.
    title : str
        What the gradient is of and by.
    step : str
        Unit of time.
    fig : matplotlib.figure.Figure or None
        Drawn into; None for a new one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    parts = _parts(frame)
    fig, axes = _panels(fig, len(parts))
    for ax, (name, part) in zip(axes, parts, strict=False):
        lags = part.index.get_level_values("lag").to_numpy()
        positive = _finite(part.drop(columns="rows")).where(lambda value: value > 0.0)
        if (part["rows"] > 1).any():
            ax.fill_between(
                lags, positive["lower"], positive["upper"], color=BLUE, alpha=BAND, lw=0,
                label="10 % to 90 % of rows",
            )  # fmt: skip
        ax.plot(lags, positive["mean"], color=BLUE, lw=1.4, label="mean")
        ax.plot(lags, positive["median"], color=ORANGE, lw=1.1, ls="--", label="median")
        if positive["mean"].notna().any():
            ax.set_yscale("log")
        ax.set_xlabel(f"lag ({step})")
        _whole(ax)
        style(ax, f"{title}: {name}" if name else title)
    legend(fig, axes[0])
    return fig


def draw_gradients(frame: pd.DataFrame, alpha: float, step: str, *, fig: Figure | None) -> Figure:
    """
    Draw gradients of outputs by past inputs, with the interval of the mean and the range over rows.

    Parameters
    ----------
    frame : DataFrame
        As `GradientByLag.frame`: index ``output``, ``input``, ``lag``; ``reach``, half the length
        of the interval of the mean.
    alpha : float
        One minus the coverage of these.
    step : str
        Unit of time.
    fig : matplotlib.figure.Figure or None
        Drawn into; None for a new one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    parts = _parts(frame)
    fig, axes = _panels(fig, len(parts))
    for ax, (name, part) in zip(axes, parts, strict=False):
        lags = part.index.get_level_values("lag").to_numpy()
        shown = _finite(part)
        if (part["rows"] > 1).any():
            ax.fill_between(
                lags, shown["lower"], shown["upper"], color=GREY, alpha=BAND, lw=0,
                label="10 % to 90 % of rows",
            )  # fmt: skip
        told = shown["reach"].fillna(0.0)
        known = bool((told > 0.0).any())
        ax.errorbar(
            lags, shown["mean"], yerr=told, color=BLUE, lw=1.2, elinewidth=1.0, capsize=2.0,
            marker="o", ms=3, label=f"mean, {percent(alpha)} interval" if known else "mean",
        )  # fmt: skip
        ax.axhline(0.0, color="black", lw=0.6, ls=":")
        ax.set_xlabel(f"lag ({step})")
        _whole(ax)
        style(ax, name)
    legend(fig, axes[0])
    return fig


def _whole(ax: Axes) -> None:
    """Write whole numbers of rows."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def _parts(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Tables by lag, by what they are of and by; the largest at most."""
    levels = [str(name) for name in frame.index.names[:-1]]
    if len(levels) == 0:
        return [("", frame)]
    size = frame["abs_mean"] if "abs_mean" in frame else frame["mean"]
    grouped: Any = frame.groupby(level=levels, sort=False)
    found = []
    for key, part in grouped:
        words = " by ".join(str(one) for one in (key if isinstance(key, tuple) else (key,)))
        found.append((float(np.nansum(size.loc[part.index])), words, part))
    least = sorted((one[0] for one in found), reverse=True)[:PANELS][-1]
    return [(words, part) for total, words, part in found if total >= least][:PANELS]


def _panels(fig: Figure | None, count: int) -> tuple[Figure, list[Axes]]:
    """A figure with that many panels, at most three side by side."""
    count = min(count, PANELS)
    across = 2 if count == 4 else min(count, 3)
    down = -(-count // across)
    fig = new_figure(fig, caller="plot", width=max(5.2, 3.8 * across), height=0.8 + 2.8 * down)
    grid = fig.subplots(down, across, squeeze=False)
    axes = list(grid.ravel())
    for ax in axes[count:]:
        ax.set_visible(False)
    return fig, axes[:count]
