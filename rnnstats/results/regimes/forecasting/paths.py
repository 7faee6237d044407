r"""Autoregressions that switch: exact mixtures over the paths of the regimes.

Given the path, outputs to come are jointly normal, so that :math:`y_{n+h}` is a mixture of one
normal law for each path, :math:`K^h` of them. They are all kept up to a number (`CAP`); then those
with the same recent regimes and nearly equal moments are merged, keeping weight, mean and
covariance of each group. The recursion of conditional first and second moments given the recent
regimes is linear, hence mean and covariance of the mixture stay exact at any horizon; only its
shape is approximate.

References
----------
Hamilton (1994), Time Series Analysis, section 22.4; Krolzig (1997), Markov-Switching Vector
Autoregressions, chapter 4; Runnalls (2007), IEEE Transactions on Aerospace and Electronic Systems
43, 989-999, for merging that keeps moments.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import NormalMixture

__all__ = ["CAP", "Components", "Dynamics", "begin", "mixture_of", "propagate"]

IntArray = NDArray[np.intp]
# Components kept: all paths of 12 rows with two regimes, of six with four.
CAP = 4096
# A variance given others, below this share of its own, is rounding.
SINGULAR = 1e-12


@dataclass(frozen=True, eq=False)
class Dynamics:
    """An autoregression with k outputs in rows to come.

    A state of the chain is a regime, or with `memory` m the regimes of m + 1 rows, this row's the
    most significant digit (base K), S = K ** (m + 1) in all.

    Attributes
    ----------
    const : ndarray, shape (rows, S, k)
        Mean where all lags are zero.
    ar : ndarray, shape (S, k, p k)
        Coefficients of the lags, latest first.
    noise : ndarray, shape (S, k, k)
        Covariance given regimes and lags.
    transition : ndarray, shape (rows, K, K)
        Into each row.
    memory : int
    """

    const: FloatArray
    ar: FloatArray
    noise: FloatArray
    transition: FloatArray
    memory: int

    @property
    def k_regimes(self) -> int:
        """Number of regimes."""
        return int(self.transition.shape[-1])

    @property
    def regime(self) -> IntArray:
        """Regime of this row in each state, (S,)."""
        return np.asarray(np.arange(len(self.noise)) // self.k_regimes**self.memory)


@dataclass(frozen=True, eq=False)
class Components:
    """Normal laws of the last rows, one for each path of the regimes (or merged group of paths).

    Attributes
    ----------
    weight : ndarray, shape (m,)
        Sums to one.
    state : ndarray of int, shape (m,)
        State of the chain in the last row.
    mean : ndarray, shape (m, w k)
        Of the last w rows, the last one first.
    cov : ndarray, shape (m, w k, w k)
    past : ndarray, shape (m, rows, K), or None
        Probabilities of the regimes in the rows gone through.
    """

    weight: FloatArray
    state: IntArray
    mean: FloatArray
    cov: FloatArray
    past: FloatArray | None = None

    def __len__(self) -> int:
        """Count the components."""
        return len(self.weight)

    def taken(self, index: IntArray | NDArray[np.bool_]) -> Components:
        """Return some of them, weights as they are.

        Parameters
        ----------
        index : ndarray

        Returns
        -------
        Components
        """
        past = None if self.past is None else self.past[index]
        return Components(
            self.weight[index], self.state[index], self.mean[index], self.cov[index], past
        )


def begin(weight: FloatArray, lags: FloatArray, window: int, rows: int | None = None) -> Components:
    """Start from known lags.

    Parameters
    ----------
    weight : ndarray of shape (S,)
        Probabilities of the states in the first row to come, given the rows before.
    lags : ndarray of shape (p, k)
        Rows before, the last one first.
    window : int
        Rows whose joint law is kept, at least p.
    rows : int, optional
        Rows whose regimes are remembered.

    Returns
    -------
    Components
        One a state, before the first row.
    """
    state = np.flatnonzero(weight > 0.0)
    p, k = lags.shape
    mean = np.zeros((len(state), window * k))
    mean[:, : p * k] = lags.ravel()
    past = None if rows is None else np.zeros((len(state), rows, 0))
    cov = np.zeros((len(state), window * k, window * k))
    return Components(weight[state] / weight[state].sum(), state, mean, cov, past)


def propagate(
    start: Components,
    dynamics: Dynamics,
    *,
    seen: FloatArray | None = None,
    allowed: FloatArray | None = None,
    cap: int = CAP,
) -> list[Components]:
    """Go through rows to come.

    Parameters
    ----------
    start : Components
        Of `begin`.
    dynamics : Dynamics
    seen : ndarray of shape (rows, k), optional
        Values that are known, NaN elsewhere: all later laws (and with a long window the earlier
        rows') are conditional on them.
    allowed : ndarray of shape (rows, K), optional
        Zero where a regime is known not to hold.
    cap : int
        Components kept at most; with one a state only moments are kept, which are exact.

    Returns
    -------
    list of Components
        After each row. Empty components where what is known cannot be.
    """
    rows, (s, k) = len(dynamics.const), dynamics.noise.shape[:2]
    found: list[Components] = []
    now = start
    for t in range(rows):
        if t:
            now = _moved(now, dynamics, t)
        if allowed is not None:
            weight = now.weight * allowed[t][dynamics.regime[now.state]]
            now = replace(now, weight=weight).taken(weight > 0.0)
        now = _emitted(now, dynamics, t)
        if now.past is not None:
            now = replace(now, past=_remembered(now, dynamics, t, rows))
        if seen is not None and not np.isnan(seen[t]).all():
            now = _given(now, seen[t], k)
        total = now.weight.sum()
        if not total > 0.0:
            return [*found, now]
        now = replace(now, weight=now.weight / total)
        if len(now) > cap:
            now = _merged(now, max(s, cap // dynamics.k_regimes if cap > s else s))
        found.append(now)
    return found


def _moved(now: Components, dynamics: Dynamics, t: int) -> Components:
    """Every component goes on to every regime it can reach."""
    k, tail = dynamics.k_regimes, dynamics.k_regimes**dynamics.memory
    step = dynamics.transition[t][dynamics.regime[now.state]]
    weight = (now.weight[:, None] * step).ravel()
    older = now.state // k if dynamics.memory else np.zeros(len(now), dtype=np.intp)
    state = (np.arange(k) * tail + older[:, None]).ravel()
    kept = np.flatnonzero(weight > 0.0)
    moved = now.taken(kept // k)
    return replace(moved, weight=weight[kept], state=state[kept])


def _emitted(now: Components, dynamics: Dynamics, t: int) -> Components:
    """Put the row's outputs in front, and let the oldest row of the window go."""
    k, lags = dynamics.const.shape[2], dynamics.ar.shape[2]
    ar = dynamics.ar[now.state]
    first = dynamics.const[t, now.state] + np.einsum("mij,mj->mi", ar, now.mean[:, :lags])
    keep = now.mean.shape[1] - k
    cross = ar @ now.cov[:, :lags]
    mean = np.concatenate([first, now.mean[:, :keep]], axis=1)
    cov = np.empty_like(now.cov)
    own = cross[:, :, :lags] @ ar.transpose(0, 2, 1) + dynamics.noise[now.state]
    cov[:, :k, :k] = 0.5 * (own + own.transpose(0, 2, 1))
    cov[:, :k, k:] = cross[:, :, :keep]
    cov[:, k:, :k] = cross[:, :, :keep].transpose(0, 2, 1)
    cov[:, k:, k:] = now.cov[:, :keep, :keep]
    return replace(now, mean=mean, cov=cov)


def _remembered(now: Components, dynamics: Dynamics, t: int, rows: int) -> FloatArray:
    assert now.past is not None
    past = now.past
    if past.shape[2] == 0:
        past = np.zeros((len(now), rows, dynamics.k_regimes))
    past = past.copy()
    past[np.arange(len(now)), t, dynamics.regime[now.state]] = 1.0
    return past


def _given(now: Components, values: FloatArray, k: int) -> Components:
    """Condition on what is seen of the first k elements."""
    seen = np.flatnonzero(~np.isnan(values))
    spread = now.cov[:, seen[:, None], seen]
    off = values[seen] - now.mean[:, seen]
    size = np.sqrt(np.maximum(np.diagonal(spread, axis1=1, axis2=2), 0.0))
    unit = np.where(size > 0.0, size, 1.0)
    eigen, vectors = np.linalg.eigh(spread / (unit[:, :, None] * unit[:, None, :]))
    used = eigen > SINGULAR
    inverse = np.where(used, 1.0 / np.where(used, eigen, 1.0), 0.0)
    loads = vectors / unit[:, :, None]
    scaled = np.einsum("mij,mi->mj", loads, off)
    # what is already known must be as it is seen, or the component is out
    apart = (~used & (np.abs(scaled) > 1e-6)).any(axis=1)
    log_weight = -0.5 * (
        (scaled**2 * inverse).sum(axis=1)
        + np.where(used, np.log(2.0 * np.pi * np.where(used, eigen, 1.0)), 0.0).sum(axis=1)
        + 2.0 * np.log(unit).sum(axis=1)
    )
    log_weight = np.where(apart, -np.inf, log_weight)
    with np.errstate(divide="ignore"):
        log_weight = log_weight + np.log(now.weight)
    gain = np.einsum("mai,mij,mj->maj", now.cov[:, :, seen], loads, inverse)
    mean = now.mean + np.einsum("maj,mj->ma", gain, scaled)
    shrink = np.einsum("maj,mbj,mj->mab", gain, gain, np.where(used, eigen, 0.0))
    cov = now.cov - shrink
    mean[:, seen] = values[seen]
    cov[:, seen] = 0.0
    cov[:, :, seen] = 0.0
    top = log_weight.max(initial=-np.inf)
    weight = np.exp(log_weight - top) if np.isfinite(top) else np.zeros(len(now))
    return replace(now, weight=weight, mean=mean, cov=cov).taken(weight > 0.0)


def _merged(now: Components, count: int) -> Components:
    """Merge components of one state until about `count` are left in all."""
    states, group = np.unique(now.state, return_inverse=True)
    each = max(1, count // len(states))
    center = now.weight @ now.mean
    deviation = np.sqrt(np.diagonal(now.cov, axis1=1, axis2=2))
    total = now.weight @ (deviation**2 + (now.mean - center) ** 2)
    scale = np.sqrt(np.where(total > 0.0, total, 1.0))
    features = np.concatenate([now.mean, deviation], axis=1) / np.r_[scale, scale]
    label = np.empty(len(now), dtype=np.intp)
    used = 0
    for i in range(len(states)):
        mine = np.flatnonzero(group == i)
        for cell in _cells(features[mine], now.weight[mine], each):
            label[mine[cell]] = used
            used += 1
    order = np.argsort(label, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(label[order]) > 0])
    weight = np.add.reduceat(now.weight[order], first)
    share = now.weight / weight[label]

    def pooled(values: FloatArray) -> FloatArray:
        shape = (len(share), *[1] * (values.ndim - 1))
        return np.asarray(np.add.reduceat((share.reshape(shape) * values)[order], first, axis=0))

    mean = pooled(now.mean)
    off = now.mean - mean[label]
    cov = pooled(now.cov + off[:, :, None] * off[:, None, :])
    past = None if now.past is None else pooled(now.past)
    return Components(weight, now.state[order][first], mean, cov, past)


def _cells(features: FloatArray, weight: FloatArray, count: int) -> list[IntArray]:
    """Divide points into cells, always the one with the largest spread, at its mean."""

    def entry(points: IntArray) -> tuple[float, int, int, float, IntArray]:
        part, share = features[points], weight[points]
        mean = share @ part / share.sum()
        spread = share @ (part - mean) ** 2
        axis = int(spread.argmax())
        return -float(spread[axis]), int(points[0]), axis, float(mean[axis]), points

    heap = [entry(np.arange(len(weight)))]
    while len(heap) < count and heap[0][0] < 0.0:
        _, _, axis, cut, points = heapq.heappop(heap)
        left = features[points, axis] <= cut
        if left.all() or not left.any():  # all equal but for rounding
            heapq.heappush(heap, (0.0, int(points[0]), axis, cut, points))
            continue
        heapq.heappush(heap, entry(points[left]))
        heapq.heappush(heap, entry(points[~left]))
    return [points for *_, points in heap]


def mixture_of(steps: Sequence[Components], k: int) -> NormalMixture:
    """Law of the first k elements after each row.

    Parameters
    ----------
    steps : sequence of Components
    k : int

    Returns
    -------
    NormalMixture
    """
    owner = np.repeat(np.arange(len(steps)), [len(part) for part in steps])
    return NormalMixture(
        len(steps),
        owner,
        np.concatenate([part.weight for part in steps]),
        np.concatenate([part.mean[:, :k] for part in steps]),
        np.concatenate([part.cov[:, :k, :k] for part in steps]),
    )
