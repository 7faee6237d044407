"""Steady states of the filter and their derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from equivalence.varma_systems import random_cov, random_system, state_space

from rnnstats.equivalence.riccati import hidden_roots, solve_stein, steady_slopes
from rnnstats.equivalence.varma import riccati, spectral_factor, system_responses
from rnnstats.errors import SpecificationError
from rnnstats.kernels.kalman import kalman_filter
from rnnstats.kernels.system import StateSpace

A = np.array([[0.7, 0.2], [-0.3, 0.5]])
SIGMA = np.array([[1.0, 0.3], [0.3, 0.5]])

# (system, where the filter's limit starts): every noise structure
SYSTEMS = {
    "vector autoregression": {"design": np.eye(2), "transition": A, "state_cov": SIGMA},
    "two lags": {
        "design": np.eye(2, 4),
        "transition": np.block([[A, 0.2 * np.eye(2)], [np.eye(2), np.zeros((2, 2))]]),
        "selection": np.eye(4, 2),
        "state_cov": SIGMA,
    },
    "independent noises": {
        "design": [[1.0, 0.5], [0.0, 2.0]],
        "transition": A,
        "state_cov": SIGMA,
        "obs_cov": np.diag([0.5, 0.8]),
    },
    "one output without noise": {
        "design": np.eye(2),
        "transition": A,
        "state_cov": SIGMA,
        "obs_cov": np.diag([0.0, 0.8]),
    },
    "partly shared": {
        "design": np.eye(2),
        "transition": A,
        "state_cov": SIGMA,
        "obs_cov": np.diag([0.5, 0.8]),
        "cross_cov": [[0.2, 0.0], [0.1, 0.1]],
    },
    "shared, invertible": {
        "design": [[1.0]],
        "transition": [[0.5]],
        "state_cov": [[2.0]],
        "cross_cov": [[2.0]],
        "obs_cov": [[2.0]],
        "selection": [[0.3]],
    },
    "shared, not invertible": {
        "design": [[1.0]],
        "transition": [[0.5]],
        "state_cov": [[2.0]],
        "cross_cov": [[2.0]],
        "obs_cov": [[2.0]],
        "selection": [[2.5]],
    },
    "local linear trend": {
        "design": [[1.0, 0.0]],
        "transition": [[1.0, 1.0], [0.0, 1.0]],
        "state_cov": np.diag([0.5, 0.1]),
        "obs_cov": [[2.0]],
    },
    "smooth trend": {
        "design": [[1.0, 0.0]],
        "transition": [[1.0, 1.0], [0.0, 1.0]],
        "state_cov": np.diag([0.0, 0.1]),
        "obs_cov": [[2.0]],
    },
    "explosive": {
        "design": [[1.0, 1.0]],
        "transition": np.diag([1.2, 0.6]),
        "state_cov": np.eye(2),
        "obs_cov": [[2.0]],
    },
    "explosive without noise": {
        "design": [[1.0, 1.0]],
        "transition": np.diag([1.2, 0.6]),
        "state_cov": np.diag([0.0, 1.0]),
        "obs_cov": [[2.0]],
    },
    "decaying without noise": {
        "design": [[1.0, 1.0]],
        "transition": np.diag([0.9, 0.6]),
        "state_cov": np.diag([0.0, 1.0]),
        "obs_cov": [[2.0]],
    },
    "far units": {
        "design": np.diag([1e5, 1e-5]),
        "transition": A,
        "state_cov": SIGMA,
        "obs_cov": np.diag([1e10, 1e-10]),
    },
}


@pytest.mark.parametrize("name", list(SYSTEMS))
def test_is_the_limit_of_the_filter(name):
    arrays = SYSTEMS[name]
    m = len(arrays["transition"])
    system = StateSpace.from_arrays(**arrays, initial_cov=np.eye(m))
    found = riccati(system)
    rows = 600  # the slowest of these filters forgets at 0.9 a row
    output = kalman_filter(system, np.zeros((rows, system.k_endog)), steady=False)
    size = np.abs(found.innovation_cov).max()
    np.testing.assert_allclose(output.predicted_state_cov[rows - 1], found.state_cov, atol=1e-11)
    np.testing.assert_allclose(
        output.forecast_error_cov[rows - 1], found.innovation_cov, atol=1e-12 * size
    )
    gap = system.transition - found.gain @ system.design
    assert np.abs(np.linalg.eigvals(gap)).max() < 1.0


@pytest.mark.parametrize("turn", [1.0, -1.0, 1j])
def test_roots_on_the_circle_without_noise_are_known_in_the_limit(turn):
    """A constant, an alternating or a cyclical deterministic part beside an AR(1) with noise."""
    if turn == 1j:
        still, show = np.array([[0.0, 1.0], [-1.0, 0.0]]), [1.0, 0.0]
    else:
        still, show = np.array([[turn]]), [1.0]
    m = len(still)
    a = np.zeros((m + 1, m + 1))
    a[:m, :m], a[m, m] = still, 0.6
    noise = np.zeros((m + 1, m + 1))
    noise[m, m] = 1.0
    system = StateSpace.from_arrays(
        design=[[*show, 1.0]], transition=a, state_cov=noise, obs_cov=[[2.0]]
    )
    alone = StateSpace.from_arrays(
        design=[[1.0]], transition=[[0.6]], state_cov=[[1.0]], obs_cov=[[2.0]]
    )
    found, short = riccati(system), riccati(alone)
    np.testing.assert_allclose(found.gain[:m], 0.0, atol=1e-14)
    np.testing.assert_allclose(found.gain[m], short.gain[0], rtol=1e-13)
    np.testing.assert_allclose(found.innovation_cov, short.innovation_cov, rtol=1e-13)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (
            {
                "design": [[1.0]],
                "transition": [[0.5]],
                "state_cov": [[1.0]],
                "cross_cov": [[1.0]],
                "obs_cov": [[1.0]],
                "selection": [[1.5]],
            },
            "root -1 of modulus 1, a zero of the spectrum",
        ),
        (
            {
                "design": [[0.0, 1.0]],
                "transition": np.diag([1.0, 0.6]),
                "state_cov": np.eye(2),
                "obs_cov": [[1.0]],
            },
            "must show in an output",
        ),
        (
            {
                "design": [[1.0, 1.0]],
                "transition": np.diag([1.1, 1.1]),
                "state_cov": np.eye(2),
                "obs_cov": [[1.0]],
            },
            "must show in an output; got the root 1.1 in none",
        ),
        (
            {"design": [[1.0], [1.0]], "transition": [[0.6]], "state_cov": [[1.0]]},
            "covariance of full rank",
        ),
    ],
)
def test_refusals(arrays, words):
    m = len(arrays["transition"])
    with pytest.raises(SpecificationError, match=words):
        riccati(StateSpace.from_arrays(**arrays, initial_cov=np.eye(m)))


def test_spectral_factor_has_the_same_autocovariances():
    rng = np.random.default_rng(0)
    for _ in range(20):
        p, n = rng.integers(1, 4), rng.integers(1, 5)
        a = random_system(rng, p, n).transition
        c, q, r = rng.standard_normal((p, n)), random_cov(rng, n), random_cov(rng, p)
        system = StateSpace.from_arrays(design=c, transition=a, state_cov=q, obs_cov=r)
        found = spectral_factor(system)
        k, sigma = found.system.gain, found.innovation_cov
        one, other = solve_stein(a, q), solve_stein(a, k @ sigma @ k.T)
        scale = np.abs(c @ one @ c.T).max()
        np.testing.assert_allclose(c @ one @ c.T + r, c @ other @ c.T + sigma, atol=1e-12 * scale)
        np.testing.assert_allclose(
            c @ a @ one @ c.T, c @ (a @ other @ c.T + k @ sigma), atol=1e-12 * scale
        )
        assert np.abs(np.linalg.eigvals(a - k @ c)).max() < 1.0


def test_factor_of_an_invertible_system_is_itself():
    rng = np.random.default_rng(1)
    system, sigma = random_system(rng, 2, 3), random_cov(rng, 2)
    found = spectral_factor(state_space(system, sigma, np.zeros((4, 0))))
    np.testing.assert_allclose(found.innovation_cov, sigma, rtol=1e-12)
    np.testing.assert_allclose(
        system_responses(found.system, 8), system_responses(system, 8), atol=1e-11
    )


def test_slopes_are_derivatives():
    rng = np.random.default_rng(2)
    names = ("transition", "design", "state_cov", "cross_cov", "obs_cov")
    base = {
        "transition": A,
        "design": np.array([[1.0, 0.5], [0.0, 2.0]]),
        "state_cov": SIGMA,
        "cross_cov": np.array([[0.1, 0.0], [0.05, 0.1]]),
        "obs_cov": np.diag([0.5, 0.8]),
    }
    ways = {name: rng.standard_normal(base[name].shape) for name in names}
    for name in ("state_cov", "obs_cov"):
        ways[name] = ways[name] + ways[name].T

    def at(step):
        return StateSpace.from_arrays(**{name: base[name] + step * ways[name] for name in names})

    h = 1e-4
    points = {s: riccati(at(s * h)) for s in (-2, -1, 1, 2)}
    slopes = steady_slopes(at(0.0), riccati(at(0.0)), tuple(ways[name][None] for name in names))
    for place, found in ((0, slopes[0][0]), (1, slopes[1][0])):
        five = {s: points[s][place] for s in points}
        rough = (8.0 * (five[1] - five[-1]) - (five[2] - five[-2])) / (12.0 * h)
        # fourth-order differences: h**4 = 1e-16 and rounding over h
        np.testing.assert_allclose(found, rough, atol=1e-10)


def test_stein():
    rng = np.random.default_rng(3)
    a = 0.99 * np.linalg.qr(rng.standard_normal((4, 4)))[0]
    source = np.stack([random_cov(rng, 4), random_cov(rng, 4)])
    found = solve_stein(a, source)
    np.testing.assert_allclose(found - a @ found @ a.T, source, atol=1e-11)
    with pytest.raises(SpecificationError, match="modulus 1"):
        solve_stein(np.eye(2), np.eye(2))


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_units_of_outputs_do_not_matter(unit):
    """Two local levels, one in far units: noise of either is noise."""
    size = np.diag([unit, 1.0])
    system = StateSpace.from_arrays(
        design=np.eye(2),
        transition=np.eye(2),
        state_cov=size @ size,
        obs_cov=size @ np.diag([1.0, 2.0]) @ size,
        start="given",
        first_step="none",
        initial_diffuse=np.ones(2),
    )
    steady = riccati(system)
    golden = (np.sqrt(5.0) - 1.0) / 2.0  # gain of a level with as much noise as the output
    np.testing.assert_allclose(np.diag(steady.gain), [golden, 0.5], rtol=1e-12)
    np.testing.assert_allclose(np.diag(steady.state_cov), [unit**2 * golden / (1 - golden), 2.0])


def test_far_units_of_an_output_hide_no_root():
    """Two walks, one shown in units 1e15 times the other's; a third one in none."""
    shown = np.array([[1e13, 0.0, 0.0], [1e3, 1e-2, 0.0]])
    assert hidden_roots(np.eye(3), shown) == [1.0, 1.0, 1.0]  # one root, hidden in part
    assert hidden_roots(np.eye(2), shown[:, :2]) == []
    assert hidden_roots(np.diag([1.0, -1.0]), np.diag([1e13, 1e-2])) == []
