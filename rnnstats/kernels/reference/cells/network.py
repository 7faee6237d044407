"""Recurrent networks in NumPy, row by row: the cells of all layers, the readout, the feedback.

`forward` and `step` are analytic in weights, inputs and initial state and accept complex ones, so
a complex step gives derivatives to machine precision. Derivatives: the reverse pass is
backpropagation through time (Werbos 1990, Proceedings of the IEEE 78, 1550-1560; Goodfellow, Bengio
and Courville 2016, Deep Learning, section 10.2.2), the sensitivities are real-time recurrent
learning (Williams and Zipser 1989, Neural Computation 1, 270-280).
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from rnnstats.kernels.architecture import Architecture, Cell, Feedback, PythonCell, Weights
from rnnstats.kernels.reference.cells import elman, gru, lstm, python
from rnnstats.kernels.reference.cells.functions import Array, mean, mean_slopes
from rnnstats.kernels.reference.cells.parts import Local, affine

MODULES: dict[str, ModuleType] = {"elman": elman, "gru": gru, "lstm": lstm}


def _module(cell: Cell | PythonCell) -> Any:
    """Functions of a cell."""
    if isinstance(cell, Cell):
        return MODULES[cell.kind]
    return python if cell.activation is None else elman


def _eta(arch: Architecture, w: Weights, state: Array, inputs: Array | None) -> Array:
    """V h_t + S u_t + b; before the first row without inputs."""
    eta = affine(w.readout, state[..., arch.top]) + w.constant
    if w.skip is not None and inputs is not None:
        eta = eta + affine(w.skip, inputs)
    return eta


def _advance(arch: Architecture, w: Weights, state: Array, inputs: Array) -> Array:
    """States of all layers a row later."""
    new, below = [], inputs
    for layer, (W, extra) in zip(arch.layers, w.layers, strict=True):
        own = state[..., layer.state]
        new.append(_module(layer.cell).step(layer.cell, own, below, W, extra))
        below = new[-1][..., : layer.units]
    return np.concatenate(new, axis=-1)


def step(arch: Architecture, weights: Array, state: Array, inputs: Array) -> tuple[Array, Array]:
    """New states (m, s) and eta (m, k_eta) of m paths, which may have weights of their own."""
    w = arch.unpack(weights)
    new = _advance(arch, w, state, inputs)
    return new, _eta(arch, w, new, inputs)


def forward(
    arch: Architecture,
    weights: Array,
    inputs: Array,
    initial: Array,
    offsets: Array,
    feedback: Feedback | None,
) -> tuple[Array, Array, Array]:
    """States (n, s), eta (n, k_eta), and the inputs with their gaps filled (n, k_in)."""
    w = arch.unpack(weights)
    kind = np.result_type(weights, inputs, initial, np.float64)
    states = np.empty((len(inputs), arch.k_state), kind)
    eta = np.empty((len(inputs), arch.k_eta), kind)
    filled = inputs.astype(kind)
    for sequence, first in enumerate(offsets[:-1]):
        state = initial[sequence]
        before = _eta(arch, w, state, None)
        for t in range(first, offsets[sequence + 1]):
            for gap in _gaps(feedback, inputs[t]):
                past = t - gap.lag
                value = mean(gap.mean, eta[past] if past >= first else before)
                filled[t, gap.column] = (value[gap.component] - gap.shift) / gap.scale
            state = _advance(arch, w, state, filled[t])
            states[t] = state
            eta[t] = _eta(arch, w, state, filled[t])
    return states, eta, filled


class _Gap(NamedTuple):
    """An input that is missing, and what stands in for it."""

    column: int
    lag: int
    component: int
    mean: str
    shift: float
    scale: float


def _gaps(feedback: Feedback | None, row: Array) -> list[_Gap]:
    """Missing inputs of a row that are lagged outputs."""
    if feedback is None:
        return []
    return [
        _Gap(
            int(feedback.columns[i]), int(feedback.lags[i]), int(feedback.components[i]),
            feedback.mean, float(feedback.shift[i]), float(feedback.scale[i]),
        )
        for i in np.flatnonzero(np.isnan(row[feedback.columns]))
    ]  # fmt: skip


def _locals(arch: Architecture, w: Weights, state: Array, inputs: Array) -> list[Local]:
    """Derivatives of every layer's step."""
    out: list[Local] = []
    below = inputs
    for layer, (W, extra) in zip(arch.layers, w.layers, strict=True):
        out.append(_module(layer.cell).local(layer.cell, state[layer.state], below, W, extra))
        below = out[-1].state[: layer.units]
    return out


def backward(
    arch: Architecture,
    weights: Array,
    run: tuple[Array, Array, Array, Array],
    offsets: Array,
    feedback: Feedback | None,
    inputs: Array,
    d_eta: Array,
) -> tuple[Array, Array, Array]:
    """Gradients by weights (P,), initial states (S, s) and inputs (n, k_in), zero at gaps.

    ``run`` holds initial, states, eta and filled inputs; ``inputs`` are as they were given.
    """
    initial, states, eta, filled = run
    w = arch.unpack(weights)
    d_eta = d_eta.copy()  # also collects what later rows owe to an eta through the feedback
    by_weights = np.zeros(arch.size)
    into = arch.unpack(by_weights)
    by_initial = np.zeros_like(initial)
    by_inputs = np.zeros_like(filled)
    for sequence, first in enumerate(offsets[:-1]):
        before = _eta(arch, w, initial[sequence], None)
        d_before = np.zeros(arch.k_eta)
        adjoint = np.zeros(arch.k_state)
        for t in range(offsets[sequence + 1] - 1, first - 1, -1):
            adjoint[arch.top] += w.readout.T @ d_eta[t]
            into.readout[:] += np.outer(d_eta[t], states[t, arch.top])
            into.constant[:] += d_eta[t]
            if w.skip is not None and into.skip is not None:
                by_inputs[t] += w.skip.T @ d_eta[t]
                into.skip[:] += np.outer(d_eta[t], filled[t])
            last = states[t - 1] if t > first else initial[sequence]
            slopes = _locals(arch, w, last, filled[t])
            earlier = np.zeros(arch.k_state)
            for layer, at in reversed(list(zip(arch.layers, slopes, strict=True))):
                own = adjoint[layer.state]
                by_weights[layer.weights] += own @ at.d_weights
                earlier[layer.state] = own @ at.d_state
                if layer.state.start == 0:
                    by_inputs[t] += own @ at.d_inputs
                else:
                    below = arch.layers[arch.layers.index(layer) - 1]
                    adjoint[below.output] += own @ at.d_inputs
            adjoint = earlier
            for gap in _gaps(feedback, inputs[t]):
                past = t - gap.lag
                owed = by_inputs[t, gap.column] / gap.scale
                by_inputs[t, gap.column] = 0.0
                seen = mean_slopes(gap.mean, eta[past] if past >= first else before)
                (d_eta[past] if past >= first else d_before)[:] += owed * seen[gap.component]
        adjoint[arch.top] += w.readout.T @ d_before
        into.readout[:] += np.outer(d_before, initial[sequence, arch.top])
        into.constant[:] += d_before
        by_initial[sequence] = adjoint
    return by_weights, by_initial, by_inputs


def sensitivities(
    arch: Architecture,
    weights: Array,
    run: tuple[Array, Array, Array, Array],
    offsets: Array,
    feedback: Feedback | None,
    inputs: Array,
) -> Array:
    """Derivatives of eta by the weights and the initial state of the row's sequence.

    Shape (n, k_eta, P + s).
    """
    initial, states, eta, filled = run
    w = arch.unpack(weights)
    size = arch.size
    out = np.empty((len(states), arch.k_eta, size + arch.k_state))
    for sequence, first in enumerate(offsets[:-1]):
        moved = np.zeros((arch.k_state, size + arch.k_state))
        moved[:, size:] = np.eye(arch.k_state)
        before = _eta(arch, w, initial[sequence], None)
        d_before = _eta_slopes(arch, w, initial[sequence], moved, None, None)
        for t in range(first, offsets[sequence + 1]):
            d_inputs = np.zeros((arch.k_in, size + arch.k_state))
            for gap in _gaps(feedback, inputs[t]):
                past = t - gap.lag
                seen = mean_slopes(gap.mean, eta[past] if past >= first else before)
                moves = out[past] if past >= first else d_before
                d_inputs[gap.column] = seen[gap.component] @ moves / gap.scale
            last = states[t - 1] if t > first else initial[sequence]
            below = d_inputs
            new = np.empty_like(moved)
            for layer, at in zip(arch.layers, _locals(arch, w, last, filled[t]), strict=True):
                d_layer = at.d_state @ moved[layer.state] + at.d_inputs @ below
                d_layer[:, layer.weights] += at.d_weights
                new[layer.state] = d_layer
                below = d_layer[: layer.units]
            moved = new
            out[t] = _eta_slopes(arch, w, states[t], moved, filled[t], d_inputs)
    return out


def _eta_slopes(
    arch: Architecture,
    w: Weights,
    state: Array,
    d_state: Array,
    inputs: Array | None,
    d_inputs: Array | None,
) -> Array:
    """Derivatives of eta (k_eta, P + s) from those of state and inputs."""
    out: Array = w.readout @ d_state[arch.top]
    eye = np.eye(arch.k_eta)
    out[:, arch.readout] += np.kron(eye, state[arch.top])
    out[:, arch.constant] += eye
    if w.skip is not None and inputs is not None:
        out += w.skip @ d_inputs
        out[:, arch.direct] += np.kron(eye, inputs)
    return out


def step_derivatives(
    arch: Architecture, weights: Array, state: Array, inputs: Array
) -> tuple[Array, Array, Array, Array]:
    """New state (s,) and its derivatives by state (s, s), inputs (s, k_in), weights (s, P)."""
    w = arch.unpack(weights)
    s = arch.k_state
    new = np.empty(s)
    d_state, d_inputs = np.zeros((s, s)), np.zeros((s, arch.k_in))
    d_weights = np.zeros((s, arch.size))
    below: tuple[Array, Array, Array] = (
        np.zeros((arch.k_in, s)), np.eye(arch.k_in), np.zeros((arch.k_in, arch.size))
    )  # fmt: skip
    for layer, at in zip(arch.layers, _locals(arch, w, state, inputs), strict=True):
        rows = layer.state
        new[rows] = at.state
        d_state[rows] = at.d_inputs @ below[0]
        d_state[rows, rows] += at.d_state
        d_inputs[rows] = at.d_inputs @ below[1]
        d_weights[rows] = at.d_inputs @ below[2]
        d_weights[rows, layer.weights] += at.d_weights
        below = (d_state[layer.output], d_inputs[layer.output], d_weights[layer.output])
    return new, d_state, d_inputs, d_weights


def gates(
    arch: Architecture, weights: Array, before: Array, states: Array, filled: Array
) -> dict[str, Array]:
    """Values of the gates by word: (n, units of all layers that have it)."""
    w = arch.unpack(weights)
    found: dict[str, list[Array]] = {}
    below = filled
    for layer, (W, extra) in zip(arch.layers, w.layers, strict=True):
        if isinstance(layer.cell, Cell):
            own = before[:, layer.state]
            values = _module(layer.cell).gates(layer.cell, own, below, W, extra)
            for word, value in values.items():
                found.setdefault(word, []).append(value)
        below = states[:, layer.output]
    return {word: np.hstack(values) for word, values in found.items()}
