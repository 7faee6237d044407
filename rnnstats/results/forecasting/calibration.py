r"""Forecast distributions that count the estimation of the parameters, by a bootstrap.

Where :math:`\hat y_h` and :math:`s_h` are the plug-in forecast and its standard deviation, the
distribution of the predictive root :math:`r_h = (y_{n+h} - \hat y_h) / s_h` over samples replaces
the normal one: in each drawn sample the parameters are estimated again, and the root is that of the
draw's own future. The draw's forecast and deviation thus err as the real ones do.

Samples are drawn at parameters corrected for bias, twice the estimates minus the mean of a first
bootstrap: in short series roots are estimated too small, and samples drawn at the estimates are too
tame (Kilian 1998). The corrected point is pulled back towards the estimates until it is admissible
and stable.

With normal errors the future of a draw is normal given the draw's sample, so that the distribution
of the root is a mixture of normals, one a draw, without noise from drawn futures.

References
----------
Beran, R. (1990), Calibrating prediction regions, JASA 85, 715-723.
Kilian, L. (1998), Small-sample confidence intervals for impulse response functions, Review of
Economics and Statistics 80, 218-230.
Stoffer, D. S. and Wall, K. D. (1991), Bootstrapping state-space models, JASA 86, 1024-1033.
Rodriguez, A. and Ruiz, E. (2009), Bootstrap prediction intervals in state-space models, Journal of
Time Series Analysis 30, 167-178.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnstats.errors import (
    DataError,
    NotPositiveDefiniteError,
    NotStationaryError,
)
from rnnstats.estimation.bootstrap import Draws, Future, Job, resample, say_failures
from rnnstats.estimation.drawing import Sampler, sampler
from rnnstats.results.forecasting.prediction import Moments, predict_moments
from rnnstats.results.forecasting.predictive import Mixture
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["Plan", "calibrated"]

CALLER = "get_forecast"
# A correction for bias does not push roots beyond this, or beyond the estimates' own.
STABLE = 0.995
# Steps in which a correction that leaves the admissible region is taken back.
SHRINK = 0.05
# Fewer draws than this are no distribution.
FEWEST = 20
# Drawn futures that go with each draw's estimates where errors are resampled.
TURNS = 25


@dataclass(frozen=True, eq=False)
class Plan:
    """What a calibration is asked to do.

    Attributes
    ----------
    refit : callable
        Of `rnnstats.results.inference.resampling.refitter_of`, starting at the estimates.
    pool : callable or None
        First row to the standardised errors that are resampled; None for normal errors.
    nboot : int
        Draws of each of the two bootstraps.
    rng : numpy.random.Generator
    n_jobs : int
    progress : bool
    """

    refit: Any
    pool: Callable[[int], FloatArray] | None
    nboot: int
    rng: np.random.Generator
    n_jobs: int
    progress: bool


class _Root:
    """What a draw's predictive root consists of (a class, so that processes can be sent it).

    Three arrays (steps, k_endog): the future's mean less the forecast, the future less its mean,
    the forecast's standard deviation.
    """

    def __init__(self, refit: Any, exog: FloatArray | None) -> None:
        self.refit, self.exog = refit, exog

    def __call__(self, future: Future) -> FloatArray:
        model: StateSpaceModel = self.refit.on(future.values)
        stop = model.nobs + len(future.mean)
        moments = predict_moments(model, future.theta, stop=stop, exog=self.exog)
        off = future.mean - moments.mean[model.nobs :]
        return np.stack([off, future.path - future.mean, _deviation(moments.cov[model.nobs :])])


def calibrated(
    model: StateSpaceModel,
    theta: FloatArray,
    plugin: Moments,
    exog: FloatArray | None,
    plan: Plan,
) -> tuple[Moments, Mixture]:
    """
    Widen plug-in forecasts to distributions that count the estimation of the parameters.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
        Estimates.
    plugin : Moments
        Of the rows past the sample, at the estimates.
    exog : ndarray of shape (steps, k_exog), optional
        Inputs of these rows.
    plan : Plan

    Returns
    -------
    moments : Moments
        The plug-in means, and the second moments of the distribution around them.
    mixture : Mixture
        The distribution of each row and output.

    Raises
    ------
    DataError
        A diffuse start that the sample does not determine, too few complete rows to resample, or
        too few fits that succeeded.

    Warns
    -----
    ConvergenceWarning
        More than one fit in twenty failed.
    """
    steps = len(plugin.mean)
    first = _drawn(plan, _sampler(model, theta, steps, exog), None)
    target = _corrected(model, theta, first.theta.mean(axis=0) - theta)
    base = _sampler(model, target, steps, exog)
    ahead = base.ahead_cov()
    found = _drawn(plan, base, _Root(plan.refit, exog)).extra
    assert found is not None  # roots were asked for
    off, noise, sizes = found[:, 0], found[:, 1], found[:, 2]
    scale = _deviation(plugin.cov)
    if plan.pool is None:
        centre, spread = off / sizes, _deviation(ahead) / sizes
    else:
        # what is to come does not depend on what was estimated: each goes with some others' noise
        turns = min(TURNS, len(off))
        centre = np.concatenate([(off + np.roll(noise, k, axis=0)) / sizes for k in range(turns)])
        spread = np.zeros_like(centre)
    weighted = off / sizes
    products = np.einsum("bhi,bhj->hij", weighted, weighted)
    products += ahead * np.einsum("bhi,bhj->hij", 1.0 / sizes, 1.0 / sizes)
    cov = products / len(off) * scale[:, :, None] * scale[:, None, :]
    return Moments(plugin.mean, cov), Mixture(plugin.mean + scale * centre, scale * spread)


def _sampler(
    model: StateSpaceModel, theta: FloatArray, steps: int, exog: FloatArray | None
) -> Sampler:
    system = model.system(theta, steps=steps, exog=exog)
    return sampler(system, model.endog.values, steps=steps, caller=CALLER)


def _drawn(plan: Plan, base: Sampler, root: _Root | None) -> Draws:
    """Draw, refit, and look at the futures; enough of it must succeed."""
    job = Job(
        base,
        plan.refit,
        pool=None if plan.pool is None else plan.pool(base.first),
        extra=root,
    )
    draws = resample(
        job,
        plan.nboot,
        plan.rng,
        n_jobs=plan.n_jobs,
        progress=plan.progress,
        partial=False,
        caller=CALLER,
    )
    failed = len(draws.failures)
    if len(draws.theta) < FEWEST:
        raise DataError(
            f"{CALLER}: at least {FEWEST} fits of drawn samples must succeed; got "
            f"{len(draws.theta)} of {draws.made}, the first failure being: "
            f"{draws.failures[0][1] if failed else 'none'} Use uncertainty='delta'."
        )
    say_failures(draws, CALLER)
    return draws


def _corrected(model: StateSpaceModel, theta: FloatArray, bias: FloatArray) -> FloatArray:
    """Take the bias off, as far as the point stays admissible, stable and likely.

    The truth lies half a unit of log-likelihood a parameter below the estimates on average: a point
    further down has no claim to be nearer to it. (In ill-conditioned coordinates means of draws
    may lie anywhere.)
    """
    layout = model.layout
    largest = max(STABLE, _radius(model, theta))
    lowest = model.loglike(theta) - 0.5 * layout.k_free
    share = 1.0
    while share > SHRINK / 2:
        point = layout.expand(layout.reduce(theta - share * bias))
        if _llf(model, point) >= lowest and _radius(model, point) <= largest:
            return point
        share -= SHRINK
    return theta


def _llf(model: StateSpaceModel, theta: FloatArray) -> float:
    try:
        return model.loglike(theta)
    except (NotPositiveDefiniteError, NotStationaryError):
        return -np.inf


def _radius(model: StateSpaceModel, theta: FloatArray) -> float:
    return float(np.abs(np.linalg.eigvals(model.system(theta).transition)).max())


def _deviation(cov: FloatArray) -> FloatArray:
    found: FloatArray = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    return found
