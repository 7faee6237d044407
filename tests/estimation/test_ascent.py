"""A short climb: where it ends, and what it says where it does not arrive."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.estimation.ascent import ascend


def test_a_quadratic_with_its_own_metric_takes_one_step():
    curvature = np.array([[4.0, 1.0], [1.0, 2.0]])
    top = np.array([3.0, -2.0])

    def objective(x):
        off = x - top
        return -0.5 * off @ curvature @ off, -curvature @ off

    found = ascend(objective, np.zeros(2), np.linalg.inv(curvature))
    assert found.converged
    assert found.evaluations == 2
    np.testing.assert_allclose(found.psi, top, atol=1e-12)
    assert ascend(objective, top, np.eye(2)).evaluations == 1


def test_a_curved_ridge_with_a_wall_is_climbed():
    """Rosenbrock's valley, turned over, behind a wall that steps must not cross."""

    def objective(x):
        if x[0] < -1.5:
            return -np.inf, np.full(2, np.nan)
        a, b = 1.0 - x[0], x[1] - x[0] ** 2
        return -(a**2) - 100.0 * b**2, np.array([2 * a + 400.0 * b * x[0], -200.0 * b])

    found = ascend(objective, np.array([-1.2, 1.0]), np.diag([0.5, 0.01]), tol=1e-8)
    assert found.converged
    np.testing.assert_allclose(found.psi, [1.0, 1.0], atol=1e-6)
    short = ascend(objective, np.array([-1.2, 1.0]), np.diag([0.5, 0.01]), limit=3)
    assert not short.converged
    assert short.llf > objective(np.array([-1.2, 1.0]))[0]


def test_what_cannot_be_climbed_is_said():
    def nowhere(x):
        return -np.inf, np.full(1, np.nan)

    found = ascend(nowhere, np.zeros(1), np.eye(1))
    assert not found.converged
    assert found.llf == -np.inf

    def wrong_slope(x):
        return -abs(x[0]), np.array([1.0])  # claims to rise at its top

    found = ascend(wrong_slope, np.zeros(1), np.eye(1))
    assert not found.converged
    assert found.psi[0] == 0.0


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_units_of_the_coordinates_do_not_matter(size):
    """The updates see curvature in far units, too: the same climb, evaluation by evaluation."""
    scale = np.array([1.0, size])

    def valley(x):
        a, b = 1.0 - x[0], x[1] - x[0] ** 2
        return -(a**2) - 100.0 * b**2, np.array([2 * a + 400.0 * b * x[0], -200.0 * b])

    def turned(x):
        value, slope = valley(x / scale)
        return value, slope / scale

    start, cov = np.array([-1.2, 1.0]), np.diag([0.5, 0.01])
    plain = ascend(valley, start, cov, tol=1e-8)
    far = ascend(turned, start * scale, cov * np.outer(scale, scale), tol=1e-8)
    assert far.converged
    assert abs(far.evaluations - plain.evaluations) <= 2  # rounding near the top
    np.testing.assert_allclose(far.psi / scale, plain.psi, rtol=1e-6)
