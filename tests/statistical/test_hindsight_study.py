"""The study of ``benchmarks/hindsight.py``, smaller: is hindsight worth what theory says?"""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnstats.models.bidirectional import BidirectionalRNN

pytestmark = [pytest.mark.slow, pytest.mark.statistical]


@pytest.fixture(scope="module")
def hindsight():
    """The module of the study, which lies beside the package and is not installed."""
    root = Path(__file__).parents[2]
    if not (root / "benchmarks").is_dir():
        pytest.skip("the benchmarks are not here")
    sys.path.insert(0, str(root))
    try:
        return importlib.import_module("benchmarks.hindsight")
    finally:
        sys.path.remove(str(root))


def test_linear_cells_approach_filter_and_smoother(hindsight):
    case = hindsight.CASES["linear"]
    one, two = case.limits()
    case = replace(case, networks=case.networks[:1])
    found = hindsight.study(case, reps=5, rows=1500, starts=3)["identity, 2 units"]
    ratio, error = found.ratio()
    # parameters of 1500 rows cost about k / n of the error, 1 % here
    assert abs(ratio - two / one) < 3 * error + 0.01
    forward, both, _ = found.median()
    assert forward / one == pytest.approx(1.0, abs=0.08)
    assert both / two == pytest.approx(1.0, abs=0.08)


def test_hindsight_is_found_out_of_sample(hindsight):
    s, y = hindsight.draw_linear(1200, np.random.default_rng(5))
    model = BidirectionalRNN(s, y, k_hidden=1, activation="identity", penalty=0.1)
    found = model.fit(n_starts=3, cov_type="none").compare_with_forward(0.4, n_starts=3)
    assert found.pvalue < 0.01
    # half the log of the ratio of the limits, 0.164, less what one unit cannot do
    assert 0.08 < found.gain < 0.25


def test_standard_errors_of_a_pseudo_likelihood_allow_for_correlation():
    """AR(1): y_t given all others has mean phi / (1 + phi^2) (y_{t-1} + y_{t+1})."""
    phi, reps, truth = 0.6, 200, 0.6 / (1 + 0.6**2)
    held = {"W_h[h1,h1]": 0.0, "W_h[g1,g1]": 0.0, "b_h[h1]": 0.0, "b_h[g1]": 0.0,
            "V[y,h1]": 1.0, "V[y,g1]": 1.0, "W_y[g1,y]": "W_y[h1,y]"}  # fmt: skip
    name, kinds = "W_y[h1,y]", ("hac", "robust")
    found, errors = np.empty(reps), np.empty((reps, 2))
    for i in range(reps):
        rng = np.random.default_rng([7, i])
        y = np.zeros(450)
        for t in range(1, 450):
            y[t] = phi * y[t - 1] + rng.standard_normal()
        model = BidirectionalRNN(y[50:], k_hidden=1, activation="identity", fixed=held)
        start = model.layout.expand(model.layout.reduce(np.full(len(model.param_names), 0.4)))
        res = model.fit(start_params=start)
        found[i] = res.params[name]
        errors[i] = [res.with_cov(kind).bse[name] for kind in kinds]
    inside = (np.abs(found - truth)[:, None] < 1.96 * errors).mean(axis=0)
    # 200 samples: standard error 1.5 % of a share, 5 % of a standard deviation
    assert 0.90 < inside[0] < 0.985
    hac, robust = errors.mean(axis=0) / found.std(ddof=1)
    assert abs(hac - 1.0) < 0.12
    assert robust > 1.08 * hac  # rows taken for uncorrelated: too long here
