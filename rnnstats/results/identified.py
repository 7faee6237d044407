"""The part of results that says which parameters the data can tell apart."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rnnstats.kernels.system import StateSpace
from rnnstats.results.identification import Identification, identification_of
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["Identified"]


class Identified(ABC):
    """The part of results that says which parameters the data can tell apart.

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

    def identification(self) -> Identification:
        """Find which parameters, and which functions of them, the data identify at the estimates.

        Returns
        -------
        Identification
            ``rank``; ``frame`` by parameter; ``null_directions`` and ``weak_directions`` by
            parameter name; ``condition``; ``roots``; ``is_identified(function)``; ``summary()``.

        Raises
        ------
        SpecificationError
            The model has no steady state at the estimates, as with a moving-average root and an
            autoregressive root on the unit circle at once.

        Notes
        -----
        The rank is that of the Jacobian of the law of the outputs: impulse responses of the
        innovations, their covariance, and the mean over the rows at hand (inputs that are
        combinations of each other do not tell their coefficients). It is found from the singular
        values of a square root of the expected information, with derivatives that are exact; so it
        agrees with the zero eigenvalues of the information, and sees weaker directions.
        Rothenberg (1971), Econometrica 39, 577-591.
        """
        return identification_of(self.model, self._theta, caller="identification")
