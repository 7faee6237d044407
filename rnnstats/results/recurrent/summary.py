"""The summary of a recurrent network: words for its head, and coefficients gate by gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rnnstats import _compat
from rnnstats.results.recurrent.states.states import unit_names

__all__ = ["PENALISED", "cell_words", "grouped", "regroup", "structure_rows"]

PENALISED = (
    "Penalised: the estimates maximise the log-likelihood less {penalty:g}/2 times the sum of the "
    "squared standardised weights; Df Model is the effective number of parameters. Standard errors "
    "are those of the penalised estimates, (A + R)^-1 B (A + R)^-1 with A and B as named above and "
    "R the second derivative of the penalty; the shrinkage itself (bias) is not part of them."
)
# What the gates of each cell are called in headings.
_GATES: Mapping[str, str] = {
    "input": "input gate", "forget": "forget gate", "cell": "cell input", "output": "output gate",
    "reset": "reset gate", "update": "update gate", "candidate": "candidate",
}  # fmt: skip
_REST: Mapping[str, str] = {
    "V": "Readout", "b_y": "Readout", "ar": "Skip connection", "D": "Skip connection",
    "h_0": "State before the sample", "c_0": "State before the sample",
    "g_0": "State beyond the sample", "d_0": "State beyond the sample",
}  # fmt: skip
_HEAD = "Distribution of the outputs"


def cell_words(model: Any) -> str:
    """Say which cells a network has.

    Parameters
    ----------
    model : RecurrentModel

    Returns
    -------
    str
        "Elman (tanh)", "GRU (reset after)", "LSTM, peepholes".
    """
    cell = model.architecture.cells[0]
    kind = getattr(cell, "kind", None)
    if kind == "elman":
        return f"Elman ({cell.activation})"
    if kind == "gru":
        return f"GRU (reset {cell.reset})"
    if kind == "lstm":
        return "LSTM, peepholes" if cell.peephole else "LSTM"
    return str(cell.name)


def structure_rows(model: Any) -> list[tuple[str, str]]:
    """Rows of the summary that say what was fitted.

    Parameters
    ----------
    model : RecurrentModel

    Returns
    -------
    list of (str, str)
    """
    units = " + ".join(map(str, model.architecture.units))
    layers = len(model.architecture.units)
    rows = [
        ("Cell:", cell_words(model)),
        ("Units:", units if layers == 1 else f"{units} in {layers} layers"),
        ("Outputs:", str(model.head.name)),
        ("Lags:", str(model.y_lags)),
    ]
    if model.skip:
        rows.append(("Skip connection:", "yes"))
    rows.append(("Start state:", str(model.initial)))
    lost = model.nobs - model.nobs_likelihood
    if lost:
        rows.append(("Conditioned on:", f"{lost} row{'' if lost == 1 else 's'}"))
    if model.penalty:
        rows.append(("Penalised:", f"ridge {model.penalty:.4g}"))
    return rows


def grouped(model: Any) -> dict[str, list[str]]:
    """Parameters by heading, in the order of the model.

    Parameters
    ----------
    model : RecurrentModel

    Returns
    -------
    dict of str to list of str
        "Layer 2: forget gate", "Readout", and so on.
    """
    architecture = model.architecture
    names = unit_names(architecture)
    owner = {n: i for i, layer in enumerate(names, start=1) for block in layer for n in block}
    words = [set(cell.gates) for cell in architecture.cells]
    found: dict[str, list[str]] = {}
    for name in model.param_names:
        group, _, label = name.partition("[")
        layer = owner.get(label.rstrip("]").split(",")[0], 0)
        stem, _, last = group.rpartition("_")
        base = group.rstrip("0123456789")
        if group in _REST or base in ("ar",):
            title = _REST.get(group, _REST.get(base, ""))
        elif layer and stem in ("p",):
            title = _layered("peepholes", layer, architecture)
        elif layer and last in words[layer - 1] and last in _GATES:
            title = _layered(_GATES[last], layer, architecture)
        elif layer:
            title = _layered("state", layer, architecture)
        else:
            title = _HEAD
        found.setdefault(title, []).append(name)
    return found


def _layered(word: str, layer: int, architecture: Any) -> str:
    """Heading of a group of one layer, counted from 1."""
    first = [i for i in range(layer) if architecture.reads(i) is not None]
    stacks = [i for i in range(len(architecture.units)) if architecture.reads(i) is not None]
    where = []
    if len(stacks) > 1:
        where.append("backward" if len(first) > 1 else "forward")
    if len(architecture.units) > len(stacks):
        where.append(f"layer {layer - first[-1]}")
    title = f"{' '.join(where)}: {word}" if where else word
    return f"{title[0].upper()}{title[1:]}"


def regroup(summary: Any, model: Any, table: pd.DataFrame, alpha: float) -> None:
    """Put one table of coefficients a group in the place of the whole one.

    Parameters
    ----------
    summary : statsmodels.iolib.summary.Summary
        Changed in place: its second table goes.
    model : RecurrentModel
    table : DataFrame
        Coefficients, see `rnnstats.results.tables.coefficient_table`.
    alpha : float
        One minus the coverage of the intervals.
    """
    parts = [
        _compat.coefficient_block(table.loc[names], title=title, alpha=alpha)
        for title, names in grouped(model).items()
    ]
    summary.tables[1:2] = parts
