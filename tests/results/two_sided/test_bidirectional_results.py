"""Results of bidirectional networks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats.errors import DataError, SpecificationError
from rnnstats.estimation.hac import hac_meat
from rnnstats.models.bidirectional import BidirectionalRNN
from rnnstats.results.bidirectional import BidirectionalResults
from rnnstats.results.two_sided.composite import score_trace


def problem(n=120, seed=0):
    """A target between earlier and later inputs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n + 4, 1))
    h, g = np.zeros(n), np.zeros(n)
    for t in range(n):
        h[t] = np.tanh(0.5 * h[t - 1] * (t > 0) + 1.5 * x[t, 0])
    for t in reversed(range(n)):
        g[t] = np.tanh(0.6 * (g[t + 1] if t + 1 < n else 0.0) - 1.2 * x[t, 0] + 0.5)
    y = 10.0 + 2.0 * h + 1.5 * g + 0.3 * rng.standard_normal(n)
    index = pd.period_range("1990Q1", periods=n, freq="Q")
    return pd.Series(y, index, name="cpi"), pd.DataFrame({"rate": x[:n, 0]}, index), x[n:]


@pytest.fixture(scope="module")
def regression():
    y, x, _ = problem()
    return BidirectionalRNN(y, x, k_hidden=1).fit(n_starts=3)


@pytest.fixture(scope="module")
def series():
    y, _, _ = problem()
    return BidirectionalRNN(y.rolling(3, min_periods=1).mean(), k_hidden=1, penalty=0.5).fit(
        n_starts=2
    )


def test_the_fit_finds_what_made_the_data(regression):
    assert regression.convergence.converged
    params, errors = regression.params, regression.bse
    truth = {"W_h[h1,h1]": 0.5, "W_x[h1,rate]": 1.5, "W_h[g1,g1]": 0.6, "W_x[g1,rate]": -1.2}
    for name, value in truth.items():
        assert abs(params[name] - value) < 4 * errors[name], name
    assert params["obs_cov[cpi,cpi]"] == pytest.approx(0.09, rel=0.3)
    score = regression.model.score(params)
    np.testing.assert_allclose(score * errors, 0.0, atol=1e-4)


def test_fitted_values_are_given_all_inputs(regression):
    y, x, _ = problem()
    later = x.copy()
    later.iloc[60] += 2.0
    moved = regression.apply(y, later)
    change = (moved.fittedvalues - regression.fittedvalues).abs()
    assert change.iloc[59] > 1e-3
    assert change.iloc[61] > 1e-3
    # no target is used
    other = regression.apply(y + np.arange(len(y)), x)
    np.testing.assert_allclose(other.fittedvalues, regression.fittedvalues, rtol=1e-9)
    assert "later ones included" in regression.get_prediction().information_set


def test_inputs_past_the_sample_count_for_all_rows(regression):
    y, _, more = problem()
    nobs = len(y)
    future = regression.get_forecast(4, more).predicted_mean
    longer = regression.append([np.nan, np.nan, np.nan, 10.0], more)
    np.testing.assert_allclose(future, longer.fittedvalues[nobs:], rtol=1e-9)
    window = regression.predict(nobs - 3, nobs + 3, exog=more)
    np.testing.assert_allclose(window, longer.fittedvalues[nobs - 3 :], rtol=1e-9)
    assert not np.allclose(window.iloc[:3], regression.fittedvalues.iloc[-3:], rtol=1e-6)
    with pytest.raises(DataError, match="rate"):
        regression.forecast(2)
    with pytest.raises(SpecificationError, match="no target is used"):
        regression.get_prediction(dynamic=True)


def test_uncertainty_of_parameters_widens_intervals(regression):
    _, _, more = problem()
    plain = regression.get_forecast(4, more)
    delta = regression.get_forecast(4, more, "delta", draws=400)
    np.testing.assert_allclose(plain.predicted_mean, delta.predicted_mean)
    slopes = np.empty((4, len(regression.params)))
    theta, width = regression.params.to_numpy(), 1e-5
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = width
        ends = [
            BidirectionalResults.from_fit(regression.model, theta + sign * step)
            .forecast(4, more)
            .to_numpy()
            for sign in (1, -1)
        ]
        slopes[:, i] = (ends[0] - ends[1]) / (2 * width)
    cov = regression.cov_params().to_numpy()
    due = np.einsum("ij,jk,ik->i", slopes, cov, slopes) + regression.params["obs_cov[cpi,cpi]"]
    # 400 draws with matched second moments, and the noise variance is drawn, too
    np.testing.assert_allclose(delta.var_pred_mean, due, rtol=0.1)


def test_draws_are_those_of_the_model_and_its_bootstrap_covers(regression):
    paths = regression.simulate(5, repetitions=600, rng=0).to_numpy()
    # 600 draws of standard deviation 0.3
    np.testing.assert_allclose(
        paths.mean(axis=1), regression.fittedvalues.iloc[:5], atol=4.5 * 0.3 / np.sqrt(600)
    )
    draws = regression.bootstrap(nboot=12, rng=0)
    kept = draws.bse["W_x[h1,rate]"]
    assert 0.3 < kept / regression.bse["W_x[h1,rate]"] < 3.0  # 12 draws


def test_summary_says_what_the_objective_is(regression, series):
    text = str(regression.summary())
    for words in ("Objective:", "regression", "given the inputs of all rows", "Forward: state",
                  "Backward: state", "Ljung-Box", "Log Likelihood"):  # fmt: skip
        assert words in text
    text = str(series.summary())
    for words in ("Pseudo-Log-Lik.:", "Composite AIC", "Bidirectional Elman Network (Pseudo-",
                  "1 and leads", "not the log-likelihood of the series", "hac"):  # fmt: skip
        assert words in text
    assert "Ljung-Box" not in text


def test_criteria_of_a_pseudo_likelihood_count_effective_parameters(series):
    model, theta = series.model, series.params.to_numpy()
    meat = hac_meat(model.score_obs(theta))
    bread = model.information(theta) + model.ridge()
    assert series.df_model == pytest.approx(np.trace(np.linalg.solve(bread, meat)), rel=1e-6)
    assert series.aic == pytest.approx(-2 * series.llf + 2 * series.df_model)
    assert series.cov_type == "hac"
    assert series.llf == pytest.approx(model.loglike(theta))


def test_trace_is_the_number_of_parameters_where_scores_have_the_curvature():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4000, 3)) @ np.diag([1.0, 100.0, 0.0])
    curvature = np.diag([4000.0, 4e7, 0.0])
    # Newey and West's lags add noise of about their number over the square root of the rows
    assert score_trace(rows, curvature, "hac", {"maxlags": 0}) == pytest.approx(2.0, abs=0.15)
    groups = np.repeat(np.arange(400), 10)
    found = score_trace(rows, curvature, "cluster", {"groups": groups})
    assert found == pytest.approx(2.0, abs=0.5)


def test_a_pseudo_likelihood_refuses_covariances_of_a_likelihood(series):
    for cov_type in ("oim", "approx", "opg"):
        with pytest.raises(SpecificationError, match=r"with_cov: .*information equality"):
            series.with_cov(cov_type)
        with pytest.raises(SpecificationError, match="information equality"):
            BidirectionalResults.from_fit(series.model, series.params, cov_type=cov_type)
    assert not np.allclose(series.with_cov("robust").bse, series.bse)


def test_smoothed_predictions_leave_the_row_out(series):
    y = series.model.endog.frame["cpi"]
    moved = y.copy()
    moved.iloc[50] += 5.0
    other = series.apply(moved)
    change = (other.smoothedvalues - series.smoothedvalues).abs()
    assert change.iloc[50] < 1e-9
    assert change.iloc[49] > 1e-3
    assert "itself left out" in series.smoothed_prediction().information_set
    with pytest.raises(SpecificationError, match="must lie in the sample"):
        series.smoothed_prediction(end=len(y) + 1)


def test_lr_test_of_a_regression(regression):
    held = regression.model.with_fixed({"W_h[g1,g1]": 0.0}).fit(
        start_params=regression.params.to_numpy()
    )
    found = regression.lr_test(held)
    assert found.df == 1
    assert found.pvalue < 0.01
    idle = regression.model.with_fixed({"V[cpi,g1]": 0.0, "W_h[g1,g1]": 0.0})
    start = idle.layout.expand(idle.layout.reduce(regression.params.to_numpy()))
    small = idle.fit(start_params=start, cov_type="none")
    with pytest.raises(SpecificationError, match="no meaning under the hypothesis"):
        regression.lr_test(small)


def test_later_rows_alone_have_no_results(regression):
    with pytest.raises(AttributeError, match=r"extend: .*Use append\(\)"):
        _ = regression.extend


def test_categories_are_drawn_as_categories():
    y, x, more = problem()
    words = pd.Series(np.where(y > 11, "c", np.where(y > 9, "b", "a")), y.index, name="letter")
    model = BidirectionalRNN(words, x, k_hidden=1, head="categorical", penalty=1.0)
    res = model.fit(n_starts=1)
    drawn = res.simulate(4, anchor="end", exog=more, rng=0)
    assert list(drawn.cat.categories) == ["a", "b", "c"]
    many = res.simulate(4, repetitions=3, rng=0)
    assert many.shape == (4, 3)
    assert list(res.fittedvalues.columns) == ["letter=a", "letter=b", "letter=c"]
    np.testing.assert_allclose(res.fittedvalues.sum(axis=1), 1.0)


def test_pictures_say_which_rows_are_read(regression):
    pytest.importorskip("matplotlib")
    res = regression
    assert all("g and d later" in ax.get_title(loc="left") for ax in res.plot_states().axes)
    (ax,) = res.plot_states(kind="filtered").axes
    assert "a function of the rows before" in ax.get_title(loc="left")
