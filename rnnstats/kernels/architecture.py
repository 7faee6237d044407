"""What a recurrent network consists of: cells, layers, the order of its weights, its feedback.

Values only; the arithmetic is in `rnnstats.kernels.cells`.

A layer's state is one block of ``units`` numbers ("h"), or two ("h" and the memory "c" of a LSTM).
The state of a network lists the layers, and the blocks of each: h of layer 1, (c of layer 1), h of
layer 2, and so on. Its weights are one vector: layer by layer the matrix W, row by row, that maps
(own h of the row before, inputs of the layer, 1) to the gates one below the other, then the layer's
``extra`` numbers; after the layers the readout V (k_eta, units of the last layer), the skip
connection (k_eta, k_in) where there is one, and the constant (k_eta,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import check_int, check_literal
from rnnstats.errors import SpecificationError

__all__ = [
    "Activation",
    "Architecture",
    "Cell",
    "Feedback",
    "Kind",
    "Layer",
    "Mean",
    "PythonCell",
    "Reset",
    "Weights",
    "moved",
    "python_elman",
]

Array: TypeAlias = NDArray[Any]
Kind = Literal["elman", "gru", "lstm"]
Activation = Literal["tanh", "relu", "softplus", "sigmoid", "identity"]
Reset = Literal["after", "before"]
Mean = Literal["identity", "exp", "logistic", "softmax"]

GATES: Final[dict[str, tuple[str, ...]]] = {
    "elman": ("h",),
    "gru": ("reset", "update", "candidate"),
    "lstm": ("input", "forget", "cell", "output"),
}


@dataclass(frozen=True)
class Cell:
    """One of the built-in cells.

    Attributes
    ----------
    kind : {"elman", "gru", "lstm"}
    activation : {"tanh", "relu", "softplus", "sigmoid", "identity"}
        Of an Elman cell; the others have tanh and sigmoid in fixed places.
    reset : {"after", "before"}
        Whether a GRU's reset gate acts after the product of weights and state, with a constant
        inside it (as in PyTorch), or on the state before it (Cho et al. 2014).
    peephole : bool
        Whether the gates of a LSTM see its memory, unit by unit (Gers and Schmidhuber 2000).
    """

    kind: Kind
    activation: Activation = "tanh"
    reset: Reset = "after"
    peephole: bool = False

    def __post_init__(self) -> None:
        check_literal(self.kind, get_args(Kind), name="kind", caller="Cell")
        check_literal(self.activation, get_args(Activation), name="activation", caller="Cell")
        check_literal(self.reset, get_args(Reset), name="reset", caller="Cell")

    @property
    def gates(self) -> tuple[str, ...]:
        """Words of the gates, in the order of the weights' rows."""
        return GATES[self.kind]

    @property
    def blocks(self) -> tuple[str, ...]:
        """Letters of the state's blocks; the first is what the layer above and the readout see."""
        return ("h", "c") if self.kind == "lstm" else ("h",)

    @property
    def code(self) -> int:
        """Number of the cell in the compiled core."""
        if self.kind == "elman":
            return get_args(Activation).index(self.activation)
        if self.kind == "gru":
            return 5 if self.reset == "after" else 6
        return 8 if self.peephole else 7

    def n_extra(self, units: int) -> int:
        """Count the weights outside the matrix.

        Parameters
        ----------
        units : int

        Returns
        -------
        int
            Reset-after GRU: ``units`` (the constant inside the reset); LSTM with peepholes: three
            times ``units`` (input, forget, output); else none.
        """
        if self.kind == "gru" and self.reset == "after":
            return units
        return 3 * units if self.kind == "lstm" and self.peephole else 0


@dataclass(frozen=True)
class PythonCell:
    """A cell given as a function of NumPy arrays; derivatives come from complex steps.

    Attributes
    ----------
    name : str
    gates : tuple of str
        One word a gate.
    step : callable
        ``step(state, inputs, weights, extra)`` gives the new state, shape (blocks * units,), from
        the state before, of the same shape, block by block; the inputs, shape (k,); the weights,
        shape (gates * units, units + k + 1), the last column for the constant; and the extra
        numbers, shape (n_extra_per_unit * units,). It must accept complex arrays and be analytic
        along the real axis (no absolute value, no comparison of complex numbers).
    blocks : tuple of str
        Letters of the state's blocks; the first is the output.
    n_extra_per_unit : int
    activation : callable, optional
        Where the cell is Elman's with this function: one complex step a unit then suffices.
    """

    name: str
    gates: tuple[str, ...]
    step: Callable[[Array, Array, Array, Array], Array]
    blocks: tuple[str, ...] = ("h",)
    n_extra_per_unit: int = 0
    activation: Callable[[Array], Array] | None = None

    def __post_init__(self) -> None:
        check_int(self.n_extra_per_unit, name="n_extra_per_unit", caller="PythonCell", minimum=0)
        if not self.gates or not self.blocks or not callable(self.step):
            raise SpecificationError(
                "PythonCell: at least one gate and one block, and a step that can be called; got "
                f"gates {self.gates!r}, blocks {self.blocks!r}, step {self.step!r}. "
                "Name the gates by words, ('h',) for a cell without gates."
            )

    def n_extra(self, units: int) -> int:
        """Count the weights outside the matrix.

        Parameters
        ----------
        units : int

        Returns
        -------
        int
        """
        return self.n_extra_per_unit * units


def python_elman(activation: Callable[[Array], Array], name: str | None = None) -> PythonCell:
    """Make an Elman cell with an activation function of one's own.

    Parameters
    ----------
    activation : callable
        Elementwise, of real and complex arrays, analytic along the real axis.
    name : str, optional
        By default that of the function.

    Returns
    -------
    PythonCell
    """

    def step(state: Array, inputs: Array, weights: Array, extra: Array) -> Array:
        seen = np.concatenate([state, inputs, np.ones(1)])
        return np.asarray(activation(weights @ seen))

    word = name or str(getattr(activation, "__name__", "activation"))
    return PythonCell(word, ("h",), step, activation=activation)


@dataclass(frozen=True)
class Layer:
    """Sizes of one layer and where its numbers lie.

    Attributes
    ----------
    cell : Cell or PythonCell
    units, k_in : int
        ``k_in`` without the layer's own h and the constant.
    matrix, extra : slice
        In the weights.
    state : slice
        In the state; its first ``units`` are h.
    """

    cell: Cell | PythonCell
    units: int
    k_in: int
    matrix: slice
    extra: slice
    state: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of W."""
        return len(self.cell.gates) * self.units, self.units + self.k_in + 1

    @property
    def output(self) -> slice:
        """Where h lies in the state."""
        return slice(self.state.start, self.state.start + self.units)

    @property
    def weights(self) -> slice:
        """Matrix and extra."""
        return slice(self.matrix.start, self.extra.stop)


def moved(part: slice, by: int) -> slice:
    """Shift both ends of a slice.

    Parameters
    ----------
    part : slice
    by : int

    Returns
    -------
    slice
    """
    return slice(part.start + by, part.stop + by)


@dataclass(frozen=True, eq=False)
class Weights:
    """A weight vector as matrices, which are views of it.

    Attributes
    ----------
    layers : tuple of (W, extra)
        Shapes (gates * units, units + inputs + 1) and (m,).
    readout : ndarray, shape (k_eta, units of the last layer)
    skip : ndarray, shape (k_eta, k_in), or None
    constant : ndarray, shape (k_eta,)
    """

    layers: tuple[tuple[Array, Array], ...]
    readout: Array
    skip: Array | None
    constant: Array


@dataclass(frozen=True)
class Architecture:
    """Cells and sizes of a network; see the module for the order of its numbers.

    Attributes
    ----------
    cells : tuple of Cell or PythonCell
        One a layer, the first reads the inputs.
    units : tuple of int
        One a layer.
    k_in, k_eta : int
        Numbers of inputs and of outputs eta.
    skip : bool
        Whether the inputs also enter eta directly.
    """

    cells: tuple[Cell | PythonCell, ...]
    units: tuple[int, ...]
    k_in: int
    k_eta: int
    skip: bool = False

    def __post_init__(self) -> None:
        check_int(self.k_in, name="k_in", caller="Architecture", minimum=0)
        check_int(self.k_eta, name="k_eta", caller="Architecture", minimum=1)
        if len(self.cells) != len(self.units) or not self.units or min(self.units) < 1:
            raise SpecificationError(
                "Architecture: one cell and one number of units, at least 1, a layer; got "
                f"{len(self.cells)} cells and units {self.units}. Give both by layer."
            )

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, from the inputs upwards."""
        out: list[Layer] = []
        at = state = 0
        below = self.k_in
        for cell, units in zip(self.cells, self.units, strict=True):
            end = at + len(cell.gates) * units * (units + below + 1)
            last = end + cell.n_extra(units)
            wide = state + len(cell.blocks) * units
            out.append(
                Layer(cell, units, below, slice(at, end), slice(end, last), slice(state, wide))
            )
            at, state, below = last, wide, units
        return tuple(out)

    @property
    def k_state(self) -> int:
        """Length of the state."""
        return int(self.layers[-1].state.stop)

    @property
    def top(self) -> slice:
        """Where the h that the readout sees lies in the state."""
        return self.layers[-1].output

    @property
    def outputs(self) -> NDArray[np.intp]:
        """Places in the state of what the readout sees."""
        return np.arange(self.top.start, self.top.stop)

    @cached_property
    def labels(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """Names of the states, layer by layer and block by block; units go on counting."""
        out, first = [], 1
        for cell, units in zip(self.cells, self.units, strict=True):
            numbers = range(first, first + units)
            out.append(tuple(tuple(f"{block}{i}" for i in numbers) for block in cell.blocks))
            first += units
        return tuple(out)

    def above(self, index: int) -> int | None:
        """Layer that reads a layer; None for the one that the readout sees.

        Parameters
        ----------
        index : int
            Of the layer, from the inputs upwards.

        Returns
        -------
        int or None
        """
        return index + 1 if index + 1 < len(self.layers) else None

    def seen(self, index: int) -> slice:
        """Columns of the readout that see a layer, if it is the last one.

        Parameters
        ----------
        index : int
            Of the layer, from the inputs upwards.

        Returns
        -------
        slice
        """
        return slice(0, self.units[index])

    def reads(self, index: int) -> slice | None:
        """Inputs that a layer reads; None for layers above the first.

        Parameters
        ----------
        index : int
            Of the layer, from the inputs upwards.

        Returns
        -------
        slice or None
        """
        return slice(0, self.k_in) if index == 0 else None

    @property
    def readout(self) -> slice:
        """Where the readout V lies in the weights."""
        at = self.layers[-1].extra.stop
        return slice(at, at + self.k_eta * self.units[-1])

    @property
    def direct(self) -> slice:
        """Where the skip connection lies in the weights; empty without one."""
        at = self.readout.stop
        return slice(at, at + self.k_eta * self.k_in * self.skip)

    @property
    def constant(self) -> slice:
        """Where the constant lies in the weights."""
        return slice(self.direct.stop, self.direct.stop + self.k_eta)

    @property
    def size(self) -> int:
        """Length of the weights."""
        return int(self.constant.stop)

    @cached_property
    def description(self) -> NDArray[np.int64] | None:
        """The network as the compiled core reads it; None with a cell given as a function."""
        numbers = [self.k_in, self.k_eta, int(self.skip), len(self.cells)]
        for cell, units in zip(self.cells, self.units, strict=True):
            if not isinstance(cell, Cell):
                return None
            numbers += [cell.code, units]
        return np.array(numbers, dtype=np.int64)

    def unpack(self, weights: Array) -> Weights:
        """Give the weights as matrices.

        Parameters
        ----------
        weights : ndarray, shape (..., size)

        Returns
        -------
        Weights
            Views, with the leading axes of the weights.
        """
        if weights.shape[-1:] != (self.size,):
            raise SpecificationError(
                f"Architecture: the last axis of the weights must have length {self.size}; got "
                f"shape {weights.shape}. Order: {self.units} units by layer, then the readout."
            )
        lead = weights.shape[:-1]
        layers = tuple(
            (weights[..., one.matrix].reshape(*lead, *one.shape), weights[..., one.extra])
            for one in self.layers
        )
        direct = weights[..., self.direct].reshape(*lead, self.k_eta, self.k_in * self.skip)
        return Weights(
            layers,
            weights[..., self.readout].reshape(*lead, self.k_eta, self.units[-1]),
            direct if self.skip else None,
            weights[..., self.constant],
        )


@dataclass(frozen=True, eq=False)
class Feedback:
    """Which inputs are lagged outputs, and what stands in for a missing one.

    Where ``inputs[t, columns[i]]`` is NaN it becomes the one-step prediction
    ``(mean(eta[t - lags[i]])[components[i]] - shift[i]) / scale[i]``, with the eta of the initial
    state, V h_0 + constant, for rows before the sequence.

    Attributes
    ----------
    columns, lags, components : ndarray of int, shape (k,)
        Input column, lag of at least 1, and component of the mean.
    mean : {"identity", "exp", "logistic", "softmax"}
        From eta to the mean. "softmax": probabilities of all categories but the last, against
        which the logits are.
    shift, scale : ndarray, shape (k,)
        Of the input.
    """

    columns: NDArray[np.int64]
    lags: NDArray[np.int64]
    components: NDArray[np.int64]
    mean: Mean
    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        check_literal(self.mean, get_args(Mean), name="mean", caller="Feedback")
        for name in ("columns", "lags", "components"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), np.int64))
        for name in ("shift", "scale"):
            value = np.broadcast_to(np.asarray(getattr(self, name), np.float64), self.columns.shape)
            object.__setattr__(self, name, np.ascontiguousarray(value))
        shapes = {self.columns.shape, self.lags.shape, self.components.shape}
        if shapes != {(len(self.columns),)} or (self.lags < 1).any() or (self.scale == 0.0).any():
            raise SpecificationError(
                "Feedback: columns, lags (at least 1) and components of one length, and no zero "
                f"scale; got shapes {sorted(shapes)}, lags {self.lags.tolist()}, scale "
                f"{self.scale.tolist()}. Give one entry an input that is a lagged output."
            )
