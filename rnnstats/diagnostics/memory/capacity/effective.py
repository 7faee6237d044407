"""Effective memory length: how many rows back gradients still have weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_float, check_literal
from rnnstats.diagnostics.memory.capacity.lengths import Length, last_at_share, mean_lag, within
from rnnstats.diagnostics.memory.products.jacobians import reach
from rnnstats.diagnostics.memory.products.lagged import (
    By,
    LaggedGradients,
    Of,
    one_window,
    over_rows,
)
from rnnstats.diagnostics.memory.products.surroundings import Output, with_output
from rnnstats.diagnostics.memory.recurrences import Given, Recurrence, Trajectory, recurrence_of
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.uncertainty import delta, row_means
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EffectiveMemory", "Weighed", "effective_memory", "weigh"]

FloatArray = NDArray[np.float64]
CALLER = "effective_memory"

# Lags at first, and at most where all rows are the same; they are doubled while the last weight is
# more than some share of the largest.
FEW, MANY = 40, 5120
# The same for rows that are the same, whose lengths are exact, and for means over rows.
EXACT, FADED = 1e-12, 1e-4
# Singular values of gradients of states: numbers of a matrix cubed, over rows and lags, at most;
# and rows that are looked at in any case.
NUMBERS, FEWEST = 100_000_000, 200
# Logs of sizes above this are measured in a larger unit: sums over rows and lags stay finite.
HIGHEST = 600.0
MEASURES = ("mean_lag", "lag_at_share", "lag_within")


@dataclass(frozen=True, eq=False, repr=False)
class EffectiveMemory(Report):
    """How many rows back gradients still have weight.

    The weight w_k of lag k is the mean over rows of the size of the gradient of a row's state (or
    output) by the state (or input) k rows before. Three lengths are read off it: the mean lag ``sum
    k w_k / sum w_k``; the lag from which on weights are below a share of the largest; and the lag
    within which all but that share of their sum lies. For weights a^k these are a / (1 - a), ln
    share / ln a, and about the same.

    Attributes
    ----------
    of, by : str
        What is moved, and what moves it.
    step : str
        Unit of lags: what one row is, such as "quarters".
    title : str
        The model; empty for none.
    share : float
        What counts as little.
    horizon : int
        Largest lag.
    """

    of: str
    by: str
    step: str
    title: str
    share: float
    horizon: int
    _frame: pd.DataFrame
    _weights: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """Lengths in `step`, one row a gradient (a copy).

        ``mean_lag``, ``lag_at_share`` and ``lag_within``, each with its standard error ``_se``;
        ``left``: weight of the longest lag as a share of the largest. Where that is more than
        `share`, the memory is longer than the series lets see: ``lag_at_share`` is infinite, and
        the other two are of the lags seen.
        """
        return self._frame.copy()

    @property
    def weights(self) -> pd.DataFrame:
        """Weights by lag, index ``lag`` from 0, one column a gradient (a copy).

        Infinite where doubles end; the lengths do not depend on that.
        """
        return self._weights.copy()

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        table = self._frame.copy()
        percent = f"{100 * self.share:g} %"
        table.columns = pd.Index(
            ["mean lag", "std err", f"below {percent}", "std err ", f"all but {percent}",
             "std err  ", "left at the end"]
        )  # fmt: skip
        table.index = pd.Index(_labels(self._frame.index))
        notes = [
            f"Weights: mean size of the gradient of the {self.of} by the {self.by} k rows before, "
            f"up to k = {self.horizon}.",
        ]
        if (self._frame["left"] > self.share).any():
            notes.append(
                "Weights are still large at the longest lag: lengths are those of the lags seen."
            )
        heading = f"Effective memory length in {self.step}"
        return lay_out({heading + (f": {self.title}" if self.title else ""): table}, notes)

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot weights by lag with the lengths.

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
        from rnnstats.diagnostics.memory.capacity.plots import draw_lengths

        return draw_lengths(self, fig=fig)


def effective_memory(
    source: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    of: Of = "state",
    by: By = "state",
    output: Output | None = None,
    share: float = 0.05,
    horizon: int | None = None,
    given: Given | None = None,
) -> EffectiveMemory:
    """Measure how many rows back gradients still have weight, with standard errors.

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
        ``jacobian(h, x)`` of shape (m, m); for a function.
    inputs : array_like of shape (nsteps, ...), optional
        Row t goes into step t; for a function.
    of : {"state", "output"}
        What is moved: the state, or the mean of each output.
    by : {"state", "input"}
        What moves it, k rows before: the state, or each input.
    output : callable or array_like, optional
        ``output(h, x)``, ``output(h)`` or a matrix (p, m): outputs of a function.
    share : float
        What counts as little, between 0 and 1.
    horizon : int, optional
        Largest lag; by default as many as the weights take to fall to 1e-4 of the largest, up to
        half the rows of the longest sequence; to 1e-12, up to 5120, where all rows have the same.
    given : {"inputs", "shocks"}, optional
        What is held as it was, see `gradient_by_lag`.

    Returns
    -------
    EffectiveMemory
        ``frame``, ``weights``, ``summary()``, ``plot()``.

    Raises
    ------
    SpecificationError
        The source, or an argument, makes no sense; there are no inputs or outputs to look at.

    Notes
    -----
    Standard errors hold the finite series (batch means over rows) and the estimation of the
    parameters, through the derivatives of the lengths by the weights. Lengths are skew: intervals
    are better taken on the scale of their logs, ``exp(log L +- 1.96 se / L)``. In 300 series of 500
    rows of an ARMA(1,1) with a root of 0.8 those covered in 95 %, symmetric ones in 91 %. For a
    linear model with ``of="output", by="input"`` weights are absolute impulse responses; states by
    states depend on the coordinates of the state.

    Examples
    --------
    >>> found = effective_memory([[0.8]])
    >>> found.frame[["mean_lag", "lag_at_share"]].round(3).to_numpy().tolist()
    [[4.0, 13.425]]
    """
    check_literal(of, get_args(Of), name="of", caller=CALLER)
    check_literal(by, get_args(By), name="by", caller=CALLER)
    if given is not None:
        check_literal(given, get_args(Given), name="given", caller=CALLER)
    share = check_float(share, name="share", caller=CALLER, above=0.0, below=1.0)
    recurrence = recurrence_of(source, h0, nsteps, jacobian=jacobian, inputs=inputs, caller=CALLER)
    trajectory, labels = with_output(recurrence, recurrence.trajectory(given), output, CALLER)
    for word, part in (("output", trajectory.readout), ("input", trajectory.inputs)):
        if word in (of, by) and part is None:
            raise SpecificationError(
                f"{CALLER}: gradients {'of' if word == of else 'by'} {word}s need {word}s; got a "
                "recurrence without. Look at those of states by states."
            )
    weighed = weigh(recurrence, trajectory, of, by, horizon, given)
    named = {"output": labels.outputs, "input": labels.inputs}
    levels = {word: named[word] for word in (of, by) if word in named}
    index = pd.Index(["state"])
    if len(levels) == 1:
        index = pd.Index(*levels.values(), name=next(iter(levels)))
    elif levels:
        index = pd.MultiIndex.from_product(list(levels.values()), names=list(levels))
    frame = weighed.table(share).set_axis(index)
    lags = pd.RangeIndex(len(weighed.weights), name="lag")
    weights = pd.DataFrame(weighed.sizes, index=lags, columns=_labels(index))
    title, step = labels.title, labels.step
    return EffectiveMemory(of, by, step, title, share, len(lags) - 1, frame, weights)


def _labels(index: pd.Index) -> list[str]:
    """One word a gradient."""
    return [" by ".join(one) if isinstance(one, tuple) else str(one) for one in index]


@dataclass(eq=False)
class Weighed:
    """Weights of lags with what is uncertain about them.

    Attributes
    ----------
    recurrence : Recurrence
    given : {"inputs", "shocks"} or None
    found : LaggedGradients
    nobs : int
        Rows of the trajectory.
    weights : ndarray, shape (lags + 1, q)
        Means over rows, divided by ``exp(unit)``.
    unit : ndarray, shape (q,)
        Zero unless gradients grow beyond what sums of doubles hold.
    """

    recurrence: Recurrence
    given: Given | None
    found: LaggedGradients
    nobs: int
    weights: FloatArray
    unit: FloatArray

    @property
    def sizes(self) -> FloatArray:
        """Means over rows, shape (lags + 1, q); infinite where doubles end."""
        with np.errstate(over="ignore", divide="ignore"):
            larger = np.exp(np.log(self.weights) + self.unit)
        return np.where(self.unit > 0.0, larger, self.weights)

    def table(self, share: float) -> pd.DataFrame:
        """Lengths with standard errors, one row a gradient, see `EffectiveMemory.frame`.

        Parameters
        ----------
        share : float
            What counts as little.

        Returns
        -------
        DataFrame
        """
        q = self.weights.shape[1]
        lengths = [
            [mean_lag(column), last_at_share(column, share), within(column, 1.0 - share)]
            for column in self.weights.T
        ]
        error = self._errors([part for parts in lengths for part in parts]).reshape(q, -1)
        columns: dict[str, Any] = {}
        for j, name in enumerate(MEASURES):
            columns[name] = [parts[j].value for parts in lengths]
            columns[f"{name}_se"] = error[:, j]
        with np.errstate(invalid="ignore"):
            columns["left"] = self.weights[-1] / self.weights.max(axis=0)
        return pd.DataFrame(columns)

    def _errors(self, lengths: list[Length]) -> FloatArray:
        """Standard errors; NaN for lengths without derivatives."""
        per = len(MEASURES)
        slopes = np.array([length.slopes for length in lengths])
        told = np.isfinite(slopes).all(axis=1)
        slopes = np.where(told[:, None], slopes, 0.0)

        def columns(there: Recurrence) -> FloatArray:
            sizes = self._rows(there)
            parts = [sizes[:, :, j // per] @ slope for j, slope in enumerate(slopes)]
            return np.stack(parts, axis=1)

        if self.found.single:
            error = delta(self.recurrence, lambda there: columns(there)[0]).error
        else:
            error = row_means(self.recurrence, columns).error
        return np.where(told, error, np.nan)

    def _rows(self, there: Recurrence) -> FloatArray:
        """Sizes by row, (n, lags + 1, q); rows that do not count have the mean."""
        found = self.found
        if there is self.recurrence:
            norms = np.exp(found.logs - self.unit)
        else:
            moved = there.trajectory(self.given)
            norms = found.along(one_window(moved, found.horizon) or moved, self.unit)[0]
        if found.single:
            return np.asarray(norms.transpose(1, 0, 2))
        seen = ~np.isnan(norms)
        counts = np.maximum(seen.sum(axis=1), 1)
        mean = np.where(seen, norms, 0.0).sum(axis=1) / counts
        away = np.where(seen, norms - mean[:, None], 0.0) * (self.nobs / counts)[:, None]
        rows = np.tile(mean, (self.nobs, 1, 1))
        rows[found.rows] += away.transpose(1, 0, 2)
        return rows


def weigh(
    recurrence: Recurrence,
    trajectory: Trajectory,
    of: Of,
    by: By,
    horizon: int | None,
    given: Given | None,
) -> Weighed:
    """Weigh lags by the mean size of gradients.

    Parameters
    ----------
    recurrence : Recurrence
    trajectory : Trajectory
        Of it, with outputs and inputs where these are asked for.
    of : {"state", "output"}
    by : {"state", "input"}
    horizon : int or None
        Largest lag; None for as many as the weights take to fade.
    given : {"inputs", "shocks"} or None
        How the trajectory was taken.

    Returns
    -------
    Weighed

    Raises
    ------
    SpecificationError
        The horizon is no whole number from 1 on, or longer than every sequence.
    """
    endless = one_window(trajectory, 1) is not None
    less = int(by == "input")
    if horizon is not None:
        steps = reach(trajectory.offsets, horizon, CALLER, endless, less)
        return _weighed(recurrence, trajectory, of, by, steps, given)
    longest = int(np.diff(trajectory.offsets).max()) - less
    limit = MANY if endless else max(min(1, longest), longest // 2)
    steps = min(FEW, limit)
    found = _weighed(recurrence, trajectory, of, by, steps, given)
    faded = EXACT if endless else FADED
    while steps < limit and (found.weights[-1] > faded * found.weights.max(axis=0)).any():
        steps = min(2 * steps, limit)
        found = _weighed(recurrence, trajectory, of, by, steps, given)
    return found


def _weighed(
    recurrence: Recurrence, trajectory: Trajectory, of: Of, by: By, steps: int, given: Given | None
) -> Weighed:
    window, n = one_window(trajectory, steps), trajectory.nobs
    if window is not None:
        found = LaggedGradients(window, of, by, steps, np.array([steps], dtype=np.intp))
    else:
        cost = (steps + 1) * trajectory.k_state**3
        most = max(FEWEST, NUMBERS // cost) if of == by else n
        rows = np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.intp)
        found = LaggedGradients(trajectory, of, by, steps, rows)
    largest = np.max(found.logs, axis=(0, 1), where=~np.isnan(found.logs), initial=-np.inf)
    unit = np.maximum(largest - HIGHEST, 0.0)
    weights = over_rows(np.exp(found.logs - unit)).mean
    return Weighed(recurrence, given, found, n, weights, unit)
