"""Hidden Markov chains in NumPy: forward and backward recursions in logarithms, row by row.

Nothing underflows: every probability is kept as its logarithm, and each row's sum is taken relative
to its largest term.

`forward` is analytic in the densities, transition and start, so a complex step gives derivatives
to machine precision.

With ``lags`` p > 0 a state is (h_t, h_{t-1}, ..., h_{t-p}), h_t the most significant digit of its
number; ``transition`` is that of h.

References
----------
Rabiner (1989), Proceedings of the IEEE 77, 257-286.
Hamilton (1994), Time Series Analysis, chapter 22; Kim (1994), Journal of Econometrics 60, 1-22.
Zucchini, MacDonald and Langrock (2016), Hidden Markov Models for Time Series, chapters 2, 4, 5.
Fruehwirth-Schnatter (2006), Finite Mixture and Markov Switching Models, algorithm 11.5.
Mann (2006), Numerically stable hidden Markov model implementation (recursions in logarithms).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["backward", "forward", "sample_paths", "score_obs", "viterbi"]

Array = NDArray[Any]
# Derivatives by what cannot be have no bound; exp(LARGEST) is theirs.
LARGEST = 690.0


def _log(x: Array) -> Array:
    """Logarithm, -inf at zero."""
    with np.errstate(divide="ignore"):
        return np.log(x)


def _sum_exp(x: Array, axis: int) -> Array:
    """Logarithm of the sum of exponentials; of complex numbers too."""
    top = np.real(x).max(axis=axis, keepdims=True)
    top = np.where(top == -np.inf, 0.0, top)
    with np.errstate(invalid="ignore"):
        terms = np.where(np.real(x) == -np.inf, 0.0, np.exp(x - top))
    return np.squeeze(top, axis) + _log(terms.sum(axis=axis))


def _bounded(x: Array) -> Array:
    """Exponential, held below e**LARGEST."""
    return np.exp(np.minimum(x, LARGEST))


class _Steps:
    """Transition matrix of all states into each row, from that of the regimes."""

    def __init__(self, transition: Array, varies: bool, lags: int) -> None:
        k = transition.shape[1]
        self.k, self.block, self.size = k, k**lags, k ** (lags + 1)
        self.transition, self.varies = transition, varies
        source, regime = np.repeat(np.arange(self.size), k), np.tile(np.arange(k), self.size)
        self.step = source, regime * self.block + source // k
        self.by = source // self.block, regime

    def __call__(self, t: int) -> Array:
        """Into row t, shape (S, S, ...)."""
        now = self.transition[t] if self.varies else self.transition
        wide = np.zeros((self.size, self.size, *now.shape[2:]), dtype=now.dtype)
        wide[self.step] = now[self.by]
        return wide

    def narrow(self, wide: Array) -> Array:
        """Sum of a matrix over the steps of all states that are one step of the regimes."""
        out = np.zeros((self.k, self.k))
        np.add.at(out, self.by, wide[self.step])
        return out


def _sequences(offsets: NDArray[np.intp]) -> Iterator[tuple[int, int, int]]:
    """Number, first row and one past the last row of each sequence."""
    for s in range(len(offsets) - 1):
        yield s, int(offsets[s]), int(offsets[s + 1])


def forward(
    log_density: Array, transition: Array, start: Array, offsets: NDArray[np.intp], lags: int = 0
) -> tuple[Array, Array, Array]:
    """Log-likelihood of each row; logarithms of predicted and filtered probabilities.

    ``predicted_t = filtered_{t-1} P_t``, ``c_t = sum_j predicted_tj b_tj`` and ``filtered_tj =
    predicted_tj b_tj / c_t`` (Hamilton 1994, eqs 22.4.5-22.4.8).
    """
    into = _Steps(transition, transition.ndim == 3, lags)
    kind = np.result_type(log_density, transition, start)
    llf = np.zeros(len(log_density), dtype=kind)
    predicted, filtered = np.full((2, *log_density.shape), np.nan, dtype=kind)
    for s, first, end in _sequences(offsets):
        for t in range(first, end):
            if t == first:
                predicted[t] = _log(start[s])
            else:
                predicted[t] = _sum_exp(filtered[t - 1][:, None] + _log(into(t)), axis=0)
            joint = predicted[t] + log_density[t]
            llf[t] = _sum_exp(joint, axis=0)
            if np.real(llf[t]) == -np.inf:
                llf[t] = -np.inf
                break
            filtered[t] = joint - llf[t]
    return llf, predicted, filtered


def backward(
    log_density: Array,
    transition: Array,
    offsets: NDArray[np.intp],
    llf: Array,
    filtered: Array,
    lags: int = 0,
) -> tuple[Array, Array, Array]:
    """Smoothed probabilities and derivatives of the log-likelihood, from log ``filtered``.

    With ``beta_t = P_{t+1} (u_{t+1} beta_{t+1})`` and ``u_t = b_t / c_t``, the smoothed probability
    is ``filtered_t beta_t``, the derivative by ``P_t`` is ``filtered_{t-1,i} u_tj beta_tj`` (times
    P_tij: the probability of the step, given all rows), the one by the start ``u_1 beta_1``.

    Returns
    -------
    smoothed : ndarray, shape (nobs, S)
        Also the derivative by the log densities.
    d_transition : ndarray, shape (nobs, K, K)
        Zero in the first row of a sequence.
    d_start : ndarray, shape (number of sequences, S)
    """
    nobs, size = log_density.shape
    into = _Steps(transition, transition.ndim == 3, lags)
    smoothed = np.full((nobs, size), np.nan)
    d_transition = np.zeros((nobs, into.k, into.k))
    d_start = np.zeros((len(offsets) - 1, size))
    for s, first, end in _sequences(offsets):
        beta = np.zeros(size)
        for t in range(end - 1, first - 1, -1):
            smoothed[t] = np.exp(filtered[t] + beta)
            weight = log_density[t] - llf[t] + beta
            if t == first:
                d_start[s] = _bounded(weight)
                break
            d_transition[t] = into.narrow(_bounded(filtered[t - 1][:, None] + weight))
            beta = _sum_exp(_log(into(t)) + weight, axis=1)
    return smoothed, d_transition, d_start


def viterbi(
    log_density: Array, transition: Array, start: Array, offsets: NDArray[np.intp], lags: int = 0
) -> tuple[NDArray[np.intp], Array]:
    """Most likely path and its log joint density, a sequence each.

    Among paths of one height the one with the lowest states, from the end.
    """
    into = _Steps(transition, transition.ndim == 3, lags)
    path = np.zeros(len(log_density), dtype=np.intp)
    heights = np.zeros(len(offsets) - 1)
    came_from = np.zeros(log_density.shape, dtype=np.intp)
    for s, first, end in _sequences(offsets):
        height = _log(start[s]) + log_density[first]
        for t in range(first + 1, end):
            by_way_of = height[:, None] + _log(into(t))
            came_from[t] = by_way_of.argmax(axis=0)
            height = by_way_of.max(axis=0) + log_density[t]
        heights[s] = height.max()
        path[end - 1] = height.argmax()
        for t in range(end - 2, first - 1, -1):
            path[t] = came_from[t + 1, path[t + 1]]
    return path, heights


def sample_paths(
    transition: Array,
    offsets: NDArray[np.intp],
    filtered: Array,
    uniforms: Array,
    lags: int = 0,
) -> NDArray[np.intp]:
    """Draw paths given all rows: backwards, ``P(s_t = i | s_{t+1} = j) ~ filtered_ti P_{t+1,ij}``.

    ``filtered`` in logarithms. ``uniforms`` has shape (paths, nobs); a state is where the cumulated
    weight passes its uniform.
    """
    into = _Steps(transition, transition.ndim == 3, lags)
    paths = np.zeros(uniforms.shape, dtype=np.intp)
    for _, first, end in _sequences(offsets):
        for t in range(end - 1, first - 1, -1):
            ahead = np.zeros((into.size, 1)) if t == end - 1 else _log(into(t + 1))
            onward = np.zeros(len(paths), dtype=np.intp) if t == end - 1 else paths[:, t + 1]
            weights = (filtered[t][:, None] + ahead).T[onward]
            weights = np.exp(weights - weights.max(axis=1, keepdims=True))
            total = np.cumsum(weights, axis=1)
            passed = total > uniforms[:, t, None] * total[:, -1:]
            paths[:, t] = np.argmax(passed, axis=1)
    return paths


def score_obs(
    log_density: Array,
    transition: Array,
    start: Array,
    offsets: NDArray[np.intp],
    d_log_density: Array,
    d_transition: Array,
    d_start: Array,
    lags: int = 0,
) -> tuple[Array, Array]:
    """Log-likelihood of each row and its derivatives along q directions.

    The derivative of each state's weight is kept relative to the weight, or, where a state cannot
    be but a direction lets it be, relative to a scale of its own; ``level`` is the logarithm.

    Parameters
    ----------
    log_density, transition, start, offsets
        As in `forward`.
    d_log_density : ndarray, shape (nobs, S, q)
    d_transition : ndarray, shape (K, K, q) or (nobs, K, K, q)
    d_start : ndarray, shape (number of sequences, S, q)
    lags : int
        As in `forward`.

    Returns
    -------
    llf : ndarray, shape (nobs,)
    scores : ndarray, shape (nobs, q)
    """
    llf, _, filtered = forward(log_density, transition, start, offsets, lags)
    into = _Steps(transition, transition.ndim == 3, lags)
    moved = _Steps(d_transition, d_transition.ndim == 4, lags)
    scores = np.zeros((len(log_density), d_log_density.shape[2]))
    for s, first, end in _sequences(offsets):
        slope, level, here = d_start[s].copy(), np.zeros(into.size), start[s]
        for t in range(first, end):
            if t > first:
                p, dp = into(t), moved(t)
                free = (dp != 0.0).any(axis=2)
                ahead = _sum_exp(level[:, None] + np.where(free, 0.0, _log(p)), axis=0)
                unit = level[:, None] - np.where(ahead == -np.inf, 0.0, ahead)
                stay, move = np.exp(unit + _log(p)), np.exp(np.where(free, unit, -np.inf))
                slope = stay.T @ slope + np.einsum("ij,i,ijk->jk", move, here, dp)
                here, level = stay.T @ here, ahead
            # relative to the row's density; then what there is of each state is its own unit
            level = level + log_density[t] - llf[t]
            there = here > 0.0
            slope[there] = slope[there] / here[there, None] + d_log_density[t][there]
            level = np.where(there, filtered[t], level)
            here = (there & (filtered[t] > -np.inf)).astype(float)
            scores[t] = _bounded(level) @ slope
            slope = slope - here[:, None] * scores[t]
    return llf, scores
