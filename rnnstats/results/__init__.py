"""Results of fitted models: estimates, states, predictions, tests, tables, plots."""

from __future__ import annotations

__all__: list[str] = []
