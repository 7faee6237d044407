"""All singular values of products of Jacobians that change from row to row, by horizon.

A product of k Jacobians stretches one direction by far more than another: formed as a matrix it
keeps the largest singular value and loses the others to rounding, and before long it overflows or
vanishes. Here it is kept as ``U D T``: orthogonal times a diagonal held in logs times a matrix
near unit triangular, and no product is ever formed. Arrays only.

References
----------
Stewart (1997), On graded QR decompositions of products of matrices, Electronic Transactions on
Numerical Analysis 5, 39-49; Loh and Gubernatis (1992), Stable numerical simulations of models of
interacting electrons, in Electronic Phase Transitions, 167-235 (U D T with pivoting); Drmac and
Veselic (2008), New fast and accurate Jacobi SVD algorithm I, SIAM Journal on Matrix Analysis and
Applications 29, 1322-1342 (singular values of graded matrices).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from rnnstats.diagnostics.memory.products.graded_pairs import (
    advance_pairs,
    pair_singular_values,
    single_logs,
)
from rnnstats.diagnostics.memory.products.powers import lengths, row_singular_values

__all__ = ["GradedProducts", "graded_products", "window_products"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Starting rows at most, and the numbers they may take: horizons times states squared.
WINDOWS, NUMBERS, FEWEST = 2000, 3_000_000, 20
# Entries of T that grow past this need columns in a better order than that of their lengths.
GROWTH = 2.0
# Log ratio of the largest to the smallest row up to which one matrix of doubles can hold both.
RANGE = 600.0

# Exponent that a double can hold.
HUGE = 700.0
# Products whose singular values are taken at a time.
CHUNK = 2048


class GradedProducts(NamedTuple):
    """Log singular values of products of Jacobians.

    Attributes
    ----------
    starts : ndarray of int, shape (windows,)
        First row of each product.
    logs : ndarray, shape (steps + 1, windows, m)
        Entry (k, w) belongs to the product of the k Jacobians of the rows from ``starts[w]`` on,
        largest first; ``-inf`` for zero, NaN where the sequence ends before.
    """

    starts: IntArray
    logs: FloatArray


def graded_products(jacobians: FloatArray, offsets: IntArray, steps: int) -> GradedProducts:
    """
    Log singular values of products of Jacobians by horizon, from many rows.

    Parameters
    ----------
    jacobians : ndarray, shape (n, m, m)
        Of the step into each row by the state before.
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and n.
    steps : int
        Largest horizon.

    Returns
    -------
    GradedProducts
        From every row, or from rows at equal distances: at most 2000, fewer where states and
        horizons are many.

    Notes
    -----
    With P_k = U D T the next product is ``(J U D) T``; the columns of ``J U``, as long as D says,
    are sorted by length (with full pivoting where that is not enough), brought to orthogonal and
    triangular factors, and R is divided by its diagonal, which becomes the new D: T is multiplied
    from the left by a unit triangular matrix with entries of at most about one. The singular
    values of D T then have a small relative error, each of them, however far apart they are: by
    LAPACK's preconditioned Jacobi method, and in logs where doubles do not reach. What is lost is
    rounding times the condition of each Jacobian, never that of their product. A direction of which
    a step leaves less than rounding counts as lost. Of one state or two all this has a closed form,
    see `graded_pairs`.
    """
    room = np.concatenate([np.arange(b - a, 0, -1) for a, b in pairwise(offsets.tolist())])
    m = jacobians.shape[1]
    starts = _spread_out(room, max(FEWEST, NUMBERS // max(1, steps * m * m)))
    if m == 1:
        return GradedProducts(starts, single_logs(jacobians, starts, room[starts], steps))
    logs = np.full((steps + 1, len(starts), m), np.nan)
    logs[0] = 0.0
    held: list[tuple[int, IntArray, FloatArray, FloatArray]] = []
    alive = np.arange(len(starts))
    frame = inner = np.broadcast_to(np.eye(m), (len(starts), m, m))
    scales = np.zeros((len(starts), m))
    at, shortest = starts - 1, int(room[starts].min())
    for k in range(1, steps + 1):
        if k > shortest:
            stay = room[starts[alive]] >= k
            alive, frame, scales, inner = alive[stay], frame[stay], scales[stay], inner[stay]
            if not len(alive):
                break
            at, shortest = starts[alive] - 1, int(room[starts[alive]].min())
        frame, scales, inner = _advance(jacobians[at + k], frame, scales, inner)
        held.append((k, alive, scales, inner))
        if len(held) * len(alive) >= CHUNK:
            _settle(held, logs)
            held = []
    _settle(held, logs)
    return GradedProducts(starts, logs)


def _spread_out(room: IntArray, most: int) -> IntArray:
    """Rows to start from, evenly spread, the one with the most rows ahead among them."""
    most = min(most, WINDOWS)
    if len(room) <= most:
        return np.arange(len(room))
    some = np.linspace(0, len(room) - 1, most).astype(np.intp)
    return np.union1d(some, [int(np.argmax(room))])


def _settle(held: list[tuple[int, IntArray, FloatArray, FloatArray]], logs: FloatArray) -> None:
    """Write the log singular values of the products held, in place."""
    if not held:
        return
    horizons, windows, scales, inner = zip(*held, strict=True)
    rows = np.repeat(horizons, [len(part) for part in windows])
    values = _singular_values(np.concatenate(scales), np.concatenate(inner))
    logs[rows, np.concatenate(windows)] = values


def _advance(
    jacobians: FloatArray, frame: FloatArray, scales: FloatArray, inner: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Multiply products U D T by Jacobians from the left: new U, logs of D, and T."""
    if jacobians.shape[1] == 2:
        return advance_pairs(jacobians, frame, scales, inner)
    columns = jacobians @ frame
    length = lengths(columns, axis=1)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        logs = scales + np.log(length)
        columns /= np.where(length > 0.0, length, 1.0)[:, None, :]
        order = None if (logs[:, :-1] >= logs[:, 1:]).all() else np.argsort(-logs, kind="stable")
        found, after, unit = _factors(columns, logs, order)
        if float(np.abs(unit).max(initial=0.0)) > GROWTH:
            wild = np.flatnonzero(np.abs(unit).max(axis=(1, 2)) > GROWTH)
            if order is None:
                order = np.tile(np.arange(logs.shape[1]), (len(logs), 1))
            for w in wild:
                order[w] = _pivots(columns[w], logs[w])
            found[wild], after[wild], unit[wild] = _factors(columns[wild], logs[wild], order[wild])
    if order is not None:
        inner = np.take_along_axis(inner, order[:, :, None], axis=1)
    return found, after, unit @ inner


def _factors(
    columns: FloatArray, logs: FloatArray, order: IntArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Factors of unit columns with log lengths, taken in an order: U, log D, unit triangle."""
    if order is not None:
        columns = np.take_along_axis(columns, order[:, None, :], axis=2)
        logs = np.take_along_axis(logs, order, axis=1)
    frame, triangle = np.linalg.qr(columns)
    m = columns.shape[1]
    pivot = np.abs(np.einsum("wii->wi", triangle))
    after = logs + np.log(pivot)
    lost = (pivot < 4.0 * m * np.finfo(np.float64).eps) | np.isneginf(after)
    # zeros below the diagonal stay zeros
    unit = triangle * np.exp(np.minimum(logs[:, None, :] - after[:, :, None], HUGE))
    if lost.any():
        after[lost] = -np.inf
        unit = np.where(lost[:, :, None], np.eye(m), unit)
    return frame, after, unit


def _pivots(columns: FloatArray, logs: FloatArray) -> IntArray:
    """Order of columns by what each adds to those before (Businger and Golub 1965)."""
    found = lapack.dgeqp3(columns * np.exp(logs - logs.max()))
    return np.asarray(found[1], dtype=np.intp) - 1


def _singular_values(scales: FloatArray, inner: FloatArray) -> FloatArray:
    """Log singular values of D T, (windows, m), from the logs of D and from T."""
    windows, m = scales.shape
    if m == 1:
        return scales
    if m == 2:
        return pair_singular_values(scales, inner)
    top = scales.max(axis=1)
    known = np.where(np.isneginf(scales), np.inf, scales)
    safe = np.where(np.isfinite(top), top, 0.0)
    near = safe - np.minimum(known.min(axis=1), safe) < RANGE
    found = np.full((windows, m), -np.inf)
    weights = np.exp(np.minimum(scales - safe[:, None], 0.0))
    for w in np.flatnonzero(near & np.isfinite(top)):
        values, *_, work, _, info = lapack.dgejsv((inner[w] * weights[w][:, None]).T, 0, 3, 3, 0)
        near[w] = info == 0
        rank = int(np.isfinite(scales[w]).sum())
        with np.errstate(divide="ignore"):
            found[w, :rank] = np.log(values[:rank]) + (top[w] + np.log(work[0] / work[1]))
    far = np.flatnonzero(~near & np.isfinite(top))
    if len(far):
        found[far] = row_singular_values(inner[far], scales[far])
    return found


def window_products(jacobians: FloatArray, starts: IntArray, steps: int) -> FloatArray:
    """
    Log singular values of products over windows of rows.

    Parameters
    ----------
    jacobians : ndarray, shape (n, m, m)
        Of the step into each row by the state before.
    starts : ndarray of int, shape (windows,)
        First row of each window.
    steps : int
        Rows of a window.

    Returns
    -------
    ndarray, shape (windows, m)
        Largest first, ``-inf`` for zero; with the accuracy of `graded_products`.
    """
    m = jacobians.shape[1]
    frame = inner = np.broadcast_to(np.eye(m), (len(starts), m, m))
    scales = np.zeros((len(starts), m))
    for k in range(steps):
        frame, scales, inner = _advance(jacobians[starts + k], frame, scales, inner)
    return _singular_values(scales, inner)
