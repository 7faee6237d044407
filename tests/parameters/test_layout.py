"""Names, restrictions and their chain rule."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.errors import SpecificationError
from rnnstats.parameters import Layout

NAMES = ("W_h[h1,h1]", "W_h[h1,h2]", "K[h1,y]", "obs_cov[y,y]")


def test_without_restrictions_free_is_theta() -> None:
    layout = Layout(NAMES)
    theta = np.array([1.0, 2.0, 3.0, 4.0])
    assert layout.k_free == 4
    assert layout.groups == ("W_h", "W_h", "K", "obs_cov")
    np.testing.assert_array_equal(layout.expand(theta), theta)
    assert layout.expand(theta) is not theta
    np.testing.assert_array_equal(layout.reduce(theta), theta)
    np.testing.assert_array_equal(layout.expansion, np.eye(4))


def test_numbers_ties_and_chains_of_ties() -> None:
    layout = Layout(NAMES, fixed={"K[h1,y]": "W_h[h1,h2]", "W_h[h1,h2]": "W_h[h1,h1]"})
    assert layout.free_names == ("W_h[h1,h1]", "obs_cov[y,y]")
    np.testing.assert_array_equal(layout.expand(np.array([7.0, 8.0])), [7.0, 7.0, 7.0, 8.0])
    pinned = Layout(NAMES, fixed={**layout.fixed, "W_h[h1,h1]": 0.25})
    assert pinned.free_names == ("obs_cov[y,y]",)
    np.testing.assert_array_equal(pinned.expand(np.array([8.0])), [0.25, 0.25, 0.25, 8.0])
    np.testing.assert_array_equal(pinned.base, [0.25, 0.25, 0.25, 0.0])


def test_expansion_base_reduce_and_pull_agree() -> None:
    layout = Layout(NAMES, fixed={"K[h1,y]": "W_h[h1,h1]", "W_h[h1,h2]": -0.5})
    free = np.array([0.3, 2.0])
    theta = layout.expand(free)
    np.testing.assert_array_equal(theta, layout.base + layout.expansion @ free)
    np.testing.assert_array_equal(layout.reduce(theta), free)
    gradient = np.array([1.0, 10.0, 100.0, 1000.0])
    np.testing.assert_array_equal(layout.pull(gradient), layout.expansion.T @ gradient)


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({"W_h[h1,h3]": 0.0}, r"LinearRNN: .*got 'W_h\[h1,h3\]'\. Did you mean: W_h\[h1,h"),
        ({"K[h1,y]": "K[h1,z]"}, r"got 'K\[h1,z\]'\. Did you mean: K\[h1,y\]"),
        ({"K[h1,y]": float("nan")}, r"finite number; got K\[h1,y\] = nan"),
        ({"K[h1,y]": True}, r"must be a number or the name"),
        ({"K[h1,y]": None}, r"must be a number or the name"),
        ({"K[h1,y]": "K[h1,y]"}, r"ring K\[h1,y\] = K\[h1,y\]"),
        (
            {"K[h1,y]": "W_h[h1,h1]", "W_h[h1,h1]": "K[h1,y]"},
            r"ring W_h\[h1,h1\] = K\[h1,y\] = W_h",
        ),
        ([("K[h1,y]", 1.0)], r"must be a mapping"),
    ],
)
def test_wrong_restrictions_are_refused(fixed: object, words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        Layout(NAMES, fixed=fixed)  # type: ignore[arg-type]


def test_repeated_names_are_refused() -> None:
    with pytest.raises(SpecificationError, match="got 'a' twice"):
        Layout(("a", "b", "a"))
