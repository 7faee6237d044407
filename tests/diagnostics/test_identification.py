"""Identification on arrays: rank of the law's Jacobian, null directions, functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnstats.diagnostics.identification import identify, sparse_basis, tangents_of_arrays
from rnnstats.diagnostics.law import law_jacobian
from rnnstats.errors import SpecificationError
from rnnstats.kernels import kalman
from rnnstats.kernels.system import StateSpace, Tangents
from rnnstats.results.forecasting.prediction import simulate_paths


def free_form(seed: int, p: int, n: int):
    """A random stationary system, every cell of W_h, V and both covariances free."""
    rng = np.random.default_rng(seed)
    transition = rng.normal(size=(n, n))
    transition *= rng.uniform(0.5, 0.95) / np.abs(np.linalg.eigvals(transition)).max()
    one, two = rng.normal(size=(n, n)), rng.normal(size=(p, p))
    system = StateSpace.from_arrays(
        design=rng.normal(size=(p, n)),
        transition=transition,
        state_cov=one @ one.T,
        obs_cov=two @ two.T,
        start="stationary",
    )
    shapes = {"transition": (n, n), "design": (p, n), "state_cov": (n, n), "obs_cov": (p, p)}
    free = {name: np.ones(shape) for name, shape in shapes.items()}
    return system, *tangents_of_arrays(system, free)


def nullity_law(p: int, n: int) -> int:
    return n * n + ((n - p) * (n - p + 1) // 2 if n > p else 0)


def innovations(transition, design, gain, cov, **more):
    return StateSpace.from_arrays(
        design=design, transition=transition, selection=gain,
        state_cov=cov, cross_cov=cov, obs_cov=cov, **more,
    )  # fmt: skip


def innovations_tangents(system: StateSpace, cells):
    """Directions of single cells of W_h, K and V, and of the common covariance."""
    tangents, names = tangents_of_arrays(system, cells)
    layout = StateSpace.offsets(system.k_endog, system.k_states, system.k_posdef)
    matrices = tangents.matrices.copy()
    place = layout["obs_cov"][0]
    for other in ("state_cov", "cross_cov"):
        matrices[:, layout[other][0]] = matrices[:, place]
    return (
        Tangents(
            system.k_endog,
            system.k_states,
            system.k_posdef,
            matrices,
            tangents.obs_intercept,
            tangents.state_intercept,
        ),
        names,
    )


SIZES = [(p, n) for p in (1, 2, 3) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(("p", "n"), SIZES)
def test_nullity_law_of_the_free_form(p, n):
    """36 random cases: as many null directions as the design's law says, with a wide gap."""
    for seed in range(3):
        system, tangents, names = free_form(100 * p + 10 * n + seed, p, n)
        found = identify(system, tangents, 50)
        assert len(names) - found.rank == nullity_law(p, n)
        values = found.singular_values / found.singular_values[0]
        assert (values[found.rank :] < 1e-13).all()
        assert values[found.rank - 1] > 1e-9
        assert found.null.shape == (len(names), nullity_law(p, n))


@pytest.mark.parametrize(("p", "n"), [(1, 2), (2, 1), (2, 3)])
def test_square_is_the_information(p, n):
    """J'J is the expected information per row; the observed one has sampling error of 1/sqrt(n)."""
    system, tangents, _ = free_form(7, p, n)
    nobs = 20_000
    y = simulate_paths(system, nobs, np.random.default_rng(1))[0]
    information = kalman.information(system, y, tangents) / nobs
    jacobian = law_jacobian(system, tangents, np.ones((50, p), dtype=bool), caller="").jacobian
    units = np.linalg.norm(jacobian, axis=0)
    square = jacobian.T @ jacobian / np.outer(units, units)
    assert np.abs(information / np.outer(units, units) - square).max() < 0.08


@pytest.mark.parametrize(("p", "n"), [(1, 2), (2, 2), (2, 3), (3, 2)])
def test_rank_is_that_of_the_information(p, n):
    for seed in range(3):
        system, tangents, names = free_form(seed, p, n)
        y = simulate_paths(system, 400, np.random.default_rng(seed))[0]
        information = kalman.information(system, y, tangents)
        units = np.sqrt(np.diagonal(information))
        values = np.linalg.eigvalsh(information / np.outer(units, units))
        zero = int((values < 1e-13 * values[-1] * len(values) ** 2).sum())
        assert len(names) - identify(system, tangents, 400).rank == zero


def test_null_directions_leave_the_law_alone():
    """A step of 1e-4 along them changes autocovariances by its square at most."""
    system, tangents, _ = free_form(3, 2, 3)
    found = identify(system, tangents, 50)

    def autocovariances(matrices):
        moved = StateSpace(2, 3, 3, matrices, np.zeros(2), np.zeros(3), "stationary")
        T, Z = moved.transition, moved.design
        noise = moved.selection @ moved.state_cov @ moved.selection.T
        cov = kalman.stationary_covariance(np.array(T), noise)
        powers = [np.linalg.matrix_power(T, j) for j in range(6)]
        lags = [Z @ power @ cov @ Z.T for power in powers]
        lags[0] = lags[0] + moved.obs_cov
        return np.concatenate([lag.ravel() for lag in lags])

    base = autocovariances(system.matrices)
    for direction in found.null.T:
        unit = direction / np.abs(direction).max()
        for step in (1e-4, -1e-4):
            change = autocovariances(system.matrices + step * unit @ tangents.matrices) - base
            assert np.abs(change).max() < 1e-5 * np.abs(base).max()
    along = np.eye(len(found.sizes))[0]
    change = autocovariances(system.matrices + 1e-4 * along @ tangents.matrices) - base
    assert np.abs(change).max() > 1e-5 * np.abs(base).max()


@given(st.integers(0, 5000), st.sampled_from([(1, 2), (2, 2), (2, 3)]))
@settings(max_examples=8, derandomize=True)
def test_rank_and_directions_do_not_depend_on_units(seed, sizes):
    p, n = sizes
    system, tangents, _ = free_form(seed, p, n)
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-6, 6, size=len(tangents))
    matrices = tangents.matrices * scale[:, None]
    parts = (np.zeros((len(tangents), p)), np.zeros((len(tangents), n)))
    other = Tangents(p, n, n, matrices, *parts)
    one, two = identify(system, tangents, 50), identify(system, other, 50)
    assert one.rank == two.rank
    np.testing.assert_allclose(one.singular_values, two.singular_values, atol=1e-12)
    np.testing.assert_array_equal(one.identified, two.identified)


def test_states_and_outputs_in_odd_units():
    system, tangents, names = free_form(5, 2, 3)
    states, outputs = np.array([1e-5, 1.0, 1e5]), np.array([1e7, 1e-7])
    odd = StateSpace.from_arrays(
        design=system.design * outputs[:, None] / states,
        transition=system.transition * states[:, None] / states,
        state_cov=system.state_cov * np.outer(states, states),
        obs_cov=system.obs_cov * np.outer(outputs, outputs),
        start="stationary",
    )
    found = identify(odd, tangents, 50)
    assert len(names) - found.rank == nullity_law(2, 3)
    reference = identify(system, tangents, 50).singular_values
    np.testing.assert_allclose(found.singular_values, reference, rtol=1e-6, atol=1e-12)


def test_cancelling_roots_leave_their_parameters_open():
    # h_t = 0.6 h_{t-1} + 0 e_{t-1}: an ARMA(1, 1) with the factor (1 - 0.6 L) on both sides
    system = innovations([[0.6]], [[1.0]], [[0.0]], [[2.0]], start="stationary")
    cells = {"transition": [[1]], "selection": [[1]], "obs_cov": [[1]]}
    tangents, _ = innovations_tangents(system, cells)
    found = identify(system, tangents, 100)
    assert found.rank == 2
    np.testing.assert_array_equal(found.null, [[1.0], [0.0], [0.0]])
    np.testing.assert_array_equal(found.identified, [False, True, True])


def test_near_cancellation_is_a_weak_direction():
    cells = {"transition": [[1]], "selection": [[1]], "obs_cov": [[1]]}
    for gain, weak in ((1e-5, 1), (0.3, 0)):
        system = innovations([[0.6]], [[1.0]], [[gain]], [[2.0]], start="stationary")
        found = identify(system, innovations_tangents(system, cells)[0], 100)
        assert found.rank == 3
        assert found.weak.shape[1] == weak
        if weak:  # W_h, whose root nearly cancels: K times an AR(2) with the double root 0.6
            np.testing.assert_array_equal(found.weak[:, 0], [1.0, 0.0, 0.0])
            effect = gain * ((1 + 0.6**2) / (1 - 0.6**2) ** 3) ** 0.5
            np.testing.assert_allclose(found.weak_values, [effect], rtol=1e-3)


def test_two_states_with_nearly_the_same_root():
    """Their shares can hardly be told apart: the condition grows like the gap to the power -3."""
    free = {"transition": np.eye(2), "selection": [[1], [1]], "obs_cov": [[1]]}
    conditions = []
    for gap in (0.02, 0.01):
        system = innovations(
            np.diag([0.6, 0.6 + gap]), [[1.0, 1.0]], [[0.3], [0.2]], [[1.0]], start="stationary"
        )
        found = identify(system, innovations_tangents(system, free)[0], 100)
        assert found.rank == 5
        assert found.weak.shape[1] >= 1
        assert abs(found.weak[4, 0]) < 1e-6 * np.abs(found.weak[:, 0]).max()  # not the variance
        conditions.append(found.condition)
    assert conditions[1] / conditions[0] == pytest.approx(8.0, rel=0.15)


def test_moving_average_root_of_one_is_a_fold():
    """gamma_0 = s (1 + k^2), gamma_1 = s k have parallel derivatives where k = 1."""
    system = innovations([[0.0]], [[1.0]], [[1.0]], [[3.0]], start="stationary")
    cells = {"selection": [[1]], "obs_cov": [[1]]}
    found = identify(system, innovations_tangents(system, cells)[0], 100)
    assert found.rank == 2
    assert not found.unsure
    np.testing.assert_allclose(found.folds[:, 0] / found.folds[0, 0], [1.0, -3.0], rtol=1e-6)
    # written with noises of their own, nothing tells folds from null directions
    apart, names = tangents_of_arrays(system, {"selection": [[1]], "obs_cov": [[1]]})
    other = identify(system, apart, 100)
    assert other.unsure is (other.rank < len(names))


def test_root_outside_the_circle_counts_like_its_inverse():
    system = innovations([[0.5]], [[1.0]], [[2.5]], [[1.0]], start="stationary")
    cells = {"transition": [[1]], "selection": [[1]], "obs_cov": [[1]]}
    found = identify(system, innovations_tangents(system, cells)[0], 100)
    assert (found.rank, found.folds.shape[1]) == (3, 0)


def test_unit_root_with_a_moving_average_root_of_one():
    system = innovations([[1.0]], [[1.0]], [[2.0]], [[1.0]], initial_diffuse=[True])
    cells = {"transition": [[1]], "selection": [[1]], "obs_cov": [[1]]}
    assert identify(system, innovations_tangents(system, cells)[0], 100).rank == 3
    # a direction that gives the state noise of its own leads where there is no derivative
    apart, _ = tangents_of_arrays(system, {"state_cov": [[1]]})
    with pytest.raises(SpecificationError, match=r"^here: .*inside the unit circle"):
        identify(system, apart, 100, caller="here")


def test_variance_of_zero_at_a_unit_root_is_identified():
    level = StateSpace.from_arrays(
        design=[[1.0]], transition=[[1.0]], state_cov=[[0.0]], obs_cov=[[2.0]],
        initial_diffuse=[True],
    )  # fmt: skip
    tangents, _ = tangents_of_arrays(level, {"state_cov": [[1]], "obs_cov": [[1]]})
    found = identify(level, tangents, 100)
    assert found.rank == 2
    assert found.identified.all()


def with_mean(system, obs=None, state=None, **more):
    """The system with intercepts, and their directions beside none of the matrices."""
    obs = np.zeros((0, system.k_endog)) if obs is None else obs
    k = len(obs) if state is None else len(state)
    state = np.zeros((k, system.k_states)) if state is None else state
    obs = obs if len(obs) else np.zeros((k, system.k_endog))
    return Tangents(
        system.k_endog, system.k_states, system.k_posdef,
        np.zeros((k, system.matrices.size)), obs, state,
    )  # fmt: skip


def test_a_constant_beside_a_diffuse_random_walk_is_not_identified():
    for root, rank in ((1.0, 0), (0.9, 1)):
        level = StateSpace.from_arrays(
            design=[[1.0]], transition=[[root]], state_cov=[[0.5]], obs_cov=[[2.0]],
            initial_diffuse=[True],
        )  # fmt: skip
        assert identify(level, with_mean(level, np.ones((1, 1))), 80).rank == rank
    # the drift of the random walk is
    drift = with_mean(level, state=np.ones((1, 1)))
    assert identify(level, drift, 80).rank == 1


def test_inputs_that_repeat_each_other_do_not_tell_their_coefficients():
    system, _, _ = free_form(1, 1, 2)
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    constant, trend = np.ones(60), np.arange(60.0)
    columns = [constant, x, 2.0 * x - constant, trend]
    tangents = with_mean(system, np.array(columns)[:, :, None], np.zeros((4, 2)))
    found = identify(system, tangents, 60)
    assert found.rank == 3
    np.testing.assert_allclose(
        found.null[:, 0] / found.null[1, 0], [-0.5, 1.0, -0.5, 0.0], atol=1e-9
    )
    np.testing.assert_array_equal(found.identified, [False, False, False, True])
    told = found.tells([[1.0, 0.0, -1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 0.0]])
    np.testing.assert_array_equal(told, [True, False, True])


def test_an_input_seen_only_where_outputs_are_missing():
    system, _, _ = free_form(2, 2, 2)
    pulse = np.zeros((1, 40, 2))
    pulse[0, 20, 1] = 1.0
    tangents = with_mean(system, pulse, np.zeros((1, 2)))
    seen = np.ones((40, 2), dtype=bool)
    assert identify(system, tangents, seen).rank == 1
    seen[20, 1] = False
    assert identify(system, tangents, seen).rank == 0


def test_start_parameters_are_seen():
    system = StateSpace.from_arrays(
        design=[[1.0, 0.0]], transition=[[0.5, 0.2], [0.0, 0.7]], state_cov=np.eye(2),
        obs_cov=[[1.0]], initial_mean=[1.0, 2.0], initial_cov=np.eye(2),
    )  # fmt: skip
    free = {"initial_mean": [1, 1], "initial_cov": np.ones((2, 2))}
    assert identify(system, tangents_of_arrays(system, free)[0], 50).rank == 5
    blind = StateSpace.from_arrays(
        design=[[1.0, 0.0]], transition=[[0.5, 0.0], [0.0, 0.7]], state_cov=np.eye(2),
        obs_cov=[[1.0]], initial_mean=[1.0, 2.0], initial_cov=np.eye(2),
    )  # fmt: skip
    found = identify(blind, tangents_of_arrays(blind, free)[0], 50)
    np.testing.assert_array_equal(found.identified, [True, False, True, False, False])


def test_restrictions_are_an_expansion():
    system, tangents, _ = free_form(4, 1, 2)
    # W_h, V, state_cov, obs_cov: fix V = (1, 0) and the second row of W_h
    kept = [0, 1, 6, 8, 9]
    expansion = np.eye(len(tangents))[:, kept]
    found = identify(system, tangents, 50, expansion=expansion)
    assert len(found.sizes) == 5
    assert found.rank == 5


def test_singular_errors_are_refused():
    system = innovations(
        0.5 * np.eye(2), np.eye(2), 0.2 * np.eye(2), np.ones((2, 2)), start="stationary"
    )
    tangents, _ = innovations_tangents(system, {"transition": np.ones((2, 2))})
    with pytest.raises(SpecificationError, match=r"^identify: .*full rank"):
        identify(system, tangents, 50)


def test_unknown_arrays_are_refused():
    system, _, _ = free_form(1, 1, 2)
    for free in ({"W_h": np.ones((2, 2))}, {"transition": np.ones((1, 2))}):
        with pytest.raises(SpecificationError, match=r"free must name arrays of the system"):
            tangents_of_arrays(system, free)


def test_sparse_basis_separates_what_is_not_linked():
    rng = np.random.default_rng(0)
    vectors = np.zeros((9, 3))
    vectors[[0, 1], 0] = [1.0, -1.0]
    vectors[[3, 4, 5], 1] = [1.0, 2.0, 1.0]
    vectors[[5, 6, 7], 2] = [1.0, -1.0, 3.0]
    basis = np.linalg.qr(vectors @ rng.normal(size=(3, 3)))[0]
    found = sparse_basis(basis)
    assert sorted((np.abs(found) > 1e-9).sum(axis=0)) == [2, 3, 3]
    np.testing.assert_allclose(basis @ (basis.T @ found), found, atol=1e-12)
    assert np.linalg.matrix_rank(found) == 3
    assert sparse_basis(np.zeros((4, 0))).shape == (4, 0)
