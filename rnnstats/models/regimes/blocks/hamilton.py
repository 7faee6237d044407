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
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.gaussian import Gaussian
from rnnstats.models.regimes.blocks.base import BlockRequest, Rows
from rnnstats.models.regimes.blocks.design import Design, design, solve
from rnnstats.models.regimes.blocks.extras import ExtraTerms
from rnnstats.models.regimes.blocks.normal import NormalResponse
from rnnstats.models.regimes.blocks.predictor import (
    coefficient_labels,
    own,
    reordered,
    summed,
    terms,
)
from rnnstats.models.regimes.law.composite import lagged_regimes
from rnnstats.parameters.transforms import Block as TransformBlock

__all__ = ["HamiltonBlock"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_LOG_2PI = math.log(2.0 * math.pi)
_START_STEPS = 1
_MOST_DENSE = 200_000  # numbers of quadratic forms kept as matrices


@dataclass(frozen=True, eq=False)
class _Bilinear:
    """Signed products of two numbers each (a parameter, or 1), added into cells."""

    cell: IntArray
    first: IntArray
    second: IntArray
    sign: FloatArray


class HamiltonBlock:
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

    composite: Final = True
    discrete: Final = False
    levels: Final = None

    def __init__(self, request: BlockRequest) -> None:
        self.request, self.columns, self.order = request, request.columns, request.order
        self._still = replace(request, order=0)  # its design is that of the means
        coefficients = terms(request, coefficient_labels(request))
        self.extras = ExtraTerms.build(request, Gaussian(), len(coefficients.names))
        self.mean_place: IntArray = coefficients.place[: -request.order]
        self.ar_place: IntArray = coefficients.place[-request.order :]
        self.names = coefficients.names + self.extras.names
        self.groups = coefficients.groups + self.extras.groups
        self.transforms: tuple[TransformBlock, ...] = self.extras.transforms
        self.own = own(coefficients.place, self.extras.place)
        self.own_scale = not self.extras.common
        self.digits = lagged_regimes(request.k_regimes, request.order)
        self.means = _columns(request, len(self.mean_place))
        self.r = 2 + self.order + int(self.means.max(initial=-1))
        self._bilinear = self._products()
        self.free_means, self.free_ar = np.unique(self.mean_place), np.unique(self.ar_place)

    def check(self, y: FloatArray) -> None:
        """
        Refuse what is not finite.

        Parameters
        ----------
        y : ndarray, shape (n, 1)

        Raises
        ------
        DataError
        """
        Gaussian().check(y[:, 0], column=self.request.names[0], caller=self.request.caller)

    def bind(self, rows: Rows, floor: float | FloatArray = 0.0) -> _BoundHamilton:
        """
        Give the block its data.

        Parameters
        ----------
        rows : Rows
        floor : float or ndarray of shape (1,)
            Lower bound of variances in M-steps.

        Returns
        -------
        BoundBlock
        """
        return _BoundHamilton(self, rows, float(np.max(floor)))

    def response_at(self, part: FloatArray, rows: Rows) -> NormalResponse:
        """
        Distribution at given rows, in each composite state.

        Parameters
        ----------
        part : ndarray, shape (q,)
        rows : Rows

        Returns
        -------
        NormalResponse
        """
        return self.law(part, self.stacked(replace(rows, y=np.zeros_like(rows.y))))

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
        return reordered(part, order, self.mean_place, self.ar_place, self.extras.place)

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
        table, extended = self._bilinear, np.append(part, 1.0)
        if self._dense is not None:
            wide = (self._dense @ extended).reshape(-1, len(extended))
            both: FloatArray = (0.5 * (wide @ extended)).reshape(-1, self.r)
            return both
        values = table.sign * extended[table.first] * extended[table.second]
        return summed(table.cell, values, len(self.digits) * self.r).reshape(-1, self.r)

    def loading_slopes(self, part: FloatArray) -> FloatArray:
        """
        Derivative of the loadings by means and autoregressive coefficients.

        Parameters
        ----------
        part : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (S, r, q)
        """
        table, extended, q = self._bilinear, np.append(part, 1.0), len(part) + 1
        if self._dense is not None:
            dense: FloatArray = (self._dense @ extended).reshape(len(self.digits), self.r, q)
            return dense[:, :, :-1]
        cells = np.concatenate([table.cell * q + table.first, table.cell * q + table.second])
        values = np.concatenate([extended[table.second], extended[table.first]])
        values *= np.concatenate([table.sign, table.sign])
        wide = summed(cells, values, len(self.digits) * self.r * q)
        return np.ascontiguousarray(wide.reshape(len(self.digits), self.r, q)[:, :, :-1])

    @cached_property
    def _dense(self) -> FloatArray | None:
        """The products as symmetric matrices, (S r (q + 1), q + 1), where they are not too many."""
        table, q = self._bilinear, len(self.names) + 1
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


class _BoundHamilton:
    """A block with its data; see `rnnstats.models.regimes.blocks.base.BoundBlock`."""

    def __init__(self, block: HamiltonBlock, rows: Rows, floor: float) -> None:
        self.block, self.floor, self.n = block, floor, len(rows.y)
        self.q = len(block.names)
        self.raw = block.stacked(rows)
        self.heard: NDArray[np.bool_] = np.asarray(~np.isnan(self.raw).any(axis=1))
        self.stacked = np.where(self.heard[:, None], self.raw, 0.0)
        lagged_y = slice(0, 1 + block.order)
        # Second moments are taken around the mean where a constant can make up for it.
        self.shift = 0.0
        self.constants = np.unique(block.mean_place[:1])
        if block.request.trend != "n" and self.heard.any():
            self.shift = float(self.stacked[self.heard, 0].mean())
            self.stacked[self.heard, lagged_y] -= self.shift
        self.now = block.digits[:, 0]
        self.design = Design(self.stacked, block.r, None)

    def log_density(self, part: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            variance = self.block.extras.read(part)[0][self.now]
            out = self._resid(part)
            np.square(out, out=out)
            out *= -0.5 / variance
            out -= 0.5 * (_LOG_2PI + np.log(variance))
        out[~self.heard] = 0.0
        return out

    def pull(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        variance = block.extras.read(part)[0][self.now]
        resid = self._resid(part)
        counted = weights * self.heard[:, None]
        mass = counted.sum(axis=0)
        sums = (counted * resid).T @ self.stacked / variance[:, None]
        slopes = block.loading_slopes(self._moved(part)).reshape(-1, self.q)
        out: FloatArray = -(sums.ravel() @ slopes)
        counted *= resid
        counted *= resid
        squares = np.ones(len(resid)) @ counted
        by_variance = 0.5 * (squares / variance - mass) / variance
        out += summed(block.extras.place[0][self.now], by_variance, self.q)
        return out

    def slopes(self, part: FloatArray) -> FloatArray:
        block = self.block
        variance = block.extras.read(part)[0][self.now]
        resid = self._resid(part)
        slopes = block.loading_slopes(self._moved(part))
        flat = self.stacked @ slopes.transpose(1, 0, 2).reshape(block.r, -1)
        out: FloatArray = flat.reshape(self.n, len(self.now), self.q)
        out *= -(resid / variance)[:, :, None]
        by_variance = 0.5 * (resid**2 / variance - 1.0) / variance
        states = np.arange(len(self.now))
        out[:, states, block.extras.place[0][self.now]] += by_variance
        out[~self.heard] = 0.0
        return out

    def m_step(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        counted = weights * self.heard[:, None]
        moments = self._moments(counted)
        held = self._moved(part)
        for places in (block.free_means, block.free_ar):
            self._climb(held, places, moments)
        self._fit_variances(held, counted)
        return self._moved(held, back=True)

    def curvature(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        counted = weights * self.heard[:, None]
        variance = block.extras.read(part)[0][self.now]
        out = self._information(self._moved(part), self._moments(counted))
        each = 0.5 * counted.sum(axis=0) / variance**2
        out += np.diag(summed(block.extras.place[0][self.now], each, self.q))
        return out

    def response(self, part: FloatArray) -> NormalResponse:
        return self.block.law(part, self.raw)

    def starts(self, weights: FloatArray) -> FloatArray:
        block, part = self.block, np.zeros(self.q)
        composite = np.ones((self.n, 1))
        for lag in range(block.order + 1):
            own = np.roll(weights, lag, axis=0)  # rows that have lags do not reach around the end
            composite = (composite[:, :, None] * own[:, None, :]).reshape(self.n, -1)
        place = block.extras.place[0]
        values = self.stacked[self.heard, 0]
        spread = float(np.var(values)) if values.size else 0.0
        part[place] = spread if spread > 0.0 else 1.0
        alike = np.full_like(composite, 1.0 / composite.shape[1])
        pooled = self._moved(part)
        self._climb(pooled, block.free_means, self._moments(alike))
        part = self._moved(pooled, back=True)
        for _ in range(_START_STEPS):
            part = self.m_step(part, composite)
        total = (weights * self.heard[:, None]).sum(axis=0)
        total = np.full_like(total, total.sum()) if block.extras.common else total
        part[place] = (total * part[place] + spread) / (total + 1.0)
        return part

    def scales(self, part: FloatArray) -> FloatArray:
        scale: FloatArray = np.sqrt(self.block.extras.read(part)[0])
        return scale[:, None]

    def _moved(self, part: FloatArray, *, back: bool = False) -> FloatArray:
        """The part of the shifted responses, or back."""
        out = np.array(part)
        if self.shift:
            out[self.constants] += self.shift if back else -self.shift
        return out

    def _resid(self, part: FloatArray) -> FloatArray:
        out: FloatArray = self.stacked @ self.block.loadings(self._moved(part)).T
        return out

    def _moments(self, weights: FloatArray) -> FloatArray:
        """Weighted second moments of responses and regressors by state, (S, r, r)."""
        return self.design.moments(weights)

    def _climb(self, held: FloatArray, places: IntArray, moments: FloatArray) -> None:
        """Least squares for some coefficients, the others given."""
        if not len(places):
            return
        block = self.block
        variance = block.extras.read(held)[0][self.now]
        slopes = block.loading_slopes(held)[:, :, places]
        pulled = (moments @ slopes / variance[:, None, None]).reshape(-1, len(places))
        right = -(block.loadings(held).ravel() @ pulled)
        held[places] += solve(slopes.reshape(-1, len(places)).T @ pulled, right)

    def _information(self, held: FloatArray, moments: FloatArray) -> FloatArray:
        variance = self.block.extras.read(held)[0][self.now]
        slopes = self.block.loading_slopes(held)
        pulled = moments @ slopes / variance[:, None, None]
        out: FloatArray = slopes.reshape(-1, self.q).T @ pulled.reshape(-1, self.q)
        return out

    def _fit_variances(self, held: FloatArray, weights: FloatArray) -> None:
        """Mean squared residuals by regime, from the residuals themselves."""
        block, k_regimes = self.block, self.block.request.k_regimes
        resid = self.stacked @ block.loadings(held).T
        np.square(resid, out=resid)
        resid *= weights
        squares = np.ones(len(resid)) @ resid
        sums = summed(self.now, squares, k_regimes)
        mass = summed(self.now, weights.sum(axis=0), k_regimes)
        if block.extras.common:
            sums, mass = np.full_like(sums, sums.sum()), np.full_like(mass, mass.sum())
        fresh = np.maximum(sums / np.where(mass > 0.0, mass, 1.0), self.floor)
        place = block.extras.place[0]
        kept = (mass > 0.0) & (fresh > 0.0)
        held[place[kept]] = fresh[kept]


def _columns(request: BlockRequest, m: int) -> IntArray:
    """Where the design of each lag stands behind the responses, (p + 1, m); the constant once."""
    constant = int(request.trend != "n")
    out = np.zeros((request.order + 1, m), dtype=np.intp)
    for lag in range(request.order + 1):
        out[lag, constant:] = constant + lag * (m - constant) + np.arange(m - constant)
    return out
