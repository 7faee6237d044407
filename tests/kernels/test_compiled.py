"""The compiled core against its twin, function by function, and against itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kernels.systems import (
    KINDS,
    MISSINGS,
    NOISES,
    every_array,
    needs_core,
    random_case,
    random_endog,
    random_system,
    well_posed,
)

from rnnstats.kernels import kalman, reference
from rnnstats.kernels.outputs import FilterOutput
from rnnstats.kernels.system import StateSpace, SystemGradient

pytestmark = needs_core
# Derivatives have the inverse of F twice: what `well_posed` lets rounding grow by comes squared.
SCORE = 1e-8
EXAMPLES = settings(max_examples=60, suppress_health_check=list(HealthCheck))


@st.composite
def cases(draw, most_diffuse: int = 2) -> tuple[StateSpace, np.ndarray, int]:
    """Draw a model and data; sizes up to 4 outputs and 8 states, up to 25 rows."""
    seed = draw(st.integers(0, 2**32 - 1))
    kind, noise = draw(st.sampled_from(KINDS)), draw(st.sampled_from(NOISES))
    p = draw(st.integers(1, 4))
    m = draw(st.integers(p if noise in ("zero", "singular") else 1, 8))
    r = draw(st.integers(p if noise == "zero" else 1, m)) if m > 1 else 1
    nobs = draw(st.integers(1, 25))
    rng = np.random.default_rng(seed)
    system = random_system(
        rng,
        p,
        m,
        r,
        kind,
        nobs=nobs,
        noise=noise,
        cross=draw(st.booleans()),
        time_varying=draw(st.booleans()),
        diffuse=draw(st.integers(0, min(m, most_diffuse))),
        radius=draw(st.sampled_from([0.6, 0.9, 0.98])),
    )
    endog = random_endog(rng, nobs, p, draw(st.sampled_from(MISSINGS)))
    assume(well_posed(system, endog))
    return system, endog, seed


def same(compiled: object, twin: object, name: str, digits: float = 1e-10) -> None:
    """Equal to 1e-10 of the largest element: what cancels has no digits of its own.

    Priors are of order one to a hundred, so that 1e-13 is rounding of what is known exactly.
    """
    if isinstance(compiled, FilterOutput | kalman.SmootherOutput):
        for field in fields(compiled):
            same(getattr(compiled, field.name), getattr(twin, field.name), field.name, digits)
        return
    if isinstance(compiled, SystemGradient):
        for part in ("matrices", "obs_intercept", "state_intercept"):
            same(getattr(compiled, part), getattr(twin, part), part, digits)
        return
    one, two = np.asarray(compiled), np.asarray(twin)
    assert one.shape == two.shape, name
    finite = np.abs(two[np.isfinite(two)])
    scale = float(finite.max()) if finite.size else 0.0
    if name.startswith("scaled_smoothed"):
        scale = max(scale, 1.0)  # in the diffuse phase a difference of terms of the size of F^-1
    np.testing.assert_allclose(one, two, rtol=digits, atol=digits * max(scale, 1e-2), err_msg=name)


@EXAMPLES
@given(cases())
def test_loglike(case):
    system, endog, _ = case
    same(kalman.loglike(system, endog), reference.loglike(system, endog), "llf")
    same(kalman.loglikeobs(system, endog), reference.loglikeobs(system, endog), "llf_obs")


@EXAMPLES
@given(cases(most_diffuse=8))
def test_many_diffuse_states(case):
    """Each further diffuse state is settled by what the others leave: a digit or two are lost."""
    system, endog, _ = case
    for name in ("loglikeobs", "score", "kalman_smoother"):
        compiled, twin = (
            getattr(kalman, name)(system, endog),
            getattr(reference, name)(system, endog),
        )
        if name == "score":
            same(compiled[0], twin[0], "llf", 1e-7)
            compiled, twin = compiled[1], twin[1]
        same(compiled, twin, name, 1e-7)


@EXAMPLES
@given(cases())
def test_filter(case):
    system, endog, _ = case
    same(kalman.kalman_filter(system, endog), reference.kalman_filter(system, endog), "filter")


@EXAMPLES
@given(cases())
def test_smoother(case):
    """A digit less: a covariance given all rows is a difference of two that rounding reached."""
    system, endog, _ = case
    compiled, twin = kalman.kalman_smoother(system, endog), reference.kalman_smoother(system, endog)
    same(compiled, twin, "all", 1e-9)


@pytest.mark.parametrize("seed", [0, 161, 193, 249])
def test_smoother_of_states_known_exactly(seed):
    """Without output noise, complete rows tell the state: what remains of P is rounding."""
    rng = np.random.default_rng(seed)
    m = int(rng.integers(2, 6))
    system = random_system(rng, m, m, m, "stationary", nobs=16, noise="zero", cross=False)
    endog = 2.0 * rng.normal(size=(16, m))
    endog[:4] = endog[4, : m - 1] = np.nan
    noise = kalman.kalman_smoother(system, endog).smoothed_state_noise_cov
    full = kalman.kalman_smoother(system, endog, steady=False).smoothed_state_noise_cov
    np.testing.assert_allclose(noise, full, rtol=0, atol=1e-10)
    np.testing.assert_allclose(noise[7:], 0.0, atol=1e-10)  # y_t and y_{t-1} tell the noise


@EXAMPLES
@given(cases())
def test_score(case):
    system, endog, _ = case
    compiled, twin = kalman.score(system, endog), reference.score(system, endog)
    same(compiled[0], twin[0], "llf")
    same(compiled[1], twin[1], "gradient", SCORE)


@EXAMPLES
@given(cases())
def test_tangents(case):
    system, endog, seed = case
    tangents = every_array(np.random.default_rng(seed), system)
    compiled = kalman.score_obs(system, endog, tangents)
    twin = reference.score_obs(system, endog, tangents)
    same(compiled[0], twin[0], "llf_obs")
    same(compiled[1], twin[1], "scores", SCORE)
    same(
        kalman.information(system, endog, tangents),
        reference.information(system, endog, tangents),
        "information",
        SCORE,
    )


@pytest.mark.parametrize("p", [1, 2, 5, 12])
@pytest.mark.parametrize("m", [1, 3, 6, 9, 20, 33])
def test_sizes(p, m):
    """Fixed-size templates, general loops and BLAS meet the twin at every size."""
    rng = np.random.default_rng(100 * p + m)
    for kind in KINDS:
        system = random_system(rng, p, m, min(m, 4), kind, nobs=15, diffuse=min(m, p, 2))
        endog = random_endog(rng, 15, p, "some")
        if not well_posed(system, endog):
            continue
        same(kalman.kalman_smoother(system, endog), reference.kalman_smoother(system, endog), "")
        compiled, twin = kalman.score(system, endog), reference.score(system, endog)
        same(compiled[1], twin[1], "gradient")
        same(compiled[0], twin[0], "llf")


def _long_case(seed: int, missing: str) -> tuple[StateSpace, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % 4]
    p, m = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    system = random_system(
        rng, p, m, min(m, 2), kind, nobs=600, noise=("full", "diagonal")[seed % 2],
        cross=bool(seed % 3), time_varying=seed % 5 == 0, diffuse=min(m, 1),
    )  # fmt: skip
    endog = random_endog(rng, 600, p)
    if missing == "gap":
        endog[200:205] = np.nan
    if missing == "holes":
        endog[[150, 300, 301, 450], 0] = np.nan
    if missing == "ends":
        endog[:7, 0] = np.nan
        endog[-3:] = np.nan
    return system, endog


@pytest.mark.parametrize("missing", ["none", "gap", "holes", "ends"])
@pytest.mark.parametrize("seed", range(10))
def test_steady_state_changes_nothing(seed, missing):
    """The shortcut against the full recursion, with gaps that it leaves and re-enters."""
    system, endog = _long_case(seed, missing)
    tangents = every_array(np.random.default_rng(seed), system)
    for steady, full in (
        (kalman.loglikeobs(system, endog), kalman.loglikeobs(system, endog, steady=False)),
        (kalman.score(system, endog)[1], kalman.score(system, endog, steady=False)[1]),
        (kalman.kalman_filter(system, endog), kalman.kalman_filter(system, endog, steady=False)),
        (
            kalman.kalman_smoother(system, endog),
            kalman.kalman_smoother(system, endog, steady=False),
        ),
        (
            kalman.score_obs(system, endog, tangents)[1],
            kalman.score_obs(system, endog, tangents, steady=False)[1],
        ),
        (
            kalman.information(system, endog, tangents),
            kalman.information(system, endog, tangents, steady=False),
        ),
    ):
        same(steady, full, "steady")
    assert kalman.loglike(system, endog) == pytest.approx(
        kalman.loglike(system, endog, steady=False), rel=1e-10
    )


@pytest.mark.parametrize("seed", range(4))
def test_steady_state_near_a_unit_root(seed):
    """Convergence is slow here: a shortcut taken too early would show."""
    rng = np.random.default_rng(seed)
    system = StateSpace.from_arrays(
        design=[[1.0, 0.3]],
        transition=[[0.9999, 0.0], [0.0, -0.5]],
        state_cov=np.diag([10.0 ** -(2 * seed), 1.0]),
        obs_cov=[[1.0]],
        start="stationary",
    )
    endog = rng.normal(size=(3000, 1))
    same(kalman.score(system, endog)[1], kalman.score(system, endog, steady=False)[1], "gradient")
    assert kalman.loglike(system, endog) == pytest.approx(
        reference.loglike(system, endog), rel=1e-10
    )


def test_threads_give_the_numbers_of_one():
    """The lock is released; nothing is shared."""
    work = [random_case(seed, nobs=60) for seed in range(40)]

    def run(case: tuple[StateSpace, np.ndarray]) -> tuple:
        system, endog = case
        tangents = every_array(np.random.default_rng(0), system)
        return (
            kalman.loglike(system, endog),
            kalman.score(system, endog)[1].matrices,
            kalman.score_obs(system, endog, tangents)[1],
            kalman.kalman_smoother(system, endog).smoothed_state_cov,
        )

    alone = [run(case) for case in work]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(run, work * 3))
    for one, other in zip(alone * 3, together, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("order", ["F", "strided", "list", "int"])
def test_data_in_any_layout(order):
    """Whatever array comes, the numbers are those of its values."""
    system, _ = random_case(12)
    endog = np.round(random_endog(np.random.default_rng(0), 10, system.k_endog))
    given_ = {
        "F": np.asfortranarray(endog),
        "strided": np.repeat(endog, 2, axis=0)[::2],
        "list": endog.tolist(),
        "int": endog.astype(int),
    }[order]
    assert kalman.loglike(system, given_) == kalman.loglike(system, endog)
