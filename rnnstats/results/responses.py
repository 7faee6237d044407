"""The part of results that traces shocks and observations through the model."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pandas as pd
from numpy.typing import ArrayLike

from rnnstats._checks import check_bool, check_int
from rnnstats.kernels.system import StateSpace
from rnnstats.results import impulse as impulses
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["Responses"]


class Responses(ABC):
    """The part of results that traces shocks and observations through the model.

    Attributes
    ----------
    model : StateSpaceModel
        Data and structure.
    """

    model: StateSpaceModel
    _theta: FloatArray

    @property
    @abstractmethod
    def _system(self) -> StateSpace:
        """State space at the estimates."""

    def impulse_responses(
        self,
        steps: int = 1,
        impulse: int | str | ArrayLike = 0,
        orthogonalized: bool = False,
        cumulative: bool = False,
    ) -> pd.Series | pd.DataFrame:
        """Responses of the outputs to a shock, now and `steps` rows later.

        Parameters
        ----------
        steps : int
            Rows after the shock; the answer has ``steps + 1`` rows, as in statsmodels.
        impulse : int, str or array_like
            Which shock: its number or name, or weights for all shocks. The shocks are the noises
            that drive the states, named after the states that they enter; in the innovations form
            the innovations, named after the outputs. In the other forms an output's name means
            its one-step-ahead forecast error in the steady state (Wold's innovation).
        orthogonalized : bool
            Shock of one standard deviation along the Cholesky factor of the shocks' covariance,
            instead of size 1.
        cumulative : bool
            Running sums.

        Returns
        -------
        Series or DataFrame
            Index: rows since the shock.

        Raises
        ------
        SpecificationError
            There is no such shock.
        """
        count = check_int(steps, name="steps", caller="impulse_responses", minimum=0)
        responses = impulses.impulse_responses(
            self._system,
            count,
            impulse,
            names=(self.model.endog.names, tuple(self.model.state_names)),
            orthogonalized=check_bool(
                orthogonalized, name="orthogonalized", caller="impulse_responses"
            ),
        )
        if check_bool(cumulative, name="cumulative", caller="impulse_responses"):
            responses = responses.cumsum(axis=0)
        return self.model.endog.labelled(responses, index=pd.RangeIndex(count + 1, name="lag"))
