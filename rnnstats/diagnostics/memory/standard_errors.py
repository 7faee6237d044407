"""Standard errors that are estimates themselves, and the law of what is measured in them.

Arrays only.

References
----------
Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics
Bulletin 2, 110-114; Welch (1947), The generalization of "Student's" problem when several different
population variances are involved, Biometrika 34, 28-35.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["StandardError", "two_sided_quantile"]

FloatArray = NDArray[np.float64]


def two_sided_quantile(alpha: float, df: float | FloatArray = np.inf) -> FloatArray:
    """Reach of intervals in standard errors with these degrees of freedom.

    Parameters
    ----------
    alpha : float
        One minus the coverage.
    df : float or ndarray
        Degrees of freedom of Student's t; infinite for the normal law, NaN where there is no
        standard error.

    Returns
    -------
    ndarray, of the shape of `df`
    """
    return np.asarray(stats.t.isf(alpha / 2.0, df), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class StandardError:
    """A standard error, and how an estimate less its true value, measured in it, is distributed.

    The law is `scale` times Student's t with `df` degrees of freedom: the normal law by default.

    Attributes
    ----------
    value : float
        Zero for what is known, NaN where there is none.
    df : float
        As many as the estimated variance has; NaN where there is no standard error.
    scale : float
        Root of the true variance over what the estimated one is on average.
    """

    value: float
    df: float = np.inf
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Leave what has no standard error without degrees of freedom, too."""
        if np.isnan(self.value):
            object.__setattr__(self, "df", np.nan)

    def plus(self, variance: float) -> StandardError:
        """Add an independent variance that is known, or whose own error is small.

        Parameters
        ----------
        variance : float

        Returns
        -------
        StandardError
            With the degrees of freedom of the sum (Satterthwaite 1946): those of this error over
            the squared share of the sum that it makes.
        """
        extra, own = float(np.sqrt(max(variance, 0.0))), self.value * self.scale
        if extra == 0.0:
            return self
        value, whole = float(np.hypot(self.value, extra)), float(np.hypot(own, extra))
        share = (own / whole) ** 2
        df = self.df / share**2 if share > 0.0 else np.inf
        return StandardError(value, df, whole / value)

    def over(self, unit: float) -> StandardError:
        """Divide by a unit.

        Parameters
        ----------
        unit : float
            Positive.

        Returns
        -------
        StandardError
        """
        return replace(self, value=self.value / unit)

    def ratio(self, estimate: float) -> float:
        """Estimate over standard error.

        Parameters
        ----------
        estimate : float

        Returns
        -------
        float
            Infinite for an infinite estimate, and beside an error of zero; NaN for zero over zero.
        """
        if np.isinf(estimate):
            return float(estimate)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.divide(estimate, self.value))

    def reach(self, alpha: float) -> float:
        """Half the length of an interval.

        Parameters
        ----------
        alpha : float
            One minus the coverage on both sides.

        Returns
        -------
        float
        """
        return self.value * self.scale * float(two_sided_quantile(alpha, self.df))

    def above(self, ratio: float) -> float:
        """Chance of a larger ratio where the true value is zero.

        Parameters
        ----------
        ratio : float

        Returns
        -------
        float
            Zero, a half and one for ratios of infinity, zero and minus infinity, whatever the law.
        """
        if np.isinf(ratio) or ratio == 0.0:
            return 0.5 - 0.5 * float(np.sign(ratio))
        return float(stats.t.sf(ratio / self.scale, self.df))

    def two_sided(self, ratio: float) -> float:
        """Chance of a ratio further from zero where the true value is zero.

        Parameters
        ----------
        ratio : float

        Returns
        -------
        float
        """
        return 2.0 * self.above(abs(ratio))
