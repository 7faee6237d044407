"""Medians of calls that take turns, and the speed of the machine.

Seconds are those of the processor spent on this process (both sides run on one thread), which on a
quiet machine are those of the clock and on a busy one do not count the work of others.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np

Call = Callable[[], object]


def seconds(call: Call, number: int = 1) -> float:
    """Processor seconds a call, over ``number`` calls in a row."""
    began = time.process_time()
    for _ in range(number):
        call()
    return (time.process_time() - began) / number


def take_turns(
    calls: Mapping[str, Call], *, rounds: int, batch: float = 1e-3, budget: float = 10.0
) -> dict[str, float]:
    """Median seconds a call of each, measured A B A B ...

    Parameters
    ----------
    calls : mapping of str to callable
    rounds : int
        Times each has its turn; fewer (at least three) where that would take over ``budget``.
    batch : float
        A short call is repeated within its turn until the turn takes about this many seconds.
    budget : float
        Seconds for all turns together.

    Returns
    -------
    dict of str to float
    """
    once = {name: min(seconds(call) for _ in range(2)) for name, call in calls.items()}
    number = {name: max(1, int(batch / max(took, 1e-7))) for name, took in once.items()}
    a_round = sum(once[name] * number[name] for name in calls)
    turns = max(3, min(rounds, int(budget / max(a_round, 1e-9))))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(turns):
            for name, call in calls.items():
                taken[name].append(seconds(call, number[name]))
    finally:
        if collecting:
            gc.enable()
    return {name: statistics.median(values) for name, values in taken.items()}


def peak_gflops(size: int = 768, rounds: int = 15) -> float:
    """Billions of floating point operations a second of a matrix product, the best of some."""
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(size, size)), rng.normal(size=(size, size)), np.empty((size, size))
    best = min(seconds(lambda: np.matmul(a, b, out=c)) for _ in range(rounds))
    return 2.0 * size**3 / best / 1e9
