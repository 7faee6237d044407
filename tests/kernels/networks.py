"""Random recurrent networks, for the tests of their arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import strategies as st

from rnnstats.kernels import cells
from rnnstats.kernels.cells import Architecture, Cell, Feedback

CELLS = {
    "tanh": Cell("elman"),
    "relu": Cell("elman", "relu"),
    "softplus": Cell("elman", "softplus"),
    "sigmoid": Cell("elman", "sigmoid"),
    "identity": Cell("elman", "identity"),
    "gru after": Cell("gru"),
    "gru before": Cell("gru", reset="before"),
    "lstm": Cell("lstm"),
    "peephole": Cell("lstm", peephole=True),
}
MEANS = ("identity", "exp", "logistic", "softmax")

needs_cells = pytest.mark.skipif(
    not cells.HAVE_COMPILED, reason="the compiled core of recurrent networks is not built here"
)


@dataclass
class Problem:
    """A network, its numbers and data, and a linear function of each row's eta."""

    arch: Architecture
    weights: np.ndarray
    inputs: np.ndarray
    initial: np.ndarray
    offsets: np.ndarray
    feedback: Feedback | None
    d_eta: np.ndarray
    rng: np.random.Generator

    def run(self, weights=None, inputs=None, initial=None):
        """The forward pass, some of the numbers replaced."""
        return cells.forward(
            self.arch,
            self.weights if weights is None else weights,
            self.inputs if inputs is None else inputs,
            initial=self.initial if initial is None else initial,
            offsets=self.offsets,
            feedback=self.feedback,
        )


def make(
    rng, kinds, units, *, k_in=2, k_eta=1, skip=False, nobs=20, sequences=1, mean=None, gaps=0.3
):
    """A problem drawn at random; with ``mean`` some inputs are lagged outputs with gaps."""
    arch = Architecture(tuple(CELLS.get(kind, kind) for kind in kinds), units, k_in, k_eta, skip)
    weights = rng.normal(size=arch.size) / np.sqrt(max(units))
    inputs = rng.normal(size=(nobs, k_in))
    inner = rng.choice(np.arange(1, nobs), sequences - 1, replace=False)
    offsets = np.array([0, *sorted(inner), nobs])
    feedback = None
    if mean is not None and k_in:
        k = int(rng.integers(1, k_in + 1))
        feedback = Feedback(
            rng.permutation(k_in)[:k], rng.integers(1, 4, k), rng.integers(0, k_eta, k),
            mean, rng.normal(size=k), rng.uniform(1.0, 3.0, size=k),
        )  # fmt: skip
        lagged = inputs[:, feedback.columns]
        inputs[:, feedback.columns] = np.where(rng.random(lagged.shape) < gaps, np.nan, lagged)
        inputs[0, feedback.columns] = np.nan  # the first row reads what was before it
    initial = 0.5 * rng.normal(size=(sequences, arch.k_state))
    d_eta = rng.normal(size=(nobs, k_eta))
    return Problem(arch, weights, inputs, initial, offsets, feedback, d_eta, rng)


@st.composite
def problems(draw, *, sizes=(1, 2, 3), kinds=tuple(CELLS), longest=14, layers=3):
    """Any cells by layer, inputs, outputs, sequences and missing patterns."""
    count = draw(st.integers(1, layers))
    return make(
        np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
        [draw(st.sampled_from(kinds)) for _ in range(count)],
        tuple(draw(st.sampled_from(sizes)) for _ in range(count)),
        k_in=draw(st.integers(0, 3)),
        k_eta=draw(st.integers(1, 3)),
        skip=draw(st.booleans()),
        nobs=draw(st.integers(4, longest)),
        sequences=draw(st.integers(1, 3)),
        mean=draw(st.sampled_from([None, *MEANS])),
        gaps=draw(st.sampled_from([0.1, 0.5, 1.0])),
    )
