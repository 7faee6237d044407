"""The part of results with regimes that predicts, forecasts and simulates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_bool, check_generator, check_int, check_literal, suggest, warn
from rnnstats._index import label
from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.continuation import future_inputs, rows_index
from rnnstats.results.forecasting.prediction import Moments, Uncertainty
from rnnstats.results.forecasting.simulation import label_paths
from rnnstats.results.forecasting.windows import rows_ahead, window
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.combined import Pooled
from rnnstats.results.regimes.forecasting.draws import IMPOSSIBLE, parameter_draws
from rnnstats.results.regimes.forecasting.laws import Law
from rnnstats.results.regimes.forecasting.outlook import Future, Outlook, look
from rnnstats.results.regimes.forecasting.prediction import Labels, MixturePrediction
from rnnstats.results.regimes.forecasting.simulation import Drawn, drawn, further_drawn, stage_of
from rnnstats.results.regimes.outputs import expanded_names
from rnnstats.results.regimes.protocol import RegimeModel
from rnnstats.results.responses.bands import delta_covariances

Anchor = Literal["start", "end"]
# Components of an autoregression's mixture, and draws of the parameters, where many mixtures are
# put together; the least number of draws that make a distribution.
FEW, DRAWS, FEWEST = 256, 200, 20

__all__ = ["Anchor", "RegimeForecasts", "future_of"]


def future_of(
    model: RegimeModel, exog: Any, exog_transition: Any, steps: int, *, caller: str
) -> Future:
    """Check the inputs of rows past the sample.

    Parameters
    ----------
    model : RegimeModel
    exog, exog_transition : Series, DataFrame, array_like or None
    steps : int
        Rows past the sample.
    caller : str

    Returns
    -------
    Future

    Raises
    ------
    SpecificationError
        Inputs without use.
    DataError
        Inputs are needed; the message names the columns.
    """
    rows = future_inputs(model, exog, steps, caller=caller)
    moves = future_inputs(model, exog_transition, steps, caller=caller, what="exog_transition")
    return Future(steps, rows, moves)


class RegimeForecasts(ABC):
    """The part of results that predicts: each row from the rows before it, never from later ones.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel
    _theta: FloatArray

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    def get_prediction(
        self,
        start: Any = None,
        end: Any = None,
        dynamic: Any = False,
        exog: Any = None,
        exog_transition: Any = None,
    ) -> MixturePrediction:
        """Predict rows in and past the sample, each from the rows before it.

        Parameters
        ----------
        start, end : int, str, datetime-like or Period, optional
            First and last row, both included; the whole sample by default.
        dynamic : bool, int, str, datetime-like or Period
            Row from which predictions are made without looking at the outputs from there on; an
            integer counts from `start`, True is `start` itself, False never within the sample.
        exog, exog_transition : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample.

        Returns
        -------
        MixturePrediction
            Of the outputs, noise included: mixtures over the regimes with their predicted
            probabilities. NaN in rows that the likelihood conditions on, and where lags are
            missing. Categorical outputs: the probability of each category.

        Raises
        ------
        SpecificationError
            Rows that do not exist or are in the wrong order, or inputs without use.
        DataError
            Inputs are needed; the message names the columns.
        """
        asked = window(self.model.endog, start, end, dynamic)
        steps = max(0, asked.stop - self.model.nobs)
        future = future_of(self.model, exog, exog_transition, steps, caller="get_prediction")
        found = look(
            self.model, self._theta, asked.start, asked.stop,
            blank_from=asked.blank_from, future=future,
        )  # fmt: skip
        return self._mixture_prediction(found, asked.start, asked.information)

    def _mixture_prediction(
        self, found: Outlook, start: int, words: str, moments: Moments | None = None
    ) -> MixturePrediction:
        stop = start + found.law.rows
        index = rows_index(self.model, max(stop, self.model.nobs))[start:stop]
        return MixturePrediction(found.law, found.regimes, self._labels(index), words, moments)

    def _labels(self, index: pd.Index) -> Labels:
        endog = self.model.endog
        outputs = expanded_names(self.model)
        return Labels(index, endog.names, outputs, self.model.regime_names, endog.is_series)

    def predict(
        self,
        start: Any = None,
        end: Any = None,
        dynamic: Any = False,
        exog: Any = None,
        exog_transition: Any = None,
    ) -> pd.Series | pd.DataFrame:
        """Return the means of `get_prediction`; same arguments.

        Parameters
        ----------
        start, end : int, str, datetime-like or Period, optional
        dynamic : bool, int, str, datetime-like or Period
        exog, exog_transition : Series, DataFrame or array_like, optional

        Returns
        -------
        Series or DataFrame
        """
        return self.get_prediction(start, end, dynamic, exog, exog_transition).predicted_mean

    def get_forecast(
        self,
        steps: Any = 1,
        exog: Any = None,
        uncertainty: Uncertainty = "plugin",
        exog_transition: Any = None,
        **options: Any,
    ) -> MixturePrediction:
        r"""Forecast rows past the sample, which continue its last sequence.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one.
        exog : Series, DataFrame or array_like, optional
            Inputs of those rows.
        uncertainty : {"plugin", "delta", "bootstrap"}
            "plugin" takes the parameters as known. "delta" adds what their estimation adds, from
            the asymptotic covariance of the estimates. "bootstrap" mixes over estimates from drawn
            samples.
        exog_transition : Series, DataFrame or array_like, optional
            Inputs of the transitions in those rows.
        **options
            Of "delta": ``draws`` (default 200), an even number of parameter vectors. Of
            "bootstrap": ``nboot`` (default 199), ``rng``, ``n_jobs`` and ``progress`` as in
            `bootstrap`, or ``bootstrap``, what that returned.

        Returns
        -------
        MixturePrediction
            With `conf_int`, `quantile`, `hdr`, `pdf`, `cdf`, `regime_probabilities`.

        Raises
        ------
        SpecificationError
            `steps` does not lie past the sample, `uncertainty` is unknown, no parameter has a
            standard error, or options without use.
        DataError
            Inputs are needed (the message names the columns), or too few draws can be used.

        Warns
        -----
        ConvergenceWarning
            "delta", where the forecasts depend on parameters that the data do not identify.

        Notes
        -----
        Given the parameters the distribution h rows ahead is the mixture of what the regimes emit,
        with their probabilities :math:`P'^h \hat\pi_{n|n}`. With lags the mixture is over paths of
        the regimes, :math:`K^h` normal laws; beyond 4096 those with the same recent regimes and
        nearly equal moments are merged: mean, variance and regime probabilities stay exact, shares
        were off by less than 1e-6 in the case of Hamilton's model. With Student's t noise the
        distribution beyond one row comes from 2000 drawn histories (fixed seed, standard error of a
        share below 1.2 %), the moments stay exact.

        Rows soon after a gap have missing lags, and likelihood and filter leave them out; forecasts
        use them too, integrating over what is missing, so that regime probabilities ahead are not
        those of the filter stepped on.

        "delta": with :math:`F_h` the variance for known parameters,
        :math:`J_h = \partial\hat y_{n+h|n}/\partial\theta'` and :math:`C` the covariance of the
        estimates, the variance is :math:`F_h + J_h C J_h'`. Quantiles, densities and regions are
        those of the equal mixture over parameters drawn from the asymptotic normal law of the
        estimates in unconstrained coordinates (log odds, log variances), which has this variance to
        first order. Parameters at the boundary are taken as known. "bootstrap": the equal mixture
        over bootstrap estimates (parametric), each applied to the data as they are; the variance is
        the second moment around the plug-in mean. Means are the plug-in ones in all three.

        References
        ----------
        Hamilton (1994), Time Series Analysis, section 22.4. Krolzig (1997), Markov-Switching Vector
        Autoregressions, chapter 4.
        """
        caller = "get_forecast"
        check_literal(uncertainty, get_args(Uncertainty), name="uncertainty", caller=caller)
        given = _options(uncertainty, options)
        count = rows_ahead(self.model.endog, steps)
        future = future_of(self.model, exog, exog_transition, count, caller=caller)
        nobs = self.model.nobs
        found = look(self.model, self._theta, nobs, nobs + count, future=future)
        words = f"rows up to {label(self.model.endog.index, -1)}; parameter uncertainty: "
        moments = self._exact_moments(found, future)
        if uncertainty == "delta":
            thetas = parameter_draws(self.model, self._theta, self.covariance, given["draws"])
            moments = self._with_parameter_variance(moments, future)
        elif uncertainty == "bootstrap":
            thetas = self._bootstrapped(given)
        else:
            return self._mixture_prediction(found, nobs, f"{words}plugin", moments)
        pooled = self._pooled(thetas, future, caller)
        if uncertainty == "bootstrap":
            off = pooled.law.mean() - moments.mean
            cov = pooled.law.cov() + off[:, :, None] * off[:, None, :]
            moments = Moments(moments.mean, cov)
        used = len(cast("Pooled", pooled.law).members)
        words += f"{uncertainty}, {used} draws"
        return self._mixture_prediction(pooled, nobs, words, moments)

    def _exact_moments(self, found: Outlook, future: Future) -> Moments:
        """Moments where the law itself was drawn; they are those of the law otherwise."""
        if self.model.order == 0 or future.steps == 1:
            return Moments(found.law.mean(), found.law.cov())
        law = self._moments_law(self._theta, future)
        return Moments(law.mean(), law.cov())

    def _moments_law(self, theta: FloatArray, future: Future) -> Law:
        nobs = self.model.nobs
        return look(self.model, theta, nobs, nobs + future.steps, future=future, cap=1).law

    def _with_parameter_variance(self, moments: Moments, future: Future) -> Moments:
        """Add the variance that the estimation makes, by the delta method."""
        layout = self.model.layout
        if layout.k_free and self.covariance.rank == 0:
            raise SpecificationError(
                "get_forecast: uncertainty='delta' needs the covariance of the estimates; got none "
                "for any parameter. Fit with another cov_type, or use uncertainty='plugin'."
            )
        estimate = self.covariance.holding_boundary()
        added = delta_covariances(
            lambda theta: self._moments_law(theta, future).mean(), layout, self._theta, estimate
        )
        if np.isnan(added).any() and not np.isnan(moments.mean).any():
            warn(
                "get_forecast: the forecasts depend on parameters that have no standard error, so "
                "that variances are NaN. Fix these parameters, or use uncertainty='bootstrap'.",
                ConvergenceWarning,
            )
        return Moments(moments.mean, moments.cov + added)

    def _bootstrapped(self, given: Mapping[str, Any]) -> FloatArray:
        """Estimates of all natural parameters from drawn samples, one draw a row."""
        found = given["bootstrap"]
        if found is None:
            keys = ("nboot", "rng", "n_jobs", "progress")
            found = cast("Any", self).bootstrap(**{key: given[key] for key in keys})
        draws = np.asarray(getattr(found, "theta", None), dtype=float)
        if draws.ndim != 2 or draws.shape[1] != self._theta.size:
            raise SpecificationError(
                "get_forecast: bootstrap must be what bootstrap() of these results returns; got "
                f"{type(found).__name__}. Call bootstrap()."
            )
        return draws

    def _pooled(self, thetas: FloatArray, future: Future, caller: str) -> Outlook:
        """Mixture over parameters; those at which the model does not exist are left out."""
        nobs, found = self.model.nobs, []
        for theta in thetas:
            try:
                one = look(self.model, theta, nobs, nobs + future.steps, future=future, cap=FEW)
            except IMPOSSIBLE:
                continue
            if not np.isnan(one.regimes).any():
                found.append(one)
        if len(found) < FEWEST:
            raise DataError(
                f"{caller}: at least {FEWEST} draws of the parameters must be usable; got "
                f"{len(found)} of {len(thetas)}. Draw more, or use uncertainty='plugin'."
            )
        regimes = np.mean([one.regimes for one in found], axis=0)
        return Outlook(Pooled(tuple(one.law for one in found)), regimes)

    def forecast(
        self, steps: Any = 1, exog: Any = None, exog_transition: Any = None
    ) -> pd.Series | pd.DataFrame:
        """Return the means of `get_forecast`.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows past the sample, or the last one.
        exog, exog_transition : Series, DataFrame or array_like, optional
            Inputs of those rows.

        Returns
        -------
        Series or DataFrame
            Of a categorical column the probabilities of its categories, one column each.
        """
        caller = "forecast"
        count = rows_ahead(self.model.endog, steps)
        future = future_of(self.model, exog, exog_transition, count, caller=caller)
        nobs = self.model.nobs
        found = look(self.model, self._theta, nobs, nobs + count, future=future, cap=1)
        return self._mixture_prediction(found, nobs, "rows of the sample").predicted_mean

    def simulate(
        self,
        nsimulations: int,
        *,
        anchor: Anchor = "start",
        repetitions: int | None = None,
        exog: Any = None,
        exog_transition: Any = None,
        return_regimes: bool = False,
        rng: Any = None,
    ) -> Any:
        """Draw outputs from the model at the estimates.

        Parameters
        ----------
        nsimulations : int
            Rows to draw.
        anchor : {"start", "end"}
            "start" draws a sample as from the first row: sequences begin where those of the data
            do, and with lags their first rows are those of the data, on which the likelihood
            conditions. "end" goes on after the last row, from what the sample says about the
            regimes there.
        repetitions : int, optional
            Number of paths; columns are then (output, path) pairs. None for one path with the
            outputs as columns.
        exog, exog_transition : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample, if there are any.
        return_regimes : bool
            Also return the regimes drawn.
        rng : None, int or numpy.random.Generator
            Source of randomness.

        Returns
        -------
        outputs : Series or DataFrame
            Categorical outputs as pandas Categoricals with the categories of the data.
        regimes : Series or DataFrame
            Names of the regimes, one column a path; with `return_regimes` only.

        Raises
        ------
        SpecificationError
            Rows that are conditioned on are missing.
        """
        caller = "simulate"
        check_literal(anchor, get_args(Anchor), name="anchor", caller=caller)
        count = check_int(nsimulations, name="nsimulations", caller=caller, minimum=1)
        wanted = check_bool(return_regimes, name="return_regimes", caller=caller)
        generator = check_generator(rng, caller=caller)
        number = 1
        if repetitions is not None:
            number = check_int(repetitions, name="repetitions", caller=caller, minimum=1)
        nobs = self.model.nobs
        first = 0 if anchor == "start" else nobs
        steps = max(0, first + count - nobs)
        future = future_of(self.model, exog, exog_transition, steps, caller=caller)
        found = self._drawn(anchor, count, future, generator, number)
        index = rows_index(self.model, nobs + steps)[first : first + count]
        outputs = self._label_draws(found.outputs, index, repetitions is None)
        if not wanted:
            return outputs
        names = np.array(self.model.regime_names, dtype=object)[found.regimes]
        if repetitions is None:
            return outputs, pd.Series(names[0], index=index, name="regime")
        return outputs, pd.DataFrame(names.T, index=index, columns=pd.RangeIndex(number))

    def _drawn(
        self, anchor: Anchor, count: int, future: Future, rng: np.random.Generator, number: int
    ) -> Drawn:
        """Draw from the first row on, or from the row after the last one."""
        model = self.model
        if getattr(model, "continues", False):  # later rows go on after the earlier ones
            model, future = cast("Any", model).before(anchor, count, future)
            anchor = "end"
        system = future.system(model, self._theta)
        draw = drawn if anchor == "start" else further_drawn
        return draw(stage_of(model), system, count, rng, number)

    def _label_draws(
        self, paths: FloatArray, index: pd.Index, single: bool
    ) -> pd.Series | pd.DataFrame:
        """Label draws, categories as those of the data."""
        endog, known = self.model.endog, self.model.levels or {}
        table = label_paths(endog, paths, index, single)
        named: dict[Any, pd.Categorical] = {}
        for j in (j for j, name in enumerate(endog.names) if name in known):
            levels, codes = pd.Index(known[endog.names[j]]), paths[:, :, j].astype(np.intp)
            words = [pd.Categorical.from_codes(one, categories=levels) for one in codes]
            if isinstance(table, pd.Series):
                return pd.Series(words[0], index=index, name=table.name)
            if single:
                named[endog.names[j]] = words[0]
            else:
                named |= {(endog.names[j], path): one for path, one in enumerate(words)}
        if not named:
            return table
        columns = {key: named.get(key, table[key]) for key in table.columns}
        return pd.DataFrame(columns, index=index, columns=table.columns)


def _options(uncertainty: Uncertainty, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options of a kind of uncertainty, and fill them in."""
    caller = "get_forecast"
    own: dict[str, dict[str, Any]] = {
        "plugin": {},
        "delta": {"draws": DRAWS},
        "bootstrap": {
            "nboot": 199, "rng": None, "n_jobs": 1, "progress": False, "bootstrap": None,
        },
    }  # fmt: skip
    known = own[uncertainty]
    extra = [name for name in options if name not in known]
    if extra:
        every = [name for kind in own.values() for name in kind]
        words = ", ".join(known) if known else "none"
        raise SpecificationError(
            f"{caller}: options of uncertainty={uncertainty!r} are {words}; got {extra[0]!r}."
            f"{suggest(extra[0], every)} Leave it out."
        )
    given = {**known, **options}
    if uncertainty == "delta":
        draws = check_int(given["draws"], name="draws", caller=caller, minimum=FEWEST)
        given["draws"] = draws + draws % 2
    return given
