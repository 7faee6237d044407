"""Steady state of the filter for any noise structure, and the spectral factor that it gives.

References
----------
Anderson, B. D. O. and Moore, J. B. (1979), Optimal Filtering, Prentice-Hall, sec. 4.4 and 9.4.
de Souza, C. E., Gevers, M. R. and Goodwin, G. C. (1986), Riccati equations in optimal filtering of
nonstabilizable systems having singular state transition matrices, IEEE Trans. Autom. Control 31,
831-838.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.equivalence.systems import InnovationsSystem, innovations_system
from rnnstats.errors import SpecificationError
from rnnstats.kernels.stein import doubled
from rnnstats.kernels.system import StateSpace

__all__ = [
    "SpectralFactor",
    "SteadyState",
    "hidden_roots",
    "noise_moments",
    "riccati",
    "solve_stein",
    "spectral_factor",
    "steady_slopes",
]

FloatArray = NDArray[np.float64]

# A root this near the unit circle counts as lying on it: the Riccati equation's solution there is
# good to the square root of machine precision only.
ON_CIRCLE = 1e-7
# Part of the state that no noise reaches: singular values below this share are rounding.
REACH = 1e-10


class SteadyState(NamedTuple):
    """Steady state of the one-step-ahead filter.

    Attributes
    ----------
    gain : ndarray, shape (n, p)
        Predictor form: ``h_{t+1|t} = W_h h_{t|t-1} + gain e_t`` (inputs left aside).
    innovation_cov : ndarray, shape (p, p)
        Covariance of the one-step-ahead errors e_t.
    state_cov : ndarray, shape (n, n)
        Covariance of the state's error given the outputs before it.
    """

    gain: FloatArray
    innovation_cov: FloatArray
    state_cov: FloatArray


class SpectralFactor(NamedTuple):
    """Innovations form with the autocovariances of a state space model.

    Attributes
    ----------
    system : InnovationsSystem
        In the coordinates of the state space model.
    innovation_cov : ndarray, shape (p, p)
    """

    system: InnovationsSystem
    innovation_cov: FloatArray


def noise_moments(system: StateSpace) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Covariances of the step into t + 1 and of output t: (Q, S, H), all in state and output units.

    Parameters
    ----------
    system : StateSpace

    Returns
    -------
    state_noise : ndarray, shape (n, n)
        ``selection state_cov selection'``.
    shared : ndarray, shape (n, p)
        ``selection cross_cov``.
    obs_noise : ndarray, shape (p, p)
    """
    r = system.selection
    return r @ system.state_cov @ r.T, r @ system.cross_cov, np.array(system.obs_cov)


def solve_stein(transition: ArrayLike, source: ArrayLike) -> NDArray[Any]:
    """Solve ``P = A P A' + Q`` for stable A by doubling.

    Parameters
    ----------
    transition : array_like, shape (n, n)
        A, all eigenvalues inside the unit circle.
    source : array_like, shape (..., n, n)
        Q, one or several.

    Returns
    -------
    ndarray, shape (..., n, n)

    Raises
    ------
    SpecificationError
        A root is on or outside the circle.
    """
    a = np.asarray(transition)
    radius = float(np.abs(np.linalg.eigvals(a)).max(initial=0.0)) if a.size else 0.0
    if not radius < 1.0:
        raise SpecificationError(
            "solve_stein: every root of the transition must lie inside the unit circle; got "
            f"modulus {radius:.10g}. There is no stationary covariance."
        )
    return doubled(a, np.asarray(source))


def riccati(system: StateSpace) -> SteadyState:
    """Steady state of the one-step-ahead filter of a time-invariant model.

    Parameters
    ----------
    system : StateSpace
        With any noise: independent, shared by output and state, singular; unit roots allowed.
        Intercepts and the start are not used.

    Returns
    -------
    SteadyState
        The stabilising solution of ``P = A P A' + Q - K F K'`` with ``K = (A P C' + S) F^-1`` and
        ``F = C P C' + H``. A root of W_h on the unit circle that no noise moves is known in the
        limit and has gain zero.

    Raises
    ------
    SpecificationError
        No steady state: a root on or outside the circle that no output shows, or a root of
        ``W_h - gain V`` on the circle (such as a moving-average root of one), or innovations with
        a singular covariance.

    Notes
    -----
    The equation is solved by the ordered QZ decomposition of its extended pencil (which needs no
    inverse of H) and polished by Kleinman's iteration, each step of which is a Stein equation.
    """
    n = system.k_states
    a, c, (state_noise, shared, obs_noise), states, outputs = _in_units(system)
    basis, live = _moved_part(a, state_noise)
    if live < n:
        turn = basis.T
        cov = np.zeros((n, n))
        inner = _solve(
            (turn @ a @ basis)[:live, :live],
            (c @ basis)[:, :live],
            (turn @ state_noise @ basis)[:live, :live],
            (turn @ shared)[:live],
            obs_noise,
        )
        cov[:live, :live] = inner
        cov = basis @ cov @ turn
    else:
        cov = _solve(a, c, state_noise, shared, obs_noise)
    errors = c @ cov @ c.T + obs_noise
    gain = _gain(a, c, cov, shared, errors) * np.divide.outer(states, outputs)
    errors, cov = errors * np.outer(outputs, outputs), cov * np.outer(states, states)
    return SteadyState(gain, 0.5 * (errors + errors.T), 0.5 * (cov + cov.T))


def _in_units(
    system: StateSpace,
) -> tuple[
    FloatArray, FloatArray, tuple[FloatArray, FloatArray, FloatArray], FloatArray, FloatArray
]:
    """Transition, design and noises in units of the noise, and these units of states and outputs.

    A state is measured by what the noise of as many steps as states does to it, an output by what
    that shows in it. Units are powers of two: nothing is rounded.
    """
    a, c = np.array(system.transition), np.array(system.design)
    state_noise, shared, obs_noise = noise_moments(system)
    reach = state_noise
    for _ in range(len(a) - 1):
        reach = a @ reach @ a.T + state_noise
    states = _power_of_two(np.diagonal(reach))
    outputs = _power_of_two(np.diagonal(c @ reach @ c.T + obs_noise))
    noises = (
        state_noise / np.outer(states, states),
        shared / np.outer(states, outputs),
        obs_noise / np.outer(outputs, outputs),
    )
    turned = a * np.divide.outer(1.0 / states, 1.0 / states)
    return turned, c * np.divide.outer(states, outputs).T, noises, states, outputs


def _power_of_two(variances: FloatArray) -> FloatArray:
    """Standard deviations to the nearest power of two; one where there is none."""
    sizes = np.sqrt(np.where(variances > 0.0, variances, 1.0))
    return np.asarray(np.exp2(np.round(np.log2(sizes))), dtype=np.float64)


def _moved_part(a: FloatArray, state_noise: FloatArray) -> tuple[FloatArray, int]:
    """Orthogonal basis whose first columns span all but the roots on the circle without noise."""
    n = len(a)
    values, vectors = np.linalg.eigh(0.5 * (state_noise + state_noise.T))
    used = values > 1e-14 * max(float(values.max(initial=0.0)), 1e-300)
    drive = vectors[:, used] * np.sqrt(values[used])
    radius = spectral_radius(a)
    shrunk = a * min(1.0, 0.95 / radius) if radius > 0.0 else a
    blocks, block = [], drive
    for _ in range(n):
        blocks.append(block)
        block = shrunk @ block
    left, sizes, _ = np.linalg.svd(np.hstack(blocks) if drive.size else np.zeros((n, 1)))
    top = float(sizes.max(initial=0.0))
    reached = int(np.count_nonzero(sizes > REACH * top)) if top > 0.0 else 0
    if reached == n:
        return np.eye(n), n
    rest = (left.T @ a @ left)[reached:, reached:]
    _, turn, still = _split(rest, lambda root: abs(abs(root) - 1.0) > ON_CIRCLE)
    basis = left.copy()
    basis[:, reached:] = left[:, reached:] @ turn
    return basis, reached + int(still)


def _split(
    matrix: FloatArray, first: Callable[[complex], bool]
) -> tuple[FloatArray, FloatArray, int]:
    """Real Schur form with chosen roots first: form, basis, and how many those are."""

    def chosen(real: float, imag: float) -> bool:
        return first(complex(real, imag))

    form, basis, count = scipy.linalg.schur(matrix, output="real", sort=chosen)
    return form, basis, int(count)


def _gain(
    a: FloatArray, c: FloatArray, cov: FloatArray, shared: FloatArray, errors: FloatArray
) -> FloatArray:
    scale = np.sqrt(np.maximum(np.diagonal(errors), 1e-300))
    values = np.linalg.eigvalsh(0.5 * (errors + errors.T) / np.outer(scale, scale))
    if not values[0] > 1e-13:
        raise SpecificationError(
            "riccati: the innovations must have a covariance of full rank; got a smallest "
            f"eigenvalue of {values[0]:.2g} in correlation units. Some combination of the outputs "
            "is forecast without error: add noise to it or leave an output out."
        )
    out = np.linalg.solve(errors, (a @ cov @ c.T + shared).T).T
    return np.asarray(out, dtype=np.float64)


def _solve(
    a: FloatArray,
    c: FloatArray,
    state_noise: FloatArray,
    shared: FloatArray,
    obs_noise: FloatArray,
) -> FloatArray:
    """Stabilising solution, checked."""
    n = len(a)
    if n == 0:
        return np.zeros((0, 0))
    _check_seen(a, c)
    # units: the equation is solved with noises of about one
    unit = np.sqrt(max(float(np.abs(obs_noise).max()), float(np.abs(c @ state_noise @ c.T).max())))
    unit = unit if unit > 0.0 else 1.0
    joint = np.block([[state_noise, shared], [shared.T, obs_noise]]) / unit**2
    q, s, r = joint[:n, :n], joint[:n, n:], joint[n:, n:]
    try:
        found = scipy.linalg.solve_discrete_are(a.T, c.T, 0.5 * (q + q.T), 0.5 * (r + r.T), s=s)
    except (np.linalg.LinAlgError, ValueError) as trouble:
        raise SpecificationError(_no_solution(a, c, q, s, r)) from trouble
    cov: FloatArray = np.asarray(found, dtype=np.float64)
    for _ in range(12):
        errors = c @ cov @ c.T + r
        gain = _gain(a, c, cov, s, errors)
        closed = a - gain @ c
        if not spectral_radius(closed) < 1.0 - ON_CIRCLE:
            raise SpecificationError(_no_solution(a, c, q, s, r))
        mix = np.hstack([np.eye(n), -gain])
        new = solve_stein(closed, mix @ joint @ mix.T)
        new = 0.5 * (new + new.T)
        change = float(np.abs(new - cov).max())
        cov = new
        if change <= 1e-15 * max(float(np.abs(new).max()), float(np.abs(r).max())):
            break
    return cov * unit**2


def hidden_roots(a: FloatArray, c: FloatArray) -> list[complex]:
    """Roots on or outside the unit circle that no output shows.

    Parameters
    ----------
    a : ndarray, shape (n, n)
    c : ndarray, shape (p, n)

    Returns
    -------
    list of complex
        By the rank test of Popov, Belevitch and Hautus, so that of a repeated root that shows once
        the second is hidden.
    """
    sizes = np.linalg.norm(c, axis=1, keepdims=True)
    shown = c / np.where(sizes > 0.0, sizes, 1.0)  # whatever the units of the outputs
    found = []
    for root in np.linalg.eigvals(a):
        if abs(root) < 1.0 - ON_CIRCLE:
            continue
        rows = np.vstack([a - root * np.eye(len(a)), shown])
        if np.linalg.svd(rows, compute_uv=False)[-1] <= 1e-12:
            found.append(complex(root))
    return found


def _check_seen(a: FloatArray, c: FloatArray) -> None:
    """Refuse roots on or outside the circle that no output shows."""
    for root in hidden_roots(a, c):
        raise SpecificationError(
            "riccati: a root of W_h on or outside the unit circle must show in an output; got "
            f"the root {_shown(root)} in none. Leave that state out (minimal_realisation)."
        )


def _no_solution(a: FloatArray, c: FloatArray, q: FloatArray, s: FloatArray, r: FloatArray) -> str:
    n, p = len(a), len(c)
    left = np.block(
        [
            [a.T, np.zeros((n, n)), c.T],
            [-q, np.eye(n), -s],
            [s.T, np.zeros((p, n)), r],
        ]
    )
    right = np.zeros((2 * n + p, 2 * n + p))
    right[:n, :n] = np.eye(n)
    right[n : 2 * n, n : 2 * n] = a
    right[2 * n :, n : 2 * n] = -c
    roots = scipy.linalg.eigvals(left, right)
    roots = roots[np.isfinite(roots)]
    near = roots[np.argmin(np.abs(np.abs(roots) - 1.0))] if roots.size else np.inf
    if abs(abs(near) - 1.0) > 1e-2:
        return (
            "riccati: the innovations must have a covariance of full rank; got a pencil without a "
            "stable part, as where some combination of the outputs is forecast without error. Add "
            "noise to it or leave an output out."
        )
    return (
        "riccati: the filter must settle, with every root of W_h - gain V inside the unit circle; "
        f"got the root {_shown(complex(near))} of modulus {abs(near):.8g}, a zero of the spectrum. "
        "The series looks over-differenced, or a variance is zero: model it in levels, or leave "
        "the state out."
    )


def _shown(root: complex) -> str:
    if abs(root.imag) <= 1e-9 * max(abs(root), 1e-300):
        return f"{root.real:.6g}"
    return f"{root.real:.6g}{root.imag:+.6g}i"


def spectral_factor(
    system: StateSpace, inputs: ArrayLike | None = None, direct: ArrayLike | None = None
) -> SpectralFactor:
    """Return the innovations form of a state space model: the factor of its spectrum.

    Parameters
    ----------
    system : StateSpace
    inputs : array_like, shape (n, k), optional
        W_x, kept as it is.
    direct : array_like, shape (p, k), optional
        D, kept as it is.

    Returns
    -------
    SpectralFactor
        ``Psi(z) Sigma Psi(1/z)'`` with ``Psi(z) = I + C (I - A z)^-1 K z`` is the spectrum; Psi has
        no zero outside the unit circle.

    Raises
    ------
    SpecificationError
        No steady state, see `riccati`.
    """
    gain, errors, _ = riccati(system)
    form = innovations_system(system.transition, system.design, gain, inputs, direct)
    return SpectralFactor(form, errors)


def steady_slopes(
    system: StateSpace,
    steady: SteadyState,
    changes: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of gain and innovation covariance along changes of the model.

    Parameters
    ----------
    system : StateSpace
    steady : SteadyState
        What `riccati` gave for it.
    changes : tuple of ndarray
        Directions of transition (k, n, n), design (k, p, n), state noise (k, n, n), shared noise
        (k, n, p) and output noise (k, p, p), the noises as in `noise_moments`.

    Returns
    -------
    gain : ndarray, shape (k, n, p)
    innovation_cov : ndarray, shape (k, p, p)

    Notes
    -----
    P is stationary in K, so that dP solves a Stein equation in ``A - K C`` whose source is linear
    in the changes.
    """
    d_a, d_c, d_q, d_s, d_r = changes
    a, c = system.transition, system.design
    gain, errors, cov = steady

    def flip(stack: FloatArray) -> FloatArray:
        return np.swapaxes(stack, -1, -2)

    closed = a - gain @ c
    moved = (d_a - gain @ d_c) @ cov @ closed.T
    mixed = d_s @ gain.T
    source = moved + flip(moved) + d_q - mixed - flip(mixed) + gain @ d_r @ gain.T
    d_cov = _solve_stein_with_circle(closed, source)
    seen = d_c @ cov @ c.T
    d_errors = seen + flip(seen) + c @ d_cov @ c.T + d_r
    cross = d_a @ cov @ c.T + a @ d_cov @ c.T + a @ cov @ flip(d_c) + d_s
    turned = np.linalg.solve(errors, flip(cross - gain @ d_errors))
    return flip(np.asarray(turned, dtype=np.float64)), d_errors


def _solve_stein_with_circle(closed: FloatArray, source: FloatArray) -> FloatArray:
    """Solve dP = Ac dP Ac' + W where a part without noise may keep roots on the circle."""
    if spectral_radius(closed) < 1.0 - ON_CIRCLE:
        return solve_stein(closed, source)
    n = len(closed)
    form, turn, live = _split(closed, lambda root: abs(root) < 1.0 - ON_CIRCLE)
    out = np.zeros_like(source)
    inner = (turn.T @ source @ turn)[:, :live, :live]
    out[:, :live, :live] = solve_stein(form[:live, :live], inner)
    # what no noise reaches stays known: the error's covariance is confined to the rest
    whole: FloatArray = turn @ out @ turn.T if n else out
    return whole
