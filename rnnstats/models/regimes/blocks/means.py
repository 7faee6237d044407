"""One response of a family without regressors: its parameters are means or probabilities.

Equal observations have equal densities: a discrete response is computed once for each value it
takes, and weights are summed by value first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.base import ScalarFamily
from rnnstats.families.steps import climb
from rnnstats.models.regimes.blocks.base import BlockRequest, Rows
from rnnstats.models.regimes.blocks.predictor import scattered, summed, terms
from rnnstats.models.regimes.blocks.responses import ScalarResponse
from rnnstats.models.regimes.blocks.single import FamilyBlock
from rnnstats.parameters.transforms import Block as TransformBlock

__all__ = ["MeanBlock"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_CYCLES = 12
_SMALL = 1e-9  # relative change of an M-step's alternation called none


class MeanBlock(FamilyBlock):
    """Emission of one response by its mean, or the probability of one success, in each regime.

    Parameters
    ----------
    request : BlockRequest
    family : ScalarFamily
        One with a mean-scale parameter (``family.natural``).

    Attributes
    ----------
    columns, discrete, composite, names, groups, transforms, order, levels
        As in `rnnstats.models.regimes.blocks.base.Block`.
    """

    def __init__(self, request: BlockRequest, family: ScalarFamily) -> None:
        assert family.natural is not None
        self.common = "trend" not in request.switching
        label = (family.natural, family.natural, request.names[0], not self.common)
        means = terms(request, [label])
        super().__init__(request, family, means, _domains(family, len(means.names)))
        self.order = 0
        self.place = means.place[0]

    def bind(self, rows: Rows, floor: float | FloatArray = 0.0) -> _BoundMean:
        return _BoundMean(self, rows.y[:, 0], float(np.max(floor)))

    def response_at(self, part: FloatArray, rows: Rows) -> ScalarResponse:
        return self._response(part, len(rows.y))

    def _response(self, part: FloatArray, n: int) -> ScalarResponse:
        eta = self.family.linked(part[self.place][None])
        return ScalarResponse(self.family, self.columns, eta, self.extras.read(part), n)


class _BoundMean:
    """A block with its data; see `rnnstats.models.regimes.blocks.base.BoundBlock`.

    ``values`` are the observations that differ (U,), NaN last where one is missing, and ``codes``
    says which one each row has; a continuous response keeps its rows.
    """

    def __init__(self, block: MeanBlock, y: FloatArray, floor: float) -> None:
        self.block, self.floor, self.n = block, floor, len(y)
        self.values, self.codes = np.array(y), None
        if block.discrete:
            self.values, codes = np.unique(y, return_inverse=True)
            self.codes = codes.astype(np.intp)
        self.seen = ~np.isnan(self.values)
        self.filled = np.where(self.seen, self.values, block.family.neutral)
        self.q = len(block.names)

    def log_density(self, part: FloatArray) -> FloatArray:
        _, eta, extra = self._read(part)
        return self._rows(self.block.family.log_density(self.values, eta, extra))

    def pull(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        mass = self._mass(weights)
        by_value, by_extra = self._slopes(part)
        out = summed(block.place, _product(mass, by_value).sum(axis=0), self.q)
        for row, slope in zip(block.extras.place, by_extra, strict=True):
            out += summed(row, _product(mass, slope).sum(axis=0), self.q)
        return out

    def slopes(self, part: FloatArray) -> FloatArray:
        block = self.block
        by_value, by_extra = self._slopes(part)
        out = np.zeros((*by_value.shape, self.q))
        columns = np.arange(by_value.shape[1])
        out[:, columns, block.place] = by_value
        for row, slope in zip(block.extras.place, by_extra, strict=True):
            out[:, columns, row] = slope
        return self._rows(np.where(np.isfinite(out), out, 0.0))

    def m_step(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block, family = self.block, self.block.family
        mass = self._mass(weights)
        held = np.array(part)
        for _ in range(_CYCLES if block.extras.names else 1):
            before = np.array(held)
            self._mean_step(held, mass)
            _, eta, extra = self._read(held)
            held[block.extras.place] = family.fit_extra(
                self.values, eta, mass, extra, common=block.extras.common, floor=self.floor
            )
            if (np.abs(held - before) <= _SMALL * np.abs(held)).all():
                break
        return held

    def curvature(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block, family = self.block, self.block.family
        mass = self._mass(weights)
        _, eta, extra = self._read(part)
        with np.errstate(all="ignore"):
            each = family.unit**2 / family.variance(eta, extra)[0]
        total = mass[self.seen].sum(axis=0) * np.where(np.isfinite(each), each, 0.0)
        out = np.diag(summed(block.place, total, self.q))
        if block.extras.names:
            second = family.information(self.values, eta, extra)
            sums = np.einsum("nk,abnk->kab", mass, second)
            out += scattered(block.extras.place, sums, self.q)
        return out

    def response(self, part: FloatArray) -> ScalarResponse:
        return self.block._response(part, self.n)

    def starts(self, weights: FloatArray) -> FloatArray:
        block, family = self.block, self.block.family
        part = np.zeros(self.q)
        counts = np.bincount(self.codes) if self.codes is not None else np.ones(self.n)
        values = np.repeat(self.values[self.seen], counts[self.seen].astype(np.intp))
        part[block.place] = (values.mean() if values.size else 1.0) / family.unit
        part[block.extras.place] = family.start_extra(values)[:, None]
        part = self.m_step(part, weights)
        part[block.extras.place] = family.inside(block.extras.read(part))
        return part

    def scales(self, part: FloatArray) -> FloatArray | None:
        scale = self.block.family.scale(self.block.extras.read(part))
        return None if scale is None else scale[:, None]

    def _read(self, part: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        value = part[self.block.place][None]
        return value, self.block.family.linked(value), self.block.extras.read(part)

    def _rows(self, values: FloatArray) -> FloatArray:
        return values if self.codes is None else values[self.codes]

    def _mass(self, weights: FloatArray) -> FloatArray:
        """Weights summed by value, (U, K); 0 for missing ones."""
        if self.codes is None:
            mass = weights
        else:
            size = len(self.values)
            mass = np.stack([summed(self.codes, w, size) for w in weights.T], axis=1)
        return mass if self.seen.all() else np.where(self.seen[:, None], mass, 0.0)

    def _slopes(self, part: FloatArray) -> tuple[FloatArray, FloatArray]:
        family = self.block.family
        value, eta, extra = self._read(part)
        by_value = family.natural_slope(self.filled, value, extra)
        by_value[~self.seen] = 0.0
        return by_value, family.slopes(self.values, eta, extra)[1]

    def _mean_step(self, held: FloatArray, mass: FloatArray) -> None:
        """Put the weighted means in; a shared one weighs each regime by its precision."""
        block, family = self.block, self.block.family
        total = mass.sum(axis=0)
        heard = total > 0.0
        if not heard.any():
            return
        means = (mass[:, heard] * self.filled[:, None]).sum(axis=0) / total[heard]
        means = np.maximum(means / family.unit, 0.0)
        if not block.common:
            held[block.place[heard]] = means
            return
        extra = block.extras.read(held)[:, heard]

        def slope(value: float) -> float:
            eta = np.full((1, len(means)), family.linked(np.array(value)))
            variance = family.variance(eta, extra)[0]
            return float((total[heard] * (means - value) / variance).sum())

        ends = float(means.min()), float(means.max())
        if not extra.size or block.extras.common or ends[0] == ends[1]:
            value = float((total[heard] * means).sum() / total[heard].sum())
        else:
            value = climb(slope, float(held[block.place[0]]), lo=ends[0], hi=ends[1])
        held[block.place] = value


def _domains(family: ScalarFamily, k: int) -> tuple[TransformBlock, ...]:
    if family.natural == "prob":
        return tuple(TransformBlock("simplex", (i,)) for i in range(k))
    return (TransformBlock("positive", tuple(range(k))),)


def _product(mass: FloatArray, slopes: FloatArray) -> FloatArray:
    """Weights times slopes, where no weight means no contribution."""
    with np.errstate(invalid="ignore"):
        product: FloatArray = mass * slopes
    return np.where(mass == 0.0, 0.0, product)
