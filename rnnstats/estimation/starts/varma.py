"""Starts of a VARMA model under linear restrictions on its coefficients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from rnnstats.estimation.starts.innovations import autoregressions
from rnnstats.parameters.cells import CellTable
from rnnstats.parameters.layout import Layout

__all__ = ["regressed"]

FloatArray = NDArray[np.float64]


def regressed(
    table: CellTable, layout: Layout, z: FloatArray, arrays: Mapping[str, FloatArray]
) -> FloatArray:
    """Restricted generalised least squares on lagged outputs and lagged residuals.

    Parameters
    ----------
    table : CellTable
        Innovations form in VARMA coordinates: groups ``ar`` and ``ma``, each lag by lag and
        row by row.
    layout : Layout
        Its restrictions.
    z : ndarray, shape (nobs, p)
        Complete, without trend and inputs.
    arrays : mapping
        Further arrays to read, such as ``C_obs``.

    Returns
    -------
    ndarray, shape (K,)

    Notes
    -----
    Hannan and Rissanen (1982), Biometrika 69, 81-94: residuals of a long autoregression stand for
    the errors. The equations are weighted by the inverse of their covariance.
    """
    nobs, p = z.shape
    groups = np.array(table.groups)
    dynamic = np.flatnonzero(np.isin(groups, ["ar", "ma"]))
    lags = len(dynamic) // (2 * p * p)
    longest = max(1, min(nobs // (3 * p), max(2 * lags + 1, int(10 * np.log10(nobs)) // p)))
    fit = autoregressions(z, longest)[-1]
    errors = z.copy()
    for lag in range(1, longest + 1):
        errors[lag:] -= z[:-lag] @ fit.coefficients[lag - 1].T
    errors[:longest] = 0.0
    first = min(longest + lags, nobs // 2)
    lagged = [
        series[first - lag : nobs - lag] for series in (z, errors) for lag in range(1, lags + 1)
    ]
    x = np.hstack(lagged)
    weight = np.linalg.inv(fit.sigma)
    # coefficient (kind, lag, row i, column j) multiplies regressor (kind, lag, j) in equation i
    kind_lag, row, column = np.unravel_index(np.arange(len(dynamic)), (2 * lags, p, p))
    place = kind_lag * p + column
    normal = weight[np.ix_(row, row)] * (x.T @ x)[np.ix_(place, place)]
    target = (x.T @ z[first:] @ weight)[place, row]
    expansion, base = layout.expansion[dynamic], layout.base[dynamic]
    used = np.flatnonzero(expansion.any(axis=0))
    step = expansion[:, used]
    theta: FloatArray = layout.expand(layout.reduce(table.read({**arrays, "obs_cov": fit.sigma})))
    if used.size:
        reduced = step.T @ normal @ step
        reduced += 1e-8 * np.trace(reduced) / len(reduced) * np.eye(len(reduced))
        free = layout.reduce(theta)
        free[used] = scipy.linalg.solve(reduced, step.T @ (target - normal @ base), assume_a="pos")
        theta = layout.expand(free)
    return theta
