"""Jacobians of functions that users write."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.diagnostics.memory.derivatives import as_step, is_analytic, jacobian_of
from rnnstats.diagnostics.memory.recurrences import recurrence_of

WEIGHTS = np.array([[0.5, -0.8], [0.6, 0.3]])


def smooth(h, x):
    return np.tanh(WEIGHTS @ h) + x


def slopes(h):
    return (1.0 - np.tanh(WEIGHTS @ h) ** 2)[:, None] * WEIGHTS


def test_analytic_functions_have_their_derivative_to_rounding():
    at = np.array([0.3, -0.2])
    found = jacobian_of(as_step(smooth, caller="test"), at, 0.1)(at, 0.1)
    np.testing.assert_allclose(found, slopes(at), rtol=1e-15)


@pytest.mark.parametrize("start", [0.0, 0.7, -2.0])
@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_a_modulus_is_not_analytic(start, size):
    """Its complex step is zero: in the kink so is the difference, and small slopes look like it."""
    step = as_step(lambda h, x: size * np.abs(h) + x, caller="test")
    at = np.array([start])
    assert not is_analytic(step, at, 0.5)
    found = jacobian_of(step, at, 0.5)(np.array([-0.4]), 0.5)
    # rounding of a number of about 0.5 over a step of 6e-6
    assert found[0, 0] == pytest.approx(-size, abs=1e-10)


def test_branches_that_are_reached_later_are_looked_at_too():
    """Analytic at the start, not where the run goes."""
    step = lambda h: np.where(h > 0.5, 0.9 * np.abs(h) + 0.2, 2.0 * h + 0.1)  # noqa: E731
    found = recurrence_of(step, [0.0], 20).trajectory().state.ravel()
    np.testing.assert_allclose(found[:2], 2.0, atol=1e-9)
    np.testing.assert_allclose(found[4:], 0.9, atol=1e-9)


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (lambda h: np.tanh(50.0 * h), 0.02),
        (lambda h: np.cos(50.0 * h), 1e-4),
        (lambda h: np.sin(h), 300.0),
        (lambda h: 1e-9 * np.exp(h), 0.0),
        (lambda h: np.sqrt(h), 1e-3),
        (lambda h: np.zeros(1) * h, 0.0),
    ],
)
def test_curvature_and_rounding_of_differences_are_not_held_against_a_function(function, start):
    assert is_analytic(as_step(function, caller="test"), np.array([start]), None)


def test_differences_take_states_side_by_side():
    step = as_step(lambda h, x: np.abs(h) * h[::-1] + x, caller="test")
    many = np.random.default_rng(0).standard_normal((2, 7))
    by_state = jacobian_of(step, many[:, 0], 0.0)
    together = by_state(many, 0.0)
    alone = np.stack([by_state(one, 0.0) for one in many.T], axis=-1)
    np.testing.assert_array_equal(together, alone)


def test_a_function_need_not_take_states_that_never_come_up():
    def share(h):
        if not 0.0 <= np.real(h[0]) <= 0.3001:
            raise ValueError("no share")
        return 0.5 * h**2

    # beside the state, at 0.309, it fails
    assert is_analytic(as_step(share, caller="test"), np.array([0.3]), None)
