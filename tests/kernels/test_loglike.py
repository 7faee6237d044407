"""The log-likelihood is the joint normal density, whatever the start and what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from kernels import dense
from kernels.systems import BACKENDS, MISSINGS, random_case, random_endog, random_system

from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError
from rnnstats.kernels.system import StateSpace


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", range(8))
def test_joint_normal_density(backend, block):
    for seed in range(25 * block, 25 * block + 25):
        system, endog = random_case(seed)
        assert backend.loglike(system, endog) == pytest.approx(
            dense.loglike(system, endog), rel=1e-8
        ), seed


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(24))
def test_rows_are_increments(backend, seed):
    """Row t is L_t - L_{t-1} of the samples that end there, through the diffuse phase too."""
    system, endog = random_case(seed)
    rows = backend.loglikeobs(system, endog)
    assert rows.sum() == pytest.approx(backend.loglike(system, endog), rel=1e-12)
    totals = []
    for t in range(endog.shape[0]):
        cut = endog.copy()
        cut[t + 1 :] = np.nan
        totals.append(0.0 if np.isnan(cut).all() else dense.loglike(system, cut))
    # differences of totals lose the digits that the totals have in common
    np.testing.assert_allclose(
        rows, np.diff(totals, prepend=0.0), rtol=1e-8, atol=1e-9 * np.abs(totals).max()
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_missing_row_counts_nothing(backend):
    system, endog = random_case(4)
    endog[[0, 3]] = np.nan
    rows = backend.loglikeobs(system, endog)
    np.testing.assert_array_equal(rows[[0, 3]], 0.0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("missing", MISSINGS)
def test_what_the_sample_never_determines(backend, missing):
    """Two diffuse states seen only in their sum: the limit has rank one."""
    rng = np.random.default_rng(3)
    system = StateSpace.from_arrays(
        design=[[1.0, 1.0], [2.0, 2.0]],
        transition=0.9 * np.eye(2),
        state_cov=np.eye(2),
        obs_cov=np.eye(2),
        initial_diffuse=[True, True],
        first_step="none",
    )
    endog = random_endog(rng, 8, 2, missing)
    expected = dense.loglike(system, endog)
    assert backend.loglike(system, endog) == pytest.approx(expected, rel=1e-8)
    output = backend.kalman_filter(system, endog)
    assert output.nobs_diffuse == 8
    assert output.predicted_diffuse_cov[8].max() > 0.01


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_diffuse_start_in_any_units(backend, scale):
    """The units of outputs and states shift the log-likelihood by their Jacobian, nothing else."""
    rng = np.random.default_rng(11)
    system = random_system(rng, 2, 3, 2, "none", diffuse=3, noise="diagonal", cross=False)
    endog = random_endog(rng, 10, 2)
    unit = np.array([1.0, scale])
    moved = StateSpace.from_arrays(
        design=system.design * unit[:, None],
        transition=system.transition,
        selection=system.selection,
        state_cov=system.state_cov,
        obs_cov=system.obs_cov * np.outer(unit, unit),
        obs_intercept=system.obs_intercept * unit,
        state_intercept=system.state_intercept,
        initial_diffuse=[True] * 3,
        first_step="none",
    )
    assert backend.loglike(moved, endog * unit) == pytest.approx(
        backend.loglike(system, endog) - 10 * np.log(scale), rel=1e-9
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_outputs_that_determine_each_other(backend):
    system = StateSpace.from_arrays(
        design=[[1.0], [2.0]], transition=[[0.5]], state_cov=[[1.0]], start="stationary"
    )
    endog = np.ones((5, 2))
    endog[:3, 1] = np.nan
    with pytest.raises(NotPositiveDefiniteError, match="row 3") as caught:
        backend.loglike(system, endog)
    assert caught.value.period == 3
    for function in (
        backend.loglikeobs,
        backend.kalman_filter,
        backend.kalman_smoother,
        backend.score,
    ):
        with pytest.raises(NotPositiveDefiniteError):
            function(system, endog)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("root", [1.0, -1.0, 1.5])
def test_no_stationary_start(backend, root):
    system = StateSpace.from_arrays(
        design=[[1.0]], transition=[[root]], state_cov=[[1.0]], obs_cov=[[1.0]], start="stationary"
    )
    with pytest.raises(NotStationaryError, match="inside the unit circle"):
        backend.loglike(system, np.zeros((4, 1)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_arguments_are_left_alone(backend):
    system, endog = random_case(9)
    buffer, data = system.matrices.copy(), endog.copy()
    endog.flags.writeable = False
    backend.score(system, endog)
    backend.kalman_smoother(system, endog)
    np.testing.assert_array_equal(system.matrices, buffer)
    np.testing.assert_array_equal(endog, data)
