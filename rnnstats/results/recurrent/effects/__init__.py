"""Partial effects and one-step means, with standard errors."""
