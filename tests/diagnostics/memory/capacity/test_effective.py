"""Effective memory length of matrices, functions and results."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from diagnostics.memory.capacity.test_measured import ar_one, squashed
from results.recurrent.network_cases import at, data, gaussian
from results.recurrent.test_linear_twin import pair

from rnnstats.diagnostics.memory import effective_memory, gradient_by_lag
from rnnstats.diagnostics.memory.capacity.effective import weigh
from rnnstats.diagnostics.memory.capacity.lengths import last_at_share, mean_lag, within
from rnnstats.diagnostics.memory.recurrences import recurrence_of
from rnnstats.diagnostics.memory.uncertainty import row_means
from rnnstats.errors import SpecificationError
from rnnstats.models.nonlinear import LSTM


def test_a_scalar_recurrence_forgets_at_a_geometric_rate():
    row = effective_memory([[0.8]]).frame.loc["state"]
    assert row["mean_lag"] == pytest.approx(4.0, rel=1e-8)
    assert row["lag_at_share"] == pytest.approx(np.log(0.05) / np.log(0.8), rel=1e-10)
    assert row["lag_within"] == pytest.approx(np.log(0.05) / np.log(0.8), abs=0.03)
    assert row["mean_lag_se"] == 0.0
    assert row["left"] <= 1e-12
    assert effective_memory([[0.8]], share=0.5).frame["lag_at_share"].iloc[0] == pytest.approx(
        np.log(0.5) / np.log(0.8), rel=1e-10
    )


def test_a_memory_longer_than_the_horizon_is_told():
    found = effective_memory([[1.0]], horizon=30)
    assert found.frame["lag_at_share"].iloc[0] == np.inf
    assert found.frame["left"].iloc[0] == 1.0
    assert found.frame["mean_lag"].iloc[0] == pytest.approx(15.0)
    assert found.horizon == 30
    assert "still large" in str(found)
    assert "still large" not in str(effective_memory([[0.5]]))


def test_errors_of_an_autoregression_are_those_of_its_coefficient():
    res = ar_one()
    phi, error = res.params["W_h[h1,h1]"], res.bse["W_h[h1,h1]"]
    row = effective_memory(res).frame.loc["state"]
    assert row["mean_lag"] == pytest.approx(phi / (1 - phi), rel=1e-8)
    assert row["mean_lag_se"] == pytest.approx(error / (1 - phi) ** 2, rel=1e-6)
    assert row["lag_at_share"] == pytest.approx(np.log(0.05) / np.log(phi), rel=1e-8)
    slope = np.log(20.0) / (phi * np.log(phi) ** 2)
    assert row["lag_at_share_se"] == pytest.approx(error * slope, rel=1e-6)
    # V = 1 and K held: what a shock does to later outputs is 0.7 phi^(k - 1)
    out = effective_memory(res, of="output", by="input").frame
    assert out.index.tolist() == [("y", "L1.e.y")]
    assert out["mean_lag"].iloc[0] == pytest.approx(phi / (1 - phi), rel=1e-8)


def test_a_network_with_identity_activation_is_the_linear_model():
    network_, linear = pair()
    one = effective_memory(network_, of="output", by="input", given="shocks", horizon=25)
    # a network's shock acts on its own row, that of the linear model's state on the next one
    two = effective_memory(linear, of="output", by="input", given="shocks", horizon=24)
    np.testing.assert_allclose(one.weights.iloc[1:], two.weights, rtol=1e-9, atol=1e-12)
    held, filter_ = (effective_memory(res, given="inputs").frame for res in (network_, linear))
    np.testing.assert_allclose(
        held[["mean_lag", "lag_at_share"]], filter_[["mean_lag", "lag_at_share"]], rtol=1e-6
    )
    # from the products of the rows' scores here, from second derivatives there
    np.testing.assert_allclose(held["mean_lag_se"], filter_["mean_lag_se"], rtol=0.15)


def test_weights_and_mean_lag_are_those_of_gradient_by_lag():
    res = at(LSTM(data()[0], k_hidden=1), cov_type="approx")
    found = effective_memory(res, horizon=12)
    known = gradient_by_lag(res, horizon=12)
    np.testing.assert_allclose(found.weights["state"], known.frame["mean"], rtol=1e-10)
    row = known.totals.iloc[0]
    assert found.frame["mean_lag"].iloc[0] == pytest.approx(row["mean_lag"], rel=1e-10)
    assert found.frame["mean_lag_se"].iloc[0] == pytest.approx(row["mean_lag_se"], rel=1e-8)


def test_errors_of_lengths_over_rows_are_those_of_their_influence():
    res = gaussian()
    found = effective_memory(res, horizon=6).frame.iloc[0]
    recurrence = recurrence_of(res)

    def lengths(there):
        """Numbers by row whose means are the lengths, at any parameters, and not only to first
        order as where errors come from derivatives by the weights."""
        trajectory = there.trajectory()
        at = weigh(there, trajectory, "state", "state", 6, None)
        rows = at._rows(there)[:, :, 0]
        mean = rows.mean(axis=0)
        each = [mean_lag(mean), last_at_share(mean, 0.05), within(mean, 0.95)]
        return np.stack([one.value + (rows - mean) @ one.slopes for one in each], axis=1)

    known = row_means(recurrence, lengths)
    names = ["mean_lag", "lag_at_share", "lag_within"]
    np.testing.assert_allclose(found[names].to_numpy(dtype=float), known.value, rtol=1e-10)
    # derivatives by the parameters are differences
    errors = found[[f"{name}_se" for name in names]].to_numpy(dtype=float)
    np.testing.assert_allclose(errors, known.error, rtol=1e-5)


def test_a_function_with_outputs_and_inputs():
    inputs = np.random.default_rng(0).standard_normal((80, 1))
    found = effective_memory(
        lambda h, x: 0.6 * h + x, [0.0], inputs=inputs, of="output", by="input", output=[[2.0]]
    )
    assert found.frame["mean_lag"].iloc[0] == pytest.approx(1.5, rel=1e-3)
    assert found.weights.iloc[3, 0] == pytest.approx(2.0 * 0.6**3, rel=1e-8)
    assert isinstance(found.frame.index, pd.MultiIndex)
    assert "by" in found.weights.columns[0]


def test_words_for_what_makes_no_sense():
    cases = [
        (lambda: effective_memory([[0.5]], share=1.5), "share"),
        (lambda: effective_memory([[0.5]], horizon=0), "horizon"),
        (lambda: effective_memory(np.full((9, 1, 1), 0.5), horizon=10), "horizon"),
        (lambda: effective_memory([[0.5]], of="outputs"), "output"),
        (lambda: effective_memory([[0.5]], by="shock"), "by"),
        (lambda: effective_memory([[0.5]], by="input"), "inputs"),
        (lambda: effective_memory([[0.5]], of="output"), "outputs"),
        (lambda: effective_memory([[0.5]], given="all"), "given"),
    ]
    for call, word in cases:
        with pytest.raises(SpecificationError, match=word):
            call()


def test_the_report_has_a_picture():
    pytest.importorskip("matplotlib").use("Agg")
    found = effective_memory(squashed(), of="output", by="input", horizon=10)
    figure = found.plot()
    (ax,) = figure.axes
    weights = found.weights.iloc[:, 0]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), weights / weights.max())
    weights = found.weights
    weights.iloc[0, 0] = 99.0
    assert found.weights.iloc[0, 0] != 99.0
    import matplotlib.pyplot as plt

    plt.close(figure)


def test_lengths_of_gradients_beyond_doubles():
    """Of a^k up to lag N the mean lag is N - 1 / (a - 1), but for terms of the size of a^-N."""
    found = effective_memory([[1.2]])
    row = found.frame.loc["state"]
    assert found.horizon == 5120
    assert row["mean_lag"] == pytest.approx(5120 - 1 / 0.2, rel=1e-12)
    # of the last lag five sixths lie within N to N + 1
    assert row["lag_within"] == pytest.approx(5121 - 0.05 * 6, rel=1e-12)
    assert row["lag_at_share"] == np.inf
    assert found.weights["state"].iloc[[0, 1]].tolist() == pytest.approx([1.0, 1.2])
    assert found.weights["state"].iloc[-1] == np.inf


def test_lengths_along_rows_do_not_depend_on_the_size_of_jacobians():
    """Scaled by c, Jacobians have weights c^k times as large: far beyond doubles as within."""
    jacobians = 0.5 * np.random.default_rng(3).standard_normal((60, 2, 2))
    plain = effective_memory(jacobians, horizon=6)
    scaled = effective_memory(1e100 * jacobians, horizon=6)
    weights = plain.weights["state"].to_numpy()
    assert scaled.weights["state"].iloc[3] == pytest.approx(1e300 * weights[3], rel=1e-10)
    assert np.isinf(scaled.weights["state"].iloc[4])
    assert scaled.frame["mean_lag"].iloc[0] == pytest.approx(6.0, rel=1e-12)
    assert np.isfinite(scaled.frame["mean_lag_se"].iloc[0])


def test_no_input_comes_before_the_first_row():
    def step(h, x):
        return 0.9 * h + 0.1 * x

    x = np.arange(8.0)[:, None]
    found = effective_memory(step, [0.0], inputs=x, by="input", horizon=7)
    np.testing.assert_allclose(found.weights["x1"], 0.1 * 0.9 ** np.arange(8), rtol=1e-9)
    with pytest.raises(SpecificationError, match="horizon must be at most 7"):
        effective_memory(step, [0.0], inputs=x, by="input", horizon=8)
    one = effective_memory(step, [0.0], inputs=x[:1], by="input")
    assert one.horizon == 0
    assert one.frame.loc["x1", "mean_lag"] == 0.0
    assert np.isnan(one.frame.loc["x1", "mean_lag_se"])
