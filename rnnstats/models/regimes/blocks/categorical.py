"""A categorical response without regressors: its probabilities in each regime."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.categorical import draw
from rnnstats.models.regimes.blocks.base import BlockRequest, Rows
from rnnstats.models.regimes.blocks.single import CodedBlock
from rnnstats.parameters.transforms import Block as TransformBlock

__all__ = ["CategoricalBlock", "CategoricalResponse", "coded_mass"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_ZERO = 8.0 * np.finfo(np.float64).eps  # an implied probability below is rounding of zero


class CategoricalBlock(CodedBlock):
    """Probabilities of the categories in each regime; one of each regime is implied.

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
        k_levels = len(self.levels)
        self.switches = "trend" in request.switching
        regimes = request.regime_names if self.switches else (None,)
        names: list[str] = []
        transforms: list[TransformBlock] = []
        self.place = np.zeros((k_levels, len(regimes)), dtype=np.intp)
        self.implied = np.zeros(len(regimes), dtype=np.intp)
        for k, regime in enumerate(regimes):
            labels = [_label(request.names[0], level, regime) for level in self.levels]
            free = [a for a, label in enumerate(labels) if label not in request.named]
            self.implied[k] = free[-1] if free else k_levels - 1
            explicit = [a for a in range(k_levels) if a != self.implied[k]]
            first = len(names)
            self.place[explicit, k] = first + np.arange(k_levels - 1)
            self.place[self.implied[k], k] = -1
            names += [labels[a] for a in explicit]
            transforms.append(TransformBlock("simplex", tuple(range(first, len(names)))))
        self.names, self.groups = tuple(names), ("prob",) * len(names)
        self.transforms = tuple(transforms)
        self.own = k_levels - 1 if len(regimes) > 1 else 0

    def bind(self, rows: Rows, floor: float | FloatArray = 0.0) -> _BoundCategorical:
        return _BoundCategorical(self, rows.y[:, 0])

    def response_at(self, part: FloatArray, rows: Rows) -> CategoricalResponse:
        table = self.table(part)
        return CategoricalResponse(self.columns, self.levels, table.T[None], len(rows.y))

    def table(self, part: FloatArray) -> FloatArray:
        """
        All probabilities, with the implied ones.

        Parameters
        ----------
        part : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (levels, K)
        """
        explicit = self.place >= 0
        table = np.where(explicit, np.append(part, 0.0)[self.place], 0.0)
        rest = 1.0 - table.sum(axis=0)
        rest = np.where(np.abs(rest) <= _ZERO, 0.0, rest)
        table += np.where(explicit, 0.0, rest)
        wide = (len(table), self.request.k_regimes)
        return np.array(np.broadcast_to(table, wide))

    def read(self, table: FloatArray) -> FloatArray:
        """
        Part of given probabilities.

        Parameters
        ----------
        table : ndarray, shape (levels, K) or (levels, 1)
            One column a regime that has probabilities of its own.

        Returns
        -------
        ndarray, shape (q,)
        """
        part = np.zeros(len(self.names))
        explicit = self.place >= 0
        part[self.place[explicit]] = table[explicit]
        return part

    def reordered(self, part: FloatArray, order: IntArray) -> FloatArray:
        if not self.switches:
            return np.array(part)
        return self.read(self.table(part)[:, order])


class _BoundCategorical:
    """A block with its data; see `rnnstats.models.regimes.blocks.base.BoundBlock`."""

    def __init__(self, block: CategoricalBlock, y: FloatArray) -> None:
        self.block, self.n, self.q = block, len(y), len(block.names)
        self.codes = np.where(np.isnan(y), len(block.levels), y).astype(np.intp)

    def log_density(self, part: FloatArray) -> FloatArray:
        table = self.block.table(part)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(table)
        out: FloatArray = np.append(logs, np.zeros((1, logs.shape[1])), axis=0)[self.codes]
        return out

    def pull(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        mass = self._own(coded_mass(self.codes, weights, len(block.levels)))
        table = self._table(part)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(mass == 0.0, 0.0, mass / table)
            by_part = each - each[block.implied, np.arange(each.shape[1])]
        return block.read(by_part)

    def slopes(self, part: FloatArray) -> FloatArray:
        block = self.block
        table = block.table(part)
        k_levels, k_regimes = table.shape
        by_level = np.zeros((k_levels + 1, k_regimes, self.q))
        with np.errstate(divide="ignore"):
            inverse = np.where(table > 0.0, 1.0 / table, 0.0)
        for k in range(k_regimes):
            own = k if block.switches else 0
            implied, place = block.implied[own], block.place[:, own]
            for a in np.flatnonzero(place >= 0):
                by_level[a, k, place[a]] = inverse[a, k]
                by_level[implied, k, place[a]] = -inverse[implied, k]
        out: FloatArray = by_level[self.codes]
        return out

    def m_step(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        mass = self._own(coded_mass(self.codes, weights, len(block.levels)))
        total = mass.sum(axis=0)
        shares = mass / np.where(total > 0.0, total, 1.0)
        return block.read(np.where(total > 0.0, shares, self._table(part)))

    def curvature(self, part: FloatArray, weights: FloatArray) -> FloatArray:
        block = self.block
        total = self._own(coded_mass(self.codes, weights, len(block.levels))).sum(axis=0)
        table = self._table(part)
        inverse = np.where(table > 0.0, 1.0 / np.where(table > 0.0, table, 1.0), 0.0)
        out = np.zeros((self.q, self.q))
        for k, mass in enumerate(total):
            explicit = np.flatnonzero(block.place[:, k] >= 0)
            places = block.place[explicit, k]
            out[np.ix_(places, places)] = mass * inverse[block.implied[k], k]
            out[places, places] += mass * inverse[explicit, k]
        return out

    def response(self, part: FloatArray) -> CategoricalResponse:
        block = self.block
        return CategoricalResponse(block.columns, block.levels, block.table(part).T[None], self.n)

    def starts(self, weights: FloatArray) -> FloatArray:
        k_levels = len(self.block.levels)
        # One observation spread over all categories: an empty class is not impossible at once.
        mass = coded_mass(self.codes, weights, k_levels)
        mass += mass.sum(axis=1, keepdims=True) / max(mass.sum(), 1.0) + 1e-3
        mass = self._own(mass)
        return self.block.read(mass / mass.sum(axis=0))

    def scales(self, part: FloatArray) -> None:
        return None

    def _own(self, mass: FloatArray) -> FloatArray:
        """Sums by regime, or over all of them where they share their probabilities."""
        return mass if self.block.switches else mass.sum(axis=1, keepdims=True)

    def _table(self, part: FloatArray) -> FloatArray:
        table = self.block.table(part)
        return table if self.block.switches else table[:, :1]


class CategoricalResponse:
    """A categorical response given probabilities; values are codes 0, 1, ...

    Parameters
    ----------
    columns : tuple of int
        The column of endog.
    levels : tuple of str
    probabilities : ndarray, shape (n, S, levels) or (1, S, levels)
    n : int
        Number of rows.

    Attributes
    ----------
    discrete : bool
        True.
    normal : bool
        False.
    """

    discrete: Final = True
    normal: Final = False

    def __init__(
        self,
        columns: tuple[int, ...],
        levels: tuple[str, ...],
        probabilities: FloatArray,
        n: int,
    ) -> None:
        self.columns, self.levels = columns, levels
        self._probabilities = np.broadcast_to(probabilities, (n, *probabilities.shape[1:]))

    def rows(self, index: IntArray) -> CategoricalResponse:
        """
        Return the distribution at some of the rows.

        Parameters
        ----------
        index : ndarray of int, shape (m,)
            A row may be named more than once.

        Returns
        -------
        CategoricalResponse
        """
        chosen = self._probabilities[index]
        return CategoricalResponse(self.columns, self.levels, chosen, len(index))

    def pmf(self) -> FloatArray:
        """
        Probabilities of the levels.

        Returns
        -------
        ndarray, shape (n, S, levels)
        """
        return self._probabilities

    def mean(self) -> FloatArray:
        """
        Nothing: codes of categories have no mean.

        Returns
        -------
        ndarray, shape (n, S, 1)
            NaN.
        """
        return np.full((*self._probabilities.shape[:2], 1), np.nan)

    def cov(self) -> FloatArray:
        """
        Nothing: codes of categories have no variance.

        Returns
        -------
        ndarray, shape (n, S, 1, 1)
            NaN.
        """
        return np.full((*self._probabilities.shape[:2], 1, 1), np.nan)

    def cdf(self, values: FloatArray, column: int = 0) -> FloatArray:
        """
        Probability of this level and those before it, in their order.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Codes.
        column : int
            0.

        Returns
        -------
        ndarray, shape (n, S)
        """
        codes = np.arange(len(self.levels))
        values = np.asarray(values, dtype=np.float64)
        reached = codes <= values[:, None]
        out = np.einsum("nsl,nl->ns", self._probabilities, reached.astype(np.float64))
        out = np.where((values >= codes[-1])[:, None], 1.0, out)
        return np.where(np.isnan(values)[:, None], np.nan, out)

    def cdf_below(self, values: FloatArray, column: int = 0) -> FloatArray:
        """
        Probability of the levels before this one.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Codes.
        column : int
            0.

        Returns
        -------
        ndarray, shape (n, S)
        """
        return self.cdf(np.ceil(values) - 1.0)

    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """
        Ends of the distribution function at the observations.

        Parameters
        ----------
        y : ndarray, shape (n, 1)

        Returns
        -------
        lower, upper : ndarray, shape (n, S, 1)
            ``P(Y < y)`` and ``P(Y <= y)`` in the order of the levels.
        before : ndarray, shape (n, S, 1)
            Log density of earlier elements: 0.
        """
        upper = self.cdf(y[:, 0])
        return self.cdf_below(y[:, 0])[:, :, None], upper[:, :, None], np.zeros((*upper.shape, 1))

    def log_density(self, y: FloatArray) -> FloatArray:
        """
        Log probability.

        Parameters
        ----------
        y : ndarray, shape (n, 1)

        Returns
        -------
        ndarray, shape (n, S)
            0 where ``y`` is missing.
        """
        missing = np.isnan(y[:, 0])
        codes = np.where(missing, 0.0, y[:, 0]).astype(np.intp)
        with np.errstate(divide="ignore"):
            out: FloatArray = np.log(self._probabilities[np.arange(len(codes)), :, codes])
        out[missing] = 0.0
        return out

    def sample(self, states: IntArray, rng: np.random.Generator) -> FloatArray:
        """
        One draw a row.

        Parameters
        ----------
        states : ndarray of int, shape (n,)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n, 1)
            Codes.
        """
        return draw(self._probabilities[np.arange(len(states)), states], rng)[:, None]


def coded_mass(codes: IntArray, weights: FloatArray, k_levels: int) -> FloatArray:
    """
    Sum weights by category; missing ones, coded ``k_levels``, are left out.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
    weights : ndarray, shape (n, K)
    k_levels : int

    Returns
    -------
    ndarray, shape (k_levels, K)
    """
    sums = [np.bincount(codes, column, k_levels + 1)[:k_levels] for column in weights.T]
    return np.stack(sums, axis=1)


def _label(name: str, level: str, regime: str | None) -> str:
    return f"prob[{name}={level}]" if regime is None else f"prob[{name}={level},{regime}]"
