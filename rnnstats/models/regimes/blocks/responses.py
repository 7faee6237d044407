"""Distribution of one response given the state, at each row."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.base import ScalarFamily

__all__ = ["ScalarResponse"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


class ScalarResponse:
    """One response of a family, given linear predictors.

    Parameters
    ----------
    family : ScalarFamily
    columns : tuple of int
        The column of endog.
    eta : ndarray, shape (n, S) or (1, S)
        Linear predictors; a NaN row is one that was conditioned on.
    extra : ndarray, shape (m, S)
        Further parameters.
    n : int
        Number of rows.

    Attributes
    ----------
    discrete : bool
    normal : bool
    levels : None
    """

    levels: Final = None

    def __init__(
        self,
        family: ScalarFamily,
        columns: tuple[int, ...],
        eta: FloatArray,
        extra: FloatArray,
        n: int,
    ) -> None:
        self.family = family
        self.columns = columns
        self.discrete = family.discrete
        self.normal = family.name == "gaussian"
        self._eta, self._extra, self._n = eta, extra, n

    def _wide(self, values: FloatArray) -> FloatArray:
        return np.broadcast_to(values, (self._n, values.shape[1]))

    def rows(self, index: IntArray) -> ScalarResponse:
        """
        Return the distribution at some of the rows.

        Parameters
        ----------
        index : ndarray of int, shape (m,)
            A row may be named more than once.

        Returns
        -------
        ScalarResponse
        """
        eta = self._eta if len(self._eta) == 1 else self._eta[index]
        return ScalarResponse(self.family, self.columns, eta, self._extra, len(index))

    def mean(self) -> FloatArray:
        """
        Mean.

        Returns
        -------
        ndarray, shape (n, S, 1)
        """
        return self._wide(self.family.mean(self._eta, self._extra))[:, :, None]

    def cov(self) -> FloatArray:
        """
        Variance.

        Returns
        -------
        ndarray, shape (n, S, 1, 1)
        """
        return self._wide(self.family.variance(self._eta, self._extra))[:, :, None, None]

    def cdf(self, values: FloatArray, column: int = 0) -> FloatArray:
        """
        ``P(Y <= value)``.

        Parameters
        ----------
        values : ndarray, shape (n,)
        column : int
            0.

        Returns
        -------
        ndarray, shape (n, S)
        """
        return self.family.cdf(values, self._eta, self._extra)

    def cdf_below(self, values: FloatArray, column: int = 0) -> FloatArray:
        """
        ``P(Y < value)``.

        Parameters
        ----------
        values : ndarray, shape (n,)
        column : int
            0.

        Returns
        -------
        ndarray, shape (n, S)
        """
        return self.family.cdf_below(values, self._eta, self._extra)

    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """
        Ends of the distribution function at the observations.

        Parameters
        ----------
        y : ndarray, shape (n, 1)

        Returns
        -------
        lower, upper : ndarray, shape (n, S, 1)
            ``P(Y < y)`` and ``P(Y <= y)``; the same for a continuous family.
        before : ndarray, shape (n, S, 1)
            Log density of earlier elements: 0.
        """
        upper = self.cdf(y[:, 0])
        lower = self.cdf_below(y[:, 0]) if self.discrete else upper
        return lower[:, :, None], upper[:, :, None], np.zeros((*upper.shape, 1))

    def log_density(self, y: FloatArray) -> FloatArray:
        """
        Log density.

        Parameters
        ----------
        y : ndarray, shape (n, 1)
            NaN is missing.

        Returns
        -------
        ndarray, shape (n, S)
            0 where ``y`` is missing.
        """
        return self.family.log_density(y[:, 0], self._eta, self._extra)

    def sample(self, states: IntArray, rng: np.random.Generator) -> FloatArray:
        """
        One draw a row.

        Parameters
        ----------
        states : ndarray of int, shape (n,)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n, 1)
            NaN in rows that were conditioned on.
        """
        rows = np.arange(self._n)
        eta = self._wide(self._eta)[rows, states]
        known = ~np.isnan(eta)
        out = np.full(self._n, np.nan)
        extra = self._extra[:, states[known]]
        out[known] = self.family.sample(eta[known], extra, rng)
        return out[:, None]

    def pmf(self) -> FloatArray:
        """
        Refuse: only categorical responses have levels.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError("only a categorical response has probabilities of levels")
