"""Predictive laws of a recurrent network: its head's law, or mixtures of such laws.

Given the past the outputs have the law of the head. Further ahead the linear predictors are those
of drawn paths, and the law is the mixture over them: only the last row's noise is integrated in
closed form (Rao and Blackwell), which gives smoother quantiles and tails than drawn outputs alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import IntArray
from rnnstats.results.regimes.forecasting.laws import EmissionMixture, Law, NormalMixture
from rnnstats.results.regimes.outputs import column_levels

__all__ = ["HeadResponse", "expanded_mean", "head_law"]


@dataclass(frozen=True, eq=False)
class HeadResponse:
    """Law of all columns in each row, as a mixture's only component (`ResponseLike`).

    Attributes
    ----------
    head : Head
    eta : ndarray of shape (n, k_eta)
        Linear predictors, user's units.
    extra : ndarray of shape (q,)
        Parameters of the head.
    levels : tuple of str or None
        Categories of a categorical output.
    k : int
        Number of columns.
    """

    head: Any
    eta: FloatArray
    extra: FloatArray
    levels: tuple[str, ...] | None
    k: int

    @property
    def discrete(self) -> bool:
        """Whether values are whole numbers or categories."""
        return bool(self.head.discrete)

    @property
    def normal(self) -> bool:
        """Whether the columns are jointly normal."""
        return bool(self.head.name == "gaussian")

    @property
    def columns(self) -> tuple[int, ...]:
        """All columns of the data."""
        return tuple(range(self.k))

    @property
    def _law(self) -> Any:
        return self.head.law(self.eta, self.extra)

    def mean(self) -> FloatArray:
        """Mean, (n, 1, k)."""
        return np.asarray(self._law.mean)[:, None]

    def cov(self) -> FloatArray:
        """Covariance, (n, 1, k, k)."""
        return np.asarray(self._law.cov)[:, None]

    def pmf(self) -> FloatArray:
        """Probabilities of the categories, (n, 1, levels)."""
        return np.asarray(self._law.probabilities)[:, None]

    def cdf(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y <= value) of one column, (n, 1)."""
        return np.asarray(self._law.cdf(values, column))[:, None]

    def cdf_below(self, values: FloatArray, column: int) -> FloatArray:
        """P(Y < value) of one column, (n, 1)."""
        return np.asarray(self._law.cdf_below(values, column))[:, None]

    def log_density(self, y: FloatArray) -> FloatArray:
        """Log density of rows (n, k), missing elements left out, (n, 1)."""
        return np.asarray(self.head.log_density(y, self.eta, self.extra))[:, None]

    def rows(self, index: IntArray) -> HeadResponse:
        """The law at some of the rows, which may repeat."""
        return HeadResponse(self.head, self.eta[index], self.extra, self.levels, self.k)


def head_law(
    model: Any,
    eta: FloatArray,
    extra: FloatArray,
    owner: IntArray | None = None,
    rows: int | None = None,
    weight: FloatArray | None = None,
) -> Law:
    """Mix the laws of a head at linear predictors.

    Parameters
    ----------
    model : RecurrentModel
        Gives the head and the categories.
    eta : ndarray of shape (E, k_eta)
        Linear predictors, user's units.
    extra : ndarray of shape (q,)
        Parameters of the head.
    owner : ndarray of int, shape (E,), optional
        Row that each belongs to, not falling; by default each is a row of its own.
    rows : int, optional
        Number of rows; those without a predictor have no law (NaN).
    weight : ndarray of shape (E,), optional
        Sums to one in each row; by default equal.

    Returns
    -------
    Law
    """
    if owner is None:
        owner = np.arange(len(eta))
    count = (int(owner[-1]) + 1 if len(owner) else 0) if rows is None else rows
    if weight is None:
        weight = 1.0 / np.maximum(np.bincount(owner, minlength=count), 1)[owner]
    k = int(model.k_endog)
    if model.head.name == "gaussian":
        law = model.head.law(eta, extra)
        return NormalMixture(count, owner, weight, np.asarray(law.mean), np.asarray(law.cov))
    response = HeadResponse(model.head, eta, extra, column_levels(model)[0], k)
    return EmissionMixture(count, owner, weight[:, None], (response,), k)


def expanded_mean(law: Any) -> FloatArray:
    """Means of a head's law, categories as their probabilities.

    Parameters
    ----------
    law : HeadLaw
        Of m rows.

    Returns
    -------
    ndarray of shape (m, k')
    """
    shares = getattr(law, "probabilities", None)
    return np.asarray(law.mean if shares is None else shares, dtype=np.float64)
