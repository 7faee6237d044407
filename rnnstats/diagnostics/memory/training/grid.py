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
    "Plan",
    "Seed",
    "checked",
    "described",
    "entropy_of",
    "run_job",
    "table_of_runs",
]

NETWORKS: Final = ("Elman", "GRU", "LSTM", "LSTM chrono")
Seed = int | np.random.Generator | None


@dataclass(frozen=True)
class Plan:
    """How often networks are trained, and how; see `success_against_lag`.

    Attributes
    ----------
    caller : str
        For messages.
    n_runs : int
    optimiser : Optimiser or None
    success : float
    rng : int, Generator or None
    n_jobs : int
    progress : bool
    alpha : float
    """

    caller: str
    n_runs: int
    optimiser: Optimiser | None
    success: float
    rng: Seed
    n_jobs: int
    progress: bool
    alpha: float


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


def table_of_runs(
    task: Task, lags: Sequence[int], networks: Sequence[str] | Mapping[str, Learner], plan: Plan
) -> LongDependence:
    """Train networks again and again, at lag after lag, and count how many learn the task.

    Parameters
    ----------
    task : Task
    lags : sequence of int
    networks : sequence of str or mapping of str to Learner
    plan : Plan

    Returns
    -------
    LongDependence

    Raises
    ------
    SpecificationError
        An argument is not allowed.
    """
    caller = plan.caller
    check_alpha(plan.alpha, caller)
    named = learners_of(networks, caller)
    n_runs = check_int(plan.n_runs, name="n_runs", caller=caller, minimum=1)
    check_float(plan.success, name="success", caller=caller, above=0.0, below=1.0)
    how = checked(plan.optimiser, caller)
    tried = _lags(lags, caller)
    seed = entropy_of(plan.rng, caller)
    jobs = [
        Job(name, learner, task, how, Streams(seed, lag, run), plan.success)
        for run in range(n_runs)  # outermost: an interrupt leaves some of every lag
        for lag in sorted(tried, reverse=True)  # long ones first: no process waits at the end
        for name, learner in named.items()
    ]
    done = worked_through(
        run_job,
        jobs,
        n_jobs=check_jobs(plan.n_jobs, caller=caller),
        progress=check_bool(plan.progress, name="progress", caller=caller),
        caller=caller,
    )
    words = f"{described(how)}; success: skill of at least {plan.success:g} on fresh sequences."
    return LongDependence(_runs(done, list(named)), task.title, (words,), plan.alpha)


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
