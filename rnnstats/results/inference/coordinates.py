"""A model's log-likelihood in unconstrained coordinates, where it has some, else in its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rnnstats.estimation.differences import jacobian
from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FittedModel, FloatArray

if TYPE_CHECKING:
    from rnnstats.results.protocol import StateSpaceModel

__all__ = ["Coordinates"]

# A point counts as moved to an equivalent one beyond this relative change.
MOVED = 1e-6
# A variance is stuck at zero if a unit of psi moves it by less than this many standard errors.
STUCK = 1e-3
# Number of starts for other maxima, and where their random numbers begin.
STARTS, SEED = 6, 20240913
# Smallest eigenvalue of the metric in unit-diagonal scaling: flat directions are not walked along.
FLOOR = 1e-10


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Log-likelihood with gradient near the estimates.

    Attributes
    ----------
    model : FittedModel
    transform : Transform or None
        Unconstrained coordinates of the free parameters, those at the boundary held there; None:
        the free parameters themselves.
    psi : ndarray of shape (k,)
        The estimates.
    llf : float
        Log-likelihood there.
    """

    model: FittedModel
    transform: Any
    psi: FloatArray
    llf: float

    @classmethod
    def of(cls, model: FittedModel, theta: FloatArray) -> Coordinates:
        """Choose coordinates.

        Parameters
        ----------
        model : FittedModel
        theta : ndarray of shape (K,)
            The estimates. On the border of a transform's domain there are no unconstrained
            coordinates.

        Returns
        -------
        Coordinates
        """
        free = model.layout.reduce(theta)
        transform = getattr(model, "transform", None)
        if transform is not None and hasattr(model, "free_directions"):
            transform = transform.holding(free)
        if transform is not None:
            try:
                psi = transform.to_unconstrained(free)
            except ValueError:
                transform = None
            else:
                return cls(model, transform, psi, float(model.loglike(theta)))
        return cls(model, None, free.copy(), float(model.loglike(theta)))

    @property
    def _whole(self) -> bool:
        """Whether every free parameter has a coordinate: none is held at the boundary."""
        return bool(self.psi.size == self.model.layout.k_free)

    def theta(self, psi: FloatArray) -> FloatArray:
        """All natural parameters (K,) at psi; infinite on overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            free = psi if self.transform is None else self.transform.to_natural(psi)
        return self.model.layout.expand(free)

    def pull(self, psi: FloatArray, slope: FloatArray) -> FloatArray:
        """Gradient in psi from that by all natural parameters."""
        ties = self.model.layout.expansion
        free = ties.T @ np.where(ties.any(axis=1), slope, 0.0)
        if self.transform is None:
            return np.asarray(free, dtype=np.float64)
        return np.asarray(self.transform.pull(psi, free), dtype=np.float64)

    def objective(self, psi: FloatArray) -> tuple[float, FloatArray]:
        """Log-likelihood and score in psi; minus infinity where there is none."""
        theta = self.theta(psi)
        refused = -math.inf, np.full(psi.size, math.nan)
        if not np.isfinite(theta).all():
            return refused
        combined = getattr(self.model, "loglike_and_score", None)
        if combined is not None:
            value, score = combined(theta)
        else:
            value, score = self.model.loglike(theta), self.model.score_obs(theta).sum(axis=0)
        if not math.isfinite(value):
            return refused
        live = self.model.layout.expansion.any(axis=1)
        return float(value), self.pull(psi, np.where(live, score, 0.0))

    def metric(self) -> FloatArray:
        """Expected information in psi near the estimates, made positive definite, (k, k)."""
        raised = self.lifted(self.psi)
        psi = self.psi if raised is None else raised
        matrix = self._information(psi)
        if self.transform is not None:
            chain = self.transform.jacobian(psi)
            matrix = chain.T @ matrix @ chain
        size = np.sqrt(np.maximum(np.diagonal(matrix), 0.0))
        size = np.where(size > 0.0, size, 1.0)
        values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
        floor = FLOOR * max(float(values.max(initial=0.0)), 1e-300)
        values = np.where(values > floor, values, 1.0)
        lifted = (vectors * values) @ vectors.T * np.outer(size, size)
        return np.asarray(0.5 * (lifted + lifted.T), dtype=np.float64)

    def _information(self, psi: FloatArray) -> FloatArray:
        ties = self.model.layout.expansion
        live = ties.any(axis=1)
        full = np.where(np.outer(live, live), self.model.information(self.theta(psi)), 0.0)
        return np.asarray(ties.T @ np.nan_to_num(full) @ ties, dtype=np.float64)

    def starts(self) -> tuple[FloatArray, ...]:
        """Points near other maxima: the best starts that the model finds in the data."""
        points = getattr(self.model, "_points", None)
        if points is None or not self._whole:
            return ()
        found = []
        for _, theta in points(None, None, np.random.default_rng(SEED))[:STARTS]:
            free = self.model.layout.reduce(theta)
            found.append(free if self.transform is None else self.transform.to_unconstrained(free))
        return tuple(found)

    def lifted(self, psi: FloatArray) -> FloatArray | None:
        """Point with variances raised that are so small that psi hardly moves them.

        At a variance of zero its logarithm has no score, wherever the likelihood leads.

        Parameters
        ----------
        psi : ndarray of shape (k,)

        Returns
        -------
        ndarray of shape (k,), or None where no variance is that small
        """
        if self.transform is None or not self._whole:
            return None
        free = self.model.layout.reduce(self.theta(psi))
        power = np.diagonal(self._information(psi))
        chain = self.transform.jacobian(psi)
        move = np.abs(chain).sum(axis=1) * np.sqrt(np.maximum(power, 0.0))
        # variances, by name or as what is the exponential of its own coordinate
        positive = np.isclose(np.diagonal(chain), free, rtol=1e-9, atol=0.0)
        positive |= np.array([_is_variance(name) for name in self.model.layout.free_names])
        stuck = (move < STUCK) & positive
        if not stuck.any():
            return None
        free = free + np.where(stuck, 0.5 / np.sqrt(np.where(power > 0.0, power, 1.0)), 0.0)
        try:
            return np.asarray(self.transform.to_unconstrained(free), dtype=np.float64)
        except ValueError:
            return None

    def inside(self, psi: FloatArray) -> FloatArray:
        """Equivalent point in the part of the space in which the model is identified.

        Parameters
        ----------
        psi : ndarray of shape (k,)

        Returns
        -------
        ndarray of shape (k,)
            `psi` itself, the same object, unless the model would replace it by an equivalent
            point, such as one with the roots of a moving average on the right side.
        """
        normalised = getattr(self.model, "_normalised", None)
        if normalised is None or not self._whole:
            return psi
        here = self.theta(psi)
        there = normalised(here)
        if np.abs(there - here).max() <= MOVED * (1.0 + np.abs(here).max()):
            return psi
        free = self.model.layout.reduce(there)
        moved = free if self.transform is None else self.transform.to_unconstrained(free)
        return np.asarray(np.array(moved), dtype=np.float64)

    def edge(self, psi: FloatArray) -> tuple[float, FloatArray]:
        """Log of the largest modulus of W_h - K V, which is zero where invertibility ends.

        Parameters
        ----------
        psi : ndarray of shape (k,)

        Returns
        -------
        float
        ndarray of shape (k,)
            Its gradient, by differences.
        """

        def height(point: FloatArray) -> FloatArray:
            model = cast("StateSpaceModel", self.model)
            system = model.system(self.theta(point))
            roots = np.linalg.eigvals(system.transition - system.selection @ system.design)
            with np.errstate(divide="ignore"):
                return np.asarray(np.log(np.abs(roots).max(keepdims=True)), dtype=np.float64)

        return float(height(psi)[0]), jacobian(height, psi)[0]

    @property
    def has_edge(self) -> bool:
        """Whether the state reads the errors of the outputs, so that `edge` has a meaning."""
        make = getattr(self.model, "system", None)
        system = None if make is None else make(self.theta(self.psi))
        if not isinstance(system, StateSpace):
            return False
        shared = (system.cross_cov, system.state_cov)
        return bool(all(np.array_equal(part, system.obs_cov) for part in shared))


def _is_variance(name: str) -> bool:
    group, _, label = name.partition("[")
    row, _, column = label.rstrip("]").rpartition(",")
    return group.endswith("_cov") and row == column
