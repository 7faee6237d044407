"""Chains of finitely many regimes: a step, where they end, and their stationary law."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

__all__ = ["closed_classes", "eliminated", "matrix_at", "moved", "stationary_law"]

FloatArray = NDArray[np.float64]


def matrix_at(transition: FloatArray, rows: Any) -> FloatArray:
    """Transition matrices that govern the steps into rows.

    Parameters
    ----------
    transition : ndarray, shape (K, K) or (n, K, K)
    rows : int, slice or ndarray of int

    Returns
    -------
    ndarray, shape (K, K) or (m, K, K)
        A constant matrix as it is.
    """
    found: FloatArray = transition if transition.ndim == 2 else transition[rows]
    return found


def moved(belief: FloatArray, transition: FloatArray, lags: int = 0) -> FloatArray:
    """Beliefs one step on: ``belief @ P``, for states that hold earlier regimes, too.

    Parameters
    ----------
    belief : ndarray, shape (..., K ** (lags + 1))
        States count (h_t, ..., h_{t-lags}), h_t the most significant digit.
    transition : ndarray, shape (K, K) or (..., K, K) that fits
    lags : int

    Returns
    -------
    ndarray, shape (..., K ** (lags + 1))
    """
    if not lags:
        found: FloatArray = (belief[..., None, :] @ transition)[..., 0, :]
        return found
    k = transition.shape[-1]
    lead = belief.shape[:-1]
    kept = belief.reshape(*lead, k, k ** (lags - 1), k).sum(axis=-1)
    ahead = np.swapaxes(transition, -1, -2)[..., :, :, None] * kept[..., None, :, :]
    wide: FloatArray = ahead.reshape(*lead, k ** (lags + 1))
    return wide


def closed_classes(matrix: FloatArray) -> list[NDArray[np.intp]]:
    """Sets of regimes that a chain cannot leave and moves about in.

    Parameters
    ----------
    matrix : ndarray, shape (K, K)
        Probabilities of steps, or whether they are positive.

    Returns
    -------
    list of ndarray of int
        One array a class; the stationary law is unique if there is one class only.
    """
    graph: Any = csr_array((matrix > 0.0).astype(np.int8))
    number, label = connected_components(graph, connection="strong")
    leaves = np.zeros(number, dtype=bool)
    rows, columns = np.nonzero(matrix > 0.0)
    leaves[label[rows[label[rows] != label[columns]]]] = True
    return [np.flatnonzero(label == c) for c in range(number) if not leaves[c]]


def stationary_law(matrix: FloatArray) -> FloatArray | None:
    """Stationary distribution of a transition matrix.

    Parameters
    ----------
    matrix : ndarray, shape (K, K)

    Returns
    -------
    ndarray, shape (K,), or None
        None where it is not unique. Exact to rounding in every entry, however small.
    """
    k = len(matrix)
    if k == 2:  # the usual case, in plain numbers
        away, back = matrix.item(1), matrix.item(2)
        total = away + back
        return np.array([back / total, away / total]) if total > 0.0 else None
    inside = None
    if (matrix <= 0.0).any() and k > 1:
        classes = closed_classes(matrix)
        if len(classes) != 1:
            return None
        inside = classes[0]
        matrix = matrix[np.ix_(inside, inside)]
    law = eliminated(matrix)
    if not np.isfinite(law).all():
        return None
    if inside is None:
        return law
    full = np.zeros(k)
    full[inside] = law
    return full


def eliminated(matrix: FloatArray) -> FloatArray:
    """Stationary laws of chains that can go from every regime to every other.

    Parameters
    ----------
    matrix : ndarray, shape (..., K, K)
        What is on the diagonals does not count.

    Returns
    -------
    ndarray, shape (..., K)
        Not finite where the way back to a regime is below all numbers.

    Notes
    -----
    Gaussian elimination in which nothing is subtracted, so that every entry, however small, is
    exact to rounding.

    References
    ----------
    Grassmann, W. K., Taksar, M. I. and Heyman, D. P. (1985), Regenerative analysis and steady state
    distributions for Markov chains, Operations Research 33, 1107-1116.
    """
    reduced = np.array(matrix, dtype=np.float64)
    k = reduced.shape[-1]
    law = np.ones(reduced.shape[:-1])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for n in range(k - 1, 0, -1):
            reduced[..., :n, n] /= reduced[..., n, :n].sum(axis=-1)[..., None]
            reduced[..., :n, :n] += reduced[..., :n, n, None] * reduced[..., None, n, :n]
        for n in range(1, k):
            law[..., n] = (law[..., :n] * reduced[..., :n, n]).sum(axis=-1)
        law /= law.sum(axis=-1, keepdims=True)
    return law
