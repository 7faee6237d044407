"""Gradients by lag along a series: how much of the past is left in a state or an output.

The gradient of the output of row t by an input k rows before says which past inputs a model reads,
in the units of output and input; by the state k rows before, how far back a gradient travels.

References
----------
Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, ICML,
section 2; Lütkepohl (2005), New Introduction to Multiple Time Series Analysis, sections 2.3.2 and
10.6 (of a linear model these are its impulse responses and dynamic multipliers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_alpha, check_literal
from rnnstats.diagnostics.memory.products.gradient_means import GradientMeans
from rnnstats.diagnostics.memory.products.jacobians import reach, told_lags
from rnnstats.diagnostics.memory.products.lagged import (
    By,
    LaggedGradients,
    Of,
    one_window,
)
from rnnstats.diagnostics.memory.products.plots import draw_gradient_norms, draw_gradients
from rnnstats.diagnostics.memory.products.surroundings import Output, with_output
from rnnstats.diagnostics.memory.recurrences import (
    Given,
    GivenRecurrence,
    Labels,
    Recurrence,
    StepRecurrence,
    Trajectory,
    recurrence_of,
)
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GradientByLag", "gradient_by_lag"]


# Singular values of the gradients of states: numbers of a matrix cubed, over rows and lags, at
# most; and rows that are looked at in any case.
NUMBERS, FEWEST = 100_000_000, 200


@dataclass(frozen=True, eq=False, repr=False)
class GradientByLag(Report):
    """Gradients by lag along a series.

    Attributes
    ----------
    of : {"state", "output"}
        What is moved.
    by : {"state", "input"}
        What moves it, some rows before.
    labels : Labels
        Names of states, inputs, outputs, and the unit of time.
    alpha : float
        One minus the coverage of intervals.
    """

    of: Of
    by: By
    labels: Labels
    alpha: float
    _frame: pd.DataFrame
    _totals: pd.DataFrame
    _reach: NDArray[np.float64]
    _single: bool

    @property
    def frame(self) -> pd.DataFrame:
        """Gradients by lag (a copy).

        The index ends in ``lag`` from 0; before it come ``output`` where outputs are moved, and
        ``input`` where inputs move them. Columns: ``rows`` that reach so far back; ``mean`` over
        these with its standard error ``mean_se``; ``median``, ``lower`` and ``upper`` (10 % and
        90 %) over rows.

        - A state is moved, or a state moves: of norms of gradients, the largest singular value of
          dh_t / dh_{t-k}, and Euclidean lengths. ``log_mean`` with ``log_mean_se`` are of their
          logs, which neither overflow nor vanish: ``-inf`` where a row has nothing left.
        - An input moves an output: signed gradients dE[y_t] / dx_{t-k}, with ``abs_mean`` and
          ``abs_mean_se`` of their absolute values.

        Standard errors hold both what a longer series (batch means, batches no shorter than the
        lag; NaN where there are fewer than four) and better estimates would change. The mean of
        norms at long lags rests on the few rows where they are largest, so that its error is too
        small; that of the logs is not. Where all rows have the same gradients (linear models) these
        are exact, and standard errors are those of the delta method.
        """
        return self._frame.copy()

    @property
    def totals(self) -> pd.DataFrame:
        """What all lags up to the horizon make together, one row an output or input (a copy).

        ``sum`` of the means with ``sum_se`` (of signed gradients the multiplier of a lasting change
        of the input); ``mean_lag``, lags weighted by the mean absolute gradient, with
        ``mean_lag_se``; ``peak_lag``, that of the largest mean absolute gradient.
        """
        return self._totals.copy()

    def table(self, column: str = "mean") -> pd.DataFrame:
        """
        One column of the frame, lags down and what moves or is moved across.

        Parameters
        ----------
        column : str
            A column of `frame`.

        Returns
        -------
        DataFrame

        Raises
        ------
        SpecificationError
            There is no such column.
        """
        check_literal(column, list(self._frame.columns), name="column", caller="table")
        levels = list(self._frame.index.names[:-1])
        found: Any = self._frame[[column]] if not levels else self._frame[column].unstack(levels)
        return pd.DataFrame(found.loc[range(int(found.index.max()) + 1)])

    def summary(self) -> Any:
        """
        Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Sums and mean lags, and gradients by lag.
        """
        totals = self._totals.set_axis([_label(key) for key in self._totals.index])
        tables = {f"{self._title()}: lags together (in {self.labels.step})": totals}
        wide = self.table("mean")
        if self._frame.index.nlevels > 1:
            wide.columns = pd.Index([_label(key) for key in wide.columns])
            table = wide.iloc[told_lags(len(wide)), :8]
            tables["Means by lag"] = table.set_axis([f"lag {lag}" for lag in table.index])
        else:
            part = self._frame.iloc[told_lags(len(self._frame))]
            tables["Norms by lag"] = part.set_axis([f"lag {lag}" for lag in part.index])
        return lay_out(tables, self._notes())

    def _notes(self) -> list[str]:
        notes = []
        if self.by == "input":
            notes.append("Gradients are in units of what is moved over units of the input.")
        if self._single:
            notes.append("All rows have the same gradients; standard errors by the delta method.")
        else:
            notes.append("Standard errors: batch means over rows, with the error of the estimates.")
        return notes

    def _title(self) -> str:
        words = {"state": "h", "output": "E[y]"}[self.of], {"state": "h", "input": "x"}[self.by]
        start = f"{self.labels.title}: g" if self.labels.title else "G"
        return f"{start}radient d{words[0]}(t)/d{words[1]}(t-k)"

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """
        Plot gradients by lag with their range over rows.

        Norms are on a log scale; signed gradients come with the interval of their mean, one panel
        an output and input, the largest first and at most 12.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        step = self.labels.step
        if self.of == "output" and self.by == "input":
            frame = self._frame.assign(reach=self._reach)
            return draw_gradients(frame, self.alpha, step, fig=fig)
        words = {"state": "h(t)", "output": "E[y(t)]"}[self.of]
        by = {"state": "h(t-k)", "input": "x(t-k)"}[self.by]
        return draw_gradient_norms(self._frame, f"Norm of d{words}/d{by}", step, fig=fig)


def gradient_by_lag(
    source: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    of: Of = "state",
    by: By = "state",
    output: Output | None = None,
    horizon: int | None = None,
    given: Given | None = None,
    alpha: float = 0.05,
) -> GradientByLag:
    """
    Gradients by lag along a series: which past states, or inputs, move a state or an output.

    Parameters
    ----------
    source : results, callable or array_like
        Results of a model; a function ``step(h, x)`` or ``step(h)``; one matrix (m, m) that moves
        the state in every row; Jacobians (n, m, m), row t those of the step into row t.
    h0 : array_like of shape (m,), optional
        State before the first step; for a function.
    nsteps : int, optional
        Number of steps of a function; by default the rows of `inputs`.
    jacobian : callable, optional
        ``jacobian(h, x)`` of shape (m, m); for a function, whose derivative is otherwise found by a
        complex step, or by differences. Derivatives by inputs are found that way in any case.
    inputs : array_like of shape (nsteps, ...), optional
        Row t goes into step t; for a function.
    of : {"state", "output"}
        What is moved: the state, or the mean of each output.
    by : {"state", "input"}
        What moves it, k rows before: the state, or each input.
    output : callable or array_like, optional
        ``output(h, x)``, ``output(h)`` or a matrix (p, m): outputs of a function; the matrix also
        of given Jacobians. Results have their own.
    horizon : int, optional
        Largest lag k in rows; by default 40, or the rows of the longest sequence where these are
        fewer. Where all rows have the same gradients it may be any.
    given : {"inputs", "shocks"}, optional
        What is held as it was. "inputs": lagged outputs count as inputs like the regressors, and
        outputs are E[y_t] given the past. "shocks": outputs move with the state and come back as
        inputs; the inputs are the shocks of a row and the regressors, and the gradients by shocks
        are impulse responses. By default as the state equation of the model is written: shocks for
        linear models, inputs for networks.
    alpha : float
        One minus the coverage of intervals of the picture.

    Returns
    -------
    GradientByLag
        ``frame``, ``totals``, ``table(column)``, ``summary()``, ``plot()``.

    Raises
    ------
    SpecificationError
        The source, or an argument, makes no sense; there are no inputs or outputs to look at; the
        horizon is longer than every sequence.

    Notes
    -----
    With the Jacobians J_t of the steps, V_t of the outputs and B_t of the inputs, the gradient of
    output t by input t - k is ``V_t J_t ... J_{t-k+1} B_{t-k}``. Means are over all rows t whose
    sequence reaches back so far. For states by states with many states and rows, over rows at equal
    distances. Standard errors hold the estimation of the parameters through the derivatives of the
    means by these.

    Examples
    --------
    A leaky unit that keeps 0.9 of its content reads an input k rows back with weight 0.1 * 0.9^k:

    >>> def leaky(h, x):
    ...     return 0.9 * h + 0.1 * x
    >>> x = [[0.0], [1.0], [0.0], [2.0]]
    >>> found = gradient_by_lag(leaky, [0.0], inputs=x, of="output", by="input", output=[[1.0]])
    >>> found.table().round(4).to_numpy().ravel().tolist()
    [0.1, 0.09, 0.081, 0.0729]
    """
    caller = "gradient_by_lag"
    check_alpha(alpha, caller)
    check_literal(of, get_args(Of), name="of", caller=caller)
    check_literal(by, get_args(By), name="by", caller=caller)
    if given is not None:
        check_literal(given, get_args(Given), name="given", caller=caller)
    recurrence = recurrence_of(source, h0, nsteps, jacobian=jacobian, inputs=inputs, caller=caller)
    trajectory, labels = with_output(recurrence, recurrence.trajectory(given), output, caller)
    _check_parts(recurrence, trajectory, of, by, caller)
    single = one_window(trajectory, 1) is not None
    steps = reach(trajectory.offsets, horizon, caller, single, int(by == "input"))
    study = GradientMeans(recurrence, given, _gradients(trajectory, of, by, steps), trajectory.nobs)
    names = {"output": labels.outputs, "input": labels.inputs}
    levels: dict[str, tuple[str, ...]] = {one: names[one] for one in (of, by) if one in names}
    frame, totals = study.frame(levels), study.totals(levels)
    halves = study.reach(alpha)
    return GradientByLag(of, by, labels, float(alpha), frame, totals, halves, single)


def _check_parts(
    recurrence: Recurrence, trajectory: Trajectory, of: Of, by: By, caller: str
) -> None:
    own = isinstance(recurrence, (StepRecurrence, GivenRecurrence))
    name = recurrence.labels.title or "results"
    if of == "output" and trajectory.readout is None:
        got, way = (
            ("a recurrence without", "Give output=, a function output(h, x) or a matrix (p, m).")
            if own
            else (f"{name}, whose state is read by none", "Use of='state'.")
        )
        raise SpecificationError(f"{caller}: of='output' needs outputs; got {got}. {way}")
    if by == "input" and trajectory.inputs is None:
        got, way = (
            ("a recurrence without", "Give a function step(h, x) with inputs=.")
            if own
            else (
                f"{name}, whose state follows none (or no filter that settles)",
                "Use by='state'.",
            )
        )
        raise SpecificationError(
            f"{caller}: by='input' needs inputs that the state is a function of; got {got}. {way}"
        )


def _gradients(trajectory: Trajectory, of: Of, by: By, steps: int) -> LaggedGradients:
    """Gradients of the rows that count: the last of one window where all rows are the same."""
    window = one_window(trajectory, steps)
    if window is not None:
        return LaggedGradients(window, of, by, steps, np.array([steps], dtype=np.intp))
    n = trajectory.nobs
    most = max(FEWEST, NUMBERS // ((steps + 1) * trajectory.k_state**3)) if of == by else n
    rows = np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.intp)
    return LaggedGradients(trajectory, of, by, steps, rows)


def _label(key: Any) -> str:
    """Name of what is moved and of what moves it."""
    return " by ".join(str(one) for one in key) if isinstance(key, tuple) else str(key)
