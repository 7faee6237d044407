"""Steps of differential equations as recurrences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, linalg

from rnnstats.diagnostics.memory import amplification, lyapunov_spectrum, ode_as_rnn
from rnnstats.diagnostics.memory.ode.step_methods import METHODS
from rnnstats.diagnostics.memory.recurrences import recurrence_of
from rnnstats.errors import SpecificationError


def lorenz(h):
    x, y, z = h
    return np.array([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])


def lorenz_jacobian(h):
    x, y, z = h
    return np.array([[-10.0, 10.0, 0.0], [28.0 - z, -1.0, -x], [y, x, -8.0 / 3.0]])


def side_by_side(h):
    if h.ndim == 1:
        return lorenz_jacobian(h)
    return np.stack([lorenz_jacobian(one) for one in h.T], axis=-1)


def driven(h, x):
    return np.array([-h[0] + np.tanh(h[1] + x[0]), -0.5 * h[1] + h[0] * h[1] * x[1]])


def differences(step, h, x=None, length=1e-5):
    columns = []
    for move in length * np.eye(len(h)):
        columns.append((step(h + move, x) - step(h - move, x)) / (2.0 * length))
    return np.stack(columns, axis=1)


START = np.array([1.0, 2.0, 20.0])


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_equation_is_multiplied_by_the_amplification_factor(method):
    rates = np.array([-1.3, 0.4])
    step = ode_as_rnn(lambda h: rates * h, 0.2, method)
    known = amplification(method, 0.2 * rates)
    np.testing.assert_allclose(step([2.0, -3.0]), known * [2.0, -3.0], rtol=1e-13)
    np.testing.assert_allclose(step.jacobian([2.0, -3.0]), np.diag(known), atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("jacobian", [None, lorenz_jacobian])
def test_jacobians_are_those_of_the_step(method, jacobian):
    step = ode_as_rnn(lorenz, 0.02, method, jacobian=jacobian)
    # central differences of length 1e-5 leave 1e-10 times third derivatives, and rounding
    known = differences(step, START)
    np.testing.assert_allclose(step.jacobian(START), known, atol=2e-9)


@pytest.mark.parametrize("method", METHODS)
def test_inputs_reach_the_equation_and_are_held(method):
    step = ode_as_rnn(driven, 0.1, method)
    h, x = np.array([0.3, -0.4]), np.array([0.5, 0.7])
    np.testing.assert_allclose(step.jacobian(h, x), differences(step, h, x), atol=2e-9)
    held = ode_as_rnn(lambda s: driven(s, x), 0.1, method)
    np.testing.assert_allclose(step(h, x), held(h), rtol=1e-14)
    run = step.integrate(h, inputs=np.tile(x, (3, 1)))
    np.testing.assert_allclose(run.frame.to_numpy(), held.integrate(h, 0.3).frame, rtol=1e-13)


def test_runge_and_kutta_written_out():
    f, dt = lorenz, 0.05
    k1 = f(START)
    k2 = f(START + dt / 2.0 * k1)
    k3 = f(START + dt / 2.0 * k2)
    k4 = f(START + dt * k3)
    known = START + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    np.testing.assert_allclose(ode_as_rnn(f, dt, "rk4")(START), known, rtol=1e-14)
    known = START + dt / 2.0 * (f(START) + f(START + dt * f(START)))
    np.testing.assert_allclose(ode_as_rnn(f, dt, "heun")(START), known, rtol=1e-14)


def test_an_implicit_step_solves_its_equation():
    step = ode_as_rnn(lambda h: -500.0 * (h**3 - np.cos(h)), 0.1, "implicit_euler")
    after = step([2.0])
    gap = after - 2.0 - 0.1 * (-500.0 * (after**3 - np.cos(after)))
    # the slope of the gap is about 100, so this is rounding of the state
    assert abs(gap[0]) < 1e-12


def test_an_implicit_step_without_solution_is_refused():
    step = ode_as_rnn(lambda h: 1.0 + h**2, 1.0, "implicit_euler")
    with pytest.raises(SpecificationError, match=r"implicit step .* Take a smaller dt"):
        step([1.0])


def test_the_exponential_step_with_a_linear_part_is_a_gated_network():
    A = np.array([[-2.0, 0.3], [0.0, -0.1]])

    def f(h):
        return A @ h + np.tanh(h[::-1])

    step = ode_as_rnn(f, 0.5, "exponential_euler", linear=A)
    h = np.array([0.4, -1.0])
    gate = linalg.expm(0.5 * A)
    weight = np.linalg.solve(A, gate - np.eye(2))
    np.testing.assert_allclose(step(h), gate @ h + weight @ np.tanh(h[::-1]), rtol=1e-13)
    np.testing.assert_allclose(step.jacobian(h), differences(step, h), atol=2e-9)
    assert step.order == 1 and ode_as_rnn(f, 0.5, "exponential_euler").order == 2


def test_explicit_euler_is_a_residual_network():
    W = np.array([[0.2, -1.0], [0.7, 0.1]])
    step = ode_as_rnn(lambda h: np.tanh(W @ h), 0.3, "euler")
    h = np.array([0.5, -0.2])
    np.testing.assert_allclose(step(h), h + 0.3 * np.tanh(W @ h), rtol=1e-15)
    known = np.eye(2) + 0.3 * (1.0 - np.tanh(W @ h) ** 2)[:, None] * W
    np.testing.assert_allclose(step.jacobian(h), known, rtol=1e-14)


def test_many_states_at_once_are_single_states():
    many = START[:, None] + np.random.default_rng(0).standard_normal((3, 5))
    for jacobian in (None, side_by_side):
        step = ode_as_rnn(lorenz, 0.01, "rk4", jacobian=jacobian)
        found, slopes = step(many), step.jacobian(many)
        for j in range(5):
            np.testing.assert_allclose(found[:, j], step(many[:, j]), rtol=1e-14)
            np.testing.assert_allclose(slopes[:, :, j], step.jacobian(many[:, j]), atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_imaginary_parts_are_carried_as_derivatives(method):
    step = ode_as_rnn(lorenz, 0.01, method)
    found = step(START + 1e-30j * np.array([1.0, -2.0, 0.5]))
    np.testing.assert_allclose(
        found.imag / 1e-30, step.jacobian(START) @ [1.0, -2.0, 0.5], rtol=1e-9
    )


def test_functions_that_take_no_complex_numbers():
    def f(h):
        return np.array([float(-h[0] + max(h[1], 0.0)), float(-h[1] * h[0])])

    h = np.array([0.7, 0.4])
    exact = np.array([[-1.0, 1.0], [-0.4, -0.7]])
    for method in METHODS:
        step = ode_as_rnn(f, 0.1, method)
        given = ode_as_rnn(f, 0.1, method, jacobian=lambda h: np.array([[-1, 1], [-h[1], -h[0]]]))
        # derivatives of f by differences are good to 1e-10; the exponential step needs second ones
        atol = 1e-5 if method == "exponential_euler" else 1e-10
        np.testing.assert_allclose(step.jacobian(h), given.jacobian(h), atol=atol)
    step = ode_as_rnn(f, 0.1, "euler")
    np.testing.assert_allclose(step.jacobian(h), np.eye(2) + 0.1 * exact, atol=1e-10)


def test_solutions_agree_with_scipy():
    run = ode_as_rnn(lorenz, 0.002, "rk4").integrate(START, 1.0)
    known = integrate.solve_ivp(
        lambda _, h: lorenz(h), (0.0, 1.0), START, rtol=1e-12, atol=1e-12, method="DOP853"
    )
    # dt^4 = 1.6e-11, times fifth derivatives and growth of Lorenz's equations over one unit of time
    np.testing.assert_allclose(run.states[-1], known.y[:, -1], rtol=1e-6)
    assert run.frame.index[-1] == pytest.approx(1.0)
    assert run.frame.shape == (501, 3)


def test_volume_shrinks_at_the_divergence_of_the_equations():
    found = lyapunov_spectrum(ode_as_rnn(lorenz, 0.005, "rk4"), START, 3000, dt=0.005)
    # trace of the derivative, -(10 + 1 + 8/3), at every state; the step misses it by O(dt^4)
    assert abs(found.exponents.sum() + 41.0 / 3.0) < 1e-4


def test_a_step_is_a_recurrence_with_its_own_jacobian():
    calls = []

    def slope(h):
        calls.append(1)
        return lorenz_jacobian(h)

    step = ode_as_rnn(lorenz, 0.01, "euler", jacobian=slope)
    trajectory = recurrence_of(step, START, 10).trajectory()
    assert calls
    states = np.vstack([START, trajectory.states[:-1]])
    known = [np.eye(3) + 0.01 * lorenz_jacobian(h) for h in states]
    np.testing.assert_allclose(trajectory.state, known, rtol=1e-14)


def test_the_report_of_a_step():
    step = ode_as_rnn(lorenz, 0.01, "rk4")
    frame = step.frame
    assert frame.loc["rk4", "fastest_decay"] == pytest.approx(278.5293563405282)
    assert "rk4" in str(step.summary())
    assert "RK4, dt = 0.01" in str(step.integrate(START, 0.1).summary())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dt": 0.0}, "dt must be greater than 0"),
        ({"dt": "a"}, "dt must be a finite number"),
        ({"method": "rk5"}, "method must be one of"),
        ({"linear": np.eye(3)}, "linear makes sense with method='exponential_euler' alone"),
        ({"f": 3.0}, "f must be a function"),
        ({"method": "exponential_euler", "linear": np.ones((2, 3))}, "linear must be a square"),
    ],
)
def test_arguments_are_checked(arguments, words):
    with pytest.raises(SpecificationError, match=f"ode_as_rnn: {words}"):
        ode_as_rnn(**{"f": lorenz, "dt": 0.1, **arguments})


def test_what_makes_no_step_is_refused():
    with pytest.raises(SpecificationError, match="a real number for each of the 3 states"):
        ode_as_rnn(lambda h: h[:2], 0.1)(START)
    with pytest.raises(SpecificationError, match="a real number for each of the 1 states"):
        ode_as_rnn(lambda h: 1j * h, 0.1)([1.0])
    with pytest.raises(SpecificationError, match="jacobian must give an array of shape"):
        ode_as_rnn(lorenz, 0.1, jacobian=lambda h: np.eye(2)).jacobian(START)
    with pytest.raises(SpecificationError, match="one state at a time"):
        ode_as_rnn(lorenz, 0.1, "implicit_euler")(np.ones((3, 4)))
    with pytest.raises(SpecificationError, match="linear must have a row for each of the 3 states"):
        ode_as_rnn(lorenz, 0.1, "exponential_euler", linear=np.eye(2))(START)
    step = ode_as_rnn(lorenz, 0.1, "euler")
    with pytest.raises(SpecificationError, match="a whole number of steps"):
        step.integrate(START, 0.25)
    with pytest.raises(SpecificationError, match="time must be given"):
        step.integrate(START)
    with pytest.raises(SpecificationError, match="a row for each of the 5 steps"):
        step.integrate(START, 0.5, inputs=np.zeros((3, 1)))
    with pytest.raises(SpecificationError, match="must stay finite"):
        step.integrate(START, 20.0)
    with pytest.raises(SpecificationError, match="h0 must be a list of finite numbers"):
        step.integrate([np.nan], 0.1)
