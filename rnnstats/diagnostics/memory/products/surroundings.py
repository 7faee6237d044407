"""Derivatives of a user's function by its inputs, and of what is read from its states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.diagnostics.memory.batched import slopes_at_once
from rnnstats.diagnostics.memory.derivatives import Step, as_step, jacobian_of
from rnnstats.diagnostics.memory.recurrences import (
    GivenRecurrence,
    Labels,
    Recurrence,
    StepRecurrence,
    Trajectory,
)
from rnnstats.errors import SpecificationError

__all__ = ["input_slopes", "with_output"]

FloatArray = NDArray[np.float64]
Output = Callable[..., ArrayLike] | ArrayLike


def input_slopes(recurrence: StepRecurrence) -> FloatArray | None:
    """
    Derivative of each state of a run by the inputs of its row.

    Parameters
    ----------
    recurrence : StepRecurrence

    Returns
    -------
    ndarray, shape (nsteps, m, q), or None
        None without inputs. Inputs of several axes are flat, in C order.
    """
    states = recurrence.run[0]
    step = as_step(recurrence.step, caller=recurrence.caller)
    return _by_inputs(step, recurrence, states[:-1], states[1:])


def _by_inputs(
    function: Step, recurrence: StepRecurrence, states: FloatArray, values: FloatArray
) -> FloatArray | None:
    """Derivative by a row's inputs of a function of these and a state, which has these values."""
    rows = recurrence.given_inputs
    if rows is None:
        return None
    if rows.dtype.kind not in "biuf":
        raise SpecificationError(
            f"{recurrence.caller}: inputs must be real numbers where derivatives by them are "
            f"wanted; got dtype {rows.dtype}."
        )
    shape, flat = rows.shape[1:], rows.astype(np.float64).reshape(len(rows), -1)
    moved = lambda x, state: function(state, x.reshape((*shape, *x.shape[1:]))[()])  # noqa: E731
    return _along(moved, flat, values, states)


def _along(
    function: Step, points: FloatArray, values: FloatArray, given: NDArray[Any] | None
) -> FloatArray:
    """Jacobians (n, m, k) of a function of points (n, k), at which it has these values (n, m)."""
    rows: Any = [None] * len(points) if given is None else given
    slope = jacobian_of(function, points[0], rows[0])
    together = slopes_at_once(function, slope, points, values, given)
    if together is not None:
        return together
    found = [slope(point.copy(), row) for point, row in zip(points, rows, strict=True)]
    return np.array(found, dtype=np.float64)


def with_output(
    recurrence: Recurrence, trajectory: Trajectory, output: Output | None, caller: str
) -> tuple[Trajectory, Labels]:
    """
    Add to a trajectory what only derivatives of a user's functions tell.

    Parameters
    ----------
    recurrence : Recurrence
    trajectory : Trajectory
        Of it.
    output : callable, array_like or None
        ``output(h, x)`` or ``output(h)``, or a matrix (p, m): what is read from the states of a
        function or of given Jacobians.
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    trajectory : Trajectory
        With the derivatives by the inputs, and those of the output.
    labels : Labels
        With names of outputs.

    Raises
    ------
    SpecificationError
        Results get an output, given Jacobians a function, or shapes do not fit.
    """
    labels = recurrence.names(trajectory)
    if isinstance(recurrence, StepRecurrence):
        trajectory = replace(trajectory, inputs=input_slopes(recurrence))
    elif output is not None and not isinstance(recurrence, GivenRecurrence):
        raise SpecificationError(
            f"{caller}: output makes no sense with results of a model, which have their own; got "
            f"{type(output).__name__}. Leave it out."
        )
    if output is None:
        return trajectory, labels
    if not callable(output):
        readout, direct = _matrix(output, trajectory, caller), None
    elif isinstance(recurrence, StepRecurrence):
        read = as_step(output, caller=caller, name="output")
        states, row = recurrence.run[0][1:], recurrence.inputs_of
        values = np.array([read(state.copy(), row(t)).real for t, state in enumerate(states)])
        readout = _along(read, states, values, recurrence.given_inputs)
        direct = _by_inputs(read, recurrence, states, values)
        direct = None if direct is None or not direct.any() else direct
    else:
        raise SpecificationError(
            f"{caller}: output must be a matrix (p, m) where Jacobians are given; got a function. "
            "A function needs states: give a function step(h, x)."
        )
    names = tuple(f"y{j + 1}" for j in range(readout.shape[1]))
    return replace(trajectory, readout=readout, direct=direct), replace(labels, outputs=names)


def _matrix(output: Any, trajectory: Trajectory, caller: str) -> FloatArray:
    """The same readout in every row, without copies."""
    matrix = np.array(output, dtype=np.float64)
    m = trajectory.k_state
    if matrix.ndim != 2 or matrix.shape[1] != m or not matrix.size or not np.isfinite(matrix).all():
        raise SpecificationError(
            f"{caller}: output must be a function output(h, x) or a matrix of finite numbers with "
            f"a column for each of the {m} states; got shape {matrix.shape}."
        )
    return np.broadcast_to(matrix, (trajectory.nobs, *matrix.shape))
