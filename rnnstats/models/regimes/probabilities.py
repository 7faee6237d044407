"""Labelled output of the filter and the smoother at given parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._index import label
from rnnstats.errors import SpecificationError
from rnnstats.kernels import markov
from rnnstats.models.regimes.system import MarkovSystem

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = ["FilteredRegimes", "SmoothedRegimes", "filtered", "smoothed"]


@dataclass(frozen=True, eq=False)
class FilteredRegimes:
    """Regime probabilities given the past, and given the past and the present.

    Attributes
    ----------
    predicted : DataFrame, shape (nobs, K)
        Given the rows before; NaN in rows that the likelihood is conditional on.
    filtered : DataFrame, shape (nobs, K)
        Given the row, too.
    llf_obs : Series, length nobs
        Log-likelihood of each row given those before.
    """

    predicted: pd.DataFrame
    filtered: pd.DataFrame
    llf_obs: pd.Series

    @property
    def llf(self) -> float:
        """Log-likelihood."""
        return float(self.llf_obs.sum())


@dataclass(frozen=True, eq=False)
class SmoothedRegimes:
    """Regime probabilities given all rows.

    Attributes
    ----------
    smoothed : DataFrame, shape (nobs, K)
        NaN in rows that the likelihood is conditional on.
    llf : float
        Log-likelihood.
    """

    smoothed: pd.DataFrame
    llf: float


def filtered(model: MarkovRNN, system: MarkovSystem) -> FilteredRegimes:
    """Filter a model at the parameters of `system`."""
    found = markov.forward(*system.chain, lags=system.lags)
    if found.impossible is not None:
        raise _impossible(model, int(system.rows[found.impossible]), "filter")
    rows = np.zeros(model.nobs)
    rows[system.rows] = found.llf_obs
    return FilteredRegimes(
        _labelled(model, system, found.predicted),
        _labelled(model, system, found.filtered),
        pd.Series(rows, index=model.endog.index, name="llf_obs"),
    )


def smoothed(model: MarkovRNN, system: MarkovSystem) -> SmoothedRegimes:
    """Smooth a model at the parameters of `system`."""
    found = markov.smooth(*system.chain, lags=system.lags)
    if found.impossible is not None:
        raise _impossible(model, int(system.rows[found.impossible]), "smooth")
    return SmoothedRegimes(_labelled(model, system, found.smoothed), found.llf)


def _labelled(model: MarkovRNN, system: MarkovSystem, values: NDArray[np.float64]) -> pd.DataFrame:
    """Marginal probabilities with labels."""
    table = np.full((model.nobs, model.k_regimes), np.nan)
    made = system.composite
    table[system.rows] = values if made is None else made.marginal(values)
    return pd.DataFrame(table, index=model.endog.index, columns=list(model.regime_names))


def _impossible(model: MarkovRNN, row: int, method: str) -> SpecificationError:
    return SpecificationError(
        f"{model.name}.{method}: every row must be possible; got row {row} "
        f"({label(model.endog.index, row)}), which no regime that can be reached explains. Give "
        "other params."
    )
