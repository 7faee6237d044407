"""What the state of a linear recurrence holds of each past input, exactly: arrays.

The capacity of lag k is the share of the variance of the input u_{t-k} that the best linear
readout of the state s_t reconstructs.

References
----------
Jaeger (2001), Short term memory in echo state networks, GMD report 152; White, Lee and Sompolinsky
(2004), Short-term memory in orthogonal neural networks, Physical Review Letters 92, 148102.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shares", "linear_shares", "spread_root", "total_shares"]

FloatArray = NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)
# 2^52 rows: beyond that a root is on the unit circle to rounding.
DOUBLINGS = 52


class Shares(NamedTuple):
    """What the state of a linear recurrence holds of its inputs.

    Attributes
    ----------
    seen : ndarray, shape (lags + 1, q, q)
        Covariance of the best linear reconstructions of the q inputs of each lag.
    beyond : float
        Sum of the capacities of all later lags.
    rank : int
        Number of directions of the state that inputs and noise move.
    """

    seen: FloatArray
    beyond: float
    rank: int


def _compressed(root: FloatArray) -> FloatArray:
    """A root with no more columns than rows, of the same product with its transpose."""
    if root.shape[1] <= root.shape[0]:
        return root
    triangle: FloatArray = np.asarray(np.linalg.qr(root.T, mode="r"))
    return np.ascontiguousarray(triangle.T)


def spread_root(transition: FloatArray, loading: FloatArray) -> FloatArray:
    """Root of the stationary covariance of a linear recurrence.

    Parameters
    ----------
    transition : ndarray, shape (m, m)
        Spectral radius below one.
    loading : ndarray, shape (m, q)
        Of white noise with unit covariance.

    Returns
    -------
    ndarray, shape (m, at most m)
        F with F F' the sum of A^k B B' A'^k over all k, NaN where it does not converge.

    Notes
    -----
    Doubling on roots: the sum of the first 2j terms has the root [F_j, A^j F_j], made short by an
    orthogonal transformation. No covariance is formed, so that directions in which the state hardly
    moves keep half of their digits more than in the solution of Lyapunov's equation.
    """
    root, power = _compressed(loading), transition
    for _ in range(DOUBLINGS):
        with np.errstate(over="ignore", invalid="ignore"):
            new = power @ root
        size, before = float(np.linalg.norm(new)), float(np.linalg.norm(root))
        if not np.isfinite(size):
            break
        if size <= EPS * before:
            return root
        root = _compressed(np.hstack([root, new]))
        with np.errstate(over="ignore", invalid="ignore"):
            power = power @ power
    return np.full_like(root, np.nan)


def linear_shares(
    transition: FloatArray,
    loading: FloatArray,
    cov: FloatArray,
    noise_cov: FloatArray | None,
    lags: int,
) -> Shares:
    """What the state of a linear recurrence holds of its past inputs, exactly.

    Parameters
    ----------
    transition, loading : ndarray, shape (m, m) and (m, q)
        ``s_t = A s_{t-1} + B u_t + w_t`` with u_t white.
    cov : ndarray, shape (q, q)
        Covariance of u_t, which may be singular.
    noise_cov : ndarray, shape (m, m), optional
        Covariance of w_t.
    lags : int
        Largest lag.

    Returns
    -------
    Shares

    Notes
    -----
    With P the covariance of the state, the reconstruction of u_{t-k} has the covariance S B' A'^k
    P^-1 A^k B S. The columns A^k B S^{1/2} of all lags, with those of the noise, are a root of P;
    the reconstructions are squares of the rows of its right singular vectors, whatever the scales
    of the states, and all capacities together are at most the rank of P, hence at most m.
    """
    q = loading.shape[1]
    root = _half(cov)
    column = loading @ root
    columns = np.empty((transition.shape[0], lags + 1, q))
    for k in range(lags + 1):
        columns[:, k] = column
        column = transition @ column
    tail = spread_root(transition, loading @ root)
    for _ in range(lags + 1):
        tail = transition @ tail
    parts = [columns.reshape(len(transition), -1), tail]
    if noise_cov is not None and noise_cov.any():
        parts.append(spread_root(transition, _half(noise_cov)))
    right = _right_vectors(np.hstack(parts))
    first, rest = (lags + 1) * q, tail.shape[1]
    held = right[:, :first].reshape(-1, lags + 1, q)
    inner = np.einsum("rka,rkb->kab", held, held)
    beyond = float((right[:, first : first + rest] ** 2).sum())
    return Shares(root @ inner @ root.T, beyond, len(right))


def _half(cov: FloatArray) -> FloatArray:
    """Root R of a covariance, R R' = cov, which may be singular."""
    values, vectors = np.linalg.eigh(cov)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _right_vectors(root: FloatArray) -> FloatArray:
    """Right singular vectors (rank, columns) of a root with its rows brought to length one."""
    size = np.linalg.norm(root, axis=1, keepdims=True)
    scaled = root / np.where(size > 0.0, size, 1.0)
    _, values, right = np.linalg.svd(scaled, full_matrices=False)
    kept = values > max(scaled.shape) * EPS * values.max(initial=0.0)
    return np.asarray(right[kept])


def total_shares(seen: FloatArray, cov: FloatArray, chosen: NDArray[np.intp]) -> FloatArray:
    """Capacities of some inputs together.

    Parameters
    ----------
    seen : ndarray, shape (..., q, q)
        Covariance of their reconstructions.
    cov : ndarray, shape (q, q)
        Their own.
    chosen : ndarray of int
        Which.

    Returns
    -------
    ndarray, shape (...)
        Sum of squared canonical correlations: of uncorrelated inputs the sum of their shares, and
        the same whatever combinations of the inputs are looked at.
    """
    inverse = np.linalg.pinv(cov[np.ix_(chosen, chosen)], hermitian=True)
    parts = seen[..., chosen[:, None], chosen]
    return np.asarray((inverse.T * parts).sum(axis=(-2, -1)))
