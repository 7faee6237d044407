"""Starting values of a Markov-switching model, from classifications of its rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import SpecificationError
from rnnstats.estimation.starts.regimes import Classification, classifications, features
from rnnstats.kernels.chains import closed_classes
from rnnstats.models._fitting import StartPoint
from rnnstats.models.regimes.blocks.design import residuals
from rnnstats.models.regimes.law.starts import StationaryStart
from rnnstats.models.regimes.law.transitions import ProbabilityTransitions

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = [
    "chain_of",
    "classified",
    "default_number",
    "divisions",
    "no_start",
    "refuse_transient",
    "starting_points",
    "taken",
]

FloatArray = NDArray[np.float64]

# Expected steps added to those counted, evenly: no transition begins at zero.
PRIOR = 0.5
# Share of the even distribution in a start law.
EVEN = 0.2
# Starts without a likelihood that are replaced by further ones.
PATIENCE = 25


def default_number(k_regimes: int) -> int:
    """Starts of a fit that is not told how many.

    Parameters
    ----------
    k_regimes : int

    Returns
    -------
    int
        1 without regimes to tell apart; 12 for two regimes, twice as many for each further one, at
        most 96.
    """
    return 1 if k_regimes == 1 else min(12 * 2 ** (k_regimes - 2), 96)


def starting_points(model: MarkovRNN, rng: np.random.Generator, number: int) -> list[StartPoint]:
    """Starts from the data.

    Parameters
    ----------
    model : MarkovRNN
    rng : numpy.random.Generator
        For those that are drawn.
    number : int

    Returns
    -------
    list of StartPoint
        At most `number`, all with a finite likelihood; restrictions hold.

    Raises
    ------
    SpecificationError
        When there is none.
    """
    points = taken(model, divisions(model, rng), number)
    if not points:
        raise no_start(model, model.name)
    return points


def no_start(model: MarkovRNN, caller: str) -> SpecificationError:
    """What to say when no start has a finite likelihood.

    Parameters
    ----------
    model : MarkovRNN
    caller : str

    Returns
    -------
    SpecificationError
    """
    reason = model.reason(classified(model, next(divisions(model, np.random.default_rng(0)))))
    why = f": {reason}" if reason else ""
    return SpecificationError(
        f"{caller}: a start must have a finite likelihood; got none{why}. Give start_params, or "
        "relax the restrictions."
    )


def refuse_transient(model: MarkovRNN) -> None:
    """Refuse regimes that the stationary law gives no probability, whatever the parameters.

    Parameters
    ----------
    model : MarkovRNN

    Raises
    ------
    SpecificationError
        Restrictions let the chain leave them for good, and it starts in its stationary law.
    """
    likelihood, k = model.likelihood, model.k_regimes
    if not isinstance(likelihood.starts, StationaryStart) or not model.layout.restricted:
        return
    if not isinstance(likelihood.transitions, ProbabilityTransitions):
        return
    classes = closed_classes(_with_numbers(model, np.full((k, k), 1.0 / k)))
    if len(classes) == 1 and len(classes[0]) < k:
        left = [name for i, name in enumerate(model.regime_names) if i not in classes[0]]
        raise SpecificationError(
            f"{model.name}.fit: the chain must come back to every regime where start='stationary'; "
            f"got restrictions under which it leaves {', '.join(left)} for good. Use start='free', "
            "or give the probabilities of the first row."
        )


def taken(model: MarkovRNN, found: Iterator[Classification], number: int) -> list[StartPoint]:
    """Make the next starts of a series of classifications.

    Parameters
    ----------
    model : MarkovRNN
    found : iterator of Classification
        Moved on.
    number : int

    Returns
    -------
    list of StartPoint
        Those with a finite likelihood; fewer than `number` where they run out, or where many have
        none.
    """
    points: list[StartPoint] = []
    for one in itertools.islice(found, number + PATIENCE):
        theta = classified(model, one)
        if model._start_value(theta) > -math.inf:
            points.append(StartPoint(one.label, theta))
        if len(points) == number:
            break
    return points


def classified(model: MarkovRNN, found: Classification) -> FloatArray:
    """Parameters from a classification, restrictions imposed.

    Parameters
    ----------
    model : MarkovRNN
    found : Classification

    Returns
    -------
    ndarray, shape (K,)
    """
    likelihood, weights = model.likelihood, found.weights
    q, s = likelihood.q
    theta = np.zeros(model.layout.k_params)
    matrix, law = chain_of(found, likelihood.offsets)
    theta[:q] = likelihood.transitions.read(_with_numbers(model, matrix))
    theta[q : q + s] = likelihood.starts.read(law)
    for part, bound in zip(likelihood.parts, likelihood.bound, strict=True):
        theta[part] = bound.starts(weights)
    return model.layout.expand(model.layout.reduce(theta))


def chain_of(found: Classification, offsets: NDArray[np.integer]) -> tuple[FloatArray, FloatArray]:
    """Law of the regimes counted in a classification.

    Parameters
    ----------
    found : Classification
    offsets : ndarray of int, shape (sequences + 1,)

    Returns
    -------
    transition : ndarray, shape (K, K)
    start : ndarray, shape (sequences, K)
    """
    weights, firsts = found.weights, offsets[:-1]
    k = weights.shape[1]
    steps = weights[:-1].T @ weights[1:] + PRIOR / k
    if len(firsts) > 1:  # none from one sequence to the next
        cuts = firsts[1:]
        steps -= weights[cuts - 1].T @ weights[cuts]
    matrix = steps / steps.sum(axis=1, keepdims=True)
    if found.persistence is not None:
        matrix *= 1.0 - found.persistence
        matrix.flat[:: k + 1] += found.persistence
    law: FloatArray = (1.0 - EVEN) * weights[firsts] + EVEN / k
    return matrix, law


def _with_numbers(model: MarkovRNN, matrix: FloatArray) -> FloatArray:
    """Leave room for the probabilities that restrictions fix."""
    transitions, layout = model.likelihood.transitions, model.layout
    if not isinstance(transitions, ProbabilityTransitions) or not layout.restricted:
        return matrix
    rows = transitions.rows
    q = len(transitions.names)
    number = np.all(layout.expansion[:q] == 0.0, axis=1)
    held = np.zeros(matrix.shape, dtype=bool)
    held[rows.rows, rows.columns] = number
    fixed = np.zeros(matrix.shape)
    fixed[rows.rows[number], rows.columns[number]] = layout.base[:q][number]
    free = np.where(held, 0.0, matrix)
    total = free.sum(axis=1, keepdims=True)
    room = 1.0 - fixed.sum(axis=1, keepdims=True)
    filled: FloatArray = fixed + free * (room / np.where(total > 0.0, total, 1.0))
    return filled


def divisions(model: MarkovRNN, rng: np.random.Generator) -> Iterator[Classification]:
    """Classify the rows by the responses, and by what a common regression leaves of them.

    Parameters
    ----------
    model : MarkovRNN
    rng : numpy.random.Generator

    Yields
    ------
    Classification
        Without end, but for a model with one regime, which has one.
    """
    values = model.endog.values
    if model.k_regimes == 1:
        yield Classification("one regime", np.ones((len(values), 1)))
        return
    residuals, points = _features(model)
    yield from classifications(
        points, model.likelihood.offsets, model.k_regimes, rng, residuals=residuals
    )


def _features(model: MarkovRNN) -> tuple[FloatArray | None, FloatArray]:
    """What a common regression leaves of the responses (None without one), and the responses."""
    values = model.endog.values
    levels = _levels(model)
    points = features(values, levels)
    given = _regressors(model)
    if given is None or levels.any():
        return None, points
    return features(_residuals(values, given)), points


def _levels(model: MarkovRNN) -> FloatArray:
    """Number of categories by column; 0 where a column holds numbers."""
    out = np.zeros(model.k_endog)
    for block in model.blocks:
        if block.levels is not None:
            out[list(block.columns)] = len(block.levels)
    return out


def _regressors(model: MarkovRNN) -> FloatArray | None:
    """Inputs, time and lags of all responses; None without any."""
    values, offsets = model.endog.values, model.likelihood.offsets
    pieces: list[FloatArray] = []
    if model.exog is not None:
        pieces.append(model.exog.values)
    if model.trend == "ct":
        time = np.concatenate([np.arange(n, dtype=np.float64) for n in np.diff(offsets)])
        pieces.append(time[:, None])
    for lag in range(1, model.order + 1):
        moved = np.full(values.shape, np.nan)
        moved[lag:] = values[:-lag]
        for first in offsets[:-1]:
            moved[first : first + lag] = np.nan
        pieces.append(moved)
    return np.hstack(pieces) if pieces else None


def _residuals(values: FloatArray, given: FloatArray) -> FloatArray:
    """Least-squares residuals of each column; NaN where something is missing."""
    out = np.full(values.shape, np.nan)
    known = np.isfinite(given).all(axis=1)
    for j in range(values.shape[1]):
        keep = known & np.isfinite(values[:, j])
        some = slice(None) if keep.all() else keep
        rows = given[some]
        design = np.hstack([np.ones((len(rows), 1)), rows])
        out[some, j] = residuals(values[some, j], design)
    return out
