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
    ``a = r cos w``, ``b = r sin w`` with ``r`` in (0, 1) and ``w`` in (0, pi);
``simplex``
    all entries but one of a probability vector; the last one is implied by their sum. Fixed
    entries leave ``mass``, of which ``x_j = mass exp(psi_j) / (1 + sum_k exp(psi_k))`` are the
    free ones (softmax with the implied entry as reference);
``held``
    stays at ``lo`` and has no coordinate.

A covariance or oscillator block with a fixed or tied part falls apart into positive, interval and
real pieces; points outside its domain are then refused by the likelihood. So are points where
entries that several simplexes share use up more than the mass of one of them.

What sits on the border of its domain (a probability of zero, the implied one included) can be held
there, see `Transform.holding`: it then has no coordinate, and ``psi`` is shorter than ``free``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnstats.parameters.layout import Layout
from rnnstats.parameters.simplex import Simplexes

__all__ = ["Block", "Kind", "Transform"]

FloatArray = NDArray[np.float64]
Kind = Literal["real", "positive", "interval", "covariance", "oscillator", "simplex", "held"]


@dataclass(frozen=True)
class Block:
    """Natural parameters that are transformed together.

    Attributes
    ----------
    kind : {"real", "positive", "interval", "covariance", "oscillator", "simplex", "held"}
    indices : tuple of int
        Places in ``theta``; for ``covariance`` the lower triangle row by row, for ``simplex`` the
        entries without the implied one.
    lo, hi : float
        Ends of an interval (``interval``); the value (``held``: lo).
    mass : float
        What the entries of a ``simplex`` and the implied one sum to.
    zeros : tuple of int
        Entries of a ``simplex`` held at exactly zero, by position in ``indices``;
        ``len(indices)`` is the implied one.
    shared : tuple of int
        Places of entries of a ``simplex`` that belong to other vectors, too, and have a coordinate
        of their own; once each time they occur. They count towards the mass.
    """

    kind: Kind
    indices: tuple[int, ...]
    lo: float = 0.0
    hi: float = 1.0
    mass: float = 1.0
    zeros: tuple[int, ...] = ()
    shared: tuple[int, ...] = ()


class Transform:
    """Map between ``psi`` (unconstrained) and the free natural parameters.

    Parameters
    ----------
    k : int
        Number of free parameters.
    blocks : iterable of Block
        Blocks with places in the *free* vector; places in no block are real.

    Attributes
    ----------
    k_psi : int
        Number of coordinates; less than ``k`` where parameters are held on a border.
    """

    __slots__ = (
        "_cov",
        "_held",
        "_held_at",
        "_hi",
        "_intervals",
        "_kept",
        "_lo",
        "_osc",
        "_positive",
        "_simplexes",
        "blocks",
        "k",
        "k_psi",
        "trivial",
    )

    def __init__(self, k: int, blocks: Iterable[Block] = ()) -> None:
        self.k = k
        self.blocks = tuple(blocks)
        of: dict[str, list[Block]] = {}
        for block in self.blocks:
            of.setdefault(block.kind, []).append(block)
        self._positive = _places(of.get("positive", []))
        intervals = of.get("interval", [])
        self._intervals = _places(intervals)
        self._lo = np.array([b.lo for b in intervals for _ in b.indices])
        self._hi = np.array([b.hi for b in intervals for _ in b.indices])
        self._held = _places(of.get("held", []))
        self._held_at = np.array([b.lo for b in of.get("held", []) for _ in b.indices])
        self._cov = [
            (np.array(b.indices, dtype=np.intp), _Triangle(len(b.indices)))
            for b in of.get("covariance", [])
        ]
        self._osc = [(b.indices[0], b.indices[1]) for b in of.get("oscillator", [])]
        self._simplexes = Simplexes(
            (b.indices, b.mass, b.zeros, b.shared) for b in of.get("simplex", [])
        )
        away = np.concatenate([self._held, self._simplexes.without_coordinate])
        self._kept = np.setdiff1d(np.arange(k), away) if away.size else None
        self.k_psi = k if self._kept is None else len(self._kept)
        self.trivial = not set(of) - {"real"}

    @classmethod
    def for_layout(cls, layout: Layout, blocks: Sequence[Block]) -> Transform:
        """Transform of the free parameters of ``layout`` from blocks placed in ``theta``."""
        if not layout.restricted:  # every parameter is free, in its own place
            simplexes = [block for block in blocks if block.kind == "simplex" and block.indices]
            return cls(layout.k_free, [*simplexes, *(b for b in blocks if b.kind != "simplex")])
        pieces = _simplex_pieces(layout, [block for block in blocks if block.kind == "simplex"])
        for block in blocks:
            places = [layout.free_column(i) for i in block.indices]
            free = tuple(place for place in places if place is not None)
            if block.kind == "simplex":
                continue
            if len(free) == len(places) or block.kind in ("positive", "interval", "held"):
                pieces.append(replace(block, indices=free))
            elif block.kind == "covariance":
                diagonal = [places[i] for i in _diagonal_places(len(places))]
                kept = tuple(place for place in diagonal if place is not None)
                pieces.append(Block("positive", kept))
            elif block.kind == "oscillator":
                pieces.append(Block("interval", free, -1.0, 1.0))
        return cls(layout.k_free, pieces)

    def holding(self, free: FloatArray) -> Transform:
        """Hold everything that ``free`` has on a border of its domain there.

        Parameters
        ----------
        free : ndarray, shape (k,)

        Returns
        -------
        Transform
            Probabilities at exactly zero (the implied one of a simplex when its others use up the
            mass to rounding), ends of intervals and positive parameters at zero have no
            coordinate; this transform itself where there are none.
        """
        pieces: list[Block] = []
        for block in self.blocks:
            values = free[list(block.indices)]
            if block.kind == "simplex":
                zeros = set(block.zeros) | set(np.flatnonzero(values == 0.0).tolist())
                rest = block.mass - values.sum() - free[list(block.shared)].sum()
                if rest <= 4.0 * np.finfo(float).eps * (len(values) + len(block.shared)):
                    zeros.add(len(values))
                pieces.append(replace(block, zeros=tuple(sorted(zeros))))
                continue
            if block.kind not in ("positive", "interval"):
                pieces.append(block)
                continue
            ends = (0.0,) if block.kind == "positive" else (block.lo, block.hi)
            inside = tuple(i for i in block.indices if free[i] not in ends)
            pieces.append(replace(block, indices=inside))
            pieces += [
                Block("held", (i,), lo=float(free[i])) for i in block.indices if i not in inside
            ]
        return self if tuple(pieces) == self.blocks else Transform(self.k, pieces)

    def to_natural(self, psi: FloatArray) -> FloatArray:
        """Free natural parameters at ``psi``: (k_psi,) to (k,), a new array.

        Overflow gives inf, which the likelihood refuses.
        """
        psi = self._wide(psi)
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
        if self._held.size:
            free[self._held] = self._held_at
        self._simplexes.fill(psi, free)
        return free

    def to_unconstrained(self, free: FloatArray) -> FloatArray:
        """Return ``psi`` with ``to_natural(psi) == free``: (k,) to (k_psi,).

        Raises
        ------
        ValueError
            When ``free`` is on or outside the border of its domain (what is held on a border is
            not looked at).
        """
        psi = np.array(free, dtype=np.float64)
        positive = free[self._positive]
        if (positive <= 0.0).any():
            raise ValueError("a positive parameter must be above zero")
        psi[self._positive] = np.log(positive)
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
        self._simplexes.read(free, psi)
        return psi if self._kept is None else psi[self._kept]

    def pull(self, psi: FloatArray, gradient: FloatArray) -> FloatArray:
        """Gradient in ``psi`` from the gradient in the free natural parameters: ``J' g``."""
        if self.trivial:
            return gradient
        psi = self._wide(psi)
        out = gradient.copy()
        self._simplexes.pull(psi, self._mass_at(psi), out)
        if self._positive.size:
            out[self._positive] *= np.exp(psi[self._positive])
        if self._intervals.size:
            share = _logistic(psi[self._intervals])
            out[self._intervals] *= (self._hi - self._lo) * share * (1.0 - share)
        for index, triangle in self._cov:
            out[index] = triangle.pull(psi[index], gradient[index])
        for i, j in self._osc:
            out[i], out[j] = _oscillator_jacobian(psi[i], psi[j]).T @ gradient[[i, j]]
        return out if self._kept is None else out[self._kept]

    def jacobian(self, psi: FloatArray) -> FloatArray:
        """Jacobian ``d free / d psi``, shape (k, k_psi)."""
        psi = self._wide(psi)
        jac = np.eye(self.k)
        jac[self._positive, self._positive] = np.exp(psi[self._positive])
        if self._intervals.size:
            share = _logistic(psi[self._intervals])
            jac[self._intervals, self._intervals] = (self._hi - self._lo) * share * (1.0 - share)
        for index, triangle in self._cov:
            jac[np.ix_(index, index)] = triangle.jacobian(psi[index])
        for i, j in self._osc:
            jac[np.ix_([i, j], [i, j])] = _oscillator_jacobian(psi[i], psi[j])
        self._simplexes.jacobian(psi, self._mass_at(psi), jac)
        return jac if self._kept is None else jac[:, self._kept]

    def directions(self) -> FloatArray:
        """Directions of the free natural parameters that leave no border: shape (k, k_psi).

        Unit vectors, and where the implied entry of a simplex is held at zero, differences that
        keep the sum of the others.
        """
        basis = np.eye(self.k)
        self._simplexes.exchange(basis)
        return basis if self._kept is None else basis[:, self._kept]

    def _mass_at(self, psi: FloatArray) -> FloatArray:
        """Free parameters as far as simplexes share them: (k,) to (k,)."""
        free = psi
        if self._simplexes.shares_mass:
            free = psi.copy()
            share = _logistic(psi[self._intervals])
            free[self._intervals] = self._lo + (self._hi - self._lo) * share
            free[self._held] = self._held_at
        return free

    def _wide(self, psi: FloatArray) -> FloatArray:
        """Coordinates with zeros for what has none: (k_psi,) to (k,)."""
        if self._kept is None:
            return psi
        wide = np.zeros(self.k)
        wide[self._kept] = psi
        return wide


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


def _places(blocks: Sequence[Block]) -> NDArray[np.intp]:
    return np.array([i for block in blocks for i in block.indices], dtype=np.intp)


def _simplex_pieces(layout: Layout, blocks: Sequence[Block]) -> list[Block]:
    """Parts of probability vectors that restrictions leave free.

    An entry that occurs in several vectors gets an interval of its own, and each of these vectors
    shares out what it leaves. A vector whose entries are all entries of another one needs nothing.
    """
    own: list[list[int | None]] = []  # free places in the vector where they are at home
    roots: list[list[int]] = []  # free places of all entries that are no numbers
    masses: list[float] = []
    for block in blocks:
        rows = layout.expansion[list(block.indices)]
        own.append([layout.free_column(i) for i in block.indices])
        roots.append([int(np.argmax(row)) for row in rows if row.any()])
        numbers = layout.base[list(block.indices)][~rows.any(axis=1)]
        masses.append(block.mass - float(numbers.sum()))
    followers = {i for i in range(len(blocks)) if _follows(i, own, roots, masses)}
    counted = Counter(
        place for i, places in enumerate(roots) if i not in followers for place in places
    )
    homes = {place for places in own for place in places if place is not None}
    shared = {place for place, times in counted.items() if times > 1 or place not in homes}
    pieces: list[Block] = []
    bounds = dict.fromkeys(sorted(shared & homes), 1.0)
    for i, block in enumerate(blocks):
        if i in followers:
            continue
        places = [p for p in own[i] if p is not None and p not in shared]
        common = tuple(p for p in roots[i] if p in shared)
        if not places and not common:  # all of it is fixed
            continue
        for place in bounds.keys() & set(common):
            bounds[place] = min(bounds[place], masses[i] / common.count(place))
        at_zero = [own[i][z] for z in block.zeros if z < len(own[i])]
        zeros = [places.index(place) for place in at_zero if place in places]
        zeros += [len(places)] * (len(own[i]) in block.zeros)
        pieces.append(
            Block("simplex", tuple(places), mass=masses[i], zeros=tuple(zeros), shared=common)
        )
    return [*pieces, *(Block("interval", (place,), 0.0, top) for place, top in bounds.items())]


def _follows(
    i: int, own: Sequence[Sequence[int | None]], roots: Sequence[list[int]], masses: Sequence[float]
) -> bool:
    """Whether all entries of vector i are different ones of another vector with no more mass."""
    here = roots[i]
    if not here or any(place is not None for place in own[i]) or len(set(here)) < len(here):
        return False
    return any(
        set(here) <= set(places) and masses[j] <= masses[i] + 1e-12
        for j, places in enumerate(own)
        if j != i
    )


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
