"""How much of the variance of forecast errors each shock explains."""

from __future__ import annotations

import numpy as np

from rnnstats.equivalence.steady import shares_noise
from rnnstats.errors import SpecificationError
from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray
from rnnstats.results.responses.impulse import (
    ShockKind,
    cholesky_factor,
    innovation_shocks,
    moving_average,
    noise_shocks,
    scaled_responses,
    shock_names,
    steady_state,
)

__all__ = ["STATE_TODAY", "variance_shares"]

# What a forecast does not know about the state that it starts from.
STATE_TODAY = "state today"


def variance_shares(
    system: StateSpace,
    horizons: int,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    *,
    kind: ShockKind,
    generalized: bool,
) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    """Decompose the variances of forecast errors.

    Parameters
    ----------
    system : StateSpace
    horizons : int
        Steps ahead, 1 to `horizons`.
    names : pair of tuples of str
        Outputs and states.
    kind : {"innovations", "noises"}
    generalized : bool
        Pesaran and Shin's shares of innovations instead of orthogonalised ones.

    Returns
    -------
    parts : ndarray of shape (k_endog, horizons, q)
        Contributions to the variance; they add up to it unless `generalized`.
    variance : ndarray of shape (k_endog, horizons)
        Variance of the forecast errors.
    sources : tuple of str
        q names.

    Raises
    ------
    SpecificationError
        State and output noise are correlated but not the same, with ``kind="noises"``.
    """
    outputs, states = names
    if kind == "noises" and not shares_noise(system):
        return _noise_parts(system, horizons, outputs, states)
    shocks = innovation_shocks(system, outputs)
    average = moving_average(system, shocks, horizons - 1)
    half = average @ cholesky_factor(shocks.cov)
    parts = np.cumsum(half**2, axis=0)
    variance = parts.sum(axis=2)
    if generalized:
        every = np.eye(len(outputs))
        moved = scaled_responses(average, shocks.cov, every, "generalized")
        parts = np.cumsum(moved**2, axis=0)
    return parts.transpose(1, 0, 2), variance.T, outputs


def _noise_parts(
    system: StateSpace, horizons: int, outputs: tuple[str, ...], states: tuple[str, ...]
) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    """State noises, output noises, and what is unknown of the state at the origin."""
    shocks = noise_shocks(system, outputs, states)
    if shocks is None:
        raise SpecificationError(
            "fevd: noises of states and outputs must not be correlated to tell their shares apart; "
            "got correlated ones. Use shocks='innovations'."
        )
    average = moving_average(system, shocks, horizons - 1)
    parts = [np.cumsum((average @ cholesky_factor(shocks.cov)) ** 2, axis=0)]
    labels = list(shock_names(system, outputs, states))
    if system.obs_cov.any():
        now = cholesky_factor(system.obs_cov) ** 2
        parts.append(np.broadcast_to(now, (horizons, *now.shape)))
        labels += [f"noise of {name}" for name in outputs]
    noise = system.selection @ system.state_cov @ system.selection.T
    known = steady_state(system).state_cov
    ahead = known - noise  # T P T', P the covariance of the filtered state
    sizes = np.sqrt(np.diagonal(known))
    ahead = np.where(np.abs(ahead) > 1e-12 * np.outer(sizes, sizes), ahead, 0.0)
    origin = np.empty((horizons, system.k_endog, 1))
    loading = system.design
    for h in range(horizons):
        origin[h, :, 0] = np.maximum(np.einsum("ij,jk,ik->i", loading, ahead, loading), 0.0)
        loading = loading @ system.transition
    if origin.any():
        parts.append(origin)
        labels.append(STATE_TODAY)
    together = np.concatenate(parts, axis=2)
    return together.transpose(1, 0, 2), together.sum(axis=2).T, tuple(labels)
