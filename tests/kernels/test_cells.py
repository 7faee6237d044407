"""Recurrent networks: derivatives by complex steps of the twin, and properties that must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from kernels.networks import CELLS, MEANS, make, needs_cells, problems

from rnnstats.errors import SpecificationError
from rnnstats.kernels import cells
from rnnstats.kernels.cells import Architecture, Cell, Feedback, PythonCell
from rnnstats.kernels.chain_rule import ChainRule
from rnnstats.kernels.reference import cells as reference
from rnnstats.kernels.reference.cells.network import MODULES

STEP = 1e-30
KINDS = list(CELLS)
BACKENDS = [
    pytest.param(False, id="twin"),
    pytest.param(True, id="compiled", marks=needs_cells),
]


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    """Both ways of computing."""
    if not request.param:
        monkeypatch.setattr(cells, "_core", None)


def by_complex_step(problem):
    """Gradient of sum(d_eta * eta) by weights, initial state and inputs."""

    def total(weights, inputs, initial):
        eta = reference.forward(
            problem.arch, weights, inputs, initial, problem.offsets, problem.feedback
        )[1]
        return (problem.d_eta * eta).sum().imag / STEP

    at = [problem.weights, problem.inputs, problem.initial]
    out = []
    for which, array in enumerate(at):
        slopes = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            if np.isnan(array[place]):
                continue
            moved = [x.astype(complex) for x in at]
            moved[which][place] += 1j * STEP
            slopes[place] = total(*moved)
        out.append(slopes)
    return out


def close(value, expected, tol, scale=None):
    """Equal to ``tol`` of the largest element."""
    size = np.abs(expected).max(initial=0.0) if scale is None else scale
    return np.abs(np.asarray(value) - expected).max(initial=0.0) <= tol * max(size, 1e-200)


# Both sides are exact up to rounding; a few dozen operations deep that is 1e-13 of the largest.
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("mean", [None, *MEANS])
@pytest.mark.parametrize("kind", KINDS)
def test_score_is_the_complex_step_of_the_twin(kind, mean):
    rng = np.random.default_rng([KINDS.index(kind), 9 if mean is None else MEANS.index(mean)])
    problem = make(rng, [kind], (2,), k_eta=2, skip=True, nobs=9, sequences=2, mean=mean, gaps=0.5)
    run = problem.run()
    found = cells.backward(problem.arch, problem.weights, run, problem.d_eta)
    weights, inputs, initial = by_complex_step(problem)
    assert close(found.weights, weights, 1e-12)
    assert close(found.inputs, inputs, 1e-12)
    assert close(found.initial, initial, 1e-12)


@needs_cells
@settings(max_examples=12)
@given(problem=problems())
def test_score_of_any_network_is_the_complex_step_of_the_twin(problem):
    found = cells.backward(problem.arch, problem.weights, problem.run(), problem.d_eta)
    weights, inputs, initial = by_complex_step(problem)
    scale = max(np.abs(x).max(initial=0.0) for x in (weights, inputs, initial))
    assert close(found.weights, weights, 1e-11, scale)
    assert close(found.inputs, inputs, 1e-11, scale)
    assert close(found.initial, initial, 1e-11, scale)


def all_of(problem):
    """Everything that is computed from a problem, by name."""
    arch, weights = problem.arch, problem.weights
    run = problem.run()
    gradient = cells.backward(arch, weights, run, problem.d_eta)
    rng = np.random.default_rng(1)
    root = rng.normal(size=(len(run.eta), arch.k_eta, arch.k_eta))
    state, inputs = rng.normal(size=(11, arch.k_state)), rng.normal(size=(11, arch.k_in))
    own = rng.normal(size=(11, arch.size))
    out = {
        "states": run.states,
        "eta": run.eta,
        "inputs": run.inputs,
        "gradient": gradient.weights,
        "gradient, initial": gradient.initial,
        "gradient, inputs": gradient.inputs,
        "sensitivities": cells.sensitivities(arch, weights, run),
        "information": cells.information(arch, weights, run, root @ root.transpose(0, 2, 1)),
    }
    out["score_obs"], out["score_obs, initial"] = cells.score_obs(arch, weights, run, problem.d_eta)
    out["jacobians"], out["jacobians, inputs"] = cells.jacobians(arch, weights, run)
    for name, numbers in (("step", weights), ("step, own weights", own)):
        out[name], out[name + ", eta"] = cells.step(arch, numbers, state, inputs)
    return out


# Sums of up to a hundred rows in another order; vector exp and tanh within a few units of the last
# place; 1e-12 of the largest element is some thousand roundings.
@needs_cells
@settings(max_examples=40)
@given(problem=problems(sizes=(1, 2, 3, 4, 7, 8, 9, 17), longest=90))
def test_compiled_is_the_twin(problem):
    fast = all_of(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "_core", None)
        slow = all_of(problem)
    if not np.abs(slow["gradient"]).max() < 1e6:  # a network that explodes multiplies rounding
        return
    for name, value in slow.items():
        assert close(fast[name], value, 1e-11 if "exp" in repr(problem.feedback) else 1e-12), name


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", KINDS)
def test_rows_add_up(kind):
    rng = np.random.default_rng(5)
    problem = make(rng, [kind, "tanh"], (3, 2), k_eta=2, nobs=70, sequences=2, mean="logistic")
    arch, weights, d_eta = problem.arch, problem.weights, problem.d_eta
    run = problem.run()
    gradient = cells.backward(arch, weights, run, d_eta)
    by_weights, by_initial = cells.score_obs(arch, weights, run, d_eta)
    # the same terms, summed in another order
    assert close(by_weights.sum(axis=0), gradient.weights, 1e-12)
    starts = np.add.reduceat(by_initial, problem.offsets[:-1])
    assert close(starts, gradient.initial, 1e-12)
    found = cells.sensitivities(arch, weights, run)
    rows = np.hstack([by_weights, by_initial])
    assert close(np.einsum("te,tep->tp", d_eta, found), rows, 1e-12)
    curvature = np.broadcast_to(np.array([[2.0, 0.3], [0.3, 1.0]]), (70, 2, 2))
    expected = np.einsum("tep,tef,tfq->pq", found, curvature, found)
    assert close(cells.information(arch, weights, run, curvature), expected, 1e-12)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", KINDS)
def test_one_step(kind):
    """Jacobians and step derivatives are complex steps of a step, and steps make up the pass."""
    rng = np.random.default_rng(6)
    problem = make(rng, [kind, "gru after"], (3, 2), k_eta=2, skip=True, nobs=8)
    arch, weights = problem.arch, problem.weights
    run = problem.run()
    by_state, by_inputs = cells.jacobians(arch, weights, run)
    state = problem.initial[0]
    for t, row in enumerate(problem.inputs):
        new, d_state, d_inputs, _ = cells.step_derivatives(arch, weights, state, row)
        assert close(new, run.states[t], 1e-14)
        assert close(by_state[t], d_state, 1e-13)
        assert close(by_inputs[t], d_inputs, 1e-13)
        next_, eta = cells.step(arch, weights, state[None], row[None])
        assert close(next_[0], run.states[t], 1e-14)
        assert close(eta[0], run.eta[t], 1e-14)
        state = run.states[t]
    at = [problem.initial[0], problem.inputs[0], weights]
    found = cells.step_derivatives(arch, weights, at[0], at[1])[1:]
    for which, value in enumerate(found):
        for j in range(len(at[which])):
            moved = [x.astype(complex) for x in at]
            moved[which][j] += 1j * STEP
            exact = reference.step(arch, moved[2], moved[0][None], moved[1][None])[0][0].imag
            assert close(value[:, j], exact / STEP, 1e-12, np.abs(value).max())


@pytest.mark.usefixtures("backend")
def test_sequences_are_independent():
    problem = make(
        np.random.default_rng(7), ["lstm", "gru before"], (3, 5), k_eta=2, nobs=60, sequences=4,
        mean="softmax",
    )  # fmt: skip
    arch, weights = problem.arch, problem.weights
    run = problem.run()
    together = cells.backward(arch, weights, run, problem.d_eta)
    by_row = cells.score_obs(arch, weights, run, problem.d_eta)[0]
    total = np.zeros(arch.size)
    for i, (first, end) in enumerate(zip(problem.offsets, problem.offsets[1:], strict=False)):
        rows = slice(first, end)
        alone = cells.forward(
            arch, weights, problem.inputs[rows], initial=problem.initial[i],
            feedback=problem.feedback,
        )  # fmt: skip
        gradient = cells.backward(arch, weights, alone, problem.d_eta[rows])
        np.testing.assert_array_equal(alone.states, run.states[rows])
        np.testing.assert_array_equal(alone.eta, run.eta[rows])
        np.testing.assert_array_equal(gradient.inputs, together.inputs[rows])
        np.testing.assert_array_equal(gradient.initial[0], together.initial[i])
        own = cells.score_obs(arch, weights, alone, problem.d_eta[rows])[0]
        assert close(own, by_row[rows], 1e-13)
        total += gradient.weights
    assert close(total, together.weights, 1e-12)


def random_rule(rng, old, new):
    """A rule, and its Jacobian (old, new)."""
    more = min(new, 5)
    rule = ChainRule(
        rng.integers(old, size=new), rng.normal(size=new), rng.permutation(new)[:more],
        rng.integers(old, size=more), rng.normal(size=more),
    )  # fmt: skip
    jacobian = np.zeros((old, new))
    jacobian[rule.source, np.arange(new)] = rule.factor
    np.add.at(jacobian, (rule.also, rule.to), rule.weight)
    return rule, jacobian


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("new", [1, 40])
def test_scores_by_other_parameters(new):
    """Sequences longer and shorter than a block; rows go where they are sent, others stay."""
    rng = np.random.default_rng(21)
    problem = make(rng, ["lstm"], (3,), k_eta=2, nobs=130, sequences=3)
    arch, weights, run = problem.arch, problem.weights, problem.run()
    rule, jacobian = random_rule(rng, arch.size + arch.k_state, new)
    places = rng.permutation(150)[:130]
    out = np.full((150, new), 7.0)
    cells.scores_by(arch, weights, run, problem.d_eta, rule, places, out)
    old = np.hstack(cells.score_obs(arch, weights, run, problem.d_eta))
    np.testing.assert_allclose(rule(old), old @ jacobian, rtol=0, atol=1e-13 * np.abs(old).max())
    # one function a row, the same blocks: the same sums
    np.testing.assert_allclose(out[places], rule(old), rtol=1e-14, atol=1e-14 * np.abs(old).max())
    assert (np.delete(out, places, axis=0) == 7.0).all()


@pytest.mark.usefixtures("backend")
def test_a_missing_lag_is_its_prediction():
    """What stands in for a gap, by hand: lag 1 and 2 of the first mean, before the sequence too."""
    arch = Architecture((Cell("elman"),), (2,), 2, 1)
    weights = np.random.default_rng(8).normal(size=arch.size)
    feedback = Feedback([0, 1], [1, 2], [0, 0], "exp", 0.5, 2.0)
    inputs = np.full((4, 2), np.nan)
    inputs[1, 0] = 0.7
    start = np.array([0.3, -0.2])
    run = cells.forward(arch, weights, inputs, initial=start, feedback=feedback)
    w = arch.unpack(weights)
    before = w.readout @ start + w.constant
    eta = np.concatenate([before, before, run.eta[:, 0]])  # rows -2 and -1 first
    expected = (np.exp(np.column_stack([eta[1:5], eta[:4]])) - 0.5) / 2.0
    expected[1, 0] = 0.7
    np.testing.assert_allclose(run.inputs, expected, rtol=1e-14)
    assert np.isnan(run.given).sum() == 7


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", ["tanh", "gru after", "gru before", "lstm", "peephole"])
def test_a_python_cell_is_the_built_in_one(kind):
    cell = CELLS[kind]
    own = PythonCell(
        kind, cell.gates,
        lambda state, inputs, weights, numbers: MODULES[cell.kind].step(
            cell, state, inputs, weights, numbers
        ),
        cell.blocks, cell.n_extra(1),
    )  # fmt: skip
    problem = make(np.random.default_rng(9), [cell], (3,), k_in=2, nobs=6, mean="identity")
    expected = all_of(problem)
    problem.arch = Architecture((own,), (3,), 2, 1)
    found = all_of(problem)
    for name, value in expected.items():
        assert close(found[name], value, 1e-13), name


def test_an_activation_of_ones_own():
    cell = cells.python_elman(np.tanh)
    assert cell.name == "tanh"
    problem = make(np.random.default_rng(10), ["tanh"], (3,), nobs=6)
    expected = all_of(problem)
    problem.arch = Architecture((cell,), (3,), 2, 1)
    found = all_of(problem)
    for name, value in expected.items():
        assert close(found[name], value, 1e-13), name


@pytest.mark.usefixtures("backend")
def test_identity_is_linear():
    """h_t = A h_{t-1} + B u_t + b, to the last digits, and relu has slope zero at zero."""
    problem = make(np.random.default_rng(11), ["identity"], (3,), nobs=30)
    W = problem.arch.unpack(problem.weights).layers[0][0]
    run = problem.run()
    h = problem.initial[0]
    for t, row in enumerate(problem.inputs):
        h = W @ np.concatenate([h, row, [1.0]])
        assert close(run.states[t], h, 1e-13)
    relu = Architecture((Cell("elman", "relu"),), (1,), 0, 1)
    at_zero = np.array([0.0, 0.0, 1.0, 0.0])  # h = relu(0), eta = h
    run = cells.forward(relu, at_zero, np.empty((2, 0)))
    gradient = cells.backward(relu, at_zero, run, np.ones((2, 1)))
    np.testing.assert_array_equal(gradient.weights, [0.0, 0.0, 0.0, 2.0])


@pytest.mark.usefixtures("backend")
def test_gates():
    problem = make(np.random.default_rng(12), ["lstm", "gru after"], (3, 2), nobs=12)
    run = problem.run()
    found = cells.gates(problem.arch, problem.weights, run)
    assert {word: value.shape for word, value in found.items()} == {
        "input": (12, 3), "forget": (12, 3), "cell": (12, 3), "output": (12, 3),
        "reset": (12, 2), "update": (12, 2), "candidate": (12, 2),
    }  # fmt: skip
    h, c = run.states[:, :3], run.states[:, 3:6]
    np.testing.assert_allclose(found["output"] * np.tanh(c), h, rtol=1e-12)
    before = run.before
    memory = found["forget"] * before[:, 3:6] + found["input"] * found["cell"]
    np.testing.assert_allclose(memory, c, rtol=1e-12)
    z, n = found["update"], found["candidate"]
    np.testing.assert_allclose((1 - z) * n + z * before[:, 6:], run.states[:, 6:], rtol=1e-12)


@needs_cells
def test_functions_to_the_last_places():
    """Sigmoid, tanh, softplus over their whole range, through one unit without recurrence."""
    x = np.concatenate(
        [s * np.logspace(-300, 3, 4001) for s in (-1.0, 1.0)] + [np.linspace(-40, 40, 4001)]
    )
    with np.errstate(under="ignore"):
        exact = {
            "tanh": np.tanh(x),
            "sigmoid": np.where(x < 0, np.exp(np.minimum(x, 0)), 1.0) / (1 + np.exp(-np.abs(x))),
            "softplus": np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))),
        }
    for name, value in exact.items():
        arch = Architecture((Cell("elman", name),), (1,), 1, 1)
        weights = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
        found = cells.forward(arch, weights, x[:, None]).states[:, 0]
        normal = np.abs(value) > 1e-300  # smaller ones may be flushed to zero
        # 1.2e-15: five units in the last place
        np.testing.assert_allclose(found[normal], value[normal], rtol=1.2e-15)
        assert (np.abs(found[~normal]) <= 1e-300).all()


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", ["identity", "relu", "softplus", "tanh", "lstm", "gru before"])
def test_what_is_not_finite_comes_back(kind):
    """Diverging states, infinite and missing inputs: no exception, no warning, no end of time."""
    problem = make(np.random.default_rng(13), [kind], (2,), nobs=400)
    problem.weights[: problem.arch.layers[0].matrix.stop] *= 50.0
    problem.inputs[200] = np.inf
    problem.inputs[300] = np.nan
    run = problem.run()
    assert np.isnan(run.eta[300:]).all()
    assert np.isfinite(run.eta[:10]).all()
    gradient = cells.backward(problem.arch, problem.weights, run, problem.d_eta)
    assert not np.isfinite(gradient.weights).all()
    rows = cells.score_obs(problem.arch, problem.weights, run, problem.d_eta)[0]
    assert np.isfinite(rows[:10]).all()
    assert np.isnan(rows[300:]).any(axis=1).all()


@needs_cells
def test_a_long_series():
    problem = make(np.random.default_rng(14), ["lstm"], (2,), k_in=1, nobs=100_000, mean="identity")
    run = problem.run()
    gradient = cells.backward(problem.arch, problem.weights, run, problem.d_eta)
    rows = cells.score_obs(problem.arch, problem.weights, run, problem.d_eta)[0]
    assert close(rows.sum(axis=0), gradient.weights, 1e-11)  # 1e5 terms of either sign
    pieces = cells.information(problem.arch, problem.weights, run, np.ones((100_000, 1, 1)))
    assert np.linalg.eigvalsh(pieces).min() > -1e-9 * np.abs(pieces).max()


def test_nothing_given_is_written_to():
    problem = make(np.random.default_rng(15), ["gru after"], (2,), nobs=20, mean="exp")
    arrays = [problem.weights, problem.inputs, problem.initial, problem.offsets, problem.d_eta]
    for array in arrays:
        array.setflags(write=False)
    all_of(problem)


def test_order_of_the_weights():
    arch = Architecture((Cell("gru"), Cell("lstm", peephole=True)), (2, 3), 4, 2, skip=True)
    first, second = arch.layers
    assert first.shape == (6, 7) and second.shape == (12, 6)
    assert (first.extra.stop - first.extra.start, second.extra.stop - second.extra.start) == (2, 9)
    assert arch.k_state == 2 + 6 and arch.top == slice(2, 5)
    weights = np.arange(arch.size, dtype=float)
    w = arch.unpack(weights)
    parts = [x.ravel() for layer in w.layers for x in layer]
    flat = np.concatenate([*parts, w.readout.ravel(), w.skip.ravel(), w.constant])
    np.testing.assert_array_equal(flat, weights)
    assert arch.unpack(np.zeros((5, arch.size))).layers[1][0].shape == (5, 12, 6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Cell("rnn"), "kind"),
        (lambda: Cell("elman", "relU"), "Did you mean 'relu'"),
        (lambda: Architecture((Cell("gru"),), (2, 3), 1, 1), "one cell and one number"),
        (lambda: Architecture((Cell("gru"),), (2,), 1, 0), "k_eta"),
        (lambda: Feedback([0], [0], [0], "exp", 0.0, 1.0), "lags"),
        (lambda: Feedback([0], [1], [0], "exp", 0.0, 0.0), "scale"),
        (lambda: PythonCell("none", (), lambda *_: None), "at least one gate"),
        (lambda: ARCH.unpack(np.zeros(3)), "length 16"),
        (lambda: cells.forward(ARCH, np.zeros(16), np.zeros(4)), "inputs"),
        (lambda: cells.forward(ARCH, np.zeros(16), np.zeros((4, 2))), "(4, 1)"),
        (lambda: cells.forward(ARCH, np.zeros(3), np.zeros((4, 1))), "weights"),
        (lambda: cells.forward(ARCH, np.zeros(16), np.zeros((4, 1)), offsets=[0, 3]), "offsets"),
        (lambda: cells.forward(ARCH, np.zeros(16), np.zeros((4, 1)), initial=[1.0]), "initial"),
        (
            lambda: cells.forward(
                ARCH, np.zeros(16), np.zeros((4, 1)),
                feedback=Feedback([1], [1], [0], "exp", 0.0, 1.0),
            ),
            "columns",
        ),
        (lambda: cells.step(ARCH, np.zeros((3, 16)), np.zeros((2, 2)), ONE[:2]), "(2, 16)"),
    ],
)  # fmt: skip
def test_refusals(call, words):
    with pytest.raises(SpecificationError, match=words.replace("(", r"\(").replace(")", r"\)")):
        call()


ARCH = Architecture((Cell("elman"),), (2,), 1, 2, skip=True)
ONE = np.zeros((4, 1))
