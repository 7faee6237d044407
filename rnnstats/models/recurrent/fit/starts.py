"""Starts of a recurrent network, from the data.

The weights of the recurrence are drawn, the readout and the head's own parameters are solved for
given the states that these weights make (`readout`). Two kinds take turns:

``leaky``
    every unit works in the nearly linear range of its activation and forgets at a rate of its own,
    from one row to about the length of the sample: leaky integrators of the directions in which a
    linear regression on the inputs points, and of directions drawn. This is the linear model;
``drawn``
    random weights, from gentle to saturating, with a recurrence that forgets, and for gated cells
    gates from half open to nearly shut: long memory.

What comes out is screened by the climb, not here: the height of a start says little about where it
leads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import SpecificationError
from rnnstats.kernels import networks
from rnnstats.kernels.architecture import Cell, Layer
from rnnstats.kernels.networks import Network
from rnnstats.models._fitting import StartPoint
from rnnstats.models.recurrent.fit.readout import regress

if TYPE_CHECKING:
    from rnnstats.models.recurrent.likelihood import RecurrentLikelihood
    from rnnstats.models.recurrent.methods import RecurrentMethods

__all__ = ["Draw", "default_number", "draws", "no_start", "starting_points"]

FloatArray = NDArray[np.float64]

# Scales of drawn weights, and constants added to the gate that keeps the state; they take turns.
SCALES = (1.0, 2.0, 0.5, 4.0)
KEEPS = (0.0, 1.0, 0.0, 2.5)
# Size of the input part of a leaky unit's argument, in standard deviations.
GENTLE = 0.5
# Norm of drawn recurrent weights, from and to.
RECURRENT = (0.3, 1.0)
# Parameters of a model whose climbs cost little, and its largest number of starts.
SMALL, MOST = 40, 32
# Starts without a likelihood that are replaced by further ones.
PATIENCE = 20


class Draw(NamedTuple):
    """A start: how it was found, and standardised parameters (K,), restrictions not imposed."""

    label: str
    phi: FloatArray


def default_number(model: RecurrentMethods) -> int:
    """
    Starts of a fit that is not told how many.

    Parameters
    ----------
    model : RecurrentMethods

    Returns
    -------
    int
        8 for one unit and 4 more for each further one, at most 32. Of small models twice as
        many, at least two a parameter, at most 32; fewer of large networks, whose iterations are
        dear.
    """
    number = min(4 + 4 * sum(model.units), 32)
    size = model.layout.k_free
    if size <= SMALL:
        number = min(max(2 * number, 2 * size), MOST)
    return max(4, min(number, 4000 // max(size, 1)))


def starting_points(
    model: RecurrentMethods, rng: np.random.Generator, number: int
) -> list[StartPoint]:
    """
    Starts from the data, restrictions imposed, the highest first.

    Parameters
    ----------
    model : RecurrentMethods
    rng : numpy.random.Generator
    number : int

    Returns
    -------
    list of StartPoint

    Raises
    ------
    SpecificationError
        When none has a likelihood.
    """
    found = []
    for label, phi in draws(model, rng, number):
        theta = model.layout.expand(model.layout.reduce(model.chart.to_natural(phi)))
        found.append((model.likelihood.value(theta), StartPoint(label, theta)))
    found = [pair for pair in found if pair[0] > -math.inf]
    if not found:
        raise no_start(model)
    found.sort(key=lambda pair: -pair[0])
    return [point for _, point in found]


def no_start(model: RecurrentMethods) -> SpecificationError:
    """
    What to say when no start has a finite likelihood.

    Parameters
    ----------
    model : RecurrentMethods

    Returns
    -------
    SpecificationError
    """
    return SpecificationError(
        f"{model.name}.fit: a start must have a finite log-likelihood; got none. Give "
        "start_params, relax the restrictions, or use initial='zero'."
    )


def draws(model: RecurrentMethods, rng: np.random.Generator, number: int) -> list[Draw]:
    """
    Draw starts and solve for their readouts.

    Parameters
    ----------
    model : RecurrentMethods
    rng : numpy.random.Generator
    number : int

    Returns
    -------
    list of Draw
        At most `number`, all with a finite likelihood.
    """
    likelihood = model.likelihood
    arch = likelihood.arch
    directions = {
        index: _directions(likelihood, columns)
        for index in range(len(arch.layers))
        if (columns := arch.reads(index)) is not None
    }
    extra = _given_extra(model)
    points: list[Draw] = []
    for attempt in range(number + PATIENCE):
        if len(points) == number:
            break
        weights, label = _recurrence(arch, directions, attempt, rng)
        phi = _solved(likelihood, weights, extra)
        if phi is not None and likelihood.value_at(phi) > -math.inf:
            points.append(Draw(label, phi))
    return points


def _given_extra(model: RecurrentMethods) -> FloatArray | None:
    """Standardised parameters of the head where all are given, else None."""
    fixed = model.layout.fixed
    if any(isinstance(fixed.get(name, ""), str) for name in model.head.names):
        return None
    return model.chart.to_standard(model.layout.base)[model.chart.extra]


def _recurrence(
    arch: Network, directions: dict[int, FloatArray], attempt: int, rng: np.random.Generator
) -> tuple[FloatArray, str]:
    """Weights (P,) with a readout of zero, and a word."""
    weights = np.zeros(arch.size)
    view = arch.unpack(weights)
    turn = attempt // 3
    gentle = attempt % 3 == 0
    scale, keep = SCALES[turn % len(SCALES)], KEEPS[(turn // 2) % len(KEEPS)]
    for index, (layer, (matrix, _)) in enumerate(zip(arch.layers, view.layers, strict=True)):
        if gentle:
            columns = arch.reads(index)
            given = np.zeros((0, layer.k_in)) if columns is None else directions[index]
            _leaky(layer, matrix, given, rng)
        else:
            _drawn(layer, matrix, scale, keep, rng)
    if gentle:
        return weights, "leaky units"
    return weights, f"drawn, scale {scale:g}" + (f", memory {keep:g}" if _keeper(arch) else "")


def _keeper(arch: Network) -> bool:
    """Whether a gate decides how much of the state is kept."""
    return any(isinstance(cell, Cell) and cell.kind != "elman" for cell in arch.cells)


def _leaky(
    layer: Layer, matrix: FloatArray, directions: FloatArray, rng: np.random.Generator
) -> None:
    """Units that keep a share of their state and add a direction of the inputs, in place."""
    u, first = layer.units, layer.units
    rows = rng.standard_normal((u, layer.k_in))
    rows /= np.maximum(np.sqrt((rows**2).sum(axis=1, keepdims=True)), 1e-300)
    led = min(u, len(directions))
    rows[:led] = directions[:led]
    shares = 1.0 - np.exp(-rng.uniform(0.05, 4.0, size=u))
    shares[0] = 0.5 * shares[0]
    cell = layer.cell
    kind = cell.kind if isinstance(cell, Cell) else "own"
    if kind in ("elman", "own"):
        # around the middle of its range a sigmoid has slope 1/4, a softplus 1/2
        slope = {"sigmoid": 0.25, "softplus": 0.5}.get(getattr(cell, "activation", ""), 1.0)
        at = slice(0, u)
        matrix[at, first:-1] = GENTLE * rows
        matrix[np.arange(u), np.arange(u)] = rng.choice([1.0, 1.0, -1.0], size=u) * shares / slope
        return
    odds = np.log(shares) - np.log1p(-shares)
    matrix[2 * u : 3 * u, first:-1] = GENTLE * rows
    matrix[u : 2 * u, -1] = odds  # forget gate of a LSTM, update gate of a GRU
    if kind == "lstm":
        matrix[:u, -1] = -odds


def _drawn(
    layer: Layer, matrix: FloatArray, scale: float, keep: float, rng: np.random.Generator
) -> None:
    """Random weights, in place."""
    u = layer.units
    norm = rng.uniform(*RECURRENT) * min(scale, 1.5)
    matrix[:, :u] = rng.standard_normal((len(matrix), u)) * norm / math.sqrt(u)
    inputs = rng.standard_normal((len(matrix), layer.k_in))
    matrix[:, u:-1] = inputs * scale / math.sqrt(max(layer.k_in, 1))
    matrix[:, -1] = rng.standard_normal(len(matrix)) * 0.5 * scale
    if isinstance(layer.cell, Cell) and layer.cell.kind != "elman":
        matrix[u : 2 * u, -1] += keep


def _directions(likelihood: RecurrentLikelihood, columns: slice) -> FloatArray:
    """Unit vectors (r, k) along which a linear regression on some of the inputs moves."""
    data = likelihood.data
    inputs = np.nan_to_num(data.inputs[:, columns])
    k_in = inputs.shape[1]
    design = np.column_stack([inputs, np.ones(len(inputs))])
    working = likelihood.head.working(data.y)
    seen = np.isfinite(working).all(axis=1)
    if k_in == 0 or not seen.any():
        return np.zeros((0, k_in))
    ridge = np.diag(np.r_[np.full(k_in, 1e-3 * len(design)), 1e-9])
    used = design[seen]
    slopes = np.linalg.solve(used.T @ used + ridge, used.T @ working[seen])[:-1].T
    _, sizes, rows = np.linalg.svd(slopes, full_matrices=False)
    return np.asarray(rows[sizes > 1e-8 * max(float(sizes.max(initial=0.0)), 1e-300)])


def _solved(
    likelihood: RecurrentLikelihood, weights: FloatArray, extra: FloatArray | None
) -> FloatArray | None:
    """Standardised parameters with the readout solved for; None where there is no run."""
    arch, data, chart = likelihood.arch, likelihood.data, likelihood.chart
    own = np.zeros(likelihood.start.k_own)
    initial = likelihood.start.state(weights, own)
    if initial is None:
        return None
    working = likelihood.head.working(data.y)
    level = np.array([column[np.isfinite(column)].mean() for column in working.T])
    view = arch.unpack(weights)
    view.constant[:] = level
    run = networks.forward(
        arch, weights, data.inputs, initial=initial, offsets=data.offsets, feedback=data.feedback
    )
    columns = [run.states[:, arch.outputs]]
    if arch.skip:
        columns.append(run.inputs)
    design = np.column_stack([*columns, np.ones(len(run.states))])
    if not np.isfinite(design).all():
        return None
    beta = np.zeros((arch.k_eta, design.shape[1]))
    beta[:, -1] = level
    with np.errstate(all="ignore"):
        found = regress(likelihood.bound, design, beta, extra=extra)
    if not math.isfinite(found.value):
        return None
    u = len(arch.outputs)
    view.readout[:] = found.beta[:, :u]
    if view.skip is not None:
        view.skip[:] = found.beta[:, u:-1]
    view.constant[:] = found.beta[:, -1]
    phi = np.zeros(len(chart.place))
    phi[chart.weights] = weights
    phi[chart.extra] = found.extra
    phi[chart.initial] = own
    return phi
