"""Climbing where some directions of the parameters leave the likelihood alone.

In the free form every change of basis of the state gives the same likelihood. At a point, the
climb moves in the directions on which the expected information bears, in units of standard errors
(a flat slice through the orbit); the slice is drawn anew every few iterations, as charts are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.convergence import Outcome
from rnnstats.estimation.differences import hessian_from_score
from rnnstats.estimation.optimize import assess
from rnnstats.models._fitting import Objective, PsiObjective

__all__ = ["Slice", "Slices"]

FloatArray = NDArray[np.float64]
NO_INFORMATION = 1e-9


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices through the parameter space of a model.

    Attributes
    ----------
    model : Objective
        Its likelihood and unconstrained coordinates.
    normal : callable
        ``theta -> theta``: the same likelihood, far from the border of the parameter space.
    """

    model: Objective
    normal: Callable[[FloatArray], FloatArray]
    gtol: float = 1e-6

    def chart(self, theta: FloatArray) -> Slice:
        """Slice at a point (natural parameters)."""
        return Slice(self.model, self.normal(theta))

    def regular(self, theta: FloatArray) -> bool:
        """Whether a point has unconstrained coordinates."""
        try:
            return bool(np.isfinite(self.model._psi(theta)).all())
        except ValueError:
            return False

    def assess(self, theta: FloatArray, boundary: Callable[[FloatArray], Sequence[str]]) -> Outcome:
        """Record of a point in normal form; where nothing is known, it is flat."""
        chart = Slice(self.model, theta)
        return assess(
            chart.level,
            chart.base,
            hessian=chart.hessian,
            information=self.model._psi_information,
            boundary=boundary,
        )


class Slice:
    """Coordinates ``x`` with ``psi = psi_0 + basis @ x``.

    Parameters
    ----------
    model : Objective
    theta : ndarray, shape (K,)
        Natural parameters of the point.
    """

    def __init__(self, model: Objective, theta: FloatArray) -> None:
        self.model = model
        self.base = model._psi(theta)
        self.value = PsiObjective(model)
        self.size, values, vectors = _spectrum(model._psi_information(self.base))
        self.project = vectors @ vectors.T
        self.basis = vectors / np.sqrt(values) / self.size[:, None]
        self.start = np.zeros(len(values))

    def objective(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Log-likelihood and gradient; -inf and NaN where inadmissible."""
        value, gradient = self.value(self.base + self.basis @ x)
        if value == -math.inf:
            return value, np.full(len(x), np.nan)
        return value, self.basis.T @ gradient

    def information(self, x: FloatArray) -> FloatArray:
        """Expected information."""
        inner = self.model._psi_information(self.base + self.basis @ x)
        info: FloatArray = self.basis.T @ inner @ self.basis
        return info

    def theta(self, x: FloatArray) -> FloatArray | None:
        """Natural parameters."""
        layout, transform = self.model.layout, self.model.transform
        return layout.expand(transform.to_natural(self.base + self.basis @ x))

    def level(self, psi: FloatArray) -> tuple[float, FloatArray]:
        """Log-likelihood and gradient in ``psi``, zero where nothing is known at the point."""
        value, gradient = self.value(psi)
        return value, self.size * (self.project @ (gradient / self.size))

    def hessian(self, psi: FloatArray) -> FloatArray:
        """Hessian of the log-likelihood in ``psi``, zero where nothing is known at the point."""
        raw = hessian_from_score(lambda x: self.value(x)[1], psi, scale=1.0 / self.size)
        metric = np.outer(self.size, self.size)
        out: FloatArray = self.project @ (raw / metric) @ self.project * metric
        return out


def _spectrum(info: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit of each coordinate, and eigenvalues and vectors on which the information bears."""
    if not np.isfinite(info).all():
        raise ValueError("the information is not finite")
    diagonal = np.diag(info)
    size = np.sqrt(np.maximum(diagonal, 1e-12 * max(float(diagonal.max()), 1e-300)))
    values, vectors = np.linalg.eigh(info / np.outer(size, size))
    known = values > NO_INFORMATION * values[-1]
    return size, values[known], vectors[:, known]
