"""Picture of bootstrap draws; matplotlib loads when the function here is first called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnstats._checks import suggest
from rnnstats._picture import BLUE, ORANGE, new_figure, style
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_bootstrap"]


def draw_bootstrap(
    draws: pd.DataFrame,
    estimate: pd.Series,
    ends: pd.DataFrame,
    *,
    names: Sequence[str],
    fig: Figure | None,
) -> Figure:
    """Draw a histogram of each parameter's draws with estimate, mean and interval.

    Parameters
    ----------
    draws : DataFrame of shape (draws, K)
    estimate : Series of shape (K,)
    ends : DataFrame of shape (K, 2)
        Lower and upper ends of the intervals.
    names : sequence of str
        Parameters to show.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        An unknown parameter, or none.
    """
    known = [str(name) for name in draws.columns]
    for name in names:
        if name not in known:
            raise SpecificationError(
                f"plot: names must be parameters; got {name!r}.{suggest(name, known)}"
            )
    if not names:
        raise SpecificationError("plot: names must hold a parameter; got none. Leave it out.")
    across = min(3, len(names))
    down = -(-len(names) // across)
    fig = new_figure(fig, caller="plot", width=3.6 * across, height=2.6 * down)
    for place, name in enumerate(names, start=1):
        ax = fig.add_subplot(down, across, place)
        values = draws[name].to_numpy()
        # the outermost draws may lie far out and leave nothing to be seen of the others
        low, high = np.quantile(values, [0.002, 0.998])
        ax.hist(values, range=(low, high), bins="auto", color=BLUE, alpha=0.35, edgecolor="white")
        ax.axvline(estimate[name], color=ORANGE, lw=1.5)
        ax.axvline(values.mean(), color=BLUE, lw=1.2, ls="--")
        for end in (float(ends[0][name]), float(ends[1][name])):
            ax.axvline(end, color=BLUE, lw=0.9, ls=":")
        ax.tick_params(labelsize=8)
        style(ax, name)
    fig.supxlabel("line: estimate; dashed: mean of the draws; dotted: interval", fontsize=8)
    return fig
