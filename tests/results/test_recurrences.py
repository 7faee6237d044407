"""Results as recurrences: their Jacobians are those of one step that is taken apart by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import at, data, gaussian, network
from scipy.linalg import helmert

from rnnstats import datasets
from rnnstats.diagnostics.memory import gradient_by_lag
from rnnstats.diagnostics.memory.recurrences import recurrence_of
from rnnstats.diagnostics.memory.uncertainty import delta
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.models.bidirectional import BidirectionalRNN
from rnnstats.models.linear import LinearRNN
from rnnstats.models.markov import MarkovRNN
from rnnstats.models.nonlinear import LSTM, ElmanRNN
from rnnstats.results.linear import LinearResults

# central differences of smooth functions: third root of eps squared, times their curvature
NUMERIC = {"rtol": 2e-7, "atol": 1e-8}


def differences(function, point, length=1e-5):
    columns = []
    for j in range(len(point)):
        step = np.zeros(len(point))
        step[j] = length
        columns.append((function(point + step) - function(point - step)) / (2.0 * length))
    return np.stack(columns, axis=1)


def mean_of(res, eta):
    return np.asarray(res.model.head.law(eta, np.asarray(res._system.extra)).mean)[0]


def taken_apart(res, t):
    """One step of row t of the recursion as a function of state, lags (latest first) and inputs."""
    system, model = res._system, res.model
    row = int(np.asarray(system.rows)[t])
    exog = None if model.exog is None else model.exog.values[row : row + 1]

    def step(state, lags, x=exog):
        return system.step(state[None], lags[None], None if x is None else x)

    return step, system.run.before[t], system.lags_before(row), exog


COUNTS = "counts"


def case(name):
    if name != COUNTS:
        return network(name)
    rng = np.random.default_rng(3)
    y = pd.Series(rng.poisson(4.0, 80).astype(float), name="n")
    return at(ElmanRNN(y, k_hidden=2, y_lags=2, head="poisson", skip=True))


@pytest.mark.parametrize("name", ["elman", "gru", "lstm", COUNTS])
def test_a_network_with_its_inputs_held(name):
    res = case(name)
    recurrence = recurrence_of(res)
    found = recurrence.trajectory()
    for t in (0, 7, 40):
        step, state, lags, exog = taken_apart(res, t)
        known = differences(lambda s, f=step, u=lags: f(s, u)[0][0], state)
        np.testing.assert_allclose(found.state[t], known, **NUMERIC)
        inside = differences(
            lambda u, f=step, s=state, shape=lags.shape: f(s, u.reshape(shape))[0][0], lags.ravel()
        )
        np.testing.assert_allclose(found.inputs[t][:, : lags.size], inside, **NUMERIC)
        if exog is not None:
            inside = differences(lambda x, f=step, s=state, u=lags: f(s, u, x[None])[0][0], exog[0])
            np.testing.assert_allclose(found.inputs[t][:, lags.size :], inside, **NUMERIC)
        # the mean moves with the state of the row, and past it with its inputs
        through = found.readout[t] @ found.inputs[t]
        if found.direct is not None:
            through = through + found.direct[t]
        whole = differences(
            lambda u, f=step, s=state, shape=lags.shape: mean_of(res, f(s, u.reshape(shape))[1]),
            lags.ravel(),
        )
        np.testing.assert_allclose(through[:, : lags.size], whole, rtol=2e-7, atol=1e-7)
    assert len(recurrence.labels.inputs) == found.inputs.shape[2]
    assert len(recurrence.labels.states) == found.k_state
    assert found.state.shape[0] == len(recurrence.labels.index)


@pytest.mark.parametrize("name", ["elman", "gru", COUNTS])
def test_a_network_with_its_shocks_held(name):
    res = case(name)
    recurrence = recurrence_of(res)
    found = recurrence.trajectory("shocks")
    names = recurrence.names(found)
    m = recurrence.trajectory().k_state
    for t in (3, 30):
        step, state, lags, _ = taken_apart(res, t)

        def moved(z, f=step, shape=lags.shape):
            older = z[m:].reshape(shape)
            new, eta = f(z[:m], older)
            return np.concatenate([new[0], mean_of(res, eta), older[:-1].ravel()])

        known = differences(moved, np.concatenate([state, lags.ravel()]))
        np.testing.assert_allclose(found.state[t], known, rtol=2e-7, atol=1e-7)
    output = res.model.endog.names[0]
    assert names.states[m] == output
    assert names.inputs[0] == f"e.{output}"
    assert names.outputs == (output,)
    # a shock enters the output of its row as it is
    np.testing.assert_array_equal(found.readout[5] @ found.inputs[5][:, :1], [[1.0]])


def test_a_network_without_lags_has_no_loop_through_its_outputs():
    y, x = data()
    recurrence = recurrence_of(at(LSTM(y, x, k_hidden=1, y_lags=0)))
    one, other = recurrence.trajectory("inputs"), recurrence.trajectory("shocks")
    np.testing.assert_array_equal(one.state, other.state)


def test_slopes_and_influence_of_a_network():
    res = gaussian()
    recurrence = recurrence_of(res)

    def weight(there):  # the mean Jacobian of one tanh unit
        return there.trajectory().state.mean(axis=0)

    found = delta(recurrence, weight)

    def by_hand(theta):
        h = res.model.system(theta).states
        place = list(res.model.param_names).index("W_h[h1,h1]")
        return np.array([theta[place] * (1.0 - h**2).mean()])

    np.testing.assert_allclose(found.value, by_hand(res._theta), rtol=1e-12)
    slopes = differences(by_hand, res._theta)
    np.testing.assert_allclose(recurrence.slopes(weight), slopes, rtol=1e-5, atol=1e-7)
    influence = recurrence.influence()
    assert influence.shape == (len(recurrence.labels.index), len(res.params))
    # the mean square of the influences is the sandwich of n observations
    cov = influence.T @ influence / len(influence) ** 2
    np.testing.assert_allclose(
        np.sqrt(np.diagonal(cov)), res.with_cov("robust_approx").bse, rtol=1e-6
    )


@pytest.fixture(scope="module")
def linear():
    return LinearRNN(np.log(datasets.lynx()), k_states=2).fit()


def test_a_linear_model_is_its_matrix_and_its_filter(linear):
    recurrence = recurrence_of(linear)
    own, held = recurrence.trajectory(), recurrence.trajectory("inputs")
    network = linear.to_rnn()
    np.testing.assert_array_equal(own.state[0], linear._system.transition)
    np.testing.assert_allclose(held.state[-1], network.W_h, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(held.inputs[0], network.W_y, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(own.readout[0], network.V, rtol=1e-12)
    assert own.constant
    assert held.constant
    assert own.nobs == linear.model.nobs
    assert recurrence.names(held).inputs[0].startswith("L1.")
    assert recurrence.names(own).inputs[0].startswith("L1.e.")


def test_the_rate_of_a_linear_model_has_its_delta_error(linear):
    def rate(there):
        return np.log(np.abs(np.linalg.eigvals(there.trajectory().state[0])).max())

    found, known = delta(recurrence_of(linear), rate), linear.memory().verdict.iloc[0]
    assert found.value[0] == pytest.approx(known["log_radius"], rel=1e-12)
    assert found.error[0] == pytest.approx(known["log_radius_se"], rel=1e-6)


def test_errors_of_responses_at_a_moving_average_root_on_the_circle():
    """The steady filter's gain has a kink there; K, and so the impulse responses, have none."""
    rng = np.random.default_rng(1)
    shocks = rng.standard_normal(81)
    model = LinearRNN(pd.Series(np.diff(shocks), name="y"), k_states=1)
    theta = np.array([0.3, -0.7, 0.0, 1.0])  # W_h, K, b_y, obs_cov: W_h - K V = 1
    assert model.param_names == ("W_h[h1,h1]", "K[h1,y]", "b_y[y]", "obs_cov[y,y]")
    spread = np.diag([0.01, 0.02, 0.03, 0.04])
    estimate = CovarianceEstimate(spread, "oim", 4, 4, (), "")
    res = LinearResults.from_fit(model, theta, covariance=estimate)
    found = gradient_by_lag(res, of="output", by="input", horizon=3).frame
    # W_h^k K by W_h and K
    lag = np.arange(4)
    slopes = np.stack([lag * 0.3 ** np.maximum(lag - 1.0, 0.0) * -0.7, 0.3**lag])
    np.testing.assert_allclose(found["mean"], -0.7 * 0.3**lag, rtol=1e-12)
    # derivatives by central differences
    np.testing.assert_allclose(
        found["mean_se"], np.sqrt(np.array([0.01, 0.02]) @ slopes**2), rtol=1e-7
    )


def test_inputs_of_a_linear_model():
    rng = np.random.default_rng(1)
    x = pd.DataFrame({"rate": rng.standard_normal(80)})
    y = pd.Series(x["rate"].to_numpy() + rng.standard_normal(80), name="y")
    res = LinearRNN(y, x, k_states=1, exog_enters="both").fit()
    recurrence = recurrence_of(res)
    found, own, network = recurrence.trajectory("inputs"), recurrence.trajectory(), res.to_rnn()
    # the filter remembers the last input, which the last output is compared with
    assert recurrence.names(found).states == ("h1", "held[rate]")
    assert recurrence.names(found).inputs == ("L1.y", "rate")
    np.testing.assert_allclose(found.inputs[0][:, 1:], network.W_x, rtol=1e-12)
    np.testing.assert_allclose(found.direct[0], np.hstack([[[0.0]], network.D]), rtol=1e-12)
    np.testing.assert_allclose(own.inputs[0][:, 1:], network.W_x[:1], rtol=1e-12)
    np.testing.assert_allclose(own.direct[0][:, 1:], network.D, rtol=1e-12)
    # what an input does to the mean k rows on is the same in both only with the shocks held
    assert recurrence.names(own).inputs == ("L1.e.y", "rate")


def test_a_belief_moves_as_the_forward_algorithm():
    res = MarkovRNN(datasets.lynx().pipe(np.log), k_regimes=3, order=1).fit(rng=0, n_starts=4)
    found = recurrence_of(res).trajectory()
    log_density, transition, _, _ = res._system.chain
    filtered = np.asarray(res._forward.filtered)
    basis = helmert(3)
    np.testing.assert_allclose(found.states, filtered @ basis.T, atol=1e-14)
    for t in (1, 20, 60):

        def corrected(point, t=t):
            belief = (filtered[t - 1] + (point @ basis)) @ transition
            belief = belief * np.exp(log_density[t] - log_density[t].max())
            return basis @ (belief / belief.sum())

        known = differences(corrected, np.zeros(2), length=1e-6)
        np.testing.assert_allclose(found.state[t], known, rtol=1e-6, atol=1e-8)
    # the mean growth of the one direction of two regimes is the filter's rate
    two = MarkovRNN(datasets.lynx().pipe(np.log), k_regimes=2).fit(rng=0, n_starts=4)
    along = recurrence_of(two).trajectory()
    rate = np.log(np.abs(along.state[1:, 0, 0])).mean()
    assert rate == pytest.approx(two.memory().verdict.loc["filter", "log_rate"], rel=1e-9)
    with pytest.raises(SpecificationError, match="MarkovRNN, whose state is read by none"):
        gradient_by_lag(two, of="output")
    with pytest.raises(SpecificationError, match="MarkovRNN, whose state follows none"):
        gradient_by_lag(two, by="input")


def test_both_directions_of_a_bidirectional_network():
    y, x = data()
    res = BidirectionalRNN(y, x, k_hidden=2, cell="gru", penalty=5.0).fit(n_starts=1, rng=0)
    states = res.smoothed_state.to_numpy()
    forward, backward = res._direction("forward"), res._direction("backward")
    np.testing.assert_array_equal(forward.trajectory().states, states[:, :2])
    np.testing.assert_array_equal(backward.trajectory().states, states[::-1, 2:])
    assert forward.labels.states == ("h1", "h2")
    assert backward.labels.states == ("g1", "g2")
    assert backward.labels.index.equals(forward.labels.index[::-1])
    # one input moved by a little: its own row's state by the derivative, in both directions
    row, length = 30, 1e-5
    moved = []
    for sign in (1.0, -1.0):
        inputs = x.copy()
        inputs.iloc[row, 0] += sign * length
        moved.append(res.apply(y, inputs).smoothed_state.to_numpy())
    slope = (moved[0] - moved[1]) / (2.0 * length)
    np.testing.assert_allclose(forward.trajectory().inputs[row, :, 0], slope[row, :2], **NUMERIC)
    back = backward.trajectory()
    at_row = len(y) - 1 - row
    np.testing.assert_allclose(back.inputs[at_row, :, 0], slope[row, 2:], **NUMERIC)
    # and the states after it (before it, backward) by the product of Jacobians
    ahead = forward.trajectory().state[row + 1] @ forward.trajectory().inputs[row, :, 0]
    np.testing.assert_allclose(ahead, slope[row + 1, :2], **NUMERIC)
    before = back.state[at_row + 1] @ back.inputs[at_row, :, 0]
    np.testing.assert_allclose(before, slope[row - 1, 2:], **NUMERIC)
    table = res.memory(steps=4)
    assert list(table.gates.index) == ["h1", "h2", "g1", "g2"]
    assert np.isfinite(table.verdict["log_rate_se"]).all()


def test_leads_of_the_target_are_named_and_inputs_keep_their_names():
    y, x = data()
    x = x.set_axis(["L1.price", *x.columns[1:]], axis=1)
    res = BidirectionalRNN(y, x, k_hidden=1, y_lags=2, penalty=5.0).fit(n_starts=1, rng=0)
    name = res.model.endog.names[0]
    inputs = tuple(x.columns)
    assert res._direction("forward").labels.inputs == (f"L1.{name}", f"L2.{name}", *inputs)
    assert res._direction("backward").labels.inputs == (f"F1.{name}", f"F2.{name}", *inputs)


def test_results_take_no_start_and_no_steps():
    with pytest.raises(SpecificationError, match="memory: nsteps makes no sense with results"):
        recurrence_of(gaussian(), nsteps=3)


def test_a_var_forgets_at_once_when_its_outputs_are_held():
    y = np.diff(np.log(datasets.us_macro()[["realgdp", "realcons"]].to_numpy()), axis=0)
    held = recurrence_of(LinearRNN(100.0 * y, form="observed").fit()).trajectory("inputs")
    np.testing.assert_array_equal(held.state[0], np.zeros((2, 2)))


def test_derivatives_are_taken_where_the_filter_settles():
    """The filter forgets at 0.99995; a little beyond 1 it never settles, and has no gain."""
    model = LinearRNN(data()[0], k_states=2)
    params = [-0.993046, 1.984630, -0.014269, -0.021465, 18.9, 2.2]
    table = np.diag([1e-4, 1e-4, 4e-4, 9e-4, 1.0, 0.1])
    estimate = CovarianceEstimate(table, "oim", 6, 6, (), "")
    res = LinearResults.from_fit(model, params, covariance=estimate)
    found = gradient_by_lag(res, of="output", by="input", horizon=1).frame
    # V W_h^k K with V = (1, 0): the two gains
    np.testing.assert_allclose(found["mean"], params[2:4], rtol=1e-12)
    np.testing.assert_allclose(found["mean_se"], [0.02, 0.03], rtol=1e-8)
