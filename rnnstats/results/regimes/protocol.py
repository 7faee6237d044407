"""What results know of a model with regimes, and of its numbers at one parameter vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.data import Exog
from rnnstats.equivalence.readouts import Readout
from rnnstats.results.protocol import FittedModel, FloatArray

__all__ = [
    "BoundEmission",
    "CompositeStates",
    "Emission",
    "IntArray",
    "RegimeLikelihood",
    "RegimeModel",
    "RegimeResponse",
    "RegimeSystem",
    "ResponseLike",
    "TransitionLaw",
]

IntArray = NDArray[np.intp]


class ResponseLike(Protocol):
    """Distribution of one block of columns in each row, given each regime (n rows, S regimes).

    S is the number of composite states where those are conditioned on. Rows whose lags are missing
    have NaN.
    """

    @property
    def discrete(self) -> bool:
        """Whether values are whole numbers or categories."""

    @property
    def normal(self) -> bool:
        """Whether the columns are jointly normal given the regime."""

    @property
    def columns(self) -> tuple[int, ...]:
        """Columns of the data, d of them."""

    @property
    def levels(self) -> tuple[str, ...] | None:
        """Categories, None where the values are numbers."""

    # Mean (n, S, d) and covariance (n, S, d, d) given the regime; NaN for categories.
    def mean(self) -> FloatArray: ...
    def cov(self) -> FloatArray: ...

    # P(Y <= value) and P(Y < value) of one of the d columns, numbered from 0, (n, S).
    def cdf(self, values: FloatArray, column: int) -> FloatArray: ...
    def cdf_below(self, values: FloatArray, column: int) -> FloatArray: ...

    # Log density of rows (n, d), (n, S); missing elements are left out.
    def log_density(self, y: FloatArray) -> FloatArray: ...

    # Probabilities of the categories, (n, S, levels).
    def pmf(self) -> FloatArray: ...

    # The same at some of the rows, which may repeat.
    def rows(self, index: IntArray) -> ResponseLike: ...


class RegimeResponse(ResponseLike, Protocol):
    """Distribution of one block of columns in each row, given each state."""

    # The same at some of the rows, which may repeat.
    def rows(self, index: IntArray) -> RegimeResponse: ...

    # Lower and upper end of the distribution function of each element given the earlier ones of
    # its row and the state, and the log density of the earlier ones: (n, S, d) each. The ends are
    # equal for a continuous response, and NaN where the element is missing.
    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]: ...

    # Draw each row in a given state, (n, d).
    def sample(self, states: IntArray, rng: np.random.Generator) -> FloatArray: ...


class CompositeStates(Protocol):
    """States that hold the regimes of several rows, for the mean form of an autoregression."""

    @property
    def lags(self) -> IntArray:
        """Regimes of rows t, t-1, ..., t-p in each state, shape (S, p + 1)."""

    # Probabilities of the regime `lag` rows before, (n, K), from those of the states, (n, S).
    def marginal(self, probabilities: FloatArray, lag: int = 0) -> FloatArray: ...


class RegimeSystem(Protocol):
    """A model with regimes at one parameter vector.

    ``transition`` has shape (K, K) or (rows, K, K); the chain runs over ``rows`` of the data.
    """

    @property
    def transition(self) -> FloatArray:
        """Probabilities of steps, (K, K), or one matrix a row that governs the step into it."""

    @property
    def start(self) -> FloatArray:
        """Probabilities in the first row of each sequence, (sequences, K)."""

    @property
    def offsets(self) -> IntArray:
        """First row of each sequence, and the number of rows."""

    @property
    def composite(self) -> CompositeStates | None:
        """States of the chain where they are not the regimes themselves."""

    @property
    def chain(self) -> Any:
        """Arguments of the functions of `rnnstats.kernels.markov`, with `lags` beside them."""

    @property
    def lags(self) -> int:
        """Regimes before the present one that a state of the chain holds."""

    @property
    def rows(self) -> IntArray:
        """Row of the data of each row of the chain."""

    # Distributions of the outputs at rows of the data and after it, one a block, given lags
    # (m, p, k_endog), the latest first.
    def responses_at(
        self, rows: IntArray, lags: FloatArray | None
    ) -> tuple[RegimeResponse, ...]: ...

    @property
    def responses(self) -> tuple[RegimeResponse, ...]:
        """Distribution of the outputs at the rows of the data, one a block."""

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """Weights of the outputs given the state, one readout a block."""


class TransitionLaw(Protocol):
    """Transition matrices from their parameters, q of them."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, which come first among those of the model."""

    # Matrices at rows of inputs (m, r), (m, K, K); without inputs (K, K).
    def value(self, part: FloatArray, inputs: FloatArray | None) -> FloatArray: ...

    # Their derivatives by the parameters in a last axis.
    def tangents(self, part: FloatArray, inputs: FloatArray | None) -> FloatArray: ...


class BoundEmission(Protocol):
    """A block with its data."""

    # Information on its parameters (q, q) expected of data whose states have given weights (n, S).
    def curvature(self, part: FloatArray, weights: FloatArray) -> FloatArray: ...


class Emission(Protocol):
    """A block: the distribution of one or several columns given the regime."""

    @property
    def composite(self) -> bool:
        """Whether its states hold the regimes of several rows."""


class RegimeLikelihood(Protocol):
    """The arithmetic of a model with regimes."""

    @property
    def offsets(self) -> IntArray:
        """First row of each sequence, and the number of rows, of its data."""

    @property
    def q(self) -> tuple[int, ...]:
        """Numbers of parameters of the transitions and of the start, which come first."""

    @property
    def bound(self) -> tuple[BoundEmission, ...]:
        """The blocks with their data."""

    @property
    def parts(self) -> tuple[slice, ...]:
        """Places of the parameters of each block."""

    @property
    def transitions(self) -> TransitionLaw:
        """Law of the steps between regimes."""

    def expectation(self, theta: FloatArray) -> Any:
        """Smoothed probabilities of the chain's states, ``weights``, shape (rows, S)."""

    def block_weights(self, weights: FloatArray) -> FloatArray:
        """Weights of the chain's states on all rows of the data, zero in rows left out."""


class RegimeModel(FittedModel, Protocol):
    """A model with regimes, as results use it."""

    @property
    def k_regimes(self) -> int:
        """Number of regimes K."""

    @property
    def regime_names(self) -> tuple[str, ...]:
        """Names of the regimes."""

    @property
    def emission(self) -> Any:
        """Distribution of each output, as the constructor takes it."""

    @property
    def order(self) -> int:
        """Number of lags of the outputs."""

    @property
    def ar_form(self) -> str:
        """What lags act on, "intercept" or "mean"."""

    @property
    def switching(self) -> Any:
        """What differs between regimes."""

    @property
    def start(self) -> Any:
        """Distribution of the first regime."""

    @property
    def offsets(self) -> IntArray:
        """First row of each sequence, and the number of rows."""

    @property
    def blocks(self) -> tuple[Emission, ...]:
        """Distributions of the outputs given the regime."""

    @property
    def levels(self) -> Mapping[str, tuple[Any, ...]] | None:
        """Categories of each categorical output."""

    @property
    def likelihood(self) -> RegimeLikelihood:
        """The arithmetic."""

    @property
    def exog_transition(self) -> Exog | None:
        """Inputs of the transitions, if any."""

    # The numbers at a parameter vector, for the rows and `steps` more.
    def system(
        self, params: FloatArray, *, steps: int = 0, exog: Any = None, exog_transition: Any = None
    ) -> RegimeSystem: ...

    # Directions in which estimates vary, (K_params, f).
    def free_directions(self, params: FloatArray) -> FloatArray: ...

    # Directions along which the likelihood has reached its limit at infinity, (K_params, m).
    def flat_directions(self, params: FloatArray) -> FloatArray: ...

    # The same point with the regimes in another order.
    def reordered(self, params: FloatArray, permutation: IntArray) -> FloatArray: ...

    # The same structure on other data.
    def clone(
        self,
        endog: Any,
        exog: Any = None,
        *,
        exog_transition: Any = None,
        groups: Any = None,
        start: Any = None,
    ) -> RegimeModel: ...
