"""Labelled states at given parameters, and draws from the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats.models.recurrent.system import RecurrentSystem

if TYPE_CHECKING:
    from rnnstats.models.recurrent.methods import RecurrentMethods

__all__ = ["FilteredStates", "SmoothedStates", "decoded", "drawn", "filtered", "smoothed"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FilteredStates:
    """States of the run, which are functions of the past.

    Attributes
    ----------
    predicted, filtered : DataFrame, shape (nobs, s)
        Given the rows before, and given the row, too: the same numbers, as the row t enters the
        state of t + 1 only. NaN in rows that the likelihood is conditional on.
    eta : DataFrame, shape (nobs, k_eta)
        Readout: what the law of the row's outputs is made from.
    llf_obs : Series, length nobs
        Log-likelihood of each row given those before.
    """

    predicted: pd.DataFrame
    filtered: pd.DataFrame
    eta: pd.DataFrame
    llf_obs: pd.Series

    @property
    def llf(self) -> float:
        """Log-likelihood."""
        return float(self.llf_obs.sum())


@dataclass(frozen=True, eq=False)
class SmoothedStates:
    """States given all rows: the same as given the past.

    Attributes
    ----------
    smoothed : DataFrame, shape (nobs, s)
        NaN in rows that the likelihood is conditional on.
    llf : float
        Log-likelihood.
    """

    smoothed: pd.DataFrame
    llf: float


def _frame(
    model: RecurrentMethods, system: RecurrentSystem, values: FloatArray, names: tuple[str, ...]
) -> pd.DataFrame:
    """Put the rows of the recursion among all rows, with labels."""
    full = np.full((model.endog.nobs, values.shape[1]), np.nan)
    full[system.rows] = values
    return pd.DataFrame(full, index=model.endog.index, columns=list(names))


def filtered(model: RecurrentMethods, theta: FloatArray) -> FilteredStates:
    """Run the network, see `RecurrentMethods.filter`.

    Parameters
    ----------
    model : RecurrentMethods
    theta : ndarray, shape (K,)

    Returns
    -------
    FilteredStates
    """
    system = model.system(theta)
    states = _frame(model, system, system.states, model.state_names)
    eta = _frame(model, system, system.eta, model.head.eta_names)
    obs = model.likelihood.loglikeobs(theta)
    llf_obs = pd.Series(obs, index=model.endog.index, name="llf_obs")
    return FilteredStates(states, states.copy(), eta, llf_obs)


def smoothed(model: RecurrentMethods, theta: FloatArray) -> SmoothedStates:
    """Run the network, see `RecurrentMethods.smooth`.

    Parameters
    ----------
    model : RecurrentMethods
    theta : ndarray, shape (K,)

    Returns
    -------
    SmoothedStates
    """
    system = model.system(theta)
    states = _frame(model, system, system.states, model.state_names)
    return SmoothedStates(states, model.likelihood.value(theta))


def drawn(
    model: RecurrentMethods,
    theta: FloatArray,
    rows: int,
    rng: np.random.Generator,
    exog: FloatArray | None,
    burnin: int,
) -> pd.Series | pd.DataFrame:
    """Draw one sequence, see `RecurrentMethods.simulate`.

    Parameters
    ----------
    model : RecurrentMethods
    theta : ndarray, shape (K,)
    rows : int
        Rows returned.
    rng : numpy.random.Generator
    exog : ndarray, shape (burnin + rows, k), or None
    burnin : int
        Rows drawn before and thrown away.

    Returns
    -------
    Series or DataFrame
    """
    system = model.system(theta)
    total = burnin + rows
    out = np.full((total, model.endog.k_endog), np.nan)
    origin = int(system.rows[0])
    given = min(origin, total)
    out[:given] = model.endog.values[:given]
    state, lags = system.initial[:1], system.lags_before(origin)[None]
    for t in range(given, total):
        state, eta = system.step(state, lags, None if exog is None else exog[t])
        y = system.head.law(eta, system.extra).sample(rng)
        out[t] = y[0]
        if model.y_lags:
            lags = np.concatenate([system.lag_values(y)[:, None], lags[:, :-1]], axis=1)
    return decoded(model, out[burnin:], pd.RangeIndex(rows))


def decoded(
    model: RecurrentMethods, values: FloatArray, index: pd.Index
) -> pd.Series | pd.DataFrame:
    """Outputs as the user gave them: with labels, and categories instead of codes.

    Parameters
    ----------
    model : RecurrentMethods
    values : ndarray, shape (rows, d)
    index : Index

    Returns
    -------
    Series or DataFrame
    """
    levels = model.levels or {}
    columns: dict[str, Any] = {}
    for name, column in zip(model.endog.names, values.T, strict=True):
        if name not in levels:
            columns[name] = column
            continue
        codes = np.where(np.isnan(column), -1, column).astype(np.intp)
        columns[name] = pd.Categorical.from_codes(codes, categories=pd.Index(levels[name]))
    if model.endog.is_series:
        return pd.Series(columns[model.endog.names[0]], index=index, name=model.endog.names[0])
    return pd.DataFrame(columns, index=index)
