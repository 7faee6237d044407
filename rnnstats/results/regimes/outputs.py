"""Outputs where categorical columns give way to their categories: names, places, codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rnnstats.data import Endog
from rnnstats.errors import DataError

__all__ = [
    "category_code",
    "coded_rows",
    "column_levels",
    "expanded_names",
    "expanded_places",
    "level_text",
]


def level_text(value: object) -> str:
    """Show a category as names of parameters do.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
        Whole numbers without a decimal point.
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def column_levels(model: Any) -> tuple[tuple[str, ...] | None, ...]:
    """Categories of each column.

    Parameters
    ----------
    model : RegimeModel

    Returns
    -------
    tuple
        One entry a column of the data: its categories as text, or None where it holds numbers.
    """
    known = model.levels or {}
    return tuple(
        tuple(level_text(level) for level in known[name]) if name in known else None
        for name in model.endog.names
    )


def expanded_names(model: Any) -> tuple[str, ...]:
    """Names of the outputs, ``y=a`` for the indicator of a category.

    Parameters
    ----------
    model : RegimeModel

    Returns
    -------
    tuple of str
        Of a column of numbers its name, of a categorical column one name a category.
    """
    names: list[str] = []
    for name, levels in zip(model.endog.names, column_levels(model), strict=True):
        names += [name] if levels is None else [f"{name}={level}" for level in levels]
    return tuple(names)


def expanded_places(levels: tuple[tuple[str, ...] | None, ...]) -> list[list[int]]:
    """Places of each column's expanded outputs.

    Parameters
    ----------
    levels : tuple
        Of `column_levels`.

    Returns
    -------
    list of list of int
    """
    found: list[list[int]] = []
    at = 0
    for names in levels:
        size = 1 if names is None else len(names)
        found.append(list(range(at, at + size)))
        at += size
    return found


def category_code(value: Any, name: str, levels: tuple[str, ...], caller: str) -> float:
    """Place of a category among those of its column.

    Parameters
    ----------
    value : object
        As in the data, or as text.
    name : str
        The column.
    levels : tuple of str
        Its categories.
    caller : str

    Returns
    -------
    float
        NaN for a missing value.

    Raises
    ------
    DataError
        An unknown category.
    """
    if value is None or pd.isna(value):
        return np.nan
    text = level_text(value)
    if text not in levels:
        raise DataError(
            f"{caller}: {name} must be one of {', '.join(levels)}; got {value!r}. Recode it, or "
            "use NaN for a missing value."
        )
    return float(levels.index(text))


def coded_rows(model: Any, endog: Any, caller: str) -> Any:
    """Put numbers in the place of the categories of rows like the model's.

    Parameters
    ----------
    model : RegimeModel
    endog : Series, DataFrame, array_like or Endog
    caller : str

    Returns
    -------
    Series, DataFrame or array_like
        The same where the model has no categories.

    Raises
    ------
    DataError
        An unknown category.
    """
    levels = column_levels(model)
    if all(one is None for one in levels) or isinstance(endog, Endog):
        return endog
    names = model.endog.names
    known = {n: one for n, one in zip(names, levels, strict=True) if one is not None}

    def codes(values: Any, name: str) -> list[float]:
        return [category_code(value, name, known[name], caller) for value in values]

    if isinstance(endog, pd.Series):
        return pd.Series(codes(endog, names[0]), index=endog.index, name=endog.name)
    if isinstance(endog, pd.DataFrame):
        parts = {
            key: codes(endog[key], str(key)) if str(key) in known else endog[key].to_numpy()
            for key in endog.columns
        }
        return pd.DataFrame(parts, index=endog.index)
    array = np.asarray(endog, dtype=object)
    if array.ndim == 1:
        return np.array(codes(array, names[0]))
    table = [
        codes(array[:, j], name) if name in known else array[:, j].astype(float)
        for j, name in enumerate(names[: array.shape[1]])
    ]
    return np.column_stack(table)
