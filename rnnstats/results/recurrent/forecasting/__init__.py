"""Forecasts of recurrent networks with a likelihood."""
