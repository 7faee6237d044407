"""What results know of a model: data, names, and the translation to a state space system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.data import Endog, Exog
from rnnstats.kernels.system import StateSpace

FloatArray = NDArray[np.float64]

__all__ = ["FloatArray", "ParameterLayout", "StateSpaceModel"]


class ParameterLayout(Protocol):
    """Names of the natural parameters and the restrictions among them."""

    @property
    def names(self) -> tuple[str, ...]:
        """All natural parameters, K of them."""

    @property
    def free_names(self) -> tuple[str, ...]:
        """Parameters that are neither fixed nor tied to an earlier one."""

    @property
    def k_free(self) -> int:
        """Number of free parameters."""

    @property
    def fixed(self) -> Mapping[str, float | str]:
        """Parameters held at a number or tied to another parameter's name."""

    @property
    def expansion(self) -> FloatArray:
        """Derivative of all natural parameters by the free ones, shape (K, k_free)."""

    # Return all K natural parameters from the free ones.
    def expand(self, free: FloatArray) -> FloatArray: ...

    # Return the free parameters from all K natural ones.
    def reduce(self, theta: FloatArray) -> FloatArray: ...


class StateSpaceModel(Protocol):
    """A model with a linear Gaussian state space form, as results use it."""

    @property
    def name(self) -> str:
        """Class of the model, for messages and tables."""

    @property
    def title(self) -> str:
        """Heading of the summary."""

    @property
    def form(self) -> str:
        """Identified coordinates in which the model is written."""

    @property
    def trend(self) -> str:
        """Deterministic terms: "n", "c" or "ct"."""

    @property
    def endog(self) -> Endog:
        """Outputs."""

    @property
    def exog(self) -> Exog | None:
        """Inputs, if any."""

    @property
    def layout(self) -> ParameterLayout:
        """Names and restrictions of the parameters."""

    @property
    def param_names(self) -> tuple[str, ...]:
        """All natural parameters, K of them."""

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states."""

    @property
    def k_endog(self) -> int:
        """Number of outputs."""

    @property
    def k_states(self) -> int:
        """Number of states."""

    @property
    def nobs(self) -> int:
        """Number of rows."""

    # Return the system for rows 1 to nobs + steps; `exog` holds the future rows.
    def system(
        self, params: FloatArray, *, steps: int = 0, exog: FloatArray | None = None
    ) -> StateSpace: ...

    # Return the log-likelihood.
    def loglike(self, params: FloatArray) -> float: ...

    # Return the log-likelihood by row.
    def loglikeobs(self, params: FloatArray) -> FloatArray: ...

    # Return the derivative of `loglikeobs`, shape (nobs, K).
    def score_obs(self, params: FloatArray) -> FloatArray: ...

    # Return the second derivative of the log-likelihood, shape (K, K).
    def hessian(self, params: FloatArray) -> FloatArray: ...

    # Return the expected information, shape (K, K).
    def information(self, params: FloatArray) -> FloatArray: ...

    # Return the same structure on other data.
    def clone(self, endog: Any, exog: Any = None) -> StateSpaceModel: ...

    # Estimate and return results.
    def fit(self, **kwargs: Any) -> Any: ...
