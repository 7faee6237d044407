"""Named parameters: cells of the state space, restrictions, unconstrained coordinates."""

from rnnstats.parameters.cells import CellTable, TableBuilder, regressors
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Block, Transform

__all__ = ["Block", "CellTable", "Layout", "TableBuilder", "Transform", "regressors"]
