"""What a Markov-switching model answers at given parameters."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_generator, check_int
from rnnstats._index import label
from rnnstats.data import Endog, Exog
from rnnstats.models._fitting import natural_vector
from rnnstats.models.regimes import probabilities, simulation
from rnnstats.models.regimes.construction import assembly, specification
from rnnstats.models.regimes.fit.infinity import runaways
from rnnstats.models.regimes.law.names import regime_names
from rnnstats.models.regimes.likelihood import MarkovLikelihood
from rnnstats.models.regimes.probabilities import FilteredRegimes, SmoothedRegimes
from rnnstats.models.regimes.system import MarkovSystem
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Transform

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = ["RegimeMethods"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


class RegimeMethods(ABC):
    """Names, system, filter, smoother, draws and likelihood of a model with regimes.

    Attributes
    ----------
    endog : Endog
    exog, exog_transition : Exog or None
    k_regimes, order : int
    likelihood : MarkovLikelihood
    """

    name: ClassVar[str]
    endog: Endog
    exog: Exog | None
    exog_transition: Exog | None
    k_regimes: int
    order: int
    layout: Layout
    transform: Transform
    likelihood: MarkovLikelihood

    @property
    def regime_names(self) -> tuple[str, ...]:
        """Names of the regimes, ``h1``, ``h2``, ..."""
        return regime_names(self.k_regimes)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the elements of the one-hot state: the regimes."""
        return self.regime_names

    @property
    def k_states(self) -> int:
        """Length of the one-hot state: the number of regimes."""
        return self.k_regimes

    @property
    def offsets(self) -> IntArray:
        """First row of each sequence, and the number of rows."""
        return self.endog.offsets

    @property
    def groups_labels(self) -> tuple[Any, ...]:
        """Label of each sequence; empty for a single one."""
        return self.endog.sequences

    @property
    def nobs_likelihood(self) -> int:
        """Number of rows that enter the likelihood: without those it is conditional on."""
        return self.endog.nobs - self.order * len(self.endog.first_rows)

    @property
    def title(self) -> str:
        """Heading of the summary."""
        return specification.title(self.k_regimes, self.order)

    # --- at given parameters ------------------------------------------------------------------

    def system(
        self,
        params: ArrayLike,
        *,
        steps: int = 0,
        exog: FloatArray | None = None,
        exog_transition: FloatArray | None = None,
    ) -> MarkovSystem:
        """Return chain, densities and laws of the outputs at given parameters.

        Parameters
        ----------
        params : array_like, shape (K,)
            Natural units.
        steps : int
            Rows after the sample, which continue the last sequence.
        exog : ndarray, shape (steps, k), optional
            Regressors of these rows.
        exog_transition : ndarray, shape (steps, r), optional
            Inputs of the transitions of these rows.

        Returns
        -------
        MarkovSystem

        Raises
        ------
        SpecificationError
            Where the likelihood does not exist, with the reason; for inputs of a wrong shape.
        """
        steps = check_int(steps, name="steps", caller=f"{self.name}.system", minimum=0)
        theta = self._natural(params)
        return assembly.system_of(self._model, theta, steps, exog, exog_transition)

    def filter(self, params: ArrayLike) -> FilteredRegimes:
        """Regime probabilities given the past and the present (Hamilton's filter).

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        FilteredRegimes
            Labelled ``predicted``, ``filtered`` and ``llf_obs``.

        Raises
        ------
        SpecificationError
            Where the likelihood does not exist, with the reason.
        """
        return probabilities.filtered(self._model, self.system(params))

    def smooth(self, params: ArrayLike) -> SmoothedRegimes:
        """Regime probabilities given all rows (Kim's smoother).

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        SmoothedRegimes
            Labelled ``smoothed``.

        Raises
        ------
        SpecificationError
            Where the likelihood does not exist, with the reason.
        """
        return probabilities.smoothed(self._model, self.system(params))

    def simulate(
        self,
        params: ArrayLike,
        nsimulations: int,
        *,
        rng: np.random.Generator | int | None = None,
        exog: ArrayLike | None = None,
        exog_transition: ArrayLike | None = None,
    ) -> pd.Series | pd.DataFrame:
        """Draw one sequence from the model.

        Parameters
        ----------
        params : array_like, shape (K,)
        nsimulations : int
            Number of rows, t = 1 .. nsimulations.
        rng : numpy.random.Generator or int, optional
        exog, exog_transition : array_like, shape (nsimulations, k), optional
            Inputs; default: the model's own first rows.

        Returns
        -------
        Series or DataFrame
            Rows numbered from 0; categories as they were given. With lags the first ``order`` rows
            are those of the sample, on which the likelihood is conditional.

        Raises
        ------
        SpecificationError
            For inputs of a wrong shape, or where the law of the regimes does not exist.
        """
        caller = f"{self.name}.simulate"
        rows = check_int(nsimulations, name="nsimulations", caller=caller, minimum=1)
        generator = check_generator(rng, caller=caller)
        return simulation.simulated(
            self._model, self._natural(params), rows, generator, exog, exog_transition, caller
        )

    def reason(self, params: ArrayLike) -> str | None:
        """Say why the log-likelihood is -inf.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        str or None
            The parameter that is not admissible, or the row that no regime can explain; None where
            the log-likelihood is finite.
        """
        return self.likelihood.reason(self._natural(params), self._row_label)

    def free_directions(self, params: ArrayLike) -> FloatArray:
        """Directions in which the parameters can be moved without leaving what holds them.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (K, f)
            Those that restrictions leave, less those that leave a border on which `params` lie:
            probabilities of exactly zero (implied ones, too) and other numbers at the end of their
            domain; less parameters that have run to infinity by themselves (degrees of freedom of
            a normal law, log odds of a certainty). A parameter without a direction has no standard
            error.
        """
        theta = self._natural(params)
        directions = self.transform.holding(self.layout.reduce(theta)).directions()
        alone = list(runaways(self._model, theta).alone)
        directions = directions[:, ~directions[alone].any(axis=0)]
        out: FloatArray = self.layout.expansion @ directions
        return out

    def flat_directions(self, params: ArrayLike) -> FloatArray:
        """Directions of several parameters that have run to infinity together.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (K, m)
            Log odds, or other linear predictors, that inputs separate: the likelihood has reached
            its limit along them, and says nothing about how far to go. m is 0 as a rule.
        """
        out: FloatArray = (
            self.layout.expansion @ runaways(self._model, self._natural(params)).together
        )
        return out

    def reordered(self, params: ArrayLike, order: ArrayLike) -> FloatArray:
        """Parameters of the same law with the regimes numbered otherwise.

        Parameters
        ----------
        params : array_like, shape (K,)
        order : array_like of int, shape (k_regimes,)
            A permutation of 0, ..., k_regimes - 1: the new regime i is the old ``order[i]``.

        Returns
        -------
        ndarray, shape (K,)
            Restrictions are ignored; given start probabilities stay where they are, so that the
            likelihood is another one.

        Raises
        ------
        SpecificationError
            If `order` is no permutation.
        """
        return assembly.renumbered(self._model, self._natural(params), order)

    def information(self, params: ArrayLike) -> FloatArray:
        """Sum of the outer products of the rows' scores.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (K, K)
            The expected information of a model with regimes has no closed form; NaN at parameters
            that are not admissible (Berndt, Hall, Hall and Hausman 1974).
        """
        return self._information(self._natural(params))

    @property
    def _model(self) -> MarkovRNN:
        return cast("MarkovRNN", self)

    def _natural(self, params: ArrayLike) -> FloatArray:
        return natural_vector(params, self.layout.names, self.name)

    def _row_label(self, row: int) -> str:
        return f"row {row} ({label(self.endog.index, row)})"

    # --- likelihood ---------------------------------------------------------------------------

    def _value(self, theta: FloatArray) -> float:
        return self.likelihood.value(theta)

    def _value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        return self.likelihood.value_and_gradient(theta)

    def _loglikeobs(self, theta: FloatArray) -> FloatArray:
        return self.likelihood.loglikeobs(theta)

    def _score_obs(self, theta: FloatArray) -> FloatArray:
        return self.likelihood.score_obs(theta)

    def _information(self, theta: FloatArray) -> FloatArray:
        scores = self.likelihood.score_obs(theta)
        return scores.T @ scores

    def _standard_effects(self, theta: FloatArray) -> FloatArray | None:
        """What complete data tell of the parameters, (K, K): see `MarkovLikelihood.effects`."""
        return self.likelihood.effects(theta)
