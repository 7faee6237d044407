"""Steady state of the Kalman filter of a time-invariant system, from where it starts.

With P the covariance of the predicted state, F = Z P Z' + H that of the one-step-ahead error and
K = (T P Z' + R S) F^-1, the filter is ``a_{t+1} = T a_t + c_{t+1} + K v_t``, and it forgets where
it started at the rate of the roots of ``L = T - K Z``.

References
----------
Anderson, B. D. O. and Moore, J. B. (1979), Optimal Filtering, sections 4.4 and 6.2.
Durbin and Koopman (2012), section 4.3.4; Harvey (1989), section 3.3.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.equivalence.riccati import SteadyState, riccati
from rnnstats.errors import SpecificationError
from rnnstats.kernels.kalman import kalman_filter
from rnnstats.kernels.system import StateSpace

__all__ = ["EDGE", "settled", "shares_noise", "steady_state"]

FloatArray = NDArray[np.float64]

# A root of L within this distance of the circle: the filter's memory exceeds ten million rows.
EDGE: Final = 1e-7
# The covariance of the filter has settled when it moves by less than this share over half the rows.
SETTLED: Final = 1e-12
LONGEST: Final = 1 << 12


def shares_noise(system: StateSpace) -> bool:
    """Tell whether the output noise is also the state noise, as in the innovations form.

    Parameters
    ----------
    system : StateSpace

    Returns
    -------
    bool
    """
    if system.k_posdef != system.k_endog:
        return False
    return all(
        np.array_equal(part, system.obs_cov) for part in (system.cross_cov, system.state_cov)
    )


def steady_state(system: StateSpace, *, caller: str) -> SteadyState:
    """Find the steady state that the filter reaches from the system's own start.

    Parameters
    ----------
    system : StateSpace
        Any noise structure, unit roots included; intercepts do not matter.
    caller : str
        Named at the front of error messages.

    Returns
    -------
    SteadyState

    Raises
    ------
    SpecificationError
        The filter never settles (a zero of the spectrum on the unit circle in a model that is not
        written in innovations, or a state that moves without noise on or outside the circle and
        whose start is not known), or the covariance of the one-step-ahead errors is singular.

    Notes
    -----
    Where the output noise is the state noise and L has no root outside the circle, or h_0 is known,
    P is zero: the past tells the state. (With a root on the circle that is the limit of the filter,
    approached like 1/t, and the start is never forgotten.) Otherwise P is the stabilising solution
    of the Riccati equation. Where there is none, the filter may settle because of where it starts,
    as it does when a constant is a state with known value; so it is run until it has.
    """
    transition, design, size = system.transition, system.design, system.k_states
    if shares_noise(system):
        radius = spectral_radius(transition - system.selection @ design)
        if radius <= 1.0 + EDGE or _known_start(system):
            cov = _definite(system.obs_cov, caller)
            return SteadyState(np.array(system.selection), cov, np.zeros((size, size)))
    reason = (
        "the filter must settle on a steady state; got a state without noise whose start is not "
        "known, learnt ever more slowly. Fix that state, or give it noise."
    )
    if not _knows_more(system):
        try:
            found = riccati(system)
            if spectral_radius(transition - found.gain @ design) < 1.0 - EDGE:
                return found
        except SpecificationError as trouble:
            reason = str(trouble).removeprefix("riccati: ")
    run = settled(system)
    if run is None:
        raise SpecificationError(
            f"{caller}: {reason} Or use predicted_state and smoothed_state, which need no steady "
            "state."
        )
    _definite(run.innovation_cov, caller)
    return run


def _known_start(system: StateSpace) -> bool:
    """Tell whether the predicted state of the first row has no error."""
    given = system.start == "given" and system.first_step != "noisy"
    return given and not system.initial_cov.any() and not system.initial_diffuse.any()


def _knows_more(system: StateSpace) -> bool:
    """Tell whether the start knows a combination of states that the noise may never touch."""
    if system.start != "given" or spectral_radius(system.transition) < 1.0 - EDGE:
        return False
    start = system.initial_cov + np.diag(system.initial_diffuse)
    return int(np.linalg.matrix_rank(start)) < system.k_states


def _definite(cov: FloatArray, caller: str) -> FloatArray:
    """Return the covariance of the one-step-ahead error, symmetric; refuse a singular one."""
    scale = np.sqrt(np.maximum(np.diagonal(cov), 1e-300))
    smallest = float(np.linalg.eigvalsh(cov / np.outer(scale, scale))[0])
    if not smallest > 1e-13:
        raise SpecificationError(
            f"{caller}: the covariance of the one-step-ahead errors must be positive definite; got "
            f"a smallest eigenvalue of {smallest:.2g} in units of their variances. Leave out an "
            "output that the others determine, or add output noise."
        )
    out: FloatArray = 0.5 * (cov + cov.T)
    return out


def settled(system: StateSpace, longest: int = LONGEST) -> SteadyState | None:
    """Run the filter from the system's own start until it has settled.

    Parameters
    ----------
    system : StateSpace
        Intercepts do not matter.
    longest : int
        Rows at most.

    Returns
    -------
    SteadyState or None
        None where it has not settled by then, each state and output in units of its own error.
    """
    p = system.k_endog
    plain = system.replaced(obs_intercept=np.zeros(p), state_intercept=np.zeros(system.k_states))
    rows = 64
    while rows <= longest:
        output = kalman_filter(plain, np.zeros((rows, p)))
        last, middle = output.predicted_state_cov[rows - 1], output.predicted_state_cov[rows // 2]
        path = output.predicted_state_cov[output.nobs_diffuse : rows]
        largest = np.abs(np.diagonal(path, axis1=1, axis2=2)).max(axis=0, initial=0.0)
        sizes = np.maximum(np.abs(np.diagonal(last)), 1e-12 * largest)
        scale = np.sqrt(np.maximum(sizes, 1e-300))
        moved = np.abs(last - middle) / np.outer(scale, scale)
        if output.nobs_diffuse < rows // 2 and moved.max() <= SETTLED:
            design, noise = system.design, system.selection @ system.cross_cov
            cov = design @ last @ design.T + system.obs_cov
            gain = system.transition @ last @ design.T + noise
            try:
                gain = np.linalg.solve(cov, gain.T).T
            except np.linalg.LinAlgError:
                gain = gain @ np.linalg.pinv(cov)
            return SteadyState(np.asarray(gain), 0.5 * (cov + cov.T), np.array(last))
        rows *= 4
    return None
