"""Recurrences as filters: which frequencies pass, how much later, and the spectrum they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_alpha, check_literal, is_symmetric, shown
from rnnstats.diagnostics.memory.filters import frequency as arrays
from rnnstats.diagnostics.memory.filters.linear_systems import (
    At,
    LinearSystem,
    ShockKind,
    bare_system,
    linear_system_of,
    observed_of,
    steps_needed,
)
from rnnstats.diagnostics.memory.filters.transfer_tables import (
    STABLE,
    Tables,
    Uncertain,
    curve_frame,
    cutoff_frame,
    measured,
    periodogram_frame,
    spectrum_frame,
)
from rnnstats.diagnostics.memory.recurrences import Given, Recurrence, recurrence_of, refuse
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.time_units import Scale, scale_of
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TransferFunction", "transfer_function"]

FloatArray = NDArray[np.float64]
CALLER = "transfer_function"
MEASURES = ("gain", "phase", "group_delay")


@dataclass(frozen=True, eq=False, repr=False)
class TransferFunction(Report):
    """What a recurrence does to each frequency of its inputs.

    Frequencies are in radians per unit of time, ``scale.unit``; a row is ``scale.length`` of them.

    Attributes
    ----------
    frequencies : ndarray of shape (F,)
        Where it was computed.
    response : ndarray of complex, shape (F, p, q)
        H(w) of each output to each input of size one; NaN at a root on the unit circle. Of an
        unstable system that of its equations, which no swing settles on.
    system : LinearSystem
        The system itself, per row.
    scale : Scale
        Length of a row, and the unit of times in which it is.
    alpha : float
        One minus the coverage of the bands, each frequency by itself.

    References
    ----------
    Brockwell and Davis (1991), Time Series: Theory and Methods, chapters 4, 10 and 11; Oppenheim
    and Schafer (2010), Discrete-Time Signal Processing, chapter 5.
    """

    frequencies: FloatArray
    response: NDArray[np.complex128]
    system: LinearSystem
    scale: Scale
    alpha: float
    _tables: Tables

    @property
    def frame(self) -> pd.DataFrame:
        """One row an input, output and frequency (a copy).

        ``period`` = 2 pi / frequency; ``gain`` = |H|; ``phase`` = arg H in radians, followed
        without jumps of 2 pi from the lowest frequency on, negative where outputs lag;
        ``group_delay`` = -d phase / d frequency, the time by which a slow change of the swing's
        size is late; each with its delta-method standard error ``_se`` and ends ``_lower``,
        ``_upper``, of the gain on the log scale. Where the gain is zero there is no phase. All but
        the period are NaN for an unstable system (a root outside the unit circle; ``kind`` of
        `cutoffs` says so): nothing there settles to a swing that could be measured.
        """
        return self._tables.curves.copy()

    @property
    def spectrum(self) -> pd.DataFrame:
        """Spectral densities of the outputs, per radian and unit of time (a copy).

        Index frequency, columns (output, ``density``, ``se``, ``lower``, ``upper``), bands on the
        log scale. The integral from minus to plus pi (per row) is the variance. Empty where the
        covariance of the shocks is not known, or the system is not stable.
        """
        return self._tables.spectrum.copy()

    @property
    def periodogram(self) -> pd.DataFrame:
        """Periodogram of the series, less what regressors do, in the units of `spectrum` (a copy).

        Index frequency, one column an output; empty where there are no data.
        """
        return self._tables.periodogram.copy()

    @property
    def cutoffs(self) -> pd.DataFrame:
        """One row an input and output: peak of the gain and where it has fallen by 3 dB (a copy).

        ``gain_zero``: at frequency 0, what a lasting input does in the end; ``peak_gain``;
        ``peak``: its frequency; ``lower`` and ``upper``: frequencies on either side at which the
        gain is the peak's over the root of two (half the power), NaN where it never falls so far:
        a low-pass filter has an upper one only, the cut-off; ``upper_period`` = 2 pi / upper. Each
        with its delta-method standard error ``_se``; ``kind``, by which of frequency 0, pi and
        those between pass (gain at most 3 dB below the peak): "low-pass", "high-pass", "band-pass",
        "band-stop", "all-pass"; "integrating" and "resonant" for a root on the unit circle, at
        frequency 0 or elsewhere; "unstable" for a root outside of it, where there is no stationary
        response and all else is NaN; "none" for no response.
        """
        return self._tables.cutoffs.copy()

    @property
    def variance(self) -> pd.Series:
        """Variances of the outputs, the integrals of their spectra, in closed form.

        Infinite for a system that is not stable, NaN where the covariance of shocks is not known.
        """
        cov = self.system.cov
        known = cov.size > 0 and bool(np.isfinite(cov).all())
        blank = np.full(len(self.system.design), np.nan)
        values = arrays.stationary_variance(self.system.parts) if known else blank
        return pd.Series(values, index=list(self.system.labels.outputs), name="variance")

    @property
    def is_stable(self) -> bool:
        """Whether all roots lie inside the unit circle."""
        return self.system.radius < 1.0 - STABLE

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Cut-offs, and gain, phase and group delay at some frequencies.
        """
        columns = {
            "gain_zero": "gain at 0", "gain_zero_se": "std err", "peak_gain": "peak gain",
            "peak": "at", "upper": "cut-off", "upper_se": "std err ", "upper_period": "period",
            "lower": "lower", "lower_se": "std err  ", "kind": "kind",
        }  # fmt: skip
        corners = self._tables.cutoffs[list(columns)].rename(columns=columns)
        corners.index = pd.Index([f"{a} -> {b}" for a, b in corners.index])
        level = f"Transfer function (frequencies in radians per {self.scale.single})"
        tables = {level: corners}
        chosen = [f"{m}{end}" for m in MEASURES for end in ("", "_se")]
        words = {f"{m}_se": "std err" + " " * i for i, m in enumerate(MEASURES)}
        rows = np.linspace(0, len(self.frequencies) - 1, 5).round().astype(int)
        for name in self._tables.cutoffs.index:
            part: Any = self._tables.curves.xs(name, level=(0, 1)).iloc[rows][["period", *chosen]]
            part.index = pd.Index([f"{w:.4g}" for w in self.frequencies[rows]])
            part = part.rename(columns={**words, "group_delay": "group delay"})
            tables[f"{name[0]} -> {name[1]}, by frequency"] = part
        if not (self._tables.curves["gain_se"] > 0.0).any():  # nothing is estimated
            tables = {
                title: table[[name for name in table if not str(name).startswith("std err")]]
                for title, table in tables.items()
            }
        return lay_out(tables, self._notes())

    def _notes(self) -> list[str]:
        notes = [
            "Cut-off: where the gain is its peak over the root of two (-3 dB). Group delay in "
            f"{self.scale.unit}."
        ]
        if self.system.place:
            notes.append(f"A nonlinear recurrence, linearised at {self.system.place}.")
        if arrays.unstable(self.system.transition):
            notes.append(
                f"Unstable (largest root {self.system.radius:.4g}): what an input sets off grows, "
                "so that there is no stationary response: no gain, phase, delay, cut-off, spectrum."
            )
        elif not self.is_stable:
            notes.append(
                f"Not stable (largest root {self.system.radius:.4g}): the response is that of the "
                "equations, no steady swing is reached, and there is no spectrum."
            )
        return notes

    def plot(
        self,
        *,
        input: int | str | None = None,
        output: int | str | None = None,
        fig: Figure | None = None,
    ) -> Figure:
        """Plot gain, phase, group delay, and the spectrum over the series' periodogram.

        Parameters
        ----------
        input, output : int or str, optional
            Which, by number or name; the first by default.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            There is no such input or output.
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.diagnostics.memory.filters.transfer_plots import draw_transfer

        labels = self.system.labels
        chosen = (
            _named(input, labels.inputs, "input"),
            _named(output, labels.outputs, "output"),
        )
        return draw_transfer(self, *chosen, fig=fig)


def transfer_function(
    source: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    at: At = "fixed_point",
    given: Given = "shocks",
    shocks: ShockKind = "auto",
    cov: ArrayLike | None = None,
    frequencies: ArrayLike | None = None,
    dt: float | None = None,
    unit: str | None = None,
    alpha: float = 0.05,
) -> TransferFunction:
    """Response of a recurrence to each frequency, with bands, and the spectrum it makes.

    Exact for linear models in every form and for a `VARMA`; a nonlinear recurrence is linearised at
    a state.

    Parameters
    ----------
    source : results, VARMA, callable, array_like or tuple
        Results of a model; ``step(h, x)`` or ``step(h)``; a matrix W_h (m, m) or Jacobians (n, m,
        m); or bare weights (W_h, W_x, V) or (W_h, W_x, V, D) of ``h_t = W_h h_{t-1} + W_x x_t``,
        ``y_t = V h_t + D x_t``, numbers for one unit. Of a function or a matrix the inputs are
        ``e.h1``, ..., added to the states, then those of the function; the outputs are the states.
    h0 : array_like of shape (m,), optional
        With a function: where the search for a fixed point, or the run, starts.
    nsteps : int, optional
        With a function: steps of the run, needed for its mean state and its rows.
    jacobian : callable, optional
        ``jacobian(h, x)`` of a function.
    inputs : array_like of shape (n, ...), optional
        With a function: its inputs, held at their means for a fixed point.
    at : {"fixed_point", "mean"}, row label or array_like of shape (m,)
        State at which a nonlinear recurrence is linearised: a state that a step does not move, with
        regressors at their means and outputs at what is expected of them; the mean of states, lags
        and regressors over the rows; what went into a row; or a state (of a network followed by its
        lagged outputs, if these are not to be at their means).
    given : {"shocks", "inputs"}
        The inputs: shocks and regressors, with outputs that come back as lagged inputs; or what the
        state equation reads, lagged outputs ``L1.y`` and regressors, with predictions as outputs
        (the filter that exponential smoothing is). Phase and delay are then against ``L1.y``, one
        row less than against y itself.
    shocks : {"auto", "noises", "innovations"}
        Of a linear model: noises of the states, or one-step-ahead errors (Wold's innovations).
        "auto": as in ``impulse_responses``.
    cov : array_like of shape (k, k), optional
        Covariance of the shocks of a function or bare weights, for the spectrum.
    frequencies : array_like of shape (F,), optional
        In radians per `unit`; by default equally spaced from 0 to pi per row.
    dt : float, optional
        Length of a row, in `unit`; by default 1, or what the index says in `unit`.
    unit : str, optional
        Unit of times; by default rows of the index. Without `dt` one of years, quarters, months,
        weeks, days, hours, minutes, seconds.
    alpha : float
        One minus the coverage of bands and intervals.

    Returns
    -------
    TransferFunction
        ``response``, ``frame``, ``spectrum``, ``periodogram``, ``cutoffs``, ``variance``,
        ``summary()``, ``plot()``.

    Raises
    ------
    SpecificationError
        Arguments make no sense with the source, or there is no fixed point.

    Notes
    -----
    A leaky integrator ``h_t = f h_{t-1} + (1 - f) x_t`` (a constant gate f, simple exponential
    smoothing with weight 1 - f, an AR(1) but for scale) has gain ``(1 - f) / |1 - f e^{-iw}|`` and
    cut-off ``cos w = 1 - (1 - f)^2 / (2 f)``. Standard errors are those of the delta method; those
    of a cut-off come from the implicit function theorem, those of linearisations include that the
    fixed point moves with the parameters. Brockwell and Davis (1991), theorems 4.4.1 and 11.8.1.
    """
    check_literal(given, get_args(Given), name="given", caller=CALLER)
    check_literal(shocks, get_args(ShockKind), name="shocks", caller=CALLER)
    width = check_alpha(alpha, CALLER)
    if given == "inputs" and shocks != "auto":
        raise SpecificationError(
            f"{CALLER}: shocks makes no sense with given='inputs', where there are none; got "
            f"{shocks!r}. Leave it out."
        )
    if isinstance(source, tuple):
        refuse(CALLER, "weights", h0=h0, nsteps=nsteps, jacobian=jacobian, inputs=inputs)
        system, recurrence = bare_system(source, caller=CALLER), None
    else:
        if callable(source) and nsteps is None and inputs is None:
            nsteps = steps_needed(at, CALLER)
        recurrence = recurrence_of(
            source, h0, nsteps, jacobian=jacobian, inputs=inputs, caller=CALLER
        )
        system = linear_system_of(recurrence, given=given, shocks=shocks, at=at, caller=CALLER)
    system = _with_cov(system, cov)
    scale = scale_of(system.labels.step, dt, unit, caller=CALLER)

    place = system.again(at)

    def flat(there: Recurrence) -> FloatArray:
        try:
            moved = linear_system_of(there, given=given, shocks=shocks, at=place, caller=CALLER)
        except SpecificationError:  # the fixed point does not go on there: no derivative
            return np.full(system.flat.size, np.nan)
        return np.where(np.isfinite(system.flat), moved.flat, 0.0)

    uncertain = Uncertain.of(recurrence, system, flat)
    found = measured(system, uncertain, _frequencies(frequencies, system, scale))
    # with inputs held the outputs are predictions, which are not what was seen
    seen = recurrence is not None and given == "shocks"
    series = observed_of(recurrence, system) if seen and recurrence is not None else ()
    tables = Tables(
        curve_frame(system, found, scale, width),
        spectrum_frame(system, found, scale, width),
        cutoff_frame(system, uncertain, scale),
        periodogram_frame(system, series, scale),
    )
    return TransferFunction(
        found.frequencies / scale.length, found.value, system, scale, float(alpha), tables
    )


def _frequencies(frequencies: ArrayLike | None, system: LinearSystem, scale: Scale) -> FloatArray:
    """Frequencies in radians per row."""
    if frequencies is None:
        return arrays.grid(system.transition)
    w = np.atleast_1d(np.array(frequencies, dtype=np.float64)) * scale.length
    if w.ndim != 1 or not w.size or not np.isfinite(w).all() or (np.abs(w) > np.pi + 1e-12).any():
        raise SpecificationError(
            f"{CALLER}: frequencies must be numbers from -pi to pi per row, here from "
            f"{-np.pi / scale.length:.4g} to {np.pi / scale.length:.4g} radians per "
            f"{scale.single}; got {shown(frequencies)}."
        )
    return w


def _with_cov(system: LinearSystem, cov: ArrayLike | None) -> LinearSystem:
    """Give the shocks the covariance that the user says."""
    if cov is None:
        return system
    k = len(system.cov)
    if np.isfinite(system.cov).all() and k:
        raise SpecificationError(
            f"{CALLER}: cov makes no sense with a model, which has its own; got {shown(cov)}. "
            "Leave it out."
        )
    matrix = np.atleast_2d(np.array(cov, dtype=np.float64))
    if matrix.shape != (k, k) or not np.isfinite(matrix).all() or not is_symmetric(matrix):
        raise SpecificationError(
            f"{CALLER}: cov must be the covariance of the {k} shocks, shape ({k}, {k}); got "
            f"{shown(cov)}."
        )
    return replace(system, cov=matrix)


def _named(choice: int | str | None, names: tuple[str, ...], what: str) -> str:
    """Find an input or output."""
    if choice is None:
        return names[0]
    if isinstance(choice, str) and choice in names:
        return choice
    if isinstance(choice, (int, np.integer)) and 0 <= int(choice) < len(names):
        return names[int(choice)]
    raise SpecificationError(
        f"plot: {what} must be one of {', '.join(names)}, or its number; got {choice!r}."
    )
