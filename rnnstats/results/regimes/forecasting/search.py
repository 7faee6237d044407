"""Quantiles and highest-density regions of predictive laws."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import Kind, Law

__all__ = ["Region", "highest_density", "quantile"]

# Steps of a search by halving and Newton's rule; halving alone would need about 60.
STEPS = 200
# A quantile is found when the bracket is this small, in units of its ends and of the spread.
WIDTH = 4.0 * np.finfo(float).eps
# What a sum of probabilities may be off by through rounding.
ROUNDING = 64.0 * np.finfo(float).eps
# Mass beyond which a highest-density region does not look.
TAIL = 1e-9
# Grid of a region: points at equal distances, at quantiles (found in some rounds of interpolation),
# and around the centre of each component where there are FEW; what many add up to is smooth.
FEW, ACROSS = 64, 41
FINE, ROUGH = (301, 401, 3), (151, 101, 1)


class Region(NamedTuple):
    """One piece of a highest-density region: both ends belong to it."""

    lower: float
    upper: float
    probability: float


def quantile(law: Law, share: float | FloatArray, column: int) -> FloatArray:
    """Find a quantile of one column in every row.

    Parameters
    ----------
    law : Law
    share : float or ndarray of shape (rows,)
        Strictly between 0 and 1.
    column : int

    Returns
    -------
    ndarray of shape (rows,)
        The value with ``cdf = share``; of whole numbers the smallest one with ``cdf >= share``. NaN
        where the law has no value.

    Notes
    -----
    Newton's rule on the distribution function, kept within a bracket that each step shrinks; where
    a step does not halve the bracket the next one does (Press et al. 2007, Numerical Recipes,
    section 9.4).
    """
    shares = np.broadcast_to(np.asarray(share, dtype=float), (law.rows,))
    low, high = law.reach(column)
    known = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(known, low, 0.0), np.where(known, high, 1.0)
    whole, sure = law.discrete[column], low == high
    value = low.copy()
    if whole:
        low, high = np.floor(low) - 1.0, np.ceil(high) + 1.0
    _bracket(law, shares, column, (low, high), known)
    found = (_whole if whole else _continuous)(law, shares, column, low, high)
    return np.where(known, np.where(sure, value, found), np.nan)


def _bracket(
    law: Law,
    share: FloatArray,
    column: int,
    ends: tuple[FloatArray, FloatArray],
    known: NDArray[np.bool_],
) -> None:
    """Move the ends apart, in place, until the quantile lies between them."""
    for end, sign in zip(ends, (-1.0, 1.0), strict=True):
        step = np.maximum(ends[1] - ends[0], np.finfo(float).tiny)
        for _ in range(2100):  # doubling from the smallest to the largest number
            here = law.cdf(end, column)
            outside = here >= share - ROUNDING if sign < 0 else here < share
            outside &= known & np.isfinite(end)
            if not outside.any():
                break
            end[outside] += sign * step[outside]
            step = 2.0 * step


def _whole(
    law: Law, share: FloatArray, column: int, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Halve between whole numbers; the lower end is always below the quantile."""
    while np.any(high - low > 1.0):
        middle = np.floor(0.5 * (low + high))
        below = law.cdf(middle, column) < share - ROUNDING
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high


def _continuous(
    law: Law, share: FloatArray, column: int, low: FloatArray, high: FloatArray
) -> FloatArray:
    scale = high - low
    point, width, halve = 0.5 * (low + high), high - low, np.zeros(len(low), dtype=bool)
    for _ in range(STEPS):
        off = law.cdf(point, column) - share
        low, high = np.where(off < 0.0, point, low), np.where(off < 0.0, high, point)
        small = WIDTH * np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-3 * scale)
        done = (high - low <= small) | (off == 0.0) | ~np.isfinite(off)
        if done.all():
            break
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = point - off / law.pdf(point, column)
        slow = (high - low) > 0.5 * width
        width = high - low
        inside = (step > low) & (step < high) & ~(halve & slow)
        halve = slow
        moved = np.where(inside, step, 0.5 * (low + high))
        point = np.where(done, point, moved)
    return point


def highest_density(law: Law, row: int, column: int, share: float) -> list[Region]:
    """Find the smallest set with a given probability, for one row and column.

    Parameters
    ----------
    law : Law
    row, column : int
    share : float
        Its probability, strictly between 0 and 1.

    Returns
    -------
    list of Region
        Disjoint pieces, ascending. Of whole numbers and categories the most probable ones until
        their probability reaches `share`; adjoining whole numbers are one piece, categories are
        pieces of their own. Empty where the law has no value.

    Notes
    -----
    The set is where the density exceeds a level, found so that the set has the probability (Hyndman
    1996, The American Statistician 50, 120-126).
    """
    one = law.part(slice(row, row + 1))
    low, high = one.reach(column)
    if not (np.isfinite(low[0]) and np.isfinite(high[0])):
        return []
    if one.discrete[column]:
        return _most_probable(one, column, share)
    if high[0] <= low[0]:
        return [Region(float(low[0]), float(low[0]), 1.0)]
    return _Level(one, column).region(share)


def _most_probable(law: Law, column: int, share: float) -> list[Region]:
    levels = law.levels[column]
    if levels is not None:
        support = np.arange(len(levels), dtype=float)
    else:
        ends = quantile(law, TAIL, column)[0], quantile(law, 1.0 - TAIL, column)[0]
        support = np.arange(ends[0], ends[1] + 1.0)
    mass = law.along(0, column, support, "pdf")
    order = np.argsort(-mass, kind="stable")
    total = np.cumsum(mass[order])
    count = int(np.searchsorted(total, min(share, total[-1]) - ROUNDING)) + 1
    chosen = np.sort(order[:count])
    cuts = np.flatnonzero(np.diff(chosen) > 1) + 1
    if levels is not None:
        cuts = np.arange(1, len(chosen))
    pieces = np.split(chosen, cuts)
    return [
        Region(float(support[p[0]]), float(support[p[-1]]), float(mass[p].sum())) for p in pieces
    ]


class _Level:
    """Density of one row over a grid that resolves its components, and sets above a level.

    Parameters
    ----------
    law : Law
        One row.
    column : int
    """

    def __init__(self, law: Law, column: int) -> None:
        self.law, self.column = law, column
        points = [self._quantiles()]
        centre, size = law.scales(0, column)
        if len(centre) <= FEW:
            across = np.linspace(-6.0, 6.0, ACROSS)
            points.append((centre[:, None] + size[:, None] * across).ravel())
        every = np.unique(np.concatenate(points))
        inside = (every >= points[0][0]) & (every <= points[0][-1])
        self.grid = every[inside]
        self.density = self._over(self.grid)

    def _quantiles(self) -> FloatArray:
        """Values near many quantiles, the first and the last exact."""
        ends = [quantile(self.law, share, self.column)[0] for share in (TAIL, 1.0 - TAIL)]
        tails = TAIL ** np.linspace(1.0, 0.3, 9)
        many = len(self.law.scales(0, self.column)[0]) > FEW
        coarse, count, rounds = ROUGH if many else FINE
        shares = np.r_[tails, np.linspace(0.0, 1.0, count + 2)[1:-1], 1.0 - tails[::-1]]
        points = np.linspace(ends[0], ends[1], coarse)
        for _ in range(rounds):
            risen = np.maximum.accumulate(self._over(points, "cdf"))
            nearer = np.interp(shares[1:-1], risen, points)
            points = np.unique(np.r_[points[:: len(points) // coarse + 1], nearer, ends])
        return points

    def _over(self, values: FloatArray, kind: Kind = "pdf") -> FloatArray:
        return self.law.along(0, self.column, values, kind)

    def pieces(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends of the set where the density is at least a level."""
        above = self.density >= level
        edge = np.diff(above.astype(int))
        crossed = self._cross(np.flatnonzero(edge), level)
        rising = edge[edge != 0] > 0
        lower, upper = crossed[rising], crossed[~rising]
        if above[0]:
            lower = np.r_[self.grid[0], lower]
        if above[-1]:
            upper = np.r_[upper, self.grid[-1]]
        return lower, upper

    def _cross(self, cells: NDArray[np.intp], level: float) -> FloatArray:
        """Find where the density crosses a level within cells of the grid (Illinois rule)."""
        left, right = self.grid[cells], self.grid[cells + 1]
        a, b = self.density[cells] - level, self.density[cells + 1] - level
        for _ in range(60):
            if not len(cells) or np.all(right - left <= WIDTH * np.maximum(abs(left), abs(right))):
                break
            with np.errstate(invalid="ignore", divide="ignore"):
                point = right - b * (right - left) / (b - a)
            point = np.where((point > left) & (point < right), point, 0.5 * (left + right))
            here = self._over(point) - level
            if np.all(np.abs(here) <= 1e-13 * level):
                return np.asarray(point)
            same = np.sign(here) == np.sign(b)
            a, b = np.where(same, 0.5 * a, here), np.where(same, here, 0.5 * b)
            left, right = np.where(same, left, point), np.where(same, point, right)
        return np.asarray(0.5 * (left + right))

    def masses(self, level: float) -> FloatArray:
        """Probability of each piece of the set above a level."""
        lower, upper = self.pieces(level)
        return self._over(upper, "cdf") - self._over(lower, "cdf")

    def region(self, share: float) -> list[Region]:
        """Set with the given probability."""
        # what the grid itself suggests is close: the level that a share of the quantiles exceeds
        highest = float(self.density.max())

        def excess(log_level: float) -> float:
            return float(self.masses(float(np.exp(log_level))).sum()) - share

        top = np.log(highest) - 1e-9
        low = np.log(float(self.density[self.density > 0.0].min()))
        if excess(top) >= 0.0:  # a plateau: all of it belongs to the set
            level = float(np.exp(top))
        else:
            level = float(np.exp(optimize.brentq(excess, low - 1e-9, top, xtol=1e-12, rtol=1e-12)))
        lower, upper = self.pieces(level)
        parts = self.masses(level)
        return [Region(*map(float, piece)) for piece in zip(lower, upper, parts, strict=True)]
