"""Starting values of leaky units by matching autocovariances, on arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.starts.innovations import LIMIT, Candidate

__all__ = ["leaky_starts"]

FloatArray = NDArray[np.float64]


def leaky_starts(
    z: FloatArray, real: int, pairs: int, rng: np.random.Generator, *, noise: bool, tries: int = 24
) -> list[Candidate]:
    """Banks of leaky units whose autocovariances lie near those of the data.

    Decay rates are spread evenly in the logarithm of the time constant over several ranges, pairs
    sit at peaks of the periodogram or at random; the loadings follow from the autocovariances by
    non-negative least squares output by output, their signs from the cross-covariances.

    Parameters
    ----------
    z : ndarray, shape (nobs, p)
        From `prepare`.
    real, pairs : int
        Numbers of real units and of oscillator pairs.
    rng : numpy.random.Generator
    noise : bool
        Whether the outputs have measurement noise.
    tries : int
        Number of sets of decay rates.

    Returns
    -------
    list of Candidate
        Best fit of the autocovariances first.
    """
    nobs = len(z)
    lags = min(max(10, int(2.0 * math.sqrt(nobs))), nobs - 1)
    acov = np.array([z[lag:].T @ z[: nobs - lag] / nobs for lag in range(lags + 1)])
    peaks = _peaks(z)
    out: list[Candidate] = []
    for number in range(tries):
        slowest = [3.0, 10.0, 30.0][number % 3] if number < 6 else float(np.exp(4.0 * rng.random()))
        slowest = min(slowest, max(2.0, nobs / 3.0))
        spread = np.exp(np.linspace(math.log(slowest), math.log(0.7), max(real, 1)))
        if number >= 3:
            spread = spread * np.exp(0.5 * rng.standard_normal(len(spread)))
        rates = np.sort(np.exp(-1.0 / spread[:real]))[::-1].clip(0.05, LIMIT)
        angles = [
            peaks[(j + number) % len(peaks)] if number < 12 else math.pi * rng.random()
            for j in range(pairs)
        ]
        radii = [0.7 + 0.28 * float(rng.random()) for _ in range(pairs)]
        start = _bank(acov, rates, radii, angles, noise=noise)
        out.append(start if noise else _spread(start, acov[0], rng))
    return sorted(out, key=lambda start: -start.value)


def _spread(start: Candidate, variance: FloatArray, rng: np.random.Generator) -> Candidate:
    """Turn the loadings so that they alone give the variance of the outputs, of full rank."""
    a, c = start.arrays["transition"], start.arrays["design"]
    p, m = c.shape
    if p == 1:
        return start
    lift = 1e-6 * float(np.trace(variance)) / p * np.eye(p)
    factor = np.linalg.cholesky(0.5 * (variance + variance.T) + lift)
    turn = np.linalg.qr(rng.standard_normal((m, p)))[0].T
    decay = np.sqrt(np.maximum(1.0 - (a * a).sum(axis=1), 1e-3))
    design: FloatArray = np.asarray(factor @ turn * decay, dtype=np.float64)
    return Candidate(start.label, {**start.arrays, "design": design}, start.value)


def _peaks(z: FloatArray) -> list[float]:
    """Angular frequencies of the largest local maxima of a smoothed periodogram."""
    power = (np.abs(np.fft.rfft(z / (z.std(axis=0) + 1e-300), axis=0)) ** 2).sum(axis=1)
    power = np.convolve(power, np.ones(3) / 3.0, mode="same")
    inner = np.arange(1, len(power) - 1)
    local = inner[(power[inner] >= power[inner - 1]) & (power[inner] >= power[inner + 1])]
    best = sorted(local, key=lambda j: -power[j])[:4]
    step = math.pi / max(len(power) - 1, 1)
    return [min(max(float(j) * step, 0.05), math.pi - 0.05) for j in best] or [0.5]


def _bank(
    acov: FloatArray,
    rates: FloatArray,
    radii: Sequence[float],
    angles: Sequence[float],
    *,
    noise: bool,
) -> Candidate:
    from scipy.optimize import nnls  # slow to import, and wanted here only

    lags, p = len(acov), acov.shape[1]
    roots = [complex(rate) for rate in rates]
    roots += [r * complex(math.cos(w), math.sin(w)) for r, w in zip(radii, angles, strict=True)]
    shape = np.array(
        [np.real(root ** np.arange(lags)) / (1.0 - abs(root) ** 2) for root in roots]
    ).T
    columns = np.hstack([shape, np.eye(lags, 1)]) if noise else shape
    weight = 1.0 / np.sqrt(1.0 + np.arange(lags))
    loadings, obs, miss = np.zeros((p, len(roots))), np.zeros(p), 0.0
    for i in range(p):
        scale = max(float(acov[0, i, i]), 1e-300)
        found, rest = nnls(columns * weight[:, None], acov[:, i, i] / scale * weight)
        miss += rest**2
        found = np.maximum(found, 1e-3 * max(float(found.max()), 1e-6))
        loadings[i] = np.sqrt(scale * found[: len(roots)])
        obs[i] = scale * max(float(found[-1]), 0.02) if noise else 0.0
    for j in range(len(roots)):
        profile = shape[:, j] / np.linalg.norm(shape[:, j])
        for i in range(1, p):
            cross = 0.5 * (acov[:, 0, i] + acov[:, i, 0]) @ profile
            loadings[i, j] *= -1.0 if cross < 0.0 else 1.0
    real, m = len(rates), len(rates) + 2 * len(radii)
    transition, design = np.zeros((m, m)), np.zeros((p, m))
    transition[range(real), range(real)] = rates
    design[:, :real] = loadings[:, :real]
    for j, root in enumerate(roots[real:]):
        at = real + 2 * j
        a, b = root.real, root.imag
        transition[at : at + 2, at : at + 2] = [[a, b], [-b, a]]
        design[:, at] = loadings[:, real + j]
        design[1:, at + 1] = 0.1 * loadings[1:, real + j]
    arrays = {"transition": transition, "design": design, "obs_cov": np.diag(obs)}
    return Candidate("matched autocovariances", arrays, -miss)
