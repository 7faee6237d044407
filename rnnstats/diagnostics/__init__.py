"""Diagnostics on arrays: tests on standardized one-step-ahead residuals and of linearity, memory of
recurrences and of hidden Markov chains.
"""

from __future__ import annotations

from rnnstats.diagnostics import memory
from rnnstats.diagnostics.linearity_tests import linearity
from rnnstats.diagnostics.residuals import (
    heteroskedasticity,
    normality,
    serial_correlation,
)

__all__ = [
    "heteroskedasticity",
    "linearity",
    "memory",
    "normality",
    "serial_correlation",
]
