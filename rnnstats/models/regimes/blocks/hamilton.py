"""Markov switching autoregression in mean form: deviations from the regime's mean are an AR(p).

``y_t - m_t(h_t) = sum_l ar_l (y_{t-l} - m_{t-l}(h_{t-l})) + e_t`` with
``m_t(k) = c_k + b_k t + D_k x_t`` (Hamilton 1989; Hamilton 1994, section 22.4). The
residual depends on p + 1 regimes, so densities are columns of composite states
``(h_t, ..., h_{t-p})``, ``h_t`` the most significant digit. For each of them the residual is
``a_s' v_t``: ``v_t`` holds responses and regressors of the row and its lags, ``a_s`` is bilinear
in means and autoregressive coefficients. Everything sums over rows through ``v_t v_t'``, weighted
by state. An M-step takes the means, then the autoregression, then the variances (ECM; Meng and
Rubin 1993) once each: more rounds gain less than the next pass of EM does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.gaussian import Gaussian
from rnnstats.models.regimes.blocks.base import BlockRequest, Rows
from rnnstats.models.regimes.blocks.design import Design, design, solve
from rnnstats.models.regimes.blocks.normal import NormalResponse
from rnnstats.models.regimes.blocks.predictor import (
    coefficient_labels,
    summed,
    terms,
)
from rnnstats.models.regimes.blocks.single import FamilyBlock
from rnnstats.models.regimes.law.composite import lagged_regimes

__all__ = ["BoundHamilton", "HamiltonBlock"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_LOG_2PI = math.log(2.0 * math.pi)
_START_STEPS = 1
_MOST_DENSE = 200_000  # numbers of quadratic forms kept as matrices
_MOST_KEPT = 2**20  # numbers kept for the next call: 8 MiB


@dataclass(frozen=True, eq=False)
class _Bilinear:
    """Signed products of two numbers each (a parameter, or 1), added into cells."""

    cell: IntArray
    first: IntArray
    second: IntArray
    sign: FloatArray


class HamiltonBlock(FamilyBlock):
    """Emission of one response as an autoregression around switching means.

    Parameters
    ----------
    request : BlockRequest
        With ``order`` at least 1.

    Attributes
    ----------
    columns, discrete, composite, names, groups, transforms, order, levels
        As in `rnnstats.models.regimes.blocks.base.Block`.
    digits : ndarray of int, shape (S, p + 1)
        Regimes of each composite state.
    """

    composite = True

    def __init__(self, request: BlockRequest) -> None:
        super().__init__(request, Gaussian(), terms(request, coefficient_labels(request)))
        self._still = replace(request, order=0)  # its design is that of the means
        self.mean_place: IntArray = self.place[: -request.order]
        self.ar_place: IntArray = self.place[-request.order :]
        self.digits = lagged_regimes(request.k_regimes, request.order)
        self.means = _columns(request, len(self.mean_place))
        self.r = 2 + self.order + int(self.means.max(initial=-1))
        self.products = self._products()
        self.free_means, self.free_ar = np.unique(self.mean_place), np.unique(self.ar_place)

    def bind(self, rows: Rows, floor: float | FloatArray = 0.0) -> BoundHamilton:
        return BoundHamilton(self, rows, float(np.max(floor)))

    def response_at(self, part: FloatArray, rows: Rows) -> NormalResponse:
        return self.law(part, self.stacked(replace(rows, y=np.zeros_like(rows.y))))

    def law(self, part: FloatArray, stacked: FloatArray) -> NormalResponse:
        """
        Distribution given responses and regressors of rows and their lags.

        Parameters
        ----------
        part : ndarray, shape (q,)
        stacked : ndarray, shape (n, r)
            As `stacked` makes it; the first column is not looked at.

        Returns
        -------
        NormalResponse
        """
        means = -(stacked[:, 1:] @ self.loadings(part)[:, 1:].T)[:, :, None]
        variances = self.extras.read(part)[0][self.digits[:, 0]]
        return NormalResponse(self.columns, means, variances[:, None, None], len(stacked))

    def stacked(self, rows: Rows) -> FloatArray:
        """
        Responses of a row and its lags, then the design of the means at the row and its lags.

        Parameters
        ----------
        rows : Rows

        Returns
        -------
        ndarray, shape (n, r)
            The constant stands once.
        """
        assert rows.lags is not None
        n, request = len(rows.y), self.request
        out = np.empty((n, self.r))
        out[:, 0] = rows.y[:, 0]
        out[:, 1 : 1 + self.order] = rows.lags[:, :, 0]
        base = 1 + self.order
        for lag in range(self.order + 1):
            own = rows
            if lag:
                own = Rows(
                    y=rows.y,
                    x=rows.lag_x[:, lag - 1] if rows.lag_x is not None else None,
                    time=rows.lag_time[:, lag - 1] if rows.lag_time is not None else None,
                )
            given = design(self._still, own)
            if given.matrix is None:
                out[:, base + self.means[lag]] = 1.0
            else:
                out[:, base + self.means[lag]] = given.matrix
        if request.trend != "n":
            out[:, base + self.means[0, 0]] = 1.0
        return out

    def loadings(self, part: FloatArray) -> FloatArray:
        """
        Coefficients of the residual of each composite state.

        Parameters
        ----------
        part : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (S, r)
        """
        extended = _extended(part)
        found: FloatArray = self.spread(extended) @ (0.5 * extended)
        return found

    def spread(self, extended: FloatArray) -> FloatArray:
        """
        Derivative of the loadings by means, autoregressive coefficients and the number 1.

        Loadings are sums of products of two of these, of which they are half the sum over.

        Parameters
        ----------
        extended : ndarray, shape (q + 1,)
            A part, and 1 behind it.

        Returns
        -------
        ndarray, shape (S, r, q + 1)
        """
        shape = (len(self.digits), self.r, len(extended))
        if self._dense is not None:
            dense: FloatArray = (self._dense @ extended).reshape(shape)
            return dense
        table, q = self.products, len(extended)
        cells = np.concatenate([table.cell * q + table.first, table.cell * q + table.second])
        values = np.concatenate([extended[table.second], extended[table.first]])
        values *= np.concatenate([table.sign, table.sign])
        return summed(cells, values, math.prod(shape)).reshape(shape)

    @cached_property
    def _dense(self) -> FloatArray | None:
        """The products as symmetric matrices, (S r (q + 1), q + 1), where they are not too many."""
        table, q = self.products, len(self.names) + 1
        size = len(self.digits) * self.r
        if size * q * q > _MOST_DENSE:
            return None
        out = np.zeros((size, q, q))
        np.add.at(out, (table.cell, table.first, table.second), table.sign)
        np.add.at(out, (table.cell, table.second, table.first), table.sign)
        return out.reshape(size * q, q)

    def _products(self) -> _Bilinear:
        """Each loading as a sum of signed products of two parameters, or of one and 1."""
        one, now = len(self.names), self.digits[:, 0]
        states = np.arange(len(self.digits)) * self.r
        pieces: list[tuple[IntArray, IntArray, IntArray, float]] = []
        ones = np.full(len(states), one, dtype=np.intp)
        pieces.append((states, ones, ones, 1.0))
        for lag in range(self.order + 1):
            ar = self.ar_place[lag - 1, now] if lag else ones
            if lag:
                pieces.append((states + lag, ar, ones, -1.0))
            for a, column in enumerate(1 + self.order + self.means[lag]):
                mean = self.mean_place[a, self.digits[:, lag]]
                pieces.append((states + column, ar, mean, 1.0 if lag else -1.0))
        cell, first, second = (np.concatenate([piece[i] for piece in pieces]) for i in range(3))
        sign = np.repeat([piece[3] for piece in pieces], len(states))
        return _Bilinear(cell, first, second, sign)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """Residuals at one value of means and autoregressive coefficients.

    Attributes
    ----------
    key : bytes
        The coefficients.
    spread : ndarray, shape (S, r, q + 1)
        See `HamiltonBlock.spread`, of the shifted responses.
    resid, squares : ndarray, shape (n, S)
        Residuals, and their squares.
    """

    key: bytes
    spread: FloatArray
    resid: FloatArray
    squares: FloatArray


class BoundHamilton:
    """A block with its data; see `rnnstats.models.regimes.blocks.base.BoundBlock`."""

    def __init__(self, block: HamiltonBlock, rows: Rows, floor: float) -> None:
        self.block, self.floor, self.n = block, floor, len(rows.y)
        self.q = len(block.names)
        self.raw = block.stacked(rows)
        self.heard: NDArray[np.bool_] = np.asarray(~np.isnan(self.raw).any(axis=1))
        self.unheard: IntArray = np.flatnonzero(~self.heard)
        self.counted = self.heard.astype(np.float64)
        self.stacked = np.where(self.heard[:, None], self.raw, 0.0)
        lagged_y = slice(0, 1 + block.order)
        # Second moments are taken around the mean where a constant can make up for it.
        self.shift = 0.0
        if block.request.trend != "n" and self.heard.any():
            self.shift = float(self.stacked[self.heard, 0].mean())
            self.stacked[self.heard, lagged_y] -= self.shift
        self.origin = np.zeros(self.q + 1)
        self.origin[-1] = 1.0
        self.origin[np.unique(block.mean_place[:1])] = -self.shift
        self.now = block.digits[:, 0]
        self.design = Design(self.stacked, block.r, None)
        self.coefficients = int(block.extras.place.min())
        self._last: _Fitted | None = None

    def log_density(self, part: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            variance = self.block.extras.read(part)[0]
            out = self._fitted(part).squares * self._by_state(-0.5 / variance)
            out -= self._by_state(0.5 * (_LOG_2PI + np.log(variance)))
        out[self.unheard] = 0.0
        return out

    def pull(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block, fitted = self.block, self._fitted(part)
        variance = block.extras.read(part)[0][self.now]
        sums = (weights * fitted.resid).T @ self.stacked
        sums /= variance[:, None]
        out: FloatArray = -(sums.ravel() @ fitted.spread.reshape(sums.size, -1))[:-1]
        squares = self.counted @ (weights * fitted.squares)
        by_variance = 0.5 * (squares / variance - self.counted @ weights) / variance
        out += summed(block.extras.place[0][self.now], by_variance, self.q)
        return out

    def slopes(self, part: FloatArray) -> FloatArray:
        block, fitted = self.block, self._fitted(part)
        variance = block.extras.read(part)[0][self.now]
        resid, slopes = fitted.resid, fitted.spread[:, :, :-1]
        flat = self.stacked @ slopes.transpose(1, 0, 2).reshape(block.r, -1)
        out: FloatArray = flat.reshape(self.n, len(self.now), self.q)
        out *= -(resid / variance)[:, :, None]
        by_variance = 0.5 * (resid**2 / variance - 1.0) / variance
        states = np.arange(len(self.now))
        out[:, states, block.extras.place[0][self.now]] += by_variance
        out[self.unheard] = 0.0
        return out

    def m_step(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block, out = self.block, np.array(part)
        moments = self.design.moments(weights)
        for places in (block.free_means, block.free_ar):
            self._climb(out, places, moments)
        self._fit_variances(out, weights)
        return out

    def curvature(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        variance = block.extras.read(part)[0][self.now]
        out = self._information(part, self.design.moments(weights))[:-1, :-1]
        each = 0.5 * (self.counted @ weights) / variance**2
        return out + np.diag(summed(block.extras.place[0][self.now], each, self.q))

    def response(self, part: FloatArray) -> NormalResponse:
        return self.block.law(part, self.raw)

    def starts(self, weights: FloatArray) -> FloatArray:
        block, part = self.block, self.pooled.copy()
        composite, rows = np.ones((self.n, 1)), np.arange(self.n)
        for lag in range(block.order + 1):
            own = weights[rows - lag]  # rows that have lags do not reach around the end
            composite = (composite[:, :, None] * own[:, None, :]).reshape(self.n, -1)
        place, spread = block.extras.place[0], self.spread_of_rows()
        for _ in range(_START_STEPS):
            part = self.m_step(part, composite)
        total = self.counted @ weights
        total = np.full_like(total, total.sum()) if block.extras.common else total
        part[place] = (total * part[place] + spread) / (total + 1.0)
        return part

    def scales(self, part: FloatArray) -> FloatArray:
        scale: FloatArray = np.sqrt(self.block.extras.read(part)[0])
        return scale[:, None]

    @cached_property
    def pooled(self) -> FloatArray:
        """Parameters where all states are as likely, without an autoregression, (q,)."""
        part, size = np.zeros(self.q), len(self.now)
        part[self.block.extras.place[0]] = self.spread_of_rows() or 1.0
        alike = np.full((self.n, size), 1.0 / size)
        self._climb(part, self.block.free_means, self.design.moments(alike))
        return part

    def spread_of_rows(self) -> float:
        """Variance of the responses that are heard."""
        return float(np.var(self.stacked[self.heard, 0])) if len(self.unheard) < self.n else 0.0

    def _by_state(self, values: FloatArray) -> FloatArray | np.float64:
        """Numbers of regimes, (K,), beside columns of states: one where it is common."""
        return values[0] if self.block.extras.common else values[self.now]

    def _centred(self, part: FloatArray) -> FloatArray:
        """The part of the shifted responses, and 1 behind it."""
        out = self.origin.copy()
        out[:-1] += part
        return out

    def _fitted(self, part: FloatArray) -> _Fitted:
        """Residuals; those of the last call serve again where only the variances differ."""
        key, last = part[: self.coefficients].tobytes(), self._last
        if last is not None and last.key == key:
            return last
        extended = self._centred(part)
        spread = self.block.spread(extended)
        resid = self.stacked @ (spread @ (0.5 * extended)).T
        fitted = _Fitted(key, spread, resid, resid * resid)
        self._last = fitted if 2 * resid.size + spread.size <= _MOST_KEPT else None
        return fitted

    def _climb(self, part: FloatArray, places: IntArray, moments: FloatArray) -> None:
        """Least squares for some coefficients, the others given; in place."""
        if not len(places):
            return
        form = self._information(part, moments)[places]
        right = form @ (-0.5 * self._centred(part))
        part[places] += solve(form[:, places], right)

    def _information(self, part: FloatArray, moments: FloatArray) -> FloatArray:
        """Second moments of the slopes of the residuals, over variances, (q + 1, q + 1)."""
        key, last = part[: self.coefficients].tobytes(), self._last
        if last is not None and last.key == key:
            spread = last.spread
        else:
            spread = self.block.spread(self._centred(part))
        pulled = moments @ spread
        pulled /= self.block.extras.read(part)[0][self.now][:, None, None]
        wide = spread.reshape(-1, self.q + 1)
        out: FloatArray = wide.T @ pulled.reshape(wide.shape)
        return out

    def _fit_variances(self, part: FloatArray, weights: FloatArray) -> None:
        """Mean squared residuals by regime, from the residuals themselves; in place."""
        block, k_regimes = self.block, self.block.request.k_regimes
        squares = self.counted @ (weights * self._fitted(part).squares)
        sums = squares.reshape(k_regimes, -1).sum(axis=1)
        mass = (self.counted @ weights).reshape(k_regimes, -1).sum(axis=1)
        if block.extras.common:
            sums, mass = np.full_like(sums, sums.sum()), np.full_like(mass, mass.sum())
        fresh = np.maximum(sums / np.where(mass > 0.0, mass, 1.0), self.floor)
        place = block.extras.place[0]
        kept = (mass > 0.0) & (fresh > 0.0)
        part[place[kept]] = fresh[kept]


def _extended(part: FloatArray) -> FloatArray:
    """A part and 1 behind it."""
    out = np.empty(len(part) + 1)
    out[:-1] = part
    out[-1] = 1.0
    return out


def _columns(request: BlockRequest, m: int) -> IntArray:
    """Where the design of each lag stands behind the responses, (p + 1, m); the constant once."""
    constant = int(request.trend != "n")
    out = np.zeros((request.order + 1, m), dtype=np.intp)
    for lag in range(request.order + 1):
        out[lag, constant:] = constant + lag * (m - constant) + np.arange(m - constant)
    return out
