"""Global error of step methods against the step, with the observed order; a stiff example.

References
----------
Hairer, Norsett and Wanner (1993), Solving Ordinary Differential Equations I, section II.3
(convergence); Hairer and Wanner (1996), part II, section IV.1 (stiffness); Lambert (1991),
Numerical Methods for Ordinary Differential Systems, section 6.1 (the example's matrix).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, linalg

from rnnstats._checks import check_float, check_int, shown
from rnnstats.diagnostics.memory.arguments import start_of
from rnnstats.diagnostics.memory.derivatives import Step, as_step
from rnnstats.diagnostics.memory.ode.step_methods import METHODS, describe, method_of
from rnnstats.diagnostics.memory.ode.steps import OdeStep, ode_as_rnn
from rnnstats.diagnostics.memory.paths.sums import product_logs
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GlobalError", "StiffnessExample", "global_error", "stiffness_example"]

FloatArray = NDArray[np.float64]

STEPS = (20, 40, 80, 160, 320, 640, 1280)
# The finest steps from which the order is read, where errors are smaller than this share of the
# solution (else the powers above the first are not yet small) and larger than so many times what is
# unknown of the reference.
FINEST, LARGEST, ABOVE = 4, 0.05, 10.0
# Tolerances of the two reference solutions, and rounding relative to the solution.
TIGHT, LOOSE, ROUNDING = 3e-14, 3e-12, 1e-13


@dataclass(frozen=True, eq=False, repr=False)
class GlobalError(Report):
    """Errors of step methods at the end of a stretch of time, against the step.

    Attributes
    ----------
    time : float
        Length of the stretch.
    end : ndarray, shape (m,)
        The reference at its end.
    floor : float
        Errors below it may be errors of the reference, or rounding.
    """

    time: float
    end: FloatArray
    floor: float
    _errors: pd.DataFrame
    _expected: dict[str, int]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a method and step (a copy).

        ``method``, ``nsteps``, ``dt``; ``error``, Euclidean norm at the end, infinite where the
        numbers overflowed; ``order`` between this step and the one before, NaN for the first and
        where an error does not count; ``counts``: whether the error is below 5 % of the solution
        and above ten times `floor`.
        """
        return self._errors.copy()

    @property
    def orders(self) -> pd.DataFrame:
        """One row a method (a copy): the order observed and the one expected.

        ``order``, the least-squares slope of log error on log dt over the finest four steps that
        count; ``order_se``, its standard error from the scatter about the line (no sampling error:
        how far from a power of dt the errors are), NaN with fewer than three; ``expected``;
        ``used``, number of steps.
        """
        rows = {}
        for method, group in self._errors.groupby("method", sort=False):
            live = group[group["counts"]].sort_values("dt").head(FINEST)
            order, error = _slope(np.log(live["dt"].to_numpy()), np.log(live["error"].to_numpy()))
            rows[str(method)] = {
                "order": order,
                "order_se": error,
                "expected": self._expected[str(method)],
                "used": len(live),
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")

    def summary(self) -> Any:
        """Summary table, see `Report.summary`.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        table = self._errors.pivot(index="dt", columns="method", values="error")
        table = table[list(dict.fromkeys(self._errors["method"]))].sort_index(ascending=False)
        table.index = pd.Index([f"dt = {one:.4g}" for one in table.index])
        return lay_out(
            {f"Global error at time {self.time:g}": table, "Order": self.orders},
            [
                "order: slope of log error on log dt over the finest steps, with the standard "
                f"error of the line; errors below {ABOVE * self.floor:.1g} are left out."
            ],
        )

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw the errors against the step, both on log scales.

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
        from rnnstats.diagnostics.memory.ode.plots import draw_errors

        return draw_errors(self._errors, self.orders, fig=fig)


def _slope(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    if len(x) < 2:
        return float("nan"), float("nan")
    centred = x - x.mean()
    scale = float(centred @ centred)
    slope = float(centred @ y) / scale
    if len(x) < 3:
        return slope, float("nan")
    left = y - y.mean() - slope * centred
    return slope, float(np.sqrt(left @ left / (len(x) - 2) / scale))


def global_error(
    f: Callable[..., ArrayLike],
    h0: ArrayLike,
    time: float,
    *,
    methods: Sequence[str] = tuple(METHODS),
    steps: Sequence[int] = STEPS,
    jacobian: Callable[..., ArrayLike] | None = None,
    linear: ArrayLike | None = None,
    exact: Callable[[float], ArrayLike] | ArrayLike | None = None,
) -> GlobalError:
    """
    Measure the global error of step methods against the step, and the order observed.

    Parameters
    ----------
    f : callable
        ``f(h)``, or ``f(h, x)`` with x None: h' as a list of m numbers.
    h0 : array_like of shape (m,)
        State at time 0.
    time : float
        When the errors are taken.
    methods : sequence of str
        Step methods, see `ode_as_rnn`; by default all five.
    steps : sequence of int
        Numbers of equal steps in which the time is passed; two at least.
    jacobian : callable, optional
        ``jacobian(h, x)`` of f.
    linear : array_like of shape (m, m), optional
        Constant linear part for "exponential_euler", which is then of order 1 instead of 2.
    exact : callable or array_like of shape (m,), optional
        The solution, ``exact(t)``, or its value at `time`. By default an embedded Runge-Kutta
        method of order 8 at a relative tolerance of 3e-14 stands for it: slow for stiff equations.

    Returns
    -------
    GlobalError

    Raises
    ------
    SpecificationError
        An argument is not allowed, or no reference solution is found.

    Notes
    -----
    A method of order p has an error of C dt^p + O(dt^(p+1)) at a fixed time (Hairer, Norsett and
    Wanner 1993, theorem II.3.4 and section II.8).
    """
    caller = "global_error"
    right = as_step(f, caller=caller, name="f")
    start = start_of(h0, caller)
    length = check_float(time, name="time", caller=caller, above=0.0)
    names: list[Any] = [method_of(one, caller).name for one in _listed(methods, "methods", 1)]
    counts = [
        check_int(one, name="steps", caller=caller, minimum=1) for one in _listed(steps, "steps", 2)
    ]
    end, doubt = _reference(right, start, length, exact)
    floor = doubt + ROUNDING * float(np.linalg.norm(end))
    rows, expected = [], {}
    for name in dict.fromkeys(names):
        part = linear if name == "exponential_euler" else None
        for count in sorted(set(counts)):
            step = ode_as_rnn(f, length / count, name, jacobian=jacobian, linear=part)
            expected[name] = step.order
            last = run_to_end(step, start, count)
            error = _distance(last, end)
            rows.append((name, count, step.dt, error))
    errors = pd.DataFrame(rows, columns=["method", "nsteps", "dt", "error"])
    size = float(np.linalg.norm(end))
    errors["counts"] = (errors["error"] < LARGEST * size) & (errors["error"] > ABOVE * floor)
    errors.insert(4, "order", _local_orders(errors))
    return GlobalError(length, end, floor, errors, expected)


def _listed(values: Any, name: str, least: int) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Sequence) or len(set(values)) < least:
        raise SpecificationError(
            f"global_error: {name} must be a list of at least {least} different entries; got "
            f"{shown(values)}."
        )
    return list(values)


def _local_orders(errors: pd.DataFrame) -> FloatArray:
    """Orders between successive steps of one method."""
    found = np.full(len(errors), np.nan)
    dt, error = errors["dt"].to_numpy(), errors["error"].to_numpy()
    same = errors["method"].to_numpy()[1:] == errors["method"].to_numpy()[:-1]
    both = errors["counts"].to_numpy()[1:] & errors["counts"].to_numpy()[:-1] & same
    for row in np.flatnonzero(both):
        found[row + 1] = np.log(error[row + 1] / error[row]) / np.log(dt[row + 1] / dt[row])
    return found


def _reference(f: Step, start: FloatArray, time: float, exact: Any) -> tuple[FloatArray, float]:
    """The solution at the end, and what is unknown of it."""
    if exact is not None:
        end = np.atleast_1d(np.asarray(exact(time) if callable(exact) else exact, dtype=float))
        if end.shape != start.shape or not np.isfinite(end).all():
            raise SpecificationError(
                f"global_error: exact must give finite numbers of shape {start.shape}; got "
                f"{shown(end)}."
            )
        return end, 0.0
    found = []
    for tolerance in (TIGHT, LOOSE):
        run = integrate.solve_ivp(
            lambda _, h: f(h, None),
            (0.0, time),
            start,
            method="DOP853",
            rtol=tolerance,
            atol=tolerance * max(1.0, float(np.abs(start).max())),
        )
        if not run.success or not np.isfinite(run.y[:, -1]).all():
            raise SpecificationError(
                f"global_error: the equation must have a solution up to time {time:g}; got "
                f"{run.message!r}. Give it as exact, or take a shorter time."
            )
        found.append(run.y[:, -1])
    return found[0], float(np.linalg.norm(found[0] - found[1]))


def run_to_end(step: OdeStep, start: FloatArray, count: int) -> FloatArray:
    """
    Take steps and keep the last state.

    Parameters
    ----------
    step : OdeStep
    start : ndarray, shape (m,)
    count : int

    Returns
    -------
    ndarray, shape (m,)
        Not finite where the numbers overflowed on the way.
    """
    state = start
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(count):
            state = step(state)
            if not np.isfinite(state).all():
                return np.full(start.shape, np.nan)
    return state


def _distance(one: FloatArray, other: FloatArray) -> float:
    """Euclidean distance; infinite where the numbers overflowed, or their squares do."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = float(np.linalg.norm(one - other))
    return found if np.isfinite(found) else np.inf


def _verdict(factor: float) -> str:
    if factor == 1.0:
        return "neither vanishes nor explodes"
    return "exploding" if factor > 1.0 else "vanishing"


@dataclass(frozen=True, eq=False, repr=False)
class StiffnessExample(Report):
    """Step methods on an equation with a slow and a fast mode, see `stiffness_example`.

    Attributes
    ----------
    matrix : ndarray, shape (2, 2)
        A of the equation h' = A h.
    slow, fast : float
        Rates at which its two modes decay, per unit of time.
    time : float
        Length of the stretch.
    """

    matrix: FloatArray
    slow: float
    fast: float
    time: float
    _rows: pd.DataFrame

    @property
    def ratio(self) -> float:
        """Stiffness ratio: the fast rate over the slow one."""
        return self.fast / self.slow

    @property
    def frame(self) -> pd.DataFrame:
        """One row a method and step (a copy).

        ``method``, ``nsteps``, ``dt``; ``factor_slow`` and ``factor_fast``, amplification factors
        of the two modes; ``stable``, whether both are at most 1 in modulus; ``error`` at the end,
        relative to the solution; ``log_gradient``, log norm of dh_T/dh_0 of the recurrence, and
        ``exact_log_gradient`` of the equation; ``verdict`` on the recurrence's gradient in the long
        run: "vanishing", "exploding" or "neither vanishes nor explodes".
        """
        return self._rows.copy()

    @property
    def limits(self) -> pd.DataFrame:
        """One row a method (a copy).

        What `step_methods.describe` says, and ``largest_dt`` without growth of the fast mode, and
        ``least_steps``, the number of steps that this makes of the time.
        """
        table = describe([METHODS[one] for one in dict.fromkeys(self._rows["method"])])
        table["largest_dt"] = table["decay_limit"] / self.fast
        table["least_steps"] = np.maximum(1.0, np.ceil(self.time / table["largest_dt"]))
        return table

    def summary(self) -> Any:
        """Summary table, see `Report.summary`.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        title = f"Stiff equation: rates {self.slow:g} and {self.fast:g}, time {self.time:g}"
        limits = self.limits[["decay_limit", "largest_dt", "least_steps", "l_stable"]]
        return lay_out(
            {title: self._rows.set_index("method"), "Largest steps": limits},
            [
                "The equation's own gradient vanishes. That of an explicit recurrence explodes as "
                "soon as the fast mode, long gone, has a factor beyond 1; an implicit or "
                "exponential one, a gate between 0 and 1, never does."
            ],
        )

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw the factor of the fast mode and the errors against the step.

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
        from rnnstats.diagnostics.memory.ode.plots import draw_stiffness

        return draw_stiffness(self._rows, self.fast, fig=fig)


def stiffness_example(
    slow: float = 1.0,
    fast: float = 1000.0,
    time: float = 1.0,
    *,
    methods: Sequence[str] = tuple(METHODS),
    steps: Sequence[int] = (10, 100, 400, 600, 1000),
) -> StiffnessExample:
    """
    Show what stiffness does to solvers, and to the gradients of the recurrences that they are.

    Parameters
    ----------
    slow, fast : float
        Rates at which the two modes of ``h' = A h`` decay, per unit of time.
    time : float
        Length of the stretch from h_0 = (1, 0).
    methods : sequence of str
        Step methods, see `ode_as_rnn`.
    steps : sequence of int
        Numbers of equal steps in which the time is passed.

    Returns
    -------
    StiffnessExample

    Raises
    ------
    SpecificationError
        An argument is not allowed.

    Notes
    -----
    With rates 1 and 1000 A is [[998, 1998], [-999, -1999]] (Lambert 1991, section 6.1). The
    solution follows the slow mode after a few thousandths; explicit methods must go on taking steps
    for the fast one.
    """
    caller = "stiffness_example"
    slow = check_float(slow, name="slow", caller=caller, above=0.0)
    fast = check_float(fast, name="fast", caller=caller, above=slow)
    length = check_float(time, name="time", caller=caller, above=0.0)
    names: dict[Any, None] = dict.fromkeys(method_of(one, caller).name for one in methods)
    counts = {check_int(one, name="steps", caller=caller, minimum=1) for one in steps}
    vectors = np.array([[2.0, -1.0], [-1.0, 1.0]])
    matrix = vectors @ np.diag([-slow, -fast]) @ np.linalg.inv(vectors)
    start = np.array([1.0, 0.0])
    whole = linalg.expm(length * matrix)
    end, exact_log = whole @ start, float(np.log(np.linalg.norm(whole, 2)))
    rows = []
    for name in names:
        for count in sorted(counts):
            step = ode_as_rnn(
                lambda h: matrix @ h,
                length / count,
                name,
                jacobian=lambda h: matrix,
            )
            last = run_to_end(step, start, count)
            factors = [float(step.rule.factor(-rate * step.dt)) for rate in (slow, fast)]
            largest = max(abs(one) for one in factors)
            logs, direction = product_logs(np.broadcast_to(step.jacobian(start), (count, 2, 2)))
            gradient = float(logs[-1] + np.log(np.linalg.norm(direction, 2)))
            rows.append(
                {
                    "method": name,
                    "nsteps": count,
                    "dt": step.dt,
                    "factor_slow": factors[0],
                    "factor_fast": factors[1],
                    "stable": largest <= 1.0,
                    "error": _distance(last, end) / float(np.linalg.norm(end)),
                    "log_gradient": gradient,
                    "exact_log_gradient": exact_log,
                    "verdict": _verdict(largest),
                }
            )
    return StiffnessExample(matrix, slow, fast, length, pd.DataFrame(rows))
