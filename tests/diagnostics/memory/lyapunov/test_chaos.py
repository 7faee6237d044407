"""The one-sided test of chaos."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rnnstats.diagnostics.memory import chaos_test, lyapunov_spectrum
from rnnstats.diagnostics.memory.long_run import (
    andrews_bandwidth,
    kernel_law,
    long_run_variance,
)
from rnnstats.errors import SpecificationError


def logistic(rate):
    return lambda h: rate * h * (1.0 - h)


def test_statistic_is_that_of_the_paper():
    """Shintani and Linton (2004): root M times the exponent over the root of the kernel sum."""
    found = chaos_test(logistic(3.9), [0.3], 800, burn=0)
    states = [0.3]
    for _ in range(799):
        states.append(3.9 * states[-1] * (1.0 - states[-1]))
    growth = np.log(np.abs(3.9 - 7.8 * np.array(states)))
    variance = long_run_variance(growth, andrews_bandwidth(growth))
    paper = np.sqrt(800) * growth.mean() / np.sqrt(variance)
    assert found.statistic == pytest.approx(paper, rel=1e-9)
    # the paper has the normal law; the variance is an estimate
    share, df = kernel_law(800, andrews_bandwidth(growth))
    assert found.df == pytest.approx(df, rel=1e-10)
    scaled = paper * np.sqrt(share)
    np.testing.assert_allclose(found.pvalues, stats.t.cdf([scaled, -scaled], df))


@pytest.mark.parametrize(
    ("rate", "verdict", "rejected"),
    [
        (3.9, "chaos", [False, True]),
        (3.2, "no chaos", [True, False]),  # a cycle of two
        (2.5, "no chaos", [True, False]),  # a fixed point: one Jacobian in all rows
    ],
)
def test_logistic_maps(rate, verdict, rejected):
    found = chaos_test(logistic(rate), [0.3], 1000)
    assert found.verdict == verdict
    assert list(found.frame["rejected"]) == rejected


def test_neither_where_growth_is_noise():
    noise = np.random.default_rng(1).standard_normal(400)
    found = chaos_test(np.exp(noise - noise.mean() + 0.01)[:, None, None])
    assert found.verdict == "not distinguishable from 0"
    assert not found.frame["rejected"].any()


def test_methods_differ_and_are_those_of_the_spectrum():
    spectrum = lyapunov_spectrum(logistic(3.9), [0.3], 1000, dt=0.5)
    frame = spectrum.frame.iloc[0]
    kernel, batches = (
        spectrum.test_chaos(method=one) for one in ("shintani_linton", "batch_means")
    )
    assert kernel.bse == pytest.approx(frame["shintani_linton_se"], rel=1e-12)
    assert batches.bse == pytest.approx(frame["exponent_se"], rel=1e-12)
    assert kernel.bse != batches.bse
    assert kernel.exponent == spectrum.exponents[0]
    again = chaos_test(logistic(3.9), [0.3], 1000, dt=0.5, method="batch_means")
    assert again.statistic == batches.statistic


def test_level_decides():
    noise = np.random.default_rng(2).standard_normal(400)
    jacobians = np.exp(noise - noise.mean() + 0.06)[:, None, None]
    loose, strict = (chaos_test(jacobians, alpha=alpha) for alpha in (0.2, 0.001))
    assert (loose.verdict, strict.verdict) == ("chaos", "not distinguishable from 0")


def test_short_runs_say_so():
    found = chaos_test(np.full((10, 1, 1), 0.5) + np.arange(10)[:, None, None])
    assert found.verdict == "no standard error"
    assert not found.frame["rejected"].any()


def test_a_state_that_is_lost_at_once():
    found = chaos_test(np.zeros((30, 1, 1)))
    assert found.exponent == -np.inf
    assert found.verdict == "no chaos"


def test_summary_and_picture():
    pytest.importorskip("matplotlib").use("Agg")
    found = chaos_test(logistic(3.9), [0.3], 500)
    assert "Verdict: chaos" in str(found)
    assert "450 rows" in str(found)
    ax = found.plot().axes[0]
    bounds = [line.get_xdata()[0] for line in ax.lines if "bound" in str(line.get_label())]
    error = found._error
    reach = stats.t.isf(0.05, found.df) * found.bse * error.scale
    assert error.scale > 1.0
    assert reach == pytest.approx(error.reach(0.1), rel=1e-12)
    np.testing.assert_allclose(bounds, [found.exponent - reach, found.exponent + reach])


def test_options_are_checked():
    with pytest.raises(SpecificationError, match="method must be one of"):
        chaos_test(logistic(3.9), [0.3], 100, method="batch")
    with pytest.raises(SpecificationError, match="alpha must lie"):
        chaos_test(logistic(3.9), [0.3], 100, alpha=0.0)
