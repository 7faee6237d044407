"""The table that puts models side by side, against the functions and results it is made from."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from diagnostics.memory.capacity.test_measured import ar_one
from results.recurrent.network_cases import at, data
from results.recurrent.test_linear_twin import pair

from rnnstats.diagnostics.memory import (
    compare_memory,
    effective_memory,
    jacobian_products,
    memory_capacity,
)
from rnnstats.errors import SpecificationError
from rnnstats.models.linear import LinearRNN
from rnnstats.models.markov import MarkovRNN
from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN


@cache
def chain():
    rng = np.random.default_rng(0)
    regime = np.cumsum(rng.random(200) < 0.1) % 2
    index = pd.period_range("1990Q1", periods=200, freq="Q")
    y = pd.Series(3.0 * regime + rng.standard_normal(200), index=index, name="y")
    return MarkovRNN(y, k_regimes=2).fit(rng=0, n_starts=1)


def chosen_at(model):
    """Results at weights that are no maximum: the expected information is regular there."""
    return at(model, cov_type="approx")


@cache
def five():
    y, _ = data()
    models = {
        "Elman": chosen_at(ElmanRNN(y, k_hidden=2)), "GRU": chosen_at(GRU(y, k_hidden=1)),
        "LSTM": chosen_at(LSTM(y, k_hidden=2)),
        "linear": LinearRNN(y, k_states=1).fit(), "Markov": chain(),
    }  # fmt: skip
    return models, compare_memory(models, horizon=12, nsteps=2000, rng=0)


def test_all_five_models_stand_in_one_table():
    models, found = five()
    frame = found.frame
    assert frame.index.tolist() == list(models)
    assert frame["model"].tolist() == ["ElmanRNN", "GRU", "LSTM", "LinearRNN", "MarkovRNN"]
    assert frame["states"].tolist() == [2, 1, 4, 1, 1]
    everywhere = [
        "rate", "rate_se", "half_life", "own_rate", "own_rate_se", "mean_lag", "mean_lag_se",
        "lag_at_share", "tau", "tau_se", "capacity", "capacity_se", "capacity_share",
    ]  # fmt: skip
    assert np.isfinite(frame[everywhere].to_numpy(dtype=float)).all()
    chains = ["second_eigenvalue", "second_eigenvalue_se", "mixing_time"]
    assert frame.loc["Markov", chains].notna().all()
    assert frame.drop(index="Markov")[chains].isna().all(axis=None)
    assert frame["tau_of"].str.split().str[0].tolist() == [
        "recurrence", "update", "forget", "recurrence", "chain",
    ]  # fmt: skip
    assert found.step == "quarters"
    assert set(found.capacities) == set(models)


def test_figures_are_those_of_the_functions():
    models, found = five()
    for name in ("LSTM", "linear"):
        row, res = found.frame.loc[name], models[name]
        for given, prefix in (("inputs", ""), ("shocks", "own_")):
            verdict = jacobian_products(res, given=given).verdict.iloc[0]
            for column in ("rate", "rate_se", "half_life"):
                assert row[prefix + column] == pytest.approx(verdict[column], rel=1e-10)
            assert row[f"{prefix}verdict"] == verdict["verdict"]
        length = effective_memory(res, horizon=12, given="inputs").frame.iloc[0]
        for column in ("mean_lag", "mean_lag_se", "lag_at_share", "lag_at_share_se"):
            assert row[column] == pytest.approx(length[column], rel=1e-10)
    exact = memory_capacity(models["linear"])
    assert found.frame.loc["linear", "capacity"] == exact.total
    assert found.frame.loc["linear", "capacity_mean_lag_se"] == exact.mean_lag_se
    tau = models["linear"].memory().frame.iloc[0]
    assert found.frame.loc["linear", "tau"] == pytest.approx(tau["tau"], rel=1e-8)
    assert found.frame.loc["linear", "tau_se"] == pytest.approx(tau["tau_se"], rel=1e-4)
    gates = models["LSTM"].memory().gates
    slowest = gates["tau"].idxmax()
    assert found.frame.loc["LSTM", "tau"] == pytest.approx(gates.loc[slowest, "tau"], rel=1e-8)
    assert found.frame.loc["LSTM", "tau_se"] == pytest.approx(
        gates.loc[slowest, "tau_se"], rel=1e-4
    )


def test_the_time_constant_is_that_of_the_slowest_gate():
    models, found = five()
    gates, row = models["LSTM"].memory().gates, found.frame.loc["LSTM"]
    assert gates["tau"].nunique() == 2
    assert row["tau"] == pytest.approx(gates["tau"].max(), rel=1e-8)
    assert row["tau_of"] == f"forget {gates['tau'].idxmax()}"


def test_figures_of_a_chain_are_those_of_its_results():
    models, found = five()
    row, memory = found.frame.loc["Markov"], models["Markov"].memory()
    second = models["Markov"].transition.to_numpy()
    assert row["second_eigenvalue"] == pytest.approx(abs(np.trace(second) - 1.0), rel=1e-10)
    known = memory.frame.iloc[0]
    assert row["second_eigenvalue_se"] == pytest.approx(known["modulus_se"], rel=1e-8)
    assert row["mixing_time"] == memory.mixing_time
    assert row["tau"] == pytest.approx(known["tau"], rel=1e-8)
    assert row["tau_se"] == pytest.approx(known["tau_se"], rel=1e-6)
    verdict = memory.verdict
    assert row["own_rate"] == pytest.approx(verdict.loc["chain", "log_rate"], rel=1e-10)
    # the belief's own Jacobians against the second compound matrices, but for the first row, into
    # which there is no step
    assert row["rate"] == pytest.approx(verdict.loc["filter", "log_rate"], abs=0.03)


def test_a_network_with_identity_activation_has_the_row_of_the_linear_model():
    one, two = compare_memory(
        dict(zip(("net", "lin"), pair(), strict=True)), horizon=10, nsteps=1000, rng=0
    ).frame.iloc
    for name in ("rate", "own_rate", "half_life", "mean_lag", "lag_at_share"):
        assert one[name] == pytest.approx(two[name], rel=1e-4), name


def test_what_cannot_be_had_is_left_out_with_its_reason():
    rng = np.random.default_rng(1)
    walk = LinearRNN(
        pd.Series(rng.standard_normal(60).cumsum(), name="y"), k_states=1, trend="n",
        initial="diffuse", fixed={"W_h[h1,h1]": 1.0},
    ).fit()  # fmt: skip
    found = compare_memory({"walk": walk, "ar": ar_one(), "matrix": np.array([[0.5]])}, rng=0)
    assert np.isnan(found.frame.loc["walk", "capacity"])
    assert np.isfinite(found.frame.loc["ar", "capacity"])
    assert found.frame.loc["walk", "own_rate"] == pytest.approx(0.0, abs=1e-12)
    assert found.frame.loc["matrix", "rate"] == pytest.approx(np.log(0.5))
    text = str(found)
    assert "walk: " in text and "stationary" in text
    assert "different steps: months, rows" in text
    assert found.step == "rows"
    for call in (lambda: compare_memory({}), lambda: compare_memory([ar_one()])):
        with pytest.raises(SpecificationError, match="by name"):
            call()
    with pytest.raises(SpecificationError, match="share"):
        compare_memory({"ar": ar_one()}, share=0.0)


def test_the_report_has_a_summary_and_a_picture():
    pytest.importorskip("matplotlib").use("Agg")
    models, found = five()
    text = str(found.summary())
    for word in ("Markov chains", "mixing time", "Capacity", "half-life", *models):
        assert word in text
    figure = found.plot()
    rates, lags, held = figure.axes
    assert len(rates.containers) == 2 * len(models)
    weights = effective_memory(models["Elman"], horizon=12).weights["state"].to_numpy()
    curves = [line for line in lags.lines if len(line.get_ydata()) == len(weights)]
    assert any(np.allclose(line.get_ydata(), weights / weights.max()) for line in curves)
    np.testing.assert_allclose(
        held.lines[0].get_ydata(), found.capacities["Elman"].frame["capacity"]
    )
    import matplotlib.pyplot as plt

    plt.close(figure)
