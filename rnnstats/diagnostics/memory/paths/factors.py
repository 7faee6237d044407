"""The two factors of each step of a recurrence: what it keeps, and what goes through its branch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_int, shown
from rnnstats.diagnostics.memory.arguments import described, numbers_of, start_of
from rnnstats.diagnostics.memory.recurrences import Given, Kept, Labels, Recurrence
from rnnstats.errors import SpecificationError

__all__ = ["as_factors", "of_recurrence", "of_tanh", "row_range"]

FloatArray = NDArray[np.float64]
CALLER = "gradient_paths"


def as_factors(kept: ArrayLike, branch: ArrayLike, caller: str) -> tuple[FloatArray, FloatArray]:
    """
    Check two factors a step.

    Parameters
    ----------
    kept, branch : array_like of shape (T,) or (T, m, m)
        One of them may also be the number, or the matrix (m, m), of every step.
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    kept : ndarray, shape (T,) or (T, m, m)
    branch : ndarray of the same shape
        Numbers where m is 1.

    Raises
    ------
    SpecificationError
        They have other or unequal shapes, or are not finite.
    """
    found = _same_steps(numbers_of(kept), numbers_of(branch))
    shape = found[0].shape
    square = len(shape) == 1 or (len(shape) == 3 and shape[1] == shape[2])
    if shape != found[1].shape or not square or not found[0].size:
        raise SpecificationError(
            f"{caller}: kept and branch must have one shape, (T,) or (T, m, m), and be real; got "
            f"{described(kept)} and {described(branch)}."
        )
    for name, values in zip(("kept", "branch"), found, strict=True):
        if not np.isfinite(values).all():
            raise SpecificationError(f"{caller}: {name} must be finite; got {shown(values)}.")
    if shape[1:] == (1, 1):
        return found[0][:, 0, 0], found[1][:, 0, 0]
    return found


def _same_steps(kept: FloatArray, branch: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give one factor, where it is that of every step, the steps of the other."""
    least, most = sorted((kept, branch), key=lambda one: one.ndim)
    by_step = most.ndim in (1, 3) and least.ndim == most.ndim - 1 and least.size > 0
    if by_step and least.shape == most.shape[1:]:
        return np.broadcast_to(kept, most.shape), np.broadcast_to(branch, most.shape)
    return kept, branch


def of_tanh(
    alpha: ArrayLike,
    beta: ArrayLike,
    h0: ArrayLike | None,
    nsteps: int | None,
    weights: ArrayLike | None,
    inputs: ArrayLike | None,
) -> tuple[FloatArray, FloatArray]:
    """
    Run ``h_t = alpha h_{t-1} + beta tanh(W h_{t-1} + x_t)`` and take its factors.

    Parameters
    ----------
    alpha, beta : float or array_like of shape (m, m)
    h0 : float or array_like of shape (m,)
    nsteps : int, optional
    weights : float or array_like of shape (m, m), optional
    inputs : array_like of shape (T,) or (T, m), optional

    Returns
    -------
    kept : ndarray, shape (T,) or (T, m, m)
    branch : ndarray of the same shape

    Raises
    ------
    SpecificationError
        Shapes do not fit, or the state does not stay finite.
    """
    if h0 is None:
        raise SpecificationError(f"{CALLER}: h0 must be given with alpha and beta; got None.")
    start = start_of(h0, CALLER)
    m = len(start)
    A, B = _square(alpha, m, "alpha"), _square(beta, m, "beta")
    W = np.eye(m) if weights is None else _square(weights, m, "weights")
    rows = _driving(inputs, nsteps, m)
    kept, branch = np.broadcast_to(A, (len(rows), m, m)), np.empty((len(rows), m, m))
    state = start
    for t, row in enumerate(rows):
        with np.errstate(over="ignore", invalid="ignore"):
            active = W @ state + row
            branch[t] = B @ (_slope_of_tanh(active)[:, None] * W)
            state = A @ state + B @ np.tanh(active)
        if not np.isfinite(state).all():
            raise SpecificationError(
                f"{CALLER}: the state must stay finite; got {shown(state)} after step {t + 1}. "
                "Take a smaller alpha, or fewer steps."
            )
    return as_factors(kept, branch, CALLER)


def _slope_of_tanh(active: FloatArray) -> FloatArray:
    """1 - tanh^2 without its cancellation: 4 e^(-2|x|) / (1 + e^(-2|x|))^2."""
    decay = np.exp(-2.0 * np.abs(active))
    return np.asarray(4.0 * decay / (1.0 + decay) ** 2)


def _square(value: ArrayLike, m: int, name: str) -> FloatArray:
    found = numbers_of(value)
    if found.ndim == 0:
        found = float(found) * np.eye(m)
    if found.shape != (m, m) or not np.isfinite(found).all():
        raise SpecificationError(
            f"{CALLER}: {name} must be a finite number or a matrix of shape {(m, m)}, as h0 has "
            f"{m} states; got {shown(value)}."
        )
    return found


def _driving(inputs: ArrayLike | None, nsteps: int | None, m: int) -> FloatArray:
    if inputs is None:
        if nsteps is None:
            raise SpecificationError(f"{CALLER}: nsteps must be given without inputs; got None.")
        return np.zeros((check_int(nsteps, name="nsteps", caller=CALLER, minimum=1), m))
    rows = numbers_of(inputs)
    if rows.ndim == 1:
        rows = rows[:, None]
    count = len(rows) if nsteps is None else nsteps
    count = check_int(count, name="nsteps", caller=CALLER, minimum=1)
    if rows.ndim != 2 or rows.shape[1] != m or len(rows) < count or not np.isfinite(rows).all():
        raise SpecificationError(
            f"{CALLER}: inputs must be finite, with a row for each of the {count} steps and a "
            f"column for each of the {m} states; got {described(inputs)}."
        )
    return rows[:count]


def row_range(
    offsets: NDArray[np.intp], nsteps: int | None, default: int | None, caller: str
) -> slice:
    """
    Choose the last rows of the last sequence.

    Parameters
    ----------
    offsets : ndarray of int
        First row of each sequence, and n.
    nsteps : int, optional
    default : int, optional
        Rows where none are asked for; None for all.
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    slice

    Raises
    ------
    SpecificationError
        There are fewer rows than asked for.
    """
    first, last = int(offsets[-2]), int(offsets[-1])
    have = last - first
    if nsteps is not None and nsteps > have:
        raise SpecificationError(
            f"{caller}: nsteps must be at most {have}, the rows of the last sequence; got {nsteps}."
        )
    count = nsteps if nsteps is not None else min(have, have if default is None else default)
    return slice(last - count, last)


def of_recurrence(
    recurrence: Recurrence, rows: slice, carry: Any, given: Given | None
) -> tuple[FloatArray, FloatArray]:
    """
    Split the Jacobians of a recurrence into what is kept and the rest.

    Parameters
    ----------
    recurrence : Recurrence
    rows : slice
        Steps that are taken.
    carry : {"gates", "unit"} or array_like
        See `paths.gradient_paths`.
    given : {"inputs", "shocks"}, optional
        What is held.

    Returns
    -------
    kept : ndarray, shape (T,) or (T, m, m)
    branch : ndarray of the same shape

    Raises
    ------
    SpecificationError
        The recurrence has no gates, or the factors do not fit.
    """
    trajectory = recurrence.trajectory(given)
    jacobians = np.asarray(trajectory.state)[rows]
    if isinstance(carry, str) and carry == "gates":
        gates = recurrence.kept()
        if gates is None:
            raise SpecificationError(
                f"{CALLER}: carry='gates' needs results of a GRU or LSTM; got a recurrence without "
                "gates. Pass carry='unit', or what is kept as numbers."
            )
        kept = _gated(gates, recurrence.names(trajectory), jacobians, rows)
    elif isinstance(carry, str):
        kept = np.broadcast_to(np.eye(jacobians.shape[1]), jacobians.shape)
    else:
        kept = _given(carry, *jacobians.shape[:2])
    return as_factors(kept, jacobians - kept, CALLER)


def _gated(gates: Kept, names: Labels, jacobians: FloatArray, rows: slice) -> FloatArray:
    """What gates keep: the update gate of the state itself, the forget gate of the cell."""
    found = np.zeros_like(jacobians)
    values = gates.values[rows]
    for column, unit in enumerate(gates.units):
        own = names.states.index(unit)
        if gates.gate == "update":
            found[:, own, own] = values[:, column]
            continue
        cell = f"c{unit[1:]}"
        if cell not in names.states:
            raise SpecificationError(
                f"{CALLER}: carry='gates' needs the cell content of {unit} among the states; got "
                f"{', '.join(names.states)}. Pass carry as numbers."
            )
        # the content before enters the content and the unit's own output only by being kept
        place = names.states.index(cell)
        found[:, place, place] = values[:, column]
        found[:, own, place] = jacobians[:, own, place]
    return found


def _given(carry: ArrayLike, steps: int, m: int) -> FloatArray:
    values = np.array(carry, dtype=np.float64)
    shape = (steps, m, m)
    if values.shape == shape or (values.shape == (m, m) and m > 1):
        return np.broadcast_to(values, shape)
    if values.shape in ((), (m,), (steps, m)) or (m == 1 and values.shape == (steps,)):
        rows = values[:, None] if m == 1 and values.shape == (steps,) else values
        return np.broadcast_to(rows, (steps, m))[:, :, None] * np.eye(m)
    raise SpecificationError(
        f"{CALLER}: carry must be a number or have shape {(m,)}, {(steps, m)}, {(m, m)} or "
        f"{shape}; got {values.shape}."
    )
