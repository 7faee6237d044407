"""Transition matrices from parameters: probabilities, or log odds linear in inputs.

A transition object holds no data: rows of inputs are arguments. ``matrix[i, j]`` is the probability
of a step from regime i to regime j; the matrix of row t governs the step into row t.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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

__all__ = ["LogitTransitions", "ProbabilityTransitions", "Transitions", "make_transitions"]

FloatArray = NDArray[np.float64]


class Transitions(Protocol):
    """Names and arithmetic of the transition parameters, q of them."""

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters in order."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Layout group of each parameter."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """Restricted names that the other restrictions imply."""

    # Blocks of unconstrained coordinates, the first parameter at place `offset`.
    def blocks(self, offset: int) -> tuple[Block, ...]: ...

    # Matrices: (K, K), or (rows, K, K) with rows of inputs (rows, r).
    def value(self, part: FloatArray, inputs: FloatArray | None) -> FloatArray: ...

    # Gradient (q,) from the one in the entries of the matrices as free numbers.
    def pull(
        self, part: FloatArray, inputs: FloatArray | None, slopes: FloatArray
    ) -> FloatArray: ...

    # Derivative of the matrices by the parameters, shape of `value` and q.
    def tangents(self, part: FloatArray, inputs: FloatArray | None) -> FloatArray: ...

    # Parameters of a given matrix, inputs without effect.
    def read(self, matrix: FloatArray) -> FloatArray: ...

    # Parameters after renumbering: new regime a is old regime order[a].
    def reordered(self, part: FloatArray, order: NDArray[np.intp]) -> FloatArray: ...


def make_transitions(
    regimes: tuple[str, ...],
    inputs: tuple[str, ...] | None,
    fixed: Mapping[str, float | str],
    caller: str,
) -> Transitions:
    """Choose between probabilities (no inputs) and log odds.

    Parameters
    ----------
    regimes : tuple of str
    inputs : tuple of str or None
        Names of the columns that drive the transitions.
    fixed : mapping
        Restrictions of the model.
    caller : str

    Returns
    -------
    Transitions
    """
    if inputs is None:
        return ProbabilityTransitions(regimes, fixed, caller)
    return LogitTransitions(regimes, inputs)


class ProbabilityTransitions:
    """Constant transition probabilities; the last entry of a row not named in `fixed` is implied.

    Parameters
    ----------
    regimes : tuple of str, length K
    fixed : mapping
    caller : str
    """

    def __init__(
        self, regimes: tuple[str, ...], fixed: Mapping[str, float | str], caller: str
    ) -> None:
        k = len(regimes)
        self.rows = ProbabilityRows.build(
            k, k, lambda i, j: naming.probability_name(regimes, i, j), fixed, caller
        )
        self.names = self.rows.names
        self.groups = ("p",) * len(self.names)
        self.dropped = self.rows.dropped

    def blocks(self, offset: int) -> tuple[Block, ...]:
        """One simplex a row."""
        return self.rows.blocks(offset)

    def value(self, part: FloatArray, inputs: FloatArray | None) -> FloatArray:
        """Return the transition matrix, shape (K, K); (..., K, K) of parameters (..., q)."""
        return self.rows.value(part)

    def pull(self, part: FloatArray, inputs: FloatArray | None, slopes: FloatArray) -> FloatArray:
        """Gradient in the parameters from `slopes` of shape (K, K) or (rows, K, K)."""
        return self.rows.pull(slopes if slopes.ndim == 2 else slopes.sum(axis=0))

    def tangents(self, part: FloatArray, inputs: FloatArray | None) -> FloatArray:
        """Derivative of the matrix, shape (K, K, q)."""
        return self.rows.tangents()

    def read(self, matrix: FloatArray) -> FloatArray:
        """Parameters of a matrix."""
        return self.rows.read(matrix)

    def reordered(self, part: FloatArray, order: NDArray[np.intp]) -> FloatArray:
        """Renumber the regimes."""
        return self.rows.read(self.rows.value(part)[np.ix_(order, order)])


class LogitTransitions:
    """Log odds against a step to the last regime, linear in a constant and inputs.

    Parameters
    ----------
    regimes : tuple of str, length K
    inputs : tuple of str, length r

    Notes
    -----
    Order of the parameters: from i, to j, then constant and inputs; the weights are
    ``(K, K - 1, 1 + r)``. Filardo (1994), Journal of Business & Economic Statistics 12, 299-308.
    """

    dropped: tuple[str, ...] = ()

    def __init__(self, regimes: tuple[str, ...], inputs: tuple[str, ...]) -> None:
        k = len(regimes)
        self.shape = (k, k - 1, 1 + len(inputs))
        names, groups = [], []
        for i in range(k):
            for j in range(k - 1):
                names.append(naming.logit_name(regimes, i, j))
                names += [naming.slope_name(regimes, i, j, column) for column in inputs]
                groups += ["W_h"] + ["W_x"] * len(inputs)
        self.names, self.groups = tuple(names), tuple(groups)

    def blocks(self, offset: int) -> tuple[Block, ...]:
        """None: log odds are any numbers."""
        return ()

    def value(self, part: FloatArray, inputs: FloatArray | None) -> FloatArray:
        """Matrices of the rows of `inputs`, shape (rows, K, K)."""
        return logit_rows(np.einsum("ijr,tr->tij", part.reshape(self.shape), _design(inputs)))

    def pull(self, part: FloatArray, inputs: FloatArray | None, slopes: FloatArray) -> FloatArray:
        """Gradient in the parameters from `slopes` of shape (rows, K, K)."""
        inner = logit_slopes(self.value(part, inputs), slopes)
        out: FloatArray = np.einsum("tij,tr->ijr", inner, _design(inputs)).ravel()
        return out

    def tangents(self, part: FloatArray, inputs: FloatArray | None) -> FloatArray:
        """Derivative of the matrices, shape (rows, K, K, q)."""
        shares, design = self.value(part, inputs), _design(inputs)
        k, others, width = self.shape
        out = np.zeros((len(shares), k, k, k, others, width))
        for i in range(k):
            moved = logit_tangents(shares[:, i, :])
            out[:, i, :, i] = moved[..., None] * design[:, None, None, :]
        return out.reshape(len(shares), k, k, -1)

    def read(self, matrix: FloatArray) -> FloatArray:
        """Constants of a matrix, coefficients of inputs zero."""
        part = np.zeros(self.shape)
        part[:, :, 0] = logits(matrix)
        return part.ravel()

    def reordered(self, part: FloatArray, order: NDArray[np.intp]) -> FloatArray:
        """Renumber the regimes, the reference among them."""
        k, _, width = self.shape
        full = np.zeros((k, k, width))
        full[:, :-1] = part.reshape(self.shape)
        moved = full[np.ix_(order, order)]
        out: FloatArray = (moved - moved[:, -1:])[:, :-1].ravel()
        return out


def _design(inputs: FloatArray | None) -> FloatArray:
    """Constant and inputs, shape (rows, 1 + r)."""
    assert inputs is not None
    return with_constant(inputs)
