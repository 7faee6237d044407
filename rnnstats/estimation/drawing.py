"""Samples like the one at hand, drawn through the innovations form.

Any linear Gaussian state space model is, for complete data, ``y_t = Z s_t + d_t + L_t u_t`` and
``s_{t+1} = T s_t + c_{t+1} + G_t u_t`` with ``s_t`` the predicted state, ``L_t`` the Cholesky
factor of the forecast error covariance, ``G_t`` gain times ``L_t`` and ``u_t`` white with unit
covariance. Normal ``u_t`` draw from the model itself; resampled standardised errors keep the
shape of their distribution (Stoffer and Wall 1991). The missing pattern is put on afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import DataError
from rnnstats.kernels.kalman import kalman_filter
from rnnstats.kernels.system import StateSpace

__all__ = ["Sampled", "Sampler", "sampler", "standardised_pool"]

FloatArray = NDArray[np.float64]
# Complete rows below which resampling them says nothing about a distribution.
FEWEST = 10


class Sampled(NamedTuple):
    """Samples, and what follows each.

    Attributes
    ----------
    samples : ndarray, shape (draws, nobs, p)
    means : ndarray, shape (draws, steps, p)
        Mean of the rows past the sample given the sample without gaps.
    paths : ndarray, shape (draws, steps, p)
        Rows past the sample.
    """

    samples: FloatArray
    means: FloatArray
    paths: FloatArray


@dataclass(frozen=True, eq=False)
class Sampler:
    """What draws samples of the same length, inputs, first rows and gaps.

    Attributes
    ----------
    values : ndarray, shape (nobs, p)
        The data, NaN where missing. Rows before ``first`` are kept in every draw.
    first : int
        First row that is drawn: the row at which a diffuse start has died out, else 0.
    start : ndarray, shape (m,)
        Predicted state of that row.
    design, transition : ndarray, shape (p, m) and (m, m)
    obs_intercept, state_intercept : ndarray, shape (rows, p) and (rows, m)
        From row ``first`` on, to past the sample where rows past it are asked for.
    factors, loadings : ndarray, shape (rows, p, p) and (rows, m, p)
        ``L_t`` and ``G_t``.
    """

    values: FloatArray
    first: int
    start: FloatArray
    design: FloatArray
    transition: FloatArray
    obs_intercept: FloatArray
    state_intercept: FloatArray
    factors: FloatArray
    loadings: FloatArray

    @property
    def rows(self) -> int:
        """Rows that are drawn, those past the sample included."""
        return len(self.factors)

    @property
    def steps(self) -> int:
        """Rows past the sample."""
        return self.first + self.rows - len(self.values)

    def one(self, rng: np.random.Generator) -> FloatArray:
        """Draw one sample.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (nobs, p)
        """
        noise = rng.standard_normal((1, self.rows, self.values.shape[1]))
        return np.asarray(self.samples(self.paths(noise))[0])

    def block(
        self,
        seeds: Sequence[np.random.SeedSequence],
        size: int,
        pool: FloatArray | None,
        ahead: bool,
    ) -> Sampled:
        """Draw one sample a stream.

        Parameters
        ----------
        seeds : sequence of numpy.random.SeedSequence
        size : int
            Number of streams of a full block. Arrays always have this size: a matrix product may
            round otherwise for another number of rows.
        pool : ndarray, shape (rows, p), or None
            Standardised errors to draw rows from with replacement; None for normal ones.
        ahead : bool
            Whether the means of the rows past the sample are needed.

        Returns
        -------
        Sampled
        """
        noise = np.zeros((size, self.rows, self.values.shape[1]))
        for row, seed in zip(noise, seeds, strict=False):
            rng = np.random.default_rng(seed)
            if pool is None:
                row[:] = rng.standard_normal(row.shape)
            else:
                row[:] = pool[rng.integers(0, len(pool), size=len(row))]
        paths = self.paths(noise)
        first = self.rows - self.steps
        noise[:, first:] = 0.0
        means = self.paths(noise) if ahead else paths
        return Sampled(self.samples(paths), means[:, first:], paths[:, first:])

    def ahead_cov(self) -> FloatArray:
        """Covariance of each row past the sample, given a sample without gaps.

        Returns
        -------
        ndarray, shape (steps, p, p)
        """
        state = np.zeros((len(self.start), len(self.start)))
        out = np.empty((self.steps, *self.factors.shape[1:]))
        for h, t in enumerate(range(self.rows - self.steps, self.rows)):
            out[h] = self.design @ state @ self.design.T + self.factors[t] @ self.factors[t].T
            state = self.transition @ state @ self.transition.T
            state += self.loadings[t] @ self.loadings[t].T
        return out

    def paths(self, noise: FloatArray) -> FloatArray:
        """Outputs without gaps for given unit noise.

        Parameters
        ----------
        noise : ndarray, shape (draws, rows, p)

        Returns
        -------
        ndarray, shape (draws, rows, p)
        """
        units = noise.transpose(1, 0, 2)
        pushes = np.matmul(units, self.loadings.transpose(0, 2, 1))
        pushes[:-1] += self.state_intercept[1:, None]
        states = np.empty_like(pushes)
        states[0] = self.start
        turn = np.ascontiguousarray(self.transition.T)
        for t in range(1, self.rows):
            np.matmul(states[t - 1], turn, out=states[t])
            states[t] += pushes[t - 1]
        out = np.matmul(states, self.design.T) + self.obs_intercept[:, None]
        out += np.matmul(units, self.factors.transpose(0, 2, 1))
        return np.ascontiguousarray(out.transpose(1, 0, 2))

    def samples(self, paths: FloatArray) -> FloatArray:
        """Put kept rows in front of paths and the gaps over them.

        Parameters
        ----------
        paths : ndarray, shape (draws, rows, p)

        Returns
        -------
        ndarray, shape (draws, nobs, p)
        """
        inside = paths[:, : len(self.values) - self.first]
        kept = np.broadcast_to(self.values[: self.first], (len(paths), self.first, paths.shape[2]))
        whole = np.concatenate([kept, inside], axis=1)
        whole[:, np.isnan(self.values)] = np.nan
        return whole


def sampler(system: StateSpace, values: FloatArray, *, steps: int = 0, caller: str) -> Sampler:
    """Prepare draws from a system.

    Parameters
    ----------
    system : StateSpace
        Intercepts that vary must have ``nobs + steps`` rows.
    values : ndarray, shape (nobs, p)
        The data, NaN where missing.
    steps : int
        Rows past the sample that are drawn, too.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    Sampler
        With a diffuse start the rows up to where it has died out are kept as they are, and the
        rest is drawn given them, as the diffuse likelihood is that of the rest given them.

    Raises
    ------
    DataError
        The sample does not determine a diffuse start.
    """
    nobs, p = values.shape
    total = nobs + steps
    padded = np.concatenate([values, np.full((steps, p), np.nan)])
    first = int(kalman_filter(system, padded).nobs_diffuse)
    if first >= nobs:
        raise DataError(
            f"{caller}: the sample must determine a diffuse start before its last row; got "
            f"{first} diffuse rows of {nobs}. Use a longer sample, or initial='stationary'."
        )
    complete = np.zeros((total, p))
    complete[:first] = values[:first]
    output = kalman_filter(system, complete)
    covs = output.forecast_error_cov[first:]
    factors = np.linalg.cholesky(covs)
    spread = output.predicted_state_cov[first:total]
    cross = spread @ system.design.T
    shared = system.selection @ system.cross_cov
    loadings = np.linalg.solve(factors, (system.transition @ cross + shared).transpose(0, 2, 1))
    return Sampler(
        values=values,
        first=first,
        start=output.predicted_state[first].copy(),
        design=np.array(system.design),
        transition=np.array(system.transition),
        obs_intercept=_by_row(system.obs_intercept, total)[first:],
        state_intercept=_by_row(system.state_intercept, total)[first:],
        factors=factors,
        loadings=np.ascontiguousarray(loadings.transpose(0, 2, 1)),
    )


def standardised_pool(errors: FloatArray, first: int, *, caller: str) -> FloatArray:
    """
    Return the standardised one-step errors that are resampled, centred and white.

    Parameters
    ----------
    errors : ndarray, shape (nobs, p)
        Errors divided by the Cholesky factor of their covariance, NaN where missing.
    first : int
        Rows before it are left out.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    ndarray, shape (rows, p)
        Of the rows in which every output is seen. Mean zero and covariance the identity, so that
        the model at the estimates has exactly the second moments of what is drawn.

    Raises
    ------
    DataError
        Too few complete rows.
    """
    whole = errors[first:][np.isfinite(errors[first:]).all(axis=1)]
    least = max(FEWEST, whole.shape[1] + 2)
    if len(whole) < least:
        raise DataError(
            f"{caller}: kind='innovations' resamples rows in which every output is seen; got "
            f"{len(whole)}, and needs {least}. Use kind='parametric'."
        )
    centred = whole - whole.mean(axis=0)
    factor = np.linalg.cholesky(centred.T @ centred / len(centred))
    pool: FloatArray = np.linalg.solve(factor, centred.T).T
    return pool


def _by_row(intercept: FloatArray, total: int) -> FloatArray:
    if intercept.ndim == 2:
        return np.array(intercept)
    return np.tile(intercept, (total, 1))
