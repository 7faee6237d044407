"""The part of a bidirectional network's results with states, gates, and the value of hindsight."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_bool, check_literal, shown
from rnnstats.errors import DataError, SpecificationError
from rnnstats.results.forecasting.prediction import stacked
from rnnstats.results.recurrent.states.plots import PAST, draw_columns
from rnnstats.results.recurrent.states.states import NO_GATES, gate_table
from rnnstats.results.states import (
    FilterVsSmoother,
    StateMoments,
    compare_filter_smoother,
    true_states,
)
from rnnstats.results.two_sided import hindsight

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BOTH", "TwoSidedStates"]

# What states and gates are given, by the letters of their labels.
BOTH = "h and c read earlier rows, g and d later ones"

StateKind = Literal["predicted", "filtered", "smoothed"]
COMPARED = (
    "Filtered: fit of the network that reads forward only, with the same cell and inputs. Smoothed:"
    " that of the two-sided network. sd: of the target given what each reads."
)
# Columns of a comparison that limits add.
LIMITS = ("mse_filtered", "mse_smoothed", "mse_ratio")


class TwoSidedStates:
    """The part of results with states, gates, and comparisons with a network that reads forward.

    Attributes
    ----------
    model : BidirectionalRNN
        Data and structure.
    """

    model: Any
    _system: Any

    def _states(self, both: bool) -> pd.DataFrame:
        system = self._system
        k = None if both else system.architecture.forth.k_state
        names = list(self.model.state_names[:k])
        values = np.asarray(system.states)[:, :k]
        return pd.DataFrame(values, index=self.model.endog.index, columns=names, copy=True)

    def _zero_cov(self, names: pd.Index) -> pd.DataFrame:
        zero = np.zeros((self.model.nobs, len(names), len(names)))
        return stacked(zero, self.model.endog.index, tuple(names), "state")

    @property
    def predicted_state(self) -> pd.DataFrame:
        """State h of the forward cell, a function of the rows so far, shape (nobs, k).

        It reads the inputs of its own row, and of the target (with a pseudo-likelihood) the rows
        before.
        """
        return self._states(both=False)

    @property
    def filtered_state(self) -> pd.DataFrame:
        """State h of the forward cell, a function of the rows so far: `predicted_state`."""
        return self._states(both=False)

    @property
    def smoothed_state(self) -> pd.DataFrame:
        """States h and g of both cells: of the rows so far, and of the rows from each on."""
        return self._states(both=True)

    @property
    def predicted_state_cov(self) -> pd.DataFrame:
        """Covariance of `predicted_state`'s error given the parameters: zero."""
        return self._zero_cov(self.predicted_state.columns)

    @property
    def filtered_state_cov(self) -> pd.DataFrame:
        """Covariance of `filtered_state`'s error given the parameters: zero."""
        return self._zero_cov(self.filtered_state.columns)

    @property
    def smoothed_state_cov(self) -> pd.DataFrame:
        """Covariance of `smoothed_state`'s error given the parameters: zero."""
        return self._zero_cov(self.smoothed_state.columns)

    @property
    def gates(self) -> pd.DataFrame:
        """Gates of both cells in each row, columns such as ``forget[h1]`` and ``forget[g1]``.

        Raises
        ------
        AttributeError
            The cell has no gates.
        """
        names, values = gate_table(self._system)
        if not names:
            raise AttributeError(NO_GATES)
        return pd.DataFrame(values, index=self.model.endog.index, columns=list(names))

    def plot_states(
        self,
        states: Sequence[int | str] | None = None,
        kind: StateKind = "smoothed",
        fig: Figure | None = None,
    ) -> Figure:
        """Plot states over time, one a panel.

        Parameters
        ----------
        states : sequence of int or str, optional
            States by number or name; all by default.
        kind : {"predicted", "filtered", "smoothed"}
            "smoothed": of both cells; the others: of the forward cell.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure
        """
        check_literal(kind, get_args(StateKind), name="kind", caller="plot_states")
        both = kind == "smoothed"
        return draw_columns(
            self._states(both=both), states, np.asarray(self.model.offsets), what="state",
            caller="plot_states", reads=BOTH if both else PAST, fig=fig,
        )  # fmt: skip

    # -- the value of hindsight ---------------------------------------------------------------

    @cached_property
    def forward_results(self) -> Any:
        """Fit of the network that reads forward only: same data, cell, lags and head.

        Made when first asked for, with the defaults of ``fit``, and kept.
        """
        return self.model.forward_model().fit()

    def filter_vs_smoother(self, truth: Any = None, *, limits: Any = None) -> FilterVsSmoother:
        """Compare what a forward network and what the two-sided network say about the target.

        The object is that of the linear models: "filtered" is the fit of `forward_results`,
        "smoothed" that of the two-sided network, both to all rows.

        Parameters
        ----------
        truth : array_like or DataFrame of shape (nobs, k_endog), optional
            What the errors are taken from, such as a latent state that the target measures, NaN
            where not known; by default the target itself, where it is seen.
        limits : results of a LinearRNN, or FilterVsSmoother, optional
            The Kalman filter's and smoother's accuracy is put beside, in columns ``limit_...`` of
            `comparison`; its states must be as many as the columns of the target, in their order.
            Results are compared with `truth` (or the target), a FilterVsSmoother as it is.

        Returns
        -------
        FilterVsSmoother
            ``comparison`` with mean squared errors of both, their ratio and its standard error.

        Raises
        ------
        DataError
            `truth` does not fit the target, or `limits` the columns.
        SpecificationError
            A categorical target; `limits` that is no comparison.
        """
        model = self.model
        if model.levels:
            raise SpecificationError(
                "filter_vs_smoother: errors are differences of numbers; got a categorical target. "
                "Use compare_with_forward(), which compares log scores."
            )
        names, index = tuple(model.endog.names), model.endog.index
        known = model.endog.values if truth is None else true_states(truth, names, index)
        one, both = self.forward_results._system.law, self._system.law
        part: Any = SimpleNamespace(state_names=names, endog=SimpleNamespace(index=index))
        found = compare_filter_smoother(
            part,
            StateMoments(np.asarray(one.mean), np.asarray(one.cov)),
            StateMoments(np.asarray(both.mean), np.asarray(both.cov)),
            np.nanvar(model.endog.values, axis=0),
            known,
            words=COMPARED,
        )
        if limits is None:
            return found
        return found.beside(_limits(limits, known, names))

    def compare_with_forward(
        self,
        holdout: float = 0.25,
        *,
        windows: int = 1,
        k_hidden: Any = None,
        progress: bool = False,
        **fit_kwargs: Any,
    ) -> hindsight.Hindsight:
        """Test out of sample whether hindsight helps: two-sided against forward network.

        Both are fitted to the first rows of each sequence; the rows after them are scored by the
        log density of the target, by the forward network given the rows up to each, by the
        two-sided one given all rows (with a pseudo-likelihood: all others).

        Parameters
        ----------
        holdout : float
            Share of the rows, at the end of each sequence, that is scored.
        windows : int
            Number of windows into which these are cut; before each, both are fitted again to all
            rows before it.
        k_hidden : int or iterable of int, optional
            Hidden units of the forward network; default: those of one direction.
        progress : bool
            Show progress when the work takes over about two seconds.
        **fit_kwargs
            Options of both fits, such as ``n_starts`` and ``rng``.

        Returns
        -------
        Hindsight
            ``gain`` (mean, a row), ``gain_se``, ``statistic`` (Diebold and Mariano) and one-sided
            ``pvalue``; ``frame``, ``scores``, ``summary()``, ``plot()``.

        Raises
        ------
        SpecificationError
            An argument that is not allowed.
        DataError
            Too few rows for training or test.

        Notes
        -----
        The two-sided network may read inputs (with a pseudo-likelihood: targets) of the test rows
        that lie after the row it scores: that is the hindsight. Its weights come from the training
        rows alone.
        """
        return hindsight.compare(
            self.model,
            holdout=holdout,
            windows=windows,
            k_hidden=k_hidden,
            progress=check_bool(progress, name="progress", caller=hindsight.CALLER),
            options=fit_kwargs,
        )


def _limits(limits: Any, known: Any, names: tuple[str, ...]) -> pd.DataFrame:
    """Accuracy of the linear filter and smoother, by target."""
    found = limits
    if not isinstance(limits, FilterVsSmoother):
        compare = getattr(limits, "filter_vs_smoother", None)
        if compare is None:
            raise SpecificationError(
                "filter_vs_smoother: limits must be results of a LinearRNN or a FilterVsSmoother; "
                f"got {shown(limits)}. Pass LinearRNN(...).fit()."
            )
        found = compare(known)
    table = found.comparison
    if table is None or len(table) != len(names):
        got = "no comparison with a truth" if table is None else f"{len(table)} states"
        raise DataError(
            f"filter_vs_smoother: limits must have one state for each of {', '.join(names)}, "
            f"compared with the truth; got {got}. Pass limits=linear.filter_vs_smoother(truth)."
        )
    part = table[list(LIMITS)].set_axis(pd.Index(names))
    return pd.DataFrame(part.add_prefix("limit_"))
