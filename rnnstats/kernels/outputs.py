"""What the Kalman filter and the fixed-interval smoother return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FilterOutput:
    """Moments of outputs and states given the past, time axis first.

    In the diffuse phase (rows before `nobs_diffuse`) a covariance is ``finite + kappa *
    diffuse`` with kappa to infinity; the arrays here hold the finite part, the ``_diffuse_cov``
    arrays the other one, and means are the finite limit.

    Attributes
    ----------
    llf_obs : ndarray, shape (nobs,)
        Log-likelihood of each row given the rows before; 0 where the whole row is missing.
    forecast : ndarray, shape (nobs, k_endog)
        E(y_t | y_1..y_{t-1}).
    forecast_error : ndarray, shape (nobs, k_endog)
        y_t minus forecast; NaN where y_t is missing.
    forecast_error_cov : ndarray, shape (nobs, k_endog, k_endog)
        Covariance of the forecast error, of missing outputs too.
    predicted_state, predicted_state_cov, predicted_diffuse_cov : ndarray
        Moments of h_t given y_1..y_{t-1}, shapes (nobs + 1, k_states) and (nobs + 1, k_states,
        k_states). The last row is one step past the sample, with the last row of a time-varying
        state intercept.
    filtered_state, filtered_state_cov, filtered_diffuse_cov : ndarray
        Moments of h_t given y_1..y_t, shapes (nobs, k_states) and (nobs, k_states, k_states).
    nobs_diffuse : int
        Number of rows after which no diffuse part is left; 0 for a proper start.
    """

    llf_obs: NDArray[Any]
    forecast: NDArray[Any]
    forecast_error: NDArray[Any]
    forecast_error_cov: NDArray[Any]
    predicted_state: NDArray[Any]
    predicted_state_cov: NDArray[Any]
    predicted_diffuse_cov: NDArray[Any]
    filtered_state: NDArray[Any]
    filtered_state_cov: NDArray[Any]
    filtered_diffuse_cov: NDArray[Any]
    nobs_diffuse: int

    @property
    def llf(self) -> float:
        """Log-likelihood of the sample."""
        return float(self.llf_obs.sum())


@dataclass(frozen=True, eq=False)
class SmootherOutput:
    """Moments of states and noises given the whole sample, time axis first.

    Where the sample does not determine a diffuse start, the variances concerned are inf.

    Attributes
    ----------
    filter : FilterOutput
        The forward pass.
    smoothed_state, smoothed_state_cov : ndarray
        Moments of h_t, shapes (nobs, k_states) and (nobs, k_states, k_states).
    smoothed_state_autocov : ndarray, shape (nobs, k_states, k_states)
        Row t is Cov(h_t, h_{t-1} | Y); row 0 is NaN.
    smoothed_obs_noise, smoothed_obs_noise_cov : ndarray
        Moments of eps_t, shapes (nobs, k_endog) and (nobs, k_endog, k_endog).
    smoothed_state_noise, smoothed_state_noise_cov : ndarray
        Moments of eta_t, the noise of the step *into* t, shapes (nobs, k_posdef) and (nobs,
        k_posdef, k_posdef). Row 0 with ``first_step="noiseless"`` is zero with covariance zero,
        with "none" zero with covariance ``state_cov``.
    scaled_smoothed_estimator : ndarray, shape (nobs, k_states)
        r_{t-1}: the adjoint of the predicted state of t.
    scaled_smoothed_estimator_cov : ndarray, shape (nobs, k_states, k_states)
        N_{t-1}: its covariance.
    """

    filter: FilterOutput
    smoothed_state: NDArray[Any]
    smoothed_state_cov: NDArray[Any]
    smoothed_state_autocov: NDArray[Any]
    smoothed_obs_noise: NDArray[Any]
    smoothed_obs_noise_cov: NDArray[Any]
    smoothed_state_noise: NDArray[Any]
    smoothed_state_noise_cov: NDArray[Any]
    scaled_smoothed_estimator: NDArray[Any]
    scaled_smoothed_estimator_cov: NDArray[Any]
