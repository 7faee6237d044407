"""The part of results about conditional forecasts and their revision."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["Revisions"]


class Revisions(ABC):
    """The part of results about conditional forecasts and their revision.

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
