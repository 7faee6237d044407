"""Means over rows of gradients by lag, with standard errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.products.lagged import LaggedGradients, one_window, over_rows
from rnnstats.diagnostics.memory.recurrences import Given, Recurrence
from rnnstats.diagnostics.memory.standard_errors import two_sided_quantile
from rnnstats.diagnostics.memory.uncertainty import delta, row_means

__all__ = ["GradientMeans"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(eq=False)
class GradientMeans:
    """Gradients by lag with what is uncertain about their means over rows.

    Attributes
    ----------
    recurrence : Recurrence
    given : {"inputs", "shocks"} or None
        What is held.
    found : LaggedGradients
        Along its trajectory.
    nobs : int
        Rows of the trajectory.
    """

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
        if there is self.recurrence:
            with np.errstate(over="ignore"):
                norms, logs = np.exp(found.logs), found.logs
        else:
            moved = there.trajectory(self.given)
            norms, logs = found.along(one_window(moved, found.horizon) or moved)
        signed = norms * found.signs if found.signed else norms
        first, sizes = self._spread(signed), self._spread(norms)
        second = sizes
        if not found.signed:
            own = there is self.recurrence and not self.found.single
            second = self._shared_out(logs) if own else self._spread(logs)
        size, middle = self._sizes
        lags = np.arange(len(size))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            away = (lags[:, None] - middle) / size.sum(axis=0)
            mean_lag = middle + (sizes * away).sum(axis=1)
            total = first.sum(axis=1, keepdims=True)
        blocks = (first, second, total, mean_lag[:, None])
        return np.concatenate(blocks, axis=1).reshape(len(first), -1)

    def _spread(self, values: FloatArray) -> FloatArray:
        """Values (lags, r, q) among all rows, (n, lags, q): means and errors are those of the r."""
        if self.found.single:
            return values.transpose(1, 0, 2)
        there = ~np.isnan(values)
        counts = np.maximum(there.sum(axis=1), 1)
        with np.errstate(invalid="ignore", over="ignore"):
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
        rows, (lags, _, q) = self.found.rows, logs.shape
        there = ~np.isnan(logs[:, :, 0])
        with np.errstate(invalid="ignore"):
            growth = np.diff(logs, axis=0, prepend=np.zeros((1, *logs.shape[1:])))
        growth[~np.isfinite(growth)] = 0.0  # a column with rows in which nothing is left is refused
        # the row of the Jacobian that the product took in last
        shifts = np.maximum(np.arange(lags) - 1, 0)
        found = np.full((self.nobs, lags, q), np.nan)
        here, sums = np.zeros((self.nobs, q)), np.zeros((lags, q))
        for lag in range(lags):
            valid = there[lag]
            count = int(valid.sum())
            if not count:
                break
            if lag:
                gone = np.flatnonzero(there[lag - 1] & ~valid)
                past = growth[:lag, gone]
                np.subtract.at(here, rows[gone] - shifts[:lag, None], past)
                sums[:lag] -= past.sum(axis=1)
            new = growth[lag, valid]
            here[rows[valid] - shifts[lag]] += new
            sums[lag] = new.sum(axis=0)
            center = _of_runs(rows[valid], shifts[: lag + 1], sums[: lag + 1] / count, self.nobs)
            mean = logs[lag, valid].mean(axis=0)
            found[:, lag] = self.nobs / count * (here - center) + mean
            found[:, lag, ~np.isfinite(mean)] = np.nan
        return found

    @cached_property
    def _inference(self) -> tuple[FloatArray, FloatArray]:
        """Standard errors of all columns, and their degrees of freedom."""
        if self.found.single:
            error = delta(self.recurrence, lambda there: self._columns(there)[0]).error
            return error, np.where(np.isnan(error), np.nan, np.inf)
        found = row_means(self.recurrence, self._columns, self._depend())
        return found.error, found.df

    def reach(self, alpha: float) -> FloatArray:
        """Half the lengths of the intervals of the means, by Student's law.

        Parameters
        ----------
        alpha : float
            One minus the coverage.

        Returns
        -------
        ndarray
            One a row of `frame`.
        """
        lags = len(self.found.logs)
        error, df = (part.reshape(2 * lags + 2, -1)[:lags].T.ravel() for part in self._inference)
        return np.asarray(error * two_sided_quantile(alpha, df))

    @property
    def errors(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Standard errors of the means, of the second means, of sums and of mean lags."""
        error, _ = self._inference
        lags = len(self.found.logs)
        table = error.reshape(2 * lags + 2, -1)
        return table[:lags], table[lags : 2 * lags], table[-2], table[-1]

    def _depend(self) -> IntArray:
        """Rows over which the columns depend on one another: the lag, where it is in one row."""
        lags, q = np.arange(len(self.found.logs)), self.found.logs.shape[2]
        second = lags if self.found.signed else np.zeros_like(lags)
        size = self._sizes[0]
        # the lag that holds nine tenths of the sum
        with np.errstate(invalid="ignore", over="ignore"):
            share = np.nancumsum(size, axis=0) >= 0.9 * np.nansum(size, axis=0)
        middle = share.argmax(axis=0)
        by_lag = np.repeat(np.concatenate([lags, second]), q)
        return np.concatenate([by_lag, middle, middle])

    def frame(self, levels: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
        """Table by what is moved, what moves it, and lag, see `GradientByLag.frame`.

        Parameters
        ----------
        levels : mapping of str to tuple of str
            Names of outputs and inputs, where there are any.

        Returns
        -------
        DataFrame
        """
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
        """Table of what all lags make together, see `GradientByLag.totals`.

        Parameters
        ----------
        levels : mapping of str to tuple of str
            Names of outputs and inputs, where there are any.

        Returns
        -------
        DataFrame
        """
        size, middle = self._sizes
        _, _, error, lag_error = self.errors
        with np.errstate(invalid="ignore", over="ignore"):
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


def _of_runs(rows: IntArray, shifts: IntArray, values: FloatArray, nobs: int) -> FloatArray:
    """Sums over shifts of a value in each of some rows less the shift.

    Parameters
    ----------
    rows : ndarray of int, shape (r,)
        In order.
    shifts : ndarray of int, shape (k,)
    values : ndarray, shape (k, q)
        One a shift, alike in all rows: from end to end of a run of rows it steps up and down once.
    nobs : int

    Returns
    -------
    ndarray, shape (nobs, q)
    """
    breaks = np.flatnonzero(np.diff(rows) > 1)
    first = rows[np.concatenate([[0], breaks + 1])]
    end = rows[np.concatenate([breaks, [len(rows) - 1]])] + 1
    steps = np.zeros((nobs + 1, values.shape[1]))
    for shift, value in zip(shifts.tolist(), values, strict=True):
        steps[first - shift] += value
        steps[end - shift] -= value
    return np.asarray(np.cumsum(steps[:-1], axis=0))
