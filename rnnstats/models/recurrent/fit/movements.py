"""Ways along which the weights of a network run to infinity while it hardly changes.

Every movement is a function of standardised parameters and a factor: by so much further.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.architecture import Cell, Layer, PythonCell
from rnnstats.kernels.networks import Network
from rnnstats.models.recurrent.fit.symmetries import odd_gate, reader

__all__ = ["Move", "linear_candidate", "linear_unit", "pair", "reading", "steeper"]

FloatArray = NDArray[np.float64]
Move = Callable[[FloatArray, float], FloatArray]


def _place(arch: Network, number: int) -> tuple[int, Layer, int]:
    """Layer of a unit, by number and itself, and the unit's number within it."""
    for index, layer in enumerate(arch.layers):
        if number < layer.units:
            return index, layer, number
        number -= layer.units
    raise IndexError(number)


def reading(arch: Network, weights: FloatArray, number: int) -> float:
    """
    Find the largest weight by which something else reads a unit.

    Parameters
    ----------
    arch : Network
    weights : ndarray, shape (P,)
    number : int
        Over all layers.

    Returns
    -------
    float
    """
    index, layer, unit = _place(arch, number)
    reads = reader(arch, weights, index)[:, unit]
    matrix = arch.unpack(weights).layers[index][0]
    own = matrix[:, unit].reshape(-1, layer.units)
    others = np.delete(own, unit, axis=1)
    return float(max(np.abs(reads).max(), np.abs(others).max(initial=0.0)))


def steeper(arch: Network, at: slice, number: int, gate: int) -> Move:
    """
    Multiply all weights into a gate of a unit.

    Parameters
    ----------
    arch : Network
    at : slice
        Weights among the standardised parameters.
    number, gate : int

    Returns
    -------
    callable
    """
    index, layer, unit = _place(arch, number)

    def move(phi: FloatArray, c: float) -> FloatArray:
        out = phi.copy()
        view = arch.unpack(out[at])
        matrix, extra = view.layers[index]
        matrix[gate * layer.units + unit] *= c
        if extra.size and not _is_peephole(layer) and gate == 2:
            extra[unit] *= c
        if extra.size and _is_peephole(layer):
            blocks = extra.reshape(3, layer.units)
            which = {0: 0, 1: 1, 3: 2}.get(gate)
            if which is not None:
                blocks[which, unit] *= c
        return out

    return move


def _is_peephole(layer: Layer) -> bool:
    return isinstance(layer.cell, Cell) and layer.cell.kind == "lstm"


def linear_unit(arch: Network, at: slice, number: int, mean: float, own: slice) -> Move:
    """
    Shrink the deviations of a unit without gates about a level, and magnify what reads them.

    Parameters
    ----------
    arch : Network
    at : slice
    number : int
    mean : float
        The level, such as the unit's mean over the sample, or zero, from where it starts.
    own : slice
        Estimated start among the standardised parameters; may be empty.

    Returns
    -------
    callable
        Constants make up for the level.
    """
    index, layer, unit = _place(arch, number)
    assert isinstance(layer.cell, Cell)
    level = _argument(layer.cell.activation, mean)
    begins = own.start + layer.state.start + unit if own.stop > own.start else None

    def move(phi: FloatArray, c: float) -> FloatArray:
        out = phi.copy()
        view = arch.unpack(out[at])
        matrix, _ = view.layers[index]
        kept = float(matrix[unit, unit])
        constant = float(matrix[unit, -1])
        matrix[unit] /= c
        matrix[:, -1] += (1.0 - c) * mean * matrix[:, unit]
        matrix[:, unit] *= c
        matrix[unit, unit] = kept
        matrix[unit, -1] = level + (constant - level) / c - kept * mean + kept * mean / c
        reads = reader(arch, out[at], index)
        shift = (1.0 - c) * mean * reads[:, unit]
        above = arch.above(index)
        if above is None:
            view.constant[:] += shift
        else:
            view.layers[above][0][:, -1] += shift
        reads[:, unit] *= c
        if begins is not None:
            out[begins] = mean + (out[begins] - mean) / c
        return out

    return move


def _argument(activation: str, mean: float) -> float:
    """Argument at which an activation has a value."""
    if activation == "tanh":
        return float(np.arctanh(np.clip(mean, -1.0 + 1e-12, 1.0 - 1e-12)))
    if activation == "sigmoid":
        share = float(np.clip(mean, 1e-12, 1.0 - 1e-12))
        return float(np.log(share) - np.log1p(-share))
    level = max(mean, 1e-12)  # softplus; log(exp(level) - 1) without its overflow
    return float(level + np.log(-np.expm1(-level)))


def linear_candidate(arch: Network, at: slice, number: int) -> Move:
    """
    Shrink what a gated unit takes in, and magnify what reads it.

    Parameters
    ----------
    arch : Network
    at : slice
    number : int

    Returns
    -------
    callable
    """
    index, layer, unit = _place(arch, number)
    odd = odd_gate(layer.cell)
    assert odd is not None

    def move(phi: FloatArray, c: float) -> FloatArray:
        out = phi.copy()
        view = arch.unpack(out[at])
        matrix, extra = view.layers[index]
        matrix[:, unit] *= c
        matrix[odd * layer.units + unit] /= c
        if extra.size:
            blocks = extra.reshape(-1, layer.units)
            if _is_peephole(layer):
                blocks[:, unit] *= c
            else:
                blocks[:, unit] /= c
        reads = reader(arch, out[at], index)
        reads[:, unit] *= c
        return out

    return move


def pair(arch: Network, at: slice, index: int, i: int, j: int, sign: float) -> Move | None:
    """
    Bring two units together and magnify the difference between what reads them.

    Parameters
    ----------
    arch : Network
    at : slice
    index, i, j : int
        Layer, and the units within it.
    sign : float
        -1 where one is nearly minus the other.

    Returns
    -------
    callable or None
        None where the signs differ and units have none to change.
    """
    layer = arch.layers[index]
    odd = odd_gate(layer.cell)
    if (sign < 0.0 and odd is None) or isinstance(layer.cell, PythonCell):
        return None
    u = layer.units

    def move(phi: FloatArray, c: float) -> FloatArray:
        out = phi.copy()
        weights = out[at]
        matrix, extra = arch.unpack(weights).layers[index]
        reads = reader(arch, weights, index)
        for g in range(len(layer.cell.gates)):
            s = sign if g == odd else 1.0
            _closer(matrix[g * u + i], matrix[g * u + j], s, 1.0 / c)
        for block in extra.reshape(-1, u):
            one, two = block[i : i + 1], block[j : j + 1]
            _closer(one, two, sign, 1.0 / c)
        _closer(matrix[:, i], matrix[:, j], sign, c)
        _closer(reads[:, i], reads[:, j], sign, c)
        return out

    return move


def _closer(one: FloatArray, two: FloatArray, sign: float, factor: float) -> None:
    """Multiply the difference of two vectors, the sum kept; in place."""
    mean, half = 0.5 * (one + sign * two), 0.5 * (one - sign * two)
    one[:] = mean + factor * half
    two[:] = sign * (mean - factor * half)
