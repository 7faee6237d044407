"""Products of Jacobians and gradients by lag equal PyTorch's autograd on random cells."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.diagnostics.memory import gradient_by_lag, jacobian_products
from rnnstats.kernels import cells
from rnnstats.kernels.cells import Architecture, Cell

pytestmark = pytest.mark.crosspkg
torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")

UNITS, INPUTS, ROWS = 4, 2, 30


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def network(kind):
    torch.manual_seed(7)
    layer = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind]
    made = layer(INPUTS, UNITS).double()
    with torch.no_grad():
        for one in made.parameters():
            one.mul_(1.6)  # far enough from linear
    return made


def theirs(layer, kind, state, x):
    """Last state, (h, c) of an LSTM side by side, after the rows of x."""
    if kind == "lstm":
        h, c = state[:UNITS].reshape(1, -1), state[UNITS:].reshape(1, -1)
        _, (h, c) = layer(x, (h, c))
        return torch.cat([h.ravel(), c.ravel()])
    return layer(x, state.reshape(1, -1))[1].ravel()


def ours(layer, kind):
    """The same cell as a function in NumPy."""
    of_x, of_h, b_x, b_h = (
        getattr(layer, name).detach().numpy()
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )

    def step(state, x):
        h = state[:UNITS]
        a, b = of_x @ x + b_x, of_h @ h + b_h
        if kind == "elman":
            return np.tanh(a + b)
        if kind == "gru":
            (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(a, 3), np.split(b, 3)
            z = sigmoid(a_z + b_z)
            return (1.0 - z) * np.tanh(a_n + sigmoid(a_r + b_r) * b_n) + z * h
        i, f, g, o = np.split(a + b, 4)
        c = sigmoid(f) * state[UNITS:] + sigmoid(i) * np.tanh(g)
        return np.concatenate([sigmoid(o) * np.tanh(c), c])

    return step


@pytest.fixture(params=["elman", "gru", "lstm"])
def case(request):
    kind = request.param
    draw = np.random.default_rng(11)
    start = 0.3 * draw.standard_normal(UNITS * (1 + (kind == "lstm")))
    return network(kind), kind, start, draw.standard_normal((ROWS, INPUTS))


def test_products_of_states(case):
    layer, kind, start, x = case
    found = jacobian_products(ours(layer, kind), start, inputs=x)
    rows = torch.tensor(x)
    for last in (1, 3, 10, ROWS):
        known = torch.autograd.functional.jacobian(
            lambda state, last=last: theirs(layer, kind, state, rows[:last]), torch.tensor(start)
        ).numpy()
        scale = np.abs(known).max()
        np.testing.assert_allclose(found.product(0, last), known, rtol=0.0, atol=1e-12 * scale)
        norm = np.log(np.linalg.norm(known, 2))
        assert found.log_norms.iloc[last, 0] == pytest.approx(norm, abs=1e-11)


def test_outputs_by_inputs_at_every_lag(case):
    layer, kind, start, x = case
    draw = np.random.default_rng(12)
    readout = draw.standard_normal((2, len(start)))
    whole = torch.tensor(readout)

    def outputs(rows):
        states, state = [], torch.tensor(start)
        for t in range(ROWS):
            state = theirs(layer, kind, state, rows[t : t + 1])
            states.append(whole @ state)
        return torch.stack(states)

    known = torch.autograd.functional.jacobian(outputs, torch.tensor(x)).numpy()
    found = gradient_by_lag(
        ours(layer, kind), start, inputs=x, of="output", by="input", output=readout, horizon=20
    ).frame
    for i, j in np.ndindex(2, INPUTS):
        for lag in (0, 1, 7, 20):
            values = np.array([known[t, i, t - lag, j] for t in range(lag, ROWS)])
            line = found.loc[(f"y{i + 1}", f"x{j + 1}", lag)]
            assert line["rows"] == len(values)
            expected = [values.mean(), np.abs(values).mean(), *np.sort(values)[[0, -1]]]
            assert [line["mean"], line["abs_mean"]] == pytest.approx(expected[:2], abs=1e-12)
            assert expected[2] <= line["lower"] <= line["median"] <= line["upper"] <= expected[3]


def test_compiled_cells_give_the_same_products():
    """Jacobians of the kernels, multiplied, are autograd's gradients of an Elman network."""
    layer = network("elman")
    x = np.random.default_rng(13).standard_normal((ROWS, INPUTS))
    of_x, of_h, b_x, b_h = (one.detach().numpy() for one in layer.parameters())
    weights = np.hstack([of_h, of_x, (b_x + b_h)[:, None]]).ravel()
    arch = Architecture((Cell("elman"),), (UNITS,), INPUTS, 1)
    weights = np.concatenate([weights, np.ones(UNITS), [0.0]])
    state, _ = cells.jacobians(arch, weights, cells.forward(arch, weights, x))
    known = torch.autograd.functional.jacobian(
        lambda start: theirs(layer, "elman", start, torch.tensor(x)),
        torch.zeros(UNITS, dtype=torch.float64),
    ).numpy()
    found = jacobian_products(state).product(0, ROWS)
    np.testing.assert_allclose(found, known, rtol=0.0, atol=1e-12 * np.abs(known).max())
