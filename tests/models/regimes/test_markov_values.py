"""Log-likelihoods, probabilities and derivatives at published parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnstats import MarkovRNN


def test_weather_by_hand(cases: Any) -> None:
    reference = cases["H03"]["reference"]
    emission = {"y": {"family": "categorical", "levels": ["walk", "shop", "clean"]}}
    model = MarkovRNN(["walk", "shop", "clean"], emission=emission, start=[0.6, 0.4])
    params = {
        "p[h1->h1]": 0.7,
        "p[h2->h1]": 0.4,
        "prob[y=walk,h1]": 0.1,
        "prob[y=shop,h1]": 0.4,
        "prob[y=walk,h2]": 0.6,
        "prob[y=shop,h2]": 0.3,
    }
    assert model.loglike(params) == pytest.approx(reference["loglik"], abs=1e-12)
    np.testing.assert_allclose(
        model.smooth(params).smoothed, reference["posteriors"], rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        model.filter(params).filtered, reference["filtered"], rtol=0, atol=1e-12
    )


def test_speed_of_responses_in_three_sequences(cases: Any) -> None:
    data = cases.frame("data/speed_depmixS4.csv")
    endog = data[["rt", "corr", "series"]].assign(corr=data["corr"] == "cor")
    emission = {"rt": "gaussian", "corr": "bernoulli"}
    model = MarkovRNN(endog, emission=emission, groups="series", start=[0.0, 1.0])
    params = {
        "p[h1->h1]": 0.899,
        "p[h2->h1]": 0.084,
        "V[rt,h1]": 5.52,
        "V[rt,h2]": 6.39,
        "obs_cov[rt,rt,h1]": 0.202**2,
        "obs_cov[rt,rt,h2]": 0.24**2,
        "prob[corr,h1]": 0.528,
        "prob[corr,h2]": 0.902,
    }
    assert model.endog.first_rows == (0, 168, 302)
    reference = cases["H07"]["reference"]["fixed_loglik"]
    # the case's tolerance is 1e-6; 439 terms leave rounding of 1e-12
    assert model.loglike(params) == pytest.approx(reference, abs=1e-10)
    text = MarkovRNN(
        data[["rt", "corr"]],
        emission={"rt": "gaussian", "corr": "categorical"},
        groups=data["series"],
        start=[0.0, 1.0],
    )
    assert text.levels == {"corr": ("cor", "inc")}
    names = {"prob[corr,h1]": "prob[corr=cor,h1]", "prob[corr,h2]": "prob[corr=cor,h2]"}
    same = {names.get(name, name): value for name, value in params.items()}
    assert text.loglike(same) == pytest.approx(model.loglike(params), rel=1e-14)


def test_hamilton_at_the_maximum(cases: Any) -> None:
    reference = cases["M01"]["reference"]["mle"]
    known = reference["params"]
    data = cases.frame("data/hamilton_rgnp.csv")
    model = MarkovRNN(data["rgnp_growth"].rename("y"), order=4, ar_form="mean", switching="trend")
    params = {
        "p[h1->h1]": known["p00"],
        "p[h2->h1]": known["p10"],
        "V[y,h1]": known["mu0"],
        "V[y,h2]": known["mu1"],
        **{f"ar{i + 1}[y,y]": value for i, value in enumerate(known["ar"])},
        "obs_cov[y,y]": known["sigma2"],
    }
    assert model.nobs_likelihood == 131
    # rounding of the published numbers is second order at a maximum
    assert model.loglike(params) == pytest.approx(reference["loglik_mle"], abs=1e-9)
    # the score is 1e-4 of what one standard error moves it by (1 / 0.01)
    assert np.abs(model.score(params)).max() < 1e-3
    cov = np.linalg.inv(-model.hessian(params))
    bse = dict(zip(model.param_names, np.sqrt(np.diag(cov)), strict=True))
    known_se = reference["se"]
    for name, value in (("p[h1->h1]", "p00"), ("V[y,h1]", "mu0"), ("obs_cov[y,y]", "sigma2")):
        assert bse[name] == pytest.approx(known_se[value], rel=1e-3)


def test_federal_funds_at_the_maximum(cases: Any) -> None:
    reference = cases["M03"]["reference"]
    data = cases.frame("data/fedfunds_stata.csv")
    model = MarkovRNN(data["fedfunds"], switching="trend")
    # Stata prints eight digits of the log-likelihood
    assert model.loglike(reference["params"]) == pytest.approx(reference["loglik"], abs=5e-6)
    cov = np.linalg.inv(-model.hessian(reference["params"]))
    np.testing.assert_allclose(np.sqrt(np.diag(cov)), reference["se"], rtol=2e-3)


def test_absolute_returns_at_the_maximum(cases: Any) -> None:
    reference = cases["M05"]["reference"]
    model = MarkovRNN(cases.frame("data/areturns_stata.csv")["areturns"], order=1)
    assert model.loglike(reference["params"]) == pytest.approx(reference["loglik"], abs=5e-5)


def test_filardo_at_the_maximum(cases: Any) -> None:
    reference = cases["M07"]["reference"]
    data = cases.frame("data/filardo_eviews.csv")
    lead = data["dmdlleading"].shift(1).rename("lead").iloc[1:]
    model = MarkovRNN(
        data["dlip"].rename("y").iloc[1:],
        order=4,
        ar_form="mean",
        switching="trend",
        exog_transition=lead,
    )
    p = reference["params"]
    params = {
        "W_h[h1->h1]": p[0],
        "W_h[h2->h1]": p[1],
        "W_x[h1->h1,lead]": p[2],
        "W_x[h2->h1,lead]": p[3],
        "V[y,h1]": p[4],
        "V[y,h2]": p[5],
        "obs_cov[y,y]": p[6],
        **{f"ar{i + 1}[y,y]": value for i, value in enumerate(p[7:])},
    }
    assert model.loglike(params) == pytest.approx(reference["mle_loglik"], abs=1e-8)
    # 518 rows; an error of 1e-6 in a parameter moves the score by up to 1e-3
    assert np.abs(model.score(params)).max() < 2e-3
    found = model.filter(params)
    known = data["filtered_0"].iloc[5:].to_numpy()
    # The transition probabilities in EViews' table differ by up to 4e-6 from those that its
    # parameters give, so the table belongs to slightly other ones; filtered and smoothed
    # probabilities add up several such errors. statsmodels agrees with ours to 1e-14.
    moves = model.system(params).transition
    known_moves = data["transition_00"].iloc[5:]
    np.testing.assert_allclose(moves[4:, 0, 0], known_moves, rtol=0, atol=5e-6)
    np.testing.assert_allclose(found.filtered["h1"].iloc[4:], known, rtol=0, atol=1e-5)
    assert found.filtered.iloc[:4].isna().all(axis=None)
    smoothed = model.smooth(params).smoothed["h1"].iloc[4:]
    np.testing.assert_allclose(smoothed, data["smoothed_0"].iloc[5:], rtol=0, atol=2e-5)


@pytest.mark.crosspkg
def test_filardo_is_that_of_statsmodels(cases: Any) -> None:
    import statsmodels.api as sm

    data = cases.frame("data/filardo_eviews.csv")
    y, lead = data["dlip"].to_numpy()[1:], data["dmdlleading"].to_numpy()[:-1]
    model = MarkovRNN(y, order=4, ar_form="mean", switching="trend", exog_transition=lead)
    p = np.array(cases["M07"]["reference"]["params"])
    own = [p[0], p[2], p[1], p[3], p[4], p[5], *p[7:], p[6]]
    other = sm.tsa.MarkovAutoregression(
        y, k_regimes=2, order=4, switching_ar=False, exog_tvtp=sm.add_constant(lead)
    ).smooth(p)
    # two implementations of one recursion over 514 rows
    assert model.loglike(own) == pytest.approx(other.llf, rel=1e-13)
    np.testing.assert_allclose(
        model.filter(own).filtered.to_numpy()[4:],
        other.filtered_marginal_probabilities,
        rtol=0,
        atol=1e-12,
    )
    np.testing.assert_allclose(
        model.smooth(own).smoothed.to_numpy()[4:],
        other.smoothed_marginal_probabilities,
        rtol=0,
        atol=1e-12,
    )
