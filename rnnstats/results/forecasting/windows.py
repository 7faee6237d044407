"""Which rows a prediction is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from rnnstats._checks import check_int
from rnnstats.data import Endog
from rnnstats.errors import SpecificationError

# What names a row by its date; everything else must be a number of rows.
DATES = (str, date, np.datetime64, pd.Period)

__all__ = ["DATES", "Window", "window"]


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
