"""Roots of a matrix of a fitted model, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.diagnostics.memory import roots as arrays
from rnnstats.diagnostics.memory.standard_errors import StandardError
from rnnstats.diagnostics.memory.verdicts import verdict_of
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.protocol import FloatArray

__all__ = ["FILTER", "RECURRENCE", "UncertainMatrix", "rate_of", "root_table"]

RECURRENCE, FILTER = "W_h", "W_h - K V"
# Columns of the rate, by those of the products of Jacobians.
_RATE = {
    "rate": "log_radius", "rate_se": "log_radius_se", "t": "z", "pvalue": "pvalue",
    "verdict": "verdict",
}  # fmt: skip
# Below this share of the largest variance that could arise, a variance is rounding: the matrix is
# known (its parameters are fixed, or cancel).
KNOWN = 1e-14
# Within this distance of the unit circle, in logs, a root counts as lying on it.
UNIT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class UncertainMatrix:
    """A matrix of a recurrence, its derivative by all parameters, and their covariance.

    Attributes
    ----------
    name : str
    value : ndarray of shape (m, m)
    slopes : ndarray of shape (m, m, K)
    estimate : CovarianceEstimate
    """

    name: str
    value: FloatArray
    slopes: FloatArray
    estimate: CovarianceEstimate

    @property
    def cov(self) -> FloatArray:
        """Covariance of the parameters, NaN for those without one."""
        return self.estimate.cov

    def is_known(self) -> bool:
        """Tell whether the estimates leave no doubt about any cell."""
        live = np.diagonal(self.cov) != 0.0
        cells = self.slopes.reshape(self.value.size, self.cov.shape[0])[:, live]
        spread = self.cov[np.ix_(live, live)]
        if not cells.any() or not np.isfinite(spread).all():
            return not cells.any()
        largest = float(np.abs(cells).max() ** 2 * np.abs(spread).max())
        return float(np.abs(cells @ spread @ cells.T).max()) <= KNOWN * largest


def _polar(matrix: UncertainMatrix, found: arrays.Roots) -> FloatArray:
    """Derivatives of log modulus and angle of each root by the parameters, (q, 2, K)."""
    if matrix.is_known():
        return np.zeros((found.values.size, 2, matrix.slopes.shape[-1]))
    slopes = np.einsum("qij,ijk->qk", found.slopes, matrix.slopes)
    return arrays.polar_slopes(found.values, slopes)


def _errors(slopes: FloatArray, covariance: CovarianceEstimate) -> FloatArray:
    """Delta-method standard errors of quantities with these derivatives, (q, K)."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.maximum(np.diagonal(covariance.of(slopes)), 0.0))


def root_table(matrix: UncertainMatrix, found: arrays.Roots, width: float) -> pd.DataFrame:
    """Roots with standard errors.

    Parameters
    ----------
    matrix : UncertainMatrix
    found : Roots
        Of its value, or some of them.
    width : float
        Normal quantile of the intervals.

    Returns
    -------
    DataFrame
        As `Memory.frame`.
    """
    return _root_table(matrix, found, _polar(matrix, found), width)


def rate_of(matrix: UncertainMatrix, found: arrays.Roots, alpha: float) -> dict[str, Any]:
    """Log of the largest modulus of some roots with its standard error and test.

    Parameters
    ----------
    matrix : UncertainMatrix
    found : Roots
        Of its value, or some of them.
    alpha : float
        Level of the verdict.

    Returns
    -------
    dict
        As a row of `Memory.verdict`.
    """
    return _rate(matrix, found, _polar(matrix, found), alpha)


def _root_table(
    matrix: UncertainMatrix, found: arrays.Roots, polar: FloatArray, width: float
) -> pd.DataFrame:
    """One row a root, with standard errors and the interval of tau."""
    values, slopes = arrays.measures(found.values), arrays.measure_slopes(found.values)
    columns: dict[str, Any] = {
        "of": matrix.name, "real": found.values.real, "imag": found.values.imag
    }  # fmt: skip
    known = matrix.is_known()
    for name, value in values.items():
        with np.errstate(invalid="ignore"):
            errors = _errors(np.einsum("qa,qak->qk", slopes[name], polar), matrix.estimate)
        columns[name] = value
        columns[f"{name}_se"] = np.where(np.isfinite(value), 0.0 if known else errors, np.nan)
    tau, error = columns["tau"], columns["tau_se"]
    columns["tau_lower"], columns["tau_upper"] = arrays.tau_interval(tau, error, width)
    lost = np.isnan(columns["modulus_se"])
    with np.errstate(divide="ignore"):
        near = np.abs(np.log(columns["modulus"])) <= UNIT
    words = np.where(near, "unit circle", np.where(lost, "no standard error", ""))
    words = np.where(lost & (found.values == 0.0), "zero", words)
    words = np.where(lost & ~found.simple, "repeated", words)
    words = np.where(known, "fixed", words)
    if matrix.name == FILTER:
        outside = np.log(np.maximum(columns["modulus"], 1.0)) > UNIT
        words = np.where(outside, "not invertible", words)
    columns["note"] = words.astype(object)
    index = pd.RangeIndex(1, found.values.size + 1, name="root")
    return pd.DataFrame(columns, index=index)


def _rate(
    matrix: UncertainMatrix, found: arrays.Roots, polar: FloatArray, alpha: float
) -> dict[str, Any]:
    """Log of the spectral radius with its test against 0."""
    modulus = np.abs(found.values)
    radius = float(modulus[0])
    tied = int((modulus >= radius * (1.0 - arrays.REPEATED)).sum()) > 1
    known = matrix.is_known()
    error = np.nan if tied and not known else float(_errors(polar[:1, 0], matrix.estimate)[0])
    with np.errstate(divide="ignore"):
        found_rate = verdict_of(float(np.log(radius)), StandardError(error), alpha).iloc[0]
    return {"of": matrix.name} | {new: found_rate[old] for old, new in _RATE.items()}
