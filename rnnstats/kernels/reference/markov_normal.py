"""Expectation-maximisation of a normal response with a linear predictor by regime, in NumPy.

The coefficients of regime k are ``origin_k + basis_k u``: with one u, whatever is shared between
regimes is shared. One pass gives the log-likelihood and, over residuals e of the present
coefficients, the sums ``S_xx = sum w x x'``, ``S_xe = sum w x e``, ``S_ee = sum w e^2`` and
``sum w`` of each regime. The M-step solves ``sum_k basis_k' S_xx basis_k / v_k step = sum_k
basis_k' S_xe / v_k``; the new residual sums of squares are ``S_ee - 2 d'S_xe + d'S_xx d``, d the
step of a regime's coefficients, which loses nothing to the level of the response.

References
----------
Baum, Petrie, Soules and Weiss (1970), Annals of Mathematical Statistics 41, 164-171.
Hamilton (1990), Journal of Econometrics 45, 39-70.
Meng and Rubin (1993), Biometrika 80, 267-278 (coefficients, then variances).
Varadhan and Roland (2008), Scandinavian Journal of Statistics 35, 335-353 (acceleration).
Grassmann, Taksar and Heyman (1985), Operations Research 33, 1107-1116 (stationary law).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.reference import markov

__all__ = ["Normal"]

Array = NDArray[Any]
SHARES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.0)
LEAST = 1e-12  # a probability that was positive stays so
PIVOT = 1e-12  # of equations of unit diagonal: the data say nothing
ROUNDING = 1e-11
FIRST_LEAP = 4.0  # longest leap, in steps; longer after one that gained
FIXED, FREE, STATIONARY = 0, 1, 2


@dataclass(eq=False)
class _Point:
    """Parameters, and what is expected of the complete data there."""

    u: Array
    variance: Array
    transition: Array
    law: Array
    llf: float = -math.inf
    coef: Array | None = None
    sums: Array | None = None
    d_transition: Array | None = None
    d_start: Array | None = None
    states: Array | None = None


class Normal:
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
        here = _Point(np.zeros(self.basis.shape[2]), variance, transition, law)
        if weights is not None:
            here.coef = origin
            here.sums = self._sums(origin, weights)
            u, spread = self._emission(here, 1.0, pooled)
            here = replace(here, u=u, variance=spread)
        here = self._expect(here)
        begin, spent, settled, longest = here.llf, 0, False, FIRST_LEAP
        while math.isfinite(begin) and spent < limit and not settled:
            there, used = self._step(here)
            spent += used
            gain = there.llf - here.llf
            if accelerate and gain > tol and spent + 2 <= limit:
                further, used = self._step(there)
                spent += used
                if further.llf - there.llf > tol:
                    leaped = self._leap(here, there, further, longest)
                    spent += leaped is not None
                    if leaped is not None:
                        gained = leaped.llf >= further.llf
                        longest = 4.0 * longest if gained else FIRST_LEAP
                        further = leaped if gained else further
                gain = further.llf - there.llf
                there = further
            settled = gain <= tol
            here = there
        return (
            begin, here.llf, spent, settled, here.u, here.coef, here.variance, here.transition,
            here.law, here.states, here.sums, here.d_transition, here.d_start,
        )  # fmt: skip

    def _expect(self, point: _Point) -> _Point:
        coef = self.origin + self.basis @ point.u
        law = point.law
        if self.start == STATIONARY:
            own = _stationary(point.transition)
            law = np.tile(own, (len(law), 1))
        point = replace(point, coef=coef, law=law, llf=-math.inf)
        if not np.isfinite(law).all():
            return point
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

    def _emission(self, point: _Point, prior: float, pooled: float) -> tuple[Array, Array]:
        """Coefficients by least squares, then variances."""
        assert point.sums is not None
        m, r = self.basis.shape[1:]
        rows, columns = np.triu_indices(m)
        moments = np.empty((len(point.sums), m, m))
        moments[:, rows, columns] = moments[:, columns, rows] = point.sums[:, : len(rows)]
        cross, squares, mass = np.split(point.sums[:, len(rows) :], [m, m + 1], axis=1)
        weight = 1.0 / point.variance
        normal = np.einsum("kac,kab,kbe,k->ce", self.basis, moments, self.basis, weight)
        step = _solved(normal, np.einsum("kac,ka,k->c", self.basis, cross, weight))
        move = self.basis @ step if r else np.zeros((len(weight), m))
        bent = np.einsum("ka,kab,kb->k", move, moments, move)
        sums = np.maximum(squares[:, 0] - 2.0 * (move * cross).sum(axis=1) + bent, 0.0)
        sums, number = sums + prior * pooled, mass[:, 0] + prior
        if self.common:
            sums, number = np.full_like(sums, sums.sum()), np.full_like(number, number.sum())
        fresh = np.maximum(sums / np.where(number > 0.0, number, 1.0), self.floor)
        return point.u + step, np.where(number > 0.0, fresh, point.variance)

    def _step(self, here: _Point) -> tuple[_Point, int]:
        u, variance = self._emission(here, 0.0, 0.0)
        target = self._transitions(here)
        law = here.law
        if self.start == FREE:
            first = (law * here.d_start).sum(axis=0, keepdims=True)
            law = _inside(law, np.repeat(first, len(law), axis=0))
        floor = here.llf - ROUNDING * (1.0 + abs(here.llf))
        for used, share in enumerate(SHARES, start=1):
            mixed = here.transition + share * (target - here.transition)
            there = self._expect(_Point(u, variance, mixed, law))
            if there.llf >= floor:
                return there, used
            if self.start != STATIONARY:
                break
        return here, used

    def _transitions(self, point: _Point) -> Array:
        """Shares of expected steps; the slopes of a stationary start, shifted, join them."""
        assert point.d_transition is not None and point.d_start is not None
        slopes, k = point.d_transition, len(point.transition)
        if self.start == STATIONARY:
            system = np.eye(k) - point.transition + 1.0
            effect = np.linalg.solve(system, point.d_start.sum(axis=0))
            slopes = slopes + point.law[0][:, None] * (effect - effect.min())
        counts = point.transition * slopes
        total = counts.sum(axis=1, keepdims=True)
        target = np.where(total > 0.0, counts / np.where(total > 0.0, total, 1.0), point.transition)
        return _inside(point.transition, target)

    def _leap(self, first: _Point, second: _Point, third: _Point, longest: float) -> _Point | None:
        """Along the path of two steps, in coefficients, log variances and log probabilities."""
        names = ["variance", "transition", *(["law"] if self.start == FREE else [])]
        paths = {name: [getattr(p, name) for p in (first, second, third)] for name in names}
        inside = {name: np.all([x > 0.0 for x in path], axis=0) for name, path in paths.items()}
        logs = {
            name: [np.log(np.where(inside[name], x, 1.0)) for x in path]
            for name, path in paths.items()
        }
        logs["u"] = [first.u, second.u, third.u]
        change = sum(float(((y - x) ** 2).sum()) for x, y, _ in logs.values())
        bend = sum(float(((z - 2.0 * y + x) ** 2).sum()) for x, y, z in logs.values())
        if not 0.0 < bend < change:
            return None
        length = min(math.sqrt(change / bend), longest)
        at = {
            name: x + 2.0 * length * (y - x) + length**2 * (z - 2.0 * y + x)
            for name, (x, y, z) in logs.items()
        }
        moved = {
            name: np.where(inside[name], np.exp(np.clip(at[name], -600.0, 600.0)), paths[name][2])
            for name in names
        }
        for name in names[1:]:
            moved[name] = _inside(paths[name][2], moved[name])
        moved["variance"] = np.maximum(moved["variance"], self.floor)
        law = moved.get("law", third.law)
        return self._expect(_Point(at["u"], moved["variance"], moved["transition"], law))


def _inside(before: Array, x: Array) -> Array:
    """Rows that sum to one; what was positive before does not go below LEAST."""
    x = x / x.sum(axis=1, keepdims=True)
    x = np.where(before > 0.0, np.maximum(x, LEAST), x)
    out: Array = x / x.sum(axis=1, keepdims=True)
    return out


def _solved(matrix: Array, right: Array) -> Array:
    """Solution with the diagonal brought to one; zero where a pivot is lost, in order."""
    diagonal = np.diagonal(matrix)
    size = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    unit = matrix / np.outer(size, size)
    kept: list[int] = []
    for j in range(len(right)):
        rest = unit[j, j]
        if kept:
            before = unit[np.ix_(kept, kept)]
            rest = rest - unit[kept, j] @ np.linalg.solve(before, unit[kept, j])
        if rest > PIVOT:
            kept.append(j)
    out = np.zeros_like(right)
    if kept:
        out[kept] = np.linalg.solve(unit[np.ix_(kept, kept)], (right / size)[kept])
    return out / size


def _stationary(transition: Array) -> Array:
    """Stationary law without subtractions; NaN where it is not unique."""
    p, k = transition.copy(), len(transition)
    for n in range(k - 1, 0, -1):
        away = p[n, :n].sum()
        if not away > 0.0:
            return np.full(k, np.nan)
        p[:n, n] /= away
        p[:n, :n] += np.outer(p[:n, n], p[n, :n])
    law = np.ones(k)
    for n in range(1, k):
        law[n] = law[:n] @ p[:n, n]
    out: Array = law / law.sum()
    return out
