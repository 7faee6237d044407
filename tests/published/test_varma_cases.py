"""Closed forms of the correspondence of state space models and vector ARMA models."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats import LinearRNN
from rnnstats.equivalence import varma
from rnnstats.kernels.kalman import loglike
from rnnstats.kernels.system import StateSpace
from rnnstats.results.linear import LinearResults

# the cases ask for 1e-10 in absolute terms
TOL = 1e-10


def _state_space(**arrays):
    return StateSpace.from_arrays(**arrays, start="stationary")


def test_x01_local_level_is_an_integrated_moving_average(cases):
    reference = cases["X01"]["reference"]["nile"]
    level = _state_space(
        design=[[1.0]], transition=[[1.0]], state_cov=[[1469.1]], obs_cov=[[15099.0]]
    )
    gain, cov, state_cov = varma.riccati(level)
    found = varma.to_polynomials(varma.spectral_factor(level).system)
    assert gain[0, 0] == pytest.approx(reference["gain"], abs=TOL)
    # of the size of 1e4: 1e-10 absolute is the last digit
    assert cov[0, 0] == pytest.approx(reference["sigma2"], rel=1e-15, abs=TOL)
    assert state_cov[0, 0] == pytest.approx(reference["steady_P_pred"], rel=1e-15, abs=TOL)
    assert found.ar[0, 0, 0] == pytest.approx(1.0, abs=TOL)
    assert found.ma[0, 0, 0] == pytest.approx(reference["theta"], abs=TOL)
    # the MA(1) of the differences has the diffuse likelihood of the level model
    nile = cases.frame("data/nile.csv").iloc[:, -1].to_numpy(dtype=float)
    moving = varma.from_polynomials([], found.ma)
    differences = _state_space(
        design=moving.design,
        transition=moving.transition,
        selection=moving.gain,
        state_cov=cov,
        cross_cov=cov,
        obs_cov=cov,
    )
    value = loglike(differences, np.diff(nile)[:, None])
    assert value == pytest.approx(reference["loglik_MA1_on_diff_nile"], abs=1e-9)


def test_x01_noisy_autoregression_is_arma_11(cases):
    reference = cases["X01"]["reference"]["ar1_plus_noise"]
    system = _state_space(
        design=[[1.0]],
        transition=[[reference["phi"]]],
        state_cov=[[reference["sigma2_w"]]],
        obs_cov=[[reference["sigma2_v"]]],
    )
    factor = varma.spectral_factor(system)
    found = varma.to_polynomials(factor.system)
    assert found.ar[0, 0, 0] == pytest.approx(reference["phi"], abs=TOL)
    assert found.ma[0, 0, 0] == pytest.approx(reference["theta"], abs=TOL)
    assert factor.innovation_cov[0, 0] == pytest.approx(reference["sigma2"], abs=TOL)
    assert factor.system.gain[0, 0] == pytest.approx(
        reference["kalman_gain_predictor_form"], abs=TOL
    )
    gamma = varma.autocovariances(found.ar, found.ma, factor.innovation_cov, 3)
    np.testing.assert_allclose(gamma[:, 0, 0], reference["autocov0_3"], atol=TOL)


@pytest.mark.parametrize("form", ["echelon", "final"])
def test_x01_two_units_are_varma_11(cases, form):
    reference = cases["X01"]["reference"]["varma11"]
    system = _state_space(
        design=reference["C"],
        transition=reference["A"],
        state_cov=reference["Q"],
        obs_cov=reference["R"],
    )
    gain, cov, state_cov = varma.riccati(system)
    np.testing.assert_allclose(gain, reference["gain_predictor_form"], atol=TOL)
    np.testing.assert_allclose(cov, reference["Sigma"], atol=TOL)
    np.testing.assert_allclose(state_cov, reference["P_predicted"], atol=TOL)
    found = varma.to_polynomials(varma.spectral_factor(system).system, form=form)
    if form == "echelon":
        np.testing.assert_allclose(found.ar[0], reference["Phi"], atol=TOL)
        np.testing.assert_allclose(found.ma[0], reference["Theta"], atol=TOL)
    gamma = varma.autocovariances(found.ar, found.ma, cov, 4)
    np.testing.assert_allclose(gamma, reference["autocov0_4"], atol=TOL)


def test_x01_by_results(cases):
    """The same by `to_varma` of a model with these matrices."""
    reference = cases["X01"]["reference"]["varma11"]
    structure = {
        "W_h": reference["A"],
        "V": reference["C"],
        "state_cov": reference["Q"],
        "obs_cov": [["r1", 0.0], [0.0, "r2"]],
    }
    y = np.random.default_rng(0).standard_normal((30, 2))
    model = LinearRNN(y, form="structured", structure=structure, trend="n")
    found = LinearResults.from_fit(model, np.diag(reference["R"]), cov_type="none").to_varma()
    np.testing.assert_allclose(found.ar[0], reference["Phi"], atol=TOL)
    np.testing.assert_allclose(found.ma[0], reference["Theta"], atol=TOL)
    np.testing.assert_allclose(found.sigma_u, reference["Sigma"], atol=TOL)
    np.testing.assert_allclose(found.autocovariances(4), reference["autocov0_4"], atol=TOL)


def test_x03_varma_21(cases):
    reference = cases["X03"]["reference"]
    ar = np.array([reference["Phi1"], reference["Phi2"]])
    ma, sigma = np.array([reference["Theta1"]]), np.array(reference["Sigma"])
    psi, gamma = reference["psi_1_to_6"], reference["autocov0_4"]
    np.testing.assert_allclose(varma.impulse_responses(ar, ma, 6)[1:], psi, atol=TOL)
    np.testing.assert_allclose(varma.autocovariances(ar, ma, sigma, 4), gamma, atol=TOL)
    # with three states, one less than the lags suggest, in echelon form (1, 2)
    system = varma.minimal_realisation(varma.from_polynomials(ar, ma))
    assert varma.kronecker_indices(system) == (1, 2)
    np.testing.assert_allclose(varma.system_responses(system, 6)[1:], psi, atol=TOL)
    found = varma.to_polynomials(system).reduced()
    np.testing.assert_allclose(varma.impulse_responses(found.ar, found.ma, 6)[1:], psi, atol=TOL)
    np.testing.assert_allclose(varma.autocovariances(found.ar, found.ma, sigma, 4), gamma, atol=TOL)
