"""A recurrence's product of Jacobians is its solver's amplification product."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from rnnstats.diagnostics.memory import amplification, amplification_product, ode_as_rnn
from rnnstats.diagnostics.memory.ode.step_methods import METHODS
from rnnstats.diagnostics.memory.recurrences import Labels, Recurrence, Trajectory
from rnnstats.errors import SpecificationError


def lorenz(h):
    x, y, z = h
    return np.array([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])


def driven(h, x):
    return np.array([-h[0] + np.tanh(h[1] + x[0]), -0.5 * h[1] + np.sin(h[0]) * x[0]])


START = [1.0, 2.0, 20.0]


@pytest.mark.parametrize("method", METHODS)
def test_products_are_the_solver_of_the_variational_equation(method):
    step = ode_as_rnn(lorenz, 0.02, method)
    found = amplification_product(step, START, 60)
    # the exponential method needs second derivatives, by differences good to 1e-9
    assert found.frame["gap"].max() < (1e-8 if method == "exponential_euler" else 1e-12)
    np.testing.assert_allclose(found.frame["log_solver"], found.frame["log_gradient"], atol=1e-8)
    h, product = np.array(START), np.eye(3)
    for _ in range(60):
        product = step.jacobian(h) @ product
        h = step(h)
    norm = np.linalg.norm(product)
    assert found.frame["log_gradient"].iloc[-1] == pytest.approx(np.log(norm), rel=1e-10)
    np.testing.assert_allclose(found.direction, product / norm, atol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_on_linear_equations_it_is_the_power_of_the_stability_function(method):
    matrix = np.array([[-0.5, 2.0], [-1.5, -0.8]])
    found = amplification_product(ode_as_rnn(lambda h: matrix @ h, 0.3, method), [1.0, 0.0], 25)
    factors = np.asarray(amplification(method, 0.3 * np.linalg.eigvals(matrix)))
    known = 25.0 * np.log(np.abs(factors)).sum()
    assert found.frame["log_amplification"].iloc[-1] == pytest.approx(known, rel=1e-11)
    assert found.frame["log_volume"].iloc[-1] == pytest.approx(known, rel=1e-10)
    assert found.frame["largest_factor"].iloc[0] == pytest.approx(np.abs(factors).max(), rel=1e-12)
    assert (found.frame["stable"] == (np.abs(factors).max() <= 1.0)).all()
    powers = np.linalg.matrix_power(METHODS[method].matrix(0.3 * matrix), 25)
    assert found.frame["log_gradient"].iloc[-1] == pytest.approx(
        np.log(np.linalg.norm(powers)), rel=1e-10
    )


def test_explicit_euler_amplifies_by_its_frozen_modes_exactly():
    found = amplification_product(ode_as_rnn(lorenz, 0.02, "euler"), START, 60).frame
    np.testing.assert_allclose(found["log_amplification"], found["log_volume"], atol=1e-11)
    other = amplification_product(ode_as_rnn(lorenz, 0.02, "heun"), START, 60).frame
    assert np.abs(other["log_amplification"] - other["log_volume"]).max() > 1e-4


def test_with_inputs_and_a_constant_linear_part():
    inputs = np.random.default_rng(0).standard_normal((30, 1))
    step = ode_as_rnn(driven, 0.2, "exponential_euler", linear=np.diag([-1.0, -0.5]))
    found = amplification_product(step, [0.1, 0.2], inputs=inputs)
    assert len(found.frame) == 30
    assert found.frame["gap"].max() < 1e-12


@pytest.mark.parametrize("method", ["explicit_euler", "implicit_euler", "exponential_euler"])
def test_any_recurrence_read_as_a_solver(method):
    rng = np.random.default_rng(2)
    jacobians = 0.7 * np.eye(3) + 0.15 * rng.standard_normal((40, 3, 3))
    found = amplification_product(jacobians, method=method)
    assert found.frame["gap"].max() < 1e-11
    np.testing.assert_allclose(
        found.frame["log_amplification"], found.frame["log_volume"], atol=1e-10
    )
    known = np.linalg.eigvals(jacobians[0])
    factors = METHODS[method].factor(found.modes[0])
    np.testing.assert_allclose(np.sort_complex(factors), np.sort_complex(known), atol=1e-11)


def test_a_gate_is_a_step_of_a_leaky_integrator():
    # forget gate f: rate 1 - f as a residual step, ln f as an exponential one, 1/f - 1 implicitly
    gate = np.array([[0.8]])
    modes = {
        method: amplification_product(gate, nsteps=5, method=method).modes[0, 0].real
        for method in ("explicit_euler", "exponential_euler", "implicit_euler")
    }
    known = {
        "explicit_euler": 0.8 - 1.0,
        "exponential_euler": np.log(0.8),
        "implicit_euler": 1.0 - 1.0 / 0.8,
    }
    assert modes == pytest.approx(known, rel=1e-12)


def test_stiffness_is_the_ratio_of_rates():
    step = ode_as_rnn(lambda h: np.array([-1.0, -200.0]) * h, 0.001, "euler")
    found = amplification_product(step, [1.0, 1.0], 10)
    assert found.stiffness == pytest.approx(200.0, rel=1e-10)
    growing = amplification_product(1.5 * np.eye(2), nsteps=3)
    assert np.isnan(growing.stiffness)
    assert not growing.frame["stable"].any()


class TwoSequences(Recurrence):
    """Jacobians of two sequences, one below the other."""

    def __init__(self, jacobians, first):
        self.jacobians, self.first = jacobians, first
        self.labels = Labels(states=("h1", "h2"), index=pd.RangeIndex(len(jacobians)))

    def trajectory(self, given=None):
        return Trajectory(self.jacobians, np.array([0, self.first, len(self.jacobians)]))


def test_each_sequence_begins_anew():
    jacobians = np.random.default_rng(6).standard_normal((9, 2, 2))
    both = amplification_product(TwoSequences(jacobians, 4))
    apart = [amplification_product(part) for part in (jacobians[:4], jacobians[4:])]
    known = np.concatenate([one.frame.to_numpy(dtype=float) for one in apart])
    np.testing.assert_allclose(both.frame.to_numpy(dtype=float), known, atol=1e-12)
    np.testing.assert_allclose(both.direction, apart[1].direction, rtol=1e-12)


def test_summary_and_picture():
    found = amplification_product(ode_as_rnn(lorenz, 0.02, "rk4"), START, 40)
    assert "RK4, dt = 0.02" in str(found.summary())
    figure = found.plot()
    assert len(figure.axes) == 2 and len(figure.axes[0].lines) == 4
    mpl.pyplot.close(figure)


def test_arguments_are_checked():
    step = ode_as_rnn(lorenz, 0.02, "rk4")
    with pytest.raises(SpecificationError, match="method makes no sense with a step of a solver"):
        amplification_product(step, START, 5, method="explicit_euler")
    with pytest.raises(SpecificationError, match="amplification_product: method must be one of"):
        amplification_product(np.eye(2), nsteps=5, method="rk4")
    with pytest.raises(SpecificationError, match="needs Jacobians that can be inverted"):
        amplification_product(np.zeros((2, 2)), nsteps=5, method="implicit_euler")
    with pytest.raises(SpecificationError, match="eigenvalues that are zero or negative"):
        amplification_product(-0.5 * np.diag([1.0, 2.0]), nsteps=5, method="exponential_euler")
