"""What a model with regimes says about rows, each from the rows before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from rnnstats.kernels import markov
from rnnstats.kernels.chains import matrix_at, moved
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting import particles, paths
from rnnstats.results.regimes.forecasting.combined import Joined
from rnnstats.results.regimes.forecasting.laws import EmissionMixture, Law, NormalMixture
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem

__all__ = [
    "Future",
    "Outlook",
    "dynamics_of",
    "lagged",
    "look",
    "regimes_of",
    "start_row",
    "state_probabilities",
]


@dataclass(frozen=True, eq=False)
class Future:
    """Inputs of rows past the sample.

    Attributes
    ----------
    steps : int
        Number of these rows.
    exog, exog_transition : ndarray of shape (steps, k) or None
    """

    steps: int = 0
    exog: FloatArray | None = None
    exog_transition: FloatArray | None = None

    def system(self, model: RegimeModel, theta: FloatArray) -> RegimeSystem:
        """System of the sample and these rows.

        Parameters
        ----------
        model : RegimeModel
        theta : ndarray of shape (K,)

        Returns
        -------
        RegimeSystem
        """
        if not self.steps:
            return model.system(theta)
        return model.system(
            theta, steps=self.steps, exog=self.exog, exog_transition=self.exog_transition
        )


@dataclass(frozen=True, eq=False)
class Outlook:
    """Predictive law of some rows, with the probabilities of the regimes.

    Attributes
    ----------
    law : Law
    regimes : ndarray of shape (rows, K)
    """

    law: Law
    regimes: FloatArray


def look(
    model: RegimeModel,
    theta: FloatArray,
    start: int,
    stop: int,
    *,
    blank_from: int | None = None,
    future: Future | None = None,
    cap: int = paths.CAP,
) -> Outlook:
    """Predict rows.

    Parameters
    ----------
    model : RegimeModel
    theta : ndarray of shape (K,)
    start, stop : int
        First row, and the row after the last; those past the sample are forecasts.
    blank_from : int, optional
        Outputs at and after this row count as not yet seen.
    future : Future, optional
        Rows past the sample, with their inputs.
    cap : int
        Components kept of autoregressions (see `paths.propagate`); 1 keeps moments only.

    Returns
    -------
    Outlook
        NaN in rows that the likelihood conditions on, and where lags are missing.
    """
    future = Future() if future is None else future
    if getattr(model, "continues", False):  # the same rows, counted in the whole
        first = cast("Any", model).first
        blank_from = None if blank_from is None else blank_from + first
        return look(
            cast("Any", model).whole, theta, start + first, stop + first,
            blank_from=blank_from, future=future, cap=cap,
        )  # fmt: skip
    system = future.system(model, theta)
    blank = model.nobs if blank_from is None else blank_from
    predicted = state_probabilities(
        system, model, min(blank, model.nobs), model.nobs + future.steps
    )
    if model.order == 0:
        rows = np.arange(start, stop)
        responses = system.responses_at(rows, None)
        weight = predicted[start:stop]
        law = EmissionMixture(len(rows), np.arange(len(rows)), weight, responses, model.k_endog)
        return Outlook(law, regimes_of(system, weight))
    return _autoregression(model, system, predicted, (start, stop, blank), cap)


def state_probabilities(
    system: RegimeSystem, model: RegimeModel, blank: int, total: int
) -> FloatArray:
    """Probabilities of the states in each row given the outputs before it that are seen.

    Parameters
    ----------
    system : RegimeSystem
    model : RegimeModel
    blank : int
        Outputs from this row on count as not seen.
    total : int
        Rows wanted, from the first one of the sample on.

    Returns
    -------
    ndarray of shape (total, S)
        NaN in rows that the chain does not cover.
    """
    density, transition, law, offsets = system.chain
    rows = np.asarray(system.rows)
    if (rows >= blank).any():
        density = np.array(density)
        density[rows >= blank] = 0.0
    found = markov.forward(density, transition, law, offsets, lags=system.lags)
    predicted = np.full((max(total, model.nobs), density.shape[1]), np.nan)
    predicted[rows] = found.predicted
    now = found.filtered[-1]
    for row in range(model.nobs, total):
        now = moved(now, matrix_at(system.transition, row), system.lags)
        predicted[row] = now
    return predicted[:total]


def regimes_of(system: RegimeSystem, weight: FloatArray) -> FloatArray:
    """Probabilities of the regimes from those of the states.

    Parameters
    ----------
    system : RegimeSystem
    weight : ndarray of shape (rows, S)

    Returns
    -------
    ndarray of shape (rows, K)
    """
    k = system.transition.shape[-1]
    return np.asarray(weight.reshape(len(weight), k, -1).sum(axis=2))


def lagged(values: FloatArray, rows: Any, order: int, offsets: Any) -> FloatArray:
    """Lags of some rows.

    Parameters
    ----------
    values : ndarray of shape (nobs, k)
    rows : array_like of int, shape (m,)
        May go past the sample, whose last sequence they continue.
    order : int
    offsets : array_like of int
        First row of each sequence, and the number of rows.

    Returns
    -------
    ndarray of shape (m, order, k)
        The latest first; NaN before the sequence's first row and past the sample.
    """
    rows = np.asarray(rows)
    begins = np.asarray(offsets)[:-1]
    first = begins[np.searchsorted(begins, rows, side="right") - 1]
    at = rows[:, None] - np.arange(1, order + 1)
    inside = (at >= first[:, None]) & (at < len(values))
    found = values[np.where(inside, at, 0)]
    found[~inside] = np.nan
    return np.asarray(found)


def start_row(values: FloatArray, blank: int, order: int, offsets: Any) -> int | None:
    """Find the last row, up to `blank`, all of whose lags are seen.

    Parameters
    ----------
    values : ndarray of shape (nobs, k)
    blank, order : int
    offsets : array_like of int

    Returns
    -------
    int or None
        None where the sequence that holds `blank` has no such row.
    """
    begins = np.asarray(offsets)[:-1]
    first = int(begins[np.searchsorted(begins, blank, side="right") - 1])
    for row in range(blank, first + order - 1, -1):
        if not np.isnan(values[row - order : row]).any():
            return row
    return None


def dynamics_of(system: RegimeSystem, model: Any, rows: Any) -> paths.Dynamics:
    """Read the autoregression off its conditional means, which are affine in the lags.

    Parameters
    ----------
    system : RegimeSystem
        Reaches all the rows.
    model : RegimeModel or Stage
        Of order 1 or more.
    rows : array_like of int
        Rows to come.

    Returns
    -------
    Dynamics
    """
    rows = np.asarray(rows)
    k, p, regimes = model.k_endog, model.order, system.transition.shape[-1]
    zeros = np.zeros((len(rows), p, k))
    flat = _joint(system.responses_at(rows, zeros), k)
    const, noise = flat[0], flat[1][0]
    size = max(1.0, float(np.abs(const[0]).max()))
    units = (size * np.eye(p * k)).reshape(p * k, p, k)
    moved, _ = _joint(system.responses_at(np.full(p * k, rows[0]), units), k)
    ar = ((moved - const[0]) / size).transpose(1, 2, 0)
    steps = system.transition
    transition = np.tile(steps, (len(rows), 1, 1)) if steps.ndim == 2 else steps[rows]
    memory = round(np.log(len(noise)) / np.log(regimes)) - 1 if regimes > 1 else 0
    return paths.Dynamics(const, np.ascontiguousarray(ar), noise, transition, memory)


def _joint(responses: Any, k: int) -> tuple[FloatArray, FloatArray]:
    """Mean (n, S, k) and covariance (n, S, k, k) of all columns, independent between blocks."""
    means = [block.mean() for block in responses]
    n, s = means[0].shape[:2]
    mean, cov = np.zeros((n, s, k)), np.zeros((n, s, k, k))
    for block, centre in zip(responses, means, strict=True):
        at = np.array(block.columns)
        mean[:, :, at] = centre
        cov[:, :, at[:, None], at] = block.cov()
    return mean, cov


def _autoregression(
    model: RegimeModel,
    system: RegimeSystem,
    predicted: FloatArray,
    rows: tuple[int, int, int],
    cap: int,
) -> Outlook:
    start, stop, blank = rows
    values, offsets = model.endog.values, model.offsets
    cut = min(max(start, blank), stop)
    parts: list[Law] = []
    regimes = []
    if start < cut:
        one = _one_step(model, system, predicted, np.arange(start, cut))
        parts.append(one.law)
        regimes.append(one.regimes)
    if cut < stop:
        origin = start_row(values, min(blank, model.nobs), model.order, offsets)
        ends = np.asarray(offsets)[1:]
        # rows of later sequences have lags that are not seen
        end = int(ends[np.searchsorted(ends, min(blank, model.nobs - 1), side="right")])
        last = stop if end == model.nobs else min(stop, end)
        if origin is None or last <= cut:
            last = cut
        else:
            told = _told(values, origin, blank, last)
            further = _further(model, system, predicted, origin, told, cap)
            skip = slice(cut - origin, last - origin)
            parts.append(further.law.part(skip))
            regimes.append(further.regimes[skip])
        if last < stop:
            parts.append(_nothing(stop - last, model.k_endog))
            regimes.append(np.full((stop - last, system.transition.shape[-1]), np.nan))
    law = parts[0] if len(parts) == 1 else Joined(tuple(parts))
    return Outlook(law, np.concatenate(regimes))


def _told(values: FloatArray, origin: int, blank: int, stop: int) -> FloatArray:
    """What is seen from the origin on; NaN from `blank` on."""
    told = np.full((stop - origin, values.shape[1]), np.nan)
    told[: blank - origin] = values[origin : min(blank, stop)]
    return told


def _nothing(rows: int, k: int) -> NormalMixture:
    """Law of rows about which nothing is known."""
    none = np.empty(0, dtype=np.intp)
    return NormalMixture(rows, none, np.empty(0), np.empty((0, k)), np.empty((0, k, k)))


def _one_step(
    model: RegimeModel, system: RegimeSystem, predicted: FloatArray, rows: Any
) -> Outlook:
    lags = lagged(model.endog.values, rows, model.order, model.offsets)
    weight = np.array(predicted[rows])
    weight[np.isnan(lags).any(axis=(1, 2))] = np.nan
    responses = system.responses_at(rows, lags)
    law = EmissionMixture(len(rows), np.arange(len(rows)), weight, responses, model.k_endog)
    return Outlook(law, regimes_of(system, weight))


def _further(
    model: RegimeModel,
    system: RegimeSystem,
    predicted: FloatArray,
    origin: int,
    told: FloatArray,
    cap: int,
) -> Outlook:
    """Rows from the origin on, given what is told of them."""
    rows = np.arange(origin, origin + len(told))
    lags = model.endog.values[origin - model.order : origin][::-1]
    first = system.responses_at(rows[:1], lags[None])
    dynamics = dynamics_of(system, model, rows)
    if not (cap == 1 or particles.all_normal(first)):
        law, regimes = particles.simulated(system, predicted[origin], lags, rows, told)
        return Outlook(law, regimes)
    begin = paths.begin(predicted[origin], lags, model.order)
    steps = paths.propagate(begin, dynamics, seen=told, cap=cap)
    state = [dynamics.regime[part.state] for part in steps]
    k = dynamics.k_regimes
    regimes = np.array(
        [np.bincount(s, part.weight, k) for s, part in zip(state, steps, strict=True)]
    )
    return Outlook(paths.mixture_of(steps, model.k_endog), regimes)
