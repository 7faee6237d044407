"""Starting values from the data, on arrays.

Everything here works on a complete series with trend and inputs taken out (`prepare`) and returns
candidates: a label and the arrays of a system. They are only starts: approximations that are quick
and lie inside the admissible region (roots of A within `LIMIT`; those of A - K C may be on the
unit circle, where a maximum can lie).

The innovations form is started from a long autoregression in four ways: regression on lagged
outputs and lagged residuals in echelon coordinates (Hannan and Rissanen 1982; Hannan and Kavalieris
1984), the same without residuals, reduction of the autoregression's Hankel matrix (Ho and Kalman;
weights of canonical correlation analysis, Larimore 1983), and a search over moving average roots,
see `rnnstats.estimation.starts.root_search`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from rnnstats.equivalence.moments import impulse_responses
from rnnstats.equivalence.realisation import (
    Realisation,
    clip_roots,
    damp_gain,
    innovations_of,
    invertible_twin,
    reduce_responses,
    scale_roots,
    spectral_radius,
    to_echelon,
)
from rnnstats.estimation.starts.root_search import root_search

__all__ = [
    "LIMIT",
    "Autoregression",
    "Candidate",
    "innovations_starts",
    "observed_starts",
    "prepare",
]

FloatArray = NDArray[np.float64]
LIMIT = 0.98
RECENT_ROWS = 4000


@dataclass(frozen=True)
class Candidate:
    """One start.

    Attributes
    ----------
    label : str
        How it was found.
    arrays : dict of str to ndarray
        System arrays by the kernels' names (``transition``, ``design``, ``selection``, ...).
    value : float
        Its approximate log-likelihood, for ranking.
    """

    label: str
    arrays: dict[str, FloatArray] = field(repr=False)
    value: float = -math.inf


@dataclass(frozen=True)
class Autoregression:
    """A least squares vector autoregression.

    Attributes
    ----------
    coefficients : ndarray, shape (order, p, p)
        Lag 1 first.
    sigma : ndarray, shape (p, p)
        Residual covariance.
    residuals : ndarray, shape (nobs, p)
        Residuals with zeros before the sample.
    """

    coefficients: FloatArray
    sigma: FloatArray
    residuals: FloatArray

    @property
    def order(self) -> int:
        """Number of lags."""
        return len(self.coefficients)

    def responses(self, steps: int) -> FloatArray:
        """Impulse responses at leads 1 .. steps, shape (steps, p, p)."""
        return impulse_responses(self.coefficients, (), steps)[1:]


def prepare(y: FloatArray, x: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Fill gaps by straight lines and take regressors out by least squares.

    Parameters
    ----------
    y : ndarray, shape (nobs, p)
        NaN where missing; every column has an observation.
    x : ndarray, shape (nobs, k), or None

    Returns
    -------
    z : ndarray, shape (nobs, p)
        Complete residuals.
    coefficients : ndarray, shape (k, p)
        From the observed rows only.
    """
    z = np.array(y)
    k = 0 if x is None else x.shape[1]
    coefficients = np.zeros((k, y.shape[1]))
    rows = np.arange(len(y))
    for i in range(y.shape[1]):
        seen = np.isfinite(y[:, i])
        if x is not None:
            coefficients[:, i] = np.linalg.lstsq(x[seen], y[seen, i], rcond=None)[0]
            z[:, i] -= x @ coefficients[:, i]
        if not seen.all():
            z[~seen, i] = np.interp(rows[~seen], rows[seen], z[seen, i])
    return z, coefficients


def autoregressions(z: FloatArray, longest: int) -> list[Autoregression]:
    """Least squares autoregressions of orders 1 .. longest over one common sample."""
    nobs, p = z.shape
    stack = np.hstack([z[longest - lag : nobs - lag] for lag in range(longest + 1)])
    gram = stack.T @ stack
    rows = len(stack)
    out = []
    for order in range(1, longest + 1):
        end = (order + 1) * p
        moment = gram[p:end, p:end]
        moment = moment + 1e-10 * np.trace(moment) / len(moment) * np.eye(len(moment))
        coefficients = scipy.linalg.solve(moment, gram[p:end, :p], assume_a="pos").T
        sigma = (gram[:p, :p] - coefficients @ gram[p:end, :p]) / rows
        lags = np.ascontiguousarray(coefficients.reshape(p, order, p).transpose(1, 0, 2))
        out.append(Autoregression(lags, _positive(sigma), np.zeros((0, p))))
    return out


def _with_residuals(fit: Autoregression, z: FloatArray) -> Autoregression:
    residuals = z.copy()
    for lag, matrix in enumerate(fit.coefficients, start=1):
        residuals[lag:] -= z[:-lag] @ matrix.T
    return Autoregression(fit.coefficients, fit.sigma, residuals)


def _longest(nobs: int, p: int) -> int:
    return max(1, min(int(5.0 * math.log10(max(nobs, 10))) + 2, nobs // (3 * p + 1) - 1))


def _order_by_aic(fits: Sequence[Autoregression], nobs: int) -> int:
    p = fits[0].sigma.shape[0]
    rows = nobs - len(fits)
    score = [rows * np.linalg.slogdet(f.sigma)[1] + 2.0 * p * p * f.order for f in fits]
    return int(np.argmin(score)) + 1


def _positive(cov: FloatArray) -> FloatArray:
    """Symmetrise, and lift eigenvalues that are not clearly positive."""
    cov = 0.5 * (cov + cov.T)
    size, vectors = np.linalg.eigh(cov)
    floor = 1e-8 * max(float(size[-1]), 1e-300)
    if size[0] > floor:
        return cov
    lifted: FloatArray = (vectors * np.maximum(size, floor)) @ vectors.T
    return lifted


# --- innovations form ---------------------------------------------------------------------------


def innovations_starts(
    z: FloatArray,
    kronecker: tuple[int, ...],
    columns: tuple[tuple[int, ...], ...],
    rng: np.random.Generator,
    *,
    limit: float = LIMIT,
    searched: int = 7,
) -> list[Candidate]:
    """Candidates for the innovations form in echelon coordinates, best first.

    Parameters
    ----------
    z : ndarray, shape (nobs, p)
        From `prepare`.
    kronecker : tuple of int
    columns : tuple of tuple of int
        States on which the free row of each output loads.
    rng : numpy.random.Generator
    limit : float
        Largest modulus of a root.
    searched : int
        Number of candidates from the search over moving average roots.

    Returns
    -------
    list of Candidate
    """
    nobs, p = z.shape
    fits = autoregressions(z, _longest(nobs, p))
    order = _order_by_aic(fits, nobs)
    long = _with_residuals(fits[min(len(fits), max(order + 2, 2 * max(kronecker) + 1)) - 1], z)
    echelon = _Echelon(z, kronecker, columns, limit)
    found = [
        *echelon.hannan_rissanen(long),
        *echelon.subspace(fits, order),
        *echelon.searched(fits[order - 1].sigma, searched, rng),
    ]
    return sorted(found, key=lambda start: -start.value)


class _Echelon:
    """Turn rough systems into admissible starts of given Kronecker indices."""

    def __init__(
        self,
        z: FloatArray,
        kronecker: tuple[int, ...],
        columns: tuple[tuple[int, ...], ...],
        limit: float,
    ) -> None:
        self.z, self.kronecker, self.columns, self.limit = z, kronecker, columns, limit
        # with a stationary start a maximum may lie on the circle; with a known one errors that
        # never forget the start are a trap beyond it
        self.circle = 1.0 if limit <= LIMIT else LIMIT
        self.recent = z[-RECENT_ROWS:]
        self.n, self.p = sum(kronecker), len(kronecker)
        # state -> (output, lead)
        self.states = [(i, j) for i, chain in enumerate(kronecker) for j in range(chain)]

    def template(self) -> tuple[FloatArray, FloatArray]:
        """Constant part of transition and design."""
        a, c = np.zeros((self.n, self.n)), np.zeros((self.p, self.n))
        for row, (i, j) in enumerate(self.states):
            if j == 0:
                c[i, row] = 1.0
            if j < self.kronecker[i] - 1:
                a[row, row + 1] = 1.0
        return a, c

    def candidate(self, label: str, system: Realisation | None) -> Candidate | None:
        """Finish an echelon system: structure, stability, invertibility, residual covariance."""
        if system is None or not all(np.all(np.isfinite(part)) for part in system):
            return None
        a, c = self.template()
        for i, chain in enumerate(self.kronecker):
            cols = list(self.columns[i])
            if chain:
                last = sum(self.kronecker[: i + 1]) - 1
                a[last, cols] = system.a[last, cols]
            else:
                c[i, cols] = system.c[i, cols]
        fixed = scale_roots(Realisation(a, c, system.k), self.kronecker, self.limit)
        if spectral_radius(fixed.a - fixed.k @ fixed.c) > 1.02:
            twin = invertible_twin(fixed, np.eye(self.p))
            fixed = fixed if twin is None else twin[0]
        fixed = damp_gain(fixed, self.circle)
        errors = innovations_of(fixed, self.recent)
        sigma = _positive(errors.T @ errors / len(errors))
        value = -0.5 * len(errors) * (float(np.linalg.slogdet(sigma)[1]) + self.p * (1 + _LOG2PI))
        arrays = {
            "transition": fixed.a,
            "design": fixed.c,
            "selection": fixed.k,
            "obs_cov": sigma,
            "state_cov": sigma,
            "cross_cov": sigma,
        }
        return Candidate(label, arrays, value) if math.isfinite(value) else None

    def from_any(self, label: str, system: Realisation | None) -> Candidate | None:
        """Turn a system in any coordinates into a candidate."""
        if system is None:
            return None
        clipped = Realisation(clip_roots(system.a, self.limit), system.c, system.k)
        return self.candidate(label, to_echelon(clipped, self.kronecker))

    def hannan_rissanen(self, long: Autoregression) -> Iterator[Candidate]:
        """Regressions in echelon coordinates, then once more with the residuals they give."""
        plain = self.candidate("autoregression", self._regression(long.residuals, ma=False))
        first = self.candidate("Hannan-Rissanen", self._regression(long.residuals, ma=True))
        if plain is not None:
            yield plain
        if first is None:
            return
        yield first
        parts = first.arrays
        system = Realisation(parts["transition"], parts["design"], parts["selection"])
        errors = innovations_of(system, self.z)
        again = self.candidate("Hannan-Rissanen, iterated", self._regression(errors, ma=True))
        if again is not None:
            yield again

    def _regression(self, errors: FloatArray, *, ma: bool) -> Realisation | None:
        """ARMA rows in echelon form by least squares, as a state space system."""
        z, p = self.z, self.p
        reach = max(self.kronecker)
        begin = min(2 * reach, len(z) // 4) + reach
        a, c = self.template()
        psi = np.zeros((reach + 1, p, p))
        psi[0] = np.eye(p)
        ma_rows = np.zeros((reach + 1, p, p))
        lags: list[list[tuple[int, int, float]]] = []
        for i, chain in enumerate(self.kronecker):
            terms = [(self.states[col][0], chain - self.states[col][1]) for col in self.columns[i]]
            x = [_lagged(z - errors if lag == 0 else z, lag, begin)[:, k] for k, lag in terms]
            if ma:
                x += [
                    _lagged(errors, lag, begin)[:, k]
                    for lag in range(1, chain + 1)
                    for k in range(p)
                ]
            if len(z) - begin <= len(x):
                return None
            target = z[begin:, i]
            beta = np.linalg.lstsq(np.column_stack(x), target, rcond=None)[0] if x else np.zeros(0)
            row = sum(self.kronecker[: i + 1]) - 1
            place, index = (a, row) if chain else (c, i)
            place[index, list(self.columns[i])] = beta[: len(terms)]
            lags.append([(k, lag, b) for (k, lag), b in zip(terms, beta, strict=False)])
            if ma:
                ma_rows[1 : chain + 1, i] = beta[len(terms) :].reshape(chain, p)
        for s in range(1, reach + 1):
            for i in range(p):
                psi[s, i] = ma_rows[s, i]
                for k, lag, b in lags[i]:
                    if s >= lag:
                        psi[s, i] += b * psi[s - lag, k]
        gain = np.array([psi[j + 1, i] for i, j in self.states])
        return Realisation(a, c, gain)

    def subspace(self, fits: Sequence[Autoregression], order: int) -> Iterator[Candidate]:
        """Reduced Hankel matrices of autoregressions of several lengths."""
        depth = math.ceil(self.n / self.p) + 1
        orders = {order, min(2 * order, len(fits)), min(max(4, depth), len(fits)), len(fits)}
        for length in sorted(orders):
            fit = fits[length - 1]
            f = max(depth, length + 1)
            factor: FloatArray = np.asarray(np.linalg.cholesky(fit.sigma), dtype=np.float64)
            system = reduce_responses(fit.responses(2 * f), self.n, factor)
            found = self.from_any(f"subspace of AR({length})", system)
            if found is not None:
                yield found

    def searched(
        self, sigma: FloatArray, keep: int, rng: np.random.Generator
    ) -> Iterator[Candidate]:
        """Best sets of moving average roots, loadings and gains by least squares."""
        for system in root_search(self.z, sigma, self.n, keep, rng):
            found = self.from_any("root search", system)
            if found is not None:
                yield found


_LOG2PI = math.log(2.0 * math.pi)


def _lagged(z: FloatArray, lag: int, begin: int) -> FloatArray:
    return z[begin - lag : len(z) - lag]


# --- observed form ------------------------------------------------------------------------------


def observed_starts(z: FloatArray, lags: int, *, limit: float = LIMIT) -> list[Candidate]:
    """Least squares and Yule-Walker vector autoregressions.

    Parameters
    ----------
    z : ndarray, shape (nobs, p)
        From `prepare`.
    lags : int
    limit : float
        Largest modulus of a root of the first start (inf: leave it); the second is always stable.

    Returns
    -------
    list of Candidate
    """
    nobs, p = z.shape
    out: list[Candidate] = []
    if nobs - lags > lags * p:
        x = np.hstack([z[lags - lag : nobs - lag] for lag in range(1, lags + 1)])
        beta: FloatArray = np.asarray(
            np.linalg.lstsq(x, z[lags:], rcond=None)[0].T, dtype=np.float64
        )
        errors = z[lags:] - x @ beta.T
        out.append(_companion("least squares", beta, errors.T @ errors / len(errors), limit))
    acov = np.array([z[lag:].T @ z[: nobs - lag] / nobs for lag in range(lags + 1)])
    acov[0] += 1e-10 * np.trace(acov[0]) / p * np.eye(p)
    moment = np.block(
        [[acov[j - i] if j >= i else acov[i - j].T for j in range(lags)] for i in range(lags)]
    )
    later = np.hstack(list(acov[1:])).T
    beta = np.asarray(np.linalg.lstsq(moment.T, later, rcond=None)[0].T, dtype=np.float64)
    sigma = acov[0] - beta @ later
    out.append(_companion("Yule-Walker", beta, sigma, min(limit, 0.999)))
    return out


def _companion(label: str, beta: FloatArray, sigma: FloatArray, limit: float) -> Candidate:
    p, m = beta.shape
    a = np.zeros((m, m))
    a[:p] = beta
    a[p:, : m - p] = np.eye(m - p)
    radius = spectral_radius(a)
    if radius > limit:
        a[:p] *= np.repeat((limit / radius) ** np.arange(1, m // p + 1), p)
    arrays = {"transition": a, "state_cov": _positive(sigma)}
    return Candidate(label, arrays)
