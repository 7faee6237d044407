"""Rates at which directions grow along a recurrence, with what is uncertain about them.

References
----------
Benettin, Galgani, Giorgilli and Strelcyn (1980), Meccanica 15, 9-30 (orthogonalisation along the
way); Kaplan and Yorke (1979), Chaotic behavior of multidimensional difference equations, Lecture
Notes in Mathematics 730, 204-227.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from rnnstats.diagnostics.memory import roots as arrays
from rnnstats.diagnostics.memory.long_run import batch_means, kernel_mean
from rnnstats.diagnostics.memory.recurrences import Given, Recurrence, Trajectory
from rnnstats.diagnostics.memory.standard_errors import StandardError

__all__ = [
    "ErrorMethod",
    "Growth",
    "growth_of",
    "kaplan_yorke",
    "kept_rows",
    "log_moduli",
    "shared_jacobian",
    "stretches",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
ErrorMethod = Literal["batch_means", "shintani_linton"]

# Rows that are looked through, from the last to the first, for the directions to start in.
AHEAD = 2000
# A stretch below this many roundings of the sums it is made of is one of zero.
ROUNDINGS = 8.0
# Rows treated at a time where rounding is counted, so that memory does not double.
CHUNK = 4096
# Jacobians of rows that differ by less than this share of their size are one matrix.
SAME = 1e-13


def stretches(jacobians: FloatArray, offsets: IntArray) -> FloatArray:
    """Log factors by which each row stretches orthogonal directions carried along.

    Parameters
    ----------
    jacobians : ndarray, shape (n, m, m)
        Of the step into each row by the state before.
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and n; directions begin anew in each.

    Returns
    -------
    ndarray, shape (n, m)
        Log moduli of the diagonal of R in the orthogonal-triangular factors of each step; ``-inf``
        where a direction is lost (its stretch is not above rounding).

    Notes
    -----
    The directions of the first row are those that the product of the next 2000 rows at most
    stretches most, second most, and so on: its right singular vectors, to which directions tend
    that are carried backwards with the transposed Jacobians. So nothing is spent on turning into
    the fast directions, and sums over so many rows tend to the logs of the singular values of the
    product, at the rate at which these come to lie apart.
    """
    n, m = jacobians.shape[:2]
    found: FloatArray = np.empty((n, m))
    if m == 1:
        with np.errstate(divide="ignore"):
            found[:] = np.log(np.abs(jacobians[:, 0]))
        return found
    frames: FloatArray = np.empty((n, m, m))
    # fixed, and in no special place: an identity may be one, such as for triangular Jacobians
    generic = np.linalg.qr(np.random.default_rng(0).standard_normal((m, m)))[0]
    for first, last in pairwise(int(one) for one in offsets):
        backwards = jacobians[first : min(last, first + AHEAD)][::-1].transpose(0, 2, 1)
        start, _ = _carried(backwards, generic, None)
        part = slice(first, last)
        _, found[part] = _carried(jacobians[part], start, frames[part])
    for row in range(0, n, CHUNK):
        part = slice(row, row + CHUNK)
        sums = np.abs(jacobians[part]) @ np.abs(frames[part])
        noise = ROUNDINGS * np.finfo(np.float64).eps * np.linalg.norm(sums, axis=1)
        with np.errstate(divide="ignore"):
            found[part] = np.log(np.where(found[part] > noise, found[part], 0.0))
    return found


def _carried(
    jacobians: FloatArray, start: FloatArray, frames: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Carry directions along; the last ones, moduli (n, m); frames before each step are filled."""
    reduce: Any = lapack.dgeqrf
    expand: Any = lapack.dorgqr
    n, m = jacobians.shape[:2]
    sizes: FloatArray = np.empty((n, m))
    frame = start
    for t in range(n):
        if frames is not None:
            frames[t] = frame
        factors, scalars, _, _ = reduce(jacobians[t] @ frame)
        sizes[t] = factors.diagonal()
        frame = expand(factors, scalars, overwrite_a=1)[0]
    return frame, np.abs(sizes)


def log_moduli(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Logs of the moduli of all eigenvalues, largest first, and their derivatives.

    Parameters
    ----------
    matrix : ndarray, shape (m, m)

    Returns
    -------
    values : ndarray, shape (m,)
        A complex pair counts twice; ``-inf`` for eigenvalues that are zero but for rounding.
    slopes : ndarray, shape (m, m * m)
        By the cells of the matrix; NaN for repeated eigenvalues and for zero.
    """
    found = arrays.roots(matrix)
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(found.values))
    slopes = arrays.polar_slopes(found.values, found.slopes.reshape(len(logs), -1))[:, 0]
    times = np.where(found.values.imag > 0.0, 2, 1)
    return np.repeat(logs, times), np.repeat(slopes, times, axis=0)


class Dimension(NamedTuple):
    """Kaplan-Yorke dimension and its derivatives by the exponents, (m,)."""

    value: float
    slopes: FloatArray


def kaplan_yorke(exponents: FloatArray) -> Dimension:
    """Dimension of an attractor from its exponents.

    Parameters
    ----------
    exponents : ndarray, shape (m,)
        Largest first; ``-inf`` may be among them.

    Returns
    -------
    Dimension
        ``j + (e_1 + ... + e_j) / |e_{j+1}|`` with j the largest number of exponents whose sum is
        not negative; zero where the first is negative, m where the sum of all is not.
    """
    m = len(exponents)
    slopes: FloatArray = np.zeros(m)
    if np.isnan(exponents).any():
        return Dimension(np.nan, np.full(m, np.nan))
    sums = np.cumsum(exponents)
    count = int(np.argmax(sums < 0.0)) if (sums < 0.0).any() else m
    if count in (0, m):
        return Dimension(float(count), slopes)
    total, next_one = float(sums[count - 1]), float(exponents[count])
    slopes[:count] = -1.0 / next_one
    slopes[count] = 0.0 if next_one == -np.inf else total / next_one**2
    return Dimension(count - total / next_one, slopes)


@dataclass(frozen=True, eq=False)
class Growth:
    """Growth rates a row of orthogonal directions, and how each row and the estimates move them.

    Attributes
    ----------
    rates : ndarray, shape (m,)
        Largest first.
    stretch : ndarray, shape (k, m)
        Of the rows that are counted; one row, the rates, where a matrix gives them.
    rows : ndarray, shape (n, m), or None
        Influence of each row, with mean `rates`; None where a matrix gives the rates.
    cov : ndarray, shape (m, m)
        Covariance that comes on top: that of a closed form, or of estimates from other rows.
    """

    rates: FloatArray
    stretch: FloatArray
    rows: FloatArray | None
    cov: FloatArray

    @property
    def closed(self) -> bool:
        """Whether the rates are the logs of the eigenvalues of a matrix."""
        return self.rows is None

    def standard_error(
        self, weights: FloatArray, method: ErrorMethod = "batch_means"
    ) -> StandardError:
        """Standard error of a weighted sum of the rates.

        Parameters
        ----------
        weights : ndarray, shape (m,)
        method : {"batch_means", "shintani_linton"}
            Of the variance over rows.

        Returns
        -------
        StandardError
            Zero for a known matrix; NaN for fewer than 16 rows, and for rates that are not finite.
        """
        used = weights != 0.0
        if not np.isfinite(self.rates[used]).all() or not np.isfinite(weights).all():
            return StandardError(np.nan)
        cov = self.cov[np.ix_(used, used)]
        extra = float(weights[used] @ cov @ weights[used])
        within = StandardError(0.0)
        if self.rows is not None and used.any():
            values = self.rows[:, used] @ weights[used]
            means = batch_means if method == "batch_means" else kernel_mean
            within = means(values).standard_error
        return within.plus(extra)

    def standard_errors(self, method: ErrorMethod = "batch_means") -> list[StandardError]:
        """Standard errors of the rates.

        Parameters
        ----------
        method : {"batch_means", "shintani_linton"}

        Returns
        -------
        list of StandardError
            One a rate.
        """
        return [self.standard_error(one, method) for one in np.eye(len(self.rates))]


def kept_rows(offsets: IntArray, burn: int) -> BoolArray:
    """Rows that are not the first ones of their sequence.

    Parameters
    ----------
    offsets : ndarray of int, shape (sequences + 1,)
    burn : int
        How many are left out in each sequence.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    kept = np.ones(int(offsets[-1]), dtype=np.bool_)
    for first in offsets[:-1]:
        kept[int(first) : int(first) + burn] = False
    return kept


def shared_jacobian(trajectory: Trajectory, kept: BoolArray) -> FloatArray | None:
    """Matrix that moves the state in all rows that count, if there is one.

    Parameters
    ----------
    trajectory : Trajectory
    kept : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray, shape (m, m), or None
        None where Jacobians differ by more than 1e-13 of the largest cell, and where there is one
        row only, which does not tell what moves the others.
    """
    first: FloatArray = trajectory.state[int(np.argmax(kept))]
    if trajectory.constant:
        return first
    if np.count_nonzero(kept) == 1:
        return None
    size = float(np.abs(first).max(initial=0.0))
    for row in range(0, len(kept), CHUNK):
        part = slice(row, row + CHUNK)
        away = np.abs(trajectory.state[part][kept[part]] - first)
        if float(away.max(initial=0.0)) > SAME * size:
            return None
    return first


def growth_of(recurrence: Recurrence, given: Given | None, burn: int) -> Growth:
    """Measure how directions grow along a recurrence.

    Parameters
    ----------
    recurrence : Recurrence
    given : {"inputs", "shocks"} or None
        See `Recurrence.trajectory`.
    burn : int
        Rows left out at the start of each sequence.

    Returns
    -------
    Growth
    """
    trajectory = recurrence.trajectory(given)
    kept = kept_rows(trajectory.offsets, burn)
    matrix = shared_jacobian(trajectory, kept)
    if matrix is not None:
        return _closed_form(recurrence, given, matrix, int(np.argmax(kept)))
    rows = stretches(trajectory.state, trajectory.offsets)[kept]
    order = np.argsort(-rows.mean(axis=0), kind="stable")
    rows = rows[:, order]
    rates = rows.mean(axis=0)
    finite = np.isfinite(rates)

    def means(there: Recurrence) -> FloatArray:
        moved = there.trajectory(given)
        found = stretches(moved.state, moved.offsets)[kept][:, order].mean(axis=0)
        return np.where(finite & np.isfinite(found), found, 0.0)

    none: FloatArray = np.zeros((len(rates), len(rates)))
    slopes = recurrence.slopes(means) if finite.any() else None
    if slopes is None:
        return Growth(rates, rows, rows, none)
    influence = recurrence.influence()
    if influence is None:
        return Growth(rates, rows, rows, np.atleast_2d(recurrence.spread(slopes)))
    told = recurrence.told(slopes)
    added = np.where(told, influence @ np.where(told[:, None], slopes, 0.0).T, np.nan)
    return Growth(rates, rows, spread_out(rows, kept) + added, none)


def spread_out(rows: FloatArray, kept: BoolArray) -> FloatArray:
    """Rows of the kept ones among all, so that mean and error over all are those over the kept.

    Parameters
    ----------
    rows : ndarray, shape (k, m)
    kept : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray, shape (n, m)
    """
    with np.errstate(invalid="ignore"):
        means = rows.mean(axis=0)
        away = (rows - means) * (len(kept) / len(rows))
        found: FloatArray = np.tile(means, (len(kept), 1))
        found[kept] += away
    return found


def _closed_form(
    recurrence: Recurrence, given: Given | None, matrix: FloatArray, row: int
) -> Growth:
    """Rates of one matrix, with delta-method covariance."""
    rates, by_cell = log_moduli(matrix)

    def cells(there: Recurrence) -> FloatArray:
        return np.asarray(there.trajectory(given).state[row], dtype=np.float64).ravel()

    cov: FloatArray = np.zeros((len(rates), len(rates)))
    slopes = recurrence.slopes(cells)
    if slopes is not None and slopes.any():
        lost: BoolArray = np.asarray(np.isnan(by_cell).any(axis=1))
        total = np.where(lost[:, None], 0.0, by_cell) @ slopes
        cov = np.atleast_2d(recurrence.spread(total)).copy()
        cov[lost], cov[:, lost] = np.nan, np.nan
    return Growth(rates, rates[None], None, cov)
