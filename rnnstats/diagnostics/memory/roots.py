"""Roots of a linear recurrence: at which rate its memory fades in the long run, and how it turns.

For ``h_t = A h_{t-1} + ...`` the gradient of a later state with respect to an earlier one,
dh_{t+k}/dh_t, is A^k. The eigenvalues of A (its roots) say at which rate these products vanish or
explode and how fast they turn. Everything here takes and returns arrays and knows neither models
nor parameters.

References
----------
Hamilton (1994), Time Series Analysis, chapter 1; Magnus (1985), Econometric Theory 1, 179-191
(derivatives of eigenvalues).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

__all__ = [
    "MEASURES",
    "Roots",
    "measure_slopes",
    "measures",
    "polar_slopes",
    "roots",
    "tau_interval",
]

MEASURES = ("modulus", "tau", "half_life", "period", "damping")
# Roots closer than this share of the matrix's norm count as one. Rounding splits a double root by
# the square root of eps, 1.5e-8 of the norm, and its two vectors are orthogonal to about that.
REPEATED = 1e-7
# A simple root counts as zero below this share of what its cells, and their roundings, add to it.
ROUNDING = 8.0 * float(np.finfo(np.float64).eps)
# Cells beyond which (and below whose inverse) eigenvalues come back from LAPACK in another unit.
HUGE = 1e100


@dataclass(frozen=True, slots=True, eq=False)
class Roots:
    """Eigenvalues of a real matrix, the largest first, complex pairs once.

    Attributes
    ----------
    values : ndarray of shape (q,), complex
        Imaginary parts are not negative. Exactly zero where they are zero but for rounding.
    slopes : ndarray of shape (q, m, m), complex
        Derivative of each root by each cell of the matrix; NaN for a repeated root, which has none.
    simple : ndarray of shape (q,), bool
        False for repeated roots, defective or not.
    """

    values: ComplexArray
    slopes: ComplexArray
    simple: NDArray[np.bool_]


def roots(matrix: FloatArray) -> Roots:
    """
    Eigenvalues of a real matrix with their derivatives.

    Parameters
    ----------
    matrix : ndarray of shape (m, m)

    Returns
    -------
    Roots

    Notes
    -----
    With right vector v and left vector u of a simple root, its derivative by the cell (i, j) is
    conj(u_i) v_j / u^H v (Magnus 1985, theorem 2). A root counts as repeated when another lies
    within 1e-7 of the norm, or when u and v are orthogonal to 1e-7 (a defective root that rounding
    has split).
    """
    largest = float(np.abs(matrix).max(initial=0.0))
    unit = largest if largest > 0.0 and not 1.0 / HUGE < largest < HUGE else 1.0
    decomposition: Any = linalg.eig(matrix / unit, left=True, right=True)
    every: ComplexArray = np.array(decomposition[0] * unit, dtype=np.complex128)
    left, right = decomposition[1:]
    size = float(np.linalg.norm(matrix, 2)) if matrix.size else 0.0
    inner = np.einsum("iq,iq->q", left.conj(), right)
    gap = np.abs(every[:, None] - every[None, :])
    np.fill_diagonal(gap, np.inf)
    nearest = gap.min(axis=1, initial=np.inf)
    simple = (nearest > REPEATED * size) & (np.abs(inner) > REPEATED)
    slopes = np.full((every.size, *matrix.shape), np.nan, dtype=np.complex128)
    for q in np.flatnonzero(simple):
        slopes[q] = np.outer(left[:, q].conj(), right[:, q]) / inner[q]
        if np.abs(every[q]) <= ROUNDING * float((np.abs(slopes[q]) * np.abs(matrix)).sum()):
            every[q] = 0.0
    listed = np.flatnonzero(every.imag >= 0.0)
    order = listed[np.lexsort((-every.real[listed], -np.abs(every[listed])))]
    return Roots(every[order].astype(np.complex128), slopes[order], simple[order])


def measures(values: ComplexArray) -> dict[str, FloatArray]:
    """
    Measures of memory of each root, in steps.

    Parameters
    ----------
    values : ndarray of shape (q,), complex
        Roots with imaginary part not negative.

    Returns
    -------
    dict of ndarray of shape (q,)
        ``modulus`` r = |root|; ``tau`` = -1 / ln r, the steps in which a disturbance falls to 1/e
        (0 for a root of zero, infinite on the unit circle, negative outside: minus the steps in
        which it grows e-fold); ``half_life`` = tau ln 2; ``period`` = 2 pi / angle, 2 for a
        negative real root, infinite for a positive one, NaN for zero; ``damping`` = -ln r /
        |ln root|, the damping ratio: 1 for a positive root below one (no oscillation), 0 for an
        oscillation that never dies, negative for one that grows, NaN at a root of exactly one.

    Notes
    -----
    Hamilton (1994), section 1.2; the damping ratio is that of the continuous second-order system
    with poles ln root.
    """
    r, angle = np.abs(values), np.abs(np.angle(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.log(r)
        tau = np.where(rate == 0.0, np.inf, -1.0 / rate)
        period = np.where(r == 0.0, np.nan, 2.0 * np.pi / angle)
        damping = np.where(r == 0.0, 1.0, -rate / np.hypot(rate, angle))
    tau = np.where(r == 0.0, 0.0, tau)
    found = (r, tau, np.log(2.0) * tau, period, damping)
    return dict(zip(MEASURES, found, strict=True))


def measure_slopes(values: ComplexArray) -> dict[str, FloatArray]:
    """
    Derivatives of `measures` by the log modulus and by the angle of the root.

    Parameters
    ----------
    values : ndarray of shape (q,), complex

    Returns
    -------
    dict of ndarray of shape (q, 2)
        Not finite where the measure is not.
    """
    r, angle = np.abs(values), np.abs(np.angle(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.log(r)
        tau = 1.0 / rate**2
        period = -2.0 * np.pi / angle**2
        cube = np.hypot(rate, angle) ** 3
        damping = (-(angle**2) / cube, rate * angle / cube)
    nothing = np.zeros_like(r)
    pairs = ((r, nothing), (tau, nothing), (np.log(2.0) * tau, nothing), (nothing, period), damping)
    return {name: np.stack(pair, axis=1) for name, pair in zip(MEASURES, pairs, strict=True)}


def tau_interval(tau: FloatArray, error: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """
    Intervals of time constants of roots: those of the moduli, turned.

    Parameters
    ----------
    tau : ndarray of shape (q,)
        Time constants, in rows.
    error : ndarray of shape (q,)
        Their standard errors, zero where nothing is estimated.
    width : float
        Quantile of the interval.

    Returns
    -------
    lower : ndarray of shape (q,)
    upper : ndarray of shape (q,)
        -1 / ln of ``r - width s`` and ``r + width s`` with the modulus r = exp(-1 / tau) and its
        standard error s. Zero where the modulus may be zero, infinite where it may be one; NaN
        for roots that do not decay.

    Notes
    -----
    The modulus of an autoregression is nearly normal in samples in which tau and ln tau are not:
    with 200 rows, a coefficient of 0.9 and a constant, intervals of 95 % hold the time constant in
    93 % of samples, those symmetric in ln tau in 88 %.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        decays = (tau > 0.0) & np.isfinite(tau)
        r = np.exp(-1.0 / np.where(decays, tau, np.nan))
        reach = width * r * error / np.where(decays, tau, np.nan) ** 2
        low, high = np.maximum(r - reach, 0.0), np.minimum(r + reach, 1.0)
        lower = np.where(low > 0.0, -1.0 / np.log(low), np.where(np.isnan(low), np.nan, 0.0))
        upper = np.where(high < 1.0, -1.0 / np.log(high), np.where(np.isnan(high), np.nan, np.inf))
    fixed = decays & (error == 0.0)
    return np.where(fixed, tau, lower), np.where(fixed, tau, upper)


def polar_slopes(values: ComplexArray, slopes: ComplexArray) -> FloatArray:
    """
    Derivatives of log modulus and angle of each root from those of the root.

    Parameters
    ----------
    values : ndarray of shape (q,), complex
        Roots with imaginary part not negative.
    slopes : ndarray of shape (q, K), complex
        Derivatives of the roots by K quantities.

    Returns
    -------
    ndarray of shape (q, 2, K)
        Real and imaginary part of d(root) / root; NaN for a root of zero.
    """
    safe = np.where(values == 0.0, np.nan, values)
    with np.errstate(invalid="ignore"):
        relative = slopes / safe[:, None]
    return np.stack([relative.real, relative.imag], axis=1)
