"""Nonlinear recurrent models: data, heads, scaling, likelihood, fit."""
