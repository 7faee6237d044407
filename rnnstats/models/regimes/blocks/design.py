"""Designs of linear predictors, and least squares of coefficients shared between regimes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgeqrf, dorgqr, dpotrf, dpotrs, dtrtri

from rnnstats.models.regimes.blocks.base import BlockRequest, Rows

__all__ = ["Design", "LeastSquares", "design", "residuals", "solve"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_MOST_PRODUCTS: Final = 4_000_000  # numbers kept so that moments are one product
_SURE: Final = 1e-2  # pivot of a Cholesky factor with unit diagonal that leaves no doubt
_FLAT: Final = 1e-10  # singular values that count as zero, as a share of the largest
_COLLINEAR: Final = 1e-12  # part of a column that earlier ones leave over, called rounding


@dataclass(frozen=True, eq=False)
class Design:
    """Design of n rows.

    Attributes
    ----------
    matrix : ndarray, shape (n, m), or None
        None for a constant alone (or nothing): one row then stands for all.
    m : int
    usable : ndarray of bool, shape (n,), or None
        Rows whose lags are all seen; None for all. Unusable rows have zeros in ``matrix``.
    """

    matrix: FloatArray | None
    m: int
    usable: NDArray[np.bool_] | None

    def eta(self, coefficients: FloatArray) -> FloatArray:
        """
        Linear predictor.

        Parameters
        ----------
        coefficients : ndarray, shape (m, K)

        Returns
        -------
        ndarray, shape (n, K) or (1, K)
        """
        if self.matrix is None:
            return coefficients if self.m else np.zeros((1, coefficients.shape[1]))
        out: FloatArray = self.matrix @ coefficients
        return out

    def adjoint(self, values: FloatArray) -> FloatArray:
        """
        ``Z' values``.

        Parameters
        ----------
        values : ndarray, shape (n, K)

        Returns
        -------
        ndarray, shape (m, K)
        """
        if self.matrix is None:
            sums: FloatArray = (np.ones(len(values)) @ values)[None]
            return sums[: self.m]
        out: FloatArray = self.matrix.T @ values
        return out

    def moments(self, weights: FloatArray) -> FloatArray:
        """
        ``Z' diag(weights[:, k]) Z`` for each column of weights.

        Parameters
        ----------
        weights : ndarray, shape (n, K)

        Returns
        -------
        ndarray, shape (K, m, m)
        """
        if self.matrix is None:
            out: FloatArray = (np.ones(len(weights)) @ weights)[:, None, None]
            return out[:, : self.m, : self.m]
        if self._products is None:
            wide = self.matrix
            return np.stack([(wide * column[:, None]).T @ wide for column in weights.T])
        upper = weights.T @ self._products
        return upper.take(self._square, axis=1).reshape(-1, self.m, self.m)

    @cached_property
    def _square(self) -> NDArray[np.intp]:
        """Column of the products at each place of an (m, m) matrix, row by row."""
        rows, columns = np.triu_indices(self.m)
        out = np.empty((self.m, self.m), dtype=np.intp)
        out[rows, columns] = out[columns, rows] = np.arange(len(rows))
        return out.ravel()

    @cached_property
    def _products(self) -> FloatArray | None:
        """Products of pairs of columns, where they are not too many to keep."""
        rows, columns = np.triu_indices(self.m)
        if self.matrix is None or len(self.matrix) * len(rows) > _MOST_PRODUCTS:
            return None
        return np.ascontiguousarray(self.matrix[:, rows] * self.matrix[:, columns])

    @cached_property
    def orthogonal(self) -> tuple[Design, FloatArray]:
        """An orthonormal design Q and the triangle R of this one, ``Z = Q R``.

        Sums over rows for least squares are taken with Q, so that neither units nor origins of
        the columns matter.
        """
        if self.matrix is None:
            return self, np.eye(self.m)
        size = np.sqrt(np.einsum("nm,nm->m", self.matrix, self.matrix))
        size = np.where(size > 0.0, size, 1.0)
        inner, triangle = _factored(self.matrix / size)
        short = self.m - len(triangle)  # fewer rows than columns
        if short:
            inner = np.pad(inner, ((0, 0), (0, short)))
            triangle = np.pad(triangle, ((0, short), (0, 0)))
        return Design(inner, self.m, self.usable), triangle * size


class LeastSquares:
    """Normal equations of coefficients of which some are shared between regimes.

    They are written in the orthonormal coordinates of the design and of the places, by
    Gram-Schmidt in the order of the coefficients: coefficients of different regimes do not mix,
    and collinear ones, the later of them, stay where they are.

    Parameters
    ----------
    design : Design
    place : ndarray of int, shape (m, K)
        Places of the coefficients, in any numbers.

    Attributes
    ----------
    places : ndarray of int, shape (q,)
        The different places, in ascending order; steps are in this order.
    basis : ndarray, shape (K, m, r)
        Coefficients of the orthonormal design, in each regime, from the coordinates used here.
    """

    def __init__(self, design: Design, place: IntArray) -> None:
        self._inner, triangle = design.orthogonal
        if _separate(place, triangle):
            self._separated(place, triangle)
        else:
            self._shared(place, triangle)

    def _separated(self, place: IntArray, triangle: FloatArray) -> None:
        """No coefficient is shared: each regime has the coordinates of the design to itself."""
        m, k_regimes = place.shape
        order = place.ravel().argsort()
        self.places = place.ravel()[order]
        local = np.empty_like(order)
        local[order] = np.arange(len(order))
        mine = local.reshape(place.shape).T  # (K, m)
        regimes = np.arange(k_regimes)[:, None]
        self._member = np.zeros((k_regimes, len(order)), dtype=np.bool_)
        self._member[regimes, mine] = True
        self.basis = np.zeros((k_regimes, m, len(order)))
        self.basis[regimes, np.arange(m), mine] = 1.0
        self._back = np.zeros((len(order), len(order)))
        self._back[mine[:, :, None], mine[:, None]] = dtrtri(triangle)[0]

    def _shared(self, place: IntArray, triangle: FloatArray) -> None:
        """Some coefficients are shared, or collinear."""
        self.places, local = np.unique(place, return_inverse=True)
        local, k_regimes, q = local.reshape(place.shape), place.shape[1], len(self.places)
        wide = np.zeros((k_regimes, len(place), q))
        for k in range(k_regimes):
            for a, column in enumerate(local[:, k]):
                wide[k, :, column] += triangle[:, a]
        flat = wide.reshape(k_regimes * len(place), q)
        self._member = np.abs(wide).max(axis=1, initial=0.0) > 0.0
        size = np.sqrt(np.einsum("nq,nq->q", flat, flat))
        size = np.where(size > 0.0, size, 1.0)
        kept = _independent(flat / size)
        basis, rest = np.linalg.qr(flat[:, kept] / size[kept])
        self.basis = basis.reshape(k_regimes, len(place), len(rest))
        self._back = np.zeros((q, int(kept.sum())))
        self._back[kept] = np.linalg.solve(rest, np.eye(len(rest))) / size[kept, None]

    def matrix(self, weights: FloatArray) -> FloatArray:
        """
        Weighted second moments, in the coordinates used here.

        Parameters
        ----------
        weights : ndarray, shape (n, K)

        Returns
        -------
        ndarray, shape (K, r, r)
            By regime; their sum is the matrix of the normal equations.
        """
        moments = self._inner.moments(weights)
        out: FloatArray = self.basis.transpose(0, 2, 1) @ moments @ self.basis
        return out

    def right(self, values: FloatArray) -> FloatArray:
        """
        Right-hand side of the normal equations, in the coordinates used here.

        Parameters
        ----------
        values : ndarray, shape (n, K)
            Weighted residuals.

        Returns
        -------
        ndarray, shape (K, r)
            By regime.
        """
        inner = self._inner.adjoint(values)
        out: FloatArray = (inner.T[:, None, :] @ self.basis)[:, 0]
        return out

    def unfolded(self, step: FloatArray) -> FloatArray:
        """
        Coefficients from the coordinates used here.

        Parameters
        ----------
        step : ndarray, shape (r,)

        Returns
        -------
        ndarray, shape (q,)
        """
        out: FloatArray = self._back @ step
        return out

    def back(self, step: FloatArray, matrices: FloatArray) -> FloatArray:
        """
        A step of the coefficients from one in the coordinates used here.

        Parameters
        ----------
        step : ndarray, shape (r,)
        matrices : ndarray, shape (K, r, r)
            What `matrix` gave.

        Returns
        -------
        ndarray, shape (q,)
            0 for coefficients of regimes without weight.
        """
        heard = (np.abs(matrices).max(axis=(1, 2), initial=0.0) > 0.0)[:, None]
        out = self.unfolded(step)
        out *= (self._member & heard).any(axis=0)
        return out


def _factored(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Orthonormal columns and triangle, as `numpy.linalg.qr` gives them."""
    if len(matrix) < matrix.shape[1] or not matrix.size:
        inner, triangle = np.linalg.qr(matrix)
        return inner, triangle
    raw, tau = dgeqrf(matrix)[:2]  # for few columns its own checks take longer than the work
    return np.ascontiguousarray(dorgqr(raw, tau)[0]), np.triu(raw[: matrix.shape[1]])


def _separate(place: IntArray, triangle: FloatArray) -> bool:
    """Whether all places differ, and no column of a design is collinear with earlier ones."""
    if not place.size or len(set(place.ravel().tolist())) < place.size:
        return False
    left = np.abs(triangle.diagonal())
    return bool((left > _COLLINEAR * np.sqrt(np.einsum("am,am->m", triangle, triangle))).all())


def _independent(columns: FloatArray) -> NDArray[np.bool_]:
    """Which columns, of length one, the earlier ones leave something of."""
    diagonal = np.abs(np.diagonal(np.linalg.qr(columns, mode="r")))
    out = np.ones(columns.shape[1], dtype=np.bool_)
    if len(diagonal) == len(out) and (diagonal > _COLLINEAR).all():
        return out
    basis = np.zeros((len(columns), 0))
    for j, column in enumerate(columns.T):
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)  # twice is enough (Bjorck 1996, section 2.4.5)
        size = float(np.sqrt(rest @ rest))
        out[j] = size > _COLLINEAR
        if out[j]:
            basis = np.column_stack([basis, rest / size])
    return out


def design(request: BlockRequest, rows: Rows) -> Design:
    """
    Columns constant, time, regressors, lags (lag 1 of each column, lag 2 of each, ...).

    Parameters
    ----------
    request : BlockRequest
        A block in mean form leaves the lags to itself: pass it with order 0.
    rows : Rows

    Returns
    -------
    Design
    """
    n = len(rows.y)
    pieces: list[FloatArray] = []
    if request.trend != "n":
        pieces.append(np.ones((n, 1)))
    if request.trend == "ct":
        assert rows.time is not None
        pieces.append(rows.time[:, None])
    if request.exog_names:
        assert rows.x is not None
        pieces.append(rows.x)
    usable = None
    if request.order:
        assert rows.lags is not None
        flat = rows.lags.reshape(n, -1)
        seen: NDArray[np.bool_] = np.asarray(~np.isnan(flat).any(axis=1))
        pieces.append(np.where(seen[:, None], flat, 0.0))
        usable = None if seen.all() else seen
    m = sum(piece.shape[1] for piece in pieces)
    if m == 0 or (m == 1 and request.trend == "c"):
        return Design(None, m, None)
    return Design(np.ascontiguousarray(np.concatenate(pieces, axis=1)), m, usable)


def residuals(y: FloatArray, matrix: FloatArray) -> FloatArray:
    """
    Least-squares residuals, columns brought to one size.

    Parameters
    ----------
    y : ndarray, shape (n,)
    matrix : ndarray, shape (n, m)
        Columns may be collinear.

    Returns
    -------
    ndarray, shape (n,)
    """
    size = np.sqrt(np.einsum("nm,nm->m", matrix, matrix))
    size[size == 0.0] = 1.0
    scaled = matrix / size
    factor, lost = dpotrf(scaled.T @ scaled, clean=0)
    if not lost and min(factor.diagonal().tolist(), default=1.0) > _SURE:
        out: FloatArray = y - scaled @ dpotrs(factor, scaled.T @ y)[0]
        out -= scaled @ dpotrs(factor, scaled.T @ out)[0]  # what the first solution rounded
        return out
    rest: FloatArray = y - scaled @ np.linalg.lstsq(scaled, y, rcond=_FLAT)[0]
    return rest


def solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """
    Smallest solution of normal equations, with columns in their own units.

    Parameters
    ----------
    matrix : ndarray, shape (q, q)
        Positive semi-definite.
    right : ndarray, shape (q,) or (q, d)

    Returns
    -------
    ndarray
        Of the shape of ``right``. Zero in directions of which the data say nothing (eigenvalues
        below 1e-12 of the largest, after the diagonal was brought to one).
    """
    if not len(matrix) or not (np.isfinite(matrix).all() and np.isfinite(right).all()):
        return np.zeros_like(right)
    size = np.sqrt(np.maximum(matrix.diagonal(), 0.0))
    size[size == 0.0] = 1.0
    unit = matrix / (size[:, None] * size)
    factor, lost = dpotrf(unit, clean=0)
    if not lost and factor.diagonal().min() > _SURE:  # far from collinear
        by = size if right.ndim == 1 else size[:, None]
        found: FloatArray = dpotrs(factor, right / by)[0]
        return found.reshape(right.shape) / by
    values, vectors = np.linalg.eigh(unit)
    kept = values > 1e-12 * max(float(values[-1]), 0.0)
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    half = (vectors * inverse) @ vectors.T / np.outer(size, size)
    out: FloatArray = half @ right
    return out
