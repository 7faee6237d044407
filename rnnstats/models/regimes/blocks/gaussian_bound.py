"""Densities, slopes and M-steps of responses that are jointly normal given the regime."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.models.regimes.blocks.base import Rows
from rnnstats.models.regimes.blocks.design import LeastSquares, design, solve
from rnnstats.models.regimes.blocks.normal import NormalResponse, factor

if TYPE_CHECKING:
    from rnnstats.models.regimes.blocks.gaussian import GaussianBlock

__all__ = ["BoundGaussian"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_LOG_2PI = math.log(2.0 * math.pi)
_CYCLES = 8  # alternations in one M-step where it has no closed form
_SMALL = 1e-9  # relative change called none


@dataclass(frozen=True, eq=False)
class _Pattern:
    """Rows in which the same elements are seen, and the others are gone."""

    rows: IntArray | slice
    seen: IntArray
    gone: IntArray

    def square(self) -> tuple[IntArray, IntArray]:
        """Index of the submatrix of what is seen."""
        return self.seen[:, None], self.seen[None, :]


class BoundGaussian:
    """A jointly normal block with its data; see `blocks.base.BoundBlock`.

    Parameters
    ----------
    block : GaussianBlock
    rows : Rows
    floor : ndarray, shape (d,)
        Lower bounds of variances in M-steps.
    """

    def __init__(self, block: GaussianBlock, rows: Rows, floor: FloatArray) -> None:
        self.block, self.floor = block, floor
        self.n, self.d = rows.y.shape
        self.q, self.k_regimes = len(block.names), block.place.shape[2]
        self.design = design(block.request, rows)
        usable = self.design.usable
        seen = ~np.isnan(rows.y)
        if usable is not None:
            seen &= usable[:, None]
        self.seen, self.y = seen, np.where(seen, rows.y, 0.0)
        self.heard: NDArray[np.bool_] = np.asarray(seen.any(axis=1))
        self.patterns = _patterns(seen)
        self.complete = bool(seen[self.heard].all())
        self.squares = LeastSquares(self.design, block.place[0])
        self.places = [np.unique(place) for place in block.place]  # in the same order each
        self.switching = bool((np.diff(block.place, axis=2) > 0).all()) or self.k_regimes == 1

    def log_density(self, part: FloatArray) -> FloatArray:
        """
        Log density given each regime.

        Parameters
        ----------
        part : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (n, K)
            0 in rows conditioned on or missing; -inf for a covariance matrix that is not
            positive definite.
        """
        out = np.zeros((self.n, self.k_regimes))
        covariances = self.block.covariances(part)
        for k, covariance in enumerate(covariances):
            resid = self._resid(part, k)
            for pattern in self.patterns:
                lower = factor(covariance[pattern.square()])
                if lower is None:
                    out[pattern.rows, k] = -np.inf
                    continue
                whitened = resid[pattern.rows][:, pattern.seen] @ np.linalg.inv(lower).T
                constant = np.log(np.diagonal(lower)).sum() + 0.5 * len(lower) * _LOG_2PI
                out[pattern.rows, k] = -0.5 * np.einsum("ni,ni->n", whitened, whitened) - constant
        return out

    def pull(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        """
        Derivative of ``sum(weights * log_density)``.

        Parameters
        ----------
        part : ndarray, shape (q,)
        weights : ndarray, shape (n, K)

        Returns
        -------
        ndarray, shape (q,)
        """
        out = np.zeros(self.q + 1)  # the last one takes what is not a parameter
        for k, covariance in enumerate(self.block.covariances(part)):
            scores, precisions = self._scores(part, k, covariance)
            weighted = weights[:, k, None] * scores
            np.add.at(out, self.block.place[:, :, k], self.design.adjoint(weighted).T)
            by_cov = weighted.T @ scores
            for pattern, precision in zip(self.patterns, precisions, strict=True):
                by_cov[pattern.square()] -= weights[pattern.rows, k].sum() * precision
            np.add.at(out, self.block.cov_place[:, :, k], 0.5 * by_cov)
        return out[:-1]

    def slopes(self, part: FloatArray) -> FloatArray:
        """
        Derivative of the log density.

        Parameters
        ----------
        part : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (n, K, q)
        """
        block = self.block
        out = np.zeros((self.n, self.k_regimes, self.q + 1))
        matrix = self.design.matrix
        for k, covariance in enumerate(block.covariances(part)):
            scores, precisions = self._scores(part, k, covariance)
            for j, a in np.ndindex(self.d, self.design.m):
                column = 1.0 if matrix is None else matrix[:, a]
                out[:, k, block.place[j, a, k]] += scores[:, j] * column
            spread = np.zeros((self.n, self.d, self.d))
            for pattern, precision in zip(self.patterns, precisions, strict=True):
                wide = np.zeros((self.d, self.d))
                wide[pattern.square()] = precision
                spread[pattern.rows] = wide
            for i, j in np.ndindex(self.d, self.d):
                by_cov = 0.5 * (scores[:, i] * scores[:, j] - spread[:, i, j])
                out[:, k, block.cov_place[i, j, k]] += by_cov
        return out[:, :, :-1]

    def m_step(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        """
        Coefficients by least squares, then covariances.

        Parameters
        ----------
        part : ndarray, shape (q,)
        weights : ndarray, shape (n, K)

        Returns
        -------
        ndarray, shape (q,)
            The maximum in one go with complete rows and either all coefficients switching or
            tied covariances; otherwise the end of some steps that each go up.
        """
        counted = weights * self.heard[:, None]
        held = np.array(part)
        exact = self.complete and (self.switching or self.block.tied)
        for _ in range(1 if exact else _CYCLES):
            before = np.array(held)
            resid, excess = zip(
                *(self._completed(before, k, counted[:, k]) for k in range(self.k_regimes)),
                strict=True,
            )
            held = self._coefficients(before, counted, list(resid))
            self._covariances(before, held, counted, list(resid), np.array(excess))
            if (np.abs(held - before) <= _SMALL * np.abs(held)).all():
                break
        return held

    def curvature(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        """
        Information expected of complete data.

        Parameters
        ----------
        part : ndarray, shape (q,)
        weights : ndarray, shape (n, K)

        Returns
        -------
        ndarray, shape (q, q)
        """
        block, d = self.block, self.d
        out = np.zeros((self.q + 1, self.q + 1))
        for k, covariance in enumerate(block.covariances(part)):
            places = block.place[:, :, k].ravel()
            elements = block.cov_place[:, :, k].ravel()
            for pattern in self.patterns:
                precision = np.zeros((d, d))
                precision[pattern.square()] = _inverse(covariance[pattern.square()])
                mass = np.zeros((self.n, 1))
                mass[pattern.rows, 0] = weights[pattern.rows, k]
                moments = self.design.moments(mass)[0]
                np.add.at(out, (places[:, None], places), np.kron(precision, moments))
                # tr(P E_ij P E_kl) / 2 summed over both orders of each pair
                spread = 0.5 * mass.sum() * np.einsum("jk,li->ijkl", precision, precision)
                np.add.at(out, (elements[:, None], elements), spread.reshape(d * d, d * d))
        return out[:-1, :-1]

    def response(self, part: FloatArray) -> NormalResponse:
        """
        Distribution at the rows of the data.

        Parameters
        ----------
        part : ndarray, shape (q,)

        Returns
        -------
        NormalResponse
        """
        return self.block.law(part, self.design, self.n)

    def starts(self, weights: FloatArray) -> FloatArray:
        """
        Regressions of the classes, from the regression of all rows on.

        Parameters
        ----------
        weights : ndarray, shape (n, K)

        Returns
        -------
        ndarray, shape (q,)
            Covariances include d + 1 observations of the covariance of all rows.
        """
        block, part = self.block, np.zeros(self.q)
        spread = np.ones(self.d)
        for j in range(self.d):
            values = self.y[self.seen[:, j], j]
            if values.size and np.ptp(values) > 0.0:
                spread[j] = values.var()
            if values.size and block.request.trend != "n":
                part[block.place[j, 0]] = values.mean()
        block.put_covariances(part, self._shaped(np.diag(spread))[None].repeat(self.k_regimes, 0))
        alike = np.repeat(weights.mean(axis=1, keepdims=True), self.k_regimes, axis=1)
        pooled = self.m_step(part, alike)
        part = self.m_step(pooled, weights)
        total = (weights * self.heard[:, None]).sum(axis=0)[:, None, None]
        extra = self.d + 1.0
        whole = block.covariances(pooled)
        if not block.tied:
            mixed = (total * block.covariances(part) + extra * whole) / (total + extra)
            block.put_covariances(part, mixed)
        return part

    def scales(self, part: FloatArray) -> FloatArray:
        """
        Standard deviation of each column given the others of its row, in each regime.

        Parameters
        ----------
        part : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (K, d)
            0 for a singular covariance matrix.
        """
        out = np.zeros((self.k_regimes, self.d))
        for k, covariance in enumerate(self.block.covariances(part)):
            if factor(covariance) is not None:
                out[k] = 1.0 / np.sqrt(np.diagonal(_inverse(covariance)))
        return out

    def _mean(self, part: FloatArray, k: int) -> FloatArray:
        return self.design.eta(part[self.block.place[:, :, k]].T)

    def _resid(self, part: FloatArray, k: int) -> FloatArray:
        out: FloatArray = self.y - self._mean(part, k)
        return out

    def _scores(
        self, part: FloatArray, k: int, covariance: FloatArray
    ) -> tuple[FloatArray, list[FloatArray]]:
        """Precision times residual, (n, d), 0 where missing; precisions by pattern."""
        resid = self._resid(part, k)
        out = np.zeros((self.n, self.d))
        precisions: list[FloatArray] = []
        for pattern in self.patterns:
            precision: FloatArray = _inverse(covariance[pattern.square()])
            precisions.append(precision)
            out[_block(pattern)] = resid[pattern.rows][:, pattern.seen] @ precision
        return out, precisions

    def _completed(
        self, part: FloatArray, k: int, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Residuals with those missing at their conditional mean, and their covariance summed."""
        resid = self._resid(part, k)
        excess = np.zeros((self.d, self.d))
        if self.complete:
            return resid, excess
        covariance = self.block.covariances(part)[k]
        for pattern in self.patterns:
            gone = pattern.gone
            if not len(gone):
                continue
            cross = covariance[gone[:, None], pattern.seen]
            slope = cross @ _inverse(covariance[pattern.square()])
            own = resid[pattern.rows][:, pattern.seen]
            resid[_block(pattern, gone)] = own @ slope.T
            rest = covariance[gone[:, None], gone] - slope @ cross.T
            excess[gone[:, None], gone] += weights[pattern.rows].sum() * rest
        return resid, excess

    def _coefficients(
        self, part: FloatArray, weights: FloatArray, resid: list[FloatArray]
    ) -> FloatArray:
        """Least squares of the completed residuals, added to the coefficients."""
        out, squares = np.array(part), self.squares
        if not self.design.m:
            return out
        matrices = squares.matrix(weights)
        rights = np.stack(
            [
                squares.right(weights * np.stack([r[:, j] for r in resid], axis=1))
                for j in range(self.d)
            ]
        )  # (d, K, r)
        if self.switching or self.block.tied:  # the same equations for every column
            step = solve(matrices.sum(axis=0), rights.sum(axis=1).T).T
        else:
            precisions = np.stack([_inverse(c) for c in self.block.covariances(part)])
            wide = np.einsum("kij,kab->iajb", precisions, matrices).reshape(rights[:, 0].size, -1)
            step = solve(wide, np.einsum("kij,jka->ia", precisions, rights).ravel())
            step = step.reshape(self.d, -1)
        for j, places in enumerate(self.places):
            out[places] += squares.back(step[j], matrices)
        return out

    def _covariances(
        self,
        before: FloatArray,
        held: FloatArray,
        weights: FloatArray,
        resid: list[FloatArray],
        excess: FloatArray,
    ) -> None:
        """Second moments of the residuals, in the shape asked for and above the floor."""
        block = self.block
        sums = np.empty((self.k_regimes, self.d, self.d))
        for k, completed in enumerate(resid):
            fresh = completed - (self._mean(held, k) - self._mean(before, k))
            sums[k] = (weights[:, k, None] * fresh).T @ fresh + excess[k]
        total = weights.sum(axis=0)
        if block.tied:
            sums[:], total = sums.sum(axis=0), np.full(self.k_regimes, total.sum())
        covariances = block.covariances(before)
        for k in map(int, np.flatnonzero(total > 0.0)):
            found = _above(self._shaped(sums[k] / total[k]), self.floor, block.covariance)
            if factor(found) is not None:
                covariances[k] = found
        block.put_covariances(held, covariances)

    def _shaped(self, covariance: FloatArray) -> FloatArray:
        kind = self.block.covariance
        if kind == "full":
            return covariance
        variances = np.diagonal(covariance)
        return np.diag(variances if kind == "diagonal" else np.full(self.d, variances.mean()))


def _patterns(seen: NDArray[np.bool_]) -> tuple[_Pattern, ...]:
    """Rows by what is seen in them; rows in which nothing is are in no pattern."""
    if seen.all():
        return (_Pattern(slice(None), np.arange(seen.shape[1]), np.arange(0)),)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    found = enumerate(kinds)
    return tuple(
        _Pattern(np.flatnonzero(which.ravel() == i), np.flatnonzero(kind), np.flatnonzero(~kind))
        for i, kind in found
        if kind.any()
    )


def _inverse(covariance: FloatArray) -> FloatArray:
    """Precision matrix; zero for a covariance matrix that has none, whose density is zero."""
    lower = factor(covariance)
    if lower is None:
        return np.zeros_like(covariance)
    half = np.linalg.inv(lower)
    out: FloatArray = half.T @ half
    return out


def _block(
    pattern: _Pattern, elements: IntArray | None = None
) -> tuple[IntArray | slice, IntArray]:
    """Index of a pattern's elements (those seen) in an array of rows and columns."""
    chosen = pattern.seen if elements is None else elements
    if isinstance(pattern.rows, slice):
        return pattern.rows, chosen
    return pattern.rows[:, None], chosen


def _above(covariance: FloatArray, floor: FloatArray, kind: str) -> FloatArray:
    """The most likely covariance matrix that exceeds the floor by a semi-definite one.

    Eigenvalues below one are set to one after scaling by the floor; with a floor of zero nothing
    changes.
    """
    if not (floor > 0.0).all():
        return covariance
    if kind == "spherical":
        return np.diag(np.maximum(np.diagonal(covariance), floor.max()))
    size = np.sqrt(floor)
    values, vectors = np.linalg.eigh(covariance / np.outer(size, size))
    if values[0] >= 1.0:
        return covariance
    clipped: FloatArray = (vectors * np.maximum(values, 1.0)) @ vectors.T
    out: FloatArray = 0.5 * (clipped + clipped.T) * np.outer(size, size)
    return np.diag(np.diagonal(out)) if kind == "diagonal" else out
