"""Random systems with intercepts of every kind, for the tests of the networks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from kernels.systems import random_system
from numpy.typing import NDArray

from rnnstats.equivalence.rnn import Intercepts
from rnnstats.kernels.kalman import SmootherOutput, kalman_smoother
from rnnstats.kernels.system import StateSpace

FloatArray = NDArray[np.float64]
STARTS = ("stationary", "noisy", "noiseless", "none")


class Case(NamedTuple):
    """A system, what its intercepts consist of, data, and the exact filter and smoother."""

    system: StateSpace
    intercepts: Intercepts
    y: FloatArray
    x: FloatArray | None
    exact: SmootherOutput


def random_case(
    seed: int,
    p: int,
    m: int,
    *,
    k: int = 0,
    start: str = "stationary",
    cross: bool = True,
    direct: bool = True,
    trend: bool = True,
    unit_root: bool = False,
    nobs: int = 400,
) -> Case:
    """Draw a case; with `unit_root` the first state is a diffuse random walk."""
    rng = np.random.default_rng(seed)
    base = random_system(rng, p, m, m, start, cross=cross)  # type: ignore[arg-type]
    transition, diffuse = np.array(base.transition), np.zeros(m)
    if unit_root:
        transition[0], transition[:, 0] = 0.0, 0.0
        transition[0, 0], diffuse[0] = 1.0, 1.0
    slope = 0.01 if trend else 0.0
    parts = Intercepts(
        rng.normal(size=m),
        slope * rng.normal(size=m),
        rng.normal(size=(m, k)),
        rng.normal(size=p),
        slope * rng.normal(size=p),
        rng.normal(size=(p, k)) * direct,
    )
    x, t = rng.normal(size=(nobs, k)), np.arange(1.0, nobs + 1.0)[:, None]
    system = StateSpace.from_arrays(
        design=base.design,
        transition=transition,
        selection=base.selection,
        state_cov=base.state_cov,
        obs_cov=base.obs_cov,
        cross_cov=base.cross_cov,
        initial_mean=base.initial_mean,
        initial_cov=base.initial_cov,
        initial_diffuse=diffuse,
        start="given" if unit_root else base.start,
        first_step=base.first_step,
        obs_intercept=parts.obs_const + t * parts.obs_trend + x @ parts.obs_exog.T,
        state_intercept=parts.state_const + t * parts.state_trend + x @ parts.state_exog.T,
    )
    y = rng.normal(size=(nobs, p)) + 0.1 * np.cumsum(rng.normal(size=(nobs, p)), axis=0)
    return Case(system, parts, y, x if k else None, kalman_smoother(system, y))
