"""Hidden Markov chains where weights underflow, sequences are long, states are many or one."""

from __future__ import annotations

import numpy as np
import pytest
from kernels.systems import needs_core

from rnnstats.kernels import markov
from rnnstats.kernels.reference import markov as reference


def _held_to_the_twin(rng, log_density, transition, start, offsets=None, lags=0, digits=1e-9):
    """Everything compiled against the recursions in logarithms."""
    nobs = len(log_density)
    offsets = np.array([0, nobs] if offsets is None else offsets, dtype=np.int64)
    start = np.broadcast_to(start, (len(offsets) - 1, log_density.shape[1])).copy()
    near = {"rtol": digits, "atol": digits}
    llf, predicted, filtered = reference.forward(log_density, transition, start, offsets, lags)
    ours = markov.forward(log_density, transition, start, offsets, lags=lags)
    np.testing.assert_allclose(ours.llf_obs, llf, **near)
    np.testing.assert_allclose(ours.predicted, np.exp(predicted), **near)
    np.testing.assert_allclose(ours.filtered, np.exp(filtered), **near)
    total = markov.loglike(log_density, transition, start, offsets, lags=lags)
    assert total == pytest.approx(llf.sum(), rel=1e-12, abs=digits)
    smoothed, slope, d_start = reference.backward(
        log_density, transition, offsets, llf, filtered, lags
    )
    for joint in (False, True):
        out = markov.smooth(log_density, transition, start, offsets, lags=lags, joint=joint)
        assert out.llf == pytest.approx(llf.sum(), rel=1e-12, abs=digits)
        np.testing.assert_allclose(out.smoothed, smoothed, **near)
        summed = slope if transition.ndim == 3 else slope.sum(axis=0)
        np.testing.assert_allclose(out.d_transition * transition, summed * transition, **near)
        np.testing.assert_allclose(out.d_start * start, d_start * start, **near)
    np.testing.assert_allclose(out.joint, slope * transition, **near)
    path, height = reference.viterbi(log_density, transition, start, offsets, lags)
    best, reached = markov.viterbi(log_density, transition, start, offsets, lags=lags)
    np.testing.assert_array_equal(best, path)
    np.testing.assert_allclose(reached, height, rtol=1e-12, atol=digits)
    uniforms = np.random.default_rng(1).random((2, nobs))
    again = np.random.default_rng(1)
    drawn = markov.sample_paths(transition, ours, 2, again, offsets, lags=lags)
    paths = reference.sample_paths(transition, offsets, filtered, uniforms, lags)
    np.testing.assert_array_equal(drawn, paths)
    moved = (
        rng.normal(size=(*log_density.shape, 2)),
        rng.normal(size=(*transition.shape, 2)) * transition[..., None],
        rng.normal(size=(*start.shape, 2)) * start[..., None],
    )
    rows = markov.score_obs(log_density, transition, start, *moved, offsets, lags=lags)[1]
    twin = reference.score_obs(log_density, transition, start, offsets, *moved, lags)[1]
    np.testing.assert_allclose(rows, twin, rtol=1e-8, atol=1e-8)
    # Fisher's identity: the sum over rows is the smoother's
    total = [
        np.einsum("tjq,tj->q", moved[0], out.smoothed),
        np.einsum("...ijq,...ij->...q", moved[1], out.d_transition),
        np.einsum("sjq,sj->q", moved[2], out.d_start),
    ]
    total[1] = total[1].reshape(-1, 2).sum(axis=0) if transition.ndim == 3 else (
        np.einsum("ijq,ij->q", moved[1], out.d_transition)
    )  # fmt: skip
    np.testing.assert_allclose(rows.sum(axis=0), sum(total), rtol=1e-7, atol=1e-7 * nobs)
    return ours, out


def test_absorbing_states_that_come_back() -> None:
    """Two states that are never left: the law is that of two constant paths.

    Evidence speaks e**5000 to one for the first state, and then e**10000 to one for the second: a
    scaled recursion has long forgotten it.
    """
    log_density = np.zeros((30, 2))
    log_density[:10, 0] = 500.0
    log_density[10:, 1] = 501.0
    log_density -= 7000.0
    weights = np.log(0.5) + log_density.sum(axis=0)
    out = markov.forward(log_density, np.eye(2), [0.5, 0.5])
    assert out.log_filtered is not None
    assert out.filtered[9] == pytest.approx([1.0, 0.0], abs=1e-300)
    assert out.llf == pytest.approx(np.logaddexp(*weights), rel=1e-14)
    assert markov.loglike(log_density, np.eye(2), [0.5, 0.5]) == pytest.approx(out.llf, rel=1e-14)
    smooth = markov.smooth(log_density, np.eye(2), [0.5, 0.5], joint=True)
    np.testing.assert_allclose(smooth.smoothed, np.tile([0.0, 1.0], (30, 1)), atol=1e-12)
    np.testing.assert_allclose(smooth.d_start, [[0.0, 2.0]], atol=1e-11)
    np.testing.assert_allclose(np.diag(smooth.d_transition), [0.0, 29.0], atol=1e-10)
    # a step from the first state to the second, were it allowed: in place of what there is, e**4990
    assert smooth.d_transition[0, 1] > 1e299
    np.testing.assert_array_equal(markov.viterbi(log_density, np.eye(2), [0.5, 0.5])[0], 1)
    drawn = markov.sample_paths(np.eye(2), out, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, 1)


@needs_core
@pytest.mark.parametrize("seed", range(8))
def test_left_to_right_with_evidence_that_swings(seed: int) -> None:
    """States pass e**-1000 and more and matter again; tiny probabilities; also one matrix a row."""
    rng = np.random.default_rng(seed)
    k, nobs = 3 + seed % 3, 60
    transition = np.triu(rng.dirichlet(np.ones(k), size=(nobs, k) if seed % 2 else k))
    transition[..., 0, 1] *= 1e-290
    transition /= transition.sum(axis=-1, keepdims=True)
    start = np.full(k, 1e-250)
    start[0] = 1.0 - start[1:].sum()
    swing = np.repeat(rng.normal(scale=300.0, size=(6, k)), 10, axis=0)
    log_density = swing + rng.normal(size=(nobs, k)) - 1e4
    # logarithms of size 1e4 keep 12 digits of 1e4
    ours, _ = _held_to_the_twin(rng, log_density, transition, start, [0, 25, nobs])
    assert ours.log_filtered is not None


@needs_core
@pytest.mark.parametrize(("k", "lags"), [(2, 1), (2, 4), (3, 2)])
def test_lagged_states_that_come_back(k: int, lags: int) -> None:
    rng = np.random.default_rng(k + lags)
    log_density = rng.normal(scale=400.0, size=(40, k ** (lags + 1)))
    transition = rng.dirichlet(np.ones(k), size=k)
    start = rng.dirichlet(np.ones(k ** (lags + 1)))
    ours, _ = _held_to_the_twin(rng, log_density, transition, start, [0, 12, 40], lags)
    assert ours.log_filtered is not None
    ours, _ = _held_to_the_twin(rng, log_density / 400.0, transition, start, [0, 12, 40], lags)
    assert ours.log_filtered is None


def test_lags_are_a_chain_of_composite_states() -> None:
    """The same numbers from the S by S matrix of (h_t, h_{t-1}, h_{t-2})."""
    rng = np.random.default_rng(2)
    k, lags, nobs = 3, 2, 20
    size = k ** (lags + 1)
    transition = rng.dirichlet(np.ones(k), size=k)
    wide = np.zeros((size, size))
    for state in range(size):
        now, before, _ = np.unravel_index(state, (k,) * 3)
        for regime in range(k):
            to = np.ravel_multi_index((regime, now, before), (k,) * 3)
            wide[state, to] = transition[now, regime]
    log_density = rng.normal(size=(nobs, size))
    start = rng.dirichlet(np.ones(size))
    short = markov.smooth(log_density, transition, start, lags=lags, joint=True)
    long = markov.smooth(log_density, wide, start, joint=True)
    assert short.llf == pytest.approx(long.llf, abs=1e-11)
    np.testing.assert_allclose(short.smoothed, long.smoothed, atol=1e-12)
    regimes = short.smoothed.reshape(nobs, k, k, k)
    np.testing.assert_allclose(short.joint[5], regimes[5].sum(axis=2).T, atol=1e-12)
    np.testing.assert_array_equal(
        markov.viterbi(log_density, transition, start, lags=lags)[0],
        markov.viterbi(log_density, wide, start)[0],
    )


@needs_core
@pytest.mark.parametrize("k", [2, 3, 4])
def test_long_sequences(k: int) -> None:
    """Rows by eights of stretches, and what is left over; sequences around their length."""
    rng = np.random.default_rng(k)
    lengths = np.array([256, 257, 258, 700, 1, 513])
    nobs = int(lengths.sum())
    log_density = rng.normal(scale=3.0, size=(nobs, k)) - 1e6 * rng.random((nobs, 1))
    log_density[::7] = 0.0  # missing
    log_density[1::11, 0] = -np.inf
    log_density[2::13] += 4000.0 * np.eye(k)[0]
    transition = rng.dirichlet(np.ones(k), size=k)
    start = np.eye(k)[1]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    # logarithms of size 1e6 keep ten digits after the point
    _held_to_the_twin(rng, log_density, transition, start, offsets, digits=1e-8)


@needs_core
@pytest.mark.parametrize("k", [2, 3, 4, 5, 6, 7, 8])
def test_sequences_that_forget(k: int) -> None:
    """Stretches side by side that begin with what their past leads to, and what is left over."""
    rng = np.random.default_rng(k)
    lengths = np.array([512, 513, 1025, 40])
    nobs = int(lengths.sum())
    log_density = rng.normal(scale=2.0, size=(nobs, k)) - 300.0 * rng.random((nobs, 1))
    log_density[::7] = 0.0  # missing
    log_density[:700:11, 0] = -np.inf
    transition = rng.dirichlet(np.full(k, 3.0), size=k)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ours, _ = _held_to_the_twin(rng, log_density, transition, np.eye(k)[1], offsets)
    assert ours.log_filtered is None


@needs_core
@pytest.mark.parametrize("k", [3, 8])
def test_sequences_that_forget_slowly(k: int) -> None:
    """From some dozens of rows, all at once or in one part of the series only, to never."""
    rng = np.random.default_rng(k)
    nobs, start = 1100, np.full(k, 1.0 / k)
    for stay, scale in ((0.9, 0.3), (0.99, 0.3), (0.9999, 0.01)):
        transition = np.full((k, k), (1.0 - stay) / (k - 1))
        np.fill_diagonal(transition, stay)
        log_density = rng.normal(scale=scale, size=(nobs, k))
        log_density[: nobs // 2] *= 10.0
        _held_to_the_twin(rng, log_density, transition, start)


@needs_core
@pytest.mark.parametrize("k", [2, 4, 5, 8])
@pytest.mark.parametrize("row", [3, 700, 1150])
def test_an_impossible_row_of_a_long_sequence(k: int, row: int) -> None:
    rng = np.random.default_rng(k)
    log_density, start = rng.normal(size=(1160, k)), np.full(k, 1.0 / k)
    transition = rng.dirichlet(np.full(k, 3.0), size=k)
    log_density[row] = -np.inf
    assert markov.loglike(log_density, transition, start) == -np.inf
    assert markov.forward(log_density, transition, start).impossible == row
    assert markov.smooth(log_density, transition, start).impossible == row
    assert markov.viterbi(log_density, transition, start)[1][0] == -np.inf


@needs_core
@pytest.mark.parametrize("k", [2, 3, 4, 5, 8])
def test_of_paths_alike_the_lowest(k: int) -> None:
    """Steps are alike and most rows tell nothing: the first state wherever none was seen."""
    log_density = np.zeros((1300, k))
    log_density[[0, 400, 401, 1299], k - 1] = 2.0
    path, height = markov.viterbi(log_density, np.full((k, k), 1.0 / k), np.full(k, 1.0 / k))
    seen = np.zeros(1300, dtype=int)
    seen[[0, 400, 401, 1299]] = k - 1
    np.testing.assert_array_equal(path, seen)
    assert height[0] == pytest.approx(8.0 - 1300 * np.log(k), rel=1e-13)


@needs_core
@pytest.mark.parametrize("k", [2, 4, 8])
def test_unlikely_moves_leave_the_fast_way(k: int) -> None:
    """Each row asks for another state, against odds of 1e-45: sums of blocks pass 1e-300."""
    rng = np.random.default_rng(k)
    transition = np.full((k, k), 1e-45)
    np.fill_diagonal(transition, 1.0 - (k - 1) * 1e-45)
    asked = np.arange(600) // 2 % k
    log_density = np.where(asked[:, None] == np.arange(k), 0.0, -800.0)
    log_density = log_density + rng.normal(size=(600, k))
    ours, _ = _held_to_the_twin(rng, log_density, transition, np.full(k, 1.0 / k))
    assert ours.log_filtered is None


@needs_core
@pytest.mark.parametrize("k", [5, 8, 12, 16, 40, 64])
def test_many_states(k: int) -> None:
    rng = np.random.default_rng(k)
    log_density = rng.normal(scale=3.0, size=(270, k))
    transition = rng.dirichlet(np.ones(k), size=k)
    _held_to_the_twin(rng, log_density, transition, np.full(k, 1.0 / k), [0, 260, 270])


def test_one_state() -> None:
    """A single regime: log densities are summed, and nothing is uncertain."""
    rng = np.random.default_rng(0)
    log_density = rng.normal(size=(300, 1)) - 1e5
    one = np.ones((1, 1))
    total = log_density.sum()
    assert markov.loglike(log_density, one, [1.0]) == pytest.approx(total, rel=1e-14)
    out = markov.smooth(log_density, one, [1.0], joint=True)
    np.testing.assert_allclose(out.smoothed, 1.0, rtol=1e-13)
    assert out.d_transition[0, 0] == pytest.approx(299.0, rel=1e-12)
    np.testing.assert_allclose(out.joint[1:], 1.0, rtol=1e-13)
    path, height = markov.viterbi(log_density, one, [1.0])
    np.testing.assert_array_equal(path, 0)
    assert height[0] == pytest.approx(total, rel=1e-14)


def _tree(log_density, transition, start):
    """Log-likelihood by products of matrices in pairs, in extended precision."""
    wide = log_density.astype(np.longdouble)
    top = wide.max(axis=1)
    maps = transition.astype(np.longdouble)[None] * np.exp(wide - top[:, None])[:, None, :]
    first = np.asarray(start, dtype=np.longdouble) * np.exp(wide[0] - top[0])
    maps, scale = maps[1:], top.sum()
    while len(maps) > 1:
        odd = maps[-1:] if len(maps) % 2 else maps[:0]
        maps = np.concatenate([np.einsum("tij,tjk->tik", maps[:-1:2], maps[1::2]), odd])
        size = maps.sum(axis=(1, 2), keepdims=True)
        maps, scale = maps / size, scale + np.log(size).sum()
    return scale + np.log((first @ maps[0]).sum())


@needs_core
@pytest.mark.skipif(
    np.finfo(np.longdouble).eps == np.finfo(float).eps, reason="no extended precision here"
)
def test_a_million_rows() -> None:
    """Three ways to the log-likelihood and the height of a path keep 14 digits."""
    rng = np.random.default_rng(4)
    nobs = 1_000_000
    transition = np.array([[0.99, 0.01], [0.03, 0.97]])
    log_density = rng.normal(scale=2.0, size=(nobs, 2)) - rng.exponential(50.0, size=(nobs, 1))
    exact = float(_tree(log_density, transition, [0.5, 0.5]))
    assert markov.loglike(log_density, transition, [0.5, 0.5]) == pytest.approx(exact, rel=1e-14)
    out = markov.smooth(log_density, transition, [0.5, 0.5])
    assert out.llf == pytest.approx(exact, rel=1e-14)
    assert out.d_transition.ravel() @ transition.ravel() == pytest.approx(nobs - 1, rel=1e-12)
    np.testing.assert_allclose(out.smoothed.sum(axis=1), 1.0, rtol=1e-12)
    path, height = markov.viterbi(log_density, transition, [0.5, 0.5])
    steps = np.log(transition)[path[:-1], path[1:]].astype(np.longdouble)
    taken = log_density[np.arange(nobs), path].astype(np.longdouble)
    value = float(np.log(0.5) + steps.sum() + taken.sum())
    assert height[0] == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("lags", [0, 1])
def test_without_the_core(monkeypatch: pytest.MonkeyPatch, lags: int) -> None:
    """The twins give every output by themselves."""
    rng = np.random.default_rng(lags)
    size = 2 ** (lags + 1)
    chain = (
        rng.normal(size=(8, size)),
        rng.dirichlet(np.ones(2), size=2),
        rng.dirichlet(np.ones(size)),
    )
    moved = rng.normal(size=(8, size, 1)), rng.normal(size=(2, 2, 1)), np.zeros((1, size, 1))

    def everything():
        forward = markov.forward(*chain, lags=lags)
        out = markov.smooth(*chain, lags=lags, joint=True)
        return [
            markov.loglike(*chain, lags=lags), forward.llf_obs, forward.predicted,
            forward.filtered, out.llf, out.smoothed, out.d_transition, out.d_start, out.joint,
            *markov.viterbi(*chain, lags=lags),
            markov.sample_paths(chain[1], forward.filtered, 3, np.random.default_rng(0), lags=lags),
            *markov.score_obs(chain[0], chain[1], chain[2], *moved, lags=lags),
        ]  # fmt: skip

    first = everything()
    monkeypatch.setattr(markov, "_core", None)
    for one, other in zip(first, everything(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)
    never = markov.smooth(np.full((3, 2), -np.inf), np.eye(2), [0.5, 0.5])
    assert never.impossible == 0
    assert never.llf == -np.inf
