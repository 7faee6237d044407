"""Products of Jacobians of callables, matrices and results: values, rates, verdicts, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import BidirectionalRNN, ElmanRNN, LinearRNN, datasets
from rnnstats.diagnostics.memory import jacobian_products
from rnnstats.diagnostics.memory.long_run import batch_means
from rnnstats.diagnostics.memory.products.jacobians import told_lags
from rnnstats.diagnostics.memory.standard_errors import StandardError
from rnnstats.diagnostics.memory.verdicts import verdict_of
from rnnstats.errors import SpecificationError
from rnnstats.results.recurrent.states.recurrence import NetworkRecurrence

MATRIX = np.array([[0.5, 0.3], [1.0, 0.0]])


def wave(rows=200, seed=3):
    draw = np.random.default_rng(seed)
    W, U = 0.8 * draw.standard_normal((3, 3)), draw.standard_normal((3, 2))
    return (lambda h, x: np.tanh(W @ h + U @ x)), draw.standard_normal((rows, 2)), W


# -- the scalar toy -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("s", "word"),
    [
        (0.9, "vanishing"),
        (1.0, "neither vanishes nor explodes"),
        (-1.0, "neither vanishes nor explodes"),
        (1.1, "exploding"),
        (0.0, "forgets at once"),
    ],
)
@pytest.mark.parametrize("form", ["matrix", "step", "list"])
def test_scalar_toy(s, word, form):
    if form == "matrix":
        found = jacobian_products([[s]], horizon=100)
    elif form == "step":
        found = jacobian_products(lambda h: s * h, [1.0], 100, horizon=100)
    else:
        found = jacobian_products(np.full((100, 1, 1), s), horizon=100)
    verdict = found.verdict.loc["state"]
    assert verdict["verdict"] == word
    with np.errstate(divide="ignore"):
        rate = np.log(abs(s))
    assert verdict["rate"] == pytest.approx(rate, abs=1e-14)
    if abs(s) == 0.9:
        assert verdict["half_life"] == pytest.approx(np.log(0.5) / np.log(0.9))
        assert found.frame["mean"].to_numpy() == pytest.approx(rate * np.arange(101), abs=1e-12)
    if abs(s) >= 1.0:
        assert verdict["half_life"] == np.inf


def test_the_verdict_weighs_the_rate_against_its_error():
    assert verdict_of(-0.1, StandardError(0.02), 0.05)["verdict"].item() == "vanishing"
    assert verdict_of(0.1, StandardError(0.02), 0.05)["verdict"].item() == "exploding"
    near = verdict_of(0.1, StandardError(0.06), 0.05)
    assert near["verdict"].item() == "not distinguishable from 1"
    assert verdict_of(0.1, StandardError(0.06), 0.10)["verdict"].item() == "exploding"
    assert near["pvalue"].item() == pytest.approx(0.0956, abs=1e-4)  # tables of the normal law
    unknown = verdict_of(-0.1, StandardError(np.nan), 0.05)
    assert unknown["verdict"].item() == "no standard error"
    assert np.isnan(unknown[["t", "df", "pvalue"]].to_numpy(dtype=float)).all()
    row = verdict_of(-0.2, StandardError(0.05), 0.05).loc["state"]
    assert row["half_life"] == pytest.approx(3.4657, abs=1e-4)
    assert row["half_life_se"] == pytest.approx(np.log(2) * 0.05 / 0.2**2)
    assert row["upper"] - row["lower"] == pytest.approx(2 * 1.959964 * 0.05, rel=1e-6)
    # few batches: Student's t of 9 degrees of freedom, by its tables
    few = verdict_of(-0.2, StandardError(0.05, 9.0), 0.05).loc["state"]
    assert few["upper"] - few["lower"] == pytest.approx(2 * 2.262157 * 0.05, rel=1e-6)
    assert (few["t"], few["df"]) == (-4.0, 9.0)
    assert few["pvalue"] == pytest.approx(0.003112, rel=1e-3)


# -- one matrix -----------------------------------------------------------------------------------


def test_one_matrix_is_closed_form():
    found = jacobian_products(MATRIX, horizon=30)
    root = (0.5 + np.sqrt(0.25 + 1.2)) / 2
    row = found.verdict.loc["state"]
    assert row["rate"] == pytest.approx(np.log(root), abs=1e-12)
    assert row["rate_se"] == 0.0
    for k in (1, 2, 30):
        power = np.linalg.matrix_power(MATRIX, k)
        np.testing.assert_allclose(found.product(4, 4 + k), power, rtol=1e-13)
        sizes = np.log(np.linalg.svd(power, compute_uv=False))
        assert found.frame.loc[k, "mean"] == pytest.approx(sizes[0], abs=1e-11)
        assert found.frame.loc[k, "log_singular_1"] == found.frame.loc[k, "mean"]
        # the determinant gives what is left for the second
        assert found.frame.loc[k, "log_singular_2"] == pytest.approx(
            k * np.log(0.3) - sizes[0], abs=1e-11
        )
    assert (found.frame["rows"] == 1).all()


def test_one_matrix_at_1e5_steps():
    found = jacobian_products(MATRIX, horizon=100_000)
    last = found.frame.loc[100_000]
    root = np.log((0.5 + np.sqrt(0.25 + 1.2)) / 2)
    assert last["mean"] / 100_000 == pytest.approx(root, abs=1e-5)
    total = last["log_singular_1"] + last["log_singular_2"]
    assert total == pytest.approx(100_000 * np.log(0.3), rel=1e-10)


@pytest.fixture(scope="module")
def linear():
    growth = 400 * np.log(datasets.us_macro()[["realcons", "realinv"]]).diff().iloc[1:]
    return LinearRNN(growth, form="observed").fit()


def test_linear_results_are_closed_form_with_delta_errors(linear):
    found = jacobian_products(linear)
    names = [f"W_h[{i},{j}]" for i in ("h1", "h2") for j in ("h1", "h2")]
    cells = linear.params[names]
    matrix = cells.to_numpy().reshape(2, 2)
    rate = np.log(np.abs(np.linalg.eigvals(matrix)).max())
    row = found.verdict.loc["state"]
    assert row["rate"] == pytest.approx(rate, abs=1e-10)
    # delta method by differences
    cov = linear.cov_params().loc[names, names].to_numpy()

    def radius(values):
        return np.log(np.abs(np.linalg.eigvals(values.reshape(2, 2))).max())

    slope = [
        (radius(cells.to_numpy() + step) - radius(cells.to_numpy() - step)) / 2e-6
        for step in 1e-6 * np.eye(4)
    ]
    assert row["rate_se"] == pytest.approx(np.sqrt(slope @ cov @ slope), rel=1e-6)
    np.testing.assert_allclose(found.product(0, 3), np.linalg.matrix_power(matrix, 3), rtol=1e-12)
    assert found.labels.step == "quarters"


# -- along a series -------------------------------------------------------------------------------


def test_products_of_a_step_are_differences_of_its_run():
    step, x, _ = wave()
    found = jacobian_products(step, np.zeros(3), inputs=x)

    def run(h):
        for row in x[4:10]:
            h = step(h, row)
        return h

    start = np.zeros(3)
    for row in x[:4]:
        start = step(start, row)
    length = 3e-6
    slopes = [(run(start + one) - run(start - one)) / (2 * length) for one in length * np.eye(3)]
    np.testing.assert_allclose(found.product(4, 10), np.transpose(slopes), rtol=0.0, atol=1e-9)


def test_a_given_jacobian_is_used():
    step, x, W = wave()
    calls = []

    def jacobian(h, row):
        calls.append(1)
        return (1.0 - step(h, row) ** 2)[:, None] * W

    given = jacobian_products(step, np.zeros(3), inputs=x, jacobian=jacobian)
    assert calls
    found = jacobian_products(step, np.zeros(3), inputs=x)
    pd.testing.assert_frame_equal(given.frame, found.frame, rtol=1e-9)


def test_statistics_are_those_of_all_starting_rows():
    step, x, _ = wave(60)
    found = jacobian_products(step, np.zeros(3), inputs=x, horizon=5)
    logs = np.array(
        [
            np.log(np.linalg.svd(found.product(t, t + 5).to_numpy(), compute_uv=False))
            for t in range(56)
        ]
    )
    line = found.frame.loc[5]
    assert line["rows"] == 56
    # products of doubles keep the norm to rounding
    assert line["mean"] == pytest.approx(logs[:, 0].mean(), abs=1e-12)
    ordered = np.sort(logs[:, 0])
    known = [ordered[round(share * 55)] for share in (0.5, 0.1, 0.9)]
    assert line[["median", "lower", "upper"]].to_list() == pytest.approx(known, abs=1e-12)
    # all together have the size of the determinants
    together = found.log_singular_values.loc[5, "mean"].sum()
    each = np.array([found.product(t, t + 1) for t in range(60)])
    sizes = np.log(np.abs(np.linalg.det(each)))
    volumes = [sizes[t : t + 5].sum() for t in range(56)]
    # determinants lose roundings times the condition of the Jacobians
    loss = 5 * np.finfo(float).eps * np.linalg.cond(each).max()
    assert loss < 1e-6
    assert together == pytest.approx(np.mean(volumes), abs=loss)
    assert found.log_norms.shape == (6, 60)
    assert found.log_norms.loc[5].notna().sum() == 56


def test_the_rate_is_the_slope_of_the_norm_with_the_error_of_batches():
    step, x, _ = wave(600)
    found = jacobian_products(step, np.zeros(3), inputs=x, horizon=60)
    row = found.verdict.loc["state"]
    slope = (found.frame.loc[60, "mean"] - found.frame.loc[20, "mean"]) / 40
    assert row["rate"] == pytest.approx(slope, abs=3 * row["rate_se"])
    blocks = found.log_norms.loc[40].to_numpy()[:560:40] / 40
    assert row["rate_se"] == pytest.approx(blocks.std() / np.sqrt(600 / 40), rel=0.5)
    assert row["verdict"] == "vanishing"


def test_networks_have_errors_of_estimation_too():
    results = ElmanRNN(np.log(datasets.lynx()), k_hidden=1).fit(rng=np.random.default_rng(0))
    found = jacobian_products(results)
    rates = np.log(np.abs(found._trajectory.state[:, 0, 0]))
    row = found.verdict.loc["state"]
    assert row["rate"] == pytest.approx(rates.mean(), abs=1e-12)
    assert row["rate_se"] != pytest.approx(batch_means(rates).error, rel=0.01)
    closed = jacobian_products(results, given="shocks")
    assert closed.labels.states == (*found.labels.states, "lynx")
    assert closed.frame.loc[5, "mean"] != found.frame.loc[5, "mean"]
    with pytest.raises(SpecificationError, match="h0 makes no sense"):
        jacobian_products(results, [1.0])


# -- tables and refusals --------------------------------------------------------------------------


def test_summary_and_plot_show_rate_norms_and_singular_values():
    step, x, _ = wave()
    found = jacobian_products(step, np.zeros(3), inputs=x)
    text = str(found)
    assert "vanishing" in text and "horizon 20" in text
    fig = found.plot()
    left, right = fig.axes
    np.testing.assert_allclose(
        left.lines[0].get_ydata(), found.frame["median"] / np.log(10), rtol=1e-12
    )
    assert len(right.lines) == 4  # three singular values and the line at one
    fig.clear()
    assert found.plot(fig=fig) is fig
    frame = found.frame
    frame.loc[:, "mean"] = 0.0
    assert found.frame["mean"].iloc[-1] != 0.0


def test_told_lags():
    assert told_lags(41) == [0, 1, 2, 5, 10, 20, 40]
    assert told_lags(1) == [0]
    assert told_lags(100) == [0, 1, 2, 5, 10, 20, 50, 99]


def test_short_series_shorten_the_horizon():
    found = jacobian_products(np.full((7, 1, 1), 0.5))
    assert found.frame.index[-1] == 7
    assert found.frame["rows"].tolist() == [7, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"horizon": 11}, "horizon must be at most 10, as far"),
        ({"given": "nothing"}, "given must be one of"),
        ({"alpha": 1.0}, "alpha"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(SpecificationError, match=message):
        jacobian_products(np.ones((10, 2, 2)), **arguments)


def test_products_between_rows_that_are_not_there_are_refused():
    found = jacobian_products(np.ones((10, 2, 2)))
    with pytest.raises(SpecificationError, match=r"last must be a row .* to 10; got 11"):
        found.product(3, 11)
    with pytest.raises(SpecificationError, match="last must not come before first; got 2 and 3"):
        found.product(3, 2)
    for wrong in (-1, "1990", True, 2.5, None):
        with pytest.raises(SpecificationError, match="first must be a row of the index"):
            found.product(wrong, 5)
    np.testing.assert_array_equal(found.product(3, 3), np.eye(2))


def test_products_between_labels_of_the_index():
    growth = np.diff(np.log(datasets.us_macro()["realgdp"]))
    quarters = pd.Series(growth, index=pd.period_range("1959Q2", periods=len(growth), freq="Q"))
    theta = {"W_h[h1,h1]": 0.5, "W_y[h1,y]": 9.0, "b_h[h1]": 0.1, "V[y,h1]": 0.01}
    model = ElmanRNN(quarters.rename("y"), k_hidden=1, y_lags=1)
    params = np.array([theta.get(name, 1e-4) for name in model.param_names])
    found = jacobian_products(NetworkRecurrence(model, params))
    index = found.labels.index
    row = index.get_loc(pd.Period("1990Q1"))
    by_number = found.product(row + 1, row + 9)
    steps = found._trajectory.state[row + 1 : row + 9]
    assert by_number.iloc[0, 0] == pytest.approx(np.prod(steps), rel=1e-12)
    start, end = pd.Period("1990Q1"), pd.Timestamp("1992-02-01")
    for first, last in (("1990Q1", "1992Q1"), (start, end), (row + 1, "1992Q1")):
        pd.testing.assert_frame_equal(found.product(first, last), by_number)
    # a text that means several rows: from the first to the last
    whole = found.product("1990", "1991")
    pd.testing.assert_frame_equal(whole, found.product("1990Q1", "1991Q4"))
    with pytest.raises(SpecificationError, match=r"last must be a row of the index \(1959Q3 to"):
        found.product("1990Q1", "2031Q1")
    # years as numbers are labels where they cannot be numbers of states; of a matrix, both
    years = datasets.lynx()
    years.index = years.index.year
    assert years.index[0] > len(years)
    single = ElmanRNN(np.log(years), k_hidden=1).fit(n_starts=1, rng=0, cov_type="none")
    found = jacobian_products(single)
    t = found.labels.index.get_loc(1850)
    pd.testing.assert_frame_equal(found.product(1850, 1855), found.product(t + 1, t + 6))
    linear = jacobian_products(LinearRNN(np.log(years), k_states=1).fit())
    pd.testing.assert_frame_equal(linear.product(1850, 1855), linear.product(7000, 7005))


def test_products_of_a_network_that_reads_backward_take_labels_in_its_order():
    y = datasets.us_macro()
    results = BidirectionalRNN(y.iloc[:81, 0], y.iloc[:81, [1]], k_hidden=1, y_lags=0).fit(
        n_starts=1, rng=0, cov_type="none"
    )
    found = results.memory(steps=1).backward.jacobian_products()
    index = found.labels.index
    assert index.is_monotonic_decreasing
    # 40 is where a search of an index in order begins
    for row in (0, 13, 40, 78):
        by_number = found.product(row + 1, row + 3)
        pd.testing.assert_frame_equal(found.product(index[row], index[row + 2]), by_number)
        pd.testing.assert_frame_equal(
            found.product(str(index[row]), str(index[row + 2])), by_number
        )
    year = str(index[40].year)
    rows = np.flatnonzero(index.year == index[40].year)
    pd.testing.assert_frame_equal(
        found.product(year, year), found.product(int(rows[0]) + 1, int(rows[-1]) + 1)
    )


def test_dates_that_several_sequences_share_are_no_labels_of_rows():
    y = datasets.us_macro().iloc[:40, 0]
    both = pd.concat([y, y])
    results = ElmanRNN(both, k_hidden=1, groups=np.repeat([0, 1], 40)).fit(
        n_starts=1, rng=0, cov_type="none"
    )
    found = jacobian_products(results)
    date = str(y.index[20])
    with pytest.raises(SpecificationError, match="Dates of several sequences have no order"):
        found.product(date, date)
    assert found.product(3, 4).shape == (1, 1)


def test_products_over_the_end_of_a_sequence_are_refused():
    two = pd.concat([datasets.lynx().iloc[:40], datasets.lynx().iloc[40:]], keys=["a", "b"])
    results = ElmanRNN(np.log(two), k_hidden=1).fit(rng=np.random.default_rng(0), n_starts=1)
    found = jacobian_products(results)
    border = int(found._trajectory.offsets[1])
    with pytest.raises(SpecificationError, match="must lie in one sequence"):
        found.product(border - 2, border + 2)
    assert np.isfinite(found.product(border, border + 2).to_numpy()).all()
    row = found.labels.index[border]
    assert row[0] == "b"
    # the number of the state before a sequence is that of the state after the last row before it:
    # by labels the latter is meant
    for last in (row, found.labels.index[border + 2]):
        with pytest.raises(SpecificationError, match="must lie in one sequence"):
            found.product(found.labels.index[border - 1], last)
    alone = found.product(found.labels.index[border - 1], found.labels.index[border - 1])
    np.testing.assert_array_equal(alone, np.eye(1))
    pd.testing.assert_frame_equal(
        found.product(row, found.labels.index[border + 2]), found.product(border + 1, border + 3)
    )
