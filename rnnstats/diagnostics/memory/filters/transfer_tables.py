"""Tables of a transfer function: curves with bands, spectrum, cut-offs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.filters import frequency as arrays
from rnnstats.diagnostics.memory.filters.linear_systems import LinearSystem
from rnnstats.diagnostics.memory.recurrences import Recurrence
from rnnstats.diagnostics.memory.time_units import Scale

__all__ = [
    "STABLE",
    "Measured",
    "Tables",
    "Uncertain",
    "curve_frame",
    "cutoff_frame",
    "measured",
    "periodogram_frame",
    "spectrum_frame",
]

FloatArray = NDArray[np.float64]
# Functions of which covariances are asked at a time.
CHUNK = 48
# How far inside the unit circle a root must lie.
STABLE = 1e-9


class Tables(NamedTuple):
    """Tables of a transfer function, in the user's units."""

    curves: pd.DataFrame
    spectrum: pd.DataFrame
    cutoffs: pd.DataFrame
    periodogram: pd.DataFrame


class Measured(NamedTuple):
    """A system at F frequencies, per row; NaN at a root on the unit circle.

    Attributes
    ----------
    frequencies : ndarray, shape (F,)
    value : ndarray of complex, shape (F, p, q)
    curve, error : ndarray, shape (4, F, p, q)
        Log gain, phase, group delay and slope of the log gain, and their standard errors; NaN for
        an unstable system, which has no stationary response.
    density, doubt : ndarray, shape (F, p)
        Spectral densities and their standard errors.
    """

    frequencies: FloatArray
    value: NDArray[np.complex128]
    curve: FloatArray
    error: FloatArray
    density: FloatArray
    doubt: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Uncertain:
    """Derivatives of a system's matrices by the estimates, and what these give to functions.

    Attributes
    ----------
    recurrence : Recurrence or None
    slopes : Slopes or None
        None where nothing is estimated.
    """

    recurrence: Recurrence | None
    slopes: arrays.Slopes | None

    @classmethod
    def of(
        cls,
        recurrence: Recurrence | None,
        system: LinearSystem,
        flat: Callable[[Recurrence], FloatArray],
    ) -> Uncertain:
        """Take derivatives.

        Parameters
        ----------
        recurrence : Recurrence or None
        system : LinearSystem
        flat : callable
            A recurrence at other parameters to ``LinearSystem.flat``.

        Returns
        -------
        Uncertain
        """
        found = None if recurrence is None else recurrence.slopes(flat)
        if found is None:
            return cls(recurrence, None)
        sizes = np.cumsum([part.size for part in system.parts])[:-1]
        pieces = zip(np.split(found, sizes), system.parts, strict=True)
        shaped = (piece.reshape(*part.shape, found.shape[1]) for piece, part in pieces)
        return cls(recurrence, arrays.Slopes(*shaped))

    def errors(self, slopes: FloatArray) -> FloatArray:
        """Standard errors of functions.

        Parameters
        ----------
        slopes : ndarray, shape (..., K)
            Derivatives of a system's functions by the parameters.

        Returns
        -------
        ndarray, shape (...)
            Zero where nothing is estimated.
        """
        if self.recurrence is None:
            return np.zeros(slopes.shape[:-1])
        rows = slopes.reshape(-1, slopes.shape[-1])
        usable = np.asarray(np.isfinite(rows).all(axis=1))
        clean = np.where(usable[:, None], rows, 0.0)
        found = np.empty(len(rows))
        for cut in range(0, len(rows), CHUNK):
            spread = self.recurrence.spread(clean[cut : cut + CHUNK])
            found[cut : cut + CHUNK] = np.diagonal(np.atleast_2d(spread))
        with np.errstate(invalid="ignore"):
            found = np.where(usable, np.sqrt(np.maximum(found, 0.0)), np.nan)
        return np.asarray(found.reshape(slopes.shape[:-1]))


def measured(system: LinearSystem, uncertain: Uncertain, w: FloatArray) -> Measured:
    """Compute curves and spectrum with standard errors.

    Parameters
    ----------
    system : LinearSystem
    uncertain : Uncertain
    w : ndarray, shape (F,)
        Frequencies in radians per row.

    Returns
    -------
    Measured
    """
    p, q = system.direct.shape
    value = np.full((len(w), p, q), np.nan, dtype=np.complex128)
    curve, error = np.full((2, 4, len(w), p, q), np.nan)
    density, doubt = np.full((2, len(w), p), np.nan)
    finite = np.flatnonzero(~arrays.near_pole(system.transition, w))
    if arrays.unstable(system.transition):
        value[finite] = arrays.response(system.parts, w[finite]).value
        return Measured(w, value, curve, error, density, doubt)
    for cut in np.array_split(finite, max(1, len(w) // CHUNK)):
        found = arrays.response(system.parts, w[cut])
        value[cut], curve[:, cut] = found.value, arrays.curves(found)
        density[cut] = arrays.spectrum(found, system.cov, system.noise)
        error[:, cut], doubt[cut] = 0.0, 0.0
        if uncertain.slopes is not None:
            error[:, cut] = uncertain.errors(arrays.curve_slopes(found, uncertain.slopes))
            moved = arrays.spectrum_slopes(found, system.cov, uncertain.slopes)
            doubt[cut] = uncertain.errors(moved)
    curve[1] = _continuous(curve[1], curve[2], w)
    return Measured(w, value, curve, error, density, doubt)


def _continuous(phase: FloatArray, delay: FloatArray, w: FloatArray) -> FloatArray:
    """Phase without jumps of 2 pi, followed along increasing frequencies by its slope."""
    order = np.argsort(w)
    found = np.array(phase)
    last: int | None = None
    turns = np.zeros(phase.shape[1:])
    for here in order:
        if last is not None:
            slope = -0.5 * (delay[last] + delay[here])
            expected = found[last] + slope * (w[here] - w[last])
            turns = np.round(np.nan_to_num((expected - phase[here]) / (2.0 * np.pi)))
        found[here] = phase[here] + 2.0 * np.pi * turns
        if np.isfinite(phase[here]).all():
            last = int(here)
    return found


def curve_frame(system: LinearSystem, found: Measured, scale: Scale, width: float) -> pd.DataFrame:
    """One row an input, output and frequency.

    Parameters
    ----------
    system : LinearSystem
    found : Measured
    scale : Scale
    width : float
        Normal quantile of the bands.

    Returns
    -------
    DataFrame
        As `TransferFunction.frame`.
    """
    w, curve, error = found.frequencies, found.curve, found.error
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        period = np.where(w == 0.0, np.inf, 2.0 * np.pi * scale.length / np.abs(w))
        gain = np.exp(curve[0])
        reach = np.exp(width * error[0])
        log_se = np.where(gain == 0.0, np.nan, error[0])
        columns = {
            "gain": gain, "gain_se": gain * log_se,
            "gain_lower": gain / reach, "gain_upper": gain * reach,
        }  # fmt: skip
        for name, value, se in (
            ("phase", curve[1], error[1]),
            ("group_delay", curve[2] * scale.length, error[2] * scale.length),
        ):
            columns |= {
                name: value, f"{name}_se": se,
                f"{name}_lower": value - width * se, f"{name}_upper": value + width * se,
            }  # fmt: skip
    labels = system.labels
    index = pd.MultiIndex.from_product(
        [labels.inputs, labels.outputs, w / scale.length], names=["input", "output", "frequency"]
    )
    table = {name: values.transpose(2, 1, 0).ravel() for name, values in columns.items()}
    frame = pd.DataFrame(table, index=index)
    frame.insert(0, "period", np.tile(period, len(labels.inputs) * len(labels.outputs)))
    return frame


def spectrum_frame(
    system: LinearSystem, found: Measured, scale: Scale, width: float
) -> pd.DataFrame:
    """Densities with bands on the log scale.

    Parameters
    ----------
    system : LinearSystem
    found : Measured
    scale : Scale
    width : float
        Normal quantile of the bands.

    Returns
    -------
    DataFrame
        As `TransferFunction.spectrum`.
    """
    if not (system.cov.size and np.isfinite(system.cov).all() and system.radius < 1.0 - STABLE):
        return pd.DataFrame()
    w, density, error = found.frequencies, found.density * scale.length, found.doubt * scale.length
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        reach = np.exp(width * error / density)
        parts = {
            "density": density, "se": error, "lower": density / reach, "upper": density * reach
        }  # fmt: skip
    names = list(system.labels.outputs)
    columns = pd.MultiIndex.from_product([names, list(parts)], names=["output", ""])
    values = np.stack(list(parts.values()), axis=2).reshape(len(w), -1)
    index = pd.Index(w / scale.length, name="frequency")
    return pd.DataFrame(values, index=index, columns=columns)


def periodogram_frame(
    system: LinearSystem, series: Sequence[FloatArray], scale: Scale
) -> pd.DataFrame:
    """Periodogram of the series.

    Parameters
    ----------
    system : LinearSystem
    series : sequence of ndarray, each of shape (n, p)
        Sequences by themselves; none without data.
    scale : Scale

    Returns
    -------
    DataFrame
        As `TransferFunction.periodogram`.
    """
    places, seen = arrays.periodogram(series)
    index = pd.Index(places / scale.length, name="frequency")
    names = list(system.labels.outputs) if series else None
    return pd.DataFrame(seen * scale.length, index=index, columns=names)


def cutoff_frame(system: LinearSystem, uncertain: Uncertain, scale: Scale) -> pd.DataFrame:
    """Peaks and cut-offs of every pair.

    Parameters
    ----------
    system : LinearSystem
    uncertain : Uncertain
    scale : Scale

    Returns
    -------
    DataFrame
        As `TransferFunction.cutoffs`.
    """
    labels = system.labels
    rows = [
        _cutoffs(system, uncertain, output, column, scale)
        for column in range(len(labels.inputs))
        for output in range(len(labels.outputs))
    ]
    index = pd.MultiIndex.from_product([labels.inputs, labels.outputs], names=["input", "output"])
    return pd.DataFrame(rows, index=index)


def _cutoffs(
    system: LinearSystem, uncertain: Uncertain, output: int, column: int, scale: Scale
) -> dict[str, Any]:
    """Peak and cut-offs of one pair, with standard errors by the implicit function theorem."""
    found = arrays.corners(system.parts, output, column)
    places = np.array([0.0, found.peak.place, found.lower.place, found.upper.place])
    known = np.isfinite(places) & ~arrays.near_pole(system.transition, np.nan_to_num(places))
    settles = found.kind != "unstable"
    known &= settles
    at = arrays.response(system.parts, np.where(known, places, np.pi / 3.0))
    logs, _, _, steep = np.where(known, arrays.curves(at)[:, :, output, column], np.nan)
    errors = np.where(known, 0.0, np.nan)
    spread = errors.copy()
    if uncertain.slopes is not None:
        moved = arrays.curve_slopes(at, uncertain.slopes)[:, :, output, column]
        errors = np.where(known, uncertain.errors(moved[0]), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            turned = -(moved[0] - moved[0, 1]) / steep[:, None]
            turned[1] = -moved[3, 1] / _bend(system, places[1], output, column)
        turned = np.where(known[:, None], turned, np.nan)
        spread = uncertain.errors(turned)
        if not found.peak.inside:
            spread[1] = np.where(known[1], 0.0, np.nan)  # at the end it stays there
    gains = np.exp(logs)
    zero = np.inf if settles else np.nan
    row: dict[str, Any] = {
        "gain_zero": gains[0] if known[0] else zero, "gain_zero_se": gains[0] * errors[0],
        "peak_gain": gains[1], "peak_gain_se": gains[1] * errors[1],
    }  # fmt: skip
    for name, j in (("peak", 1), ("lower", 2), ("upper", 3)):
        row[name], row[f"{name}_se"] = places[j] / scale.length, spread[j] / scale.length
    row["upper_period"] = 2.0 * np.pi / row["upper"]
    row["upper_period_se"] = row["upper_period"] * row["upper_se"] / row["upper"]
    row["kind"] = found.kind
    return row


def _bend(system: LinearSystem, place: float, output: int, column: int) -> float:
    """Second derivative of the log gain by frequency."""
    if not np.isfinite(place):
        return np.nan
    step = 1e-5
    sides = arrays.response(system.parts, np.array([place - step, place + step]))
    low, high = arrays.curves(sides)[3, :, output, column]
    return float((high - low) / (2.0 * step))
