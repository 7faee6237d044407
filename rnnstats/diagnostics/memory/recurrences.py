"""A recurrence along a series: what all measures of memory read.

``s_t = F(s_{t-1}, u_t)`` with ``E[y_t] = g(s_t, u_t)``, row t of the inputs into step t. A matrix,
a list of Jacobians, a function ``step(h, x)`` and the results of every model are recurrences:
`recurrence_of` makes one of each, and results of models add themselves to it where they are
written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, singledispatch
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_int, shown
from rnnstats.diagnostics.memory.arguments import (
    check_slopes,
    described,
    numbers_of,
    refuse,
    rows_of,
    start_of,
)
from rnnstats.diagnostics.memory.batched import slopes_at_once
from rnnstats.diagnostics.memory.derivatives import as_step, jacobian_of
from rnnstats.diagnostics.memory.driven import ChainFigures, Driven, LinearDrive
from rnnstats.diagnostics.memory.trajectories import Estimated, Given, Kept, Labels, Trajectory
from rnnstats.errors import SpecificationError

__all__ = [
    "Given",
    "GivenRecurrence",
    "Kept",
    "Labels",
    "Recurrence",
    "StepRecurrence",
    "Trajectory",
    "recurrence_of",
    "refuse",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Function = Callable[["Recurrence"], FloatArray]


class Recurrence(ABC):
    """A recurrence along a series, and what is uncertain about it.

    Attributes
    ----------
    labels : Labels
        Names and time.
    estimates : Estimated or None
        What is known of the estimates, where it takes more than a covariance.
    """

    labels: Labels
    estimates: Estimated | None = None

    def names(self, trajectory: Trajectory) -> Labels:
        """Names of the columns of a trajectory.

        Parameters
        ----------
        trajectory : Trajectory
            One of this recurrence.

        Returns
        -------
        Labels
        """
        return self.labels if trajectory.labels is None else trajectory.labels

    @abstractmethod
    def trajectory(self, given: Given | None = None) -> Trajectory:
        """Derivatives along the series.

        Parameters
        ----------
        given : {"inputs", "shocks"}, optional
            What is held as it was while the state moves: the inputs, lagged outputs among them, or
            the shocks, so that outputs move with the state and come back as inputs. By default what
            the model's state equation is written in.

        Returns
        -------
        Trajectory
        """

    def kept(self) -> Kept | None:
        """Shares of their content that units keep, where they have gates for it.

        Returns
        -------
        Kept or None
        """
        return None

    def slopes(self, function: Function) -> FloatArray | None:
        """Derivatives of a function of the recurrence by the estimated parameters.

        Parameters
        ----------
        function : callable
            A recurrence like this one, at other parameters, to an array of any shape.

        Returns
        -------
        ndarray, shape (size of the function, K), or None
            None where nothing is estimated.
        """
        return None

    def spread(self, slopes: FloatArray) -> FloatArray:
        """Covariance that the estimates give to quantities with these derivatives.

        Parameters
        ----------
        slopes : ndarray, shape (k, K)

        Returns
        -------
        ndarray, shape (k, k)
        """
        if self.estimates is not None:
            return self.estimates.spread(slopes)
        return np.zeros((len(slopes), len(slopes)))

    def drive(self) -> LinearDrive | None:
        """What drives the recurrence where it is linear.

        Returns
        -------
        LinearDrive or None
            None where it is not linear.
        """
        return None

    def chain(self) -> ChainFigures | None:
        """How fast the Markov chain behind a belief forgets, where there is one.

        Returns
        -------
        ChainFigures or None
        """
        return None

    def driven(self, nsteps: int, rng: np.random.Generator) -> Driven:
        """Run the recurrence anew, with white inputs.

        Parameters
        ----------
        nsteps : int
            Rows of all runs together, about.
        rng : numpy.random.Generator

        Returns
        -------
        Driven

        Raises
        ------
        SpecificationError
            It cannot be run.
        """
        raise SpecificationError(
            "memory_capacity: the recurrence must have inputs that it can be run with; got one "
            "given by Jacobians. Give weights (W_h, W_x), a function step(h, x), or results."
        )

    def told(self, slopes: FloatArray) -> BoolArray:
        """Tell which quantities with these derivatives the rows say something about.

        Parameters
        ----------
        slopes : ndarray, shape (k, K)

        Returns
        -------
        ndarray of bool, shape (k,)
            False along parameters that are not identified.
        """
        if self.estimates is not None:
            return self.estimates.told(slopes)
        with np.errstate(invalid="ignore"):
            return np.isfinite(np.diagonal(np.atleast_2d(self.spread(slopes))))

    def influence(self) -> FloatArray | None:
        """How each row moves the estimates.

        Returns
        -------
        ndarray, shape (n, K), or None
            n times the change of the estimates that goes back to the row's score; None where
            nothing is estimated, or from other rows.
        """
        return None if self.estimates is None else self.estimates.influence()


@dataclass(eq=False)
class StepRecurrence(Recurrence):
    """A function ``step(h, x)`` run from a start.

    Attributes
    ----------
    step : callable
        ``step(h, x)`` or ``step(h)``.
    start : ndarray, shape (m,)
        State before the first step.
    nsteps : int
        Number of steps.
    given_inputs : ndarray, shape (nsteps, ...), or None
        Row t goes into step t.
    jacobian : callable, optional
        ``jacobian(h, x)`` of shape (m, m): derivative of the step by the state.
    caller : str
        Function that the user called, for messages.
    """

    step: Callable[..., ArrayLike]
    start: FloatArray
    nsteps: int
    given_inputs: NDArray[Any] | None = None
    jacobian: Callable[..., ArrayLike] | None = None
    caller: str = "memory"

    def __post_init__(self) -> None:
        """Name the states."""
        m = len(self.start)
        q = 0 if self.given_inputs is None else int(np.prod(self.given_inputs.shape[1:]))
        self.labels = Labels(
            states=tuple(f"h{j + 1}" for j in range(m)),
            inputs=tuple(f"x{j + 1}" for j in range(q)),
            index=pd.RangeIndex(1, self.nsteps + 1),
        )

    def inputs_of(self, row: int) -> Any:
        """Inputs of one step.

        Parameters
        ----------
        row : int

        Returns
        -------
        ndarray or None
        """
        return None if self.given_inputs is None else self.given_inputs[row]

    @cached_property
    def run(self) -> tuple[FloatArray, FloatArray]:
        """States (nsteps + 1, m), the start first, and Jacobians (nsteps, m, m)."""
        step = as_step(self.step, caller=self.caller)
        m = len(self.start)
        states = np.empty((self.nsteps + 1, m))
        states[0] = self.start
        first = self.inputs_of(0)
        self._check_shape(step(self.start.copy(), first))
        for t in range(self.nsteps):
            states[t + 1] = step(states[t].copy(), self.inputs_of(t)).real
        if not np.isfinite(states).all():
            self._refuse_states(states)
        if self.jacobian is None:
            places = (self.nsteps // 2, self.nsteps - 1)
            later = [(states[t], self.inputs_of(t)) for t in places]
            by_state = jacobian_of(step, self.start, first, later)
        else:
            given = as_step(self.jacobian, caller=self.caller, name="jacobian")
            self._check_jacobian(given(self.start.copy(), first))
            by_state = lambda h, x: given(h, x).reshape(m, m, *h.shape[1:])  # noqa: E731
        slopes = slopes_at_once(step, by_state, states[:-1], states[1:], self.given_inputs)
        if slopes is None:
            slopes = np.empty((self.nsteps, m, m))
            for t in range(self.nsteps):
                slopes[t] = by_state(states[t].copy(), self.inputs_of(t))
        check_slopes(slopes, self.caller)
        return states, slopes

    def _check_shape(self, found: NDArray[Any]) -> None:
        if found.shape != self.start.shape:
            raise SpecificationError(
                f"{self.caller}: step must give a state of the shape of h0, {self.start.shape}; "
                f"got {found.shape}."
            )

    def _check_jacobian(self, found: NDArray[Any]) -> None:
        m = len(self.start)
        if found.size != m * m or found.ndim > 2:
            raise SpecificationError(
                f"{self.caller}: jacobian must give the derivatives of the step by the state, "
                f"shape {(m, m)}; got {found.shape}. Leave it out to have it computed."
            )

    def _refuse_states(self, states: FloatArray) -> None:
        row = int(np.flatnonzero(~np.isfinite(states).all(axis=1))[0])
        rows = self.given_inputs
        if rows is not None and rows.dtype.kind == "f" and not np.isfinite(rows[row - 1]).all():
            way = f"inputs[{row - 1}] is {shown(rows[row - 1])}: fill it, or begin later."
        else:
            way = "Start elsewhere, or take fewer steps."
        raise SpecificationError(
            f"{self.caller}: the state must stay finite; got {shown(states[row])} after step "
            f"{row}. {way}"
        )

    def trajectory(self, given: Given | None = None) -> Trajectory:
        """Derivatives along the run, see `Recurrence.trajectory`.

        Parameters
        ----------
        given : {"inputs", "shocks"}, optional
            Without outputs there is no difference.

        Returns
        -------
        Trajectory
        """
        states, slopes = self.run
        offsets = np.array([0, self.nsteps], dtype=np.intp)
        return Trajectory(slopes, offsets, states=states[1:])

    def driven(self, nsteps: int, rng: np.random.Generator) -> Driven:
        """Run the function anew, see `Recurrence.driven`.

        Parameters
        ----------
        nsteps : int
            Rows, where there are no inputs.
        rng : numpy.random.Generator

        Returns
        -------
        Driven
            With the inputs given, else one of independent standard normal numbers.
        """
        step = as_step(self.step, caller=self.caller)
        given = self.given_inputs
        rows = rng.standard_normal((nsteps, 1)) if given is None else given
        states = np.empty((len(rows), len(self.start)))
        here = self.start.copy()
        self._check_shape(step(here.copy(), rows[0]))
        for t, row in enumerate(rows):
            here = step(here, row).real
            states[t] = here
        flat = np.asarray(rows, dtype=np.float64).reshape(len(rows), -1)
        names = tuple(f"x{j + 1}" for j in range(flat.shape[1]))
        return Driven(states[None], flat[None], names)


@dataclass(eq=False)
class GivenRecurrence(Recurrence):
    """Jacobians that are given: one matrix for every row, or one a row.

    Attributes
    ----------
    slopes_given : ndarray, shape (n, m, m)
        One matrix for all rows is a view without copies.
    """

    slopes_given: FloatArray

    def __post_init__(self) -> None:
        """Name the states."""
        n, m = self.slopes_given.shape[:2]
        names = tuple(f"h{j + 1}" for j in range(m))
        self.labels = Labels(states=names, index=pd.RangeIndex(1, n + 1))

    def trajectory(self, given: Given | None = None) -> Trajectory:
        """Derivatives as given, see `Recurrence.trajectory`.

        Parameters
        ----------
        given : {"inputs", "shocks"}, optional
            Without outputs there is no difference.

        Returns
        -------
        Trajectory
        """
        return Trajectory(self.slopes_given, np.array([0, len(self.slopes_given)], dtype=np.intp))


@singledispatch
def recurrence_of(
    source: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    caller: str = "memory",
) -> Recurrence:
    """Make a recurrence of what the user has.

    Parameters
    ----------
    source : callable, array_like or results
        ``step(h, x)`` or ``step(h)``; one matrix (m, m), also as a DataFrame or lists; Jacobians
        (n, m, m); results of a model.
    h0 : array_like of shape (m,), optional
        State before the first step; needed with a function, and with nothing else.
    nsteps : int, optional
        Steps of a function or of one matrix; by default the rows of `inputs`.
    jacobian : callable, optional
        ``jacobian(h, x)`` of a function, shape (m, m); by default its attribute ``jacobian`` where
        it has one, else a complex step, or differences where it does not take complex numbers.
    inputs : array_like of shape (nsteps, ...), optional
        Row t goes into step t; without any a function gets None.
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    Recurrence

    Raises
    ------
    SpecificationError
        The source is none of these, or arguments are missing or make no sense with it.
    """
    if not callable(source):
        raise SpecificationError(
            f"{caller}: the recurrence must be results of a model, a function step(h, x), a matrix "
            f"(m, m) or Jacobians (n, m, m); got {type(source).__name__}."
        )
    if h0 is None:
        raise SpecificationError(
            f"{caller}: h0 must be given with a function step(h, x): the state before the first "
            "step. Got None."
        )
    start = start_of(h0, caller)
    rows = None if inputs is None else rows_of(inputs, caller)
    if nsteps is None and rows is None:
        raise SpecificationError(
            f"{caller}: nsteps must be given with a function step(h, x) that has no inputs; got "
            "None."
        )
    count = len(rows) if nsteps is None and rows is not None else nsteps
    steps = check_int(count, name="nsteps", caller=caller, minimum=1)
    if rows is not None and len(rows) < steps:
        raise SpecificationError(
            f"{caller}: inputs must have a row for each of the {steps} steps; got {len(rows)}."
        )
    slope = getattr(source, "jacobian", None) if jacobian is None else jacobian
    return StepRecurrence(
        source, start, steps, None if rows is None else rows[:steps], slope, caller
    )


@recurrence_of.register(Recurrence)
def _(
    source: Recurrence,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    caller: str = "memory",
) -> Recurrence:
    refuse(caller, "results", h0=h0, nsteps=nsteps, jacobian=jacobian, inputs=inputs)
    return source


@recurrence_of.register(list)
@recurrence_of.register(tuple)
@recurrence_of.register(pd.DataFrame)
@recurrence_of.register(np.ndarray)
def _(
    source: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    caller: str = "memory",
) -> Recurrence:
    array = numbers_of(source)
    if array.ndim not in (2, 3) or array.shape[-1] != array.shape[-2] or not array.size:
        raise SpecificationError(
            f"{caller}: an array must be one square matrix of real numbers (m, m) or one a row "
            f"(n, m, m); got {described(source)}."
        )
    refuse(caller, "an array of Jacobians", h0=h0, jacobian=jacobian, inputs=inputs)
    if not np.isfinite(array).all():
        raise SpecificationError(f"{caller}: Jacobians must be finite; got {shown(array)}.")
    if array.ndim == 3:
        refuse(caller, "Jacobians of each row", nsteps=nsteps)
        return GivenRecurrence(array)
    steps = 1 if nsteps is None else check_int(nsteps, name="nsteps", caller=caller, minimum=1)
    return GivenRecurrence(np.broadcast_to(array, (steps, *array.shape)))
