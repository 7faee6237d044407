"""How long a recurrence remembers: its roots, and the singular values of its Jacobian products.

For a linear recurrence ``h_t = A h_{t-1} + ...`` the gradient of a later state with respect to an
earlier one, dh_{t+k}/dh_t, is A^k. The eigenvalues of A (its roots) say at which rate these
products vanish or explode in the long run and how fast they turn; the singular values of A^k say by
how much they stretch or shrink at each lag, transients included. Everything here takes and returns
arrays and knows neither models nor parameters.

References
----------
Hamilton (1994), Time Series Analysis, chapter 1; Pascanu, Mikolov and Bengio (2013), On the
difficulty of training recurrent neural networks, ICML, section 2; Magnus (1985), Econometric Theory
1, 179-191 (derivatives of eigenvalues).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

__all__ = [
    "MEASURES",
    "Roots",
    "log_singular_values",
    "measure_slopes",
    "measures",
    "polar_slopes",
    "roots",
]

MEASURES = ("modulus", "tau", "half_life", "period", "damping")
# Roots closer than this share of the matrix's norm count as one. Rounding splits a double root by
# the square root of eps, 1.5e-8 of the norm, and its two vectors are orthogonal to about that.
REPEATED = 1e-7
# One-sided rotations stop when all rows are orthogonal to rounding; 6 to 10 sweeps do it.
SWEEPS = 40
# Lags treated at a time, so that memory does not grow with their number.
CHUNK = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Roots:
    """Eigenvalues of a real matrix, the largest first, complex pairs once.

    Attributes
    ----------
    values : ndarray of shape (q,), complex
        Imaginary parts are not negative.
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
    decomposition: Any = linalg.eig(matrix, left=True, right=True)
    every, left, right = decomposition
    size = float(np.linalg.norm(matrix, 2)) if matrix.size else 0.0
    inner = np.einsum("iq,iq->q", left.conj(), right)
    gap = np.abs(every[:, None] - every[None, :])
    np.fill_diagonal(gap, np.inf)
    nearest = gap.min(axis=1, initial=np.inf)
    simple = (nearest > REPEATED * size) & (np.abs(inner) > REPEATED)
    slopes = np.full((every.size, *matrix.shape), np.nan, dtype=np.complex128)
    for q in np.flatnonzero(simple):
        slopes[q] = np.outer(left[:, q].conj(), right[:, q]) / inner[q]
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


def log_singular_values(matrix: FloatArray, steps: int) -> FloatArray:
    """
    Logarithms of all singular values of the powers of a matrix.

    Parameters
    ----------
    matrix : ndarray of shape (m, m)
    steps : int
        Highest power.

    Returns
    -------
    ndarray of shape (steps + 1, m)
        Row k belongs to the k-th power, largest first; ``-inf`` for zero. No power is formed, so
        that 1e5 of them neither overflow nor lose the small values beside the large ones.

    Notes
    -----
    In Schur form with roots in falling order of modulus the powers are triangular matrices
    whose rows fall apart in size. They are kept as a row of unit length and a log scale each, and
    doubled: power k + K from k and K. Rotations of pairs of rows (Hestenes; Demmel and Veselić
    1992, SIAM J. Matrix Anal. Appl. 13, 1204-1245) then make the rows orthogonal, in the same
    scaled form; the accuracy depends on the unit rows alone, not on the scales.
    """
    m = matrix.shape[0]
    result = np.zeros((steps + 1, m))
    if steps == 0 or m == 0:
        return result
    rows, scales = _power_rows(_ordered_schur(matrix), steps)
    for first in range(0, steps, CHUNK):
        part = slice(first, min(first + CHUNK, steps))
        result[1:][part] = _row_singular_values(rows[part], scales[part])
    return result


def _ordered_schur(matrix: FloatArray) -> ComplexArray:
    """Complex Schur form with the moduli of the diagonal falling (selection sort by exchanges)."""
    form, vectors = linalg.schur(matrix, output="complex")
    for place in range(form.shape[0] - 1):
        largest = place + int(np.argmax(np.abs(np.diagonal(form))[place:]))
        if largest > place:
            form, vectors, _ = lapack.ztrexc(form, vectors, largest + 1, place + 1)
    return np.asarray(np.triu(form), dtype=np.complex128)


def _power_rows(form: ComplexArray, steps: int) -> tuple[ComplexArray, FloatArray]:
    """Powers 1 to `steps` of a triangular matrix: unit rows (steps, m, m), log scales."""
    start = np.zeros((1, form.shape[0]))
    rows, scales = _unit_rows(form[None], start)
    while rows.shape[0] < steps:
        more = min(rows.shape[0], steps - rows.shape[0])
        with np.errstate(divide="ignore"):
            sizes = np.log(np.abs(rows[:more])) + scales[-1]
        top = sizes.max(axis=2, keepdims=True)
        top = np.where(np.isfinite(top), top, 0.0)
        weights = np.exp(sizes - top + 1j * np.angle(rows[:more]))
        weights = np.where(np.isneginf(sizes), 0.0, weights)
        new = _unit_rows(weights @ rows[-1], scales[:more] + top[:, :, 0])
        rows, scales = np.concatenate([rows, new[0]]), np.concatenate([scales, new[1]])
    return rows, scales


def _unit_rows(rows: ComplexArray, scales: FloatArray) -> tuple[ComplexArray, FloatArray]:
    """Bring rows to length 1 and add the logs of their lengths to the scales; zero stays zero."""
    length = np.linalg.norm(rows, axis=2)
    with np.errstate(divide="ignore"):
        logs = scales + np.log(length)
    return rows / np.where(length > 0.0, length, 1.0)[:, :, None], logs


def _row_singular_values(rows: ComplexArray, scales: FloatArray) -> FloatArray:
    """Log singular values of matrices given as unit rows and log scales, largest first."""
    m = rows.shape[1]
    enough = 4.0 * m * float(np.finfo(np.float64).eps)
    x, logs = rows.copy(), scales.copy()
    for _ in range(SWEEPS):
        largest = 0.0
        for i in range(m - 1):
            for j in range(i + 1, m):
                largest = max(largest, _rotate(x, logs, i, j))
        if largest <= enough:
            break
    return -np.sort(-logs, axis=1)


def _rotate(x: ComplexArray, logs: FloatArray, i: int, j: int) -> float:
    """Make rows i and j orthogonal, in place; return the largest cosine found.

    With the longer row a, the shorter one b made to have a real cosine g with it, and ratio rho of
    their lengths: b' = c (b + w a), a' = c (a - rho^2 w b), each in units of its own length, with
    w = sign(z) / (|z| + sqrt(rho^2 + z^2)), z = (rho^2 - 1) / (2 g), c = (1 + rho^2 w^2)^(-1/2).
    """
    swap = logs[:, i] < logs[:, j]
    a = np.where(swap[:, None], x[:, j], x[:, i])
    b = np.where(swap[:, None], x[:, i], x[:, j])
    long_, short = np.where(swap, logs[:, j], logs[:, i]), np.where(swap, logs[:, i], logs[:, j])
    product = np.einsum("nk,nk->n", a.conj(), b)
    g = np.abs(product)
    turned = g > 0.0
    if not turned.any():
        return 0.0
    phase = np.where(turned, product.conj() / np.where(turned, g, 1.0), 1.0)
    rho = np.exp(np.where(turned, short - np.where(turned, long_, 0.0), -np.inf))
    z = (rho**2 - 1.0) / (2.0 * np.where(turned, g, 1.0))
    w = np.where(z >= 0.0, 1.0, -1.0) / (np.abs(z) + np.hypot(rho, z))
    w = np.where(turned, w, 0.0)
    c = 1.0 / np.sqrt(1.0 + (rho * w) ** 2)
    b = phase[:, None] * b
    new_a = c[:, None] * (a - (rho**2 * w)[:, None] * b)
    new_b = c[:, None] * (b + w[:, None] * a)
    pair, scales = _unit_rows(np.stack([new_a, new_b], axis=1), np.stack([long_, short], axis=1))
    x[:, i], x[:, j], logs[:, i], logs[:, j] = pair[:, 0], pair[:, 1], scales[:, 0], scales[:, 1]
    return float(g.max())
