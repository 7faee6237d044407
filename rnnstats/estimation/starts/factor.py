"""Starting values of models with noise in state and output: dynamic factors and the free form."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from rnnstats.equivalence.realisation import Realisation, clip_roots, spectral_radius
from rnnstats.estimation.starts.innovations import LIMIT, Candidate
from rnnstats.kernels import kalman

__all__ = ["factor_starts", "free_starts", "rotated", "state_noise"]

FloatArray = NDArray[np.float64]
FLOOR = 1e-3


def factor_starts(
    z: FloatArray, factors: int, lags: int, systems: list[Candidate]
) -> list[Candidate]:
    """Dynamic factors from principal components and from systems in innovations form.

    Parameters
    ----------
    z : ndarray, shape (nobs, p)
        Complete, mean zero.
    factors, lags : int
    systems : list of Candidate
        Innovations forms with ``factors`` states (used where ``lags == 1``).

    Returns
    -------
    list of Candidate
        Unit state noise, V lower triangular, diagonal ``obs_cov``.

    Notes
    -----
    Components of the correlations (Stock and Watson 2002), and of their lagged products, which
    carry no noise without memory (Lam and Yao 2012, Annals of Statistics 40, 694).
    """
    out = []
    for label, weights in _components(z, factors):
        found = _from_components(z, weights, lags)
        if found is not None:
            out.append(Candidate(label, found))
    for start in systems if lags == 1 else []:
        arrays = start.arrays
        system = Realisation(arrays["transition"], arrays["design"], arrays["selection"])
        noise = state_noise(system, arrays["obs_cov"])
        if noise is None:
            continue
        state_cov, obs_cov = noise
        turned = _unit_noise(system.a, system.c, state_cov, factors)
        if turned is not None:
            diagonal = np.diag(np.maximum(np.diag(obs_cov), FLOOR * z.var(axis=0)))
            out.append(Candidate(f"{start.label}, as factors", {**turned, "obs_cov": diagonal}))
    return out


def free_starts(systems: list[Candidate], variance: FloatArray) -> list[Candidate]:
    """Free form from systems in innovations form, in balanced units.

    Parameters
    ----------
    systems : list of Candidate
    variance : ndarray, shape (p,)
        Of the outputs.

    Returns
    -------
    list of Candidate
    """
    out = []
    for start in systems:
        arrays = start.arrays
        system = Realisation(arrays["transition"], arrays["design"], arrays["selection"])
        noise = state_noise(system, arrays["obs_cov"])
        if noise is None:
            continue
        state_cov, obs_cov = noise
        total = kalman.stationary_covariance(system.a, state_cov)
        try:
            factor = np.linalg.cholesky(total)
        except np.linalg.LinAlgError:
            continue
        a, c = np.linalg.solve(factor, system.a @ factor), system.c @ factor
        inner = np.linalg.solve(factor, np.linalg.solve(factor, state_cov).T)
        obs = obs_cov + FLOOR * np.diag(variance)
        noises = {"state_cov": 0.5 * (inner + inner.T), "obs_cov": obs}
        out.append(Candidate(start.label, {"transition": a, "design": c, **noises}))
    return out


def state_noise(system: Realisation, sigma: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """State and output noise, uncorrelated, nearest to a system in innovations form.

    Parameters
    ----------
    system : Realisation
        Stable.
    sigma : ndarray, shape (p, p)
        Innovation covariance.

    Returns
    -------
    (state_cov, obs_cov) or None
        Both positive definite. None where the transition is singular or unstable.

    Notes
    -----
    Faurre (1976): with the state covariance ``P`` of any equivalent system, the noises have
    covariances ``P - A P A'``, ``Gamma_0 - C P C'`` and ``M - A P C'`` with ``M = E h_{t+1} y_t'``.
    The last is zero for ``P C' = A^-1 M``; ``P`` is the matrix with that property nearest to the
    system's own, and what is then not positive definite is lifted.
    """
    a, c, k = system
    if spectral_radius(a) >= 1.0 - 1e-9 or np.linalg.cond(a) > 1e8:
        return None
    own = kalman.stationary_covariance(a, k @ sigma @ k.T)
    cross = a @ own @ c.T + k @ sigma
    variance = c @ own @ c.T + sigma
    gap = np.linalg.solve(a, cross) - own @ c.T
    pinv = np.linalg.pinv(c)
    middle = c @ gap
    change = gap @ pinv.T + pinv @ gap.T - 0.5 * pinv @ (middle + middle.T) @ pinv.T
    total = own + 0.5 * (change + change.T)
    state_cov = _lifted(total - a @ total @ a.T, own - a @ own @ a.T)
    obs_cov = _lifted(variance - c @ total @ c.T, variance)
    return state_cov, obs_cov


def _lifted(cov: FloatArray, scale: FloatArray) -> FloatArray:
    """Lift eigenvalues of a symmetric matrix, in units of a scale matrix, to a small share."""
    size = np.sqrt(np.maximum(np.diag(scale), 1e-12 * max(float(np.trace(scale)), 1e-300)))
    values, vectors = np.linalg.eigh(0.5 * (cov + cov.T) / np.outer(size, size))
    lifted: FloatArray = (vectors * np.maximum(values, 0.05)) @ vectors.T * np.outer(size, size)
    return lifted


def _components(z: FloatArray, factors: int) -> Iterator[tuple[str, FloatArray]]:
    """Weights (p, factors) of components of standardised series."""
    scale = z.std(axis=0).clip(1e-300)
    u = z / scale
    nobs = len(u)
    lagged = [u[lag:].T @ u[: nobs - lag] / nobs for lag in range(min(4, nobs - 1))]
    moments = {
        "principal components": lagged[0],
        "components of lagged products": sum(g @ g.T for g in lagged[1:]),
        "components of lagged products and variances": sum(g @ g.T for g in lagged),
    }
    for label, moment in moments.items():
        _, vectors = np.linalg.eigh(np.asarray(moment))
        yield label, vectors[:, ::-1][:, :factors] / scale[:, None]


def _from_components(z: FloatArray, weights: FloatArray, lags: int) -> dict[str, FloatArray] | None:
    f = z @ weights
    factors, nobs = f.shape[1], len(f)
    if nobs - lags <= factors * lags + 1:
        return None
    past = np.hstack([f[lags - lag : nobs - lag] for lag in range(1, lags + 1)])
    top = np.linalg.lstsq(past, f[lags:], rcond=None)[0].T
    m = factors * lags
    a = np.eye(m, k=-factors)
    a[:factors] = top
    a = clip_roots(a, LIMIT) if lags == 1 else _shrunk(a, factors)
    errors = f[lags:] - past @ a[:factors].T
    state_cov: FloatArray = np.asarray(errors.T @ errors / len(errors), dtype=np.float64)
    loading: FloatArray = np.asarray(np.linalg.lstsq(f, z, rcond=None)[0].T, dtype=np.float64)
    rest = z - f @ loading.T
    turned = _unit_noise(a, loading, state_cov, factors)
    if turned is None:
        return None
    own = np.maximum(rest.var(axis=0), 0.05 * z.var(axis=0))
    return {**turned, "obs_cov": np.diag(own)}


def _shrunk(a: FloatArray, factors: int) -> FloatArray:
    """Bring the roots of a companion matrix inside by powers of a common factor."""
    radius = spectral_radius(a)
    if radius > LIMIT:
        lags = len(a) // factors
        powers = np.repeat((LIMIT / radius) ** np.arange(1, lags + 1), factors)
        a = a.copy()
        a[:factors] *= powers
    return a


def _unit_noise(
    a: FloatArray, loading: FloatArray, state_cov: FloatArray, factors: int
) -> dict[str, FloatArray] | None:
    """Give factors unit noise and a lower triangular loading matrix."""
    try:
        factor: FloatArray = np.asarray(np.linalg.cholesky(state_cov), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    lags = len(a) // factors
    basis = np.kron(np.eye(lags), factor)
    inner: FloatArray = np.asarray(np.linalg.solve(basis, a @ basis), dtype=np.float64)
    return rotated(inner, loading @ factor, factors)


def rotated(a: FloatArray, loading: FloatArray, factors: int) -> dict[str, FloatArray]:
    """Rotate factors with unit noise so that V is lower triangular with a positive diagonal.

    Parameters
    ----------
    a : ndarray, shape (factors * lags, factors * lags)
    loading : ndarray, shape (p, factors)
    factors : int

    Returns
    -------
    dict
        ``transition`` and ``design`` (p, factors * lags).
    """
    turn, lower = scipy.linalg.qr(loading[:factors].T, mode="economic")
    sign = np.where(np.diag(lower) < 0.0, -1.0, 1.0)
    turn = turn * sign
    basis = np.kron(np.eye(len(a) // factors), turn)
    design = np.zeros((len(loading), len(a)))
    design[:, :factors] = loading @ turn
    return {"transition": basis.T @ a @ basis, "design": design}
