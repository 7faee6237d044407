"""Coordinates in which a network is climbed, and the (penalised) log-likelihood in them.

Without restrictions they are the standardised parameters, the head's own unconstrained. With
restrictions they are orthonormal coordinates of what these leave of the standardised parameters:
the length of a step means the same in both.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.models.recurrent.fit.forgetting import forgets
from rnnstats.parameters.transforms import Transform

if TYPE_CHECKING:
    from rnnstats.models.recurrent.methods import RecurrentMethods

__all__ = ["Coordinates", "Target", "Walled"]

FloatArray = NDArray[np.float64]


class Coordinates:
    """Map between ``psi`` (k_free,) and standardised parameters ``phi`` (K,).

    Parameters
    ----------
    model : RecurrentMethods
        Its layout, transform and chart.
    """

    def __init__(self, model: RecurrentMethods) -> None:
        self.chart, self.layout = model.chart, model.layout
        k = self.layout.k_params
        self.restricted = self.layout.restricted
        first = self.chart.extra.start
        blocks = [
            replace(block, indices=tuple(i + first for i in block.indices))
            for block in model.head.transforms
        ]
        self.standard = Transform(k, blocks)
        self.transform = model.transform
        if self.restricted:
            self.turn, self.back = self._orthonormal()

    def _orthonormal(self) -> tuple[FloatArray, FloatArray]:
        """Matrix from free parameters (head's own unconstrained) to ``psi``, and its inverse."""
        chart, layout = self.chart, self.layout
        k, free = layout.k_params, layout.k_free
        origin = chart.to_standard(np.zeros(k))
        linear = np.column_stack([chart.to_standard(row) - origin for row in layout.expansion.T])
        own = np.zeros(k, dtype=bool)
        own[chart.extra] = True
        to_own = (np.abs(linear[own]) > 0.0).any(axis=0)
        turn = np.eye(free)
        rest = np.flatnonzero(~to_own)
        if rest.size:
            factor = np.linalg.qr(linear[~own][:, rest])[1]
            factor = factor * np.where(np.diagonal(factor) < 0.0, -1.0, 1.0)[:, None]
            turn[np.ix_(rest, rest)] = factor
        return turn, np.asarray(np.linalg.inv(turn))

    def phi(self, psi: FloatArray) -> FloatArray:
        """Standardised parameters (K,)."""
        if not self.restricted:
            return self.standard.to_natural(psi)
        return self.chart.to_standard(self.theta(psi))

    def theta(self, psi: FloatArray) -> FloatArray:
        """Natural parameters (K,)."""
        if not self.restricted:
            return self.chart.to_natural(self.standard.to_natural(psi))
        with np.errstate(over="ignore", invalid="ignore"):
            return self.layout.expand(self.transform.to_natural(self.back @ psi))

    def psi(self, phi: FloatArray) -> FloatArray:
        """
        Coordinates of standardised parameters, restrictions imposed.

        Parameters
        ----------
        phi : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (k_free,)

        Raises
        ------
        ValueError
            Where the head's own parameters lie outside their domain.
        """
        if not self.restricted:
            return self.standard.to_unconstrained(phi)
        free = self.layout.reduce(self.chart.to_natural(phi))
        return np.asarray(self.turn @ self.transform.to_unconstrained(free))

    def pull(self, psi: FloatArray, gradient: FloatArray) -> FloatArray:
        """Gradient by ``psi`` from that by ``phi``."""
        if not self.restricted:
            return self.standard.pull(psi, gradient)
        by_free = self.layout.pull(self.chart.pull(gradient))
        return np.asarray(self.transform.pull(self.back @ psi, by_free) @ self.back)

    def carry(self, psi: FloatArray, matrix: FloatArray) -> FloatArray:
        """Quadratic form by ``psi`` from that by ``phi``: ``J' A J``."""
        if not self.restricted:
            if self.standard.trivial:
                return matrix
            at = self.chart.extra
            inner = self.standard.jacobian(psi)[at, at]
            out = matrix.copy()
            out[at] = inner.T @ out[at]
            out[:, at] = out[:, at] @ inner
            return out
        half = self.chart.pull(self.chart.pull(matrix).T)
        expansion = self.layout.expansion
        chain = self.transform.jacobian(self.back @ psi) @ self.back
        return np.asarray(chain.T @ (expansion.T @ half @ expansion) @ chain)


class Target:
    """What is climbed: the log-likelihood less the ridge penalty, as a function of ``psi``.

    Parameters
    ----------
    model : RecurrentMethods
    penalty : float
        Half of it, times the sum of squares of the standardised weights that a ridge shrinks, is
        taken off.
    """

    def __init__(self, model: RecurrentMethods, penalty: float) -> None:
        self.likelihood, self.penalty = model.likelihood, penalty
        self.at = Coordinates(model)
        self.shrunk = self.at.chart.penalised

    def __call__(self, psi: FloatArray) -> tuple[float, FloatArray]:
        phi = self.at.phi(psi)
        value, gradient = self.likelihood.pull_at(phi)
        if value == -math.inf:
            return value, np.full(len(psi), np.nan)
        if self.penalty:
            value -= self.cost(phi)
            gradient = gradient - self.penalty * np.where(self.shrunk, phi, 0.0)
        return value, self.at.pull(psi, gradient)

    def value(self, psi: FloatArray) -> float:
        """Penalised log-likelihood."""
        phi = self.at.phi(psi)
        return self.likelihood.value_at(phi) - self.cost(phi)

    def cost(self, phi: FloatArray) -> float:
        """Penalty at standardised parameters."""
        if not self.penalty:
            return 0.0
        weights = phi[self.shrunk]
        return 0.5 * self.penalty * float(weights @ weights)

    def information(self, psi: FloatArray) -> FloatArray:
        """Expected information (k_free, k_free), plus the second derivative of the penalty."""
        matrix = self.likelihood.information_at(self.at.phi(psi))
        if self.penalty:
            matrix[np.diag_indices_from(matrix)] += self.penalty * self.shrunk
        return self.at.carry(psi, matrix)

    def forgets(self, psi: FloatArray) -> bool:
        """Whether the state forgets where it was: no positive Lyapunov exponent on the sample."""
        here = self.likelihood.evaluate(self.at.phi(psi))
        return here is not None and forgets(self.likelihood.arch, here)


class Walled:
    """The same where the state forgets, and minus infinity elsewhere.

    Parameters
    ----------
    target : Target
    """

    def __init__(self, target: Target) -> None:
        self.target = target

    def __call__(self, psi: FloatArray) -> tuple[float, FloatArray]:
        value, score = self.target(psi)
        if value > -math.inf and not self.target.forgets(psi):
            return -math.inf, np.full(len(psi), np.nan)
        return value, score
