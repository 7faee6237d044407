"""Responses, autocovariances, spectrum and roots of vector ARMA models."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_int, is_symmetric
from rnnstats.equivalence.order import project, projection
from rnnstats.equivalence.polynomials import checked_lags, from_polynomials
from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.equivalence.riccati import solve_stein
from rnnstats.errors import NotStationaryError, SpecificationError

__all__ = [
    "ar_roots",
    "autocovariances",
    "impulse_responses",
    "ma_roots",
    "sorted_roots",
    "spectrum",
    "zero_size",
]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def impulse_responses(ar: ArrayLike, ma: ArrayLike, steps: int) -> FloatArray:
    """Responses to a unit error, ``Psi_0 = I, Psi_1, ...`` of the moving-average representation.

    Parameters
    ----------
    ar, ma : array_like, shape (q, p, p) and (r, p, p)
    steps : int

    Returns
    -------
    ndarray, shape (steps + 1, p, p)
        ``[j, a, b]``: of output a, j rows after a unit error of output b.

    Raises
    ------
    SpecificationError
        Shapes that do not fit, or `steps` is negative.

    References
    ----------
    Luetkepohl (2005), eq. 11.3.3.
    """
    count = check_int(steps, name="steps", caller="impulse_responses", minimum=0)
    a, m = checked_lags(ar, ma, caller="impulse_responses")
    p = a.shape[1]
    psi = np.zeros((count + 1, p, p))
    psi[0] = np.eye(p)
    for j in range(1, count + 1):
        if j <= len(m):
            psi[j] = m[j - 1]
        for i in range(1, min(j, len(a)) + 1):
            psi[j] += a[i - 1] @ psi[j - i]
    return psi


def autocovariances(ar: ArrayLike, ma: ArrayLike, sigma_u: ArrayLike, nlags: int) -> FloatArray:
    """Autocovariances ``E y_t y_{t-j}'`` of a stationary vector ARMA process, exactly.

    Parameters
    ----------
    ar, ma : array_like, shape (q, p, p) and (r, p, p)
    sigma_u : array_like, shape (p, p)
        Covariance of the errors.
    nlags : int
        Largest lag.

    Returns
    -------
    ndarray, shape (nlags + 1, p, p)

    Raises
    ------
    NotStationaryError
        An autoregressive root on or outside the unit circle.
    SpecificationError
        Shapes that do not fit.

    Notes
    -----
    From the Stein equation of the state's covariance (Luetkepohl 2005, sec. 2.1.4, 11.4).
    """
    count = check_int(nlags, name="nlags", caller="autocovariances", minimum=0)
    a, m = checked_lags(ar, ma, caller="autocovariances")
    system = from_polynomials(a, m)
    sigma = _covariance(sigma_u, a.shape[1], "autocovariances")
    radius = spectral_radius(system.transition)
    if not radius < 1.0:
        raise NotStationaryError(
            "autocovariances: every autoregressive root must lie inside the unit circle; got "
            f"modulus {radius:.8g}. Use impulse_responses, or difference the series."
        )
    # in balanced coordinates: large coefficients that nearly cancel would spoil the observer form
    sizes = np.sqrt(np.diagonal(sigma))
    part, _ = projection(system, scale=np.where(sizes > 0.0, sizes, 1.0))
    transition, design, gain = project(system, part)[:3]
    noise = gain @ sigma
    state = solve_stein(transition, noise @ gain.T)
    out = np.empty((count + 1, *sigma.shape))
    out[0] = design @ state @ design.T + sigma
    column = transition @ state @ design.T + noise
    for j in range(1, count + 1):
        out[j] = design @ column
        column = transition @ column
    out[0] = 0.5 * (out[0] + out[0].T)
    return out


def _covariance(sigma_u: ArrayLike, p: int, caller: str) -> FloatArray:
    sigma = np.asarray(sigma_u, dtype=np.float64)
    sigma = sigma.reshape(1, 1) if sigma.size == 1 else sigma
    if sigma.shape != (p, p) or not is_symmetric(sigma) or (np.diagonal(sigma) < 0.0).any():
        raise SpecificationError(
            f"{caller}: sigma_u must be a symmetric matrix of shape {(p, p)}; got shape "
            f"{np.shape(sigma_u)}. Give the covariance of the errors."
        )
    return sigma


def spectrum(
    ar: ArrayLike, ma: ArrayLike, sigma_u: ArrayLike, frequencies: ArrayLike
) -> ComplexArray:
    """Spectral density matrix, per radian.

    Parameters
    ----------
    ar, ma : array_like, shape (q, p, p) and (r, p, p)
    sigma_u : array_like, shape (p, p)
    frequencies : array_like, shape (m,)
        In radians per row, from -pi to pi.

    Returns
    -------
    ndarray of complex, shape (m, p, p)
        ``f(w) = Psi(e^-iw) Sigma Psi(e^-iw)* / (2 pi)``; its integral from -pi to pi is the
        covariance of the series. Multiply by 2 pi for a density per cycle.

    Raises
    ------
    SpecificationError
        Shapes that do not fit, or a frequency at which an autoregressive root on the unit circle
        makes the density infinite.

    References
    ----------
    Brockwell and Davis (1991), Time Series: Theory and Methods, eq. 11.8.4.
    """
    a, m = checked_lags(ar, ma, caller="spectrum")
    p = a.shape[1]
    sigma = _covariance(sigma_u, p, "spectrum")
    w = np.atleast_1d(np.asarray(frequencies, dtype=np.float64))
    if w.ndim != 1 or not np.isfinite(w).all():
        raise SpecificationError(
            "spectrum: frequencies must be a list of finite numbers, in radians per row; got shape "
            f"{w.shape}. For example np.linspace(0, np.pi, 100)."
        )
    left = np.eye(p) - _at(a, w)
    right = np.eye(p) + _at(m, w)
    sizes = np.linalg.svd(left, compute_uv=False)
    bad = np.flatnonzero(sizes[:, -1] <= 1e-14 * np.maximum(sizes[:, 0], 1.0))
    if bad.size:
        raise SpecificationError(
            "spectrum: the density must be finite; got a root on the unit circle at frequency "
            f"{w[bad[0]]:.6g}. Leave that frequency out, or difference the series."
        )
    transfer: ComplexArray = np.linalg.inv(left) @ right
    out: ComplexArray = transfer @ sigma @ transfer.conj().swapaxes(1, 2) / (2.0 * np.pi)
    return out


def _at(lags: FloatArray, w: FloatArray) -> ComplexArray:
    """Sum of lags[j - 1] e^(-i j w), shape (m, p, p)."""
    turn = np.exp(-1j * np.outer(w, np.arange(1, len(lags) + 1)))
    out: ComplexArray = np.einsum("wj,jab->wab", turn, lags)
    return out


def ar_roots(ar: ArrayLike, ma: ArrayLike = ()) -> ComplexArray:
    """Autoregressive roots, largest first: inside the unit circle for a stationary model.

    Parameters
    ----------
    ar : array_like, shape (q, p, p)
    ma : array_like, shape (r, p, p), optional
        Says only how many outputs there are where `ar` is empty.

    Returns
    -------
    ndarray of complex
        The inverses of the zeros of det(I - ar_1 z - ...), without those at zero.
    """
    a, _ = checked_lags(ar, ma, caller="ar_roots")
    return _inverse_zeros(-a)


def ma_roots(ma: ArrayLike, ar: ArrayLike = ()) -> ComplexArray:
    """Moving-average roots, largest first: inside the unit circle for an invertible model.

    Parameters
    ----------
    ma : array_like, shape (r, p, p)
    ar : array_like, shape (q, p, p), optional
        Says only how many outputs there are where `ma` is empty.

    Returns
    -------
    ndarray of complex
        The inverses of the zeros of det(I + ma_1 z + ...), without those at zero.
    """
    _, m = checked_lags(ar, ma, caller="ma_roots")
    return _inverse_zeros(m)


def _inverse_zeros(lags: FloatArray) -> ComplexArray:
    """Roots of det(I w^q + lags_1 w^(q-1) + ...) that are not zero."""
    q, p = len(lags), lags.shape[1]
    live = np.flatnonzero(np.abs(lags).max(axis=(1, 2), initial=0.0))
    if not live.size:
        return np.zeros(0, dtype=np.complex128)
    q = int(live[-1]) + 1
    companion = np.eye(q * p, k=p)
    companion[:, :p] = -lags[:q].reshape(-1, p)
    roots = np.linalg.eigvals(companion).astype(np.complex128)
    sizes = np.linalg.svd(lags[q - 1], compute_uv=False)
    if sizes[-1] > 1e-10 * sizes[0]:
        return sorted_roots(roots)
    return sorted_roots(roots[np.abs(roots) > zero_size(companion)])


def zero_size(matrix: FloatArray) -> float:
    """Modulus below which an eigenvalue may be a zero in a Jordan chain, moved by rounding."""
    n = max(len(matrix), 1)
    # a zero root of a chain of n states moves by about eps^(1/n); chains so long do not occur
    return max(float(np.linalg.norm(matrix, 2)), 1.0) * float(2e-16 ** (1.0 / min(n, 4)))


def sorted_roots(roots: NDArray[Any]) -> ComplexArray:
    """Roots by modulus, largest first; of a pair the one with positive imaginary part first."""
    values = np.asarray(roots, dtype=np.complex128)
    order = np.lexsort((-values.imag, -values.real, -np.round(np.abs(values), 12)))
    return values[order]
