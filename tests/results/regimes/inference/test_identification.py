"""What the data tell about models with regimes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.regimes.markov_cases import at, case

from rnnstats.errors import ConvergenceWarning
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.regimes.inference.refitting import aligned, allowed, matching


def test_regimes_that_coincide():
    y = case("normal").model.endog.values[:, 0]
    res = at(MarkovRNN(y, switching="trend"), [0.8, 0.3, 1.0, 1.0, 4.0], cov_type="opg")
    found = res.identification()
    assert found.coincident == (("h1", "h2"),)
    assert not found.identified
    assert "regimes h1 and h2 coincide" in str(found)
    # transitions between equal regimes tell nothing; the common mean and variance are told
    status = found.frame["status"]
    assert (status[["p[h1->h1]", "p[h2->h1]"]] == "not identified").all()
    assert status["obs_cov[y,y]"] == "identified"
    assert found.nullity >= 2
    told = found.is_identified(["obs_cov[y,y]", "p[h1->h1]"])
    assert told.tolist() == [True, False]
    assert "Use fewer regimes" in str(found.summary())


def test_regimes_well_apart_are_identified_up_to_their_order():
    res = MarkovRNN(case("normal").model.endog.values[:, 0]).fit(n_starts=4)
    found = res.identification()
    assert found.identified
    assert (found.rank, found.k_free, found.orders) == (6, 6, 2)
    assert found.coincident == found.rare == found.held == ()
    assert found.visits.sum() == pytest.approx(120)
    np.testing.assert_allclose(found.visits, res.smoothed_state.sum())
    size = np.sqrt((res.model.score_obs(res.params) ** 2).sum(axis=0))
    np.testing.assert_allclose(found.frame["std_err_alone"], 1 / size, rtol=1e-10)


def test_regimes_hardly_visited_and_estimates_at_the_boundary():
    y = case("normal").model.endog.values[:, 0]
    res = at(
        MarkovRNN(y, switching="trend", start="uniform"), [1.0, 0.5, 1.0, 90.0, 4.0],
        cov_type="opg",
    )  # fmt: skip
    found = res.identification()
    assert found.rare == ("h2",)
    assert found.held == ("p[h1->h1]",)
    assert found.frame.loc["p[h1->h1]", "status"] == "at the boundary"
    # weights of 1e-100: rounding, not information
    assert found.frame.loc["V[y,h2]", "status"] == "not identified"
    with pytest.warns(ConvergenceWarning, match=r"no standard errors for .*V\[y,h2\]"):
        assert np.isnan(res.bse["V[y,h2]"])
    assert res.bse["V[y,h1]"] > 0
    assert "p[h1->h1]" not in found.null_directions.index[found.null_directions.any(axis=1)]


def test_restrictions_take_orders_away():
    res = case("short").with_cov("opg")
    with pytest.warns(UserWarning, match="information is singular"):
        assert res.covariance.rank < 8  # seven rows for nine parameters
    found = res.identification()
    assert found.orders == 1
    assert found.frame.loc["p[h1->h3]", "status"] == "fixed"


@pytest.mark.parametrize("name", ["earthquakes", "sequences", "driven", "words", "pair"])
def test_other_orders_of_the_regimes_are_found_and_undone(name):
    res = case(name)
    theta = res.params.to_numpy()
    turned = res.model.reordered(theta, [1, 0])
    assert not np.allclose(turned, theta)
    assert list(matching(res.model, turned, theta)) == [1, 0]
    np.testing.assert_allclose(aligned(res.model, turned, theta), theta, rtol=1e-9, atol=1e-12)
    assert aligned(res.model, theta, theta) is theta


def test_orders_that_restrictions_forbid_are_not_taken():
    res = case("short")
    theta = res.params.to_numpy()
    assert allowed(res.model, theta, np.array([1, 0, 2])) is None
    np.testing.assert_array_equal(allowed(res.model, theta, np.arange(3)), theta)


def test_bootstrap_keeps_the_order_of_the_regimes():
    res = MarkovRNN(
        pd.Series(case("normal").model.endog.values[:, 0], name="y"), switching="trend"
    ).fit(n_starts=4)
    draws = res.bootstrap(25, rng=0)
    assert list(draws.params.columns) == list(res.model.param_names)
    assert len(draws.theta) >= 23
    assert (draws.params["V[y,h1]"] < draws.params["V[y,h2]"]).all()
    again = res.bootstrap(25, rng=0, errors=True)
    np.testing.assert_array_equal(again.theta, draws.theta)
    assert np.isfinite(again.conf_int(kind="studentized")).all().all()
    # 25 draws: the spread of a parameter is known to 15 %, three times that is allowed
    assert 0.5 < draws.bse["V[y,h2]"] / res.bse["V[y,h2]"] < 1.6
    with pytest.raises(ValueError, match="depend on the regime"):
        res.bootstrap(5, kind="innovations")


def test_bootstrap_of_sequences_keeps_sequences_and_gaps():
    res = MarkovRNN(
        pd.DataFrame(
            case("sequences").model.endog.values, columns=list(case("sequences").model.endog.names)
        ),
        emission={"rt": "gaussian", "correct": "bernoulli"},
        groups=np.repeat([0, 1, 2], [40, 20, 30]),
    ).fit(n_starts=4)
    source = res._sampler("test")
    values = source.one(np.random.default_rng(1))
    np.testing.assert_array_equal(np.isnan(values), np.isnan(res.model.endog.values))
    assert set(np.unique(values[:, 1][np.isfinite(values[:, 1])])) == {0.0, 1.0}
    refit = res._refitter("test")
    np.testing.assert_array_equal(refit.on(values).offsets, res.model.offsets)
    found = refit(values)
    assert found.message == ""
    assert found.theta[list(res.model.param_names).index("V[rt,h1]")] == pytest.approx(5.5, abs=0.3)


def test_information_test_against_simulated_samples():
    res = MarkovRNN(
        pd.Series(case("normal").model.endog.values[:, 0], name="y"), switching="trend"
    ).fit(n_starts=4)
    found = res.compare_covariances(nboot=45, rng=0)
    assert list(found.frame.columns[:3]) == ["oim", "opg", "robust"]
    assert 0 < found.pvalue <= 1
    assert "information-matrix test" in found.message
