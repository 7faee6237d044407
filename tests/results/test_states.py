"""Filter against smoother: what the later rows add."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats.errors import DataError
from rnnstats.kernels import kalman
from rnnstats.kernels.system import StateSpace
from rnnstats.results.linear import LinearResults
from rnnstats.results.states import (
    StateMoments,
    compare_filter_smoother,
    long_run_variance,
    state_moments,
)

THETA = [0.8, 1.1, 0.4, 1.7]


class TwoStates:
    """Names and index for moments computed elsewhere."""

    state_names = ("h1", "h2")

    def __init__(self, nobs):
        self.endog = pd.Series(np.zeros(nobs), name="y")


def two_state_moments(nobs=60, noise=0.5):
    system = StateSpace.from_arrays(
        design=[[1.0, 0.5]], transition=[[0.9, 0.2], [-0.1, 0.6]], state_cov=np.eye(2),
        obs_cov=[[noise]], start="stationary",
    )  # fmt: skip
    rng = np.random.default_rng(5)
    out = kalman.kalman_smoother(system, rng.standard_normal((nobs, 1)))
    f = out.filter
    filtered = StateMoments(f.filtered_state, f.filtered_state_cov)
    return filtered, StateMoments(out.smoothed_state, out.smoothed_state_cov), system


def test_quantities_are_their_definitions():
    filtered, smoothed, _ = two_state_moments()
    table = compare_filter_smoother(TwoStates(60), filtered, smoothed, np.ones(2))
    frame = table.frame
    for j, name in enumerate(("h1", "h2")):
        part = frame.xs(name, level=1)
        before, after = filtered.cov[:, j, j], smoothed.cov[:, j, j]
        np.testing.assert_allclose(part["filtered_sd"], np.sqrt(before))
        np.testing.assert_allclose(part["smoothed_sd"], np.sqrt(after))
        np.testing.assert_allclose(part["revision"], (smoothed.mean - filtered.mean)[:, j])
        np.testing.assert_allclose(part["revision_sd"] ** 2, before - after, atol=1e-14)
        np.testing.assert_allclose(
            part["expected_revision"], part["revision_sd"] * np.sqrt(2 / np.pi)
        )
        np.testing.assert_allclose(part["variance_reduction"], 1 - after / before, atol=1e-14)
        np.testing.assert_allclose(
            part["entropy_reduction"], 0.5 * np.log(before / after), atol=1e-14
        )
        assert (part.iloc[-1][["revision_sd", "entropy_reduction"]] == 0).all()
    # filter and smoother reach the same state by other sums: a few roundings
    assert abs(part["revision"].iloc[-1]) <= 1e-15 * np.abs(smoothed.mean[:, j]).max()
    old, new = np.linalg.slogdet(filtered.cov)[1], np.linalg.slogdet(smoothed.cov)[1]
    joint = table.joint_entropy_reduction
    np.testing.assert_allclose(joint, (old - new) / 2, atol=1e-10)
    single = frame["entropy_reduction"].groupby(level=0).max()
    assert (joint >= single - 1e-12).all()  # information about one is information about both
    average = table.table.loc["h1"]
    spread = (frame.xs("h1", level=1)["filtered_sd"] ** 2).mean()
    assert average["filtered_sd"] == pytest.approx(np.sqrt(spread))
    assert average["dates"] == 60


@pytest.mark.statistical
def test_revisions_have_the_size_that_the_model_says():
    """E(smoothed - filtered)^2 = filtered - smoothed variance, over 400 simulated samples."""
    res = LinearResults.from_fit(NoisyAR(series(25)[0]), THETA, cov_type="none")
    paths = res.simulate(25, repetitions=400, rng=7)
    actual, spread, absolute = [], None, None
    for path in paths.columns:
        frame = res.apply(pd.Series(paths[path].to_numpy())).filter_vs_smoother().frame
        actual.append(frame["revision"].to_numpy())
        spread, absolute = frame["revision_sd"].to_numpy(), frame["expected_revision"].to_numpy()
    spread, absolute = spread[:-1], absolute[:-1]
    square = np.mean(np.square(actual), axis=0)[:-1]
    # 25 dates, of which the last has no revision; 4.5 standard errors of a mean of 400 squares
    assert (np.abs(square / spread**2 - 1) < 4.5 * np.sqrt(2 / 400)).all()
    ratio = np.mean(np.abs(actual), axis=0)[:-1] / absolute
    assert (np.abs(ratio - 1) < 4.5 * np.sqrt((np.pi / 2 - 1) / 400)).all()


@pytest.mark.statistical
def test_truth():
    rng = np.random.default_rng(11)
    n = 4000
    state = np.zeros(n)
    for t in range(1, n):
        state[t] = 0.8 * state[t - 1] + np.sqrt(1.1) * rng.standard_normal()
    values = 1.7 + state + np.sqrt(0.4) * rng.standard_normal(n)
    state[:5] = np.nan
    res = LinearResults.from_fit(NoisyAR(pd.Series(values)), THETA, cov_type="none")
    table = res.filter_vs_smoother(truth=pd.DataFrame({"h1": state})).comparison
    row = table.loc["h1"]
    assert row["nobs"] == n - 5
    for kind in ("filtered", "smoothed"):
        error = (getattr(res, f"{kind}_state")["h1"] - state).dropna()
        assert row[f"mse_{kind}"] == pytest.approx((error**2).mean())
        assert row[f"mse_{kind}"] == pytest.approx(row[f"expected_mse_{kind}"], rel=0.1)
        gap = abs(row[f"coverage_{kind}"] - 0.95)
        assert gap < 4.5 * row[f"coverage_{kind}_se"]
        assert 0.002 < row[f"coverage_{kind}_se"] < 0.01  # sqrt(.95 * .05 / 4000) = 0.0034
    expected = row["expected_mse_smoothed"] / row["expected_mse_filtered"]
    assert abs(row["mse_ratio"] - expected) < 4.5 * row["mse_ratio_se"]
    # an array and a series say the same
    for truth in (state, state[:, None], pd.Series(state)):
        pd.testing.assert_frame_equal(res.filter_vs_smoother(truth=truth).comparison, table)
    assert "Against the true states" in str(res.filter_vs_smoother(truth=state).summary())


@pytest.mark.statistical
def test_standard_error_of_the_ratio_is_its_spread_over_samples():
    res = LinearResults.from_fit(NoisyAR(series(25)[0]), THETA, cov_type="none")
    ratios, errors = [], []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        state = np.zeros(400)
        for t in range(1, 400):
            state[t] = 0.8 * state[t - 1] + np.sqrt(1.1) * rng.standard_normal()
        values = pd.Series(1.7 + state + np.sqrt(0.4) * rng.standard_normal(400))
        row = res.apply(values).filter_vs_smoother(truth=state).comparison.loc["h1"]
        ratios.append(row["mse_ratio"])
        errors.append(row["mse_ratio_se"])
    # a standard deviation over 80 samples has a relative standard error of 0.079
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=4.5 * 0.079)


def test_truth_that_does_not_fit():
    res = LinearResults.from_fit(NoisyAR(series(25)[0]), THETA)
    with pytest.raises(DataError, match="shape"):
        res.filter_vs_smoother(truth=np.zeros(24))
    with pytest.raises(DataError, match="column for every state"):
        res.filter_vs_smoother(truth=pd.DataFrame({"x": np.zeros(25)}, index=res.resid.index))
    with pytest.raises(DataError, match="index of the outputs"):
        res.filter_vs_smoother(truth=pd.Series(np.zeros(25)))


def test_long_run_variance_of_an_autoregression():
    rng = np.random.default_rng(3)
    values = np.zeros(20_000)
    for t in range(1, 20_000):
        values[t] = 0.5 * values[t - 1] + rng.standard_normal()
    assert long_run_variance(values) == pytest.approx(1 / (1 - 0.5) ** 2, rel=0.15)
    assert long_run_variance(rng.standard_normal(20_000)) == pytest.approx(1.0, rel=0.1)
    assert long_run_variance(np.ones(10)) == 0.0


def test_a_known_state_has_nothing_left_to_learn():
    """Without output noise the state is the output less its mean."""
    endog = series(40, gaps=((10, 0), (11, 0)))[0]
    res = LinearResults.from_fit(NoisyAR(endog), [0.8, 1.1, 0.0, 1.7], cov_type="none")
    table = res.filter_vs_smoother()
    part = table.frame.xs("h1", level=1)
    seen = endog.notna().to_numpy()
    for column in ("filtered_sd", "smoothed_sd", "variance_reduction", "entropy_reduction"):
        assert (part[column].to_numpy()[seen] == 0).all()
        assert (part[column].to_numpy()[~seen] > 0).all()
    assert (table.joint_entropy_reduction.to_numpy()[seen] == 0).all()
    assert (table.joint_entropy_reduction.to_numpy()[~seen] > 0).all()
    assert "determine the states exactly" in str(table.summary())


def test_a_diffuse_start_counts_as_no_information():
    endog = series(40)[0]
    endog.iloc[0] = np.nan
    res = LinearResults.from_fit(NoisyAR(endog, initial="diffuse"), THETA, cov_type="none")
    table = res.filter_vs_smoother()
    first, second = table.frame.iloc[0], table.frame.iloc[1]
    assert np.isinf(first[["filtered_sd", "revision_sd", "entropy_reduction"]]).all()
    assert first["variance_reduction"] == 1.0
    assert np.isnan(first["filtered_mean"])
    assert np.isfinite(second).all()
    assert np.isinf(table.joint_entropy_reduction.iloc[0])
    assert table.table.loc["h1", "dates"] == 39
    assert np.isfinite(table.table).all().all()
    assert "1 dates left out" in str(table.summary())
    assert np.isnan(res.filtered_state.iloc[0, 0])
    assert np.isinf(res.filtered_state_cov.iloc[0, 0])
    assert np.isfinite(res.smoothed_state_cov).all().all()


def test_partly_diffuse_states():
    cov, diffuse = np.tile(np.eye(3), (1, 1, 1)), np.zeros((1, 3, 3))
    diffuse[0, :2, :2] = [[1.0, -2.0], [-2.0, 4.0]]
    moments = state_moments(np.arange(3.0)[None], cov, diffuse)
    np.testing.assert_array_equal(
        moments.cov[0], [[np.inf, -np.inf, 0], [-np.inf, np.inf, 0], [0, 0, 1]]
    )
    np.testing.assert_array_equal(moments.mean[0], [np.nan, np.nan, 2.0])


def test_labels():
    res = LinearResults.from_fit(NoisyAR(series(25)[0]), THETA)
    for kind in ("predicted", "filtered", "smoothed"):
        cov = getattr(res, f"{kind}_state_cov")
        assert cov.index.names == ["quarter", "state"]
        assert list(cov.columns) == ["h1"]
        assert getattr(res, f"{kind}_state").index.equals(res.resid.index)
    table = res.filter_vs_smoother()
    frame = table.frame
    frame.iloc[:] = 0.0
    assert (table.frame["filtered_sd"] > 0).all()  # a copy was changed, not the value
    assert "h1" in repr(table)
    assert table.comparison is None
