"""Expectation-maximisation of a switching autoregression in mean form, in NumPy.

The residual of a row in the composite state s = (h_t, ..., h_{t-p}) is ``e_s = L_s' v_t``: v_t
holds responses and regressors of the row and its lags, and each loading is a sum of signed products
of two numbers, means, autoregressive coefficients or 1 (`rnnstats.models.regimes.blocks.hamilton`).
The derivative of L_s by these numbers is B_s. An M-step takes the means, then the autoregression,
each by least squares with the other given: ``sum_s B_s' S_vv B_s / var_s step = - sum_s B_s' S_ve /
var_s`` over second moments weighted by the probability of s. Residual sums of squares are carried
along, ``S_ee + 2 d'S_ve + d'S_vv d`` with d the change of the loadings, and give the variances.

References
----------
Hamilton (1989), Econometrica 57, 357-384; Hamilton (1990), Journal of Econometrics 45, 39-70.
Meng and Rubin (1993), Biometrika 80, 267-278 (one group of coefficients after the other).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.reference import markov
from rnnstats.kernels.reference.markov_climb import Climb, Point, solved

__all__ = ["Mean"]

Array = NDArray[Any]


class Mean(Climb):
    """Data; the compiled class of this name takes and returns the same.

    Parameters
    ----------
    v : ndarray, shape (n, r)
        Zero where not heard.
    heard : ndarray of uint8, shape (n,), or None
    rows : ndarray of int, shape (n,)
        Row of each in a classification, whose rows before it are its lags.
    offsets : ndarray of int, shape (sequences + 1,)
    k, order : int
    table : tuple of ndarray, shape (number of products,)
        Cell ``s r + column``, first and second factor (the number of coefficients stands for 1),
        sign.
    origin : ndarray, shape (q + 1,)
        Added to the coefficients and 0: what the responses were shifted by, and 1.
    means : int
        Number of coefficients that are means; they come first.
    common : bool
        One variance for all regimes.
    floor : float
        Lower bound of variances.
    """

    def __init__(
        self,
        v: Array,
        heard: Array | None,
        rows: Array,
        offsets: Array,
        k: int,
        order: int,
        table: tuple[Array, Array, Array, Array],
        origin: Array,
        means: int,
        common: bool,
        floor: float,
    ) -> None:
        self.v, self.rows, self.offsets = v, rows, offsets
        self.heard = np.ones(len(v)) if heard is None else heard.astype(float)
        self.k, self.order, self.table, self.origin = k, order, table, origin
        q = len(origin) - 1
        self.groups = [np.arange(means), np.arange(means, q)]
        self.common, self.floor = common, floor
        self.digits = np.indices((k,) * (order + 1)).reshape(order + 1, -1).T

    def climb(
        self,
        u: Array,
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
        """One start, see `rnnstats.kernels.markov_mean.MeanChain.climb`."""
        self.start = start
        here = Point(u, variance, transition, law)
        if weights is not None:
            factors = [weights[self.rows - lag][:, d] for lag, d in enumerate(self.digits.T)]
            here.states = np.prod(factors, axis=0)
            u, spread = self._emission(here, 1.0, pooled)
            here = replace(here, u=u, variance=spread)
        begin, here, spent, settled = self._climbed(here, limit, tol, accelerate)
        blank = np.full(self.k, np.nan)
        found = (np.empty((len(self.v), self.k)), np.full(len(u), np.nan), blank, blank)
        if here.states is not None:
            found = (self._by_regime(here.states), *self._slopes(here))
        states, slopes, squares, mass = found
        return (
            begin, here.llf, spent, settled, here.u, here.variance, here.transition, here.law,
            states, slopes, squares, mass, here.d_transition, here.d_start,
        )  # fmt: skip

    def _swept(self, point: Point) -> Point:
        residual = self.v @ self._loadings(point.u)[0].T
        variance = point.variance[self.digits[:, 0]]
        density = -0.5 * (np.log(2.0 * math.pi * variance) + residual**2 / variance)
        density[self.heard == 0.0] = 0.0
        factors = self._factors(point)
        first = np.prod(factors, axis=0)
        chain = density, point.transition, first, self.offsets, self.order
        llf, _, filtered = markov.forward(*chain)
        if not np.isfinite(llf).all():
            return point
        states, slope, d_first = markov.backward(
            density, point.transition, self.offsets, llf, filtered, self.order
        )
        d_transition, d_start = slope.sum(axis=0), np.zeros_like(point.law)
        for place in range(self.order + 1):
            own = d_first * np.prod(factors[:place] + factors[place + 1 :], axis=0)
            here = self.digits[:, self.order - place]
            if place == 0:
                np.add.at(d_start.T, here, own.T)
            else:
                before = self.digits[:, self.order - place + 1]
                np.add.at(d_transition, (before, here), own.sum(axis=0))
        return replace(
            point, llf=float(llf.sum()), states=states, d_transition=d_transition, d_start=d_start
        )

    def _factors(self, point: Point) -> list[Array]:
        """Law of the first p + 1 regimes, the oldest first: its factors, (sequences, S) each."""
        factors = [point.law[:, self.digits[:, self.order]]]
        for lag in range(self.order - 1, -1, -1):
            step = point.transition[self.digits[:, lag + 1], self.digits[:, lag]]
            factors.append(np.repeat(step[None], len(point.law), axis=0))
        return factors

    def _loadings(self, u: Array) -> tuple[Array, Array]:
        """Loadings (S, r), and their derivatives by the coefficients (S, r, q)."""
        cell, first, second, sign = self.table
        numbers = np.append(u, 0.0) + self.origin
        size, r, q = len(self.digits), self.v.shape[1], len(u)
        loadings = np.bincount(cell, sign * numbers[first] * numbers[second], size * r)
        spread = np.zeros((size * r, q + 1))
        np.add.at(spread, (cell, first), sign * numbers[second])
        np.add.at(spread, (cell, second), sign * numbers[first])
        return loadings.reshape(size, r), spread.reshape(size, r, q + 1)[:, :, :q]

    def _sums(self, point: Point) -> tuple[Array, Array, Array]:
        """Weighted by state: sums of v e (S, r), of e^2 (S,) and of 1 (S,)."""
        assert point.states is not None
        counted = point.states * self.heard[:, None]
        residual = self.v @ self._loadings(point.u)[0].T
        cross = (counted * residual).T @ self.v
        return cross, (counted * residual**2).sum(axis=0), counted.sum(axis=0)

    def _emission(self, point: Point, prior: float, pooled: float) -> tuple[Array, Array]:
        assert point.states is not None
        cross, squares, mass = self._sums(point)
        counted = point.states * self.heard[:, None]
        moments = np.einsum("ns,na,nb->sab", counted, self.v, self.v)
        weight = 1.0 / point.variance[self.digits[:, 0]]
        u = np.array(point.u)
        loadings, spread = self._loadings(u)
        for places in self.groups:
            slopes = spread[:, :, places]
            normal = np.einsum("sac,sab,sbe,s->ce", slopes, moments, slopes, weight)
            u[places] -= solved(normal, np.einsum("sac,sa,s->c", slopes, cross, weight))
            moved, spread = self._loadings(u)
            change, loadings = moved - loadings, moved
            pushed = np.einsum("sab,sb->sa", moments, change)
            squares = squares + (change * (2.0 * cross + pushed)).sum(axis=1)
            cross = cross + pushed
        sums = np.maximum(self._by_regime(squares), 0.0) + prior * pooled
        number = self._by_regime(mass) + prior
        if self.common:
            sums, number = np.full_like(sums, sums.sum()), np.full_like(number, number.sum())
        fresh = np.maximum(sums / np.where(number > 0.0, number, 1.0), self.floor)
        return u, np.where(number > 0.0, fresh, point.variance)

    def _slopes(self, point: Point) -> tuple[Array, Array, Array]:
        """Gradient by the coefficients (q,); residual sums of squares and mass by regime."""
        cross, squares, mass = self._sums(point)
        weight = 1.0 / point.variance[self.digits[:, 0]]
        slopes = -np.einsum("sac,sa,s->c", self._loadings(point.u)[1], cross, weight)
        return slopes, self._by_regime(squares), self._by_regime(mass)

    def _by_regime(self, values: Array) -> Array:
        """Sums over the composite states of each regime, which are the last axis."""
        out: Array = values.reshape(*values.shape[:-1], self.k, -1).sum(axis=-1)
        return out
