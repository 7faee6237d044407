"""Stability functions of step methods against the textbook, and what is derived from them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from rnnstats.diagnostics.memory.ode.step_methods import METHODS, describe, method_of, phi
from rnnstats.errors import SpecificationError

# Hairer and Wanner (1996), section IV.2, written out
TEXTBOOK = {
    "explicit_euler": lambda z: 1 + z,
    "implicit_euler": lambda z: 1 / (1 - z),
    "heun": lambda z: 1 + z + z**2 / 2,
    "rk4": lambda z: 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24,
    "exponential_euler": np.exp,
}
ORDERS = {"explicit_euler": 1, "implicit_euler": 1, "heun": 2, "rk4": 4}


def points(seed=3, n=200):
    rng = np.random.default_rng(seed)
    return 3.0 * (rng.standard_normal(n) + 1j * rng.standard_normal(n))


@pytest.mark.parametrize("name", METHODS)
def test_factors_are_the_stability_functions_of_the_textbook(name):
    z = points()
    # Horner's rule and powers differ by a few roundings of the largest term
    np.testing.assert_allclose(METHODS[name].factor(z), TEXTBOOK[name](z), rtol=1e-12)


@pytest.mark.parametrize("name", ORDERS)
def test_factors_agree_with_the_exponential_to_their_order(name):
    # |R(z) - e^z| = C |z|^(p + 1): the slope between two small z is p + 1 up to O(z)
    small = np.array([0.02, 0.01])
    error = np.abs(METHODS[name].factor(small) - np.exp(small))
    slope = np.log(error[0] / error[1]) / np.log(2.0)
    assert abs(slope - (ORDERS[name] + 1)) < 0.03
    assert METHODS[name].order == ORDERS[name]


@pytest.mark.parametrize("name", METHODS)
def test_a_matrix_has_the_factors_of_its_eigenvalues(name):
    matrix = 0.4 * np.random.default_rng(5).standard_normal((4, 4))
    found = METHODS[name].matrix(matrix)
    values, vectors = np.linalg.eig(matrix)
    known = (vectors * TEXTBOOK[name](values)) @ np.linalg.inv(vectors)
    np.testing.assert_allclose(found, known.real, atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_inverse_finds_the_point_near_zero(name):
    z = 0.25 * points()[:40] / 3.0
    np.testing.assert_allclose(METHODS[name].inverse(METHODS[name].factor(z)), z, atol=1e-9)


def test_stability_limits_are_the_published_ones():
    table = describe(list(METHODS.values()))
    # Hairer and Wanner (1996), table IV.2.1: 2, 2, 2.785...; the imaginary axis 2 sqrt(2)
    decay = table["decay_limit"]
    np.testing.assert_allclose(decay[["explicit_euler", "heun"]], 2.0, atol=1e-10)
    assert abs(decay["rk4"] - 2.785293563405282) < 1e-10
    assert abs(table.loc["rk4", "oscillation_limit"] - np.sqrt(8.0)) < 1e-10
    assert table.loc["explicit_euler", "oscillation_limit"] == 0.0
    assert table.loc["heun", "oscillation_limit"] == 0.0
    for name in ("implicit_euler", "exponential_euler"):
        assert np.isinf(table.loc[name, ["decay_limit", "oscillation_limit"]].astype(float)).all()
    assert list(table.index[table["a_stable"]]) == ["implicit_euler", "exponential_euler"]
    assert list(table.index[table["l_stable"]]) == ["implicit_euler", "exponential_euler"]


@pytest.mark.parametrize("matrix", [np.zeros((2, 2)), np.array([[0.0, 1.0], [0.0, 0.0]])])
def test_phi_of_singular_matrices(matrix):
    # its series, I + Z / 2 + Z^2 / 6, ends here
    np.testing.assert_allclose(phi(matrix), np.eye(2) + matrix / 2.0, atol=1e-15)


def test_phi_is_its_definition():
    matrix = np.random.default_rng(0).standard_normal((3, 3))
    known = (linalg.expm(matrix) - np.eye(3)) @ np.linalg.inv(matrix)
    np.testing.assert_allclose(phi(matrix), known, atol=1e-12)


def test_unknown_methods_are_refused_with_the_nearest():
    with pytest.raises(SpecificationError, match=r"rk: method must be one of .*Did you mean 'rk4'"):
        method_of("rk5", "rk")
    assert method_of("euler", "rk") is METHODS["explicit_euler"]
