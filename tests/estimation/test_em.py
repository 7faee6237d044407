"""Expectation-maximisation: never down, to the same maximum, by exact steps."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from models.linear_cases import slope

from rnnstats import LinearRNN
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.em.climb import expectation_maximisation, step
from rnnstats.estimation.em.moments import expectations
from rnnstats.estimation.em.plan import Plan
from rnnstats.estimation.em.start import _expected

# The likelihood of about 1e3 is computed to 1e-12 of it; steps near the maximum gain less.
ROUNDING = 1e-9


def panel(*, gaps: bool = True) -> np.ndarray:
    """Two factors behind six series; 200 rows, enough for a maximum away from borders."""
    rng = np.random.default_rng(1)
    a = np.array([[0.9, 0.1], [-0.2, 0.6]])
    loading = rng.standard_normal((6, 2))
    h, rows = np.zeros(2), []
    for _ in range(200):
        h = a @ h + rng.standard_normal(2)
        rows.append(loading @ h + rng.standard_normal(6))
    return gappy(np.array(rows), rng) if gaps else np.array(rows)


def walks(nobs: int = 200) -> np.ndarray:
    """A common random walk with drift behind three series, the first with a cycle."""
    rng = np.random.default_rng(7)
    level = np.cumsum(0.3 + rng.standard_normal(nobs))
    cycle = np.zeros(nobs)
    for t in range(1, nobs):
        cycle[t] = 0.7 * cycle[t - 1] + rng.standard_normal()
    y = np.outer(level, [1.0, 0.6, 1.4]) + rng.standard_normal((nobs, 3))
    y += np.array([0.0, 2.0, -1.0])
    y[:, :2] += np.outer(cycle, [1.0, -1.0])
    return gappy(y, rng)


def gappy(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y[rng.random(y.shape) < 0.1] = np.nan
    y[30:33] = np.nan
    return y


INPUT = np.random.default_rng(9).standard_normal((200, 1))
TREND: dict[str, Any] = {
    "W_h": [[1, 1, 0], [0, 1, 0], [0, 0, "phi"]],
    "V": [[1, 0, 1], ["l", 0, "k"]],
    "state_cov": ["q", "s", "u"],
    "obs_cov": ["r", "r"],
    "initial_diffuse": [True, True, False],
}
DRIFT: dict[str, Any] = {
    "W_h": [[1, 1], [0, 1]],
    "V": [[1, 0], ["l", 0], ["k", 0]],
    "selection": [[1], [0]],
    "state_cov": "q",
    "obs_cov": ["r1", "r2", "r3"],
    "b_y": [0, "a", "b"],
    "initial_mean": ["x", "slope"],
}
SHARED: dict[str, Any] = {
    "W_h": "phi",
    "V": ["l", 1, "phi"],
    "state_cov": "q",
    "obs_cov": ["q", "r", "r"],
    "b_y": ["a", "b", "c"],
}


@cache
def models() -> dict[str, LinearRNN]:
    """One for each way through the M-step."""
    y, walk = panel(), walks()
    no_gaps = panel(gaps=False)[:, :2]
    structured: dict[str, Any] = {"form": "structured"}
    return {
        "leaky": LinearRNN(y[:, :3], form="leaky", k_states=2),
        "oscillator with input": LinearRNN(y[:, :3], INPUT, form="leaky", structure={"pairs": 1}),
        "leaky, known start": LinearRNN(y[:, :3], form="leaky", k_states=2, initial="known"),
        "factors": LinearRNN(y, form="factor", k_states=2),
        "factors with input": LinearRNN(y, INPUT, form="factor", k_states=2, exog_enters="both"),
        "a factor with lags": LinearRNN(y, form="factor", structure={"lags": 2}),
        "tied factors": LinearRNN(
            y,
            form="factor",
            k_states=2,
            fixed={"W_h[h1,h2]": 0.0, "V[y3,h2]": "V[y2,h2]", "obs_cov[y2,y2]": "obs_cov[y1,y1]"},
        ),
        "free": LinearRNN(no_gaps, form="free", k_states=2),
        "free with gaps": LinearRNN(y[:, :3], form="free", k_states=2),
        "trend and cycle": LinearRNN(walk[:, :2], structure=TREND, **structured),
        "drift, a constant start": LinearRNN(walk, structure=DRIFT, initial="known", **structured),
        "parameters on both sides": LinearRNN(y[:, :3], structure=SHARED, **structured),
    }


NAMES = tuple(models())


def start(model: LinearRNN) -> np.ndarray:
    """A point away from the maximum."""
    layout, transform = model.layout, model.transform
    psi = transform.to_unconstrained(layout.reduce(model.start_params.to_numpy()))
    rng = np.random.default_rng(2)
    for share in 0.3 * 0.5 ** np.arange(8.0):
        theta = layout.expand(transform.to_natural(psi + share * rng.standard_normal(len(psi))))
        if np.isfinite(model.loglike(theta)):
            return theta
    raise AssertionError("no admissible neighbour")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("accelerate", [False, True])
def test_the_likelihood_never_falls(name: str, accelerate: bool) -> None:
    model = models()[name]
    path = expectation_maximisation(
        model._likelihood,
        model.layout,
        model.transform,
        start(model),
        maxiter=8,
        accelerate=accelerate,
    )
    assert path.iterations == 8
    assert path.llf[0] == pytest.approx(model.loglike(start(model)), abs=1e-9)
    assert path.llf[-1] == pytest.approx(model.loglike(path.theta), abs=1e-9)
    assert np.diff(path.llf).min() > -ROUNDING
    assert path.llf[-1] > path.llf[0] + 1.0


@pytest.mark.parametrize(
    "name", ["factors", "tied factors", "free with gaps", "drift, a constant start"]
)
def test_same_maximum_as_scoring(name: str) -> None:
    model = models()[name]
    ours = model.fit(method="em", n_starts=1)
    scoring = model.fit(start_params=ours.params, cov_type="oim")
    assert ours.convergence.converged
    assert ours.convergence.method == "em"
    assert ours.llf == pytest.approx(scoring.llf, abs=1e-6)
    if name.startswith("free"):
        return
    error = (ours.params - scoring.params).abs() / scoring.bse.where(scoring.bse > 0.0)
    assert error.max() < 1e-3


@pytest.mark.parametrize("name", ["factors", "free with gaps", "trend and cycle"])
def test_a_maximum_is_a_fixed_point(name: str) -> None:
    model = models()[name]
    theta = model.fit(cov_type="none", n_starts=2).params.to_numpy()
    plan = Plan(model._table, model.layout)
    moved, _ = step(model._likelihood, model.layout, model.transform, plan, theta)
    info = model.information(theta)
    gap = moved - theta
    assert np.sqrt(gap @ info @ gap) < 1e-3  # in standard errors


@pytest.mark.parametrize("name", [n for n in NAMES if n != "parameters on both sides"])
def test_expected_score_of_states_is_the_score(name: str) -> None:
    """Fisher's identity: the gradient of the expected complete-data likelihood at the point where
    expectations were taken is the score, for what only the state equation knows.
    """
    model = models()[name]
    theta = start(model)
    like = model._likelihood
    moments = expectations(like.table, theta, like.y, like.x_obs, like.x_state)
    plan = Plan(model._table, model.layout)
    chosen = [*plan.state.linear, *plan.state.variances]
    assert chosen
    _, gradient = _expected(like, plan, theta, moments)
    ours = model.layout.pull(gradient)[chosen]
    score = model.layout.pull(model.score(theta))[chosen]
    size = np.sqrt(np.diag(model.layout.expansion.T @ model.information(theta)
                           @ model.layout.expansion))[chosen]  # fmt: skip
    np.testing.assert_allclose(ours / size, score / size, atol=1e-7)


@pytest.mark.parametrize("name", ["factors with input", "free with gaps", "tied factors"])
def test_output_step_is_the_maximum_of_the_expected_likelihood(name: str) -> None:
    """Coefficients first, given the noise; then the noise, given these: both gradients vanish."""
    from rnnstats.estimation.em.climb import _output_update

    model = models()[name]
    theta, layout = start(model), model.layout
    like, plan = model._likelihood, Plan(model._table, model.layout)
    m = expectations(like.table, theta, like.y, like.x_obs, like.x_state)

    def expected(noise_at: np.ndarray, coefficients_at: np.ndarray) -> float:
        noise = model._table.array(model._table.fill(noise_at), "obs_cov")
        b = plan.output_coefficients(model._table.fill(coefficients_at))
        if plan.diagonal:
            rest = m.output_square.diagonal() - 2.0 * (b * m.output_cross).sum(axis=1)
            gram = np.broadcast_to(m.output_regressors, (len(b), *m.output_regressors.shape[1:]))
            rest = rest + np.array([row @ g @ row for row, g in zip(b, gram, strict=True)])
            size = np.diag(noise)
            return float(-0.5 * (m.output_counts * np.log(size) + rest / size).sum())
        rest = m.output_square - b @ m.output_cross.T - m.output_cross @ b.T
        rest = rest + b @ m.output_regressors[0] @ b.T
        log_det = np.linalg.slogdet(noise)[1]
        total = m.output_counts[0] * log_det + np.trace(np.linalg.solve(noise, rest))
        return float(-0.5 * total)

    free = _output_update(plan, layout, layout.reduce(theta), m)
    new = layout.expand(free)
    middle = layout.reduce(theta)
    middle[plan.output.linear] = free[plan.output.linear]

    def by_coefficients(x: np.ndarray) -> float:
        point = middle.copy()
        point[plan.output.linear] = x
        return expected(theta, layout.expand(point))

    def by_noise(x: np.ndarray) -> float:
        point = free.copy()
        point[plan.output.variances] = x
        return expected(layout.expand(point), new)

    assert plan.output.linear.size
    assert plan.output.variances.size
    np.testing.assert_allclose(slope(by_coefficients, free[plan.output.linear]), 0.0, atol=1e-6)
    np.testing.assert_allclose(slope(by_noise, free[plan.output.variances]), 0.0, atol=1e-6)


def test_which_parameters_have_a_closed_form() -> None:
    """Coefficients of equations without noise, starts, and what is on both sides, have none."""
    found = models()

    def others(name: str) -> set[str]:
        plan = Plan(found[name]._table, found[name].layout)
        return {found[name].layout.free_names[j] for j in plan.others}

    assert others("factors") == others("free with gaps") == set()
    assert others("drift, a constant start") == {"x", "slope"}
    assert others("parameters on both sides") == {"phi", "q"}


def test_covariances_with_restrictions_have_no_closed_form() -> None:
    rng = np.random.default_rng(3)
    y = np.cumsum(rng.standard_normal((150, 3)), axis=0) + rng.standard_normal((150, 3))
    y += rng.standard_normal((150, 1))  # noise that all share
    cov = [["v" if i == j else "c" for j in range(3)] for i in range(3)]
    model = LinearRNN(
        y,
        form="structured",
        initial="known",
        structure={"W_h": np.eye(3), "state_cov": "diagonal", "obs_cov": cov},
    )
    plan = Plan(model._table, model.layout)
    assert {model.layout.free_names[j] for j in plan.others} == {"v", "c"}
    results = model.fit(method="em", n_starts=1)
    assert results.llf == pytest.approx(model.fit().llf, abs=1e-6)


def test_too_few_steps_are_said() -> None:
    model = models()["leaky"]
    with pytest.warns(ConvergenceWarning, match="expectation-maximisation stopped after 2 steps"):
        results = model.fit(method="em", n_starts=1, maxiter=2)
    assert not results.convergence.converged
    assert results.convergence.iterations == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "got noise shared by output and state"),
        (
            {
                "form": "structured",
                "initial": "known",
                "structure": {"W_h": 0.5, "V": np.ones(6), "state_cov": "q", "obs_cov": "r"}
                | {"first_step": "noiseless"},
            },
            "got another start",
        ),
        ({"form": "observed", "initial": "diffuse", "k_states": 12}, "given its first 2 rows"),
    ],
)
def test_models_without_hidden_noise_are_refused(options: dict[str, Any], message: str) -> None:
    y = panel(gaps=False)
    with pytest.raises(SpecificationError, match=message):
        LinearRNN(y, **options).fit(method="em")


def test_fully_observed_states_take_few_steps() -> None:
    """Without hidden states the expectations are the data: least squares, but for the start."""
    y = panel(gaps=False)[:, :2]
    for initial in ("stationary", "known"):
        model = LinearRNN(y, form="observed", k_states=4, initial=initial)
        results = model.fit(method="em", n_starts=1)
        assert results.convergence.iterations < 15
        assert results.llf == pytest.approx(model.fit().llf, abs=1e-7)


@pytest.mark.slow
def test_numbers_do_not_depend_on_the_number_of_processes() -> None:
    model = models()["factors"]
    one, two = (model.fit(method="em", n_starts=3, n_jobs=n) for n in (1, 2))
    np.testing.assert_array_equal(one.params, two.params)


def test_the_end_of_a_climb_is_one_for_the_record_too() -> None:
    """Where the expected information and the Hessian differ, the climb ends by the stricter."""
    rng = np.random.default_rng(0)
    h, x = np.zeros((150, 2)), rng.standard_normal((150, 1))
    for t in range(1, 150):
        h[t] = np.array([[0.8, 0.1], [-0.2, 0.5]]) @ h[t - 1] + rng.standard_normal(2)
    loadings = np.array([[1.0, 0.0], [0.5, 0.8], [0.3, -0.6]])
    y = h @ loadings.T + 0.7 * rng.standard_normal((150, 3)) + 3.0 + x
    y[5:9, 0] = y[30] = np.nan
    results = LinearRNN(y, x, form="factor", k_states=1).fit(method="em")
    assert results.convergence.converged
