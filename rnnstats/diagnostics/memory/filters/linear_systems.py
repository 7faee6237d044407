"""Linear systems: what a recurrence is near a point, from its inputs to its outputs.

``s_{t+1} = A s_t + G u_t``, ``y_t = C s_t + J u_t``. A linear model is one everywhere, a nonlinear
recurrence near a state: `linear_system_of` finds it, and results of models add themselves to it
where they are written.

References
----------
Hannan and Deistler (1988), The Statistical Theory of Linear Systems, chapter 1; Strogatz (2015),
Nonlinear Dynamics and Chaos, section 10.1 (linearisation of maps at fixed points).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import shown
from rnnstats._index import position
from rnnstats.diagnostics.memory.derivatives import as_step, jacobian_of
from rnnstats.diagnostics.memory.filters.fixed_points import Near, fixed_point
from rnnstats.diagnostics.memory.recurrences import (
    Given,
    GivenRecurrence,
    Labels,
    Recurrence,
    StepRecurrence,
)
from rnnstats.errors import SpecificationError

__all__ = [
    "At",
    "LinearSystem",
    "ShockKind",
    "bare_system",
    "linear_system_of",
    "observed_of",
    "row_of",
    "state_given",
    "steps_needed",
]

FloatArray = NDArray[np.float64]
At: TypeAlias = Any
ShockKind = Literal["auto", "noises", "innovations"]


@dataclass(frozen=True, slots=True, eq=False)
class LinearSystem:
    """A linear system with its names.

    Attributes
    ----------
    transition : ndarray, shape (m, m)
        A.
    loading : ndarray, shape (m, q)
        G: what a row's inputs do to the state of the next row.
    design : ndarray, shape (p, m)
        C.
    direct : ndarray, shape (p, q)
        J: what a row's inputs do to the outputs of the row.
    cov : ndarray, shape (k, k)
        Covariance of the shocks, which are the first k inputs; NaN where it is not known.
    noise : ndarray, shape (p, p)
        Covariance of what else is in the outputs, without memory.
    labels : Labels
        Names of states, inputs and outputs, and time.
    point : ndarray, shape (m,), or None
        State about which it holds; None where it holds everywhere.
    place : str
        That state in words; empty where it holds everywhere.
    rest : ndarray or None
        Where it is a fixed point: what the search for it starts from near by.
    """

    transition: FloatArray
    loading: FloatArray
    design: FloatArray
    direct: FloatArray
    cov: FloatArray
    noise: FloatArray
    labels: Labels
    point: FloatArray | None = None
    place: str = ""
    rest: FloatArray | None = None

    @classmethod
    def entering(
        cls,
        transition: FloatArray,
        inputs: FloatArray,
        readout: FloatArray,
        direct: FloatArray | None,
        *,
        cov: FloatArray,
        labels: Labels,
    ) -> LinearSystem:
        """Make it from matrices in the timing of networks.

        Parameters
        ----------
        transition, inputs, readout, direct : ndarray
            Of ``h_t = A h_{t-1} + B u_t``, ``y_t = C h_t + D u_t``: row t of the inputs governs the
            step into t. No D is zero.
        cov : ndarray, shape (k, k)
            Of the shocks, the first k inputs.
        labels : Labels

        Returns
        -------
        LinearSystem
        """
        now = readout @ inputs
        return cls(
            transition=transition,
            loading=transition @ inputs,
            design=readout,
            direct=now if direct is None else now + direct,
            cov=cov,
            noise=np.zeros((len(readout), len(readout))),
            labels=labels,
        )

    @property
    def flat(self) -> FloatArray:
        """All matrices in a row: A, G, C, J, covariance of the shocks, other noise."""
        return np.concatenate([part.ravel() for part in self.parts])

    @property
    def parts(self) -> tuple[FloatArray, ...]:
        """The matrices in the order of `flat`."""
        return (self.transition, self.loading, self.design, self.direct, self.cov, self.noise)

    @property
    def radius(self) -> float:
        """Largest modulus of the roots of A; below one the system is stable."""
        return float(np.abs(np.linalg.eigvals(self.transition)).max(initial=0.0))

    def at(self, point: FloatArray, place: str, rest: FloatArray | None = None) -> LinearSystem:
        """Say about which state it holds.

        Parameters
        ----------
        point : ndarray, shape (m,)
        place : str
            In words.
        rest : ndarray, optional
            Where it is a fixed point.

        Returns
        -------
        LinearSystem
        """
        return replace(self, point=np.array(point), place=place, rest=rest)

    def again(self, at: At) -> At:
        """Where the same recurrence, with parameters a little different, is to be linearised.

        Parameters
        ----------
        at : object
            What the user asked for.

        Returns
        -------
        object
            The fixed point near by, where it is one.
        """
        return at if self.rest is None else Near(self.rest)


@singledispatch
def linear_system_of(
    recurrence: Recurrence,
    *,
    given: Given = "shocks",
    shocks: ShockKind = "auto",
    at: At = "fixed_point",
    caller: str = "transfer_function",
) -> LinearSystem:
    """Find the linear system that a recurrence is, or is near a state.

    Parameters
    ----------
    recurrence : Recurrence
    given : {"shocks", "inputs"}
        The inputs: shocks, with outputs that come back as inputs; or what the state equation reads,
        lagged outputs among them.
    shocks : {"auto", "noises", "innovations"}
        Which shocks, where there is a choice: noises of the states or one-step-ahead errors.
    at : {"fixed_point", "mean"}, row label or array_like of shape (m,)
        The state of a nonlinear recurrence.
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    LinearSystem

    Raises
    ------
    SpecificationError
        There is no such system, or no fixed point.
    """
    raise SpecificationError(
        f"{caller}: the recurrence must be a filter, with shocks or inputs that later outputs "
        f"answer to: a linear model or a one-sided network; got {recurrence.labels.title}. Use "
        "lyapunov_spectrum for how fast its state forgets, or give weights (W_h, W_x, V)."
    )


@singledispatch
def observed_of(recurrence: Recurrence, system: LinearSystem) -> tuple[FloatArray, ...]:
    """Series that the outputs of a recurrence were seen to make, each sequence by itself.

    Parameters
    ----------
    recurrence : Recurrence
    system : LinearSystem
        Takes out what inputs other than shocks do.

    Returns
    -------
    tuple of ndarray, each of shape (n, p)
        NaN where missing; empty where there are no data.
    """
    return ()


@linear_system_of.register
def _(
    recurrence: StepRecurrence,
    *,
    given: Given = "shocks",
    shocks: ShockKind = "auto",
    at: At = "fixed_point",
    caller: str = "transfer_function",
) -> LinearSystem:
    step = as_step(recurrence.step, caller=caller)
    rows = recurrence.given_inputs
    mean = None if rows is None else np.asarray(rows, dtype=np.float64).mean(axis=0)
    inputs: Any = mean
    if isinstance(at, str) and at == "fixed_point":
        by_state = _by_state(recurrence, step, recurrence.start, mean, caller)
        point = fixed_point(
            lambda h: step(h, mean).real, lambda h: by_state(h, mean), recurrence.start, caller
        )
        place = "the fixed point"
    elif isinstance(at, str) and at == "mean":
        point, place = recurrence.run[0][1:].mean(axis=0), "the mean state"
    elif np.ndim(at) == 0:
        row = row_of(recurrence.labels.index, at, caller)
        point, place = recurrence.run[0][row], f"row {recurrence.labels.index[row]}"
        inputs = recurrence.inputs_of(row)
    else:
        point, place = state_given(at, len(recurrence.start), caller), "the state given"
    slopes = _by_state(recurrence, step, point, inputs, caller)(point, inputs)
    m = len(point)
    columns, names = [np.eye(m)], [f"e.{name}" for name in recurrence.labels.states]
    if inputs is not None:
        flat = np.asarray(inputs, dtype=np.float64).ravel()
        shape = np.shape(inputs)
        moved = as_step(lambda x, h: step(h, x.reshape(shape)), caller=caller)
        columns.append(jacobian_of(moved, flat, point)(flat, point))
        names += recurrence.labels.inputs
    labels = replace(recurrence.labels, inputs=tuple(names), outputs=recurrence.labels.states)
    found = LinearSystem.entering(
        slopes, np.hstack(columns), np.eye(m), None, cov=np.full((m, m), np.nan), labels=labels
    )
    return found.at(point, place)  # nothing is estimated: it is looked for once


@linear_system_of.register
def _(
    recurrence: GivenRecurrence,
    *,
    given: Given = "shocks",
    shocks: ShockKind = "auto",
    at: At = "fixed_point",
    caller: str = "transfer_function",
) -> LinearSystem:
    along = recurrence.trajectory()
    m = along.k_state
    if along.constant:
        matrix, place = along.state[0], ""
    elif isinstance(at, str) and at == "mean":
        matrix, place = along.state.mean(axis=0), "the mean Jacobian"
    elif isinstance(at, str) or np.ndim(at):
        raise SpecificationError(
            f"{caller}: at must be a row or 'mean' with Jacobians of each row, which do not tell "
            f"the states; got {shown(at)}. Give the row, from 1 on."
        )
    else:
        row = row_of(recurrence.labels.index, at, caller)
        matrix, place = along.state[row], f"row {recurrence.labels.index[row]}"
    names = recurrence.labels.states
    labels = replace(recurrence.labels, inputs=tuple(f"e.{one}" for one in names), outputs=names)
    blank = np.full((m, m), np.nan)
    found = LinearSystem.entering(
        np.array(matrix), np.eye(m), np.eye(m), None, cov=blank, labels=labels
    )
    return replace(found, place=place)


def bare_system(source: tuple[ArrayLike, ...], *, caller: str) -> LinearSystem:
    """Make a linear system of bare weights.

    Parameters
    ----------
    source : tuple of array_like
        (W_h, W_x, V) or (W_h, W_x, V, D) of ``h_t = W_h h_{t-1} + W_x x_t``, ``y_t = V h_t +
        D x_t``; numbers for one unit.
    caller : str
        For messages.

    Returns
    -------
    LinearSystem
        All inputs are shocks, whose covariance is not known.

    Raises
    ------
    SpecificationError
        Not three or four matrices that fit.
    """
    way = (
        "Give (W_h, W_x, V) or (W_h, W_x, V, D) of shapes (m, m), (m, q), (p, m), (p, q), numbers "
        "for one unit."
    )
    if len(source) not in (3, 4):
        raise SpecificationError(
            f"{caller}: weights must be three or four matrices; got {len(source)}. {way}"
        )
    parts = [np.atleast_2d(np.array(part, dtype=np.float64)) for part in source]
    a, b, c = parts[:3]
    d = parts[3] if len(parts) == 4 else np.zeros((len(c), b.shape[1]))
    m, q, p = len(a), b.shape[1], len(c)
    wanted = ((m, m), (m, q), (p, m), (p, q))
    shapes = (a.shape, b.shape, c.shape, d.shape)
    if shapes != wanted or not all(np.isfinite(part).all() for part in (a, b, c, d)):
        raise SpecificationError(
            f"{caller}: weights must be finite matrices that fit; got shapes "
            f"{', '.join(str(shape) for shape in shapes)}. {way}"
        )
    labels = Labels(
        states=tuple(f"h{j + 1}" for j in range(m)),
        inputs=tuple(f"x{j + 1}" for j in range(q)),
        outputs=tuple(f"y{j + 1}" for j in range(p)),
    )
    return LinearSystem.entering(a, b, c, d, cov=np.full((q, q), np.nan), labels=labels)


def steps_needed(at: At, caller: str) -> int | None:
    """Steps of the run of a function of which no number was given.

    Parameters
    ----------
    at : {"fixed_point", "mean"}, row label or array_like
    caller : str

    Returns
    -------
    int or None
        None where a run is needed, so that its length must be said.

    Raises
    ------
    SpecificationError
        The mean of a run is asked for.
    """
    if isinstance(at, str) and at == "mean":
        raise SpecificationError(
            f"{caller}: nsteps must be given with at='mean': the mean over how many steps. Got "
            "None."
        )
    return None if np.ndim(at) == 0 and not isinstance(at, str) else 1


def row_of(index: pd.Index, at: Any, caller: str) -> int:
    """Find the row that a label means.

    Parameters
    ----------
    index : Index
    at : label
    caller : str

    Returns
    -------
    int

    Raises
    ------
    SpecificationError
        There is no such row.
    """
    if isinstance(index, pd.RangeIndex):
        rows = {label: place for place, label in enumerate(index)}
        found = rows.get(int(at)) if isinstance(at, (int, np.integer)) else None
        if found is None:
            raise SpecificationError(
                f"{caller}: at must be one of the rows {index[0]} to {index[-1]}, 'fixed_point', "
                f"'mean' or a state; got {shown(at)}."
            )
        return found
    return position(index, at, side="start", caller=caller, allow_future=False)


def state_given(at: ArrayLike, size: int, caller: str) -> FloatArray:
    """Check a state that the user gives.

    Parameters
    ----------
    at : array_like
    size : int
    caller : str

    Returns
    -------
    ndarray, shape (size,)

    Raises
    ------
    SpecificationError
        Not so many finite numbers.
    """
    point = np.array(at, dtype=np.float64)
    if point.shape != (size,) or not np.isfinite(point).all():
        raise SpecificationError(
            f"{caller}: at must be a state of {size} finite numbers, 'fixed_point', 'mean' or a "
            f"row; got {shown(at)}."
        )
    return point


def _by_state(
    recurrence: StepRecurrence, step: Any, state: FloatArray, inputs: Any, caller: str
) -> Callable[[Any, Any], FloatArray]:
    if recurrence.jacobian is None:
        return jacobian_of(step, state, inputs)
    m = len(state)
    given = as_step(recurrence.jacobian, caller=caller, name="jacobian")
    return lambda h, x: np.asarray(given(h, x), dtype=np.float64).reshape(m, m)
