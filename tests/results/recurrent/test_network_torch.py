"""Networks from PyTorch and to PyTorch, with the readout's inference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from rnnstats.equivalence.torch_cells import architecture_of, flat_weights, read, reorder
from rnnstats.equivalence.torch_modules import input_rows
from rnnstats.errors import ConversionWarning, SpecificationError
from rnnstats.kernels import cells as kernels
from rnnstats.kernels import networks
from rnnstats.kernels.cells import PythonCell
from rnnstats.models.bidirectional import BidirectionalRNN
from rnnstats.models.nonlinear import GRU, LSTM, CellRNN, ElmanRNN
from rnnstats.results.bidirectional import BidirectionalResults
from rnnstats.results.nonlinear import RecurrentResults

N01 = {
    ElmanRNN: "npz/N01_elman_tanh_lynx.npz",
    GRU: "npz/N01_gru_lynx.npz",
    LSTM: "npz/N01_lstm_lynx.npz",
}
ROWS = 120


def lynx(cases, cls):
    """State dict, outputs (with the row before), and what PyTorch gave."""
    values = np.load(cases.path(N01[cls]))
    state = {
        name.removeprefix("param/").replace("head_", "head."): values[name]
        for name in values.files
        if name.startswith("param/")
    }
    y = pd.Series(np.concatenate([values["x"][:, 0], values["y"][-1]]), name="lynx")
    return state, y, values


def data(k=1):
    rng = np.random.default_rng(5)
    index = pd.period_range("2000Q1", periods=ROWS, freq="Q")
    x = pd.DataFrame({"rate": rng.standard_normal(ROWS)}, index=index)
    y = pd.DataFrame(
        20.0 + 3.0 * rng.standard_normal((ROWS, k)), index=index, columns=["cpi", "gdp"][:k]
    )
    return (y["cpi"] if k == 1 else y), x


def somewhere(model, seed=0, of=RecurrentResults):
    """Results at parameters drawn near the middle of the standardised coordinates."""
    rng = np.random.default_rng(seed)
    phi = model.chart.to_standard(np.array(model.start_params, dtype=float))
    phi[model.chart.weights] = 0.7 * rng.standard_normal(model.architecture.size)
    phi[model.chart.initial] = 0.3
    theta = model.layout.expand(model.layout.reduce(model.chart.to_natural(phi)))
    return of.from_fit(model, theta, cov_type="none")


@pytest.mark.parametrize("cls", list(N01))
def test_fitted_values_are_the_outputs_of_pytorch(cls, cases):
    state, y, values = lynx(cases, cls)
    res = cls.from_torch(state, y)
    np.testing.assert_allclose(res.fittedvalues[1:], values["yhat"][:, 0], rtol=0, atol=1e-12)
    assert np.isnan(res.fittedvalues[0])
    error = values["y"] - values["yhat"]
    assert res.params["obs_cov[lynx,lynx]"] == pytest.approx((error**2).mean(), rel=1e-12)
    assert (res.nobs, res.df_model, res.convergence) == (113, 5, None)
    free = ["V[lynx,h1]", "V[lynx,h2]", "V[lynx,h3]", "b_y[lynx]", "obs_cov[lynx,lynx]"]
    assert list(res.bse.dropna().index) == free
    states = values["out"]
    np.testing.assert_allclose(
        res.filtered_state.iloc[1:, :3].to_numpy(), states, rtol=0, atol=1e-12
    )
    text = str(res.summary())
    assert "not refitted" in text
    assert "Recurrent weights are fixed numbers" in text
    assert "fixed numbers" in str(res.with_cov("opg").summary())
    assert len(res.get_forecast(3).predicted_mean) == 3
    assert np.isfinite(res.test_normality().to_numpy()).all()


@pytest.mark.parametrize("cls", list(N01))
def test_the_sandwich_is_that_of_a_regression_on_the_states(cls, cases):
    state, y, values = lynx(cases, cls)
    refitted = cls.from_torch(state, y, readout="refit")
    # the columns are nearly collinear for the GRU (condition number 1e3): 1e-6 is what the
    # stopping rule of the fit leaves of the least-squares solution
    ols = sm.OLS(values["y"], sm.add_constant(values["out"], prepend=False)).fit(cov_type="HC0")
    np.testing.assert_allclose(refitted.params[-5:-1], ols.params, rtol=1e-6)
    np.testing.assert_allclose(refitted.bse[-5:-1], ols.bse, rtol=1e-6)
    assert refitted.llf == pytest.approx(ols.llf, rel=1e-10)
    assert refitted.convergence.converged
    assert "not refitted" not in str(refitted.summary())
    given = cls.from_torch(state, y)
    design = sm.add_constant(values["out"], prepend=False)
    inverse = np.linalg.inv(design.T @ design)
    error = values["y"] - values["yhat"]
    expected = np.sqrt(np.diag(inverse @ (design.T @ (design * error**2)) @ inverse))
    np.testing.assert_allclose(given.bse[-5:-1], expected, rtol=1e-9)
    again = given.from_torch(state, readout="refit", cov_type="robust")
    np.testing.assert_allclose(again.bse[-5:-1], ols.bse, rtol=1e-4)


def test_lags_are_counted_from_the_inputs_and_can_be_moved(cases):
    y, x = data()
    rng = np.random.default_rng(0)
    state = {
        "rnn.weight_ih_l0": rng.standard_normal((2, 3)),
        "rnn.weight_hh_l0": rng.standard_normal((2, 2)),
        "linear.weight": rng.standard_normal((1, 2)),
    }
    res = ElmanRNN.from_torch(state, y, x, activation="relu")
    assert (res.model.y_lags, res.model.activation) == (2, "relu")
    rows = input_rows(y.to_numpy(), x.to_numpy(), lags=2)
    cells = read(state, activation="relu")
    run = kernels.forward(architecture_of(cells), flat_weights(cells), rows)
    np.testing.assert_allclose(res.fittedvalues[2:], run.eta[:, 0], rtol=1e-12)
    other = ElmanRNN.from_torch(reorder(cells, [2, 0, 1]), y, x, y_lags=2)
    moved = kernels.forward(architecture_of(cells), flat_weights(cells), rows[:, [1, 2, 0]])
    np.testing.assert_allclose(other.fittedvalues[2:], moved.eta[:, 0], rtol=1e-12)


def test_logits_of_all_categories_are_taken_against_the_last():
    rng = np.random.default_rng(0)
    word = pd.Series(rng.choice(["a", "b", "c"], ROWS), name="word")
    state = {
        "rnn.weight_ih_l0": rng.standard_normal((6, 2)),
        "rnn.weight_hh_l0": rng.standard_normal((6, 2)),
        "linear.weight": rng.standard_normal((3, 2)),
        "linear.bias": rng.standard_normal(3),
    }
    res = GRU.from_torch(state, word, head="categorical")
    seen = np.column_stack([word == "a", word == "b"]).astype(float)
    cells = read(state)
    eta = kernels.forward(architecture_of(cells), flat_weights(cells), seen[:-1]).eta
    expected = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(res.fittedvalues.to_numpy()[1:], expected, atol=1e-12)
    assert np.isfinite(res.bse.dropna()).all()


def test_a_start_is_read_and_asked_for():
    y, _ = data()
    rng = np.random.default_rng(0)
    state = {
        "rnn.weight_ih_l0": rng.standard_normal((8, 1)),
        "rnn.weight_hh_l0": rng.standard_normal((8, 2)),
        "linear.weight": rng.standard_normal((1, 2)),
        "h_0": np.array([[0.1, 0.2]]),
    }
    with pytest.raises(SpecificationError, match="the module starts at its h_0"):
        LSTM.from_torch(state, y)
    res = LSTM.from_torch(state, y, initial="estimated")
    assert res.params["h_0[h2]"] == 0.2
    assert res.params["c_0[c1]"] == 0.0
    assert np.isnan(res.bse["h_0[h2]"])


def test_what_does_not_fit_is_refused(cases):
    state, y, _ = lynx(cases, GRU)
    with pytest.raises(SpecificationError, match=r"LSTM.from_torch: .*Use GRU.from_torch"):
        LSTM.from_torch(state, y)
    with pytest.raises(SpecificationError, match="got 1 inputs for y_lags=2"):
        GRU.from_torch(state, y, y_lags=2)
    with pytest.raises(SpecificationError, match=r"the inputs \(1\); got 1 inputs"):
        GRU.from_torch(state, y, np.arange(len(y)), y_lags=1)
    with pytest.raises(SpecificationError, match="1 outputs of head='gaussian'"):
        wide = state | {"head.weight": np.ones((2, 3)), "head.bias": np.ones(2)}
        GRU.from_torch(wide, y)
    with pytest.raises(SpecificationError, match=r"activation belongs to nn\.RNN"):
        GRU.from_torch(state, y, activation="tanh")
    with pytest.raises(SpecificationError, match="readout"):
        GRU.from_torch(state, y, readout="both")
    both = state | {f"{n}_reverse": a for n, a in state.items() if n.startswith(("w", "b"))}
    with pytest.raises(SpecificationError, match="must read forward only"):
        GRU.from_torch(both | {"head.weight": np.ones((1, 6))}, y)

    def step(state, inputs, weights, extra):
        return np.tanh(weights @ np.concatenate([state, inputs, np.ones(1)]))

    own = somewhere(CellRNN(y, k_hidden=1, cell=PythonCell("own", ("h",), step)))
    with pytest.raises(SpecificationError, match="got CellRNN"):
        own.from_torch(state)
    with pytest.raises(SpecificationError, match=r"to_torch: .*a function"):
        own.to_torch()


@pytest.mark.parametrize("gates", [1, 3, 4])
def test_both_directions(gates):
    rng = np.random.default_rng(0)
    y, x = pd.Series(rng.standard_normal(60), name="y"), rng.standard_normal((60, 3))
    state = {
        f"rnn.{name}_l0{ending}": rng.standard_normal((2 * gates, wide))
        for name, wide in (("weight_ih", 3), ("weight_hh", 2))
        for ending in ("", "_reverse")
    } | {"linear.weight": rng.standard_normal((1, 4))}
    cells = read(state)
    arch = architecture_of(cells)
    rows = np.hstack([x, x])  # both directions read all inputs
    run = networks.forward(
        arch, flat_weights(cells), rows, initial=np.zeros(arch.k_state), offsets=None, feedback=None
    )
    given = BidirectionalRNN.from_torch(state, y, x)
    np.testing.assert_allclose(given.fittedvalues, run.eta[:, 0], rtol=0, atol=1e-12)
    assert "not refitted" in str(given.summary())
    refitted = BidirectionalRNN.from_torch(state, y, x, readout="refit")
    assert refitted.convergence.converged
    design = sm.add_constant(run.states[:, arch.outputs], prepend=False)
    ols = sm.OLS(y.to_numpy(), design).fit(cov_type="HC0")
    np.testing.assert_allclose(refitted.bse.dropna()[:-1], ols.bse, rtol=1e-5)
    with pytest.raises(SpecificationError, match="must read the 2 inputs"):
        BidirectionalRNN.from_torch(state, y, x[:, :2])
    one = {name: array for name, array in state.items() if "reverse" not in name}
    with pytest.raises(SpecificationError, match="bidirectional=True and one layer"):
        BidirectionalRNN.from_torch(one | {"linear.weight": np.ones((1, 2))}, y, x)


@pytest.mark.parametrize("logits", [2, 3])
def test_logits_both_ways_are_taken_against_the_last(logits):
    rng = np.random.default_rng(2)
    word, x = _words(), rng.standard_normal((ROWS, 2))
    state = {
        f"rnn.{name}_l0{ending}": rng.standard_normal((6, wide))
        for name, wide in (("weight_ih", 2), ("weight_hh", 2))
        for ending in ("", "_reverse")
    } | {"linear.weight": rng.standard_normal((logits, 4)), "linear.bias": np.ones(logits)}
    cells = read(state)
    run = networks.forward(
        architecture_of(cells), flat_weights(cells), np.hstack([x, x]),
        initial=np.zeros(4), offsets=None, feedback=None,
    )  # fmt: skip
    eta = np.column_stack([run.eta, np.zeros((ROWS, 3 - logits))])
    expected = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    given = BidirectionalRNN.from_torch(state, word, x, head="categorical")
    np.testing.assert_allclose(given.fittedvalues, expected, rtol=0, atol=1e-12)
    again = given.from_torch(state, cov_type="none")
    assert again.llf == given.llf


def test_a_pseudo_likelihood_is_no_module():
    y = data()[0]
    model = BidirectionalRNN(y, k_hidden=1, fixed={"obs_cov[cpi,cpi]": 9.0})
    res = BidirectionalResults.from_fit(model, model.start_params, cov_type="none")
    for name in ("to_torch", "from_torch"):
        assert name not in dir(res)
        with pytest.raises(AttributeError, match=rf"{name}: .*given inputs only"):
            getattr(res, name)


# --- with PyTorch -------------------------------------------------------------------------------


def _words():
    rng = np.random.default_rng(1)
    return pd.Series(rng.choice(["a", "b", "c"], ROWS), name="word")


MODELS = {
    "elman": lambda: ElmanRNN(data()[0], k_hidden=2),
    "relu, two lags, inputs, skip": lambda: ElmanRNN(
        *data(), k_hidden=2, y_lags=2, activation="relu", skip=True
    ),
    "gru, two outputs, two layers": lambda: GRU(*data(2), k_hidden=2, n_layers=2),
    "lstm, start estimated": lambda: LSTM(*data(), k_hidden=2, n_layers=2, initial="estimated"),
    "lstm, no lags": lambda: LSTM(*data(), y_lags=0, head="student-t"),
    "gru, all rows": lambda: GRU(*data(), y_lags=2, presample="predict"),
    "counts": lambda: GRU(data()[0].round(), head="poisson"),
    "categories": lambda: ElmanRNN(_words(), head="categorical"),
}


def outputs(res):
    """The outputs and inputs as a module reads them."""
    model = res.model
    y = model.head.lag_values(model.endog.values)
    return y, None if model.exog is None else model.exog.values


@pytest.mark.crosspkg
@pytest.mark.parametrize("name", list(MODELS))
def test_modules_give_the_linear_predictors_and_come_back(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
    res = somewhere(MODELS[name]())
    module = res.to_torch()
    rows = module.inputs(*outputs(res))
    expected = np.asarray(res._system.eta)
    with torch.no_grad():
        found = module(rows).numpy()
    # outputs are near 20: 1e-12 of them
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    back = res.from_torch(module)
    extras = len(res.model.head.names)
    weights = [n for n in res.params.index if n not in res.model.head.names]
    assert len(weights) == len(res.params) - extras
    np.testing.assert_allclose(back.params[weights], res.params[weights], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(np.asarray(back._system.eta), expected, rtol=1e-12, atol=1e-12)
    assert back.llf >= res.llf - 1e-8  # the outputs' distribution is estimated given the readout


BOTH_WAYS = {
    "elman": {},
    "relu, start estimated": {"activation": "relu", "initial": "estimated"},
    "gru, sequences": {"cell": "gru", "groups": np.repeat([0, 1], [50, ROWS - 50])},
    "lstm, start estimated": {"cell": "lstm", "initial": "estimated"},
    "gru, categories": {"cell": "gru", "head": "categorical"},
    "lstm, counts": {"cell": "lstm", "head": "poisson"},
}


@pytest.mark.crosspkg
@pytest.mark.parametrize("name", list(BOTH_WAYS))
def test_bidirectional_modules_give_the_linear_predictors_and_come_back(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
    options, (y, x) = BOTH_WAYS[name], data()
    if options.get("head") == "categorical":
        y = _words().set_axis(x.index)
    elif options.get("head") == "poisson":
        y = y.round()
    x = x.assign(lagged=x["rate"].shift(fill_value=0.0))
    model = BidirectionalRNN(y, x, k_hidden=2, **options)
    res = somewhere(model, of=BidirectionalResults)
    module = res.to_torch()
    assert module.rnn.bidirectional
    assert module.rnn.input_size == 2
    parts = np.split(x.to_numpy(), model.offsets[1:-1])
    with torch.no_grad():
        eta = np.concatenate([module(module.inputs(None, part)).numpy() for part in parts])
    np.testing.assert_allclose(eta, res._system.eta, rtol=0, atol=1e-12)
    again = res.from_torch(module, cov_type="none")
    np.testing.assert_allclose(again.fittedvalues, res.fittedvalues, rtol=0, atol=1e-12)
    assert again.model.offsets.tolist() == model.offsets.tolist()


@pytest.mark.crosspkg
def test_layers_of_unequal_sizes_are_filled_up():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
    res = somewhere(GRU(*data(), k_hidden=(3, 1), n_layers=2))
    module = res.to_torch()
    assert module.rnn.hidden_size == 3
    with torch.no_grad():
        found = module(module.inputs(*outputs(res))).numpy()
    np.testing.assert_allclose(found, np.asarray(res._system.eta), rtol=1e-12)
    back = res.from_torch(module)
    assert back.model.units == (3, 3)
    np.testing.assert_allclose(back.fittedvalues, res.fittedvalues, rtol=1e-12)


@pytest.mark.crosspkg
def test_a_module_that_was_trained_and_dropout_that_is_left_out():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra torch)")
    y, x = data()
    torch.manual_seed(0)
    rnn = torch.nn.LSTM(2, 3, num_layers=2, dropout=0.1)
    linear = torch.nn.Linear(3, 1)
    with pytest.warns(ConversionWarning, match=r"dropout=0.1 between the layers.*eval mode"):
        res = LSTM.from_torch((rnn, linear), y, x)
    rows = torch.from_numpy(input_rows(y.to_numpy(), x.to_numpy()))
    rnn.eval()
    with torch.no_grad():
        expected = linear(rnn(rows.float())[0])[:, 0].numpy()
    # the module is in single precision
    np.testing.assert_allclose(res.fittedvalues[1:], expected, rtol=1e-4, atol=1e-5)
