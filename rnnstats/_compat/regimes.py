"""What fitted Markov-switching models of statsmodels hold, read once."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["RegimeReading", "read_regimes"]

FloatArray = NDArray[np.float64]
STEP = re.compile(r"p\[(\d+)->(\d+)\](?:\.tvtp(\d+))?$")


class RegimeReading(NamedTuple):
    """A fitted `MarkovRegression` or `MarkovAutoregression`.

    Attributes
    ----------
    endog : Series
        All rows.
    exog, exog_transition : DataFrame or None
        Without trend columns; inputs of the transitions as given.
    trend : str
    order : int
    steps : ndarray, shape (K, K - 1, k_tvtp)
        Probabilities (k_tvtp = 1, no inputs) or coefficients of the log odds against the last.
    coefficients : ndarray, shape (K, k_trend + k_exog)
    ar : ndarray, shape (K, order)
    variance : ndarray, shape (K,)
    switching : tuple of str
    stationary : bool
        Whether the chain starts from its stationary law.
    llf : float
    """

    endog: pd.Series
    exog: pd.DataFrame | None
    exog_transition: pd.DataFrame | None
    trend: str
    order: int
    steps: FloatArray
    coefficients: FloatArray
    ar: FloatArray
    variance: FloatArray
    switching: tuple[str, ...]
    stationary: bool
    llf: float


def read_regimes(results: object) -> RegimeReading | None:
    """Read a fitted Markov-switching model.

    Parameters
    ----------
    results : object

    Returns
    -------
    RegimeReading or None
        None for anything else.
    """
    from statsmodels.tsa.regime_switching.markov_autoregression import MarkovAutoregression
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    model: Any = getattr(results, "model", None)
    if not isinstance(model, MarkovRegression):
        return None
    found: Any = results
    values = np.asarray(found.params, dtype=np.float64)
    k, order = int(model.k_regimes), int(model.order)
    lagged = isinstance(model, MarkovAutoregression)
    steps = np.zeros((k, k - 1, int(model.k_tvtp) if model.tvtp else 1))
    for name, value in zip(model.param_names, values, strict=True):
        parts = STEP.match(name)
        if parts:
            steps[int(parts[1]), int(parts[2]), int(parts[3] or 0)] = value

    def of(part: str) -> FloatArray:
        return np.array([values[model.parameters[i, part]].ravel() for i in range(k)])

    width = int(model.k_trend)
    names = [str(name) for name in (model.exog_names or [])][width:]
    matrix = model.orig_exog if lagged else model.exog
    coefficients = np.zeros((k, 0)) if matrix is None else of("exog")
    endog = _labelled(model.orig_endog if lagged else model.endog, model, lagged)
    inputs = np.asarray(model.exog_tvtp, dtype=np.float64) if model.tvtp else None
    return RegimeReading(
        endog,
        pd.DataFrame(np.asarray(matrix)[:, width:], index=endog.index, columns=names)
        if names
        else None,
        None
        if inputs is None
        else pd.DataFrame(inputs, columns=_input_names(model.exog_tvtp, inputs.shape[1])),
        str(model.trend),
        order,
        steps,
        coefficients,
        of("autoregressive") if order else np.zeros((k, 0)),
        of("variance")[:, 0],
        _switching(model, names),
        model._initialization in (None, "steady-state"),
        float(found.llf),
    )


def _labelled(values: Any, model: Any, lagged: bool) -> pd.Series:
    """All rows of the output with name and index, where these are known."""
    if isinstance(values, pd.Series):
        return values
    given = model.data.orig_endog
    name = str(model.endog_names) if isinstance(model.endog_names, str) else "y"
    array = np.asarray(values, dtype=np.float64).ravel()
    index = given.index if isinstance(given, pd.Series) and len(given) == len(array) else None
    return pd.Series(array, index=index, name=name)


def _input_names(given: Any, width: int) -> list[str]:
    columns = getattr(given, "columns", None)
    return [f"z{i + 1}" for i in range(width)] if columns is None else [str(c) for c in columns]


def _switching(model: Any, names: list[str]) -> tuple[str, ...]:
    """What differs between regimes, in words of this package."""
    flags = [bool(flag) for flag in model.switching_coeffs] if len(model.switching_coeffs) else []
    width = int(model.k_trend)
    words = ["trend"] if any(flags[:width]) else []
    words += [f"exog[{name}]" for name, flag in zip(names, flags[width:], strict=False) if flag]
    if any(np.atleast_1d(getattr(model, "switching_ar", False))) and model.order:
        words.append("ar")
    return (*words, *(["variance"] if model.switching_variance else []))
