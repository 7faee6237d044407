"""Constrained maxima and ends of profiles on functions whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnstats.estimation.profile import Task, constrained_maximum, interval_end

MATRIX = np.array([[4.0, 1.0, 0.3], [1.0, 2.0, 0.1], [0.3, 0.1, 1.0]])
CENTRE = np.array([0.5, -1.0, 2.0])


def quadratic(psi):
    gap = psi - CENTRE
    return -0.5 * float(gap @ MATRIX @ gap), -MATRIX @ gap


def task(objective=quadratic, function=None, psi=CENTRE, metric=MATRIX, **options):
    def first(x):
        return float(x[0]), np.eye(x.size)[0]

    psi = np.asarray(psi, dtype=float)
    function = function or first
    value, slope = function(psi)
    given = {"inside": lambda x: x, "edge": None, "lifted": lambda x: None}
    error = math.sqrt(slope @ np.linalg.solve(metric, slope))
    return Task(
        objective, function, psi, objective(psi)[0], value, error, metric, **{**given, **options}
    )


def test_constrained_maximum_of_a_quadratic():
    """Lagrange's conditions are linear: one solve."""
    weights = np.array([1.0, -2.0, 0.5])
    here = task(function=lambda x: (float(weights @ x), weights))
    found = constrained_maximum(here, 7.0, CENTRE)
    solved = np.linalg.solve(MATRIX, weights)
    exact = CENTRE + solved * (7.0 - weights @ CENTRE) / (weights @ solved)
    assert found.converged
    np.testing.assert_allclose(found.psi, exact, atol=1e-7)


def test_constrained_maximum_on_a_curve():
    """The point of a circle that is nearest to the centre, from any side, metric off by ten."""
    centre = np.array([3.0, 4.0])

    def distance(x):
        return -0.5 * float((x - centre) @ (x - centre)), centre - x

    here = task(
        distance, lambda x: (float(x @ x), 2.0 * x), psi=centre, metric=np.diag([10.0, 0.1])
    )
    for start in ([3.0, 4.0], [0.1, -2.0], [-1.0, 0.05]):
        found = constrained_maximum(here, 1.0, np.array(start))
        assert found.converged
        np.testing.assert_allclose(found.psi, [0.6, 0.8], atol=1e-5)


def test_a_constraint_that_cannot_be_met_is_not_met():
    def below_one(x):
        size = 1.0 + abs(x[0])
        return float(x[0] / size), np.eye(3)[0] / size**2

    here = task(function=below_one)
    found = constrained_maximum(here, 1.5, CENTRE)
    assert not found.converged
    assert not found.feasible


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("quantile", [0.5, 1.96, 3.0])
def test_the_end_of_a_quadratic_is_walds(side, quantile):
    here = task()
    curve = interval_end(here, side, quantile)
    assert curve.end == pytest.approx(0.5 + side * quantile * here.error, rel=1e-7)
    assert curve.note == ""
    np.testing.assert_allclose(
        [p.root for p in curve.points],
        [(p.value - 0.5) / here.error for p in curve.points],
        atol=1e-6,
    )


def test_a_skewed_profile():
    """log-likelihood n (log x - x) of a rate: the deviance has a closed form."""

    def gamma(psi):
        rate = math.exp(psi[0])
        return 10.0 * (psi[0] - rate), np.array([10.0 * (1.0 - rate)])

    here = task(
        gamma,
        lambda x: (math.exp(x[0]), np.exp(x)),
        psi=[0.0],
        metric=np.array([[10.0]]),
    )
    for side in (-1, 1):
        end = interval_end(here, side, 1.96).end
        assert 20.0 * (end - 1.0 - math.log(end)) == pytest.approx(1.96**2, abs=1e-6)


def test_a_flat_profile_is_unbounded_and_a_wall_is_a_boundary():
    def flat(psi):  # falls to one below the maximum and no further
        size = 1.0 + psi[0] ** 2
        return float(1.0 / size - 1.0), -2.0 * psi / size**2

    curve = interval_end(task(flat, psi=[0.0], metric=np.array([[2.0]])), 1, 1.96)
    assert (curve.end, curve.note) == (math.inf, "unbounded")

    def walled(psi):
        value, slope = -0.5 * float(psi[0] ** 2), -psi
        return (value, slope) if psi[0] <= 1.3 else (-math.inf, slope)

    curve = interval_end(task(walled, psi=[0.0], metric=np.eye(1)), 1, 1.96)
    assert curve.note == "boundary"
    assert curve.end == pytest.approx(1.3, abs=2e-6)


def test_another_maximum_widens_the_interval():
    """Two ridges along x[0], one sharper and higher: the profile is the higher one at each c."""

    def ridges(psi):
        x, y = psi
        one, two = -0.5 * 4.0 * x**2, -0.3 - 0.5 * x**2
        near = -8.0 * y**2
        far = -8.0 * (y - 5.0) ** 2
        if one + near >= two + far:
            return one + near, np.array([-4.0 * x, -16.0 * y])
        return two + far, np.array([-x, -16.0 * (y - 5.0)])

    options = {"psi": [0.0, 0.0], "metric": np.diag([4.0, 16.0])}
    local = interval_end(task(ridges, **options), 1, 1.96)
    assert local.end == pytest.approx(0.98, rel=1e-6)
    whole = interval_end(task(ridges, starts=(np.array([0.0, 5.0]),), **options), 1, 1.96)
    assert whole.end == pytest.approx(math.sqrt(1.96**2 - 0.6), rel=1e-6)


def test_the_edge_of_the_part_that_is_looked_at_is_followed():
    """Mirrored likelihood: outside |y| <= 1 points are replaced, and the border is walked along."""

    def tilted(psi):
        x, y = psi
        gap = np.array([x, y - 0.9 - x])
        return -0.5 * float(gap @ gap), np.array([gap[1] - gap[0], -gap[1]])

    def inside(psi):
        return psi if psi[1] <= 1.0 + 1e-9 else np.array([psi[0], 2.0 - psi[1]])

    here = task(
        tilted,
        lambda x: (float(x[0] + 1e-3 * x[1]), np.array([1.0, 1e-3])),
        psi=[0.0, 0.9],
        metric=np.array([[2.0, -1.0], [-1.0, 1.0]]),
        inside=inside,
        edge=lambda psi: (float(psi[1] - 1.0), np.array([0.0, 1.0])),
    )
    curve = interval_end(here, 1, 1.96)
    x = curve.end - 1e-3  # on the border y = 1, where the deviance is x^2 + (0.1 - x)^2
    assert x**2 + (0.1 - x) ** 2 == pytest.approx(1.96**2, rel=1e-6)
