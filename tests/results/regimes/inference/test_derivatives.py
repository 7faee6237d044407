"""Which parameters of a model with regimes the data say something about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import MarkovRNN
from rnnstats.results.regimes.inference.derivatives import RegimeDerivatives


def test_a_regime_of_one_row_has_a_mean_with_a_standard_error() -> None:
    # Its score is exactly zero in that row; the common variance says how far the mean is known.
    y = pd.Series(np.r_[np.random.default_rng(2).standard_normal(80), 1e3])
    found = MarkovRNN(y, switching="trend").fit()
    assert found.params["V[y,h2]"] == pytest.approx(1e3, rel=1e-9)
    assert found.bse["V[y,h2]"] == pytest.approx(np.sqrt(found.params["obs_cov[y,y]"]), rel=1e-6)


def test_what_runs_to_infinity_together_has_no_information() -> None:
    # The coefficients rise and fall together in rows that are all ones: far out, where a climb
    # ends, rounding and 1e-12 of information are left of that direction.
    rng = np.random.default_rng(5)
    cell = rng.integers(0, 3, 120)
    y = np.where(cell == 2, 1, rng.binomial(1, np.where(cell == 0, 0.3, 0.7)))
    x = np.column_stack([cell > 0, cell == 1]).astype(float)
    model = MarkovRNN(y, x, k_regimes=1, emission="bernoulli")
    share = [np.log(y[cell == i].mean() / (1.0 - y[cell == i].mean())) for i in (0, 1)]
    theta = np.array([share[0], 27.0, share[1] - share[0] - 27.0])
    flat = model.flat_directions(theta)
    np.testing.assert_allclose(flat / flat[1], [[0.0], [1.0], [-1.0]], atol=1e-9)
    found = RegimeDerivatives(model, theta)
    for matrix in (found.hessian, found.information, found.score_obs):
        assert np.abs(matrix @ flat).max() <= 1e-14 * np.abs(matrix).max()
    # the other two directions are cells of binomial counts
    power = [np.sum(cell == i) * y[cell == i].var() for i in (0, 1)]
    expected = np.array([[power[0] + power[1], power[1]], [power[1], power[1]]])
    along = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(-along.T @ found.hessian @ along, expected, rtol=1e-6)
