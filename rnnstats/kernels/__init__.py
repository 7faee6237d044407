"""The arithmetic: NumPy in, NumPy out, in Durbin and Koopman's letters.

``system`` holds a linear Gaussian state space model as a value, ``kalman`` the functions
on it. ``reference`` is the textbook NumPy of the same functions: the oracle of the tests and
the path taken where the compiled core is missing.
"""
