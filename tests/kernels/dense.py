"""The same model as one joint normal distribution: the oracle without recursions.

All randomness is stacked as sources ``(h_0, eta_1..eta_n, eps_1..eps_n)``; outputs and states are
linear in them and in the diffuse delta.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnstats.kernels.system import StateSpace


class Linear(NamedTuple):
    """A stacked vector ``mean + load @ sources + diffuse @ delta``."""

    mean: Any
    load: Any
    diffuse: Any


class Dense(NamedTuple):
    """States (n m), state noises (n r), output noises (n p), outputs (n p); source covariance."""

    states: Linear
    state_noise: Linear
    obs_noise: Linear
    outputs: Linear
    cov: Any


def kronecker_lyapunov(transition: Any, noise_cov: Any) -> Any:
    """P = T P T' + W by one linear solve."""
    m = transition.shape[0]
    flat = np.linalg.solve(np.eye(m * m) - np.kron(transition, transition), noise_cov.ravel())
    return flat.reshape(m, m)


def build(system: StateSpace, nobs: int) -> Dense:
    """Write the model down as a joint distribution. Complex input is allowed."""
    p, m, r = system.k_endog, system.k_states, system.k_posdef
    Z, T, R = system.design, system.transition, system.selection
    Q, H, S = system.state_cov, system.obs_cov, system.cross_cov
    d = np.broadcast_to(system.obs_intercept, (nobs, p))
    c = np.broadcast_to(system.state_intercept, (nobs, m))
    dtype = np.result_type(Z, d, c)
    size = m + nobs * (r + p)
    cov = np.zeros((size, size), dtype=dtype)
    A = np.eye(m)[:, system.initial_diffuse.real > 0]
    mean, initial_cov = system.initial_mean, system.initial_cov
    if system.start == "stationary":
        mean = np.linalg.solve(np.eye(m) - T, c[0])
        initial_cov = kronecker_lyapunov(T, R @ Q @ R.T)
    cov[:m, :m] = initial_cov
    for t in range(nobs):
        eta = slice(m + t * r, m + (t + 1) * r)
        eps = slice(m + nobs * r + t * p, m + nobs * r + (t + 1) * p)
        cov[eta, eta], cov[eps, eps] = Q, H
        if system.first_step == "noiseless" and t == 0:
            cov[eta, eta] = 0.0
        if t + 1 < nobs:
            ahead = slice(eta.stop, eta.stop + r)
            cov[ahead, eps], cov[eps, ahead] = S, S.T
    h, load, diffuse = mean, np.eye(m, size, dtype=dtype), A
    identity = np.eye(size)
    rows: list[list[Any]] = [[], [], [], []]
    for t in range(nobs):
        eta = slice(m + t * r, m + (t + 1) * r)
        eps = slice(m + nobs * r + t * p, m + nobs * r + (t + 1) * p)
        if not (t == 0 and system.first_step == "none"):
            h, load, diffuse = T @ h + c[t], T @ load + R @ identity[eta], T @ diffuse
        none = np.zeros((r, A.shape[1])), np.zeros((p, A.shape[1]))
        rows[0].append((h, load, diffuse))
        rows[1].append((np.zeros(r), identity[eta], none[0]))
        rows[2].append((np.zeros(p), identity[eps], none[1]))
        rows[3].append((Z @ h + d[t], Z @ load + identity[eps], Z @ diffuse))
    stacked = [Linear(*(np.concatenate(part) for part in zip(*row, strict=True))) for row in rows]
    return Dense(*stacked, cov)


def loglike(system: StateSpace, endog: np.ndarray) -> float:
    """Joint normal log-density; with a diffuse start the limit, by orthogonal contrasts.

    With X = Q1 (..) and Q2 orthogonal to X, ``|V + kappa X X'|`` is for large kappa ``kappa^rank
    pdet(X X') |Q2' V Q2|``, and the quadratic form that of ``Q2' y``.
    """
    dense = build(system, endog.shape[0])
    seen = np.flatnonzero(~np.isnan(endog.ravel()))
    residual = endog.ravel()[seen] - dense.outputs.mean[seen]
    load, X = dense.outputs.load[seen], dense.outputs.diffuse[seen]
    V = load @ dense.cov @ load.T
    total = seen.size * np.log(2.0 * np.pi)
    if X.shape[1]:
        U, values, _ = np.linalg.svd(X)
        rank = int((values > 1e-9 * values[0]).sum()) if values.size else 0
        total += 2.0 * np.log(values[:rank]).sum()
        V, residual = U[:, rank:].T @ V @ U[:, rank:], U[:, rank:].T @ residual
    total += np.linalg.slogdet(V)[1] + residual @ np.linalg.solve(V, residual)
    return float(-0.5 * total)


def conditional(system: StateSpace, endog: np.ndarray, which: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a stacked vector given the sample (delta by generalised LS).

    A finite unit prior variance of delta is added to the diffuse one, which changes nothing and
    keeps the covariance of the outputs regular.
    """
    dense = build(system, endog.shape[0])
    seen = np.flatnonzero(~np.isnan(endog.ravel()))
    residual = endog.ravel()[seen] - dense.outputs.mean[seen]
    load, X = dense.outputs.load[seen], dense.outputs.diffuse[seen]
    target: Linear = getattr(dense, which)
    V = load @ dense.cov @ load.T + X @ X.T
    cross = target.load @ dense.cov @ load.T + target.diffuse @ X.T
    own = target.load @ dense.cov @ target.load.T + target.diffuse @ target.diffuse.T
    gain = np.linalg.solve(V, cross.T).T
    S = X.T @ np.linalg.solve(V, X)
    delta = np.linalg.solve(S, X.T @ np.linalg.solve(V, residual)) if X.shape[1] else np.zeros(0)
    left = target.diffuse - gain @ X
    mean = target.mean + target.diffuse @ delta + gain @ (residual - X @ delta)
    cov = own - gain @ cross.T
    if X.shape[1]:
        cov = cov + left @ np.linalg.solve(S, left.T)
    return mean, cov
