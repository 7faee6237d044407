"""Time constants of roots, leaky units and gates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from rnnstats import GRU, LSTM, ElmanRNN, LinearRNN, MarkovRNN
from rnnstats.diagnostics.memory import time_constants
from rnnstats.diagnostics.memory.filters.constant_tables import root_table
from rnnstats.diagnostics.memory.long_run import batch_means
from rnnstats.diagnostics.memory.recurrences import recurrence_of
from rnnstats.diagnostics.memory.time_units import Scale
from rnnstats.errors import SpecificationError
from rnnstats.results.nonlinear import RecurrentResults


@pytest.fixture(scope="module")
def series() -> pd.Series:
    rng = np.random.default_rng(0)
    y = np.zeros(200)
    for t in range(2, 200):
        y[t] = 1.2 * y[t - 1] - 0.6 * y[t - 2] + rng.standard_normal()
    return pd.Series(y, index=pd.period_range("1950Q1", periods=200, freq="Q"), name="y")


@pytest.fixture(scope="module")
def gated(series: pd.Series) -> Any:
    return GRU(series, k_hidden=1).fit(n_starts=1, rng=0)


# -- roots --------------------------------------------------------------------------------------


def test_roots_of_a_matrix_are_the_closed_forms() -> None:
    r, angle = 0.9, 0.7
    turn = r * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[1:3, 1:3], matrix[3, 3] = 0.95, turn, -0.5
    found = time_constants(matrix, dt=0.1, unit="seconds")
    table = found.roots
    np.testing.assert_allclose(table["tau"], -0.1 / np.log([0.95, 0.9, 0.5]), rtol=1e-12)
    np.testing.assert_allclose(table["half_life"], table["tau"] * np.log(2), rtol=1e-14)
    np.testing.assert_allclose(table["period"], [np.inf, 0.2 * np.pi / angle, 0.2], rtol=1e-12)
    ratio = -np.log(r) / np.hypot(np.log(r), angle)
    assert table["damping"].iloc[1] == pytest.approx(ratio, rel=1e-12)
    assert table["states"].tolist() == ["h1", "h2, h3", "h4"]
    assert (table["note"] == "fixed").all() and (table["tau_se"] == 0.0).all()
    assert found.scale == Scale(0.1, "seconds")


def test_errors_of_roots_are_those_of_draws_of_the_matrix() -> None:
    rng = np.random.default_rng(1)
    matrix = np.array([[0.6, 0.3], [-0.4, 0.5]])
    root = 1e-3 * rng.standard_normal((4, 4))
    cov = root @ root.T
    table = root_table(matrix, cov, ("a", "b"), Scale(1.0, "rows"), 1.96).iloc[0]
    draws = matrix + rng.multivariate_normal(np.zeros(4), cov, size=4000).reshape(-1, 2, 2)
    roots = np.linalg.eigvals(draws)
    roots = roots[np.arange(4000), roots.imag.argmax(axis=1)]
    rate, angle = np.log(np.abs(roots)), np.angle(roots)
    for name, values in (
        ("tau", -1 / rate), ("period", 2 * np.pi / angle),
        ("damping", -rate / np.hypot(rate, angle)), ("modulus", np.exp(rate)),
    ):  # fmt: skip
        # 4000 draws tell a standard deviation to 1.1 %
        assert table[f"{name}_se"] == pytest.approx(values.std(), rel=0.04)
    # the interval is that of the modulus
    low, high = np.exp(-1 / table[["tau_lower", "tau_upper"]].to_numpy(dtype=float))
    assert high - table["modulus"] == pytest.approx(1.96 * table["modulus_se"])
    assert table["modulus"] - low == pytest.approx(1.96 * table["modulus_se"])


def test_roots_that_repeat_vanish_grow_or_lie_on_the_circle() -> None:
    cov = 1e-4 * np.eye(4)
    one = Scale(1.0, "rows")
    repeated = root_table(np.array([[0.5, 1.0], [0.0, 0.5]]), cov, ("a", "b"), one, 1.96)
    assert (repeated["note"] == "repeated").all() and repeated["tau_se"].isna().all()
    nothing = root_table(np.diag([0.5, 0.0]), cov, ("a", "b"), one, 1.96)
    assert nothing["note"].tolist() == ["", "zero"] and nothing["tau"].iloc[1] == 0.0
    # the second state follows the first: a root of zero, which rounding makes 1e-17 or so
    matrix = np.linalg.multi_dot(
        [np.array([[0.7, 0.3], [0.2, 0.9]]), np.diag([0.6, 0.0]),
         np.linalg.inv([[0.7, 0.3], [0.2, 0.9]])]
    )  # fmt: skip
    follows = root_table(matrix, cov, ("a", "b"), one, 1.96)
    assert follows["note"].tolist() == ["", "zero"] and follows["tau"].iloc[1] == 0.0
    wild = root_table(np.diag([1.5, 1.0]), cov, ("a", "b"), one, 1.96)
    assert wild["tau"].iloc[0] == pytest.approx(-1 / np.log(1.5))
    assert wild["note"].tolist() == ["", "unit circle"] and wild["tau"].iloc[1] == np.inf
    assert wild["tau_lower"].isna().all()


def test_an_ar1_has_the_delta_method_error_of_its_coefficient() -> None:
    rng = np.random.default_rng(2)
    y = np.zeros(300)
    for t in range(1, 300):
        y[t] = 0.8 * y[t - 1] + rng.standard_normal()
    index = pd.date_range("2020-01-01", periods=300, freq="MS")
    fit = LinearRNN(pd.Series(y, index=index), k_states=1, form="leaky", obs_noise="none").fit()
    phi, error = fit.params["W_h[h1,h1]"], fit.bse["W_h[h1,h1]"]
    for unit, length in ((None, 1.0), ("years", 1 / 12), ("quarters", 1 / 3)):
        row = time_constants(fit, unit=unit).roots.iloc[0]
        assert row["tau"] == pytest.approx(-length / np.log(phi), rel=1e-12)
        slope = length / (phi * np.log(phi) ** 2)
        # a derivative by differences
        assert row["tau_se"] == pytest.approx(error * slope, rel=1e-6)
        ends = -length / np.log(phi + 1.959964 * error * np.array([-1.0, 1.0]))
        assert row[["tau_lower", "tau_upper"]].to_list() == pytest.approx(ends.tolist(), rel=1e-5)
        assert row["states"] == "h1"


def test_linear_roots_are_those_of_memory_and_of_the_varma(series: pd.Series) -> None:
    fit = LinearRNN(series, k_states=2).fit()
    table = fit.memory().frame.set_index("of")
    columns = ["tau", "tau_se", "period", "period_se", "damping", "damping_se", "modulus_se"]
    for given, name in ((None, "W_h"), ("inputs", "W_h - K V")):
        found = time_constants(fit, given=given).roots
        np.testing.assert_allclose(
            found[columns].iloc[0].astype(float), table.loc[name, columns].astype(float), rtol=1e-6
        )
        varma = time_constants(fit.to_varma(), given=given).roots
        np.testing.assert_allclose(
            found[columns].iloc[0].astype(float), varma[columns].iloc[0].astype(float), rtol=1e-6
        )


def test_inputs_that_enter_the_output_add_no_roots(series: pd.Series) -> None:
    rng = np.random.default_rng(3)
    x = pd.DataFrame({"x": rng.standard_normal(len(series))}, index=series.index)
    fit = LinearRNN(series + x["x"], x, k_states=2, exog_enters="output").fit()
    found = time_constants(fit, given="inputs").roots
    roots = np.concatenate([found["real"] + 1j * found["imag"]])
    exact = np.linalg.eigvals(fit.to_rnn().W_h)
    assert len(exact) == 3 and len(roots) == 1  # a pair, and the input held for a row
    assert np.abs(exact - roots[0]).min() < 1e-9


def test_a_function_rests_where_its_roots_are_taken() -> None:
    found = time_constants(lambda h: np.tanh(2.0 * h), [0.5])
    point = 0.957504024077268
    slope = 2 * (1 - point**2)
    assert found.roots["modulus"].iloc[0] == pytest.approx(slope, rel=1e-10)
    assert "linearised at the fixed point" in str(found.summary())
    moving = time_constants(lambda h: np.tanh(2.0 * h), [0.5], 5, at=1)
    assert moving.roots["modulus"].iloc[0] == pytest.approx(2 * (1 - np.tanh(1.0) ** 2))
    given = time_constants(lambda h: np.tanh(2.0 * h), [0.5], at=[0.0])
    assert given.roots["tau"].iloc[0] == pytest.approx(-1 / np.log(2.0))


def test_an_elman_network_has_roots_and_no_gates(series: pd.Series) -> None:
    fit = ElmanRNN(series, k_hidden=1).fit(n_starts=2, rng=0)
    held, moved = time_constants(fit), time_constants(fit, given="shocks")
    assert held.gates.empty and held.paths.empty
    assert len(held.roots) == 1 and (held.roots["tau_se"] > 0.0).all()
    # with the shocks held, the lagged output is a state, too
    assert moved.roots["states"].str.contains("y").any()
    assert "gates" not in str(held.summary())


# -- gates --------------------------------------------------------------------------------------


def test_gates_that_are_given() -> None:
    found = time_constants(gates=[0.5, 0.9, 1.0, 0.0], dt=0.1)
    np.testing.assert_allclose(
        found.gates["tau"], [-0.1 / np.log(0.5), -0.1 / np.log(0.9), np.inf, 0.0]
    )
    assert (found.gates["tau_se"].iloc[[0, 1, 3]] == 0.0).all()
    assert found.roots.empty and len(found.paths) == 1
    leak = 0.3  # h = (1 - a) h + a x
    assert time_constants(gates=1 - leak).gates["tau"].iloc[0] == pytest.approx(-1 / np.log(0.7))


def test_gates_over_time_by_unit() -> None:
    rng = np.random.default_rng(4)
    index = pd.date_range("2020-01-06", periods=900, freq="2W-MON")
    values = pd.DataFrame(rng.uniform(0.2, 0.9, (900, 2)), index=index, columns=["fast", "slow"])
    values["slow"] = np.sqrt(values["slow"])
    found = time_constants(gates=values, unit="days", quantiles=(0.05, 0.5), alpha=0.1)
    taus = -14 / np.log(values)
    pd.testing.assert_frame_equal(found.paths, taus, check_freq=False)
    table = found.gates
    np.testing.assert_allclose(table["tau"], -14 / np.log(values).mean(), rtol=1e-12)
    np.testing.assert_allclose(table["tau_mean"], taus.mean(), rtol=1e-12)
    np.testing.assert_allclose(table["tau_q5"], taus.quantile(0.05), rtol=1e-12)
    np.testing.assert_allclose(table["tau_q50"], taus.median(), rtol=1e-12)
    np.testing.assert_allclose(table["mean"], values.mean(), rtol=1e-12)
    error = batch_means(np.log(values["fast"].to_numpy())).error
    row = table.loc["fast"]
    assert row["tau_se"] == pytest.approx(row["tau"] ** 2 / 14 * error, rel=1e-10)
    # Student's t of 30 batches less one, 1.6991 at 95 %
    reach = np.log(row["tau_upper"] / row["tau"]) * row["tau"] / row["tau_se"]
    assert reach == pytest.approx(1.69913, rel=1e-5)
    assert table.index.tolist() == ["fast", "slow"]
    # where neighbours are alike batches are longer, and the degrees of freedom fewer
    slow = np.repeat(rng.uniform(0.2, 0.9, 150), 40)
    row = time_constants(gates=pd.Series(slow)).gates.iloc[0]
    df = batch_means(np.log(slow)).standard_error.df
    assert 29 <= df < 59
    reach = np.log(row["tau_upper"] / row["tau"]) * row["tau"] / row["tau_se"]
    assert reach == pytest.approx(student.ppf(0.975, df), rel=1e-10)


def test_a_series_is_a_gate_over_time() -> None:
    index = pd.period_range("2000Q1", periods=40, freq="Q")
    values = pd.Series(np.random.default_rng(7).uniform(0.3, 0.9, 40), index=index, name="f1")
    found = time_constants(gates=values, unit="years")
    assert found.gates.index.tolist() == ["f1"] and found.scale == Scale(0.25, "years")
    pd.testing.assert_index_equal(found.paths.index, index)
    pd.testing.assert_frame_equal(
        found.gates, time_constants(gates=values.to_frame(), unit="years").gates
    )


@pytest.mark.parametrize("cell", [GRU, LSTM])
def test_gates_of_a_network(cell: Any, series: pd.Series) -> None:
    model = cell(series, k_hidden=1, penalty=0.5 if cell is LSTM else 0.0)
    fit = model.fit(n_starts=1, rng=0, cov_type="approx")
    found = time_constants(fit, unit="years")
    word = "update" if cell is GRU else "forget"
    kept = fit.gates[f"{word}[{found.gates.index[0]}]"].dropna()
    row = found.gates.iloc[0]
    assert row["gate"] == word
    rate = -np.log(kept)
    assert row["tau"] == pytest.approx(0.25 / rate.mean(), rel=1e-10)
    np.testing.assert_allclose(found.paths.iloc[:, 0], 0.25 / rate, rtol=1e-10)
    table = fit.memory().gates.iloc[0]
    assert row["tau"] == pytest.approx(0.25 * table["tau"], rel=1e-10)
    assert row["tau_se"] == pytest.approx(0.25 * table["tau_se"], rel=1e-6)
    # quantiles and mean: against differences by the parameters
    center = fit.params.to_numpy()
    cov = recurrence_of(fit).spread(np.eye(len(center)))

    def levels(theta: np.ndarray) -> np.ndarray:
        from rnnstats.results.recurrent.states.states import gate_values

        taus = -0.25 / np.log(gate_values(model.system(theta))[word][:, 0])
        return np.array([taus.mean(), np.median(taus)])

    steps = 1e-6 * np.sqrt(np.diagonal(cov))
    slopes = np.array(
        [
            (levels(center + move) - levels(center - move)) / (2 * move.sum())
            for move in np.diag(steps)
        ]
    ).T
    errors = np.sqrt(np.diagonal(slopes @ cov @ slopes.T))
    assert row["tau_mean_se"] == pytest.approx(errors[0], rel=1e-3)
    assert row["tau_q50_se"] == pytest.approx(errors[1], rel=1e-3)


def test_a_constant_gate_has_the_delta_method_error_of_its_constant() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal(250)
    state = np.zeros(250)
    for t in range(250):
        state[t] = 0.8 * (state[t - 1] if t else 0.0) + 0.2 * np.tanh(x[t])
    y = 5.0 * state + 0.5 * rng.standard_normal(250)
    zero = [f"{w}_{gate}[h1,{c}]" for gate in ("reset", "update") for w, c in
            (("W_h", "h1"), ("W_x", "x"))]  # fmt: skip
    zero += ["b_reset[h1]", "W_h_candidate[h1,h1]", "b_candidate[h1]", "b_h_candidate[h1]"]
    data = pd.DataFrame({"x": x})
    model = GRU(y, data, k_hidden=1, y_lags=0, fixed=dict.fromkeys(zero, 0.0))
    start = dict.fromkeys(model.param_names, 0.0) | {
        "b_update[h1]": 1.4, "W_x_candidate[h1,x]": 1.0, "V[y,h1]": 5.0, "obs_cov[y,y]": 0.25,
    }  # fmt: skip
    fit = model.fit(start_params=list(start.values()), cov_type="approx")
    row = time_constants(fit).gates.iloc[0]
    b, error = fit.params["b_update[h1]"], fit.bse["b_update[h1]"]
    share = 1 / (1 + np.exp(-b))
    assert row["tau"] == pytest.approx(-1 / np.log(share), rel=1e-10)
    # d tau / d b = (1 - f) / ln(f)^2
    expected = error * (1 - share) / np.log(share) ** 2
    assert row["tau_se"] == pytest.approx(expected, rel=1e-6)
    assert row["tau_upper"] == pytest.approx(
        row["tau"] * np.exp(1.959964 * expected / row["tau"]), rel=1e-6
    )
    assert row["tau_mean"] == pytest.approx(row["tau"], rel=1e-10)
    assert row["tau_mean_se"] == pytest.approx(expected, rel=1e-6)


# -- the object ---------------------------------------------------------------------------------


def test_frame_puts_roots_and_gates_together(gated: Any) -> None:
    found = time_constants(gated)
    table = found.frame
    assert table.index.tolist() == ["root 1", "h1"]
    assert table["of"].tolist() == ["h1", "update"]
    assert table["tau"].tolist() == [found.roots["tau"].iloc[0], found.gates["tau"].iloc[0]]
    table.iloc[:, 1:] = 0.0
    assert (found.frame["tau"] > 0.0).all()
    text = str(found.summary())
    assert "Time constants of the gates, in quarters" in text and "Over the rows" in text
    assert repr(found) == text


def test_pictures(gated: Any) -> None:
    pytest.importorskip("matplotlib")
    titles = [ax.get_title(loc="left") for ax in time_constants(gated, unit="years").plot().axes]
    assert titles == ["Time constants (years)", "Roots", "Time constants of the gates (years)"]
    figure = time_constants(gates=[0.0, 0.5, 1.0]).plot()
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["gone at once", "never falls"]
    assert len(time_constants(np.diag([0.5, 1.2])).plot().axes) == 2


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "give a source .* or gates; got neither"),
        ((np.eye(1),), {"gates": 0.5}, "got both"),
        ((), {"gates": 1.5}, "gates must lie between 0 and 1"),
        ((), {"gates": [np.nan]}, "gates must lie between 0 and 1"),
        ((), {"gates": 0.5, "nsteps": 3}, "nsteps makes no sense with gates"),
        ((), {"gates": 0.5, "quantiles": 0.5}, "quantiles must be a list"),
        ((), {"gates": 0.5, "quantiles": [1.5]}, "quantiles must lie strictly between 0 and 1"),
        ((), {"gates": 0.5, "alpha": 2.0}, "alpha must lie strictly"),
        ((), {"gates": 0.5, "unit": "years"}, "unit needs an index"),
        ((np.eye(2) * 0.5,), {"given": "x"}, "given must be one of"),
        ((lambda h: h + 1.0, [0.0]), {}, "must have a fixed point"),
        ((lambda h: 0.5 * h, [0.0]), {"at": "mean"}, "nsteps must be given with at='mean'"),
    ],
)
def test_refusals(args: Any, kwargs: Any, words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        time_constants(*args, **kwargs)


def test_a_markov_chain_has_neither(series: pd.Series) -> None:
    chain = MarkovRNN(series).fit(n_starts=1, rng=0, cov_type="none")
    with pytest.raises(SpecificationError, match=r"must have gates or a state with roots"):
        time_constants(chain)


def test_gates_are_told_without_a_fixed_point(series: pd.Series) -> None:
    model = LSTM(series, k_hidden=1)
    params = pd.Series(0.0, index=list(model.param_names))
    # the forget gate is 1 to rounding, and something is written in every row: the content grows
    params[["b_forget[h1]", "b_cell[h1]", "V[y,h1]", "obs_cov[y,y]"]] = 60.0, 1.0, 1.0, 1.0
    params["W_y_forget[h1,y]"] = -8.0
    res = RecurrentResults.from_fit(model, params, cov_type="none")
    with pytest.raises(SpecificationError, match="fixed point"):
        res.memory().transfer_function()
    found = time_constants(res)
    assert found.roots.empty
    assert list(found.gates["gate"]) == ["forget"]
    assert "there is no fixed point" in str(found.summary())
    with pytest.raises(SpecificationError, match="fixed point"):
        time_constants(lambda h: h + 1.0, [0.0])
