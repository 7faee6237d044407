"""The exact score by the adjoint (backward) recursion.

``r`` is the adjoint of a_{t+1} and ``G = (rr' - N) / 2`` that of P_{t+1}. With a diffuse start the
outer products are sums over columns: the data column at the generalised least squares delta, and
the columns of ``A S^{-1/2}`` with data of zero, whose squares carry the derivative of log|S|.

References
----------
Koopman, S. J. and Shephard, N. (1992), Exact score for time series models in state space form,
Biometrika 79; Durbin and Koopman (2012), section 7.3.3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.reference.algebra import pseudo_inverse, solve_upper, stationary_covariance
from rnnstats.kernels.reference.filter import (
    Begin,
    Model,
    Step,
    begin,
    delta_hat,
    forward,
    loglike,
    unpack,
)
from rnnstats.kernels.system import StateSpace, SystemGradient


class Bar(NamedTuple):
    """Derivatives with respect to the arrays, filled in place while the sum runs."""

    Z: NDArray[Any]
    H: NDArray[Any]
    T: NDArray[Any]
    R: NDArray[Any]
    Q: NDArray[Any]
    S: NDArray[Any]
    d: NDArray[Any]
    c: NDArray[Any]


class FixedDelta(NamedTuple):
    """The augmented pass with delta settled.

    Attributes
    ----------
    steps : list of Step
        Columns are [at delta-hat | A W] with W W' = S^+; c has been added to no column.
    start : Begin
    delta : ndarray, shape (d,)
        delta-hat, shift included.
    factor : ndarray, shape (d, rank)
        W.
    null : ndarray, shape (d, d)
        I - S S^+.
    """

    steps: list[Step]
    start: Begin
    delta: NDArray[Any]
    factor: NDArray[Any]
    null: NDArray[Any]


def settle(system: StateSpace, model: Model, endog: NDArray[np.float64]) -> FixedDelta:
    """Run the augmented filter over the sample and put delta-hat and S^{-1/2} into it."""
    start = begin(system, model, endog)
    steps = list(forward(model, endog, start.predicted))
    size = start.predicted.columns.shape[1]
    gram = np.zeros((size, size))
    for step in steps:
        gram = gram + step.white.T @ step.white
    information = pseudo_inverse(gram[1:, 1:])
    beyond = delta_hat(gram)
    mix = np.zeros((size, 1 + information.rank))
    mix[0, 0] = 1.0
    mix[1:, 0] = beyond
    mix[1:, 1:] = information.factor
    settled = [
        step._replace(
            columns=step.columns @ mix,
            innovation=step.innovation @ mix,
            white=step.white @ mix,
        )
        for step in steps
    ]
    return FixedDelta(settled, start, start.shift + beyond, information.factor, information.null)


def score(system: StateSpace, endog: NDArray[np.float64]) -> tuple[float, SystemGradient]:
    """Log-likelihood and its exact derivatives with respect to every array.

    Parameters
    ----------
    system : StateSpace
    endog : ndarray, shape (nobs, k_endog)
        NaN is missing.

    Returns
    -------
    llf : float
    gradient : SystemGradient

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
    """
    n = endog.shape[0]
    model = unpack(system, n)
    fixed = settle(system, model, endog)
    bar = Bar(*(np.zeros(a.shape) for a in model[:8]))
    size = 1 + fixed.factor.shape[1]
    r, N = np.zeros((system.k_states, size)), np.zeros_like(model.T)
    for t in range(n - 1, -1, -1):
        if t + 1 < n:
            bar.c[t + 1] += r[:, 0]
        r, N = _step_back(model, fixed.steps[t], bar, t, r, N)
    initial = _start_back(system, model, fixed, bar, r, (r @ r.T - N) / 2.0)
    buffer = np.concatenate(
        [a.ravel() for a in (bar.Z, bar.H, bar.T, bar.R, bar.Q, bar.S, *initial)]
    )
    d = bar.d if system.obs_intercept.ndim == 2 else bar.d.sum(axis=0)
    c = bar.c if system.state_intercept.ndim == 2 else bar.c.sum(axis=0)
    gradient = SystemGradient(system.k_endog, system.k_states, system.k_posdef, buffer, d, c)
    return float(loglike(system, endog)), gradient


def _step_back(
    model: Model, step: Step, bar: Bar, t: int, r: NDArray[Any], N: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    Z, T, R, Q, S = model.Z[step.seen], model.T, model.R, model.Q, model.S[:, step.seen]
    K, a, P, seen = step.gain, step.columns, step.cov, step.seen
    F_inv = solve_upper(step.chol, np.linalg.inv(step.chol))
    u = solve_upper(step.chol, step.white) - K.T @ r
    D = F_inv + K.T @ N @ K
    G = (r @ r.T - N) / 2.0
    M_bar = r @ u.T + N @ K
    on_F = u @ u.T - D
    bar.H[np.ix_(seen, seen)] += on_F / 2.0
    bar.S[:, seen] += R.T @ M_bar
    bar.Q[...] += R.T @ G @ R
    bar.R[...] += 2.0 * G @ R @ Q + M_bar @ S.T
    bar.d[t, seen] += u[:, 0]
    bar.T[...] += r @ a.T + 2.0 * G @ T @ P + M_bar @ Z @ P
    bar.Z[seen] += u @ a.T + on_F @ Z @ P + M_bar.T @ T @ P
    L = T - K @ Z
    return Z.T @ u + T.T @ r, Z.T @ F_inv @ Z + L.T @ N @ L


def _start_back(
    system: StateSpace, model: Model, fixed: FixedDelta, bar: Bar, r: NDArray[Any], G: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Chain from (a_1, P_1, A) back to the start; fills bar, returns the initial parts."""
    T, R, Q, m = model.T, model.R, model.Q, system.k_states
    zero = np.zeros(m), np.zeros((m, m)), np.zeros(m)
    if system.start == "stationary":
        mean = fixed.start.predicted.columns[:, 0]
        X = stationary_covariance(T.T, G)
        on_mean = np.linalg.solve((np.eye(m) - T).T, r[:, 0])
        bar.T[...] += 2.0 * X @ T @ fixed.start.predicted.cov + np.outer(on_mean, mean)
        bar.R[...] += 2.0 * X @ R @ Q
        bar.Q[...] += R.T @ X @ R
        bar.c[0] += on_mean
        return zero
    # What a diffuse state starts from is exactly without influence.
    proper = np.where(system.initial_diffuse > 0.0, 0.0, 1.0)
    both = np.outer(proper, proper)
    if system.first_step == "none":
        return proper * r[:, 0], both * G, zero[2]
    diffuse = np.eye(m)[:, system.initial_diffuse > 0.0]
    scaled = (T @ diffuse) * fixed.start.scale
    on_A = r[:, 1:] @ fixed.factor.T + np.outer(r[:, 0], fixed.delta) + 2.0 * G @ scaled
    bar.T[...] += on_A @ diffuse.T
    bar.T[...] += np.outer(r[:, 0], system.initial_mean) + 2.0 * G @ T @ system.initial_cov
    bar.c[0] += r[:, 0]
    if system.first_step == "noisy":
        bar.R[...] += 2.0 * G @ R @ Q
        bar.Q[...] += R.T @ G @ R
    return proper * (T.T @ r[:, 0]), both * (T.T @ G @ T), zero[2]
