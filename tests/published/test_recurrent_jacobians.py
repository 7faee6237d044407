"""Case N01: products of Jacobians are PyTorch's gradients (2.13, float64) and finite differences.

The cells are written here as functions ``step(h, x)`` of PyTorch's own arrays.
"""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.diagnostics.memory import gradient_by_lag, jacobian_products
from rnnstats.diagnostics.memory.products.surroundings import input_slopes
from rnnstats.diagnostics.memory.recurrences import recurrence_of

FILES = {
    "elman": "npz/N01_elman_tanh_lynx.npz",
    "gru": "npz/N01_gru_lynx.npz",
    "lstm": "npz/N01_lstm_lynx.npz",
}


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def cell(values, kind):
    """PyTorch's nn.RNN, nn.GRU, nn.LSTM as a step; the state of the LSTM is (h, c)."""
    of_x, of_h, b_x, b_h = (
        values[f"param/{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )

    def elman(h, x):
        return np.tanh(of_x @ x + b_x + of_h @ h + b_h)

    def gru(h, x):
        a, b = np.split(of_x @ x + b_x, 3), np.split(of_h @ h + b_h, 3)
        r, z = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
        return (1.0 - z) * np.tanh(a[2] + r * b[2]) + z * h

    def lstm(state, x):
        h, c = np.split(state, 2)
        i, f, g, o = np.split(of_x @ x + b_x + of_h @ h + b_h, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return np.concatenate([sigmoid(o) * np.tanh(c), c])

    return {"elman": elman, "gru": gru, "lstm": lstm}[kind]


@pytest.fixture(params=list(FILES))
def case(request, cases):
    """Step, start, inputs, derivative of the log-likelihood by each output, readout, arrays."""
    kind = request.param
    values = np.load(cases.path(FILES[kind]))
    start = values["h0"][0]
    if kind == "lstm":
        start = np.concatenate([start, values["c0"][0]])
    by_output = (values["y"] - values["yhat"])[:, 0] / float(values["sigma2"])
    readout = np.zeros((1, len(start)))
    readout[:, :3] = values["param/head_weight"]
    return cell(values, kind), start, values["x"], by_output, readout, values


def run(step, start, inputs):
    state = start
    for row in inputs:
        state = step(state, row)
    return state


def test_one_step_is_the_stored_jacobian(case):
    step, start, x, _, _, values = case
    found = jacobian_products(step, start, inputs=x).product(0, 1)
    np.testing.assert_allclose(found, values["state_jacobian_t1"], rtol=0.0, atol=1e-14)


def test_products_are_finite_differences(case):
    step, start, x, *_ = case
    products = jacobian_products(step, start, inputs=x)
    length = 3e-6
    for last in (1, 2, 5, 20, 113):
        differences = np.stack(
            [
                run(step, start + length * one, x[:last])
                - run(step, start - length * one, x[:last])
                for one in np.eye(len(start))
            ],
            axis=1,
        ) / (2.0 * length)
        # central differences: length^2 / 6 times third derivatives, and eps / length
        np.testing.assert_allclose(products.product(0, last), differences, rtol=0.0, atol=1e-8)


def test_products_carry_the_gradient_back_to_the_start_and_to_every_input(case):
    step, start, x, by_output, readout, values = case
    products = jacobian_products(step, start, inputs=x)
    n = len(x)
    back = [products.product(row, n).to_numpy() for row in (0, 57)]
    assert np.abs(back[0]).max() < np.abs(back[1]).max()

    def gradient(row):
        """Of the log-likelihood by the state after `row` rows, through all later outputs."""
        return sum(
            by_output[t - 1] * readout[0] @ products.product(row, t) for t in range(row + 1, n + 1)
        )

    known = values["grad_h0"][0]
    if "grad_c0" in values:
        known = np.concatenate([known, values["grad_c0"][0]])
    np.testing.assert_allclose(gradient(0), known, rtol=0.0, atol=1e-12 * np.abs(known).max())
    entering = input_slopes(recurrence_of(step, start, inputs=x))
    found = [
        (gradient(row + 1) + by_output[row] * readout[0]) @ entering[row, :, 0]
        for row in (0, 1, 56, n - 2)
    ]
    # PyTorch's gradients are exact to rounding, and so are complex steps
    exact = values["grad_x"][[0, 1, 56, n - 2], 0]
    np.testing.assert_allclose(found, exact, rtol=0.0, atol=1e-12 * np.abs(exact).max())


def test_gradients_by_lag_are_those_of_all_outputs_by_all_inputs(case):
    step, start, x, _, readout, _ = case
    n = len(x)
    found = gradient_by_lag(
        step, start, inputs=x, of="output", by="input", output=readout, horizon=n - 1
    )
    table = found.frame.loc[("y1", "x1")]
    assert table["rows"].tolist() == list(range(n, 0, -1))
    # sum over t and s of dyhat_t/dx_s: a step in all inputs at once
    total = (table["mean"] * table["rows"]).sum()
    moved = [0.0, 0.0]
    for place, sign in enumerate((1.0, -1.0)):
        state = start
        for row in x + sign * 3e-6:
            state = step(state, row)
            moved[place] += float(readout[0] @ state)
    assert total == pytest.approx((moved[0] - moved[1]) / 6e-6, rel=1e-8)


def test_singular_values_are_those_of_the_products(case):
    step, start, x, *_ = case
    products = jacobian_products(step, start, inputs=x, horizon=12)
    logs = products.log_singular_values.loc[12]
    every = [
        np.log(np.linalg.svd(products.product(t, t + 12).to_numpy(), compute_uv=False)[:2])
        for t in range(len(x) - 11)
    ]
    # the smaller ones are lost in products of doubles
    np.testing.assert_allclose(logs["mean"].iloc[0], np.mean(every, axis=0)[0], rtol=1e-10)
    assert products.log_norms.iloc[12].dropna().to_numpy() == pytest.approx(
        np.array(every)[:, 0], rel=1e-8
    )
