"""Covariances of the estimates of a model: derivatives at the estimates, and what is made of them.

The derivatives are computed when first needed and shared by all kinds of covariance.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnstats.estimation.covariance import CovarianceEstimate, CovType, covariance
from rnnstats.estimation.differences import hessian_from_score
from rnnstats.results.protocol import FittedModel, FloatArray, free_directions

if TYPE_CHECKING:
    from rnnstats.results.base import Results

__all__ = [
    "Derivatives",
    "Kept",
    "estimate_covariance",
    "hessian_along",
    "score_of",
    "without_fixed",
]

# Below this smallest eigenvalue of the Hessian (unit diagonal) the expected information is asked
# whether the direction has any information at all.
SUSPECT = 1e-4


class Derivatives:
    """Second derivatives and scores of a log-likelihood at one point, each computed once.

    Parameters
    ----------
    model : FittedModel
    theta : ndarray of shape (K,)
        All natural parameters.
    """

    def __init__(self, model: FittedModel, theta: FloatArray) -> None:
        self.model = model
        self.theta = theta

    @cached_property
    def directions(self) -> FloatArray:
        """Derivative of all parameters by the free ones, (K, f), see `free_directions`."""
        return free_directions(self.model, self.theta)

    # In the coordinates in which inverses are taken; those of the parameters unless a kind of model
    # has better conditioned ones.

    @property
    def moves(self) -> FloatArray:
        """Derivative of the parameters by the free inner coordinates, (K, f)."""
        return self.directions

    @property
    def inner_directions(self) -> FloatArray:
        """Derivative of all inner coordinates by the free ones, (K, f)."""
        return self.directions

    @property
    def inner_hessian(self) -> FloatArray:
        """Second derivative by the inner coordinates, (K, K)."""
        return self.hessian

    @property
    def inner_information(self) -> FloatArray:
        """Expected information by the inner coordinates, (K, K)."""
        return self.information

    @property
    def inner_score_obs(self) -> FloatArray:
        """Score of each row by the inner coordinates, (nobs, K)."""
        return self.score_obs

    # In the parameters.

    @cached_property
    def hessian(self) -> FloatArray:
        """Second derivative of the log-likelihood, (K, K).

        Where the model has directions of its own, right along these only.
        """
        return self._hessian()

    def _hessian(self) -> FloatArray:
        if getattr(self.model, "free_directions", None) is None:
            return self.model.hessian(self.theta)
        along = hessian_along(self.model, self.theta, self.directions, self.information)
        back = np.linalg.pinv(self.directions)
        return np.asarray(back.T @ along @ back, dtype=np.float64)

    @cached_property
    def information(self) -> FloatArray:
        """Expected information, (K, K)."""
        return self.model.information(self.theta)

    @cached_property
    def score_obs(self) -> FloatArray:
        """Score of each row, (nobs, K)."""
        return self.model.score_obs(self.theta)


class Kept:
    """The covariance of other results, for results that keep their parameters.

    Parameters
    ----------
    origin : Results
        Where the parameters were estimated.
    """

    def __init__(self, origin: Results) -> None:
        self.origin = origin

    def __call__(self) -> CovarianceEstimate:
        """Return the other results' covariance."""
        return self.origin.covariance

    def another(self, cov_type: Any, cov_kwds: Mapping[str, Any] | None) -> Kept:
        """Return the same with another covariance, of the data that gave the estimates."""
        return Kept(self.origin.with_cov(cov_type, cov_kwds))


def estimate_covariance(
    found: Derivatives, cov_type: CovType, cov_kwds: Mapping[str, Any]
) -> CovarianceEstimate:
    """Compute the covariance of the estimates, and only the derivatives that its kind needs.

    Parameters
    ----------
    found : Derivatives
    cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
    cov_kwds : mapping
        As `rnnstats.estimation.hac.check_cov_kwds` returns it.

    Returns
    -------
    CovarianceEstimate
    """
    model, size = found.model, found.theta.size
    if cov_type == "none":
        k_free = found.directions.shape[1]
        return CovarianceEstimate(np.full((size, size), np.nan), cov_type, 0, k_free, (), "")
    observed = cov_type in ("oim", "robust", "cluster", "hac")
    expected = cov_type in ("approx", "robust_approx")
    hessian = found.inner_hessian if observed else None
    if hessian is not None:
        expected = _nearly_flat(hessian, found.inner_directions)
    return covariance(
        cov_type,
        hessian=hessian,
        information=found.inner_information if expected else None,
        score_obs=None if cov_type in ("oim", "approx") else found.inner_score_obs,
        expansion=found.inner_directions,
        moves=found.moves,
        names=model.param_names,
        cov_kwds=cov_kwds,
    )


def _nearly_flat(hessian: FloatArray, expansion: FloatArray) -> bool:
    """Say whether some direction has so little curvature that it may have none."""
    matrix = -expansion.T @ without_fixed(hessian, expansion) @ expansion
    diagonal = np.diagonal(matrix)
    if not np.isfinite(matrix).all() or (diagonal <= 0.0).any():
        return False
    size = np.sqrt(diagonal)
    values = np.linalg.eigvalsh(matrix / np.outer(size, size))
    return bool(values.size and values[0] < SUSPECT)


def without_fixed(matrix: FloatArray, expansion: FloatArray) -> FloatArray:
    """Return a matrix of second derivatives with those of fixed parameters set to zero.

    A parameter fixed at its bound, such as a variance of zero, may have no derivative there (NaN).
    It does not matter for the free ones, and must not spoil them.

    Parameters
    ----------
    matrix : ndarray of shape (K, K)
        Second derivatives by all natural parameters.
    expansion : ndarray of shape (K, k_free)
        Derivative of these by the free ones; zero rows are fixed parameters.

    Returns
    -------
    ndarray of shape (K, K)
        A new matrix.
    """
    live = expansion.any(axis=1)
    return np.where(np.outer(live, live), matrix, 0.0)


def hessian_along(
    model: FittedModel, theta: FloatArray, directions: FloatArray, information: FloatArray
) -> FloatArray:
    """Second derivatives of the log-likelihood along directions from a point.

    Parameters
    ----------
    model : FittedModel
    theta : ndarray of shape (K,)
    directions : ndarray of shape (K, f)
        Along which the point can be moved both ways: a point with probabilities of zero has a
        derivative along its face only.
    information : ndarray of shape (K, K)
        Its diagonal along the directions gives the length of a standard error.

    Returns
    -------
    ndarray of shape (f, f)
        Central differences of the exact score with one Richardson step; steps that leave the
        parameter space are shortened.
    """
    live = directions.any(axis=1)
    power = np.diagonal(directions.T @ without_fixed(information, directions) @ directions)
    known = np.isfinite(power) & (power > 0.0)
    scale = np.where(known, 1.0 / np.sqrt(np.where(known, power, 1.0)), np.nan)

    here = np.linalg.pinv(directions) @ theta

    def score(place: FloatArray) -> FloatArray:
        whole = score_of(model, theta + directions @ (place - here))
        return np.asarray(directions.T @ np.where(live, whole, 0.0), dtype=np.float64)

    return hessian_from_score(score, here, scale=scale)


def score_of(model: FittedModel, theta: FloatArray) -> FloatArray:
    """Gradient of a log-likelihood by all natural parameters.

    Parameters
    ----------
    model : FittedModel
    theta : ndarray of shape (K,)

    Returns
    -------
    ndarray of shape (K,)
        From one backward pass where the model has it (``loglike_and_score``), else the sum of the
        scores of its rows.
    """
    combined = getattr(model, "loglike_and_score", None)
    if combined is not None:
        return np.asarray(combined(theta)[1], dtype=np.float64)
    return np.asarray(model.score_obs(theta).sum(axis=0), dtype=np.float64)
