"""Predictions of a recurrent network: moments, quantiles, regions, densities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.results.forecasting.law_tables import LawTables
from rnnstats.results.forecasting.prediction import Moments, Prediction
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import Law
from rnnstats.results.regimes.outputs import expanded_names, expanded_places

__all__ = ["Labels", "RecurrentPrediction", "labels_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Names around a prediction.

    Attributes
    ----------
    index : Index
        Rows.
    columns, outputs : tuple of str
        Columns of the data, and the outputs (categories where a column is categorical).
    is_series : bool
        A single unlabelled output.
    """

    index: pd.Index
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    is_series: bool


def labels_of(model: Any, index: pd.Index) -> Labels:
    """Names around a prediction of some rows.

    Parameters
    ----------
    model : RecurrentModel
    index : Index
        Labels of the rows.

    Returns
    -------
    Labels
    """
    outputs, endog = expanded_names(model), model.endog
    return Labels(index, endog.names, outputs, endog.is_series and endog.names == outputs)


class RecurrentPrediction(LawTables, Prediction):
    """Predicted outputs of a recurrent network.

    One row ahead the distribution is the head's; further ahead it is a mixture of head laws over
    drawn paths. A categorical column appears as one output a category, ``y=a``: its mean is the
    probability of the category.

    Parameters
    ----------
    law : Law
        Distribution of each row.
    labels : Labels
    information : str
        What the numbers are conditional on, in words.
    moments : Moments, optional
        Mean and covariance where they are not those of the law.
    mc_error : ndarray of shape (rows, k'), optional
        Standard errors of the means that come from drawing; zero by default.
    bias : ndarray of shape (rows, k'), optional
        Mean over estimates from drawn samples less the forecast.
    """

    def __init__(
        self,
        law: Law,
        labels: Labels,
        information: str,
        moments: Moments | None = None,
        *,
        mc_error: FloatArray | None = None,
        bias: FloatArray | None = None,
    ) -> None:
        if moments is None:
            moments = Moments(law.mean(), law.cov())
        super().__init__(moments, labels.index, labels.outputs, labels.is_series, information)
        self._law, self._labels = law, labels
        self._places = expanded_places(law.levels)
        self._numeric = [j for j, names in enumerate(law.levels) if names is None]
        self._mc_error = np.zeros_like(moments.mean) if mc_error is None else mc_error
        self._bias = bias

    @property
    def mc_error(self) -> pd.Series | pd.DataFrame:
        """Standard error of `predicted_mean` that comes from drawing paths; 0 where none were."""
        found = self._label(self._mc_error)
        return found.rename("mc_error") if isinstance(found, pd.Series) else found

    @property
    def bias(self) -> pd.Series | pd.DataFrame | None:
        """What the forecast is expected to be off because parameters are estimated.

        Mean over estimates from drawn samples of their forecasts, less `predicted_mean`; None
        without ``uncertainty="bootstrap"``. It is reported, not taken off.
        """
        if self._bias is None:
            return None
        found = self._label(self._bias)
        return found.rename("bias") if isinstance(found, pd.Series) else found
