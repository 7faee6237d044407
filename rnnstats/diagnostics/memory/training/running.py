"""Many runs, here or in other processes; what is done by an interrupt is kept."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from rnnstats import _parallel
from rnnstats._checks import warn
from rnnstats.errors import ConvergenceWarning

__all__ = ["worked_through"]

S = TypeVar("S")
T = TypeVar("T")
PATIENCE: Final = 2.0  # seconds before a bar appears


def worked_through(
    one: Callable[[S], T], jobs: Sequence[S], *, n_jobs: int, progress: bool, caller: str
) -> list[tuple[S, T]]:
    """Do the same with each of several jobs.

    Parameters
    ----------
    one : callable
        Of one job; a function of a module, so that other processes find it.
    jobs : sequence
    n_jobs : int
        Processes; -1 for all processors.
    progress : bool
        Whether a bar may appear on standard error, after two seconds.
    caller : str

    Returns
    -------
    list of (job, result)
        Fewer than the jobs, with a warning, after Ctrl-C.

    Raises
    ------
    KeyboardInterrupt
        Nothing was done by then.
    """
    found: list[tuple[S, T]] = []
    bar = _bar(len(jobs), caller) if progress else None
    try:
        for job, result in zip(jobs, _parallel.worked_through(one, jobs, n_jobs), strict=True):
            found.append((job, result))
            if bar is not None:
                bar.update(1)
    except KeyboardInterrupt:
        if not found:
            raise
        warn(
            f"{caller}: interrupted; the table rests on {len(found)} of {len(jobs)} runs.",
            ConvergenceWarning,
        )
    finally:
        if bar is not None:
            bar.close()
    return found


def _bar(total: int, caller: str) -> Any:
    """Progress bar."""
    from tqdm import tqdm

    return tqdm(total=total, desc=caller, unit="run", file=sys.stderr, delay=PATIENCE, leave=False)
