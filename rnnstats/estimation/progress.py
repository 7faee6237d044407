"""A progress bar for fits that take long; silent for those that do not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from rnnstats.estimation.convergence import Progress

if TYPE_CHECKING:
    from tqdm import tqdm

    from rnnstats.estimation.trust_region import Climb

__all__ = ["Counter", "Meter"]

# Seconds before a bar appears.
PATIENCE = 2.0


class Meter:
    """Counts climbs on standard error and hands iterations on to a callback.

    Parameters
    ----------
    show : bool
        Whether a bar may appear (after two seconds).
    callback : callable or None
        Called with every iteration.
    n_starts : int
        Number of climbs of the first stage.
    """

    def __init__(
        self, show: bool, callback: Callable[[Progress], None] | None, n_starts: int
    ) -> None:
        self._callback = callback
        self._bar: tqdm[None] | None = None
        self._top = -float("inf")
        if show:
            from tqdm import tqdm

            self._bar = tqdm(
                total=n_starts, desc="starts", unit="climb", file=sys.stderr, delay=PATIENCE,
                leave=False,
            )  # fmt: skip

    @property
    def hook(self) -> Callable[[Progress], None] | None:
        """What the climb calls after each iteration; None when nobody listens."""
        if self._bar is None:
            return self._callback
        return self._step

    def _step(self, news: Progress) -> None:
        if self._bar is not None:
            self._top = max(self._top, news.llf)
            self._bar.set_postfix_str(
                f"start {news.start} iteration {news.iteration} best {self._top:.4f}",
                refresh=False,
            )
            self._bar.update(0)
        if self._callback is not None:
            self._callback(news)

    def polishing(self, n_climbs: int) -> None:
        """Begin the second stage: `n_climbs` are taken to their end."""
        if self._bar is not None:
            self._bar.total = self._bar.n + n_climbs
            self._bar.update(0)  # shows the new total, if the bar is there by now

    def done(self, state: Climb) -> None:
        """One climb has ended."""
        if self._bar is not None:
            self._top = max(self._top, state.llf)
            self._bar.update(1)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


class Counter:
    """Counts pieces of work on standard error, if it goes on for more than about two seconds.

    ``with Counter(...) as counter:`` removes the bar at the end, and leaves the block quietly after
    Ctrl-C, with `interrupted` set: what is done by then is kept.

    Parameters
    ----------
    show : bool
        Whether a bar may appear.
    total : int
        Number of pieces.
    description, unit : str
        What is done, and what a piece is called.

    Attributes
    ----------
    interrupted : bool
        Whether the work was ended by Ctrl-C, in the block or as told by who sets it.
    """

    def __init__(self, show: bool, total: int, description: str, unit: str) -> None:
        self.interrupted = False
        self._bar: tqdm[None] | None = None
        if show:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, desc=description, unit=unit, file=sys.stderr, delay=PATIENCE,
                leave=False,
            )  # fmt: skip

    def __enter__(self) -> Counter:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        """Remove the bar; note an interrupt and go on behind the block."""
        self.close()
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
        self.interrupted = self.interrupted or stopped
        return stopped

    def add(self, number: int = 1) -> None:
        """Count pieces that are done."""
        if self._bar is not None:
            self._bar.update(number)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
