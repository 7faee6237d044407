"""The fixed-interval smoother: states, noises and lag-one covariances.

The vector x = (h_t, eta_{t+1}, eps_t) has, before row t is seen, a covariance with factor
``B = diag(P^{1/2}, J)``; seeing the row projects out what it determines, and what follows acts
through ``h_{t+1} = W x + c``, W = [T R 0]. So the smoothed covariance is
``B (I - Omega) (I - C'N C) (I - Omega) B'`` with ``C = W B (I - Omega)``, a product that stays
positive semi-definite where the textbook's ``P - P N P`` does not.

References
----------
Durbin and Koopman (2012), sections 4.4 to 4.7 and 5.7.3; de Jong, P. (1989), Smoothing and
interpolation with the state-space model, JASA 84.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from rnnstats.kernels.outputs import SmootherOutput
from rnnstats.kernels.reference.adjoint import FixedDelta, settle
from rnnstats.kernels.reference.algebra import (
    RANK_TOLERANCE,
    psd_factor,
    solve_upper,
    symmetric,
)
from rnnstats.kernels.reference.filter import Model, Step, kalman_filter, unpack
from rnnstats.kernels.system import StateSpace


class Smoothed(NamedTuple):
    """Mean (k,), covariance (k, k) and null columns (k, d) of some vector, given the sample."""

    mean: NDArray[Any]
    cov: NDArray[Any]
    unknown: NDArray[Any]


class Ahead(NamedTuple):
    """Adjoints r_t, columns [data | A W | A null], (m, 1 + rank + d), and N_t, (m, m)."""

    r: NDArray[Any]
    N: NDArray[Any]


def kalman_smoother(system: StateSpace, endog: NDArray[np.float64]) -> SmootherOutput:
    """Run the fixed-interval smoother.

    Parameters
    ----------
    system : StateSpace
    endog : ndarray, shape (nobs, k_endog)
        NaN is missing.

    Returns
    -------
    SmootherOutput

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
    """
    n, p = endog.shape
    m, r = system.k_states, system.k_posdef
    filtered = kalman_filter(system, endog)
    model = unpack(system, n)
    fixed = settle(system, model, endog)
    rank = fixed.factor.shape[1]
    steps = _with_null_columns(model, fixed, endog)
    state, state_cov, autocov = np.zeros((n, m)), np.zeros((n, m, m)), np.full((n, m, m), np.nan)
    obs_noise, obs_noise_cov = np.zeros((n, p)), np.zeros((n, p, p))
    noise, noise_cov_ = np.zeros((n, r)), np.zeros((n, r, r))
    estimator, estimator_cov = np.zeros((n, m)), np.zeros((n, m, m))
    onward = np.hstack([model.T, model.R, np.zeros((m, p))])
    ahead = Ahead(np.zeros((m, steps[0].columns.shape[1])), np.zeros((m, m)))
    for t in range(n - 1, -1, -1):
        full = _smooth_row(model, steps[t], ahead, onward, rank)
        state[t], state_cov[t] = _part(full, slice(0, m))
        obs_noise[t], obs_noise_cov[t] = _part(full, slice(m + r, m + r + p))
        if t + 1 < n:
            noise[t + 1], noise_cov_[t + 1] = _part(full, slice(m, m + r))
            autocov[t + 1] = _lag_one(full, onward, m)
        ahead = _step_back(model, steps[t], ahead)
        estimator[t] = ahead.r[:, 0]
        by_delta = ahead.r[:, 1 : 1 + rank]
        estimator_cov[t] = symmetric(ahead.N - by_delta @ by_delta.T)
    noise[0], noise_cov_[0] = _first_noise(system, model, fixed, ahead)
    return SmootherOutput(
        filtered, state, state_cov, autocov, obs_noise, obs_noise_cov, noise, noise_cov_,
        estimator, estimator_cov,
    )  # fmt: skip


def _with_null_columns(model: Model, fixed: FixedDelta, endog: NDArray[np.float64]) -> list[Step]:
    """Append the columns A (I - S S^+), which the sample says nothing about."""
    if not fixed.null.any():
        return fixed.steps
    columns = fixed.start.predicted.columns[:, 1:] @ fixed.null
    steps = []
    for step in fixed.steps:
        Z = model.Z[step.seen]
        zeros = np.zeros((step.seen.size, columns.shape[1]))
        steps.append(
            step._replace(
                columns=np.hstack([step.columns, columns]),
                innovation=np.hstack([step.innovation, zeros]),
                white=np.hstack([step.white, zeros]),
            )
        )
        columns = (model.T - step.gain @ Z) @ columns
    return steps


def _smooth_row(
    model: Model, step: Step, ahead: Ahead, onward: NDArray[Any], rank: int
) -> Smoothed:
    m, r, p = model.T.shape[0], model.R.shape[1], model.Z.shape[0]
    assert model.noise_factor is not None
    prior = block_diag(psd_factor(step.cov), model.noise_factor)
    seeing = np.hstack([model.Z, np.zeros((p, r)), np.eye(p)])[step.seen]
    cross = prior @ (seeing @ prior).T
    basis = np.linalg.qr((seeing @ prior).T)[0]
    posterior = prior - (prior @ basis) @ basis.T
    loading = onward @ posterior
    values, vectors = np.linalg.eigh(symmetric(np.eye(m + r + p) - loading.T @ ahead.N @ loading))
    half = (posterior @ vectors) * np.sqrt(np.clip(values, 0.0, None))
    moved = cross @ solve_upper(step.chol, step.white) + posterior @ (loading.T @ ahead.r)
    moved[:m] += step.columns
    by_delta = moved[:, 1 : 1 + rank]
    return Smoothed(moved[:, 0], half @ half.T + by_delta @ by_delta.T, moved[:, 1 + rank :])


def _step_back(model: Model, step: Step, ahead: Ahead) -> Ahead:
    """r_{t-1} = Z'(F^-1 v - K'r) + T'r, N_{t-1} = Z'F^-1 Z + L'N L."""
    Z, K = model.Z[step.seen], step.gain
    u = solve_upper(step.chol, step.white) - K.T @ ahead.r
    half = np.linalg.solve(step.chol, Z)
    L = model.T - K @ Z
    N = symmetric(half.T @ half + L.T @ ahead.N @ L)
    return Ahead(Z.T @ u + model.T.T @ ahead.r, N)


def _part(full: Smoothed, which: slice) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and covariance of some elements."""
    unknown = full.unknown[which]
    return full.mean[which], _infinite(full.cov[which, which], unknown, unknown)


def _lag_one(full: Smoothed, onward: NDArray[Any], m: int) -> NDArray[Any]:
    cov = onward @ full.cov[:, :m]
    return _infinite(cov, onward @ full.unknown, full.unknown[:m])


def _infinite(cov: NDArray[Any], left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Put infinity where the sample leaves a diffuse part."""
    if not left.size:
        return cov
    diffuse = left @ right.T
    scale = max(float(np.abs(left).max()) * float(np.abs(right).max()), np.finfo(float).tiny)
    where = np.abs(diffuse) > RANK_TOLERANCE * scale
    return np.where(where, np.copysign(np.inf, diffuse), cov)


def _first_noise(
    system: StateSpace, model: Model, fixed: FixedDelta, ahead: Ahead
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Moments of eta_1, the noise of the step into the first row."""
    r = system.k_posdef
    if system.first_step == "none":
        return np.zeros(r), model.Q
    if system.first_step == "noiseless":
        return np.zeros(r), np.zeros((r, r))
    half = psd_factor(model.Q)
    loading = model.R @ half
    rank = fixed.factor.shape[1]
    values, vectors = np.linalg.eigh(symmetric(np.eye(r) - loading.T @ ahead.N @ loading))
    root = (half @ vectors) * np.sqrt(np.clip(values, 0.0, None))
    moved = half @ (loading.T @ ahead.r)
    by_delta = moved[:, 1 : 1 + rank]
    unknown = moved[:, 1 + rank :]
    return moved[:, 0], _infinite(root @ root.T + by_delta @ by_delta.T, unknown, unknown)
