"""Data of networks and hidden Markov models with a one-hot state: rows, sequences, lags."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import by_name, check_int
from rnnstats.equivalence.readouts import Readout, Rows
from rnnstats.errors import DataError, SpecificationError

__all__ = [
    "Chain",
    "Data",
    "Given",
    "cuts",
    "densities",
    "given",
    "inputs_of",
    "lagged",
    "log_densities",
    "outputs_of",
    "starts_of",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Data(NamedTuple):
    """Outputs and inputs, rows and columns checked.

    Attributes
    ----------
    y : ndarray, shape (n, d)
    exog : ndarray, shape (n, k)
        Inputs of the readouts.
    offsets : ndarray of int, shape (S + 1,)
        First row of each sequence, and n.
    first_row : int
        Number of each sequence's first row, for trends.
    """

    y: FloatArray
    exog: FloatArray
    offsets: IntArray
    first_row: int


def _matrix(values: ArrayLike, names: Sequence[str], *, what: str, caller: str) -> FloatArray:
    """Table with a column for each name, by name where it has these.

    Parameters
    ----------
    values : array_like, shape (n, m) or (n,)
    names : sequence of str
    what, caller : str

    Returns
    -------
    ndarray, shape (n, m)

    Raises
    ------
    DataError
        No numbers, or a wrong number of columns.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{caller}: {what} must be numbers; got others. Convert them.") from error
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != len(names) or not len(array):
        raise DataError(
            f"{caller}: {what} must have {len(names)} columns and at least one row; got shape "
            f"{np.shape(values)}. Give one column a series."
        )
    return array[:, by_name(values, names, what=what, caller=caller)]


def inputs_of(
    values: ArrayLike | None, names: Sequence[str], rows: int, *, what: str, caller: str
) -> FloatArray:
    """Complete inputs of given rows.

    Parameters
    ----------
    values : array_like, shape (rows, k), or None
    names : sequence of str
    rows : int
    what, caller : str

    Returns
    -------
    ndarray, shape (rows, k)

    Raises
    ------
    DataError
        Missing, not finite, or other rows.
    """
    if not names:
        if values is not None and np.size(values):
            raise DataError(f"{caller}: there are no inputs {what}; got some. Leave it out.")
        return np.zeros((rows, 0))
    if values is None:
        raise DataError(
            f"{caller}: {what} must hold the inputs {', '.join(names)} of each row; got None."
            f" Give {what}."
        )
    array = _matrix(values, names, what=what, caller=caller)
    if len(array) != rows or not np.isfinite(array).all():
        raise DataError(
            f"{caller}: {what} must be finite, with the rows of y; got {len(array)} rows for "
            f"{rows}, finite: {bool(np.isfinite(array).all())}. Fill in or leave out rows."
        )
    return array


def cuts(offsets: ArrayLike | None, rows: int, *, caller: str) -> IntArray:
    """First row of each sequence, and the number of rows.

    Parameters
    ----------
    offsets : array_like of int, or None
        None for one sequence.
    rows : int
    caller : str

    Returns
    -------
    ndarray of int

    Raises
    ------
    SpecificationError
        They do not rise from 0 to `rows`.
    """
    found = np.array([0, rows] if offsets is None else offsets, dtype=np.int64)
    if found.ndim != 1 or found[0] != 0 or found[-1] != rows or (np.diff(found) < 1).any():
        raise SpecificationError(
            f"{caller}: offsets must rise from 0 to the number of rows ({rows}); got "
            f"{found.tolist()[:6]}. Give the first row of each sequence and the number of rows."
        )
    return found


def outputs_of(
    emission: Sequence[Readout],
    y: ArrayLike,
    exog: ArrayLike | None,
    names: Sequence[str],
    offsets: ArrayLike | None,
    *,
    first_row: int,
    caller: str,
) -> Data:
    """Check outputs, inputs and sequences.

    Parameters
    ----------
    emission : sequence of Readout
    y : array_like, shape (n, d)
        Codes for categories; labels of the levels are read, too.
    exog : array_like, shape (n, k), or None
    names : sequence of str
        Of the inputs.
    offsets : array_like of int, or None
    first_row : int
    caller : str

    Returns
    -------
    Data

    Raises
    ------
    DataError, SpecificationError
        Rows, columns or sequences that do not fit.
    """
    if not emission:
        raise SpecificationError(
            f"{caller}: data can be read by a network with readouts only; got none. "
            "Give log_density, or an emission."
        )
    columns = [name for part in emission for name in part.names]
    values = _matrix(_coded(emission, y, columns), columns, what="y", caller=caller)
    if np.isinf(values).any():
        raise DataError(f"{caller}: y must be finite or NaN; got infinite values. Leave them out.")
    begin = check_int(first_row, name="first_row", caller=caller)
    inputs = inputs_of(exog, names, len(values), what="exog", caller=caller)
    return Data(values, inputs, cuts(offsets, len(values), caller=caller), begin)


def _coded(emission: Sequence[Readout], y: Any, columns: list[str]) -> Any:
    """Replace labels of levels by their codes, column by column."""
    listed = [getattr(part, "levels", None) for part in emission for _ in part.names]
    raw = np.asarray(y, dtype=object)
    if raw.ndim not in (1, 2) or not any(isinstance(value, str) for value in raw.ravel()):
        return y
    table = (raw[:, None] if raw.ndim == 1 else raw).copy()
    if table.shape[1] != len(columns):
        return y
    order = by_name(y, columns, what="y", caller="belief")
    for levels, j in zip(listed, order, strict=True):
        code = {} if levels is None else {level: float(a) for a, level in enumerate(levels)}
        table[:, j] = [code.get(value, value) if isinstance(value, str) else value
                       for value in table[:, j]]  # fmt: skip
    if hasattr(y, "columns"):
        return type(y)(table, index=y.index, columns=y.columns)
    return table


def lagged(values: FloatArray, order: int, offsets: IntArray) -> FloatArray:
    """Earlier rows of the same sequence, NaN where there is none.

    Parameters
    ----------
    values : ndarray, shape (n, d)
    order : int
    offsets : ndarray of int

    Returns
    -------
    ndarray, shape (n, order, d)
    """
    found = np.full((len(values), order, values.shape[1]), np.nan)
    for first, end in pairwise(offsets.tolist()):
        for lag in range(1, min(order, end - first - 1) + 1):
            found[first + lag : end, lag - 1] = values[first : end - lag]
    return found


def densities(emission: Sequence[Readout], data: Data) -> FloatArray:
    """Log density of each row in each state.

    Parameters
    ----------
    emission : sequence of Readout
        Independent of each other given the state.
    data : Data

    Returns
    -------
    ndarray, shape (n, K)
        Zero in rows that are conditioned on: the first ones of each sequence, as many as there are
        lags, and for a response with a missing lag.
    """
    n = len(data.y)
    place = np.arange(n) - np.repeat(data.offsets[:-1], np.diff(data.offsets))
    total = np.zeros((n, emission[0].location.V.shape[1]))
    column = 0
    for part in emission:
        width = len(part.names)
        own = data.y[:, column : column + width]
        order = part.location.order
        lags = lagged(own, order, data.offsets)
        exog_lags = lagged(data.exog, order, data.offsets)
        rows = Rows(data.exog, data.first_row + place.astype(np.float64), lags, exog_lags)
        told = np.isfinite(lags).all(axis=(1, 2)) & np.isfinite(exog_lags).all(axis=(1, 2))
        total += np.where(np.expand_dims(told, 1), part.log_density(own, rows), 0.0)
        column += width
    total[place < max(part.location.order for part in emission)] = 0.0
    return total


class Chain(ABC):
    """What a network and a hidden Markov model have in common.

    Attributes
    ----------
    emission : tuple of Readout
    exog_names, exog_transition_names : tuple of str
        Inputs of the readouts, and of the transitions.
    lead : int
        Rows that the chain does not cover.
    """

    emission: tuple[Readout, ...]
    exog_names: tuple[str, ...]
    exog_transition_names: tuple[str, ...]
    lead: int

    @property
    @abstractmethod
    def k_states(self) -> int:
        """Number of states K."""

    @property
    def order(self) -> int:
        """Number of own lags that the readouts read."""
        return max((part.location.order for part in self.emission), default=0)

    @property
    def endog_names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(name for part in self.emission for name in part.names)

    def _heads(self) -> str:
        """Outputs and kinds of the readouts."""
        heads = ", ".join(f"{'/'.join(part.names)} {part.kind}" for part in self.emission)
        return heads or "none"


class Given(NamedTuple):
    """What the forward algorithm needs to know of data.

    Attributes
    ----------
    log_density : ndarray, shape (n, K)
    offsets : ndarray of int, shape (S + 1,)
    inputs : ndarray, shape (n, k)
        Of the transitions.
    starts : ndarray, shape (S, K)
    """

    log_density: FloatArray
    offsets: IntArray
    inputs: FloatArray
    starts: FloatArray


def given(
    chain: Chain,
    starts: FloatArray,
    y: ArrayLike | None,
    *,
    log_density: ArrayLike | None,
    exog: ArrayLike | None,
    exog_transition: ArrayLike | None,
    offsets: ArrayLike | None,
    first_row: int,
    caller: str,
) -> Given:
    """Check data, and compute the log densities.

    Parameters
    ----------
    chain : SoftmaxRNN or HMM
    starts : ndarray, shape (S, K)
        One for all sequences, or one each.
    y, log_density, exog, exog_transition, offsets, first_row
        As for `SoftmaxRNN.belief`.
    caller : str

    Returns
    -------
    Given

    Raises
    ------
    SpecificationError, DataError
        Arguments that do not fit.
    """
    logs, bounds = log_densities(
        chain, y, log_density, exog, offsets, first_row=first_row, caller=caller
    )
    names = chain.exog_transition_names
    z = inputs_of(exog_transition, names, len(logs), what="exog_transition", caller=caller)
    return Given(logs, bounds, z, starts_of(starts, len(bounds) - 1, caller=caller))


def log_densities(
    chain: Chain,
    y: ArrayLike | None,
    log_density: ArrayLike | None,
    exog: ArrayLike | None,
    offsets: ArrayLike | None,
    *,
    first_row: int,
    caller: str,
) -> tuple[FloatArray, IntArray]:
    """Log densities of data, or those given, and the sequences.

    Parameters
    ----------
    chain : SoftmaxRNN or HMM
    y, log_density, exog, offsets
        One of `y` and `log_density`.
    first_row : int
    caller : str

    Returns
    -------
    log_density : ndarray, shape (n, K)
    offsets : ndarray of int

    Raises
    ------
    SpecificationError, DataError
        Both or none of them given, or shapes that do not fit.
    """
    if (y is None) == (log_density is None):
        raise SpecificationError(
            f"{caller}: one of y and log_density must be given; got "
            f"{'none' if y is None else 'both'}. Give y, or the log densities of each state."
        )
    if y is not None:
        data = outputs_of(
            chain.emission, y, exog, chain.exog_names, offsets, first_row=first_row, caller=caller
        )
        return densities(chain.emission, data), data.offsets
    logs = np.array(log_density, dtype=np.float64)
    if logs.ndim != 2 or logs.shape[1] != chain.k_states or not len(logs):
        raise SpecificationError(
            f"{caller}: log_density must have a column for each of {chain.k_states} states; got "
            f"shape {logs.shape}. Give one row a period."
        )
    if np.isnan(logs).any() or (logs == np.inf).any():
        raise DataError(
            f"{caller}: log_density must be finite or -inf; got others. A missing row has 0 in "
            "every state."
        )
    return logs, cuts(offsets, len(logs), caller=caller)


def starts_of(starts: FloatArray, sequences: int, *, caller: str) -> FloatArray:
    """One start a sequence.

    Parameters
    ----------
    starts : ndarray, shape (S, K)
    sequences : int
    caller : str

    Returns
    -------
    ndarray, shape (sequences, K)

    Raises
    ------
    SpecificationError
        Neither one start nor one a sequence.
    """
    if len(starts) not in (1, sequences):
        raise SpecificationError(
            f"{caller}: there must be one start, or one a sequence ({sequences}); got "
            f"{len(starts)}. Pass offsets that fit, or take one sequence's start."
        )
    return np.broadcast_to(starts, (sequences, starts.shape[1]))
