"""Lyapunov exponents, their errors, and the test of chaos."""
