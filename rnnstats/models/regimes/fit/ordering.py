"""Which regime is called the first: a rule for labels that the likelihood leaves open."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from rnnstats._checks import check_literal
from rnnstats.errors import SpecificationError
from rnnstats.models.regimes.construction import assembly
from rnnstats.models.regimes.law.starts import FreeStart, StationaryStart

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = ["ORDERS", "OrderRule", "check_order", "matched", "ordered", "renumbered"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
OrderRule = str | Callable[[pd.Series], Any]

ORDERS = ("auto", "mean", "variance", "persistence", "none")
# Keys of two regimes nearer than this share of their size are equal.
SAME = 1e-9
# Numbers by which two likelihoods of the same law may differ, as a share.
ROUNDING = 1e-9
# Up to so many regimes all numberings are tried where restrictions forbid the one asked for.
MANY = 6
# Degrees of freedom from which a t distribution is ordered by its own mean and variance.
LEAST_DF = 2.5


def check_order(order: object, caller: str) -> OrderRule:
    """Check the option.

    Parameters
    ----------
    order : object
        As the user gave it.
    caller : str

    Returns
    -------
    str or callable

    Raises
    ------
    SpecificationError
    """
    if callable(order):
        return order
    return check_literal(order, ORDERS, name="order_regimes", caller=caller)


def ordered(model: MarkovRNN, theta: FloatArray, rule: OrderRule) -> FloatArray:
    """Renumber the regimes by a rule.

    Parameters
    ----------
    model : MarkovRNN
    theta : ndarray, shape (K,)
    rule : {"auto", "mean", "variance", "persistence", "none"} or callable
        A callable gets the parameters as a Series and returns a number a regime (an array, or a
        mapping by regime name); regimes are put in rising order.

    Returns
    -------
    ndarray, shape (K,)
        Where restrictions, or a start given by regime, tell regimes apart: those that remain
        exchangeable in order, or `theta` itself.

    Raises
    ------
    SpecificationError
        When a callable returns something else.

    Notes
    -----
    "mean": by the mean of the first response given the regime, averaged over the rows (of a
    categorical one: by the probability of its first level, then of the next; of Student's t: by the
    location, also where there is no mean); where that is equal, by the next response. "variance":
    likewise by the variance. "persistence": by the probability of staying. "auto": by mean, what
    is equal by variance, and what is still equal by persistence.
    """
    if rule == "none" or model.k_regimes == 1:
        return theta
    line = _sorted(_keys(model, theta, rule))
    if model.k_regimes > MANY:
        return renumbered(model, theta, line)
    # Restrictions may leave only some regimes exchangeable: from the order asked for to those that
    # keep ever less of it, until nothing changes.
    for one in itertools.permutations(line.tolist()):
        moved = renumbered(model, theta, np.array(one, dtype=np.intp))
        if moved is not theta or one == tuple(range(model.k_regimes)):
            return moved
    return theta


def matched(states: FloatArray, reference: FloatArray) -> IntArray:
    """Numbering of regimes that agrees best with that of another optimum.

    Parameters
    ----------
    states, reference : ndarray, shape (n, K)
        Smoothed probabilities of the regimes here and at the other optimum.

    Returns
    -------
    ndarray of int, shape (K,)
        The regime here that goes with each regime there: the assignment with the largest
        agreement, summed over rows (Kuhn 1955, the Hungarian method).
    """
    k = reference.shape[1]
    if states.shape != reference.shape:
        return np.arange(k)
    shared = reference.T @ states
    if k == 2:
        kept, crossed = shared.item(0) + shared.item(3), shared.item(1) + shared.item(2)
        return np.array([0, 1] if kept >= crossed else [1, 0], dtype=np.intp)
    order: IntArray = linear_sum_assignment(-shared)[1].astype(np.intp)
    return order


def renumbered(model: MarkovRNN, theta: FloatArray, order: IntArray) -> FloatArray:
    """The same law under other numbers.

    Parameters
    ----------
    model : MarkovRNN
    theta : ndarray, shape (K,)
    order : ndarray of int, shape (k_regimes,)
        The old number of each regime.

    Returns
    -------
    ndarray, shape (K,)
        `theta` itself where nothing changes, or where restrictions or a start given by regime tell
        the regimes apart.
    """
    if (order == np.arange(model.k_regimes)).all():
        return theta
    moved = assembly.renumbered(model, theta, order)
    layout = model.layout
    if layout.restricted:
        back = layout.expand(layout.reduce(moved))
        if not np.allclose(back, moved, rtol=ROUNDING, atol=ROUNDING):
            return theta
        moved = back
    elif isinstance(model.likelihood.starts, FreeStart | StationaryStart):
        return moved  # nothing tells regimes apart
    before, after = model.likelihood.value(theta), model.likelihood.value(moved)
    same = math.isfinite(after) and abs(after - before) <= ROUNDING * (1.0 + abs(before))
    return moved if same else theta


def _keys(model: MarkovRNN, theta: FloatArray, rule: OrderRule) -> list[FloatArray]:
    """Keys to sort by, the first one first; each has a number a regime."""
    if not isinstance(rule, str):
        return [_users_key(model, theta, rule)]
    if rule == "persistence":
        return [_persistence(model, theta)]
    keys: list[FloatArray] = []
    for moment in ("mean", "variance") if rule == "auto" else (rule,):
        keys += _moments(model, theta, moment)
        if _told_apart(keys):  # nothing is left for what comes after
            return keys
    return [*keys, _persistence(model, theta)]


def _users_key(model: MarkovRNN, theta: FloatArray, rule: Callable[[pd.Series], Any]) -> FloatArray:
    """One number a regime, from the user's function."""
    given = rule(pd.Series(theta, index=list(model.param_names), name="params"))
    if isinstance(given, Mapping | pd.Series):
        named = {str(name): value for name, value in given.items()}
        given = [named.get(regime, np.nan) for regime in model.regime_names]
    try:
        key = np.asarray(given, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        key = np.empty(0)
    if key.shape != (model.k_regimes,) or not np.isfinite(key).all():
        raise SpecificationError(
            f"{model.name}.fit: order_regimes must return {model.k_regimes} finite numbers, one a "
            f"regime; got {given!r}. Return, for example, [params['V[y,h1]'], params['V[y,h2]']]."
        )
    return key


def _persistence(model: MarkovRNN, theta: FloatArray) -> FloatArray:
    """Probability of staying, averaged over rows."""
    q = model.likelihood.q[0]
    matrix = model.likelihood.transitions.value(theta[:q], model.likelihood.inputs)
    diagonal = np.diagonal(matrix, axis1=-2, axis2=-1)
    return np.array(diagonal if diagonal.ndim == 1 else diagonal.mean(axis=0))


def _moments(model: MarkovRNN, theta: FloatArray, moment: str) -> list[FloatArray]:
    """Means or variances of each response given the regime, averaged over rows."""
    found: list[FloatArray] = []
    blocks = zip(model.blocks, model.likelihood.bound, model.likelihood.parts, strict=True)
    for block, bound, part in sorted(blocks, key=lambda item: min(item[0].columns)):
        response = bound.response(_with_moments(block.names, theta[part]))
        if block.levels is not None:
            found += list(_average(response.pmf()).T[:-1]) if moment == "mean" else []
            continue
        values = response.mean() if moment == "mean" else response.cov()
        values = _by_regime(values, model.k_regimes) if block.composite else values
        mean = _average(values)
        found += list(mean.T if moment == "mean" else np.diagonal(mean, axis1=1, axis2=2).T)
    return found


def _with_moments(names: tuple[str, ...], part: FloatArray) -> FloatArray:
    """Parameters with degrees of freedom that leave a mean and a variance: location and scale."""
    df = [i for i, name in enumerate(names) if name.startswith("df[")]
    if not df:
        return part
    out = part.copy()
    out[df] = np.maximum(part[df], LEAST_DF)
    return out


def _by_regime(values: FloatArray, k: int) -> FloatArray:
    """Composite states (h_t, ..., h_{t-p}) to those that stay in one regime: (n, K, ...)."""
    size = values.shape[1]
    lags = round(math.log(size, k)) if k > 1 else 1
    same = sum(k**power for power in range(lags))
    return values[:, np.arange(k) * same]


def _average(values: FloatArray) -> FloatArray:
    """Mean over the rows that have one, (n, K, ...) to (K, ...)."""
    kept = values
    if not np.isfinite(values).all():
        kept = values[np.isfinite(values.reshape(len(values), -1)).all(axis=1)]
    if not len(kept):
        return np.zeros(values.shape[1:])
    out: FloatArray = kept.sum(axis=0) / len(kept)
    return out


def _sorted(keys: list[FloatArray]) -> IntArray:
    """Order of the regimes by the first key; nearly equal ones by the next."""
    return np.lexsort([_ranks(key) for key in reversed(keys)]).astype(np.intp)


def _ranks(key: FloatArray) -> IntArray:
    """Ranks by one key, the same for nearly equal ones."""
    values = key.tolist()
    size = SAME * max(map(abs, values), default=0.0)
    line = sorted(range(len(values)), key=values.__getitem__)
    rank = np.zeros(len(values), dtype=np.intp)
    for before, after in itertools.pairwise(line):
        rank[after] = rank[before] + (values[after] - values[before] > size)
    return rank


def _told_apart(keys: list[FloatArray]) -> bool:
    """Whether the first key alone settles the order."""
    return bool(keys) and int(_ranks(keys[0]).max()) == len(keys[0]) - 1
