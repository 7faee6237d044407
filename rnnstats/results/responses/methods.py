"""The part of results that traces shocks and observations through the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast, get_args, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rnnstats._checks import check_alpha, check_bool, check_int, check_literal
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels.kalman import FilterOutput, SmootherOutput
from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.responses import impulse as impulses
from rnnstats.results.responses.bands import BandKind, Bands, bootstrap_bands, delta_bands
from rnnstats.results.responses.contributions import (
    Contributions,
    Information,
    ObservationWeights,
    contributions_of,
    weights_of,
)
from rnnstats.results.responses.history import (
    HistoricalDecomposition,
    HistoryShocks,
    decompose_history,
)
from rnnstats.results.responses.tables import ImpulseResponses, VarianceDecomposition
from rnnstats.results.responses.variance import variance_shares

__all__ = ["Responses", "ShockChoice"]

ShockChoice = Literal["auto", "noises", "innovations"]
FevdShocks = Literal["innovations", "noises"]
_SIZES = {
    "unit": "size one",
    "orthogonalized": "one standard deviation along the Cholesky factor, in the order of the names",
    "generalized": "one standard deviation, the others as expected with it (generalised)",
}


class Responses(ABC):
    """The part of results that traces shocks and observations through the model.

    Attributes
    ----------
    model : StateSpaceModel
        Data and structure.
    """

    model: StateSpaceModel
    _theta: FloatArray

    @property
    @abstractmethod
    def _system(self) -> StateSpace:
        """State space at the estimates."""

    @property
    @abstractmethod
    def _filter(self) -> FilterOutput:
        """Filter at the estimates."""

    @property
    @abstractmethod
    def _smoother(self) -> SmootherOutput:
        """Smoother at the estimates."""

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    @overload
    def impulse_responses(
        self,
        steps: int = ...,
        impulse: int | str | Mapping[str, float] | ArrayLike | None = ...,
        orthogonalized: bool = ...,
        cumulative: bool = ...,
        *,
        generalized: bool = ...,
        shocks: ShockChoice = ...,
        bands: None = ...,
        alpha: float = ...,
        bootstrap: Any = ...,
    ) -> pd.Series | pd.DataFrame: ...

    @overload
    def impulse_responses(
        self,
        steps: int = ...,
        impulse: int | str | Mapping[str, float] | ArrayLike | None = ...,
        orthogonalized: bool = ...,
        cumulative: bool = ...,
        *,
        generalized: bool = ...,
        shocks: ShockChoice = ...,
        bands: BandKind,
        alpha: float = ...,
        bootstrap: Any = ...,
    ) -> ImpulseResponses: ...

    def impulse_responses(
        self,
        steps: int = 1,
        impulse: int | str | Mapping[str, float] | ArrayLike | None = 0,
        orthogonalized: bool = False,
        cumulative: bool = False,
        *,
        generalized: bool = False,
        shocks: ShockChoice = "auto",
        bands: BandKind | None = None,
        alpha: float = 0.05,
        bootstrap: Any = None,
    ) -> pd.Series | pd.DataFrame | ImpulseResponses:
        """Responses of the outputs to a shock, now and `steps` rows later.

        Parameters
        ----------
        steps : int
            Rows after the shock; the answer has ``steps + 1`` rows, as in statsmodels.
        impulse : int, str, array_like, Series, mapping or None
            Which shock: its number or name, or weights for all shocks (a Series or mapping by
            name); None for every shock, each by itself. The shocks are the noises that drive the
            states, named after the states that they enter; in the innovations form the innovations,
            named after the outputs. In the other forms an output's name means its one-step-ahead
            forecast error in the steady state (Wold's innovation); in the observed form these are
            the noises.
        orthogonalized : bool
            Shock of one standard deviation along the Cholesky factor of the shocks' covariance,
            instead of size 1. The order of the outputs matters.
        cumulative : bool
            Running sums.
        generalized : bool
            Shock of one standard deviation, with the other shocks at what is expected of them then
            (Koop, Pesaran and Potter 1996; Pesaran and Shin 1998). No order matters.
        shocks : {"auto", "noises", "innovations"}
            "auto": as said under `impulse`. The others say it for numbers, weights and None.
        bands : {None, "delta", "bootstrap"}
            Intervals, each response by itself: normal by the delta method, or percentiles of
            bootstrap draws.
        alpha : float
            One minus the coverage of the intervals.
        bootstrap : Bootstrap, optional
            Draws to use with ``bands="bootstrap"``; by default `bootstrap` is called, which takes
            its time.

        Returns
        -------
        Series, DataFrame or ImpulseResponses
            Without bands a table by lag, one column an output; columns (impulse, output) for every
            shock. With bands an object with ``point``, ``std_err``, ``lower``, ``upper``,
            ``frame``, ``summary()`` and ``plot()``.

        Raises
        ------
        SpecificationError
            There is no such shock, options that exclude each other, or no covariance of the
            estimates.

        References
        ----------
        Lütkepohl (2005), New Introduction to Multiple Time Series Analysis, sections 2.3 and 3.7,
        proposition 3.6 (delta method), appendix D.3 (bootstrap).
        """
        caller = "impulse_responses"
        count = check_int(steps, name="steps", caller=caller, minimum=0)
        size = _size(orthogonalized, generalized, caller)
        running = check_bool(cumulative, name="cumulative", caller=caller)
        check_literal(shocks, get_args(ShockChoice), name="shocks", caller=caller)
        kind = None if shocks == "auto" else shocks
        names = (self.model.endog.names, tuple(self.model.state_names))
        found = impulses.find_shocks(self._system, impulse, names, kind)
        weights, labels = impulses.impulse_columns(impulse, found)
        settled: impulses.ShockKind = (
            "innovations" if found.names == names[0] and not found.aliases else "noises"
        )

        def responses(theta: FloatArray) -> FloatArray:
            system = self.model.system(theta)
            moved = impulses.find_shocks(system, None, names, settled)
            average = impulses.moving_average(system, moved, count)
            values = impulses.scaled_responses(average, moved.cov, weights, size)
            return values.cumsum(axis=0) if running else values

        if bands is None:
            _refuse_draws(bands, bootstrap, caller)
            values = responses(self._theta)
            index = pd.RangeIndex(count + 1, name="lag")
            if impulse is not None:
                return self.model.endog.labelled(values[:, :, 0], index=index)
            columns = pd.MultiIndex.from_product(
                [list(labels), list(names[0])], names=["impulse", "output"]
            )
            flat = values.transpose(0, 2, 1).reshape(count + 1, -1)
            return pd.DataFrame(flat, index=index, columns=columns)
        around = self._bands(responses, bands, alpha, bootstrap, caller)
        return ImpulseResponses(labels, names[0], float(alpha), _SIZES[size], running, around)

    def _bands(
        self,
        function: Callable[[FloatArray], FloatArray],
        bands: str,
        alpha: float,
        bootstrap: Any,
        caller: str,
    ) -> Bands:
        check_literal(bands, get_args(BandKind), name="bands", caller=caller)
        _refuse_draws(bands, bootstrap, caller)
        if bands == "delta":
            layout, cov = self.model.layout, self.covariance
            return delta_bands(function, layout, self._theta, cov, alpha=alpha, caller=caller)
        check_alpha(alpha, caller)
        draws = cast("Any", self).bootstrap() if bootstrap is None else bootstrap
        return bootstrap_bands(function, self._theta, draws, alpha=alpha, caller=caller)

    def fevd(
        self,
        steps: int = 10,
        *,
        shocks: FevdShocks = "innovations",
        generalized: bool = False,
        normalized: bool = True,
        bands: BandKind | None = None,
        alpha: float = 0.05,
        bootstrap: Any = None,
    ) -> VarianceDecomposition:
        r"""Decompose the variances of forecast errors by what causes them.

        Parameters
        ----------
        steps : int
            Horizons 1 to `steps`.
        shocks : {"innovations", "noises"}
            "innovations": one-step-ahead errors of the outputs (Wold's, in the steady state of the
            filter). "noises": the noises of the states and of the outputs, and what a forecast
            does not know about the state that it starts from, ``"state today"``; in the
            innovations form these are the innovations.
        generalized : bool
            Shares of innovations without an order (Pesaran and Shin 1998), instead of those along
            the Cholesky factor in the order of the outputs. Correlated state noises are always
            taken along the Cholesky factor.
        normalized : bool
            With `generalized`: divide the shares by their sum, which is one otherwise only where
            innovations are uncorrelated.
        bands : {None, "delta", "bootstrap"}
            Intervals, each share by itself, held within 0 and 1.
        alpha : float
            One minus the coverage of the intervals.
        bootstrap : Bootstrap, optional
            Draws to use with ``bands="bootstrap"``; by default `bootstrap` is called.

        Returns
        -------
        VarianceDecomposition
            ``shares``, ``variance``, ``frame``, ``summary()``, ``plot()``.

        Raises
        ------
        SpecificationError
            Options that exclude each other, a filter that does not settle, or no covariance of the
            estimates.

        Notes
        -----
        With :math:`\Psi_j` the responses to innovations, :math:`\Sigma = PP'` their covariance,
        the share of k in the error of i at horizon h is :math:`\sum_{j<h} (\Psi_j P)_{ik}^2 /
        \sum_{j<h} (\Psi_j \Sigma \Psi_j')_{ii}` (Lütkepohl 2005, section 2.3.3); generalised,
        :math:`\sigma_{kk}^{-1} (\Psi_j \Sigma)_{ik}^2` takes the place of the squares.
        """
        caller = "fevd"
        count = check_int(steps, name="steps", caller=caller, minimum=1)
        kind = check_literal(shocks, get_args(FevdShocks), name="shocks", caller=caller)
        whole = check_bool(generalized, name="generalized", caller=caller)
        rescale = check_bool(normalized, name="normalized", caller=caller) and whole
        if whole and kind == "noises":
            raise SpecificationError(
                "fevd: generalized shares are those of innovations; got shocks='noises'. "
                "Use shocks='innovations'."
            )
        names = (self.model.endog.names, tuple(self.model.state_names))

        def shares(theta: FloatArray) -> FloatArray:
            system = self.model.system(theta)
            parts, variance, _ = variance_shares(system, count, names, kind=kind, generalized=whole)
            total = parts.sum(axis=2) if rescale else variance
            return np.divide(
                parts, total[:, :, None], out=np.zeros_like(parts), where=total[:, :, None] > 0
            )

        _, variance, sources = variance_shares(
            self._system, count, names, kind=kind, generalized=whole
        )
        around = None
        if bands is None:
            _refuse_draws(bands, bootstrap, caller)
        else:
            ends = self._bands(shares, bands, alpha, bootstrap, caller)
            low, high = np.clip(ends.lower, 0.0, 1.0), np.clip(ends.upper, 0.0, 1.0)
            around = Bands(ends.point, ends.std_err, low, high, ends.words)
        words = _fevd_words(kind, whole, rescale)
        point = shares(self._theta)
        return VarianceDecomposition(
            names[0], sources, count, words, float(alpha), variance, point, around
        )

    def historical_decomposition(
        self, *, shocks: HistoryShocks = "smoothed", orthogonalized: bool = False
    ) -> HistoricalDecomposition:
        """Write the data as what shocks, start, inputs and deterministic terms put into them.

        Parameters
        ----------
        shocks : {"smoothed", "predicted"}
            "smoothed": the shocks as all rows show them: innovations of the outputs in the
            innovations form, noises of states and outputs in the others. "predicted": the
            one-step-ahead errors of the filter, which use the rows so far only.
        orthogonalized : bool
            Split correlated shocks along the Cholesky factor of their covariance, in the order of
            their names.

        Returns
        -------
        HistoricalDecomposition
            ``frame``, ``total``, ``shocks``, ``summary()``, ``plot()``. Parts sum to the data; at
            missing values to what the smoother (or, with "predicted", the filter) says of them.

        Raises
        ------
        SpecificationError
            An option with another value.

        Notes
        -----
        What is left of the start is the effect of the state before the first row (and, with
        "predicted", what the rows of a diffuse phase say about it).

        References
        ----------
        Burbidge, J. and Harrison, A. (1985), A historical decomposition of the Great Depression to
        determine the role of money, Journal of Monetary Economics 16; Kilian and Lütkepohl (2017),
        Structural Vector Autoregressive Analysis, section 4.3.
        """
        check_literal(
            shocks, get_args(HistoryShocks), name="shocks", caller="historical_decomposition"
        )
        split = check_bool(orthogonalized, name="orthogonalized", caller="historical_decomposition")
        moments = self._smoother if shocks == "smoothed" else self._filter
        return decompose_history(self.model, self._theta, self._system, moments, split)

    def contributions(
        self,
        target: int | str = 0,
        *,
        information: Information = "smoothed",
        deviations: bool = True,
        steps: int = 0,
        exog: Any = None,
    ) -> Contributions:
        """Say what each series contributes to the estimate of a state or output at every row.

        Parameters
        ----------
        target : int or str
            A state by number or name, or an output by name: what the states say of it, ``V h_t +
            D x_t + b_y``, without its own noise.
        information : {"smoothed", "filtered", "predicted"}
            Estimate given all rows, the rows so far, or the rows before.
        deviations : bool
            Count as a series' contribution that of its deviations from its own deterministic
            terms, ``b_y + b_y_trend t``. False: of its values as they are; the deterministic terms
            then make up for the level of the data.
        steps : int
            Rows past the sample, too (forecasts).
        exog : Series, DataFrame or array_like of shape (steps, k_exog), optional
            Inputs of these rows.

        Returns
        -------
        Contributions
            ``frame`` with one column for each series, the start, each input and the deterministic
            terms, which sum to ``total``; ``summary()``, ``plot()``.

        Raises
        ------
        SpecificationError
            There is no such target, or an option with another value.
        DataError
            Inputs are needed; the message names the columns.
        """
        return contributions_of(
            self.model,
            self._theta,
            target,
            information=information,
            deviations=check_bool(deviations, name="deviations", caller="contributions"),
            steps=steps,
            exog=exog,
        )

    def observation_weights(
        self,
        target: int | str = 0,
        date: Any = None,
        *,
        information: Information = "smoothed",
        exog: Any = None,
    ) -> ObservationWeights:
        """Weigh each observation in the estimate of a state or output at one row.

        Parameters
        ----------
        target : int or str
            As in `contributions`.
        date : int, str, datetime-like or Period, optional
            Row of the estimate, which may lie past the sample; the last one by default.
        information : {"smoothed", "filtered", "predicted"}
            Estimate given all rows, the rows up to that one, or the rows before it.
        exog : Series, DataFrame or array_like of shape (steps, k_exog), optional
            Inputs of the rows past the sample, if the row is one of them.

        Returns
        -------
        ObservationWeights
            ``frame`` (observed value, weight, contribution), ``others`` (start, inputs,
            deterministic terms), ``estimate``, ``summary()``, ``plot()``.

        Raises
        ------
        SpecificationError
            There is no such target or row, or the observations do not determine the estimate.
        DataError
            Inputs are needed; the message names the columns.

        References
        ----------
        Koopman, S. J. and Harvey, A. (2003), Computing observation weights for signal extraction
        and filtering, Journal of Economic Dynamics and Control 27, 1317-1333.
        """
        return weights_of(self.model, self._theta, target, date, information=information, exog=exog)


def _refuse_draws(bands: str | None, bootstrap: Any, caller: str) -> None:
    if bands != "bootstrap" and bootstrap is not None:
        raise SpecificationError(
            f"{caller}: bootstrap gives the draws of bands='bootstrap'; got it with "
            f"bands={bands!r}. Add bands='bootstrap', or leave the draws out."
        )


def _size(orthogonalized: bool, generalized: bool, caller: str) -> impulses.ShockSize:
    along = check_bool(orthogonalized, name="orthogonalized", caller=caller)
    whole = check_bool(generalized, name="generalized", caller=caller)
    if along and whole:
        raise SpecificationError(
            f"{caller}: orthogonalized and generalized are two sizes of a shock; got both. "
            "Choose one."
        )
    return "orthogonalized" if along else "generalized" if whole else "unit"


def _fevd_words(kind: str, generalized: bool, rescaled: bool) -> str:
    if kind == "noises":
        return "noises of states and outputs; state today: not known about it at the origin"
    if not generalized:
        return "innovations along the Cholesky factor, in the order of the outputs"
    return "innovations, generalised shares" + (", normalised to sum to one" if rescaled else "")
