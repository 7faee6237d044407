"""To a vector ARMA model and back to a linear RNN: nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from equivalence.varma_systems import random_cov, random_system

from rnnstats import LinearRNN
from rnnstats.equivalence.varma import echelon, kronecker_indices
from rnnstats.results.linear import LinearResults


def _random_results(rng):
    """A model of one to three outputs and one to six states at random parameters."""
    p, n, k = (int(rng.integers(*ends)) for ends in ((1, 4), (1, 7), (0, 3)))
    y, x = rng.standard_normal((40, p)) * 3.0, rng.standard_normal((40, k))
    enters = str(rng.choice(["state", "output", "both"])) if k else "state"
    system = random_system(rng, p, n, k, direct=True)
    nu = kronecker_indices(system)
    a, c, gain, b, d = echelon(system, nu)
    trend = str(rng.choice(["n", "c", "ct"]))
    model = LinearRNN(y, x if k else None, kronecker=nu, trend=trend, exog_enters=enters)
    sigma = random_cov(rng, p)
    terms = {"n": 0, "c": 1, "ct": 2}[trend]
    levels = rng.standard_normal((terms, p)) * np.array([[1.0], [0.05]])[:terms]
    direct = [d.T] if k and enters != "state" else []
    theta = model._table.read(
        {
            "transition": a,
            "design": c,
            "selection": gain,
            "obs_cov": sigma,
            "state_cov": sigma,
            "cross_cov": sigma,
            "C_obs": np.vstack([levels, *direct]),
            "C_state": b.T if k and enters != "output" else np.zeros((0, n)),
        }
    )
    return LinearResults.from_fit(model, theta, cov_type="none")


def _check(seed, count):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        res = _random_results(rng)
        model = res.model
        state = model.system(res._theta)
        varma = res.to_varma(str(rng.choice(["echelon", "final"])))
        inputs = None if model.exog is None else model.exog.values
        again, params = LinearRNN.from_varma(varma, endog=model.endog.values, exog=inputs)
        assert (again.kronecker, again.exog_enters) == (model.kronecker, model.exog_enters)
        # 1e-8: both ways pass through a realisation, whose rounding adds up
        assert again.loglike(params) == pytest.approx(res.llf, rel=1e-8)
        back = LinearResults.from_fit(again, params, cov_type="none").to_varma()
        psi = [state.design @ state.selection]
        reach = state.selection
        for _ in range(14):
            reach = state.transition @ reach
            psi.append(state.design @ reach)
        for one in (varma, back):
            np.testing.assert_allclose(
                one.impulse_responses(15)[1:], psi, atol=1e-8 * max(1.0, np.abs(psi).max())
            )
        gamma = varma.autocovariances(4)
        np.testing.assert_allclose(back.autocovariances(4), gamma, atol=1e-8 * np.abs(gamma).max())


def test_to_varma_and_back():
    _check(0, 12)


@pytest.mark.slow
def test_to_varma_and_back_500():
    _check(1, 500)
