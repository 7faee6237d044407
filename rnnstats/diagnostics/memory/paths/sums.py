"""Sums over the paths of a product of sums: (a_T + b_T) ... (a_1 + b_1), written out.

Each step takes either its first factor (the identity, or what a gate keeps) or its second (the
branch through the nonlinearity), so that the product is a sum over 2^T paths. The length of a path
is the number of its branch steps. Arrays only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LengthSums",
    "matrix_length_sums",
    "path_lengths",
    "path_weights",
    "product_logs",
    "scalar_length_sums",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Where moduli add up to more than this multiple of the product, rounding of their cancellation
# leaves less than seven digits of the shares.
CANCELLED = 1e8
# Steps between two scalings of matrices: each grows by less than 1e30 in them.
SCALED = 8


class LengthSums(NamedTuple):
    """Sums over the paths of each length.

    Attributes
    ----------
    log_size : ndarray, shape (T + 1,)
        Log of the size of what paths of k branch steps carry: for numbers the sum of the moduli of
        the paths, for matrices the Frobenius norm of their sum; ``-inf`` for none.
    share : ndarray, shape (T + 1,)
        Of the product, with sign: these sum to 1. For matrices the component along the product,
        <sum of paths, product> / |product|^2. NaN where the product is zero, and where the parts
        are more than 1e8 times larger than it and cancel: rounding would fill the shares.
    log_total : float
        Log of the modulus (of the Frobenius norm) of the product.
    direction : ndarray, shape () or (m, m)
        The product over its modulus or norm: its sign for numbers.
    """

    log_size: FloatArray
    share: FloatArray
    log_total: float
    direction: FloatArray


def path_lengths(steps: int) -> IntArray:
    """
    Number of branch steps of each path, in the order of `path_weights`.

    Parameters
    ----------
    steps : int

    Returns
    -------
    ndarray of int, shape (2^steps,)
        Path p goes through the branch in step t (from 1) where bit t - 1 of p is one.
    """
    found = np.zeros(1, dtype=np.intp)
    for _ in range(steps):
        found = np.concatenate([found, found + 1])
    return found


def path_weights(kept: FloatArray, branch: FloatArray) -> FloatArray:
    """
    Weight of every path.

    Parameters
    ----------
    kept, branch : ndarray, shape (T,) or (T, m, m)
        The two factors of each step.

    Returns
    -------
    ndarray, shape (2^T,) or (2^T, m, m)
        Products along each path, later factors to the left; their sum is the gradient.
    """
    matrices = kept.ndim == 3
    found = np.eye(kept.shape[1])[None] if matrices else np.ones(1)
    for a, b in zip(kept, branch, strict=True):
        pair = [a @ found, b @ found] if matrices else [a * found, b * found]
        found = np.concatenate(pair)
    return found


def scalar_length_sums(kept: FloatArray, branch: FloatArray) -> LengthSums:
    """
    Sums over paths of equal length, for numbers.

    Parameters
    ----------
    kept, branch : ndarray, shape (T,)
        The two factors a_t and b_t of each step.

    Returns
    -------
    LengthSums

    Notes
    -----
    The sums of moduli are e_k, the coefficients of prod (|a_t| + |b_t| x). With r_k = e_k / e_{k-1}
    a further step makes r_k' = (a r_k + b) r_{k-1} / (a r_{k-1} + b): sums, products and ratios of
    positive numbers of moderate size, so that nothing overflows, vanishes or cancels. The mean sign
    of the paths of length k follows as a weighted mean of those of lengths k and k - 1. Steps with
    a factor of zero leave no choice and are taken apart. T^2 / 2 operations.
    """
    a, b = np.abs(kept), np.abs(branch)
    steps = len(a)
    log_size = np.full(steps + 1, -np.inf)
    share = np.full(steps + 1, np.nan)
    with np.errstate(divide="ignore"):
        log_total = float(np.log(np.abs(kept + branch)).sum())
    sign = float(np.prod(np.sign(kept + branch)))
    if (a + b == 0.0).any():
        return LengthSums(log_size, share, -np.inf, np.zeros(()))
    forced = a == 0.0  # every path goes through the branch there
    free = ~forced & (b > 0.0)
    ratio, mean_sign = _ratios(kept[free], branch[free])
    known = float(np.log(np.where(forced, b, a))[~free].sum())
    turned = float(np.prod(np.sign(np.where(forced, branch, kept))[~free]))
    shift, count = int(forced.sum()), int(free.sum())
    logs = np.log(a[free]).sum() + known + np.concatenate([[0.0], np.cumsum(np.log(ratio))])
    log_size[shift : shift + count + 1] = logs
    if np.logaddexp.reduce(logs) - log_total <= np.log(CANCELLED):
        share = np.zeros(steps + 1)
        share[shift : shift + count + 1] = sign * turned * mean_sign * np.exp(logs - log_total)
    return LengthSums(log_size, share, log_total, np.asarray(sign))


def _ratios(kept: FloatArray, branch: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ratios r_1 .. r_T of the sums of moduli, and mean signs of lengths 0 .. T."""
    a, b = np.abs(kept), np.abs(branch)
    steps = len(a)
    ratio, sign = np.zeros(steps + 2), np.zeros(steps + 2)
    sign[0] = 1.0
    for t in range(steps):
        # lengths 1 .. t + 1; the last is new and has no ratio yet
        part = a[t] * ratio[1 : t + 2]
        both = part + b[t]
        kept_sign, branch_sign = np.sign(kept[t]), np.sign(branch[t])
        mixed = (kept_sign * part * sign[1 : t + 2] + branch_sign * b[t] * sign[: t + 1]) / both
        sign[0] *= kept_sign
        sign[1 : t + 2] = mixed
        before = ratio[1 : t + 1].copy()
        ratio[1 : t + 2] = both
        ratio[1] /= a[t]
        ratio[2 : t + 2] *= before / both[:-1]
    return ratio[1 : steps + 1], sign[: steps + 1]


def matrix_length_sums(kept: FloatArray, branch: FloatArray) -> LengthSums:
    """
    Sums over paths of equal length, for matrices.

    Parameters
    ----------
    kept, branch : ndarray, shape (T, m, m)
        The two factors of each step.

    Returns
    -------
    LengthSums
        Sizes more than 300 orders of magnitude below the largest one count as zero.

    Notes
    -----
    M_k' = A_t M_k + B_t M_{k-1}, scaled along the way. T^2 / 2 products of matrices. Paths of one
    length are added up: unlike numbers, they may cancel in part.
    """
    steps, m = kept.shape[:2]
    # transposed, so that a step is one product of an array of rows with a matrix
    sums = np.zeros((steps + 1, m, m))
    sums[0] = np.eye(m)
    scale = 0.0
    for t in range(steps):
        size = max(float(np.abs(kept[t]).max()), float(np.abs(branch[t]).max()))
        if size == 0.0:
            nothing = np.full(steps + 1, np.nan)
            return LengthSums(np.full(steps + 1, -np.inf), nothing, -np.inf, np.zeros((m, m)))
        live = sums[: t + 1].reshape(-1, m)
        through = (live @ (branch[t].T / size)).reshape(-1, m, m)
        sums[: t + 1] = (live @ (kept[t].T / size)).reshape(-1, m, m)
        sums[1 : t + 2] += through
        scale += np.log(size)
        if t % SCALED == SCALED - 1:
            largest = float(np.abs(sums[: t + 2]).max())
            if largest > 0.0:
                sums[: t + 2] /= largest
                scale += np.log(largest)
    logs, direction = product_logs(kept + branch)
    log_total = float(logs[-1])
    norms = np.linalg.norm(sums, axis=(1, 2))
    with np.errstate(divide="ignore"):
        log_size = np.log(norms) + scale
    # not the sum of the parts, which cancel where there are many
    share = np.full(steps + 1, np.nan)
    if log_total > -np.inf and np.logaddexp.reduce(log_size) - log_total <= np.log(CANCELLED):
        along = np.einsum("kij,ji->k", sums, direction)
        share = along * np.exp(scale - log_total)
    return LengthSums(log_size, share, log_total, direction)


def product_logs(factors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Products of factors, in logs.

    Parameters
    ----------
    factors : ndarray, shape (T,) or (T, m, m)

    Returns
    -------
    log_size : ndarray, shape (T + 1,)
        Log modulus or Frobenius norm of the product of the first 0 to T factors; its value for
        matrices starts at log sqrt(m).
    direction : ndarray, shape () or (m, m)
        The whole product over its modulus or norm; 0 where nothing is left.
    """
    if factors.ndim == 1:
        with np.errstate(divide="ignore"):
            logs = np.cumsum(np.log(np.abs(factors)))
        return np.concatenate([[0.0], logs]), np.asarray(np.prod(np.sign(factors)))
    product, scale = np.eye(factors.shape[1]), 0.0
    found = [0.5 * np.log(len(product))]
    for one in factors:
        product = one @ product
        size = float(np.linalg.norm(product))
        if size == 0.0:
            rest = [-np.inf] * (len(factors) + 1 - len(found))
            return np.array(found + rest), np.zeros_like(product)
        product = product / size
        scale += np.log(size)
        found.append(scale)
    return np.array(found), product / np.linalg.norm(product)
