"""What `memory` leads to from results of every kind of model."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import network

from rnnstats import datasets
from rnnstats.diagnostics import memory as measures
from rnnstats.errors import SpecificationError
from rnnstats.models.bidirectional import BidirectionalRNN
from rnnstats.models.linear import LinearRNN
from rnnstats.models.markov import MarkovRNN

VIEWS = (
    "jacobian_products",
    "gradient_by_lag",
    "lyapunov_spectrum",
    "time_constants",
    "transfer_function",
    "effective_memory",
    "memory_capacity",
    "gradient_paths",
)
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
    "gru": lambda: network("gru").with_cov("approx"),
    "lstm": lambda: network("lstm").with_cov("approx"),
}


@pytest.fixture(scope="module", params=FITS)
def kind(request):
    return request.param, FITS[request.param]()


def test_every_measure_is_reached_and_is_that_of_the_function(kind):
    name, res = kind
    table = res.memory(steps=3)
    for view in VIEWS:
        options = {"rng": 0, "nsteps": 400} if view == "memory_capacity" else {}
        if name == "linear":
            options.pop("nsteps", None)
        if view in NOT.get(name, ()):
            with pytest.raises(SpecificationError, match=f"{view}: .*MarkovRNN.* Use "):
                getattr(table, view)()
            continue
        found = getattr(table, view)(**options)
        known = getattr(measures, view)(res, **options)
        pd.testing.assert_frame_equal(found.frame, known.frame)
        assert len(found.summary().as_text()) > 100
        assert repr(found) == str(found.summary())
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
