"""Whether a network is needed: tests of linearity from its results."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from rnnstats import diagnostics
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.models.linear import LinearRNN
from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN
from rnnstats.results.recurrent.inference import linear_limit, linearity

NOBS = 80


def data(curved=True, seed=1):
    """One output with an input; a tanh unit where `curved`."""
    rng = np.random.default_rng(seed)
    x, e = rng.standard_normal(NOBS), rng.standard_normal(NOBS)
    y = np.zeros(NOBS)
    for t in range(1, NOBS):
        push = 2.5 * np.tanh(2.0 * y[t - 1]) - 0.8 * y[t - 1] if curved else 0.5 * y[t - 1]
        y[t] = push + 0.5 * x[t] + 0.5 * e[t]
    index = pd.period_range("2000-01", periods=NOBS, freq="M")
    return pd.Series(50.0 + 4.0 * y, index, name="cpi"), pd.DataFrame({"rate": x}, index)


def quiet(model, **options):
    """A fit whose units may run away, as they do where a linear model is true."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(n_starts=1, **options)


@pytest.fixture(scope="module")
def skipped():
    return ElmanRNN(*data(), k_hidden=1, skip=True).fit(n_starts=3)


def test_regressions_are_those_of_the_data(skipped):
    y, x = data()
    for options in ({}, {"method": "white", "rng": 3}, {"lags": 2, "robust": True, "form": "chi2"}):
        found = skipped.test_linearity(**options)
        expected = diagnostics.linearity(y, x, **options)
        assert (found.statistic, found.df) == (expected.statistic, expected.df)
        assert str(found) == str(expected)
    groups = np.repeat(["a", "b"], 40)
    model = ElmanRNN(y.to_numpy(), x.to_numpy(), k_hidden=1, groups=groups)
    panel = model.fit(n_starts=1).test_linearity()
    index = pd.MultiIndex.from_arrays([groups, np.arange(NOBS)])
    same = diagnostics.linearity(y.set_axis(index), x.set_axis(index))
    assert (panel.nobs, panel.statistic) == (78, pytest.approx(same.statistic, rel=1e-12))
    with pytest.raises(SpecificationError, match="method"):
        skipped.test_linearity("lr")


def test_the_linear_model_of_a_skip_connection_is_a_regression(skipped):
    y, x = data()
    found = skipped.test_linearity("bootstrap", n_draws=4, n_starts=1)
    design = np.column_stack([y[:-1], x[1:], np.ones(NOBS - 1)])
    ols = sm.OLS(y[1:].to_numpy(), design).fit()
    names = ["ar1[cpi,cpi]", "D[cpi,rate]", "b_y[cpi]"]
    np.testing.assert_allclose(found.linear_params[names], ols.params, rtol=1e-6)
    assert found.llf_linear == pytest.approx(ols.llf, abs=1e-8)
    assert ols.llf < found.llf_network < skipped.llf + 1e-6
    assert found.statistic == pytest.approx(2 * (found.llf_network - ols.llf), abs=1e-6)
    larger = np.count_nonzero(found.draws >= found.statistic)
    assert found.pvalue == (1 + larger) / (1 + len(found.draws)) == 0.2
    assert len(found.draws) + len(found.failures) == found.asked == 4
    assert "linear regression on lags and inputs" in str(found)
    again = skipped.test_linearity("bootstrap", n_draws=2, n_starts=1)
    np.testing.assert_array_equal(again.draws, found.draws[:2])
    other = skipped.test_linearity("bootstrap", n_draws=1, n_starts=1, rng=1)
    assert other.draws[0] not in found.draws


def test_without_one_it_is_the_network_with_identity_activation():
    y, _ = data(curved=False)
    res = ElmanRNN(y, k_hidden=1, presample="predict").fit(n_starts=2)
    found = res.test_linearity("bootstrap", n_draws=1, n_starts=1)
    linear = LinearRNN(y, k_states=1, initial="known").fit()
    # LinearRNN of one state starts at the state's mean, the network at zero: one number more, so
    # that twice the difference is chi-squared with one degree of freedom
    assert -1e-8 < found.llf_linear - linear.llf < 0.5 * 3.84
    assert found.llf_linear == pytest.approx(
        ElmanRNN(y, k_hidden=1, presample="predict", activation="identity").fit().llf, abs=1e-6
    )
    assert "activation='identity'" in str(found)


@pytest.mark.parametrize("skip", [True, False])
def test_the_data_are_fitted_as_each_draw_is(skip, monkeypatch):
    y, x = data()
    model = ElmanRNN(y, x, k_hidden=1, skip=skip)
    short, long = quiet(model, maxiter=1), model.fit(n_starts=3)
    assert long.llf > short.llf + 1.0
    one, other = (res.test_linearity("bootstrap", n_draws=2, n_starts=1) for res in (short, long))
    assert one.statistic == other.statistic > 0.0  # the estimates play no part
    np.testing.assert_array_equal(one.draws, other.draws)

    pair, _ = long._pair(2)
    values, number = np.asarray(model.endog.values), 5
    for_fit = np.random.SeedSequence(number).spawn(2)[1]
    own = pair.heights(values, for_fit)
    monkeypatch.setattr(linearity.RecurrentSampler, "one", lambda self, rng: values)
    (drawn,) = pair.block(own.theta, [np.random.SeedSequence(number)])
    assert (drawn.linear, drawn.network) == (own.linear, own.network)
    np.testing.assert_array_equal(drawn.theta, own.theta)
    again = linearity._simulated(pair, "", 3, np.random.default_rng(0), 1, False)
    assert again.pvalue == (1 + np.count_nonzero(again.draws >= again.statistic)) / 4


def soft(a):
    """An odd activation beside a constant."""
    return 0.3 + a / np.sqrt(1.0 + a * a)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "relu", soft])
@pytest.mark.parametrize(
    ("n_layers", "initial"), [(1, "stationary"), (1, "estimated"), (2, "estimated")]
)
def test_every_activation_has_a_network_next_to_the_linear_one(
    activation, n_layers, initial, monkeypatch
):
    y, x = data(curved=False)
    both = pd.DataFrame({"cpi": y, "gdp": y.shift(1).fillna(50.0) + 0.1 * x["rate"] ** 2})
    shape = {"k_hidden": 2, "n_layers": n_layers, "initial": initial}
    linear = ElmanRNN(both, x, activation="identity", **shape)
    network = ElmanRNN(both, x, activation=activation, **shape)
    theta = linear.start_params.to_numpy(copy=True)
    theta += 0.02 * np.random.default_rng(3).standard_normal(len(theta))
    gaps = []
    for gentle in (1e-2, 1e-5):
        monkeypatch.setattr(linear_limit, "GENTLE", gentle)
        there = linear_limit.near_linear(network, linear, theta)
        gaps.append(abs(network.loglike(there) - linear.loglike(theta)))
    # what is left bends in proportion to the size, or its square; relu has a straight piece
    assert gaps[1] < max(2e-3 * gaps[0], 1e-6)
    assert gaps[1] < 0.05
    assert abs(linear.loglike(theta) - network.loglike(theta)) > 1.0


def test_without_a_skip_connection_the_ratio_does_not_fall_below_the_limit():
    # starts of the data alone end below the linear network in one of five such series
    for seed in range(3):
        y, _ = data(curved=False, seed=seed)
        pair, _ = quiet(ElmanRNN(y, k_hidden=1), maxiter=1)._pair(1)
        found = pair.heights(y.to_numpy()[:, None], np.random.SeedSequence(seed))
        assert found.network > found.linear - 0.05


def test_ctrl_c_keeps_the_draws_made(skipped, monkeypatch):
    made = []

    def block(self, theta, seeds):
        if made:
            raise KeyboardInterrupt
        made.append(len(seeds))
        return [linearity._Heights(0.0, 1.0)] * len(seeds)

    monkeypatch.setattr(linearity._Pair, "block", block)
    with pytest.warns(ConvergenceWarning, match="rests on 5 of 20 draws"):
        found = skipped.test_linearity("bootstrap", n_draws=20, n_starts=1)
    assert (len(found.draws), found.asked) == (5, 20)
    with pytest.raises(KeyboardInterrupt):
        skipped.test_linearity("bootstrap", n_draws=20, n_starts=1)


def test_counts_have_a_generalised_linear_model():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(NOBS)
    calls = rng.poisson(np.exp(1.0 + 0.5 * x)).astype(float)
    res = quiet(GRU(calls, x, k_hidden=1, head="poisson", skip=True))
    found = res.test_linearity("bootstrap", n_draws=1, n_starts=1)
    design = np.column_stack([calls[:-1], x[1:], np.ones(NOBS - 1)])
    glm = sm.GLM(calls[1:], design, family=sm.families.Poisson()).fit()
    assert found.llf_linear == pytest.approx(glm.llf, abs=1e-6)
    with pytest.raises(SpecificationError, match=r"head='poisson'\. Use method='bootstrap'"):
        res.test_linearity()


def test_what_has_no_such_distribution_is_refused(skipped):
    y, _ = data()

    def refused(res, words):
        with pytest.raises(SpecificationError, match=words):
            res.test_linearity("bootstrap", n_draws=2)

    refused(quiet(LSTM(y, k_hidden=1), penalty=1.0), "penalised")
    refused(quiet(ElmanRNN(y, k_hidden=1, activation="identity")), "be linear itself")
    refused(quiet(ElmanRNN(y, k_hidden=1, fixed={"b_h[h1]": 0.0})), "with restrictions")
    refused(skipped.from_torch(skipped._torch_arrays()), "given, not estimated")
    refused(quiet(GRU(y, k_hidden=1), maxiter=20), "a GRU without a skip connection")


def test_a_likelihood_ratio_test_points_to_the_simulated_one(skipped):
    y, x = data()
    tanh = ElmanRNN(y, x, k_hidden=1).fit(n_starts=2)
    held = {"b_h[h1]": 0.0}
    identity = quiet(ElmanRNN(y, x, k_hidden=1, activation="identity", fixed=held))
    for linear in (identity, LinearRNN(y, x, k_states=1, initial="known").fit()):
        with pytest.raises(
            SpecificationError, match=r"chi-squared \(Davies 1987\).*test_linearity"
        ):
            tanh.lr_test(linear)


@pytest.mark.slow
def test_processes_do_not_change_the_numbers(skipped):
    one, two = (
        skipped.test_linearity("bootstrap", n_draws=11, n_starts=1, n_jobs=jobs) for jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.draws, two.draws)
