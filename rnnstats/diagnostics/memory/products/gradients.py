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

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_alpha, check_literal
from rnnstats.diagnostics.memory.products.jacobians import reach, told_lags
from rnnstats.diagnostics.memory.products.lagged import (
    By,
    LaggedGradients,
    Of,
    one_window,
    over_rows,
)
from rnnstats.diagnostics.memory.products.plots import draw_gradient_norms, draw_gradients
from rnnstats.diagnostics.memory.products.surroundings import Output, with_output
from rnnstats.diagnostics.memory.recurrences import (
    Given,
    Labels,
    Recurrence,
    Trajectory,
    recurrence_of,
)
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.uncertainty import delta, row_means
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GradientByLag", "gradient_by_lag"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

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
        if self._frame["rows"].max() == 1:
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
            width = check_alpha(self.alpha, "plot")
            return draw_gradients(self._frame, width, self.alpha, step, fig=fig)
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
    _check_parts(trajectory, of, by, caller)
    single = one_window(trajectory, 1) is not None
    steps = reach(trajectory.offsets, horizon, caller, single, int(by == "input"))
    study = _Study(recurrence, given, _gradients(trajectory, of, by, steps), trajectory.nobs)
    names = {"output": labels.outputs, "input": labels.inputs}
    levels: dict[str, tuple[str, ...]] = {one: names[one] for one in (of, by) if one in names}
    return GradientByLag(of, by, labels, float(alpha), study.frame(levels), study.totals(levels))


def _check_parts(trajectory: Trajectory, of: Of, by: By, caller: str) -> None:
    if of == "output" and trajectory.readout is None:
        raise SpecificationError(
            f"{caller}: of='output' needs outputs; got a recurrence without. Give output=, a "
            "function output(h, x) or a matrix (p, m)."
        )
    if by == "input" and trajectory.inputs is None:
        raise SpecificationError(
            f"{caller}: by='input' needs inputs that the state is a function of; got a recurrence "
            "without. Give a function step(h, x) with inputs=, or results of a model whose filter "
            "settles."
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


@dataclass(eq=False)
class _Study:
    """Gradients with what is uncertain about their means."""

    recurrence: Recurrence
    given: Given | None
    found: LaggedGradients
    nobs: int

    @cached_property
    def _sizes(self) -> tuple[FloatArray, FloatArray]:
        """Means of the norms and of the absolute gradients, (lags, q), and of the lags, (q,)."""
        with np.errstate(over="ignore"):
            size = over_rows(np.exp(self.found.logs)).mean
        lags = np.arange(len(size))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return size, np.asarray(lags @ size / size.sum(axis=0))

    def _columns(self, there: Recurrence) -> FloatArray:
        """Means, their second ones, sums and mean lags of each row, (n, 2 (lags + 1) q)."""
        found = self.found
        trajectory = found.trajectory
        if there is not self.recurrence:
            moved = there.trajectory(self.given)
            trajectory = one_window(moved, found.horizon) or moved
        norms, logs = found.along(trajectory)
        signed = norms * found.signs if found.signed else norms
        first, sizes = self._spread(signed), self._spread(norms)
        second = sizes
        if not found.signed:
            own = there is self.recurrence and not self._single
            second = self._shared_out(logs) if own else self._spread(logs)
        size, middle = self._sizes
        lags = np.arange(len(size))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            away = (lags[:, None] - middle) / size.sum(axis=0)
            mean_lag = middle + (sizes * away).sum(axis=1)
        blocks = (first, second, first.sum(axis=1, keepdims=True), mean_lag[:, None])
        return np.concatenate(blocks, axis=1).reshape(len(first), -1)

    def _spread(self, values: FloatArray) -> FloatArray:
        """Values (lags, r, q) among all rows, (n, lags, q): means and errors are those of the r."""
        if self._single:
            return values.transpose(1, 0, 2)
        there = ~np.isnan(values)
        counts = np.maximum(there.sum(axis=1), 1)
        with np.errstate(invalid="ignore"):
            mean = np.where(there, values, 0.0).sum(axis=1) / counts
            away = np.where(there, values - mean[:, None], 0.0) * (self.nobs / counts)[:, None]
        found = np.tile(mean, (self.nobs, 1, 1))
        found[self.found.rows] += away.transpose(1, 0, 2)
        return found

    def _shared_out(self, logs: FloatArray) -> FloatArray:
        """Log norms as `_spread` gives them, but each growth in the row in which it takes place.

        A log norm of lag k is a sum over k rows; left in one row, such sums of neighbours would
        depend on one another over k rows.
        """
        found = np.empty((self.nobs, *logs[:, 0].shape))
        with np.errstate(invalid="ignore"):
            growth = np.diff(logs, axis=0, prepend=np.zeros((1, *logs.shape[1:])))
        for lag in range(len(logs)):
            valid = ~np.isnan(logs[lag, :, 0])
            if not valid.any():
                found[:, lag] = np.nan
                continue
            rows, share = self.found.rows[valid], self.nobs / int(valid.sum())
            here = np.zeros((self.nobs, logs.shape[2]))
            for back, part in enumerate(growth[: lag + 1, valid]):
                # the row of the Jacobian that the product took in last
                with np.errstate(invalid="ignore"):  # of rows in which nothing is left
                    here[rows - max(back - 1, 0)] += part - part.mean(axis=0)
            with np.errstate(invalid="ignore"):
                found[:, lag] = share * here + logs[lag, valid].mean(axis=0)
        return found

    @property
    def _single(self) -> bool:
        """Whether one window stands for all rows."""
        return len(self.found.rows) == 1 and self.found.trajectory.nobs == self.found.horizon + 1

    @cached_property
    def errors(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Standard errors of the means, of the second means, of sums and of mean lags."""
        if self._single:
            error = delta(self.recurrence, lambda there: self._columns(there)[0]).error
        else:
            error = row_means(self.recurrence, self._columns, self._depend()).error
        lags = len(self.found.logs)
        table = error.reshape(2 * lags + 2, -1)
        return table[:lags], table[lags : 2 * lags], table[-2], table[-1]

    def _depend(self) -> IntArray:
        """Rows over which the columns depend on one another: the lag, where it is in one row."""
        lags, q = np.arange(len(self.found.logs)), self.found.logs.shape[2]
        second = lags if self.found.signed else np.zeros_like(lags)
        size = self._sizes[0]
        with np.errstate(invalid="ignore"):  # the lag that holds nine tenths of the sum
            share = np.nancumsum(size, axis=0) >= 0.9 * np.nansum(size, axis=0)
        middle = share.argmax(axis=0)
        by_lag = np.repeat(np.concatenate([lags, second]), q)
        return np.concatenate([by_lag, middle, middle])

    def frame(self, levels: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
        """Table by what is moved, what moves it, and lag, see `GradientByLag.frame`."""
        found, (error, second, _, _) = self.found, self.errors
        values, logs = over_rows(found.values), over_rows(found.logs)
        other = ("abs_mean", self._sizes[0]) if found.signed else ("log_mean", logs.mean)
        parts = {
            "rows": np.broadcast_to(values.rows[:, None], values.mean.shape),
            "mean": values.mean, "mean_se": error,
            other[0]: other[1], f"{other[0]}_se": second,
            "median": values.median, "lower": values.lower, "upper": values.upper,
        }  # fmt: skip
        columns = {name: part.T.ravel() for name, part in parts.items()}
        lags = range(len(found.logs))
        if not levels:
            return pd.DataFrame(columns, index=pd.RangeIndex(len(lags), name="lag"))
        index = pd.MultiIndex.from_product([*levels.values(), lags], names=[*levels, "lag"])
        return pd.DataFrame(columns, index=index)

    def totals(self, levels: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
        """Table of what all lags make together, see `GradientByLag.totals`."""
        size, middle = self._sizes
        _, _, error, lag_error = self.errors
        with np.errstate(invalid="ignore"):
            together = over_rows(self.found.values).mean.sum(axis=0)
        peak = np.where(np.isnan(size), -np.inf, size).argmax(axis=0)
        table = {
            "sum": together, "sum_se": error, "mean_lag": middle, "mean_lag_se": lag_error,
            "peak_lag": peak,
        }  # fmt: skip
        names = list(levels.values())
        index = pd.Index(names[0] if names else ["state"], name=next(iter(levels), None))
        if len(names) > 1:
            index = pd.MultiIndex.from_product(names, names=list(levels))
        return pd.DataFrame(table, index=index)


def _label(key: Any) -> str:
    """Name of what is moved and of what moves it."""
    return " by ".join(str(one) for one in key) if isinstance(key, tuple) else str(key)
