"""Roots that nearly cancel."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.models.cancellation import cancellation_words, cancelling

ONE = np.eye(1)


@pytest.mark.parametrize("gain", [0.5, 0.02, -0.02])
def test_weight_is_the_distance_for_one_state(gain: float) -> None:
    ((root, zero, weight),) = cancelling(0.7 * ONE, ONE, gain * ONE, 4.0 * ONE)
    assert root == pytest.approx(0.7)
    assert zero == pytest.approx(0.7 - gain)
    assert weight == pytest.approx(abs(gain))


def test_words_name_both_roots() -> None:
    (words,) = cancellation_words(0.7 * ONE, ONE, 0.02 * ONE, ONE, 200)
    assert "root 0.700 of W_h" in words
    assert "root 0.680" in words
    assert "distance 0.02" in words
    assert cancellation_words(0.7 * ONE, ONE, 0.5 * ONE, ONE, 200) == []


def test_what_is_near_depends_on_the_number_of_rows() -> None:
    """0.05 is less than ten standard errors of a correlation at 10,000 rows, not at 100,000."""
    system = (0.7 * ONE, ONE, 0.05 * ONE, ONE)
    assert cancellation_words(*system, 10_000)
    assert not cancellation_words(*system, 100_000)


def test_a_common_root_of_several_outputs_is_no_cancellation() -> None:
    """W_h and W_h - K V share 0.5, but that root is seen, and driven by the other output."""
    a, c = np.diag([0.5, -0.3]), np.eye(2)
    k = np.array([[0.0, 0.8], [0.0, 0.5]])
    assert np.linalg.eigvals(a - k @ c) == pytest.approx([0.5, -0.8])
    weights = {root.real: weight for root, _, weight in cancelling(a, c, k, np.eye(2))}
    assert weights == pytest.approx({0.5: 0.8, -0.3: 0.5})
    assert cancellation_words(a, c, k, np.eye(2), 100) == []


def test_exact_cancellation_in_any_basis_and_units() -> None:
    """A third state that no error drives: weight zero; in other units all weights are the same."""
    rng = np.random.default_rng(0)
    a = np.diag([0.8, -0.4, 0.3])
    k = np.array([[0.5, 0.2], [0.3, -0.6], [0.0, 0.0]])
    c, cov = rng.standard_normal((2, 3)), np.array([[1.0, 0.4], [0.4, 2.0]])
    plain = cancelling(a, c, k, cov)
    assert plain[0][0] == pytest.approx(0.3)
    assert plain[0][1] == pytest.approx(0.3)
    assert plain[0][2] == pytest.approx(0.0, abs=1e-12)
    basis, units = rng.standard_normal((3, 3)), np.diag([1e4, 1e-3])
    back = np.linalg.inv(units)
    other = cancelling(
        basis @ a @ np.linalg.inv(basis),
        units @ c @ np.linalg.inv(basis),
        basis @ k @ back,
        units @ cov @ units,
    )
    assert [w for *_, w in other] == pytest.approx([w for *_, w in plain], abs=1e-9)


def test_complex_pairs_are_told_once_and_defective_matrices_are_left_out() -> None:
    turn = np.array([[0.6, 0.5], [-0.5, 0.6]])
    found = cancelling(turn, np.eye(1, 2), np.array([[0.01], [0.02]]), ONE)
    assert len(found) == 1
    assert found[0][0].imag > 0.0
    words = cancellation_words(turn, np.eye(1, 2), np.array([[0.01], [0.02]]), ONE, 100)
    assert "0.600 +- 0.500i" in words[0]
    jordan = np.array([[0.5, 1.0], [0.0, 0.5]])
    assert cancelling(jordan, np.eye(1, 2), np.array([[0.0], [1.0]]), ONE) == []
    assert cancellation_words(np.full((1, 1), np.nan), ONE, ONE, ONE, 100) == []
