"""Singular values of the powers of a matrix."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.diagnostics.memory.products.powers import log_singular_values

MATRICES = {
    "random": np.random.default_rng(0).standard_normal((4, 4)) * 0.5,
    "wrong order": np.array([[0.5, 3.0], [0.0, 0.9]]),
    "diagonal": np.diag([0.5, 0.9, 1.1]),
    "turning": np.array([[0.9, 0.3], [-0.3, 0.9]]),
    "one": np.array([[-0.7]]),
    "nilpotent": np.array([[0.0, 2.0, 1.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]),
    "zero": np.zeros((2, 2)),
}


@pytest.mark.parametrize("name", list(MATRICES))
def test_singular_values_of_low_powers(name: str) -> None:
    matrix = MATRICES[name]
    found = np.exp(log_singular_values(matrix, 9))
    for k in range(10):
        direct = np.linalg.svd(np.linalg.matrix_power(matrix, k), compute_uv=False)
        # the direct ones are exact relative to the largest only
        np.testing.assert_allclose(found[k], direct, rtol=1e-10, atol=1e-14 * max(1, direct[0]))


@pytest.mark.parametrize("size", [1.5, pytest.param(0.3, marks=pytest.mark.slow)])
def test_a_hundred_thousand_steps(size: float) -> None:
    steps = 100_000
    rng = np.random.default_rng(1)
    matrix = size * rng.standard_normal((3, 3))
    found = log_singular_values(matrix, steps)
    assert np.isfinite(found).all()
    assert abs(found).max() > 800  # no float64 holds the numbers themselves
    k = np.arange(steps + 1)
    # the product of the singular values is the determinant; rounding of eps a step
    total = k * np.linalg.slogdet(matrix)[1]
    np.testing.assert_allclose(found.sum(axis=1), total, rtol=1e-10, atol=1e-10)
    moduli = np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1]
    # Gelfand's formula; the constant in front of it is divided by the number of steps
    np.testing.assert_allclose(found[-1] / steps, np.log(moduli), atol=20 / steps)


def test_a_jordan_block_stretches_as_known_in_closed_form() -> None:
    a, k = 0.5, np.arange(20_001)
    found = log_singular_values(np.array([[a, 1.0], [0.0, a]]), 20_000)
    stretch = np.arcsinh(k / (2 * a))  # of [[1, k / a], [0, 1]]
    exact = np.column_stack([k * np.log(a) + stretch, k * np.log(a) - stretch])
    np.testing.assert_allclose(found, exact, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("values", [[2.0, 1e-3], [1e-3, 2.0]])
def test_roots_far_apart_keep_their_digits(values: list[float]) -> None:
    """Singular values 1e-30000 of each other, in a basis that is not orthogonal, in any order."""
    basis = np.array([[1.0, 0.5], [0.0, 1.0]])
    matrix = basis @ np.diag(values) @ np.linalg.inv(basis)
    k = 10_000
    found = log_singular_values(matrix, k)[k]
    # the limit for roots far apart: 2^k times the rank-one projector's norm
    large = values.index(2.0)
    projector = np.outer(basis[:, large], np.linalg.inv(basis)[large])
    first = k * np.log(2.0) + np.log(np.linalg.norm(projector, 2))
    np.testing.assert_allclose(found, [first, k * np.log(2e-3) - first], rtol=1e-12)
