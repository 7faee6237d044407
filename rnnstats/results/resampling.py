"""The part of results that draws and refits samples."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["Resampling"]


class Resampling(ABC):
    """The part of results that draws and refits samples.

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
