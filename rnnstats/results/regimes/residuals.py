"""One-step-ahead predictions of a model with regimes, their errors, and their normal scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rnnstats.results.forecasting.prediction import standardize
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import EmissionMixture
from rnnstats.results.regimes.protocol import RegimeResponse
from rnnstats.results.residuals import OneStep

__all__ = ["expanded_values", "normal_scores", "one_step"]

# Smallest and largest number inside the unit interval, of which normal scores are taken.
LOWEST, HIGHEST = float(np.finfo(np.float64).tiny), 1.0 - float(np.finfo(np.float64).epsneg)


def expanded_values(values: FloatArray, levels: Sequence[tuple[str, ...] | None]) -> FloatArray:
    """Put indicators of the categories in the place of categorical columns.

    Parameters
    ----------
    values : ndarray of shape (nobs, k)
        Categories as codes; NaN where missing.
    levels : sequence of tuple of str or None, length k

    Returns
    -------
    ndarray of shape (nobs, k')
        NaN where missing.
    """
    parts = []
    for column, names in zip(values.T, levels, strict=True):
        if names is None:
            parts.append(column[:, None])
            continue
        shares = (column[:, None] == np.arange(len(names))).astype(np.float64)
        shares[np.isnan(column)] = np.nan
        parts.append(shares)
    return np.hstack(parts)


def one_step(law: EmissionMixture, values: FloatArray, blank: NDArray[np.bool_]) -> OneStep:
    """Mean of each row given the rows before, and errors in their standard deviations.

    Parameters
    ----------
    law : EmissionMixture
        Of each row given the rows before it.
    values : ndarray of shape (nobs, k)
        The data.
    blank : ndarray of bool, shape (nobs,)
        Rows without a prediction.

    Returns
    -------
    OneStep
        Of the expanded outputs. Numbers are divided by the Cholesky factor of their covariance
        under the mixture; indicators of categories each by its own standard deviation.
    """
    mean = np.where(blank[:, None], np.nan, law.mean())
    errors = expanded_values(values, law.levels) - mean
    cov = law.cov()
    numeric = np.concatenate(
        [np.full(1 if names is None else len(names), names is None) for names in law.levels]
    )
    scaled = np.full(errors.shape, np.nan)
    place = np.flatnonzero(numeric)
    if place.size:
        joint = cov[:, place[:, None], place]
        known = np.asarray(np.isfinite(joint).all(axis=(1, 2)))
        scaled[:, place] = standardize(np.where(known[:, None], errors[:, place], np.nan), joint)
    spread = np.diagonal(cov, axis1=1, axis2=2)[:, ~numeric]
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled[:, ~numeric] = np.where(spread > 0.0, errors[:, ~numeric] / np.sqrt(spread), np.nan)
    return OneStep(mean, scaled, 0)


def normal_scores(
    weight: FloatArray,
    responses: Sequence[RegimeResponse],
    values: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Normal scores of each element given the rows before and the earlier elements of its row.

    Parameters
    ----------
    weight : ndarray of shape (nobs, S)
        Probabilities of the states given the rows before; NaN for rows without a prediction.
    responses : sequence of RegimeResponse
        Blocks with nobs rows; given the state they are independent.
    values : ndarray of shape (nobs, k)
        The data, NaN where missing.
    rng : numpy.random.Generator
        Places discrete outcomes at random between the ends of their step of the distribution
        function.

    Returns
    -------
    ndarray of shape (nobs, k)
        Independent standard normal if the model is right; NaN where missing or without prediction.

    Notes
    -----
    With weights w_s of the states, renewed after each element by its density, the distribution
    function of the next element is sum_s w_s F_s. Rosenblatt (1952), Annals of Mathematical
    Statistics 23, 470-472; Dunn and Smyth (1996), Journal of Computational and Graphical Statistics
    5, 236-244 (discrete outcomes).
    """
    scores = np.full(values.shape, np.nan)
    with np.errstate(divide="ignore"):
        log_weight = np.log(weight)
    for block in responses:
        columns = list(block.columns)
        y = values[:, columns]
        lower, upper, before = block.rosenblatt(y)
        for j, column in enumerate(columns):
            share = _normalised(log_weight + before[..., j])
            low, high = (_mixed(share, ends[..., j]) for ends in (lower, upper))
            if block.discrete:
                low = low + (high - low) * rng.random(len(low))
            scores[:, column] = special.ndtri(np.clip(low, LOWEST, HIGHEST))
        seen = np.asarray(np.isfinite(y).any(axis=1))
        density = np.where(seen[:, None], block.log_density(y), 0.0)
        log_weight = log_weight + density
    scores[np.isnan(values)] = np.nan
    return scores


def _normalised(logs: FloatArray) -> FloatArray:
    """Weights that sum to one in each row, from their logs."""
    top = logs.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        parts = np.exp(logs - np.where(np.isneginf(top), np.nan, top))
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def _mixed(share: FloatArray, values: FloatArray) -> FloatArray:
    """Average over states; where the weight is zero the value does not count."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(share == 0.0, 0.0, share * values).sum(axis=1))
