"""How long different recurrent models remember, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from rnnstats._checks import check_alpha, check_float, check_generator, check_int, shown
from rnnstats.diagnostics.memory.capacity.effective import Weighed, weigh
from rnnstats.diagnostics.memory.capacity.measured import MemoryCapacity, memory_capacity
from rnnstats.diagnostics.memory.driven import ChainFigures
from rnnstats.diagnostics.memory.lyapunov.growth import growth_of
from rnnstats.diagnostics.memory.recurrences import Given, Recurrence, recurrence_of
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.standard_errors import StandardError
from rnnstats.diagnostics.memory.uncertainty import row_means
from rnnstats.diagnostics.memory.verdicts import verdict_of
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MemoryComparison", "compare_memory"]

CALLER = "compare_memory"
_RATES = {"rate": "rate", "rate_se": "std err", "half_life": "half-life",
          "half_life_se": "std err ", "verdict": "gradients"}  # fmt: skip
_OWN = {f"own_{name}": heading for name, heading in _RATES.items()}
_LENGTHS = {"mean_lag": "mean lag", "mean_lag_se": "std err", "lag_at_share": "small from",
            "lag_at_share_se": "std err ", "tau": "slowest tau", "tau_se": "std err  ",
            "tau_of": "tau of"}  # fmt: skip
_CAPACITY = {"states": "states", "capacity": "capacity", "capacity_se": "std err",
             "capacity_share": "of the bound", "capacity_mean_lag": "mean lag",
             "capacity_mean_lag_se": "std err "}  # fmt: skip
_CHAIN = {"second_eigenvalue": "second eigenvalue", "second_eigenvalue_se": "std err",
          "mixing_time": "mixing time", "rate": "rate of the filter",
          "rate_se": "std err "}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class MemoryComparison(Report):
    """How long different recurrent models remember.

    Two rates are put side by side. The *filter's*: how fast the state forgets where it began, given
    the data (the inputs held): Jacobians of networks, ``W_h - K V`` of a linear model, the belief
    of a Markov model. The *own* one: how fast a shock leaves the system when outputs come back as
    inputs: W_h of a linear model, the network with its lagged outputs, the second eigenvalue of a
    Markov chain.

    Attributes
    ----------
    step : str
        Unit of times: what one row is; "rows" where the models have different ones.
    share : float
        What counts as little for ``lag_at_share``.
    """

    step: str
    share: float
    _frame: pd.DataFrame
    _capacities: dict[str, MemoryCapacity]
    _weights: dict[str, np.ndarray[Any, np.dtype[np.float64]]]
    _notes: tuple[str, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a model (a copy); NaN where a figure has no meaning, with a word in the summary.

        - ``model``, ``states`` (directions in which the state moves).
        - ``rate``: log rate per row at which the state forgets given the data, ``rate_se``,
          ``half_life`` and its ``_se`` in `step`, ``verdict``.
        - ``own_rate``, ``own_rate_se``, ``own_half_life``, ``own_half_life_se``, ``own_verdict``:
          the same for the system with its outputs fed back; for Markov models of the chain.
        - ``mean_lag``, ``lag_at_share`` with ``_se``: effective memory length of the state given
          the data, see `effective_memory`.
        - ``tau``, ``tau_se``, ``tau_of``: slowest time constant: of the gates that keep content
          where there are some (-1 / mean log gate), else -1 / own rate.
        - ``capacity``, ``capacity_se``, ``capacity_share`` of its bound, ``capacity_mean_lag`` and
          its ``_se``: what the state holds of past shocks, see `memory_capacity`.
        - ``second_eigenvalue``, ``second_eigenvalue_se``, ``mixing_time``: Markov models.
        """
        return self._frame.copy()

    @property
    def capacities(self) -> dict[str, MemoryCapacity]:
        """Memory capacity of each model, by name (a copy of the dictionary)."""
        return dict(self._capacities)

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Rates, lengths, capacities and, with a Markov model, figures of the chain.
        """
        parts = {
            f"How fast the state is forgotten given the data (times in {self.step})": _RATES,
            "How fast a shock leaves the system (outputs fed back; Markov: the chain)": _OWN,
            f"Effective memory length in {self.step}": _LENGTHS,
            "Capacity for past shocks": _CAPACITY,
        }
        tables = {title: self._part(columns) for title, columns in parts.items()}
        chains = self._frame["second_eigenvalue"].notna()
        if chains.any():
            tables["Markov chains"] = self._part(_CHAIN)[chains.to_numpy()]
        notes = [
            "rate: log of the factor a row, negative where the past is forgotten; half-life in "
            f"{self.step}.",
            f"small from: lag from which on gradients are below {100 * self.share:g} % of the "
            "largest.",
            *self._notes,
        ]
        return lay_out(tables, notes)

    def _part(self, columns: Mapping[str, str]) -> pd.DataFrame:
        return self._frame[list(columns)].set_axis(list(columns.values()), axis=1)

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot rates, weights by lag, and capacities of the models.

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
        from rnnstats.diagnostics.memory.capacity.comparison_plots import draw_comparison

        return draw_comparison(self._frame, self._weights, self._capacities, self.step, fig=fig)


def compare_memory(
    models: Mapping[str, Any],
    *,
    share: float = 0.05,
    horizon: int | None = None,
    nsteps: int | None = None,
    alpha: float = 0.05,
    rng: np.random.Generator | int | None = None,
) -> MemoryComparison:
    """Put the memory of different models side by side.

    Parameters
    ----------
    models : mapping of str to results
        Results of models by name: Elman, GRU, LSTM, linear and Markov ones; or matrices (m, m) and
        Jacobians (n, m, m), for the figures that need nothing else.
    share : float
        What counts as little, between 0 and 1, see `effective_memory`.
    horizon : int, optional
        Largest lag of gradients; by default as many as they take to fade.
    nsteps : int, optional
        Rows of the runs from which capacities of models that are not linear are estimated; 20,000
        by default.
    alpha : float
        Level of the verdicts.
    rng : numpy.random.Generator or int, optional
        Source of randomness of these runs.

    Returns
    -------
    MemoryComparison
        ``frame``, ``capacities``, ``summary()``, ``plot()``.

    Raises
    ------
    SpecificationError
        There is no model, or one that has no recurrence.

    Notes
    -----
    Figures that do not exist for a model (the capacity of one that is not stationary) are NaN, and
    the summary says why. See `jacobian_products`, `effective_memory` and `memory_capacity` for
    methods and references; for chains Levin, Peres and Wilmer (2009), Markov Chains and Mixing
    Times, chapters 4 and 12.
    """
    check_alpha(alpha, CALLER)
    share = check_float(share, name="share", caller=CALLER, above=0.0, below=1.0)
    if nsteps is not None:
        nsteps = check_int(nsteps, name="nsteps", caller=CALLER, minimum=100)
    generator = check_generator(rng, caller=CALLER)
    named: object = models
    if not isinstance(named, Mapping) or not models:
        raise SpecificationError(
            f"{CALLER}: models must be results by name, {{'LSTM': res, ...}}; got {shown(models)}."
        )
    studies = {
        str(name): _Study(recurrence_of(one, caller=CALLER), share, horizon, alpha)
        for name, one in models.items()
    }
    rows, notes, weights = {}, [], {}
    capacities: dict[str, MemoryCapacity] = {}
    for name, study in studies.items():
        rows[name] = study.row()
        capacity = study.attempt(lambda s=study: s.capacity(nsteps, generator))  # type: ignore[misc]
        if capacity is not None:
            capacities[name] = capacity
            rows[name].update(_capacity_columns(capacity))
        if study.weighed is not None:
            weights[name] = study.weighed.sizes[:, 0]
        notes += [f"{name}: {reason}" for reason in study.reasons]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(_BLANK))
    steps = {study.recurrence.labels.step for study in studies.values()}
    if len(steps) > 1:
        notes.append(f"The models have different steps: {', '.join(sorted(steps))}.")
    step = steps.pop() if len(steps) == 1 else "rows"
    return MemoryComparison(step, share, frame, capacities, weights, tuple(notes))


_BLANK: dict[str, Any] = {
    "model": "", "states": 0,
    "rate": np.nan, "rate_se": np.nan, "half_life": np.nan, "half_life_se": np.nan, "verdict": "",
    "own_rate": np.nan, "own_rate_se": np.nan, "own_half_life": np.nan,
    "own_half_life_se": np.nan, "own_verdict": "",
    "mean_lag": np.nan, "mean_lag_se": np.nan, "lag_at_share": np.nan, "lag_at_share_se": np.nan,
    "tau": np.nan, "tau_se": np.nan, "tau_of": "",
    "capacity": np.nan, "capacity_se": np.nan, "capacity_share": np.nan,
    "capacity_mean_lag": np.nan, "capacity_mean_lag_se": np.nan,
    "second_eigenvalue": np.nan, "second_eigenvalue_se": np.nan, "mixing_time": np.nan,
}  # fmt: skip


class _Tau(NamedTuple):
    """A time constant, its standard error, and what has it."""

    value: float
    error: float
    of: str


class _Study:
    """Figures of one model; what cannot be had is left out with its reason."""

    def __init__(
        self, recurrence: Recurrence, share: float, horizon: int | None, alpha: float
    ) -> None:
        self.recurrence = recurrence
        self.share, self.horizon, self.alpha = share, horizon, alpha
        self.reasons: list[str] = []
        self.weighed: Weighed | None = None

    def attempt(self, function: Callable[[], Any]) -> Any:
        """Result of a function, None (and the reason kept) where it is refused."""
        try:
            return function()
        except SpecificationError as refusal:
            text = str(refusal).split(": ", 1)[-1]
            if text not in self.reasons:
                self.reasons.append(text)
            return None

    def row(self) -> dict[str, Any]:
        """All figures but capacity, columns as `MemoryComparison.frame`."""
        found = dict(_BLANK)
        found["model"] = self.recurrence.labels.title
        found["states"] = len(self.recurrence.labels.states)
        given = self.attempt(lambda: self._rate("inputs"))
        if given is not None:
            found.update({name: given[name] for name in _RATES})
        chain = self.recurrence.chain()
        own = self._chain_rate(chain) if chain else self.attempt(lambda: self._rate("shocks"))
        if own is not None:
            found.update({f"own_{name}": own[name] for name in _RATES})
        self.weighed = self.attempt(self._weigh)
        if self.weighed is not None:
            table = self.weighed.table(self.share).iloc[0]
            for name in ("mean_lag", "lag_at_share"):
                found[name], found[f"{name}_se"] = table[name], table[f"{name}_se"]
        slowest = self._gates() or _recurrence_tau(own, "chain" if chain else "recurrence")
        found["tau"], found["tau_se"], found["tau_of"] = slowest
        if chain is not None:
            found["second_eigenvalue"] = chain.second
            found["second_eigenvalue_se"] = chain.second_error
            found["mixing_time"] = chain.mixing_time
        return found

    def capacity(self, nsteps: int | None, rng: np.random.Generator) -> MemoryCapacity:
        """Memory capacity for shocks, or for all inputs without any."""
        linear = self.recurrence.drive() is not None
        return memory_capacity(self.recurrence, nsteps=None if linear else nsteps, rng=rng)

    def _rate(self, given: Given) -> dict[str, Any]:
        """Row of the verdict."""
        growth = growth_of(self.recurrence, given, 0)
        leading = np.eye(len(growth.rates))[0]
        table = verdict_of(float(growth.rates[0]), growth.standard_error(leading), self.alpha)
        return {str(name): value for name, value in table.iloc[0].items()}

    def _chain_rate(self, chain: ChainFigures) -> dict[str, Any]:
        """Row of the verdict on the chain."""
        table = verdict_of(chain.rate, StandardError(chain.rate_error), self.alpha)
        return {str(name): value for name, value in table.iloc[0].items()}

    def _weigh(self) -> Weighed:
        """Weights of the state given the data."""
        trajectory = self.recurrence.trajectory("inputs")
        return weigh(self.recurrence, trajectory, "state", "state", self.horizon, "inputs")

    def _gates(self) -> _Tau | None:
        """Slowest time constant of the gates that keep content."""
        kept = self.recurrence.kept()
        if kept is None:
            return None

        def logs(there: Recurrence) -> Any:
            values = there.kept()
            with np.errstate(divide="ignore"):
                return (
                    np.full_like(kept.values, np.nan) if values is None else np.log(values.values)
                )

        means = row_means(self.recurrence, logs)
        slowest = int(np.argmax(means.value))
        rate, error = float(means.value[slowest]), float(means.error[slowest])
        with np.errstate(divide="ignore"):
            tau = float(np.divide(-1.0, rate))
        return _Tau(tau, error * tau * tau, f"{kept.gate} {kept.units[slowest]}")


def _recurrence_tau(own: Mapping[str, Any] | None, of: str) -> _Tau:
    """Time constant of the slowest direction of the system."""
    if own is None or not own["rate"] < 0.0:
        return _Tau(np.nan if own is None else np.inf, np.nan, of)
    tau = -1.0 / float(own["rate"])
    return _Tau(tau, float(own["rate_se"]) * tau * tau, of)


def _capacity_columns(found: MemoryCapacity) -> dict[str, float]:
    return {
        "capacity": found.total, "capacity_se": found.total_se, "capacity_share": found.share,
        "capacity_mean_lag": found.mean_lag, "capacity_mean_lag_se": found.mean_lag_se,
    }  # fmt: skip
