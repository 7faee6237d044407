"""Weights of PyTorch's recurrent modules, as arrays and back."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from rnnstats.equivalence import torch_cells
from rnnstats.equivalence.torch_cells import (
    TorchCells,
    architecture_of,
    flat_weights,
    read,
    reorder,
    state_of,
)
from rnnstats.equivalence.torch_modules import build, input_rows, written
from rnnstats.errors import DataError, MissingDependencyError, SpecificationError
from rnnstats.kernels import networks
from rnnstats.kernels.architecture import Architecture, Cell, PythonCell
from rnnstats.kernels.two_sided import TwoSided

GATES = {"elman": 1, "gru": 3, "lstm": 4}


def forward(arch, weights, x, initial=None):
    start = np.zeros(arch.k_state) if initial is None else initial
    return networks.forward(arch, weights, x, initial=start, offsets=None, feedback=None)


def arrays(kind, *, units=2, inputs=3, layers=1, outputs=1, bias=True, reverse=False, seed=0):
    """A state dict as PyTorch documents it."""
    rng = np.random.default_rng(seed)
    rows, out = GATES[kind] * units, {}
    directions = 1 + reverse
    for layer in range(layers):
        below = inputs if layer == 0 else directions * units
        for ending in ("", "_reverse")[:directions]:
            out[f"rnn.weight_ih_l{layer}{ending}"] = rng.standard_normal((rows, below))
            out[f"rnn.weight_hh_l{layer}{ending}"] = rng.standard_normal((rows, units))
            if bias:
                out[f"rnn.bias_ih_l{layer}{ending}"] = rng.standard_normal(rows)
                out[f"rnn.bias_hh_l{layer}{ending}"] = rng.standard_normal(rows)
    out["linear.weight"] = rng.standard_normal((outputs, directions * units))
    out["linear.bias"] = rng.standard_normal(outputs)
    return out


def by_hand(kind, state, h, c, x):
    """One step of one layer by the formulas of PyTorch's documentation."""

    def sigmoid(z):
        return 1.0 / (1.0 + np.exp(-z))

    of_x = np.split(state["weight_ih"] @ x + state["bias_ih"], GATES[kind])
    of_h = np.split(state["weight_hh"] @ h + state["bias_hh"], GATES[kind])
    if kind == "elman":
        return np.tanh(of_x[0] + of_h[0]), c
    if kind == "gru":
        r, z = (sigmoid(of_x[i] + of_h[i]) for i in (0, 1))
        n = np.tanh(of_x[2] + r * of_h[2])
        return (1 - z) * n + z * h, c
    i, f, o = (sigmoid(of_x[j] + of_h[j]) for j in (0, 1, 3))
    c = f * c + i * np.tanh(of_x[2] + of_h[2])
    return o * np.tanh(c), c


@pytest.mark.parametrize("kind", list(GATES))
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_the_weights_are_those_of_the_documented_formulas(kind, layers, bias):
    given = arrays(kind, layers=layers, bias=bias, outputs=2)
    cells = read(given)
    assert (cells.kind, cells.n_layers, cells.hidden_size, cells.input_size) == (kind, layers, 2, 3)
    x = np.random.default_rng(1).standard_normal((6, 3))
    run = forward(architecture_of(cells), flat_weights(cells), x)
    h, c = np.zeros((layers, 2)), np.zeros((layers, 2))
    for t, row in enumerate(x):
        below = row
        for layer in range(layers):
            part = {
                name: given.get(f"rnn.{name}_l{layer}", np.zeros(2 * GATES[kind]))
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
            h[layer], c[layer] = by_hand(kind, part, h[layer], c[layer], below)
            below = h[layer]
        eta = given["linear.weight"] @ below + given["linear.bias"]
        np.testing.assert_allclose(run.eta[t], eta, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", list(GATES))
@pytest.mark.parametrize("units", [(2,), (2, 2), (3, 1), (1, 3)])
@pytest.mark.parametrize("skip", [False, True])
def test_written_weights_compute_the_same_also_with_layers_of_other_sizes(kind, units, skip):
    rng = np.random.default_rng(2)
    arch = Architecture((Cell(kind),) * len(units), units, 3, 2, skip)
    weights, initial = rng.standard_normal(arch.size), rng.standard_normal(arch.k_state)
    x = rng.standard_normal((7, 3))
    cells = written(arch, weights, initial)
    assert cells.hidden_size == max(units)
    again = architecture_of(cells)
    found = forward(again, flat_weights(cells), x, initial=state_of(cells))
    expected = forward(arch, weights, x, initial=initial)
    np.testing.assert_allclose(found.eta, expected.eta, rtol=0, atol=1e-13)
    if len(set(units)) == 1:
        np.testing.assert_array_equal(flat_weights(cells), weights)
        np.testing.assert_array_equal(state_of(cells), initial)
        assert again == arch


def test_a_constant_has_one_place_but_in_the_candidate_of_a_gru():
    arch = Architecture((Cell("gru"),), (2,), 1, 1)
    cells = written(arch, np.arange(1.0, arch.size + 1))
    assert (cells.rnn["bias_hh_l0"][:4] == 0).all()
    assert (cells.rnn["bias_hh_l0"][4:] != 0).all()
    lstm = Architecture((Cell("lstm"),), (2,), 1, 1)
    assert not written(lstm, np.arange(1.0, lstm.size + 1)).rnn["bias_hh_l0"].any()


def test_inputs_in_another_order():
    given = arrays("gru")
    x = np.random.default_rng(1).standard_normal((6, 3))
    cells = read(given)
    expected = forward(architecture_of(cells), flat_weights(cells), x)
    moved = reorder(cells, [2, 0, 1])
    found = forward(architecture_of(moved), flat_weights(moved), x[:, [2, 0, 1]])
    np.testing.assert_allclose(found.eta, expected.eta, rtol=0, atol=1e-14)
    for wrong in ([0, 1], [0, 0, 1], [1, 2, 3]):
        with pytest.raises(SpecificationError, match=r"reorder: order must hold each"):
            reorder(cells, wrong)


@pytest.mark.parametrize("kind", list(GATES))
@pytest.mark.parametrize("k_forward", [None, 1])
def test_both_directions(kind, k_forward):
    given = arrays(kind, reverse=True, outputs=2)
    if k_forward:
        given["rnn.weight_ih_l0"][:, 1:] = 0.0
        given["rnn.weight_ih_l0_reverse"][:, :1] = 0.0
    cells = read(given)
    arch = architecture_of(cells, k_forward=k_forward)
    assert isinstance(arch, TwoSided)
    x = np.random.default_rng(1).standard_normal((6, 3))
    rows = x if k_forward else np.hstack([x, x])
    run = forward(arch, flat_weights(cells, arch), rows)
    paths = []
    for ending, order in (("", range(6)), ("_reverse", range(5, -1, -1))):
        part = {
            n: given[f"rnn.{n}_l0{ending}"]
            for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        h, c, path = np.zeros(2), np.zeros(2), np.empty((6, 2))
        for t in order:
            h, c = by_hand(kind, part, h, c, x[t])
            path[t] = h
        paths.append(path)
    eta = np.hstack(paths) @ given["linear.weight"].T + given["linear.bias"]
    np.testing.assert_allclose(run.eta, eta, rtol=0, atol=1e-13)
    if k_forward:
        back = written(arch, flat_weights(cells, arch))
        np.testing.assert_array_equal(flat_weights(back, arch), flat_weights(cells, arch))
        np.testing.assert_array_equal(back.rnn["weight_ih_l0"], cells.rnn["weight_ih_l0"])


def test_directions_that_cannot_be_told_apart_are_refused():
    arch = architecture_of(read(arrays("gru", reverse=True)), k_forward=1)
    with pytest.raises(SpecificationError, match="weights on those of the other"):
        flat_weights(read(arrays("gru", reverse=True)), arch)
    with pytest.raises(SpecificationError, match="must have one layer"):
        architecture_of(read(arrays("gru", reverse=True, layers=2)))
    deep = Architecture((Cell("gru"),) * 2, (2, 2), 1, 1)
    both = TwoSided(deep, deep)
    with pytest.raises(SpecificationError, match="upper layers read both directions"):
        written(both, np.zeros(both.size))


@pytest.mark.parametrize(
    ("cell", "got", "way"),
    [
        (Cell("lstm", peephole=True), "peepholes", "peephole=False"),
        (Cell("gru", reset="before"), "resets before", "reset='after'"),
        (Cell("elman", activation="identity"), "identity", "LinearRNN"),
        (Cell("elman", activation="sigmoid"), "sigmoid", "tanh"),
        (Cell("elman", activation="softplus"), "softplus", "relu"),
        (PythonCell("own", ("h",), lambda s, x, w, e: s), "a function", "by hand"),
    ],
)
def test_cells_that_pytorch_lacks_are_refused(cell, got, way):
    arch = Architecture((cell,), (2,), 1, 1)
    with pytest.raises(SpecificationError, match=got) as raised:
        written(arch, np.zeros(arch.size), caller="to_torch")
    assert str(raised.value).startswith("to_torch: ")
    assert way in str(raised.value)


def test_layers_of_different_cells_are_refused():
    arch = Architecture((Cell("lstm"), Cell("gru")), (2, 2), 1, 1)
    with pytest.raises(SpecificationError, match="different cells"):
        written(arch, np.zeros(arch.size))


def _without(given, *names):
    return {name: array for name, array in given.items() if name not in names}


BASE = arrays("gru")
WRONG = {
    "two recurrent parts": (
        BASE | {"top.weight_hh_l0": np.zeros((2, 2))},
        "must be one nn.RNN, nn.GRU or nn.LSTM; got rnn, top",
    ),
    "none": (_without(BASE, *[n for n in BASE if "rnn" in n]), "must be one nn.RNN.*got none"),
    "no readout": (_without(BASE, "linear.weight", "linear.bias"), "must be one nn.Linear"),
    "two readouts": (BASE | {"more.weight": np.zeros((1, 1))}, r"got 2 \(linear, more\)"),
    "normalisation": (BASE | {"norm.weight": np.zeros(2)}, "got norm.weight"),
    "projection": (BASE | {"rnn.weight_hr_l0": np.zeros((1, 2))}, "without projections"),
    "no weights of inputs": (_without(BASE, "rnn.weight_ih_l0"), "got no weight_ih_l0"),
    "rows": (BASE | {"rnn.weight_hh_l0": np.zeros((5, 2))}, "1, 3 or 4 times as many rows"),
    "readout": (BASE | {"linear.weight": np.zeros((1, 5))}, "readout weight must have shape"),
    "constant": (BASE | {"rnn.bias_ih_l0": np.zeros(5)}, r"bias_ih_l0 must have shape \(6,\)"),
    "skip": (BASE | {"skip.weight": np.zeros((1, 7))}, "skip weight must have shape"),
    "start": (BASE | {"h_0": np.zeros((1, 5))}, "h_0 must have shape"),
    "nan": (BASE | {"linear.bias": np.array([np.nan])}, "must be finite"),
    "words": (BASE | {"linear.bias": np.array(["a"])}, "array of numbers"),
    "vector": (BASE | {"rnn.weight_hh_l0": np.zeros(6)}, "weights must be matrices"),
    "three parts": ((BASE, BASE, BASE), r"must be \(recurrent, linear\); got 3"),
    "a number": (3.0, "must be a torch.nn.Module, a state dict"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_no_such_module_is_refused(name):
    source, words = WRONG[name]
    with pytest.raises(SpecificationError, match=words) as raised:
        read(source, caller="GRU.from_torch")
    assert str(raised.value).startswith("GRU.from_torch: ")


def test_forms_of_a_state_dict():
    bare = {name.split(".", 1)[1]: array for name, array in BASE.items() if "rnn" in name}
    linear = {"weight": BASE["linear.weight"], "bias": BASE["linear.bias"]}
    numbered = {n.replace("rnn", "0").replace("linear", "2"): a for n, a in BASE.items()}
    expected = flat_weights(read(BASE))
    for source in ((bare, linear), [bare, linear], bare | {"head.weight": linear["weight"]}):
        found = read(source)
        constant = found.readout_bias if isinstance(source, dict) else linear["bias"]
        np.testing.assert_array_equal(flat_weights(found)[:-1], expected[:-1])
        assert (found.readout_bias == constant).all()
    np.testing.assert_array_equal(flat_weights(read(numbered)), expected)
    np.testing.assert_array_equal(flat_weights(read(read(BASE).state_dict)), expected)
    assert read(arrays("elman"), activation="relu").activation == "relu"
    assert read(arrays("elman")).activation == "tanh"
    start = {"h_0": np.ones((1, 1, 2))}
    np.testing.assert_array_equal(state_of(read(arrays("lstm") | start)), [1.0, 1.0, 0.0, 0.0])
    assert repr(read(BASE)) == "<TorchCells: gru, 3 inputs, 1 x 2 hidden, 1 outputs>"


def test_rows_of_inputs():
    y, x = np.arange(1.0, 6.0), np.arange(10.0, 15.0)
    expected = [[2.0, 1.0, 12.0], [3.0, 2.0, 13.0], [4.0, 3.0, 14.0]]
    np.testing.assert_array_equal(input_rows(y, x, lags=2), expected)
    whole = input_rows(y, x, lags=2, before=np.array([[-1.0], [-2.0]]))
    np.testing.assert_array_equal(whole[:2], [[-1.0, -2.0, 10.0], [1.0, -1.0, 11.0]])
    np.testing.assert_array_equal(whole[2:], expected)
    np.testing.assert_array_equal(input_rows(None, x, lags=0), x[:, None])
    with pytest.raises(DataError, match="inputs of row 3"):
        input_rows([1.0, 2.0, np.nan, 4.0, 5.0], lags=1)
    for wrong in ((y, x[:3]), (None, x), (y[:2], None)):
        with pytest.raises(DataError, match="same number of rows, more than lags=2"):
            input_rows(*wrong, lags=2)


def test_without_pytorch_the_error_says_which_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    torch_cells_of = read(BASE)  # reading arrays needs none
    from rnnstats.equivalence import torch_modules

    torch_modules._module_class.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"pip install 'rnnstats\[torch\]'"):
        build(torch_cells_of)


# --- with PyTorch -------------------------------------------------------------------------------


def stock(torch, kind, **options):
    nn = torch.nn
    makers = {"elman": nn.RNN, "relu": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
    if kind == "relu":
        options["nonlinearity"] = "relu"
    return makers[kind](3, 2, batch_first=True, dtype=torch.float64, **options)


def parts(torch, kind, **options):
    torch.manual_seed(3)
    rnn = stock(torch, kind, **options)
    wide = 2 * (1 + options.get("bidirectional", False))
    return rnn, torch.nn.Linear(wide, 2, dtype=torch.float64)


@pytest.mark.crosspkg
@pytest.mark.parametrize("kind", ["elman", "relu", "gru", "lstm"])
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2}, {"bias": False}, {"bidirectional": True}]
)
def test_outputs_are_those_of_pytorch(kind, options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
    rnn, linear = parts(torch, kind, **options)
    x = np.random.default_rng(0).standard_normal((9, 3))
    with torch.no_grad():
        expected = linear(rnn(torch.from_numpy(x))[0]).numpy()

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent, self.head = rnn, linear

    module = Net()
    named = module.state_dict()
    sources = [module, (rnn, linear), (rnn.state_dict(), linear.state_dict())]
    sources += [torch.nn.Sequential(rnn, linear), torch.nn.ModuleList([rnn, linear])]
    if kind != "relu":  # which arrays do not tell
        sources += [named, {name: tensor.numpy() for name, tensor in named.items()}]
    for source in sources:
        cells = read(
            source, activation="relu" if isinstance(source, tuple) and kind == "relu" else None
        )
        rows = np.hstack([x, x]) if cells.directions == 2 else x
        run = forward(architecture_of(cells), flat_weights(cells), rows)
        np.testing.assert_allclose(run.eta, expected, rtol=0, atol=1e-12)
        back = build(cells)
        assert type(back.rnn) is type(rnn)
        with torch.no_grad():
            found = back(torch.from_numpy(x)).numpy()
            batch = back(torch.from_numpy(np.array([x, x])))[1].numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(batch, expected, rtol=0, atol=1e-12)


@pytest.mark.crosspkg
@pytest.mark.parametrize("kind", list(GATES))
@pytest.mark.parametrize("units", [(2, 2), (3, 1)])
def test_a_written_module_computes_the_network(kind, units):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
    rng = np.random.default_rng(4)
    arch = Architecture((Cell(kind),) * 2, units, 3, 2, skip=True)
    weights, initial = rng.standard_normal(arch.size), rng.standard_normal(arch.k_state)
    x = rng.standard_normal((8, 3))
    expected = forward(arch, weights, x, initial=initial).eta
    module = build(written(arch, weights, initial))
    with torch.no_grad():
        found = module(torch.from_numpy(x)).numpy()
        batch = module(torch.from_numpy(np.array([x] * 3)))[2].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(batch, expected, rtol=0, atol=1e-12)
    again = read(module)
    assert isinstance(again, TorchCells)
    run = forward(architecture_of(again), flat_weights(again), x, initial=state_of(again))
    np.testing.assert_allclose(run.eta, expected, rtol=0, atol=1e-12)


@pytest.mark.crosspkg
def test_what_a_module_tells_beside_its_arrays():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
    nn = torch.nn
    rnn, linear = parts(torch, "lstm", num_layers=2, dropout=0.25)
    dropped = nn.Sequential(rnn, nn.Dropout(0.5), nn.Identity(), linear)
    assert read(dropped).words == ("dropout=0.25 between the layers", "Dropout(p=0.5)", "Identity")
    with pytest.raises(SpecificationError, match="got a Softmax"):
        read(nn.Sequential(rnn, linear, nn.Softmax(-1)))
    projected = nn.LSTM(3, 4, proj_size=2)
    with pytest.raises(SpecificationError, match="proj_size=2"):
        read((projected, nn.Linear(2, 1)))
    relu, head = parts(torch, "relu")
    with pytest.raises(SpecificationError, match="'tanh' and 'relu'"):
        read((relu, head), activation="tanh")
    single = read((nn.GRU(3, 2), nn.Linear(2, 1)))
    assert single.rnn["weight_hh_l0"].dtype == np.float64
    assert torch_cells.read((nn.GRU(3, 2), nn.Linear(2, 1, bias=False))).readout_bias == 0.0
