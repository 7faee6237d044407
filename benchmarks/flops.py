"""Floating point operations of a step of the filter."""

from __future__ import annotations

import numpy as np

from rnnstats.kernels.system import StateSpace


def step_flops(k_endog: int, k_states: int, k_noise: int) -> float:
    """Operations of one step of the array filter for the log-likelihood, gain not yet constant.

    With p outputs, m states and q columns of noise the step rotates the (p + m) x (q + m) array
    ``[J_eps, Z L; J_eta, T L]`` to lower triangular form (Kailath, Sayed and Hassibi 2000, ch. 12).

    =========================  =====================================
    products Z L and T L       2 p m^2 + 2 m^3
    Householder LQ             2 R^2 (C - R / 3), R = p + m, C = q + m
                               (2 C^2 (R - C / 3) where C < R)
    inverse of F^{1/2}, gain   p^3 / 3 + 2 m p^2
    P = L L' (one triangle)    m^3 + m^2
    change of F                2 p m^2
    mean, innovation           2 m^2 + 4 p m + 2 p^2
    =========================  =====================================

    Parameters
    ----------
    k_endog, k_states, k_noise : int
        p, m and q, the rank of the joint noise covariance.

    Returns
    -------
    float
    """
    p, m, q = float(k_endog), float(k_states), float(k_noise)
    rows, cols = p + m, q + m
    if rows <= cols:
        rotation = 2.0 * rows**2 * (cols - rows / 3.0)
    else:
        rotation = 2.0 * cols**2 * (rows - cols / 3.0)
    products = 2.0 * p * m**2 + 2.0 * m**3
    gain = p**3 / 3.0 + 2.0 * m * p**2
    check = m**3 + m**2 + 2.0 * p * m**2
    means = 2.0 * m**2 + 4.0 * p * m + 2.0 * p**2
    return products + rotation + gain + check + means


def noisy_system(k_endog: int, k_states: int) -> StateSpace:
    """A dense stationary system with noise on every state and every output."""
    rng = np.random.default_rng(k_states)
    transition = rng.normal(size=(k_states, k_states))
    transition *= 0.9 / np.abs(np.linalg.eigvals(transition)).max()
    return StateSpace.from_arrays(
        design=rng.normal(size=(k_endog, k_states)),
        transition=transition,
        state_cov=np.eye(k_states),
        obs_cov=np.eye(k_endog),
        start="stationary",
    )
