"""Random systems in innovations form for the tests of this folder."""

from __future__ import annotations

import numpy as np

from rnnstats.equivalence.varma import InnovationsSystem, innovations_system
from rnnstats.kernels.system import StateSpace


def random_system(
    rng: np.random.Generator, p: int, n: int, k: int = 0, *, direct: bool = False
) -> InnovationsSystem:
    """A stable and invertible system with modes of some strength."""
    a = rng.standard_normal((n, n))
    a *= rng.uniform(0.3, 0.98) / np.abs(np.linalg.eigvals(a)).max()
    c, gain = rng.standard_normal((p, n)), rng.standard_normal((n, p))
    while np.abs(np.linalg.eigvals(a - gain @ c)).max() >= 0.98:
        gain *= 0.8
    d = rng.standard_normal((p, k)) if direct else np.zeros((p, k))
    return innovations_system(a, c, gain, rng.standard_normal((n, k)), d)


def random_cov(rng: np.random.Generator, p: int) -> np.ndarray:
    root = np.tril(rng.standard_normal((p, p))) + 2.0 * np.eye(p)
    return root @ root.T


def state_space(system: InnovationsSystem, sigma: np.ndarray, x: np.ndarray) -> StateSpace:
    """The system with stationary start, its inputs in the intercepts."""
    return StateSpace.from_arrays(
        design=system.design,
        transition=system.transition,
        selection=system.gain,
        state_cov=sigma,
        cross_cov=sigma,
        obs_cov=sigma,
        obs_intercept=x @ system.direct.T,
        state_intercept=x @ system.inputs.T,
        start="stationary",
    )
