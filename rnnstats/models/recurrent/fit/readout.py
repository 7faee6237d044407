"""Readout of a network whose states are given: a regression in the head's family.

Given the states, the readout, the skip connection and the head's own parameters are those of a
(generalised) linear model; scoring finds them in a few steps. A random recurrence with its readout
solved for is a start of the whole model that costs one pass and one regression.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from rnnstats.models.recurrent.heads.base import BoundHead

__all__ = ["Readout", "regress"]

FloatArray = NDArray[np.float64]

# Ridge on the slopes, in rows: units that hardly move, or move together, get no huge weights.
RIDGE = 1e-3
STEPS, HALVINGS = 8, 12
# Gain in log-likelihood at which the steps end.
ENOUGH = 1e-2


class Readout(NamedTuple):
    """Coefficients (k_eta, p), head parameters (q,), log-likelihood at them."""

    beta: FloatArray
    extra: FloatArray
    value: float


def regress(
    bound: BoundHead,
    design: FloatArray,
    beta: FloatArray,
    *,
    extra: FloatArray | None = None,
    steps: int = STEPS,
) -> Readout:
    """Fit the readout by scoring with step halving.

    Parameters
    ----------
    bound : BoundHead
        The observations.
    design : ndarray, shape (n, p)
        Regressors, the last column the constant, which is not shrunk.
    beta : ndarray, shape (k_eta, p)
        Where to begin.
    extra : ndarray, shape (q,), optional
        Head parameters that are given; by default they are solved for.
    steps : int
        At most so many.

    Returns
    -------
    Readout
        ``value`` is minus infinity where the beginning has no likelihood.
    """
    k, p = beta.shape
    ridge = np.full(p, RIDGE * len(design))
    ridge[-1] = 0.0
    weights = np.tile(ridge, k)
    eta = design @ beta.T
    held, extra = extra, bound.start_extra(eta) if extra is None else extra
    value = bound.value(eta, extra)
    for _ in range(steps):
        if not math.isfinite(value):
            break
        slopes = bound.slopes(eta, extra)[0]
        curvature = bound.information(eta, extra)[0]
        gradient = (slopes.T @ design).ravel() - weights * beta.ravel()
        step = _solved(_normal(curvature, design, weights), gradient)
        if step is None:
            break
        before = value - 0.5 * float(weights @ beta.ravel() ** 2)
        found = _searched(bound, design, beta, step.reshape(k, p), before, weights, held)
        if found is None:
            break
        gain = found.value - 0.5 * float(weights @ found.beta.ravel() ** 2) - before
        beta, extra, value = found
        eta = design @ beta.T
        if gain < ENOUGH:
            break
    return Readout(beta, extra, value)


def _normal(curvature: FloatArray, design: FloatArray, ridge: FloatArray) -> FloatArray:
    """Information on the coefficients, row of beta by row of beta, ridge added."""
    k, p = curvature.shape[1], design.shape[1]
    out = np.empty((k, p, k, p))
    for i in range(k):
        for j in range(i + 1):
            block = design.T @ (curvature[:, i, j, None] * design)
            out[i, :, j], out[j, :, i] = block, block.T
    matrix: FloatArray = out.reshape(k * p, k * p)
    matrix[np.diag_indices(k * p)] += ridge + 1e-10 * np.abs(np.diagonal(matrix)).max()
    return matrix


def _solved(matrix: FloatArray, gradient: FloatArray) -> FloatArray | None:
    try:
        step = cho_solve(cho_factor(matrix), gradient)
    except (LinAlgError, ValueError):
        return None
    return np.asarray(step) if np.isfinite(step).all() else None


def _searched(
    bound: BoundHead,
    design: FloatArray,
    beta: FloatArray,
    step: FloatArray,
    before: float,
    ridge: FloatArray,
    held: FloatArray | None,
) -> Readout | None:
    """First of the halved steps that gains, at its head parameters; None where none does."""
    for _ in range(HALVINGS):
        trial = beta + step
        eta = design @ trial.T
        extra = bound.start_extra(eta) if held is None else held
        value = bound.value(eta, extra)
        if value - 0.5 * float(ridge @ trial.ravel() ** 2) > before:
            return Readout(trial, extra, value)
        step = 0.5 * step
    return None
