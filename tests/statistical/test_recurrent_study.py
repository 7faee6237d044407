"""The study of ``benchmarks/recurrent_coverage.py``, smaller: do the intervals hold?

Seeds are fixed, so that a run gives the same answer every time. The bounds are the targets (92 to
98 % of 95 % intervals) and four Monte Carlo standard errors beyond.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rnnstats.kernels import cells

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.statistical,
    pytest.mark.slow,
    pytest.mark.skipif(
        not cells.HAVE_COMPILED,
        reason="without the compiled core a fit takes seconds, and these are hundreds of fits",
    ),
]
SAMPLES = 40


@pytest.fixture(scope="module")
def study() -> ModuleType:
    """Return the script; it lies beside the package and is not installed."""
    sys.path.append(str(ROOT))
    try:
        return importlib.import_module("benchmarks.recurrent_coverage")
    finally:
        sys.path.remove(str(ROOT))


@pytest.mark.parametrize("number", [0, 1], ids=["elman", "gru"])
def test_intervals_of_identified_functions(study, number):
    found = np.array(list(study.replications("functions", number, 0, SAMPLES)))
    error, se = found[:, 0], found[:, 1]
    assert np.isnan(se).mean() < 0.1
    held = np.where(np.isnan(se), np.nan, np.abs(error) <= study.Z * se)
    for part in (slice(0, study.HISTORIES), slice(study.HISTORIES, None)):
        value, mc = study.share(held[:, part])
        assert study.LOW - 4 * mc <= value <= study.HIGH + 4 * mc


@pytest.mark.parametrize("number", [0, 1], ids=["elman", "gru"])
def test_forecast_intervals(study, number):
    found = np.array(list(study.replications("forecasts", number, 0, SAMPLES // 2)))
    for kind in range(len(study.KINDS)):
        for horizon in range(len(study.HORIZONS)):
            value, mc = study.share(found[:, 0, kind, horizon])
            assert study.LOW - 4 * mc <= value <= study.HIGH + 4 * mc
