"""Covariance of estimators: Hessians from exact scores, sandwich forms, the delta method.

Pure functions of arrays. What the data do not identify gets NaN and a name, never a number.

References
----------
White (1982), Econometrica 50, 1-25 (sandwich).
Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, section 3.4.5.
Rao and Mitra (1971), Generalized Inverse of Matrices and its Applications, section 7.2 (which
functions of a singular model are estimable).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_literal
from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError, SpecificationError
from rnnstats.estimation.convergence import FloatArray

CovType = Literal["oim", "approx", "opg", "robust", "robust_approx", "none"]
COV_TYPES: tuple[str, ...] = ("oim", "approx", "opg", "robust", "robust_approx", "none")
VectorFn = Callable[[FloatArray], FloatArray]
NDArrayBool = NDArray[np.bool_]

__all__ = [
    "COV_TYPES",
    "CovType",
    "CovarianceEstimate",
    "covariance",
    "delta_method",
    "hessian_from_score",
    "hessian_with_error",
    "jacobian",
]

# Step of the coarser of the two central differences, in conditional standard errors. There a
# log-likelihood of n observations has fifth derivatives of order n^(-3/2), so the truncation left
# by Richardson's step is about 4 * STEP^4 * n^(-3/2) / 120 and the rounding about 1e-15 * sqrt(n)
# / STEP: both below 1e-11 of the curvature.
STEP = 1e-2
# Step where the scale is a mere size of the argument: eps^(1/5) balances both errors there.
PLAIN_STEP = float(np.finfo(np.float64).eps) ** 0.2
# A direction of the information scaled to unit diagonal counts as flat below this share of the
# largest eigenvalue.
FLAT = 1e-10
# A parameter loads on a flat direction when its squared coordinate there exceeds this.
LOADING = 1e-8
NO_HESSIAN = "the Hessian could not be computed there"


@dataclass(frozen=True, slots=True, eq=False)
class CovarianceEstimate:
    """A covariance matrix of estimates and what there is to say about it.

    Attributes
    ----------
    cov : ndarray, shape (K, K)
        In the coordinates and order of all parameters. Fixed parameters have variance zero;
        parameters that are not identified have NaN.
    cov_type : str
        The kind asked for.
    rank : int
        Number of identified directions among the free ones.
    k_free : int
        Number of free parameters.
    unidentified : tuple of str
        Names of the parameters with NaN variance.
    message : str
        Empty when all is well; otherwise a sentence for a warning.
    """

    cov: FloatArray
    cov_type: str
    rank: int
    k_free: int
    unidentified: tuple[str, ...]
    message: str


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


def covariance(
    cov_type: CovType,
    *,
    hessian: ArrayLike | None = None,
    information: ArrayLike | None = None,
    score_obs: ArrayLike | None = None,
    expansion: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> CovarianceEstimate:
    """Covariance of maximum-likelihood estimates.

    Parameters
    ----------
    cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "none"}
        With H the Hessian, I the expected information, S the outer product of the scores of single
        observations: ``(-H)^-1``, ``I^-1``, ``S^-1``, ``H^-1 S H^-1``, ``I^-1 S I^-1``, all NaN.
    hessian : array_like, shape (K, K), optional
        Of the log-likelihood, with respect to all parameters, restrictions ignored.
    information : array_like, shape (K, K), optional
        Expected information of the sample, likewise.
    score_obs : array_like, shape (nobs, K), optional
        Score of each observation, likewise.
    expansion : array_like, shape (K, k_free), optional
        Derivative of all parameters with respect to the free ones; identity by default. Inverses
        are taken in the free coordinates: ``E (E'AE)^-1 E'``.
    names : sequence of str, optional
        Names of the K parameters, for messages.

    Returns
    -------
    CovarianceEstimate

    Raises
    ------
    SpecificationError
        When a matrix that the kind needs is not given, or shapes disagree.

    Notes
    -----
    Where the information is singular, or curves the wrong way (the point is no maximum), the
    parameters that load on those directions have no finite variance: NaN. All others are functions
    of the identified directions only, and any generalised inverse gives their right covariance.
    """
    check_literal(cov_type, COV_TYPES, name="cov_type", caller="covariance")
    bread, meat, size = _ingredients(cov_type, hessian, information, score_obs)
    ties = np.eye(size) if expansion is None else np.asarray(expansion, dtype=np.float64)
    if ties.ndim != 2 or ties.shape[0] != size:
        raise SpecificationError(
            f"covariance: expansion must have one row for each of the {size} parameters; got "
            f"shape {ties.shape}. Pass layout.expansion."
        )
    labels = tuple(names) if names is not None else tuple(f"parameter {i}" for i in range(size))
    k_free = ties.shape[1]
    if bread is None:
        return CovarianceEstimate(np.full((size, size), np.nan), cov_type, 0, k_free, (), "")
    blank = [labels[i] for i in np.flatnonzero(~np.isfinite(np.diagonal(bread)))]
    bread = _reduced(bread, ties)
    meat = None if meat is None else ties.T @ meat @ ties
    inverse, lost, rank, words = _safe_inverse(bread)
    free = inverse if meat is None else inverse @ meat @ inverse
    cov = ties @ free @ ties.T
    gone = (ties[:, lost] != 0.0).any(axis=1)
    cov[gone, :] = np.nan
    cov[:, gone] = np.nan
    unidentified = tuple(label for label, is_gone in zip(labels, gone, strict=True) if is_gone)
    message = ""
    if words:
        way = "Fix or restrict one of them, or start the fit elsewhere."
        if blank and all("_cov[" in label for label in blank):
            words = words.replace(
                NO_HESSIAN,
                f"{', '.join(blank)} at the boundary (a variance of zero, a singular covariance), "
                "where there is no Hessian",
            )
            way = (
                "Fix a variance of zero there or leave it out (obs_noise='none'); with a singular "
                "covariance use fewer states or outputs."
            )
        message = (
            f"Covariance ({cov_type}): {words}; no standard errors for {', '.join(unidentified)}. "
            f"{way}"
        )
    return CovarianceEstimate(0.5 * (cov + cov.T), cov_type, rank, k_free, unidentified, message)


def _reduced(matrix: FloatArray, ties: FloatArray) -> FloatArray:
    """E'AE; a parameter whose own element is not finite spoils only the free ones it depends on."""
    bad = ~np.isfinite(np.diagonal(matrix))
    clean = matrix.copy()
    clean[bad, :] = 0.0
    clean[:, bad] = 0.0
    result = ties.T @ clean @ ties
    touched = (ties[bad] != 0.0).any(axis=0)
    result[touched, :] = np.nan
    result[:, touched] = np.nan
    return np.asarray(result, dtype=np.float64)


def _ingredients(
    cov_type: str,
    hessian: ArrayLike | None,
    information: ArrayLike | None,
    score_obs: ArrayLike | None,
) -> tuple[FloatArray | None, FloatArray | None, int]:
    """Bread and meat of the kind asked for, and the number of parameters."""
    given: dict[str, FloatArray] = {}
    for name, value in (("hessian", hessian), ("information", information)):
        if value is not None:
            given[name] = np.asarray(value, dtype=np.float64)
    if score_obs is not None:
        rows = np.asarray(score_obs, dtype=np.float64)
        given["score_obs"] = rows.T @ rows
    needs = {
        "oim": ("hessian",),
        "approx": ("information",),
        "opg": ("score_obs",),
        "robust": ("hessian", "score_obs"),
        "robust_approx": ("information", "score_obs"),
        "none": (),
    }[cov_type]
    missing = [name for name in needs if name not in given]
    if missing or not given:
        raise SpecificationError(
            f"covariance: cov_type={cov_type!r} needs {' and '.join(needs) or 'any matrix'}; got "
            f"{', '.join(given) or 'nothing'}. Pass {' and '.join(missing) or 'one'}."
        )
    shapes = {matrix.shape for matrix in given.values()}
    size = next(iter(given.values())).shape[0]
    if shapes != {(size, size)}:
        raise SpecificationError(
            f"covariance: all matrices must refer to the same parameters; got shapes "
            f"{sorted(shapes)}. Pass derivatives with respect to the full parameter vector."
        )
    if not needs:
        return None, None, size
    bread = -given["hessian"] if needs[0] == "hessian" else given[needs[0]]
    return bread, given["score_obs"] if len(needs) == 2 else None, size


def _safe_inverse(information: FloatArray) -> tuple[FloatArray, NDArrayBool, int, str]:
    """Inverse on the identified directions; which parameters are lost; the rank; words."""
    k = information.shape[0]
    lost = ~np.isfinite(np.diagonal(information))
    words = [NO_HESSIAN] if lost.any() else []
    live = np.flatnonzero(~lost)
    inverse = np.zeros((k, k))
    rank = 0
    part = information[np.ix_(live, live)]
    if live.size and np.isfinite(part).all():
        diagonal = np.sqrt(np.abs(np.diagonal(part)))
        dead = diagonal <= 0.0
        diagonal = np.where(dead, 1.0, diagonal)
        values, vectors = np.linalg.eigh(0.5 * (part + part.T) / np.outer(diagonal, diagonal))
        floor = FLAT * max(float(np.abs(values).max()), 1e-300)
        good = values > floor
        flat, upward = int((np.abs(values) <= floor).sum()), int((values < -floor).sum())
        rank = int(good.sum())
        kept = vectors[:, good] / diagonal[:, None]
        inverse[np.ix_(live, live)] = (kept / values[good]) @ kept.T
        lost[live] |= ((vectors[:, ~good]) ** 2).sum(axis=1) > LOADING
        if flat:
            words.append(f"the information is singular in {_count(flat, 'direction')}")
        if upward:
            words.append(f"the log-likelihood curves upwards in {_count(upward, 'direction')}")
    elif live.size:
        lost[:] = True
    return inverse, lost, rank, " and ".join(words)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def delta_method(jac: ArrayLike, cov: ArrayLike) -> FloatArray:
    """Covariance of functions of the estimates: ``J cov J'``.

    Parameters
    ----------
    jac : array_like, shape (q, K)
        Derivatives of the functions with respect to all parameters.
    cov : array_like, shape (K, K)
        NaN rows and columns mark parameters without a finite variance.

    Returns
    -------
    ndarray, shape (q, q)
        NaN only in the rows and columns of functions with a non-zero derivative with respect to a
        parameter marked NaN.
    """
    slopes = np.atleast_2d(np.asarray(jac, dtype=np.float64))
    spread = np.array(cov, dtype=np.float64)
    marked = ~np.isfinite(np.diagonal(spread))
    spread[marked, :] = 0.0
    spread[:, marked] = 0.0
    result = slopes @ spread @ slopes.T
    touched = (slopes[:, marked] != 0.0).any(axis=1)
    result[touched, :] = np.nan
    result[:, touched] = np.nan
    return np.asarray(0.5 * (result + result.T), dtype=np.float64)
