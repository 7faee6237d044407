"""Gradients by lag while a network learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import (
    check_alpha,
    check_bool,
    check_int,
    check_jobs,
)
from rnnstats.diagnostics.memory.training.gradient_report import TrainingGradients
from rnnstats.diagnostics.memory.training.grid import Job, Seed, checked, entropy_of
from rnnstats.diagnostics.memory.training.lag_gradients import log_norms_by_lag
from rnnstats.diagnostics.memory.training.learners import Learner, learners_of
from rnnstats.diagnostics.memory.training.optimiser import Optimiser, Streams, iterates
from rnnstats.diagnostics.memory.training.running import worked_through
from rnnstats.diagnostics.memory.training.tasks import FirstSymbol, Task
from rnnstats.errors import SpecificationError

__all__ = ["gradients_in_training"]

FloatArray = NDArray[np.float64]
SPREAD: Final = 5  # checkpoints behind the first, by default


@dataclass(frozen=True)
class _Looked:
    """A run, and where to look at it."""

    job: Job
    at: tuple[int, ...]
    size: int


def gradients_in_training(
    task: Task | None = None,
    lag: int = 50,
    networks: Sequence[str] | Mapping[str, Learner] = ("Elman", "LSTM", "LSTM chrono"),
    *,
    at: Sequence[int] | None = None,
    n_runs: int = 5,
    n_sequences: int = 20,
    optimiser: Optimiser | None = None,
    rng: Seed = 0,
    n_jobs: int = 1,
    progress: bool = False,
    alpha: float = 0.05,
) -> TrainingGradients:
    """Show how far back the gradient reaches before training, on its way, and behind it.

    The gradient of the loss at the last row by the state k rows before is looked at along the
    optimisation. Where it has vanished at the lag of the task, no step can teach what is asked.

    Parameters
    ----------
    task : Task, optional
        By default `FirstSymbol`. Where several rows of a sequence are asked for, the gradients
        looked at are those of the last one; all are learnt from.
    lag : int
        Of the task.
    networks : sequence of str or mapping of str to Learner
        See `success_against_lag`.
    at : sequence of int, optional
        Numbers of steps after which to look; by default 0 and five more, evenly up to the last.
    n_runs : int
        Runs of each network.
    n_sequences : int
        Fresh sequences looked at each time.
    optimiser : Optimiser, optional
        By default Adam with learning rate 0.01, clipping at 1, 400 steps of 20 sequences. All
        steps are taken, also after success.
    rng : int, Generator or None
        None gives other numbers each time.
    n_jobs : int
        Processes; the numbers do not depend on it.
    progress : bool
        Show a bar.
    alpha : float
        One minus the coverage of the bands.

    Returns
    -------
    TrainingGradients

    Raises
    ------
    SpecificationError
        An argument is not allowed.

    References
    ----------
    Bengio, Simard and Frasconi (1994), IEEE Transactions on Neural Networks 5, 157-166; Pascanu,
    Mikolov and Bengio (2013), ICML 28, 1310-1318, equations 3 to 5.
    """
    caller = "gradients_in_training"
    check_alpha(alpha, caller)
    named = learners_of(networks, caller)
    lag = check_int(lag, name="lag", caller=caller, minimum=1)
    size = check_int(n_sequences, name="n_sequences", caller=caller, minimum=1)
    n_runs = check_int(n_runs, name="n_runs", caller=caller, minimum=1)
    how = checked(optimiser, caller)
    steps = _steps_of(at, how.steps, caller)
    what = FirstSymbol() if task is None else task
    seed = entropy_of(rng, caller)
    jobs = [
        _Looked(Job(name, learner, what, how, Streams(seed, lag, run), 1.0), steps, size)
        for run in range(n_runs)
        for name, learner in named.items()
    ]
    done = worked_through(
        _look,
        jobs,
        n_jobs=check_jobs(n_jobs, caller=caller),
        progress=check_bool(progress, name="progress", caller=caller),
        caller=caller,
    )
    by_name: dict[str, list[tuple[FloatArray, FloatArray]]] = {name: [] for name in named}
    for looked, found in done:
        by_name[looked.job.name].append(found)
    by_name = {name: found for name, found in by_name.items() if found}
    return TrainingGradients(
        {name: np.array([logs for logs, _ in found]) for name, found in by_name.items()},
        {name: np.array([course for _, course in found]) for name, found in by_name.items()},
        steps,
        f"{what.title}, lag {lag}",
        alpha,
    )


def _steps_of(at: Sequence[int] | None, steps: int, caller: str) -> tuple[int, ...]:
    """Numbers of steps after which to look."""
    if at is None:
        return tuple(sorted({round(steps * part / SPREAD) for part in range(SPREAD + 1)}))
    found = [check_int(one, name="at", caller=caller, minimum=0, maximum=steps) for one in at]
    if not found or found != sorted(set(found)):
        raise SpecificationError(
            f"{caller}: at must be rising numbers of steps, one at least; got {list(at)}. "
            f"The last step is number {steps}."
        )
    return tuple(found)


def _look(looked: _Looked) -> tuple[FloatArray, FloatArray]:
    """Train one network: (len(at), sequences, rows) logs of norms, (steps + 1, 3) of the course."""
    job = looked.job
    arch = job.learner.architecture(job.task)
    fresh: Any = job.streams.generators()[2]
    batch = job.task.draw(job.streams.lag, looked.size, fresh)
    logs, course = [], []
    for now in iterates(job.task, job.learner, job.how, job.streams):
        course.append((now.norm, now.skill, float(now.clipped)))
        if now.step in looked.at:
            logs.append(log_norms_by_lag(job.task, arch, now.weights, batch))
        if now.step == job.how.steps:
            break
    return np.array(logs), np.array(course)
