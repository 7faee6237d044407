"""The weight of the ridge penalty, chosen by one-step prediction.

A grid of penalties is tried on growing windows of the sample: each window is fitted, and the rows
after it, up to the end of the next window, are predicted one step ahead with the parameters held.
The penalty with the highest sum of predictive log densities wins: the logarithmic score is proper
(Gneiting and Raftery 2007, JASA 102, 359-378); on windows see Tashman (2000), International Journal
of Forecasting 16, 437-450. Of several sequences a window holds the first part of each.

The unit of the weights is that of the whole sample, so that one penalty means the same in all
windows and in the final fit; the means and standard deviations of the columns are all that a window
knows of later rows.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import DataError
from rnnstats.estimation.convergence import Convergence
from rnnstats.estimation.progress import Counter
from rnnstats.models.recurrent.likelihood import RecurrentLikelihood, RunData

if TYPE_CHECKING:
    from rnnstats.models.recurrent.fit.fitting import Plan
    from rnnstats.models.recurrent.methods import RecurrentMethods

__all__ = ["GRID", "Choice", "choose", "until", "windows"]

FloatArray = NDArray[np.float64]
Search = Callable[["RecurrentMethods", "Plan"], tuple[FloatArray, Convergence]]

# Penalties, from hardly any to so much that hardly anything but the constant is left.
GRID = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Share of the rows in the first window, and number of windows.
FIRST, WINDOWS = 0.5, 4
# Starts from the data for every penalty: of the first window, and of later ones, which begin where
# the window before ended, too. Iterations of each.
STARTS, LATER, ITERATIONS = 6, 2, 80
# Rows of the first window that a penalised fit must have.
LEAST = 10


@dataclass(frozen=True, eq=False)
class Choice:
    """What the windows say.

    Attributes
    ----------
    penalty : float
        The best of those tried.
    scores : ndarray, shape (windows, penalties)
        Sums of predictive log densities; NaN where an interrupt came first.
    theta : ndarray, shape (K,)
        End of the fit to the last window with this penalty.
    complete : bool
        Whether all was tried.
    """

    penalty: float
    scores: FloatArray
    theta: FloatArray
    complete: bool


def windows(data: RunData) -> list[FloatArray]:
    """
    Cut the rows of every sequence.

    Parameters
    ----------
    data : RunData

    Returns
    -------
    list of ndarray
        For each window the number of rows it holds of each sequence; the last holds all.
    """
    lengths = np.diff(data.offsets)
    shares = np.linspace(FIRST, 1.0, WINDOWS + 1)
    return [np.maximum(np.floor(share * lengths), 1.0) for share in shares]


def until(model: RecurrentMethods, lengths: FloatArray) -> RecurrentMethods:
    """
    Return the model with a likelihood of the first rows of each sequence only.

    Parameters
    ----------
    model : RecurrentMethods
    lengths : ndarray, shape (sequences,)
        Rows of the recursion to be kept.

    Returns
    -------
    RecurrentMethods
        In the same standardised units.
    """
    old, data = model.likelihood, model.likelihood.data
    kept = np.concatenate(
        [np.arange(a, a + int(n)) for a, n in zip(data.offsets[:-1], lengths, strict=True)]
    )
    cuts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
    part = replace(
        data, rows=data.rows[kept], offsets=cuts, y=np.ascontiguousarray(data.y[kept]),
        inputs=np.ascontiguousarray(data.inputs[kept]),
    )  # fmt: skip
    twin = copy.copy(model)
    twin.__dict__["likelihood"] = RecurrentLikelihood(
        old.arch, old.head, old.chart, old.start, part
    )
    return twin


def choose(model: RecurrentMethods, plan: Plan, search: Search) -> Choice:
    """
    Try all penalties on all windows.

    Parameters
    ----------
    model : RecurrentMethods
    plan : Plan
        Its start and random numbers are used for the windows, too.
    search : callable
        ``(model, plan) -> (theta, record)``.

    Returns
    -------
    Choice

    Raises
    ------
    DataError
        When the first window is too short.
    KeyboardInterrupt
        When nothing has been tried before an interrupt.
    """
    cuts = windows(model.likelihood.data)
    if cuts[0].sum() < LEAST:
        raise DataError(
            f"{model.name}.fit: penalty='rolling' needs at least {LEAST} rows in the first half of "
            f"the sample; got {int(cuts[0].sum())}. Give the penalty as a number."
        )
    scores = np.full((WINDOWS, len(GRID)), np.nan)
    ends: dict[int, FloatArray] = {}
    stopped = False
    with Counter(plan.progress, WINDOWS * len(GRID), "penalties", "fit") as meter:
        for w in range(WINDOWS):
            part = until(model, cuts[w])
            for g, penalty in enumerate(GRID):
                near = [ends[i] for i in (g, g - 1) if i in ends]
                own = replace(
                    plan, given=(*plan.given, *near), number=LATER if w else STARTS,
                    penalty=penalty, maxiter=min(plan.maxiter, ITERATIONS), progress=False,
                )  # fmt: skip
                theta, record = search(part, own)
                ends[g] = theta
                scores[w, g] = _predicted(model, theta, cuts[w], cuts[w + 1])
                meter.add()
                stopped = record.message.startswith("interrupted")
                if stopped:
                    break
            if stopped:
                break
    best = _winner(scores)
    return Choice(GRID[best], scores, ends[best], not stopped)


def _winner(scores: FloatArray) -> int:
    """Penalty with the highest score over the windows that all have; of the first, if none has."""
    whole = scores[~np.isnan(scores).any(axis=1)]
    used = whole if len(whole) else scores[:1]
    total = np.where(np.isnan(used), -math.inf, used).sum(axis=0)
    return int(np.argmax(total))


def _predicted(
    model: RecurrentMethods, theta: FloatArray, first: FloatArray, last: FloatArray
) -> float:
    """Sum of the log densities of the rows from one window's end to the next one's."""
    data = model.likelihood.data
    logs = model.likelihood.loglikeobs(theta)[data.rows]
    total = 0.0
    for start, a, b in zip(data.offsets[:-1], first, last, strict=True):
        total += float(logs[start + int(a) : start + int(b)].sum())
    return total if math.isfinite(total) else -math.inf
