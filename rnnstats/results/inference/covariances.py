"""Covariances of the estimates of a model: derivatives at the estimates, and what is made of them.

The derivatives are computed when first needed and shared by all kinds of covariance.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.covariance import CovarianceEstimate, CovType, covariance
from rnnstats.estimation.differences import hessian_from_score, standard_steps
from rnnstats.results.inference.conditioning import conditioned_basis
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
# Standard errors that differences of the score need on both sides of a point.
ROOM = 1e-7


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

    @cached_property
    def basis(self) -> FloatArray | None:
        """Derivative of the free parameters by the free inner coordinates, (f, f); None: one."""
        return self._conditioned()

    def _conditioned(self) -> FloatArray | None:
        """Inner coordinates where the model's are badly conditioned and it knows better ones."""
        known = hasattr(self.model, "_standard_effects")
        if not known or not _suspect(self.information, self.directions):
            return None
        effects = self._standard_effects()
        if effects is None:
            return None
        live = self.directions.any(axis=1)
        moved = effects[:, live] @ self.directions[live]
        # what lies at the boundary has no second derivative, and keeps that to itself
        return conditioned_basis(np.where(self._bordering(), 0.0, moved))

    def _bordering(self) -> NDArray[np.bool_]:
        """Free parameters, (f,), that have no room on both sides of the point."""
        directions = self.directions
        power = np.diagonal(directions.T @ without_fixed(self.information, directions) @ directions)
        room = np.where(power > 0.0, ROOM / np.sqrt(np.where(power > 0.0, power, 1.0)), 0.0)
        steps = directions * room
        return np.array(
            [
                not all(np.isfinite(self.model.loglike(self.theta + s)) for s in (step, -step))
                for step in steps.T
            ]
        )

    def _standard_effects(self) -> FloatArray | None:
        """What the parameters do in outputs and inputs that are alike, (r, K), if there is such."""
        model: Any = self.model
        effects: FloatArray | None = model._standard_effects(self.theta)
        return effects

    @cached_property
    def _inner(self) -> FloatArray | None:
        """Derivative of the parameters by the free inner coordinates, (K, f); None: as `basis`."""
        return None if self.basis is None else np.asarray(self.directions @ self.basis)

    @property
    def moves(self) -> FloatArray:
        """Derivative of the parameters by the free inner coordinates, (K, f)."""
        return self.directions if self._inner is None else self._inner

    @property
    def inner_directions(self) -> FloatArray:
        """Derivative of all inner coordinates by the free ones, (K, f)."""
        return self.directions if self._inner is None else np.eye(self._inner.shape[1])

    @cached_property
    def inner_hessian(self) -> FloatArray:
        """Second derivative by the inner coordinates, (K, K)."""
        if self._inner is None:
            return self.hessian
        size = standard_steps(self.inner_information, 1.0)
        # from the point itself: its coordinates may be large numbers that cancel
        across = self._inner * size
        live = across.any(axis=1)

        def score(step: FloatArray) -> FloatArray:
            whole = score_of(self.model, self.theta + across @ step)
            return np.asarray(across[live].T @ whole[live], dtype=np.float64)

        found = hessian_from_score(score, np.zeros(len(size)), scale=np.ones(len(size)))
        return np.asarray(found / np.outer(size, size))

    @cached_property
    def inner_information(self) -> FloatArray:
        """Expected information by the inner coordinates, (K, K)."""
        if self._inner is None:
            return self.information
        along = getattr(self.model, "_information_along", None)
        if along is not None:
            return np.asarray(along(self.theta, self._inner), dtype=np.float64)
        rows = self.inner_score_obs
        return np.asarray(rows.T @ rows)

    @cached_property
    def inner_score_obs(self) -> FloatArray:
        """Score of each row by the inner coordinates, (nobs, K)."""
        if self._inner is None:
            return self.score_obs
        along = getattr(self.model, "_score_obs_along", None)
        if along is not None:
            return np.asarray(along(self.theta, self._inner), dtype=np.float64)
        live = self._inner.any(axis=1)
        return np.asarray(self.score_obs[:, live] @ self._inner[live])

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
    diagonal = np.diagonal(-expansion.T @ without_fixed(hessian, expansion) @ expansion)
    return bool((diagonal > 0.0).all()) and _suspect(-hessian, expansion)


def _suspect(information: FloatArray, expansion: FloatArray) -> bool:
    """Say whether parameters move together, those without information of their own left out."""
    matrix = expansion.T @ without_fixed(information, expansion) @ expansion
    if not np.isfinite(matrix).all():
        return False
    told = np.diagonal(matrix) > 0.0
    size = np.sqrt(np.diagonal(matrix)[told])
    values = np.linalg.eigvalsh(matrix[np.ix_(told, told)] / np.outer(size, size))
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
    scale = standard_steps(
        directions.T @ without_fixed(information, directions) @ directions, np.nan
    )
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
