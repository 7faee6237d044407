"""Rates and time constants along the series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import at, data, gaussian, network
from scipy import stats
from scipy.special import expit

from rnnstats.diagnostics.memory import lyapunov_spectrum
from rnnstats.diagnostics.memory.long_run import batch_means
from rnnstats.diagnostics.memory.lyapunov.growth import stretches
from rnnstats.errors import SpecificationError
from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN
from rnnstats.results.nonlinear import RecurrentResults


def test_products_of_a_single_unit_by_hand():
    res = gaussian()
    h = res.filtered_state["h1"].dropna().to_numpy()
    slope = np.log(np.abs(res.params["W_h[h1,h1]"] * (1 - h**2)))
    found = res.memory(steps=5)
    assert found.verdict["log_rate"].iloc[0] == pytest.approx(slope.mean(), rel=1e-9)
    sums = np.array([slope[t : t + 3].sum() for t in range(len(slope) - 2)])
    assert found.products["mean"].iloc[3] == pytest.approx(sums.mean(), rel=1e-6)
    assert found.products.iloc[0].tolist() == [0.0] * 4
    assert found.verdict["verdict"].iloc[0] == "vanishing"
    assert found.exponents.iloc[0] == found.verdict["log_rate"].iloc[0]
    assert found.gates.empty


def test_a_constant_forget_gate_is_a_leaky_integrator():
    y, _ = data()
    for model, word in ((LSTM(y, k_hidden=1), "forget"), (GRU(y, k_hidden=1), "update")):
        params = at(model).params
        params[[f"W_h_{word}[h1,h1]", f"W_y_{word}[h1,cpi]"]] = 0.0
        params[f"b_{word}[h1]"] = 1.5
        row = at(model, params).memory(steps=3).gates.loc["h1"]
        tau = -1.0 / np.log(expit(1.5))
        assert row["gate"] == word
        for name in ("tau", "tau_low", "tau_high"):
            assert row[name] == pytest.approx(tau, rel=1e-10)
        assert row["mean"] == pytest.approx(expit(1.5), rel=1e-12)


def test_the_error_of_a_rate_is_that_of_its_parameter_where_rows_do_not_matter():
    # identity: the Jacobian is W_h in every row, so the rate's variance is that of log |W_h|
    rng = np.random.default_rng(0)
    errors, y = rng.standard_normal(600), np.zeros(600)
    for t in range(1, 600):
        y[t] = 0.8 * y[t - 1] + errors[t] - 0.3 * errors[t - 1]
    held = {"V[y,h1]": 1.0, "b_h[h1]": 0.0, "b_y[y]": 0.0}
    model = ElmanRNN(y, k_hidden=1, activation="identity", presample="predict", fixed=held)
    point = {"W_h[h1,h1]": 0.3, "W_y[h1,y]": 0.5, "obs_cov[y,y]": 1.0, **held}
    res = at(model, pd.Series(point)[list(model.param_names)])
    row = res.memory(steps=3).verdict.iloc[0]
    assert row["log_rate"] == pytest.approx(np.log(0.3), rel=1e-12)
    known = res.with_cov("robust_approx").bse["W_h[h1,h1]"] / 0.3
    # batch means of 24 batches: a standard deviation of 15 % of the error
    assert row["log_rate_se"] == pytest.approx(known, rel=0.4)
    assert row["half_life"] == pytest.approx(np.log(2) / -np.log(0.3), rel=1e-12)
    # a penalty enters the bread of the sandwich once on either side, not twice
    shrunk = at(model._with_penalty(2000.0), res.params).with_cov("robust_approx")
    row = shrunk.memory(steps=3).verdict.iloc[0]
    assert row["log_rate_se"] == pytest.approx(shrunk.bse["W_h[h1,h1]"] / 0.3, rel=0.4)


def test_a_network_without_recurrence_forgets_at_once():
    y, _ = data()
    held = {"W_h[h1,h1]": 0.0}
    found = at(ElmanRNN(y, k_hidden=1, fixed=held)).memory(steps=4)
    assert found.verdict["verdict"].iloc[0] == "forgets at once"
    assert (found.products.iloc[1:]["median"] == -np.inf).all()
    assert "forgets at once" in str(found.summary())


def test_the_objects_tables_and_picture():
    import matplotlib.pyplot as plt

    found = network("layers").memory(steps=12)
    assert found.step == "quarters"
    assert list(found.gates.index) == ["h1", "h2", "h3"]
    assert len(found.exponents) == 3
    assert (np.diff(found.exponents) < 1e-9).all()
    text = str(found.summary())
    for words in ("state given inputs", "horizon 10", "Time constants of the gates in quarters"):
        assert words in text
    fig = found.plot()
    assert len(fig.axes) == 2
    plt.close(fig)
    with pytest.raises(SpecificationError, match="memory: steps must be at least 1"):
        network("layers").memory(steps=0)


def continued(rows: int = 320) -> tuple[RecurrentResults, pd.Series]:
    """A fit of all but the last 80 rows, and all rows."""
    rng, y, h = np.random.default_rng(0), np.zeros(rows), 0.0
    for t in range(1, rows):
        h = np.tanh(0.6 * h + 0.8 * y[t - 1])
        y[t] = 0.9 * h + rng.standard_normal()
    series = pd.Series(y, name="y")
    return ElmanRNN(series.iloc[:-80], k_hidden=1).fit(n_starts=4), series


def test_estimates_from_some_of_the_rows_are_not_independent_of_them():
    """Rows and estimates move together where they are the same rows, however these are given."""
    fitted, series = continued()
    n0 = fitted.model.nobs
    own = lyapunov_spectrum(fitted).bse[0]
    again = fitted.apply(series.iloc[:n0])
    assert lyapunov_spectrum(again).bse[0] == pytest.approx(own, rel=1e-10)
    longer = fitted.append(series.iloc[n0:])
    found = lyapunov_spectrum(longer).bse[0]
    twice = fitted.append(series.iloc[n0:-30]).append(series.iloc[-30:])
    assert lyapunov_spectrum(twice).bse[0] == pytest.approx(found, rel=1e-10)
    # by hand: the estimates move with the scores of the first rows only
    moving = longer._recurrence
    trajectory = moving.trajectory("shocks")
    rows = stretches(trajectory.state, trajectory.offsets)

    def rate(there):
        here = there.trajectory("shocks")
        return stretches(here.state, here.offsets).mean(axis=0)[:1]

    slope = moving.slopes(rate)[0]
    scores = np.zeros((longer.model.nobs, slope.size))
    scores[:n0] = fitted.model.score_obs(fitted.params.to_numpy())
    bread = fitted._inverse_information("approx").generalised
    used = np.asarray(longer.model.rows)
    influence = rows[:, 0] + len(used) * scores[used] @ bread @ slope
    assert found == pytest.approx(batch_means(influence).error, rel=1e-8)
    assert longer.memory().verdict["log_rate_se"].iloc[0] > 0.0


def test_scores_of_penalised_estimates_have_no_step_where_rows_were_appended():
    """They add up to the penalty's slope, by which no row moves the estimates."""
    fitted, series = continued()
    results = fitted.model.fit(start_params=fitted.params, penalty=20.0)
    n0 = results.model.nobs
    own = results.model.score_obs(results.params.to_numpy())[1:]
    assert np.abs(own.sum(axis=0)).max() > 1.0
    longer = results.append(series.iloc[n0:])
    scores = longer._recurrence.estimates.score_obs  # without the row that is conditioned on
    np.testing.assert_allclose(scores[: n0 - 1], own - own.mean(axis=0), rtol=0.0, atol=1e-12)
    assert not scores[n0 - 1 :].any()


def test_estimates_from_other_rows_count_as_independent():
    fitted, series = continued()
    n0 = fitted.model.nobs
    for moved in (fitted.extend(series.iloc[n0:]), fitted.apply(series.iloc[::-1].to_numpy())):
        assert moved._recurrence.influence() is None
    other = series.copy()
    other.iloc[5] += 0.1
    assert fitted.apply(other)._recurrence.influence() is None


def test_the_verdict_counts_the_batches():
    row = network("layers").memory(steps=2).verdict.iloc[0]
    assert list(row.index) == [
        "log_rate", "log_rate_se", "half_life", "t", "df", "pvalue", "verdict"
    ]  # fmt: skip
    assert row["t"] == pytest.approx(row["log_rate"] / row["log_rate_se"], rel=1e-12)
    assert row["pvalue"] == pytest.approx(2 * stats.t.sf(abs(row["t"]), row["df"]), rel=1e-9)
    n = network("layers").model.nobs_likelihood
    assert row["df"] == n // int(np.sqrt(n)) - 1


def test_intervals_of_moving_gates_count_the_batches():
    results = at(GRU(data()[0], k_hidden=1)._with_penalty(20.0))
    row = results.memory(steps=2, alpha=0.1).gates.loc["h1"]
    n = results.model.nobs_likelihood
    reach = np.log(row["tau_upper"] / row["tau"]) * row["tau"] / row["tau_se"]
    assert reach == pytest.approx(stats.t.isf(0.05, n // int(np.sqrt(n)) - 1), rel=1e-9)
