"""Parameters beside the mean: variances, scales, degrees of freedom, dispersions, shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.base import ScalarFamily
from rnnstats.models.regimes.blocks.base import BlockRequest
from rnnstats.models.regimes.blocks.predictor import terms
from rnnstats.parameters.transforms import Block as TransformBlock

__all__ = ["ExtraTerms", "weighted_sum"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class ExtraTerms:
    """Names and places of a family's further parameters.

    Attributes
    ----------
    names, groups : tuple of str
    place : ndarray of int, shape (m, K)
        Places in the part.
    common : bool
        One value for all regimes.
    transforms : tuple
        All are positive.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    place: IntArray
    common: bool
    transforms: tuple[TransformBlock, ...]

    @classmethod
    def build(cls, request: BlockRequest, family: ScalarFamily, first: int) -> ExtraTerms:
        """
        Lay them out behind the first ones of a part.

        Parameters
        ----------
        request : BlockRequest
        family : ScalarFamily
        first : int
            Number of parameters before them.

        Returns
        -------
        ExtraTerms
        """
        switches = "variance" in request.switching
        name = request.names[0]
        labels = [
            ("obs_cov", "obs_cov", f"{name},{name}", switches)
            if extra == "variance"
            else (extra, extra, name, switches)
            for extra in family.extras
        ]
        made = terms(request, labels)
        places = tuple(range(first, first + len(made.names)))
        transforms = (TransformBlock("positive", places),) if places else ()
        return cls(made.names, made.groups, made.place + first, not switches, transforms)

    def read(self, part: FloatArray) -> FloatArray:
        """
        Take them out of a part.

        Parameters
        ----------
        part : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (m, K)
        """
        out: FloatArray = part[self.place]
        return out


def weighted_sum(weights: FloatArray, values: FloatArray) -> float:
    """
    Sum of ``weights * values`` where a weight of 0 counts as none, even beside -inf.

    Parameters
    ----------
    weights, values : ndarray, shape (n, K)

    Returns
    -------
    float
        -inf where it is not a number.
    """
    with np.errstate(invalid="ignore"):
        total = float(np.where(weights > 0.0, weights * values, 0.0).sum())
    return total if not np.isnan(total) else -np.inf
