"""The part of results with the regimes' probabilities given the past, the present, and all rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import check_bool, check_literal
from rnnstats.errors import SpecificationError
from rnnstats.kernels import markov
from rnnstats.results.forecasting.prediction import stacked
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.outputs import column_levels
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ProbabilityKind = Literal["predicted", "filtered", "smoothed"]

__all__ = ["ProbabilityKind", "RegimeProbabilities", "conditioned_rows"]


def conditioned_rows(model: RegimeModel) -> NDArray[np.bool_]:
    """Say which rows the likelihood is conditional on.

    Parameters
    ----------
    model : RegimeModel

    Returns
    -------
    ndarray of bool, shape (nobs,)
        The first `order` rows of every sequence, which are lags of others only; none of a model
        that continues earlier rows.
    """
    if getattr(model, "continues", False):
        return np.zeros(model.nobs, dtype=bool)
    offsets = np.asarray(model.offsets)
    within = np.arange(model.nobs) - np.repeat(offsets[:-1], np.diff(offsets))
    return np.asarray(within < model.order)


class RegimeProbabilities(ABC):
    """The part of results with the regimes' probabilities.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel

    @property
    @abstractmethod
    def _system(self) -> RegimeSystem:
        """The model's numbers at the estimates."""

    @property
    @abstractmethod
    def _forward(self) -> markov.ForwardOutput:
        """Forward pass over the chain."""

    @property
    @abstractmethod
    def _smoothed_output(self) -> markov.SmoothedOutput:
        """Forward and backward pass over the chain."""

    @abstractmethod
    def _by_output(self, values: FloatArray, name: str) -> pd.Series | pd.DataFrame: ...

    def _marginal(self, kind: ProbabilityKind) -> FloatArray:
        """Probabilities of the regimes, (nobs, K); NaN in rows that the chain is conditional on."""
        if kind == "smoothed":
            states = self._smoothed_output.smoothed
        else:
            states = getattr(self._forward, kind)
        system = self._system
        values = states if system.composite is None else system.composite.marginal(states)
        found = np.full((self.model.nobs, self.model.k_regimes), np.nan)
        found[system.rows] = values
        found[conditioned_rows(self.model)] = np.nan
        return found

    def _probabilities(self, kind: ProbabilityKind) -> pd.DataFrame:
        names = list(self.model.regime_names)
        return pd.DataFrame(self._marginal(kind), index=self.model.endog.index, columns=names)

    def _indicator_cov(self, kind: ProbabilityKind) -> pd.DataFrame:
        share = self._marginal(kind)
        cov = -share[:, :, None] * share[:, None, :]
        place = np.arange(share.shape[1])
        cov[:, place, place] = share * (1.0 - share)
        return stacked(cov, self.model.endog.index, tuple(self.model.regime_names), "state")

    @property
    def predicted_marginal_probabilities(self) -> pd.DataFrame:
        """Probability of each regime given the rows before, shape (nobs, K).

        NaN in the first `order` rows of a sequence. Hamilton (1994), Time Series Analysis,
        equation 22.4.6.
        """
        return self._probabilities("predicted")

    @property
    def filtered_marginal_probabilities(self) -> pd.DataFrame:
        """Probability of each regime given the rows up to and including this one, shape (nobs, K).

        NaN in the first `order` rows of a sequence. Hamilton (1994), Time Series Analysis,
        equation 22.4.5.
        """
        return self._probabilities("filtered")

    @property
    def smoothed_marginal_probabilities(self) -> pd.DataFrame:
        """Probability of each regime given all rows of the sequence, shape (nobs, K).

        NaN in the first `order` rows of a sequence. Kim (1994), Journal of Econometrics 60, 1-22.
        """
        return self._probabilities("smoothed")

    @property
    def predicted_state(self) -> pd.DataFrame:
        """Mean of the one-hot state given the rows before: `predicted_marginal_probabilities`."""
        return self._probabilities("predicted")

    @property
    def filtered_state(self) -> pd.DataFrame:
        """Mean of the one-hot state given the rows so far: `filtered_marginal_probabilities`."""
        return self._probabilities("filtered")

    @property
    def smoothed_state(self) -> pd.DataFrame:
        """Mean of the one-hot state given all rows: `smoothed_marginal_probabilities`."""
        return self._probabilities("smoothed")

    @property
    def predicted_state_cov(self) -> pd.DataFrame:
        """Covariance of the one-hot state given the rows before; index (date, state).

        diag(p) - p p' with the probabilities p of `predicted_state`.
        """
        return self._indicator_cov("predicted")

    @property
    def filtered_state_cov(self) -> pd.DataFrame:
        """Covariance of the one-hot state given the rows so far; index (date, state)."""
        return self._indicator_cov("filtered")

    @property
    def smoothed_state_cov(self) -> pd.DataFrame:
        """Covariance of the one-hot state given all rows; index (date, state)."""
        return self._indicator_cov("smoothed")

    def viterbi(self, return_logprob: bool = False) -> pd.Series | tuple[pd.Series, float]:
        """Most likely path of the regimes, jointly.

        The path with the largest probability given all rows. It need not pass through the regimes
        that are most likely row by row (`smoothed_marginal_probabilities`).

        Parameters
        ----------
        return_logprob : bool
            Return the joint log density of the path and the data as well.

        Returns
        -------
        path : Series of str
            Name of the regime in each row; missing in the first `order` rows of a sequence.
        logprob : float
            Over all sequences, if asked for.

        References
        ----------
        Viterbi (1967), IEEE Transactions on Information Theory 13, 260-269.
        """
        asked = check_bool(return_logprob, name="return_logprob", caller="viterbi")
        system = self._system
        states, height = markov.viterbi(*system.chain, lags=system.lags)
        regimes = states if system.composite is None else system.composite.lags[states, 0]
        names = np.array(self.model.regime_names, dtype=object)
        found = np.full(self.model.nobs, None, dtype=object)
        found[system.rows] = names[regimes]
        found[conditioned_rows(self.model)] = None
        path = pd.Series(found, index=self.model.endog.index, name="viterbi", dtype="str")
        return (path, float(height.sum())) if asked else path

    def plot_states(
        self,
        states: Sequence[int | str] | None = None,
        kind: ProbabilityKind = "smoothed",
        fig: Figure | None = None,
    ) -> Figure:
        """Plot the data over the regimes' probabilities.

        Parameters
        ----------
        states : sequence of int or str, optional
            Regimes by number or name, one panel each; by default all in one panel, stacked.
        kind : {"predicted", "filtered", "smoothed"}
            What the probabilities are conditional on: the rows before, up to, or all.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure
            The outputs on top, shaded in the colour of the most likely regime; probabilities below.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        SpecificationError
            An unknown regime or kind.
        """
        from rnnstats.results.regimes.states.plots import draw_regimes

        check_literal(kind, get_args(ProbabilityKind), name="kind", caller="plot_states")
        if states is not None and not list(states):
            raise SpecificationError(
                "plot_states: there must be a regime to plot; got none. Leave states out for all."
            )
        return draw_regimes(
            self.model.endog.frame, self._probabilities(kind), self.model.offsets, states=states,
            kind=kind, fig=fig, levels=column_levels(self.model),
        )  # fmt: skip
