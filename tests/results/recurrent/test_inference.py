"""Tests of hypotheses, penalised estimates and refits."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from results.recurrent.network_cases import at, data, gaussian

from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.models.linear import LinearRNN
from rnnstats.models.nonlinear import GRU, ElmanRNN
from rnnstats.results.recurrent.inference.nesting import nested_networks


@cache
def fit(**options):
    y, x = data(nobs=200)
    return ElmanRNN(y, x, **{"k_hidden": 1, **options}).fit(n_starts=3)


@cache
def without_input():
    y, _ = data(nobs=200)
    return ElmanRNN(y, k_hidden=1).fit(n_starts=3)


def test_likelihood_ratio_of_zero_restrictions():
    large, small = fit(), without_input()
    found = small.lr_test(large)
    assert found.df == 1
    assert found.note == ""
    assert found.statistic == pytest.approx(2 * (large.llf - small.llf), rel=1e-12)
    assert found.pvalue < 1e-6
    held = large.model.with_fixed({"W_x[h1,rate]": 0.0}).fit(n_starts=3)
    assert held.llf == pytest.approx(small.llf, abs=1e-7)
    wald = large.wald_test("W_x[h1,rate] = 0")
    assert float(wald.statistic) > 10
    assert float(large.t_test("W_x[h1,rate] = 0").pvalue) < 1e-3


def test_fewer_units_are_not_tested_by_chi_squared():
    y, x = data(nobs=200)
    one, two = fit().model, ElmanRNN(y, x, k_hidden=2)
    with pytest.raises(SpecificationError, match=r"same units; got 1 and 2.*test_linearity"):
        nested_networks(one, two)
    # a unit held without effect is the same hypothesis
    idle = two.with_fixed({"V[cpi,h2]": 0.0, "W_h[h1,h2]": 0.0})
    with pytest.raises(SpecificationError, match="leaves h2 no effect"):
        nested_networks(idle, two)
    deaf = two.with_fixed({"W_h[h2,h1]": 0.0, "W_y[h2,cpi]": 0.0, "W_x[h2,rate]": 0.0})
    with pytest.raises(SpecificationError, match="leaves h2 no input"):
        nested_networks(deaf, two)
    # a unit that loses one of its inputs, or all of its weights, is tested regularly
    assert nested_networks(two.with_fixed({"W_x[h2,rate]": 0.0}), two) == ""
    named = [f"{name}" for name in two.param_names if "[h2" in name or ",h2]" in name]
    without = two.with_fixed(dict.fromkeys(named, 0.0))
    with pytest.raises(SpecificationError, match="leaves h2 no effect"):
        nested_networks(without, two)


def test_models_that_cannot_be_compared():
    y, x = data(nobs=200)
    linear = LinearRNN(y, x, k_states=1).fit()
    for one, other in ((fit(), linear), (linear, fit())):
        with pytest.raises(SpecificationError, match=r"must be recurrent networks, or neither"):
            one.lr_test(other)
    base = fit().model
    for other, words in (
        (GRU(y, x, k_hidden=1), "the same cells"),
        (ElmanRNN(y, x, k_hidden=1, activation="sigmoid", skip=True), "the same cells"),
        (ElmanRNN(y, x, k_hidden=1, head="student-t"), "the same head"),
        (ElmanRNN(y, x, k_hidden=1, initial="estimated"), "the same initial"),
        (ElmanRNN(y, x, k_hidden=1, penalty=1.0), "got a penalised one"),
        (
            ElmanRNN(y, x, k_hidden=1, skip=True, fixed={"W_x[h1,rate]": 1.0}),
            r"restrictions of the larger one on W_x\[h1,rate\]",
        ),
    ):
        with pytest.raises(SpecificationError, match=words):
            nested_networks(base, other)
    assert nested_networks(base, ElmanRNN(y, x, k_hidden=1, skip=True)) == ""
    bare = ElmanRNN(y, k_hidden=1, skip=True)
    with pytest.raises(SpecificationError, match="got the input rate in the smaller one only"):
        nested_networks(base, bare)


def test_penalised_estimates_say_so():
    plain = fit()
    res = plain.model.fit(penalty=20.0, n_starts=3)
    assert 1 < res.df_model < 7
    assert not float(res.df_model).is_integer()
    assert res.aic == pytest.approx(-2 * res.llf + 2 * res.df_model)
    assert res.llf < plain.llf
    # the ridge is part of the information: standard errors shrink with it
    assert (res.with_cov("approx").bse[["W_y[h1,cpi]", "W_x[h1,rate]"]] < plain.with_cov(
        "approx").bse[["W_y[h1,cpi]", "W_x[h1,rate]"]]).all()  # fmt: skip
    information = res.model.information(res.params.to_numpy())
    weights = np.linalg.solve(information + res.model.ridge(), information)
    known = weights @ np.linalg.inv(information) @ weights.T
    np.testing.assert_allclose(res.cov_params("approx"), known, rtol=1e-6, atol=1e-12)
    assert res.df_model == pytest.approx(np.trace(weights), rel=1e-9)
    text = " ".join(str(res.summary()).split())
    assert "Penalised: ridge 20" in text
    assert "Penalised: the estimates maximise the log-likelihood less 20/2 times" in text
    assert f"Df Model: {res.df_model:.2f}" in text
    for ask in (
        lambda: res.lr_test(plain),
        lambda: res.profile_conf_int("W_y[h1,cpi]"),
        lambda: res.compare_covariances(nboot=0),
    ):
        with pytest.raises(SpecificationError, match="penalised"):
            ask()
    # other rows do not change what was spent on the estimates
    again = res.apply(plain.model.endog.frame[:60], plain.model.exog.values[:60])
    assert again.df_model == res.df_model
    lighter, heavier = (plain.model.fit(penalty=p, n_starts=2).df_model for p in (1.0, 100.0))
    assert heavier < res.df_model < lighter < 7


def test_sandwich_of_penalised_estimates_by_hand():
    res = fit().model.fit(penalty=5.0, n_starts=2)
    theta = res.params.to_numpy()
    bread = np.linalg.inv(res.model.information(theta) + res.model.ridge())
    scores = res.model.score_obs(theta)
    known = bread @ scores.T @ scores @ bread
    found = res.cov_params("robust_approx").to_numpy()
    size = np.sqrt(np.outer(np.diag(known), np.diag(known)))
    np.testing.assert_allclose(found / size, known / size, atol=1e-9)
    # at the penalised maximum the scores sum to the penalty's slope, which is not zero
    weights = res.model.chart.to_standard(theta) * res.model.chart.penalised * 5.0
    left = scores.sum(axis=0) - res.model.chart.pull(weights)
    # a fit ends within 1e-5 standard errors by the Hessian, to which the information is near
    assert np.abs(bread @ left / res.bse.to_numpy()).max() < 1e-4
    assert np.abs(res.model.chart.pull(weights)).max() > 1.0


@pytest.mark.parametrize(
    "options",
    [{}, {"fixed": {"W_h[h1,h1]": 0.1}}, {"penalty": 0.5}, {"initial": "estimated"}],
    ids=["plain", "fixed", "penalty", "start"],
)
def test_standard_errors_do_not_know_where_zero_is(options):
    # Moving outputs and inputs changes constants only. At 1e5 spreads from zero the information
    # in the user's units is singular as far as a Hessian can tell.
    y, x = data(nobs=200)
    near = ElmanRNN(y, x, k_hidden=1, **options).fit(n_starts=3)
    model = ElmanRNN(y + 3e5, x + 1e5, k_hidden=1, **options)
    far = at(model, model.chart.to_natural(near.model.chart.to_standard(near.params.to_numpy())))
    shown = [name for name in model.param_names if not name.startswith("b_")]
    for kind in ("oim", "approx", "opg", "robust", "hac"):
        one, other = near.with_cov(kind), far.with_cov(kind)
        # natural units keep the standardised estimates to some 1e-16 * 1e5, and second derivatives
        # change by as much; the condition of the information (about 1e2) comes on top
        np.testing.assert_allclose(other.bse[shown], one.bse[shown], rtol=1e-7)
        assert np.isfinite(other.bse["b_h[h1]"])
        errors = [r.delta_method("V[cpi,h1] * W_y[h1,cpi]")["std err"] for r in (one, other)]
        np.testing.assert_allclose(errors[1], errors[0], rtol=1e-7)
        effects = [r.average_partial_effects()["std err"] for r in (one, other)]
        # differences over 1e-2 standard errors, of functions known to 1e-11, in two directions
        np.testing.assert_allclose(effects[1], effects[0], rtol=1e-6)
    assert far.df_model == pytest.approx(near.df_model, rel=1e-8)


def test_bootstrap_refits_and_kinds():
    res = fit()
    for kind in ("parametric", "innovations"):
        draws = res.bootstrap(nboot=6, kind=kind, rng=0)
        assert len(draws.params) == 6
        assert (draws.params.std() > 0).all()
    counts = at(ElmanRNN((data()[0] - data()[0].min()).round(), k_hidden=1, head="poisson"))
    with pytest.raises(SpecificationError, match="gaussian or Student-t head only; got head='poi"):
        counts.bootstrap(nboot=2, kind="innovations", rng=0)


def test_all_covariances_of_one_fit():
    res = gaussian()
    kinds = ("oim", "approx", "opg", "robust", "robust_approx", "hac")
    errors = np.array([res.with_cov(kind).bse for kind in kinds])
    assert np.isfinite(errors).all()
    assert errors.max(axis=0) == pytest.approx(errors.min(axis=0), rel=0.6)
    groups = np.arange(res.model.nobs) // 10
    cluster = res.with_cov("cluster", {"groups": groups}).bse
    assert cluster.notna().all()
    assert res.with_cov("none").bse.isna().all()
    kept = res.with_cov("opg")
    assert kept.cov_type == "opg"
    assert kept.llf == res.llf


def test_profile_intervals_hold_the_estimate():
    row = fit().profile_conf_int("W_h[h1,h1]").frame.iloc[0]
    assert row["lower"] < row["estimate"] < row["upper"]
    one = fit().lr_test(fit().model.with_fixed({"W_h[h1,h1]": float(row["upper"])}).fit(n_starts=2))
    assert one.pvalue == pytest.approx(0.05, abs=1e-3)


def test_functions_of_the_parameters():
    res = fit()
    formula = res.delta_method("V[cpi,h1] * W_y[h1,cpi]")
    callable_ = res.delta_method(lambda p: p["V[cpi,h1]"] * p["W_y[h1,cpi]"])
    np.testing.assert_allclose(formula.to_numpy(), callable_.to_numpy(), rtol=1e-6)


@pytest.mark.slow
def test_refits_on_a_flat_ridge_count():
    # the climb of a hardly determined gate ends at the limit of iterations, statistically at rest
    rng, y, h = np.random.default_rng(77), np.zeros(150), 0.0
    for i in range(1, 150):
        h = np.tanh(0.5 * h + 1.5 * y[i - 1] - 0.3)
        y[i] = 0.9 * h + 0.4 * rng.standard_normal()
    with pytest.warns(ConvergenceWarning):
        res = GRU(y, k_hidden=1).fit(n_starts=4, rng=3)
    with pytest.warns(ConvergenceWarning, match="of 12 fits of drawn samples failed"):
        drawn = res.bootstrap(nboot=12, rng=1)
    assert len(drawn.params) >= 6
