"""What an emission block is: the law of one response, or of several jointly, given the regime.

A block translates its share of ``theta`` (its *part*) into log densities given the regime, and
sums of those back into slopes, M-steps and curvature. It knows nothing of chains: rows come in
as `Rows`, cut at the sequences' borders, and states are columns. A block in mean form
(``composite``) has a state for each ``(h_t, ..., h_{t-p})``, ``h_t`` the most significant digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.parameters.transforms import Block as TransformBlock

__all__ = ["Block", "BlockRequest", "BoundBlock", "Response", "Rows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class BlockRequest:
    """What a block is to be.

    Attributes
    ----------
    caller : str
        Named at the front of error messages.
    columns : tuple of int
        The columns of endog it explains.
    names : tuple of str
        Their names.
    family : str
        Public name of the family.
    options : mapping
        Options of the family (``{"trials": 10}``).
    k_regimes : int
    regime_names : tuple of str, length k_regimes
    trend : {"n", "c", "ct"}
    exog_names : tuple of str, length k
    exog_switching : tuple of bool, length k
        Which coefficients differ between regimes.
    switching : frozenset
        Subset of ``{"trend", "ar", "variance"}``.
    order : int
        Number of lags.
    ar_form : {"intercept", "mean"}
    levels : tuple of str, optional
        Categories in order (categorical only).
    named : frozenset of str
        Parameters that restrictions mention; the implied probability of a categorical
        distribution is that of its last level not among them.
    """

    caller: str
    columns: tuple[int, ...]
    names: tuple[str, ...]
    family: str
    k_regimes: int
    regime_names: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    trend: Literal["n", "c", "ct"] = "c"
    exog_names: tuple[str, ...] = ()
    exog_switching: tuple[bool, ...] = ()
    switching: frozenset[str] = frozenset({"trend", "ar", "variance"})
    order: int = 0
    ar_form: Literal["intercept", "mean"] = "intercept"
    levels: tuple[str, ...] | None = None
    named: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of data for one block.

    Attributes
    ----------
    y : ndarray, shape (n, d)
        Responses; NaN is missing.
    x : ndarray, shape (n, k), optional
        Regressors.
    time : ndarray, shape (n,), optional
        1, 2, ... within a sequence; needed with ``trend="ct"``.
    lags : ndarray, shape (n, p, d), optional
        ``y_{t-1}, ..., y_{t-p}``; NaN before the sequence's first row.
    lag_x : ndarray, shape (n, p, k), optional
        Regressors at those rows (mean form only).
    lag_time : ndarray, shape (n, p), optional
        Time at those rows (mean form only).
    """

    y: FloatArray
    x: FloatArray | None = None
    time: FloatArray | None = None
    lags: FloatArray | None = None
    lag_x: FloatArray | None = None
    lag_time: FloatArray | None = None


class Response(Protocol):
    """Distribution of a block's columns given the state, at each of n rows.

    S states, d columns; S is the number of regimes, or of composite states in mean form. Rows
    whose lags are missing have NaN.
    """

    @property
    def discrete(self) -> bool:
        """Whether the distribution function has jumps."""

    @property
    def normal(self) -> bool:
        """Whether the columns are jointly normal given the state."""

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns of endog."""

    @property
    def levels(self) -> tuple[str, ...] | None:
        """Categories in the order of their codes; None for numbers."""

    def rows(self, index: IntArray) -> Response:
        """Return the distribution at some of the rows, as often as they are named."""

    def mean(self) -> FloatArray:
        """Means, (n, S, d); for a categorical response NaN."""

    def cov(self) -> FloatArray:
        """Covariances, (n, S, d, d); for a categorical response NaN."""

    def cdf(self, values: FloatArray, column: int) -> FloatArray:
        """Marginal ``P(Y <= value)`` of one of the d columns (0, 1, ...), (n, S)."""

    def cdf_below(self, values: FloatArray, column: int) -> FloatArray:
        """Marginal ``P(Y < value)``, (n, S)."""

    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Conditional distribution of each element given the earlier ones of its row.

        Lower and upper end of the distribution function at element j given elements before j
        and the state, (n, S, d) each (equal for a continuous response, NaN where element j is
        missing), and the log density of the elements before j, (n, S, d).
        """

    def log_density(self, y: FloatArray) -> FloatArray:
        """Log density of rows of responses (n, d), (n, S)."""

    def sample(self, states: IntArray, rng: np.random.Generator) -> FloatArray:
        """One draw a row given its state, (n, d)."""

    def pmf(self) -> FloatArray:
        """Probabilities of the levels of a categorical response, (n, S, levels)."""


class BoundBlock(Protocol):
    """A block with its data; q parameters, n rows, S states."""

    def log_density(self, part: FloatArray) -> FloatArray:
        """Log density given each state, (n, S); 0 in rows conditioned on or missing."""

    def pull(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        """Derivative of ``sum(weights * log_density)`` by the part, (q,)."""

    def slopes(self, part: FloatArray) -> FloatArray:
        """Derivative of the log density by the part, (n, S, q); 0 where that is -inf."""

    def m_step(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        """Part that maximises, or at least raises, ``sum(weights * log_density)``, (q,)."""

    def curvature(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        """Information on the part expected of the complete data with these weights, (q, q)."""

    def response(self, part: FloatArray) -> Response:
        """Distribution at the rows of the data, given their lags."""

    def starts(self, weights: FloatArray) -> FloatArray:
        """Part from a classification of the rows, (n, K), hard or soft, (q,)."""

    def scales(self, part: FloatArray) -> FloatArray | None:
        """Scale of each column in each regime, (K, d): what may collapse; None for none."""


class Block(Protocol):
    """Emission of one or several columns of endog."""

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns of endog."""

    @property
    def discrete(self) -> bool:
        """Whether the responses are counts or categories."""

    @property
    def composite(self) -> bool:
        """Whether states are ``(h_t, ..., h_{t-p})``."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the q natural parameters."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The group of each."""

    @property
    def transforms(self) -> tuple[TransformBlock, ...]:
        """How they are transformed, by places within the part."""

    @property
    def order(self) -> int:
        """Number of lags."""

    @property
    def levels(self) -> tuple[str, ...] | None:
        """Categories in the order of their codes; None for numbers."""

    @property
    def own(self) -> int:
        """Number of parameters that each regime has to itself."""

    @property
    def own_scale(self) -> bool:
        """Whether the scale is one of them: what may collapse, see `BoundBlock.scales`."""

    def check(self, y: FloatArray) -> None:
        """Raise DataError where an observation (n, d) is outside the support."""

    def bind(self, rows: Rows, floor: float | FloatArray = 0.0) -> BoundBlock:
        """Give the block its data; ``floor`` bounds ``scales**2`` from below in M-steps."""

    def response_at(self, part: FloatArray, rows: Rows) -> Response:
        """Distribution at other rows; their ``y`` is not looked at."""

    def reordered(self, part: FloatArray, order: IntArray) -> FloatArray:
        """Part after renumbering: the new regime a is the old regime ``order[a]``."""
