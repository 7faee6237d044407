"""The likelihood of every kind of model: sums over all paths, derivatives, invariances."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from models.regimes.densities import CASES, Case, enumerated

from rnnstats import MarkovRNN

every_case = pytest.mark.parametrize("name", CASES)


@functools.cache
def case_of(name: str) -> Case:
    return CASES[name]()


def vector(case: Case) -> np.ndarray:
    assert set(case.params) == set(case.model.param_names)
    return np.array([case.params[name] for name in case.model.param_names])


@every_case
def test_likelihood_is_the_sum_over_all_paths(name: str) -> None:
    case = case_of(name)
    llf, smoothed = enumerated(case)
    # sums of up to 4096 products: rounding of order 1e-14
    assert case.model.loglike(case.params) == pytest.approx(llf, abs=1e-12)
    found = case.model.smooth(case.params)
    assert found.llf == pytest.approx(llf, abs=1e-12)
    if case.first == 0 or case.model.ar_form == "intercept":
        np.testing.assert_allclose(found.smoothed, smoothed, rtol=0, atol=1e-12)
    else:
        np.testing.assert_allclose(
            found.smoothed.to_numpy()[case.first :], smoothed[case.first :], rtol=0, atol=1e-12
        )
        assert found.smoothed.iloc[: case.first].isna().all(axis=None)


@every_case
def test_score_is_the_derivative(name: str) -> None:
    case = case_of(name)
    theta, model = vector(case), case.model
    score = model.score(theta)
    for i, label in enumerate(model.param_names):
        step = 1e-4 * max(1.0, abs(theta[i])) * np.eye(len(theta))[i]
        near = (model.loglike(theta + step) - model.loglike(theta - step)) / 2.0
        far = (model.loglike(theta + 2 * step) - model.loglike(theta - 2 * step)) / 4.0
        slope = (4.0 * near - far) / 3.0 / step[i]
        # Richardson: step^4 times fifth derivatives, and rounding 1e-15 * |llf| / step
        assert score[i] == pytest.approx(slope, rel=1e-8, abs=1e-8), label
    value, gradient = model.loglike_and_score(theta)
    assert value == pytest.approx(model.loglike(theta), rel=1e-14)
    np.testing.assert_array_equal(gradient, score)


@every_case
def test_contributions_add_up(name: str) -> None:
    case = case_of(name)
    theta, model = vector(case), case.model
    rows, scores = model.loglikeobs(theta), model.score_obs(theta)
    assert rows.shape == (model.nobs,)
    assert rows.sum() == pytest.approx(model.loglike(theta), rel=1e-13)
    assert not rows[: case.first].any()
    np.testing.assert_allclose(scores.sum(axis=0), model.score(theta), rtol=1e-10, atol=1e-11)
    step = 1e-5
    for i in range(len(theta)):
        move = step * np.eye(len(theta))[i]
        slope = (model.loglikeobs(theta + move) - model.loglikeobs(theta - move)) / (2 * step)
        # step^2 times third derivatives of up to 1e2
        np.testing.assert_allclose(scores[:, i], slope, rtol=1e-6, atol=1e-6)


@every_case
def test_numbers_of_regimes_do_not_matter(name: str) -> None:
    case = case_of(name)
    theta, model = vector(case), case.model
    order = np.roll(np.arange(model.k_regimes), 1)
    moved = model.reordered(theta, order)
    assert not np.allclose(moved, theta)
    assert model.loglike(moved) == pytest.approx(model.loglike(theta), rel=1e-13)
    back = model.reordered(moved, np.argsort(order))
    np.testing.assert_allclose(back, theta, rtol=1e-12)
    probabilities = model.smooth(theta).smoothed.to_numpy()[:, order]
    np.testing.assert_allclose(model.smooth(moved).smoothed, probabilities, rtol=0, atol=1e-12)


@every_case
def test_coordinates_lead_there_and_back(name: str) -> None:
    case = case_of(name)
    theta, model = vector(case), case.model
    psi = model.transform.to_unconstrained(model.layout.reduce(theta))
    np.testing.assert_allclose(
        model.layout.expand(model.transform.to_natural(psi)), theta, rtol=1e-13
    )


@every_case
def test_another_copy_on_the_same_data_is_the_same(name: str) -> None:
    case = case_of(name)
    theta, model = vector(case), case.model
    twin = model.clone(model.endog, model.exog, exog_transition=model.exog_transition)
    assert twin.param_names == model.param_names
    assert twin.loglike(theta) == model.loglike(theta)
    first = model.param_names[0]
    held = model.with_fixed({first: theta[0]})
    assert first in held.layout.fixed
    assert held.loglike({n: v for n, v in case.params.items()}) == pytest.approx(
        model.loglike(theta), rel=1e-14
    )


@pytest.mark.parametrize(
    ("options", "own"),
    [
        ({}, {"V[y,h1]": 0.2, "V[y,h2]": 2.0, "obs_cov[y,y,h1]": 0.6, "obs_cov[y,y,h2]": 1.4}),
        (
            {"order": 1, "ar_form": "mean", "switching": "trend"},
            {"V[y,h1]": 0.2, "V[y,h2]": 2.0, "ar1[y,y]": 0.4, "obs_cov[y,y]": 1.1},
        ),
    ],
)
def test_sequences_are_separate_models(options: dict, own: dict) -> None:
    rng = np.random.default_rng(3)
    y = rng.standard_normal(23)
    z = rng.standard_normal(23)
    params = {
        "W_h[h1->h1]": 0.8, "W_x[h1->h1,x]": -0.5, "W_h[h2->h1]": -0.7, "W_x[h2->h1,x]": 0.9, **own
    }  # fmt: skip
    cuts = [0, 9, 13, 23]
    groups = np.repeat(["b", "c", "a"], np.diff(cuts))
    whole = MarkovRNN(y, exog_transition=z, groups=groups, **options)
    assert whole.groups_labels == ("b", "c", "a")
    parts = [
        MarkovRNN(y[a:b], exog_transition=z[a:b], **options) for a, b in itertools.pairwise(cuts)
    ]
    total = sum(part.loglike(params) for part in parts)
    assert whole.loglike(params) == pytest.approx(total, rel=1e-13)
    np.testing.assert_allclose(
        whole.score(params), sum(part.score(params) for part in parts), rtol=1e-11, atol=1e-12
    )
    np.testing.assert_allclose(
        whole.score_obs(params), np.vstack([p.score_obs(params) for p in parts]), atol=1e-12
    )
    smoothed = np.vstack([part.smooth(params).smoothed for part in parts])
    np.testing.assert_allclose(whole.smooth(params).smoothed, smoothed, atol=1e-13)


STARTS = {
    "stationary": ({}, {}),
    "free": ({"start": "free"}, {"start[h1]": 0.2, "start[h2]": 0.5}),
    "uniform": ({"start": "uniform"}, {}),
    "given": ({"start": [0.7, 0.1, 0.2]}, {}),
    "given by sequence": ({"start": [[0.7, 0.1, 0.2], [0.0, 1.0, 0.0]]}, {}),
    "logit": (
        {"start": pd.DataFrame({"age": [0.3, -1.2]})},
        {"start[h1]": 0.2, "start[h1,age]": 1.0, "start[h2]": -0.4, "start[h2,age]": 0.7},
    ),
}


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("driven", [False, True])
def test_every_start_law(kind: str, driven: bool) -> None:
    options, own = STARTS[kind]
    rng = np.random.default_rng(5)
    y = rng.poisson(3.0, 9).astype(float)
    z = rng.standard_normal(9)
    groups = [0] * 4 + [1] * 5
    model = MarkovRNN(
        y, k_regimes=3, emission="poisson", groups=groups,
        exog_transition=z if driven else None, **options,
    )  # fmt: skip
    theta = 0.4 * rng.random(len(model.param_names)) + 0.1
    if not driven:
        theta[:6] = [0.5, 0.2, 0.1, 0.6, 0.3, 0.3]
    for name, value in own.items():
        theta[model.param_names.index(name)] = value
    theta[-3:] = [1.0, 3.0, 5.0]
    system = model.system(theta)
    np.testing.assert_allclose(system.start.sum(axis=1), 1.0, rtol=1e-13)
    if kind == "stationary":
        anchors = system.transition[[0, 4]] if driven else system.transition[None].repeat(2, 0)
        np.testing.assert_allclose(
            np.einsum("si,sij->sj", system.start, anchors), system.start, rtol=1e-13
        )
    if kind == "logit":
        odds = np.log(system.start[:, :2] / system.start[:, 2:])
        ages = np.array([[0.3], [-1.2]])
        np.testing.assert_allclose(odds, [0.2, -0.4] + ages * [1.0, 0.7], rtol=1e-12)
    score = model.score(theta)
    np.testing.assert_allclose(model.score_obs(theta).sum(axis=0), score, rtol=1e-10, atol=1e-12)
    for i, label in enumerate(model.param_names):
        move = 1e-5 * np.eye(len(theta))[i]
        slope = (model.loglike(theta + move) - model.loglike(theta - move)) / 2e-5
        assert score[i] == pytest.approx(slope, rel=1e-6, abs=1e-7), label


def test_one_regime_is_the_regression() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(8)
    x = rng.standard_normal((60, 2))
    y = rng.poisson(np.exp(0.3 + x @ [0.4, -0.2])).astype(float)
    reference = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit(tol=1e-12)
    model = MarkovRNN(y, x, k_regimes=1, emission="poisson", start="free")
    assert model.param_names == ("V[y,h1]", "D[y,x1,h1]", "D[y,x2,h1]")
    theta = np.asarray(reference.params)
    assert model.loglike(theta) == pytest.approx(reference.llf, rel=1e-12)
    np.testing.assert_allclose(model.score(theta), 0.0, atol=1e-8)
    np.testing.assert_allclose(
        model.hessian(theta), -np.linalg.inv(reference.cov_params()), rtol=1e-7, atol=1e-6
    )
    assert (model.filter(theta).filtered == 1.0).all(axis=None)


def test_what_cannot_be_is_minus_infinity_with_a_reason() -> None:
    y = pd.Series([0.0, 1.0, 1.0], index=pd.period_range("2001", periods=3, freq="Y"))
    model = MarkovRNN(y, emission="bernoulli", start=[1.0, 0.0])
    fine = {"p[h1->h1]": 1.0, "p[h2->h1]": 0.5, "prob[y,h1]": 0.4, "prob[y,h2]": 1.0}
    assert model.reason(fine) is None
    assert model.loglike(fine) == pytest.approx(np.log(0.6 * 0.4 * 0.4), rel=1e-14)
    never = {**fine, "prob[y,h1]": 0.0}
    assert model.loglike(never) == -np.inf
    assert "row 1 (2002)" in str(model.reason(never))
    assert np.isnan(model.score(never)).all()
    assert np.isnan(model.score_obs(never)).all()
    with pytest.raises(ValueError, match="row 1"):
        model.filter(never)
    outside = {**fine, "prob[y,h1]": 1.2}
    assert "prob[y,h1] must be at least 0 and at most 1" in str(model.reason(outside))
    three = MarkovRNN(y, k_regimes=3, emission="bernoulli")
    theta = np.array([0.7, 0.7, 0.2, 0.2, 0.2, 0.2, 0.1, 0.5, 0.9])
    assert three.loglike(theta) == -np.inf
    assert "regime h1 sum to more than one" in str(three.reason(theta))
    two = MarkovRNN(y, emission="bernoulli")
    split = {**fine, "p[h2->h1]": 0.0}
    assert two.loglike(split) == -np.inf
    assert "several stationary laws" in str(two.reason(split))
    with pytest.raises(ValueError, match="several stationary laws"):
        two.system(split)


@pytest.mark.parametrize(
    "options",
    [{"emission": "student-t"}, {"order": 1, "ar_form": "mean"}, {"emission": "gamma"}],
)
def test_what_cannot_be_evaluated_is_explained_quietly(options: dict[str, Any]) -> None:
    model = MarkovRNN(1.0 + np.arange(20.0) % 7, **options)
    theta = np.array(model.start_params)
    scales = ("scale2", "obs_cov", "shape")
    theta[[name.startswith(scales) for name in model.param_names]] = 0.0
    assert model.loglike(theta) == -np.inf
    assert "is not a number: a parameter is not admissible" in str(model.reason(theta))


def test_faces_keep_their_directions() -> None:
    model = MarkovRNN(np.arange(20.0), k_regimes=3)
    theta = model.start_params.to_numpy(copy=True)
    theta[:6] = [0.0, 0.4, 0.3, 0.7, 0.2, 0.3]  # p[h1->h1] = 0, implied p[h2->h3] = 0
    directions = model.free_directions(theta)
    assert directions.shape == (12, 10)
    names = model.param_names
    assert not directions[names.index("p[h1->h1]")].any()
    pair = [names.index("p[h2->h1]"), names.index("p[h2->h2]")]
    np.testing.assert_array_equal(directions[pair].sum(axis=0), np.zeros(10))
    assert np.linalg.matrix_rank(directions) == 10
    inside = model.free_directions(model.start_params)
    np.testing.assert_array_equal(inside, np.eye(12))


def test_hessian_is_the_derivative_of_the_score() -> None:
    rng = np.random.default_rng(4)
    model = MarkovRNN(rng.poisson(np.where(np.arange(200) // 25 % 2, 2.0, 7.0)), emission="poisson")
    theta = np.array([0.9, 0.1, 7.0, 2.0])
    hessian = model.hessian(theta)
    np.testing.assert_array_equal(hessian, hessian.T)
    step = 1e-5
    for i in range(len(theta)):
        move = step * np.eye(len(theta))[i]
        slope = (model.score(theta + move) - model.score(theta - move)) / (2 * step)
        # step^2 times fourth derivatives of 1e7 (transitions), relative to entries of 1e3
        np.testing.assert_allclose(hessian[i], slope, rtol=1e-5, atol=1e-4)
    scores = model.score_obs(theta)
    np.testing.assert_allclose(model.information(theta), scores.T @ scores, rtol=1e-13)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k_regimes": 3, "switching": "trend"},
        {"groups": np.arange(60) // 20},
        {"start": "free"},
        {"emission": "student-t"},
        {"fixed": {"p[h2->h1]": 0.0}, "start": "uniform"},
    ],
)
def test_gradients_at_several_points_are_those_at_each(options: dict[str, object]) -> None:
    """The same sums; only the order of some of them differs."""
    rng = np.random.default_rng(2)
    model = MarkovRNN(rng.normal(size=60), rng.normal(size=60), **options)
    point = np.asarray(model.start_params)
    free = model.layout.reduce(point)
    points = np.array(
        [model.layout.expand(free * (1.0 + 0.01 * rng.normal(size=len(free)))) for _ in range(4)]
    )
    if not options:
        points[2, 0] = points[3, 1] = 0.0  # leaves the first regime at once; absorbs
    one_by_one = [model.likelihood.value_and_gradient(theta)[1] for theta in points]
    assert np.isfinite(one_by_one).all()
    np.testing.assert_allclose(model.likelihood.gradients(points), one_by_one, rtol=1e-9, atol=1e-9)
    points[1, 0] = np.nan
    found = model.likelihood.gradients(points)
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), [False, True, False, False])
