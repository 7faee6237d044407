"""The exact correspondences between recurrent networks and classical models, on arrays."""

from __future__ import annotations

from rnnstats.equivalence import rnn, varma

__all__ = ["rnn", "varma"]
