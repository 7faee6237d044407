"""Products of Jacobians against products formed directly."""

from __future__ import annotations

import numpy as np

from rnnstats.diagnostics.memory.products.powers import log_norms, log_stretches


def matrices(n=60, m=3, seed=2):
    return 0.7 * np.random.default_rng(seed).standard_normal((n, m, m))


def test_norms_are_those_of_the_products():
    jacobians, offsets = matrices(), np.array([0, 25, 60])
    found = log_norms(jacobians, offsets, 4)
    starts = [*range(22), *range(25, 57)]
    assert found.shape == (5, len(starts))
    for column, t in enumerate(starts):
        product = np.eye(3)
        for k in range(4):
            product = jacobians[t + k] @ product
            known = np.log(np.linalg.norm(product, 2))
            assert abs(found[k + 1, column] - known) < 1e-12


def test_stretches_add_up_to_the_determinant_and_to_the_growth():
    jacobians, offsets = matrices(), np.array([0, 25, 60])
    found = log_stretches(jacobians, offsets)
    np.testing.assert_allclose(found.sum(axis=1), np.linalg.slogdet(jacobians)[1], rtol=1e-10)
    product = np.eye(3)
    for one in jacobians[:25]:
        product = one @ product
    # the first frame vector is the product's first column
    np.testing.assert_allclose(
        found[:25, 0].sum(), np.log(np.linalg.norm(product[:, 0])), rtol=1e-10
    )


def test_a_constant_matrix_grows_at_its_spectral_radius():
    matrix = np.array([[0.5, 0.2], [0.1, 0.4]])
    found = log_stretches(np.broadcast_to(matrix, (400, 2, 2)), np.array([0, 400]))
    roots = np.log(np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1])
    np.testing.assert_allclose(found[100:].mean(axis=0), roots, rtol=1e-10)


def test_thousands_of_steps_neither_vanish_nor_overflow():
    tiny = np.broadcast_to(1e-3 * np.eye(2), (3000, 2, 2))
    found = log_norms(tiny, np.array([0, 3000]), 2990)
    np.testing.assert_allclose(found[-1], 2990 * np.log(1e-3), rtol=1e-12)
    lost = log_norms(np.zeros((5, 2, 2)), np.array([0, 5]), 2)
    assert (lost[1:] == -np.inf).all()
