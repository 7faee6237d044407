"""The part of a recurrent network's results that predicts rows and draws them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_generator, check_int, check_literal
from rnnstats.errors import SpecificationError
from rnnstats.results.continuation import future_inputs, rows_index
from rnnstats.results.forecasting.simulation import label_paths
from rnnstats.results.forecasting.windows import window
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.forecasting import engine
from rnnstats.results.recurrent.forecasting.laws import head_law
from rnnstats.results.recurrent.forecasting.prediction import RecurrentPrediction, labels_of
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem
from rnnstats.results.recurrent.simulation import further, whole_samples
from rnnstats.results.regimes.forecasting.combined import Joined
from rnnstats.results.regimes.forecasting.laws import Law

__all__ = ["Anchor", "RecurrentPredictions"]

Anchor = Literal["start", "end"]


class RecurrentPredictions(ABC):
    """The part of results that predicts each row from the rows before it, and draws rows.

    Attributes
    ----------
    model : RecurrentModel
        Data and structure.
    """

    model: RecurrentModel

    @property
    @abstractmethod
    def _system(self) -> RecurrentSystem:
        """The network at the estimates."""

    def get_prediction(
        self, start: Any = None, end: Any = None, dynamic: Any = False, exog: Any = None
    ) -> RecurrentPrediction:
        """Predict rows in and past the sample, each from the rows before it.

        Parameters
        ----------
        start, end : int, str, datetime-like or Period, optional
            First and last row, both included; the whole sample by default.
        dynamic : bool, int, str, datetime-like or Period
            Row from which predictions are made without looking at the outputs from there on; an
            integer counts from `start`, True is `start` itself, False never within the sample.
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample.

        Returns
        -------
        RecurrentPrediction
            Of the outputs, noise included: the distribution of the head; without looking at the
            outputs mixtures of it over drawn paths (fixed seed, see `get_forecast`). NaN in rows
            that the likelihood conditions on. Categorical outputs: the probability of each
            category.

        Raises
        ------
        SpecificationError
            Rows that do not exist or are in the wrong order, rows without looking at the outputs
            in several sequences, or inputs without use.
        DataError
            Inputs are needed; the message names the columns.
        """
        nobs = self.model.nobs
        asked = window(self.model.endog, start, end, dynamic)
        steps = max(0, asked.stop - nobs)
        rows = future_inputs(self.model, exog, steps, caller="get_prediction")
        blank = nobs if asked.blank_from is None else asked.blank_from
        cut = min(max(blank, asked.start), asked.stop)
        parts: list[Law] = []
        errors = []
        if cut > asked.start:
            parts.append(self._one_step_law(asked.start, cut))
            errors.append(np.zeros_like(parts[0].mean()))
        if asked.stop > cut:
            self._refuse_sequences(blank, asked.stop)
            found = engine.ahead(
                self.model, self._system, blank=blank, start=cut, stop=asked.stop, exog=rows
            )
            parts.append(found.law)
            errors.append(found.mc_error)
        law = parts[0] if len(parts) == 1 else Joined(tuple(parts))
        index = rows_index(self.model, max(asked.stop, nobs))[asked.start : asked.stop]
        return RecurrentPrediction(
            law, labels_of(self.model, index), asked.information, mc_error=np.concatenate(errors)
        )

    def _one_step_law(self, start: int, stop: int) -> Law:
        """Laws of rows of the sample given the rows before each."""
        system = self._system
        rows = np.asarray(system.rows)
        mine = (rows >= start) & (rows < stop)
        eta, extra = np.asarray(system.eta)[mine], np.asarray(system.extra)
        return head_law(self.model, eta, extra, rows[mine] - start, stop - start)

    def _refuse_sequences(self, blank: int, stop: int) -> None:
        between = [int(one) for one in np.asarray(self.model.offsets)[1:-1] if blank < one < stop]
        if between:
            raise SpecificationError(
                "get_prediction: rows predicted without looking at the outputs must lie in one "
                f"sequence; got rows {blank} to {stop - 1}, with a new sequence at row "
                f"{between[0]}. Ask for one sequence at a time."
            )

    def predict(
        self, start: Any = None, end: Any = None, dynamic: Any = False, exog: Any = None
    ) -> pd.Series | pd.DataFrame:
        """Return the means of `get_prediction`; same arguments.

        Parameters
        ----------
        start, end : int, str, datetime-like or Period, optional
        dynamic : bool, int, str, datetime-like or Period
        exog : Series, DataFrame or array_like, optional

        Returns
        -------
        Series or DataFrame
        """
        return self.get_prediction(start, end, dynamic, exog).predicted_mean

    def simulate(
        self,
        nsimulations: int,
        *,
        anchor: Anchor = "start",
        repetitions: int | None = None,
        exog: Any = None,
        rng: Any = None,
    ) -> pd.Series | pd.DataFrame:
        """Draw outputs from the model at the estimates.

        Parameters
        ----------
        nsimulations : int
            Rows to draw.
        anchor : {"start", "end"}
            "start" draws a sample as from the first row: sequences begin where those of the data
            do, and rows that the likelihood conditions on are those of the data. "end" goes on
            after the last row, given the sample.
        repetitions : int, optional
            Number of paths; columns are then (output, path) pairs. None for one path with the
            outputs as columns.
        exog : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample, if there are any.
        rng : None, int or numpy.random.Generator
            Source of randomness.

        Returns
        -------
        Series or DataFrame
            Categorical outputs as pandas Categoricals with the categories of the data.

        Raises
        ------
        SpecificationError
            An argument that is not allowed, or inputs without use.
        DataError
            Inputs are needed; the message names the columns.
        """
        caller = "simulate"
        check_literal(anchor, get_args(Anchor), name="anchor", caller=caller)
        count = check_int(nsimulations, name="nsimulations", caller=caller, minimum=1)
        generator = check_generator(rng, caller=caller)
        number = 1
        if repetitions is not None:
            number = check_int(repetitions, name="repetitions", caller=caller, minimum=1)
        nobs = self.model.nobs
        first = 0 if anchor == "start" else nobs
        steps = max(0, first + count - nobs)
        inputs = future_inputs(self.model, exog, steps, caller=caller)
        system = self._system
        if anchor == "start":
            drawn = whole_samples(self.model, system, count, number, generator, exog=inputs)
        else:
            drawn = further(self.model, system, count, number, generator, exog=inputs)
        index = rows_index(self.model, nobs + steps)[first : first + count]
        return self._label_draws(drawn, index, repetitions is None)

    def _label_draws(
        self, paths: FloatArray, index: pd.Index, single: bool
    ) -> pd.Series | pd.DataFrame:
        """Label draws, categories as those of the data."""
        endog, known = self.model.endog, self.model.levels
        if not known:
            return label_paths(endog, paths, index, single)
        levels = pd.Index(list(known[endog.names[0]]))
        codes = np.where(np.isnan(paths[:, :, 0]), -1, paths[:, :, 0]).astype(np.intp)
        words = [pd.Categorical.from_codes(one, categories=levels) for one in codes]
        if single:
            named = pd.Series(words[0], index=index, name=endog.names[0])
            return named if endog.is_series else named.to_frame()
        pairs = [(endog.names[0], path) for path in range(len(words))]
        columns = pd.MultiIndex.from_tuples(pairs, names=["output", "path"])
        return pd.DataFrame(dict(zip(pairs, words, strict=True)), index=index, columns=columns)
