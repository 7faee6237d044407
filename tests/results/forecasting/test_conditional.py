"""Conditional forecasts: conditions held, nothing changed by what is expected, exact moments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from results.fakes import NoisyAR, series

from rnnstats.errors import DataError, SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels.kalman import kalman_smoother
from rnnstats.kernels.system import StateSpace
from rnnstats.models.linear import LinearRNN
from rnnstats.results.forecasting.scenario import Joint, condition
from rnnstats.results.linear import LinearResults

STEPS = 6
VARMA = [0.5, 0.2, -0.1, 0.6, 0.8, 0.3, 0.1, 0.2, 2.0, 1.5, 1.44, 0.48, 0.97]
NOISY = [0.8, 1.1, 0.9, 0.4, 0.5, 1.7, 2.0]


def build(form, gaps=()):
    endog, _ = series(60, 2, gaps=gaps)
    model, theta = (NoisyAR(endog), NOISY)
    if form != "noisy":
        model, theta = LinearRNN(endog, k_states=2), VARMA
    return LinearResults.from_fit(model, theta, cov_type="none")


@pytest.fixture(scope="module", params=["innovations", "noisy"])
def res(request):
    return build(request.param, gaps=((10, 0), (58, 1), (59, 0)))


def smoothed_outputs(res, values):
    """Mean and covariance of outputs by the smoother, with the conditions as data."""
    table = np.concatenate([res.model.endog.values, values])
    system = res.model.system(res._theta, steps=len(values))
    found = kalman_smoother(system, table)
    mean = found.smoothed_state @ system.design.T + system.obs_intercept + found.smoothed_obs_noise
    return mean[-len(values) :]


def test_hard_conditions_are_met_and_the_rest_is_the_smoothers(res):
    values = np.full((STEPS, 2), np.nan)
    values[0, 0], values[2, 0], values[3, 1] = 3.0, 1.0, 2.5
    found = res.conditional_forecast(STEPS, values)
    given_, seen = found.predicted_mean.to_numpy(), ~np.isnan(values)
    np.testing.assert_array_equal(given_[seen], values[seen])
    assert (found.se_mean.to_numpy()[seen] == 0).all()
    np.testing.assert_allclose(given_, smoothed_outputs(res, values), rtol=0, atol=1e-10)
    free = res.get_forecast(STEPS)
    pd.testing.assert_frame_equal(found.unconditional.predicted_mean, free.predicted_mean)
    np.testing.assert_allclose(found.unconditional.se_mean, free.se_mean, rtol=1e-9)
    assert (found.se_mean.to_numpy() <= free.se_mean.to_numpy() + 1e-12).all()
    assert (found.se_mean.iloc[-1] > 0).all()
    pd.testing.assert_index_equal(found.row_labels, res.model.endog.future_index(STEPS))


def test_conditioning_on_the_forecast_itself_changes_no_mean(res):
    free = res.get_forecast(STEPS)
    for columns in (["cpi"], ["gdp"], ["cpi", "gdp"]):
        for tolerance in (None, 0.3):
            found = res.conditional_forecast(STEPS, free.predicted_mean[columns],
                                             tolerance=tolerance)  # fmt: skip
            np.testing.assert_allclose(found.predicted_mean, free.predicted_mean, atol=1e-11)
            assert found.plausibility["statistic"] < 1e-20
            assert found.plausibility["pvalue"] == pytest.approx(1.0)
            assert found.plausibility["df"] == STEPS * len(columns)


def joint_by_hand(res, steps):
    """Mean and covariance of outputs to come, from the joint distribution of all rows."""
    system = res.model.system(res._theta, steps=steps)
    n, p, m = res.nobs + steps, system.k_endog, system.k_states
    noise = system.selection @ system.state_cov @ system.selection.T
    state = np.zeros((m, m))
    for _ in range(2000):
        state = system.transition @ state @ system.transition.T + noise
    lead = system.transition @ state @ system.design.T + system.selection @ system.cross_cov
    blocks = np.empty((n, p, n, p))
    for lag in range(n):
        block = system.design @ state @ system.design.T + system.obs_cov if lag == 0 else (
            system.design @ np.linalg.matrix_power(system.transition, lag - 1) @ lead
        )  # fmt: skip
        for t in range(n - lag):
            blocks[t + lag, :, t], blocks[t, :, t + lag] = block, block.T
    mean = np.broadcast_to(system.obs_intercept, (n, p))
    return mean.ravel(), blocks.reshape(n * p, n * p)


def test_moments_are_those_of_the_joint_normal_distribution(res):
    """Everything at once, 132 normal variables: sample, conditions with and without tolerance."""
    values, loose = np.full((STEPS, 2), np.nan), np.zeros((STEPS, 2))
    values[1, 0], values[4, 0], values[2, 1] = 3.0, 1.0, 2.5
    loose[4, 0], loose[2, 1] = 0.5, 1.5
    mean, cov = joint_by_hand(res, STEPS)
    data = np.concatenate([res.model.endog.values, values]).ravel()
    extra = np.concatenate([np.zeros_like(res.model.endog.values), loose]).ravel() ** 2
    seen = ~np.isnan(data)
    inner = cov[np.ix_(seen, seen)] + np.diag(extra[seen])
    gain = np.linalg.solve(inner, cov[seen]).T
    after = mean + gain @ (data - mean)[seen]
    spread = cov - gain @ cov[seen]
    found = res.conditional_forecast(STEPS, values, tolerance=loose)
    np.testing.assert_allclose(
        found.predicted_mean.to_numpy().ravel(), after[-2 * STEPS :], rtol=0, atol=1e-8
    )
    np.testing.assert_allclose(found.cov, spread[-2 * STEPS :, -2 * STEPS :], rtol=0, atol=1e-8)
    errors = np.sqrt(np.diag(spread)[-2 * STEPS :].clip(0)).reshape(STEPS, 2)
    np.testing.assert_allclose(found.se_mean, errors, rtol=0, atol=1e-7)
    # the distance of the conditions is that of their own distribution given the sample
    only = ~np.isnan(res.model.endog.values).ravel()
    past = np.r_[only, np.zeros(2 * STEPS, dtype=bool)]
    gain = np.linalg.solve(cov[np.ix_(past, past)], cov[past]).T
    ahead = (mean + gain @ (data - mean)[past])[-2 * STEPS :]
    before = (cov - gain @ cov[past])[-2 * STEPS :, -2 * STEPS :]
    asked = ~np.isnan(values).ravel()
    inner = before[np.ix_(asked, asked)] + np.diag(loose.ravel()[asked] ** 2)
    gap = values.ravel()[asked] - ahead[asked]
    assert found.plausibility["statistic"] == pytest.approx(gap @ np.linalg.solve(inner, gap))
    z = found.conditions.xs("gdp", level="output")["z"].iloc[0]
    at = 2 * 2 + 1
    expected = (values[2, 1] - ahead[at]) / np.sqrt(before[at, at] + 1.5**2)
    assert z == pytest.approx(expected, rel=1e-8)


def test_soft_conditions_are_noisy_measurements():
    """A tolerance is the noise of one more output: the same by a smoother with that output."""
    res = build("noisy")
    steps, tolerance = 4, 0.7
    path = np.array([2.0, np.nan, 0.5, 1.0])
    system = res.model.system(res._theta, steps=steps)
    wide = StateSpace.from_arrays(
        design=[[1.0, 0.0], [0.9, 0.0], [1.0, 1.0]],
        transition=[[0.8, 0.0], [0.0, 0.0]], selection=np.eye(2),
        state_cov=np.diag([1.1, 0.4]), obs_cov=np.diag([0.0, 0.5, tolerance**2]),
        obs_intercept=[1.7, 2.0, 1.7], start="stationary",
    )  # fmt: skip
    # the noise of cpi is the second state, so that cpi can be measured once more
    design = wide.matrices.copy()
    design[1] = 1.0
    wide = StateSpace(3, 2, 2, design, wide.obs_intercept, wide.state_intercept,
                      "stationary", "noisy")  # fmt: skip
    data = np.full((res.nobs + steps, 3), np.nan)
    data[: res.nobs, :2] = res.model.endog.values
    data[res.nobs :, 2] = path
    found = kalman_smoother(wide, data).smoothed_state @ wide.design.T + wide.obs_intercept
    mine = res.conditional_forecast(steps, {"cpi": path}, tolerance=tolerance)
    np.testing.assert_allclose(mine.predicted_mean, found[-steps:, :2], rtol=0, atol=1e-9)
    assert system.obs_cov[0, 0] == 0.4
    # tighter and tighter becomes exact; looser and looser becomes free
    exact = res.conditional_forecast(steps, {"cpi": path}).predicted_mean
    tight = res.conditional_forecast(steps, {"cpi": path}, tolerance=1e-6).predicted_mean
    np.testing.assert_allclose(tight, exact, atol=1e-9)
    vague = res.conditional_forecast(steps, {"cpi": path}, tolerance=1e6).predicted_mean
    np.testing.assert_allclose(vague, res.forecast(steps), atol=1e-9)


@example(390)  # all is known after the first condition, up to variances of 1e-33
@example(132)
@example(939)
@given(st.integers(0, 10_000))
def test_order_and_repetition_of_conditions_do_not_matter(seed):
    """In two steps or at once; singular joint distributions too."""
    rng = np.random.default_rng(seed)
    steps, p = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    size, rank = steps * p, int(rng.integers(1, steps * p + 1))
    root = rng.standard_normal((size, rank))
    joint = Joint(rng.standard_normal((steps, p)), root @ root.T)
    draw = (joint.mean.ravel() + root @ rng.standard_normal(rank)).reshape(steps, p)
    first, second = rng.random((steps, p)) < 0.3, rng.random((steps, p)) < 0.4
    exact = np.zeros((steps, p))
    once = condition(joint, np.where(first | second, draw, np.nan), exact, caller="test")
    half = condition(joint, np.where(first, draw, np.nan), exact, caller="test")
    twice = condition(
        Joint(half.mean, half.cov), np.where(second, draw, np.nan), exact, caller="test"
    )
    # directions are cut at 1e-12 of a variance, so that 1e-6 of a standard deviation is left
    scale = np.abs(joint.cov).max()
    np.testing.assert_allclose(twice.mean, once.mean, rtol=0, atol=1e-5 * np.sqrt(scale))
    np.testing.assert_allclose(twice.cov, once.cov, rtol=0, atol=1e-5 * scale)
    assert (np.linalg.eigvalsh(once.cov) > -1e-10 * scale).all()


def test_what_the_user_may_give(res):
    index = res.model.endog.future_index(STEPS)
    by_hand = np.full((STEPS, 2), np.nan)
    by_hand[1, 1] = 4.0
    expected = res.conditional_forecast(STEPS, by_hand).predicted_mean
    frames = [
        pd.DataFrame({"gdp": [4.0]}, index=index[1:2]),
        pd.DataFrame({"gdp": [np.nan, 4.0]}),
        pd.Series([4.0], index=index[1:2], name="gdp"),
        {"gdp": [np.nan, 4.0]},
        {"gdp": pd.Series([4.0], index=index[1:2])},
        {"gdp": pd.Series([np.nan, 4.0])},
        {"gdp": {index[1]: 4.0}},
        by_hand[:2],
    ]
    for one in frames:
        found = res.conditional_forecast(STEPS, one)
        pd.testing.assert_frame_equal(found.predicted_mean, expected)
        assert found.conditions.index.tolist() == [(index[1], "gdp")]
    everywhere = res.conditional_forecast(3, {"gdp": 2.0})
    assert (everywhere.predicted_mean["gdp"] == 2.0).all()
    until = res.conditional_forecast(index[2], {"gdp": 2.0})
    pd.testing.assert_frame_equal(until.predicted_mean, everywhere.predicted_mean)
    single = LinearResults.from_fit(
        NoisyAR(series(40)[0]), [0.8, 1.1, 0.4, 1.7], cov_type="none"
    ).conditional_forecast(3, [np.nan, 2.0])
    assert isinstance(single.predicted_mean, pd.Series)
    assert single.predicted_mean.iloc[1] == 2.0
    assert list(single.conf_int().columns) == ["lower cpi", "upper cpi"]
    assert single.var_pred_mean.iloc[1] == 0.0
    loose = res.conditional_forecast(STEPS, frames[0], tolerance={"gdp": [np.nan, 0.5]})
    pd.testing.assert_frame_equal(
        loose.predicted_mean,
        res.conditional_forecast(STEPS, frames[0], tolerance=0.5).predicted_mean,
    )
    assert loose.conditions["tolerance"].tolist() == [0.5]
    dated = {"gdp": pd.Series([0.5], index=index[1:2])}
    by_date = res.conditional_forecast(STEPS, frames[0], tolerance=dated)
    pd.testing.assert_frame_equal(by_date.predicted_mean, loose.predicted_mean)
    assert loose.summary_frame("gdp")["mean_se"].iloc[1] > 0


@pytest.mark.parametrize(
    ("conditions", "options", "words"),
    [
        ({"gnp": 1.0}, {}, "must be about outputs .*; got 'gnp'. Did you mean 'gdp'"),
        ({"gdp": [1.0] * 9}, {}, "at most one row for each of the 6 steps; got 9"),
        (np.ones((2, 3)), {}, "a column for each of cpi, gdp; got shape"),
        ({"gdp": np.inf}, {}, "must be finite"),
        ({"gdp": [np.nan]}, {}, "at least one value; got none"),
        ({"gdp": 1.0}, {"tolerance": -1.0}, "finite standard deviations"),
        ({"gdp": 1.0}, {"tolerance": np.inf}, "finite standard deviations"),
    ],
)  # fmt: skip
def test_what_is_refused(res, conditions, options, words):
    with pytest.raises(DataError, match=words):
        res.conditional_forecast(STEPS, conditions, **options)


def test_rows_and_options_that_are_refused(res):
    early = pd.DataFrame({"gdp": [1.0]}, index=res.model.endog.index[3:4])
    with pytest.raises(DataError, match="must be about rows from"):
        res.conditional_forecast(STEPS, early)
    with pytest.raises(DataError, match="must be about rows from"):
        res.conditional_forecast(STEPS, {"gdp": early["gdp"]})
    twice = pd.DataFrame({"gdp": [1.0, 2.0]}, index=res.model.endog.future_index(1).repeat(2))
    with pytest.raises(DataError, match="each row and each output once"):
        res.conditional_forecast(STEPS, twice)
    with pytest.raises(SpecificationError, match="must lie past the sample"):
        res.conditional_forecast(str(res.model.endog.index[5]), {"gdp": 1.0})
    with pytest.raises(SpecificationError, match="uncertainty must be one of"):
        res.conditional_forecast(2, {"gdp": 1.0}, uncertainty="other")
    with pytest.raises(SpecificationError, match="needs the covariance"):
        res.conditional_forecast(2, {"gdp": 1.0}, uncertainty="delta")


def test_contradictions_are_said():
    joint = Joint(np.zeros((2, 1)), np.ones((2, 2)))  # the same number twice
    exact = np.zeros((2, 1))
    same = condition(joint, np.array([[1.0], [1.0]]), exact, caller="test")
    assert same.rank == 1
    assert same.statistic == pytest.approx(1.0)
    with pytest.raises(DataError, match="test: conditions must be possible together"):
        condition(joint, np.array([[1.0], [2.0]]), exact, caller="test")
    loose = condition(joint, np.array([[1.0], [2.0]]), exact + 1.0, caller="test")
    np.testing.assert_allclose(loose.mean, 1.0)  # precision 1 + 1 + 1, sum 3


def test_delta_adds_what_the_estimates_leave_open():
    """AR(1), known mean 0, y_{n+1} given: forecast of y_{n+2} is phi y_{n+1}, so J = y_{n+1}."""
    endog, _ = series(60)
    fixed = {"obs_cov[cpi,cpi]": 0.0, "state_cov[h1,h1]": 1.0}
    model = NoisyAR(endog, trend="n", fixed=fixed)
    spread = np.zeros((3, 3))
    spread[0, 0] = 0.01
    known = CovarianceEstimate(spread, "oim", 1, 1, (), "")
    res = LinearResults.from_fit(model, [0.8, 1.0, 0.0], covariance=known)
    plain = res.conditional_forecast(3, [3.0])
    delta = res.conditional_forecast(3, [3.0], uncertainty="delta")
    added = delta.var_pred_mean - plain.var_pred_mean
    slopes = np.array([0.0, 3.0, 2 * 0.8 * 3.0])
    np.testing.assert_allclose(added, 0.01 * slopes**2, rtol=1e-7, atol=1e-15)
    assert "delta" in delta.information_set
    free = delta.unconditional.var_pred_mean - plain.unconditional.var_pred_mean
    slope = np.arange(1, 4) * 0.8 ** np.arange(3) * endog.iloc[-1]
    np.testing.assert_allclose(free, 0.01 * slope**2, rtol=1e-7)


def test_summary(res):
    text = str(res.conditional_forecast(4, {"cpi": [3.0, np.nan, 2.0]}, tolerance=0.2))
    assert "Conditional forecast of gdp" in text
    assert "chi-squared with 2 degrees of freedom" in text


def test_a_start_that_is_not_resolved_is_said():
    endog = series(40, 2)[0]
    model = LinearRNN(endog, k_states=2, initial="diffuse")
    short = LinearResults.from_fit(model, VARMA, cov_type="none").apply(
        pd.DataFrame({"cpi": [1.0], "gdp": [np.nan]}, index=endog.index[:1]).assign(gdp=[2.0])
    )
    assert short.conditional_forecast(2, {"cpi": 1.0}).predicted_mean.notna().all(axis=None)
