"""One-step means at given histories as functions of the parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss

from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels import cells
from rnnstats.results.continuation import future_inputs
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.effect_slopes import mean_slopes
from rnnstats.results.recurrent.effects.histories import by_row, chosen_rows, histories
from rnnstats.results.recurrent.forecasting.laws import expanded_mean, head_law
from rnnstats.results.recurrent.inference.slopes import axis_errors, errors_of
from rnnstats.results.recurrent.protocol import IntArray, RecurrentModel
from rnnstats.results.regimes.forecasting.laws import Law
from rnnstats.results.regimes.forecasting.search import quantile
from rnnstats.results.regimes.outputs import column_levels, expanded_names

__all__ = ["Found", "OneStepMeans", "mean_table"]

CALLER = "predict_at"
# Points of Gauss and Hermite's rule over a linear predictor.
NODES = 15


class Found(NamedTuple):
    """Means of m rows, their standard errors (m, k'), linear predictors, the head's parameters."""

    mean: FloatArray
    error: FloatArray
    eta: FloatArray
    extra: FloatArray


@dataclass(frozen=True, eq=False)
class OneStepMeans:
    """Means of rows given the rows before them.

    Attributes
    ----------
    model : RecurrentModel
        On the histories.
    places : ndarray of int, shape (m,)
        Rows, as `chosen_rows` gives them.
    exog : ndarray of shape (rows, k_exog) or None
        Inputs of rows after the sample; the first is used.
    """

    model: RecurrentModel
    places: IntArray
    exog: FloatArray | None

    @classmethod
    def make(
        cls, results: Any, rows: Any, history: Any, history_exog: Any, exog: Any
    ) -> OneStepMeans:
        """Check what is asked for.

        Parameters
        ----------
        results : RecurrentResults
        rows, history, history_exog, exog
            As `predict_at` takes them.

        Returns
        -------
        OneStepMeans
        """
        model = results.model
        if history is not None:
            model = results.apply(history, history_exog).model
            places = np.array([model.nobs])
        else:
            if history_exog is not None:
                raise SpecificationError(
                    f"{CALLER}: history_exog holds the inputs of history; got it without history. "
                    "Give both, or leave it out."
                )
            places = chosen_rows(model, results._system, rows, caller=CALLER)
        after = bool((places == model.nobs).any())
        inputs = future_inputs(model, exog, int(after), caller=CALLER)
        return cls(model, places, inputs)

    def predictors(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Linear predictors (m, k_eta) and the head's own parameters at parameters (K,)."""
        system = self.model.system(theta)
        history = histories(self.model, system, self.places)
        exog = history.exog
        if exog is not None and self.exog is not None:
            exog = np.where((self.places == self.model.nobs)[:, None], self.exog[:1], exog)
        _, eta = system.step(history.state, history.lags, exog)
        return np.asarray(eta), np.asarray(system.extra)

    def mean(self, theta: FloatArray) -> FloatArray:
        """Means at parameters (K,), shape (m, k')."""
        return expanded_mean(self.model.head.law(*self.predictors(theta)))

    def at(self, theta: FloatArray, covariance: CovarianceEstimate) -> Found:
        """Means, their standard errors and what the laws are made of.

        Parameters
        ----------
        theta : ndarray of shape (K,)
        covariance : CovarianceEstimate

        Returns
        -------
        Found
        """
        eta, extra = self.predictors(theta)
        mean = expanded_mean(self.model.head.law(eta, extra))
        inside = bool((self.places < self.model.nobs).all())
        inside = inside and not getattr(self.model, "continues", False)
        if not inside or self.model.initial == "stationary":
            errors = axis_errors(self.mean, self.model, theta, covariance)
            return Found(mean, errors, eta, extra)
        slopes = self._slopes(theta).reshape(mean.size, theta.size)
        return Found(mean, errors_of(slopes, covariance).reshape(mean.shape), eta, extra)

    def _slopes(self, theta: FloatArray) -> FloatArray:
        """Derivatives of the means by all parameters, exact, (m, k', K)."""
        model = self.model
        system, chart = model.system(theta), model.chart
        arch = system.architecture
        at = np.searchsorted(np.asarray(system.rows), self.places)
        by_weights = cells.sensitivities(arch, system.weights, system.run)[at]
        by_phi = np.zeros((*by_weights.shape[:2], theta.size))
        by_phi[:, :, chart.weights] = by_weights[:, :, : arch.size]
        if model.initial == "estimated":
            by_phi[:, :, chart.initial] = by_weights[:, :, arch.size :]
        by_phi *= system.scales.eta_scale[:, None]
        return np.asarray(mean_slopes(model.head, system.eta[at]) @ chart.pull(by_phi))


def mean_table(
    model: Any, labels: list[Any], found: Found, width: float, alpha: float
) -> pd.DataFrame:
    """Table of one-step means.

    Parameters
    ----------
    model : RecurrentModel
    labels : list
        Of the rows.
    found : Found
        Of `OneStepMeans.at`.
    width : float
        Normal quantile of a two-sided interval.
    alpha : float
        One minus its coverage.

    Returns
    -------
    DataFrame
    """
    mean, error = found.mean, found.error
    low, high = np.full(mean.shape, np.nan), np.full(mean.shape, np.nan)
    if all(levels is None for levels in column_levels(model)):
        for j in range(mean.shape[1]):
            law = _averaged(model, found, j)
            low[:, j], high[:, j] = quantile(law, alpha / 2, j), quantile(law, 1.0 - alpha / 2, j)
    parts = {
        "mean": mean, "mean_se": error,
        "mean_ci_lower": mean - width * error, "mean_ci_upper": mean + width * error,
        "obs_ci_lower": low, "obs_ci_upper": high,
    }  # fmt: skip
    outputs = expanded_names(model)
    further = {"output": outputs} if len(outputs) > 1 else {}
    index = by_row(labels, model.endog.index.names, **further)
    return pd.DataFrame({key: part.ravel() for key, part in parts.items()}, index=index)


def _averaged(model: Any, found: Found, column: int) -> Law:
    """Law of one output, averaged over the normal law of its linear predictor."""
    slope = mean_slopes(model.head, found.eta)[:, column, column]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.nan_to_num(found.error[:, column] / np.abs(slope), posinf=0.0)
    nodes, weights = hermegauss(NODES)
    rows, count = len(found.eta), len(nodes)
    eta = np.repeat(found.eta, count, axis=0)
    eta[:, column] += np.tile(nodes, rows) * np.repeat(spread, count)
    weight = np.tile(weights / weights.sum(), rows)
    owner = np.repeat(np.arange(rows), count)
    return head_law(model, eta, found.extra, owner, rows, weight)
