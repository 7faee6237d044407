"""Covariances given parameters at the boundary."""

from __future__ import annotations

import numpy as np

from rnnstats.estimation.covariance import covariance
from rnnstats.estimation.estimable import delta_method


def test_parameters_at_the_boundary_may_be_taken_as_known():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((4, 8))
    information = root @ root.T
    hessian = -information
    hessian[2, :] = hessian[:, 2] = np.nan
    found = covariance("oim", hessian=hessian)
    np.testing.assert_array_equal(found.at_boundary, [False, False, True, False])
    assert found.varying.all()
    jac = rng.standard_normal((3, 4))
    assert np.isnan(delta_method(jac, found)).all()
    held = found.holding_boundary()
    np.testing.assert_array_equal(held.varying, [True, True, False, True])
    rest = [0, 1, 3]
    known = jac[:, rest] @ np.linalg.solve(information[np.ix_(rest, rest)], jac[:, rest].T)
    np.testing.assert_allclose(held.of(jac), known, rtol=1e-12)
    np.testing.assert_allclose(held.among(rest).of(jac[:, rest]), known, rtol=1e-12)


def test_a_full_covariance_has_nothing_to_hold():
    found = covariance("oim", hessian=-np.eye(2))
    assert not found.at_boundary.any()
    assert found.holding_boundary() is found
    none = covariance("none", hessian=-np.eye(2))
    assert not none.at_boundary.any()
    assert none.varying.all()
