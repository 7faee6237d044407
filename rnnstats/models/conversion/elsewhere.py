"""Constructors of the linear model from other descriptions of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from rnnstats.models.conversion.varma import Converted

__all__ = ["FromElsewhere"]


class FromElsewhere:
    """Class methods that return a linear model with its parameters."""

    @classmethod
    def from_varma(
        cls,
        ar: Any,
        ma: ArrayLike | None = None,
        sigma_u: ArrayLike | None = None,
        endog: object = None,
        *,
        exog: object = None,
        intercept: ArrayLike | None = None,
        trend_slope: ArrayLike | None = None,
        exog_coefs: ArrayLike | None = None,
        initial: Literal["stationary", "diffuse", "known"] = "stationary",
    ) -> Converted:
        """Make the model and its parameters from vector ARMA coefficients.

        ``y_t = intercept + trend_slope t + sum_i ar_i y_{t-i} + sum_j exog_coefs_j x_{t-j} + u_t +
        sum_i ma_i u_{t-i}`` in innovations form, echelon coordinates, with its own Kronecker
        indices and the same likelihood. A moving average that is not invertible stays as it is.

        Parameters
        ----------
        ar : array_like, shape (q, k, k), or VARMA
            Lag 1 first; (q,) for one output, (k, k) for one lag, empty for none. A VARMA value
            brings everything up to ``exog_coefs`` with it; columns with its names go by name.
        ma : array_like, shape (r, k, k), optional
        sigma_u : array_like, shape (k, k)
            Covariance of the errors, positive definite.
        endog : Series, DataFrame or array_like, shape (nobs, k), optional
            Default: one row without a value, for simulation.
        exog : Series, DataFrame or array_like, shape (nobs, k_exog), optional
            Inputs; before the first row they count as having had its values for ever.
        intercept, trend_slope : array_like, shape (k,), optional
            Of the equations, t = 1 .. nobs; the model has the mean of the outputs they make.
        exog_coefs : array_like, shape (lags + 1, k, k_exog), optional
            The coefficient of ``x_t`` first; (k, k_exog) without lags.
        initial : {"stationary", "diffuse", "known"}
            As in the constructor.

        Returns
        -------
        Converted
            Named tuple of ``model`` and ``params``, a Series by name.

        Raises
        ------
        SpecificationError
            Shapes that do not fit, an unstable model with a stationary start, or more than a
            linear trend.
        DataError
            Data that are unusable, or have another number of columns.

        Warns
        -----
        ConversionWarning
            When autoregressive and moving average part have a root in common, so that fewer
            states do.
        """
        from rnnstats.models.conversion.varma import from_varma

        means, inputs = (intercept, trend_slope), (exog, exog_coefs)
        return from_varma(ar, ma, sigma_u, endog, means=means, inputs=inputs, initial=initial)

    @classmethod
    def from_statsmodels(cls, results: object) -> Converted:
        """Make the model and its parameters from results of a statsmodels state space model.

        ARMA models without measurement error (SARIMAX, ARIMA, VARMAX; a stationary start) come in
        VARMA coordinates of the innovations form, absent lags fixed at zero; everything else whose
        matrices do not vary in time in the structured form with statsmodels' parameter names.

        Parameters
        ----------
        results : object
            What ``fit``, ``smooth`` or ``filter`` of SARIMAX, VARMAX, DynamicFactor,
            UnobservedComponents or another state space model returns.

        Returns
        -------
        Converted
            Named tuple of ``model`` and ``params``, a Series by name, with the log-likelihood
            ``results.llf``.

        Raises
        ------
        SpecificationError
            Other results, or matrices that vary in time (regression in the state).

        Warns
        -----
        ConversionWarning
            When something differs: an approximate diffuse start, replaced by the exact one (the
            log-likelihood is that of ``use_exact_diffuse=True``); a log-likelihood that leaves
            out rows; products of seasonal polynomials, multiplied out; cells that are neither
            numbers nor parameters, held at the estimates.

        Notes
        -----
        A state intercept that varies becomes inputs of the state: its columns are moved on by one
        row, for statsmodels' row t acts on the step from t to t + 1, and their first row stands
        twice, for its stationary start takes the first intercept as having been there for ever.
        """
        from rnnstats.models.conversion.statsmodels import from_statsmodels

        return from_statsmodels(results)
