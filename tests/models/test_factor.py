"""Factor form: few states that many series share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from models.linear_cases import slope

from rnnstats import LinearRNN
from rnnstats.errors import SpecificationError
from rnnstats.kernels import kalman
from rnnstats.kernels.system import StateSpace

A = np.array([[0.8, 0.2], [-0.3, 0.5]])


def panel(nobs: int = 150, p: int = 5, seed: int = 0, *, gaps: bool = False) -> np.ndarray:
    """Two factors behind p series."""
    rng = np.random.default_rng(seed)
    loading = rng.standard_normal((p, 2))
    h, rows = np.zeros(2), []
    for _ in range(nobs):
        h = A @ h + rng.standard_normal(2)
        rows.append(1.0 + loading @ h + rng.standard_normal(p))
    y = np.array(rows)
    if gaps:
        y[rng.random(y.shape) < 0.1] = np.nan
    return y


def test_names_and_matrices() -> None:
    x = np.random.default_rng(1).standard_normal((150, 1))
    model = LinearRNN(panel(p=3), x, form="factor", k_states=2)
    assert model.param_names == (
        *("W_h[h1,h1]", "W_h[h1,h2]", "W_h[h2,h1]", "W_h[h2,h2]", "W_x[h1,x]", "W_x[h2,x]"),
        *("V[y1,h1]", "V[y2,h1]", "V[y2,h2]", "V[y3,h1]", "V[y3,h2]"),
        *("b_y[y1]", "b_y[y2]", "b_y[y3]"),
        *("obs_cov[y1,y1]", "obs_cov[y2,y2]", "obs_cov[y3,y3]"),
    )
    theta = np.array([0.5, 0.1, -0.2, 0.3, 0.4, 0.6, 1, 2, 3, 4, 5, 6, 7, 8, 0.1, 0.2, 0.3])
    by_hand = StateSpace.from_arrays(
        design=[[1, 0], [2, 3], [4, 5]],
        transition=[[0.5, 0.1], [-0.2, 0.3]],
        state_cov=np.eye(2),
        obs_cov=np.diag([0.1, 0.2, 0.3]),
        obs_intercept=[6, 7, 8],
        state_intercept=x * [0.4, 0.6],
        start="stationary",
    )
    expected = kalman.loglike(by_hand, panel(p=3))
    assert model.loglike(theta) == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(model.score(theta), slope(model.loglike, theta), rtol=1e-6)


def test_lags_are_states() -> None:
    """Two factors with two lags: only current factors have noise and are read out."""
    model = LinearRNN(panel(p=3), form="factor", k_states=4, structure={"lags": 2}, trend="n")
    system = model.system(np.arange(1.0, 17.0) / 100.0)
    np.testing.assert_array_equal(system.transition[2:], np.eye(4)[:2])
    np.testing.assert_array_equal(system.selection, np.eye(4)[:, :2])
    np.testing.assert_array_equal(system.design[:, 2:], 0.0)
    np.testing.assert_array_equal(system.transition[:2].ravel(), np.arange(1.0, 9.0) / 100.0)


def test_fit_fixes_signs_and_keeps_the_likelihood() -> None:
    y = panel()
    flipped = y * [-1, 1, 1, -1, 1]
    fits = [LinearRNN(data, form="factor", k_states=2).fit() for data in (y, flipped)]
    for results in fits:
        assert results.convergence.converged
        assert results.params["V[y1,h1]"] > 0.0
        assert results.params["V[y2,h2]"] > 0.0
    assert fits[0].llf == pytest.approx(fits[1].llf, abs=1e-7)
    # the same coordinates but for the first factor's sign, which turns with the first series
    np.testing.assert_allclose(
        fits[0].params[["W_h[h1,h1]", "W_h[h2,h2]"]],
        fits[1].params[["W_h[h1,h1]", "W_h[h2,h2]"]],
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        fits[0].params["W_h[h1,h2]"], -fits[1].params["W_h[h1,h2]"], rtol=1e-4
    )


def test_the_basis_is_identified() -> None:
    """At the maximum the information has full rank, with gaps in the data too."""
    results = LinearRNN(panel(gaps=True), form="factor", k_states=2).fit()
    assert results.convergence.converged
    assert results.convergence.hessian_positive == results.model.layout.k_free
    assert np.isfinite(results.bse).all()


def test_simulated_parameters_are_found_again() -> None:
    """1000 rows: each estimate within four of its standard errors."""
    blank = LinearRNN(panel(p=4), form="factor", k_states=2)
    truth = np.array([0.8, 0.2, -0.3, 0.5, 1.0, 0.5, 0.8, -0.7, 0.4, 0.3, -0.6])
    truth = np.concatenate([truth, [1.0, 0.0, -1.0, 2.0], [0.5, 1.0, 0.8, 0.6]])
    y = blank.simulate(truth, 1000, rng=5)
    results = blank.clone(y).fit()
    assert results.convergence.converged
    error = (results.params - truth) / results.bse
    assert error.abs().max() < 4.0, error


def test_restrictions_by_name() -> None:
    """One variance for all series, a diagonal W_h."""
    y = panel()
    fixed: dict[str, Any] = {f"obs_cov[y{i},y{i}]": "obs_cov[y1,y1]" for i in range(2, 6)}
    fixed |= {"W_h[h1,h2]": 0.0, "W_h[h2,h1]": 0.0}
    model = LinearRNN(y, form="factor", k_states=2, fixed=fixed)
    results = model.fit()
    assert results.convergence.converged
    assert results.params["W_h[h1,h2]"] == 0.0
    assert results.params.filter(like="obs_cov").nunique() == 1
    assert results.llf < LinearRNN(y, form="factor", k_states=2).fit().llf


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k_states": 4}, "at most as many factors as outputs; got 4 factors and 3"),
        ({"k_states": 3, "structure": {"lags": 2}}, "multiple of structure.'lags'. .2.*got 3"),
        ({"structure": {"lag": 2}}, "the one key 'lags'; got 'lag'"),
        ({"structure": {"lags": 0}}, "at least 1; got 0"),
        ({"initial": "diffuse"}, "is not for form='factor'"),
        ({"obs_noise": "none"}, "obs_noise must be one of None, 'diagonal'"),
        ({"kronecker": (1, 0, 0)}, "kronecker belongs to form='innovations'"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        LinearRNN(panel(p=3), form="factor", **options)
