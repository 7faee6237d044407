"""Expectation-maximisation of a regime model whose emission is normal, in NumPy: the climb.

What the emissions of two kinds have in common (`markov_normal`, `markov_mean`): steps of the
transitions and of the start, steps that are shortened, leaps along the path.

References
----------
Baum, Petrie, Soules and Weiss (1970), Annals of Mathematical Statistics 41, 164-171.
Hamilton (1990), Journal of Econometrics 45, 39-70.
Varadhan and Roland (2008), Scandinavian Journal of Statistics 35, 335-353 (acceleration).
Grassmann, Taksar and Heyman (1985), Operations Research 33, 1107-1116 (stationary law).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Climb", "Point", "solved"]

Array = NDArray[Any]
SHARES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.0)
LEAST = 1e-12  # a probability that was positive stays so
PIVOT = 1e-12  # of equations of unit diagonal: the data say nothing
ROUNDING = 1e-11
FIRST_LEAP = 4.0  # longest leap, in steps; longer after one that gained
FIXED, FREE, STATIONARY = 0, 1, 2


@dataclass(eq=False)
class Point:
    """Parameters, and what is expected of the complete data there; `u` are the coefficients."""

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


class Climb(ABC):
    """The algorithm; an emission says what one pass and its own M-step are."""

    start: int
    floor: float

    @abstractmethod
    def _swept(self, point: Point) -> Point:
        """One pass at a point whose start law is set; llf stays -inf where there is none."""

    @abstractmethod
    def _emission(self, point: Point, prior: float, pooled: float) -> tuple[Array, Array]:
        """Coefficients and variances; `prior` rows of variance `pooled` join each regime."""

    def _climbed(self, here: Point, limit: int, tol: float, accelerate: bool) -> tuple[Any, ...]:
        """From a point to the end: log-likelihood there, the end, passes, whether it settled."""
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
        return begin, here, spent, settled

    def _expect(self, point: Point) -> Point:
        law = point.law
        if self.start == STATIONARY:
            law = np.tile(_stationary(point.transition), (len(law), 1))
        point = replace(point, law=law, llf=-math.inf)
        return self._swept(point) if np.isfinite(law).all() else point

    def _step(self, here: Point) -> tuple[Point, int]:
        u, variance = self._emission(here, 0.0, 0.0)
        target = self._transitions(here)
        law = here.law
        if self.start == FREE:
            first = (law * here.d_start).sum(axis=0, keepdims=True)
            law = _inside(law, np.repeat(first, len(law), axis=0))
        floor = here.llf - ROUNDING * (1.0 + abs(here.llf))
        for used, share in enumerate(SHARES, start=1):
            mixed = here.transition + share * (target - here.transition)
            there = self._expect(Point(u, variance, mixed, law))
            if there.llf >= floor:
                return there, used
            if self.start != STATIONARY:
                break
        return here, used

    def _transitions(self, point: Point) -> Array:
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

    def _leap(self, first: Point, second: Point, third: Point, longest: float) -> Point | None:
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
        return self._expect(Point(at["u"], moved["variance"], moved["transition"], law))


def _inside(before: Array, x: Array) -> Array:
    """Rows that sum to one; what was positive before does not go below LEAST."""
    x = x / x.sum(axis=1, keepdims=True)
    x = np.where(before > 0.0, np.maximum(x, LEAST), x)
    out: Array = x / x.sum(axis=1, keepdims=True)
    return out


def solved(matrix: Array, right: Array) -> Array:
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
