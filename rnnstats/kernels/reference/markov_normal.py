"""Expectation-maximisation of a normal response with a linear predictor by regime, in NumPy.

The coefficients of regime k are ``origin_k + basis_k u``: with one u, whatever is shared between
regimes is shared. One pass gives the log-likelihood and, over residuals e of the present
coefficients, the sums ``S_xx = sum w x x'``, ``S_xe = sum w x e``, ``S_ee = sum w e^2`` and
``sum w`` of each regime. The M-step solves ``sum_k basis_k' S_xx basis_k / v_k step = sum_k
basis_k' S_xe / v_k``; the new residual sums of squares are ``S_ee - 2 d'S_xe + d'S_xx d``, d the
step of a regime's coefficients, which loses nothing to the level of the response.

References
----------
Meng and Rubin (1993), Biometrika 80, 267-278 (coefficients, then variances).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.reference import markov
from rnnstats.kernels.reference.markov_climb import FIXED, Climb, Point, solved

__all__ = ["Normal"]

Array = NDArray[Any]


class Normal(Climb):
    """Data; the compiled class of this name takes and returns the same.

    Parameters
    ----------
    y : ndarray, shape (n,)
    x : ndarray, shape (m, n)
    seen : ndarray of uint8, shape (n,), or None
    basis : ndarray, shape (K, m, r)
    offsets : ndarray of int, shape (sequences + 1,)
    common : bool
        One variance for all regimes.
    floor : float
        Lower bound of variances.
    """

    def __init__(
        self,
        y: Array,
        x: Array,
        seen: Array | None,
        basis: Array,
        offsets: Array,
        common: bool,
        floor: float,
    ) -> None:
        self.y, self.x, self.basis, self.offsets = y, x, basis, offsets
        self.common, self.floor = common, floor
        self.seen = np.ones(len(y)) if seen is None else seen.astype(float)

    def climb(
        self,
        origin: Array,
        variance: Array,
        transition: Array,
        law: Array,
        start: int,
        weights: Array | None,
        pooled: float,
        limit: int,
        tol: float,
        accelerate: bool,
    ) -> tuple[Any, ...]:
        """One start, see `rnnstats.kernels.markov_normal.NormalChain.climb`."""
        self.origin, self.start = origin, start
        here = Point(np.zeros(self.basis.shape[2]), variance, transition, law)
        if weights is not None:
            here.coef = origin
            here.sums = self._sums(origin, weights)
            u, spread = self._emission(here, 1.0, pooled)
            here = replace(here, u=u, variance=spread)
        begin, here, spent, settled = self._climbed(here, limit, tol, accelerate)
        return (
            begin, here.llf, spent, settled, here.u, here.coef, here.variance, here.transition,
            here.law, here.states, here.sums, here.d_transition, here.d_start,
        )  # fmt: skip

    def slopes(
        self, coef: Array, variance: Array, transition: Array, law: Array
    ) -> tuple[Array, ...]:
        """Several points, see `rnnstats.kernels.markov_normal.NormalChain.slopes`."""
        self.start = FIXED
        found = []
        for at in zip(coef, variance, transition, law, strict=True):
            self.origin = at[0]
            point = self._expect(Point(np.zeros(self.basis.shape[2]), *at[1:]))
            some = (point.sums, point.d_transition, point.d_start)
            empty = (self._sums(at[0], np.zeros((len(self.y), len(at[1])))), *at[2:])
            kept = some if math.isfinite(point.llf) else [np.full_like(x, np.nan) for x in empty]
            found.append((np.array(point.llf), *kept))
        return tuple(np.array(column) for column in zip(*found, strict=True))

    def _swept(self, point: Point) -> Point:
        coef, law = self.origin + self.basis @ point.u, point.law
        point = replace(point, coef=coef)
        residual = self.y[:, None] - self.x.T @ coef.T
        density = -0.5 * (np.log(2.0 * math.pi * point.variance) + residual**2 / point.variance)
        density[self.seen == 0.0] = 0.0
        llf, _, filtered = markov.forward(density, point.transition, law, self.offsets)
        if not np.isfinite(llf).all():
            return point
        states, slope, d_start = markov.backward(
            density, point.transition, self.offsets, llf, filtered
        )
        return replace(
            point, llf=float(llf.sum()), states=states, sums=self._sums(coef, states),
            d_transition=slope.sum(axis=0), d_start=d_start,
        )  # fmt: skip

    def _sums(self, coef: Array, weights: Array) -> Array:
        """(K, pairs + m + 2): upper triangles of S_xx, then S_xe, S_ee and the mass."""
        counted = weights * self.seen[:, None]
        residual = self.y[:, None] - self.x.T @ coef.T
        rows, columns = np.triu_indices(len(self.x))
        pairs = np.einsum("nk,cn->kc", counted, self.x[rows] * self.x[columns])
        cross = np.einsum("nk,mn->km", counted * residual, self.x)
        squares = (counted * residual**2).sum(axis=0)
        return np.column_stack([pairs, cross, squares, counted.sum(axis=0)])

    def _emission(self, point: Point, prior: float, pooled: float) -> tuple[Array, Array]:
        assert point.sums is not None
        m, r = self.basis.shape[1:]
        rows, columns = np.triu_indices(m)
        moments = np.empty((len(point.sums), m, m))
        moments[:, rows, columns] = moments[:, columns, rows] = point.sums[:, : len(rows)]
        cross, squares, mass = np.split(point.sums[:, len(rows) :], [m, m + 1], axis=1)
        weight = 1.0 / point.variance
        normal = np.einsum("kac,kab,kbe,k->ce", self.basis, moments, self.basis, weight)
        step = solved(normal, np.einsum("kac,ka,k->c", self.basis, cross, weight))
        move = self.basis @ step if r else np.zeros((len(weight), m))
        bent = np.einsum("ka,kab,kb->k", move, moments, move)
        sums = np.maximum(squares[:, 0] - 2.0 * (move * cross).sum(axis=1) + bent, 0.0)
        sums, number = sums + prior * pooled, mass[:, 0] + prior
        if self.common:
            sums, number = np.full_like(sums, sums.sum()), np.full_like(number, number.sum())
        fresh = np.maximum(sums / np.where(number > 0.0, number, 1.0), self.floor)
        return point.u + step, np.where(number > 0.0, fresh, point.variance)
