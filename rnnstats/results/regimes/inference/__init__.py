"""Derivatives, identification, nesting and refits of models with regimes."""
