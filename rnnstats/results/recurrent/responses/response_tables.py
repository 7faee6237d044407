"""Generalised impulse responses as labelled tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.results.protocol import FloatArray
from rnnstats.results.responses.bands import Bands
from rnnstats.results.responses.tables import spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GeneralizedResponses"]


@dataclass(frozen=True, eq=False, repr=False)
class GeneralizedResponses:
    """Responses of outputs to shocks that depend on size, sign and history.

    Attributes
    ----------
    impulses, outputs : tuple of str
        Names of the shocks and of what responds.
    alpha : float
        One minus the coverage of the bands, each response by itself.
    shock, history : str
        Size of the shocks and where they come, in words.
    cumulative : bool
        Whether responses are running sums.
    """

    impulses: tuple[str, ...]
    outputs: tuple[str, ...]
    alpha: float
    shock: str
    history: str
    cumulative: bool
    _bands: Bands  # arrays (2, steps + 1, outputs, impulses): responses, asymmetry
    _error: FloatArray  # of the same shape

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def banded(self) -> bool:
        """Whether there are bands."""
        return bool(self._bands.words)

    def _wide(self, values: FloatArray) -> pd.DataFrame:
        columns = pd.MultiIndex.from_product(
            [list(self.impulses), list(self.outputs)], names=["impulse", "output"]
        )
        flat = values.transpose(0, 2, 1).reshape(len(values), -1)
        index = pd.RangeIndex(len(values), name="lag")
        return pd.DataFrame(flat, index=index, columns=columns, copy=True)

    @property
    def point(self) -> pd.DataFrame:
        """Responses: one row a lag from 0, columns (impulse, output)."""
        return self._wide(self._bands.point[0])

    @property
    def std_err(self) -> pd.DataFrame:
        """Standard errors, labelled as `point`; NaN without bands."""
        return self._wide(self._bands.std_err[0])

    @property
    def lower(self) -> pd.DataFrame:
        """Lower ends of the bands, labelled as `point`; NaN without bands."""
        return self._wide(self._bands.lower[0])

    @property
    def upper(self) -> pd.DataFrame:
        """Upper ends of the bands, labelled as `point`; NaN without bands."""
        return self._wide(self._bands.upper[0])

    @property
    def mc_error(self) -> pd.DataFrame:
        """Standard errors of `point` that come from drawing paths, labelled alike."""
        return self._wide(self._error[0])

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each impulse, output and lag: ``response std_err lower upper mc_error``."""
        return self._long(0, "response")

    @property
    def asymmetry(self) -> pd.DataFrame:
        """Response plus the response to the shock of the opposite sign; zero if they mirror.

        One row for each impulse, output and lag: ``asymmetry std_err lower upper mc_error``. NaN
        for outcomes, which have no opposite.
        """
        return self._long(1, "asymmetry")

    def _long(self, which: int, name: str) -> pd.DataFrame:
        lags = pd.RangeIndex(self._bands.point.shape[1])
        index = pd.MultiIndex.from_product(
            [list(self.impulses), list(self.outputs), lags], names=["impulse", "output", "lag"]
        )
        parts = {
            name: self._bands.point,
            "std_err": self._bands.std_err,
            "lower": self._bands.lower,
            "upper": self._bands.upper,
            "mc_error": self._error,
        }
        columns = {key: values[which].transpose(2, 1, 0).ravel() for key, values in parts.items()}
        return pd.DataFrame(columns, index=index)

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            One table for each pair of impulse and output, the asymmetry beside the responses; long
            ones show some of the lags.
        """
        summary = None
        count = self._bands.point.shape[1]
        lags = spread(count)
        kind = "Cumulative responses" if self.cumulative else "Responses"
        notes = [f"Shock: {self.shock}; {self.history}."]
        if self.banded:
            notes.append(f"{100 * (1 - self.alpha):g} % bands: {self._bands.words}.")
        notes.append("Asymmetry: response plus the response to the opposite shock.")
        lines = [line for note in notes for line in wrapped(note)]
        parts = {"response": self._bands.point[0]}
        if self.banded:
            parts |= {"std err": self._bands.std_err[0], "[lower": self._bands.lower[0]}
            parts |= {"upper]": self._bands.upper[0]}
        parts |= {"asymmetry": self._bands.point[1], "MC error": self._error[0]}
        for i, impulse in enumerate(self.impulses):
            for j, output in enumerate(self.outputs):
                table = pd.DataFrame({key: part[lags, j, i] for key, part in parts.items()})
                table.index = pd.Index([f"lag {lag}" for lag in lags])
                title = f"{kind} of {output} to {impulse}"
                more = _compat.build_table(table, title=title, notes=lines)
                if summary is None:
                    summary = more
                else:
                    summary.tables.extend(more.tables)
        return summary

    def plot(self, *, asymmetry: bool = False, fig: Figure | None = None) -> Figure:
        """Plot the responses with their bands, outputs in rows and impulses in columns.

        Parameters
        ----------
        asymmetry : bool
            Plot the asymmetry instead.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure
            The band is that of the parameters, or of the draws of the paths where there is none.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.results.responses.plots import draw_responses

        which = int(asymmetry)
        parts = (self._bands.point, self._bands.std_err, self._bands.lower, self._bands.upper)
        point, errors, low, high = (part[which] for part in parts)
        level = f"{100 * (1 - self.alpha):g} %"
        words = f"{level} band, {self._bands.words}"
        if not self.banded:
            reach = 2.0 * self._error[which]
            low, high, words = point - reach, point + reach, "two Monte Carlo errors"
        start = "asymmetry" if asymmetry else "response"
        start = f"cumulative {start}" if self.cumulative else start
        bands = Bands(point, errors, np.asarray(low), np.asarray(high), words)
        return draw_responses(bands, self.impulses, self.outputs, words=words, start=start, fig=fig)
