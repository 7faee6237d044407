"""Drawing outputs from a state space system."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnstats.data import Endog
from rnnstats.errors import SpecificationError
from rnnstats.kernels.kalman import kalman_filter
from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray

__all__ = ["label_paths", "simulate_paths"]


def simulate_paths(
    system: StateSpace,
    nsimulations: int,
    rng: np.random.Generator,
    *,
    first_row: int = 0,
    mean: FloatArray | None = None,
    cov: FloatArray | None = None,
    repetitions: int = 1,
) -> FloatArray:
    """
    Draw outputs from a system.

    Parameters
    ----------
    system : StateSpace
        Its time-varying intercepts must reach row ``first_row + nsimulations``.
    nsimulations : int
        Rows to draw.
    rng : numpy.random.Generator
        Source of randomness.
    first_row : int
        Row of the system that the first draw belongs to.
    mean, cov : ndarray of shape (k_states,) and (k_states, k_states), optional
        Distribution of the state at `first_row`; the default is the system's own start, and then
        `first_row` must be 0.
    repetitions : int
        Number of independent paths.

    Returns
    -------
    ndarray of shape (repetitions, nsimulations, k_endog)

    Raises
    ------
    SpecificationError
        The start is diffuse: there is no distribution to draw from.
    """
    if mean is None or cov is None:
        mean, cov = _first_state(system)
    p, m, r = system.k_endog, system.k_states, system.k_posdef
    joint = np.block([[system.obs_cov, system.cross_cov.T], [system.cross_cov, system.state_cov]])
    factor, loading = _square_root(joint), system.selection
    state = mean + rng.standard_normal((repetitions, m)) @ _square_root(cov).T
    paths = np.empty((repetitions, nsimulations, p))
    for t in range(nsimulations):
        noise = rng.standard_normal((repetitions, p + r)) @ factor.T
        row = first_row + t
        paths[:, t] = state @ system.design.T + _row(system.obs_intercept, row) + noise[:, :p]
        if t + 1 < nsimulations:
            drift = _row(system.state_intercept, row + 1)
            state = state @ system.transition.T + drift + noise[:, p:] @ loading.T
    return paths


def label_paths(
    endog: Endog, paths: FloatArray, index: pd.Index, single: bool
) -> pd.Series | pd.DataFrame:
    """Label drawn outputs.

    Parameters
    ----------
    endog : Endog
        The sample, whose names they get.
    paths : ndarray of shape (repetitions, rows, k_endog)
    index : Index
        Labels of the rows.
    single : bool
        Whether to label the first path alone, as the data are; otherwise columns are (output, path)
        pairs.

    Returns
    -------
    Series or DataFrame
    """
    if single:
        return endog.labelled(paths[0], index=index)
    pairs = pd.MultiIndex.from_product(
        [list(endog.names), range(len(paths))], names=["output", "path"]
    )
    flat = paths.transpose(1, 2, 0).reshape(paths.shape[1], -1)
    return pd.DataFrame(flat, index=index, columns=pairs)


def _row(values: FloatArray, row: int) -> FloatArray:
    return values if values.ndim == 1 else values[row]


def _first_state(system: StateSpace) -> tuple[FloatArray, FloatArray]:
    """Return mean and covariance of the state at the first row."""
    rows = [a.shape[0] for a in (system.obs_intercept, system.state_intercept) if a.ndim == 2]
    nothing = np.full((max(rows, default=1), system.k_endog), np.nan)
    output = kalman_filter(system, nothing)
    if np.any(output.predicted_diffuse_cov[0] != 0):
        raise SpecificationError(
            "simulate: the start must have a distribution to draw from; got a diffuse start. "
            "Use anchor='end', or a model with initial='stationary' or initial='known'."
        )
    return output.predicted_state[0], output.predicted_state_cov[0]


def _square_root(cov: FloatArray) -> FloatArray:
    """Return A with A A' = cov for a positive semi-definite matrix, exact in any units."""
    sizes = np.sqrt(np.maximum(np.diagonal(cov), 0.0))
    units = np.where(sizes > 0.0, sizes, 1.0)
    values, vectors = np.linalg.eigh(cov / np.outer(units, units))
    root: FloatArray = units[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    return root
