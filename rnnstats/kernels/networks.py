"""One- and two-sided networks alike: functions of `cells` or `two_sided`, by architecture."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import cells, two_sided
from rnnstats.kernels.architecture import Architecture, Feedback
from rnnstats.kernels.chain_rule import ChainRule
from rnnstats.kernels.two_sided import TwoSided, TwoSidedRun

__all__ = [
    "Network",
    "Run",
    "backward",
    "forward",
    "gates",
    "information",
    "score_obs",
    "scores_by",
    "slopes",
]

FloatArray = NDArray[np.float64]
Network: TypeAlias = Architecture | TwoSided
Run: TypeAlias = cells.Forward | TwoSidedRun


def forward(
    arch: Network,
    weights: FloatArray,
    inputs: FloatArray,
    *,
    initial: FloatArray,
    offsets: Any,
    feedback: Feedback | None,
) -> Any:
    """Run a network over all rows, see `cells.forward` and `two_sided.forward`."""
    work: Any = two_sided.forward if isinstance(arch, TwoSided) else cells.forward
    return work(arch, weights, inputs, initial=initial, offsets=offsets, feedback=feedback)


def backward(arch: Network, weights: FloatArray, run: Any, d_eta: FloatArray) -> cells.Gradient:
    """Gradient of a sum of functions of each row's eta, see `cells.backward`."""
    if isinstance(arch, TwoSided):
        return two_sided.backward(arch, weights, run, d_eta)
    return cells.backward(arch, weights, run, d_eta)


def score_obs(
    arch: Network, weights: FloatArray, run: Any, d_eta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of each row's function of its eta, see `cells.score_obs`."""
    if isinstance(arch, TwoSided):
        return two_sided.score_obs(arch, weights, run, d_eta)
    return cells.score_obs(arch, weights, run, d_eta)


def scores_by(
    arch: Network,
    weights: FloatArray,
    run: Any,
    d_eta: FloatArray,
    rule: ChainRule,
    places: NDArray[np.int64],
    out: FloatArray,
) -> None:
    """As `score_obs`, by other parameters, see `cells.scores_by`."""
    work: Any = two_sided.scores_by if isinstance(arch, TwoSided) else cells.scores_by
    work(arch, weights, run, d_eta, rule, places, out)


def information(arch: Network, weights: FloatArray, run: Any, curvature: FloatArray) -> FloatArray:
    """Sum over rows of G' C G, see `cells.information`."""
    if isinstance(arch, TwoSided):
        return two_sided.information(arch, weights, run, curvature)
    return cells.information(arch, weights, run, curvature)


def gates(arch: Network, weights: FloatArray, run: Any) -> dict[str, FloatArray]:
    """Values of the gates by word, see `cells.gates`."""
    if isinstance(arch, TwoSided):
        return two_sided.gates(arch, weights, run)
    return cells.gates(arch, weights, run)


def slopes(arch: Network, weights: FloatArray, run: Any) -> tuple[FloatArray, ...]:
    """Derivatives of each row's state by the one before it, (n, s, s), one array a direction."""
    if isinstance(arch, TwoSided):
        return two_sided.jacobians(arch, weights, run)
    return cells.jacobians(arch, weights, run)[:1]
