"""Distribution of the regime in the first row of each sequence.

A start law gives the probabilities, shape (sequences, K), from its own parameters and the
transition matrix of each sequence's first row (``anchors``, shape (K, K) for all of them or
(sequences, K, K)), which the stationary law depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.chains import stationary_law
from rnnstats.models.regimes.law import names as naming
from rnnstats.models.regimes.law.simplexes import (
    ProbabilityRows,
    logit_rows,
    logit_slopes,
    logit_tangents,
    logits,
    with_constant,
)
from rnnstats.parameters.transforms import Block

__all__ = [
    "FixedStart",
    "FreeStart",
    "LogitStart",
    "StartLaw",
    "StationaryStart",
]

FloatArray = NDArray[np.float64]
# Steepest slope by a probability, which coordinates then multiply by one that may be zero.
STEEPEST = 1e150


class StartLaw(Protocol):
    """Names and arithmetic of the start parameters, q of them."""

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters in order; all belong to the layout group "start"."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """Restricted names that the other restrictions imply."""

    # Blocks of unconstrained coordinates, the first parameter at place `offset`.
    def blocks(self, offset: int) -> tuple[Block, ...]: ...

    # Probabilities (sequences, K); None where there is no such law.
    def value(self, part: FloatArray, anchors: FloatArray) -> FloatArray | None: ...

    # Gradient in the parameters (q,) and in the anchors (their shape), None if these play no part.
    def pull(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, slopes: FloatArray
    ) -> tuple[FloatArray, FloatArray | None]: ...

    # Derivative (sequences, K, q + m) by the parameters and along m directions of the anchors.
    def tangents(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, moved: FloatArray
    ) -> FloatArray: ...

    # Parameters near a given law.
    def read(self, law: FloatArray) -> FloatArray: ...

    # Parameters after renumbering: new regime a is old regime order[a].
    def reordered(self, part: FloatArray, order: NDArray[np.intp]) -> FloatArray: ...


class StationaryStart:
    """The stationary law of each sequence's anchor.

    Parameters
    ----------
    sequences : int
    """

    names: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def __init__(self, sequences: int) -> None:
        self.sequences = sequences

    def blocks(self, offset: int) -> tuple[Block, ...]:
        """No parameters."""
        return ()

    def value(self, part: FloatArray, anchors: FloatArray) -> FloatArray | None:
        """Probabilities, shape (sequences, K); None where one is not unique."""
        laws = []
        for matrix in anchors if anchors.ndim == 3 else (anchors,):
            law = stationary_law(matrix)
            if law is None:
                return None
            laws.append(law)
        return np.array(laws * self.sequences if anchors.ndim == 2 else laws)

    def pull(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, slopes: FloatArray
    ) -> tuple[FloatArray, FloatArray | None]:
        """As d law (I - P) = law dP, the gradient in P is law z' with (I - P) z = g - law g.

        z is up to a constant, which rows of dP that sum to zero do not see.
        """
        if anchors.ndim == 2:
            total = slopes.sum(axis=0)
            effect = _right_solve(anchors[None], law[:1], total[None])[0]
            return np.empty(0), np.multiply.outer(law[0], effect)
        solved = _right_solve(anchors, law, slopes)
        return np.empty(0), law[:, :, None] * solved[:, None, :]

    def tangents(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, moved: FloatArray
    ) -> FloatArray:
        """Solve d law (I - P) = law dP, d law 1 = 0 for every direction."""
        if anchors.ndim == 2:
            right = np.einsum("i,ijm->jm", law[0], moved)
            one = _left_solve(anchors[None], law[:1], right[None])
            return np.repeat(one, self.sequences, axis=0)
        return _left_solve(anchors, law, np.einsum("si,sijm->sjm", law, moved))

    def read(self, law: FloatArray) -> FloatArray:
        """No parameters."""
        return np.empty(0)

    def reordered(self, part: FloatArray, order: NDArray[np.intp]) -> FloatArray:
        """No parameters."""
        return part


class FixedStart:
    """Given probabilities.

    Parameters
    ----------
    law : ndarray, shape (sequences, K)
    """

    names: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def __init__(self, law: FloatArray) -> None:
        self.law = np.array(law)
        self.law.setflags(write=False)

    def blocks(self, offset: int) -> tuple[Block, ...]:
        """No parameters."""
        return ()

    def value(self, part: FloatArray, anchors: FloatArray) -> FloatArray | None:
        """Return the given probabilities."""
        return self.law

    def pull(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, slopes: FloatArray
    ) -> tuple[FloatArray, FloatArray | None]:
        """Nothing depends on parameters."""
        return np.empty(0), None

    def tangents(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, moved: FloatArray
    ) -> FloatArray:
        """Zeros."""
        return np.zeros((*law.shape, moved.shape[-1]))

    def read(self, law: FloatArray) -> FloatArray:
        """No parameters."""
        return np.empty(0)

    def reordered(self, part: FloatArray, order: NDArray[np.intp]) -> FloatArray:
        """No parameters: given probabilities belong to the numbers of the regimes."""
        return part


class FreeStart:
    """Probabilities as parameters, the same for all sequences.

    Parameters
    ----------
    regimes : tuple of str
    sequences : int
    fixed : mapping
    caller : str
    """

    def __init__(
        self,
        regimes: tuple[str, ...],
        sequences: int,
        fixed: Mapping[str, float | str],
        caller: str,
    ) -> None:
        self.rows = ProbabilityRows.build(
            1, len(regimes), lambda _, j: naming.start_name(regimes, j), fixed, caller
        )
        self.names, self.dropped = self.rows.names, self.rows.dropped
        self.sequences = sequences

    def blocks(self, offset: int) -> tuple[Block, ...]:
        """One simplex."""
        return self.rows.blocks(offset)

    def value(self, part: FloatArray, anchors: FloatArray) -> FloatArray | None:
        """Return the same probabilities for every sequence, shape (sequences, K)."""
        return np.repeat(self.rows.value(part), self.sequences, axis=0)

    def pull(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, slopes: FloatArray
    ) -> tuple[FloatArray, FloatArray | None]:
        """Sum over sequences."""
        return self.rows.pull(slopes.sum(axis=0)[None]), None

    def tangents(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, moved: FloatArray
    ) -> FloatArray:
        """Ones, and minus ones for the implied entry."""
        own = np.repeat(self.rows.tangents(), self.sequences, axis=0)
        return np.concatenate([own, np.zeros((*law.shape, moved.shape[-1]))], axis=2)

    def read(self, law: FloatArray) -> FloatArray:
        """Mean over sequences."""
        return self.rows.read(law.mean(axis=0)[None])

    def reordered(self, part: FloatArray, order: NDArray[np.intp]) -> FloatArray:
        """Renumber the regimes."""
        return self.rows.read(self.rows.value(part)[:, order])


class LogitStart:
    """Log odds against a start in the last regime, linear in a constant and inputs by sequence.

    Parameters
    ----------
    regimes : tuple of str
    inputs : ndarray, shape (sequences, r)
    columns : tuple of str, length r
    """

    dropped: tuple[str, ...] = ()

    def __init__(
        self, regimes: tuple[str, ...], inputs: FloatArray, columns: tuple[str, ...]
    ) -> None:
        self.design = with_constant(inputs)
        self.shape = (len(regimes) - 1, self.design.shape[1])
        names: list[str] = []
        for j in range(len(regimes) - 1):
            names.append(naming.start_name(regimes, j))
            names += [naming.start_slope_name(regimes, j, column) for column in columns]
        self.names = tuple(names)

    def blocks(self, offset: int) -> tuple[Block, ...]:
        """None: log odds are any numbers."""
        return ()

    def value(self, part: FloatArray, anchors: FloatArray) -> FloatArray | None:
        """Softmax, shape (sequences, K)."""
        return logit_rows(self.design @ part.reshape(self.shape).T)

    def pull(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, slopes: FloatArray
    ) -> tuple[FloatArray, FloatArray | None]:
        """Sum over sequences."""
        return (logit_slopes(law, slopes).T @ self.design).ravel(), None

    def tangents(
        self, part: FloatArray, anchors: FloatArray, law: FloatArray, moved: FloatArray
    ) -> FloatArray:
        """Derivative of the softmax."""
        inner = logit_tangents(law)
        own = (inner[..., None] * self.design[:, None, None, :]).reshape(*law.shape, -1)
        return np.concatenate([own, np.zeros((*law.shape, moved.shape[-1]))], axis=2)

    def read(self, law: FloatArray) -> FloatArray:
        """Constants of the mean over sequences; coefficients of inputs are zero."""
        part = np.zeros(self.shape)
        part[:, 0] = logits(law.mean(axis=0))
        return part.ravel()

    def reordered(self, part: FloatArray, order: NDArray[np.intp]) -> FloatArray:
        """Renumber the regimes, the reference among them."""
        full = np.vstack([part.reshape(self.shape), np.zeros((1, self.shape[1]))])[order]
        out: FloatArray = (full - full[-1])[:-1].ravel()
        return out


def _pinned(matrices: FloatArray, laws: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """I - P without the row and column of the most likely regime, and the places of the others.

    Regular where the stationary law is unique. Diagonals are sums of what leaves a regime, so that
    steps of the smallest probability keep their digits.
    """
    k = matrices.shape[-1]
    others = np.argsort(-laws, axis=1, kind="stable")[:, 1:]
    away = -matrices * (1.0 - np.eye(k))
    away[:, np.arange(k), np.arange(k)] = -away.sum(axis=2)
    batch = np.arange(len(matrices))[:, None, None]
    inner: FloatArray = away[batch, others[:, :, None], others[:, None, :]]
    return inner, others


def _solved(matrices: FloatArray, right: FloatArray) -> FloatArray:
    """Solutions; the shortest where regimes that leave each other with 1e-17 are cut off."""
    try:
        out = np.asarray(np.linalg.solve(matrices, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        out = np.asarray(np.linalg.pinv(matrices) @ right, dtype=np.float64)
    return out


def _right_solve(matrices: FloatArray, laws: FloatArray, slopes: FloatArray) -> FloatArray:
    """z with (I - P) z = g - law g, zero at the most likely regime: (s, k) to (s, k)."""
    if laws.shape == (1, 2):
        other = int(laws.item(0) > laws.item(1))
        gap = slopes.item(other) - slopes.item(1 - other)
        effect = [0.0, 0.0]
        steep = gap * laws.item(1 - other) / matrices.item(other + 1)
        effect[other] = min(max(steep, -STEEPEST), STEEPEST)
        return np.array([effect])
    if laws.shape[1] == 2:
        every = np.arange(len(laws))
        less = (laws[:, 0] > laws[:, 1]).astype(np.intp)
        gaps = slopes[every, less] - slopes[every, 1 - less]
        rises = gaps * laws[every, 1 - less] / matrices[every, less, 1 - less]
        out = np.zeros(slopes.shape)
        out[every, less] = np.minimum(np.maximum(rises, -STEEPEST), STEEPEST)
        return out
    inner, others = _pinned(matrices, laws)
    centred = slopes - (laws * slopes).sum(axis=1, keepdims=True)
    out = np.zeros(slopes.shape)
    right = np.take_along_axis(centred, others, axis=1)[..., None]
    solved = np.clip(_solved(inner, right)[..., 0], -STEEPEST, STEEPEST)
    np.put_along_axis(out, others, solved, axis=1)
    return out


def _left_solve(matrices: FloatArray, laws: FloatArray, right: FloatArray) -> FloatArray:
    """d with d (I - P) = r and d 1 = 0, for m columns r: (s, k, m) to (s, k, m)."""
    inner, others = _pinned(matrices, laws)
    out = np.zeros(right.shape)
    some = np.take_along_axis(right, others[..., None], axis=1)
    solved = _solved(inner.transpose(0, 2, 1), some)
    np.put_along_axis(out, others[..., None], solved, axis=1)
    out -= laws[..., None] * out.sum(axis=1, keepdims=True)
    return out
