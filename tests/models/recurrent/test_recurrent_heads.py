"""Laws of the outputs: distribution functions, quantiles, draws, information."""

from __future__ import annotations

import numpy as np
import pytest
from models.recurrent import recurrent_cases as cases
from scipy import stats

from rnnstats.models.nonlinear import ElmanRNN
from rnnstats.models.recurrent.heads import make_head
from rnnstats.models.recurrent.heads.dispersion import dispersion_information
from rnnstats.models.recurrent.heads.factory import read_head

CONTINUOUS = ("gaussian", "student-t", "gamma")


def head_of(name: str, d: int = 2):
    levels = ("a", "b", "c") if name == "categorical" else None
    outputs = ("y",) if name == "categorical" else ("u", "v")[:d]
    return make_head(read_head(cases.argument(name), "test"), outputs, levels, "test")


def at(name: str, rows: int, seed: int = 0):
    """A head with readouts and own parameters."""
    head, rng = head_of(name), np.random.default_rng(seed)
    eta = rng.standard_normal((rows, head.k_eta))
    extra = rng.uniform(0.5, 3.0, len(head.names))
    if name == "gaussian":
        extra = np.array([2.0, 0.7, 1.0])
    if name == "student-t":
        extra[2:] = [3.5, 8.0]
    return head, eta, extra, rng


@pytest.mark.parametrize("name", cases.HEADS)
def test_quantiles_invert_distribution_functions(name: str) -> None:
    head, eta, extra, rng = at(name, 40)
    law = head.law(eta, extra)
    p = rng.uniform(0.001, 0.999, 40)
    for column in range(law.d):
        values = law.quantile(p, column)
        upper, lower = law.cdf(values, column), law.cdf_below(values, column)
        if name in CONTINUOUS:
            assert np.allclose(upper, p, atol=1e-12)
            assert np.allclose(lower, upper)
        else:
            assert (upper >= p - 1e-12).all() and (lower <= p + 1e-12).all()
    assert np.isnan(law.cdf(np.full(40, np.nan))).all()


@pytest.mark.parametrize("name", cases.HEADS)
def test_draws_have_the_moments_of_the_law(name: str) -> None:
    head, eta, extra, rng = at(name, 3)
    law = head.law(eta, extra)
    many = law.rows(np.repeat([1], 20_000))
    draws = many.sample(rng)
    assert draws.shape == (20_000, law.d)
    if name == "categorical":
        counts = np.bincount(draws[:, 0].astype(int), minlength=3)
        assert stats.chisquare(counts, law.probabilities[1] * 20_000).pvalue > 1e-3
        return
    spread = np.sqrt(np.diagonal(law.cov[1]) / 20_000)
    assert np.all(np.abs(draws.mean(axis=0) - law.mean[1]) < 4.5 * spread)
    assert np.allclose(np.cov(draws.T), law.cov[1], rtol=0.15, atol=0.15)
    lower, upper = many.rosenblatt(draws)
    uniform = lower + rng.random(lower.shape) * (upper - lower)
    for column in uniform.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("name", cases.HEADS)
def test_information_is_the_mean_square_of_slopes(name: str) -> None:
    head, eta, extra, rng = at(name, 2)
    rows = np.repeat([0, 1], 30_000)
    y = head.law(eta, extra).rows(rows).sample(rng)
    by_eta, by_extra = head.slopes(y, eta[rows], extra)
    curvature, own = head.information(y, eta[rows], extra)
    for i in (0, 1):
        some = by_eta[rows == i]
        mean = some.T @ some / len(some)
        spread = np.sqrt((some**2).T @ some**2) / len(some)
        assert np.all(np.abs(mean - curvature[i * 30_000]) < 4.5 * spread)
    outer, spread = by_extra.T @ by_extra, np.sqrt((by_extra**2).T @ by_extra**2)
    assert np.all(np.abs(outer - own) <= 4.5 * spread)
    cross = by_eta.T @ by_extra  # orthogonal
    assert np.all(np.abs(cross) <= 4.5 * np.sqrt((by_eta**2).T @ by_extra**2))


@pytest.mark.parametrize("name", cases.HEADS)
def test_missing_elements_count_nothing(name: str) -> None:
    head, eta, extra, rng = at(name, 6)
    y = head.law(eta, extra).sample(rng)
    y[[1, 4]] = np.nan
    logs = head.log_density(y, eta, extra)
    by_eta, by_extra = head.slopes(y, eta, extra)
    curvature, _ = head.information(y, eta, extra)
    assert not logs[[1, 4]].any() and not by_eta[[1, 4]].any() and not by_extra[[1, 4]].any()
    assert not curvature[[1, 4]].any()
    value, slope, own = head.bind(y).pull(eta, extra)
    assert value == pytest.approx(logs.sum(), rel=1e-13)
    assert np.allclose(slope, by_eta) and np.allclose(own, by_extra.sum(axis=0))
    assert head.bind(y).value(eta, extra) == pytest.approx(value, rel=1e-13)
    assert np.allclose(head.law(eta, extra).log_density(y), logs)
    lower, upper = head.law(eta, extra).rosenblatt(y)
    assert np.isnan(lower[1]).all() and np.isnan(upper[4]).all()
    assert np.isnan(head.working(y)[1]).all() and np.isfinite(head.working(y)[0]).all()


def test_partly_missing_normal_rows_are_marginal() -> None:
    head, eta, extra, rng = at("gaussian", 5)
    y = head.law(eta, extra).sample(rng)
    y[1, 0] = y[3, 1] = np.nan
    full = head.covariance(extra)
    found = head.log_density(y, eta, extra)
    assert found[1] == pytest.approx(stats.norm.logpdf(y[1, 1], eta[1, 1], np.sqrt(full[1, 1])))
    assert found[0] == pytest.approx(stats.multivariate_normal.logpdf(y[0], eta[0], full))
    lower, upper = head.law(eta, extra).rosenblatt(y)
    slope = full[1, 0] / full[0, 0]
    mean = eta[0, 1] + slope * (y[0, 0] - eta[0, 0])
    spread = np.sqrt(full[1, 1] - slope * full[1, 0])
    assert upper[0, 1] == pytest.approx(stats.norm.cdf(y[0, 1], mean, spread))
    assert np.array_equal(lower, upper, equal_nan=True)


@pytest.mark.parametrize("name", ["gaussian", "student-t", "negative-binomial", "gamma"])
def test_start_extra_is_where_the_slope_vanishes(name: str) -> None:
    head, eta, extra, rng = at(name, 300)
    y = head.law(eta, extra).sample(rng)
    y[::7, 0] = np.nan
    found = head.start_extra(y, eta)
    slope = head.bind(y).pull(eta, found)[2]
    spread = np.sqrt(np.diagonal(head.information(y, eta, found)[1]))
    assert np.abs(slope / spread).max() < 1e-3  # of a standard error


@pytest.mark.parametrize(("mean", "dispersion"), [(0.01, 1.0), (3.0, 0.5), (50.0, 0.2), (9e3, 0.3)])
def test_dispersion_information_is_the_sum_over_counts(mean: float, dispersion: float) -> None:
    # Lawless (1987), Canadian Journal of Statistics 15, eq. 2.7, by survival probabilities
    size = 1.0 / dispersion
    k = np.arange(400_000.0)
    tail = stats.nbinom.sf(k, size, size / (size + mean))
    exact = (np.sum(tail / (size + k) ** 2) - mean / (size * (size + mean))) / dispersion**4
    found = dispersion_information(np.array([np.log(mean)]), dispersion)[0]
    assert found == pytest.approx(exact, rel=1e-7)  # the sum's own cancellation


def test_dispersion_information_interpolates_and_reaches_poisson() -> None:
    eta = np.random.default_rng(0).normal(1.0, 2.0, 400)
    found = dispersion_information(eta, 0.4)
    alone = np.concatenate([dispersion_information(eta[i : i + 1], 0.4) for i in range(0, 400, 37)])
    assert np.allclose(found[::37], alone, rtol=1e-8)
    poisson = dispersion_information(np.log([7.0, 1e4]), 0.0)
    assert np.allclose(poisson, [24.5, 5e7], rtol=1e-8)  # half the squared mean
    assert np.isnan(dispersion_information(np.array([40.0, np.nan]), 0.4)).all()


def test_runaway_counts_are_drawn_without_failing() -> None:
    head, _, extra, rng = at("poisson", 1)
    draws = head.law(np.array([[60.0, 800.0]]), extra).sample(rng)
    assert draws[0, 0] == pytest.approx(np.exp(60.0), rel=1e-4) and draws[0, 1] == np.inf


def test_words_about_borders() -> None:
    y = np.random.default_rng(0).standard_t(5, (40, 1))
    model = ElmanRNN(y, k_hidden=1, head="student-t")
    theta = np.full(model.layout.k_params, 0.1)
    theta[model.param_names.index("df[y]")] = 1e6
    words = model.head.boundary(theta[model.chart.extra], np.ones(1))
    assert len(words) == 1 and words[0].startswith("df[y]") and "normal" in words[0]
    model = ElmanRNN(np.abs(y).round(), k_hidden=1, head="negative-binomial")
    words = model.head.boundary(np.array([0.0]), np.ones(1))
    assert "dispersion[y]" in words[0] and "Poisson" in words[0]
    joint = head_of("gaussian")
    assert "singular" in joint.boundary(np.array([1.0, 1.0, 1.0 + 1e-12]), np.ones(2))[0]
    assert "obs_cov[u,u]" in joint.boundary(np.array([1e-12, 0.0, 1.0]), np.ones(2))[0]
    assert joint.boundary(np.array([1.0, 0.3, 1.0]), np.ones(2)) == ()
