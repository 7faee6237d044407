"""The climb with inverse BFGS updates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnstats.estimation.quasi_newton import stride
from rnnstats.estimation.trust_region import Climb, Problem, begin

TARGET = np.array([1.0, -2.0, 0.5])
CURVATURE = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 100.0]])


def quadratic(x: np.ndarray) -> tuple[float, np.ndarray]:
    gap = x - TARGET
    return -0.5 * float(gap @ CURVATURE @ gap), -CURVATURE @ gap


def banana(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Rosenbrock's valley, upside down."""
    a, b = 1.0 - x[0], x[1] - x[0] ** 2
    return -(a * a) - 100.0 * b * b, np.array([2.0 * a + 400.0 * x[0] * b, -200.0 * b])


def climb(objective: object, information: object, start: list[float], limit: int = 200) -> Climb:
    problem = Problem(objective, None, information, "bfgs", 1e-6)  # type: ignore[arg-type]
    return stride(problem, begin(problem, 0, np.array(start)), limit)


def test_one_newton_step_where_the_information_is_the_curvature() -> None:
    state = climb(quadratic, lambda _: CURVATURE, [1.1, -2.1, 0.51])
    assert state.status == "converged"
    assert state.iterations == 1
    np.testing.assert_allclose(state.psi, TARGET, atol=1e-12)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_units_of_the_coordinates_do_not_matter(size: float) -> None:
    """The same path in x and in x * size."""
    scale = np.array([1.0, size, 1.0])

    def turned(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = quadratic(x / scale)
        return value, slope / scale

    information = np.diag([1.0, 5.0, 50.0])
    plain = climb(quadratic, lambda _: information, [0.0, 0.0, 0.0])
    other = climb(turned, lambda _: information / np.outer(scale, scale), [0.0, 0.0, 0.0])
    assert plain.status == other.status == "converged"
    assert plain.iterations == other.iterations
    np.testing.assert_allclose(other.psi / scale, plain.psi, rtol=1e-8)


def test_a_curved_valley() -> None:
    state = climb(banana, lambda _: np.diag([2.0, 200.0]), [-1.2, 1.0])
    assert state.status == "converged"
    np.testing.assert_allclose(state.psi, [1.0, 1.0], atol=1e-6)
    # each step gains, and the search costs less than two evaluations a step
    assert state.evaluations < 2 * state.iterations


def test_inadmissible_points_are_stepped_back_from() -> None:
    def walled(x: np.ndarray) -> tuple[float, np.ndarray]:
        return quadratic(x) if x[1] > -2.01 else (-math.inf, np.full(3, np.nan))

    state = climb(walled, lambda _: 0.05 * CURVATURE, [0.0, 0.0, 0.0])
    assert state.status == "converged"
    np.testing.assert_allclose(state.psi, TARGET, atol=1e-6)


def test_limit_and_resumption() -> None:
    """Stopped after three steps, it goes on from there; no step is lost or counted twice."""
    problem = Problem(banana, None, lambda _: np.diag([2.0, 200.0]), "bfgs", 1e-6)
    state = stride(problem, begin(problem, 0, np.array([-1.2, 1.0])), 3)
    assert (state.status, state.iterations) == ("running", 3)
    height = state.llf
    state = stride(problem, state, 200)
    assert state.status == "converged"
    assert state.llf > height


def test_nothing_gains() -> None:
    """A score that points nowhere: stalled at the start, not converged."""

    def wrong(x: np.ndarray) -> tuple[float, np.ndarray]:
        return -float(x @ x), 2.0 * x

    state = climb(wrong, lambda _: np.eye(2), [1.0, 1.0])
    assert state.status == "stalled"
    np.testing.assert_array_equal(state.psi, [1.0, 1.0])


def test_information_that_is_not_finite() -> None:
    state = climb(quadratic, lambda _: np.full((3, 3), np.nan), [0.0, 0.0, 0.0])
    assert state.status == "converged"
