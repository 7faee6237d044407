"""With an identity activation a network is the linear model in innovations form, to rounding."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import at

from rnnstats.models.linear import LinearRNN
from rnnstats.models.nonlinear import ElmanRNN

NAMES = ("a", "b")
HELD = {
    "V[a,h1]": 1.0, "V[a,h2]": 0.0, "V[b,h1]": 0.0, "V[b,h2]": 1.0,
    "b_y[a]": 0.0, "b_y[b]": 0.0, "b_h[h1]": 0.0, "b_h[h2]": 0.0,
}  # fmt: skip


def series():
    rng = np.random.default_rng(3)
    roots, gain = np.array([[0.6, 0.2], [-0.1, 0.5]]), np.array([[0.4, 0.1], [0.0, 0.5]])
    factor = np.linalg.cholesky([[1.0, 0.3], [0.3, 0.5]])
    state, rows = np.zeros(2), []
    for _ in range(80):
        error = factor @ rng.standard_normal(2)
        rows.append(state + error)
        state = roots @ state + gain @ error
    return pd.DataFrame(rows, columns=list(NAMES))


@cache
def pair():
    """VARMA(1,1) of two series as LinearRNN, and as a network with V and constants held."""
    y = series()
    linear = LinearRNN(y, k_states=2, form="innovations", trend="n", initial="known").fit()
    model = ElmanRNN(y, k_hidden=2, activation="identity", presample="predict", fixed=HELD)
    params = {}
    for name in model.param_names:
        params[name] = HELD[name] if name in HELD else linear.delta_method(twin(name)).iloc[0, 0]
    return at(model, pd.Series(params)), linear


def twin(name):
    """The same quantity in the linear model: W_h - K V for W_h, K for W_y."""
    if name.startswith("W_h["):
        row, column = name[4:-1].split(",")
        return f"W_h[{row},{column}] - K[{row},{NAMES[int(column[1]) - 1]}]"
    return name.replace("W_y[", "K[")


def close(one, two, tol):
    np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=tol, atol=tol)


# both are sums of the same products in another order; Hessians are differences of exact scores
@pytest.mark.parametrize(
    ("kind", "tol"), [("approx", 1e-10), ("opg", 1e-10), ("oim", 1e-8), ("robust", 1e-8)]
)
def test_standard_errors(kind, tol):
    net, linear = pair()
    found = net.with_cov(kind).bse.dropna()
    assert len(found) == 11
    other = linear.with_cov(kind)
    known = [other.delta_method(twin(name))["std err"].iloc[0] for name in found.index]
    close(found / known, np.ones(11), tol)


def test_likelihood_fit_and_residuals():
    net, linear = pair()
    assert net.nobs == linear.nobs
    assert net.llf == pytest.approx(linear.llf, rel=1e-12)
    for name in ("llf_obs", "fittedvalues", "resid", "standardized_resid", "predicted_state"):
        close(getattr(net, name), getattr(linear, name), 1e-10)
    close(net.quantile_residuals(), linear.standardized_resid, 1e-8)  # two inverse maps
    assert net.aic == pytest.approx(linear.aic, rel=1e-12)
    for test in ("test_normality", "test_heteroskedasticity"):
        close(getattr(net, test)(), getattr(linear, test)(), 1e-7)


def test_predictions_past_the_sample_and_dynamic():
    net, linear = pair()
    for options in ({"start": 70, "end": 92}, {"start": 40, "end": 60, "dynamic": 3}):
        ours, theirs = net.get_prediction(**options), linear.get_prediction(**options)
        close(ours.predicted_mean, theirs.predicted_mean, 1e-9)
        close(ours.se_mean, theirs.se_mean, 1e-9)
        close(ours.conf_int(), theirs.conf_int(), 1e-8)  # quantiles found by search


def test_memory_is_that_of_the_filter():
    net, linear = pair()
    ours = net.memory(steps=6)
    theirs = linear.memory(steps=6)
    of = theirs.verdict.set_index("of").loc["W_h - K V"]
    # the constant Jacobian's growth rate is its spectral radius, reached as rows go by
    assert ours.verdict["log_rate"].iloc[0] == pytest.approx(of["log_radius"], abs=0.05)
    logs = theirs.products[theirs.products["of"] == "W_h - K V"]["log_singular_1"]
    close(ours.products["median"], logs, 1e-9)


def test_one_output_two_states_by_the_chain_rule():
    # W_h - K V has a cell that is -K: no restriction by name, but the information says the same
    y = series()["a"]
    linear = LinearRNN(y, k_states=2, form="innovations", trend="n", initial="known").fit()
    w, k = linear.params.iloc[:2], linear.params.iloc[2:4]
    model = ElmanRNN(y, k_hidden=2, activation="identity", presample="predict")
    point = {name: 0.0 for name in model.param_names}
    point |= {
        "W_h[h1,h1]": -k.iloc[0], "W_h[h1,h2]": 1.0, "W_h[h2,h1]": w.iloc[0] - k.iloc[1],
        "W_h[h2,h2]": w.iloc[1], "W_y[h1,a]": k.iloc[0], "W_y[h2,a]": k.iloc[1], "V[a,h1]": 1.0,
        "obs_cov[a,a]": linear.params.iloc[4],
    }  # fmt: skip
    net = at(model, pd.Series(point))
    slopes = pd.DataFrame(0.0, index=list(model.param_names), columns=list(linear.params.index))
    slopes.loc["W_h[h1,h1]", "K[h1,a]"] = -1.0
    slopes.loc["W_h[h2,h1]", ["W_h[h2,h1]", "K[h2,a]"]] = [1.0, -1.0]
    slopes.loc["W_h[h2,h2]", "W_h[h2,h2]"] = 1.0
    slopes.loc["W_y[h1,a]", "K[h1,a]"] = slopes.loc["W_y[h2,a]", "K[h2,a]"] = 1.0
    slopes.loc["obs_cov[a,a]", "obs_cov[a,a]"] = 1.0
    chain, theta = slopes.to_numpy(), net.params.to_numpy()
    known = linear.model.information(linear.params.to_numpy())
    size = np.sqrt(np.outer(np.diag(known), np.diag(known)))
    close(chain.T @ model.information(theta) @ chain / size, known / size, 1e-10)
    bend = linear.model.hessian(linear.params.to_numpy())
    close(chain.T @ model.hessian(theta) @ chain / size, bend / size, 1e-8)


def test_an_unrestricted_identity_network_has_n_squared_null_directions():
    y = series()["a"]
    linear = LinearRNN(y, k_states=1, form="innovations", trend="n", initial="known").fit()
    no_constants = {"b_h[h1]": 0.0, "b_y[a]": 0.0}
    model = ElmanRNN(y, k_hidden=1, activation="identity", presample="predict", fixed=no_constants)
    root, gain = linear.params["W_h[h1,h1]"], linear.params["K[h1,a]"]
    point = pd.Series(
        {
            "W_h[h1,h1]": root - gain, "W_y[h1,a]": gain, "b_h[h1]": 0.0, "V[a,h1]": 1.0,
            "b_y[a]": 0.0, "obs_cov[a,a]": linear.params["obs_cov[a,a]"],
        }
    )  # fmt: skip
    net = at(model, point, cov_type="approx")
    assert net.llf == pytest.approx(linear.llf, rel=1e-12)
    found = net.identification()
    assert (found.rank, found.k_free) == (3, 4)  # the scale of h1 is free
    assert [one.kind for one in found.findings] == ["rotation"]
    assert not found.frame.loc["V[a,h1]", "identified"]
    assert found.frame.loc["W_h[h1,h1]", "identified"]
    assert list(found.is_identified(["V[a,h1] * W_y[h1,a]", "V[a,h1]"])) == [True, False]
    with pytest.warns(match="no standard errors for W_y"):
        known = net.bse.dropna()
    assert list(known.index) == ["W_h[h1,h1]", "obs_cov[a,a]"]
    theirs = linear.with_cov("approx")
    root_se = theirs.delta_method("W_h[h1,h1] - K[h1,a]")["std err"].iloc[0]
    assert known["W_h[h1,h1]"] == pytest.approx(root_se, rel=1e-8)
    product = net.delta_method("V[a,h1] * W_y[h1,a]")["std err"].iloc[0]
    assert product == pytest.approx(theirs.bse["K[h1,a]"], rel=1e-8)
