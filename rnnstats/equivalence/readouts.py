"""Readouts of networks with a one-hot state: the emission laws of hidden Markov models.

The weights of a readout are columns, one a state, so that ``V h_t`` with a one-hot h_t picks one.
Every readout reads the same location ``V h_t + (D h_t) x_t + ...``; what differs is the head: a
softmax for categories, the mean of a normal law, the link scale of a family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import shown
from rnnstats.errors import SpecificationError

__all__ = [
    "Location",
    "Readout",
    "Rows",
    "distributions",
    "reference_logits",
    "weights_of",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Rows(NamedTuple):
    """What a readout reads at each of n rows, beside the state.

    Attributes
    ----------
    exog : ndarray, shape (n, k)
    time : ndarray, shape (n,)
        Number of each row, for a trend; the first row of the data is 1.
    lags : ndarray, shape (n, p, d)
        Own earlier outputs, lag 1 first.
    exog_lags : ndarray, shape (n, p, k)
    """

    exog: FloatArray
    time: FloatArray
    lags: FloatArray
    exog_lags: FloatArray


@dataclass(frozen=True, eq=False)
class Location:
    """Linear part of a readout, one column of weights a state.

    ``V h_t + trend h_t t + (D h_t) x_t + sum_l (ar_l h_t) y_{t-l} + sum_l (D_lags_l h_t) x_{t-l}``.

    Attributes
    ----------
    V : ndarray, shape (d, K)
        -inf for categories: a probability of zero; infinite ends of a link, too.
    D : ndarray, shape (d, K, k)
    trend : ndarray, shape (d, K)
    ar : ndarray, shape (p, d, K, d)
    D_lags : ndarray, shape (p, d, K, k)
    """

    V: FloatArray
    D: FloatArray
    trend: FloatArray
    ar: FloatArray
    D_lags: FloatArray

    @classmethod
    def of(
        cls,
        V: ArrayLike,
        *,
        D: ArrayLike | None = None,
        trend: ArrayLike | None = None,
        ar: ArrayLike | None = None,
        D_lags: ArrayLike | None = None,
    ) -> Location:
        """Fill in zeros for what is not given, and check shapes.

        Parameters
        ----------
        V : array_like, shape (d, K)
        D, trend, ar, D_lags : array_like, optional
            Shapes as for the attributes.

        Returns
        -------
        Location

        Raises
        ------
        SpecificationError
            Shapes do not fit, or numbers are not finite (-inf in V is).
        """
        level = np.array(V, dtype=np.float64)
        if level.ndim != 2 or np.isnan(level).any():
            raise SpecificationError(
                f"Location: V must be a (d, K) table of numbers; got shape "
                f"{level.shape}. Give a column a state."
            )
        d, states = level.shape
        p = 0 if ar is None else len(np.asarray(ar))
        held = [part for part in (D, D_lags) if part is not None]
        k = int(np.shape(held[0])[-1]) if held else 0
        shapes = ((d, states, k), (d, states), (p, d, states, d), (p, d, states, k))
        parts = []
        for name, part, shape in zip(
            ("D", "trend", "ar", "D_lags"), (D, trend, ar, D_lags), shapes, strict=True
        ):
            array = np.zeros(shape) if part is None else np.array(part, dtype=np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                raise SpecificationError(
                    f"Location: {name} must be finite numbers of shape {shape}; got shape "
                    f"{array.shape}. Make it fit V."
                )
            parts.append(array)
        return cls(level, *parts)

    @property
    def order(self) -> int:
        """Number of lags p."""
        return len(self.ar)

    @property
    def k_exog(self) -> int:
        """Number of inputs."""
        return int(self.D.shape[2])

    def at(self, rows: Rows) -> FloatArray:
        """Location in every state.

        Parameters
        ----------
        rows : Rows

        Returns
        -------
        ndarray, shape (n, K, d)
            NaN where a lag is missing.
        """
        found = np.broadcast_to(self.V.T, (len(rows.time), *self.V.T.shape))
        if self.trend.any():
            found = found + rows.time[:, None, None] * self.trend.T
        if self.k_exog:
            found = found + np.einsum("dsk,nk->nsd", self.D, rows.exog)
        if self.order:
            found = found + np.einsum("ldse,nle->nsd", self.ar, rows.lags)
            found = found + np.einsum("ldsk,nlk->nsd", self.D_lags, rows.exog_lags)
        return found

    def of_states(self, states: IntArray, rows: Rows) -> FloatArray:
        """Location in one state a row.

        Parameters
        ----------
        states : ndarray of int, shape (n,)
        rows : Rows

        Returns
        -------
        ndarray, shape (n, d)
        """
        return self.at(rows)[np.arange(len(states)), states]


class Readout(Protocol):
    """The law of one response (one or several outputs) given a one-hot state."""

    @property
    def location(self) -> Location:
        """Linear part."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs."""

    @property
    def kind(self) -> str:
        """Name of the family."""

    def log_density(self, y: FloatArray, rows: Rows) -> FloatArray:
        """Log density (n, K) of the outputs y (n, d), missing elements left out exactly."""

    def sample(
        self, states: IntArray, rows: Rows, noise: Any, rng: np.random.Generator
    ) -> FloatArray:
        """Draws (n, d) in given states; ``noise`` is what `noise` gave for these rows."""

    def noise(self, rows: int, rng: np.random.Generator) -> FloatArray:
        """What can be drawn before lags are known, one row a row."""

    def weights(self) -> dict[str, FloatArray]:
        """Arrays by name."""


def distributions(rows: ArrayLike, *, name: str, caller: str) -> FloatArray:
    """Rows that sum to one, or an error.

    Parameters
    ----------
    rows : array_like, shape (m, K)
    name, caller : str

    Returns
    -------
    ndarray, shape (m, K)
        As given where the sums are one to rounding, divided by them where they are up to 1e-8.

    Raises
    ------
    SpecificationError
        Negative numbers, or sums that are not one.
    """
    table = np.array(rows, dtype=np.float64)
    sums = table.sum(axis=-1, keepdims=True) if table.ndim == 2 else np.zeros(1)
    if table.ndim != 2 or not (table >= 0.0).all() or not (np.abs(sums - 1.0) <= 1e-8).all():
        raise SpecificationError(
            f"{caller}: every row of {name} must be a distribution: not negative, sum one; got "
            f"{shown(np.asarray(rows).tolist())}. Divide by the sums."
        )
    rounding = 4.0 * np.finfo(float).eps * table.shape[1]
    found: FloatArray = np.where(np.abs(sums - 1.0) <= rounding, table, table / sums)
    return found


def reference_logits(probabilities: FloatArray) -> FloatArray:
    """Softmax weights of distributions, the last positive entry of each being the reference.

    Parameters
    ----------
    probabilities : ndarray, shape (..., K)

    Returns
    -------
    ndarray, shape (..., K)
        log p_j / p_reference: 0 at the reference, -inf where the probability is zero.
    """
    positive = probabilities > 0.0
    size = probabilities.shape[-1]
    last = size - 1 - positive[..., ::-1].argmax(axis=-1)
    reference = np.take_along_axis(probabilities, last[..., None], axis=-1)
    with np.errstate(divide="ignore"):
        found: FloatArray = np.log(probabilities) - np.log(reference)
    return found


def weights_of(location: Location) -> dict[str, FloatArray]:
    """Weights that are there, by name.

    Parameters
    ----------
    location : Location

    Returns
    -------
    dict of str to ndarray
    """
    found = {"V": location.V.copy()}
    for name in ("D", "trend", "ar", "D_lags"):
        part: FloatArray = getattr(location, name)
        if part.any():
            found[name] = part.copy()
    return found
