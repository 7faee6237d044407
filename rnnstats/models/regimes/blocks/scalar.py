"""One response of a family with a linear predictor: regression, autoregression, GLM.

The M-step of the coefficients is one of weighted least squares from where they are (Fisher
scoring; McCullagh and Nelder 1989, section 2.5), which is exact for the normal distribution, and
never lowers the likelihood for Student's t with its own weights (Lange, Little and Taylor 1989);
otherwise the step is halved until it raises the objective. Further parameters follow with the
coefficients given (ECM; Meng and Rubin 1993), and the two alternate until neither moves.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.base import ScalarFamily
from rnnstats.models.regimes.blocks.base import BlockRequest, Rows
from rnnstats.models.regimes.blocks.design import Design, LeastSquares, design, solve
from rnnstats.models.regimes.blocks.extras import weighted_sum
from rnnstats.models.regimes.blocks.predictor import (
    coefficient_labels,
    scattered,
    summed,
    terms,
)
from rnnstats.models.regimes.blocks.responses import ScalarResponse
from rnnstats.models.regimes.blocks.single import FamilyBlock

__all__ = ["BoundScalar", "ScalarBlock"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_CYCLES = 4  # alternations in one M-step; EM itself repeats them
_HALVINGS = 30
_SMALL = 1e-11  # Newton decrement, and relative change of further parameters, called none


class ScalarBlock(FamilyBlock):
    """Emission of one response through a linear predictor.

    Parameters
    ----------
    request : BlockRequest
    family : ScalarFamily

    Attributes
    ----------
    columns, discrete, composite, names, groups, transforms, order, levels
        As in `rnnstats.models.regimes.blocks.base.Block`.
    """

    def __init__(self, request: BlockRequest, family: ScalarFamily) -> None:
        super().__init__(request, family, terms(request, coefficient_labels(request)))

    def bind(self, rows: Rows, floor: float | FloatArray = 0.0) -> BoundScalar:
        return BoundScalar(self, rows, float(np.max(floor)))

    def response_at(self, part: FloatArray, rows: Rows) -> ScalarResponse:
        return self._response(part, design(self.request, rows), len(rows.y))

    def _response(self, part: FloatArray, given: Design, n: int) -> ScalarResponse:
        eta = given.eta(part[self.place])
        if given.usable is not None:
            eta = np.where(given.usable[:, None], eta, np.nan)
        return ScalarResponse(self.family, self.columns, eta, self.extras.read(part), n)


class BoundScalar:
    """A block with its data; see `rnnstats.models.regimes.blocks.base.BoundBlock`."""

    def __init__(self, block: ScalarBlock, rows: Rows, floor: float) -> None:
        self.block, self.floor = block, floor
        self.design = design(block.request, rows)
        usable = self.design.usable
        y = rows.y[:, 0]
        self.y = np.array(y) if usable is None else np.where(usable, y, np.nan)
        self.seen = ~np.isnan(self.y)
        self.whole = bool(self.seen.all())
        self.squares = LeastSquares(self.design, block.place)
        self.q = len(block.names)

    def log_density(self, part: FloatArray) -> FloatArray:
        eta, extra = self._read(part)
        return self.block.family.log_density(self.y, eta, extra)

    def pull(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        by_eta, by_extra = block.family.pull(self.y, *self._read(part), weights)
        out = summed(block.place, self.design.adjoint(by_eta), self.q)
        if block.extras.names:
            out += summed(block.extras.place, by_extra, self.q)
        return out

    def slopes(self, part: FloatArray) -> FloatArray:
        block = self.block
        by_eta, by_extra = block.family.slopes(self.y, *self._read(part))
        out = np.zeros((*by_eta.shape, self.q))
        matrix = self.design.matrix
        for k in range(by_eta.shape[1]):
            for a, place in enumerate(block.place[:, k]):
                column = 1.0 if matrix is None else matrix[:, a]
                out[:, k, place] += by_eta[:, k] * column
            out[:, k, block.extras.place[:, k]] = by_extra[:, :, k].T
        return out

    def m_step(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        held = np.array(part)
        for _ in range(1 if self._exact else _CYCLES):
            eta, extra = self._read(held)
            moved, size = self._coefficients(held, eta, extra, weights)
            before = moved[block.extras.place]
            fresh = block.family.fit_extra(
                self.y, self.design.eta(moved[block.place]), weights, before,
                common=block.extras.common, floor=self.floor,
            )  # fmt: skip
            moved[block.extras.place] = fresh
            held = moved
            still = bool((np.abs(fresh - before) <= 1e-8 * np.abs(fresh)).all())
            if still and size <= _SMALL * float(weights.sum()):
                break
        return held

    def curvature(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        eta, extra = self._read(part)
        information = weights * block.family.weight(self.y, eta, extra)
        out = scattered(block.place, self.design.moments(information), self.q)
        if block.extras.names:
            second = block.family.information(self.y, eta, extra)
            sums = np.einsum("nk,abnk->kab", weights, second)
            out += scattered(block.extras.place, sums, self.q)
        return out

    def response(self, part: FloatArray) -> ScalarResponse:
        return self.block._response(part, self.design, len(self.y))

    def starts(self, weights: FloatArray) -> FloatArray:
        block, family = self.block, self.block.family
        part = self.pooled.copy()
        if len(block.place):
            rough = family.working(np.where(self.seen, self.y, family.neutral))
            counted = weights * self.seen[:, None]
            part = self._regressed(rough, counted, block.place, part)
        before = block.extras.read(part)
        part = self.m_step(part, weights)
        part[block.extras.place] = family.inside(block.extras.read(part))
        if family.scale(before) is not None:
            total = (weights * self.seen[:, None]).sum(axis=0)
            total = np.full_like(total, total.sum()) if block.extras.common else total
            after = block.extras.read(part)
            part[block.extras.place[0]] = (total * after[0] + before[0]) / (total + 1.0)
        return part

    @cached_property
    def pooled(self) -> FloatArray:
        """What one regime would have, to begin with: the regression of all rows, (q,)."""
        block, family, part = self.block, self.block.family, np.zeros(self.q)
        part[block.extras.place] = family.start_extra(self.y[self.seen])[:, None]
        if len(block.place):
            rough = family.working(np.where(self.seen, self.y, family.neutral))
            alike = np.arange(len(block.place), dtype=np.intp)[:, None]
            whole = self.seen[:, None].astype(np.float64)
            part[block.place] = self._regressed(rough, whole, alike, np.zeros(len(alike)))[:, None]
        return part

    def _regressed(
        self, y: FloatArray, weights: FloatArray, place: IntArray, part: FloatArray
    ) -> FloatArray:
        """Least squares from a part on; what the data leave open stays where it is."""
        squares = LeastSquares(self.design, place)
        resid = weights * (y[:, None] - self.design.eta(part[place]))
        matrices = squares.matrix(weights)
        step = solve(matrices.sum(axis=0), squares.right(resid).sum(axis=0))
        out = np.array(part)
        out[squares.places] += squares.back(step, matrices)
        return out

    def scales(self, part: FloatArray) -> FloatArray | None:
        extra = self.block.extras.read(part)
        scale = self.block.family.scale(extra)
        return None if scale is None else scale[:, None]

    @property
    def _exact(self) -> bool:
        """Whether one cycle is the maximum: normal, and no number shared across variances."""
        block = self.block
        k_regimes = block.place.shape[1]
        alone = block.extras.common or k_regimes == 1 or (np.diff(block.place, axis=1) > 0).all()
        return block.family.name == "gaussian" and bool(alone)

    def _read(self, part: FloatArray) -> tuple[FloatArray, FloatArray]:
        block = self.block
        return self.design.eta(part[block.place]), block.extras.read(part)

    def _coefficients(
        self, part: FloatArray, eta: FloatArray, extra: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, float]:
        """One step of weighted least squares, and its Newton decrement."""
        block, family = self.block, self.block.family
        if not len(block.place):
            return np.array(part), 0.0
        score = family.pull(self.y, eta, extra, weights)[0]
        right = self.squares.right(score).sum(axis=0)
        if family.name == "gaussian":  # a weight for each regime
            matrices = (
                self.squares.matrix(weights if self.whole else weights * self.seen[:, None])
                / extra[0][:, None, None]
            )
        else:
            matrices = self.squares.matrix(weights * family.step_weight(self.y, eta, extra))
        inner = solve(matrices.sum(axis=0), right)
        size = float(inner @ right)
        step = np.zeros(self.q)
        step[self.squares.places] = self.squares.back(inner, matrices)
        if family.monotone or size <= _SMALL * float(weights.sum()):
            return part + step, size
        now = weighted_sum(weights, family.log_density(self.y, eta, extra))
        for _ in range(_HALVINGS):
            trial = part + step
            there = family.log_density(self.y, self.design.eta(trial[block.place]), extra)
            if weighted_sum(weights, there) >= now:
                return trial, size
            step = 0.5 * step
        return np.array(part), 0.0
