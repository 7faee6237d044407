"""Updated data put in the place of a model's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rnnstats.data import Endog, Exog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.results.continuation import ContinuedModel, rows_index
from rnnstats.results.protocol import FittedModel, FloatArray, StateSpaceModel

__all__ = ["same_rows", "updated_endog", "updated_inputs", "updated_model"]


def updated_endog(model: FittedModel, updated: Any, *, caller: str) -> Endog:
    """Check updated data and put their columns into the order of the model's.

    Parameters
    ----------
    model : FittedModel
        On the previous sample.
    updated : DataFrame, Series or array_like
        All rows, from the first one of the sample on.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    Endog
        With the names of the model's; arrays also get its index and what continues it.

    Raises
    ------
    DataError
        Other columns than the model's.
    """
    mine, endog = model.endog, Endog.from_input(updated, caller=caller)
    named = isinstance(updated, pd.DataFrame) and endog.k_endog > 1
    other = set(endog.names) != set(mine.names) if named else False
    if endog.k_endog != mine.k_endog or other:
        raise DataError(
            f"{caller}: updated data must have the outputs {', '.join(mine.names)}; got "
            f"{', '.join(endog.names)}. Rename the columns."
        )
    order = [endog.names.index(name) for name in mine.names] if named else slice(None)
    values = np.ascontiguousarray(endog.values[:, order])
    values.setflags(write=False)
    index = endog.index
    if mine.has_index and not endog.has_index:
        index = rows_index(model, max(mine.nobs, endog.nobs))[: endog.nobs]
    has_index = mine.has_index or endog.has_index
    return Endog(values, mine.names, index, mine.is_series, has_index)


def updated_model(model: StateSpaceModel, endog: Endog, inputs: Exog | None) -> StateSpaceModel:
    """Put updated data into a model.

    Parameters
    ----------
    model : StateSpaceModel
        On the previous sample.
    endog : Endog
    inputs : Exog or None

    Returns
    -------
    StateSpaceModel
        Of the same structure; later rows still follow the same earlier ones.
    """
    if not isinstance(model, ContinuedModel):
        return model.clone(endog, inputs)
    whole, first = model.whole, model.first
    data = Endog(
        _below(whole.endog.values[:first], endog.values),
        endog.names,
        whole.endog.index[:first].append(endog.index),
        endog.is_series,
        endog.has_index,
    )
    exog = whole.exog
    if exog is not None and inputs is not None:
        exog = Exog(_below(exog.values[:first], inputs.values), exog.names)
    return ContinuedModel(whole.clone(data, exog), first, model.start_params)


def _below(first: FloatArray, second: FloatArray) -> FloatArray:
    values = np.concatenate([first, second])
    values.setflags(write=False)
    return values


def updated_inputs(
    model: StateSpaceModel, endog: Endog, exog: Any, rows: int, *, caller: str
) -> tuple[Exog | None, FloatArray | None]:
    """Share inputs of rows past the previous sample between updated sample and rows after it.

    Parameters
    ----------
    model : StateSpaceModel
        On the previous sample.
    endog : Endog
        Updated sample.
    exog : Series, DataFrame, array_like or None
        Inputs of the rows past the previous sample.
    rows : int
        Rows needed in all.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    inputs : Exog or None
        Of the updated sample.
    future : ndarray or None
        Of the rows after it.

    Raises
    ------
    SpecificationError
        Inputs for a model without.
    DataError
        Inputs are needed; the message names the columns.
    """
    if model.exog is None:
        if exog is not None:
            raise SpecificationError(
                f"{caller}: exog holds inputs of later rows; got some although the model has no "
                "inputs. Leave exog out."
            )
        return None, None
    steps = max(0, rows - model.nobs)
    index = rows_index(model, rows)[model.nobs :]
    later = model.exog.future(exog, steps, index, caller=caller)
    every = model.exog.extended_with(later) if steps else model.exog
    inside = np.ascontiguousarray(every.values[: endog.nobs])
    inside.setflags(write=False)
    return Exog(inside, every.names), np.asarray(every.values[endog.nobs : rows])


def same_rows(previous: Endog, updated: Endog, caller: str) -> None:
    """Refuse data that do not begin at the same row and go on in the same steps.

    Parameters
    ----------
    previous, updated : Endog
    caller : str
        Method that the user called, for messages.

    Raises
    ------
    DataError
        They differ.
    """
    shorter = min(previous.nobs, updated.nobs)
    if previous.has_index and updated.has_index:
        first, second = previous.index[:shorter], updated.index[:shorter]
        if not first.equals(second):
            wrong = int(np.flatnonzero(np.asarray(first != second))[0])
            raise DataError(
                f"{caller}: updated data must start at the same row and go on in the same steps; "
                f"got {second[wrong]} where the sample has {first[wrong]}. Give all rows from "
                f"{first[0]} on, missing values as NaN."
            )
