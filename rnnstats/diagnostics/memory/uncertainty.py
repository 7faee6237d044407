"""Standard errors of what is computed from a recurrence along a series."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.long_run import batch_means
from rnnstats.diagnostics.memory.recurrences import Function, Recurrence

__all__ = ["Delta", "Means", "delta", "row_means"]

FloatArray = NDArray[np.float64]


class Delta(NamedTuple):
    """A function of the parameters (k,) and its covariance (k, k), zero without estimates."""

    value: FloatArray
    cov: FloatArray

    @property
    def error(self) -> FloatArray:
        """Standard errors, (k,); NaN where there are none."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.maximum(np.diagonal(self.cov), 0.0))


class Means(NamedTuple):
    """Means over rows, (k,), with standard errors and the degrees of freedom of Student's t."""

    value: FloatArray
    error: FloatArray
    df: FloatArray


def delta(recurrence: Recurrence, function: Function) -> Delta:
    """Value and delta-method covariance of a function of the parameters.

    Parameters
    ----------
    recurrence : Recurrence
    function : callable
        A recurrence to an array, taken flat.

    Returns
    -------
    Delta
    """
    value = np.asarray(function(recurrence), dtype=np.float64).ravel()
    slopes = recurrence.slopes(function)
    if slopes is None:
        return Delta(value, np.zeros((value.size, value.size)))
    return Delta(value, np.atleast_2d(recurrence.spread(slopes)))


def row_means(
    recurrence: Recurrence, function: Function, least: NDArray[np.intp] | None = None
) -> Means:
    """Means over rows of a function of the rows and the parameters.

    Parameters
    ----------
    recurrence : Recurrence
    function : callable
        A recurrence to an array of shape (rows, k).
    least : ndarray of int, shape (k,), optional
        Rows over which the numbers of a column depend on one another, where that is known; see
        `long_run.batch_means`.

    Returns
    -------
    Means
        NaN errors for fewer than 16 rows and for values that are not finite. Degrees of freedom
        are those of the batches, more where variance that needs none comes on top.

    Notes
    -----
    The standard error is that of the mean of each row's influence: its value, plus what the row's
    score adds through the estimates, by batch means; so it holds both what a longer series and what
    better estimates would change. Where the estimates come from other rows, the two variances add.
    """
    rows = np.asarray(function(recurrence), dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        value = rows.mean(axis=0)
    finite = np.isfinite(value)

    def means(there: Recurrence) -> FloatArray:
        with np.errstate(invalid="ignore", over="ignore"):
            found = np.asarray(function(there), dtype=np.float64).mean(axis=0)
        return np.where(finite & np.isfinite(found), found, 0.0)

    error, df = np.full((2, *value.shape), np.nan)
    slopes = recurrence.slopes(means) if finite.any() else None
    influence = recurrence.influence()
    extra, told = np.zeros(len(value)), np.ones(len(value), dtype=bool)
    sizes = np.ones(len(value), dtype=np.intp) if least is None else least
    if slopes is not None:
        told = recurrence.told(slopes)
        if influence is None:
            extra = np.diagonal(np.atleast_2d(recurrence.spread(slopes)))
    for j in np.flatnonzero(finite & told):
        column = rows[:, j]
        if slopes is not None and influence is not None:
            column = column + influence @ slopes[j]
        found = batch_means(column, int(sizes[j])).standard_error.plus(float(extra[j]))
        error[j], df[j] = found.value, found.df
    return Means(value, error, df)
