"""Working through pieces of work, here or in other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

__all__ = ["worked_through"]

S = TypeVar("S")
T = TypeVar("T")


def worked_through(one: Callable[[S], T], items: Sequence[S], n_jobs: int) -> Iterator[T]:
    """Do the same with each of several things.

    Parameters
    ----------
    one : callable
        Of one item; what other processes can be sent: a function of a module, or a partial of one.
    items : sequence
    n_jobs : int
        Number of processes; -1 for all processors. With one, or one item, nothing is sent away.

    Yields
    ------
    object
        What `one` makes of each, in the order of the items.
    """
    if n_jobs == 1 or len(items) < 2:
        yield from map(one, items)
        return
    from joblib import Parallel, delayed

    work: Any = (delayed(one)(item) for item in items)
    yield from Parallel(n_jobs=n_jobs, return_as="generator")(work)
