"""Pictures of gradients as sums over paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnstats._picture import BLUE, ORANGE, legend, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_paths"]


def draw_paths(
    frame: pd.DataFrame, by_horizon: pd.DataFrame, step: str, *, fig: Figure | None
) -> Figure:
    """Draw the distribution over path lengths and the gradient by horizon.

    Parameters
    ----------
    frame, by_horizon : DataFrame
    step : str
        Unit of the horizon.
    fig : Figure, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="gradient_paths", width=9.4, height=4.0)
    left, right = fig.subplots(1, 2)
    weights = frame["distribution"].fillna(0.0).to_numpy()
    paths = np.exp(frame["log_paths"] - frame["log_paths"].max()).to_numpy()
    paths = paths / paths.sum()
    # lengths that carry next to nothing, at both ends, are left out
    seen = np.flatnonzero((weights > 1e-6) | (paths > 1e-6))
    part = slice(int(seen[0]), int(seen[-1]) + 1)
    lengths = frame.index.to_numpy()[part]
    left.bar(lengths, weights[part], width=0.9, color=BLUE, label="what they carry")
    left.plot(lengths, paths[part], color=ORANGE, lw=1.4, label="number of paths")
    left.set_xlabel("branch steps on a path")
    style(left, "Distribution over path lengths")
    right.plot(by_horizon.index, by_horizon["log_gradient"], color=BLUE, label="whole gradient")
    right.plot(
        by_horizon.index, by_horizon["log_identity"], color=ORANGE, ls="--", label="identity path"
    )
    right.set_xlabel(f"horizon in {step}")
    style(right, "Log norm of the gradient")
    legend(fig, left)
    right.legend(fontsize=8, frameon=False)
    return fig
