"""Numbering and signs of hidden units: one choice for a report, a match between two solutions.

Two solutions are compared by what their units do on the sample, not by their weights: weights that
run to infinity differ where the units do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from rnnstats.kernels.architecture import PythonCell
from rnnstats.kernels.networks import Network
from rnnstats.models.recurrent.fit.symmetries import Relabelling, odd_gate, reader, relabelled

if TYPE_CHECKING:
    from rnnstats.models.recurrent.methods import RecurrentMethods

__all__ = ["Match", "aligned", "matched", "normalised", "ordered", "realigned", "turned"]

FloatArray = NDArray[np.float64]
# A reading weight below this share of the unit's largest has no sign to speak of.
NOTHING = 1e-10


@dataclass(frozen=True, eq=False)
class Match:
    """How the units of one solution correspond to those of another.

    Attributes
    ----------
    changes : tuple of Relabelling
        One a layer: what brings the first into the numbering and signs of the second.
    agreement : float
        Smallest cosine between the paths of two units that correspond.
    """

    changes: tuple[Relabelling, ...]
    agreement: float


def ordered(arch: Network, weights: FloatArray, states: FloatArray) -> tuple[Relabelling, ...]:
    """Number the units of every layer by what they contribute.

    Parameters
    ----------
    arch : Network
    weights : ndarray, shape (P,)
        In standardised units.
    states : ndarray, shape (n, s)

    Returns
    -------
    tuple of Relabelling
        One a layer, to be applied in turn. Units come by decreasing length of the weights that read
        them times the standard deviation of their path; the first of these weights that is not
        zero is positive where the sign is free. Trivial for cells given as Python functions, of
        which nothing is known.
    """
    changes: list[Relabelling] = []
    sign_below: FloatArray | None = None
    order_above: NDArray[np.intp] | None = None
    for index in range(len(arch.layers) - 1, -1, -1):
        layer = arch.layers[index]
        u = layer.units
        if isinstance(layer.cell, PythonCell):
            changes.append(Relabelling(np.arange(u), np.ones(u)))
            sign_below, order_above = np.ones(u), np.arange(u)
            continue
        reads = reader(arch, weights, index)
        spread = states[:, layer.output].std(axis=0)
        size = np.sqrt((reads**2).sum(axis=0)) * spread
        order = np.argsort(-size, kind="stable")
        sign = np.ones(u)
        odd = odd_gate(layer.cell)
        if odd is not None:
            above = arch.above(index)
            if above is not None and sign_below is not None and order_above is not None:
                reads = _as_renumbered(arch, reads, above, order_above, sign_below)
            sign = _signs(reads[:, order])
        changes.append(Relabelling(order, sign))
        sign_below, order_above = sign, order
    return tuple(changes[::-1])


def _as_renumbered(
    arch: Network,
    reads: FloatArray,
    index: int,
    order: NDArray[np.intp],
    sign: FloatArray,
) -> FloatArray:
    """Rows of the gates that read a layer, as they stand once their own units are renumbered."""
    above = arch.layers[index]
    gates = len(above.cell.gates)
    rows = reads.reshape(gates, above.units, -1)[:, order]
    odd = odd_gate(above.cell)
    if odd is not None:
        rows = rows.copy()
        rows[odd] *= sign[:, None]
    return np.asarray(rows.reshape(gates * above.units, -1))


def _signs(reads: FloatArray) -> FloatArray:
    """Sign of the first weight of each column that is not zero."""
    big = np.abs(reads) > NOTHING * np.abs(reads).max(axis=0, initial=0.0)
    first = np.argmax(big, axis=0)
    picked = reads[first, np.arange(reads.shape[1])]
    return np.where(picked < 0.0, -1.0, 1.0)


def matched(arch: Network, states: FloatArray, others: FloatArray) -> Match:
    """Match the units of two solutions by their paths (Hungarian method, layer by layer).

    Parameters
    ----------
    arch : Network
    states, others : ndarray, shape (n, s)

    Returns
    -------
    Match
        From `states` to `others`.
    """
    changes, least = [], 1.0
    for layer in arch.layers:
        u = layer.units
        a, b = _unit(states[:, layer.output]), _unit(others[:, layer.output])
        cosine = b.T @ a
        if isinstance(layer.cell, PythonCell):
            order = np.arange(u)
        else:
            free = odd_gate(layer.cell) is not None
            order = linear_sum_assignment(-(np.abs(cosine) if free else cosine))[1]
        found = cosine[np.arange(u), order]
        sign = np.ones(u)
        if odd_gate(layer.cell) is not None:
            sign = np.where(found < 0.0, -1.0, 1.0)
        still = (others[:, layer.output] == 0.0).all(axis=0)
        still &= (states[:, layer.output] == 0.0).all(axis=0)[order]
        least = min(least, float(np.where(still, 1.0, found * sign).min()))
        changes.append(Relabelling(order, sign))
    return Match(tuple(changes), least)


def _unit(paths: FloatArray) -> FloatArray:
    """Paths of length one; a unit that is always zero keeps a path of zeros."""
    length = np.sqrt((paths**2).sum(axis=0))
    return np.asarray(paths / np.where(length > 0.0, length, 1.0))


def realigned(
    arch: Network,
    weights: FloatArray,
    initial: FloatArray,
    changes: tuple[Relabelling, ...],
) -> tuple[FloatArray, FloatArray]:
    """Apply one relabelling a layer.

    Parameters
    ----------
    arch : Network
    weights : ndarray, shape (P,)
    initial : ndarray, shape (..., s)
    changes : tuple of Relabelling

    Returns
    -------
    weights : ndarray, shape (P,)
    initial : ndarray, shape (..., s)
    """
    for index, change in enumerate(changes):
        if not change.trivial:
            weights, initial = relabelled(arch, weights, initial, index, change)
    return weights, initial


def normalised(model: RecurrentMethods, theta: FloatArray) -> FloatArray:
    """
    Number the units and choose their signs for a report, see `ordered`.

    Parameters
    ----------
    model : RecurrentMethods
    theta : ndarray, shape (K,)

    Returns
    -------
    ndarray, shape (K,)
        The same network; `theta` itself where restrictions name units.
    """
    if model.layout.restricted:
        return theta
    phi = model.chart.to_standard(theta)
    found = model.likelihood.evaluate(phi)
    if found is None or not np.isfinite(found.run.states).all():
        return theta
    changes = ordered(model.architecture, found.weights, found.run.states)
    if all(change.trivial for change in changes):
        return theta
    return model.chart.to_natural(turned(model, phi, changes))


def aligned(model: RecurrentMethods, theta: FloatArray, target: FloatArray) -> FloatArray:
    """
    Number the units of a network as those of another one with which they agree best.

    Parameters
    ----------
    model : RecurrentMethods
    theta, target : ndarray, shape (K,)

    Returns
    -------
    ndarray, shape (K,)
        The network `theta`; `theta` itself where restrictions name units.
    """
    if model.layout.restricted:
        return theta
    phi = model.chart.to_standard(theta)
    one = model.likelihood.evaluate(phi)
    other = model.likelihood.evaluate(model.chart.to_standard(target))
    if one is None or other is None:
        return theta
    if not (np.isfinite(one.run.states).all() and np.isfinite(other.run.states).all()):
        return theta
    match = matched(model.architecture, one.run.states, other.run.states)
    if all(change.trivial for change in match.changes):
        return theta
    return model.chart.to_natural(turned(model, phi, match.changes))


def turned(
    model: RecurrentMethods, phi: FloatArray, changes: tuple[Relabelling, ...]
) -> FloatArray:
    """
    Apply relabellings to standardised parameters.

    Parameters
    ----------
    model : RecurrentMethods
    phi : ndarray, shape (K,)
    changes : tuple of Relabelling

    Returns
    -------
    ndarray, shape (K,)
    """
    chart, out = model.chart, phi.copy()
    own = phi[chart.initial]
    state = own if own.size else np.zeros(model.architecture.k_state)
    out[chart.weights], state = realigned(model.architecture, phi[chart.weights], state, changes)
    if own.size:
        out[chart.initial] = state
    return out
