"""Renumbered units and changed signs: the same network, and recognised as such."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats import datasets
from rnnstats.kernels import cells
from rnnstats.kernels.cells import Architecture, Cell
from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN
from rnnstats.models.recurrent.fit.alignment import aligned, matched, normalised, ordered, realigned
from rnnstats.models.recurrent.fit.symmetries import Relabelling, odd_gate

CELLS = {
    "tanh": Cell("elman"),
    "sigmoid": Cell("elman", "sigmoid"),
    "gru, after": Cell("gru"),
    "gru, before": Cell("gru", reset="before"),
    "lstm": Cell("lstm"),
    "peephole": Cell("lstm", peephole=True),
}


def network(cell, rng):
    """Two layers of three and two units, weights, starts, and inputs of two sequences."""
    arch = Architecture((cell, cell), (3, 2), 2, 2, skip=True)
    weights = 0.8 * rng.standard_normal(arch.size)
    initial = 0.3 * rng.standard_normal((2, arch.k_state))
    return arch, weights, initial, rng.standard_normal((30, 2)), np.array([0, 12, 30])


def turned_about(arch, rng):
    changes = []
    for layer in arch.layers:
        sign = rng.choice([-1.0, 1.0], layer.units) if odd_gate(layer.cell) is not None else 1.0
        changes.append(Relabelling(rng.permutation(layer.units), np.ones(layer.units) * sign))
    return tuple(changes)


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_relabelled_units_are_the_same_network(cell):
    rng = np.random.default_rng(3)
    arch, weights, initial, inputs, offsets = network(cell, rng)
    before = cells.forward(arch, weights, inputs, initial=initial, offsets=offsets)
    other, start = realigned(arch, weights, initial, turned_about(arch, rng))
    after = cells.forward(arch, other, inputs, initial=start, offsets=offsets)
    assert not np.allclose(other, weights)
    np.testing.assert_allclose(after.eta, before.eta, rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_relabelling_is_undone_by_matching_paths(cell):
    rng = np.random.default_rng(4)
    arch, weights, initial, inputs, offsets = network(cell, rng)
    one = cells.forward(arch, weights, inputs, initial=initial, offsets=offsets)
    other, start = realigned(arch, weights, initial, turned_about(arch, rng))
    two = cells.forward(arch, other, inputs, initial=start, offsets=offsets)
    match = matched(arch, two.states, one.states)
    back, begins = realigned(arch, other, start, match.changes)
    assert match.agreement == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(back, weights, rtol=0.0, atol=1e-15)
    np.testing.assert_allclose(begins, initial, rtol=0.0, atol=1e-15)


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_the_order_does_not_depend_on_where_one_comes_from(cell):
    rng = np.random.default_rng(5)
    arch, weights, initial, inputs, offsets = network(cell, rng)
    found = []
    for _ in range(3):
        run = cells.forward(arch, weights, inputs, initial=initial, offsets=offsets)
        found.append(realigned(arch, weights, initial, ordered(arch, weights, run.states))[0])
        weights, initial = realigned(arch, weights, initial, turned_about(arch, rng))
    np.testing.assert_allclose(found[1], found[0], rtol=0.0, atol=1e-15)
    np.testing.assert_allclose(found[2], found[0], rtol=0.0, atol=1e-15)


@pytest.mark.parametrize("model", [ElmanRNN, GRU, LSTM])
def test_normal_form_orders_by_contribution_and_keeps_the_likelihood(model):
    y = np.log10(datasets.lynx())
    net = model(y, k_hidden=3, initial="estimated")
    rng = np.random.default_rng(6)
    phi = 0.5 * rng.standard_normal(net.layout.k_params)
    phi[net.chart.extra] = 1.0
    theta = net.chart.to_natural(phi)
    normal = normalised(net, theta)
    assert net.loglike(normal) == pytest.approx(net.loglike(theta), abs=1e-10)
    system = net.system(normal)
    reads = net.architecture.unpack(system.weights).readout[0]
    size = np.abs(reads) * system.run.states[:, :3].std(axis=0)
    assert (np.diff(size) < 0.0).all()
    assert (reads > 0.0).all()
    np.testing.assert_allclose(normalised(net, normal), normal, rtol=0.0, atol=1e-14)
    back = aligned(net, normal, theta)
    np.testing.assert_allclose(back, theta, rtol=0.0, atol=1e-13)


def test_restrictions_fix_the_numbering():
    y = np.log10(datasets.lynx())
    net = ElmanRNN(y, k_hidden=2, fixed={"W_h[h1,h2]": 0.0})
    theta = np.linspace(-0.5, 0.5, net.layout.k_params)
    theta[-1] = 0.2
    theta = net.layout.expand(net.layout.reduce(theta))
    assert normalised(net, theta) is theta
    assert aligned(net, theta, theta[::-1].copy()) is theta
