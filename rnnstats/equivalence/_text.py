"""Weights of a network as names and as text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["named", "reads", "table", "terms", "units"]

FloatArray = NDArray[np.float64]


# Weights below this share of the largest in their array are rounding, and not shown.
ROUNDING = 1e-13


def named(
    parts: list[tuple[str, FloatArray, tuple[str, ...], tuple[str, ...] | None]],
) -> dict[str, float]:
    """Weights that are not zero up to rounding, labelled: array, rows, columns."""
    found: dict[str, float] = {}
    for label, array, rows, columns in parts:
        for place in zip(*np.nonzero(_clean(array)), strict=True):
            inner = rows[place[0]] if columns is None else f"{rows[place[0]]},{columns[place[1]]}"
            found[f"{label}[{inner}]"] = float(array[place])
    return found


def table(label: str, array: FloatArray, rows: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """A table as text, without columns of zeros; empty if nothing is left."""
    clean = _clean(array)
    kept = np.flatnonzero(clean.any(axis=0)) if label.endswith("b") else np.arange(len(columns))
    if not clean.any():
        return ""
    cells = [[f"{value:.6g}" for value in row] for row in clean[:, kept]]
    heads = [label, *(columns[j] for j in kept)]
    body = [heads, *([name, *row] for name, row in zip(rows, cells, strict=True))]
    widths = [max(len(row[j]) for row in body) for j in range(len(heads))]
    lines = []
    for row in body:
        numbers = [f"{cell:>{w}}" for cell, w in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([f"{row[0]:<{widths[0]}}", *numbers]))
    return "\n".join(lines)


def _clean(array: FloatArray) -> FloatArray:
    floor = ROUNDING * np.abs(array[np.isfinite(array)]).max(initial=0.0)
    return np.where(np.abs(array) > floor, array, 0.0)


def terms(inputs: str, constant: str, network: Any, names: Any = None) -> str:
    """The rest of an equation as text: inputs, constant, trend, where they are not zero."""
    owner = network if names is None else names
    weights = getattr(network, inputs)
    text = f" + {inputs} x_t" if owner.k_exog and weights.any() else ""
    text += f" + {constant}" if getattr(network, constant).any() else ""
    return text + (f" + {constant}_trend t" if getattr(network, f"{constant}_trend").any() else "")


def units(count: int) -> str:
    """A number of units in words."""
    return f"{count} hidden unit" + ("" if count == 1 else "s")


def reads(network: Any) -> str:
    """What a network reads, by name."""
    return "reads " + ", ".join([*network.endog_names, *network.exog_names])
