"""Where a network comes near the linear one that it nests: small weights, a large readout."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnstats.kernels import cells
from rnnstats.results.protocol import FloatArray

__all__ = ["near_linear"]

# Largest deviation of a unit's argument from where it works. An odd activation bends by less than
# 0.2 % there.
GENTLE = 0.1


def near_linear(network: Any, linear: Any, theta: FloatArray) -> FloatArray:
    """
    Parameters of a network that does nearly what the linear one does.

    Each unit's argument stays so near to one point that its activation is nearly a straight line
    there; level and slope of the line are taken off again where the unit is read.

    Parameters
    ----------
    network, linear : RecurrentModel
        Elman networks of the same data and sizes, the second with the activation "identity".
    theta : ndarray of shape (K,)
        Parameters of `linear`, natural units.

    Returns
    -------
    ndarray of shape (K,)
        Parameters of `network`, natural units. Its rows differ from those of the linear one by
        what the activations bend, and, where the state starts at zero and the activation is not
        zero there, in the first ones.
    """
    chart = linear.chart
    phi = chart.to_standard(np.asarray(theta, dtype=np.float64))
    arch = network.architecture
    point, level, slope = _lines(arch)
    here = linear.likelihood.evaluate(phi)
    largest = np.zeros(arch.k_state) if here is None else np.abs(here.run.states).max(axis=0)
    usable = np.isfinite(largest) & (largest > 0.0)
    small = np.where(usable, GENTLE / np.where(usable, largest, 1.0), 1.0)
    made = phi.copy()
    view = arch.unpack(made[chart.weights])
    below: slice | None = None
    for layer, (matrix, _) in zip(arch.layers, view.layers, strict=True):
        at, units = layer.state, layer.units
        matrix *= small[at, None]
        _read(matrix[:, :units], matrix[:, -1], level[at], slope[at] * small[at])
        if below is not None:
            _read(matrix[:, units:-1], matrix[:, -1], level[below], slope[below] * small[below])
        matrix[:, -1] += point[at]
        below = at
    assert below is not None
    _read(view.readout, view.constant, level[below], slope[below] * small[below])
    if chart.initial.stop > chart.initial.start:
        made[chart.initial] = level + slope * small * phi[chart.initial]
    return np.asarray(network.chart.to_natural(made))


def _read(matrix: FloatArray, constant: FloatArray, level: FloatArray, scale: FloatArray) -> None:
    """Read units that are ``level + scale * z`` as z, in place."""
    matrix /= scale
    constant -= matrix @ level


def _lines(arch: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Where each unit works, and level and slope of its activation there, each of shape (s,)."""
    point = np.concatenate([
        np.full(layer.units, 1.0 if getattr(cell, "activation", "") == "relu" else 0.0)
        for layer, cell in zip(arch.layers, arch.cells, strict=True)
    ])  # fmt: skip
    weights = np.zeros(arch.size)
    for layer, (matrix, _) in zip(arch.layers, arch.unpack(weights).layers, strict=True):
        matrix[:, : layer.units] = np.eye(layer.units)
        matrix[:, -1] = point[layer.state]
    level, by_state, _, _ = cells.step_derivatives(
        arch, weights, np.zeros(arch.k_state), np.zeros(arch.k_in)
    )
    return point, level, np.diagonal(by_state).copy()
