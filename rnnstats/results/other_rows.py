"""Rows that a user brings to fitted results, with the names, order and sequences of the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.data import Endog, Exog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.results.continuation import is_named

__all__ = ["names_sequences", "renamed", "with_names", "with_sequences"]


def names_sequences(rows: Any) -> bool:
    """Whether rows have sequence and time in their index."""
    return isinstance(rows, (pd.Series, pd.DataFrame)) and rows.index.nlevels == 2


def with_sequences(endog: Endog, rows: Any, groups: Any, caller: str) -> Endog:
    """Append rows of the last sequence, and of new ones."""
    labels = list(groups)
    if not endog.sequences:
        raise SpecificationError(
            f"{caller}: groups are for a model with sequences; got one that has a single sequence "
            "without a label. Give groups to the model."
        )
    labelled = isinstance(rows, (pd.Series, pd.DataFrame))
    count = len(rows)
    if len(labels) != count:
        raise DataError(
            f"{caller}: groups must give one label for each of the {count} new rows; got "
            f"{len(labels)}. Give one a row."
        )
    cuts = [i for i in range(len(labels)) if i == 0 or labels[i] != labels[i - 1]]
    found = endog
    for begin, end in zip(cuts, [*cuts[1:], len(labels)], strict=True):
        part = rows.iloc[begin:end] if labelled else np.asarray(rows)[begin:end]
        if labels[begin] == found.sequences[-1]:
            found = found.extended_with(part, caller=caller)
            continue
        if labels[begin] in found.sequences:
            raise DataError(
                f"{caller}: only the last sequence can go on; got rows of {labels[begin]!r}, which "
                f"is not {found.sequences[-1]!r}. Fit the model anew."
            )
        found = _new_sequence(found, part, labels[begin], caller)
    return found


def _new_sequence(endog: Endog, rows: Any, name: Any, caller: str) -> Endog:
    """Begin a sequence after the others."""
    if names_sequences(rows):
        rows = rows.droplevel(0)
    later = Endog.from_input(rows, caller=caller)
    if later.k_endog != endog.k_endog:
        raise DataError(
            f"{caller}: endog must have the {endog.k_endog} columns of the sample; got "
            f"{later.k_endog}. Give all of them, missing values as NaN."
        )
    order = list(range(endog.k_endog))
    if isinstance(rows, pd.DataFrame) and set(later.names) == set(endog.names):
        order = [later.names.index(one) for one in endog.names]
    values = np.concatenate([endog.values, later.values[:, order]])
    values.setflags(write=False)
    index = later.index
    if isinstance(endog.index, pd.MultiIndex) and not isinstance(index, pd.MultiIndex):
        index = pd.MultiIndex.from_arrays([[name] * len(index), index], names=endog.index.names)
    if not endog.has_index:
        index = pd.RangeIndex(len(values))
    else:
        index = endog.index.append(index)
    return replace(
        endog, values=values, index=index, first_rows=(*endog.first_rows, endog.nobs),
        sequences=(*endog.sequences, name),
    )  # fmt: skip


def with_names(model: Any, endog: Any, groups: Any, caller: str) -> Any:
    """Give data without names those of the model, and put its columns in order."""
    names = model.endog.names
    if isinstance(endog, Endog):
        return endog
    if isinstance(endog, pd.Series):
        return endog if endog.name is not None and len(names) == 1 else endog.rename(names[0])
    if not isinstance(endog, pd.DataFrame):
        array = np.asarray(endog, dtype=object if model.levels else None)
        if array.ndim == 1 and len(names) == 1:
            return _named(array, names)
        if array.ndim == 2 and array.shape[1] == len(names):
            return _named(array, names)
        raise DataError(
            f"{caller}: endog must have as many columns as the model's ({', '.join(names)}); got "
            f"shape {array.shape}. Leave a column without values as NaN, or fit another model."
        )
    own = [str(key) for key in endog.columns]
    extra = [groups] if isinstance(groups, str) and groups in own else []
    if set(own) - set(extra) == set(names):
        return endog[[*names, *extra]]
    raise DataError(
        f"{caller}: endog must have the model's columns ({', '.join(names)}); got "
        f"{', '.join(own)}. Rename them, or pass an array if their order is the model's."
    )


def _named(array: Any, names: tuple[str, ...]) -> Any:
    """Name the columns of an array."""
    if array.ndim == 1:
        return pd.Series(array, name=names[0])
    return pd.DataFrame(array, columns=list(names))


def renamed(given: Any, known: Exog | None, index: Any) -> Any:
    """Give inputs without names those of the model, and put its columns in order."""
    if given is None or known is None or isinstance(given, Exog):
        return given
    if isinstance(given, pd.DataFrame):
        if set(map(str, given.columns)) == set(known.names):
            return given[list(known.names)]
        return given
    if isinstance(given, pd.Series):
        return given if is_named(given) or known.k_exog > 1 else given.rename(known.names[0])
    array = np.asarray(given)
    if index is None or len(array) != len(index):
        return given
    if array.ndim == 1 and known.k_exog == 1:
        return pd.Series(array, index=index, name=known.names[0])
    if array.ndim == 2 and array.shape[1] == known.k_exog:
        return pd.DataFrame(array, index=index, columns=list(known.names))
    return given
