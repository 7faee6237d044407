"""Recurrences as filters: time constants and transfer functions."""
