"""How many states: criteria over fitted orders, Hankel singular values and rank tests."""

from __future__ import annotations

from rnnstats.selection.order import OrderSelection, select_order

__all__ = ["OrderSelection", "select_order"]
