"""The part of results of recurrent networks that traces shocks into later outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import (
    check_alpha,
    check_bool,
    check_float,
    check_generator,
    check_int,
    check_jobs,
    check_literal,
)
from rnnstats.errors import SpecificationError
from rnnstats.estimation.bootstrap import DEFAULT_SEED
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.forecasting.prediction import find_name
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.histories import chosen_rows, history_words
from rnnstats.results.recurrent.forecasting.draws import (
    FEWEST,
    asymptotic_draws,
    bootstrap_draws,
    each,
)
from rnnstats.results.recurrent.forecasting.points import REPLICATES
from rnnstats.results.recurrent.inference.slopes import axis_bands
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem
from rnnstats.results.recurrent.responses.response_paths import Impulse, Kind, Responder
from rnnstats.results.recurrent.responses.response_tables import GeneralizedResponses
from rnnstats.results.regimes.outputs import column_levels, expanded_names
from rnnstats.results.responses.bands import Bands

BandKind = Literal["delta", "draws", "bootstrap"]
CALLER = "impulse_responses"
# Paths in all, and draws of the parameters.
PATHS, THETAS = 4096, 200
# Share of the paths that each drawn parameter vector gets, one in so many.
FEWER = 8
_WORDS = {
    "unit": "size {size:g} in one error, the others as they come",
    "orthogonalized": "{size:g} standard deviations along the Cholesky factor",
    "generalized": "{size:g} standard deviations, the others as expected with it (generalised)",
    "count": "{size:g} added to the outcome",
    "outcome": "the outcome, against its distribution",
}

__all__ = ["BandKind", "RecurrentResponses"]


class _Bands(NamedTuple):
    """How bands are made."""

    kind: BandKind | None
    alpha: float
    draws: int
    bootstrap: Any
    n_jobs: int
    progress: bool


@dataclass(frozen=True, eq=False)
class _Stacked:
    """Responses and their asymmetry, (2, steps + 1, k', q) (a class, to be sent to processes)."""

    responder: Responder
    cumulative: bool
    around: FloatArray | None = None  # estimates that draws are linearised about

    def parts(self, theta: FloatArray) -> FloatArray:
        """Both by replicate, (replicates, 2, steps + 1, k', q)."""
        found = self.responder(theta, self.around)
        both = np.stack([found.values, found.values + found.opposite], axis=1)
        return both.cumsum(axis=2) if self.cumulative else both

    def at(self, theta: FloatArray) -> FloatArray:
        """Averages over the replicates."""
        return np.asarray(self.parts(theta).mean(axis=0))

    def __call__(self, theta: FloatArray, seed: Any) -> FloatArray | None:
        """Averages where they are finite."""
        value = self.at(theta)
        return value if np.isfinite(value[0]).all() else None


class RecurrentResponses(ABC):
    """The part of results that traces shocks into later outputs.

    Attributes
    ----------
    model : RecurrentModel
        Data and structure.
    """

    model: RecurrentModel
    _theta: FloatArray

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    @property
    @abstractmethod
    def _system(self) -> RecurrentSystem:
        """The network at the estimates, passed over the sample."""

    def impulse_responses(
        self,
        steps: int = 10,
        impulse: int | str | None = None,
        orthogonalized: bool = False,
        cumulative: bool = False,
        *,
        bands: BandKind | None = None,
        **options: Any,
    ) -> pd.DataFrame | GeneralizedResponses:
        """Responses of the outputs to a shock, now and `steps` rows later.

        Parameters
        ----------
        steps, impulse, orthogonalized, cumulative, bands
            As in `generalized_responses`.
        **options
            Others of `generalized_responses`: ``generalized``, ``size``, ``history``, ``alpha``,
            ``n_draws``, ``draws``, ``bootstrap``, ``rng``, ``n_jobs``, ``progress``.

        Returns
        -------
        DataFrame or GeneralizedResponses
            Without bands a table by lag with columns (impulse, output); with bands what
            `generalized_responses` returns.

        Raises
        ------
        SpecificationError
            As in `generalized_responses`.
        """
        found = self.generalized_responses(
            steps, impulse, orthogonalized, cumulative, bands=bands, **options
        )
        return found.point if bands is None else found

    def generalized_responses(
        self,
        steps: int = 10,
        impulse: int | str | None = None,
        orthogonalized: bool = False,
        cumulative: bool = False,
        *,
        generalized: bool = False,
        size: float | Sequence[float] = 1.0,
        history: Any = "average",
        bands: BandKind | None = None,
        alpha: float = 0.05,
        n_draws: int = PATHS,
        draws: int = THETAS,
        bootstrap: Any = None,
        rng: Any = None,
        n_jobs: int = 1,
        progress: bool = False,
    ) -> GeneralizedResponses:
        r"""Generalised impulse responses, by size, sign and history of the shock.

        Parameters
        ----------
        steps : int
            Rows after the shock; the answer has ``steps + 1`` rows.
        impulse : int, str or None
            Output whose error is the shock, or input (regressor), by number (outputs first) or
            name. Of a categorical or Bernoulli output an outcome, ``y=a``. None for all outputs.
        orthogonalized : bool
            Size in standard deviations along the Cholesky factor of the errors' covariance, in the
            order of the outputs, instead of in the output's own units.
        cumulative : bool
            Running sums.
        generalized : bool
            Size in standard deviations of one error, the other errors drawn as they come with it.
        size : float or sequence of float
            Size and sign of the shock; several are different impulses, ``y (-2)``.
        history : "average", "last", label, sequence of labels or array of bool of length nobs
            Rows in which the shock comes, each with the history before it; several are averaged
            over. "average" is all rows of the likelihood, "last" the row after the sample; a
            boolean Series is a condition, such as ``y.shift() < 0``.
        bands : {None, "delta", "draws", "bootstrap"}
            Intervals for what the estimation of the parameters makes uncertain, each response by
            itself: normal by the delta method; percentiles over errors of the estimates drawn from
            their asymptotic law, which move the predictors to first order (as in `get_forecast`
            with "delta"); or percentiles over bootstrap draws. The histories are taken as given.
        alpha : float
            One minus the coverage of the intervals.
        n_draws : int
            Paths in all; each history has at least 16.
        draws : int
            Parameter vectors of ``bands="draws"``.
        bootstrap : Bootstrap, optional
            Draws to use with ``bands="bootstrap"``; by default `bootstrap` is called.
        rng : None, int or numpy.random.Generator
            Source of randomness. Default: a fixed seed.
        n_jobs : int
            Processes for draws of the parameters.
        progress : bool

        Returns
        -------
        GeneralizedResponses
            ``point``, ``std_err``, ``lower``, ``upper``, ``mc_error``, ``frame``, ``asymmetry``,
            ``summary()``, ``plot()``.

        Raises
        ------
        SpecificationError
            There is no such impulse or history, options that exclude each other, or no covariance
            of the estimates.
        DataError
            Too few usable draws of the parameters.

        Notes
        -----
        The response h rows after shock v is :math:`E(y_{t+h} | v_t = v, \omega_{t-1}) -
        E(y_{t+h} | \omega_{t-1})`, where the second expectation lets the row's own error come as it
        may (Koop, Pesaran and Potter 1996). In a nonlinear network it depends on size, sign and
        history, and doubling a shock does not double it; `asymmetry` is the response plus that to
        the opposite shock. Counts and other positive outputs have no error to set: the shock is
        added to the outcome (not below zero). Outcomes of Bernoulli and categorical outputs are
        compared with their distribution, and a shock to an input comes in one row, after which the
        inputs are again those of the row of the shock.

        Expectations are averages over paths with common random numbers, at points that fill the
        unit cube evenly, with their mirror images, in eight replicates, from whose spread
        `mc_error` comes. With identity cells and symmetric noise the responses are those of the
        linear model, without error.

        References
        ----------
        Koop, G., Pesaran, M. H. and Potter, S. M. (1996), Impulse response analysis in nonlinear
        multivariate models, Journal of Econometrics 74, 119-147.
        """
        count = check_int(steps, name="steps", caller=CALLER, minimum=0)
        running = check_bool(cumulative, name="cumulative", caller=CALLER)
        kind = self._kind(orthogonalized, generalized)
        sizes = _sizes(size)
        impulses, words = self._impulses(impulse, kind, sizes)
        generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=CALLER)
        number = check_int(n_draws, name="n_draws", caller=CALLER, minimum=1)
        places = chosen_rows(self.model, self._system, history, caller=CALLER, name="history")
        asked = self._checked_bands(bands, alpha, draws, bootstrap, n_jobs, progress)
        responder = Responder.make(self.model, places, impulses, count, number, generator)
        stacked = _Stacked(responder, running)
        parts = stacked.parts(self._theta)
        error = parts.std(axis=0, ddof=1) / np.sqrt(REPLICATES)
        if asked.kind in ("draws", "bootstrap"):  # many parameter vectors, fewer paths for each
            fewer = max(1, number // FEWER)
            few = Responder.make(self.model, places, impulses, count, fewer, generator)
            stacked = _Stacked(few, running)
        around = self._bands_of(stacked, parts.mean(axis=0), asked, generator)
        return GeneralizedResponses(
            tuple(one.name for one in impulses), expanded_names(self.model), asked.alpha, words,
            history_words(self.model, history, places), running, around, error,
        )  # fmt: skip

    def _kind(self, orthogonalized: bool, generalized: bool) -> Kind:
        """What is done to an output's error."""
        along = check_bool(orthogonalized, name="orthogonalized", caller=CALLER)
        whole = check_bool(generalized, name="generalized", caller=CALLER)
        if along and whole:
            raise SpecificationError(
                f"{CALLER}: orthogonalized and generalized are two sizes of a shock; got both. "
                "Choose one."
            )
        head = self.model.head
        if head.name in ("categorical", "bernoulli"):
            kind: Kind = "outcome"
        elif head.name not in ("gaussian", "student-t"):
            kind = "count"
        else:
            kind = "orthogonalized" if along else "generalized" if whole else "unit"
        if (along or whole) and kind in ("outcome", "count"):
            raise SpecificationError(
                f"{CALLER}: outputs with head={head.name!r} have no error to scale; got "
                f"{'orthogonalized' if along else 'generalized'}=True. Leave it out."
            )
        if kind in ("orthogonalized", "generalized"):
            cov = np.asarray(self._system.law.cov)[:1]
            if not np.isfinite(cov).all():
                raise SpecificationError(
                    f"{CALLER}: sizes in standard deviations need finite variances; got df at most "
                    "2. Give the size in the output's units."
                )
        return kind

    def _impulses(
        self, impulse: int | str | None, kind: Kind, sizes: tuple[float, ...]
    ) -> tuple[tuple[Impulse, ...], str]:
        """Impulses that were asked for, and words about them."""
        every = self._every(kind)
        names = tuple(one.name for one in every)
        chosen = [one for one in every if one.kind != "input"]
        if impulse is not None:
            chosen = [every[find_name(impulse, names, caller=CALLER, what="impulse")]]
        made = []
        for one in chosen:
            if one.kind == "outcome":
                made.append(one)
                continue
            for size in sizes:
                name = one.name if len(sizes) == 1 else f"{one.name} ({size:g})"
                made.append(one._replace(name=name, size=size))
        first = chosen[0].kind
        shown = sizes[0] if len(sizes) == 1 else 1.0
        words = _WORDS.get(first, "{size:g} added to an input in one row").format(size=shown)
        return tuple(made), words if len(sizes) == 1 else f"sizes as named; 1 is: {words}"

    def _every(self, kind: Kind) -> list[Impulse]:
        """All impulses there are, of size one."""
        model, found = self.model, []
        for column, (name, levels) in enumerate(
            zip(model.endog.names, column_levels(model), strict=True)
        ):
            if kind != "outcome":
                found.append(Impulse(name, kind, column, 1.0))
                continue
            codes = levels if levels is not None else ("0", "1")
            found += [
                Impulse(f"{name}={word}", kind, column, float(code))
                for code, word in enumerate(codes)
            ]
        if model.exog is not None:
            found += [Impulse(name, "input", j, 1.0) for j, name in enumerate(model.exog.names)]
        return found

    def _checked_bands(
        self, bands: Any, alpha: float, draws: Any, bootstrap: Any, n_jobs: Any, progress: Any
    ) -> _Bands:
        check_alpha(alpha, CALLER)
        if bands is not None:
            check_literal(bands, get_args(BandKind), name="bands", caller=CALLER)
        if bootstrap is not None and bands != "bootstrap":
            raise SpecificationError(
                f"{CALLER}: bootstrap gives the draws of bands='bootstrap'; got it with "
                f"bands={bands!r}. Add bands='bootstrap', or leave the draws out."
            )
        if bands == "delta" and self.model.head.discrete:
            raise SpecificationError(
                f"{CALLER}: drawn {self.model.head.name} outcomes jump as the parameters move, so "
                "that there are no derivatives; got bands='delta'. Use bands='draws'."
            )
        number = check_int(draws, name="draws", caller=CALLER, minimum=FEWEST)
        jobs = check_jobs(n_jobs, caller=CALLER)
        shown = check_bool(progress, name="progress", caller=CALLER)
        return _Bands(bands, float(alpha), number + number % 2, bootstrap, jobs, shown)

    def _bands_of(
        self, stacked: _Stacked, point: FloatArray, asked: _Bands, rng: np.random.Generator
    ) -> Bands:
        none = np.full(point.shape, np.nan)
        if asked.kind is None:
            return Bands(point, none, none, none, "")
        model, theta = self.model, self._theta
        if asked.kind == "delta":
            return axis_bands(
                stacked.at, model, theta, self.covariance, alpha=asked.alpha, caller=CALLER
            )
        if asked.kind == "draws":
            stacked = replace(stacked, around=theta)
            thetas = asymptotic_draws(
                model, theta, self.covariance, asked.draws, rng, caller=CALLER
            )
        else:
            thetas = bootstrap_draws(self, asked.bootstrap, {"n_jobs": asked.n_jobs}, CALLER)
        found = np.array(
            each(stacked, thetas, rng, n_jobs=asked.n_jobs, progress=asked.progress, caller=CALLER)
        )
        low, high = np.quantile(found, [asked.alpha / 2, 1 - asked.alpha / 2], axis=0)
        source = "draws from the law of the estimates" if asked.kind == "draws" else "bootstrap"
        words = f"percentiles of {len(found)} {source}"
        words += " draws" if asked.kind == "bootstrap" else ""
        return Bands(point, found.std(axis=0, ddof=1), low, high, words)


def _sizes(size: Any) -> tuple[float, ...]:
    """Check sizes of a shock."""
    given = list(size) if isinstance(size, (list, tuple, np.ndarray)) else [size]
    found = [check_float(one, name="size", caller=CALLER) for one in given]
    if not found or len(set(found)) < len(found) or 0.0 in found:
        raise SpecificationError(
            f"{CALLER}: size must be a number other than zero, or several different ones; got "
            f"{size!r}. For example size=(-2, -1, 1, 2)."
        )
    return tuple(found)
