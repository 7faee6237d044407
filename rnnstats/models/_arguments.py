"""Checks of the linear model's arguments, at the door."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import by_name, check_int, shown
from rnnstats.data import Endog, Exog
from rnnstats.errors import SpecificationError
from rnnstats.parameters.cells import CellTable

__all__ = [
    "covariance_check",
    "input_rows",
    "kronecker_indices",
    "number_of_states",
    "numbers",
    "one_line",
    "own_rows",
    "restrictions",
    "state_vector",
    "structure_of",
]

FloatArray = NDArray[np.float64]


def number_of_states(value: object, caller: str) -> int | None:
    """Check ``k_states``."""
    if value is None:
        return None
    hint = "For a model without a state use statsmodels' OLS."
    return check_int(value, name="k_states", caller=caller, minimum=1, hint=hint)


def kronecker_indices(value: object, caller: str) -> tuple[int, ...] | None:
    """Check ``kronecker``: non-negative whole numbers."""
    if value is None:
        return None
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise SpecificationError(
            f"{caller}: kronecker must be a tuple of whole numbers, one an output; "
            f"got {value!r}. For example (1, 1)."
        )
    return tuple(
        check_int(item, name=f"kronecker[{i}]", caller=caller, minimum=0)
        for i, item in enumerate(value)
    )


def structure_of(value: object, caller: str) -> dict[str, object]:
    """Check ``structure``: a mapping with string keys."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise SpecificationError(
            f"{caller}: structure must be a mapping with names as keys; got {value!r}. "
            "For example structure={'pairs': 1} with form='leaky'."
        )
    return copy.deepcopy(dict(value))


def numbers(value: object, *, name: str, caller: str) -> FloatArray:
    """Make an array of float64."""
    try:
        return np.ascontiguousarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise SpecificationError(
            f"{caller}: {name} must be numbers; got {shown(value)}. Pass an array of numbers."
        ) from None


def restrictions(value: object, caller: str) -> dict[str, float | str]:
    """Check ``fixed``: a mapping, or a Series with names as its index."""
    if value is None:
        return {}
    if isinstance(value, pd.Series):
        return {str(name): item for name, item in value.items()}
    if not isinstance(value, Mapping):
        raise SpecificationError(
            f"{caller}: fixed must be a mapping of parameter name to number or name; "
            f"got {type(value).__name__}. For example fixed={{'W_h[h1,h1]': 0.5}}."
        )
    return dict(value)


def one_line(name: str, form: str, k_states: int, endog: Endog, exog: Exog | None) -> str:
    """Describe a model for its repr."""
    states = f"{k_states} state" + ("" if k_states == 1 else "s")
    inputs = "" if exog is None else f"; inputs: {', '.join(exog.names)}"
    outputs = f"outputs: {', '.join(endog.names)}{inputs}"
    return f"{name}({form}, {states}, {outputs}; {endog.nobs} rows)"


def input_rows(
    value: object, exog: Exog | None, rows: int, caller: str, *, what: str = "exog"
) -> FloatArray | None:
    """Check the inputs of some rows, columns by name; None where the model has none."""
    if exog is None:
        if value is not None:
            raise SpecificationError(
                f"{caller}: the model has no inputs; got {what}. Leave it out."
                if what == "exog"
                else f"{caller}: the model has no {what}; got some. Leave it out."
            )
        return None
    names = exog.names
    given = np.empty(0) if value is None else numbers(value, name=what, caller=caller)
    given = given[:, None] if given.ndim == 1 else given
    if given.shape[1:] == (len(names),):
        given = given[:, by_name(value, names, what=what, caller=caller)]
    if given.shape != (rows, len(names)) or not np.isfinite(given).all():
        got = "NaN or inf in it" if given.shape == (rows, len(names)) else f"shape {given.shape}"
        got = "None" if value is None else got
        raise SpecificationError(
            f"{caller}: {what} must hold finite numbers, shape ({rows}, {len(names)}); got {got}. "
            f"Give the columns {', '.join(names)} for every row."
        )
    return given


def own_rows(exog: Exog | None, rows: int, caller: str, *, what: str = "exog") -> FloatArray | None:
    """First rows of a model's own inputs, what a simulation reads unless told otherwise."""
    if exog is not None and len(exog.values) < rows:
        raise SpecificationError(
            f"{caller}: {what} must be given for more rows than the model has; got "
            f"{len(exog.values)} rows for {rows}. Give the columns {', '.join(exog.names)}."
        )
    return None if exog is None else exog.values[:rows]


def state_vector(value: ArrayLike, k_states: int, caller: str) -> FloatArray:
    """Check ``initial_state``."""
    state = numbers(value, name="initial_state", caller=caller)
    if state.shape != (k_states,) or not np.all(np.isfinite(state)):
        raise SpecificationError(
            f"{caller}: initial_state must have {k_states} finite numbers, one a state; "
            f"got shape {state.shape}. Give h_1 in the order of state_names."
        )
    return state


class covariance_check:  # noqa: N801 - used as a function, a class so that models can be pickled
    """Whether the covariance parameters at ``theta`` form positive (semi-)definite matrices.

    Parameters
    ----------
    table : CellTable
        A covariance block must be positive definite, a positive block not negative, and what the
        table lists as ``definite`` positive semi-definite.
    """

    __slots__ = ("places", "table", "triangles")

    def __init__(self, table: CellTable) -> None:
        blocks = table.blocks
        self.table = table if table.definite else None
        self.places = tuple(i for b in blocks if b.kind == "positive" for i in b.indices)
        spans = (b.indices for b in blocks if b.kind == "covariance")
        # the triangle of one matrix lies in one piece, see TableBuilder
        self.triangles = tuple(slice(places[0], places[-1] + 1) for places in spans)

    def __call__(self, theta: FloatArray) -> bool:
        """Check one vector of natural parameters, shape (K,)."""
        for span in self.triangles:
            if not _definite(theta[span].tolist()):
                return False
        for i in self.places:
            if theta[i] < 0.0:
                return False
        return self.table is None or _semidefinite(self.table, theta)


def _semidefinite(table: CellTable, theta: FloatArray) -> bool:
    """Whether the arrays listed by the table are covariance matrices, up to rounding."""
    full = table.fill(theta)
    for name in table.definite:
        if name == "joint":
            q, s, h = (table.array(full, key) for key in ("state_cov", "cross_cov", "obs_cov"))
            matrix = np.block([[q, s], [s.T, h]])
        else:
            matrix = table.array(full, name)
        size = np.diag(matrix)
        if not np.isfinite(matrix).all() or (size < 0.0).any():
            return False
        scale = np.sqrt(np.where(size > 0.0, size, 1.0))
        if np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0] < -1e-10:
            return False
    return True


def _definite(lower: list[float]) -> bool:
    """Cholesky of a lower triangle, row by row, in plain Python: fastest at a few rows."""
    pivot = lower[0]
    if not pivot > 0.0:
        return False
    if len(lower) == 1:
        return True
    if len(lower) == 3:
        return lower[2] * pivot > lower[1] * lower[1]
    if len(lower) == 6:
        _, a, b, c, d, e = lower
        second = b - a * a / pivot
        cross = d - a * c / pivot
        return second > 0.0 and e - c * c / pivot - cross * cross / second > 0.0
    factor: list[list[float]] = []
    at = 0
    while at < len(lower):
        row: list[float] = []
        for j, above in enumerate(factor):
            rest = lower[at + j] - sum(a * b for a, b in zip(row, above, strict=False))
            row.append(rest / above[j])
        size = len(factor)
        pivot = lower[at + size] - sum(a * a for a in row)
        if not pivot > 0.0:
            return False
        row.append(pivot**0.5)
        factor.append(row)
        at += size + 1
    return True
