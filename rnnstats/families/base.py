"""What every family of distributions of one response offers, and what they share.

A family knows nothing of regimes, layers or time. Its methods take n observations and K columns
(regimes; one column for an ordinary regression) and compute n x K numbers. Arguments have the
same meaning and shape throughout:

=========  ==================  ==========================================================
``y``      (n,)                observations; NaN is missing: log density and slopes are 0
``eta``    (n, K) or (1, K)    linear predictors, on the scale of the link
``extra``  (m, K)              further parameters, in the order of ``extras``
``value``  (1, K)              means or probabilities, where the family has them
=========  ==================  ==========================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.steps import column_sums, refuse

__all__ = ["Link", "ScalarFamily", "Weighted"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Link = Literal["identity", "log", "logit"]


@dataclass(frozen=True, eq=False)
class Weighted:
    """Weighted observations, to estimate further parameters from.

    Attributes
    ----------
    y : ndarray, shape (n, 1)
        Without NaN.
    weights : ndarray, shape (n, K)
        0 where an observation is missing.
    common : bool
        One value for all K columns.
    """

    y: FloatArray
    weights: FloatArray
    common: bool

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum of numbers (n, K) by column, (K,), or in all if the columns share, (1,)."""
        return column_sums(values, common=self.common)


class ScalarFamily(ABC):
    """Distribution of one response given its linear predictor.

    Here is what the families share: missing observations, what is outside the support, and the
    defaults of most of them. A family overrides the methods with a leading underscore; those get
    ``y`` as a column (n, 1) without NaN, the one of densities without what is outside the support.

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
    support: str = "finite numbers"  # what observations must be, and what to do where they are not
    way_out: str = "Mark missing observations with NaN."
    neutral: ClassVar[float] = 0.0  # stands in for a missing observation: anything in the support
    monotone: ClassVar[bool] = False  # a step of least squares with step_weight never goes down
    natural: ClassVar[str | None] = None  # name of the mean-scale parameter without regressors
    unit: float = 1.0  # mean of the response per unit of that parameter

    def check(self, y: FloatArray, *, column: str, caller: str) -> None:
        """Raise DataError with the first observation outside the support; names for the message."""
        outside = self._outside(y)
        bad, rule = np.isinf(y), self.support
        if outside is not None:
            bad, rule = outside, f"{self.support} for the family {self.name!r}"
        refuse(y, bad, caller=caller, column=column, rule=rule, way_out=self.way_out)

    @abstractmethod
    def mean(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Mean, of the shape of ``eta``."""

    @abstractmethod
    def variance(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Variance, of the shape of ``eta``."""

    @abstractmethod
    def sample(self, eta: FloatArray, extra: FloatArray, rng: np.random.Generator) -> FloatArray:
        """One draw each, (n,), for ``eta`` (n,) and ``extra`` (m, n)."""

    def log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Log density, (n, K): 0 where ``y`` is missing, -inf where it is impossible."""
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
        """Derivatives of the log density by ``eta``, (n, K), and by ``extra``, (m, n, K)."""
        gone, column = self._column(y)
        with np.errstate(all="ignore"):
            by_eta, by_extra = self._slopes(column, eta, extra)
        if gone is not None:
            by_extra[:, gone] = 0.0
        return _emptied(by_eta, gone), by_extra

    def pull(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """`slopes` times weights (n, K); those by further parameters summed over rows, (m, K)."""
        by_eta, by_extra = self.slopes(y, eta, extra)
        by_eta *= weights
        return by_eta, np.einsum("nk,ank->ak", weights, by_extra)

    def weight(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Information on ``eta`` expected of an observation, (n, K); 0 where it is missing."""
        with np.errstate(all="ignore"):
            out = self._weight(eta, extra)
        out = np.array(np.broadcast_to(out, (len(y), eta.shape[1])))
        return _emptied(out, _gone(y))

    def step_weight(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Weight of the observations in a step of weighted least squares for ``eta``, (n, K).

        The expected information, where the family knows nothing better.
        """
        return self.weight(y, eta, extra)

    def information(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Information on ``extra`` expected of an observation, (m, m, n, K).

        Positive semi-definite in the first two axes; 0 where ``y`` is missing. Families whose
        expectation has no closed form give the squares of the slopes, which have that expectation.
        """
        each = self._information(extra)
        if each is not None:
            return each[:, :, None, :] * ~np.isnan(y)[:, None]
        slopes = self.slopes(y, eta, extra)[1]
        out: FloatArray = slopes[:, None] * slopes[None, :]
        return out

    def natural_slope(self, y: FloatArray, value: FloatArray, extra: FloatArray) -> FloatArray:
        """Derivative of the log density by ``value``, (n, K), exact at its border; no NaN in ``y``.

        Infinite where an impossible observation would become possible.
        """
        raise NotImplementedError

    def linked(self, value: FloatArray) -> FloatArray:
        """Linear predictor of means or probabilities of any shape; infinite at their border."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.link == "logit":
                out: FloatArray = np.log(value) - np.log1p(-value)
            else:
                out = np.log(value) if self.link == "log" else np.asarray(value)
        return out

    def working(self, y: FloatArray) -> FloatArray:
        """Rough linear predictor of each observation, finite, to start from; no NaN in ``y``."""
        return self.linked((y + 0.5) if self.link == "log" else y)

    def start_extra(self, y: FloatArray) -> FloatArray:
        """Rough further parameters, (m,), to start from; no NaN in ``y``."""
        return np.ones(len(self.extras))

    def inside(self, extra: FloatArray) -> FloatArray:
        """Further parameters off the border, (m, K), to start from."""
        return extra

    def scale(self, extra: FloatArray) -> FloatArray | None:
        """Scale that may collapse to zero, (K,); None where there is none."""
        return None

    def cdf(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Distribution function ``P(Y <= y)``, (n, K); NaN where ``y`` is."""
        values = np.asarray(y, dtype=np.float64)[:, None]
        with np.errstate(all="ignore"):
            out = self._cdf(np.floor(values) if self.discrete else values, eta, extra)
        return np.where(np.isnan(values), np.nan, out)

    def cdf_below(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Probability of what lies below, ``P(Y < y)``, (n, K): `cdf` for continuous families."""
        return self.cdf(np.ceil(y) - 1.0 if self.discrete else y, eta, extra)

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
        y, eta : ndarray
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
        if not self.extras:
            return extra
        column, counted = self._counted(y, weights)
        return self._fit_extra(Weighted(column, counted, common), eta, extra, floor)

    def _column(self, y: FloatArray) -> tuple[BoolArray | None, FloatArray]:
        """Return where observations are missing (None: nowhere), and a column without NaN."""
        gone = _gone(y)
        filled = y if gone is None else np.where(gone, self.neutral, y)
        return gone, filled[:, None]

    def _counted(self, y: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return a column without NaN, and weights that are 0 where observations are missing."""
        gone, column = self._column(y)
        return column, weights if gone is None else np.where(gone[:, None], 0.0, weights)

    def _outside(self, y: FloatArray) -> BoolArray | None:
        """Where observations are outside the support, of any shape; None: nowhere if finite."""
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

    def _information(self, extra: FloatArray) -> FloatArray | None:
        """Expected information on the further parameters, (m, m, K), if it has a closed form."""
        return None

    def _fit_extra(
        self, given: Weighted, eta: FloatArray, extra: FloatArray, floor: float
    ) -> FloatArray:
        return extra


def _gone(y: FloatArray) -> BoolArray | None:
    gone = np.isnan(y)
    return gone if gone.any() else None


def _emptied(values: FloatArray, gone: BoolArray | None) -> FloatArray:
    if gone is not None:
        values[gone] = 0.0
    return values
