"""The part of results that says which parameters the data can tell apart."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rnnstats.kernels.system import StateSpace
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
