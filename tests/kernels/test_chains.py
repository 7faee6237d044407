"""Classes of chains and their stationary laws; derivatives are tested with the start laws."""

from __future__ import annotations

import numpy as np

from rnnstats.kernels.chains import closed_classes, eliminated, matrix_at, moved, stationary_law


def test_a_way_back_below_all_numbers_is_none() -> None:
    # Nothing can be said about the law, and nothing is said: no warning (an error in these tests).
    matrix = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [1e-320, 1e-320, 1.0]])
    assert stationary_law(matrix) is None


def test_classes_that_are_never_left() -> None:
    matrix = np.array(
        [[0.5, 0.2, 0.3, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.4, 0.6], [0.0, 0.0, 0.9, 0.1]]
    )
    assert [c.tolist() for c in closed_classes(matrix)] in ([[1], [2, 3]], [[2, 3], [1]])
    assert stationary_law(matrix) is None
    assert stationary_law(np.eye(2)) is None
    one = matrix.copy()
    one[1] = [0.0, 0.5, 0.5, 0.0]
    np.testing.assert_allclose(stationary_law(one), [0.0, 0.0, 0.6, 0.4], rtol=1e-14)


def test_many_chains_at_once() -> None:
    """A batch is its members, to the last digit but for the order of sums."""
    matrices = np.random.default_rng(0).dirichlet(np.ones(4), (5, 4))
    alone = [stationary_law(matrix) for matrix in matrices]
    np.testing.assert_allclose(eliminated(matrices), alone, rtol=1e-15)


def test_a_step_of_states_that_hold_earlier_regimes():
    """The composite matrix by hand: the oldest regime goes, the new one comes in front."""
    rng = np.random.default_rng(1)
    matrix, belief = rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(9))
    due = np.zeros(9)
    for now in range(3):
        for before in range(3):
            for new in range(3):
                due[3 * new + now] += belief[3 * now + before] * matrix[now, new]
    np.testing.assert_allclose(moved(belief, matrix, 1), due, rtol=1e-14)


def test_constant_matrices_are_those_of_every_row():
    matrices = np.random.default_rng(2).dirichlet(np.ones(2), (4, 2))
    np.testing.assert_array_equal(matrix_at(matrices[0], 3), matrices[0])
    np.testing.assert_array_equal(matrix_at(matrices, [1, 3]), matrices[[1, 3]])
