"""Probability vectors as softmax of unconstrained coordinates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Simplexes"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Places = tuple[int, ...]
Piece = tuple[Places, float, Places, Places]


@dataclass(frozen=True)
class _Stack:
    """Simplexes with the same number of coordinates, one a row.

    Attributes
    ----------
    index : ndarray of int, shape (r, m)
        Places of the entries with a coordinate.
    reference : ndarray of int, shape (r,), or None
        Places of the entries without; None where it is the implied one.
    mass : ndarray, shape (r, 1)
        What all entries sum to, those shared with other vectors among them.
    shared : ndarray of int, shape (r, c)
        Places of the entries shared with other vectors.
    """

    index: IntArray
    reference: IntArray | None
    mass: FloatArray
    shared: IntArray

    def left(self, free: FloatArray) -> FloatArray:
        """What the entries of the vector's own sum to, (r, 1)."""
        if not self.shared.size:
            return self.mass
        left: FloatArray = self.mass - free[self.shared].sum(axis=1, keepdims=True)
        return left

    def shares(self, psi: FloatArray) -> FloatArray:
        """Softmax, the reference last: shape (r, m + 1)."""
        if self.index.shape[1] == 1:
            own = psi[self.index]
            top = np.maximum(own, 0.0)
            pair = np.concatenate([np.exp(own - top), np.exp(-top)], axis=1)
            pair /= pair[:, :1] + pair[:, 1:]
            return pair
        logits = np.zeros((len(self.index), self.index.shape[1] + 1))
        logits[:, :-1] = psi[self.index]
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits


class Simplexes:
    """All simplex blocks of a transform.

    Parameters
    ----------
    blocks : iterable of (indices, mass, zeros, shared)
        See `rnnstats.parameters.Block`.

    Attributes
    ----------
    without_coordinate : ndarray of int
        Places held at zero, and explicit entries that are a reference.
    """

    __slots__ = ("_stacks", "_zeros", "shares_mass", "without_coordinate")

    def __init__(self, blocks: Iterable[Piece]) -> None:
        zeros: list[int] = []
        stacks: dict[tuple[int, bool, int], list[tuple[list[int], int, float, Places]]] = {}
        for indices, mass, at_zero, shared in blocks:
            zeros += [indices[i] for i in at_zero if i < len(indices)]
            kept = [place for i, place in enumerate(indices) if i not in at_zero]
            explicit = len(indices) in at_zero and bool(kept)
            if len(indices) in at_zero and not kept and not shared:
                raise ValueError("a probability vector must have an entry above zero")
            reference = kept.pop() if explicit else -1
            row = (kept, reference, mass, shared)
            stacks.setdefault((len(kept), explicit, len(shared)), []).append(row)
        self._stacks = [
            _Stack(
                np.array([row[0] for row in rows], dtype=np.intp).reshape(len(rows), m),
                np.array([row[1] for row in rows], dtype=np.intp) if explicit else None,
                np.array([[row[2]] for row in rows]),
                np.array([row[3] for row in rows], dtype=np.intp).reshape(len(rows), c),
            )
            for (m, explicit, c), rows in stacks.items()
            if m or explicit
        ]
        self._zeros = np.array(zeros, dtype=np.intp)
        references = [s.reference for s in self._stacks if s.reference is not None]
        self.without_coordinate: IntArray = np.concatenate([self._zeros, *references])
        self.shares_mass = any(stack.shared.size for stack in self._stacks)

    def fill(self, psi: FloatArray, free: FloatArray) -> None:
        """Write the entries at ``psi`` into ``free``, where the shared ones already are."""
        for stack in self._stacks:
            values = stack.left(free) * stack.shares(psi)
            free[stack.index] = values[:, :-1]
            if stack.reference is not None:
                free[stack.reference] = values[:, -1]
        if self._zeros.size:
            free[self._zeros] = 0.0

    def read(self, free: FloatArray, psi: FloatArray) -> None:
        """Write the coordinates of ``free`` into ``psi``; ValueError on or over a border."""
        for stack in self._stacks:
            values = free[stack.index]
            if stack.reference is None:
                last = stack.left(free)[:, 0] - values.sum(axis=1)
            else:
                last = free[stack.reference]
            if (values <= 0.0).any() or (last <= 0.0).any():
                raise ValueError("probabilities must be above zero and leave some to the last one")
            psi[stack.index] = np.log(values) - np.log(last)[:, None]

    def pull(self, psi: FloatArray, free: FloatArray, gradient: FloatArray) -> None:
        """Turn the gradient in the entries into that in the coordinates, in place.

        What the shared entries take from the others is added to their own gradient.
        """
        for stack in self._stacks:
            shares = stack.shares(psi)
            if stack.reference is None and not stack.shared.size and shares.shape[1] == 2:
                gradient[stack.index] *= stack.mass * shares[:, :1] * shares[:, 1:]
                continue
            slopes = np.zeros(shares.shape)
            slopes[:, :-1] = gradient[stack.index]
            if stack.reference is not None:
                slopes[:, -1] = gradient[stack.reference]
            mean = (shares * slopes).sum(axis=1, keepdims=True)
            gradient[stack.index] = (stack.left(free) * shares * (slopes - mean))[:, :-1]
            if stack.shared.size:
                np.subtract.at(gradient, stack.shared, np.repeat(mean, stack.shared.shape[1], 1))

    def jacobian(self, psi: FloatArray, free: FloatArray, jac: FloatArray) -> None:
        """Write derivatives into ``jac``, shape (k, k), where those of the shared entries are."""
        for stack in self._stacks:
            shares, left = stack.shares(psi), stack.left(free)[:, 0]
            if stack.reference is None and not stack.shared.size:
                p = shares[:, :-1]
                square = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None])
                jac[stack.index[:, :, None], stack.index[:, None]] = left[:, None, None] * square
                continue
            for r, index in enumerate(stack.index):
                p = shares[r]
                taken = -jac[stack.shared[r]].sum(axis=0)
                square = left[r] * (np.diag(p[:-1]) - np.outer(p[:-1], p[:-1]))
                jac[index] = np.multiply.outer(p[:-1], taken)
                jac[np.ix_(index, index)] += square
                if stack.reference is not None:
                    place = stack.reference[r]
                    jac[place] = p[-1] * taken
                    jac[place, index] -= left[r] * p[-1] * p[:-1]
        jac[self._zeros] = 0.0

    def exchange(self, basis: FloatArray) -> None:
        """Let the reference give what the entries beside it take, in unit vectors (k, k)."""
        for stack in self._stacks:
            if stack.reference is None:
                continue
            for r, place in enumerate(stack.reference):
                basis[place, stack.index[r]] = -1.0
                np.subtract.at(basis[place], stack.shared[r], 1.0)
