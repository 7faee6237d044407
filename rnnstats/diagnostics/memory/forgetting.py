"""How fast a Markov chain, and the filter of a hidden one, forget where they began.

Without data the chain forgets at the rate of its second eigenvalue. With data the filter multiplies
the belief by ``M_t = P_t diag(b_t)``; two beliefs that differ at the start come together at the
rate of the gap between the two largest Lyapunov exponents of the product of the M_t (Atar and
Zeitouni 1997), on average and in the long run; at least as fast as Birkhoff's coefficient says,
whatever the data. Everything here takes and returns arrays.

References
----------
Levin, Peres and Wilmer (2009), Markov Chains and Mixing Times, chapters 4 and 12; Atar and Zeitouni
(1997), Exponential stability for nonlinear filtering, Annales de l'Institut Henri Poincare B 33,
697-725; Seneta (2006), Non-negative Matrices and Markov Chains, chapter 3 (Birkhoff's coefficient);
Cappe, Moulines and Ryden (2005), Inference in Hidden Markov Models, section 4.3.
"""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.chains import moved

__all__ = [
    "birkhoff",
    "chain_distances",
    "filter_distances",
    "lyapunov_gaps",
    "mixing_time",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Pairs of states up to which the second exponent comes from products of minors, free of
# cancellation; beyond, from orthogonal vectors, which cannot see a gap of more than 36 in a row.
PAIRS = 500
# Numbers held at a time, and the most rows from which distances are followed.
NUMBERS, WINDOWS = 4_000_000, 2000


def mixing_time(matrix: FloatArray, law: FloatArray, share: float = 0.25) -> float:
    """Steps after which the chain is near its stationary law from any state.

    Parameters
    ----------
    matrix : ndarray, shape (K, K)
    law : ndarray, shape (K,)
        Stationary.
    share : float
        Largest total variation distance that counts as near.

    Returns
    -------
    float
        A whole number, or infinite where it never gets there (a periodic chain).

    Notes
    -----
    The distance never rises (Levin, Peres and Wilmer 2009, exercise 4.4), so that doubling and
    halving find the first step.
    """

    def far(power: FloatArray) -> bool:
        return bool(0.5 * np.abs(power - law).sum(axis=1).max() > share)

    if not far(np.eye(len(matrix))):
        return 0.0
    squares, steps = [matrix], 1
    while far(squares[-1]):
        if steps > 2**52:
            return np.inf
        squares.append(squares[-1] @ squares[-1])
        squares[-1] /= squares[-1].sum(axis=1, keepdims=True)
        steps *= 2
    low, base = 0, np.eye(len(matrix))
    for place in range(len(squares) - 2, -1, -1):
        trial = base @ squares[place]
        if far(trial):
            low, base = low + 2**place, trial
    return float(low + 1)


def birkhoff(matrix: FloatArray) -> float:
    """Birkhoff's contraction coefficient of a positive matrix.

    Parameters
    ----------
    matrix : ndarray, shape (K, K)

    Returns
    -------
    float
        ``tanh(d / 4)``, d the largest log of a cross ratio ``m_ik m_jl / (m_il m_jk)``: by this
        factor at least Hilbert's distance of two positive vectors shrinks when they are multiplied
        by the matrix, and by any diagonal matrix besides (Seneta 2006, section 3.4). One where an
        entry is zero beside a positive one.
    """
    kept = matrix[:, (matrix > 0.0).any(axis=0)]
    if (kept <= 0.0).any():
        return 1.0
    logs = np.log(kept)
    ratio = logs[:, None, :] - logs[None, :, :]
    widest = float((ratio.max(axis=2) - ratio.min(axis=2)).max())
    return float(np.tanh(widest / 4.0))


def chain_distances(
    matrices: FloatArray, steps: int, offsets: IntArray | None = None
) -> FloatArray:
    """Largest total variation distance between chains that begin in different states.

    Parameters
    ----------
    matrices : ndarray, shape (K, K), or (n, K, K), one a row
        The mean over windows of rows, where they vary.
    steps : int
    offsets : ndarray of int, shape (sequences + 1,), optional
        First row of each sequence, and n: windows lie in one. By default one sequence.

    Returns
    -------
    ndarray, shape (steps + 1,)
        NaN where no sequence is long enough.
    """
    if matrices.ndim == 2:
        return _distances(matrices[None], None, np.zeros(1, dtype=np.intp), steps, 0)[:, 0]
    cuts = np.array([0, len(matrices)]) if offsets is None else offsets
    first = _windows(cuts, steps, matrices.shape[1])
    if not len(first):
        return np.full(steps + 1, np.nan)
    found: FloatArray = _distances(matrices, None, first, steps, 0).mean(axis=1)
    return found


def filter_distances(
    log_density: FloatArray,
    transition: FloatArray,
    offsets: IntArray,
    steps: int,
    lags: int = 0,
) -> FloatArray:
    """Largest total variation distance between filters that begin in different states.

    Parameters
    ----------
    log_density : ndarray, shape (n, S)
    transition : ndarray, shape (K, K) or (n, K, K)
    offsets : ndarray of int
        First row of each sequence, and n.
    steps : int
    lags : int
        Regimes before the present one that a state holds; S = K ** (lags + 1). Distances are
        those of the present regime.

    Returns
    -------
    ndarray, shape (steps + 1, windows)
        Window by window of rows (at most 2000, evenly spread): the distance after 0, 1, ... rows
        between the two states that stay furthest apart. NaN where the data rule out all starts but
        one.
    """
    first = _windows(offsets, steps, log_density.shape[1])
    steady = transition[None] if transition.ndim == 2 else transition
    return _distances(steady, log_density, first, steps, lags)


def _windows(offsets: IntArray, steps: int, states: int) -> IntArray:
    """First rows of windows of steps + 1 rows inside sequences, evenly spread."""
    every = [np.arange(a, b - steps) for a, b in pairwise(offsets.tolist()) if b - a > steps]
    rows: IntArray = np.concatenate(every) if every else np.zeros(0, dtype=np.intp)
    most = max(1, min(WINDOWS, NUMBERS // states**2))
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def _distances(
    matrices: FloatArray,
    log_density: FloatArray | None,
    first: IntArray,
    steps: int,
    lags: int,
) -> FloatArray:
    """Distances (steps + 1, windows) of filters started in each state."""
    k = matrices.shape[-1]
    size = k ** (lags + 1)
    found = np.full((steps + 1, len(first)), np.nan)
    if not len(first):
        return found
    belief = np.broadcast_to(np.eye(size), (len(first), size, size))
    found[0] = _apart(belief, k)
    for step in range(1, steps + 1):
        rows = first + step
        into = matrices if len(matrices) == 1 else matrices[rows]
        belief = moved(belief, into[:, None], lags)
        if log_density is not None:
            logs = log_density[rows]
            belief = belief * np.exp(logs - logs.max(axis=1, keepdims=True))[:, None, :]
        total = belief.sum(axis=2, keepdims=True)
        belief = np.where(total > 0.0, belief / np.where(total > 0.0, total, 1.0), np.nan)
        found[step] = _apart(belief, k)
    return found


def _apart(belief: FloatArray, k: int) -> FloatArray:
    """Largest distance between rows of (windows, S, S), in the first of the digits of a state."""
    regimes = belief.reshape(*belief.shape[:2], k, -1).sum(axis=3)
    found = np.full(len(belief), np.nan)
    for i in range(regimes.shape[1] - 1):
        gap = 0.5 * np.abs(regimes[:, i + 1 :] - regimes[:, i : i + 1]).sum(axis=2)
        found = np.fmax(found, np.fmax.reduce(gap, axis=1))
    return found


def lyapunov_gaps(
    log_density: FloatArray,
    transition: FloatArray,
    llf_obs: FloatArray,
    offsets: IntArray,
    lags: int = 0,
) -> FloatArray:
    """Rate at which the filter forgets, row by row.

    Parameters
    ----------
    log_density : ndarray, shape (n, S)
    transition : ndarray, shape (K, K) or (n, K, K)
    llf_obs : ndarray, shape (n,)
        Log-likelihood of each row given the rows before: what the largest exponent is the mean of.
    offsets : ndarray of int
        First row of each sequence, and n.
    lags : int
        Regimes before the present one that a state holds.

    Returns
    -------
    ndarray, shape (n - sequences,)
        Their mean estimates the gap between the two largest exponents of the products of
        ``P_t diag(b_t)``; without a sequence's first row, into which there is no step. Infinite in
        rows that wipe out the past.

    Notes
    -----
    The sum of the two largest exponents is the growth rate of the second compound matrix (all 2 x 2
    minors), that of ``P diag(b)`` being the compound of P times ``b_i b_j``: nothing cancels beside
    the minors of P. With two states it is the determinant.
    """
    states = log_density.shape[1]
    gaps = []
    for first, end in pairwise(offsets.tolist()):
        rows = np.arange(first + 1, end)
        if states * (states - 1) // 2 <= PAIRS:
            grown = _compound_growth(log_density[rows], transition, rows, lags)
            gaps.append(2.0 * llf_obs[rows] - grown)
        else:
            gaps.append(_orthogonal_gaps(log_density[rows], transition, rows, lags))
    return np.concatenate(gaps) if gaps else np.zeros(0)


def _compound_growth(
    logs: FloatArray, transition: FloatArray, rows: IntArray, lags: int
) -> FloatArray:
    """Log growth of a vector under the second compound matrices, row by row."""
    states = logs.shape[1]
    pairs = np.array(list(combinations(range(states), 2)), dtype=np.intp)
    weights = logs[:, pairs[:, 0]] + logs[:, pairs[:, 1]]
    steady = _compound(transition, pairs, lags) if transition.ndim == 2 else None
    vector = np.random.default_rng(0).standard_normal(len(pairs))
    vector /= np.linalg.norm(vector)
    grown = np.empty(len(rows))
    for t, row in enumerate(rows):
        matrix = _compound(transition[row], pairs, lags) if steady is None else steady
        ahead = vector @ matrix
        with np.errstate(divide="ignore"):
            signed = np.log(np.abs(ahead)) + weights[t]
        top = signed.max()
        if top == -np.inf:  # the past is wiped out; go on from another direction
            grown[t] = -np.inf
            continue
        fresh = np.sign(ahead) * np.exp(signed - top)
        norm = float(np.linalg.norm(fresh))
        grown[t] = top + np.log(norm)
        vector = fresh / norm
    return grown


def _compound(matrix: FloatArray, pairs: IntArray, lags: int) -> FloatArray:
    """All 2 x 2 minors of a transition matrix (of the composite one where there are lags)."""
    full = moved(np.eye(matrix.shape[0] ** (lags + 1)), matrix, lags)
    a, b = pairs[:, 0], pairs[:, 1]
    first = full[np.ix_(a, a)] * full[np.ix_(b, b)]
    found: FloatArray = first - full[np.ix_(a, b)] * full[np.ix_(b, a)]
    # a difference of products below their rounding is none
    return np.where(np.abs(found) > 4.0 * np.finfo(float).eps * first, found, 0.0)


def _orthogonal_gaps(
    logs: FloatArray, transition: FloatArray, rows: IntArray, lags: int
) -> FloatArray:
    """Gaps from two vectors kept orthogonal."""
    draw = np.random.default_rng(0)
    one: FloatArray = np.ones(logs.shape[1])
    two: FloatArray = draw.standard_normal((logs.shape[1],))
    gaps = np.empty(len(rows))
    for t, row in enumerate(rows):
        into = transition if transition.ndim == 2 else transition[row]
        weight = np.exp(logs[t] - logs[t].max())
        one, two = moved(one, into, lags) * weight, moved(two, into, lags) * weight
        size = float(np.linalg.norm(one))
        one = one / size
        two = two - one * float(one @ two)
        two = two - one * float(one @ two)
        rest = float(np.linalg.norm(two))
        if rest == 0.0:
            gaps[t], two = np.inf, draw.standard_normal(len(two))
            continue
        gaps[t] = np.log(size) - np.log(rest)
        two = two / rest
    return gaps
