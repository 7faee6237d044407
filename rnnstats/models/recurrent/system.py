"""A recurrent network at given parameters, run over the sample; steps after it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import cells
from rnnstats.kernels.architecture import Architecture, Feedback
from rnnstats.models.recurrent.heads.base import Head, HeadLaw
from rnnstats.models.recurrent.scaling import Scales

__all__ = ["RecurrentSystem"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class RecurrentSystem:
    """The network with numbers for weights, and its run over the sample.

    Inside, inputs and states are those of the kernels (standardised); what has a unit comes out and
    goes in in the user's units.

    Attributes
    ----------
    architecture : Architecture
    head : Head
    scales : Scales
    y_lags : int
    weights : ndarray, shape (P,)
        In standardised units.
    extra : ndarray, shape (q,)
        The head's own parameters, in the user's units.
    initial : ndarray, shape (sequences, s)
        State before the first row of each sequence's recursion.
    feedback : Feedback or None
    run : Forward
    rows : ndarray of int, shape (m,)
        Data rows of the recursion.
    row_offsets : ndarray of int, shape (sequences + 1,)
        First of the m rows in each sequence, and m.
    offsets : ndarray of int, shape (sequences + 1,)
        First data row of each sequence, and nobs.
    lags : ndarray, shape (nobs, d_lag)
        Each data row as a lagged input, in the user's units; NaN where missing.
    """

    architecture: Architecture
    head: Head
    scales: Scales
    y_lags: int
    weights: FloatArray
    extra: FloatArray
    initial: FloatArray
    feedback: Feedback | None
    run: cells.Forward
    rows: IntArray
    row_offsets: IntArray
    offsets: IntArray
    lags: FloatArray

    @property
    def inputs(self) -> FloatArray:
        """Standardised inputs with gaps, shape (m, k_in)."""
        return self.run.given

    @property
    def states(self) -> FloatArray:
        """State after each row of the recursion, shape (m, s)."""
        return self.run.states

    @cached_property
    def eta(self) -> FloatArray:
        """Readout of each row, in the user's units, shape (m, k_eta)."""
        return self._natural(self.run.eta)

    @cached_property
    def law(self) -> HeadLaw:
        """Law of the outputs at the m rows, each given its past."""
        return self.head.law(self.eta, self.extra)

    # --- going on from a row ------------------------------------------------------------------

    def step(
        self, state: FloatArray, lags: FloatArray, exog: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """
        One step of r paths.

        Parameters
        ----------
        state : ndarray, shape (r, s)
            Before the step.
        lags : ndarray, shape (r, L, d_lag)
            Lagged outputs in the user's units, the latest first.
        exog : ndarray, shape (r, k) or (k,), optional
            Inputs of the row that is stepped into.

        Returns
        -------
        state : ndarray, shape (r, s)
        eta : ndarray, shape (r, k_eta)
            In the user's units.
        """
        paths = len(state)
        pieces = [lags.reshape(paths, -1)] if self.y_lags else []
        if exog is not None:
            pieces.append(np.broadcast_to(exog, (paths, np.shape(exog)[-1])))
        values = np.hstack(pieces)
        inputs = (values - self.scales.input_mean) / self.scales.input_scale
        new, eta = cells.step(self.architecture, self.weights, state, inputs)
        return new, self._natural(eta)

    def lag_values(self, y: FloatArray) -> FloatArray:
        """
        What outputs are as lagged inputs.

        Parameters
        ----------
        y : ndarray, shape (..., d)

        Returns
        -------
        ndarray, shape (..., d_lag)
            Indicators of categories for a categorical output, else the outputs.
        """
        return self.head.lag_values(y)

    def last_state(self, sequence: int = -1) -> FloatArray:
        """
        State after the last row of a sequence.

        Parameters
        ----------
        sequence : int

        Returns
        -------
        ndarray, shape (s,)
        """
        end = int(self.row_offsets[self._sequence(sequence) + 1])
        state: FloatArray = self.run.states[end - 1]
        return state

    def last_lags(self, sequence: int = -1) -> FloatArray:
        """
        Lagged outputs of the row after a sequence.

        Parameters
        ----------
        sequence : int

        Returns
        -------
        ndarray, shape (L, d_lag)
            User's units, the latest first; missing ones replaced by their one-step predictions.
        """
        number = self._sequence(sequence)
        return self._lags_at(int(self.offsets[number + 1]), number)

    def state_before(self, row: int) -> FloatArray:
        """
        State of the row before a data row.

        Parameters
        ----------
        row : int
            Of the recursion; nobs is the row after the last one.

        Returns
        -------
        ndarray, shape (s,)
            The start of its sequence at the first row of the recursion, and before it.
        """
        if row >= self.offsets[-1]:
            return self.last_state()
        number = self._sequence_of(row)
        if row <= self.rows[self.row_offsets[number]]:
            place = 0
        else:
            place = int(np.searchsorted(self.rows, row))
        state: FloatArray = self.run.states[place - 1] if place else self.initial[number]
        return state

    def lags_before(self, row: int) -> FloatArray:
        """
        Lagged outputs that enter a data row.

        Parameters
        ----------
        row : int
            nobs is the row after the last one.

        Returns
        -------
        ndarray, shape (L, d_lag)
            User's units, the latest first; missing ones, and those before the sequence, replaced by
            their one-step predictions.
        """
        if row >= self.offsets[-1]:
            return self.last_lags()
        return self._lags_at(row, self._sequence_of(row))

    # --- inside -------------------------------------------------------------------------------

    def _natural(self, eta: FloatArray) -> FloatArray:
        out: FloatArray = eta * self.scales.eta_scale + self.scales.eta_mean
        return out

    def _sequence(self, number: int) -> int:
        count = len(self.offsets) - 1
        return range(count)[number]

    def _sequence_of(self, row: int) -> int:
        return int(np.searchsorted(self.offsets[:-1], row, side="right")) - 1

    def _lags_at(self, row: int, sequence: int) -> FloatArray:
        """Lags of one row of a sequence; `row` may be the one after it."""
        first, begin = int(self.offsets[sequence]), int(self.row_offsets[sequence])
        origin = int(self.rows[begin])
        found = np.empty((self.y_lags, self.lags.shape[1]))
        for lag in range(1, self.y_lags + 1):
            back = row - lag
            values = self.lags[back] if back >= first else np.full(found.shape[1], np.nan)
            missing = np.isnan(values)
            if missing.any():
                eta = self.eta[begin + back - origin] if back >= origin else self._blank(sequence)
                values = np.where(missing, self.head.lag_mean(eta), values)
            found[lag - 1] = values
        return found

    def _blank(self, sequence: int) -> FloatArray:
        """Readout of the start of a sequence: the prediction of rows before its recursion."""
        packed = self.architecture.unpack(self.weights)
        top = self.initial[sequence, self.architecture.top]
        return self._natural(packed.readout @ top + packed.constant)
