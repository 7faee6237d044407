"""Order of the global error, and the stiff example."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from scipy import linalg

from rnnstats.diagnostics.memory import global_error, stiffness_example
from rnnstats.errors import SpecificationError

START = [1.0, 0.0]


def pendulum(h):
    return np.array([h[1], -np.sin(h[0])])


@pytest.fixture(scope="module")
def errors():
    return global_error(pendulum, START, 2.0)


def test_orders_observed_are_1_2_and_4(errors):
    orders = errors.orders
    assert orders["expected"].to_dict() == {
        "explicit_euler": 1,
        "implicit_euler": 1,
        "heun": 2,
        "rk4": 4,
        "exponential_euler": 2,
    }
    # the next power of dt bends the line by about dt: 0.05 to 0.006 here
    assert (np.abs(orders["order"] - orders["expected"]) < 0.02).all()
    assert (orders["order_se"] < 0.01).all()


def test_a_constant_linear_part_makes_the_exponential_method_one_of_order_1():
    part = [[0.0, 1.0], [-0.5, 0.0]]
    orders = global_error(pendulum, START, 2.0, methods=["exponential_euler"], linear=part).orders
    assert orders["expected"].tolist() == [1]
    assert abs(orders["order"].iloc[0] - 1.0) < 0.02


def test_errors_are_distances_from_the_solution(errors):
    # energy of the pendulum, h2^2 / 2 - cos h1, is kept by the solution
    end = errors.end
    assert abs(end[1] ** 2 / 2.0 - np.cos(end[0]) + np.cos(1.0)) < 1e-12
    found = global_error(
        lambda h: -2.0 * h,
        [3.0],
        1.0,
        methods=["heun"],
        steps=[10, 20],
        exact=lambda t: 3.0 * np.exp(-2.0 * t),
    )
    z = -2.0 / np.array([10, 20])
    known = np.abs(3.0 * (1.0 + z + z**2 / 2.0) ** [10, 20] - 3.0 * np.exp(-2.0))
    np.testing.assert_allclose(found.frame["error"], known, rtol=1e-10)
    local = np.log(known[1] / known[0]) / np.log(0.5)
    assert found.frame["order"].iloc[1] == pytest.approx(local)


def test_errors_below_the_floor_do_not_count():
    # a rotation that RK4 follows to rounding with many steps: those are left out
    found = global_error(
        lambda h: np.array([h[1], -h[0]]), START, 0.1, methods=["rk4"], steps=[1, 2, 4, 64, 128],
        exact=[np.cos(0.1), -np.sin(0.1)],
    )  # fmt: skip
    assert found.frame["counts"].tolist() == [True, True, True, False, False]
    assert abs(found.orders["order"].iloc[0] - 4.0) < 0.05


def test_steps_that_overflow_have_infinite_errors():
    found = global_error(
        lambda h: -1e4 * h, [1.0], 1.0, methods=["rk4", "implicit_euler"], steps=[50, 100],
        exact=[np.exp(-1e4)],
    )  # fmt: skip
    assert np.isinf(found.frame["error"].iloc[0])
    assert found.frame["error"].iloc[-1] < 1e-100


def test_the_stiff_example_is_the_textbook_matrix():
    found = stiffness_example()
    np.testing.assert_allclose(found.matrix, [[998.0, 1998.0], [-999.0, -1999.0]], rtol=1e-12)
    assert found.ratio == 1000.0
    limits = found.limits
    assert limits.loc["explicit_euler", "least_steps"] == 500
    # 1000 / 2.785293563405282 = 359.03
    assert limits.loc["rk4", "least_steps"] == 360
    assert limits.loc["implicit_euler", "least_steps"] == 1


def test_explicit_recurrences_explode_where_the_equation_decays():
    found = stiffness_example(1.0, 50.0, 2.0, steps=[20, 200])
    frame = found.frame.set_index(["method", "nsteps"])
    for name in ("explicit_euler", "heun", "rk4"):
        coarse, fine = frame.loc[(name, 20)], frame.loc[(name, 200)]
        assert coarse["verdict"] == "exploding" and not coarse["stable"]
        # the fast factor's power, to which the norm adds the angle between the modes
        power = 20 * np.log(abs(coarse["factor_fast"]))
        assert power <= coarse["log_gradient"] < power + 3.0
        assert fine["verdict"] == "vanishing" and fine["error"] < 0.02
    for name in ("implicit_euler", "exponential_euler"):
        assert (found.frame.loc[found.frame["method"] == name, "verdict"] == "vanishing").all()
        assert frame.loc[(name, 20), "error"] < 0.15
    exact = np.log(np.linalg.norm(linalg.expm(2.0 * found.matrix), 2))
    np.testing.assert_allclose(found.frame["exact_log_gradient"], exact, rtol=1e-10)
    exponential = frame.loc[("exponential_euler", 200), "log_gradient"]
    assert abs(exponential - exact) < 1e-9


def test_on_the_boundary_nothing_vanishes_or_explodes():
    found = stiffness_example(1.0, 8.0, 1.0, methods=["euler"], steps=[4]).frame
    assert found["factor_fast"].tolist() == [-1.0]
    assert found["verdict"].tolist() == ["neither vanishes nor explodes"]


def test_summaries_and_pictures(errors):
    assert "rk4" in str(errors.summary())
    figure = errors.plot()
    assert len(figure.axes[0].lines) == 5
    mpl.pyplot.close(figure)
    found = stiffness_example(1.0, 50.0, 1.0, steps=[10, 100])
    assert "exploding" in str(found.summary())
    figure = found.plot()
    assert len(figure.axes) == 2
    mpl.pyplot.close(figure)


def test_arguments_are_checked():
    with pytest.raises(
        SpecificationError, match="global_error: steps must be a list of at least 2"
    ):
        global_error(pendulum, START, 1.0, steps=[4])
    with pytest.raises(SpecificationError, match="global_error: methods must be a list"):
        global_error(pendulum, START, 1.0, methods="rk4")
    with pytest.raises(SpecificationError, match="global_error: exact must give finite numbers"):
        global_error(pendulum, START, 1.0, exact=[1.0])
    with pytest.raises(SpecificationError, match="must have a solution up to time"):
        global_error(lambda h: h**2, [1.0], 2.0)
    with pytest.raises(SpecificationError, match="stiffness_example: fast must be greater than 3"):
        stiffness_example(3.0, 2.0)
