"""Reading what only models with regimes take: sequences and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import shown
from rnnstats._table import as_array, column_titles, is_default, quoted, sequences_of
from rnnstats.data import Endog
from rnnstats.errors import DataError
from rnnstats.results.regimes.outputs import level_text

__all__ = ["coded", "refuse_words", "regrouped", "split_groups"]

FloatArray = NDArray[np.float64]


def split_groups(endog: object, groups: object, *, caller: str) -> tuple[object, pd.Index | None]:
    """Find the sequence that each row belongs to.

    Parameters
    ----------
    endog : Series, DataFrame or array_like
    groups : str, Series, array_like or None
        Name of a column or of a level of the index, or one label a row. None: the first level of
        an index with two levels (sequence and time), else a single sequence.
    caller : str
        Class or function that the user called.

    Returns
    -------
    endog : object
        Without the column that was named.
    labels : pandas.Index or None
        One label a row.

    Raises
    ------
    DataError
        If the labels are not one a row, or a name is unknown.
    """
    index = endog.index if isinstance(endog, (pd.Series, pd.DataFrame)) else None
    if groups is None:
        two = isinstance(index, pd.MultiIndex) and index.nlevels == 2
        return endog, index.get_level_values(0) if two and index is not None else None
    if isinstance(groups, str):
        if isinstance(endog, pd.DataFrame) and groups in endog.columns:
            if endog.shape[1] == 1:
                raise DataError(
                    f"{caller}: endog must have a column besides that of groups; got {groups!r} "
                    "only. Pass the outputs, too."
                )
            return endog.drop(columns=groups), pd.Index(endog[groups])
        if index is not None and groups in index.names:
            return endog, index.get_level_values(groups)
        raise DataError(
            f"{caller}: groups must name a column of endog or a level of its index; got "
            f"{groups!r}. Pass one label a row instead."
        )
    if isinstance(groups, pd.Series) and index is not None and not is_default(groups.index):
        if not groups.index.equals(index):
            raise DataError(
                f"{caller}: groups must have the index of endog; got another one. "
                f"Pass groups.to_numpy() if the rows match."
            )
    if isinstance(groups, (str, bytes)) or not hasattr(groups, "__len__"):
        raise DataError(
            f"{caller}: groups must give one label a row; got {shown(groups)}. Pass an array, a "
            f"Series or the name of a column."
        )
    given = groups if isinstance(groups, pd.Index) else np.asarray(groups)
    rows = len(endog) if hasattr(endog, "__len__") else 0
    if given.ndim != 1 or len(given) != rows:
        got = len(groups) if given.ndim == 1 else f"shape {given.shape}"
        raise DataError(
            f"{caller}: groups must give one label for each of the {rows} rows of endog; got "
            f"{got}. Leave it out for a single sequence."
        )
    labels = pd.Index(given)
    return endog, labels


def regrouped(endog: Endog, groups: object, *, caller: str) -> Endog:
    """Cut outputs that were read before into sequences.

    Parameters
    ----------
    endog : Endog
    groups : array_like
        One label a row.
    caller : str

    Returns
    -------
    Endog

    Raises
    ------
    DataError
        As in `split_groups`.
    """
    labels = split_groups(endog.values, groups, caller=caller)[1]
    if labels is None:
        return endog
    first_rows, sequences = sequences_of(labels, caller=caller)
    return replace(endog, first_rows=first_rows, sequences=sequences)


def coded(
    data: object,
    levels: Mapping[str, Sequence[object] | None],
    *,
    what: str,
    stem: str,
    caller: str,
) -> tuple[object, dict[str, tuple[Any, ...]]]:
    """Replace categories by their codes 0, 1, ..., missing ones by NaN.

    Parameters
    ----------
    data : Series, DataFrame, array_like
    levels : mapping of str to sequence or None
        Columns that hold categories, with the categories in order; None takes those that occur, in
        the order of a pandas Categorical or else sorted.
    what, stem, caller : str
        As in `read_table`.

    Returns
    -------
    data : object
        The same kind of table; the original where no column holds categories.
    levels : dict of str to tuple
        The categories of each such column, in order.

    Raises
    ------
    DataError
        If a value is none of the given categories, or categories cannot be told apart.
    """
    found: dict[str, tuple[Any, ...]] = {}
    if not levels:
        return data, found
    titles = column_titles(data, what=what, stem=stem, caller=caller)
    if isinstance(data, pd.Series):
        codes, found[titles[0]] = _codes(data, titles[0], levels[titles[0]], what, caller)
        return pd.Series(codes, index=data.index, name=data.name), found
    if isinstance(data, pd.api.extensions.ExtensionArray):
        codes, found[titles[0]] = _codes(
            pd.Series(data), titles[0], levels[titles[0]], what, caller
        )
        return codes, found
    if not isinstance(data, pd.DataFrame):
        array = as_array(data, what=what, caller=caller)
        if array.dtype.kind in "SU":
            array = array.astype(object)
        if array.ndim == 1:
            codes, found[titles[0]] = _codes(
                pd.Series(array.tolist(), dtype=object), titles[0], levels[titles[0]], what, caller
            )
            return codes, found
        table = array.astype(object)
        for j, title in enumerate(titles):
            if title in levels:
                column = pd.Series(array[:, j].tolist(), dtype=object)
                table[:, j], found[title] = _codes(column, title, levels[title], what, caller)
        return table, found
    columns = [data.iloc[:, j] for j in range(data.shape[1])]
    for j, title in enumerate(titles):
        if title in levels:
            codes, found[title] = _codes(columns[j], title, levels[title], what, caller)
            columns[j] = pd.Series(codes, index=data.index)
    frame = pd.concat(columns, axis=1)
    frame.columns = data.columns
    return frame, found


def refuse_words(
    data: object, titles: Sequence[str], *, caller: str, option: str = "emission"
) -> None:
    """Refuse text in columns of numbers: categories that nobody called so.

    Parameters
    ----------
    data : Series, DataFrame or array_like
        Categories replaced by their codes.
    titles : sequence of str
        Names of the columns.
    caller : str
    option : str
        The argument that names distributions.

    Raises
    ------
    DataError
        The message names a column and a value.
    """
    if isinstance(data, pd.DataFrame):
        columns = [data.iloc[:, j] for j in range(data.shape[1])]
    else:
        columns = [data] if isinstance(data, pd.Series) else []
    for name, column in zip(titles, columns, strict=False):
        words = [] if pd.api.types.is_numeric_dtype(column.dtype) else column.tolist()
        row = next((row for row, value in enumerate(words) if isinstance(value, str)), None)
        if row is not None:
            mixed = f", or {{{name!r}: 'categorical', ...}} where other columns are numbers"
            raise DataError(
                f"{caller}: column {name!r} of endog must hold numbers for its {option}; got "
                f"{shown(words[row])} in row {row}. For categories use {option}='categorical'"
                f"{mixed if option == 'emission' else ''}."
            )


def _codes(
    column: pd.Series, name: str, given: Sequence[object] | None, what: str, caller: str
) -> tuple[FloatArray, tuple[Any, ...]]:
    """Codes of one column and its categories."""
    missing = column.isna().to_numpy()
    if given is not None:
        known: list[Any] = list(given)
    elif isinstance(column.dtype, pd.CategoricalDtype):
        known = list(column.cat.remove_unused_categories().cat.categories)
    else:
        known = _sorted(pd.unique(column[~missing]).tolist())
    texts = [level_text(value) for value in known]
    if len(set(texts)) != len(texts) or len(set(known)) != len(known) or not texts:
        got = "none" if not texts else f"{quoted(texts)}"
        raise DataError(
            f"{caller}: column {name!r} of {what} must hold categories with different names; got "
            f"{got}. Rename them."
        )
    values = column.to_numpy(dtype=object)
    codes = pd.Index(known, dtype=object).get_indexer(pd.Index(values, dtype=object))
    foreign = np.flatnonzero((codes < 0) & ~missing)
    if foreign.size:
        row = int(foreign[0])
        raise DataError(
            f"{caller}: column {name!r} of {what} must hold the categories {quoted(texts)}; "
            f"got {shown(values[row])} in row {row}. Recode it, or use NaN for a missing value."
        )
    return np.where(missing, np.nan, codes), tuple(known)


def _sorted(values: list[Any]) -> list[Any]:
    """Sort categories, by their names where they cannot be compared."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)
