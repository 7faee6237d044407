"""Classifications of rows into regimes from which a fit begins."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rnnstats.estimation.starts.regimes import by_quantiles, classifications, features, k_means


def blobs(rng: np.random.Generator, k: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters 20 standard deviations apart."""
    labels = rng.integers(k, size=200)
    centres = 20.0 * np.arange(k)[:, None] * np.ones(d)
    return centres[labels] + rng.standard_normal((200, d)), labels


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("k", [2, 4])
def test_k_means_finds_clusters_in_the_order_of_their_means(k: int, d: int) -> None:
    points, labels = blobs(np.random.default_rng(k), k, d)
    found = k_means(points, k, np.random.default_rng(0), tries=10)
    np.testing.assert_array_equal(found, labels)


def test_k_means_with_fewer_rows_than_clusters() -> None:
    points = np.repeat([[0.0], [1.0]], 3, axis=0)
    found = k_means(points, 4, np.random.default_rng(0))
    assert len(np.unique(found)) == 2
    assert found[0] != found[-1]


def test_quantiles_divide_ties_too() -> None:
    counts = np.bincount(by_quantiles(np.zeros(99), 3))
    np.testing.assert_array_equal(counts, [33, 33, 33])


def test_features_are_free_of_units_and_of_missing_values() -> None:
    values = np.array([[1.0, 0.0], [np.nan, 1.0], [5.0, 2.0], [3.0, 1.0]])
    points = features(values, np.array([0, 3]))
    assert points.shape == (4, 4)  # a number and three categories
    assert points[1, 0] == 0.0
    scaled = features(values * [100.0, 1.0] + [7.0, 0.0], np.array([0, 3]))
    np.testing.assert_allclose(scaled, points, atol=1e-12)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("offsets", [[0, 60], [0, 7, 60]])
def test_classifications_are_weights_and_repeat_with_the_seed(k: int, offsets: list[int]) -> None:
    points = features(np.random.default_rng(1).standard_normal((60, 2)))

    def first(number: int) -> list[np.ndarray]:
        found = classifications(points, np.array(offsets), k, np.random.default_rng(3))
        return [one.weights for one in itertools.islice(found, number)]

    found = first(20)
    for weights in found:
        assert weights.shape == (60, k)
        assert (weights > 0.0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)
    for one, other in zip(found, first(20), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({weights.tobytes() for weights in found}) > 15  # they differ


def test_regimes_of_equal_mean_are_told_apart_by_their_spread() -> None:
    rng = np.random.default_rng(5)
    wild = np.repeat([False, True, False, True], 100)
    points = features((np.where(wild, 5.0, 1.0) * rng.standard_normal(400))[:, None])
    found = classifications(points, np.array([0, 400]), 2, rng)
    spread = next(one for one in found if one.label == "spread")
    agreement = np.mean((spread.weights[:, 1] > 0.5) == wild)
    assert agreement > 0.9
