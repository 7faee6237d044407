r"""Delta method for functions of a network's parameters, with derivatives along principal axes.

One weight moved by itself, in the user's units, changes a network beyond recognition long before it
has moved by its standard error: the others no longer make up for it. Differences are therefore
taken along the principal axes of the estimates' covariance in standardised coordinates, where a
hundredth of a standard deviation is a small step for every function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnstats._checks import check_alpha
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.estimation.differences import jacobian
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.inference.derivatives import standard_directions
from rnnstats.results.responses.bands import CHUNK, Bands

__all__ = ["axis_bands", "axis_errors", "axis_slopes", "errors_of"]

Function = Callable[[FloatArray], FloatArray]
# Variance along an axis, as a share of the largest, below which there is no information to go by.
NOTHING = 1e-13
# Change over a standard deviation along any axis, as a share of the value, that is rounding.
ROUNDING = 1e-11


def axis_slopes(
    function: Function, model: Any, theta: FloatArray, covariance: CovarianceEstimate
) -> FloatArray:
    """Derivatives of a function by the parameters.

    Parameters
    ----------
    function : callable
        All natural parameters, shape (K,), to an array of any shape.
    model : RecurrentModel
    theta : ndarray of shape (K,)
        Estimates.
    covariance : CovarianceEstimate
        Their covariance.

    Returns
    -------
    ndarray of shape (size of the function, K)
        Along the free parameters, in the columns of these.

    Notes
    -----
    Central differences at two step lengths, extrapolated; steps are a hundredth of a standard
    deviation along each axis, and at most of a standardised unit.
    """
    layout = model.layout
    names = list(layout.names)
    free = np.array([names.index(name) for name in layout.free_names], dtype=np.intp)
    moved = covariance.varying[free]
    value = np.asarray(function(np.array(theta)), dtype=np.float64).ravel()
    slopes = np.zeros((len(value), len(theta)))
    if not moved.any():
        return slopes
    chart = model.chart.jacobian().toarray()
    basis = standard_directions(chart, layout.expansion[:, moved])
    half = np.linalg.solve(chart, covariance.generalised)
    inside = basis.T @ np.linalg.solve(chart, half.T) @ basis
    values, axes = np.linalg.eigh(0.5 * (inside + inside.T))
    natural = chart @ basis  # moves of the parameters, one column each
    known = values > NOTHING * max(float(values[-1]), float(np.finfo(float).tiny))
    length = np.where(known, np.minimum(np.sqrt(np.maximum(values, 0.0)), 1.0), 1.0)

    def at(z: FloatArray) -> FloatArray:
        there = layout.reduce(theta + natural @ (axes @ (length * z)))
        return np.asarray(function(layout.expand(there)), dtype=np.float64).ravel()

    found = jacobian(at, np.zeros(len(axes)), scale=np.ones(len(axes)))
    # what does not depend on the parameters is left with differences of rounding
    size = np.abs(found).max(axis=1, initial=0.0)
    found[size <= ROUNDING * np.abs(value)] = 0.0
    places = free[moved]
    slopes[:, places] = np.linalg.solve(natural[places].T, axes @ (found / length).T).T
    return slopes


def errors_of(slopes: FloatArray, covariance: CovarianceEstimate) -> FloatArray:
    """Standard errors from derivatives.

    Parameters
    ----------
    slopes : ndarray of shape (q, K)
    covariance : CovarianceEstimate

    Returns
    -------
    ndarray of shape (q,)
        NaN where the data do not identify the function, or the derivative is not known.
    """
    usable = np.asarray(np.isfinite(slopes).all(axis=1))
    clean = np.where(usable[:, None], slopes, 0.0)
    # some rows at a time: covariances between many functions are never needed
    cuts = range(0, len(clean), CHUNK)
    parts = [np.diagonal(covariance.of(clean[cut : cut + CHUNK])) for cut in cuts]
    variances = np.concatenate([np.empty(0), *parts])
    return np.where(usable, np.sqrt(np.maximum(variances, 0.0)), np.nan)


def axis_errors(
    function: Function, model: Any, theta: FloatArray, covariance: CovarianceEstimate
) -> FloatArray:
    """Standard errors of a function of the estimates by the delta method.

    Parameters
    ----------
    function, model, theta, covariance
        As in `axis_slopes`.

    Returns
    -------
    ndarray
        Of the shape of the function.
    """
    shape = np.asarray(function(np.array(theta))).shape
    return errors_of(axis_slopes(function, model, theta, covariance), covariance).reshape(shape)


def axis_bands(
    function: Function,
    model: Any,
    theta: FloatArray,
    covariance: CovarianceEstimate,
    *,
    alpha: float,
    caller: str,
) -> Bands:
    """Return normal intervals with standard errors by the delta method.

    Parameters
    ----------
    function, model, theta, covariance
        As in `axis_slopes`.
    alpha : float
        One minus the coverage.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    Bands

    Raises
    ------
    SpecificationError
        There is no covariance of the estimates, or `alpha` is not between 0 and 1.
    """
    width = check_alpha(alpha, caller)
    if model.layout.k_free and covariance.rank == 0:
        raise SpecificationError(
            f"{caller}: bands='delta' needs the covariance of the estimates; got none for any "
            "parameter. Fit with another cov_type, or use bands='bootstrap'."
        )
    point = np.asarray(function(np.array(theta)))
    reach = axis_errors(function, model, theta, covariance.holding_boundary())
    words, known = "delta method", np.array(model.param_names)[covariance.at_boundary]
    if known.size:
        words += f", given {', '.join(known)}, at the boundary"
    return Bands(point, reach, point - width * reach, point + width * reach, words)
