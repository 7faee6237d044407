"""Expectation-maximisation of a normal response with a linear predictor in each regime.

One call takes a start through all its passes: densities, forward-backward recursion, weighted
least squares, transitions.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import markov
from rnnstats.kernels.reference import markov_normal as reference

if markov.HAVE_COMPILED:
    import rnnstats.kernels._markov as _core
else:
    _core = None

__all__ = ["STARTS", "NormalChain", "NormalEnd", "NormalSlopes", "Start"]

FloatArray = NDArray[np.float64]
Start = Literal["fixed", "free", "stationary"]
STARTS: Final[dict[str, int]] = {"fixed": 0, "free": 1, "stationary": 2}


class NormalEnd(NamedTuple):
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
    u : ndarray, shape (r,)
    coef : ndarray, shape (K, m)
        ``origin + basis @ u``.
    variance : ndarray, shape (K,)
    transition : ndarray, shape (K, K)
    law : ndarray, shape (sequences, K)
        Start probabilities.
    states : ndarray, shape (n, K)
        Smoothed probabilities.
    sums : ndarray, shape (K, m (m + 1) / 2 + m + 2)
        Weighted by them, over residuals e of the coefficients: upper triangle of ``x x'``, then
        ``x e``, ``e^2`` and 1.
    d_transition : ndarray, shape (K, K)
    d_start : ndarray, shape (sequences, K)
        Derivatives of the log-likelihood by the probabilities as free numbers.
    """

    start_llf: float
    llf: float
    passes: int
    settled: bool
    u: FloatArray
    coef: FloatArray
    variance: FloatArray
    transition: FloatArray
    law: FloatArray
    states: FloatArray
    sums: FloatArray
    d_transition: FloatArray
    d_start: FloatArray

    @property
    def cross(self) -> FloatArray:
        """Sums of ``x e``, (K, m)."""
        return self.sums[:, -2 - self.coef.shape[1] : -2]


class NormalSlopes(NamedTuple):
    """What is expected of the complete data at several points.

    Attributes
    ----------
    llf : ndarray, shape (points,)
        Log-likelihoods; -inf where there is none, what follows is then without meaning.
    sums : ndarray, shape (points, K, m (m + 1) / 2 + m + 2)
    d_transition : ndarray, shape (points, K, K)
    d_start : ndarray, shape (points, sequences, K)
        As in `NormalEnd`.
    """

    llf: FloatArray
    sums: FloatArray
    d_transition: FloatArray
    d_start: FloatArray


def _built(data: tuple[Any, ...]) -> Any:
    """What computes: compiled, or the twin."""
    return reference.Normal(*data) if _core is None else _core.Normal(*data)


class NormalChain:
    """A response with its design; log densities are zero in rows that are not seen.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Numbers everywhere.
    x : ndarray, shape (n, m)
        Design, numbers everywhere; columns of like size (orthonormal ones are best).
    seen : ndarray of bool, shape (n,)
    basis : ndarray, shape (K, m, r)
        Coefficients of regime k are ``origin[k] + basis[k] @ u``.
    offsets : ndarray of int, shape (sequences + 1,)
    common : bool
        One variance for all regimes.
    floor : float
        Lower bound of variances.
    """

    def __init__(
        self,
        y: FloatArray,
        x: FloatArray,
        seen: NDArray[np.bool_],
        basis: FloatArray,
        offsets: NDArray[np.integer],
        common: bool,
        floor: float,
    ) -> None:
        blank = not bool(seen.all())
        known = np.where(seen, y, 0.0) if blank else y
        self._data = (
            np.ascontiguousarray(known, dtype=np.float64),
            np.ascontiguousarray(x.T, dtype=np.float64),
            seen.astype(np.uint8) if blank else None,
            np.ascontiguousarray(basis, dtype=np.float64),
            np.ascontiguousarray(offsets, dtype=np.int64),
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
        origin: FloatArray,
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
    ) -> NormalEnd:
        """Climb from one start.

        Parameters
        ----------
        origin : ndarray, shape (K, m)
            Coefficients at the start.
        variance : ndarray, shape (K,)
        transition : ndarray, shape (K, K)
        law : ndarray, shape (sequences, K)
            Of the start; not looked at where it is stationary.
        start : {"fixed", "free", "stationary"}
        weights : ndarray, shape (n, K), optional
            A classification of the rows: coefficients and variances are estimated from it first,
            with one further observation of variance `pooled` in each regime.
        pooled : float
        limit : int
            Passes of the smoother after the first.
        tol : float
            Stop when a step gains no more than this.
        accelerate : bool
            Whether to extrapolate every two steps.

        Returns
        -------
        NormalEnd
        """
        dense = (np.ascontiguousarray(a, dtype=np.float64) for a in (origin, variance, transition))
        first = np.ascontiguousarray(law, dtype=np.float64)
        rows = None if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
        return NormalEnd(
            *self._core.climb(*dense, first, STARTS[start], rows, pooled, limit, tol, accelerate)
        )

    def slopes(
        self, coef: FloatArray, variance: FloatArray, transition: FloatArray, law: FloatArray
    ) -> NormalSlopes:
        """One pass of the smoother at each of several points.

        Parameters
        ----------
        coef : ndarray, shape (points, K, m)
        variance : ndarray, shape (points, K)
        transition : ndarray, shape (points, K, K)
        law : ndarray, shape (points, sequences, K)
            Start probabilities.

        Returns
        -------
        NormalSlopes
        """
        given = (coef, variance, transition, law)
        return NormalSlopes(
            *self._core.slopes(*(np.ascontiguousarray(a, dtype=np.float64) for a in given))
        )
