"""Expectation-maximisation of the mean form in one call: compiled, beside its twin in NumPy."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnstats.kernels import markov
from rnnstats.kernels.markov_mean import MeanChain, MeanEnd, Products
from rnnstats.kernels.reference import markov_mean as reference

needs_core = pytest.mark.skipif(not markov.HAVE_COMPILED, reason="no compiled core here")
P = np.array([[0.9, 0.1], [0.2, 0.8]])


def products(k: int, order: int, switching: bool) -> Products:
    """Of switching means and of an autoregression that switches or is common."""
    digits = np.indices((k,) * (order + 1)).reshape(order + 1, -1).T
    r, one = 2 + order, k + order * (k if switching else 1)
    rows: list[tuple[int, int, int, float]] = []
    for s, regimes in enumerate(digits):
        rows.append((s * r, one, one, 1.0))
        for lag in range(order + 1):
            ar = k + (lag - 1) * (k if switching else 1) + (regimes[0] if switching else 0)
            if lag:
                rows.append((s * r + lag, ar, one, -1.0))
            column = s * r + 1 + order
            rows.append((column, ar if lag else one, regimes[lag], 1.0 if lag else -1.0))
    cell, first, second, sign = (np.array(x) for x in zip(*rows, strict=True))
    return Products(cell, first, second, sign)


def series(n: int, order: int, seed: int, sequences: int = 1) -> tuple[np.ndarray, ...]:
    """Responses with lags and a constant; rows; offsets of the chain."""
    rng = np.random.default_rng(seed)
    y = 2.0 * (np.cumsum(rng.random(n) < 0.1) % 2) + rng.normal(size=n)
    edges = np.linspace(0, n, sequences + 1).astype(int)
    rows = np.concatenate([np.arange(a + order, b) for a, b in itertools.pairwise(edges)])
    lags = [y[rows - lag] for lag in range(order + 1)]
    offsets = edges - order * np.arange(sequences + 1)
    return np.column_stack([*lags, np.ones(len(rows))]), rows, offsets


def chain_of(
    k: int = 2, order: int = 2, switching: bool = False, common: bool = False, n: int = 80,
    sequences: int = 1, heard: np.ndarray | None = None, seed: int = 0,
) -> MeanChain:  # fmt: skip
    v, rows, offsets = series(n, order, seed, sequences)
    heard = np.ones(len(v), dtype=bool) if heard is None else heard[: len(v)]
    q = k + order * (k if switching else 1)
    origin = np.append(np.zeros(q), 1.0)
    origin[:k] = -0.3
    return MeanChain(
        v, heard, rows, offsets, k, order, products(k, order, switching), origin, k, common, 1e-6
    )


@needs_core
@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([(2, 1), (2, 3), (3, 1), (3, 2), (5, 1)]),
    st.integers(0, 2), st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
def test_compiled_is_the_twin(
    seed, size, start, missing, common, switching, classified, zero
) -> None:
    """Six passes; what rounding is at each is enlarged by no more than 1e4 (not chaotic)."""
    k, order = size
    rng = np.random.default_rng(seed)
    n = int(rng.integers(40, 70))
    heard = rng.random(n) > 0.1 if missing else None
    chain = chain_of(k, order, switching, common, n, 2, heard, seed)
    transition = rng.dirichlet(np.full(k, 3.0), size=k)
    if zero and k > 2:  # the recursion for positive transitions does not serve
        transition[0, 1], transition[0, 0] = 0.0, transition[0, 0] + transition[0, 1]
    law = np.tile(rng.dirichlet(np.full(k, 3.0)), (2, 1))
    weights = rng.dirichlet(np.ones(k), size=n) if classified else None
    q = len(chain._data[7]) - 1
    u = np.append(rng.normal(size=k), rng.uniform(-0.3, 0.3, size=q - k))
    call = (u, np.full(k, 2.0), transition, law, start, weights, 1.0, 6, 1e-7)
    for accelerate in (False, True):
        ours = markov._core.Mean(*chain._data).climb(*call, accelerate)
        theirs = reference.Mean(*chain._data).climb(*call, accelerate)
        for name, one, other in zip(MeanEnd._fields, ours, theirs, strict=True):
            if name not in ("passes", "settled"):
                np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6, err_msg=name)


def test_a_pass_gives_the_slopes() -> None:
    """All of them by central differences; truncation and rounding near 1e-9 of the size."""
    heard = np.arange(80) % 9 != 4
    chain = chain_of(switching=True, heard=heard, sequences=2)
    begin = [
        np.array([0.4, 1.5, 0.2, -0.1, 0.1, 0.3]), np.array([0.8, 1.7]), P,
        np.array([[0.7, 0.3], [0.4, 0.6]]),
    ]  # fmt: skip
    found = chain.climb(*begin, "fixed")
    by_variance = 0.5 * (found.squares / begin[1] - found.mass) / begin[1]
    slopes = (found.slopes, by_variance, found.d_transition, found.d_start)
    step = 1e-5
    for which, slope in enumerate(slopes):
        for place in np.ndindex(slope.shape):
            sides = []
            for sign in (step, -step):
                moved = [np.array(x) for x in begin]
                moved[which][place] += sign
                sides.append(chain.climb(*moved, "fixed").llf)
            assert (sides[0] - sides[1]) / (2.0 * step) == pytest.approx(slope[place], abs=1e-6)


def test_a_far_row_is_left_to_the_exact_recursion() -> None:
    """A density of e^-5000 in all but one state: the log-likelihood is that of the logarithms."""
    chain = chain_of()
    v = chain._data[0].copy()
    v[30, 0] = 60.0
    far = MeanChain(
        v, np.ones(len(v), dtype=bool), *chain._data[2:6], Products(*chain._data[6]),
        *chain._data[7:],
    )  # fmt: skip
    u, law = np.array([0.0, 40.0, 0.2, 0.1]), np.array([[0.5, 0.5]])
    given_ = (u, np.ones(2), P, law)
    ours = far.climb(*given_, "stationary").llf
    theirs = reference.Mean(*far._data).climb(*given_, 2, None, 0.0, 0, 0.0, False)[1]
    assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("start", ["fixed", "free", "stationary"])
def test_steps_never_lose(start: str) -> None:
    chain, law = chain_of(n=120), np.array([[0.5, 0.5]])
    u, variance = np.array([-0.5, 2.5, 0.1, 0.1]), np.array([2.0, 2.0])
    heights = [
        chain.climb(u, variance, P, law, start, limit=limit).llf  # type: ignore[arg-type]
        for limit in range(0, 20)
    ]
    assert (np.diff(heights) > -1e-9).all()
    assert heights[-1] > heights[0] + 1.0


def test_a_reducible_chain_has_no_stationary_start() -> None:
    found = chain_of().climb(
        np.zeros(4), np.ones(2), np.eye(2), np.full((1, 2), 0.5), "stationary", limit=5
    )
    assert found.llf == -np.inf
    assert found.passes == 0


def test_it_survives_pickling() -> None:
    chain = chain_of()
    again = pickle.loads(pickle.dumps(chain))
    call = (np.array([0.0, 1.0, 0.1, 0.1]), np.ones(2), P, np.full((1, 2), 0.5), "free")
    assert again.climb(*call, limit=5).llf == chain.climb(*call, limit=5).llf
