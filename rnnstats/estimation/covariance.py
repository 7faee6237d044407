"""Covariance of estimators: Hessians from exact scores, sandwich forms.

Pure functions of arrays. What the data do not identify gets NaN and a name, never a number.

References
----------
White (1982), Econometrica 50, 1-25 (sandwich).
Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, section 3.4.5.
Rao and Mitra (1971), Generalized Inverse of Matrices and its Applications, section 7.2 (which
functions of a singular model are estimable).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from rnnstats._checks import check_literal, listed
from rnnstats.errors import SpecificationError
from rnnstats.estimation.convergence import FloatArray
from rnnstats.estimation.differences import hessian_from_score, hessian_with_error, jacobian
from rnnstats.estimation.estimable import (
    LOADING,
    CovarianceEstimate,
    Free,
    NDArrayBool,
    delta_method,
)
from rnnstats.estimation.hac import cluster_meat, hac_meat

CovType = Literal["oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"]
COV_TYPES: tuple[str, ...] = get_args(CovType)

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

# Bread and meat of each kind; "hessian" stands for its negative.
_RECIPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "oim": ("hessian",),
        "approx": ("information",),
        "opg": ("score_obs",),
        "robust": ("hessian", "score_obs"),
        "robust_approx": ("information", "score_obs"),
        "cluster": ("hessian", "score_obs"),
        "hac": ("hessian", "score_obs"),
        "none": (),
    }
)
# A direction of the information scaled to unit diagonal counts as flat below this share of the
# largest eigenvalue.
FLAT = 1e-10
# Where the expected information is flat, the Hessian at an end point that is a maximum to within
# 1e-5 standard errors may show a curvature of this size although there is none.
STRAY = 1e-5
NO_HESSIAN = "the Hessian could not be computed there"


def covariance(
    cov_type: CovType,
    *,
    hessian: ArrayLike | None = None,
    information: ArrayLike | None = None,
    score_obs: ArrayLike | None = None,
    expansion: ArrayLike | None = None,
    moves: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    cov_kwds: Mapping[str, Any] | None = None,
) -> CovarianceEstimate:
    """Covariance of maximum-likelihood estimates.

    Parameters
    ----------
    cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
        With H the Hessian, I the expected information, S the outer product of the scores of single
        observations: ``(-H)^-1``, ``I^-1``, ``S^-1``, ``H^-1 S H^-1``, ``I^-1 S I^-1``; with
        ``"cluster"`` and ``"hac"`` ``H^-1 S H^-1`` where S allows for correlation of the scores
        within groups or over time; with ``"none"`` all NaN.
    hessian : array_like, shape (K, K), optional
        Of the log-likelihood, with respect to all parameters, restrictions ignored.
    information : array_like, shape (K, K), optional
        Expected information of the sample, likewise. Where the kind needs the Hessian only, it
        tells flat directions from directions of little curvature.
    score_obs : array_like, shape (nobs, K), optional
        Score of each observation, likewise.
    expansion : array_like, shape (K, k_free), optional
        Derivative of all parameters with respect to the free ones; identity by default. Inverses
        are taken in the free coordinates: ``E (E'AE)^-1 E'``.
    moves : array_like, shape (K, k_free), optional
        Derivative of the parameters reported by the free ones, where the matrices and `expansion`
        refer to other coordinates, in which they are well conditioned: ``M (E'AE)^-1 M'``.
    names : sequence of str, optional
        Names of the K parameters reported, for messages.
    cov_kwds : mapping, optional
        ``"hac"``: arguments of `rnnstats.estimation.hac.hac_meat`; ``"cluster"``: ``groups`` and
        ``correction`` as in `rnnstats.estimation.hac.cluster_meat`.

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

    The rank of ``"cluster"`` is at most the number of clusters; where these are no more than the
    free parameters, ``message`` says so.
    """
    check_literal(cov_type, COV_TYPES, name="cov_type", caller="covariance")
    given, size = _given(cov_type, hessian, information, score_obs, cov_kwds)
    ties = np.eye(size) if expansion is None else np.asarray(expansion, dtype=np.float64)
    if ties.ndim != 2 or ties.shape[0] != size:
        raise SpecificationError(
            f"covariance: expansion must have one row for each of the {size} parameters; got "
            f"shape {ties.shape}. Pass layout.expansion."
        )
    labels = tuple(names) if names is not None else tuple(f"parameter {i}" for i in range(size))
    k_free = ties.shape[1]
    needs = _RECIPES[cov_type]
    if not needs:
        return CovarianceEstimate(np.full((size, size), np.nan), cov_type, 0, k_free, (), "")
    bread = _bread(needs[0], given, ties)
    hint = None
    if needs[0] == "hessian" and "information" in given:
        hint = _reduced(given["information"], ties)
    found = _safe_inverse(bread, hint)
    inverse = found.inverse
    if len(needs) == 2:
        inverse = _sandwich(inverse, given["score_obs"], ties, cov_type, cov_kwds or {})
    reported = ties if moves is None else np.asarray(moves, dtype=np.float64)
    free = Free(reported, inverse, found.null, found.scale, found.blank)
    cov = free.ties @ inverse @ free.ties.T
    gone = _unknown(free, found.lost)
    cov[gone, :] = np.nan
    cov[:, gone] = np.nan
    unidentified = tuple(label for label, is_gone in zip(labels, gone, strict=True) if is_gone)
    message = ""
    if found.words:
        source = given[needs[0]]
        columns = source if needs[0] == "score_obs" else np.diagonal(source)[None]
        spoilt = (ties[~np.isfinite(columns).all(axis=0)] != 0.0).any(axis=0)
        blank = [labels[i] for i in np.flatnonzero((reported[:, spoilt] != 0.0).any(axis=1))]
        message = _message(cov_type, found.words, unidentified, blank)
    elif cov_type == "cluster":
        message = _few_clusters(len(np.unique((cov_kwds or {})["groups"])), k_free)
    cov = 0.5 * (cov + cov.T)
    return CovarianceEstimate(cov, cov_type, found.rank, k_free, unidentified, message, free)


def _message(cov_type: str, words: str, unidentified: Sequence[str], blank: Sequence[str]) -> str:
    """Say which standard errors there are not, why, and the way out."""
    way = "Fix or restrict one of them, or start the fit elsewhere."
    if blank and all("_cov[" in label for label in blank):
        words = words.replace(
            NO_HESSIAN,
            f"{listed(blank)} at the boundary (a variance of zero, a singular covariance), "
            "where there is no Hessian",
        )
        way = (
            "Fix a variance of zero there or leave it out (obs_noise='none'); with a singular "
            "covariance use fewer states or outputs."
        )
    lost = listed(unidentified)
    return f"Covariance ({cov_type}): {words}; no standard errors for {lost}. {way}"


def _few_clusters(number: int, k_free: int) -> str:
    """Say that sums over too few clusters leave directions without any variance; else nothing."""
    if number > k_free:
        return ""
    return (
        f"Covariance (cluster): {number} clusters give a matrix of rank <= {number} "
        f"({number - 1} at a maximum, where the scores sum to zero) for {k_free} free parameters; "
        "some of their combinations have a standard error of 0, and those of all tend to be too "
        "small. Form more clusters, or use cov_type='robust' or 'hac'."
    )


def _bread(kind: str, given: Mapping[str, FloatArray], ties: FloatArray) -> FloatArray:
    """What is inverted, in the free coordinates."""
    if kind == "score_obs":
        rows = _reduced_rows(given[kind], ties)
        return np.asarray(rows.T @ rows)
    return _reduced(-given[kind] if kind == "hessian" else given[kind], ties)


def _sandwich(
    inverse: FloatArray,
    score_obs: FloatArray,
    ties: FloatArray,
    cov_type: str,
    cov_kwds: Mapping[str, Any],
) -> FloatArray:
    """Inverse times meat times inverse; the meat in coordinates that the inverse keeps."""
    rows = _reduced_rows(score_obs, ties)
    rows = np.where(inverse.any(axis=0), rows, 0.0)
    if cov_type == "hac":
        meat = hac_meat(rows, **cov_kwds)
    elif cov_type == "cluster":
        meat = cluster_meat(rows, **cov_kwds)
    else:
        meat = rows.T @ rows
    return np.asarray(inverse @ meat @ inverse)


def _reduced_rows(rows: FloatArray, ties: FloatArray) -> FloatArray:
    """Scores by the free parameters; one that is not finite spoils only those it depends on."""
    bad = ~np.isfinite(rows).all(axis=0)
    result = np.where(bad, 0.0, rows) @ ties
    result[:, (ties[bad] != 0.0).any(axis=0)] = np.nan
    return np.asarray(result, dtype=np.float64)


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


def _given(
    cov_type: str,
    hessian: ArrayLike | None,
    information: ArrayLike | None,
    score_obs: ArrayLike | None,
    cov_kwds: Mapping[str, Any] | None,
) -> tuple[dict[str, FloatArray], int]:
    """What was passed, checked against what the kind needs, and the number of parameters."""
    passed = {"hessian": hessian, "information": information, "score_obs": score_obs}
    given = {
        name: np.asarray(value, dtype=np.float64)
        for name, value in passed.items()
        if value is not None
    }
    needs = _RECIPES[cov_type]
    missing = [name for name in needs if name not in given]
    if missing or not given:
        raise SpecificationError(
            f"covariance: cov_type={cov_type!r} needs {' and '.join(needs) or 'any matrix'}; got "
            f"{', '.join(given) or 'nothing'}. Pass {' and '.join(missing) or 'one'}."
        )
    if cov_type == "cluster" and "groups" not in (cov_kwds or {}):
        raise SpecificationError(
            "covariance: cov_type='cluster' needs a group for each row; got none. "
            "Pass cov_kwds={'groups': ...}."
        )
    size = next(iter(given.values())).shape[-1]
    shapes = {
        matrix.shape if name != "score_obs" else (matrix.shape[-1],) * matrix.ndim
        for name, matrix in given.items()
    }
    if shapes != {(size, size)}:
        raise SpecificationError(
            f"covariance: all matrices must refer to the same parameters; got shapes "
            f"{sorted(shapes)}. Pass derivatives with respect to the full parameter vector."
        )
    return given, size


def _unknown(free: Free, lost: NDArrayBool) -> NDArrayBool:
    """Which parameters, (K,), the data do not tell: what free coordinates are lost add to them.

    However small that is beside the rest, it has no bound; only where it cancels it does no harm.
    """
    moved = np.where(lost & ~free.blank, free.ties * free.scale, 0.0)
    leak = np.linalg.norm(moved @ free.null, axis=1)
    parts = np.abs(moved) * np.linalg.norm(free.null, axis=1)
    leaks = leak > math.sqrt(LOADING) * parts.max(axis=1, initial=0.0)
    return np.asarray((free.ties[:, free.blank] != 0.0).any(axis=1) | leaks)


class _Inverse(NamedTuple):
    """Inverse on the identified directions and what is outside them, free coordinates."""

    inverse: FloatArray
    lost: NDArrayBool
    null: FloatArray
    scale: FloatArray
    blank: NDArrayBool
    rank: int
    words: str


def _safe_inverse(information: FloatArray, hint: FloatArray | None) -> _Inverse:
    """Inverse on the identified directions; what is lost; the rank; words."""
    k = information.shape[0]
    blank = ~np.isfinite(np.diagonal(information))
    words = [NO_HESSIAN] if blank.any() else []
    live = np.flatnonzero(~blank)
    inverse, scale, null = np.zeros((k, k)), np.ones(k), np.zeros((k, 0))
    part = information[np.ix_(live, live)]
    if not live.size or not np.isfinite(part).all():
        every = np.ones(k, dtype=bool)
        return _Inverse(inverse, every, null, scale, every, 0, NO_HESSIAN if k else "")
    diagonal = np.sqrt(np.abs(np.diagonal(part)))
    diagonal = np.where(diagonal <= 0.0, 1.0, diagonal)
    unit = 0.5 * (part + part.T) / np.outer(diagonal, diagonal)
    values, vectors = np.linalg.eigh(unit)
    if hint is not None:
        values, vectors = _without_stray(unit, hint[np.ix_(live, live)], diagonal, values, vectors)
    floor = FLAT * max(float(np.abs(values).max()), 1e-300)
    good = values > floor
    flat, upward = int((np.abs(values) <= floor).sum()), int((values < -floor).sum())
    kept = vectors[:, good] / diagonal[:, None]
    inverse[np.ix_(live, live)] = (kept / values[good]) @ kept.T
    scale[live] = 1.0 / diagonal
    null = np.zeros((k, int((~good).sum())))
    null[live] = vectors[:, ~good]
    lost = blank | ((null**2).sum(axis=1) > LOADING)
    if flat:
        words.append(f"the information is singular in {_count(flat, 'direction')}")
    if upward:
        words.append(f"the log-likelihood curves upwards in {_count(upward, 'direction')}")
    return _Inverse(inverse, lost, null, scale, blank, int(good.sum()), " and ".join(words))


def _without_stray(
    unit: FloatArray,
    hint: FloatArray,
    diagonal: FloatArray,
    values: FloatArray,
    vectors: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues and vectors with directions put to zero that only rounding makes curve.

    Along a curve of equal likelihood the Hessian is minus the score times the curve's bend, which
    is zero only where the score is; the expected information vanishes there whatever the score.
    """
    size = np.sqrt(np.abs(np.diagonal(hint)))
    if not np.isfinite(hint).all() or (size <= 0.0).any():
        return values, vectors
    expected, directions = np.linalg.eigh(0.5 * (hint + hint.T) / np.outer(size, size))
    empty = directions[:, expected < FLAT * float(expected.max())]
    if not empty.shape[1]:
        return values, vectors
    empty = np.linalg.qr(empty * (diagonal / size)[:, None])[0]
    bend, turn = np.linalg.eigh(empty.T @ unit @ empty)
    stray = empty @ turn[:, np.abs(bend) < STRAY]
    if not stray.shape[1]:
        return values, vectors
    full, _, _ = np.linalg.svd(stray)
    rest = full[:, stray.shape[1] :]
    values, inner = np.linalg.eigh(rest.T @ unit @ rest)
    zeros = np.zeros(stray.shape[1])
    return np.concatenate([zeros, values]), np.hstack([stray, rest @ inner])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
