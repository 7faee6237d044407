"""Distributions of the outputs given the network's readout."""

from rnnstats.models.recurrent.heads.base import BoundHead, Head, HeadLaw
from rnnstats.models.recurrent.heads.factory import HEADS, HeadName, HeadRequest, make_head

__all__ = ["HEADS", "BoundHead", "Head", "HeadLaw", "HeadName", "HeadRequest", "make_head"]
