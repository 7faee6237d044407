"""Responses to shocks and what shocks and observations contribute."""
