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
from rnnstats.results.regimes.protocol import RegimeResponse as Response

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
        """
        Refuse observations outside the support.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            NaN is missing.

        Raises
        ------
        DataError
        """

    def bind(self, rows: Rows, floor: float | FloatArray = 0.0) -> BoundBlock:
        """
        Give the block its data.

        Parameters
        ----------
        rows : Rows
        floor : float or ndarray of shape (d,)
            Lower bound of squared scales in M-steps; covariance matrices exceed the diagonal
            matrix of these by a positive semi-definite one. Categories have none.

        Returns
        -------
        BoundBlock
        """

    def response_at(self, part: FloatArray, rows: Rows) -> Response:
        """
        Distribution at given rows, in each state.

        Parameters
        ----------
        part : ndarray, shape (q,)
        rows : Rows
            Their ``y`` is not looked at.

        Returns
        -------
        Response
        """

    def reordered(self, part: FloatArray, order: IntArray) -> FloatArray:
        """
        Renumber the regimes.

        Parameters
        ----------
        part : ndarray, shape (q,)
        order : ndarray of int, shape (K,)
            The new regime a is the old regime ``order[a]``.

        Returns
        -------
        ndarray, shape (q,)
        """
