"""Residuals of a fitted model, and the tests and the picture that use them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import check_bool, check_literal
from rnnstats.diagnostics import residuals
from rnnstats.errors import DataError
from rnnstats.results.protocol import FittedModel, FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OneStep", "ResidualTests"]


@dataclass(frozen=True, slots=True, eq=False)
class OneStep:
    """One-step-ahead predictions and their errors, arrays of shape (nobs, k_endog).

    Attributes
    ----------
    mean : ndarray
        Mean of each output given the rows before.
    standardized : ndarray
        Errors divided by the Cholesky factor of their covariance.
    skip : int
        Rows at the start that residual tests leave out, because a diffuse start leaves no
        prediction there.
    """

    mean: FloatArray
    standardized: FloatArray
    skip: int


class ResidualTests(ABC):
    """The part of results that looks at one-step-ahead errors.

    Attributes
    ----------
    model : FittedModel
        Data and structure.
    """

    model: FittedModel

    @property
    @abstractmethod
    def df_model(self) -> int:
        """Number of parameters, diffuse states included."""

    @property
    @abstractmethod
    def k_diffuse_states(self) -> int:
        """Number of states with a diffuse start."""

    @property
    @abstractmethod
    def _one_step(self) -> OneStep:
        """One-step-ahead predictions."""

    # What the residuals that the tests take are called in pictures.
    _residual_words: ClassVar[str] = "Standardized residuals"

    @property
    def _observed(self) -> FloatArray:
        """Outputs as `_one_step` predicts them, shape (nobs, k)."""
        return self.model.endog.values

    @property
    def _tested_residuals(self) -> FloatArray:
        """Residuals that the tests take, shape (nobs, k_endog), NaN where there is none.

        Independent standard normal if the model is right.
        """
        return self._one_step.standardized

    @property
    def _tested_rows(self) -> NDArray[np.bool_]:
        """Which rows the tests take, shape (nobs,)."""
        return np.arange(self.model.nobs) >= self._one_step.skip

    def _by_output(self, values: FloatArray, name: str) -> pd.Series | pd.DataFrame:
        endog = self.model.endog
        if endog.is_series:
            return pd.Series(values[:, 0], index=endog.index, name=name, copy=True)
        return pd.DataFrame(values, index=endog.index, columns=list(endog.names), copy=True)

    @property
    def fittedvalues(self) -> pd.Series | pd.DataFrame:
        """Mean of each row given the rows before it; NaN in the diffuse phase."""
        return self._by_output(self._one_step.mean, "fittedvalues")

    @property
    def resid(self) -> pd.Series | pd.DataFrame:
        """Outputs minus `fittedvalues`: one-step-ahead errors, NaN where missing or diffuse."""
        return self._by_output(self._observed - self._one_step.mean, "resid")

    @property
    def standardized_resid(self) -> pd.Series | pd.DataFrame:
        """`resid` times the inverse Cholesky factor of its covariance given the rows before.

        Independent standard normal if the model is right. With several outputs the second is
        cleaned of the first, and so on; where some are missing the factor is of those seen.
        """
        return self._by_output(self._one_step.standardized, "standardized_resid")

    def test_normality(self, method: Literal["jarquebera"] = "jarquebera") -> pd.DataFrame:
        """Test that the standardized residuals are normal.

        Parameters
        ----------
        method : {"jarquebera"}

        Returns
        -------
        DataFrame
            One row an output: ``statistic``, ``pvalue``, ``skew``, ``kurtosis``. Missing rows and
            those of the diffuse phase are left out.

        Notes
        -----
        The p-value is that of normal errors with known parameters. With regimes the tested errors
        are `quantile_residuals` of a fitted mixture, which takes up skewness and fat tails itself:
        the test is conservative. At a nominal 5 % it rejected 0.7 % of 150 samples of 200 rows from
        a model of two normal regimes; what it does reject is good evidence.
        """
        check_literal(method, ("jarquebera",), name="method", caller="test_normality")
        return residuals.normality(self._tested(), self.model.endog.names)

    def test_serial_correlation(
        self,
        method: Literal["ljungbox", "boxpierce"] = "ljungbox",
        lags: int | Sequence[int] | None = None,
        df_adjust: bool = False,
    ) -> pd.DataFrame:
        """Test that the standardized residuals are not serially correlated.

        Parameters
        ----------
        method : {"ljungbox", "boxpierce"}
        lags : int or sequence of int, optional
            An integer gives all lags up to it; the default is up to ``min(10, rows // 5)``.
        df_adjust : bool
            Take ``df_model - k_diffuse_states - 1`` off the degrees of freedom, as statsmodels.

        Returns
        -------
        DataFrame
            Index (series, lag); ``statistic`` and ``pvalue``. NaN for outputs with missing rows
            after the diffuse phase.

        Raises
        ------
        DataError
            Fewer residuals than lags.
        """
        check_literal(
            method, ("ljungbox", "boxpierce"), name="method", caller="test_serial_correlation"
        )
        adjust = check_bool(df_adjust, name="df_adjust", caller="test_serial_correlation")
        spent = max(0, self.df_model - self.k_diffuse_states - 1) if adjust else 0
        return residuals.serial_correlation(
            self._tested(),
            self.model.endog.names,
            lags=lags,
            boxpierce=method == "boxpierce",
            model_df=spent,
        )

    def test_heteroskedasticity(
        self,
        method: Literal["breakvar"] = "breakvar",
        alternative: residuals.Alternative = "two-sided",
        use_f: bool = True,
    ) -> pd.DataFrame:
        """Test that the variance of the standardized residuals does not change.

        Parameters
        ----------
        method : {"breakvar"}
            Squares of the last third against those of the first.
        alternative : {"two-sided", "increasing", "decreasing"}
        use_f : bool
            F distribution, or chi-squared.

        Returns
        -------
        DataFrame
            One row an output: ``statistic``, ``pvalue``.
        """
        caller = "test_heteroskedasticity"
        check_literal(method, ("breakvar",), name="method", caller=caller)
        options = get_args(residuals.Alternative)
        check_literal(alternative, options, name="alternative", caller=caller)
        return residuals.heteroskedasticity(
            self._tested(), self.model.endog.names, alternative=alternative, use_f=use_f
        )

    def _tested(self) -> FloatArray:
        """Return the residuals to test, without the rows that have none for a reason."""
        kept = self._tested_residuals[self._tested_rows]
        if not np.isfinite(kept).any():
            raise DataError(
                "residual test: there must be residuals after the diffuse phase, with a covariance "
                f"that is not singular; got none in {self.model.nobs} rows. Use a longer series, "
                "initial='stationary' or fewer outputs."
            )
        return kept

    def plot_diagnostics(
        self, variable: int | str = 0, lags: int = 10, fig: Figure | None = None
    ) -> Figure:
        """Plot standardized residuals of one output: over time, histogram, Q-Q, correlogram.

        Parameters
        ----------
        variable : int or str
            Output, by number or name.
        lags : int
            Lags of the correlogram.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.results.plots import draw_diagnostics

        endog = self.model.endog
        frame = pd.DataFrame(self._tested_residuals, index=endog.index, columns=list(endog.names))
        return draw_diagnostics(
            frame[self._tested_rows],
            variable=variable,
            lags=lags,
            fig=fig,
            words=self._residual_words,
        )
