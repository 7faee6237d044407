"""Outputs jointly normal given the readout, with a full covariance matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import ndtr, ndtri

from rnnstats.families.gaussian import Gaussian
from rnnstats.models.recurrent.heads.base import BoundHead, Head, HeadLaw, IntArray, MeanMap
from rnnstats.parameters.transforms import Block

__all__ = ["GaussianHead", "NormalLaw"]

FloatArray = NDArray[np.float64]
_LOG_2PI = math.log(2.0 * math.pi)
# Steps of the EM algorithm for a covariance matrix of incomplete rows.
_EM_STEPS, _EM_TOL = 200, 1e-10
# A residual variance below this share of an output's own is none.
_NO_NOISE = 1e-10
_SINGULAR = 1e-8


class GaussianHead(Head):
    """``y = eta + e``, ``e ~ N(0, obs_cov)``.

    Parameters
    ----------
    outputs : tuple of str
    """

    name = "gaussian"
    feedback: MeanMap = "identity"
    scaled = True

    def __init__(self, outputs: tuple[str, ...]) -> None:
        self.outputs = self.eta_names = self.lag_names = outputs
        d = len(outputs)
        self.triangle = np.tril_indices(d)
        pairs = zip(*(index.tolist() for index in self.triangle), strict=True)
        self.names = tuple(f"obs_cov[{outputs[i]},{outputs[j]}]" for i, j in pairs)
        self.groups = ("obs_cov",) * len(self.names)
        self.transforms = (Block("covariance", tuple(range(len(self.names)))),)

    def check(self, y: FloatArray, caller: str) -> None:
        for name, column in zip(self.outputs, y.T, strict=True):
            Gaussian().check(column, column=name, caller=caller)

    def bind(self, y: FloatArray) -> BoundHead:
        return _BoundNormal(y) if y.shape[1] == 1 else _BoundJoint(self, y)

    def law(self, eta: FloatArray, extra: FloatArray) -> NormalLaw:
        return NormalLaw(eta, self.covariance(extra))

    def covariance(self, extra: FloatArray) -> FloatArray:
        """
        Put the lower triangle into a matrix.

        Parameters
        ----------
        extra : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (d, d)
        """
        d = len(self.outputs)
        full = np.zeros((d, d), dtype=extra.dtype)
        rows, columns = self.triangle
        full[rows, columns] = extra
        full[columns, rows] = extra
        return full

    def extra_scale(self, scale: FloatArray) -> FloatArray:
        rows, columns = self.triangle
        out: FloatArray = scale[rows] * scale[columns]
        return out

    def admissible(self, extra: FloatArray) -> bool:
        if len(extra) == 1:
            return bool(extra[0] > 0.0)
        try:
            np.linalg.cholesky(self.covariance(extra))
        except np.linalg.LinAlgError:
            return False
        return True

    def boundary(self, extra: FloatArray, scale: FloatArray) -> tuple[str, ...]:
        relative = self.covariance(extra) / np.outer(scale, scale)
        sizes = np.diagonal(relative)
        words = [
            f"obs_cov[{name},{name}] is zero: the network reproduces {name} exactly"
            for name, size in zip(self.outputs, sizes, strict=True)
            if size < _NO_NOISE
        ]
        if not words and len(sizes) > 1:
            spread = np.sqrt(sizes)
            least = float(np.linalg.eigvalsh(relative / np.outer(spread, spread))[0])
            if least < _SINGULAR:
                words.append(
                    "obs_cov is singular: a linear combination of the outputs has no error"
                )
        return tuple(words)

    def working(self, y: FloatArray) -> FloatArray:
        return y


class NormalLaw(HeadLaw):
    """Jointly normal outputs.

    Parameters
    ----------
    means : ndarray, shape (n, d)
    covariance : ndarray, shape (d, d)
    """

    normal = True

    def __init__(self, means: FloatArray, covariance: FloatArray) -> None:
        self.n, self.d = means.shape
        self._means, self._covariance = means, covariance

    @property
    def mean(self) -> FloatArray:
        return self._means

    @property
    def cov(self) -> FloatArray:
        return np.broadcast_to(self._covariance, (self.n, self.d, self.d))

    def rows(self, index: IntArray) -> NormalLaw:
        return NormalLaw(self._means[index], self._covariance)

    def log_density(self, y: FloatArray) -> FloatArray:
        logs = self._sequential(y)[1]
        out: FloatArray = np.where(np.isnan(y), 0.0, logs).sum(axis=1)
        return out

    def cdf(self, values: FloatArray, column: int = 0) -> FloatArray:
        out: FloatArray = ndtr((values - self._means[:, column]) / self._spread(column))
        return out

    def cdf_below(self, values: FloatArray, column: int = 0) -> FloatArray:
        return self.cdf(values, column)

    def quantile(self, p: FloatArray | float, column: int = 0) -> FloatArray:
        out: FloatArray = self._means[:, column] + self._spread(column) * ndtri(p)
        return out

    def sample(self, rng: np.random.Generator) -> FloatArray:
        lower = np.linalg.cholesky(self._covariance)
        out: FloatArray = self._means + rng.standard_normal((self.n, self.d)) @ lower.T
        return out

    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        ends = self._sequential(y)[0]
        return ends, ends

    def _spread(self, column: int) -> float:
        return math.sqrt(float(self._covariance[column, column]))

    def _sequential(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distribution function and log density of each element given the earlier ones seen."""
        ends, logs = np.full(y.shape, np.nan), np.full(y.shape, np.nan)
        for pattern in _patterns(y):
            columns = pattern.columns
            lower = np.linalg.cholesky(self._covariance[columns[:, None], columns])
            place = np.ix_(pattern.rows, columns)
            resid = pattern.y - self._means[place]
            z = solve_triangular(lower, resid.T, lower=True).T
            ends[place] = ndtr(z)
            logs[place] = -0.5 * z * z - np.log(np.diagonal(lower)) - 0.5 * _LOG_2PI
        return ends, logs


class _BoundNormal(BoundHead):
    """One output: everything in a few vector operations."""

    def __init__(self, y: FloatArray) -> None:
        column = y[:, 0]
        gone = np.isnan(column)
        self.gone = gone if gone.any() else None
        self.y = np.where(gone, 0.0, column)
        self.count = float(len(column) - np.count_nonzero(gone))

    def value(self, eta: FloatArray, extra: FloatArray) -> float:
        resid = self._resid(eta)
        variance = float(extra[0])
        square = float(resid @ resid)
        return -0.5 * (self.count * (_LOG_2PI + math.log(variance)) + square / variance)

    def pull(self, eta: FloatArray, extra: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        resid = self._resid(eta)
        variance = float(extra[0])
        ratio = float(resid @ resid) / variance
        value = -0.5 * (self.count * (_LOG_2PI + math.log(variance)) + ratio)
        resid /= variance
        return value, resid[:, None], np.array([0.5 * (ratio - self.count) / variance])

    def log_density(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        resid = self._resid(eta)
        variance = float(extra[0])
        out: FloatArray = -0.5 * (resid * resid / variance + (_LOG_2PI + math.log(variance)))
        if self.gone is not None:
            out[self.gone] = 0.0
        return out

    def slopes(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        resid = self._resid(eta)
        variance = float(extra[0])
        by_eta = resid / variance
        by_variance: FloatArray = 0.5 * (by_eta * by_eta - 1.0 / variance)
        if self.gone is not None:
            by_variance[self.gone] = 0.0
        return by_eta[:, None], by_variance[:, None]

    def information(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        variance = float(extra[0])
        curvature = np.full((len(eta), 1, 1), 1.0 / variance)
        if self.gone is not None:
            curvature[self.gone] = 0.0
        return curvature, np.array([[0.5 * self.count / variance**2]])

    def start_extra(self, eta: FloatArray) -> FloatArray:
        resid = self._resid(eta)
        return np.array([float(resid @ resid) / self.count])

    def _resid(self, eta: FloatArray) -> FloatArray:
        resid: FloatArray = self.y - eta[:, 0]
        if self.gone is not None:
            resid[self.gone] = 0.0
        return resid


@dataclass(frozen=True, eq=False)
class _Pattern:
    """Rows in which the same elements are seen."""

    columns: IntArray
    rows: IntArray
    y: FloatArray
    whole: bool  # all rows, all columns


class _BoundJoint(BoundHead):
    """Several outputs: one factorisation for each pattern of missing elements."""

    def __init__(self, head: GaussianHead, y: FloatArray) -> None:
        self.head, self.shape = head, y.shape
        self.patterns = _patterns(y)

    def value(self, eta: FloatArray, extra: FloatArray) -> float:
        covariance = self.head.covariance(extra)
        total = 0.0
        for pattern in self.patterns:
            try:
                lower, z = _whitened(pattern, covariance, eta)
            except np.linalg.LinAlgError:  # no density: outputs are functions of each other
                return -math.inf
            total += _summed(lower, z)
        return total

    def pull(self, eta: FloatArray, extra: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        covariance = self.head.covariance(extra)
        total, by_eta = 0.0, np.zeros(self.shape)
        by_cov = np.zeros(covariance.shape)
        for pattern in self.patterns:
            lower, z = _whitened(pattern, covariance, eta)
            total += _summed(lower, z)
            inverse = _inverse(lower)
            scores = z.T @ inverse  # (rows, seen): resid times the precision
            columns = pattern.columns
            if pattern.whole:
                by_eta = scores
            else:
                by_eta[np.ix_(pattern.rows, columns)] = scores
            outer = scores.T @ scores - z.shape[1] * (inverse.T @ inverse)
            by_cov[columns[:, None], columns] += 0.5 * outer
        return total, by_eta, self._triangle(by_cov)

    def log_density(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        covariance = self.head.covariance(extra)
        out = np.zeros(self.shape[0])
        for pattern in self.patterns:
            lower, z = _whitened(pattern, covariance, eta)
            constant = len(lower) * _LOG_2PI + 2.0 * float(np.log(np.diagonal(lower)).sum())
            out[pattern.rows] = -0.5 * (np.einsum("ij,ij->j", z, z) + constant)
        return out

    def slopes(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        covariance = self.head.covariance(extra)
        by_eta, by_extra = np.zeros(self.shape), np.zeros((self.shape[0], len(extra)))
        for pattern in self.patterns:
            lower, z = _whitened(pattern, covariance, eta)
            inverse = _inverse(lower)
            scores, columns = z.T @ inverse, pattern.columns
            by_eta[np.ix_(pattern.rows, columns)] = scores
            full = np.zeros((len(pattern.rows), *covariance.shape))
            outer = scores[:, :, None] * scores[:, None, :] - inverse.T @ inverse
            full[:, columns[:, None], columns] = 0.5 * outer
            by_extra[pattern.rows] = self._triangle(full)
        return by_eta, by_extra

    def information(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        covariance = self.head.covariance(extra)
        n, d = self.shape
        curvature, q = np.zeros((n, d, d)), len(extra)
        own = np.zeros((q, q))
        rows, columns = self.head.triangle
        basis = np.zeros((q, d, d))
        basis[np.arange(q), rows, columns] = 1.0
        basis[np.arange(q), columns, rows] = 1.0
        for pattern in self.patterns:
            some = pattern.columns
            precision = np.zeros((d, d))
            inverse = _inverse(_factor(covariance[some[:, None], some]))
            precision[some[:, None], some] = inverse.T @ inverse
            curvature[pattern.rows] = precision
            bent = precision @ basis  # (q, d, d)
            own += 0.5 * len(pattern.rows) * np.einsum("aij,bji->ab", bent, bent)
        return curvature, own

    def start_extra(self, eta: FloatArray) -> FloatArray:
        """Maximum likelihood of the covariance matrix; by EM where rows are incomplete."""
        d = self.shape[1]
        resids = [(p.columns, p.y - eta[np.ix_(p.rows, p.columns)]) for p in self.patterns]
        rows, columns = self.head.triangle
        if len(resids) == 1 and len(resids[0][0]) == d:
            whole = resids[0][1]
            full: FloatArray = whole.T @ whole / len(whole)
            return full[rows, columns]
        counts, sums = np.zeros(d), np.zeros(d)
        for some, resid in resids:
            counts[some] += len(resid)
            sums[some] += np.einsum("ij,ij->j", resid, resid)
        covariance = np.diag(sums / counts)
        scale = np.sqrt(np.diagonal(covariance))
        n = sum(len(resid) for _, resid in resids)
        for _ in range(_EM_STEPS):
            parts = [_expected(covariance, some, resid) for some, resid in resids]
            fresh: FloatArray = np.sum(parts, axis=0) / n
            moved = np.abs(fresh - covariance) / np.outer(scale, scale)
            covariance = fresh
            if float(moved.max()) <= _EM_TOL:
                break
        return covariance[rows, columns]

    def _triangle(self, by_cov: FloatArray) -> FloatArray:
        """Derivatives by the lower triangle from those by a symmetric matrix."""
        rows, columns = self.head.triangle
        weights = np.where(rows == columns, 1.0, 2.0)
        out: FloatArray = by_cov[..., rows, columns] * weights
        return out


def _patterns(y: FloatArray) -> tuple[_Pattern, ...]:
    """Group the rows by what is seen; rows without anything belong to no group."""
    seen = ~np.isnan(y)
    if seen.all():
        d = y.shape[1]
        return (_Pattern(np.arange(d), np.arange(len(y)), np.ascontiguousarray(y), True),)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    found = []
    for i, kind in enumerate(kinds):
        columns, rows = np.flatnonzero(kind), np.flatnonzero(which.ravel() == i)
        if len(columns):
            found.append(_Pattern(columns, rows, y[np.ix_(rows, columns)], False))
    return tuple(found)


def _whitened(
    pattern: _Pattern, covariance: FloatArray, eta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Cholesky factor of what is seen, and residuals divided by it, (seen, rows)."""
    if pattern.whole:
        lower = _factor(covariance)
        resid = pattern.y - eta
    else:
        columns = pattern.columns
        lower = _factor(covariance[columns[:, None], columns])
        resid = pattern.y - eta[pattern.rows[:, None], columns]
    return lower, solve_triangular(lower, resid.T, lower=True, check_finite=False)


def _summed(lower: FloatArray, z: FloatArray) -> float:
    constant = len(lower) * _LOG_2PI + 2.0 * float(np.log(np.diagonal(lower)).sum())
    total: float = -0.5 * (float(np.vdot(z, z)) + z.shape[1] * constant)
    return total


def _factor(covariance: FloatArray) -> FloatArray:
    """Lower Cholesky factor."""
    out: FloatArray = np.linalg.cholesky(covariance).astype(np.float64, copy=False)
    return out


def _inverse(lower: FloatArray) -> FloatArray:
    """Inverse of a lower triangular matrix."""
    out: FloatArray = solve_triangular(lower, np.eye(len(lower)), lower=True, check_finite=False)
    return out


def _expected(covariance: FloatArray, seen: IntArray, resid: FloatArray) -> FloatArray:
    """Expected cross products of whole residuals given those seen (Little and Rubin 2019, 11.2)."""
    d = len(covariance)
    gain = np.zeros((d, len(seen)))
    inner = covariance[seen[:, None], seen]
    gain[:] = np.linalg.solve(inner, covariance[seen]).T
    whole = resid @ gain.T
    rest = covariance - gain @ covariance[seen]
    out: FloatArray = whole.T @ whole + len(resid) * rest
    return out
