"""The part of a bidirectional network's results that predicts targets given inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_generator, check_int, check_literal
from rnnstats._index import label
from rnnstats.errors import SpecificationError
from rnnstats.estimation.bootstrap import DEFAULT_SEED
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.continuation import future_inputs, rows_index
from rnnstats.results.forecasting.prediction import Moments, Uncertainty
from rnnstats.results.forecasting.windows import rows_ahead, window
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.forecasting.draws import asymptotic_draws, bootstrap_draws, each
from rnnstats.results.recurrent.forecasting.forecasts import _options, _pooled
from rnnstats.results.recurrent.forecasting.laws import head_law
from rnnstats.results.recurrent.forecasting.prediction import RecurrentPrediction, labels_of
from rnnstats.results.recurrent.inference.slopes import axis_slopes
from rnnstats.results.regimes.forecasting.laws import Law
from rnnstats.results.two_sided.drawing import label_draws

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TwoSidedPredictions", "extended_eta"]

Anchor = Literal["start", "end"]


def extended_eta(system: Any, own: FloatArray, rows: FloatArray | None) -> FloatArray:
    """Readout of the sample, and of rows past it that continue its last sequence.

    Parameters
    ----------
    system : TwoSidedSystem
    own : ndarray of shape (nobs, k_exog)
        Inputs of the sample.
    rows : ndarray of shape (steps, k_exog), or None
        Inputs of later rows; the backward cell begins behind the last of them.

    Returns
    -------
    ndarray of shape (nobs + steps, k_eta)
    """
    eta = np.asarray(system.eta)
    if rows is None:
        return eta
    first = int(system.offsets[-2])
    last = system.over(np.concatenate([own[first:], rows]))
    return np.concatenate([eta[:first], np.asarray(last)])


@dataclass(frozen=True, eq=False)
class _Member:
    """Law of rows past the sample at other parameters (a class, for processes)."""

    model: Any
    rows: FloatArray
    moved: Callable[[FloatArray], FloatArray] | None  # to first order; else run again

    def __call__(self, theta: FloatArray, seed: np.random.SeedSequence) -> Law | None:
        model, nobs = self.model, self.model.nobs
        if self.moved is None:
            system = model.system(theta)
            eta, extra = extended_eta(system, model.exog.values, self.rows)[nobs:], system.extra
        else:
            chart = model.chart
            eta = self.moved(theta)
            extra = chart.to_standard(np.array(theta))[chart.extra] * chart.scales.extra
        law = head_law(model, eta, np.asarray(extra))
        return law if np.isfinite(law.mean()).all() else None


@dataclass(frozen=True, eq=False)
class _Moved:
    """Readout to first order around the estimates."""

    eta: FloatArray
    slopes: FloatArray
    theta: FloatArray

    def __call__(self, theta: FloatArray) -> FloatArray:
        return self.eta + (self.slopes @ (theta - self.theta)).reshape(self.eta.shape)


class TwoSidedPredictions:
    """The part of results that predicts rows from inputs on both sides, and draws them.

    Attributes
    ----------
    model : BidirectionalRNN
        Data and structure.
    """

    model: Any
    _theta: FloatArray
    _system: Any
    _one_step: Any
    covariance: Any
    _by_output: Callable[[FloatArray, str], pd.Series | pd.DataFrame]

    # -- with hindsight -----------------------------------------------------------------------

    def smoothed_prediction(self, start: Any = None, end: Any = None) -> RecurrentPrediction:
        """Law of rows of the sample given everything that the network reads, earlier and later.

        Parameters
        ----------
        start, end : int, str, datetime-like or Period, optional
            First and last row, both included; the whole sample by default.

        Returns
        -------
        RecurrentPrediction
            With a target read by the network, of each row given all others, itself left out.

        Raises
        ------
        SpecificationError
            Rows that do not exist, lie past the sample, or are in the wrong order.
        """
        asked = window(self.model.endog, start, end, False)
        if asked.stop > self.model.nobs:
            raise SpecificationError(
                "smoothed_prediction: rows must lie in the sample; got rows up to "
                f"{asked.stop - 1} of {self.model.nobs}. Use append() first, or get_forecast()."
            )
        return self._predicted(np.asarray(self._system.eta), asked.start, asked.stop, None)

    @property
    def smoothedvalues(self) -> pd.Series | pd.DataFrame:
        """Mean of each row given everything that the network reads, earlier and later.

        Target given inputs: given all inputs, no target. The series itself: given all other rows,
        the row itself left out. Categorical targets: one column a category, ``y=a``.
        """
        return self._by_output(self._one_step.mean, "smoothedvalues")

    @property
    def smoothed_resid(self) -> pd.Series | pd.DataFrame:
        """Target minus `smoothedvalues`; NaN where missing.

        With a pseudo-likelihood these are leave-one-out errors, which are correlated from row to
        row even if the model is right.
        """
        return self._by_output(cast("Any", self)._observed - self._one_step.mean, "smoothed_resid")

    # -- target given inputs ------------------------------------------------------------------

    def get_prediction(
        self, start: Any = None, end: Any = None, dynamic: Any = False, exog: Any = None
    ) -> RecurrentPrediction:
        """Predict targets in and past the sample given the inputs of all rows.

        Parameters
        ----------
        start, end : int, str, datetime-like or Period, optional
            First and last row, both included; the whole sample by default.
        dynamic : bool
            Must be False: no target is used to predict another.
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample.

        Returns
        -------
        RecurrentPrediction
            A regression given all inputs, later ones included; inputs past the sample count for
            all rows of its last sequence.

        Raises
        ------
        SpecificationError
            Rows that do not exist or are in the wrong order, inputs without use, or `dynamic`.
        DataError
            Inputs are needed; the message names the columns.
        """
        if dynamic is not False:
            raise SpecificationError(
                f"get_prediction: no target is used to predict another; got dynamic={dynamic!r}. "
                "Leave it out."
            )
        asked = window(self.model.endog, start, end, False)
        steps = max(0, asked.stop - self.model.nobs)
        rows = future_inputs(self.model, exog, steps, caller="get_prediction")
        eta = extended_eta(self._system, self.model.exog.values, rows)
        return self._predicted(eta, asked.start, asked.stop, None)

    def predict(
        self, start: Any = None, end: Any = None, dynamic: Any = False, exog: Any = None
    ) -> pd.Series | pd.DataFrame:
        """Return the means of `get_prediction`; same arguments.

        Parameters
        ----------
        start, end : int, str, datetime-like or Period, optional
        dynamic : bool
        exog : Series, DataFrame or array_like, optional

        Returns
        -------
        Series or DataFrame
        """
        return self.get_prediction(start, end, dynamic, exog).predicted_mean

    def get_forecast(
        self,
        steps: Any = 1,
        exog: Any = None,
        uncertainty: Uncertainty = "plugin",
        *,
        rng: Any = None,
        **options: Any,
    ) -> RecurrentPrediction:
        """Predict targets past the sample given the inputs of all rows, theirs included.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one. All of them enter the prediction of each.
        exog : Series, DataFrame or array_like of shape (steps, k_exog)
            Inputs of those rows.
        uncertainty : {"plugin", "delta", "bootstrap"}
            "plugin" takes the parameters as known. "delta" mixes over errors of the estimates drawn
            from their asymptotic normal law, to first order in the linear predictor; "bootstrap"
            over estimates from drawn samples.
        rng : None, int or numpy.random.Generator
            Source of randomness. Default: a fixed seed.
        **options
            Of "delta": ``draws`` (200), ``n_jobs`` and ``progress``. Of "bootstrap": ``nboot``
            (199), ``kind``, ``n_jobs`` and ``progress``, or ``bootstrap``, what that returned.

        Returns
        -------
        RecurrentPrediction

        Raises
        ------
        SpecificationError
            `steps` does not lie past the sample, or an option that is unknown or without use.
        DataError
            Inputs are needed; the message names the columns.
        """
        caller, model = "get_forecast", self.model
        check_literal(uncertainty, get_args(Uncertainty), name="uncertainty", caller=caller)
        given = _options(uncertainty, options)
        generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=caller)
        count = rows_ahead(model.endog, steps)
        rows = future_inputs(model, exog, count, caller=caller)
        assert rows is not None
        eta = extended_eta(self._system, model.exog.values, rows)
        nobs = model.nobs
        if uncertainty == "plugin":
            return self._predicted(eta, nobs, nobs + count, None)
        moved = None
        if uncertainty == "delta":
            estimate: CovarianceEstimate = self.covariance
            thetas = asymptotic_draws(
                model, self._theta, estimate, given["draws"], generator, caller=caller
            )
            ahead = self._eta_ahead(rows)
            moved = _Moved(
                eta[nobs:], axis_slopes(ahead, model, self._theta, estimate), self._theta
            )
        else:
            known = {key: given[key] for key in ("nboot", "kind", "n_jobs", "progress")}
            thetas = bootstrap_draws(self, given["bootstrap"], {**known, "rng": rng}, caller)
        laws = each(
            _Member(model, rows, moved), thetas, generator,
            n_jobs=given["n_jobs"], progress=given["progress"], caller=caller,
        )  # fmt: skip
        words = f"; parameter uncertainty: {uncertainty}, {len(laws)} draws"
        return self._predicted(eta, nobs, nobs + count, _pooled(laws), words)

    def _eta_ahead(self, rows: FloatArray) -> Callable[[FloatArray], FloatArray]:
        model = self.model

        def at(theta: FloatArray) -> FloatArray:
            return extended_eta(model.system(theta), model.exog.values, rows)[model.nobs :]

        return at

    def _predicted(
        self, eta: FloatArray, start: int, stop: int, law: Law | None, words: str = ""
    ) -> RecurrentPrediction:
        """Label laws of rows; with a mixture over parameters the mean stays the plug-in one."""
        model = self.model
        plain = head_law(model, eta[start:stop], np.asarray(self._system.extra))
        index = rows_index(model, max(stop, model.nobs))[start:stop]
        seen = f"the inputs of all rows, later ones included, up to {label(index, -1)}"
        if len(eta) <= model.nobs:
            seen = (
                "each row from all others, itself left out"
                if model.pseudo
                else "the inputs of all rows of the sample, later ones included"
            )
        labels = labels_of(model, index)
        if law is None:
            return RecurrentPrediction(plain, labels, seen + words)
        off = law.mean() - plain.mean()
        moments = Moments(plain.mean(), law.cov() + off[:, :, None] * off[:, None, :])
        return RecurrentPrediction(law, labels, seen + words, moments)

    def forecast(self, steps: Any = 1, exog: Any = None) -> pd.Series | pd.DataFrame:
        """Return the means of `get_forecast`.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows past the sample, or the last one.
        exog : Series, DataFrame or array_like of shape (steps, k_exog)
            Inputs of those rows.

        Returns
        -------
        Series or DataFrame
        """
        return self.get_forecast(steps, exog).predicted_mean

    def simulate(
        self,
        nsimulations: int,
        *,
        anchor: Anchor = "start",
        repetitions: int | None = None,
        exog: Any = None,
        rng: Any = None,
    ) -> pd.Series | pd.DataFrame:
        """Draw targets given the inputs, at the estimates.

        Parameters
        ----------
        nsimulations : int
            Rows to draw.
        anchor : {"start", "end"}
            First row drawn: that of the sample, or the one after its last.
        repetitions : int, optional
            Number of draws; columns are then (output, path) pairs.
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample, if there are any.
        rng : None, int or numpy.random.Generator
            Source of randomness.

        Returns
        -------
        Series or DataFrame
            Categories as pandas Categoricals.

        Raises
        ------
        SpecificationError
            An argument that is not allowed, or inputs without use.
        DataError
            Inputs are needed; the message names the columns.
        """
        caller, model = "simulate", self.model
        check_literal(anchor, get_args(Anchor), name="anchor", caller=caller)
        count = check_int(nsimulations, name="nsimulations", caller=caller, minimum=1)
        generator = check_generator(rng, caller=caller)
        number = 1
        if repetitions is not None:
            number = check_int(repetitions, name="repetitions", caller=caller, minimum=1)
        first = 0 if anchor == "start" else model.nobs
        steps = max(0, first + count - model.nobs)
        rows = future_inputs(model, exog, steps, caller=caller)
        eta = extended_eta(self._system, model.exog.values, rows)[first : first + count]
        law = model.head.law(eta, np.asarray(self._system.extra))
        paths = np.stack([np.asarray(law.sample(generator)) for _ in range(number)])
        index = rows_index(model, model.nobs + steps)[first : first + count]
        return label_draws(model, paths, index, repetitions is None)

    # -- pictures -----------------------------------------------------------------------------

    def plot_fan(
        self,
        steps: Any = 8,
        exog: Any = None,
        *,
        levels: tuple[float, ...] = (0.5, 0.8, 0.95),
        shape: Literal["central", "hdr"] = "central",
        uncertainty: Uncertainty = "plugin",
        history: int | None = None,
        fig: Figure | None = None,
        **options: Any,
    ) -> Figure:
        """Plot predictions past the sample as a fan behind the last rows, one output a panel.

        Parameters
        ----------
        steps : int, str, datetime-like or Period
            Number of rows, or the last one.
        exog : Series, DataFrame or array_like
            Inputs of the rows past the sample.
        levels : tuple of float
            Coverages, between 0 and 1.
        shape : {"central", "hdr"}
            Intervals between quantiles, or highest-density regions.
        uncertainty : {"plugin", "delta", "bootstrap"}
            As in `get_forecast`.
        history : int, optional
            Rows of the sample to show.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.
        **options
            Of `get_forecast`.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from rnnstats.results.recurrent.forecasting.forecast_plot import draw_law_fan

        check_literal(shape, ("central", "hdr"), name="shape", caller="plot_fan")
        prediction = self.get_forecast(steps, exog, uncertainty, **options)
        return draw_law_fan(
            self.model, prediction, None, levels=levels, shape=shape, history=history, fig=fig
        )

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
        return draw_law_fan(
            self.model, prediction, pd.DataFrame(self.smoothedvalues), levels=levels,
            shape="central", history=history, fig=fig,
        )  # fmt: skip
