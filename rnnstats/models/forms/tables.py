"""Tables of the structured form: cells that are numbers or names, read from what a user writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import shown
from rnnstats.errors import SpecificationError

__all__ = ["Cell", "Reader"]

ObjectArray = NDArray[np.object_]
WORDS = ("identity", "diagonal", "full")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a number, or a parameter times plus or minus one.

    Attributes
    ----------
    name : str
        Of the parameter; empty for a number.
    value : float
        The number, or the sign of the parameter.
    """

    name: str
    value: float

    def __str__(self) -> str:
        if not self.name:
            return f"{self.value:g}"
        return self.name if self.value > 0.0 else f"-{self.name}"


class Reader:
    """Read the tables of one ``structure``.

    Parameters
    ----------
    caller : str
        Named at the front of error messages.
    """

    def __init__(self, caller: str) -> None:
        self.caller = caller

    def refuse(self, key: str, rule: str, got: str, way_out: str) -> NoReturn:
        """Raise an error about one table."""
        raise SpecificationError(f"{self.caller}: structure[{key!r}] {rule}; got {got}. {way_out}")

    def cell(self, key: str, value: object) -> Cell:
        """Read one cell."""
        if isinstance(value, str):
            name = value.strip()
            sign = 1.0
            if name.startswith("-"):
                name, sign = name[1:].strip(), -1.0
            if not name or _is_numeral(name):
                self.refuse(
                    key,
                    "must hold numbers and names of parameters",
                    f"the text {value!r}",
                    "Write numbers without quotes.",
                )
            return Cell(name, sign)
        real = isinstance(value, (int, float, np.integer, np.floating))
        if not real or isinstance(value, bool) or not np.isfinite(float(value)):  # type: ignore[arg-type]
            self.refuse(
                key,
                "must hold finite numbers and names of parameters",
                shown(value),
                "Write a number to fix a cell and a name to estimate it.",
            )
        return Cell("", float(value))  # type: ignore[arg-type]

    def raw(self, key: str, table: object) -> ObjectArray:
        """Make an array of objects of a scalar, a list, nested lists, an array or a frame."""
        if isinstance(table, (pd.DataFrame, pd.Series)):
            return table.to_numpy(dtype=object)
        if isinstance(table, np.ndarray):
            return table.astype(object)
        if isinstance(table, (str, bytes)) or not isinstance(table, Sequence):
            out = np.empty((), dtype=object)
            out[()] = table
            return out
        rows = [list(row) if _is_row(row) else row for row in table]
        nested = [isinstance(row, list) for row in rows]
        if any(nested):
            widths = {len(row) if isinstance(row, list) else -1 for row in rows}
            if len(widths) != 1:
                self.refuse(
                    key,
                    "must be a table with rows of one length",
                    f"rows of lengths {sorted(widths)}" if all(nested) else shown(table),
                    "Write one list a row.",
                )
            deeper = [cell for row in rows for cell in row if _is_row(cell)]
            if deeper:
                self.refuse(key, "must have at most two dimensions", shown(table), "Flatten it.")
        return np.array(rows, dtype=object)

    def cells(self, key: str, raw: ObjectArray) -> ObjectArray:
        """Read every cell."""
        out = np.empty(raw.shape, dtype=object)
        for index in np.ndindex(raw.shape):
            out[index] = self.cell(key, raw[index])
        return out

    def matrix(self, key: str, table: object, shape: tuple[int, int], meaning: str) -> ObjectArray:
        """Read a matrix; a scalar or a vector where the shape leaves no doubt.

        Parameters
        ----------
        key : str
        table : object
        shape : tuple of int
        meaning : str
            What rows and columns are, for messages.
        """
        raw = self.raw(key, table)
        if (raw.ndim == 0 and shape == (1, 1)) or (raw.ndim == 1 and 1 in shape):
            raw = raw.reshape(shape) if raw.size == shape[0] * shape[1] else raw
        if raw.shape != shape:
            self.refuse(
                key, f"must have shape {shape} ({meaning})", f"shape {raw.shape}", _rows(shape)
            )
        return self.cells(key, raw)

    def vector(self, key: str, table: object, length: int, meaning: str) -> ObjectArray:
        """Read a vector; a scalar where it has length one, a column or a row likewise."""
        raw = self.raw(key, table)
        if raw.size == length and (raw.ndim < 2 or 1 in raw.shape):
            raw = raw.reshape(length)
        if raw.shape != (length,):
            self.refuse(
                key,
                f"must have length {length} ({meaning})",
                f"shape {raw.shape}",
                f"Write a list of {length} cells.",
            )
        return self.cells(key, raw)

    def covariance(
        self, key: str, table: object, names: Sequence[str], label: str = ""
    ) -> ObjectArray:
        """Read a covariance matrix: a table, a diagonal, one cell times the identity, or a word.

        Parameters
        ----------
        key : str
        table : object
            The words are ``"identity"``, ``"diagonal"`` and ``"full"``; parameters of the last two
            are called ``label[row,column]``.
        names : sequence of str
            Of rows and columns.
        label : str
            Default: `key`.
        """
        n, label = len(names), label or key
        if isinstance(table, str) and table in WORDS:
            return _by_word(table, names, label)
        raw = self.raw(key, table)
        if raw.ndim < 2:
            values = np.full(n, raw[()], dtype=object) if raw.ndim == 0 else raw
            if len(values) != n:
                self.refuse(
                    key,
                    f"must have shape {(n, n)} or a diagonal of length {n}",
                    f"length {len(values)}",
                    _rows((n, n)),
                )
            full = np.full((n, n), 0.0, dtype=object)
            np.fill_diagonal(full, values)
            raw = full
        if raw.shape != (n, n):
            self.refuse(key, f"must be square, shape {(n, n)}", f"shape {raw.shape}", _rows((n, n)))
        cells = self.cells(key, raw)
        for i in range(n):
            for j in range(i):
                if cells[i, j] != cells[j, i]:
                    self.refuse(
                        key,
                        "must be symmetric",
                        f"{cells[i, j]} in row {i + 1}, column {j + 1} and {cells[j, i]} across",
                        "Write the same cell on both sides of the diagonal.",
                    )
            if cells[i, i].value < 0.0:
                self.refuse(
                    key,
                    "must not have negative variances",
                    f"{cells[i, i]} on the diagonal",
                    "Use a name without a sign.",
                )
        return cells

    def flags(self, key: str, value: object, length: int) -> tuple[bool, ...]:
        """Read one truth value a state, or one for all."""
        raw = self.raw(key, value).ravel()
        if raw.size == 1:
            raw = np.full(length, raw[0], dtype=object)
        if raw.shape != (length,) or not all(isinstance(x, (bool, np.bool_)) for x in raw):
            self.refuse(
                key,
                f"must be True or False for each of {length} states",
                shown(value),
                f"For example {[True] + [False] * (length - 1)}.",
            )
        return tuple(bool(x) for x in raw)


def labels_of(table: Any) -> tuple[str, ...]:
    """Row labels of a frame that are names; empty for anything else."""
    if isinstance(table, pd.DataFrame) and all(isinstance(x, str) for x in table.index):
        return tuple(str(x) for x in table.index)
    return ()


def _by_word(word: str, names: Sequence[str], label: str) -> ObjectArray:
    n = len(names)
    out = np.full((n, n), Cell("", 0.0), dtype=object)
    for i in range(n):
        own = Cell(f"{label}[{names[i]},{names[i]}]", 1.0)
        out[i, i] = Cell("", 1.0) if word == "identity" else own
        for j in range(i if word == "full" else 0):
            out[i, j] = out[j, i] = Cell(f"{label}[{names[i]},{names[j]}]", 1.0)
    return out


def _rows(shape: tuple[int, int]) -> str:
    return f"Write {shape[0]} row{'s' * (shape[0] > 1)} of {shape[1]} cell{'s' * (shape[1] > 1)}."


def _is_row(value: object) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))


def _is_numeral(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
