"""Predictive laws: finite mixtures, row by row, with exact moments and distribution functions.

A law covers some rows and the k columns of the data. It is made of entries, each with a weight, the
row it belongs to, and a distribution: normal ones (`NormalMixture`), the emissions of the regimes
(`EmissionMixture`), or laws of several parameter vectors put together (`Pooled`).

Categories are numbered 0 to L - 1 as in the data. Moments are those of the *expanded* outputs, in
which a categorical column gives way to the indicators of its categories (`expand`).

References
----------
Hamilton (1994), Time Series Analysis, section 22.4; Fruehwirth-Schnatter (2006), Finite Mixture and
Markov Switching Models, sections 1.2 and 12.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from scipy import special

from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.protocol import IntArray, ResponseLike

__all__ = [
    "EmissionMixture",
    "Law",
    "NormalMixture",
    "expand",
    "expanded_size",
]

Kind = Literal["cdf", "below", "pdf"]
LOG_2PI = float(np.log(2.0 * np.pi))
# Standard deviations around a component's mean that hold all of a normal law's mass.
REACH = 9.0
# Numbers of one evaluation.
CHUNK = 400_000


class Law(Protocol):
    """Predictive distribution of k columns in some rows; NaN where there is none."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def discrete(self) -> tuple[bool, ...]:
        """For each column whether its values are whole numbers or categories."""

    @property
    def levels(self) -> tuple[tuple[str, ...] | None, ...]:
        """For each column its categories, or None."""

    # Mean (rows, k') and covariance (rows, k', k') of the expanded outputs.
    def mean(self) -> FloatArray: ...
    def cov(self) -> FloatArray: ...

    # P(Y <= value), P(Y < value) and density of one column, a value for each row, (rows,).
    def cdf(self, values: FloatArray, column: int) -> FloatArray: ...
    def below(self, values: FloatArray, column: int) -> FloatArray: ...
    def pdf(self, values: FloatArray, column: int) -> FloatArray: ...

    # Two values (rows,) between which most of one column's mass lies.
    def reach(self, column: int) -> tuple[FloatArray, FloatArray]: ...

    # Centres and widths of the components of one row and column.
    def scales(self, row: int, column: int) -> tuple[FloatArray, FloatArray]: ...

    # The law of some rows.
    def part(self, rows: slice) -> Law: ...

    # One row's "cdf", "below" or "pdf" of a column at many values, (m,).
    def along(self, row: int, column: int, values: FloatArray, kind: Kind) -> FloatArray: ...


def expanded_size(levels: Sequence[tuple[str, ...] | None]) -> int:
    """Count the expanded outputs.

    Parameters
    ----------
    levels : sequence of tuple of str or None

    Returns
    -------
    int
    """
    return sum(1 if names is None else len(names) for names in levels)


def expand(response: ResponseLike) -> tuple[FloatArray, FloatArray]:
    """Moments of the expanded columns of one block.

    Parameters
    ----------
    response : ResponseLike

    Returns
    -------
    mean : ndarray of shape (n, S, d')
    cov : ndarray of shape (n, S, d', d')
        Of a categorical column the probabilities of the categories and the covariances of their
        indicators.
    """
    if response.levels is None:
        return response.mean(), response.cov()
    shares = response.pmf()
    cov = -np.einsum("nsi,nsj->nsij", shares, shares)
    place = np.arange(shares.shape[2])
    cov[:, :, place, place] += shares
    return shares, cov


def _sum_by_row(values: FloatArray, owner: IntArray, rows: int) -> FloatArray:
    """Add up entries (E, ...) that belong to one row; NaN for rows without any."""
    if len(owner) == rows and np.array_equal(owner, np.arange(rows)):
        return values
    found = np.full((rows, *values.shape[1:]), np.nan)
    if len(owner):
        starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        found[owner[starts]] = np.add.reduceat(values, starts, axis=0)
    return found


def _extreme(values: FloatArray, owner: IntArray, rows: int, kind: np.ufunc) -> FloatArray:
    found = np.full(rows, np.nan)
    if len(owner):
        starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        found[owner[starts]] = kind.reduceat(values, starts)
    return found


def _standard(values: FloatArray, kind: Kind) -> FloatArray:
    """Distribution function or density of the standard normal."""
    if kind == "pdf":
        return np.asarray(np.exp(-0.5 * (values * values + LOG_2PI)))
    return np.asarray(special.ndtr(values))


@dataclass(frozen=True, eq=False)
class NormalMixture:
    """Mixture of normal distributions.

    Attributes
    ----------
    rows : int
    owner : ndarray of int, shape (E,)
        Row of each entry, not falling.
    weight : ndarray, shape (E,)
        Sums to one in each row.
    centre : ndarray, shape (E, k)
    spread : ndarray, shape (E, k, k)
        Covariances; zero for what is known.
    """

    rows: int
    owner: IntArray
    weight: FloatArray
    centre: FloatArray
    spread: FloatArray

    @property
    def discrete(self) -> tuple[bool, ...]:
        """No column is."""
        columns: int = self.centre.shape[1]
        return (False,) * columns

    @property
    def levels(self) -> tuple[tuple[str, ...] | None, ...]:
        """None for every column."""
        columns: int = self.centre.shape[1]
        return (None,) * columns

    def mean(self) -> FloatArray:
        """Mean, (rows, k)."""
        return _sum_by_row(self.weight[:, None] * self.centre, self.owner, self.rows)

    def cov(self) -> FloatArray:
        """Covariance, (rows, k, k)."""
        off = self.centre - self.mean()[self.owner]
        parts = self.spread + off[:, :, None] * off[:, None, :]
        return _sum_by_row(self.weight[:, None, None] * parts, self.owner, self.rows)

    def _deviation(self, column: int) -> FloatArray:
        return np.asarray(np.sqrt(np.maximum(self.spread[:, column, column], 0.0)))

    def cdf(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y <= value), (rows,)."""
        return self._share(values, column, closed=True)

    def below(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y < value), (rows,)."""
        return self._share(values, column, closed=False)

    def _share(self, values: FloatArray, column: int, *, closed: bool) -> FloatArray:
        off, size = values[self.owner] - self.centre[:, column], self._deviation(column)
        point = size <= 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            share = _standard(off / size, "cdf")
        share = np.where(point, np.where(off == 0.0, float(closed), off > 0.0), share)
        return _sum_by_row(self.weight * share, self.owner, self.rows)

    def pdf(self, values: FloatArray, column: int) -> FloatArray:
        """Density, (rows,); infinite at a value that is known."""
        off, size = values[self.owner] - self.centre[:, column], self._deviation(column)
        with np.errstate(divide="ignore", invalid="ignore"):
            density = _standard(off / size, "pdf") / size
        density = np.where(size > 0.0, density, np.where(off == 0.0, np.inf, 0.0))
        with np.errstate(invalid="ignore"):
            weighted = np.where(self.weight > 0.0, self.weight * density, 0.0)
        return _sum_by_row(weighted, self.owner, self.rows)

    def reach(self, column: int) -> tuple[FloatArray, FloatArray]:
        """Values between which all but rounding lies."""
        size = REACH * self._deviation(column)
        low, high = self.centre[:, column] - size, self.centre[:, column] + size
        return (
            _extreme(low, self.owner, self.rows, np.minimum),
            _extreme(high, self.owner, self.rows, np.maximum),
        )

    def scales(self, row: int, column: int) -> tuple[FloatArray, FloatArray]:
        """Means and standard deviations of the components of one row."""
        mine = (self.owner == row) & (self.weight > 0.0)
        return self.centre[mine, column], self._deviation(column)[mine]

    def part(self, rows: slice) -> NormalMixture:
        """Return the mixture of some rows."""
        wanted = range(self.rows)[rows]
        mine = (self.owner >= wanted.start) & (self.owner < wanted.stop)
        owner = self.owner[mine] - wanted.start
        return NormalMixture(
            len(wanted), owner, self.weight[mine], self.centre[mine], self.spread[mine]
        )

    def along(self, row: int, column: int, values: FloatArray, kind: Kind) -> FloatArray:
        """Evaluate one row at many values, (m,)."""
        mine = self.owner == row
        weight, centre = self.weight[mine], self.centre[mine, column]
        size = self._deviation(column)[mine]
        point = size <= 0.0
        found = np.empty(len(values))
        for cut in range(0, len(values), step := max(1, CHUNK // max(1, len(weight)))):
            off = values[cut : cut + step, None] - centre
            with np.errstate(divide="ignore", invalid="ignore"):
                part = _standard(off / size, kind) / (size if kind == "pdf" else 1.0)
            if point.any():
                at = np.inf if kind == "pdf" else float(kind == "cdf")
                past = 0.0 if kind == "pdf" else 1.0
                known = np.where(off == 0.0, at, np.where(off > 0.0, past, 0.0))
                part = np.where(point, known, part)
            found[cut : cut + step] = part @ weight
        return found


@dataclass(frozen=True, eq=False)
class EmissionMixture:
    """Mixture of what the regimes emit.

    Attributes
    ----------
    rows : int
    owner : ndarray of int, shape (E,)
        Row of each entry, not falling.
    weight : ndarray, shape (E, S)
        Of each entry and regime; sums to one in each row.
    responses : tuple of ResponseLike
        Blocks with E rows; given the regime they are independent.
    k : int
        Number of columns.
    """

    rows: int
    owner: IntArray
    weight: FloatArray
    responses: tuple[ResponseLike, ...]
    k: int
    _place: dict[int, ResponseLike] = field(init=False)

    def __post_init__(self) -> None:
        """Note which block has which column."""
        place = {column: block for block in self.responses for column in block.columns}
        object.__setattr__(self, "_place", place)

    @property
    def discrete(self) -> tuple[bool, ...]:
        """For each column whether its values are whole numbers or categories."""
        return tuple(bool(self._place[j].discrete) for j in range(self.k))

    @property
    def levels(self) -> tuple[tuple[str, ...] | None, ...]:
        """For each column its categories, or None."""
        return tuple(self._place[j].levels for j in range(self.k))

    def _expanded(self) -> tuple[FloatArray, FloatArray]:
        """Moments of all expanded columns given entry and regime."""
        levels = self.levels
        first = np.cumsum([0] + [1 if names is None else len(names) for names in levels])
        size = int(first[-1])
        mean = np.zeros((*self.weight.shape, size))
        cov = np.zeros((*self.weight.shape, size, size))
        for block in self.responses:
            centre, spread = expand(block)
            at = np.concatenate([np.arange(first[j], first[j + 1]) for j in block.columns])
            mean[:, :, at] = centre
            cov[:, :, at[:, None], at] = spread
        return mean, cov

    def mean(self) -> FloatArray:
        """Mean of the expanded outputs, (rows, k')."""
        mean, _ = self._expanded()
        return self._mixed(mean)

    def _mixed(self, values: FloatArray) -> FloatArray:
        """Average over regimes and entries; where the weight is zero the value does not count."""
        weight = self.weight.reshape(*self.weight.shape, *[1] * (values.ndim - 2))
        with np.errstate(invalid="ignore"):
            parts = np.where(weight == 0.0, 0.0, weight * values)
        return _sum_by_row(parts.sum(axis=1), self.owner, self.rows)

    def cov(self) -> FloatArray:
        """Covariance of the expanded outputs, (rows, k', k')."""
        mean, cov = self._expanded()
        off = mean - self._mixed(mean)[self.owner][:, None, :]
        return self._mixed(cov + off[..., :, None] * off[..., None, :])

    def cdf(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y <= value), (rows,)."""
        block, j = self._block(column)
        return self._mixed(block.cdf(values[self.owner], j))

    def below(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y < value), (rows,)."""
        block, j = self._block(column)
        return self._mixed(block.cdf_below(values[self.owner], j))

    def pdf(self, values: FloatArray, column: int) -> FloatArray:
        """Density, or probability of a whole number or category, (rows,)."""
        block, j = self._block(column)
        alone = np.full((len(self.owner), len(block.columns)), np.nan)
        alone[:, j] = values[self.owner]
        with np.errstate(over="ignore"):
            return self._mixed(np.exp(block.log_density(alone)))

    def _block(self, column: int) -> tuple[ResponseLike, int]:
        """Find the block that has a column, and which of its own columns that is."""
        block = self._place[column]
        return block, block.columns.index(column)

    def reach(self, column: int) -> tuple[FloatArray, FloatArray]:
        """Values between which most of one column's mass lies."""
        centre, size = self._centres(column)
        size = REACH * np.where(np.isfinite(size), size, 1.0 + np.abs(centre))
        low, high = centre - size, centre + size
        ignored = self.weight == 0.0
        low = np.where(ignored, np.inf, low).min(axis=1)
        high = np.where(ignored, -np.inf, high).max(axis=1)
        return (
            _extreme(low, self.owner, self.rows, np.minimum),
            _extreme(high, self.owner, self.rows, np.maximum),
        )

    def _centres(self, column: int) -> tuple[FloatArray, FloatArray]:
        block, j = self._block(column)
        if block.levels is not None:
            middle = 0.5 * (len(block.levels) - 1)
            return np.full(self.weight.shape, middle), np.full(self.weight.shape, middle)
        variance = block.cov()[:, :, j, j]
        with np.errstate(invalid="ignore"):
            size = np.sqrt(np.maximum(variance, 0.0))
        centre = block.mean()[:, :, j]
        return np.where(np.isfinite(centre), centre, 0.0), size

    def scales(self, row: int, column: int) -> tuple[FloatArray, FloatArray]:
        """Means and standard deviations of the components of one row."""
        mine = self.owner == row
        centre, size = self._centres(column)
        used = self.weight[mine] > 0.0
        size = np.where(np.isfinite(size), size, 1.0 + np.abs(centre))
        return centre[mine][used], size[mine][used]

    def part(self, rows: slice) -> EmissionMixture:
        """Return the mixture of some rows."""
        wanted = range(self.rows)[rows]
        mine = np.flatnonzero((self.owner >= wanted.start) & (self.owner < wanted.stop))
        blocks = tuple(block.rows(mine) for block in self.responses)
        owner = self.owner[mine] - wanted.start
        return EmissionMixture(len(wanted), owner, self.weight[mine], blocks, self.k)

    def along(self, row: int, column: int, values: FloatArray, kind: Kind) -> FloatArray:
        """Evaluate one row at many values, (m,)."""
        mine = np.flatnonzero(self.owner == row)
        found = [np.empty(0)]
        for cut in range(0, len(values), step := max(1, CHUNK // max(1, len(mine)))):
            some = values[cut : cut + step]
            owner, entry = np.repeat(np.arange(len(some)), len(mine)), np.tile(mine, len(some))
            blocks = (self._place[column].rows(entry),)
            law = EmissionMixture(len(some), owner, self.weight[entry], blocks, self.k)
            found.append(getattr(law, kind)(some, column))
        return np.concatenate(found)
