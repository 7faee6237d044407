"""Gradients as sums over paths through what is kept and what is branched off."""
