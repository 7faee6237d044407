"""Notebooks, one a capability, and what runs them."""
