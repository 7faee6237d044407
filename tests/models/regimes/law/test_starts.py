"""Stationary laws, their derivatives, chains of composite states."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnstats import MarkovRNN
from rnnstats.kernels.chains import stationary_law
from rnnstats.models.regimes.law.composite import CompositePlan
from rnnstats.models.regimes.law.starts import StationaryStart


def random_matrix(seed: int, k: int, sharpness: float) -> np.ndarray:
    logits = sharpness * np.random.default_rng(seed).standard_normal((k, k))
    matrix = np.exp(logits - logits.max(axis=1, keepdims=True))
    return matrix / matrix.sum(axis=1, keepdims=True)


@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(0.0, 12.0))
def test_stationary_law_and_its_derivative(seed: int, k: int, sharpness: float) -> None:
    matrix = random_matrix(seed, k, sharpness)
    law = stationary_law(matrix)
    assert law is not None
    assert law.min() > 0.0
    # entry by entry: nothing is subtracted
    np.testing.assert_allclose(law @ matrix, law, rtol=1e-13)
    start = StationaryStart(2)
    rng = np.random.default_rng(seed)
    moved = rng.standard_normal((k, k, 3)) * matrix[:, :, None]
    moved -= matrix[:, :, None] * moved.sum(axis=1, keepdims=True)
    none = np.empty(0)
    laws = start.value(none, matrix)
    assert laws is not None
    along = start.tangents(none, matrix, laws, moved)
    np.testing.assert_allclose(along.sum(axis=1), 0.0, atol=1e-12)
    left = np.einsum("skm,kj->sjm", along, np.eye(k) - matrix)
    right = np.einsum("i,ijm->jm", law, moved)
    np.testing.assert_allclose(left, np.repeat(right[None], 2, axis=0), atol=1e-13)
    slopes = rng.standard_normal((2, k))
    pulled = start.pull(none, matrix, laws, slopes)[1]
    assert pulled is not None
    both = np.einsum("ij,ijm->m", pulled, moved), np.einsum("sk,skm->m", slopes, along)
    # relative to the sizes that are added up
    size = max(1.0, float(np.abs(np.einsum("ij,ijm->ijm", pulled, moved)).max()))
    np.testing.assert_allclose(both[0], both[1], rtol=1e-9, atol=1e-11 * size)


def test_laws_of_chains_that_hardly_move() -> None:
    tiny = 1e-120
    matrix = np.array([[1.0, 3.0 * tiny], [tiny, 1.0]])
    np.testing.assert_allclose(stationary_law(matrix), [0.25, 0.75], rtol=1e-14)
    three = np.array([[1.0, tiny, 0.0], [0.0, 1.0, tiny], [tiny, tiny, 1.0]])
    law = stationary_law(three)
    assert law is not None
    # balance of what leaves and enters, by hand: (1, 2, 1) / 4
    np.testing.assert_allclose(law, [0.25, 0.5, 0.25], rtol=1e-14)
    start, none = StationaryStart(1), np.empty(0)
    pulled = start.pull(none, three, law[None], np.array([[1.0, 0.0, 0.0]]))[1]
    assert pulled is not None
    assert np.isfinite(pulled).all()
    # with P[0, 1] (1 + e) the law is (1, 2 + 2e, 1 + e) / (4 + 3e)
    move = np.zeros((3, 3))
    move[0, 0], move[0, 1] = -tiny, tiny
    assert (pulled * move).sum() == pytest.approx(-3.0 / 16.0, rel=1e-12)


@pytest.mark.parametrize(("k", "order"), [(1, 2), (2, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("varying", [False, True])
def test_composite_chain(k: int, order: int, varying: bool) -> None:
    rng = np.random.default_rng(k + 10 * order)
    offsets = np.array([0, order + 2, 2 * order + 5])
    n = int(offsets[-1])
    moves = np.array([random_matrix(int(s), k, 1.0) for s in rng.integers(0, 99, n)])
    transition = moves if varying else moves[0]
    start = rng.dirichlet(np.ones(k), 2)
    plan = CompositePlan(k, order, offsets)
    made = plan.expand(transition, start)
    np.testing.assert_array_equal(plan.rows, [*range(order, order + 2), *range(n - 3, n)])
    np.testing.assert_array_equal(made.offsets, [0, 2, 5])
    np.testing.assert_allclose(made.start.sum(axis=1), 1.0, rtol=1e-13)
    for s, path in enumerate(made.lags[:, ::-1]):  # h_0, ..., h_p
        number = sum(int(h) * k**i for i, h in enumerate(path))
        assert number == s
        for which, first in enumerate(offsets[:-1]):
            weight = start[which, path[0]]
            for step, (i, j) in enumerate(itertools.pairwise(path), start=1):
                weight *= (transition if not varying else transition[first + step])[i, j]
            assert made.start[which, s] == pytest.approx(weight, rel=1e-13)
    marginal = made.marginal(made.start, lag=order)
    np.testing.assert_allclose(marginal, start, rtol=1e-12)
    # the start law is multilinear: its gradient and tangents are transposes of each other
    q = 3
    d_moves = rng.standard_normal((*transition.shape, q))
    d_start = rng.standard_normal((2, k, q))
    along, law = plan.tangents(transition, start, d_moves, d_start)
    g_moves = rng.standard_normal(along.shape[:-1])
    g_law = rng.standard_normal(law.shape[:-1])
    back, back_start = plan.collapse(transition, start, g_moves, g_law)
    forth = np.tensordot(g_moves, along, g_moves.ndim) + np.tensordot(g_law, law, 2)
    pulled = np.tensordot(back, d_moves, back.ndim) + np.tensordot(back_start, d_start, 2)
    np.testing.assert_allclose(pulled, forth, rtol=1e-11, atol=1e-12)
    step = 1e-6
    up = plan.expand(transition + step * d_moves[..., 0], start + step * d_start[..., 0]).start
    down = plan.expand(transition - step * d_moves[..., 0], start - step * d_start[..., 0]).start
    # step^2 times third derivatives of order one
    np.testing.assert_allclose(law[..., 0], (up - down) / (2 * step), atol=1e-8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"exog_transition": np.arange(12.0)},
        {"order": 1, "ar_form": "mean", "switching": "trend"},
        {"start": "free"},
        {"start": pd.DataFrame({"a": [1.0, 2.0]}), "groups": [0] * 5 + [1] * 7},
    ],
)
@pytest.mark.parametrize("k", [1, 2])
def test_a_model_travels_between_processes(options: dict, k: int) -> None:
    y = np.sin(np.arange(12.0)) + (np.arange(12) > 6)
    model = MarkovRNN(y, k_regimes=k, **options)
    theta = model.start_params
    twin = pickle.loads(pickle.dumps(model))
    assert twin.loglike(theta) == model.loglike(theta)
    np.testing.assert_allclose(
        model.score_obs(theta).sum(axis=0), model.score(theta), rtol=1e-9, atol=1e-10
    )
