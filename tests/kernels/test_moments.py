"""Filter and smoother moments are conditional moments of the joint normal distribution."""

from __future__ import annotations

import numpy as np
import pytest
from kernels import dense
from kernels.systems import BACKENDS, random_case

from rnnstats.kernels.system import StateSpace


def blocks(cov: np.ndarray, n: int, k: int, lag: int = 0) -> np.ndarray:
    grid = cov.reshape(n, k, n, k)
    return np.array([grid[t, :, t - lag] for t in range(lag, n)])


def close(actual: np.ndarray, expected: np.ndarray, tolerance: float = 1e-8) -> None:
    """Equal to a tolerance relative to the largest element (at least one)."""
    scale = max(1.0, float(np.abs(expected).max())) if expected.size else 1.0
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=tolerance * scale)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", range(8))
def test_smoothed_moments(backend, block):
    for seed in range(25 * block, 25 * block + 25):
        system, endog = random_case(seed)
        n, (p, m, r) = endog.shape[0], (system.k_endog, system.k_states, system.k_posdef)
        output = backend.kalman_smoother(system, endog)
        mean, cov = dense.conditional(system, endog, "states")
        close(output.smoothed_state, mean.reshape(n, m))
        close(output.smoothed_state_cov, blocks(cov, n, m))
        close(output.smoothed_state_autocov[1:], blocks(cov, n, m, lag=1))
        assert np.isnan(output.smoothed_state_autocov[0]).all()
        mean, cov = dense.conditional(system, endog, "obs_noise")
        close(output.smoothed_obs_noise, mean.reshape(n, p))
        close(output.smoothed_obs_noise_cov, blocks(cov, n, p))
        mean, cov = dense.conditional(system, endog, "state_noise")
        close(output.smoothed_state_noise, mean.reshape(n, r))
        close(output.smoothed_state_noise_cov, blocks(cov, n, r))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(16))
def test_predicted_and_filtered_moments(backend, seed):
    system, endog = random_case(seed)
    n, (p, m) = endog.shape[0], (system.k_endog, system.k_states)
    output = backend.kalman_filter(system, endog)
    for t in range(output.nobs_diffuse, n):
        past = endog.copy()
        past[t:] = np.nan
        mean, cov = dense.conditional(system, past, "states")
        close(output.predicted_state[t], mean.reshape(n, m)[t])
        close(output.predicted_state_cov[t], blocks(cov, n, m)[t])
        mean, cov = dense.conditional(system, past, "outputs")
        close(output.forecast[t], mean.reshape(n, p)[t])
        close(output.forecast_error_cov[t], blocks(cov, n, p)[t])
        past[t] = endog[t]
        mean, cov = dense.conditional(system, past, "states")
        close(output.filtered_state[t], mean.reshape(n, m)[t])
        close(output.filtered_state_cov[t], blocks(cov, n, m)[t])
    np.testing.assert_array_equal(output.forecast_error, endog - output.forecast)
    assert not output.predicted_diffuse_cov[output.nobs_diffuse :].any()
    assert output.llf == pytest.approx(backend.loglike(system, endog), rel=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15])
def test_diffuse_moments_are_a_limit(backend, seed):
    """Covariances are finite + kappa * diffuse, up to 1 / kappa."""
    system, endog = random_case(seed)
    exact = backend.kalman_filter(system, endog)
    kappa = 1e8
    runs = []
    for k in (kappa, 2.0 * kappa):
        runs.append(
            backend.kalman_filter(
                StateSpace.from_arrays(
                    design=system.design,
                    transition=system.transition,
                    selection=system.selection,
                    state_cov=system.state_cov,
                    obs_cov=system.obs_cov,
                    cross_cov=system.cross_cov,
                    obs_intercept=system.obs_intercept,
                    state_intercept=system.state_intercept,
                    initial_mean=system.initial_mean,
                    initial_cov=system.initial_cov + k * np.diag(system.initial_diffuse),
                    start="given",
                    first_step=system.first_step,
                ),
                endog,
            )
        )
    first, second = runs
    for kind in ("predicted", "filtered"):
        one = getattr(first, f"{kind}_state_cov")
        two = getattr(second, f"{kind}_state_cov")
        close(getattr(exact, f"{kind}_diffuse_cov"), (two - one) / kappa, 3e-3)
        mean_one, mean_two = getattr(first, f"{kind}_state"), getattr(second, f"{kind}_state")
        close(getattr(exact, f"{kind}_state"), 2.0 * mean_two - mean_one, 3e-3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(12))
def test_scaled_smoothed_estimator(backend, seed):
    """r is the adjoint of the predicted mean: h_1 smoothed is a_1 + P_1 r_0, its cov P - P N P."""
    system, endog = random_case(4 * seed)
    output = backend.kalman_smoother(system, endog)
    P, N = output.filter.predicted_state_cov[:-1], output.scaled_smoothed_estimator_cov
    r = output.scaled_smoothed_estimator
    mean = output.filter.predicted_state[:-1] + (P @ r[:, :, None])[:, :, 0]
    close(output.smoothed_state, mean)
    close(output.smoothed_state_cov, P - P @ N @ P)


@pytest.mark.parametrize("backend", BACKENDS)
def test_start_that_the_sample_does_not_determine(backend):
    system = StateSpace.from_arrays(
        design=[[1.0, 0.0, 0.0]],
        transition=[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.5]],
        state_cov=np.eye(3),
        obs_cov=[[1.0]],
        initial_cov=np.diag([0.0, 0.0, 2.0]),
        initial_diffuse=[True, True, False],
        first_step="none",
    )
    output = backend.kalman_smoother(system, np.arange(6.0)[:, None])
    cov = output.smoothed_state_cov
    assert np.isinf(cov[:, 1, 1]).all()
    assert np.isfinite(cov[:, [0, 2]][:, :, [0, 2]]).all()
    alone = StateSpace.from_arrays(
        design=[[1.0]],
        transition=[[1.0]],
        state_cov=[[1.0]],
        obs_cov=[[1.0]],
        initial_diffuse=[True],
        first_step="none",
    )
    expected = backend.kalman_smoother(alone, np.arange(6.0)[:, None])
    close(output.smoothed_state[:, :1], expected.smoothed_state, 1e-12)
    close(cov[:, :1, :1], expected.smoothed_state_cov, 1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_noise_of_the_first_step(backend):
    Q = np.array([[2.0]])
    for first_step, cov in (("none", 2.0), ("noiseless", 0.0)):
        system = StateSpace.from_arrays(
            design=[[1.0]],
            transition=[[0.5]],
            state_cov=Q,
            obs_cov=[[1.0]],
            initial_cov=[[1.0]],
            first_step=first_step,
        )
        output = backend.kalman_smoother(system, np.ones((4, 1)))
        assert output.smoothed_state_noise[0, 0] == 0.0
        assert output.smoothed_state_noise_cov[0, 0, 0] == cov


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_a_sum_is_determined(backend):
    """Two states in one output: each has an infinite variance, of opposite sign between them."""
    system = StateSpace.from_arrays(
        design=[[1.0, 1.0]],
        transition=np.eye(2),
        state_cov=np.eye(2),
        obs_cov=[[1.0]],
        initial_diffuse=[True, True],
        first_step="none",
    )
    cov = backend.kalman_smoother(system, np.arange(5.0)[:, None]).smoothed_state_cov
    np.testing.assert_array_equal(
        cov, np.broadcast_to([[np.inf, -np.inf], [-np.inf, np.inf]], (5, 2, 2))
    )
