"""How long a fitted recurrent network remembers: Jacobians along the series, and its gates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._checks import check_alpha, check_int
from rnnstats._compat import wrapped
from rnnstats.diagnostics.memory.lyapunov.growth import growth_of
from rnnstats.diagnostics.memory.products.graded import graded_products
from rnnstats.diagnostics.memory.products.jacobians import told_lags
from rnnstats.diagnostics.memory.products.lagged import over_rows
from rnnstats.diagnostics.memory.recurrences import Kept, Recurrence, Trajectory
from rnnstats.diagnostics.memory.standard_errors import StandardError, two_sided_quantile
from rnnstats.diagnostics.memory.uncertainty import Means, row_means
from rnnstats.diagnostics.memory.verdicts import verdict_of
from rnnstats.estimation.covariance import CovarianceEstimate, CovType
from rnnstats.results.inference.covariances import Derivatives
from rnnstats.results.memory_views import MemoryViews
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem
from rnnstats.results.recurrent.states.plots import draw_recurrent_memory
from rnnstats.results.recurrent.states.recurrence import NetworkRecurrence, estimates_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RecurrentMemory", "RecurrentMemoryTable"]

STATE = "state given inputs"
# Columns of the verdict, by those of the products of Jacobians.
_RATE = {
    "rate": "log_rate", "rate_se": "log_rate_se", "half_life": "half_life", "t": "t",
    "df": "df", "pvalue": "pvalue", "verdict": "verdict",
}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class RecurrentMemoryTable(MemoryViews):
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
    _recurrence: Recurrence

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def verdict(self) -> pd.DataFrame:
        """Rate per row at which the state is forgotten (a copy).

        ``log_rate``: largest Lyapunov exponent along the series, negative where gradients vanish;
        ``log_rate_se`` with what both the finite series (batch means) and the estimation of the
        parameters add; ``half_life`` in rows; ``t``, its degrees of freedom ``df``, and
        ``pvalue`` (of log_rate = 0, two-sided);
        ``verdict``: "vanishing", "exploding" or "not distinguishable from 1".
        """
        return self._verdict.copy()

    @property
    def products(self) -> pd.DataFrame:
        """Log norms of products of Jacobians, index ``lag`` from 0 (a copy).

        ``mean``, ``median``, ``lower`` and ``upper`` (10 % and 90 %) over starting rows of the log
        of the largest singular value of ds_{t+k} / ds_t, as `jacobian_products` has them; ``-inf``
        where nothing is left.
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
        rates.columns = pd.Index([
            "log rate", "std err", "half-life", "t", "df", "P>|t|", "verdict"
        ])  # fmt: skip
        summary = _compat.build_table(
            rates,
            title=f"Memory: rate per row at which the state is forgotten (times in {self.step})",
            notes=self._notes(),
        )
        shown = self._products.iloc[told_lags(len(self._products))]
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


def memory_of(recurrence: Recurrence, steps: int, alpha: float) -> RecurrentMemoryTable:
    """Measure how long a network remembers its state.

    Parameters
    ----------
    recurrence : Recurrence
        A network along its series.
    steps : int
        Largest horizon of the products.
    alpha : float
        One minus the coverage of intervals, and the level of the verdict.

    Returns
    -------
    RecurrentMemoryTable

    Raises
    ------
    SpecificationError
        `steps` is below one, or `alpha` is not between 0 and 1.
    """
    count = check_int(steps, name="steps", caller="memory", minimum=1)
    check_alpha(alpha, "memory")
    kept, growth = recurrence.kept(), growth_of(recurrence, "inputs", 0)
    gates = None if kept is None else row_means(recurrence, _log_kept)
    exponents = pd.Series(growth.rates, index=range(1, len(growth.rates) + 1), name="exponent")
    return RecurrentMemoryTable(
        recurrence.labels.step,
        float(alpha),
        _verdict(float(growth.rates[0]), growth.standard_errors()[0], alpha),
        _by_lag(recurrence.trajectory("inputs"), count),
        _gate_frame(kept, gates, alpha),
        exponents,
        recurrence,
    )


def _log_kept(recurrence: Recurrence) -> FloatArray:
    """Logs of the shares that units keep, (n, units)."""
    kept = recurrence.kept()
    with np.errstate(divide="ignore"):
        return np.empty((0, 0)) if kept is None else np.log(kept.values)


def _by_lag(trajectory: Trajectory, steps: int) -> pd.DataFrame:
    """Log norms of products of Jacobians over starting rows."""
    steps = min(steps, int(np.diff(trajectory.offsets).max()))
    norms = graded_products(trajectory.state, trajectory.offsets, steps).logs[:, :, :1]
    found = over_rows(norms)._asdict()
    table = {name: found[name][:, 0] for name in ("mean", "median", "lower", "upper")}
    return pd.DataFrame(table, index=pd.RangeIndex(steps + 1, name="lag"))


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

    def _asked_covariance(self) -> CovarianceEstimate:
        return self.covariance

    @property
    def _recurrence(self) -> NetworkRecurrence:
        """The network along its series, with what is uncertain about it."""
        estimates = estimates_of(self)
        if estimates.score_obs is not None:
            rows = np.asarray(self._system.rows)
            estimates = replace(estimates, score_obs=estimates.score_obs[rows])
        return NetworkRecurrence(self.model, self._theta, estimates)

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
        return memory_of(self._recurrence, steps, alpha)


def _verdict(rate: float, error: StandardError, alpha: float) -> pd.DataFrame:
    found = verdict_of(rate, error, alpha).set_axis(pd.Index([STATE]))
    return found[list(_RATE)].rename(columns=_RATE)


def _gate_frame(kept: Kept | None, logs: Means | None, alpha: float) -> pd.DataFrame:
    """Time constants of the gates that keep content."""
    columns = ["gate", "mean", "tau", "tau_se", "tau_lower", "tau_upper", "tau_low", "tau_high"]
    if kept is None or logs is None:
        return pd.DataFrame(columns=columns)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        tau = np.where(logs.value < 0.0, -1.0 / logs.value, np.inf)
        spread = logs.error * tau * tau
        reach = two_sided_quantile(alpha, logs.df) * spread / tau
        each = np.log(kept.values)
        by_row = np.where(each < 0.0, -1.0 / each, np.inf)
        low, high = np.quantile(by_row, [0.1, 0.9], axis=0, method="nearest")
        values = (
            kept.gate, kept.values.mean(axis=0), tau, spread,
            tau * np.exp(-reach), tau * np.exp(reach), low, high,
        )  # fmt: skip
    return pd.DataFrame(dict(zip(columns, values, strict=True)), index=pd.Index(kept.units))
