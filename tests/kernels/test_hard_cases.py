"""Covariances stay symmetric and positive semi-definite where arithmetic is strained."""

from __future__ import annotations

import numpy as np
import pytest
from kernels.systems import BACKENDS

from rnnstats.errors import NotPositiveDefiniteError
from rnnstats.kernels.system import StateSpace

RATIOS = [1e-12, 1e-6, 1.0, 1e6, 1e12]
# an eigenvalue of a computed m x m matrix is known to m eps of the largest; m <= 7 here
ROUNDING = 8 * np.finfo(np.float64).eps


def check(backend, system: StateSpace, endog: np.ndarray) -> None:
    """Look at every covariance of filter and smoother, in every period."""
    output = backend.kalman_smoother(system, endog)
    forward = output.filter
    assert np.isfinite(forward.llf_obs).all()
    for name, cov in {
        "predicted": forward.predicted_state_cov,
        "predicted diffuse": forward.predicted_diffuse_cov,
        "filtered": forward.filtered_state_cov,
        "forecast error": forward.forecast_error_cov,
        "smoothed state": output.smoothed_state_cov,
        "smoothed output noise": output.smoothed_obs_noise_cov,
        "smoothed state noise": output.smoothed_state_noise_cov,
    }.items():
        assert np.isfinite(cov).all(), name
        np.testing.assert_array_equal(cov, cov.swapaxes(1, 2), err_msg=name)
        values = np.linalg.eigvalsh(cov)
        assert (values[:, 0] >= -ROUNDING * values[:, -1]).all(), (name, values[:, 0].min())
    # seeing more never makes a variance larger, beyond rounding
    smoothed = np.diagonal(output.smoothed_state_cov, axis1=1, axis2=2)
    filtered = np.diagonal(forward.filtered_state_cov, axis1=1, axis2=2)
    late = slice(forward.nobs_diffuse, None)
    assert (smoothed[late] <= filtered[late] * (1 + 1e-9) + ROUNDING * filtered[late].max()).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("gap", [0.0, 1e-9])
def test_trend_near_or_at_a_unit_root(backend, ratio, gap):
    system = StateSpace.from_arrays(
        design=[[1.0, 0.0]],
        transition=[[1.0 - gap, 1.0], [0.0, 1.0 if gap == 0.0 else 0.5]],
        state_cov=np.diag([ratio, 1e-3 * ratio]),
        obs_cov=[[1.0]],
        initial_diffuse=[gap == 0.0] * 2,
        start="given" if gap == 0.0 else "stationary",
        first_step="none" if gap == 0.0 else "noisy",
    )
    endog = np.random.default_rng(0).normal(size=(60, 1))
    check(backend, system, endog)
    endog[20:35] = np.nan
    check(backend, system, endog)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ratio", RATIOS)
def test_outputs_of_different_noise(backend, ratio):
    rng = np.random.default_rng(1)
    system = StateSpace.from_arrays(
        design=rng.normal(size=(3, 4)),
        transition=np.diag([1.0 - 1e-10, 0.99, 0.5, -0.9]),
        state_cov=ratio * np.eye(4),
        obs_cov=np.diag([1.0, ratio, 1e-3]),
        start="stationary",
    )
    endog = rng.normal(size=(60, 3))
    endog[10:20, 1] = np.nan
    check(backend, system, endog)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6, 1e-8, 1e-12])
@pytest.mark.parametrize("noisy", [False, True])
def test_nearly_collinear_outputs(backend, ratio, apart, noisy):
    """Either every covariance is right, or the error names the row."""
    rng = np.random.default_rng(2)
    Z = rng.normal(size=(3, 4))
    system = StateSpace.from_arrays(
        design=Z[[0, 0, 0]] + apart * Z,
        transition=np.diag([0.99, 0.9, 0.5, -0.9]),
        state_cov=ratio * np.eye(4),
        obs_cov=(np.ones((3, 3)) + apart * np.eye(3)) * float(noisy),
        start="stationary",
    )
    endog = rng.normal(size=(40, 1)) + apart * rng.normal(size=(40, 3))
    variance = ratio * float((Z[0] ** 2).sum())
    distance = max(apart * float(noisy) / (1.0 + variance), apart**2 * min(1.0, variance))
    try:
        check(backend, system, endog)
    except NotPositiveDefiniteError as error:
        # refused only where the outputs differ by less than the arithmetic resolves
        assert 0 <= error.period < 40
        assert distance < 1e-9


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ma_root", [0.0, 0.5, 1.0 - 1e-8, 1.0])
@pytest.mark.parametrize("p", [1, 3])
def test_innovations_form(backend, ma_root, p):
    """State and output share all noise: the predicted covariance falls to zero, not below."""
    K = (0.9 - ma_root) * np.eye(p) + 0.01 * (np.ones((p, p)) - np.eye(p)) * (ma_root < 0.9)
    cov = np.eye(p) + 0.5
    system = StateSpace.from_arrays(
        design=np.eye(p),
        transition=0.9 * np.eye(p),
        selection=K,
        state_cov=cov,
        obs_cov=cov,
        cross_cov=cov,
        start="stationary",
    )
    endog = np.random.default_rng(3).normal(size=(80, p))
    check(backend, system, endog)
    if ma_root == 0.5:
        last = backend.kalman_filter(system, endog).predicted_state_cov[-1]
        assert np.abs(last).max() < 1e-12  # where a steady state may be declared
    endog[30:33] = np.nan
    check(backend, system, endog)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ratio", RATIOS)
def test_states_known_exactly(backend, ratio):
    """No output noise: filtering leaves nothing of what is seen."""
    system = StateSpace.from_arrays(
        design=[[1.0, 1.0]],
        transition=[[0.9, 0.1], [-0.2, 0.7]],
        state_cov=np.diag([1.0, ratio]),
        start="stationary",
    )
    check(backend, system, np.random.default_rng(4).normal(size=(50, 1)))
