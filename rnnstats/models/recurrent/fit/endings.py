"""What is wrong with the end of a climb, unit by unit, in words.

The likelihood of a network has a least upper bound, but often no maximum: it rises for ever while

- the weights into a unit grow, and the unit becomes a step;
- the weights into a unit shrink and those out of it grow: what remains is a linear unit;
- two units become one and are read with opposite signs, ever larger: what remains is the derivative
  of a unit with respect to its weights;
- the weights of a gate grow, and it is open, shut, or a switch.

Each is looked for by going there: the weights are moved ten times as far, the rest compensated, and
if the log-likelihood hardly falls there is no maximum on the way. Two more findings are of another
kind: a unit that does nothing, and a recursion that does not forget (positive Lyapunov exponent),
under which the likelihood is no smooth function of the weights any more: the filter is not
invertible in the sense of Straumann and Mikosch (2006), Annals of Statistics 34, 2449-2495.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import networks
from rnnstats.kernels.architecture import Cell, Layer
from rnnstats.kernels.networks import Network
from rnnstats.models.recurrent.fit import movements
from rnnstats.models.recurrent.fit.forgetting import NEUTRAL, lyapunov
from rnnstats.models.recurrent.likelihood import Evaluation, RecurrentLikelihood
from rnnstats.models.recurrent.scaling import Chart
from rnnstats.parameters.layout import Layout

if TYPE_CHECKING:
    from rnnstats.models.recurrent.methods import RecurrentMethods

__all__ = ["Finding", "boundary_words", "examine"]

FloatArray = NDArray[np.float64]

# How far the weights are moved, the loss of log-likelihood that says nothing stops them, and the
# gain that a climb on its way there may have left.
FAR, LOSS, GAIN = (3.0, 10.0), 1e-3, 0.1
# Cosine between the paths of two units that may be becoming one.
ALIKE = 0.9
# Spread of a unit times the largest weight that reads it, in standardised units, that is nothing.
NOTHING = 1e-6
# A gate is open above this mean and shut below one minus it; what is to become a step or a switch
# comes this near to its ends somewhere.
OPEN = 0.99


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    kind : {"infinite", "idle", "chaotic"}
    words : str
    units : tuple of int
        Numbers of the units, from 0 over all layers.
    move : callable or None
        ``(phi, c) -> phi``: further on the way to infinity by a factor.
    """

    kind: Literal["infinite", "idle", "chaotic"]
    words: str
    units: tuple[int, ...] = ()
    move: Callable[[FloatArray, float], FloatArray] | None = None


def boundary_words(model: RecurrentMethods, theta: FloatArray) -> tuple[str, ...]:
    """
    Say what is at the border of the parameter space, or beyond all of it.

    Parameters
    ----------
    model : RecurrentMethods
    theta : ndarray, shape (K,)

    Returns
    -------
    tuple of str
        First of the head's own parameters, then of the units.
    """
    phi = model.chart.to_standard(theta)
    extra = phi[model.chart.extra]
    own = model.head.boundary(extra, np.ones(model.endog.k_endog))
    found = examine(model.likelihood, model.layout, phi, model.penalty)
    return own + tuple(one.words for one in found)


def examine(
    likelihood: RecurrentLikelihood, layout: Layout, phi: FloatArray, penalty: float
) -> tuple[Finding, ...]:
    """
    Look for everything that keeps a point from being a regular maximum.

    Parameters
    ----------
    likelihood : RecurrentLikelihood
    layout : Layout
        Restrictions, which may stand in the way to infinity.
    phi : ndarray, shape (K,)
        Standardised.
    penalty : float
        With a penalty no weight runs to infinity.

    Returns
    -------
    tuple of Finding
    """
    here = likelihood.evaluate(phi)
    if here is None or not np.isfinite(here.run.states).all():
        return ()
    found: list[Finding] = []
    exponent = lyapunov(likelihood.arch, here)
    if exponent > NEUTRAL:
        found.append(_chaotic(exponent))
    level = likelihood.value_at(phi)
    known: set[int] = set()
    ways = iter(()) if penalty else _infinite(likelihood, layout, here)
    for one in itertools.chain(_idle(likelihood, phi, here), ways):
        if known.isdisjoint(one.units) and _holds(likelihood, phi, one, level):
            found.append(one)
            known.update(one.units)
    return tuple(found)


def _chaotic(exponent: float) -> Finding:
    return Finding(
        "chaotic",
        f"the state does not forget where it was (Lyapunov exponent {exponent:.2g} a row): the "
        "likelihood is rugged, and this is one of very many peaks",
    )


def _holds(likelihood: RecurrentLikelihood, phi: FloatArray, one: Finding, level: float) -> bool:
    """Whether the log-likelihood stays where it is on the way that a finding says leads away."""
    if one.move is None:
        return True
    if np.allclose(one.move(phi, FAR[-1]), phi, rtol=1e-9, atol=1e-9):
        return False  # fixed weights do not move
    gains = (likelihood.value_at(one.move(phi, c)) - level for c in FAR)
    return all(-LOSS <= gain <= GAIN for gain in gains)


def _idle(likelihood: RecurrentLikelihood, phi: FloatArray, here: Evaluation) -> Iterator[Finding]:
    """Units that move nothing that reads them."""
    arch = likelihood.arch
    weights = phi[likelihood.chart.weights]
    for number, layer, unit in _units(arch):
        path = here.run.states[:, layer.output.start + unit]
        if float(path.std()) * movements.reading(arch, weights, number) < NOTHING:
            yield Finding(
                "idle",
                f"unit {_name(arch, number)} does nothing: the weights into it are not identified",
                (number,),
            )


def _infinite(
    likelihood: RecurrentLikelihood, layout: Layout, here: Evaluation
) -> Iterator[Finding]:
    """Everything that may be on its way to infinity; whether it is, is for `_holds` to say."""
    ways = _ways(likelihood, here)
    return _within(likelihood.chart, layout, ways) if layout.restricted else ways


def _within(chart: Chart, layout: Layout, ways: Iterator[Finding]) -> Iterator[Finding]:
    """The same under restrictions."""
    for one in ways:
        move = one.move
        assert move is not None

        def held(phi: FloatArray, c: float, move: movements.Move = move) -> FloatArray:
            theta = chart.to_natural(move(phi, c))
            return chart.to_standard(layout.expand(layout.reduce(theta)))

        yield Finding(one.kind, one.words, one.units, held)


def _ways(likelihood: RecurrentLikelihood, here: Evaluation) -> Iterator[Finding]:
    arch, at = likelihood.arch, likelihood.chart.weights
    states = here.run.states
    for layer_number in range(len(arch.layers)):
        first = sum(arch.units[:layer_number])
        yield from _pairs(arch, at, layer_number, states, first)
    for number, layer, unit in _units(arch):
        if not isinstance(layer.cell, Cell):
            continue
        yield from _steps(arch, at, number, layer, unit, here)
        words = (
            f"unit {_name(arch, number)} works where its activation is linear: the weights into it "
            "run to zero and those that read it to infinity"
        )
        for move in _linear(likelihood, here, number, layer, unit):
            yield Finding("infinite", words, (number,), move)


def _linear(
    likelihood: RecurrentLikelihood, here: Evaluation, number: int, layer: Layer, unit: int
) -> Iterator[movements.Move]:
    """A unit ever nearer to where it starts, or to its mean."""
    arch, chart = likelihood.arch, likelihood.chart
    assert isinstance(layer.cell, Cell)
    if layer.cell.kind != "elman":
        yield movements.linear_candidate(arch, chart.weights, number)
    elif layer.cell.activation in ("tanh", "sigmoid", "softplus"):
        mean = float(here.run.states[:, layer.output.start + unit].mean())
        levels = (0.0, mean) if layer.cell.activation == "tanh" else (mean,)
        for level in levels:
            yield movements.linear_unit(arch, chart.weights, number, level, chart.initial)


def _pairs(
    arch: Network, at: slice, layer_number: int, states: FloatArray, first: int
) -> Iterator[Finding]:
    """Pairs of units that become one."""
    layer = arch.layers[layer_number]
    paths = states[:, layer.output]
    size = np.sqrt((paths**2).sum(axis=0))
    cosine = (paths.T @ paths) / np.maximum(np.outer(size, size), 1e-300)
    pairs = [
        (-abs(float(cosine[i, j])), i, j)
        for i in range(layer.units)
        for j in range(i)
        if abs(cosine[i, j]) >= ALIKE
    ]
    for _, i, j in sorted(pairs):
        sign = 1.0 if cosine[i, j] > 0.0 else -1.0
        move = movements.pair(arch, at, layer_number, i, j, sign)
        if move is None:
            continue
        words = (
            f"units {_name(arch, first + j)} and {_name(arch, first + i)} become one, read with "
            "opposite signs that run to infinity: what remains is the derivative of a unit"
        )
        yield Finding("infinite", words, (first + j, first + i), move)


def _steps(
    arch: Network, at: slice, number: int, layer: Layer, unit: int, here: Evaluation
) -> Iterator[Finding]:
    """A unit that becomes a step, gates that are open, shut or switches."""
    assert isinstance(layer.cell, Cell)
    if layer.cell.kind == "elman":
        path = here.run.states[:, layer.output.start + unit]
        if layer.cell.activation in ("tanh", "sigmoid") and _extreme(
            path, layer.cell.activation == "tanh"
        ):
            words = (
                f"unit {_name(arch, number)} becomes a step: the weights into it run to infinity, "
                "and the likelihood depends only on where it jumps"
            )
            yield Finding("infinite", words, (number,), movements.steeper(arch, at, number, 0))
        return
    gates = networks.gates(arch, here.weights, here.run)
    for g, word in enumerate(layer.cell.gates):
        values = gates[word][:, number]
        level, odd = float(values.mean()), g == 2
        if not _extreme(values, odd):
            continue
        state = "a switch"
        if not odd and level > OPEN:
            state = "always open"
        elif not odd and level < 1.0 - OPEN:
            state = "always shut"
        words = (
            f"the {word} gate of unit {_name(arch, number)} becomes {state}: the weights into it "
            "run to infinity"
        )
        yield Finding("infinite", words, (number,), movements.steeper(arch, at, number, g))


def _name(arch: Network, number: int) -> str:
    """Name of a unit by its number over all layers."""
    return [name for layer in arch.labels for name in layer[0]][number]


def _extreme(values: FloatArray, odd: bool) -> bool:
    """Whether a squashed value comes near an end of its range somewhere."""
    centred = values if odd else 2.0 * values - 1.0
    return bool(np.abs(centred).max() > OPEN)


def _units(arch: Network) -> Iterator[tuple[int, Layer, int]]:
    """Number over all layers, layer, number within it."""
    number = 0
    for layer in arch.layers:
        for unit in range(layer.units):
            yield number, layer, unit
            number += 1
