"""Log-likelihoods and smoothed states of random models equal statsmodels'.

statsmodels times the state intercept one row earlier (its ``c[t]`` drives t into t+1), has no
noise shared by output and state, and knows no "noisy" or "noiseless" diffuse start. So the models
are written for it with the output noise and the next state noise inside the state, and with a
missing row in front where the start is that of h_0.
"""

from __future__ import annotations

import numpy as np
import pytest
from kernels.systems import BACKENDS, random_case
from scipy.linalg import block_diag, solve_discrete_lyapunov

from rnnstats.kernels import reference
from rnnstats.kernels.system import StateSpace

pytestmark = pytest.mark.crosspkg
kalman_smoother = pytest.importorskip("statsmodels.tsa.statespace.kalman_smoother")
initialization = pytest.importorskip("statsmodels.tsa.statespace.initialization")


def theirs(system: StateSpace, endog: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, smoothed states and their covariances from statsmodels."""
    n, (p, m, r) = endog.shape[0], (system.k_endog, system.k_states, system.k_posdef)
    Q, H, S = system.state_cov, system.obs_cov, system.cross_cov
    early = int(system.start == "given" and system.first_step != "none")
    rows = n + early
    c = np.broadcast_to(system.state_intercept, (n, m))
    d = np.zeros((p, rows))
    d[:, early:] = np.broadcast_to(system.obs_intercept, (n, p)).T
    # state (h_t, eps_t, eta_{t+1}); noise (eps_{t+1}, eta_{t+2})
    k = m + p + r
    transition = np.zeros((k, k))
    transition[:m, :m], transition[:m, m + p :] = system.transition, system.selection
    intercept = np.zeros((k, rows))
    intercept[:m, : n - 1 + early] = c[1 - early :].T
    noise = np.block([[H, S.T], [S, Q]])
    noises = np.repeat(noise[:, :, None], rows, axis=2)
    # diffuse states first: statsmodels' start is a list of blocks, each a range of states
    diffuse = np.append(system.initial_diffuse > 0.0, np.zeros(p + r, dtype=bool))
    order = np.argsort(~diffuse, kind="stable")
    back = np.argsort(order)[:m]
    model = kalman_smoother.KalmanSmoother(p, k, k_posdef=p + r, tolerance=0.0)
    data = np.vstack([np.full((early, p), np.nan), endog])
    model.bind(np.asfortranarray(data.T))
    model["design"] = np.hstack([system.design, np.eye(p), np.zeros((p, r))])[:, order]
    model["obs_intercept"], model["state_intercept"] = d, intercept[order]
    model["transition"] = transition[np.ix_(order, order)]
    model["selection"] = np.vstack([np.zeros((m, p + r)), np.eye(p + r)])[order]
    model["state_cov"] = noises
    mean, cov = system.initial_mean, system.initial_cov
    if system.start == "stationary":
        mean = np.linalg.solve(np.eye(m) - system.transition, c[0])
        driven = system.selection @ Q @ system.selection.T
        cov = solve_discrete_lyapunov(system.transition, driven)
    first_noise = noise.copy()
    if system.first_step == "noiseless":
        first_noise[p:] = first_noise[:, p:] = 0.0  # eta_1 = 0, and eps_0 is not seen
    proper = order[diffuse.sum() :]
    start = initialization.Initialization(k)
    if diffuse.any():
        start.set((0, int(diffuse.sum())), "diffuse")
    start.set(
        (int(diffuse.sum()), k),
        "known",
        np.append(mean, np.zeros(p + r))[proper],
        block_diag(cov, first_noise)[np.ix_(proper, proper)],
    )
    model.initialize(start)
    output = model.smooth()
    states = output.smoothed_state[back, early:].T
    covs = output.smoothed_state_cov[np.ix_(back, back)][:, :, early:].transpose(2, 0, 1)
    return float(output.llf_obs[early:].sum()), states, covs


def negligible(system: StateSpace, endog: np.ndarray) -> bool:
    """Whether statsmodels would take a diffuse covariance for zero before it is.

    It ends the diffuse phase when the sum of squares of that covariance is below 1e-10, and then
    leaves out a log-likelihood of half its logarithm; ours agrees there with the joint density
    (``tests/kernels``), so such models say nothing about us.
    """
    output = reference.kalman_filter(system, endog)
    sizes = np.linalg.norm(output.predicted_diffuse_cov[: output.nobs_diffuse], axis=(1, 2))
    return bool((sizes < 1e-4).any())


CASES = [
    (seed, *case) for seed in range(220) if not negligible(*(case := random_case(seed, nobs=20)))
][:200]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", range(10))
def test_two_hundred_random_models(backend, block):
    assert len(CASES) == 200
    for seed, system, endog in CASES[20 * block : 20 * block + 20]:
        llf, states, covs = theirs(system, endog)
        assert backend.loglike(system, endog) == pytest.approx(llf, rel=1e-8), seed
        ours = backend.kalman_smoother(system, endog)
        for mine, other in ((ours.smoothed_state, states), (ours.smoothed_state_cov, covs)):
            scale = max(1.0, float(np.abs(other).max()))
            np.testing.assert_allclose(mine, other, rtol=0.0, atol=1e-7 * scale)
