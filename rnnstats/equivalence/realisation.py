"""Algebra of systems in innovations form, on arrays.

A system is ``h_t = A h_{t-1} + K e_{t-1}``, ``z_t = C h_t + e_t`` with ``e_t ~ N(0, Sigma)``;
A (n, n), C (p, n), K (n, p), Sigma (p, p), z (nobs, p).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

__all__ = [
    "Realisation",
    "clip_roots",
    "damp_gain",
    "echelon_rows",
    "innovations_of",
    "invertible_twin",
    "leak",
    "observer_rows",
    "reduce_responses",
    "scale_roots",
    "spectral_radius",
    "to_echelon",
]

FloatArray = NDArray[np.float64]


class Realisation(NamedTuple):
    """Matrices of a system in innovations form."""

    a: FloatArray
    c: FloatArray
    k: FloatArray


def spectral_radius(matrix: FloatArray) -> float:
    """Largest modulus of an eigenvalue; inf if the matrix is not finite."""
    if not np.all(np.isfinite(matrix)):
        return float("inf")
    return float(np.max(np.abs(np.linalg.eigvals(matrix)), initial=0.0))


def leak(root: complex, drive: NDArray[np.inexact]) -> NDArray[np.inexact]:
    """Run ``s_t = root * s_{t-1} + drive_t`` from rest along the first axis of ``drive``.

    The recursion is a bidiagonal linear system, solved by LAPACK.
    """
    real = np.isrealobj(root) and np.isrealobj(drive)
    solve = scipy.linalg.lapack.dtbtrs if real else scipy.linalg.lapack.ztbtrs
    bands = np.full((2, len(drive)), -root)
    out: NDArray[np.inexact] = solve(bands, drive.reshape(len(drive), -1), uplo="L", diag="U")[0]
    return out.reshape(drive.shape)


def innovations_of(system: Realisation, z: FloatArray) -> FloatArray:
    """One-step errors of a system started at rest, shape (nobs, p).

    Parameters
    ----------
    system : Realisation
        With ``A - K C`` stable, otherwise the errors grow.
    z : ndarray, shape (nobs, p)
        Complete data with mean zero.

    Notes
    -----
    ``h_t = (A - K C) h_{t-1} + K z_{t-1}`` is run along eigenvectors, as scalar recursions; a
    matrix without a sound basis of eigenvectors is stepped through row by row.
    """
    a, c, k = system
    closed = a - k @ c
    roots, vectors = np.linalg.eig(closed)
    if np.linalg.cond(vectors) < 1e7:
        drive = z[:-1] @ np.linalg.solve(vectors, k.astype(vectors.dtype)).T
        modes = np.zeros((len(z), len(roots)), dtype=vectors.dtype)
        for j, root in enumerate(roots):
            modes[1:, j] = leak(root, drive[:, j])
        out: FloatArray = z - np.real(modes @ (c @ vectors).T)
        return out
    state = np.zeros(len(a))
    errors = np.empty_like(z)
    for t, row in enumerate(z):
        errors[t] = row - c @ state
        state = a @ state + k @ errors[t]
    return errors


def echelon_rows(system: Realisation, kronecker: tuple[int, ...]) -> FloatArray | None:
    """Change of state to echelon form: the rows of the observability matrix that are the state.

    Parameters
    ----------
    system : Realisation
    kronecker : tuple of int
        The state becomes, chain by chain, the forecasts of output i at leads
        0 .. kronecker[i] - 1.

    Returns
    -------
    ndarray, shape (n, n), or None
        None where these forecasts do not span the state (the indices do not fit the system).
    """
    rows: list[FloatArray] = []
    for i, chain in enumerate(kronecker):
        row = system.c[i]
        for _ in range(chain):
            rows.append(row)
            row = row @ system.a
    basis = np.array(rows)
    if not np.all(np.isfinite(basis)) or np.linalg.cond(basis) > 1e9:
        return None
    return basis


def to_echelon(system: Realisation, kronecker: tuple[int, ...]) -> Realisation | None:
    """Put a system into echelon coordinates, see `echelon_rows`; None where it has none."""
    basis = echelon_rows(system, kronecker)
    if basis is None:
        return None
    inverse = np.linalg.inv(basis)
    return Realisation(basis @ system.a @ inverse, system.c @ inverse, basis @ system.k)


def observer_rows(system: Realisation, lags: int) -> FloatArray | None:
    """Change of state to observer form, where AR and MA coefficients can be read off.

    Parameters
    ----------
    system : Realisation
        With ``lags * p`` states and all Kronecker indices equal to ``lags``.
    lags : int

    Returns
    -------
    ndarray, shape (n, n), or None
        Rows T: the state ``T h_t`` stacks ``s_1, ..., s_lags`` with ``y_t = s_1 + e_t`` and
        ``s_l(t) = A_l s_1(t-1) + s_(l+1)(t-1) + (A_l + M_l) e_(t-1)`` for the VARMA coefficients
        A and M. None where forecasts up to lead ``lags - 1`` do not span the state.

    Notes
    -----
    With x_j the forecast of y at lead j made one step earlier, ``s_l = x_(l-1) - sum_(i<l) A_i
    x_(l-1-i)`` (Luetkepohl 2005, sec. 11.6; Hamilton 1994, sec. 13.1).
    """
    a, c, _ = system
    p = len(c)
    leads = [c]
    for _ in range(lags - 1):
        leads.append(leads[-1] @ a)
    basis = np.vstack(leads)
    if not np.all(np.isfinite(basis)) or np.linalg.cond(basis) > 1e9:
        return None
    ahead = np.linalg.solve(basis.T, (leads[-1] @ a).T).T  # x_lags = sum_j ahead_j x_j
    ar = [ahead[:, (lags - i) * p : (lags - i + 1) * p] for i in range(1, lags + 1)]
    rows = [leads[j] - sum((ar[i] @ leads[j - 1 - i] for i in range(j)), 0.0) for j in range(lags)]
    out: FloatArray = np.vstack(rows)
    return out


def clip_roots(matrix: FloatArray, limit: float) -> FloatArray:
    """Move eigenvalues of modulus above ``limit`` onto it, leaving the eigenvectors alone."""
    roots, vectors = np.linalg.eig(matrix)
    size = np.abs(roots)
    if np.all(size <= limit):
        return matrix
    if np.linalg.cond(vectors) > 1e10:
        out: FloatArray = matrix * (limit / size.max())
        return out
    clipped = roots * np.minimum(1.0, limit / np.maximum(size, 1e-300))
    out = np.real(np.linalg.solve(vectors.T, (vectors * clipped).T).T)
    return out


def scale_roots(system: Realisation, kronecker: tuple[int, ...], limit: float) -> Realisation:
    """Bring all roots of an echelon system to at most ``limit`` by one common factor.

    The coefficient of a free row at lag l is multiplied by ``factor ** l``, which multiplies
    every root by ``factor`` and keeps each zero where it is.
    """
    a, c, k = system
    radius = spectral_radius(a)
    if radius <= limit or not np.isfinite(radius):
        return system
    factor = limit / radius
    a = a.copy()
    leads = np.concatenate([np.arange(chain) for chain in kronecker])
    for i, chain in enumerate(kronecker):
        if chain:
            last = sum(kronecker[: i + 1]) - 1
            a[last] *= factor ** (chain - leads)
    return Realisation(a, c, k)


def damp_gain(system: Realisation, limit: float) -> Realisation:
    """Shrink K until ``A - K C`` has no root beyond ``limit`` (A itself being inside)."""
    a, c, k = system
    for share in (1.0, 0.97, 0.93, 0.85, 0.75, 0.6, 0.4, 0.2):
        if spectral_radius(a - share * (k @ c)) <= limit:
            return Realisation(a, c, share * k)
    return Realisation(a, c, np.zeros_like(k))


def invertible_twin(
    system: Realisation, sigma: FloatArray
) -> tuple[Realisation, FloatArray] | None:
    """Return the invertible system with the same autocovariances.

    Parameters
    ----------
    system : Realisation
        Stationary, with some eigenvalue of ``A - K C`` outside the unit circle.
    sigma : ndarray, shape (p, p)

    Returns
    -------
    (Realisation, ndarray) or None
        Gain and innovation covariance of the steady-state filter; None where the Riccati equation
        has no stabilising solution (a root on the unit circle).

    Notes
    -----
    Anderson and Moore (1979), sec. 9.4: the stabilising solution of ``P = A P A' + K Sigma K' -
    (A P C' + K Sigma) F^-1 (A P C' + K Sigma)'`` with ``F = C P C' + Sigma``.
    """
    a, c, k = system
    noise = k @ sigma
    try:
        with np.errstate(invalid="ignore"):  # balancing of scipy's, where scales overflow
            cov = scipy.linalg.solve_discrete_are(a.T, c.T, noise @ k.T, sigma, s=noise)
    except (np.linalg.LinAlgError, ValueError):
        return None
    errors = c @ cov @ c.T + sigma
    gain = np.linalg.solve(errors, (a @ cov @ c.T + noise).T).T
    twin = Realisation(a, c, np.asarray(gain, dtype=np.float64))
    if not np.all(np.isfinite(gain)) or spectral_radius(a - gain @ c) > 1.0 + 1e-8:
        return None
    return twin, 0.5 * (errors + errors.T)


def reduce_responses(responses: FloatArray, n: int, factor: FloatArray) -> Realisation | None:
    """System of n states nearest to given impulse responses (Ho and Kalman; Kung 1978).

    Parameters
    ----------
    responses : ndarray, shape (2 * f, p, p)
        Responses at leads 1 .. 2 f.
    n : int
        Number of states, at most ``(f - 1) * p``.
    factor : ndarray, shape (p, p)
        Square root of the innovation covariance; the Hankel matrix is standardised by it.

    Returns
    -------
    Realisation or None
    """
    f, p = len(responses) // 2, responses.shape[1]
    if n > (f - 1) * p:
        return None
    inverse = np.linalg.inv(factor)
    scaled = inverse @ responses @ factor
    hankel = np.block([[scaled[i + j] for j in range(f)] for i in range(f)])
    left, size, right = np.linalg.svd(hankel)
    if size[n - 1] <= 1e-10 * max(size[0], 1e-300):
        return None
    observe = left[:, :n] * np.sqrt(size[:n])
    reach = np.sqrt(size[:n])[:, None] * right[:n]
    a = np.linalg.lstsq(observe[:-p], observe[p:], rcond=None)[0]
    return Realisation(a, factor @ observe[:p], reach[:, :p] @ inverse)
