"""What users give for a recurrence, checked at the door."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import shown
from rnnstats.errors import SpecificationError

__all__ = ["check_slopes", "described", "numbers_of", "refuse", "rows_of", "start_of"]

FloatArray = NDArray[np.float64]


def refuse(caller: str, what: str, **given: object) -> None:
    """Refuse arguments that make no sense with a source.

    Parameters
    ----------
    caller : str
        Function that the user called.
    what : str
        The source, in words.
    **given : object
        Arguments by name; None where not given.

    Raises
    ------
    SpecificationError
        One was given.
    """
    for name, value in given.items():
        if value is not None:
            raise SpecificationError(
                f"{caller}: {name} makes no sense with {what}; got {shown(value)}. Leave it out."
            )


def numbers_of(given: Any) -> FloatArray:
    """Read real numbers.

    Parameters
    ----------
    given : array_like

    Returns
    -------
    ndarray
        Empty where they are complex, no numbers, or lists of unequal length.
    """
    try:
        array = np.array(given)
        real = np.can_cast(array.dtype, np.float64, casting="same_kind")
        return np.array(array, dtype=np.float64) if real or array.dtype == object else np.empty(0)
    except (TypeError, ValueError):
        return np.empty(0)


def start_of(h0: ArrayLike, caller: str) -> FloatArray:
    """
    Check a state to start from.

    Parameters
    ----------
    h0 : array_like of shape (m,), or a number
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    ndarray, shape (m,)

    Raises
    ------
    SpecificationError
        It is no list of finite numbers.
    """
    start = np.atleast_1d(numbers_of(h0))
    if start.ndim != 1 or not start.size or not np.isfinite(start).all():
        raise SpecificationError(
            f"{caller}: h0 must be a list of finite numbers, shape (m,); got {shown(h0)}."
        )
    return start


def check_slopes(slopes: FloatArray, caller: str) -> None:
    """
    Check the derivatives of a function by its state, step by step.

    Parameters
    ----------
    slopes : ndarray, shape (nsteps, m, m)
    caller : str
        Function that the user called, for messages.

    Raises
    ------
    SpecificationError
        Some are not finite.
    """
    if np.isfinite(slopes).all():
        return
    row = int(np.flatnonzero(~np.isfinite(slopes).all(axis=(1, 2)))[0])
    raise SpecificationError(
        f"{caller}: derivatives of the step by the state must be finite; got {shown(slopes[row])} "
        f"in step {row + 1}. Give a jacobian that has them, or start elsewhere."
    )


def described(source: Any) -> str:
    """Name shape and type of what was given for an array.

    Parameters
    ----------
    source : object

    Returns
    -------
    str
    """
    try:
        array = np.asarray(source)
    except ValueError:
        return shown(source)
    return f"shape {array.shape} of {array.dtype}"


def rows_of(inputs: ArrayLike, caller: str) -> NDArray[Any]:
    """
    Check inputs, one row a step.

    Parameters
    ----------
    inputs : array_like of shape (nsteps, ...)
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    ndarray
        A copy.

    Raises
    ------
    SpecificationError
        There is no row.
    """
    rows = np.array(inputs)
    if rows.ndim < 1 or not len(rows):
        raise SpecificationError(
            f"{caller}: inputs must have one row a step, shape (nsteps, ...); got {shown(inputs)}."
        )
    return rows
