"""What all pictures share; matplotlib loads when a function here is first called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BAND",
    "BLUE",
    "GREEN",
    "GREY",
    "INNER",
    "ORANGE",
    "PALETTE",
    "band",
    "legend",
    "new_figure",
    "percent",
    "positions",
    "style",
    "time_axis",
]

FloatArray = NDArray[np.float64]

# Okabe and Ito's palette: told apart by colour-blind readers and in grey.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#7F7F7F"
PALETTE = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", GREY, "#000000")
BAND, INNER = 0.18, "#86BADA"


def new_figure(fig: Figure | None, *, caller: str, width: float, height: float) -> Figure:
    """Return the figure to draw into."""
    if fig is not None:
        return fig
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingDependencyError(
            f"{caller}: plots need matplotlib; got an installation without it. "
            "Install it with: pip install 'rnnstats[plot]'."
        ) from error
    return plt.figure(figsize=(width, height), layout="constrained")


def positions(index: pd.Index) -> Any:
    """Return the labels of an index as matplotlib can place them."""
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp().to_numpy()
    if isinstance(index, pd.DatetimeIndex):
        return index.tz_localize(None).to_numpy()
    if pd.api.types.is_numeric_dtype(index):
        return index.to_numpy()
    return np.arange(len(index))


def time_axis(ax: Axes, x: Any) -> None:
    """Write dates short and far enough apart; other labels stay as they are."""
    if not np.issubdtype(x.dtype, np.datetime64):
        return
    import matplotlib.dates

    untyped: Any = matplotlib.dates
    locator = untyped.AutoDateLocator(minticks=3, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))


def style(ax: Axes, title: str) -> None:
    ax.set_title(title, loc="left", fontsize=10)
    ax.grid(True, alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def legend(fig: Figure, ax: Axes) -> None:
    """Put the legend of an axes below all panels, where no line can run through it."""
    if fig.get_layout_engine() is None:  # a figure of the user's own: nothing makes room for it
        ax.legend(fontsize=8, frameon=False, loc="best", ncols=2)
        return
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="outside lower center", fontsize=8, frameon=False, ncols=len(labels)
    )


def percent(alpha: float) -> str:
    return f"{100 * (1 - alpha):g} %"


def band(
    ax: Axes, x: Any, mean: FloatArray, error: FloatArray, width: float, color: str, label: str
) -> None:
    finite = np.isfinite(error) & np.isfinite(mean)
    reach = np.where(finite, width * np.where(finite, error, 0.0), np.nan)
    ax.fill_between(x, mean - reach, mean + reach, color=color, alpha=BAND, lw=0, label=label)
