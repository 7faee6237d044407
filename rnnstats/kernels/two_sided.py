"""Networks that read their inputs forward and backward: two stacks of cells, one readout.

The first stack runs through the rows of a sequence as they come, the second from the last row to
the first: ``eta_t = V_f h_t + V_b g_t + b`` with h_t a function of the rows up to t and g_t of the
rows from t on. Inputs of the forward stack are the first columns, those of the backward stack the
others. A missing input that is an earlier output (of the backward stack: a later one) is replaced
by the readout of that direction alone, ``V_f h + b`` or ``V_b g + b``, at that row.

The weights are one vector: layers of the forward stack, layers of the backward stack, the readout
(k_eta, units seen of both), the constant. The state of a row is that of the forward stack followed
by that of the backward stack.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.errors import SpecificationError
from rnnstats.kernels import cells
from rnnstats.kernels.architecture import (
    Architecture,
    Cell,
    Feedback,
    Layer,
    PythonCell,
    Weights,
    moved,
)
from rnnstats.kernels.chain_rule import ChainRule

__all__ = [
    "TwoSided",
    "TwoSidedRun",
    "backward",
    "forward",
    "gates",
    "information",
    "jacobians",
    "score_obs",
    "scores_by",
    "sensitivities",
    "turn",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
# What the letters of the forward stack's states are in the backward stack.
LETTERS: Final = {"h": "g", "c": "d"}


@dataclass(frozen=True)
class TwoSided:
    """Cells and sizes of a two-sided network; see the module for the order of its numbers.

    Attributes
    ----------
    forth, back : Architecture
        Of one stack each, both with the same ``k_eta`` and without a skip connection.
    """

    forth: Architecture
    back: Architecture

    def __post_init__(self) -> None:
        if self.forth.k_eta != self.back.k_eta or self.forth.skip or self.back.skip:
            raise SpecificationError(
                "TwoSided: both directions must have the same k_eta and no skip connection; got "
                f"k_eta {self.forth.k_eta} and {self.back.k_eta}. Give two plain stacks."
            )

    @property
    def skip(self) -> bool:
        """False: inputs enter through the cells only."""
        return False

    @property
    def k_eta(self) -> int:
        """Number of outputs eta."""
        return self.forth.k_eta

    @property
    def k_in(self) -> int:
        """Number of inputs, those of both directions."""
        return self.forth.k_in + self.back.k_in

    @property
    def cells(self) -> tuple[Cell | PythonCell, ...]:
        """Cell of each layer."""
        return self.forth.cells + self.back.cells

    @property
    def units(self) -> tuple[int, ...]:
        """Units of each layer."""
        return self.forth.units + self.back.units

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Layers of the forward stack, then those of the backward stack."""
        at, state = self.forth.readout.start, self.forth.k_state
        return self.forth.layers + tuple(
            replace(
                one,
                matrix=moved(one.matrix, at),
                extra=moved(one.extra, at),
                state=moved(one.state, state),
            )
            for one in self.back.layers
        )

    @cached_property
    def labels(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """Names of the states, layer by layer and block by block: g and d where h and c go back."""
        mirrored = tuple(
            tuple(tuple(_mirrored(name) for name in block) for block in layer)
            for layer in self.back.labels
        )
        return self.forth.labels + mirrored

    @property
    def k_state(self) -> int:
        """Length of the state."""
        return self.forth.k_state + self.back.k_state

    @cached_property
    def outputs(self) -> IntArray:
        """Places in the state of what the readout sees."""
        return np.concatenate([self.forth.outputs, self.back.outputs + self.forth.k_state])

    @property
    def readout(self) -> slice:
        """Where the readout lies in the weights."""
        at = self.layers[-1].extra.stop
        return slice(at, at + self.k_eta * len(self.outputs))

    @property
    def direct(self) -> slice:
        """Where a skip connection would lie: empty."""
        return slice(self.readout.stop, self.readout.stop)

    @property
    def constant(self) -> slice:
        """Where the constant lies in the weights."""
        return slice(self.readout.stop, self.readout.stop + self.k_eta)

    @property
    def size(self) -> int:
        """Length of the weights."""
        return int(self.constant.stop)

    def above(self, index: int) -> int | None:
        """Layer that reads a layer; None for those that the readout sees."""
        top = index in (len(self.forth.layers) - 1, len(self.layers) - 1)
        return None if top else index + 1

    def seen(self, index: int) -> slice:
        """Columns of the readout that see a layer."""
        cut = self.forth.units[-1]
        return slice(0, cut) if index < len(self.forth.layers) else slice(cut, len(self.outputs))

    def reads(self, index: int) -> slice | None:
        """Inputs that a layer reads; None for layers above the first of a direction."""
        if index == 0:
            return slice(0, self.forth.k_in)
        first = index == len(self.forth.layers)
        return slice(self.forth.k_in, self.k_in) if first else None

    @cached_property
    def places(self) -> tuple[IntArray, IntArray]:
        """Where the weights of each direction, as one network of its own, lie in the whole."""
        readout = np.arange(self.readout.start, self.readout.stop).reshape(self.k_eta, -1)
        constant = np.arange(self.constant.start, self.constant.stop)
        cut, middle = self.forth.units[-1], self.forth.readout.start
        own = (np.arange(middle), np.arange(middle, self.readout.start))
        seen = (readout[:, :cut].ravel(), readout[:, cut:].ravel())
        first, second = (np.concatenate([a, b, constant]) for a, b in zip(own, seen, strict=True))
        return first, second

    def unpack(self, weights: NDArray[np.float64]) -> Weights:
        """Give the weights as matrices, which are views.

        Parameters
        ----------
        weights : ndarray, shape (size,)

        Returns
        -------
        Weights
            ``readout`` has the columns of both directions.
        """
        if weights.shape != (self.size,):
            raise SpecificationError(
                f"TwoSided: the weights must have shape ({self.size},); got {weights.shape}. "
                "Order: both stacks by layer, the readout, the constant."
            )
        layers = tuple(
            (weights[one.matrix].reshape(one.shape), weights[one.extra]) for one in self.layers
        )
        readout = weights[self.readout].reshape(self.k_eta, -1)
        return Weights(layers, readout, None, weights[self.constant])


def _mirrored(name: str) -> str:
    letter = name.rstrip("0123456789")
    return f"{LETTERS.get(letter, 2 * letter)}{name[len(letter) :]}"


@dataclass(frozen=True, eq=False)
class TwoSidedRun:
    """States and outputs of all rows, of both directions.

    Attributes
    ----------
    forth, back : Forward
        Each direction alone; the rows of `back` are each sequence's in reverse.
    states : ndarray, shape (n, s)
        After the rows up to each (forward), and from each on (backward).
    eta : ndarray, shape (n, k_eta)
    inputs, given : ndarray, shape (n, k_in)
        With missing ones replaced, and as they came.
    initial : ndarray, shape (sequences, s)
        States before the first row (forward), and beyond the last (backward).
    offsets : ndarray of int, shape (sequences + 1,)
    turn : ndarray of int, shape (n,)
        Rows of the backward run in the order of the data, and the other way round.
    """

    forth: cells.Forward
    back: cells.Forward
    states: FloatArray
    eta: FloatArray
    inputs: FloatArray
    given: FloatArray
    initial: FloatArray
    offsets: NDArray[np.int64]
    turn: IntArray


def turn(offsets: NDArray[np.int64]) -> IntArray:
    """Order of rows in which every sequence is reversed; its own inverse.

    Parameters
    ----------
    offsets : ndarray of int, shape (sequences + 1,)

    Returns
    -------
    ndarray of int, shape (n,)
    """
    lengths = np.diff(offsets)
    ends = np.repeat(offsets[:-1] + offsets[1:] - 1, lengths)
    return np.asarray(ends - np.arange(int(offsets[-1])), dtype=np.intp)


def forward(
    arch: TwoSided,
    weights: ArrayLike,
    inputs: ArrayLike,
    *,
    initial: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    feedback: Feedback | None = None,
) -> TwoSidedRun:
    """Run both stacks over all rows.

    Parameters
    ----------
    arch : TwoSided
    weights : array_like, shape (P,)
    inputs : array_like, shape (n, k_in)
        Of the forward stack, then of the backward stack.
    initial : array_like, shape (s,) or (sequences, s), optional
        State before the first row, and beyond the last one; zero by default.
    offsets : array_like of int, optional
        First row of each sequence, and the number of rows.
    feedback : Feedback, optional
        Of each direction, its lags counted in the direction in which it reads.

    Returns
    -------
    TwoSidedRun

    References
    ----------
    Schuster and Paliwal (1997), IEEE Transactions on Signal Processing 45, 2673-2681.
    """
    rows = np.asarray(inputs, dtype=np.float64)
    numbers = np.asarray(weights, dtype=np.float64)
    cuts = np.asarray([0, len(rows)] if offsets is None else offsets, dtype=np.int64)
    order = turn(cuts)
    start = np.zeros(arch.k_state) if initial is None else np.asarray(initial, dtype=np.float64)
    start = np.broadcast_to(start, (len(cuts) - 1, arch.k_state))
    cut, middle = arch.forth.k_in, arch.forth.k_state
    first, second = arch.places
    forth = cells.forward(
        arch.forth, numbers[first], rows[:, :cut],
        initial=start[:, :middle], offsets=cuts, feedback=feedback,
    )  # fmt: skip
    back = cells.forward(
        arch.back, numbers[second], rows[order, cut:],
        initial=start[:, middle:], offsets=cuts, feedback=feedback,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        eta = forth.eta + back.eta[order] - numbers[arch.constant]
    return TwoSidedRun(
        forth,
        back,
        np.hstack([forth.states, back.states[order]]),
        eta,
        np.hstack([forth.inputs, back.inputs[order]]),
        rows,
        start,
        cuts,
        order,
    )


def backward(
    arch: TwoSided, weights: ArrayLike, run: TwoSidedRun, d_eta: ArrayLike
) -> cells.Gradient:
    """Reverse pass of both directions: the gradient of a sum of functions of each row's eta.

    Parameters
    ----------
    arch : TwoSided
    weights : array_like, shape (P,)
    run : TwoSidedRun
    d_eta : array_like, shape (n, k_eta)

    Returns
    -------
    Gradient
    """
    numbers, slopes = np.asarray(weights, dtype=np.float64), np.asarray(d_eta, dtype=np.float64)
    first, second = arch.places
    forth = cells.backward(arch.forth, numbers[first], run.forth, slopes)
    back = cells.backward(arch.back, numbers[second], run.back, slopes[run.turn])
    by_weights = np.zeros(arch.size)
    by_weights[first] = forth.weights
    by_weights[second] += back.weights
    by_weights[arch.constant] -= slopes.sum(axis=0)  # it is in the readout of both directions
    return cells.Gradient(
        by_weights,
        np.hstack([forth.initial, back.initial]),
        np.hstack([forth.inputs, back.inputs[run.turn]]),
    )


def sensitivities(arch: TwoSided, weights: ArrayLike, run: TwoSidedRun) -> FloatArray:
    """Derivatives of every row's eta by the weights and the initial states of its sequence.

    Parameters
    ----------
    arch : TwoSided
    weights : array_like, shape (P,)
    run : TwoSidedRun

    Returns
    -------
    ndarray, shape (n, k_eta, P + s)
    """
    numbers = np.asarray(weights, dtype=np.float64)
    first, second = arch.places
    out = np.zeros((*run.eta.shape, arch.size + arch.k_state))
    middle = arch.size + arch.forth.k_state
    found = cells.sensitivities(arch.forth, numbers[first], run.forth)
    out[..., first] = found[..., : len(first)]
    out[..., arch.size : middle] = found[..., len(first) :]
    found = cells.sensitivities(arch.back, numbers[second], run.back)[run.turn]
    out[..., second] += found[..., : len(second)]
    out[..., middle:] = found[..., len(second) :]
    out[..., arch.constant] -= np.eye(arch.k_eta)
    return out


def score_obs(
    arch: TwoSided, weights: ArrayLike, run: TwoSidedRun, d_eta: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Derivative of each row's own function of its eta, which both directions reach.

    Parameters
    ----------
    arch : TwoSided
    weights : array_like, shape (P,)
    run : TwoSidedRun
    d_eta : array_like, shape (n, k_eta)

    Returns
    -------
    weights : ndarray, shape (n, P)
    initial : ndarray, shape (n, s)
    """
    numbers, slopes = np.asarray(weights, dtype=np.float64), np.asarray(d_eta, dtype=np.float64)
    first, second = arch.places
    forth = cells.score_obs(arch.forth, numbers[first], run.forth, slopes)
    back = cells.score_obs(arch.back, numbers[second], run.back, slopes[run.turn])
    by_weights = np.zeros((len(slopes), arch.size))
    by_weights[:, first] = forth[0]
    by_weights[:, second] += back[0][run.turn]
    by_weights[:, arch.constant] -= slopes
    return by_weights, np.hstack([forth[1], back[1][run.turn]])


def scores_by(
    arch: TwoSided,
    weights: ArrayLike,
    run: TwoSidedRun,
    d_eta: ArrayLike,
    rule: ChainRule,
    places: ArrayLike,
    out: FloatArray,
) -> None:
    """Put derivatives of each row's own function of its eta by other parameters into ``out``.

    Parameters
    ----------
    arch : TwoSided
    weights : array_like, shape (P,)
    run : TwoSidedRun
    d_eta : array_like, shape (n, k_eta)
    rule : ChainRule
        From the weights and the initial state, (P + s), to K parameters.
    places : array_like of int, shape (n,)
        Where each row goes.
    out : ndarray, shape (m, K)
        Overwritten there.
    """
    numbers, slopes = np.asarray(weights, dtype=np.float64), np.asarray(d_eta, dtype=np.float64)
    where, nobs = np.asarray(places)[:, None], len(slopes)
    first, second = arch.places
    middle, end = arch.size + arch.forth.k_state, arch.size + arch.k_state
    columns = np.concatenate([first, np.arange(arch.size, middle)])
    part, new = rule.part(columns)
    found = np.empty((nobs, len(new)))
    cells.scores_by(arch.forth, numbers[first], run.forth, slopes, part, np.arange(nobs), found)
    out[where, new] = found
    columns = np.concatenate([second, np.arange(middle, end)])
    part, own = rule.part(columns)
    found = np.empty((nobs, len(own)))
    cells.scores_by(arch.back, numbers[second], run.back, slopes[run.turn], part, run.turn, found)
    # both have the constant: once too often
    both = np.isin(own, new)
    constant, _ = rule.part(np.arange(arch.constant.start, arch.constant.stop))
    found[:, both] += out[where, own[both]] - constant(slopes)
    out[where, own] = found


def information(
    arch: TwoSided, weights: ArrayLike, run: TwoSidedRun, curvature: ArrayLike
) -> FloatArray:
    """Sum over rows of G' C G, G the derivatives of eta by weights and initial state.

    Parameters
    ----------
    arch : TwoSided
    weights : array_like, shape (P,)
    run : TwoSidedRun
    curvature : array_like, shape (n, k_eta, k_eta)

    Returns
    -------
    ndarray, shape (P + s, P + s)
    """
    found = sensitivities(arch, weights, run)
    wide = found.shape[-1]
    with np.errstate(all="ignore"):
        half = np.matmul(np.asarray(curvature, dtype=np.float64), found)
        out = half.reshape(-1, wide).T @ found.reshape(-1, wide)
    return np.asarray(0.5 * (out + out.T))


def jacobians(
    arch: TwoSided, weights: ArrayLike, run: TwoSidedRun
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of each direction's state by its state one step before.

    Parameters
    ----------
    arch : TwoSided
    weights : array_like, shape (P,)
    run : TwoSidedRun

    Returns
    -------
    forth : ndarray, shape (n, s, s)
    back : ndarray, shape (n, s, s)
        In the order in which that direction reads.
    """
    numbers = np.asarray(weights, dtype=np.float64)
    first, second = arch.places
    forth, _ = cells.jacobians(arch.forth, numbers[first], run.forth)
    back, _ = cells.jacobians(arch.back, numbers[second], run.back)
    return forth, back


def gates(arch: TwoSided, weights: ArrayLike, run: TwoSidedRun) -> dict[str, FloatArray]:
    """Values of the gates, units of the forward stack first.

    Parameters
    ----------
    arch : TwoSided
    weights : array_like, shape (P,)
    run : TwoSidedRun

    Returns
    -------
    dict of str to ndarray
        As `rnnstats.kernels.cells.gates`.
    """
    numbers = np.asarray(weights, dtype=np.float64)
    first, second = arch.places
    forth = cells.gates(arch.forth, numbers[first], run.forth)
    back = cells.gates(arch.back, numbers[second], run.back)
    return {
        word: np.hstack([piece[word][at] for piece, at in ((forth, slice(None)), (back, run.turn))
                         if word in piece])
        for word in dict.fromkeys((*forth, *back))
    }  # fmt: skip
