"""How the law of the outputs moves with a state space model: Jacobians in the metric of the data.

The law of a Gaussian series consists of its mean and of its autocovariances; the latter are as good
as the impulse responses of the innovations with the innovations' covariance F. Let J stack, for one
direction of the model a column,

- ``vec(F^-1/2 A_j F^1/2)`` for lags j = 1, 2, ..., where A_j is the coefficient of the innovation
  of lag j in the change of the one-step-ahead error (responses, prewhitened),
- ``vec(F^-1/2 dF F^-T/2) / sqrt(2)``,
- ``F^-1/2 dv_t / sqrt(nobs)``, where dv_t is the change of the error of row t that comes from the
  mean: constants, trends, inputs, a start that is a parameter.

Then J'J is the expected information per row, as far as the filter has settled: J is its square
root, known to twice as many digits, and units of parameters or data change no rank.

References
----------
Rothenberg (1971), Identification in parametric models, Econometrica 39, 577-591. Harvey (1989),
equation 3.4.69 (information from first derivatives). Hannan and Deistler (1988), chapter 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.equivalence.riccati import (
    SteadyState,
    noise_moments,
    riccati,
    solve_stein,
    steady_slopes,
)
from rnnstats.equivalence.steady import EDGE, shares_noise
from rnnstats.errors import SpecificationError
from rnnstats.kernels.system import StateSpace, Tangents

__all__ = ["LawJacobian", "law_jacobian"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Lags after those that settle the rank (twice the number of states and one): responses of roots up
# to 0.97 have died out by then; beyond, a cut does no more than weigh directions.
LAGS: Final = 200
# Responses that grow beyond this multiple of the first ones (a root outside the circle) would drown
# the others, and are left out.
EXPLODED: Final = 1e3
# Rows over which a mean that does not vary is followed.
ROWS: Final = 400
CHUNK: Final = 1024


class LawJacobian(NamedTuple):
    """Derivatives of the outputs' law along directions of a model.

    Attributes
    ----------
    jacobian : ndarray, shape (q, k)
        J, with ``J'J`` the expected information per row unless a zero of the spectrum lies on the
        unit circle (a moving-average root of one).
    first_order : ndarray, shape (q2, k), or None
        There, the derivatives of mean and autocovariances. They are null in some directions that
        the responses and a likelihood's curvature do tell, as the law folds back on itself.
    from_responses : bool
        Whether J is about responses; False at a zero on the circle of a model that is not written
        in innovations, where J is `first_order` itself.
    """

    jacobian: FloatArray
    first_order: FloatArray | None
    from_responses: bool


class _Changes(NamedTuple):
    """Directions of a system: transition, design, state noise, shared noise, output noise."""

    transition: FloatArray
    design: FloatArray
    state_noise: FloatArray
    shared: FloatArray
    obs_noise: FloatArray


def law_jacobian(
    system: StateSpace, tangents: Tangents, seen: BoolArray, *, caller: str
) -> LawJacobian:
    """Differentiate the law of the outputs along directions of a model.

    Parameters
    ----------
    system : StateSpace
        Any noise structure, unit roots and diffuse starts included.
    tangents : Tangents
        k directions.
    seen : ndarray of bool, shape (nobs, k_endog)
        Which outputs are observed; matters for means and inputs.
    caller : str
        Named at the front of error messages.

    Returns
    -------
    LawJacobian

    Raises
    ------
    SpecificationError
        The model has no steady state, as with a zero of the spectrum and an autoregressive root on
        the unit circle at once, or its errors have a singular covariance.

    Notes
    -----
    Constants and trends that a diffuse start takes up (a mean beside a random walk) change nothing.
    """
    changes = _changes(system, tangents)
    steady, fold, own = _steady(system, changes, caller)
    root = _root(steady.innovation_cov, caller)
    rest = np.vstack(
        [
            _means(system, tangents, changes, steady, root, seen),
            _start_covariance(system, tangents, steady, root) / np.sqrt(len(seen)),
        ]
    )
    first_order = np.vstack([_autocovariances(system, changes, root), rest]) if fold else None
    if fold and own is None and first_order is not None:
        return LawJacobian(first_order, first_order, False)
    settled = steady if own is None else own
    noise = _responses(system, changes, settled, _root(settled.innovation_cov, caller))
    return LawJacobian(np.vstack([noise, rest]), first_order, True)


def _steady(
    system: StateSpace, changes: _Changes, caller: str
) -> tuple[SteadyState, bool, SteadyState | None]:
    """Steady state of the filter; whether a zero lies on the circle; the model's own innovations.

    At a zero on the circle of a stationary model the steady state is one of slower learning: any
    gain serves the means, and autocovariances need none.
    """
    transition, size = system.transition, system.k_states
    own = None
    if shares_noise(system):
        own = SteadyState(
            np.array(system.selection), np.array(system.obs_cov), np.zeros((size, size))
        )
        if spectral_radius(transition - own.gain @ system.design) < 1.0 - EDGE:
            return own, False, None
        own = own if _kept(system, changes) else None
    try:
        return riccati(system), False, None
    except SpecificationError as trouble:
        if spectral_radius(transition) < 1.0 - EDGE:
            return _slower(system), True, own
        if own is not None:
            return own, False, own
        text = str(trouble).removeprefix("riccati: ")
        raise SpecificationError(f"{caller}: {text}") from trouble


def _kept(system: StateSpace, changes: _Changes) -> bool:
    """Tell whether every direction leaves the output noise the state noise."""
    gain = system.selection
    mixed = gain @ changes.obs_noise
    rest = (
        changes.state_noise - changes.shared @ gain.T - np.swapaxes(changes.shared @ gain.T, 1, 2)
    )
    return bool(np.allclose(rest, -(mixed @ gain.T), rtol=1e-9, atol=1e-12 * np.abs(mixed).max()))


def _slower(system: StateSpace) -> SteadyState:
    state_noise, shared, obs_noise = noise_moments(system)
    cov = solve_stein(system.transition, state_noise)
    errors = system.design @ cov @ system.design.T + obs_noise
    gain = system.transition @ cov @ system.design.T + shared
    return SteadyState(0.5 * np.linalg.solve(errors, gain.T).T, errors, cov)


def _changes(system: StateSpace, tangents: Tangents) -> _Changes:
    R, Q, S = system.selection, system.state_cov, system.cross_cov
    dR, dQ, dS = tangents.selection, tangents.state_cov, tangents.cross_cov
    moved = dR @ (Q @ R.T)
    return _Changes(
        np.asarray(tangents.transition),
        np.asarray(tangents.design),
        moved + np.swapaxes(moved, 1, 2) + R @ dQ @ R.T,
        dR @ S + R @ dS,
        np.asarray(tangents.obs_cov),
    )


def _root(cov: FloatArray, caller: str) -> FloatArray:
    """Inverse of the Cholesky factor of the errors' covariance."""
    try:
        factor = np.linalg.cholesky(cov)
    except np.linalg.LinAlgError:
        factor = np.zeros_like(cov)
    scale = np.sqrt(np.maximum(np.diagonal(cov), 1e-300))
    if not (np.diagonal(factor) > 1e-7 * scale).all():
        raise SpecificationError(
            f"{caller}: the one-step-ahead errors must have a covariance of full rank; got a "
            "singular one. Leave out an output that the others determine, or add output noise."
        )
    return np.linalg.inv(factor)


def _flat(stack: FloatArray) -> FloatArray:
    """One column a direction: (k, p, p) to (p * p, k)."""
    return stack.reshape(len(stack), stack.shape[1] * stack.shape[2]).T


def _responses(
    system: StateSpace, changes: _Changes, steady: SteadyState, root: FloatArray
) -> FloatArray:
    T, Z, gain = system.transition, system.design, steady.gain
    closed = T - gain @ Z
    d_gain, d_cov = steady_slopes(system, steady, changes)
    factor = np.linalg.inv(root)
    rows = [_flat(root @ d_cov @ root.T) / np.sqrt(2.0)]
    turned = changes.transition - gain @ changes.design
    reach, moved = gain, d_gain
    settled = 2 * system.k_states + 1
    largest = 0.0
    for lag in range(1, settled + LAGS):
        block = _flat(root @ (changes.design @ reach + Z @ moved) @ factor)
        size = float(np.abs(block).max(initial=0.0))
        if lag > settled and not 1e-14 * largest < size < EXPLODED * largest:
            break
        rows.append(block)
        largest = max(largest, size) if lag <= settled else largest
        moved = closed @ moved + turned @ reach
        reach = T @ reach
    return np.vstack(rows)


def _autocovariances(system: StateSpace, changes: _Changes, root: FloatArray) -> FloatArray:
    """Derivatives of the autocovariances in units of the outputs' variance."""
    T, Z = system.transition, system.design
    state_noise, shared, _ = noise_moments(system)
    cov = solve_stein(T, state_noise)
    moved = changes.transition @ (cov @ T.T)
    d_cov = solve_stein(T, changes.state_noise + moved + np.swapaxes(moved, 1, 2))
    seen = changes.design @ (cov @ Z.T)
    rows = [
        _flat(
            root @ (seen + np.swapaxes(seen, 1, 2) + Z @ d_cov @ Z.T + changes.obs_noise) @ root.T
        )
    ]
    reach = T @ cov @ Z.T + shared
    d_reach = (
        changes.transition @ (cov @ Z.T)
        + T @ d_cov @ Z.T
        + T @ cov @ np.swapaxes(changes.design, 1, 2)
        + changes.shared
    )
    for _ in range(2 * system.k_states + 1):
        rows.append(_flat(root @ (changes.design @ reach + Z @ d_reach) @ root.T))
        d_reach = T @ d_reach + changes.transition @ reach
        reach = T @ reach
    return np.vstack(rows)


class _Path(NamedTuple):
    """A mean state and its changes."""

    state: FloatArray
    change: FloatArray


def _means(
    system: StateSpace,
    tangents: Tangents,
    changes: _Changes,
    steady: SteadyState,
    root: FloatArray,
    seen: BoolArray,
) -> FloatArray:
    """Changes of the mean of each row's error, those that a diffuse start takes up left out."""
    k, m = len(tangents), system.k_states
    arrays = (system.state_intercept, system.obs_intercept)
    moving = (tangents.state_intercept, tangents.obs_intercept)
    parts = (*arrays, *moving, system.initial_mean, tangents.initial_mean)
    if not any(np.any(part) for part in parts):
        return np.zeros((0, k))
    varies = any(part.ndim == 2 for part in arrays) or any(part.ndim == 3 for part in moving)
    rows = len(seen) if varies else min(len(seen), ROWS)
    c = _by_row(system.state_intercept, 1)
    dc, dd = (_by_row(part, 2) for part in moving)
    path = _first_mean(system, tangents, changes, c(0), dc(0))
    diffuse = np.eye(m)[np.asarray(system.initial_diffuse) > 0.0]
    nuisance = diffuse if system.first_step == "none" else diffuse @ system.transition.T
    change = np.vstack([path.change, nuisance])
    blocks, kept = [], np.zeros((0, len(change)))
    state, turn = path.state, _gains(steady, root)
    for t in range(rows):
        gain, white, live = turn(seen[t])
        wrong = -(change @ system.design.T)
        wrong[:k] -= changes.design @ state + dd(t)
        blocks.append(white @ wrong.T[live])
        if len(blocks) == CHUNK:
            kept = np.asarray(np.linalg.qr(np.vstack([kept, *blocks]), mode="r"))
            blocks = []
        if t + 1 < rows:
            change = change @ system.transition.T + wrong[:, live] @ gain.T
            change[:k] += changes.transition @ state + dc(t + 1)
            state = system.transition @ state + c(t + 1)
    table = np.vstack([kept, *blocks]) / np.sqrt(rows)
    return _without(table[:, :k], table[:, k:])


def _by_row(part: FloatArray, ndim: int) -> Callable[[int], FloatArray]:
    """Give the row of an intercept, or of its directions; constant ones are the same each row."""
    if part.ndim == ndim:
        return lambda t: part
    return (lambda t: part[t]) if ndim == 1 else (lambda t: part[:, t])


def _gains(
    steady: SteadyState, root: FloatArray
) -> Callable[[BoolArray], tuple[FloatArray, FloatArray, BoolArray]]:
    """Gain, whitening and places for each pattern of observed outputs."""
    cross = steady.gain @ steady.innovation_cov
    every = np.ones(len(root), dtype=bool)
    known = {every.tobytes(): (steady.gain, root, every)}

    def of(live: BoolArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        key = live.tobytes()
        if key not in known:
            part = steady.innovation_cov[np.ix_(live, live)]
            gain, white = cross[:, live], part
            if live.any():
                gain = np.asarray(np.linalg.solve(part, gain.T).T, dtype=np.float64)
                white = np.asarray(np.linalg.inv(np.linalg.cholesky(part)), dtype=np.float64)
            known[key] = (gain, white, live)
        return known[key]

    return of


def _first_mean(
    system: StateSpace, tangents: Tangents, changes: _Changes, c: FloatArray, dc: FloatArray
) -> _Path:
    """Mean of the state of row 1 and its changes."""
    T = system.transition
    if system.start == "stationary":
        inverse = np.linalg.inv(np.eye(system.k_states) - T)
        state = inverse @ c
        return _Path(state, (changes.transition @ state + dc) @ inverse.T)
    state, moved = system.initial_mean, tangents.initial_mean
    if system.first_step == "none":
        return _Path(np.array(state), np.array(moved))
    return _Path(T @ state + c, moved @ T.T + changes.transition @ state + dc)


def _without(table: FloatArray, nuisance: FloatArray) -> FloatArray:
    """Leave out what a combination of the nuisance columns does as well."""
    sizes = np.linalg.norm(nuisance, axis=0)
    columns = nuisance[:, sizes > 0.0] / sizes[sizes > 0.0]
    if not columns.size:
        return table
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, values > 1e-10 * values[0]]
    table = table - basis @ (basis.T @ table)
    out: FloatArray = table - basis @ (basis.T @ table)
    return out


def _start_covariance(
    system: StateSpace, tangents: Tangents, steady: SteadyState, root: FloatArray
) -> FloatArray:
    """What parameters of the start's covariance do to the errors of the first rows."""
    change = tangents.initial_cov
    if system.start != "given" or not change.any():
        return np.zeros((0, len(tangents)))
    if system.first_step != "none":
        change = system.transition @ change @ system.transition.T
    closed = system.transition - steady.gain @ system.design
    looks, look = [], root @ system.design
    for _ in range(system.k_states):
        looks.append(look)
        look = look @ closed
    seen = np.vstack(looks)
    out: FloatArray = _flat(seen @ change @ seen.T) / np.sqrt(2.0)
    return out
