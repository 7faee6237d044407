"""Maxima on the border of the parameter space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnstats import MarkovRNN
from rnnstats.models.regimes.fit.climbing import Climber
from rnnstats.models.regimes.fit.faces import NEAR


@pytest.mark.parametrize(
    ("fixed", "boundary"),
    [
        (
            {"p[h1->h1]": "p[h2->h2]", "p[h3->h3]": "p[h2->h2]"},
            ("p[h2->h2] + p[h1->h2] = 1", "p[h2->h1] = 0", "p[h2->h2] + p[h3->h1] = 1"),
        ),
        (
            {"p[h1->h1]": "p[h2->h2]"},
            ("p[h2->h2] + p[h1->h2] = 1", "p[h2->h1] = 0", "p[h3->h2] = 0"),
        ),
    ],
)
def test_zeros_beside_probabilities_that_rows_share(
    fixed: dict[str, float | str], boundary: tuple[str, ...]
) -> None:
    # regimes in a circle, far apart, with equal persistence: three steps never happen
    rng, states = np.random.default_rng(3), [0]
    for move in rng.random(199) < 0.2:
        states.append((states[-1] + int(move)) % 3)
    y = 9.0 * np.array(states) + rng.standard_normal(200)
    res = MarkovRNN(y, k_regimes=3, switching="trend", fixed=fixed).fit(n_starts=2)
    transition = res.model.system(res.params).transition
    assert (transition[[0, 1, 2], [2, 0, 1]] == 0.0).all()
    assert res.convergence.boundary == boundary
    assert res.convergence.message == "converged"
    # the regimes are seen: of the rows that leave each regime for the next, all have one rate
    leaves = np.array([[np.sum((np.array(states[:-1]) == i) & (np.diff(states) != 0)),
                        np.sum(np.array(states[:-1]) == i)] for i in range(3)])  # fmt: skip
    tied = [0, 1, 2] if len(fixed) == 2 else [0, 1]
    rate = leaves[tied, 0].sum() / leaves[tied, 1].sum()
    # the stationary start adds a fraction of a step
    assert transition[0, 1] == pytest.approx(rate, abs=1.0 / leaves[tied, 1].sum())


@pytest.mark.parametrize("k", [2, 3])
def test_the_curvature_is_that_of_the_log_likelihood(k: int) -> None:
    """Central differences; forward ones of step 1e-6 are good to 1e-5 of the size."""
    rng = np.random.default_rng(k)
    y = 3.0 * np.repeat(rng.integers(k, size=60), 5) + rng.standard_normal(300)
    model = MarkovRNN(y, k_regimes=k)
    end = np.asarray(model.fit(n_starts=2).params)
    climber = Climber(model, "auto", 100)
    for theta, near in ((end, True), (end * rng.uniform(0.7, 1.2, size=len(end)), False)):
        face = climber.face(theta, ())
        psi = face.psi(theta)
        exact, ours = face.hessian(psi), face.curvature(psi)
        size = np.sqrt(np.abs(np.diagonal(exact)))
        np.testing.assert_allclose(
            ours / np.outer(size, size), exact / np.outer(size, size), atol=1e-4
        )
        score = face(psi)[1]
        assert (float((score / size) @ (score / size)) < NEAR**2) == near


@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1e9])
@pytest.mark.parametrize("lags", [{}, {"order": 2, "ar_form": "mean"}])
def test_a_climb_does_not_depend_on_units(unit: float, lags: dict[str, Any]) -> None:
    # the step of a difference is a share of a standard error: with one in the user's units, the
    # curvature of series of size 1e-9 was nonsense, and climbs stopped at the limit of iterations
    rng = np.random.default_rng(8)
    n = 250
    regimes = (rng.random(n) < 0.06).cumsum() % 2
    x = rng.standard_normal((n, 1))
    y = np.where(regimes == 1, 2.0 + x[:, 0], -1.0) + rng.standard_normal(n)
    here = MarkovRNN(y, x, switching=("trend", "exog"), **lags).fit()
    there = MarkovRNN(y * unit, x, switching=("trend", "exog"), **lags).fit()
    away = MarkovRNN(y, x / unit, switching=("trend", "exog"), **lags).fit()
    for moved, change in ((there, here.nobs * np.log(unit)), (away, 0.0)):
        assert moved.convergence.converged
        # the climbs end within GTOL standard errors of the top, 1e-10 of log-likelihood
        assert moved.llf + change == pytest.approx(here.llf, abs=1e-8)
        ratio = (moved.bse / moved.params.abs()) / (here.bse / here.params.abs())
        np.testing.assert_allclose(ratio, 1.0, rtol=1e-4)  # GTOL, in units of a small estimate
