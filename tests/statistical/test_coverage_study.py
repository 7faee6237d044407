"""The study of ``benchmarks/coverage.py``, smaller: do intervals and tests hold what they say?

Seeds are fixed, so that a run gives the same answer every time. The bounds are the targets (93 to
97 % of 95 % intervals, 4 to 6 % rejections) and four Monte Carlo standard errors beyond. At new
seeds a share on the border of its target would be outside them once in 30 000 times; with the 70
shares looked at here, one run in 400 at most.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rnnstats.kernels import kalman

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.statistical,
    pytest.mark.skipif(
        not kalman.HAVE_COMPILED,
        reason="without the compiled core a fit takes seconds, and these are hundreds of fits",
    ),
]


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    """Return the script; it lies beside the package and is not installed."""
    sys.path.append(str(ROOT))
    try:
        return importlib.import_module("benchmarks.coverage")
    finally:
        sys.path.remove(str(ROOT))


def run(coverage: ModuleType, part: str, number: int, samples: int) -> np.ndarray:
    return np.array(list(coverage.replications(part, number, 0, samples)))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(7))
def test_parameters_are_in_their_intervals(coverage: ModuleType, number: int) -> None:
    samples = 250
    found = run(coverage, "params", number, samples)
    truth = np.array(coverage.PARAMS[number].params)
    estimate, error = found[:, 0], found[:, 1]
    assert np.isfinite(error).all()
    covered = (np.abs(estimate - truth) <= coverage.Z * error).mean(axis=0)
    off = 4 * np.sqrt(0.93 * 0.07 / samples)
    assert (covered >= 0.93 - off).all(), covered
    # above: four errors beyond 97 % is more than all
    assert (covered <= 1.0 - 1 / samples).any(), covered


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_later_values_are_in_their_intervals(coverage: ModuleType, number: int) -> None:
    samples = 120
    found = run(coverage, "forecasts", number, samples)[:, 0]
    kinds = dict(zip(coverage.KINDS, np.moveaxis(found, 1, 0), strict=True))
    for h in range(len(coverage.HORIZONS)):
        value, error = coverage.share(kinds["bootstrap"][:, h])
        assert 0.93 - 4 * error <= value <= 0.97 + 4 * error, (h, value)
        plugin, _ = coverage.share(kinds["plugin"][:, h])
        assert value > plugin + 0.01  # the same samples, and wider intervals
        assert plugin < 0.95
    assert plugin < 0.93  # eight steps ahead they are far too short


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_a_true_restriction_is_rejected_as_often_as_stated(
    coverage: ModuleType, number: int
) -> None:
    samples = 600
    rejected = float((run(coverage, "size", number, samples) < 0.05).mean())
    off = 4 * np.sqrt(0.05 * 0.95 / samples)
    assert 0.04 - off <= rejected <= 0.06 + off


def test_a_study_goes_on_where_it_stopped(coverage: ModuleType, tmp_path: Path) -> None:
    forever = float("inf")
    first = coverage.study("size", 0, 2, tmp_path, forever)
    assert len(first) == 2
    none = coverage.study("size", 0, 4, tmp_path, -1.0)  # no time left
    np.testing.assert_array_equal(none, first)
    whole = coverage.study("size", 0, 4, tmp_path, forever)
    np.testing.assert_array_equal(whole[:2], first)
    np.testing.assert_array_equal(whole, run(coverage, "size", 0, 4))
    again = coverage.study("size", 0, 4, tmp_path, -1.0)
    np.testing.assert_array_equal(again, whole)


def test_tables_and_verdicts(
    coverage: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["params", "size", "--case", "0", "--reps", "3", "--out", str(tmp_path)]
    assert coverage.main(arguments) == 0
    text = capsys.readouterr().out
    assert "innovations, ARMA(1,1): 3 samples of 200 rows" in text
    for name in ("W_h[h1,h1]", "K[h1,y]", "b_y[y]", "obs_cov[y,y]", "one coefficient zero | 3 |"):
        assert name in text
    assert coverage.main([*arguments[:-1], str(tmp_path / "b"), "--minutes", "0"]) == 3
    assert coverage.verdict(0.95, 0.01, 0.93, 0.97) == ""
    assert coverage.verdict(0.92, 0.01, 0.93, 0.97) == "(noise)"
    assert coverage.verdict(0.90, 0.01, 0.93, 0.97) == "off"
    value, error = coverage.share(np.array([[1.0, 0.0], [1.0, 1.0], [np.nan, 1.0]]))
    assert value == 0.75  # a replication with a missing interval is left out
    assert error == pytest.approx(0.25)
