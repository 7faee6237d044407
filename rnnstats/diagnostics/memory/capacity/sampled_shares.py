"""What the state of a recurrence holds of each past input, from its runs: arrays.

The capacity of lag k is a coefficient of determination, that of the input u_{t-k} by the state s_t,
corrected for its bias.

References
----------
Dambre, Verstraeten, Schrauwen and Massar (2012), Information processing capacity of dynamical
systems, Scientific Reports 2, 514; Künsch (1989), Annals of Statistics 17, 1217-1241 (jackknife of
blocks).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rnnstats.diagnostics.memory.capacity.figures import Figures

__all__ = ["Sampled", "quick_shares", "sampled_shares"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

EPS = float(np.finfo(np.float64).eps)
# Pieces of a run that are left out in turn; standard errors are then within 11 % of their own.
BLOCKS = 40


class Sampled(NamedTuple):
    """Capacities estimated from a run.

    Attributes
    ----------
    value, error : Figures
        Estimates and standard errors.
    threshold : float
        What a raw share must exceed to tell it from chance.
    above : ndarray of bool, shape (lags + 1,)
        Whether the share of some input does.
    rank : int
        Number of directions in which the state moves.
    """

    value: Figures
    error: Figures
    threshold: float
    above: Mask
    rank: int


class Sums(NamedTuple):
    """Sums of products over blocks of rows.

    Attributes
    ----------
    gram : ndarray, shape (b, 1 + rank, 1 + rank)
        Of a constant and the directions of the state.
    cross : ndarray, shape (b, 1 + rank, lags + 1, q)
        Of these and past inputs.
    square : ndarray, shape (b, lags + 1, q)
        Of past inputs.
    rows : ndarray, shape (b,)
        Numbers of rows.
    """

    gram: FloatArray
    cross: FloatArray
    square: FloatArray
    rows: FloatArray

    def shares(self, keep: Mask) -> tuple[FloatArray, FloatArray]:
        """Coefficients of determination from some blocks.

        Parameters
        ----------
        keep : ndarray of bool, shape (b,)

        Returns
        -------
        raw : ndarray, shape (lags + 1, q)
        corrected : ndarray, shape (lags + 1, q)
        """
        raw = _determined(
            self.gram[keep].sum(axis=0), self.cross[keep].sum(axis=0), self.square[keep].sum(axis=0)
        )
        n, rank = float(self.rows[keep].sum()), self.gram.shape[1] - 1
        return raw, 1.0 - (1.0 - raw) * (n - 1.0) / (n - rank - 1.0)


def sampled_shares(states: FloatArray, inputs: FloatArray, lags: int, level: float) -> Sampled:
    """Capacities from runs of a recurrence, with standard errors.

    Parameters
    ----------
    states : ndarray, shape (r, T, m)
        Of r runs.
    inputs : ndarray, shape (r, T, q)
        White; row t goes into step t.
    lags : int
        Largest lag, below T.
    level : float
        Chance that a lag of which nothing is held exceeds the threshold, over all lags.

    Returns
    -------
    Sampled

    Notes
    -----
    A share R^2 from N rows and a state of r directions is r / (N - 1) too large where nothing is
    held; 1 - (1 - R^2) (N - 1) / (N - r - 1) is not (Ezekiel), so that sums over many lags do not
    drift. Dambre et al. (2012, supplement 3) set what is below a threshold to zero instead; the
    threshold here is the quantile of the F distribution, for all lags together. A lag is above
    chance where its share exceeds it and, for states that are not independent of the size of the
    inputs, where Hotelling's test of the products of state and input says so, block by block.
    Standard errors: the runs, or pieces of the one run, are left out in turn (jackknife of 40
    blocks); of pieces they are too large for what the state holds almost whole, where the errors of
    neighbours cancel.
    """
    sums = _sums(states, inputs, lags)
    every = np.ones(len(sums.rows), dtype=bool)
    q, rank, n = inputs.shape[2], sums.gram.shape[1] - 1, float(sums.rows.sum())
    raw = sums.shares(every)[0]
    quantile = stats.f.isf(level / raw[:, :q].size, max(rank, 1), n - rank - 1.0)
    threshold = float(rank * quantile / (rank * quantile + n - rank - 1.0))
    sure = _block_pvalues(sums)[:, :q] < level / raw[:, :q].size
    above: Mask = np.asarray(((raw[:, :q] > threshold) & sure).any(axis=1))
    value = _figures(sums, every, q, above)
    blocks = np.arange(len(every))
    without = np.stack([_figures(sums, blocks != b, q, above).flat for b in blocks])
    # the mean lag of nothing is NaN in all of them
    error = np.sqrt((len(blocks) - 1) * without.var(axis=0))
    return Sampled(value, value.like(error), threshold, above, rank)


def _block_pvalues(sums: Sums) -> FloatArray:
    """Hotelling's test that the directions of the state and past inputs have no covariance.

    P-values (lags + 1, q); zero where there are too many directions for the blocks to tell.
    """
    blocks, size, lags, q = sums.cross.shape
    rank = size - 1
    if not 0 < rank <= blocks // 2:
        return np.zeros((lags, q))
    each = np.moveaxis(sums.cross[:, 1:], 1, -1) / sums.rows[:, None, None, None]
    mean = each.mean(axis=0)
    off = each - mean
    spread = np.einsum("blqi,blqj->lqij", off, off) / (blocks - 1)
    scale = np.trace(spread, axis1=-2, axis2=-1)[..., None, None]
    spread = spread + EPS * np.where(scale > 0.0, scale, 1.0) * np.eye(rank)
    solved = np.linalg.solve(spread, mean[..., None])[..., 0]
    statistic = blocks * np.einsum("lqi,lqi->lq", mean, solved)
    share = statistic * (blocks - rank) / (rank * (blocks - 1))
    return np.asarray(stats.f.sf(share, rank, blocks - rank))


def quick_shares(states: FloatArray, inputs: FloatArray, lags: int, counted: Mask) -> Figures:
    """Capacities from runs of a recurrence, without standard errors.

    Parameters
    ----------
    states : ndarray, shape (r, T, m)
    inputs : ndarray, shape (r, T, q)
    lags : int
    counted : ndarray of bool, shape (lags + 1,)
        Lags that count for the mean lag.

    Returns
    -------
    Figures
        As in `sampled_shares`.
    """
    sums = _sums(states, inputs, lags)
    return _figures(sums, np.ones(len(sums.rows), dtype=bool), inputs.shape[2], counted)


def _figures(sums: Sums, keep: Mask, q: int, counted: Mask) -> Figures:
    """Corrected capacities; behind the q inputs are their uncorrelated combinations, if q > 1."""
    found = sums.shares(keep)[1]
    return Figures.of(found[:, :q], found[:, -q:].sum(axis=1), counted=counted)


def _sums(states: FloatArray, inputs: FloatArray, lags: int) -> Sums:
    both = np.concatenate([inputs, _whitened(inputs)], axis=2) if inputs.shape[2] > 1 else inputs
    basis, block = _design(states[:, lags:])
    return _moments(basis, block, both, lags)


def _whitened(inputs: FloatArray) -> FloatArray:
    """Inputs (r, T, q) turned into uncorrelated ones."""
    flat = inputs.reshape(-1, inputs.shape[2])
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(flat.T)))
    scale = np.where(values > EPS * values.max(initial=0.0) * len(values), values, np.inf)
    return np.asarray((inputs - flat.mean(axis=0)) @ (vectors / np.sqrt(scale)))


def _design(states: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Constant and orthonormal directions of the state (N, 1 + rank), and the block of each row."""
    runs, length, m = states.shape
    flat = states.reshape(-1, m)
    centred = flat - flat.mean(axis=0)
    size = np.sqrt((centred**2).mean(axis=0))
    moves = size > EPS * np.maximum(np.abs(flat).max(axis=0), np.finfo(float).tiny) * len(flat)
    left, values, _ = np.linalg.svd(centred[:, moves] / size[moves], full_matrices=False)
    kept = values > len(flat) * EPS * values.max(initial=0.0)
    basis = np.hstack([np.ones((len(flat), 1)), left[:, kept] * np.sqrt(len(flat))])
    order = np.arange(len(flat)) if runs < BLOCKS else np.repeat(np.arange(runs), length)
    count = min(BLOCKS, order[-1] + 1)
    return basis, (order * count // (order[-1] + 1)).astype(np.intp)


def _moments(basis: FloatArray, block: NDArray[np.intp], inputs: FloatArray, lags: int) -> Sums:
    """Sums of products by block."""
    length, q = inputs.shape[1:]
    blocks, p = int(block[-1]) + 1, basis.shape[1]
    gram = np.empty((blocks, p, p))
    cross = np.empty((blocks, p, lags + 1, q))
    square = np.empty((blocks, lags + 1, q))
    cuts = np.searchsorted(block, np.arange(blocks + 1))
    centred = inputs - inputs.mean(axis=(0, 1))
    for k in range(lags + 1):
        past = centred[:, lags - k : length - k].reshape(-1, q)
        product = basis[:, :, None] * past[:, None, :]
        cross[:, :, k] = np.add.reduceat(product, cuts[:-1], axis=0)
        square[:, k] = np.add.reduceat(past**2, cuts[:-1], axis=0)
    for b in range(blocks):
        rows = basis[cuts[b] : cuts[b + 1]]
        gram[b] = rows.T @ rows
    return Sums(gram, cross, square, np.diff(cuts).astype(np.float64))


def _determined(gram: FloatArray, cross: FloatArray, square: FloatArray) -> FloatArray:
    """Coefficients of determination (lags + 1, q) from sums of products; the constant is first."""
    flat = cross.reshape(len(gram), -1)
    n = gram[0, 0]
    total = square.ravel() - flat[0] ** 2 / n
    explained = np.einsum("pc,pc->c", flat, np.linalg.solve(gram, flat)) - flat[0] ** 2 / n
    share = np.divide(explained, total, out=np.zeros_like(total), where=total > 0.0)
    return np.asarray(share.reshape(square.shape))
