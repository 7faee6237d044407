"""Lloyd's algorithm: compiled, beside its twin in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.kernels import clusters
from rnnstats.kernels.reference import clusters as slow


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("d", [1, 3])
def test_lloyd_is_the_twin(k: int, d: int) -> None:
    rng = np.random.default_rng(k)
    points = rng.normal(size=(150, d)) + 3.0 * rng.integers(0, 3, size=(150, 1))
    centres = points[:k].copy()
    labels, cost = clusters.lloyd(points, centres, rounds=6, gain=1e-4)
    expected, height = slow.lloyd(points, centres, 6, 1e-4)
    np.testing.assert_array_equal(labels, expected)
    assert cost == pytest.approx(height, rel=1e-12)
    assert (centres == points[:k]).all()  # arguments are left as they were


def test_a_centre_without_rows_stays() -> None:
    points = np.array([[0.0], [1.0], [10.0], [11.0]])
    labels, cost = clusters.lloyd(points, np.array([[0.0], [10.0], [99.0]]), rounds=9, gain=0.0)
    assert labels.tolist() == [0, 0, 1, 1]
    assert cost == pytest.approx(1.0, rel=1e-15)
