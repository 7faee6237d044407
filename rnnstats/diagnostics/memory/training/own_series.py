"""A series of one's own as a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_int
from rnnstats.diagnostics.memory.training.tasks import Batch, Judged, Task, explained
from rnnstats.errors import DataError

__all__ = ["OwnSeries"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OwnSeries(Task):
    """Predict a row of a series from the ``lag`` rows before it.

    A sequence is a window of ``lag + 1`` rows at a random place; asked for is the output of its
    last row. Outputs and inputs are standardised. The windows overlap and come again, so that skill
    is skill in sample: the task is there to see how gradients travel along data of one's own.

    Attributes
    ----------
    target : array_like, shape (n,)
        Output by row; a Series will do.
    inputs : array_like, shape (n, k), optional
        What row t's output is predicted from, besides the state: row t governs the step into t. By
        default the output of the row before (and the first row is dropped).

    Raises
    ------
    DataError
        Shapes that do not belong together, a number that is not finite, or a constant column.
    """

    target: ArrayLike = field(repr=False)
    inputs: ArrayLike | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        y, x = self._columns
        if y.ndim != 1 or x.ndim != 2 or len(x) != len(y) or len(y) < 3:
            raise DataError(
                "OwnSeries: target must have shape (n,) and inputs (n, k), n at least 3; got "
                f"{y.shape} and {x.shape}. Give one column of outputs and a table of inputs."
            )
        both = np.column_stack([y, x])
        if not np.isfinite(both).all() or (both.std(axis=0) == 0.0).any():
            raise DataError(
                "OwnSeries: outputs and inputs must be finite and vary; got missing or constant "
                "ones. Fill gaps, and leave out constants: a network has its own."
            )

    @cached_property
    def _columns(self) -> tuple[FloatArray, FloatArray]:
        """Outputs and inputs, as they are."""
        y = np.asarray(self.target, dtype=np.float64)
        if self.inputs is None:
            return y[1:], y[:-1, None] if y.ndim == 1 else y[:-1]
        return y, np.asarray(self.inputs, dtype=np.float64)

    @cached_property
    def _standard(self) -> tuple[FloatArray, FloatArray]:
        """Outputs and inputs, standardised."""
        scaled: Any = [(one - one.mean(axis=0)) / one.std(axis=0) for one in self._columns]
        return scaled[0], scaled[1]

    @property
    def title(self) -> str:
        """Words for tables and pictures."""
        return "Own series"

    @property
    def k_in(self) -> int:
        """Number of inputs."""
        return int(self._columns[1].shape[1])

    @property
    def k_eta(self) -> int:
        """Number of outputs."""
        return 1

    def draw(self, lag: int, size: int, rng: np.random.Generator) -> Batch:
        """Draw windows of ``lag + 1`` rows.

        Parameters
        ----------
        lag : int
            At most n - 1.
        size : int
        rng : numpy.random.Generator

        Returns
        -------
        Batch
        """
        y, x = self._standard
        hint = "A window cannot be longer than the series."
        lag = check_int(
            lag, name="lag", caller="OwnSeries", minimum=1, maximum=len(y) - 1, hint=hint
        )
        ends = rng.integers(lag, len(y), size=size)
        rows = x[ends[:, None] + np.arange(-lag, 1)]
        cuts = np.arange(size + 1, dtype=np.int64) * (lag + 1)
        return Batch(rows.reshape(-1, x.shape[1]), cuts, cuts[1:] - 1, y[ends])

    def judge(self, eta: FloatArray, batch: Batch) -> Judged:
        """Half the squared error, and the share of the variance that is explained.

        Parameters
        ----------
        eta : ndarray, shape (n * rows, 1)
        batch : Batch

        Returns
        -------
        Judged
        """
        return explained(eta, batch, 1.0)
