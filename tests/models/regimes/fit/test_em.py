"""Expectation-maximisation for regimes: what a step is, and that it never loses likelihood."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson

from rnnstats import MarkovRNN
from rnnstats.models.regimes.fit import climbing
from rnnstats.models.regimes.fit.em import Steps, expectation_maximisation
from rnnstats.models.regimes.fit.start_values import chain_of, divisions, starting_points

N = 120


def switching(seed: int, k: int = 2, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """A chain that stays with probability 0.9, and one regressor."""
    rng = np.random.default_rng(seed)
    h = np.zeros(n, dtype=int)
    for t in range(1, n):
        h[t] = h[t - 1] if rng.random() < 0.9 else rng.integers(k)
    return h, rng.standard_normal(n)


def data(seed: int) -> pd.DataFrame:
    h, x = switching(seed)
    rng = np.random.default_rng(seed + 1000)
    return pd.DataFrame(
        {
            "y": 2.0 * h + 0.5 * x + (0.5 + h) * rng.standard_normal(N),
            "count": rng.poisson(2.0 + 5.0 * h),
            "hit": rng.binomial(1, 0.2 + 0.6 * h).astype(float),
            "x": x,
            "z": np.sin(np.arange(N) / 5.0),
            "group": np.repeat([0, 1, 2], [50, 30, 40]),
        }
    )


MODELS: dict[str, Callable[[pd.DataFrame], MarkovRNN]] = {
    "gaussian": lambda d: MarkovRNN(d["y"]),
    "common variance": lambda d: MarkovRNN(d["y"], d["x"], switching="trend"),
    "common slope": lambda d: MarkovRNN(d["y"], d["x"], switching=("trend", "variance")),
    "autoregression": lambda d: MarkovRNN(d["y"], order=2, start="free"),
    "mean form": lambda d: MarkovRNN(d["y"], order=1, ar_form="mean", switching="trend"),
    "several sequences": lambda d: MarkovRNN(d["y"], groups=d["group"]),
    "two responses": lambda d: MarkovRNN(
        d[["y", "hit"]], emission={"y": "gaussian", "hit": "bernoulli"}, start="free"
    ),
    "poisson regression": lambda d: MarkovRNN(d["count"], d["x"], emission="poisson"),
    "student": lambda d: MarkovRNN(d["y"], emission="student-t"),
    "inputs": lambda d: MarkovRNN(d["y"], exog_transition=d["z"]),
    "inputs, sequences": lambda d: MarkovRNN(
        d["y"], exog_transition=d["z"], start="free", groups=d["group"]
    ),
    "fixed probability": lambda d: MarkovRNN(d["y"], k_regimes=3, fixed={"p[h1->h3]": 0.1}),
    "left to right": lambda d: MarkovRNN(
        d["count"], emission="poisson", start=[1.0, 0.0], fixed={"p[h2->h1]": 0.0}
    ),
    "equal parameters": lambda d: MarkovRNN(
        d["y"], fixed={"p[h2->h1]": "p[h1->h2]", "obs_cov[y,y,h2]": "obs_cov[y,y,h1]"}
    ),
    "fixed mean": lambda d: MarkovRNN(d["y"], fixed={"V[y,h1]": 0.0}),
    "missing": lambda d: MarkovRNN(d["y"].where(d["x"] > -1.0)),
}


def steps_of(model: MarkovRNN) -> Steps:
    return Steps(model.likelihood, model.layout, model.transform)


@pytest.mark.parametrize("name", MODELS)
def test_a_step_never_loses_and_the_end_is_a_maximum(name: str) -> None:
    model = MODELS[name](data(1))
    steps = steps_of(model)
    start = starting_points(model, np.random.default_rng(0), 1)[0].theta
    here = steps.expectation(start)
    heights = [here.llf]
    for _ in range(25):
        here, _ = steps.step(here)
        heights.append(here.llf)
    gains = np.diff(heights)
    assert gains.min() >= -1e-9 * abs(heights[0])  # rounding of a sum over rows
    assert heights[-1] > heights[0]
    # fixed points are those of the likelihood, the start's part in it included
    path = expectation_maximisation(steps, here.theta, maxiter=4000, tol=1e-12)
    assert path is not None
    free = model.layout.reduce(path.point.theta)
    transform = model.transform.holding(free)
    slope = transform.pull(
        transform.to_unconstrained(free), model.layout.pull(model.score(path.point.theta))
    )
    # in logs and units of the data a slope of 1e-3 is 1e-4 standard errors or less with 120 rows
    assert np.abs(slope).max() < 5e-3


def test_a_step_is_that_of_baum_and_welch() -> None:
    d = data(2)
    model = MarkovRNN(d["count"], emission="poisson", start="free")
    rate, gamma, start = np.array([2.0, 6.0]), np.array([[0.8, 0.2], [0.3, 0.7]]), [0.4, 0.6]
    theta = np.array([gamma[0, 0], gamma[1, 0], start[0], *rate])
    steps = steps_of(model)
    moved, _ = steps.step(steps.expectation(theta))
    # by hand, with probabilities as they are
    y = d["count"].to_numpy()
    b = poisson.pmf(y[:, None], rate)
    alpha, beta = np.zeros((N, 2)), np.ones((N, 2))
    alpha[0] = start * b[0]
    for t in range(1, N):
        alpha[t] = alpha[t - 1] @ gamma * b[t]
    for t in range(N - 2, -1, -1):
        beta[t] = gamma @ (b[t + 1] * beta[t + 1])
    total = alpha[-1].sum()
    u = alpha * beta / total
    v = np.einsum("ti,ij,tj->ij", alpha[:-1], gamma, b[1:] * beta[1:]) / total
    expected = v / v.sum(axis=1, keepdims=True)
    theirs = [expected[0, 0], expected[1, 0], u[0, 0], *((u * y[:, None]).sum(0) / u.sum(0))]
    np.testing.assert_allclose(moved.theta, theirs, rtol=1e-11)


FUSED = [
    "gaussian",
    "common variance",
    "common slope",
    "autoregression",
    "several sequences",
    "missing",
    "mean form",
]


@pytest.mark.parametrize("name", FUSED)
def test_compiled_steps_are_those_of_the_general_algorithm(name: str) -> None:
    model = MODELS[name](data(3))
    fused = steps_of(model).fused
    assert fused is not None
    steps = steps_of(model)
    for one in itertools.islice(divisions(model, np.random.default_rng(0)), 5):
        chain = chain_of(one, model.likelihood.offsets)
        begun = fused.climb_classified(one, chain, 0, 0.0, accelerate=False)
        assert begun.found.llf == pytest.approx(model.likelihood.value(begun.theta), rel=1e-12)
        law = model.likelihood.law(begun.theta)
        assert law is not None
        moved = fused.climb(begun.theta, law, 4, 0.0, accelerate=False)
        here, spent = steps.expectation(begun.theta), 0
        while spent < moved.found.passes:  # a step that is shortened takes several
            here, used = steps.step(here)
            spent += used
        # coefficients shared by regimes of different variance: there, four conditional steps in one
        if name == "common slope":
            assert moved.found.llf > begun.found.llf
            continue
        assert moved.found.llf == pytest.approx(here.llf, rel=1e-9)
        np.testing.assert_allclose(moved.theta, here.theta, rtol=1e-6, atol=1e-8)
        regimes = here.states.reshape(len(here.states), 2, -1).sum(axis=2)
        np.testing.assert_allclose(moved.found.states, regimes, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", FUSED)
def test_compiled_gradient_is_the_score(name: str) -> None:
    model = MODELS[name](data(3))
    theta = starting_points(model, np.random.default_rng(0), 1)[0].theta
    value, gradient = model.likelihood.value_and_gradient(theta)
    assert value == pytest.approx(model.likelihood.value(theta), rel=1e-12)
    rows = model.likelihood.score_obs(theta)  # by the recursion of derivatives, not by sums
    np.testing.assert_allclose(gradient, rows.sum(axis=0), rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("name", ["inputs", "left to right", "two responses", "fixed mean"])
def test_others_are_left_to_the_general_algorithm(name: str) -> None:
    assert steps_of(MODELS[name](data(3))).fused is None


def test_acceleration_ends_at_the_same_point_in_fewer_passes() -> None:
    model = MODELS["gaussian"](data(4))
    steps = steps_of(model)
    start = starting_points(model, np.random.default_rng(0), 1)[0].theta
    plain = expectation_maximisation(steps, start, maxiter=5000, tol=1e-10, accelerate=False)
    fast = expectation_maximisation(steps, start, maxiter=5000, tol=1e-10)
    assert plain is not None
    assert fast is not None
    assert fast.point.llf == pytest.approx(plain.point.llf, abs=1e-6)
    assert fast.iterations < plain.iterations


def test_agreement_does_not_depend_on_labels() -> None:
    states = np.random.default_rng(0).dirichlet(np.ones(3), size=50)
    assert climbing.agreement(states[:, [2, 0, 1]], states) == pytest.approx(1.0)
    assert climbing.agreement(np.eye(3)[np.zeros(50, dtype=int)], states) < 0.8
