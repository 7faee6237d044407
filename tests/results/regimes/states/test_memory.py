"""How long regimes last, and how fast chain and filter forget."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.regimes.markov_cases import at, case

from rnnstats.diagnostics.memory import memory_capacity
from rnnstats.errors import SpecificationError
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.markov import MarkovResults
from rnnstats.results.regimes.states.driven import driven_belief

STAY, BACK = "p[h1->h1]", "p[h2->h1]"


@pytest.fixture(scope="module")
def res():
    return case("earthquakes")


def test_second_eigenvalue_of_two_regimes(res):
    """lambda = p11 - p21: exact values and delta-method errors by formula."""
    memory = res.memory()
    row = memory.frame.loc[1]
    exact = res.delta_method(
        [
            f"{STAY} - {BACK}",
            f"-1 / log({STAY} - {BACK})",
            f"-log(2) / log({STAY} - {BACK})",
            f"log({STAY} - {BACK})",
        ]
    )
    value, error = exact["estimate"].to_numpy(), exact["std err"].to_numpy()
    # the errors there are by central differences
    np.testing.assert_allclose(
        row[["real", "tau", "half_life"]].astype(float), value[:3], rtol=1e-12
    )
    found = row[["modulus_se", "tau_se", "half_life_se"]].astype(float)
    np.testing.assert_allclose(found, error[:3], rtol=1e-6)
    rate = memory.verdict.loc["chain"]
    assert rate["log_rate"] == pytest.approx(value[3], rel=1e-12)
    assert rate["log_rate_se"] == pytest.approx(error[3], rel=1e-6)
    assert memory.step == "years"
    pd.testing.assert_frame_equal(memory.durations, res.duration_table())


def test_autocorrelations_are_powers(res):
    acf = res.memory(steps=10).acf
    second = res.params[STAY] - res.params[BACK]
    for name in ("h1", "h2"):
        np.testing.assert_allclose(acf[name], second ** np.arange(11), rtol=1e-12)
    short = case("short")
    three = at(short.model, short.params.to_numpy(), cov_type="none").memory(steps=4)
    matrix = case("short").transition.to_numpy()
    law = case("short").stationary_probabilities.to_numpy()
    power = np.linalg.matrix_power(matrix, 3)
    due = (np.diag(power) - law) / (1.0 - law)
    np.testing.assert_allclose(three.acf.loc[3], due, rtol=1e-10)


def test_filter_forgets_faster(res):
    """Two regimes: the gap is twice the log-likelihood less the log determinants."""
    memory = res.memory(steps=12)
    dense = res._system.chain[0]
    law = np.linalg.det(res.transition.to_numpy())
    gaps = 2.0 * res.llf_obs.to_numpy()[1:] - np.log(law) - dense[1:].sum(axis=1)
    row = memory.verdict.loc["filter"]
    assert row["log_rate"] == pytest.approx(-gaps.mean(), rel=1e-10)
    assert row["log_rate"] < memory.verdict.loc["chain", "log_rate"]
    assert row["verdict"] == "forgets"
    table = memory.contraction
    assert (table["filter_mean"] <= table["chain"] + 1e-12).all()
    assert table.iloc[0].tolist() == [1.0, 1.0, 1.0, 1.0]
    second = res.params[STAY] - res.params[BACK]
    np.testing.assert_allclose(table["chain"], second ** np.arange(13), rtol=1e-10)


def test_driven_and_composite_chains():
    driven = case("driven").memory(steps=5)
    mean = case("driven").model.exog_transition.values.mean(axis=0)
    matrix = case("driven")._steps(mean[None])[0][0]
    assert driven.frame.loc[1, "real"] == pytest.approx(np.trace(matrix) - 1.0, rel=1e-10)
    assert driven.frame.loc[1, "modulus_se"] > 0.0
    y = np.random.default_rng(3).standard_normal(50).cumsum()
    model = MarkovRNN(y, order=2, ar_form="mean", switching="trend")
    values = {STAY: 0.8, BACK: 0.3, "V[y,h1]": -1.0, "V[y,h2]": 1.0, "ar1[y,y]": 0.7}
    values |= {"ar2[y,y]": 0.1, "obs_cov[y,y]": 1.0}
    fitted = at(model, [values[name] for name in model.param_names], cov_type="none")
    memory = fitted.memory(steps=6)
    assert memory.frame.loc[1, "real"] == pytest.approx(0.5, rel=1e-12)
    assert np.isnan(memory.frame.loc[1, "modulus_se"])
    assert memory.verdict.loc["chain", "verdict"] == "no standard error"
    assert memory.contraction["filter_mean"].iloc[-1] < memory.contraction["filter_mean"].iloc[1]


def test_chains_that_never_forget():
    """Regimes that are never left, and a chain that alternates."""
    y = pd.Series(np.random.default_rng(1).standard_normal(30), name="y")
    fixed = {"p[h1->h2]": 0.0, "p[h2->h1]": 0.0}
    model = MarkovRNN(y, switching="trend", start="uniform", fixed=fixed)
    values = {"p[h1->h1]": 1.0, "p[h1->h2]": 0.0, "p[h2->h1]": 0.0, "p[h2->h2]": 1.0}
    values |= {"V[y,h1]": -0.2, "V[y,h2]": 0.2, "obs_cov[y,y]": 1.0}
    caught = at(model, [values[name] for name in model.param_names], cov_type="none").memory()
    assert caught.verdict.loc["chain", "verdict"] == "never forgets"
    assert caught.mixing_time == np.inf
    assert caught.birkhoff == 1.0
    assert caught.acf.isna().all().all()
    assert "never mixes" in str(caught.summary())
    model = MarkovRNN(y, switching="trend")
    values = {"p[h1->h1]": 0.0, "p[h2->h1]": 1.0, "V[y,h1]": -0.2, "V[y,h2]": 0.2}
    values |= {"obs_cov[y,y]": 1.0}
    turning = at(model, [values[name] for name in model.param_names], cov_type="none").memory()
    assert turning.verdict.loc["chain", "log_rate"] == 0.0
    assert turning.mixing_time == np.inf
    np.testing.assert_allclose(turning.acf["h1"], (-1.0) ** np.arange(41), atol=1e-12)


def test_table_and_picture(res):
    memory = res.memory()
    text = str(memory)
    for words in ("Memory: eigenvalues", "wrong start is forgotten", "Birkhoff", "years"):
        assert words in text
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    fig = memory.plot()
    left, right = fig.axes
    assert left.get_yscale() == "log"
    assert len(right.get_lines()) == 3
    plt.close(fig)


def test_refusals(res):
    with pytest.raises(SpecificationError, match="steps must be at least 1"):
        res.memory(steps=0)
    with pytest.raises(SpecificationError, match="alpha"):
        res.memory(alpha=1.5)
    alone = MarkovRNN(np.arange(12.0) % 5.0, k_regimes=1)
    with pytest.raises(SpecificationError, match="two regimes at least"):
        at(alone, [2.0, 2.0], cov_type="none").memory()


@pytest.mark.parametrize("form", ["intercept", "mean"])
def test_shocks_of_a_drawn_series_are_its_residuals(form):
    """Of an autoregression the first rows have no prediction, in either form."""
    rng = np.random.default_rng(4)
    model = MarkovRNN(rng.standard_normal(60), k_regimes=2, order=2, ar_form=form)
    theta = model.start_params
    found = driven_belief(model, theta, 50, np.random.default_rng(1))
    drawn = model.simulate(theta, 50, rng=np.random.default_rng(1))
    again = MarkovResults.from_fit(model.clone(drawn), theta, cov_type="none")
    np.testing.assert_allclose(found.inputs[0, :, 0], again.resid.iloc[2:], rtol=1e-12, atol=1e-12)
    assert len(found.states[0]) == 48
    assert 0.0 < memory_capacity(again, rng=0).total <= found.states.shape[2]
