"""A vector ARMA model as a value: coefficients, roots, moments, inference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats.diagnostics.memory.recurrences import Recurrence
from rnnstats.equivalence.coprimeness import Coprimeness, coprimeness
from rnnstats.equivalence.moments import (
    ar_roots,
    autocovariances,
    impulse_responses,
    ma_roots,
    spectrum,
)
from rnnstats.equivalence.order import kronecker_indices, minimal_realisation
from rnnstats.equivalence.polynomials import Polynomials, checked_lags, from_polynomials
from rnnstats.equivalence.systems import InnovationsSystem
from rnnstats.results.protocol import FloatArray
from rnnstats.results.remembering import Remembering
from rnnstats.results.varma.inference import Estimated, VarmaInference
from rnnstats.results.varma.parts import (
    inputs_of,
    is_empty,
    names_of,
    positive_definite,
    read_only,
    same_outputs,
    trimmed,
    vector_of,
)
from rnnstats.results.varma.statsmodels_model import to_statsmodels

__all__ = ["VARMA"]

# A root this near the unit circle is on it, as far as the verdicts go.
ON_CIRCLE = 1e-9


class VARMA(VarmaInference, Remembering):
    """A vector ARMA model with inputs.

    ``y_t = intercept + trend t + sum_i ar_i y_{t-i} + sum_j exog_j x_{t-j} + u_t + sum_j ma_j
    u_{t-j}``, t = 1 .. nobs, ``u_t ~ N(0, sigma_u)``. Row t of the inputs is that of the outputs.

    Parameters
    ----------
    ar : array_like, shape (q, k, k)
        Autoregressive coefficients, lag first; numbers for one output, one matrix for one lag,
        empty or None for none.
    ma : array_like, shape (r, k, k)
        Moving-average coefficients, likewise.
    sigma_u : array_like, shape (k, k)
        Covariance of the errors, positive definite.
    intercept, trend : array_like, shape (k,), optional
        Constant and coefficient of t in the equation (not the mean of the series).
    exog : array_like, shape (s + 1, k, k_exog), optional
        Coefficients of ``x_t .. x_{t-s}``; (k, k_exog), or numbers for one output, for x_t only.
    endog_names, exog_names : sequence of str, optional
        Default: y or y1, y2, ...; x or x1, x2, ...

    Attributes
    ----------
    ar, ma, sigma_u, intercept, trend, exog : ndarray or None
        As above (read-only); ``trend`` is None where there is none, ``exog`` has shape (0, k, 0)
        without inputs. For the echelon form with unequal Kronecker indices these are the equations
        multiplied by the inverse of `ar0`.
    ar0 : ndarray, shape (k, k)
        Coefficient of y_t in the equations whose coefficients are `params`; the identity except in
        the echelon form with unequal Kronecker indices.
    endog_names, exog_names : tuple of str
    form : str
        "echelon", "final", or "given" if made from coefficients.

    Raises
    ------
    SpecificationError
        Shapes that do not fit, numbers that are not finite, or a `sigma_u` that is not positive
        definite.

    References
    ----------
    Luetkepohl, H. (2005), New Introduction to Multiple Time Series Analysis, Springer, ch. 11, 12.
    Hannan, E. J. and Deistler, M. (1988), The Statistical Theory of Linear Systems, Wiley, ch. 2.

    Examples
    --------
    >>> from rnnstats import VARMA
    >>> model = VARMA([0.5], [0.3], 1.0)
    >>> model.is_stationary, model.is_invertible, model.kronecker
    (True, True, (1,))
    """

    ar: FloatArray
    ma: FloatArray
    sigma_u: FloatArray
    intercept: FloatArray
    trend: FloatArray | None
    exog: FloatArray
    ar0: FloatArray
    endog_names: tuple[str, ...]
    exog_names: tuple[str, ...]
    form: str
    _estimated: Estimated | None

    def __init__(
        self,
        ar: ArrayLike | None,
        ma: ArrayLike | None,
        sigma_u: ArrayLike,
        *,
        intercept: ArrayLike | None = None,
        trend: ArrayLike | None = None,
        exog: ArrayLike | None = None,
        endog_names: Sequence[str] | None = None,
        exog_names: Sequence[str] | None = None,
    ) -> None:
        sigma = positive_definite(sigma_u)
        k = len(sigma)
        a, m = checked_lags(
            ar, ma, caller="VARMA", k_endog=k if is_empty(ar) and is_empty(ma) else None
        )
        same_outputs(sigma, a)
        inputs = inputs_of(exog, k)
        fields: dict[str, Any] = {
            "ar": a,
            "ma": m,
            "sigma_u": sigma,
            "intercept": vector_of(intercept, k, "intercept"),
            "trend": None if trend is None else vector_of(trend, k, "trend"),
            "exog": inputs,
            "ar0": np.eye(k),
            "endog_names": names_of(endog_names, k, "endog_names", "y"),
            "exog_names": names_of(exog_names, inputs.shape[2], "exog_names", "x"),
            "form": "given",
            "_estimated": None,
        }
        self.__dict__.update({name: read_only(value) for name, value in fields.items()})

    @classmethod
    def _of(cls, estimated: Estimated) -> VARMA:
        """Make the value that a fitted model maps to."""
        mapped, sample = estimated.mapped, estimated.sample
        shown = trimmed(mapped.reduced, mapped.reduced_live)
        model = cls(
            shown.polynomials.ar,
            shown.polynomials.ma,
            shown.sigma_u,
            intercept=shown.intercept,
            trend=shown.trend if mapped.reduced.like(mapped.reduced_live).trend.any() else None,
            exog=shown.polynomials.exog if sample.exog_names else None,
            endog_names=sample.endog_names,
            exog_names=sample.exog_names,
        )
        extra = {
            "ar0": read_only(mapped.structural.polynomials.ar0.copy()),
            "form": mapped.form,
            "_estimated": estimated,
        }
        model.__dict__.update(extra)
        return model

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: this is a value."""
        raise AttributeError(f"VARMA: a value cannot be changed; got {name}=. Make a new one.")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: this is a value."""
        raise AttributeError(f"VARMA: a value cannot be changed; got del {name}.")

    def __repr__(self) -> str:
        """Say what it is."""
        return f"<{self._title()} of {', '.join(self.endog_names)}>"

    def _title(self) -> str:
        inputs = "X" if self.exog_names else ""
        vector = "V" if self.k_endog > 1 else ""
        form = "" if self.form == "given" else f", {self.form} form"
        return f"{vector}ARMA{inputs}({self.k_ar}, {self.k_ma}){form}"

    # -- size and structure -------------------------------------------------------------------

    @property
    def k_endog(self) -> int:
        """Number of outputs."""
        return len(self.sigma_u)

    @property
    def k_ar(self) -> int:
        """Largest autoregressive lag."""
        return len(self.ar)

    @property
    def k_ma(self) -> int:
        """Largest moving-average lag."""
        return len(self.ma)

    @property
    def polynomials(self) -> Polynomials:
        """Polynomials with the coefficients in `params`: ``ar0 y_t = ...``.

        ``ar``, ``ma`` and ``exog`` of the value itself are these multiplied by the inverse of
        ``ar0``.
        """
        if self._estimated is None:
            return Polynomials(self.ar0, self.ar, self.ma, self.exog)
        mapped = self._estimated.mapped
        return trimmed(mapped.structural, mapped.live).polynomials

    @property
    def _recurrence(self) -> Recurrence:
        """The model as a recurrence, for `rnnstats.diagnostics.memory`."""
        from rnnstats.results.varma.recurrence import VarmaRecurrence

        return VarmaRecurrence(self)

    @cached_property
    def _system(self) -> InnovationsSystem:
        if self._estimated is not None:
            return self._estimated.mapped.system
        inputs = self.exog if self.exog_names else None
        scale = np.sqrt(np.diagonal(self.sigma_u))
        return minimal_realisation(from_polynomials(self.ar, self.ma, inputs), scale=scale)

    def _unitless(self, lags: FloatArray) -> FloatArray:
        """Coefficients with outputs in units of their errors, which have the same roots."""
        scale = np.sqrt(np.diagonal(self.sigma_u))
        return lags / scale[:, None] * scale

    @cached_property
    def kronecker(self) -> tuple[int, ...]:
        """Kronecker indices: the number of lags in each output's echelon equation."""
        if self._estimated is not None:
            return self._estimated.mapped.kronecker
        if not len(self._system.transition):
            return (0,) * self.k_endog
        return kronecker_indices(self._system, scale=np.sqrt(np.diagonal(self.sigma_u)))

    @property
    def mcmillan_degree(self) -> int:
        """Number of states that a linear recurrence with these responses needs."""
        return self.coprimeness.mcmillan_degree

    @cached_property
    def coprimeness(self) -> Coprimeness:
        """Common factors of the AR and MA polynomials, exact and near.

        For a fitted model those of its state space: roots of W_h that errors and inputs do not
        move, or that no output shows, cancel too.
        """
        if self._estimated is not None:
            return self._estimated.mapped.coprimeness
        inputs = self.exog if self.exog_names else None
        scale = np.sqrt(np.diagonal(self.sigma_u))
        return coprimeness(self.ar, self.ma, inputs, scale=scale)

    @property
    def cancellation(self) -> str:
        """Which autoregressive roots cancel, or nearly, in words; empty if none does."""
        return self.coprimeness.words(self.endog_names)

    @property
    def ar_roots(self) -> NDArray[np.complex128]:
        """Autoregressive roots, eigenvalues of W_h: inside the unit circle if stationary.

        The inverses of the zeros of det(I - ar_1 z - ...), largest first; zeros are left out. In
        the final equations form each stands once.
        """
        if self.form == "final":
            return ar_roots(self.ar[:, :1, :1]) if self.k_ar else np.zeros(0, dtype=complex)
        return ar_roots(self._unitless(self.ar), np.zeros((1, self.k_endog, self.k_endog)))

    @property
    def ma_roots(self) -> NDArray[np.complex128]:
        """Moving-average roots, eigenvalues of W_h - K V: inside the unit circle if invertible."""
        return ma_roots(self._unitless(self.ma), np.zeros((1, self.k_endog, self.k_endog)))

    @property
    def roots(self) -> pd.DataFrame:
        """All roots with modulus and period, autoregressive ones first.

        Columns: ``of`` ("ar", "ma"), ``real``, ``imag``, ``modulus``, ``period`` (rows a cycle;
        infinite for positive real roots).
        """
        both = {"ar": self.ar_roots, "ma": self.ma_roots}
        values = np.concatenate(list(both.values()))
        angle = np.abs(np.angle(values))
        with np.errstate(divide="ignore"):
            period = np.where(angle > 1e-12, 2.0 * np.pi / angle, np.inf)
        return pd.DataFrame(
            {
                "of": [name for name, roots in both.items() for _ in roots],
                "real": values.real,
                "imag": values.imag,
                "modulus": np.abs(values),
                "period": period,
            },
            index=pd.RangeIndex(1, len(values) + 1, name="root"),
        )

    @property
    def is_stationary(self) -> bool:
        """Whether all autoregressive roots lie inside the unit circle."""
        return bool(np.abs(self.ar_roots).max(initial=0.0) < 1.0 - ON_CIRCLE)

    @property
    def is_invertible(self) -> bool:
        """Whether all moving-average roots lie inside the unit circle."""
        return bool(np.abs(self.ma_roots).max(initial=0.0) < 1.0 - ON_CIRCLE)

    # -- moments ------------------------------------------------------------------------------

    def impulse_responses(self, steps: int = 10) -> FloatArray:
        """Responses of the outputs to unit errors, ``Psi_0 = I, Psi_1, ...``.

        Parameters
        ----------
        steps : int
            Rows after the shock.

        Returns
        -------
        ndarray, shape (steps + 1, k, k)
            ``[j, a, b]``: of output a, j rows after a unit error of output b.

        Raises
        ------
        SpecificationError
            `steps` is negative.
        """
        zero = np.zeros((1, self.k_endog, self.k_endog))
        return impulse_responses(self.ar, self.ma if self.k_ma else zero, steps)

    def autocovariances(self, nlags: int = 10) -> FloatArray:
        """Autocovariances ``E y_t y_{t-j}'`` of the part that the errors drive.

        Parameters
        ----------
        nlags : int
            Largest lag.

        Returns
        -------
        ndarray, shape (nlags + 1, k, k)

        Raises
        ------
        NotStationaryError
            A root on or outside the unit circle.
        """
        zero = np.zeros((1, self.k_endog, self.k_endog))
        return autocovariances(self.ar, self.ma if self.k_ma else zero, self.sigma_u, nlags)

    def spectrum(self, frequencies: ArrayLike) -> NDArray[np.complex128]:
        """Spectral density matrix per radian.

        Parameters
        ----------
        frequencies : array_like, shape (m,)
            In radians per row.

        Returns
        -------
        ndarray of complex, shape (m, k, k)
            Its integral from -pi to pi is the covariance of the part that the errors drive.

        Raises
        ------
        SpecificationError
            A frequency at which the density is infinite.
        """
        zero = np.zeros((1, self.k_endog, self.k_endog))
        return spectrum(self.ar, self.ma if self.k_ma else zero, self.sigma_u, frequencies)

    @property
    def mean(self) -> pd.Series:
        """Mean of the outputs where inputs are zero and there is no trend.

        NaN where a root on the unit circle leaves none.
        """
        at_one = np.eye(self.k_endog) - self.ar.sum(axis=0)
        known = self.trend is None and self.is_stationary
        value = np.linalg.solve(at_one, self.intercept) if known else np.full(self.k_endog, np.nan)
        return pd.Series(value, index=list(self.endog_names), name="mean")

    # -- statsmodels --------------------------------------------------------------------------

    def to_statsmodels(self, endog: Any = None, exog: Any = None) -> tuple[Any, pd.Series]:
        """Return the same model in statsmodels, with the same log-likelihood.

        Parameters
        ----------
        endog : Series, DataFrame or array_like, optional
            Outputs; those of the sample by default.
        exog : Series, DataFrame or array_like, optional
            Their inputs, where the model has some.

        Returns
        -------
        model : statsmodels VARMAX, or SARIMAX for one output
            Lags of the inputs are columns of its own, with what the model's start takes the rows
            before the sample for: the first row with a stationary start, else zero. For one output
            inputs enter as regressors: where they move the state, filtered by the autoregressive
            polynomial at these coefficients. Its ``tolerance`` is zero: the filter is exact.
        params : Series
            Its parameters; ``model.loglike(params)`` is the log-likelihood.

        Raises
        ------
        SpecificationError
            A diffuse start with more than one lag, which statsmodels' models lay on other
            quantities; a model that is not stationary and has no sample.
        DataError
            Data that do not fit.

        Notes
        -----
        Unless the start is statsmodels' own (stationary, without inputs and trend), it is set as a
        known one at these coefficients: good for the log-likelihood, forecasts and states, while
        an estimation in statsmodels would keep it fixed.
        """
        sample = None if self._estimated is None else self._estimated.sample
        steady = None if self._estimated is None else self._estimated.mapped.steady_cov
        return to_statsmodels(
            self._coefficients(),
            (self.endog_names, self.exog_names),
            sample,
            steady,
            endog,
            exog,
        )
