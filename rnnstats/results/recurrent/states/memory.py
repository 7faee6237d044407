"""How long a fitted recurrent network remembers: Jacobians along the series, and its gates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats import _compat
from rnnstats._checks import check_alpha, check_int
from rnnstats._compat import wrapped
from rnnstats._index import step_name
from rnnstats.diagnostics.memory import products
from rnnstats.diagnostics.memory.forgetting import batch_means
from rnnstats.estimation.covariance import CovarianceEstimate, CovType
from rnnstats.kernels import cells
from rnnstats.results.inference.covariances import Derivatives
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.inference.slopes import axis_slopes
from rnnstats.results.recurrent.protocol import IntArray, RecurrentModel, RecurrentSystem
from rnnstats.results.recurrent.states.plots import draw_recurrent_memory
from rnnstats.results.recurrent.states.states import gate_values, retention, unit_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RecurrentMemory", "RecurrentMemoryTable"]

STATE = "state given inputs"


@dataclass(frozen=True, eq=False, repr=False)
class RecurrentMemoryTable:
    """How long a recurrent network remembers its state.

    - *Jacobians*: the gradient of a later state with respect to an earlier one, with the inputs
      (lagged outputs and regressors) as they were, is the product of the Jacobians of the steps.
      How fast it vanishes is how fast the network forgets where it started, and how far back it can
      look. Its rate per row is the largest Lyapunov exponent along the series.
    - *gates*: a unit keeps the share f_t of its content at row t (LSTM: the forget gate; GRU: the
      update gate). Its time constant is ``-1 / mean log f_t``, in rows.

    With an identity activation the Jacobian is the matrix W_h of the network, which in a linear
    model in innovations form is ``W_h - K V``: how fast the filter forgets.

    Attributes
    ----------
    step : str
        Unit of times: what one row is, such as "quarters".
    alpha : float
        One minus the coverage of the intervals, and the level of the verdict.

    References
    ----------
    Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks,
    ICML, section 2; Benettin, Galgani, Giorgilli and Strelcyn (1980), Meccanica 15, 9-30; Tallec
    and Ollivier (2018), Can recurrent neural networks warp time?, ICLR (gates as time constants).
    """

    step: str
    alpha: float
    _verdict: pd.DataFrame
    _products: pd.DataFrame
    _gates: pd.DataFrame
    _exponents: pd.Series

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def verdict(self) -> pd.DataFrame:
        """Rate per row at which the state is forgotten (a copy).

        ``log_rate``: largest Lyapunov exponent along the series, negative where gradients vanish;
        ``log_rate_se`` with what both the finite series (batch means) and the estimation of the
        parameters add; ``half_life`` in rows; ``z``, ``pvalue`` (of log_rate = 0, two-sided);
        ``verdict``: "vanishing", "exploding" or "not distinguishable from 1".
        """
        return self._verdict.copy()

    @property
    def products(self) -> pd.DataFrame:
        """Log norms of products of Jacobians, index ``lag`` from 0 (a copy).

        ``mean``, ``median``, ``lower`` and ``upper`` (10 % and 90 %) over starting rows of the log
        of the largest singular value of ds_{t+k} / ds_t; ``-inf`` where nothing is left.
        """
        return self._products.copy()

    @property
    def gates(self) -> pd.DataFrame:
        """Time constants of the gates, one row a unit (a copy); empty for cells without such gates.

        ``gate``; ``mean`` of the gate over rows; ``tau`` = -1 / mean log gate with its standard
        error ``tau_se`` and ends ``tau_lower``, ``tau_upper`` of an interval taken on the log
        scale; ``tau_low`` and ``tau_high``: 10 % and 90 % quantiles over rows of -1 / log gate.
        """
        return self._gates.copy()

    @property
    def exponents(self) -> pd.Series:
        """All Lyapunov exponents along the series, one a state (a copy)."""
        return self._exponents.copy()

    @property
    def frame(self) -> pd.DataFrame:
        """The verdict: one row for the state (a copy)."""
        return self._verdict.copy()

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Rate with its verdict, norms by horizon and time constants of the gates.
        """
        rates = self._verdict.copy()
        rates.columns = pd.Index(["log rate", "std err", "half-life", "z", "P>|z|", "verdict"])
        summary = _compat.build_table(
            rates,
            title=f"Memory: rate per row at which the state is forgotten (times in {self.step})",
            notes=self._notes(),
        )
        shown = self._products.iloc[_horizons(len(self._products))]
        labels = [f"horizon {lag}" for lag in shown.index]
        shown = pd.DataFrame(np.exp(shown.to_numpy()), index=labels, columns=shown.columns)
        parts = [(shown, "Norm of ds(t+k)/ds(t) over rows t")]
        if len(self._gates):
            parts.append((self._gates, f"Time constants of the gates in {self.step}"))
        for table, title in parts:
            summary.tables.extend(_compat.build_table(table, title=title).tables)
        return summary

    def _notes(self) -> list[str]:
        notes = [
            "Inputs (lagged outputs and regressors) are held as they were: this is how fast the "
            "network forgets where it started, not how long a shock to the outputs lasts (see "
            "impulse_responses)."
        ]
        if len(self._gates):
            notes.append(
                "tau: rows in which a unit's content falls to 1/e if nothing is written; the gate "
                "moves, so it has a range over rows."
            )
        return [line for note in notes for line in wrapped(note)]

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot norms by horizon and time constants of the gates.

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
        return draw_recurrent_memory(self._products, self._gates, step=self.step, fig=fig)


@dataclass(frozen=True, eq=False)
class Rates:
    """Log rates of each row: of the state (m,), and of the content of each unit (m, units).

    Attributes
    ----------
    stretch : ndarray of shape (m, k_state)
        Log stretches, see `rnnstats.diagnostics.products.log_stretches`.
    kept : ndarray of shape (m, units)
        Logs of the gates that keep content.
    """

    stretch: FloatArray
    kept: FloatArray

    @cached_property
    def means(self) -> FloatArray:
        """Mean of the largest exponent and of each unit's log gate, (1 + units,)."""
        with np.errstate(invalid="ignore"):
            return np.concatenate([[self.stretch[:, 0].mean()], self.kept.mean(axis=0)])


def jacobians_of(system: RecurrentSystem) -> FloatArray:
    """Derivative of each row's state by the state before, (m, k_state, k_state).

    Parameters
    ----------
    system : RecurrentSystem

    Returns
    -------
    ndarray
        The inputs count as given.
    """
    whole, kept = getattr(system, "whole", system), getattr(system, "kept", slice(None))
    state, _ = cells.jacobians(whole.architecture, whole.weights, whole.run)
    return np.asarray(state)[kept]


def rates_of(system: RecurrentSystem) -> Rates:
    """Log rates of each row.

    Parameters
    ----------
    system : RecurrentSystem

    Returns
    -------
    Rates
    """
    offsets: IntArray = np.asarray(system.row_offsets)
    stretch = products.log_stretches(jacobians_of(system), offsets)
    gate = retention(gate_values(system))
    with np.errstate(divide="ignore"):
        kept = np.empty((len(stretch), 0)) if gate is None else np.log(gate[1])
    return Rates(stretch, kept)


class RecurrentMemory(ABC):
    """The part of results about memory.

    Attributes
    ----------
    model : RecurrentModel
        Data and structure.
    """

    model: RecurrentModel
    _theta: FloatArray
    _given_covariance: Any

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    @property
    @abstractmethod
    def _system(self) -> RecurrentSystem:
        """The network at the estimates."""

    @property
    @abstractmethod
    def _derivatives(self) -> Derivatives:
        """Second derivatives and scores at the estimates."""

    # Matrix by which the score of a row moves the estimates.
    @abstractmethod
    def _inverse_information(self, cov_type: CovType) -> CovarianceEstimate: ...

    def memory(self, steps: int = 40, alpha: float = 0.05) -> RecurrentMemoryTable:
        """Measure how long the network remembers its state, with standard errors.

        Products of the Jacobians of the state along the series by horizon, their rate per row, and
        time constants of the gates that keep content.

        Parameters
        ----------
        steps : int
            Largest horizon of the products.
        alpha : float
            One minus the coverage of intervals, and the level of the verdict.

        Returns
        -------
        RecurrentMemoryTable
            ``verdict``, ``products``, ``gates``, ``exponents``, ``summary()``, ``plot()``.

        Raises
        ------
        SpecificationError
            `steps` is below one, or `alpha` is not between 0 and 1.

        Notes
        -----
        A rate is the mean over rows of a function of the row and the parameters. Its standard error
        is that of the mean of the function's influence: its value in the row, plus what the row's
        score adds through the estimates (expected information, that of a penalty with it), by batch
        means.
        """
        count = check_int(steps, name="steps", caller="memory", minimum=1)
        width = check_alpha(alpha, "memory")
        system = self._system
        here = rates_of(system)
        errors = self._rate_errors(here)
        by_lag = self._products(system, count)
        names = list(self.model.state_names)
        return RecurrentMemoryTable(
            step_name(self.model.endog.index),
            float(alpha),
            _verdict(float(here.means[0]), errors[0], alpha),
            by_lag,
            _gate_frame(system, here, errors[1:], width),
            pd.Series(here.stretch.mean(axis=0), index=range(1, len(names) + 1), name="exponent"),
        )

    def _products(self, system: RecurrentSystem, steps: int) -> pd.DataFrame:
        offsets: IntArray = np.asarray(system.row_offsets)
        steps = max(1, min(steps, int(np.diff(offsets).max()) - 1))
        logs = products.log_norms(jacobians_of(system), offsets, steps)
        with np.errstate(invalid="ignore"):
            low, middle, high = np.quantile(logs, [0.1, 0.5, 0.9], axis=1, method="nearest")
            table = {"mean": logs.mean(axis=1), "median": middle, "lower": low, "upper": high}
        return pd.DataFrame(table, index=pd.RangeIndex(steps + 1, name="lag"))

    def _rate_errors(self, here: Rates) -> FloatArray:
        """Standard errors of the means, (1 + units,)."""
        model, theta = self.model, self._theta
        moved = self._given_covariance is not None
        estimate = self.covariance if moved else self._inverse_information("approx")
        rows = np.column_stack([here.stretch[:, 0], here.kept])
        finite = np.isfinite(here.means)
        found = np.full(len(here.means), np.nan)
        if not finite.any():
            return found

        def means(point: FloatArray) -> FloatArray:
            values = rates_of(model.system(point)).means
            return np.where(finite & np.isfinite(values), values, 0.0)

        slopes = axis_slopes(means, model, theta, estimate)
        with np.errstate(invalid="ignore"):
            spread = np.diagonal(np.atleast_2d(estimate.of(slopes)))
        told = np.isfinite(spread)
        if moved:  # estimates from other rows: independent of these
            for j in np.flatnonzero(finite & told):
                found[j] = np.hypot(batch_means(rows[:, j]).error, np.sqrt(max(spread[j], 0.0)))
            return found
        scores = self._derivatives.score_obs[np.asarray(self._system.rows)]
        influence = scores @ estimate.generalised @ slopes.T * len(rows)
        for j in np.flatnonzero(finite & told):
            found[j] = batch_means(rows[:, j] + influence[:, j]).error
        return found


def _verdict(rate: float, error: float, alpha: float) -> pd.DataFrame:
    with np.errstate(divide="ignore", invalid="ignore"):
        z = float(np.divide(rate, error)) if np.isfinite(rate) else np.nan
    pvalue = float(2.0 * stats.norm.sf(abs(z)))
    if rate == -np.inf:
        word = "forgets at once"
    elif np.isnan(z):
        word = "no standard error"
    elif pvalue > alpha:
        word = "not distinguishable from 1"
    else:
        word = "vanishing" if rate < 0.0 else "exploding"
    half = -np.log(2.0) / rate if rate < 0.0 else np.inf
    row = {
        "log_rate": rate, "log_rate_se": error, "half_life": half, "z": z, "pvalue": pvalue,
        "verdict": word,
    }  # fmt: skip
    return pd.DataFrame([row], index=pd.Index([STATE]))


def _gate_frame(
    system: RecurrentSystem, here: Rates, errors: FloatArray, width: float
) -> pd.DataFrame:
    """Time constants of the gates that keep content."""
    columns = ["gate", "mean", "tau", "tau_se", "tau_lower", "tau_upper", "tau_low", "tau_high"]
    gate = retention(gate_values(system))
    if gate is None:
        return pd.DataFrame(columns=columns)
    word, values = gate
    architecture = system.architecture
    names = [
        name
        for cell, layer in zip(architecture.cells, unit_names(architecture), strict=True)
        if word in cell.gates
        for name in layer[0]
    ]
    rate = here.means[1:]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        tau = np.where(rate < 0.0, -1.0 / rate, np.inf)
        spread = errors * tau * tau
        reach = width * spread / tau
        by_row = np.where(here.kept < 0.0, -1.0 / here.kept, np.inf)
        low, high = np.quantile(by_row, [0.1, 0.9], axis=0, method="nearest")
        table = dict(
            zip(
                columns,
                (
                    word, values.mean(axis=0), tau, spread,
                    tau * np.exp(-reach), tau * np.exp(reach), low, high,
                ),
                strict=True,
            )
        )  # fmt: skip
    return pd.DataFrame(table, index=pd.Index(names))


def _horizons(count: int) -> list[int]:
    """Horizons worth a line: 0, 1, 2, 5, 10, 20, ... and the last."""
    kept = {0, 1, 2, count - 1}
    scale = 1
    while scale < count:
        kept |= {scale, 2 * scale, 5 * scale}
        scale *= 10
    return sorted(k for k in kept if k < count)
