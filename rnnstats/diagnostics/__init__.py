"""Diagnostics on arrays: tests on standardized one-step-ahead residuals, memory of recurrences."""

from __future__ import annotations

from rnnstats.diagnostics import memory
from rnnstats.diagnostics.residuals import (
    heteroskedasticity,
    normality,
    serial_correlation,
)

__all__ = ["heteroskedasticity", "memory", "normality", "serial_correlation"]
