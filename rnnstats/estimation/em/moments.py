"""Expectations that the M-step needs, from the fixed-interval smoother."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import kalman
from rnnstats.kernels.system import StateSpace
from rnnstats.parameters.cells import CellTable

__all__ = ["Moments", "expectations"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums of second moments given the data, at the parameters of the last step.

    Regressors of the state equation are ``(h_{t-1}, X_t)``, those of the output equation
    ``(h_t, X_t)``, with the terms of the intercepts behind the states.

    Attributes
    ----------
    state_square, state_cross, state_regressors : ndarray
        Of ``h_t h_t'``, of ``h_t`` and regressors, of regressors, over all steps with noise.
    steps : int
        Number of these.
    output_square, output_cross : ndarray, shapes (p, p) and (p, g)
        Of outputs; with a diagonal noise only the diagonal, over what is observed.
    output_regressors : ndarray, shape (1, g, g) or (p, g, g)
        One for all outputs, or one an output where outputs are observed at different times.
    output_counts : ndarray, shape (p,)
        Number of values behind an output's moments.
    first_mean, first_cov : ndarray
        Of ``h_1``.
    """

    state_square: FloatArray
    state_cross: FloatArray
    state_regressors: FloatArray
    steps: int
    output_square: FloatArray
    output_cross: FloatArray
    output_regressors: FloatArray
    output_counts: FloatArray
    first_mean: FloatArray
    first_cov: FloatArray


def expectations(
    table: CellTable,
    theta: FloatArray,
    y: FloatArray,
    x_obs: FloatArray | None,
    x_state: FloatArray | None,
) -> Moments:
    """E-step.

    Parameters
    ----------
    table : CellTable
    theta : ndarray, shape (K,)
    y : ndarray, shape (nobs, p)
        NaN is missing.
    x_obs, x_state : ndarray or None
        What `rnnstats.parameters.regressors` gives.

    Returns
    -------
    Moments
    """
    system = table.system(theta, x_obs, x_state)
    smoothed = kalman.kalman_smoother(system, y)
    mean, cov = smoothed.smoothed_state, smoothed.smoothed_state_cov
    squares = cov + mean[:, :, None] * mean[:, None, :]
    before, before_squares = mean[:-1], squares[:-1]
    cross = smoothed.smoothed_state_autocov[1:] + mean[1:, :, None] * before[:, None, :]
    after, after_squares, first = mean[1:], squares[1:], 1
    if table.start == "given" and table.first_step == "noisy":
        origin, origin_square, origin_cross = _origin(system, mean[0], cov[0])
        before = np.vstack([origin, before])
        before_squares = np.concatenate([origin_square[None], before_squares])
        cross = np.concatenate([origin_cross[None], cross])
        after, after_squares, first = mean, squares, 0
    x = _columns(x_state, table.k_state_terms, len(y))[first:]
    state_x = after.T @ x
    mixed = before.T @ x
    regressors = np.block([[before_squares.sum(axis=0), mixed], [mixed.T, x.T @ x]])
    output = _output(
        table, table.fill(theta), y, _columns(x_obs, table.k_obs_terms, len(y)), mean, squares
    )
    return Moments(
        after_squares.sum(axis=0),
        np.hstack([cross.sum(axis=0), state_x]),
        regressors,
        len(after),
        *output,
        mean[0],
        cov[0],
    )


def _columns(x: FloatArray | None, terms: int, nobs: int) -> FloatArray:
    """Regressors of an intercept: None stands for constants."""
    return np.ones((nobs, terms)) if x is None else x


def _origin(
    system: StateSpace, first: FloatArray, cov: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Moments of ``h_0`` given the data: mean, second moment, and that with ``h_1``."""
    a, loading = np.array(system.transition), np.array(system.selection)
    start = np.array(system.initial_cov)
    c = system.state_intercept
    predicted = a @ system.initial_mean + (c if c.ndim == 1 else c[0])
    spread = a @ start @ a.T + loading @ system.state_cov @ loading.T
    gain = start @ a.T @ np.linalg.pinv(spread)
    mean = system.initial_mean + gain @ (first - predicted)
    rest = start + gain @ (cov - spread) @ gain.T
    together = cov @ gain.T + np.outer(first, mean)
    return mean, rest + np.outer(mean, mean), together


def _output(
    table: CellTable,
    full: FloatArray,
    y: FloatArray,
    x: FloatArray,
    mean: FloatArray,
    squares: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Moments of the output equation: square, cross, regressors, counts."""
    seen = np.isfinite(y)
    noise = table.array(full, "obs_cov")
    g = np.hstack([mean, x])
    if not (noise - np.diag(np.diag(noise))).any():
        values = np.where(seen, y, 0.0)
        square, cross = np.diag((values**2).sum(axis=0)), values.T @ g
        weight = np.ones((1, len(y))) if seen.all() else seen.T.astype(np.float64)
        return square, cross, _gram(weight, mean, squares, x), seen.sum(axis=0).astype(np.float64)
    used = seen.any(axis=1)
    part = seen[used]
    complete = part.all(axis=1)
    y, g, squares, x, mean = y[used], g[used], squares[used], x[used], mean[used]
    gram = _gram(np.ones((1, len(y))), mean, squares, x)
    values = np.where(part, y, 0.0)
    square = values[complete].T @ values[complete]
    cross = values[complete].T @ g[complete]
    coefficients = np.hstack([table.array(full, "design"), table.array(full, "C_obs").T])
    for t in np.flatnonzero(~complete):
        own = _gram(np.ones((1, 1)), mean[t : t + 1], squares[t : t + 1], x[t : t + 1])[0]
        more_square, more_cross = _completed(part[t], values[t], coefficients, noise, g[t], own)
        square, cross = square + more_square, cross + more_cross
    return square, cross, gram, np.full(y.shape[1], float(len(y)))


def _gram(weight: FloatArray, mean: FloatArray, squares: FloatArray, x: FloatArray) -> FloatArray:
    """Weighted sums of the regressors' second moments, shape (len(weight), g, g)."""
    n, m = mean.shape
    k = x.shape[1]
    out = np.empty((len(weight), m + k, m + k))
    out[:, :m, :m] = (weight @ squares.reshape(n, m * m)).reshape(len(weight), m, m)
    mixed = (weight @ (mean[:, :, None] * x[:, None, :]).reshape(n, m * k)).reshape(
        len(weight), m, k
    )
    out[:, :m, m:] = mixed
    out[:, m:, :m] = mixed.swapaxes(1, 2)
    out[:, m:, m:] = (weight @ (x[:, :, None] * x[:, None, :]).reshape(n, k * k)).reshape(
        len(weight), k, k
    )
    return out


def _completed(
    seen: NDArray[np.bool_],
    values: FloatArray,
    coefficients: FloatArray,
    noise: FloatArray,
    mean: FloatArray,
    square: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Moments of one row with gaps: the unseen outputs given the seen ones and the regressors."""
    o, u = np.flatnonzero(seen), np.flatnonzero(~seen)
    gain = np.linalg.solve(noise[np.ix_(o, o)], noise[np.ix_(o, u)]).T
    fixed = values.copy()
    fixed[u] = gain @ values[o]
    slope = np.zeros_like(coefficients)
    slope[u] = coefficients[u] - gain @ coefficients[o]
    rest = np.zeros_like(noise)
    rest[np.ix_(u, u)] = noise[np.ix_(u, u)] - gain @ noise[np.ix_(o, u)]
    moved = np.outer(fixed, slope @ mean)
    total = np.outer(fixed, fixed) + moved + moved.T + slope @ square @ slope.T + rest
    return total, np.outer(fixed, mean) + slope @ square
