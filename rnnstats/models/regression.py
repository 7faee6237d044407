"""Vector autoregressions given their first rows: the likelihood as a regression.

With a diffuse start the first L rows of a VAR(L) have a flat density and the rest is a regression,

    e_t = u_t - A_1 u_{t-1} - ... - A_L u_{t-L} - C_state' x_t,   u_t = y_t - C_obs' X_t,

so that the likelihood, its derivatives and (without restrictions or inputs in the output) its
maximum are those of least squares. Each element of the first L rows counts ``log 2 pi``, as in the
exact diffuse filter. That filter, started at the companion state ``(y_1, y_0, ..., y_{2-L})``, has
the volume of (unseen pre-sample rows -> seen rows) beside it: its log-likelihood is smaller by
``(L - 1) log |det A_L|``, see `volume`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.parameters.cells import CellTable

__all__ = ["Regression", "least_squares", "volume", "volume_gradient"]

FloatArray = NDArray[np.float64]
_LOG2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, eq=False)
class Regression:
    """Likelihood of a VAR given its first rows.

    Attributes
    ----------
    table : CellTable
        Of the observed form.
    lags : int
    y : ndarray, shape (nobs, p)
        Complete.
    x_obs, x_state : ndarray or None
        Regressors of the two intercepts, ones included; None: no term.
    """

    table: CellTable
    lags: int
    y: FloatArray
    x_obs: FloatArray | None
    x_state: FloatArray | None

    def _pieces(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Errors (n, p), lagged deviations (n, m), A (p, m), state_cov (p, p); n = nobs - L."""
        table, p, lags = self.table, self.table.k_endog, self.lags
        full = table.fill(theta)
        a = table.array(full, "transition")[:p]
        sigma = table.array(full, "state_cov")
        u = self.y if self.x_obs is None else self.y - self.x_obs @ table.array(full, "C_obs")
        stack = _stack(u, lags)
        errors = u[lags:] - stack @ a.T
        if self.x_state is not None:
            errors = errors - self.x_state[lags:] @ table.array(full, "C_state")[:, :p]
        return errors, stack, a, sigma

    def loglikeobs(self, theta: FloatArray) -> FloatArray:
        """Contribution of each row, shape (nobs,); NaN if state_cov is not positive definite."""
        errors, _, _, sigma = self._pieces(theta)
        p = errors.shape[1]
        out = np.full(len(self.y), -0.5 * p * _LOG2PI)
        try:
            factor = np.linalg.cholesky(sigma)
        except np.linalg.LinAlgError:
            return np.full(len(self.y), np.nan)
        white = np.linalg.solve(factor, errors.T)
        log_det = 2.0 * float(np.log(np.diag(factor)).sum())
        out[self.lags :] -= 0.5 * (log_det + (white**2).sum(axis=0))
        return out

    def _slopes(self, stack: FloatArray, a: FloatArray) -> FloatArray:
        """Derivative of the errors in each parameter, shape (K, n, p)."""
        table, p, lags = self.table, self.table.k_endog, self.lags
        directions = table.directions()
        d_a = table.arrays(directions, "transition")[:, :p]
        slopes = -np.einsum("nm,kpm->knp", stack, d_a)
        if self.x_obs is not None:
            d_mean = np.einsum("tq,kqp->ktp", self.x_obs, table.arrays(directions, "C_obs"))
            slopes -= d_mean[:, lags:]
            for lag in range(1, lags + 1):
                block = a[:, (lag - 1) * p : lag * p]
                slopes += d_mean[:, lags - lag : len(self.y) - lag] @ block.T
        if self.x_state is not None:
            d_state = table.arrays(directions, "C_state")[:, :, :p]
            slopes -= np.einsum("tq,kqp->ktp", self.x_state[lags:], d_state)
        out: FloatArray = slopes
        return out

    def _along(
        self, stack: FloatArray, a: FloatArray, along: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Derivatives of the errors and of state_cov, by the parameters or along directions."""
        slopes = self._slopes(stack, a)
        d_sigma = self.table.arrays(self.table.directions(), "state_cov")
        if along is None:
            return slopes, d_sigma
        return np.tensordot(along.T, slopes, axes=1), np.tensordot(along.T, d_sigma, axes=1)

    def score_obs(self, theta: FloatArray, along: FloatArray | None = None) -> FloatArray:
        """Gradient of each row's contribution, shape (nobs, K); along directions, (nobs, f)."""
        errors, stack, a, sigma = self._pieces(theta)
        inverse = np.linalg.inv(sigma)
        weighted = errors @ inverse
        slopes, d_sigma = self._along(stack, a, along)
        out = np.zeros((len(self.y), len(slopes)))
        out[self.lags :] = -np.einsum("np,knp->nk", weighted, slopes)
        outer = np.einsum("np,kpq,nq->nk", weighted, d_sigma, weighted)
        out[self.lags :] += 0.5 * (outer - np.einsum("pq,kpq->k", inverse, d_sigma))
        return out

    def information(self, theta: FloatArray, along: FloatArray | None = None) -> FloatArray:
        """Expected information given the first rows, shape (K, K); along directions (f, f)."""
        _, stack, a, sigma = self._pieces(theta)
        inverse = np.linalg.inv(sigma)
        slopes, d_state = self._along(stack, a, along)
        k = len(slopes)
        info = (slopes @ inverse).reshape(k, -1) @ slopes.reshape(k, -1).T
        d_sigma = inverse @ d_state
        info += 0.5 * len(stack) * np.einsum("jpq,kqp->jk", d_sigma, d_sigma)
        out: FloatArray = 0.5 * (info + info.T)
        return out


def _stack(u: FloatArray, lags: int) -> FloatArray:
    return np.hstack([u[lags - lag : len(u) - lag] for lag in range(1, lags + 1)])


def least_squares(
    y: FloatArray, lags: int, terms: tuple[str, ...], x_state: FloatArray | None
) -> dict[str, FloatArray] | None:
    """Maximum of the likelihood given the first rows, by least squares.

    Parameters
    ----------
    y : ndarray, shape (nobs, p)
        Complete.
    lags : int
    terms : tuple of {"const", "trend"}
        Terms of the mean.
    x_state : ndarray, shape (nobs, k), or None
        Inputs in the state.

    Returns
    -------
    dict of str to ndarray, or None
        ``transition`` (p, L p), ``state_cov``, ``C_obs`` (terms, p), ``C_state`` (k, p);
        None where the regressors are collinear, or a unit root leaves the mean undefined.
    """
    nobs, p = y.shape
    t = np.arange(lags + 1, nobs + 1, dtype=np.float64)[:, None]
    columns = [_stack(y, lags), np.ones((nobs - lags, len(terms)))]
    if "trend" in terms:
        columns[1][:, 1:] = t
    if x_state is not None:
        columns.append(x_state[lags:])
    x = np.hstack(columns)
    if len(x) <= x.shape[1]:
        return None
    beta, _, rank, _ = np.linalg.lstsq(x, y[lags:], rcond=None)
    if rank < x.shape[1]:
        return None
    errors = y[lags:] - x @ beta
    sigma = errors.T @ errors / len(errors)
    if np.linalg.eigvalsh(sigma)[0] <= 1e-14 * np.trace(sigma):
        return None
    m, q = lags * p, len(terms)
    a = beta[:m].T
    mean = np.zeros((q, p))
    if q:
        long_run = np.eye(p) - sum(a[:, lag * p : (lag + 1) * p] for lag in range(lags))
        if np.linalg.cond(long_run) > 1e12:
            return None
        right = beta[m : m + q].copy()
        if q == 2:
            mean[1] = np.linalg.solve(long_run, right[1])
            for lag in range(1, lags + 1):
                right[0] -= lag * (a[:, (lag - 1) * p : lag * p] @ mean[1])
        mean[0] = np.linalg.solve(long_run, right[0])
    return {
        "transition": a,
        "state_cov": sigma,
        "C_obs": mean,
        "C_state": beta[m + q :],
    }


def volume(transition: FloatArray, p: int) -> float:
    """Return ``(L - 1) log |det A_L|``; -inf if A_L is singular.

    Parameters
    ----------
    transition : ndarray, shape (m, m)
        Companion matrix of a VAR(L), m = L p.
    p : int
    """
    lags = len(transition) // p
    if lags == 1:
        return 0.0
    sign, value = np.linalg.slogdet(transition[:p, -p:])
    return (lags - 1) * float(value) if sign != 0.0 else -math.inf


def volume_gradient(transition: FloatArray, p: int) -> FloatArray:
    """Gradient of `volume`, shape (m, m)."""
    lags = len(transition) // p
    out = np.zeros_like(transition)
    if lags > 1:
        out[:p, -p:] = (lags - 1) * np.linalg.inv(transition[:p, -p:]).T
    return out
