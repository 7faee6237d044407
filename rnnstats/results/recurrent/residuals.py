"""One-step-ahead predictions of a recurrent network, their errors, and their normal scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem
from rnnstats.results.regimes.residuals import HIGHEST, LOWEST

__all__ = ["conditioned", "normal_scores", "placed"]


def conditioned(model: RecurrentModel) -> NDArray[np.bool_]:
    """Say which rows the likelihood conditions on.

    Parameters
    ----------
    model : RecurrentModel

    Returns
    -------
    ndarray of bool, shape (nobs,)
        The first `y_lags` rows of each sequence, unless lags before it are predicted.
    """
    given = np.ones(model.nobs, dtype=bool)
    given[np.asarray(model.rows)] = False
    return given


def placed(values: FloatArray, rows: Any, nobs: int) -> FloatArray:
    """Put values of some rows in their places among all rows.

    Parameters
    ----------
    values : ndarray of shape (m, ...)
    rows : ndarray of int, shape (m,)
    nobs : int

    Returns
    -------
    ndarray of shape (nobs, ...)
        NaN in the other rows.
    """
    found = np.full((nobs, *values.shape[1:]), np.nan)
    found[np.asarray(rows)] = values
    return found


def normal_scores(
    system: RecurrentSystem, values: FloatArray, discrete: bool, rng: np.random.Generator
) -> FloatArray:
    """Normal scores of each element given the rows before and the earlier elements of its row.

    Parameters
    ----------
    system : RecurrentSystem
    values : ndarray of shape (nobs, k)
        The data, NaN where missing.
    discrete : bool
        Whether outcomes are whole numbers or categories.
    rng : numpy.random.Generator
        Places discrete outcomes at random between the ends of their step of the distribution
        function.

    Returns
    -------
    ndarray of shape (nobs, k)
        Independent standard normal if the model is right; NaN where missing or without prediction.

    Notes
    -----
    Rosenblatt (1952), Annals of Mathematical Statistics 23, 470-472; Dunn and Smyth (1996), Journal
    of Computational and Graphical Statistics 5, 236-244 (discrete outcomes).
    """
    y = values[np.asarray(system.rows)]
    low, high = (np.asarray(end) for end in system.law.rosenblatt(y))
    if discrete:
        low = low + (high - low) * rng.random(low.shape)
    scores = special.ndtri(np.clip(low, LOWEST, HIGHEST))
    scores = np.where(np.isnan(y), np.nan, scores)
    return placed(scores, system.rows, len(values))
