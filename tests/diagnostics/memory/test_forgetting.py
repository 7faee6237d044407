"""How chains and filters forget: against definitions, products of matrices and the literature."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from rnnstats.diagnostics.memory import forgetting
from rnnstats.kernels import markov
from rnnstats.kernels.chains import moved


def chain(seed, k, n, varies=False):
    rng = np.random.default_rng(seed)
    logs = rng.normal(scale=1.5, size=(n, k))
    transition = rng.dirichlet(np.ones(k), size=(n, k) if varies else k)
    return logs, transition


def logarithm(number):
    return math.log(number.numerator) - math.log(number.denominator)


def stationary(matrix):
    values, vectors = np.linalg.eig(matrix.T)
    law = np.real(vectors[:, np.argmax(values.real)])
    return law / law.sum()


def composite(matrix, lags):
    """Transition matrix of (h_t, ..., h_{t-lags}), by its definition."""
    k = len(matrix)
    digits = np.stack(np.unravel_index(np.arange(k ** (lags + 1)), (k,) * (lags + 1)), axis=1)
    full = np.zeros((len(digits), len(digits)))
    for s, before in enumerate(digits):
        for t, after in enumerate(digits):
            if (after[1:] == before[:-1]).all():
                full[s, t] = matrix[before[0], after[0]]
    return full


@pytest.mark.parametrize("lags", [0, 1, 2])
def test_steps_of_composite_states(lags):
    _, matrix = chain(1, 3, 5)
    belief = np.random.default_rng(2).dirichlet(np.ones(3 ** (lags + 1)), size=4)
    found = moved(belief, matrix, lags)
    np.testing.assert_allclose(found, belief @ composite(matrix, lags), rtol=0, atol=1e-15)


def test_mixing_time_is_the_first_step_that_is_near():
    for seed in range(20):
        _, matrix = chain(seed, 3, 5)
        matrix = 0.97 * np.eye(3) + 0.03 * matrix  # slow
        law = stationary(matrix)
        power, steps = np.eye(3), 0
        while 0.5 * np.abs(power - law).sum(axis=1).max() > 0.25:
            power, steps = power @ matrix, steps + 1
        assert forgetting.mixing_time(matrix, law) == steps
    flip = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert forgetting.mixing_time(flip, np.array([0.5, 0.5])) == np.inf
    slow = np.array([[1 - 1e-9, 1e-9], [1e-9, 1 - 1e-9]])
    # distance is (1 - 2e-9)^t / 2: near after log 2 / 2e-9 steps
    assert forgetting.mixing_time(slow, np.array([0.5, 0.5])) == pytest.approx(
        np.log(2.0) / 2e-9, rel=1e-6
    )


def test_birkhoff_bounds_every_step():
    """Hilbert distances shrink by the coefficient at least, diagonal matrices or not."""

    def hilbert(u, v):
        ratio = np.log(u) - np.log(v)
        return ratio.max() - ratio.min()

    rng = np.random.default_rng(4)
    worst = 0.0
    for _ in range(300):
        matrix = rng.dirichlet(np.ones(3), size=3)
        bound = forgetting.birkhoff(matrix)
        u, v, weight = rng.dirichlet(np.ones(3), size=3)
        ratio = hilbert((u @ matrix) * weight, (v @ matrix) * weight) / hilbert(u, v)
        assert ratio <= bound * (1.0 + 1e-10)
        worst = max(worst, ratio / bound)
    assert worst > 0.6  # the bound is no idle one
    assert forgetting.birkhoff(np.eye(2)) == 1.0
    assert forgetting.birkhoff(np.full((2, 2), 0.5)) == 0.0


@pytest.mark.parametrize("varies", [False, True])
@pytest.mark.parametrize("k", [2, 4])
def test_gap_is_that_of_the_products(k, varies):
    """Against norms of the whole product and of its minors, in rational numbers."""
    n = 40
    logs, transition = chain(7, k, n, varies)
    start = np.full(k, 1.0 / k)
    llf = markov.forward(logs, transition, start).llf_obs
    gaps = forgetting.lyapunov_gaps(logs, transition, llf, np.array([0, n]))
    assert gaps.shape == (n - 1,)
    product = [[Fraction(int(i == j)) for j in range(k)] for i in range(k)]
    for t in range(1, n):
        into = transition if transition.ndim == 2 else transition[t]
        step = into * np.exp(logs[t])
        exact = [[Fraction(float(step[i, j])) for j in range(k)] for i in range(k)]
        product = [
            [sum(row[m] * exact[m][j] for m in range(k)) for j in range(k)] for row in product
        ]
    first = sum(cell**2 for row in product for cell in row)
    second = sum(
        (product[i][a] * product[j][b] - product[i][b] * product[j][a]) ** 2
        for i, j in combinations(range(k), 2)
        for a, b in combinations(range(k), 2)
    )
    due = logarithm(first) - 0.5 * logarithm(second)
    # both sums differ by what a norm of one vector is off, whatever the length
    assert abs(gaps.sum() - due) < 4.0
    assert gaps.sum() > 20.0


def test_gap_of_two_regimes_is_the_determinant():
    logs, transition = chain(9, 2, 50)
    llf = markov.forward(logs, transition, [0.5, 0.5]).llf_obs
    gaps = forgetting.lyapunov_gaps(logs, transition, llf, np.array([0, 50]))
    due = 2.0 * llf[1:] - np.log(abs(np.linalg.det(transition))) - logs[1:].sum(axis=1)
    np.testing.assert_allclose(gaps, due, rtol=0, atol=1e-12)


def test_without_information_the_gap_is_the_second_eigenvalue():
    _, transition = chain(11, 3, 5)
    second = np.sort(np.abs(np.linalg.eigvals(transition)))[-2]
    n = 2000
    flat = np.zeros((n, 3))
    gaps = forgetting.lyapunov_gaps(flat, transition, np.zeros(n), np.array([0, n]))
    assert gaps[100:].mean() == pytest.approx(-np.log(second), rel=2e-3)  # complex pairs turn
    distances = forgetting.chain_distances(transition, 30)
    powers = [np.linalg.matrix_power(transition, k) for k in range(31)]
    due = [max(0.5 * np.abs(p[i] - p[j]).sum() for i in range(3) for j in range(3)) for p in powers]
    np.testing.assert_allclose(distances, due, rtol=0, atol=1e-14)


def test_orthogonal_vectors_agree_with_minors(monkeypatch):
    logs, transition = chain(13, 4, 300)
    llf = markov.forward(logs, transition, np.full(4, 0.25)).llf_obs
    args = (logs, transition, llf, np.array([0, 120, 300]))
    exact = forgetting.lyapunov_gaps(*args)
    monkeypatch.setattr(forgetting, "PAIRS", 0)
    other = forgetting.lyapunov_gaps(*args)
    assert exact.shape == other.shape == (298,)
    # two sequences, each of whose sums telescopes up to a norm
    assert abs(exact.sum() - other.sum()) < 8.0
    assert exact.mean() == pytest.approx(other.mean(), rel=0.02)


def test_rows_that_wipe_out_the_past():
    logs = np.zeros((30, 2))
    logs[10, 0] = -np.inf
    transition = np.array([[0.9, 0.1], [0.2, 0.8]])
    llf = markov.forward(logs, transition, [0.5, 0.5]).llf_obs
    gaps = forgetting.lyapunov_gaps(logs, transition, llf, np.array([0, 30]))
    assert np.flatnonzero(np.isinf(gaps)).tolist() == [9]
    independent = np.full((2, 2), 0.5)  # regimes that do not depend on the last one
    gaps = forgetting.lyapunov_gaps(np.zeros((5, 2)), independent, np.zeros(5), np.array([0, 5]))
    assert np.isinf(gaps).all()


def test_filters_from_different_states():
    """Window by window against the filter itself."""
    logs, transition = chain(15, 3, 30, varies=True)
    found = forgetting.filter_distances(logs, transition, np.array([0, 12, 30]), 5)
    assert found.shape == (6, 7 + 13)
    first = 12  # the eighth window begins with the second sequence
    beliefs = []
    for state in range(3):
        run = markov.forward(
            logs[first + 1 :], transition[first + 1 :], transition[first + 1, state]
        )
        beliefs.append(run.filtered)
    for lag in range(1, 6):
        due = max(
            0.5 * np.abs(beliefs[i][lag - 1] - beliefs[j][lag - 1]).sum()
            for i in range(3)
            for j in range(3)
        )
        assert found[lag, 7] == pytest.approx(due, abs=1e-13)
    np.testing.assert_array_equal(found[0], 1.0)
    assert (np.diff(found.mean(axis=1)) < 0.0).all()


def test_distances_of_a_moving_chain_stay_in_one_sequence():
    """Of two regimes the distance shrinks by |p11 - p21| a row; into a first row is no step."""
    stay = np.array([0.5, 0.9, 0.8, 0.5, 0.6, 0.7])
    matrices = np.stack([np.stack([stay, 1 - stay], -1), np.stack([1 - stay, stay], -1)], axis=1)
    found = forgetting.chain_distances(matrices, 2, np.array([0, 3, 6]))
    one, two = 2 * stay[[1, 4]] - 1, 2 * stay[[2, 5]] - 1
    np.testing.assert_allclose(found, [1.0, one.mean(), (one * two).mean()], rtol=1e-14)
    assert np.isnan(forgetting.chain_distances(matrices[:1], 1)).all()
