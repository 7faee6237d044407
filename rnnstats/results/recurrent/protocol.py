"""What results know of a recurrent network with a likelihood, and of its numbers at one point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.results.protocol import FittedModel, FloatArray

__all__ = [
    "Architecture",
    "CellLike",
    "Head",
    "HeadLaw",
    "IntArray",
    "RecurrentModel",
    "RecurrentSystem",
    "Run",
    "Weights",
]

IntArray = NDArray[np.intp]


class CellLike(Protocol):
    """A recurrent cell: `rnnstats.kernels.cells.Cell` or a cell of one's own."""

    @property
    def kind(self) -> str:
        """ "elman", "gru", "lstm" or the name of a cell of one's own."""

    @property
    def gates(self) -> tuple[str, ...]:
        """Words of the gates, in the order of the weights."""

    @property
    def blocks(self) -> tuple[str, ...]:
        """Blocks of the state, ("h",) or ("h", "c")."""


class Weights(Protocol):
    """Views of the flat weights."""

    @property
    def layers(self) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """Of each layer the weights (gates * units, units + inputs + 1) and the rest (m,)."""

    @property
    def readout(self) -> FloatArray:
        """From the units of the last layer, (k_eta, units)."""

    @property
    def skip(self) -> FloatArray | None:
        """From the inputs, (k_eta, k_in)."""

    @property
    def constant(self) -> FloatArray:
        """Of the outputs, (k_eta,)."""


class Architecture(Protocol):
    """Layers of cells and their sizes."""

    @property
    def cells(self) -> tuple[Any, ...]:
        """Cell of each layer."""

    @property
    def units(self) -> tuple[int, ...]:
        """Units of each layer."""

    @property
    def k_in(self) -> int:
        """Number of inputs: lagged outputs and regressors."""

    @property
    def k_eta(self) -> int:
        """Number of linear predictors."""

    @property
    def k_state(self) -> int:
        """Number of states, layer by layer, block by block."""

    @property
    def size(self) -> int:
        """Number of weights P."""

    # Views of the flat weights (P,).
    def unpack(self, weights: FloatArray) -> Weights: ...


class Run(Protocol):
    """What a pass over the rows leaves."""

    @property
    def states(self) -> FloatArray:
        """States at each row, (m, k_state)."""

    @property
    def eta(self) -> FloatArray:
        """Linear predictors in the kernel's units, (m, k_eta)."""

    @property
    def inputs(self) -> FloatArray:
        """Inputs with gaps filled, (m, k_in)."""


class HeadLaw(Protocol):
    """Distribution of m rows of outputs given their linear predictors, d columns."""

    @property
    def mean(self) -> FloatArray:
        """Mean, (m, d)."""

    @property
    def cov(self) -> FloatArray:
        """Covariance, (m, d, d)."""

    # P(Y <= value), P(Y < value) of one column, (m,); the smallest value with P(Y <= value) >= p.
    def cdf(self, values: FloatArray, column: int) -> FloatArray: ...
    def cdf_below(self, values: FloatArray, column: int) -> FloatArray: ...
    def quantile(self, p: FloatArray | float, column: int) -> FloatArray: ...

    # Draw each row, (m, d).
    def sample(self, rng: np.random.Generator) -> FloatArray: ...

    # Lower and upper end of the distribution function of each element given the earlier ones of
    # its row, (m, d) each; NaN where missing.
    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray]: ...


class Head(Protocol):
    """Distribution of the outputs given linear predictors."""

    @property
    def name(self) -> str:
        """Its public name."""

    @property
    def k_eta(self) -> int:
        """Number of linear predictors."""

    @property
    def discrete(self) -> bool:
        """Whether the outputs are whole numbers or categories."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its own parameters, q of them."""

    # The distribution at linear predictors (m, k_eta) and its own parameters (q,).
    def law(self, eta: FloatArray, extra: FloatArray) -> Any: ...

    # Log density of rows (m, d), (m,); missing elements are left out.
    def log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray: ...

    # Expected information of each row by its predictors (m, k_eta, k_eta), and of all by `extra`.
    def information(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]: ...


class RecurrentSystem(Protocol):
    """A recurrent network at one parameter vector, passed over the rows of the data.

    Weights, states and filled inputs are in the model's inner, standardised units; linear
    predictors and everything about outputs in the user's.
    """

    @property
    def architecture(self) -> Any:
        """Layers and sizes."""

    @property
    def weights(self) -> FloatArray:
        """Flat weights (P,), standardised."""

    @property
    def initial(self) -> FloatArray:
        """State before the first row of each sequence, (sequences, k_state)."""

    @property
    def run(self) -> Any:
        """The pass over the rows."""

    @property
    def eta(self) -> FloatArray:
        """Linear predictors of the rows, (m, k_eta), in the user's units."""

    @property
    def extra(self) -> FloatArray:
        """Parameters of the head, (q,)."""

    @property
    def law(self) -> Any:
        """Distribution of the outputs in the rows given the rows before."""

    @property
    def rows(self) -> IntArray:
        """Row of the data of each of the m rows of the recursion."""

    @property
    def row_offsets(self) -> IntArray:
        """Place of the first row of each sequence among the m rows, and m."""

    # One step of r paths: states (r, k_state), lags (r, L, d_lag) latest first, inputs (r, k) of
    # the row stepped into; gives states and linear predictors (r, k_eta).
    def step(
        self, state: FloatArray, lags: FloatArray, exog: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]: ...

    # State before a row of the data, (k_state,), and lags before it, (L, d_lag), gaps filled.
    def state_before(self, row: int) -> FloatArray: ...
    def lags_before(self, row: int) -> FloatArray: ...

    # What outputs (r, d) are as lags, (r, d_lag).
    def lag_values(self, y: FloatArray) -> FloatArray: ...


class RecurrentModel(FittedModel, Protocol):
    """A recurrent network, as results use it."""

    @property
    def architecture(self) -> Any:
        """Layers and sizes."""

    @property
    def head(self) -> Any:
        """Distribution of the outputs given their linear predictors."""

    @property
    def y_lags(self) -> int:
        """Number of lags of the outputs among the inputs."""

    @property
    def presample(self) -> str:
        """What lags before the sample are: "condition" or "predict"."""

    @property
    def initial(self) -> str:
        """State before each sequence: "zero", "estimated" or "stationary"."""

    @property
    def skip(self) -> bool:
        """Whether the inputs also enter the outputs directly."""

    @property
    def k_hidden(self) -> Any:
        """Units, a number or one a layer."""

    @property
    def n_layers(self) -> int:
        """Number of layers."""

    @property
    def penalty(self) -> float:
        """Ridge penalty on the standardised weights; 0 for none."""

    @property
    def levels(self) -> Mapping[str, Sequence[Any]] | None:
        """Categories of a categorical output."""

    @property
    def offsets(self) -> IntArray:
        """First row of each sequence, and the number of rows."""

    @property
    def rows(self) -> IntArray:
        """Rows in the likelihood."""

    @property
    def nobs_likelihood(self) -> int:
        """Number of rows in the likelihood."""

    @property
    def chart(self) -> Any:
        """Map between the user's and the standardised parameters."""

    @property
    def likelihood(self) -> Any:
        """The arithmetic, by the standardised parameters."""

    # Second derivative of the penalty by the user's parameters, (K, K).
    def ridge(self) -> FloatArray: ...

    # The same point with units numbered and signed as in another one.
    def aligned(self, theta: FloatArray, target: FloatArray) -> FloatArray: ...

    # The network at a parameter vector.
    def system(self, params: FloatArray) -> Any: ...

    # The same structure on other data.
    def clone(self, endog: Any, exog: Any = None, *, groups: Any = None) -> Any: ...

    # This model in the standard units of the same structure on other data.
    def standardised_as(self, other: Any) -> Any: ...
