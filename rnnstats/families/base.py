"""What every family of distributions of one response offers, and what they share.

A family knows nothing of regimes, layers or time: it gets observations ``y`` (n,), the linear
predictor ``eta`` on the scale of its link, (n, K) or (1, K), and further parameters ``extra``
(m, K), and computes n x K numbers. NaN in ``y`` means missing: log density and slopes are 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Link", "ScalarFamily"]

FloatArray = NDArray[np.float64]
Link = Literal["identity", "log", "logit"]


class ScalarFamily(ABC):
    """Distribution of one response given its linear predictor.

    Here is what the families share: missing observations, and the defaults of most of them. A
    family overrides the methods with a leading underscore; those get ``y`` as a column (n, 1)
    without NaN, the one of densities without what is outside the support.

    Attributes
    ----------
    name : str
        Public name.
    link : {"identity", "log", "logit"}
        What ``eta`` is of the mean (of the probability of a success).
    extras : tuple of str
        Names of the further parameters, in the order of ``extra``.
    discrete : bool
        Whether the distribution function has jumps.
    """

    name: str
    link: Link = "identity"
    extras: tuple[str, ...] = ()
    discrete: bool = False
    neutral: ClassVar[float] = 0.0  # stands in for a missing observation: anything in the support
    monotone: ClassVar[bool] = False  # a step of least squares with step_weight never goes down
    natural: ClassVar[str | None] = None  # name of the mean-scale parameter without regressors
    unit: float = 1.0  # mean of the response per unit of that parameter

    def log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Log density of the observations.

        Parameters
        ----------
        y : ndarray, shape (n,)
            NaN is missing.
        eta : ndarray, shape (n, K) or (1, K)
            Linear predictor.
        extra : ndarray, shape (m, K)
            Further parameters.

        Returns
        -------
        ndarray, shape (n, K)
            0 where ``y`` is missing, -inf where it is impossible.
        """
        gone, column = self._column(y)
        outside = self._outside(column)
        if outside is not None:
            column = np.where(outside, self.neutral, column)
        with np.errstate(all="ignore"):
            out = self._log_density(column, eta, extra)
        if outside is not None:
            out[outside[:, 0]] = -np.inf
        return _emptied(out, gone)

    def slopes(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """
        Derivatives of the log density.

        Parameters
        ----------
        y : ndarray, shape (n,)
        eta : ndarray, shape (n, K) or (1, K)
        extra : ndarray, shape (m, K)

        Returns
        -------
        by_eta : ndarray, shape (n, K)
        by_extra : ndarray, shape (m, n, K)
        """
        gone, column = self._column(y)
        with np.errstate(all="ignore"):
            by_eta, by_extra = self._slopes(column, eta, extra)
        if gone is not None:
            by_eta[gone] = 0.0
            by_extra[:, gone] = 0.0
        return by_eta, by_extra

    def pull(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """
        Weighted derivatives of the log density, those by further parameters summed.

        Parameters
        ----------
        y : ndarray, shape (n,)
        eta : ndarray, shape (n, K) or (1, K)
        extra : ndarray, shape (m, K)
        weights : ndarray, shape (n, K)

        Returns
        -------
        by_eta : ndarray, shape (n, K)
        by_extra : ndarray, shape (m, K)
        """
        by_eta, by_extra = self.slopes(y, eta, extra)
        by_eta *= weights
        return by_eta, np.einsum("nk,ank->ak", weights, by_extra)

    def weight(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Information on the linear predictor expected of an observation.

        Parameters
        ----------
        y : ndarray, shape (n,)
        eta : ndarray, shape (n, K) or (1, K)
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray, shape (n, K)
            0 where ``y`` is missing.
        """
        with np.errstate(all="ignore"):
            out = self._weight(eta, extra)
        out = np.array(np.broadcast_to(out, (len(y), eta.shape[1])))
        return _emptied(out, _gone(y))

    def step_weight(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Weight of the observations in a step of weighted least squares for the coefficients.

        Parameters
        ----------
        y : ndarray, shape (n,)
        eta : ndarray, shape (n, K) or (1, K)
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray, shape (n, K)
            The expected information, where the family knows nothing better.
        """
        return self.weight(y, eta, extra)

    def information(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Information on the further parameters expected of an observation.

        Parameters
        ----------
        y : ndarray, shape (n,)
        eta : ndarray, shape (n, K) or (1, K)
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray, shape (m, m, n, K)
            Positive semi-definite in the first two axes. Families whose expectation has no
            closed form give the squares of the slopes, which have that expectation.
        """
        slopes = self.slopes(y, eta, extra)[1]
        out: FloatArray = slopes[:, None] * slopes[None, :]
        return out

    def natural_slope(self, y: FloatArray, value: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Derivative of the log density by the mean-scale parameter, exact at its border.

        Parameters
        ----------
        y : ndarray, shape (n,)
            Without NaN.
        value : ndarray, shape (1, K)
            Mean, or probability.
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray, shape (n, K)
            Infinite where an impossible observation would become possible.
        """
        raise NotImplementedError

    def linked(self, value: FloatArray) -> FloatArray:
        """
        Linear predictor of a mean-scale parameter.

        Parameters
        ----------
        value : ndarray
            Mean, or probability.

        Returns
        -------
        ndarray
            Infinite at the border.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.link == "logit":
                out: FloatArray = np.log(value) - np.log1p(-value)
            else:
                out = np.log(value) if self.link == "log" else np.asarray(value)
        return out

    def working(self, y: FloatArray) -> FloatArray:
        """
        Rough linear predictor of each observation, to start from.

        Parameters
        ----------
        y : ndarray, shape (n,)
            Without NaN.

        Returns
        -------
        ndarray, shape (n,)
            Finite.
        """
        return self.linked((y + 0.5) if self.link == "log" else y)

    def start_extra(self, y: FloatArray) -> FloatArray:
        """
        Rough further parameters, to start from.

        Parameters
        ----------
        y : ndarray
            The observations, without NaN.

        Returns
        -------
        ndarray, shape (m,)
        """
        return np.ones(len(self.extras))

    def inside(self, extra: FloatArray) -> FloatArray:
        """
        Further parameters off the border, to start from.

        Parameters
        ----------
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray, shape (m, K)
        """
        return extra

    def scale(self, extra: FloatArray) -> FloatArray | None:
        """
        Scale that may collapse to zero.

        Parameters
        ----------
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray, shape (K,), or None
            None where there is none.
        """
        return None

    @abstractmethod
    def check(self, y: FloatArray, *, column: str, caller: str) -> None:
        """
        Refuse observations outside the support.

        Parameters
        ----------
        y : ndarray, shape (n,)
            NaN is missing.
        column, caller : str
            For the message.

        Raises
        ------
        DataError
            With the first of them.
        """

    @abstractmethod
    def mean(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Mean.

        Parameters
        ----------
        eta : ndarray, shape (n, K) or (1, K)
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray
            Of the shape of ``eta``.
        """

    @abstractmethod
    def variance(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Variance.

        Parameters
        ----------
        eta : ndarray, shape (n, K) or (1, K)
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray
            Of the shape of ``eta``.
        """

    @abstractmethod
    def sample(self, eta: FloatArray, extra: FloatArray, rng: np.random.Generator) -> FloatArray:
        """
        One draw each.

        Parameters
        ----------
        eta : ndarray, shape (n,)
        extra : ndarray, shape (m, n)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n,)
        """

    def cdf(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Distribution function ``P(Y <= y)``.

        Parameters
        ----------
        y : ndarray, shape (n,)
        eta : ndarray, shape (n, K) or (1, K)
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray, shape (n, K)
            NaN where ``y`` is NaN.
        """
        values = np.asarray(y, dtype=np.float64)[:, None]
        with np.errstate(all="ignore"):
            out = self._cdf(np.floor(values) if self.discrete else values, eta, extra)
        return np.where(np.isnan(values), np.nan, out)

    def cdf_below(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Probability of what lies below, ``P(Y < y)``.

        Parameters
        ----------
        y : ndarray, shape (n,)
        eta : ndarray, shape (n, K) or (1, K)
        extra : ndarray, shape (m, K)

        Returns
        -------
        ndarray, shape (n, K)
            The same as `cdf` for continuous families; NaN where ``y`` is NaN.
        """
        if not self.discrete:
            return self.cdf(y, eta, extra)
        return self.cdf(np.ceil(y) - 1.0, eta, extra)

    def fit_extra(
        self,
        y: FloatArray,
        eta: FloatArray,
        weights: FloatArray,
        extra: FloatArray,
        *,
        common: bool,
        floor: float = 0.0,
    ) -> FloatArray:
        """
        Further parameters that raise the weighted log density, ``eta`` given.

        Parameters
        ----------
        y : ndarray, shape (n,)
        eta : ndarray, shape (n, K) or (1, K)
        weights : ndarray, shape (n, K)
        extra : ndarray, shape (m, K)
            Where to begin.
        common : bool
            One value for all K columns.
        floor : float
            Lower bound of the squared scale.

        Returns
        -------
        ndarray, shape (m, K)
            Unchanged for a family without further parameters, and for a column without weight.
        """
        return extra

    def _column(self, y: FloatArray) -> tuple[NDArray[np.bool_] | None, FloatArray]:
        """Return where observations are missing (None: nowhere), and a column without NaN."""
        gone = _gone(y)
        filled = y if gone is None else np.where(gone, self.neutral, y)
        return gone, filled[:, None]

    def _outside(self, y: FloatArray) -> NDArray[np.bool_] | None:
        """Where observations are outside the support, of any shape; None: nowhere."""
        return None

    @abstractmethod
    def _log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray: ...

    @abstractmethod
    def _slopes(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]: ...

    @abstractmethod
    def _weight(self, eta: FloatArray, extra: FloatArray) -> FloatArray: ...

    @abstractmethod
    def _cdf(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray: ...


def _gone(y: FloatArray) -> NDArray[np.bool_] | None:
    gone = np.isnan(y)
    return gone if gone.any() else None


def _emptied(values: FloatArray, gone: NDArray[np.bool_] | None) -> FloatArray:
    if gone is not None:
        values[gone] = 0.0
    return values
