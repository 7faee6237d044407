"""The part of results that tests hypotheses about parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from rnnstats import _compat
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.inference.comparison import read_hypotheses, testable
from rnnstats.results.inference.covariances import Derivatives
from rnnstats.results.inference.likelihood_ratio import (
    LikelihoodRatioTest,
    likelihood_ratio,
    nested_systems,
)
from rnnstats.results.protocol import FittedModel, FloatArray

__all__ = ["Hypotheses"]


class Hypotheses(ABC):
    """The part of results that tests hypotheses about parameters.

    Attributes
    ----------
    model : FittedModel
        Data and structure.
    """

    model: FittedModel
    _theta: FloatArray

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    @property
    @abstractmethod
    def _derivatives(self) -> Derivatives:
        """Second derivatives and scores at the estimates."""

    @property
    @abstractmethod
    def _held(self) -> tuple[str, ...]:
        """Parameters estimated at the boundary."""

    @staticmethod
    def _nesting(small: Any, large: Any) -> str:
        """Refuse models that are not nested; else what to know before a p-value is used."""
        return nested_systems(small, large)

    def _refuse_held(self, matrix: FloatArray, caller: str) -> None:
        """Refuse hypotheses on nothing but parameters estimated at the boundary."""
        held = np.isin(self.model.param_names, self._held)
        moving = self._derivatives.directions.any(axis=1)
        for row, weights in enumerate(matrix != 0.0):
            if (weights & held).any() and not (weights & moving).any():
                names = np.array(self.model.param_names, dtype=object)[weights & held]
                raise SpecificationError(
                    f"{caller}: a hypothesis needs an estimate inside the parameter space; got "
                    f"constraint {row} on {', '.join(names)}, estimated at the boundary, where "
                    "estimates are not normal. Use lr_test with a model that is restricted there."
                )

    def t_test(self, r_matrix: Any) -> Any:
        """Test hypotheses about parameters, each alone.

        Parameters
        ----------
        r_matrix : str, sequence of str, mapping, array_like or tuple (R, q)
            Such as ``"W_h[h1,h1] = 0.5, K[h1,y] = K[h2,y]"``; or values by name; or R with one
            column a parameter. Text may be any formula, see `wald_test`.

        Returns
        -------
        statsmodels.stats.contrast.ContrastResults
            ``effect``, ``sd``, ``tvalue``, ``pvalue`` (normal), ``summary()``.

        Raises
        ------
        SpecificationError
            Unknown parameters, or nothing to test because they are fixed or not identified.
        """
        names = self.model.param_names
        asked = read_hypotheses(r_matrix, names, self._theta, caller="t_test")
        self._refuse_held(asked.matrix, "t_test")
        cov = testable(asked, self.covariance, caller="t_test")
        if asked.left is None or asked.right is None:
            return _compat.contrast_t_test(self._theta, cov, asked.matrix, asked.value, names)
        joint = asked.matrix @ cov @ asked.matrix.T
        return _compat.contrast_t_test(
            asked.left, joint, np.eye(len(asked.left)), asked.right, asked.texts
        )

    def wald_test(self, r_matrix: Any) -> Any:
        """Test hypotheses about parameters jointly.

        Parameters
        ----------
        r_matrix : str, sequence of str, mapping, array_like or tuple (R, q)
            As in `t_test`. Text may be any formula in parameter names with the signs
            ``+ - * / **`` and ``log exp sqrt abs``, such as
            ``"K[h1,y] / W_h[h1,h1] = 1, W_h[h1,h1] * W_h[h2,h2] - 1 = 0"``; what is not linear is
            linearised at the estimates, with exact derivatives.

        Returns
        -------
        statsmodels.stats.contrast.ContrastResults
            ``statistic``, ``pvalue``, ``df_denom``: chi-squared with one degree of freedom a
            constraint.

        Raises
        ------
        SpecificationError
            Unknown parameters, nothing to test because they are fixed or not identified, or a
            constraint that repeats or contradicts others.

        Notes
        -----
        Of hypotheses that are not linear the statistic depends on how they are written (Gregory and
        Veall 1985, Econometrica 53, 1465-1468); `lr_test` and `profile_conf_int` do not.
        """
        names = self.model.param_names
        asked = read_hypotheses(r_matrix, names, self._theta, caller="wald_test")
        self._refuse_held(asked.matrix, "wald_test")
        cov = testable(asked, self.covariance, caller="wald_test", jointly=True)
        return _compat.contrast_wald_test(self._theta, cov, asked.matrix, asked.value, names)

    def lr_test(self, other: Any) -> LikelihoodRatioTest:
        """Likelihood-ratio test against a nested fit to the same data.

        Parameters
        ----------
        other : Results
            The restricted model or the larger one; the one with fewer free parameters counts as
            restricted. That it is nested in the other is checked within a form; between forms it
            is yours to know.

        Returns
        -------
        LikelihoodRatioTest
            Statistic, degrees of freedom and chi-squared p-value; and a note where that does not
            hold: restrictions on the boundary such as a variance of zero, or states whose dynamics
            have no meaning under the hypothesis. A unit root is no regular hypothesis either.

        Raises
        ------
        SpecificationError
            Other data, inputs, sample or gaps, other treatment of the start, equal size, models
            that are not nested, parameters not estimated, or a restricted log-likelihood above the
            larger model's.
        """
        return likelihood_ratio(self, other, self._nesting)
