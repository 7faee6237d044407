"""The chain of (h_t, ..., h_{t-p}): what the mean form of a switching autoregression runs on.

State number ``s = h_t K^p + h_{t-1} K^(p-1) + ... + h_{t-p}``; from s the chain moves to
``j K^p + s // K`` with the probability of a step from ``h_t`` to j, so that the kernels need no
larger matrix than that of the regimes. The chain of a sequence begins at its row p, whose start
law is that of the first p + 1 regimes; rows before it are conditioned on.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Composite", "CompositePlan", "lagged_regimes"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def lagged_regimes(k_regimes: int, order: int) -> IntArray:
    """Regime (from 0) of ``h_t, h_{t-1}, ..., h_{t-p}`` in each composite state.

    Parameters
    ----------
    k_regimes, order : int

    Returns
    -------
    ndarray of int, shape (S, p + 1)
        S = K^(p+1).
    """
    digits = np.indices((k_regimes,) * (order + 1)).reshape(order + 1, -1)
    return np.ascontiguousarray(digits.T, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class Composite:
    """Chain of composite states at given parameters.

    Attributes
    ----------
    k_regimes : int
        K.
    transition : ndarray, shape (K, K) or (n_chain, K, K)
        Of the regimes, by chain row where it varies.
    start : ndarray, shape (sequences, S)
        Of each sequence's first chain row; S = K^(p+1).
    offsets : ndarray of int, shape (sequences + 1,)
        First chain row of each sequence, and their number.
    lags : ndarray of int, shape (S, p + 1)
        Regime (from 0) of ``h_t, h_{t-1}, ..., h_{t-p}``.
    """

    k_regimes: int
    transition: FloatArray
    start: FloatArray
    offsets: IntArray
    lags: IntArray

    def marginal(self, probabilities: FloatArray, lag: int = 0) -> FloatArray:
        """Probabilities of ``h_{t-lag}``.

        Parameters
        ----------
        probabilities : ndarray, shape (n, S)
        lag : int

        Returns
        -------
        ndarray, shape (n, K)
        """
        k, p = self.k_regimes, self.lags.shape[1] - 1
        cube = probabilities.reshape(len(probabilities), k**lag, k, k ** (p - lag))
        out: FloatArray = cube.sum(axis=(1, 3))
        return out


class CompositePlan:
    """Indices that do not depend on parameters.

    Parameters
    ----------
    k_regimes, order : int
    offsets : ndarray of int, shape (sequences + 1,)
        First data row of each sequence, and the number of rows; every sequence is longer than
        ``order``.

    Attributes
    ----------
    size : int
        Number of composite states.
    rows : ndarray of int, shape (n_chain,)
        Data row of each chain row.
    """

    def __init__(self, k_regimes: int, order: int, offsets: IntArray) -> None:
        k, p = k_regimes, order
        self.k, self.order, self.size = k, p, k ** (p + 1)
        self.lags = lagged_regimes(k, p)
        self.first_rows = offsets[:-1]
        self.rows: IntArray = np.concatenate(
            [np.arange(a + p, b) for a, b in itertools.pairwise(offsets)]
        )
        lengths = np.diff(offsets) - p
        self.offsets: IntArray = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
        # of the first chain row: the cells of its steps, (order, S), and how often each occurs
        steps = [self._regime(i - 1) * k + self._regime(i) for i in range(1, p + 1)]
        self._cells = np.array(steps, dtype=np.intp).reshape(p, self.size)
        for held in (self.lags, self.rows, self.offsets):
            held.setflags(write=False)
        counts = sum((_indicator(one, k * k) for one in steps), np.zeros((self.size, k * k)))
        self._counts_and_firsts = np.hstack([counts, _indicator(self._regime(0), k)])

    def expand(self, transition: FloatArray, start: FloatArray) -> Composite:
        """Chain from the regimes' law.

        Parameters
        ----------
        transition : ndarray, shape (K, K) or (n, K, K)
            By data row where it varies.
        start : ndarray, shape (sequences, K)
            Of each sequence's first row.

        Returns
        -------
        Composite
        """
        moves = transition if transition.ndim == 2 else transition[self.rows]
        return Composite(self.k, moves, self._start(transition, start), self.offsets, self.lags)

    def collapse(
        self,
        transition: FloatArray,
        start: FloatArray,
        d_transition: FloatArray,
        d_start: FloatArray,
        first: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Gradient in the regimes' law from the one in the composite chain.

        Parameters
        ----------
        transition, start
            As in `expand`.
        d_transition : ndarray, shape (K, K) or (n_chain, K, K)
        d_start : ndarray, shape (sequences, S)
        first : ndarray, shape (sequences, S), optional
            Start of the composite chain there, where it is known.

        Returns
        -------
        d_transition : ndarray, shape of `transition`
        d_start : ndarray, shape (sequences, K)
        """
        k = self.k
        if transition.ndim == 2 and transition.all() and start.all():
            joint = d_start * (self._start(transition, start) if first is None else first)
            own = joint @ self._counts_and_firsts
            steps = own[:, : k * k].sum(axis=0).reshape(k, k)
            return d_transition + steps / transition, own[:, k * k :] / start
        out = np.zeros(transition.shape)
        if transition.ndim == 2:
            out += d_transition
        else:
            out[self.rows] = d_transition
        factors = self._factors(transition, start)
        d_law = np.zeros(start.shape)
        for step in range(self.order + 1):
            weights = d_start * _product_without(factors, step)
            if step == 0:
                d_law += weights @ _indicator(self._regime(0), k)
                continue
            cells = _indicator(self._regime(step - 1) * k + self._regime(step), k * k)
            slopes = (weights @ cells).reshape(-1, k, k)
            if transition.ndim == 2:
                out += slopes.sum(axis=0)
            else:
                out[self.first_rows + step] += slopes
        return out, d_law

    def tangents(
        self,
        transition: FloatArray,
        start: FloatArray,
        moved: FloatArray,
        moved_start: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Directions of the composite chain from q directions of the regimes' law.

        Parameters
        ----------
        transition, start
            As in `expand`.
        moved : ndarray, shape of `transition` and q
        moved_start : ndarray, shape (sequences, K, q)

        Returns
        -------
        d_transition : ndarray, shape (K, K, q) or (n_chain, K, K, q)
        d_start : ndarray, shape (sequences, S, q)
        """
        factors = self._factors(transition, start)
        law = np.zeros((len(start), self.size, moved.shape[-1]))
        for step in range(self.order + 1):
            others = _product_without(factors, step)[..., None]
            if step == 0:
                law += others * moved_start[:, self._regime(0), :]
                continue
            before, here = self._regime(step - 1), self._regime(step)
            if transition.ndim == 2:
                law += others * moved[before, here][None]
            else:
                law += others * moved[self.first_rows + step][:, before, here]
        return (moved if transition.ndim == 2 else moved[self.rows]), law

    def _regime(self, step: int) -> IntArray:
        """Regime of the sequence's row `step` in each state of the first chain row, (S,)."""
        out: IntArray = self.lags[:, self.order - step]
        return out

    def _start(self, transition: FloatArray, start: FloatArray) -> FloatArray:
        """Law of the first p + 1 regimes of each sequence, (sequences, S)."""
        first = start[:, self._regime(0)]
        if transition.ndim == 2:
            first *= transition.take(self._cells).prod(axis=0)
            return first
        steps = np.arange(1, self.order + 1)
        matrices = transition[self.first_rows[:, None] + steps]
        flat = matrices.reshape(len(start), self.order, -1)
        out: FloatArray = first * np.take_along_axis(flat, self._cells[None], axis=2).prod(axis=1)
        return out

    def _factors(self, transition: FloatArray, start: FloatArray) -> list[FloatArray]:
        """Factors of the start law, (sequences, S) each: start[h_0], P_1[h_0, h_1], ..."""
        factors = [start[:, self._regime(0)]]
        for step in range(1, self.order + 1):
            before, here = self._regime(step - 1), self._regime(step)
            if transition.ndim == 2:
                factors.append(np.repeat(transition[before, here][None], len(start), axis=0))
            else:
                factors.append(transition[self.first_rows + step][:, before, here])
        return factors


def _product_without(factors: list[FloatArray], place: int) -> FloatArray:
    kept = [factor for i, factor in enumerate(factors) if i != place]
    out: FloatArray = np.prod(kept, axis=0) if kept else np.ones(factors[0].shape)
    return out


def _indicator(codes: IntArray, number: int) -> FloatArray:
    """0/1 matrix with a one a row at its code."""
    out = np.zeros((len(codes), number))
    out[np.arange(len(codes)), codes] = 1.0
    return out
