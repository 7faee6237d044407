"""How long regimes last, and how fast chain and filter forget."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._checks import check_alpha, check_int
from rnnstats._compat import wrapped
from rnnstats._index import step_name
from rnnstats.diagnostics.memory import forgetting
from rnnstats.diagnostics.memory import roots as arrays
from rnnstats.diagnostics.memory.driven import ChainFigures
from rnnstats.diagnostics.memory.long_run import batch_means
from rnnstats.diagnostics.memory.standard_errors import StandardError
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels.markov import ForwardOutput
from rnnstats.results.memory_views import MemoryViews
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem
from rnnstats.results.regimes.states.recurrence import BeliefRecurrence
from rnnstats.results.regimes.states.transition import stationary_law
from rnnstats.results.root_tables import UncertainMatrix, rate_of, root_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ChainMemory", "RegimeMemory"]

CHAIN, FILTER = "chain", "filter"
# Within this of one, in logs, a second eigenvalue counts as one: part of the start is never lost.
UNIT = 1e-9
_ROOTS = {
    "real": "real", "imag": "imag", "modulus": "modulus", "modulus_se": "std err", "tau": "tau",
    "tau_se": "std err ", "half_life": "half-life", "half_life_se": "std err  ", "note": "",
}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class ChainMemory(MemoryViews):
    """How long regimes last and how fast chain and filter forget where they began.

    - *chain*: without data, probabilities of the regimes go back to the stationary law at the rate
      of the second eigenvalue of the transition matrix, which is also the rate of the
      autocorrelations of the one-hot state.
    - *filter*: with data, a wrong belief is corrected faster. Two beliefs come together, on average
      over rows, at the rate of the gap between the two largest Lyapunov exponents of the products
      of ``P_t diag(b_t)``; this is estimated from the data at the estimated parameters.

    With inputs of the transitions the chain is that of the mean of the inputs.

    Attributes
    ----------
    step : str
        Unit of times: what one row is, such as "quarters".
    alpha : float
        One minus the coverage of the intervals, and the level of the verdict.
    mixing_time : float
        Rows until the chain is within total variation 1/4 of its stationary law from any regime;
        infinite where it never is.
    birkhoff : float
        By this factor at least two beliefs come nearer in Hilbert's metric at every row, whatever
        the data; 1 where a transition probability is zero, which says nothing.

    References
    ----------
    Levin, Peres and Wilmer (2009), Markov Chains and Mixing Times, chapters 4 and 12; Atar and
    Zeitouni (1997), Annales de l'Institut Henri Poincare B 33, 697-725; Hamilton (1994), Time
    Series Analysis, section 22.2.
    """

    step: str
    alpha: float
    mixing_time: float
    birkhoff: float
    _roots: pd.DataFrame
    _verdict: pd.DataFrame
    _durations: pd.DataFrame
    _contraction: pd.DataFrame
    _acf: pd.DataFrame
    _recurrence: BeliefRecurrence

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """Eigenvalues of the transition matrix but the one at 1, complex pairs once (a copy).

        The largest first: ``real``, ``imag``, ``modulus``, ``tau`` = -1 / ln modulus,
        ``half_life`` = tau ln 2, ``period``, ``damping``, each with its delta-method standard error
        ``_se``; ``tau_lower`` and ``tau_upper``, ends of an interval (that of the modulus, turned);
        ``note``. Standard errors are 0 where all transition probabilities are fixed, NaN for
        repeated eigenvalues, which have no derivative.
        """
        return self._roots.copy()

    @property
    def verdict(self) -> pd.DataFrame:
        """Rates per row at which chain and filter forget (a copy).

        ``log_rate`` (negative: forgets), for the chain the log of the modulus of the second
        eigenvalue with its delta-method standard error ``log_rate_se``; for the filter minus the
        Lyapunov gap, with the standard error of batch means given the estimates. ``half_life`` in
        rows; ``t``, its degrees of freedom ``df`` (infinite by the delta method: the normal law)
        and ``pvalue`` (of log_rate = 0, two-sided); and the ``verdict``.
        """
        return self._verdict.copy()

    @property
    def durations(self) -> pd.DataFrame:
        """Expected durations of the regimes with standard errors and intervals (a copy)."""
        return self._durations.copy()

    @property
    def contraction(self) -> pd.DataFrame:
        """What is left of a wrong start after k rows, index ``lag`` (a copy).

        Total variation distance between beliefs that begin in the two regimes that stay furthest
        apart: ``chain`` without data; ``filter_mean``, ``filter_median`` and ``filter_upper`` (the
        90 % quantile) over windows of rows of the data.
        """
        return self._contraction.copy()

    @property
    def acf(self) -> pd.DataFrame:
        """Autocorrelations of each element of the one-hot state, index ``lag`` (a copy).

        ``(P^k_jj - pi_j) / (1 - pi_j)`` in the stationary chain; NaN where there is no single
        stationary law.
        """
        return self._acf.copy()

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Eigenvalues, rates with the verdict, and durations.
        """
        roots = self._roots[list(_ROOTS)].rename(columns=_ROOTS)
        roots.index = pd.Index([f"eigenvalue {number + 1}" for number in roots.index])
        rates = self._verdict.copy()
        rates.columns = pd.Index([
            "log rate", "std err", "half-life", "t", "df", "P>|t|", "verdict"
        ])  # fmt: skip
        summary = _compat.build_table(
            roots,
            title=f"Memory: eigenvalues of the transition matrix (times in {self.step})",
            notes=self._notes(),
        )
        for table, title in (
            (rates, "Rate per row at which a wrong start is forgotten"),
            (self._durations, f"Expected durations in {self.step}"),
        ):
            summary.tables.extend(_compat.build_table(table, title=title).tables)
        return summary

    def _notes(self) -> list[str]:
        mixes = "never mixes" if np.isinf(self.mixing_time) else (
            f"is within 1/4 of its long-run law after {self.mixing_time:.0f} {self.step}"
        )  # fmt: skip
        notes = [
            f"Without data the chain {mixes} (total variation, from any regime).",
            "The filter's rate is that of the data at the estimates; its standard error (batch"
            " means) leaves out that these are estimated.",
        ]
        if self.birkhoff < 1.0:
            notes.append(
                f"Whatever the data, beliefs come nearer by the factor {self.birkhoff:.4g} a row at"
                " least (Birkhoff)."
            )
        if np.isinf(self._rates[FILTER]):
            notes.append("Some rows tell the regime for sure: they wipe out what was before.")
        return [line for note in notes for line in wrapped(note)]

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot how a wrong start is forgotten, and the autocorrelations of the regimes.

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
        from rnnstats.results.regimes.states.comparison_plots import draw_chain_memory

        return draw_chain_memory(self._contraction, self._acf, self._rates, step=self.step, fig=fig)

    @property
    def _rates(self) -> dict[str, float]:
        return {str(of): float(rate) for of, rate in self._verdict["log_rate"].items()}


class RegimeMemory(ABC):
    """The part of results about memory.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel
    _theta: FloatArray

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    @property
    @abstractmethod
    def _system(self) -> RegimeSystem:
        """The model's numbers at the estimates."""

    @property
    @abstractmethod
    def _forward(self) -> ForwardOutput:
        """Forward pass over the chain."""

    @abstractmethod
    def _steps(self, inputs: FloatArray | None) -> tuple[FloatArray, FloatArray]: ...

    @abstractmethod
    def duration_table(self, alpha: float) -> pd.DataFrame: ...

    @property
    def _recurrence(self) -> BeliefRecurrence:
        """The filter along the series."""
        filtered = np.asarray(self._forward.filtered)
        return BeliefRecurrence(
            self.model, self._theta, self._system, filtered, self._chain_figures
        )

    def _chain(self) -> tuple[UncertainMatrix, arrays.Roots]:
        """Transition matrix, with inputs at their mean, and its eigenvalues but the one at 1."""
        exog = self.model.exog_transition
        inputs = None if exog is None else exog.values.mean(axis=0, keepdims=True)
        matrix, slopes = self._steps(inputs)
        if inputs is not None:
            matrix, slopes = matrix[0], slopes[0]
        return UncertainMatrix(CHAIN, matrix, slopes, self.covariance), _without_one(
            arrays.roots(matrix)
        )

    def _chain_figures(self) -> ChainFigures | None:
        """How fast the chain forgets."""
        if self.model.k_regimes < 2:
            return None
        chain, found = self._chain()
        rate = _chain_rate(chain, found, 0.05)
        second, law = float(np.abs(found.values[0])), _single_law(chain.value)
        error = float(rate["log_rate_se"])
        return ChainFigures(
            second,
            second * error,
            float(rate["log_rate"]),
            error,
            np.inf if law is None else forgetting.mixing_time(chain.value, law),
        )

    def memory(self, steps: int = 40, alpha: float = 0.05) -> ChainMemory:
        """Measure how long regimes last, and how fast chain and filter forget.

        Eigenvalues of the transition matrix with half-lives and standard errors, mixing time,
        expected durations, autocorrelation of the one-hot state; how fast the filter forgets a
        wrong start, from the products of its steps on these data.

        Parameters
        ----------
        steps : int
            Lags of the curves, from 0.
        alpha : float
            One minus the coverage of intervals, and the level of the verdict.

        Returns
        -------
        ChainMemory
            ``frame``, ``verdict``, ``durations``, ``contraction``, ``acf``, ``mixing_time``,
            ``birkhoff``, ``summary()``, ``plot()``.

        Raises
        ------
        SpecificationError
            There is one regime only, `steps` is below one, or `alpha` not between 0 and 1.
        """
        count = check_int(steps, name="steps", caller="memory", minimum=1)
        width = check_alpha(alpha, "memory")
        if self.model.k_regimes < 2:
            raise SpecificationError(
                "memory: there must be two regimes at least; got 1, which never changes. Look at "
                "the autoregressive coefficients, if any."
            )
        chain, found = self._chain()
        verdict = pd.DataFrame([_chain_rate(chain, found, alpha), self._filter_rate(alpha)])
        matrix, law = chain.value, _single_law(chain.value)
        index = self.model.endog.index
        return ChainMemory(
            step_name(index),
            float(alpha),
            np.inf if law is None else forgetting.mixing_time(matrix, law),
            forgetting.birkhoff(matrix),
            root_table(chain, found, width).drop(columns="of"),
            verdict.set_index("of").rename_axis(index=None),
            self.duration_table(alpha),
            self._contraction(count),
            _autocorrelations(matrix, law, count, tuple(self.model.regime_names)),
            self._recurrence,
        )

    def _filter_rate(self, alpha: float) -> dict[str, Any]:
        """Lyapunov gap with its test against 0."""
        system, forward = self._system, self._forward
        log_density, transition, _, offsets = system.chain
        gaps = forgetting.lyapunov_gaps(
            log_density, transition, forward.llf_obs, offsets, system.lags
        )
        gap = batch_means(gaps)
        return _rate(FILTER, -gap.mean, gap.standard_error, alpha)

    def _contraction(self, steps: int) -> pd.DataFrame:
        """Distances by lag."""
        system = self._system
        log_density, transition, _, offsets = system.chain
        steps = min(steps, max(int(np.diff(offsets).max()) - 1, 1))
        cuts = np.asarray(offsets)
        by_window = forgetting.filter_distances(log_density, transition, cuts, steps, system.lags)
        seen = by_window[:, ~np.isnan(by_window).any(axis=0)]
        blank = np.full(steps + 1, np.nan)
        some = seen.shape[1] > 0
        return pd.DataFrame(
            {
                "chain": forgetting.chain_distances(transition, steps, cuts),
                "filter_mean": seen.mean(axis=1) if some else blank,
                "filter_median": np.median(seen, axis=1) if some else blank,
                "filter_upper": np.quantile(seen, 0.9, axis=1) if some else blank,
            },
            index=pd.RangeIndex(steps + 1, name="lag"),
        )


def _without_one(found: arrays.Roots) -> arrays.Roots:
    """Eigenvalues but one of those at 1, the nearest to it."""
    place = int(np.abs(found.values - 1.0).argmin())
    kept = np.arange(found.values.size) != place
    return replace(
        found, values=found.values[kept], slopes=found.slopes[kept], simple=found.simple[kept]
    )


def _chain_rate(chain: UncertainMatrix, found: arrays.Roots, alpha: float) -> dict[str, Any]:
    rate = rate_of(chain, found, alpha)
    return _rate(CHAIN, rate["log_radius"], StandardError(rate["log_radius_se"]), alpha)


def _rate(of: str, rate: float, error: StandardError, alpha: float) -> dict[str, Any]:
    """A rate with half-life, test and verdict."""
    if abs(rate) <= UNIT:
        rate = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        half = float(np.divide(np.log(0.5), rate))
    ratio = error.ratio(rate) if np.isfinite(rate) else np.nan
    pvalue = error.two_sided(ratio)
    if rate == 0.0:
        word = "never forgets"
    elif rate == -np.inf:
        word = "forgets at once"
    elif np.isnan(ratio):
        word = "no standard error"
    elif pvalue > alpha:
        word = "not distinguishable from never"
    else:
        word = "forgets" if rate < 0.0 else "diverges"
    return {
        "of": of, "log_rate": rate, "log_rate_se": error.value,
        "half_life": half if rate < 0.0 else np.inf, "t": ratio, "df": error.df, "pvalue": pvalue,
        "verdict": word,
    }  # fmt: skip


def _single_law(matrix: FloatArray) -> FloatArray | None:
    """Stationary law, None where there are several."""
    try:
        return stationary_law(matrix)[0]
    except SpecificationError:
        return None


def _autocorrelations(
    matrix: FloatArray, law: FloatArray | None, steps: int, names: tuple[str, ...]
) -> pd.DataFrame:
    found = np.full((steps + 1, len(matrix)), np.nan)
    if law is not None:
        power = np.eye(len(matrix))
        for lag in range(steps + 1):
            with np.errstate(invalid="ignore", divide="ignore"):
                found[lag] = (np.diagonal(power) - law) / (1.0 - law)
            power = power @ matrix
        found[:, (law <= 0.0) | (law >= 1.0)] = np.nan
    return pd.DataFrame(found, index=pd.RangeIndex(steps + 1, name="lag"), columns=list(names))
