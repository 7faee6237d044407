"""Two-sided networks: where numbers lie, and derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.errors import SpecificationError
from rnnstats.kernels import cells, networks, two_sided
from rnnstats.kernels.architecture import Architecture, Cell, Feedback
from rnnstats.kernels.chain_rule import ChainRule
from rnnstats.kernels.two_sided import TwoSided

OFFSETS = np.array([0, 4, 5, 11])


def network(cell=None, k_in=2):
    cell = cell or Cell("lstm", peephole=True)
    forth = Architecture((cell, cell), (2, 1), k_in, 2)
    back = Architecture((cell,), (3,), k_in, 2)
    return TwoSided(forth, back)


def setting(arch, *, gaps=False, seed=0):
    rng = np.random.default_rng(seed)
    weights = 0.4 * rng.standard_normal(arch.size)
    inputs = rng.standard_normal((11, arch.k_in))
    if gaps:
        inputs[[1, 6, 7], [0, 2, 0]] = np.nan
    initial = 0.3 * rng.standard_normal((3, arch.k_state))
    return weights, inputs, initial


def test_turning_twice_changes_nothing():
    order = two_sided.turn(OFFSETS)
    assert order.tolist() == [3, 2, 1, 0, 4, 10, 9, 8, 7, 6, 5]
    np.testing.assert_array_equal(order[order], np.arange(11))


def test_every_weight_has_one_place():
    arch = network()
    first, second = arch.places
    shared = np.arange(arch.constant.start, arch.constant.stop)
    np.testing.assert_array_equal(np.union1d(first, second), np.arange(arch.size))
    np.testing.assert_array_equal(np.intersect1d(first, second), shared)
    assert (len(first), len(second)) == (arch.forth.size, arch.back.size)
    weights = np.arange(float(arch.size))
    view, forth = arch.unpack(weights), arch.forth.unpack(weights[first])
    np.testing.assert_array_equal(view.layers[1][0], forth.layers[1][0])
    np.testing.assert_array_equal(view.readout[:, arch.seen(1)], forth.readout)
    back = arch.back.unpack(weights[second])
    np.testing.assert_array_equal(view.layers[2][1], back.layers[0][1])
    np.testing.assert_array_equal(view.readout[:, arch.seen(2)], back.readout)
    view.readout[0, 0] = -1.0  # a view
    assert weights[arch.readout.start] == -1.0


def test_layers_know_who_reads_them():
    arch = network()
    assert [arch.above(i) for i in range(3)] == [1, None, None]
    assert [arch.reads(i) for i in range(3)] == [slice(0, 2), None, slice(2, 4)]
    assert arch.labels == (
        (("h1", "h2"), ("c1", "c2")), (("h3",), ("c3",)), (("g1", "g2", "g3"), ("d1", "d2", "d3")),
    )  # fmt: skip
    weights, inputs, initial = setting(arch)
    run = two_sided.forward(arch, weights, inputs, initial=initial, offsets=OFFSETS)
    read = run.states[:, arch.outputs]
    view = arch.unpack(weights)
    np.testing.assert_allclose(run.eta, read @ view.readout.T + view.constant, rtol=1e-12)


def test_each_direction_is_a_network_of_its_own():
    arch = network(Cell("gru"))
    weights, inputs, initial = setting(arch)
    run = two_sided.forward(arch, weights, inputs, initial=initial, offsets=OFFSETS)
    first, second = arch.places
    for i in range(3):
        rows = slice(OFFSETS[i], OFFSETS[i + 1])
        forth = cells.forward(
            arch.forth, weights[first], inputs[rows, :2], initial=initial[i, : arch.forth.k_state]
        )
        back = cells.forward(
            arch.back, weights[second], inputs[rows, 2:][::-1],
            initial=initial[i, arch.forth.k_state :],
        )  # fmt: skip
        both = forth.eta + back.eta[::-1] - weights[arch.constant]
        np.testing.assert_allclose(run.eta[rows], both, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("gaps", [False, True])
def test_derivatives(gaps):
    arch = network()
    weights, inputs, initial = setting(arch, gaps=gaps)
    loops = None
    if gaps:
        loops = Feedback([0, 1], [1, 2], [0, 1], "identity", np.zeros(2), np.ones(2))
    p = arch.size

    def eta(z):
        start = initial + z[p:]
        return networks.forward(
            arch, z[:p], inputs, initial=start, offsets=OFFSETS, feedback=loops
        ).eta

    point = np.concatenate([weights, np.zeros(arch.k_state)])
    steps = 1e-6 * np.eye(len(point))
    numeric = np.stack([(eta(point + h) - eta(point - h)) / 2e-6 for h in steps], axis=-1)
    run = networks.forward(arch, weights, inputs, initial=initial, offsets=OFFSETS, feedback=loops)
    found = two_sided.sensitivities(arch, weights, run)
    np.testing.assert_allclose(found, numeric, atol=1e-8)  # rounding of central differences
    slopes = np.random.default_rng(1).standard_normal(run.eta.shape)
    by_weights, by_initial = networks.score_obs(arch, weights, run, slopes)
    due = np.einsum("nk,nkp->np", slopes, found)
    np.testing.assert_allclose(np.hstack([by_weights, by_initial]), due, rtol=1e-9, atol=1e-12)
    back = networks.backward(arch, weights, run, slopes)
    np.testing.assert_allclose(back.weights, due[:, :p].sum(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        back.initial, np.add.reduceat(due[:, p:], OFFSETS[:-1]), rtol=1e-9, atol=1e-12
    )
    curvature = np.einsum("ni,nj->nij", slopes, slopes)
    np.testing.assert_allclose(
        networks.information(arch, weights, run, curvature), due.T @ due, rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize("gaps", [False, True])
def test_scores_by_other_parameters(gaps):
    """Any rule, also one that adds the shared constant to others and leaves some weights out."""
    arch = network()
    weights, inputs, initial = setting(arch, gaps=gaps)
    loops = None
    if gaps:
        loops = Feedback([0, 1], [1, 2], [0, 1], "identity", np.zeros(2), np.ones(2))
    run = networks.forward(arch, weights, inputs, initial=initial, offsets=OFFSETS, feedback=loops)
    rng = np.random.default_rng(2)
    old, new = arch.size + arch.k_state, arch.size + arch.k_state - 4
    source = rng.permutation(old)[:new]
    source[:2] = arch.constant.start, arch.constant.start + 1
    side = np.flatnonzero(source < arch.forth.readout.start)[:5]
    rule = ChainRule(source, rng.normal(size=new), side, np.arange(5), rng.normal(size=5))
    slopes = rng.standard_normal(run.eta.shape)
    places = rng.permutation(20)[:11]
    out = np.full((20, new), 7.0)
    networks.scores_by(arch, weights, run, slopes, rule, places, out)
    due = rule(np.hstack(networks.score_obs(arch, weights, run, slopes)))
    np.testing.assert_allclose(out[places], due, rtol=1e-12, atol=1e-14)
    assert (np.delete(out, places, axis=0) == 7.0).all()


def test_sizes_are_checked():
    one = Architecture((Cell("gru"),), (1,), 1, 1)
    with pytest.raises(SpecificationError, match="must have the same k_eta and no skip"):
        TwoSided(one, Architecture((Cell("gru"),), (1,), 1, 2))
    with pytest.raises(SpecificationError, match="must have the same k_eta and no skip"):
        TwoSided(one, Architecture((Cell("gru"),), (1,), 1, 1, skip=True))
    with pytest.raises(SpecificationError, match="the weights must have shape"):
        TwoSided(one, one).unpack(np.zeros(3))
