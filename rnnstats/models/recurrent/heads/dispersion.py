"""Expected information on the dispersion of a negative binomial distribution.

The expectation of the squared slope has no closed form. It is summed over counts, one by one where
there are few and by Gauss-Legendre quadrature between quantiles where there are many; as a function
of the logarithm of the mean it is smooth, so that a Chebyshev interpolant serves all rows at once
(Trefethen 2013, Approximation Theory and Approximation Practice, theorem 8.2).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from rnnstats.families.negative_binomial import NegativeBinomial
from rnnstats.families.special import rising
from rnnstats.models.recurrent.heads.quantiles import quantile

__all__ = ["dispersion_information"]

FloatArray = NDArray[np.float64]
_FAMILY = NegativeBinomial()
_TAIL = 1e-13  # probability left out at either end
_FEW = 4096  # counts that are summed one by one
_EDGES = 65  # of the panels of the quadrature, which has so many nodes in each:
_NODES = 16
_DIGITS = 30.0  # -log of the error of the interpolant
_LARGEST = 35.0  # log of the mean beyond which counts are no whole numbers in floats


def dispersion_information(eta: FloatArray, dispersion: float) -> FloatArray:
    """
    Expected information of one observation.

    Parameters
    ----------
    eta : ndarray, shape (n,)
        Logarithm of the mean.
    dispersion : float

    Returns
    -------
    ndarray, shape (n,)
        NaN where ``eta`` is above 35, or not finite.
    """
    out = np.full(len(eta), np.nan)
    out[eta == -np.inf] = 0.0
    known = np.isfinite(eta) & (eta <= _LARGEST)
    if not known.any():
        return out
    line, where = np.unique(eta[known], return_inverse=True)
    low, high = float(line[0]), float(line[-1])
    # singularities lie pi off the real axis: the ellipse of analyticity says how many nodes
    height = math.pi / max(0.5 * (high - low), 1e-3)
    size = math.ceil(_DIGITS / math.log(height + math.sqrt(1.0 + height**2))) + 8
    if len(line) <= size:
        values = _expected(line, dispersion)
    else:
        values = _interpolated(line, low, high, size, dispersion)
    out[known] = values[where]
    return out


def _interpolated(
    line: FloatArray, low: float, high: float, size: int, dispersion: float
) -> FloatArray:
    """Barycentric interpolation of the logarithm in Chebyshev points of the second kind."""
    angles = np.arange(size) * math.pi / (size - 1)
    nodes = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angles)
    logs = np.log(_expected(nodes, dispersion))
    weights = np.where(np.arange(size) % 2 == 0, 1.0, -1.0)
    weights[[0, -1]] *= 0.5
    gaps = line[:, None] - nodes
    hit = gaps == 0.0
    terms = weights / np.where(hit, 1.0, gaps)
    found = (terms @ logs) / terms.sum(axis=1)
    exact = hit.any(axis=1)
    found[exact] = logs[np.argmax(hit[exact], axis=1)]
    out: FloatArray = np.exp(found)
    return out


def _expected(line: FloatArray, dispersion: float) -> FloatArray:
    """Sums of probability times squared slope over counts, at some logarithms of the mean."""
    extra = np.full((1, 1), dispersion)
    highs = quantile(_FAMILY, np.array(1.0 - _TAIL), line[:, None], extra)
    out = np.empty(len(line))
    few = highs <= _FEW
    if few.any():
        lengths = highs[few].astype(np.intp) + 1
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        counts = np.arange(float(lengths.sum())) - np.repeat(first, lengths)
        eta = np.repeat(line[few], lengths)[:, None]
        mass = np.exp(_FAMILY.log_density(counts, eta, extra)[:, 0])
        slope = _FAMILY.slopes(counts, eta, extra)[1][0, :, 0]
        out[few] = np.add.reduceat(mass * slope * slope, first)
    for i in np.flatnonzero(~few):
        out[i] = _quadrature(line[i : i + 1, None], extra)
    return out


def _quadrature(line: FloatArray, extra: FloatArray) -> float:
    """The same at one mean: all of the first counts, then nodes between quantiles."""
    shares = 0.5 * (1.0 + np.tanh(np.linspace(-15.0, 15.0, _EDGES)))
    shares = np.clip(shares, _TAIL, 1.0 - _TAIL)
    edges = quantile(_FAMILY, shares, np.repeat(line, _EDGES, axis=0), extra)
    low, high = float(edges[0]), float(edges[-1])
    begin = np.arange(low, _FEW) if low < _FEW else np.empty(0)
    first = max(low, float(_FEW))
    edges = np.unique(np.concatenate([[first], edges[edges > first], [high + 1.0]]))
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half = 0.5 * np.diff(edges)[:, None]
    # the sum over whole numbers is an integral over cells centred on them
    nodes = (edges[:-1, None] - 0.5) + half * (1.0 + x)
    counts = np.concatenate([begin, nodes.ravel()])[:, None]
    weights = np.concatenate([np.ones(len(begin)), (half * w).ravel()])
    slope = _FAMILY.slopes(counts[:, 0], line, extra)[1][0, :, 0]
    return float((weights * np.exp(_log_mass(counts, line, extra))[:, 0] * slope * slope).sum())


def _log_mass(y: FloatArray, eta: FloatArray, a: FloatArray) -> FloatArray:
    """Log probabilities, continued to real counts."""
    t = a * np.exp(eta)
    share = np.log1p(t) / np.where(a > 0.0, a, 1.0) if (a > 0.0).all() else np.exp(eta)
    out: FloatArray = y * (eta - np.log1p(t)) - share + rising(y, a) - gammaln(y + 1.0)
    return out
