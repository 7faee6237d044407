"""What single units of a recurrent network do over the data, and which of them are not identified.

References
----------
Sussmann (1992), Neural Networks 5, 589-593 (which networks are minimal, and their symmetries);
Fukumizu and Amari (2000), Neural Networks 13, 317-327 (units that vanish or coincide); Bates and
Watts (1988), Nonlinear Regression Analysis and Its Applications, section 3.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import RecurrentSystem
from rnnstats.results.recurrent.states.states import gate_values, unit_names

__all__ = ["Finding", "UnitReport", "examine"]

# A unit reaches nothing where it moves no linear predictor (standardised outputs) and no other
# unit by more than this standard deviation.
DEAD = 1e-6
# A unit is constant where its standard deviation is below this.
STILL = 1e-6
# A unit is saturated beyond this share of its range, in at least this share of rows.
BEYOND, MOSTLY = 0.99, 0.95
# tanh(a) differs from a by less than a^3 / 3: within this range by at most 0.3 % of it.
LINEAR = 0.1
# Softplus is within 5e-5 of its argument beyond this value.
SOFT = 10.0
# Two units with this correlation are one.
ALIKE = 0.9999


@dataclass(frozen=True)
class Finding:
    """Something about units that the data cannot tell, with a way out.

    Attributes
    ----------
    kind : str
        "dead", "constant", "saturated", "linear range", "duplicated", "scale", "rotation" or
        "gate".
    units : tuple of str
    words : str
        A sentence.
    way_out : str
        What to do about it.
    """

    kind: str
    units: tuple[str, ...]
    words: str
    way_out: str

    def __str__(self) -> str:
        """Return both sentences."""
        return f"{self.words} {self.way_out}"


@dataclass(frozen=True, eq=False)
class UnitReport:
    """Units over the data.

    Attributes
    ----------
    frame : DataFrame
        One row a unit.
    findings : tuple of Finding
    """

    frame: pd.DataFrame
    findings: tuple[Finding, ...]


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer over the rows of the recursion."""

    kind: str
    activation: str
    names: tuple[str, ...]
    h: FloatArray  # (m, units)
    c: FloatArray | None  # memory of a LSTM
    outward: FloatArray  # sd of what each unit moves in the readout or the layer above, (units,)
    inward: FloatArray  # largest sd of what each unit moves in other units of its layer, (units,)
    written: FloatArray | None  # candidate of a gated cell, (m, units)


def examine(model: Any, system: RecurrentSystem) -> UnitReport:
    """Look at each unit over the data.

    Parameters
    ----------
    model : RecurrentModel
        Says what is restricted.
    system : RecurrentSystem

    Returns
    -------
    UnitReport
    """
    layers = _layers(system)
    findings: list[Finding] = []
    rows = []
    number = 0
    for i, layer in enumerate(layers):
        number = 1 if system.architecture.reads(i) is not None else number + 1
        found = [*_alone(layer), *_pairs(layer)]
        findings += found
        words = {name: one.kind for one in reversed(found) for name in one.units}
        rows += [(number, *row, words.get(row[0], "")) for row in _numbers(layer)]
        findings += _symmetry(layer, bool(model.layout.fixed))
    findings += _stuck(system)
    columns = ["layer", "unit", "mean", "sd", "min", "max", "saturated", "effect", "status"]
    frame = pd.DataFrame(rows, columns=columns).set_index("unit").rename_axis(index=None)
    return UnitReport(frame, tuple(findings))


def _layers(system: RecurrentSystem) -> list[_Layer]:
    architecture = system.architecture
    weights = architecture.unpack(np.asarray(system.weights))
    states = np.asarray(system.run.states)
    gates = gate_values(system)
    names, at, made, seen = unit_names(architecture), 0, [], {word: 0 for word in gates}
    for i, (cell, units) in enumerate(zip(architecture.cells, architecture.units, strict=True)):
        h = states[:, at : at + units]
        c = states[:, at + units : at + 2 * units] if len(cell.blocks) > 1 else None
        at += units * len(cell.blocks)
        matrix = np.asarray(weights.layers[i][0])
        sd = h.std(axis=0)
        reader = architecture.above(i)
        if reader is not None:
            above = np.asarray(weights.layers[reader][0])
            own = architecture.units[reader]
            outward = np.abs(above[:, own : own + units]).max(axis=0) * sd
        else:
            read = np.asarray(weights.readout)[:, architecture.seen(i)]
            outward = np.abs(read).max(axis=0) * sd
        recurrent = np.abs(matrix[:, :units]).reshape(-1, units, units)
        across = recurrent * (1.0 - np.eye(units))
        written = None
        for word in ("candidate", "cell"):
            if word in gates and word in cell.gates:
                first = seen[word]
                written = gates[word][:, first : first + units]
                seen[word] += units
        kind = str(getattr(cell, "kind", "own"))
        activation = str(getattr(cell, "activation", "")) if kind == "elman" else "tanh"
        inward = across.max(axis=(0, 1)) * sd
        made.append(
            _Layer(
                kind, activation if kind != "own" else "", names[i][0], h, c, outward, inward,
                written,
            )
        )  # fmt: skip
    return made


def _range(layer: _Layer) -> tuple[float, float] | None:
    """Ends of what a unit can be."""
    if layer.activation == "tanh":
        return (-1.0, 1.0)
    return (0.0, 1.0) if layer.activation == "sigmoid" else None


def _extreme(layer: _Layer) -> FloatArray:
    """Side of the range in which each row lies beyond the share, 0 inside, (m, units)."""
    ends = _range(layer)
    if ends is None:
        return np.zeros(layer.h.shape)
    scaled = 2.0 * (layer.h - ends[0]) / (ends[1] - ends[0]) - 1.0
    return np.asarray(np.sign(scaled) * (np.abs(scaled) > BEYOND))


def _numbers(layer: _Layer) -> list[tuple[Any, ...]]:
    share = np.abs(_extreme(layer)).mean(axis=0)
    h = layer.h
    table = zip(
        layer.names, h.mean(axis=0), h.std(axis=0), h.min(axis=0), h.max(axis=0), share,
        layer.outward, strict=True,
    )  # fmt: skip
    return [(name, *map(float, row)) for name, *row in table]


def _alone(layer: _Layer) -> list[Finding]:
    """What is wrong with single units."""
    found = []
    side = _extreme(layer)
    for j, name in enumerate(layer.names):
        h = layer.h[:, j]
        if layer.outward[j] < DEAD and layer.inward[j] < DEAD and h.std() >= STILL:
            found.append(
                Finding(
                    "dead", (name,),
                    f"{name} moves no output: the weights that leave it vanish, and those that "
                    "enter it are not identified.",
                    "Use one unit less, or start the fit elsewhere.",
                )
            )  # fmt: skip
        elif h.std() < STILL:
            found.append(
                Finding(
                    "constant", (name,),
                    f"{name} is the constant {h.mean():.3g} over the rows: its readout cannot be "
                    "told from b_y, nor the weights that enter it.",
                    "Use one unit less, or start the fit elsewhere.",
                )
            )  # fmt: skip
        elif np.abs(side[:, j]).mean() >= MOSTLY:
            found.append(_saturated(name, side[:, j]))
        elif words := _linear_range(layer, j):
            found.append(Finding("linear range", (name,), *words))
    return found


def _saturated(name: str, side: FloatArray) -> Finding:
    both = bool((side > 0).any() and (side < 0).any())
    what = "a step between its two ends" if both else "nearly a constant"
    more = (
        "only where the step lies is told, not how steep it is"
        if both
        else "its readout can hardly be told from b_y"
    )
    way = (
        "Report the step (a threshold model, or MarkovRNN), or use penalty= to keep weights finite."
        if both
        else "Use one unit less, or penalty= to keep weights finite."
    )
    share = float(np.abs(side).mean())
    return Finding(
        "saturated", (name,),
        f"{name} is saturated in {100 * share:.0f} % of rows, {what}: {more}, and the weights that "
        "enter it run away.", way,
    )  # fmt: skip


def _linear_range(layer: _Layer, j: int) -> tuple[str, str] | None:
    """Words for a unit that never leaves the range in which its cell is linear."""
    name, h = layer.names[j], layer.h[:, j]
    way = (
        f"Fix one weight that leaves or enters {name}, or use LinearRNN or skip=True for the "
        "linear part."
    )
    words = (
        f"{name} never leaves the range in which its cell is linear: the weights that enter it and "
        "those that leave it are identified as products only."
    )
    if layer.kind in ("gru", "lstm"):
        small = layer.written is not None and float(np.abs(layer.written[:, j]).max()) < LINEAR
        if layer.c is not None:
            small = small and float(np.abs(layer.c[:, j]).max()) < LINEAR
        return (words, way) if small else None
    linear = {
        "tanh": float(np.abs(h).max()) < LINEAR,
        "sigmoid": float(np.abs(h - 0.5).max()) < 0.5 * LINEAR,
        "softplus": float(h.min()) > SOFT,
        "relu": float(h.min()) > 0.0,
    }
    return (words, way) if linear.get(layer.activation, False) else None


def _pairs(layer: _Layer) -> list[Finding]:
    """Units that are one unit."""
    found: list[Finding] = []
    if layer.activation == "identity":
        return found
    sd = layer.h.std(axis=0)
    for i, j in combinations(range(len(layer.names)), 2):
        if min(sd[i], sd[j]) < STILL:
            continue
        alike = float(np.corrcoef(layer.h[:, i], layer.h[:, j])[0, 1])
        if abs(alike) > ALIKE:
            one, two = layer.names[i], layer.names[j]
            found.append(
                Finding(
                    "duplicated", (one, two),
                    f"{one} and {two} move together (correlation {alike:.6f}): only the sum of "
                    "what leaves them is identified.",
                    "Use one unit less.",
                )
            )  # fmt: skip
    return found


def _symmetry(layer: _Layer, restricted: bool) -> list[Finding]:
    """Continuous symmetries of a cell, which leave the likelihood alone at every point."""
    known = " beyond what fixed= holds" if restricted else ""
    if layer.activation == "relu":
        return [
            Finding(
                "scale", layer.names,
                f"A relu unit times a positive number, with what leaves it divided by it, is the "
                f"same model: the scale of {', '.join(layer.names)} is not identified{known}.",
                f"Fix one weight a unit, such as V[.,{layer.names[0]}] = 1.",
            )
        ]  # fmt: skip
    if layer.activation == "identity":
        k = len(layer.names)
        return [
            Finding(
                "rotation", layer.names,
                f"With an identity activation any {k} x {k} change of coordinates of the state is "
                f"the same model: {k * k} directions are not identified{known}.",
                "Use LinearRNN, which has identified forms, or hold V and parts of W_h by fixed=.",
            )
        ]  # fmt: skip
    return []


def _stuck(system: RecurrentSystem) -> list[Finding]:
    """Gates that are open or shut in all rows."""
    found = []
    architecture = system.architecture
    for word, values in gate_values(system).items():
        if word in ("candidate", "cell"):
            continue
        names = [
            name
            for cell, layer in zip(architecture.cells, unit_names(architecture), strict=True)
            if word in cell.gates
            for name in layer[0]
        ]
        edge = 0.5 * (1.0 - BEYOND)
        for j, name in enumerate(names):
            shut, open_ = float(values[:, j].max()) < edge, float(values[:, j].min()) > 1.0 - edge
            if shut or open_:
                found.append(
                    Finding(
                        "gate", (name,),
                        f"The {word} gate of {name} is {'open' if open_ else 'shut'} in all rows: "
                        "its weights run away and are not identified.",
                        "A simpler cell would do, or use penalty= to keep weights finite.",
                    )
                )  # fmt: skip
    return found
