"""Linear systems by frequency: response, group delay, spectrum, cut-offs, periodogram.

For ``s_{t+1} = A s_t + G u_t``, ``y_t = C s_t + J u_t`` and ``z = e^{-i w}`` the response of the
outputs to inputs that swing with w radians per row is ``H(w) = J + z C (I - z A)^{-1} G``.
Everything here takes and returns arrays; derivatives by parameters are exact given those of the
matrices.

References
----------
Brockwell and Davis (1991), Time Series: Theory and Methods, sections 4.4, 10.1 and 11.6;
Oppenheim and Schafer (2010), Discrete-Time Signal Processing, sections 5.1 and 5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

__all__ = [
    "Corner",
    "Corners",
    "Response",
    "Slopes",
    "corners",
    "curves",
    "curve_slopes",
    "grid",
    "near_pole",
    "periodogram",
    "response",
    "response_slopes",
    "smoothed",
    "spectrum",
    "spectrum_slopes",
    "stationary_variance",
    "unstable",
]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Parts = tuple[FloatArray, ...]

# A frequency within this distance of a root on the unit circle has no finite response.
POLE = 1e-9
HALF = 0.5 * np.log(2.0)
# A response below this share of the terms that it is the sum of is rounding of zero.
ROUNDING = 32.0 * float(np.finfo(np.float64).eps)
# Points of the grid from 0 to pi: at least, and where roots lie near the unit circle at most.
COARSE, FINE = 512, 4096
# Points on which corners are looked for before they are found exactly.
SEARCH = 2048


class Response(NamedTuple):
    """Response at F frequencies and what its derivatives are made of.

    Attributes
    ----------
    value : ndarray, shape (F, p, q)
        H(w).
    slope : ndarray, shape (F, p, q)
        dH / dw.
    turn : ndarray, shape (F,)
        z = e^{-i w}.
    right, right2 : ndarray, shape (F, m, q)
        R G and R R G with R = (I - z A)^-1.
    left, left2 : ndarray, shape (F, p, m)
        C R and C R R.
    """

    value: ComplexArray
    slope: ComplexArray
    turn: ComplexArray
    right: ComplexArray
    right2: ComplexArray
    left: ComplexArray
    left2: ComplexArray


class Slopes(NamedTuple):
    """Derivatives of A, G, C, J, shock covariance and other noise by K parameters, (..., K)."""

    transition: FloatArray
    loading: FloatArray
    design: FloatArray
    direct: FloatArray
    cov: FloatArray
    noise: FloatArray


class Corner(NamedTuple):
    """A frequency in radians per row; NaN where there is none."""

    place: float
    inside: bool


class Corners(NamedTuple):
    """Peak of a gain and the frequencies around it at which it has fallen by 3 dB.

    Attributes
    ----------
    peak, lower, upper : Corner
    kind : str
        Which frequencies pass, that is, with a gain no more than 3 dB below the peak: "low-pass"
        (0 does, pi does not), "high-pass", "band-pass" (neither), "band-stop" (both, not all
        between), "all-pass"; "integrating" where the gain at 0 is infinite, "resonant" where
        it is so elsewhere; "unstable" where a root lies outside the unit circle, so that no
        response is stationary; "none" where it is zero everywhere.
    """

    peak: Corner
    lower: Corner
    upper: Corner
    kind: str


def near_pole(transition: FloatArray, frequencies: FloatArray) -> NDArray[np.bool_]:
    """Tell at which frequencies a root on the unit circle makes the response infinite.

    Parameters
    ----------
    transition : ndarray, shape (m, m)
    frequencies : ndarray, shape (F,)

    Returns
    -------
    ndarray of bool, shape (F,)
    """
    roots = np.linalg.eigvals(transition)
    gap = np.abs(np.exp(1j * frequencies)[:, None] - roots[None, :])
    return np.asarray(gap.min(axis=1, initial=np.inf) <= POLE)


def unstable(transition: FloatArray) -> bool:
    """Tell whether a root outside the unit circle keeps every response from settling.

    Parameters
    ----------
    transition : ndarray, shape (m, m)

    Returns
    -------
    bool
    """
    roots = np.linalg.eigvals(transition)
    return bool(np.abs(roots).max(initial=0.0) > 1.0 + POLE)


def response(parts: Parts, frequencies: FloatArray) -> Response:
    """Response of a system.

    Parameters
    ----------
    parts : tuple of ndarray
        A, G, C, J first.
    frequencies : ndarray, shape (F,)
        Radians per row, none near a root on the unit circle.

    Returns
    -------
    Response
    """
    a, g, c, j = parts[:4]
    turn = _turn(frequencies)
    matrix: Any = np.eye(len(a)) - turn[:, None, None] * a
    right: Any = np.linalg.solve(matrix, np.broadcast_to(g, (len(turn), *g.shape)))
    right2: Any = np.linalg.solve(matrix, right)
    across = matrix.swapaxes(1, 2)
    left: Any = np.linalg.solve(across, np.broadcast_to(c.T, (len(turn), *c.T.shape)))
    left2: Any = np.linalg.solve(across, left).swapaxes(1, 2)
    z = turn[:, None, None]
    value = _cleared(j + z * (c @ right), np.abs(j) + np.abs(c) @ np.abs(right))
    slope = -1j * z * (c @ right2)
    return Response(value, slope, turn, right, right2, left.swapaxes(1, 2), left2)


def _cleared(value: ComplexArray, terms: FloatArray) -> ComplexArray:
    """Zeros where terms of this size cancel to rounding."""
    return np.asarray(np.where(np.abs(value) <= ROUNDING * terms, 0.0, value))


def _turn(frequencies: FloatArray) -> ComplexArray:
    """e^{-i w}, real at pi."""
    sine = np.sin(frequencies)
    found = np.cos(frequencies) - 1j * np.where(np.abs(sine) < 1e-15, 0.0, sine)
    return np.asarray(found, dtype=np.complex128)


def response_slopes(found: Response, slopes: Slopes) -> tuple[ComplexArray, ComplexArray]:
    """Derivatives of a response, and of its derivative by frequency, by parameters.

    Parameters
    ----------
    found : Response
    slopes : Slopes

    Returns
    -------
    tuple of ndarray, each of shape (F, p, q, K)

    Notes
    -----
    With R = (I - z A)^-1: dR = z R dA R.
    """
    z = found.turn[:, None, None, None]
    through = np.einsum("fpm,mnk->fpnk", found.left, slopes.transition)
    through2 = np.einsum("fpm,mnk->fpnk", found.left2, slopes.transition)

    def read(state: ComplexArray) -> ComplexArray:
        return np.asarray(np.einsum("pmk,fmq->fpqk", slopes.design, state))

    def fed(row: ComplexArray) -> ComplexArray:
        return np.asarray(np.einsum("fpm,mqk->fpqk", row, slopes.loading))

    moved = np.einsum("fpnk,fnq->fpqk", through, found.right)
    value = slopes.direct + z * (read(found.right) + fed(found.left) + z * moved)
    twice = np.einsum("fpnk,fnq->fpqk", through, found.right2)
    twice = twice + np.einsum("fpnk,fnq->fpqk", through2, found.right)
    slope = -1j * z * (read(found.right2) + fed(found.left2) + z * twice)
    return np.asarray(value), np.asarray(slope)


def curves(found: Response) -> FloatArray:
    """Log gain, phase in (-pi, pi], group delay in rows, and slope of the log gain.

    Parameters
    ----------
    found : Response

    Returns
    -------
    ndarray, shape (4, F, p, q)
        Of a response of exactly zero -inf and NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.abs(found.value)
        relative = np.where(size > 0.0, found.slope / found.value, complex(np.nan, np.nan))
        phase = np.where(size > 0.0, np.angle(found.value), np.nan)
        return np.stack([np.log(size), phase, -relative.imag, relative.real])


def curve_slopes(found: Response, slopes: Slopes) -> FloatArray:
    """Derivatives of `curves` by parameters.

    Parameters
    ----------
    found : Response
    slopes : Slopes

    Returns
    -------
    ndarray, shape (4, F, p, q, K)
    """
    value, slope = response_slopes(found, slopes)
    with np.errstate(divide="ignore", invalid="ignore"):
        here = np.where(found.value == 0.0, np.nan, found.value)[..., None]
        first = value / here
        second = slope / here - found.slope[..., None] * value / here**2
    return np.stack([first.real, first.imag, -second.imag, second.real])


def spectrum(found: Response, cov: FloatArray, noise: FloatArray) -> FloatArray:
    """Spectral densities of the outputs, per radian and row.

    Parameters
    ----------
    found : Response
    cov : ndarray, shape (k, k)
        Of the shocks, the first k inputs.
    noise : ndarray, shape (p, p)
        Of what else is in the outputs.

    Returns
    -------
    ndarray, shape (F, p)
        Integrals from -pi to pi are the variances (Brockwell and Davis 1991, eq. 11.6.6).
    """
    h = found.value[:, :, : len(cov)]
    power = np.einsum("fpa,ab,fpb->fp", h, cov, h.conj()).real + np.diagonal(noise)
    return np.asarray(power / (2.0 * np.pi))


def spectrum_slopes(found: Response, cov: FloatArray, slopes: Slopes) -> FloatArray:
    """Derivatives of `spectrum` by parameters.

    Parameters
    ----------
    found : Response
    cov : ndarray, shape (k, k)
    slopes : Slopes

    Returns
    -------
    ndarray, shape (F, p, K)
    """
    value, _ = response_slopes(found, slopes)
    h = found.value[:, :, : len(cov)]
    weighted = (h @ cov).conj()
    moved = 2.0 * np.einsum("fpak,fpa->fpk", value[:, :, : len(cov)], weighted).real
    sized = np.einsum("fpa,abk,fpb->fpk", h, slopes.cov, h.conj()).real
    own = np.einsum("ppk->pk", slopes.noise)
    return np.asarray((moved + sized + own) / (2.0 * np.pi))


def stationary_variance(parts: Parts) -> FloatArray:
    """Variances of the outputs of a stable system.

    Parameters
    ----------
    parts : tuple of ndarray
        A, G, C, J, covariance of the shocks, other noise.

    Returns
    -------
    ndarray, shape (p,)
        From the state's covariance P = A P A' + G Q G'; infinite outside stability.
    """
    a, g, c, j, cov, noise = parts
    k = len(cov)
    if not np.abs(np.linalg.eigvals(a)).max(initial=0.0) < 1.0:
        return np.full(len(c), np.inf)
    fed, now = g[:, :k], j[:, :k]
    state = linalg.solve_discrete_lyapunov(a, fed @ cov @ fed.T) if len(a) else np.zeros((0, 0))
    return np.asarray(np.diagonal(c @ state @ c.T + now @ cov @ now.T + noise).copy())


def grid(transition: FloatArray) -> FloatArray:
    """Equally spaced frequencies from 0 to pi, fine enough for the sharpest peak.

    Parameters
    ----------
    transition : ndarray, shape (m, m)

    Returns
    -------
    ndarray, shape (F,)
        513 to 4097 of them.
    """
    modulus = np.abs(np.linalg.eigvals(transition))
    inside = modulus[modulus < 1.0 - POLE]
    width = 1.0 - inside.max(initial=0.0)
    wanted = 2 ** int(np.ceil(np.log2(8.0 * np.pi / width)))
    return np.linspace(0.0, np.pi, min(max(wanted, COARSE), FINE) + 1)


def corners(parts: Parts, output: int, column: int) -> Corners:
    """Peak of a gain and where it has fallen by 3 dB (half the power) on either side.

    Parameters
    ----------
    parts : tuple of ndarray
        A, G, C, J first.
    output, column : int
        Which output and input.

    Returns
    -------
    Corners
        NaN where the gain has no finite peak, is constant, or never falls so far, and for unstable
        systems.
    """
    a, g, c, j = parts[:4]
    own = (a, g[:, [column]], c[[output]], j[[output]][:, [column]])

    def gain(w: float) -> float:
        return float(_log_gain(own, np.array([w]))[0])

    def steepness(w: float) -> float:
        return float(curves(response(own, np.array([w])))[3, 0, 0, 0])

    nothing = Corner(np.nan, False)
    if unstable(a):
        return Corners(nothing, nothing, nothing, "unstable")
    angles = np.abs(np.angle(np.linalg.eigvals(a)))
    places = np.unique(np.concatenate([np.linspace(0.0, np.pi, SEARCH + 1), angles]))
    poles = near_pole(a, places)
    if poles.any():
        return Corners(nothing, nothing, nothing, "integrating" if poles[0] else "resonant")
    values = _log_gain(own, places)
    if not np.isfinite(values).any():
        return Corners(nothing, nothing, nothing, "none")
    if np.isfinite(values).all() and np.ptp(values) <= 1e-12:
        return Corners(nothing, nothing, nothing, "all-pass")
    top = int(np.argmax(values))
    peak = Corner(float(places[top]), False)
    if 0 < top < len(places) - 1:
        low, high = places[top - 1], places[top + 1]
        if steepness(low) > 0.0 > steepness(high):
            peak = Corner(float(optimize.brentq(steepness, low, high, xtol=1e-15)), True)
    level = gain(peak.place) - HALF

    def crossing(inner: int, outer: int) -> Corner:
        low, high = sorted((float(places[inner]), float(places[outer])))
        return Corner(
            float(optimize.brentq(lambda w: gain(w) - level, low, high, xtol=1e-15)), True
        )

    above = np.flatnonzero(values[top:] < level)
    below = np.flatnonzero(values[: top + 1] < level)
    upper = crossing(top + above[0] - 1, top + above[0]) if above.size else nothing
    lower = crossing(below[-1] + 1, below[-1]) if below.size else nothing
    ends = values[[0, -1]] >= level
    return Corners(peak, lower, upper, _kind(bool(ends[0]), bool(ends[1]), (values < level).any()))


def _kind(low: bool, high: bool, some: bool) -> str:
    """Name of a filter that passes 0, pi, and stops some frequency."""
    if low and high:
        return "band-stop" if some else "all-pass"
    return "low-pass" if low else "high-pass" if high else "band-pass"


def _log_gain(parts: Parts, frequencies: FloatArray) -> FloatArray:
    """Log gain of one input and output, (F,)."""
    a, g, c, j = parts[:4]
    turn = _turn(frequencies)[:, None, None]
    right = np.linalg.solve(np.eye(len(a)) - turn * a, np.broadcast_to(g, (len(turn), *g.shape)))
    value = _cleared(j + turn * (c @ right), np.abs(j) + np.abs(c) @ np.abs(right))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.abs(value)[:, 0, 0]))


def periodogram(series: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Periodogram of sequences, per radian and row.

    Parameters
    ----------
    series : sequence of ndarray, each of shape (n, p)
        NaN where missing.

    Returns
    -------
    frequencies : ndarray, shape (F,)
        Those of the longest sequence above zero, 2 pi j / n.
    values : ndarray, shape (F, p)
        ``|sum (y_t - mean) e^{-i w t}|^2 / (2 pi n)``, of several sequences the mean weighted by
        their rows. Missing values count as the mean, and n counts the others.

    Notes
    -----
    Brockwell and Davis (1991), section 10.1; its expectation tends to the spectral density, and
    each value spreads about it like an exponential variable.
    """
    longest = max((len(rows) for rows in series), default=0)
    w = 2.0 * np.pi * np.arange(1, longest // 2 + 1) / max(longest, 1)
    if longest < 4:
        return w[:0], np.empty((0, series[0].shape[1] if series else 0))
    seen = np.stack([np.isfinite(rows).sum(axis=0) for rows in series])
    known = np.maximum(seen.sum(axis=0), 1)
    mean = np.stack([np.nansum(rows, axis=0) for rows in series]).sum(axis=0) / known
    total = np.zeros((len(w), series[0].shape[1]))
    for rows in series:
        swing = np.where(np.isfinite(rows), rows - mean, 0.0)
        if len(rows) == longest:
            moved = np.fft.rfft(swing, axis=0)[1 : len(w) + 1]
        else:
            moved = np.exp(-1j * np.outer(w, np.arange(len(rows)))) @ swing
        total += np.abs(moved) ** 2
    return w, total / (2.0 * np.pi * known)


def smoothed(values: FloatArray) -> FloatArray:
    """Periodogram smoothed by a modified Daniell kernel of about the square root of its length.

    Parameters
    ----------
    values : ndarray, shape (F, p)

    Returns
    -------
    ndarray, shape (F, p)
        Mirrored at both ends.
    """
    half = max(1, int(np.sqrt(len(values)) / 2.0))
    weights = np.ones(2 * half + 1)
    weights[[0, -1]] = 0.5
    weights /= weights.sum()
    wide = np.pad(values, ((half, half), (0, 0)), mode="symmetric")
    return np.stack([np.convolve(column, weights, "valid") for column in wide.T], axis=1)
