"""Histories drawn for autoregressions whose noise is not normal."""

import numpy as np

from rnnstats.models.markov import MarkovRNN
from rnnstats.results.regimes.forecasting.particles import simulated


def test_the_law_of_a_row_is_given_the_rows_before_it_only():
    """What is told of a row, or of later ones, must leave its own law as it is."""
    rng = np.random.default_rng(11)
    model = MarkovRNN(rng.standard_normal(60).cumsum(), order=1, emission="student-t")
    system = model.system(model.start_params, steps=4)
    rows, lags, weight = np.arange(60, 64), np.array([[1.0]]), np.array([0.4, 0.6])
    blank = np.full((4, 1), np.nan)
    told = blank.copy()
    told[2] = 3.0
    plain, _ = simulated(system, weight, lags, rows, blank)
    given, _ = simulated(system, weight, lags, rows, told)
    values = np.linspace(-3.0, 3.0, 4)
    # the same seed, the same draws up to the row told: equal to the last digit
    np.testing.assert_array_equal(given.cdf(values, 0)[:3], plain.cdf(values, 0)[:3])
    assert given.cdf(values, 0)[3] != plain.cdf(values, 0)[3]
