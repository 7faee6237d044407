"""Forecasts and predictions with regimes against formulas, enumeration and simulation."""

import itertools

import numpy as np
import pandas as pd
import pytest
from results.regimes import regime_models as cases
from scipy import stats

from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.regimes.forecasting.prediction import MixturePrediction

MATRIX = cases.MATRIX


def last_filtered(results):
    return results.filtered_marginal_probabilities.to_numpy()[-1]


def test_normal_emissions_are_the_textbook_mixture():
    results = cases.gaussian()
    prediction = results.get_forecast(4)
    now = last_filtered(results)
    assert isinstance(prediction, MixturePrediction)
    assert list(prediction.row_labels.astype(str)) == ["2006-09", "2006-10", "2006-11", "2006-12"]
    for h in range(4):
        now = now @ MATRIX
        mean = now @ [-1.0, 2.0]
        variance = now @ [1.0 + 1.0, 0.25 + 4.0] - mean**2
        row = prediction.summary_frame().iloc[h]
        assert row["mean"] == pytest.approx(mean, abs=1e-13)
        assert row["mean_se"] == pytest.approx(np.sqrt(variance), rel=1e-12)
        cdf = lambda v, w=now: w @ stats.norm([-1.0, 2.0], [1.0, 0.5]).cdf(v)  # noqa: E731
        assert cdf(row["mean_ci_lower"]) == pytest.approx(0.025, abs=1e-12)
        assert cdf(row["mean_ci_upper"]) == pytest.approx(0.975, abs=1e-12)
        np.testing.assert_allclose(prediction.regime_probabilities.iloc[h], now, atol=1e-14)
        density = now @ stats.norm([-1.0, 2.0], [1.0, 0.5]).pdf(0.3)
        assert prediction.pdf([0.3]).iloc[h, 0] == pytest.approx(density, rel=1e-12)
        assert prediction.cdf([0.3]).iloc[h, 0] == pytest.approx(cdf(0.3), rel=1e-12)


def test_categories_are_a_probability_table():
    results, table = cases.categorical()
    prediction = results.get_forecast(2)
    weight = last_filtered(results) @ MATRIX @ MATRIX
    np.testing.assert_allclose(results.forecast(2).iloc[1], weight @ table, atol=1e-14)
    assert list(results.forecast(2).columns) == ["y=u", "y=v", "y=w"]
    assert list(prediction.summary_frame("y").columns) == ["u", "v", "w"]
    np.testing.assert_allclose(prediction.pdf("v").iloc[1], weight @ table[:, 1])
    region = prediction.hdr(0.3).loc[prediction.row_labels[0]]
    first = prediction.pdf().iloc[0].sort_values(ascending=False)
    count = int(np.searchsorted(first.cumsum(), 0.7)) + 1
    assert set(region["lower"]) == set(first.index[:count])
    variance = prediction.var_pred_mean.to_numpy().reshape(2, 3, 3)[1]
    share = weight @ table
    np.testing.assert_allclose(variance, np.diag(share) - np.outer(share, share), atol=1e-14)
    for refused in (prediction.conf_int, prediction.quantile):
        with pytest.raises(SpecificationError, match="categories have no order"):
            refused()
    with pytest.raises(SpecificationError, match="must be categories"):
        prediction.pdf("z")


def state_paths(form, rows):
    """Regimes of the rows to come, and in mean form of the two before them."""
    before = itertools.product(range(2), repeat=2) if form == "mean" else [()]
    return itertools.product(before, itertools.product(range(2), repeat=rows))


@pytest.mark.parametrize("form", ["intercept", "mean"])
def test_autoregression_is_the_mixture_over_all_paths(form):
    results, rows = cases.autoregression(form), 4
    y = results.model.endog.values[:, 0]
    c = [cases.AR["V[y,h1]"], cases.AR["V[y,h2]"]]
    ar = [[cases.AR[f"ar{lag}[y,y,h{i}]"] for lag in (1, 2)] for i in (1, 2)]
    noise = [cases.AR["obs_cov[y,y,h1]"], cases.AR["obs_cov[y,y,h2]"]]
    filtered = results._forward.filtered[-1]  # of h_n, or of (h_n, h_{n-1}, h_{n-2})
    components = []
    for before, path in state_paths(form, rows):
        # filtered probability of what the path needs to know about the sample
        for last, known in _starts(form, before):
            probability, h = filtered[known], last
            for j in path:
                probability, h = probability * MATRIX[h, j], j
            regimes = [*before[::-1], *path]  # mean form: regimes of n-1, n, n+1, ...
            components.append((probability, *_recursion(y, c, ar, noise, form, (regimes, path))))
    weight = np.array([one[0] for one in components])
    mean, variance = (np.array([one[i] for one in components]) for i in (1, 2))
    assert weight.sum() == pytest.approx(1.0, abs=1e-12)
    prediction = results.get_forecast(rows)
    table = prediction.summary_frame()
    centre = weight @ mean
    np.testing.assert_allclose(table["mean"], centre, atol=1e-12)
    np.testing.assert_allclose(
        table["mean_se"] ** 2, weight @ (variance + mean**2) - centre**2, rtol=1e-10
    )
    for value in (-2.0, 0.0, 1.5):
        due = weight @ stats.norm.cdf((value - mean) / np.sqrt(variance))
        np.testing.assert_allclose(prediction.cdf([value]).iloc[:, 0], due, atol=1e-12)


def _starts(form, before):
    """Regime of the last row, and the state of the chain there."""
    if form == "intercept":
        return [(i, i) for i in range(2)]
    h_n, h_n1 = before
    return [(h_n, 4 * h_n + 2 * h_n1 + h_n2) for h_n2 in range(2)]


def _recursion(y, c, ar, noise, form, regimes):
    every, path = regimes
    back = 2 if form == "mean" else 0
    level = [c[i] for i in every] if form == "mean" else None
    past = [y[-2], y[-1]]
    if form == "mean":
        past = [past[0] - level[0], past[1] - level[1]]
    means, loads, dev, load = [], [], list(past), [np.zeros(len(path))] * 2
    for t, j in enumerate(path):
        value = ar[j][0] * dev[-1] + ar[j][1] * dev[-2] + (0.0 if form == "mean" else c[j])
        here = ar[j][0] * load[-1] + ar[j][1] * load[-2]
        here = here + np.sqrt(noise[j]) * np.eye(len(path))[t]
        dev.append(value)
        load.append(here)
        means.append(value + (level[t + back] if form == "mean" else 0.0))
        loads.append(here @ here)
    return np.array(means), np.array(loads)


def test_forecasts_have_the_law_of_simulated_rows():
    # 8000 paths: a share has a standard error below 0.0056; four of them
    for results in (cases.var(), cases.autoregression(gap=True), cases.poisson()):
        paths = results.simulate(3, anchor="end", repetitions=8000, rng=1)
        prediction = results.get_forecast(3)
        name = results.model.endog.names[0]
        values = prediction.quantile(0.3)
        values = values[name] if isinstance(values, pd.DataFrame) else values
        share = (paths[name].to_numpy() <= values.to_numpy()[:, None]).mean(axis=1)
        due = [prediction.cdf([v]).iloc[h, 0] for h, v in enumerate(values)]
        np.testing.assert_allclose(share, due, atol=0.0224)
        mean = pd.DataFrame(prediction.predicted_mean)[
            name if name in pd.DataFrame(prediction.predicted_mean) else "predicted_mean"
        ]
        error = pd.DataFrame(prediction.se_mean).iloc[:, 0] / np.sqrt(8000)
        assert (np.abs(paths[name].mean(axis=1) - mean) < 5.0 * error).all()


def test_student_t_lags_are_exact_for_one_row_and_close_after():
    rng = np.random.default_rng(3)
    model = MarkovRNN(rng.standard_normal(50), order=1, emission="student-t", switching="trend")
    values = {
        **cases.STEPS, "V[y,h1]": -1.0, "V[y,h2]": 1.0, "ar1[y,y]": 0.6, "scale2[y]": 0.5,
        "df[y]": 5.0,
    }  # fmt: skip
    results = cases.results_at(model, values)
    prediction = results.get_forecast(3)
    weight = last_filtered(results) @ MATRIX
    y = model.endog.values[-1, 0]
    law = stats.t(5.0, loc=np.array([-1.0, 1.0]) + 0.6 * y, scale=np.sqrt(0.5))
    assert prediction.cdf([0.2]).iloc[0, 0] == pytest.approx(weight @ law.cdf(0.2), abs=1e-12)
    # moments: noise has variance 0.5 * 5 / 3 in every row
    shift, second = 0.6 * y, weight @ np.eye(2)
    means = [np.array([-1.0, 1.0]) + shift]
    assert prediction.predicted_mean.iloc[0] == pytest.approx(second @ means[0], abs=1e-12)
    later = second @ MATRIX @ [-1.0, 1.0] + 0.6 * prediction.predicted_mean.iloc[0]
    assert prediction.predicted_mean.iloc[1] == pytest.approx(later, abs=1e-12)
    paths = results.simulate(3, anchor="end", repetitions=10000, rng=2).to_numpy()
    share = (paths <= 0.2).mean(axis=1)
    # standard errors 0.0112 of 2000 histories at most, 0.005 of the paths: four of them
    np.testing.assert_allclose(prediction.cdf([0.2]).iloc[:, 0], share, atol=0.049)
    assert prediction.se_mean.iloc[2] == pytest.approx(paths[2].std(), rel=0.05)


@pytest.mark.parametrize("make", [cases.gaussian, cases.autoregression, cases.var, cases.poisson])
def test_predictions_in_the_sample_are_the_fitted_values(make):
    results = make()
    fitted = results.fittedvalues
    np.testing.assert_allclose(results.predict(), fitted, atol=1e-12)
    own = results.predicted_marginal_probabilities
    got = results.get_prediction().regime_probabilities
    np.testing.assert_allclose(got[own.notna().all(axis=1)], own.dropna(), atol=1e-13)


@pytest.mark.parametrize("make", [cases.gaussian, cases.autoregression, cases.var])
def test_dynamic_prediction_is_the_forecast_of_a_shorter_sample(make):
    results = make()
    data = pd.DataFrame(
        results.model.endog.values, index=results.model.endog.index,
        columns=list(results.model.endog.names),
    ).squeeze()  # fmt: skip
    short = results.apply(data.iloc[:50])
    found = results.get_prediction(start=45, end=52, dynamic=5)
    due = short.get_forecast(3)
    np.testing.assert_allclose(found.predicted_mean.iloc[5:], due.predicted_mean, atol=1e-12)
    np.testing.assert_allclose(found.se_mean.iloc[5:], due.se_mean, atol=1e-12)
    np.testing.assert_allclose(found.conf_int().iloc[5:], due.conf_int(), atol=1e-10)
    np.testing.assert_allclose(
        found.predicted_mean.iloc[:5], results.fittedvalues.iloc[45:50], atol=1e-12
    )


def test_a_gap_before_the_end_is_bridged_exactly():
    # the last row is seen after a missing one: Bayes over the two last rows' regimes
    results = cases.autoregression(gap=True)
    y = results.model.endog.values[:, 0]
    before = results._forward.predicted[-2]  # of the missing row, whose lags are all seen
    n = len(y)
    c, ar, noise = _numbers()
    total, mean = 0.0, 0.0
    for i, j, k in itertools.product(range(2), repeat=3):  # rows n-2 (missing), n-1, n (to come)
        m1 = c[i] + ar[i][0] * y[n - 3] + ar[i][1] * y[n - 4]
        m2 = c[j] + ar[j][0] * m1 + ar[j][1] * y[n - 3]
        v2 = ar[j][0] ** 2 * noise[i] + noise[j]
        weight = before[i] * MATRIX[i, j] * stats.norm(m2, np.sqrt(v2)).pdf(y[n - 1]) * MATRIX[j, k]
        known = m1 + ar[j][0] * noise[i] / v2 * (y[n - 1] - m2)
        total += weight
        mean += weight * (c[k] + ar[k][0] * y[n - 1] + ar[k][1] * known)
    assert results.forecast(1).iloc[0] == pytest.approx(mean / total, abs=1e-12)


def _numbers():
    c = [cases.AR["V[y,h1]"], cases.AR["V[y,h2]"]]
    ar = [[cases.AR[f"ar{lag}[y,y,h{i}]"] for lag in (1, 2)] for i in (1, 2)]
    return c, ar, [cases.AR["obs_cov[y,y,h1]"], cases.AR["obs_cov[y,y,h2]"]]


def test_transition_inputs_of_the_rows_to_come_are_used():
    rng = np.random.default_rng(5)
    z = pd.DataFrame({"z": rng.standard_normal(40)})
    model = MarkovRNN(rng.standard_normal(40), exog_transition=z)
    values = {
        "W_h[h1->h1]": 1.0, "W_x[h1->h1,z]": 0.5, "W_h[h2->h1]": -1.0, "W_x[h2->h1,z]": 2.0,
        "V[y,h1]": -1.0, "V[y,h2]": 1.0, "obs_cov[y,y,h1]": 1.0, "obs_cov[y,y,h2]": 1.0,
    }  # fmt: skip
    results = cases.results_at(model, values)
    future = np.array([[3.0], [-2.0]])
    weight = last_filtered(results)
    for h, x in enumerate(future[:, 0]):
        first = 1.0 / (1.0 + np.exp(-np.array([1.0 + 0.5 * x, -1.0 + 2.0 * x])))
        weight = weight @ np.c_[first, 1.0 - first]
        mean = results.forecast(2, exog_transition=future).iloc[h]
        assert mean == pytest.approx(weight @ [-1.0, 1.0], abs=1e-13)
    with pytest.raises(DataError, match="exog_transition must give 'z'"):
        results.forecast(2)
    with pytest.raises(SpecificationError, match="exog holds inputs"):
        results.forecast(1, future[:1], exog_transition=future[:1])


def test_delta_adds_the_variance_of_the_mean():
    model = cases.gaussian().model
    results = cases.results_at(model, dict(cases.gaussian().params), cov_type="oim")
    prediction = results.get_forecast(3, uncertainty="delta")
    plugin = results.get_forecast(3)
    theta = results.params.to_numpy()

    def means(point):
        return cases.results_at(model, dict(zip(model.param_names, point, strict=True))).forecast(3)

    slopes = []
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-5
        slopes.append((means(theta + step) - means(theta - step)).to_numpy() / 2e-5)
    slopes = np.array(slopes).T
    added = np.einsum("hi,ij,hj->h", slopes, results.cov_params().to_numpy(), slopes)
    # central differences: error of the order of the step squared
    np.testing.assert_allclose(prediction.se_mean**2, plugin.se_mean**2 + added, rtol=1e-7)
    np.testing.assert_allclose(prediction.predicted_mean, plugin.predicted_mean)
    width = (prediction.conf_int() - plugin.conf_int()).to_numpy()
    assert (width[:, 0] < 0.0).all()
    assert (width[:, 1] > 0.0).all()
    with pytest.raises(SpecificationError, match="needs the covariance"):
        cases.gaussian().get_forecast(3, uncertainty="delta")


def test_bootstrap_mixes_over_the_draws():
    results = cases.gaussian()
    draws = results.bootstrap(24, rng=1)
    prediction = results.get_forecast(2, uncertainty="bootstrap", bootstrap=draws)
    names = results.model.param_names
    parts = [
        cases.results_at(results.model, dict(zip(names, theta, strict=True))).get_forecast(2)
        for theta in draws.theta
    ]
    shares = np.mean([part.cdf([0.5]).to_numpy() for part in parts], axis=0)
    np.testing.assert_allclose(prediction.cdf([0.5]), shares, atol=1e-13)
    np.testing.assert_allclose(prediction.predicted_mean, results.forecast(2))
    with pytest.raises(SpecificationError, match=r"options of uncertainty='plugin' are none"):
        results.get_forecast(2, nboot=20)
    with pytest.raises(SpecificationError, match="must be what bootstrap"):
        results.get_forecast(2, uncertainty="bootstrap", bootstrap=3)


def test_sequences_are_predicted_each_from_its_own_rows():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"y": rng.standard_normal(60), "g": np.repeat(["s", "t"], 30)})
    model = MarkovRNN(frame, groups="g", order=1, switching="trend")
    values = {
        **cases.STEPS, "V[y,h1]": -1.0, "V[y,h2]": 1.0, "ar1[y,y]": 0.5, "obs_cov[y,y]": 1.0,
    }  # fmt: skip
    results = cases.results_at(model, values)
    alone = results.apply(frame["y"].iloc[30:].reset_index(drop=True))
    np.testing.assert_allclose(results.forecast(3)["y"], alone.forecast(3), atol=1e-12)
    found = results.predict(start=25, end=33, dynamic=2)
    assert found["y"].isna().tolist() == [False] * 5 + [True] * 4
    later = results.predict()["y"].iloc[31:]
    np.testing.assert_allclose(later, alone.predict().iloc[1:], atol=1e-12)


@pytest.mark.statistical
def test_probability_integral_transforms_of_forecasts_are_uniform():
    # two-row-ahead forecasts of a simulated sample, every second row, so independent if right
    rng = np.random.default_rng(11)
    values = cases.AR | cases.STEPS
    seed = cases.autoregression()
    sample = seed.simulate(3000, rng=rng)
    results = cases.results_at(MarkovRNN(sample.to_numpy(), order=2), values)
    shares = []
    for row in range(20, 2980, 8):
        law = results.get_prediction(start=row, end=row + 1, dynamic=True)
        shares.append(law.cdf([sample.iloc[row + 1]]).iloc[1, 0])
    # a test of size 0.01 of the true model; the seed is fixed
    assert stats.kstest(shares, "uniform").pvalue > 0.01
