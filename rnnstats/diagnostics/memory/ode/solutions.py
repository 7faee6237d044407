"""Solutions of ordinary differential equations over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.report import Report, lay_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OdeSolution"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class OdeSolution(Report):
    """A solution of an ordinary differential equation by one of the step methods.

    Attributes
    ----------
    times : ndarray, shape (n + 1,)
        0 to n dt.
    states : ndarray, shape (n + 1, m)
        The state at each, the start first.
    title : str
        Method and step, for headings.
    """

    times: FloatArray
    states: FloatArray
    title: str

    @property
    def frame(self) -> pd.DataFrame:
        """States ``h1``, ``h2``, ... by ``time`` (a copy)."""
        names = [f"h{j + 1}" for j in range(self.states.shape[1])]
        return pd.DataFrame(
            self.states.copy(), index=pd.Index(self.times, name="time"), columns=names
        )

    def summary(self) -> Any:
        """Summary table, see `Report.summary`.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        table = self.frame.agg(["mean", "std", "min", "max"]).T
        table["last"] = self.states[-1]
        steps = len(self.times) - 1
        title = f"{self.title}: {steps} steps to time {self.times[-1]:g}"
        return lay_out({title: table})

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw the states over time.

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
        from rnnstats.diagnostics.memory.ode.plots import draw_solution

        return draw_solution(self.frame, self.title, fig=fig)
