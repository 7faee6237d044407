"""Emission blocks as readouts of a network with a one-hot state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.heads import CategoricalReadout, FamilyReadout, GaussianReadout
from rnnstats.equivalence.readouts import Location, Readout, reference_logits
from rnnstats.models.regimes.blocks.base import Block, BlockRequest, Rows
from rnnstats.models.regimes.blocks.categorical import CategoricalBlock
from rnnstats.models.regimes.blocks.gaussian import GaussianBlock
from rnnstats.models.regimes.blocks.hamilton import HamiltonBlock
from rnnstats.models.regimes.blocks.logits import LogitBlock
from rnnstats.models.regimes.blocks.means import MeanBlock
from rnnstats.models.regimes.blocks.scalar import ScalarBlock

__all__ = ["readouts"]

FloatArray = NDArray[np.float64]


def readouts(blocks: Sequence[Block], parts: Sequence[FloatArray]) -> tuple[Readout, ...]:
    """Readouts of the blocks at given parameters.

    Parameters
    ----------
    blocks : sequence of Block
    parts : sequence of ndarray
        Parameters of each block.

    Returns
    -------
    tuple of Readout
        One a block, a column a state of its chain: a regime, or in mean form the regimes
        (h_t, ..., h_{t-p}), h_t the most significant digit.
    """
    return tuple(_readout(block, part) for block, part in zip(blocks, parts, strict=True))


def _readout(block: Block, part: FloatArray) -> Readout:
    if isinstance(block, CategoricalBlock):
        shares = block.response_at(part, Rows(np.full((1, 1), np.nan))).pmf()[0]
        place = _location(reference_logits(shares).T[:, None, :], block.request)
        return CategoricalReadout(place, block.request.names, block.levels)
    if isinstance(block, LogitBlock):
        rows = len(block.levels) - 1
        weights = part[block.place].reshape(rows, -1, block.place.shape[1])
        weights = np.concatenate([weights, np.zeros_like(weights[:1])])
        return CategoricalReadout(
            _location(weights, block.request), block.request.names, block.levels
        )
    if isinstance(block, GaussianBlock):
        place = _location(part[block.place], block.request)
        return GaussianReadout(place, block.request.names, block.covariances(part))
    if isinstance(block, HamiltonBlock):
        variances = block.extras.read(part)[0][block.digits[:, 0]]
        return GaussianReadout(
            _composite(block, part), block.request.names, variances[:, None, None]
        )
    if isinstance(block, (MeanBlock, ScalarBlock)):
        return _scalar(block, part)
    raise TypeError(f"readouts: {type(block).__name__} is no block with a readout")


def _scalar(block: MeanBlock | ScalarBlock, part: FloatArray) -> Readout:
    """Readout of one response of a family."""
    if isinstance(block, MeanBlock):
        weights = block.family.linked(part[block.place])[None, None]
    else:
        weights = part[block.place][None]
    place, extra = _location(weights, block.request), block.extras.read(part)
    if block.family.name == "gaussian":
        return GaussianReadout(place, block.request.names, extra[0][:, None, None])
    return FamilyReadout(place, block.request.names, block.family, extra)


def _location(weights: FloatArray, request: BlockRequest) -> Location:
    """Location from coefficients (d, m, K), columns constant, time, regressors, lags."""
    d, _, states = weights.shape
    k, p = len(request.exog_names), request.order
    at = 0
    level, trend = np.zeros((d, states)), np.zeros((d, states))
    if request.trend != "n":
        level, at = weights[:, 0], 1
    if request.trend == "ct":
        trend, at = weights[:, 1], 2
    D = weights[:, at : at + k].transpose(0, 2, 1)
    own = len(request.names) if p else d
    ar = weights[:, at + k :].reshape(d, p, own, states).transpose(1, 0, 3, 2)
    return Location(level, D, trend, ar, np.zeros((p, d, states, k)))


def _composite(block: HamiltonBlock, part: FloatArray) -> Location:
    """``m_t(h_t) + sum_l ar_l (y_{t-l} - m_{t-l}(h_{t-l}))`` as one linear function a state."""
    request, digits = block.request, block.digits
    means = part[block.mean_place]  # constant, time, regressors in each regime
    ar = part[block.ar_place][:, digits[:, 0]]  # (p, S)
    of_lags = [_rows(means[:, digits[:, lag]], request) for lag in range(request.order + 1)]
    level, trend, slopes = of_lags[0]
    D_lags = np.zeros((request.order, 1, len(digits), len(request.exog_names)))
    for lag, (constant, growth, D) in enumerate(of_lags[1:], start=1):
        factor = ar[lag - 1]
        level = level - factor * (constant - lag * growth)  # time is t - lag there
        trend = trend - factor * growth
        D_lags[lag - 1, 0] = -factor[:, None] * D
    return Location(level[None], slopes[None], trend[None], ar[:, None, :, None], D_lags)


def _rows(means: FloatArray, request: BlockRequest) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Constant (S,), coefficient of time (S,) and of regressors (S, k) of means (m, S)."""
    alone = _location(means[None], replace(request, order=0))
    return alone.V[0], alone.trend[0], alone.D[0]
