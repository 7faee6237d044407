"""Rows of a recurrent network, given the rows before them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rnnstats.data import Endog, Exog
from rnnstats.errors import SpecificationError
from rnnstats.estimation.differences import hessian_from_score, standard_steps
from rnnstats.kernels import cells
from rnnstats.results.later_rows import LaterRows
from rnnstats.results.protocol import FloatArray, ParameterLayout
from rnnstats.results.recurrent.protocol import IntArray, RecurrentModel

__all__ = ["ContinuedNetwork", "ContinuedSystem"]

# What a continued model has from the whole one.
_SAME = (
    "name", "title", "layout", "param_names", "state_names", "k_endog", "architecture", "head",
    "y_lags", "presample", "initial", "skip", "k_hidden", "n_layers", "penalty", "levels", "chart",
    "activation", "units", "transform", "transform_blocks", "ridge", "aligned",
)  # fmt: skip
# What a continued system has from the whole one.
_SHARED = (
    "architecture", "head", "scales", "y_lags", "weights", "extra", "step", "lag_values",
    "feedback",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ContinuedSystem:
    """Numbers of the later rows; rows are counted from the first of them.

    Attributes
    ----------
    whole : RecurrentSystem
        Of all rows.
    first : int
        First row of the data that belongs to this one.
    """

    whole: Any
    first: int

    @cached_property
    def kept(self) -> slice:
        """Which of the whole's rows of the recursion belong to this one."""
        rows = np.asarray(self.whole.rows)
        return slice(int(np.searchsorted(rows, self.first)), len(rows))

    def __getattr__(self, name: str) -> Any:
        """Pass on what does not depend on the rows."""
        if name in _SHARED:
            return getattr(self.whole, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def rows(self) -> IntArray:
        """Rows of the recursion, counted from the first later one."""
        return np.asarray(self.whole.rows)[self.kept] - self.first

    @property
    def row_offsets(self) -> IntArray:
        """One sequence."""
        return np.array([0, len(self.rows)])

    @property
    def initial(self) -> FloatArray:
        """State before the first later row, (1, k_state)."""
        return self.state_before(0)[None]

    @cached_property
    def run(self) -> cells.Forward:
        """The part of the pass over all rows that belongs to the later ones."""
        run = self.whole.run
        return cells.Forward(
            states=np.ascontiguousarray(run.states[self.kept]),
            eta=np.ascontiguousarray(run.eta[self.kept]),
            inputs=np.ascontiguousarray(run.inputs[self.kept]),
            given=np.ascontiguousarray(run.given[self.kept]),
            initial=self.initial,
            offsets=np.asarray(self.row_offsets, dtype=np.int64),
            feedback=run.feedback,
        )

    @property
    def eta(self) -> FloatArray:
        """Linear predictors of the later rows, user's units."""
        return np.asarray(self.whole.eta)[self.kept]

    @cached_property
    def law(self) -> Any:
        """Distribution of the outputs in the later rows."""
        return self.whole.head.law(self.eta, np.asarray(self.whole.extra))

    def state_before(self, row: int) -> FloatArray:
        """State before a row, (k_state,).

        Parameters
        ----------
        row : int

        Returns
        -------
        ndarray
        """
        return np.asarray(self.whole.state_before(row + self.first))

    def lags_before(self, row: int) -> FloatArray:
        """Lags before a row, (L, d_lag).

        Parameters
        ----------
        row : int

        Returns
        -------
        ndarray
        """
        return np.asarray(self.whole.lags_before(row + self.first))


class ContinuedNetwork(LaterRows):
    """Rows `first` and later of a model, given the rows before: those of its last sequence.

    State and lags go on from the earlier rows. Log-likelihood and derivatives are those of the
    later rows given the earlier ones.

    Parameters
    ----------
    whole : RecurrentModel
        Model on all rows.
    first : int
        First row that belongs to this one, in the last sequence.
    start_params : ndarray of shape (K,)
        Parameters of the results that were extended.
    """

    continues = True

    def __init__(self, whole: RecurrentModel, first: int, start_params: FloatArray) -> None:
        self.whole = whole
        self.first = first
        self.start_params = start_params
        self.layout: ParameterLayout
        for name in _SAME:
            if hasattr(whole, name):
                setattr(self, name, getattr(whole, name))
        self.nobs = whole.nobs - first
        self.offsets = np.array([0, self.nobs])
        rows = np.asarray(whole.rows)
        self.rows = rows[rows >= first] - first
        self.row_offsets = np.array([0, len(self.rows)])
        self.nobs_likelihood = len(self.rows)
        data = whole.endog
        self.endog = Endog(
            data.values[first:], data.names, data.index[first:], data.is_series, True
        )
        self.exog = None
        if whole.exog is not None:
            self.exog = Exog(whole.exog.values[first:], whole.exog.names)

    def system(self, params: FloatArray) -> ContinuedSystem:
        """Return the numbers of the later rows.

        Parameters
        ----------
        params : ndarray of shape (K,)

        Returns
        -------
        ContinuedSystem
        """
        return ContinuedSystem(self.whole.system(params), self.first)

    def hessian(self, params: FloatArray) -> FloatArray:
        """Return the second derivative of the log-likelihood.

        Parameters
        ----------
        params : ndarray of shape (K,)

        Returns
        -------
        ndarray of shape (K, K)
            Central differences of the exact score with one Richardson step.
        """
        theta = np.asarray(params, dtype=np.float64)
        size = 1e-2 * np.maximum(np.abs(theta), 1.0)
        scale = standard_steps(self.information(theta), size)
        return hessian_from_score(lambda x: self.score_obs(x).sum(axis=0), theta, scale=scale)

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

    def clone(self, endog: Any, exog: Any = None, **rest: Any) -> Any:
        """Return the whole model's structure on other data, with the model's own start.

        Parameters
        ----------
        endog, exog : Endog and Exog, or what they accept
        **rest
            Further data, as the model's own.

        Returns
        -------
        RecurrentModel
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
