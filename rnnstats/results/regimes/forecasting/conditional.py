"""Forecasts with regimes given future values of some outputs, or future regimes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from scipy import special

from rnnstats.errors import DataError, SpecificationError
from rnnstats.kernels import markov
from rnnstats.kernels.chains import matrix_at
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting import paths
from rnnstats.results.regimes.forecasting.laws import EmissionMixture, NormalMixture
from rnnstats.results.regimes.forecasting.outlook import (
    Future,
    Outlook,
    dynamics_of,
    look,
    start_row,
    state_probabilities,
)
from rnnstats.results.regimes.forecasting.particles import all_normal
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem, ResponseLike

__all__ = ["conditional_outlook", "given_block"]

CALLER = "conditional_forecast"


def conditional_outlook(
    model: RegimeModel,
    theta: FloatArray,
    future: Future,
    values: FloatArray,
    allowed: FloatArray,
) -> Outlook:
    """Predict rows past the sample given what is known of them.

    Parameters
    ----------
    model : RegimeModel
    theta : ndarray of shape (K,)
    future : Future
    values : ndarray of shape (steps, k_endog)
        Known values, NaN elsewhere.
    allowed : ndarray of shape (steps, K)
        Zero where a regime is known not to hold, otherwise one.

    Returns
    -------
    Outlook
        Given the sample and all of these; what is known has its own value for certain.

    Raises
    ------
    DataError
        What is given cannot be.
    SpecificationError
        An autoregression whose noise is not normal.
    """
    if getattr(model, "continues", False):  # the same rows to come
        model = cast("Any", model).whole
    system = future.system(model, theta)
    if model.order == 0:
        found = _emissions(model, system, future, values, allowed)
    else:
        found = _autoregression(model, theta, (system, future), values, allowed)
    if np.isnan(found.regimes).any():
        raise DataError(
            f"{CALLER}: what is given must be possible; got conditions to which the model gives "
            "probability zero. Change conditions or regimes."
        )
    return found


def _emissions(
    model: RegimeModel,
    system: RegimeSystem,
    future: Future,
    values: FloatArray,
    allowed: FloatArray,
) -> Outlook:
    """Order 0: the regimes given everything, and what they emit given the rest of the row."""
    nobs, steps = model.nobs, future.steps
    rows = np.arange(nobs, nobs + steps)
    responses = system.responses_at(rows, None)
    density = np.zeros((steps, allowed.shape[1]))
    blocks: list[ResponseLike] = []
    for block in responses:
        told = values[:, list(block.columns)]
        density += block.log_density(told)
        blocks.append(given_block(block, told))
    with np.errstate(divide="ignore"):
        density = density + np.log(allowed)
    first = state_probabilities(system, model, nobs, nobs + 1)[nobs]
    found = markov.smooth(density, matrix_at(system.transition, rows), first)
    weight = found.smoothed if np.isfinite(found.llf) else np.full(density.shape, np.nan)
    law = EmissionMixture(steps, np.arange(steps), weight, tuple(blocks), model.k_endog)
    return Outlook(law, weight)


def _autoregression(
    model: RegimeModel,
    theta: FloatArray,
    ahead: tuple[RegimeSystem, Future],
    values: FloatArray,
    allowed: FloatArray,
) -> Outlook:
    """Joint normal law of all rows to come on every path, given what is known."""
    system, future = ahead
    nobs, k = model.nobs, model.k_endog
    origin = start_row(model.endog.values, nobs, model.order, model.offsets)
    if origin is None:
        return look(model, theta, nobs, nobs + future.steps, future=future)
    rows = np.arange(origin, nobs + future.steps)
    lags = model.endog.values[origin - model.order : origin][::-1]
    if not all_normal(system.responses_at(rows[:1], lags[None])):
        raise SpecificationError(
            f"{CALLER}: with lags the noise must be normal; got another distribution. Use "
            "simulate(anchor='end') and keep the paths that fit."
        )
    gap = nobs - origin
    told = np.concatenate([model.endog.values[origin:], values])
    free = np.concatenate([np.ones((gap, allowed.shape[1])), allowed])
    weight = state_probabilities(system, model, nobs, nobs + 1)[origin]
    begin = paths.begin(weight, lags, max(len(rows), model.order), len(rows))
    steps = paths.propagate(begin, dynamics_of(system, model, rows), seen=told, allowed=free)
    last = steps[-1]
    if len(steps) < len(rows) or last.past is None:
        blank = np.full((future.steps, allowed.shape[1]), np.nan)
        return Outlook(look(model, theta, nobs, nobs + future.steps, future=future).law, blank)
    count = future.steps
    entries = len(last)
    place = (count - 1 - np.arange(count))[:, None] * k + np.arange(k)
    centre = last.mean[:, place].transpose(1, 0, 2).reshape(-1, k)
    spread = last.cov[:, place[:, :, None], place[:, None, :]].transpose(1, 0, 2, 3)
    law = NormalMixture(
        count,
        np.repeat(np.arange(count), entries),
        np.tile(last.weight, count),
        centre,
        spread.reshape(-1, k, k),
    )
    regimes = np.einsum("m,mhk->hk", last.weight, last.past)[gap:]
    return Outlook(law, regimes)


def given_block(block: ResponseLike, told: FloatArray) -> ResponseLike:
    """Condition a block on some elements of its rows.

    Parameters
    ----------
    block : ResponseLike
    told : ndarray of shape (n, d)
        Values, NaN for what is not known.

    Returns
    -------
    ResponseLike
        Of several columns the others given those, which are jointly normal.
    """
    return block if np.isnan(told).all() else _Given(block, told)


@dataclass(frozen=True, eq=False)
class _Given:
    """A block of which some elements are known.

    Attributes
    ----------
    block : ResponseLike
        Several columns only where they are jointly normal.
    told : ndarray of shape (n, d)
        Values, NaN for what is not known.
    """

    block: ResponseLike
    told: FloatArray

    @property
    def discrete(self) -> bool:
        return self.block.discrete

    @property
    def normal(self) -> bool:
        return self.block.normal

    @property
    def columns(self) -> tuple[int, ...]:
        return self.block.columns

    @property
    def levels(self) -> tuple[str, ...] | None:
        return self.block.levels

    @cached_property
    def _moments(self) -> tuple[FloatArray, FloatArray]:
        mean, cov = self.block.mean().copy(), self.block.cov().copy()
        for t, told in enumerate(self.told):
            seen = np.flatnonzero(~np.isnan(told))
            if not len(seen):
                continue
            rest = np.setdiff1d(np.arange(len(told)), seen)
            if len(rest):
                gain = np.linalg.solve(
                    cov[t][:, seen[:, None], seen], cov[t][:, seen[:, None], rest]
                ).transpose(0, 2, 1)
                off = told[seen] - mean[t][:, seen]
                mean[t][:, rest] += np.einsum("srj,sj->sr", gain, off)
                cut = gain @ cov[t][:, seen[:, None], rest]
                cov[t][:, rest[:, None], rest] -= cut
            mean[t][:, seen] = told[seen]
            cov[t][:, seen] = 0.0
            cov[t][:, :, seen] = 0.0
        return mean, cov

    def mean(self) -> FloatArray:
        return self._moments[0]

    def cov(self) -> FloatArray:
        return self._moments[1]

    def pmf(self) -> FloatArray:
        share = np.array(self.block.pmf())
        known = ~np.isnan(self.told[:, 0])
        share[known] = 0.0
        share[known, :, self.told[known, 0].astype(int)] = 1.0
        return share

    def _share(self, values: FloatArray, column: int, *, closed: bool) -> FloatArray:
        plain = (self.block.cdf if closed else self.block.cdf_below)(values, column)
        if len(self.columns) > 1:
            mean, cov = self._moments
            plain = _normal_share(values, mean[:, :, column], cov[:, :, column, column], closed)
        told = self.told[:, column]
        past = (values >= told) if closed else (values > told)
        return np.where(np.isnan(told)[:, None], plain, past[:, None].astype(float))

    def cdf(self, values: FloatArray, column: int) -> FloatArray:
        return self._share(values, column, closed=True)

    def cdf_below(self, values: FloatArray, column: int) -> FloatArray:
        return self._share(values, column, closed=False)

    def log_density(self, y: FloatArray) -> FloatArray:
        j = int(np.flatnonzero(~np.isnan(y).all(axis=0))[0])
        plain = self.block.log_density(y)
        if len(self.columns) > 1:
            mean, cov = self._moments
            with np.errstate(divide="ignore", invalid="ignore"):
                off = (y[:, j, None] - mean[:, :, j]) ** 2 / cov[:, :, j, j]
                plain = -0.5 * (off + np.log(2.0 * np.pi * cov[:, :, j, j]))
        told = self.told[:, j]
        at = 0.0 if self.discrete else np.inf
        known = np.where(y[:, j] == told, at, -np.inf)
        return np.where(np.isnan(told)[:, None], plain, known[:, None])

    def rows(self, index: Any) -> _Given:
        return _Given(self.block.rows(index), self.told[index])


def _normal_share(
    values: FloatArray, mean: FloatArray, variance: FloatArray, closed: bool
) -> FloatArray:
    off, size = values[:, None] - mean, np.sqrt(np.maximum(variance, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = special.ndtr(off / size)
    point = (off >= 0.0) if closed else (off > 0.0)
    return np.where(size > 0.0, share, point)
