"""A recurrence's product of Jacobians is its solver's amplification product.

Differentiating a step of a solver by its start gives the same step of the variational equation
``v' = f'(h) v``: solving and differentiating commute. So the gradient dh_T/dh_0 of the recurrence
that a solver makes is the solver's own solution of that equation; where f' is constant it is R(dt
A)^T, with R the stability function. Read the other way, any recurrence is a step of some equation,
and the eigenvalues of its Jacobians are amplification factors.

References
----------
Hairer, Lubich and Wanner (2006), Geometric Numerical Integration, 2nd ed., lemma VI.4.1 (a step
of a partitioned system and its derivative commute); Haber and Ruthotto (2017), Stable architectures
for deep neural networks, Inverse Problems 34, 014004, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from rnnstats._checks import check_literal
from rnnstats.diagnostics.memory.derivatives import as_step
from rnnstats.diagnostics.memory.ode.linearised import slope_of
from rnnstats.diagnostics.memory.ode.step_methods import METHODS, ROUNDING, Method
from rnnstats.diagnostics.memory.ode.steps import OdeStep
from rnnstats.diagnostics.memory.recurrences import (
    Given,
    StepRecurrence,
    Trajectory,
    recurrence_of,
)
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["AmplificationProduct", "amplification_product"]

FloatArray = NDArray[np.float64]
Reading = Literal["explicit_euler", "implicit_euler", "exponential_euler"]


@dataclass(frozen=True, eq=False, repr=False)
class AmplificationProduct(Report):
    """A product of Jacobians beside the amplification product of the solver that it is.

    Attributes
    ----------
    rule : Method
        The step method.
    dt : float
        Its step; 1 where a recurrence is read as one.
    modes : ndarray of complex, shape (n, m)
        z of each step: dt times the eigenvalues of f' at the state before it, falling real part.
    direction : ndarray, shape (m, m)
        dh_n/dh_0 over its Frobenius norm.
    """

    rule: Method
    dt: float
    modes: NDArray[np.complex128]
    direction: FloatArray
    _rows: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """One row a step, sequences one below the other (a copy).

        ``log_gradient``, log Frobenius norm of the recurrence's product of Jacobians from the start
        of the sequence to this step; ``log_solver``, that of the solver's solution of the
        variational equation; ``gap``, the norm of their difference relative to the first;
        ``log_volume``, log modulus of the product's determinant, and ``log_amplification``, the
        sum of the log moduli of R(z) over steps and modes: equal where f' does not change within a
        step (explicit Euler always, every method on linear equations), else nearly so for small dt;
        ``largest_factor``, largest |R(z)| of the step; ``stable``, whether it is at most 1.
        """
        return self._rows.copy()

    @property
    def stiffness(self) -> float:
        """Stiffness ratio: largest over smallest rate of decay, -Re z, its median over steps.

        Over steps in which all modes decay; NaN without such.
        """
        rates = -self.modes.real
        rates = rates[rates.min(axis=1) > 0.0]
        if not len(rates):
            return float("nan")
        return float(np.median(rates.max(axis=1) / rates.min(axis=1)))

    def summary(self) -> Any:
        """Summary table, see `Report.summary`.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        n, last = len(self._rows), self._rows.iloc[-1]
        table = pd.DataFrame(
            {
                "product of Jacobians": [last["log_gradient"], last["log_volume"]],
                "amplification": [last["log_solver"], last["log_amplification"]],
            },
            index=["log norm", "log volume"],
        )
        parts = {
            "largest gap": self._rows["gap"].max(),
            "steps outside the stability region": int((~self._rows["stable"]).sum()),
            "largest factor": self._rows["largest_factor"].max(),
            "stiffness ratio": self.stiffness,
        }
        return lay_out(
            {
                f"Gradient of the last sequence as {self.rule.title}, dt = {self.dt:g}": table,
                f"Over {n} steps": pd.DataFrame({"": parts}, dtype=object),
            },
            [
                "log norm: product of Jacobians, and the solver's solution of the variational "
                "equation, the same but for rounding. log volume: determinant, and the factors R(z)"
                " at the eigenvalues of the derivative before each step."
            ],
        )

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw both products by step, and the modes in the stability region.

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
        from rnnstats.diagnostics.memory.ode.plots import draw_products

        return draw_products(self._rows, self.rule, self.modes, fig=fig)


def amplification_product(
    source: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    method: Reading | None = None,
    given: Given | None = None,
) -> AmplificationProduct:
    """
    Put a product of Jacobians beside the amplification product of the solver that it is.

    Parameters
    ----------
    source : OdeStep, results, callable or array_like
        A step of a solver, from `ode_as_rnn`; or any recurrence, which is then read as steps of
        length 1 of `method`.
    h0 : array_like of shape (m,), optional
        State before the first step, of a function.
    nsteps : int, optional
        Number of steps, of a function or of one matrix.
    jacobian : callable, optional
        ``jacobian(h, x)`` of a function.
    inputs : array_like of shape (nsteps, ...), optional
        Row t goes into step t.
    method : {"explicit_euler", "implicit_euler", "exponential_euler"}, optional
        How to read a recurrence that is no step of a solver: as a residual step, J = I + Z
        (default), as an implicit one, J = (I - Z)^-1, or as a gate, J = exp(Z).
    given : {"inputs", "shocks"}, optional
        What is held in results, see `jacobian_products`.

    Returns
    -------
    AmplificationProduct

    Raises
    ------
    SpecificationError
        Arguments make no sense with the source, or a Jacobian cannot be read as `method` says.

    Notes
    -----
    For a step of a solver the variational equation is solved with the state by the same method, as
    an equation of 2m states for each of the m directions: not by the step's own Jacobian. Hairer,
    Lubich and Wanner (2006), lemma VI.4.1.

    Jacobians far smaller than 1 are lost to rounding in I + (J - I): read such a recurrence as
    "exponential_euler"; ``gap`` tells.
    """
    caller = "amplification_product"
    recurrence = recurrence_of(source, h0, nsteps, jacobian=jacobian, inputs=inputs, caller=caller)
    trajectory = recurrence.trajectory(given)
    if isinstance(source, OdeStep) and isinstance(recurrence, StepRecurrence):
        if method is not None:
            raise SpecificationError(
                f"{caller}: method makes no sense with a step of a solver, which has one; got "
                f"{method!r}. Leave it out."
            )
        factors, slopes = _solved(source, recurrence)
        rule, dt = source.rule, source.dt
    else:
        way = "explicit_euler" if method is None else method
        check_literal(way, get_args(Reading), name="method", caller=caller)
        rule, dt = METHODS[way], 1.0
        slopes = _read(np.asarray(trajectory.state), rule, caller)
        factors = np.stack([rule.matrix(one) for one in slopes])
    modes = np.linalg.eigvals(slopes).astype(np.complex128)
    order = np.argsort(-modes.real, axis=1, kind="stable")
    modes = np.take_along_axis(modes, order, axis=1)
    rows, direction = _compared(trajectory, factors, rule, modes)
    rows.index = recurrence.labels.index
    return AmplificationProduct(rule, dt, modes, direction, rows)


def _read(jacobians: FloatArray, rule: Method, caller: str) -> FloatArray:
    """Z with R(Z) = J for each Jacobian."""
    unit = np.eye(jacobians.shape[1])
    if rule.name == "explicit_euler":
        return np.asarray(jacobians - unit)
    try:
        if rule.name == "implicit_euler":
            return np.asarray(unit - np.linalg.inv(jacobians))
        found = np.stack([np.asarray(linalg.logm(one)) for one in jacobians])
    except np.linalg.LinAlgError as error:
        raise SpecificationError(
            f"{caller}: method={rule.name!r} needs Jacobians that can be inverted; got a singular "
            "one. Use method='explicit_euler'."
        ) from error
    size = np.abs(found).max()
    if not np.isfinite(size) or np.abs(np.imag(found)).max() > 1e-10 * size:
        raise SpecificationError(
            f"{caller}: method='exponential_euler' needs Jacobians without eigenvalues that are "
            "zero or negative; got one with such. Use method='explicit_euler'."
        )
    return np.asarray(found.real)


def _solved(step: OdeStep, recurrence: StepRecurrence) -> tuple[FloatArray, FloatArray]:
    """Solution of the variational equation over each step, and dt f' before it."""
    states = recurrence.run[0]
    n, m = len(states) - 1, states.shape[1]
    given = step.given_jacobian
    slope = slope_of(step.f, states[0], recurrence.inputs_of(0), given, caller="ode_as_rnn")

    def both(h: FloatArray, x: Any) -> FloatArray:
        return np.concatenate([step.f(h[:m], x), slope(h[:m], x) @ h[m:]])

    def both_slope(h: FloatArray, x: Any) -> FloatArray:
        found = np.zeros((2 * m, 2 * m))
        found[:m, :m] = found[m:, m:] = slope(h[:m], x)
        found[m:, :m] = np.stack([bent @ h[m:] for bent in slope.curvature(h[:m], x)], axis=1)
        return found

    part = None if step.linear is None else linalg.block_diag(step.linear, step.linear)
    jacobian = as_step(both_slope, caller="ode_as_rnn", name="jacobian")
    pair = OdeStep(as_step(both, caller="ode_as_rnn"), step.dt, step.rule, jacobian, part)
    solved, slopes = np.empty((n, m, m)), np.empty((n, m, m))
    for t in range(n):
        x = recurrence.inputs_of(t)
        slopes[t] = step.dt * slope(states[t], x)
        for j, direction in enumerate(np.eye(m)):
            solved[t, :, j] = pair(np.concatenate([states[t], direction]), x)[m:]
    return solved, slopes


def _compared(
    trajectory: Trajectory, factors: FloatArray, rule: Method, modes: NDArray[np.complex128]
) -> tuple[pd.DataFrame, FloatArray]:
    """Both products step by step, each sequence from the unit matrix."""
    jacobians, firsts = np.asarray(trajectory.state), set(trajectory.offsets.tolist())
    n, m = jacobians.shape[:2]
    found = np.empty((n, 3))
    one, other, scale = np.eye(m), np.eye(m), 0.0
    for t in range(n):
        if t in firsts:
            one, other, scale = np.eye(m), np.eye(m), 0.0
        one, other = jacobians[t] @ one, factors[t] @ other
        sizes = [float(np.linalg.norm(each)) for each in (one, other)]
        with np.errstate(divide="ignore", invalid="ignore"):
            found[t, :2] = scale + np.log(sizes)
            found[t, 2] = np.linalg.norm(one - other) / sizes[0]
        if sizes[0] > 0.0:  # both by the same number, so that they stay comparable
            one, other = one / sizes[0], other / sizes[0]
            scale += np.log(sizes[0])
    with np.errstate(divide="ignore"):
        volumes = np.linalg.slogdet(jacobians)[1]
        moduli = np.abs(rule.factor(modes))
        logs = np.log(moduli).sum(axis=1)
    starts = trajectory.offsets[:-1]
    rows = pd.DataFrame(
        {
            "log_gradient": found[:, 0],
            "log_solver": found[:, 1],
            "gap": found[:, 2],
            "log_volume": _cumulated(volumes, starts),
            "log_amplification": _cumulated(logs, starts),
            "largest_factor": moduli.max(axis=1),
            "stable": moduli.max(axis=1) <= 1.0 + ROUNDING,
        }
    )
    return rows, one


def _cumulated(values: FloatArray, starts: NDArray[np.intp]) -> FloatArray:
    """Sums from the start of each sequence."""
    pieces = np.split(values, starts[1:])
    return np.concatenate([np.cumsum(piece) for piece in pieces])
