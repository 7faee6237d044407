"""Capacities by lag and in sum, and what is told with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figures", "Found"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Figures(NamedTuple):
    """Capacities by lag and in sum.

    Attributes
    ----------
    each : ndarray, shape (lags + 1, q)
        Of each input.
    whole : ndarray, shape (lags + 1,)
        Of all inputs together.
    total : float
        Over all lags.
    mean_lag : float
        Mean of the lag, weighted with `whole`; NaN where nothing is held.
    """

    each: FloatArray
    whole: FloatArray
    total: float
    mean_lag: float

    @classmethod
    def of(
        cls, each: FloatArray, whole: FloatArray, beyond: float = 0.0, counted: Mask | None = None
    ) -> Figures:
        """Sum up capacities by lag.

        Parameters
        ----------
        each, whole : ndarray
            As the attributes.
        beyond : float
            Capacity of later lags.
        counted : ndarray of bool, shape (lags + 1,), optional
            Lags that count for the mean lag; by default all.

        Returns
        -------
        Figures
        """
        weight = whole if counted is None else np.where(counted, whole, 0.0)
        size = float(weight.sum())
        mean = float(np.arange(len(weight)) @ weight) / size if size > 0.0 else np.nan
        return cls(each, whole, float(whole.sum()) + beyond, mean)

    @property
    def flat(self) -> FloatArray:
        """All of them one after the other."""
        return np.concatenate([self.each.ravel(), self.whole, [self.total, self.mean_lag]])

    def like(self, flat: FloatArray) -> Figures:
        """Numbers in the order of `flat`, in this shape.

        Parameters
        ----------
        flat : ndarray

        Returns
        -------
        Figures
        """
        cut = self.each.size
        return Figures(
            flat[:cut].reshape(self.each.shape), flat[cut:-2], float(flat[-2]), float(flat[-1])
        )


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Capacities with errors, however they came about.

    Attributes
    ----------
    value, error : Figures
        Capacities and standard errors.
    above : ndarray of bool, shape (lags + 1,)
        Lags at which more is held than by chance.
    names : list of str
        Inputs that are looked for.
    k_state, rank : int
        States, and directions in which they move.
    notes : list of str
    rows : int
        Of the run; 0 for none.
    threshold : float
        Share that a run tells from nothing.
    rate : float
        Log rate at which the run forgets its start; NaN where it is not known.
    """

    value: Figures
    error: Figures
    above: NDArray[np.bool_]
    names: list[str]
    k_state: int
    rank: int
    notes: list[str]
    rows: int = 0
    threshold: float = 0.0
    rate: float = np.nan
