"""Where fits begin, and models that have no place to begin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnstats import MarkovRNN
from rnnstats.errors import SpecificationError

Y = np.random.default_rng(5).standard_normal(60) + np.repeat([0.0, 4.0, 8.0], 20)
ONE_WAY = {"p[h2->h1]": 0, "p[h1->h3]": 0, "p[h3->h1]": 0, "p[h3->h2]": 0}


def test_regimes_left_for_good_need_a_start_of_their_own() -> None:
    model = MarkovRNN(Y, k_regimes=3, fixed=ONE_WAY)
    with pytest.raises(SpecificationError, match=r"under which it leaves h1, h2 for good\. Use"):
        model.fit()
    found = MarkovRNN(Y, k_regimes=3, fixed=ONE_WAY, start="free").fit()
    np.testing.assert_allclose(found.params[["V[y,h1]", "V[y,h2]", "V[y,h3]"]], [0, 4, 8], atol=0.7)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fixed": {"obs_cov[y,y,h1]": -1.0}}, "none: obs_cov.* must be at least 0; got -1. Give"),
        ({"fixed": {"p[h1->h1]": 1, "p[h2->h2]": 1}}, "none: the chain has several stationary"),
    ],
)
def test_no_start_says_why(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecificationError, match=reason):
        MarkovRNN(Y, **options).fit()


def test_sequences_that_stay_in_their_regime() -> None:
    # A mixture of two kinds of sequences: all transition probabilities are given.
    groups = np.repeat(np.arange(12), 5)
    y = np.random.default_rng(1).standard_normal(60) + 9.0 * np.repeat([0, 1, 1] * 4, 5)
    fixed = {"p[h1->h1]": 1, "p[h2->h2]": 1}
    found = MarkovRNN(y, fixed=fixed, groups=groups, start="free", switching="trend").fit()
    assert found.params["start[h1]"] == pytest.approx(1 / 3, abs=1e-6)
    inside = np.repeat([0, 1, 1] * 4, 5) == 0
    assert found.params["V[y,h1]"] == pytest.approx(y[inside].mean(), abs=1e-6)
    assert found.params["V[y,h2]"] == pytest.approx(y[~inside].mean(), abs=1e-6)


def test_a_row_of_given_probabilities_that_leave_nothing_to_the_last() -> None:
    given = MarkovRNN(Y, k_regimes=3, fixed={"p[h1->h1]": 0.9, "p[h1->h2]": 0.1}).fit()
    assert given.params["p[h1->h1]"] == 0.9
    assert given.transition.loc["h1", "h3"] == pytest.approx(0.0, abs=1e-15)
    assert given.convergence.converged
