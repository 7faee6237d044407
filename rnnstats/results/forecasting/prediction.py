"""Predictions with their uncertainty, and simulated paths.

Everything here uses the outputs before the predicted row only, never those at or after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import solve_triangular

from rnnstats._checks import check_alpha, check_float
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate, delta_method, jacobian
from rnnstats.kernels.kalman import FilterOutput, kalman_filter
from rnnstats.kernels.system import StateSpace
from rnnstats.results.forecasting.predictive import Mixture
from rnnstats.results.forecasting.simulation import simulate_paths
from rnnstats.results.forecasting.windows import DATES
from rnnstats.results.protocol import FloatArray, StateSpaceModel

Uncertainty = Literal["plugin", "delta", "bootstrap"]

__all__ = [
    "DATES",
    "Moments",
    "Prediction",
    "Uncertainty",
    "diffuse_rows",
    "parameter_variance",
    "find_name",
    "predict_moments",
    "product_index",
    "simulate_paths",
    "stacked",
    "standardize",
]

_NO_INFORMATION = 1e-9


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean (rows, k_endog) and covariance (rows, k_endog, k_endog) of outputs to come."""

    mean: FloatArray
    cov: FloatArray


def standardize(errors: FloatArray, cov: FloatArray) -> FloatArray:
    """Multiply one-step-ahead errors by the inverse Cholesky factor of their covariance.

    Parameters
    ----------
    errors : ndarray of shape (nobs, k)
        NaN where missing.
    cov : ndarray of shape (nobs, k, k)

    Returns
    -------
    ndarray of shape (nobs, k)
        NaN where missing, and where the covariance is singular; the factor of a row is that of
        the outputs seen there.
    """
    result = np.full(errors.shape, np.nan)
    seen = ~np.isnan(errors)
    whole = seen.all(axis=1)
    try:
        factors = np.linalg.cholesky(cov[whole])
        result[whole] = np.linalg.solve(factors, errors[whole][:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        whole = np.zeros_like(whole)  # some row is singular: one after the other
    for t in np.flatnonzero(seen.any(axis=1) & ~whole):
        try:
            factor = np.linalg.cholesky(cov[t][np.ix_(seen[t], seen[t])])
        except np.linalg.LinAlgError:
            continue
        result[t, seen[t]] = solve_triangular(factor, errors[t, seen[t]], lower=True)
    return result


def diffuse_rows(system: StateSpace, output: FilterOutput, nobs: int) -> np.ndarray:
    """
    Say at which rows the outputs cannot be predicted because the start is diffuse.

    Parameters
    ----------
    system : StateSpace
    output : FilterOutput
        What `kalman_filter` gave for the system.
    nobs : int
        Number of rows.

    Returns
    -------
    ndarray of bool, shape (nobs,)
        True where some output has an infinite prediction variance.
    """
    last = min(int(output.nobs_diffuse), nobs)
    rows = np.zeros(nobs, dtype=bool)
    if last:
        design, infinite = system.design, output.predicted_diffuse_cov[:last]
        share = np.einsum("ij,tjk,ik->ti", design, infinite, design)
        size = (design**2).sum(axis=1)
        rows[:last] = (share > _NO_INFORMATION * np.maximum(size, 1e-300)).any(axis=1)
    return rows


def predict_moments(
    model: StateSpaceModel,
    params: FloatArray,
    *,
    stop: int,
    blank_from: int | None = None,
    exog: FloatArray | None = None,
) -> Moments:
    """
    Return mean and covariance of each output given the outputs before its row.

    Parameters
    ----------
    model : StateSpaceModel
    params : ndarray of shape (K,)
    stop : int
        Number of rows wanted; those past the sample are forecasts.
    blank_from : int, optional
        Outputs at and after this row count as not yet seen (dynamic prediction).
    exog : ndarray of shape (steps, k_exog), optional
        Inputs of the rows past the sample.

    Returns
    -------
    Moments
        Rows 0 to ``stop - 1``; NaN where the start is diffuse and the past says nothing yet.
    """
    steps = max(0, stop - model.nobs)
    future = np.full((steps, model.k_endog), np.nan)
    values = np.concatenate([model.endog.values, future])
    if blank_from is not None:
        values[blank_from:] = np.nan
    system = model.system(params, steps=steps, exog=exog)
    output = kalman_filter(system, values)
    mean, cov = output.forecast[:stop].copy(), output.forecast_error_cov[:stop].copy()
    unknown = diffuse_rows(system, output, len(values))[:stop]
    mean[unknown], cov[unknown] = np.nan, np.nan
    return Moments(mean, cov)


def parameter_variance(
    moments: Callable[[FloatArray], FloatArray],
    free: FloatArray,
    cov_free: FloatArray | CovarianceEstimate,
) -> FloatArray:
    r"""
    Return the covariance that estimated parameters add to a forecast, by the delta method.

    Parameters
    ----------
    moments : callable
        Free parameters to forecast means, shape (steps, k_endog).
    free : ndarray of shape (k_free,)
        Estimates.
    cov_free : CovarianceEstimate or ndarray of shape (k_free, k_free)
        Their covariance.

    Returns
    -------
    ndarray of shape (steps, k_endog, k_endog)
        :math:`J_h C J_h'` with :math:`J_h = \partial \hat y_{n+h|n} / \partial \theta'`.

    Notes
    -----
    The sample enters :math:`J_h` as given: the derivative includes that of the filtered state at
    the end of the sample (Ansley and Kohn 1986, Biometrika 73, 467-473; Lütkepohl 2005, section
    3.5, for vector autoregressions).
    """
    shape = moments(free).shape
    spread = cov_free.cov if isinstance(cov_free, CovarianceEstimate) else cov_free
    errors = np.sqrt(np.diag(spread))
    usable = np.isfinite(errors) & (errors > 0)
    scale = np.where(usable, errors, np.maximum(np.abs(free), 1e-2))
    slopes = jacobian(lambda point: moments(point).ravel(), free, scale=scale)
    by_row = slopes.reshape(*shape, free.size)
    return np.stack([delta_method(rows, cov_free) for rows in by_row])


class Prediction:
    """
    Predicted outputs with their uncertainty.

    Parameters
    ----------
    moments : Moments
        Means and covariances, one row a label of the index.
    index : Index
        Dates or row numbers.
    names : tuple of str
        Outputs.
    is_series : bool
        A single unlabelled output: answers are Series, as in statsmodels.
    information : str
        What the numbers are conditional on, in words.
    mixture : Mixture, optional
        Distribution of each output; by default normal with these moments.

    Notes
    -----
    `var_pred_mean` is the variance of the output to come around `predicted_mean`, noise included,
    under statsmodels' name for it. Intervals are quantiles of the normal distribution, or of the
    mixture where there is one.
    """

    def __init__(
        self,
        moments: Moments,
        index: pd.Index,
        names: tuple[str, ...],
        is_series: bool,
        information: str,
        mixture: Mixture | None = None,
    ) -> None:
        self._mixture = mixture
        self._moments = moments
        self._index = index
        self._names = names
        self._is_series = is_series
        self._information = information

    def __repr__(self) -> str:
        """Say what is predicted, and from what."""
        rows = f"{len(self._index)} rows of {', '.join(self._names)}"
        return f"<Prediction of {rows}; {self._information}>"

    @property
    def information_set(self) -> str:
        """What each row is conditional on."""
        return self._information

    @property
    def row_labels(self) -> pd.Index:
        """Labels of the predicted rows."""
        return self._index

    def _label(self, values: FloatArray) -> pd.Series | pd.DataFrame:
        if self._is_series:
            return pd.Series(values[:, 0], index=self._index, name="predicted_mean", copy=True)
        return pd.DataFrame(values, index=self._index, columns=list(self._names), copy=True)

    @property
    def predicted_mean(self) -> pd.Series | pd.DataFrame:
        """Mean of each output given the outputs before its row."""
        return self._label(self._moments.mean)

    @cached_property
    def _se(self) -> FloatArray:
        variances = np.diagonal(self._moments.cov, axis1=1, axis2=2)
        return np.sqrt(np.maximum(variances, 0.0))

    @property
    def se_mean(self) -> pd.Series | pd.DataFrame:
        """Standard deviation of the output around `predicted_mean`, in the output's units."""
        labelled = self._label(self._se)
        return labelled.rename("se_mean") if isinstance(labelled, pd.Series) else labelled

    @property
    def var_pred_mean(self) -> pd.Series | pd.DataFrame:
        """Variance: a Series, or for several outputs a frame with index (date, output)."""
        if self._is_series:
            return pd.Series(
                self._moments.cov[:, 0, 0], index=self._index, name="var_pred_mean", copy=True
            )
        return stacked(self._moments.cov, self._index, self._names, "output")

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """
        Interval that holds each output with probability ``1 - alpha``, one row at a time.

        Parameters
        ----------
        alpha : float
            One minus the coverage, between 0 and 1.

        Returns
        -------
        DataFrame
            Columns ``lower NAME`` for every output, then ``upper NAME``, as in statsmodels.

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1.
        """
        check_alpha(alpha, "conf_int")
        ends = np.concatenate([self._at(alpha / 2), self._at(1 - alpha / 2)], axis=1)
        columns = [f"{end} {name}" for end in ("lower", "upper") for name in self._names]
        return pd.DataFrame(ends, index=self._index, columns=columns)

    def quantile(self, share: float = 0.5) -> pd.Series | pd.DataFrame:
        """
        Value that each output stays below with a given probability, one row at a time.

        Parameters
        ----------
        share : float
            The probability, strictly between 0 and 1.

        Returns
        -------
        Series or DataFrame

        Raises
        ------
        SpecificationError
            `share` is not between 0 and 1.
        """
        share = check_float(share, name="share", caller="quantile", above=0.0, below=1.0)
        labelled = self._label(self._at(share))
        return labelled.rename("quantile") if isinstance(labelled, pd.Series) else labelled

    def _at(self, share: float) -> FloatArray:
        if self._mixture is not None:
            return self._mixture.quantile(share)
        found: FloatArray = self._moments.mean + stats.norm.ppf(share) * self._se
        return found

    def summary_frame(self, endog: int | str = 0, alpha: float = 0.05) -> pd.DataFrame:
        """
        Table of mean, standard deviation and interval of one output.

        Parameters
        ----------
        endog : int or str
            Output, by number or name.
        alpha : float
            One minus the coverage of the interval.

        Returns
        -------
        DataFrame
            Columns ``mean``, ``mean_se``, ``mean_ci_lower``, ``mean_ci_upper``; the name of the
            column index is the output's.

        Raises
        ------
        SpecificationError
            There is no such output.
        """
        which = find_name(endog, self._names, caller="summary_frame", what="output")
        ends = self.conf_int(alpha).to_numpy()
        table = {
            "mean": self._moments.mean[:, which],
            "mean_se": self._se[:, which],
            "mean_ci_lower": ends[:, which],
            "mean_ci_upper": ends[:, len(self._names) + which],
        }
        frame = pd.DataFrame(table, index=self._index)
        frame.columns.name = self._names[which]
        return frame


def stacked(cov: FloatArray, index: pd.Index, names: tuple[str, ...], level: str) -> pd.DataFrame:
    """Label covariances.

    Parameters
    ----------
    cov : ndarray of shape (rows, k, k)
        One matrix a row.
    index : Index
        Labels of the rows.
    names : tuple of str
        Labels of the k rows and columns of each matrix.
    level : str
        What the names name.

    Returns
    -------
    DataFrame
        Index (date, `level`), columns the names; a copy.
    """
    rows = product_index(index, names, level)
    return pd.DataFrame(cov.reshape(-1, len(names)), index=rows, columns=list(names), copy=True)


def product_index(index: pd.Index, names: tuple[str, ...], level: str) -> pd.MultiIndex:
    """Cross an index with names.

    Parameters
    ----------
    index : Index
        Outer level, called "date" if it has no name; of a MultiIndex all levels are kept.
    names : tuple of str
        Inner level, running fastest.
    level : str
        Name of the inner level.

    Returns
    -------
    MultiIndex
        All pairs.
    """
    if isinstance(index, pd.MultiIndex):  # several sequences
        outer = index.repeat(len(names))
        levels = [outer.get_level_values(i) for i in range(index.nlevels)]
        inner = np.tile(np.array(names, dtype=object), len(index))
        return pd.MultiIndex.from_arrays([*levels, inner], names=[*index.names, level])
    title = "date" if index.name is None else str(index.name)
    labels: list[Any] = [index, list(names)]
    product: pd.MultiIndex = pd.MultiIndex.from_product(labels, names=[title, level])
    return product


def find_name(
    key: int | str | np.integer[Any], names: tuple[str, ...], *, caller: str, what: str
) -> int:
    """Find a name or number among names.

    Parameters
    ----------
    key : int or str
        Number (negative: from the end) or name.
    names : tuple of str
        The names that exist.
    caller, what : str
        Method that the user called, and what is named, for messages.

    Returns
    -------
    int
        Position.

    Raises
    ------
    SpecificationError
        There is none.
    """
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        if -len(names) <= key < len(names):
            return int(key) % len(names)
    elif isinstance(key, str) and key in names:
        return names.index(key)
    raise SpecificationError(
        f"{caller}: {what} must be one that exists; got {key!r}. "
        f"Choose one of {', '.join(names)}, or a number from 0 to {len(names) - 1}."
    )
