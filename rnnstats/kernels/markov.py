"""Arithmetic of hidden Markov chains: NumPy in, NumPy out.

A chain of K states starts a sequence with the probabilities ``start`` (of its first row) and moves
with ``transition``, rows summing to one: constant, or one matrix a row that governs the step *into*
it (the one of a sequence's first row is not used). What is observed comes in as ``log_density``, of
each row in each state; a missing observation has density one, log density zero, in every state.
Zero probabilities and densities are exact, and nothing underflows: where a weight that may matter
later would, the recursions run in logarithms. Several sequences lie one after the other,
``offsets`` says where each begins; the default is one sequence.

With ``lags`` p > 0 the density of a row depends on (h_t, h_{t-1}, ..., h_{t-p}): there are
S = K^(p+1) columns, h_t the most significant digit of a column's number (the order of
``np.unravel_index(range(S), (K,) * (p + 1))``); ``transition`` is still that of h. Time and memory
are linear in S: no S by S matrix is formed. Without lags S = K.

Every function computes in the compiled core where that imports, and in the NumPy twins of
`rnnstats.kernels.reference.markov`, slower, where it does not.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.errors import CompiledCoreWarning, SpecificationError
from rnnstats.kernels import kalman
from rnnstats.kernels.reference import markov as reference

try:
    import rnnstats.kernels._markov as _core
except ImportError as missing:
    _core = None
    if kalman.HAVE_COMPILED:  # one warning is enough
        warnings.warn(
            f"rnnstats: the compiled core of hidden Markov chains cannot be imported ({missing}); "
            "the same numbers come from NumPy, 10 to 1000 times slower. Install again with a "
            "C++17 compiler.",
            CompiledCoreWarning,
            stacklevel=2,
        )

HAVE_COMPILED: Final[bool] = _core is not None

__all__ = [
    "HAVE_COMPILED",
    "ForwardOutput",
    "SmoothedOutput",
    "forward",
    "loglike",
    "sample_paths",
    "score_obs",
    "smooth",
    "viterbi",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ForwardOutput:
    """State probabilities given the past, and given the past and the present.

    Attributes
    ----------
    llf_obs : ndarray, shape (nobs,)
        Log-likelihood of each row given the rows before; -inf at a row that cannot be, zero in the
        rows of its sequence that follow.
    predicted, filtered : ndarray, shape (nobs, S)
        NaN after a row that cannot be.
    impossible : int or None
        First row that cannot be.
    log_filtered : ndarray, shape (nobs, S), or None
        Given where some weights are too small for ``filtered`` and may still matter.
    """

    llf_obs: FloatArray
    predicted: FloatArray
    filtered: FloatArray
    impossible: int | None
    log_filtered: FloatArray | None = None

    @property
    def llf(self) -> float:
        """Log-likelihood."""
        return float(self.llf_obs.sum())


@dataclass(frozen=True, eq=False)
class SmoothedOutput:
    """State probabilities given all rows, and derivatives of the log-likelihood.

    Attributes
    ----------
    llf : float
        -inf where a row cannot be; the arrays are then without meaning.
    smoothed : ndarray, shape (nobs, S)
        Also the derivative by ``log_density``.
    d_transition : ndarray, shape (K, K) or (nobs, K, K)
        Derivative by ``transition``, as free numbers. Times it: expected numbers of steps.
    d_start : ndarray, shape (number of sequences, S)
    joint : ndarray, shape (nobs, K, K), or None
        Probability of the regimes' step from i to j into each row; zero in a sequence's first
        row.
    impossible : int or None
        First row that cannot be.
    """

    llf: float
    smoothed: FloatArray
    d_transition: FloatArray
    d_start: FloatArray
    joint: FloatArray | None
    impossible: int | None


def _arrays(
    log_density: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike,
    offsets: ArrayLike | None,
    lags: int,
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Give the arrays as the core reads them, shapes checked."""
    dense = np.ascontiguousarray(log_density, dtype=np.float64)
    moves = np.ascontiguousarray(transition, dtype=np.float64)
    if dense.ndim != 2 or dense.shape[0] < 1 or moves.ndim not in (2, 3) or moves.shape[-1] < 1:
        raise SpecificationError(
            "markov: log_density must have shape (nobs, states) and transition (K, K) or "
            f"(nobs, K, K), with at least one row and one state; got {dense.shape} and "
            f"{moves.shape}. Give one column a state."
        )
    nobs, size = dense.shape
    k = moves.shape[-1]
    if lags < 0 or size != k ** (lags + 1):
        raise SpecificationError(
            f"markov: log_density must have K ** (lags + 1) columns, here {k} ** {lags + 1}; got "
            f"{size}. Give one column a state."
        )
    cuts = _cuts(offsets, nobs)
    first = np.ascontiguousarray(start, dtype=np.float64)
    if first.shape == (size,):
        first = np.ascontiguousarray(np.broadcast_to(first, (len(cuts) - 1, size)))
    if moves.shape not in ((k, k), (nobs, k, k)) or first.shape != (len(cuts) - 1, size):
        raise SpecificationError(
            f"markov: transition must have shape ({k}, {k}) or ({nobs}, {k}, {k}) and start shape "
            f"({size},) or ({len(cuts) - 1}, {size}); got {moves.shape} and {first.shape}. "
            "Make them fit the columns of log_density."
        )
    return dense, moves, first, cuts


def _cuts(offsets: ArrayLike | None, nobs: int) -> IntArray:
    """First row of each sequence, and the number of rows."""
    if offsets is None:
        return np.array([0, nobs], dtype=np.int64)
    cuts: IntArray = np.ascontiguousarray(offsets, dtype=np.int64)
    if cuts.ndim != 1 or cuts[0] != 0 or cuts[-1] != nobs or (cuts[1:] <= cuts[:-1]).any():
        raise SpecificationError(
            f"markov: offsets must rise from 0 to the number of rows ({nobs}); got "
            f"{cuts.tolist()[:6]}. Give the first row of each sequence and the number of rows."
        )
    return cuts


def _chain(
    log_density: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike,
    offsets: ArrayLike | None,
    lags: int,
) -> Any:
    """Give the chain as the core takes it: arrays as they are, where they already fit."""
    given = (log_density, transition, start, offsets)
    ready = _core.prepare(*given, lags)
    return _core.prepare(*_arrays(*given, lags), lags) if ready is None else ready


def loglike(
    log_density: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike,
    offsets: ArrayLike | None = None,
    *,
    lags: int = 0,
) -> float:
    """Log-likelihood of all sequences.

    Parameters
    ----------
    log_density : array_like, shape (nobs, S)
        -inf is a density of zero; nothing underflows, however small the densities are.
    transition : array_like, shape (K, K) or (nobs, K, K)
    start : array_like, shape (S,) or (number of sequences, S)
    offsets : array_like of int, optional
        First row of each sequence, and the number of rows.
    lags : int
        Number of earlier regimes that a density depends on.

    Returns
    -------
    float
        -inf where a row cannot be; `forward` says which.

    References
    ----------
    Hamilton (1994), Time Series Analysis, equations 22.4.5 to 22.4.8.
    """
    given = (log_density, transition, start, offsets, lags)
    if _core is not None:
        return float(_core.loglike(_chain(*given)))
    return float(reference.forward(*_arrays(*given), lags)[0].sum())


def forward(
    log_density: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike,
    offsets: ArrayLike | None = None,
    *,
    lags: int = 0,
) -> ForwardOutput:
    """Forward pass: predicted and filtered probabilities.

    Parameters
    ----------
    log_density, transition, start, offsets, lags
        As in `loglike`.

    Returns
    -------
    ForwardOutput
    """
    given = (log_density, transition, start, offsets, lags)
    if _core is not None:
        llf, predicted, filtered, logs = _core.forward(_chain(*given))
    else:
        llf, log_predicted, logs = reference.forward(*_arrays(*given), lags)
        predicted, filtered = np.exp(log_predicted), np.exp(logs)
    never = np.flatnonzero(llf == -np.inf)
    return ForwardOutput(llf, predicted, filtered, int(never[0]) if never.size else None, logs)


def smooth(
    log_density: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike,
    offsets: ArrayLike | None = None,
    *,
    lags: int = 0,
    joint: bool = False,
) -> SmoothedOutput:
    """Forward and backward pass: smoothed probabilities and the exact score.

    Parameters
    ----------
    log_density, transition, start, offsets, lags
        As in `loglike`.
    joint : bool
        Whether to return the probabilities of the steps, row by row.

    Returns
    -------
    SmoothedOutput

    References
    ----------
    Kim (1994), Journal of Econometrics 60, 1-22. Fisher's identity: Cappe, Moulines and Ryden
    (2005), Inference in Hidden Markov Models, section 10.1.
    """
    given = (log_density, transition, start, offsets, lags)
    if _core is not None:
        llf, at, smoothed, slope, d_start, steps = _core.smooth(_chain(*given), joint)
        return SmoothedOutput(llf, smoothed, slope, d_start, steps, None if at < 0 else at)
    dense, moves, first, cuts = _arrays(*given)
    llf_obs, _, filtered = reference.forward(dense, moves, first, cuts, lags)
    steps = np.full((len(dense), *moves.shape[-2:]), np.nan)
    never = np.flatnonzero(llf_obs == -np.inf)
    if never.size:
        blank, d_start = np.full(dense.shape, np.nan), np.full(first.shape, np.nan)
        slope, at = np.full(moves.shape, np.nan), int(never[0])
        return SmoothedOutput(-np.inf, blank, slope, d_start, steps if joint else None, at)
    smoothed, slope, d_start = reference.backward(dense, moves, cuts, llf_obs, filtered, lags)
    steps = slope * moves
    summed = slope if moves.ndim == 3 else slope.sum(axis=0)
    llf = float(llf_obs.sum())
    return SmoothedOutput(llf, smoothed, summed, d_start, steps if joint else None, None)


def viterbi(
    log_density: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike,
    offsets: ArrayLike | None = None,
    *,
    lags: int = 0,
) -> tuple[IntArray, FloatArray]:
    """Most likely path of the states, jointly.

    Parameters
    ----------
    log_density, transition, start, offsets, lags
        As in `loglike`.

    Returns
    -------
    path : ndarray of int, shape (nobs,)
        States from 0; among paths of one height (to rounding) the one with the lowest states, from
        the end.
    height : ndarray, shape (number of sequences,)
        Log density of path and data.

    References
    ----------
    Viterbi (1967), IEEE Transactions on Information Theory 13, 260-269.
    """
    given = (log_density, transition, start, offsets, lags)
    if _core is None:
        return reference.viterbi(*_arrays(*given), lags)
    path, height = _core.viterbi(_chain(*given))
    return path, height


def sample_paths(
    transition: ArrayLike,
    filtered: ForwardOutput | ArrayLike,
    number: int,
    rng: np.random.Generator,
    offsets: ArrayLike | None = None,
    *,
    lags: int = 0,
) -> IntArray:
    """Draw paths of the states given all rows.

    Parameters
    ----------
    transition : array_like, shape (K, K) or (nobs, K, K)
    filtered : ForwardOutput, or array_like, shape (nobs, S)
        From `forward`; the array alone is not enough where ``log_filtered`` is given.
    number : int
    rng : numpy.random.Generator
    offsets : array_like of int, optional
    lags : int

    Returns
    -------
    ndarray of int, shape (number, nobs)

    References
    ----------
    Fruehwirth-Schnatter (2006), Finite Mixture and Markov Switching Models, algorithm 11.5.
    """
    logs = isinstance(filtered, ForwardOutput) and filtered.log_filtered is not None
    if isinstance(filtered, ForwardOutput):
        filtered = filtered.filtered if filtered.log_filtered is None else filtered.log_filtered
    now = np.ascontiguousarray(filtered, dtype=np.float64)
    _, moves, _, cuts = _arrays(now, transition, now[0], offsets, lags)
    uniforms = rng.random((number, len(now)))
    if _core is not None:
        chain = _chain(now, moves, now[0], cuts, lags)
        paths: IntArray = _core.sample_paths(chain, uniforms, logs)
        return paths
    with np.errstate(divide="ignore"):
        return reference.sample_paths(moves, cuts, now if logs else np.log(now), uniforms, lags)


def score_obs(
    log_density: ArrayLike,
    transition: ArrayLike,
    start: ArrayLike,
    d_log_density: ArrayLike,
    d_transition: ArrayLike,
    d_start: ArrayLike,
    offsets: ArrayLike | None = None,
    *,
    lags: int = 0,
) -> tuple[FloatArray, FloatArray]:
    """Log-likelihood of each row and its exact derivatives along q directions.

    Parameters
    ----------
    log_density, transition, start
        As in `loglike`.
    d_log_density : array_like, shape (nobs, S, q)
    d_transition : array_like, shape (K, K, q) or (nobs, K, K, q)
        As `transition`.
    d_start : array_like, shape (number of sequences, S, q)
    offsets, lags
        As in `loglike`.

    Returns
    -------
    llf_obs : ndarray, shape (nobs,)
    scores : ndarray, shape (nobs, q)

    Raises
    ------
    SpecificationError
        Where a row cannot be.
    """
    arrays = _arrays(log_density, transition, start, offsets, lags)
    moved = (
        np.ascontiguousarray(d_log_density, dtype=np.float64),
        np.ascontiguousarray(d_transition, dtype=np.float64),
        np.ascontiguousarray(d_start, dtype=np.float64),
    )
    wanted = [(*part.shape, moved[0].shape[-1]) for part in arrays[:3]]
    if [part.shape for part in moved] != wanted:
        raise SpecificationError(
            f"markov.score_obs: derivatives must have shapes {wanted}; got "
            f"{[part.shape for part in moved]}. The last axis counts directions."
        )
    if _core is not None:
        llf, scores = _core.score_obs(_core.prepare(*arrays, lags), *moved)
    else:
        llf, scores = reference.score_obs(*arrays, *moved, lags)
    if not np.isfinite(llf).all():
        row = int(np.flatnonzero(~np.isfinite(llf))[0])
        raise SpecificationError(
            f"markov.score_obs: every row must be possible; got row {row}, which is not. "
            "See forward() for the states that can be there."
        )
    return llf, scores
