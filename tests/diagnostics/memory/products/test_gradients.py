"""Gradients by lag: against differences of whole runs, closed forms, batch means and refits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import ElmanRNN, LinearRNN, datasets
from rnnstats.diagnostics.memory import gradient_by_lag
from rnnstats.diagnostics.memory.long_run import batch_means
from rnnstats.diagnostics.memory.products.gradient_means import GradientMeans
from rnnstats.diagnostics.memory.products.lagged import LaggedGradients, lagged_gradients, over_rows
from rnnstats.diagnostics.memory.products.surroundings import input_slopes
from rnnstats.diagnostics.memory.recurrences import GivenRecurrence, Trajectory, recurrence_of
from rnnstats.errors import SpecificationError

M, Q, P, N = 3, 2, 2, 25


def wave(rows=N, seed=4):
    draw = np.random.default_rng(seed)
    W, U = 0.7 * draw.standard_normal((M, M)), draw.standard_normal((M, Q))
    V, D = draw.standard_normal((P, M)), draw.standard_normal((P, Q))
    step = lambda h, x: np.tanh(W @ h + U @ x)  # noqa: E731
    output = lambda h, x: np.sin(V @ h + D @ x)  # noqa: E731
    return step, output, 0.2 * draw.standard_normal(M), draw.standard_normal((rows, Q))


def outputs_of(step, output, start, x):
    found, state = [], start
    for row in x:
        state = step(state, row)
        found.append(output(state, row))
    return np.array(found)


@pytest.fixture(scope="module")
def differences():
    """Derivative of every output by every input of the run, (n, P, n, Q)."""
    step, output, start, x = wave()
    found = np.empty((N, P, N, Q))
    length = 3e-6
    for s, j in np.ndindex(N, Q):
        pair = []
        for sign in (1.0, -1.0):
            moved = x.copy()
            moved[s, j] += sign * length
            pair.append(outputs_of(step, output, start, moved))
        found[:, :, s, j] = (pair[0] - pair[1]) / (2 * length)
    return found


def test_outputs_by_inputs_are_differences_of_the_run(differences):
    step, output, start, x = wave()
    found = gradient_by_lag(
        step, start, inputs=x, of="output", by="input", output=output, horizon=N - 1
    )
    assert found.frame.index.names == ["output", "input", "lag"]
    for lag in (0, 1, 2, 9, N - 1):
        for i, j in np.ndindex(P, Q):
            values = np.array([differences[t, i, t - lag, j] for t in range(lag, N)])
            line = found.frame.loc[(f"y{i + 1}", f"x{j + 1}", lag)]
            ordered = np.sort(values)
            places = [round(share * (len(values) - 1)) for share in (0.5, 0.1, 0.9)]
            known = [len(values), values.mean(), np.abs(values).mean(), *ordered[places]]
            names = ["rows", "mean", "abs_mean", "median", "lower", "upper"]
            # central differences: length^2 / 6 times third derivatives, and eps / length
            assert line[names].to_list() == pytest.approx(known, abs=1e-8)
    totals = found.totals.loc[("y1", "x1")]
    table = found.frame.loc[("y1", "x1")]
    assert totals["sum"] == pytest.approx(table["mean"].sum(), rel=1e-12)
    middle = (table.index * table["abs_mean"]).sum() / table["abs_mean"].sum()
    assert totals["mean_lag"] == pytest.approx(middle, rel=1e-12)
    assert totals["peak_lag"] == table["abs_mean"].idxmax()


def test_norms_are_those_of_the_gradients_row_by_row():
    step, _, start, x = wave()
    recurrence = recurrence_of(step, start, inputs=x)
    states = np.array(recurrence.run[1])
    entering = input_slopes(recurrence)
    V = np.random.default_rng(1).standard_normal((P, M))
    lag = 3
    products = [states[t] @ states[t - 1] @ states[t - 2] for t in range(2, N)]
    by_state = [np.linalg.norm(one, 2) for one in products]
    options = {"h0": start, "inputs": x, "horizon": lag}
    frame = gradient_by_lag(step, **options).frame
    assert frame.loc[lag, "rows"] == N - 2  # the start counts as the state of row 0
    assert frame.loc[lag, "mean"] == pytest.approx(np.mean(by_state), rel=1e-12)
    assert frame.loc[lag, "log_mean"] == pytest.approx(np.mean(np.log(by_state)), rel=1e-12)
    frame = gradient_by_lag(step, **options, of="output", output=V).frame
    lengths = [np.linalg.norm(V[1] @ one) for one in products]
    assert frame.loc[("y2", lag), "mean"] == pytest.approx(np.mean(lengths), rel=1e-12)
    frame = gradient_by_lag(step, **options, by="input").frame
    lengths = [np.linalg.norm(one @ entering[t, :, 1]) for t, one in enumerate(products[1:])]
    assert frame.loc[("x2", lag), "mean"] == pytest.approx(np.mean(lengths), rel=1e-12)


def test_inputs_of_any_shape_and_whole_numbers():
    counts = np.arange(6)
    found = gradient_by_lag(
        lambda h, x: 0.5 * h + 0.1 * x**2, [0.0], inputs=counts, by="input", horizon=1
    )
    assert found.table().loc[0, "x1"] == pytest.approx(0.2 * counts.mean(), rel=1e-9)
    pairs = np.random.default_rng(0).standard_normal((6, 2, 2))
    found = gradient_by_lag(
        lambda h, x: np.array([0.5 * h[0] + x[0, 1] - x[1, 0]]), [0.0], inputs=pairs, by="input"
    )
    assert found.table().loc[0].to_list() == pytest.approx([0.0, 1.0, 1.0, 0.0], abs=1e-12)


def test_derivatives_by_inputs_are_those_of_one_row_at_a_time():
    """A function that takes rows side by side, and the same one that does not."""
    x = np.random.default_rng(1).standard_normal((60, 2, 2))
    weights = np.array([[0.4, -0.3], [0.2, 0.5]])

    def step(h, x):
        return np.tanh(weights @ h + x[0] * x[1])

    def alone(h, x):
        return np.array([*step(h, x)]) if np.ndim(h) == 1 else NotImplemented

    def read(h, x):
        return np.array([h[0] * x[1, 0], np.exp(h[1])])

    options = {"inputs": x, "of": "output", "by": "input", "output": read, "horizon": 2}
    found, known = (gradient_by_lag(one, [0.1, 0.2], **options).frame for one in (step, alone))
    # NumPy's loops over arrays and over numbers may differ by a rounding
    pd.testing.assert_frame_equal(found, known, rtol=1e-12, atol=1e-14)
    states = recurrence_of(step, [0.1, 0.2], inputs=x).trajectory().states
    slope = 1.0 - states[:, 0] ** 2
    due = x[:, 1, 0] ** 2 * slope  # by x[0, 0], through the first state
    assert found.loc[("y1", "x1", 0), "mean"] == pytest.approx(due.mean(), rel=1e-12)


# -- linear models --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def linear():
    growth = 400 * np.log(datasets.us_macro()[["realcons", "realdpi"]]).diff().iloc[1:]
    return LinearRNN(growth, k_states=2).fit()


def test_linear_models_give_their_impulse_responses_with_their_errors(linear):
    found = gradient_by_lag(linear, of="output", by="input", horizon=9)
    assert (found.frame["rows"] == 1).all()
    for name in ("realcons", "realdpi"):
        bands = linear.impulse_responses(10, impulse=name, bands="delta", alpha=0.05)
        for output in ("realcons", "realdpi"):
            part = found.frame.loc[(output, f"L1.e.{name}")]
            # the error of a row enters the state of the next
            np.testing.assert_allclose(part["mean"], bands.point[name, output][1:], rtol=1e-9)
            np.testing.assert_allclose(part["mean_se"], bands.std_err[name, output][1:], rtol=1e-6)
    system = linear.model.system(linear.params.to_numpy())
    power = np.linalg.matrix_power(system.transition, 9)
    known = system.design @ power @ np.asarray(system.selection)
    wide = found.table().loc[9].to_numpy().reshape(2, 2)
    np.testing.assert_allclose(wide, known, rtol=1e-8)


def test_delta_errors_of_an_autoregression():
    y = np.log(datasets.lynx())
    results = LinearRNN(y, form="observed").fit()
    phi, error = results.params["W_h[h1,h1]"], results.bse["W_h[h1,h1]"]
    frame = gradient_by_lag(results, horizon=6).frame
    lags = np.arange(7)
    np.testing.assert_allclose(frame["mean"], np.abs(phi) ** lags, rtol=1e-10)
    np.testing.assert_allclose(
        frame["mean_se"], lags * np.abs(phi) ** np.maximum(lags - 1, 0) * error, rtol=1e-6
    )
    np.testing.assert_allclose(frame["log_mean_se"], lags * error / abs(phi), rtol=1e-6)


def test_a_leaky_unit_has_the_weights_of_exponential_smoothing():
    found = gradient_by_lag([[0.8]], of="output", output=[[0.2]], horizon=2000)
    np.testing.assert_allclose(found.table()["y1"].loc[:50], 0.2 * 0.8 ** np.arange(51), rtol=1e-12)
    total = found.totals.loc["y1"]
    assert total["sum"] == pytest.approx(1.0, rel=1e-12)
    assert total["mean_lag"] == pytest.approx(0.8 / 0.2, rel=1e-12)  # of the geometric law
    assert total["sum_se"] == 0.0
    explodes = gradient_by_lag([[1.5]], horizon=2000).frame
    assert explodes["mean"].iloc[-1] == np.inf
    assert explodes["log_mean"].iloc[-1] == pytest.approx(2000 * np.log(1.5), rel=1e-12)


# -- networks -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return ElmanRNN(np.log(datasets.lynx()), k_hidden=1, y_lags=1).fit(
        rng=np.random.default_rng(0), n_starts=1
    )


def test_networks_read_the_past_as_their_predictions_say(network):
    """A changed observation moves the prediction k rows later through the input of k - 1 before."""
    y = np.log(datasets.lynx())
    trajectory = recurrence_of(network).trajectory("inputs")
    walk = lagged_gradients(trajectory, "output", "input", 4, np.arange(trajectory.nobs))
    rows = {
        part.lag: dict(
            zip(part.rows.tolist(), np.ldexp(part.values[:, 0, 0], part.powers), strict=True)
        )
        for part in walk
    }
    first = len(y) - trajectory.nobs  # rows of the recursion begin after the lags
    length, place = 1e-5, 50
    pair = []
    for sign in (1.0, -1.0):
        moved = y.copy()
        moved.iloc[place] += sign * length
        pair.append(network.apply(moved).fittedvalues)
    slopes = (pair[0] - pair[1]) / (2 * length)
    for later in (1, 2, 4):
        known = slopes.iloc[slopes.index.get_loc(y.index[place + later])]
        found = rows[later - 1][place + later - first]
        assert found == pytest.approx(known, rel=1e-6, abs=1e-9)


def test_shocks_held_means_outputs_come_back(network):
    held = gradient_by_lag(network, of="output", by="input", given="inputs", horizon=5)
    closed = gradient_by_lag(network, of="output", by="input", given="shocks", horizon=5)
    assert held.labels.inputs == ("L1.lynx",)
    assert closed.labels.inputs == ("e.lynx",)
    responses = closed.table()[("lynx", "e.lynx")]
    weights = held.table()[("lynx", "L1.lynx")]
    assert responses[0] == pytest.approx(1.0, abs=1e-14)
    # the first comes back by the weight of the lag alone, in every row but the first
    recurrence = recurrence_of(network)
    direct = recurrence.trajectory("inputs")
    alone = np.einsum("tpm,tmq->tpq", direct.readout, direct.inputs)[:, 0, 0]
    assert weights[0] == pytest.approx(alone.mean(), rel=1e-12)
    assert responses[1] == pytest.approx(alone[1:].mean(), rel=1e-12)


def test_errors_hold_what_the_estimates_add(network):
    frame = gradient_by_lag(network, of="output", by="input", horizon=3).frame
    recurrence = recurrence_of(network)
    found = LaggedGradients(
        recurrence.trajectory(), "output", "input", 3, np.arange(recurrence.trajectory().nobs)
    )
    plain = batch_means(found.values[0, :, 0]).error
    assert frame["mean_se"].iloc[0] != pytest.approx(plain, rel=0.005)

    def first(there):
        trajectory = there.trajectory()
        return np.einsum("tpm,tmq->tpq", trajectory.readout, trajectory.inputs)[:, 0].mean(axis=0)

    slopes = recurrence.slopes(first)
    moved = found.values[0, :, 0] + recurrence.influence() @ slopes[0]
    assert frame["mean_se"].iloc[0] == pytest.approx(batch_means(moved).error, rel=1e-6)


# -- uncertainty ----------------------------------------------------------------------------------


def test_errors_of_means_are_batch_means_as_long_as_the_lag():
    step, _, start, x = wave(400)
    trajectory = recurrence_of(step, start, inputs=x).trajectory()
    found = LaggedGradients(trajectory, "state", "state", 60, np.arange(400))
    frame = gradient_by_lag(step, start, inputs=x, horizon=60).frame
    for lag, size in ((1, 20), (30, 30)):
        values = np.full(400, np.nan)
        values[max(lag - 1, 0) :] = found.values[lag, max(lag - 1, 0) :, 0]
        mean = np.nanmean(values)
        count = (~np.isnan(values)).sum()
        spread = np.where(np.isnan(values), mean, mean + (values - mean) * 400 / count)
        number = 400 // size
        batches = spread[400 - number * size :].reshape(number, size).mean(axis=1)
        known = np.sqrt(batches.var(ddof=1) * size / 400)
        assert frame.loc[lag, "mean_se"] == pytest.approx(known, rel=1e-10)
    assert frame["mean_se"].iloc[:60].notna().all()
    signed = gradient_by_lag(
        step, start, inputs=x, of="output", by="input", output=[[1.0, 0.0, 0.0]], horizon=120
    ).frame.loc[("y1", "x1")]
    errors = signed[["mean_se", "abs_mean_se"]]
    assert errors.loc[:100].notna().all(axis=None) and errors.loc[101:].isna().all(axis=None)
    # the log norm of a long product grows by as much as the rate's error says
    longer = gradient_by_lag(step, start, inputs=x, horizon=150).frame
    assert longer["mean_se"].iloc[110:].isna().all()  # fewer than four batches
    ratio = longer.loc[60, "log_mean_se"] / longer.loc[30, "log_mean_se"]
    assert 1.5 < ratio < 2.5


@pytest.mark.slow
@pytest.mark.statistical
def test_intervals_cover_along_a_driven_series():
    draw = np.random.default_rng(5)
    W = np.array([[0.6, -0.4, 0.2], [0.5, 0.3, 0.1], [0.0, 0.4, 0.5]])
    U = np.array([[1.0, 0.5], [0.3, -0.8], [0.2, 0.4]])

    def frame(rows):
        x = draw.standard_normal((rows, 2))
        for t in range(1, rows):
            x[t] += 0.6 * x[t - 1]
        step = lambda h, x: np.tanh(W @ h + U @ x)  # noqa: E731
        return gradient_by_lag(step, np.zeros(3), inputs=x, horizon=30).frame

    truth = frame(60_000)
    found = [frame(300) for _ in range(200)]
    covered = {
        name: np.mean(
            [np.abs(one[name] - truth[name]) < 1.96 * one[f"{name}_se"] for one in found], axis=0
        )
        for name in ("mean", "log_mean")
    }
    # 17 batches and normal quantiles: 93 % at best; means of norms of long lags have long tails
    for lag in (1, 2, 5, 10, 20, 30):
        assert 0.86 < covered["log_mean"][lag] < 0.98
    for lag in (1, 2, 5):
        assert 0.86 < covered["mean"][lag] < 0.98


@pytest.mark.slow
@pytest.mark.statistical
def test_intervals_of_an_estimated_network_cover():
    model = ElmanRNN(np.log(datasets.lynx()), k_hidden=1, y_lags=1)
    weights = {
        "W_h[h1,h1]": 0.6, "W_y[h1,lynx]": 0.5, "b_h[h1]": -3.3, "V[lynx,h1]": 1.2,
        "b_y[lynx]": 6.6, "obs_cov[lynx,lynx]": 0.5,
    }  # fmt: skip

    def simulated(rows, seed):
        drawn = model.simulate(pd.Series(weights), rows + 50, rng=np.random.default_rng(seed))
        return drawn.iloc[50:]

    wanted = {"of": "output", "by": "input", "horizon": 3}
    expected = gradient_by_lag(
        lambda h, x: np.tanh(0.6 * h + 0.5 * x - 3.3),
        [0.0],
        inputs=simulated(40_000, 1).to_numpy(),
        output=[[1.2]],
        **wanted,
    ).frame["mean"]
    inside = []
    for seed in range(80):
        refit = model.clone(simulated(1500, 2 + seed)).fit(
            rng=np.random.default_rng(seed), n_starts=1
        )
        table = gradient_by_lag(refit, **wanted).frame
        away = np.abs(table["mean"].to_numpy() - expected.to_numpy())
        inside.append(away < 1.96 * table["mean_se"].to_numpy())
    # 95 % of 80, less three standard errors of the share
    assert (np.mean(inside, axis=0) > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 80)).all()


@pytest.mark.parametrize(
    ("of", "by"),
    [("state", "state"), ("state", "input"), ("output", "state"), ("output", "input")],
)
def test_moved_parameters_move_norms_as_their_derivatives_say(of, by):
    draw = np.random.default_rng(8)
    parts = [draw.standard_normal(shape) for shape in ((9, M, M), (9, M, Q), (9, P, M), (9, P, Q))]
    turns = [draw.standard_normal(part.shape) for part in parts]

    def at(size):
        state, inputs, readout, direct = (
            part + size * turn for part, turn in zip(parts, turns, strict=True)
        )
        offsets = np.array([0, 4, 9])
        return Trajectory(state, offsets, inputs=inputs, readout=readout, direct=direct)

    rows = np.arange(9)
    here = LaggedGradients(at(0.0), of, by, 4, rows)
    same = here.along(at(0.0))
    np.testing.assert_allclose(same[0], np.exp(here.logs), rtol=1e-13)
    np.testing.assert_allclose(same[1], here.logs, atol=1e-13)
    length = 1e-5
    exact = [LaggedGradients(at(sign * length), of, by, 4, rows).logs for sign in (1, -1)]
    moved = [here.along(at(sign * length))[1] for sign in (1, -1)]
    known = (exact[0] - exact[1]) / (2 * length)
    found = (moved[0] - moved[1]) / (2 * length)
    assert (np.isnan(known) == np.isnan(found)).all() and np.isfinite(known).any()
    np.testing.assert_allclose(found, known, rtol=1e-5, atol=1e-6)


def test_rows_with_nothing_left_count_as_minus_infinity_in_logs():
    jacobians = np.random.default_rng(1).choice([0.0, 0.5, 1.0], size=40)[:, None, None]
    frame = gradient_by_lag(jacobians, horizon=2).frame
    assert frame.loc[1, "log_mean"] == -np.inf and np.isnan(frame.loc[1, "log_mean_se"])
    assert frame.loc[1, "mean"] == pytest.approx(jacobians.mean())
    assert frame.loc[1, "mean_se"] > 0.0
    assert frame.loc[1, "lower"] == 0.0


def test_statistics_over_rows():
    values = np.array([[3.0, 1.0, np.nan, 2.0]])[:, :, None]
    found = over_rows(values)
    assert found.rows.tolist() == [3]
    assert [found.mean.item(), found.median.item()] == [2.0, 2.0]
    assert [found.lower.item(), found.upper.item()] == [1.0, 3.0]
    none = over_rows(np.full((1, 2, 1), np.nan))
    assert none.rows.tolist() == [0] and np.isnan(none.mean).all() and np.isnan(none.lower).all()


def test_many_states_are_looked_at_in_fewer_rows():
    draw = np.random.default_rng(2)
    jacobians = draw.standard_normal((350, 34, 34)) / np.sqrt(34)
    found = gradient_by_lag(jacobians, horizon=9)
    assert found.frame.loc[0, "rows"] == 254
    lengths = [np.linalg.norm(one, 2) for one in jacobians]
    assert found.frame.loc[1, "mean"] == pytest.approx(np.mean(lengths), rel=0.01)
    assert found.frame.loc[1, "mean_se"] == pytest.approx(np.std(lengths) / np.sqrt(254), rel=0.5)


# -- tables and refusals --------------------------------------------------------------------------


def test_summary_and_plots():
    step, output, start, x = wave(60)
    for of, by, panels, words in (
        ("state", "state", 1, "dh(t)/dh(t-k)"),
        ("state", "input", Q, "x2"),
        ("output", "state", P, "dE[y](t)/dh(t-k)"),
        ("output", "input", P * Q, "y1 by x2"),
    ):
        found = gradient_by_lag(
            step, start, inputs=x, of=of, by=by, output=output if of == "output" else None
        )
        assert words in str(found)
        fig = found.plot()
        assert len([ax for ax in fig.axes if ax.get_visible()]) == panels
        shown = np.asarray(fig.axes[0].lines[0].get_ydata(), dtype=float)
        part = found.frame["mean"].to_numpy()[: len(shown)]
        np.testing.assert_allclose(shown, part)
    fig.clear()
    assert found.plot(fig=fig) is fig
    assert found.table("abs_mean").shape == (41, P * Q)
    with pytest.raises(SpecificationError, match="table: column must be one of"):
        found.table("median_se")
    frame = found.frame
    frame.loc[:, "mean"] = 0.0
    assert found.frame["mean"].abs().sum() > 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"of": "outputs"}, "of must be one of 'state', 'output'"),
        ({"by": "inputs"}, "by must be one of 'state', 'input'"),
        ({"given": "x"}, "given must be one of"),
        ({"of": "output"}, "of='output' needs outputs"),
        ({"by": "input"}, "by='input' needs inputs"),
        ({"horizon": 26}, "horizon must be at most 25, as far"),
        ({"output": [[1.0]]}, "a column for each of the 3 states; got shape"),
        ({"alpha": 0.0}, "alpha"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(SpecificationError, match=message):
        gradient_by_lag(np.ones((N, M, M)), **arguments)


def test_refusals_of_outputs_and_inputs():
    with pytest.raises(SpecificationError, match="A function needs states"):
        gradient_by_lag(np.ones((5, 2, 2)), of="output", output=lambda h: h)
    with pytest.raises(SpecificationError, match="inputs must be real numbers"):
        gradient_by_lag(lambda h, x: 0.5 * h, [1.0], inputs=["a", "b"], by="input")


def test_results_have_their_own_outputs(linear):
    with pytest.raises(SpecificationError, match="output makes no sense with results"):
        gradient_by_lag(linear, of="output", output=[[1.0, 0.0]])


def shared_by_loops(rows, logs, nobs):
    """Each growth of a log norm in the row in which it takes place, row by row."""
    found = np.full((nobs, *logs[:, 0].shape), np.nan)
    growth = np.diff(logs, axis=0, prepend=np.zeros((1, *logs.shape[1:])))
    for lag in range(len(logs)):
        valid = ~np.isnan(logs[lag, :, 0])
        share = nobs / valid.sum()
        here = np.zeros((nobs, logs.shape[2]))
        for back in range(lag + 1):
            part = growth[back, valid]
            here[rows[valid] - max(back - 1, 0)] += part - part.mean(axis=0)
        found[:, lag] = share * here + logs[lag, valid].mean(axis=0)
    return found


@pytest.mark.parametrize("rows", [np.arange(60), np.sort(np.r_[0:9, 20:23, 24:60:3])])
@pytest.mark.parametrize("by", ["state", "input"])
def test_growth_is_shared_out_among_its_rows(rows, by):
    """Two sequences, all rows or some."""
    rng = np.random.default_rng(4)
    trajectory = Trajectory(
        rng.standard_normal((60, 3, 3)), np.array([0, 21, 60]),
        inputs=rng.standard_normal((60, 3, 2)),
    )  # fmt: skip
    found = LaggedGradients(trajectory, "state", by, 12, rows)
    means = GradientMeans(GivenRecurrence(trajectory.state), None, found, 60)
    known = shared_by_loops(rows, found.logs, 60)
    # sums of thirteen growths, kept up to date instead of added anew
    np.testing.assert_allclose(means._shared_out(found.logs), known, rtol=0.0, atol=1e-11)


def test_one_row_has_no_standard_error():
    found = gradient_by_lag(
        lambda h, x: 0.5 * h + 0.1 * x**2, [0.0], inputs=np.ones((1, 1)), by="input"
    )
    assert found.frame["mean"].iloc[0] == pytest.approx(0.2)
    assert found.frame[["mean_se", "log_mean_se"]].isna().all(axis=None)
    assert found.totals[["sum_se", "mean_lag_se"]].isna().all(axis=None)
    assert "delta method" not in str(found.summary())


def test_errors_of_large_norms():
    """With Jacobians scaled by c, norms of lag k and their errors are c^k times as large."""
    jacobians = 0.5 * np.random.default_rng(3).standard_normal((60, 2, 2))
    plain = gradient_by_lag(jacobians, horizon=3).frame
    large = gradient_by_lag(2.0**300 * jacobians, horizon=3).frame
    for column in ("mean", "mean_se"):
        scale = 2.0 ** (300 * np.arange(4))
        # norms are exponentials of logs up to 624, which are rounded at 1e-13
        np.testing.assert_allclose(large[column], plain[column] * scale, rtol=1e-11)
    beyond = gradient_by_lag(2.0**600 * jacobians, horizon=3).frame
    assert np.isinf(beyond.loc[2, "mean"])
    np.testing.assert_allclose(beyond["log_mean_se"], plain["log_mean_se"], rtol=1e-9)
