"""Jacobians of all steps at once equal those of one step at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnstats.diagnostics.memory.batched import slopes_at_once
from rnnstats.diagnostics.memory.derivatives import as_step, jacobian_of

WEIGHTS = np.array([[0.5, -0.8], [0.6, 0.3]])


def elementwise(h, x):
    return np.array([1 - 1.4 * h[0] ** 2 + h[1] + x[0], 0.3 * np.tanh(h[0])])


def matrix(h, x):
    return np.tanh(WEIGHTS @ h) + 0.1 * x[0]


def numbers_only(h, x):
    return np.array([math.sin(float(np.real(h[0]))), 0.5 * h[1]], dtype=float)


def constant_part(h, x):
    return np.array([h[1], 0.3])


def branches(h, x):
    return np.array([h[0] / 2 if h[0] > 0 else h[1], h[0] / 3])


def mixes_columns(h, x):
    return 0.5 * h - 0.1 * np.mean(h)


def bias(h, x):
    return np.tanh(WEIGHTS @ h + np.array([0.1, 0.2]))


def run(function, n=50):
    inputs = np.random.default_rng(0).standard_normal((n, 1)) * 0.01
    step = as_step(function, caller="test")
    states = [np.array([0.1, 0.2])]
    for row in inputs:
        states.append(step(states[-1].copy(), row).real)
    by_state = jacobian_of(step, states[0], inputs[0])
    alone = np.array([by_state(state, row) for state, row in zip(states[:-1], inputs, strict=True)])
    return slopes_at_once(
        step, by_state, np.array(states[:-1]), np.array(states[1:]), inputs
    ), alone


@pytest.mark.parametrize("function", [elementwise, matrix])
def test_functions_of_many_states_are_differentiated_at_once(function):
    together, alone = run(function)
    assert together is not None
    # NumPy's loops over arrays and over numbers may differ by a rounding
    np.testing.assert_allclose(together, alone, atol=1e-14)


@pytest.mark.parametrize("function", [numbers_only, constant_part, branches, mixes_columns, bias])
def test_functions_of_one_state_are_told_apart(function):
    assert run(function)[0] is None


def test_a_bias_that_happens_to_fit_is_seen():
    """As many steps as states: adding (m,) to (m, n) works, and is wrong."""
    shifts = np.linspace(0.0, 1.0, 40)
    step = as_step(lambda h: 0.5 * np.tanh(h) + shifts, caller="test")
    states = [np.zeros(40)]
    for _ in range(40):
        states.append(step(states[-1], None))
    by_state = jacobian_of(step, states[0], None)
    run = np.array(states)
    assert slopes_at_once(step, by_state, run[:-1], run[1:], None) is None
