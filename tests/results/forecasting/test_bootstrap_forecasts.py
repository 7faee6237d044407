"""Forecasts whose intervals count the estimation of the parameters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import series
from scipy import stats

from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.estimation.bootstrap import Refit
from rnnstats.models.linear import LinearRNN
from rnnstats.results.forecasting.calibration import _corrected
from rnnstats.results.forecasting.prediction import Moments, Prediction
from rnnstats.results.forecasting.predictive import Mixture
from rnnstats.results.linear import LinearResults

NOBS = 12


@pytest.mark.parametrize("trend", ["n", "c"])
def test_white_noise_has_its_exact_t_interval(trend):
    """Independent rows: the root (y_{n+1} - mean) / sd is Student's t, whatever the parameters.

    With known mean, sd**2 = sum y**2 / n: t with n degrees of freedom. With estimated mean and
    sd**2 the mean square: t with n - 1, times sqrt((1 + 1 / n) n / (n - 1)).
    """
    y = np.random.default_rng(3).standard_normal(NOBS) * 2.0 + 1.0
    model = LinearRNN(y, form="observed", trend=trend, fixed={"W_h[h1,h1]": 0.0})
    res = model.fit()
    draws = 1200
    forecast = res.get_forecast(2, uncertainty="bootstrap", nboot=draws, rng=1)
    mean, sd = (y.mean(), y.std()) if trend == "c" else (0.0, np.sqrt((y**2).mean()))
    free, stretch = NOBS, 1.0
    if trend == "c":
        free, stretch = NOBS - 1, np.sqrt((1 + 1 / NOBS) * NOBS / (NOBS - 1))
    for share in (0.01, 0.025, 0.5, 0.9, 0.975):
        exact = mean + sd * stretch * stats.t.ppf(share, free)
        # each draw adds the share below this point in its own normal distribution: the share found
        # has a standard error of at most 0.5 / sqrt(draws); four of them, in units of y
        near = stats.t.pdf(stats.t.ppf(share, free), free) / (sd * stretch)
        error = 4 * min(0.5, 2 * share, 2 * (1 - share)) / np.sqrt(draws) / near
        assert np.abs(forecast.quantile(share) - exact).max() < error, share
    variance = (sd * stretch) ** 2 * free / (free - 2)
    # of a mean of 1200 squares of t, which have a relative deviation of less than 2
    np.testing.assert_allclose(forecast.var_pred_mean, variance, rtol=8 / np.sqrt(draws))
    # and the normal intervals are not these
    plugin = res.get_forecast(2).conf_int().to_numpy()
    wide = forecast.conf_int().to_numpy()
    assert (np.diff(wide) > 1.08 * np.diff(plugin)).all()


def test_resampled_errors_give_their_own_quantiles():
    """Errors of three values, one of them rare: the forecast's distribution is as skewed."""
    rng = np.random.default_rng(0)
    y = rng.choice([-0.5, 0.0, 6.0], p=[0.5, 0.4, 0.1], size=300)
    res = LinearRNN(y, form="observed", fixed={"W_h[h1,h1]": 0.0}).fit()
    forecast = res.get_forecast(1, uncertainty="bootstrap", kind="innovations", nboot=80)
    ends = forecast.conf_int(0.1).iloc[0]
    assert abs(ends.iloc[0] + 0.5) < 0.2
    assert abs(ends.iloc[1] - 6.0) < 0.6
    normal = res.get_forecast(1, uncertainty="bootstrap", nboot=80).conf_int(0.1).iloc[0]
    assert normal.iloc[0] < -1.5


@pytest.mark.parametrize("gaps", [(), ((5, 0), (58, 1), (59, 0), (59, 1))])
def test_labels_and_order_with_inputs_and_gaps(gaps):
    endog, exog = series(60, 2, 1, gaps=gaps)
    res = LinearRNN(endog, exog, k_states=2, exog_enters="output").fit()
    later = np.ones((3, 1))
    plugin = res.get_forecast(3, later)
    forecast = res.get_forecast(3, later, uncertainty="bootstrap", nboot=30)
    pd.testing.assert_frame_equal(forecast.predicted_mean, plugin.predicted_mean)
    pd.testing.assert_index_equal(forecast.row_labels, plugin.row_labels)
    assert list(forecast.conf_int().columns) == list(plugin.conf_int().columns)
    assert forecast.information_set.endswith("parameter uncertainty: bootstrap, 30 draws")
    assert (forecast.se_mean > plugin.se_mean).all().all()
    frame = forecast.summary_frame("gdp", alpha=0.1)
    ends = forecast.conf_int(0.1)
    np.testing.assert_array_equal(frame["mean_ci_lower"], ends["lower gdp"])
    np.testing.assert_array_equal(frame["mean_ci_upper"], ends["upper gdp"])
    cov = forecast.var_pred_mean.to_numpy().reshape(3, 2, 2)
    np.testing.assert_allclose(cov, cov.transpose(0, 2, 1), rtol=1e-12)
    assert (np.linalg.eigvalsh(cov) > 0).all()
    order = [forecast.quantile(q).to_numpy() for q in (0.05, 0.5, 0.95)]
    assert (np.diff(order, axis=0) > 0).all()
    np.testing.assert_allclose(order[0], ends[["lower cpi", "lower gdp"]])
    # far inputs make the coefficient's error count for more
    far = res.get_forecast(3, 10 * later, uncertainty="bootstrap", nboot=30)
    assert (far.se_mean > forecast.se_mean).all().all()


def test_options_belong_to_the_bootstrap():
    res = LinearRNN(series(40)[0], form="observed").fit()
    with pytest.raises(SpecificationError, match="nboot is an option of uncertainty='bootstrap'"):
        res.get_forecast(2, nboot=50)
    with pytest.raises(SpecificationError, match=r"got 'nboots'\. Did you mean 'nboot'"):
        res.get_forecast(2, uncertainty="bootstrap", nboots=50)
    with pytest.raises(SpecificationError, match="nboot must be at least 20"):
        res.get_forecast(2, uncertainty="bootstrap", nboot=5)
    with pytest.raises(SpecificationError, match="kind must be one of"):
        res.get_forecast(2, uncertainty="bootstrap", kind="wild")
    with pytest.raises(SpecificationError, match="get_forecast: samples must be ones"):
        res.extend([1.0]).get_forecast(2, uncertainty="bootstrap")


def test_the_picture_shows_these_intervals():
    import matplotlib.pyplot as plt

    res = LinearRNN(series(40)[0], form="observed").fit()
    fig = res.plot_forecast(4, uncertainty="bootstrap", nboot=40, rng=2)
    ends = res.get_forecast(4, uncertainty="bootstrap", nboot=40, rng=2).conf_int()
    band = np.concatenate(
        [path.vertices for c in fig.axes[0].collections for path in c.get_paths()]
    )
    for value in ends.iloc[-1]:
        assert np.isclose(band[:, 1], value, rtol=1e-9).any()
    plt.close(fig)


class Fails:
    """Fits no sample, or only every third."""

    def __init__(self, refit, every):
        self.refit, self.every, self.calls = refit, every, 0

    def on(self, values):
        return self.refit.on(values)

    def __call__(self, values):
        self.calls += 1
        lucky = self.every and self.calls % self.every == 0
        return self.refit(values) if lucky else Refit(None, "no luck.")


def test_a_failing_model_says_so(monkeypatch):
    res = LinearRNN(series(40)[0], form="observed").fit()
    own = LinearRNN._refitter
    monkeypatch.setattr(LinearRNN, "_refitter", lambda m, theta: Fails(own(m, theta), 0))
    with pytest.raises(DataError, match=r"at least 20 fits .* got 0 of 25, .* no luck\. Use"):
        res.get_forecast(1, uncertainty="bootstrap", nboot=25)
    with pytest.raises(DataError, match=r"bootstrap: at least two fits must succeed; got 0 of 3"):
        res.bootstrap(3)
    monkeypatch.setattr(LinearRNN, "_refitter", lambda m, theta: Fails(own(m, theta), 3))
    with pytest.warns(ConvergenceWarning, match=r"40 of 60 fits of drawn samples failed"):
        forecast = res.get_forecast(1, uncertainty="bootstrap", nboot=60)
    assert forecast.conf_int().notna().all().all()
    with pytest.warns(ConvergenceWarning, match=r"bootstrap: 6 of 9 fits .* left out, the first"):
        assert len(res.bootstrap(9).failed) == 6


def test_a_correction_of_bias_stops_where_nothing_supports_it():
    res = LinearResults.from_fit(LinearRNN(series(80)[0], form="observed"), [0.9, 2.0, 1.0])
    theta = res.model.fit().params.to_numpy()
    small = np.array([-0.01, 0.0, -0.01])
    np.testing.assert_allclose(_corrected(res.model, theta, small), theta - small)
    for large in ([-0.6, 0.0, 0.0], [0.0, 50.0, 0.0], [0.0, 0.0, 3.0]):
        bias = np.array(large)
        moved = _corrected(res.model, theta, bias)
        share = float((theta - moved) @ bias / (bias @ bias))
        assert 0.0 <= share < 1.0
        assert res.model.loglike(moved) >= res.model.loglike(theta) - 1.5
        assert abs(moved[0]) < 0.995


def test_a_mixture_is_inverted_to_rounding():
    rng = np.random.default_rng(0)
    mixture = Mixture(rng.normal(size=(50, 2, 3)), rng.uniform(0.1, 3.0, size=(50, 2, 3)))
    for share in (0.001, 0.3, 0.975):
        value = mixture.quantile(share)
        back = stats.norm.cdf((value - mixture.centre) / mixture.spread).mean(axis=0)
        np.testing.assert_allclose(back, share, rtol=1e-9)
    points = Mixture(mixture.centre, np.zeros_like(mixture.spread))
    np.testing.assert_array_equal(points.quantile(0.3), np.quantile(mixture.centre, 0.3, axis=0))
    one = Prediction(
        Moments(np.zeros((2, 1)), np.ones((2, 1, 1))), pd.RangeIndex(2), ("y",), True, "x"
    )
    np.testing.assert_allclose(one.quantile(0.975), 1.959963984540054)
    assert one.quantile(0.9).name == "quantile"
    with pytest.raises(SpecificationError, match="share"):
        one.quantile(0.0)
