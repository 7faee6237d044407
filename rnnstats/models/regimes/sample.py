"""Rows of data as blocks read them, cut at the borders of sequences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.models.regimes.blocks import Block, Rows

__all__ = ["Sample"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Sample:
    """Outputs and regressors of all sequences, one after the other.

    Attributes
    ----------
    y : ndarray, shape (nobs, k_endog)
    x : ndarray, shape (nobs + steps, k), or None
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and nobs; rows from nobs on continue the last sequence.
    order : int
        Number of lags.
    """

    y: FloatArray
    x: FloatArray | None
    offsets: IntArray
    order: int

    def rows(self, block: Block) -> Rows:
        """All rows of the sample."""
        if self.order:
            return self.at(block, np.arange(len(self.y)), self._lags())
        starts = np.repeat(self.offsets[:-1], np.diff(self.offsets))
        time = np.arange(1, len(self.y) + 1) - starts
        x = None if self.x is None else self.x[: len(self.y)]
        return Rows(self.y[:, list(block.columns)], x, time.astype(np.float64))

    def at(self, block: Block, where: IntArray, lags: FloatArray | None) -> Rows:
        """Some rows, given their lags.

        Parameters
        ----------
        block : Block
        where : ndarray of int, shape (m,)
            Rows of the sample, or after it; repeats are allowed.
        lags : ndarray, shape (m, order, k_endog), or None
            ``lags[:, 0]`` is the row before.

        Returns
        -------
        Rows
            Outputs are missing after the sample.
        """
        columns = list(block.columns)
        y = np.full((len(where), len(columns)), np.nan)
        inside = where < len(self.y)
        y[inside] = self.y[where[inside]][:, columns]
        first = self._first_rows(where)
        time = (where - first + 1).astype(np.float64)
        x = None if self.x is None else self.x[where]
        if not self.order or lags is None:
            return Rows(y, x, time)
        own = np.ascontiguousarray(lags[:, :, columns])
        if not block.composite:
            return Rows(y, x, time, own)
        back = where[:, None] - np.arange(1, self.order + 1)
        absent = back < first[:, None]
        back = np.where(absent, where[:, None], back)
        lag_time = np.where(absent, np.nan, back - first[:, None] + 1.0)
        lag_x = None
        if self.x is not None:
            lag_x = np.where(absent[..., None], np.nan, self.x[back])
        return Rows(y, x, time, own, lag_x, lag_time)

    def _first_rows(self, where: IntArray) -> IntArray:
        """First row of the sequence of each row."""
        sequence = np.searchsorted(self.offsets[:-1], where, side="right") - 1
        out: IntArray = self.offsets[:-1][sequence]
        return out

    def _lags(self) -> FloatArray:
        """Rows before each row of the sample, NaN before a sequence: (nobs, order, k_endog)."""
        where = np.arange(len(self.y))
        back = where[:, None] - np.arange(1, self.order + 1)
        absent = back < self._first_rows(where)[:, None]
        lags: FloatArray = self.y[np.where(absent, 0, back)]
        lags[absent] = np.nan
        return lags
