"""Diagnostics on arrays: tests on standardized one-step-ahead residuals, memory of recurrences
and of hidden Markov chains.
"""

from __future__ import annotations

from rnnstats.diagnostics import forgetting, memory
from rnnstats.diagnostics.residuals import (
    heteroskedasticity,
    normality,
    serial_correlation,
)

__all__ = ["forgetting", "heteroskedasticity", "memory", "normality", "serial_correlation"]
