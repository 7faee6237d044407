"""Likelihood of later rows given those before: the last rows of the whole model's."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnstats.results.protocol import FloatArray

__all__ = ["LaterRows"]


class LaterRows:
    """The part of a continued model that reads off the whole one.

    Attributes
    ----------
    whole : FittedModel
        The model on all rows.
    first : int
        Row of it with which the later ones begin.
    """

    whole: Any
    first: int

    def loglike(self, params: FloatArray) -> float:
        """Return the log-likelihood of the later rows given the earlier ones.

        Parameters
        ----------
        params : ndarray of shape (K,)

        Returns
        -------
        float
        """
        return float(self.loglikeobs(params).sum())

    def loglikeobs(self, params: FloatArray) -> FloatArray:
        """Return the log-likelihood by row.

        Parameters
        ----------
        params : ndarray of shape (K,)

        Returns
        -------
        ndarray of shape (nobs,)
        """
        return np.asarray(self.whole.loglikeobs(params)[self.first :])

    def score_obs(self, params: FloatArray) -> FloatArray:
        """Return the derivative of `loglikeobs`.

        Parameters
        ----------
        params : ndarray of shape (K,)

        Returns
        -------
        ndarray of shape (nobs, K)
        """
        return np.asarray(self.whole.score_obs(params)[self.first :])

    def loglike_and_score(self, params: FloatArray) -> tuple[float, FloatArray]:
        """Return the log-likelihood and its derivative.

        Parameters
        ----------
        params : ndarray of shape (K,)

        Returns
        -------
        float
        ndarray of shape (K,)
        """
        return self.loglike(params), self.score_obs(params).sum(axis=0)
