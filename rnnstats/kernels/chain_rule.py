"""Derivatives by other parameters, each a multiple of one old derivative or a sum of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChainRule"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ChainRule:
    """A sparse Jacobian of old parameters by new ones, at most a few numbers a column.

    The derivative by new parameter j is ``factor[j]`` times that by old one ``source[j]``; to
    parameter ``to[i]`` comes ``weight[i]`` times that by old one ``also[i]``.

    Parameters
    ----------
    source : ndarray of int, shape (K,)
    factor : ndarray, shape (K,)
    to, also : ndarray of int, shape (m,)
        No parameter twice in ``to``.
    weight : ndarray, shape (m,)
    """

    source: IntArray
    factor: FloatArray
    to: IntArray
    also: IntArray
    weight: FloatArray

    def __call__(self, old: FloatArray) -> FloatArray:
        """
        Derivatives by the new parameters.

        Parameters
        ----------
        old : ndarray, shape (..., k)

        Returns
        -------
        ndarray, shape (..., K)
        """
        new: FloatArray = old[..., self.source]
        new *= self.factor
        if len(self.to):
            new[..., self.to] += old[..., self.also] * self.weight
        return new
