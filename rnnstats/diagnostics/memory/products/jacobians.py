"""Products of Jacobians along a series: all singular values by horizon, and whether they vanish.

The gradient of a later state by an earlier one is the product of the Jacobians of the steps between
them (Rumelhart, Hinton and Williams 1986; Pascanu, Mikolov and Bengio 2013, equation 5). Its
singular values say what is left of a change of the state, direction by direction; the largest is
the norm of the gradient, and its rate a row in the long run is the largest Lyapunov exponent.

References
----------
Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, ICML,
section 2; Bengio, Simard and Frasconi (1994), IEEE Transactions on Neural Networks 5, 157-166.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_alpha, check_int, check_literal, shown
from rnnstats._index import label, position
from rnnstats.diagnostics.memory.lyapunov.growth import growth_of
from rnnstats.diagnostics.memory.products.graded import GradedProducts, graded_products
from rnnstats.diagnostics.memory.products.lagged import over_rows
from rnnstats.diagnostics.memory.products.plots import draw_products
from rnnstats.diagnostics.memory.products.powers import log_singular_values
from rnnstats.diagnostics.memory.recurrences import Given, Labels, Trajectory, recurrence_of
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.verdicts import NEITHER, verdict_of
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "HORIZON",
    "JacobianProducts",
    "jacobian_products",
    "reach",
    "told_lags",
]

FloatArray = NDArray[np.float64]

# Lags without an argument.
HORIZON = 40
STATISTICS = ("mean", "median", "lower", "upper")


@dataclass(frozen=True, eq=False, repr=False)
class JacobianProducts(Report):
    """Products of Jacobians along a series, from every row on.

    Attributes
    ----------
    labels : Labels
        Names of the states and of the rows, and the unit of time.
    alpha : float
        One minus the coverage of the interval, and the level of the verdict.
    """

    labels: Labels
    alpha: float
    _trajectory: Trajectory
    _products: GradedProducts
    _verdict: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """Logs of the singular values by horizon (a copy).

        Index ``lag`` from 0. ``rows`` is how many starting rows have the whole horizon before
        them; ``mean``, ``median``, ``lower`` and ``upper`` (10 % and 90 %) over these are of the
        log of the largest singular value of dh_{t+k} / dh_t, the norm of the gradient;
        ``log_singular_1`` to ``log_singular_m`` are means over the same rows of the logs of all
        singular values. ``-inf`` where nothing is left.
        """
        found = over_rows(self._products.logs)
        table: dict[str, Any] = {"rows": found.rows}
        table |= {name: getattr(found, name)[:, 0] for name in STATISTICS}
        for j, column in enumerate(found.mean.T):
            table[f"log_singular_{j + 1}"] = column
        return pd.DataFrame(table, index=self._lags())

    @property
    def log_singular_values(self) -> pd.DataFrame:
        """Logs of all singular values (a copy).

        Index ``lag``, ``singular`` (1 is the largest); ``mean``, ``median``, ``lower`` and
        ``upper`` (10 % and 90 %) over starting rows.
        """
        logs = self._products.logs
        index = pd.MultiIndex.from_product(
            [range(len(logs)), range(1, logs.shape[2] + 1)], names=["lag", "singular"]
        )
        found = over_rows(logs)
        values = {name: getattr(found, name).ravel() for name in STATISTICS}
        return pd.DataFrame(values, index=index)

    @property
    def log_norms(self) -> pd.DataFrame:
        """Log norms, one column a starting row (a copy).

        Columns are labels of the first row whose Jacobian is in the product; where these are too
        many, some, evenly spread. NaN where the series ends before.
        """
        columns = self.labels.index[self._products.starts]
        if self._trajectory.constant:
            columns = pd.Index(["all"])
        return pd.DataFrame(self._products.logs[:, :, 0], index=self._lags(), columns=columns)

    @property
    def verdict(self) -> pd.DataFrame:
        """Rate per row at which the norm of the product grows, and whether it differs from 0.

        ``rate`` (a copy): the largest Lyapunov exponent along the series, of one matrix the log of
        its spectral radius; ``rate_se`` by batch means with what the estimation of the parameters
        adds, of one matrix by the delta method; ``lower`` and ``upper``, ends of its interval;
        ``half_life`` in rows, infinite where nothing vanishes, with ``half_life_se``; ``t`` and the
        two-sided ``pvalue`` of a rate of 0, by Student's law with ``df`` degrees of freedom (those
        of the batches; infinite by the delta method: the normal law); ``verdict``: "vanishing",
        "exploding", "not distinguishable from 1"; where the rate is 0 exactly, "neither vanishes
        nor explodes"; of a rate of ``-inf`` "forgets at once"; else "no standard error".
        """
        return self._verdict.copy()

    def product(self, first: Any, last: Any) -> pd.DataFrame:
        """
        Gradient of one state by an earlier one.

        Parameters
        ----------
        first, last : int, str, datetime-like, pandas.Period or label
            Rows after which the states are, as in ``predict``: dh_last / dh_first. Of a text that
            means several rows the first and the last of them. Whole numbers up to the number of
            rows count states, 0 for the one before the first row; of one matrix for all rows any
            number does.

        Returns
        -------
        DataFrame
            ``J_last ... J_{first + 1}``: rows are the states moved, columns the states that move
            them.

        Raises
        ------
        SpecificationError
            There are no such rows, or a new sequence begins between them; dates that are not in
            order, of several sequences.
        """
        given = self._trajectory
        start, labelled = self._state_number(first, "first", "start")
        end, _ = self._state_number(last, "last", "end")
        if end < start:
            raise SpecificationError(
                f"product: last must not come before first; got {shown(last)} and {shown(first)}."
            )
        names = list(self.labels.states)
        if given.constant:
            found = np.linalg.matrix_power(given.state[0], end - start)
            return pd.DataFrame(found, index=names, columns=names)
        # a number counts as the state before a sequence's first row, a label as that after the last
        if ((given.offsets >= start + (not labelled)) & (given.offsets < end)).any():
            raise SpecificationError(
                f"product: first and last must lie in one sequence; got {shown(first)} and "
                f"{shown(last)}, and a sequence begins between them."
            )
        found = np.eye(given.k_state)
        for t in range(start, end):
            found = given.state[t] @ found
        return pd.DataFrame(found, index=names, columns=names)

    def _state_number(self, key: Any, name: str, side: Literal["start", "end"]) -> tuple[int, bool]:
        """Number of a state, 0 before the first row, t + 1 after row t; whether by a label."""
        n, index = self._trajectory.nobs, self.labels.index
        whole = isinstance(key, (int, np.integer)) and not isinstance(key, (bool, np.bool_))
        if whole and 0 <= key <= n:
            return int(key), False
        # beyond the rows a whole number is a label (a year), or one of a matrix that never ends
        labelled = not whole or key in index
        if labelled and self._row_order:
            with suppress(SpecificationError):
                return 1 + self._row(key, side), True
        if not labelled and key > n and self._trajectory.constant:
            return int(key), False
        raise SpecificationError(
            f"product: {name} must be a row of the index ({label(index, 0)} to {label(index, -1)}) "
            f"or the number of a state, 0 (before the first row) to {n}; got {shown(key)}."
            + ("" if self._row_order else " Dates of several sequences have no order: use numbers.")
        )

    def _row(self, key: Any, side: Literal["start", "end"]) -> int:
        """Row of a label, counted in the order in which the rows are read."""
        index = self.labels.index
        if self._row_order > 0:
            return position(index, key, side=side, caller="product", allow_future=False)
        # read backward in time: positions are those of an index in order
        other: Literal["start", "end"] = "end" if side == "start" else "start"
        row = position(index[::-1], key, side=other, caller="product", allow_future=False)
        return len(index) - 1 - row

    @property
    def _row_order(self) -> int:
        """1 where rows are in the order of the index, -1 in reverse, 0 where dates have none."""
        index = self.labels.index
        if len(index) > 1 and index.is_monotonic_decreasing:
            return -1
        dates = isinstance(index, (pd.PeriodIndex, pd.DatetimeIndex))
        return 0 if dates and not index.is_monotonic_increasing else 1

    def summary(self) -> Any:
        """
        Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            The rate with its verdict, and norms and singular values by horizon.
        """
        rates = self._verdict.rename(columns=dict(_HEADINGS))
        lags = told_lags(len(self._products.logs))
        norms = self.frame.iloc[lags]
        with np.errstate(over="ignore"):
            values = np.exp(norms[list(STATISTICS)].to_numpy())
        shown_norms = pd.DataFrame(values, index=norms.index, columns=list(STATISTICS))
        shown_norms.insert(0, "rows", norms["rows"])
        singular = norms.filter(like="log_singular_").div(np.log(10.0))
        singular.columns = pd.Index([f"{j + 1}" for j in range(singular.shape[1])])
        labels = [f"horizon {lag}" for lag in norms.index]
        title = f"{self.labels.title}: products" if self.labels.title else "Products"
        return lay_out(
            {
                f"{title} of Jacobians, rate per row (rows are {self.labels.step})": rates,
                "Norm of dh(t+k)/dh(t) over starting rows t": shown_norms.set_axis(labels),
                "log10 of the singular values, means over t": singular.iloc[:, :8].set_axis(labels),
            },
            self._notes(),
        )

    def _notes(self) -> list[str]:
        level = f"{100 * (1 - self.alpha):g} %"
        notes = [
            f"rate: in the long run the norm is multiplied by exp(rate) a row; {level} interval. "
            "lower and upper of norms: 10 % and 90 % of starting rows. Near a rate of 0 the test is"
            " an approximation, no unit root test."
        ]
        if self._verdict["verdict"].iloc[0] == NEITHER:
            notes.append("A rate of 0: the norm stays, or changes like a power of the horizon.")
        return notes

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """
        Plot the norm with its band and its rate, and all singular values.

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
        return draw_products(
            self.frame, self.log_singular_values, self._verdict.iloc[0], self.labels.step, fig=fig
        )

    def _lags(self) -> pd.RangeIndex:
        return pd.RangeIndex(len(self._products.logs), name="lag")


_HEADINGS = {
    "rate_se": "std err", "lower": "[lower", "upper": "upper]", "half_life": "half-life",
    "half_life_se": "std err ", "pvalue": "P>|t|",
}  # fmt: skip


def jacobian_products(
    source: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    horizon: int | None = None,
    given: Given | None = None,
    alpha: float = 0.05,
) -> JacobianProducts:
    """
    Products of Jacobians dh_T/dh_k along a series, their singular values, and their rate.

    Parameters
    ----------
    source : results, callable or array_like
        Results of a model; a function ``step(h, x)`` or ``step(h)``; one matrix (m, m) that moves
        the state in every row; Jacobians (n, m, m), row t those of the step into row t.
    h0 : array_like of shape (m,), optional
        State before the first step; for a function.
    nsteps : int, optional
        Number of steps; for a function (by default the rows of `inputs`) and for one matrix.
    jacobian : callable, optional
        ``jacobian(h, x)`` of shape (m, m); for a function, whose derivative is otherwise found by a
        complex step, or by differences.
    inputs : array_like of shape (nsteps, ...), optional
        Row t goes into step t; for a function.
    horizon : int, optional
        Largest lag in rows; by default 40, or the rows of the longest sequence where these are
        fewer. One matrix has any.
    given : {"inputs", "shocks"}, optional
        What is held as it was while the state moves. "inputs": lagged outputs and regressors, as
        back-propagation through time holds them (of a linear model ``W_h - K V``, how fast the
        filter forgets). "shocks": outputs move with the state and come back as inputs (of a linear
        model ``W_h``). By default as the state equation of the model is written: shocks for linear
        models, inputs for networks.
    alpha : float
        One minus the coverage of the interval, and the level of the verdict.

    Returns
    -------
    JacobianProducts
        ``frame``, ``verdict``, ``log_singular_values``, ``log_norms``, ``product(first, last)``,
        ``summary()``, ``plot()``.

    Raises
    ------
    SpecificationError
        The source, or an argument, makes no sense; the horizon is longer than every sequence.

    Notes
    -----
    Products are never formed: they are kept as orthogonal, diagonal (in logs) and unit triangular
    factors, see `graded.graded_products`; of one matrix as scaled rows of the powers of its Schur
    form, see `powers.log_singular_values`. Neither overflows nor vanishes, and small singular
    values are as accurate as large ones. The rate is that of `growth.growth_of`.

    Examples
    --------
    The scalar recurrence h_t = s h_{t-1}, the gradient of which is s^k:

    >>> for s in (0.9, 1.0, 1.1):
    ...     print(jacobian_products([[s]]).verdict["verdict"].iloc[0])
    vanishing
    neither vanishes nor explodes
    exploding
    """
    caller = "jacobian_products"
    check_alpha(alpha, caller)
    if given is not None:
        check_literal(given, get_args(Given), name="given", caller=caller)
    recurrence = recurrence_of(source, h0, nsteps, jacobian=jacobian, inputs=inputs, caller=caller)
    trajectory = recurrence.trajectory(given)
    steps = reach(trajectory.offsets, horizon, caller, trajectory.constant)
    if trajectory.constant:
        logs = log_singular_values(trajectory.state[0], steps)[:, None, :]
        found = GradedProducts(np.zeros(1, dtype=np.intp), logs)
    else:
        found = graded_products(trajectory.state, trajectory.offsets, steps)
    growth = growth_of(recurrence, given, 0)
    leading = np.eye(len(growth.rates))[0]
    return JacobianProducts(
        recurrence.names(trajectory),
        float(alpha),
        trajectory,
        found,
        verdict_of(float(growth.rates[0]), growth.standard_error(leading), alpha),
    )


def reach(
    offsets: NDArray[np.intp], horizon: int | None, caller: str, endless: bool, less: int = 0
) -> int:
    """
    Check the largest lag.

    Parameters
    ----------
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and n.
    horizon : int or None
        What the user gave.
    caller : str
        Function that the user called, for messages.
    endless : bool
        Whether one matrix moves the state in every row, so that there are rows enough.
    less : int
        Rows at the start of a sequence that no lag can reach.

    Returns
    -------
    int
        By default 40, or the rows of the longest sequence.

    Raises
    ------
    SpecificationError
        It is no whole number from 1 on, or longer than every sequence.
    """
    longest = int(np.diff(offsets).max(initial=0)) - less
    if horizon is None:
        return HORIZON if endless else min(HORIZON, longest)
    steps = check_int(horizon, name="horizon", caller=caller, minimum=1)
    if steps > longest and not endless:
        raise SpecificationError(
            f"{caller}: horizon must be at most {longest}, as far as the longest sequence reaches; "
            f"got {shown(horizon)}. Leave it out for as far as the rows tell."
        )
    return steps


def told_lags(count: int) -> list[int]:
    """
    Lags worth a line of a table: 0, 1, 2, 5, 10, 20, ... and the last.

    Parameters
    ----------
    count : int
        Number of lags, from 0 on.

    Returns
    -------
    list of int
    """
    kept = {0, count - 1}
    scale = 1
    while scale < count:
        kept |= {scale, 2 * scale, 5 * scale}
        scale *= 10
    return sorted(k for k in kept if k < count)
