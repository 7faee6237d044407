"""Floors of the scales: what is far away must not make the rest look as if it had no spread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnstats import MarkovRNN
from rnnstats.errors import DataError
from rnnstats.models.regimes.blocks.base import Rows
from rnnstats.models.regimes.fit.collapse import pooled_scales

RNG = np.random.default_rng(7)
NOISE = RNG.standard_normal(120)
STATES = RNG.integers(0, 2, 120)


def fitted(y: np.ndarray, **options: Any) -> Any:
    """Fit from the default starts; warnings are errors."""
    return MarkovRNN(y, **options).fit()


@pytest.mark.parametrize("switching", ["trend", ("trend", "variance")])
def test_regimes_far_apart_are_no_collapse(switching: str | tuple[str, ...]) -> None:
    # The regimes are visible, so that the fit is that of the two halves of the rows.
    found = fitted(NOISE + 1e5 * STATES, switching=switching).params
    means = [NOISE[STATES == k].mean() + 1e5 * k for k in (0, 1)]
    np.testing.assert_allclose(found[["V[y,h1]", "V[y,h2]"]], means, atol=1e-6)
    squares = [NOISE[STATES == k].var() for k in (0, 1)]
    if switching == "trend":
        common = np.average(squares, weights=np.bincount(STATES))
        np.testing.assert_allclose(found["obs_cov[y,y]"], common, rtol=1e-6)
    else:
        np.testing.assert_allclose(
            found[["obs_cov[y,y,h1]", "obs_cov[y,y,h2]"]], squares, rtol=1e-6
        )


def test_an_outlier_leaves_the_other_rows_their_variance() -> None:
    found = fitted(np.r_[NOISE, 1e6], switching="trend").params
    assert found["obs_cov[y,y]"] == pytest.approx(NOISE.var() * 120 / 121, rel=1e-6)
    assert found["V[y,h2]"] == pytest.approx(1e6, rel=1e-9)


def test_the_pooled_scale_of_ordinary_rows_is_their_mean_square() -> None:
    size = pooled_scales(Rows(NOISE[:, None], None), "gaussian")
    assert size == pytest.approx([NOISE.var()], rel=1e-12)
    rounded = pooled_scales(Rows(np.round(NOISE)[:, None], None), "gaussian")
    assert rounded == pytest.approx([np.round(NOISE).var()], rel=1e-12)


def test_no_parameters_are_left_when_all_probabilities_are_zero_or_one() -> None:
    found = fitted(np.tile([0, 1], 25), emission="bernoulli")
    assert found.llf == pytest.approx(np.log(0.5), abs=1e-9)
    assert found.params.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert found.convergence.converged


@pytest.mark.parametrize("switching", ["trend", ("trend", "variance")])
def test_outputs_that_add_up_are_refused(switching: str | tuple[str, ...]) -> None:
    # the covariance of every regime is singular, whatever the rows in it: no regime is to blame
    y = np.column_stack([NOISE + STATES, RNG.standard_normal(120), 1.0 - 2.0 * (NOISE + STATES)])
    y[5, 1] = np.nan
    with pytest.raises(DataError, match=r"MarkovRNN.fit: outputs .* got one of y1, y3. Leave one"):
        MarkovRNN(y, switching=switching).fit()
    # independent given the regime, each has a likelihood of its own
    apart = fitted(y, emission="gaussian-diagonal", switching=switching)
    assert np.isfinite(apart.llf)


@pytest.mark.parametrize("switching", ["trend", ("trend", "variance")])
def test_outputs_that_are_much_alike_are_no_collapse(switching: str | tuple[str, ...]) -> None:
    # Jointly normal outputs have the same likelihood in any linear combination of full rank. The
    # floor of a column is a share of its spread given the others: as a share of its own spread it
    # stood above the maximum, and the fit stopped 49 below it, with regimes "without spread".
    rng = np.random.default_rng(3)
    y = np.column_stack([NOISE + 2.0 * STATES, rng.standard_normal(120) + STATES])
    apart = fitted(y, switching=switching)
    for close in (1e-3, 3e-4):
        alike = np.column_stack([y[:, 0], y[:, 0] + close * y[:, 1]])
        found = fitted(alike, switching=switching)
        # 16 digits less those of close**2, 7, in a sum of 120 numbers
        assert found.llf + 120 * np.log(close) == pytest.approx(apart.llf, abs=1e-6)
