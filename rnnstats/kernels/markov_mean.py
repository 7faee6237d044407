"""Expectation-maximisation of a switching autoregression in mean form.

One call takes a start through all its passes: residuals of the composite states, forward-backward
recursion, least squares for means and autoregression, transitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import markov
from rnnstats.kernels.markov_normal import STARTS, Start
from rnnstats.kernels.reference import markov_mean as reference

if markov.HAVE_COMPILED:
    import rnnstats.kernels._markov as _core
else:
    _core = None

__all__ = ["MeanChain", "MeanEnd", "Products"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Products:
    """Loadings of the composite states as sums of signed products of two numbers.

    Attributes
    ----------
    cell : ndarray of int
        Where a product is added: state times number of columns, plus column.
    first, second : ndarray of int
        Its factors: places of coefficients; their number stands for 1.
    sign : ndarray
    """

    cell: IntArray
    first: IntArray
    second: IntArray
    sign: FloatArray


class MeanEnd(NamedTuple):
    """Where a start has led, and what is expected of the complete data there.

    Attributes
    ----------
    start_llf, llf : float
        Log-likelihood at the start and at the end; -inf where there is none, what follows is then
        without meaning.
    passes : int
        Passes of the smoother after the first.
    settled : bool
        Whether the last step gained no more than the tolerance.
    coef : ndarray, shape (q,)
        Means, then autoregressive coefficients.
    variance : ndarray, shape (K,)
    transition : ndarray, shape (K, K)
    law : ndarray, shape (sequences, K)
        Start probabilities.
    states : ndarray, shape (n, K)
        Smoothed probabilities of the regimes.
    slopes : ndarray, shape (q,)
        Derivatives of the log-likelihood by the coefficients.
    squares, mass : ndarray, shape (K,)
        Weighted residual sums of squares, and number of rows.
    d_transition : ndarray, shape (K, K)
    d_start : ndarray, shape (sequences, K)
        Derivatives of the log-likelihood by the probabilities as free numbers.
    """

    start_llf: float
    llf: float
    passes: int
    settled: bool
    coef: FloatArray
    variance: FloatArray
    transition: FloatArray
    law: FloatArray
    states: FloatArray
    slopes: FloatArray
    squares: FloatArray
    mass: FloatArray
    d_transition: FloatArray
    d_start: FloatArray


def _built(data: tuple[Any, ...]) -> Any:
    """What computes: compiled, or the twin."""
    return reference.Mean(*data) if _core is None else _core.Mean(*data)


class MeanChain:
    """A response with its lags and the regressors of all of them.

    Parameters
    ----------
    v : ndarray, shape (n, r)
        Rows of the chain; numbers everywhere.
    heard : ndarray of bool, shape (n,)
        Log densities are zero in the other rows.
    rows : ndarray of int, shape (n,)
        Row of the data of each, which its ``order`` lags stand before.
    offsets : ndarray of int, shape (sequences + 1,)
        Of the chain.
    k, order : int
        Composite states are ``(h_t, ..., h_{t-p})``, ``h_t`` the most significant digit.
    products : Products
    origin : ndarray, shape (q + 1,)
        What is added to the coefficients, and 1.
    means : int
        Number of coefficients that are means; they come first.
    common : bool
        One variance for all regimes.
    floor : float
        Lower bound of variances.
    """

    def __init__(
        self,
        v: FloatArray,
        heard: NDArray[np.bool_],
        rows: IntArray,
        offsets: IntArray,
        k: int,
        order: int,
        products: Products,
        origin: FloatArray,
        means: int,
        common: bool,
        floor: float,
    ) -> None:
        blank = not bool(heard.all())
        known = np.where(heard[:, None], v, 0.0) if blank else v
        places = (products.cell, products.first, products.second)
        self._data = (
            np.ascontiguousarray(known, dtype=np.float64),
            heard.astype(np.uint8) if blank else None,
            np.array(rows, dtype=np.int64),
            np.array(offsets, dtype=np.int64),
            k,
            order,
            (
                *(np.array(one, dtype=np.int64) for one in places),
                np.array(products.sign, dtype=np.float64),
            ),
            np.array(origin, dtype=np.float64),
            means,
            common,
            floor,
        )
        self._core = _built(self._data)

    def __getstate__(self) -> tuple[Any, ...]:
        return self._data

    def __setstate__(self, data: tuple[Any, ...]) -> None:
        self._data = data
        self._core = _built(data)

    def climb(
        self,
        coef: FloatArray,
        variance: FloatArray,
        transition: FloatArray,
        law: FloatArray,
        start: Start,
        *,
        weights: FloatArray | None = None,
        pooled: float = 0.0,
        limit: int = 0,
        tol: float = 0.0,
        accelerate: bool = False,
    ) -> MeanEnd:
        """Climb from one start.

        Parameters
        ----------
        coef : ndarray, shape (q,)
        variance : ndarray, shape (K,)
        transition : ndarray, shape (K, K)
        law : ndarray, shape (sequences, K)
            Of the start; not looked at where it is stationary.
        start : {"fixed", "free", "stationary"}
        weights : ndarray, shape (nobs, K), optional
            A classification of the rows of the data: coefficients and variances are estimated from
            it first, with one further observation of variance `pooled` in each regime.
        pooled : float
        limit : int
            Passes of the smoother after the first.
        tol : float
            Stop when a step gains no more than this.
        accelerate : bool
            Whether to extrapolate every two steps.

        Returns
        -------
        MeanEnd
        """
        given = (coef, variance, transition, law)
        dense = (np.ascontiguousarray(a, dtype=np.float64) for a in given)
        rows = None if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
        return MeanEnd(
            *self._core.climb(*dense, STARTS[start], rows, pooled, limit, tol, accelerate)
        )
