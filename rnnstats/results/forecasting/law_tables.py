"""Tables of predictions whose distribution is a law: quantiles, regions, densities."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from rnnstats._checks import check_alpha, check_float
from rnnstats.errors import SpecificationError
from rnnstats.results.forecasting.prediction import Moments, find_name
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import Kind, Law
from rnnstats.results.regimes.forecasting.search import highest_density, quantile
from rnnstats.results.regimes.outputs import level_text

__all__ = ["Columns", "LawTables"]


class Columns(Protocol):
    """Names of the columns of the data."""

    @property
    def columns(self) -> tuple[str, ...]: ...


class LawTables:
    """The part of a prediction that reads numbers off a law.

    Attributes
    ----------
    _law : Law
        Distribution of each row.
    _labels : Columns
    _moments : Moments
        Of the expanded outputs.
    _index : Index
    _is_series : bool
    _places : list of list of int
        Places of each column's expanded outputs.
    _numeric : list of int
        Columns of numbers.
    """

    _law: Law
    _labels: Columns
    _moments: Moments
    _index: pd.Index
    _is_series: bool
    _places: list[list[int]]
    _numeric: list[int]

    @property
    def discrete(self) -> tuple[bool, ...]:
        """For each column of the data whether its values are whole numbers or categories."""
        return self._law.discrete

    def _deviation(self, at: int) -> FloatArray:
        """Standard deviation of one expanded output, (rows,)."""
        return np.asarray(np.sqrt(np.maximum(self._moments.cov[:, at, at], 0.0)))

    # -- quantiles ----------------------------------------------------------------------------

    def _columns_of(self, share: float | FloatArray) -> FloatArray:
        found = [quantile(self._law, share, j) for j in self._numeric]
        return np.stack(found, axis=1)

    def _need_numbers(self, caller: str) -> None:
        if not self._numeric:
            names = ", ".join(self._labels.columns)
            raise SpecificationError(
                f"{caller}: categories have no order, so no quantiles; got {names}. Use "
                "predicted_mean for their probabilities, or hdr() for the most probable ones."
            )

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Interval that holds each output with probability ``1 - alpha``, one row at a time.

        Parameters
        ----------
        alpha : float
            One minus the coverage, between 0 and 1.

        Returns
        -------
        DataFrame
            Columns ``lower NAME`` for every column of numbers, then ``upper NAME``: quantiles of
            the mixture with ``alpha / 2`` on either side; whole numbers hold at least the coverage.

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1, or there are only categories.
        """
        check_alpha(alpha, "conf_int")
        self._need_numbers("conf_int")
        ends = [self._columns_of(alpha / 2), self._columns_of(1 - alpha / 2)]
        names = [self._labels.columns[j] for j in self._numeric]
        columns = [f"{end} {name}" for end in ("lower", "upper") for name in names]
        return pd.DataFrame(np.concatenate(ends, axis=1), index=self._index, columns=columns)

    def quantile(self, share: float = 0.5) -> pd.Series | pd.DataFrame:
        """Value that each output stays below with a given probability, one row at a time.

        Parameters
        ----------
        share : float
            The probability, strictly between 0 and 1.

        Returns
        -------
        Series or DataFrame
            Of whole numbers the smallest one not exceeded with at least this probability.
            Categorical columns are left out.

        Raises
        ------
        SpecificationError
            `share` is not between 0 and 1, or there are only categories.
        """
        share = check_float(share, name="share", caller="quantile", above=0.0, below=1.0)
        self._need_numbers("quantile")
        values = self._columns_of(share)
        if self._is_series:
            return pd.Series(values[:, 0], index=self._index, name="quantile")
        names = [self._labels.columns[j] for j in self._numeric]
        return pd.DataFrame(values, index=self._index, columns=names)

    def summary_frame(self, endog: int | str = 0, alpha: float = 0.05) -> pd.DataFrame:
        """Table of one output.

        Parameters
        ----------
        endog : int or str
            Column, by number or name.
        alpha : float
            One minus the coverage of the interval.

        Returns
        -------
        DataFrame
            Columns ``mean``, ``mean_se``, ``mean_ci_lower``, ``mean_ci_upper``; of a categorical
            column the probabilities of its categories.

        Raises
        ------
        SpecificationError
            There is no such output.
        """
        which = find_name(endog, self._labels.columns, caller="summary_frame", what="output")
        check_alpha(alpha, "summary_frame")
        levels = self._law.levels[which]
        if levels is not None:
            table = pd.DataFrame(
                self._moments.mean[:, self._places[which]], index=self._index, columns=list(levels)
            )
        else:
            at = self._places[which][0]
            ends = (quantile(self._law, part, which) for part in (alpha / 2, 1 - alpha / 2))
            parts = (self._moments.mean[:, at], self._deviation(at), *ends)
            heads = ("mean", "mean_se", "mean_ci_lower", "mean_ci_upper")
            table = pd.DataFrame(dict(zip(heads, parts, strict=True)), index=self._index)
        table.columns.name = self._labels.columns[which]
        return table

    # -- densities and regions ----------------------------------------------------------------

    def hdr(self, alpha: float = 0.05, endog: int | str = 0) -> pd.DataFrame:
        """Highest-density regions: the smallest sets with probability ``1 - alpha``.

        Parameters
        ----------
        alpha : float
            One minus the coverage, between 0 and 1.
        endog : int or str
            Column, by number or name.

        Returns
        -------
        DataFrame
            One row a piece, index (date, piece): ``lower`` and ``upper``, both belonging to the
            set, and ``probability`` of the piece. A mixture may need several pieces. Of whole
            numbers and categories the most probable ones, until they have at least the coverage.

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1, or there is no such output.

        References
        ----------
        Hyndman, R. J. (1996), Computing and graphing highest density regions, The American
        Statistician 50, 120-126.
        """
        check_alpha(alpha, "hdr")
        which = find_name(endog, self._labels.columns, caller="hdr", what="output")
        levels = self._law.levels[which]
        keys: list[tuple[Any, int]] = []
        rows: list[tuple[Any, Any, float]] = []
        for row, label in enumerate(self._index):
            for number, piece in enumerate(highest_density(self._law, row, which, 1.0 - alpha)):
                ends = piece.lower, piece.upper
                named = ends if levels is None else tuple(levels[int(end)] for end in ends)
                keys.append((label, number))
                rows.append((*named, piece.probability))
        title = "date" if self._index.name is None else str(self._index.name)
        labels: list[Any] = [pd.Index([key[0] for key in keys]), [key[1] for key in keys]]
        index = pd.MultiIndex.from_arrays(labels, names=[title, "piece"])
        return pd.DataFrame(rows, index=index, columns=["lower", "upper", "probability"])

    def pdf(self, values: Any = None, endog: int | str = 0) -> pd.DataFrame:
        """Density of one output at some values, or their probability.

        Parameters
        ----------
        values : array_like, optional
            Numbers or categories; by default all categories of a categorical column.
        endog : int or str
            Column, by number or name.

        Returns
        -------
        DataFrame
            One row a predicted row, one column a value.

        Raises
        ------
        SpecificationError
            There is no such output or category, or numbers are missing.
        """
        return self._evaluated(values, endog, "pdf")

    def cdf(self, values: Any, endog: int | str = 0) -> pd.DataFrame:
        """Probability that one output is at most some values.

        Parameters
        ----------
        values : array_like
            Numbers.
        endog : int or str
            Column, by number or name.

        Returns
        -------
        DataFrame
            One row a predicted row, one column a value.

        Raises
        ------
        SpecificationError
            There is no such output, or it is categorical.
        """
        return self._evaluated(values, endog, "cdf")

    def _evaluated(self, values: Any, endog: int | str, kind: Kind) -> pd.DataFrame:
        which = find_name(endog, self._labels.columns, caller=kind, what="output")
        levels = self._law.levels[which]
        if levels is None:
            points = np.atleast_1d(np.asarray([] if values is None else values, dtype=float))
            if points.ndim != 1 or not points.size or np.isnan(points).any():
                raise SpecificationError(
                    f"{kind}: values must be some numbers; got {values!r}. Give a sequence."
                )
            names: list[Any] = points.tolist()
        else:
            if kind == "cdf":
                raise SpecificationError(
                    f"cdf: categories have no order; got {self._labels.columns[which]!r}. Use pdf "
                    "for their probabilities."
                )
            given = values if values is None else np.atleast_1d(np.asarray(values, dtype=object))
            names = list(levels) if given is None else [level_text(value) for value in given]
            unknown = [name for name in names if name not in levels]
            if unknown:
                raise SpecificationError(
                    f"pdf: values must be categories of {self._labels.columns[which]}; got "
                    f"{unknown[0]!r}. Choose among {', '.join(levels)}."
                )
            points = np.array([levels.index(name) for name in names], dtype=float)
        rows = [self._law.along(row, which, points, kind) for row in range(self._law.rows)]
        table = pd.DataFrame(np.array(rows).reshape(-1, len(names)), index=self._index)
        table.columns = pd.Index(names, name=self._labels.columns[which])
        return table
