"""Pictures of transfer functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._picture import BAND, BLUE, GREY, ORANGE, legend, new_figure, percent, style
from rnnstats.diagnostics.memory.filters.frequency import smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_transfer"]

FloatArray = NDArray[np.float64]


def draw_transfer(function: Any, source: str, output: str, *, fig: Figure | None) -> Figure:
    """Draw gain, phase and group delay of one pair, and the spectrum of the output.

    Parameters
    ----------
    function : TransferFunction
    source, output : str
        Names of the input and the output.
    fig : Figure or None

    Returns
    -------
    Figure
    """
    spectrum, seen = function.spectrum, function.periodogram
    told = output in seen.columns or (len(spectrum) > 0)
    height = 6.2 if told else 3.2
    figure = new_figure(fig, caller="plot", width=9.5, height=height)
    curves = function.frame.xs((source, output), level=(0, 1)).sort_index()
    corners = function.cutoffs.loc[(source, output)]
    axes: list[Axes] = list(np.ravel(figure.subplots(*((2, 2) if told else (1, 3)))))
    unit, level = function.scale.unit, percent(function.alpha)
    titles = {
        "gain": f"Gain, {source} to {output}",
        "phase": "Phase (radians)",
        "group_delay": f"Group delay ({unit})",
    }
    for ax, (name, title) in zip(axes, titles.items(), strict=False):
        if corners["kind"] == "unstable":
            words = f"unstable (largest root {function.system.radius:.4g}):\nno stationary response"
            ax.set_yticks([])
            ax.text(0.5, 0.5, words, ha="center", va="center", transform=ax.transAxes, fontsize=9)
        else:
            _curve(ax, curves, name, level)
        style(ax, title)
    for name, mark in (("upper", "--"), ("lower", "--")):
        if np.isfinite(corners[name]):
            axes[0].axvline(corners[name], color=ORANGE, lw=1.0, ls=mark, label="-3 dB")
    if told:
        _spectrum(axes[3], spectrum, seen, output, level)
        style(axes[3], f"Spectral density of {output}")
    for ax in axes:
        ax.set_xlabel(f"frequency (radians per {function.scale.single})", fontsize=9)
        ax.set_xlim(curves.index.min(), curves.index.max())
    _legend(figure, axes)
    return figure


def _curve(ax: Axes, curves: pd.DataFrame, name: str, level: str) -> None:
    x = curves.index.to_numpy(dtype=np.float64)
    ax.plot(x, curves[name], color=BLUE, lw=1.4, label="model")
    ends = curves[[f"{name}_lower", f"{name}_upper"]].to_numpy()
    if (ends[:, 1] > ends[:, 0]).any():
        ax.fill_between(
            x, ends[:, 0], ends[:, 1], color=BLUE, alpha=BAND, lw=0, label=f"{level} band"
        )
    if name == "gain":
        ax.set_ylim(bottom=0.0)
        tops = curves[name].to_numpy()
        top = float(np.nanmax(tops[np.isfinite(tops)], initial=0.0))
        ax.set_ylim(top=_limit(ends[:, 1], top))


def _limit(upper: FloatArray, top: float) -> float:
    """Upper end of an axis: the band's, but no more than three times the curve's."""
    highest = np.max(upper[np.isfinite(upper)], initial=top)
    return 1.05 * float(min(highest, 3.0 * top)) if top > 0.0 else 1.0


def _spectrum(
    ax: Axes, spectrum: pd.DataFrame, seen: pd.DataFrame, output: str, level: str
) -> None:
    values: list[FloatArray] = []
    if output in seen.columns:
        x, y = seen.index.to_numpy(dtype=np.float64), seen[output].to_numpy()
        ax.plot(x, y, ".", color=GREY, ms=3, alpha=0.6, label="periodogram")
        ax.plot(x, smoothed(y[:, None])[:, 0], color=GREY, lw=1.0, label="smoothed")
        values.append(y[y > 0.0])
    if len(spectrum):
        part = spectrum[output]
        x = part.index.to_numpy(dtype=np.float64)
        ax.plot(x, part["density"], color=BLUE, lw=1.4, label="model")
        if (part["upper"] > part["lower"]).any():
            ax.fill_between(
                x, part["lower"], part["upper"], color=BLUE, alpha=BAND, lw=0, label=f"{level} band"
            )
        values.append(part["density"].to_numpy())
    ax.set_yscale("log")
    every = np.concatenate(values)
    every = every[np.isfinite(every) & (every > 0.0)]
    if every.size:  # the lowest points of a periodogram say nothing
        ax.set_ylim(max(every.min(), np.quantile(every, 0.02) / 5.0), 2.0 * every.max())


def _legend(figure: Figure, axes: list[Axes]) -> None:
    """One legend for all panels."""
    last = axes[-1]
    known = set(last.get_legend_handles_labels()[1])
    for ax in axes[:-1]:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            if label in known:
                continue
            known.add(label)
            if label.endswith("band"):
                last.fill_between([], [], [], color=BLUE, alpha=BAND, lw=0, label=label)
            else:
                look: Any = handle
                color, dashes = look.get_color(), look.get_linestyle()
                last.plot([], [], color=color, ls=dashes, lw=1.0, label=label)
    legend(figure, last)
