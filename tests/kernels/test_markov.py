"""Hidden Markov chains: against all paths, against each other, against complex steps."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels.systems import needs_core

from rnnstats.errors import SpecificationError
from rnnstats.kernels import markov
from rnnstats.kernels.reference import markov as reference

EXAMPLES = settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)


def _chain(
    rng, k, nobs, *, lags=0, varies=False, sequences=1, zeros=False, spread=2.0, missing=False
):
    size = k ** (lags + 1)
    log_density = rng.normal(scale=spread, size=(nobs, size))
    transition = rng.dirichlet(np.ones(k), size=(nobs, k) if varies else k)
    start = rng.dirichlet(np.ones(size), size=sequences)
    if zeros:  # left to right: zero probabilities, an absorbing state
        transition = np.triu(transition)
        transition /= transition.sum(axis=-1, keepdims=True)
        start[:] = np.eye(size)[0]
    if missing:
        log_density[::3] = 0.0
    inner = rng.choice(np.arange(1, nobs), sequences - 1, replace=False) if sequences > 1 else []
    offsets = np.array([0, *sorted(inner), nobs], dtype=np.int64)
    return log_density, transition, start, offsets


@st.composite
def chains(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lags = draw(st.sampled_from([0, 0, 1, 2]))
    k = draw(st.sampled_from([2, 3] if lags else [1, 2, 3, 4, 5, 8, 9, 16, 17, 33]))
    nobs = draw(st.integers(4, 40))
    chain = _chain(
        rng,
        k,
        nobs,
        lags=lags,
        varies=draw(st.booleans()),
        sequences=draw(st.integers(1, 3)),
        zeros=draw(st.booleans()),
        spread=draw(st.sampled_from([1.0, 30.0, 900.0])),
        missing=draw(st.booleans()),
    )
    return rng, chain, lags


def _all_paths(log_density, transition, start):
    """Log weight of every path: (paths (K**T, T), logs)."""
    nobs, k = log_density.shape
    into = np.broadcast_to(transition, (nobs, k, k))
    paths = np.array(list(product(range(k), repeat=nobs)))
    with np.errstate(divide="ignore"):
        logs = np.log(start[paths[:, 0]]) + log_density[0, paths[:, 0]]
        for t in range(1, nobs):
            logs += np.log(into[t, paths[:, t - 1], paths[:, t]]) + log_density[t, paths[:, t]]
    return paths, logs


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("varies", [False, True])
@pytest.mark.parametrize(("k", "nobs"), [(2, 7), (3, 6), (4, 5)])
def test_against_the_sum_over_all_paths(k: int, nobs: int, varies: bool, zeros: bool) -> None:
    rng = np.random.default_rng(k + nobs)
    chain = _chain(rng, k, nobs, varies=varies, zeros=zeros, missing=True)
    log_density, transition, start, _ = chain
    paths, logs = _all_paths(log_density, transition, start[0])
    total = np.logaddexp.reduce(logs)
    weights = np.exp(logs - total)
    out = markov.smooth(*chain, joint=True)
    assert markov.loglike(*chain) == pytest.approx(total, abs=1e-12)
    assert markov.forward(*chain).llf == pytest.approx(total, abs=1e-12)
    assert out.llf == pytest.approx(total, abs=1e-12)
    for t in range(nobs):
        for i in range(k):
            assert out.smoothed[t, i] == pytest.approx(weights[paths[:, t] == i].sum(), abs=1e-12)
            for j in range(k if t else 0):
                here = (paths[:, t - 1] == i) & (paths[:, t] == j)
                assert out.joint[t, i, j] == pytest.approx(weights[here].sum(), abs=1e-12)
    path, height = markov.viterbi(*chain)
    np.testing.assert_array_equal(path, paths[logs.argmax()])
    assert height[0] == pytest.approx(logs.max(), abs=1e-12)
    filtered = np.array([_last(log_density[: t + 1], transition[: t + 1] if varies else transition,
                               start[0]) for t in range(nobs)])  # fmt: skip
    np.testing.assert_allclose(markov.forward(*chain).filtered, filtered, atol=1e-12)


def _last(log_density, transition, start):
    """Probabilities of the last state given rows up to it."""
    paths, logs = _all_paths(log_density, transition, start)
    weights = np.exp(logs - np.logaddexp.reduce(logs))
    return [weights[paths[:, -1] == i].sum() for i in range(log_density.shape[1])]


@needs_core
@given(chains())
@EXAMPLES
def test_compiled_is_the_twin(case) -> None:
    """Recursions of positive terms are stable: eleven digits beside the twin's logarithms."""
    rng, chain, lags = case
    log_density, transition, start, offsets = chain
    near = {"rtol": 1e-11, "atol": 1e-11}
    llf, predicted, filtered = reference.forward(*chain, lags)
    ours = markov.forward(*chain, lags=lags)
    np.testing.assert_allclose(ours.llf_obs, llf, **near)
    np.testing.assert_allclose(ours.predicted, np.exp(predicted), **near)
    np.testing.assert_allclose(ours.filtered, np.exp(filtered), **near)
    if ours.log_filtered is not None:
        np.testing.assert_allclose(ours.log_filtered, filtered, **near)
    assert markov.loglike(*chain, lags=lags) == pytest.approx(llf.sum(), rel=1e-12, abs=1e-11)
    path, height = reference.viterbi(*chain, lags)
    np.testing.assert_allclose(markov.viterbi(*chain, lags=lags)[1], height, **near)
    if not np.isfinite(llf).all():
        assert ours.impossible == np.flatnonzero(llf == -np.inf)[0]
        return
    np.testing.assert_array_equal(markov.viterbi(*chain, lags=lags)[0], path)
    smoothed, slope, d_start = reference.backward(
        log_density, transition, offsets, llf, filtered, lags
    )
    out = markov.smooth(*chain, lags=lags, joint=True)
    np.testing.assert_allclose(out.smoothed, smoothed, **near)
    np.testing.assert_allclose(out.joint, slope * transition, **near)
    summed = slope if transition.ndim == 3 else slope.sum(axis=0)
    np.testing.assert_allclose(out.d_transition * transition, summed * transition, **near)
    np.testing.assert_allclose(out.d_start * start, d_start * start, **near)
    again = np.random.default_rng(3), np.random.default_rng(3)
    paths = reference.sample_paths(
        transition, offsets, filtered, again[0].random((3, len(llf))), lags
    )
    drawn = markov.sample_paths(transition, ours, 3, again[1], offsets, lags=lags)
    np.testing.assert_array_equal(drawn, paths)
    if np.ptp(log_density) > 300.0:  # the derivative by a density e**1000 away overflows, rightly
        return
    q = 3
    moved = (
        rng.normal(size=(*log_density.shape, q)),
        rng.normal(size=(*transition.shape, q)) * (transition[..., None] > 0.0),
        rng.normal(size=(*start.shape, q)) * (start[..., None] > 0.0),
    )
    # derivatives of densities e**200 apart are differences of large numbers
    np.testing.assert_allclose(
        markov.score_obs(*chain[:3], *moved, offsets, lags=lags)[1],
        reference.score_obs(*chain, *moved, lags)[1],
        rtol=1e-8,
        atol=1e-8,
    )


@pytest.mark.parametrize("sequences", [1, 3])
@pytest.mark.parametrize("varies", [False, True])
def test_derivatives_are_complex_steps_of_the_twin(varies: bool, sequences: int) -> None:
    rng = np.random.default_rng(5)
    chain = _chain(rng, 3, 20, varies=varies, sequences=sequences)
    log_density, transition, start, offsets = chain
    out = markov.smooth(*chain)
    for _ in range(5):
        along = [rng.normal(size=part.shape) for part in chain[:3]]
        stepped = [part + 1e-30j * d for part, d in zip(chain[:3], along, strict=True)]
        slopes = reference.forward(*stepped, offsets)[0].imag / 1e-30
        slope = sum(
            np.sum(d * g)
            for d, g in zip(along, (out.smoothed, out.d_transition, out.d_start), strict=True)
        )
        assert slope == pytest.approx(slopes.sum(), rel=1e-11, abs=1e-11)
        directions = [d[..., None] for d in along]
        rows = markov.score_obs(log_density, transition, start, *directions, offsets)[1]
        np.testing.assert_allclose(rows[:, 0], slopes, rtol=1e-11, atol=1e-11)


def test_nothing_underflows() -> None:
    """A million rows; densities down to e**-5000; a sticky chain."""
    rng = np.random.default_rng(3)
    transition = np.array([[1 - 1e-9, 1e-9], [1e-9, 1 - 1e-9]])
    log_density = -rng.uniform(0.0, 5000.0, size=(3000, 2))
    assert np.isfinite(markov.loglike(log_density, transition, [0.5, 0.5]))
    flat = np.zeros((200_000, 2)) - 800.0
    exact = -800.0 * len(flat)  # densities that do not depend on the state
    assert markov.loglike(flat, transition, [0.5, 0.5]) == pytest.approx(exact, rel=1e-12)


def test_an_impossible_row_is_named() -> None:
    transition = np.array([[0.0, 1.0], [1.0, 0.0]])
    log_density = np.zeros((6, 2))
    log_density[4, 0] = -np.inf  # the state in row 4, for a start in state 0
    out = markov.forward(log_density, transition, [1.0, 0.0])
    assert out.llf == -np.inf
    assert out.impossible == 4
    assert np.isfinite(out.filtered[:4]).all()
    assert np.isnan(out.filtered[4:]).all()
    assert markov.loglike(log_density, transition, [1.0, 0.0]) == -np.inf
    assert markov.smooth(log_density, transition, [1.0, 0.0]).impossible == 4
    assert markov.loglike(log_density, transition, [0.0, 1.0]) == 0.0
    with pytest.raises(SpecificationError, match="got row 4"):
        markov.score_obs(log_density, transition, [[1.0, 0.0]], np.zeros((6, 2, 1)),
                         np.zeros((2, 2, 1)), np.zeros((1, 2, 1)))  # fmt: skip


def test_drawn_paths_have_the_smoothed_law() -> None:
    rng = np.random.default_rng(8)
    chain = _chain(rng, 3, 12, sequences=2)
    draws = markov.sample_paths(
        chain[1], markov.forward(*chain).filtered, 20_000, rng, offsets=chain[3]
    )
    out = markov.smooth(*chain, joint=True)
    shares = (draws[:, :, None] == np.arange(3)).mean(axis=0)
    # five standard errors of a share over 20 000 draws: a false alarm in 1e6 / 36 runs
    assert np.abs(shares - out.smoothed).max() < 5 * 0.5 / np.sqrt(20_000)
    steps = (draws[:, 3:4] == 0) & (draws[:, 4:5] == 2)
    assert abs(steps.mean() - out.joint[4, 0, 2]) < 5 * 0.5 / np.sqrt(20_000)


def test_sequences_are_independent() -> None:
    rng = np.random.default_rng(1)
    log_density, transition, start, offsets = _chain(rng, 4, 30, sequences=3)
    whole = markov.forward(log_density, transition, start, offsets)
    for s in range(3):
        rows = slice(offsets[s], offsets[s + 1])
        part = markov.forward(log_density[rows], transition, start[s])
        np.testing.assert_allclose(part.filtered, whole.filtered[rows], atol=1e-15)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"log_density": np.zeros((0, 2))}, "at least one row"),
        ({"log_density": np.zeros((5, 1))}, "columns"),
        ({"transition": np.eye(3)}, "columns"),
        ({"transition": np.ones((4, 2, 2))}, "transition must have shape"),
        ({"lags": 1}, r"2 \*\* 2; got 2"),
        ({"start": np.ones(3)}, "start shape"),
        ({"offsets": [0, 3]}, "offsets must rise"),
        ({"offsets": [0, 3, 3, 5]}, "offsets must rise"),
        ({"offsets": np.array([0, 6])}, "offsets must rise"),
        ({"offsets": np.array([1, 5])}, "offsets must rise"),
        ({"offsets": np.array([0, 4, 3, 5])}, "offsets must rise"),
        ({"offsets": np.array([[0, 5]])}, "offsets must rise"),
        ({"log_density": np.zeros(5)}, "at least one row"),
        ({"log_density": np.zeros((5, 0)), "transition": np.zeros((0, 0))}, "at least one row"),
        ({"transition": np.ones((2, 3))}, "columns"),
        ({"transition": np.ones((3, 2))}, "transition must have shape"),
        ({"transition": np.ones(2)}, "at least one row"),
        ({"lags": -1}, "columns"),
        ({"start": np.ones((2, 2))}, "start shape"),
        ({"start": np.ones((1, 1, 2))}, "start shape"),
        ({"start": np.ones((1, 2)), "offsets": np.array([0, 2, 5])}, "start shape"),
        ({"start": np.array(0.5)}, "start shape"),
    ],
)
def test_shapes_are_checked(change, words: str) -> None:
    given = {"log_density": np.zeros((5, 2)), "transition": np.eye(2), "start": np.ones(2) / 2}
    with pytest.raises(SpecificationError, match=words):
        markov.loglike(**{**given, **change})


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.astype(np.float32),
        lambda x: x.astype(">f8"),
        lambda x: x.astype(np.longdouble),
        lambda x: x.astype(int),
        lambda x: x.tolist(),
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    ],
)
def test_numbers_of_any_kind_and_layout(change) -> None:
    """Zeros and powers of two, which every kind of number holds."""
    rng = np.random.default_rng(0)
    log_density = -rng.integers(0, 8, size=(40, 2)).astype(float)
    transition, start = np.eye(2), np.array([1.0, 0.0])
    offsets = np.array([0, 30, 40])
    expected = log_density[:, 0].sum()
    assert markov.loglike(log_density, transition, start) == pytest.approx(expected, rel=1e-14)
    arrays = change(log_density), change(transition), change(start)
    for chain in (arrays, (arrays[0], transition, start), (log_density, transition, arrays[2])):
        assert markov.loglike(*chain) == pytest.approx(expected, rel=1e-14)
        for cuts in (offsets, offsets.astype(np.int32), offsets.tolist(), change(offsets)):
            assert markov.loglike(*chain, cuts) == pytest.approx(expected, rel=1e-14)
    for array in (log_density, transition, start, offsets):
        array.flags.writeable = False
    assert markov.loglike(log_density, transition, start, offsets) == pytest.approx(
        expected, rel=1e-14
    )
