"""Emissions of a Markov regime model: parts of ``theta`` to densities given the regime."""

from __future__ import annotations

from rnnstats.models.regimes.blocks.base import Block, BlockRequest, BoundBlock, Response, Rows
from rnnstats.models.regimes.blocks.factory import make_block

__all__ = ["Block", "BlockRequest", "BoundBlock", "Response", "Rows", "make_block"]
