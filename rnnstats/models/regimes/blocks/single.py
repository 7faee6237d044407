"""What blocks of one response have in common: of a family, and of categories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.base import ScalarFamily
from rnnstats.families.categorical import check_codes
from rnnstats.models.regimes.blocks.base import BlockRequest
from rnnstats.models.regimes.blocks.extras import ExtraTerms
from rnnstats.models.regimes.blocks.predictor import Terms, own, reordered
from rnnstats.parameters.transforms import Block as TransformBlock

__all__ = ["CodedBlock", "FamilyBlock"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


class FamilyBlock:
    """One response of a family: coefficients, or means, then its further parameters.

    Parameters
    ----------
    request : BlockRequest
    family : ScalarFamily
    coefficients : Terms
    domains : tuple
        How the coefficients are transformed; none of them by default.

    Attributes
    ----------
    columns, discrete, composite, names, groups, transforms, order, levels, own, own_scale
        As in `rnnstats.models.regimes.blocks.base.Block`.
    place : ndarray of int, shape (m, K)
        Places of the coefficients.
    extras : ExtraTerms
        The further parameters.
    """

    composite: bool = False
    levels: None = None

    def __init__(
        self,
        request: BlockRequest,
        family: ScalarFamily,
        coefficients: Terms,
        domains: tuple[TransformBlock, ...] = (),
    ) -> None:
        self.request, self.family = request, family
        self.columns, self.order, self.discrete = request.columns, request.order, family.discrete
        self.extras = ExtraTerms.build(request, family, len(coefficients.names))
        self.place: IntArray = coefficients.place
        self.names = coefficients.names + self.extras.names
        self.groups = coefficients.groups + self.extras.groups
        self.transforms: tuple[TransformBlock, ...] = (*domains, *self.extras.transforms)
        self.own = own(self.place, self.extras.place)
        self.own_scale = not self.extras.common

    def check(self, y: FloatArray) -> None:
        """
        Refuse observations outside the support.

        Parameters
        ----------
        y : ndarray, shape (n, 1)

        Raises
        ------
        DataError
        """
        self.family.check(y[:, 0], column=self.request.names[0], caller=self.request.caller)

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
        return reordered(part, order, self.place, self.extras.place)


class CodedBlock:
    """One response whose values are codes of categories.

    Parameters
    ----------
    request : BlockRequest
        With ``levels``.

    Attributes
    ----------
    columns, discrete, composite, order, levels, own_scale
        As in `rnnstats.models.regimes.blocks.base.Block`.
    """

    composite: bool = False
    discrete: bool = True
    order: int = 0
    own_scale: bool = False

    def __init__(self, request: BlockRequest) -> None:
        assert request.levels is not None
        self.request, self.columns, self.levels = request, request.columns, request.levels

    def check(self, y: FloatArray) -> None:
        """
        Refuse what is no code of a category.

        Parameters
        ----------
        y : ndarray, shape (n, 1)

        Raises
        ------
        DataError
        """
        request = self.request
        check_codes(y[:, 0], len(self.levels), column=request.names[0], caller=request.caller)
