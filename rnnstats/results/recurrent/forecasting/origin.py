"""Where paths begin: the last row before which everything that the network reads is seen."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import IntArray, RecurrentModel

__all__ = ["Origin", "PathSystem", "inputs_of", "origin_of"]


class PathSystem(Protocol):
    """What paths need of a network at one parameter vector, see `RecurrentSystem`."""

    @property
    def extra(self) -> FloatArray:
        """Parameters of the head, (q,)."""

    @property
    def rows(self) -> IntArray:
        """Row of the data of each row of the recursion."""

    # One step of r paths: states, lags (r, L, d_lag) latest first, inputs (r, k).
    def step(
        self, state: FloatArray, lags: FloatArray, exog: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]: ...

    # State before a row of the data, and lags before it, (L, d_lag), gaps filled.
    def state_before(self, row: int) -> FloatArray: ...
    def lags_before(self, row: int) -> FloatArray: ...

    # What outputs (r, d) are as lags, (r, d_lag).
    def lag_values(self, y: FloatArray) -> FloatArray: ...


class Origin(NamedTuple):
    """Where paths begin.

    Attributes
    ----------
    row : int
        First row of the paths.
    state : ndarray of shape (k_state,)
        State of the row before.
    lags : ndarray of shape (L, d_lag)
        Outputs of the rows before as lags, the latest first.
    told : ndarray of shape (rows, k_endog)
        What is seen of the rows from there on to before those that count as unseen; each has a gap
        among the rows that it, or the first unseen one, looks back on.
    """

    row: int
    state: FloatArray
    lags: FloatArray
    told: FloatArray


def origin_of(model: RecurrentModel, system: PathSystem, blank: int) -> Origin:
    """Find where paths begin.

    Parameters
    ----------
    model : RecurrentModel
    system : PathSystem
    blank : int
        First row that counts as unseen, up to the number of rows.

    Returns
    -------
    Origin
        Of the last row, up to `blank`, all of whose lags are seen; where the sequence has none,
        the first row of its recursion, with the lags that the model takes there.
    """
    values, lags = model.endog.values, int(model.y_lags)
    begins = np.asarray(model.offsets)[:-1]
    begin = int(begins[np.searchsorted(begins, blank, side="right") - 1])
    if blank == model.nobs:
        begin = int(begins[-1])
    rows = np.asarray(system.rows)
    first = int(rows[np.searchsorted(rows, begin)]) if rows[-1] >= begin else blank
    row = max(blank, first)
    while row > first and np.isnan(values[max(begin, row - lags) : row]).any():
        row -= 1
    return Origin(
        row,
        np.asarray(system.state_before(row), dtype=np.float64),
        np.asarray(system.lags_before(row), dtype=np.float64),
        values[row : max(blank, row)],
    )


def inputs_of(model: Any, exog: FloatArray | None, first: int, stop: int) -> FloatArray | None:
    """Inputs of some rows of the sample and after it.

    Parameters
    ----------
    model : RecurrentModel
    exog : ndarray of shape (steps, k_exog), optional
        Inputs of the rows past the sample.
    first, stop : int

    Returns
    -------
    ndarray of shape (stop - first, k_exog), or None for a model without inputs
    """
    if model.exog is None:
        return None
    known = model.exog.values
    every = known if exog is None else np.concatenate([known, exog])
    return np.asarray(every[first:stop], dtype=np.float64)
