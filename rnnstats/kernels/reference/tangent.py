"""Per-observation scores and expected information by tangent (forward) recursions.

Every quantity of the filter is carried with its derivative along k directions (leading axis).
The gain minimises the predicted covariance, so the derivative of Joseph's form needs none of the
gain.

References
----------
Harvey (1989), section 3.4.5 and equation 3.4.69; Durbin and Koopman (2012), section 7.3.3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.reference.algebra import (
    PseudoInverse,
    solve_lower,
    solve_upper,
    stationary_covariance,
    symmetric,
)
from rnnstats.kernels.reference.filter import (
    LOG_2PI,
    Begin,
    Diffuse,
    Model,
    Predicted,
    Step,
    begin,
    log_det,
    observe,
    predict,
    unpack,
)
from rnnstats.kernels.system import StateSpace, Tangents


class Row(NamedTuple):
    """One row with its derivatives, k directions first.

    Attributes
    ----------
    step : Step
    d_innovation : ndarray, shape (k, q, 1 + d)
    d_cov : ndarray, shape (k, q, q)
    d_gram : ndarray, shape (k, 1 + d, 1 + d)
        Derivative of innovation' F^-1 innovation.
    is_diffuse : bool
    """

    step: Step
    d_innovation: NDArray[Any]
    d_cov: NDArray[Any]
    d_gram: NDArray[Any]
    is_diffuse: bool


def transpose(a: NDArray[Any]) -> NDArray[Any]:
    """Transpose of each matrix of a stack."""
    return a.swapaxes(-1, -2)


def twice(a: NDArray[Any]) -> NDArray[Any]:
    """Return a + a' for each matrix of a stack."""
    return np.asarray(a + transpose(a))


class TangentFilter:
    """The filter of one system together with its derivatives along given directions.

    Parameters
    ----------
    system : StateSpace
    endog : ndarray, shape (nobs, k_endog)
    tangents : Tangents
    """

    def __init__(self, system: StateSpace, endog: NDArray[np.float64], tangents: Tangents) -> None:
        self.system, self.endog, self.along = system, endog, tangents
        self.model: Model = unpack(system, endog.shape[0])
        self.begin: Begin = begin(system, self.model, endog)
        self.diffuse = Diffuse(self.begin)
        k, n = len(tangents), endog.shape[0]
        d, c = tangents.obs_intercept, tangents.state_intercept
        self.d_obs = d if d.ndim == 3 else np.broadcast_to(d[:, None], (k, n, d.shape[-1]))
        self.d_state = c if c.ndim == 3 else np.broadcast_to(c[:, None], (k, n, c.shape[-1]))
        self.state = self.begin.predicted
        self.d_columns, self.d_cov = self._start()
        size = self.state.columns.shape[1]
        self.d_gram = np.zeros((k, size, size))

    def _start(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Derivatives of [a_1, A] and P_1."""
        system, along, model = self.system, self.along, self.model
        T, R, Q = model.T, model.R, model.Q
        d_T, d_c = along.transition, self.d_state[:, 0]
        d_noise = twice(along.selection @ Q @ R.T) + R @ along.state_cov @ R.T
        if system.start == "stationary":
            mean, cov = self.state.columns[:, 0], self.state.cov
            rhs = d_T @ mean + d_c
            d_mean = np.linalg.solve(np.eye(T.shape[0]) - T, rhs.T).T
            driven = symmetric(twice(d_T @ cov @ T.T) + d_noise)
            solved = [stationary_covariance(T, w) for w in driven]
            return d_mean[:, :, None], np.array(solved).reshape(driven.shape)
        mean, cov = system.initial_mean, system.initial_cov
        d_mean, d_cov = along.initial_mean, along.initial_cov
        A = np.eye(T.shape[0])[:, system.initial_diffuse > 0.0]
        if system.first_step == "none":
            d_A = np.zeros((len(along), *A.shape))
            return np.concatenate([d_mean[:, :, None], d_A], axis=2), d_cov
        d_A = d_T @ A
        d_P = twice(d_T @ cov @ T.T) + T @ d_cov @ T.T
        d_P = d_P + twice((d_A * self.begin.scale) @ (T @ A).T)
        if system.first_step == "noisy":
            d_P = d_P + d_noise
        d_a = d_T @ mean + d_mean @ T.T + d_c + d_A @ self.begin.shift
        return np.concatenate([d_a[:, :, None], d_A], axis=2), symmetric(d_P)

    def row(self, t: int) -> Row:
        """Take in row t and move on to the next."""
        model, along = self.model, self.along
        step = observe(model, self.state, self.endog[t], t)
        seen, P, K, V = step.seen, step.cov, step.gain, step.innovation
        Z, S = model.Z[seen], model.S[:, seen]
        d_Z, d_S = along.design[:, seen], along.cross_cov[:, :, seen]
        d_H = along.obs_cov[:, seen][:, :, seen]
        d_a, d_P = self.d_columns, self.d_cov
        d_V = -(d_Z @ step.columns) - Z @ d_a
        d_V[:, :, 0] -= self.d_obs[:, t, seen]
        d_F = symmetric(twice(d_Z @ P @ Z.T) + Z @ d_P @ Z.T + d_H)
        d_M = along.transition @ P @ Z.T + model.T @ d_P @ Z.T + model.T @ P @ transpose(d_Z)
        d_M = d_M + along.selection @ S + model.R @ d_S
        E = solve_upper(step.chol, step.white)
        d_K = transpose(_solve(step.chol, transpose(d_M - K @ d_F)))
        d_gram = symmetric(twice(E.T @ d_V) - E.T @ d_F @ E)
        is_diffuse = V.shape[1] > 1
        L, d_L = model.T - K @ Z, along.transition - K @ d_Z
        on_R = model.Q @ model.R.T - S @ K.T
        d_noise = twice(along.selection @ on_R) + model.R @ along.state_cov @ model.R.T
        d_noise = d_noise - twice(model.R @ d_S @ K.T) + K @ d_H @ K.T
        self.d_columns = along.transition @ step.columns + model.T @ d_a + d_K @ V + K @ d_V
        self.d_columns[:, :, 0] += self.d_state[:, min(t + 1, len(self.endog) - 1)]
        self.d_cov = symmetric(L @ d_P @ L.T + twice(d_L @ P @ L.T) + d_noise)
        self.state = predict(model, step, t)
        return Row(step, d_V, d_F, d_gram, is_diffuse)

    def collapse(self) -> None:
        """End the diffuse phase: fold delta's estimate into mean and covariance."""
        A, d_A = self.state.columns[:, 1:], self.d_columns[:, :, 1:]
        info, d_S = self.diffuse.information, self.d_gram[:, 1:, 1:]
        inverse = info.factor @ info.factor.T
        delta = -inverse @ self.diffuse.gram[1:, 0]
        d_delta = -(self.d_gram[:, 1:, 0] + d_S @ delta) @ inverse
        reach = A @ inverse
        d_a = self.d_columns[:, :, 0] + d_A @ delta + d_delta @ A.T
        d_a = d_a - d_A @ (info.null @ self.begin.shift)
        d_P = twice(d_A @ reach.T) - reach @ d_S @ reach.T
        self.d_columns, self.d_cov = d_a[:, :, None], symmetric(self.d_cov + d_P)
        collapsed: Predicted = self.diffuse.collapse(self.state)
        self.state = collapsed


def _solve(chol: NDArray[Any], stack: NDArray[Any]) -> NDArray[Any]:
    """F^-1 b for each b of a stack."""
    k, q, m = stack.shape
    flat = stack.transpose(1, 0, 2).reshape(q, k * m)
    return solve_upper(chol, solve_lower(chol, flat)).reshape(q, k, m).transpose(1, 0, 2)


def _d_profile(
    information: PseudoInverse, gram: NDArray[Any], d_gram: NDArray[Any]
) -> NDArray[Any]:
    """Derivative of log pdet S + q - s' S^+ s."""
    inverse = information.factor @ information.factor.T
    weights = np.concatenate([[1.0], -inverse @ gram[1:, 0]])
    return np.asarray(
        np.einsum("kij,ij->k", d_gram[:, 1:, 1:], inverse) + weights @ d_gram @ weights
    )


def score_obs(
    system: StateSpace, endog: NDArray[np.float64], tangents: Tangents
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Log-likelihood of each row and its derivatives along the tangents.

    Parameters
    ----------
    system : StateSpace
    endog : ndarray, shape (nobs, k_endog)
        NaN is missing.
    tangents : Tangents
        k directions.

    Returns
    -------
    llf_obs : ndarray, shape (nobs,)
    scores : ndarray, shape (nobs, k)

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
    """
    n, k = endog.shape[0], len(tangents)
    run = TangentFilter(system, endog, tangents)
    llf, scores, before = np.zeros(n), np.zeros((n, k)), np.zeros(k)
    for t in range(n):
        row = run.row(t)
        step = row.step
        if row.is_diffuse:
            quadratic = run.diffuse.add(step)
            run.d_gram = run.d_gram + row.d_gram
            after = _d_profile(run.diffuse.information, run.diffuse.gram, run.d_gram)
            d_quadratic, before = after - before, after
        else:
            quadratic, d_quadratic = step.white[:, 0] @ step.white[:, 0], row.d_gram[:, 0, 0]
        if step.seen.size:
            d_log_det = np.einsum("kii->k", _solve(step.chol, row.d_cov))
            llf[t] = -0.5 * (step.seen.size * LOG_2PI + log_det(step.chol) + quadratic)
            scores[t] = -0.5 * (d_log_det + d_quadratic)
        if row.is_diffuse and run.diffuse.collapsed(run.state):
            run.collapse()
    return llf, scores


def information(system: StateSpace, endog: NDArray[np.float64], tangents: Tangents) -> NDArray[Any]:
    """Expected information from first derivatives along the tangents.

    Sum over rows of ``dv_i' F^-1 dv_j + tr(F^-1 dF_i F^-1 dF_j) / 2``; its mean over data of the
    model is Fisher's information. Rows of the diffuse phase settle the start and are left out.

    Parameters
    ----------
    system : StateSpace
    endog : ndarray, shape (nobs, k_endog)
        NaN is missing.
    tangents : Tangents
        k directions.

    Returns
    -------
    ndarray, shape (k, k)

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError

    References
    ----------
    Harvey (1989), equation 3.4.69.
    """
    n, k = endog.shape[0], len(tangents)
    run = TangentFilter(system, endog, tangents)
    total = np.zeros((k, k))
    for t in range(n):
        row = run.row(t)
        if not row.is_diffuse:
            white = solve_lower(row.step.chol, row.d_innovation[:, :, 0].T)
            on_F = _solve(row.step.chol, row.d_cov)
            total += white.T @ white + 0.5 * np.einsum("iab,jba->ij", on_F, on_F)
            continue
        run.diffuse.add(row.step)
        run.d_gram = run.d_gram + row.d_gram
        if run.diffuse.collapsed(run.state):
            run.collapse()
    return total
