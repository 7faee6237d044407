"""Covariances, functions of parameters, profiles, tests and the bootstrap."""
