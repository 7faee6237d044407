"""Sums over paths against the paths themselves."""

from __future__ import annotations

from itertools import product

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from rnnstats.diagnostics.memory.paths.sums import (
    matrix_length_sums,
    path_lengths,
    path_weights,
    scalar_length_sums,
)

SIZES = st.floats(0.05, 2.0)
FACTORS = st.one_of(st.just(0.0), SIZES, SIZES.map(lambda x: -x))


def test_paths_are_numbered_by_their_branch_steps():
    kept, branch = np.array([2.0, 3.0, 5.0]), np.array([7.0, 11.0, 13.0])
    weights, lengths = path_weights(kept, branch), path_lengths(3)
    for path, bits in enumerate(product((0, 1), repeat=3)):
        choice = bits[::-1]  # bit t - 1 of the number is step t
        known = np.prod([branch[t] if choice[t] else kept[t] for t in range(3)])
        assert weights[path] == known
        assert lengths[path] == sum(choice)


def test_matrix_paths_multiply_later_factors_from_the_left():
    rng = np.random.default_rng(0)
    kept, branch = rng.standard_normal((2, 2, 3, 3))
    found = path_weights(kept, branch)
    np.testing.assert_allclose(found[1], kept[1] @ branch[0], rtol=1e-14)
    np.testing.assert_allclose(found[2], branch[1] @ kept[0], rtol=1e-14)


@pytest.mark.parametrize("steps", range(1, 13))
def test_all_paths_up_to_12_steps_sum_to_the_product(steps):
    rng = np.random.default_rng(steps)
    kept, branch = rng.standard_normal((2, steps))
    weights = path_weights(kept, branch)
    assert len(weights) == 2**steps == len(path_lengths(steps))
    # rounding of a sum is relative to the sum of moduli
    size = np.abs(weights).sum()
    assert abs(weights.sum() - np.prod(kept + branch)) < 1e-14 * size
    kept, branch = rng.standard_normal((2, steps, 2, 2))
    known = np.eye(2)
    for a, b in zip(kept, branch, strict=True):
        known = (a + b) @ known
    weights = path_weights(kept, branch)
    assert weights.shape == (2**steps, 2, 2)
    size = np.abs(weights).sum()
    np.testing.assert_allclose(weights.sum(axis=0), known, atol=1e-14 * size)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FACTORS, FACTORS), min_size=1, max_size=9))
def test_sums_by_length_are_those_of_the_paths(pairs):
    kept, branch = np.array(pairs).T
    weights, lengths = path_weights(kept, branch), path_lengths(len(pairs))
    sums = scalar_length_sums(kept, branch)
    sizes = np.bincount(lengths, np.abs(weights), len(pairs) + 1)
    np.testing.assert_allclose(np.exp(sums.log_size), sizes, rtol=1e-12)
    gradient = float(np.prod(kept + branch))
    found = float(sums.direction) * np.exp(sums.log_total)
    np.testing.assert_allclose(found, gradient, rtol=1e-12, atol=0.0)
    if gradient != 0.0 and sizes.sum() < 1e6 * abs(gradient):
        known = np.bincount(lengths, weights, len(pairs) + 1) / gradient
        # rounding relative to the moduli, at most 1e6 times the product
        np.testing.assert_allclose(sums.share, known, atol=1e-8)


def test_matrix_sums_by_length_are_those_of_the_paths():
    kept, branch = np.random.default_rng(4).standard_normal((2, 9, 3, 3))
    weights, lengths = path_weights(kept, branch), path_lengths(9)
    sums = matrix_length_sums(kept, branch)
    known = np.array([weights[lengths == k].sum(axis=0) for k in range(10)])
    gradient = weights.sum(axis=0)
    norm = np.linalg.norm(gradient)
    np.testing.assert_allclose(
        np.exp(sums.log_size), np.linalg.norm(known, axis=(1, 2)), rtol=1e-11
    )
    np.testing.assert_allclose(sums.direction, gradient / norm, atol=1e-11)
    np.testing.assert_allclose(np.exp(sums.log_total), norm, rtol=1e-11)
    share = (known * gradient).sum(axis=(1, 2)) / norm**2
    np.testing.assert_allclose(sums.share, share, atol=1e-10)
    assert abs(sums.share.sum() - 1.0) < 1e-12


def test_matrices_of_one_cell_are_numbers():
    kept, branch = np.abs(np.random.default_rng(4).standard_normal((2, 40)))
    numbers = scalar_length_sums(kept, branch)
    cells = matrix_length_sums(kept[:, None, None], branch[:, None, None])
    np.testing.assert_allclose(cells.log_size, numbers.log_size, rtol=1e-12)
    np.testing.assert_allclose(cells.share, numbers.share, rtol=1e-11)
    assert cells.log_total == pytest.approx(numbers.log_total, rel=1e-13)


def test_lengths_of_equal_steps_are_binomial():
    # (a + b)^T: the length has a binomial law with b / (a + b); tails far below the range of floats
    steps = 10_000
    found = scalar_length_sums(np.full(steps, 3.0), np.full(steps, 1.0))
    known = stats.binom.logpmf(np.arange(steps + 1), steps, 0.25) + steps * np.log(4.0)
    # the known side, gammaln of 1e4, is good to 1e-11 of 1e4
    np.testing.assert_allclose(found.log_size, known, atol=1e-7)
    assert found.log_total == pytest.approx(steps * np.log(4.0), rel=1e-13)
    assert abs(found.share.sum() - 1.0) < 1e-9


def test_10000_unequal_steps_neither_overflow_nor_vanish():
    rng = np.random.default_rng(1)
    kept, branch = np.exp(rng.normal(0.0, 3.0, (2, 10_000)))
    found = scalar_length_sums(kept, branch)
    assert np.isfinite(found.log_size).all()
    total = np.log(kept + branch).sum()
    assert abs(np.logaddexp.reduce(found.log_size) - total) < 1e-8
    assert abs(found.log_size[0] - np.log(kept).sum()) < 1e-8
    assert abs(found.log_size[-1] - np.log(branch).sum()) < 1e-7
    mean = (branch / (kept + branch)).sum()
    weights = np.exp(found.log_size - total)
    assert abs(np.arange(10_001) @ weights - mean) < 1e-6


def test_2000_matrix_steps():
    rng = np.random.default_rng(1)
    kept = np.broadcast_to(0.5 * np.eye(2), (2000, 2, 2))
    branch = 1e-3 * rng.uniform(0.0, 1.0, (2000, 2, 2))
    found = matrix_length_sums(kept, branch)
    assert abs(found.share.sum() - 1.0) < 1e-10
    product, scale = np.eye(2), 0.0
    for a, b in zip(kept, branch, strict=True):
        product = (a + b) @ product
        scale += np.log(np.linalg.norm(product))
        product = product / np.linalg.norm(product)
    assert abs(found.log_total - scale) < 1e-9
    np.testing.assert_allclose(found.direction, product, atol=1e-11)


def test_shares_that_rounding_would_fill_are_left_out():
    found = scalar_length_sums(np.full(60, 1.0), np.full(60, -0.9))
    # (1.9 / 0.1)^60 is 1e76
    assert np.isnan(found.share).all()
    assert found.log_total == pytest.approx(60.0 * np.log(0.1), rel=1e-12)
    assert np.isfinite(found.log_size).all()
    cells = matrix_length_sums(np.full((60, 1, 1), 1.0), np.full((60, 1, 1), -0.9))
    assert np.isnan(cells.share).all()


def test_the_product_is_not_taken_from_parts_that_cancel():
    # a stable rotation read as 1 + (A - 1): parts of size 1.9^100 leave 0.9^100
    turn = 0.9 * np.array([[np.cos(1.0), -np.sin(1.0)], [np.sin(1.0), np.cos(1.0)]])
    kept = np.broadcast_to(np.eye(2), (100, 2, 2))
    found = matrix_length_sums(kept, turn - kept)
    assert found.log_total == pytest.approx(100.0 * np.log(0.9) + 0.5 * np.log(2.0), rel=1e-12)
    known = np.linalg.matrix_power(turn / 0.9, 100) / np.sqrt(2.0)
    np.testing.assert_allclose(found.direction, known, atol=1e-12)
    assert np.isnan(found.share).all()


def test_a_step_that_lets_nothing_through():
    found = scalar_length_sums(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    assert found.log_total == -np.inf and (found.log_size == -np.inf).all()
    assert np.isnan(found.share).all()
    nothing = np.zeros((2, 2, 2))
    found = matrix_length_sums(nothing, nothing)
    assert found.log_total == -np.inf and not found.direction.any()
    nilpotent = np.broadcast_to([[0.0, 1.0], [0.0, 0.0]], (3, 2, 2))
    found = matrix_length_sums(nilpotent, 2.0 * nilpotent)
    assert found.log_total == -np.inf and np.isnan(found.share).all()
    assert (found.log_size == -np.inf).all() and not found.direction.any()


@pytest.mark.statistical
def test_random_paths_have_the_distribution_of_lengths():
    rng = np.random.default_rng(7)
    kept, branch = rng.uniform(0.2, 1.0, (2, 80))
    found = scalar_length_sums(kept, branch)
    known = np.exp(found.log_size - np.logaddexp.reduce(found.log_size))
    draws = (rng.uniform(size=(20_000, 80)) < branch / (kept + branch)).sum(axis=1)
    seen = np.bincount(draws, minlength=81)
    part = known * 20_000 > 5.0
    score = (seen[part] - 20_000 * known[part]) ** 2 / (20_000 * known[part])
    assert stats.chi2.sf(score.sum(), part.sum() - 1) > 0.001
