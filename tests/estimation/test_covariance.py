"""Covariance matrices against closed forms and statsmodels; derivatives by differences."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.errors import NotStationaryError, SpecificationError
from rnnstats.estimation.covariance import (
    COV_TYPES,
    covariance,
    delta_method,
    hessian_from_score,
    hessian_with_error,
    jacobian,
)


@pytest.fixture(scope="module")
def poisson():
    """A Poisson regression at its maximum: exact derivatives."""
    rng = np.random.default_rng(11)
    X = np.column_stack([np.ones(120), rng.normal(size=(120, 2))])
    y = rng.poisson(np.exp(X @ [0.4, 0.5, -0.3])).astype(float)
    beta = np.zeros(3)
    for _ in range(30):
        mean = np.exp(X @ beta)
        beta = beta + np.linalg.solve((X.T * mean) @ X, X.T @ (y - mean))
    mean = np.exp(X @ beta)
    return X, y, beta, -(X.T * mean) @ X, X * (y - mean)[:, None]


def test_hessian_of_a_regression(poisson):
    X, y, beta, hessian, _ = poisson

    def score(b):
        return X.T @ (y - np.exp(X @ b))

    scale = 1.0 / np.sqrt(-np.diag(hessian))
    size = np.sqrt(np.outer(np.diag(hessian), np.diag(hessian)))
    for found in (hessian_from_score(score, beta, scale=scale), hessian_from_score(score, beta)):
        assert (np.abs(found - hessian) / size).max() < 1e-10
        np.testing.assert_array_equal(found, found.T)


def test_hessian_keeps_its_accuracy_in_any_units(poisson):
    X, y, beta, hessian, _ = poisson
    units = np.array([1e6, 1.0, 1e-5])

    def score(b):
        return X.T @ (y - np.exp(X @ (b / units))) / units

    found = hessian_from_score(score, beta * units) * np.outer(units, units)
    size = np.sqrt(np.outer(np.diag(hessian), np.diag(hessian)))
    assert (np.abs(found - hessian) / size).max() < 1e-8


def test_hessian_error_estimate_covers_the_error():
    """A score with noise of 1e-6: the estimate tells its order of magnitude."""
    rng = np.random.default_rng(3)
    matrix = -np.array([[4.0, 1.0, 0.3], [1.0, 2.0, 0.1], [0.3, 0.1, 1.0]])
    found, error = hessian_with_error(
        lambda x: matrix @ x + 1e-6 * rng.normal(size=3), np.zeros(3), scale=[0.5, 0.7, 1.0]
    )
    actual = np.abs(found - matrix).max()
    assert 1e-6 < actual < 30.0 * error.max() < 30.0 * 1e-2


def test_hessian_shrinks_its_step_at_the_edge():
    """Log-likelihood log(1 - x^2) at 0.999 has neighbours on one side only for long steps."""

    def score(x):
        if abs(x[0]) >= 1.0:
            raise NotStationaryError("outside")
        return -2.0 * x / (1.0 - x**2)

    x = 0.999
    exact = -2.0 * (1.0 + x**2) / (1.0 - x**2) ** 2
    found = hessian_from_score(score, [x], scale=[1.0])[0, 0]
    assert abs(found / exact - 1.0) < 1e-5
    assert np.isnan(hessian_from_score(lambda x: np.full(1, np.nan), [0.0])).all()


def test_jacobian_of_a_vector_function():
    found = jacobian(lambda x: np.array([np.sin(x[0]) * x[1], np.exp(x[1]), x[0]]), [0.3, 1.2])
    exact = [[np.cos(0.3) * 1.2, np.sin(0.3)], [0.0, np.exp(1.2)], [1.0, 0.0]]
    np.testing.assert_allclose(found, exact, atol=1e-11)


def test_formulas(poisson):
    """Each kind is its formula; with a canonical link H = -I, so oim equals approx."""
    _, _, _, hessian, scores = poisson
    bread = np.linalg.inv(-hessian)
    meat = scores.T @ scores
    expected = {
        "oim": bread,
        "approx": bread,
        "opg": np.linalg.inv(meat),
        "robust": bread @ meat @ bread,
        "robust_approx": bread @ meat @ bread,
        "cluster": bread @ meat @ bread,  # every row its own group
        "hac": bread @ meat @ bread,  # no lags
    }
    options = {
        "cluster": {"groups": np.arange(len(scores)), "correction": False},
        "hac": {"maxlags": 0},
    }
    for kind in COV_TYPES:
        found = covariance(
            kind,
            hessian=hessian,
            information=-hessian,
            score_obs=scores,
            cov_kwds=options.get(kind),
        )
        assert found.message == ""
        if kind == "none":
            assert np.isnan(found.cov).all()
        else:
            np.testing.assert_allclose(found.cov, expected[kind], rtol=1e-10)
            assert (found.rank, found.k_free) == (3, 3)


@pytest.mark.crosspkg
def test_against_statsmodels(poisson):
    sm = pytest.importorskip("statsmodels.api")
    X, y, _, hessian, scores = poisson
    model = sm.Poisson(y, X)
    plain = model.fit(disp=0, tol=1e-12)
    robust = model.fit(disp=0, tol=1e-12, cov_type="HC0")
    found = covariance("oim", hessian=hessian, score_obs=scores).cov
    np.testing.assert_allclose(found, plain.cov_params(), rtol=1e-8)
    found = covariance("robust", hessian=hessian, score_obs=scores).cov
    np.testing.assert_allclose(found, robust.cov_params(), rtol=1e-8)


def test_restrictions_through_the_expansion(poisson):
    """theta = (free0, free1, free1) and a fixed fourth: same as the regression on x1 + x2."""
    _, _, _, hessian, _ = poisson
    full = np.zeros((4, 4))
    full[:3, :3] = hessian
    full[3, 3] = -1.0
    ties = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    found = covariance("oim", hessian=full, expansion=ties).cov
    combined = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    free = np.linalg.inv(-combined.T @ hessian @ combined)
    np.testing.assert_allclose(found, ties @ free @ ties.T, rtol=1e-12)
    assert found[1, 1] == found[2, 2] == found[1, 2]
    assert (found[3] == 0.0).all()


def test_unidentified_parameters_are_named_and_the_others_kept():
    """Only the sum of a and b is known; c is a mean on its own."""
    hessian = -np.array([[5.0, 5.0, 0.0], [5.0, 5.0, 0.0], [0.0, 0.0, 4.0]])
    found = covariance("oim", hessian=hessian, names=("a", "b", "c"))
    assert found.unidentified == ("a", "b")
    assert found.rank == 2
    assert np.isnan(found.cov[:2]).all()
    assert found.cov[2, 2] == pytest.approx(0.25)
    assert "singular in 1 direction;" in found.message
    assert "a, b" in found.message


def test_estimable_parameters_have_their_right_variance():
    """Overparametrised means (a + b, a - b given b + c flat): compare with a reduced model."""
    design = np.array([[1.0, 1.0, 1.0], [2.0, 0.5, 0.5], [0.3, -1.0, -1.0]])
    found = covariance("approx", information=design.T @ design, names=("a", "b", "c"))
    reduced = np.linalg.inv(design[:, :2].T @ design[:, :2])
    assert found.unidentified == ("b", "c")
    assert found.cov[0, 0] == pytest.approx(reduced[0, 0], rel=1e-10)


def test_no_negative_variance_at_a_saddle():
    found = covariance("oim", hessian=np.diag([-1.0, 2.0]), names=("a", "b"))
    assert found.cov[0, 0] == pytest.approx(1.0)
    assert np.isnan(found.cov[1, 1])
    assert "curves upwards in 1 direction;" in found.message


def test_a_missing_row_of_the_hessian_is_said():
    hessian = np.array([[-2.0, np.nan], [np.nan, np.nan]])
    found = covariance("oim", hessian=hessian, names=("a", "b"))
    assert found.unidentified == ("b",)
    assert found.cov[0, 0] == pytest.approx(0.5)
    assert "could not be computed" in found.message


def test_clear_errors():
    with pytest.raises(SpecificationError, match="cov_type='robust' needs hessian and score_obs"):
        covariance("robust", hessian=np.eye(2))
    with pytest.raises(SpecificationError, match="cov_type must be one of"):
        covariance("sandwich", hessian=np.eye(2))
    with pytest.raises(SpecificationError, match="same parameters"):
        covariance("robust", hessian=np.eye(2), score_obs=np.ones((5, 3)))


def test_delta_method_marks_only_what_depends_on_the_unknown():
    cov = np.array([[0.04, np.nan], [np.nan, np.nan]])
    found = delta_method([[2.0, 0.0], [1.0, 1.0]], cov)
    assert found[0, 0] == pytest.approx(0.16)
    assert np.isnan(found[1]).all()


def test_differences_that_overflow_are_skipped_without_a_warning():
    """A score of opposite huge values on the two sides: shorter steps, else NaN."""

    def score(x):
        return np.array([1e308 * np.sign(x[0]) if abs(x[0]) > 1e-3 else -2.0 * x[0]])

    np.testing.assert_allclose(hessian_from_score(score, [0.0], scale=[1.0]), [[-2.0]], rtol=1e-9)
    wall = hessian_from_score(lambda x: 1e308 * np.sign(x), [0.0], scale=[1.0])
    assert np.isnan(wall).all()


def test_a_variance_at_its_boundary_is_named():
    hessian = np.diag([-2.0, np.nan])
    found = covariance("oim", hessian=hessian, names=["V[y,h1]", "obs_cov[y,y]"])
    assert "obs_cov[y,y] at the boundary" in found.message
    assert "obs_noise='none'" in found.message
    other = covariance("oim", hessian=hessian, names=["V[y,h1]", "V[y,h2]"])
    assert "the Hessian could not be computed there" in other.message


# Only the sum of a and b is known, and c; the units of a and b differ by nine orders.
SINGULAR = np.diag([1e-6, 1e3, 1.0]) @ np.array([[5.0, 5.0, 1.0], [5.0, 5.0, 1.0], [1.0, 1.0, 4.0]])
SINGULAR = SINGULAR @ np.diag([1e-6, 1e3, 1.0])
SUM = np.array([1e-6, 1e3, 0.0])


def test_estimable_functions_in_any_units():
    found = covariance("oim", hessian=-SINGULAR, names=("a", "b", "c"))
    assert found.unidentified == ("a", "b")
    reduced = np.linalg.inv(np.array([[5.0, 1.0], [1.0, 4.0]]))
    spread = found.of([SUM, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], 3.0 * SUM + [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(spread[:2, :2], reduced, rtol=1e-9)
    assert np.isnan(spread[2]).all()
    w = np.array([3.0, 1.0])
    assert spread[3, 3] == pytest.approx(w @ reduced @ w, rel=1e-9)
    np.testing.assert_array_equal(delta_method([SUM], found), spread[:1, :1])
    # a derivative by differences is good to 1e-7: still estimable; off by a hundredth: no longer
    assert np.isfinite(found.of(SUM * [1 + 1e-6, 1.0, 1.0])).all()
    assert np.isnan(found.of(SUM * [1.01, 1.0, 1.0])).all()


def test_generalised_inverse_and_null_directions():
    found = covariance("oim", hessian=-SINGULAR)
    inverse, null = found.generalised, found.null_directions
    size = np.sqrt(np.outer(np.diag(SINGULAR), np.diag(SINGULAR)))
    np.testing.assert_allclose(SINGULAR @ inverse @ SINGULAR / size, SINGULAR / size, atol=1e-9)
    assert null.shape == (3, 1)
    assert null[0, 0] / null[1, 0] == pytest.approx(-1e9, rel=1e-6)
    assert abs(null[2, 0]) < 1e-9
    part = found.among([0, 1])
    assert part.of([SUM[:2]])[0, 0] == pytest.approx(found.of([SUM])[0, 0], rel=1e-12)
    assert np.isnan(part.of([[1.0, 0.0]])).all()
    plain = covariance("none", hessian=-SINGULAR)
    assert np.isnan(plain.of([SUM])).all()


def test_functions_through_restrictions():
    """theta = (f0, f1, f1, fixed): derivatives by all parameters, fixed ones without effect."""
    ties = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    full = np.diag([4.0, 1.0, 1.0, 0.0])
    found = covariance("oim", hessian=-full, expansion=ties)
    np.testing.assert_allclose(found.of([1.0, 1.0, -1.0, 7.0]), 0.25)
    np.testing.assert_allclose(found.of([0.0, 1.0, 1.0, 7.0]), 2.0)


def test_curvature_along_a_curve_of_equal_likelihood_is_no_information():
    """A Hessian near, not at, the maximum: the expected information says what is flat."""
    turn = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, np.sqrt(2.0)]]) / np.sqrt(2.0)
    for stray in (3e-6, -3e-6):
        hessian = -turn.T @ np.diag([stray, 2.0, 4.0]) @ turn
        known = turn.T @ np.diag([0.0, 2.0, 4.0]) @ turn
        found = covariance("oim", hessian=hessian, information=known, names=("a", "b", "c"))
        assert (found.rank, found.unidentified) == (2, ("a", "b"))
        assert found.of([1.0, 1.0, 0.0])[0, 0] == pytest.approx(1.0, rel=1e-6)
        assert "singular in 1 direction" in found.message
    # where the model folds, the score is silent and the curvature is not
    hessian = -turn.T @ np.diag([1.0, 2.0, 4.0]) @ turn
    found = covariance("oim", hessian=hessian, information=known)
    np.testing.assert_allclose(found.cov, np.linalg.inv(-hessian), rtol=1e-10)


def test_scores_of_fixed_parameters_without_derivative_do_not_matter(poisson):
    _, _, _, hessian, scores = poisson
    ties = np.vstack([np.eye(3), np.zeros(3)])
    full = np.full((4, 4), np.nan)
    full[:3, :3] = hessian
    wide = np.column_stack([scores, np.full(120, np.nan)])
    for kind in ("opg", "robust", "hac"):
        found = covariance(kind, hessian=full, score_obs=wide, expansion=ties)
        plain = covariance(kind, hessian=hessian, score_obs=scores)
        np.testing.assert_allclose(found.cov[:3, :3], plain.cov, rtol=1e-12)
        assert (found.cov[3] == 0.0).all()
    with pytest.raises(SpecificationError, match="a group for each row"):
        covariance("cluster", hessian=hessian, score_obs=scores)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_clusters_no_more_than_the_parameters_are_told(poisson, number):
    hessian, scores = poisson[-2:]
    size = hessian.shape[0]
    groups = np.arange(len(scores)) % number
    found = covariance("cluster", hessian=hessian, score_obs=scores, cov_kwds={"groups": groups})
    told = number <= size
    assert (f"rank <= {number} ({number - 1} at a maximum" in found.message) is told
    assert (found.message == "") is not told


def test_parameters_reported_may_move_with_better_conditioned_ones():
    # b = b' - m W with m = 1e6: in (W, b) the information is singular to rounding, in (W', b') not
    inner = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, 0.0], [0.0, 0.0, 0.0]])
    moves = np.array([[1.0, 0.0, 0.0], [-1e6, 1.0, 0.0], [0.0, 0.0, 5.0]])
    names = ("W", "b", "idle")
    found = covariance("approx", information=inner, moves=moves, names=names)
    known = np.linalg.inv(inner[:2, :2])
    np.testing.assert_allclose(
        found.cov[:2, :2], moves[:2, :2] @ known @ moves[:2, :2].T, rtol=1e-12
    )
    assert found.unidentified == ("idle",)
    # only b' is unknown: then b is, and W is not
    found = covariance("approx", information=np.diag([2.0, 0.0, 1.0]), moves=moves, names=names)
    assert found.unidentified == ("b",)
    assert found.cov[0, 0] == pytest.approx(0.5, rel=1e-14)
    # only W' is unknown: both are; what has no derivative is named in the same way
    found = covariance("approx", information=np.diag([0.0, 1.0, 1.0]), moves=moves, names=names)
    assert found.unidentified == ("W", "b")
    blank = np.diag([np.nan, 1.0, 1.0])
    assert covariance("approx", information=blank, moves=moves, names=names).unidentified == (
        "W",
        "b",
    )
