"""Harvey's information has Fisher's as its mean."""

from __future__ import annotations

import numpy as np
import pytest
from kernels import dense
from kernels.systems import BACKENDS, every_array, moved, random_case

from rnnstats.kernels import reference
from rnnstats.kernels.system import StateSpace


def fisher(system: StateSpace, nobs: int, seen: np.ndarray, tangents) -> tuple:
    """dmu' V^-1 dmu + tr(V^-1 dV V^-1 dV) / 2 of the joint distribution, and its moments."""

    def moments(moved_system):
        joint = dense.build(moved_system, nobs)
        load = joint.outputs.load[seen]
        return joint.outputs.mean[seen], load @ joint.cov @ load.T

    mu, V = moments(system)
    d_mu, whitened = [], []
    for k in range(len(tangents)):
        mean, cov = moments(moved(system, tangents, k, 1e-30j))
        d_mu.append(mean.imag / 1e-30)
        whitened.append(np.linalg.solve(V, cov.imag / 1e-30))
    A = np.array(whitened)
    slopes = np.array(d_mu)
    total = slopes @ np.linalg.solve(V, slopes.T) + 0.5 * np.einsum("iab,jba->ij", A, A)
    return total, mu, V


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(0, 48, 3))
def test_mean_is_fishers_information(backend, seed):
    """The formula is quadratic in the data, so sigma points give its mean exactly."""
    system, endog = random_case(seed, nobs=5)
    if system.initial_diffuse.any():
        proper = StateSpace(
            system.k_endog,
            system.k_states,
            system.k_posdef,
            np.concatenate([system.matrices[: -system.k_states], np.zeros(system.k_states)]),
            system.obs_intercept,
            system.state_intercept,
            system.start,
            system.first_step,
        )
        system = proper
    tangents = every_array(np.random.default_rng(seed), system)
    seen = np.flatnonzero(~np.isnan(endog.ravel()))
    expected, mu, V = fisher(system, 5, seen, tangents)

    def at(values: np.ndarray) -> np.ndarray:
        data = endog.copy().ravel()
        data[seen] = values
        return backend.information(system, data.reshape(endog.shape), tangents)

    centre = at(mu)
    mean = centre.copy()
    for column in np.linalg.cholesky(V).T:
        mean += 0.5 * (at(mu + column) + at(mu - column) - 2.0 * centre)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(mean / scale.max(), expected / scale.max(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_diffuse_rows_are_left_out(backend):
    """A random walk with a diffuse start informs by its differences: sum (n - 1) / (2 q^2)."""
    system = StateSpace.from_arrays(
        design=[[1.0]],
        transition=[[1.0]],
        state_cov=[[2.0]],
        initial_diffuse=[True],
        first_step="none",
    )
    tangents = every_array(np.random.default_rng(0), system)
    endog = np.cumsum(np.random.default_rng(1).normal(size=(30, 1)), axis=0)
    total = backend.information(system, endog, tangents)
    step = tangents.state_cov[4, 0, 0]
    assert total[4, 4] == pytest.approx(29 * step**2 / (2 * 2.0**2), rel=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_information_is_symmetric_and_positive(seed):
    system, endog = random_case(seed)
    total = reference.information(system, endog, every_array(np.random.default_rng(2), system))
    np.testing.assert_allclose(total, total.T, rtol=1e-12, atol=1e-12 * np.abs(total).max())
    assert np.linalg.eigvalsh(total)[0] >= -1e-12 * np.abs(total).max()
