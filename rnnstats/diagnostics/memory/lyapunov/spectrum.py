"""Lyapunov spectra: at which rates small differences grow or fade, with standard errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_alpha, check_float
from rnnstats._picture import percent
from rnnstats.diagnostics.memory.lyapunov.chaos import ChaosTest, Measured, chaos_of, measured
from rnnstats.diagnostics.memory.lyapunov.finite_time import FiniteTimeExponents, finite_time_of
from rnnstats.diagnostics.memory.lyapunov.growth import ErrorMethod, kaplan_yorke
from rnnstats.diagnostics.memory.recurrences import Given, recurrence_of
from rnnstats.diagnostics.memory.report import Report, lay_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LyapunovSpectrum", "lyapunov_spectrum"]

FloatArray = NDArray[np.float64]

DIMENSION, TOTAL, POSITIVE = (
    "Kaplan-Yorke dimension", "sum of exponents", "sum of positive exponents"
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class LyapunovSpectrum(Report):
    """Lyapunov exponents of a recurrence, largest first, with standard errors.

    Attributes
    ----------
    exponents : ndarray, shape (m,)
        Rates a unit of time at which differences of the state grow (positive) or fade; ``-inf`` for
        directions that are lost in a step.
    bse : ndarray, shape (m,)
        Standard errors: batch means over rows, with what estimation of the parameters adds; for one
        matrix that moves all rows the delta method, zero where the matrix is known.
    dt : float
        Time from row to row.
    alpha : float
        One minus the coverage of intervals, and the level of verdicts.
    """

    exponents: FloatArray
    bse: FloatArray
    dt: float
    alpha: float
    _found: Measured

    @property
    def nobs(self) -> int:
        """Rows counted."""
        return self._found.nobs

    @property
    def closed_form(self) -> bool:
        """Whether the exponents are the logs of the moduli of the eigenvalues of one matrix."""
        return self._found.growth.closed

    @property
    def dimension(self) -> float:
        """Kaplan-Yorke dimension, see `kaplan_yorke`."""
        return kaplan_yorke(self.exponents).value

    @property
    def dimension_se(self) -> float:
        """Delta-method standard error of the dimension; zero where it is a whole number."""
        return self.standard_error(kaplan_yorke(self._found.growth.rates).slopes)

    def standard_error(self, weights: ArrayLike, method: ErrorMethod = "batch_means") -> float:
        """Standard error of a weighted sum of the rates a row.

        Parameters
        ----------
        weights : array_like, shape (m,)
            Of the exponents times `dt`: divide by `dt` for a sum of exponents.
        method : {"batch_means", "shintani_linton"}
            Of the variance over rows; without a meaning in closed form.

        Returns
        -------
        float
            With the covariance of the exponents, which need not be small: the sum of all exponents
            of a map with constant determinant has none.
        """
        return self._found.growth.standard_error(np.asarray(weights, dtype=float), method).value

    @property
    def quantities(self) -> pd.DataFrame:
        """Numbers made of all exponents, with standard errors.

        ``value`` and ``value_se`` of the Kaplan-Yorke dimension; of the sum of all exponents (the
        rate at which volumes grow); and of the sum of the positive ones, which bounds the entropy
        of the map (Ruelle's inequality) and is the entropy where Pesin's formula holds.
        """
        m, rates = len(self.exponents), self._found.growth.rates
        above = (rates > 0.0).astype(np.float64)
        values = (
            self.dimension, float(self.exponents.sum()), float(self.exponents[rates > 0.0].sum())
        )  # fmt: skip
        errors = (
            self.dimension_se, self.standard_error(np.ones(m) / self.dt),
            self.standard_error(above / self.dt),
        )  # fmt: skip
        index = [DIMENSION, TOTAL, POSITIVE]
        return pd.DataFrame({"value": values, "value_se": errors}, index=index)

    @property
    def frame(self) -> pd.DataFrame:
        """One row an exponent, largest first.

        ``exponent`` with ``exponent_se`` (batch means) and the ends ``lower`` and ``upper`` of its
        interval; ``shintani_linton_se``; ``t`` and the two-sided ``pvalue`` of an exponent of zero
        by batch means and Student's law with ``df`` degrees of freedom (infinite by the delta
        method: the normal law); ``verdict``: "positive", "negative" or "not
        distinguishable from 0".
        """
        growth = self._found.growth
        kernel = [one.over(self.dt).value for one in growth.standard_errors("shintani_linton")]
        errors = [one.over(self.dt) for one in growth.standard_errors()]
        pairs = list(zip(errors, self.exponents.tolist(), strict=True))
        ratio = [error.ratio(exponent) for error, exponent in pairs]
        pvalue = [error.two_sided(one) for error, one in zip(errors, ratio, strict=True)]
        reach = np.array([error.reach(self.alpha) if np.isfinite(e) else 0.0 for error, e in pairs])
        table = {
            "exponent": self.exponents, "exponent_se": self.bse,
            "lower": self.exponents - reach, "upper": self.exponents + reach,
            "shintani_linton_se": kernel, "t": ratio, "df": [error.df for error in errors],
            "pvalue": pvalue,
            "verdict": [_word(*one, self.alpha) for one in zip(ratio, pvalue, strict=True)],
        }  # fmt: skip
        index = pd.RangeIndex(1, len(self.exponents) + 1, name="direction")
        return pd.DataFrame(table, index=index)

    def test_chaos(
        self, *, method: ErrorMethod = "shintani_linton", alpha: float | None = None
    ) -> ChaosTest:
        """Test the largest exponent from both sides, see `chaos_test`.

        Parameters
        ----------
        method : {"shintani_linton", "batch_means"}
            Of the variance.
        alpha : float, optional
            Level; by default that of the intervals.

        Returns
        -------
        ChaosTest
        """
        level = self.alpha if alpha is None else alpha
        return chaos_of(self._found, dt=self.dt, method=method, alpha=level, caller="test_chaos")

    def finite_time(self, horizons: Sequence[int] | None = None) -> FiniteTimeExponents:
        """Exponents of windows of rows: how much growth differs from place to place.

        Parameters
        ----------
        horizons : sequence of int, optional
            Rows of a window; by default 1, 2, 5, 10, ... as long as there are 16 windows.

        Returns
        -------
        FiniteTimeExponents

        Raises
        ------
        SpecificationError
            A horizon is below one, or longer than the longest sequence.
        """
        return finite_time_of(self._found, horizons, dt=self.dt, caller="finite_time")

    def summary(self) -> Any:
        """Summary table, see `Report.summary`."""
        labels = self._found.recurrence.labels
        heading = "Lyapunov exponents" + (f" of {labels.title}" if labels.title else "")
        level = percent(self.alpha)
        table = self.frame.rename_axis(index=None)
        table.columns = pd.Index([
            "exponent", "std err", "[lower", "upper]", "S-L err", "t", "df", "P>|t|",
            "verdict",
        ])  # fmt: skip
        test = self.test_chaos()
        tests = test.frame.rename_axis(index=None)
        tests["rejected"] = ["yes" if one else "no" for one in tests["rejected"]]
        rows = "" if self.closed_form else f", {self.nobs} rows"
        numbers = self.quantities.set_axis(["value", "std err"], axis=1)
        tables = {
            f"{heading} {self._unit()}{rows}": table,
            "Made of all exponents": numbers,
            f"One-sided tests of chaos: {test.verdict}": tests,
        }
        return lay_out(tables, self._notes(level))

    def _unit(self) -> str:
        return "a row" if self.dt == 1.0 else f"a unit of time (rows {self.dt:g} apart)"

    def _notes(self, level: str) -> list[str]:
        step = self._found.recurrence.labels.step
        notes = [] if step == "rows" else [f"Rows: {step}."]
        if self.closed_form:
            notes.append(
                "One matrix moves the state in all rows: exponents are the logs of the moduli of "
                f"its eigenvalues, with delta-method errors; {level} intervals."
            )
        else:
            notes.append(
                f"std err: batch means, {level} intervals by Student's t; S-L err: Shintani and "
                "Linton (quadratic-spectral kernel, bandwidth of Andrews), used in the tests of "
                "chaos."
            )
        if np.isneginf(self.exponents).any():
            notes.append("-inf: a direction that is lost within a step.")
        return notes

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw how the exponents settle, and what they are, see `Report.plot`.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional

        Returns
        -------
        matplotlib.figure.Figure
        """
        from rnnstats.diagnostics.memory.lyapunov.plots import draw_spectrum

        return draw_spectrum(
            self._found.growth.stretch / self.dt, self.frame, self.quantities, dt=self.dt,
            alpha=self.alpha, closed=self.closed_form, fig=fig,
        )  # fmt: skip


def _word(ratio: float, pvalue: float, alpha: float) -> str:
    if np.isnan(ratio):
        return "no standard error"
    if pvalue > alpha:
        return "not distinguishable from 0"
    return "positive" if ratio > 0.0 else "negative"


def lyapunov_spectrum(
    step: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    dt: float = 1.0,
    burn: int | None = None,
    given: Given = "shocks",
    alpha: float = 0.05,
) -> LyapunovSpectrum:
    """Estimate all Lyapunov exponents of a recurrence, with standard errors.

    Parameters
    ----------
    step : callable, array_like or results
        ``step(h, x)`` or ``step(h)``; one matrix (m, m); Jacobians (n, m, m); results of a model.
    h0 : array_like of shape (m,), optional
        State before the first step; needed with a function, and with nothing else.
    nsteps : int, optional
        Steps of a function, `burn` among them; by default the rows of `inputs`.
    jacobian : callable, optional
        ``jacobian(h, x)`` of a function, shape (m, m); by default a complex step, or differences
        where the function does not take complex numbers. Functions that take many states side by
        side, shape (m, n), and inputs (..., n), are differentiated at all of them at once.
    inputs : array_like of shape (nsteps, ...), optional
        Row t goes into step t of a function; without any it gets None.
    dt : float
        Time from row to row: exponents are rates a unit of time.
    burn : int, optional
        Rows left out at the start of each sequence, while the state comes to where it stays. By
        default a tenth of the steps of a function, at most 1000, and none of a series or of given
        Jacobians.
    given : {"shocks", "inputs"}
        What is held as it was while the state of a model moves: its shocks, so that outputs move
        with the state and come back as inputs (the system's own dynamics), or its inputs, lagged
        outputs among them (how fast the filter forgets where it started).
    alpha : float
        One minus the coverage of intervals, and the level of verdicts.

    Returns
    -------
    LyapunovSpectrum
        ``exponents``, ``bse``, ``dimension``, ``quantities``, ``test_chaos()``, ``finite_time()``,
        ``frame``, ``summary()``, ``plot()``.

    Raises
    ------
    SpecificationError
        The source or an option is none of these, or the state does not stay finite.

    Notes
    -----
    Directions are carried along with the Jacobians and made orthogonal in every row (Benettin and
    others 1980; Geist, Parlitz and Lauterborn 1990); exponents are mean log stretches. They start
    in the right singular directions of the product of the first 2000 Jacobians at most, so that for
    shorter series the exponents are nearly the logs of its singular values over n, as in Shintani
    and Linton (2004). A stretch that is not above rounding is one of zero.

    Standard errors are those of a mean over rows that depend on each other: batch means, of the
    square root of n rows or more (Liu, Vats and Flegal 2022) with Student's law of their number
    less one, and the estimator of Shintani and Linton (2004) with its equivalent degrees of freedom
    (see `long_run.kernel_law`). For results both take the mean of each row's influence: its
    stretch, and what its score adds through the estimates.

    Where one matrix moves the state in all rows that count (linear models, a state at rest), the
    exponents are the logs of the moduli of its eigenvalues, exactly, with the delta method.

    With outside inputs or shocks these are exponents of the random system, given these inputs; a
    positive one is then sensitivity of the path to its start under the same shocks.

    References
    ----------
    Benettin, Galgani, Giorgilli and Strelcyn (1980), Meccanica 15, 9-30; Geist, Parlitz and
    Lauterborn (1990), Progress of Theoretical Physics 83, 875-893; Liu, Vats and Flegal (2022),
    Methodology and Computing in Applied Probability 24, 65-93; Shintani and Linton (2004),
    Journal of Econometrics 120, 1-33; Kaplan and Yorke (1979), Lecture Notes in Mathematics 730,
    204-227.

    Examples
    --------
    >>> import numpy as np
    >>> from rnnstats.diagnostics.memory import lyapunov_spectrum
    >>> henon = lambda h: np.array([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]])
    >>> spectrum = lyapunov_spectrum(henon, [0.1, 0.1], 20000)
    >>> bool(abs(spectrum.exponents[0] - 0.4192) < 3 * spectrum.bse[0])
    True
    """
    caller = "lyapunov_spectrum"
    unit = check_float(dt, name="dt", caller=caller, above=0.0)
    check_alpha(alpha, caller)
    recurrence = recurrence_of(step, h0, nsteps, jacobian=jacobian, inputs=inputs, caller=caller)
    found = measured(recurrence, given, burn, caller=caller)
    growth = found.growth
    errors = np.array([one.over(unit).value for one in growth.standard_errors()])
    return LyapunovSpectrum(growth.rates / unit, errors, unit, float(alpha), found)
