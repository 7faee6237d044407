"""Rows of probabilities: one entry implied by the others, or softmax of log odds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from rnnstats.errors import SpecificationError
from rnnstats.parameters.transforms import Block

__all__ = [
    "ProbabilityRows",
    "logit_rows",
    "logit_slopes",
    "logit_tangents",
    "logits",
    "with_constant",
]

FloatArray = NDArray[np.float64]
# What numbers written by a user may miss a sum of one by.
ROUNDING = 1e-9
EPS = float(np.finfo(float).eps)
# What log odds are read from where a probability is smaller: zero has none.
LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class ProbabilityRows:
    """Probability vectors, one entry of each implied: its last one that no restriction names.

    Attributes
    ----------
    k : int
        Length of a row.
    implied : tuple of int
        The implied entry of each row.
    names : tuple of str
        Names of the explicit entries, row by row.
    rows, columns : ndarray of int
        Where each explicit entry lies.
    dropped : tuple of str
        Names that `fixed` holds although the others imply them (all of a row are numbers).
    """

    k: int
    implied: tuple[int, ...]
    names: tuple[str, ...]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    dropped: tuple[str, ...]

    @classmethod
    def build(
        cls,
        number: int,
        k: int,
        name: Callable[[int, int], str],
        fixed: Mapping[str, float | str],
        caller: str,
    ) -> ProbabilityRows:
        """Choose the implied entries.

        Parameters
        ----------
        number : int
            Rows.
        k : int
        name : callable
            Name of entry j of row i.
        fixed : mapping
            Restrictions of the model; names on either side of a tie count as named.
        caller : str

        Raises
        ------
        SpecificationError
            If restrictions name every entry of a row and do not agree on one, or fixed
            probabilities are outside [0, 1] or sum to one or more beside free ones.
        """
        named = set(fixed) | {target for target in fixed.values() if isinstance(target, str)}
        implied, names, places, dropped = [], [], [], []
        for i in range(number):
            labels = [name(i, j) for j in range(k)]
            open_ones = [j for j in range(k) if labels[j] not in named]
            numbers = [fixed.get(label) for label in labels]
            _check_numbers(labels, numbers, len(open_ones), caller)
            if open_ones:
                implied.append(open_ones[-1])
            else:
                implied.append(_spare(labels, numbers, named, fixed, caller))
                dropped.append(labels[implied[-1]])
            for j in range(k):
                if j != implied[-1]:
                    names.append(labels[j])
                    places.append((i, j))
        where = np.array(places, dtype=np.intp).reshape(-1, 2)
        return cls(k, tuple(implied), tuple(names), where[:, 0], where[:, 1], tuple(dropped))

    def blocks(self, offset: int) -> tuple[Block, ...]:
        """Simplex blocks, the first entry at place ``offset`` of theta."""
        rows = self.rows.tolist()
        return tuple(
            Block("simplex", tuple(p + offset for p, row in enumerate(rows) if row == i))
            for i in range(len(self.implied))
            if self.k > 1
        )

    def value(self, part: FloatArray) -> FloatArray:
        """All entries, (..., q) to (..., rows, k).

        An implied entry below zero (beyond rounding) stays so, for the likelihood to refuse.
        """
        if self.k == 2 and part.ndim == 1:
            pairs = []
            for implied, given in zip(self.implied, part.tolist(), strict=True):
                rest = 1.0 - given
                rest = 0.0 if abs(rest) <= 4.0 * EPS else rest
                pairs.append((given, rest) if implied else (rest, given))
            return np.array(pairs)
        out = np.zeros((*part.shape[:-1], len(self.implied), self.k))
        out[..., self.rows, self.columns] = part
        last = 1.0 - out.sum(axis=-1)
        last[np.abs(last) <= 4.0 * EPS * (self.k - 1)] = 0.0
        out[..., np.arange(len(self.implied)), self.implied] = last
        return out

    def pull(self, slopes: FloatArray) -> FloatArray:
        """Gradient in the explicit entries from that in all of them, (..., rows, k) to (..., q)."""
        rests = np.array(self.implied, dtype=np.intp)[self.rows]
        out: FloatArray = slopes[..., self.rows, self.columns] - slopes[..., self.rows, rests]
        return out

    def tangents(self) -> FloatArray:
        """Derivative of all entries by the explicit ones, shape (rows, k, q)."""
        q = len(self.names)
        out = np.zeros((len(self.implied), self.k, q))
        implied = np.array(self.implied, dtype=np.intp)
        out[self.rows, self.columns, np.arange(q)] = 1.0
        out[self.rows, implied[self.rows], np.arange(q)] = -1.0
        return out

    def read(self, full: FloatArray) -> FloatArray:
        """Explicit entries of all of them, (rows, k) to (q,)."""
        out: FloatArray = full[self.rows, self.columns]
        return out


def logit_rows(logits: FloatArray) -> FloatArray:
    """Softmax along the last axis with a zero for the reference, the last category.

    Parameters
    ----------
    logits : ndarray, shape (..., k - 1)

    Returns
    -------
    ndarray, shape (..., k)
    """
    found: FloatArray = softmax(
        np.concatenate([logits, np.zeros((*logits.shape[:-1], 1))], axis=-1), axis=-1
    )
    return found


def logit_slopes(shares: FloatArray, slopes: FloatArray) -> FloatArray:
    """Gradient in the logits from the gradient in the probabilities.

    Parameters
    ----------
    shares, slopes : ndarray, shape (..., k)

    Returns
    -------
    ndarray, shape (..., k - 1)
    """
    mean = (shares * slopes).sum(axis=-1, keepdims=True)
    out: FloatArray = (shares * (slopes - mean))[..., :-1]
    return out


def logit_tangents(shares: FloatArray) -> FloatArray:
    """Derivative of the probabilities by the logits, ``diag(p) - p p'`` without its last column.

    Parameters
    ----------
    shares : ndarray, shape (..., k)

    Returns
    -------
    ndarray, shape (..., k, k - 1)
    """
    others = np.arange(shares.shape[-1] - 1)
    out: FloatArray = -shares[..., :, None] * shares[..., None, :-1]
    out[..., others, others] += shares[..., :-1]
    return out


def logits(shares: FloatArray) -> FloatArray:
    """Log odds against the last category, of probabilities held above a small number.

    Parameters
    ----------
    shares : ndarray, shape (..., k)

    Returns
    -------
    ndarray, shape (..., k - 1)
    """
    logs = np.log(np.maximum(shares, LEAST))
    out: FloatArray = logs[..., :-1] - logs[..., -1:]
    return out


def with_constant(inputs: FloatArray) -> FloatArray:
    """Put a column of ones before inputs, (rows, r) to (rows, 1 + r)."""
    return np.hstack([np.ones((len(inputs), 1)), inputs])


def _check_numbers(labels: Sequence[str], numbers: Sequence[Any], free: int, caller: str) -> None:
    """Fixed probabilities must lie in [0, 1] and leave something to the entries beside them."""
    total, ties = 0.0, 0
    for label, value in zip(labels, numbers, strict=True):
        if value is None or isinstance(value, str):
            ties += value is not None
            continue
        if not 0.0 <= value <= 1.0:
            raise SpecificationError(
                f"{caller}: a probability is fixed between 0 and 1; got {label} = {value!r}. "
                "Fix it at another number, or leave it out to estimate it."
            )
        total += value
    unnumbered = ties + sum(value is None for value in numbers)
    if total > 1.0 + ROUNDING or (not unnumbered and total < 1.0 - ROUNDING):
        raise SpecificationError(
            f"{caller}: the probabilities {', '.join(labels)} sum to one; got fixed ones that sum "
            f"to {total:g}. Change them, or leave one of them free."
        )
    if free > 1 and total >= 1.0 - ROUNDING:
        raise SpecificationError(
            f"{caller}: the probabilities {', '.join(labels)} sum to one; got fixed ones that "
            f"leave nothing to the {free} others. Fix those at 0, too."
        )


def _spare(
    labels: Sequence[str],
    numbers: Sequence[Any],
    named: set[str],
    fixed: Mapping[str, float | str],
    caller: str,
) -> int:
    """The entry that numbers for all the others imply: the last one that no tie leads to."""
    targets = {target for target in fixed.values() if isinstance(target, str)}
    if all(value is not None and not isinstance(value, str) for value in numbers):
        for j in range(len(labels) - 1, -1, -1):
            if labels[j] not in targets:
                return j
    raise SpecificationError(
        f"{caller}: one of the probabilities {', '.join(labels)} follows from the others; got "
        "restrictions that name them all. Leave the one out that the others imply."
    )
