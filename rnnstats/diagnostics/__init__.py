"""Diagnostics on arrays: tests on standardized one-step-ahead residuals."""

from __future__ import annotations

from rnnstats.diagnostics.residuals import (
    heteroskedasticity,
    normality,
    serial_correlation,
)

__all__ = ["heteroskedasticity", "normality", "serial_correlation"]
