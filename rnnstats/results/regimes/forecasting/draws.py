"""Parameters drawn from the asymptotic law of the estimates."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError, SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.particles import SEED

__all__ = ["IMPOSSIBLE", "parameter_draws"]

# What a draw may be refused for.
IMPOSSIBLE = (NotPositiveDefiniteError, NotStationaryError, SpecificationError)


def parameter_draws(
    model: Any, theta: FloatArray, covariance: CovarianceEstimate, number: int
) -> FloatArray:
    r"""Draw parameters around the estimates.

    Parameters
    ----------
    model : RegimeModel
        With its ``transform`` between free natural parameters and unconstrained ones.
    theta : ndarray of shape (K,)
        Estimates.
    covariance : CovarianceEstimate
        Of the natural parameters; those without a standard error are taken as known.
    number : int
        Even number of draws, in pairs opposite to each other around the estimates.

    Returns
    -------
    ndarray of shape (number, K)

    Notes
    -----
    Normal in unconstrained coordinates (log odds of probabilities, logs of variances), with
    covariance :math:`J^{-1} C J^{-1\prime}`, so that every draw is admissible. The seed is fixed.
    """
    layout = model.layout
    free = layout.reduce(theta)
    held = model.transform.holding(free)
    point = held.to_unconstrained(free)
    places = [list(layout.names).index(name) for name in layout.free_names]
    cov = covariance.cov[np.ix_(places, places)]
    cov = np.where(np.isfinite(cov), cov, 0.0)
    back = np.linalg.pinv(held.jacobian(point))
    spread = back @ cov @ back.T
    size = np.sqrt(np.maximum(np.diagonal(spread), 0.0))
    unit = np.where(size > 0.0, size, 1.0)
    values, vectors = np.linalg.eigh(spread / np.multiply.outer(unit, unit))
    factor = unit[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    noise = np.random.default_rng(SEED).standard_normal((number // 2, len(point))) @ factor.T
    drawn = np.concatenate([point + noise, point - noise])
    return np.array([layout.expand(held.to_natural(one)) for one in drawn])
