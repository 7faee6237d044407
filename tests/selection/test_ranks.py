"""Canonical correlations of future and past, and tests of their rank."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from rnnstats.data import Endog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.selection.ranks import (
    _autocovariance,
    _weights,
    autoregressive_order,
    hankel_correlations,
    rank_test,
    window_rows,
)
from rnnstats.selection.windows import analyse


def simulated(a, c, k, nobs, rng, burn=100):
    """Series of an innovations form with unit errors, mean taken out."""
    e = rng.standard_normal((nobs + burn, len(c)))
    h, y = np.zeros(len(a)), np.zeros_like(e)
    for t, error in enumerate(e):
        y[t] = c @ h + error
        h = a @ h + k @ error
    return y[burn:] - y[burn:].mean(axis=0)


ARMA11 = (np.array([[0.8]]), np.eye(1), np.array([[0.4]]))
TWO_OF_THREE = (
    np.diag([0.8, 0.5]),
    np.array([[1.0, 0.0], [0.5, 1.0], [-0.5, 0.8]]),
    np.array([[0.5, 0.2, 0.1], [0.1, -0.4, 0.4]]),
)


def test_the_first_correlation_of_one_lag_is_the_autocorrelation_of_the_windows():
    z = simulated(*ARMA11, 80, np.random.default_rng(0))
    found = hankel_correlations(z, 1, 1)
    expected = abs(np.corrcoef(z[1:, 0], z[:-1, 0])[0, 1])
    assert found.correlations == pytest.approx([expected], rel=1e-12)
    assert found.rows == 79


def test_squares_are_eigenvalues_of_the_two_regressions():
    # Anderson (2003), An Introduction to Multivariate Statistical Analysis, sec. 12.2
    z = simulated(*TWO_OF_THREE, 120, np.random.default_rng(1))
    found = hankel_correlations(z, 2, 3)
    at = np.arange(3, 119)
    ahead = np.hstack([z[at], z[at + 1]])
    behind = np.hstack([z[at - 1], z[at - 2], z[at - 3]])
    joint = np.cov(np.hstack([ahead, behind]).T)
    ff, fp, pp = joint[:6, :6], joint[:6, 6:], joint[6:, 6:]
    roots = linalg.eigvals(linalg.solve(ff, fp) @ linalg.solve(pp, fp.T)).real
    assert np.sort(found.correlations**2) == pytest.approx(np.sort(roots), rel=1e-9)


def test_units_and_combinations_of_the_series_do_not_matter():
    rng = np.random.default_rng(2)
    z = simulated(*TWO_OF_THREE, 150, rng)
    turned = z @ (rng.standard_normal((3, 3)) * [1e3, 1.0, 1e-3])
    one, other = (hankel_correlations(x, 3, 2) for x in (z, turned))
    assert other.correlations == pytest.approx(one.correlations, rel=1e-6)
    tests = [rank_test(x, 1) for x in (one, other)]
    assert tests[1].pvalue == pytest.approx(tests[0].pvalue, rel=1e-5)
    assert tests[1].statistic == pytest.approx(tests[0].statistic, rel=1e-6)


def test_the_weights_are_the_moments_of_the_weighted_sum():
    rng = np.random.default_rng(3)
    found = hankel_correlations(simulated(*TWO_OF_THREE, 100, rng), 3, 2)
    u, v = found.left[:, 2:], found.right[:, 2:]
    matrix = sum(np.kron(_autocovariance(u, k), _autocovariance(v, k)) for k in range(-2, 3))
    mean, variance = _weights(u, v, 3)
    weights = np.linalg.eigvalsh(matrix)
    assert np.allclose(matrix, matrix.T, atol=1e-12)
    assert mean == pytest.approx(weights.sum(), rel=1e-10)
    assert variance == pytest.approx(2 * (weights**2).sum(), rel=1e-10)


def test_without_a_window_of_the_future_the_two_p_values_agree_for_independent_rows():
    # f = 1: errors of the next row do not overlap, and both distributions are the same
    z = np.random.default_rng(4).standard_normal((400, 2))
    test = rank_test(hankel_correlations(z - z.mean(axis=0), 1, 2), 0)
    assert test.df == 8
    assert test.pvalue == pytest.approx(test.pvalue_chi2, rel=1e-6)


def test_windows_avoid_gaps():
    z = np.zeros((12, 2))
    z[5, 1] = np.nan
    assert window_rows(z, 2, 2).tolist() == [2, 3, 8, 9, 10]
    rng = np.random.default_rng(5)
    z = simulated(*TWO_OF_THREE, 200, rng)
    gap = np.vstack([z[:90], np.full((1, 3), np.nan), z[90:]])
    found = hankel_correlations(gap, 2, 2)
    assert found.rows == len(window_rows(z[:90], 2, 2)) + len(window_rows(z[90:], 2, 2))
    assert np.isfinite([rank_test(found, n).pvalue for n in range(6)]).all()


@pytest.mark.parametrize("z", [np.ones((30, 1)), np.ones((3, 1)), np.zeros((40, 2))])
def test_singular_windows_are_refused(z):
    with pytest.raises(np.linalg.LinAlgError):
        hankel_correlations(z, 2, 2)
    x = np.random.default_rng(0).standard_normal((60, 1))
    with pytest.raises(np.linalg.LinAlgError):
        hankel_correlations(np.hstack([x, 2 * x]), 2, 2)


def test_the_order_of_the_autoregression():
    rng = np.random.default_rng(6)
    z = simulated(
        np.array([[0.3, 0.6], [1.0, 0.0]]), np.array([[0.3, 0.6]]), np.eye(2, 1), 500, rng
    )
    assert autoregressive_order(z, 6) == 2
    assert autoregressive_order(z[:9], 6) >= 1


def test_size_and_power_of_the_rank_test():
    # 150 series, nominal 5 %: fewer than 1 or more than 14 rejections have a probability below 2 %
    # for a true 5 %. The chi-squared distribution ignores the overlap of the windows and rejects
    # three times as often.
    rng = np.random.default_rng(7)
    right, naive, power = 0, 0, 0
    for _ in range(150):
        found = hankel_correlations(simulated(*ARMA11, 200, rng), 6, 6)
        right += rank_test(found, 1).pvalue < 0.05
        naive += rank_test(found, 1).pvalue_chi2 < 0.05
        power += rank_test(found, 0).pvalue < 0.05
    assert 1 <= right <= 14
    assert naive > 15
    assert power > 120


def test_recovery_by_simulation():
    # 60 series: at the 5 % level about 3 ranks are too high; more than 8 have probability 1e-2
    rng = np.random.default_rng(13)
    right = {"rank test": 0, "svc": 0}
    for _ in range(60):
        endog = Endog.from_input(simulated(*TWO_OF_THREE, 400, rng))
        chosen = analyse(endog, None, "c", 4, None, "test").chosen(0.05)
        for name in right:
            right[name] += chosen[name] == 2
    assert right["rank test"] >= 52 and right["svc"] >= 58


def test_regressors_are_taken_out_first():
    rng = np.random.default_rng(8)
    x = rng.standard_normal((300, 1)).cumsum(axis=0)
    y = 5 + 0.1 * np.arange(300)[:, None] + 2 * x + rng.standard_normal((300, 1))
    from rnnstats.data import Exog

    endog = Endog.from_input(y)
    exog = Exog.from_input(x, endog, caller="test")
    alone = analyse(endog, None, "c", 2, None, "test")
    clean = analyse(endog, exog, "ct", 2, None, "test")
    assert alone.singular_values.iloc[0] > 0.9
    assert clean.singular_values.iloc[0] < 0.3
    assert clean.chosen(0.05)["rank test"] == 0


def test_many_gaps_are_filled_and_it_is_said():
    rng = np.random.default_rng(9)
    y = simulated(*TWO_OF_THREE, 80, rng)
    y[::4, 0] = np.nan
    found = analyse(Endog.from_input(y), None, "c", 3, None, "test")
    assert found.filled and "filled" in found.note
    assert len(found.table) == 4


def test_lags_that_are_too_long_are_refused():
    endog = Endog.from_input(np.random.default_rng(10).standard_normal((40, 2)))
    with pytest.raises(DataError, match="lags=30"):
        analyse(endog, None, "c", 2, 30, "test")
    with pytest.raises(SpecificationError, match="lags must be at least 1"):
        analyse(endog, None, "c", 2, 0, "test")
    short = analyse(Endog.from_input(np.arange(4.0) ** 2), None, "c", 2, None, "test")
    assert short.table.empty and short.note.startswith("No singular values")
    assert short.chosen(0.05) == {"rank test": None, "svc": None}
