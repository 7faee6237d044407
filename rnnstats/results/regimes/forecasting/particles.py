"""Autoregressions whose noise is not normal: histories drawn, the last row exact.

Given the path of the regimes the sum of Student's t noises has no closed distribution. Histories up
to the row before are drawn instead; given the history and the regime, the row itself has its exact
law, so that distribution functions are averages of smooth ones (Rao-Blackwell). One row ahead there
is one history, and nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnstats.kernels.chains import matrix_at, moved
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import EmissionMixture
from rnnstats.results.regimes.protocol import ResponseLike

__all__ = [
    "HISTORIES",
    "SEED",
    "all_normal",
    "condition_rows",
    "draw_states",
    "simulated",
]

# Histories drawn. The standard error of a probability P is below sqrt(P (1 - P) / HISTORIES).
HISTORIES, SEED = 2000, 20240913


def all_normal(responses: Sequence[ResponseLike]) -> bool:
    """Say whether all columns are normal given the regime.

    Parameters
    ----------
    responses : sequence of ResponseLike

    Returns
    -------
    bool
    """
    return all(block.normal for block in responses)


def draw_states(weight: FloatArray, rng: np.random.Generator) -> Any:
    """Draw a state a row.

    Parameters
    ----------
    weight : ndarray of shape (m, S)
        Up to a factor in each row.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (m,)
    """
    total = np.cumsum(weight, axis=1)
    at = rng.random(len(weight)) * total[:, -1]
    drawn = (total <= at[:, None]).sum(axis=1)
    # a draw at the very end must not go to a state that cannot be
    last = weight.shape[1] - 1 - np.argmax(weight[:, ::-1] > 0.0, axis=1)
    return np.minimum(drawn, last)


def condition_rows(
    responses: Sequence[ResponseLike], drawn: FloatArray, told: FloatArray, states: Any
) -> None:
    """Put what is told of a row into draws of it, in place.

    Parameters
    ----------
    responses : sequence of ResponseLike
        With m rows.
    drawn : ndarray of shape (m, k)
        Draws of the whole row in the states.
    told : ndarray of shape (k,)
        Values, NaN for what is not.
    states : ndarray of int, shape (m,)

    Notes
    -----
    Blocks of several columns are normal: the rest of a row moves with what is told (conditioning by
    kriging, Matheron's rule). Blocks are independent given the state.
    """
    for block in responses:
        columns = np.array(block.columns)
        seen = np.flatnonzero(~np.isnan(told[columns]))
        if not len(seen):
            continue
        if len(seen) < len(columns):
            rest = np.setdiff1d(np.arange(len(columns)), seen)
            cov = block.cov()[np.arange(len(drawn)), states]
            off = told[columns[seen]] - drawn[:, columns[seen]]
            moved = np.linalg.solve(cov[:, seen[:, None], seen], off[:, :, None])
            drawn[:, columns[rest]] += (cov[:, rest[:, None], seen] @ moved)[:, :, 0]
        drawn[:, columns[seen]] = told[columns[seen]]


def simulated(
    system: Any, weight: FloatArray, lags: FloatArray, rows: Any, told: FloatArray
) -> tuple[EmissionMixture, FloatArray]:
    """Predict rows by drawing histories.

    Parameters
    ----------
    system : RegimeSystem
        Reaches all the rows.
    weight : ndarray of shape (S,)
        Probabilities of the states in the first row.
    lags : ndarray of shape (p, k)
        Rows before, the last one first.
    rows : ndarray of int, shape (m,)
    told : ndarray of shape (m, k)
        What is seen of them, NaN elsewhere; later rows are conditional on it.

    Returns
    -------
    law : EmissionMixture
    regimes : ndarray of shape (m, K)
    """
    rng = np.random.default_rng(SEED)
    k, s = system.transition.shape[-1], len(weight)
    # the first row has one history, the others HISTORIES
    past, share, states = lags[None], np.ones(1), weight[None] / weight.sum()
    owner, weights, keep, history, regimes = [], [], [], [], []
    for t, row in enumerate(rows):
        history.append(past)
        keep.append(np.full(len(past), row))
        owner.append(np.full(len(past), t))
        weights.append(share[:, None] * states)
        regimes.append((share @ states).reshape(k, -1).sum(axis=1))
        if t + 1 == len(rows):
            break
        if len(past) < HISTORIES:
            past, share = np.repeat(past, HISTORIES, axis=0), np.full(HISTORIES, 1.0 / HISTORIES)
            states = np.repeat(states, HISTORIES, axis=0)
        drawn, here, past, share = _drawn(system, row, past, (share, states), told[t], rng)
        past = np.concatenate([drawn[:, None], past[:, :-1]], axis=1)
        states = moved(np.eye(s)[here], matrix_at(system.transition, rows[t + 1]), system.lags)
    at = np.concatenate(keep)
    responses = system.responses_at(at, np.concatenate(history))
    law = EmissionMixture(
        len(rows), np.concatenate(owner), np.concatenate(weights), responses, told.shape[1]
    )
    return law, np.array(regimes)


def _drawn(
    system: Any,
    row: int,
    past: FloatArray,
    law: tuple[FloatArray, FloatArray],
    told: FloatArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, Any, FloatArray, FloatArray]:
    """Draw a row in every history, given what is told of it; and choose the histories anew."""
    share, states = law
    responses = system.responses_at(np.full(len(past), row), past)
    if not np.isnan(told).all():
        density = sum(
            block.log_density(np.tile(told[list(block.columns)], (len(past), 1)))
            for block in responses
        )
        top = np.max(density)
        states = states * np.exp(density - top)
        share = share * states.sum(axis=1)
        share = share / share.sum()
        # histories in proportion to their weight, as many as before (resampling)
        chosen = rng.choice(len(share), size=len(share), p=share)
        past, states = past[chosen], states[chosen]
        share = np.full(len(share), 1.0 / len(share))
        responses = system.responses_at(np.full(len(past), row), past)
    here = draw_states(states, rng)
    drawn = np.empty((len(past), len(told)))
    for block in responses:
        drawn[:, list(block.columns)] = block.sample(here, rng)
    condition_rows(responses, drawn, told, here)
    return drawn, here, past, share
