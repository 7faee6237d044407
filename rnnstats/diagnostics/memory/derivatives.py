"""Jacobians of functions that users write: a complex step where that is exact, else differences."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.errors import SpecificationError

__all__ = ["Step", "Vector", "as_step", "complex_step", "is_analytic", "jacobian_of"]

FloatArray = NDArray[np.float64]
Vector = NDArray[Any]
Step = Callable[[Vector, Any], Vector]

# Any length does: there is no difference that could cancel.
COMPLEX_STEP = 1e-30
# A complex step and a difference that disagree by more belong to a function that is not analytic.
AGREEMENT = 1e-5
# Relative length of central differences: the third root of eps.
DIFFERENCE = 6e-6


def as_step(function: Callable[..., ArrayLike], *, caller: str, name: str = "step") -> Step:
    """Bring a function of a state, or of a state and inputs, to one form.

    Parameters
    ----------
    function : callable
        ``function(h, x)`` or ``function(h)``.
    caller : str
        Function that the user called, for messages.
    name : str
        What the function is called in messages.

    Returns
    -------
    callable
        ``step(h, x)`` that gives an array of one axis. A function of a single state that does not
        take an array of one number (``lambda h: math.sin(h)``) is given the number.

    Raises
    ------
    SpecificationError
        It cannot be called, or not with one or two arguments.
    """
    if not callable(function):
        raise SpecificationError(
            f"{caller}: {name} must be a function {name}(h, x); got {type(function).__name__}."
        )
    alone = _takes_one(function, caller=caller, name=name)
    numbers: list[bool] = []  # one entry, from the first call with a single state

    def call(state: Any, inputs: Any) -> Vector:
        found = function(state) if alone else function(state, inputs)
        return np.atleast_1d(np.asarray(found))

    def step(state: Vector, inputs: Any) -> Vector:
        if not numbers and np.shape(state) == (1,):
            numbers.append(not _takes_array(call, state, inputs))
        return call(state[0] if numbers and numbers[0] else state, inputs)

    return step


def _takes_array(function: Step, state: Vector, inputs: Any) -> bool:
    """Whether a function of one state takes it as an array; if not, it is to be given a number."""
    try:
        function(state.copy(), inputs)
    except TypeError:
        try:
            function(state[0], inputs)
        except (TypeError, IndexError):
            return True  # neither way: what the user wrote fails as it does
        return False
    return True


def _takes_one(function: Callable[..., Any], *, caller: str, name: str) -> bool:
    """Whether a function is to be called with the state alone."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a built-in function that does not say
        return False
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return False
    placed = [
        one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    needed = [one for one in placed if one.default is one.empty]
    if not placed or len(needed) > 2:
        raise SpecificationError(
            f"{caller}: {name} must take a state and inputs, {name}(h, x), or a state alone; got "
            f"one with {len(needed)} arguments. Wrap it: lambda h, x: ..."
        )
    if len(placed) > 1 and placed[0].name in ("t", "time"):
        raise SpecificationError(
            f"{caller}: {name} must take the state first, {name}(h, x); got one whose first "
            f"argument is {placed[0].name!r}. Wrap it: lambda h, x: {name}({placed[0].name}, h)."
        )
    return len(placed) == 1


def jacobian_of(step: Step, state: FloatArray, inputs: Any) -> Callable[[Vector, Any], FloatArray]:
    """Derivative of a step by the state, as a function.

    Parameters
    ----------
    step : callable
        As `as_step` gives it.
    state : ndarray of shape (m,)
        Where the two ways are compared.
    inputs : object
        Given to the step with it.

    Returns
    -------
    callable
        ``jacobian(h, x)``, shape (outputs, m).

    Notes
    -----
    A complex step (Squire and Trapp 1998, SIAM Review 40, 110-112) is exact to rounding for
    functions made of analytic ones that take complex numbers; where it fails at `state`, or differs
    from central differences there by more than 1e-5, differences are used.
    """
    if is_analytic(step, state, inputs):
        return lambda h, x: complex_step(step, h, x)
    return lambda h, x: _differences(step, h, x)


def is_analytic(step: Step, state: FloatArray, inputs: Any) -> bool:
    """Whether a complex step gives the derivative of a function.

    Parameters
    ----------
    step : callable
        As `as_step` gives it.
    state : ndarray of shape (m,)
        Where it is compared with central differences.
    inputs : object
        Given to the step with it.

    Returns
    -------
    bool
        False where the function fails on complex numbers, or differs by more than 1e-5.
    """
    probe = np.asarray(state, dtype=np.float64)
    slow = _differences(step, probe, inputs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            fast = complex_step(step, probe, inputs)
    except (TypeError, ValueError, np.exceptions.ComplexWarning):
        return False
    size = max(1.0, float(np.abs(slow).max(initial=0.0)))
    return bool(
        np.isfinite(fast).all() and np.abs(fast - slow).max(initial=0.0) <= AGREEMENT * size
    )


def complex_step(step: Step, state: Vector, inputs: Any) -> FloatArray:
    """Derivative of an analytic function by the state, exact to rounding.

    Parameters
    ----------
    step : callable
        As `as_step` gives it; takes complex numbers.
    state : ndarray of shape (m,), or (m, n)
        One state, or n side by side.
    inputs : object
        Given to the step with it.

    Returns
    -------
    ndarray of shape (outputs, m), or (outputs, m, n)
    """
    columns = []
    for j in range(len(state)):
        moved = state.astype(np.complex128)
        moved[j] += 1j * COMPLEX_STEP
        columns.append(np.imag(step(moved, inputs)) / COMPLEX_STEP)
    return np.stack(columns, axis=1)


def _differences(step: Step, state: Vector, inputs: Any) -> FloatArray:
    columns = []
    for j in range(len(state)):
        length = DIFFERENCE * max(1.0, abs(float(state[j])))
        above, below = state.copy(), state.copy()
        above[j] += length
        below[j] -= length
        columns.append((step(above, inputs) - step(below, inputs)) / (above[j] - below[j]))
    return np.stack(columns, axis=1)
