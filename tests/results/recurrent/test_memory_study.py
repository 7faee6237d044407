"""Coverage of the interval of a network's rate of forgetting, by simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from rnnstats.errors import ConvergenceWarning
from rnnstats.models.nonlinear import ElmanRNN

REPETITIONS = 120


def path(rows, rng):
    """One tanh unit that feeds on itself and on the last output, and the log of each Jacobian."""
    y, logs, h = np.zeros(rows), np.zeros(rows), 0.0
    for t in range(1, rows):
        h = np.tanh(0.5 * h + y[t - 1] - 0.2)
        y[t] = 0.9 * h + 0.2 + rng.standard_normal()
        logs[t] = np.log(0.5 * (1.0 - h * h))
    return y, logs


@pytest.mark.slow
@pytest.mark.statistical
def test_the_interval_of_the_rate_covers():
    truth = path(100_000, np.random.default_rng(99))[1][1:].mean()
    rng, rows = np.random.default_rng(0), []
    for _ in range(REPETITIONS):
        y, _ = path(1500, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            row = ElmanRNN(y, k_hidden=1).fit(n_starts=4).memory(steps=2).verdict.iloc[0]
        rows.append((row["log_rate"], row["log_rate_se"], stats.t.ppf(0.975, row["df"])))
    rates, errors, quantiles = np.array(rows).T
    # 95 % of 120 within three binomial standard errors; the spread of 120 rates is known to 7 %
    covered = np.abs(rates - truth) < quantiles * errors
    assert 0.89 <= covered.mean() <= 1.0
    assert errors.mean() == pytest.approx(rates.std(), rel=0.25)
