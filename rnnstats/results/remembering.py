"""Results of every model as recurrences, so that `rnnstats.diagnostics.memory` can read them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from rnnstats.diagnostics.memory.recurrences import Recurrence, recurrence_of, refuse

__all__ = ["Remembering"]


class Remembering(ABC):
    """The part of results that is a recurrence along a series."""

    @property
    @abstractmethod
    def _recurrence(self) -> Recurrence:
        """The recurrence at the estimates, with what is uncertain about them."""


@recurrence_of.register(Remembering)
def _(
    source: Remembering,
    h0: Any = None,
    nsteps: Any = None,
    *,
    jacobian: Any = None,
    inputs: Any = None,
    caller: str = "memory",
) -> Recurrence:
    refuse(caller, "results", h0=h0, nsteps=nsteps, jacobian=jacobian, inputs=inputs)
    return source._recurrence
