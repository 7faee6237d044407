"""Partial effects and one-step means against differences of the networks themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.recurrent.forecasting.test_network_forecasts import counts
from results.recurrent.network_cases import at, chosen, data, gaussian, network
from results.recurrent.test_linear_twin import pair

from rnnstats.errors import DataError, SpecificationError
from rnnstats.estimation.hac import hac_meat
from rnnstats.models.nonlinear import GRU, ElmanRNN
from rnnstats.results.recurrent.effects.one_step_means import OneStepMeans
from rnnstats.results.recurrent.inference.slopes import axis_errors, axis_slopes

STEP = 1e-5


def means(results, rows, moved=None, step=0.0):
    """One-step means at rows with one natural input moved, the state before held."""
    system, scales = results._system, results._system.scales
    at_rows = np.searchsorted(system.rows, rows)
    inputs = system.run.inputs[at_rows] * scales.input_scale + scales.input_mean
    if moved is not None:
        inputs[:, moved] += step
    lags = results.model.y_lags
    width = len(results.model.head.lag_names)
    exog = None if results.model.exog is None else inputs[:, lags * width :]
    before = np.ascontiguousarray(system.run.before[at_rows])
    shaped = inputs[:, : lags * width].reshape(len(rows), lags, width)
    _, eta = system.step(before, np.ascontiguousarray(shaped), exog)
    law = results.model.head.law(eta, system.extra)
    return getattr(law, "probabilities", law.mean)


def plain(name):
    """A network at chosen parameters; these are no maximum, so the expected information serves."""
    return network(name).with_cov("approx")


CASES = {
    "elman": lambda: plain("elman"),
    "gru": lambda: plain("gru"),
    "lstm": lambda: plain("lstm").with_cov("none"),
    "layers": lambda: plain("layers").with_cov("none"),
    "poisson": lambda: counts("poisson"),
    "bernoulli": lambda: counts("bernoulli"),
    "categorical": lambda: counts("categorical"),
    "skip": lambda: at(ElmanRNN(*data(), skip=True), cov_type="none"),
}


@pytest.mark.parametrize("name", CASES)
def test_effects_are_derivatives_of_the_mean(name):
    res = CASES[name]()
    rows = np.asarray(res.model.rows)[[0, 7, 30]]
    found = res.partial_effects(rows.tolist())["effect"]
    inputs = list(dict.fromkeys(found.index.get_level_values("input")))
    for place, name_of in enumerate(inputs):
        slope = (means(res, rows, place, STEP) - means(res, rows, place, -STEP)) / (2 * STEP)
        # central differences with steps of 1e-5: errors of 1e-10 from bending, 1e-11 from rounding
        one = found.xs(name_of, level="input").to_numpy().reshape(slope.shape)
        np.testing.assert_allclose(one, slope, rtol=1e-6, atol=1e-8)


def test_long_run_effects_are_those_of_a_change_in_all_rows():
    res = plain("gru")
    y, x = data()
    rows = np.asarray(res.model.rows)
    found = res.partial_effects("average", horizon="long-run")["effect"].xs("rate", level="input")

    def run(step):
        model = GRU(y, x + step, k_hidden=2, y_lags=2)
        return model.system(res.params.to_numpy()).eta[:, 0]

    slope = (run(STEP) - run(-STEP)) / (2 * STEP)
    np.testing.assert_allclose(found.to_numpy(), slope, rtol=1e-5, atol=1e-8)
    now = res.partial_effects("average")["effect"].xs("rate", level="input")
    np.testing.assert_allclose(found.iloc[0], now.iloc[0], rtol=1e-12)  # nothing came before
    assert abs(found - now).to_numpy()[1:].max() > 1e-3
    average = res.average_partial_effects(horizon="long-run")
    assert average.loc[("cpi", "rate"), "estimate"] == pytest.approx(found.mean())
    last = res.average_partial_effects("last", horizon="long-run")
    assert np.isfinite(last["estimate"]).all() and len(rows) == len(found)


def test_effects_at_rest():
    res = plain("elman")
    system = res._system
    state, lags, x = system.run.before.mean(axis=0), np.array([[[0.0]]]), np.zeros((1, 1))
    used = np.asarray(system.rows)
    lags[0, 0, 0] = np.mean([system.lags_before(int(row))[0, 0] for row in used])
    x[0, 0] = res.model.exog.values[used].mean()
    now = res.average_partial_effects(at_means=True)["estimate"]
    slope = [
        (system.step(state[None], lags, x + h)[1] - system.step(state[None], lags, x - h)[1])
        / (2 * h)
        for h in (STEP,)
    ]
    assert now[("cpi", "rate")] == pytest.approx(slope[0][0, 0], rel=1e-6)
    rest = res.average_partial_effects(at_means=True, horizon="long-run")["estimate"]
    assert rest[("cpi", "rate")] != pytest.approx(now[("cpi", "rate")], rel=1e-3)


def test_changes_from_0_to_1():
    rng = np.random.default_rng(1)
    x = pd.DataFrame({"event": (rng.random(80) < 0.3) * 1.0, "size": rng.standard_normal(80)})
    y = pd.Series(x["event"].to_numpy() + 0.3 * rng.standard_normal(80), name="y")
    model = ElmanRNN(y, x, k_hidden=2)
    res = at(model, cov_type="approx")
    rows = np.asarray(model.rows)
    found = res.partial_effects("average", change="discrete")["effect"]
    given = x["event"].to_numpy()[rows]
    high = means_at(res, rows, 1.0 - given) - means_at(res, rows, -given)
    one = found.xs("event", level="input").to_numpy()
    np.testing.assert_allclose(one, high[:, 0], rtol=0, atol=1e-12)
    slopes = res.partial_effects("average")["effect"]
    same = found.xs("size", level="input") == slopes.xs("size", level="input")
    assert same.all()
    assert abs(one - slopes.xs("event", level="input").to_numpy()).max() > 1e-3
    average = res.average_partial_effects(change="discrete", horizon="long-run")

    def run(value):
        other = ElmanRNN(y, x.assign(event=value), k_hidden=2, fixed=None)
        assert other.chart.scales.input_scale[1] == 1.0
        return other.system(res.params.to_numpy()).eta[:, 0].mean()

    known = run(1.0) - run(0.0)
    assert average.loc[("y", "event"), "estimate"] == pytest.approx(known, abs=1e-10)
    categories = counts("categorical").average_partial_effects(change="discrete")
    assert list(categories.index.levels[1]) == ["L1.n=low", "L1.n=mid"]
    sums = categories["estimate"].groupby(level="input").sum()
    np.testing.assert_allclose(sums, 0.0, atol=1e-12)  # probabilities sum to one
    with pytest.raises(SpecificationError, match="inputs that are 0 or 1; got none"):
        network("elman").average_partial_effects(change="discrete")


def means_at(res, rows, change):
    """Means with the first regressor changed by an amount that differs from row to row."""
    system, scales = res._system, res._system.scales
    at_rows = np.searchsorted(system.rows, rows)
    inputs = system.run.inputs[at_rows] * scales.input_scale + scales.input_mean
    inputs[:, 1] += change
    before = np.ascontiguousarray(system.run.before[at_rows])
    _, eta = system.step(before, inputs[:, :1, None].copy(), inputs[:, 1:])
    return eta


def test_standard_errors_by_differences_along_axes_are_exact():
    res = gaussian()
    places = np.array([5, 100, 249])
    one_step = OneStepMeans(res.model, places, None)
    theta = res.params.to_numpy()
    exact = one_step._slopes(theta).reshape(3, -1)
    found = axis_slopes(one_step.mean, res.model, theta, res.covariance)
    # steps of a hundredth of a standard deviation, extrapolated
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6 * np.abs(exact).max())
    errors = axis_errors(one_step.mean, res.model, theta, res.covariance)
    known = res.predict_at([5, 100, 249])["mean_se"]
    np.testing.assert_allclose(errors[:, 0], known, rtol=1e-7)


def test_average_effects_of_linear_networks_are_coefficients():
    net, linear = pair()
    found = net.average_partial_effects()
    for output in ("a", "b"):
        for place, name in enumerate(("a", "b")):
            label = f"K[h{'ab'.index(output) + 1},{name}]"
            row = found.loc[(output, f"L1.{name}")]
            assert row["estimate"] == pytest.approx(linear.params[label], abs=1e-9)
            assert row["std err"] == pytest.approx(linear.bse[label], rel=1e-6)
            assert place in (0, 1)
    more = net.average_partial_effects(sampling=True)
    # the effect is the same in every row: only the scores vary, whose spread is the information's
    # to sampling error (Newey and West on 80 rows)
    ratio = more["std err"] / found["std err"]
    assert ((ratio > 0.6) & (ratio < 1.6)).all()
    assert list(found.columns) == ["estimate", "std err", "z", "P>|z|", "[0.025", "0.975]"]


def test_sampling_adds_the_variance_of_the_rows():
    res = gaussian()
    alone, whole = res.average_partial_effects(), res.average_partial_effects(sampling=True)
    np.testing.assert_array_equal(alone["estimate"], whole["estimate"])
    assert (whole["std err"] != alone["std err"]).all()
    with pytest.raises(SpecificationError, match="not a sample of rows"):
        res.average_partial_effects(sampling=True, at_means=True)
    with pytest.raises(SpecificationError, match="rows must be a sample"):
        res.average_partial_effects("last", sampling=True)


def test_sampling_counts_what_the_penalty_takes_away():
    y, x = data()
    model = ElmanRNN(y, x, k_hidden=1, penalty=10.0)
    res = model.fit(n_starts=2)
    effects = res._effects("average", "contemporaneous", "derivative", False, "")
    # by hand: scores about their mean, through the inverse of the penalised Hessian
    inverse = np.linalg.inv(model.ridge() - model.hessian(res._theta))
    slopes = axis_slopes(effects.average, model, res._theta, res.covariance)
    score = model.score_obs(res._theta)[model.rows]
    each = effects(res._theta).reshape(len(score), -1)
    rows = (each - each.mean(axis=0)) / len(score) + (
        score - score.mean(axis=0)
    ) @ inverse @ slopes.T
    known = np.sqrt(np.diagonal(hac_meat(rows)))
    found = res.average_partial_effects(sampling=True)["std err"]
    np.testing.assert_allclose(found, known, rtol=1e-6)


def test_inputs_in_tiny_units_are_not_0_or_1():
    y, x = data()
    res = at(ElmanRNN(y, 1e-11 * x, k_hidden=1), cov_type="none")
    with pytest.raises(SpecificationError, match=r"got none among L1\.cpi, rate"):
        res.average_partial_effects(change="discrete")


def test_rows_of_other_data_say_nothing_about_the_estimates():
    res = gaussian()
    y, _ = data(nobs=80, seed=21)
    later = res.apply(y)
    effects = later._effects("average", "contemporaneous", "derivative", False, "")
    each = effects(later._theta).reshape(79, -1)
    rows = (each - each.mean(axis=0)) / 79
    known = later.average_partial_effects()["std err"] ** 2 + np.diagonal(hac_meat(rows))
    found = later.average_partial_effects(sampling=True)["std err"] ** 2
    np.testing.assert_allclose(found, known, rtol=1e-10)


def test_rows_that_gave_the_estimates_are_not_independent_of_them():
    """The same rows given again, and rows appended to them."""
    res = gaussian()
    y = data(nobs=250, seed=8)[0]
    own = res.average_partial_effects(sampling=True)["std err"]
    again = res.apply(y).average_partial_effects(sampling=True)["std err"]
    np.testing.assert_allclose(again, own, rtol=1e-10)
    later = res.append(data(nobs=250, seed=8)[0].to_numpy()[:40])
    effects = later._effects("average", "contemporaneous", "derivative", False, "")
    each = effects(later._theta).reshape(289, -1)
    rows = (each - each.mean(axis=0)) / 289
    bread = res._inverse_information("oim")
    score = res.model.score_obs(res._theta)[1:]
    slopes = axis_slopes(effects.average, later.model, later._theta, bread)
    rows[:249] += (score - score.mean(axis=0)) @ bread.generalised @ slopes.T
    found = later.average_partial_effects(sampling=True)["std err"]
    np.testing.assert_allclose(found, np.sqrt(np.diagonal(hac_meat(rows))), rtol=1e-8)


def test_predictions_at_given_histories():
    res = plain("elman")
    y, x = data()
    theta = res.params.to_numpy()
    table = res.predict_at([30, 31])
    fitted = res.fittedvalues.iloc[[30, 31]]
    np.testing.assert_allclose(table["mean"], fitted, rtol=1e-12)
    assert list(table.index) == list(y.index[[30, 31]])
    noise = float(np.sqrt(theta[-1]))
    half = 1.959963984540054 * np.sqrt(noise**2 + table["mean_se"] ** 2)
    np.testing.assert_allclose(table["obs_ci_upper"] - table["mean"], half, rtol=1e-6)
    # the same history handed in: the rows up to 30, and the inputs of row 31
    history = res.predict_at(
        history=y.iloc[:31], history_exog=x.iloc[:31], exog=x.iloc[31:32].to_numpy()
    )
    assert history["mean"].iloc[0] == pytest.approx(table["mean"].iloc[1], rel=1e-12)
    assert history["mean_se"].iloc[0] == pytest.approx(table["mean_se"].iloc[1], rel=1e-6)
    ahead = res.predict_at(exog=[4.2])
    forecast = res.get_forecast(1, [4.2])
    assert ahead["mean"].iloc[0] == pytest.approx(forecast.predicted_mean.iloc[0], rel=1e-12)
    assert ahead.index[0] == forecast.row_labels[0]
    with pytest.raises(DataError, match="rate"):
        res.predict_at()
    with pytest.raises(SpecificationError, match="without history"):
        res.predict_at(history_exog=x)


def test_tables_by_row_of_several_sequences_have_the_levels_of_the_data():
    y, x = data()
    index = pd.MultiIndex.from_product([["DE", "FR"], y.index[:45]], names=["country", "quarter"])
    model = ElmanRNN(y.set_axis(index), x.set_axis(index), k_hidden=1)
    res = at(model, cov_type="approx")
    table = res.predict_at([3, 50])
    pd.testing.assert_index_equal(table.index, index[[3, 50]])
    np.testing.assert_allclose(table["mean"], res.fittedvalues.iloc[[3, 50]], rtol=1e-12)
    assert res.predict_at(exog=[4.2]).index[0] == ("FR", y.index[45])
    effects = res.partial_effects([3, 50])
    assert list(effects.index.names) == ["country", "quarter", "output", "input"]
    assert effects.loc[index[50]].shape == (2, 4)
    assert list(
        res.predict_at(history=y.iloc[:31], exog=[4.2], history_exog=x.iloc[:31]).index
    ) == ["history"]
    several = at(ElmanRNN(pd.DataFrame({"a": y, "b": -y.iloc[::-1].to_numpy()}), k_hidden=1))
    assert list(several.with_cov("approx").predict_at([3]).index.names) == ["row", "output"]


def test_predictions_of_outcomes_average_over_the_predictor():
    res = at(counts("poisson").model, cov_type="opg")
    table = res.predict_at("average")
    assert ((table["obs_ci_lower"] % 1 == 0) & (table["obs_ci_upper"] % 1 == 0)).all()
    known = res.model.head.law(res._system.eta, res._system.extra).quantile(0.975)
    assert (table["obs_ci_upper"].to_numpy() >= known).all()
    levels = at(counts("categorical").model, cov_type="opg").predict_at("average")
    assert levels["obs_ci_upper"].isna().all() and levels.index.names == ["row", "output"]


def test_initial_states_count_among_the_parameters():
    y, _ = data()
    for initial in ("estimated", "stationary"):
        model = ElmanRNN(y, k_hidden=1, initial=initial)
        res = at(model, chosen(model), cov_type="approx")
        row = int(model.rows[1])
        means = OneStepMeans(model, np.array([row]), None)
        theta = res.params.to_numpy()
        if initial == "estimated":
            exact = means._slopes(theta)[0, 0]
            found = axis_slopes(means.mean, model, theta, res.covariance)[0]
            np.testing.assert_allclose(found, exact, atol=1e-6 * np.abs(exact).max())
            assert exact[list(model.param_names).index("h_0[h1]")] != 0.0
        else:
            assert np.isfinite(res.predict_at([row])["mean"]).all()
