"""Forecasts given future values of some outputs, exactly or with a tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.results.continuation import rows_index
from rnnstats.results.forecasting.prediction import Moments, Prediction
from rnnstats.results.forecasting.scenario import Conditioned
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.responses.contributions import date_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ConditionalForecast", "make_prediction"]


class ConditionalForecast:
    """Forecast given future values of some outputs.

    Parameters
    ----------
    prediction : Prediction
        Given the conditions.
    free : Prediction
        Without them.
    conditions, tolerance : ndarray of shape (steps, k_endog)
        Values with NaN for none, and their standard deviations, 0 for values held exactly.
    given : Conditioned
        The joint distribution.
    seen : DataFrame
        The sample.

    Notes
    -----
    What `Prediction` answers, this answers too.
    """

    def __init__(
        self,
        prediction: Prediction,
        free: Prediction,
        conditions: FloatArray,
        tolerance: FloatArray,
        given: Conditioned,
        seen: pd.DataFrame,
    ) -> None:
        self._prediction = prediction
        self._free = free
        self._conditions = conditions
        self._tolerance = tolerance
        self._given = given
        self._seen = seen

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def information_set(self) -> str:
        """What the rows are conditional on."""
        return self._prediction.information_set

    @property
    def row_labels(self) -> pd.Index:
        """Labels of the predicted rows."""
        return self._prediction.row_labels

    @property
    def predicted_mean(self) -> pd.Series | pd.DataFrame:
        """Mean of each output given the sample and the conditions."""
        return self._prediction.predicted_mean

    @property
    def se_mean(self) -> pd.Series | pd.DataFrame:
        """Standard deviation around `predicted_mean`; 0 for values held exactly."""
        return self._prediction.se_mean

    @property
    def var_pred_mean(self) -> pd.Series | pd.DataFrame:
        """Variance: a Series, or for several outputs a frame with index (date, output)."""
        return self._prediction.var_pred_mean

    @property
    def unconditional(self) -> Prediction:
        """The forecast without the conditions."""
        return self._free

    @property
    def conditions(self) -> pd.DataFrame:
        """One row for each condition, index (date, output).

        ``value``; ``tolerance``, a standard deviation, 0 where the value is held exactly;
        ``expected`` and ``se`` of the forecast without conditions; ``z``, how many of its standard
        deviations (with the tolerance) the value lies away.
        """
        names = list(self._seen.columns)
        rows, columns = np.nonzero(~np.isnan(self._conditions))
        value, tolerance = self._conditions[rows, columns], self._tolerance[rows, columns]
        expected = pd.DataFrame(self._free.predicted_mean).to_numpy()[rows, columns]
        error = pd.DataFrame(self._free.se_mean).to_numpy()[rows, columns]
        spread = np.hypot(error, tolerance)
        z = np.divide(value - expected, spread, out=np.zeros_like(spread), where=spread > 0)
        index = pd.MultiIndex.from_arrays(
            [self.row_labels[rows], [names[j] for j in columns]], names=["date", "output"]
        )
        table = {"value": value, "tolerance": tolerance, "expected": expected, "se": error, "z": z}
        return pd.DataFrame(table, index=index)

    @property
    def plausibility(self) -> pd.Series:
        """How far the conditions lie from what the model expects of them together.

        ``statistic``: squared distance in standard deviations (Mahalanobis), tolerances included;
        ``df``: number of conditions not implied by others; ``pvalue``: chi-squared probability of a
        larger distance, if the model and its estimates hold.
        """
        given = self._given
        pvalue = float(stats.chi2.sf(given.statistic, given.rank)) if given.rank else 1.0
        parts = {"statistic": given.statistic, "df": given.rank, "pvalue": pvalue}
        return pd.Series(parts, name="plausibility", dtype=float)

    @property
    def cov(self) -> pd.DataFrame:
        """Joint covariance of all rows and outputs given the conditions, parameters as known."""
        pairs = pd.MultiIndex.from_product(
            [self.row_labels, list(self._seen.columns)], names=["date", "output"]
        )
        return pd.DataFrame(self._given.cov, index=pairs, columns=pairs, copy=True)

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Interval that holds each output with probability ``1 - alpha``, one row at a time.

        Parameters
        ----------
        alpha : float
            One minus the coverage, between 0 and 1.

        Returns
        -------
        DataFrame
            Columns ``lower NAME`` for every output, then ``upper NAME``.

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1.
        """
        return self._prediction.conf_int(alpha)

    def summary_frame(self, endog: int | str = 0, alpha: float = 0.05) -> pd.DataFrame:
        """Table of mean, standard deviation and interval of one output.

        Parameters
        ----------
        endog : int or str
            Output, by number or name.
        alpha : float
            One minus the coverage of the interval.

        Returns
        -------
        DataFrame
            Columns ``mean``, ``mean_se``, ``mean_ci_lower``, ``mean_ci_upper``.

        Raises
        ------
        SpecificationError
            There is no such output.
        """
        return self._prediction.summary_frame(endog, alpha)

    def summary(self, alpha: float = 0.05) -> Any:
        """Summary table.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            For each output the forecast, the conditions on it, and the forecast without any.
        """
        summary = None
        free = pd.DataFrame(self._free.predicted_mean)
        for j, name in enumerate(self._seen.columns):
            part = self.summary_frame(j, alpha)
            table = pd.DataFrame(
                {
                    "mean": part["mean"],
                    "std err": part["mean_se"],
                    "[lower": part["mean_ci_lower"],
                    "upper]": part["mean_ci_upper"],
                    "condition": self._conditions[:, j],
                    "tolerance": np.where(
                        np.isnan(self._conditions[:, j]), np.nan, self._tolerance[:, j]
                    ),
                    "without": free.iloc[:, j],
                }
            )
            table.index = pd.Index([date_text(key) for key in self.row_labels])
            more = _compat.build_table(table, title=f"Conditional forecast of {name}")
            if summary is None:
                summary = more
            else:
                summary.tables.extend(more.tables)
        found = self.plausibility
        note = (
            f"Conditions together: distance {found['statistic']:.4g}, chi-squared with "
            f"{found['df']:.0f} degrees of freedom, p = {found['pvalue']:.3g}."
        )
        if summary is not None:
            summary.add_extra_txt([line for text in (note,) for line in wrapped(text)])
        return summary

    def plot(
        self,
        levels: tuple[float, ...] = (0.5, 0.8, 0.95),
        *,
        history: int | None = None,
        fig: Figure | None = None,
    ) -> Figure:
        """Plot the forecast as a fan, with the conditions and the forecast without them.

        Parameters
        ----------
        levels : tuple of float
            Coverages of the intervals.
        history : int, optional
            Rows of the sample to show; by default five times the steps, and at least 40.
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
        from rnnstats.results.forecasting.fan_plot import draw_fan

        without = pd.DataFrame(self._free.predicted_mean).to_numpy()
        return draw_fan(
            self._seen, self._prediction, levels=levels, history=history, fig=fig,
            conditions=self._conditions, without=without,
        )  # fmt: skip


def make_prediction(model: StateSpaceModel, moments: Moments, words: str) -> Prediction:
    """Label moments of rows past the sample.

    Parameters
    ----------
    model : StateSpaceModel
    moments : Moments
    words : str
        What they are conditional on.

    Returns
    -------
    Prediction
    """
    index = rows_index(model, model.nobs + len(moments.mean))[model.nobs :]
    return Prediction(moments, index, model.endog.names, model.endog.is_series, words)
