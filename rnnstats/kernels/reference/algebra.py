"""Linear algebra that is analytic, so that a complex step passes through.

Nothing here takes an absolute value or a conjugate of a *value*; decisions (pivots, ranks,
stopping) look at real parts.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError

EPS: Final = float(np.finfo(np.float64).eps)
RANK_TOLERANCE: Final = 1e-10  # reciprocal condition of the scaled information on a diffuse start
_MAX_DOUBLINGS: Final = 64


def symmetric(a: NDArray[Any]) -> NDArray[Any]:
    """Return the symmetric part, of a matrix or of a stack of them."""
    return np.asarray((a + a.swapaxes(-1, -2)) / 2.0)


def cholesky(a: NDArray[Any], period: int) -> NDArray[Any]:
    """Lower triangular L with L L' = a (transpose, not conjugate transpose).

    Parameters
    ----------
    a : ndarray, shape (n, n)
        Symmetric; the lower triangle is read.
    period : int
        Row of the data, for the message.

    Returns
    -------
    ndarray, shape (n, n)

    Raises
    ------
    NotPositiveDefiniteError
        Where a pivot is not above rounding, n eps times its diagonal element.
    """
    n = a.shape[0]
    lower = np.zeros_like(a)
    for j in range(n):
        pivot = a[j, j] - lower[j, :j] @ lower[j, :j]
        if not pivot.real > n * EPS * a[j, j].real:
            raise NotPositiveDefiniteError(
                "Kalman filter: the covariance of the forecast error must be positive definite; "
                f"got, in row {period} of the data, a pivot of {float(pivot.real):.3g} on a "
                f"diagonal element of {float(a[j, j].real):.3g}. Give outputs that determine each "
                "other some noise of their own, or leave one of them out.",
                period=period,
            )
        lower[j, j] = np.sqrt(pivot)
        lower[j + 1 :, j] = (a[j + 1 :, j] - lower[j + 1 :, :j] @ lower[j, :j]) / lower[j, j]
    return lower


def solve_lower(lower: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """L^-1 b."""
    if lower.shape[0] == 0:
        return b
    return np.asarray(solve_triangular(lower, b, lower=True, check_finite=False))


def solve_upper(lower: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """L'^-1 b."""
    if lower.shape[0] == 0:
        return b
    return np.asarray(solve_triangular(lower, b, lower=True, trans="T", check_finite=False))


def psd_factor(a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square A with A A' = a. Real only.

    Eigenvalues of the matrix scaled to unit diagonal that are below rounding are taken as zero, so
    that what is determined exactly (noise shared by state and output) stays so.
    """
    scale = np.sqrt(np.clip(np.diag(a), 0.0, None))
    safe = np.where(scale > 0.0, scale, 1.0)
    values, vectors = np.linalg.eigh(a / np.outer(safe, safe))
    kept = np.where(values > a.shape[0] * EPS, values, 0.0)
    return np.asarray(scale[:, None] * (vectors * np.sqrt(kept)))


def psd_part(a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a matrix without the negative eigenvalues that rounding has left. Real only."""
    factor = psd_factor(symmetric(a))
    return factor @ factor.T


class PseudoInverse(NamedTuple):
    """A positive semi-definite S = L L' of some rank, seen through its range.

    Attributes
    ----------
    factor : ndarray, shape (d, rank)
        W with W W' = S^+.
    null : ndarray, shape (d, d)
        Projector on the null space, I - S S^+.
    log_det : complex or float
        Logarithm of the product of the non-zero eigenvalues.
    rank : int
    """

    factor: NDArray[Any]
    null: NDArray[Any]
    log_det: Any
    rank: int


def pseudo_inverse(a: NDArray[Any]) -> PseudoInverse:
    """Pseudo-inverse of a positive semi-definite matrix by pivoted Cholesky, analytic in it.

    Parameters
    ----------
    a : ndarray, shape (d, d)
        The rank is the number of pivots of ``a``, scaled to unit diagonal, above
        `RANK_TOLERANCE`.

    Returns
    -------
    PseudoInverse
    """
    d = a.shape[0]
    scale = np.sqrt(np.where(np.diag(a).real > 0.0, np.diag(a), 1.0))
    rest = a / np.outer(scale, scale)
    columns: list[NDArray[Any]] = []
    for _ in range(d):
        j = int(np.argmax(np.diag(rest).real))
        if not rest[j, j].real > RANK_TOLERANCE:
            break
        column = rest[:, j] / np.sqrt(rest[j, j])
        rest = rest - np.outer(column, column)
        columns.append(scale * column)
    root = np.array(columns, dtype=a.dtype).reshape(len(columns), d).T
    rank = root.shape[1]
    if rank == d:
        factor = np.linalg.inv(root).T
        det = np.linalg.det(root)
        return PseudoInverse(factor, np.zeros_like(a), np.log(det * det), rank)
    gram = root.T @ root
    factor = root @ np.linalg.inv(gram)
    return PseudoInverse(factor, np.eye(d) - root @ factor.T, np.log(np.linalg.det(gram)), rank)


def check_stationary(transition: NDArray[Any]) -> None:
    """Raise NotStationaryError when an eigenvalue is on or outside the unit circle."""
    radius = float(np.abs(np.linalg.eigvals(transition.real)).max())
    if not radius < 1.0:
        raise NotStationaryError(
            "Stationary start: every eigenvalue of transition must lie inside the unit circle; "
            f"got a largest modulus of {radius:.10g}. Use a diffuse or a given start."
        )


def stationary_covariance(transition: NDArray[Any], noise_cov: NDArray[Any]) -> NDArray[Any]:
    """Solve P = T P T' + W by doubling.

    ``P_k = sum of T^j W T'^j for j < 2^k`` obeys ``P_{k+1} = P_k + A_k P_k A_k'``, ``A_{k+1} =
    A_k^2``: every step adds something positive semi-definite, so P is.

    Parameters
    ----------
    transition : ndarray, shape (m, m)
        T, with every eigenvalue inside the unit circle.
    noise_cov : ndarray, shape (m, m)
        W, symmetric.

    Returns
    -------
    ndarray, shape (m, m)

    Raises
    ------
    NotStationaryError
        Where an eigenvalue of T is on or outside the unit circle.

    References
    ----------
    Anderson, B. D. O. and Moore, J. B. (1979), Optimal Filtering, section 6.7.
    """
    check_stationary(transition)
    power, total = transition, noise_cov
    for _ in range(_MAX_DOUBLINGS):
        total = symmetric(total + power @ total @ power.T)
        power = power @ power
        if np.abs(power).max() < 1e-30:
            return total
    raise NotStationaryError(
        "Stationary start: the covariance must exist; got a transition with a root too close to "
        "the unit circle to sum its series. Use a diffuse or a given start."
    )
