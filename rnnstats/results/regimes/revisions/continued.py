"""Rows of a model with regimes, given the rows before them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnstats.data import Endog, Exog
from rnnstats.errors import SpecificationError
from rnnstats.kernels.chains import matrix_at
from rnnstats.results.later_rows import LaterRows
from rnnstats.results.protocol import FloatArray, ParameterLayout
from rnnstats.results.regimes.forecasting.outlook import Future, lagged, state_probabilities
from rnnstats.results.regimes.protocol import CompositeStates, IntArray, RegimeModel, ResponseLike

__all__ = ["ContinuedRegimes", "ContinuedSystem"]

# What a continued model has from the whole one.
_SAME = (
    "name", "title", "layout", "param_names", "state_names", "regime_names", "k_endog",
    "k_regimes", "k_states", "order", "ar_form", "switching", "start", "trend", "blocks", "levels",
    "emission", "transform", "transform_blocks", "free_directions", "flat_directions",
    "likelihood", "reordered",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ContinuedSystem:
    """Numbers of the later rows; rows are counted from the first of them.

    Attributes
    ----------
    whole : RegimeSystem
        Of all rows.
    first : int
        First row that belongs to this one.
    start : ndarray of shape (1, K)
        Probabilities of the regimes in that row, given the rows before.
    law : ndarray of shape (1, S)
        Those of the chain's states.
    lagged : ndarray of shape (rows, order, k_endog) or None
        Lags of the later rows of the sample.
    """

    whole: Any
    first: int
    start: FloatArray
    law: FloatArray
    lagged: FloatArray | None

    @property
    def transition(self) -> FloatArray:
        """Probabilities of steps, (K, K) or one matrix a row."""
        return matrix_at(self.whole.transition, slice(self.first, None))

    @property
    def offsets(self) -> IntArray:
        """One sequence."""
        return np.array([0, int(self.whole.offsets[-1]) - self.first])

    @property
    def rows(self) -> IntArray:
        """All of them."""
        return np.arange(int(self.offsets[-1]))

    @property
    def log_density(self) -> FloatArray:
        """Of each row in each state."""
        return np.asarray(self.whole.log_density[self.first :])

    @property
    def lags(self) -> int:
        """Regimes before the present one that a state of the chain holds."""
        return int(self.whole.lags)

    @property
    def composite(self) -> CompositeStates | None:
        """States of the chain where they are not the regimes themselves."""
        made: CompositeStates | None = self.whole.composite
        return made

    @property
    def chain(self) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
        """Arguments of the functions of `rnnstats.kernels.markov`, with `lags` beside them."""
        rows = int(self.offsets[-1])
        moves = matrix_at(self.transition, slice(rows))
        return self.log_density[:rows], moves, self.law, self.offsets

    @property
    def responses(self) -> tuple[Any, ...]:
        """Distribution of the outputs at the rows."""
        if self.lagged is None:
            return self.responses_at(np.arange(len(self.log_density)), None)
        return self.responses_at(np.arange(len(self.lagged)), self.lagged)

    @property
    def readouts(self) -> tuple[Any, ...]:
        """Weights of the outputs given the state, one readout a block."""
        return tuple(self.whole.readouts)

    def responses_at(self, rows: Any, lags: FloatArray | None = None) -> tuple[ResponseLike, ...]:
        """Distribution of the outputs at some rows.

        Parameters
        ----------
        rows : ndarray of int, shape (m,)
        lags : ndarray of shape (m, order, k_endog), optional

        Returns
        -------
        tuple of ResponseLike
        """
        found: tuple[ResponseLike, ...] = self.whole.responses_at(
            np.asarray(rows) + self.first, lags
        )
        return found


class ContinuedRegimes(LaterRows):
    """Rows `first` and later of a model, given the rows before: those of its last sequence.

    The start is the predicted law of the regimes at row `first`, and the lags there are those of
    the earlier rows. Log-likelihood and derivatives are those of the later rows given the earlier
    ones; the start moves with the parameters.

    Parameters
    ----------
    whole : RegimeModel
        Model on all rows.
    first : int
        First row that belongs to this one, in the last sequence.
    start_params : ndarray of shape (K,)
        Parameters of the results that were extended.
    """

    continues = True

    whole: RegimeModel

    def __init__(self, whole: RegimeModel, first: int, start_params: FloatArray) -> None:
        self.whole = whole
        self.first = first
        self.start_params = start_params
        self.layout: ParameterLayout
        for name in _SAME:
            if hasattr(whole, name):
                setattr(self, name, getattr(whole, name))
        self.nobs = whole.nobs - first
        self.offsets = np.array([0, self.nobs])
        data = whole.endog
        self.endog = Endog(
            data.values[first:], data.names, data.index[first:], data.is_series, True
        )
        self.exog = _later(whole.exog, first)
        self.exog_transition = _later(whole.exog_transition, first)

    def system(
        self, params: FloatArray, *, steps: int = 0, exog: Any = None, exog_transition: Any = None
    ) -> ContinuedSystem:
        """Return the numbers of the later rows.

        Parameters
        ----------
        params : ndarray of shape (K,)
        steps : int
            Rows past the sample.
        exog, exog_transition : ndarray of shape (steps, k), optional
            Their inputs.

        Returns
        -------
        ContinuedSystem
        """
        whole = self.whole.system(params, steps=steps, exog=exog, exog_transition=exog_transition)
        law = state_probabilities(whole, self.whole, self.first, self.first + 1)[-1:]
        start = law.reshape(1, whole.transition.shape[-1], -1).sum(axis=2)
        lags = None
        if self.whole.order:
            rows = np.arange(self.first, self.whole.nobs)
            values, offsets = self.whole.endog.values, self.whole.offsets
            lags = lagged(values, rows, self.whole.order, offsets)
        return ContinuedSystem(whole, self.first, start, law, lags)

    def earlier(self) -> RegimeModel:
        """Return the model on the earlier rows alone.

        Returns
        -------
        RegimeModel
        """
        data, first = self.whole.endog, self.first
        endog = replace(data, values=data.values[:first], index=data.index[:first])
        parts = [
            None if one is None else Exog(one.values[:first], one.names)
            for one in (self.whole.exog, self.whole.exog_transition)
        ]
        start = None if isinstance(self.whole.start, str) else self.whole.start
        return self.whole.clone(endog, parts[0], exog_transition=parts[1], start=start)

    def before(self, anchor: str, count: int, future: Future) -> tuple[RegimeModel, Future]:
        """Return the model whose rows come before those to be drawn, and the inputs of these.

        Parameters
        ----------
        anchor : {"start", "end"}
            The later rows are drawn, or those after them.
        count : int
            Rows to draw.
        future : Future
            Inputs past the sample.

        Returns
        -------
        model : RegimeModel
        future : Future
        """
        if anchor == "end":
            return self.whole, future
        parts = []
        for own, more in (
            (self.exog, future.exog),
            (self.exog_transition, future.exog_transition),
        ):
            every = None if own is None else own.values
            if every is not None and more is not None:
                every = np.concatenate([every, more])
            parts.append(None if every is None else every[:count])
        return self.earlier(), Future(count, *parts)

    def hessian(self, params: FloatArray) -> FloatArray:
        """Return the second derivative of the log-likelihood.

        Parameters
        ----------
        params : ndarray of shape (K,)

        Returns
        -------
        ndarray of shape (K, K)
            That of all rows less that of the earlier ones.
        """
        return self.whole.hessian(params) - self.earlier().hessian(params)

    def information(self, params: FloatArray) -> FloatArray:
        """Return the sum of outer products of the scores of the later rows.

        Parameters
        ----------
        params : ndarray of shape (K,)

        Returns
        -------
        ndarray of shape (K, K)
        """
        scores = self.score_obs(params)
        return np.asarray(scores.T @ scores)

    def clone(self, endog: Any, exog: Any = None, **rest: Any) -> RegimeModel:
        """Return the whole model's structure on other data, with the model's own start.

        Parameters
        ----------
        endog, exog : Endog and Exog, or what they accept
        **rest
            Further data, as the model's own.

        Returns
        -------
        RegimeModel
        """
        return self.whole.clone(endog, exog, **rest)

    def fit(self, **kwargs: Any) -> Any:
        """Refuse: the later rows alone are no sample for the model.

        Parameters
        ----------
        **kwargs
            Options of a fit.

        Raises
        ------
        SpecificationError
            Always.
        """
        raise SpecificationError(
            "extend: results on later rows only keep their parameters; got a refit. "
            "Use append(..., refit=True) of the results on all rows."
        )


def _later(inputs: Exog | None, first: int) -> Exog | None:
    return None if inputs is None else Exog(inputs.values[first:], inputs.names)
