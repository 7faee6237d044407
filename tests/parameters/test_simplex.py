"""Probability vectors: coordinates, borders, restrictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnstats.parameters import Block, Layout, Transform

# a whole vector of four, one of which 0.3 is fixed elsewhere, and two with entries held at zero:
# an explicit one, and the implied one
BLOCKS = (
    Block("simplex", (0, 1, 2)),
    Block("simplex", (3, 4), mass=0.7),
    Block("simplex", (5, 6, 7), zeros=(1,)),
    Block("simplex", (8, 9, 10), mass=0.9, zeros=(0, 3)),
    Block("positive", (11,)),
)
K = 12
TRANSFORM = Transform(K, BLOCKS)
PSI = arrays(np.float64, TRANSFORM.k_psi, elements=st.floats(-4.0, 4.0))


def test_what_is_held_has_no_coordinate() -> None:
    # 6 and 8 are held at zero, the implied zero takes one more from the last vector
    assert TRANSFORM.k_psi == K - 3


@given(PSI)
def test_round_trip_and_domain(psi: np.ndarray) -> None:
    free = TRANSFORM.to_natural(psi)
    for block in BLOCKS[:4]:
        values = free[list(block.indices)]
        rest = block.mass - values.sum()
        zeros = [i for i, v in enumerate([*values, rest]) if abs(v) < 1e-15]
        assert zeros == list(block.zeros)
    assert free[6] == 0.0
    assert free[8] == 0.0
    # implied probabilities of exp(-12) are differences from one: 1e-16 / 1e-6
    np.testing.assert_allclose(TRANSFORM.to_unconstrained(free), psi, rtol=1e-9, atol=1e-9)


@given(PSI, arrays(np.float64, K, elements=st.floats(-2.0, 2.0)))
def test_jacobian_and_pull(psi: np.ndarray, gradient: np.ndarray) -> None:
    jac = TRANSFORM.jacobian(psi)
    assert jac.shape == (K, TRANSFORM.k_psi)
    step = 1e-5
    for j in range(TRANSFORM.k_psi):
        move = step * np.eye(TRANSFORM.k_psi)[j]
        slope = (TRANSFORM.to_natural(psi + move) - TRANSFORM.to_natural(psi - move)) / (2 * step)
        # step^2 times third derivatives of up to exp(4)
        np.testing.assert_allclose(jac[:, j], slope, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(TRANSFORM.pull(psi, gradient), jac.T @ gradient, atol=1e-12)


def test_directions_span_what_the_jacobian_spans() -> None:
    psi = np.linspace(-1.0, 1.0, TRANSFORM.k_psi)
    both = np.hstack([TRANSFORM.directions(), TRANSFORM.jacobian(psi)])
    assert np.linalg.matrix_rank(both, tol=1e-10) == TRANSFORM.k_psi


def test_softmax_by_hand() -> None:
    free = Transform(2, [Block("simplex", (0, 1), mass=0.6)]).to_natural(np.log([2.0, 3.0]))
    np.testing.assert_allclose(free, [0.2, 0.3], rtol=1e-14)
    far = Transform(2, [Block("simplex", (0, 1))]).to_natural(np.array([900.0, -900.0]))
    np.testing.assert_array_equal(far, [1.0, 0.0])


def test_holding_what_lies_on_a_border() -> None:
    blocks = (
        Block("simplex", (0, 1)),
        Block("simplex", (2, 3)),
        Block("interval", (4,)),
        Block("positive", (5,)),
        Block("positive", (6,)),
    )
    transform = Transform(8, blocks)
    free = np.array([0.0, 0.4, 0.3, 0.7, 1.0, 0.0, 2.0, -1.0])
    held = transform.holding(free)
    assert held.k_psi == 8 - 2 - 2  # p, an implied p, the interval's end and the zero
    psi = held.to_unconstrained(free)
    np.testing.assert_allclose(held.to_natural(psi), free, rtol=1e-14)
    with pytest.raises(ValueError, match="must be above zero"):
        transform.to_unconstrained(free)
    inside = np.array([0.2, 0.4, 0.3, 0.5, 0.9, 0.1, 2.0, -1.0])
    assert transform.holding(inside) is transform


@pytest.mark.parametrize("free", [[0.6, 0.4], [0.0, 0.4], [0.7, 0.7], [-0.1, 0.4]])
def test_borders_and_what_is_outside_have_no_coordinate(free: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        Transform(2, [Block("simplex", (0, 1))]).to_unconstrained(np.array(free))


def test_all_entries_at_zero_are_no_vector() -> None:
    with pytest.raises(ValueError, match="an entry above zero"):
        Transform(1, [Block("simplex", (0,), zeros=(0, 1))])


def test_fixed_entries_leave_the_rest_of_the_mass() -> None:
    layout = Layout(("a", "b", "c", "x"), fixed={"b": 0.25})
    transform = Transform.for_layout(layout, [Block("simplex", (0, 1, 2))])
    theta = layout.expand(transform.to_natural(np.zeros(3)))
    np.testing.assert_allclose(theta, [0.25, 0.25, 0.25, 0.0], rtol=1e-14)


def test_shared_entries_have_coordinates_of_their_own() -> None:
    names = tuple(f"p{i}{j}" for i in range(3) for j in range(2))
    layout = Layout(names, fixed={"p00": "p11", "p20": "p11", "p21": 0.3})
    transform = Transform.for_layout(
        layout, [Block("simplex", (2 * i, 2 * i + 1)) for i in range(3)]
    )
    assert layout.free_names == ("p01", "p10", "p11")
    kinds = [(block.kind, block.indices, block.shared) for block in transform.blocks]
    assert kinds == [
        ("simplex", (0,), (2,)),
        ("simplex", (1,), (2,)),
        ("simplex", (), (2,)),
        ("interval", (2,), ()),
    ]
    theta = layout.expand(transform.to_natural(np.zeros(3)))
    # the last vector has 0.7 for the shared entry and the implied one
    np.testing.assert_allclose(theta, [0.35, 0.325, 0.325, 0.35, 0.35, 0.3], rtol=1e-14)


SHARED = Transform(
    6,
    [
        Block("simplex", (0, 1), shared=(4,)),
        Block("simplex", (2,), mass=0.9, shared=(4, 5)),
        Block("simplex", (3,), zeros=(1,), shared=(4,)),
        Block("interval", (4, 5), 0.0, 0.4),
    ],
)


@given(arrays(np.float64, 5, elements=st.floats(-4.0, 4.0)))
def test_shared_mass(psi: np.ndarray) -> None:
    free = SHARED.to_natural(psi)
    assert free[3] == pytest.approx(1.0 - free[4], rel=1e-13)
    assert free.min() > 0.0
    assert free[[0, 1, 4]].sum() < 1.0
    assert free[[2, 4, 5]].sum() < 0.9
    np.testing.assert_allclose(SHARED.to_unconstrained(free), psi, rtol=1e-8, atol=1e-8)
    jac, step = SHARED.jacobian(psi), 1e-5
    for j in range(5):
        move = step * np.eye(5)[j]
        slope = (SHARED.to_natural(psi + move) - SHARED.to_natural(psi - move)) / (2 * step)
        np.testing.assert_allclose(jac[:, j], slope, rtol=1e-7, atol=1e-8)
    gradient = np.linspace(-1.0, 2.0, 6)
    np.testing.assert_allclose(SHARED.pull(psi, gradient), jac.T @ gradient, atol=1e-12)
    both = np.hstack([SHARED.directions(), jac])
    assert np.linalg.matrix_rank(SHARED.directions()) == 5
    assert np.linalg.matrix_rank(both, tol=1e-9) == 5


def test_a_row_that_equals_another_entirely_needs_no_intervals() -> None:
    layout = Layout(("a", "b", "c", "d"), fixed={"c": "a", "d": "b"})
    blocks = [Block("simplex", (0, 1)), Block("simplex", (2, 3))]
    transform = Transform.for_layout(layout, blocks)
    theta = layout.expand(transform.to_natural(np.log([2.0, 3.0])))
    np.testing.assert_allclose(theta, [2 / 6, 3 / 6, 2 / 6, 3 / 6], rtol=1e-14)
