"""Derivatives of a network's likelihood in standardised coordinates, where inverses are taken.

Where outputs or inputs are far from zero compared with their spread, weights and constants in the
user's units move together, and their information is singular to rounding although the data tell
all of them: the correlation is one to within the square of spread over mean. In standardised
coordinates it does not know the mean, and the way back is one product with the chart's derivative.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from rnnstats.estimation.differences import hessian_from_score, standard_steps
from rnnstats.results.inference.covariances import Derivatives, score_of
from rnnstats.results.protocol import FloatArray

if TYPE_CHECKING:
    from rnnstats.results.recurrent.protocol import RecurrentModel

__all__ = ["StandardDerivatives", "standard_directions"]

# A share of a direction that only rounding puts there.
ROUNDING = 1e-14


def standard_directions(chart: FloatArray, directions: FloatArray) -> FloatArray:
    """Directions in standardised coordinates, orthonormal, along axes where that is possible.

    Parameters
    ----------
    chart : ndarray of shape (K, K)
        Derivative of the natural parameters by the standardised ones.
    directions : ndarray of shape (K, f)
        Derivative of the natural parameters by the free ones.

    Returns
    -------
    ndarray of shape (K, f)
        Spans the same as the directions, seen from the standardised parameters; without
        restrictions these themselves.
    """
    if directions.shape[0] == directions.shape[1]:
        return np.eye(len(directions))
    steps = np.linalg.solve(chart, directions)
    # a constant moves itself only: taken before the weights, it leaves them axes of their own
    order = np.argsort((steps != 0.0).sum(axis=0), kind="stable")
    ordered = steps[:, order] / np.linalg.norm(steps[:, order], axis=0)
    basis = np.linalg.qr(ordered)[0]
    out = np.empty_like(basis)
    out[:, order] = np.where(np.abs(basis) > ROUNDING, basis, 0.0)
    return out


class StandardDerivatives(Derivatives):
    """Derivatives of a network's log-likelihood, with those by its standardised parameters."""

    model: RecurrentModel

    @cached_property
    def chart(self) -> FloatArray:
        """Derivative of the parameters by the standardised ones, (K, K)."""
        return np.asarray(self._sparse_chart.toarray())

    @cached_property
    def _sparse_chart(self) -> sparse.csr_array:
        return sparse.csr_array(self.model.chart.jacobian())

    @cached_property
    def inner_directions(self) -> FloatArray:
        """Orthonormal free directions of the standardised parameters, (K, f)."""
        return standard_directions(self.chart, self.directions)

    @cached_property
    def moves(self) -> FloatArray:
        """Derivative of the parameters by the free inner coordinates, (K, f)."""
        outer, ties = self.chart @ self.inner_directions, self.directions
        # through the restrictions, which then hold to the last digit; each parameter belongs to one
        # free parameter at most
        return np.asarray(ties @ ((ties.T @ outer) / (ties**2).sum(axis=0)[:, None]))

    @cached_property
    def inner_hessian(self) -> FloatArray:
        """Second derivative by the standardised parameters, (K, K)."""
        whole = self._likelihood
        if whole is not None:
            return np.asarray(whole.hessian_at(self._phi))
        scale = standard_steps(self.inner_information, 1e-2)
        chart = self.model.chart

        def score(phi: FloatArray) -> FloatArray:
            return np.asarray(score_of(self.model, chart.to_natural(phi)) @ self.chart)

        return hessian_from_score(score, self._phi, scale=scale)

    @cached_property
    def inner_information(self) -> FloatArray:
        """Expected information by the standardised parameters, (K, K).

        Of later rows the outer product of their scores.
        """
        whole = self._likelihood
        if whole is not None:
            return np.asarray(whole.information_at(self._phi))
        rows = self.inner_score_obs
        return np.asarray(rows.T @ rows)

    @cached_property
    def inner_score_obs(self) -> FloatArray:
        """Score of each row by the standardised parameters, (nobs, K)."""
        return np.asarray((self._sparse_chart.T @ self.score_obs.T).T)

    @property
    def inner_ridge(self) -> FloatArray:
        """Second derivative of the penalty by the standardised parameters, (K, K)."""
        return np.diag(self.model.penalty * np.asarray(self.model.chart.penalised, dtype=float))

    def _hessian(self) -> FloatArray:
        half = self.model.chart.pull(self.inner_hessian)
        return np.asarray(self.model.chart.pull(half.T))

    @property
    def _likelihood(self) -> Any:
        """Of all rows; None for later rows given those before."""
        return getattr(self.model, "likelihood", None)

    @cached_property
    def _phi(self) -> FloatArray:
        return np.asarray(self.model.chart.to_standard(self.theta))
