"""What hindsight is worth: comparisons of two-sided and forward networks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.bidirectional import BidirectionalRNN
from rnnstats.models.linear import LinearRNN
from rnnstats.results.states import long_run_variance


def smoothing_problem(n=240, seed=0):
    """A latent AR(1) and what is measured of it."""
    rng = np.random.default_rng(seed)
    index = pd.period_range("1980Q1", periods=n, freq="Q")
    s = np.zeros(n)
    for t in range(1, n):
        s[t] = 0.9 * s[t - 1] + 0.5 * rng.standard_normal()
    x = s + rng.standard_normal(n)
    return pd.Series(s, index, name="state"), pd.Series(x, index, name="seen")


@pytest.fixture(scope="module")
def fitted():
    s, x = smoothing_problem()
    return BidirectionalRNN(s, x, activation="identity", k_hidden=1, penalty=0.5).fit(n_starts=2)


def test_the_gain_is_the_difference_of_log_scores_after_training(fitted):
    found = fitted.compare_with_forward(0.25, n_starts=2)
    s, x = smoothing_problem()
    both = BidirectionalRNN(s[:180], x[:180], activation="identity", k_hidden=1, penalty=0.5).fit(
        n_starts=2
    )
    one = both.model.forward_model().fit(n_starts=2)
    two_sided = fitted.model.loglikeobs(both.params)[180:]
    forward = fitted.model.forward_model().loglikeobs(one.params)[180:]
    np.testing.assert_allclose(found.scores["two_sided"], two_sided, rtol=1e-8)
    np.testing.assert_allclose(found.scores["forward"], forward, rtol=1e-8)
    gain = two_sided - forward
    assert found.gain == pytest.approx(gain.mean(), rel=1e-8)
    assert found.gain_se == pytest.approx(np.sqrt(long_run_variance(gain) / 60), rel=1e-8)
    assert found.statistic == pytest.approx(found.gain / found.gain_se)
    assert found.pvalue == pytest.approx(stats.t.sf(found.statistic, 59))
    assert found.frame.loc["window 1", ["train", "test"]].tolist() == [180, 60]
    pd.testing.assert_index_equal(found.scores.index, s.index[180:])
    assert "p-value" in repr(found)


def test_windows_train_on_all_rows_before(fitted):
    found = fitted.compare_with_forward(0.5, windows=2, n_starts=1, k_hidden=2, maxiter=10)
    assert list(found.frame.index) == ["window 1", "window 2", "all"]
    assert found.frame["train"].tolist() == [120, 180, 120]
    assert found.frame["test"].tolist() == [60, 60, 120]
    assert found.forward.model.units == (2,)
    assert found.gain == pytest.approx(found.scores["gain"].mean())


def test_holdout_of_several_sequences():
    s, x = smoothing_problem(120)
    groups = np.repeat([0, 1, 2], 40)
    model = BidirectionalRNN(s.to_numpy(), x.to_numpy(), k_hidden=1, groups=groups, penalty=1.0)
    found = model.fit(n_starts=1).compare_with_forward(0.25, n_starts=1)
    assert found.frame["test"].tolist() == [30]
    rows = np.r_[30:40, 70:80, 110:120]
    own = model.loglikeobs(found.two_sided.params)[rows]
    np.testing.assert_allclose(found.scores["two_sided"], own, rtol=1e-8)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"holdout": 1.0}, SpecificationError, "holdout must lie between 0 and 1"),
        ({"holdout": 0.0}, SpecificationError, "holdout must be"),
        ({"holdout": 0.01}, DataError, "need at least 10 rows"),
        ({"windows": 0}, SpecificationError, "windows must be at least 1"),
        ({"windows": 90}, DataError, "two rows with a target at least; got [01] in window 1 of 90"),
        ({"progress": 1}, SpecificationError, "progress must be"),
    ],
)
def test_refusals(fitted, given, error, words):
    with pytest.raises(error, match=f"compare_with_forward: .*{words}"):
        fitted.compare_with_forward(**given)


def test_windows_without_a_target_are_refused():
    s, x = smoothing_problem(80)
    s.iloc[60:70] = np.nan
    res = BidirectionalRNN(s, x, k_hidden=1, penalty=1.0).fit(n_starts=1)
    with pytest.raises(DataError, match=r"got 0 in window 1 of 2\. Use fewer"):
        res.compare_with_forward(0.25, windows=2, n_starts=1)
    assert res.compare_with_forward(0.25, n_starts=1).frame["test"].tolist() == [10]


def test_limits_that_are_no_comparison_are_refused(fitted):
    with pytest.raises(SpecificationError, match=r"limits must be results of a LinearRNN.*got 3"):
        fitted.filter_vs_smoother(limits=3)


def test_filter_vs_smoother_measures_both_fits(fitted):
    s, _ = smoothing_problem()
    found = fitted.filter_vs_smoother()
    forward = fitted.forward_results
    row = found.comparison.loc["state"]
    assert row["mse_filtered"] == pytest.approx(float((forward.resid**2).mean()))
    assert row["mse_smoothed"] == pytest.approx(float((fitted.resid**2).mean()))
    np.testing.assert_allclose(
        found.frame["smoothed_sd"] ** 2, fitted.params["obs_cov[state,state]"], rtol=1e-10
    )
    truth = s + 1.0
    moved = fitted.filter_vs_smoother(truth).comparison.loc["state"]
    assert moved["mse_smoothed"] == pytest.approx(
        float(((truth - fitted.fittedvalues) ** 2).mean())
    )
    assert "two-sided" in str(found.summary())


def test_limits_of_the_linear_filter_and_smoother_stand_beside(fitted):
    s, x = smoothing_problem()
    table = {
        "W_h": [[0.9]], "state_cov": [[0.25]], "V": [[1.0]], "obs_cov": [[1.0]], "b_y": [0.0],
        "b_h": [0.0],
    }  # fmt: skip
    linear = LinearRNN(x, form="structured", structure=table).fit()
    found = fitted.filter_vs_smoother(s.to_numpy(), limits=linear)
    own = linear.filter_vs_smoother(s.to_numpy())
    row = found.comparison.loc["state"]
    assert row["limit_mse_filtered"] == own.comparison["mse_filtered"].iloc[0]
    assert row["limit_mse_ratio"] == own.comparison["mse_ratio"].iloc[0]
    again = fitted.filter_vs_smoother(limits=own).comparison.loc["state"]
    assert again["limit_mse_smoothed"] == row["limit_mse_smoothed"]
    # in sample a fitted network may lie a little below the limit
    assert 0.8 < row["mse_smoothed"] / row["limit_mse_smoothed"] < 1.3
    with pytest.raises(DataError, match="must have one state for each of state"):
        fitted.filter_vs_smoother(limits=linear.filter_vs_smoother())
