"""Weights from which networks begin."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.diagnostics.memory import FirstSymbol, Learner
from rnnstats.diagnostics.memory.training.learners import NAMED, learners_of
from rnnstats.errors import SpecificationError

TASK = FirstSymbol()


def matrices(learner, lag=100, seed=0):
    """Weights of the gates by word, shape (units, units + inputs + 1)."""
    arch = learner.architecture(TASK)
    weights = learner.start(arch, lag, np.random.default_rng(seed))
    W = arch.unpack(weights).layers[0][0]
    return dict(zip(arch.cells[0].gates, np.split(W, len(arch.cells[0].gates)), strict=True))


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_weights_are_uniform_within_one_over_the_root_of_the_units(cell):
    learner = Learner(cell, 16)
    drawn = learner.start(learner.architecture(TASK), 10, np.random.default_rng(0))
    assert np.abs(drawn).max() <= 0.25
    # uniform: variance a^2 / 3; its relative standard error at n draws is sqrt(0.8 / n)
    assert drawn.var() == pytest.approx(0.25**2 / 3.0, rel=4 * np.sqrt(0.8 / drawn.size))


@pytest.mark.parametrize(("cell", "gate"), [("lstm", "forget"), ("gru", "update")])
def test_the_bias_is_added_to_the_gate_that_keeps_the_state_and_to_nothing_else(cell, gate):
    plain, biased = matrices(Learner(cell)), matrices(Learner(cell, forget_bias=2.5))
    for word in plain:
        gap = biased[word] - plain[word]
        assert np.all(gap[:, :-1] == 0.0)
        assert gap[:, -1] == pytest.approx(2.5 if word == gate else 0.0, abs=1e-15)


@pytest.mark.parametrize(("cell", "gate"), [("lstm", "forget"), ("gru", "update")])
def test_chrono_spreads_time_constants_over_the_span(cell, gate):
    found = matrices(Learner(cell, 300, forget_bias="chrono"), lag=50)
    rows = np.exp(found[gate][:, -1])
    assert rows.min() >= 1.0 and rows.max() <= 49.0
    # uniform on 1 to 49: four standard errors of the mean
    assert rows.mean() == pytest.approx(25.0, abs=4 * 48.0 / np.sqrt(12 * 300))
    if cell == "lstm":
        assert np.array_equal(found["input"][:, -1], -found[gate][:, -1])
    own = matrices(Learner(cell, 300, forget_bias="chrono", span=11), lag=50)
    assert np.exp(own[gate][:, -1]).max() <= 10.0


def test_matrices_of_an_elman_cell():
    turn = matrices(Learner("elman", 12, recurrent="orthogonal", gain=1.5))["h"][:, :12]
    assert np.allclose(turn @ turn.T, 2.25 * np.eye(12), atol=1e-13)
    other = matrices(Learner("elman", 12, recurrent="orthogonal"), seed=1)["h"][:, :12]
    assert np.abs(turn / 1.5 - other).max() > 0.1
    same = matrices(Learner("elman", 3, recurrent="identity", gain=0.9))["h"]
    assert np.array_equal(same[:, :3], 0.9 * np.eye(3)) and (same[:, -1] == 0.0).all()
    half, whole = (matrices(Learner("elman", gain=gain))["h"] for gain in (0.5, 1.0))
    assert np.array_equal(half[:, :8], 0.5 * whole[:, :8])
    assert np.array_equal(half[:, 8:], whole[:, 8:])


def test_rotations_and_reflections_are_as_likely():
    # of a 2 by 2 matrix, QR alone gives reflections only
    signs = [
        np.linalg.det(matrices(Learner("elman", 2, recurrent="orthogonal"), seed=seed)["h"][:, :2])
        for seed in range(400)
    ]
    assert np.mean(signs) == pytest.approx(0.0, abs=4 / np.sqrt(400))


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"cell": "rnn"}, "cell must be one of"),
        ({"k_hidden": 0}, "k_hidden must be at least 1"),
        ({"forget_bias": "slow"}, "forget_bias must be 'chrono'"),
        ({"forget_bias": np.nan}, "forget_bias must be a finite number"),
        ({"cell": "elman", "forget_bias": 1.0}, "needs a gate that forgets"),
        ({"cell": "gru", "recurrent": "identity"}, "are of the Elman cell"),
        ({"cell": "lstm", "gain": 2.0}, "are of the Elman cell"),
        ({"cell": "elman", "gain": 0.0}, "gain must be greater than 0"),
        ({"span": 2, "forget_bias": "chrono"}, "span must be at least 3"),
    ],
)
def test_arguments_are_looked_at(arguments, rule):
    with pytest.raises(SpecificationError, match=rule):
        Learner(**arguments)


def test_networks_are_read_by_name_or_given():
    assert list(learners_of(["LSTM", "Elman"], "caller")) == ["LSTM", "Elman"]
    assert learners_of("GRU", "caller") == {"GRU": NAMED["GRU"]}
    own = {"mine": Learner("gru", 3)}
    assert learners_of(own, "caller") == own
    with pytest.raises(SpecificationError, match="Did you mean 'LSTM'"):
        learners_of(["LSTN"], "caller")
    for nothing in ([], {}, {"a": "LSTM"}):
        with pytest.raises(SpecificationError, match="caller: networks must be names or a mapping"):
            learners_of(nothing, "caller")
