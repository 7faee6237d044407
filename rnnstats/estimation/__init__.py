"""Estimation: the optimiser and its record, covariance matrices of estimates."""

from rnnstats.estimation.convergence import Convergence, Optimum, Outcome, Progress
from rnnstats.estimation.covariance import (
    COV_TYPES,
    CovarianceEstimate,
    CovType,
    covariance,
    delta_method,
    hessian_from_score,
    hessian_with_error,
    jacobian,
)
from rnnstats.estimation.optimize import METHODS, Method, Objective, assess, maximize

__all__ = [
    "COV_TYPES",
    "METHODS",
    "Convergence",
    "CovType",
    "CovarianceEstimate",
    "Method",
    "Objective",
    "Optimum",
    "Outcome",
    "Progress",
    "assess",
    "covariance",
    "delta_method",
    "hessian_from_score",
    "hessian_with_error",
    "jacobian",
    "maximize",
]
