"""A categorical response with regressors: multinomial logit, last category as reference.

The log-likelihood is concave in the coefficients; Newton's method with halved steps finds its
maximum (McCullagh and Nelder 1989, section 5.4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.categorical import log_probabilities
from rnnstats.models.regimes.blocks.base import BlockRequest, Rows
from rnnstats.models.regimes.blocks.categorical import CategoricalResponse
from rnnstats.models.regimes.blocks.design import Design, LeastSquares, design, solve
from rnnstats.models.regimes.blocks.extras import weighted_sum
from rnnstats.models.regimes.blocks.predictor import (
    coefficient_labels,
    own,
    reordered,
    scattered,
    summed,
    terms,
)
from rnnstats.models.regimes.blocks.single import CodedBlock
from rnnstats.parameters.transforms import Block as TransformBlock

__all__ = ["LogitBlock"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_STEPS = 12
_HALVINGS = 30
_SMALL = 1e-11  # Newton decrement, as a share of the weights, called none


class LogitBlock(CodedBlock):
    """Multinomial logit in each regime.

    Parameters
    ----------
    request : BlockRequest
        With ``levels``.

    Attributes
    ----------
    columns, discrete, composite, names, groups, transforms, order, levels
        As in `rnnstats.models.regimes.blocks.base.Block`.
    """

    def __init__(self, request: BlockRequest) -> None:
        super().__init__(request)
        labels = [
            label
            for level in self.levels[:-1]
            for label in coefficient_labels(request, 0, f"={level}")
        ]
        made = terms(request, labels)
        self.names, self.groups = made.names, made.groups
        self.place = made.place  # rows: level by level, within it the design's columns
        self.transforms: tuple[TransformBlock, ...] = ()
        self.own = own(self.place)

    def bind(self, rows: Rows, floor: float | FloatArray = 0.0) -> _BoundLogit:
        return _BoundLogit(self, rows)

    def response_at(self, part: FloatArray, rows: Rows) -> CategoricalResponse:
        probabilities = np.exp(self.log_table(part, design(self.request, rows)))
        return CategoricalResponse(self.columns, self.levels, probabilities, len(rows.y))

    def reordered(self, part: FloatArray, order: IntArray) -> FloatArray:
        return reordered(part, order, self.place)

    def log_table(self, part: FloatArray, given: Design) -> FloatArray:
        """
        Log probabilities of all levels.

        Parameters
        ----------
        part : ndarray, shape (q,)
        given : Design

        Returns
        -------
        ndarray, shape (n, K, levels) or (1, K, levels)
        """
        coefficients = part[self.place].reshape(len(self.levels) - 1, given.m, -1)
        logits = np.stack([given.eta(level) for level in coefficients], axis=2)
        return log_probabilities(logits)


class _BoundLogit:
    """A block with its data; see `rnnstats.models.regimes.blocks.base.BoundBlock`."""

    def __init__(self, block: LogitBlock, rows: Rows) -> None:
        self.block, self.q, self.n = block, len(block.names), len(rows.y)
        self.design = design(block.request, rows)
        y = rows.y[:, 0]
        self.seen = ~np.isnan(y)
        self.codes = np.where(self.seen, y, 0.0).astype(np.intp)
        levels = block.place.reshape(len(block.levels) - 1, self.design.m, -1)
        self.squares = LeastSquares(self.design, levels[0])
        self.places = [np.unique(place) for place in levels]
        # 1 in the column of the level observed; the last level is the row of zeros
        self.hot = np.eye(len(block.levels))[self.codes] * self.seen[:, None]

    def log_density(self, part: FloatArray) -> FloatArray:
        return self._density(self.block.log_table(part, self.design))

    def pull(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        probabilities = np.exp(self.block.log_table(part, self.design))
        return self._score(probabilities, weights)

    def slopes(self, part: FloatArray) -> FloatArray:
        block = self.block
        probabilities = np.exp(block.log_table(part, self.design))
        k_regimes, m = probabilities.shape[1], self.design.m
        matrix = self.design.matrix
        out = np.zeros((self.n, k_regimes, self.q))
        for row in range(len(block.place)):
            level, column = divmod(row, m)
            value = 1.0 if matrix is None else matrix[:, column]
            for k in range(k_regimes):
                resid = self.seen * (self.hot[:, level] - probabilities[:, k, level])
                out[:, k, block.place[row, k]] += resid * value
        return out

    def m_step(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        held = np.array(part)
        counted = weights * self.seen[:, None]
        enough = _SMALL * float(counted.sum())
        for _ in range(_STEPS):
            logs = self.block.log_table(held, self.design)
            probabilities = np.exp(logs)
            step, size = self._step(probabilities, counted)
            now = weighted_sum(counted, self._density(logs))
            for _ in range(_HALVINGS):
                trial = held + step
                if weighted_sum(counted, self.log_density(trial)) >= now:
                    held = trial
                    break
                step = 0.5 * step
            if size <= enough:
                break
        return held

    def curvature(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        probabilities = np.exp(self.block.log_table(part, self.design))
        return self._information(probabilities, weights * self.seen[:, None])

    def response(self, part: FloatArray) -> CategoricalResponse:
        block = self.block
        probabilities = np.exp(block.log_table(part, self.design))
        return CategoricalResponse(block.columns, block.levels, probabilities, self.n)

    def starts(self, weights: FloatArray) -> FloatArray:
        k_regimes = weights.shape[1]
        softened = 0.95 * weights + 0.05 * weights.sum(axis=1, keepdims=True) / k_regimes
        return self.m_step(np.zeros(self.q), softened)

    def scales(self, part: FloatArray) -> None:
        return None

    def _density(self, logs: FloatArray) -> FloatArray:
        rows = np.arange(self.n) if len(logs) > 1 else np.zeros(self.n, dtype=np.intp)
        out: FloatArray = logs[rows, :, self.codes]
        out[~self.seen] = 0.0
        return out

    def _score(self, probabilities: FloatArray, weights: FloatArray) -> FloatArray:
        pieces = [self.design.adjoint(r) for r in self._resid(probabilities, weights)]
        return summed(self.block.place, np.concatenate(pieces), self.q)

    def _step(self, probabilities: FloatArray, weights: FloatArray) -> tuple[FloatArray, float]:
        """Newton's step, and the gain it promises, in coordinates without collinearity."""
        squares, k_logits = self.squares, len(self.block.levels) - 1
        right = np.stack(
            [squares.right(r).sum(axis=0) for r in self._resid(probabilities, weights)]
        )
        r = right.shape[1]
        wide = np.zeros((k_logits, r, k_logits, r))
        for a in range(k_logits):
            for b in range(a + 1):
                own = probabilities[:, :, a] * ((a == b) - probabilities[:, :, b])
                piece = squares.matrix(weights * own).sum(axis=0)
                wide[a, :, b] = piece
                wide[b, :, a] = piece
        inner = solve(wide.reshape(right.size, -1), right.ravel())
        out, matrices = np.zeros(self.q), squares.matrix(weights)
        for places, own in zip(self.places, inner.reshape(right.shape), strict=True):
            out[places] = squares.back(own, matrices)
        return out, float(inner @ right.ravel())

    def _resid(self, probabilities: FloatArray, weights: FloatArray) -> list[FloatArray]:
        """Weighted residuals of each logit, (n, K)."""
        return [
            weights * (self.hot[:, level, None] - self.seen[:, None] * probabilities[:, :, level])
            for level in range(len(self.block.levels) - 1)
        ]

    def _information(self, probabilities: FloatArray, weights: FloatArray) -> FloatArray:
        k_logits, m = len(self.block.levels) - 1, self.design.m
        k_regimes = probabilities.shape[1]
        wide = np.zeros((k_regimes, k_logits, m, k_logits, m))
        for a in range(k_logits):
            for b in range(a + 1):
                own = probabilities[:, :, a] * ((a == b) - probabilities[:, :, b])
                piece = self.design.moments(weights * own)
                wide[:, a, :, b] = piece
                wide[:, b, :, a] = piece
        return scattered(
            self.block.place, wide.reshape(k_regimes, k_logits * m, k_logits * m), self.q
        )
