"""Memory capacity from runs of a recurrence, with jackknife and delta-method errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import check_int
from rnnstats.diagnostics.memory.capacity.figures import Figures, Found
from rnnstats.diagnostics.memory.capacity.sampled_shares import (
    Sampled,
    quick_shares,
    sampled_shares,
)
from rnnstats.diagnostics.memory.capacity.sources import CALLER, chosen_inputs
from rnnstats.diagnostics.memory.driven import Driven
from rnnstats.diagnostics.memory.lyapunov.growth import stretches
from rnnstats.diagnostics.memory.recurrences import Recurrence, StepRecurrence
from rnnstats.errors import SpecificationError

__all__ = ["Runner", "simulated"]

FloatArray = NDArray[np.float64]

# Lags looked at first; they are doubled while the later half holds something.
FEW = 32
# Rows that derivatives by the parameters are taken from, a share of the run; and rows from which
# the rate of forgetting is taken.
SHARE, TRIED = 4, 1000
# Standard errors beyond which means of the two halves of runs differ.
DRIFT = 4.5


@dataclass(slots=True, eq=False)
class Runner:
    """How a recurrence is run; the same random numbers each time.

    Attributes
    ----------
    recurrence : Recurrence
    nsteps : int
        Rows of all runs.
    burn : int or None
        First rows of each that are left out.
    seed : int
    """

    recurrence: Recurrence
    nsteps: int
    burn: int | None
    seed: int

    def drive(self, there: Recurrence, share: int = 1) -> Driven:
        """Run a recurrence, without the rows in which the start may show.

        Parameters
        ----------
        there : Recurrence
            This one, or at other parameters.
        share : int
            The whole run is so many times longer.

        Returns
        -------
        Driven
        """
        found = there.driven(self.nsteps // share, np.random.default_rng(self.seed))
        rows = found.states.shape[1]
        burn = min(rows // 10, 1000) if self.burn is None else self.burn
        burn = check_int(burn, name="burn", caller=CALLER, minimum=0, maximum=rows - 2)
        return replace(found, states=found.states[:, burn:], inputs=found.inputs[:, burn:])


def simulated(run: Runner, by: Any, lags: int | None, alpha: float) -> Found:
    """Capacities of a run, with jackknife and delta-method errors.

    Parameters
    ----------
    run : Runner
    by : str or sequence of str or None
        Inputs that are looked for.
    lags : int or None
        Largest lag; None for as many as hold something.
    alpha : float
        Level of what is more than chance.

    Returns
    -------
    Found

    Raises
    ------
    SpecificationError
        Too few rows, or there is no such input.
    """
    driven = run.drive(run.recurrence)
    chosen = chosen_inputs(driven.names, driven.shocks, by)
    states, inputs = driven.states, driven.inputs[:, :, chosen]
    longest = _longest(states)
    count = check_int(
        min(FEW, longest) if lags is None else lags, name="lags", caller=CALLER, minimum=0,
        maximum=longest, hint="More rows (nsteps) allow more lags.",
    )  # fmt: skip
    found = sampled_shares(states, inputs, count, alpha)
    while lags is None and count < longest and found.above[count // 2 :].any():
        count = min(2 * count, longest)
        found = sampled_shares(states, inputs, count, alpha)
    error = _with_estimation(run, driven, found, chosen)
    notes = _notes(driven, found, inputs)
    if np.isnan(error.total):
        notes.append("The estimates have no covariance, so that there are no standard errors.")
    return Found(
        found.value, error, found.above, [driven.names[j] for j in chosen],
        states.shape[2], found.rank, notes,
        rows=states.shape[0] * (states.shape[1] - count), threshold=found.threshold,
        rate=_rate(run.recurrence),
    )  # fmt: skip


def _longest(states: FloatArray) -> int:
    """Largest lag for which three quarters of the rows are left, and enough for the states."""
    runs, length, m = states.shape
    longest = int(min(length // 4, length - 1 - (10 * (m + 1)) // runs))
    if longest < 0:
        raise SpecificationError(
            f"{CALLER}: a run must have 10 rows a state at least; got {runs * length} rows for {m} "
            "states. Take more steps (nsteps)."
        )
    return longest


def _with_estimation(
    run: Runner, driven: Driven, found: Sampled, chosen: NDArray[np.intp]
) -> Figures:
    """Standard errors with what the estimation of parameters adds."""
    if not driven.smooth:
        return found.error
    lags = len(found.above) - 1

    def figures(there: Recurrence) -> FloatArray:
        moved = run.drive(there, share=SHARE)
        most = min(lags, _longest(moved.states))
        short = quick_shares(
            moved.states, moved.inputs[:, :, chosen], most, found.above[: most + 1]
        )
        each, whole = np.zeros_like(found.value.each), np.zeros_like(found.value.whole)
        each[: most + 1], whole[: most + 1] = short.each, short.whole
        return Figures(each, whole, short.total, short.mean_lag).flat

    slopes = run.recurrence.slopes(figures)
    if slopes is None:
        return found.error
    extra = np.diagonal(np.atleast_2d(run.recurrence.spread(slopes)))
    with np.errstate(invalid="ignore"):
        return found.value.like(np.sqrt(found.error.flat**2 + np.maximum(extra, 0.0)))


def _rate(recurrence: Recurrence) -> float:
    """Log rate at which a function forgets its start."""
    if not isinstance(recurrence, StepRecurrence):
        return np.nan
    rows = min(TRIED, recurrence.nsteps)
    given = recurrence.given_inputs
    short = replace(recurrence, nsteps=rows, given_inputs=None if given is None else given[:rows])
    path = short.trajectory()
    return float(stretches(path.state, path.offsets)[rows // 10 :, 0].mean())


def _notes(driven: Driven, found: Sampled, inputs: FloatArray) -> list[str]:
    notes = [
        f"From runs of {driven.states.shape[0] * driven.states.shape[1]} rows in all with white "
        "inputs; corrected for bias (Ezekiel), standard errors by the jackknife of blocks. A raw "
        f"share of more than {found.threshold:.3g} is more than chance."
    ]
    if not driven.smooth:
        notes.append("Standard errors leave out that parameters are estimated.")
    if _drifts(driven.states):
        notes.append(
            "States of the first and the second half of the runs differ: they have not settled, "
            "and capacities depend on where they began. Take more rows (nsteps) or a longer burn."
        )
    related = _dependence(inputs)
    if related > 0.0:
        notes.append(
            f"The inputs depend on their past (autocorrelations up to {related:.2g}): neighbouring "
            "lags tell the same, and the sum over lags can exceed the bound."
        )
    return notes


def _drifts(states: FloatArray) -> bool:
    """Whether means of the states over many independent runs still move."""
    runs, length, _ = states.shape
    if runs < 2 or length < 2:
        return False
    half = length // 2
    move = states[:, half:].mean(axis=1) - states[:, :half].mean(axis=1)
    error = move.std(axis=0, ddof=1) / np.sqrt(runs)
    return bool((np.abs(move.mean(axis=0)) > DRIFT * error).any())


def _dependence(inputs: FloatArray) -> float:
    """Largest autocorrelation of lags 1 to 10 if it is more than chance, else zero."""
    runs, length, _ = inputs.shape
    centred = inputs - inputs.mean(axis=(0, 1))
    power = (centred**2).sum(axis=(0, 1))
    most = [
        np.abs((centred[:, k:] * centred[:, : length - k]).sum(axis=(0, 1)) / power).max()
        for k in range(1, min(11, length))
    ]
    largest = float(max(most, default=0.0))
    return largest if largest > 4.5 / np.sqrt(runs * length) else 0.0
