"""The analytic linear algebra of the twin, and the stationary covariance of either backend."""

from __future__ import annotations

import numpy as np
import pytest
from kernels import dense
from kernels.systems import BACKENDS

from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError
from rnnstats.kernels.reference.algebra import (
    cholesky,
    psd_part,
    pseudo_inverse,
    solve_lower,
    solve_upper,
)


def _wishart(rng: np.random.Generator, n: int, rank: int) -> np.ndarray:
    factor = rng.normal(size=(n, rank))
    return factor @ factor.T


@pytest.mark.parametrize("n", [1, 2, 5])
def test_cholesky_and_solves(n):
    rng = np.random.default_rng(n)
    a, b = _wishart(rng, n, n + 2), rng.normal(size=(n, 3))
    lower = cholesky(a, 0)
    np.testing.assert_allclose(lower, np.linalg.cholesky(a), rtol=1e-12, atol=1e-13)
    solved = solve_upper(lower, solve_lower(lower, b))
    np.testing.assert_allclose(a @ solved, b, rtol=1e-9, atol=1e-9)


def test_cholesky_refuses_with_the_row():
    with pytest.raises(NotPositiveDefiniteError, match="row 7") as caught:
        cholesky(np.array([[1.0, 1.0], [1.0, 1.0]]), 7)
    assert caught.value.period == 7
    with pytest.raises(NotPositiveDefiniteError):
        cholesky(np.array([[np.nan]]), 0)


def test_a_complex_step_passes_the_cholesky():
    rng = np.random.default_rng(0)
    a, d = _wishart(rng, 4, 6), _wishart(rng, 4, 4)
    got = 2.0 * np.log(np.diag(cholesky(a + 1e-30j * d, 0))).sum().imag / 1e-30
    assert got == pytest.approx(np.trace(np.linalg.solve(a, d)), rel=1e-12)


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_pseudo_inverse(rank):
    rng = np.random.default_rng(rank)
    a = _wishart(rng, 4, rank) * np.outer([1.0, 1e4, 1e-4, 1.0], [1.0, 1e4, 1e-4, 1.0])
    result = pseudo_inverse(a)
    values, vectors = np.linalg.eigh(_wishart(np.random.default_rng(rank), 4, rank))
    assert result.rank == rank
    plain = pseudo_inverse(_wishart(np.random.default_rng(rank), 4, rank))
    kept = values > 1e-10 * max(values.max(), 1e-300)
    expected = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    np.testing.assert_allclose(plain.factor @ plain.factor.T, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(plain.null, vectors[:, ~kept] @ vectors[:, ~kept].T, atol=1e-10)
    assert plain.log_det == pytest.approx(np.log(values[kept]).sum(), abs=1e-9)


def test_psd_part_takes_the_rounding_off():
    a = np.diag([1.0, -1e-17, 0.5])
    np.testing.assert_allclose(psd_part(a), np.diag([1.0, 0.0, 0.5]), atol=1e-15)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("m", [1, 2, 4, 8])
def test_stationary_covariance(backend, m):
    rng = np.random.default_rng(m)
    transition = rng.normal(size=(m, m))
    transition *= 0.97 / np.abs(np.linalg.eigvals(transition)).max()
    noise = _wishart(rng, m, max(1, m - 1))
    found = backend.stationary_covariance(transition, noise)
    expected = dense.kronecker_lyapunov(transition, noise)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12])
def test_stationary_covariance_near_a_unit_root(backend, gap):
    """W / (1 - phi^2) for the root, psd for all; conditioning costs eps / gap of the digits."""
    transition = np.array([[1.0 - gap, 0.3], [0.0, 0.5]])
    found = backend.stationary_covariance(transition, np.diag([1.0, 0.0]))
    phi = transition[0, 0]
    assert found[0, 0] == pytest.approx(1.0 / (1.0 - phi * phi), rel=1e-15 / gap)
    both = backend.stationary_covariance(transition, np.eye(2))
    values = np.linalg.eigvalsh(both)
    assert values[0] >= -1e-15 * values[1]
    np.testing.assert_array_equal(both, both.T)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_stationary_covariance(backend):
    with pytest.raises(NotStationaryError):
        backend.stationary_covariance(np.array([[0.5, 0.0], [9.0, 1.0]]), np.eye(2))
