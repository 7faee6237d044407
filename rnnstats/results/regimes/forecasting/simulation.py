"""Drawing regimes and outputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnstats.errors import SpecificationError
from rnnstats.kernels import markov
from rnnstats.kernels.chains import matrix_at
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.outlook import dynamics_of, start_row
from rnnstats.results.regimes.forecasting.particles import all_normal, condition_rows, draw_states
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem
from rnnstats.results.responses.impulse import cholesky_factor

__all__ = ["Drawn", "Stage", "drawn", "further_drawn", "resampled", "stage_of"]


# Paths drawn where some must be chosen by what is seen of them.
FEWEST = 2000
# Rows whose numbers are held at a time.
ROWS = 10_000


class Stage(NamedTuple):
    """What a draw needs of a model beside its system.

    Attributes
    ----------
    values : ndarray of shape (nobs, k_endog)
        Rows of the sample; the first `order` ones of each sequence are not drawn.
    offsets : ndarray of int
        First row of each sequence, and the number of rows.
    order : int
        Lags of the outputs.
    """

    values: FloatArray
    offsets: Any
    order: int

    @property
    def nobs(self) -> int:
        """Number of rows of the sample."""
        return len(self.values)

    @property
    def k_endog(self) -> int:
        """Number of outputs."""
        return int(self.values.shape[1])


def stage_of(model: RegimeModel) -> Stage:
    """Return the stage of a model's own data.

    Parameters
    ----------
    model : RegimeModel

    Returns
    -------
    Stage
    """
    return Stage(model.endog.values, model.offsets, model.order)


class Drawn(NamedTuple):
    """Draws of some rows: outputs (repetitions, rows, k) and regimes (repetitions, rows)."""

    outputs: FloatArray
    regimes: Any


def drawn(
    stage: Stage,
    system: RegimeSystem,
    rows: int,
    rng: np.random.Generator,
    repetitions: int = 1,
) -> Drawn:
    """Draw from the first row on.

    Parameters
    ----------
    stage : Stage
    system : RegimeSystem
        Reaches all the rows.
    rows : int
        Rows to draw; past the sample they continue its last sequence.
    rng : numpy.random.Generator
    repetitions : int
        Independent draws.

    Returns
    -------
    Drawn
        Each sequence begins anew. With lags the first rows of each sequence are those of the data,
        on which the likelihood conditions.

    Raises
    ------
    SpecificationError
        Rows that are conditioned on are missing.
    """
    offsets = np.asarray(stage.offsets)
    regimes = np.empty((repetitions, rows), dtype=np.intp)
    outputs = np.empty((repetitions, rows, stage.k_endog))
    for number, first in enumerate(int(one) for one in offsets[:-1]):
        if first >= rows:
            break
        last = rows if number == len(offsets) - 2 else min(int(offsets[number + 1]), rows)
        law = np.tile(system.start[number], (repetitions, 1))
        regimes[:, first:last] = _regimes(system, law, range(first, last), rng)
        begin = min(first + stage.order, last)
        given = stage.values[first:begin]
        if np.isnan(given).any():
            raise SpecificationError(
                f"simulate: the first {stage.order} rows of a sequence are not drawn but taken from"
                f" the data; got a missing value among rows {first} to {begin - 1}. Use "
                "anchor='end'."
            )
        outputs[:, first:begin] = given
        _emit(stage, system, range(begin, last), Drawn(outputs, regimes), rng)
    return Drawn(outputs, regimes)


def further_drawn(
    stage: Stage,
    system: RegimeSystem,
    rows: int,
    rng: np.random.Generator,
    repetitions: int = 1,
) -> Drawn:
    """Draw rows past the sample, given the sample.

    Parameters
    ----------
    stage : Stage
    system : RegimeSystem
        Reaches all the rows.
    rows : int
    rng : numpy.random.Generator
    repetitions : int
        Independent draws, also of the regimes at the end of the sample.

    Returns
    -------
    Drawn

    Raises
    ------
    SpecificationError
        No row of the last sequence has all of its lags.
    """
    found = markov.forward(*system.chain, lags=system.lags)
    nobs, memory = stage.nobs, system.lags
    origin = nobs
    if stage.order:
        begin = start_row(stage.values, nobs, stage.order, stage.offsets)
        if begin is None:
            raise SpecificationError(
                f"simulate: the last sequence must have {stage.order} rows in succession without "
                "a missing value; got none. Use anchor='start'."
            )
        origin = begin
    # rows are counted from the first one that lags and regimes before the origin need
    base = max(0, origin - stage.order - memory - 1)
    known = stage.values[base:]
    if origin < nobs:
        many = max(FEWEST, 10 * repetitions)
        every = _through_gaps(stage, system, found.predicted, (origin, base, rows, many), rng)
        taken = rng.choice(many, size=repetitions, replace=False)
        return Drawn(every.outputs[taken], every.regimes[taken])
    outputs = np.empty((repetitions, nobs - base + rows, stage.k_endog))
    outputs[:, : nobs - base] = known
    regimes = np.zeros((repetitions, nobs - base + rows), dtype=np.intp)
    now = draw_states(np.tile(found.filtered[-1], (repetitions, 1)), rng)
    k = system.transition.shape[-1]
    for back in range(min(memory, nobs - base - 1) + 1):
        regimes[:, nobs - base - 1 - back] = now // k ** (memory - back) % k
    law = _stepped(system, nobs, regimes[:, nobs - base - 1])
    ahead = range(nobs, nobs + rows)
    regimes[:, nobs - base :] = _regimes(system, law, ahead, rng)
    _emit(stage, system, ahead, Drawn(outputs, regimes), rng, base)
    return Drawn(outputs[:, nobs - base :], regimes[:, nobs - base :])


def resampled(model: RegimeModel, theta: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw one sample of the shape of the data.

    Parameters
    ----------
    model : RegimeModel
    theta : ndarray of shape (K,)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (nobs, k_endog)
        Missing where the data are; rows that the likelihood conditions on are those of the data.
    """
    values = model.endog.values
    sample = drawn(stage_of(model), model.system(theta), model.nobs, rng).outputs[0]
    return np.where(np.isnan(values), np.nan, sample)


def _stepped(system: RegimeSystem, row: int, here: Any) -> FloatArray:
    """Probabilities of the regimes in a row, given those of the row before, (m, K)."""
    return np.asarray(matrix_at(system.transition, row)[here])


def _regimes(system: RegimeSystem, law: FloatArray, rows: range, rng: np.random.Generator) -> Any:
    """Draw paths of the regimes, the first row from its law, (m, rows)."""
    steps = np.cumsum(system.transition, axis=-1)
    steps = steps / steps[..., -1:]
    found = np.empty((len(law), len(rows)), dtype=np.intp)
    uniform = rng.random((len(law), len(rows)))
    for t, row in enumerate(rows):
        if t == 0:
            found[:, 0] = draw_states(law, rng)
            continue
        total = matrix_at(steps, row)[found[:, t - 1]]
        found[:, t] = (total <= uniform[:, t, None]).sum(axis=1)
    return found


def _emit(
    stage: Stage,
    system: RegimeSystem,
    rows: range,
    into: Drawn,
    rng: np.random.Generator,
    base: int = 0,
) -> None:
    """Draw outputs given the regimes, in place; the arrays begin at row `base`."""
    if not len(rows):
        return
    outputs, regimes = into
    m, at = len(outputs), slice(rows.start - base, rows.stop - base)
    if not stage.order:
        where = np.tile(np.arange(rows.start, rows.stop), m)
        shape = (m, len(rows), stage.k_endog)
        states = regimes[:, at].ravel()
        drew = _sampled(system.responses_at(where, None), states, stage.k_endog, rng)
        outputs[:, at] = drew.reshape(shape)
        return
    lags = outputs[:1, at.start - stage.order : at.start][:, ::-1]
    normal = all_normal(system.responses_at(np.array([rows.start]), lags))
    for cut in range(rows.start, rows.stop, ROWS):
        some = range(cut, min(cut + ROWS, rows.stop))
        (_emit_normal if normal else _emit_any)(stage, system, some, into, rng, base)


def _emit_any(
    stage: Stage,
    system: RegimeSystem,
    rows: range,
    into: Drawn,
    rng: np.random.Generator,
    base: int,
) -> None:
    outputs, regimes = into
    for row in rows:
        at = row - base
        lags = outputs[:, at - stage.order : at][:, ::-1]
        responses = system.responses_at(np.full(len(outputs), row), lags)
        outputs[:, at] = _sampled(responses, _states(system, regimes, at), stage.k_endog, rng)


def _emit_normal(
    stage: Stage,
    system: RegimeSystem,
    rows: range,
    into: Drawn,
    rng: np.random.Generator,
    base: int,
) -> None:
    """Draw normal outputs: their means are affine in the lags, which is read off once."""
    outputs, regimes = into
    m, k = len(outputs), stage.k_endog
    dynamics = dynamics_of(system, stage, np.arange(rows.start, rows.stop))
    roots = np.array([cholesky_factor(cov) for cov in dynamics.noise])
    noise = rng.standard_normal((len(rows), m, k))
    for t, row in enumerate(rows):
        at = row - base
        states = _states(system, regimes, at)
        lags = outputs[:, at - stage.order : at][:, ::-1].reshape(m, -1)
        here = np.einsum("mij,mj->mi", dynamics.ar[states], lags)
        here += np.einsum("mij,mj->mi", roots[states], noise[t])
        outputs[:, at] = here + dynamics.const[t, states]


def _states(system: RegimeSystem, regimes: Any, row: int) -> Any:
    """States of the chain in a row, the latest regime the most significant digit."""
    k = system.transition.shape[-1]
    state = np.zeros(len(regimes), dtype=np.intp)
    for back in range(system.lags + 1):
        state = state * k + regimes[:, row - back]
    return state


def _sampled(responses: Any, states: Any, k: int, rng: np.random.Generator) -> FloatArray:
    drew = np.empty((len(states), k))
    for block in responses:
        drew[:, list(block.columns)] = block.sample(states, rng)
    return drew


def _through_gaps(
    stage: Stage,
    system: RegimeSystem,
    predicted: FloatArray,
    plan: tuple[int, int, int, int],
    rng: np.random.Generator,
) -> Drawn:
    """Draw on from a row before the end, weighing draws by what is seen after it."""
    origin, base, rows, m = plan
    k, memory, nobs = system.transition.shape[-1], system.lags, stage.nobs
    outputs = np.tile(stage.values[base:], (m, 1, 1))
    outputs = np.concatenate([outputs, np.empty((m, rows, stage.k_endog))], axis=1)
    place = int(np.flatnonzero(np.asarray(system.rows) == origin)[0])
    states = draw_states(np.tile(predicted[place], (m, 1)), rng)
    regimes = np.zeros((m, nobs - base + rows), dtype=np.intp)
    for back in range(memory + 1):
        regimes[:, origin - base - back] = states // k ** (memory - back) % k
    for row in range(origin, nobs + rows):
        at = row - base
        if row > origin:
            regimes[:, at] = draw_states(_stepped(system, row, regimes[:, at - 1]), rng)
        here = _states(system, regimes, at)
        lags = outputs[:, at - stage.order : at][:, ::-1]
        responses = system.responses_at(np.full(m, row), lags)
        drew = _sampled(responses, here, stage.k_endog, rng)
        told = stage.values[row] if row < nobs else np.full(stage.k_endog, np.nan)
        if not np.isnan(told).all():
            condition_rows(responses, drew, told, here)
            chosen = _chosen(responses, told, here, rng)
            drew, regimes, outputs = drew[chosen], regimes[chosen], outputs[chosen]
        outputs[:, at] = drew
    return Drawn(outputs[:, nobs - base :], regimes[:, nobs - base :])


def _chosen(responses: Any, told: FloatArray, here: Any, rng: np.random.Generator) -> Any:
    """Draw as many of the paths, in proportion to the density of what is told (resampling)."""
    m = len(here)
    density = np.zeros(m)
    for block in responses:
        alone = np.tile(told[list(block.columns)], (m, 1))
        density += block.log_density(alone)[np.arange(m), here]
    weight = np.exp(density - density.max())
    return rng.choice(m, size=m, p=weight / weight.sum())
