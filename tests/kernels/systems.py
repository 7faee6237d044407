"""Random state space models, for every test of the arithmetic."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from rnnstats.errors import NotPositiveDefiniteError
from rnnstats.kernels import kalman, reference
from rnnstats.kernels.reference import filter as filter_
from rnnstats.kernels.system import StateSpace, Tangents

Kind = Literal["stationary", "noisy", "noiseless", "none"]
Noise = Literal["full", "diagonal", "singular", "zero"]
Missing = Literal["none", "some", "rows", "start", "column"]

needs_core = pytest.mark.skipif(
    not kalman.HAVE_COMPILED, reason="the compiled core is not built here"
)
BACKENDS = (
    pytest.param(reference, id="twin"),
    pytest.param(kalman, id="compiled", marks=needs_core),
)
KINDS: tuple[Kind, ...] = ("stationary", "noisy", "noiseless", "none")
NOISES: tuple[Noise, ...] = ("full", "diagonal", "singular", "zero")
MISSINGS: tuple[Missing, ...] = ("none", "some", "rows", "start", "column")


def _covariance(rng: np.random.Generator, k: int, rank: int) -> np.ndarray:
    factor = rng.normal(size=(k, rank)) / np.sqrt(max(rank, 1))
    return factor @ factor.T


def _noises(
    rng: np.random.Generator, p: int, r: int, noise: Noise, cross: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """State_cov, cross_cov, obs_cov, jointly positive semi-definite."""
    on_eta = rng.normal(size=(r, r + p)) / np.sqrt(r + p)
    on_eps = rng.normal(size=(p, r + p)) / np.sqrt(r + p)
    if noise == "diagonal":
        on_eps = np.hstack([np.zeros((p, r)), np.diag(rng.uniform(0.3, 1.5, p))])
    if noise == "singular":
        on_eps = rng.normal(size=(p, max(p - 1, 0))) @ on_eps[: max(p - 1, 0)]
    if noise == "zero":
        on_eps = np.zeros((p, r + p))
    cross_cov = on_eta @ on_eps.T if cross else np.zeros((r, p))
    return on_eta @ on_eta.T, cross_cov, on_eps @ on_eps.T


def random_system(
    rng: np.random.Generator,
    p: int,
    m: int,
    r: int,
    start: Kind = "stationary",
    *,
    nobs: int = 10,
    noise: Noise = "full",
    cross: bool = True,
    time_varying: bool = False,
    diffuse: int = 0,
    radius: float = 0.9,
) -> StateSpace:
    """Draw a system whose output covariance is regular in general position.

    Parameters
    ----------
    p, m, r : int
        Outputs, states, state noises. Without output noise p should not exceed r.
    start : str
        "stationary", or a given start with that first step.
    nobs : int
        Rows of time-varying intercepts.
    noise : str
        Kind of obs_cov.
    cross : bool
        Whether output and state share noise.
    time_varying : bool
        Whether the intercepts vary.
    diffuse : int
        Number of diffuse states of a given start.
    radius : float
        Spectral radius of the transition.
    """
    transition = rng.normal(size=(m, m))
    transition *= radius / np.abs(np.linalg.eigvals(transition)).max()
    state_cov, cross_cov, obs_cov = _noises(rng, p, r, noise, cross)
    given = start != "stationary"
    flags = np.zeros(m, dtype=bool)
    flags[rng.permutation(m)[: diffuse if given else 0]] = True
    initial_cov = _covariance(rng, m, m) if given else np.zeros((m, m))
    initial_cov[flags] = 0.0
    initial_cov[:, flags] = 0.0
    return StateSpace.from_arrays(
        design=rng.normal(size=(p, m)),
        transition=transition,
        selection=rng.normal(size=(m, r)),
        state_cov=state_cov,
        obs_cov=obs_cov,
        cross_cov=cross_cov,
        obs_intercept=rng.normal(size=(nobs, p) if time_varying else p),
        state_intercept=rng.normal(size=(nobs, m) if time_varying else m),
        initial_mean=rng.normal(size=m) if given else np.zeros(m),
        initial_cov=initial_cov,
        initial_diffuse=flags,
        start="given" if given else "stationary",
        first_step=start if given else "noisy",
    )


def random_endog(
    rng: np.random.Generator, nobs: int, p: int, missing: Missing = "none"
) -> np.ndarray:
    """Draw data with a pattern of missing values; at least one value is always seen."""
    endog = 2.0 * rng.normal(size=(nobs, p))
    if missing == "some":
        endog[rng.uniform(size=endog.shape) < 0.3] = np.nan
    if missing == "rows":
        endog[rng.uniform(size=nobs) < 0.3] = np.nan
    if missing == "start":
        endog[: nobs // 4] = np.nan
        endog[nobs // 4, : p - 1] = np.nan
    if missing == "column":
        endog[nobs // 2 :, 0] = np.nan
    if np.isnan(endog).all():
        endog[-1, -1] = 1.0
    return endog


def random_case(seed: int, nobs: int = 10) -> tuple[StateSpace, np.ndarray]:
    """Model and data number ``seed``: sizes, start, noises, missing values and intercepts vary.

    Consecutive seeds run through the starts, then through noises, missing patterns and sizes. At
    most three states are diffuse: the information on many, from few random outputs, is so nearly
    singular that two right computations differ.
    """
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % 4]
    noise = NOISES[seed // 4 % 4]
    missing = MISSINGS[seed // 3 % 5]
    p = int(rng.integers(1, 4))
    m = int(rng.integers(1, 6))
    r = int(rng.integers(1, m + 1))
    if noise in ("zero", "singular"):
        m = max(m, p)
        r = int(rng.integers(p, m + 1)) if noise == "zero" else r
    if noise == "singular" and kind in ("noiseless", "none"):
        m = max(m, 2)
    system = random_system(
        rng,
        p,
        m,
        r,
        kind,
        nobs=nobs,
        noise=noise,
        cross=bool(rng.integers(2)),
        time_varying=bool(rng.integers(2)),
        diffuse=int(rng.integers(0, min(m, 3) + 1)),
        radius=float(rng.uniform(0.6, 0.97)),
    )
    return system, random_endog(rng, nobs, p, missing)


SYMMETRIC = ("obs_cov", "state_cov", "initial_cov")
ARRAYS = (
    "design",
    "obs_cov",
    "transition",
    "selection",
    "state_cov",
    "cross_cov",
    "initial_mean",
    "initial_cov",
    "obs_intercept",
    "state_intercept",
)


def array_direction(rng: np.random.Generator, system: StateSpace, name: str) -> Tangents:
    """Draw one random direction in one array (symmetric where the array is).

    Directions leave alone what a diffuse state starts from: the likelihood does not depend on it.
    """
    matrices = np.zeros((1, system.matrices.size))
    obs = np.zeros((1, *system.obs_intercept.shape))
    state = np.zeros((1, *system.state_intercept.shape))
    if name == "obs_intercept":
        obs[:] = rng.normal(size=obs.shape)
    elif name == "state_intercept":
        state[:] = rng.normal(size=state.shape)
    else:
        where, shape = StateSpace.offsets(system.k_endog, system.k_states, system.k_posdef)[name]
        direction = rng.normal(size=shape)
        if name in SYMMETRIC:
            direction = direction + direction.T
        if name in ("initial_mean", "initial_cov"):
            direction[system.initial_diffuse > 0.0] = 0.0
        if name == "initial_cov":
            direction[:, system.initial_diffuse > 0.0] = 0.0
        matrices[0, where] = direction.ravel()
    return Tangents(system.k_endog, system.k_states, system.k_posdef, matrices, obs, state)


def every_array(rng: np.random.Generator, system: StateSpace) -> Tangents:
    """One random direction in each array, in the order of ARRAYS."""
    rows = [array_direction(rng, system, name) for name in ARRAYS]
    return Tangents(
        system.k_endog,
        system.k_states,
        system.k_posdef,
        np.concatenate([row.matrices for row in rows]),
        np.concatenate([row.obs_intercept for row in rows]),
        np.concatenate([row.state_intercept for row in rows]),
    )


def moved(system: StateSpace, tangents: Tangents, k: int, step: complex) -> StateSpace:
    """Move the system by ``step`` along direction ``k``; the step may be complex."""
    return StateSpace(
        system.k_endog,
        system.k_states,
        system.k_posdef,
        system.matrices + step * tangents.matrices[k],
        system.obs_intercept + step * tangents.obs_intercept[k],
        system.state_intercept + step * tangents.state_intercept[k],
        system.start,
        system.first_step,
    )


def along(gradient: Any, tangents: Tangents) -> np.ndarray:
    """Directional derivatives from a gradient."""
    flat = tangents.matrices @ gradient.matrices
    flat = flat + (tangents.obs_intercept * gradient.obs_intercept).reshape(len(tangents), -1).sum(
        1
    )
    state = (tangents.state_intercept * gradient.state_intercept).reshape(len(tangents), -1)
    return np.asarray(flat + state.sum(1))


def well_posed(system: StateSpace, endog: np.ndarray) -> bool:
    """Whether rounding is amplified by no more than about 1e3, in any algorithm of this kind.

    The outputs of a row must not nearly determine each other, and each row must settle what it
    settles of a diffuse start: augmentation gathers the information S on it as normal equations,
    and rounding grows by the reciprocal of the smallest non-zero eigenvalue of S (scaled to unit
    diagonal). A start that the whole sample leaves undetermined is not well posed either.
    """
    model = filter_.unpack(system, endog.shape[0])
    if system.initial_diffuse.any() and np.isnan(endog[0]).all():
        return False  # what is seen of the start has passed through T first, contracted
    try:
        start = filter_.begin(system, model, endog)
        diffuse = filter_.Diffuse(start)
        for step in filter_.forward(model, endog, start.predicted):
            pivots = np.diag(step.chol) ** 2 / (step.chol**2).sum(axis=1)
            if (pivots < 1e-3).any():
                return False
            if diffuse.information.rank < start.scale.size:
                diffuse.add(step)
                S = diffuse.gram[1:, 1:]
                scale = np.sqrt(np.where(np.diag(S) > 0.0, np.diag(S), 1.0))
                values = np.linalg.eigvalsh(S / np.outer(scale, scale))
                if ((values > 1e-14) & (values < 1e-2)).any():
                    return False
    except NotPositiveDefiniteError:
        return False
    return diffuse.information.rank == start.scale.size
