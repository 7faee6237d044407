"""Textbook NumPy of every function on a linear Gaussian system.

Written line for line with the equations: the oracle that the compiled core is held to, and what
computes where the core is missing. `loglikeobs` and `loglike` are analytic in the system's buffer
and intercepts, so a complex step gives derivatives to machine precision.
"""

from rnnstats.kernels.reference.adjoint import score
from rnnstats.kernels.reference.algebra import stationary_covariance
from rnnstats.kernels.reference.filter import (
    first_predicted_moments,
    kalman_filter,
    loglike,
    loglikeobs,
)
from rnnstats.kernels.reference.smoother import kalman_smoother
from rnnstats.kernels.reference.tangent import information, score_obs

__all__ = [
    "first_predicted_moments",
    "information",
    "kalman_filter",
    "kalman_smoother",
    "loglike",
    "loglikeobs",
    "score",
    "score_obs",
    "stationary_covariance",
]
