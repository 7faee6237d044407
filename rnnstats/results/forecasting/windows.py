"""Which rows a prediction is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from rnnstats._checks import check_int
from rnnstats._index import continuation, label, way_to_time
from rnnstats.data import Endog
from rnnstats.errors import SpecificationError

# What names a row by its date; everything else must be a number of rows.
DATES = (str, date, np.datetime64, pd.Period)

__all__ = ["DATES", "Window", "rows_ahead", "target_rows", "window"]


@dataclass(frozen=True, slots=True)
class Window:
    """Rows from `start` to before `stop`; outputs from `blank_from` on count as unseen."""

    start: int
    stop: int
    blank_from: int | None
    information: str


def window(endog: Endog, start: Any, end: Any, dynamic: Any) -> Window:
    """Turn dates, labels and numbers into rows.

    Parameters
    ----------
    endog : Endog
    start, end : int, str, datetime-like, Period or None
        First and last row, both included; None for those of the sample.
    dynamic : bool, int, str, datetime-like or Period
        Row from which the outputs count as unseen; an integer counts from `start`.

    Returns
    -------
    Window

    Raises
    ------
    SpecificationError
        Rows that do not exist or are in the wrong order.
    """
    caller = "get_prediction"
    first = 0 if start is None else endog.location(start, caller=caller, side="start")
    last = endog.nobs - 1
    if end is not None:
        last = endog.location(end, caller=caller, side="end")
    elif first > last:
        last = first
    if last < first:
        raise SpecificationError(
            f"{caller}: end must not lie before start; got rows {first} to {last}. Swap them."
        )
    if isinstance(dynamic, (bool, np.bool_)):
        blank = first if dynamic else None
    elif not isinstance(dynamic, DATES):
        hint = "Give True, rows counted from start, or a date."
        offset = check_int(dynamic, name="dynamic", caller=caller, minimum=0, hint=hint)
        blank = first + offset if offset else None
    else:
        blank = endog.location(dynamic, caller=caller, side="start", name="dynamic")
        if blank < first:
            raise SpecificationError(
                f"{caller}: dynamic must not lie before start; got row {blank} with start {first}. "
                "Use start for the first row to predict."
            )
    if blank is not None and blank >= endog.nobs:
        blank = None
    words = "each row from the rows before it"
    if blank is not None:
        words += f", those from row {blank} on unseen"
    return Window(first, last + 1, blank, words)


def rows_ahead(endog: Endog, steps: Any) -> int:
    """Turn a number of rows past the sample, or the last one's date, into a number.

    Parameters
    ----------
    endog : Endog
    steps : int, str, datetime-like or Period

    Returns
    -------
    int

    Raises
    ------
    SpecificationError
        It does not lie past the sample.
    """
    if not isinstance(steps, DATES):
        hint = "Give the number of rows, or the date of the last one."
        return check_int(steps, name="steps", caller="forecast", minimum=1, hint=hint)
    try:
        last = endog.location(steps, caller="forecast", side="end")
    except SpecificationError:
        last = -1
    if last < endog.nobs:
        way = "Use predict for rows of the sample."
        if last < 0:
            known = continuation(endog.index, 1) is not None
            way = "" if known else f" {way_to_time(endog.index)}"
            way = f"Write the date as in the index, or give a number of rows.{way}"
        raise SpecificationError(
            f"forecast: steps must lie past the sample, which ends at "
            f"{label(endog.index, -1)}, or be a number of rows; got {steps!r}. {way}"
        )
    return last - endog.nobs + 1


def target_rows(previous: Endog, updated: Endog, start: Any, end: Any) -> range:
    """Rows whose estimates are compared when data are updated.

    Parameters
    ----------
    previous, updated : Endog
        The data before and after.
    start, end : int, str, datetime-like, Period or None
        First and last row; None for the row after the previous data (or their last one, if no rows
        are new) and the row after the updated ones.

    Returns
    -------
    range

    Raises
    ------
    SpecificationError
        Rows that do not exist or are in the wrong order.
    """
    old = previous.nobs
    first = min(old, max(updated.nobs, old) - 1)
    if start is not None:
        first = updated.location(start, caller="news", side="start", name="start")
    last = max(updated.nobs, first)
    if end is not None:
        last = updated.location(end, caller="news", side="end", name="end")
    if last < first:
        raise SpecificationError(
            f"news: end must not lie before start; got rows {first} to {last}. Swap them."
        )
    return range(first, last + 1)
