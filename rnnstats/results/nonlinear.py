"""Results of a nonlinear recurrent network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats.errors import SpecificationError
from rnnstats.results import tables
from rnnstats.results.base import Results
from rnnstats.results.forecasting.pictures import ForecastPlots
from rnnstats.results.inference.hypotheses import Hypotheses
from rnnstats.results.inference.methods import Inference
from rnnstats.results.inference.resampling import Resampling, refitter_of
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent import summary as words
from rnnstats.results.recurrent.effects.effects import PartialEffects
from rnnstats.results.recurrent.fitted import FittedNetwork
from rnnstats.results.recurrent.forecasting.forecasts import RecurrentForecasts
from rnnstats.results.recurrent.inference.identification import RecurrentIdentified
from rnnstats.results.recurrent.inference.linearity import RecurrentLinearity
from rnnstats.results.recurrent.inference.nesting import nested_networks
from rnnstats.results.recurrent.inference.refitting import RecurrentRefitter
from rnnstats.results.recurrent.inference.slopes import axis_slopes
from rnnstats.results.recurrent.prediction import RecurrentPredictions
from rnnstats.results.recurrent.protocol import RecurrentModel
from rnnstats.results.recurrent.responses.responses import RecurrentResponses
from rnnstats.results.recurrent.revisions.continuation import RecurrentContinuation
from rnnstats.results.recurrent.scores import NetworkScores
from rnnstats.results.recurrent.simulation import RecurrentSampler
from rnnstats.results.recurrent.states.memory import RecurrentMemory
from rnnstats.results.recurrent.states.plots import GatePlots
from rnnstats.results.recurrent.states.states import NO_GATES, RecurrentStates
from rnnstats.results.recurrent.torch import HELD, RecurrentTorch, recurrence_held
from rnnstats.results.remembering import Remembering
from rnnstats.results.residuals import ResidualTests

__all__ = ["RecurrentResults"]

_REGIMES = "a recurrent network has no regimes, its states are continuous. Use MarkovRNN, or"
_CURVED = "the network is not linear, so there is no"
_FIXED_WEIGHTS = "the weights of the past change with the state."


class RecurrentResults(
    FittedNetwork,
    NetworkScores,
    Results,
    Hypotheses,
    ResidualTests,
    Inference,
    Resampling,
    RecurrentStates,
    GatePlots,
    RecurrentIdentified,
    RecurrentPredictions,
    RecurrentForecasts,
    ForecastPlots,
    RecurrentResponses,
    PartialEffects,
    RecurrentContinuation,
    RecurrentMemory,
    RecurrentTorch,
    RecurrentLinearity,
    Remembering,
):
    """Results of an `ElmanRNN`, `GRU`, `LSTM` or `CellRNN`: estimates, states, predictions, tests.

    Made by the model's ``fit``. See `Results` for what the constructor takes.

    Notes
    -----
    The state is a function of the rows before, so `predicted_state`, `filtered_state` and
    `smoothed_state` are the same. `fittedvalues`, `resid` and `standardized_resid` use the rows
    before each row only. The residual tests and `plot_diagnostics` use `quantile_residuals`, which
    are normal if the model is right, whatever the distribution of the outputs.

    Units of a network have no order and (tanh) no sign of their own: `identification` says which
    numbering is reported, and what the data do not tell. With a penalty the estimates maximise the
    penalised log-likelihood; `llf` is the log-likelihood without the penalty, and `df_model` the
    effective number of parameters.
    """

    model: RecurrentModel
    _residual_words: ClassVar[str] = "Quantile residuals"
    _no_sense: ClassVar[Mapping[str, str]] = {
        "to_varma": f"{_CURVED} VARMA with the same law. With activation='identity' fit LinearRNN.",
        "to_rnn": "the model is a recurrent network already: params are its weights, gates and "
        "filtered_state what it computes.",
        "to_birnn": "without state noise the smoother of the states is the network itself. Use "
        "BidirectionalRNN for a network that reads both ways.",
        "to_statsmodels": "statsmodels has no recurrent networks. With activation='identity' fit "
        "LinearRNN and use its to_statsmodels().",
        "to_hmm": f"{_REGIMES} filtered_state.",
        "fevd": f"{_CURVED} sum of shares of shocks. Use impulse_responses(), which depend on "
        "size, sign and history.",
        "historical_decomposition": f"{_CURVED} sum of contributions of shocks. Use "
        "impulse_responses() at single histories.",
        "contributions": f"{_CURVED} sum of contributions of shocks and inputs. Use "
        "impulse_responses(), or the average partial effects.",
        "observation_weights": f"{_CURVED} weights of single rows: {_FIXED_WEIGHTS} Use the "
        "average partial effects.",
        "conditional_forecast": "forecasts given some later values are not in closed form here. "
        "Use simulate(anchor='end', repetitions=...) and choose among the paths.",
        "news": "revisions are not sums of contributions of single rows here. Compare get_forecast "
        "before and after append().",
        "transition": f"{_REGIMES} gates and memory() for how the state moves.",
        "transition_table": f"{_REGIMES} memory().",
        "filtered_marginal_probabilities": f"{_REGIMES} filtered_state.",
        "smoothed_marginal_probabilities": f"{_REGIMES} smoothed_state.",
        "predicted_marginal_probabilities": f"{_REGIMES} predicted_state.",
        "viterbi": f"{_REGIMES} filtered_state, the only path of states given the data.",
        "expected_durations": f"{_REGIMES} memory() for how long the state lasts.",
        "duration_table": f"{_REGIMES} memory() for how long the state lasts.",
        "stationary_probabilities": f"{_REGIMES} simulate() for the long-run law of the outputs.",
        "stationary_table": f"{_REGIMES} simulate() for the long-run law of the outputs.",
        "switch_probability": f"{_REGIMES} get_forecast().",
        "turning_points": f"{_REGIMES} filtered_state.",
    }

    if not TYPE_CHECKING:  # type checkers would take any name for one that exists

        def __getattr__(self, name: str) -> Any:
            """Explain names without sense; a property that refused comes here once more."""
            if name in ("gates", "plot_gates"):
                raise AttributeError(f"{type(self).__name__}.{name}: {NO_GATES}")
            return super().__getattr__(name)

    def __getstate__(self) -> dict[str, Any]:
        """What pickling keeps: not the pass over the rows, which is quickly made again."""
        return {name: value for name, value in self.__dict__.items() if name != "_system"}

    @property
    def fittedvalues(self) -> pd.Series | pd.DataFrame:
        """Mean of each row given the rows before it, in the units of the data.

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

        Mean zero, unit variance and uncorrelated if the model is right; normal with a gaussian head
        only, see `quantile_residuals`. Errors of categories are divided by their own standard
        deviations.
        """
        return super().standardized_resid

    # -- what other parts ask -----------------------------------------------------------------

    def _derive(self, function: Callable[[FloatArray], FloatArray]) -> FloatArray:
        return axis_slopes(function, self.model, self._theta, self.covariance)

    def _sampler(self, caller: str) -> RecurrentSampler:
        return RecurrentSampler(self.model, self._theta)

    def _refitter(self, caller: str) -> RecurrentRefitter:
        refitter_of(self.model, self._theta, caller)  # refuses what cannot be fitted again
        return RecurrentRefitter(self.model, self._theta)

    def _pool(self, source: Any, caller: str) -> FloatArray:
        if self.model.head.name not in ("gaussian", "student-t"):
            raise SpecificationError(
                f"{caller}: kind='innovations' resamples one-step errors, which are a sample of "
                f"one distribution with a gaussian or Student-t head only; got head="
                f"{self.model.head.name!r}. Use kind='parametric'."
            )
        return super()._pool(source, caller)

    @staticmethod
    def _nesting(small: Any, large: Any) -> str:
        return nested_networks(small, large)

    # -- summary ------------------------------------------------------------------------------

    def _structure_rows(self) -> list[tuple[str, str]]:
        return words.structure_rows(self.model)

    def _count_rows(self) -> list[tuple[str, str]]:
        sequences = len(np.asarray(self.model.offsets)) - 1
        return [("Sequences:", f"{sequences:d}")] if sequences > 1 else []

    def summary(self, alpha: float = 0.05) -> Any:
        """Summarize the fit in statsmodels' layout, coefficients gate by gate.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the confidence intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Data, criteria, coefficients of each gate, of the readout and of the outputs'
            distribution, tests of `quantile_residuals`; below them a convergence line, and an
            identification line that names units the data do not tell.
        """
        found = super().summary(alpha)
        table = tables.coefficient_table(cast("tables.Summarized", self), alpha)
        words.regroup(found, self.model, table, alpha)
        if self.model.penalty:
            note = _compat.wrapped(words.PENALISED.format(penalty=self.model.penalty))
            found.extra_txt = "\n".join([found.extra_txt, *note])
        if recurrence_held(self.model):
            found.extra_txt = "\n".join([found.extra_txt, *_compat.wrapped(HELD)])
        return found
