"""Samples through the innovations form have the distribution of the model."""

from __future__ import annotations

import numpy as np
import pytest
from kernels import dense
from kernels.systems import random_case

from rnnstats.errors import DataError
from rnnstats.estimation.drawing import sampler, standardised_pool
from rnnstats.kernels.kalman import kalman_filter
from rnnstats.kernels.system import StateSpace


def response(base):
    """Mean and matrix of the paths as a function of the stacked unit noise."""
    rows, p = base.rows, base.values.shape[1]
    units = np.eye(rows * p).reshape(-1, rows, p)
    mean = base.paths(np.zeros((1, rows, p)))[0].ravel()
    return mean, (base.paths(units).reshape(rows * p, -1) - mean).T


# a diffuse start has no joint distribution: see below
PROPER = [s for s in range(40) if not random_case(s, nobs=7)[0].initial_diffuse.any()][:12]


@pytest.mark.parametrize("seed", PROPER)
def test_moments_are_those_of_the_joint_distribution(seed):
    system, endog = random_case(seed, nobs=7)
    joint = dense.build(system, 7).outputs
    cov = joint.load @ dense.build(system, 7).cov @ joint.load.T
    base = sampler(system, endog, caller="test")
    mean, matrix = response(base)
    size = np.abs(np.diag(cov)).max()
    np.testing.assert_allclose(mean, joint.mean, rtol=0, atol=1e-10 * (1 + np.abs(mean).max()))
    # a stationary covariance near the unit circle carries about eight digits less than it has
    np.testing.assert_allclose(matrix @ matrix.T, cov, rtol=0, atol=1e-8 * size)


def test_diffuse_start_is_drawn_given_the_rows_that_resolve_it():
    """Local linear trend: the rest given two rows is normal with the limit of a wide prior."""
    arrays = {
        "design": [[1.0, 0.0]],
        "obs_cov": [[0.7]],
        "transition": [[1.0, 1.0], [0.0, 1.0]],
        "selection": np.eye(2),
        "state_cov": np.diag([0.4, 0.1]),
    }
    diffuse = StateSpace.from_arrays(
        **arrays, initial_diffuse=np.ones(2, dtype=bool), start="given", first_step="none"
    )
    kappa = 1e6
    wide = StateSpace.from_arrays(
        **arrays, initial_cov=kappa * np.eye(2), start="given", first_step="none"
    )
    y = np.array([[1.0], [2.5], [np.nan], [3.0], [4.0]])
    base = sampler(diffuse, y, caller="test")
    assert base.first == 2
    mean, matrix = response(base)
    joint = dense.build(wide, 5)
    cov = joint.outputs.load @ joint.cov @ joint.outputs.load.T
    gain = np.linalg.solve(cov[:2, :2], cov[:2, 2:]).T
    # the prior's share is of order 1 / kappa, and the subtraction loses digits of kappa
    np.testing.assert_allclose(mean, gain @ y[:2, 0], rtol=1e-4)
    np.testing.assert_allclose(matrix @ matrix.T, cov[2:, 2:] - gain @ cov[:2, 2:], rtol=1e-4)
    drawn = base.samples(base.paths(np.ones((3, 3, 1))))
    np.testing.assert_array_equal(drawn[:, :2], np.broadcast_to(y[:2], (3, 2, 1)))
    np.testing.assert_array_equal(np.isnan(drawn), np.broadcast_to(np.isnan(y), (3, 5, 1)))


def test_rows_ahead_have_the_covariance_of_the_filter():
    system, endog = random_case(4, nobs=9)
    steps, p = 4, system.k_endog
    longer = StateSpace(
        p,
        system.k_states,
        system.k_posdef,
        system.matrices,
        np.zeros((9 + steps, p)),
        np.zeros((9 + steps, system.k_states)),
        system.start,
        system.first_step,
    )
    base = sampler(longer, endog, steps=steps, caller="test")
    assert base.steps == steps
    whole = np.where(np.isnan(endog), 0.0, endog)
    whole = np.concatenate([whole, np.full((steps, p), np.nan)])
    expected = kalman_filter(longer, whole).forecast_error_cov[9:]
    np.testing.assert_allclose(base.ahead_cov(), expected, rtol=1e-8)
    assert base.samples(base.paths(np.zeros((2, base.rows, p)))).shape == (2, 9, p)


def test_pool_is_centred_and_white_and_of_complete_rows():
    rng = np.random.default_rng(0)
    errors = rng.exponential(size=(40, 2)) @ [[1.0, 0.4], [0.0, 2.0]]
    errors[3, 0] = np.nan
    pool = standardised_pool(errors, 5, caller="test")
    assert pool.shape == (35, 2)
    np.testing.assert_allclose(pool.mean(axis=0), 0.0, atol=1e-14)
    np.testing.assert_allclose(pool.T @ pool / 35, np.eye(2), atol=1e-13)
    errors[6:] = np.nan
    with pytest.raises(DataError, match=r"test: .* got 1, and needs 10\. Use kind='parametric'"):
        standardised_pool(errors, 5, caller="test")


def test_a_start_that_is_never_determined_is_refused():
    system = StateSpace.from_arrays(
        design=[[1.0]],
        obs_cov=[[1.0]],
        transition=[[1.0]],
        selection=[[1.0]],
        state_cov=[[1.0]],
        initial_diffuse=[True],
        start="given",
        first_step="none",
    )
    with pytest.raises(DataError, match="must determine a diffuse start"):
        sampler(system, np.full((4, 1), np.nan), caller="test")
