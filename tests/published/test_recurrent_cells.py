"""Case N01: the numbers of PyTorch 2.13 (float64, CPU) for nn.RNN, nn.GRU and nn.LSTM on lynx."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.kernels import cells
from rnnstats.kernels.cells import Architecture, Cell

FILES = {
    "elman": "npz/N01_elman_tanh_lynx.npz",
    "gru": "npz/N01_gru_lynx.npz",
    "lstm": "npz/N01_lstm_lynx.npz",
}


def flat(values, kind, prefix):
    """PyTorch's arrays in our order; its two constants as (their sum, or ours and b_hn)."""
    state, inputs = values[f"{prefix}/weight_hh_l0"], values[f"{prefix}/weight_ih_l0"]
    of_inputs, of_state = values[f"{prefix}/bias_ih_l0"], values[f"{prefix}/bias_hh_l0"]
    constant = of_inputs + of_state if prefix == "param" else of_inputs
    extra = np.zeros(0)
    if kind == "gru":
        constant = constant.copy()
        constant[6:], extra = of_inputs[6:], of_state[6:]
    W = np.hstack([state, inputs, constant[:, None]])
    head = values[f"{prefix}/head_weight"].ravel(), values[f"{prefix}/head_bias"]
    return np.concatenate([W.ravel(), extra, *head])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", list(FILES))
def test_outputs_and_gradients_are_those_of_pytorch(kind, compiled, cases, monkeypatch):
    if not compiled:
        monkeypatch.setattr(cells, "_core", None)
    assert FILES[kind] in cases["N01"]["arrays"]
    values = np.load(cases.path(FILES[kind]))
    arch = Architecture((Cell(kind),), (3,), 1, 1)
    weights = flat(values, kind, "param")
    initial = values["h0"][0]
    if kind == "lstm":
        initial = np.concatenate([initial, values["c0"][0]])
    run = cells.forward(arch, weights, values["x"], initial=initial)
    # the case's tolerances are 1e-10 for outputs, 1e-8 relative for gradients; both packages are
    # within rounding of each other, so tighter ones hold
    exact = {"rtol": 0.0, "atol": 1e-13}
    np.testing.assert_allclose(run.states[:, :3], values["out"], **exact)
    np.testing.assert_allclose(run.eta, values["yhat"], **exact)
    np.testing.assert_allclose(run.states[-1, :3], values["h_n"][0], **exact)
    error = values["y"] - run.eta
    sigma2 = float(values["sigma2"])
    llf = -0.5 * (np.log(2 * np.pi * sigma2) + error**2 / sigma2).sum()
    assert llf == pytest.approx(float(values["loglik"]), rel=1e-13)

    gradient = cells.backward(arch, weights, run, error / sigma2)
    scale = np.abs(gradient.weights).max()
    np.testing.assert_allclose(gradient.weights, flat(values, kind, "grad"), atol=1e-12 * scale)
    np.testing.assert_allclose(gradient.inputs, values["grad_x"], atol=1e-12 * scale)
    by_initial = values["grad_h0"][0]
    if kind == "lstm":
        np.testing.assert_allclose(run.states[-1, 3:], values["c_n"][0], **exact)
        by_initial = np.concatenate([by_initial, values["grad_c0"][0]])
    np.testing.assert_allclose(gradient.initial[0], by_initial, atol=1e-12 * scale)
    jacobian = cells.jacobians(arch, weights, run)[0][0]
    np.testing.assert_allclose(jacobian, values["state_jacobian_t1"], **exact)
