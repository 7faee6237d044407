"""Gradients through solvers and along residual networks against PyTorch's autograd."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.diagnostics.memory import amplification_product, gradient_paths, ode_as_rnn

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
pytestmark = pytest.mark.crosspkg

WEIGHTS = np.array([[0.2, -1.1, 0.3], [0.8, 0.1, -0.4], [-0.3, 0.6, -0.9]])
START = np.array([0.4, -0.2, 0.7])


def gradient(run):
    """Derivative of a function of the start by autograd."""
    start = torch.tensor(START, dtype=torch.float64)
    return torch.autograd.functional.jacobian(run, start).numpy()


def explicit(f, h, dt, method):
    if method == "explicit_euler":
        return h + dt * f(h)
    if method == "heun":
        k = f(h)
        return h + dt / 2.0 * (k + f(h + dt * k))
    k1 = f(h)
    k2 = f(h + dt / 2.0 * k1)
    k3 = f(h + dt / 2.0 * k2)
    return h + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + f(h + dt * k3))


@pytest.mark.parametrize("method", ["explicit_euler", "heun", "rk4"])
def test_gradients_through_a_solver(method):
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)

    def run(h):
        for _ in range(25):
            h = explicit(lambda s: torch.tanh(weights @ s) - 0.3 * s, h, 0.2, method)
        return h

    step = ode_as_rnn(lambda h: np.tanh(WEIGHTS @ h) - 0.3 * h, 0.2, method)
    found = amplification_product(step, START, 25)
    known = gradient(run)
    size = np.exp(found.frame["log_gradient"].iloc[-1])
    # 25 products of matrices of order 1 in double precision
    np.testing.assert_allclose(size * found.direction, known, atol=1e-12)


def test_gradients_through_a_residual_network():
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)

    def run(h):
        for _ in range(12):
            h = 0.95 * h + 0.4 * torch.tanh(weights @ h)
        return h

    found = gradient_paths(0.95, 0.4, START, 12, weights=WEIGHTS)
    known = gradient(run)
    np.testing.assert_allclose(found.gradient, known, atol=1e-12)
    assert found.paths()["weight"].sum() == pytest.approx(np.linalg.norm(known), rel=1e-11)
