"""The part of results about steps between regimes: probabilities, durations, the stationary law.

Standard errors are those of the delta method with exact derivatives. Intervals of probabilities are
symmetric on the logit scale and those of durations on the log of what exceeds one row, which is the
same scale, so that they stay inside their ranges.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from rnnstats._checks import check_alpha, check_int
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels.chains import closed_classes, eliminated
from rnnstats.results.forecasting.prediction import product_index
from rnnstats.results.inference.functions import delta_errors
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.protocol import RegimeModel

__all__ = ["RegimeTransitions", "share_table", "stationary_law"]


class _Moving(NamedTuple):
    """Numbers with their derivatives by all parameters in a last axis."""

    value: FloatArray
    slopes: FloatArray


class RegimeTransitions(ABC):
    """The part of results about steps between regimes.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel
    _theta: FloatArray

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    # -- values -------------------------------------------------------------------------------

    @property
    def transition(self) -> pd.DataFrame:
        """Probabilities of steps, rows from, columns to; every row sums to one.

        Shape (K, K); with `exog_transition` one matrix a row of the data, index (date, regime),
        which governs the step into that row.
        """
        matrix, _ = self._steps(None)
        names = tuple(self.model.regime_names)
        if matrix.ndim == 2:
            index = pd.Index(names, name="from")
            return pd.DataFrame(matrix, index=index, columns=list(names), copy=True)
        index = product_index(self.model.endog.index, names, "from")
        return pd.DataFrame(matrix.reshape(-1, len(names)), index=index, columns=list(names))

    @property
    def stationary_probabilities(self) -> pd.Series | pd.DataFrame:
        """Long-run shares of the regimes, shape (K,).

        With `exog_transition` those to which each row's transition matrix leads if it stays, shape
        (nobs, K). Hamilton (1994), Time Series Analysis, equation 22.2.26.

        Raises
        ------
        SpecificationError
            There is more than one stationary law, since the chain can be caught in several places.
        """
        return self._by_regime(stationary_law(self._steps(None)[0])[0], "stationary_probabilities")

    @property
    def expected_durations(self) -> pd.Series | pd.DataFrame:
        """Expected number of rows that a regime lasts once it has begun, 1 / (1 - p_ii).

        Shape (K,), or (nobs, K) with `exog_transition`; infinite for a regime that is never left.
        Hamilton (1994), Time Series Analysis, section 22.4.
        """
        matrix, _ = self._steps(None)
        stay = np.diagonal(matrix, axis1=-2, axis2=-1)
        with np.errstate(divide="ignore"):
            return self._by_regime(1.0 / (1.0 - stay), "expected_durations")

    # -- tables -------------------------------------------------------------------------------

    def transition_table(self, alpha: float = 0.05, exog_transition: Any = None) -> pd.DataFrame:
        """All transition probabilities with standard errors and intervals.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the intervals.
        exog_transition : array_like of shape (r,), Series or mapping, optional
            Inputs of the transitions at which to look; by default the probabilities are averaged
            over the rows of the data.

        Returns
        -------
        DataFrame
            Index (from, to), the implied entries included: "estimate", "std err" (delta method)
            and the ends of an interval that is symmetric on the logit scale. NaN for standard error
            and interval of probabilities that are fixed, or at exactly 0 or 1.

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1, or inputs that the model does not have.
        """
        width = check_alpha(alpha, "transition_table")
        moving = self._typical(exog_transition, "transition_table")
        size = self.model.k_regimes
        index = pd.MultiIndex.from_product([self.model.regime_names] * 2, names=["from", "to"])
        flat = _Moving(moving.value.ravel(), moving.slopes.reshape(size * size, -1))
        return share_table(index, flat.value, flat.slopes, self.covariance, alpha, width)

    def stationary_table(self, alpha: float = 0.05, exog_transition: Any = None) -> pd.DataFrame:
        """Long-run shares of the regimes with standard errors and intervals.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the intervals.
        exog_transition : array_like of shape (r,), Series or mapping, optional
            Inputs of the transitions at which to look; by default `stationary_probabilities` is
            averaged over the rows of the data.

        Returns
        -------
        DataFrame
            One row a regime, columns as in `transition_table`.

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1, inputs that the model does not have, or there is more
            than one stationary law.
        """
        width = check_alpha(alpha, "stationary_table")
        matrix, slopes = self._looked_at(exog_transition, "stationary_table")
        law, moved = stationary_law(matrix, slopes)
        law, moved = (
            part if part.ndim == d else part.mean(axis=0) for part, d in ((law, 1), (moved, 2))
        )
        index = pd.Index(self.model.regime_names, name="regime")
        return share_table(index, law, moved, self.covariance, alpha, width)

    def duration_table(self, alpha: float = 0.05, exog_transition: Any = None) -> pd.DataFrame:
        """Expected durations of the regimes with standard errors and intervals.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the intervals.
        exog_transition : array_like of shape (r,), Series or mapping, optional
            Inputs of the transitions at which to look; by default `expected_durations` is averaged
            over the rows of the data.

        Returns
        -------
        DataFrame
            One row a regime: "estimate" in rows of the data, "std err" (delta method) and the ends
            of an interval that is symmetric in the log of the duration beyond one row, which is the
            logit of the probability of staying. NaN for a regime that is always or never left.

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1, or inputs that the model does not have.
        """
        width = check_alpha(alpha, "duration_table")
        stay = _diagonal(_Moving(*self._looked_at(exog_transition, "duration_table")))
        with np.errstate(divide="ignore", invalid="ignore"):
            value = 1.0 / (1.0 - stay.value)
            slopes = stay.slopes * np.square(value)[..., None]
        if value.ndim == 2:
            value, slopes = value.mean(axis=0), slopes.mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = delta_errors(slopes, self.covariance)
            error = np.where(np.isfinite(value) & (value > 1.0), error, np.nan)
            reach = np.exp(width * error / (value - 1.0))
            ends = [1.0 + (value - 1.0) / reach, 1.0 + (value - 1.0) * reach]
        index = pd.Index(self.model.regime_names, name="regime")
        return _table(index, value, error, ends, alpha)

    def switch_probability(
        self, steps: int = 1, alpha: float = 0.05, exog_transition: Any = None
    ) -> pd.DataFrame:
        """Probability that a regime ends within some rows, given that it holds now.

        Parameters
        ----------
        steps : int
            All horizons from 1 to this many rows are shown.
        alpha : float
            One minus the coverage of the intervals.
        exog_transition : array_like of shape (r,) or (steps, r), optional
            Inputs of the transitions in the rows ahead, one row for all of them or one each; by
            default the probabilities are averaged over all spans of `steps` rows in the data.

        Returns
        -------
        DataFrame
            Index (regime, steps): the probability of at least one switch, 1 - p_ii^h where the
            transitions are constant; columns as in `transition_table`.

        Raises
        ------
        SpecificationError
            `steps` is below 1 or longer than every sequence (with inputs), `alpha` is not between 0
            and 1, or inputs that the model does not have.
        """
        caller = "switch_probability"
        steps = check_int(steps, name="steps", caller=caller, minimum=1)
        width = check_alpha(alpha, caller)
        stay = _diagonal(_Moving(*self._spans(steps, exog_transition, caller)))
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(stay.value[..., None] > 0.0, stay.slopes / stay.value[..., None], 0.0)
        lasting = np.cumprod(stay.value, axis=1)  # (spans, steps, K)
        moved = lasting[..., None] * np.cumsum(rate, axis=1)
        value, slopes = 1.0 - lasting.mean(axis=0).T, -moved.mean(axis=0).transpose(1, 0, 2)
        horizons = range(1, steps + 1)
        index = pd.MultiIndex.from_product(
            [self.model.regime_names, horizons], names=["regime", "steps"]
        )
        flat = slopes.reshape(value.size, -1)
        return share_table(index, value.ravel(), flat, self.covariance, alpha, width)

    # -- inside -------------------------------------------------------------------------------

    def _steps(self, inputs: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Transition matrices at rows of inputs (or those of the data) with their derivatives."""
        exog, law = self.model.exog_transition, self.model.likelihood.transitions
        if inputs is None and exog is not None:
            inputs = exog.values
        first = len(law.names)  # parameters of the transitions come first
        part = self._theta[:first]
        matrix = law.value(part, inputs)
        slopes = np.zeros((*matrix.shape, self._theta.size))
        slopes[..., :first] = law.tangents(part, inputs)
        return matrix, slopes

    def _by_regime(self, values: FloatArray, name: str) -> pd.Series | pd.DataFrame:
        names = list(self.model.regime_names)
        if values.ndim == 1:
            return pd.Series(values, index=pd.Index(names, name="regime"), name=name, copy=True)
        return pd.DataFrame(values, index=self.model.endog.index, columns=names)

    def _looked_at(self, given: Any, caller: str) -> tuple[FloatArray, FloatArray]:
        """Matrix at given inputs, or those of all rows of the data into which there is a step.

        Where every row is the first of its sequence those of all rows.
        """
        if given is not None or self.model.exog_transition is None:
            inputs = None if given is None else self._inputs(given, caller)[:1]
            matrix, slopes = self._steps(inputs)
            return (matrix, slopes) if matrix.ndim == 2 else (matrix[0], slopes[0])
        matrix, slopes = self._steps(None)
        inner = np.ones(len(matrix), dtype=bool)
        inner[np.asarray(self.model.offsets)[:-1]] = not (np.diff(self.model.offsets) > 1).any()
        return matrix[inner], slopes[inner]

    def _typical(self, given: Any, caller: str) -> _Moving:
        matrix, slopes = self._looked_at(given, caller)
        if matrix.ndim == 2:
            return _Moving(matrix, slopes)
        return _Moving(matrix.mean(axis=0), slopes.mean(axis=0))

    def _spans(self, steps: int, given: Any, caller: str) -> tuple[FloatArray, FloatArray]:
        """Matrices of rows ahead, (spans, steps, K, K), and their derivatives."""
        if self.model.exog_transition is None:
            matrix, slopes = self._looked_at(given, caller)
            ahead = np.zeros((1, steps), dtype=np.intp)
            return matrix[None][ahead], slopes[None][ahead]
        if given is not None:
            inputs = self._inputs(given, caller)
            if len(inputs) not in (1, steps):
                raise SpecificationError(
                    f"{caller}: exog_transition must have one row, or one for each of the {steps} "
                    f"steps; got {len(inputs)}. Give one row to hold the inputs constant."
                )
            matrix, slopes = self._steps(inputs)
            ahead = np.arange(steps)[None] if len(inputs) == steps else np.zeros((1, steps), int)
            return matrix[ahead], slopes[ahead]
        offsets = np.asarray(self.model.offsets)
        starts = np.concatenate(
            [np.arange(a + 1, b - steps + 1) for a, b in pairwise(offsets.tolist())]
        )
        if not starts.size:
            raise SpecificationError(
                f"{caller}: steps must be shorter than the longest sequence; got {steps} with "
                f"{int(np.diff(offsets).max())} rows. Give exog_transition for the rows ahead."
            )
        matrix, slopes = self._steps(None)
        ahead = starts[:, None] + np.arange(steps)
        return matrix[ahead], slopes[ahead]

    def _inputs(self, given: Any, caller: str) -> FloatArray:
        """Rows of inputs of the transitions, (m, r)."""
        exog = self.model.exog_transition
        if exog is None:
            raise SpecificationError(
                f"{caller}: exog_transition goes with a model whose transitions have inputs; got "
                "it for one with constant transition probabilities. Leave it out."
            )
        names = list(exog.names)
        if isinstance(given, (pd.Series, pd.DataFrame, Mapping)):
            frame = (
                pd.DataFrame(given)
                if isinstance(given, pd.DataFrame)
                else pd.DataFrame([dict(given)])
            )
            absent = [name for name in names if name not in frame.columns]
            if absent:
                raise SpecificationError(
                    f"{caller}: exog_transition must have a value for each of {', '.join(names)}; "
                    f"got none for {', '.join(absent)}. Name all of them."
                )
            given = frame[names]
        values = np.atleast_2d(np.asarray(given, dtype=np.float64))
        if values.ndim != 2 or values.shape[1] != len(names) or not np.isfinite(values).all():
            raise SpecificationError(
                f"{caller}: exog_transition must hold finite numbers for {', '.join(names)}; got "
                f"shape {np.shape(given)}. Give one row, in this order."
            )
        return values


def _diagonal(steps: _Moving) -> _Moving:
    """Probabilities of staying, (..., K), and their derivatives, (..., K, q)."""
    place = np.arange(steps.value.shape[-1])
    return _Moving(steps.value[..., place, place], steps.slopes[..., place, place, :])


def _table(
    index: pd.Index, value: FloatArray, error: FloatArray, ends: list[FloatArray], alpha: float
) -> pd.DataFrame:
    columns = ["estimate", "std err", f"[{alpha / 2:.3g}", f"{1 - alpha / 2:.3g}]"]
    return pd.DataFrame(dict(zip(columns, [value, error, *ends], strict=True)), index=index)


def share_table(
    index: pd.Index,
    value: FloatArray,
    slopes: FloatArray,
    estimate: CovarianceEstimate,
    alpha: float,
    width: float,
) -> pd.DataFrame:
    """Probabilities with delta-method standard errors and intervals on the logit scale.

    Parameters
    ----------
    index : pandas.Index of length q
    value : ndarray of shape (q,)
    slopes : ndarray of shape (q, K)
        Derivatives by all parameters.
    estimate : CovarianceEstimate
    alpha : float
        One minus the coverage.
    width : float
        Its normal quantile.

    Returns
    -------
    DataFrame
        "estimate", "std err" and the ends of the interval; NaN for those of probabilities of
        exactly 0 or 1.
    """
    inside = (value > 0.0) & (value < 1.0)
    error = np.where(inside, delta_errors(slopes, estimate), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, reach = special.logit(value), width * error / (value * (1.0 - value))
        ends = [special.expit(centre - reach), special.expit(centre + reach)]
    return _table(index, value, error, ends, alpha)


def stationary_law(
    matrix: FloatArray,
    slopes: FloatArray | None = None,
    *,
    caller: str = "stationary_probabilities",
) -> tuple[FloatArray, FloatArray]:
    """Stationary law of a chain, with its derivatives.

    Parameters
    ----------
    matrix : ndarray of shape (K, K) or (rows, K, K)
        Rows sum to one.
    slopes : ndarray of shape (K, K, q) or (rows, K, K, q), optional
        Derivatives of the matrix.
    caller : str
        For the message.

    Returns
    -------
    law : ndarray of shape (K,) or (rows, K)
    moved : ndarray of shape (K, q) or (rows, K, q)
        The solution with sum zero of ``moved (I - P) = law dP``; without `slopes` q is zero.

    Raises
    ------
    SpecificationError
        There is more than one law.

    References
    ----------
    Schweitzer (1968), Journal of Applied Probability 5, 401-413.
    """
    several = np.asarray(matrix if matrix.ndim == 3 else matrix[None])
    size = matrix.shape[-1]
    law = _laws(several, caller)
    if slopes is None:
        slopes = np.zeros((*matrix.shape, 0))
    pushed = np.einsum("ti,tijq->tjq", law, slopes.reshape(*several.shape, slopes.shape[-1]))
    # I - P by the ways out, which one minus the probability of staying would round away; one of
    # its equations follows from the others and gives way to the sum
    place, rows, top = np.arange(size), np.arange(len(several)), law.argmax(axis=1)
    core = -several.transpose(0, 2, 1)
    core[:, place, place] = 0.0
    core[:, place, place] = -core.sum(axis=1)
    core[rows, top] = 1.0
    pushed[rows, top] = 0.0
    moved = np.linalg.solve(core, pushed)
    return (law[0], moved[0]) if matrix.ndim == 2 else (law, moved)


def _laws(matrices: FloatArray, caller: str) -> FloatArray:
    """Stationary laws, (rows, K)."""
    found = np.zeros(matrices.shape[:2])
    patterns, which = np.unique(matrices > 0.0, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        classes = closed_classes(pattern)
        rows = np.flatnonzero(which.ravel() == number)
        inside = classes[0]
        law = eliminated(matrices[np.ix_(rows, inside, inside)])
        if len(classes) > 1 or not np.isfinite(law).all():
            raise SpecificationError(
                f"{caller}: there must be one stationary law; got a transition matrix with "
                f"{max(2, len(classes))} sets of regimes that are never left. Where the chain ends "
                "depends on where it starts; see transition."
            )
        found[np.ix_(rows, inside)] = law
    return found
