"""Predictive laws put together from others."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import Kind, Law

__all__ = ["Joined", "Pooled"]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Equal mixture of laws of one kind, one for each of several parameter vectors.

    Attributes
    ----------
    members : tuple of Law
        Of the same rows and columns.
    """

    members: tuple[Law, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.members[0].rows

    @property
    def discrete(self) -> tuple[bool, ...]:
        """For each column whether its values are whole numbers or categories."""
        return self.members[0].discrete

    @property
    def levels(self) -> tuple[tuple[str, ...] | None, ...]:
        """For each column its categories, or None."""
        return self.members[0].levels

    def mean(self) -> FloatArray:
        """Mean, (rows, k')."""
        return np.asarray(np.mean([law.mean() for law in self.members], axis=0))

    def cov(self) -> FloatArray:
        """Covariance, (rows, k', k'): within the members and between their means."""
        means = np.array([law.mean() for law in self.members])
        off = means - means.mean(axis=0)
        within = np.mean([law.cov() for law in self.members], axis=0)
        return np.asarray(within + np.einsum("bhi,bhj->hij", off, off) / len(off))

    def cdf(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y <= value), (rows,)."""
        return np.asarray(np.mean([law.cdf(values, column) for law in self.members], axis=0))

    def below(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y < value), (rows,)."""
        return np.asarray(np.mean([law.below(values, column) for law in self.members], axis=0))

    def pdf(self, values: FloatArray, column: int) -> FloatArray:
        """Density or probability, (rows,)."""
        return np.asarray(np.mean([law.pdf(values, column) for law in self.members], axis=0))

    def reach(self, column: int) -> tuple[FloatArray, FloatArray]:
        """Values between which most of one column's mass lies."""
        ends = np.array([law.reach(column) for law in self.members])
        return ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)

    def scales(self, row: int, column: int) -> tuple[FloatArray, FloatArray]:
        """Centres and widths of the components of one row."""
        parts = [law.scales(row, column) for law in self.members]
        return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])

    def part(self, rows: slice) -> Pooled:
        """Return the law of some rows."""
        return Pooled(tuple(law.part(rows) for law in self.members))

    def along(self, row: int, column: int, values: FloatArray, kind: Kind) -> FloatArray:
        """Evaluate one row at many values, (m,)."""
        parts = [law.along(row, column, values, kind) for law in self.members]
        return np.asarray(np.mean(parts, axis=0))


@dataclass(frozen=True, eq=False)
class Joined:
    """Laws of rows that follow each other.

    Attributes
    ----------
    parts : tuple of Law
        Of the same columns.
    """

    parts: tuple[Law, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(law.rows for law in self.parts)

    @property
    def discrete(self) -> tuple[bool, ...]:
        """For each column whether its values are whole numbers or categories."""
        return self.parts[0].discrete

    @property
    def levels(self) -> tuple[tuple[str, ...] | None, ...]:
        """For each column its categories, or None."""
        return self.parts[0].levels

    def _cuts(self) -> list[slice]:
        ends = np.cumsum([0, *(law.rows for law in self.parts)])
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]

    def mean(self) -> FloatArray:
        """Mean, (rows, k')."""
        return np.concatenate([law.mean() for law in self.parts])

    def cov(self) -> FloatArray:
        """Covariance, (rows, k', k')."""
        return np.concatenate([law.cov() for law in self.parts])

    def _each(self, values: FloatArray, column: int, kind: Kind) -> FloatArray:
        pairs = zip(self.parts, self._cuts(), strict=True)
        return np.concatenate([getattr(law, kind)(values[cut], column) for law, cut in pairs])

    def cdf(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y <= value), (rows,)."""
        return self._each(values, column, "cdf")

    def below(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y < value), (rows,)."""
        return self._each(values, column, "below")

    def pdf(self, values: FloatArray, column: int) -> FloatArray:
        """Density or probability, (rows,)."""
        return self._each(values, column, "pdf")

    def reach(self, column: int) -> tuple[FloatArray, FloatArray]:
        """Values between which most of one column's mass lies."""
        ends = [law.reach(column) for law in self.parts]
        return np.concatenate([a for a, _ in ends]), np.concatenate([b for _, b in ends])

    def _find(self, row: int) -> tuple[Law, int]:
        for law, cut in zip(self.parts, self._cuts(), strict=True):
            if row < cut.stop:
                return law, row - cut.start
        raise IndexError(row)

    def scales(self, row: int, column: int) -> tuple[FloatArray, FloatArray]:
        """Centres and widths of the components of one row."""
        law, at = self._find(row)
        return law.scales(at, column)

    def part(self, rows: slice) -> Law:
        """Return the law of some rows."""
        wanted = range(self.rows)[rows]
        found = []
        for law, cut in zip(self.parts, self._cuts(), strict=True):
            low, high = max(wanted.start, cut.start), min(wanted.stop, cut.stop)
            if low < high:
                found.append(law.part(slice(low - cut.start, high - cut.start)))
        return found[0] if len(found) == 1 else Joined(tuple(found))

    def along(self, row: int, column: int, values: FloatArray, kind: Kind) -> FloatArray:
        """Evaluate one row at many values, (m,)."""
        law, at = self._find(row)
        return law.along(at, column, values, kind)
