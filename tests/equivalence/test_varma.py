"""Vector ARMA polynomials and systems, both ways, on arrays."""

from __future__ import annotations

import numpy as np
import pytest
from equivalence.varma_systems import random_cov, random_system, state_space

from rnnstats.equivalence import varma
from rnnstats.equivalence.riccati import solve_stein
from rnnstats.errors import NotStationaryError, SpecificationError
from rnnstats.kernels.kalman import loglike

# 1e-8: rounding in the worst conditioned of the 500 echelon bases uses it up.
TOL = 1e-8
STEPS = 25


def _autocovariances(system, sigma, nlags):
    """From the state's covariance, not by way of polynomials."""
    a, c, k = system[:3]
    state = solve_stein(a, k @ sigma @ k.T)
    column = a @ state @ c.T + k @ sigma
    out = [c @ state @ c.T + sigma]
    for _ in range(nlags):
        out.append(c @ column)
        column = a @ column
    return np.array(out)


def _gap(one, other):
    return np.abs(one - other).max(initial=0.0) / max(np.abs(other).max(initial=0.0), 1e-300)


@pytest.mark.parametrize("seed", range(10))
def test_500_random_models_there_and_back(seed):
    """Responses, autocovariances and log-likelihood survive polynomials, reduction, echelon."""
    rng = np.random.default_rng(seed)
    for _ in range(50):
        p, n, k = rng.integers(1, 4), rng.integers(1, 7), rng.integers(0, 3)
        system = random_system(rng, p, n, k, direct=rng.random() < 0.5)
        sigma = random_cov(rng, p)
        y, x = rng.standard_normal((30, p)) * 3.0, rng.standard_normal((30, k))
        nu = varma.kronecker_indices(system)
        assert sum(nu) == n
        psi = varma.system_responses(system, STEPS)
        chi = varma.input_responses(system, STEPS)
        gamma = _autocovariances(system, sigma, 5)
        value = loglike(state_space(system, sigma, x), y)
        for form in ("echelon", "final"):
            found = varma.to_polynomials(system, form=form)
            reduced = found.reduced()
            assert _gap(varma.impulse_responses(reduced.ar, reduced.ma, STEPS), psi) < TOL
            assert _gap(varma.autocovariances(reduced.ar, reduced.ma, sigma, 5), gamma) < TOL
            back = varma.from_polynomials(found.ar, found.ma, found.exog, found.ar0)
            small = varma.minimal_realisation(back)
            assert len(small.transition) == n
            for other in (small, varma.echelon(small, nu)):
                assert _gap(varma.system_responses(other, STEPS), psi) < TOL
                assert _gap(varma.input_responses(other, STEPS), chi) < TOL
                assert _gap(_autocovariances(other, sigma, 5), gamma) < TOL
                assert loglike(state_space(other, sigma, x), y) == pytest.approx(value, rel=TOL)


@pytest.mark.parametrize("nu", [(2, 0), (0, 2), (1, 3), (3, 1), (1, 2, 0), (0, 1, 2), (2, 1, 2)])
def test_unequal_kronecker_indices(nu):
    """Not the generic ones: found, and the echelon equations have their degrees."""
    rng = np.random.default_rng(5)
    p, n = len(nu), sum(nu)
    columns = _allowed(nu)
    a, c = np.zeros((n, n)), np.zeros((p, n))
    for i, chain in enumerate(nu):
        first = sum(nu[:i])
        row = np.where(columns[i], rng.uniform(-0.35, 0.35, n), 0.0)
        if chain == 0:
            c[i] = row
            continue
        c[i, first] = 1.0
        a[range(first, first + chain - 1), range(first + 1, first + chain)] = 1.0
        a[first + chain - 1] = row
    turn = rng.standard_normal((n, n))
    system = varma.innovations_system(
        turn @ a @ np.linalg.inv(turn), c @ np.linalg.inv(turn), rng.standard_normal((n, p)) * 0.4
    )
    assert varma.kronecker_indices(system) == nu
    assert varma.kronecker_indices(varma.system_responses(system, 2 * n + 2)) == nu
    assert varma.kronecker_indices(system, scale=10.0 ** np.arange(p)) == nu
    back = varma.echelon(system, nu)
    np.testing.assert_allclose(back.transition, a, atol=1e-11)
    np.testing.assert_allclose(back.design, c, atol=1e-11)
    found = varma.to_polynomials(system, nu)
    for i, chain in enumerate(nu):
        assert not found.ar[chain:, i].any()
        assert not found.ma[chain:, i].any()
    assert np.array_equal(np.diag(found.ar0), np.ones(p))
    assert not np.triu(found.ar0, 1).any()
    lower = [(i, k) for i in range(p) for k in range(i) if nu[k] > nu[i]]
    assert {(i, k) for i, k in np.argwhere(np.tril(found.ar0, -1))} == set(lower)
    reduced = found.reduced()
    np.testing.assert_allclose(
        varma.impulse_responses(reduced.ar, reduced.ma, 20),
        varma.system_responses(system, 20),
        atol=1e-11,
    )


def _allowed(nu):
    """Which chosen forecasts precede the first dependent one of each output."""
    place = [(lead, output) for output, chain in enumerate(nu) for lead in range(chain)]
    return [[step < (chain, i) for step in place] for i, chain in enumerate(nu)]


def test_states_that_do_not_matter_are_removed():
    rng = np.random.default_rng(2)
    system = random_system(rng, 2, 3, 1)
    a, c, k, b, d = system
    n = 5
    big = np.zeros((n, n))
    big[:3, :3], big[3, 3], big[4, 4] = a, 0.7, 1.0
    big[:3, 3] = 0.4  # state 4 drives the others and is driven by nothing
    big[4, :3] = 0.3  # state 5 is driven and shows nowhere
    design = np.hstack([c, np.ones((2, 1)), np.zeros((2, 1))])
    larger = varma.innovations_system(
        big, design, np.vstack([k, np.zeros((2, 2))]), np.vstack([b, [[0.0]], [[1.0]]]), d
    )
    small = varma.minimal_realisation(larger)
    assert len(small.transition) == 3
    np.testing.assert_allclose(
        varma.system_responses(small, 12), varma.system_responses(system, 12), atol=1e-12
    )
    np.testing.assert_allclose(
        varma.input_responses(small, 12), varma.input_responses(system, 12), atol=1e-12
    )
    assert varma.minimal_realisation(system) is system


def test_explosive_systems_and_far_units_are_reduced():
    """Roots outside the circle, outputs in units of 1e6 and 1e-6, an input in units of 1e5."""
    rng = np.random.default_rng(3)
    a, c, k, b = random_system(rng, 2, 3, 1)[:4]
    a = a * 1.3 / np.abs(np.linalg.eigvals(a)).max()
    big = np.zeros((5, 5))
    big[:3, :3], big[3, 3], big[4, 4] = a, 1.1, 0.9
    big[4, :3] = 0.3
    units = np.array([1e6, 1e-6])
    design = np.hstack([c, np.ones((2, 1)), np.zeros((2, 1))]) * units[:, None]
    gain = np.vstack([k, np.zeros((2, 2))]) / units
    inputs = np.vstack([b, [[0.0]], [[1.0]]]) * 1e5
    larger = varma.innovations_system(big, design, gain, inputs)
    small = varma.minimal_realisation(larger, scale=units)
    assert len(small.transition) == 3
    assert varma.kronecker_indices(larger, scale=units) == (2, 1)
    for found, due in (
        (varma.system_responses(small, 8), varma.system_responses(larger, 8)),
        (varma.input_responses(small, 8), varma.input_responses(larger, 8)),
    ):
        np.testing.assert_allclose(found, due, rtol=1e-9)


def test_a_state_that_only_shows_inputs_moves_into_direct():
    """y2 = x + e2 needs no state, y1 = 0.5 y1(-1) + x + e1 one."""
    system = varma.from_polynomials(
        [[[0.5, 0.0], [0.0, 0.0]]], np.zeros((0, 2, 2)), [[[1.0], [1.0]]]
    )
    small = varma.minimal_realisation(system)
    kept = varma.minimal_realisation(system, absorb=False)
    assert (len(system.transition), len(kept.transition), len(small.transition)) == (2, 2, 1)
    for other in (small, kept):
        np.testing.assert_allclose(
            varma.input_responses(other, 6), varma.input_responses(system, 6), atol=1e-14
        )


def test_lagged_inputs():
    """x_{t-2} in an AR(1): two states more, or a direct term where the AR part allows it."""
    exog = np.array([[[1.0]], [[0.3]], [[-0.2]]])
    system = varma.from_polynomials([0.5], [0.2], exog)
    direct = np.array([1.0, 0.8, 0.2, 0.1, 0.05])
    np.testing.assert_allclose(varma.input_responses(system, 4)[:, 0, 0], direct, atol=1e-15)
    found = varma.to_polynomials(system)
    np.testing.assert_allclose(found.exog[:3], exog, atol=1e-13)


def test_hankel_rank_is_the_number_of_states():
    rng = np.random.default_rng(0)
    system = random_system(rng, 2, 4)
    found = varma.hankel_rank(varma.system_responses(system, 12))
    assert found.rank == 4
    assert (np.diff(found.singular_values) <= 0).all()
    block = varma.hankel_matrix(varma.system_responses(system, 5), 3, 2)
    np.testing.assert_array_equal(block[2:4, 2:4], varma.system_responses(system, 3)[3])


def test_final_equations():
    """One polynomial for all outputs, det(I - W_h L), also with fewer outputs than states."""
    rng = np.random.default_rng(3)
    system = random_system(rng, 2, 3)
    found = varma.to_polynomials(system, form="final")
    z = 0.37
    value = np.linalg.det(np.eye(3) - z * system.transition)
    lags = np.eye(2) - sum(found.ar[i] * z ** (i + 1) for i in range(3))
    np.testing.assert_allclose(lags, value * np.eye(2), atol=1e-13)
    assert found.ar.shape == found.ma.shape == (3, 2, 2)


def test_leading_matrix_is_divided_out():
    rng = np.random.default_rng(4)
    lead = np.array([[1.0, 0.0], [0.6, 1.0]])
    ar, ma, exog = (rng.standard_normal((1, 2, 2)) * 0.3 for _ in range(3))
    one = varma.from_polynomials(ar, ma, exog, lead)
    other = varma.from_polynomials(*(np.linalg.inv(lead) @ part for part in (ar, ma, exog)))
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-15)


def test_spectrum_is_the_transform_of_the_autocovariances():
    rng = np.random.default_rng(6)
    ar = np.array([[[0.5, 0.2], [-0.3, 0.4]]])
    ma = np.array([[[0.3, 0.0], [0.1, -0.4]]])
    sigma = random_cov(rng, 2)
    w = 2.0 * np.pi * np.arange(256) / 256
    density = varma.spectrum(ar, ma, sigma, w)
    np.testing.assert_allclose(density, density.conj().swapaxes(1, 2), atol=1e-14)
    gamma = varma.autocovariances(ar, ma, sigma, 3)
    for lag in range(4):
        # the trapezoidal rule is exact up to what wraps around, 0.7 ** 256
        found = (density * np.exp(1j * w * lag)[:, None, None]).sum(axis=0) * 2.0 * np.pi / 256
        np.testing.assert_allclose(found, gamma[lag], atol=1e-12)


def test_what_cancels_leaves_white_noise():
    gamma = varma.autocovariances([0.5], [-0.5], 2.0, 2)
    np.testing.assert_allclose(gamma.ravel(), [2.0, 0.0, 0.0], atol=1e-15)
    small = varma.minimal_realisation(varma.from_polynomials([0.5], [-0.5]))
    assert small.transition.shape == (0, 0)
    np.testing.assert_array_equal(varma.system_responses(small, 1).ravel(), [1.0, 0.0])


def test_roots():
    np.testing.assert_allclose(varma.ar_roots([1.1, -0.3]), [0.6, 0.5], atol=1e-14)
    np.testing.assert_allclose(varma.ma_roots([0.4]), [-0.4])
    assert varma.ar_roots([], [0.4]).size == 0
    pair = varma.ar_roots([0.0, -0.81])
    np.testing.assert_allclose(pair, [0.9j, -0.9j], atol=1e-14)
    # a zero root of a singular last coefficient is no root
    phi = np.array([[[0.5, 0.1], [0.4, 0.5]], [[0.0, 0.0], [0.25, 0.0]]])
    assert varma.ar_roots(phi).size == 3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: varma.hankel_matrix(np.zeros((3, 1, 1)), 2, 2), SpecificationError, "needed"),
        (lambda: varma.from_polynomials([[[0.5]]], np.eye(2)), SpecificationError, "same k"),
        (lambda: varma.from_polynomials([], []), SpecificationError, "there is no model"),
        (lambda: varma.from_polynomials([np.nan], []), SpecificationError, "finite"),
        (lambda: varma.from_polynomials([0.5], [], np.ones((1, 2, 1))), SpecificationError, "ar"),
        (lambda: varma.from_polynomials([0.5], [], ar0=[[0.0]]), SpecificationError, "regular"),
        (lambda: varma.autocovariances([1.0], [], 1.0, 2), NotStationaryError, "modulus 1"),
        (lambda: varma.autocovariances([0.5], [], np.eye(2), 2), SpecificationError, "sigma_u"),
        (lambda: varma.spectrum([1.0], [], 1.0, [0.0, 1.0]), SpecificationError, "frequency 0"),
        (lambda: varma.spectrum([0.5], [], 1.0, [np.inf]), SpecificationError, "finite"),
        (lambda: varma.impulse_responses([0.5], [], -1), SpecificationError, "at least 0"),
        (
            lambda: varma.innovations_system(np.eye(2), np.eye(2), np.eye(3)),
            SpecificationError,
            "gain must be",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_echelon_refuses_other_indices():
    system = varma.innovations_system(np.diag([0.5, 0.3]), np.eye(2), 0.4 * np.eye(2))
    assert varma.kronecker_indices(system) == (1, 1)
    for wrong, words in (((2, 0), "span"), ((1,), "one index an output"), ((3, -1), "sum 2")):
        with pytest.raises(SpecificationError, match=words):
            varma.echelon(system, wrong)
    with pytest.raises(SpecificationError, match="form must be one of"):
        varma.to_polynomials(system, form="reduced")
    # the forecasts (0,1) and (0,2) span, but with (1, 1) the row of output 1 would look ahead
    late = varma.innovations_system([[0.0, 1.0], [0.2, 0.3]], [[1.0, 0.0], [0.5, 0.0]], np.eye(2))
    assert varma.kronecker_indices(late) == (2, 0)
    with pytest.raises(SpecificationError, match="span"):
        varma.echelon(late, (1, 1))


@pytest.mark.parametrize("unit", [1e-12, 1e6, 1e13])
def test_units_of_outputs_leave_states_that_inputs_move(unit):
    """A rank in state coordinates must not count a state in small units as unreached."""
    size = np.array([unit, 1.0])
    system = varma.innovations_system(
        np.array([[0.5, 0.1], [0.2, 0.3]]) * size[:, None] / size,
        np.eye(2),
        np.array([[0.4, 0.1], [0.1, 0.5]]) * size[:, None] / size,
        np.array([[1.0], [0.5]]) * size[:, None],
    )
    small = varma.minimal_realisation(system, scale=size)
    assert len(small.transition) == 2
    for responses in (varma.system_responses, varma.input_responses):
        np.testing.assert_allclose(responses(small, 6), responses(system, 6), rtol=1e-12)


def test_covariance_of_errors_in_any_units():
    """Rounding off the diagonal is no asymmetry, nor is an output without error refused."""
    ar = 0.5 * np.eye(2)[None]
    rounded = np.array([[1.0, 1e-18], [0.0, 1.0]])
    exact = varma.autocovariances(ar, (), np.eye(2), 1)
    np.testing.assert_allclose(varma.autocovariances(ar, (), rounded, 1), exact, atol=1e-17)
    with pytest.raises(SpecificationError, match="symmetric"):
        varma.autocovariances(ar, (), 1e-12 * np.array([[1.0, 0.5], [0.0, 1.0]]), 1)
    still = varma.autocovariances(ar, (), np.diag([1.0, 0.0]), 1)
    np.testing.assert_allclose(still[0], np.diag([4 / 3, 0.0]), rtol=1e-14, atol=1e-17)
