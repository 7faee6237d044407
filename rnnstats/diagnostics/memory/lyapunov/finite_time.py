"""Lyapunov exponents of windows of rows: how much growth differs from place to place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import check_int
from rnnstats.diagnostics.memory.long_run import batch_means
from rnnstats.diagnostics.memory.lyapunov.chaos import Measured
from rnnstats.diagnostics.memory.lyapunov.growth import kept_rows, shared_jacobian
from rnnstats.diagnostics.memory.products.graded import window_products
from rnnstats.diagnostics.memory.products.powers import log_singular_values
from rnnstats.diagnostics.memory.recurrences import Recurrence
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FiniteTimeExponents", "finite_time_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

# Windows without which there is no standard error, and the most that are looked at where no
# estimates have to be moved about.
ENOUGH, MOST = 16, 2000
# Longest window that is looked at unasked.
LONGEST = 1000
# Rows that a matrix of all rows is given: it has no last one.
ALONE = 10**6
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False, repr=False)
class FiniteTimeExponents(Report):
    """Exponents of windows of rows, by length.

    The exponents of a window are the logs of the singular values of the product of its Jacobians
    over its length: the growth of the differences that grow most in it, second most, and so on.
    Their mean falls (the first) or rises (the last) to the Lyapunov exponents as windows grow
    longer, and their spread falls with the square root of the length.

    Attributes
    ----------
    dt : float
        Time from row to row.
    exponents : ndarray, shape (m,)
        Of the whole run.
    windows : dict of int to ndarray, shape (windows, m)
        Exponents a unit of time of each window, by its number of rows.
    starts : dict of int to ndarray of int, shape (windows,)
        First row of each window.
    """

    dt: float
    exponents: FloatArray
    windows: dict[int, FloatArray]
    starts: dict[int, IntArray]
    _errors: dict[int, FloatArray]

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each direction and length of window.

        Index ``direction`` from 1 and ``steps``, the rows of a window; ``windows``, their number;
        ``mean`` with ``mean_se`` (batch means over windows, with what estimation adds; NaN for
        fewer than 16); ``sd`` and quantiles ``q05`` to ``q95`` over windows; ``positive``, the
        share of windows in which differences grow.
        """
        rows, index = [], []
        for place in range(len(self.exponents)):
            for steps, values in self.windows.items():
                index.append((place + 1, steps))
                rows.append(_described(values[:, place], float(self._errors[steps][place])))
        names = pd.MultiIndex.from_tuples(index, names=["direction", "steps"])
        return pd.DataFrame(rows, index=names)

    def summary(self) -> Any:
        """Summary table, see `Report.summary`."""
        table = self.frame
        labels = [f"{place}: {steps} rows" for place, steps in table.index]
        shown = table.set_axis(labels).drop(columns=["q25", "q75"])
        shown.columns = pd.Index(
            ["windows", "mean", "std err", "sd", "5 %", "median", "95 %", "> 0"]
        )
        unit = "a row" if self.dt == 1.0 else f"a unit of time (rows {self.dt:g} apart)"
        found = ", ".join(f"{one:.6g}" for one in self.exponents)
        notes = [
            "direction: rows of a window. Windows do not overlap.",
            f"Lyapunov exponents of the whole run: {found}.",
        ]
        return lay_out({f"Finite-time Lyapunov exponents {unit}": shown}, notes)

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw the spread by length of window, see `Report.plot`.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional

        Returns
        -------
        matplotlib.figure.Figure
        """
        from rnnstats.diagnostics.memory.lyapunov.plots import draw_finite_time

        return draw_finite_time(self.frame, self.exponents, fig=fig)


def _described(values: FloatArray, error: float) -> dict[str, float]:
    finite = values[np.isfinite(values)]
    whole = len(finite) == len(values)
    spread = float(values.std(ddof=1)) if whole and len(values) > 1 else np.nan
    cuts = np.quantile(values, QUANTILES, method="inverted_cdf")
    return {
        "windows": len(values), "mean": float(values.mean()), "mean_se": error, "sd": spread,
        **{f"q{round(100 * q):02d}": float(cut) for q, cut in zip(QUANTILES, cuts, strict=True)},
        "positive": float((values > 0.0).mean()),
    }  # fmt: skip


def finite_time_of(
    found: Measured, horizons: Sequence[int] | None, *, dt: float, caller: str
) -> FiniteTimeExponents:
    """Exponents of windows along what was measured.

    Parameters
    ----------
    found : Measured
    horizons : sequence of int or None
        Rows of a window.
    dt : float
        Time from row to row.
    caller : str
        Function that the user called.

    Returns
    -------
    FiniteTimeExponents

    Raises
    ------
    SpecificationError
        A horizon is below one, or longer than the longest sequence.
    """
    recurrence, given = found.recurrence, found.given
    trajectory = recurrence.trajectory(given)
    kept = kept_rows(trajectory.offsets, found.burn)
    lengths = np.diff(trajectory.offsets) - found.burn
    one = shared_jacobian(trajectory, kept) is not None
    chosen = _horizons(horizons, np.array([ALONE]) if one else lengths, caller)
    influence = None if one else recurrence.influence()
    most = MOST if influence is None else len(kept)
    starts = {
        steps: np.zeros(1, dtype=np.intp)
        if one
        else _starts(trajectory.offsets, found.burn, steps, most)
        for steps in chosen
    }

    def windows(there: Recurrence) -> dict[int, FloatArray]:
        state = there.trajectory(given).state
        if one:
            logs = log_singular_values(state[int(np.argmax(kept))], chosen[-1])
            return {steps: logs[steps][None] / steps for steps in chosen}
        return {steps: window_products(state, starts[steps], steps) / steps for steps in chosen}

    here = windows(recurrence)
    errors = _errors(recurrence, windows, here, starts, influence, one=one)
    return FiniteTimeExponents(
        dt,
        found.growth.rates / dt,
        {steps: values / dt for steps, values in here.items()},
        starts,
        {steps: values / dt for steps, values in errors.items()},
    )


def _errors(
    recurrence: Recurrence,
    windows: Any,
    here: dict[int, FloatArray],
    starts: dict[int, IntArray],
    influence: FloatArray | None,
    *,
    one: bool,
) -> dict[int, FloatArray]:
    """Standard errors of the means over windows, by length; `one` matrix moves all rows."""
    base = np.concatenate([values.mean(axis=0) for values in here.values()])
    finite = np.isfinite(base)

    def means(there: Recurrence) -> FloatArray:
        found = np.concatenate([values.mean(axis=0) for values in windows(there).values()])
        return np.where(finite & np.isfinite(found), found, 0.0)

    slopes = recurrence.slopes(means)
    m = next(iter(here.values())).shape[1]
    extra, told = np.zeros(len(base)), np.ones(len(base), dtype=bool)
    if slopes is not None:
        told = recurrence.told(slopes)
        if influence is None:
            extra = np.diagonal(np.atleast_2d(recurrence.spread(slopes)))
    found = {}
    for place, (steps, values) in enumerate(here.items()):
        part = slice(place * m, place * m + m)
        there = None if slopes is None else slopes[part]
        rows = starts[steps][:, None] + np.arange(steps)
        moved = values
        if there is not None and influence is not None:
            moved = values + influence[rows].mean(axis=1) @ there.T
        error: FloatArray = np.full(m, np.nan)
        for j in np.flatnonzero(finite[part] & told[part]):
            own = 0.0 if one else batch_means(moved[:, j]).error
            error[j] = np.hypot(own, np.sqrt(max(float(extra[part][j]), 0.0)))
        found[steps] = error
    return found


def _horizons(horizons: Sequence[int] | None, lengths: IntArray, caller: str) -> list[int]:
    longest = int(lengths.max())
    if horizons is not None:
        chosen = sorted({check_int(k, name="horizons", caller=caller, minimum=1) for k in horizons})
        if not chosen or chosen[-1] > longest:
            raise SpecificationError(
                f"{caller}: horizons must be whole numbers from 1 to {longest}, the rows of the "
                f"longest sequence; got {list(horizons)}."
            )
        return chosen
    scales = [base * 10**power for power in range(4) for base in (1, 2, 5)]
    found = [
        k for k in scales if k <= LONGEST and int((np.maximum(lengths, 0) // k).sum()) >= ENOUGH
    ]
    return found or [1]


def _starts(offsets: IntArray, burn: int, steps: int, most: int) -> IntArray:
    """First rows of windows that do not overlap, evenly spread if there are too many."""
    every = np.concatenate(
        [
            np.arange(int(a) + burn, int(b) - steps + 1, steps, dtype=np.intp)
            for a, b in pairwise(offsets)
        ]
    )
    if len(every) <= most:
        return every
    return every[np.linspace(0, len(every) - 1, most).astype(np.intp)]
