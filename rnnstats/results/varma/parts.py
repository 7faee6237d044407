"""What goes into a vector ARMA model, checked, and what comes out of a fitted one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import is_symmetric
from rnnstats.equivalence.polynomials import Polynomials
from rnnstats.errors import SpecificationError
from rnnstats.results.protocol import FloatArray
from rnnstats.results.varma.mapping import Coefficients

__all__ = [
    "inputs_of",
    "is_empty",
    "names_of",
    "positive_definite",
    "read_only",
    "same_outputs",
    "trimmed",
    "vector_of",
]


def trimmed(found: Coefficients, live: NDArray[np.bool_]) -> Coefficients:
    """Leave out last lags that are structurally zero, and set what is to zero."""
    where = found.like(live)
    p = found.polynomials

    def cut(part: FloatArray, keep: NDArray[Any]) -> FloatArray:
        used = np.flatnonzero(keep.any(axis=(1, 2)))
        out: FloatArray = np.where(keep, part, 0.0)[: used[-1] + 1 if used.size else 0]
        return out

    kept = where.polynomials
    inputs = cut(p.exog, kept.exog)
    if not len(inputs) and p.exog.shape[2]:
        inputs = np.zeros((1, *p.exog.shape[1:]))
    polynomials = Polynomials(p.ar0, cut(p.ar, kept.ar), cut(p.ma, kept.ma), inputs)
    return found._replace(
        polynomials=polynomials,
        intercept=np.where(where.intercept, found.intercept, 0.0),
        trend=np.where(where.trend, found.trend, 0.0),
    )


def read_only(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = np.array(value, dtype=np.float64)
        value.setflags(write=False)
    return value


def _numbers(values: ArrayLike, name: str) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecificationError(
            f"VARMA: {name} must be numbers; got {values!r}. Pass an array of numbers."
        ) from error


def positive_definite(sigma_u: ArrayLike) -> FloatArray:
    sigma = _numbers(sigma_u, "sigma_u")
    sigma = sigma.reshape(1, 1) if sigma.size == 1 else sigma
    square = sigma.ndim == 2 and sigma.shape[0] == sigma.shape[1]
    if not (square and is_symmetric(sigma)) or not np.linalg.eigvalsh(sigma)[0] > 0.0:
        raise SpecificationError(
            "VARMA: sigma_u must be a symmetric positive definite matrix, one row an output; got "
            f"shape {sigma.shape}. Give the covariance of the errors."
        )
    return 0.5 * (sigma + sigma.T)


def is_empty(lags: ArrayLike | None) -> bool:
    return lags is None or np.size(lags) == 0


def same_outputs(sigma: FloatArray, ar: FloatArray) -> None:
    if len(sigma) != ar.shape[1]:
        raise SpecificationError(
            f"VARMA: sigma_u must have a row for each of the {ar.shape[1]} outputs of ar and ma; "
            f"got shape {sigma.shape}. Give the covariance of all errors."
        )


def vector_of(values: ArrayLike | None, k: int, name: str) -> FloatArray:
    given = np.zeros(k) if values is None else _numbers(values, name)
    array = given.reshape(-1)
    if array.shape != (k,) or not np.isfinite(array).all():
        raise SpecificationError(
            f"VARMA: {name} must hold {k} finite numbers, one an output; got shape "
            f"{given.shape}. Leave it out for none."
        )
    return array


def inputs_of(exog: ArrayLike | None, k: int) -> FloatArray:
    if exog is None:
        return np.zeros((0, k, 0))
    array = _numbers(exog, "exog")
    array = array.reshape(1, 1, -1) if array.ndim <= 1 and k == 1 else array
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[1] != k or 0 in array.shape or not np.isfinite(array).all():
        raise SpecificationError(
            f"VARMA: exog must be finite numbers of shape (lags + 1, {k}, inputs); got shape "
            f"{np.shape(exog)}. The first is the coefficient of x_t; leave it out for no inputs."
        )
    return array


def names_of(given: Sequence[str] | None, count: int, what: str, stem: str) -> tuple[str, ...]:
    if given is None:
        return (stem,) if count == 1 else tuple(f"{stem}{i + 1}" for i in range(count))
    names = tuple(str(name) for name in given)
    if len(names) != count or len(set(names)) != count:
        raise SpecificationError(
            f"VARMA: {what} must hold {count} different names; got {names}. Leave it out for "
            f"{stem}1, {stem}2, ..."
        )
    return names
