"""Generalised impulse responses."""
