"""What every result about memory is: a table, a summary and a picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from rnnstats import _compat

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Report", "lay_out"]


class Report(ABC):
    """A result about memory: ``frame``, ``summary()`` and ``plot()``."""

    @property
    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """The numbers as a table (a copy)."""

    @abstractmethod
    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """

    @abstractmethod
    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw it.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())


def lay_out(tables: Mapping[str, pd.DataFrame], notes: Sequence[str] = ()) -> Any:
    """Lay tables out below one another.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By title; one at least.
    notes : sequence of str
        Paragraphs below the tables.

    Returns
    -------
    statsmodels.iolib.summary.Summary
    """
    (title, first), *others = tables.items()
    lines = [line for note in notes for line in _compat.wrapped(note)]
    summary = _compat.build_table(first, title=title, notes=lines)
    for title, table in others:
        summary.tables.extend(_compat.build_table(table, title=title).tables)
    return summary
