"""Derivatives of a recurrence along one run, with names, and what is known of its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Estimated", "Given", "Kept", "Labels", "Trajectory"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
Given = Literal["inputs", "shocks"]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Names of what a recurrence moves.

    Attributes
    ----------
    states, inputs, outputs : tuple of str
        What the state equation is written in, where `Trajectory` does not name its columns.
    index : Index
        Label of each of the n rows.
    step : str
        What lies between two rows: "quarters", "rows".
    title : str
        The model, for headings; empty for none.
    """

    states: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    index: pd.Index = field(default_factory=lambda: pd.RangeIndex(0))
    step: str = "rows"
    title: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Derivatives of a recurrence along one run of n rows.

    Attributes
    ----------
    state : ndarray, shape (n, m, m)
        Of each row's state by the state before, d s_t / d s_{t-1}.
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and n.
    states : ndarray, shape (n, m), optional
        The states s_t themselves.
    inputs : ndarray, shape (n, m, q), optional
        Of each row's state by the row's inputs, d s_t / d u_t.
    readout : ndarray, shape (n, p, m), optional
        Of each row's mean output by the row's state, d E[y_t] / d s_t.
    direct : ndarray, shape (n, p, q), optional
        Of each row's mean output by the row's inputs past the state; None for none.
    labels : Labels, optional
        Names of the columns where they are not those of the recurrence: with the shocks held,
        lagged outputs are states, and shocks are inputs.
    """

    state: FloatArray
    offsets: IntArray
    states: FloatArray | None = None
    inputs: FloatArray | None = None
    readout: FloatArray | None = None
    direct: FloatArray | None = None
    labels: Labels | None = None

    @property
    def nobs(self) -> int:
        """Number of rows."""
        return len(self.state)

    @property
    def k_state(self) -> int:
        """Number of states."""
        return int(self.state.shape[1])

    @property
    def constant(self) -> bool:
        """Whether one matrix moves the state in every row."""
        return self.state.strides[0] == 0


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Share of its content that each unit keeps from row to row.

    Attributes
    ----------
    gate : str
        "forget" (LSTM) or "update" (GRU): the gate that multiplies the content before.
    units : tuple of str
        Its units.
    values : ndarray, shape (n, units)
        Between 0 and 1.
    """

    gate: str
    units: tuple[str, ...]
    values: FloatArray


class Estimated(Protocol):
    """What is known of the estimates of a model's parameters."""

    # see the methods of these names of `Recurrence`
    def spread(self, slopes: FloatArray) -> FloatArray: ...
    def told(self, slopes: FloatArray) -> BoolArray: ...
    def influence(self) -> FloatArray | None: ...
