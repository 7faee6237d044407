"""What `memory` leads to from results of every kind of model."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import at, data, network

from rnnstats import datasets
from rnnstats.diagnostics import memory as measures
from rnnstats.errors import SpecificationError
from rnnstats.models.bidirectional import BidirectionalRNN
from rnnstats.models.linear import LinearRNN
from rnnstats.models.markov import MarkovRNN
from rnnstats.models.nonlinear import GRU, LSTM

# options that are not the default ones, to see that they are handed on
VIEWS = {
    "jacobian_products": {"horizon": 4, "alpha": 0.2},
    "gradient_by_lag": {"horizon": 4, "alpha": 0.2},
    "lyapunov_spectrum": {"alpha": 0.2},
    "time_constants": {"alpha": 0.2},
    "transfer_function": {"alpha": 0.2, "frequencies": [0.0, 0.1, 0.3]},
    "effective_memory": {"horizon": 6},
    "memory_capacity": {"rng": 0, "nsteps": 400, "lags": 2},
    "gradient_paths": {},
}
# a belief is no filter of shocks, and has no roots
NOT = {"markov": ("time_constants", "transfer_function")}


def series():
    y = np.log10(datasets.lynx())
    y.index = pd.period_range("1821", periods=len(y), freq="Y")
    return y


FITS = {
    "linear": lambda: LinearRNN(series(), k_states=2).fit(),
    "markov": lambda: MarkovRNN(series(), k_regimes=2, order=1).fit(rng=0, n_starts=4),
    "elman": lambda: network("elman").with_cov("approx"),
    "gru": lambda: at(GRU(data()[0], k_hidden=1, y_lags=2)).with_cov("approx"),
    "lstm": lambda: at(LSTM(*data(), k_hidden=1)).with_cov("approx"),
}


# as a network an LSTM takes the same ways as a GRU
KINDS = [pytest.param(name, marks=pytest.mark.slow if name == "lstm" else ()) for name in FITS]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param, FITS[request.param]()


def test_every_measure_is_reached_and_is_that_of_the_function(kind):
    name, res = kind
    table = res.memory(steps=3)
    for view, given in VIEWS.items():
        options = {
            key: value for key, value in given.items() if (name, key) != ("linear", "nsteps")
        }
        if view in NOT.get(name, ()):
            with pytest.raises(SpecificationError, match=f"{view}: .*MarkovRNN.* Use "):
                getattr(table, view)()
            continue
        found = getattr(table, view)(**options)
        known = getattr(measures, view)(res, **options)
        pd.testing.assert_frame_equal(found.frame, known.frame)
        text = str(found.summary())
        assert len(text) > 100
        assert repr(found) == text
        copy = found.frame
        del copy[copy.columns[0]]
        pd.testing.assert_frame_equal(found.frame, known.frame)


def test_tables_can_be_pickled(kind):
    _, res = kind
    table = res.memory(steps=3)
    again = pickle.loads(pickle.dumps(table))
    pd.testing.assert_frame_equal(again.frame, table.frame)
    one, other = (part.jacobian_products(5).frame for part in (again, table))
    pd.testing.assert_frame_equal(one, other)


def test_times_are_in_the_unit_of_the_index():
    found = FITS["linear"]().memory().time_constants()
    assert "years" in str(found.summary())


def test_both_directions_lead_on():
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"x": rng.standard_normal(80)})
    y = pd.Series(np.convolve(x["x"], [0.3, 0.5, 0.2], "same") + 0.3 * rng.standard_normal(80))
    res = BidirectionalRNN(y, x, k_hidden=1, penalty=5.0).fit(n_starts=1, rng=0)
    table = res.memory(steps=3)
    rates = table.verdict["log_rate"]
    for name, part in (("forward", table.forward), ("backward", table.backward)):
        found = part.lyapunov_spectrum()
        assert found.exponents[0] == pytest.approx(rates[name], rel=1e-10)
        gradient = part.gradient_by_lag(5, of="output", by="input")
        assert np.isfinite(gradient.frame.select_dtypes("number").to_numpy()).any()
    products = measures.jacobian_products(res, horizon=4).frame
    pd.testing.assert_frame_equal(products, table.forward.jacobian_products(4).frame)
