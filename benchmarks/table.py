"""Rows of the table, and which requirements they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Requirement:
    """A number that a row must reach: ``at least`` or ``at most``."""

    bound: float
    side: Literal["at least", "at most"] = "at least"

    def reached(self, value: float) -> bool:
        """Whether the value is on the right side of the bound (NaN is not)."""
        return value >= self.bound if self.side == "at least" else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.side == 'at least' else '<='} {self.bound:g}"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    part : str
        Which part of the table.
    what : str
        Model and call.
    beside : str
        What it is compared with, and its setting.
    ours, other : float
        In ``unit``.
    value : float
        The number to look at: mostly ``other / ours``, how many times as fast.
    requirement : Requirement or None
    note : str
    """

    part: str
    what: str
    beside: str
    ours: float
    other: float
    value: float
    requirement: Requirement | None = None
    note: str = ""
    unit: str = "s"

    @property
    def reached(self) -> bool | None:
        """Whether the requirement is reached; None without one."""
        return None if self.requirement is None else self.requirement.reached(self.value)

    def cells(self) -> list[str]:
        """Texts of the row's columns."""
        verdict = {None: "", True: "reached", False: "NOT reached"}[self.reached]
        return [
            self.part,
            self.what,
            self.beside,
            amount(self.ours, self.unit),
            amount(self.other, self.unit),
            f"{self.value:.3g}" if self.value == self.value else "",
            "" if self.requirement is None else str(self.requirement),
            verdict,
            self.note,
        ]


HEAD = ["part", "case", "beside", "ours", "other", "ratio", "must be", "", "note"]


def amount(value: float, unit: str) -> str:
    """A number with its unit, in three digits."""
    if value != value:
        return ""
    if unit != "s":
        return f"{value:.3g} {unit}"
    for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= factor:
            return f"{value / factor:.3g} {name}"
    return f"{value / 1e-9:.3g} ns"


def skipped(part: str, beside: str, why: str) -> Row:
    """A row that says why nothing was measured."""
    nan = float("nan")
    return Row(part, "", beside, nan, nan, nan, None, why)


def as_text(rows: Sequence[Row]) -> str:
    """The table as Markdown, columns aligned so that it reads well in a terminal too."""
    grid = [HEAD, *(row.cells() for row in rows)]
    width = [max(len(line[j]) for line in grid) for j in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, width, strict=True)) + " |"
        for line in grid
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
    return "\n".join(lines)


def verdict(rows: Sequence[Row]) -> str:
    """One line: how many requirements are reached, and which are not."""
    asked = [row for row in rows if row.reached is not None]
    missed = [f"{row.part}: {row.what}" for row in asked if not row.reached]
    line = f"{len(asked) - len(missed)} of {len(asked)} requirements reached"
    return line + (f"; not reached: {'; '.join(missed)}." if missed else ".")
