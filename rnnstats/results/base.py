"""What every fitted model answers: estimates, tests, residuals, predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from rnnstats._checks import check_alpha, check_literal, warn
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.covariance import COV_TYPES, CovarianceEstimate, CovType
from rnnstats.estimation.hac import check_cov_kwds, describe
from rnnstats.results import tables
from rnnstats.results.inference.covariances import (
    Derivatives,
    Kept,
    estimate_covariance,
    without_fixed,
)
from rnnstats.results.protocol import FittedModel, FloatArray, direction_names

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Results"]


class Results(ABC):
    """Estimates of a model with inference.

    Everything is labelled with the index and the names of the outputs: a Series for one output,
    a DataFrame for several. `fittedvalues`, `resid`, `standardized_resid` and everything called
    predict use the rows before each row only, never the future.

    Parameters
    ----------
    model : FittedModel
        Data and structure.
    params : ndarray of shape (K,)
        All natural parameters.
    cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
        Covariance of the estimates.
    convergence : Convergence, optional
        Record of the optimiser; None when the parameters were given.
    covariance : CovarianceEstimate or callable, optional
        Or what gives it when it is first needed; by default it is computed then.
    cov_note : str
        A sentence for the foot of the summary.
    cov_kwds : mapping, optional
        Options of "hac" and "cluster", see `with_cov`.

    Notes
    -----
    Values are computed when first asked for and kept. Nothing here changes the model or the data.
    """

    _no_sense: ClassVar[Mapping[str, str]] = {}
    # Kinds of covariance that the model does not have, with the reason.
    _no_cov: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        model: FittedModel,
        params: FloatArray,
        cov_type: CovType = "oim",
        convergence: Any = None,
        covariance: CovarianceEstimate | Callable[[], CovarianceEstimate] | None = None,
        cov_note: str = "",
        cov_kwds: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self._theta = np.array(params, dtype=float)
        self._theta.setflags(write=False)
        self.cov_type: CovType = cov_type
        self.convergence = convergence
        self.cov_note = cov_note
        self._given_covariance = covariance
        kept = isinstance(covariance, Kept)  # then they were checked against other rows
        self._cov_kwds: Mapping[str, Any] = (
            dict(cov_kwds or {})
            if kept
            else dict(check_cov_kwds(cov_type, cov_kwds, model.endog.index, caller=model.name))
        )

    @classmethod
    def from_fit(
        cls,
        model: Any,
        params: ArrayLike | pd.Series,
        *,
        cov_type: CovType = "oim",
        convergence: Any = None,
        covariance: CovarianceEstimate | None = None,
        cov_note: str = "",
        cov_kwds: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make results from a model and its parameters.

        Parameters
        ----------
        model : FittedModel
        params : array_like or Series of shape (K,)
            All natural parameters, restrictions already expanded.
        cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
        convergence : Convergence, optional
            Record of the optimiser; None when the parameters were given.
        covariance : CovarianceEstimate, optional
            Covariance where it is known already.
        cov_note : str
            A sentence for the foot of the summary.
        cov_kwds : mapping, optional
            Options of "hac" and "cluster", see `with_cov`.

        Returns
        -------
        Results

        Raises
        ------
        SpecificationError
            Wrong number of parameters, or a `cov_type` that is unknown or that the model lacks.
        """
        check_literal(cov_type, COV_TYPES, name="cov_type", caller=model.name)
        cls._refuse_cov(cov_type, model.name)
        if isinstance(params, pd.Series):
            params = params.reindex(list(model.param_names)).to_numpy(dtype=float)
        theta = np.asarray(params, dtype=float)
        if theta.shape != (len(model.param_names),) or not np.isfinite(theta).all():
            raise SpecificationError(
                f"{model.name}: params must be {len(model.param_names)} finite numbers, one for "
                f"each of {', '.join(model.param_names)}; got {theta.tolist()}."
            )
        return cls(model, theta, cov_type, convergence, covariance, cov_note, cov_kwds)

    if not TYPE_CHECKING:  # type checkers would take any name for one that exists

        def __getattr__(self, name: str) -> Any:
            """Explain why a name that other models' results have makes no sense here."""
            if name in type(self)._no_sense:
                reason = type(self)._no_sense[name]
                raise AttributeError(f"{type(self).__name__}.{name}: {reason}")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        """Say what was fitted."""
        outputs = ", ".join(self.model.endog.names)
        return f"<{type(self).__name__}: {self.model.name} of {outputs}, llf {self.llf:.3f}>"

    # -- what a kind of model adds ------------------------------------------------------------

    @property
    @abstractmethod
    def llf_obs(self) -> pd.Series:
        """Log-likelihood of each row given the rows before; 0 where all outputs are missing."""

    @property
    @abstractmethod
    def nobs_diffuse(self) -> int:
        """Rows at the start whose likelihood is that of a diffuse start."""

    @property
    @abstractmethod
    def k_diffuse_states(self) -> int:
        """Number of states with a diffuse start."""

    def _structure_rows(self) -> list[tuple[str, str]]:
        """Rows of the summary that say what was fitted, on the left."""
        return []

    def _count_rows(self) -> list[tuple[str, str]]:
        """Further rows of the summary's right-hand column."""
        return []

    # -- estimates ----------------------------------------------------------------------------

    @property
    def params(self) -> pd.Series:
        """Estimates of all natural parameters, shape (K,); fixed ones included."""
        return self._labelled(self._theta, "params")

    def _labelled(self, values: FloatArray, name: str) -> pd.Series:
        return pd.Series(values, index=pd.Index(self.model.param_names), name=name, copy=True)

    @cached_property
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates with its rank and what is not identified.

        Computed once; a `ConvergenceWarning` says if some parameters have no standard error.
        """
        given = self._given_covariance
        if given is not None:
            return given() if callable(given) else given
        estimate = estimate_covariance(self._derivatives, self.cov_type, self._cov_kwds)
        if estimate.message and not getattr(self.model, "k_flat", 0):
            warn(estimate.message, ConvergenceWarning)
        return estimate

    @cached_property
    def _derivatives(self) -> Derivatives:
        return Derivatives(self.model, self._theta)

    @cached_property
    def _held(self) -> tuple[str, ...]:
        """Parameters estimated at the boundary, which no direction of the others moves."""
        still = ~self._derivatives.directions.any(axis=1)
        free = self.model.layout.expansion.any(axis=1)
        return tuple(np.array(self.model.param_names, dtype=object)[still & free])

    @property
    def cov_kwds(self) -> dict[str, Any]:
        """Options of the covariance type as they were given (a copy)."""
        return dict(self._cov_kwds)

    def cov_params(self, cov_type: CovType | None = None, **cov_kwds: Any) -> pd.DataFrame:
        """Return the covariance of the estimates, shape (K, K).

        Parameters
        ----------
        cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
            Another kind than that of these results; by default theirs.
        **cov_kwds
            Options of "hac" and "cluster", see `with_cov`.

        Returns
        -------
        DataFrame
            Zero for fixed parameters, NaN for those that the data do not identify.

        Raises
        ------
        SpecificationError
            An unknown kind, or options that it does not have.
        """
        source = self
        if cov_type is not None or cov_kwds:
            source = self.with_cov(self.cov_type if cov_type is None else cov_type, cov_kwds)
        names = pd.Index(self.model.param_names)
        return pd.DataFrame(source.covariance.cov, index=names, columns=names, copy=True)

    @property
    def _cov_words(self) -> str:
        """Options of the covariance in words."""
        if isinstance(self._given_covariance, Kept):
            return self._given_covariance.origin._cov_words
        return describe(self.cov_type, self._cov_kwds, self.nobs, self.model.layout.k_free)

    def _same_covariance(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options of a new fit that give the same kind of covariance, if others are not asked."""
        if options.get("cov_type", self.cov_type) != self.cov_type:
            return {}
        kwds = self.cov_kwds
        return {"cov_type": self.cov_type} | ({"cov_kwds": kwds} if kwds else {})

    def with_cov(self, cov_type: CovType, cov_kwds: Mapping[str, Any] | None = None) -> Self:
        """Return the same estimates with another covariance, without fitting again.

        Parameters
        ----------
        cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
            Observed information, expected information, outer product of the scores, sandwiches
            of each information and the outer product; sandwiches that allow for scores that are
            correlated within groups or over time; nothing.
        cov_kwds : mapping, optional
            ``"hac"``: ``kernel`` ("bartlett", "parzen" or "quadratic-spectral"), ``maxlags`` (by
            default Newey and West's rule) or ``bandwidth`` (a number or "andrews"), ``prewhiten``
            and ``correction`` (False). ``"cluster"``: ``groups``, a label for each row, and
            ``correction`` (True).

        Returns
        -------
        Results
            New results; derivatives that were computed already are shared.

        Raises
        ------
        SpecificationError
            An unknown kind, or options that it does not have.
        DataError
            Groups that do not fit the rows.
        """
        check_literal(cov_type, COV_TYPES, name="cov_type", caller="with_cov")
        self._refuse_cov(cov_type, "with_cov")
        given, note = self._given_covariance, ""
        kept = given.another(cov_type, cov_kwds) if isinstance(given, Kept) else None
        if kept is not None:
            note, cov_kwds = self.cov_note, kept.origin.cov_kwds
        other = type(self)(
            self.model, self._theta, cov_type, self.convergence, kept, note, cov_kwds
        )
        other.__dict__["_derivatives"] = self._derivatives
        return other

    @classmethod
    def _refuse_cov(cls, cov_type: str, caller: str) -> None:
        """Refuse a kind of covariance that the model does not have."""
        if cov_type in cls._no_cov:
            raise SpecificationError(f"{caller}: {cls._no_cov[cov_type]}")

    @property
    def bse(self) -> pd.Series:
        """Standard errors; NaN for parameters that are fixed or not identified."""
        variances = np.diagonal(self.covariance.cov)
        return self._labelled(np.sqrt(np.where(variances > 0, variances, np.nan)), "bse")

    @property
    def tvalues(self) -> pd.Series:
        """Estimates divided by their standard errors."""
        return (self.params / self.bse).rename("tvalues")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of `tvalues`, standard normal."""
        return self._labelled(2 * stats.norm.sf(np.abs(self.tvalues)), "pvalues")

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return normal confidence intervals of the parameters.

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

    # -- fit ----------------------------------------------------------------------------------

    @cached_property
    def llf(self) -> float:
        """Log-likelihood, constants as in statsmodels (every observed element counts log 2 pi)."""
        return float(self.llf_obs.sum())

    @property
    def nobs(self) -> int:
        """Number of rows, those with missing values included."""
        return self.model.nobs

    @property
    def df_model(self) -> int:
        """Free parameters that data can tell apart, plus diffuse states as in statsmodels."""
        flat = getattr(self.model, "k_flat", 0)
        return int(self.model.layout.k_free - flat + self.k_diffuse_states)

    @property
    def df_resid(self) -> int:
        """Rows minus `df_model`."""
        return self.nobs - self.df_model

    @property
    def aic(self) -> float:
        """Akaike's criterion, -2 llf + 2 df_model."""
        return -2 * self.llf + 2 * self.df_model

    @property
    def aicc(self) -> float:
        """Akaike's criterion with Hurvich and Tsai's correction, -2 llf + 2 k n / (n - k - 1).

        Infinite when there are not more than k + 1 rows.
        """
        spare = self.nobs - self.df_model - 1
        return -2 * self.llf + 2 * self.df_model * self.nobs / spare if spare > 0 else np.inf

    @property
    def bic(self) -> float:
        """Schwarz's criterion, -2 llf + log(n) df_model."""
        return -2 * self.llf + float(np.log(self.nobs)) * self.df_model

    @property
    def hqic(self) -> float:
        """Hannan and Quinn's criterion, -2 llf + 2 log(log(n)) df_model."""
        with np.errstate(divide="ignore"):  # one row
            return -2 * self.llf + 2 * float(np.log(np.log(self.nobs))) * self.df_model

    @property
    def starts(self) -> pd.DataFrame:
        """Table of the optima found, one row a start; no rows when parameters were given."""
        return tables.starts_table(() if self.convergence is None else self.convergence.optima)

    @property
    def _identification_words(self) -> str:
        """What the identification line of the summary says."""
        return str(self.information_rank)

    @cached_property
    def information_rank(self) -> tables.InformationRank:
        """Rank of the expected information in the free parameters, and directions without any."""
        found = self._derivatives
        free, inner = found.directions, found.inner_directions
        return tables.information_rank(
            inner.T @ without_fixed(found.inner_information, inner) @ inner,
            direction_names(self.model, free),
            lambda: inner.T @ without_fixed(found.inner_hessian, inner) @ inner,
            basis=found.basis,
        )

    def summary(self, alpha: float = 0.05) -> Any:
        """Summarize the fit in statsmodels' layout.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the confidence intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Data, criteria, coefficients, residual tests; below them a convergence line and an
            identification line (rank of the information, or its null directions by name).
        """
        check_alpha(alpha, "summary")
        return tables.summary(cast("tables.Summarized", self), alpha)
