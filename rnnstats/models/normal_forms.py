"""One point for each set of points that data cannot tell apart. Functions only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import kalman
from rnnstats.parameters.cells import CellTable

__all__ = ["balanced", "signed"]

FloatArray = NDArray[np.float64]
STEPS = 50


def signed(table: CellTable, theta: FloatArray, factors: int) -> FloatArray:
    """Turn the sign of factors whose leading loading is negative.

    Parameters
    ----------
    table : CellTable
        Of the factor form.
    theta : ndarray, shape (K,)
    factors : int

    Returns
    -------
    ndarray, shape (K,)
    """
    full = table.fill(theta)
    a, c, x = (table.array(full, name) for name in ("transition", "design", "C_state"))
    lead = np.diag(c[:factors, :factors])
    sign = np.tile(np.where(lead < 0.0, -1.0, 1.0), table.k_states // factors)
    arrays = {
        "transition": sign[:, None] * a * sign,
        "design": c * sign,
        "C_state": x * sign,
        "obs_cov": table.array(full, "obs_cov"),
        "C_obs": table.array(full, "C_obs"),
    }
    return table.read(arrays)


def balanced(table: CellTable, theta: FloatArray, *, stationary: bool) -> FloatArray:
    """Put the free form into a basis of unit variance in which observability is diagonal.

    Where there are more states than outputs, one part of the state's variance may be moved between
    ``state_cov`` and the past (Faurre 1976): with a stationary start it is moved so that
    ``state_cov`` has the largest determinant, away from the border.

    Parameters
    ----------
    table : CellTable
        Of the free form.
    theta : ndarray, shape (K,)
    stationary : bool
        Whether the start is; otherwise the noise, not the state, gets unit variance.

    Returns
    -------
    ndarray, shape (K,)
        The same likelihood; states with the strongest effect first, signs by the first output.
    """
    full = table.fill(theta)
    a, c, q, x = (
        table.array(full, name) for name in ("transition", "design", "state_cov", "C_state")
    )
    if stationary and len(a) > len(c):
        q = _central(a, c, q)
    basis = np.linalg.cholesky(kalman.stationary_covariance(a, q) if stationary else q)
    turned = np.linalg.solve(basis, a @ basis)
    loading = c @ basis
    scale = np.sqrt(np.diag(table.array(full, "obs_cov") + loading @ loading.T))
    white = loading / scale[:, None]
    calm = turned * min(1.0, 0.995 / max(float(np.abs(np.linalg.eigvals(turned)).max()), 1e-300))
    seen = kalman.stationary_covariance(np.ascontiguousarray(calm.T), white.T @ white)
    rotation = np.linalg.eigh(seen)[1][:, ::-1]
    rotation = rotation * np.where((loading @ rotation)[0] < 0.0, -1.0, 1.0)
    change = basis @ rotation
    noise = np.linalg.solve(change, np.linalg.solve(change, q).T)
    arrays = {
        "transition": rotation.T @ turned @ rotation,
        "design": loading @ rotation,
        "state_cov": 0.5 * (noise + noise.T),
        "C_state": np.linalg.solve(change, x.T).T,
        "obs_cov": table.array(full, "obs_cov"),
        "C_obs": table.array(full, "C_obs"),
    }
    return table.read(arrays)


def _central(a: FloatArray, c: FloatArray, q: FloatArray) -> FloatArray:
    """State noise of largest determinant among those of the same second moments.

    With ``P`` the state's variance, ``P + N S N'`` (``C N = 0``) gives the outputs the same moments
    and the noise ``q + N S N' - A N S N' A'``. Its log-determinant is concave in S: Newton.
    """
    n, p = len(a), len(c)
    null = np.linalg.svd(c)[2][p:].T
    rows, columns = np.tril_indices(n - p)
    pieces = []
    for i, j in zip(rows, columns, strict=True):
        unit = np.zeros((n - p, n - p))
        unit[i, j] = unit[j, i] = 1.0
        outer = null @ unit @ null.T
        pieces.append(outer - a @ outer @ a.T)
    directions = np.array(pieces)
    place = np.zeros(len(directions))
    height = float(np.linalg.slogdet(q)[1])
    for _ in range(STEPS):
        noise = q + np.tensordot(place, directions, 1)
        white = np.linalg.solve(noise, directions)
        slope = np.trace(white, axis1=1, axis2=2)
        curve = np.einsum("aij,bji->ab", white, white)
        step = np.linalg.lstsq(curve, slope, rcond=1e-12)[0]
        gain, share = float(slope @ step), 1.0
        while share > 1e-10:
            sign, value = np.linalg.slogdet(q + np.tensordot(place + share * step, directions, 1))
            definite = sign > 0.0 and _definite(q, directions, place + share * step)
            if definite and value > height:
                break
            share *= 0.5
        if share <= 1e-10 or gain < 1e-20:
            break
        place, height = place + share * step, float(value)
        if gain < 1e-16:
            break
    noise = q + np.tensordot(place, directions, 1)
    return np.asarray(0.5 * (noise + noise.T), dtype=np.float64)


def _definite(q: FloatArray, directions: FloatArray, place: FloatArray) -> bool:
    noise = q + np.tensordot(place, directions, 1)
    return bool(np.linalg.eigvalsh(0.5 * (noise + noise.T))[0] > 0.0)
