"""The part of results that maps filter and smoother to recurrent networks."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["NetworkMapping"]


class NetworkMapping(ABC):
    """The part of results that maps filter and smoother to recurrent networks.

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
