"""Derivatives of the likelihood of a model with regimes, rounding told from information."""

from __future__ import annotations

from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rnnstats.results.inference.covariances import Derivatives
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.protocol import RegimeModel

__all__ = ["RegimeDerivatives"]

# A parameter has no information where its sum of squared scores is below this share of what it
# would be if every row were known to be in its regime: rows with weight w have w^2 of that. Of
# parameters of regimes that are not visited, or of steps between equal regimes, rounding is left.
NONE = 1e-20


class RegimeDerivatives(Derivatives):
    """Second derivatives and scores at one point; those without information are exactly zero."""

    @cached_property
    def _empty(self) -> NDArray[np.bool_]:
        """Parameters without any information of their own, (K,)."""
        rows = self.model.score_obs(self.theta)
        with np.errstate(invalid="ignore", over="ignore"):
            power = np.square(rows).sum(axis=0)
        # a mean fitted to one row has a score of zero there, and information all the same
        power = np.maximum(power, self._expected)
        return np.asarray(power <= NONE * self._complete)

    @cached_property
    def _expected(self) -> FloatArray:
        """Expected sum of squared scores of the outputs' parameters given the regimes, (K,)."""
        likelihood = cast("RegimeModel", self.model).likelihood
        found = np.zeros(self.theta.size)
        states = likelihood.expectation(self.theta).weights
        if not states.size:
            return found
        weights = likelihood.block_weights(np.square(states))
        for bound, place in zip(likelihood.bound, likelihood.parts, strict=True):
            diagonal = np.diagonal(bound.curvature(self.theta[place], weights))
            found[place] = np.where(np.isfinite(diagonal), diagonal, 0.0)
        return found

    @cached_property
    def _complete(self) -> FloatArray:
        """Information if the regime of every row were known, (K,), or a number of its size."""
        model = cast("RegimeModel", self.model)
        likelihood = model.likelihood
        nobs = int(np.asarray(likelihood.offsets)[-1])
        found = np.zeros(self.theta.size)
        chain = sum(likelihood.q)
        found[:chain] = nobs
        if model.exog_transition is not None:
            names = [f",{name}]" for name in model.exog_transition.names]
            squares = np.square(model.exog_transition.values).sum(axis=0)
            for i, name in enumerate(model.param_names[: likelihood.q[0]]):
                for end, square in zip(names, squares, strict=True):
                    if name.startswith("W_x[") and name.endswith(end):
                        found[i] = square
        for block, bound, place in zip(
            model.blocks, likelihood.bound, likelihood.parts, strict=True
        ):
            states = model.k_regimes ** (1 + (model.order if block.composite else 0))
            part = self.theta[place]
            diagonal = np.diagonal(bound.curvature(part, np.ones((nobs, states))))
            found[place] = np.where(np.isfinite(diagonal), diagonal, 0.0)
        return found

    @cached_property
    def score_obs(self) -> FloatArray:
        """Score of each row, (nobs, K)."""
        return np.where(self._empty, 0.0, self.model.score_obs(self.theta)) @ self._across

    @cached_property
    def hessian(self) -> FloatArray:
        """Second derivative of the log-likelihood, (K, K), right along the directions."""
        return self._cleaned(self._hessian())

    @cached_property
    def information(self) -> FloatArray:
        """Sum of the outer products of the scores, (K, K)."""
        return self._cleaned(self.model.information(self.theta))

    @cached_property
    def _across(self) -> FloatArray:
        """Projection along directions in which several parameters run to infinity, (K, K)."""
        flat = cast("RegimeModel", self.model).flat_directions(self.theta)
        return np.eye(self.theta.size) - flat @ np.linalg.pinv(flat)

    @cached_property
    def inner_hessian(self) -> FloatArray:
        """Second derivative by the inner coordinates, (f, f)."""
        found, inner = super().inner_hessian, self._inner
        if inner is None:
            return found
        nothing = ~inner[~self._empty].any(axis=0)
        return np.where(np.logical_and.outer(nothing, nothing), 0.0, found)

    def _conditioned(self) -> FloatArray | None:
        flat = cast("RegimeModel", self.model).flat_directions(self.theta)
        return None if flat.shape[1] else super()._conditioned()

    def _standard_effects(self) -> FloatArray | None:
        found = super()._standard_effects()
        return None if found is None else np.where(self._empty, 0.0, found)

    def _cleaned(self, matrix: FloatArray) -> FloatArray:
        known = np.where(np.logical_or.outer(self._empty, self._empty), 0.0, matrix)
        return self._across.T @ known @ self._across
