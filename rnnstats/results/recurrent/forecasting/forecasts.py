"""The part of results of recurrent networks that forecasts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import (
    check_bool,
    check_generator,
    check_int,
    check_jobs,
    check_literal,
    suggest,
    warn,
)
from rnnstats._index import label
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.bootstrap import DEFAULT_SEED
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.estimation.drawing import standardised_pool
from rnnstats.results.continuation import future_inputs, rows_index
from rnnstats.results.forecasting.prediction import Moments, Uncertainty
from rnnstats.results.forecasting.windows import rows_ahead
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.one_step_means import OneStepMeans
from rnnstats.results.recurrent.forecasting.draws import (
    FEWEST,
    asymptotic_draws,
    bootstrap_draws,
    each,
)
from rnnstats.results.recurrent.forecasting.engine import DRAWS, Ahead, Plan, ahead
from rnnstats.results.recurrent.forecasting.linearised import linearised
from rnnstats.results.recurrent.forecasting.prediction import RecurrentPrediction, labels_of
from rnnstats.results.recurrent.forecasting.residual_laws import Pool, pool_of
from rnnstats.results.recurrent.inference.slopes import axis_errors
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem
from rnnstats.results.regimes.forecasting.combined import Pooled
from rnnstats.results.regimes.forecasting.laws import Law, NormalMixture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Method = Literal["simulation", "residuals"]
FanShape = Literal["central", "hdr"]
CALLER = "get_forecast"
# Draws of the parameters, and paths for each of them.
THETAS, PATHS = 200, 128
# Silverman's rule for a normal kernel.
RULE, POWER = 1.06, -0.2

__all__ = ["FanShape", "Method", "RecurrentForecasts"]


class Member(NamedTuple):
    """Forecast at one parameter vector: its law and its mean."""

    law: Law
    mean: FloatArray


@dataclass(frozen=True, eq=False)
class _Member:
    """Forecasts at a parameter vector (a class, so that processes can be sent it)."""

    model: RecurrentModel
    steps: int
    exog: FloatArray | None
    plan: Plan
    around: FloatArray | None  # estimates that draws are linearised about

    def __call__(self, theta: FloatArray, seed: np.random.SeedSequence) -> Member | None:
        model = self.model
        plan = replace(self.plan, rng=np.random.default_rng(seed))
        nobs, here = model.nobs, self.around
        system = model.system(theta) if here is None else linearised(model, here, theta)
        found = ahead(
            model, system, blank=nobs, start=nobs, stop=nobs + self.steps,
            exog=self.exog, plan=plan,
        )  # fmt: skip
        mean = found.law.mean()
        return Member(found.law, mean) if np.isfinite(mean).all() else None


class RecurrentForecasts(ABC):
    """The part of results that forecasts rows past the sample.

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

    def get_forecast(
        self,
        steps: Any = 1,
        exog: Any = None,
        uncertainty: Uncertainty = "plugin",
        *,
        method: Method = "simulation",
        n_draws: int = DRAWS,
        rng: Any = None,
        **options: Any,
    ) -> RecurrentPrediction:
        r"""Forecast rows past the sample, which continue its last sequence.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one.
        exog : Series, DataFrame or array_like of shape (steps, k_exog), optional
            Inputs of those rows.
        uncertainty : {"plugin", "delta", "bootstrap"}
            "plugin" takes the parameters as known. "delta" mixes over errors of the estimates drawn
            from their asymptotic normal law, to first order in the predictor; "bootstrap" over
            estimates from drawn samples.
        method : {"simulation", "residuals"}
            Noise of the head, or residuals of the sample drawn with replacement.
        n_draws : int
            Paths, rounded up to 16 times a power of two.
        rng : None, int or numpy.random.Generator
            Source of randomness. Default: a fixed seed, so that the numbers can be repeated.
        **options
            Of "delta": ``draws`` (default 200), an even number of parameter vectors, ``n_jobs`` and
            ``progress``. Of "bootstrap": ``nboot`` (default 199), ``kind``, ``n_jobs`` and
            ``progress`` as in `bootstrap`, or ``bootstrap``, what that returned. An interrupt
            (Ctrl-C) leaves the draws of the parameters made by then.

        Returns
        -------
        RecurrentPrediction
            With `conf_int`, `quantile`, `hdr`, `pdf`, `cdf`, `mc_error`; after a bootstrap `bias`.
            Categorical outputs: the probability of each category.

        Raises
        ------
        SpecificationError
            `steps` does not lie past the sample, an option that is unknown or without use, or no
            parameter has a standard error.
        DataError
            Inputs are needed (the message names the columns), there are too few residuals, or too
            few draws of the parameters can be used.

        Warns
        -----
        ConvergenceWarning
            "delta", where forecasts depend on directions of the parameters without information;
            "bootstrap", where more than one fit in twenty failed.

        Notes
        -----
        One row ahead the distribution is the head's. Beyond it is the mixture of the head's laws
        over paths: outputs are drawn, put among the lags, and the network steps on. Paths are drawn
        at points that fill the unit cube evenly (scrambled Sobol sequences with their mirror
        images, in eight independent replicates), and `mc_error` is the standard error of the means
        from the spread between replicates. Networks without lags of the outputs have one path, and
        identity cells with a gaussian head normal forecasts: both exact.

        Outputs missing in the last rows of the sample count as not yet seen: they are drawn given
        what is seen after them. (The likelihood puts their one-step predictions into the lags,
        which is what defines the state; to do so here would leave out what is not known.)

        "residuals": normal scores of the outcomes within their one-step laws, centred, made white
        and smoothed with a normal kernel (Silverman's width) shrunk to unit variance.

        "delta": errors of the estimates are drawn from their asymptotic normal law, in opposite
        pairs, and each moves the linear predictor by its derivative, at every history that a path
        meets (`rnnstats.results.recurrent.forecasting.linearised`); directions without information
        stay where they are. One row ahead the variance is thus :math:`F + J C J'` as by the delta
        method. (Networks at weights drawn from that law would be far from the data: single weights
        are often hardly determined where the function is.) Parameters of the head are drawn in
        unconstrained coordinates. Quantiles and regions are those of the equal mixture; the
        variance is its second moment around the plug-in mean, which stays the mean in all three.

        References
        ----------
        Clements, M. P. and Smith, J. (1997), The performance of alternative forecasting methods for
        SETAR models, International Journal of Forecasting 13, 463-475. Pascual, L., Romo, J. and
        Ruiz, E. (2006), Bootstrap prediction for returns and volatilities in GARCH models,
        Computational Statistics and Data Analysis 50, 2293-2312. Gordon, N. J., Salmond, D. J. and
        Smith, A. F. M. (1993), Novel approach to nonlinear/non-Gaussian Bayesian state estimation,
        IEE Proceedings F 140, 107-113.
        """
        check_literal(uncertainty, get_args(Uncertainty), name="uncertainty", caller=CALLER)
        given = _options(uncertainty, options)
        count = rows_ahead(self.model.endog, steps)
        rows = future_inputs(self.model, exog, count, caller=CALLER)
        plan = self._plan(method, n_draws, rng)
        found = self._ahead(count, rows, plan)
        moments = Moments(found.law.mean(), found.law.cov())
        words = f"rows up to {label(self.model.endog.index, -1)}; parameter uncertainty: "
        if uncertainty == "plugin":
            return self._forecast(found, count, f"{words}plugin", moments)
        if uncertainty == "delta":
            thetas = asymptotic_draws(
                self.model, self._theta, self.covariance, given["draws"], plan.rng, caller=CALLER
            )
            self._check_estimable(rows)
        else:
            known = {key: given[key] for key in ("nboot", "kind", "n_jobs", "progress")}
            thetas = bootstrap_draws(self, given["bootstrap"], {**known, "rng": rng}, CALLER)
        around = self._theta if uncertainty == "delta" else None
        work = _Member(self.model, count, rows, replace(plan, draws=PATHS), around)
        members = each(
            work, thetas, plan.rng, n_jobs=given["n_jobs"], progress=given["progress"],
            caller=CALLER,
        )  # fmt: skip
        law = _pooled([member.law for member in members])
        off = law.mean() - moments.mean
        moments = Moments(moments.mean, law.cov() + off[:, :, None] * off[:, None, :])
        bias = None
        if uncertainty == "bootstrap":
            bias = np.mean([member.mean for member in members], axis=0) - moments.mean
        words += f"{uncertainty}, {len(members)} draws"
        return self._forecast(Ahead(law, found.mc_error), count, words, moments, bias)

    def _check_estimable(self, rows: FloatArray | None) -> None:
        """Warn where the forecast of the next row depends on what the data do not determine."""
        means = OneStepMeans(self.model, np.array([self.model.nobs]), rows)
        estimate = self.covariance.holding_boundary()
        errors = axis_errors(means.mean, self.model, self._theta, estimate)
        if np.isnan(errors).any():
            warn(
                f"{CALLER}: the forecasts depend on directions of the parameters that have no "
                "standard error; these are taken as known, so that intervals are too short. Fix "
                "some of the parameters, or use uncertainty='bootstrap'.",
                ConvergenceWarning,
            )

    def _forecast(
        self,
        found: Ahead,
        count: int,
        words: str,
        moments: Moments,
        bias: FloatArray | None = None,
    ) -> RecurrentPrediction:
        nobs = self.model.nobs
        labels = labels_of(self.model, rows_index(self.model, nobs + count)[nobs:])
        return RecurrentPrediction(
            found.law, labels, words, moments, mc_error=found.mc_error, bias=bias
        )

    def _ahead(self, count: int, rows: FloatArray | None, plan: Plan) -> Ahead:
        nobs = self.model.nobs
        return ahead(
            self.model, self._system, blank=nobs, start=nobs, stop=nobs + count, exog=rows,
            plan=plan,
        )  # fmt: skip

    def _plan(self, method: Method, n_draws: Any, rng: Any) -> Plan:
        """Check how paths are drawn."""
        check_literal(method, get_args(Method), name="method", caller=CALLER)
        draws = check_int(n_draws, name="n_draws", caller=CALLER, minimum=FEWEST)
        generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=CALLER)
        return Plan(draws, generator, self._residual_pool() if method == "residuals" else None)

    def _residual_pool(self) -> Pool:
        """Return the residuals to draw from."""
        model, system = self.model, self._system
        if model.levels:
            raise SpecificationError(
                f"{CALLER}: categories have no residuals to draw; got method='residuals'. Use "
                "method='simulation'."
            )
        values = model.endog.values[np.asarray(system.rows)]
        scores = pool_of(system.law, values, np.random.default_rng(DEFAULT_SEED))
        white = standardised_pool(scores, 0, caller=CALLER)
        white = white[np.argsort(white[:, 0], kind="stable")]
        return Pool(white, RULE * len(white) ** POWER)

    def forecast(
        self, steps: Any = 1, exog: Any = None, *, n_draws: int = DRAWS, rng: Any = None
    ) -> pd.Series | pd.DataFrame:
        """Return the means of `get_forecast`.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows past the sample, or the last one.
        exog : Series, DataFrame or array_like of shape (steps, k_exog), optional
            Inputs of those rows.
        n_draws : int
        rng : None, int or numpy.random.Generator

        Returns
        -------
        Series or DataFrame
            Of a categorical column the probabilities of its categories, one column each.
        """
        return self.get_forecast(steps, exog, n_draws=n_draws, rng=rng).predicted_mean

    # -- pictures -----------------------------------------------------------------------------

    def _draw_forecast(
        self,
        prediction: RecurrentPrediction,
        *,
        alpha: float,
        history: int | None,
        fig: Figure | None,
    ) -> Figure:
        from rnnstats.results.recurrent.forecasting.forecast_plot import draw_law_fan

        levels = (1.0 - alpha, 0.5) if alpha < 0.5 else (1.0 - alpha,)
        fitted = pd.DataFrame(cast("Any", self).fittedvalues)
        return draw_law_fan(
            self.model, prediction, fitted, levels=levels, shape="central", history=history,
            fig=fig,
        )  # fmt: skip

    def plot_fan(
        self,
        steps: Any = 8,
        exog: Any = None,
        *,
        levels: tuple[float, ...] = (0.5, 0.8, 0.95),
        shape: FanShape = "central",
        uncertainty: Uncertainty = "plugin",
        history: int | None = None,
        fig: Figure | None = None,
        **options: Any,
    ) -> Figure:
        """Plot forecasts as a fan behind the last rows, one output a panel.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one.
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample.
        levels : tuple of float
            Coverages, between 0 and 1.
        shape : {"central", "hdr"}
            Intervals between quantiles, or highest-density regions, which may have several pieces.
        uncertainty : {"plugin", "delta", "bootstrap"}
            As in `get_forecast`.
        history : int, optional
            Rows of the sample to show; by default five times the steps, and at least 40.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.
        **options
            Of `get_forecast`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        SpecificationError
            Levels that are not between 0 and 1, or options without use.
        """
        from rnnstats.results.recurrent.forecasting.forecast_plot import draw_law_fan

        check_literal(shape, get_args(FanShape), name="shape", caller="plot_fan")
        prediction = self.get_forecast(steps, exog, uncertainty, **options)
        return draw_law_fan(
            self.model, prediction, None, levels=levels, shape=shape, history=history, fig=fig
        )


def _pooled(laws: list[Law]) -> Law:
    """Equal mixture of laws; normal mixtures become one, which is faster."""
    if not all(isinstance(law, NormalMixture) for law in laws):
        return Pooled(tuple(laws))
    parts = cast("list[NormalMixture]", laws)
    owner = np.concatenate([law.owner for law in parts])
    order = np.argsort(owner, kind="stable")
    weight = np.concatenate([law.weight for law in parts])[order] / len(parts)
    centre = np.concatenate([law.centre for law in parts])[order]
    spread = np.concatenate([law.spread for law in parts])[order]
    return NormalMixture(parts[0].rows, owner[order], weight, centre, spread)


def _options(uncertainty: Uncertainty, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options of a kind of uncertainty, and fill them in."""
    shared: dict[str, Any] = {"n_jobs": 1, "progress": False}
    own: dict[str, dict[str, Any]] = {
        "plugin": {},
        "delta": {"draws": THETAS, **shared},
        "bootstrap": {"nboot": 199, "kind": "parametric", "bootstrap": None, **shared},
    }
    known = own[uncertainty]
    extra = [name for name in options if name not in known]
    if extra:
        every = [name for kind in own.values() for name in kind]
        words = ", ".join(known) if known else "none"
        raise SpecificationError(
            f"{CALLER}: options of uncertainty={uncertainty!r} are {words}; got {extra[0]!r}."
            f"{suggest(extra[0], every)} Leave it out."
        )
    given = {**known, **options}
    if known:
        check_bool(given["progress"], name="progress", caller=CALLER)
        given["n_jobs"] = check_jobs(given["n_jobs"], caller=CALLER)
    if uncertainty == "delta":
        draws = check_int(given["draws"], name="draws", caller=CALLER, minimum=FEWEST)
        given["draws"] = draws + draws % 2
    return given
