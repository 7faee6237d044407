"""Monte Carlo: intervals of memory lengths and capacities of fitted models cover."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats.diagnostics.memory import effective_memory, memory_capacity
from rnnstats.models.linear import LinearRNN
from rnnstats.models.nonlinear import ElmanRNN
from rnnstats.results.nonlinear import RecurrentResults

pytestmark = [pytest.mark.slow, pytest.mark.statistical]

TRUTH = {
    "W_h[h1,h1]": 0.7, "W_y[h1,y]": 0.6, "b_h[h1]": 0.0, "V[y,h1]": 1.0, "b_y[y]": 0.0,
    "obs_cov[y,y]": 0.25,
}  # fmt: skip


def covered(found, error, truth):
    """Share of 95 % intervals, on the scale of logs, that hold the truth."""
    found, error = np.asarray(found), np.asarray(error)
    return (np.abs(np.log(found / truth)) <= 1.96 * error / found).mean()


def test_lengths_of_a_linear_model_cover():
    phi, gain, rows, runs = 0.8, 0.5, 500, 300
    found = []
    for seed in range(runs):
        errors = np.random.default_rng(seed).standard_normal(rows + 100)
        y, state = np.empty(rows + 100), 0.0
        for t, e in enumerate(errors):
            y[t] = state + e
            state = phi * state + gain * e
        res = LinearRNN(pd.Series(y[100:], name="y"), k_states=1).fit()
        length, capacity = effective_memory(res).frame.iloc[0], memory_capacity(res)
        filter_ = effective_memory(res, given="inputs").frame.iloc[0]
        found.append(
            [length["mean_lag"], length["mean_lag_se"], length["lag_at_share"],
             length["lag_at_share_se"], capacity.mean_lag, capacity.mean_lag_se,
             filter_["mean_lag"], filter_["mean_lag_se"]]
        )  # fmt: skip
    table = np.array(found)
    keep = phi - gain
    truths = [phi / (1 - phi), np.log(0.05) / np.log(phi), phi**2 / (1 - phi**2), keep / (1 - keep)]
    for j, truth in enumerate(truths):
        share = covered(table[:, 2 * j], table[:, 2 * j + 1], truth)
        # 300 runs give a standard error of 1.3 %
        assert 0.91 < share < 0.99, (j, share)


def test_lengths_of_a_network_cover():
    rows, runs = 500, 120
    long = ElmanRNN(pd.Series(np.zeros(3), name="y"), k_hidden=1)
    theta = pd.Series(TRUTH).reindex(long.param_names)
    whole = long.clone(long.simulate(theta, 40_000, rng=1, burnin=100))
    at_truth = RecurrentResults.from_fit(whole, theta)
    truth = effective_memory(at_truth, horizon=12).frame.iloc[0]
    runs_truth = memory_capacity(at_truth, nsteps=400_000, rng=2)
    found = []
    for seed in range(runs):
        y = long.simulate(theta, rows, rng=1000 + seed, burnin=100)
        res = long.clone(y).fit(start_params=theta, n_starts=1, rng=0)
        row = effective_memory(res, horizon=12).frame.iloc[0]
        capacity = memory_capacity(res, nsteps=8000, rng=seed)
        found.append([row["mean_lag"], row["mean_lag_se"], capacity.total, capacity.total_se])
    table = np.array(found)
    table = table[np.isfinite(table).all(axis=1)]
    assert len(table) > 0.9 * runs
    assert 0.88 < covered(table[:, 0], table[:, 1], truth["mean_lag"]) < 0.995
    assert 0.88 < covered(table[:, 2], table[:, 3], runs_truth.total) < 0.995
