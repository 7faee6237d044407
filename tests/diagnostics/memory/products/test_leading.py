"""Largest singular values of many small matrices against LAPACK."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.diagnostics.memory.products.leading import leading_directions, leading_norms


def matrices(m: int) -> np.ndarray:
    """Random ones, nearly singular ones, ones far from it, and ones of very unequal cells."""
    rng = np.random.default_rng(m)
    plain = rng.standard_normal((200, m, m))
    single = rng.standard_normal((50, m, 1)) * rng.standard_normal((50, 1, m)) + 1e-9 * plain[:50]
    turns = np.linalg.qr(plain[:50])[0] * np.linspace(1.0, 1.2, m)
    return np.concatenate([plain, single, turns, plain[:50] * 10.0 ** rng.uniform(-8, 8, (m, m))])


@pytest.mark.parametrize("m", [2, 3, 5])
def test_norms_and_directions_are_those_of_lapack(m):
    given = matrices(m)
    left, sizes, right = np.linalg.svd(given)
    size = np.abs(given).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(leading_norms(given / size) * size[:, 0, 0], sizes[:, 0], rtol=1e-14)
    found = leading_directions(given / size)
    known = left[:, :, :1] * right[:, :1]
    # vectors are as certain as the gap to the next singular value lets them be
    gap = 1.0 - sizes[:, 1] / sizes[:, 0]
    away = np.abs(found - known).max(axis=(1, 2))
    assert (away <= 20.0 * m * np.finfo(float).eps / gap).all()
    np.testing.assert_allclose((found * given).sum(axis=(1, 2)), sizes[:, 0], rtol=1e-13)


@pytest.mark.parametrize("m", [2, 3])
def test_equal_singular_values_and_zeros(m):
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((m, m)))[0]
    given = np.stack([np.eye(m), -np.eye(m), turn, np.zeros((m, m))])
    np.testing.assert_allclose(leading_norms(given), [1.0, 1.0, 1.0, 0.0], rtol=1e-14)
    found = leading_directions(given)
    np.testing.assert_allclose((found * given).sum(axis=(1, 2)), [1.0, 1.0, 1.0, 0.0], rtol=1e-14)
    for one in found[:3]:
        assert np.linalg.norm(one) == pytest.approx(1.0, rel=1e-14)
