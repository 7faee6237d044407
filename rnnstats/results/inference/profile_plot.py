"""Drawing of profile likelihoods; matplotlib loads when a function here is called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats._picture import BLUE, GREY, ORANGE, legend, new_figure, style
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_profiles"]


def draw_profiles(
    table: pd.DataFrame, curves: Mapping[str, pd.DataFrame], alpha: float, fig: Figure | None
) -> Figure:
    """Draw deviance against value, one panel a parameter or function.

    Parameters
    ----------
    table : DataFrame
        Of `ProfileIntervals`.
    curves : mapping of str to DataFrame
        Likewise.
    alpha : float
        One minus the coverage.
    fig : matplotlib.figure.Figure, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpecificationError
        No profile has a curve.
    """
    shown = [name for name in table.index if len(curves[name]) > 1]
    if not shown:
        raise SpecificationError(
            "plot: there must be a profile to draw; got none with more than one point. See frame."
        )
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(fig, caller="plot", width=3.6 * columns, height=2.8 * rows)
    cut = float(stats.chi2.ppf(1.0 - alpha, 1))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, name in zip(axes, shown, strict=False):
        _panel(ax, name, table.loc[name], curves[name], cut)
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
    legend(figure, axes[0])
    return figure


def _panel(ax: Axes, name: str, row: Any, curve: pd.DataFrame, cut: float) -> None:
    near = curve[curve["deviance"] <= 1.7 * cut]
    ax.plot(near["value"], near["deviance"], color=BLUE, label="profile")
    half = 0.5 * (row["wald upper"] - row["wald lower"])
    if math.isfinite(half) and half > 0.0:
        x = np.linspace(near["value"].min(), near["value"].max(), 101)
        y = cut * ((x - row["estimate"]) / half) ** 2
        ax.plot(x[y <= 1.7 * cut], y[y <= 1.7 * cut], "--", color=ORANGE, label="Wald")
    ax.axhline(cut, color=GREY, linestyle=":", label="cut")
    for end in (row["lower"], row["upper"]):
        if math.isfinite(end):
            ax.axvline(end, color=BLUE, linewidth=0.8, alpha=0.6)
    ax.set_ylim(0.0, 1.7 * cut)
    ax.locator_params(axis="x", nbins=5)
    ax.set_ylabel("deviance")
    style(ax, str(name))
