"""Ordinary differential equations as recurrences: one step of a solver is one step of a network.

``h' = f(h, x)`` advanced by a step method is a recurrence ``h_t = F(h_{t-1}, x_t)``: explicit Euler
makes a residual network, exponential Euler with a constant linear part a network with constant
forget gates. What is known about the solver (order, stability region) is known about the
recurrence's gradient, and the other way round.

References
----------
Hairer, Norsett and Wanner (1993), Solving Ordinary Differential Equations I, sections I.14
(derivatives by initial values) and II.1; Hairer and Wanner (1996), part II, section IV.8 (Newton's
method in implicit steps); Hochbruck and Ostermann (2010), Exponential integrators, Acta Numerica
19, 209-286; Chen, Rubanova, Bettencourt and Duvenaud (2018), Neural ordinary differential
equations, NeurIPS, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from rnnstats._checks import check_float, check_int, shown
from rnnstats.diagnostics.memory.arguments import start_of
from rnnstats.diagnostics.memory.derivatives import Step, as_step, complex_step
from rnnstats.diagnostics.memory.ode.linearised import Slope, slope_of
from rnnstats.diagnostics.memory.ode.solutions import OdeSolution
from rnnstats.diagnostics.memory.ode.step_methods import (
    Method,
    StepMethod,
    describe,
    method_of,
    phi,
)
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OdeStep", "ode_as_rnn"]

FloatArray = NDArray[np.float64]

# Newton's steps, halvings of one, and the relative size at which they end: rounding of the state.
NEWTON, HALVINGS, ENOUGH = 50, 30, 1e-14
# Whole steps: the time over the step may miss a whole number by this share of it.
WHOLE = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class OdeStep(Report):
    """One step of a solver as a recurrence: a function ``step(h, x)``, see `ode_as_rnn`.

    Attributes
    ----------
    f : callable
        ``f(h, x)``: the equation's right-hand side, in one form.
    dt : float
        Length of the step.
    rule : Method
    given_jacobian : callable, optional
        ``jacobian(h, x)`` of f.
    linear : ndarray, shape (m, m), optional
        Constant linear part, for the exponential method.
    """

    f: Step
    dt: float
    rule: Method
    given_jacobian: Callable[..., ArrayLike] | None = None
    linear: FloatArray | None = None
    _found: dict[str, Slope] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """Name of the step method."""
        return self.rule.name

    @property
    def order(self) -> int:
        """Power of dt with which the global error falls."""
        return 1 if self.linear is not None else self.rule.order

    @property
    def title(self) -> str:
        """Method and step, for headings."""
        return f"{self.rule.title}, dt = {self.dt:g}"

    @property
    def frame(self) -> pd.DataFrame:
        """One row (a copy): ``dt``, ``order``, and how fast a mode may be without growing.

        ``stages``, ``decay_limit``, ``oscillation_limit``, ``a_stable`` and ``l_stable`` of the
        method; ``fastest_decay`` and ``fastest_oscillation``, the limits per unit of time.
        """
        table = describe([self.rule])
        table["order"] = self.order
        table.insert(0, "dt", self.dt)
        table["fastest_decay"] = table["decay_limit"] / self.dt
        table["fastest_oscillation"] = table["oscillation_limit"] / self.dt
        return table

    def summary(self) -> Any:
        """Summary table, see `Report.summary`.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        return lay_out({"A step of a differential equation as a recurrence": self.frame.T})

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw the stability region of the method.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.diagnostics.memory.ode.plots import draw_region

        return draw_region(self.rule, np.empty(0), caller="ode_as_rnn", fig=fig)

    def __call__(self, h: ArrayLike, x: Any = None) -> NDArray[Any]:
        """Take one step.

        Parameters
        ----------
        h : array_like of shape (m,)
            State before. Imaginary parts, where there are any, are carried as derivatives. With an
            explicit method also states side by side, shape (m, n), where f takes them so.
        x : object
            Inputs during the step, held constant; given to f.

        Returns
        -------
        ndarray of the shape of h
            State after.

        Raises
        ------
        SpecificationError
            f does not give one number a state, or Newton's method finds no implicit step.
        """
        state = np.atleast_1d(np.asarray(h))
        if state.dtype.kind != "c":
            state = state.astype(np.float64)
        if self.rule.explicit and not self.rule.exponential:
            return self._explicit(state, x)
        if state.ndim != 1:
            raise SpecificationError(
                f"ode_as_rnn: with method={self.method!r} the state must have shape (m,); got "
                f"{state.shape}. Take one state at a time."
            )
        if state.dtype.kind == "c":
            real = state.real.copy()
            return np.asarray(self(real, x) + 1j * (self.jacobian(real, x) @ state.imag))
        return self._exponential(state, x) if self.rule.exponential else self._implicit(state, x)

    def jacobian(self, h: ArrayLike, x: Any = None) -> FloatArray:
        """Derivative of the step by the state before.

        Parameters
        ----------
        h : array_like of shape (m,)
            State before; as for the step itself also (m, n).
        x : object
            Inputs during the step.

        Returns
        -------
        ndarray of shape (m, m), or (m, m, n)
            Tangents are carried through the stages, so that it is exact for the step, not for the
            equation.

        Raises
        ------
        SpecificationError
            As for the step itself.
        """
        state = np.atleast_1d(np.asarray(h, dtype=np.float64))
        if self.rule.exponential:
            return self._exponential_slope(state, x)
        if not self.rule.explicit:
            after = self._implicit(state, x)
            unit = np.eye(len(state))
            return _solve(unit - self.dt * self._slope(state, x)(after, x), unit)
        slope = self._slope(state, x)
        if slope.analytic:
            return complex_step(self._explicit, state, x)
        return self._tangents(state, x, slope)

    def _explicit(self, state: NDArray[Any], x: Any) -> NDArray[Any]:
        rates: list[NDArray[Any]] = []
        for row in self._weights[0]:
            rates.append(self._rate(_moved(state, row, rates), x))
        return _moved(state, self._weights[1], rates)

    def _tangents(self, state: FloatArray, x: Any, slope: Slope) -> FloatArray:
        """Carry the tangents of the state through the stages of an explicit step."""
        shape = (len(state), len(state), *state.shape[1:])
        unit = np.zeros(shape)
        unit[np.diag_indices(len(state))] = 1.0
        rates: list[FloatArray] = []
        tangents: list[FloatArray] = []
        for row in self._weights[0]:
            point = _moved(state, row, rates)
            tangent = slope(point, x)
            if len(row):  # at the first stage the state's own tangent is the unit
                tangent = np.einsum("ij...,jk...->ik...", tangent, _moved(unit, row, tangents))
            tangents.append(tangent)
            rates.append(self._rate(point, x))
        return _moved(unit, self._weights[1], tangents)

    @cached_property
    def _weights(self) -> tuple[list[list[tuple[int, float]]], list[tuple[int, float]]]:
        """dt times the tableau's weights that are not zero, with their places."""

        def live(row: FloatArray) -> list[tuple[int, float]]:
            return [(int(j), self.dt * float(row[j])) for j in np.flatnonzero(row)]

        return [live(row) for row in self.rule.stages], live(self.rule.weights)

    def _rate(self, state: NDArray[Any], x: Any) -> NDArray[Any]:
        rate = self.f(state, x)
        if rate.shape != state.shape or (rate.dtype.kind == "c" and state.dtype.kind != "c"):
            raise SpecificationError(
                f"ode_as_rnn: f must give a real number for each of the {len(state)} states; got "
                f"shape {rate.shape} of {rate.dtype}."
            )
        return rate

    def _slope(self, state: FloatArray, x: Any) -> Slope:
        """Derivative of f; the way to it is found at the first state."""
        if "f" not in self._found:
            alone = state if state.ndim == 1 else state[:, 0]
            beside = x if state.ndim == 1 or x is None else x[..., 0]
            self._rate(alone, beside)
            self._found["f"] = slope_of(
                self.f, alone, beside, self.given_jacobian, caller="ode_as_rnn"
            )
        return self._found["f"]

    def _implicit(self, state: FloatArray, x: Any) -> FloatArray:
        """Solve y = h + dt f(y) by Newton's method with halved steps, from y = h."""
        slope = self._slope(state, x)
        unit = np.eye(len(state))
        y, change = state, self.dt * self._rate(state, x)
        gap = y - state - change
        for _ in range(NEWTON):
            move = _solve(unit - self.dt * slope(y, x), gap)
            size = float(np.abs(gap).max())
            for halving in range(HALVINGS):
                new = y - move * 0.5**halving
                change = self.dt * self._rate(new, x)
                gap = new - state - change
                if float(np.abs(gap).max()) <= max(size, _rounding(new, change)):
                    break
            y = new
            near = float(np.abs(move).max()) <= ENOUGH * (1.0 + float(np.abs(y).max()))
            if near or float(np.abs(gap).max()) <= _rounding(y, change):
                return y
        raise SpecificationError(
            f"ode_as_rnn: an implicit step from {shown(state)} must have a solution that Newton's "
            f"method finds; got {shown(y)} after {NEWTON} iterations. Take a smaller dt than "
            f"{self.dt:g}."
        )

    def _exponential(self, state: FloatArray, x: Any) -> FloatArray:
        """h + dt phi(dt A) f(h), with A given or the derivative of f at h."""
        rate = self._rate(state, x)
        if self.linear is not None and len(self.linear) != len(state):
            raise SpecificationError(
                f"ode_as_rnn: linear must have a row for each of the {len(state)} states; got "
                f"shape {self.linear.shape}."
            )
        if self._propagator is not None:
            return np.asarray(state + self._propagator @ rate)
        return np.asarray(state + linalg.expm(self._block(state, x))[: len(state), -1])

    def _exponential_slope(self, state: FloatArray, x: Any) -> FloatArray:
        slope = self._slope(state, x)
        at, found = slope(state, x), np.eye(len(state))
        if self._propagator is not None:
            return np.asarray(found + self._propagator @ at)
        m, block = len(state), self._block(state, x)
        for j, bent in enumerate(slope.curvature(state, x)):
            tangent = np.zeros_like(block)
            tangent[:m, :m], tangent[:m, m] = self.dt * bent, self.dt * at[:, j]
            change: Any = linalg.expm_frechet(block, tangent, compute_expm=False)
            found[:, j] += change[:m, m]
        return found

    def _block(self, state: FloatArray, x: Any) -> FloatArray:
        """The matrix whose exponential has dt phi(dt J) f in its last column."""
        m = len(state)
        block = np.zeros((m + 1, m + 1))
        block[:m, :m] = self.dt * self._slope(state, x)(state, x)
        block[:m, m] = self.dt * self._rate(state, x)
        return block

    @cached_property
    def _propagator(self) -> FloatArray | None:
        """dt phi(dt A) of a constant linear part A."""
        return None if self.linear is None else self.dt * phi(self.dt * self.linear)

    def integrate(
        self, h0: ArrayLike, time: float | None = None, *, inputs: ArrayLike | None = None
    ) -> OdeSolution:
        """
        Solve the equation from a start.

        Parameters
        ----------
        h0 : array_like of shape (m,)
            State at time 0.
        time : float, optional
            How long, a whole number of steps; by default as many steps as `inputs` has rows.
        inputs : array_like of shape (n, ...), optional
            Row t is held during step t.

        Returns
        -------
        OdeSolution

        Raises
        ------
        SpecificationError
            The time is no whole number of steps, rows of inputs are missing, or the solution
            overflows.
        """
        caller = "integrate"
        rows = None if inputs is None else np.asarray(inputs)
        count = self._count(time, rows, caller)
        state = start_of(h0, caller)
        states = np.empty((count + 1, len(state)))
        states[0] = state
        with np.errstate(over="ignore", invalid="ignore"):
            for t in range(count):
                states[t + 1] = self(states[t], None if rows is None else rows[t])
                if not np.isfinite(states[t + 1]).all():
                    raise SpecificationError(
                        f"{caller}: the solution must stay finite; got {shown(states[t + 1])} "
                        f"after step {t + 1}. Take a smaller dt than {self.dt:g}, or "
                        "method='implicit_euler'."
                    )
        return OdeSolution(self.dt * np.arange(count + 1.0), states, self.title)

    def _count(self, time: float | None, rows: NDArray[Any] | None, caller: str) -> int:
        if time is None:
            if rows is None or rows.ndim < 1 or not len(rows):
                raise SpecificationError(
                    f"{caller}: time must be given where there are no inputs; got None."
                )
            return len(rows)
        ratio = check_float(time, name="time", caller=caller, above=0.0) / self.dt
        count = round(ratio)
        if count < 1 or abs(ratio - count) > WHOLE * count:
            raise SpecificationError(
                f"{caller}: time must be a whole number of steps of {self.dt:g}; got {time!r}. "
                f"Take {max(count, 1) * self.dt:g}."
            )
        if rows is not None and (rows.ndim < 1 or len(rows) < count):
            raise SpecificationError(
                f"{caller}: inputs must have a row for each of the {count} steps; got "
                f"shape {rows.shape}."
            )
        return check_int(count, name="time", caller=caller, minimum=1)


def _moved(
    base: FloatArray, weights: list[tuple[int, float]], rates: list[FloatArray]
) -> FloatArray:
    for j, weight in weights:
        base = base + weight * rates[j]
    return base


def _rounding(state: FloatArray, change: FloatArray) -> float:
    """What rounding leaves of the gap of an implicit step."""
    eps = float(np.finfo(np.float64).eps)
    return 4.0 * eps * float(np.abs(state).max() + np.abs(change).max())


def _solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solve by a step that exists also where the matrix is singular."""
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])


def ode_as_rnn(
    f: Callable[..., ArrayLike],
    dt: float,
    method: StepMethod = "rk4",
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    linear: ArrayLike | None = None,
) -> OdeStep:
    """
    Make a recurrence of an ordinary differential equation and a step method.

    Parameters
    ----------
    f : callable
        ``f(h, x)`` or ``f(h)``: h' as a list of m numbers. Time, where the equation needs it, is a
        state of its own with derivative 1.
    dt : float
        Length of the step, in the equation's unit of time.
    method : {"rk4", "heun", "explicit_euler", "euler", "implicit_euler", "exponential_euler"}
        "euler" is the explicit one. The implicit step is solved by Newton's method. The exponential
        one is h + dt phi(dt A) f(h), phi(Z) = (exp(Z) - I) / Z, where A is `linear`, or else the
        derivative of f at h (exponential Rosenbrock-Euler).
    jacobian : callable, optional
        ``jacobian(h, x)`` of f, shape (m, m); by default a complex step through f, or central
        differences where f does not take complex numbers.
    linear : array_like of shape (m, m), optional
        Constant linear part A, for ``method="exponential_euler"`` alone: the step is then of order
        1, ``exp(dt A) h + dt phi(dt A) (f(h) - A h)``, a network with constant forget gates.

    Returns
    -------
    OdeStep
        A function ``step(h, x)`` with ``step.jacobian(h, x)`` and ``step.integrate(h0, time)``.
        Every function of this module takes it as a recurrence. Inputs are held constant during a
        step.

    Raises
    ------
    SpecificationError
        An argument is not allowed.

    Notes
    -----
    Orders 4, 2, 1, 1 and 2 (1 with `linear`). Tangents are carried through the stages (Hairer,
    Norsett and Wanner 1993, section I.14): the Jacobian is that of the step, exact to rounding
    where that of f is. Hochbruck and Ostermann (2010), equations 2.5 and 2.20.

    Examples
    --------
    >>> from rnnstats.diagnostics.memory import ode_as_rnn
    >>> step = ode_as_rnn(lambda h: -h, 0.5, "explicit_euler")
    >>> step([1.0])
    array([0.5])
    """
    caller = "ode_as_rnn"
    right = as_step(f, caller=caller, name="f")
    length = check_float(dt, name="dt", caller=caller, above=0.0)
    rule = method_of(method, caller)
    if jacobian is not None:
        jacobian = as_step(jacobian, caller=caller, name="jacobian")
    part = None if linear is None else np.array(linear, dtype=np.float64)
    if part is not None:
        if not rule.exponential:
            raise SpecificationError(
                f"{caller}: linear makes sense with method='exponential_euler' alone; got "
                f"method={method!r}. Leave it out."
            )
        part = np.atleast_2d(part)
        if part.ndim != 2 or part.shape[0] != part.shape[1] or not np.isfinite(part).all():
            raise SpecificationError(
                f"{caller}: linear must be a square matrix of finite numbers; got {shown(linear)}."
            )
    return OdeStep(right, length, rule, jacobian, part)
