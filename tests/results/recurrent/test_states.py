"""States and gates by hand, and what the objects say about their not being random."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import at, data, network
from scipy.special import expit

from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.nonlinear import LSTM, ElmanRNN


def matrix(res, stem, rows, columns):
    return np.array([[res.params[f"{stem}[{i},{j}]"] for j in columns] for i in rows])


def test_elman_states_by_hand_in_the_users_units():
    res = network("elman")
    y, x = data()
    units = ("h1", "h2")
    own = matrix(res, "W_h", units, units)
    lag, drive = matrix(res, "W_y", units, ["cpi"]), matrix(res, "W_x", units, ["rate"])
    bias = np.array([res.params[f"b_h[{i}]"] for i in units])
    state, rows = np.zeros(2), []
    for t in range(1, len(y)):
        push = lag[:, 0] * y.iloc[t - 1] + drive[:, 0] * x.iloc[t, 0] + bias
        state = np.tanh(own @ state + push)
        rows.append(state)
    for name in ("predicted_state", "filtered_state", "smoothed_state"):
        found = getattr(res, name)
        assert list(found.columns) == list(units)
        pd.testing.assert_index_equal(found.index, y.index)
        assert found.iloc[0].isna().all()  # conditioned on
        np.testing.assert_allclose(found.iloc[1:], rows, rtol=1e-10, atol=1e-12)
        cov = getattr(res, f"{name}_cov")
        assert cov.index.names == ["date", "state"]
        assert cov.iloc[:2].isna().to_numpy().all()
        assert (cov.iloc[2:] == 0.0).to_numpy().all()
    mean = np.array(rows) @ matrix(res, "V", ["cpi"], units)[0] + res.params["b_y[cpi]"]
    np.testing.assert_allclose(res.fittedvalues.iloc[1:], mean, rtol=1e-10)


def test_lstm_gates_by_hand():
    res = network("lstm")
    y, x = data()
    units, h, c = ("h1", "h2"), np.zeros(2), np.zeros(2)

    def gate(word, t, state):
        push = matrix(res, f"W_h_{word}", units, units) @ state
        push = push + matrix(res, f"W_y_{word}", units, ["cpi"])[:, 0] * y.iloc[t - 1]
        push = push + matrix(res, f"W_x_{word}", units, ["rate"])[:, 0] * x.iloc[t, 0]
        return push + np.array([res.params[f"b_{word}[{i}]"] for i in units])

    rows = []
    for t in range(1, 6):
        i, f, o = (expit(gate(word, t, h)) for word in ("input", "forget", "output"))
        g = np.tanh(gate("cell", t, h))
        c = f * c + i * g
        h = o * np.tanh(c)
        rows.append(np.concatenate([i, f, g, o]))
        np.testing.assert_allclose(res.filtered_state.iloc[t], [*h, *c], rtol=1e-9, atol=1e-12)
    words = ("input", "forget", "cell", "output")
    names = [f"{word}[{unit}]" for word in words for unit in units]
    assert list(res.gates.columns) == names
    np.testing.assert_allclose(res.gates.iloc[1:6], rows, rtol=1e-9, atol=1e-12)
    assert res.gates.iloc[0].isna().all()


def test_gates_of_stacked_layers_have_the_names_of_their_units():
    gates = network("layers").gates
    assert list(gates.columns) == [
        f"{word}[{unit}]"
        for word in ("reset", "update", "candidate")
        for unit in ("h1", "h2", "h3")
    ]
    states = network("layers").filtered_state
    assert list(states.columns) == ["h1", "h2", "h3"]
    # the second layer's unit is a mean of its last value and its candidate
    z, n, h = (part.iloc[2:].to_numpy() for part in (
        gates["update[h3]"], gates["candidate[h3]"], states["h3"]
    ))  # fmt: skip
    np.testing.assert_allclose(h, (1 - z) * n + z * states["h3"].iloc[1:-1].to_numpy(), rtol=1e-10)


def test_a_cell_without_gates_says_so():
    res = network("elman")
    assert not hasattr(res, "gates")
    for ask in (lambda: res.gates, lambda: res.plot_gates()):
        with pytest.raises(AttributeError, match=r"an Elman cell has no gates.*use GRU or LSTM"):
            ask()
    with pytest.raises(AttributeError, match="no attribute 'gatez'"):
        _ = res.gatez


def test_filter_vs_smoother_is_the_object_of_linear_models_and_says_why():
    res = network("elman")
    found = res.filter_vs_smoother()
    assert len(found.frame) == 2 * res.nobs
    for name in ("revision", "variance_reduction", "entropy_reduction", "filtered_sd"):
        assert (found.frame[name] == 0.0).all()
    assert (found.joint_entropy_reduction == 0.0).all()
    assert "smoothing changes nothing" in " ".join(str(found.summary()).split())
    truth = res.filtered_state + 0.5
    told = res.filter_vs_smoother(truth).comparison
    assert list(told["nobs"]) == [res.nobs, res.nobs]
    np.testing.assert_allclose(told["mse_filtered"], 0.25, rtol=1e-12)
    np.testing.assert_allclose(told["mse_ratio"], 1.0, rtol=1e-12)
    with pytest.raises(DataError, match="truth must have a column for every state"):
        res.filter_vs_smoother(truth.rename(columns={"h1": "level"}))


def test_initial_state_and_predicted_lags_leave_no_row_out():
    y, x = data()
    res = at(ElmanRNN(y, x, k_hidden=1, presample="predict", initial="estimated"))
    assert res.nobs == len(y)
    assert res.filtered_state.notna().to_numpy().all()
    assert res.fittedvalues.notna().all()


def test_plots():
    import matplotlib.pyplot as plt

    res = network("lstm")
    for fig, panels in (
        (res.plot_states(), 4),
        (res.plot_states(["c2"], kind="predicted"), 1),
        (res.plot_gates(), 6),
        (res.plot_gates(["cell[h1]"]), 1),
    ):
        assert len(fig.axes) == panels
        plt.close(fig)
    with pytest.raises(SpecificationError, match="gate must be one that exists; got 'open'"):
        res.plot_gates(["open"])
    with pytest.raises(SpecificationError, match="kind must be one of"):
        res.plot_states(kind="both")


def test_missing_rows_keep_their_states():
    y, _ = data()
    gaps = y.copy()
    gaps.iloc[10:12] = np.nan
    res = at(LSTM(gaps, k_hidden=1))
    assert res.filtered_state.iloc[1:].notna().to_numpy().all()
    assert list(np.flatnonzero(res.resid.isna())) == [0, 10, 11]
    assert (res.llf_obs.iloc[[0, 10, 11]] == 0.0).all()
