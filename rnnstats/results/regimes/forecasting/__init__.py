"""Predictive laws: forecasts, conditions, responses and drawn samples."""
