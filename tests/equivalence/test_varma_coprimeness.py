"""Roots that cancel, wholly or nearly."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.equivalence.varma import coprimeness, coprimeness_of, innovations_system
from rnnstats.errors import SpecificationError


def _times(polynomial, root):
    """Multiply 1 + c1 L + ... by 1 - root L."""
    return np.convolve(np.concatenate([[1.0], polynomial]), [1.0, -root])[1:]


def test_scalar_common_factor():
    ar, ma = -_times(_times([], 0.8), 0.3), _times(_times([], -0.5), 0.3)
    found = coprimeness(ar, ma)
    assert not found.coprime
    assert (found.k_states, found.mcmillan_degree) == (2, 1)
    assert [case.root for case in found.common] == [pytest.approx(0.3)]
    assert found.common[0].exact
    assert not found.near
    assert found.words(["gdp"]) == "the autoregressive root 0.3 cancels (output gdp)"


@pytest.mark.parametrize("gap", [0.03, 1e-3, 1e-6])
def test_scalar_near_cancellation_names_root_and_distance(gap):
    found = coprimeness([0.8], [-0.8 + gap])
    assert found.coprime
    assert found.mcmillan_degree == 1
    (case,) = found.near
    assert case.root == pytest.approx(0.8)
    assert case.ma_root == pytest.approx(0.8 - gap)
    assert case.distance == pytest.approx(gap, rel=1e-9)
    # for one root alone, what is left is the distance
    assert case.strength == pytest.approx(gap, rel=1e-9)
    assert "nearly cancels" in found.words()
    assert "0.8 " in found.words()


def test_far_roots_do_not_cancel():
    assert coprimeness([0.8], [-0.5]).words() == ""
    assert coprimeness([0.8], [-0.8 + 0.2]).near == ()
    assert coprimeness([0.8], [-0.8 + 0.2], near=0.5).near != ()


def test_near_roots_of_different_outputs_do_not_cancel():
    """y1 is AR(1) with root 0.5, y2 MA(1) with root 0.5: the directions differ."""
    found = coprimeness([np.diag([0.5, 0.0])], [np.diag([0.0, -0.5])])
    assert found.coprime
    assert found.near == ()
    assert found.mcmillan_degree == 2
    same = coprimeness([np.diag([0.5, 0.0])], [np.diag([-0.5, 0.0])])
    assert [case.outputs for case in same.common] == [(0,)]
    assert same.mcmillan_degree == 0


def test_left_factor_of_two_outputs():
    """A common left factor (I - U L), with a pair of roots, hidden by a change of outputs."""
    turn = np.array([[1.0, 0.4], [-0.3, 1.0]])
    common = turn @ (0.6 * np.array([[0.8, 0.6], [-0.6, 0.8]])) @ np.linalg.inv(turn)
    own = np.array([[0.5, 0.1], [0.0, -0.3]])
    moving = np.array([[0.2, 0.3], [-0.1, 0.4]])
    # (I - U L)(I - P L) and (I - U L)(I + M L)
    ar = [common + own, -common @ own]
    ma = [moving - common, -common @ moving]
    found = coprimeness(ar, ma)
    assert (found.k_states, found.mcmillan_degree) == (4, 2)
    (case,) = found.common
    assert abs(case.root - (0.48 + 0.36j)) < 1e-12
    assert case.outputs == (0, 1)


def test_inputs_keep_a_root_alive():
    assert not coprimeness([0.5], [-0.5]).coprime
    assert coprimeness([0.5], [-0.5], [[[1.0]]]).coprime


def test_units_do_not_matter():
    weak = innovations_system(
        np.diag([0.9, 0.4]), np.array([[1.0, 0.3], [0.2, 1.0]]), np.array([[0.01, 0.0], [0.3, 0.5]])
    )
    size = np.array([1e6, 1e-3])
    moved = innovations_system(weak.transition, weak.design * size[:, None], weak.gain / size)
    one, other = coprimeness_of(weak), coprimeness_of(moved, scale=size)
    assert len(one.near) == len(other.near) == 1
    assert other.near[0].strength == pytest.approx(one.near[0].strength, rel=1e-8)
    assert other.near[0].outputs == one.near[0].outputs
    assert one.near[0].root == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("scale", "exog", "message"),
    [
        ([1.0, 2.0, 3.0], None, "scale must be 2 positive numbers"),
        ([1.0, 0.0], None, "scale must be 2 positive numbers"),
        ([1.0, np.nan], None, "scale must be 2 positive numbers"),
        ([1.0, 2.0], np.ones((1, 3, 2)), "with the same k"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(scale, exog, message):
    with pytest.raises(SpecificationError, match=message):
        coprimeness([np.diag([0.5, 0.3])], [np.diag([0.2, 0.1])], exog, scale=scale)


def test_zero_roots_of_padding_are_no_common_factor():
    """Equations with fewer lags than others have zero roots in companion form."""
    found = coprimeness([np.diag([0.5, 0.3]), np.diag([0.2, 0.0])], np.zeros((0, 2, 2)))
    assert found.coprime
    assert found.mcmillan_degree == 3
