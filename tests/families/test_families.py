"""Densities, slopes, distribution functions, draws and M-steps of the families."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rnnstats.errors import DataError
from rnnstats.families import negative_binomial
from rnnstats.families.base import ScalarFamily
from rnnstats.families.binomial import Binomial
from rnnstats.families.gamma import Gamma
from rnnstats.families.gaussian import Gaussian
from rnnstats.families.negative_binomial import NegativeBinomial
from rnnstats.families.poisson import Poisson
from rnnstats.families.special import (
    log1p_excess,
    log1p_share,
    log_minus_digamma,
    rising,
    rising_slope,
)
from rnnstats.families.steps import climb
from rnnstats.families.student_t import StudentT

# name -> family, eta (1, K), extra (m, K), the same law of scipy given column k
ETA = np.array([[-1.3, 0.2, 1.1]])
LAWS: dict[str, tuple[ScalarFamily, np.ndarray, Callable[[float, np.ndarray], Any]]] = {
    "gaussian": (
        Gaussian(),
        np.array([[0.4, 1.0, 2.5]]),
        lambda eta, extra: stats.norm(eta, np.sqrt(extra[0])),
    ),
    "student-t": (
        StudentT(),
        np.array([[0.4, 1.0, 2.5], [2.5, 6.0, 45.0]]),
        lambda eta, extra: stats.t(extra[1], eta, np.sqrt(extra[0])),
    ),
    "poisson": (Poisson(), np.zeros((0, 3)), lambda eta, extra: stats.poisson(np.exp(eta))),
    "negative-binomial": (
        NegativeBinomial(),
        np.array([[0.02, 0.4, 3.0]]),
        lambda eta, extra: stats.nbinom(1 / extra[0], 1 / (1 + extra[0] * np.exp(eta))),
    ),
    "bernoulli": (Binomial(1), np.zeros((0, 3)), lambda eta, extra: stats.bernoulli(_expit(eta))),
    "binomial": (Binomial(9), np.zeros((0, 3)), lambda eta, extra: stats.binom(9, _expit(eta))),
    "gamma": (
        Gamma(),
        np.array([[0.6, 3.0, 40.0]]),
        lambda eta, extra: stats.gamma(extra[0], scale=np.exp(eta) / extra[0]),
    ),
}
every = pytest.mark.parametrize("name", LAWS)


def _expit(eta: float) -> float:
    return 1.0 / (1.0 + math.exp(-eta))


def _draws(name: str, n: int = 60) -> np.ndarray:
    family, extra, _ = LAWS[name]
    rng = np.random.default_rng(5)
    states = rng.integers(3, size=n)
    return family.sample(ETA[0, states], extra[:, states], rng)


@every
def test_density_is_scipys(name):
    family, extra, law = LAWS[name]
    y = _draws(name)
    found = family.log_density(y, ETA, extra)
    for k in range(3):
        rival = law(ETA[0, k], extra[:, k])
        log = rival.logpmf(y) if family.discrete else rival.logpdf(y)
        # scipy's own log densities go through gamma functions of 1/dispersion = 50: 1e-12
        np.testing.assert_allclose(found[:, k], log, rtol=1e-11, atol=1e-11)


@every
def test_mean_variance_and_distribution_function_are_scipys(name):
    family, extra, law = LAWS[name]
    y = _draws(name)
    mean, variance = family.mean(ETA, extra), family.variance(ETA, extra)
    upper, lower = family.cdf(y, ETA, extra), family.cdf_below(y, ETA, extra)
    for k in range(3):
        rival = law(ETA[0, k], extra[:, k])
        np.testing.assert_allclose([mean[0, k], variance[0, k]], rival.stats(), rtol=1e-12)
        np.testing.assert_allclose(upper[:, k], rival.cdf(y), rtol=1e-9, atol=1e-14)
        before = rival.cdf(y - 1) if family.discrete else rival.cdf(y)
        np.testing.assert_allclose(lower[:, k], before, rtol=1e-9, atol=1e-14)


@every
def test_distribution_function_between_and_outside_the_support(name):
    family, extra, _ = LAWS[name]
    y = np.array([-1e9, 2.5, 1e9, np.nan])
    upper, lower = family.cdf(y, ETA, extra), family.cdf_below(y, ETA, extra)
    assert np.isnan(upper[3]).all() and np.isnan(lower[3]).all()
    np.testing.assert_allclose(upper[0], 0.0, atol=1e-20 if name != "student-t" else 1e-15)
    np.testing.assert_allclose(upper[2], 1.0, rtol=1e-9)
    if family.discrete:  # P(Y < 2.5) = P(Y <= 2.5) = P(Y <= 2)
        np.testing.assert_array_equal(upper[1], lower[1])
        np.testing.assert_array_equal(upper[1], family.cdf(np.array([2.0]), ETA, extra)[0])


@pytest.mark.parametrize(
    ("name", "y"),
    [
        ("poisson", [1.5, -1.0, -7.0, np.inf]),
        ("negative-binomial", [1.5, -1.0, -7.0, np.inf]),
        ("bernoulli", [0.5, -1.0, 2.0]),
        ("binomial", [1.5, -1.0, 10.0]),
        ("gamma", [0.0, -1.0, np.inf]),
    ],
)
def test_what_is_outside_the_support_has_density_zero(name, y):
    family, extra, _ = LAWS[name]
    inside = [1.0] * 40  # counts are looked up in a table where there are many rows
    for rows in (y, [*y, *inside]):
        found = family.log_density(np.array(rows), ETA, extra)
        assert (found[: len(y)] == -np.inf).all()
        assert np.isfinite(found[len(y) :]).all()


@every
def test_slopes_are_central_differences(name):
    family, extra, _ = LAWS[name]
    y = np.append(_draws(name, 25), np.nan)
    by_eta, by_extra = family.slopes(y, ETA, extra)
    step = 1e-5  # error of a central difference: step^2 + rounding / step, below 1e-8 here
    up, down = (family.log_density(y, ETA + s, extra) for s in (step, -step))
    np.testing.assert_allclose(by_eta, (up - down) / (2 * step), rtol=2e-7, atol=2e-8)
    for row, slope in enumerate(by_extra):
        moved = np.zeros_like(extra)
        moved[row] = step * extra[row]
        up, down = (family.log_density(y, ETA, extra + s * moved) for s in (1, -1))
        central = (up - down) / (2 * moved[row])
        np.testing.assert_allclose(slope, central, rtol=2e-6, atol=2e-7)
    assert (by_eta[-1] == 0.0).all() and (by_extra[:, -1] == 0.0).all()


@every
def test_missing_counts_for_nothing(name):
    family, extra, _ = LAWS[name]
    y = np.array([np.nan, 1.0])
    assert (family.log_density(y, ETA, extra)[0] == 0.0).all()
    assert (family.weight(y, ETA, extra)[0] == 0.0).all()
    assert (family.step_weight(y, ETA, extra)[0] == 0.0).all()
    assert (family.information(y, ETA, extra)[:, :, 0] == 0.0).all()
    assert (family.weight(y, ETA, extra)[1] > 0.0).all()


@every
def test_information_is_the_variance_of_the_slopes(name):
    family, extra, _ = LAWS[name]
    rng = np.random.default_rng(11)
    n = 200_000
    for k in range(3):
        wide = np.full(n, ETA[0, k])
        y = family.sample(wide, np.repeat(extra[:, k : k + 1], n, axis=1), rng)
        column, further = ETA[:, k : k + 1], extra[:, k : k + 1]
        by_eta, by_extra = family.slopes(y, column, further)
        told = family.weight(y[:1], column, further)[0, 0]
        # the mean of n squares: 4 standard errors
        error = 4.0 * np.std(by_eta**2) / math.sqrt(n)
        assert abs(np.mean(by_eta**2) - told) < error
        assert abs(np.mean(by_eta)) < 4.0 * np.std(by_eta) / math.sqrt(n)
        information = family.information(y, column, further)[:, :, :, 0].mean(axis=2)
        for i in range(len(extra)):
            for j in range(len(extra)):
                product = by_extra[i, :, 0] * by_extra[j, :, 0]
                error = 4.0 * np.std(product) / math.sqrt(n)
                assert abs(np.mean(product) - information[i, j]) < error
            crossed = by_extra[i, :, 0] * by_eta[:, 0]  # location and the rest are orthogonal
            assert abs(np.mean(crossed)) < 4.0 * np.std(crossed) / math.sqrt(n)


@every
def test_draws_have_the_distribution(name):
    family, extra, _ = LAWS[name]
    rng = np.random.default_rng(3)
    n = 4000
    for k in range(3):
        y = family.sample(np.full(n, ETA[0, k]), np.repeat(extra[:, k : k + 1], n, axis=1), rng)
        column, further = ETA[:, k : k + 1], extra[:, k : k + 1]
        upper = family.cdf(y, column, further)[:, 0]
        lower = family.cdf_below(y, column, further)[:, 0]
        uniform = lower + (upper - lower) * rng.random(n)
        assert stats.kstest(uniform, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("name", ["gaussian", "student-t", "negative-binomial", "gamma"])
def test_extras_climb_to_where_the_slope_is_zero(name, common):
    family, extra, _ = LAWS[name]
    y = np.append(_draws(name, 400), np.nan)
    weights = np.random.default_rng(1).dirichlet(np.ones(3), len(y))
    start = np.repeat(extra.mean(axis=1, keepdims=True), 3, axis=1)

    def height(at: np.ndarray) -> float:
        return float((weights * family.log_density(y, ETA, at)).sum())

    held, before = start, height(start)
    for _ in range(60 if name == "student-t" else 1):
        held = family.fit_extra(y, ETA, weights, held, common=common)
        assert height(held) >= before - 1e-9 * abs(before)
        before = height(held)
    slopes = (weights * family.slopes(y, ETA, held)[1]).sum(axis=1) * held
    slopes = slopes.sum(axis=1) if common else slopes
    inside = held[:, 0] < 1e5 if common else held < 1e5  # degrees of freedom may run to the end
    np.testing.assert_allclose(np.where(inside, slopes, 0.0), 0.0, atol=1e-5)
    assert inside.any()
    if common:
        assert (np.ptp(held, axis=1) == 0.0).all()


@pytest.mark.parametrize("name", ["gaussian", "student-t", "gamma"])
def test_extras_stop_at_the_floor_and_stay_without_weight(name):
    family, extra, _ = LAWS[name]
    y = np.full(20, 1.5)
    eta = family.linked(np.full((1, 3), 1.5))
    weights = np.ones((20, 3))
    weights[:, 2] = 0.0
    held = family.fit_extra(y, eta, weights, extra, common=False, floor=0.01)
    scale = family.scale(held)
    np.testing.assert_allclose(scale[:2], 0.1, rtol=1e-12)
    np.testing.assert_array_equal(held[:, 2], extra[:, 2])


def test_dispersion_of_counts_that_are_not_overdispersed_is_zero():
    family = NegativeBinomial()
    y = np.array([2.0, 3.0, 2.0, 3.0, 2.0, 3.0])
    held = family.fit_extra(y, np.log([[2.5]]), np.ones((6, 1)), np.array([[0.5]]), common=False)
    assert held[0, 0] == 0.0
    again = family.fit_extra(y, np.log([[2.5]]), np.ones((6, 1)), held, common=False)
    assert again[0, 0] == 0.0
    spread = np.array([0.0, 9.0, 0.0, 6.0, 0.0, 0.0])
    freed = family.fit_extra(spread, np.log([[2.5]]), np.ones((6, 1)), held, common=False)
    assert freed[0, 0] > 0.1


@pytest.mark.parametrize("top", [8, 4000])
def test_counts_looked_up_are_those_computed_row_by_row(top, monkeypatch):
    """Density and slopes at a constant predictor: the same as with the predictor in every row."""
    family, rng = NegativeBinomial(), np.random.default_rng(3)
    y = rng.integers(0, top, size=90).astype(float)
    y[[4, 50]] = np.nan
    eta, extra = np.array([[-1.0, 2.0, 4.0]]), np.array([[0.0, 0.05, 2.0]])
    wide = np.repeat(eta, len(y), axis=0)
    heights = []
    whole = negative_binomial._log_mass

    def spied(counts, *others):
        heights.append(len(counts))
        return whole(counts, *others)

    monkeypatch.setattr(negative_binomial, "_log_mass", spied)
    np.testing.assert_array_equal(
        family.log_density(y, eta, extra), family.log_density(y, wide, extra)
    )
    for narrow, plain in zip(
        family.slopes(y, eta, extra), family.slopes(y, wide, extra), strict=True
    ):
        np.testing.assert_array_equal(narrow, plain)
    assert heights == [8 if top == 8 else 90, 90]
    weights = rng.dirichlet(np.ones(3), len(y))
    for common in (False, True):  # sums in another order, a climb to 1e-8
        np.testing.assert_allclose(
            family.fit_extra(y, eta, weights, extra, common=common),
            family.fit_extra(y, wide, weights, extra, common=common),
            rtol=1e-7,
        )


def test_dispersion_zero_is_poisson():
    y = np.array([0.0, 1.0, 7.0, 400.0])
    eta = np.array([[-2.0, 0.5, 5.9]])
    zero, tiny = np.zeros((1, 3)), np.full((1, 3), 1e-13)
    family = NegativeBinomial()
    exact = Poisson().log_density(y, eta, np.zeros((0, 3)))
    np.testing.assert_allclose(family.log_density(y, eta, zero), exact, rtol=1e-14)
    # the densities differ by dispersion * ((y - m)^2 - y) / 2, at most 1e-13 * 8e4
    np.testing.assert_allclose(family.log_density(y, eta, tiny), exact, rtol=1e-12, atol=1e-8)
    slope = family.slopes(y, eta, zero)[1][0]
    mean = np.exp(eta)
    np.testing.assert_allclose(slope, 0.5 * ((y[:, None] - mean) ** 2 - y[:, None]), rtol=1e-9)
    np.testing.assert_allclose(family.cdf(y, eta, zero), Poisson().cdf(y, eta, zero), rtol=1e-14)


@given(st.integers(0, 400), st.floats(0.0, 30.0))
def test_rising_is_the_sum_it_stands_for(y, a):
    j = np.arange(y)
    exact = math.fsum(np.log1p(a * j))
    slope = math.fsum(j / (1.0 + a * j))
    count, at = np.array(float(y)), np.array(a)
    # gamma functions of up to 410 are of size 2000: 1e-12 of that
    np.testing.assert_allclose(rising(count, at), exact, rtol=1e-12, atol=2e-12)
    np.testing.assert_allclose(rising_slope(count, at), slope, rtol=1e-11, atol=1e-11)


@given(st.floats(-0.9, 1e6))
def test_remainders_of_the_logarithm(x):
    at = np.array(x)
    share, excess = log1p_share(at), log1p_excess(at)
    # x - log1p(x) = x^2 * excess; the difference itself is rounded in units of x
    rest = at - at * at * excess
    np.testing.assert_allclose(rest, np.log1p(at), rtol=1e-14, atol=1e-15 * abs(x))
    np.testing.assert_allclose(at * share, np.log1p(at), rtol=1e-15)
    series = 0.5 - x / 3 + x * x / 4 - x**3 / 5
    if abs(x) < 1e-4:
        np.testing.assert_allclose(excess, series, rtol=1e-15)


@given(st.floats(1e-3, 1e12))
def test_log_less_digamma_lies_between_its_bounds(x):
    found = float(log_minus_digamma(np.array(x)))  # Alzer (1997): between 1/(2x) and 1/x
    assert 0.5 / x < found < 1.0 / x


@every
def test_densities_far_below_the_smallest_number_keep_their_logarithm(name):
    family, extra, _ = LAWS[name]
    far = {"gaussian": 1e4, "student-t": 1e200, "poisson": 1e4, "negative-binomial": 1e5,
           "bernoulli": 1.0, "binomial": 9.0, "gamma": 1e5}[name]  # fmt: skip
    eta = np.full((1, 3), -2000.0) if family.link == "logit" else ETA
    log = family.log_density(np.array([far]), eta, extra)
    assert np.isfinite(log).all() and (log < -700.0).any()


@pytest.mark.parametrize("eta", [-1e4, -740.0, 740.0, 1e4])
@pytest.mark.parametrize("name", ["poisson", "negative-binomial", "bernoulli", "binomial"])
def test_extreme_predictors_do_not_overflow(name, eta):
    family, extra, _ = LAWS[name]
    y = np.array([0.0, 1.0])
    line = np.full((1, 3), eta)
    log = family.log_density(y, line, extra)
    by_eta, by_extra = family.slopes(y, line, extra)
    assert not np.isnan(log).any() and (log <= 0.0).all()
    assert not np.isnan(by_eta).any() and not np.isnan(by_extra).any()
    if name != "poisson" or eta < 0:
        assert np.isfinite(log).all()
    if name == "negative-binomial" and eta > 0:  # -log(1 + a m)/a + y(...): linear in eta
        expected = -(eta + np.log(extra[0])) / extra[0]
        np.testing.assert_allclose(log[0], expected, rtol=1e-12)
        np.testing.assert_allclose(by_eta[0], -1.0 / extra[0], rtol=1e-12)


@pytest.mark.parametrize(("family", "value", "y"), [
    (Poisson(), 0.0, [0.0, 2.0]), (Binomial(1), 0.0, [0.0, 1.0]), (Binomial(1), 1.0, [1.0, 0.0]),
    (Binomial(4), 1.0, [4.0, 3.0]), (NegativeBinomial(), 0.0, [0.0, 1.0]),
])  # fmt: skip
def test_border_of_the_mean_is_exact(family, value, y):
    extra = np.full((len(family.extras), 1), 0.5)
    eta = family.linked(np.array([[value]]))
    log = family.log_density(np.array(y), eta, extra)
    np.testing.assert_array_equal(log[:, 0], [0.0, -np.inf])
    slope = family.natural_slope(np.array(y), np.array([[value]]), extra)
    assert np.isfinite(slope[0]).all()


@pytest.mark.parametrize("name", ["poisson", "negative-binomial", "bernoulli", "binomial", "gamma"])
def test_slope_by_the_mean_is_the_chain_rule(name):
    family, extra, _ = LAWS[name]
    y = _draws(name, 30)
    value = family.mean(ETA, extra) / family.unit
    np.testing.assert_allclose(family.linked(value), ETA, rtol=1e-12, atol=1e-12)
    step = 1e-6
    slope = (family.linked(value + step) - family.linked(value - step)) / (2 * step)
    chained = family.slopes(y, ETA, extra)[0] * slope
    np.testing.assert_allclose(family.natural_slope(y, value, extra), chained, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "bad"), [
    ("gaussian", np.inf), ("student-t", -np.inf), ("poisson", -1.0), ("poisson", 1.5),
    ("negative-binomial", 0.5), ("bernoulli", 2.0), ("binomial", 10.0), ("gamma", 0.0),
])  # fmt: skip
def test_what_is_outside_the_support_is_named(name, bad):
    family = LAWS[name][0]
    y = np.array([1.0, np.nan, bad])
    with pytest.raises(DataError, match=r"Model: column 'y' of endog must hold .* in row 2\. "):
        family.check(y, column="y", caller="Model")
    family.check(y[:2], column="y", caller="Model")


def test_students_t_goes_over_into_the_normal():
    y = np.array([-3.0, 0.1, 5.0])
    eta = np.zeros((1, 1))
    near = StudentT().log_density(y, eta, np.array([[1.3], [1e9]]))
    exact = Gaussian().log_density(y, eta, np.array([[1.3]]))
    # they differ by (z^4 - 2 z^2 - 1) / (4 df), z^2 <= 19.3: below 1e-7
    np.testing.assert_allclose(near, exact, atol=2e-7)


def test_few_degrees_of_freedom_have_no_mean_and_no_variance():
    family, eta = StudentT(), np.zeros((1, 3))
    extra = np.array([[1.0, 1.0, 1.0], [0.9, 1.5, 3.0]])
    np.testing.assert_array_equal(family.mean(eta, extra), [[np.nan, 0.0, 0.0]])
    np.testing.assert_array_equal(family.variance(eta, extra), [[np.nan, np.inf, 3.0]])


def test_climb_stops_at_the_first_top_or_the_end():
    assert climb(lambda x: 2.0 - x, 0.0, lo=-5.0, hi=5.0) == pytest.approx(2.0, abs=1e-12)
    assert climb(lambda x: 1.0, 0.0, lo=-5.0, hi=5.0) == 5.0
    assert climb(lambda x: -1.0, 0.0, lo=-5.0, hi=5.0) == -5.0
    assert climb(lambda x: 0.0, 9.0, lo=-5.0, hi=5.0) == 5.0


def test_climb_stops_where_the_derivative_is_lost():
    # a derivative that underflows keeps its sign until it is zero: no root to bracket before
    tiny = 1e-200
    assert climb(lambda x: tiny if x < 3.0 else 0.0, 0.0, lo=-5.0, hi=5.0) <= 5.0
    assert climb(lambda x: tiny * (2.0 - x), 0.0, lo=-5.0, hi=5.0) == pytest.approx(2.0, abs=1e-12)
    assert climb(lambda x: 1.0 if x < 1.0 else np.nan, 0.0, lo=-5.0, hi=5.0) < 1.0


@given(st.floats(0.05, 1e6))
def test_slope_by_degrees_of_freedom_at_any_size(df):
    # dc/d(df) of c = lgamma((df+1)/2) - lgamma(df/2) - log(df)/2, by `rising` with a = 2/df
    a = np.array(2.0 / df)
    exact = float(rising_slope(np.array(0.5), a)) * -2.0 / df**2
    extra = np.array([[1.0], [df]])
    slope = StudentT().slopes(np.zeros(1), np.zeros((1, 1)), extra)[1][1, 0, 0]
    # differences of digammas below 100 degrees of freedom: 4e-16 of at least 2e-5
    assert slope == pytest.approx(exact, rel=1e-9)
    stepped = StudentT().fit_extra(
        np.array([-1.0, 0.3, 4.0]), np.zeros((1, 1)), np.ones((3, 1)), extra, common=True
    )
    assert np.isfinite(stepped).all()
