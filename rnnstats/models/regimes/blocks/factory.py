"""From the public name of a family to its block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from rnnstats.families.base import ScalarFamily
from rnnstats.families.binomial import Binomial
from rnnstats.families.gamma import Gamma
from rnnstats.families.gaussian import Gaussian
from rnnstats.families.negative_binomial import NegativeBinomial
from rnnstats.families.poisson import Poisson
from rnnstats.families.student_t import StudentT
from rnnstats.models.regimes.blocks.base import Block, BlockRequest
from rnnstats.models.regimes.blocks.categorical import CategoricalBlock
from rnnstats.models.regimes.blocks.gaussian import Covariance, GaussianBlock
from rnnstats.models.regimes.blocks.hamilton import HamiltonBlock
from rnnstats.models.regimes.blocks.logits import LogitBlock
from rnnstats.models.regimes.blocks.means import MeanBlock
from rnnstats.models.regimes.blocks.scalar import ScalarBlock

__all__ = ["JOINT", "make_block"]

_SCALAR: Final[Mapping[str, Callable[[], ScalarFamily]]] = {
    "student-t": StudentT,
    "poisson": Poisson,
    "negative-binomial": NegativeBinomial,
    "bernoulli": Binomial,
    "gamma": Gamma,
}
# Families of several columns together, and the shape of their covariance matrix.
JOINT: Final[Mapping[str, Covariance]] = {
    "gaussian": "full",
    "gaussian-diagonal": "diagonal",
    "gaussian-spherical": "spherical",
}


def make_block(request: BlockRequest) -> Block:
    """
    Make the emission block of one column, or of several that are jointly normal.

    Parameters
    ----------
    request : BlockRequest

    Returns
    -------
    Block

    Notes
    -----
    That the request makes sense is checked at the door, see
    `rnnstats.models.regimes.construction.specification`.
    """
    if request.family in JOINT:
        if request.order and request.ar_form == "mean":
            return HamiltonBlock(request)
        if len(request.columns) == 1:
            return ScalarBlock(request, Gaussian())
        return GaussianBlock(request, JOINT[request.family])
    plain = request.trend == "c" and not request.exog_names
    if request.family == "categorical":
        return CategoricalBlock(request) if plain else LogitBlock(request)
    family = _family(request)
    if plain and family.natural is not None:
        return MeanBlock(request, family)
    return ScalarBlock(request, family)


def _family(request: BlockRequest) -> ScalarFamily:
    if request.family == "binomial":
        return Binomial(request.options["trials"])
    return _SCALAR[request.family]()
