"""Tables of cells: systems, gradients and tangents from index arrays."""

from __future__ import annotations

import numpy as np

from rnnstats.parameters import TableBuilder, regressors


def _table(exog: int = 2):
    builder = TableBuilder(1, 2, 1, ("const", "trend"), ("exog",), exog)
    a = builder.parameter("a")
    b = builder.parameter("b")
    builder.put(a, "transition", 0, 0)
    builder.put(a, "transition", 1, 1)
    builder.put(b, "transition", 0, 1)
    builder.put(b, "transition", 1, 0, sign=-1.0)
    builder.constant(1.0, "design", 0, 0)
    builder.constant(1.0, "selection", 0, 0)
    v = builder.parameter("v")
    builder.put_symmetric(v, "state_cov", 0, 0)
    for row, name in enumerate(("m", "s")):
        builder.put(builder.parameter(name), "C_obs", row, 0)
    for j in range(exog):
        for state in range(2):
            builder.put(builder.parameter(f"x{j}{state}"), "C_state", j, state)
    return builder.finish(("h1", "h2"), "stationary", "noisy")


def test_system_has_parameters_and_constants_in_place() -> None:
    table = _table()
    theta = np.array([0.5, 0.2, 3.0, 1.0, 0.1, 1.0, 2.0, 3.0, 4.0])
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    x_obs = regressors(table.obs_terms, 3, x)
    x_state = regressors(table.state_terms, 3, x)
    system = table.system(theta, x_obs, x_state)
    np.testing.assert_array_equal(system.transition, [[0.5, 0.2], [-0.2, 0.5]])
    np.testing.assert_array_equal(system.design, [[1.0, 0.0]])
    np.testing.assert_array_equal(system.selection, [[1.0], [0.0]])
    np.testing.assert_array_equal(system.state_cov, [[3.0]])
    np.testing.assert_allclose(system.obs_intercept[:, 0], [1.1, 1.2, 1.3], rtol=1e-15)
    np.testing.assert_array_equal(system.state_intercept, [[1.0, 2.0], [3.0, 4.0], [4.0, 6.0]])
    assert table.template[table.cells].sum() == 0.0  # nothing was written into the template


def test_regressors_of_a_constant_do_not_vary() -> None:
    assert regressors(("const",), 5, None) is None
    assert regressors((), 5, None) is None
    trend = regressors(("const", "trend"), 3, None, first_row=11)
    np.testing.assert_array_equal(trend, [[1.0, 11.0], [1.0, 12.0], [1.0, 13.0]])


def test_read_inverts_fill() -> None:
    table = _table()
    theta = np.arange(1.0, 10.0)
    full = table.fill(theta)
    names = ("transition", "state_cov", "C_obs", "C_state")
    np.testing.assert_array_equal(table.read({n: table.array(full, n) for n in names}), theta)
    # what is not given counts as zero
    only = table.read({"state_cov": np.array([[7.0]])})
    np.testing.assert_array_equal(only, [0.0, 0.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_collect_is_the_transpose_of_directions() -> None:
    table = _table()
    full = np.random.default_rng(0).standard_normal(table.template.size)
    np.testing.assert_allclose(table.collect(full), table.directions() @ full, rtol=1e-13)


def test_tangents_are_differences_of_systems() -> None:
    table = _table()
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 2))
    x_obs, x_state = regressors(table.obs_terms, 4, x), regressors(table.state_terms, 4, x)
    theta = rng.standard_normal(9)
    base = table.system(theta, x_obs, x_state)
    tangents = table.tangents(x_obs, x_state)
    for i in range(9):
        moved = table.system(theta + np.eye(9)[i], x_obs, x_state)
        # one rounding of numbers of size one
        np.testing.assert_allclose(tangents.matrices[i], moved.matrices - base.matrices, atol=1e-14)
        np.testing.assert_allclose(
            tangents.obs_intercept[i], moved.obs_intercept - base.obs_intercept, atol=1e-14
        )
        np.testing.assert_allclose(
            tangents.state_intercept[i], moved.state_intercept - base.state_intercept, atol=1e-14
        )


def test_a_cell_may_hold_a_sum() -> None:
    builder = TableBuilder(1, 1, 1)
    a, b = builder.parameter("a"), builder.parameter("b", "mine")
    builder.put(a, "transition", 0, 0)
    builder.put(a, "selection", 0, 0)
    builder.put(b, "selection", 0, 0, sign=-1.0)
    table = builder.finish(("h1",), "stationary", "noisy")
    theta = np.array([0.7, 0.2])
    full = table.fill(theta)
    assert table.array(full, "transition")[0, 0] == 0.7
    assert table.array(full, "selection")[0, 0] == 0.7 - 0.2
    assert table.groups == ("a", "mine")
    names = ("transition", "selection")
    np.testing.assert_allclose(table.read({n: table.array(full, n) for n in names}), theta)
    slopes = np.zeros_like(full)
    table.array(slopes, "selection")[...] = 3.0
    table.array(slopes, "transition")[...] = 5.0
    np.testing.assert_array_equal(table.collect(slopes), [8.0, -3.0])
    np.testing.assert_allclose(table.directions() @ slopes, table.collect(slopes))
