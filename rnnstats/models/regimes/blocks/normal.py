"""Responses that are jointly normal given the state: distribution at each row."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["NormalResponse", "factor"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_LOG_2PI = math.log(2.0 * math.pi)


class NormalResponse:
    """Normal columns given means and covariances.

    Parameters
    ----------
    columns : tuple of int
        The columns of endog.
    means : ndarray, shape (n, S, d) or (1, S, d)
        NaN in rows that were conditioned on.
    covariances : ndarray, shape (S, d, d)
    n : int
        Number of rows.

    Attributes
    ----------
    discrete : bool
        False.
    normal : bool
        True.
    levels : None
    """

    discrete: Final = False
    normal: Final = True
    levels: Final = None

    def __init__(
        self, columns: tuple[int, ...], means: FloatArray, covariances: FloatArray, n: int
    ) -> None:
        self.columns = columns
        self._means = np.broadcast_to(means, (n, *means.shape[1:]))
        self._covariances = covariances

    def rows(self, index: IntArray) -> NormalResponse:
        """
        Return the distribution at some of the rows.

        Parameters
        ----------
        index : ndarray of int, shape (m,)
            A row may be named more than once.

        Returns
        -------
        NormalResponse
        """
        return NormalResponse(self.columns, self._means[index], self._covariances, len(index))

    def mean(self) -> FloatArray:
        """
        Means.

        Returns
        -------
        ndarray, shape (n, S, d)
        """
        return self._means

    def cov(self) -> FloatArray:
        """
        Covariances.

        Returns
        -------
        ndarray, shape (n, S, d, d)
        """
        return np.broadcast_to(self._covariances, (len(self._means), *self._covariances.shape))

    def cdf(self, values: FloatArray, column: int = 0) -> FloatArray:
        """
        Marginal ``P(Y <= value)`` of one column.

        Parameters
        ----------
        values : ndarray, shape (n,)
        column : int
            0, ..., d - 1.

        Returns
        -------
        ndarray, shape (n, S)
        """
        spread = np.sqrt(self._covariances[:, column, column])
        values = np.asarray(values, dtype=np.float64)
        out: FloatArray = ndtr((values[:, None] - self._means[:, :, column]) / spread)
        return out

    def cdf_below(self, values: FloatArray, column: int = 0) -> FloatArray:
        """
        Marginal ``P(Y < value)``: the same.

        Parameters
        ----------
        values : ndarray, shape (n,)
        column : int

        Returns
        -------
        ndarray, shape (n, S)
        """
        return self.cdf(values, column)

    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """
        Distribution function of each element given the earlier ones of its row.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            NaN is missing, and passed over.

        Returns
        -------
        lower, upper : ndarray, shape (n, S, d)
            Equal; NaN where the element is missing.
        before : ndarray, shape (n, S, d)
            Log density of the elements before this one.
        """
        ends, logs = self._sequential(y)
        before = np.cumsum(np.nan_to_num(logs), axis=2) - np.nan_to_num(logs)
        return ends, ends, before

    def log_density(self, y: FloatArray) -> FloatArray:
        """
        Log density of what is seen in each row.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            NaN is missing.

        Returns
        -------
        ndarray, shape (n, S)
            0 where nothing is seen; NaN in rows that were conditioned on.
        """
        logs = self._sequential(y)[1]
        gone = np.isnan(y)[:, None, :]
        out: FloatArray = np.where(gone, 0.0, logs).sum(axis=2)
        return out

    def sample(self, states: IntArray, rng: np.random.Generator) -> FloatArray:
        """
        One draw a row.

        Parameters
        ----------
        states : ndarray of int, shape (n,)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n, d)
            NaN in rows that were conditioned on.
        """
        lower = np.linalg.cholesky(self._covariances)
        n, d = len(states), self._means.shape[2]
        noise = np.einsum("nij,nj->ni", lower[states], rng.standard_normal((n, d)))
        out: FloatArray = self._means[np.arange(n), states] + noise
        return out

    def pmf(self) -> FloatArray:
        """
        Refuse: only categorical responses have levels.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError("only a categorical response has probabilities of levels")

    def _sequential(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Conditional distribution functions and log densities, NaN where missing."""
        seen = ~np.isnan(y)
        ends = np.full(self._means.shape, np.nan)
        logs = np.full(self._means.shape, np.nan)
        kinds, which = np.unique(seen, axis=0, return_inverse=True)
        for i, kind in enumerate(kinds):
            columns = np.flatnonzero(kind)
            rows = np.flatnonzero(which.ravel() == i)
            for s in range(self._means.shape[1] if len(columns) else 0):
                lower = np.linalg.cholesky(self._covariances[s][columns[:, None], columns])
                resid = y[rows[:, None], columns] - self._means[rows[:, None], s, columns]
                z = np.linalg.solve(lower, resid.T).T
                ends[rows[:, None], s, columns] = ndtr(z)
                constant = np.log(np.diagonal(lower)) + 0.5 * _LOG_2PI
                logs[rows[:, None], s, columns] = -0.5 * z * z - constant
        return ends, logs


def factor(covariance: FloatArray) -> FloatArray | None:
    """
    Cholesky factor of a covariance matrix.

    Parameters
    ----------
    covariance : ndarray, shape (d, d)

    Returns
    -------
    ndarray, shape (d, d), or None
        Lower triangular; None where the matrix is not positive definite.
    """
    if not np.isfinite(covariance).all():
        return None
    try:
        lower = np.linalg.cholesky(covariance).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        return None
    return lower
