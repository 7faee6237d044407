"""Dates as people write them in files, made into an index of equally spaced periods."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from rnnstats._index import frequency
from rnnstats.errors import DataError

__all__ = ["like", "parse", "regular"]

_YEAR = r"(?P<year>[12]\d{3})"
_PERIODS = (
    ("Q", re.compile(rf"{_YEAR}[ \-:/.]?[Qq](?P<part>[1-4])")),
    ("Q", re.compile(rf"[Qq](?P<part>[1-4])[ \-:/.]?{_YEAR}")),
    ("Q", re.compile(rf"{_YEAR}:(?P<part>[1-4])")),
    ("M", re.compile(rf"{_YEAR}[ \-:/]?[Mm](?P<part>0?[1-9]|1[0-2])")),
    ("M", re.compile(rf"{_YEAR}[\-/:](?P<part>0?[1-9]|1[0-2])")),
    ("M", re.compile(rf"(?P<part>0?[1-9]|1[0-2])[\-/]{_YEAR}")),
)
_FORMATS = (
    "ISO8601", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d%b%Y",
    "%d %b %Y", "%d-%b-%Y", "%b %Y", "%b-%Y", "%Y-%b", "%B %Y", "%b %d, %Y", "%B %d, %Y",
    "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M",
)  # fmt: skip
# a period of one frequency that comes every k periods is a period of another
_COARSER = {("M", 3): "Q", ("M", 12): "Y", ("Q", 4): "Y"}


def parse(cells: pd.Series, *, date_format: str | None, source: str) -> pd.Index:
    """Read labels of rows.

    Parameters
    ----------
    cells : Series of str
        The cells of a column; its index holds the numbers of the lines.
    date_format : str or None
        Format of the dates; None finds it.
    source : str
        Name of the file, for messages.

    Returns
    -------
    pandas.Index
        Periods, dates, numbers, or the texts themselves where they are none of these.

    Raises
    ------
    DataError
        A blank cell, one that is not like the others, or days and months that cannot be told
        apart.
    """
    name = str(cells.name)
    blank = cells.index[cells == ""]
    if len(blank):
        raise DataError(
            f"{source}: each row must have a label in column {name!r}; got a blank cell in line "
            f"{blank[0]}. Fill it in, or leave the row out."
        )
    if date_format is not None:
        given = _dates(cells, date_format)
        _refuse(cells, given.isna(), source, f"must be a date of the form {date_format!r}")
        return given.rename(name)
    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.notna().all():
        return _from_numbers(numbers.to_numpy(dtype=float), name)
    sample = cells.iloc[:200]
    readers = [r for r in _readers() if _unread(r(sample)) < len(sample) / 2]
    readings = [reader(cells) for reader in readers]
    full = [index for index in readings if not index.hasnans]
    if full:
        chosen: pd.Index = _choose(full, cells, source).rename(name)
        return chosen
    if readings:
        best = min(readings, key=_unread)
        _refuse(cells, np.asarray(best.isna()), source, "must be a date like the others")
    texts: pd.Index = pd.Index(cells.to_numpy(), name=name)
    return texts


def _readers() -> list[Callable[[pd.Series], pd.Index]]:
    """Give the ways to read labels; each leaves NaT where a label is not of its kind."""
    periods = [functools.partial(_periods, freq=freq, form=form) for freq, form in _PERIODS]
    dates = [functools.partial(_dates, form=form) for form in _FORMATS]
    return [*periods, *dates]


def _unread(index: pd.Index) -> int:
    return int(np.count_nonzero(index.isna()))


def _periods(cells: pd.Series, freq: str, form: re.Pattern[str]) -> pd.PeriodIndex:
    found = [form.fullmatch(text) for text in cells]
    mark = "Q" if freq == "Q" else "-"
    texts = [m and f"{m['year']}{mark}{int(m['part']):0{1 if freq == 'Q' else 2}d}" for m in found]
    return pd.PeriodIndex([pd.NaT if text is None else text for text in texts], freq=freq)


def _dates(cells: pd.Series, form: str) -> pd.DatetimeIndex:
    try:
        return pd.DatetimeIndex(pd.to_datetime(cells, format=form, errors="coerce"))
    except (ValueError, TypeError):  # several time zones, or no format
        return pd.DatetimeIndex([pd.NaT] * len(cells))


def _refuse(cells: pd.Series, bad: Any, source: str, rule: str) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        raise DataError(
            f"{source}: column {str(cells.name)!r} {rule}; got {cells.iloc[rows[0]]!r} in line "
            f"{cells.index[rows[0]]}."
        )


def _from_numbers(numbers: Any, name: str) -> pd.Index:
    """Read years, 195903, 19590331, 1959.25, or plain numbers."""
    plain: pd.Index = pd.Index(numbers, name=name)
    if (numbers == np.round(numbers)).all():
        whole = numbers.astype(np.int64)
        texts = pd.Series(whole).astype(str)
        if (texts.str.len() == 8).all():
            dates = pd.to_datetime(texts, format="%Y%m%d", errors="coerce")
            if dates.notna().all():
                return pd.DatetimeIndex(dates, name=name)
        months = whole % 100
        if (texts.str.len() == 6).all() and ((months >= 1) & (months <= 12)).all():
            return pd.PeriodIndex(texts.str[:4] + "-" + texts.str[4:], freq="M", name=name)
        return plain.astype(np.int64)
    if ((numbers >= 1000) & (numbers < 3000)).all():  # decimal fractions of a year
        for parts, freq in ((4, "Q"), (12, "M")):
            counts = np.round(numbers * parts)
            if np.allclose(numbers * parts, counts, rtol=0, atol=0.02):
                first = pd.Period("1970", freq=freq)
                return pd.PeriodIndex(
                    [first + int(count) - 1970 * parts for count in counts], name=name
                )
    return plain


def _choose(readings: list[pd.Index], cells: pd.Series, source: str) -> pd.Index:
    """Take periods before dates, and of dates the reading that is regular."""
    periods = [index for index in readings if isinstance(index, pd.PeriodIndex)]
    if periods:
        return periods[0]
    different = [readings[0], *(r for r in readings[1:] if not r.equals(readings[0]))]
    if len(different) > 1:
        ordered = [index for index in different if index.is_unique]
        even = [index for index in ordered if regular(index.sort_values()) is not None]
        different = even if len(even) == 1 else different
    if len(different) > 1:
        raise DataError(
            f"{source}: column {str(cells.name)!r} must say which is the day and which the month; "
            f"got {cells.iloc[0]!r}. Give --date-format, as in %d/%m/%Y."
        )
    return different[0]


def regular(index: pd.Index) -> pd.Index | None:
    """Give the equally spaced periods of which sorted labels are some.

    Parameters
    ----------
    index : pandas.Index
        Sorted, each label once.

    Returns
    -------
    pandas.Index or None
        From the first to the last label, those without a row included. Dates of months, quarters
        and years become periods. None where the labels are not equally spaced.
    """
    if len(index) < 2:
        return index
    full: pd.Index | None = None
    if isinstance(index, pd.PeriodIndex):
        full = _regular_periods(index)
    elif isinstance(index, pd.DatetimeIndex):
        full = _regular_dates(index)
    elif pd.api.types.is_integer_dtype(index.dtype):
        step = _common_step(np.diff(index.to_numpy()))
        if step:
            full = pd.RangeIndex(index[0], index[-1] + 1, step)
    elif pd.api.types.is_float_dtype(index.dtype):
        steps = np.diff(index.to_numpy())
        full = index if np.allclose(steps, steps[0], rtol=1e-3, atol=0.0) else None
    return None if full is None else full.rename(index.name)


def _common_step(steps: Any) -> int:
    """Give the smallest step if all are multiples of it, otherwise 0."""
    least = int(steps.min())
    return least if least > 0 and not (steps % least).any() else 0


def _regular_periods(index: pd.PeriodIndex) -> pd.PeriodIndex | None:
    step = _common_step(np.diff(index.asi8))
    coarser = _COARSER.get((index.freqstr[0], step))
    if coarser is not None:
        index, step = index.asfreq(coarser), 1
    return pd.period_range(index[0], index[-1]) if step == 1 else None


def _regular_dates(index: pd.DatetimeIndex) -> pd.Index | None:
    for freq, months in (("Y", 12), ("Q", 3), ("M", 1)):
        place = (index.month - 1) % months
        if np.ptp(index.day) > 6 or np.ptp(place) > 0 or not index.equals(index.normalize()):
            continue  # not at one place of the period
        periods = index.tz_localize(None).to_period(freq)
        if periods.is_unique and np.diff(periods.asi8).min() == 1:
            return pd.period_range(periods[0], periods[-1])
    step = _common_step(np.diff(index.as_unit("ns").asi8))
    day = pd.Timedelta(days=1).value
    if step == day and len(index) >= 10 and index.dayofweek.max() <= 4:
        return pd.bdate_range(index[0], index[-1])
    if step:
        if step % day == 0:
            return pd.date_range(index[0], index[-1], freq=f"{step // day}D")
        return pd.date_range(index[0], index[-1], freq=pd.Timedelta(step))
    known = frequency(index)  # half-years, say
    return None if known is None else pd.DatetimeIndex(index, freq=known)


def like(index: pd.Index, sample: pd.Index) -> pd.Index:
    """Turn the labels of another file into those of a sample's kind.

    Parameters
    ----------
    index : pandas.Index
        As `parse` read them.
    sample : pandas.Index
        The regular index of the sample.

    Returns
    -------
    pandas.Index
        The same dates as periods of the sample's frequency, where the sample has periods.
    """
    if isinstance(sample, pd.PeriodIndex):
        if isinstance(index, pd.DatetimeIndex):
            index = index.tz_localize(None).to_period(sample.freqstr)
        elif isinstance(index, pd.PeriodIndex):
            index = index.asfreq(sample.freqstr)
        elif pd.api.types.is_integer_dtype(index.dtype):
            index = pd.PeriodIndex(index.astype(str), freq=sample.freqstr)
    return index.rename(sample.name)
