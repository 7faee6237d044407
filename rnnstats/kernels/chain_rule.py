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

    Attributes
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

    def part(self, kept: NDArray[np.integer]) -> tuple[ChainRule, IntArray]:
        """
        Rule from some of the old parameters.

        Parameters
        ----------
        kept : ndarray of int, shape (c,)
            Which of the old parameters, none twice.

        Returns
        -------
        rule : ChainRule
            From these, in this order, to the parameters that have one of them as source; what
            ``also`` adds to these is left out where it is not kept.
        new : ndarray of int
            Which parameters these are.
        """
        number = np.full(1 + max(x.max(initial=-1) for x in (self.source, self.also, kept)), -1)
        number[kept] = np.arange(len(kept))
        new = np.flatnonzero(number[self.source] >= 0)
        order = np.full(len(self.source), -1)
        order[new] = np.arange(len(new))
        some = (number[self.also] >= 0) & (order[self.to] >= 0)
        rule = ChainRule(
            number[self.source[new]], self.factor[new],
            order[self.to[some]], number[self.also[some]], self.weight[some],
        )  # fmt: skip
        return rule, new
