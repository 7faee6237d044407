"""Capacities: closed forms of the literature, Lyapunov's equation, and runs against exact ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_discrete_lyapunov

from rnnstats.diagnostics.memory.capacity.linear_shares import (
    linear_shares,
    spread_root,
    total_shares,
)
from rnnstats.diagnostics.memory.capacity.sampled_shares import quick_shares, sampled_shares

ONE = np.eye(1)


def reservoir(m, q=1, seed=0, radius=0.9):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((m, m))
    return matrix * (radius / np.abs(np.linalg.eigvals(matrix)).max()), rng.standard_normal((m, q))


def run(matrix, loading, rows, seed=0, runs=1):
    """States and standard normal inputs, (runs, rows, .), after 200 rows from zero."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((runs, rows + 200, loading.shape[1]))
    states = np.zeros((runs, rows + 200, len(matrix)))
    for t in range(1, rows + 200):
        states[:, t] = states[:, t - 1] @ matrix.T + inputs[:, t] @ loading.T
    return states[:, 200:], inputs[:, 200:]


@pytest.mark.parametrize(("m", "weight"), [(10, 0.9), (20, 0.95), (5, 0.5)])
def test_a_ring_of_units_has_the_published_capacity(m, weight):
    # Rodan and Tino (2011), Minimum complexity echo state network, IEEE Transactions on Neural
    # Networks 22, theorem 2: from lag 1 on, N - (1 - r^2N)
    ring = weight * np.roll(np.eye(m), 1, axis=0)
    found = linear_shares(ring, np.eye(m)[:, :1], ONE, None, 40 * m)
    from_one = found.seen[1:].sum() + found.beyond
    assert from_one == pytest.approx(m - (1.0 - weight ** (2 * m)), rel=1e-12)
    assert found.seen[:m, 0, 0] == pytest.approx(np.full(m, 1.0 - weight ** (2 * m)), rel=1e-12)


def test_a_noisy_delay_line_has_the_published_curve():
    # White, Lee and Sompolinsky (2004): unit k holds u_{t-k} times alpha^{k/2} and k + 1 noises
    alpha, noise, m = 0.8, 0.3, 6
    line, k = np.diag(np.full(m - 1, np.sqrt(alpha)), -1), np.arange(m)
    found = linear_shares(line, np.eye(m)[:, :1], ONE, noise * np.eye(m), 10)
    heard = noise * (1.0 - alpha ** (k + 1.0)) / (1.0 - alpha)
    np.testing.assert_allclose(found.seen[:m, 0, 0], alpha**k / (alpha**k + heard), rtol=1e-12)
    np.testing.assert_allclose(found.seen[m:], 0.0, atol=1e-15)


@settings(max_examples=25)
@given(m=st.integers(1, 6), q=st.integers(1, 3), seed=st.integers(0, 999))
def test_capacities_are_those_of_the_stationary_covariance_and_add_up_to_the_states(m, q, seed):
    matrix, loading = reservoir(m, q, seed)
    rng = np.random.default_rng(seed + 1)
    half = rng.standard_normal((q, q))
    cov, noise = half @ half.T + 0.1 * np.eye(q), 0.2 * np.eye(m)
    spread = solve_discrete_lyapunov(matrix, loading @ cov @ loading.T + noise)
    found = linear_shares(matrix, loading, cov, noise, 5)
    power = loading @ cov
    for lag in range(6):
        known = power.T @ np.linalg.solve(spread, power)
        # Lyapunov's equation and the inverse lose the condition of P, below 1e6 with this noise
        np.testing.assert_allclose(found.seen[lag], known, atol=1e-8 * np.trace(cov))
        power = matrix @ power
    # without noise all is held of what is not: the bound of Jaeger and Dambre is reached
    pure = linear_shares(matrix, loading, cov, None, 30)
    total = total_shares(pure.seen, cov, np.arange(q)).sum() + pure.beyond
    assert total == pytest.approx(pure.rank, rel=1e-10)
    assert pure.rank == m


def test_capacities_do_not_depend_on_the_coordinates_of_the_state():
    matrix, loading = reservoir(4, 2, seed=3)
    turn = np.diag([1.0, 1e-4, 1e3, 10.0]) @ np.random.default_rng(4).standard_normal((4, 4))
    cov = np.array([[1.0, 0.4], [0.4, 2.0]])
    here = linear_shares(matrix, loading, cov, None, 20)
    there = linear_shares(turn @ matrix @ np.linalg.inv(turn), turn @ loading, cov, None, 20)
    np.testing.assert_allclose(there.seen, here.seen, atol=1e-9)  # condition of the turn, 1e7
    # nor does the capacity of both inputs on which combinations of them are looked at
    mixed = np.array([[1.0, 2.0], [0.0, 1.0]])
    other = linear_shares(matrix, loading @ np.linalg.inv(mixed), mixed @ cov @ mixed.T, None, 20)
    both = np.arange(2)
    np.testing.assert_allclose(
        total_shares(other.seen, mixed @ cov @ mixed.T, both),
        total_shares(here.seen, cov, both),
        rtol=1e-10,
    )


def test_small_directions_of_a_stationary_state_keep_their_digits():
    # P of a delay line with weight 1e-6 has variances 1, 1e-12, ..., 1e-36
    line = np.diag(np.full(3, 1e-6), -1)
    root = spread_root(line, np.eye(4)[:, :1])
    sizes = np.linalg.svd(root, compute_uv=False)
    np.testing.assert_allclose(sizes, [1.0, 1e-6, 1e-12, 1e-18], rtol=1e-10)
    assert linear_shares(line, np.eye(4)[:, :1], ONE, None, 5).rank == 4
    assert np.isnan(spread_root(np.eye(1), np.eye(1))).all()


def test_slow_states_need_no_lags_to_be_summed():
    found = linear_shares(np.array([[0.9999999]]), ONE, ONE, None, 3)
    assert found.seen[0, 0, 0] == pytest.approx(1.0 - 0.9999999**2, rel=1e-8)
    assert found.seen.sum() + found.beyond == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("runs", [1, 40])
def test_a_run_finds_the_exact_capacities(runs):
    matrix, loading = reservoir(3, 2, seed=5, radius=0.8)
    states, inputs = run(matrix, loading, 16_000 // runs, seed=6, runs=runs)
    found = sampled_shares(states, inputs, 15, 0.05)
    exact = linear_shares(matrix, loading, np.eye(2), None, 15)
    known = np.diagonal(exact.seen, axis1=1, axis2=2)
    # 32 numbers: 4 standard errors leave a chance of 0.2 %
    away = np.abs(found.value.each - known) / found.error.each
    assert away[known > 0.01].max() < 4.0
    total = exact.seen.trace(axis1=1, axis2=2).sum()
    assert abs(found.value.total - total) < 4.0 * found.error.total
    assert found.error.total < 0.05
    assert found.rank == 3
    assert found.above[:4].all()
    quick = quick_shares(states, inputs, 15, found.above)
    np.testing.assert_allclose(quick.flat, found.value.flat, rtol=1e-12)


def test_standard_errors_are_those_of_runs_left_out_in_turn():
    matrix, loading = reservoir(2, 2, seed=5, radius=0.8)
    states, inputs = run(matrix, loading, 60, seed=6, runs=40)
    found = sampled_shares(states, inputs[:, :, :1], 4, 0.05)
    without = np.stack(
        [
            quick_shares(
                np.delete(states, b, 0), np.delete(inputs, b, 0)[:, :, :1], 4, found.above
            ).flat
            for b in range(40)
        ]
    )
    known = np.sqrt(39.0 / 40.0 * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(found.error.flat, known, rtol=1e-8)


def test_nothing_is_found_where_nothing_is_held():
    # a raw R^2 is 20 / 2000 at each of the lags, 0.41 in all
    rng = np.random.default_rng(7)
    states, inputs = rng.standard_normal((1, 2040, 20)), rng.standard_normal((1, 2040, 1))
    found = sampled_shares(states, inputs, 40, 0.05)
    assert not found.above.any()
    assert abs(found.value.total) < 3.5 * np.sqrt(2 * 20 * 41) / 2000.0
    assert np.isnan(found.value.mean_lag)


def test_runs_of_different_size_do_not_pass_for_memory():
    # states and inputs are independent, but large in the same runs: raw shares exceed what the F
    # distribution allows, the test by blocks does not
    rng = np.random.default_rng(3)
    size = np.exp(1.5 * rng.standard_normal((40, 1, 1)))
    states = size * rng.standard_normal((40, 150, 2))
    found = sampled_shares(states, size * rng.standard_normal((40, 150, 1)), 30, 0.05)
    assert (found.value.whole > found.threshold).sum() > 5
    assert not found.above.any()


def test_states_that_repeat_one_another_count_once():
    matrix, loading = reservoir(2, seed=8)
    states, inputs = run(matrix, loading, 3000, seed=9)
    once = sampled_shares(states, inputs, 10, 0.05)
    still = np.concatenate([states, states[:, :, :1] - states[:, :, 1:], 0 * states + 5.0], axis=2)
    twice = sampled_shares(still, inputs, 10, 0.05)
    assert twice.rank == once.rank == 2
    np.testing.assert_allclose(twice.value.flat, once.value.flat, atol=1e-10)


@pytest.mark.slow
@pytest.mark.statistical
def test_intervals_of_capacities_from_runs_cover():
    matrix, loading = reservoir(3, seed=10, radius=0.8)
    exact = linear_shares(matrix, loading, ONE, None, 30)
    known = np.array([exact.seen.sum() + exact.beyond, *exact.seen[:4, 0, 0]])
    hits = np.zeros(5)
    for seed in range(400):
        states, inputs = run(matrix, loading, 4000, seed=100 + seed)
        found = sampled_shares(states, inputs, 30, 0.05)
        value = np.array([found.value.total, *found.value.whole[:4]])
        error = np.array([found.error.total, *found.error.whole[:4]])
        hits += np.abs(value - known) < 1.96 * error
    # 400 runs: the standard error of a coverage of 95 % is 1.1 %. The newest input is held almost
    # whole: its intervals are too wide, see the notes of sampled_shares
    assert (hits / 400 > 0.91).all(), hits / 400
    assert (np.delete(hits, 1) / 400 < 0.985).all(), hits / 400


@pytest.mark.crosspkg
def test_capacities_of_a_run_are_adjusted_coefficients_of_determination_of_statsmodels():
    from statsmodels.regression.linear_model import OLS

    matrix, loading = reservoir(3, seed=11)
    states, inputs = run(matrix, loading, 800, seed=12)
    found = sampled_shares(states, inputs, 6, 0.05)
    design = np.column_stack([np.ones(794), states[0, 6:]])
    for lag in range(7):
        fit = OLS(inputs[0, 6 - lag : 800 - lag], design).fit()
        assert found.value.whole[lag] == pytest.approx(fit.rsquared_adj, rel=1e-9)
