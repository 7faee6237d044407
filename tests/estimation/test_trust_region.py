"""The subproblem against its optimality conditions; single climbs on known surfaces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnstats.estimation.trust_region import (
    Problem,
    begin,
    bfgs,
    climb,
    solve_subproblem,
    sr1,
)


def is_global_solution(eigenvalues, slopes, radius, y):
    """Conditions of More and Sorensen: (W + mu) y = c, mu >= 0, W + mu >= 0, mu (r - |y|) = 0."""
    assert np.linalg.norm(y) <= radius * (1 + 1e-6)
    size = np.abs(slopes).max() + np.abs(eigenvalues).max() * radius
    at_edge = np.linalg.norm(y) >= radius * (1 - 1e-6)
    moved = np.abs(y) > 1e-3 * radius
    mu = 0.0
    if at_edge and moved.any():
        i = np.flatnonzero(moved)[np.argmax(np.abs(y[moved]))]
        mu = slopes[i] / y[i] - eigenvalues[i]
    assert mu >= -1e-6 * size / radius
    assert eigenvalues[0] + mu >= -1e-6 * size / radius
    np.testing.assert_allclose((eigenvalues + mu) * y, slopes, atol=2e-6 * size)


values = st.lists(st.floats(-5, 5), min_size=1, max_size=7)


@settings(max_examples=300, deadline=None)
@given(values, st.integers(0, 2**31), st.floats(1e-3, 1e3), st.booleans())
def test_subproblem_meets_the_optimality_conditions(spectrum, seed, radius, hard):
    eigenvalues = np.sort(np.array(spectrum))
    slopes = np.random.default_rng(seed).normal(size=eigenvalues.shape[0])
    if hard:
        slopes[eigenvalues == eigenvalues[0]] = 0.0
    y, _ = solve_subproblem(eigenvalues, slopes, radius)
    is_global_solution(eigenvalues, slopes, radius, y)


def test_interior_solution_is_the_newton_step():
    y, at_edge = solve_subproblem(np.array([1.0, 2.0]), np.array([1.0, 1.0]), 10.0)
    np.testing.assert_allclose(y, [1.0, 0.5], rtol=1e-15)
    assert not at_edge


def test_hard_case_goes_to_the_sphere_along_the_worst_direction():
    y, at_edge = solve_subproblem(np.array([-2.0, 1.0]), np.array([0.0, 3.0]), 2.0)
    np.testing.assert_allclose(y, [math.sqrt(3.0), 1.0], rtol=1e-14)
    assert at_edge


def test_nearly_hard_case_loses_no_accuracy():
    exact, _ = solve_subproblem(np.array([-2.0, 1.0]), np.array([0.0, 3.0]), 2.0)
    near, _ = solve_subproblem(np.array([-2.0, 1.0]), np.array([1e-18, 3.0]), 2.0)
    np.testing.assert_allclose(near, exact, rtol=1e-7)


def rosenbrock(x):
    """A ridge: curvatures differ by 2500 at the top."""
    a, b = x
    value = -(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2)
    return value, np.array([400.0 * a * (b - a * a) + 2.0 * (1.0 - a), -200.0 * (b - a * a)])


def test_newton_converges_quadratically():
    """Each decrement is below a constant times the square of the one before."""
    seen = []

    def smooth(x):
        return float(-np.cosh(x).sum()), -np.sinh(x)

    def curvature(x):
        return -np.diag(np.cosh(x))

    problem = Problem(smooth, curvature, None, "newton", 1e-12, lambda p: seen.append(p.decrement))
    state = climb(problem, begin(problem, 0, np.array([0.9, -0.4, 0.2])), 50)
    assert state.status == "converged"
    assert state.iterations <= 6
    lengths = np.sqrt(2.0 * np.array(seen))
    lengths = lengths[(lengths < 0.5) & (lengths > 1e-7)]
    assert lengths.shape[0] >= 2
    assert (lengths[1:] <= lengths[:-1] ** 2).all()


def test_a_climb_does_not_depend_on_units():
    """Coordinates rescaled by powers of two: the same path, scaled, evaluation by evaluation."""
    units = np.array([2.0**20, 2.0**-15])

    def scaled(x):
        value, score = rosenbrock(x / units)
        return value, score / units

    def exact(x):
        a, b = x
        return np.array([[400.0 * b - 1200.0 * a * a - 2.0, 400.0 * a], [400.0 * a, -200.0]])

    def exact_scaled(x):
        return exact(x / units) / np.outer(units, units)

    start = np.array([-1.2, 1.0])
    plain_problem = Problem(rosenbrock, exact, None, "newton", 1e-8)
    units_problem = Problem(scaled, exact_scaled, None, "newton", 1e-8)
    plain = climb(plain_problem, begin(plain_problem, 0, start), 200)
    other = climb(units_problem, begin(units_problem, 0, start * units), 200)
    assert plain.status == other.status == "converged"
    assert plain.iterations == other.iterations
    np.testing.assert_allclose(other.psi / units, plain.psi, rtol=1e-10)


def test_a_climb_can_be_put_aside_and_resumed():
    problem = Problem(rosenbrock, None, None, "auto", 1e-6)
    whole = climb(problem, begin(problem, 0, np.array([-1.2, 1.0])), 300)
    parts = begin(problem, 0, np.array([-1.2, 1.0]))
    for limit in range(5, 305, 5):
        climb(problem, parts, limit)
    assert parts.status == whole.status == "converged"
    assert parts.evaluations == whole.evaluations
    np.testing.assert_array_equal(parts.psi, whole.psi)


def test_the_climb_never_goes_down():
    heights = []
    problem = Problem(rosenbrock, None, None, "bfgs", 1e-6, lambda p: heights.append(p.llf))
    climb(problem, begin(problem, 0, np.array([-1.2, 1.0])), 300)
    steps = np.diff(heights)
    assert (steps >= -1e-8).all()
    assert (steps > 0).sum() > 10


@pytest.mark.parametrize("update", ["sr1", "bfgs"])
def test_secant_updates_meet_the_secant_equation(update):
    rng = np.random.default_rng(5)
    root = rng.normal(size=(4, 4))
    target, matrix = root @ root.T + np.eye(4), np.eye(4)
    step = rng.normal(size=4)
    bend = target @ step
    new = sr1(matrix, step, bend, np.ones(4)) if update == "sr1" else bfgs(matrix, step, bend)
    np.testing.assert_allclose(new @ step, bend, rtol=1e-12)
    np.testing.assert_allclose(new, new.T, rtol=1e-13)


def test_sr1_learns_a_quadratic_exactly():
    rng = np.random.default_rng(6)
    target = rng.normal(size=(5, 5))
    target = target + target.T
    matrix = np.eye(5)
    for _ in range(5):
        step = rng.normal(size=5)
        matrix = sr1(matrix, step, target @ step, np.ones(5))
    np.testing.assert_allclose(matrix, target, atol=1e-8)


def test_bfgs_refuses_negative_curvature():
    matrix = np.eye(2)
    step = np.array([1.0, 0.0])
    np.testing.assert_array_equal(bfgs(matrix, step, -step), matrix)


def test_a_climb_without_coordinates_is_over():
    problem = Problem(lambda psi: (-3.0, psi), None, None, "auto", 1e-5)
    state = climb(problem, begin(problem, 0, np.empty(0)), 10)
    assert (state.status, state.llf, state.iterations) == ("converged", -3.0, 0)
