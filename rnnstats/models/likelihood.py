"""Likelihood of a table of cells on data: value, derivatives, information.

Points where the likelihood does not exist (a covariance that is not positive definite, a root
outside the circle with a stationary start, overflow) have value -inf and derivatives NaN.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import DataError, NotPositiveDefiniteError, NotStationaryError
from rnnstats.kernels import kalman
from rnnstats.kernels.system import StateSpace
from rnnstats.models._arguments import covariance_check
from rnnstats.models.regression import Regression, least_squares, volume, volume_gradient
from rnnstats.parameters import partial_start
from rnnstats.parameters.cells import CellTable

__all__ = ["Likelihood", "empty_rows"]

FloatArray = NDArray[np.float64]
_REFUSALS = (NotPositiveDefiniteError, NotStationaryError)


def empty_rows(y: FloatArray, given_rows: int, caller: str) -> int:
    """Number of rows before the first observation: a diffuse start begins after them.

    Flat at row 1, a state is not flat ``t`` rows later: its density there is ``1 / |det W_h|**t``,
    without a bound as W_h becomes singular.

    Parameters
    ----------
    y : ndarray, shape (nobs, p)
    given_rows : int
        Rows that the likelihood is conditional on, 0 for none; they must be complete, else the
        likelihood grows without bound where a lag's coefficients vanish.
    caller : str

    Returns
    -------
    int

    Raises
    ------
    DataError
        For a gap in the rows that must be complete.
    """
    seen = np.isfinite(y)
    lead = int(np.argmax(seen.any(axis=1)))
    block = np.zeros((given_rows, y.shape[1]), dtype=bool)
    first = seen[lead : lead + given_rows]
    block[: len(first)] = first
    if not block.all():
        gap = lead + int(np.argmin(block.all(axis=1)))
        raise DataError(
            f"{caller}: with initial='diffuse' the observed form is given the first {given_rows} "
            f"rows with an observation, which must be complete; got a gap at t = {gap + 1}. Leave "
            "out the rows up to there, or use initial='stationary'."
        )
    return lead


class Likelihood:
    """Exact Gaussian likelihood as a function of the natural parameters (K,).

    Parameters
    ----------
    table : CellTable
    y : ndarray, shape (nobs, p)
        C-contiguous; NaN is missing.
    x_obs, x_state : ndarray or None
        What `rnnstats.parameters.regressors` gives for the table's terms.
    given_rows : int
        Order L of a vector autoregression whose first L rows have a flat density, else 0. Complete
        data then are a regression; with gaps the exact diffuse filter is used, see
        `rnnstats.models.regression`.
    lead : int
        Rows at the beginning that are left out, see `empty_rows`: their contribution is zero.
    """

    def __init__(
        self,
        table: CellTable,
        y: FloatArray,
        x_obs: FloatArray | None,
        x_state: FloatArray | None,
        *,
        given_rows: int = 0,
        lead: int = 0,
    ) -> None:
        y = y[lead:]
        x_obs, x_state = (None if x is None else x[lead:] for x in (x_obs, x_state))
        self.table, self.y, self.x_obs, self.x_state = table, y, x_obs, x_state
        self.given_rows, self.lead = given_rows, lead
        self.covariance_ok = covariance_check(table)
        self.regression: Regression | None = None
        if 0 < given_rows < len(y) and bool(np.isfinite(y).all()):
            design = np.ones((len(y), 1)) if x_obs is None and table.obs_terms else x_obs
            self.regression = Regression(table, given_rows, y, design, x_state)
        self.counts_volume = self.regression is None and 1 < given_rows <= len(y)
        varies = x_obs is not None or x_state is not None
        self._constant_tangents = None if varies else table.tangents(None, None)

    def value(self, theta: FloatArray) -> float:
        """Log-likelihood."""
        if not (np.isfinite(theta).all() and self.covariance_ok(theta)):
            return -math.inf
        if self.regression is not None:
            return float(self.regression.loglikeobs(theta).sum())
        try:
            system = self.table.system(theta, self.x_obs, self.x_state)
            value = kalman.loglike(system, self.y)
        except _REFUSALS:
            return -math.inf
        if self.counts_volume:
            value += volume(system.transition, self.table.k_endog)
        return value if math.isfinite(value) else -math.inf

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Log-likelihood and its gradient, shape (K,)."""
        if not (np.isfinite(theta).all() and self.covariance_ok(theta)):
            return -math.inf, np.full(len(theta), np.nan)
        if self.regression is not None:
            value = float(self.regression.loglikeobs(theta).sum())
            return value, self.regression.score_obs(theta).sum(axis=0)
        try:
            system = self.table.system(theta, self.x_obs, self.x_state)
            value, slopes = kalman.score(system, self.y)
        except _REFUSALS:
            return -math.inf, np.full(len(theta), np.nan)
        if self.table.stationary:
            slopes = partial_start.gradient(system, slopes, self.table.stationary)
        gradient = self.table.pull(slopes, self.x_obs, self.x_state)
        if self.counts_volume:
            value += volume(system.transition, self.table.k_endog)
            gradient = gradient + self._volume_gradient(system, value)
        if not math.isfinite(value):
            return -math.inf, np.full(len(theta), np.nan)
        return value, gradient

    def loglikeobs(self, theta: FloatArray) -> FloatArray:
        """Contribution of each row, shape (nobs,)."""
        rows = self._loglikeobs(theta)
        return np.concatenate([np.zeros(self.lead), rows]) if self.lead else rows

    def _loglikeobs(self, theta: FloatArray) -> FloatArray:
        refused = np.full(len(self.y), np.nan)
        if not (np.isfinite(theta).all() and self.covariance_ok(theta)):
            return refused
        if self.regression is not None:
            return self.regression.loglikeobs(theta)
        try:
            system = self.table.system(theta, self.x_obs, self.x_state)
            out = np.array(kalman.loglikeobs(system, self.y))
        except _REFUSALS:
            return refused
        if self.counts_volume:
            out[self.given_rows - 1] += volume(system.transition, self.table.k_endog)
        return out

    def score_obs(self, theta: FloatArray, along: FloatArray | None = None) -> FloatArray:
        """Gradient of each row's contribution, shape (nobs, K); along directions, (nobs, f)."""
        rows = self._score_obs(theta, along)
        return np.vstack([np.zeros((self.lead, rows.shape[1])), rows]) if self.lead else rows

    def _score_obs(self, theta: FloatArray, along: FloatArray | None) -> FloatArray:
        size = len(theta) if along is None else along.shape[1]
        refused = np.full((len(self.y), size), np.nan)
        if not (np.isfinite(theta).all() and self.covariance_ok(theta)):
            return refused
        if self.regression is not None:
            return self.regression.score_obs(theta, along)
        try:
            system = self.table.system(theta, self.x_obs, self.x_state)
            tangents = self._tangents_along(system, along)
            out = np.array(kalman.score_obs(system, self.y, tangents)[1])
        except _REFUSALS:
            return refused
        if self.counts_volume:
            change = volume(system.transition, self.table.k_endog)
            slope = self._volume_gradient(system, change)
            out[self.given_rows - 1] += slope if along is None else slope @ along
        return out

    def information(self, theta: FloatArray, along: FloatArray | None = None) -> FloatArray:
        """Expected information, shape (K, K); along directions (K, f), (f, f)."""
        size = len(theta) if along is None else along.shape[1]
        refused = np.full((size, size), np.nan)
        if not (np.isfinite(theta).all() and self.covariance_ok(theta)):
            return refused
        if self.regression is not None:
            return self.regression.information(theta, along)
        try:
            system = self.table.system(theta, self.x_obs, self.x_state)
            return kalman.information(system, self.y, self._tangents_along(system, along))
        except _REFUSALS:
            return refused

    def least_squares(self, terms: tuple[str, ...]) -> dict[str, FloatArray] | None:
        """Maximum in closed form, see `rnnstats.models.regression.least_squares`."""
        arrays = least_squares(self.y, self.given_rows, terms, self.x_state)
        if arrays is not None and "trend" in terms:  # the trend counts the rows left out, too
            arrays["C_obs"][0] -= self.lead * arrays["C_obs"][1]
        return arrays

    def tangents(self, system: StateSpace) -> kalman.Tangents:
        """Directions of all parameters at a system; those constant in time are kept."""
        found = self._constant_tangents
        if found is None:
            found = self.table.tangents(self.x_obs, self.x_state)
        block = self.table.stationary
        return partial_start.tangents(system, found, block) if block else found

    def _tangents_along(self, system: StateSpace, along: FloatArray | None) -> kalman.Tangents:
        found = self.tangents(system)
        return found if along is None else found.combined(along)

    def _volume_gradient(self, system: StateSpace, value: float) -> FloatArray:
        full = np.zeros(self.table.template.size)
        if value > -math.inf:
            slope = volume_gradient(system.transition, self.table.k_endog)
            self.table.array(full, "transition")[...] = slope
        return self.table.collect(full)
