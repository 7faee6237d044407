"""Derivatives by differences of exact functions: Jacobians, and Hessians from exact scores.

Steps are measured in standard errors where these are known, extrapolated once (Richardson), and
shortened where a neighbour is inadmissible.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError, SpecificationError
from rnnstats.estimation.convergence import FloatArray

VectorFn = Callable[[FloatArray], FloatArray]

__all__ = [
    "VectorFn",
    "hessian_from_score",
    "hessian_with_error",
    "jacobian",
    "standard_steps",
]

# Step of the coarser of the two central differences, in conditional standard errors. There a
# log-likelihood of n observations has fifth derivatives of order n^(-3/2), so the truncation left
# by Richardson's step is about 4 * STEP^4 * n^(-3/2) / 120 and the rounding about 1e-15 * sqrt(n)
# / STEP: both below 1e-11 of the curvature.
STEP = 1e-2
# Step where the scale is a mere size of the argument: eps^(1/5) balances both errors there.
PLAIN_STEP = float(np.finfo(np.float64).eps) ** 0.2


def standard_steps(information: ArrayLike, otherwise: ArrayLike) -> FloatArray:
    """Conditional standard errors, the scale in which steps are measured.

    Parameters
    ----------
    information : array_like, shape (k, k)
        Only its diagonal counts.
    otherwise : array_like, broadcast to (k,)
        What parameters without information have.

    Returns
    -------
    ndarray, shape (k,)
    """
    power = np.diagonal(np.asarray(information, dtype=np.float64))
    known = np.isfinite(power) & (power > 0.0)
    return np.where(known, 1.0 / np.sqrt(np.where(known, power, 1.0)), otherwise)


def _guarded(function: VectorFn, x: FloatArray) -> FloatArray | None:
    try:
        value = np.array(function(x.copy()), dtype=np.float64)
    except (NotPositiveDefiniteError, NotStationaryError):
        return None
    return value if np.isfinite(value).all() else None


def _central(
    function: VectorFn, x: FloatArray, i: int, step: float
) -> tuple[FloatArray, FloatArray] | None:
    """Extrapolated central difference along coordinate i, and the size of its correction.

    The step is shortened fourfold, up to eight times, until all four neighbours are admissible; and
    then sixteenfold once more, since a point so near the edge has little room for Taylor's series.
    """
    clear = True
    for _ in range(10):
        slopes = []
        for length in (step, 0.5 * step):
            up, down = x.copy(), x.copy()
            up[i] += length
            down[i] -= length
            above, below = _guarded(function, up), _guarded(function, down)
            if above is None or below is None:
                break
            with np.errstate(over="ignore", invalid="ignore"):
                slopes.append((above - below) / (up[i] - down[i]))
            if not np.isfinite(slopes[-1]).all():
                slopes.pop()
                break
        if len(slopes) == 2 and not clear:
            step, clear = step / 16.0, True
            continue
        if len(slopes) == 2:
            correction = (slopes[1] - slopes[0]) / 3.0
            return slopes[1] + correction, np.abs(correction)
        step *= 0.25
        clear = False
    return None


def _steps(x: FloatArray, scale: ArrayLike | None) -> FloatArray:
    if scale is None:
        return np.asarray(PLAIN_STEP * np.maximum(np.abs(x), 1.0), dtype=np.float64)
    given = np.asarray(scale, dtype=np.float64)
    if given.shape != x.shape:
        raise SpecificationError(
            f"scale must hold one positive number per coordinate; got shape {given.shape} for "
            f"{x.shape[0]} coordinates. Leave it out to have it found."
        )
    sizes = np.maximum(np.abs(x), 1.0)
    usable = np.isfinite(given) & (given > 0.0)
    steps = np.where(usable, STEP * np.where(usable, given, 1.0), PLAIN_STEP * sizes)
    return np.asarray(np.minimum(steps, 0.1 * sizes), dtype=np.float64)


def jacobian(function: VectorFn, x: ArrayLike, *, scale: ArrayLike | None = None) -> FloatArray:
    """Jacobian of a vector function by central differences with one Richardson step.

    Parameters
    ----------
    function : callable
        Takes an array of shape (k,), returns an array of shape (q,). Where it is not defined it
        returns NaN or raises `NotPositiveDefiniteError` or `NotStationaryError`.
    x : array_like, shape (k,)
        The point.
    scale : array_like, shape (k,), optional
        A length for each coordinate over which the function bends little, such as a standard
        error; a hundredth of it is the step. By default ``max(|x|, 1)`` with a step of eps^(1/5)
        times that.

    Returns
    -------
    ndarray, shape (q, k)
        A column is NaN where no admissible neighbours were found.
    """
    point = np.array(x, dtype=np.float64)
    value = np.asarray(function(point.copy()), dtype=np.float64)
    columns = [_central(function, point, i, float(h)) for i, h in enumerate(_steps(point, scale))]
    blank = np.full(value.shape, np.nan)
    result = np.empty((value.shape[0], point.shape[0]))
    for i, column in enumerate(columns):
        result[:, i] = blank if column is None else column[0]
    return result


def hessian_from_score(
    score: VectorFn, x: ArrayLike, *, scale: ArrayLike | None = None
) -> FloatArray:
    """Hessian of a log-likelihood by differences of its exact score.

    Central differences at two step lengths, extrapolated (Richardson), symmetrised.

    Parameters
    ----------
    score : callable
        Exact gradient, shape (k,). Where it is not defined it returns NaN or raises
        `NotPositiveDefiniteError` or `NotStationaryError`; the step is then shortened.
    x : array_like, shape (k,)
        The point.
    scale : array_like, shape (k,), optional
        One conditional standard error per coordinate, ``1/sqrt(-H_ii)``. By default found by 2k
        further scores. The steps are 0.01 and 0.005 of it: in these units a log-likelihood is
        nearly quadratic, which makes long steps accurate and keeps rounding small.

    Returns
    -------
    ndarray, shape (k, k)
        Symmetric. Row and column are NaN where no admissible neighbours were found.

    Notes
    -----
    Takes 4k scores. The relative accuracy, against the largest curvature in unit-diagonal
    scaling, is about 1e-10 for an analytic score that is exact to rounding.
    """
    return hessian_with_error(score, x, scale=scale)[0]


def hessian_with_error(
    score: VectorFn, x: ArrayLike, *, scale: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Hessian by differences of the exact score, with an estimate of its absolute error.

    Parameters
    ----------
    score, x, scale
        As for `hessian_from_score`.

    Returns
    -------
    ndarray, shape (k, k)
        The Hessian, symmetric.
    ndarray, shape (k, k)
        Half the difference between each pair of mirrored elements, which an exact Hessian does not
        have, plus the square of the relative Richardson correction.
    """
    point = np.array(x, dtype=np.float64)
    k = point.shape[0]
    if scale is None:
        scale = _conditional_scale(score, point)
    raw = np.full((k, k), np.nan)
    correction = np.zeros((k, k))
    for i, step in enumerate(_steps(point, scale)):
        column = _central(score, point, i, float(step))
        if column is not None:
            raw[:, i], correction[:, i] = column
    size = np.maximum(np.abs(raw), 1e-300)
    error = 0.5 * np.abs(raw - raw.T) + correction * np.minimum(correction / size, 1.0)
    return 0.5 * (raw + raw.T), np.maximum(error, error.T)


def _conditional_scale(score: VectorFn, x: FloatArray) -> FloatArray:
    """``1/sqrt(|H_ii|)`` by plain central differences; NaN where they find no curvature."""
    scale = np.full(x.shape, np.nan)
    for i, size in enumerate(np.maximum(np.abs(x), 1.0)):
        step = 1e-5 * float(size)
        for _ in range(5):
            up, down = x.copy(), x.copy()
            up[i] += step
            down[i] -= step
            above, below = _guarded(score, up), _guarded(score, down)
            if above is not None and below is not None:
                curvature = abs(float(above[i] - below[i])) / (up[i] - down[i])
                if curvature > 0.0:
                    scale[i] = 1.0 / np.sqrt(curvature)
                break
            step *= 0.1
    return scale
