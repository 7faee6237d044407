"""Histories: what a network has read and remembers before a row."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rnnstats._index import label
from rnnstats.errors import SpecificationError
from rnnstats.results.forecasting.windows import DATES
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import IntArray

__all__ = ["History", "at_means", "by_row", "chosen_rows", "histories", "history_words"]


class History(NamedTuple):
    """Histories of m rows.

    Attributes
    ----------
    state : ndarray of shape (m, k_state)
        Of the row before.
    lags : ndarray of shape (m, L, d_lag)
        Outputs of the rows before as lags, the latest first, gaps filled; user's units.
    exog : ndarray of shape (m, k_exog) or None
        Inputs of the row itself.
    """

    state: FloatArray
    lags: FloatArray
    exog: FloatArray | None


def chosen_rows(model: Any, system: Any, rows: Any, *, caller: str, name: str = "rows") -> IntArray:
    """Rows of the recursion that were asked for.

    Parameters
    ----------
    model : RecurrentModel
    system : RecurrentSystem
    rows : "average", "last", label, sequence of labels or array of bool of length nobs
        "average" is all of them, "last" the row after the sample. Labels as in ``predict``.
    caller, name : str

    Returns
    -------
    ndarray of int
        Rows of the data; the number of rows stands for the one after the sample.

    Raises
    ------
    SpecificationError
        A row that does not exist or that the likelihood is conditional on, or no row.
    """
    known = np.asarray(system.rows)
    nobs = model.nobs
    if isinstance(rows, str) and rows == "average":
        return known
    if isinstance(rows, str) and rows == "last":
        return np.array([nobs])
    mask = _mask(rows, nobs)
    if mask is not None:
        found = np.intersect1d(np.flatnonzero(mask), known)
        if not found.size:
            raise SpecificationError(
                f"{caller}: {name} must hold for some row of the likelihood; got none. Loosen the "
                "condition."
            )
        return found
    keys = [rows] if _is_key(rows) else list(rows)
    places = [model.endog.location(key, caller=caller, side="start", name=name) for key in keys]
    allowed = set(known.tolist()) | {nobs}
    bad = [row for row in places if row not in allowed]
    if bad or not places:
        got = "none"
        if bad:
            got = label(model.endog.index, bad[0]) if bad[0] < nobs else f"row {bad[0]}"
        raise SpecificationError(
            f"{caller}: {name} must be rows of the likelihood, or the one after the sample; got "
            f"{got}. The first row of the likelihood is {label(model.endog.index, int(known[0]))}."
        )
    return np.asarray(places, dtype=np.intp)


def _is_key(rows: Any) -> bool:
    whole = isinstance(rows, (int, np.integer)) and not isinstance(rows, bool)
    return whole or isinstance(rows, (*DATES, tuple)) or not isinstance(rows, Iterable)


def _mask(rows: Any, nobs: int) -> Any:
    """Return a condition as an array, None where the rows are no condition."""
    values = rows.to_numpy() if isinstance(rows, pd.Series) else rows
    if isinstance(values, (list, np.ndarray)) and len(values) == nobs:
        array = np.asarray(values)
        if array.dtype == bool:
            return array
    return None


def history_words(model: Any, rows: Any, places: IntArray) -> str:
    """Say which histories they are.

    Parameters
    ----------
    model : RecurrentModel
    rows : object
        As they were asked for.
    places : ndarray of int
        Of `chosen_rows`.

    Returns
    -------
    str
    """
    if isinstance(rows, str) and rows == "average":
        return f"average over the histories of {len(places)} rows"
    if len(places) == 1:
        place = int(places[0])
        if place == model.nobs:
            return "history: the whole sample"
        return f"history before {label(model.endog.index, place)}"
    return f"average over the histories of {len(places)} chosen rows"


def histories(model: Any, system: Any, places: IntArray) -> History:
    """Histories before rows.

    Parameters
    ----------
    model : RecurrentModel
    system : RecurrentSystem
    places : ndarray of int, shape (m,)
        Of `chosen_rows`.

    Returns
    -------
    History
        The inputs of the row after the sample are those of the last row.
    """
    known = np.asarray(system.rows)
    run, scales = system.run, system.scales
    at = np.minimum(np.searchsorted(known, places), len(known) - 1)
    state = np.array(run.before[at])
    filled = run.inputs[at] * scales.input_scale + scales.input_mean
    size = int(model.y_lags)
    width = np.asarray(system.lags_before(int(known[0]))).shape[1]
    lags = np.array(filled[:, : size * width]).reshape(len(places), size, width)
    exog = None if model.exog is None else model.exog.values[np.minimum(places, model.nobs - 1)]
    for i in np.flatnonzero(places == model.nobs):
        state[i], lags[i] = system.state_before(model.nobs), system.lags_before(model.nobs)
    return History(state, lags, exog)


def at_means(history: History) -> History:
    """Average histories into one.

    Parameters
    ----------
    history : History

    Returns
    -------
    History
        Of one row: means of states, lags and inputs.
    """
    exog = None if history.exog is None else history.exog.mean(axis=0, keepdims=True)
    state = history.state.mean(axis=0, keepdims=True)
    return History(state, history.lags.mean(axis=0, keepdims=True), exog)


def by_row(labels: Iterable[Any], names: Iterable[Any], **parts: Iterable[str]) -> pd.Index:
    """Index of tables that hold several numbers a row of the data.

    Parameters
    ----------
    labels : iterable
        Of the rows; tuples where the data have an index of several levels.
    names : iterable
        Of the levels of the data's index.
    **parts : iterable of str
        Further levels, by name: in each row all their combinations.

    Returns
    -------
    Index
        The level of the rows is called ``row``; several keep their names.
    """
    rows, levels = list(labels), list(names)
    several = bool(rows) and isinstance(rows[0], tuple)
    if not several and not parts:
        single: pd.Index = pd.Index(rows, name="row")
        return single
    whole = [
        (*one, *rest) if several else (one, *rest) for one, *rest in product(rows, *parts.values())
    ]
    index: pd.Index = pd.MultiIndex.from_tuples(
        whole, names=[*(levels if several else ["row"]), *parts]
    )
    return index
