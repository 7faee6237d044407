"""Whether small differences grow: the one-sided test of chaos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rnnstats._checks import check_alpha, check_float, check_int, check_literal
from rnnstats.diagnostics.memory.lyapunov.growth import ErrorMethod, Growth, growth_of
from rnnstats.diagnostics.memory.recurrences import (
    Given,
    Recurrence,
    StepRecurrence,
    recurrence_of,
)
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.standard_errors import StandardError
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ChaosTest", "Measured", "chaos_of", "chaos_test", "measured"]

# Rows left out at the start of a run of a function, while it comes to where it stays: a tenth, at
# most so many.
BURN = 1000
METHODS = {
    "shintani_linton": "Shintani and Linton (quadratic-spectral kernel)",
    "batch_means": "batch means",
}
HYPOTHESES = ("exponent >= 0 (chaos)", "exponent <= 0 (no chaos)")


@dataclass(frozen=True, eq=False, repr=False)
class ChaosTest(Report):
    """One-sided tests of the largest Lyapunov exponent.

    Both hypotheses are tested: that differences of the start grow (the exponent is not negative),
    and that they do not (it is not positive). ``verdict`` is "chaos" where the second is rejected,
    "no chaos" where the first is, else "not distinguishable from 0". Where one matrix moves the
    state in all rows a positive exponent is no chaos but an explosion, and the verdict says so.

    Attributes
    ----------
    exponent : float
        Largest exponent, a unit of time.
    bse : float
        Its standard error by `method`.
    statistic : float
        Their ratio.
    df : float
        Degrees of freedom of Student's law of the ratio at an exponent of zero: one less than there
        are batches, those that the kernel's variance is equivalent to (whose ratio is that much
        wider as the kernel's estimate is small on average), infinite by the delta method.
    method : {"shintani_linton", "batch_means"}
        Of the variance.
    alpha : float
        Level of each of the two tests.
    verdict : str
    nobs : int
        Rows counted.

    References
    ----------
    Shintani and Linton (2004), Journal of Econometrics 120, 1-33, section 3.
    """

    exponent: float
    bse: float
    statistic: float
    df: float
    method: ErrorMethod
    alpha: float
    verdict: str
    nobs: int
    _growth: Growth
    _error: StandardError
    _title: str

    @property
    def pvalues(self) -> pd.Series:
        """One-sided p-values by hypothesis (a copy)."""
        found = [self._error.above(-self.statistic), self._error.above(self.statistic)]
        return pd.Series(found, index=list(HYPOTHESES), name="pvalue")

    @property
    def frame(self) -> pd.DataFrame:
        """One row a hypothesis: ``statistic``, ``pvalue``, ``rejected`` at level `alpha`."""
        pvalues = self.pvalues
        table = {
            "statistic": self.statistic, "pvalue": pvalues, "rejected": pvalues <= self.alpha
        }  # fmt: skip
        return pd.DataFrame(table, index=pvalues.index.rename("H0"))

    def summary(self) -> Any:
        """Summary table, see `Report.summary`."""
        heading = "Test of chaos" + (f": {self._title}" if self._title else "")
        table = self.frame.rename_axis(index=None)
        table["rejected"] = ["yes" if one else "no" for one in table["rejected"]]
        notes = [
            f"Largest Lyapunov exponent {self.exponent:.6g}, standard error {self.bse:.3g} "
            f"({_how(self._growth, self.method)}; {self.df:.4g} degrees of freedom), {self.nobs} "
            f"rows. Verdict: {self.verdict}.",
        ]
        return lay_out({heading: table}, notes)

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw the estimate with its one-sided bounds, see `Report.plot`.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional

        Returns
        -------
        matplotlib.figure.Figure
        """
        from rnnstats.diagnostics.memory.lyapunov.plots import draw_chaos

        return draw_chaos(self.exponent, self._error, self.alpha, self.verdict, fig=fig)


def _how(growth: Growth, method: ErrorMethod) -> str:
    return "delta method" if growth.closed else METHODS[method]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Growth along a recurrence, and what it was measured on.

    Attributes
    ----------
    recurrence : Recurrence
    given : {"inputs", "shocks"}
    burn : int
        Rows left out at the start of each sequence.
    nobs : int
        Rows counted.
    growth : Growth
    """

    recurrence: Recurrence
    given: Given
    burn: int
    nobs: int
    growth: Growth


def measured(
    recurrence: Recurrence, given: Given | None, burn: int | None, *, caller: str
) -> Measured:
    """Measure how directions grow, after a look at the options.

    Parameters
    ----------
    recurrence : Recurrence
    given : {"inputs", "shocks"} or None
    burn : int or None
    caller : str
        Function that the user called.

    Returns
    -------
    Measured

    Raises
    ------
    SpecificationError
        An option is none, or no sequence is longer than `burn`.
    """
    held: Given = check_literal(given, get_args(Given), name="given", caller=caller)
    offsets = recurrence.trajectory(held).offsets
    longest = int(np.diff(offsets).max())
    if burn is None:
        first = min(longest // 10, BURN) if isinstance(recurrence, StepRecurrence) else 0
    else:
        first = check_int(burn, name="burn", caller=caller, minimum=0)
    if first >= longest:
        raise SpecificationError(
            f"{caller}: burn must be less than the number of rows, {longest}; got {first}. Take "
            "more steps, or leave out fewer."
        )
    nobs = int(np.maximum(np.diff(offsets) - first, 0).sum())
    return Measured(recurrence, held, first, nobs, growth_of(recurrence, held, first))


def chaos_of(
    found: Measured, *, dt: float, method: ErrorMethod, alpha: float, caller: str
) -> ChaosTest:
    """Test the largest exponent of what was measured.

    Parameters
    ----------
    found : Measured
    dt : float
        Time from row to row.
    method : {"shintani_linton", "batch_means"}
    alpha : float
    caller : str

    Returns
    -------
    ChaosTest
    """
    check_alpha(alpha, caller)
    how: ErrorMethod = check_literal(method, get_args(ErrorMethod), name="method", caller=caller)
    growth = found.growth
    first: np.ndarray[Any, np.dtype[np.float64]] = np.zeros(len(growth.rates))
    first[0] = 1.0
    rate, error = float(growth.rates[0]), growth.standard_error(first, how).over(dt)
    ratio = error.ratio(rate / dt)
    if np.isnan(ratio):
        verdict = "no standard error"
    elif error.above(ratio) <= alpha:
        verdict = "explosion" if growth.closed else "chaos"
    else:
        verdict = "no chaos" if error.above(-ratio) <= alpha else "not distinguishable from 0"
    title = found.recurrence.labels.title
    values = (rate / dt, error.value, ratio, error.df, how, float(alpha), verdict, found.nobs)
    return ChaosTest(*values, _growth=growth, _error=error, _title=title)


def chaos_test(
    step: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    dt: float = 1.0,
    burn: int | None = None,
    given: Given = "shocks",
    method: ErrorMethod = "shintani_linton",
    alpha: float = 0.05,
) -> ChaosTest:
    """Test whether small differences of the start grow (Shintani and Linton 2004).

    Parameters
    ----------
    step : callable, array_like or results
        ``step(h, x)`` or ``step(h)``; one matrix (m, m); Jacobians (n, m, m); results of a model.
    h0 : array_like of shape (m,), optional
        State before the first step; needed with a function, and with nothing else.
    nsteps : int, optional
        Steps of a function; by default the rows of `inputs`.
    jacobian : callable, optional
        ``jacobian(h, x)`` of a function, shape (m, m); by default a complex step or differences.
    inputs : array_like of shape (nsteps, ...), optional
        Row t goes into step t of a function.
    dt : float
        Time from row to row: the exponent is one a unit of time.
    burn : int, optional
        Rows left out at the start of each sequence. By default a tenth of the steps of a function,
        at most 1000, and none of a series or of given Jacobians.
    given : {"shocks", "inputs"}
        What is held as it was while the state of a model moves: its shocks, so that outputs move
        with the state and come back as inputs, or its inputs, lagged outputs among them.
    method : {"shintani_linton", "batch_means"}
        Variance of the mean log growth: quadratic-spectral kernel with the bandwidth of Andrews
        (1991), or batch means; each with the Student's law that it implies.
    alpha : float
        Level of each of the two tests.

    Returns
    -------
    ChaosTest
        ``exponent``, ``bse``, ``statistic``, ``df``, ``pvalues``, ``verdict``, ``frame``,
        ``summary()``, ``plot()``.

    Raises
    ------
    SpecificationError
        The source or an option is none of these, or the state does not stay finite.

    Notes
    -----
    With T_t the product of the Jacobians of rows 1 to t and v its direction of largest growth, the
    exponent is the mean over rows of ``log |T_t v| / |T_{t-1} v|``, which is theirs; its variance
    is the long-run variance of these numbers over n. They take the normal law for the ratio; here
    it is Student's, since the variance is an estimate (Sun 2014; see `long_run.kernel_law`). For
    results of a model the rows' scores are added, so that it holds what estimation adds too. Where
    one matrix moves the state in all rows the exponent is the log of its spectral radius, with a
    delta-method error.

    The variance must not be zero. It is for maps that are smooth changes of coordinates of a map
    with one slope (the logistic map at 4): there the exponent converges faster than any standard
    error says, and the test errs on the side of "not distinguishable".

    References
    ----------
    Shintani and Linton (2004), Nonparametric neural network estimation of Lyapunov exponents and a
    direct test for chaos, Journal of Econometrics 120, 1-33; Sun (2014), Let's fix it: fixed-b
    asymptotics versus small-b asymptotics in heteroskedasticity and autocorrelation robust
    inference, Journal of Econometrics 178, 659-677.

    Examples
    --------
    >>> from rnnstats.diagnostics.memory import chaos_test
    >>> test = chaos_test(lambda h: 3.9 * h * (1 - h), [0.3], 2000)
    >>> test.verdict
    'chaos'
    """
    caller = "chaos_test"
    unit = check_float(dt, name="dt", caller=caller, above=0.0)
    recurrence = recurrence_of(step, h0, nsteps, jacobian=jacobian, inputs=inputs, caller=caller)
    found = measured(recurrence, given, burn, caller=caller)
    return chaos_of(found, dt=unit, method=method, alpha=alpha, caller=caller)
