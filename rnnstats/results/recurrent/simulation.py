"""Drawing paths of a recurrent network: states and outputs, one row after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from rnnstats.estimation.drawing import Sampled
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.forecasting.engine import condition, moved_lags
from rnnstats.results.recurrent.forecasting.origin import inputs_of, origin_of
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem

__all__ = ["Paths", "RecurrentSampler", "Start", "further", "paths", "start_at", "whole_samples"]

# Paths drawn where some must be chosen by what is seen of them.
FEWEST = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where paths go on.

    Attributes
    ----------
    state : ndarray of shape (r, k_state)
        State in the row before, of each path.
    lags : ndarray of shape (r, L, d_lag)
        Outputs of the rows before, as lags, the latest first; user's units.
    """

    state: FloatArray
    lags: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Drawn paths.

    Attributes
    ----------
    outputs : ndarray of shape (r, steps, k_endog)
    eta : ndarray of shape (r, steps, k_eta)
        Linear predictors of the outputs given the path so far, user's units.
    last : Start
        Where they could go on.
    """

    outputs: FloatArray
    eta: FloatArray
    last: Start


def start_at(system: RecurrentSystem, row: int, number: int = 1) -> Start:
    """Return the start of paths that begin at a row of the data, given the rows before it.

    Parameters
    ----------
    system : RecurrentSystem
    row : int
        First row of the paths, up to the number of rows.
    number : int
        Number of paths.

    Returns
    -------
    Start
        Gaps among the lags are filled by their predictions.
    """
    state = np.tile(system.state_before(row), (number, 1))
    lags = np.asarray(system.lags_before(row))
    return Start(state, np.tile(lags[None], (number, 1, 1)))


def paths(
    system: RecurrentSystem,
    head: Any,
    start: Start,
    exog: FloatArray | None,
    steps: int,
    rng: np.random.Generator,
    *,
    pool: FloatArray | None = None,
) -> Paths:
    """Draw paths.

    Parameters
    ----------
    system : RecurrentSystem
        Gives the step and the parameters of the head.
    head : Head
    start : Start
        Of r paths.
    exog : ndarray of shape (steps, k), optional
        Inputs of the rows drawn.
    steps : int
        Rows to draw.
    rng : numpy.random.Generator
    pool : ndarray of shape (rows, k_endog), optional
        Standardised errors to draw rows from with replacement, in the place of the head's noise.

    Returns
    -------
    Paths
    """
    state, lags = start.state, start.lags
    outputs, etas = [], []
    extra = np.asarray(system.extra)
    for t in range(steps):
        inputs = None if exog is None else np.broadcast_to(exog[t], (len(state), exog.shape[1]))
        state, eta = system.step(state, lags, inputs)
        law = head.law(eta, extra)
        if pool is None:
            drew = np.asarray(law.sample(rng))
        else:
            errors = pool[rng.integers(0, len(pool), size=len(state))]
            drew = _with_errors(law, errors)
        outputs.append(drew)
        etas.append(eta)
        lags = moved_lags(system, lags, drew)
    r = len(state)
    made = np.stack(outputs, axis=1) if outputs else np.empty((r, 0, 1))
    predictors = np.stack(etas, axis=1) if etas else np.empty((r, 0, head.k_eta))
    return Paths(made, predictors, Start(state, lags))


def _with_errors(law: Any, errors: FloatArray) -> FloatArray:
    """Outputs whose standardised errors are given, (r, k)."""
    root = np.linalg.cholesky(np.asarray(law.cov))
    return np.asarray(law.mean + np.einsum("rij,rj->ri", root, errors))


def whole_samples(
    model: RecurrentModel,
    system: RecurrentSystem,
    rows: int,
    number: int,
    rng: np.random.Generator,
    *,
    exog: FloatArray | None = None,
    pool: FloatArray | None = None,
) -> FloatArray:
    """Draw samples from the first row on, without gaps.

    Parameters
    ----------
    model : RecurrentModel
    system : RecurrentSystem
    rows : int
        Rows to draw; past the sample they continue its last sequence.
    number : int
        Number of samples r.
    rng : numpy.random.Generator
    exog : ndarray of shape (rows past the sample, k), optional
    pool : ndarray, optional
        As in `paths`.

    Returns
    -------
    ndarray of shape (r, rows, k_endog)
        Rows that the likelihood conditions on are those of the data.
    """
    values = model.endog.values
    inputs = None if model.exog is None else model.exog.values
    if inputs is not None and exog is not None:
        inputs = np.concatenate([inputs, exog])
    offsets = np.asarray(model.offsets)
    found = np.full((number, rows, model.k_endog), np.nan)
    kept = set(np.asarray(system.rows).tolist())
    for sequence, (first, last) in enumerate(pairwise(int(one) for one in offsets)):
        stop = rows if sequence == len(offsets) - 2 else min(last, rows)
        begin = next((t for t in range(first, last) if t in kept), last)
        given = slice(first, min(begin, stop))
        found[:, given] = values[given]
        if begin >= stop:
            continue
        some = None if inputs is None else inputs[begin:stop]
        start = start_at(system, begin, number)
        drew = paths(system, model.head, start, some, stop - begin, rng, pool=pool)
        found[:, begin:stop] = drew.outputs
    return found


def further(
    model: RecurrentModel,
    system: RecurrentSystem,
    steps: int,
    number: int,
    rng: np.random.Generator,
    *,
    exog: FloatArray | None = None,
) -> FloatArray:
    """Draw rows past the sample, given the sample.

    Parameters
    ----------
    model : RecurrentModel
    system : RecurrentSystem
    steps : int
        Rows to draw, which continue the last sequence.
    number : int
        Number of paths.
    rng : numpy.random.Generator
    exog : ndarray of shape (steps, k), optional
        Inputs of those rows.

    Returns
    -------
    ndarray of shape (number, steps, k_endog)
        Gaps among the last lags are drawn as well, given what is seen after them.
    """
    origin = origin_of(model, system, model.nobs)
    inputs = inputs_of(model, exog, origin.row, model.nobs + steps)
    known = len(origin.told)
    many = number if known == 0 else max(FEWEST, 10 * number)
    start = Start(np.tile(origin.state, (many, 1)), np.tile(origin.lags[None], (many, 1, 1)))
    for t in range(known):
        start = _through(system, model.head, start, inputs, t, origin.told[t], rng)
    if known:
        taken = rng.choice(many, size=number, replace=False)
        start = Start(start.state[taken], start.lags[taken])
    rest = None if inputs is None else inputs[known:]
    return paths(system, model.head, start, rest, steps, rng).outputs


def _through(
    system: RecurrentSystem,
    head: Any,
    start: Start,
    inputs: FloatArray | None,
    row: int,
    told: FloatArray,
    rng: np.random.Generator,
) -> Start:
    """One row of which some elements are seen: paths are chosen by their density."""
    number = len(start.state)
    here = None if inputs is None else np.tile(inputs[row], (number, 1))
    state, eta = system.step(start.state, start.lags, here)
    lags, seen = start.lags, ~np.isnan(told)
    if seen.any():
        density = head.log_density(np.tile(told, (number, 1)), eta, np.asarray(system.extra))
        weight = np.exp(density - density.max())
        chosen = rng.choice(number, size=number, p=weight / weight.sum())
        state, eta, lags = state[chosen], eta[chosen], lags[chosen]
    law = head.law(eta, np.asarray(system.extra))
    drew = np.asarray(law.sample(rng), dtype=np.float64)
    if seen.any():
        condition(head, law, drew, told)
    return Start(state, moved_lags(system, lags, drew))


class RecurrentSampler:
    """Draws samples of the length, inputs, sequences and gaps of the data.

    Parameters
    ----------
    model : RecurrentModel
    theta : ndarray of shape (K,)
        Parameters to draw with.

    Attributes
    ----------
    first : int
        0: rows that the likelihood conditions on have no error of their own.
    """

    first = 0

    def __init__(self, model: RecurrentModel, theta: FloatArray) -> None:
        self.model = model
        self.theta = theta

    def _drawn(
        self, number: int, rng: np.random.Generator, pool: FloatArray | None = None
    ) -> FloatArray:
        system = self.model.system(self.theta)
        samples = whole_samples(self.model, system, self.model.nobs, number, rng, pool=pool)
        samples[:, np.isnan(self.model.endog.values)] = np.nan
        return samples

    def one(self, rng: np.random.Generator) -> FloatArray:
        """Draw one sample.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (nobs, k_endog)
            Rows that the likelihood conditions on are those of the data.
        """
        return np.asarray(self._drawn(1, rng)[0])

    def block(
        self,
        seeds: Sequence[np.random.SeedSequence],
        size: int,
        pool: FloatArray | None,
        ahead: bool,
    ) -> Sampled:
        """Draw the samples of a block.

        Parameters
        ----------
        seeds : sequence of numpy.random.SeedSequence
            One a sample; the block's noise comes from the first.
        size : int
            Number of samples of a full block. As many are always drawn, so that a sample does not
            depend on how many are asked for.
        pool : ndarray of shape (rows, k_endog), or None
            Standardised errors to draw rows from with replacement.
        ahead : bool
            Not needed: no rows past the sample are drawn.

        Returns
        -------
        Sampled
            Without rows past the sample.
        """
        samples = self._drawn(size, np.random.default_rng(seeds[0]), pool)[: len(seeds)]
        none = np.zeros((len(samples), 0, samples.shape[2]))
        return Sampled(samples, none, none)
