"""Unconstrained coordinates ``psi`` and the free natural parameters, with Jacobians.

Every block of natural parameters has a kind:

``real``
    left as it is;
``positive``
    ``x = exp(psi)``;
``interval``
    ``x = lo + (hi - lo) / (1 + exp(-psi))``;
``covariance``
    the lower triangle of ``L L'``, row by row, with ``L`` lower triangular and
    ``psi = (log L_11, L_21, log L_22, ...)`` (log-Cholesky; Pinheiro and Bates 1996);
``oscillator``
    ``(a, b)`` with ``a**2 + b**2 < 1`` and ``b > 0``: radius and angle, both logistic,
    ``a = r cos w``, ``b = r sin w`` with ``r`` in (0, 1) and ``w`` in (0, pi).

A covariance or oscillator block with a fixed or tied part falls apart into positive, interval
and real pieces; points outside its domain are then refused by the likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnstats.parameters.layout import Layout

__all__ = ["Block", "Kind", "Transform"]

FloatArray = NDArray[np.float64]
Kind = Literal["real", "positive", "interval", "covariance", "oscillator"]


@dataclass(frozen=True)
class Block:
    """Natural parameters that are transformed together.

    Attributes
    ----------
    kind : {"real", "positive", "interval", "covariance", "oscillator"}
    indices : tuple of int
        Places in ``theta``; for ``covariance`` the lower triangle row by row.
    lo, hi : float
        Ends of an interval (``interval`` only).
    """

    kind: Kind
    indices: tuple[int, ...]
    lo: float = 0.0
    hi: float = 1.0


class Transform:
    """Map between ``psi`` (unconstrained) and the free natural parameters.

    Parameters
    ----------
    k : int
        Number of free parameters.
    blocks : iterable of Block
        Blocks with places in the *free* vector; places in no block are real.
    """

    __slots__ = ("_cov", "_hi", "_intervals", "_lo", "_osc", "_positive", "blocks", "k", "trivial")

    def __init__(self, k: int, blocks: Iterable[Block] = ()) -> None:
        self.k = k
        self.blocks = tuple(blocks)
        positive: list[int] = []
        intervals: list[tuple[int, float, float]] = []
        self._cov: list[tuple[NDArray[np.intp], _Triangle]] = []
        self._osc: list[tuple[int, int]] = []
        for block in self.blocks:
            if block.kind == "positive":
                positive.extend(block.indices)
            elif block.kind == "interval":
                intervals.extend((i, block.lo, block.hi) for i in block.indices)
            elif block.kind == "covariance":
                index = np.array(block.indices, dtype=np.intp)
                self._cov.append((index, _Triangle(len(block.indices))))
            elif block.kind == "oscillator":
                self._osc.append((block.indices[0], block.indices[1]))
        self._positive = np.array(positive, dtype=np.intp)
        self._intervals = np.array([i for i, _, _ in intervals], dtype=np.intp)
        self._lo = np.array([lo for _, lo, _ in intervals])
        self._hi = np.array([hi for _, _, hi in intervals])
        self.trivial = not (positive or intervals or self._cov or self._osc)

    @classmethod
    def for_layout(cls, layout: Layout, blocks: Sequence[Block]) -> Transform:
        """Transform of the free parameters of ``layout`` from blocks placed in ``theta``."""
        pieces: list[Block] = []
        for block in blocks:
            places = [layout.free_column(i) for i in block.indices]
            free = tuple(place for place in places if place is not None)
            if len(free) == len(places):
                pieces.append(Block(block.kind, free, block.lo, block.hi))
            elif block.kind in ("positive", "interval"):
                pieces.append(Block(block.kind, free, block.lo, block.hi))
            elif block.kind == "covariance":
                diagonal = [places[i] for i in _diagonal_places(len(places))]
                kept = tuple(place for place in diagonal if place is not None)
                pieces.append(Block("positive", kept))
            elif block.kind == "oscillator":
                pieces.append(Block("interval", free, -1.0, 1.0))
        return cls(layout.k_free, pieces)

    def to_natural(self, psi: FloatArray) -> FloatArray:
        """Free natural parameters at ``psi``: (k,) to (k,), a new array.

        Overflow gives inf, which the likelihood refuses.
        """
        free = psi.copy()
        if self._positive.size:
            with np.errstate(over="ignore"):
                free[self._positive] = np.exp(psi[self._positive])
        if self._intervals.size:
            free[self._intervals] = self._lo + (self._hi - self._lo) * _logistic(
                psi[self._intervals]
            )
        if self._cov:
            with np.errstate(over="ignore", invalid="ignore"):
                for index, triangle in self._cov:
                    free[index] = triangle.covariance(psi[index])
        for i, j in self._osc:
            r, w = _logistic_scalar(psi[i]), math.pi * _logistic_scalar(psi[j])
            free[i], free[j] = r * math.cos(w), r * math.sin(w)
        return free

    def to_unconstrained(self, free: FloatArray) -> FloatArray:
        """Return ``psi`` with ``to_natural(psi) == free``: (k,) to (k,).

        Raises
        ------
        ValueError
            When ``free`` is on or outside the border of its domain.
        """
        psi = np.array(free, dtype=np.float64)
        if np.any(free[self._positive] <= 0.0):
            raise ValueError("a positive parameter must be above zero")
        psi[self._positive] = np.log(free[self._positive])
        if self._intervals.size:
            share = (free[self._intervals] - self._lo) / (self._hi - self._lo)
            if np.any((share <= 0.0) | (share >= 1.0)):
                raise ValueError("a parameter must lie inside its interval")
            psi[self._intervals] = np.log(share) - np.log1p(-share)
        for index, triangle in self._cov:
            psi[index] = triangle.unconstrained(free[index])
        for i, j in self._osc:
            r, w = math.hypot(free[i], free[j]), math.atan2(free[j], free[i]) / math.pi
            if not (0.0 < r < 1.0 and 0.0 < w < 1.0):
                raise ValueError("an oscillator (a, b) must have b > 0 and a**2 + b**2 < 1")
            psi[i], psi[j] = math.log(r) - math.log1p(-r), math.log(w) - math.log1p(-w)
        return psi

    def pull(self, psi: FloatArray, gradient: FloatArray) -> FloatArray:
        """Gradient in ``psi`` from the gradient in the free natural parameters: ``J' g``."""
        if self.trivial:
            return gradient
        out = gradient.copy()
        if self._positive.size:
            out[self._positive] *= np.exp(psi[self._positive])
        if self._intervals.size:
            share = _logistic(psi[self._intervals])
            out[self._intervals] *= (self._hi - self._lo) * share * (1.0 - share)
        for index, triangle in self._cov:
            out[index] = triangle.pull(psi[index], gradient[index])
        for i, j in self._osc:
            out[i], out[j] = _oscillator_jacobian(psi[i], psi[j]).T @ gradient[[i, j]]
        return out

    def jacobian(self, psi: FloatArray) -> FloatArray:
        """Jacobian ``d free / d psi``, shape (k, k)."""
        jac = np.eye(self.k)
        jac[self._positive, self._positive] = np.exp(psi[self._positive])
        if self._intervals.size:
            share = _logistic(psi[self._intervals])
            jac[self._intervals, self._intervals] = (self._hi - self._lo) * share * (1.0 - share)
        for index, triangle in self._cov:
            jac[np.ix_(index, index)] = triangle.jacobian(psi[index])
        for i, j in self._osc:
            jac[np.ix_([i, j], [i, j])] = _oscillator_jacobian(psi[i], psi[j])
        return jac


class _Triangle:
    """Log-Cholesky of one covariance matrix given by its lower triangle, row by row."""

    __slots__ = ("cols", "diagonal", "flat", "flat_upper", "n", "rows", "weights")

    def __init__(self, length: int) -> None:
        n = (math.isqrt(8 * length + 1) - 1) // 2
        self.n = n
        self.rows, self.cols = np.tril_indices(n)
        self.flat = self.rows * n + self.cols
        self.flat_upper = self.cols * n + self.rows
        self.diagonal = np.flatnonzero(self.rows == self.cols)
        self.weights = np.where(self.rows == self.cols, 2.0, 1.0)

    def factor(self, psi: FloatArray) -> FloatArray:
        values = psi.copy()
        values[self.diagonal] = np.exp(psi[self.diagonal])
        lower = np.zeros(self.n * self.n)
        lower[self.flat] = values
        return lower.reshape(self.n, self.n)

    def covariance(self, psi: FloatArray) -> FloatArray:
        lower = self.factor(psi)
        flat: FloatArray = (lower @ lower.T).ravel()[self.flat]
        return flat

    def unconstrained(self, values: FloatArray) -> FloatArray:
        full = np.zeros((self.n, self.n))
        full[self.rows, self.cols] = values
        full[self.cols, self.rows] = values
        try:
            lower = np.linalg.cholesky(full)
        except np.linalg.LinAlgError:
            raise ValueError("a covariance matrix must be positive definite") from None
        psi: FloatArray = np.asarray(lower[self.rows, self.cols], dtype=np.float64)
        psi[self.diagonal] = np.log(psi[self.diagonal])
        return psi

    def pull(self, psi: FloatArray, gradient: FloatArray) -> FloatArray:
        # dl = sum_{i>=j} g_ij dC_ij = tr(G dC)/2 with G = g + g' (diagonal doubled): dl/dL = G L.
        lower = self.factor(psi)
        sym = np.zeros(self.n * self.n)
        weighted = gradient * self.weights
        sym[self.flat] = weighted
        sym[self.flat_upper] = weighted
        out: FloatArray = (sym.reshape(self.n, self.n) @ lower).ravel()[self.flat]
        out[self.diagonal] *= lower.ravel()[self.flat[self.diagonal]]
        return out

    def jacobian(self, psi: FloatArray) -> FloatArray:
        size = len(self.flat)
        jac = np.empty((size, size))
        for row in range(size):
            unit = np.zeros(size)
            unit[row] = 1.0
            jac[row] = self.pull(psi, unit)
        return jac


def _diagonal_places(length: int) -> list[int]:
    n = (math.isqrt(8 * length + 1) - 1) // 2
    return [i * (i + 1) // 2 + i for i in range(n)]


def _logistic(psi: FloatArray) -> FloatArray:
    half: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * psi))
    return half


def _logistic_scalar(psi: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * psi))


def _oscillator_jacobian(psi_r: float, psi_w: float) -> FloatArray:
    r, share = _logistic_scalar(psi_r), _logistic_scalar(psi_w)
    w = math.pi * share
    dr, dw = r * (1.0 - r), math.pi * share * (1.0 - share)
    cos, sin = math.cos(w), math.sin(w)
    return np.array([[cos * dr, -r * sin * dw], [sin * dr, r * cos * dw]])
