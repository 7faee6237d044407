"""Unconstrained coordinates: inverse, Jacobian, chain rule, domains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnstats.parameters import Block, Layout, Transform

BLOCKS = (
    Block("positive", (1,)),
    Block("interval", (2,), -0.5, 2.0),
    Block("covariance", (3, 4, 5, 6, 7, 8)),
    Block("oscillator", (9, 10)),
)
K = 11
PSI = arrays(np.float64, K, elements=st.floats(-3.0, 3.0))


@given(PSI)
def test_round_trip(psi: np.ndarray) -> None:
    transform = Transform(K, BLOCKS)
    back = transform.to_unconstrained(transform.to_natural(psi))
    # the logistic loses digits towards its ends: exp(3) of them, and the Cholesky likewise
    np.testing.assert_allclose(back, psi, rtol=1e-8, atol=1e-8)


@given(PSI)
def test_natural_values_are_in_their_domains(psi: np.ndarray) -> None:
    free = Transform(K, BLOCKS).to_natural(psi)
    assert free[0] == psi[0]
    assert free[1] > 0.0
    assert -0.5 < free[2] < 2.0
    cov = np.zeros((3, 3))
    cov[np.tril_indices(3)] = free[3:9]
    cov = cov + np.tril(cov, -1).T
    np.linalg.cholesky(cov)
    assert free[9] ** 2 + free[10] ** 2 < 1.0
    assert free[10] > 0.0


@given(PSI, arrays(np.float64, K, elements=st.floats(-2.0, 2.0)))
def test_jacobian_is_the_derivative_and_pull_its_transpose(
    psi: np.ndarray, gradient: np.ndarray
) -> None:
    transform = Transform(K, BLOCKS)
    jac = transform.jacobian(psi)
    step = 1e-5
    for j in range(K):
        unit = np.zeros(K)
        unit[j] = step
        slope = (transform.to_natural(psi + unit) - transform.to_natural(psi - unit)) / (2 * step)
        # central differences: step**2 times third derivatives of up to exp(2 * 3)
        np.testing.assert_allclose(jac[:, j], slope, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(
        transform.pull(psi, gradient), jac.T @ gradient, rtol=1e-10, atol=1e-10
    )


def test_one_by_one_and_two_by_two_covariances() -> None:
    transform = Transform(4, [Block("covariance", (0,)), Block("covariance", (1, 2, 3))])
    free = transform.to_natural(np.array([0.5, 0.1, -2.0, 0.3]))
    factor = np.array([[np.exp(0.1), 0.0], [-2.0, np.exp(0.3)]])
    cov = factor @ factor.T
    np.testing.assert_allclose(free, [np.exp(1.0), cov[0, 0], cov[1, 0], cov[1, 1]], rtol=1e-14)


def test_a_block_with_a_restricted_part_falls_apart() -> None:
    names = ("a", "c11", "c21", "c22", "r", "i")
    blocks = (Block("covariance", (1, 2, 3)), Block("oscillator", (4, 5)))
    layout = Layout(names, fixed={"c21": 0.0, "i": 0.5})
    transform = Transform.for_layout(layout, blocks)
    assert [(block.kind, block.indices) for block in transform.blocks] == [
        ("positive", (1, 2)),
        ("interval", (3,)),
    ]
    free = transform.to_natural(np.zeros(4))
    np.testing.assert_array_equal(free, [0.0, 1.0, 1.0, 0.0])


def test_a_parameter_tied_to_another_is_no_coordinate() -> None:
    layout = Layout(("c11", "c22"), fixed={"c22": "c11"})
    blocks = (Block("positive", (0,)), Block("positive", (1,)))
    transform = Transform.for_layout(layout, blocks)
    assert transform.k == 1
    np.testing.assert_allclose(transform.to_natural(np.array([1.0])), [np.e], rtol=1e-15)


@pytest.mark.parametrize(
    ("kind", "free"),
    [
        ("positive", [0.0]),
        ("interval", [1.0]),
        ("covariance", [1.0, 2.0, 1.0]),
        ("oscillator", [0.8, 0.7]),
        ("oscillator", [0.5, -0.1]),
    ],
)
def test_values_outside_the_domain_have_no_coordinate(kind: str, free: list[float]) -> None:
    block = Block(kind, tuple(range(len(free))))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must"):
        Transform(len(free), [block]).to_unconstrained(np.array(free))


def test_overflow_gives_infinity_and_no_warning() -> None:
    transform = Transform(2, [Block("positive", (0,)), Block("covariance", (1,))])
    assert np.all(np.isinf(transform.to_natural(np.array([800.0, 800.0]))))
