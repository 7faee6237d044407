"""Vector ARMA models as statsmodels' VARMAX and SARIMAX, at given coefficients."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["ModelStart", "sarimax_model", "varmax_model"]

FloatArray = NDArray[np.float64]


class ModelStart(NamedTuple):
    """Moments of a statsmodels model's first state.

    Attributes
    ----------
    mean : ndarray, shape (k_states,)
    cov : ndarray, shape (k_states, k_states)
    diffuse : int
        Number of states, the first ones, with an exact diffuse start instead.
    """

    mean: FloatArray
    cov: FloatArray
    diffuse: int = 0


def varmax_model(
    endog: pd.DataFrame,
    exog: pd.DataFrame | None,
    *,
    order: tuple[int, int],
    trend: str,
    first_row: int,
    start: ModelStart | None,
) -> Any:
    """Make a VARMAX.

    Parameters
    ----------
    endog, exog : DataFrame
    order : (int, int)
        Lags of y and of the errors, not both 0.
    trend : {"n", "c", "ct"}
    first_row : int
        Value of t in the first row.
    start : ModelStart, optional
        Moments of the first state; statsmodels' stationary start otherwise.

    Returns
    -------
    statsmodels.tsa.statespace.varmax.VARMAX
        Its filter updates covariances in every row.
    """
    from statsmodels.tsa.statespace.varmax import VARMAX

    model = _quietly(
        VARMAX,
        endog,
        exog=exog,
        order=order,
        trend=trend,
        trend_offset=first_row,
        enforce_stationarity=False,
        enforce_invertibility=False,
    )
    model.tolerance = 0.0
    if start is not None:
        _initialize(model, start)
    return model


def sarimax_model(
    endog: pd.Series,
    exog: pd.DataFrame | None,
    *,
    order: tuple[int, int],
    trend: str,
    first_row: int,
    start: ModelStart | None,
) -> Any:
    """Make a SARIMAX without differences: regression with ARMA errors.

    Parameters
    ----------
    endog : Series
    exog : DataFrame
    order : (int, int)
    trend : {"n", "c", "ct"}
    first_row : int
        Value of t in the first row.
    start : ModelStart, optional
        Moments of the first state; the stationary start otherwise.

    Returns
    -------
    statsmodels.tsa.statespace.sarimax.SARIMAX
        Its filter updates covariances in every row.
    """
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    model = _quietly(
        SARIMAX,
        endog,
        exog=exog,
        order=(order[0], 0, order[1]),
        trend=trend,
        # its intercept of row t enters the state of row t + 1
        trend_offset=first_row + 1,
        enforce_stationarity=False,
        enforce_invertibility=False,
    )
    model.loglikelihood_burn = 0
    model.tolerance = 0.0
    if start is None:
        model.initialize_stationary()
    else:
        _initialize(model, start)
    return model


def _initialize(model: Any, start: ModelStart) -> None:
    """Set the moments of the first state."""
    if not start.diffuse:
        model.initialize_known(start.mean, start.cov)
        return
    from statsmodels.tsa.statespace.initialization import Initialization

    first, size = start.diffuse, len(start.mean)
    whole = Initialization(size)
    whole.set((0, first), "diffuse")
    if first < size:
        rest = slice(first, size)
        whole.set((first, size), "known", start.mean[rest], start.cov[rest, rest])
    model.ssm.initialize(whole)


def _quietly(kind: Any, *args: Any, **options: Any) -> Any:
    """Make a model without statsmodels' remarks on the index and on estimating VARMA models."""
    from statsmodels.tools.sm_exceptions import EstimationWarning, ValueWarning

    with warnings.catch_warnings():
        for category in (EstimationWarning, ValueWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        return kind(*args, **options)
