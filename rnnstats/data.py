"""The door through which data enter: checked once, copied once, never written to again.

Everything behind this door sees float64 arrays with one row a period and NaN for missing.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import check_int, warn
from rnnstats._index import (
    Side,
    check_index,
    continuation,
    count_gaps,
    label,
    position,
    way_to_time,
)
from rnnstats._table import (
    Floats,
    Table,
    as_array,
    column_names,
    first_difference,
    frozen,
    is_default,
    joined,
    labels_of_last,
    match_columns,
    quoted,
    read_table,
    refuse_missing,
    rows_of,
    rows_of_last,
    sequences_of,
    times_of,
    typed_label,
)
from rnnstats.errors import DataError, IndexWarning

__all__ = ["Endog", "Exog"]


@dataclass(frozen=True, eq=False, slots=True)
class Endog:
    """The series to be modelled, as checked numbers with their labels.

    Make one with `from_input`; the constructor itself checks nothing.

    Attributes
    ----------
    values : ndarray, shape (nobs, k_endog)
        Read-only float64 in C order; NaN means missing.
    names : tuple of str
        One name a column; unnamed data are y, or y1, y2, ...
    index : pandas.Index
        One label a row, as the user gave it; a RangeIndex for arrays and lists.
    is_series : bool
        Whether the input was one-dimensional.
    has_index : bool
        Whether the input came with an index.
    first_rows : tuple of int
        Where each sequence begins; ``(0,)`` for a single one.
    sequences : tuple
        Labels of the sequences; empty where there is a single one without a label.
    """

    values: Floats
    names: tuple[str, ...]
    index: pd.Index
    is_series: bool
    has_index: bool
    first_rows: tuple[int, ...] = (0,)
    sequences: tuple[Any, ...] = ()

    @classmethod
    def from_input(
        cls, endog: object, *, caller: str = "LinearRNN", groups: pd.Index | None = None
    ) -> Endog:
        """Check and copy what the user gave.

        Parameters
        ----------
        endog : Series, DataFrame, array_like of shape (nobs,) or (nobs, k_endog), or Endog
            Real numbers of any type, NaN, None or pandas.NA for missing.
        caller : str, default "LinearRNN"
            Class or function that the user called, for messages.
        groups : pandas.Index, optional
            The sequence of each row; the index need only increase within one.

        Returns
        -------
        Endog
            A copy; an Endog is returned as it is.

        Raises
        ------
        DataError
            If it is empty, has more than two dimensions, holds something other than finite real
            numbers and missing values, has a column without any observation or with another's
            name, or an index that is repeated or not increasing.

        Warns
        -----
        IndexWarning
            If a PeriodIndex skips periods.
        """
        if isinstance(endog, Endog):
            return endog
        first_rows, sequences = (
            ((0,), ()) if groups is None else sequences_of(groups, caller=caller)
        )
        table = read_table(endog, what="endog", stem="y", caller=caller, first_rows=first_rows)
        empty = np.flatnonzero(np.isnan(table.values).all(axis=0))
        if empty.size:
            raise DataError(
                f"{caller}: each column of endog must have an observed value; column "
                f"{table.names[empty[0]]!r} is missing in all {len(table.index)} rows. "
                f"Leave it out."
            )
        if len(first_rows) == 1 and (gaps := count_gaps(table.index)):
            warn(
                f"{caller}: the index skips {gaps} of the periods between {label(table.index, 0)} "
                f"and {label(table.index, -1)}; rows are taken as equally spaced. To have the "
                f"skipped periods as missing observations, reindex endog to all of them.",
                IndexWarning,
            )
        labels = (table.index, table.is_series, table.has_index)
        return cls(table.values, table.names, *labels, first_rows, sequences)

    @property
    def nobs(self) -> int:
        """Number of rows, observed or not."""
        return int(self.values.shape[0])

    @property
    def offsets(self) -> NDArray[np.intp]:
        """First row of each sequence, and the number of rows."""
        return np.array([*self.first_rows, self.nobs], dtype=np.intp)

    @property
    def k_endog(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    @property
    def nobs_observed(self) -> int:
        """Number of values that are not missing, over all columns."""
        return int(np.count_nonzero(~np.isnan(self.values)))

    @property
    def frame(self) -> pd.DataFrame:
        """The values under their labels, shape (nobs, k_endog)."""
        return pd.DataFrame(self.values, index=self.index, columns=list(self.names))

    def labelled(
        self,
        values: NDArray[Any],
        columns: Sequence[object] | pd.Index | None = None,
        index: pd.Index | None = None,
        name: str | None = None,
    ) -> pd.Series | pd.DataFrame:
        """Put labels on an array with one row a period.

        Parameters
        ----------
        values : ndarray, shape (rows,) or (rows, k)
            The numbers.
        columns : sequence, optional
            Column labels; for k equal to k_endog, default the names of the series.
        index : pandas.Index, optional
            Row labels; default the index of the data.
        name : str, optional
            Name of a Series; default the name of the series.

        Returns
        -------
        Series or DataFrame
            A Series for one dimension, and for one column without `columns` where the data
            were one-dimensional; otherwise a DataFrame. The numbers are copied.
        """
        rows = self.index if index is None else index
        single = columns is None and self.is_series and values.ndim == 2 and values.shape[1] == 1
        if values.ndim == 1 or single:
            title = self.names[0] if name is None and self.k_endog == 1 else name
            return pd.Series(values.reshape(-1).copy(), index=rows, name=title)
        heads = list(self.names) if columns is None else columns
        return pd.DataFrame(values.copy(), index=rows, columns=heads)  # type: ignore[arg-type]

    def future_index(self, steps: int) -> pd.Index:
        """Give the labels of the periods after the sample.

        Parameters
        ----------
        steps : int
            How many, at least 0.

        Returns
        -------
        pandas.Index
            The continuation by frequency (given or inferred) or by constant step; a RangeIndex
            that starts at nobs where there is neither.

        Raises
        ------
        SpecificationError
            If `steps` is not a whole number of at least 0.

        Warns
        -----
        IndexWarning
            If nothing says how the index goes on.
        """
        steps = check_int(steps, name="steps", caller="future_index", minimum=0)
        further = continuation(self._last_index(), steps)
        if further is not None:
            return labels_of_last(self.index, further)
        warn(
            f"the index has neither a frequency nor a constant step after {label(self.index, -1)}; "
            f"future rows are numbered from {self.nobs}. {way_to_time(self.index)}",
            IndexWarning,
        )
        return pd.RangeIndex(self.nobs, self.nobs + steps)

    def location(
        self,
        key: object,
        *,
        caller: str,
        side: Side = "start",
        allow_future: bool = True,
        name: str | None = None,
    ) -> int:
        """Give the row at which a key lies, in the sample or after it.

        Parameters
        ----------
        key : int, str, datetime-like, pandas.Period or label
            A row (negative: from the end), a date, or a label. On an index of numbers a whole
            number is a label; if that index begins at or after nobs (years, say), numbers
            below nobs are rows. Part of a date, such as "1990", means its first
            period as a start and its last period as an end. With several sequences a whole
            number is a row, a date one of the last sequence, and (sequence, date) a label.
        caller : str
            Class or function that the user called, for messages.
        side : {"start", "end"}, default "start"
            Which end of a longer period is meant.
        allow_future : bool, default True
            Whether a row after the sample is allowed.
        name : str, optional
            The argument's name, for messages; default `side`.

        Returns
        -------
        int
            Row, 0-based; at least nobs after the sample.

        Raises
        ------
        SpecificationError
            If the key is not in the index, nor after it where that is allowed.
        """
        rules: Any = {"side": side, "caller": caller, "allow_future": allow_future, "name": name}
        if len(self.first_rows) == 1:
            return position(self._last_index(), key, **rules)
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            return position(pd.Index([f"row {i}" for i in range(self.nobs)]), key, **rules)
        if isinstance(key, tuple) and isinstance(self.index, pd.MultiIndex) and key in self.index:
            return int(self.index.get_indexer(pd.MultiIndex.from_tuples([key]))[0])
        return self.first_rows[-1] + position(self._last_index(), key, **rules)

    def _last_index(self) -> pd.Index:
        """Labels in time of the last sequence, which later rows continue."""
        own = self.index[self.first_rows[-1] :] if len(self.first_rows) > 1 else self.index
        return times_of(own)

    def extended_with(self, new: object, *, caller: str = "append") -> Endog:
        """Append rows.

        Parameters
        ----------
        new : Series, DataFrame, array_like or Endog
            Later rows of the same columns, in any order if they are named; they may be missing
            altogether. An index must continue this one (of sequence and time: in either both, or
            the time alone); arrays and lists get the continuation.
        caller : str, default "append"
            Class or function that the user called, for messages.

        Returns
        -------
        Endog
            Old and new rows.

        Raises
        ------
        DataError
            If the columns are others, or the index does not continue.

        Warns
        -----
        IndexWarning
            If arrays are appended and nothing says how the index goes on.
        """
        later: Any = rows_of_last(new, self.index, caller=caller)
        if not isinstance(later, Endog):
            later = read_table(later, what="endog", stem="y", caller=caller)
        rows = later.values
        if isinstance(new, pd.DataFrame) and not self.is_series:
            rows = rows[:, match_columns(later.names, self.names, what="endog", caller=caller)]
        elif rows.shape[1] != self.k_endog:
            one = self.k_endog == 1
            raise DataError(
                f"{caller}: endog must have the {self.k_endog} column{'' if one else 's'} of the "
                f"sample ({quoted(self.names)}); got {rows.shape[1]}. Give "
                f"{'it alone' if one else 'all of them'}, missing values as NaN."
            )
        if later.has_index:
            further = labels_of_last(self.index, later.index)
            self._check_continues(further, caller=caller)
            index = joined(self.index, further)
        elif self.has_index:
            index = joined(self.index, self.future_index(len(rows)))
        else:
            index = pd.RangeIndex(self.nobs + len(rows))
        return replace(self, values=frozen(np.concatenate([self.values, rows])), index=index)

    def _check_continues(self, later: pd.Index, *, caller: str) -> None:
        """Refuse labels that do not follow those of the sample."""
        due = continuation(self._last_index(), len(later))
        due = None if due is None else labels_of_last(self.index, due)
        if due is None:
            grown = self._last_index().append(times_of(later))
            check_index(grown, what="endog with the new rows", caller=caller)
        elif not due.equals(later):
            rule = f"the new rows must continue the index, which ends at {label(self.index, -1)}"
            row = first_difference(due, later)
            raise DataError(
                f"{caller}: {rule}; got {label(later, row)} where {label(due, row)} is due. "
                f"Give rows from {label(due, 0)} on, missing ones as NaN."
            )


@dataclass(frozen=True, eq=False, slots=True)
class Exog:
    """Inputs with one row for each row of the series; none may be missing.

    Make one with `from_input`; the constructor itself checks nothing.

    Attributes
    ----------
    values : ndarray, shape (nobs, k_exog)
        Read-only float64 in C order, finite. Row t is the input of period t.
    names : tuple of str
        One name a column; unnamed data are x, or x1, x2, ...
    """

    values: Floats
    names: tuple[str, ...]

    @classmethod
    def from_input(
        cls, exog: object, endog: Endog, *, caller: str, what: str = "exog"
    ) -> Exog | None:
        """Check and copy what the user gave.

        Parameters
        ----------
        exog : Series, DataFrame, array_like of shape (nobs,) or (nobs, k_exog), Exog or None
            Finite real numbers of any type.
        endog : Endog
            The series; an index of `exog` must equal its index, where both have one.
        caller : str
            Class or function that the user called, for messages.
        what : str
            Name of the argument, for messages.

        Returns
        -------
        Exog or None
            A copy; None for None.

        Raises
        ------
        DataError
            If it is not a table of finite real numbers with the rows of `endog`.
        """
        if exog is None:
            return None
        table = exog if isinstance(exog, Exog) else None
        if table is None:
            same = isinstance(exog, Sized) and len(exog) == endog.nobs
            rows = endog.first_rows if same else (0,)
            read = read_table(exog, what=what, stem="x", caller=caller, first_rows=rows)
            table = cls._checked(read, endog, caller, what)
        if len(table.values) != endog.nobs:
            raise DataError(
                f"{caller}: {what} must have one row for each of the {endog.nobs} rows of endog; "
                f"got {len(table.values)} rows. Inputs of later periods are given when forecasting."
            )
        return table

    @classmethod
    def _checked(cls, table: Table, endog: Endog, caller: str, what: str) -> Exog:
        """Compare the index with that of the series and refuse missing values."""
        same_length = len(table.index) == endog.nobs
        if table.has_index and endog.has_index and same_length:
            if not table.index.equals(endog.index):
                row = first_difference(endog.index, table.index)
                got, due = typed_label(table.index, row), typed_label(endog.index, row)
                raise DataError(
                    f"{caller}: {what} must have the index of endog; row {row} is {got} where "
                    f"endog has {due}. Use {what}.reindex(endog.index), or pass {what}.to_numpy() "
                    f"if the rows match."
                )
        if same_length:
            refuse_missing(table, table.names, what=what, later=False, caller=caller)
        return cls(table.values, table.names)

    @property
    def k_exog(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    def future(
        self, exog: object, steps: int, index: pd.Index, *, caller: str, what: str = "exog"
    ) -> Floats:
        """Check the inputs of later periods.

        Parameters
        ----------
        exog : Series, DataFrame, array_like of shape (steps, k_exog), or None
            A DataFrame needs the columns of the sample by name (others are ignored); if it has
            an index of its own, the rows of `index` are taken from it. A one-dimensional
            array is a column, or one row for a single step.
        steps : int
            Number of later periods.
        index : pandas.Index
            Their labels.
        caller : str
            Class or function that the user called, for messages.
        what : str
            Name of the argument, for messages.

        Returns
        -------
        ndarray, shape (steps, k_exog)
            Read-only float64, finite.

        Raises
        ------
        DataError
            If inputs are needed and None were given, or columns, rows or values are missing.
        """
        if steps == 0:
            return frozen(np.empty((0, self.k_exog)))
        if exog is None:
            raise DataError(
                f"{caller}: {what} must give {quoted(self.names)} for the {steps} periods "
                f"{label(index, 0)} to {label(index, -1)}; got None. Pass a DataFrame or an array "
                f"of shape ({steps}, {self.k_exog})."
            )
        wanted: object = exog
        if isinstance(exog, pd.DataFrame):
            heads = column_names(exog.columns, stem="x", what=what, caller=caller)
            wanted = exog.iloc[:, match_columns(heads, self.names, what=what, caller=caller)]
        if isinstance(wanted, (pd.Series, pd.DataFrame)) and not is_default(wanted.index):
            wanted = rows_of(wanted, index, caller=caller)
        elif not isinstance(wanted, (pd.Series, pd.DataFrame)) and steps == 1:
            array = as_array(wanted, what=what, caller=caller)
            wanted = array[None, :] if array.ndim == 1 and len(array) == self.k_exog else array
        table = read_table(wanted, what=what, stem="x", caller=caller)
        if table.values.shape != (steps, self.k_exog):
            raise DataError(
                f"{caller}: {what} must have shape ({steps}, {self.k_exog}): {steps} later periods "
                f"of {quoted(self.names)}; got {table.values.shape}."
            )
        refuse_missing(table, self.names, what=what, later=True, caller=caller)
        return table.values

    def extended_with(self, rows: Floats) -> Exog:
        """Append rows that `future` has checked.

        Parameters
        ----------
        rows : ndarray, shape (steps, k_exog)
            Inputs of the periods after the sample.

        Returns
        -------
        Exog
            Old and new rows.
        """
        return Exog(frozen(np.concatenate([self.values, rows])), self.names)
