"""Lengths of geometric weights, and their derivatives against differences."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.diagnostics.memory.capacity.lengths import last_at_share, mean_lag, within

LAGS = np.arange(400)


@pytest.mark.parametrize("keep", [0.2, 0.8, 0.95])
def test_lengths_of_geometric_weights(keep):
    weights = 3.0 * keep**LAGS
    assert mean_lag(weights).value == pytest.approx(keep / (1.0 - keep), rel=1e-6)
    found = last_at_share(weights, 0.05).value
    assert found == pytest.approx(np.log(0.05) / np.log(keep), rel=1e-10)
    # with the weight of a lag spread evenly over a row
    steps = within(weights, 0.95).value
    whole = np.floor(np.log(0.05) / np.log(keep))
    part = (keep**whole - 0.05) / (keep**whole - keep ** (whole + 1.0))
    assert steps == pytest.approx(whole + part, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_derivatives_are_those_of_differences(seed):
    rng = np.random.default_rng(seed)
    weights = (0.5 + rng.random(12)) * 0.6 ** np.arange(12)
    for length in (mean_lag, lambda w: within(w, 0.9), lambda w: last_at_share(w, 0.1)):
        found = length(weights)
        step = 1e-6 * weights.max()
        moved = [
            (length(weights + step * one).value - length(weights - step * one).value) / (2 * step)
            for one in np.eye(12)
        ]
        # central differences: the square of the step times the third derivative
        np.testing.assert_allclose(found.slopes, moved, rtol=1e-4, atol=1e-5)


def test_weights_that_say_nothing_have_no_length():
    assert last_at_share(np.ones(5), 0.05).value == np.inf
    assert np.isnan(last_at_share(np.ones(5), 0.05).slopes).all()
    for length in (mean_lag, lambda w: within(w, 0.9), lambda w: last_at_share(w, 0.1)):
        for weights in (np.zeros(4), np.array([1.0, np.inf])):
            assert np.isnan(length(weights).value)
    assert last_at_share(np.array([1.0, 0.0, 0.0]), 0.05).value == 0.0
