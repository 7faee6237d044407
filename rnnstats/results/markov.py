"""Results of a model with regimes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats import _compat
from rnnstats._checks import check_generator
from rnnstats._compat import wrapped
from rnnstats.errors import SpecificationError
from rnnstats.estimation.bootstrap import DEFAULT_SEED
from rnnstats.estimation.covariance import CovType
from rnnstats.kernels import markov
from rnnstats.results.base import Results
from rnnstats.results.forecasting.pictures import ForecastPlots
from rnnstats.results.inference.hypotheses import Hypotheses
from rnnstats.results.inference.methods import Inference
from rnnstats.results.inference.resampling import Resampling, refitter_of
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.forecasts import RegimeForecasts
from rnnstats.results.regimes.forecasting.laws import EmissionMixture
from rnnstats.results.regimes.forecasting.responses import RegimeResponses
from rnnstats.results.regimes.forecasting.scenarios import RegimeScenarios
from rnnstats.results.regimes.inference.derivatives import RegimeDerivatives
from rnnstats.results.regimes.inference.identification import RegimeIdentified
from rnnstats.results.regimes.inference.nesting import nested_regimes
from rnnstats.results.regimes.inference.refitting import RegimeRefitter, RegimeSampler
from rnnstats.results.regimes.networks import RegimeNetworks
from rnnstats.results.regimes.outputs import column_levels, expanded_names
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem
from rnnstats.results.regimes.residuals import expanded_values, normal_scores, one_step
from rnnstats.results.regimes.revisions.continuation import RegimeContinuation
from rnnstats.results.regimes.revisions.news import RegimeNews
from rnnstats.results.regimes.states.comparison import RegimeComparison
from rnnstats.results.regimes.states.memory import RegimeMemory
from rnnstats.results.regimes.states.probabilities import RegimeProbabilities, conditioned_rows
from rnnstats.results.regimes.states.transition import RegimeTransitions
from rnnstats.results.regimes.states.turning_points import RegimeDating
from rnnstats.results.regimes.summary import (
    MEAN_DURATION,
    emission_words,
    shortened,
    switching_words,
)
from rnnstats.results.remembering import Remembering
from rnnstats.results.residuals import OneStep, ResidualTests

__all__ = ["MarkovResults"]

_EXPECTED = (
    "a model with regimes has no expected information in closed form; got cov_type={kind!r}. Use "
    "{other}."
)
_LINEAR = "the regimes are the only state, and it is one of a few, not a vector of numbers."
_NO_ERRORS = (
    "kind='innovations' resamples one-step errors, and those of a model with regimes depend on the "
    "regime, so that they are no sample of one distribution. Use kind='parametric'."
)


class MarkovResults(
    Results,
    Hypotheses,
    ResidualTests,
    Inference,
    Resampling,
    RegimeProbabilities,
    RegimeTransitions,
    RegimeIdentified,
    RegimeForecasts,
    RegimeScenarios,
    ForecastPlots,
    RegimeResponses,
    RegimeNews,
    RegimeContinuation,
    RegimeComparison,
    RegimeDating,
    RegimeMemory,
    RegimeNetworks,
    Remembering,
):
    """Results of a `MarkovRNN`: estimates, regimes, predictions, tests.

    Made by `MarkovRNN.fit`. See `Results` for what the constructor takes.

    Notes
    -----
    `fittedvalues`, `resid` and `standardized_resid` use the predicted probabilities of the regimes,
    never the smoothed ones. The residual tests and `plot_diagnostics` use `quantile_residuals`,
    which are normal if the model is right although the errors are mixtures.

    Parameters estimated at exactly 0 or 1 (probabilities), or at another end of their range, lie at
    the boundary of the parameter space: they have no standard error, and those of the others are as
    if these were known.
    """

    model: RegimeModel
    _information_kind: ClassVar[CovType] = "oim"
    _residual_words: ClassVar[str] = "Quantile residuals"
    _no_kind: ClassVar[Mapping[str, str]] = MappingProxyType({"innovations": _NO_ERRORS})
    _no_cov: ClassVar[Mapping[str, str]] = {
        "approx": _EXPECTED.format(
            kind="approx", other="'oim' (observed information) or 'opg' (outer product of scores)"
        ),
        "robust_approx": _EXPECTED.format(
            kind="robust_approx", other="'robust', the sandwich with the observed information"
        ),
    }
    _no_sense: ClassVar[Mapping[str, str]] = {
        "to_varma": f"{_LINEAR} Use to_hmm() for the hidden Markov model, or transition.",
        "to_birnn": "the smoother of a chain is no network with a linear read-out. Use to_rnn() "
        "for the filter, or smoothed_marginal_probabilities.",
        "to_statsmodels": "statsmodels has no model with the same parameters for all of these. "
        "Use to_hmm(), whose arrays any package takes.",
        "fevd": f"{_LINEAR} Shares of shocks have no meaning: use get_forecast() for the variance "
        "of forecasts, and switch_probability() for how regimes end.",
        "historical_decomposition": f"{_LINEAR} Use smoothed_marginal_probabilities or news().",
        "contributions": f"{_LINEAR} Use news() for what new rows did to the regimes.",
        "observation_weights": "regime probabilities are not linear in the outputs, so there are "
        "no weights. Use news() for what single rows did.",
        "to_torch": "PyTorch computes the filter as a network. Use to_rnn() and its to_torch().",
        "from_torch": "network weights carry no estimates. Use MarkovRNN.from_hmm.",
        "gates": "a one-hot state has no gates. See transition.",
    }

    @cached_property
    def _derivatives(self) -> RegimeDerivatives:
        return RegimeDerivatives(self.model, self._theta)

    # -- the chain ----------------------------------------------------------------------------

    @cached_property
    def _system(self) -> RegimeSystem:
        return self.model.system(self._theta)

    @cached_property
    def _forward(self) -> markov.ForwardOutput:
        return markov.forward(*self._system.chain, lags=self._system.lags)

    @cached_property
    def _smoothed_output(self) -> markov.SmoothedOutput:
        return markov.smooth(*self._system.chain, lags=self._system.lags)

    @property
    def llf_obs(self) -> pd.Series:
        """Log-likelihood of each row given the rows before it in its sequence.

        0 where all outputs are missing, and in rows that the likelihood is conditional on: the
        first `order` rows of a sequence, and rows with a missing lag.
        """
        values = self.model.loglikeobs(self._theta)
        return pd.Series(values, index=self.model.endog.index, name="llf_obs", copy=True)

    @property
    def nobs(self) -> int:
        """Number of rows in the likelihood: without the first `order` rows of each sequence.

        Rows with missing values are included.
        """
        return int((~conditioned_rows(self.model)).sum())

    @property
    def nobs_diffuse(self) -> int:
        """0: regimes have a proper start."""
        return 0

    @property
    def k_diffuse_states(self) -> int:
        """0: regimes have a proper start."""
        return 0

    # -- residuals ----------------------------------------------------------------------------

    @cached_property
    def _row_weights(self) -> FloatArray:
        """Probabilities of the chain's states given the rows before, (nobs, S); NaN for none."""
        predicted, system = self._forward.predicted, self._system
        found = np.full((self.model.nobs, predicted.shape[1]), np.nan)
        found[system.rows] = predicted
        found[conditioned_rows(self.model)] = np.nan
        return found

    @cached_property
    def _one_step(self) -> OneStep:
        weight = self._row_weights
        rows = np.arange(self.model.nobs)
        law = EmissionMixture(
            self.model.nobs, rows, weight, self._system.responses, self.model.k_endog
        )
        blank = np.asarray(np.isnan(weight).any(axis=1))
        return one_step(law, self.model.endog.values, blank)

    def _by_output(self, values: FloatArray, name: str) -> pd.Series | pd.DataFrame:
        endog, names = self.model.endog, expanded_names(self.model)
        if endog.is_series and len(names) == 1:
            return pd.Series(values[:, 0], index=endog.index, name=name, copy=True)
        return pd.DataFrame(values, index=endog.index, columns=list(names), copy=True)

    @property
    def _observed(self) -> FloatArray:
        return expanded_values(self.model.endog.values, column_levels(self.model))

    @property
    def fittedvalues(self) -> pd.Series | pd.DataFrame:
        """Mean of each row given the rows before it, with predicted regime probabilities.

        Categorical outputs: the probability of each category, one column ``y=a`` each. NaN in rows
        that the likelihood is conditional on.
        """
        return super().fittedvalues

    @property
    def resid(self) -> pd.Series | pd.DataFrame:
        """Outputs minus `fittedvalues`: one-step-ahead errors; NaN where missing.

        Categorical outputs: indicators of the categories minus their probabilities.
        """
        return super().resid

    @property
    def standardized_resid(self) -> pd.Series | pd.DataFrame:
        """`resid` times the inverse Cholesky factor of its covariance given the rows before.

        Mean zero, unit variance and uncorrelated if the model is right, but a mixture of the
        regimes' distributions: see `quantile_residuals` for normal ones. Errors of categories are
        divided by their own standard deviations.
        """
        return super().standardized_resid

    def quantile_residuals(
        self, rng: np.random.Generator | int | None = None
    ) -> pd.Series | pd.DataFrame:
        """Normal scores of each row given the rows before it (Rosenblatt, Dunn and Smyth).

        The standard normal quantile of the predictive distribution function at the outcome.
        Independent standard normal if the model is right, whatever the distributions; of several
        outputs each is taken given those before it in its row. They feed the residual tests and
        `plot_diagnostics`.

        Parameters
        ----------
        rng : numpy.random.Generator or int, optional
            Places outcomes of discrete outputs at random within their step of the distribution
            function. Default: a fixed seed, also used by the tests.

        Returns
        -------
        Series or DataFrame
            One column an output (also of categorical ones, in the order of their categories). NaN
            where missing, and in rows that the likelihood is conditional on.

        References
        ----------
        Rosenblatt (1952), Annals of Mathematical Statistics 23, 470-472. Dunn and Smyth (1996),
        Journal of Computational and Graphical Statistics 5, 236-244. Zucchini, MacDonald and
        Langrock (2016), Hidden Markov Models for Time Series, 2nd ed., section 6.2.
        """
        generator = check_generator(
            DEFAULT_SEED if rng is None else rng, caller="quantile_residuals"
        )
        return self.model.endog.labelled(self._scores(generator), name="quantile_residuals")

    def _scores(self, rng: np.random.Generator) -> FloatArray:
        system, values = self._system, self.model.endog.values
        return normal_scores(self._row_weights, system.responses, values, rng)

    @cached_property
    def _tested_residuals(self) -> FloatArray:
        return self._scores(np.random.default_rng(DEFAULT_SEED))

    @property
    def _tested_rows(self) -> NDArray[np.bool_]:
        return ~conditioned_rows(self.model)

    # -- what other parts ask -----------------------------------------------------------------

    def _sampler(self, caller: str) -> RegimeSampler:
        return RegimeSampler(self.model, self._theta)

    def _refitter(self, caller: str) -> RegimeRefitter:
        refitter_of(self.model, self._theta, caller)  # refuses what cannot be fitted again
        return RegimeRefitter(self.model, self._theta)

    @staticmethod
    def _nesting(small: Any, large: Any) -> str:
        return nested_regimes(small, large)

    def _structure_rows(self) -> list[tuple[str, str]]:
        model = self.model
        rows = [("Regimes:", str(model.k_regimes)), ("Emission:", emission_words(model))]
        if model.order:
            rows.append(("Lags:", f"{model.order}, {model.ar_form} form"))
        if model.k_regimes > 1:
            start = model.start if isinstance(model.start, str) else "given"
            rows += [("Switching:", switching_words(model)), ("Start:", start)]
        if model.exog_transition is not None:
            rows.append(("Transitions:", ", ".join(model.exog_transition.names)))
        return [(key, shortened(words)) for key, words in rows]

    def summary(self, alpha: float = 0.05) -> Any:
        """Summarize the fit in statsmodels' layout.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the confidence intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Data, criteria, coefficients, tests of `quantile_residuals`; the regimes with their
            long-run shares, expected durations and expected numbers of rows; below them a
            convergence line and an identification line. With inputs of the transitions durations
            are averages over rows, see `duration_table`.
        """
        found = super().summary(alpha)
        if self.model.k_regimes > 1:
            driven = self.model.exog_transition is not None
            title = "Regimes, average over rows" if driven else "Regimes"
            found.tables.extend(_compat.build_table(self._regime_table(), title=title).tables)
            if driven:
                found.extra_txt = "\n".join([found.extra_txt, *wrapped(MEAN_DURATION)])
        return found

    def _regime_table(self) -> pd.DataFrame:
        """Long-run share, duration and visits, one regime a row."""
        durations = self.duration_table()
        frame = pd.DataFrame(index=pd.Index(self.model.regime_names))
        try:
            shares = self.stationary_table()
        except SpecificationError:  # more than one stationary law: none to show
            pass
        else:
            frame["long-run share"], frame["std err"] = shares["estimate"], shares["std err"]
        frame["duration"], frame["std err "] = durations["estimate"], durations["std err"]
        frame["expected rows"] = np.nansum(self._marginal("smoothed"), axis=0)
        return frame

    def _count_rows(self) -> list[tuple[str, str]]:
        sequences = len(self.model.offsets) - 1
        return [("Sequences:", f"{sequences:d}")] if sequences > 1 else []
