"""CSV files made into the tables that a model takes; every mistake has a line and a column."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnstats import datasets
from rnnstats._checks import suggest
from rnnstats._index import label
from rnnstats.cli import dates
from rnnstats.errors import DataError, SpecificationError

__all__ = ["Sample", "read_sample"]

_MISSING = frozenset({"", ".", "na", "nan", "n/a", "#n/a", "null", "none"})
_DATE_NAMES = ("date", "time", "year", "quarter", "month", "week", "day", "period", "index", "t")
_SPACED = "rows are taken as equally spaced, and forecasts are numbered"
_PARTS = {"quarter": "Q", "qtr": "Q", "q": "Q", "month": "M", "mon": "M", "m": "M"}
TRANSFORM_WORDS = {
    "none": "",
    "log": "logarithm",
    "diff": "first difference",
    "logdiff": "100 x log difference",
}


@dataclass(frozen=True)
class Sample:
    """What a file gives to a model.

    Attributes
    ----------
    source : str
        File or bundled series.
    endog : Series or DataFrame
        Transformed, on equally spaced periods where there are any.
    exog : DataFrame or None
        Inputs of the same rows.
    future : DataFrame or None
        Inputs of later rows.
    transform : str
        In words; empty for none.
    notes : tuple of str
        What was done to the rows.
    """

    source: str
    endog: pd.Series | pd.DataFrame
    exog: pd.DataFrame | None
    future: pd.DataFrame | None
    transform: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """The cells of a file as text, and how to read them; the index holds the lines' numbers."""

    source: str
    cells: pd.DataFrame
    decimal: str
    date_format: str | None


def read_sample(options: Namespace) -> Sample:
    """Read what the options of ``rnnstats fit`` ask for.

    Parameters
    ----------
    options : argparse.Namespace
        Of the command line.

    Returns
    -------
    Sample

    Raises
    ------
    DataError
        For files, cells and dates that cannot be read.
    SpecificationError
        For options that do not fit the file.
    """
    notes: list[str] = []
    # a folder may bear the name of a bundled series: that of the output, say
    series = os.path.isdir(options.file) and options.file in datasets.__all__
    bundled = _bundled(options.file) if series or not os.path.exists(options.file) else None
    if bundled is None:
        file = _read(options.file, options)
        endog_names = _endog_names(list(file.cells.columns), options, file.source)
        numbers = _numbers(file, [*endog_names, *options.exog])
        frame, more = _on_time(numbers, file, options.index)
        notes += more
    else:
        if options.index:
            raise SpecificationError(f"{options.file} comes with its own index; leave --index out.")
        endog_names = _endog_names(list(bundled.columns), options, options.file)
        _find([*endog_names, *options.exog], list(bundled.columns), options.file)
        frame = bundled
    both = set(endog_names) & set(options.exog)
    if both:
        raise SpecificationError(f"--endog and --exog must differ; got {min(both)!r} in both.")
    endog, exog = frame[endog_names], frame[options.exog] if options.exog else None
    endog, exog, future = _split(endog, exog, notes)
    if options.exog_future is not None:
        future = _future(options, endog.index, exog)
    source = os.path.basename(options.file)
    changed = _transformed(endog, options.transform, source)
    if exog is not None:
        exog = exog.loc[changed.index]
    single = changed.shape[1] == 1
    return Sample(
        source,
        changed.iloc[:, 0] if single else changed,
        exog,
        future,
        TRANSFORM_WORDS[options.transform],
        tuple(notes),
    )


def _bundled(name: str) -> pd.DataFrame | None:
    """Return a bundled series, or None for another name."""
    known = [entry for entry in datasets.__all__ if entry != "catalogue"]
    if name in known:
        return pd.DataFrame(getattr(datasets, name)())
    if os.path.dirname(name) or os.path.splitext(name)[1]:
        folder = Path(name).parent
        known = (
            [str(Path(name).parent / p.name) for p in folder.glob("*")] if folder.is_dir() else []
        )
    hint = suggest(name, known)
    raise DataError(f"no such file: {name!r}.{hint}")


def _read(path: str, options: Namespace) -> _File:
    """Read the cells of a file as text."""
    source = os.path.basename(path)
    common: dict[str, Any] = {
        "dtype": str,
        "header": None,
        "keep_default_na": False,
        "skipinitialspace": True,
        "encoding": "utf-8-sig",
    }
    try:
        sep = options.sep or _separator(path, common)
        cells = pd.read_csv(path, sep=sep, skip_blank_lines=False, **common)
    except pd.errors.EmptyDataError as error:
        raise DataError(
            f"{source}: the file must have a line of column names; got none."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source}: the file must be text in UTF-8; got byte {error.object[error.start]:#04x}. "
            "Save it as CSV UTF-8."
        ) from error
    except (pd.errors.ParserError, ValueError) as error:
        detail = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{source}: the file must be a table; got: {detail}.") from error
    cells = cells.fillna("").apply(lambda column: column.str.strip())
    head, body = cells.iloc[0], cells.iloc[1:]
    body = body.set_axis(np.arange(2, len(body) + 2), axis=0)
    filled = np.flatnonzero((body != "").any(axis=1))
    if not filled.size:
        raise DataError(f"{source}: the file must have rows below the column names; got none.")
    body = body.iloc[: filled[-1] + 1]
    unnamed = ((head == "") & (body == "").all(axis=0)).to_numpy()
    body = body.loc[:, ~unnamed].set_axis(list(head[~unnamed]), axis=1)
    return _File(source, body, options.decimal, options.date_format)


def _separator(path: str, common: dict[str, Any]) -> str:
    """Find what separates the names in the first line."""
    line = pd.read_csv(path, sep="\x1f", nrows=1, quoting=3, **common).iloc[0, 0]
    return max((",", ";", "\t"), key=lambda mark: (str(line).count(mark), mark == ","))


def _endog_names(columns: list[str], options: Namespace, source: str) -> list[str]:
    if options.endog:
        return list(options.endog)
    others = [name for name in columns if name not in (*options.index, *options.exog)]
    others = [name for name in others if not _is_date_name(name)] or others
    if len(others) != 1:
        shown = ", ".join(others[:8]) + (", ..." if len(others) > 8 else "")
        raise SpecificationError(
            f"{source}: say which columns to model with --endog, as in --endog "
            f"{','.join(others[:2]) or 'a,b'}; there are {shown or 'none left'}."
        )
    return others


def _is_date_name(name: str) -> bool:
    return name.lower() in _DATE_NAMES or name == ""


def _find(names: Sequence[str], columns: Sequence[str], source: str) -> None:
    """Refuse names that are not columns, or columns twice."""
    for name in names:
        if name not in columns:
            hint = suggest(name, columns)
            have = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
            raise DataError(f"{source}: no column {name!r}.{hint} The columns are {have}.")
        if list(columns).count(name) > 1:
            raise DataError(f"{source}: two columns are named {name!r}. Rename one of them.")
        if list(names).count(name) > 1:
            raise SpecificationError(f"{source}: column {name!r} is asked for twice.")


def _numbers(file: _File, names: Sequence[str]) -> pd.DataFrame:
    """Read columns of numbers; a missing value becomes NaN."""
    _find(names, list(file.cells.columns), file.source)
    return pd.DataFrame({name: _column(file, name) for name in names})


def _column(file: _File, name: str) -> pd.Series:
    texts = file.cells[name]
    if file.decimal != ".":
        texts = texts.str.replace(file.decimal, ".", regex=False)
    values = pd.to_numeric(texts, errors="coerce").astype(float)
    wrong = values.isna() & ~texts.str.lower().isin(_MISSING)
    if wrong.any():
        cell = file.cells[name][wrong].iloc[0]
        hint = " Blank cells are missing values."
        if "," in cell and file.decimal == ".":
            hint = " For decimal commas give --decimal ,; take thousands separators out."
        raise DataError(
            f"{file.source}: column {name!r} must hold numbers; got {cell!r} in line "
            f"{wrong.idxmax()}.{hint}"
        )
    return values


def _labels(file: _File, names: Sequence[str]) -> pd.Index:
    """Read the labels of the rows from one column, or from two for a part of a year."""
    _find(names, list(file.cells.columns), file.source)
    if len(names) == 1:
        return dates.parse(file.cells[names[0]], date_format=file.date_format, source=file.source)
    if len(names) > 2:
        raise SpecificationError(
            f"--index must be one column, or a year and a quarter or month; got {len(names)}."
        )
    year, part = (_column(file, name) for name in names)
    letter = _PARTS.get(names[1].lower(), "Q" if part.max() <= 4 else "M")
    largest = 4 if letter == "Q" else 12
    wrong = ~((year % 1 == 0) & part.between(1, largest) & (part % 1 == 0))
    if wrong.any():
        raise DataError(
            f"{file.source}: columns {names[0]!r} and {names[1]!r} must hold a year and a "
            f"{'quarter' if letter == 'Q' else 'month'}; got {year[wrong].iloc[0]:g} and "
            f"{part[wrong].iloc[0]:g} in line {wrong.idxmax()}."
        )
    texts = [f"{int(y):04d}{letter}{int(p)}" for y, p in zip(year, part, strict=True)]
    cells = pd.Series(texts, index=file.cells.index, name={"Q": "quarter", "M": "month"}[letter])
    return dates.parse(cells, date_format=None, source=file.source)


def _on_time(
    frame: pd.DataFrame, file: _File, names: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Put rows in order of time, with rows of missing values for periods that have none."""
    notes: list[str] = []
    if not names:
        likely = [c for c in file.cells.columns if _is_date_name(c) and c not in frame.columns]
        if likely:
            notes.append(f"rows are numbered; for the dates in column {likely[0]!r} give --index")
        return frame.reset_index(drop=True), notes
    index = _labels(file, names)
    second = np.flatnonzero(index.duplicated())
    if second.size:
        rows = np.flatnonzero(index == index[second[0]])
        first, again = file.cells.index[rows[0]], file.cells.index[rows[1]]
        raise DataError(
            f"{file.source}: each date must have one row; got {label(index, rows[0])} in lines "
            f"{first} and {again}. Keep one of them, or leave --index out to number the rows."
        )
    frame = frame.set_axis(index, axis=0)
    if index.dtype == object or isinstance(index.dtype, pd.StringDtype):
        notes.append(f"column {names[0]!r} holds no dates; {_SPACED}")
        return frame, notes
    if not index.is_monotonic_increasing:
        frame = frame.sort_index()
        notes.append("rows put in order of time")
    full = dates.regular(frame.index)
    if full is None:
        notes.append(f"the dates follow no frequency; {_SPACED}")
        return frame, notes
    added = len(full) - len(frame)
    if added > len(frame):
        raise DataError(
            f"{file.source}: {added} of the periods {label(full, 0)} to {label(full, -1)} have no "
            "row, more than have one. Look for a wrong date, or leave --index out to number the "
            "rows."
        )
    if added:
        many = "1 period without a row is" if added == 1 else f"{added} periods without a row are"
        notes.append(f"{many} taken as missing")
    frame = frame.set_axis(dates.like(frame.index, full), axis=0).reindex(full)
    return frame, notes


def _split(
    endog: pd.DataFrame, exog: pd.DataFrame | None, notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None]:
    """Cut off the last rows that have inputs only: they are the future."""
    if exog is None:
        return endog, None, None
    seen = np.flatnonzero(endog.notna().any(axis=1))
    stop = int(seen[-1]) + 1 if seen.size else len(endog)
    if stop == len(endog):
        return endog, exog, None
    notes.append(f"rows with inputs only, at the end: {len(endog) - stop}, taken as the future")
    return endog.iloc[:stop], exog.iloc[:stop], exog.iloc[stop:]


def _future(options: Namespace, index: pd.Index, exog: pd.DataFrame | None) -> pd.DataFrame:
    """Read the inputs of later rows; rows of the sample may be there too, and are left out."""
    if exog is None:
        raise SpecificationError("--exog-future needs --exog, the columns of inputs.")
    path = options.exog_future
    if not os.path.exists(path):
        raise DataError(f"no such file: {path!r}.")
    file = _read(path, options)
    later = _numbers(file, options.exog)
    if not options.index:
        return later.set_axis(pd.RangeIndex(len(index), len(index) + len(later)), axis=0)
    labels = dates.like(_labels(file, options.index), index)
    later = later.set_axis(labels, axis=0).sort_index()
    try:
        later = pd.DataFrame(later.loc[later.index > index[-1]])
    except TypeError as error:
        raise DataError(
            f"{file.source}: column {options.index[0]!r} must hold labels like those of the "
            f"sample, such as {label(index, -1)}; got {label(labels, 0)}."
        ) from error
    if later.empty:
        raise DataError(
            f"{file.source}: there must be rows after {label(index, -1)}, where the sample ends; "
            f"got rows up to {label(labels, -1)}."
        )
    return later


def _transformed(endog: pd.DataFrame, transform: str, source: str) -> pd.DataFrame:
    """Take logarithms or differences, or both; a difference loses the first row."""
    if transform in ("log", "logdiff"):
        for name in endog.columns:
            low = np.flatnonzero(endog[name] <= 0)
            if low.size:
                raise DataError(
                    f"{source}: --transform {transform} needs numbers above 0; got "
                    f"{endog[name].iloc[low[0]]:g} in column {name!r} at "
                    f"{label(endog.index, low[0])}."
                )
        endog = pd.DataFrame(np.log(endog))
    if transform in ("diff", "logdiff"):
        endog = endog.diff().iloc[1:] * (100 if transform == "logdiff" else 1)
    return endog
