"""Predictions, forecasts, scenarios, news and simulation."""
