"""Results of a bidirectional recurrent network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rnnstats import _compat
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate, CovType
from rnnstats.results import tables
from rnnstats.results.base import Results
from rnnstats.results.forecasting.pictures import ForecastPlots
from rnnstats.results.inference.covariances import without_fixed
from rnnstats.results.inference.hypotheses import Hypotheses
from rnnstats.results.inference.methods import Inference
from rnnstats.results.inference.resampling import Resampling, refitter_of
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent import summary as words
from rnnstats.results.recurrent.fitted import FittedNetwork
from rnnstats.results.recurrent.inference.identification import RecurrentIdentified
from rnnstats.results.recurrent.inference.nesting import nested_networks
from rnnstats.results.recurrent.inference.refitting import RecurrentRefitter
from rnnstats.results.recurrent.inference.slopes import axis_slopes
from rnnstats.results.recurrent.revisions.continuation import RecurrentContinuation
from rnnstats.results.recurrent.scores import NetworkScores
from rnnstats.results.recurrent.states.plots import GatePlots
from rnnstats.results.recurrent.torch import RecurrentTorch
from rnnstats.results.remembering import Remembering
from rnnstats.results.residuals import ResidualTests
from rnnstats.results.two_sided.composite import score_trace
from rnnstats.results.two_sided.drawing import TargetSampler
from rnnstats.results.two_sided.memory import TwoSidedMemory
from rnnstats.results.two_sided.predictions import TwoSidedPredictions
from rnnstats.results.two_sided.refusals import NEVER, PSEUDO, check_covariance
from rnnstats.results.two_sided.states import BOTH, TwoSidedStates

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BidirectionalResults", "check_covariance"]

REGRESSION = (
    "Objective: log-likelihood of a regression, of each target given the inputs of all rows, "
    "earlier and later; the targets are taken as independent given the inputs. Residuals that are "
    "correlated over time call for cov_type='hac'."
)
COMPOSITE = (
    "Objective: pseudo-likelihood, the sum of log densities of each row given all others (Besag "
    "1975), not the log-likelihood of the series. Df Model is the effective number of parameters, "
    "the trace of (long-run variance of the score) times (curvature)^-1, and the criteria are the "
    "composite ones made with it (Varin and Vidoni 2005; Gao and Song 2010)."
)
_TERMS = {
    "Log Likelihood": "Pseudo-Log-Lik.:",
    "AIC": "Composite AIC",
    "BIC": "Composite BIC",
    "HQIC": "Composite HQIC",
}


class BidirectionalResults(
    FittedNetwork,
    NetworkScores,
    Results,
    Hypotheses,
    ResidualTests,
    Inference,
    Resampling,
    TwoSidedStates,
    GatePlots,
    RecurrentTorch,
    RecurrentIdentified,
    TwoSidedPredictions,
    ForecastPlots,
    RecurrentContinuation,
    TwoSidedMemory,
    Remembering,
):
    """Results of a `BidirectionalRNN`: estimates, what it says with hindsight, tests.

    Made by the model's ``fit``. See `Results` for what the constructor takes.

    Notes
    -----
    What uses the future says so. `smoothedvalues`, `smoothed_resid` and `smoothed_prediction` are
    of each row given everything that the network reads.

    *Target given inputs*: `fittedvalues`, `resid`, `predict` and `get_forecast` are those of a
    regression on the inputs of all rows, later ones included; no target is used to predict a
    target. Past the sample they need the inputs there.

    *The series itself*: `llf` is a pseudo-log-likelihood, `aic`, `bic` and `hqic` are composite
    criteria, `df_model` the effective number of parameters, and standard errors come from a
    sandwich. Names that would be fitted values, forecasts or likelihood ratios raise an
    AttributeError that says why.
    """

    model: Any
    _residual_words: ClassVar[str] = "Quantile residuals"
    _reads: ClassVar[str] = BOTH
    _no_sense: ClassVar[Mapping[str, str]] = NEVER

    if not TYPE_CHECKING:  # type checkers would take any name for one that exists

        def __getattribute__(self, name: str) -> Any:
            """Refuse names without sense for the objective, with the reason."""
            if name in PSEUDO or name in NEVER:
                reasons = NEVER
                if object.__getattribute__(self, "__dict__")["model"].pseudo:
                    reasons = PSEUDO | NEVER
                if name in reasons:
                    raise AttributeError(f"{type(self).__name__}.{name}: {reasons[name]}")
            return super().__getattribute__(name)

        def __getattr__(self, name: str) -> Any:
            """Explain names without sense; a property that refused comes here once more."""
            if name in PSEUDO:
                raise AttributeError(f"{type(self).__name__}.{name}: {PSEUDO[name]}")
            if name in ("gates", "plot_gates"):
                return object.__getattribute__(self, name)
            return super().__getattr__(name)

    def __dir__(self) -> list[str]:
        """Names that can be used."""
        gone = {*NEVER, *(PSEUDO if self.model.pseudo else ())}
        return [name for name in super().__dir__() if name not in gone]

    def __getstate__(self) -> dict[str, Any]:
        """What pickling keeps: not the pass over the rows, which is quickly made again."""
        return {name: value for name, value in self.__dict__.items() if name != "_system"}

    @classmethod
    def from_fit(
        cls,
        model: Any,
        params: ArrayLike | pd.Series,
        *,
        cov_type: CovType | None = None,
        convergence: Any = None,
        covariance: CovarianceEstimate | None = None,
        cov_note: str = "",
        cov_kwds: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make results from a model and its parameters.

        Parameters
        ----------
        model : BidirectionalRNN
        params : array_like or Series of shape (K,)
            All natural parameters, restrictions already expanded.
        cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
            Default: "oim"; with a pseudo-likelihood "hac".
        convergence, covariance, cov_note, cov_kwds
            As in `Results.from_fit`.

        Returns
        -------
        BidirectionalResults

        Raises
        ------
        SpecificationError
            Wrong number of parameters, or a `cov_type` that is unknown or refused.
        """
        return super().from_fit(
            model,
            params,
            cov_type=check_covariance(model, cov_type, model.name),
            convergence=convergence,
            covariance=covariance,
            cov_note=cov_note,
            cov_kwds=cov_kwds,
        )

    def with_cov(self, cov_type: CovType, cov_kwds: Mapping[str, Any] | None = None) -> Self:
        """Return the same estimates with another covariance, without fitting again.

        Parameters
        ----------
        cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
            "oim", "approx" and "opg" are refused with a pseudo-likelihood.
        cov_kwds : mapping, optional
            Options of "hac" and "cluster", see `Results.with_cov`.

        Returns
        -------
        BidirectionalResults

        Raises
        ------
        SpecificationError
            An unknown or refused kind, or options that it does not have.
        """
        check_covariance(self.model, cov_type, "with_cov")
        return super().with_cov(cov_type, cov_kwds)

    # -- estimates ----------------------------------------------------------------------------

    @property
    def llf_obs(self) -> pd.Series:
        """Contribution of each row to the objective; 0 where the target is missing.

        Log density of the target given all inputs; with a pseudo-likelihood given all other rows.
        """
        return super().llf_obs

    @property
    def df_model(self) -> int:
        """Free parameters; the effective number with a penalty or a pseudo-likelihood.

        The latter is ``tr(J (A + R)^-1)``, J the long-run variance of the scores (within clusters
        with ``cov_type="cluster"``), A the expected curvature of the objective and R that of the
        penalty.
        """
        if not self.model.pseudo:
            return super().df_model
        found: Any = self._effective_number
        return found  # type: ignore[no-any-return]

    @cached_property
    def _effective_number(self) -> float:
        found = self._derivatives
        free = found.inner_directions
        curvature = free.T @ without_fixed(found.inner_information, free) @ free
        if self.model.penalty:
            curvature = curvature + free.T @ found.inner_ridge @ free
        return score_trace(found.inner_score_obs @ free, curvature, self.cov_type, self._cov_kwds)

    # -- rows ---------------------------------------------------------------------------------

    @property
    def fittedvalues(self) -> pd.Series | pd.DataFrame:
        """Mean of each target given the inputs of all rows, later ones included.

        The fit of a regression: no target is used. Categorical targets: the probability of each
        category, one column ``y=a`` each. The same as `smoothedvalues`.
        """
        return super().fittedvalues

    @property
    def resid(self) -> pd.Series | pd.DataFrame:
        """Target minus `fittedvalues`, given the inputs of all rows; NaN where missing."""
        return super().resid

    @property
    def standardized_resid(self) -> pd.Series | pd.DataFrame:
        """`resid` times the inverse Cholesky factor of its covariance given all inputs."""
        return super().standardized_resid

    # -- what other parts ask -----------------------------------------------------------------

    def _derive(self, function: Callable[[FloatArray], FloatArray]) -> FloatArray:
        return axis_slopes(function, self.model, self._theta, self.covariance)

    def _sampler(self, caller: str) -> TargetSampler:
        return TargetSampler(self.model, self._theta)

    def _refitter(self, caller: str) -> RecurrentRefitter:
        refitter_of(self.model, self._theta, caller)  # refuses what cannot be fitted again
        return RecurrentRefitter(self.model, self._theta)

    def _pool(self, source: Any, caller: str) -> FloatArray:
        if self.model.head.name != "gaussian":
            raise SpecificationError(
                f"{caller}: kind='innovations' resamples standardised errors, which are a sample "
                f"of one distribution with a gaussian head only; got head={self.model.head.name!r}."
                " Use kind='parametric'."
            )
        return super()._pool(source, caller)

    @staticmethod
    def _nesting(small: Any, large: Any) -> str:
        return nested_networks(small, large)

    # -- summary ------------------------------------------------------------------------------

    @property
    def _tests_residuals(self) -> bool:
        return not self.model.pseudo

    @property
    def _terms(self) -> Mapping[str, str]:
        return _TERMS if self.model.pseudo else {}

    def _structure_rows(self) -> list[tuple[str, str]]:
        rows = words.structure_rows(self.model)
        units = " + ".join(map(str, self.model.units))
        kind = "pseudo-likelihood" if self.model.pseudo else "regression"
        shown = {"Units:": f"{units} each way", "Lags:": f"{self.model.y_lags} and leads"}
        rows = [(title, shown.get(title, value)) for title, value in rows]
        if not self.model.pseudo:
            rows = [row for row in rows if row[0] != "Lags:"]
        return [("Objective:", kind), *rows]

    def _count_rows(self) -> list[tuple[str, str]]:
        sequences = len(np.asarray(self.model.offsets)) - 1
        return [("Sequences:", f"{sequences:d}")] if sequences > 1 else []

    def summary(self, alpha: float = 0.05) -> Any:
        """Summarize the fit in statsmodels' layout, coefficients by direction and gate.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the confidence intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Data, criteria, coefficients; tests of `quantile_residuals` of a regression; below them
            what the objective is, convergence and identification.
        """
        found = super().summary(alpha)
        table = tables.coefficient_table(cast("tables.Summarized", self), alpha)
        words.regroup(found, self.model, table, alpha)
        notes = _compat.wrapped(COMPOSITE if self.model.pseudo else REGRESSION)
        if self.model.penalty:
            notes += _compat.wrapped(words.PENALISED.format(penalty=self.model.penalty))
        found.extra_txt = "\n".join([found.extra_txt, *notes])
        return found
