"""Directions carried along products of Jacobians, eigenvalues, and the Kaplan-Yorke dimension."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnstats.diagnostics.memory.lyapunov.growth import (
    kaplan_yorke,
    log_moduli,
    spread_out,
    stretches,
)


def offsets(*ends: int) -> np.ndarray:
    return np.array([0, *ends], dtype=np.intp)


def test_stretches_add_up_to_the_singular_values_of_the_product():
    jacobians = np.random.default_rng(1).standard_normal((150, 3, 3))
    product = np.eye(3)
    for one in jacobians:
        product = one @ product
    sizes = np.linalg.svd(product, compute_uv=False)
    total = stretches(jacobians, offsets(150)).sum(axis=0)
    # the singular values are a factor e^40 apart, so that the directions to start in are right to
    # rounding; the product itself, formed as a matrix, keeps its largest one
    assert total[0] == pytest.approx(np.log(sizes[0]), abs=1e-12 * 150)
    assert total.sum() == pytest.approx(np.linalg.slogdet(jacobians)[1].sum(), abs=1e-12 * 150)


def test_each_sequence_begins_anew():
    jacobians = np.random.default_rng(2).standard_normal((30, 2, 2))
    both = stretches(jacobians, offsets(12, 30))
    apart = [stretches(jacobians[:12], offsets(12)), stretches(jacobians[12:], offsets(18))]
    np.testing.assert_array_equal(both, np.concatenate(apart))


def test_directions_start_where_growth_is_largest():
    """With diagonal Jacobians an identity would never turn into the fast direction."""
    found = stretches(np.tile(np.diag([0.5, 0.9]), (50, 1, 1)), offsets(50))
    np.testing.assert_allclose(found.mean(axis=0), np.log([0.9, 0.5]), atol=1e-13)


def test_a_direction_lost_to_rounding_is_lost():
    rng = np.random.default_rng(3)
    jacobians = rng.standard_normal((60, 3, 2)) @ rng.standard_normal((60, 2, 3))
    found = stretches(jacobians, offsets(60)).mean(axis=0)
    assert np.isneginf(found[2])
    assert np.isfinite(found[:2]).all()


def test_small_stretches_that_are_exact_are_kept():
    found = stretches(np.tile(np.diag([1.0, 1e-200]), (5, 1, 1)), offsets(5))
    np.testing.assert_allclose(found.mean(axis=0), [0.0, np.log(1e-200)], atol=1e-12)


def test_eigenvalues_have_the_derivatives_of_differences():
    matrix = np.array([[0.5, 0.4, 0.1], [-0.4, 0.5, 0.3], [0.0, 0.2, -0.7]])
    values, slopes = log_moduli(matrix)
    moduli = np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1]
    np.testing.assert_allclose(values, np.log(moduli), atol=1e-13)
    step = 1e-6
    for cell in range(9):
        moved = [matrix.copy(), matrix.copy()]
        moved[0].flat[cell] += step
        moved[1].flat[cell] -= step
        above, below = (log_moduli(one)[0] for one in moved)
        # central differences: error of order step^2 and rounding over step
        np.testing.assert_allclose(slopes[:, cell], (above - below) / (2 * step), atol=1e-8)


def test_eigenvalues_that_are_zero_but_for_rounding_are_zero():
    matrix = np.outer([1.0, 2.0, 3.0], [0.2, 0.1, 0.1])
    matrix[0, 0] += 0.1
    values, slopes = log_moduli(matrix)
    assert np.isneginf(values[2])
    assert np.isfinite(values[:2]).all()
    assert np.isnan(slopes[2]).all()
    tiny, _ = log_moduli(np.diag([1.0, 1e-100]))
    assert tiny[1] == pytest.approx(np.log(1e-100), rel=1e-14)


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [
        ([-0.1, -0.2], 0.0),
        ([0.1, 0.2], 2.0),
        ([0.42, -1.62], 1.0 + 0.42 / 1.62),
        ([0.9056, 0.0, -14.5723], 2.0 + 0.9056 / 14.5723),
        ([0.0, -1.0], 1.0),
        ([0.5, -np.inf], 1.0),
        ([0.5, -0.2, -0.2, -0.2, -1.0], 3.0 + 0.1 / 0.2),
    ],
)
def test_kaplan_yorke_dimension_by_hand(exponents, dimension):
    assert kaplan_yorke(np.array(exponents)).value == pytest.approx(dimension, rel=1e-14)


@given(st.floats(0.05, 1.0), st.floats(-0.04, 0.5), st.floats(-3.0, -1.6))
def test_kaplan_yorke_slopes_are_those_of_differences(first, second, third):
    point = np.array([first, second, third])
    slopes = kaplan_yorke(point).slopes
    for j in range(3):
        moved = np.eye(3)[j] * 1e-6
        rise = kaplan_yorke(point + moved).value - kaplan_yorke(point - moved).value
        assert slopes[j] == pytest.approx(rise / 2e-6, abs=1e-7)


def test_rows_spread_out_keep_mean_and_variance_of_the_mean():
    rows = np.random.default_rng(4).standard_normal((80, 2))
    kept = np.arange(100) >= 20
    whole = spread_out(rows, kept)
    np.testing.assert_allclose(whole.mean(axis=0), rows.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(whole.var(axis=0) / 100, rows.var(axis=0) / 80, rtol=1e-12)
