"""The study of ``benchmarks/regimes.py``: do intervals, forecasts and tests hold what they say?

Seeds are fixed, so that a run gives the same answer every time. Bounds are the targets and four
Monte Carlo standard errors beyond: at new seeds a share on the border of its target would be
outside them once in 30 000 times.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rnnstats import select_regimes
from rnnstats.kernels import kalman

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.statistical,
    pytest.mark.skipif(
        not kalman.HAVE_COMPILED,
        reason="without the compiled core a fit takes seconds, and these are thousands of fits",
    ),
]
SAMPLES = 300


@pytest.fixture(scope="module")
def study() -> ModuleType:
    """Return the script; it lies beside the package and is not installed."""
    sys.path.append(str(ROOT))
    try:
        return importlib.import_module("benchmarks.regimes")
    finally:
        sys.path.remove(str(ROOT))


def covered(study: ModuleType, number: int, samples: int) -> np.ndarray:
    """Whether each interval holds the truth, shape (samples, quantities); NaN without interval."""
    found = np.array(study.replications("params", number, 0, samples))
    names, true = study.quantities(study.TRUTHS[number])
    assert found.shape[1] == len(names) == len(true)
    low, high = found[:, :, 2], found[:, :, 3]
    held = (low <= true) & (true <= high)
    return np.where(np.isfinite(low) & np.isfinite(high), held, np.nan)


def test_intervals_hold_in_a_few_samples(study: ModuleType) -> None:
    held = covered(study, 2, 25)
    assert np.isfinite(held).all()
    # quantities of a sample go together: 25 draws of 95 %, four errors are 0.17
    assert np.nanmean(held) > 0.95 - 0.17
    assert held.mean(axis=1).min() < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_intervals_hold_the_truth_in_92_to_98_percent(study: ModuleType, number: int) -> None:
    held = covered(study, number, SAMPLES)
    # a probability estimated at 0 has no interval
    assert np.isnan(held).mean() < 0.02
    shares = np.nanmean(held, axis=0)
    error = np.sqrt(0.92 * 0.08 / SAMPLES)
    assert (shares >= 0.92 - 4 * error).all(), shares
    assert (shares <= 0.98 + 4 * np.sqrt(0.02 * 0.98 / SAMPLES)).all(), shares
    assert 0.92 <= shares.mean() <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_later_values_are_uniform_in_their_forecast_distributions(
    study: ModuleType, number: int
) -> None:
    places = np.array(study.replications("pit", number, 0, SAMPLES))
    for column in places.T:
        # size of each test: 1 in 1000; eight are made
        assert study.uniformity(column)[1] > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_residual_tests_do_not_reject_the_truth(study: ModuleType, number: int) -> None:
    pvalues = np.array(study.replications("size", number, 0, SAMPLES))
    share = (pvalues < 0.05).mean(axis=0)
    # estimates take up degrees of freedom: fewer rejections than 5 % are right
    assert (share <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / SAMPLES)).all(), share


@pytest.mark.slow
def test_the_default_fit_of_the_genome_does_not_depend_on_the_seed(study: ModuleType) -> None:
    make, best = study.published()["DNA"]
    model = make()
    ends = [
        study.quietly(lambda s=seed: model.fit(rng=s, cov_type="none")).llf for seed in range(20)
    ]
    assert min(ends) > best - 1e-4


@pytest.mark.slow
def test_the_bootstrap_test_of_one_regime_has_its_size() -> None:
    samples, rejected = 200, 0
    for i in range(samples):
        y = np.random.default_rng([5, i]).standard_normal(100)
        selection = select_regimes(y, max_regimes=2, switching="trend", n_starts=3)
        rejected += selection.lr_test(1, nboot=19, rng=i).pvalue <= 0.05
    # 5 % of 200 is 10, standard deviation 3.1
    assert 1 <= rejected <= 22
