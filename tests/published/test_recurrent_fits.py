"""Published fits of recurrent networks, reached by ``fit()`` as it comes.

N07: one tanh unit on the lynx series (PyTorch and R, 40 of 40 starts). N11: the threshold
autoregression of Tong (1990) on the same series is the yardstick for larger networks, there and on
the sunspots, fitted here by the conditional least squares that the case describes.

Reference numbers and tolerances are in ``reference/cases.json``.
"""

from __future__ import annotations

import math
import warnings
from functools import cache

import numpy as np
import pytest

from rnnstats import datasets
from rnnstats.errors import ConvergenceWarning
from rnnstats.models.nonlinear import GRU, ElmanRNN

LLF = 1e-4


def centred():
    y = np.log10(datasets.lynx())
    return y - y.mean()


def one_unit(**options):
    return ElmanRNN(centred(), k_hidden=1).fit(**options)


@cache
def default():
    return one_unit()


def as_published(results):
    """W_hh, W_xh, b_h, v, d with v < 0, and sigma2."""
    values = results.params.to_numpy().copy()
    if values[3] > 0.0:
        values[1:4] *= -1.0
    return values


def test_one_unit_on_lynx_is_the_published_maximum(cases):
    published = cases["N07"]["reference"]["K1"]
    results = default()
    assert results.convergence.converged
    assert results.nobs == published["n"]
    assert results.llf == pytest.approx(published["loglik"], abs=LLF)
    ssr = float((results.resid.dropna() ** 2).sum())
    assert ssr == pytest.approx(published["ssr"], rel=1e-6)
    errors = np.array(published["se_oim_incl_sigma2"])
    values = as_published(results)
    assert (np.abs(values[:5] - published["params"]) < 0.01 * errors[:5]).all()
    assert values[5] == pytest.approx(published["sigma2"], rel=1e-6)
    np.testing.assert_allclose(results.bse, errors, rtol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_of_ten_seeds_reach_it(seed, cases):
    published = cases["N07"]["reference"]["K1"]
    results = one_unit(rng=seed)
    assert results.convergence.converged
    assert results.llf == pytest.approx(published["loglik"], abs=LLF)
    errors = np.array(published["se_oim_incl_sigma2"])
    gap = np.abs(as_published(results)[:5] - published["params"])
    assert (gap < 0.01 * errors[:5]).all()
    np.testing.assert_allclose(results.bse, errors, rtol=2e-2)


def threshold_autoregression(y):
    """Best SETAR(2; 2, 2) with delay 2: threshold, sum of squares, Gaussian log-likelihood.

    Its likelihood is that of one common variance.
    """
    target, switch = y[2:], y[:-2]
    design = np.column_stack([np.ones(len(target)), y[1:-1], switch])
    ordered = np.sort(switch)
    n = len(ordered)
    found = (math.inf, math.nan)
    for threshold in ordered[int(0.15 * n) : int(0.85 * n)]:
        total = 0.0
        for rows in (switch <= threshold, switch > threshold):
            beta = np.linalg.lstsq(design[rows], target[rows], rcond=None)[0]
            total += float(((target[rows] - design[rows] @ beta) ** 2).sum())
        found = min(found, (total, float(threshold)))
    ssr, threshold = found
    return threshold, ssr, -0.5 * n * (math.log(2.0 * math.pi * ssr / n) + 1.0)


def test_the_yardstick_is_the_published_one(cases):
    published = cases["N11"]["reference"]
    threshold, ssr, _ = threshold_autoregression(np.log10(datasets.lynx()).to_numpy())
    assert threshold == pytest.approx(published["best_threshold"], abs=1e-8)
    assert ssr == pytest.approx(published["best_ssr"], rel=1e-8)


SERIES = {
    "lynx": lambda: np.log10(datasets.lynx()),
    "sunspots": lambda: datasets.sunspots(),
    "square roots of sunspots": lambda: np.sqrt(datasets.sunspots()),
}


@pytest.mark.parametrize(
    "name", ["lynx", "sunspots", pytest.param("square roots of sunspots", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("net", [(ElmanRNN, 2), (GRU, 1)], ids=["Elman, 2 units", "GRU, 1 unit"])
def test_networks_fit_better_than_the_threshold_autoregression(name, net):
    y = SERIES[name]()
    _, ssr, llf = threshold_autoregression(y.to_numpy())
    model = net[0](y, k_hidden=net[1], y_lags=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # some have no maximum, see below
        results = model.fit(cov_type="none")
    assert results.nobs == len(y) - 2
    assert results.llf > llf
    assert float((results.resid.dropna() ** 2).sum()) < ssr


def test_a_penalised_network_beats_it_too_and_converges():
    y = SERIES["lynx"]()
    _, ssr, llf = threshold_autoregression(y.to_numpy())
    results = ElmanRNN(y, k_hidden=2, y_lags=2).fit(penalty=0.5, cov_type="none")
    assert results.convergence.converged
    assert results.llf > llf
    assert float((results.resid.dropna() ** 2).sum()) < ssr


def test_two_units_on_lynx_diverge_and_the_fit_says_so(cases):
    """Of the likelihood's ends the higher ones are at infinity; the reported one is a maximum."""
    assert "the weights diverge" in " ".join(cases["N07"]["traps"])
    results = ElmanRNN(centred(), k_hidden=2).fit(cov_type="none")
    record, table = results.convergence, results.starts
    assert results.llf > default().llf
    assert record.converged
    assert "to the highest regular maximum" in record.message
    assert "where weights run away" in record.message
    higher = table[table["llf"] > results.llf + 1e-3]
    assert len(higher)
    assert not higher["converged"].any()
    named = table["boundary"].str.contains("become one|is linear|becomes a step")
    assert named.any()


@pytest.mark.slow
def test_an_end_at_infinity_is_reported_as_one():
    """From where the pair of units has begun to merge, the climb goes on for ever."""
    model = ElmanRNN(centred(), k_hidden=2)
    found = []
    for seed in range(4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found.append(model.fit(rng=seed, cov_type="none"))
    assert max(one.llf for one in found) - min(one.llf for one in found) < 3.0
    assert all(np.isfinite(one.params).all() for one in found)
    for one in found:
        told = one.convergence.message + " ".join(one.convergence.boundary)
        assert one.convergence.converged or "run" in told
