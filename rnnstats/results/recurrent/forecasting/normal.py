"""Linear cells with normal outputs: forecasts are normal, and their moments have a recursion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.forecasting.origin import Origin, PathSystem
from rnnstats.results.recurrent.protocol import RecurrentModel
from rnnstats.results.regimes.forecasting.laws import NormalMixture

__all__ = ["is_normal", "normal_ahead"]


def is_normal(model: RecurrentModel) -> bool:
    """Say whether all forecasts are normal: identity cells, a gaussian head.

    Parameters
    ----------
    model : RecurrentModel

    Returns
    -------
    bool
    """
    linear = all(
        getattr(cell, "kind", "") == "elman" and getattr(cell, "activation", "") == "identity"
        for cell in model.architecture.cells
    )
    return linear and model.head.name == "gaussian"


class _Affine(NamedTuple):
    """A step as an affine map of (state, lags): ``move @ z + shift[t]`` and ``read @ z + mean[t]``.

    ``z`` is the state and the lags, the latest first; the first map gives the new state, the second
    the mean of the outputs.
    """

    move: FloatArray
    shift: FloatArray
    read: FloatArray
    mean: FloatArray


def _affine(
    model: RecurrentModel, system: PathSystem, origin: Origin, inputs: FloatArray | None,
    rows: int,
) -> _Affine:  # fmt: skip
    s, (lags, k) = len(origin.state), origin.lags.shape
    size = s + lags * k
    # units in which the lags vary: differences then lose no digits
    spread = np.nanstd(model.endog.values, axis=0)
    unit = np.concatenate([np.ones(s), np.tile(np.where(spread > 0, spread, 1.0), lags)])
    points = np.concatenate([np.zeros((1, size)), np.diag(unit)])
    first = None if inputs is None else np.tile(inputs[:1], (size + 1, 1))

    def step(z: FloatArray, exog: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        return system.step(z[:, :s], z[:, s:].reshape(len(z), lags, k), exog)

    state, eta = step(points, first)
    move, read = (state[1:] - state[0]).T / unit, (eta[1:] - eta[0]).T / unit
    if inputs is None:
        return _Affine(move, np.tile(state[0], (rows, 1)), read, np.tile(eta[0], (rows, 1)))
    shift, mean = step(np.zeros((rows, size)), inputs)
    return _Affine(move, shift, read, mean)


def normal_ahead(
    model: RecurrentModel,
    system: PathSystem,
    origin: Origin,
    inputs: FloatArray | None,
    rows: int,
) -> NormalMixture:
    r"""Forecast rows with linear cells and a gaussian head.

    Parameters
    ----------
    model : RecurrentModel
    system : PathSystem
    origin : Origin
    inputs : ndarray of shape (rows, k_exog), optional
        From the origin on.
    rows : int
        Rows from the origin on.

    Returns
    -------
    NormalMixture
        One component a row, exact: of rows that are told given what is told before them.

    Notes
    -----
    With :math:`z` the state and the lags, :math:`z_t = F z_{t-1} + f_t + G \epsilon_t` and
    :math:`y_t = C z_{t-1} + c_t + \epsilon_t`; mean and covariance move as in the Kalman filter,
    which also takes in what is seen of rows after a gap (Durbin and Koopman 2012, section 4.3).
    """
    s, (lags, k) = len(origin.state), origin.lags.shape
    p, size = int(model.k_endog), s + lags * k
    affine = _affine(model, system, origin, inputs, rows)
    noise = np.asarray(model.head.law(affine.mean[:1], np.asarray(system.extra)).cov)[0]
    push, load = np.zeros((size, size)), np.zeros((size, p))
    push[:s] = affine.move
    if lags:
        push[s : s + p], load[s : s + p] = affine.read, np.eye(p)
        push[s + p :, s : size - p] = np.eye(size - s - p)
    z, cov = np.concatenate([origin.state, origin.lags.ravel()]), np.zeros((size, size))
    centre, spread = np.empty((rows, p)), np.empty((rows, p, p))
    for t in range(rows):
        centre[t] = affine.read @ z + affine.mean[t]
        spread[t] = affine.read @ cov @ affine.read.T + noise
        told = origin.told[t] if t < len(origin.told) else np.full(p, np.nan)
        joint = push @ cov @ affine.read.T + load @ noise  # of the new z with the outputs
        z = push @ z
        z[:s] += affine.shift[t]
        if lags:
            z[s : s + p] += affine.mean[t]
        cov = push @ cov @ push.T + load @ noise @ load.T
        seen = np.flatnonzero(~np.isnan(told))
        if seen.size:
            gain = np.linalg.solve(spread[t][np.ix_(seen, seen)], joint[:, seen].T).T
            z = z + gain @ (told - centre[t])[seen]
            cov = cov - gain @ joint[:, seen].T
        cov = 0.5 * (cov + cov.T)
    return NormalMixture(rows, np.arange(rows), np.ones(rows), centre, spread)
