"""How much of each past input the present state still holds: arrays.

The capacity of lag k is the share of the variance of the input u_{t-k} that the best linear
readout of the state s_t reconstructs. For a linear recurrence it is exact; from a run it is a
coefficient of determination, corrected for its bias.

References
----------
Jaeger (2001), Short term memory in echo state networks, GMD report 152; White, Lee and Sompolinsky
(2004), Short-term memory in orthogonal neural networks, Physical Review Letters 92, 148102;
Dambre, Verstraeten, Schrauwen and Massar (2012), Information processing capacity of dynamical
systems, Scientific Reports 2, 514; Künsch (1989), Annals of Statistics 17, 1217-1241 (jackknife of
blocks).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "Figures",
    "Sampled",
    "Shares",
    "linear_shares",
    "quick_shares",
    "sampled_shares",
    "spread_root",
    "total_shares",
]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

EPS = float(np.finfo(np.float64).eps)
# 2^52 rows: beyond that a root is on the unit circle to rounding.
DOUBLINGS = 52
# Pieces of a run that are left out in turn; standard errors are then within 11 % of their own.
BLOCKS = 40


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


class Figures(NamedTuple):
    """Capacities by lag and in sum.

    Attributes
    ----------
    each : ndarray, shape (lags + 1, q)
        Of each input.
    whole : ndarray, shape (lags + 1,)
        Of all inputs together.
    total : float
        Over all lags.
    mean_lag : float
        Mean of the lag, weighted with `whole`; NaN where nothing is held.
    """

    each: FloatArray
    whole: FloatArray
    total: float
    mean_lag: float

    @classmethod
    def of(
        cls, each: FloatArray, whole: FloatArray, beyond: float = 0.0, counted: Mask | None = None
    ) -> Figures:
        """Sum up capacities by lag.

        Parameters
        ----------
        each, whole : ndarray
            As the attributes.
        beyond : float
            Capacity of later lags.
        counted : ndarray of bool, shape (lags + 1,), optional
            Lags that count for the mean lag; by default all.

        Returns
        -------
        Figures
        """
        weight = whole if counted is None else np.where(counted, whole, 0.0)
        size = float(weight.sum())
        mean = float(np.arange(len(weight)) @ weight) / size if size > 0.0 else np.nan
        return cls(each, whole, float(whole.sum()) + beyond, mean)

    @property
    def flat(self) -> FloatArray:
        """All of them one after the other."""
        return np.concatenate([self.each.ravel(), self.whole, [self.total, self.mean_lag]])

    def like(self, flat: FloatArray) -> Figures:
        """Numbers in the order of `flat`, in this shape.

        Parameters
        ----------
        flat : ndarray

        Returns
        -------
        Figures
        """
        cut = self.each.size
        return Figures(
            flat[:cut].reshape(self.each.shape), flat[cut:-2], float(flat[-2]), float(flat[-1])
        )


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
