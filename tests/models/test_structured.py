"""Structured form: tables of numbers and names."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kernels.dense import kronecker_lyapunov
from models.linear_cases import series, slope

from rnnstats import LinearRNN
from rnnstats.errors import SpecificationError
from rnnstats.kernels import kalman
from rnnstats.kernels.system import StateSpace


def walk(nobs: int = 50, p: int = 1, seed: int = 3) -> np.ndarray:
    """Random walks in noise, with gaps."""
    rng = np.random.default_rng(seed)
    y = np.cumsum(rng.standard_normal((nobs, p)), axis=0) + rng.standard_normal((nobs, p))
    y[7, 0] = np.nan
    y[20] = np.nan
    return y


def model(y: Any, exog: Any = None, initial: str = "known", **structure: Any) -> LinearRNN:
    return LinearRNN(y, exog, form="structured", initial=initial, structure=structure)


# --- every table lands in its array --------------------------------------------------------------

EXOG = np.random.default_rng(8).standard_normal((50, 2))
TIME = np.arange(1.0, 51.0)


def everything() -> tuple[LinearRNN, dict[str, float], StateSpace]:
    """A model with every table, parameters, and the same by hand."""
    built = model(
        walk(p=2),
        EXOG,
        W_h=[["a", 0.2, 0], ["-b", "a", 0], [0, 0, "c"]],
        selection=[[1, 0], ["s", 1], [0, 0]],
        W_x=[["w", 0], [0, "-w"], [0.5, 0]],
        b_h=["m", 0, "m"],
        V=[[1, 0, "l"], [0, 1, "-l"]],
        D=[["d", 0], [0, 0.3]],
        b_y=["k", 2],
        b_y_trend=[0, "g"],
        state_cov=[["q1", "q12"], ["q12", "q2"]],
        obs_cov=["r", "r"],
        cross_cov=[["x", 0], [0, 0]],
        initial_mean=["z", 0, 1],
        initial_cov=[["p", 0, 0], [0, 2, 0], [0, 0, "p"]],
        first_step="noiseless",
    )
    v = {"a": 0.5, "b": 0.3, "c": 0.7, "s": 0.4, "w": 0.6, "m": 0.1, "l": 0.8, "d": -0.5}
    v |= {"k": 1.5, "g": 0.02, "q1": 1.2, "q12": 0.3, "q2": 0.7, "r": 0.9, "x": 0.2, "z": 0.4}
    v |= {"p": 1.1}
    x = EXOG
    by_hand = StateSpace.from_arrays(
        design=[[1, 0, v["l"]], [0, 1, -v["l"]]],
        transition=[[v["a"], 0.2, 0], [-v["b"], v["a"], 0], [0, 0, v["c"]]],
        selection=[[1, 0], [v["s"], 1], [0, 0]],
        state_cov=[[v["q1"], v["q12"]], [v["q12"], v["q2"]]],
        obs_cov=v["r"] * np.eye(2),
        cross_cov=[[v["x"], 0], [0, 0]],
        obs_intercept=np.column_stack(
            [v["k"] + v["d"] * x[:, 0], 2 + v["g"] * TIME + 0.3 * x[:, 1]]
        ),
        state_intercept=np.column_stack(
            [v["m"] + v["w"] * x[:, 0], -v["w"] * x[:, 1], v["m"] + 0.5 * x[:, 0]]
        ),
        initial_mean=[v["z"], 0, 1],
        initial_cov=np.diag([v["p"], 2, v["p"]]),
        first_step="noiseless",
    )
    return built, v, by_hand


def test_every_table_lands_in_its_array() -> None:
    built, values, by_hand = everything()
    assert set(built.param_names) == set(values)
    params = pd.Series(values)
    system = built.system(params)
    for name in ("design", "transition", "selection", "state_cov", "obs_cov", "cross_cov"):
        np.testing.assert_array_equal(getattr(system, name), getattr(by_hand, name), err_msg=name)
    for name in ("initial_mean", "initial_cov", "obs_intercept", "state_intercept"):
        np.testing.assert_allclose(
            getattr(system, name), getattr(by_hand, name), atol=1e-15, err_msg=name
        )
    y = walk(p=2)
    assert built.loglike(params) == pytest.approx(kalman.loglike(by_hand, y), abs=1e-10)
    assert (built.trend, built.exog_enters, built.k_states) == ("ct", "both", 3)


def test_derivatives_are_those_of_the_names() -> None:
    """A parameter in several cells, with signs, collects from all of them."""
    built, values, _ = everything()
    theta = np.array([values[name] for name in built.param_names])
    score = built.score(theta)
    np.testing.assert_allclose(score, slope(built.loglike, theta), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(built.score_obs(theta).sum(axis=0), score, rtol=1e-10, atol=1e-10)


def test_short_ways_of_writing_are_the_same_model() -> None:
    y = walk()
    short = model(y, W_h=1, V=1, state_cov="q", obs_cov="r")
    long = model(y, W_h=[[1]], V=[[1]], selection=[[1.0]], state_cov=[["q"]], obs_cov=[["r"]])
    assert short.loglike([0.7, 1.3]) == long.loglike([0.7, 1.3])
    y2 = walk(p=2)
    covs: dict[str, Any] = {
        "words": {"state_cov": "diagonal", "obs_cov": "identity"},
        "vectors": {"state_cov": ["a", "b"], "obs_cov": [1, 1]},
        "arrays": {
            "state_cov": np.array([["a", 0], [0, "b"]], dtype=object),
            "obs_cov": np.eye(2),
        },
        "one cell": {"state_cov": ["a", "b"], "obs_cov": 1},
    }
    values = {name: model(y2, W_h=np.eye(2), **kw).loglike([0.5, 2.0]) for name, kw in covs.items()}
    assert len(set(values.values())) == 1, values
    full = model(y2, W_h=np.eye(2), state_cov="full", obs_cov="diagonal")
    assert full.param_names == (
        "state_cov[h1,h1]",
        "state_cov[h2,h1]",
        "state_cov[h2,h2]",
        "obs_cov[y1,y1]",
        "obs_cov[y2,y2]",
    )


def test_labelled_tables_are_put_in_order() -> None:
    y = pd.DataFrame(walk(p=2), columns=["gdp", "cpi"])
    names = ["level", "cycle"]
    w = pd.DataFrame([[1, 0], [0, "phi"]], index=names, columns=names, dtype=object)
    v = pd.DataFrame([["l", 1], [1, 0]], index=["cpi", "gdp"], columns=["cycle", "level"])
    v = v.astype(object)
    v.loc["gdp"] = [0.5, 1]  # cycle, level
    noise = pd.Series({"cpi": "rc", "gdp": "rg"})
    built = model(y, W_h=w, V=v, state_cov=["q", 1], obs_cov=noise)
    assert built.state_names == ("level", "cycle")
    params = pd.Series({"phi": 0.6, "l": 0.3, "q": 0.5, "rg": 1.0, "rc": 2.0})
    system = built.system(params)
    np.testing.assert_array_equal(system.design, [[1, 0.5], [1, 0.3]])
    np.testing.assert_array_equal(np.diag(system.obs_cov), [1.0, 2.0])


def test_tables_are_copied() -> None:
    table = [[0.5]]
    built = model(walk(), W_h=table, state_cov="q", obs_cov="r")
    table[0][0] = 0.9
    assert built.clone(walk(seed=4)).system([1.0, 1.0]).transition[0, 0] == 0.5


# --- starts --------------------------------------------------------------------------------------


def test_constant_before_the_sample_and_at_its_first_row() -> None:
    """x_0 fixed at t = 0 makes the first step noisy; at t = 1 it is the first state itself."""
    y = walk()[:, 0]
    tables: dict[str, Any] = {"W_h": 0.5, "V": 1, "state_cov": 2.0, "obs_cov": 1.0}
    before = model(y, **tables, initial_mean="x0")
    at = model(y, **tables, initial_mean="x1", first_step="none")
    np.testing.assert_allclose(before.filter([4.0]).predicted_state[0], 2.0)
    np.testing.assert_allclose(before.filter([4.0]).predicted_state_cov[0], [[2.0]])
    np.testing.assert_allclose(at.filter([4.0]).predicted_state[0], 4.0)
    np.testing.assert_allclose(at.filter([4.0]).predicted_state_cov[0], [[0.0]])


MIXED: dict[str, Any] = {
    "W_h": [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, "a", "b"], [0, 0, 1, 0]],
    "V": [[1, 0, 1, 0], ["l", 0, "k", 0]],
    "selection": [[1, 0, 0], [0, 1, 0], [0, 0, "g"], [0, 0, 0]],
    "state_cov": ["q", "s", "u"],
    "obs_cov": [["r1", "c"], ["c", "r2"]],
    "b_h": [0, 0, "m", 0],
    "W_x": [["w", 0], [0, 0], [0, "v"], [0, 0]],
    "initial_diffuse": [True, True, False, False],
}
MIXED_VALUES = pd.Series(
    {"a": 0.5, "b": 0.2, "g": 0.7, "m": 0.3, "w": 0.2, "v": -0.4, "l": 0.6, "k": 0.9}
    | {"q": 0.5, "s": 0.1, "u": 1.3, "r1": 1.0, "c": 0.2, "r2": 0.8}
)


def test_diffuse_trend_and_stationary_cycle() -> None:
    """The stationary block starts from its own distribution, in numbers by one linear solve."""
    built = model(walk(p=2), EXOG, initial="stationary", **MIXED)
    system = built.system(MIXED_VALUES)
    block = np.ix_([2, 3], [2, 3])
    spread = (system.selection @ system.state_cov @ system.selection.T)[block]
    a = np.array(system.transition[block])
    cov = np.zeros((4, 4))
    cov[block] = kronecker_lyapunov(a, spread)
    mean = np.zeros(4)
    mean[2:] = np.linalg.solve(np.eye(2) - a, system.state_intercept[0, 2:])
    by_hand = StateSpace.from_arrays(
        design=system.design,
        transition=system.transition,
        selection=system.selection,
        state_cov=system.state_cov,
        obs_cov=system.obs_cov,
        state_intercept=system.state_intercept,
        initial_mean=mean,
        initial_cov=cov,
        initial_diffuse=[True, True, False, False],
        first_step="none",
    )
    expected = kalman.loglike(by_hand, walk(p=2))
    assert built.loglike(MIXED_VALUES) == pytest.approx(expected, abs=1e-9)
    theta = np.array(MIXED_VALUES[list(built.param_names)])
    score = built.score(theta)
    np.testing.assert_allclose(score, slope(built.loglike, theta), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(built.score_obs(theta).sum(axis=0), score, rtol=1e-9, atol=1e-9)
    theta[built.param_names.index("a")] = 0.9  # 0.9 + 0.2 > 1
    assert built.loglike(theta) == -np.inf


def test_rows_before_the_first_observation_do_not_matter() -> None:
    y = walk(p=2)
    gone = np.full((3, 2), np.nan)
    tables = {key: value for key, value in MIXED.items() if key != "W_x"}
    values = MIXED_VALUES.drop(["w", "v"])
    short = model(y, initial="stationary", **tables)
    long = model(np.vstack([gone, y]), initial="stationary", **tables)
    assert long.loglike(values) == pytest.approx(short.loglike(values), abs=1e-12)


def test_a_partly_diffuse_start_cannot_be_drawn() -> None:
    built = model(walk(p=2), EXOG, initial="stationary", **MIXED)
    with pytest.raises(SpecificationError, match="diffuse start cannot be drawn"):
        built.simulate(MIXED_VALUES, 5, rng=1)
    drawn = built.simulate(MIXED_VALUES, 5, rng=1, initial_state=np.zeros(4))
    assert drawn.shape == (5, 2)


# --- covariances ---------------------------------------------------------------------------------


def test_equal_variances_and_covariances() -> None:
    """A restricted covariance matrix counts as long as it is one."""
    y = walk(p=3)
    cov = [["v" if i == j else "c" for j in range(3)] for i in range(3)]
    built = model(y, W_h=np.eye(3), state_cov=cov, obs_cov=1.0)
    assert built.param_names == ("v", "c")
    by_hand = StateSpace.from_arrays(
        design=np.eye(3),
        transition=np.eye(3),
        state_cov=0.7 * np.eye(3) + 0.3,
        obs_cov=np.eye(3),
    )
    assert built.loglike([1.0, 0.3]) == pytest.approx(kalman.loglike(by_hand, y), abs=1e-10)
    assert np.isfinite(built.loglike([1.0, 1.0]))  # singular: one shock for all
    assert built.loglike([1.0, 1.01]) == -np.inf
    assert built.loglike([1.0, -0.51]) == -np.inf


def test_a_variance_may_appear_elsewhere() -> None:
    """The ratio of two variances as a loading; the variance stays positive."""
    y = walk(p=2)
    built = model(y, W_h=1, V=[1, "q"], state_cov="q", obs_cov=1.0)
    assert built.param_names == ("q",)
    assert built.transform.to_natural(np.array([-3.0]))[0] > 0.0
    assert built.loglike([-0.1]) == -np.inf


def test_an_innovations_form_in_tables() -> None:
    """Noise shared by output and state, for the restricted models that no other form has."""
    y = series(1)
    own = LinearRNN(y, k_states=1)
    table = model(
        y,
        initial="stationary",
        W_h="phi",
        V=1,
        selection="K",
        state_cov="s2",
        obs_cov="s2",
        cross_cov="s2",
        b_y="mu",
    )
    theta = {"W_h[h1,h1]": 0.6, "K[h1,y]": 0.8, "b_y[y]": 3.0, "obs_cov[y,y]": 1.2}
    mine = pd.Series({"phi": 0.6, "K": 0.8, "mu": 3.0, "s2": 1.2})
    assert table.loglike(mine) == pytest.approx(own.loglike(pd.Series(theta)), abs=1e-10)


# --- restrictions and fits -----------------------------------------------------------------------


def test_restrictions_by_name() -> None:
    y = walk(p=2)
    built = model(y, W_h=np.eye(2), state_cov=["a", "b"], obs_cov=["r1", "r2"])
    tied = built.with_fixed({"b": "a", "r2": 1.0})
    same = model(y, W_h=np.eye(2), state_cov=["a", "a"], obs_cov=["r1", 1])
    fit, again = tied.fit(), same.fit()
    assert fit.llf == pytest.approx(again.llf, abs=1e-8)
    np.testing.assert_allclose(fit.params[["a", "r1"]], again.params[["a", "r1"]], rtol=1e-5)
    np.testing.assert_allclose(fit.bse[["a", "r1"]], again.bse[["a", "r1"]], rtol=1e-4)


def test_simulated_parameters_are_found_again() -> None:
    """600 rows: each estimate within four of its standard errors."""
    truth = {"phi": 0.8, "l": 0.7, "m": 0.4, "q": 1.0, "s": 0.3, "r1": 0.5, "r2": 0.4}
    tables: dict[str, Any] = {
        "W_h": [[1, 0], [0, "phi"]],
        "V": [[1, 1], [0, "l"]],
        "b_h": ["m", 0],
        "state_cov": ["s", "q"],
        "obs_cov": ["r1", "r2"],
        "initial_diffuse": [True, False],
    }
    blank = model(np.ones((5, 2)), initial="stationary", **tables)
    start = np.zeros(2)
    y = blank.simulate(pd.Series(truth), 600, rng=11, initial_state=start)
    results = model(y, initial="stationary", **tables).fit()
    assert results.convergence.converged
    error = (results.params - pd.Series(truth)) / results.bse
    assert error.abs().max() < 4.0, error
    assert results.bse.max() < 0.3


def test_a_variance_at_zero_is_said_to_be_there() -> None:
    rng = np.random.default_rng(2)
    y = rng.standard_normal(80)
    results = model(y, W_h=1, V=1, state_cov="q", obs_cov="r", initial="diffuse").fit()
    assert results.convergence.boundary == ("q is at its boundary, zero",)
    assert results.convergence.converged


def test_forecasts_with_tables() -> None:
    """A drift and a trend go on after the sample."""
    y = walk()[:, 0]
    drift = model(y, W_h=1, V=1, b_h=0.5, state_cov=1.0, obs_cov=1.0, initial="diffuse").fit()
    ahead = drift.forecast(3).to_numpy()
    np.testing.assert_allclose(np.diff(ahead), 0.5, atol=1e-12)
    line = model(y, W_h=0.0, b_y=1, b_y_trend=0.25, state_cov=1.0, obs_cov=1.0).fit()
    np.testing.assert_allclose(line.forecast(3), 1 + 0.25 * np.arange(51, 54), atol=1e-12)


# --- what is refused -----------------------------------------------------------------------------

GOOD: dict[str, Any] = {"W_h": [[1, 0], [0, 1]], "state_cov": ["a", "b"], "obs_cov": "r"}
BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "unknown table": ({"W_hh": 1}, {}, "has the keys .*'W_hh'. Did you mean 'W_h'"),
    "no transition": ({"W_h": None}, {}, r"needs structure\['W_h'\]"),
    "no state noise": ({"state_cov": None}, {}, r"needs structure\['state_cov'\]"),
    "not square": ({"W_h": [[1, 0]]}, {}, r"\['W_h'\] must be square; got shape \(1, 2\)"),
    "ragged": ({"W_h": [[1, 0], [1]]}, {}, "rows of one length; got rows of lengths"),
    "wrong shape": ({"V": [[1, 0, 0]]}, {}, r"\(2, 2\) \(outputs by states\); got shape \(1, 3\)"),
    "wrong length": ({"b_y": ["a"]}, {}, r"must have length 2 .*; got shape \(1,\)"),
    "a numeral": ({"b_y": ["1.5", 0]}, {}, "got the text '1.5'. Write numbers without quotes"),
    "not a number": ({"b_y": [np.nan, 0]}, {}, "finite numbers and names of parameters; got nan"),
    "None in a cell": ({"b_y": [None, 0]}, {}, "finite numbers and names of parameters; got None"),
    "asymmetric": ({"state_cov": [["a", "c"], ["d", "b"]]}, {}, "symmetric; got d in row 2"),
    "negative": ({"obs_cov": ["-r", "r"]}, {}, "negative variances; got -r on the diagonal"),
    "diffuse": ({"initial_diffuse": [1, 0]}, {}, "True or False for each of 2 states"),
    "first step": ({"first_step": "late"}, {"initial": "known"}, "'noisy', 'noiseless', 'none'"),
    "mean": ({"initial_mean": ["x", 0]}, {"initial": "diffuse"}, "belongs to initial='known'"),
    "unit root": ({}, {"initial": "stationary"}, "a fixed one of modulus 1 in W_h .state h1"),
    "driven": (
        {"W_h": [[1, 0], ["k", 0.5]], "initial_diffuse": [True, False]},
        {"initial": "stationary"},
        r"must not be driven by a diffuse one; got k in W_h at \[h2,h1\]",
    ),
    "half diffuse": ({"initial_diffuse": [True, False]}, {"initial": "diffuse"}, "every state is"),
    "no inputs": ({"W_x": [["a"], ["b"]]}, {}, "coefficients of inputs; got no exog"),
    "k_states": ({}, {"k_states": 3}, "has 2 rows; got 3"),
    "obs_noise": ({}, {"obs_noise": "diagonal"}, "Give structure.'obs_cov'."),
    "trend": ({"b_y": ["a", 0]}, {"trend": "n"}, "trend follows from the tables"),
    "slope": ({}, {"trend": "ct"}, "trend follows from the tables"),
    "kronecker": ({}, {"kronecker": (1, 1)}, "kronecker belongs to form='innovations'"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_tables_are_refused(case: str) -> None:
    change, options, message = BAD[case]
    structure = {key: value for key, value in (GOOD | change).items() if value is not None}
    options = {"initial": "known"} | options
    with pytest.raises(SpecificationError, match=message) as caught:
        LinearRNN(walk(p=2), form="structured", structure=structure, **options)
    assert re.match(r"LinearRNN: .+; got .+\.", str(caught.value))


def test_inputs_need_a_table() -> None:
    with pytest.raises(SpecificationError, match="where the inputs x1, x2 enter"):
        model(walk(p=2), EXOG, **GOOD)
    with pytest.raises(SpecificationError, match="exog_enters='output' and tables for 'state'"):
        LinearRNN(
            walk(p=2),
            EXOG,
            form="structured",
            initial="known",
            exog_enters="output",
            structure=GOOD | {"W_x": [["a", 0], [0, "b"]]},
        )


def test_output_table_may_be_left_out_only_where_evident() -> None:
    with pytest.raises(SpecificationError, match="as many states as outputs; got 2 states and 1"):
        model(walk(), **GOOD)


def test_a_model_in_numbers_has_results() -> None:
    """Nothing to estimate: states, forecasts and a summary all the same."""
    y = walk()[:, 0]
    results = model(y, W_h=1, V=1, state_cov=0.5, obs_cov=1.0, initial="diffuse").fit()
    assert results.params.empty
    assert results.df_model == 1  # the diffuse state
    assert results.llf == results.model.loglike([])
    assert "Log Likelihood" in str(results.summary())
    assert len(results.get_forecast(3).summary_frame()) == 3
    assert "1" in str(results.memory().summary())


@pytest.mark.parametrize("y", [np.zeros(50), np.ones(1), np.ones(2)])
def test_without_free_parameters_any_data_do(y: Any) -> None:
    """Such as a constant: nothing is estimated, the mapping is that of the numbers given."""
    built = model(y, W_h=0.8, V=1, state_cov=0.5, obs_cov=1.5)
    results = built.fit()
    assert results.llf == built.loglike([])
    assert results.to_varma().ma.item() == pytest.approx(-0.5114530724097428, rel=1e-12)
    assert "Log Likelihood" in str(results.summary())
    assert len(results.test_heteroskedasticity()) == 1


def test_default_starts_find_a_trend_and_a_cycle() -> None:
    """Two series share both; other maxima take a walk for the cycle."""
    rng = np.random.default_rng(7)
    level = np.cumsum(0.3 + rng.standard_normal(200))
    cycle = np.zeros(200)
    for t in range(1, 200):
        cycle[t] = 0.7 * cycle[t - 1] + rng.standard_normal()
    y = np.outer(level, [1.0, 0.6]) + np.outer(cycle, [1.0, -1.0])
    y += rng.standard_normal((200, 2))
    tables: dict[str, Any] = {
        "W_h": [[1, 1, 0], [0, 1, 0], [0, 0, "phi"]],
        "V": [[1, 0, 1], ["l", 0, "k"]],
        "state_cov": ["q", "s", "u"],
        "obs_cov": ["r", "r"],
        "initial_diffuse": [True, True, False],
    }
    built = model(y, initial="stationary", **tables)
    truth = pd.Series({"phi": 0.7, "l": 0.6, "k": -1.0, "q": 1.0, "s": 1e-4, "u": 1.0, "r": 1.0})
    found = built.fit()
    assert found.convergence.converged
    assert found.llf > built.fit(start_params=truth).llf - 1e-6
    ends = np.array([row.llf for row in found.convergence.optima])
    assert (ends > found.llf - 1e-3).sum() >= 2
