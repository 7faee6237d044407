"""The part of a vector ARMA model that knows about estimation: parameters and their errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rnnstats import _compat
from rnnstats._checks import check_alpha
from rnnstats._compat import wrapped
from rnnstats.equivalence.coprimeness import shown_root
from rnnstats.equivalence.polynomials import Polynomials
from rnnstats.results.protocol import FloatArray
from rnnstats.results.varma.labels import coefficient_names
from rnnstats.results.varma.mapping import Coefficients, Mapped
from rnnstats.results.varma.statsmodels_model import Sample

__all__ = ["Estimated", "VarmaInference"]


@dataclass(frozen=True, eq=False)
class Estimated:
    """What estimation adds to the coefficients.

    Attributes
    ----------
    mapped : Mapped
    cov, reduced_cov : ndarray
        Covariances of the coefficients that are not structurally zero, of both kinds of equations.
    sample : Sample
        Data and start.
    source, cov_type : str
    """

    mapped: Mapped
    cov: FloatArray
    reduced_cov: FloatArray
    sample: Sample
    source: str
    cov_type: str


class VarmaInference(ABC):
    """The part of a vector ARMA model that knows about estimation."""

    ar: FloatArray
    ma: FloatArray
    sigma_u: FloatArray
    intercept: FloatArray
    trend: FloatArray | None
    exog: FloatArray
    ar0: FloatArray
    endog_names: tuple[str, ...]
    exog_names: tuple[str, ...]
    form: str
    _estimated: Estimated | None

    @property
    @abstractmethod
    def k_endog(self) -> int:
        """Number of outputs."""

    @property
    @abstractmethod
    def kronecker(self) -> tuple[int, ...]:
        """Kronecker indices."""

    @property
    @abstractmethod
    def mcmillan_degree(self) -> int:
        """Number of states needed."""

    @property
    @abstractmethod
    def cancellation(self) -> str:
        """Roots that cancel, in words."""

    @property
    @abstractmethod
    def ar_roots(self) -> NDArray[np.complex128]:
        """Autoregressive roots."""

    @property
    @abstractmethod
    def ma_roots(self) -> NDArray[np.complex128]:
        """Moving-average roots."""

    @property
    @abstractmethod
    def is_stationary(self) -> bool:
        """Whether all autoregressive roots lie inside the unit circle."""

    @property
    @abstractmethod
    def is_invertible(self) -> bool:
        """Whether all moving-average roots lie inside the unit circle."""

    @abstractmethod
    def _title(self) -> str:
        """Name with orders."""

    @cached_property
    def _table(self) -> tuple[list[str], FloatArray, FloatArray]:
        """Names, values and covariance of the coefficients of the form's equations."""
        names = (self.endog_names, self.exog_names)
        if self._estimated is None:
            own = self._coefficients()
            every = own.flat() != 0.0
            where = own.like(every)
            where.polynomials.ar0[...] = False
            where.sigma_u[...] = np.tri(self.k_endog, dtype=bool)
            live = where.flat()
            labels = coefficient_names(own, names, scalar=False)
            size = int(live.sum())
            cov = np.full((size, size), np.nan)
        else:
            mapped, cov = self._estimated.mapped, self._estimated.cov
            own, live = mapped.structural, mapped.live
            labels = coefficient_names(own, names, scalar=self.form == "final")
            live = live & np.array([bool(label) for label in labels])
        picked = np.flatnonzero(live)
        return [labels[i] for i in picked], own.flat()[picked], cov

    def _coefficients(self) -> Coefficients:
        trend = np.zeros(self.k_endog) if self.trend is None else self.trend
        polynomials = Polynomials(np.eye(self.k_endog), self.ar, self.ma, self.exog)
        return Coefficients(polynomials, self.intercept, trend, self.sigma_u)

    @property
    def params(self) -> pd.Series:
        """Coefficients of the form's equations that are not structurally zero.

        ``intercept[y1]``, ``trend[y1]``, ``ar0[y2,y1]``, ``ar1[y1,y2]``, ..., ``ma1[y1,y2]``, ...,
        ``exog0[y1,x]``, ..., ``sigma_u[y2,y1]`` (lower triangle). In the final equations form
        ``ar1``, ... are the coefficients of the polynomial that all outputs share. With unequal
        Kronecker indices they belong to ``ar0 y_t = ...``; see `reduced_form`.
        """
        names, values, _ = self._table
        return pd.Series(values, index=names, name="params", copy=True)

    def cov_params(self) -> pd.DataFrame:
        """Return the covariance of `params` by the delta method; NaN where not estimated.

        Returns
        -------
        DataFrame
        """
        names, _, cov = self._table
        return pd.DataFrame(cov, index=names, columns=names, copy=True)

    @property
    def bse(self) -> pd.Series:
        """Standard errors of `params`; NaN where fixed, not identified or not estimated."""
        names, _, cov = self._table
        return pd.Series(_errors(cov), index=names, name="bse")

    @property
    def tvalues(self) -> pd.Series:
        """Coefficients divided by their standard errors."""
        return (self.params / self.bse).rename("tvalues")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of `tvalues`, standard normal."""
        values = 2.0 * stats.norm.sf(np.abs(self.tvalues))
        return pd.Series(values, index=self.tvalues.index, name="pvalues")

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return normal confidence intervals of `params`.

        Parameters
        ----------
        alpha : float
            One minus the coverage, between 0 and 1.

        Returns
        -------
        DataFrame
            Columns 0 (lower end) and 1 (upper end).

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1.
        """
        half = check_alpha(alpha, "conf_int") * self.bse
        return pd.DataFrame({0: self.params - half, 1: self.params + half})

    def reduced_form(self) -> pd.DataFrame:
        """Return the coefficients of the equations solved for y_t, with standard errors.

        Returns
        -------
        DataFrame
            Columns ``coef`` and ``std err``. Differs from `params` and `bse` where `ar0` is not
            the identity; its covariance is then singular.
        """
        if self._estimated is None or self.form == "final":
            return pd.DataFrame({"coef": self.params, "std err": self.bse})
        mapped = self._estimated.mapped
        labels = coefficient_names(
            mapped.reduced, (self.endog_names, self.exog_names), scalar=False
        )
        picked = np.flatnonzero(mapped.reduced_live)
        return pd.DataFrame(
            {
                "coef": mapped.reduced.flat()[picked],
                "std err": _errors(self._estimated.reduced_cov),
            },
            index=[labels[i] for i in picked],
        )

    def summary(self, alpha: float = 0.05) -> Any:
        """Summarize coefficients, roots and what cancels.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the confidence intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1.
        """
        ends = self.conf_int(alpha)
        table = pd.DataFrame(
            {
                "coef": self.params,
                "std err": self.bse,
                "z": self.tvalues,
                "P>|z|": self.pvalues,
            }
        )
        left = [("Outputs:", ", ".join(self.endog_names)), ("Model:", self._title())]
        right = [
            ("Kronecker indices:", ", ".join(map(str, self.kronecker))),
            ("McMillan degree:", f"{self.mcmillan_degree:d}"),
        ]
        if self._estimated is not None:
            left += [("From:", self._estimated.source)]
            right += [("Covariance Type:", self._estimated.cov_type)]
        return _compat.build_summary(
            title=self._title(),
            top_left=left,
            top_right=right,
            coefficients=pd.concat([table, ends], axis=1),
            alpha=alpha,
            notes=[line for note in self._notes() for line in wrapped(note)],
        )

    def _notes(self) -> list[str]:
        equation = "y_t = intercept"
        if not np.array_equal(self.ar0, np.eye(self.k_endog)):
            equation = "ar0 (y_t - u_t) = intercept"
        notes = [
            f"{equation} + trend t + sum ar_i y_(t-i) + sum exog_j x_(t-j) + sum ma_j u_(t-j)"
            f"{' + u_t' if equation.startswith('y') else ''}, t = 1, 2, ...",
            f"Autoregressive roots: {_listed(self.ar_roots)}"
            f" ({'stationary' if self.is_stationary else 'not stationary'}).",
            f"Moving-average roots: {_listed(self.ma_roots)}"
            f" ({'invertible' if self.is_invertible else 'not invertible'}).",
        ]
        words = self.cancellation
        notes.append(f"Common factors: {words}." if words else "Common factors: none.")
        if self._estimated is not None:
            notes += [f"Note: {word}." for word in self._estimated.mapped.notes]
            notes.append("Standard errors by the delta method.")
        return notes


def _listed(roots: NDArray[np.complex128]) -> str:
    upper = [shown_root(complex(root)) for root in roots if root.imag > -1e-12]
    return ", ".join(upper) if upper else "none"


def _errors(cov: FloatArray) -> FloatArray:
    variances = np.diagonal(cov)
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.where(variances > 0.0, variances, np.nan))
