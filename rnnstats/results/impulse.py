"""Responses of the outputs to a shock."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rnnstats.errors import SpecificationError
from rnnstats.kernels.kalman import kalman_filter
from rnnstats.kernels.system import StateSpace
from rnnstats.results.prediction import find_name
from rnnstats.results.protocol import FloatArray

__all__ = ["impulse_responses", "shock_names", "steady_state"]

CONVERGED = 1e-12
LONGEST = 1 << 17


def shock_names(
    system: StateSpace, outputs: tuple[str, ...], states: tuple[str, ...]
) -> tuple[str, ...]:
    """Name the shocks of a system.

    Parameters
    ----------
    system : StateSpace
    outputs, states : tuple of str

    Returns
    -------
    tuple of str
        The outputs where output noise and state noise are one and the same; otherwise, for each
        state noise, the state that it enters (``noise1`` and so on where it enters several).
    """
    if system.cross_cov.any():
        return outputs
    names = []
    for j, column in enumerate(system.selection.T):
        entered = np.flatnonzero(column)
        names.append(states[entered[0]] if entered.size == 1 else f"noise{j + 1}")
    return tuple(names)


def steady_state(system: StateSpace) -> tuple[FloatArray, FloatArray]:
    """Return gain and innovation covariance of the filter's steady state.

    Parameters
    ----------
    system : StateSpace

    Returns
    -------
    gain : ndarray of shape (k_states, k_endog)
        K with h_{t+1|t} = T h_{t|t-1} + K v_t.
    cov : ndarray of shape (k_endog, k_endog)
        Covariance of the one-step-ahead errors v_t.

    Raises
    ------
    SpecificationError
        The filter does not settle.
    """
    p, m, r = system.k_endog, system.k_states, system.k_posdef
    rows = 64
    while rows <= LONGEST:
        plain = StateSpace(
            p, m, r, system.matrices, np.zeros(p), np.zeros(m), system.start, system.first_step
        )
        output = kalman_filter(plain, np.zeros((rows, p)))
        state_cov, cov = output.predicted_state_cov[rows - 1], output.forecast_error_cov[rows - 1]
        change = np.abs(cov - output.forecast_error_cov[rows // 2]).max()
        if change <= CONVERGED * np.abs(cov).max() and output.nobs_diffuse < rows // 2:
            noise = system.selection @ system.cross_cov
            gain = system.transition @ state_cov @ system.design.T + noise
            return np.linalg.solve(cov, gain.T).T, cov
        rows *= 4
    raise SpecificationError(
        f"impulse_responses: the filter must settle for shocks named after outputs; got none "
        f"after {LONGEST} rows. Name a state's shock instead."
    )


def impulse_responses(
    system: StateSpace,
    steps: int,
    impulse: int | str | ArrayLike,
    *,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    orthogonalized: bool,
) -> FloatArray:
    """Respond to a shock.

    Parameters
    ----------
    system : StateSpace
    steps : int
        Rows after the shock.
    impulse : int, str or array_like
        Shock by number or name, or weights of all shocks.
    names : pair of tuples of str
        Outputs and states.
    orthogonalized : bool
        One standard deviation along the Cholesky factor, instead of size 1.

    Returns
    -------
    ndarray of shape (steps + 1, k_endog)

    Raises
    ------
    SpecificationError
        There is no such shock.

    Notes
    -----
    With shared noise the response of y is the shock itself at lag 0 and V W_h^(j-1) K later. A
    state noise enters the state at lag 0: V W_h^j R (Lütkepohl 2005, sections 2.3.2 and 11.3).
    """
    outputs, states = names
    shocks = shock_names(system, outputs, states)
    by_output = system.cross_cov.any() or (
        isinstance(impulse, str) and impulse in outputs and impulse not in shocks
    )
    if by_output:
        gain, cov = _innovation_form(system)
        direct, loading, shocks = np.eye(system.k_endog), gain, outputs
    else:
        direct, loading, cov = None, system.selection, system.state_cov
    weights = _weights(impulse, shocks)
    if orthogonalized:
        weights = _factor(cov) @ weights
    state = loading @ weights
    responses = np.empty((steps + 1, system.k_endog))
    for lag in range(steps + 1):
        if direct is not None and lag == 0:
            responses[0] = direct @ weights
            continue
        responses[lag] = system.design @ state
        state = system.transition @ state
    return responses


def _innovation_form(system: StateSpace) -> tuple[FloatArray, FloatArray]:
    """Return gain and covariance of the shock: the system's own if noise is shared, or Wold's."""
    joint = np.array_equal(system.cross_cov, system.obs_cov) and np.array_equal(
        system.state_cov, system.obs_cov
    )
    return (system.selection, system.obs_cov) if joint else steady_state(system)


def _weights(impulse: int | str | ArrayLike, shocks: tuple[str, ...]) -> FloatArray:
    if isinstance(impulse, (int, str, np.integer)):
        chosen = find_name(impulse, shocks, caller="impulse_responses", what="shock")
        unit = np.zeros(len(shocks))
        unit[chosen] = 1.0
        return unit
    weights = np.asarray(impulse, dtype=float)
    if weights.shape != (len(shocks),):
        raise SpecificationError(
            f"impulse_responses: impulse must hold one weight for each of the {len(shocks)} "
            f"shocks ({', '.join(shocks)}); got shape {weights.shape}. Or give a name."
        )
    return weights


def _factor(cov: FloatArray) -> FloatArray:
    """Return the Cholesky factor; columns of shocks without variance are zero."""
    live = np.diagonal(cov) > 0
    factor = np.zeros_like(cov)
    part = np.ix_(live, live)
    factor[part] = np.linalg.cholesky(cov[part])
    return factor
