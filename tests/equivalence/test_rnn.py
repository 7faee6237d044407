"""The steady-state filter is a recurrent network, the smoother a bidirectional one."""

from __future__ import annotations

import numpy as np
import pytest
from equivalence.networks import STARTS, random_case
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnnstats.equivalence.rnn import Intercepts, filter_network, smoother_network
from rnnstats.errors import DataError, NotStationaryError, SpecificationError
from rnnstats.kernels.kalman import kalman_filter, kalman_smoother
from rnnstats.kernels.system import StateSpace

# Steady-state weights and the recursive filter differ by rounding once the start is forgotten.
EXACT = 1e-8


def innovations(transition, design, gain, cov, **more):
    """A system whose output noise is its state noise."""
    return StateSpace.from_arrays(
        design=design,
        transition=transition,
        selection=gain,
        state_cov=cov,
        cross_cov=cov,
        obs_cov=cov,
        **more,
    )


@given(
    seed=st.integers(0, 10_000),
    p=st.integers(1, 3),
    m=st.integers(1, 4),
    k=st.integers(0, 2),
    start=st.sampled_from(STARTS),
    cross=st.booleans(),
    direct=st.booleans(),
    unit_root=st.booleans(),
)
@settings(max_examples=40, derandomize=True)
def test_filter_and_smoother_are_reproduced(seed, p, m, k, start, cross, direct, unit_root):
    assume(not (unit_root and start == "stationary"))
    case = random_case(
        seed, p, m, k=k, start=start, cross=cross, direct=direct, unit_root=unit_root
    )
    network = smoother_network(case.system, case.intercepts)
    found = network.run(case.y, case.x)
    forecast = network.forward.run(case.y, case.x).forecast
    rows = network.memory
    assume(rows is not None and rows < 200)
    settled = slice(rows + 60, None)
    size = 1.0 + np.abs(case.y).max()
    exact = case.exact
    assert np.abs(forecast - exact.filter.forecast)[settled].max() <= EXACT * size
    assert np.abs(found.smoothed - exact.smoothed_state)[settled].max() <= EXACT * size
    states = exact.filter.predicted_state[:-1]
    assert np.abs(found.forward[:, :m] - states)[settled].max() <= EXACT * size
    # at the last row the smoother is the filter: nothing follows
    assert np.abs(found.smoothed[-1] - exact.filter.filtered_state[-1]).max() <= EXACT * size


def test_the_network_is_its_equations():
    case = random_case(1, 2, 3, k=2)
    net = filter_network(case.system, case.intercepts)
    run = net.run(case.y, case.x)
    t = 17
    hidden = (
        net.W_h @ run.state[t - 1]
        + net.W_y @ case.y[t - 1]
        + net.W_x @ case.x[t]
        + net.b_h
        + net.b_h_trend * (t + 1)
    )
    np.testing.assert_allclose(run.state[t], hidden, rtol=1e-13)
    output = net.V @ hidden + net.D @ case.x[t] + net.b_y + net.b_y_trend * (t + 1)
    np.testing.assert_allclose(run.forecast[t], output, rtol=1e-13)
    two = smoother_network(case.system, case.intercepts)
    both = two.run(case.y, case.x)
    backward = (
        two.W_h @ both.backward[t + 1]
        + two.W_y @ case.y[t]
        + two.W_x @ case.x[t]
        + two.b_h
        + two.b_h_trend * (t + 1)
    )
    np.testing.assert_allclose(both.backward[t], backward, rtol=1e-12)
    readout = (
        two.V_forward @ both.forward[t]
        + two.V_backward @ both.backward[t]
        + two.D @ case.x[t]
        + two.b_y
        + two.b_y_trend * (t + 1)
    )
    np.testing.assert_allclose(both.smoothed[t], readout, rtol=1e-12)
    joint = two.V @ np.concatenate([both.forward[t], both.backward[t]])
    rest = two.D @ case.x[t] + two.b_y + two.b_y_trend * (t + 1)
    np.testing.assert_allclose(both.smoothed[t], joint + rest, rtol=1e-12)


def test_each_half_reads_its_own_side_only():
    case = random_case(3, 2, 3, k=1)
    net = smoother_network(case.system, case.intercepts)
    before = net.run(case.y, case.x)
    y = case.y.copy()
    y[100] += 1.0
    after = net.run(y, case.x)
    changed = np.abs(after.forward - before.forward).max(axis=1) > 0
    assert not changed[:101].any()
    assert changed[101]
    changed = np.abs(after.backward - before.backward).max(axis=1)
    # the backward half starts from the forward one, 300 rows later, which is forgotten by then
    assert changed[101:200].max() < 1e-12 < 1e-3 < changed[100]


@pytest.mark.parametrize("start", STARTS)
def test_the_first_row_is_the_filters(start):
    case = random_case(5, 2, 3, k=1, start=start)
    first = filter_network(case.system, case.intercepts).run(case.y, case.x)
    np.testing.assert_allclose(first.forecast[0], case.exact.filter.forecast[0], rtol=1e-12)


def test_started_from_the_filter_there_is_no_transient():
    case = random_case(7, 2, 3, k=2)
    row = 150  # the gain has settled
    net = smoother_network(case.system, case.intercepts)
    state = case.exact.filter.predicted_state[row]
    options = {"state": state, "first_row": row + 1}
    forecast = net.forward.run(case.y[row:], case.x[row:], **options).forecast
    np.testing.assert_allclose(forecast, case.exact.filter.forecast[row:], rtol=0, atol=1e-11)
    smoothed = net.run(case.y[row:], case.x[row:], **options).smoothed
    np.testing.assert_allclose(smoothed, case.exact.smoothed_state[row:], rtol=0, atol=1e-11)


def test_known_start_of_the_innovations_form_is_exact_at_once():
    rng = np.random.default_rng(0)
    system = innovations(
        [[0.7, 0.2], [0.0, 0.5]], np.eye(2), [[0.4, 0.1], [0.0, 0.3]], np.eye(2),
        first_step="noiseless",
    )  # fmt: skip
    y = rng.normal(size=(50, 2))
    net = smoother_network(system)
    assert net.k_backward == 0
    exact = kalman_smoother(system, y)
    np.testing.assert_allclose(net.forward.run(y).forecast, exact.filter.forecast, atol=1e-13)
    np.testing.assert_allclose(net.run(y).smoothed, exact.smoothed_state, atol=1e-13)


def test_a_moving_average_root_outside_the_circle_settles_on_its_inverse():
    # y_t = e_t + 2 e_{t-1} has the autocovariances of u_t + u_{t-1} / 2
    system = innovations([[0.0]], [[1.0]], [[2.0]], [[1.0]], start="stationary")
    net = smoother_network(system)
    # h_t = (0 - K) h_{t-1} + K y_{t-1} with K = 1/2: h_t is the moving average's forecast
    np.testing.assert_allclose([net.forward.W_h[0, 0], net.forward.W_y[0, 0]], [-0.5, 0.5])
    assert net.k_backward == 1  # the noise is not told by the past
    y = np.random.default_rng(1).normal(size=(200, 1))
    exact = kalman_smoother(system, y)
    np.testing.assert_allclose(net.run(y).smoothed[40:], exact.smoothed_state[40:], atol=1e-10)


def test_local_level_is_exponential_smoothing():
    """Muth (1960): with signal-to-noise ratio q the gain solves K^2 / (1 - K) = q."""
    ratio, gain = 0.5, 0.5
    system = StateSpace.from_arrays(
        design=[[1.0]], transition=[[1.0]], state_cov=[[ratio]], obs_cov=[[1.0]],
        initial_diffuse=[True],
    )  # fmt: skip
    net = smoother_network(system)
    np.testing.assert_allclose(net.forward.W_y, [[gain]], rtol=1e-12)
    np.testing.assert_allclose(net.forward.W_h, [[1.0 - gain]], rtol=1e-12)
    assert net.memory == 27  # 0.5 ** 27 < 1e-8 < 0.5 ** 26
    # in the middle of a long sample the weights are two-sided and geometric
    y = np.zeros((121, 1))
    y[60] = 1.0
    weights = net.run(y).smoothed[:, 0]
    lags = np.abs(np.arange(121) - 60)
    np.testing.assert_allclose(weights, 0.5**lags / 3.0, atol=1e-12)


def test_a_constant_with_known_value_may_be_a_state():
    system = StateSpace.from_arrays(
        design=[[1.0, 1.0]], transition=[[0.8, 0.0], [0.0, 1.0]], selection=[[1.0], [0.0]],
        state_cov=[[1.0]], obs_cov=[[0.5]], initial_mean=[0.0, 3.0],
        initial_cov=[[2.0, 0.0], [0.0, 0.0]],
    )  # fmt: skip
    y = 3.0 + np.random.default_rng(2).normal(size=(200, 1))
    net = smoother_network(system)
    assert net.k_backward == 1
    assert net.memory is None  # the constant is never forgotten, and never wrong
    exact = kalman_smoother(system, y)
    np.testing.assert_allclose(net.forward.run(y).forecast[60:], exact.filter.forecast[60:])
    np.testing.assert_allclose(net.run(y).smoothed[60:], exact.smoothed_state[60:], atol=1e-10)


def test_a_constant_without_known_value_is_refused():
    system = StateSpace.from_arrays(
        design=[[1.0, 1.0]], transition=[[0.8, 0.0], [0.0, 1.0]], selection=[[1.0], [0.0]],
        state_cov=[[1.0]], obs_cov=[[0.5]], initial_diffuse=[True, True],
    )  # fmt: skip
    with pytest.raises(SpecificationError, match=r"^filter_network: the filter must settle"):
        filter_network(system)


def test_a_zero_of_the_spectrum_on_the_circle_is_refused():
    # y_t = e_t - e_{t-1} with the noise as a state
    system = StateSpace.from_arrays(
        design=[[1.0, -1.0]], transition=[[0.0, 0.0], [1.0, 0.0]], selection=[[1.0], [0.0]],
        state_cov=[[1.0]], start="stationary",
    )  # fmt: skip
    with pytest.raises(
        SpecificationError, match=r"^smoother_network: the filter must settle.*root 1 "
    ):
        smoother_network(system)


def test_innovations_with_a_root_on_the_circle_are_the_limit_of_the_filter():
    system = innovations([[0.5]], [[1.0]], [[1.5]], [[1.0]], start="stationary")
    net = smoother_network(system)
    assert net.memory is None
    np.testing.assert_allclose([net.forward.W_h[0, 0], net.forward.W_y[0, 0]], [-1.0, 1.5])
    y = np.random.default_rng(3).normal(size=(3000, 1))
    exact = kalman_filter(system, y)
    gaps = []
    for row in (100, 2900):
        state = exact.predicted_state[row]
        one = net.forward.run(y[row : row + 2], state=state).forecast[1]
        gaps.append(np.abs(one - exact.forecast[row + 1])[0] / np.abs(exact.forecast_error[row])[0])
    assert gaps[0] > 1e-3
    assert gaps[1] < 1e-3  # like 1 / t


def test_a_stationary_start_needs_a_stationary_system():
    good = innovations([[0.5]], [[1.0]], [[0.2]], [[1.0]], start="stationary")
    matrices = good.matrices.copy()
    matrices[StateSpace.offsets(1, 1, 1)["transition"][0]] = 1.0
    bad = StateSpace(1, 1, 1, matrices, np.zeros(1), np.zeros(1), "stationary")
    with pytest.raises(NotStationaryError, match="stationary start"):
        filter_network(bad)


def test_singular_errors_are_refused():
    system = innovations(
        0.5 * np.eye(2), np.eye(2), 0.2 * np.eye(2), np.ones((2, 2)), start="stationary"
    )
    with pytest.raises(SpecificationError, match="positive definite"):
        filter_network(system)


def test_missing_outputs_count_as_forecast_without_error():
    case = random_case(9, 2, 3, k=1)
    y = case.y.copy()
    y[50], y[80, 1] = np.nan, np.nan
    net = smoother_network(case.system, case.intercepts)
    run = net.forward.run(y, case.x)
    filled = net.forward.filled(y, case.x)
    assert np.array_equal(filled[50], run.forecast[50])
    assert filled[80, 0] == y[80, 0]
    assert filled[80, 1] == run.forecast[80, 1]
    np.testing.assert_array_equal(net.forward.run(filled, case.x).forecast, run.forecast)
    np.testing.assert_array_equal(net.run(y, case.x).smoothed, net.run(filled, case.x).smoothed)
    # where a whole row is missing the filter, too, moves by W_h alone: one step ahead they agree
    exact = kalman_filter(case.system, y)
    np.testing.assert_allclose(run.forecast[51], exact.forecast[51], atol=1e-10)
    assert np.abs(run.forecast[52] - exact.forecast[52]).max() > 1e-6  # another gain for a while


def test_units_of_measurement_do_not_matter():
    case = random_case(4, 2, 3, k=1)
    states, outputs = np.array([1e-6, 1.0, 1e6]), np.array([1e8, 1e-8])
    s, d = case.system, case.intercepts
    scaled = StateSpace.from_arrays(
        design=s.design * outputs[:, None] / states,
        transition=s.transition * states[:, None] / states,
        selection=s.selection * states[:, None],
        state_cov=s.state_cov,
        obs_cov=s.obs_cov * np.outer(outputs, outputs),
        cross_cov=s.cross_cov * outputs,
        start="stationary",
        obs_intercept=s.obs_intercept * outputs,
        state_intercept=s.state_intercept * states,
    )
    parts = Intercepts(
        d.state_const * states, d.state_trend * states, d.state_exog * states[:, None],
        d.obs_const * outputs, d.obs_trend * outputs, d.obs_exog * outputs[:, None],
    )  # fmt: skip
    one = smoother_network(s, d).run(case.y, case.x).smoothed
    other = smoother_network(scaled, parts).run(case.y * outputs, case.x).smoothed
    np.testing.assert_allclose(other / states, one, atol=1e-9)


def test_bad_data_are_refused():
    case = random_case(9, 2, 3, k=1)
    net = filter_network(
        case.system, case.intercepts, endog_names=("cpi", "gdp"), exog_names=("rate",)
    )
    for y, x, rule in (
        (case.y, None, "x must hold the inputs rate"),
        (case.y[:, :1], case.x, "y must have 2 columns"),
        (case.y, case.x[1:], "x must have the rows of y; got 399 for 400"),
        (case.y, np.where(case.x > 2, np.nan, case.x), "x must be complete"),
        (case.y[:0], case.x[:0], "at least one row"),
    ):
        with pytest.raises(DataError, match=rule):
            net.run(y, x)
    with pytest.raises(SpecificationError, match="state must hold the 3 states"):
        net.run(case.y, case.x, state=[1.0])
    with pytest.raises(SpecificationError, match="first_row must be a whole number"):
        net.run(case.y, case.x, first_row=1.5)
    with pytest.raises(SpecificationError, match="intercepts that vary"):
        filter_network(case.system)


def test_weights_have_names_and_tables():
    case = random_case(9, 2, 2, k=1)
    names = {
        "endog_names": ("cpi", "gdp"), "exog_names": ("rate",), "state_names": ("h1", "h2")
    }  # fmt: skip
    net = smoother_network(case.system, case.intercepts, **names)
    forward = net.forward.weights()
    assert forward["W_y[h1,gdp]"] == net.forward.W_y[0, 1]
    assert forward["W_h[h2,held[rate]]"] == net.forward.W_h[1, 2]
    assert forward["b_y_trend[cpi]"] == net.forward.b_y_trend[0]
    assert "W_h[held[rate],h1]" not in forward
    both = net.weights()
    assert both["W_y_backward[r2,cpi]"] == net.W_y[1, 0]
    assert both["V_backward[h2,r1]"] == net.V_backward[1, 0]
    assert repr(net.forward) == "<LinearNetwork: 3 hidden units, reads cpi, gdp, rate>"
    text = net.summary()
    for part in ("backward W_h", "V_forward", "held[rate]", "rate", "b_h_trend"):
        assert part in text
    assert "yhat_t = V h_t + D x_t + b_y + b_y_trend t" in net.forward.summary()
    plain = random_case(9, 1, 1, trend=False)
    assert "trend" not in filter_network(plain.system, plain.intercepts).summary()
