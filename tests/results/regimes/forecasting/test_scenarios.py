"""Conditional forecasts against Bayes' rule written out, and pictures of forecasts."""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from results.regimes import regime_models as cases
from scipy import stats

from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.markov import MarkovResults
from rnnstats.results.regimes.forecasting.simulation import further_drawn, stage_of

mpl.use("Agg")
MATRIX = cases.MATRIX


def test_values_given_weigh_the_paths_of_the_regimes():
    results = cases.gaussian()
    found = results.conditional_forecast(3, {"y": [np.nan, 1.2, np.nan]})
    start = results.filtered_marginal_probabilities.to_numpy()[-1] @ MATRIX
    weight = np.zeros((3, 2))
    for path in itertools.product(range(2), repeat=3):
        probability = start[path[0]] * MATRIX[path[0], path[1]] * MATRIX[path[1], path[2]]
        probability *= stats.norm([-1.0, 2.0], [1.0, 0.5]).pdf(1.2)[path[1]]
        for t, regime in enumerate(path):
            weight[t, regime] += probability
    weight /= weight.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.regime_probabilities, weight, atol=1e-13)
    means = weight @ [-1.0, 2.0]
    means[1] = 1.2
    np.testing.assert_allclose(found.predicted_mean, means, atol=1e-13)
    assert found.se_mean.iloc[1] == 0.0
    np.testing.assert_array_equal(found.conf_int().iloc[1], [1.2, 1.2])
    assert found.information_set == "rows up to 2006-08 and 1 conditions"


def test_regimes_given_leave_the_other_paths_out():
    results = cases.autoregression()
    found = results.conditional_forecast(2, regimes=["h2", "h1"])
    y = results.model.endog.values[:, 0]
    one = 1.5 + 0.7 * y[-1] - 0.2 * y[-2]
    two = -0.5 + 0.3 * one + 0.1 * y[-1]
    np.testing.assert_allclose(found.predicted_mean, [one, two], atol=1e-12)
    np.testing.assert_allclose(found.se_mean**2, [1.5, 0.09 * 1.5 + 0.5], rtol=1e-12)
    by_date = pd.Series(["h1"], index=found.row_labels[1:])
    same = results.conditional_forecast(2, regimes=by_date)
    np.testing.assert_allclose(same.regime_probabilities.iloc[1], [1.0, 0.0], atol=1e-15)


def test_later_values_tell_about_earlier_rows_with_lags():
    results = cases.var()
    given = {"a": [np.nan, 2.0], "b": [np.nan, np.nan]}
    found = results.conditional_forecast(2, given)
    # importance weights on simulated first rows: density of the second row's a given the first
    model, theta = results.model, results.params.to_numpy()
    system = model.system(theta, steps=1)
    drew = further_drawn(stage_of(model), system, 1, np.random.default_rng(3), 200000)
    first, regime = drew.outputs[:, 0], drew.regimes[:, 0]
    p = results.params
    density = np.zeros(len(first))
    for j, name in enumerate(("h1", "h2")):
        mean = p[f"V[a,{name}]"] + first @ [p[f"ar1[a,a,{name}]"], p[f"ar1[a,b,{name}]"]]
        spread = np.sqrt(p[f"obs_cov[a,a,{name}]"])
        density += MATRIX[regime, j] * stats.norm(mean, spread).pdf(2.0)
    weight = density / density.sum()
    mean = weight @ first
    # standard error of a weighted mean, five of them
    error = np.sqrt(weight**2 @ (first - mean) ** 2)
    assert (np.abs(found.predicted_mean.iloc[0] - mean) < 5.0 * error).all()
    share = weight @ (first[:, 0] < 0.0)
    error = np.sqrt(weight**2 @ ((first[:, 0] < 0.0) - share) ** 2)
    assert abs(found.cdf([0.0], "a").iloc[0, 0] - share) < 5.0 * error


def test_other_columns_of_the_row_follow_what_is_given():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.standard_normal((40, 2)), columns=["a", "b"])
    frame["c"] = np.where(rng.random(40) < 0.5, "no", "yes")
    model = MarkovRNN(frame, emission={("a", "b"): "gaussian", "c": "categorical"})
    values = dict(cases.STEPS)
    for i, (mean, cross) in enumerate([(-1.0, 0.5), (1.0, -0.3)], start=1):
        values |= {
            f"V[a,h{i}]": mean,
            f"V[b,h{i}]": 2.0 * mean,
            f"prob[c=no,h{i}]": 0.2 + 0.5 * (i - 1),
        }
        values |= {
            f"obs_cov[a,a,h{i}]": 1.0,
            f"obs_cov[b,a,h{i}]": cross,
            f"obs_cov[b,b,h{i}]": 2.0,
        }
    results = cases.results_at(model, values)
    found = results.conditional_forecast(1, {"a": 0.5, "c": "yes"})
    weight = results.filtered_marginal_probabilities.to_numpy()[-1] @ MATRIX
    weight = weight * stats.norm([-1.0, 1.0]).pdf(0.5) * [0.8, 0.3]
    weight /= weight.sum()
    np.testing.assert_allclose(found.regime_probabilities.iloc[0], weight, atol=1e-13)
    centre = np.array([-2.0 + 0.5 * 1.5, 2.0 - 0.3 * -0.5])
    size = np.sqrt([2.0 - 0.25, 2.0 - 0.09])
    assert found.predicted_mean["b"].iloc[0] == pytest.approx(weight @ centre, abs=1e-12)
    due = weight @ stats.norm(centre, size).cdf(0.7)
    assert found.cdf([0.7], "b").iloc[0, 0] == pytest.approx(due, abs=1e-12)
    np.testing.assert_array_equal(found.predicted_mean[["c=no", "c=yes"]].iloc[0], [0.0, 1.0])
    due = weight @ stats.norm(centre, size).pdf(0.7)
    assert found.pdf([0.7], "b").iloc[0, 0] == pytest.approx(due, abs=1e-12)


def test_a_row_that_is_given_is_as_if_it_had_been_seen():
    for results in (cases.gaussian(), cases.autoregression(), cases.autoregression("mean")):
        longer = results.append([0.4])
        found = results.conditional_forecast(4, {"y": [0.4]})
        due = longer.get_forecast(3)
        np.testing.assert_allclose(found.predicted_mean.iloc[1:], due.predicted_mean, atol=1e-11)
        np.testing.assert_allclose(found.cdf([0.1]).iloc[1:], due.cdf([0.1]), atol=1e-11)
        np.testing.assert_allclose(
            found.regime_probabilities.iloc[1:], due.regime_probabilities, atol=1e-11
        )


def test_what_cannot_be_is_refused():
    results = cases.gaussian()
    with pytest.raises(DataError, match="at least one value"):
        results.conditional_forecast(2, {"y": [np.nan]})
    with pytest.raises(SpecificationError, match="regimes must be among h1, h2"):
        results.conditional_forecast(2, regimes=["h3"])
    with pytest.raises(DataError, match="y must be one of u, v, w"):
        cases.categorical()[0].conditional_forecast(2, {"y": ["x"]})
    model = MarkovRNN(np.r_[np.zeros(5), np.ones(5)], fixed={"p[h2->h1]": 0.0}, start="free")
    values = {"p[h1->h1]": 0.9, "p[h2->h1]": 0.0, "start[h1]": 0.0, "V[y,h1]": 0.0, "V[y,h2]": 1.0}
    held = cases.results_at(model, values | {"obs_cov[y,y,h1]": 1.0, "obs_cov[y,y,h2]": 1.0})
    with pytest.raises(DataError, match="must be possible"):
        held.conditional_forecast(2, regimes=["h1"])


@pytest.mark.parametrize("shape", ["central", "hdr"])
def test_pictures_show_the_forecast_and_the_regimes(shape):
    results = cases.gaussian()
    figure = results.plot_fan(6, shape=shape, levels=(0.5, 0.9), history=20)
    panel, regimes = figure.axes
    assert panel.get_title(loc="left").startswith("y, given rows up to 2006-08")
    line = next(one for one in panel.lines if one.get_label() == "forecast")
    np.testing.assert_allclose(line.get_ydata()[1:], results.forecast(6))
    assert regimes.get_ylim() == (0.0, 1.0)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(names) == ["50 %", "90 %", "forecast", "h1", "h2", "observed"]
    if shape == "hdr":
        low = [box.get_y() for box in panel.patches]
        table = results.get_forecast(6).hdr(0.1)
        np.testing.assert_allclose(low[: len(table)], table["lower"])
    mpl.pyplot.close(figure)


def test_pictures_of_categories_and_conditions():
    results = cases.categorical()[0]
    figure = results.plot_forecast(5)
    assert len(figure.axes) == 2
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["y=u", "y=v", "y=w", "h1", "h2"]
    mpl.pyplot.close(figure)
    figure = cases.gaussian().plot_fan(4, conditions={"y": [1.0]})
    line = next(one for one in figure.axes[0].lines if one.get_label() == "forecast")
    assert line.get_ydata()[1] == 1.0
    mpl.pyplot.close(figure)
    with pytest.raises(SpecificationError, match="take the parameters as known"):
        cases.gaussian().plot_fan(4, conditions={"y": [1.0]}, uncertainty="delta")


def test_categories_that_are_numbers_are_read_as_in_the_data():
    """1.0 in the data is the category "1", also where it is asked for."""
    rng = np.random.default_rng(8)
    y = pd.Series(rng.choice([1.0, 2.0], size=40), name="y")
    model = MarkovRNN(y, emission="categorical")
    results = MarkovResults.from_fit(model, model.start_params, cov_type="none")
    named = results.conditional_forecast(2, {"y": ["1", "2"]})
    coded = results.conditional_forecast(2, {"y": [1.0, 2.0]})
    pd.testing.assert_frame_equal(coded.predicted_mean, named.predicted_mean)
    ahead = results.get_forecast(1)
    assert ahead.pdf(2.0).iloc[0, 0] == ahead.pdf("2").iloc[0, 0]
    assert ahead.pdf([1, 2]).sum(axis=1).iloc[0] == pytest.approx(1.0, abs=1e-15)
