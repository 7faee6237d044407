"""Soft classifications of the rows of a series into regimes, from which a fit can begin.

A classification is an array of weights, rows by regimes, each row summing to one. The response of
each regime is estimated from it in closed form, and the transition probabilities from its counts,
so that a start needs no parameters. What regimes differ in is not known beforehand: some starts
look for levels, some for spreads, some for stretches of time, and the others are drawn at random.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.clusters import lloyd

__all__ = ["Classification", "classifications", "features", "k_means"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# Weight of the class a row is put in; the rest is spread evenly.
SURE = 0.95
# Rows in the shortest and in the longest window over which local levels and spreads are taken: a
# number, and a share of all rows; a third lies between, by the ratio.
SHORT_WINDOW = 5
LONG_WINDOW = 0.1
# Rounds of Lloyd's algorithm, and share of the sum of squares one must gain: a start need not be
# a perfect clustering.
ROUNDS, ENOUGH = 12, 1e-4


@dataclass(frozen=True, eq=False)
class Classification:
    """A way to divide the rows among regimes.

    Attributes
    ----------
    label : str
        How it was found.
    weights : ndarray, shape (nobs, K)
        Each row sums to one.
    persistence : float or None
        Probability of staying with which the transition matrix begins; None: as counted.
    """

    label: str
    weights: FloatArray
    persistence: float | None = None


def features(values: FloatArray, levels: FloatArray | None = None) -> FloatArray:
    """Bring responses to one scale, in which distances mean something.

    Parameters
    ----------
    values : ndarray, shape (nobs, d)
        NaN is missing.
    levels : ndarray, shape (d,), optional
        Number of categories where a column holds codes 0, 1, ...; 0 where it holds numbers.

    Returns
    -------
    ndarray, shape (nobs, number of features)
        Numbers less their mean over their standard deviation; an indicator for each category.
        Missing values are put at the mean.
    """
    columns: list[NDArray[np.generic]] = []
    for j, column in enumerate(values.T):
        count = 0 if levels is None else int(levels[j])
        if count:
            columns.extend(np.where(np.isnan(column), np.nan, column == a) for a in range(count))
        else:
            columns.append(column)
    table = np.array(columns, dtype=np.float64).T
    seen = np.isfinite(table)
    if seen.all():
        number: int | NDArray[np.intp] = max(len(table), 1)
        table -= table.sum(axis=0) / number
    else:
        number = np.maximum(seen.sum(axis=0), 1)
        table = np.where(seen, table, 0.0)
        table = np.where(seen, table - table.sum(axis=0) / number, 0.0)
    spread = np.sqrt(np.einsum("nm,nm->m", table, table) / number)
    spread[spread == 0.0] = 1.0
    return np.asarray(table / spread, dtype=np.float64)


def classifications(
    points: FloatArray,
    offsets: NDArray[np.int64],
    k: int,
    rng: np.random.Generator,
    *,
    residuals: FloatArray | None = None,
) -> Iterator[Classification]:
    """Classify rows in one way after the other, without end.

    Parameters
    ----------
    points : ndarray, shape (nobs, number of features)
        From `features`.
    offsets : ndarray of int, shape (number of sequences + 1,)
        Where each sequence begins, and the number of rows.
    k : int
        Number of regimes.
    rng : numpy.random.Generator
    residuals : ndarray, shape (nobs, number of features), optional
        The same, less a regression that all regimes share; used like `points`.

    Yields
    ------
    Classification
        The first ones differ most in kind, and so agree least on an optimum that is not the
        highest: levels, spreads, and some at random; further ones by stretches of time and levels,
        then at random.
    """
    nobs = points.shape[0]
    tables = [points] if residuals is None else [residuals, points]
    short = min(SHORT_WINDOW, max(nobs // 2, 1))
    long = max(LONG_WINDOW * nobs, float(short))
    widths = sorted({short, round(math.sqrt(short * long)), round(long)})
    first = tables[0]

    def width_drawn() -> int:
        return int(widths[int(rng.integers(len(widths)))])

    makers: tuple[Callable[[], Classification], ...] = (
        lambda: _random_cuts("random quantiles", first, k, rng),
        lambda: _random_cuts(
            "random local quantiles", _local(first, offsets, width_drawn()), k, rng
        ),
        lambda: _random_centres("random centres", first, k, rng),
        lambda: _random_cuts("random quantiles", first, k, rng),
        lambda: _random_centres(
            "random local centres", _local(first, offsets, width_drawn()), k, rng
        ),
        lambda: _random_runs(nobs, offsets, k, rng),
    )
    yield Classification("k-means", soft(k_means(first, k, rng), k))
    spread = _moving(np.abs(first - _moving(first, offsets, widths[0])), offsets, widths[0])
    yield Classification("spread", soft(by_quantiles(spread.mean(axis=1), k), k))
    for make in makers[:2]:
        yield make()
    for table in tables[1:]:
        yield Classification("k-means of the response", soft(k_means(table, k, rng), k))
    yield makers[2]()
    yield Classification("segments", soft(_segments(offsets, k), k))
    for width in widths:
        yield Classification(
            f"k-means of {width} rows", soft(k_means(_local(first, offsets, width), k, rng), k)
        )
    yield Classification("quantiles", soft(by_quantiles(_leading(first), k), k))
    for table in tables[1:]:
        yield Classification("quantiles of the response", soft(by_quantiles(_leading(table), k), k))
    for make in itertools.cycle([*makers[3:], *makers[:3]]):
        yield make()


def soft(labels: IntArray, k: int, sure: float = SURE) -> FloatArray:
    """Weights from labels.

    Parameters
    ----------
    labels : ndarray of int, shape (nobs,)
    k : int
    sure : float
        Weight of the label.

    Returns
    -------
    ndarray, shape (nobs, k)
    """
    rows = np.full((k, k), (1.0 - sure) / max(k - 1, 1))
    rows.flat[:: k + 1] = sure if k > 1 else 1.0
    return rows.take(labels, axis=0)


def k_means(points: FloatArray, k: int, rng: np.random.Generator, tries: int = 1) -> IntArray:
    """Cluster rows: the best of several runs of Lloyd's algorithm from spread-out seeds.

    Parameters
    ----------
    points : ndarray, shape (nobs, d)
    k : int
    rng : numpy.random.Generator
    tries : int

    Returns
    -------
    ndarray of int, shape (nobs,)
        Clusters in the order of their means along the leading direction.

    References
    ----------
    Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    best, height = np.zeros(points.shape[0], dtype=np.intp), np.inf
    for _ in range(tries):
        labels, cost = lloyd(points, _seeds(points, k, rng), rounds=ROUNDS, gain=ENOUGH)
        if cost < height:
            best, height = labels.astype(np.intp, copy=False), cost
    totals = np.bincount(best, weights=_leading(points), minlength=k)
    heights = totals / np.maximum(np.bincount(best, minlength=k), 1)
    rank = np.empty(k, dtype=np.intp)
    rank[np.argsort(heights, kind="stable")] = np.arange(k)
    return rank[best]


def by_quantiles(line: FloatArray, k: int, cuts: FloatArray | None = None) -> IntArray:
    """Divide rows by the rank of a number; ties are divided too, in their order.

    Parameters
    ----------
    line : ndarray, shape (nobs,)
    k : int
    cuts : ndarray, shape (k - 1,), optional
        Shares at which to divide; default: parts of equal size.

    Returns
    -------
    ndarray of int, shape (nobs,)
    """
    nobs = line.shape[0]
    shares = np.arange(1, k) / k if cuts is None else cuts
    labels = np.empty(nobs, dtype=np.intp)
    labels[line.argsort(kind="stable")] = shares.searchsorted((np.arange(nobs) + 0.5) / nobs)
    return labels


def _seeds(points: FloatArray, k: int, rng: np.random.Generator) -> FloatArray:
    """Rows far from each other, drawn with probability by squared distance."""
    nobs = points.shape[0]
    chosen = [int(rng.integers(nobs))]
    distance = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(1, k):
        total = float(distance.sum())
        if total > 0.0:
            place = np.searchsorted(np.cumsum(distance), rng.random() * total)
            chosen.append(int(min(place, nobs - 1)))
        else:  # fewer distinct rows than clusters
            chosen.append(int(rng.integers(nobs)))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


def _closest(points: FloatArray, centres: FloatArray) -> tuple[IntArray, FloatArray]:
    """Nearest centre of each row, and its squared distance less the row's own square."""
    square = (points @ (-2.0 * centres.T)) + (centres * centres).sum(axis=1)
    if len(centres) == 2:
        first, second = square[:, 0], square[:, 1]
        return (second < first).astype(np.intp), np.minimum(first, second)
    return square.argmin(axis=1), square.min(axis=1)


def _leading(points: FloatArray) -> FloatArray:
    """Coordinate along the direction in which rows differ most, rising with the first feature."""
    if points.shape[1] == 1:
        return points[:, 0]
    direction = np.linalg.eigh(points.T @ points)[1][:, -1]
    sign = direction[np.argmax(np.abs(direction))] if direction[0] == 0.0 else direction[0]
    line: FloatArray = points @ (direction if sign > 0.0 else -direction)
    return line


def _moving(points: FloatArray, offsets: NDArray[np.int64], width: int) -> FloatArray:
    """Centred moving averages within each sequence, over fewer rows at its ends."""
    out = np.empty_like(points)
    back, ahead = (width - 1) // 2, width // 2
    for lo, hi in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        total = np.zeros((hi - lo + 1, points.shape[1]))
        np.cumsum(points[lo:hi], axis=0, out=total[1:])
        rows = np.arange(hi - lo)
        left, right = np.maximum(rows - back, 0), np.minimum(rows + ahead + 1, hi - lo)
        mean = total.take(right, axis=0)
        mean -= total.take(left, axis=0)
        np.divide(mean, (right - left)[:, None], out=out[lo:hi])
    return out


def _local(points: FloatArray, offsets: NDArray[np.int64], width: int) -> FloatArray:
    """Local levels and local spreads, on scales of their own."""
    level = _moving(points, offsets, width)
    spread = _moving(np.abs(points - level), offsets, width)
    return features(np.hstack([level, spread]))


def _segments(offsets: NDArray[np.int64], k: int) -> IntArray:
    """Cut each sequence into k stretches of equal length."""
    parts = []
    for rows in np.diff(offsets):
        parts.append(np.minimum(np.arange(rows) * k // max(rows, 1), k - 1))
    return np.concatenate(parts).astype(np.intp)


def _persistence(rng: np.random.Generator) -> float:
    """Draw a probability of staying: regimes of 2 to 50 rows are equally likely on a log scale."""
    return 1.0 - 1.0 / math.exp(rng.uniform(math.log(2.0), math.log(50.0)))


def _random_runs(
    nobs: int, offsets: NDArray[np.int64], k: int, rng: np.random.Generator
) -> Classification:
    """Runs of geometric length, each in a regime drawn at random."""
    stay = 1.0 - 1.0 / float(np.exp(rng.uniform(np.log(5.0), np.log(max(10.0, nobs / (2.0 * k))))))
    breaks = rng.random(nobs) > stay
    breaks[offsets[:-1]] = True
    run = np.cumsum(breaks) - 1
    labels = rng.integers(k, size=int(run[-1]) + 1)[run]
    return Classification("random runs", soft(labels.astype(np.intp), k), _persistence(rng))


def _random_centres(
    label: str, points: FloatArray, k: int, rng: np.random.Generator
) -> Classification:
    """Rows by the nearest of k rows drawn at random, features weighted at random."""
    weighted = points * np.exp(rng.uniform(-1.0, 1.0, size=points.shape[1]))
    labels = _closest(weighted, _seeds(weighted, k, rng))[0]
    return Classification(label, soft(labels, k), _persistence(rng))


def _random_cuts(
    label: str, points: FloatArray, k: int, rng: np.random.Generator
) -> Classification:
    """Rows by random quantiles of a random direction."""
    direction = rng.standard_normal(points.shape[1])
    cuts = np.sort(rng.uniform(0.02, 0.98, size=k - 1))
    labels = by_quantiles(points @ direction, k, cuts)
    return Classification(label, soft(labels, k, 0.9), _persistence(rng))
