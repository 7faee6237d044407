"""The part of results that maps a linear model to a vector ARMA model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_literal
from rnnstats.equivalence.polynomials import PolynomialForm
from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.varma.inference import Estimated
from rnnstats.results.varma.labels import coefficient_names
from rnnstats.results.varma.mapping import map_to_varma
from rnnstats.results.varma.statsmodels_model import Sample
from rnnstats.results.varma.value import VARMA

if TYPE_CHECKING:
    from rnnstats.estimation.covariance import CovarianceEstimate

__all__ = ["VarmaMapping"]


class VarmaMapping(ABC):
    """The part of results that maps a linear model to a vector ARMA model.

    Attributes
    ----------
    model : StateSpaceModel
        Data and structure.
    """

    model: StateSpaceModel
    cov_type: Any
    _theta: FloatArray

    @property
    @abstractmethod
    def _system(self) -> StateSpace:
        """State space at the estimates."""

    if TYPE_CHECKING:

        @property
        def covariance(self) -> CovarianceEstimate: ...

    def to_varma(self, form: PolynomialForm = "echelon") -> VARMA:
        """Map the model to a vector ARMA model with the same second moments.

        Parameters
        ----------
        form : {"echelon", "final"}
            ``"echelon"``: as few coefficients as there can be, each output's equation with its
            Kronecker index of lags. ``"final"``: the final equations form, what eliminating the
            state from the equations gives: one autoregressive polynomial det(I - W_h L) for all
            outputs.

        Returns
        -------
        VARMA
            Coefficients with standard errors by the delta method, whose derivatives are exact. A
            coefficient has a standard error also where the parameters of the model have none
            (``form="free"``), if the data identify it.

        Raises
        ------
        SpecificationError
            An unknown form; a model whose filter has no steady state (a moving-average root on the
            unit circle) or whose innovations have a singular covariance.

        Notes
        -----
        In the innovations form the innovations are those of the model. In the others they are the
        one-step-ahead errors of the steady-state filter (Riccati equation), whose moving average
        is the invertible factor of the spectrum. States that no output shows, or that nothing
        moves, are left out; roots that cancel are named in ``cancellation`` and in the summary.

        The start is no part of a vector ARMA model. With a stationary start both have the same
        likelihood.

        References
        ----------
        Hannan and Deistler (1988), ch. 1 and 2; Luetkepohl (2005), sec. 12.1; Hamilton (1994),
        Time Series Analysis, sec. 13.5 (innovations of a state space model).
        """
        chosen = check_literal(form, get_args(PolynomialForm), name="form", caller="to_varma")
        mapped = map_to_varma(self.model, self._theta, chosen)
        sample = Sample(self.model, self._theta)
        names = (sample.endog_names, sample.exog_names)
        labels = coefficient_names(mapped.structural, names, scalar=chosen == "final")
        picked = mapped.live & np.array([bool(label) for label in labels])
        estimate = self.covariance
        return VARMA._of(
            Estimated(
                mapped,
                estimate.of(mapped.slopes[picked]),
                estimate.of(mapped.reduced_slopes[mapped.reduced_live]),
                sample,
                f"{self.model.name}, {self.model.form}",
                str(self.cov_type),
            )
        )

    def to_statsmodels(self) -> tuple[Any, pd.Series]:
        """Return the model in statsmodels, with the same log-likelihood.

        Returns
        -------
        model : statsmodels VARMAX, or SARIMAX for one output
        params : Series
            ``model.loglike(params)`` is `llf`.

        Raises
        ------
        SpecificationError
            No steady state, or a diffuse start with more than one lag; see
            `VARMA.to_statsmodels`.
        """
        return self.to_varma().to_statsmodels()
