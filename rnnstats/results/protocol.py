"""What results know of a model: data, names, likelihood; and what its states are.

`FittedModel` is any likelihood model. `StateSpaceModel` adds the translation to a linear Gaussian
state space system, `RegimeModel` that to a chain of regimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.data import Endog, Exog
from rnnstats.kernels.system import StateSpace

FloatArray = NDArray[np.float64]

__all__ = [
    "FittedModel",
    "FloatArray",
    "ParameterLayout",
    "StateSpaceModel",
    "direction_names",
    "free_directions",
]


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


class FittedModel(Protocol):
    """A model with a likelihood, as estimates and inference use it."""

    @property
    def name(self) -> str:
        """Class of the model, for messages and tables."""

    @property
    def title(self) -> str:
        """Heading of the summary."""

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
    def nobs(self) -> int:
        """Number of rows."""

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
    def clone(self, endog: Any, exog: Any = None) -> FittedModel: ...

    # Estimate and return results.
    def fit(self, **kwargs: Any) -> Any: ...


class StateSpaceModel(FittedModel, Protocol):
    """A model with a linear Gaussian state space form, as results use it."""

    @property
    def form(self) -> str:
        """Identified coordinates in which the model is written."""

    @property
    def trend(self) -> str:
        """Deterministic terms: "n", "c" or "ct"."""

    @property
    def k_states(self) -> int:
        """Number of states."""

    # Return the system for rows 1 to nobs + steps; `exog` holds the future rows.
    def system(
        self, params: FloatArray, *, steps: int = 0, exog: FloatArray | None = None
    ) -> StateSpace: ...

    # Return the same structure on other data.
    def clone(self, endog: Any, exog: Any = None) -> StateSpaceModel: ...


def free_directions(model: FittedModel, theta: FloatArray) -> FloatArray:
    """Directions in which estimates vary, as inference takes them.

    Parameters
    ----------
    model : FittedModel
    theta : ndarray of shape (K,)
        All natural parameters.

    Returns
    -------
    ndarray of shape (K, f)
        Derivative of all parameters by the free ones; where the model says so
        (``free_directions``), without those that leave a face of the parameter space on which
        `theta` lies, such as a probability of exactly zero. What no direction moves counts as
        fixed.
    """
    own = getattr(model, "free_directions", None)
    return model.layout.expansion if own is None else np.asarray(own(theta), dtype=np.float64)


def direction_names(model: FittedModel, directions: FloatArray) -> tuple[str, ...]:
    """Name directions of estimates by a parameter.

    Parameters
    ----------
    model : FittedModel
    directions : ndarray of shape (K, f)
        Of `free_directions`.

    Returns
    -------
    tuple of str
        The free parameters; with fewer directions than those, the first parameter of each.
    """
    if directions.shape[1] == model.layout.k_free:
        return tuple(model.layout.free_names)
    return tuple(model.param_names[int(np.argmax(column != 0.0))] for column in directions.T)
