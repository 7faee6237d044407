"""Standard errors with the law that belongs to them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rnnstats.diagnostics.memory.standard_errors import StandardError, two_sided_quantile


def test_a_known_error_has_the_normal_law():
    error = StandardError(0.5)
    assert error.reach(0.05) == pytest.approx(0.5 * stats.norm.isf(0.025), rel=1e-12)
    assert error.two_sided(1.7) == pytest.approx(2 * stats.norm.sf(1.7), rel=1e-12)
    assert error.above(-1.2) == pytest.approx(stats.norm.cdf(1.2), rel=1e-12)


def test_interval_and_test_agree_under_students_law():
    error = StandardError(0.3, 7.0, 1.1)
    end = error.reach(0.1)
    assert end == pytest.approx(0.3 * 1.1 * stats.t.isf(0.05, 7), rel=1e-12)
    assert error.two_sided(error.ratio(end)) == pytest.approx(0.1, rel=1e-10)
    assert error.over(10.0).reach(0.1) == pytest.approx(end / 10.0, rel=1e-12)
    np.testing.assert_allclose(two_sided_quantile(0.1, np.array([7.0, np.inf])), [
        stats.t.isf(0.05, 7), stats.norm.isf(0.05),
    ])  # fmt: skip


def test_a_known_variance_on_top_adds_degrees_of_freedom():
    """Welch and Satterthwaite: df (s1 + s2)^2 / s1^2."""
    both = StandardError(3.0, 5.0).plus(16.0)
    assert both.value == pytest.approx(5.0, rel=1e-12)
    assert both.df == pytest.approx(5.0 * 25.0**2 / 9.0**2, rel=1e-12)
    assert both.scale == pytest.approx(1.0, rel=1e-12)
    assert StandardError(3.0, 5.0).plus(0.0) == StandardError(3.0, 5.0)
    assert StandardError(0.0).plus(4.0) == StandardError(2.0)
    # an estimate that is too small on average: only its own part is made larger
    small = StandardError(3.0, 5.0, np.sqrt(10.0 / 9.0)).plus(16.0)
    assert (small.value * small.scale) ** 2 == pytest.approx(26.0, rel=1e-12)


def test_the_law_of_the_sum_by_simulation():
    """Six batches beside a known variance of a fifth: chance of 5 % beyond the reach."""
    rng, beyond = np.random.default_rng(3), []
    for _ in range(4000):
        batches = rng.standard_normal(6)
        own = StandardError(float(batches.std(ddof=1) / np.sqrt(6)), 5.0)
        found = batches.mean() + rng.standard_normal() / np.sqrt(30)
        beyond.append(abs(found) > own.plus(1.0 / 30.0).reach(0.05))
    # four binomial standard errors; the normal law gives 8.8 %
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.014)


def test_what_has_no_error_and_what_is_infinite():
    none = StandardError(np.nan)
    assert np.isnan(none.plus(1.0).value)
    # a variance that is unknown leaves nothing known, degrees of freedom included
    for lost in (none, none.plus(1.0), none.over(2.0), StandardError(3.0, 5.0).plus(np.nan)):
        assert np.isnan([lost.value, lost.df, lost.reach(0.05)]).all()
    assert np.isnan(none.two_sided(none.ratio(0.3)))
    assert none.ratio(-np.inf) == -np.inf
    assert (none.two_sided(-np.inf), none.above(-np.inf), none.above(np.inf)) == (0.0, 1.0, 0.0)
    assert none.two_sided(0.0) == 1.0
    assert StandardError(0.0).ratio(-0.2) == -np.inf
    assert np.isnan(StandardError(0.0).ratio(0.0))
