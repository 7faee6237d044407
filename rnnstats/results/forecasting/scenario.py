"""Outputs to come as one normal distribution, and that distribution given some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rnnstats._checks import check_int, suggest
from rnnstats._index import label
from rnnstats.errors import DataError, SpecificationError
from rnnstats.kernels.kalman import kalman_filter
from rnnstats.kernels.system import StateSpace
from rnnstats.results.forecasting.prediction import Moments
from rnnstats.results.forecasting.windows import DATES
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.responses.intercepts import padded

__all__ = [
    "Conditioned",
    "Joint",
    "condition",
    "joint_forecast",
    "number_of_rows",
    "read_conditions",
    "read_tolerance",
    "row_moments",
]

# Combinations of conditions whose variance is below this share of the largest are determined.
DETERMINED = 1e-12
# Standard deviations below this share of a series' size are rounding: the element is known.
KNOWN = 1e-12
# Conditions may miss what is determined by this many standard deviations of the largest.
ROUNDING = 1e-6


class Joint(NamedTuple):
    """Joint normal distribution of outputs to come.

    Attributes
    ----------
    mean : ndarray of shape (steps, k_endog)
    cov : ndarray of shape (steps * k_endog, steps * k_endog)
        Rows run over the outputs of a row first.
    """

    mean: FloatArray
    cov: FloatArray


class Conditioned(NamedTuple):
    """A joint distribution given conditions.

    Attributes
    ----------
    mean, cov : ndarray
        As in `Joint`.
    statistic : float
        Squared distance of the conditions from what is expected, in standard deviations.
    rank : int
        Number of conditions that are not implied by others.
    """

    mean: FloatArray
    cov: FloatArray
    statistic: float
    rank: int


def number_of_rows(model: StateSpaceModel, steps: Any, caller: str) -> int:
    """Turn a number of rows, or the date of the last one, into a number.

    Parameters
    ----------
    model : StateSpaceModel
    steps : int, str, datetime-like or Period
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    int

    Raises
    ------
    SpecificationError
        It does not lie past the sample.
    """
    if not isinstance(steps, DATES):
        hint = "Give the number of rows, or the date of the last one."
        return check_int(steps, name="steps", caller=caller, minimum=1, hint=hint)
    last = model.endog.location(steps, caller=caller, side="end", name="steps")
    if last < model.nobs:
        raise SpecificationError(
            f"{caller}: steps must lie past the sample, which ends at "
            f"{label(model.endog.index, -1)}; got {steps!r}. Give a later date."
        )
    return last - model.nobs + 1


def read_conditions(
    given: Any, index: pd.Index, names: tuple[str, ...], *, what: str, caller: str
) -> FloatArray:
    """Read values for some of the rows and outputs to come.

    Parameters
    ----------
    given : DataFrame, Series, mapping or array_like
        A frame needs columns with names of outputs, in any order, not all; its labels are those
        of rows to come, unless it is numbered from 0. A Series needs an output's name. A mapping
        gives a number, a sequence, or a Series or mapping by row for each name. An array has shape
        (rows, k_endog).
    index : Index
        Labels of the rows.
    names : tuple of str
        Outputs.
    what, caller : str
        Argument and method, for messages.

    Returns
    -------
    ndarray of shape (len(index), k_endog)
        NaN where nothing is given.

    Raises
    ------
    DataError
        Unknown rows or outputs, wrong shapes, or values that are not finite.
    """
    table = np.full((len(index), len(names)), np.nan)
    if isinstance(given, pd.Series):
        given = given.to_frame(names[0] if given.name is None and len(names) == 1 else given.name)
    if isinstance(given, Mapping):
        for key, values in given.items():
            places = [_place(key, names, what, caller)]
            if isinstance(values, (pd.Series, Mapping)):
                frame = pd.Series(values, dtype=float).to_frame()
                _fill_frame(table, frame, index, places, what, caller)
            else:
                column = np.atleast_1d(np.asarray(values, dtype=float))
                column = np.full(len(index), column[0]) if np.ndim(values) == 0 else column
                _fill(table, column[:, None], places, what, caller)
    elif isinstance(given, pd.DataFrame):
        places = [_place(key, names, what, caller) for key in given.columns]
        _fill_frame(table, given, index, places, what, caller)
    else:
        values = np.asarray(given, dtype=float)
        values = values[:, None] if values.ndim == 1 and len(names) == 1 else values
        if values.ndim != 2 or values.shape[1] != len(names):
            raise DataError(
                f"{caller}: {what} must have a column for each of {', '.join(names)}; got shape "
                f"{values.shape}. Use NaN where there is none, or a frame with named columns."
            )
        _fill(table, values, list(range(len(names))), what, caller)
    if np.isinf(table).any():
        raise DataError(f"{caller}: {what} must be finite; got inf. Use NaN for no condition.")
    return table


def _place(key: object, names: tuple[str, ...], what: str, caller: str) -> int:
    if str(key) in names:
        return names.index(str(key))
    raise DataError(
        f"{caller}: {what} must be about outputs ({', '.join(names)}); got {key!r}."
        f"{suggest(key, names)}"
    )


def _fill_frame(
    table: FloatArray,
    given: pd.DataFrame,
    index: pd.Index,
    places: list[int],
    what: str,
    caller: str,
) -> None:
    """Fill by the labels of the rows; in order if they are just numbered."""
    values = given.to_numpy(dtype=float)
    numbered = isinstance(given.index, pd.RangeIndex) and given.index.start == 0
    if numbered and not given.index.isin(index).all():
        _fill(table, values, places, what, caller)
        return
    rows = index.get_indexer(given.index)
    if (rows < 0).any():
        wrong = given.index[int(np.flatnonzero(rows < 0)[0])]
        raise DataError(
            f"{caller}: {what} must be about rows from {index[0]} to {index[-1]}; got "
            f"{wrong}. Leave other rows out, or ask for more steps."
        )
    if len(set(rows)) < len(rows) or len(set(places)) < len(places):
        raise DataError(
            f"{caller}: {what} must name each row and each output once; got some twice. "
            "Leave the others out."
        )
    table[rows[:, None], places] = values


def _fill(table: FloatArray, values: FloatArray, places: list[int], what: str, caller: str) -> None:
    if len(values) > len(table):
        raise DataError(
            f"{caller}: {what} must have at most one row for each of the {len(table)} steps; got "
            f"{len(values)} rows. Ask for more steps."
        )
    table[: len(values), places] = values


def read_tolerance(
    given: Any, conditions: FloatArray, index: pd.Index, names: tuple[str, ...], caller: str
) -> FloatArray:
    """Read standard deviations of conditions.

    Parameters
    ----------
    given : None, float, DataFrame, Series, mapping or array_like
        One number for all conditions, or as in `read_conditions`; None for exact ones.
    conditions : ndarray of shape (steps, k_endog)
    index : Index
    names : tuple of str
    caller : str

    Returns
    -------
    ndarray of shape (steps, k_endog)
        0 where a value is held exactly.

    Raises
    ------
    DataError
        Negative numbers, or as in `read_conditions`.
    """
    if given is None:
        return np.zeros_like(conditions)
    if np.ndim(given) == 0 and not isinstance(given, Mapping):
        table = np.full(conditions.shape, float(given))
        if not np.isfinite(float(given)):
            table[:] = -1.0
    else:
        table = read_conditions(given, index, names, what="tolerance", caller=caller)
    table = np.where(np.isnan(table), 0.0, table)
    if (table < 0).any():
        raise DataError(
            f"{caller}: tolerance must hold finite standard deviations, 0 for values held exactly; "
            f"got {given!r}. Leave out conditions instead of giving them infinite tolerance."
        )
    return table


def joint_forecast(
    model: StateSpaceModel, theta: FloatArray, steps: int, future: FloatArray | None
) -> Joint:
    """Return the joint distribution of outputs to come given the sample.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
        All natural parameters.
    steps : int
    future : ndarray of shape (steps, k_exog), optional
        Their inputs.

    Returns
    -------
    Joint

    Raises
    ------
    SpecificationError
        The sample does not determine a diffuse start.
    """
    system = model.system(theta, steps=steps, exog=future)
    n = model.nobs
    output = kalman_filter(system, padded(model.endog.values, n + steps))
    if output.predicted_diffuse_cov[n].any():
        raise SpecificationError(
            "conditional_forecast: the sample must determine the state at its end; got a diffuse "
            "start that it does not resolve. Use a longer sample."
        )
    cov = _joint_cov(system, output.predicted_state_cov[n], steps)
    return Joint(np.array(output.forecast[n:]), cov)


def _joint_cov(system: StateSpace, state_cov: FloatArray, steps: int) -> FloatArray:
    """Covariance of ``steps`` rows of outputs, given that of the state at the first of them."""
    p, design, transition = system.k_endog, system.design, system.transition
    noise = system.selection @ system.state_cov @ system.selection.T
    shared = system.selection @ system.cross_cov
    blocks = np.empty((steps, p, steps, p))
    for i in range(steps):
        blocks[i, :, i] = design @ state_cov @ design.T + system.obs_cov
        ahead = transition @ state_cov @ design.T + shared  # Cov(h_{i+1}, y_i)
        for j in range(i + 1, steps):
            blocks[j, :, i] = design @ ahead
            blocks[i, :, j] = blocks[j, :, i].T
            ahead = transition @ ahead
        state_cov = transition @ state_cov @ transition.T + noise
    return blocks.reshape(steps * p, steps * p)


def condition(
    joint: Joint, values: FloatArray, tolerance: FloatArray, *, caller: str
) -> Conditioned:
    """Condition a joint normal distribution on some of its elements.

    Parameters
    ----------
    joint : Joint
    values : ndarray of shape (steps, k_endog)
        NaN where there is no condition.
    tolerance : ndarray of shape (steps, k_endog)
        Standard deviation of independent noise on each value.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    Conditioned
        Elements held exactly have their value and no variance.

    Raises
    ------
    DataError
        Conditions contradict each other, or what the model determines.

    References
    ----------
    Bańbura, M., Giannone, D. and Lenza, M. (2015), Conditional forecasts and scenario analysis with
    vector autoregressions for large cross-sections, International Journal of Forecasting 31.
    """
    asked = np.flatnonzero(~np.isnan(values.ravel()))
    loose = tolerance.ravel()[asked] ** 2
    gap = values.ravel()[asked] - joint.mean.ravel()[asked]
    inner = joint.cov[np.ix_(asked, asked)] + np.diag(loose)
    deviation = np.sqrt(np.maximum(np.diagonal(inner), 0.0))
    size = _sizes(joint, values)[asked]
    free = deviation > KNOWN * size
    scale = np.where(free, deviation, size)
    roots, vectors = np.linalg.eigh(inner * np.outer(free, free) / np.outer(scale, scale))
    kept = roots > DETERMINED * max(float(roots.max(initial=0.0)), 1e-300) * max(len(asked), 1)
    along = vectors.T @ (gap / scale)
    if np.abs(along[~kept]).max(initial=0.0) > ROUNDING * max(
        1.0, float(np.abs(along).max(initial=0.0))
    ):
        raise DataError(
            f"{caller}: conditions must be possible together; got values that contradict each "
            "other or what the model determines exactly. Give them a tolerance, or drop some."
        )
    root = vectors[:, kept] / np.sqrt(roots[kept])
    white = root.T @ (gap / scale)
    loading = joint.cov[:, asked] / scale @ root
    mean = joint.mean.ravel() + loading @ white
    # Joseph's form: a sum of squares, which rounding does not make negative
    gain = (loading @ root.T) / scale
    rest = np.eye(len(mean))
    rest[:, asked] -= gain
    part = rest @ _square_root(joint.cov)
    cov = part @ part.T + (gain * loose) @ gain.T
    cov = 0.5 * (cov + cov.T)
    exact = asked[loose == 0.0]
    mean[exact] = values.ravel()[exact]
    cov[exact, :] = 0.0
    cov[:, exact] = 0.0
    rank = int(kept.sum())
    return Conditioned(mean.reshape(joint.mean.shape), cov, float(white @ white), rank)


def _sizes(joint: Joint, values: FloatArray) -> FloatArray:
    """Magnitude of each series in its own units, for each element: shape (steps * k_endog,)."""
    steps, p = joint.mean.shape
    deviation = np.sqrt(np.maximum(np.diagonal(joint.cov), 0.0)).reshape(steps, p)
    largest = np.max([np.abs(joint.mean), np.nan_to_num(np.abs(values)), deviation], axis=(0, 1))
    return np.tile(np.where(largest > 0, largest, 1.0), steps)


def _square_root(cov: FloatArray) -> FloatArray:
    """Matrix S with S S' = cov, where rounding below zero counts as zero; in any units."""
    size = np.sqrt(np.maximum(np.diagonal(cov), 0.0))
    unit = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(cov / np.outer(unit, unit))
    root: FloatArray = unit[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def row_moments(given: Conditioned) -> Moments:
    """Keep the covariances within rows.

    Parameters
    ----------
    given : Conditioned

    Returns
    -------
    Moments
    """
    steps, p = given.mean.shape
    blocks = given.cov.reshape(steps, p, steps, p)
    rows = np.arange(steps)
    return Moments(given.mean, blocks[rows, :, rows, :])
