"""dynamax's linear Gaussian model: jitted, float64, one thread. Only where it is installed.

dynamax has no noise shared by output and state, so a case is handed over with the noise of its
outputs in the state, as statsmodels has it: ``z_t = (h_t, e_t)``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np

from benchmarks.cases import Case, FloatArray
from rnnstats.kernels import kalman
from rnnstats.kernels.system import StateSpace

TOLERANCE = 1e-8


def available() -> bool:
    """Whether dynamax and jax are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("jax", "dynamax"))


def one_noise(s: StateSpace) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Transition, state noise and design of an equal model without output noise.

    Where there is output noise, it joins the state, z_t = (h_t, eps_t); in the innovations form the
    step into t + 1 carries ``R eta_{t+1} = B eps_t`` and nothing else.
    """
    p, m = s.k_endog, s.k_states
    drive = s.selection @ s.state_cov @ s.selection.T
    if not np.any(s.obs_cov):
        return s.transition.copy(), drive, s.design.copy()
    transition, noise = np.zeros((2, m + p, m + p))
    transition[:m, :m], noise[m:, m:] = s.transition, s.obs_cov
    if np.any(s.cross_cov):
        transition[:m, m:] = s.selection @ np.linalg.solve(s.obs_cov, s.cross_cov.T).T
    else:
        noise[:m, :m] = drive
    return transition, noise, np.hstack([s.design, np.eye(p)])


class Dynamax:
    """One case in dynamax; raises AssertionError where the log-likelihoods differ.

    Parameters
    ----------
    case : Case
        With a stationary start and intercepts of zero.
    llf : float
        Our log-likelihood.

    Attributes
    ----------
    difference : float
        Relative difference of the log-likelihoods.
    """

    def __init__(self, case: Case, llf: float) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        import jax.numpy as jnp
        from dynamax.linear_gaussian_ssm import inference

        s = case.system
        p = s.k_endog
        transition, noise, design = one_noise(s)
        size = len(transition)
        start = kalman.stationary_covariance(transition, noise)
        y = jnp.asarray(case.y)
        zero, flat = jnp.zeros(size), jnp.zeros(p)

        def value(arrays: tuple[object, ...]) -> object:
            f, q, h, cov = arrays
            params = inference.ParamsLGSSM(
                initial=inference.ParamsLGSSMInitial(mean=zero, cov=cov),
                dynamics=inference.ParamsLGSSMDynamics(
                    weights=f, bias=zero, input_weights=jnp.zeros((size, 0)), cov=q
                ),
                emissions=inference.ParamsLGSSMEmissions(
                    weights=h, bias=flat, input_weights=jnp.zeros((p, 0)), cov=jnp.zeros((p, p))
                ),
            )
            return inference.lgssm_filter(params, y).marginal_loglik

        self._arrays = tuple(jnp.asarray(x) for x in (transition, noise, design, start))
        self._value: Callable[..., object] = jax.jit(value)
        self._slopes: Callable[..., object] = jax.jit(jax.value_and_grad(value))
        self._wait = jax.block_until_ready
        self.difference = abs(self.loglike() / llf - 1.0)
        if not self.difference <= TOLERANCE:
            raise AssertionError(f"{case.name}: dynamax differs by {self.difference:.1e}")

    def loglike(self) -> float:
        """Log-likelihood, compiled at the first call."""
        return float(self._wait(self._value(self._arrays)))

    def score(self) -> object:
        """Log-likelihood and derivatives with respect to the arrays."""
        return self._wait(self._slopes(self._arrays))
