"""Variance of the mean of a series that depends on itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from statsmodels.stats.sandwich_covariance import S_hac_simple

from rnnstats.diagnostics.memory import long_run


def autoregression(rho: float, n: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(n)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise))


def test_quadratic_spectral_weights_are_those_of_the_paper():
    x = np.array([0.1, 0.5, 1.0, 2.3])
    z = 6 * np.pi * x / 5
    paper = 25 / (12 * np.pi**2 * x**2) * (np.sin(z) / z - np.cos(z))
    np.testing.assert_allclose(long_run.quadratic_spectral(x), paper, rtol=1e-12)
    near = 1e-2 * 5 / (6 * np.pi) * np.array([1 - 1e-9, 1 + 1e-9])
    # the closed form loses four digits where the series takes over
    np.testing.assert_allclose(*long_run.quadratic_spectral(near), atol=1e-11)
    assert long_run.quadratic_spectral(np.zeros(1))[0] == 1.0


def test_bandwidth_is_that_of_the_paper():
    values = autoregression(0.5, 400, seed=1)
    centred = values - values.mean()
    rho = centred[1:] @ centred[:-1] / (centred @ centred)
    alpha = 4 * rho**2 / (1 - rho) ** 4
    paper = 1.3221 * (alpha * 400) ** 0.2
    assert long_run.andrews_bandwidth(values) == pytest.approx(paper, rel=1e-12)
    assert long_run.andrews_bandwidth(np.ones(50)) == 0.0


@pytest.mark.crosspkg
def test_long_run_variance_is_that_of_statsmodels():
    values = autoregression(0.6, 150, seed=2)
    bandwidth = long_run.andrews_bandwidth(values)
    centred = (values - values.mean())[:, None]

    def weights(lags: int) -> np.ndarray:
        return long_run.quadratic_spectral(np.arange(lags + 1) / bandwidth)

    theirs = S_hac_simple(centred, nlags=149, weights_func=weights)[0, 0] / 150
    # Fourier transform against sums: rounding
    assert long_run.long_run_variance(values, bandwidth) == pytest.approx(theirs, rel=1e-10)


def test_without_a_bandwidth_the_variance_is_that_of_the_numbers():
    values = autoregression(0.0, 100, seed=3)
    assert long_run.long_run_variance(values, 0.0) == pytest.approx(values.var(), rel=1e-12)


@pytest.mark.parametrize("means", [long_run.kernel_mean, long_run.batch_means])
def test_both_errors_know_the_long_run_variance(means):
    """AR(1) with rho = 0.5: variance of the mean 1 / (1 - rho)^2 / n."""
    errors = [means(autoregression(0.5, 20_000, seed)).error for seed in range(8)]
    truth = 2.0 / np.sqrt(20_000)
    # eight estimates with about 140 batches each: 2 % noise, 1 % bias of the batches
    assert np.mean(errors) == pytest.approx(truth, rel=0.06)


def by_hand(values: np.ndarray, size: int) -> float:
    """Batch means of a length, the last rows first."""
    ends = range(len(values), size - 1, -size)
    means = np.array([values[end - size : end].mean() for end in ends])
    return float(np.sqrt(size * means.var(ddof=1) / len(values)))


def test_short_series_have_batches_of_the_root_of_their_length():
    values = autoregression(0.7, 900, seed=5)
    found = long_run.batch_means(values)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.error == pytest.approx(by_hand(values, 30), rel=1e-12)


def test_batches_are_as_long_as_numbers_are_known_to_depend():
    values = autoregression(0.7, 900, seed=5)
    assert long_run.batch_means(values, 29) == long_run.batch_means(values)
    assert long_run.batch_means(values, 70).error == pytest.approx(by_hand(values, 70), rel=1e-12)
    assert np.isfinite(long_run.batch_means(values, 225).error)
    assert np.isnan(long_run.batch_means(values, 226).error)  # fewer than four


def test_batches_grow_where_numbers_turn_back():
    """Differences of noise: the variance of a batch's mean falls with its squared length."""
    noise = np.random.default_rng(6).standard_normal(10_001)
    values = np.diff(noise)
    assert long_run.batch_size(values) == 10_000 // 30
    assert long_run.batch_means(values).error < 0.7 * by_hand(values, 100)
    assert long_run.batch_size(noise[1:]) < 200


@pytest.mark.parametrize("bandwidth", [0.0, 0.4, 3.0, 25.0])
def test_law_of_the_kernel_is_that_of_its_quadratic_form(bandwidth):
    """The matrix written out: traces of it and of its square."""
    n = 40
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    weights = np.eye(n) if not bandwidth else long_run.quadratic_spectral(lags / bandwidth)
    without = np.eye(n) - 1.0 / n
    form = without @ weights @ without / n
    share, df = long_run.kernel_law(n, bandwidth)
    assert share == pytest.approx(np.trace(form), rel=1e-12)
    assert df == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form), rel=1e-12)
    values = autoregression(0.0, n, seed=8)
    centred = values - values.mean()
    found = long_run.long_run_variance(values, bandwidth)
    assert found == pytest.approx(centred @ weights @ centred / n, rel=1e-12)


def test_law_of_the_kernel_at_its_limits():
    assert long_run.kernel_law(50, 0.0) == pytest.approx((49 / 50, 49.0), rel=1e-12)
    share, df = long_run.kernel_law(100_000, 100.0)
    # the kernel's integral is 5/4, that of its square 1; what is left out is of the order b^2
    assert share == pytest.approx(1.0 - 1.25e-3, abs=1e-5)
    assert df == pytest.approx(1000.0, rel=5e-3)


def test_batch_means_are_students():
    values = autoregression(0.7, 900, seed=5)
    assert long_run.batch_means(values).standard_error.df == 29.0
    assert long_run.batch_means(values, 70).standard_error.df == 11.0
    assert np.isnan(long_run.batch_means(values[:15]).standard_error.df)


@pytest.mark.parametrize("means", [long_run.kernel_mean, long_run.batch_means])
def test_ratios_follow_their_law(means):
    """Independent rows: the ratio's upper tail against the law that comes with it."""
    rng, beyond = np.random.default_rng(11), []
    for _ in range(4000):
        found = means(rng.standard_normal(40))
        error = found.standard_error
        beyond.append(error.two_sided(error.ratio(found.mean)) <= 0.05)
    # four binomial standard errors; the normal law rejects 10.7 % by batches of six
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.014)


@pytest.mark.parametrize("means", [long_run.kernel_mean, long_run.batch_means])
def test_too_little_says_nothing(means):
    assert np.isnan(means(np.arange(15.0)).error)
    assert np.isnan(means(np.array([*np.arange(20.0), -np.inf])).error)
