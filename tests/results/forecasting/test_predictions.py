"""Predictions: what they know, what they need, what they add for estimated parameters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels.system import StateSpace
from rnnstats.models.linear import LinearRNN
from rnnstats.results.forecasting.prediction import (
    Moments,
    parameter_variance,
    simulate_paths,
    standardize,
)
from rnnstats.results.linear import LinearResults

THETA = np.array([0.8, 1.1, 0.4, 1.7])
TWO = np.array([0.8, 1.1, 0.9, 0.4, 0.5, 1.7, 2.0])


def results(endog, **options):
    theta = THETA if np.ndim(endog) == 1 or endog.shape[1] == 1 else TWO
    return LinearResults.from_fit(NoisyAR(endog, **options), theta, cov_type="approx")


@pytest.mark.parametrize("k_endog", [1, 2])
@pytest.mark.parametrize("initial", ["stationary", "diffuse"])
def test_information_sets(k_endog, initial):
    """Outputs from row 40 on change; what claims not to know them must not change."""
    endog, _ = series(80, k_endog)
    other = endog.copy()
    other.iloc[40:] += 10.0
    a, b = results(endog, initial=initial), results(other, initial=initial)
    same = slice(0, 41)  # row 40 itself is predicted from the rows before it
    for name in ("fittedvalues", "predicted_state"):
        pd.testing.assert_frame_equal(
            pd.DataFrame(getattr(a, name))[same], pd.DataFrame(getattr(b, name))[same]
        )
    pd.testing.assert_frame_equal(a.filtered_state[:40], b.filtered_state[:40])
    for name in ("resid", "standardized_resid", "llf_obs"):
        left, right = pd.DataFrame(getattr(a, name)), pd.DataFrame(getattr(b, name))
        pd.testing.assert_frame_equal(left[:40], right[:40])
    for dynamic in (False, True, 3):
        left = a.get_prediction(20, 40, dynamic=dynamic)
        right = b.get_prediction(20, 40, dynamic=dynamic)
        np.testing.assert_array_equal(left.predicted_mean, right.predicted_mean)
    # and what does use them does change
    assert not np.allclose(a.filtered_state[40:], b.filtered_state[40:])
    assert not np.allclose(a.smoothed_state[:40], b.smoothed_state[:40])
    assert not np.allclose(a.fittedvalues[41:], b.fittedvalues[41:])
    # a dynamic prediction from row 20 knows nothing of row 20 and later
    changed = endog.copy()
    changed.iloc[20:] -= 5.0
    np.testing.assert_array_equal(
        a.predict(20, 60, dynamic=True),
        results(changed, initial=initial).predict(20, 60, dynamic=True),
    )
    assert "before it" in a.get_prediction().information_set
    assert "row 23" in a.get_prediction(20, 40, dynamic=3).information_set
    assert "delta" in a.get_forecast(2, uncertainty="delta").information_set


def test_diffuse_phase_is_nan_and_forecasts_after_it_are_not():
    endog, _ = series(30, 2)
    endog.iloc[0] = np.nan
    endog.iloc[1, 0] = np.nan
    res = results(endog, initial="diffuse")
    assert res.nobs_diffuse == 2
    assert res.k_diffuse_states == 1
    assert res.fittedvalues.iloc[:2].isna().all().all()
    assert res.fittedvalues.iloc[2:].notna().all().all()
    assert res.resid.iloc[:2].isna().all().all()
    assert res.standardized_resid.iloc[2:].notna().all().all()
    assert res.get_prediction(0, 5).conf_int().iloc[:2].isna().all().all()
    assert res.forecast(3).notna().all().all()


def test_standardized_residuals_are_cleaned_of_one_another():
    endog, _ = series(60, 3, gaps=((5, 1), (9, 0), (9, 2)))
    theta = [0.8, 1.1, 0.9, 1.1, 0.4, 0.5, 0.6, 1.7, 2.0, 1.9]
    res = LinearResults.from_fit(NoisyAR(endog), theta)
    cov = res.get_prediction().var_pred_mean
    for row in (0, 5, 9, 30):
        block = cov.iloc[3 * row : 3 * row + 3].to_numpy()
        seen = res.resid.iloc[row].notna().to_numpy()
        factor = np.linalg.cholesky(block[np.ix_(seen, seen)])
        back = factor @ res.standardized_resid.iloc[row].to_numpy()[seen]
        np.testing.assert_allclose(back, res.resid.iloc[row].to_numpy()[seen], rtol=1e-10)
        assert np.isnan(res.standardized_resid.iloc[row].to_numpy()[~seen]).all()
    assert standardize(np.full((2, 1), np.nan), np.ones((2, 1, 1))).shape == (2, 1)


def test_inputs_are_needed_and_named():
    endog, exog = series(40, 1, 2)
    res = LinearResults.from_fit(NoisyAR(endog, exog), [*THETA, 1.0, 0.5])
    for call in (
        lambda: res.forecast(3),
        lambda: res.get_forecast(3, uncertainty="delta"),
        lambda: res.predict(30, 45),
        lambda: res.simulate(5, anchor="end", rng=1),
        lambda: res.simulate(45, rng=1),
        lambda: res.append([1.0, 2.0]),
        lambda: res.plot_forecast(2),
    ):
        with pytest.raises(DataError, match=r"x0.*x1"):
            call()
    with pytest.raises(SpecificationError, match="no row lies past the sample"):
        res.predict(0, 10, exog=np.zeros((3, 2)))
    plain = results(endog)
    with pytest.raises(SpecificationError, match="the model has no inputs"):
        plain.forecast(3, exog=np.zeros((3, 1)))
    later = pd.DataFrame(np.ones((3, 2)), columns=["x1", "x0"]) * [2.0, 1.0]
    np.testing.assert_allclose(res.forecast(3, later), res.forecast(3, np.tile([1.0, 2.0], (3, 1))))


def test_windows_that_make_no_sense():
    res = results(series(40)[0])
    with pytest.raises(SpecificationError, match="end must not lie before start"):
        res.predict(10, 5)
    with pytest.raises(SpecificationError, match="dynamic must not lie before start"):
        res.predict(10, 20, dynamic="1990Q2")
    with pytest.raises(SpecificationError, match=r"steps must lie past the sample.*Use predict"):
        res.forecast("1995Q1")
    with pytest.raises(SpecificationError, match=r"steps must lie past .* got 'abc'\. Write the"):
        res.forecast("abc")
    for wrong in ("1980Q1", "abc"):
        with pytest.raises(SpecificationError, match=f": dynamic must lie in .* got '{wrong}'"):
            res.predict(dynamic=wrong)
        with pytest.raises(SpecificationError, match=f": start must lie in .* got '{wrong}'"):
            res.predict(wrong)
    with pytest.raises(SpecificationError, match="at least 1"):
        res.forecast(0)
    for wrong in (True, 2.5, None):
        with pytest.raises(SpecificationError, match="steps must be a whole number"):
            res.forecast(wrong)
    for wrong in (-1, 2.5, None):
        with pytest.raises(SpecificationError, match="dynamic must be"):
            res.predict(10, 20, dynamic=wrong)
    with pytest.raises(SpecificationError, match="uncertainty"):
        res.get_forecast(2, uncertainty="posterior")
    with pytest.raises(SpecificationError, match="alpha"):
        res.get_forecast(2).conf_int(1.5)
    with pytest.raises(SpecificationError, match="output must be one that exists"):
        res.get_forecast(2).summary_frame("gdp")
    assert len(res.predict(42)) == 1  # a start past the sample means that row alone


def test_delta_method_variance_has_its_closed_form():
    """AR(1) without noise, known mean 0: forecast phi^h y_n, so J = h phi^(h-1) y_n."""
    endog, _ = series(60)
    res = LinearResults.from_fit(
        NoisyAR(endog, trend="n", fixed={"obs_cov[cpi,cpi]": 0.0, "state_cov[h1,h1]": 1.0}),
        [0.8, 1.0, 0.0],
    )
    plugin, delta = res.get_forecast(5), res.get_forecast(5, uncertainty="delta")
    steps = np.arange(1, 6)
    slope = steps * 0.8 ** (steps - 1) * endog.iloc[-1]
    variance = float(res.bse.iloc[0]) ** 2
    np.testing.assert_allclose(
        delta.var_pred_mean - plugin.var_pred_mean, slope**2 * variance, rtol=1e-7
    )
    np.testing.assert_allclose(
        plugin.var_pred_mean, (1 - 0.8 ** (2 * steps)) / (1 - 0.8**2), rtol=1e-10
    )
    np.testing.assert_array_equal(delta.predicted_mean, plugin.predicted_mean)


def test_delta_method_of_a_linear_function_is_exact():
    table = np.arange(12.0).reshape(2, 2, 3)
    cov = np.diag([1.0, 2.0, 3.0])
    added = parameter_variance(lambda x: table @ x, np.array([0.3, -1.0, 2.0]), cov)
    np.testing.assert_allclose(added, table @ cov @ table.transpose(0, 2, 1), rtol=1e-9)


@pytest.mark.statistical
def test_delta_intervals_cover_better_than_plugin_intervals():
    """30 rows, eight steps ahead, 300 samples; a coverage has standard error below 0.03."""
    hits = {"plugin": [], "delta": []}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values = np.zeros(138)
        for t in range(1, 138):
            values[t] = 0.6 * values[t - 1] + rng.standard_normal()
        sample, target = values[100:130], values[137]
        y = sample - 0.0
        design = np.column_stack([np.ones(29), y[:-1]])
        const, phi = np.linalg.lstsq(design, y[1:], rcond=None)[0]
        phi = float(np.clip(phi, -0.95, 0.95))
        variance = float(((y[1:] - design @ [const, phi]) ** 2).mean())
        model = NoisyAR(sample, fixed={"obs_cov[y,y]": 0.0})
        res = LinearResults.from_fit(
            model, [phi, variance, 0.0, const / (1 - phi)], cov_type="approx"
        )
        for kind, found in hits.items():
            low, high = res.get_forecast(8, uncertainty=kind).conf_int().iloc[-1]
            found.append(low <= target <= high)
    assert np.mean(hits["plugin"]) < 0.90
    assert np.mean(hits["delta"]) > np.mean(hits["plugin"]) + 0.02


def test_several_outputs_have_frames_and_one_has_series():
    two, one = results(series(40, 2)[0]), results(series(40)[0])
    forecast = two.get_forecast(3)
    assert list(forecast.conf_int().columns) == ["lower cpi", "lower gdp", "upper cpi", "upper gdp"]
    assert forecast.var_pred_mean.index.names == ["quarter", "output"]
    assert forecast.summary_frame("gdp").columns.name == "gdp"
    np.testing.assert_allclose(
        forecast.summary_frame(1)["mean_se"] ** 2,
        forecast.var_pred_mean.xs("gdp", level=1)["gdp"],
    )
    for name in ("fittedvalues", "resid", "standardized_resid"):
        assert isinstance(getattr(two, name), pd.DataFrame)
        assert isinstance(getattr(one, name), pd.Series)
    assert isinstance(one.get_forecast(2).se_mean, pd.Series)
    frame = results(series(40)[0].to_frame())
    assert isinstance(frame.forecast(2), pd.DataFrame)


def test_simulation_is_reproducible_and_labelled():
    res = results(series(40, 2)[0])
    first, second = res.simulate(6, rng=3), res.simulate(6, rng=np.random.default_rng(3))
    pd.testing.assert_frame_equal(first, second)
    assert first.index.equals(res.model.endog.index[:6])
    ahead = res.simulate(6, anchor="end", repetitions=3, rng=3)
    assert ahead.index[0] == pd.Period("2000Q1", "Q")
    assert ahead.columns.names == ["output", "path"]
    assert ahead.shape == (6, 6)
    with pytest.raises(SpecificationError, match="diffuse start"):
        results(series(40)[0], initial="diffuse").simulate(5)
    with pytest.raises(SpecificationError, match="anchor"):
        res.simulate(5, anchor="middle")


def test_shared_noise_is_simulated_as_shared():
    """ARMA(1, 1) in innovations form: cov(y_t, y_{t+1}) = phi gamma_0 + theta sigma2."""
    system = StateSpace.from_arrays(
        design=[[1.0]], transition=[[0.5]], selection=[[0.9]], state_cov=[[2.0]], obs_cov=[[2.0]],
        cross_cov=[[2.0]], start="stationary",
    )  # fmt: skip
    paths = simulate_paths(system, 3, np.random.default_rng(0), repetitions=40_000)[:, :, 0]
    phi, theta = 0.5, 0.4
    gamma = 2.0 * (1 + 2 * phi * theta + theta**2) / (1 - phi**2)
    lag = phi * gamma + theta * 2.0
    assert np.var(paths[:, 2]) == pytest.approx(gamma, rel=4.5 * np.sqrt(2 / 40_000))
    assert np.cov(paths[:, 1], paths[:, 2])[0, 1] == pytest.approx(
        lag, abs=4.5 * np.sqrt((gamma**2 + lag**2) / 40_000)
    )


def test_moments_are_values():
    moments = Moments(np.zeros((1, 1)), np.zeros((1, 1, 1)))
    with pytest.raises(AttributeError):
        moments.mean = np.ones(1)


def test_delta_says_when_there_is_no_covariance():
    endog, _ = series(60, 1)
    none = LinearResults.from_fit(NoisyAR(endog), THETA, cov_type="none")
    with pytest.raises(SpecificationError, match="needs the covariance of the estimates"):
        none.get_forecast(2, uncertainty="delta")
    # a variance at zero has no curvature, and the filtered state hangs on it
    cov = np.full((4, 4), np.nan)
    cov[:2, :2] = np.eye(2) * 1e-3
    lost = CovarianceEstimate(cov, "oim", 2, 4, ("obs_cov[cpi,cpi]", "b_y[cpi]"), "")
    res = LinearResults.from_fit(NoisyAR(endog), THETA, covariance=lost)
    with pytest.warns(
        ConvergenceWarning, match=r"no standard error \(obs_cov\[cpi,cpi\], b_y"
    ) as told:
        forecast = res.get_forecast(2, uncertainty="delta")
    assert told[0].filename == __file__
    assert forecast.se_mean.isna().all()
    assert np.isfinite(res.get_forecast(2).se_mean).all()


def test_delta_takes_parameters_at_the_boundary_as_known():
    """A unit without noise of its own on an autoregression: half of all samples end there."""
    errors, y = np.random.default_rng(1).standard_normal(80), np.zeros(80)
    for t in range(1, 80):
        y[t] = 0.6 * y[t - 1] + errors[t]
    free = LinearRNN(y, k_states=1, form="leaky").fit()
    with pytest.warns(ConvergenceWarning, match="at the boundary"):
        assert free.covariance.unidentified == ("obs_cov[y,y]",)
    fixed = free.model.with_fixed({"obs_cov[y,y]": 0.0}).fit()
    forecast = free.get_forecast(3, uncertainty="delta")
    words = "delta given obs_cov[y,y], at the boundary"
    assert forecast.information_set.endswith(words)
    assert (forecast.se_mean > free.get_forecast(3).se_mean).all()
    # two fits of the same numbers, to the tolerance of an optimum
    near = {"rtol": 1e-6, "atol": 0}
    np.testing.assert_allclose(
        forecast.se_mean, fixed.get_forecast(3, uncertainty="delta").se_mean, **near
    )
    np.testing.assert_allclose(
        *(
            res.conditional_forecast(3, [np.nan, 1.0], uncertainty="delta").se_mean.iloc[[0, 2]]
            for res in (free, fixed)
        ),
        **near,
    )
    bands = free.impulse_responses(3, "y", bands="delta")
    np.testing.assert_allclose(
        bands.std_err, fixed.impulse_responses(3, "y", bands="delta").std_err, rtol=1e-5, atol=1e-12
    )
    assert "given obs_cov[y,y], at the boundary" in str(bands)
    assert free.delta_method("obs_cov[y,y]")["std err"].isna().all()


def test_simulated_noise_keeps_its_correlations_in_any_units():
    """Six outputs in units from 1e-8 to 1e7 times each other's: draws scale with the units."""
    rng = np.random.default_rng(0)
    root = rng.standard_normal((6, 6))
    units = 10.0 ** np.array([-8.0, 7.0, -3.0, 0.0, 5.0, -6.0])
    cov = root @ root.T * np.outer(units, units)
    system = StateSpace.from_arrays(
        design=np.eye(6), transition=0.0 * np.eye(6), state_cov=cov, start="stationary"
    )
    paths = simulate_paths(system, 1, np.random.default_rng(1), repetitions=20_000)[:, 0]
    found = paths.T @ paths / len(paths) / np.outer(units, units)
    # a covariance of 20,000 draws has a standard error below 2 % of the variances
    np.testing.assert_allclose(found, root @ root.T, atol=0.06 * np.max(np.diag(root @ root.T)))
