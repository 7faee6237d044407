"""Ridge regression has all of this in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import covariance
from rnnstats.estimation.penalised import effective_df, penalised_covariance


def regression(seed=0, n=60, k=4):
    """Curvature of a regression with unit variance, ridge, scores of the rows at the estimate."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, k)) @ rng.standard_normal((k, k))
    y = x @ rng.standard_normal(k) + rng.standard_normal(n)
    ridge = np.diag([0.0, 3.0, 3.0, 10.0])
    beta = np.linalg.solve(x.T @ x + ridge, x.T @ y)
    return x, ridge, (y - x @ beta)[:, None] * x


def test_effective_parameters_are_the_trace_of_the_hat_matrix():
    x, ridge, _ = regression()
    hat = x @ np.linalg.solve(x.T @ x + ridge, x.T)
    assert effective_df(x.T @ x, ridge) == pytest.approx(np.trace(hat), abs=1e-10)
    assert effective_df(x.T @ x, 0.0 * ridge) == pytest.approx(4.0, abs=1e-10)
    assert effective_df(x.T @ x, 1e12 * np.eye(4)) == pytest.approx(0.0, abs=1e-6)


def test_effective_parameters_do_not_depend_on_units():
    x, ridge, _ = regression()
    units = np.array([1e-4, 1.0, 1e3, 1e5])
    scaled = effective_df(x.T @ x * np.outer(units, units), ridge * np.outer(units, units))
    assert scaled == pytest.approx(effective_df(x.T @ x, ridge), rel=1e-8)


def test_directions_that_curve_the_wrong_way_count_nothing():
    curvature = np.diag([4.0, -2.0])
    assert effective_df(curvature, np.eye(2)) == pytest.approx(4.0 / 5.0, abs=1e-12)


def test_covariance_is_that_of_the_ridge_estimator():
    x, ridge, scores = regression()
    inner = x.T @ x
    bread = np.linalg.inv(inner + ridge)
    found = penalised_covariance("oim", ridge=ridge, hessian=-inner)
    np.testing.assert_allclose(found.cov, bread @ inner @ bread, rtol=1e-10, atol=1e-14)
    approx = penalised_covariance("approx", ridge=ridge, information=inner)
    np.testing.assert_allclose(approx.cov, found.cov, rtol=1e-12)
    robust = penalised_covariance("robust", ridge=ridge, hessian=-inner, score_obs=scores)
    meat = scores.T @ scores
    np.testing.assert_allclose(robust.cov, bread @ meat @ bread, rtol=1e-10, atol=1e-14)
    opg = penalised_covariance("opg", ridge=ridge, score_obs=scores)
    outer = np.linalg.inv(meat + ridge)
    np.testing.assert_allclose(opg.cov, outer @ meat @ outer, rtol=1e-9, atol=1e-14)
    # the variance of a function, by the same matrix
    slope = np.array([[1.0, -2.0, 0.5, 0.0]])
    assert found.of(slope)[0, 0] == pytest.approx((slope @ found.cov @ slope.T).item(), rel=1e-10)


def test_without_a_penalty_it_is_the_ordinary_one():
    x, ridge, scores = regression()
    inner = x.T @ x
    for kind in ("oim", "opg", "robust", "none"):
        one = penalised_covariance(kind, ridge=0.0 * ridge, hessian=-inner, score_obs=scores)
        other = covariance(kind, hessian=-inner, score_obs=scores)
        np.testing.assert_allclose(one.cov, other.cov, rtol=1e-9)


def test_a_penalty_gives_unidentified_directions_a_finite_variance():
    inner = np.diag([5.0, 0.0])
    found = penalised_covariance("oim", ridge=np.diag([0.0, 2.0]), hessian=-inner)
    np.testing.assert_allclose(found.cov, np.diag([0.2, 0.0]), atol=1e-15)
    bare = penalised_covariance("oim", ridge=np.zeros((2, 2)), hessian=-inner, names=["a", "b"])
    assert bare.unidentified == ("b",)
    assert "penalised" in bare.message


def test_restrictions_come_first():
    x, ridge, _ = regression()
    inner = x.T @ x
    ties = np.eye(4)[:, [0, 2, 3]]
    ties[1, 0] = 1.0  # the second is tied to the first
    found = penalised_covariance("oim", ridge=ridge, hessian=-inner, expansion=ties)
    bread = np.linalg.inv(ties.T @ (inner + ridge) @ ties)
    expected = ties @ bread @ (ties.T @ inner @ ties) @ bread @ ties.T
    np.testing.assert_allclose(found.cov, expected, rtol=1e-10, atol=1e-14)


def test_what_is_missing_is_asked_for():
    with pytest.raises(SpecificationError, match="needs hessian"):
        penalised_covariance("oim", ridge=np.eye(2), information=np.eye(2))
    with pytest.raises(SpecificationError, match="needs score_obs"):
        penalised_covariance("robust", ridge=np.eye(2), hessian=-np.eye(2))
    with pytest.raises(SpecificationError, match="of one size"):
        effective_df(np.eye(2), np.eye(3))
