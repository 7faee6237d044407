"""The part of a network's results with log-likelihood, estimates and their covariance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from rnnstats._checks import warn
from rnnstats.errors import ConvergenceWarning
from rnnstats.estimation.covariance import CovarianceEstimate, CovType
from rnnstats.estimation.penalised import (
    effective_df,
    penalised_covariance,
    penalised_inverse,
)
from rnnstats.results import tables
from rnnstats.results.inference.covariances import (
    Kept,
    estimate_covariance,
    without_fixed,
)
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.inference.derivatives import StandardDerivatives
from rnnstats.results.recurrent.inference.identification import Rank
from rnnstats.results.recurrent.protocol import RecurrentModel

__all__ = ["FittedNetwork"]


class FittedNetwork:
    """The part of results with log-likelihood, estimates and their covariance.

    Attributes
    ----------
    model : RecurrentModel
        Data and structure.
    """

    model: RecurrentModel
    cov_type: CovType
    _theta: FloatArray
    _cov_kwds: Mapping[str, Any]
    _given_covariance: CovarianceEstimate | Callable[[], CovarianceEstimate] | None

    _standardised_rank: cached_property[Rank]
    _unit_words: Callable[[], str]

    @property
    def llf_obs(self) -> pd.Series:
        """Log-likelihood of each row given the rows before it in its sequence.

        0 where all outputs are missing, and in rows that the likelihood is conditional on. A
        penalty is not part of it.
        """
        values = self.model.loglikeobs(self._theta)
        return pd.Series(values, index=self.model.endog.index, name="llf_obs", copy=True)

    @property
    def nobs(self) -> int:
        """Number of rows in the likelihood: without those that it is conditional on.

        Rows with missing values are included.
        """
        return int(self.model.nobs_likelihood)

    @property
    def nobs_diffuse(self) -> int:
        """0: the state has a proper start."""
        return 0

    @property
    def k_diffuse_states(self) -> int:
        """0: the state has a proper start."""
        return 0

    # -- estimates ----------------------------------------------------------------------------

    @cached_property
    def _derivatives(self) -> StandardDerivatives:
        return StandardDerivatives(self.model, self._theta)

    @cached_property
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates with its rank and what is not identified.

        With a penalty that of the penalised estimates: its second derivative is part of the
        information. A `ConvergenceWarning` says if some parameters have no standard error.
        """
        given = self._given_covariance
        if given is not None:
            return given() if callable(given) else given
        estimate = self._estimated(self.cov_type, self._cov_kwds)
        if estimate.message:
            warn(estimate.message, ConvergenceWarning)
        return estimate

    def _estimated(self, cov_type: CovType, cov_kwds: Mapping[str, Any]) -> CovarianceEstimate:
        found = self._derivatives
        if not self.model.penalty or cov_type == "none":
            return estimate_covariance(found, cov_type, cov_kwds)
        return penalised_covariance(cov_type, cov_kwds=cov_kwds, **self._penalised(cov_type))

    def _inverse_information(self, cov_type: CovType) -> CovarianceEstimate:
        """Matrix by which the score of a row moves the estimates: with a penalty, part of it."""
        if not self.model.penalty:
            return self._estimated(cov_type, {})
        return penalised_inverse(cov_type, **self._penalised(cov_type))

    def _penalised(self, cov_type: CovType) -> dict[str, Any]:
        """What covariances of penalised estimates are made of."""
        found = self._derivatives
        expected = cov_type in ("approx", "robust_approx")
        outer = cov_type == "opg"
        return {
            "ridge": found.inner_ridge,
            "hessian": None if expected or outer else found.inner_hessian,
            "information": found.inner_information if expected else None,
            "score_obs": None if cov_type in ("oim", "approx") else found.inner_score_obs,
            "expansion": found.inner_directions,
            "moves": found.moves,
            "names": self.model.param_names,
        }

    @property
    def df_model(self) -> int:
        """Free parameters; with a penalty their effective number, no whole number.

        The latter is ``tr(I (I + R)^-1)``, I the expected information and R the second derivative
        of the penalty (Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning,
        section 7.6), on the rows that gave the estimates.
        """
        if not self.model.penalty:
            return int(self.model.layout.k_free)
        if isinstance(self._given_covariance, Kept):
            return self._given_covariance.origin.df_model
        inner = self._derivatives
        free = inner.inner_directions
        curvature = free.T @ without_fixed(inner.inner_information, free) @ free
        ridge = free.T @ inner.inner_ridge @ free
        found: Any = effective_df(curvature, ridge)
        return found  # type: ignore[no-any-return]

    @cached_property
    def information_rank(self) -> tables.InformationRank:
        """Rank of the expected information in the free parameters, and directions without any.

        In standardised coordinates; a penalty is left out: it makes estimates unique, not
        identified.
        """
        return self._standardised_rank.found

    @property
    def _identification_words(self) -> str:
        return self._unit_words()
