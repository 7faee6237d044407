"""What an optimisation leaves behind: the point, the record of convergence, the table of optima.

Values only. Nothing here computes; `rnnstats.estimation.optimize` fills these records in and
`rnnstats.estimation.certificate` derives the numbers at the end point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

__all__ = ["Convergence", "FloatArray", "Optimum", "Outcome", "Progress"]


class Progress(NamedTuple):
    """One iteration, as a callback sees it.

    Attributes
    ----------
    start : int
        Row of the starting values this climb began from.
    iteration : int
        Iterations of this climb so far.
    llf : float
        Log-likelihood at the current point.
    decrement : float
        Gain in log-likelihood that the current quadratic model still promises.
    stage : str
        Where the curvature comes from: ``"information"``, ``"hessian"`` or ``"secant"``.
    """

    start: int
    iteration: int
    llf: float
    decrement: float
    stage: str


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where one start led: a row of the table of optima.

    Attributes
    ----------
    start : int
        Row of the starting values.
    label : str
        The caller's word for this start.
    start_llf : float
        Log-likelihood at the start; minus infinity when the start was refused as inadmissible.
    llf : float
        Log-likelihood where the climb ended.
    same_as : int
        The lowest start that ended at the same point (this start itself when the point is its
        own); -1 when the climb was not taken to its end.
    distance : float
        Distance from the best optimum in that optimum's score metric,
        ``sqrt((psi - best)' (-H) (psi - best))``: a number of standard errors. Two rows with the
        same `llf` and a large distance are two points of equal height.
    iterations, evaluations : int
        Iterations and evaluations of the objective spent on this start.
    converged : bool
        Whether the climb met the stopping rule.
    message : str
        How it ended, in words.
    boundary : tuple of str
        What sits at a boundary of the parameter space there, in words of the model; nothing is
        said where the climb was not taken to its end.
    """

    start: int
    label: str
    start_llf: float
    llf: float
    same_as: int
    distance: float
    iterations: int
    evaluations: int
    converged: bool
    message: str
    boundary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Convergence:
    """The record of convergence of a maximum-likelihood fit.

    All measures of the end point are free of units: they do not change when a parameter is
    rescaled.

    Attributes
    ----------
    converged : bool
        True when the Newton step is shorter than ``gtol`` standard errors and no direction
        curves upwards.
    message : str
        The same in words, with the reason when it is False.
    method : str
        How the point was found.
    iterations, evaluations : int
        Over all starts, the final Hessian by differences included.
    seconds : float
        Wall-clock time.
    max_scaled_score : float
        Largest ``|score_i| * se_i``.
    newton_decrement : float
        ``score' (-H)^-1 score / 2``: the gain in log-likelihood that a Newton step still promises.
    hessian_positive, hessian_negative, hessian_zero : int
        Inertia of the negative Hessian: directions that curve as at a maximum, directions that
        curve upwards, directions that are flat within the accuracy of the Hessian.
    condition : float
        Condition number of the negative Hessian scaled to unit diagonal; infinite with a flat
        direction.
    boundary : tuple of str
        What sits at a boundary of the parameter space, in words of the model.
    n_starts : int
        How many starting values were given.
    optima : tuple of Optimum
        One row for each start, in the order given.
    """

    converged: bool
    message: str
    method: str
    iterations: int
    evaluations: int
    seconds: float
    max_scaled_score: float
    newton_decrement: float
    hessian_positive: int
    hessian_negative: int
    hessian_zero: int
    condition: float
    boundary: tuple[str, ...]
    n_starts: int
    optima: tuple[Optimum, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The result of `maximize`: the best point found and how it was found.

    Attributes
    ----------
    psi : ndarray, shape (k,)
        The point.
    llf : float
        Log-likelihood there.
    score : ndarray, shape (k,)
        Its gradient there.
    hessian : ndarray, shape (k, k)
        Its Hessian there, negative definite at a maximum.
    convergence : Convergence
        The record.
    points : tuple of ndarray
        End point of each start, parallel to ``convergence.optima``.
    """

    psi: FloatArray
    llf: float
    score: FloatArray
    hessian: FloatArray
    convergence: Convergence
    points: tuple[FloatArray, ...]
