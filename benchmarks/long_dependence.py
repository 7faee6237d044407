"""Success against lags of 10 to 500: the full table of the notebook on gradient memory.

    python -m benchmarks.long_dependence --out notebooks/long_dependence.csv

trains six networks on three tasks, twenty times each on first-symbol recall at six lags and ten
times on the adding and copy problems at three, and writes one line a run. Every run has random
streams of its own, so that the table does not depend on the number of processes. Seconds of wall
and of processor are printed behind each task.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.__main__ import ONE_THREAD, machine

NETWORKS = ("Elman", "Elman orthogonal", "GRU", "GRU chrono", "LSTM", "LSTM chrono")
SEED = 1
# lags, runs, steps
PLAN = {
    "first symbol": ((10, 20, 50, 100, 200, 500), 20, 600),
    "adding": ((10, 50, 200), 10, 1000),
    "copy": ((10, 50, 200), 10, 1000),
}


def scaled(task: str, scale: float = 1.0) -> tuple[tuple[int, ...], int, int]:
    """Lags, runs and steps of a task.

    Parameters
    ----------
    task : str
    scale : float
        Share of the runs and steps.

    Returns
    -------
    lags : tuple of int
    runs : int
    steps : int
    """
    lags, runs, steps = PLAN[task]
    return lags, max(1, round(scale * runs)), max(1, round(scale * steps))


def experiment(task: str, n_jobs: int, scale: float = 1.0) -> Any:
    """Run the experiment of one task.

    Parameters
    ----------
    task : {"first symbol", "adding", "copy"}
    n_jobs : int
        Processes.
    scale : float
        Share of the runs and steps that is done; less than one for a trial.

    Returns
    -------
    LongDependence
    """
    from rnnstats.diagnostics import memory

    lags, runs, steps = scaled(task, scale)
    call = {
        "first symbol": memory.first_symbol_recall,
        "adding": memory.adding_problem,
        "copy": memory.copy_problem,
    }[task]
    return call(
        lags,
        NETWORKS,
        n_runs=runs,
        optimiser=memory.Optimiser(steps=steps),
        rng=SEED,
        n_jobs=n_jobs,
        progress=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiments, print their tables, and write the runs, task by task.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line.

    Returns
    -------
    int
        0; 1 after Ctrl-C, behind which nothing more is begun: the runs done by then are written.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_dependence")
    parser.add_argument("tasks", nargs="*", metavar="task", help=f"among {', '.join(PLAN)}; or all")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--scale", type=float, default=1.0, help="share of runs and steps")
    parser.add_argument("--out", type=Path, help="file for the runs; other tasks in it stay")
    options = parser.parse_args(arguments)
    tasks = options.tasks or list(PLAN)
    if not set(tasks) <= set(PLAN):
        parser.error(f"tasks are {', '.join(PLAN)}; got {', '.join(tasks)}")
    os.environ.update(ONE_THREAD)
    print(machine(), flush=True)
    before = _processor(options.jobs)
    for task in tasks:
        began = time.perf_counter()
        report = experiment(task, options.jobs, options.scale)
        wall, after = time.perf_counter() - began, _processor(options.jobs)
        print(report.summary())
        used = f"{wall:.0f} s of wall, {after - before:.0f} s of processor"
        print(f"{task}: {used}, {options.jobs} processes\n", flush=True)
        before = after
        if options.out is not None:
            _write(options.out, report.runs.assign(task=task), task)
        if len(report.runs) < _planned(task, options.scale):
            return 1
    return 0


def _planned(task: str, scale: float) -> int:
    """Number of runs of all networks at all lags."""
    lags, runs, _ = scaled(task, scale)
    return len(NETWORKS) * len(lags) * runs


def _write(path: Path, runs: Any, task: str) -> None:
    """Put the runs of a task into the file, in the place of earlier ones."""
    import pandas as pd

    parts = [runs]
    if path.exists():
        old = pd.read_csv(path)
        parts.insert(0, old[old["task"] != task])
    order = {name: number for number, name in enumerate(PLAN)}
    table = pd.concat(parts).sort_values("task", key=lambda c: c.map(order), kind="stable")
    table.to_csv(path, index=False, float_format="%.5g", lineterminator="\n")


def _processor(n_jobs: int) -> float:
    """Seconds of processor of this process and of those it started, which are ended for it."""
    if n_jobs != 1:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    raise SystemExit(main())
