"""Time constants: how long gates, leaky units and roots of a recurrence hold what they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_alpha, check_float, check_literal, shown
from rnnstats._index import step_name
from rnnstats.diagnostics.memory.filters import constant_tables as tables
from rnnstats.diagnostics.memory.filters.linear_systems import At, linear_system_of, steps_needed
from rnnstats.diagnostics.memory.recurrences import (
    Given,
    Kept,
    Labels,
    Recurrence,
    StepRecurrence,
    recurrence_of,
    refuse,
)
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.time_units import Scale, scale_of
from rnnstats.diagnostics.memory.uncertainty import delta
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TimeConstants", "time_constants"]

FloatArray = NDArray[np.float64]
CALLER = "time_constants"
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, eq=False, repr=False)
class TimeConstants(Report):
    """Times in which a recurrence loses what it holds.

    A share f kept from row to row, rows dt apart, falls to 1/e in ``tau = -dt / ln f``.

    Attributes
    ----------
    scale : Scale
        Length of a row, and the unit of times in which it is.
    alpha : float
        One minus the coverage of the intervals.

    References
    ----------
    Hamilton (1994), Time Series Analysis, chapter 1 (roots); Tallec and Ollivier (2018), Can
    recurrent neural networks warp time?, ICLR (gates); Perez-Arriaga, Verghese and Schweppe (1982),
    IEEE Transactions on Power Apparatus and Systems 101, 3117-3125 (which states a root is of).
    """

    scale: Scale
    alpha: float
    _roots: pd.DataFrame
    _gates: pd.DataFrame
    _paths: pd.DataFrame
    _place: str

    @property
    def frame(self) -> pd.DataFrame:
        """One row a root or unit with a gate (a copy).

        ``of``; ``tau`` with its standard error ``tau_se`` and ends ``tau_lower``, ``tau_upper`` of
        an interval (of roots that of the modulus, turned; of gates on the log scale);
        ``half_life`` = tau ln 2; ``period``, for roots.
        """
        names = ["tau", "tau_se", "tau_lower", "tau_upper", "half_life", "period"]
        parts = [self._roots[["states", *names]].rename(columns={"states": "of"})]
        parts[0].index = pd.Index([f"root {name}" for name in self._roots.index])
        if len(self._gates):
            gates = self._gates[["gate", *names[:-1]]].rename(columns={"gate": "of"})
            parts.append(gates.assign(period=np.nan))
        kept = [part for part in parts if len(part)]
        return pd.concat(kept) if kept else parts[0]

    @property
    def roots(self) -> pd.DataFrame:
        """One row an eigenvalue of the recurrence, complex pairs once, largest first (a copy).

        ``states``: which a disturbance that decays so is mostly in (participation of a tenth of the
        largest or more); of a leaky unit the unit. ``real``, ``imag``; ``modulus``; ``tau`` = -1 /
        ln modulus, ``half_life``, ``period`` = 2 pi / angle (2 rows for a negative root, infinite
        for a positive one), ``damping`` ratio, each with its delta-method standard error ``_se``;
        ``tau_lower``, ``tau_upper``; ``note``. Times in ``scale.unit``; a root outside the unit
        circle has a negative ``tau``, minus the time in which a disturbance grows e-fold, and no
        interval. Empty where only gates were looked at.
        """
        return self._roots.copy()

    @property
    def gates(self) -> pd.DataFrame:
        """One row a unit with a gate that keeps its content (a copy); empty without.

        ``gate``; ``mean`` of the gate over rows; ``tau`` = -dt / mean ln f, the time that goes with
        the mean rate, with ``tau_se`` (what the finite series and the estimation add, by batch
        means; of a constant gate the delta method) and the ends of an interval on the log scale,
        ``half_life``; ``tau_mean``, the mean of -dt / ln f over rows, and its quantiles ``tau_q10``
        and so on, with ``_se`` from the estimation of the parameters, given the rows.
        """
        return self._gates.copy()

    @property
    def paths(self) -> pd.DataFrame:
        """Time constant -dt / ln f of each unit in each row (a copy); empty without gates."""
        return self._paths.copy()

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Roots, and time constants of the gates.
        """
        parts: dict[str, pd.DataFrame] = {}
        unit = self.scale.unit
        if len(self._roots):
            for title, words in (
                (f"Time constants of the roots, in {unit}", tables.ROOT_WORDS),
                (f"Oscillation of the roots (period in {unit})", tables.TURN_WORDS),
            ):
                parts[title] = self._roots[list(words)].rename(columns=words)
        if len(self._gates):
            words = tables.GATE_WORDS
            parts[f"Time constants of the gates, in {unit}"] = self._gates[list(words)].rename(
                columns=words
            )
            spread = [str(name) for name in self._gates if tables.is_quantile(str(name))]
            parts["Over the rows"] = self._gates[["tau_mean", *spread]].rename(
                columns=tables.quantile_words(["tau_mean", *spread])
            )
        return lay_out(parts, self._notes())

    def _notes(self) -> list[str]:
        ends = ["from that of the modulus"] if len(self._roots) else []
        ends += ["of gates on the log scale"] if len(self._gates) else []
        notes = [
            f"tau: {self.scale.unit} in which what is held falls to 1/e, with its "
            f"{100 * (1 - self.alpha):g} % interval ({', '.join(ends)})."
        ]
        if self._place:
            notes.append(f"Roots of a nonlinear recurrence, linearised at {self._place}.")
        elif not len(self._roots):
            notes.append("No roots: gates alone were given, or there is no fixed point (see at).")
        if len(self._gates):
            notes.append(
                "A gate's tau is that of its mean rate, mean ln f: how its content fades where "
                "nothing new is written."
            )
        return notes

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot time constants with intervals, the roots, and those of gates over time.

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
        from rnnstats.diagnostics.memory.filters.constant_plots import draw_constants

        return draw_constants(self, fig=fig)


def time_constants(
    source: Any = None,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    gates: ArrayLike | pd.DataFrame | None = None,
    given: Given | None = None,
    at: At = "fixed_point",
    quantiles: Sequence[float] = QUANTILES,
    dt: float | None = None,
    unit: str | None = None,
    alpha: float = 0.05,
) -> TimeConstants:
    """Time constants of the roots and gates of a recurrence, with standard errors.

    Parameters
    ----------
    source : results, VARMA, callable or array_like, optional
        Results of a model; ``step(h, x)`` or ``step(h)``; a matrix W_h (m, m) or Jacobians (n, m,
        m). May be left out with `gates`.
    h0 : array_like of shape (m,), optional
        With a function: where the search for a fixed point, or the run, starts.
    nsteps : int, optional
        With a function: steps of the run, needed for its mean state and its rows.
    jacobian : callable, optional
        ``jacobian(h, x)`` of a function.
    inputs : array_like of shape (n, ...), optional
        With a function: its inputs, held at their means for a fixed point.
    gates : array_like of shape (n, units), (units,) or (), optional
        Shares f that units keep, between 0 and 1, instead of a source: gates over time (a Series is
        that of one unit), or constant ones, such as ``1 - a`` of ``h_t = (1 - a) h_{t-1} + a x_t``.
    given : {"shocks", "inputs"}, optional
        What is held while a disturbance decays: the shocks, so that outputs come back as inputs, or
        all inputs. By default what the state equation is written in: shocks for a linear model (the
        roots of W_h), inputs for a network.
    at : {"fixed_point", "mean"}, row label or array_like of shape (m,)
        State at which a nonlinear recurrence is linearised for its roots, as in
        `transfer_function`.
    quantiles : sequence of float
        Of the time constants of gates over rows.
    dt : float, optional
        Length of a row, in `unit`; by default 1, or what the index says in `unit`.
    unit : str, optional
        Unit of times; by default rows of the index. Without `dt` one of years, quarters, months,
        weeks, days, hours, minutes, seconds.
    alpha : float
        One minus the coverage of intervals.

    Returns
    -------
    TimeConstants
        ``frame``, ``roots``, ``gates``, ``paths``, ``summary()``, ``plot()``.

    Raises
    ------
    SpecificationError
        Neither a source nor gates, or arguments that make no sense with it; or a recurrence
        without gates has no fixed point.

    Notes
    -----
    Standard errors of roots are those of the delta method with the exact derivatives of eigenvalues
    (Magnus 1985); an interval is that of the modulus, symmetric, turned into times. A gate's is
    symmetric in ln tau, with Student's quantile of the degrees of freedom of the batches.
    """
    width = check_alpha(alpha, CALLER)
    shares = _quantiles(quantiles)
    if (source is None) == (gates is None):
        got = "neither" if source is None else "both"
        raise SpecificationError(
            f"{CALLER}: give a source (results, a function or a matrix) or gates; got {got}."
        )
    if given is not None:
        check_literal(given, get_args(Given), name="given", caller=CALLER)
    if gates is not None:
        refuse(CALLER, "gates", h0=h0, nsteps=nsteps, jacobian=jacobian, inputs=inputs, given=given)
        recurrence: Recurrence = _Gates(_kept(gates), _labels(gates))
    else:
        if callable(source) and nsteps is None and inputs is None:
            nsteps = steps_needed(at, CALLER)
        recurrence = recurrence_of(
            source, h0, nsteps, jacobian=jacobian, inputs=inputs, caller=CALLER
        )
    scale = scale_of(recurrence.labels.step, dt, unit, caller=CALLER)
    kept = recurrence.kept()
    try:
        matrix = _matrix(recurrence, given, at)
    except SpecificationError:
        if kept is None or not (isinstance(at, str) and at == "fixed_point"):
            raise
        matrix = None  # gates have their time constants without a fixed point, too
    if matrix is None:
        roots = tables.no_roots()
    else:
        roots = _roots(recurrence, matrix, given, scale, width)
    if kept is None:
        found, paths = pd.DataFrame(), pd.DataFrame()
        if matrix is None:
            raise SpecificationError(
                f"{CALLER}: the recurrence must have gates or a state with roots; got "
                f"{recurrence.labels.title}. Use lyapunov_spectrum, or memory() of the results."
            )
    else:
        found = tables.gate_table(recurrence, shares, scale, alpha)
        paths = tables.gate_paths(kept, recurrence.labels.index, scale)
    place = "" if matrix is None else matrix.place
    return TimeConstants(scale, float(alpha), roots, found, paths, place)


def _matrix(recurrence: Recurrence, given: Given | None, at: At) -> _Matrix | None:
    """Matrix whose roots are looked for; None where there is none."""
    if isinstance(recurrence, _Gates):
        return None
    known = linear_system_of.dispatch(type(recurrence)) is not linear_system_of.dispatch(object)
    if not isinstance(recurrence, StepRecurrence):
        along = recurrence.trajectory(given)
        if along.constant:
            # what holds inputs for a row has no roots of its own
            m = along.k_state if given == "shocks" else len(recurrence.labels.states)
            names = (
                recurrence.names(along).states if given == "shocks" else recurrence.labels.states
            )
            return _Matrix(along.state[0, :m, :m], names, "", at)
    if not known:
        return None
    found = linear_system_of(recurrence, given=given or "inputs", at=at, caller=CALLER)
    return _Matrix(found.transition, found.labels.states, found.place, found.again(at))


class _Matrix(NamedTuple):
    """A matrix, its states, where it holds, and where to look for it at other parameters."""

    value: FloatArray
    names: tuple[str, ...]
    place: str
    again: At


@dataclass(eq=False)
class _Gates(Recurrence):
    """Gates that are given: a recurrence of which nothing else is known."""

    values: Kept
    labels: Labels

    def trajectory(self, given: Given | None = None) -> Any:
        """Not known."""
        raise SpecificationError(f"{CALLER}: gates do not tell Jacobians; got gates alone.")

    def kept(self) -> Kept:
        """Shares kept."""
        return self.values


def _roots(
    recurrence: Recurrence, found: _Matrix, given: Given | None, scale: Scale, width: float
) -> pd.DataFrame:
    """Table of the roots, with the covariance of the matrix's cells."""

    def cells(there: Recurrence) -> FloatArray:
        try:
            moved = _matrix(there, given, found.again)
        except SpecificationError:  # the fixed point does not go on there: no derivative
            moved = None
        return np.full(found.value.shape, np.nan) if moved is None else moved.value

    spread = delta(recurrence, cells).cov
    return tables.root_table(found.value, spread, found.names, scale, width)


def _quantiles(quantiles: Any) -> tuple[float, ...]:
    hint = "For example quantiles=(0.1, 0.5, 0.9)."
    if isinstance(quantiles, str) or not np.iterable(quantiles):
        raise SpecificationError(
            f"{CALLER}: quantiles must be a list of shares; got {shown(quantiles)}. {hint}"
        )
    return tuple(
        check_float(q, name="quantiles", caller=CALLER, above=0.0, below=1.0, hint=hint)
        for q in quantiles
    )


def _kept(gates: Any) -> Kept:
    """Check gates that the user gives."""
    if isinstance(gates, pd.Series):
        gates = gates.to_frame("h1" if gates.name is None else gates.name)
    values = np.array(gates, dtype=np.float64)
    rows = values.reshape(1, -1) if values.ndim < 2 else values
    if rows.ndim != 2 or not rows.size or not ((rows >= 0.0) & (rows <= 1.0)).all():
        raise SpecificationError(
            f"{CALLER}: gates must lie between 0 and 1, shape (n, units), or (units,) where they "
            f"are constant; got {shown(gates)}."
        )
    names: Any = getattr(gates, "columns", None)
    units = [f"h{j + 1}" for j in range(rows.shape[1])] if names is None else names
    return Kept("given", tuple(str(name) for name in units), rows)


def _labels(gates: Any) -> Labels:
    if isinstance(gates, (pd.DataFrame, pd.Series)):
        return Labels(states=(), index=gates.index, step=step_name(gates.index))
    n = len(np.atleast_2d(np.asarray(gates)))
    return Labels(states=(), index=pd.RangeIndex(1, n + 1))
