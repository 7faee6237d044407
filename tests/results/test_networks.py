"""Results as recurrent networks: weights by name, the filter's and the smoother's numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats import datasets
from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.models.linear import LinearRNN
from rnnstats.results.linear import LinearResults
from rnnstats.results.networks import intercepts

# Weights and recursion differ by rounding only, once the filter has settled.
EXACT = 1e-8


def innovations(**options):
    endog, exog = series(200, 2, 1)
    model = LinearRNN(endog, exog, k_states=2, **options)
    values = {
        "W_h[h1,h1]": 0.6, "W_h[h1,h2]": 0.1, "W_h[h2,h2]": 0.7, "K[h1,cpi]": 0.3,
        "K[h2,gdp]": 0.4, "b_y[cpi]": 2.0, "b_y[gdp]": 1.0, "b_y_trend[cpi]": 0.01,
        "W_x[h1,x0]": 0.5, "D[cpi,x0]": 1.0, "D[gdp,x0]": -0.3,
        "obs_cov[cpi,cpi]": 1.0, "obs_cov[gdp,gdp]": 2.0, "obs_cov[gdp,cpi]": 0.5,
    }  # fmt: skip
    params = pd.Series(0.0, index=list(model.param_names))
    params.update({name: value for name, value in values.items() if name in params.index})
    return LinearResults.from_fit(model, params)


def leaky():
    endog, exog = series(200, 2, 1)
    model = LinearRNN(endog, exog, k_states=2, form="leaky", trend="ct", exog_enters="both")
    values = {"W_h[h1,h1]": 0.8, "W_h[h2,h2]": 0.3, "D[cpi,x0]": 1.0, "b_y_trend[gdp]": 0.01}
    params = pd.Series(0.7, index=list(model.param_names))
    params.update(values)
    return LinearResults.from_fit(model, params)


def observed():
    endog, _ = series(200, 2)
    model = LinearRNN(endog, k_states=4, form="observed")
    params = pd.Series(0.1, index=list(model.param_names))
    params.update({"state_cov[h1,h1]": 1.0, "state_cov[h2,h2]": 2.0, "b_y[cpi]": 3.0})
    return LinearResults.from_fit(model, params)


def random_walk():
    model = LinearRNN(
        datasets.nile(), form="structured", initial="diffuse", trend="n",
        structure={"W_h": [[1.0]], "V": [[1.0]], "state_cov": [["q"]], "obs_cov": [["r"]]},
    )  # fmt: skip
    return LinearResults.from_fit(model, pd.Series({"q": 1469.1, "r": 15098.5}))


def noisy():
    return LinearResults.from_fit(NoisyAR(series(200)[0]), [0.8, 1.0, 0.5, 2.0])


def later_rows():
    endog, exog = series(400, 2, 1)
    first = LinearRNN(endog[:200], exog[:200], k_states=2, trend="ct")
    params = first.start_params
    return LinearResults.from_fit(first, params).extend(endog[200:], exog[200:])


FITTED = {
    "innovations": innovations,
    "inputs in both, trend": lambda: innovations(trend="ct", exog_enters="both"),
    "known start": lambda: innovations(initial="known"),
    "diffuse start": lambda: innovations(initial="diffuse"),
    "leaky": leaky,
    "observed": observed,
    "random walk": random_walk,
    "noisy autoregression": noisy,
    "later rows": later_rows,
}


def data(res):
    model = res.model
    return model.endog.values, None if model.exog is None else model.exog.values


@pytest.mark.parametrize("name", list(FITTED))
def test_networks_give_forecasts_and_smoothed_states(name):
    res = FITTED[name]()
    y, x = data(res)
    net = res.to_birnn()
    settled = slice(net.memory + 20, None)
    fitted = pd.DataFrame(res.fittedvalues).to_numpy()
    size = EXACT * np.abs(y).max()
    assert len(fitted[settled]) >= 20
    assert np.abs(res.to_rnn().run(y, x).forecast - fitted)[settled].max() <= size
    smoothed = res.smoothed_state.to_numpy()
    assert (
        np.abs(net.run(y, x).smoothed - smoothed)[settled].max() <= EXACT * np.abs(smoothed).max()
    )


def test_pandas_data_are_read_as_arrays():
    res = innovations(exog_enters="both", trend="ct")
    y, x = data(res)
    endog = pd.DataFrame(y, index=res.model.endog.index)
    exog = pd.DataFrame(x, index=res.model.endog.index)
    one, other = res.to_rnn().run(endog, exog), res.to_rnn().run(y, x)
    np.testing.assert_array_equal(one.forecast, other.forecast)
    single = noisy()
    net, column = single.to_rnn(), single.model.endog.values
    np.testing.assert_array_equal(
        net.run(pd.Series(column[:, 0])).forecast, net.run(column).forecast
    )


def test_columns_of_tables_are_matched_by_name():
    """In another order they are the same data; another series in a known place is refused."""
    res = innovations(exog_enters="both")
    y, x = data(res)
    net, both = res.to_rnn(), res.to_birnn()
    endog = pd.DataFrame(y, columns=["cpi", "gdp"])
    turned = endog[["gdp", "cpi"]]
    np.testing.assert_array_equal(net.run(turned, x).forecast, net.run(y, x).forecast)
    np.testing.assert_array_equal(both.run(turned, x).smoothed, both.run(y, x).smoothed)
    unknown = endog.set_axis(["a", "b"], axis=1)
    np.testing.assert_array_equal(net.run(unknown, x).forecast, net.run(y, x).forecast)
    with pytest.raises(DataError, match="'cpi' in another place"):
        net.run(endog.set_axis(["a", "cpi"], axis=1), x)
    with pytest.raises(DataError, match="y must be numbers"):
        net.run(endog.astype(str) + "?", x)


def test_weights_of_the_innovations_form():
    res = innovations(exog_enters="both")
    net, params = res.to_rnn(), res.params
    assert net.state_names == ("h1", "h2", "held[x0]")
    np.testing.assert_allclose(net.W_y[0, 0], params["K[h1,cpi]"])
    np.testing.assert_allclose(net.W_h[0, 0], params["W_h[h1,h1]"] - params["K[h1,cpi]"])
    np.testing.assert_allclose(net.D[:, 0], [1.0, -0.3])
    np.testing.assert_allclose(net.W_x[:, 0], [0.5, 0.0, 1.0])
    np.testing.assert_allclose(net.b_y, [2.0, 1.0])
    assert net.weights()["W_y[h2,gdp]"] == pytest.approx(0.4)
    assert res.to_birnn().k_backward == 0
    state = innovations()
    assert state.to_rnn().k_hidden == 2  # no input enters the output: nothing has to be held


def test_intercepts_are_taken_apart():
    endog, exog = series(60, 2, 2)
    exog = exog * [1e-6, 1e6]
    model = LinearRNN(endog, exog, k_states=2, trend="ct", exog_enters="both")
    params = pd.Series(np.arange(1.0, len(model.param_names) + 1), index=list(model.param_names))
    found = intercepts(model, params.to_numpy())
    pick = {
        "obs_const": ["b_y[cpi]", "b_y[gdp]"],
        "obs_trend": ["b_y_trend[cpi]", "b_y_trend[gdp]"],
    }
    for field, names in pick.items():
        np.testing.assert_allclose(getattr(found, field), params[names], rtol=1e-9)
    names = [[f"D[{y},{x}]" for x in exog.columns] for y in endog.columns]
    # 1e6 times the size of the other: an input of 1e-6 is told from the sum to 1e-16 / 1e-6
    np.testing.assert_allclose(found.obs_exog, [params[row] for row in names], rtol=1e-6)
    names = [[f"W_x[{h},{x}]" for x in exog.columns] for h in ("h1", "h2")]
    np.testing.assert_allclose(found.state_exog, [params[row] for row in names], rtol=1e-9)
    assert not found.state_const.any()
    assert not found.state_trend.any()


def test_random_walk_is_exponential_smoothing():
    """Durbin and Koopman (2012), section 2.11: Nile, gain of the steady state 0.27."""
    net = random_walk().to_rnn()
    assert net.W_y[0, 0] == pytest.approx(0.27, abs=0.005)
    assert net.W_h[0, 0] == pytest.approx(1.0 - net.W_y[0, 0])


def test_moving_average_root_on_the_circle_is_said():
    endog, _ = series(50)
    model = LinearRNN(endog, k_states=1)
    res = LinearResults.from_fit(model, [0.5, 0.9, 1.0, 2.0])
    assert res.to_rnn().memory > 0
    edge = LinearResults.from_fit(model, [0.5, 1.5, 1.0, 2.0])
    for call in ("to_rnn", "to_birnn"):
        with pytest.warns(ConvergenceWarning, match=rf"^{call}: the network never forgets"):
            assert getattr(edge, call)().memory is None


def test_a_model_without_steady_state_is_refused():
    endog, _ = series(50)
    level = {"W_h": [[1.0]], "V": [[1.0]], "state_cov": [["q"]], "obs_cov": [["r"]]}
    model = LinearRNN(endog, form="structured", structure=level, initial="diffuse", trend="n")
    still = LinearResults.from_fit(model, pd.Series({"q": 0.0, "r": 1.0}))
    for call in ("to_rnn", "to_birnn"):
        with pytest.raises(SpecificationError, match=rf"^{call}: the filter must settle"):
            getattr(still, call)()


def test_far_units_of_an_output_leave_the_others_weights():
    """Dollars beside a rate: coefficients of the rate are not rounding."""
    rng = np.random.default_rng(0)
    y = pd.DataFrame(rng.standard_normal((60, 2)) * [1e14, 1.0], columns=["gdp", "rate"])
    x = pd.DataFrame({"oil": rng.standard_normal(60)})
    model = LinearRNN(y, x, form="observed", exog_enters="output", trend="ct")
    values = dict.fromkeys(model.param_names, 0.0)
    values |= {"state_cov[h1,h1]": 1e28, "state_cov[h2,h2]": 1.0, "D[gdp,oil]": 3e13}
    values |= {"D[rate,oil]": 0.4, "b_y[gdp]": 5e14, "b_y_trend[rate]": 0.01}
    res = LinearResults.from_fit(model, list(values.values()), cov_type="none")
    network = res.to_rnn()
    np.testing.assert_allclose(network.D[:, 0], [3e13, 0.4], rtol=1e-12)
    np.testing.assert_allclose(network.b_y_trend, [0.0, 0.01], rtol=1e-10, atol=1e-12)
