"""The exact correspondences between recurrent networks and classical models, on arrays."""

from __future__ import annotations

from rnnstats.equivalence import hmm, rnn, varma

__all__ = ["hmm", "rnn", "varma"]
