"""The system as a value: layout, checks at the door, immutability."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from kernels.systems import every_array, random_case

from rnnstats.errors import SpecificationError
from rnnstats.kernels import reference
from rnnstats.kernels.system import StateSpace

GOOD = {
    "design": np.array([[1.0, 0.5]]),
    "transition": np.array([[0.5, 0.1], [0.0, 0.2]]),
    "state_cov": np.array([[1.0]]),
    "selection": np.array([[1.0], [0.3]]),
    "obs_cov": np.array([[0.7]]),
    "cross_cov": np.array([[0.2]]),
    "obs_intercept": np.array([3.0]),
    "state_intercept": np.arange(8.0).reshape(4, 2),
    "initial_mean": np.array([1.0, 2.0]),
    "initial_cov": np.array([[1.0, 0.2], [0.2, 2.0]]),
}


def test_arrays_come_back_from_the_buffer():
    system = StateSpace.from_arrays(**GOOD)
    for name, value in GOOD.items():
        np.testing.assert_array_equal(getattr(system, name), value)
    assert (system.k_endog, system.k_states, system.k_posdef) == (1, 2, 1)
    ends = [where.stop for where, _ in StateSpace.offsets(1, 2, 1).values()]
    assert ends[-1] == system.matrices.size and ends == sorted(ends)


def test_defaults_are_identity_and_zero():
    system = StateSpace.from_arrays(
        design=np.ones((2, 3)), transition=np.eye(3), state_cov=np.eye(3)
    )
    np.testing.assert_array_equal(system.selection, np.eye(3))
    for name in ("obs_cov", "cross_cov", "obs_intercept", "state_intercept", "initial_mean"):
        assert not getattr(system, name).any()


def test_a_system_cannot_be_changed():
    system = StateSpace.from_arrays(**GOOD)
    with pytest.raises(AttributeError, match="cannot be changed"):
        system.k_states = 3
    with pytest.raises(AttributeError, match="cannot be changed"):
        del system.matrices
    with pytest.raises(ValueError, match="read-only"):
        system.transition[0, 0] = 9.0


def test_arguments_are_copied():
    transition = GOOD["transition"].copy()
    system = StateSpace.from_arrays(**{**GOOD, "transition": transition})
    transition[0, 0] = 77.0
    assert system.transition[0, 0] == 0.5


def test_values_can_be_pickled():
    system, endog = random_case(5)
    tangents = every_array(np.random.default_rng(0), system)
    gradient = reference.score(system, endog)[1]
    for value in (system, tangents, gradient):
        again = pickle.loads(pickle.dumps(value))
        np.testing.assert_array_equal(again.matrices, value.matrices)
        np.testing.assert_array_equal(again.state_intercept, value.state_intercept)
    assert pickle.loads(pickle.dumps(system)).start == system.start


def test_tangent_views_keep_the_leading_axis():
    system, _ = random_case(7)
    tangents = every_array(np.random.default_rng(0), system)
    assert tangents.transition.shape == (len(tangents), system.k_states, system.k_states)
    np.testing.assert_array_equal(
        tangents.transition[2].ravel(), tangents.matrices[2][tangents.matrices[2] != 0.0]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"design": np.ones((1, 3))}, "design must have shape"),
        ({"design": np.ones(2)}, "design must have 2 dimensions"),
        ({"design": np.array([["a", "b"]])}, "design must hold real numbers"),
        ({"obs_cov": np.array([[np.nan]])}, "obs_cov must be finite"),
        ({"obs_cov": np.array([[-1.0]]), "cross_cov": None}, "obs_cov must be positive semi"),
        ({"initial_cov": np.array([[1.0, 0.3], [0.2, 1.0]])}, "initial_cov must be symmetric"),
        ({"cross_cov": np.array([[0.9]])}, "cross_cov; cross_cov', obs_cov"),
        ({"selection": None}, "selection may be left out"),
        ({"obs_intercept": np.zeros(2)}, "obs_intercept must have shape"),
        ({"state_intercept": np.full((4, 2), np.inf)}, "state_intercept must be finite"),
        ({"start": "somehow"}, "start must be 'stationary' or 'given'"),
        ({"first_step": "loud"}, "first_step must be"),
        ({"start": "stationary", "first_step": "none"}, "needs first_step='noisy'"),
        ({"start": "stationary", "initial_diffuse": [True, False]}, "has no diffuse states"),
        ({"initial_diffuse": [2.0, 0.0]}, "initial_diffuse must be true or false"),
    ],
)
def test_the_door_refuses(change, words):
    with pytest.raises(SpecificationError, match=words):
        StateSpace.from_arrays(**{**GOOD, **change})


def test_rounding_beside_a_zero_is_no_asymmetry():
    cov = np.array([[1.0, 1e-17], [0.0, 1.0]])
    system = StateSpace.from_arrays(
        design=np.eye(2), transition=0.5 * np.eye(2), state_cov=cov, obs_cov=cov
    )
    assert np.array_equal(system.state_cov, cov)
