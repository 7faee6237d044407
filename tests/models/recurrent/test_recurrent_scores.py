"""Log-likelihood and all derivatives against their definition in the user's units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models.recurrent import recurrent_cases as cases

from rnnstats.kernels import cells
from rnnstats.kernels.architecture import python_elman
from rnnstats.models.nonlinear import GRU, LSTM, CellRNN, ElmanRNN

CELLS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (ElmanRNN, {"activation": "tanh"}),
    (ElmanRNN, {"activation": "softplus"}),
    (ElmanRNN, {"activation": "sigmoid"}),
    (ElmanRNN, {"activation": "identity"}),
    (ElmanRNN, {"activation": "relu"}),
    (ElmanRNN, {"activation": np.sin}),
    (GRU, {"reset": "after"}),
    (GRU, {"reset": "before"}),
    (LSTM, {"peephole": False}),
    (LSTM, {"peephole": True}),
    (CellRNN, {"cell": python_elman(np.arctan)}),
)


@st.composite
def models(draw: st.DrawFn) -> tuple[Any, np.ndarray, np.random.Generator]:
    cls, own = draw(st.sampled_from(CELLS))
    head = draw(st.sampled_from(cases.HEADS))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    rows = draw(st.integers(9, 14))
    y = cases.observations(
        head, rng, rows, d=1 if head == "categorical" else draw(st.integers(1, 2))
    )
    rate = draw(st.sampled_from([0.0, 0.2, 0.5]))
    gone = rng.random(y.shape) < rate
    gone[:3] = False  # a column of nothing, or of one category, is refused
    y[gone] = None if head == "categorical" else np.nan
    lags = draw(st.integers(0, 2))
    x = rng.standard_normal((rows, 2)) * [4.0, 0.3] + [7.0, 0.0]
    skip = draw(st.booleans())
    model = cls(
        y,
        x if lags == 0 or draw(st.booleans()) else None,
        k_hidden=draw(st.sampled_from([1, 2, (2, 1)])),
        y_lags=lags,
        head=cases.argument(head),
        skip=skip,
        initial=draw(st.sampled_from(["zero", "estimated"])),
        presample=draw(st.sampled_from(["condition", "predict"])),
        groups=None if draw(st.booleans()) else np.repeat([1, 2], [4, rows - 4]),
        **own,
    )
    # the linear predictor of counts is exponentiated, and fed back where lags are missing
    theta = cases.point(
        model, rng, size=0.2 if head in ("poisson", "negative-binomial", "gamma") else 0.5
    )
    return model, theta, rng


@settings(max_examples=250)
@given(models())
def test_likelihood_and_score_follow_the_definition(case: Any) -> None:
    model, theta, rng = case
    expected = cases.loglikeobs(model, theta.astype(complex))
    found = model.loglikeobs(theta)
    # sums of a dozen densities, each a dozen operations on numbers of size one to a hundred
    scale = 1.0 + np.abs(expected.real)
    assert np.all(np.abs(found[model.rows] - expected.real) <= 1e-10 * scale)
    left = np.setdiff1d(np.arange(model.nobs), model.rows)
    assert not found[left].any()
    value, score = model.loglike_and_score(theta)
    assert value == pytest.approx(found.sum(), rel=1e-12, abs=1e-12)
    scores = model.score_obs(theta)
    size = np.abs(scores).sum(axis=0) + np.abs(score)
    assert np.all(np.abs(scores.sum(axis=0) - score) <= 1e-10 * size + 1e-12)
    for _ in range(2):
        direction = rng.standard_normal(len(theta)) * np.maximum(np.abs(theta), 1e-2)
        step = 1e-25
        slope = cases.loglikeobs(model, theta + 1j * step * direction).imag / step
        own = scores[model.rows] @ direction
        weight = np.abs(scores[model.rows]) @ np.abs(direction) + 1e-8
        # complex steps are exact to rounding: both sides lose a few digits to cancellation
        assert np.all(np.abs(own - slope) <= 1e-8 * weight)


@pytest.mark.parametrize(("cls", "own"), CELLS[:1] + CELLS[6:10])
def test_stationary_start_is_the_fixed_point_with_its_derivative(cls: Any, own: Any) -> None:
    rng = np.random.default_rng(3)
    y = cases.observations("gaussian", rng, 12)
    y[[0, 4, 5], 0] = np.nan
    x, groups = rng.standard_normal((12, 1)), np.repeat([1, 2], 6)
    options = {"initial": "stationary", "presample": "predict", "groups": groups}
    model = cls(y, x, k_hidden=2, **options, **own)
    theta = cases.point(model, rng, size=0.3)
    expected = cases.loglikeobs(model, theta.astype(complex))
    assert np.allclose(model.loglikeobs(theta), expected.real, rtol=1e-10, atol=1e-10)
    system = model.system(theta)
    rest = np.zeros((1, model.architecture.k_in))
    again = cells.step(model.architecture, system.weights, system.initial[:1], rest)[0]
    assert np.allclose(again, system.initial[:1], atol=1e-12)
    scores = model.score_obs(theta)
    assert np.allclose(scores.sum(axis=0), model.score(theta), rtol=1e-9, atol=1e-9)
    for _ in range(3):
        direction = rng.standard_normal(len(theta)) * np.maximum(np.abs(theta), 1e-2)
        slope = cases.loglikeobs(model, theta + 1e-25j * direction).imag / 1e-25
        assert np.allclose(scores @ direction, slope, rtol=1e-7, atol=1e-7)


def test_hessian_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(5)
    model = GRU(cases.observations("student-t", rng, 30, d=1), k_hidden=1, head="student-t")
    theta = cases.point(model, rng, size=0.3)
    hessian = model.hessian(theta)
    for _ in range(3):
        direction = rng.standard_normal(len(theta)) * np.maximum(np.abs(theta), 1e-2)
        width = 1e-4
        slopes = [
            cases.loglikeobs(model, theta + a * width * direction + 1e-25j * direction).imag.sum()
            / 1e-25
            for a in (1.0, -1.0)
        ]
        second = (slopes[0] - slopes[1]) / (2.0 * width)
        # central differences of width 1e-4: relative error about 1e-7 of the largest term
        assert direction @ hessian @ direction == pytest.approx(second, rel=1e-5, abs=1e-5)


def test_two_outputs_jointly_normal_by_hand() -> None:
    y = np.array([[1.0, 2.0], [1.5, 1.0], [0.5, np.nan], [2.0, 3.0]])
    model = ElmanRNN(y, k_hidden=1, y_lags=1)
    at = {name: 0.0 for name in model.param_names}
    at |= {"W_y[h1,y1]": 0.5, "W_h[h1,h1]": -0.4, "V[y1,h1]": 2.0, "V[y2,h1]": -1.0, "b_y[y2]": 3.0}
    at |= {"obs_cov[y1,y1]": 2.0, "obs_cov[y2,y1]": 0.5, "obs_cov[y2,y2]": 1.0}
    h, total = 0.0, 0.0
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    for t in (1, 2, 3):
        h = np.tanh(-0.4 * h + 0.5 * y[t - 1, 0])
        resid = y[t] - np.array([2.0 * h, 3.0 - h])
        seen = ~np.isnan(resid)
        part = cov[np.ix_(seen, seen)]
        resid = resid[seen]
        total -= 0.5 * (
            resid @ np.linalg.inv(part) @ resid
            + np.log(np.linalg.det(part))
            + len(resid) * np.log(2.0 * np.pi)
        )
    assert model.loglike(at) == pytest.approx(total, rel=1e-13)


@pytest.mark.parametrize("initial", ["zero", "estimated", "stationary"])
@pytest.mark.parametrize("head", ["gaussian", "student-t", "categorical"])
def test_information_is_that_of_the_readouts(head: str, initial: str) -> None:
    rng = np.random.default_rng(7)
    y = cases.observations(head, rng, 12, d=1 if head == "categorical" else 2)
    y[[4, 7]] = None if head == "categorical" else np.nan
    groups = np.repeat([1, 2], 6)
    x = rng.standard_normal((12, 1)) + 5.0
    model = LSTM(y, x, k_hidden=1, head=head, initial=initial, groups=groups, presample="predict")
    theta = cases.point(model, rng, size=0.3)
    k, q = len(theta), len(model.head.names)
    slopes = [cases.readouts(model, theta + 1e-25j * unit)[0].imag / 1e-25 for unit in np.eye(k)]
    by_theta = np.stack(slopes, axis=2)  # (rows, k_eta, K)
    values = model.endog.values[model.rows]
    own = theta[model.chart.place.argsort()[model.chart.extra]]
    eta = cases.readouts(model, theta)[0]
    curvature, extra = model.head.information(values, eta, own)
    expected = np.einsum("tip,tij,tjq->pq", by_theta, curvature, by_theta)
    places = [model.param_names.index(name) for name in model.head.names]
    expected[np.ix_(places, places)] += extra
    found = model.information(theta)
    size = np.sqrt(np.diagonal(found))
    assert np.all(np.abs(found - expected) <= 1e-8 * np.outer(size, size) + 1e-10)
    assert (size > 0.0).all() and q == len(places)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    "head", ["gaussian", "student-t", "poisson", "negative-binomial", "categorical"]
)
def test_information_is_the_expected_outer_product_of_scores(head: str) -> None:
    # over long simulated series, mean score zero and mean outer product the expected information
    rng = np.random.default_rng(11)
    y = cases.observations(head, rng, 60, d=1)
    start = GRU(y, k_hidden=1, head=cases.argument(head), presample="predict", initial="estimated")
    theta = cases.point(start, rng, size=0.4)
    if head == "student-t":
        theta[start.param_names.index("df[y]")] = 6.0
    # one long path per sequence: scores of rows are martingale differences
    paths = [start.simulate(theta, 200, rng=rng) for _ in range(60)]
    values = np.concatenate([np.asarray(path) for path in paths])
    model = start.clone(values, groups=np.repeat(np.arange(60), 200))
    scores = model.score_obs(theta)
    information = model.information(theta)
    outer = scores.T @ scores
    root = np.sqrt(np.diagonal(information))
    z = scores.sum(axis=0) / root
    assert np.abs(z).max() < 4.0  # K normal numbers
    # given the past, the product of two scores has the row's information as its mean: the sum of
    # differences over its standard deviation is as good as normal, in about a hundred elements
    spread = np.sqrt((scores**2).T @ scores**2)
    assert np.abs((outer - information) / spread).max() < 4.5
