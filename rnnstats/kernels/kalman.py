"""The Kalman filter's arithmetic: NumPy in, NumPy out.

Every function computes in the compiled core where that imports, and in the NumPy twins of
`rnnstats.kernels.reference`, slower, where it does not (one `CompiledCoreWarning`).

Timing, arrays and conventions are those of `rnnstats.kernels.system`; log-likelihoods count every
observed element (Durbin and Koopman 2012, equation 7.2), with a diffuse start too.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.errors import CompiledCoreWarning
from rnnstats.kernels import reference
from rnnstats.kernels.outputs import FilterOutput, SmootherOutput
from rnnstats.kernels.system import FloatArray, StateSpace, SystemGradient, Tangents

try:
    import rnnstats.kernels._core as _core
except ImportError as missing:
    _core = None
    warnings.warn(
        f"rnnstats: the compiled core cannot be imported ({missing}); the same numbers come from "
        "NumPy, 10 to 1000 times slower. Install again with a C++17 compiler.",
        CompiledCoreWarning,
        stacklevel=2,
    )

HAVE_COMPILED: Final[bool] = _core is not None

__all__ = [
    "HAVE_COMPILED",
    "FilterOutput",
    "SmootherOutput",
    "StateSpace",
    "SystemGradient",
    "Tangents",
    "information",
    "kalman_filter",
    "kalman_smoother",
    "loglike",
    "loglikeobs",
    "score",
    "score_obs",
    "stationary_covariance",
]


def _rows(endog: ArrayLike) -> FloatArray:
    """Give the data as the core reads them; no copy where they already are that."""
    return np.ascontiguousarray(endog, dtype=np.float64)


def _overflow_is_no_event() -> np.errstate:
    """Let the twins overflow as silently as the core: what comes out is then not finite."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def loglike(system: StateSpace, endog: FloatArray, *, steady: bool = True) -> float:
    """Log-likelihood of the sample.

    Parameters
    ----------
    system : StateSpace
    endog : ndarray, shape (nobs, k_endog)
        NaN is missing.
    steady : bool
        Whether the compiled core may stop updating covariances that no longer change.

    Returns
    -------
    float

    Raises
    ------
    NotPositiveDefiniteError
        Where the covariance of a forecast error is not positive definite; has the row.
    NotStationaryError
        Where ``start="stationary"`` and an eigenvalue of the transition is not inside the circle.

    References
    ----------
    Durbin and Koopman (2012), equations 4.24, 7.2 and 7.3.
    """
    if _core is not None:
        return float(_core.loglike(system, _rows(endog), steady))
    with _overflow_is_no_event():
        return float(reference.loglike(system, _rows(endog)))


def loglikeobs(system: StateSpace, endog: FloatArray, *, steady: bool = True) -> FloatArray:
    """Log-likelihood of each row given the rows before.

    Parameters
    ----------
    system, endog, steady
        As in `loglike`.

    Returns
    -------
    ndarray, shape (nobs,)
        0 where a whole row is missing. With a diffuse start, the increments of the exact diffuse
        log-likelihood.

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
        As in `loglike`.
    """
    if _core is not None:
        return np.asarray(_core.loglikeobs(system, _rows(endog), steady))
    with _overflow_is_no_event():
        return np.asarray(reference.loglikeobs(system, _rows(endog)))


def score(
    system: StateSpace, endog: FloatArray, *, steady: bool = True
) -> tuple[float, SystemGradient]:
    """Log-likelihood and its exact derivatives with respect to every array of the system.

    Parameters
    ----------
    system, endog, steady
        As in `loglike`.

    Returns
    -------
    llf : float
    gradient : SystemGradient

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
        As in `loglike`.

    References
    ----------
    Koopman, S. J. and Shephard, N. (1992), Exact score for time series models in state space
    form, Biometrika 79, 823-826.
    """
    if _core is not None:
        llf, matrices, d, c = _core.score(system, _rows(endog), steady)
        gradient = SystemGradient(system.k_endog, system.k_states, system.k_posdef, matrices, d, c)
        return llf, gradient
    with _overflow_is_no_event():
        return reference.score(system, _rows(endog))


def score_obs(
    system: StateSpace, endog: FloatArray, tangents: Tangents, *, steady: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Log-likelihood of each row, and its derivatives along the tangents.

    Parameters
    ----------
    system, endog
        As in `loglike`.
    tangents : Tangents
        k directions.
    steady : bool
        As in `loglike`.

    Returns
    -------
    llf_obs : ndarray, shape (nobs,)
    scores : ndarray, shape (nobs, k)

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
        As in `loglike`.
    """
    if _core is not None:
        llf_obs, scores = _core.score_obs(system, _rows(endog), tangents, steady)
        return llf_obs, scores
    with _overflow_is_no_event():
        return reference.score_obs(system, _rows(endog), tangents)


def information(
    system: StateSpace, endog: FloatArray, tangents: Tangents, *, steady: bool = True
) -> FloatArray:
    """Expected information along the tangents, from first derivatives only.

    Parameters
    ----------
    system, endog
        As in `loglike`.
    tangents : Tangents
        k directions.
    steady : bool
        As in `loglike`.

    Returns
    -------
    ndarray, shape (k, k)
        Sum over rows of ``dv_i' F^-1 dv_j + tr(F^-1 dF_i F^-1 dF_j) / 2``. Rows of the diffuse
        phase settle the start and are left out.

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
        As in `loglike`.

    References
    ----------
    Harvey (1989), equation 3.4.69.
    """
    if _core is not None:
        return np.asarray(_core.information(system, _rows(endog), tangents, steady))
    with _overflow_is_no_event():
        return np.asarray(reference.information(system, _rows(endog), tangents))


def kalman_filter(system: StateSpace, endog: FloatArray, *, steady: bool = True) -> FilterOutput:
    """Run the Kalman filter and keep every moment.

    Parameters
    ----------
    system, endog, steady
        As in `loglike`.

    Returns
    -------
    FilterOutput

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
        As in `loglike`.

    References
    ----------
    Durbin and Koopman (2012), sections 4.3, 5.2 and 5.7.
    """
    if _core is not None:
        return FilterOutput(*_core.kalman_filter(system, _rows(endog), steady))
    with _overflow_is_no_event():
        return reference.kalman_filter(system, _rows(endog))


def kalman_smoother(
    system: StateSpace, endog: FloatArray, *, steady: bool = True
) -> SmootherOutput:
    """Run the fixed-interval smoother: states, noises, lag-one covariances.

    Parameters
    ----------
    system, endog, steady
        As in `loglike`.

    Returns
    -------
    SmootherOutput

    Raises
    ------
    NotPositiveDefiniteError, NotStationaryError
        As in `loglike`.

    References
    ----------
    Durbin and Koopman (2012), sections 4.4 to 4.7 and 5.7.3.
    """
    if _core is not None:
        forward, backward = _core.kalman_smoother(system, _rows(endog), steady)
        return SmootherOutput(FilterOutput(*forward), *backward)
    with _overflow_is_no_event():
        return reference.kalman_smoother(system, _rows(endog))


def stationary_covariance(transition: NDArray[Any], noise_cov: NDArray[Any]) -> FloatArray:
    """Solve the discrete Lyapunov equation P = T P T' + W.

    Parameters
    ----------
    transition : ndarray, shape (m, m)
        T, with every eigenvalue inside the unit circle.
    noise_cov : ndarray, shape (m, m)
        W, symmetric positive semi-definite.

    Returns
    -------
    ndarray, shape (m, m)
        Symmetric positive semi-definite.

    Raises
    ------
    NotStationaryError
        Where an eigenvalue of T is on or outside the unit circle.
    """
    if _core is not None:
        return np.asarray(_core.stationary_covariance(transition, noise_cov))
    with _overflow_is_no_event():
        return np.asarray(reference.stationary_covariance(transition, noise_cov))
