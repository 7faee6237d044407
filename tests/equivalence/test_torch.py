"""Linear networks as stock PyTorch modules; the arithmetic is tested without PyTorch, too."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from equivalence.networks import STARTS, random_case

from rnnstats.equivalence.rnn import filter_network, smoother_network
from rnnstats.equivalence.torch import begin, features, recur, stacked
from rnnstats.errors import MissingDependencyError, SpecificationError

CASES = {
    "plain": {"p": 2, "m": 3, "trend": False},
    "inputs and trend": {"p": 2, "m": 3, "k": 2},
    "inputs to the state only": {"p": 1, "m": 2, "k": 1, "direct": False, "trend": False},
    "one state, more outputs": {"p": 3, "m": 1, "k": 1},
    "unit root": {"p": 2, "m": 3, "start": "none", "unit_root": True},
}


def networks(name):
    case = random_case(11, **CASES[name])
    both = smoother_network(case.system, case.intercepts)
    return case, (both.forward, both)


def linear(network, y, x, **options):
    run = network.run(y, x, **options)
    return run[0]


def by_documentation(network, y, x, **options):
    """What the modules compute, from nn.RNN's documented equations."""
    weights = stacked(network)
    hidden, _ = recur(
        weights.rnn, features(network, y, x, **options), begin(network, y, x, **options)
    )
    return hidden @ weights.readout_weight.T + weights.readout_bias


@pytest.mark.parametrize("name", list(CASES))
def test_pairs_of_relu_units_are_linear_units(name):
    case, both = networks(name)
    for network in both:
        found = by_documentation(network, case.y, case.x)
        # equal up to the order of summation
        np.testing.assert_allclose(found, linear(network, case.y, case.x), rtol=0, atol=1e-11)
        options = {"state": case.exact.filter.predicted_state[30], "first_row": 31}
        x = None if case.x is None else case.x[30:]
        found = by_documentation(network, case.y[30:], x, **options)
        expected = linear(network, case.y[30:], x, **options)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("start", STARTS)
def test_every_start(start):
    case = random_case(12, 2, 2, k=1, start=start)
    network = smoother_network(case.system, case.intercepts)
    for net in (network.forward, network):
        found = by_documentation(net, case.y, case.x)
        np.testing.assert_allclose(found, linear(net, case.y, case.x), rtol=0, atol=1e-11)


def test_missing_outputs_are_filled_with_forecasts():
    case, both = networks("inputs and trend")
    y = case.y.copy()
    y[5], y[40, 0] = np.nan, np.nan
    for network in both:
        found = by_documentation(network, y, case.x)
        np.testing.assert_allclose(found, linear(network, y, case.x), rtol=0, atol=1e-11)


def test_both_directions_read_the_same_rows():
    case, (_, network) = networks("inputs and trend")
    rows = features(network, case.y, case.x, first_row=3)
    np.testing.assert_array_equal(rows[:, :2], case.y)
    np.testing.assert_array_equal(rows[:, 2:4], case.x)
    np.testing.assert_array_equal(rows[:, 4], np.arange(3.0, 403.0))
    weights = stacked(network)
    assert weights.input_size == 5
    assert weights.directions == 2
    for suffix in ("_l0", "_l0_reverse"):
        assert weights.rnn[f"weight_ih{suffix}"].shape == (weights.hidden_size, 5)
    assert features(networks("plain")[1][1], *networks("plain")[0][2:4]).shape[1] == 2


def test_a_state_that_no_step_leads_to_is_refused():
    case = random_case(13, 1, 2, trend=False)
    system = case.system
    matrices = system.matrices.copy()
    places = system.offsets(1, 2, 2)
    matrices[places["transition"][0]] = [0.5, 0.0, 0.0, 0.0]
    matrices[places["selection"][0]] = [1.0, 0.0, 0.0, 0.0]
    from rnnstats.kernels.system import StateSpace

    still = StateSpace(1, 2, 2, matrices, system.obs_intercept[0], np.zeros(2), "stationary")
    network = filter_network(still)
    y = case.y
    begin(network, y, state=[1.0, 0.0])
    with pytest.raises(SpecificationError, match="no step leads to"):
        begin(network, y, state=[0.0, 1.0])


def test_without_pytorch_the_error_says_which_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    _, (network, both) = networks("plain")
    for net in (network, both):
        with pytest.raises(MissingDependencyError, match=r"pip install 'rnnstats\[torch\]'"):
            net.to_torch()


@pytest.mark.crosspkg
@pytest.mark.parametrize("name", list(CASES))
def test_pytorch_gives_the_same_numbers(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
    case, both = networks(name)
    for network in both:
        module = network.to_torch()
        assert type(module.rnn) is torch.nn.RNN
        assert type(module.readout) is torch.nn.Linear
        assert module.rnn.bidirectional is (network is both[1])
        assert module.rnn.nonlinearity == "relu"
        expected = linear(network, case.y, case.x)
        np.testing.assert_allclose(module.run(case.y, case.x), expected, rtol=0, atol=1e-11)
        with torch.no_grad():
            hidden, _ = module.rnn(
                module.inputs(case.y, case.x)[None], module.start(case.y, case.x)[:, None]
            )
            found = module.readout(hidden)[0].numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)
        assert "RNN(" in repr(module)


@pytest.mark.crosspkg
def test_the_emulation_is_pytorchs_recurrence():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
    case, (_, network) = networks("inputs and trend")
    weights, module = stacked(network), network.to_torch()
    rows, start = features(network, case.y, case.x), begin(network, case.y, case.x)
    with torch.no_grad():
        output, last = module.rnn(torch.from_numpy(rows), torch.from_numpy(start))
    ours, ends = recur(weights.rnn, rows, start)
    np.testing.assert_allclose(output.numpy(), ours, rtol=0, atol=1e-11)
    np.testing.assert_allclose(last.numpy(), ends, rtol=0, atol=1e-11)
