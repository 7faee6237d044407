"""Samples of a model with regimes, and fits to them with the regimes in the same order."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from rnnstats.errors import ConvergenceWarning, RnnStatsError
from rnnstats.estimation.bootstrap import Refit
from rnnstats.estimation.drawing import Sampled
from rnnstats.kernels import markov
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.simulation import resampled
from rnnstats.results.regimes.protocol import IntArray, RegimeModel

__all__ = ["RegimeRefitter", "RegimeSampler", "aligned", "matching"]

# Relative change by which a renumbered point may miss the restrictions.
MISS = 1e-9


class RegimeSampler:
    """Draws samples of the length, inputs, sequences and gaps of the data.

    Parameters
    ----------
    model : RegimeModel
    theta : ndarray of shape (K,)
        Parameters to draw with.
    """

    def __init__(self, model: RegimeModel, theta: FloatArray) -> None:
        self.model = model
        self.theta = theta

    def one(self, rng: np.random.Generator) -> FloatArray:
        """Draw one sample.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (nobs, k_endog)
            The first `order` rows of each sequence are those of the data.
        """
        return np.asarray(resampled(self.model, self.theta, rng), dtype=np.float64)

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
            Not needed: samples do not depend on those beside them.
        pool : None
            There are no errors to resample.
        ahead : bool
            Not needed: no rows past the sample are drawn.

        Returns
        -------
        Sampled
            Without rows past the sample.
        """
        samples = np.array([self.one(np.random.default_rng(seed)) for seed in seeds])
        none = np.zeros((len(samples), 0, samples.shape[2]))
        return Sampled(samples, none, none)


class RegimeRefitter:
    """Fits a model with regimes to other outputs, from its estimates.

    Parameters
    ----------
    model : RegimeModel
    theta : ndarray of shape (K,)
        The start, and the order of the regimes.
    """

    def __init__(self, model: RegimeModel, theta: FloatArray) -> None:
        self.model = model
        self.theta = theta

    def on(self, values: FloatArray) -> RegimeModel:
        """Return the model on other outputs.

        Parameters
        ----------
        values : ndarray of shape (nobs, k_endog)

        Returns
        -------
        RegimeModel
        """
        return moved(self.model, values)

    def __call__(self, values: FloatArray) -> Refit:
        """Fit, and put the regimes into the order of the estimates.

        Parameters
        ----------
        values : ndarray of shape (nobs, k_endog)

        Returns
        -------
        Refit
        """
        try:
            model = self.on(values)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # told by the record instead
                results = model.fit(start_params=self.theta, cov_type="none")
        except RnnStatsError as error:
            return Refit(None, f"{type(error).__name__}: {error}")
        record = results.convergence
        if record is not None and not record.converged:
            return Refit(None, str(record.message))
        found = results.params.to_numpy(dtype=float)
        return Refit(aligned(model, found, self.theta), "")


def moved(model: RegimeModel, values: FloatArray) -> RegimeModel:
    """Put a model on other outputs with the same rows, inputs and sequences.

    Parameters
    ----------
    model : RegimeModel
    values : ndarray of shape (nobs, k_endog)

    Returns
    -------
    RegimeModel
    """
    start = None if isinstance(model.start, str) else model.start
    return model.clone(
        replace(model.endog, values=values),
        model.exog,
        exog_transition=model.exog_transition,
        start=start,
    )


def matching(model: RegimeModel, theta: FloatArray, target: FloatArray) -> IntArray:
    """Match the regimes of one point with those of another.

    Parameters
    ----------
    model : RegimeModel
        With the data on which they are matched.
    theta, target : ndarray of shape (K,)

    Returns
    -------
    ndarray of int, shape (K,)
        Regime of `theta` that stands for each regime of `target`: the assignment with the largest
        expected number of rows in which both agree, given the data (Hungarian algorithm).
    """
    here, there = (_smoothed(model, point) for point in (theta, target))
    return np.asarray(linear_sum_assignment(-(there.T @ here))[1], dtype=np.intp)


def _smoothed(model: RegimeModel, theta: FloatArray) -> FloatArray:
    system = model.system(theta)
    states = markov.smooth(*system.chain, lags=system.lags).smoothed
    return states if system.composite is None else system.composite.marginal(states)


def aligned(model: RegimeModel, theta: FloatArray, target: FloatArray) -> FloatArray:
    """Renumber the regimes of a point as those of another.

    Parameters
    ----------
    model : RegimeModel
    theta, target : ndarray of shape (K,)

    Returns
    -------
    ndarray of shape (K,)
        `theta` itself where the restrictions do not allow another order.
    """
    if model.k_regimes == 1:
        return theta
    order = matching(model, theta, target)
    if np.array_equal(order, np.arange(model.k_regimes)):
        return theta
    return theta if (other := allowed(model, theta, order)) is None else other


def allowed(model: RegimeModel, theta: FloatArray, order: IntArray) -> FloatArray | None:
    """Renumber regimes where the restrictions allow it.

    Parameters
    ----------
    model : RegimeModel
    theta : ndarray of shape (K,)
    order : ndarray of int, shape (K,)
        Regime that takes each place.

    Returns
    -------
    ndarray of shape (K,), or None
        None where the renumbered point does not obey the restrictions.
    """
    other = np.asarray(model.reordered(theta, order), dtype=np.float64)
    kept = model.layout.expand(model.layout.reduce(other))
    if np.abs(kept - other).max(initial=0.0) > MISS * (1.0 + np.abs(other).max(initial=0.0)):
        return None
    llf, value = (float(model.loglike(point)) for point in (theta, other))
    return other if abs(value - llf) <= MISS * (1.0 + abs(llf)) else None
