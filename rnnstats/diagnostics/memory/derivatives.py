"""Jacobians of functions that users write: a complex step where that is exact, else differences."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.errors import SpecificationError

__all__ = [
    "FAILURES",
    "Step",
    "Vector",
    "as_step",
    "complex_step",
    "differences",
    "is_analytic",
    "jacobian_of",
]

FloatArray = NDArray[np.float64]
Vector = NDArray[Any]
Step = Callable[[Vector, Any], Vector]

# Any length does: there is no difference that could cancel.
COMPLEX_STEP = 1e-30
# A complex step and a difference that disagree by more belong to a function that is not analytic.
AGREEMENT = 1e-5
# Relative length of central differences: the third root of eps.
DIFFERENCE = 6e-6
# What a user's function may raise where it was not written to be called: at a state that never
# comes up, or with many of them.
FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
# What a difference of two values may lose, in units of their rounding.
ROUNDINGS = 16.0


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


def jacobian_of(
    step: Step, state: FloatArray, inputs: Any, others: Sequence[tuple[FloatArray, Any]] = ()
) -> Callable[[Vector, Any], FloatArray]:
    """Derivative of a step by the state, as a function.

    Parameters
    ----------
    step : callable
        As `as_step` gives it.
    state : ndarray of shape (m,)
        Where the two ways are compared.
    inputs : object
        Given to the step with it.
    others : sequence of tuple
        More states with inputs where they are.

    Returns
    -------
    callable
        ``jacobian(h, x)``, shape (outputs, m); of n states side by side, (m, n), (outputs, m, n).

    Notes
    -----
    A complex step (Squire and Trapp 1998, SIAM Review 40, 110-112) is exact to rounding for
    functions made of analytic ones that take complex numbers. Where it fails, or differs from
    central differences (see `is_analytic`), differences are used.
    """
    if all(is_analytic(step, *pair) for pair in ((state, inputs), *others)):
        return lambda h, x: complex_step(step, h, x)
    return lambda h, x: differences(step, h, x)


def is_analytic(step: Step, state: FloatArray, inputs: Any) -> bool:
    """Whether a complex step gives the derivative of a function.

    Parameters
    ----------
    step : callable
        As `as_step` gives it.
    state : ndarray of shape (m,)
        Where it is compared with central differences, and a little beside it: in a kink such as
        that of ``abs`` at zero both are zero.
    inputs : object
        Given to the step with it.

    Returns
    -------
    bool
        False where the function fails on complex numbers, or the two differ by more than 1e-5 of
        the largest derivative and what differences lose to rounding and to curvature.
    """
    at = np.asarray(state, dtype=np.float64)
    turns = np.sqrt(np.arange(2.0, len(at) + 2.0)) % 1.0  # in no special direction
    beside = at + 0.01 * (0.5 + turns) * np.maximum(1.0, np.abs(at))
    with np.errstate(all="ignore"):
        if not _agree(step, at, inputs):
            return False
        try:
            inside = bool(np.isfinite(step(beside.copy(), inputs)).all())
        except FAILURES:
            inside = False
        return not inside or _agree(step, beside, inputs)


def _agree(step: Step, at: FloatArray, inputs: Any) -> bool:
    """Whether a complex step and central differences agree at a state."""
    slow, wide = (differences(step, at, inputs, times) for times in (1.0, 2.0))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            fast = complex_step(step, at, inputs)
    except (TypeError, ValueError, np.exceptions.ComplexWarning):
        return False
    if not np.isfinite(fast).all():
        return False
    rounding = ROUNDINGS * np.finfo(np.float64).eps * np.abs(step(at.copy(), inputs)) / DIFFERENCE
    # twice the length makes four times the error of curvature
    curvature = np.abs(wide - slow).max(initial=0.0)
    lost = rounding.max(initial=0.0) + curvature
    return bool(np.abs(fast - slow).max(initial=0.0) <= AGREEMENT * np.abs(slow).max() + lost)


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


def differences(step: Step, state: Vector, inputs: Any, times: float = 1.0) -> FloatArray:
    """Derivative of a function by the state, by central differences.

    Parameters
    ----------
    step : callable
        As `as_step` gives it.
    state : ndarray of shape (m,), or (m, n)
        One state, or n side by side.
    inputs : object
        Given to the step with it.
    times : float
        Length of the differences, in units of the usual one.

    Returns
    -------
    ndarray of shape (outputs, m), or (outputs, m, n)
    """
    columns = []
    for j in range(len(state)):
        length = times * DIFFERENCE * np.maximum(1.0, np.abs(state[j]))
        above, below = state.copy(), state.copy()
        above[j] += length
        below[j] -= length
        gap = above[j] - below[j]  # before a function that works in place gets them
        columns.append((step(above, inputs) - step(below, inputs)) / gap)
    return np.stack(columns, axis=1)
