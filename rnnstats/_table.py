"""Reading what users call data into float64 with labels.

Pure functions behind the door of `rnnstats.data`: what pandas, NumPy or a list holds becomes one
float64 table, or an error that names the column and the first row in the way.
"""

from __future__ import annotations

import decimal
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import listed, shown
from rnnstats._index import check_index, label
from rnnstats.errors import DataError

__all__ = [
    "Floats",
    "Table",
    "as_array",
    "column_names",
    "check_sequences",
    "column_titles",
    "first_difference",
    "frozen",
    "is_default",
    "joined",
    "labels_of_last",
    "match_columns",
    "quoted",
    "read_table",
    "refuse_missing",
    "rows_of",
    "rows_of_last",
    "sequences_of",
    "times_of",
    "typed_label",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """Numbers and labels as read, before the rules of endog or exog."""

    values: Floats
    names: tuple[str, ...]
    index: pd.Index
    is_series: bool
    has_index: bool


def read_table(
    data: object, *, what: str, stem: str, caller: str, first_rows: Sequence[int] = (0,)
) -> Table:
    """Read what pandas, NumPy or a list holds into float64, or say what is in the way.

    The index of each sequence, which begin at ``first_rows``, must stand for time on its own.
    """
    columns: list[Any]
    if isinstance(data, pd.DataFrame):
        names = column_names(data.columns, stem=stem, what=what, caller=caller)
        columns = [data.iloc[:, j] for j in range(data.shape[1])]
        index, shape, is_series = data.index, data.shape, False
    elif isinstance(data, pd.Series):
        names = (stem if data.name is None else _name(data.name),)
        columns, index, shape, is_series = [data], data.index, (len(data), 1), True
    else:
        array = as_array(data, what=what, caller=caller)
        table = array[:, None] if array.ndim == 1 else array
        shape, is_series = table.shape, array.ndim == 1
        names = _default_names(stem, shape[1])
        columns = [table[:, j] for j in range(shape[1])]
        index = pd.RangeIndex(shape[0])
    if 0 in shape:
        raise DataError(
            f"{caller}: {what} must have at least one row and one column; got shape {shape}."
        )
    has_index = isinstance(data, (pd.Series, pd.DataFrame))
    if has_index and len(first_rows) > 1:
        check_sequences(index, first_rows, what=what, caller=caller)
    elif has_index:
        check_index(index, what=what, caller=caller)
    values = np.empty(shape)
    for j, column in enumerate(columns):
        values[:, j] = _numbers(column, names[j], index, has_index, what=what, caller=caller)
    infinite = np.isinf(values)
    if infinite.any():
        row, j = (int(i) for i in np.argwhere(infinite)[0])
        raise DataError(
            f"{caller}: {what} must be finite; column {names[j]!r} holds {values[row, j]} at "
            f"{_place(index, row, has_index)}. Use NaN for a missing value."
        )
    return Table(frozen(values), names, index.copy(), is_series, has_index)


def column_titles(data: object, *, what: str, stem: str, caller: str) -> tuple[str, ...]:
    """Names that `read_table` gives the columns."""
    if isinstance(data, pd.DataFrame):
        return column_names(data.columns, stem=stem, what=what, caller=caller)
    if isinstance(data, pd.Series):
        return (stem if data.name is None else _name(data.name),)
    array = as_array(data, what=what, caller=caller)
    return _default_names(stem, 1 if array.ndim == 1 else array.shape[1])


def check_sequences(index: pd.Index, first_rows: Sequence[int], *, what: str, caller: str) -> None:
    """Check the index of each of several sequences on its own, see `check_index`.

    Parameters
    ----------
    index : pandas.Index
        Index of the data; of two levels, sequence and time, or time alone.
    first_rows : sequence of int
        First row of each sequence.
    what, caller : str
        As in `check_index`.

    Raises
    ------
    DataError
        If the index of one of them cannot stand for time.
    """
    if isinstance(index, pd.MultiIndex) and index.nlevels == 2:
        index = index.get_level_values(1)
    for first, end in zip(first_rows, [*first_rows[1:], len(index)], strict=True):
        check_index(index[first:end], what=what, caller=caller)


def sequences_of(labels: pd.Index, *, caller: str) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Find where sequences begin.

    Parameters
    ----------
    labels : pandas.Index
        One label a row; rows of a sequence have the same.
    caller : str
        Class or function that the user called.

    Returns
    -------
    first_rows : tuple of int
    names : tuple
        The label of each sequence.

    Raises
    ------
    DataError
        If a label is missing, or rows of one sequence are not together.
    """
    missing = np.flatnonzero(np.asarray(labels.isna()))
    if missing.size:
        raise DataError(
            f"{caller}: groups must give the sequence of every row; got none in row {missing[0]}. "
            f"Fill it, or drop the row."
        )
    codes, names = pd.factorize(labels)
    first = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1])
    if len(first) != len(names):
        seen: set[int] = set()
        for row in first:
            if int(codes[row]) in seen:
                raise DataError(
                    f"{caller}: the rows of a sequence must be together, in the order of time; "
                    f"got {list(names)[codes[row]]!r} again in row {row}, after another sequence. "
                    f"Sort them first, such as data.sort_values([groups, time], kind='stable')."
                )
            seen.add(int(codes[row]))
    return tuple(int(row) for row in first), tuple(names)


def as_array(data: object, *, what: str, caller: str) -> NDArray[Any]:
    """Turn anything that is not pandas into an array of one or two dimensions."""
    array: NDArray[Any]
    if isinstance(data, np.ma.MaskedArray):
        array = np.ma.filled(data.astype(object), np.nan)
    elif isinstance(data, np.ndarray):
        array = np.asarray(data)
    elif isinstance(data, (pd.api.extensions.ExtensionArray, pd.Index)):
        array = np.asarray(data, dtype=object)
    elif isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        array = _listed_array(data)
    elif hasattr(data, "__array__"):
        array = np.asarray(data)
    else:
        array = np.empty((), dtype=object)
    if array.ndim not in (1, 2):
        got = f"{array.ndim} dimensions" if array.ndim else type(data).__name__
        raise DataError(
            f"{caller}: {what} must be a Series, a DataFrame, or an array or list of one or two "
            f"dimensions with a row for each period; got {got}."
        )
    return array


def _listed_array(data: Sequence[Any]) -> NDArray[Any]:
    """Turn a list into numbers if NumPy can, else into objects, so that none is made text."""
    try:
        array = np.asarray(data)
    except (TypeError, ValueError):
        return np.asarray(data, dtype=object)
    return array if array.dtype.kind in "fiub" else np.asarray(data, dtype=object)


def _numbers(
    column: Any, name: str, index: pd.Index, has_index: bool, *, what: str, caller: str
) -> Floats:
    """Turn one column into float64, missing as NaN; name the first value that is no number."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind in "fiub":
            return column.astype(np.float64)
        items = list(column) if column.dtype.kind in "mM" else column.tolist()
        column = pd.Series(items, dtype=object)
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        plain: Floats = column.to_numpy(dtype=np.float64)
        return plain
    if pd.api.types.is_any_real_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        ready: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return ready
    result = np.full(len(column), np.nan)
    missing = column.isna().to_numpy()
    for row, value in enumerate(column):
        if missing[row]:
            continue
        number = _number(value)
        if number is None:
            raise DataError(
                f"{caller}: {what} must hold real numbers; column {name!r} holds {shown(value)} "
                f"({type(value).__name__}) at {_place(index, row, has_index)}. "
                f"Convert it, or use NaN for a missing value."
            )
        result[row] = number
    return result


def _number(value: object) -> float | None:
    """Turn a real number of any type into a float; None for everything else."""
    # NumPy counts time differences among the integers
    if isinstance(value, np.timedelta64):
        return None
    if not isinstance(value, (numbers.Real, decimal.Decimal, np.bool_)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _name(head: object) -> str:
    """Turn a column label into a name; the levels of a tuple are joined."""
    return "_".join(str(part) for part in head) if isinstance(head, tuple) else str(head)


def _default_names(stem: str, count: int) -> tuple[str, ...]:
    """Name columns that have no names."""
    return (stem,) if count == 1 else tuple(f"{stem}{j}" for j in range(1, count + 1))


def column_names(columns: pd.Index, *, stem: str, what: str, caller: str) -> tuple[str, ...]:
    """Name the columns of a DataFrame, each differently."""
    if isinstance(columns, pd.RangeIndex):
        return _default_names(stem, len(columns))
    names = tuple(_name(head) for head in columns)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(
                f"{caller}: the columns of {what} must have different names; got {name!r} twice. "
                f"Rename or drop one."
            )
        seen.add(name)
    return names


def match_columns(
    given: Sequence[str], needed: Sequence[str], *, what: str, caller: str
) -> list[int]:
    """Give the positions of the needed columns among the given ones."""
    absent = [name for name in needed if name not in given]
    if absent:
        raise DataError(
            f"{caller}: {what} must have the columns {quoted(needed)}; got {quoted(given)}, "
            f"without {quoted(absent)}."
        )
    return [list(given).index(name) for name in needed]


def rows_of(table: Any, index: pd.Index, *, caller: str) -> Any:
    """Take the rows of the periods asked for from a table with an index."""
    two = index.nlevels == table.index.nlevels == 2  # sequence and time
    if two:
        codes = np.asarray(table.index.codes[0])
        starts = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist()]
        check_sequences(table.index, starts, what="exog", caller=caller)
    else:
        check_index(table.index, what="exog", caller=caller)
    rows = table.index.get_indexer(index)
    if (rows < 0).any():
        first = int(np.flatnonzero(rows < 0)[0])
        raise DataError(
            f"{caller}: exog must have a row for {typed_label(index, first)}; got rows "
            f"{typed_label(table.index, 0)} to {typed_label(table.index, -1)}. "
            f"Pass an array if the rows are in order."
        )
    return table.iloc[rows].reset_index(drop=True) if two else table.iloc[rows]


def rows_of_last(new: object, index: pd.Index, *, caller: str) -> object:
    """Leave out the sequence where rows have it in their index; it must be the last one."""
    if not (isinstance(new, (pd.Series, pd.DataFrame)) and len(new)):
        return new
    if not index.nlevels == new.index.nlevels == 2:
        return new
    mine = index[-1][0]
    other = [name for name in new.index.get_level_values(0) if name != mine]
    if other:
        raise DataError(
            f"{caller}: the new rows must continue the last sequence, {mine!r}; got "
            f"{other[0]!r}. Give those of others apart."
        )
    return new.droplevel(0)


def labels_of_last(index: pd.Index, times: pd.Index) -> pd.Index:
    """Labels of rows of the last sequence at some times."""
    if not isinstance(index, pd.MultiIndex) or isinstance(times, pd.MultiIndex):
        return times
    return pd.MultiIndex.from_arrays([[index[-1][0]] * len(times), times], names=index.names)


def times_of(index: pd.Index) -> pd.Index:
    """Labels in time, of an index of sequence and time or of time alone."""
    return index.get_level_values(1) if isinstance(index, pd.MultiIndex) else index


def refuse_missing(
    table: Table, names: tuple[str, ...], *, what: str, later: bool, caller: str
) -> None:
    """Refuse missing inputs, of the sample or of later periods, by their names in the sample."""
    missing = np.isnan(table.values)
    if missing.any():
        row, j = (int(i) for i in np.argwhere(missing)[0])
        raise DataError(
            f"{caller}: {what} must not have missing values; column {names[j]!r} is missing at "
            f"{_place(table.index, row, table.has_index)}. "
            + ("Fill it." if later else f"Fill it, or drop that row from endog and {what}.")
        )


def joined(index: pd.Index, later: pd.Index) -> pd.Index:
    """Append labels, keeping names and frequency."""
    both = index.append(later).set_names(index.names)
    freq: Any = getattr(index, "freq", None)
    if isinstance(index, pd.DatetimeIndex) and isinstance(both, pd.DatetimeIndex):
        return pd.DatetimeIndex(both, freq=freq)
    if isinstance(index, pd.TimedeltaIndex) and isinstance(both, pd.TimedeltaIndex):
        return pd.TimedeltaIndex(both, freq=freq)
    return both


def is_default(index: pd.Index) -> bool:
    """Tell whether an index is the one that pandas gives when none is asked for."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def first_difference(one: pd.Index, other: pd.Index) -> int:
    """Give the first row at which two indexes of the same length differ (0 if only in type)."""
    for row, (a, b) in enumerate(zip(one, other, strict=True)):
        if type(a) is not type(b) or a != b:
            return row
    return 0


def _place(index: pd.Index, row: int, has_index: bool) -> str:
    """Say where a row is: by its label, or by its number where there are no labels."""
    return label(index, row) if has_index else f"row {row}"


def typed_label(index: pd.Index, row: int) -> str:
    """Show a label and, where it is no number, its type."""
    value = index[row]
    if isinstance(value, (int, float, np.number)):
        return str(value)
    return f"{label(index, row)} ({type(value).__name__})"


def quoted(names: Sequence[object]) -> str:
    """Show names in quotes, the first of many."""
    return listed([repr(name) for name in names])


def frozen(values: Floats) -> Floats:
    """Give a C-ordered float64 array that cannot be written to."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    array.setflags(write=False)
    return array
