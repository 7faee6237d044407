"""Predictions that are mixtures: moments, quantiles, regions, densities, regime probabilities."""

from __future__ import annotations

import pandas as pd

from rnnstats.results.forecasting.law_tables import LawTables
from rnnstats.results.forecasting.prediction import Moments, Prediction
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import Law
from rnnstats.results.regimes.outputs import expanded_places

__all__ = ["Labels", "MixturePrediction"]


class Labels:
    """Names around a prediction.

    Parameters
    ----------
    index : Index
        Rows.
    columns, outputs : tuple of str
        Columns of the data, and the outputs (categories where a column is categorical).
    regimes : tuple of str
    is_series : bool
        A single unlabelled output.
    """

    def __init__(
        self,
        index: pd.Index,
        columns: tuple[str, ...],
        outputs: tuple[str, ...],
        regimes: tuple[str, ...],
        is_series: bool,
    ) -> None:
        self.index, self.columns, self.outputs = index, columns, outputs
        self.regimes, self.is_series = regimes, is_series and columns == outputs


class MixturePrediction(LawTables, Prediction):
    """Predicted outputs whose distribution is a mixture over regimes.

    A categorical column appears as one output a category, ``y=a``: its mean is the probability of
    the category.

    Parameters
    ----------
    law : Law
        Distribution of each row.
    regimes : ndarray of shape (rows, K)
        Probabilities of the regimes.
    labels : Labels
    information : str
        What the numbers are conditional on, in words.
    moments : Moments, optional
        Mean and covariance where they are not those of the law.
    """

    _labels: Labels

    def __init__(
        self,
        law: Law,
        regimes: FloatArray,
        labels: Labels,
        information: str,
        moments: Moments | None = None,
    ) -> None:
        if moments is None:
            moments = Moments(law.mean(), law.cov())
        super().__init__(moments, labels.index, labels.outputs, labels.is_series, information)
        self._law, self._regimes, self._labels = law, regimes, labels
        self._places = expanded_places(law.levels)
        self._numeric = [j for j, names in enumerate(law.levels) if names is None]

    # -- regimes ------------------------------------------------------------------------------

    @property
    def regime_probabilities(self) -> pd.DataFrame:
        """Probability of each regime in each row, given what the rows are conditional on."""
        names = list(self._labels.regimes)
        return pd.DataFrame(self._regimes, index=self._index, columns=names, copy=True)
