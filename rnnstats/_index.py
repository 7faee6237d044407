"""Arithmetic on a pandas index that stands for equally spaced time.

Pure functions: what an index must be, how it goes on, and at which row a date lies.
"""

from __future__ import annotations

import datetime
from typing import Any, Literal

import numpy as np
import pandas as pd

from rnnstats.errors import DataError, SpecificationError

__all__ = [
    "Side",
    "check_index",
    "continuation",
    "count_gaps",
    "frequency",
    "label",
    "position",
    "step_name",
    "way_to_time",
]

Side = Literal["start", "end"]
# Pandas' letters for frequencies, old and new, after the first hyphen is cut off.
_STEPS = {
    **dict.fromkeys(("Y", "YE", "YS", "A", "AS", "BY", "BYE", "BYS", "BA", "BAS"), "years"),
    **dict.fromkeys(("Q", "QE", "QS", "BQ", "BQE", "BQS"), "quarters"),
    **dict.fromkeys(("M", "ME", "MS", "BM", "BME", "BMS", "CBME", "CBMS"), "months"),
    **dict.fromkeys(("B", "C"), "business days"),
    **dict.fromkeys(("h", "H", "bh", "BH"), "hours"),
    **dict.fromkeys(("min", "T"), "minutes"),
    **dict.fromkeys(("s", "S"), "seconds"),
    **dict.fromkeys(("ms", "L"), "milliseconds"),
    **dict.fromkeys(("us", "U"), "microseconds"),
    **dict.fromkeys(("ns", "N"), "nanoseconds"),
    "W": "weeks",
    "D": "days",
}


def label(index: pd.Index, row: int) -> str:
    """Show one label of an index, a midnight without its hours, the parts of several levels.

    Parameters
    ----------
    index : pandas.Index
        The index.
    row : int
        The row, negative from the end.

    Returns
    -------
    str
        The label.
    """
    found: Any = index[row]
    parts = found if isinstance(index, pd.MultiIndex) else (found,)
    return ", ".join(str(part).removesuffix(" 00:00:00") for part in parts)


def check_index(index: pd.Index, *, what: str, caller: str) -> None:
    """Refuse an index that cannot stand for time: missing, repeated or unsorted labels.

    Labels that have no order in time (text that is no ISO date) are only checked for repetition.

    Parameters
    ----------
    index : pandas.Index
        Index of the data.
    what : str
        The argument it belongs to: endog or exog.
    caller : str
        Class or function that the user called.

    Raises
    ------
    DataError
        If the index has several levels, a missing label, a label twice, or is out of order.
    """
    start = f"{caller}: the index of {what} must"
    if isinstance(index, pd.MultiIndex):
        raise DataError(
            f"{start} have one level; got {index.nlevels} levels. "
            f"Use reset_index(level=...) or select one series."
        )
    missing = np.flatnonzero(np.asarray(index.isna()))
    if missing.size:
        raise DataError(
            f"{start} have no missing labels; got {index[missing[0]]!s} in row {missing[0]}. "
            f"Drop that row or give it a date."
        )
    if index.has_duplicates:
        second = int(np.flatnonzero(np.asarray(index.duplicated()))[0])
        first = int(np.flatnonzero(np.asarray(index == index[second]))[0])
        raise DataError(
            f"{start} have each label once; got {label(index, second)} in rows {first} and "
            f"{second}. Drop or average the repeated rows."
        )
    ordered = _order(index)
    if ordered is not None and not ordered.is_monotonic_increasing:
        back = np.flatnonzero(np.asarray(ordered[1:] < ordered[:-1]))[0]
        raise DataError(
            f"{start} increase; got {label(index, back + 1)} after {label(index, back)}. "
            f"Use {what}.sort_index()."
        )


def count_gaps(index: pd.Index) -> int:
    """Count the periods that a sorted PeriodIndex skips.

    Parameters
    ----------
    index : pandas.Index
        A checked index.

    Returns
    -------
    int
        Number of periods between first and last that are not in the index; 0 for other indexes.
    """
    if not isinstance(index, pd.PeriodIndex):
        return 0
    freq: Any = index.freq
    between: int = (index[-1].ordinal - index[0].ordinal) // freq.n + 1
    return between - len(index)


def frequency(index: pd.DatetimeIndex) -> Any:
    """Give the frequency of a DatetimeIndex, inferred where it has none.

    Parameters
    ----------
    index : pandas.DatetimeIndex
        A checked index.

    Returns
    -------
    pandas.DateOffset or None
        None where the dates follow no frequency or are fewer than three without one.
    """
    if index.freq is not None or len(index) < 3:
        return index.freq
    # not pandas.infer_freq, whose type of answer changes between versions, with a warning
    return pd.DatetimeIndex(index, freq="infer").freq


def continuation(index: pd.Index, steps: int) -> pd.Index | None:
    """Continue an index by its own frequency or step.

    Parameters
    ----------
    index : pandas.Index
        A checked index with at least one label.
    steps : int
        Number of labels to add.

    Returns
    -------
    pandas.Index or None
        The `steps` labels that follow, with the type and the name of `index`; None where
        nothing says what follows.
    """
    after: Any = np.arange(1, steps + 1)
    further: pd.Index
    if isinstance(index, pd.PeriodIndex):
        further = index[-1:].repeat(steps) + after
        return further
    if isinstance(index, pd.DatetimeIndex):
        freq = frequency(index)
        if freq is None:
            return None
        dates = pd.date_range(index[-1], periods=steps + 1, freq=freq, name=index.name)
        further = dates.as_unit(index.unit)[1:]
        return further
    step = _step(index)
    if step is None:
        return None
    last = index[-1]
    if isinstance(index, pd.RangeIndex):
        return pd.RangeIndex(last + step, last + step * (steps + 1), step, name=index.name)
    further = pd.Index(last + step * after, dtype=index.dtype, name=index.name)
    return further


def way_to_time(index: pd.Index) -> str:
    """Say how an index without continuation gets one.

    Parameters
    ----------
    index : pandas.Index
        A checked index for which `continuation` gives None.

    Returns
    -------
    str
        A sentence for the end of a message.
    """
    if isinstance(index, pd.DatetimeIndex):
        if len(index) < 3:
            return "Set index.freq, or give a PeriodIndex."
        return (
            "If rows are missing, put them in with asfreq, such as asfreq('MS') for months; else "
            "give a PeriodIndex."
        )
    if _is_number(index) or isinstance(index, pd.TimedeltaIndex):
        return "If rows are missing, put them in with reindex; else give a PeriodIndex."
    held = {"string": "text", "date": "date objects", "datetime": "date objects"}
    kind = held.get(index.inferred_type, "of no type of time")
    way = "pd.PeriodIndex(index, freq='Q')" if "Q" in str(index[0]) else "pd.to_datetime(index)"
    return f"Its labels are {kind}: if they stand for time, use index = {way}."


def position(
    index: pd.Index,
    key: object,
    *,
    side: Side,
    caller: str,
    allow_future: bool,
    name: str | None = None,
) -> int:
    """Give the row at which a key lies, in the sample or after it.

    A whole number is a row (negative: from the end), except on an index of numbers, where it
    is a label; if such an index begins at or after its own length (years, say), numbers below
    its first label cannot be labels and are rows.

    Parameters
    ----------
    index : pandas.Index
        A checked index.
    key : int, str, datetime-like, pandas.Period or label
        What to find. A text such as "1990" on quarterly data means its first quarter as a
        start and its last quarter as an end.
    side : {"start", "end"}
        Which end of a longer period is meant.
    caller : str
        Class or function that the user called.
    allow_future : bool
        Whether rows after the sample are allowed.
    name : str, optional
        The argument's name in messages; default `side`.

    Returns
    -------
    int
        Row, 0-based; at least ``len(index)`` for a key after the sample.

    Raises
    ------
    SpecificationError
        If the key is not in the index, or lies after it where that is not allowed or has no row.
    """
    row: int | None = None
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        row = _row_of_whole(index, int(key))
    elif isinstance(index, (pd.PeriodIndex, pd.DatetimeIndex)):
        row = _row_of_date(index, key, side)
    elif not isinstance(key, (bool, np.bool_)) and key is not None:
        row = _row_of_number(index, key) if _is_number(index) else _row_of_label(index, key)
    if row is None or (row >= len(index) and not allow_future):
        raise _outside(index, key, name=name or side, caller=caller, allow_future=allow_future)
    return row


def _outside(
    index: pd.Index, key: object, *, name: str, caller: str, allow_future: bool
) -> SpecificationError:
    """Make the error of a key that has no row."""
    where = f"{label(index, 0)} to {label(index, -1)}"
    rule = f"{name} must lie in the index ({where}){' or after it' if allow_future else ''}"
    hint = f"Rows are numbered 0 to {len(index) - 1}, or -{len(index)} to -1 from the end."
    if _is_number(index):
        hint = "Whole numbers are labels here, or negative to count from the end."
        if index[0] >= len(index):
            hint = f"Whole numbers are labels here; rows are 0 to {len(index) - 1}, or negative."
    if isinstance(key, (int, np.integer)) and _is_yearly(index):
        hint = f"For the year write {str(key)!r}. {hint}"
    elif isinstance(index, pd.DatetimeIndex) and allow_future:
        freq = frequency(index)
        if freq is None:
            way = way_to_time(index)
            hint = f"Its dates follow no frequency, so later ones have no row. {way} {hint}"
        else:
            hint = f"Its frequency is {freq.freqstr}. {hint}"
    elif allow_future and continuation(index, 1) is None:
        hint = f"{hint} {way_to_time(index)}"
    return SpecificationError(f"{caller}: {rule}; got {_shown(key)}. {hint}")


def _shown(key: object) -> str:
    """Show a key as the user would write it."""
    return str(key) if isinstance(key, (datetime.date, pd.Period, np.generic)) else repr(key)


def _order(index: pd.Index) -> Any:
    """Give something whose order is the order in time, or None where labels have none."""
    if isinstance(index, (pd.PeriodIndex, pd.DatetimeIndex, pd.TimedeltaIndex)):
        return index
    if _is_number(index):
        return index
    try:
        return pd.to_datetime(index, format="ISO8601")
    except (TypeError, ValueError):
        return None


def _is_number(index: pd.Index) -> bool:
    """Tell whether the labels are numbers (not truth values)."""
    return bool(pd.api.types.is_any_real_numeric_dtype(index.dtype))


def _step(index: pd.Index) -> Any:
    """Give the constant step of an index of numbers or time differences, None if it has none."""
    if isinstance(index, pd.RangeIndex):
        return index.step
    if isinstance(index, pd.TimedeltaIndex):
        gaps = np.diff(index.to_numpy())
        even = gaps.size > 0 and bool((gaps == gaps[0]).all())
        return index[1] - index[0] if even else None
    if not _is_number(index):
        return None
    if pd.api.types.is_integer_dtype(index.dtype):
        wholes = np.diff(index.to_numpy(dtype=np.int64))
        if wholes.size == 0:
            return 1
        return int(wholes[0]) if (wholes == wholes[0]).all() else None
    numbers = index.to_numpy(dtype=np.float64)
    if numbers.size < 2:
        return None
    step = (numbers[-1] - numbers[0]) / (numbers.size - 1)
    # decimal fractions of a year are written with few digits, hence the wide tolerance
    return step if np.allclose(np.diff(numbers), step, rtol=1e-3, atol=0.0) else None


def _row_of_whole(index: pd.Index, key: int) -> int | None:
    """Find the row meant by a whole number: a label of an index of numbers, else a row."""
    nobs = len(index)
    if _is_number(index):
        first = index[0]
        if key >= first or (key < 0 and first < 0):
            return _row_of_number(index, key)
        if key >= 0:
            return key if first >= nobs and key < nobs else None
    if key >= 0:
        return None if key >= max(nobs, 1000) and _is_yearly(index) else key
    return nobs + key if nobs + key >= 0 else None


def _is_yearly(index: pd.Index) -> bool:
    """Tell whether each row is a year, so that 1980 would rather be a year than row 1980."""
    freq = None
    if isinstance(index, (pd.PeriodIndex, pd.DatetimeIndex)):
        freq = index.freq if isinstance(index, pd.PeriodIndex) else frequency(index)
    return freq is not None and freq.freqstr.startswith(("Y", "A"))


def _row_of_number(index: pd.Index, key: Any) -> int | None:
    """Find a number among the labels of an index of numbers, or on its continuation."""
    row = _row_of_label(index, key)
    if row is not None or not isinstance(key, (int, float, np.integer, np.floating)):
        return row
    step = _step(index)
    if step is None or not key > index[-1]:
        return None
    further = (key - index[-1]) / step
    whole = round(further)
    return len(index) - 1 + whole if whole >= 1 and abs(further - whole) < 1e-3 else None


def _row_of_label(index: pd.Index, key: Any) -> int | None:
    """Find a label."""
    try:
        row = index.get_loc(key)
    except (KeyError, TypeError, ValueError):
        return None
    return int(row) if isinstance(row, (int, np.integer)) else None


def _row_of_date(index: pd.PeriodIndex | pd.DatetimeIndex, key: object, side: Side) -> int | None:
    """Find a date, or the end of a longer period, in an index of time or on its continuation."""
    try:
        low, high = _bounds(index, key)
    except (TypeError, ValueError):
        return None
    nobs = len(index)
    left, right = index.searchsorted(low, "left"), index.searchsorted(high, "right")
    inside = None
    if left < right:
        inside = int(left) if side == "start" else int(right) - 1
    if not high > index[-1] or (inside is not None and side == "start"):
        return inside
    if isinstance(index, pd.PeriodIndex):
        spacing: Any = index.freq
        stride, last = spacing.n, index[-1].ordinal
        near, far = -((last - low.ordinal) // stride), (high.ordinal - last) // stride
    else:
        freq = frequency(index)
        if freq is None:
            return inside
        future = pd.date_range(index[-1], high, freq=freq)[1:]
        near, far = int(future.searchsorted(low, "left")) + 1, len(future)
    if max(near, 1) > far:
        return inside
    return int(nobs - 1 + (max(near, 1) if side == "start" else far))


def _bounds(index: pd.PeriodIndex | pd.DatetimeIndex, key: Any) -> tuple[Any, Any]:
    """Give first and last instant (or period of the index' frequency) that a key means."""
    if not isinstance(key, (str, datetime.date, np.datetime64, pd.Period)):
        raise TypeError("no date")
    if isinstance(index, pd.PeriodIndex):
        return _period_bounds(index, key)
    zone = index.tz
    if isinstance(key, str) and pd.Timestamp(key).tz is None:
        key = pd.Period(key)
    if isinstance(key, pd.Period):
        low, high = key.start_time, key.end_time.floor(index.unit)
    else:
        low = high = pd.Timestamp(key)
    # an index of seconds cannot be searched for anything finer
    low, high = (time.as_unit(index.unit, round_ok=False) for time in (low, high))
    if low.tz is None:
        return low.tz_localize(zone), high.tz_localize(zone)
    if zone is None:
        raise ValueError("the index has no time zone")
    return low.tz_convert(zone), high.tz_convert(zone)


def _period_bounds(index: pd.PeriodIndex, key: Any) -> tuple[Any, Any]:
    """Give first and last period of the index' frequency that a key means."""
    freq: Any = index.freq
    if isinstance(key, pd.Period):
        if key.freq == freq:
            return key, key
        return pd.Period(key.start_time, freq=freq), pd.Period(key.end_time, freq=freq)
    if not isinstance(key, str):
        one = pd.Period(pd.Timestamp(key).tz_localize(None), freq=freq)
        return one, one
    one, told = pd.Period(key, freq=freq), pd.Period(key)
    # "1990" on quarters is longer than a quarter; "1990Q2" on quarters that end in November is not
    longer = (told.end_time - told.start_time) > 1.5 * (one.end_time - one.start_time)
    if longer:
        return pd.Period(told.start_time, freq=freq), pd.Period(told.end_time, freq=freq)
    return one, one


def step_name(index: pd.Index) -> str:
    """Name what lies between two rows of an index.

    Parameters
    ----------
    index : Index

    Returns
    -------
    str
        "quarters", "months", ... from the frequency (given or inferred), "steps of 2 weeks" for a
        multiple; "rows" where there is none.
    """
    given: Any = getattr(index, "freq", None)
    freq = frequency(index) if isinstance(index, pd.DatetimeIndex) else given
    if freq is None:
        return "rows"
    name = _STEPS.get(str(freq.rule_code).split("-", 1)[0])
    if name is None:
        return f"steps of {freq.freqstr}"
    return name if freq.n == 1 else f"steps of {freq.n} {name}"
