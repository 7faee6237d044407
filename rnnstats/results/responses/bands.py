"""Bands around functions of the estimates: by the delta method, or from bootstrap draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rnnstats._checks import check_alpha
from rnnstats.errors import (
    NotPositiveDefiniteError,
    NotStationaryError,
    SpecificationError,
)
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.estimation.differences import jacobian
from rnnstats.results.protocol import FloatArray, ParameterLayout

__all__ = [
    "BandKind",
    "Bands",
    "bootstrap_bands",
    "delta_bands",
    "delta_covariances",
    "delta_errors",
]

BandKind = Literal["delta", "bootstrap"]
Function = Callable[[FloatArray], FloatArray]
# Rows of derivatives whose covariance is taken together.
CHUNK = 64
# What a draw may be refused for where the estimates are not: also a filter that does not settle.
IMPOSSIBLE = (NotPositiveDefiniteError, NotStationaryError, SpecificationError)
# Fewer usable draws than this do not show the tails of a distribution.
FEWEST = 20


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """A function of the estimates, its standard errors, and the ends of its intervals.

    Attributes
    ----------
    point, std_err, lower, upper : ndarray
        All of one shape.
    words : str
        Where the intervals come from.
    """

    point: FloatArray
    std_err: FloatArray
    lower: FloatArray
    upper: FloatArray
    words: str


def delta_errors(
    function: Function, layout: ParameterLayout, theta: FloatArray, covariance: CovarianceEstimate
) -> FloatArray:
    """Return standard errors of a function of the estimates by the delta method.

    Parameters
    ----------
    function : callable
        All natural parameters, shape (K,), to an array of any shape.
    layout : ParameterLayout
        Restrictions; derivatives are taken in the free parameters.
    theta : ndarray of shape (K,)
        Estimates.
    covariance : CovarianceEstimate
        Their covariance.

    Returns
    -------
    ndarray
        Of the shape of the function; NaN where the data do not identify it.

    Notes
    -----
    Differences are central at two step lengths, extrapolated, with steps of a hundredth and half
    a hundredth of a standard error: accurate to about 1e-9 of the slope.
    """
    shape = function(theta).shape
    slopes = _slopes(function, layout, theta, covariance)
    # some rows at a time: the covariances between many responses are never needed
    cuts = range(0, len(slopes), CHUNK)
    parts = [np.diagonal(covariance.of(slopes[cut : cut + CHUNK])) for cut in cuts]
    variances: FloatArray = np.concatenate([np.empty(0), *parts]).reshape(shape)
    return np.asarray(np.sqrt(np.maximum(variances, 0.0)))


def delta_covariances(
    function: Function, layout: ParameterLayout, theta: FloatArray, covariance: CovarianceEstimate
) -> FloatArray:
    """Return covariances within the rows of a table that depends on the estimates.

    Parameters
    ----------
    function : callable
        All natural parameters, shape (K,), to an array of shape (rows, k).
    layout, theta, covariance
        As in `delta_errors`.

    Returns
    -------
    ndarray of shape (rows, k, k)
        By the delta method; NaN where the data do not identify an element.
    """
    rows, k = function(theta).shape
    slopes = _slopes(function, layout, theta, covariance).reshape(rows, k, theta.size)
    return np.stack([covariance.of(row) for row in slopes])


def _slopes(
    function: Function, layout: ParameterLayout, theta: FloatArray, covariance: CovarianceEstimate
) -> FloatArray:
    """Derivatives along the free parameters, in the columns of these, (size of function, K)."""
    names = list(layout.names)
    free = [names.index(name) for name in layout.free_names]
    point = layout.reduce(theta)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diagonal(covariance.cov))[free]
    usable = np.isfinite(errors) & (errors > 0)
    scale = np.where(usable, errors, np.maximum(np.abs(point), 1e-2))
    moved = np.flatnonzero(covariance.varying[free])

    def at(part: FloatArray) -> FloatArray:
        whole = point.copy()
        whole[moved] = part
        return function(layout.expand(whole)).ravel()

    found = jacobian(at, point[moved], scale=scale[moved])
    slopes = np.zeros((len(found), theta.size))
    slopes[:, np.array(free, dtype=int)[moved]] = found
    return slopes


def delta_bands(
    function: Function,
    layout: ParameterLayout,
    theta: FloatArray,
    covariance: CovarianceEstimate,
    *,
    alpha: float,
    caller: str,
) -> Bands:
    """Return normal intervals with standard errors by the delta method.

    Parameters
    ----------
    function, layout, theta, covariance
        As in `delta_errors`.
    alpha : float
        One minus the coverage.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    Bands
        Parameters at the boundary (a variance of zero) are taken as known, which ``words`` then
        say.

    Raises
    ------
    SpecificationError
        There is no covariance of the estimates, or `alpha` is not between 0 and 1.
    """
    width = check_alpha(alpha, caller)
    if layout.k_free and covariance.rank == 0:
        raise SpecificationError(
            f"{caller}: bands='delta' needs the covariance of the estimates; got none for any "
            "parameter. Fit with another cov_type, or use bands='bootstrap'."
        )
    point = function(theta)
    errors = delta_errors(function, layout, theta, covariance.holding_boundary())
    reach = width * errors
    words, known = "delta method", np.array(layout.names)[covariance.at_boundary]
    if known.size:
        words += f", given {', '.join(known)}, at the boundary"
    return Bands(point, errors, point - reach, point + reach, words)


def bootstrap_bands(
    function: Function, theta: FloatArray, bootstrap: Any, *, alpha: float, caller: str
) -> Bands:
    """Return percentile intervals over bootstrap draws.

    Parameters
    ----------
    function : callable
        All natural parameters, shape (K,), to an array of any shape.
    theta : ndarray of shape (K,)
        Estimates.
    bootstrap : Bootstrap
        Its ``theta`` holds one draw of all natural parameters a row.
    alpha : float
        One minus the coverage.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    Bands
        Standard errors are standard deviations over draws.

    Raises
    ------
    SpecificationError
        Draws of another model, or too few of them usable.

    References
    ----------
    Lütkepohl (2005), appendix D.3, standard percentile interval.
    """
    check_alpha(alpha, caller)
    draws = np.asarray(getattr(bootstrap, "theta", None), dtype=float)
    if draws.ndim != 2 or draws.shape[1] != theta.size:
        raise SpecificationError(
            f"{caller}: bootstrap must be what bootstrap() of these results returns, with draws of "
            f"their {theta.size} parameters; got {type(bootstrap).__name__}. Call bootstrap()."
        )
    point = function(theta)
    found = []
    for draw in draws[np.isfinite(draws).all(axis=1)]:
        try:
            value = function(draw)
        except (*IMPOSSIBLE, np.linalg.LinAlgError):
            continue
        if np.isfinite(value).all():
            found.append(value)
    if len(found) < FEWEST:
        raise SpecificationError(
            f"{caller}: at least {FEWEST} draws must be usable; got {len(found)} of {len(draws)}. "
            "Draw more."
        )
    values = np.array(found)
    low, high = np.quantile(values, [alpha / 2, 1 - alpha / 2], axis=0)
    words = f"percentiles of {len(found)} bootstrap draws"
    return Bands(point, values.std(axis=0, ddof=1), low, high, words)
