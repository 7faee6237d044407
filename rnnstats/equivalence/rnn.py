"""The steady-state Kalman filter as a recurrent network, the smoother as a bidirectional one.

For ``h_t = T h_{t-1} + c_t + noise_t``, ``y_t = Z h_t + d_t + eps_t`` the filter in its steady
state predicts by ``a_{t+1} = T a_t + c_{t+1} + K (y_t - d_t - Z a_t)``: a recurrent network whose
hidden state is the predicted state and which reads the last output and the inputs.

The smoother (de Jong 1989; Durbin and Koopman 2012, equation 4.44) is ``a_t + P r_{t-1}`` with
``r_{t-1} = Z' F^-1 v_t + L' r_t``, ``L = T - K Z``. Its errors v_t depend on the forward state, so
as it stands it is no bidirectional network, whose backward half reads data only. But by linearity
``r_{t-1} = q_t - M a_t``, where M = Z' F^-1 Z + L' M L is what later outputs tell about a
state, and q_t depends on the outputs and inputs from t on alone. With ``g_t = q_t - M c_t``::

    g_t = L' g_{t+1} + (Z' F^-1 - L' M K) (y_t - d_t) - M c_t
    E(h_t | all y) = (I - P M) a_t + P g_t + P M c_t

Nothing here needs a stationary model: L is stable where T has unit roots, too, and K may hold noise
that outputs and states share. g_t is computed for the combinations of states that P reaches only;
in the innovations form there are none, since the past tells the state and smoothing adds nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.bidirectional import BidirectionalNetwork, BidirectionalRun
from rnnstats.equivalence.forward import LinearNetwork, NetworkRun
from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.equivalence.steady import steady_state
from rnnstats.errors import NotStationaryError, SpecificationError
from rnnstats.kernels.system import StateSpace

__all__ = [
    "BidirectionalNetwork",
    "BidirectionalRun",
    "Intercepts",
    "LinearNetwork",
    "NetworkRun",
    "filter_network",
    "smoother_network",
]

FloatArray = NDArray[np.float64]

# A combination of states whose error has less than this share of what noise does to it is known
# from the past: this is the rounding of P.
KNOWN: Final = 1e-15


class Intercepts(NamedTuple):
    """The intercepts of a system as constant, trend in t = 1, 2, ... and inputs.

    ``c_t = state_const + state_trend t + state_exog x_t`` and
    ``d_t = obs_const + obs_trend t + obs_exog x_t``.

    Attributes
    ----------
    state_const, state_trend : ndarray, shape (n,)
    state_exog : ndarray, shape (n, k)
        ``k = 0`` where there are no inputs.
    obs_const, obs_trend : ndarray, shape (p,)
    obs_exog : ndarray, shape (p, k)
    """

    state_const: FloatArray
    state_trend: FloatArray
    state_exog: FloatArray
    obs_const: FloatArray
    obs_trend: FloatArray
    obs_exog: FloatArray


def filter_network(
    system: StateSpace,
    intercepts: Intercepts | None = None,
    *,
    endog_names: tuple[str, ...] | None = None,
    exog_names: tuple[str, ...] | None = None,
    state_names: tuple[str, ...] | None = None,
    caller: str = "filter_network",
) -> LinearNetwork:
    """Write the steady-state filter of a system as a recurrent network.

    Parameters
    ----------
    system : StateSpace
        Time-invariant but for its intercepts.
    intercepts : Intercepts, optional
        What the intercepts consist of; may be left out where they are constant.
    endog_names, exog_names, state_names : tuple of str, optional
        Names; y1, x1, h1, ... by default.
    caller : str
        Named at the front of error messages.

    Returns
    -------
    LinearNetwork

    Raises
    ------
    SpecificationError
        The filter never settles, its errors have a singular covariance, or intercepts vary and
        `intercepts` was not given.
    NotStationaryError
        A stationary start of a system that is not stationary.
    """
    parts = _constant(system, caller) if intercepts is None else intercepts
    gain = steady_state(system, caller=caller).gain
    closed = system.transition - gain @ system.design
    p, n, k = system.k_endog, system.k_states, parts.state_exog.shape[1]
    held = k if parts.obs_exog.any() else 0
    size = n + held
    W_h, W_x = np.zeros((size, size)), np.zeros((size, k))
    W_h[:n, :n], W_x[:n] = closed, parts.state_exog
    if held:
        W_h[:n, n:] = -gain @ parts.obs_exog
        W_x[n:] = np.eye(k)
    const = parts.state_const - gain @ (parts.obs_const - parts.obs_trend)
    trend = parts.state_trend - gain @ parts.obs_trend
    none = np.zeros(held)
    inputs = _names(exog_names, "x", k)
    states = _names(state_names, "h", n)
    return LinearNetwork(
        W_h=W_h,
        W_y=np.vstack([gain, np.zeros((held, p))]),
        W_x=W_x,
        b_h=np.concatenate([const, none]),
        b_h_trend=np.concatenate([trend, none]),
        V=np.hstack([system.design, np.zeros((p, held))]),
        D=np.array(parts.obs_exog),
        b_y=np.array(parts.obs_const),
        b_y_trend=np.array(parts.obs_trend),
        h0=np.concatenate([_start(system, caller), none]),
        first_step="none" if system.first_step == "none" else "step",
        k_states=n,
        endog_names=_names(endog_names, "y", p),
        exog_names=inputs,
        state_names=states + tuple(f"held[{name}]" for name in inputs[:held]),
    )


def smoother_network(
    system: StateSpace,
    intercepts: Intercepts | None = None,
    *,
    endog_names: tuple[str, ...] | None = None,
    exog_names: tuple[str, ...] | None = None,
    state_names: tuple[str, ...] | None = None,
    caller: str = "smoother_network",
) -> BidirectionalNetwork:
    """Write the steady-state smoother of a system as a bidirectional recurrent network.

    Parameters
    ----------
    system, intercepts, endog_names, exog_names, state_names, caller
        As for `filter_network`.

    Returns
    -------
    BidirectionalNetwork

    Raises
    ------
    SpecificationError, NotStationaryError
        As for `filter_network`.

    Notes
    -----
    With P = B S B' of rank r (S diagonal), L B = B A defines the (r, r) matrix A, since states that
    the past tells stay told. Then B' r_{t-1} = B' Z' F^-1 v_t + A' B' r_t closes, and M (r, n)
    solves M = B' Z' F^-1 Z + A' M L; the sum converges even where L has a root on the circle.
    """
    parts = _constant(system, caller) if intercepts is None else intercepts
    forward = filter_network(
        system,
        parts,
        endog_names=endog_names,
        exog_names=exog_names,
        state_names=state_names,
        caller=caller,
    )
    gain, cov, state_cov = steady_state(system, caller=caller)
    closed = system.transition - gain @ system.design
    n, size = system.k_states, forward.k_hidden
    basis, inverse, spread = _factored(system, state_cov)
    inner = inverse @ closed @ basis
    weighted = np.linalg.solve(cov, system.design @ basis).T
    told = _summed(inner.T, weighted @ system.design, closed)
    reads = weighted - inner.T @ told @ gain
    back = basis * spread
    ahead = back @ told
    return BidirectionalNetwork(
        forward=forward,
        W_h=inner.T,
        W_y=reads,
        W_x=-(reads @ parts.obs_exog + told @ parts.state_exog),
        b_h=-(reads @ parts.obs_const + told @ parts.state_const),
        b_h_trend=-(reads @ parts.obs_trend + told @ parts.state_trend),
        W_end=np.hstack([told, np.zeros((len(told), size - n))]),
        b_end=-told @ parts.state_const,
        b_end_trend=-told @ parts.state_trend,
        V_forward=np.hstack([np.eye(n) - ahead, np.zeros((n, size - n))]),
        V_backward=back,
        D=ahead @ parts.state_exog,
        b_y=ahead @ parts.state_const,
        b_y_trend=ahead @ parts.state_trend,
    )


def _summed(left: FloatArray, middle: FloatArray, right: FloatArray) -> FloatArray:
    """Sum of left^k middle right^k over k = 0, 1, ... by doubling (Smith 1968)."""
    total = middle
    for _ in range(64):
        step = left @ total @ right
        if not np.abs(step).max(initial=0.0) > 1e-18 * np.abs(total).max(initial=0.0):
            break
        total = total + step
        left, right = left @ left, right @ right
    return total


def _factored(system: StateSpace, cov: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """B (n, r), its left inverse (r, n) and s (r,) with cov = B diag(s) B', r the rank.

    A variance counts as none beside what the noise of as many steps as states adds up to.
    """
    loading = system.selection
    step = loading @ system.state_cov @ loading.T
    reach = np.array(step)
    for _ in range(system.k_states - 1):
        reach = system.transition @ reach @ system.transition.T + step
    sizes = np.maximum(np.diagonal(reach), np.diagonal(cov))
    scale = np.sqrt(np.where(sizes > 0.0, sizes, 1.0))
    values, vectors = np.linalg.eigh(cov / np.outer(scale, scale))
    kept = values > KNOWN
    chosen = vectors[:, kept]
    return scale[:, None] * chosen, chosen.T / scale, values[kept]


def _constant(system: StateSpace, caller: str) -> Intercepts:
    c, d = system.state_intercept, system.obs_intercept
    if c.ndim == 2 or d.ndim == 2:
        raise SpecificationError(
            f"{caller}: intercepts that vary must be given as constant, trend and inputs; got "
            f"{len(c if c.ndim == 2 else d)} rows. Give intercepts."
        )
    n, p = len(c), len(d)
    return Intercepts(c, np.zeros(n), np.zeros((n, 0)), d, np.zeros(p), np.zeros((p, 0)))


def _start(system: StateSpace, caller: str) -> FloatArray:
    """Mean of the start, as the filter has it."""
    if system.start == "given":
        return np.array(system.initial_mean, dtype=np.float64)
    if not spectral_radius(system.transition) < 1.0:
        raise NotStationaryError(
            f"{caller}: a stationary start needs all roots of the transition inside the unit "
            "circle; got one outside. Use a diffuse or known start."
        )
    c = system.state_intercept
    first = c[0] if c.ndim == 2 else c
    return np.linalg.solve(np.eye(system.k_states) - system.transition, first)


def _names(given: tuple[str, ...] | None, stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}{i + 1}" for i in range(count)) if given is None else tuple(given)
