"""The part of a network's results with predictions of the rows and normal scores of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import check_generator
from rnnstats.estimation.bootstrap import DEFAULT_SEED
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.forecasting.laws import head_law
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem
from rnnstats.results.recurrent.residuals import conditioned, normal_scores
from rnnstats.results.regimes.outputs import column_levels, expanded_names
from rnnstats.results.regimes.residuals import expanded_values, one_step
from rnnstats.results.residuals import OneStep

__all__ = ["NetworkScores"]


class NetworkScores:
    """The part of results with predictions of the rows of the sample and their errors.

    Attributes
    ----------
    model : RecurrentModel
        Data and structure.
    """

    model: RecurrentModel

    _theta: FloatArray

    @cached_property
    def _system(self) -> RecurrentSystem:
        made: RecurrentSystem = self.model.system(self._theta)
        return made

    @cached_property
    def _one_step(self) -> OneStep:
        system, model = self._system, self.model
        extra = np.asarray(system.extra)
        law: Any = head_law(model, np.asarray(system.eta), extra, system.rows, model.nobs)
        return one_step(law, model.endog.values, conditioned(model))

    def _by_output(self, values: FloatArray, name: str) -> pd.Series | pd.DataFrame:
        endog, names = self.model.endog, expanded_names(self.model)
        if endog.is_series and len(names) == 1:
            return pd.Series(values[:, 0], index=endog.index, name=name, copy=True)
        return pd.DataFrame(values, index=endog.index, columns=list(names), copy=True)

    @property
    def _observed(self) -> FloatArray:
        return expanded_values(self.model.endog.values, column_levels(self.model))

    def quantile_residuals(
        self, rng: np.random.Generator | int | None = None
    ) -> pd.Series | pd.DataFrame:
        """Normal scores of each row given the rows before it (Rosenblatt, Dunn and Smyth).

        The standard normal quantile of the predictive distribution function at the outcome.
        Independent standard normal if the model is right, whatever the distribution; of several
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
        Journal of Computational and Graphical Statistics 5, 236-244.
        """
        generator = check_generator(
            DEFAULT_SEED if rng is None else rng, caller="quantile_residuals"
        )
        return self.model.endog.labelled(self._scores(generator), name="quantile_residuals")

    def _scores(self, rng: np.random.Generator) -> FloatArray:
        return normal_scores(
            self._system, self.model.endog.values, bool(self.model.head.discrete), rng
        )

    @cached_property
    def _tested_residuals(self) -> FloatArray:
        return self._scores(np.random.default_rng(DEFAULT_SEED))

    @property
    def _tested_rows(self) -> NDArray[np.bool_]:
        return ~conditioned(self.model)
