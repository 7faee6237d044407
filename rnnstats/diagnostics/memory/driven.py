"""What drives a recurrence, for measures of what it remembers of that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChainFigures", "Driven", "LinearDrive"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Driven:
    """Fresh runs of a recurrence with white inputs.

    Attributes
    ----------
    states : ndarray, shape (r, T, m)
        Of r runs that are independent of one another.
    inputs : ndarray, shape (r, T, q)
        Row t goes into step t.
    names : tuple of str
        Of the inputs.
    shocks : int
        How many of the inputs, the first ones, are shocks: errors of predictions.
    smooth : bool
        Whether the same random numbers at parameters close by give states close by, so that
        derivatives by the parameters can be had.
    """

    states: FloatArray
    inputs: FloatArray
    names: tuple[str, ...]
    shocks: int = 0
    smooth: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class LinearDrive:
    """A linear recurrence with white inputs, ``s_t = A s_{t-1} + B u_t + w_t``.

    Attributes
    ----------
    transition : ndarray, shape (m, m)
        A.
    loading : ndarray, shape (m, q)
        B.
    cov : ndarray, shape (q, q)
        Covariance of u_t.
    names : tuple of str
        Of the inputs.
    shocks : int
        How many of the inputs, the first ones, are shocks: errors of predictions.
    noise_cov : ndarray, shape (m, m), optional
        Covariance of w_t.
    """

    transition: FloatArray
    loading: FloatArray
    cov: FloatArray
    names: tuple[str, ...]
    shocks: int = 0
    noise_cov: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ChainFigures:
    """How fast a Markov chain forgets without data.

    Attributes
    ----------
    second : float
        Modulus of the second eigenvalue of its transition matrix.
    second_error : float
        Standard error of that.
    rate, rate_error : float
        Log of the modulus, and its standard error.
    mixing_time : float
        Rows until it is within total variation 1/4 of its stationary law from any regime.
    """

    second: float
    second_error: float
    rate: float
    rate_error: float
    mixing_time: float
