"""Impulse responses and variance decompositions as labelled tables with bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.results.protocol import FloatArray
from rnnstats.results.responses.bands import Bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ImpulseResponses", "VarianceDecomposition", "spread"]

# Rows of a summary; all of them are in the frame.
SHOWN = 9


def spread(count: int) -> list[int]:
    """Choose the positions to show of so many.

    Parameters
    ----------
    count : int

    Returns
    -------
    list of int
        All, or the first ones and some spread over the others.
    """
    if count <= SHOWN:
        return list(range(count))
    return sorted({0, 1, 2, *np.linspace(3, count - 1, SHOWN - 3).round().astype(int).tolist()})


@dataclass(frozen=True, eq=False, repr=False)
class ImpulseResponses:
    """Responses of outputs to shocks, with bands.

    Attributes
    ----------
    impulses, outputs : tuple of str
        Names of the shocks and of what responds.
    alpha : float
        One minus the coverage of the bands, each response by itself.
    shock : str
        Size of the shocks, in words.
    cumulative : bool
        Whether responses are running sums.
    """

    impulses: tuple[str, ...]
    outputs: tuple[str, ...]
    alpha: float
    shock: str
    cumulative: bool
    _bands: Bands  # arrays (steps + 1, outputs, impulses)

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

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
        return self._wide(self._bands.point)

    @property
    def std_err(self) -> pd.DataFrame:
        """Standard errors, labelled as `point`."""
        return self._wide(self._bands.std_err)

    @property
    def lower(self) -> pd.DataFrame:
        """Lower ends of the bands, labelled as `point`."""
        return self._wide(self._bands.lower)

    @property
    def upper(self) -> pd.DataFrame:
        """Upper ends of the bands, labelled as `point`."""
        return self._wide(self._bands.upper)

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each impulse, output and lag: ``response std_err lower upper``."""
        lags = pd.RangeIndex(len(self._bands.point))
        index = pd.MultiIndex.from_product(
            [list(self.impulses), list(self.outputs), lags], names=["impulse", "output", "lag"]
        )
        parts = {"response": self._bands.point, "std_err": self._bands.std_err,
                 "lower": self._bands.lower, "upper": self._bands.upper}  # fmt: skip
        columns = {name: values.transpose(2, 1, 0).ravel() for name, values in parts.items()}
        return pd.DataFrame(columns, index=index)

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            One table for each pair of impulse and output; long ones show some of the lags.
        """
        frame, summary = self.frame, None
        count = len(self._bands.point)
        lags = spread(count)
        kind = "Cumulative responses" if self.cumulative else "Responses"
        level = f"{100 * (1 - self.alpha):g} %"
        for i, impulse in enumerate(self.impulses):
            for j, output in enumerate(self.outputs):
                first = (i * len(self.outputs) + j) * count
                shown = frame.iloc[[first + lag for lag in lags]]
                shown.columns = pd.Index(["response", "std err", "[lower", "upper]"])
                shown.index = pd.Index([f"lag {lag}" for lag in lags])
                notes = [f"Shock: {self.shock}.", f"{level} bands: {self._bands.words}."]
                more = _compat.build_table(
                    shown,
                    title=f"{kind} of {output} to {impulse}",
                    notes=[line for note in notes for line in wrapped(note)],
                )
                if summary is None:
                    summary = more
                else:
                    summary.tables.extend(more.tables)
        return summary

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot the responses with their bands, outputs in rows and impulses in columns.

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
        from rnnstats.results.responses.plots import draw_responses

        words = f"{100 * (1 - self.alpha):g} % band, {self._bands.words}"
        start = "cumulative response" if self.cumulative else "response"
        return draw_responses(
            self._bands, self.impulses, self.outputs, words=words, start=start, fig=fig
        )


@dataclass(frozen=True, eq=False, repr=False)
class VarianceDecomposition:
    """Shares of shocks in the variances of forecast errors.

    Attributes
    ----------
    outputs, sources : tuple of str
        What is forecast, and where its error comes from.
    horizons : int
        Steps ahead, from 1.
    words : str
        What the sources are and how correlated ones are told apart.
    alpha : float
        One minus the coverage of the bands, each share by itself.
    """

    outputs: tuple[str, ...]
    sources: tuple[str, ...]
    horizons: int
    words: str
    alpha: float
    _variance: FloatArray  # (outputs, horizons)
    _point: FloatArray  # (outputs, horizons, sources)
    _bands: Bands | None

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    def _index(self) -> pd.MultiIndex:
        steps = pd.RangeIndex(1, self.horizons + 1)
        return pd.MultiIndex.from_product([list(self.outputs), steps], names=["output", "horizon"])

    @property
    def shares(self) -> pd.DataFrame:
        """Index (output, horizon), one column a source, between 0 and 1.

        Rows sum to one, but for generalised shares that are not normalised.
        """
        flat = self._point.reshape(-1, len(self.sources))
        return pd.DataFrame(flat, index=self._index(), columns=list(self.sources), copy=True)

    @property
    def variance(self) -> pd.DataFrame:
        """Variance of the forecast error: one row a horizon, one column an output."""
        index = pd.RangeIndex(1, self.horizons + 1, name="horizon")
        return pd.DataFrame(self._variance.T, index=index, columns=list(self.outputs), copy=True)

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each output, horizon and source: ``share``; with bands also their ends."""
        steps = pd.RangeIndex(1, self.horizons + 1)
        index = pd.MultiIndex.from_product(
            [list(self.outputs), steps, list(self.sources)], names=["output", "horizon", "source"]
        )
        columns = {"share": self._point.ravel()}
        if self._bands is not None:
            for name in ("std_err", "lower", "upper"):
                columns[name] = getattr(self._bands, name).ravel()
        return pd.DataFrame(columns, index=index)

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Shares by horizon, one table an output, with bands in brackets below them.
        """
        summary = None
        for i, output in enumerate(self.outputs):
            rows = {}
            for h in spread(self.horizons):
                rows[f"{h + 1} ahead"] = [*self._point[i, h], np.sqrt(self._variance[i, h])]
                if self._bands is not None:
                    rows["  [lower".ljust(9 + h)] = [*self._bands.lower[i, h], np.nan]
                    rows["  upper]".ljust(9 + h)] = [*self._bands.upper[i, h], np.nan]
            columns = [*self.sources, "std of error"]
            table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
            notes = [f"Sources: {self.words}."]
            if self._bands is not None:
                notes.append(f"{100 * (1 - self.alpha):g} % bands: {self._bands.words}.")
            title = f"Shares in the forecast error variance of {output}"
            lines = [line for note in notes for line in wrapped(note)]
            more = _compat.build_table(table, title=title, notes=lines)
            if summary is None:
                summary = more
            else:
                summary.tables.extend(more.tables)
        return summary

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot the shares by horizon: stacked, one output a panel, or with bands each by itself.

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
        from rnnstats.results.responses.plots import draw_banded_shares, draw_shares

        if self._bands is not None:
            words = f"{100 * (1 - self.alpha):g} % band, {self._bands.words}"
            return draw_banded_shares(self._bands, self.outputs, self.sources, words=words, fig=fig)
        return draw_shares(self._point, self.outputs, self.sources, fig=fig)
