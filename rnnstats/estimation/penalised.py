"""Estimates under a ridge penalty: covariance and effective number of parameters.

The penalised log-likelihood is ``llf - theta' R theta / 2`` up to a constant, R positive
semi-definite; A is the curvature of the log-likelihood (the negative Hessian, the expected
information or the outer product of the scores) where the sum is highest.

References
----------
Gray (1992), JASA 87, 942-951, section 2 (covariance, effective degrees of freedom).
Hastie and Tibshirani (1990), Generalized Additive Models, section 6.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from rnnstats._checks import check_literal
from rnnstats.errors import SpecificationError
from rnnstats.estimation.convergence import FloatArray
from rnnstats.estimation.covariance import COV_TYPES, CovarianceEstimate, CovType, covariance
from rnnstats.estimation.hac import cluster_meat, hac_meat

__all__ = ["PENALISED_NOTE", "effective_df", "penalised_covariance", "penalised_inverse"]

PENALISED_NOTE = (
    "The estimates are penalised: standard errors are those of the penalised estimator about its "
    "own mean and leave out the bias that the penalty brings."
)
# What each kind inverts (with the ridge added), and what it takes as the variance of the score.
_BREAD: Mapping[str, str] = {
    "oim": "hessian",
    "approx": "information",
    "opg": "score_obs",
    "robust": "hessian",
    "robust_approx": "information",
    "cluster": "hessian",
    "hac": "hessian",
}


def effective_df(curvature: ArrayLike, ridge: ArrayLike) -> float:
    """Effective number of parameters, ``tr(A (A + R)^-1)``.

    Parameters
    ----------
    curvature : array_like, shape (k, k)
        A: negative Hessian or expected information of the log-likelihood without penalty, by the
        free parameters. Directions in which it curves the wrong way count as flat.
    ridge : array_like, shape (k, k)
        R, positive semi-definite.

    Returns
    -------
    float
        Between 0 and k; the rank of A where R is zero.

    Raises
    ------
    SpecificationError
        When the shapes differ.
    """
    a = np.asarray(curvature, dtype=np.float64)
    r = np.asarray(ridge, dtype=np.float64)
    _check_square(a, r, "effective_df")
    both = np.abs(np.diagonal(a)) + np.abs(np.diagonal(r))
    size = np.sqrt(np.where(both > 0.0, both, 1.0))
    metric = np.outer(size, size)
    root = _root(a / metric)
    values, vectors = np.linalg.eigh(root @ root.T + r / metric)
    known = values > 1e-12 * max(float(values.max(initial=0.0)), 1e-300)
    inside = vectors[:, known].T @ root
    return float(((inside**2).sum(axis=1) / values[known]).sum())


def penalised_inverse(
    cov_type: CovType,
    *,
    ridge: ArrayLike,
    hessian: ArrayLike | None = None,
    information: ArrayLike | None = None,
    score_obs: ArrayLike | None = None,
    expansion: ArrayLike | None = None,
    moves: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> CovarianceEstimate:
    """Inverse of the curvature of the penalised log-likelihood, ``(A + R)^-1``.

    What the score of a row moves the estimates by, to first order; their covariance is
    `penalised_covariance`.

    Parameters
    ----------
    cov_type, ridge, hessian, information, score_obs, expansion, moves, names
        As in `penalised_covariance`; not "none".

    Returns
    -------
    CovarianceEstimate

    Raises
    ------
    SpecificationError
        When the matrix that the kind needs is not given, or shapes disagree.
    """
    curvature = _curvature(_BREAD[cov_type], hessian, information, score_obs)
    r = np.asarray(ridge, dtype=np.float64)
    _check_square(curvature, r, "penalised_covariance")
    return covariance(
        "approx", information=curvature + r, expansion=expansion, moves=moves, names=names
    )


def penalised_covariance(
    cov_type: CovType,
    *,
    ridge: ArrayLike,
    hessian: ArrayLike | None = None,
    information: ArrayLike | None = None,
    score_obs: ArrayLike | None = None,
    expansion: ArrayLike | None = None,
    moves: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    cov_kwds: Mapping[str, Any] | None = None,
) -> CovarianceEstimate:
    """Covariance of penalised maximum-likelihood estimates, ``(A + R)^-1 B (A + R)^-1``.

    Parameters
    ----------
    cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
        A is the negative Hessian H, the expected information I or the outer product S of the
        scores of single rows, and B the variance of the score: (A, B) is (H, H), (I, I), (S, S),
        (H, S), (I, S), and (H, S allowing for correlation within groups or over time).
    ridge : array_like, shape (K, K)
        R, second derivative of the penalty by the parameters that the matrices refer to.
    hessian, information, score_obs, expansion, moves, names, cov_kwds
        As in `rnnstats.estimation.covariance.covariance`; without the penalty.

    Returns
    -------
    CovarianceEstimate
        ``message`` says what is not identified even with the penalty.

    Raises
    ------
    SpecificationError
        When a matrix that the kind needs is not given, or shapes disagree.

    Notes
    -----
    Without the bias of the penalised estimates. Where H is not positive (a penalised maximum may
    be no maximum of the likelihood) B takes its positive part.
    """
    check_literal(cov_type, COV_TYPES, name="cov_type", caller="penalised_covariance")
    kwds = {"expansion": expansion, "moves": moves, "names": names}
    if cov_type == "none":
        given = next(m for m in (hessian, information, score_obs, ridge) if m is not None)
        return covariance("none", hessian=given, **cast(Any, kwds))
    source = {"hessian": hessian, "information": information, "score_obs": score_obs}
    bread = penalised_inverse(cov_type, ridge=ridge, **cast(Any, {**source, **kwds}))
    free = bread._free
    assert free is not None
    ties = np.eye(len(free.ties)) if expansion is None else np.asarray(expansion, dtype=float)
    if cov_type in ("oim", "approx", "opg"):
        curvature = _curvature(_BREAD[cov_type], hessian, information, score_obs)
        meat = _positive(ties.T @ np.nan_to_num(curvature) @ ties)
    else:
        rows = np.nan_to_num(_scores(score_obs, cov_type)) @ ties
        meat = _meat(cov_type, rows, cov_kwds or {})
    inverse = free.inverse @ meat @ free.inverse
    cov = free.ties @ inverse @ free.ties.T
    gone = ~np.isfinite(np.diagonal(bread.cov))
    cov[gone, :] = np.nan
    cov[:, gone] = np.nan
    message = bread.message.replace("Covariance (approx)", f"Covariance ({cov_type}, penalised)")
    return replace(
        bread, cov=0.5 * (cov + cov.T), cov_type=cov_type, message=message,
        _free=free._replace(inverse=inverse),
    )  # fmt: skip


def _curvature(
    kind: str, hessian: ArrayLike | None, information: ArrayLike | None, score: ArrayLike | None
) -> FloatArray:
    source = {"hessian": hessian, "information": information, "score_obs": score}[kind]
    if source is None:
        raise SpecificationError(
            f"penalised_covariance: this cov_type needs {kind}; got None. Pass {kind}=."
        )
    matrix = np.asarray(source, dtype=np.float64)
    if kind == "hessian":
        return -matrix
    return matrix.T @ matrix if kind == "score_obs" else matrix


def _scores(score_obs: ArrayLike | None, cov_type: str) -> FloatArray:
    if score_obs is None:
        raise SpecificationError(
            f"penalised_covariance: cov_type={cov_type!r} needs score_obs; got None. Pass it."
        )
    return np.asarray(score_obs, dtype=np.float64)


def _meat(cov_type: str, rows: FloatArray, cov_kwds: Mapping[str, Any]) -> FloatArray:
    if cov_type == "hac":
        return np.asarray(hac_meat(rows, **cov_kwds))
    if cov_type == "cluster":
        return np.asarray(cluster_meat(rows, **cov_kwds))
    return np.asarray(rows.T @ rows)


def _root(matrix: FloatArray) -> FloatArray:
    """A factor of the positive part of a symmetric matrix."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _positive(matrix: FloatArray) -> FloatArray:
    root = _root(matrix)
    return np.asarray(root @ root.T)


def _check_square(a: FloatArray, r: FloatArray, caller: str) -> None:
    if a.ndim != 2 or a.shape != r.shape or a.shape[0] != a.shape[1]:
        raise SpecificationError(
            f"{caller}: the curvature and the ridge must be square and of one size; got shapes "
            f"{a.shape} and {r.shape}. Take both by the same parameters."
        )
