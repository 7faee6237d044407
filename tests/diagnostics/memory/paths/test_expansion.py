"""The path expansion of gradients of residual and gated recurrences."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from rnnstats import GRU, LSTM, ElmanRNN
from rnnstats.diagnostics.memory import gradient_paths, path_expansion
from rnnstats.diagnostics.memory.recurrences import recurrence_of
from rnnstats.errors import SpecificationError
from rnnstats.results.recurrent.states.recurrence import NetworkRecurrence


def residual(h, alpha, beta, steps):
    for _ in range(steps):
        h = alpha * h + beta * np.tanh(h)
    return h


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, -0.5), (0.9, 0.3), (0.0, 1.5), (-0.7, 0.4)])
@pytest.mark.parametrize("steps", [1, 5, 12])
def test_all_paths_sum_to_the_derivative(alpha, beta, steps):
    found = gradient_paths(alpha, beta, 0.3, steps)
    # a complex step is the derivative to rounding
    known = residual(0.3 + 1e-30j, alpha, beta, steps).imag / 1e-30
    assert found.gradient == pytest.approx(known, rel=1e-12)
    paths = found.paths()
    assert len(paths) == found.count == 2**steps
    assert paths["weight"].sum() == pytest.approx(known, rel=1e-9)
    assert paths["share"].sum() == pytest.approx(1.0, rel=1e-9)
    assert found.frame["share"].sum() == pytest.approx(1.0, rel=1e-9)
    by_length = paths.groupby("length")["share"].sum()
    np.testing.assert_allclose(found.frame["share"], by_length, atol=1e-9)
    assert found.identity_share == pytest.approx(paths["share"].iloc[0], rel=1e-10, abs=1e-300)
    assert found.identity_share == pytest.approx(alpha**steps / known, rel=1e-10, abs=1e-300)


def test_twenty_steps_have_2_to_the_20_paths():
    found = gradient_paths(1.0, 0.1, 0.5, 20)
    paths = found.paths()
    assert len(paths) == found.count == 1_048_576
    # a sum of a million positive numbers
    assert paths["weight"].sum() == pytest.approx(found.gradient, rel=1e-11)
    counted = paths["length"].value_counts().sort_index()
    np.testing.assert_allclose(np.log(counted), found.frame["log_paths"], atol=1e-10)
    with pytest.raises(SpecificationError, match="paths: at most 20 steps"):
        gradient_paths(1.0, 0.1, 0.5, 21).paths()


def test_ten_thousand_steps():
    found = gradient_paths(0.999, 0.01, 0.4, 10_000)
    assert found.count == 2**10_000
    frame = found.frame
    assert len(frame) == 10_001
    assert frame["share"].sum() == pytest.approx(1.0, rel=1e-9)
    assert found.distribution.sum() == pytest.approx(1.0, rel=1e-12)
    assert np.isfinite(found.log_gradient)
    # positive factors: the law of the length is that of independent steps
    weights = found.branch / (found.kept + found.branch)
    assert found.mean_length == pytest.approx(weights.sum(), rel=1e-9)
    known = np.exp(10_000 * np.log(0.999) - found.log_gradient)
    assert found.identity_share == pytest.approx(known, rel=1e-9)


def test_vectors_with_a_matrix_in_the_branch():
    rng = np.random.default_rng(0)
    alpha, beta, weights = 0.9 * np.eye(2), rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
    inputs, h0 = rng.standard_normal((10, 2)), np.array([0.3, -0.2])
    found = gradient_paths(alpha, beta, h0, 10, weights=weights, inputs=inputs)
    known = np.empty((2, 2))
    for j in range(2):
        h = h0 + 1e-30j * np.eye(2)[j]
        for x in inputs:
            h = alpha @ h + beta @ np.tanh(weights @ h + x)
        known[:, j] = h.imag / 1e-30
    np.testing.assert_allclose(found.gradient, known, rtol=1e-11, atol=1e-13)
    paths = found.paths()
    assert paths["weight"].sum() == pytest.approx(np.linalg.norm(known), rel=1e-10)
    assert found.identity_share == pytest.approx(paths["share"].iloc[0], rel=1e-9)
    by_length = paths.groupby("length")["share"].sum()
    np.testing.assert_allclose(found.frame["share"], by_length, atol=1e-9)
    horizon = found.by_horizon
    assert horizon["log_gradient"].iloc[-1] == pytest.approx(found.log_gradient, rel=1e-10)
    np.testing.assert_allclose(
        horizon["log_identity"], np.log(np.sqrt(2.0)) + np.arange(11) * np.log(0.9), atol=1e-12
    )


def test_slopes_of_large_states_do_not_cancel():
    found = gradient_paths(1.0, 1.0, 30.0, 1)
    # 1 - tanh(30)^2 is zero in floating point; 4 e^-60 is not
    assert found.branch[0] == pytest.approx(4.0 * np.exp(-60.0), rel=1e-12, abs=0.0)


def test_expansion_of_given_factors():
    kept, branch = np.array([0.5, 0.2]), np.array([0.25, 0.3])
    found = path_expansion(kept, branch)
    assert found.gradient == pytest.approx(0.375)
    np.testing.assert_allclose(found.paths()["weight"], [0.1, 0.05, 0.15, 0.075])
    np.testing.assert_allclose(found.frame["share"], np.array([0.1, 0.2, 0.075]) / 0.375)
    cells = path_expansion(kept[:, None, None], branch[:, None, None])
    assert cells.gradient == pytest.approx(0.375)
    nothing = path_expansion([1.0, 1.0], [-1.0, 0.5])
    assert nothing.gradient == 0.0 and np.isnan(nothing.identity_share)
    assert "gradient is zero" in str(nothing.summary())


def test_callables_and_jacobians_read_as_residual_steps():
    W = np.array([[0.1, -0.4], [0.3, 0.2]])

    def step(h):
        return h + np.tanh(W @ h)

    known = gradient_paths(1.0, 1.0, [0.5, 0.1], 8, weights=W)
    found = gradient_paths(step, h0=[0.5, 0.1], nsteps=8, carry="unit")
    with_tanh = gradient_paths(np.eye(2), np.eye(2), [0.5, 0.1], 8, weights=W)
    for one in (found, with_tanh):
        assert one.log_gradient == pytest.approx(known.log_gradient, rel=1e-12)
        assert one.identity_share == pytest.approx(known.identity_share, rel=1e-10)
    jacobians = recurrence_of(step, [0.5, 0.1], 8).trajectory().state
    again = gradient_paths(jacobians, carry=np.ones(2))
    assert again.identity_share == pytest.approx(known.identity_share, rel=1e-10)
    last = gradient_paths(jacobians, nsteps=3, carry=1.0)
    assert last.nsteps == 3
    np.testing.assert_allclose(last.kept + last.branch, jacobians[-3:], rtol=1e-14)
    matrix = gradient_paths(jacobians[0], nsteps=4, carry=0.5 * np.eye(2))
    assert matrix.identity_share * np.exp(matrix.log_gradient) == pytest.approx(
        0.5**4 * np.trace(matrix.gradient) / np.linalg.norm(matrix.gradient), rel=1e-10
    )


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(3)
    x = np.zeros(200)
    for t in range(1, 200):
        x[t] = 0.9 * np.tanh(1.6 * x[t - 1]) + 0.4 * rng.standard_normal()
    return pd.Series(x, index=pd.period_range("2001-01", periods=200, freq="M"), name="cpi")


@pytest.fixture(scope="module")
def lstm(series):
    return LSTM(series, k_hidden=1).fit(n_starts=1, penalty=0.3, rng=1)


def test_gates_of_an_lstm_keep_the_cell(lstm):
    found = gradient_paths(lstm, nsteps=20)
    recurrence = recurrence_of(lstm)
    jacobians = recurrence.trajectory().state[-20:]
    np.testing.assert_allclose(found.kept + found.branch, jacobians, atol=1e-12)
    # the content before reaches content and output through the forget gate alone
    forget = recurrence.kept().values[-20:, 0]
    np.testing.assert_allclose(found.kept[:, 1, 1], forget, rtol=1e-12)
    assert np.abs(found.branch[:, :, 1]).max() < 1e-12
    assert not found.kept[:, :, 0].any()
    log_identity = found.by_horizon["log_identity"]
    gain = found.kept[-1, 0, 1] / forget[-1]
    known = np.log(forget).sum() + 0.5 * np.log(1.0 + gain**2)
    assert log_identity.iloc[-1] == pytest.approx(known, rel=1e-10)


def test_standard_errors_are_those_of_the_delta_method(lstm):
    found = gradient_paths(lstm, nsteps=12)
    assert set(found.errors) == {"log_gradient", "identity_share", "mean_length"}
    recurrence = recurrence_of(lstm)
    theta = recurrence.theta
    slopes = np.empty((3, len(theta)))
    for j in range(len(theta)):
        move = np.zeros(len(theta))
        move[j] = 1e-5 * max(1.0, abs(theta[j]))
        ends = [
            gradient_paths(
                replace(recurrence, theta=theta + sign * move, estimates=None), nsteps=12
            )
            for sign in (1.0, -1.0)
        ]
        values = [(one.log_gradient, one.identity_share, one.mean_length) for one in ends]
        slopes[:, j] = np.subtract(*values) / (2.0 * move[j])
    known = np.sqrt(np.diagonal(recurrence.spread(slopes)))
    # differences of relative length 1e-5 here and in the package
    np.testing.assert_allclose(list(found.errors.values()), known, rtol=1e-3)
    assert "std err" in str(found.summary()) and "months" in str(found.summary())


def at_random(model):
    """Make a recurrence of a network at weights drawn from a normal distribution."""
    theta = 0.5 * np.random.default_rng(8).standard_normal(len(model.param_names))
    theta[-1] = 1.0  # the variance
    return NetworkRecurrence(model, theta)


def test_gates_of_a_gru_and_networks_without(series):
    gru = at_random(GRU(series, k_hidden=2))
    found = gradient_paths(gru, nsteps=15, given="shocks")
    values = gru.kept().values[-15:]
    np.testing.assert_allclose(found.kept[:, 0, 0], values[:, 0], rtol=1e-12)
    np.testing.assert_allclose(found.kept[:, 1, 1], values[:, 1], rtol=1e-12)
    assert found.kept.shape == (15, 3, 3) and not found.kept[:, 2].any()
    jacobians = gru.trajectory("shocks").state[-15:]
    np.testing.assert_allclose(found.kept + found.branch, jacobians, atol=1e-12)
    assert found.step == "months" and not found.errors
    elman = at_random(ElmanRNN(series, k_hidden=1))
    with pytest.raises(SpecificationError, match="carry='gates' needs results of a GRU or LSTM"):
        gradient_paths(elman, carry="gates")
    found = gradient_paths(elman)
    assert found.nsteps == 100 and (found.kept == 1.0).all()


def test_pictures():
    for found in (gradient_paths(0.9, 0.3, 0.3, 200), gradient_paths(1.0, -0.5, 0.3, 60)):
        figure = found.plot()
        assert len(figure.axes) == 2
        mpl.pyplot.close(figure)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradient_paths(0.5, 0.1, None, 3), "h0 must be given with alpha and beta"),
        (lambda: gradient_paths(0.5, 0.1, 0.3), "nsteps must be given without inputs"),
        (lambda: gradient_paths(0.5, 0.1, 0.3, 0), "nsteps must be at least 1"),
        (lambda: gradient_paths(0.5, h0=0.3, nsteps=3), "beta must be given with a number alpha"),
        (lambda: gradient_paths(np.eye(3), 0.1, [0.3, 0.1], 3), "alpha must be a finite number or"),
        (lambda: gradient_paths(4.0, 0.1, 0.3, 900), "the state must stay finite"),
        (lambda: gradient_paths(0.5, 0.1, 0.3, 3, carry="unit"), "carry makes no sense"),
        (lambda: gradient_paths(np.eye(2), nsteps=3, carry="all"), "carry must be 'gates', 'unit'"),
        (
            lambda: gradient_paths(np.eye(2), nsteps=3, carry=np.ones(5)),
            "carry must be a number or",
        ),
        (lambda: gradient_paths(np.eye(2), nsteps=3, carry="gates"), "carry='gates' needs results"),
        (
            lambda: gradient_paths(np.ones((4, 1, 1)), nsteps=5, carry=1.0),
            "nsteps must be at most 4",
        ),
        (
            lambda: gradient_paths(0.5, 0.1, 0.3, 3, inputs=np.zeros((2, 1))),
            "inputs must be finite, with a row",
        ),
    ],
)
def test_arguments_are_checked(call, words):
    with pytest.raises(SpecificationError, match=f"gradient_paths: {words}"):
        call()


def test_factors_are_checked():
    with pytest.raises(SpecificationError, match="path_expansion: kept and branch must have one"):
        path_expansion([1.0, 2.0], [1.0])
    with pytest.raises(SpecificationError, match="path_expansion: branch must be finite"):
        path_expansion([1.0], [np.nan])
    with pytest.raises(SpecificationError, match=r"kept and branch must have one .* be real"):
        path_expansion("kept", [1.0])


def test_the_factor_of_every_step_may_be_given_once():
    branch = np.array([0.3, -0.2, 0.5])
    once, thrice = path_expansion(0.9, branch), path_expansion(np.full(3, 0.9), branch)
    np.testing.assert_array_equal(once.distribution, thrice.distribution)
    matrices = np.random.default_rng(5).normal(size=(4, 2, 2))
    once = path_expansion(matrices, 0.8 * np.eye(2))
    thrice = path_expansion(matrices, np.broadcast_to(0.8 * np.eye(2), (4, 2, 2)))
    np.testing.assert_array_equal(once.distribution, thrice.distribution)


def test_a_function_may_be_followed_by_its_start_and_steps():
    step = lambda h: 0.5 * h + 0.5 * np.tanh(h)  # noqa: E731
    short, named = gradient_paths(step, [0.3], 8), gradient_paths(step, h0=[0.3], nsteps=8)
    assert short.count == 2**8
    np.testing.assert_array_equal(short.distribution, named.distribution)
    with pytest.raises(SpecificationError, match=r"nsteps must be a whole number; got 2\.5"):
        gradient_paths(step, [0.3], 2.5)


def test_numbers_are_asked_for():
    with pytest.raises(SpecificationError, match=r"beta must be a finite number.*got 'x'"):
        gradient_paths(0.9, "x", 0.5, 5)


def test_a_state_that_runs_off_is_refused():
    with pytest.raises(SpecificationError, match="the state must stay finite"):
        gradient_paths(2.0, 0.3, 0.5, 5000)
