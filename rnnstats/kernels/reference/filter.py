"""The Kalman filter, textbook NumPy, with an exact diffuse start by augmentation.

With a diffuse start the state is ``h_t = a_t + A_t delta`` plus a proper part of covariance P_t,
delta diffuse. Rows of the augmented filter carry ``[a_t, A_t]`` side by side: column 0 sees the
data, the other columns see data of zero. P contains ``A c A'`` for a finite diagonal c, which the
exact diffuse likelihood does not depend on and which keeps the innovation covariance regular.

References
----------
Durbin and Koopman (2012), sections 4.3 (filter) and 5.7 (augmentation); de Jong, P. (1991), The
diffuse Kalman filter, Annals of Statistics 19; Harvey (1989), section 3.2.4 (shared noise).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.outputs import FilterOutput
from rnnstats.kernels.reference.algebra import (
    PseudoInverse,
    check_stationary,
    cholesky,
    psd_factor,
    psd_part,
    pseudo_inverse,
    solve_lower,
    solve_upper,
    stationary_covariance,
    symmetric,
)
from rnnstats.kernels.system import StateSpace

LOG_2PI = float(np.log(2.0 * np.pi))


class Model(NamedTuple):
    """The arrays of a system, with intercepts a row per observation.

    Attributes
    ----------
    noise : ndarray, shape (k_posdef + k_endog, k_posdef + k_endog)
        Covariance of (eta_{t+1}, eps_t).
    noise_factor : ndarray or None
        J with J J' = noise; None for complex input.
    """

    Z: NDArray[Any]
    H: NDArray[Any]
    T: NDArray[Any]
    R: NDArray[Any]
    Q: NDArray[Any]
    S: NDArray[Any]
    d: NDArray[Any]
    c: NDArray[Any]
    noise: NDArray[Any]
    noise_factor: NDArray[Any] | None


class Predicted(NamedTuple):
    """[a_t, A_t] of shape (m, 1 + d), and P_t of shape (m, m)."""

    columns: NDArray[Any]
    cov: NDArray[Any]


class Step(NamedTuple):
    """One row of the filter, for the q outputs that are seen.

    Attributes
    ----------
    seen : ndarray of int, shape (q,)
    columns, cov : ndarray
        Predicted.
    innovation : ndarray, shape (q, 1 + d)
        [v_t, -Z A_t].
    chol : ndarray, shape (q, q)
        Of F_t.
    white : ndarray, shape (q, 1 + d)
        chol^-1 innovation.
    gain : ndarray, shape (m, q)
        K_t = (T P Z' + R S) F^-1.
    """

    seen: NDArray[np.intp]
    columns: NDArray[Any]
    cov: NDArray[Any]
    innovation: NDArray[Any]
    chol: NDArray[Any]
    white: NDArray[Any]
    gain: NDArray[Any]


class Begin(NamedTuple):
    """Where the recursion begins.

    Attributes
    ----------
    predicted : Predicted
        Of h_1, with ``A diag(scale) A'`` inside its covariance and the mean moved by ``A shift``.
    scale : ndarray, shape (d,)
        c, constants.
    shift : ndarray, shape (d,)
        A constant delta near the estimate, so that sums of squares do not cancel.
    """

    predicted: Predicted
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]


def unpack(system: StateSpace, nobs: int) -> Model:
    """Take a system apart."""
    Z, H, Q, S = system.design, system.obs_cov, system.state_cov, system.cross_cov
    d = np.broadcast_to(system.obs_intercept, (nobs, system.k_endog))
    c = np.broadcast_to(system.state_intercept, (nobs, system.k_states))
    noise = np.block([[Q, S], [S.T, H]])
    dtype = np.result_type(noise, d, c)
    factor = psd_factor(noise) if dtype.kind != "c" else None
    T, R = system.transition, system.selection
    Z, H, T, R, Q, S = (np.asarray(a, dtype=dtype) for a in (Z, H, T, R, Q, S))
    return Model(Z, H, T, R, Q, S, d, c, noise, factor)


def noise_cov(model: Model, loading: NDArray[Any]) -> NDArray[Any]:
    """``loading @ noise @ loading'``, positive semi-definite by construction for real input."""
    if model.noise_factor is None:
        return symmetric(loading @ model.noise @ loading.T)
    factor = loading @ model.noise_factor
    return np.asarray(factor @ factor.T)


def step_noise(model: Model, gain: NDArray[Any], seen: NDArray[np.intp]) -> NDArray[Any]:
    """Covariance of ``R eta_{t+1} - gain eps_t``."""
    p = model.Z.shape[0]
    on_eps = np.zeros((gain.shape[0], p), dtype=gain.dtype)
    on_eps[:, seen] = -gain
    return noise_cov(model, np.hstack([model.R, on_eps]))


def first_predicted_moments(
    system: StateSpace,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Moments of h_1 before any output is seen.

    Parameters
    ----------
    system : StateSpace

    Returns
    -------
    mean : ndarray, shape (k_states,)
    cov : ndarray, shape (k_states, k_states)
        The proper part.
    diffuse : ndarray, shape (k_states, d)
        A: h_1 = mean + A delta + proper part, delta diffuse; d is 0 for a proper start.

    Raises
    ------
    NotStationaryError
        Where ``start="stationary"`` and the transition has a root on or outside the circle.
    """
    T, R, Q = system.transition, system.selection, system.state_cov
    c = system.state_intercept[0] if system.state_intercept.ndim == 2 else system.state_intercept
    m = system.k_states
    if system.start == "stationary":
        check_stationary(T)
        cov = stationary_covariance(T, symmetric(R @ Q @ R.T))
        mean = np.linalg.solve(np.eye(m) - T, c)
        return mean, cov, np.zeros((m, 0))
    mean, cov = system.initial_mean, symmetric(system.initial_cov)
    diffuse = np.eye(m)[:, system.initial_diffuse.real > 0.0]
    if system.first_step == "none":
        return mean, cov, diffuse
    cov = symmetric(T @ cov @ T.T)
    if system.first_step == "noisy":
        cov = cov + symmetric(R @ Q @ R.T)
    return T @ mean + c, cov, T @ diffuse


def begin(system: StateSpace, model: Model, endog: NDArray[np.float64]) -> Begin:
    """Choose c and the shift, and set up the first row."""
    mean, cov, diffuse = first_predicted_moments(system)
    d = diffuse.shape[1]
    columns = np.column_stack([mean, diffuse])
    if d == 0:
        return Begin(Predicted(columns, cov), np.zeros(0), np.zeros(0))
    scale = diffuse_scale(model, cov.real, diffuse.real)
    cov = cov + (diffuse * scale) @ diffuse.T
    first = Predicted(columns, cov)
    gram: NDArray[Any] = np.zeros((1 + d, 1 + d))
    for step in forward(model, endog, first):
        gram = gram + step.white.T @ step.white
        if absorbed(pseudo_inverse(gram[1:, 1:]), step.columns, columns):
            break
    shift = np.asarray(delta_hat(gram).real, dtype=np.float64)
    moved = np.column_stack([mean + diffuse @ shift, diffuse])
    return Begin(Predicted(moved, cov), scale, shift)


def diffuse_scale(
    model: Model, cov: NDArray[np.float64], diffuse: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return c, a number for each diffuse column, such that both parts of F are of one size.

    Any positive numbers are right; these keep ``c_j (Z T^k A)_ij^2`` below the finite variance of
    output i at every lag k. Larger ones would cost digits where c is taken out again.
    """
    Z, T, R = model.Z.real, model.T.real, model.R.real
    finite = np.diag(model.H.real + Z @ (R @ model.Q.real @ R.T + cov) @ Z.T)
    strongest = np.zeros(diffuse.shape[1])
    reach = diffuse
    for _ in range(diffuse.shape[0]):
        squares = (Z @ reach) ** 2
        noisy = np.where(finite > 0.0, finite, np.inf)
        sums = (squares / noisy[:, None]).sum(axis=0)
        sums = np.where(sums > 0.0, sums, squares.sum(axis=0))
        strongest = np.maximum(strongest, sums)
        reach = T @ reach
    return 1.0 / np.where(strongest > 0.0, strongest, 1.0)


def delta_hat(gram: NDArray[Any]) -> NDArray[Any]:
    """Generalised least squares estimate of delta (beyond the shift), S^+ s."""
    factor = pseudo_inverse(gram[1:, 1:]).factor
    return np.asarray(-factor @ (factor.T @ gram[1:, 0]))


def absorbed(information: PseudoInverse, columns: NDArray[Any], first: NDArray[Any]) -> bool:
    """Whether nothing diffuse is left: A (I - S S^+) A' = 0."""
    if information.rank == information.null.shape[0]:
        return True
    left = np.abs((columns[:, 1:] @ information.null).real).max()
    return bool(left <= 1e-12 * np.abs(first[:, 1:].real).max())


def observe(model: Model, state: Predicted, y: NDArray[np.float64], t: int) -> Step:
    """Innovations, their covariance and the gain of one row."""
    seen = np.flatnonzero(~np.isnan(y))
    Z, columns, cov = model.Z[seen], state.columns, state.cov
    innovation = -(Z @ columns)
    innovation[:, 0] += y[seen] - model.d[t, seen]
    F = symmetric(Z @ cov @ Z.T + model.H[np.ix_(seen, seen)])
    chol = cholesky(F, t)
    M = model.T @ cov @ Z.T + model.R @ model.S[:, seen]
    gain = solve_upper(chol, solve_lower(chol, M.T)).T
    return Step(seen, columns, cov, innovation, chol, solve_lower(chol, innovation), gain)


def predict(model: Model, step: Step, t: int) -> Predicted:
    """[a, A]_{t+1} = T [a, A]_t + c_{t+1} + K [v, -Z A], and P_{t+1} in Joseph's form."""
    nobs = model.c.shape[0]
    columns = model.T @ step.columns + step.gain @ step.innovation
    columns[:, 0] += model.c[min(t + 1, nobs - 1)]
    L = model.T - step.gain @ model.Z[step.seen]
    noise = step_noise(model, step.gain, step.seen)
    return Predicted(columns, symmetric(L @ step.cov @ L.T + noise))


def update(model: Model, step: Step) -> Predicted:
    """[a, A] and P given the row itself (filtered), in Joseph's form."""
    Z, seen = model.Z[step.seen], step.seen
    gain = solve_upper(step.chol, solve_lower(step.chol, Z @ step.cov)).T
    keep = np.eye(Z.shape[1]) - gain @ Z
    on_eps = np.zeros((Z.shape[1], model.R.shape[1] + model.Z.shape[0]), dtype=gain.dtype)
    on_eps[:, model.R.shape[1] + seen] = -gain
    cov = symmetric(keep @ step.cov @ keep.T + noise_cov(model, on_eps))
    return Predicted(step.columns + gain @ step.innovation, cov)


def forward(model: Model, endog: NDArray[np.float64], first: Predicted) -> Iterator[Step]:
    """All rows of the (augmented) filter; columns are never collapsed."""
    state = first
    for t, y in enumerate(endog):
        step = observe(model, state, y, t)
        yield step
        state = predict(model, step, t)


def log_det(chol: NDArray[Any]) -> Any:
    """Log-determinant of F from its Cholesky factor."""
    return 2.0 * np.log(np.diag(chol)).sum()


class Diffuse:
    """The information on delta gathered so far, and the moments it implies.

    Parameters
    ----------
    start : Begin
        Of the recursion.
    """

    def __init__(self, start: Begin) -> None:
        self.start = start
        size = start.predicted.columns.shape[1]
        self.gram: NDArray[Any] = np.zeros((size, size))
        self.profile: Any = 0.0
        self.information = pseudo_inverse(self.gram[1:, 1:])

    def add(self, step: Step) -> Any:
        """Take in a row; return the increment of log pdet S + q - s' S^+ s."""
        self.gram = self.gram + step.white.T @ step.white
        self.information = pseudo_inverse(self.gram[1:, 1:])
        projected = self.information.factor.T @ self.gram[1:, 0]
        before = self.profile
        self.profile = self.information.log_det + self.gram[0, 0] - projected @ projected
        return self.profile - before

    def mean(self, columns: NDArray[Any]) -> NDArray[Any]:
        """Finite limit of the mean."""
        info, shift = self.information, self.start.shift
        delta = -info.factor @ (info.factor.T @ self.gram[1:, 0]) - info.null @ shift
        return np.asarray(columns[:, 0] + columns[:, 1:] @ delta)

    def covs(self, moments: Predicted) -> tuple[NDArray[Any], NDArray[Any]]:
        """Finite and diffuse part of the covariance."""
        A, info = moments.columns[:, 1:], self.information
        known, unknown = A @ info.factor, A @ info.null
        infinite = symmetric(unknown @ unknown.T)
        spare = symmetric((unknown * self.start.scale) @ unknown.T)
        finite = moments.cov + symmetric(known @ known.T) - spare
        if info.rank < A.shape[1] and finite.dtype.kind != "c":
            finite = psd_part(finite)
        return finite, infinite

    def collapsed(self, moments: Predicted) -> bool:
        """Whether an ordinary filter can go on from here."""
        return absorbed(self.information, moments.columns, self.start.predicted.columns)

    def collapse(self, moments: Predicted) -> Predicted:
        """Ordinary moments, after the diffuse phase."""
        known = moments.columns[:, 1:] @ self.information.factor
        cov = moments.cov + symmetric(known @ known.T)
        return Predicted(self.mean(moments.columns)[:, None], cov)


def loglikeobs(system: StateSpace, endog: NDArray[np.float64]) -> NDArray[Any]:
    """Log-likelihood of each row given the rows before; complex-step safe.

    Parameters
    ----------
    system : StateSpace
        Its buffer and intercepts may be complex.
    endog : ndarray, shape (nobs, k_endog)
        NaN is missing.

    Returns
    -------
    ndarray, shape (nobs,)
        Every observed element counts log(2 pi); a diffuse start contributes the increments of
        the exact diffuse log-likelihood of Durbin and Koopman (2012), section 7.2.2.

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
    """
    model = unpack(system, endog.shape[0])
    start = begin(system, model, endog)
    state, diffuse = start.predicted, Diffuse(start)
    llf = np.zeros(endog.shape[0], dtype=np.result_type(model.noise, model.c, model.d))
    for t, y in enumerate(endog):
        step = observe(model, state, y, t)
        is_diffuse = state.columns.shape[1] > 1
        quadratic = diffuse.add(step) if is_diffuse else step.white[:, 0] @ step.white[:, 0]
        if step.seen.size:
            llf[t] = -0.5 * (step.seen.size * LOG_2PI + log_det(step.chol) + quadratic)
        state = predict(model, step, t)
        if is_diffuse and diffuse.collapsed(state):
            state = diffuse.collapse(state)
    return llf


def loglike(system: StateSpace, endog: NDArray[np.float64]) -> Any:
    """Log-likelihood of the sample (sum of `loglikeobs`)."""
    return loglikeobs(system, endog).sum()


def kalman_filter(system: StateSpace, endog: NDArray[np.float64]) -> FilterOutput:
    """Run the Kalman filter and keep every moment.

    Parameters
    ----------
    system : StateSpace
    endog : ndarray, shape (nobs, k_endog)
        NaN is missing.

    Returns
    -------
    FilterOutput

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
    """
    n, p = endog.shape
    m = system.k_states
    model = unpack(system, n)
    start = begin(system, model, endog)
    state, diffuse = start.predicted, Diffuse(start)
    llf, forecast, error_cov = np.zeros(n), np.zeros((n, p)), np.zeros((n, p, p))
    predicted, predicted_cov, predicted_inf = _moments(n + 1, m)
    filtered, filtered_cov, filtered_inf = _moments(n, m)
    nobs_diffuse = 0
    for t, y in enumerate(endog):
        predicted[t], predicted_cov[t], predicted_inf[t] = _finite(state, diffuse)
        forecast[t] = model.Z @ predicted[t] + model.d[t]
        error_cov[t] = symmetric(model.Z @ predicted_cov[t] @ model.Z.T + model.H)
        step = observe(model, state, y, t)
        is_diffuse = state.columns.shape[1] > 1
        nobs_diffuse += is_diffuse
        quadratic = diffuse.add(step) if is_diffuse else step.white[:, 0] @ step.white[:, 0]
        if step.seen.size:
            llf[t] = -0.5 * (step.seen.size * LOG_2PI + log_det(step.chol) + quadratic)
        filtered[t], filtered_cov[t], filtered_inf[t] = _finite(update(model, step), diffuse)
        state = predict(model, step, t)
        if is_diffuse and diffuse.collapsed(state):
            state = diffuse.collapse(state)
    predicted[n], predicted_cov[n], predicted_inf[n] = _finite(state, diffuse)
    return FilterOutput(
        llf, forecast, endog - forecast, error_cov, predicted, predicted_cov, predicted_inf,
        filtered, filtered_cov, filtered_inf, nobs_diffuse,
    )  # fmt: skip


def _moments(n: int, m: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return np.zeros((n, m)), np.zeros((n, m, m)), np.zeros((n, m, m))


def _finite(
    moments: Predicted, diffuse: Diffuse
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | float]:
    if moments.columns.shape[1] == 1:
        return moments.columns[:, 0], moments.cov, 0.0
    return diffuse.mean(moments.columns), *diffuse.covs(moments)
