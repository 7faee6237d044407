"""Gradient steps on fresh sequences, with clipping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import check_float, check_int, check_literal
from rnnstats.diagnostics.memory.training.learners import Learner
from rnnstats.diagnostics.memory.training.tasks import Task
from rnnstats.kernels import cells

__all__ = ["Iterate", "Method", "Optimiser", "Streams", "Trained", "iterates", "train"]

FloatArray = NDArray[np.float64]
Method = Literal["adam", "sgd"]
DECAY, DECAY_SQUARES, TINY = 0.9, 0.999, 1e-8  # beta_1, beta_2 and epsilon of the paper
RECENT: Final = 0.1  # weight of the latest batch in the running skill
PAUSE: Final = 25  # steps after a test that was not passed
N_TEST: Final = 500  # sequences of a test


@dataclass(frozen=True)
class Optimiser:
    """How weights follow the gradient.

    Attributes
    ----------
    method : {"adam", "sgd"}
        Adam (Kingma and Ba 2015, ICLR, algorithm 1) or plain steepest descent.
    learning_rate : float
    clip : float or None
        Largest norm of the gradient of all weights together; a longer one is shortened to it
        (Pascanu, Mikolov and Bengio 2013, ICML 28, 1310-1318, algorithm 1). None: never.
    batch : int
        Sequences a step.
    steps : int
        Largest number of steps.

    Raises
    ------
    SpecificationError
        An argument is not allowed.
    """

    method: Method = "adam"
    learning_rate: float = 0.01
    clip: float | None = 1.0
    batch: int = 20
    steps: int = 400

    def __post_init__(self) -> None:
        check_literal(self.method, get_args(Method), name="method", caller="Optimiser")
        check_float(self.learning_rate, name="learning_rate", caller="Optimiser", above=0.0)
        if self.clip is not None:
            hint = "None means no clipping."
            check_float(self.clip, name="clip", caller="Optimiser", above=0.0, hint=hint)
        check_int(self.batch, name="batch", caller="Optimiser", minimum=1)
        check_int(self.steps, name="steps", caller="Optimiser", minimum=1)


@dataclass(frozen=True)
class Streams:
    """Random numbers of one run: the same for all networks of one lag and seed.

    Attributes
    ----------
    entropy, lag, seed : int
    """

    entropy: int
    lag: int
    seed: int

    def generators(self) -> list[np.random.Generator]:
        """Generators of sequences to learn from, of weights to begin with, of tests."""
        root = np.random.SeedSequence([self.entropy, self.lag, self.seed])
        return [np.random.default_rng(one) for one in root.spawn(3)]


@dataclass(frozen=True, eq=False)
class Iterate:
    """Where a run is, before a step is taken.

    Attributes
    ----------
    step : int
        Steps taken by now.
    weights : ndarray, shape (P,)
        Of now; the step does not change them.
    loss, skill : float
        On sequences never seen.
    norm : float
        Of the gradient, before clipping; not finite where it overflowed, and then no step is taken.
    clipped : bool
        Whether it is shortened.
    """

    step: int
    weights: FloatArray
    loss: float
    skill: float
    norm: float
    clipped: bool


def iterates(task: Task, learner: Learner, how: Optimiser, streams: Streams) -> Iterator[Iterate]:
    """Walk from the start weights along the gradients, without end.

    Parameters
    ----------
    task : Task
    learner : Learner
    how : Optimiser
    streams : Streams

    Yields
    ------
    Iterate
        The first before any step.
    """
    data, first, _ = streams.generators()
    arch = learner.architecture(task)
    weights = learner.start(arch, streams.lag, first)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    step = taken = 0
    while True:
        batch = task.draw(streams.lag, how.batch, data)
        run = cells.forward(arch, weights, batch.inputs, offsets=batch.offsets)
        with np.errstate(all="ignore"):
            judged = task.judge(run.eta, batch)
        gradient = cells.backward(arch, weights, run, judged.slopes).weights
        norm = _norm(gradient)
        clipped = how.clip is not None and norm > how.clip
        yield Iterate(step, weights, judged.loss, judged.skill, norm, clipped)
        step += 1
        if not np.isfinite(norm):
            continue
        if how.clip is not None and clipped:
            gradient = gradient * (how.clip / norm)
        if how.method == "adam":
            taken += 1
            mean = DECAY * mean + (1.0 - DECAY) * gradient
            square = DECAY_SQUARES * square + (1.0 - DECAY_SQUARES) * gradient**2
            size = np.sqrt(square / (1.0 - DECAY_SQUARES**taken)) + TINY
            gradient = mean / (1.0 - DECAY**taken) / size
        weights = weights - how.learning_rate * gradient


def _norm(gradient: FloatArray) -> float:
    """Length, without overflow of the squares."""
    largest = float(np.abs(gradient).max())
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(gradient / largest))


@dataclass(frozen=True, eq=False)
class Trained:
    """A run and how it ended.

    Attributes
    ----------
    succeeded : bool
        Whether the skill of a test of fresh sequences was reached.
    steps : int
        Steps taken.
    skill, loss : float
        Of the last test.
    norms : ndarray, shape (steps,)
        Of the gradients, before clipping.
    clipped : float
        Share of the steps that were shortened; zero where there was no step.
    lost : int
        Steps not taken because the gradient was not finite.
    tau : float
        Slowest time constant of the start weights, in rows: -1 / ln of the spectral radius of the
        state's Jacobian at state and inputs of zero; infinite from a radius of one on.
    """

    succeeded: bool
    steps: int
    skill: float
    loss: float
    norms: FloatArray
    clipped: float
    lost: int
    tau: float


def train(
    task: Task, learner: Learner, how: Optimiser, streams: Streams, success: float
) -> Trained:
    """Let a network learn until it can, or until the steps are spent.

    The skill of the latest batches, none of which has been seen before, decides when to test; a
    test draws 500 sequences of its own, and only a test decides.

    Parameters
    ----------
    task : Task
    learner : Learner
    how : Optimiser
    streams : Streams
    success : float
        Skill from which a test is passed.

    Returns
    -------
    Trained
    """
    tests = streams.generators()[2]
    arch = learner.architecture(task)
    running, next_test, norms, clipped, tau = 0.0, 0, [], 0, np.nan
    skill = loss = np.nan
    for now in iterates(task, learner, how, streams):
        if now.step == 0:
            tau = slowest(arch, now.weights)
        running += RECENT * (now.skill - running) if np.isfinite(now.skill) else 0.0
        last = now.step == how.steps
        if last or (running >= success and now.step >= next_test):
            judged = _test(task, arch, now.weights, streams.lag, tests)
            skill, loss = judged
            next_test = now.step + PAUSE
            if last or skill >= success:
                break
        norms.append(now.norm)
        clipped += now.clipped
    seen = np.array(norms)
    lost = int((~np.isfinite(seen)).sum())
    share = clipped / len(seen) if len(seen) else 0.0
    return Trained(skill >= success, len(seen), skill, loss, seen, share, lost, tau)


def _test(
    task: Task, arch: cells.Architecture, weights: FloatArray, lag: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Skill and loss on fresh sequences."""
    batch = task.draw(lag, N_TEST, rng)
    run = cells.forward(arch, weights, batch.inputs, offsets=batch.offsets)
    with np.errstate(all="ignore"):
        judged = task.judge(run.eta, batch)
    return judged.skill, judged.loss


def slowest(arch: cells.Architecture, weights: FloatArray) -> float:
    """Time constant of the slowest mode at state and inputs of zero, in rows.

    Parameters
    ----------
    arch : Architecture
    weights : ndarray, shape (P,)

    Returns
    -------
    float
        Infinite where the state does not shrink.
    """
    run = cells.forward(arch, weights, np.zeros((1, arch.k_in)))
    state, _ = cells.jacobians(arch, weights, run)
    radius = float(np.abs(np.linalg.eigvals(state[0])).max())
    if radius >= 1.0:
        return np.inf
    return -1.0 / np.log(radius) if radius > 0.0 else 0.0
