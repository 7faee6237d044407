"""Exact derivatives against a complex step, which is exact to machine precision."""

from __future__ import annotations

import numpy as np
import pytest
from kernels.systems import ARRAYS, BACKENDS, SYMMETRIC, along, every_array, moved, random_case

from rnnstats.kernels import reference
from rnnstats.kernels.system import StateSpace, Tangents

STEP = 1e-30


def complex_step(system: StateSpace, endog: np.ndarray, tangents: Tangents) -> np.ndarray:
    """Derivatives of each row along each tangent, shape (nobs, k)."""
    columns = [
        reference.loglikeobs(moved(system, tangents, k, STEP * 1j), endog).imag / STEP
        for k in range(len(tangents))
    ]
    return np.array(columns).T


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", range(10))
def test_score_is_a_complex_step(backend, block):
    """Every array of 200 models; relative to the rows' contributions, which may cancel."""
    for seed in range(20 * block, 20 * block + 20):
        system, endog = random_case(seed)
        tangents = every_array(np.random.default_rng(seed), system)
        expected = complex_step(system, endog, tangents)
        llf, gradient = backend.score(system, endog)
        assert llf == pytest.approx(reference.loglike(system, endog), rel=1e-11)
        error = np.abs(along(gradient, tangents) - expected.sum(axis=0))
        bound = 1e-8 * np.abs(expected).sum(axis=0)
        assert (error <= bound).all(), (seed, dict(zip(ARRAYS, error, strict=True)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", range(10))
def test_rows_of_the_score_are_complex_steps(backend, block):
    for seed in range(20 * block, 20 * block + 20):
        system, endog = random_case(seed)
        tangents = every_array(np.random.default_rng(seed), system)
        expected = complex_step(system, endog, tangents)
        llf, scores = backend.score_obs(system, endog, tangents)
        np.testing.assert_allclose(llf, reference.loglikeobs(system, endog), rtol=1e-9, atol=1e-9)
        error = np.abs(scores - expected)
        assert (error <= 1e-8 * np.abs(expected).max(axis=0)).all(), seed
        np.testing.assert_allclose(
            scores.sum(axis=0),
            along(backend.score(system, endog)[1], tangents),
            rtol=1e-8,
            atol=1e-9 * np.abs(expected).sum(axis=0).max(),
        )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 17, 18])
def test_every_element(backend, seed):
    """Each cell of each array by itself; symmetric pairs together."""
    system, endog = random_case(seed, nobs=6)
    gradient = backend.score(system, endog)[1]
    shape = system.k_endog, system.k_states, system.k_posdef
    for name, (where, _) in StateSpace.offsets(*shape).items():
        if name == "initial_diffuse":
            np.testing.assert_array_equal(gradient.initial_diffuse, 0.0)
            continue
        if system.start == "stationary" and name.startswith("initial"):
            np.testing.assert_array_equal(getattr(gradient, name), 0.0)
            continue
        value = getattr(gradient, name)
        for index in np.ndindex(value.shape):
            cell = np.zeros(value.shape)
            cell[index] = 1.0
            if name in SYMMETRIC:
                cell = cell + cell.T
            proper = system.initial_diffuse == 0.0
            if name.startswith("initial") and not all(proper[i] for i in index):
                # what a diffuse state starts from has no influence
                assert abs(value[index]) <= 1e-12 * np.abs(gradient.matrices).max()
                continue
            matrices = np.zeros((1, system.matrices.size))
            matrices[0, where] = cell.ravel()
            tangent = Tangents(
                *shape,
                matrices,
                np.zeros((1, *system.obs_intercept.shape)),
                np.zeros((1, *system.state_intercept.shape)),
            )
            rows = complex_step(system, endog, tangent)
            assert (value * cell).sum() == pytest.approx(
                rows.sum(), rel=1e-8, abs=1e-8 * np.abs(rows).sum()
            )
        if name in SYMMETRIC:
            np.testing.assert_allclose(value, value.T, rtol=0, atol=1e-12 * np.abs(value).max())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(8))
def test_intercepts_a_row_at_a_time(backend, seed):
    """A time-varying intercept has a derivative in each row."""
    system, endog = random_case(seed, nobs=6)
    n, shape = 6, (system.k_endog, system.k_states, system.k_posdef)
    varying = StateSpace(
        *shape,
        system.matrices,
        np.broadcast_to(system.obs_intercept, (n, shape[0])).copy(),
        np.broadcast_to(system.state_intercept, (n, shape[1])).copy(),
        system.start,
        system.first_step,
    )
    gradient = backend.score(varying, endog)[1]
    for name in ("obs_intercept", "state_intercept"):
        value = getattr(gradient, name)
        k = value.size
        parts = {
            "obs_intercept": np.zeros((k, n, shape[0])),
            "state_intercept": np.zeros((k, n, shape[1])),
        }
        parts[name] = np.eye(k).reshape(k, *value.shape)
        tangents = Tangents(*shape, np.zeros((k, system.matrices.size)), **parts)
        rows = complex_step(varying, endog, tangents)
        bound = 1e-8 * np.abs(rows).sum(axis=0).max()
        np.testing.assert_allclose(value.ravel(), rows.sum(axis=0), rtol=1e-8, atol=bound)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_the_sample_never_determines(backend):
    system = StateSpace.from_arrays(
        design=[[1.0, 1.0], [2.0, 2.0]],
        transition=0.9 * np.eye(2),
        state_cov=np.eye(2),
        obs_cov=np.eye(2),
        initial_diffuse=[True, True],
        first_step="none",
    )
    rng = np.random.default_rng(5)
    endog = rng.normal(size=(8, 2))
    tangents = every_array(rng, system)
    # directions that keep the rank: the limit jumps where the rank does
    kept = [ARRAYS.index(name) for name in ("obs_cov", "state_cov", "obs_intercept")]
    expected = complex_step(system, endog, tangents)[:, kept]
    gradient = along(backend.score(system, endog)[1], tangents)[kept]
    np.testing.assert_allclose(gradient, expected.sum(axis=0), rtol=1e-8)
    rows = backend.score_obs(system, endog, tangents)[1][:, kept]
    np.testing.assert_allclose(rows, expected, rtol=1e-8, atol=1e-9)
