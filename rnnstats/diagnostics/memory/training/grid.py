"""The same network trained again and again, at lag after lag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from rnnstats._checks import (
    check_alpha,
    check_bool,
    check_float,
    check_generator,
    check_int,
    check_jobs,
)
from rnnstats.diagnostics.memory.training.dependence import LongDependence
from rnnstats.diagnostics.memory.training.learners import Learner, learners_of
from rnnstats.diagnostics.memory.training.optimiser import Optimiser, Streams, Trained, train
from rnnstats.diagnostics.memory.training.running import worked_through
from rnnstats.diagnostics.memory.training.tasks import Task
from rnnstats.errors import SpecificationError

__all__ = [
    "NETWORKS",
    "Job",
    "Seed",
    "checked",
    "described",
    "entropy_of",
    "run_job",
    "success_against_lag",
]

NETWORKS: Final = ("Elman", "GRU", "LSTM", "LSTM chrono")
Seed = int | np.random.Generator | None


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes
    ----------
    name : str
        Of the network.
    learner : Learner
    task : Task
    how : Optimiser
    streams : Streams
    success : float
    """

    name: str
    learner: Learner
    task: Task
    how: Optimiser
    streams: Streams
    success: float


def run_job(job: Job) -> Trained:
    """Train one network.

    Parameters
    ----------
    job : Job

    Returns
    -------
    Trained
    """
    return train(job.task, job.learner, job.how, job.streams, job.success)


def entropy_of(rng: Seed, caller: str) -> int:
    """Seed of all streams of an experiment.

    Parameters
    ----------
    rng : int, Generator or None
    caller : str

    Returns
    -------
    int
    """
    return int(check_generator(rng, caller=caller).integers(2**63 - 1))


def success_against_lag(
    task: Task,
    lags: Sequence[int] = (10, 30, 100),
    networks: Sequence[str] | Mapping[str, Learner] = NETWORKS,
    *,
    n_runs: int = 10,
    optimiser: Optimiser | None = None,
    success: float = 0.9,
    rng: Seed = 0,
    n_jobs: int = 1,
    progress: bool = False,
    alpha: float = 0.05,
    caller: str = "success_against_lag",
) -> LongDependence:
    """Train networks again and again, at lag after lag, and count how many learn the task.

    Parameters
    ----------
    task : Task
        `FirstSymbol`, `Adding`, `Copying`, or one of one's own.
    lags : sequence of int
        Rows between what must be remembered and where it is asked for.
    networks : sequence of str or mapping of str to Learner
        Names of "Elman" (uniform start weights), "Elman orthogonal", "GRU", "GRU chrono", "LSTM"
        (forget bias 1), "LSTM chrono", all with 8 units; or a mapping with `Learner` of one's own.
    n_runs : int
        Runs for each network and lag, with start weights and sequences of their own. Run i of all
        networks learns from the same sequences.
    optimiser : Optimiser, optional
        By default Adam with learning rate 0.01, gradients of at most norm 1, at most 400 steps of
        20 sequences.
    success : float
        Skill on 500 fresh sequences from which a run has succeeded; training stops there.
    rng : int, Generator or None
        None gives other numbers each time.
    n_jobs : int
        Processes (joblib), -1 for all processors; the numbers do not depend on it.
    progress : bool
        Show a bar on standard error, if it takes more than about two seconds.
    alpha : float
        One minus the coverage of the intervals.
    caller : str
        For messages.

    Returns
    -------
    LongDependence
        Of the runs done by then after Ctrl-C, with a warning.

    Raises
    ------
    SpecificationError
        An argument is not allowed.
    """
    check_alpha(alpha, caller)
    named = learners_of(networks, caller)
    n_runs = check_int(n_runs, name="n_runs", caller=caller, minimum=1)
    check_float(success, name="success", caller=caller, above=0.0, below=1.0)
    how = checked(optimiser, caller)
    tried = _lags(lags, caller)
    seed = entropy_of(rng, caller)
    jobs = [
        Job(name, learner, task, how, Streams(seed, lag, run), success)
        for lag in sorted(tried, reverse=True)  # long ones first: no process waits at the end
        for run in range(n_runs)
        for name, learner in named.items()
    ]
    done = worked_through(
        run_job,
        jobs,
        n_jobs=check_jobs(n_jobs, caller=caller),
        progress=check_bool(progress, name="progress", caller=caller),
        caller=caller,
    )
    words = f"{described(how)}; success: skill of at least {success:g} on fresh sequences."
    return LongDependence(_runs(done, list(named)), task.title, (words,), alpha)


def checked(optimiser: Optimiser | None, caller: str) -> Optimiser:
    """Check how weights follow the gradient.

    Parameters
    ----------
    optimiser : Optimiser or None
    caller : str

    Returns
    -------
    Optimiser
    """
    if optimiser is None:
        return Optimiser()
    if not isinstance(optimiser, Optimiser):
        raise SpecificationError(
            f"{caller}: optimiser must be an Optimiser; got {type(optimiser).__name__}. "
            "Use Optimiser(steps=1000)."
        )
    return optimiser


def described(how: Optimiser, *, clip: bool = True) -> str:
    """Say how weights follow the gradient.

    Parameters
    ----------
    how : Optimiser
    clip : bool
        Whether to say where gradients are clipped.

    Returns
    -------
    str
    """
    words = (
        f"{how.method} with learning rate {how.learning_rate:g}, at most {how.steps} steps of "
        f"{how.batch} sequences"
    )
    if not clip:
        return words
    return words + (
        ", gradients never clipped" if how.clip is None else f", gradients clipped at {how.clip:g}"
    )


def _lags(lags: Sequence[int], caller: str) -> list[int]:
    """Check the lags."""
    tried = [check_int(lag, name="lags", caller=caller, minimum=1) for lag in lags]
    if not tried or len(set(tried)) < len(tried):
        raise SpecificationError(
            f"{caller}: lags must be different whole numbers, one at least; got {list(lags)}. "
            "Use lags=(10, 30, 100)."
        )
    return tried


def _runs(done: Sequence[tuple[Job, Trained]], names: Sequence[str]) -> pd.DataFrame:
    """Table of runs, by network, lag and seed."""
    rows = []
    for job, found in done:
        finite = found.norms[np.isfinite(found.norms)]
        rows.append(
            {
                "network": job.name,
                "lag": job.streams.lag,
                "seed": job.streams.seed,
                "succeeded": bool(found.succeeded),
                "steps": found.steps,
                "skill": found.skill,
                "tau": found.tau,
                "clipped": found.clipped,
                "largest_gradient": float(finite.max()) if len(finite) else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    place = {name: number for number, name in enumerate(names)}
    return table.sort_values(
        ["network", "lag", "seed"],
        key=lambda column: column.map(place) if column.name == "network" else column,
        ignore_index=True,
    )
