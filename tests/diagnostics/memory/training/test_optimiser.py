"""Steps along the gradient, the end of a run, and gradients by lag."""

from __future__ import annotations

import dataclasses
from itertools import islice, pairwise

import numpy as np
import pytest

from rnnstats.diagnostics.memory import Adding, Copying, FirstSymbol, Learner, Optimiser
from rnnstats.diagnostics.memory.training.lag_gradients import log_norms_by_lag
from rnnstats.diagnostics.memory.training.optimiser import Streams, iterates, slowest, train
from rnnstats.diagnostics.memory.training.tasks import Task
from rnnstats.errors import SpecificationError
from rnnstats.kernels import cells

STREAMS = Streams(7, 6, 0)


def loss_of(task, arch, weights, batch):
    """Loss, and its gradient by the weights."""
    run = cells.forward(arch, weights, batch.inputs, offsets=batch.offsets)
    judged = task.judge(run.eta, batch)
    return judged.loss, cells.backward(arch, weights, run, judged.slopes).weights


def walked(task, learner, how, count):
    """Weights before each step, and the batches that the steps are taken on."""
    data = STREAMS.generators()[0]
    batches = [task.draw(STREAMS.lag, how.batch, data) for _ in range(count)]
    return list(islice(iterates(task, learner, how, STREAMS), count)), batches


def test_steepest_descent_goes_along_the_gradient_of_fresh_sequences():
    task, learner, how = FirstSymbol(), Learner("elman", 3), Optimiser("sgd", 0.3, None, 5)
    found, batches = walked(task, learner, how, 6)
    arch = learner.architecture(task)
    for now, after, batch in zip(found, found[1:], batches, strict=False):
        loss, gradient = loss_of(task, arch, now.weights, batch)
        assert now.loss == loss and now.norm == pytest.approx(np.linalg.norm(gradient), rel=1e-14)
        assert after.weights == pytest.approx(now.weights - 0.3 * gradient, rel=1e-13)
    weights, batch, by_differences = found[0].weights, batches[0], []
    for one in np.eye(arch.size) * 1e-6:
        ahead, back = (loss_of(task, arch, w, batch)[0] for w in (weights + one, weights - one))
        by_differences.append((ahead - back) / 2e-6)
    # rounding of the loss over the step
    assert loss_of(task, arch, weights, batch)[1] == pytest.approx(by_differences, abs=1e-9)


def test_long_gradients_are_shortened_and_short_ones_are_not():
    how = Optimiser("sgd", 1.0, 0.4, 5)
    learner = Learner("elman", recurrent="orthogonal", gain=2.0)
    found, _ = walked(FirstSymbol(), learner, how, 40)
    lengths = [np.linalg.norm(after.weights - now.weights) for now, after in pairwise(found)]
    expected = [min(now.norm, 0.4) for now in found[:-1]]
    assert lengths == pytest.approx(expected, rel=1e-10)
    assert {now.clipped for now in found} == {True, False}
    assert all(now.clipped == (now.norm > 0.4) for now in found)


@pytest.mark.crosspkg
@pytest.mark.parametrize(("cell", "module"), [("elman", "RNN"), ("gru", "GRU"), ("lstm", "LSTM")])
@pytest.mark.parametrize("clip", [None, 0.3])
def test_a_whole_training_equals_that_of_torch(cell, module, clip):
    torch = pytest.importorskip("torch")
    task, learner, how = Adding(), Learner(cell, 4), Optimiser("adam", 0.02, clip, 8)
    found, batches = walked(task, learner, how, 15)
    arch = learner.architecture(task)

    def stack(weights):
        W, extra = arch.unpack(weights).layers[0]
        bias = np.zeros(len(W))
        if cell == "gru":
            bias[8:] = extra
        return [W[:, :4], W[:, 4:-1], W[:, -1], bias]

    network = getattr(torch.nn, module)(2, 4, batch_first=True).double()
    readout = torch.nn.Linear(4, 1).double()
    first = arch.unpack(found[0].weights)
    with torch.no_grad():
        W_h, W_x, b, b_h = (torch.tensor(np.ascontiguousarray(x)) for x in stack(found[0].weights))
        for name, value in (
            ("weight_hh", W_h),
            ("weight_ih", W_x),
            ("bias_ih", b),
            ("bias_hh", b_h),
        ):
            getattr(network, name + "_l0").copy_(value)
        readout.weight.copy_(torch.tensor(first.readout))
        readout.bias.copy_(torch.tensor(first.constant))
    ours = [network.weight_hh_l0, network.weight_ih_l0, network.bias_ih_l0]
    if cell == "gru":
        ours.append(network.bias_hh_l0)
    ours += [readout.weight, readout.bias]
    adam = torch.optim.Adam(ours, lr=0.02)
    for number, batch in enumerate(batches[:-1]):
        rows = torch.tensor(batch.inputs.reshape(8, -1, 2))
        answer = readout(network(rows)[0][:, -1])[:, 0]
        adam.zero_grad()
        (0.5 * ((answer - torch.tensor(batch.target)) ** 2).mean()).backward()
        if cell == "gru":  # of its two constants a gate, ours has one but inside the reset
            network.bias_hh_l0.grad[:8] = 0.0
        if clip is not None:
            # torch's own clipping adds 1e-6 to the norm that it divides by
            norm = float(torch.nn.utils.get_total_norm([one.grad for one in ours]))
            assert found[number].norm == pytest.approx(norm, rel=1e-9)
            assert found[number].clipped == (norm > clip)
            for one in ours:
                one.grad *= min(1.0, clip / norm)
        adam.step()
    theirs = [network.weight_hh_l0, network.weight_ih_l0, network.bias_ih_l0]
    last = stack(found[-1].weights)
    for mine, other in zip(last, theirs, strict=False):
        # Adam divides by gradients that may be small: rounding grows some hundredfold in 14 steps
        assert mine == pytest.approx(other.detach().numpy(), rel=1e-6, abs=1e-8)
    assert arch.unpack(found[-1].weights).readout == pytest.approx(
        readout.weight.detach().numpy(), rel=1e-6, abs=1e-8
    )


class Overflowing(FirstSymbol):
    """First-symbol recall whose loss has no finite gradient every third time."""

    def __init__(self):
        super().__init__()
        object.__setattr__(self, "count", [0])

    def judge(self, eta, batch):
        judged = super().judge(eta, batch)
        self.count[0] += 1
        if self.count[0] % 3 == 2:
            return dataclasses.replace(judged, slopes=np.full_like(judged.slopes, np.inf))
        return judged


def test_a_gradient_that_is_not_finite_moves_nothing():
    found = list(islice(iterates(Overflowing(), Learner("gru", 3), Optimiser(), STREAMS), 7))
    moved = [not np.array_equal(now.weights, after.weights) for now, after in pairwise(found)]
    assert moved == [True, False, True, True, False, True]
    assert all(np.isfinite(now.weights).all() for now in found)
    ended = train(Overflowing(), Learner("gru", 3), Optimiser(steps=6), STREAMS, 0.99)
    assert ended.lost == 2 and len(ended.norms) == ended.steps == 6


def test_adam_is_that_of_its_paper_and_counts_the_steps_it_took():
    learner, how = Learner("lstm", 2), Optimiser("adam", 0.05, None, 4)
    found, batches = walked(Overflowing(), learner, how, 12)
    arch = learner.architecture(FirstSymbol())
    theta, m, v, t = found[0].weights, 0.0, 0.0, 0
    for number, batch in enumerate(batches[:-1]):
        if number % 3 != 1:  # its gradient is finite
            g = loss_of(FirstSymbol(), arch, theta, batch)[1]
            t += 1
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            theta = theta - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        # rounding, divided by gradients that may be small
        assert found[number + 1].weights == pytest.approx(theta, rel=1e-9, abs=1e-11)
    assert t == 7


@pytest.mark.parametrize("bias", [-1.0, 0.5, 4.0])
def test_the_time_constant_of_a_start_is_that_of_its_gate(bias):
    learner = Learner("lstm", 5)
    arch = learner.architecture(FirstSymbol())
    weights = np.zeros(arch.size)
    arch.unpack(weights).layers[0][0][5:10, -1] = bias
    gate = 1.0 / (1.0 + np.exp(-bias))
    assert slowest(arch, weights) == pytest.approx(-1.0 / np.log(gate), rel=1e-12)
    assert slowest(arch, np.zeros(arch.size)) == pytest.approx(1.0 / np.log(2.0), rel=1e-12)


def test_a_state_that_does_not_shrink_has_no_time_constant():
    learner = Learner("elman", 4, recurrent="orthogonal", gain=1.5)
    arch = learner.architecture(FirstSymbol())
    weights = learner.start(arch, 5, np.random.default_rng(0))
    arch.unpack(weights).layers[0][0][:, -1] = 0.0
    assert slowest(arch, weights) == np.inf
    assert slowest(arch, 0.0 * weights) == 0.0


def test_a_run_ends_when_a_test_is_passed():
    task, how = FirstSymbol(), Optimiser(steps=300)
    found = train(task, Learner("lstm", forget_bias=1.0), how, Streams(0, 5, 0), 0.9)
    assert found.succeeded and 0.9 <= found.skill <= 1.0
    assert 5 < found.steps < 300 and len(found.norms) == found.steps
    again = train(task, Learner("lstm", forget_bias=1.0), how, Streams(0, 5, 0), 0.9)
    assert again.steps == found.steps and np.array_equal(again.norms, found.norms)
    short = train(task, Learner("lstm", forget_bias=1.0), Optimiser(steps=3), Streams(0, 5, 0), 0.9)
    assert not short.succeeded and short.steps == 3
    assert np.array_equal(short.norms, found.norms[:3])


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"method": "momentum"}, "method must be one of 'adam', 'sgd'"),
        ({"learning_rate": 0.0}, "learning_rate must be greater than 0"),
        ({"clip": 0.0}, "clip must be greater than 0"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
    ],
)
def test_arguments_of_the_optimiser_are_looked_at(arguments, rule):
    with pytest.raises(SpecificationError, match=rule):
        Optimiser(**arguments)


# -- gradients by lag ------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("task", [FirstSymbol(), Adding(), Copying(2, 3)], ids=repr)
def test_gradients_by_lag_are_those_by_an_initial_state_put_there(cell, task):
    rng = np.random.default_rng(1)
    learner = Learner(cell, 4)
    arch = learner.architecture(task)
    weights = 2.0 * learner.start(arch, 9, rng)
    batch = task.draw(9, 3, rng)
    found = np.exp(log_norms_by_lag(task, arch, weights, batch))
    states = cells.forward(arch, weights, batch.inputs, offsets=batch.offsets).states
    rows = found.shape[1]
    for sequence in range(3):
        first, end = batch.offsets[sequence : sequence + 2]
        which = np.flatnonzero(batch.asked == end - 1)
        for k in range(1, rows):
            # the run begun again k rows before the end, from the state that was there
            part = dataclasses.replace(
                batch,
                inputs=batch.inputs[end - k : end],
                offsets=np.array([0, k]),
                asked=np.array([k - 1]),
                target=batch.target[which],
            )
            run = cells.forward(arch, weights, part.inputs, initial=states[end - k - 1])
            slopes = task.judge(run.eta, part).slopes
            by_state = cells.backward(arch, weights, run, slopes).initial[0]
            assert found[sequence, k] == pytest.approx(np.linalg.norm(by_state), rel=1e-10)
        assert end - first == rows


def test_gradients_by_lag_do_not_underflow():
    task, learner = FirstSymbol(), Learner("elman", 1)
    arch = learner.architecture(task)
    weights = learner.start(arch, 3000, np.random.default_rng(0))
    W = arch.unpack(weights).layers[0][0]
    W[0, 0] = 0.3  # 0.3^3000 is 1e-1569
    batch = task.draw(3000, 2, np.random.default_rng(1))
    found = log_norms_by_lag(task, arch, weights, batch)
    states = cells.forward(arch, weights, batch.inputs, offsets=batch.offsets).states
    slopes = np.log(0.3 * (1.0 - states.reshape(2, 3001) ** 2))  # d h_t / d h_{t-1}
    expected = np.cumsum(slopes[:, :0:-1], axis=1)
    assert found[:, 1:] - found[:, :1] == pytest.approx(expected, rel=1e-12)
    assert found[:, -1].max() < np.log(np.finfo(float).tiny)


def test_sequences_of_other_lengths_are_refused():
    class Uneven(Task):
        title, k_in, k_eta = "uneven", 3, 2

        def draw(self, lag, size, rng):
            one, other = (FirstSymbol().draw(n, 1, rng) for n in (lag, lag + 1))
            return dataclasses.replace(
                one,
                inputs=np.vstack([one.inputs, other.inputs]),
                offsets=np.array([0, lag + 1, 2 * lag + 3]),
                asked=np.array([lag, 2 * lag + 2]),
                target=np.concatenate([one.target, other.target]),
            )

        def judge(self, eta, batch):
            return FirstSymbol().judge(eta, batch)

    task, learner = Uneven(), Learner("elman", 2)
    arch = learner.architecture(task)
    batch = task.draw(4, 2, np.random.default_rng(0))
    with pytest.raises(SpecificationError, match="equally long"):
        log_norms_by_lag(task, arch, np.zeros(arch.size), batch)
