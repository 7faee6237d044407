"""Memory capacity of weights, functions and results."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import at, data
from results.recurrent.test_linear_twin import pair

from rnnstats.diagnostics.memory import memory_capacity
from rnnstats.diagnostics.memory.recurrences import recurrence_of
from rnnstats.errors import SpecificationError
from rnnstats.models.bidirectional import BidirectionalRNN
from rnnstats.models.linear import LinearRNN
from rnnstats.models.markov import MarkovRNN
from rnnstats.models.nonlinear import ElmanRNN
from rnnstats.results.bidirectional import BidirectionalResults
from rnnstats.results.markov import MarkovResults

DELAY = np.diag(np.full(3, 0.9), -1)
FIRST = [1.0, 0.0, 0.0, 0.0]


@cache
def ar_one():
    """AR(1): the predicted state is phi times the last output."""
    rng = np.random.default_rng(4)
    y = np.zeros(300)
    for t in range(1, 300):
        y[t] = 0.7 * y[t - 1] + rng.standard_normal()
    index = pd.period_range("2000-01", periods=300, freq="M")
    held = {"K[h1,y]": 0.7}
    model = LinearRNN(pd.Series(y, index=index, name="y"), k_states=1, trend="n", fixed=held)
    return model.fit()


@cache
def squashed():
    """Two tanh units at weights that are no maximum: the expected information is regular there."""
    return at(ElmanRNN(*data(), k_hidden=2), cov_type="approx")


def test_a_delay_line_holds_as_many_inputs_as_it_has_units():
    found = memory_capacity((DELAY, FIRST))
    np.testing.assert_allclose(found.frame["capacity"][:4], 1.0, rtol=1e-12)
    assert found.total == pytest.approx(4.0, rel=1e-12)
    assert found.mean_lag == pytest.approx(1.5, rel=1e-9)
    assert found.share == pytest.approx(1.0)
    assert (found.exact, found.rows, found.k_state, found.rank) == (True, 0, 4, 4)
    assert found.total_se == found.mean_lag_se == 0.0
    noisy = memory_capacity((DELAY, FIRST), noise_cov=0.5 * np.eye(4))
    assert noisy.total < 3.0
    # an input that is not looked for is noise
    both = (DELAY, np.column_stack([FIRST, 0.3 * np.ones(4)]))
    one, all_ = memory_capacity(both, by="x1"), memory_capacity(both)
    assert one.total < all_.total == pytest.approx(4.0, rel=1e-9)
    assert all_.frame["x1"].sum() == pytest.approx(one.total, rel=1e-5)


def test_lags_are_as_many_as_hold_something_or_as_many_as_asked_for():
    slow = memory_capacity(([[0.99]], [1.0]))
    assert slow.total == pytest.approx(1.0, rel=1e-12)
    left = 1.0 - slow.frame["cumulative"].iloc[-2:]
    assert left.iloc[0] > 1e-6 >= left.iloc[1]
    few = memory_capacity(([[0.99]], [1.0]), lags=4)
    assert len(few.frame) == 5
    assert few.total == pytest.approx(1.0, rel=1e-12)
    assert "later lags" in str(few)


def test_a_function_is_run_and_its_capacity_is_that_of_its_weights():
    rng = np.random.default_rng(0)
    matrix, loading = 0.5 * rng.standard_normal((3, 3)), rng.standard_normal((3, 2))
    exact = memory_capacity((matrix, loading))
    inputs = rng.standard_normal((6000, 2))
    found = memory_capacity(lambda h, x: matrix @ h + loading @ x, np.zeros(3), inputs=inputs)
    assert abs(found.total - exact.total) < 3.5 * found.total_se < 0.5
    assert abs(found.mean_lag - exact.mean_lag) < 3.5 * found.mean_lag_se + 0.01
    assert found.rate == pytest.approx(np.log(np.abs(np.linalg.eigvals(matrix)).max()), abs=0.02)
    assert found.rows == 5400 - (len(found.frame) - 1)
    assert not found.exact
    assert 0.0 < found.threshold < 0.02
    # a longer burn, and another largest lag
    short = memory_capacity(
        lambda h, x: matrix @ h + loading @ x,
        np.zeros(3),
        inputs=inputs,
        burn=3000,
        lags=5,
        by="x2",
    )
    assert short.rows == 2995
    assert short.inputs == ("x2",)


def test_a_squashed_unit_holds_less_and_a_seed_gives_the_same_numbers():
    def step(h, x):
        return np.tanh(0.9 * h + 2.0 * x)

    found = memory_capacity(step, [0.0], 4000, rng=3)
    assert found.total + 3.0 * found.total_se < 0.95
    assert memory_capacity(step, [0.0], 4000, rng=3).total == found.total
    assert memory_capacity(step, [0.0], 4000, rng=4).total != found.total
    given = memory_capacity(
        step, [0.0], 4000, rng=3, jacobian=lambda h, x: 0.9 * (1.0 - step(h, x) ** 2)
    )
    assert given.rate == pytest.approx(found.rate, rel=1e-6)


def test_a_function_that_never_forgets_its_start_is_told():
    found = memory_capacity(lambda h, x: 4.0 * h * (1.0 - h) + 1e-9 * x, [0.3], 2000, rng=0)
    assert found.rate == pytest.approx(np.log(2.0), abs=0.1)
    assert "does not forget its start" in str(found)


def test_inputs_with_a_memory_of_their_own_are_told():
    slow = np.cumsum(np.random.default_rng(0).standard_normal((3000, 1)), axis=0)
    found = memory_capacity(lambda h, x: 0.5 * h + x, [0.0], inputs=slow)
    assert "depend on their past" in str(found)
    white = memory_capacity(lambda h, x: 0.5 * h + x, [0.0], 3000, rng=0)
    assert "depend on their past" not in str(white)


def test_a_linear_model_has_the_closed_form_with_delta_method_errors():
    res = ar_one()
    phi, error = res.params["W_h[h1,h1]"], res.bse["W_h[h1,h1]"]
    found = memory_capacity(res)
    lag = np.arange(len(found.frame))
    np.testing.assert_allclose(found.frame["capacity"], (1 - phi**2) * phi ** (2 * lag), rtol=1e-9)
    slope = 2 * lag * phi ** (2 * lag - 1) - (2 * lag + 2) * phi ** (2 * lag + 1)
    # the derivative by phi is a central difference
    np.testing.assert_allclose(found.frame["capacity_se"], error * np.abs(slope), atol=1e-7)
    assert found.total == pytest.approx(1.0, rel=1e-12)
    assert found.total_se < 1e-8
    assert found.mean_lag == pytest.approx(phi**2 / (1 - phi**2), rel=1e-4)
    assert found.mean_lag_se == pytest.approx(2 * phi * error / (1 - phi**2) ** 2, rel=1e-3)
    assert found.inputs == ("L1.e.y",)
    assert found.step == "months"


def test_regressors_of_a_linear_model_count_with_their_own_spread():
    y, x = data()
    found = [
        memory_capacity(LinearRNN(y, size * x, k_states=1).fit(), by="rate") for size in (1.0, 20.0)
    ]
    # units do not matter; the same maximum is found to the optimiser's tolerance
    assert found[1].total == pytest.approx(found[0].total, rel=1e-3)
    assert 0.01 < found[0].total < 0.99


def test_a_network_with_identity_activation_has_the_capacity_of_the_linear_model():
    network_, linear = pair()
    exact = memory_capacity(linear)
    found = memory_capacity(network_, nsteps=12_000, lags=20, rng=1)
    assert found.inputs == exact.inputs == ("L1.e.a", "L1.e.b")
    shared = min(len(found.frame), len(exact.frame))
    for name in ("capacity", *found.inputs):
        known = exact.frame[name].to_numpy()[:shared]
        # what the run adds to the error: at most 0.013 from 12,000 rows
        away = np.abs(found.frame[name].to_numpy()[:shared] - known)
        assert away.max() < 0.04
    # errors are mostly those of the estimates, and these are the same two models
    np.testing.assert_allclose(
        found.frame["L1.e.a_se"][:3], exact.frame["L1.e.a_se"][:3], rtol=0.15, atol=0.013
    )


def test_networks_regressors_and_two_directions():
    elman = memory_capacity(squashed(), nsteps=4000, rng=0)
    assert elman.inputs == ("L1.e.cpi",)
    assert 0.0 < elman.total < 2.0
    assert np.isfinite(elman.total_se)
    by = memory_capacity(squashed(), nsteps=4000, by=["rate", "L1.e.cpi"], rng=0)
    assert by.frame["rate"][0] > 0.02
    assert by.total > elman.total
    y, x = data()
    both = BidirectionalRNN(y, x, k_hidden=2)
    found = memory_capacity(
        BidirectionalResults.from_fit(both, both.start_params, cov_type="approx"), nsteps=4000
    )
    assert found.k_state == 2
    assert found.inputs == ("rate",)
    assert 0.1 < found.total <= 2.1


def test_the_inputs_of_a_belief_are_the_residuals_of_its_model():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.standard_normal((80, 2)), columns=["y", "x"])
    res = MarkovRNN(rows["y"], exog_transition=rows[["x"]], k_regimes=2, order=1)
    res = MarkovResults.from_fit(res, res.start_params)
    found = recurrence_of(res).driven(200, np.random.default_rng(1))
    assert found.inputs.shape == (1, 199, 1)
    draw = np.random.default_rng(1)
    x = rows[["x"]].iloc[draw.integers(0, 80, size=200)].reset_index(drop=True)
    y = res.model.simulate(res.params, 200, rng=draw, exog_transition=x)
    there = MarkovResults.from_fit(res.model.clone(y, exog_transition=x), res.params)
    np.testing.assert_allclose(found.inputs[0, :, 0], there.resid.to_numpy()[1:], rtol=1e-12)
    belief = there.filtered_marginal_probabilities.to_numpy()[1:]
    away = found.states[0, :, 0] - (belief[:, 0] - belief[:, 1]) / np.sqrt(2.0)
    assert np.abs(away).max() < 1e-12


def test_runs_that_have_not_settled_are_told():
    y, _ = data()
    model = ElmanRNN(y, k_hidden=1, activation="identity")
    res = at(model)
    params = res.params
    params["W_h[h1,h1]"], params["W_y[h1,cpi]"], params["V[cpi,h1]"] = 0.999, 0.01, 0.01
    params["b_h[h1]"] = 1.0
    found = memory_capacity(at(model, params, cov_type="none"), nsteps=4000, rng=0)
    assert "have not settled" in str(found)
    assert "have not settled" not in str(memory_capacity(squashed(), nsteps=4000, rng=0))


def test_a_belief_holds_the_errors_of_its_predictions():
    rng = np.random.default_rng(0)
    regime = np.cumsum(rng.random(200) < 0.1) % 2
    y = pd.Series(3.0 * regime + rng.standard_normal(200), name="y")
    res = MarkovRNN(y, k_regimes=2).fit(rng=0, n_starts=1)
    found = memory_capacity(res, nsteps=4000, rng=0)
    assert found.inputs == ("e.y",)
    assert found.k_state == 1
    assert 0.3 < found.total < 1.0
    # the newest error moves the belief
    assert found.frame["capacity"][0] > 10 * found.frame["capacity_se"][0]
    assert "parameters are estimated" in str(found)


def test_words_for_what_cannot_be_measured():
    step = lambda h, x: 0.5 * h + x  # noqa: E731
    cases = [
        (lambda: memory_capacity(([[1.0]], [1.0])), "stationary"),
        (lambda: memory_capacity((DELAY, [1.0])), "shapes"),
        (lambda: memory_capacity((DELAY,)), "1 parts"),
        (lambda: memory_capacity((DELAY, FIRST), noise_cov=[[1.0]]), "noise_cov"),
        (lambda: memory_capacity((DELAY, FIRST), by="rate"), "rate"),
        (lambda: memory_capacity((DELAY, FIRST), by=[]), "at least"),
        (lambda: memory_capacity((DELAY, FIRST), by="shocks"), "shocks"),
        (lambda: memory_capacity((DELAY, FIRST), nsteps=500), "nsteps"),
        (lambda: memory_capacity((DELAY, FIRST), h0=FIRST), "h0"),
        (lambda: memory_capacity((DELAY, FIRST), lags=-1), "lags"),
        (lambda: memory_capacity(([[np.nan]], [1.0])), "finite"),
        (lambda: memory_capacity(DELAY), "inputs"),
        (lambda: memory_capacity(step, [0.0], 50), "nsteps"),
        (lambda: memory_capacity(step), "h0"),
        (lambda: memory_capacity(step, [0.0], 400, lags=300), "lags"),
        (lambda: memory_capacity(step, [0.0], 400, burn=400), "burn"),
        (lambda: memory_capacity(step, [0.0], 400, noise_cov=[[1.0]]), "noise_cov"),
        (lambda: memory_capacity(lambda h: 0.5 * h, [0.0], 400), "read its inputs"),
        (lambda: memory_capacity(ar_one(), h0=[0.0]), "h0"),
        (lambda: memory_capacity(step, [0.0], 400, alpha=2.0), "alpha"),
    ]
    for call, word in cases:
        with pytest.raises(SpecificationError, match=word):
            call()
    y, _ = data()
    with pytest.raises(SpecificationError, match="y_lags"):
        memory_capacity(at(ElmanRNN(y, k_hidden=1, y_lags=0), cov_type="approx"))


def test_the_report_has_a_table_a_summary_and_a_picture():
    pytest.importorskip("matplotlib").use("Agg")
    found = memory_capacity((DELAY, np.column_stack([FIRST, FIRST[::-1]])))
    frame = found.frame
    assert list(frame.columns) == [
        "capacity", "capacity_se", "cumulative", "above_chance", "x1", "x1_se", "x2", "x2_se",
    ]  # fmt: skip
    frame["capacity"] = 0.0
    assert found.frame["capacity"][0] > 0.0
    assert "bound: 4 states" in str(found.summary())
    figure = found.plot()
    left, right = figure.axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), found.frame["capacity"])
    np.testing.assert_allclose(right.lines[0].get_ydata(), found.frame["cumulative"])
    import matplotlib.pyplot as plt

    plt.close(figure)
