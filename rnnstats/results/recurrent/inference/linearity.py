"""Whether a recurrent network is needed: tests of the linear model that it nests.

Under a linear model some weights of a network have no meaning, so the likelihood ratio is not
chi-squared (Davies 1987); its distribution is simulated instead: samples of the linear model, both
models fitted to each (Davies 1987; Hansen 1996).

References
----------
Davies (1987), Biometrika 74, 33-43. Hansen (1996), Econometrica 64, 413-430. Davidson and MacKinnon
(2000), Econometric Reviews 19, 55-68 (p-values by simulation).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import (
    check_bool,
    check_generator,
    check_int,
    check_jobs,
    check_literal,
    warn,
)
from rnnstats._parallel import worked_through
from rnnstats.diagnostics.linearity_tests import (
    Form,
    LinearityTest,
    lagged_rows,
    regression_test,
)
from rnnstats.errors import ConvergenceWarning, DataError, RnnStatsError, SpecificationError
from rnnstats.estimation.bootstrap import DEFAULT_SEED, streams
from rnnstats.estimation.progress import Counter
from rnnstats.results.inference.resampling import refitter_of
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.inference.linear_limit import near_linear
from rnnstats.results.recurrent.protocol import RecurrentModel
from rnnstats.results.recurrent.simulation import RecurrentSampler

__all__ = ["LinearityBootstrap", "RecurrentLinearity"]

Method = Literal["teraesvirta", "white", "bootstrap"]
CALLER = "test_linearity"
# Draws of one piece of work.
BLOCK = 5
# Iterations of each climb: under the hypothesis weights run to infinity, which takes long and gains
# little.
MAXITER = 100


@dataclass(frozen=True, eq=False)
class LinearityBootstrap:
    """Likelihood ratio of a network against a linear model, with its simulated distribution.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods; 0 where the linear model's is larger.
    pvalue : float
        ``(1 + number of draws at least as large) / (1 + draws)``.
    draws : ndarray
        The statistic of each sample that both models could be fitted to.
    failures : tuple of str
        Why others could not.
    asked : int
        Draws asked for.
    llf_linear, llf_network : float
        Of the data, highest ends of the same search as in the draws.
    linear : str
        What the linear model is.
    linear_params : Series
        Its estimates.
    """

    statistic: float
    pvalue: float
    draws: FloatArray
    failures: tuple[str, ...]
    asked: int
    llf_linear: float
    llf_network: float
    linear: str
    linear_params: pd.Series

    def __str__(self) -> str:
        """Return what was tested, and the result."""
        lost = f", {len(self.failures)} more failed" if self.failures else ""
        return (
            f"Likelihood ratio of the network against {self.linear}: {self.statistic:.4f}, p-value "
            f"{self.pvalue:.4f} (parametric bootstrap, {len(self.draws)} draws{lost})\n"
            f"Log-likelihoods {self.llf_linear:.4f} and {self.llf_network:.4f}."
        )


class _Heights(NamedTuple):
    """Log-likelihoods of both models on one sample, or why there are none."""

    linear: float
    network: float
    message: str = ""
    # Estimates of the linear model (K,).
    theta: FloatArray = np.empty(0)


@dataclass(frozen=True, eq=False)
class _Pair:
    """The two models, and how both are fitted to a sample, be it the data or drawn.

    Attributes
    ----------
    network, linear : RecurrentModel
    n_starts : int
        Starts of each fit.
    """

    network: Any
    linear: Any
    n_starts: int

    def heights(self, values: FloatArray, seed: np.random.SeedSequence) -> _Heights:
        """Fit both to a sample (nobs, p); nothing but the sample and the seed plays a part."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                linear = self._fit(self.linear, values, seed, None)
                theta = linear.params.to_numpy(dtype=float)
                network = self._fit(self.network, values, seed, self._nesting(linear.model, theta))
        except RnnStatsError as error:
            return _Heights(np.nan, np.nan, f"{type(error).__name__}: {error}")
        found = [_highest(one) for one in (linear, network)]
        if not np.isfinite(found).all():
            return _Heights(np.nan, np.nan, "a log-likelihood was not finite")
        return _Heights(found[0], found[1], "", theta)

    def _fit(
        self, model: Any, values: FloatArray, seed: np.random.SeedSequence, start: FloatArray | None
    ) -> Any:
        """One of the two, from starts of the sample's own."""
        again = model.clone(replace(model.endog, values=values), model.exog)
        if start is not None and not np.isfinite(again.loglike(start)):
            start = None
        return again.fit(
            start_params=start,
            n_starts=self.n_starts,
            maxiter=MAXITER,
            cov_type="none",
            rng=np.random.default_rng(seed),
        )

    def _nesting(self, linear: Any, theta: FloatArray) -> FloatArray | None:
        """The network next to a linear one. With a skip connection every start is above that."""
        if self.network.skip:
            return None
        again = self.network.clone(linear.endog, linear.exog)
        return near_linear(again, linear, theta)

    def block(self, theta: FloatArray, seeds: Sequence[np.random.SeedSequence]) -> list[_Heights]:
        """Draw a sample of the linear model for each stream, and fit."""
        sampler = RecurrentSampler(self.linear, theta)
        out = []
        for seed in seeds:
            for_draw, for_fit = seed.spawn(2)
            out.append(self.heights(sampler.one(np.random.default_rng(for_draw)), for_fit))
        return out


def _highest(fit: Any) -> float:
    """Log-likelihood of the highest end."""
    return max(float(fit.llf), float(fit.starts["llf"].max()))


class RecurrentLinearity:
    """The part of results that tests whether a linear model would do.

    Attributes
    ----------
    model : RecurrentModel
    """

    model: RecurrentModel
    convergence: Any
    _theta: FloatArray

    def test_linearity(
        self,
        method: Method = "teraesvirta",
        *,
        lags: int | None = None,
        form: Form = "F",
        robust: bool = False,
        hidden: int = 50,
        components: int = 5,
        n_draws: int = 199,
        n_starts: int = 6,
        n_jobs: int = 1,
        rng: np.random.Generator | int | None = None,
        progress: bool = False,
    ) -> LinearityTest | LinearityBootstrap:
        """Test the hypothesis that a linear model holds.

        Parameters
        ----------
        method : {"teraesvirta", "white", "bootstrap"}
            "teraesvirta" (Teräsvirta, Lin and Granger 1993) and "white" (Lee, White and Granger
            1993): whether the mean given lags and inputs is linear in them, by least squares; see
            `rnnstats.diagnostics.linearity`. They need no network, so its estimates play no part,
            and the power lies in the `lags`. "bootstrap": likelihood ratio of this network against
            the linear model that it nests, by simulation.
        lags : int, optional
            Lags of the outputs in the regressions, by default those of the model. A network with
            one lag remembers more: give as many as a linear autoregression needs.
        form, robust, hidden, components
            Of the regressions, as for `rnnstats.diagnostics.linearity`.
        n_draws : int
            Samples of "bootstrap"; 19 is the least with which 5 % can be reached.
        n_starts : int
            Starts of each fit in "bootstrap", of the data and of the samples alike.
        n_jobs : int
            Processes of "bootstrap", -1 for all; the numbers do not depend on it.
        rng : numpy.random.Generator or int, optional
            For the units of "white" and the samples of "bootstrap". Default: a fixed seed.
        progress : bool
            Show a bar when "bootstrap" takes over about two seconds.

        Returns
        -------
        LinearityTest or LinearityBootstrap
            ``statistic``, ``pvalue``, and printed, what was tested. Of several outputs one test of
            all; "teraesvirta" and "white" also of each, with Bonferroni's p-value.

        Raises
        ------
        SpecificationError
            Outputs whose mean is not estimated by least squares ("teraesvirta", "white"), a network
            without a linear model in it, a penalty or parameters that were given ("bootstrap"), or
            an argument that is not allowed.
        DataError
            Too few complete rows, or no fit that succeeded.

        Warns
        -----
        ConvergenceWarning
            Interrupted (Ctrl-C) before all draws were made.

        Notes
        -----
        The linear model of "bootstrap" is, with ``skip=True``, the regression of the linear
        predictors on lags and inputs (V = 0; for counts and categories a generalised linear model).
        Without, of an `ElmanRNN` the same network with ``activation="identity"``: `LinearRNN` in
        innovations form (its state may start off its mean), the limit of small weights; a `GRU` or
        `LSTM` has none.

        The likelihood ratio takes the highest end of all starts, also one on the way to infinity
        that a fit would not report, so that more starts give larger values. The p-value is right
        where the data and the samples are treated alike; hence both models are fitted to the data
        anew, as they are to each sample: from `n_starts` starts that the sample itself gives and,
        without a skip connection, from a network next to the linear one. The estimates of these
        results are not among the starts, and where they come from more of them, ``llf`` may be
        above ``llf_network``: as many would then lift the draws as well.

        Rows with a missing output, lag or input are left out of the regressions; "bootstrap" uses
        all, and its samples have the same gaps.
        """
        check_literal(method, get_args(Method), name="method", caller=CALLER)
        generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=CALLER)
        draws = check_int(n_draws, name="n_draws", caller=CALLER, minimum=1)
        starts = check_int(n_starts, name="n_starts", caller=CALLER, minimum=1)
        check_bool(progress, name="progress", caller=CALLER)
        jobs = check_jobs(n_jobs, caller=CALLER)
        if method == "bootstrap":
            pair, words = self._pair(starts)
            return _simulated(pair, words, draws, generator, jobs, progress)
        model = self.model
        _refuse_other_means(model)
        order = model.y_lags if lags is None else lags
        order = check_int(order, name="lags", caller=CALLER, minimum=0)
        values = None if model.exog is None else np.asarray(model.exog.values)
        rows = lagged_rows(
            np.asarray(model.endog.values), values, order, model.offsets, caller=CALLER
        )
        return regression_test(
            rows,
            model.endog.names,
            method=method,
            form=form,
            robust=robust,
            hidden=hidden,
            components=components,
            rng=generator,
            caller=CALLER,
        )

    def _pair(self, n_starts: int) -> tuple[_Pair, str]:
        """Both models, and what the linear one is called."""
        model: Any = self.model
        refitter_of(model, self._theta, CALLER)  # refuses what cannot be fitted again
        if model.penalty:
            raise SpecificationError(
                f"{CALLER}: a likelihood ratio needs maximum-likelihood fits; got a penalised one. "
                "Fit with penalty=0."
            )
        if self.convergence is None:
            raise SpecificationError(
                f"{CALLER}: a likelihood ratio needs maximum-likelihood fits; got parameters that "
                "were given, not estimated. Use fit()."
            )
        linear, words = _linear_model(model)
        return _Pair(model, linear, n_starts), words


def _refuse_other_means(model: RecurrentModel) -> None:
    if model.head.name not in ("gaussian", "student-t"):
        raise SpecificationError(
            f"{CALLER}: method='teraesvirta' and 'white' are regressions by least squares; got "
            f"head={model.head.name!r}. Use method='bootstrap'."
        )


def _linear_model(model: Any) -> tuple[Any, str]:
    """The linear model that a network nests, and what it is called."""
    if model.layout.fixed:
        raise SpecificationError(
            f"{CALLER}: method='bootstrap' must know which linear model is meant; got a network "
            "with restrictions. Fit it without fixed=."
        )
    arguments = model._arguments()
    if model.skip:
        chart, arch = model.chart, model.architecture
        place = np.asarray(chart.place)
        idle = (place < arch.readout.stop) | (place >= chart.initial.start)
        fixed = {name: 0.0 for name, gone in zip(model.param_names, idle, strict=True) if gone}
        made = model._again(model.endog, model.exog, fixed=fixed, **arguments)
        return made, "the linear regression on lags and inputs"
    if model.name != "ElmanRNN" or not hasattr(model.architecture.cells[0], "activation"):
        raise SpecificationError(
            f"{CALLER}: method='bootstrap' needs a network with a linear model in it; got a "
            f"{model.name} without a skip connection. Fit it with skip=True, or use "
            "method='teraesvirta'."
        )
    if model.activation == "identity":
        raise SpecificationError(
            f"{CALLER}: the network must not be linear itself; got activation='identity'. Fit "
            "another activation."
        )
    arguments["activation"] = "identity"
    made = model._again(model.endog, model.exog, fixed=None, **arguments)
    return made, "the linear network (activation='identity')"


def _simulated(
    pair: _Pair,
    words: str,
    number: int,
    rng: np.random.Generator,
    n_jobs: int,
    progress: bool,
) -> LinearityBootstrap:
    """The statistic of the data and of samples of the linear model."""
    first, *seeds = streams(rng, number + 1)
    own = pair.heights(np.asarray(pair.network.endog.values), first)
    if own.message:
        raise DataError(
            f"{CALLER}: both models must be fitted to the data; got {own.message} Use fewer units."
        )
    blocks = [seeds[at : at + BLOCK] for at in range(0, number, BLOCK)]
    found: list[_Heights] = []
    with Counter(progress, number, "linearity", "draw") as counter:
        for block in worked_through(partial(pair.block, own.theta), blocks, n_jobs):
            found += block
            counter.add(len(block))
    good = [one for one in found if not one.message]
    if not good:
        if counter.interrupted:
            raise KeyboardInterrupt
        raise DataError(
            f"{CALLER}: both models must be fitted to a sample of the linear one; got no success "
            f"in {number}, the first failure being: {found[0].message} Use fewer units."
        )
    if counter.interrupted:
        warn(
            f"{CALLER}: interrupted; the p-value rests on {len(good)} of {number} draws.",
            ConvergenceWarning,
        )
    draws = np.array([_ratio(one) for one in good])
    statistic = _ratio(own)
    return LinearityBootstrap(
        statistic,
        float((1 + np.count_nonzero(draws >= statistic)) / (1 + len(draws))),
        draws,
        tuple(one.message for one in found if one.message),
        number,
        own.linear,
        own.network,
        words,
        pd.Series(own.theta, index=list(pair.linear.param_names), name="params"),
    )


def _ratio(one: _Heights) -> float:
    return max(2.0 * (one.network - one.linear), 0.0)
