"""Pictures; matplotlib loads when a function here is first called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats._checks import check_alpha, check_int
from rnnstats._picture import (
    BAND,
    BLUE,
    GREEN,
    GREY,
    INNER,
    ORANGE,
    band,
    legend,
    new_figure,
    percent,
    positions,
    style,
    time_axis,
)
from rnnstats.errors import DataError
from rnnstats.results.forecasting.prediction import Prediction, find_name
from rnnstats.results.protocol import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_diagnostics",
    "draw_filter_vs_smoother",
    "draw_forecast",
    "draw_memory",
    "draw_states",
    "shown_rows",
]


def draw_states(
    mean: pd.DataFrame,
    errors: pd.DataFrame,
    *,
    states: Sequence[int | str] | None,
    kind: str,
    alpha: float,
    fig: Figure | None,
) -> Figure:
    """Draw states with intervals, one a row.

    Parameters
    ----------
    mean, errors : DataFrame of shape (nobs, k_states)
        Means and standard deviations.
    states : sequence of int or str, or None for all
    kind : str
        "predicted", "filtered" or "smoothed".
    alpha : float
        One minus the coverage of the intervals.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = tuple(str(name) for name in mean.columns)
    keys = range(len(names)) if states is None else states
    chosen = [find_name(key, names, caller="plot_states", what="state") for key in keys]
    width = check_alpha(alpha, "plot_states")
    known = {"predicted": "rows before", "filtered": "rows so far", "smoothed": "all rows"}[kind]
    fig = new_figure(fig, caller="plot_states", width=9, height=1.0 + 2.1 * len(chosen))
    x = positions(mean.index)
    first: Axes | None = None
    for row, j in enumerate(chosen):
        ax = fig.add_subplot(len(chosen), 1, row + 1, sharex=first)
        first = first or ax
        centre, error = mean.iloc[:, j].to_numpy(), errors.iloc[:, j].to_numpy()
        band(ax, x, centre, error, width, BLUE, f"{percent(alpha)} interval")
        ax.plot(x, centre, color=BLUE, lw=1.3, label=f"{kind} mean")
        ax.axhline(0.0, color=GREY, lw=0.6)
        style(ax, f"{names[j]}, {kind} (given {known})")
        if row == 0:
            time_axis(ax, x)
            legend(fig, ax)
    return fig


def shown_rows(history: Any, prediction: Any, *, caller: str) -> int:
    """Check how many rows of the sample stand before a forecast.

    Parameters
    ----------
    history : int or None
        What the user wants; by default five times the rows of the forecast, and at least 40.
    prediction : Prediction
        Or another with ``row_labels``.
    caller : str

    Returns
    -------
    int
    """
    if history is None:
        return max(40, 5 * len(prediction.row_labels))
    return check_int(history, name="history", caller=caller, minimum=1)


def draw_forecast(
    seen: pd.DataFrame,
    fitted: pd.DataFrame,
    prediction: Prediction,
    *,
    alpha: float,
    fig: Figure | None,
) -> Figure:
    """Draw forecasts behind the last rows, one output a panel.

    Parameters
    ----------
    seen, fitted : DataFrame of shape (rows, k_endog)
        The last rows and their one-step-ahead predictions.
    prediction : Prediction
        Of the rows after them.
    alpha : float
        One minus the coverage of the intervals.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = [str(name) for name in seen.columns]
    fig = new_figure(fig, caller="plot_forecast", width=9, height=1.0 + 2.4 * len(names))
    steps = len(prediction.row_labels)
    x = positions(seen.index.append(prediction.row_labels))
    past, future = x[: len(seen)], x[len(seen) :]
    first: Axes | None = None
    for j, name in enumerate(names):
        ax = fig.add_subplot(len(names), 1, j + 1, sharex=first)
        first = first or ax
        table = prediction.summary_frame(j, alpha)
        mean = table["mean"].to_numpy()
        low, high = table["mean_ci_lower"].to_numpy(), table["mean_ci_upper"].to_numpy()
        last = seen.iloc[:, j].to_numpy()
        ax.plot(past, last, color="black", lw=1.2, label="observed")
        one_step = fitted.iloc[:, j].to_numpy()
        ax.plot(past, one_step, color=GREEN, lw=1.0, alpha=0.8, label="predicted one row ahead")
        ax.fill_between(
            future, low, high, color=BLUE, alpha=BAND, lw=0, label=f"{percent(alpha)} interval"
        )
        if alpha < 0.5:
            inner = prediction.summary_frame(j, 0.5)
            low, high = inner["mean_ci_lower"].to_numpy(), inner["mean_ci_upper"].to_numpy()
            ax.fill_between(future, low, high, color=INNER, lw=0, label="50 % interval")
        marker = "o" if steps <= 24 else None
        ax.plot(future, mean, color=BLUE, lw=1.5, marker=marker, ms=3, label="forecast")
        ax.axvline(past[-1], color=GREY, lw=0.8, ls=":")
        style(ax, f"{name}, forecasts given {prediction.information_set}" if j == 0 else name)
        if j == 0:
            time_axis(ax, x)
            legend(fig, ax)
    return fig


def draw_filter_vs_smoother(frame: pd.DataFrame, *, alpha: float, fig: Figure | None) -> Figure:
    """Draw means with intervals on the left, standard deviations on the right, one state a row.

    Parameters
    ----------
    frame : DataFrame
        That of `FilterVsSmoother`.
    alpha : float
        One minus the coverage of the intervals.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    width = check_alpha(alpha, "plot")
    names = list(dict.fromkeys(frame.index.get_level_values(1)))
    fig = new_figure(fig, caller="plot", width=11, height=1.0 + 2.3 * len(names))
    first: Axes | None = None
    for row, name in enumerate(names):
        part = frame.xs(name, level=1)
        x = positions(part.index)
        ax = fig.add_subplot(len(names), 2, 2 * row + 1, sharex=first)
        first = first or ax
        spreads = fig.add_subplot(len(names), 2, 2 * row + 2, sharex=first)
        for kind, color in (("filtered", ORANGE), ("smoothed", BLUE)):
            mean, error = part[f"{kind}_mean"].to_numpy(), part[f"{kind}_sd"].to_numpy()
            if kind == "smoothed":
                band(ax, x, mean, error, width, color, f"smoothed, {percent(alpha)} interval")
            else:
                edges = np.where(np.isfinite(error), width * error, np.nan)
                label = f"filtered, {percent(alpha)} interval"
                ax.plot(x, mean - edges, color=color, lw=0.7, ls=":", label=label)
                ax.plot(x, mean + edges, color=color, lw=0.7, ls=":")
            ax.plot(x, mean, color=color, lw=1.1, label=f"{kind} mean")
            shown = np.where(np.isfinite(error), error, np.nan)
            spreads.plot(x, shown, color=color, lw=1.3, label=kind)
        largest = part["filtered_sd"].where(np.isfinite(part["filtered_sd"])).max()
        spreads.set_ylim(0.0, 1.15 * float(largest) if largest > 0 else 1.0)
        style(ax, f"{name}: filtered (rows so far) and smoothed (all rows)")
        style(spreads, f"{name}: standard deviation")
        if row == 0:
            time_axis(ax, x)
            legend(fig, ax)
    return fig


def draw_memory(
    roots: pd.DataFrame,
    verdict: pd.DataFrame,
    products: pd.DataFrame,
    *,
    step: str,
    fig: Figure | None,
) -> Figure:
    """Draw roots in the unit circle on the left, log singular values by lag on the right.

    Parameters
    ----------
    roots, verdict, products : DataFrame
        Those of `Memory`.
    step : str
        What one row is.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig = new_figure(fig, caller="plot", width=10, height=4.8)
    circle, curves = fig.add_subplot(1, 2, 1), fig.add_subplot(1, 2, 2)
    angle = np.linspace(0.0, 2.0 * np.pi, 361)
    circle.plot(np.cos(angle), np.sin(angle), color=GREY, lw=0.8)
    looks = zip(verdict["of"], verdict["log_radius"], (BLUE, ORANGE), ("o", "s"), strict=False)
    shown = [-1.0, 1.0]
    for name, rate, color, marker in looks:
        part = roots[roots["of"] == name]
        real, imag = part["real"].to_numpy(), part["imag"].to_numpy()
        twice = imag > 0.0
        across, up = np.r_[real, real[twice]], np.r_[imag, -imag[twice]]
        face = color if marker == "o" else "none"
        circle.plot(across, up, marker, color=color, mfc=face, ms=7, label=f"roots of {name}")
        table = products[products["of"] == name].drop(columns="of")
        lags, logs = table.index.to_numpy(), table.to_numpy()
        logs = np.where(np.isfinite(logs), logs, np.nan)
        curves.plot(lags, logs[:, 0], color=color, lw=1.5, label=f"largest, {name}")
        curves.plot(lags, logs[:, 1:], color=color, lw=0.8, alpha=0.5)
        shown += [float(np.nanmin(logs[:, 0])), float(np.nanmax(logs[:, 0]))]
        if np.isfinite(rate):
            curves.plot(lags, rate * lags, color=color, lw=0.9, ls=":", label=f"rate, {name}")
            shown.append(float(rate * lags[-1]))
    reach = 1.08 * max(1.0, float(roots["modulus"].max()))
    circle.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="real part")
    for line in (circle.axhline, circle.axvline, curves.axhline):
        line(0.0, color=GREY, lw=0.6)
    circle.set_ylabel("imaginary part")
    room = 0.08 * (max(shown) - min(shown))  # the smaller ones may fall out of the picture
    curves.set_ylim(min(shown) - 3.0 * room, max(shown) + room)
    curves.set(xlabel=f"lag k ({step})", ylabel="log singular value of the k-th power")
    style(circle, "Roots and the unit circle")
    style(curves, "Products of Jacobians (thin: smaller singular values)")
    handles, labels = circle.get_legend_handles_labels()
    more, names = curves.get_legend_handles_labels()
    below: Any = {"loc": "outside lower center", "ncols": 3} if fig.get_layout_engine() else {}
    fig.legend([*handles, *more], [*labels, *names], fontsize=8, frameon=False, **below)
    return fig


def draw_diagnostics(
    resid: pd.DataFrame,
    *,
    variable: int | str,
    lags: int,
    fig: Figure | None,
    words: str = "Standardized residuals",
) -> Figure:
    """Draw standardized residuals of one output in four panels.

    Parameters
    ----------
    resid : DataFrame of shape (nobs, k_endog)
        Standardized residuals after the diffuse phase.
    variable : int or str
        Output, by number or name.
    lags : int
        Lags of the correlogram.
    fig : matplotlib.figure.Figure or None
    words : str
        What they are called.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        Fewer residuals than lags.
    """
    names = tuple(str(name) for name in resid.columns)
    which = find_name(variable, names, caller="plot_diagnostics", what="output")
    lags = check_int(lags, name="lags", caller="plot_diagnostics", minimum=1)
    series = resid.iloc[:, which]
    values = series.dropna().to_numpy()
    if values.size <= lags:
        raise DataError(
            f"plot_diagnostics: there must be more residuals than lags; got {values.size} residuals"
            f" and {lags} lags. Ask for fewer lags."
        )
    fig = new_figure(fig, caller="plot_diagnostics", width=10, height=6.5)
    _over_time(fig.add_subplot(2, 2, 1), series, names[which], words)
    _histogram(fig.add_subplot(2, 2, 2), values)
    _quantiles(fig.add_subplot(2, 2, 3), values)
    _correlogram(fig.add_subplot(2, 2, 4), series.to_numpy(), lags)
    return fig


def _over_time(ax: Axes, series: pd.Series, name: str, words: str) -> None:
    x = positions(series.index)
    ax.plot(x, series.to_numpy(), color=BLUE, lw=1.0)
    time_axis(ax, x)
    ax.axhline(0.0, color=GREY, lw=0.8)
    for level in (-1.96, 1.96):
        ax.axhline(level, color=GREY, lw=0.8, ls=":")
    short = name if len(name) <= 24 else f"{name[:21]}..."
    style(ax, f"{words} of {short} (dotted: 95 %)")


def _histogram(ax: Axes, values: FloatArray) -> None:
    reach = max(3.92, float(np.abs(values).max()) * 1.05)
    grid = np.linspace(-reach, reach, 201)
    ax.hist(values, density=True, bins="auto", color=BLUE, alpha=0.3, edgecolor="white")
    if values.std() > 0:
        ax.plot(grid, stats.gaussian_kde(values)(grid), color=BLUE, lw=1.3, label="density")
    ax.plot(grid, stats.norm.pdf(grid), color=ORANGE, lw=1.3, ls="--", label="N(0, 1)")
    ax.legend(fontsize=8, frameon=False)
    style(ax, "Histogram and density")


def _quantiles(ax: Axes, values: FloatArray) -> None:
    ordered = np.sort(values)
    ranks = (np.arange(1, values.size + 1) - 0.5) / values.size
    theory = stats.norm.ppf(ranks)
    ax.plot(theory, ordered, "o", ms=3, color=BLUE, alpha=0.8)
    ends = np.array([theory[0], theory[-1]])
    ax.plot(ends, ends, color=ORANGE, lw=1.3, ls="--")
    ax.set_xlabel("standard normal quantiles", fontsize=8)
    style(ax, "Normal Q-Q (line: N(0, 1))")


def _correlogram(ax: Axes, values: FloatArray, lags: int) -> None:
    """Draw autocorrelations; pairs with a missing member are left out."""
    centred = values - np.nanmean(values)
    variance = np.nanmean(centred**2)
    seen = int((~np.isnan(values)).sum())
    places = np.arange(1, lags + 1)
    products = [np.nansum(centred[lag:] * centred[:-lag]) / seen for lag in places]
    bound = 1.96 / np.sqrt(seen)
    ax.axhspan(-bound, bound, color=BLUE, alpha=0.12, lw=0)
    ax.vlines(places, 0.0, np.array(products) / variance, color=BLUE, lw=2.0)
    ax.plot(places, np.array(products) / variance, "o", ms=4, color=BLUE)
    ax.axhline(0.0, color=GREY, lw=0.8)
    ax.set_xlim(0.0, lags + 1.0)
    largest = max(float(np.abs(np.array(products) / variance).max()), bound)
    ax.set_ylim(-1.3 * largest, 1.3 * largest)
    ax.set_xlabel("lag", fontsize=8)
    style(ax, "Correlogram (band: 95 % under no correlation)")
