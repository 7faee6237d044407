"""States and gates of a recurrent network: functions of the rows before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_literal
from rnnstats.kernels import networks
from rnnstats.results.forecasting.prediction import stacked
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem
from rnnstats.results.recurrent.residuals import placed
from rnnstats.results.recurrent.states.plots import draw_columns
from rnnstats.results.states import (
    FilterVsSmoother,
    StateMoments,
    compare_filter_smoother,
    true_states,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["NO_GATES", "RecurrentStates", "gate_table", "gate_values", "unit_names"]

StateKind = Literal["predicted", "filtered", "smoothed"]
NO_GATES = (
    "an Elman cell has no gates: its state is one function of the last state and the inputs. See "
    "filtered_state for the states, memory() for how long they last, or use GRU or LSTM."
)
DETERMINED = (
    "The state is a function of the rows before (there is no state noise): the past determines it "
    "exactly, and smoothing changes nothing."
)


def unit_names(architecture: Any) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Names of the states, layer by layer and block by block, as the state vector has them.

    Parameters
    ----------
    architecture : Architecture or TwoSided

    Returns
    -------
    tuple
        For each layer, for each block, one name a unit; units of later layers go on counting, those
        of a backward stack begin anew with other letters.
    """
    found: tuple[tuple[tuple[str, ...], ...], ...] = architecture.labels
    return found


def gate_values(system: RecurrentSystem) -> dict[str, FloatArray]:
    """Gates in each row of the recursion, by word.

    Parameters
    ----------
    system : RecurrentSystem

    Returns
    -------
    dict of str to ndarray of shape (m, units)
        Units of all layers that have the gate; empty for cells without gates.
    """
    whole, kept = getattr(system, "whole", system), getattr(system, "kept", slice(None))
    found = networks.gates(whole.architecture, whole.weights, whole.run)
    return {word: np.asarray(values)[kept] for word, values in found.items() if word != "h"}


def gate_table(system: RecurrentSystem) -> tuple[tuple[str, ...], FloatArray]:
    """Gates in each row with names such as ``forget[h1]``.

    Parameters
    ----------
    system : RecurrentSystem

    Returns
    -------
    names : tuple of str
    values : ndarray of shape (m, gates)
    """
    architecture = system.architecture
    values = gate_values(system)
    names: list[str] = []
    parts: list[FloatArray] = []
    layers = unit_names(architecture)
    for word, array in values.items():
        owners = [
            name
            for cell, layer in zip(architecture.cells, layers, strict=True)
            if word in cell.gates
            for name in layer[0]
        ]
        names += [f"{word}[{name}]" for name in owners]
        parts.append(array)
    rows = len(np.asarray(system.rows))
    return tuple(names), np.hstack(parts) if parts else np.empty((rows, 0))


class RecurrentStates(ABC):
    """The part of results with states and gates.

    Attributes
    ----------
    model : RecurrentModel
        Data and structure.
    """

    model: RecurrentModel

    @property
    @abstractmethod
    def _system(self) -> RecurrentSystem:
        """The network at the estimates."""

    def _state(self) -> FloatArray:
        """States in the order of the model's names, (nobs, k)."""
        system = self._system
        flat = [n for layer in unit_names(system.architecture) for block in layer for n in block]
        order = [flat.index(name) for name in self.model.state_names]
        return placed(np.asarray(system.run.states)[:, order], system.rows, self.model.nobs)

    def _state_frame(self) -> pd.DataFrame:
        names = list(self.model.state_names)
        return pd.DataFrame(self._state(), index=self.model.endog.index, columns=names)

    def _state_cov(self) -> pd.DataFrame:
        names = tuple(self.model.state_names)
        zero = np.zeros((len(np.asarray(self._system.rows)), len(names), len(names)))
        cov = placed(zero, self._system.rows, self.model.nobs)
        return stacked(cov, self.model.endog.index, names, "state")

    @property
    def predicted_state(self) -> pd.DataFrame:
        """State of each row given the rows before it, shape (nobs, k_states).

        ``h1, ...`` (of an LSTM also the cells ``c1, ...``), in the network's own units. It is a
        function of the rows before; NaN in rows that the likelihood is conditional on.
        """
        return self._state_frame()

    @property
    def filtered_state(self) -> pd.DataFrame:
        """State of each row given the rows up to it: `predicted_state`.

        Without state noise the outputs of the row say nothing more about it.
        """
        return self._state_frame()

    @property
    def smoothed_state(self) -> pd.DataFrame:
        """State of each row given all rows: `predicted_state`.

        Without state noise later rows say nothing more about it.
        """
        return self._state_frame()

    @property
    def predicted_state_cov(self) -> pd.DataFrame:
        """Covariance of `predicted_state`'s error given the parameters: zero."""
        return self._state_cov()

    @property
    def filtered_state_cov(self) -> pd.DataFrame:
        """Covariance of `filtered_state`'s error given the parameters: zero."""
        return self._state_cov()

    @property
    def smoothed_state_cov(self) -> pd.DataFrame:
        """Covariance of `smoothed_state`'s error given the parameters: zero."""
        return self._state_cov()

    @property
    def gates(self) -> pd.DataFrame:
        """Gates in each row, columns such as ``forget[h1]``, shape (nobs, gates).

        GRU: ``reset``, ``update`` and ``candidate``; LSTM: ``input``, ``forget``, ``cell`` and
        ``output``. Gates lie between 0 and 1, ``candidate`` and ``cell`` (what is written) between
        -1 and 1. NaN in rows that the likelihood is conditional on.

        Raises
        ------
        AttributeError
            The cell has no gates.
        """
        names, values = gate_table(self._system)
        if not names:
            raise AttributeError(NO_GATES)
        table = placed(values, self._system.rows, self.model.nobs)
        return pd.DataFrame(table, index=self.model.endog.index, columns=list(names))

    def filter_vs_smoother(self, truth: Any = None) -> FilterVsSmoother:
        """Compare what the rows so far and what all rows say about the states: the same.

        Without state noise the state is a function of the rows before it. The object has the
        fields of that of a linear model, so that both can be put side by side; its reductions are
        zero, and its note says why.

        Parameters
        ----------
        truth : array_like or DataFrame of shape (nobs, k_states), optional
            True states, NaN where not known. Adds mean squared errors. Units of a network have no
            order and no sign of their own: order those of the truth alike.

        Returns
        -------
        FilterVsSmoother
            ``frame`` (rows in the likelihood), ``summary()``, ``plot()``, ``comparison``.

        Raises
        ------
        DataError
            `truth` does not fit the states or the index.
        """
        names, index = tuple(self.model.state_names), self.model.endog.index
        rows = np.asarray(self._system.rows)
        known = None if truth is None else true_states(truth, names, index)[rows]
        mean = self._state()[rows]
        moments = StateMoments(mean, np.zeros((len(rows), len(names), len(names))))
        part: Any = SimpleNamespace(state_names=names, endog=SimpleNamespace(index=index[rows]))
        prior = np.ones(len(names))
        return compare_filter_smoother(part, moments, moments, prior, known, note=DETERMINED)

    def plot_states(
        self,
        states: Sequence[int | str] | None = None,
        kind: StateKind = "smoothed",
        fig: Figure | None = None,
    ) -> Figure:
        """Plot states over time, one a panel.

        Parameters
        ----------
        states : sequence of int or str, optional
            States by number or name; all by default.
        kind : {"predicted", "filtered", "smoothed"}
            All the same here: the state is a function of the rows before.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        check_literal(kind, get_args(StateKind), name="kind", caller="plot_states")
        offsets = np.asarray(self.model.offsets)
        return draw_columns(
            self._state_frame(), states, offsets, what="state", caller="plot_states", fig=fig
        )


def retention(values: Mapping[str, FloatArray]) -> tuple[str, FloatArray] | None:
    """Share of its content that each unit keeps, in each row.

    Parameters
    ----------
    values : mapping of str to ndarray of shape (m, units)
        Of `gate_values`.

    Returns
    -------
    word : str
        "forget" (LSTM) or "update" (GRU), the gate that multiplies the last content.
    kept : ndarray of shape (m, units)
        None for cells without such a gate.
    """
    for word in ("forget", "update"):
        if word in values:
            return word, values[word]
    return None
