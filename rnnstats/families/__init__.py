"""Distributions of one response given a linear predictor: densities, slopes, draws."""

from __future__ import annotations
