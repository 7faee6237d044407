"""Mixtures over paths against the enumeration of all paths."""

import itertools

import numpy as np
import pytest
from scipy import stats

from rnnstats.results.regimes.forecasting.paths import Dynamics, begin, mixture_of, propagate


def random_dynamics(rng, regimes, lags, k, memory, rows):
    states = regimes ** (memory + 1)
    roots = rng.standard_normal((states, k, k))
    return Dynamics(
        rng.standard_normal((rows, states, k)),
        0.3 * rng.standard_normal((states, k, lags * k)),
        roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(k),
        rng.dirichlet(np.ones(regimes), size=(rows, regimes)),
        memory,
    )


def enumerate_paths(weight, lags, dynamics, rows):
    """Weight, states, joint mean and covariance of all rows (first row first) of every path."""
    regimes, (states, k) = dynamics.k_regimes, dynamics.noise.shape[:2]
    p = len(lags)
    for first in range(states):
        for moves in itertools.product(range(regimes), repeat=rows - 1):
            probability, state, path = weight[first], first, [first]
            for t, move in enumerate(moves, start=1):
                probability *= dynamics.transition[t][state // regimes**dynamics.memory, move]
                tail = state // regimes if dynamics.memory else 0
                state = move * regimes**dynamics.memory + tail
                path.append(state)
            # y = mean + sum of loadings on the noises of all rows
            mean, loads = [], []
            for t, state in enumerate(path):
                m, load = dynamics.const[t, state].copy(), np.zeros((k, rows * k))
                load[:, t * k : (t + 1) * k] = np.linalg.cholesky(dynamics.noise[state])
                for lag in range(p):
                    ar = dynamics.ar[state][:, lag * k : (lag + 1) * k]
                    back = t - 1 - lag
                    m = m + ar @ (mean[back] if back >= 0 else lags[-back - 1])
                    load = load + (ar @ loads[back] if back >= 0 else 0.0)
                mean.append(m)
                loads.append(load)
            stacked = np.concatenate(loads)
            yield probability, path, np.concatenate(mean), stacked @ stacked.T


CASES = [(2, 1, 1, 0), (3, 2, 2, 0), (2, 2, 1, 2)]


@pytest.mark.parametrize(("regimes", "lags", "k", "memory"), CASES)
def test_law_of_every_row_is_the_mixture_over_all_paths(regimes, lags, k, memory):
    rng, rows = np.random.default_rng(7), 4
    dynamics = random_dynamics(rng, regimes, lags, k, memory, rows)
    weight = rng.dirichlet(np.ones(regimes ** (memory + 1)))
    past = rng.standard_normal((lags, k))
    paths = list(enumerate_paths(weight, past, dynamics, rows))
    probability = np.array([one[0] for one in paths])
    exact = mixture_of(propagate(begin(weight, past, lags), dynamics), k)
    moments = mixture_of(propagate(begin(weight, past, lags), dynamics, cap=1), k)
    for t in range(rows):
        at = slice(t * k, (t + 1) * k)
        mean = np.array([one[2][at] for one in paths])
        cov = np.array([one[3][at, at] for one in paths])
        centre = probability @ mean
        second = np.einsum("m,mij->ij", probability, cov + mean[:, :, None] * mean[:, None, :])
        for law in (exact, moments):  # merging keeps both moments
            np.testing.assert_allclose(law.mean()[t], centre, atol=1e-12)
            np.testing.assert_allclose(law.cov()[t], second - np.outer(centre, centre), atol=1e-11)
        value = centre[0] + 0.4
        share = probability @ stats.norm.cdf((value - mean[:, 0]) / np.sqrt(cov[:, 0, 0]))
        assert exact.cdf(np.full(rows, value), 0)[t] == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(("regimes", "lags", "k", "memory"), CASES)
def test_what_is_seen_conditions_by_bayes(regimes, lags, k, memory):
    rng, rows = np.random.default_rng(8), 3
    dynamics = random_dynamics(rng, regimes, lags, k, memory, rows)
    weight = rng.dirichlet(np.ones(regimes ** (memory + 1)))
    past = rng.standard_normal((lags, k))
    seen = np.full((rows, k), np.nan)
    seen[1, 0], seen[2, -1] = 0.7, -0.2
    flat = np.flatnonzero(~np.isnan(seen.ravel()))
    posterior, means, regimes_of_first = [], [], np.zeros(regimes)
    for probability, path, mean, cov in enumerate_paths(weight, past, dynamics, rows):
        inner = cov[np.ix_(flat, flat)]
        density = stats.multivariate_normal(mean[flat], inner).pdf(seen.ravel()[flat])
        gain = cov[:, flat] @ np.linalg.inv(inner)
        posterior.append(probability * density)
        means.append(mean + gain @ (seen.ravel()[flat] - mean[flat]))
        regimes_of_first[path[0] // regimes**memory] += posterior[-1]
    due = np.array(posterior) @ np.array(means) / np.sum(posterior)
    start = begin(weight, past, max(rows, lags), rows)
    last = propagate(start, dynamics, seen=seen)[-1]
    found = (last.weight @ last.mean)[: rows * k].reshape(rows, k)[::-1]
    np.testing.assert_allclose(found.ravel(), due, atol=1e-10)
    first = last.weight @ last.past[:, 0]
    np.testing.assert_allclose(first, regimes_of_first / regimes_of_first.sum(), atol=1e-12)


def test_merging_hardly_moves_shares_of_hamiltons_model():
    rows = 15  # three times beyond what is kept
    ar = np.tile([0.014, -0.058, -0.247, -0.213], (2, 1, 1))
    steps = np.tile([[0.755, 0.245], [0.095, 0.905]], (rows, 1, 1))
    const = np.tile([[-0.54], [1.75]], (rows, 1, 1))
    dynamics = Dynamics(const, ar, np.full((2, 1, 1), 0.59), steps, 0)
    start = begin(np.array([0.3, 0.7]), np.ones((4, 1)), 4)
    merged = mixture_of(propagate(start, dynamics), 1)
    exact = mixture_of(propagate(start, dynamics, cap=2**rows), 1)
    np.testing.assert_allclose(merged.mean(), exact.mean(), atol=1e-12)
    np.testing.assert_allclose(merged.cov(), exact.cov(), atol=1e-12)
    for z in (-2.0, -1.0, 0.0, 1.0, 2.0):
        values = exact.mean()[:, 0] + 1.1 * z
        # as the documentation of get_forecast says
        np.testing.assert_allclose(merged.cdf(values, 0), exact.cdf(values, 0), rtol=0, atol=1e-6)


def test_impossible_observations_leave_nothing():
    dynamics = Dynamics(
        np.zeros((2, 2, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1, 1)),
        np.tile(np.eye(2), (2, 1, 1)), 0,
    )  # fmt: skip
    start = begin(np.array([0.5, 0.5]), np.zeros((1, 1)), 1)
    steps = propagate(start, dynamics, seen=np.array([[1.0], [np.nan]]))
    assert len(steps) == 1
    assert len(steps[0]) == 0
