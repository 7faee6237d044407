"""Recurrent networks in NumPy, one file a cell: the slow twins of the compiled kernels."""

from rnnstats.kernels.reference.cells.network import (
    backward,
    forward,
    gates,
    sensitivities,
    step,
    step_derivatives,
)

__all__ = ["backward", "forward", "gates", "sensitivities", "step", "step_derivatives"]
