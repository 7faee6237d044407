"""The part of results with inference beyond the parameter table."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["Inference"]


class Inference(ABC):
    """The part of results with inference beyond the parameter table.

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
