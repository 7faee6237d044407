"""Expectation-maximisation of a normal response in one call: compiled, beside its twin in NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnstats.kernels import markov
from rnnstats.kernels.markov_normal import NormalChain, NormalEnd
from rnnstats.kernels.reference import markov as slow
from rnnstats.kernels.reference import markov_normal as reference

needs_core = pytest.mark.skipif(not markov.HAVE_COMPILED, reason="no compiled core here")
STARTS = ("fixed", "free", "stationary")


def apart(k: int, m: int) -> np.ndarray:
    """No coefficient shared."""
    basis = np.zeros((k, m, k * m))
    for j in range(k):
        basis[j, :, j * m : (j + 1) * m] = np.eye(m)
    return basis


@needs_core
@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(0, 3), st.integers(0, 2),
    st.booleans(), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
def test_compiled_is_the_twin(seed, k, m, start, missing, common, shared, classified) -> None:
    """Eight passes; what rounding is at each is enlarged by no more than 1e4 (not chaotic)."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(30, 330))
    x = rng.normal(size=(m, n))
    y = rng.normal(size=n) + 2.0 * rng.integers(0, k, size=n)
    seen = (rng.random(n) > 0.1).astype(np.uint8) if missing else None
    y = y if seen is None else np.where(seen, y, 0.0)
    basis = np.ascontiguousarray(rng.normal(size=(k, m, m + 1))) if shared and m else apart(k, m)
    offsets = np.array([0, n // 3, n], dtype=np.int64)
    data = (y, x, seen, basis, offsets, common, 1e-3)
    transition = rng.dirichlet(np.full(k, 3.0), size=k)
    law = np.tile(rng.dirichlet(np.full(k, 3.0)), (2, 1))
    weights = rng.dirichlet(np.ones(k), size=n) if classified else None
    call = (np.zeros((k, m)), np.full(k, 2.0), transition, law, start, weights, 1.0, 8, 1e-7)
    for accelerate in (False, True):
        ours = markov._core.Normal(*data).climb(*call, accelerate)
        theirs = reference.Normal(*data).climb(*call, accelerate)
        for name, one, other in zip(NormalEnd._fields, ours, theirs, strict=True):
            if name not in ("passes", "settled", "d_transition", "d_start"):
                np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7, err_msg=name)


def series(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    states = np.cumsum(rng.random(n) < 0.05) % 2
    return 3.0 * states + rng.normal(size=n), rng.normal(size=(n, 1))


def chain_of(y: np.ndarray, x: np.ndarray, seen: np.ndarray | None = None) -> NormalChain:
    seen = np.ones(len(y), dtype=bool) if seen is None else seen
    return NormalChain(y, x, seen, apart(2, x.shape[1]), np.array([0, len(y)]), False, 1e-8)


P = np.array([[0.9, 0.1], [0.2, 0.8]])


@pytest.mark.parametrize("start", STARTS)
def test_a_pass_gives_the_log_likelihood_and_its_slopes(start: str) -> None:
    """Coefficients and variances by central differences of the recursion in logarithms."""
    y, x = series(60)
    seen = np.arange(60) % 7 != 3
    chain = chain_of(y, x, seen)
    law = np.array([[2.0, 1.0]]) / 3.0  # also the stationary one

    def llf(coef: np.ndarray, variance: np.ndarray) -> float:
        e = y[:, None] - x @ coef.T
        density = np.where(
            seen[:, None], -0.5 * (np.log(2.0 * np.pi * variance) + e**2 / variance), 0.0
        )
        return float(slow.forward(density, P, law, np.array([0, 60]))[0].sum())

    coef, variance = np.array([[0.3], [-0.2]]), np.array([1.5, 4.0])
    found = chain.climb(coef, variance, P, law, start)
    assert found.llf == pytest.approx(llf(coef, variance), rel=1e-12)
    step = 1e-5  # truncation and rounding both near 1e-10 of the slope's size
    for j in range(2):
        moved = np.zeros((2, 1))
        moved[j] = step
        slope = (llf(coef + moved, variance) - llf(coef - moved, variance)) / (2.0 * step)
        assert found.cross[j, 0] / variance[j] == pytest.approx(slope, abs=1e-6)
        moved = moved[:, 0]
        slope = (llf(coef, variance + moved) - llf(coef, variance - moved)) / (2.0 * step)
        squares, mass = found.sums[j, -2:]
        own = 0.5 * (squares / variance[j] - mass) / variance[j]
        assert own == pytest.approx(slope, abs=1e-6)


def test_units_and_origin_do_not_matter() -> None:
    """A response at a level of 1e7 with a spread of 1e-3: what is lost is the level's rounding."""
    y, _ = series()
    ones = np.ones((len(y), 1))
    near = chain_of(y, ones).climb(
        np.array([[0.0], [3.0]]), np.ones(2), P, np.full((1, 2), 0.5), "free", limit=40, tol=1e-9
    )
    level, unit = 1e4, 1e-3
    far = chain_of(level + unit * y, ones).climb(
        level + unit * np.array([[0.0], [3.0]]), np.full(2, unit**2), P, np.full((1, 2), 0.5),
        "free", limit=40, tol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(far.variance / unit**2, near.variance, rtol=1e-8)
    np.testing.assert_allclose((far.coef - level) / unit, near.coef, rtol=1e-7, atol=1e-8)


def test_a_regime_without_rows_stays_where_it_is() -> None:
    y, x = series(50)
    weights = np.column_stack([np.ones(50), np.zeros(50)])
    found = chain_of(y, x).climb(
        np.array([[0.5], [0.5]]), np.full(2, 2.0), P, np.full((1, 2), 0.5), "free",
        weights=weights, pooled=2.0,
    )  # fmt: skip
    assert found.coef[1, 0] == 0.5
    assert found.variance[1] == 2.0
    assert found.coef[0, 0] != 0.5


def test_a_reducible_chain_has_no_stationary_start() -> None:
    y, x = series(50)
    found = chain_of(y, x).climb(
        np.zeros((2, 1)), np.ones(2), np.eye(2), np.full((1, 2), 0.5), "stationary", limit=5
    )
    assert found.llf == -np.inf
    assert found.passes == 0


def test_it_survives_pickling() -> None:
    y, x = series(50)
    chain = chain_of(y, x)
    again = pickle.loads(pickle.dumps(chain))
    call = (np.zeros((2, 1)), np.ones(2), P, np.full((1, 2), 0.5), "fixed")
    assert again.climb(*call).llf == chain.climb(*call).llf


@needs_core
def test_several_points_are_as_many_passes() -> None:
    """The same arithmetic in the same order; the twin's differs by rounding."""
    rng = np.random.default_rng(8)
    n, k, m, points = 90, 3, 2, 4
    y, x = rng.normal(size=n), rng.normal(size=(m, n))
    offsets = np.array([0, 40, n], dtype=np.int64)
    data = (y, x, None, apart(k, m), offsets, False, 1e-8)
    coef, variance = rng.normal(size=(points, k, m)), 1.0 + rng.random((points, k))
    variance[2, 1] = -1.0  # no likelihood
    transition = rng.dirichlet(np.full(k, 3.0), size=(points, k))
    law = rng.dirichlet(np.full(k, 3.0), size=(points, 2))
    ours = markov._core.Normal(*data).slopes(coef, variance, transition, law)
    with np.errstate(invalid="ignore"):  # logarithm of the variance below zero
        theirs = reference.Normal(*data).slopes(coef, variance, transition, law)
    for i in range(points):
        end = NormalEnd(
            *markov._core.Normal(*data).climb(
                coef[i], variance[i], transition[i], law[i], 0, None, 0.0, 0, 0.0, False
            )
        )
        if i == 2:
            assert ours[0][i] == end.llf == theirs[0][i] == -np.inf
            continue
        assert ours[0][i] == end.llf == pytest.approx(theirs[0][i], rel=1e-12)
        for one, twin, other in zip(
            ours[1:], theirs[1:], (end.sums, end.d_transition, end.d_start), strict=True
        ):
            np.testing.assert_array_equal(one[i], other)
            np.testing.assert_allclose(one[i], twin[i], rtol=1e-9, atol=1e-9)
