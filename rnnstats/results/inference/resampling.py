"""The part of results that draws and refits samples."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, get_args

import numpy as np

from rnnstats._checks import check_bool, check_generator, check_int, check_jobs, check_literal
from rnnstats.errors import ConvergenceWarning, DataError, RnnStatsError, SpecificationError
from rnnstats.estimation.bootstrap import (
    DEFAULT_SEED,
    BootstrapKind,
    Future,
    Job,
    Refit,
    SampleSource,
    resample,
    say_failures,
)
from rnnstats.estimation.drawing import standardised_pool
from rnnstats.results.continuation import ContinuedModel
from rnnstats.results.inference.bootstrap import Bootstrap
from rnnstats.results.inference.covariances import without_fixed
from rnnstats.results.protocol import FittedModel, FloatArray, free_directions
from rnnstats.results.residuals import OneStep

__all__ = ["Resampling", "refitter_of", "standard_errors"]


class Resampling(ABC):
    """The part of results that draws and refits samples.

    Attributes
    ----------
    model : FittedModel
        Data and structure.
    """

    model: FittedModel
    _theta: FloatArray

    # Ways of drawing that have no meaning for the model, with the reason.
    _no_kind: ClassVar[Mapping[str, str]] = MappingProxyType({})

    # What draws samples like the one at hand, at the estimates.
    @abstractmethod
    def _sampler(self, caller: str) -> SampleSource: ...

    def _refitter(self, caller: str) -> Any:
        """What fits the model to samples like its own, see `refitter_of`."""
        return refitter_of(self.model, self._theta, caller)

    @property
    @abstractmethod
    def _one_step(self) -> OneStep:
        """One-step-ahead predictions and standardised errors."""

    def bootstrap(
        self,
        nboot: int = 999,
        kind: BootstrapKind = "parametric",
        *,
        errors: bool = False,
        n_jobs: int = 1,
        rng: Any = None,
        progress: bool = False,
    ) -> Bootstrap:
        """
        Draw samples at the estimates and estimate again from each.

        Parameters
        ----------
        nboot : int
            Number of samples, at least 2.
        kind : {"parametric", "innovations"}
            "parametric" draws normal errors: samples are draws from the model. "innovations"
            draws rows of the standardised one-step errors with replacement, made centred and
            white: samples keep the shape of the errors' distribution (not with regimes).
        errors : bool
            Also take a standard error from each draw (from the expected information; with regimes
            from the outer product of the scores), for ``conf_int(kind="studentized")``.
        n_jobs : int
            Processes, -1 for all; the numbers do not depend on it.
        rng : None, int or numpy.random.Generator
            Source of randomness. Default: a fixed seed, so that the numbers can be repeated.
        progress : bool
            Show a bar when the work takes over about two seconds.

        Returns
        -------
        Bootstrap
            ``params``, ``bse``, ``bias``, ``cov``, ``conf_int``, ``apply``, ``failed``,
            ``summary()``, ``plot()``. An interrupt (Ctrl-C) leaves the draws made by then.

        Raises
        ------
        SpecificationError
            An argument that is not allowed, nothing to estimate, or results of later rows only
            (`extend`), which are no sample for the model.
        DataError
            A diffuse start that the sample does not determine; too few complete rows to resample;
            or fewer than two fits that succeeded.

        Warns
        -----
        ConvergenceWarning
            Interrupted before all draws were made, or more than one fit in twenty failed: the
            others are then a selection.

        Notes
        -----
        Samples have the length, inputs and missing values of the data. A stationary start is drawn
        as well. With a diffuse start the rows until it has died out are those of the data and the
        rest is drawn given them, as the diffuse likelihood is that of the rest given them.
        Restrictions hold in every draw, and each is put into the same form as the estimates (the
        invertible one of equivalent points, units in their order). Each climb starts at the
        estimates: of several maxima it finds the one that belongs to them. With regimes, rows that
        the likelihood is conditional on are those of the data, and the regimes of each draw are
        numbered as those of the estimates, by the assignment with the largest expected number of
        rows in which both agree.

        References
        ----------
        Stoffer, D. S. and Wall, K. D. (1991), Bootstrapping state-space models: Gaussian maximum
        likelihood estimation and the Kalman filter, JASA 86, 1024-1033.
        """
        caller = "bootstrap"
        nboot = check_int(nboot, name="nboot", caller=caller, minimum=2)
        check_literal(kind, get_args(BootstrapKind), name="kind", caller=caller)
        if kind in self._no_kind:
            raise SpecificationError(f"{caller}: {self._no_kind[kind]}")
        check_bool(errors, name="errors", caller=caller)
        check_bool(progress, name="progress", caller=caller)
        n_jobs = check_jobs(n_jobs, caller=caller)
        generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=caller)
        refit = self._refitter(caller)
        source = self._sampler(caller)
        job = Job(
            source,
            refit,
            pool=self._pool(source, caller) if kind == "innovations" else None,
            extra=_Errors(refit) if errors else None,
        )
        draws = resample(job, nboot, generator, n_jobs=n_jobs, progress=progress, caller=caller)
        if len(draws.theta) < 2:
            raise DataError(
                f"{caller}: at least two fits must succeed; got {len(draws.theta)} of "
                f"{draws.made}, the first failure being: "
                f"{draws.failures[0][1].rstrip('.')}. Use a model with fewer parameters."
            )
        say_failures(draws, caller)
        layout = self.model.layout
        own = standard_errors(self.model, self._theta)
        return Bootstrap(draws, self._theta, own, layout.names, layout.free_names, kind)

    def _pool(self, source: Any, caller: str) -> FloatArray:
        """Return the standardised errors to resample."""
        return standardised_pool(self._one_step.standardized, source.first, caller=caller)


class Cloned:
    """Fits a model to other outputs by its own ``clone`` and ``fit``.

    Parameters
    ----------
    model : FittedModel
    theta : ndarray of shape (K,)
        The start.
    """

    def __init__(self, model: FittedModel, theta: FloatArray) -> None:
        self.model = model
        self.theta = theta

    def on(self, values: FloatArray) -> FittedModel:
        """Return the model on other outputs.

        Parameters
        ----------
        values : ndarray of shape (nobs, k_endog)

        Returns
        -------
        FittedModel
        """
        return self.model.clone(replace(self.model.endog, values=values), self.model.exog)

    def __call__(self, values: FloatArray) -> Refit:
        """Fit.

        Parameters
        ----------
        values : ndarray of shape (nobs, k_endog)

        Returns
        -------
        Refit
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # told by the record instead
                results = self.on(values).fit(start_params=self.theta, cov_type="none")
        except RnnStatsError as error:
            return Refit(None, f"{type(error).__name__}: {error}")
        record = results.convergence
        if record is not None and not record.converged:
            return Refit(None, str(record.message))
        return Refit(results.params.to_numpy(dtype=float), "")


class _Errors:
    """Standard errors of a draw (a class, so that processes can be sent it)."""

    def __init__(self, refit: Any) -> None:
        self.refit = refit

    def __call__(self, future: Future) -> FloatArray:
        return standard_errors(self.refit.on(future.values), future.theta)


def refitter_of(model: FittedModel, theta: FloatArray, caller: str) -> Any:
    """
    Return what fits a model to samples like its own.

    Parameters
    ----------
    model : FittedModel
    theta : ndarray of shape (K,)
        Where fits start.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    callable
        Sample (nobs, k_endog) to `Refit`; ``on(values)`` is the model on a sample.

    Raises
    ------
    SpecificationError
        There is nothing to estimate, or the model is that of later rows only.
    """
    if isinstance(model, ContinuedModel) or getattr(model, "continues", False):
        raise SpecificationError(
            f"{caller}: samples must be ones that the model can be estimated from; got later rows "
            "given earlier ones. Use append instead of extend."
        )
    if model.layout.k_free == 0:
        raise SpecificationError(
            f"{caller}: there must be parameters to estimate; got only fixed ones. "
            "Use simulate() for samples."
        )
    quick = getattr(model, "_refitter", None)
    return Cloned(model, theta) if quick is None else quick(theta)


def standard_errors(model: FittedModel, theta: FloatArray) -> FloatArray:
    """
    Return standard errors from the expected information.

    Parameters
    ----------
    model : FittedModel
    theta : ndarray of shape (K,)

    Returns
    -------
    ndarray of shape (K,)
        NaN for fixed parameters, and all NaN where the information is singular.
    """
    expansion = free_directions(model, theta)
    info = expansion.T @ without_fixed(model.information(theta), expansion) @ expansion
    size = np.sqrt(np.diagonal(info))
    if not (np.isfinite(info).all() and (size > 0.0).all()):
        return np.full(len(theta), np.nan)
    values, vectors = np.linalg.eigh(info / np.multiply.outer(size, size))
    if values[0] <= 1e-10 * values[-1]:
        return np.full(len(theta), np.nan)
    roots = expansion @ (vectors / size[:, None]) / np.sqrt(values)
    found = np.sqrt((roots**2).sum(axis=1))
    return np.where(found > 0.0, found, np.nan)
