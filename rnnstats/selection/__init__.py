"""How many states or regimes: criteria over fitted models, rank tests, bootstrap tests."""

from __future__ import annotations

from rnnstats.selection.order import OrderSelection, select_order
from rnnstats.selection.regimes import RegimeSelection, select_regimes

__all__ = ["OrderSelection", "RegimeSelection", "select_order", "select_regimes"]
