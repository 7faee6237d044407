"""Long-run and clustered covariances of scores: formulas, limits, statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnstats.errors import DataError, SpecificationError
from rnnstats.estimation.hac import (
    KERNELS,
    andrews_bandwidth,
    check_cov_kwds,
    cluster_meat,
    default_maxlags,
    describe,
    hac_meat,
    kernel_weights,
)


def autoregression(nobs, phi, shocks):
    rows = np.zeros((nobs, len(phi)))
    for t in range(1, nobs):
        rows[t] = phi @ rows[t - 1] + shocks[t]
    return rows


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(5)
    phi = np.array([[0.5, 0.2], [-0.1, 0.3]])
    return autoregression(150, phi, rng.standard_normal((150, 2)) * [1.0, 30.0])


def test_weights_are_the_kernels():
    np.testing.assert_allclose(kernel_weights("bartlett", 4.0, 99), [1, 0.75, 0.5, 0.25])
    # Gallant (1987): 1 - 6x^2 + 6x^3 to one half, 2(1 - x)^3 beyond
    parzen = [1.0, 1 - 6 / 16 + 6 / 64, 2 * 0.5**3, 2 * 0.25**3]
    np.testing.assert_allclose(kernel_weights("parzen", 4.0, 99), parzen)
    spectral = kernel_weights("quadratic-spectral", 5.0, 40)
    assert len(spectral) == 40
    x = 6 * np.pi * (7 / 5.0) / 5
    curve = 25 / (12 * np.pi**2 * (7 / 5.0) ** 2) * (np.sin(x) / x - np.cos(x))
    assert spectral[7] == pytest.approx(curve, rel=1e-12)
    # near zero 1 - (18 pi^2 / 125) x^2 (Andrews 1991, below eq. 5.1: k_2 = 1.4212)
    near = kernel_weights("quadratic-spectral", 1e3, 14)
    assert (1 - near[1]) * 1e6 == pytest.approx(1.4212, rel=1e-4)
    # the series and the formula meet at z = 0.05, between the lags 13 and 14
    assert np.abs(np.diff(kernel_weights("quadratic-spectral", 1e3, 20), 3)).max() < 1e-9
    assert near[13] == pytest.approx(1 - (z := 1.2 * np.pi * 13e-3) ** 2 / 10 + z**4 / 280)
    assert [len(kernel_weights(kernel, 0.4, 50)) for kernel in ("bartlett", "parzen")] == [1, 1]


def test_no_lags_is_the_outer_product_and_lags_are_added(scores):
    np.testing.assert_allclose(hac_meat(scores, maxlags=0), scores.T @ scores, rtol=1e-13)
    one = scores[1:].T @ scores[:-1]
    np.testing.assert_allclose(
        hac_meat(scores, maxlags=1), scores.T @ scores + 0.5 * (one + one.T), rtol=1e-12
    )
    np.testing.assert_allclose(
        hac_meat(scores, maxlags=3), hac_meat(scores, bandwidth=4.0), rtol=1e-13
    )
    ratio = hac_meat(scores, maxlags=3, correction=True) / hac_meat(scores, maxlags=3)
    np.testing.assert_allclose(ratio, 150 / 148)


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.sampled_from(KERNELS),
    seed=st.integers(0, 10_000),
    width=st.floats(0.3, 60.0),
    white=st.booleans(),
)
def test_positive_semidefinite_and_free_of_units(kernel, seed, width, white):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((30, 3)).cumsum(axis=0)
    units = np.array([1e-4, 1.0, 1e5])
    found = hac_meat(rows, kernel=kernel, bandwidth=width, prewhiten=white)
    size = np.sqrt(np.outer(np.diag(found), np.diag(found)))
    assert np.linalg.eigvalsh(found / size).min() > -1e-9
    again = hac_meat(rows * units, kernel=kernel, bandwidth=width, prewhiten=white)
    np.testing.assert_allclose(again / np.outer(units, units) / size, found / size, atol=1e-8)


def test_andrews_bandwidth_of_one_series():
    """alpha(1) = 4 r^2 / (1 - r^2)^2 and alpha(2) = 4 r^2 / (1 - r)^4 (Andrews 1991, eq. 6.4)."""
    rng = np.random.default_rng(1)
    rows = autoregression(400, np.array([[0.6]]), rng.standard_normal((400, 1)))
    r = float((rows[1:] * rows[:-1]).sum() / (rows[:-1] ** 2).sum())
    first, second = 4 * r**2 / (1 - r**2) ** 2, 4 * r**2 / (1 - r) ** 4
    expected = {
        "bartlett": 1.1447 * (first * 400) ** (1 / 3),
        "parzen": 2.6614 * (second * 400) ** 0.2,
        "quadratic-spectral": 1.3221 * (second * 400) ** 0.2,
    }
    for kernel, width in expected.items():
        assert andrews_bandwidth(rows, kernel) == pytest.approx(width, rel=1e-12)
        two = andrews_bandwidth(np.hstack([rows, 1e6 * rows]), kernel)
        assert two == pytest.approx(width, rel=1e-12)


def test_many_lags_through_the_fourier_transform(scores):
    lags = np.arange(100)
    gammas = [scores[j:].T @ scores[: 150 - j] for j in lags]
    direct = gammas[0] + sum(
        (1 - j / 100) * (g + g.T) for j, g in zip(lags[1:], gammas[1:], strict=True)
    )
    found = hac_meat(scores, maxlags=99)
    np.testing.assert_allclose(found, direct, rtol=1e-10, atol=1e-9 * np.abs(direct).max())


def test_the_rule_of_newey_and_west():
    assert default_maxlags(100) == 4
    assert default_maxlags(500) == 5  # 4 * 5**(2/9) = 5.72
    assert default_maxlags(500, "parzen") == 5  # 4 * 5**(4/25) = 5.17
    assert default_maxlags(3) == 1
    assert default_maxlags(1) == 0


@pytest.mark.statistical
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kernel": "parzen", "maxlags": 40},
        {"kernel": "quadratic-spectral"},
        {"prewhiten": True},
    ],
)
def test_estimates_the_long_run_covariance(options):
    """VAR(1) of 40000 rows: (I - A)^-1 S (I - A')^-1.

    The rule for Bartlett's kernel is short at 15 lags (bias (1/16) sum |j| gamma_j, below 12 %);
    the others are within 10 %: three standard errors of sqrt(2 * bandwidth / n) and less.
    """
    rng = np.random.default_rng(8)
    phi = np.array([[0.5, 0.2], [-0.1, 0.3]])
    rows = autoregression(40_000, phi, rng.standard_normal((40_000, 2)))
    inverse = np.linalg.inv(np.eye(2) - phi)
    exact = inverse @ inverse.T
    found = hac_meat(rows, **options) / 40_000
    size = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.abs((found - exact) / size).max() < (0.1 if options else 0.15)
    assert np.abs((rows.T @ rows / 40_000 - exact) / size).max() > 0.5  # no lags: far off


def test_clusters(scores):
    groups = np.arange(150) // 10
    sums = scores.reshape(15, 10, 2).sum(axis=1)
    plain = cluster_meat(scores, groups, correction=False)
    np.testing.assert_allclose(plain, sums.T @ sums, rtol=1e-12)
    np.testing.assert_allclose(cluster_meat(scores, groups) / plain, 15 / 14 * 149 / 148)
    shuffled = np.random.default_rng(0).permutation(150)
    np.testing.assert_allclose(
        cluster_meat(scores[shuffled], groups[shuffled], correction=False), plain, rtol=1e-12
    )


@pytest.mark.crosspkg
def test_against_statsmodels(scores):
    sandwich = pytest.importorskip("statsmodels.stats.sandwich_covariance")
    for lags in (0, 1, 4, 12):
        theirs = sandwich.S_hac_simple(scores, nlags=lags)
        np.testing.assert_allclose(hac_meat(scores, maxlags=lags), theirs, rtol=1e-12)
    np.testing.assert_allclose(hac_meat(scores), sandwich.S_hac_simple(scores), rtol=1e-12)
    groups = np.arange(150) // 7
    theirs = sandwich.S_crosssection(scores, groups)
    np.testing.assert_allclose(cluster_meat(scores, groups, correction=False), theirs, rtol=1e-12)


INDEX = pd.period_range("2000Q1", periods=12, freq="Q")


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("oim", {"maxlags": 3}, "'oim' has no options"),
        ("hac", {"maxlag": 3}, "'maxlag'.*maxlags"),
        ("hac", {"maxlags": -1}, "maxlags"),
        ("hac", {"maxlags": 12}, "less than the number of rows, 12"),
        ("hac", {"maxlags": 2, "bandwidth": 3.0}, "leave one out"),
        ("hac", {"bandwidth": 0.0}, "positive number or 'andrews'"),
        ("hac", {"bandwidth": True}, "positive number or 'andrews'"),
        ("hac", {"kernel": "uniform"}, "kernel must be one of"),
        ("hac", {"prewhiten": "yes"}, "prewhiten"),
        ("hac", {"groups": [1]}, "'groups'"),
        ("cluster", None, "a group for each row; got none"),
    ],
)
def test_options_are_checked(kind, options, words):
    with pytest.raises(SpecificationError, match=words):
        check_cov_kwds(kind, options, INDEX, caller="fit")


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (np.arange(11), "each of the 12 rows"),
        (np.ones(12), "two groups"),
        ([None, *range(11)], "got none in row 0"),
        (pd.Series(range(12), index=INDEX + 1), "index of the data"),
    ],
)
def test_groups_are_checked(groups, words):
    with pytest.raises(DataError, match=words):
        check_cov_kwds("cluster", {"groups": groups}, INDEX, caller="fit")


def test_groups_may_be_any_labels_and_are_copied():
    years = pd.Series(INDEX.year, index=INDEX)
    found = check_cov_kwds("cluster", {"groups": years}, INDEX, caller="fit")
    np.testing.assert_array_equal(found["groups"], np.arange(12) // 4)
    given = ["a"] * 5 + ["b"] * 7
    found = check_cov_kwds("cluster", {"groups": given}, INDEX, caller="fit")
    np.testing.assert_array_equal(found["groups"], [0] * 5 + [1] * 7)
    with pytest.raises(TypeError):
        found["groups"] = None


def test_options_in_words():
    def words(kind, **options):
        return describe(kind, options, 100, 3)

    assert words("oim") == ""
    assert words("hac") == "Bartlett kernel, 4 lags"
    assert words("hac", maxlags=1, correction=True) == "Bartlett kernel, 1 lag, factor n/(n - k)"
    assert "Andrews" in words("hac", kernel="quadratic-spectral")
    assert words("hac", kernel="parzen", bandwidth=2.5) == "Parzen kernel, bandwidth 2.5"
    assert "prewhitened" in words("hac", prewhiten=True)
    assert "few clusters" in words("cluster", groups=np.arange(100) % 10)
    assert "joint tests of all are impossible" in words("cluster", groups=np.arange(100) % 3)
    assert words("cluster", groups=np.arange(100), correction=False) == "100 clusters"
